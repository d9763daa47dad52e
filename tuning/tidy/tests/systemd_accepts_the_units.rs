//! What `setup/systemd` holds is what systemd understands.

use std::process::Command;
use std::{env, fs};

#[test]
fn systemd_understands_every_unit() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("!!! NOT RUN: systemd-analyze is not here");
        return;
    }
    let folder = env::temp_dir().join(format!("tandem-units-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a temporary folder");
    let units = tidy::tree::root().join("setup/systemd");
    let mut copies = Vec::new();
    for unit in fs::read_dir(units).expect("the units' folder").flatten() {
        let text = fs::read_to_string(unit.path()).expect("a unit is text");
        assert!(text.contains("\nStartLimitIntervalSec=0\n"), "{:?} is given up after some starts", unit.file_name());
        // Programs are not installed where this runs.
        let text: Vec<&str> = text
            .lines()
            .map(|line| if line.starts_with("ExecStart=") { "ExecStart=/bin/true" } else { line })
            .collect();
        let copy = folder.join(unit.file_name());
        fs::write(&copy, text.join("\n")).expect("a temporary file");
        copies.push(copy);
    }
    let said = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&copies).output();
    let said = said.expect("it was there a moment ago");
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    fs::remove_dir_all(&folder).expect("the folder is ours");
    assert_eq!(copies.len(), 3, "a unit for each plane and one for the keeper");
    assert!(said.status.success() && words.trim().is_empty(), "{words}");
}
