//! The control plane: everything that may wait. It publishes snapshots, collects CDRs, keeps the ledger and serves operators.
//!
//! The programs `tandem-controlplane` and `tandem` are thin: all they do is here, so that tests can do it too.

pub mod apply;
pub mod cli;
pub mod collect;
pub mod demo;
pub mod folder;
pub mod inbox;
pub mod jobs;
pub mod link;
pub mod notify;
pub mod publish;
pub mod run;
pub mod up;

mod grants;
mod services;
