//! What an egress INVITE says of the caller and the destination: built from parsed fields and the trunk's policy, never copied.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use rating::Rules;
use sip::dialog::{DIALOG_BYTES_MAX, Dialog, Peer, Told};
use sip::message::MESSAGE_BYTES_MAX;
use sip::print::write_socket_addr;
use sip::{Address, Hop, Message, Name, Printer, parse};
use snapshot::policy::{ADDED_BYTES_MAX, IdentityHeader, Pass, RESERVED, RewriteField, StirSign};
use units::{Cause, Number};

use crate::call::vouch::{IDENTITY, is_identity};
use crate::call::{Call, Context};
use crate::limits::BODY_BYTES_MAX;

/// Bytes of a display name that is passed on at most; a longer one is left out.
const DISPLAY_BYTES_MAX: usize = 128;
/// Header fields of each kind that cross at most.
const CROSSING_MAX: usize = 8;
/// Header fields of the originator's that cross have so many bytes at most, names included, each one and all of them; those beyond are left out.
const CROSSING_LINE_BYTES_MAX: usize = 1_024;
const CROSSING_BYTES_MAX: usize = 16 << 10;
/// All else of a request of ours: names of headers, numbers, addresses, a proof; and what a description of ours has beyond the other side's.
const OWN_BYTES: usize = 6 << 10;
const _: () = assert!(
    // The dialog's texts come from three messages at most: the first one, and those that named the target and the routes last.
    3 * DIALOG_BYTES_MAX + CROSSING_BYTES_MAX + ADDED_BYTES_MAX + BODY_BYTES_MAX + OWN_BYTES <= MESSAGE_BYTES_MAX,
    "what we print is a message"
);
/// RFC 8496.
const CHARGE_INFO: &[u8] = b"P-Charge-Info";
/// Room for what the peer is told, and for where it is: two numbers and addresses, tags, a Call-ID; a host's name needs more.
const TOLD_BYTES: usize = 160;
const TARGET_BYTES: usize = 96;
/// Who calls when nobody may know (RFC 3323 §4.1.1.3).
const ANONYMOUS: &str = "sip:anonymous@anonymous.invalid";

/// Who calls, as the originator says and as far as its trunk is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The display name of From, without quotes.
    pub display: String,
    /// The number in P-Asserted-Identity, else P-Preferred-Identity, else Remote-Party-ID; only of a trusted originator.
    pub identity: Option<Number>,
    /// The caller asks not to be named (RFC 3323, RFC 3325 §9.3).
    pub private: bool,
    /// There are Diversion, History-Info or P-Charge-Info.
    pub history: bool,
}

impl Caller {
    /// The caller of an INVITE, if all that it says is believed.
    pub fn of(invite: &Message<'_>) -> Caller {
        let from = invite.from();
        let display = plain(from.display);
        let anonymous = from.uri().is_ok_and(|uri| uri.host.eq_ignore_ascii_case(b"anonymous.invalid"));
        let asks = |value: &[u8]| {
            let mut words = value.split(|byte| matches!(byte, b';' | b',')).map(<[u8]>::trim_ascii);
            words
                .any(|word| [b"id".as_slice(), b"user", b"header"].iter().any(|asked| word.eq_ignore_ascii_case(asked)))
        };
        let believed = [Name::PAssertedIdentity, Name::PPreferredIdentity, Name::RemotePartyId];
        let mut identities = believed.into_iter().flat_map(|name| invite.list(name));
        Caller {
            display: if display.len() > DISPLAY_BYTES_MAX { String::new() } else { display },
            identity: identities.find_map(number_in),
            private: anonymous
                || invite.headers(Name::Privacy).any(asks)
                || invite.headers(Name::RemotePartyId).any(|value| contains(value, b"privacy=full")),
            history: invite.header(Name::Diversion).is_some()
                || invite.header(Name::HistoryInfo).is_some()
                || invite.header_named(CHARGE_INFO).is_some(),
        }
    }
}

impl Call {
    /// The dialog of the next attempt, and the header lines that its INVITE carries beyond our own.
    pub(super) fn outbound(
        &self,
        ctx: &mut Context<'_>,
        egress: units::EgressTrunkId,
        hop: Hop,
        (calling, called): &(Number, Number),
    ) -> Result<(Dialog, Vec<u8>), Cause> {
        let rules = ctx.policies.egress(egress);
        let trusted = ctx.policies.ingress(self.opening.admission.ingress).policy.identity.trusted;
        let identity = self.caller.identity.filter(|_| trusted);
        let writer = Writer {
            rules,
            caller: &self.caller,
            identity,
            calling: rules.rewrite_number(RewriteField::Calling, *calling)?,
            lrn: self.opening.admission.lrn,
            own: ctx.desk.switch.listener(hop).address,
            verstat: self.verstat(rules),
        };
        let dialog = writer.dialog(ctx, hop, called)?;
        let mut lines = Vec::new();
        writer.identity(&mut lines)?;
        // Most trunks want nothing more of what the originator wrote.
        let stored = self.legs[0].invite_in.as_ref().filter(|_| writer.wants_more());
        if let Some(invite) = stored.and_then(|invite| parse::message(invite.request.text()).ok()) {
            writer.history(&invite, &mut lines)?;
            writer.crossing(&invite, &mut lines);
        }
        let mut printer = Printer::lines(&mut lines);
        for header in &rules.policy.headers.add {
            printer.line(header.name.as_str(), &[header.value.as_bytes()]);
        }
        Ok((dialog, lines))
    }
}

struct Writer<'a> {
    rules: &'a Rules,
    caller: &'a Caller,
    /// Whom the originator calls itself, if it is believed.
    identity: Option<Number>,
    calling: Number,
    lrn: Number,
    own: SocketAddr,
    /// What verification found, as a parameter of the caller's number; empty if the peer is not told.
    verstat: &'static [u8],
}

impl Writer<'_> {
    /// True if the terminator must not learn who calls.
    fn hides(&self) -> bool {
        self.caller.private && !self.rules.policy.identity.trusted
    }

    /// True if some header field of the originator's may cross.
    fn wants_more(&self) -> bool {
        self.caller.history || !self.rules.policy.headers.pass.is_empty()
    }

    /// Our own Call-ID, tag and URIs.
    fn dialog(&self, ctx: &mut Context<'_>, hop: Hop, number: &Number) -> Result<Dialog, Cause> {
        let named = self.rules.policy.host.as_bytes();
        let host = |out: &mut Vec<u8>| match named {
            [] => write_socket_addr(out, hop.remote),
            named => out.extend_from_slice(named),
        };
        let user = |field| self.rules.rewrite_number(field, *number);
        let (request_user, to_user) = (user(RewriteField::RequestUri)?, user(RewriteField::To)?);
        // Its Contact, which takes the place of the target, is hardly longer, and comes with a tag.
        let mut target = Vec::with_capacity(TARGET_BYTES + named.len());
        write_uri(&mut target, request_user.as_bytes(), &self.ported(), host);
        target.extend_from_slice(hop.transport.uri_param());
        let (call_id, tag) = (ctx.desk.random.token(b""), ctx.desk.random.tag());
        let mut dialog = Dialog::ours(TOLD_BYTES + self.caller.display.len() + named.len());
        dialog.write(Told::CallId, |out| {
            out.extend_from_slice(&call_id);
            out.extend_from_slice(&ctx.desk.switch.shard_mark);
        });
        dialog.write(Told::LocalTag, |out| out.extend_from_slice(&tag));
        self.from(&mut dialog);
        dialog.write(Told::RemoteUri, |out| write_uri(out, to_user.as_bytes(), b"", host));
        dialog.peer = Peer::at(target);
        Ok(dialog)
    }

    /// What the Request-URI says besides the number of a destination that came dipped (RFC 4694 §4), if the trunk wants it.
    fn ported(&self) -> Vec<u8> {
        if self.lrn.is_empty() || !self.rules.policy.portability.send {
            return Vec::new();
        }
        [b";npdi;rn=+", self.lrn.digits()].concat()
    }

    /// From: URI, and display name with its quotes.
    fn from(&self, dialog: &mut Dialog) {
        let (hides, calling) = (self.hides(), self.calling.as_bytes());
        dialog.write(Told::LocalUri, |out| match calling {
            _ if hides => out.extend_from_slice(ANONYMOUS.as_bytes()),
            [] => self.write_uri_of(out, b"anonymous", b""),
            calling => self.write_uri_of(out, calling, self.told_in_from()),
        });
        dialog.write(Told::LocalDisplay, |out| match calling {
            _ if hides => out.extend_from_slice(b"\"Anonymous\""),
            [] => {}
            _ => quote(&self.display(), out),
        });
    }

    fn display(&self) -> Cow<'_, str> {
        let display = self.caller.display.as_str();
        match self.rules.rewrite(RewriteField::DisplayName, display) {
            Some(changed) => Cow::Owned(changed),
            None => Cow::Borrowed(display),
        }
    }

    /// ATIS-1000074 §5.3.2: the result stands with the number that was verified: in P-Asserted-Identity if there is one, else in From.
    fn told_in_from(&self) -> &'static [u8] {
        let asserted = self.rules.policy.identity.send == IdentityHeader::Asserted;
        let other = self.identity.is_some_and(|identity| identity.digits() != self.calling.digits());
        if asserted || other { b"" } else { self.verstat }
    }

    fn uri_of(&self, user: &[u8]) -> Vec<u8> {
        let mut uri = Vec::with_capacity(user.len() + 64);
        self.write_uri_of(&mut uri, user, b"");
        uri
    }

    fn write_uri_of(&self, out: &mut Vec<u8>, user: &[u8], params: &[u8]) {
        write_uri(out, user, params, |out| write_socket_addr(out, self.own));
    }

    /// P-Asserted-Identity and its relatives, and Privacy (RFC 3325 §9).
    fn identity(&self, out: &mut Vec<u8>) -> Result<(), Cause> {
        let number = self.identity.unwrap_or(self.calling);
        let number = self.rules.rewrite_number(RewriteField::Identity, number)?;
        let send = self.rules.policy.identity.send;
        if self.hides() || number.as_bytes().is_empty() || send == IdentityHeader::None {
            return Ok(());
        }
        let (mut uri, display) = (self.uri_of(number.as_bytes()), self.display());
        let mut printer = Printer::lines(out);
        let private = self.caller.private;
        match send {
            IdentityHeader::None => {}
            IdentityHeader::Asserted => {
                uri.clear();
                self.write_uri_of(&mut uri, number.as_bytes(), self.verstat);
                printer.address(Name::PAssertedIdentity, display.as_bytes(), &uri, b"");
            }
            IdentityHeader::Preferred => {
                printer.address(Name::PPreferredIdentity, display.as_bytes(), &uri, b"");
            }
            IdentityHeader::RemoteParty => {
                let params: &[u8] = match private {
                    true => b";party=calling;screen=yes;privacy=full",
                    false => b";party=calling;screen=yes;privacy=off",
                };
                printer.address(Name::RemotePartyId, display.as_bytes(), &uri, params);
            }
        }
        if private && send != IdentityHeader::RemoteParty {
            printer.line(Name::Privacy, &[b"id"]);
        }
        Ok(())
    }

    /// Diversion, History-Info and P-Charge-Info: numbers and reasons cross, the hosts in them are ours.
    fn history(&self, invite: &Message<'_>, out: &mut Vec<u8>) -> Result<(), Cause> {
        let identity = &self.rules.policy.identity;
        if self.hides() {
            return Ok(());
        }
        if identity.diversion == Pass::Pass {
            for value in invite.list(Name::Diversion).take(CROSSING_MAX) {
                let (Some(number), Ok(address)) = (number_in(value), Address::parse(value)) else { continue };
                if !fits(out, value.len()) {
                    continue;
                }
                let number = self.rules.rewrite_number(RewriteField::Diversion, number)?;
                let params = tokens(&address, &[b"reason", b"counter", b"limit", b"privacy", b"screen"]);
                Printer::lines(out).address(Name::Diversion, b"", &self.uri_of(number.as_bytes()), &params);
            }
        }
        if identity.history_info == Pass::Pass {
            for value in invite.list(Name::HistoryInfo).take(CROSSING_MAX) {
                let (Some(number), Ok(address)) = (number_in(value), Address::parse(value)) else { continue };
                if !fits(out, value.len()) {
                    continue;
                }
                let mut uri = self.uri_of(number.as_bytes());
                let cause = address.uri().ok().and_then(|uri| uri.param(b"cause").flatten());
                if let Some(cause) = cause.filter(|cause| is_token(cause)) {
                    uri.extend_from_slice(b";cause=");
                    uri.extend_from_slice(cause);
                }
                Printer::lines(out).address(Name::HistoryInfo, b"", &uri, &tokens(&address, &[b"index", b"rc", b"mp"]));
            }
        }
        let charged = invite.header_named(CHARGE_INFO).filter(|_| identity.charge_info == Pass::Pass);
        if let Some(number) = charged.and_then(number_in) {
            Printer::lines(out).address("P-Charge-Info", b"", &self.uri_of(number.as_bytes()), b"");
        }
        Ok(())
    }

    /// The originator's other header fields that the policy lets cross.
    fn crossing(&self, invite: &Message<'_>, out: &mut Vec<u8>) {
        let headers = &self.rules.policy.headers;
        if headers.pass.is_empty() {
            return;
        }
        let lists = |list: &[String], name: &str| list.iter().any(|listed| listed.eq_ignore_ascii_case(name));
        let all = headers.pass.iter().any(|name| name == "*");
        let reserved = |name: &str| RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name));
        let mut count = 0;
        for (text, known, value) in invite.all() {
            let Ok(text) = core::str::from_utf8(text) else { continue };
            let name = match known {
                Name::Other if is_identity(text.as_bytes()) => IDENTITY,
                Name::Other => text,
                known => known.as_str(),
            };
            let crosses = (all || lists(&headers.pass, name)) && !lists(&headers.remove, name);
            let own = headers.add.iter().any(|header| header.name.eq_ignore_ascii_case(name));
            // A signed identity names the caller.
            let kept = name == IDENTITY && (self.rules.policy.stir.sign != StirSign::Off || self.hides());
            if crosses
                && !own
                && !kept
                && !reserved(name)
                && fits(out, name.len() + value.len())
                && count < 4 * CROSSING_MAX
            {
                count += 1;
                Printer::lines(out).line(name, &[value]);
            }
        }
    }
}

/// Appends `sip:user@host`, with whatever a user part cannot hold escaped (RFC 3261 §25.1); its parameters are written as they are.
pub(super) fn write_uri(out: &mut Vec<u8>, user: &[u8], params: &[u8], host: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"sip:");
    for byte in user {
        match byte {
            b'#' => out.extend_from_slice(b"%23"),
            byte => out.push(*byte),
        }
    }
    out.extend_from_slice(params);
    out.push(b'@');
    host(out);
}

/// The number in a name and address.
fn number_in(value: &[u8]) -> Option<Number> {
    Number::parse(Address::parse(value).ok()?.uri().ok()?.number()?.as_bytes()).ok()
}

/// A display name without escapes; empty if it is no text or holds a control character.
fn plain(display: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(display.len());
    let mut escaped = false;
    for byte in display {
        if *byte == b'\\' && !escaped {
            escaped = true;
        } else {
            escaped = false;
            bytes.push(*byte);
        }
    }
    String::from_utf8(bytes).ok().filter(|text| !text.chars().any(char::is_control)).unwrap_or_default()
}

/// Appends a display name between quotes, if there is one.
fn quote(display: &str, out: &mut Vec<u8>) {
    if display.is_empty() {
        return;
    }
    out.push(b'"');
    for byte in display.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

fn is_token(text: &[u8]) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(byte))
}

/// Those of an address's parameters that are named here and hold a token.
fn tokens(address: &Address<'_>, names: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for name in names {
        if let Some(value) = address.param(name).flatten().filter(|value| is_token(value)) {
            out.push(b';');
            out.extend_from_slice(name);
            out.push(b'=');
            out.extend_from_slice(value);
        }
    }
    out
}

/// True if so many bytes may cross behind these lines.
fn fits(lines: &[u8], bytes: usize) -> bool {
    bytes <= CROSSING_LINE_BYTES_MAX && lines.len() + bytes <= CROSSING_BYTES_MAX
}

/// True if a signed identity of so many bytes may stand behind these lines.
pub(super) fn carries(lines: &[u8], bytes: usize) -> bool {
    lines.len() + bytes <= CROSSING_BYTES_MAX
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|window| window.eq_ignore_ascii_case(wanted))
}
