//! A planned swap of two servers without a third, ordered of this server's keeper by the arbiter's folder.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::disk::{self, Wish};

/// How long a planned change may take before it is given up.
pub const SWAP_MAX: Duration = Duration::from_secs(20);
/// Between two looks whether it is done.
const LOOK: Duration = Duration::from_millis(50);

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// The node is primary; the epoch.
    Done(u64),
    /// It was before.
    Already,
    /// It may lack acknowledged commits, or there is nobody to hand over.
    Unready,
    /// It was not done in time, and the order is taken back.
    Late,
}

/// Makes a node's database primary if nothing can be lost by that, and waits for it.
pub fn swap(folder: &Path, node: u16) -> Result<Swap> {
    let before = disk::reported(folder)?;
    if before.page.holder == Some(node) && before.held {
        return Ok(Swap::Already);
    }
    if before.page.sync != Some(node) || !before.held || before.lost {
        return Ok(Swap::Unready);
    }
    disk::order(folder, Wish::Primary(node))?;
    let late = Instant::now() + SWAP_MAX;
    let mut done = Swap::Late;
    while Instant::now() < late && done == Swap::Late {
        sleep(LOOK);
        let page = disk::reported(folder)?.page;
        if page.holder == Some(node) && page.epoch > before.page.epoch {
            done = Swap::Done(page.epoch);
        }
    }
    disk::take_back(folder);
    Ok(done)
}
