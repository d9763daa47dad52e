//! `tandem cluster`: who holds what, and orders to the keepers.

use std::process::ExitCode;

use clap::Parser;
use keeper::command::{Cluster, run};

fn main() -> ExitCode {
    match run(Cluster::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tandem: {error:#}");
            ExitCode::FAILURE
        }
    }
}
