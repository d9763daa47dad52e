//! The files of the repository, read once.

use std::path::{Path, PathBuf};

use crate::File;

/// Folders that hold what others wrote or what a build made.
const SKIPPED: &[&str] =
    &[".git", "target", "node_modules", "dist", ".tools", "test-results", "playwright-report", "tmp"];
/// Files of these kinds are text that the rules read.
const READ: &[&str] = &[
    "rs", "toml", "ts", "tsx", "css", "html", "sh", "sql", "md", "yml", "yaml", "json", "xml", "lock", "cfg", "py",
    "js", "mjs", "c", "h",
];
/// Files without an extension that the rules read.
const READ_BY_NAME: &[&str] = &["Makefile", "run", "install", "browser", "offline", "failures"];

/// The root of the repository that this crate was built in.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every file that a rule may read, ordered by path.
pub fn files(root: &Path) -> Vec<File> {
    let mut found = Vec::new();
    walk(root, "", &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn walk(folder: &Path, prefix: &str, found: &mut Vec<File>) {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|flaw| panic!("{} cannot be listed: {flaw}", folder.display()));
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        if entry.path().is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                walk(&entry.path(), &path, found);
            }
        } else if wanted(&name)
            && let Ok(text) = std::fs::read_to_string(entry.path())
        {
            found.push(File { path, text });
        }
    }
}

fn wanted(name: &str) -> bool {
    READ_BY_NAME.contains(&name) || name.rsplit_once('.').is_some_and(|(_, extension)| READ.contains(&extension))
}
