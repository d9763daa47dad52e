//! Compiles the C programs for the kernel if clang is there. Without it the crate builds all the same and says so when it is asked to load.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=CLANG");
    let folder = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    for name in ["relay", "steer"] {
        compile(&format!("bpf/{name}.c"), &folder.join(name).with_extension("o"));
    }
}

fn compile(source: &str, object: &Path) {
    println!("cargo::rerun-if-changed={source}");
    let clang = std::env::var("CLANG").unwrap_or_else(|_| "clang".into());
    // The kernel's headers stand where the C library of the machine that compiles has them.
    let headers = format!("/usr/include/{}-linux-gnu", std::env::consts::ARCH);
    let built = Command::new(&clang)
        .args([
            "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-target", "bpf", "-mcpu=v3", "-I", &headers, "-c", source,
            "-o",
        ])
        .arg(object)
        .status();
    match built {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("{clang} could not compile {source}: {status}"),
        Err(error) => {
            println!("cargo::warning={source} is not in this build: {clang}: {error}");
            std::fs::write(object, []).expect("OUT_DIR can be written");
        }
    }
}
