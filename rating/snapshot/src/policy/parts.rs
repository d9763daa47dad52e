//! The parts of a policy.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

macro_rules! choice {
    ($(#[doc = $doc:literal])* $name:ident { $(#[doc = $first_doc:literal])* $first:ident, $($(#[doc = $rest_doc:literal])* $rest:ident,)* }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
        // The schema of an enumeration has no place for what each value means: the description lists it, in order.
        #[cfg_attr(
            feature = "schema",
            schema(description = concat!($($doc,)* "\n-", $($first_doc,)* $("\n-", $($rest_doc,)*)*))
        )]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $(#[doc = $first_doc])*
            #[default]
            $first,
            $($(#[doc = $rest_doc])* $rest,)*
        }
    };
}

macro_rules! part {
    ($(#[doc = $doc:literal])* $name:ident { $($(#[doc = $field_doc:literal])* $field:ident: $kind:ty,)* }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[doc = $field_doc])* #[serde(skip_serializing_if = "crate::policy::is_default")] pub $field: $kind,)*
        }
    };
}

pub(super) use {choice, part};

choice! {
    /// What carries the trunk's messages.
    Transport {
        /// Egress: UDP. Ingress: any.
        Auto,
        /// UDP.
        Udp,
        /// TCP.
        Tcp,
        /// TLS over TCP.
        Tls,
    }
}

choice! {
    /// How session timers (RFC 4028) are used.
    TimerMode {
        /// Taken if the peer asks for one.
        Accept,
        /// Neither asked for nor taken.
        Off,
        /// Asked for, and run by us alone if the peer does not know them.
        On,
    }
}

choice! {
    /// Who refreshes (RFC 4028 §7.1).
    Refresher {
        /// Whoever the peer names; we if it names nobody.
        Any,
        /// We do, where the choice is ours.
        Us,
        /// The peer does, where the choice is ours.
        Peer,
    }
}

part! {
    /// RFC 4028: a call whose refreshes stop is released.
    SessionTimer {
        /// Whether there is one.
        mode: TimerMode,
        /// Seconds between refreshes that we ask for, 90 to 86,400; 0 for 1,800.
        expires_s: u32,
        /// The shortest interval that we take (Min-SE); a shorter one is answered with 422. 90 to 86,400; 0 for 90.
        min_s: u32,
        /// Who refreshes.
        refresher: Refresher,
    }
}

choice! {
    /// Reliable provisional responses (RFC 3262).
    Reliable {
        /// Offered to the terminator if the originator offers them, then each PRACK crosses the bridge.
        Relay,
        /// Never offered; a peer that requires them is refused with 420.
        Off,
        /// We acknowledge the terminator's, and send ours reliably if the originator offers that; nothing crosses the bridge.
        Local,
    }
}

choice! {
    /// What of the media before the answer reaches the originator.
    EarlyMedia {
        /// Both ways, as the terminator's description says.
        Relay,
        /// To the originator only.
        OneWay,
        /// None: 183 becomes 180, and both come without a description.
        Suppress,
    }
}

part! {
    /// Which codecs pass (RFC 3264).
    Codecs {
        /// Names as in rtpmap, `PCMA`, `G729`, `telephone-event`, in order of preference; empty lets all pass.
        allow: Vec<String>,
        /// The list's order replaces the peer's.
        reorder: bool,
        /// An answer keeps its first voice codec (and telephone-event) only.
        single: bool,
        /// Video, text and images are refused by port 0; voice and T.38 pass.
        audio_only: bool,
    }
}

part! {
    /// The most that a minute of a call may cost, before tax and without the connection fee; where the minutes within the minimum have a
    /// price of their own, the dearer one counts. In the currency of the account that pays for the calls.
    Prices {
        /// What the originator pays for a minute at most, such as 0.25; a dearer call is refused with cause 340. Empty for no such limit.
        sell_per_minute_max: String,
        /// What a terminator asks for a minute at most; dearer routes are not tried (cause 428). Empty for no such limit.
        buy_per_minute_max: String,
    }
}

choice! {
    /// Whose silence ends a call, once it has lasted for the trunk's limit: no RTP that was described and no images; RTCP alone is silence. A call on hold may be silent.
    Silence {
        /// Both sides' at the same time.
        Both,
        /// Either side's: media that flows one way only is not enough.
        Either,
    }
}

choice! {
    /// How a peer sends and hears digits.
    Dtmf {
        /// As the other side does: nothing is converted.
        Pass,
        /// By INFO (application/dtmf-relay): it hears the other side's RFC 4733 events so, and its INFO becomes such events in place of its voice.
        Info,
    }
}

choice! {
    /// How media of a peer is encrypted by keys in its descriptions (SRTP, RFC 4568).
    Srtp {
        /// Keys go through untouched where the other trunk of the call says so too. Beside another trunk the peer may offer SRTP and is offered none.
        Pass,
        /// Never: an offer of it is refused.
        Off,
        /// Where the peer wants it: it may offer it, and is offered both (RTP/AVP with keys).
        Optional,
        /// Always (RTP/SAVP): media in the clear is refused with 488. The keys are as secret as the trunk's signalling: use TLS.
        Required,
    }
}

part! {
    /// How media is relayed and watched.
    Relaying {
        /// Media goes past us, straight between the peers, where both trunks of a call say so: nothing is measured or hidden.
        direct: bool,
        /// Whose silence ends a call; RTCP alone is silence.
        silence: Silence,
        /// Egress: seconds of silence (no RTP and no images; RTCP alone is silence) that end a call (cause 401); 0 for never. An ingress trunk has a field of its own for it.
        timeout_s: u16,
        /// How the peer sends and hears digits. Media of such a trunk is always relayed.
        dtmf: Dtmf,
        /// How media to and from the peer is encrypted. Media of a trunk that does not pass it is always relayed.
        srtp: Srtp,
        /// Crypto suites by their names in `a=crypto`, in order of preference; empty takes all that we have, in the peer's order, and offers `AEAD_AES_128_GCM` and `AES_CM_128_HMAC_SHA1_80`.
        srtp_suites: Vec<String>,
    }
}

choice! {
    /// How much of a call is captured; each includes what stands before it.
    Captured {
        /// Nothing.
        Off,
        /// SIP of both sides.
        Sip,
        /// The headers of media packets, and RTCP.
        RtpHeaders,
        /// Whole media packets: who may open the file can hear the call.
        Full,
    }
}

part! {
    /// Which calls are captured for whoever looks into them (pcapng). Of the trunks and plans of a call, the one that wants most counts.
    Capture {
        /// How much of them.
        what: Captured,
        /// How many of a hundred calls, 1 to 100; 0 for all.
        percent: u8,
        /// Only calls to numbers that begin with one of these, as routed; empty for all. Up to 64.
        called: Vec<String>,
        /// Only calls from numbers that begin with one of these; empty for all. Up to 64.
        calling: Vec<String>,
    }
}

part! {
    /// Which calls are recorded (WAV, the originator's voice left, the terminator's right; G.711 alone). Where a trunk or a plan of a call wishes it, it is. Its media is relayed by user space meanwhile.
    Recording {
        /// How many of a hundred calls, 1 to 100; 0 for none.
        percent: u8,
        /// Only calls to numbers that begin with one of these, as routed; empty for all. Up to 64.
        called: Vec<String>,
        /// Only calls from numbers that begin with one of these; empty for all. Up to 64.
        calling: Vec<String>,
    }
}

choice! {
    /// The header that tells a terminator who calls.
    IdentityHeader {
        /// From alone.
        None,
        /// P-Asserted-Identity (RFC 3325).
        Asserted,
        /// P-Preferred-Identity (RFC 3325).
        Preferred,
        /// Remote-Party-ID, as older peers want it.
        RemoteParty,
    }
}

choice! {
    /// Whether a header crosses.
    Pass {
        /// It does.
        Pass,
        /// It does not.
        Strip,
    }
}

part! {
    /// Who is told who calls (RFC 3323, 3325, 5806, 7044).
    Identity {
        /// The peer belongs to our trust domain. Ingress: its P-Asserted-Identity and Remote-Party-ID are believed. Egress: it
        /// is told callers who ask for privacy.
        trusted: bool,
        /// Ingress: the calling number is taken from the believed identity rather than from From.
        calling_from_identity: bool,
        /// Egress: how the caller is named besides From.
        send: IdentityHeader,
        /// Egress: Diversion (RFC 5806).
        diversion: Pass,
        /// Egress: History-Info (RFC 7044).
        history_info: Pass,
        /// Egress: P-Charge-Info (RFC 8496).
        charge_info: Pass,
    }
}

part! {
    /// Numbers that came dipped (RFC 4694): `rn`, the location routing number, and `npdi` in the Request-URI.
    Portability {
        /// Ingress: the location routing number of such a call is believed. Decks that ask for it look up by it.
        accept: bool,
        /// Egress: it is passed on.
        send: bool,
    }
}

choice! {
    /// What a rewrite changes.
    RewriteField {
        /// The called number: route and rates at an ingress trunk, Request-URI and To at an egress trunk.
        Called,
        /// The calling number: From, and the identity sent besides it.
        Calling,
        /// The display name of From.
        DisplayName,
        /// The number in P-Asserted-Identity, P-Preferred-Identity or Remote-Party-ID.
        Identity,
        /// The number in Diversion.
        Diversion,
        /// The user part of the Request-URI alone.
        RequestUri,
        /// The user part of To alone.
        To,
    }
}

part! {
    /// One change of a number or name.
    Rewrite {
        /// What is changed.
        field: RewriteField,
        /// A regular expression of the `regex` crate (linear time; no look-around); 1 to 200 characters. It may match anywhere:
        /// anchor it by `^` and `$`.
        pattern: String,
        /// What takes the place of the first match; `$1`, `${1}` are groups, `$$` is a dollar sign. Up to 200 characters.
        replacement: String,
    }
}

part! {
    /// One header field that we add.
    Header {
        /// A token.
        name: String,
        /// Printable, up to 200 bytes.
        value: String,
    }
}

part! {
    /// Header fields beyond our own in an egress INVITE.
    Headers {
        /// Names of the originator's INVITE that cross; `*` means all that SIP does not reserve.
        pass: Vec<String>,
        /// Names that do not cross although `pass` has them.
        remove: Vec<String>,
        /// Put into every INVITE.
        add: Vec<Header>,
    }
}

choice! {
    /// How a number is compared.
    NumberKind {
        /// It begins so.
        Prefix,
        /// It is the same.
        Exact,
        /// A regular expression matches.
        Regex,
    }
}

part! {
    /// One line of a list of numbers.
    Number {
        /// How it is compared.
        kind: NumberKind,
        /// With what; 1 to 200 characters.
        value: String,
    }
}

part! {
    /// Which numbers may call and be called. A denied number is refused even if it is allowed; an empty allow list allows all.
    Numbers {
        /// Callers (causes 335; at an egress trunk 321).
        calling_allow: Vec<Number>,
        /// Callers that are refused (334; at an egress trunk 322).
        calling_deny: Vec<Number>,
        /// Destinations (326).
        called_allow: Vec<Number>,
        /// Destinations that are refused (325).
        called_deny: Vec<Number>,
    }
}

part! {
    /// The status that an originator gets for a cause.
    StatusOfCause {
        /// Our cause or Q.850's.
        cause: u16,
        /// 400 to 699.
        status: u16,
    }
}

part! {
    /// What answers mean and which are given.
    Answers {
        /// Ingress: statuses by cause, instead of the usual ones.
        statuses: Vec<StatusOfCause>,
        /// Ingress: every failure that is ours is answered with 503, as Kolmisoft M4 does.
        always_503: bool,
        /// Egress and plan: statuses of a terminator that end the hunt.
        stop: Vec<u16>,
        /// Egress and plan: statuses of a terminator after which the next route is tried although the usual rule would stop.
        next: Vec<u16>,
        /// Egress: busy means that the trunk failed: the next route is tried.
        busy_is_failure: bool,
        /// Egress: no answer means that the trunk failed: the next route is tried.
        no_answer_is_failure: bool,
        /// Ingress: no Reason header (RFC 3326) in refusals.
        no_reason: bool,
    }
}

/// Digest credentials (RFC 3261 §22, RFC 8760).
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Digest {
    /// The user name.
    #[serde(skip_serializing_if = "super::is_default")]
    pub user: String,
    /// The realm.
    #[serde(skip_serializing_if = "super::is_default")]
    pub realm: String,
    /// The password, 1 to 128 characters. It is hashed on the way in and never kept, shown or logged; empty keeps the one before.
    #[serde(skip_serializing_if = "is_secret")]
    #[cfg_attr(feature = "schema", schema(write_only))]
    pub password: String,
    /// MD5 of `user:realm:password`, 32 hexadecimal digits; may be given instead of the password and is never shown.
    #[serde(skip_serializing_if = "super::is_default")]
    #[cfg_attr(feature = "schema", schema(write_only))]
    pub ha1_md5: String,
    /// SHA-256 of `user:realm:password`, 64 hexadecimal digits; may be given instead of the password and is never shown.
    #[serde(skip_serializing_if = "super::is_default")]
    #[cfg_attr(feature = "schema", schema(write_only))]
    pub ha1_sha256: String,
}

/// Never written, whatever it holds.
pub(super) fn is_secret(_: &str) -> bool {
    true
}

impl core::fmt::Debug for Digest {
    /// Leaves the secrets out: what is printed may end in a log.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Digest").field("user", &self.user).field("realm", &self.realm).finish_non_exhaustive()
    }
}

part! {
    /// One registration of ours with a peer (RFC 3261 §10); the trunk's digest answers its challenges.
    Registration {
        /// The user part of our address of record.
        user: String,
        /// The domain of our address of record; also the Request-URI's host.
        domain: String,
        /// Where REGISTER goes as `IP:port`; empty for the trunk's address.
        registrar: String,
        /// Seconds asked for, 60 to 86,400; 0 for 3,600.
        expires_s: u32,
    }
}

part! {
    /// OPTIONS that find out whether the peer lives.
    Probe {
        /// Seconds between them, 5 to 3,600; 0 sends none.
        interval_s: u16,
        /// Unanswered ones after which the trunk is skipped (cause 338), 1 to 10; 0 for 3.
        failures: u8,
    }
}

part! {
    /// What makes a route good in a plan whose order is `quality`: the higher its index, the earlier it is tried.
    QualityIndex {
        /// The index: numbers, + - * / ( ), min(a, b), max(a, b) over ASR, NER, SHORT and LOSS (per cent), ACD_s (seconds), PDD_ms (milliseconds), MOS (1 to 5), CALLS and PRICE (of a minute, in the originator's currency). Six decimals; dividing by 0 gives 0. Empty for ASR.
        formula: String,
        /// The last calls by this plan that a route is judged by, 1 to 200; 0 for 100.
        calls: u8,
        /// With fewer calls a route is unknown and tried after the others, 1 to 200; 0 for 10.
        calls_min: u8,
        /// Share of calls that try an unknown route first, per cent, 1 to 100; 0 for 5.
        explore_percent: u8,
        /// Seconds without a call after which a route is unknown again, 60 to 86,400; 0 for 3,600.
        forget_s: u32,
        /// Calls that talk less are short (SHORT), in seconds, 1 to 60; 0 for 6.
        short_s: u8,
    }
}

part! {
    /// The quality that a trunk must keep. Below it the trunk rests (cause 410), then takes test calls, and returns if they are good.
    Floors {
        /// Answered calls (ASR) at least, per cent, 1 to 100; 0 for no such floor.
        asr_min_percent: u8,
        /// Average talk time (ACD) at least, in seconds; 0 for no such floor.
        acd_min_s: u16,
        /// Share of short calls among the answered at most, per cent, 1 to 100; 0 for no such floor.
        short_max_percent: u8,
        /// Calls that talk less are short, in seconds, 1 to 60; 0 for 6.
        short_s: u8,
        /// The last calls that are looked at, 1 to 200; 0 for 100.
        calls: u8,
        /// With fewer calls nothing is judged, 1 to 200; 0 for 50.
        calls_min: u8,
        /// Seconds of rest, 5 to 86,400; 0 for 300.
        rest_s: u32,
        /// Test calls after the rest that are judged, and how many may run at a time, 1 to 100; 0 for 10.
        test_calls: u8,
        /// Test calls in a minute at most, 1 to 600; 0 for 6.
        test_per_minute: u16,
        /// The trunk never rests; what would have made it rest is shown.
        observe: bool,
    }
}

part! {
    /// A trunk that refuses too much is throttled (cause 411): it gets a call now and then, and everything again once three in a row are well.
    Throttle {
        /// Share of refusals at which the trunk is throttled, per cent, 1 to 100; 0 never throttles.
        percent: u8,
        /// Length of the window that slides, in seconds, 1 to 120; 0 for 10.
        window_s: u8,
        /// With fewer calls in the window nothing is judged, 1 to 1,000; 0 for 10. Twice as many refusals in a row throttle at once.
        calls_min: u16,
        /// The statuses that count as refusals; empty for 408, 480 and 503. An INVITE that we gave up before it rang counts as 408.
        statuses: Vec<u16>,
    }
}

impl QualityIndex {
    /// The calls that a route is judged by.
    pub fn calls(&self) -> u8 {
        if self.calls == 0 { 100 } else { self.calls }
    }

    /// With fewer calls a route is unknown; never more than it is judged by.
    pub fn calls_min(&self) -> u8 {
        if self.calls_min == 0 { 10.min(self.calls()) } else { self.calls_min.min(self.calls()) }
    }

    /// Share of calls that try an unknown route first, per cent.
    pub fn explore_percent(&self) -> u8 {
        if self.explore_percent == 0 { 5 } else { self.explore_percent }
    }

    /// Seconds without a call after which a route is unknown again.
    pub fn forget_s(&self) -> u32 {
        if self.forget_s == 0 { 3_600 } else { self.forget_s }
    }

    /// Calls that talk less are short, in seconds.
    pub fn short_s(&self) -> u8 {
        if self.short_s == 0 { 6 } else { self.short_s }
    }
}
