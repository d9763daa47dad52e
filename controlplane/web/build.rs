//! Points the program at the built pages, or at an empty folder where they have not been built.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=gui/dist");
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo names the package's folder");
    let built = Path::new(&root).join("gui/dist");
    let folder = if built.join("index.html").is_file() {
        built
    } else {
        let empty = Path::new(&std::env::var("OUT_DIR").expect("cargo names the output folder")).join("no_pages");
        std::fs::create_dir_all(&empty).expect("the output folder can be written");
        empty
    };
    println!("cargo:rustc-env=TANDEM_PAGES={}", folder.display());
}
