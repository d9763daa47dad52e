//! The Identity header field (RFC 8224 §4) and the PASSporT in it (RFC 8225, RFC 8588): read from strangers, written by us.

use alloc::string::String;
use alloc::vec::Vec;

use base64ct::{Base64UrlUnpadded, Encoding};
use cdr::{Attest, Doubt};
use serde::Deserialize;
use units::{Number, WallTime};

use super::{Signature, canonical};

/// Bytes of a value of Identity that is looked at, at most.
pub const VALUE_BYTES_MAX: usize = 2_048;
/// Bytes of the address of a certificate at most.
pub const X5U_BYTES_MAX: usize = 200;
/// Destinations that one PASSporT may name.
pub const DEST_MAX: usize = 16;

/// A PASSporT as it came; nobody has looked at its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<'a> {
    /// What the signature is of: header and claims as they stand there.
    pub text: &'a [u8],
    /// The signature.
    pub signature: Signature,
    /// Where the certificate is.
    pub x5u: &'a str,
    /// What is attested.
    pub attest: Attest,
    /// Who calls: digits.
    pub orig: String,
    /// Who is called: digits, each.
    pub dest: Vec<String>,
    /// When it was signed, in seconds since 1970 UTC.
    pub iat_s: i64,
    /// The bytes of the UUID that says where the call began.
    pub origid: [u8; 16],
}

impl Signed<'_> {
    /// True if it is about these two numbers (RFC 8224 §6.2, step 3).
    pub fn names(&self, calling: &Number, called: &Number) -> bool {
        let [Some(calling), Some(called)] = [canonical(calling), canonical(called)] else { return false };
        self.orig.as_bytes() == calling && self.dest.iter().any(|dest| dest.as_bytes() == called)
    }
}

/// RFC 8225 §4; what RFC 8588 §3 adds. Other names are ignored, as RFC 7515 §4 wants.
#[derive(Deserialize)]
struct Head {
    alg: String,
    typ: String,
    ppt: Option<String>,
    x5u: Option<String>,
    /// Extensions that must be understood (RFC 7515 §4.1.11): none is.
    crit: Option<serde::de::IgnoredAny>,
}

/// RFC 8225 §5, RFC 8588 §4 and §5.
#[derive(Deserialize)]
struct Claims {
    attest: String,
    dest: Dest,
    iat: i64,
    orig: Orig,
    origid: String,
}

#[derive(Deserialize)]
struct Dest {
    #[serde(default)]
    tn: Vec<String>,
}

#[derive(Deserialize)]
struct Orig {
    tn: String,
}

/// Reads a value of Identity.
///
/// # Errors
/// Why it is not one that can be verified here.
pub fn read(value: &[u8]) -> Result<Signed<'_>, Doubt> {
    if value.len() > VALUE_BYTES_MAX {
        return Err(Doubt::Malformed);
    }
    let value = core::str::from_utf8(value).map_err(|_| Doubt::Malformed)?;
    let (token, params) = value.split_once(';').ok_or(Doubt::Malformed)?;
    let params = Params::of(params)?;
    let token = token.trim();
    let (text, signature) = token.rsplit_once('.').ok_or(Doubt::Malformed)?;
    let (head, claims) = text.split_once('.').ok_or(Doubt::Malformed)?;
    // RFC 8588 §7 wants the full form; the compact one leaves both empty.
    let head: Head = json(head)?;
    let kind = head.ppt.as_deref().unwrap_or("");
    if head.alg != "ES256" || kind != "shaken" || head.crit.is_some() {
        return Err(Doubt::Unsupported);
    }
    let fits = |said: Option<&str>, meant: &str| said.is_none_or(|said| said == meant);
    if !head.typ.eq_ignore_ascii_case("passport") || !fits(params.alg, "ES256") || !fits(params.ppt, kind) {
        return Err(Doubt::Malformed);
    }
    // RFC 8224 §6.2, step 2: both say the same.
    let x5u = params.info;
    if head.x5u.as_deref() != Some(x5u) || x5u.len() > X5U_BYTES_MAX || !x5u.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Err(Doubt::Malformed);
    }
    let claims: Claims = json(claims)?;
    let attest = match claims.attest.as_bytes() {
        [letter] => Attest::from_letter(*letter).ok_or(Doubt::Malformed)?,
        _ => return Err(Doubt::Malformed),
    };
    if claims.dest.tn.len() > DEST_MAX {
        return Err(Doubt::Malformed);
    }
    let origid = snapshot::policy::uuid(&claims.origid).ok_or(Doubt::Malformed)?;
    let mut bytes = [0; 64];
    let signature = match Base64UrlUnpadded::decode(signature, &mut bytes) {
        Ok(read) if read.len() == 64 => bytes,
        _ => return Err(Doubt::Malformed),
    };
    let (orig, dest, iat_s) = (claims.orig.tn, claims.dest.tn, claims.iat);
    Ok(Signed { text: text.as_bytes(), signature, x5u, attest, orig, dest, iat_s, origid })
}

/// The parameters behind the token (RFC 8224 §4).
struct Params<'a> {
    info: &'a str,
    alg: Option<&'a str>,
    ppt: Option<&'a str>,
}

impl<'a> Params<'a> {
    fn of(text: &'a str) -> Result<Params<'a>, Doubt> {
        let (mut info, mut alg, mut ppt) = (None, None, None);
        let mut rest = text;
        while !rest.is_empty() {
            // The address stands between angles, and may hold what parts parameters elsewhere.
            let (param, next) = match (rest.find('<'), rest.find(';')) {
                (Some(open), Some(end)) if open < end => {
                    let close = rest.find('>').ok_or(Doubt::Malformed)?;
                    let (param, next) = rest.split_at(close + 1);
                    (param, next.trim_start().strip_prefix(';').unwrap_or(next))
                }
                (_, Some(end)) => (&rest[..end], &rest[end + 1..]),
                (_, None) => (rest, ""),
            };
            rest = next;
            let Some((name, said)) = param.split_once('=') else { continue };
            let place = match name.trim() {
                name if name.eq_ignore_ascii_case("info") => &mut info,
                name if name.eq_ignore_ascii_case("alg") => &mut alg,
                name if name.eq_ignore_ascii_case("ppt") => &mut ppt,
                _ => continue,
            };
            let quoted = |said: &'a str| said.strip_prefix('"')?.strip_suffix('"');
            let said = said.trim();
            if place.replace(quoted(said).unwrap_or(said)).is_some() {
                return Err(Doubt::Malformed);
            }
        }
        let info = info.and_then(|info: &str| info.strip_prefix('<')?.strip_suffix('>')).ok_or(Doubt::Malformed)?;
        Ok(Params { info, alg, ppt })
    }
}

/// A part of the token: JSON in base64url (RFC 7515 §2). How deep it goes is bounded by the reader, how long by the value.
fn json<T: for<'a> Deserialize<'a>>(part: &str) -> Result<T, Doubt> {
    let bytes = Base64UrlUnpadded::decode_vec(part).map_err(|_| Doubt::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| Doubt::Malformed)
}

/// What we say of a call.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Where our certificate is: of what [`snapshot::Policy::check`] takes, so that it needs no escapes.
    pub x5u: &'a str,
    /// What we attest.
    pub attest: Attest,
    /// Who calls: digits.
    pub orig: &'a [u8],
    /// Who is called: digits.
    pub dest: &'a [u8],
    /// The present.
    pub now: WallTime,
    /// Where the call began.
    pub origid: [u8; 16],
}

impl Claim<'_> {
    /// The value of Identity, signed; `None` if nothing can be signed with that key.
    pub fn sign(&self, sign: impl FnOnce(&[u8]) -> Option<Signature>) -> Option<String> {
        // RFC 8225 §9: no white space, names in order.
        let head = alloc::format!(r#"{{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"{}"}}"#, self.x5u);
        let [orig, dest] = [core::str::from_utf8(self.orig).ok()?, core::str::from_utf8(self.dest).ok()?];
        let (attest, iat_s) = (self.attest.word(), self.now.micros().div_euclid(1_000_000));
        let origid = cdr::Identity { origid: self.origid, ..cdr::Identity::default() }.origid_text();
        let claims = alloc::format!(
            r#"{{"attest":"{attest}","dest":{{"tn":["{dest}"]}},"iat":{iat_s},"orig":{{"tn":"{orig}"}},"origid":"{origid}"}}"#
        );
        let mut value = Base64UrlUnpadded::encode_string(head.as_bytes());
        value.push('.');
        value.push_str(&Base64UrlUnpadded::encode_string(claims.as_bytes()));
        let signature = sign(value.as_bytes())?;
        value.push('.');
        value.push_str(&Base64UrlUnpadded::encode_string(&signature));
        value.push_str(&alloc::format!(";info=<{}>;alg=ES256;ppt=\"shaken\"", self.x5u));
        Some(value)
    }
}
