//! Which rates a sheet has brought, and in which lines: a million of them cost a hash each and no string.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use units::WallTime;

/// The line of each prefix and moment.
#[derive(Default)]
pub struct Seen(HashMap<(u128, WallTime), u32>);

impl Seen {
    /// Notes that a rate of this prefix begins at this moment; the line of an earlier one, if there is one. Prefixes have
    /// [`snapshot::PREFIX_BYTES_MAX`] characters at most.
    pub fn note(&mut self, prefix: &str, from: WallTime, line: u32) -> Option<u32> {
        let mut bytes = [0; 16];
        let length = prefix.len().min(bytes.len());
        bytes[..length].copy_from_slice(&prefix.as_bytes()[..length]);
        match self.0.entry((u128::from_be_bytes(bytes), from)) {
            Entry::Occupied(stood) => Some(*stood.get()),
            Entry::Vacant(free) => {
                free.insert(line);
                None
            }
        }
    }
}
