//! What two nodes tell each other of a peer whose connection is at one of them while its call is at the other.
//!
//! The node of the call prints messages as ever. Where it has no connection of its own it hands them to the node that has one, with one line
//! more; what the peer says comes back in the same way:
//!
//! ```text
//! INVITE sip:4420…@198.51.100.7:40312 SIP/2.0
//! X-Tandem-Across: over 2 1 0 TCP 1700000000000000 10.0.0.2:5060 198.51.100.7:40312 4be8217fb2ad1f3e
//! ```
//! The proof covers the line and the whole message, and the line says when it was made: what somebody records is soon of no use. It says
//! where its node is heard as well: whoever sends a recorded message again from elsewhere draws no answers there.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use units::{NodeId, ShardId, WallTime};

use super::{Key, PROOF_DIGITS, digits};
use crate::Transport;
use crate::auth::hash::same;

/// Before what the line says.
const HEAD: &[u8] = b"X-Tandem-Across: ";
/// Bytes of what it says at most: numbers of 20 digits, two IPv6 addresses in brackets with ports, the proof.
const VALUE_BYTES_MAX: usize = 224;

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// To the peer, over the connection of the node that it is handed to.
    Over,
    /// From the peer: it was heard over a connection of the node that hands it on.
    Heard,
}

/// What the line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Across {
    /// Which way.
    pub course: Course,
    /// The node that says it.
    pub from: NodeId,
    /// The node that is to hear it.
    pub to: NodeId,
    /// The shard that has the connection, at its node.
    pub shard: ShardId,
    /// What the connection speaks.
    pub transport: Transport,
    /// When it was said.
    pub at: WallTime,
    /// Where the node that says it takes what is handed to it.
    pub place: SocketAddr,
    /// The other end of the connection.
    pub peer: SocketAddr,
}

impl Across {
    fn print(&self) -> String {
        let course = match self.course {
            Course::Over => "over",
            Course::Heard => "heard",
        };
        let transport = String::from_utf8_lossy(self.transport.as_bytes());
        let Across { from, to, shard, at, place, peer, .. } = self;
        format!("{course} {} {} {} {transport} {} {place} {peer}", from.0, to.0, shard.0, at.micros())
    }

    fn read(text: &str) -> Option<Across> {
        let mut words = text.split(' ');
        let mut next = || words.next();
        let course = match next()? {
            "over" => Course::Over,
            "heard" => Course::Heard,
            _ => return None,
        };
        let (from, to) = (NodeId(next()?.parse().ok()?), NodeId(next()?.parse().ok()?));
        let shard = ShardId(next()?.parse().ok()?);
        let transport = Transport::from_bytes(next()?.as_bytes())?;
        let at = WallTime::from_micros(next()?.parse().ok()?);
        let (place, peer) = (next()?.parse().ok()?, next()?.parse().ok()?);
        next().is_none().then_some(Across { course, from, to, shard, transport, at, place, peer })
    }
}

/// Has a message this line, whoever wrote it?
#[must_use]
pub fn is_marked(message: &[u8]) -> bool {
    split(message).is_some_and(|(_, rest)| rest.starts_with(HEAD))
}

/// Appends a message with its line. False, and nothing is appended, if it has no first line.
pub fn mark(key: &Key, across: &Across, message: &[u8], out: &mut Vec<u8>) -> bool {
    let Some((first, rest)) = split(message) else { return false };
    let said = across.print();
    for part in [first, HEAD, said.as_bytes(), b" ", &proof(key, said.as_bytes(), first, rest), b"\r\n", rest] {
        out.extend_from_slice(part);
    }
    true
}

/// What a message's line says, and the message without it. `None` if there is no line with a right proof.
#[must_use]
pub fn read(key: &Key, message: &[u8]) -> Option<(Across, Vec<u8>)> {
    let (first, rest) = split(message)?;
    let rest = rest.strip_prefix(HEAD)?;
    let end = memchr::memchr(b'\n', &rest[..rest.len().min(VALUE_BYTES_MAX)])?;
    let (value, rest) = (rest[..end].strip_suffix(b"\r")?, &rest[end + 1..]);
    let (said, claimed) = value.split_at(value.iter().rposition(|byte| *byte == b' ')?);
    if !same(&proof(key, said, first, rest), &claimed[1..]) {
        return None;
    }
    Some((Across::read(core::str::from_utf8(said).ok()?)?, [first, rest].concat()))
}

/// The first line with its end, and all else.
fn split(message: &[u8]) -> Option<(&[u8], &[u8])> {
    Some(message.split_at(memchr::memchr(b'\n', message)? + 1))
}

/// These claims have many lengths; nobody goes on from a proof all the same, since most of the hash stays here.
fn proof(key: &Key, said: &[u8], first: &[u8], rest: &[u8]) -> [u8; PROOF_DIGITS] {
    let mut proof = [0; PROOF_DIGITS];
    digits(&mut proof, key.prove(b'a', &[said, b"\n", first, rest].concat()));
    proof
}
