//! What legs tell the call about each other: events without protocol.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::leg::StandsFor;
use crate::leg::reliable::Owed;
use crate::release::{Release, Why};

/// A message body on its way from one leg to the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// Its media type, as in Content-Type; empty with an empty body.
    pub kind: Cow<'static, [u8]>,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The media type of a session description.
const SDP: &[u8] = b"application/sdp";

impl Body {
    /// A session description.
    pub fn sdp(bytes: Vec<u8>) -> Body {
        Body { kind: Cow::Borrowed(SDP), bytes }
    }

    /// A body of any kind.
    pub fn of(kind: &[u8], bytes: Vec<u8>) -> Body {
        // Nearly all are descriptions; their kind is nobody's to keep.
        if kind == SDP { Body::sdp(bytes) } else { Body { kind: Cow::Owned(kind.to_vec()), bytes } }
    }

    /// True when there is nothing to pass on.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// True for a session description.
    pub fn is_sdp(&self) -> bool {
        let called = |kind: &[u8]| {
            let base = kind.split(|b| *b == b';').next().unwrap_or(b"");
            base.trim_ascii().eq_ignore_ascii_case(SDP)
        };
        !self.is_empty() && (*self.kind == *SDP || called(&self.kind))
    }
}

/// What happened on one leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The terminator said 18x.
    Progress {
        /// 101 to 198.
        status: u16,
        /// Early media, perhaps.
        body: Body,
        /// It was sent reliably, and the originator's PRACK acknowledges it.
        owed: Option<Owed>,
    },
    /// The originator acknowledged a reliable provisional response of ours; the PRACK waits for its answer.
    Pracked {
        /// Its number.
        number: u32,
        /// An answer, or a new offer.
        body: Body,
        /// What it acknowledges on the other leg.
        owed: Option<Owed>,
    },
    /// A reliable provisional response of ours was never acknowledged.
    PrackMissing,
    /// The terminator answered.
    Answered {
        /// Its description.
        body: Body,
        /// It described its media, now or before, or was offered none.
        described: bool,
    },
    /// The attempt failed.
    Refused(Release),
    /// The terminator wants proof of who we are, or sends us elsewhere; for whoever does not follow, the attempt failed.
    Detour {
        /// The release that it is if nobody follows.
        release: Release,
        /// The response: 401, 407 or 300 to 302.
        response: Vec<u8>,
    },
    /// The peer took its INVITE back.
    Cancelled {
        /// Why, by its Reason header (RFC 3326).
        why: Why,
    },
    /// Our answer was acknowledged.
    Acked {
        /// The answer to a delayed offer, perhaps.
        body: Body,
    },
    /// Our answer was never acknowledged.
    AckMissing,
    /// The peer says goodbye; the request waits for its answer.
    Bye {
        /// Why, by its Reason header (RFC 3326).
        why: Why,
    },
    /// The peer offers a change by re-INVITE.
    Offer {
        /// The offer; empty asks for ours.
        body: Body,
    },
    /// Our re-INVITE was accepted.
    OfferAccepted {
        /// The answer.
        body: Body,
        /// Why we sent it.
        stands_for: StandsFor,
    },
    /// Our re-INVITE was refused.
    OfferRefused {
        /// With this status; 408 when nothing came.
        status: u16,
        /// Why we sent it.
        stands_for: StandsFor,
    },
    /// The peer sent another request that may be passed on.
    Request {
        /// INFO, UPDATE…
        method: Vec<u8>,
        /// Its number, by which the answer finds it.
        number: u32,
        /// Its body.
        body: Body,
    },
    /// Another request of ours was answered.
    Response {
        /// The number of the request that waits on the other leg.
        number: u32,
        /// The answer's status; 408 when nothing came.
        status: u16,
        /// Its body.
        body: Body,
    },
    /// The peer wants proof of who we are for a request of ours within the dialog: 401 or 407.
    Unproven {
        /// Our request's number.
        number: u32,
        /// The response.
        response: Vec<u8>,
    },
    /// The peer does not know the dialog any more, or does not answer.
    Lost,
    /// The peer stopped to refresh (RFC 4028 §10).
    RefreshMissing,
}

/// Where legs report.
pub type Events = Vec<Event>;
