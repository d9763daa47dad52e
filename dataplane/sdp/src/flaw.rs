//! What is wrong with a session description.

/// A refused description: the status of the answer to the request that carried it, and the reason in words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Flaw {
    /// 400 when the text is broken, 488 when it is fine but asks for what we do not do.
    pub status: u16,
    /// Plain ASCII without line ends.
    pub reason: &'static str,
}

impl Flaw {
    /// The description sends media where we never send any: see [`crate::address_refused`].
    pub const REFUSED_ADDRESS: Flaw = Flaw::refused("media address refused");

    /// A filter left no section that could carry the call: 488 to the originator, and cause 318 in its record.
    pub const NOTHING_LEFT: Flaw = Flaw::refused("no codec allowed");

    /// Broken text.
    #[must_use]
    pub const fn broken(reason: &'static str) -> Flaw {
        Flaw { status: 400, reason }
    }

    /// Well-formed, and not for us.
    #[must_use]
    pub const fn refused(reason: &'static str) -> Flaw {
        Flaw { status: 488, reason }
    }
}

impl core::fmt::Display for Flaw {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} {}", self.status, self.reason)
    }
}

impl core::error::Error for Flaw {}
