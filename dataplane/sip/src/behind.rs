//! What a balancer and the cores behind it tell each other within SIP: for whom a message stands, and which core a dialog lives on.
//!
//! To peers a balancer and its cores are one switch with one address. So the balancer adds nothing that peers see; it passes each
//! message on with one header line before all others, which says who sent it. A core's message carries the same line and says whom
//! it is for; the balancer takes the line out. A line counts only in this place and only with its proof, so that nobody else's does:
//!
//! ```text
//! INVITE sip:4420…@203.0.113.1 SIP/2.0
//! X-Tandem-Source: 192.0.2.7:5060 4be8217fb2ad1f3e
//! ```
//! The tags that a core mints end in its number and a proof, as peers have to repeat tags letter by letter in whatever they say
//! within a dialog (RFC 3261 §12.2.1.1, §8.2.6.2):
//!
//! ```text
//! chance (16 digits) · node (4) · proof (8)
//! ```

pub mod across;

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use sha2::{Digest, Sha256};
use units::NodeId;

use crate::auth::hash::same;
use crate::print::write_socket_addr;

/// Characters of a tag that names its node.
pub const TAG_BYTES: usize = 28;
/// Bytes that the line takes at most: its name, an IPv6 address in brackets with a port, the proof.
pub const LINE_BYTES_MAX: usize = 96;

const CHANCE_BYTES: usize = 16;
const NODE_BYTES: usize = 20;
const PROOF_DIGITS: usize = 16;
const HEX: &[u8; 16] = b"0123456789abcdef";

/// What balancers and cores share, and nobody else knows.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl Key {
    /// From a secret of any length; a good one has 32 random bytes or more.
    #[must_use]
    pub fn of(secret: &[u8]) -> Key {
        Key(Sha256::new().chain_update(b"tandem balancer").chain_update(secret).finalize().into())
    }

    /// 64 bits that say nothing about the key: a seed for what all who share it must compute alike.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.prove(b's', &[])
    }

    /// The claims of one purpose have all one length, and most of the hash stays here: nobody can go on from a proof.
    fn prove(&self, purpose: u8, claim: &[u8]) -> u64 {
        let whole = Sha256::new().chain_update(self.0).chain_update([purpose]).chain_update(claim).finalize();
        u64::from_be_bytes(core::array::from_fn(|at| whole[at]))
    }
}

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key(..)")
    }
}

/// A tag of a dialog that lives on this node, from 64 random bits.
#[must_use]
pub fn tag(key: &Key, node: NodeId, chance: u64) -> [u8; TAG_BYTES] {
    let mut tag = [0; TAG_BYTES];
    digits(&mut tag[..CHANCE_BYTES], chance);
    digits(&mut tag[CHANCE_BYTES..NODE_BYTES], u64::from(node.0) << 48);
    let proof = key.prove(b't', &tag[..NODE_BYTES]);
    digits(&mut tag[NODE_BYTES..], proof);
    tag
}

/// The node that minted this tag; `None` if it was not minted with this key.
#[must_use]
pub fn node_of(key: &Key, tag: &[u8]) -> Option<NodeId> {
    let (claim, proof) = tag.split_at_checked(NODE_BYTES)?;
    let mut expected = [0; TAG_BYTES - NODE_BYTES];
    digits(&mut expected, key.prove(b't', claim));
    let node = u16::from_str_radix(core::str::from_utf8(&claim[CHANCE_BYTES..]).ok()?, 16).ok()?;
    same(&expected, proof).then_some(NodeId(node))
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From a balancer to a core: the line says who sent the message.
    Inward,
    /// From a core to a balancer: the line says whom the message is for.
    Outward,
}

impl Way {
    const fn head(self) -> &'static [u8] {
        match self {
            Way::Inward => b"X-Tandem-Source: ",
            Way::Outward => b"X-Tandem-Target: ",
        }
    }

    fn proof(self, key: &Key, peer: SocketAddr) -> [u8; PROOF_DIGITS] {
        let ip: Ipv6Addr = match peer.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        let mut claim = [0; 18];
        claim[..16].copy_from_slice(&ip.octets());
        claim[16..].copy_from_slice(&peer.port().to_be_bytes());
        let mut proof = [0; PROOF_DIGITS];
        digits(&mut proof, key.prove(self.head()[9], &claim));
        proof
    }
}

/// Appends a message with the line that names its peer. False, and nothing is appended, if it has no first line.
pub fn wrap(key: &Key, way: Way, peer: SocketAddr, message: &[u8], out: &mut Vec<u8>) -> bool {
    let start = message.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(message.len());
    let Some(end) = memchr::memchr(b'\n', &message[start..]) else { return false };
    let (first, rest) = message[start..].split_at(end + 1);
    out.extend_from_slice(first);
    out.extend_from_slice(way.head());
    write_socket_addr(out, peer);
    out.push(b' ');
    out.extend_from_slice(&way.proof(key, peer));
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(rest);
    true
}

/// Takes the line out of a message in place: who it names, and where the message begins from now on. `None` if there is no line
/// of this way with a right proof.
pub fn unwrap(key: &Key, way: Way, message: &mut [u8]) -> Option<(SocketAddr, usize)> {
    let first = memchr::memchr(b'\n', message)? + 1;
    let rest = message[first..].strip_prefix(way.head())?;
    let end = memchr::memchr(b'\n', &rest[..rest.len().min(LINE_BYTES_MAX)])?;
    let value = rest[..end].strip_suffix(b"\r")?;
    let (peer, proof) = value.split_at(value.iter().position(|byte| *byte == b' ')?);
    let peer: SocketAddr = core::str::from_utf8(peer).ok()?.parse().ok()?;
    if !same(&way.proof(key, peer), &proof[1..]) {
        return None;
    }
    let cut = way.head().len() + end + 1;
    message.copy_within(..first, cut);
    Some((peer, cut))
}

/// As many hexadecimal digits as there is room for, the highest first.
fn digits(out: &mut [u8], bits: u64) {
    for (place, digit) in out.iter_mut().enumerate() {
        *digit = HEX[(bits >> (60 - place * 4)) as usize & 15];
    }
}
