//! Which commit the program is built of: what it measures is worth little without.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=TANDEM_REVISION");
    println!("cargo::rerun-if-changed=build.rs");
    // Git writes here whenever another commit is the one that is checked out.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| Path::new(log).exists()) {
        println!("cargo::rerun-if-changed={log}");
    }
    // Who builds without Git says it himself.
    let said = std::env::var("TANDEM_REVISION").ok().filter(|said| !said.is_empty());
    let revision = said.or_else(|| git(&["rev-parse", "--short=12", "HEAD"])).unwrap_or_else(|| "unknown".into());
    println!("cargo::rustc-env=TANDEM_REVISION={revision}");
}

fn git(words: &[&str]) -> Option<String> {
    let output = Command::new("git").args(words).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}
