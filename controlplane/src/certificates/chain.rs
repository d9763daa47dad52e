//! Whether a certificate may sign for callers: its chain, its validity, its key and its authority over numbers (RFC 8226 §4 and §9).

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// Certificates at one address at most: the signer's first, then those between it and an authority.
const CHAIN_MAX: usize = 8;
/// Authorities at most.
const AUTHORITIES_MAX: usize = 1_000;
/// How the public key of a P-256 certificate begins (RFC 5480 §2); the point follows.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// id-pe-TNAuthList, 1.3.6.1.5.5.7.1.26 (RFC 8226 §9).
const TN_AUTH_LIST: [u8; 8] = [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x1a];
/// 1.3.6.1.5.5.7.3.2 (RFC 5280 §4.2.1.12): what the purposes of a certificate must hold, if it names any.
const PURPOSE: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];

/// Why a certificate is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It is none of ours to believe.
    Refused(String),
    /// It could not be had.
    Unreachable(String),
}

/// Those whose signers are believed.
#[derive(Debug)]
pub struct Authorities(Vec<TrustAnchor<'static>>);

/// The signer's certificate, once it is believed.
#[derive(Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Its public key as 130 hexadecimal digits.
    pub point: String,
    /// When it ends.
    pub until: SystemTime,
}

impl Authorities {
    /// Reads a list of certificates in PEM.
    ///
    /// # Errors
    /// There is none, too many, or one that is no certificate.
    pub fn read(pem: &[u8]) -> Result<Authorities> {
        let mut anchors = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.context("a certificate cannot be read")?;
            let anchor = anchor_from_trusted_cert(&certificate).context("a certificate is no authority's")?;
            anchors.push(anchor.to_owned());
            ensure!(anchors.len() <= AUTHORITIES_MAX, "there are more than {AUTHORITIES_MAX}");
        }
        ensure!(!anchors.is_empty(), "there is no certificate in it");
        Ok(Authorities(anchors))
    }

    /// Judges what was fetched: the signer's certificate first, then those between it and an authority.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn believe(&self, pem: &[u8], now: SystemTime) -> Result<Leaf, Unfit> {
        let refused = |why: &str| Unfit::Refused(why.to_owned());
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).take(CHAIN_MAX).collect();
        let chain = chain.map_err(|_| refused("what is there cannot be read as PEM"))?;
        let (leaf, between) = chain.split_first().ok_or_else(|| refused("no certificate is there"))?;
        let signer = EndEntityCert::try_from(leaf).map_err(|flaw| refused(&format!("{flaw:?}")))?;
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let usage = KeyUsage::required_if_present(PURPOSE);
        let at = UnixTime::since_unix_epoch(since);
        let known = webpki::ALL_VERIFICATION_ALGS;
        signer
            .verify_for_usage(known, &self.0, between, at, usage, None, None)
            .map_err(|flaw| refused(&format!("its chain does not lead to an authority: {flaw:?}")))?;
        let key = signer.subject_public_key_info();
        let point = key.as_ref().strip_prefix(&P256).filter(|point| point.len() == 65);
        let point = point.ok_or_else(|| refused("its key is not of the curve P-256"))?;
        let facts = facts(leaf).ok_or_else(|| refused("its fields cannot be read"))?;
        if !facts.serves {
            return Err(refused("it has no TNAuthList with a code of its owner (SPC)"));
        }
        let point = point.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Leaf { point, until: facts.until })
    }
}

/// What the library that checks a chain does not tell.
struct Facts {
    until: SystemTime,
    /// TNAuthList has a code of the owner (SPC, RFC 8226 §9).
    serves: bool,
}

/// One value of DER (X.690 §8.1): its tag, what it holds, and what follows.
fn value(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => (usize::from(*rest.first()?), &rest[1..]),
        0x82 => (usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?])), &rest[2..]),
        _ => return None,
    };
    (rest.len() >= length).then(|| (tag, &rest[..length], &rest[length..]))
}

/// The values within one.
fn values(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (tag, held, next) = value(rest)?;
        rest = next;
        Some((tag, held))
    })
}

/// RFC 5280 §4.1: the fields of a certificate that passed.
fn facts(certificate: &[u8]) -> Option<Facts> {
    const SEQUENCE: u8 = 0x30;
    const EXTENSIONS: u8 = 0xa3;
    const OBJECT: u8 = 0x06;
    const OCTETS: u8 = 0x04;
    const SPC: u8 = 0xa0;
    let (_, certificate, _) = value(certificate)?;
    let (_, signed, _) = value(certificate)?;
    // Two times: no other field of a certificate begins with one.
    let is_time = |tag: u8| tag == 0x17 || tag == 0x18;
    let validity =
        values(signed).find(|(tag, held)| *tag == SEQUENCE && held.first().is_some_and(|tag| is_time(*tag)))?;
    let (tag, end) = values(validity.1).nth(1)?;
    let until = moment(tag, end)?;
    let list = values(signed).find(|(tag, _)| *tag == EXTENSIONS).and_then(|(_, held)| value(held));
    let own = list.into_iter().flat_map(|(_, list, _)| values(list)).find(|(_, extension)| {
        value(extension).is_some_and(|(tag, object, _)| tag == OBJECT && object == TN_AUTH_LIST)
    });
    let entries = own.and_then(|(_, extension)| values(extension).find(|(tag, _)| *tag == OCTETS));
    let entries = entries.and_then(|(_, octets)| value(octets)).map(|(_, entries, _)| entries);
    let serves = entries.is_some_and(|entries| values(entries).any(|(tag, _)| tag == SPC));
    Some(Facts { until, serves })
}

/// A time as certificates have it (RFC 5280 §4.1.2.5).
fn moment(tag: u8, text: &[u8]) -> Option<SystemTime> {
    let text = std::str::from_utf8(text).ok()?;
    let text = match tag {
        0x17 if text.get(..2)? < "50" => format!("20{text}"),
        0x17 => format!("19{text}"),
        _ => text.to_owned(),
    };
    let at = jiff::civil::DateTime::strptime("%Y%m%d%H%M%SZ", &text).ok()?;
    let at = at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(at.as_second()).ok()?))
}
