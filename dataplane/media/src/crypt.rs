//! Which keys a stream's packets are opened and sealed with, over all the descriptions of a call.

use alloc::vec::Vec;

use crate::srtp::{Context, Refused, Secret};

/// How packets to a peer are sealed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seal {
    /// Not at all.
    #[default]
    Plain,
    /// They will be; the peer was not told the key yet, and hears nothing before.
    Wait,
    /// With this key.
    With(Secret),
}

/// Keys of one direction that are remembered: an offer names one for each suite, and a refused one falls back. Forgetting a key
/// that comes again would let its packets come again.
const KEYS_MAX: usize = 6;

/// The keys of one leg: its peer's and ours.
#[derive(Clone, Debug, Default)]
pub(crate) struct Crypt {
    opens: Keyring,
    seals: Keyring,
    waits: bool,
}

/// Keys of one direction, the one in force first.
#[derive(Clone, Debug, Default)]
struct Keyring {
    contexts: Vec<Context>,
    on: bool,
    /// The key in force has been heard: the one before it is over.
    settled: bool,
}

impl Crypt {
    pub(crate) fn open_with(&mut self, key: Option<Secret>) {
        self.opens.choose(key);
    }

    pub(crate) fn seal_with(&mut self, seal: Seal) {
        self.waits = seal == Seal::Wait;
        self.seals.choose(match seal {
            Seal::With(key) => Some(key),
            Seal::Plain | Seal::Wait => None,
        });
    }

    /// True if what the peer sends has to be opened.
    pub(crate) fn opens(&self) -> bool {
        self.opens.on
    }

    /// True if what the peer is sent has to be sealed.
    pub(crate) fn seals(&self) -> bool {
        self.seals.on || self.waits
    }

    pub(crate) fn is_on(&self) -> bool {
        self.opens() || self.seals()
    }

    /// Opens a packet in place; its length afterwards. RFC 4568 §7.1.4: while a change of keys is under way, packets under the
    /// key before may still come.
    pub(crate) fn open(&mut self, packet: &mut [u8]) -> Result<usize, Refused> {
        let [newest, older @ ..] = self.opens.contexts.as_mut_slice() else { return Err(Refused::Forged) };
        let outcome = newest.open(packet);
        match older.first_mut().filter(|_| outcome.is_err() && !self.opens.settled) {
            Some(older) => older.open(packet).or(outcome),
            None => {
                self.opens.settled |= outcome.is_ok();
                outcome
            }
        }
    }

    /// Seals a packet of `length` bytes at the beginning of `room`; its length afterwards.
    pub(crate) fn seal(&mut self, room: &mut [u8], length: usize) -> Result<usize, Refused> {
        let context = self.seals.contexts.first_mut().filter(|_| self.seals.on).ok_or(Refused::Exhausted)?;
        context.seal(room, length)
    }
}

impl Keyring {
    fn choose(&mut self, key: Option<Secret>) {
        self.on = key.is_some();
        let Some(key) = key else { return };
        match self.contexts.iter().position(|context| *context.secret() == key) {
            Some(0) => return,
            Some(place) => self.contexts[..=place].rotate_right(1),
            None => {
                self.contexts.truncate(KEYS_MAX - 1);
                self.contexts.insert(0, Context::new(key));
            }
        }
        self.settled = self.contexts.len() == 1;
    }
}
