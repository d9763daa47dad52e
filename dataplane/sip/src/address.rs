//! A name and address: From, To, Contact, Route and their like (RFC 3261 §20.10, §25.1).

use crate::flaw::Flaw;
use crate::lex;
use crate::uri::Uri;

/// `"Display name" <uri>;params` or `uri;params`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Address<'a> {
    /// The display name without its quotes, escapes and folds kept; empty when absent.
    pub display: &'a [u8],
    /// The URI as written, without angle brackets.
    pub uri_text: &'a [u8],
    /// The header's parameters, beginning with their semicolon, or empty.
    pub params: &'a [u8],
    tag: Option<&'a [u8]>,
}

impl<'a> Address<'a> {
    /// Reads one name and address; a comma outside quotes and brackets is taken as part of it.
    ///
    /// # Errors
    /// An open quote or bracket, an empty URI or one with white space or a control character in it, broken parameters, two tags or an impossible one.
    pub fn parse(value: &'a [u8]) -> Result<Address<'a>, Flaw> {
        Address::read(value)
    }

    /// Inlined where every message is read: handing the parts over by way of memory costs as much as finding them.
    #[inline(always)]
    pub(crate) fn read(value: &'a [u8]) -> Result<Address<'a>, Flaw> {
        let value = lex::trim(value);
        let (display, rest) = match value.first() {
            Some(b'"') => {
                let end = lex::quoted_end(value).ok_or(Flaw::header("open quote"))?;
                (&value[1..end - 1], lex::trim_start(&value[end..]))
            }
            _ => match memchr::memchr2(b'<', b';', value) {
                Some(at) if value[at] == b'<' => (unquoted(&value[..at])?, &value[at..]),
                _ => return Address::bare(value),
            },
        };
        let Some(inner) = rest.strip_prefix(b"<") else {
            return Err(Flaw::header("address without angle brackets"));
        };
        let end = memchr::memchr(b'>', inner).ok_or(Flaw::header("open angle bracket"))?;
        Address::checked(display, lex::trim(&inner[..end]), lex::trim_start(&inner[end + 1..]))
    }

    /// RFC 3261 §20: without angle brackets every parameter belongs to the header and not to the URI.
    fn bare(value: &'a [u8]) -> Result<Address<'a>, Flaw> {
        let end = memchr::memchr(b';', value).unwrap_or(value.len());
        Address::checked(b"", lex::trim(&value[..end]), &value[end..])
    }

    #[inline(always)]
    fn checked(display: &'a [u8], uri_text: &'a [u8], params: &'a [u8]) -> Result<Address<'a>, Flaw> {
        if uri_text.is_empty() || !lex::is_uri_text(uri_text) {
            return Err(Flaw::header("bad URI"));
        }
        let mut tag = None;
        let mut list = params;
        while let Some(param) = lex::take_param(&mut list)? {
            if param.name.eq_ignore_ascii_case(b"tag") {
                let value = param.value.filter(|value| lex::is_plain(value)).ok_or(Flaw::header("bad tag"))?;
                if tag.replace(value).is_some() {
                    return Err(Flaw::header("two tags"));
                }
            }
        }
        Ok(Address { display, uri_text, params, tag })
    }

    /// The parsed URI.
    ///
    /// # Errors
    /// What stands between the brackets is no URI.
    pub fn uri(&self) -> Result<Uri<'a>, Flaw> {
        Uri::parse(self.uri_text)
    }

    /// The dialog tag.
    #[must_use]
    pub fn tag(&self) -> Option<&'a [u8]> {
        self.tag
    }

    /// The value of a header parameter: `Some(None)` for a bare name.
    #[must_use]
    pub fn param(&self, name: &[u8]) -> Option<Option<&'a [u8]>> {
        lex::param(self.params, name)
    }
}

/// A display name without quotes: words parted by white space. Commas and dots in it are harmless (RFC 4475 §3.1.2.16).
fn unquoted(text: &[u8]) -> Result<&[u8], Flaw> {
    let text = lex::trim(text);
    if text.iter().any(|byte| byte.is_ascii_control() && !lex::is_space(*byte)) {
        return Err(Flaw::header("control character in display name"));
    }
    Ok(text)
}
