//! A beat as a datagram: a mark, the sender, the beat as words, what keepers tell each other, and a proof.
//!
//! The proof is an HMAC-SHA-256 of everything before it. That a datagram is not an old one is for the pure core to see: beats carry the
//! sender's life and clock.

use cluster::{Ask, Beat, Book, Page, Refused, Standing, Write};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use units::{Instant, NodeId};

const MARK: &[u8; 4] = b"TNB2";
const WORDS: usize = 24;
const HEAD: usize = MARK.len() + 2;
const BODY: usize = HEAD + WORDS * 8;
const PROOF: usize = 32;
/// Bytes of a datagram at most.
pub const DATAGRAM_MAX: usize = 4_096;
/// Bytes at most of what keepers tell each other in one.
pub const TOLD_MAX: usize = DATAGRAM_MAX - BODY - PROOF;

fn mac(secret: &str) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length")
}

/// The beat of this node, with what its keeper tells.
pub fn seal(secret: &str, from: NodeId, beat: &Beat, told: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BODY + told.len() + PROOF);
    bytes.extend(MARK);
    bytes.extend(from.0.to_be_bytes());
    bytes.extend(words(beat).iter().flat_map(|word| word.to_be_bytes()));
    bytes.extend(told);
    let mut mac = mac(secret);
    mac.update(&bytes);
    bytes.extend(mac.finalize().into_bytes());
    bytes
}

/// The other's beat and what its keeper tells; `None`: whoever sent this does not know the secret, or is not the other.
pub fn open<'a>(secret: &str, from: NodeId, bytes: &'a [u8]) -> Option<(Beat, &'a [u8])> {
    let (said, proof) = bytes.split_at_checked(bytes.len().checked_sub(PROOF)?)?;
    let mut mac = mac(secret);
    mac.update(said);
    mac.verify_slice(proof).ok()?;
    let rest = said.strip_prefix(MARK)?.strip_prefix(&from.0.to_be_bytes())?;
    let (body, told) = rest.split_at_checked(WORDS * 8)?;
    let mut words = [0; WORDS];
    for (word, bytes) in words.iter_mut().zip(body.as_chunks::<8>().0) {
        *word = u64::from_be_bytes(*bytes);
    }
    Some((beat(from, &words)?, told))
}

fn words(beat: &Beat) -> [u64; WORDS] {
    let (heard_life, heard) = beat.heard.map_or((0, 0), |(life, stamp)| (life, stamp.micros() + 1));
    let Page { view, standing, scribe, book, cause } = beat.page;
    let standing = match standing {
        Standing::Solo => 0,
        Standing::Paired => 1,
        Standing::Joining => 2,
    };
    let (ask, version, write) =
        beat.ask.map_or((0, 0, [0; 3]), |(number, ask)| (number, ask.version, change(ask.write)));
    let (refused, why) = beat.refused.map_or((0, 0), |(number, why)| (number, reason(why)));
    [
        beat.life,
        beat.stamp.micros(),
        beat.question,
        beat.answer,
        heard_life,
        heard,
        view,
        standing,
        u64::from(scribe.0),
        book.version,
        book.epoch,
        maybe(book.holder),
        u64::from(book.held),
        maybe(book.sync),
        book.sync_life,
        cause,
        ask,
        version,
        write[0],
        write[1],
        write[2],
        refused,
        why,
        u64::from(beat.tied),
    ]
}

fn beat(from: NodeId, words: &[u64; WORDS]) -> Option<Beat> {
    let [life, stamp, question, answer, heard_life, heard, rest @ ..] = *words;
    let [view, standing, scribe, version, epoch, holder, held, sync, sync_life, cause, rest @ ..] = rest;
    let [ask, on, change, to, to_life, refused, why, tied] = rest;
    let standing = match standing {
        0 => Standing::Solo,
        1 => Standing::Paired,
        2 => Standing::Joining,
        _ => return None,
    };
    let book = Book { version, epoch, holder: node(holder)?, held: held == 1, sync: node(sync)?, sync_life };
    let ask = match ask {
        0 => None,
        number => Some((number, Ask { by: from, version: on, write: changed(change, to, to_life)? })),
    };
    Some(Beat {
        life,
        stamp: Instant::from_micros(stamp),
        question,
        answer,
        heard: heard.checked_sub(1).map(|stamp| (heard_life, Instant::from_micros(stamp))),
        tied: tied == 1,
        page: Page { view, standing, scribe: NodeId(u16::try_from(scribe).ok()?), book, cause },
        ask,
        refused: (refused > 0).then_some(refused).zip(Some(reasons(why)?)),
    })
}

fn maybe(node: Option<NodeId>) -> u64 {
    node.map_or(0, |node| u64::from(node.0) + 1)
}

fn node(word: u64) -> Option<Option<NodeId>> {
    match word.checked_sub(1) {
        None => Some(None),
        Some(number) => Some(Some(NodeId(u16::try_from(number).ok()?))),
    }
}

/// What kind of change, of which node, in which life.
fn change(write: Write) -> [u64; 3] {
    match write {
        Write::Take(life) => [0, 0, life],
        Write::Renew => [1, 0, 0],
        Write::Sync(None) => [2, 0, 0],
        Write::Sync(Some((node, life))) => [2, maybe(Some(node)), life],
        Write::Give(to, life) => [3, u64::from(to.0), life],
        Write::Drop => [4, 0, 0],
        Write::Seize => [5, 0, 0],
        Write::Pass(to) => [6, u64::from(to.0), 0],
        Write::Leave => [7, 0, 0],
    }
}

fn changed(change: u64, of: u64, life: u64) -> Option<Write> {
    let to = || u16::try_from(of).ok().map(NodeId);
    Some(match change {
        0 => Write::Take(life),
        1 => Write::Renew,
        2 => Write::Sync(node(of)?.map(|node| (node, life))),
        3 => Write::Give(to()?, life),
        4 => Write::Drop,
        5 => Write::Seize,
        6 => Write::Pass(to()?),
        7 => Write::Leave,
        _ => return None,
    })
}

const REASONS: [Refused; 4] = [Refused::Stale, Refused::Held, Refused::NotHolder, Refused::NotInSync];

fn reason(why: Refused) -> u64 {
    REASONS.iter().position(|known| *known == why).unwrap_or_default() as u64
}

fn reasons(why: u64) -> Option<Refused> {
    REASONS.get(usize::try_from(why).ok()?).copied()
}
