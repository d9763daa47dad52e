//! The same description with our addresses and ports in it.

use alloc::vec::Vec;
use core::fmt::Write as _;
use core::net::IpAddr;

use crate::flaw::Flaw;
use crate::line::{Line, lines, word};
use crate::parse::{self, Session};

/// What to put in.
#[derive(Clone, Copy, Debug)]
pub struct Rewrite<'a> {
    /// Our media address; goes into `o=`, every `c=`, every `a=rtcp`.
    pub address: IpAddr,
    /// One port for each media line; 0 switches the line off. A line that is off already stays off.
    pub ports: &'a [u16],
    /// Our number of the session: the same for all descriptions that one leg is sent.
    pub session_id: u64,
    /// Rises by one with each description of the same session that differs (RFC 3264 §8).
    pub version: u64,
}

/// Appends the description with our origin, addresses and ports to `out`; all else byte for byte, line ends as CRLF.
/// Attributes that name addresses of the writer and would lead media past us are left out: ICE (RFC 8839),
/// `source-filter` (RFC 4570), `altc` (RFC 6947).
///
/// # Errors
/// What [`crate::parse()`] refuses, and a number of ports that is not the number of media lines. `out` is as before then.
pub fn rewrite(body: &[u8], rewrite: &Rewrite<'_>, out: &mut Vec<u8>) -> Result<(), Flaw> {
    let session = parse::parse(body)?;
    if session.media_count() != rewrite.ports.len() {
        return Err(Flaw::refused("number of media lines"));
    }
    let mut section = None;
    for line in lines(body) {
        let line = line?;
        if line.kind == b'm' {
            section = Some(section.map_or(0, |index| index + 1));
        }
        one(line, section, &session, rewrite, out);
    }
    Ok(())
}

fn one(line: Line<'_>, section: Option<usize>, session: &Session<'_>, rewrite: &Rewrite<'_>, out: &mut Vec<u8>) {
    match line.kind {
        b'o' => text(out, format_args!("o=- {} {} ", rewrite.session_id, rewrite.version)).connection(rewrite.address),
        b'c' => text(out, format_args!("c=")).connection(rewrite.address),
        b'm' => media_line(line.value, section.map_or(0, |index| port(index, session, rewrite)), out),
        b'a' if line.value.starts_with(b"rtcp:") => {
            let Some(index) = section else { return };
            let port = rtcp_port(index, session, rewrite);
            text(out, format_args!("a=rtcp:{port} ")).connection(rewrite.address);
        }
        b'a' if leads_past_us(line.value) => return,
        kind => {
            out.extend_from_slice(&[kind, b'=']);
            out.extend_from_slice(line.value);
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// RFC 3264 §6: what the offer switched off stays off.
fn port(index: usize, session: &Session<'_>, rewrite: &Rewrite<'_>) -> u16 {
    if session.get(index).is_some_and(|media| media.port == 0) { 0 } else { rewrite.ports[index] }
}

/// RTCP has the port above RTP's, or the same where the writer shares one port for both (RFC 5761 §5.1.1).
fn rtcp_port(index: usize, session: &Session<'_>, rewrite: &Rewrite<'_>) -> u16 {
    let rtp = port(index, session, rewrite);
    let shares = session.get(index).is_some_and(|media| media.rtcp.is_some_and(|(rtcp, _)| rtcp == media.port));
    if rtp == 0 || shares { rtp } else { rtp.saturating_add(1) }
}

fn media_line(value: &[u8], port: u16, out: &mut Vec<u8>) {
    let mut rest = value;
    let (kind, _) = (word(&mut rest), word(&mut rest));
    out.extend_from_slice(b"m=");
    out.extend_from_slice(kind);
    text(out, format_args!(" {port} "));
    out.extend_from_slice(rest);
}

fn leads_past_us(attribute: &[u8]) -> bool {
    const NAMES: [&[u8]; 12] = [
        b"candidate",
        b"remote-candidates",
        b"end-of-candidates",
        b"ice-ufrag",
        b"ice-pwd",
        b"ice-options",
        b"ice-lite",
        b"ice-mismatch",
        b"ice-pacing",
        b"ice2",
        b"source-filter",
        b"altc",
    ];
    let name = attribute.split(|byte| *byte == b':').next().unwrap_or(b"");
    NAMES.contains(&name)
}

struct Text<'o>(&'o mut Vec<u8>);

fn text<'o>(out: &'o mut Vec<u8>, arguments: core::fmt::Arguments<'_>) -> Text<'o> {
    let mut text = Text(out);
    text.write_fmt(arguments).expect("writing into a vector does not fail");
    text
}

impl Text<'_> {
    /// `IN IP4 192.0.2.1`
    fn connection(mut self, address: IpAddr) {
        let family = if address.is_ipv4() { "IP4" } else { "IP6" };
        write!(self, "IN {family} {address}").expect("writing into a vector does not fail");
    }
}

impl core::fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
