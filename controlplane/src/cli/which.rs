//! Which node of this machine is meant where nobody named one.
//!
//! Whoever looks gets the node that was started last. Whoever changes something must not change another node than the one in mind: where
//! more than one may be meant, nothing is done.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Once;

use anyhow::Result;

use super::Misused;
use crate::folder::{Folder, remembered};

/// The programs that work in a data folder.
const PROGRAMS: [&str; 2] = ["tandem-dataplane", "tandem-controlplane"];
/// Which node it is, is said once.
static SAID: Once = Once::new();

/// The data folder of the node that is meant; `changes`: something is to be changed there.
///
/// # Errors
/// None can be meant, or more than one could be changed.
pub fn node(changes: bool) -> Result<PathBuf> {
    let (last, running) = (remembered(), running());
    let chosen = choose(last.as_deref(), &running, changes).map_err(Misused)?;
    if changes || running.len() > 1 {
        SAID.call_once(|| eprintln!("tandem: on the node of {}", chosen.display()));
    }
    Ok(chosen)
}

/// The data folders of all nodes that may be meant.
pub fn nodes() -> BTreeSet<PathBuf> {
    running().into_iter().chain(remembered()).collect()
}

fn choose(last: Option<&Path>, running: &BTreeSet<PathBuf>, changes: bool) -> Result<PathBuf, String> {
    let meant: BTreeSet<&Path> = running.iter().map(PathBuf::as_path).chain(last).collect();
    let named = || meant.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    let name_it = "name its data folder with --data DIR, or in TANDEM_DATA";
    match (meant.len(), last) {
        (0, _) => Err(format!("which node? None runs on this machine: {name_it}")),
        (1, _) => Ok(meant.iter().next().map(|path| path.to_path_buf()).unwrap_or_default()),
        (_, _) if changes => Err(format!("which node is to be changed? It may be one of {}: {name_it}", named())),
        (_, Some(last)) if running.contains(last) || running.len() > 1 => Ok(last.to_owned()),
        // The one that was started last is over.
        (_, Some(_)) => Ok(running.iter().next().cloned().unwrap_or_default()),
        (_, None) => Err(format!("which node? These run: {}: {name_it}", named())),
    }
}

/// The data folders that programs of this machine work in, whoever started them.
fn running() -> BTreeSet<PathBuf> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let folder = |process: fs::DirEntry| {
        let named = data(&fs::read(process.path().join("cmdline")).ok()?)?;
        // Only the user who started a program may ask where it works; units give whole paths.
        let at = fs::read_link(process.path().join("cwd")).unwrap_or_default().join(named);
        fs::canonicalize(at).ok().filter(|folder| Folder::may_be(folder))
    };
    processes.filter_map(folder).collect()
}

/// The data folder on the command line of one of our planes, as `/proc` shows it: words that end with a zero.
fn data(line: &[u8]) -> Option<PathBuf> {
    let words: Vec<OsString> = line.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect();
    let program = Path::new(words.first()?).file_name().and_then(OsStr::to_str)?;
    // A balancer carries no calls and has a folder of another kind.
    if !PROGRAMS.contains(&program) || words.iter().any(|word| word == "balancer" || word == "--role=balancer") {
        return None;
    }
    words.iter().enumerate().find_map(|(at, word)| match word.to_str() {
        Some("--data") => words.get(at + 1).map(PathBuf::from),
        Some(word) => word.strip_prefix("--data=").map(PathBuf::from),
        None => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_looks_gets_a_node_and_whoever_changes_only_the_only_one() {
        let (a, b) = (Path::new("/a"), Path::new("/b"));
        let told = |last: Option<&Path>, running: &[&Path]| {
            let running: BTreeSet<PathBuf> = running.iter().map(|path| path.to_path_buf()).collect();
            [false, true].map(|changes| choose(last, &running, changes).ok())
        };
        let (only_a, only_b) = (Some(a.to_owned()), Some(b.to_owned()));
        let rows = [
            (None, vec![], [None, None]),
            (Some(a), vec![], [only_a.clone(), only_a.clone()]),
            (None, vec![b], [only_b.clone(), only_b.clone()]),
            (Some(a), vec![a], [only_a.clone(), only_a.clone()]),
            (Some(a), vec![a, b], [only_a.clone(), None]),
            (None, vec![a, b], [None, None]),
            // The last one is over: whoever looks is shown calls that run, whoever changes may mean either.
            (Some(a), vec![b], [only_b, None]),
        ];
        for (last, running, wanted) in rows {
            assert_eq!(told(last, &running), wanted, "{last:?} {running:?}");
        }
        let running = BTreeSet::from([a.to_owned(), b.to_owned()]);
        let why = choose(Some(a), &running, true).expect_err("two may be meant");
        assert!(why.contains("/a, /b") && why.contains("--data"), "{why}");
    }

    #[test]
    fn a_plane_s_folder_is_read_from_its_command_line() {
        let line =
            |words: &[&str]| words.iter().flat_map(|word| [word.as_bytes(), b"\0"].concat()).collect::<Vec<u8>>();
        let rows = [
            (vec!["/usr/bin/tandem-dataplane", "--data", "/var/lib/tandem"], Some("/var/lib/tandem")),
            (vec!["tandem-controlplane", "--http", "127.0.0.1:80", "--data=x"], Some("x")),
            (vec!["tandem-dataplane", "--role", "balancer", "--data", "/b"], None),
            (vec!["tandem", "up", "--data", "/a"], None),
            (vec!["tandem-dataplane", "--data"], Some("")),
            (vec![], None),
        ];
        for (words, wanted) in rows {
            assert_eq!(data(&line(&words)), wanted.map(PathBuf::from), "{words:?}");
        }
    }
}
