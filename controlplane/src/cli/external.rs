//! `tandem foo` runs `tandem-foo`, as git does.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

/// Becomes the other program.
pub fn run(words: &[OsString]) -> Result<ExitCode> {
    let (name, rest) = words.split_first().context("which command?")?;
    let mut program = OsString::from("tandem-");
    program.push(name);
    let shown = program.to_string_lossy().into_owned();
    let file = crate::up::beside(&shown).map_or(program, Into::into);
    // `exec` comes back only when it failed.
    let error = Command::new(file).args(rest).exec();
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            eprintln!(
                "tandem: there is no command {} (no program {shown} beside this one or on the PATH)",
                name.display()
            );
            Ok(ExitCode::from(2))
        }
        _ => Err(error).with_context(|| format!("cannot run {shown}")),
    }
}
