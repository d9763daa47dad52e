//! Signed identities (STIR/SHAKEN): what a PASSporT says, whose keys are known, and how both become a verdict.
//!
//! Everything here is computed from what is handed in. Signing and verifying are functions of the program ([`Seals`]); certificates
//! are fetched and judged elsewhere, and only their public keys come here ([`Keys`]).

mod keys;
pub mod passport;

use cdr::{Attest, Doubt, Identity, Vouched};
use units::{Cause, Number, WallTime};

pub use keys::{KEYS_MAX, Keys, Known, Told, WANTED_MAX};
use passport::Signed;

/// Seconds that a PASSporT may be older or younger than its call (RFC 8224 §6.2.1 recommends 60).
pub const FRESH_S: i64 = 60;
/// Milliseconds that a call waits for a certificate.
pub const KEY_TIMEOUT_MS: u64 = 2_000;

/// A public key of P-256 as an uncompressed point (SEC 1 §2.3.3).
pub type PublicKey = [u8; 65];
/// An ES256 signature: r and s (RFC 7518 §3.4).
pub type Signature = [u8; 64];

/// What signs and verifies: functions of the program, since a signature needs chance.
#[derive(Clone, Copy, Debug)]
pub struct Seals {
    /// Signs these bytes with a private key given as a number; `None` if that is no key.
    pub sign: fn(&[u8; 32], &[u8]) -> Option<Signature>,
    /// Whether these bytes were signed by the owner of this key.
    pub verify: fn(&PublicKey, &[u8], &Signature) -> bool,
}

impl Default for Seals {
    /// Signs nothing and believes nobody.
    fn default() -> Seals {
        Seals { sign: |_, _| None, verify: |_, _, _| false }
    }
}

/// What a call's own signed identity comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It is known.
    Known(Identity),
    /// The certificate at this address is needed first.
    Wanted(&'a str),
}

/// Judges what a call came with: the first value of Identity that is a SHAKEN PASSporT, or the first of all. `names`: it is about this
/// call; `waited`: a certificate that is not here will not come in time.
pub fn judge<'a>(
    values: impl Iterator<Item = &'a [u8]>,
    names: impl Fn(&Signed<'_>) -> bool,
    now: WallTime,
    keys: &Keys,
    waited: bool,
) -> Verdict<'a> {
    let mut read = values.take(VALUES_MAX).map(passport::read);
    let Some(first) = read.next() else {
        return Verdict::Known(Identity { vouched: Vouched::Missing, ..Identity::default() });
    };
    let failed = |doubt, of: Identity| Verdict::Known(Identity { vouched: Vouched::Failed, doubt, ..of });
    let signed = match first {
        Ok(signed) => signed,
        Err(doubt) => match read.find_map(Result::ok) {
            Some(signed) => signed,
            None => return failed(doubt, Identity::default()),
        },
    };
    let said = signed.said();
    if now.micros().abs_diff(signed.iat_s.saturating_mul(1_000_000)) > (FRESH_S as u64) * 1_000_000 {
        return failed(Doubt::Stale, said);
    }
    if !names(&signed) {
        return failed(Doubt::Numbers, said);
    }
    match keys.find(signed.x5u, now) {
        Known::Key(key) if (keys.seals.verify)(key, signed.text, &signed.signature) => {
            Verdict::Known(Identity { vouched: Vouched::Passed, ..said })
        }
        Known::Key(_) => failed(Doubt::Signature, said),
        Known::Refused => failed(Doubt::Certificate, said),
        Known::Unreachable => Verdict::Known(unreachable(said)),
        Known::Not if waited => Verdict::Known(unreachable(said)),
        Known::Not => Verdict::Wanted(signed.x5u),
    }
}

fn unreachable(said: Identity) -> Identity {
    Identity { vouched: Vouched::Unknown, doubt: Doubt::Unreachable, ..said }
}

/// Values of Identity that are looked at in one call at most.
pub const VALUES_MAX: usize = 4;

/// The cause that a call is refused with for what was found (RFC 8224 §6.2.2); `None` for one that is right.
pub fn cause_of(identity: &Identity) -> Option<Cause> {
    match (identity.vouched, identity.doubt) {
        (Vouched::Missing, _) => Some(Cause::IDENTITY_MISSING),
        (Vouched::Unknown, _) => Some(Cause::IDENTITY_UNREACHABLE),
        (Vouched::Failed, Doubt::Stale) => Some(Cause::IDENTITY_STALE),
        (Vouched::Failed, Doubt::Certificate | Doubt::Unsupported) => Some(Cause::IDENTITY_UNSUPPORTED),
        (Vouched::Failed, _) => Some(Cause::IDENTITY_INVALID),
        (Vouched::No | Vouched::Passed | Vouched::Signed | Vouched::Relayed | Vouched::Unsigned, _) => None,
    }
}

/// What verification found, as a parameter of a number (ATIS-1000074 §5.3); empty if nobody asked.
pub fn verstat(vouched: Vouched) -> &'static [u8] {
    match vouched {
        Vouched::Passed => b";verstat=TN-Validation-Passed",
        Vouched::Failed => b";verstat=TN-Validation-Failed",
        Vouched::Missing | Vouched::Unknown => b";verstat=No-TN-Validation",
        Vouched::No | Vouched::Signed | Vouched::Relayed | Vouched::Unsigned => b"",
    }
}

impl Signed<'_> {
    /// What it says of itself.
    pub fn said(&self) -> Identity {
        Identity { attest: Some(self.attest), origid: self.origid, ..Identity::default() }
    }
}

/// A number as PASSporTs have it: its digits alone (RFC 8225 §5.2.1, RFC 8224 §8.3); `None` for what is no telephone number.
pub fn canonical(number: &Number) -> Option<&[u8]> {
    let digits = number.digits();
    (!digits.is_empty() && digits.len() <= DIGITS_MAX && digits.iter().all(u8::is_ascii_digit)).then_some(digits)
}

/// Digits of a telephone number at most: what RFC 8224 §8.3 leaves of 15 (E.164), and some for what is dialled within countries.
pub const DIGITS_MAX: usize = 20;

/// What we attest of a caller by his trunk's policy (RFC 8588 §4).
pub fn attested(stir: &snapshot::policy::Stir, calling: &Number) -> Attest {
    use snapshot::policy::StirAttest;
    let owns = || stir.numbers.iter().any(|beginning| calling.digits().starts_with(beginning.as_bytes()));
    match stir.attest {
        StirAttest::Gateway => Attest::Gateway,
        StirAttest::Numbers if owns() => Attest::Full,
        StirAttest::Numbers | StirAttest::Partial => Attest::Partial,
        StirAttest::Full => Attest::Full,
    }
}
