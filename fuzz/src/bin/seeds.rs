//! Writes the seeds of a target into a folder: `seeds message target/fuzz/message`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [name, folder] = words.as_slice() else {
        println!("{}", fuzz::TARGETS.iter().map(|target| target.name).collect::<Vec<_>>().join(" "));
        return ExitCode::SUCCESS;
    };
    let Some(target) = fuzz::target(name) else {
        eprintln!("no target is called {name}");
        return ExitCode::FAILURE;
    };
    let written = std::fs::create_dir_all(folder).and_then(|()| {
        let mut each = (target.seeds)().into_iter().enumerate();
        each.try_for_each(|(index, seed)| std::fs::write(Path::new(folder).join(format!("seed-{index}")), seed))
    });
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
