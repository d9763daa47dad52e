//! What the programs say to each other over the data plane's Unix socket (`DIR/run/dataplane.sock`): one JSON [`Frame`] a line.
//!
//! Whoever connects may ask. The control plane says `Hello` with role `controller`; only to it does the data plane send its wants
//! (grants of money). Money travels as nano-units, ids as printed by `units`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The longest line that either side accepts, in bytes.
pub const LINE_BYTES_MAX: usize = 16 << 20;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frame {
    /// Who connected: `controller` or `operator`.
    Hello {
        /// `controller` or `operator`.
        role: String,
    },
    /// A question to the data plane, answered under the same id.
    Ask {
        /// Chosen by who asks.
        id: u64,
        /// The question.
        ask: Ask,
    },
    /// Its answer.
    Answer {
        /// The question's id.
        id: u64,
        /// The answer.
        answer: Answer,
    },
    /// The data plane wants something from the ledger.
    Want(Want),
    /// The ledger's answer, idempotent by grant id.
    Reply(Reply),
    /// The data plane wants a certificate of a signed identity (RFC 8224) to be fetched and judged. Sent once: a call that was not told in
    /// time goes on without.
    Fetch {
        /// Where it is.
        x5u: String,
    },
    /// What came of that.
    Certificate(Certificate),
}

/// What may be asked of the data plane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Map, check and swap to this snapshot file.
    Load {
        /// Full path of the file.
        path: String,
    },
    /// The running calls, oldest first.
    Calls {
        /// Rows at most.
        limit: u32,
    },
    /// Release a running call (cause 403).
    Release {
        /// 32 hexadecimal digits.
        call: String,
    },
    /// Capture a running call from here on, with what is still known of its beginning.
    Capture {
        /// 32 hexadecimal digits.
        call: String,
        /// `sip`, `rtp_headers` or `full`.
        what: String,
    },
    /// Record what is said in a running call from here on, or no longer.
    Record {
        /// 32 hexadecimal digits.
        call: String,
        /// Record.
        on: bool,
    },
    /// Counters and latencies.
    Figures,
    /// Who is registered where, and who was refused.
    Peers,
    /// What calls hold of limits.
    Rooms,
    /// Refuse new calls (cause 404) or take them again.
    Drain {
        /// Refuse.
        on: bool,
    },
    /// The node was written off: what it was lent is back with its accounts, and it hands back what it still holds of that.
    Fence {
        /// What boots up to this one were lent is void.
        boot: u32,
        /// Nobody has admitted the node again: nothing is lent to it, and calls that cost something are refused (cause 426).
        barred: bool,
    },
}

/// What the data plane answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Done.
    Done,
    /// The snapshot is in force on every shard.
    Loaded {
        /// Its number.
        revision: u64,
    },
    /// Not done, and why.
    Refused {
        /// A sentence.
        reason: String,
    },
    /// The running calls.
    Calls(Vec<CallRow>),
    /// Counters and latencies.
    Figures(alloc::boxed::Box<Figures>),
    /// Who is registered where, and who was refused.
    Peers(alloc::boxed::Box<Peers>),
    /// What calls hold of limits.
    Rooms(Vec<RoomRow>),
}

/// What the data plane wants of the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Want {
    /// Lend money of this account.
    Grant {
        /// Hexadecimal `GrantId::to_bytes`.
        grant: String,
        /// Whose money.
        account: u32,
        /// Nano-units that would be enough for now.
        want: i64,
        /// Nano-units of the slice that waits; where little is left, no more than this is lent at a time.
        #[serde(default)]
        slice: i64,
    },
    /// Take the unused rest of a grant back. Sent only once every post of its calls is in the journal.
    Close {
        /// Hexadecimal `GrantId::to_bytes`.
        grant: String,
        /// Whose money.
        account: u32,
        /// Nano-units that calls used.
        used: i64,
    },
}

/// The ledger's answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Lent; zero means refused.
    Granted {
        /// Hexadecimal `GrantId::to_bytes`.
        grant: String,
        /// Whose money.
        account: u32,
        /// Nano-units.
        amount: i64,
        /// The release cause of calls that are refused for it; 0 where something was lent, or where a minimum balance is reached.
        #[serde(default)]
        cause: u16,
    },
    /// Taken back.
    Closed {
        /// Hexadecimal `GrantId::to_bytes`.
        grant: String,
    },
}

/// What is known of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Where it is.
    pub x5u: String,
    /// What came of it.
    pub key: CertificateKey,
    /// How long this holds, microseconds since 1970 UTC.
    pub until: i64,
}

/// What came of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateKey {
    /// It is good.
    Good {
        /// Its public key, an uncompressed point of P-256 as 130 hexadecimal digits.
        point: String,
    },
    /// It is not accepted.
    Refused,
    /// It could not be fetched.
    Unreachable,
}

/// One running call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallRow {
    /// 32 hexadecimal digits.
    pub call: String,
    /// `admitting`, `routing`, `trying`, `ringing`, `answering`, `up`, `releasing`.
    pub state: String,
    /// The ingress trunk's id.
    pub ingress_trunk: u32,
    /// The originator's carrier id.
    pub originator: u32,
    /// The egress trunk's id of the present attempt; 0 if none.
    pub egress_trunk: u32,
    /// The terminator's carrier id; 0 if none.
    pub terminator: u32,
    /// The caller.
    pub calling: String,
    /// The destination as routed.
    pub called: String,
    /// Which attempt is under way; 0 before the first.
    pub attempt: u8,
    /// When the INVITE came, microseconds since 1970 UTC.
    pub started: i64,
    /// Milliseconds since the answer; `None` before it.
    pub talking_ms: Option<u64>,
    /// Sell price of a minute in nano-units.
    pub sell_per_minute: i64,
    /// Buy price of a minute in nano-units; 0 before a route is tried.
    pub buy_per_minute: i64,
    /// First codec of the answer; empty before it.
    pub codec: String,
    /// The shard that owns the call.
    pub shard: u16,
    /// Where its media is relayed: `kernel`, `sockets`, or empty without media.
    #[serde(default)]
    pub media_path: String,
    /// Why its media stays in user space: names of `media::Stay`.
    #[serde(default)]
    pub stays: Vec<String>,
    /// Media from the originator.
    #[serde(default)]
    pub ingress_media: MediaRow,
    /// Media from the terminator.
    #[serde(default)]
    pub egress_media: MediaRow,
}

/// What one direction of a running call's media is like so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MediaRow {
    /// RTP packets.
    pub packets: u64,
    /// Those among them that the kernel relayed.
    #[serde(default)]
    pub kernel_packets: u64,
    /// Packets missing by sequence number.
    pub lost: u32,
    /// Interarrival jitter in microseconds.
    pub jitter_us: u32,
    /// Round trip to the peer in microseconds; 0 if it is not known.
    pub rtt_us: u32,
    /// Mean opinion score × 100; 0 without media.
    pub mos_x100: u16,
    /// The number of the suite that we encrypt it with; 0 for none.
    #[serde(default)]
    pub suite: u8,
}

/// What the data plane counts. Counters only rise, since its start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// How often this node's data plane has started.
    pub boot: u32,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// The snapshot in force; 0 for none.
    pub revision: u64,
    /// New calls are refused.
    pub draining: bool,
    /// Journal records written but not yet collected are the control plane's to count; these are the ones written.
    pub journal_records: u64,
    /// Bytes written to the journal.
    pub journal_bytes: u64,
    /// The first segment of this boot that a restart would need; those before it may go once they are collected. 0 if unknown.
    #[serde(default)]
    pub journal_needed_from: u32,
    /// The journal cannot be written; calls wait for it and new ones are refused.
    #[serde(default)]
    pub journal_failing: bool,
    /// Share of the journal's file system in use, per cent.
    pub journal_disk_percent: u8,
    /// Named counters, summed over shards.
    pub counters: Vec<(String, u64)>,
    /// What each of them counts, by name.
    #[serde(default)]
    pub meanings: Vec<(String, String)>,
    /// Where established media is relayed.
    #[serde(default)]
    pub fast_path: FastPathFigures,
    /// How media ports are heard.
    #[serde(default)]
    pub media_sockets: MediaSocketsFigures,
    /// How limits are shared with other nodes.
    #[serde(default)]
    pub sharing: SharingFigures,
    /// One entry a shard.
    pub shards: Vec<ShardFigures>,
    /// Latency buckets by stage, merged over shards: name, then (upper bound in ns, count).
    pub stages: Vec<(String, Vec<(u64, u64)>)>,
}

/// How a node shares limits with others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharingFigures {
    /// Nodes that share, this one included; 0: limits are this node's alone, or it never heard of another.
    pub nodes: u32,
    /// Its parts stand. Otherwise etcd has not answered for so long that it goes by `--limits-alone`.
    pub sure: bool,
}

/// Media ports that a call has: RTP and RTCP of both legs.
pub const PORTS_PER_CALL: u64 = 4;
/// From this share of the possible calls with media on an operator is told, in per cent.
pub const MEDIA_ALARM_PERCENT: u64 = 80;
/// From this share of the journal's disk on, no new calls are taken, in per cent.
pub const JOURNAL_FULL_PERCENT: u8 = 95;

impl Figures {
    /// Why new calls are refused at this moment, in words; `None` while they are taken.
    pub fn refuses(&self) -> Option<String> {
        if self.revision == 0 {
            Some("no snapshot is in force".into())
        } else if self.journal_failing {
            Some("the journal cannot be written".into())
        } else if self.journal_disk_percent >= JOURNAL_FULL_PERCENT {
            Some(format!("the journal's disk is {} % full", self.journal_disk_percent))
        } else if self.draining {
            Some("the node is drained".into())
        } else {
            None
        }
    }

    /// What a counter counts; empty from a data plane that does not say.
    pub fn meaning(&self, counter: &str) -> &str {
        self.meanings.iter().find(|(name, _)| name == counter).map_or("", |(_, meaning)| meaning)
    }

    /// How much of the calls with media that are possible is in use, in per cent; 0 from a data plane that does not say.
    pub fn media_percent(&self) -> u64 {
        let used: u64 = self.shards.iter().map(|shard| u64::from(shard.ports_used)).sum();
        (used * 100).checked_div(self.media_sockets.calls_max * PORTS_PER_CALL).unwrap_or(0)
    }
}

/// How a data plane hears its media ports, and how many calls with media that allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaSocketsFigures {
    /// All ports of a shard share one socket; otherwise each has its own.
    pub shared: bool,
    /// Why they do not share; empty if they do.
    pub why: String,
    /// Calls with media at most; 0 from a data plane that does not say.
    pub calls_max: u64,
    /// What ends first: media ports, descriptors or memory.
    pub calls_max_by: String,
}

/// Whether the kernel relays established media in the data plane's place. Counters only rise, since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FastPathFigures {
    /// `xdp`, `tc`, `xdp and tc`, or `off`: sockets relay everything. Empty from a data plane that does not say.
    pub tier: String,
    /// Why it is off; empty if it is not.
    pub why: String,
    /// The interfaces, each with how packets are met there.
    pub interfaces: Vec<String>,
    /// Ways to peers that flows use.
    pub ways: u32,
    /// Those of them that lead somewhere now.
    pub ways_known: u32,
    /// Packets relayed in the kernel.
    pub relayed: u64,
    /// Packets to media ports that no flow was joined at; they went to the sockets, as all below did.
    pub not_joined: u64,
    /// Packets from another source than the flow's peer.
    pub strangers: u64,
    /// RTCP, and what is neither RTP nor RTCP.
    pub not_rtp: u64,
    /// Packets whose way out was not known.
    pub no_way: u64,
    /// Packets of flows that were just joined: they went to the sockets behind earlier ones, so that none overtakes another.
    #[serde(default)]
    pub behind: u64,
}

/// What one shard counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ShardFigures {
    /// Its number.
    pub shard: u16,
    /// Calls in its table.
    pub calls: u32,
    /// Of these, answered.
    pub answered: u32,
    /// Media ports in use.
    pub ports_used: u32,
    /// Media ports that it has.
    pub ports_max: u32,
    /// The snapshot that it decides from.
    pub revision: u64,
    /// Rooms on trunks that are taken with it as their home.
    #[serde(default)]
    pub rooms_taken: u32,
    /// Rooms on trunks that its own calls hold; summed over shards they are the rooms taken, but for what is under way.
    #[serde(default)]
    pub rooms_held: u32,
    /// The egress trunks that it asks by OPTIONS whether they live.
    #[serde(default)]
    pub trunks: Vec<TrunkFigures>,
    /// The egress trunks with floors or a throttle that live with it.
    #[serde(default)]
    pub standings: Vec<StandingFigures>,
    /// The routes of plans by quality whose trunks live with it.
    #[serde(default)]
    pub routes: Vec<RouteFigures>,
}

/// Whether an egress trunk answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkFigures {
    /// The egress trunk's id.
    pub egress_trunk: u32,
    /// It answers; otherwise routes skip it (cause 338).
    pub up: bool,
    /// Since when, microseconds since 1970 UTC; of a trunk that never failed, since it is asked.
    pub since: i64,
    /// Questions and INVITEs that it did not answer, in a row.
    pub failures: u8,
}

/// What calls hold of one limit's object.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RoomRow {
    /// `switch`, `originator`, `ingress_trunk`, `terminator`, `egress_trunk`, `carrier` (both directions) or `share` (of a
    /// terminator, for one originator).
    pub of: String,
    /// The id of the trunk or carrier; 0 for the switch.
    pub id: u32,
    /// The originator's carrier id of a share; otherwise 0.
    pub originator: u32,
    /// Calls that hold room.
    pub calls: u32,
    /// New calls within the window of the CPS limit; 0 without one.
    pub recent: u32,
    /// How much of the limit each node of a cluster has to itself; empty where this node has all of it.
    #[serde(default)]
    pub parts: Vec<PartRow>,
}

/// How much of one limit a node has to itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PartRow {
    /// The node.
    pub node: u16,
    /// Concurrent calls.
    pub calls: u32,
    /// New calls within the window of the CPS limit.
    pub recent: u32,
}

/// Who is registered where, and who was refused. Moments are microseconds since 1970 UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peers {
    /// Messages of strangers, the latest first.
    pub strangers: Vec<StrangerRow>,
    /// Where subscribers can be called, by address of record.
    pub bindings: Vec<BindingRow>,
    /// How our own registrations stand, by egress trunk.
    pub registrations: Vec<RegistrationRow>,
}

/// A message that nobody whom we know sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrangerRow {
    /// When.
    pub at: i64,
    /// Address and port that it came from.
    pub from: String,
    /// The SIP method.
    pub method: String,
    /// User part of its Request-URI; printable ASCII.
    pub user: String,
    /// `unknown`: no trunk has the address. `intruder`: it spoke within somebody else's dialog.
    pub reason: String,
}

/// One contact of a subscriber.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingRow {
    /// The address of record, `user@domain`.
    pub record: String,
    /// The contact's URI.
    pub contact: String,
    /// Address and port that the REGISTER came from: calls go there.
    pub from: String,
    /// When it was last refreshed.
    pub since: i64,
    /// When it ends.
    pub until: i64,
    /// The node that heard the REGISTER; 0 from a data plane that does not say.
    #[serde(default)]
    pub node: u16,
    /// Calls from this node get there; not so where that takes a connection of a node that hands nothing on.
    #[serde(default)]
    pub reached: bool,
}

/// One of our own registrations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrationRow {
    /// The egress trunk's id.
    pub egress_trunk: u32,
    /// `out`, `registered` or `failed`.
    pub state: String,
    /// Registered: when it ends unless it is refreshed.
    pub until: Option<i64>,
    /// Failed: what the peer said; 408 if nothing.
    pub status: Option<u16>,
}

/// How well an egress trunk with floors or a throttle does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingFigures {
    /// The egress trunk's id.
    pub egress_trunk: u32,
    /// `open`, `throttled` (cause 411), `resting` or `testing` (cause 410).
    pub state: String,
    /// Since when, microseconds since 1970 UTC.
    pub since: i64,
    /// The floor that is broken, in words; empty if none is.
    pub reason: String,
    /// What its last calls say.
    pub sum: SumFigures,
}

/// How well a route of a plan by quality does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteFigures {
    /// The plan's id.
    pub plan: u32,
    /// The egress trunk's id.
    pub egress_trunk: u32,
    /// What its last calls by this plan say.
    pub sum: SumFigures,
}

/// What the last calls say: counts of 200 at most, and averages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SumFigures {
    /// Attempts.
    pub calls: u8,
    /// Of these, answered.
    pub answered: u8,
    /// Of these, answered or brought to somebody who did not answer.
    pub reached: u8,
    /// Answered calls that are over.
    pub talks: u8,
    /// Of these, short.
    pub short: u8,
    /// Average talk time in seconds.
    pub acd_s: u16,
    /// Average time from INVITE to ringing in milliseconds.
    pub pdd_ms: u16,
    /// Average estimated mean opinion score in hundredths; 0 without media.
    pub mos_x100: u16,
    /// Average share of lost packets in thousandths.
    pub loss_permille: u16,
}
