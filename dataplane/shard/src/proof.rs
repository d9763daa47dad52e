//! Does a request prove the name that it claims? Nonces without memory, their uses counted, guesses silenced.
//!
//! A nonce is good for the address that it was given to. So a wrong answer to one of ours was certainly sent from there, and
//! nobody can get another address silenced by forging its packets. Only the shard that made a nonce counts its uses; to
//! another shard a right answer is merely stale, which costs the peer one more question.

use core::net::{IpAddr, Ipv6Addr};

use sip::auth::nonce::{self, Key, LIFE_MS};
use sip::auth::{Algorithm, Credentials, Secret, Unfit, credentials_of};
use sip::{Message, Name};
use units::{Instant, ShardId};

use crate::recent::Recent;

/// Wrong answers from one address in [`FAILURES_MS`] after which it hears nothing more.
pub const FAILURES_MAX: u32 = 30;
/// How long wrong answers are counted together, in milliseconds.
pub const FAILURES_MS: u64 = 60_000;
/// How long an address that guessed too often hears nothing, in milliseconds.
pub const SILENCE_MS: u64 = 300_000;
/// How long an address that proved a name is no stranger, in milliseconds: as long as a registration lasts at most.
pub const PROVEN_MS: u64 = 86_400_000;
/// How long it is remembered what an address was asked for in vain, in milliseconds.
const ASKED_MS: u64 = 86_400_000;
/// The last step of the ladder that an address goes down while it answers nothing: from the strongest hash to the one that all know.
pub const LADDER_MAX: u8 = 2;
/// Addresses that are remembered at most, of each kind.
pub const ADDRESSES_MAX: usize = 16_384;
/// Unanswered bytes of one address that are counted at most: as many as one question may need.
const LEFT_BYTES_MAX: usize = 1_024;
/// Nonces whose uses are counted at most. When one must go early, older ones are taken for stale.
pub const NONCES_MAX: usize = 65_536;

/// What a request proved.
#[derive(Debug, PartialEq, Eq)]
pub enum Proof<T> {
    /// The name: this is who it is.
    Right(T),
    /// Nothing: it must be asked, once more if `stale`.
    Ask {
        /// The answer was right but its nonce too old or used.
        stale: bool,
    },
    /// What it sent cannot be read, or was made for another request: 400.
    Broken,
}

/// What a failed proof was counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count {
    failures: u32,
}

/// What one shard tells the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Somebody at this address failed to prove a name.
    Failed(IpAddr),
    /// Somebody at this address proved one, the first time in [`PROVEN_MS`].
    Proven(IpAddr),
}

#[derive(Clone, Copy, Debug)]
struct Use {
    issued: Instant,
    count: u32,
}

/// What is remembered of an address that was to be asked.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    /// Which step of the ladder its next question is if the one before remains in vain; one more than there are after the last.
    step: u8,
    /// Bytes that came from there and were left unanswered, because a question would have been larger than they allow.
    unanswered: usize,
}

/// One shard's memory of proofs.
#[derive(Debug)]
pub struct Proofs {
    key: Key,
    shard: ShardId,
    /// What the answer of an unknown user is compared with, so that it costs the same as a known one's.
    decoy: ([u8; 16], [u8; 32]),
    used: Recent<[u8; 12], Use>,
    /// Nonces issued up to then are stale: their uses are no longer known.
    floor: Option<Instant>,
    failures: Recent<IpAddr, Count>,
    silent: Recent<IpAddr, ()>,
    proven: Recent<IpAddr, ()>,
    /// Addresses that were asked.
    asked: Recent<IpAddr, Asked>,
    /// What the other shards have not been told.
    news: Option<News>,
}

impl Proofs {
    /// No memory yet. The key is the node's, the same for all its shards; the decoy is 48 random bytes.
    pub fn new(key: Key, shard: ShardId, decoy: ([u8; 16], [u8; 32])) -> Proofs {
        Proofs {
            key,
            shard,
            decoy,
            used: Recent::new(NONCES_MAX, LIFE_MS),
            floor: None,
            failures: Recent::new(ADDRESSES_MAX, FAILURES_MS),
            silent: Recent::new(ADDRESSES_MAX, SILENCE_MS),
            proven: Recent::new(ADDRESSES_MAX, PROVEN_MS),
            asked: Recent::new(ADDRESSES_MAX, ASKED_MS),
            news: None,
        }
    }

    /// A nonce for this address.
    pub fn mint(&self, now: Instant, source: IpAddr, chance: u64) -> [u8; nonce::CHARACTERS] {
        nonce::mint(&self.key, self.shard.0, now, source, chance)
    }

    /// A question is to go to this address: which step of the ladder it is, up to [`LADDER_MAX`], and the bytes that the address sent in
    /// vain since the one before.
    pub fn asked_before(&mut self, now: Instant, source: IpAddr) -> (u8, usize) {
        self.asked.get_mut(now, &place(source)).map_or((0, 0), |asked| (asked.step.min(LADDER_MAX), asked.unanswered))
    }

    /// The question went out, or these bytes were left without one: they count when the address repeats them.
    pub fn note_question(&mut self, now: Instant, source: IpAddr, left: Option<usize>) {
        let place = place(source);
        let before = self.asked.get_mut(now, &place).copied().unwrap_or_default();
        let after = match left {
            None => Asked { step: (before.step + 1).min(LADDER_MAX + 1), unanswered: 0 },
            Some(bytes) => Asked { unanswered: before.unanswered.saturating_add(bytes).min(LEFT_BYTES_MAX), ..before },
        };
        self.asked.put(now, place, after);
    }

    /// Did this address guess too often?
    pub fn is_silent(&self, now: Instant, source: IpAddr) -> bool {
        self.silent.has(now, &place(source))
    }

    /// Did this address prove a name within the last [`PROVEN_MS`]?
    pub fn is_proven(&self, now: Instant, source: IpAddr) -> bool {
        self.proven.has(now, &place(source))
    }

    /// Reads the answer in `header` for `realm`; `find` knows the secret of a user and who it is.
    pub fn check<'s, T>(
        &mut self,
        now: Instant,
        source: IpAddr,
        request: &Message<'_>,
        (header, realm): (Name, &str),
        find: impl FnOnce(&Credentials<'_>) -> Option<(Secret<'s>, T)>,
    ) -> Proof<T> {
        let credentials = match credentials_of(request, header, realm) {
            Ok(credentials) => credentials,
            Err(Unfit::Grammar | Unfit::TooLarge) => return Proof::Broken,
            Err(Unfit::Absent | Unfit::Scheme | Unfit::Algorithm | Unfit::Protection) => {
                return Proof::Ask { stale: false };
            }
        };
        if let Some(asked) = self.asked.get_mut(now, &place(source)) {
            // Who answers MD5 may know nothing else, so it goes on being asked as it was when it answered, for that on top at least.
            let asked_at = asked.step.saturating_sub(1).max(1);
            asked.step = if credentials.algorithm == Algorithm::Md5 { asked_at } else { 0 };
        }
        // RFC 7616 §3.4.6: an answer is good for one Request-URI only.
        if !credentials.uri.is(request.request_uri().unwrap_or(b"")) {
            return Proof::Broken;
        }
        let (known, who) = match find(&credentials) {
            Some((secret, who)) => (secret, Some(who)),
            None => (Secret { user: "", realm: "", ha1_md5: self.decoy.0, ha1_sha256: self.decoy.1 }, None),
        };
        let fits = credentials.fits(&known, request.cseq().method_text);
        let Some(minted) = nonce::read(&self.key, credentials.nonce.raw(), source) else {
            // Made before our last start, for another address, or made up: whether it fits is not told. Behind one address
            // there may be many that all come back after a restart, so one that proves its name speaks for them.
            if !self.is_proven(now, source) {
                self.fail(now, source);
            }
            return Proof::Ask { stale: false };
        };
        let Some(who) = who.filter(|_| fits) else {
            self.fail(now, source);
            return Proof::Ask { stale: false };
        };
        let is_ours = minted.shard == self.shard.0 && minted.is_fresh(now);
        if !is_ours || !self.counts_up(now, &minted, credentials.count()) {
            return Proof::Ask { stale: true };
        }
        if !self.is_proven(now, source) {
            self.news = Some(News::Proven(source));
            self.proven.put(now, place(source), ());
        }
        Proof::Right(who)
    }

    /// RFC 7616 §3.4: the count rises with each use; without a count (RFC 2069) a nonce is good for one use.
    fn counts_up(&mut self, now: Instant, minted: &nonce::Minted, count: Option<u32>) -> bool {
        if self.floor.is_some_and(|floor| minted.issued <= floor) {
            return false;
        }
        if let Some(known) = self.used.get_mut(now, &minted.proof) {
            let rises = count.is_some_and(|count| count > known.count);
            known.count = count.unwrap_or(u32::MAX).max(known.count);
            return rises;
        }
        let fresh = Use { issued: minted.issued, count: count.unwrap_or(u32::MAX) };
        if let Some(evicted) = self.used.put(now, minted.proof, fresh) {
            self.floor = self.floor.max(Some(evicted.issued));
        }
        true
    }

    fn fail(&mut self, now: Instant, source: IpAddr) {
        self.news = Some(News::Failed(source));
        self.count_failure(now, source);
    }

    /// Another shard's news.
    pub fn learn(&mut self, now: Instant, news: News) {
        match news {
            News::Failed(source) => self.count_failure(now, source),
            News::Proven(source) => drop(self.proven.put(now, place(source), ())),
        }
    }

    fn count_failure(&mut self, now: Instant, source: IpAddr) {
        let place = place(source);
        let failures = match self.failures.get_mut(now, &place) {
            Some(count) => {
                count.failures += 1;
                count.failures
            }
            None => {
                self.failures.put(now, place, Count { failures: 1 });
                1
            }
        };
        if failures == FAILURES_MAX {
            self.silent.put(now, place, ());
        }
    }

    /// What the other shards must hear of the last check.
    pub fn take_news(&mut self) -> Option<News> {
        self.news.take()
    }
}

/// Whom an address belongs to: one host has 2^64 addresses of IPv6.
fn place(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        ip => ip,
    }
}
