//! What a change must not leave behind: unfinished work, paths of one machine, addresses of one network, `mod.rs`.

use crate::source::names;
use crate::{File, Finding};

/// The crate that spells the forbidden things out in order to forbid them.
const OURSELVES: &str = "tuning/tidy";
const UNFINISHED: &[&str] = &["TODO", "FIXME", "XXX", "HACK", "todo!", "unimplemented!"];
/// Folders that exist on the machine of whoever wrote the line.
const PRIVATE_FOLDERS: &[&str] = &["/work/", "/root/", "/home/", "/tmp/t/"];
/// The only places that lock files may name.
const PUBLIC_REGISTRIES: &[&str] =
    &["registry+https://github.com/rust-lang/crates.io-index", "https://registry.npmjs.org/"];

/// A mark that says "not done".
pub fn unfinished(file: &File) -> Vec<Finding> {
    if file.under(OURSELVES) || file.is(&["lock"]) || file.path.ends_with("package-lock.json") {
        return Vec::new();
    }
    let hits = file
        .text
        .lines()
        .enumerate()
        .filter_map(|(index, line)| Some((index, UNFINISHED.iter().find(|mark| names(line, mark))?)));
    hits.map(|(index, mark)| Finding::at(file, index + 1, format!("unfinished: {mark}"))).collect()
}

/// A path that means something on one machine only.
pub fn machine_paths(file: &File) -> Vec<Finding> {
    if file.under(OURSELVES) {
        return Vec::new();
    }
    let begins_a_path =
        |line: &str, at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}~".contains(c));
    let hits = file.text.lines().enumerate().filter_map(|(index, line)| {
        let named = |folder: &&&str| line.match_indices(**folder).any(|(at, _)| begins_a_path(line, at));
        Some((index, PRIVATE_FOLDERS.iter().find(named)?))
    });
    hits.map(|(index, folder)| Finding::at(file, index + 1, format!("a path of one machine: {folder}"))).collect()
}

/// A lock file that names another registry than the public ones.
pub fn registries(file: &File) -> Vec<Finding> {
    let locks = file.path.ends_with("Cargo.lock") || file.path.ends_with("package-lock.json");
    if !locks {
        return Vec::new();
    }
    let sources = file.text.lines().enumerate().filter_map(|(index, line)| {
        let line = line.trim();
        let value = line.strip_prefix("source = \"").or_else(|| line.strip_prefix("\"resolved\": \""))?;
        Some((index, value))
    });
    let strange = sources.filter(|(_, value)| !PUBLIC_REGISTRIES.iter().any(|registry| value.starts_with(registry)));
    strange
        .map(|(index, _)| Finding::at(file, index + 1, "a lock file names a registry that others cannot reach".into()))
        .collect()
}

/// `name.rs` stands beside `name/`.
pub fn mod_rs(file: &File) -> Vec<Finding> {
    let hit = file.path.ends_with("/mod.rs") && !file.path.contains("/tests/");
    if hit { vec![Finding::at(file, 1, "name.rs stands beside name/, there is no mod.rs".into())] } else { Vec::new() }
}
