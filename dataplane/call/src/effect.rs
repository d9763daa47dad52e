//! All that a call may ask of the shard around it.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use cdr::GrantPart;
use rating::quality::Over;
use sip::Hop;
use units::{AccountId, CarrierId, EgressTrunkId, IngressTrunkId, Instant, Money, PlanId};

use crate::bridge::Events;

/// Which limit is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trunk {
    /// Calls that come in.
    Ingress(IngressTrunkId),
    /// Calls that go out.
    Egress(EgressTrunkId),
}

/// Where a call holds room: on a trunk, and with it at the trunk's carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The trunk.
    pub trunk: Trunk,
    /// Whose trunk it is.
    pub carrier: CarrierId,
    /// Who sent the call; on an ingress trunk the same carrier.
    pub originator: CarrierId,
}

/// What is known of an attempt before it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It rings.
    Ringing,
    /// It was answered.
    Answered {
        /// Milliseconds from its INVITE to its ringing, or to its answer if it never rang.
        pdd_ms: u64,
        /// It rang before.
        rang: bool,
    },
}

/// One order of a call.
#[derive(Debug)]
pub enum Effect {
    /// Send these bytes as one message.
    Send {
        /// The leg that speaks: 0 is the ingress leg.
        leg: u8,
        /// Where to.
        to: Hop,
        /// Which bytes of [`Effects::bytes`].
        bytes: Range<usize>,
    },
    /// Start to listen on a media port.
    OpenPort {
        /// The port.
        port: u16,
        /// On the media address of IPv6 rather than of IPv4.
        ipv6: bool,
    },
    /// Stop to listen on a media port.
    ClosePort(u16),
    /// Append an encoded record to the journal; `wait` asks for [`crate::Call::on_journaled`].
    Journal {
        /// Which bytes of [`Effects::bytes`].
        bytes: Range<usize>,
        /// The call waits for it.
        wait: bool,
    },
    /// Messages with this Call-ID, which we minted, belong to this leg.
    Register {
        /// The leg.
        leg: u8,
    },
    /// Take one call's room; answered by [`crate::Call::on_taken`].
    Take {
        /// Where.
        place: Place,
        /// Concurrent calls of the trunk at most; 0 for no limit.
        capacity: u32,
        /// New calls a second of the trunk at most; 0 for no limit.
        cps: u32,
    },
    /// Give the room back.
    Return {
        /// Where it was taken.
        place: Place,
        /// The plan that chose it.
        plan: PlanId,
        /// How the attempt that had it ended.
        over: Over,
    },
    /// Tell the home shard of a trunk how an attempt goes.
    Heard {
        /// The trunk.
        trunk: EgressTrunkId,
        /// Whose it is.
        carrier: CarrierId,
        /// The plan that chose it.
        plan: PlanId,
        /// When its INVITE was sent.
        begun: Instant,
        /// What happened.
        news: News,
    },
    /// Reserve money: `want` if it is there, anything from `least` on if not; answered by [`crate::Call::on_reserved`].
    Reserve {
        /// Whose.
        account: AccountId,
        /// What would pay for a whole slice.
        want: Money,
        /// What is needed at least.
        least: Money,
    },
    /// The call is over: these parts were reserved, and of each this much was used.
    Settle {
        /// Whose.
        account: AccountId,
        /// What was reserved.
        reserved: Vec<GrantPart>,
        /// What was used, by grant.
        used: Vec<GrantPart>,
    },
    /// An INVITE to this trunk met no answer of any kind.
    Silent {
        /// The trunk.
        trunk: EgressTrunkId,
        /// When it was sent.
        since: Instant,
    },
    /// Ask for the certificate at this address; told of by [`crate::Call::on_certificate`].
    Certificate {
        /// Its address.
        x5u: String,
    },
    /// Count one of these.
    Count(Count),
    /// Record a latency in nanoseconds.
    Stage(Stage, u64),
}

/// What calls count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Calls answered.
    Answered,
    /// Calls that ended without answer.
    Failed,
    /// Calls that ended after answer.
    Finished,
    /// Routes tried.
    Attempt,
    /// Signed identities, by what became of them.
    Vouched(cdr::Vouched),
    /// Messages sent again because nothing came back.
    Resent,
}

/// The rooms whose latency is measured inside a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Capacity, CPS and money.
    Limits,
    /// Rates and order of routes.
    Route,
    /// From the decision to the egress INVITE.
    Egress,
    /// From the egress answer to the ingress 200.
    Answer,
}

/// Vectors that are kept for messages at most, and how large each may be.
const SPARE_MAX: usize = 64;
const SPARE_BYTES_MAX: usize = 4_096;

/// The effects of a step and the bytes that they point into.
#[derive(Debug, Default)]
pub struct Effects {
    /// In the order in which they must be carried out.
    pub list: Vec<Effect>,
    /// What the ranges point into.
    pub bytes: Vec<u8>,
    /// Memory for what legs tell their call within a step; empty between two.
    pub(crate) events: Events,
    /// Memory that messages were kept in, for those that come.
    spare: Vec<Vec<u8>>,
}

impl Effects {
    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.list.clear();
        self.bytes.clear();
    }

    /// Memory to keep a message in.
    pub(crate) fn lend(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// Memory that nobody needs any more.
    pub(crate) fn take_back(&mut self, mut bytes: Vec<u8>) {
        if (1..=SPARE_BYTES_MAX).contains(&bytes.capacity()) && self.spare.len() < SPARE_MAX {
            bytes.clear();
            self.spare.push(bytes);
        }
    }
}
