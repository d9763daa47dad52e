//! Authorization and Proxy-Authorization as the one reads them who asked (RFC 3261 §20.7, §20.28).

use super::hash::{Algorithm, Secret, Signed, response, same};
use super::params::{self, Text, keep};
use super::{HEADERS_MAX, Unfit};
use crate::message::Message;
use crate::name::Name;

/// An answer to a challenge.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Credentials<'a> {
    /// Who it claims to come from.
    pub user: Text<'a>,
    /// Where.
    pub realm: Text<'a>,
    /// The nonce that it answers.
    pub nonce: Text<'a>,
    /// The Request-URI that it was made for.
    pub uri: Text<'a>,
    /// The hash.
    pub algorithm: Algorithm,
    response: &'a [u8],
    count: Option<Count<'a>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Count<'a> {
    number: u32,
    digits: &'a [u8],
    cnonce: &'a [u8],
}

#[derive(Default)]
struct Found<'a> {
    user: Option<Text<'a>>,
    realm: Option<Text<'a>>,
    nonce: Option<Text<'a>>,
    uri: Option<Text<'a>>,
    response: Option<Text<'a>>,
    algorithm: Option<Text<'a>>,
    qop: Option<Text<'a>>,
    nc: Option<Text<'a>>,
    cnonce: Option<Text<'a>>,
}

impl<'a> Credentials<'a> {
    /// Reads the value of one header.
    ///
    /// # Errors
    /// Every [`Unfit`] but `Absent`. A hashed user name (RFC 7616 §3.4.4) is `Grammar`: we never ask for one.
    pub fn parse(value: &'a [u8]) -> Result<Credentials<'a>, Unfit> {
        let mut found = Found::default();
        params::each(value, |name, text| found.take(name, text))?;
        let algorithm = match found.algorithm {
            None => Algorithm::default(),
            Some(text) => Algorithm::from_token(text.raw()).ok_or(Unfit::Algorithm)?,
        };
        let response = found.response.ok_or(Unfit::Grammar)?.raw();
        if response.len() != algorithm.digits() || !response.iter().all(u8::is_ascii_hexdigit) {
            return Err(Unfit::Grammar);
        }
        let must = |text: Option<Text<'a>>| text.filter(|text| !text.raw().is_empty()).ok_or(Unfit::Grammar);
        Ok(Credentials {
            user: must(found.user)?,
            realm: found.realm.ok_or(Unfit::Grammar)?,
            nonce: must(found.nonce)?,
            uri: must(found.uri)?,
            algorithm,
            response,
            count: found.count()?,
        })
    }

    /// The nonce's use, rising from 1; `None` in the manner of RFC 2069.
    #[must_use]
    pub fn count(&self) -> Option<u32> {
        self.count.map(|count| count.number)
    }

    /// Was it made with this secret for a request of this method and the URI that it names? Takes the same time for
    /// right and wrong. User, realm, nonce and URI are the caller's to compare.
    #[must_use]
    pub fn fits(&self, secret: &Secret<'_>, method: &[u8]) -> bool {
        let count = self.count.map(|count| (count.digits, count.cnonce));
        let signed = Signed {
            algorithm: self.algorithm,
            mixed: None,
            nonce: self.nonce.raw(),
            count,
            method,
            uri: self.uri.raw(),
            body: None,
        };
        let expected = response(secret, &signed);
        let mut theirs = [0; 64];
        let theirs = &mut theirs[..self.response.len()];
        theirs.copy_from_slice(self.response);
        theirs.make_ascii_lowercase();
        same(expected.as_bytes(), theirs)
    }
}

impl<'a> Found<'a> {
    fn take(&mut self, name: &[u8], text: Text<'a>) -> Result<(), Unfit> {
        let slots: [(&[u8], &mut Option<Text<'a>>); 9] = [
            (b"username", &mut self.user),
            (b"realm", &mut self.realm),
            (b"nonce", &mut self.nonce),
            (b"uri", &mut self.uri),
            (b"response", &mut self.response),
            (b"algorithm", &mut self.algorithm),
            (b"qop", &mut self.qop),
            (b"nc", &mut self.nc),
            (b"cnonce", &mut self.cnonce),
        ];
        match slots.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, slot)) => keep(slot, text),
            None => Ok(()),
        }
    }

    /// RFC 7616 §3.4: `nc` and `cnonce` stand there if and only if `qop` does.
    fn count(&self) -> Result<Option<Count<'a>>, Unfit> {
        let Some(qop) = self.qop else {
            return if self.nc.is_none() { Ok(None) } else { Err(Unfit::Grammar) };
        };
        if !qop.is_word(b"auth") {
            return Err(Unfit::Protection);
        }
        let (Some(nc), Some(cnonce)) = (self.nc, self.cnonce) else { return Err(Unfit::Grammar) };
        let (digits, cnonce) = (nc.raw(), cnonce.raw());
        let text = core::str::from_utf8(digits).map_err(|_| Unfit::Grammar)?;
        if digits.len() != 8 || !digits.iter().all(u8::is_ascii_hexdigit) || cnonce.is_empty() {
            return Err(Unfit::Grammar);
        }
        let number = u32::from_str_radix(text, 16).map_err(|_| Unfit::Grammar)?;
        Ok(Some(Count { number, digits, cnonce }))
    }
}

/// The answer in a request to our challenge for `realm`. `header` is `Authorization` or `ProxyAuthorization`.
///
/// # Errors
/// `Absent` if there is none for that realm; otherwise what is wrong with the last one that could not be read.
pub fn credentials_of<'a>(request: &Message<'a>, header: Name, realm: &str) -> Result<Credentials<'a>, Unfit> {
    let mut flaw = Unfit::Absent;
    for value in request.headers(header).take(HEADERS_MAX) {
        match Credentials::parse(value) {
            // RFC 3261 §22.3: those for other realms are others' to read.
            Ok(credentials) if credentials.realm.is(realm.as_bytes()) => return Ok(credentials),
            Ok(_) | Err(Unfit::Scheme) => {}
            Err(unfit) => flaw = unfit,
        }
    }
    Err(flaw)
}
