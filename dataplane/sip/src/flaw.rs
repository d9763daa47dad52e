//! What is wrong with a message, and which answer RFC 3261 gives to it.

/// The kind of a flaw, for counters and for the choice between an answer and silence.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FlawKind {
    /// Nothing but line ends or nothing at all: a keep-alive (RFC 5626 §3.5.1), to be dropped.
    KeepAlive,
    /// The first line is neither a request line nor a status line.
    StartLine,
    /// A SIP version other than 2.0.
    Version,
    /// A Request-URI whose scheme we do not serve.
    Scheme,
    /// A header line or the value of a header is not what the grammar allows.
    Header,
    /// A header that every message must carry is absent.
    Missing,
    /// A header that may stand once stands twice.
    Twin,
    /// The body is shorter than Content-Length says, or the length is no number.
    Length,
    /// Method of the request line and of CSeq differ.
    Mismatch,
    /// Larger than our bounds: bytes of the message or number of headers.
    Bound,
}

/// A refused message: the status that an answer to it would carry (if it is a request at all), and the reason in words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Flaw {
    /// SIP status, 400..=599.
    pub status: u16,
    /// Text for the status line or the log; plain ASCII without line ends.
    pub reason: &'static str,
    /// What kind of flaw this is.
    pub kind: FlawKind,
}

impl Flaw {
    /// A flaw answered by 400.
    #[must_use]
    pub const fn bad(kind: FlawKind, reason: &'static str) -> Flaw {
        Flaw { status: 400, reason, kind }
    }

    /// A flaw in the value of a header, answered by 400.
    #[must_use]
    pub const fn header(reason: &'static str) -> Flaw {
        Flaw::bad(FlawKind::Header, reason)
    }
}

impl core::fmt::Display for Flaw {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} {}", self.status, self.reason)
    }
}

impl core::error::Error for Flaw {}
