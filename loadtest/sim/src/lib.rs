//! The switch in simulated time: the production shards between scripted peers, on a bad network, with a disk that dies.
//!
//! A seed tells a [`Story`]; [`run`] lets it happen; the same seed and commit repeat it to the byte. The peers, the ledger and the
//! price calculator are the oracle: they share no code with what they judge.
#![no_std]

extern crate alloc;

mod callee;
mod caller;
mod chance;
mod disk;
pub mod fault;
mod judge;
pub mod ledger;
pub mod message;
mod node;
pub mod prices;
pub mod story;
mod world;

use alloc::format;
use alloc::string::String;

pub use node::plain_config;
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
    /// Records in the journal.
    pub records: usize,
}

/// Runs a seed. `tell` hears every datagram and fault with its moment in microseconds.
pub fn run(seed: u64, tell: &mut dyn FnMut(u64, &str)) -> Result<Outcome, String> {
    play(Story::new(seed), tell)
}

/// Runs a seed in this weather instead of its own.
pub fn run_in(seed: u64, weather: Weather, tell: &mut dyn FnMut(u64, &str)) -> Result<Outcome, String> {
    play(Story { weather, ..Story::new(seed) }, tell)
}

fn play(story: Story, tell: &mut dyn FnMut(u64, &str)) -> Result<Outcome, String> {
    let mut world = World::new(story, tell);
    world.run();
    judge::judge(&world).map_err(|fault| format!("{:09.3} s: {fault}", world.now as f64 / 1e6))?;
    Ok(Outcome {
        calls: world.callers.len(),
        answered: world.callers.iter().filter(|caller| caller.answered.is_some()).count(),
        attempts: world.callees.len(),
        records: world.disk.records().len(),
    })
}
