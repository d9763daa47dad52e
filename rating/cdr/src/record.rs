//! What is written down about a call.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use units::{
    AccountId, AttemptIndex, CallId, CarrierId, Cause, EgressTrunkId, GrantId, IngressTrunkId, Instant, Jurisdiction,
    Money, Number, Revision, ShardId, Suite, Terms, WallTime, words,
};

use crate::identity::Identity;

/// Who ended a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Party {
    /// The originator's side.
    Ingress = 0,
    /// The terminator's side.
    Egress = 1,
    /// Ourselves: a limit, a timer, an operator.
    #[default]
    Switch = 2,
}

/// One side's price of a call and the arithmetic's inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Priced {
    /// The rate as quoted.
    pub terms: Terms,
    /// Seconds billed after minimum, steps and free seconds.
    pub billed_s: u32,
    /// Seconds × rate + fee + tax, rounded once, in the terms' `currency`.
    pub price: Money,
    /// The tax within `price`.
    pub tax: Money,
}

/// How much of a call's price was paid from which grant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GrantPart {
    /// The grant.
    pub grant: GrantId,
    /// The part of the price.
    pub amount: Money,
}

/// Microseconds that a call spent in each room of the switch; 0 where it never came there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stages {
    /// Reading the INVITE.
    pub parse_us: u32,
    /// Finding the ingress trunk.
    pub admit_us: u32,
    /// Capacity, CPS and money.
    pub limits_us: u32,
    /// Rates and order of routes.
    pub route_us: u32,
    /// From the decision to the egress INVITE handed to the socket.
    pub egress_us: u32,
    /// From the egress answer to the 200 handed to the ingress socket; includes the journal.
    pub answer_us: u32,
    /// From the ingress INVITE's arrival to the first 18x sent back (post-dial delay).
    pub pdd_us: u32,
}

/// What one direction of media was like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quality {
    /// RTP packets relayed.
    pub packets: u64,
    /// Those among them that the kernel relayed: it counts doubles as packets out of order, sees no bursts, and `mos_x100` takes
    /// its losses as spread evenly.
    pub kernel_packets: u64,
    /// RTP bytes relayed.
    pub bytes: u64,
    /// Packets missing by sequence number.
    pub lost: u32,
    /// Packets that came after one of a higher number.
    pub reordered: u32,
    /// Packets that came more than once.
    pub duplicates: u32,
    /// The share of packets lost within bursts (RFC 3611 §4.7.2, Gmin 16), per mille; 0 without bursts.
    pub burst_loss_permille: u16,
    /// The mean length of a burst in milliseconds; 0 without bursts.
    pub burst_ms: u32,
    /// Milliseconds from the answer to the first packet, 0 if it came before; `None` if none came, or the call was not answered.
    pub first_ms: Option<u32>,
    /// Round trip between us and the peer by its RTCP, in microseconds; 0 if it told nothing.
    pub rtt_us: u32,
    /// What we encrypted it with between us and the peer; `None` for media in the clear, and for keys that only passed us.
    pub suite: Option<Suite>,
    /// Packets that came from an address that was not the peer's, and were dropped.
    pub strangers: u32,
    /// Interarrival jitter in microseconds (RFC 3550 §6.4.1).
    pub jitter_us: u32,
    /// Mean opinion score × 100 by the E-model (ITU-T G.107); 0 without media.
    pub mos_x100: u16,
}

words! {
    /// What became of the wish to record a call.
    Recorded {
        /// Nobody wished it.
        #[default]
        No = 0 "no",
        /// All that was said while it was wished went to the file.
        Yes = 1 "yes",
        /// Parts are silence in the file: they were lost on the way to it, or said by a codec that cannot be decoded here.
        Gaps = 2 "gaps",
        /// There is no file: all that was said was said by a codec that cannot be decoded here.
        Codec = 3 "codec",
        /// There is no file: no voice came by us.
        Silent = 4 "silent",
        /// There is no file: all was lost on the way to it.
        Lost = 5 "lost",
    }
}

/// One record: of a whole call (`attempt` 0) or of one try of a route (`attempt` 1 and up).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cdr {
    /// The call.
    pub call: CallId,
    /// 0 for the call itself, 1 and up for its attempts.
    pub attempt: AttemptIndex,
    /// Call record: how many attempts were made. Attempt record: 1 if it was the last.
    pub attempts: u8,
    /// The snapshot that decided.
    pub revision: Revision,
    /// Who sent the call; 0 if nobody we know.
    pub originator: CarrierId,
    /// The originator's account.
    pub originator_account: AccountId,
    /// Where it came in.
    pub ingress_trunk: IngressTrunkId,
    /// Who took it; 0 if no route was tried.
    pub terminator: CarrierId,
    /// The terminator's account.
    pub terminator_account: AccountId,
    /// Where it went out.
    pub egress_trunk: EgressTrunkId,
    /// The caller as received.
    pub calling: Number,
    /// The destination as received, tech prefix included.
    pub called: Number,
    /// The destination as routed and rated.
    pub called_routed: Number,
    /// The location routing number that the call came with; empty for none.
    pub lrn: Number,
    /// Where the call goes, as it was judged by the states of caller and destination.
    pub jurisdiction: Jurisdiction,
    /// When the INVITE arrived (call) or was sent (attempt).
    pub started: WallTime,
    /// Milliseconds from `started` to the first 18x.
    pub ringing_ms: Option<u32>,
    /// Milliseconds from `started` to the answer.
    pub answered_ms: Option<u32>,
    /// Milliseconds from `started` to the end.
    pub ended_ms: u64,
    /// Milliseconds between answer and end: what the price is computed from. 0 if not answered.
    pub duration_ms: u64,
    /// Final SIP status: sent to the originator (call) or received from the terminator (attempt); 0 if none.
    pub sip_status: u16,
    /// Why it ended.
    pub cause: Cause,
    /// Who ended it.
    pub released_by: Party,
    /// What the originator pays; on the call record.
    pub sell: Option<Priced>,
    /// What the terminator is owed; on the attempt that was answered and on its call record.
    pub buy: Option<Priced>,
    /// Which grants the sell price was taken from; on the call record.
    pub grants: Vec<GrantPart>,
    /// Which grants the buy price was taken from, where what the terminator may be owed is limited; on the call record.
    pub owed_grants: Vec<GrantPart>,
    /// What the originator's reserve would have paid for beyond the sell price, in its currency: talk of a call that a crash cut, after
    /// the last sign of its life, which nobody is billed for. Zero on all other records.
    pub written_off: Money,
    /// The originator's signalling address.
    pub ingress_address: Option<SocketAddr>,
    /// The terminator's signalling address.
    pub egress_address: Option<SocketAddr>,
    /// Call-ID header of the ingress leg.
    pub ingress_call_id: String,
    /// Call-ID header of the egress leg.
    pub egress_call_id: String,
    /// The first codec of the answer, as in SDP: `PCMA/8000`; empty without media.
    pub codec: String,
    /// Media from the originator.
    pub ingress_media: Quality,
    /// Media from the terminator.
    pub egress_media: Quality,
    /// Whether it was recorded, and why not; of a call.
    pub recorded: Recorded,
    /// What became of its signed identity: of a call as it came in, of an attempt as it went out.
    pub identity: Identity,
    /// Where the microseconds went.
    pub stages: Stages,
    /// The decision record, in `rating`'s own encoding; empty on attempts.
    pub decision: Vec<u8>,
}

/// The texts of a record. Who writes one at once has them elsewhere and lends them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Texts<'a> {
    /// As in [`Cdr`].
    pub ingress_call_id: &'a str,
    /// As in [`Cdr`].
    pub egress_call_id: &'a str,
    /// As in [`Cdr`].
    pub codec: &'a str,
    /// As in [`Cdr`].
    pub decision: &'a [u8],
}

impl Cdr {
    /// Its own texts.
    pub fn texts(&self) -> Texts<'_> {
        Texts {
            ingress_call_id: &self.ingress_call_id,
            egress_call_id: &self.egress_call_id,
            codec: &self.codec,
            decision: &self.decision,
        }
    }

    /// Whether somebody was reached, answered or not: what a network effectiveness ratio counts (ITU-T E.425 §3.2). A busy, absent or
    /// unwilling destination was reached, and so was one whose caller gave up; a refusal on the way was not.
    pub fn reached(&self) -> bool {
        match (self.released_by, self.cause) {
            _ if self.answered_ms.is_some() => true,
            (Party::Ingress, _) => true,
            // It rang until we gave up.
            (Party::Switch, Cause::TIMER_EXPIRED | Cause::TRUNK_UNREACHABLE | Cause::NO_ANSWER) => {
                self.ringing_ms.is_some()
            }
            (Party::Switch, _) => false,
            // RFC 3261 §21.6.2: the destination declines; 403 comes from a server on the way.
            (Party::Egress, Cause::REJECTED) => self.sip_status == 603,
            (Party::Egress, cause) => matches!(
                cause,
                Cause::BUSY
                    | Cause::NO_RESPONSE
                    | Cause::NO_ANSWER
                    | Cause::ABSENT
                    | Cause::NORMAL
                    | Cause::NORMAL_UNSPECIFIED
            ),
        }
    }
}

/// Written before an answer is passed on: enough to bill the call if the node dies a moment later.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Start {
    /// The call record as it would stand if the call ended at once.
    pub call: Cdr,
    /// The answered attempt's record, likewise.
    pub attempt: Cdr,
    /// The monotonic instant of the answer, on the clock of this boot.
    pub answered: Instant,
    /// Money reserved so far, by grant.
    pub reserved: Vec<GrantPart>,
    /// What is reserved of what the terminator may be owed; empty where nothing limits that.
    pub owed_reserved: Vec<GrantPart>,
    /// How long the reserve lasts, in milliseconds from the answer.
    pub paid_ms: u64,
}

/// One entry of the journal.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// The data plane started.
    Boot {
        /// How often it has.
        boot: u32,
        /// When.
        wall: WallTime,
    },
    /// A call is about to be answered.
    Start(alloc::boxed::Box<Start>),
    /// A running call's reserve grew.
    Paid {
        /// The call.
        call: CallId,
        /// All money reserved so far, by grant.
        reserved: Vec<GrantPart>,
        /// The same of what the terminator may be owed.
        owed_reserved: Vec<GrantPart>,
        /// How long the reserve lasts, in milliseconds from the answer.
        paid_ms: u64,
    },
    /// Every started and not yet ended call of a shard was alive at this instant.
    Mark {
        /// The shard that speaks.
        shard: ShardId,
        /// On the monotonic clock of this boot.
        now: Instant,
        /// The same moment on the wall clock.
        wall: WallTime,
    },
    /// A finished call or attempt.
    Cdr(alloc::boxed::Box<Cdr>),
    /// Money is about to be asked for.
    GrantAsked {
        /// The grant's identity.
        grant: GrantId,
        /// Whose money.
        account: AccountId,
    },
    /// Money was lent to this node.
    Granted {
        /// The grant's identity.
        grant: GrantId,
        /// Whose money.
        account: AccountId,
        /// How much; zero means refused.
        amount: Money,
    },
    /// A grant that is still open, told again so that what stands before it in the journal is not needed for it.
    GrantCarried {
        /// The grant's identity.
        grant: GrantId,
        /// Whose money.
        account: AccountId,
        /// How much was lent.
        amount: Money,
        /// What all calls that ended before used of it.
        used: Money,
    },
    /// A grant is about to be handed back, its unused part with it.
    GrantClosed {
        /// The grant's identity.
        grant: GrantId,
        /// What calls used of it.
        used: Money,
    },
    /// The ledger took it back: nobody needs to mention it again.
    GrantReturned {
        /// The grant's identity.
        grant: GrantId,
    },
}
