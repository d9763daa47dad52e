//! The part of a policy that says whose numbers are signed for, and by whom.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::parts::{choice, is_secret, part};

choice! {
    /// Whether the signed identity of calls that come in is verified (RFC 8224), and which calls are refused for it.
    StirVerify {
        /// It is not looked at.
        Off,
        /// It is verified and written down; every call passes.
        Report,
        /// A call whose identity is wrong is refused (403, 437, 438); one without any passes, and one whose certificate cannot be had.
        Invalid,
        /// Only a call whose identity is right passes (else 403, 428, 436, 437, 438).
        Require,
    }
}

choice! {
    /// How much we attest of a trunk's calls when we sign (RFC 8588 §4).
    StirAttest {
        /// C: that they came in here.
        Gateway,
        /// A where the calling number is one of `numbers`, B elsewhere.
        Numbers,
        /// B: that we know who sends them, not whether the number is his.
        Partial,
        /// A: that all its calling numbers are his.
        Full,
    }
}

choice! {
    /// What of a signed identity goes out with a call.
    StirSign {
        /// None; what `headers` lets cross crosses as any other field does.
        Off,
        /// The one that it came with, if that names the numbers that go out and was not found wrong.
        Relay,
        /// That one, and where there is none, ours.
        Missing,
        /// Ours.
        Always,
    }
}

part! {
    /// STIR/SHAKEN: calls whose numbers are signed for (RFC 8224, 8225, 8588; ES256).
    Stir {
        /// Ingress: whether it is verified.
        verify: StirVerify,
        /// Ingress: what we attest of its calls.
        attest: StirAttest,
        /// Ingress: beginnings of the originator's own numbers, in E.164 without `+`, for attestation `numbers`. Up to 64.
        numbers: Vec<String>,
        /// Ingress: the UUID that stands for this trunk in what we sign (`origid`); empty for one made of trunk and certificate.
        origid: String,
        /// Egress: what goes out.
        sign: StirSign,
        /// Egress: what we sign with.
        signer: Option<Signer>,
        /// Egress: the peer is told in From, or P-Asserted-Identity where that is sent, what verification found (`verstat`, ATIS-1000074).
        verstat: bool,
    }
}

/// What we sign with: a certificate that others can fetch, and its private key.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Signer {
    /// Where others fetch the certificate (`x5u`): an `https://` address of up to 200 characters.
    #[serde(skip_serializing_if = "super::is_default")]
    pub certificate: String,
    /// The private key, PEM (P-256; PKCS #8 or SEC 1). Its number is taken out of it on the way in, the text is never kept, shown or logged;
    /// empty keeps the one before.
    #[serde(skip_serializing_if = "is_secret")]
    #[cfg_attr(feature = "schema", schema(write_only))]
    pub private_key: String,
    /// The private key as a number, 64 hexadecimal digits; may be given instead of the PEM text and is never shown.
    #[serde(skip_serializing_if = "super::is_default")]
    #[cfg_attr(feature = "schema", schema(write_only))]
    pub private_number: String,
}

impl core::fmt::Debug for Signer {
    /// Leaves the key out: what is printed may end in a log.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Signer").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}
