//! Pure crates have no world in them, and `unsafe` has one home.

use crate::edges::PURE;
use crate::source::{code_only, names};
use crate::{File, Finding};

/// What no pure crate may name, and what it is.
const WORLD: &[(&str, &str)] = &[
    ("std::", "the standard library"),
    ("extern crate std", "the standard library"),
    ("SystemTime", "a clock"),
    ("Instant::now", "a clock"),
    ("UdpSocket", "a socket"),
    ("TcpStream", "a socket"),
    ("TcpListener", "a socket"),
    ("UnixStream", "a socket"),
    ("File::open", "a file"),
    ("File::create", "a file"),
    ("thread::spawn", "a thread"),
    ("thread_local!", "a thread"),
    ("thread_rng", "chance"),
    ("OsRng", "chance"),
    ("getrandom", "chance"),
    ("rand::", "chance"),
    ("RandomState", "chance"),
    ("env::", "the environment"),
    ("println!", "the terminal"),
    ("eprintln!", "the terminal"),
];

/// Where one of those words may stand all the same: file, word. The data plane builds without the feature that asks for it.
const FEATURES: &[(&str, &str)] = &[("rating/snapshot/src/lib.rs", "extern crate std")];

/// Where `unsafe` may stand, and why.
const UNSAFE_HOMES: &[(&str, &str)] = &[
    ("dataplane/uring", "the one room with system calls on the packet path"),
    ("dataplane/fastpath", "the loader of the kernel's program"),
    ("benches", "yardsticks call the kernel bare and count allocations"),
];

/// A pure crate's root that is not `#![no_std]` before any code.
pub fn no_std(file: &File) -> Vec<Finding> {
    if !PURE.iter().any(|(_, folder)| file.path == format!("{folder}/src/lib.rs")) {
        return Vec::new();
    }
    let first = file.text.lines().enumerate().find(|(_, line)| !line.trim().is_empty() && !line.starts_with("//"));
    match first {
        Some((_, "#![no_std]")) => Vec::new(),
        other => {
            let line = other.map_or(1, |(index, _)| index + 1);
            vec![Finding::at(file, line, "a pure crate begins with #![no_std]".into())]
        }
    }
}

/// A clock, socket, file, thread or chance named in a pure crate.
pub fn world(file: &File) -> Vec<Finding> {
    if !PURE.iter().any(|(_, folder)| file.under(&format!("{folder}/src"))) || !file.is(&["rs"]) {
        return Vec::new();
    }
    let code = code_only(&file.text);
    let lines = code.lines().enumerate();
    let named = lines
        .flat_map(|(index, line)| WORLD.iter().filter(move |(word, _)| names(line, word)).map(move |hit| (index, hit)));
    named
        .filter(|(_, (word, _))| !FEATURES.contains(&(file.path.as_str(), *word)))
        .map(|(index, (word, what))| Finding::at(file, index + 1, format!("a pure crate names {what}: `{word}`")))
        .collect()
}

/// `unsafe`, or the permission for it, outside its homes.
pub fn unsafe_at_home(file: &File) -> Vec<Finding> {
    if !file.is(&["rs"]) || UNSAFE_HOMES.iter().any(|(home, _)| file.under(home)) {
        return Vec::new();
    }
    let code = code_only(&file.text);
    let hits =
        code.lines().enumerate().filter(|(_, line)| names(line, "unsafe") || line.contains("allow(unsafe_code)"));
    hits.map(|(index, _)| Finding::at(file, index + 1, "`unsafe` lives in dataplane/uring alone".into())).collect()
}
