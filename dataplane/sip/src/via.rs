//! One element of Via: RFC 3261 §20.42, RFC 3581.

use crate::flaw::{Flaw, FlawKind};
use crate::lex;
use crate::uri;

/// One hop that a request came through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Via<'a> {
    /// `UDP`, `TCP`, `TLS`… as written.
    pub transport: &'a [u8],
    /// The host of sent-by; an IPv6 address stands without its brackets.
    pub host: &'a [u8],
    /// The port of sent-by, if one is given.
    pub port: Option<u16>,
    /// The branch, magic cookie included; empty when absent (RFC 2543 peers).
    pub branch: &'a [u8],
    /// The value of `received`, as written.
    pub received: Option<&'a [u8]>,
    /// `rport` (RFC 3581): absent, asked for, or filled in.
    pub rport: Option<Option<u16>>,
    /// The whole element as written, without the comma and the white space around it.
    pub text: &'a [u8],
}

impl<'a> Via<'a> {
    /// Reads the first element of a Via header's value.
    ///
    /// # Errors
    /// Another protocol than SIP/2.0, a host or port that is none, an empty or broken parameter, one that stands twice.
    pub fn parse(value: &'a [u8]) -> Result<Via<'a>, Flaw> {
        Via::read(value)
    }

    /// Inlined where every message is read: handing the parts over by way of memory costs as much as finding them.
    #[inline(always)]
    pub(crate) fn read(value: &'a [u8]) -> Result<Via<'a>, Flaw> {
        let value = lex::trim_start(value);
        // Only a comma makes it necessary to look where the quotes are.
        let end = if memchr::memchr(b',', value).is_some() { lex::find_bare(value, b',')? } else { value.len() };
        let text = lex::trim(&value[..end]);
        let (transport, rest) = sent_protocol(text)?;
        let semicolon = memchr::memchr(b';', rest).unwrap_or(rest.len());
        let (host, port) = uri::host_port(lex::trim(&rest[..semicolon]))?;
        let mut via = Via { transport, host, port, branch: b"", received: None, rport: None, text };
        let mut list = &rest[semicolon..];
        while let Some(param) = lex::take_param(&mut list)? {
            via.take(param)?;
        }
        Ok(via)
    }

    /// A parameter that stands twice is refused: two readers may take different ones for the transaction.
    fn take(&mut self, param: lex::Param<'a>) -> Result<(), Flaw> {
        const TWIN: Flaw = Flaw::bad(FlawKind::Twin, "parameter stands twice in Via");
        if param.name.eq_ignore_ascii_case(b"branch") {
            if !self.branch.is_empty() {
                return Err(TWIN);
            }
            self.branch = param.value.filter(|value| lex::is_plain(value)).ok_or(Flaw::header("bad branch"))?;
        } else if param.name.eq_ignore_ascii_case(b"received") {
            if self.received.is_some() {
                return Err(TWIN);
            }
            self.received = Some(param.value.unwrap_or_default());
        } else if param.name.eq_ignore_ascii_case(b"rport") {
            if self.rport.is_some() {
                return Err(TWIN);
            }
            self.rport = Some(match param.value {
                None | Some(b"") => None,
                Some(port) => Some(lex::number(port, u64::from(u16::MAX)).ok_or(Flaw::header("bad rport"))? as u16),
            });
        }
        Ok(())
    }
}

/// Takes `SIP/2.0/transport` off; white space may stand around both slashes.
fn sent_protocol(text: &[u8]) -> Result<(&[u8], &[u8]), Flaw> {
    const BAD: Flaw = Flaw::header("bad Via");
    if let Some(rest) = text.strip_prefix(b"SIP/2.0/") {
        let (transport, rest) = token(rest);
        if let ([_, ..], [b' ', rest @ ..]) = (transport, rest) {
            return Ok((transport, lex::trim_start(rest)));
        }
    }
    let (name, rest) = token(text);
    let rest = lex::trim_start(rest).strip_prefix(b"/").ok_or(BAD)?;
    let (version, rest) = token(lex::trim_start(rest));
    let rest = lex::trim_start(rest).strip_prefix(b"/").ok_or(BAD)?;
    let (transport, rest) = token(lex::trim_start(rest));
    let spaced = rest.first().is_some_and(|byte| lex::is_space(*byte));
    if name.eq_ignore_ascii_case(b"SIP") && version == b"2.0" && !transport.is_empty() && spaced {
        Ok((transport, lex::trim_start(rest)))
    } else {
        Err(BAD)
    }
}

fn token(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(lex::token_end(text, 0))
}
