//! All that a transaction may ask of the leg around it. The leg keeps the bytes; a transaction keeps time.

/// One order or report of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send the last request (client side) or the last response (server side) again.
    Resend,
    /// Send an ACK for the final response just heard, a refusal (RFC 3261 §17.1.1.3).
    Acknowledge,
    /// A provisional response was heard.
    Provisional,
    /// The first final response that refuses was heard.
    Refused,
    /// A response that accepts was heard; for INVITE each one counts, for the others only the first.
    Accepted,
    /// The ACK of our final response came.
    Acknowledged,
    /// Nothing came within 64·T1: the peer is taken for dead.
    TimedOut,
}

/// Where effects go.
pub type Effects = alloc::vec::Vec<Effect>;

/// Round-trip estimate over UDP, in milliseconds (RFC 3261 §17.1.1.1).
pub const T1_MS: u64 = 500;
/// Longest interval between repeats, in milliseconds (RFC 3261 §17.1.2.2).
pub const T2_MS: u64 = 4_000;
/// Longest life of a message in the network, in milliseconds (RFC 3261 §17.1.2.2).
pub const T4_MS: u64 = 5_000;
/// How long anything is tried at all: 64·T1, in milliseconds.
pub const GIVE_UP_MS: u64 = 64 * T1_MS;
