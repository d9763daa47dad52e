//! Public keys of certificates, by where they are found; and which are asked for.

use alloc::collections::BTreeMap;
use alloc::string::String;

use units::{Instant, WallTime};

use super::{KEY_TIMEOUT_MS, PublicKey, Seals};

/// Addresses of certificates that are remembered at most; the one that ends first makes room.
pub const KEYS_MAX: usize = 1_024;
/// Certificates that are asked for at the same time at most: strangers' addresses fill no queue.
pub const WANTED_MAX: usize = 64;

/// What was told of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is good, and this is its key.
    Key(alloc::boxed::Box<PublicKey>),
    /// It is none of ours to believe.
    Refused,
    /// Nobody has it.
    Unreachable,
}

/// What is known of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known<'a> {
    /// It is good, and this is its key.
    Key(&'a PublicKey),
    /// It is none of ours to believe.
    Refused,
    /// Nobody had it a moment ago.
    Unreachable,
    /// Nothing.
    Not,
}

/// The certificates of one shard.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// What signs and verifies.
    pub seals: Seals,
    known: BTreeMap<String, (Told, WallTime)>,
    wanted: BTreeMap<String, Instant>,
}

impl Keys {
    /// No certificate is known.
    pub fn new(seals: Seals) -> Keys {
        Keys { seals, ..Keys::default() }
    }

    /// What is known of the certificate at this address.
    pub fn find(&self, x5u: &str, now: WallTime) -> Known<'_> {
        match self.known.get(x5u).filter(|(_, until)| now < *until) {
            Some((Told::Key(key), _)) => Known::Key(key),
            Some((Told::Refused, _)) => Known::Refused,
            Some((Told::Unreachable, _)) => Known::Unreachable,
            None => Known::Not,
        }
    }

    /// Something was told of a certificate, which holds until then.
    pub fn learn(&mut self, x5u: String, told: Told, until: WallTime) {
        self.wanted.remove(&x5u);
        if !self.known.contains_key(&x5u) && self.known.len() >= KEYS_MAX {
            let first = self.known.iter().min_by_key(|(_, (_, until))| *until).map(|(x5u, _)| x5u.clone());
            first.and_then(|x5u| self.known.remove(&x5u));
        }
        self.known.insert(x5u, (told, until));
    }

    /// A call needs this certificate: whether it is to be asked for. It is not while the same question is under way, nor while too
    /// many are.
    pub fn want(&mut self, x5u: &str, now: Instant) -> bool {
        self.wanted.retain(|_, asked| is_open(*asked, now));
        if self.wanted.contains_key(x5u) || self.wanted.len() >= WANTED_MAX {
            return false;
        }
        self.wanted.insert(x5u.into(), now);
        true
    }

    /// False if this certificate is not asked for while so many others are: no call need wait for it.
    pub fn has_room(&self, x5u: &str, now: Instant) -> bool {
        let open = || self.wanted.values().filter(|asked| is_open(**asked, now)).count();
        self.wanted.len() < WANTED_MAX || self.wanted.contains_key(x5u) || open() < WANTED_MAX
    }

    /// How many certificates are known.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// True if none is.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

/// May what was asked then still be answered to who waits for it?
fn is_open(asked: Instant, now: Instant) -> bool {
    now < asked.plus_millis(KEY_TIMEOUT_MS)
}
