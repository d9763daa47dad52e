//! What a shard counts, and how long its rooms take.

use call::effect::{Count, Stage};
use cdr::Vouched;
use panel::metrics::Histogram;

macro_rules! counters {
    ($($(#[doc = $doc:literal])* $name:ident;)*) => {
        /// Counters since the start of the data plane; they only rise.
        #[derive(Clone, Debug, Default)]
        pub struct Counters {
            $($(#[doc = $doc])* pub $name: u64,)*
        }

        /// Names and meanings of all counters.
        pub const COUNTERS: &[(&str, &str)] = &[$((stringify!($name), concat!($($doc),*))),*];

        impl Counters {
            /// Name and value of each.
            pub fn each(&self, each: &mut dyn FnMut(&'static str, u64)) {
                $(each(stringify!($name), self.$name);)*
            }
        }
    };
}

counters! {
    /// SIP datagrams received by their owner.
    sip_received;
    /// SIP datagrams sent.
    sip_sent;
    /// SIP messages sent again because nothing came back.
    sip_resent;
    /// Datagrams handed to another shard.
    sip_steered;
    /// Datagrams that were not SIP.
    sip_flawed;
    /// Requests from addresses that are nobody's.
    sip_strangers;
    /// Requests that came before the first snapshot, when nobody could be told from a stranger.
    sip_early;
    /// Messages within a dialog that another than its peer sent.
    sip_intruders;
    /// Datagrams dropped unread: their source sends too much, or nobody knows it and the shard is busy.
    sip_silenced;
    /// Datagrams dropped unread because one like them broke a shard.
    sip_blocked;
    /// New calls refused because the shard was behind, or dropped after the process stood still.
    sip_overload;
    /// Calls refused because they went round in circles.
    loops;
    /// Requests refused without a call: no dialog, no hops left, unsupported.
    sip_refused;
    /// Connections of SIP peers taken.
    streams_accepted;
    /// Connections of SIP peers turned away, and messages for which there was no room for a connection.
    streams_refused;
    /// Connections to SIP peers that stood.
    streams_connected;
    /// Connections to SIP peers that could not be made.
    streams_failed;
    /// Connections closed because they were silent, too slow with a message, or never stood.
    streams_expired;
    /// Messages of other nodes' calls that were sent over connections of this node.
    across_carried;
    /// Messages that came over connections of this node and were handed to the nodes of their calls.
    across_heard;
    /// What other nodes had for connections that are gone, and what seemed to be theirs and was not proved, or was old.
    across_refused;
    /// Calls begun.
    calls_begun;
    /// Calls answered.
    calls_answered;
    /// Calls that ended without answer.
    calls_failed;
    /// Calls that ended after answer.
    calls_finished;
    /// Routes tried.
    attempts;
    /// Calls that were to come with a signed identity and had none.
    identities_missing;
    /// Signed identities of calls that were right.
    identities_passed;
    /// Signed identities of calls that were wrong.
    identities_failed;
    /// Signed identities of calls whose certificate could not be had in time.
    identities_unknown;
    /// Attempts that we signed for.
    identities_signed;
    /// Attempts that carried the signed identity that their call came with.
    identities_relayed;
    /// Attempts that we were to sign for and could not: no telephone numbers, no key, or a message too long.
    identities_unsigned;
    /// Certificates that the control plane was asked for, since calls needed them.
    certificates_asked;
    /// Media datagrams relayed.
    media_relayed;
    /// Media datagrams dropped: strangers, not RTP, no call, wrong encryption.
    media_dropped;
    /// Encrypted media datagrams dropped because their key or their tag was wrong.
    media_forged;
    /// Encrypted media datagrams dropped because their number came before, is too old to tell, or their key is used up.
    media_replayed;
    /// Media datagrams dropped because neither peer's description has their payload type.
    media_undescribed;
    /// Packets of recorded calls that are silence in their files, because the tape had no room for them.
    recording_lost;
    /// Media streams handed to the kernel.
    fastpath_joined;
    /// Media streams taken back from the kernel.
    fastpath_parted;
    /// Media streams that the kernel could not take.
    fastpath_refused;
    /// Media streams that sockets relay, though ready for the kernel, because one side's media is IPv4 and the other's IPv6.
    fastpath_families;
    /// Times that an egress trunk was shut because it rests or is throttled.
    trunks_shut;
    /// Calls refused because the switch is full, draining or its disk is.
    calls_turned_away;
    /// Requests that were asked to prove a name.
    proofs_asked;
    /// Proofs that were wrong.
    proofs_failed;
    /// Requests left without an answer: their address guessed too often, or the question would be larger than they are.
    proofs_silenced;
    /// Registrations of subscribers accepted, refreshes and removals among them.
    registered;
    /// Records given to the journal.
    journal_records;
    /// Egress trunks that stopped to answer.
    trunks_lost;
    /// Egress trunks that answered again.
    trunks_found;
    /// Panics survived: the message was dropped.
    panics;
}

impl Counters {
    /// Counts what a call reported.
    pub fn count(&mut self, what: Count) {
        match what {
            Count::Answered => self.calls_answered += 1,
            Count::Failed => self.calls_failed += 1,
            Count::Finished => self.calls_finished += 1,
            Count::Attempt => self.attempts += 1,
            Count::Vouched(vouched) => self.count_identity(vouched),
            Count::Resent => self.sip_resent += 1,
        }
    }
}

impl Counters {
    fn count_identity(&mut self, vouched: Vouched) {
        match vouched {
            Vouched::No => {}
            Vouched::Missing => self.identities_missing += 1,
            Vouched::Passed => self.identities_passed += 1,
            Vouched::Failed => self.identities_failed += 1,
            Vouched::Unknown => self.identities_unknown += 1,
            Vouched::Signed => self.identities_signed += 1,
            Vouched::Relayed => self.identities_relayed += 1,
            Vouched::Unsigned => self.identities_unsigned += 1,
        }
    }
}

/// Latency distributions, by room.
#[derive(Clone, Debug, Default)]
pub struct Stages {
    /// Reading an INVITE.
    pub parse: Histogram,
    /// Finding its ingress trunk.
    pub admit: Histogram,
    /// Capacity, CPS, money.
    pub limits: Histogram,
    /// Rates and order of routes.
    pub route: Histogram,
    /// From the decision to the egress INVITE.
    pub egress: Histogram,
    /// From the egress answer to the ingress 200, the journal between them.
    pub answer: Histogram,
    /// One media datagram through the relay.
    pub relay: Histogram,
}

impl Stages {
    /// Records what a call reported.
    pub fn record(&mut self, stage: Stage, nanos: u64) {
        match stage {
            Stage::Limits => self.limits.record(nanos),
            Stage::Route => self.route.record(nanos),
            Stage::Egress => self.egress.record(nanos),
            Stage::Answer => self.answer.record(nanos),
        }
    }

    /// Name and distribution of each, in the order of a call's way.
    pub fn each(&self, each: &mut dyn FnMut(&'static str, &Histogram)) {
        each("parse", &self.parse);
        each("admit", &self.admit);
        each("limits", &self.limits);
        each("route", &self.route);
        each("egress", &self.egress);
        each("answer", &self.answer);
        each("relay", &self.relay);
    }
}
