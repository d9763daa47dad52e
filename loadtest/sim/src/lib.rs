//! The switch in simulated time: the production shards between scripted peers, on a bad network, with a disk that dies.
//!
//! A seed tells a [`Story`]; [`run`] lets it happen; the same seed and commit repeat it to the byte. The peers, the ledger and the
//! price calculator are the oracle: they share no code with what they judge.
#![no_std]

extern crate alloc;

pub mod bank;
mod callee;
mod caller;
mod chance;
mod disk;
pub mod fault;
mod judge;
pub mod message;
mod node;
pub mod prices;
pub mod story;
pub mod sums;
mod text;
mod world;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

pub use node::{Ticks, plain_config};
pub use story::{Story, Weather};
use world::World;

/// What a run was like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Calls of the story.
    pub calls: usize,
    /// Of these, answered as their callers saw it.
    pub answered: usize,
    /// Attempts that terminators saw.
    pub attempts: usize,
    /// Records in the journals.
    pub records: usize,
    /// Processes that were killed.
    pub crashes: u32,
    /// What each originator was billed, in nano-units.
    pub settled: Vec<i64>,
}

/// Runs a seed. `tell` hears every datagram and fault with its moment in microseconds.
pub fn run(seed: u64, tell: &mut dyn FnMut(u64, &str)) -> Result<Outcome, String> {
    play(Story::new(seed), tell)
}

/// Runs a seed in this weather instead of its own.
pub fn run_in(seed: u64, weather: Weather, tell: &mut dyn FnMut(u64, &str)) -> Result<Outcome, String> {
    play(Story { weather, ..Story::new(seed) }, tell)
}

/// Runs a seed on one to three nodes that quarrel with their ledger: processes die and stand still, messages are lost, doubled and
/// late, ways are cut on one side or both, the database is lost and its replica takes over.
pub fn run_torn(seed: u64, tell: &mut dyn FnMut(u64, &str)) -> Result<Outcome, String> {
    play(Story::torn(seed), tell)
}

/// Runs a seed in which calls contest the last money of one grant as the node is killed.
pub fn run_contested(seed: u64, tell: &mut dyn FnMut(u64, &str)) -> Result<Outcome, String> {
    play(Story::contested(seed), tell)
}

/// Runs a story.
pub fn play(story: Story, tell: &mut dyn FnMut(u64, &str)) -> Result<Outcome, String> {
    let mut world = World::new(story, tell);
    world.run();
    judge::judge(&world).map_err(|fault| format!("{:09.3} s: {fault}", world.now as f64 / 1e6))?;
    let settled = (1..=story::ORIGINATORS as u32).map(|id| world.bank.row(units::AccountId(id)).settled.nanos());
    Ok(Outcome {
        settled: settled.collect(),
        crashes: world.crashes,
        calls: world.callers.len(),
        answered: world.callers.iter().filter(|caller| caller.answered.is_some()).count(),
        attempts: world.callees.len(),
        records: world.sites.iter().map(|site| site.disk.records().len()).sum(),
    })
}
