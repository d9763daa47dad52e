//! How signalling with a carrier goes, beyond who it is and what it costs: one value for each trunk and plan, and a small one for each
//! carrier.
//!
//! Everything has a default that suits a plain SIP peer, so an absent policy is an empty one. The text form is JSON; unknown
//! names are refused. Which part means something on which side is said at each field and checked by [`Policy::check`].

mod check;
mod parts;
mod stir;

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

pub use check::{ADDED_BYTES_MAX, LINES_MAX, PolicyFlaw, REGEXES_MAX, RESERVED, RULES_MAX, Side, TEXT_MAX, uuid};
pub use parts::{
    Answers, Capture, Captured, Codecs, Digest, Dtmf, EarlyMedia, Floors, Header, Headers, Identity, IdentityHeader,
    Number, NumberKind, Numbers, Pass, Portability, Prices, Probe, QualityIndex, Recording, Refresher, Registration,
    Relaying, Reliable, Rewrite, RewriteField, SessionTimer, Silence, Srtp, StatusOfCause, Throttle, TimerMode,
    Transport,
};
pub use stir::{Signer, Stir, StirAttest, StirSign, StirVerify};

/// Signalling policy of an ingress trunk, an egress trunk or a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(
    feature = "schema",
    schema(example = json!({
        "codecs": { "allow": ["PCMA", "telephone-event"], "single": true },
        "rewrite": [{ "field": "calling", "pattern": "^00(\\d+)$", "replacement": "+$1" }],
        "numbers": { "called_deny": [{ "kind": "prefix", "value": "449" }] },
        "session_timer": { "mode": "on", "expires_s": 600 },
    }))
)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Egress: what requests go out over. Ingress: calls over another transport are refused, `auto` takes all.
    #[serde(skip_serializing_if = "is_default")]
    pub transport: Transport,
    /// Egress: the listener whose address this trunk's calls come from; empty for the first that fits.
    #[serde(skip_serializing_if = "is_default")]
    pub listener: String,
    /// Egress: a host name that is looked up by RFC 3263 (NAPTR, SRV, A, AAAA) instead of the trunk's address; empty for none.
    #[serde(skip_serializing_if = "is_default")]
    pub host: String,
    /// Egress: calls go to the newest binding that this subscriber registered instead of the trunk's address; empty for none.
    #[serde(skip_serializing_if = "is_default")]
    pub subscriber: String,
    /// Egress: seconds from the INVITE of an attempt to its answer; 0 for no such limit (progress and ring time still hold).
    #[serde(skip_serializing_if = "is_default")]
    pub answer_timeout_s: u16,
    /// Both: RFC 4028 session timers.
    #[serde(skip_serializing_if = "is_default")]
    pub session_timer: SessionTimer,
    /// Both: RFC 3262 reliable provisional responses.
    #[serde(skip_serializing_if = "is_default")]
    pub reliable: Reliable,
    /// Ingress: what the originator hears before the answer.
    #[serde(skip_serializing_if = "is_default")]
    pub early_media: EarlyMedia,
    /// Ingress: seconds after which the originator hears 180 although the terminator said nothing; 0 for never.
    #[serde(skip_serializing_if = "is_default")]
    pub ringing_after_s: u16,
    /// Both: which codecs may be offered and answered.
    #[serde(skip_serializing_if = "is_default")]
    pub codecs: Codecs,
    /// Both: how media is relayed and watched.
    #[serde(skip_serializing_if = "is_default")]
    pub media: Relaying,
    /// All: which calls are captured, and how much of them. What a carrier says holds at each of its trunks that says nothing.
    #[serde(skip_serializing_if = "is_default")]
    pub capture: Capture,
    /// All: which calls are recorded, so that they can be listened to. What a carrier says holds at each of its trunks that says nothing.
    #[serde(skip_serializing_if = "is_default")]
    pub recording: Recording,
    /// Both: who is told who calls.
    #[serde(skip_serializing_if = "is_default")]
    pub identity: Identity,
    /// Both: signed identities of callers.
    #[serde(skip_serializing_if = "is_default")]
    pub stir: Stir,
    /// Both: location routing numbers of ported destinations.
    #[serde(skip_serializing_if = "is_default")]
    pub portability: Portability,
    /// All: changes of numbers and names; in order, each works on what the one before left.
    #[serde(skip_serializing_if = "is_default")]
    pub rewrite: Vec<Rewrite>,
    /// Egress: header fields beyond our own.
    #[serde(skip_serializing_if = "is_default")]
    pub headers: Headers,
    /// All: which numbers may call and be called.
    #[serde(skip_serializing_if = "is_default")]
    pub numbers: Numbers,
    /// All: what answers mean and which are given.
    #[serde(skip_serializing_if = "is_default")]
    pub answers: Answers,
    /// Ingress: calls and registrations must be authenticated by this; without sources any address may try. Egress: answers the
    /// peer's challenges.
    #[serde(skip_serializing_if = "is_default")]
    pub digest: Option<Digest>,
    /// Egress: we register with the peer.
    #[serde(skip_serializing_if = "is_default")]
    pub registration: Option<Registration>,
    /// Egress: OPTIONS that find out whether the peer lives.
    #[serde(skip_serializing_if = "is_default")]
    pub probe: Probe,
    /// Egress: redirections (30x) followed in one attempt, up to 5; 0 takes them for refusals.
    #[serde(skip_serializing_if = "is_default")]
    pub redirects_max: u8,
    /// Ingress: calls may go out by egress trunks of the same carrier (otherwise cause 339).
    #[serde(skip_serializing_if = "is_default")]
    pub own_terminators: bool,
    /// Ingress and carrier: what a minute of a call may cost. What a carrier says holds at each of its ingress trunks that says nothing.
    #[serde(skip_serializing_if = "is_default")]
    pub prices: Prices,
    /// Both: length of the window in which CPS is counted, in seconds, 1 to 60; 0 for 1.
    #[serde(skip_serializing_if = "is_default")]
    pub cps_window_s: u8,
    /// Plan: what makes a route good where the order is `quality`.
    #[serde(skip_serializing_if = "is_default")]
    pub quality: QualityIndex,
    /// Egress: the quality below which the trunk rests.
    #[serde(skip_serializing_if = "is_default")]
    pub floors: Floors,
    /// Egress: refusals beyond which the trunk gets hardly any calls.
    #[serde(skip_serializing_if = "is_default")]
    pub throttle: Throttle,
    /// Both: nodes that serve this trunk; empty for all (otherwise cause 337).
    #[serde(skip_serializing_if = "is_default")]
    pub nodes: Vec<u16>,
    /// Ingress: what routes of a plan may ask for, such as `retail`; up to 16 words.
    #[serde(skip_serializing_if = "is_default")]
    pub tags: Vec<String>,
    /// Both: requests go to where the peer's came from when its Contact names a private address (RFC 1918). Default: yes.
    #[serde(skip_serializing_if = "is_true")]
    pub nat: bool,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            transport: Transport::default(),
            listener: String::new(),
            host: String::new(),
            subscriber: String::new(),
            answer_timeout_s: 0,
            session_timer: SessionTimer::default(),
            reliable: Reliable::default(),
            early_media: EarlyMedia::default(),
            ringing_after_s: 0,
            codecs: Codecs::default(),
            media: Relaying::default(),
            capture: Capture::default(),
            recording: Recording::default(),
            identity: Identity::default(),
            stir: Stir::default(),
            portability: Portability::default(),
            rewrite: Vec::new(),
            headers: Headers::default(),
            numbers: Numbers::default(),
            answers: Answers::default(),
            digest: None,
            registration: None,
            probe: Probe::default(),
            redirects_max: 0,
            own_terminators: false,
            prices: Prices::default(),
            cps_window_s: 0,
            quality: QualityIndex::default(),
            floors: Floors::default(),
            throttle: Throttle::default(),
            nodes: Vec::new(),
            tags: Vec::new(),
            nat: true,
        }
    }
}

impl Policy {
    /// True if everything is at its default.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        is_default(self)
    }

    /// What a trunk's own policy and its carrier's come to: the carrier's captures, recordings and, at an ingress trunk, prices, where the
    /// trunk says nothing of them.
    #[must_use]
    pub fn of_carrier(mut self, carrier: &Policy, side: Side) -> Policy {
        if is_default(&self.capture) {
            self.capture.clone_from(&carrier.capture);
        }
        if is_default(&self.recording) {
            self.recording.clone_from(&carrier.recording);
        }
        if side == Side::Ingress && is_default(&self.prices) {
            self.prices.clone_from(&carrier.prices);
        }
        self
    }

    /// Its text form; empty for an empty policy.
    #[must_use]
    pub fn to_text(&self) -> String {
        if self.is_empty() {
            return String::new();
        }
        serde_json::to_string(self).expect("a policy holds nothing that JSON cannot say")
    }

    /// The policy of a text form.
    ///
    /// # Errors
    /// What is wrong, in words, with line and column.
    pub fn from_text(text: &str) -> Result<Policy, PolicyFlaw> {
        if text.is_empty() {
            return Ok(Policy::default());
        }
        serde_json::from_str(text).map_err(|error| PolicyFlaw::new("policy", alloc::format!("{error}")))
    }
}

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
pub(crate) fn is_true(value: &bool) -> bool {
    *value
}
