//! What is written down about the signed identity of a call (STIR/SHAKEN).

use alloc::string::String;

/// What became of the signed identity (RFC 8224) of a call, or of one attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Vouched {
    /// Nobody asked for it.
    #[default]
    No = 0,
    /// Call: it came without one.
    Missing = 1,
    /// Call: it is right.
    Passed = 2,
    /// Call: it is wrong.
    Failed = 3,
    /// Call: its certificate could not be had in time, so nobody knows.
    Unknown = 4,
    /// Attempt: we signed.
    Signed = 5,
    /// Attempt: what the call came with was passed on.
    Relayed = 6,
}

impl Vouched {
    /// All of them.
    pub const ALL: [Vouched; 7] = [
        Vouched::No,
        Vouched::Missing,
        Vouched::Passed,
        Vouched::Failed,
        Vouched::Unknown,
        Vouched::Signed,
        Vouched::Relayed,
    ];

    /// One word for operators.
    pub const fn word(self) -> &'static str {
        match self {
            Vouched::No => "no",
            Vouched::Missing => "missing",
            Vouched::Passed => "passed",
            Vouched::Failed => "failed",
            Vouched::Unknown => "unknown",
            Vouched::Signed => "signed",
            Vouched::Relayed => "relayed",
        }
    }

    /// The one with this number.
    pub fn from_code(code: u8) -> Option<Vouched> {
        Vouched::ALL.into_iter().find(|vouched| *vouched as u8 == code)
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

/// Why a signed identity is not right, or why we did not sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Doubt {
    /// There is none.
    #[default]
    None = 0,
    /// It cannot be read.
    Malformed = 1,
    /// Another algorithm than ES256, or another kind than `shaken`.
    Unsupported = 2,
    /// It was signed more than a minute before or after the call came.
    Stale = 3,
    /// It names other numbers than the call.
    Numbers = 4,
    /// Its certificate is not accepted.
    Certificate = 5,
    /// Its certificate could not be had in time.
    Unreachable = 6,
    /// The signature is not that of the certificate.
    Signature = 7,
    /// Attempt: the numbers are none that can be signed, or the key is none.
    Unsignable = 8,
}

impl Doubt {
    /// All of them.
    pub const ALL: [Doubt; 9] = [
        Doubt::None,
        Doubt::Malformed,
        Doubt::Unsupported,
        Doubt::Stale,
        Doubt::Numbers,
        Doubt::Certificate,
        Doubt::Unreachable,
        Doubt::Signature,
        Doubt::Unsignable,
    ];

    /// One word for operators; empty for none.
    pub const fn word(self) -> &'static str {
        match self {
            Doubt::None => "",
            Doubt::Malformed => "malformed",
            Doubt::Unsupported => "unsupported",
            Doubt::Stale => "stale",
            Doubt::Numbers => "numbers",
            Doubt::Certificate => "certificate",
            Doubt::Unreachable => "unreachable",
            Doubt::Signature => "signature",
            Doubt::Unsignable => "unsignable",
        }
    }

    /// The one with this number.
    pub fn from_code(code: u8) -> Option<Doubt> {
        Doubt::ALL.into_iter().find(|doubt| *doubt as u8 == code)
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
