//! Which rates a sheet has brought, and in which lines: a million of them cost a hash each and no string.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use units::{RateClass, WallTime};

/// The line of each prefix, class and moment.
#[derive(Default)]
pub struct Seen(HashMap<(u128, WallTime), u32>);

impl Seen {
    /// Notes that a rate of this prefix and class begins at this moment; the line of an earlier one, if there is one. Prefixes have
    /// [`snapshot::PREFIX_BYTES_MAX`] characters at most.
    pub fn note(&mut self, prefix: &str, class: RateClass, from: WallTime, line: u32) -> Option<u32> {
        let mut bytes = [0; 16];
        let length = prefix.len().min(snapshot::PREFIX_BYTES_MAX);
        bytes[..length].copy_from_slice(&prefix.as_bytes()[..length]);
        bytes[15] = class.code();
        match self.0.entry((u128::from_be_bytes(bytes), from)) {
            Entry::Occupied(stood) => Some(*stood.get()),
            Entry::Vacant(free) => {
                free.insert(line);
                None
            }
        }
    }
}
