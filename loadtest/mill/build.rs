//! Compiles the program for the kernel where clang is there. Without it the crate builds too, and says so when it is asked to start.

use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = "bpf/mill.c";

fn main() {
    println!("cargo::rerun-if-env-changed=CLANG");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    println!("cargo::rerun-if-changed={SOURCE}");
    let object = out.join("mill.o");
    if let Err(why) = compile(&object) {
        println!("cargo::warning={SOURCE} is not in this build: {why}");
        std::fs::write(object, []).expect("OUT_DIR can be written");
    }
}

/// Without a compiler: why. A program that it does not take is a mistake of ours.
fn compile(object: &Path) -> std::io::Result<()> {
    let clang = std::env::var("CLANG").unwrap_or_else(|_| "clang".into());
    let headers = format!("-I/usr/include/{}-linux-gnu", std::env::consts::ARCH);
    let words =
        ["-target", "bpf", "-mcpu=v3", "-O2", "-g", "-Wall", "-Wextra", "-Werror", &headers, "-c", SOURCE, "-o"];
    let status = Command::new(clang).args(words).arg(object).status()?;
    assert!(status.success(), "{SOURCE} does not compile: {status}");
    Ok(())
}
