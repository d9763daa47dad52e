//! What we offer, and what stands against a request that wants more (RFC 3261 §8.2.1 to §8.2.3).

use call::limits::BODY_BYTES_MAX;
use sip::multipart::{self, Disposition};
use sip::{Address, Message, Method, Name, Printer, Transport};

/// The methods that we take, in and outside of dialogs.
pub const ALLOW: &[u8] = b"INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK";
/// The extensions that a request may require: a tag stands here once the engine does what it promises.
pub const SUPPORTED: &[&[u8]] = &[b"100rel", b"timer"];
/// The bodies that we read.
pub const ACCEPT: &[u8] = b"application/sdp, multipart/mixed";

/// What stands against the method, whatever else the request says.
pub fn method_objection(method: Method) -> Option<u16> {
    match method {
        Method::Other => Some(501),
        Method::Message | Method::Subscribe | Method::Publish | Method::Notify => Some(405),
        // A switch that lets itself be referred pays for calls that nobody may bill.
        Method::Refer => Some(403),
        Method::Invite | Method::Ack | Method::Bye | Method::Cancel | Method::Options | Method::Register => None,
        Method::Prack | Method::Update | Method::Info => None,
    }
}

/// True for a request for a `sips` address that did not come over TLS. RFC 3261 §26.2.2, §8.2.2.1: there it is a scheme that we do not
/// take, and 416 says so.
pub fn is_exposed(request: &Message<'_>, transport: Transport) -> bool {
    transport != Transport::Tls && request.request_uri().is_some_and(sip::uri::is_secure)
}

/// What stands against the rest of the request.
pub fn objection(request: &Message<'_>, transport: Transport) -> Option<u16> {
    match request.method() {
        // RFC 3261 §8.2.2.3: Require in CANCEL and ACK is not looked at; who wants to end a call may do so in any words.
        Method::Ack | Method::Cancel | Method::Bye => None,
        _ if is_exposed(request, transport) => Some(416),
        _ if unsupported(request).next().is_some() => Some(420),
        Method::Invite | Method::Update => contact_objection(request).or_else(|| content_objection(request)),
        // RFC 6086 §4.2.2: we say that we take none of its packages.
        Method::Info if request.header_named(b"Info-Package").is_some() => Some(469),
        // Its body crosses, and nothing that says how it is packed.
        Method::Info if !request.body().is_empty() && is_encoded(request) => Some(415),
        _ => None,
    }
}

/// RFC 3261 §8.1.1.8: one place where the peer is reached, and no wildcard. Peers of RFC 2543 may leave it away.
fn contact_objection(request: &Message<'_>) -> Option<u16> {
    let mut contacts =
        request.list(Name::Contact).map(|value| Address::parse(value).ok().and_then(|one| one.uri().ok()));
    match (contacts.next(), contacts.next()) {
        (None, _) | (Some(Some(_)), None) => None,
        _ => Some(400),
    }
}

fn content_objection(request: &Message<'_>) -> Option<u16> {
    let takes_sdp = |range: &[u8]| {
        let end = range.iter().position(|byte| *byte == b';').unwrap_or(range.len());
        let range = range[..end].trim_ascii();
        [&b"application/sdp"[..], b"application/*", b"*/*"].iter().any(|ours| range.eq_ignore_ascii_case(ours))
    };
    if request.header(Name::Accept).is_some() && !request.list(Name::Accept).any(takes_sdp) {
        return Some(406);
    }
    if request.body().len() > BODY_BYTES_MAX {
        return Some(413);
    }
    let disposition = Disposition::of(request.header(Name::ContentDisposition));
    // RFC 3261 §20.11: a body that is optional may be ignored.
    if request.body().is_empty() || disposition.is_required == Some(false) {
        return None;
    }
    let readable = (request.is_content_type(b"application/sdp") && disposition.is_main)
        || multipart::sdp(request.content_type().unwrap_or(b""), request.body()).is_ok_and(|part| part.is_some());
    (is_encoded(request) || !readable).then_some(415)
}

fn is_encoded(request: &Message<'_>) -> bool {
    request.list(Name::ContentEncoding).any(|coding| !coding.eq_ignore_ascii_case(b"identity"))
}

/// The extensions that a request requires and that we do not have (RFC 3261 §8.2.2.3).
fn unsupported<'a>(request: &Message<'a>) -> impl Iterator<Item = &'a [u8]> {
    let required = request.list(Name::Require).chain(request.list(Name::ProxyRequire));
    required.filter(|tag| !SUPPORTED.iter().any(|ours| ours.eq_ignore_ascii_case(tag)))
}

/// The headers that an answer with this status owes its reader.
pub fn explain(printer: &mut Printer<'_>, request: &Message<'_>, status: u16, retry_after_s: u64) {
    match status {
        200 => {
            // RFC 3261 §11.2.
            printer.line(Name::Allow, &[ALLOW]).line(Name::Accept, &[ACCEPT]);
            printer.line("Accept-Encoding", &[b"identity"]).line("Accept-Language", &[b"en"]);
            for tag in SUPPORTED {
                printer.line(Name::Supported, &[tag]);
            }
        }
        405 => {
            printer.line(Name::Allow, &[ALLOW]);
        }
        415 => {
            printer.line(Name::Accept, &[ACCEPT]).line("Accept-Encoding", &[b"identity"]);
        }
        420 => {
            for tag in unsupported(request) {
                printer.line(Name::Unsupported, &[tag]);
            }
        }
        469 => {
            printer.line("Recv-Info", &[b"nil"]);
        }
        503 => {
            printer.number(Name::RetryAfter, retry_after_s);
        }
        _ => {}
    }
}
