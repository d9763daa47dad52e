//! What is written down about the signed identity of a call (STIR/SHAKEN).

use alloc::string::String;

use units::words;

words! {
    /// What became of the signed identity (RFC 8224) of a call, or of one attempt.
    Vouched {
        /// Nobody asked for it.
        #[default]
        No = 0 "no",
        /// Call: it came without one.
        Missing = 1 "missing",
        /// Call: it is right.
        Passed = 2 "passed",
        /// Call: it is wrong.
        Failed = 3 "failed",
        /// Call: its certificate could not be had in time, so nobody knows.
        Unknown = 4 "unknown",
        /// Attempt: we signed.
        Signed = 5 "signed",
        /// Attempt: what the call came with was passed on.
        Relayed = 6 "relayed",
        /// Attempt: we were to sign and could not: its numbers are no telephone numbers, our key is none, or the message was too long.
        Unsigned = 7 "unsigned",
    }
}

/// How much whoever signed knows of the caller (RFC 8588 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Attest {
    /// A: the caller, and that the number is his.
    Full = b'A',
    /// B: the caller, not whether the number is his.
    Partial = b'B',
    /// C: where the call came in.
    Gateway = b'C',
}

impl Attest {
    /// The one with this letter.
    pub fn from_letter(letter: u8) -> Option<Attest> {
        [Attest::Full, Attest::Partial, Attest::Gateway].into_iter().find(|attest| *attest as u8 == letter)
    }

    /// Its letter.
    pub const fn word(self) -> &'static str {
        match self {
            Attest::Full => "A",
            Attest::Partial => "B",
            Attest::Gateway => "C",
        }
    }
}

words! {
    /// Why a signed identity is not right; its word is empty where nothing is wrong.
    Doubt {
        /// There is none.
        #[default]
        None = 0 "",
        /// It cannot be read.
        Malformed = 1 "malformed",
        /// Another algorithm than ES256, or another kind than `shaken`.
        Unsupported = 2 "unsupported",
        /// It was signed more than a minute before or after the call came.
        Stale = 3 "stale",
        /// It names other numbers than the call.
        Numbers = 4 "numbers",
        /// Its certificate is not accepted.
        Certificate = 5 "certificate",
        /// Its certificate could not be had in time.
        Unreachable = 6 "unreachable",
        /// The signature is not that of the certificate.
        Signature = 7 "signature",
    }
}

/// What is known of the signed identity of a call or an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// What became of it.
    pub vouched: Vouched,
    /// What it attests; `None` where nothing was read or signed.
    pub attest: Option<Attest>,
    /// The bytes of the UUID that says where it began (RFC 8588 §5); zeros for none.
    pub origid: [u8; 16],
    /// Why it is not right.
    pub doubt: Doubt,
}

impl Identity {
    /// `origid` as a UUID is written; empty for none.
    pub fn origid_text(&self) -> String {
        use core::fmt::Write;
        let mut text = String::new();
        if self.origid == [0; 16] {
            return text;
        }
        for (place, byte) in self.origid.iter().enumerate() {
            if matches!(place, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            // A string takes everything.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}
