//! One side of a call: its dialog, its transactions, its media port.

pub mod early;
pub mod offering;
pub mod receive;
pub mod refresh;
pub mod refusal;
pub mod reliable;
mod remembered;
pub mod send;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use media::srtp::Secret;
use media::{Carries, Pair};
use sdp::{Direction, Profile};
use sip::client::Client;
use sip::dialog::Dialog;
use sip::invite_client::InviteClient;
use sip::invite_server::InviteServer;
use sip::message::Message;
use sip::server::Server;
use sip::{Hop, Method, Name, Scheme, Stored, Transport};
use snapshot::policy::{Reliable, SessionTimer};
use units::{Cause, Clock, Instant};

use crate::effect::{Effect, Effects};
use crate::leg::early::Early;
pub use crate::leg::offering::Offering;
use crate::leg::refresh::{Asked, Timer};
use crate::leg::reliable::{Reliably, names_tag};
use crate::random::Random;
use crate::release::Why;

/// The earliest of several moments. Asked at every step of every call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Earliest(u64);

impl Default for Earliest {
    fn default() -> Earliest {
        Earliest(u64::MAX)
    }
}

impl Earliest {
    /// One of them; `None` never comes.
    #[inline]
    pub fn note(&mut self, at: Option<Instant>) {
        self.0 = self.0.min(at.map_or(u64::MAX, Instant::micros));
    }

    /// `None` if none of them comes.
    pub fn at(self) -> Option<Instant> {
        (self.0 != u64::MAX).then_some(Instant::from_micros(self.0))
    }
}

/// One of the addresses that SIP peers know us by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// What trunks choose it by; may be empty.
    pub name: String,
    /// What it hears.
    pub transport: Transport,
    /// What stands in Via and Contact; behind NAT not the address that is bound.
    pub address: SocketAddr,
}

/// What all calls of a switch have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    /// Our addresses; a [`Hop`] names one by its place. Never empty.
    pub listeners: Vec<Listener>,
    /// The address in our SDP towards peers of IPv4.
    pub media_v4: Option<Ipv4Addr>,
    /// The address in our SDP towards peers of IPv6.
    pub media_v6: Option<Ipv6Addr>,
    /// The tail of every Call-ID that we mint: it names the shard.
    pub shard_mark: Vec<u8>,
}

impl Switch {
    /// The listener that messages of this hop pass.
    pub fn listener(&self, hop: Hop) -> &Listener {
        self.listeners.get(usize::from(hop.listener)).unwrap_or(&self.listeners[0])
    }

    /// What Via and Contact say on this hop.
    pub fn sent_by(&self, hop: Hop) -> (Transport, SocketAddr) {
        (hop.transport, self.listener(hop).address)
    }

    /// Our address in SDP towards this peer: of its family if we have one.
    pub fn media_address(&self, ipv6: bool) -> Option<IpAddr> {
        if ipv6 { self.media_v6.map(IpAddr::V6) } else { self.media_v4.map(IpAddr::V4) }
    }

    /// The way to a peer: by the listener of this name, or without a name by the first one of the transport and the address
    /// family. `None` if there is none.
    pub fn hop(&self, transport: Transport, name: &str, remote: SocketAddr) -> Option<Hop> {
        let fits = |listener: &Listener| {
            listener.transport == transport
                && listener.address.is_ipv6() == remote.is_ipv6()
                && (name.is_empty() || listener.name == name)
        };
        let place = self.listeners.iter().position(fits)?;
        Some(Hop { transport, listener: u8::try_from(place).ok()?, remote, flow: None })
    }
}

/// What a leg works with during one step.
pub struct Desk<'a> {
    /// Both clocks, read once for the step.
    pub clock: Clock,
    /// What all calls share.
    pub switch: &'a Switch,
    /// Identifiers.
    pub random: &'a mut Random,
    /// Orders to the shard.
    pub out: &'a mut Effects,
}

/// An INVITE from the peer.
#[derive(Clone, Debug)]
pub struct InviteIn {
    /// Its state.
    pub machine: InviteServer,
    /// The request as received.
    pub request: Stored,
    /// Who sent it, how.
    pub source: Hop,
    /// Our last answer.
    pub last: Vec<u8>,
    /// What it says of a session timer.
    pub asked: Asked,
    /// It carried an offer.
    pub offered: bool,
    /// Offer and answer were exchanged before the final answer: which of our descriptions the peer has.
    pub settled: Option<u64>,
    /// The peer heard a provisional response that opened an early dialog.
    pub told: bool,
    /// The peer supports RFC 3262.
    pub takes_reliable: bool,
    /// The peer requires RFC 3262.
    pub requires_reliable: bool,
    /// Our reliable responses.
    pub reliably: Reliably,
}

impl InviteIn {
    /// One that was received now, to be kept in this memory.
    fn new(invite: &Message<'_>, source: Hop, bytes: Vec<u8>) -> InviteIn {
        let requires_reliable = names_tag(invite, Name::Require, reliable::TAG);
        InviteIn {
            machine: InviteServer::new(source.is_reliable()),
            request: stored(invite, bytes),
            source,
            last: Vec::new(),
            asked: Asked::by(invite),
            offered: receive::has_sdp(invite),
            settled: None,
            told: false,
            takes_reliable: requires_reliable || names_tag(invite, Name::Supported, reliable::TAG),
            requires_reliable,
            reliably: Reliably::default(),
        }
    }

    /// The number of the request.
    pub fn number(&self) -> u32 {
        self.request.number()
    }
}

/// An INVITE to the peer.
#[derive(Clone, Debug)]
pub struct InviteOut {
    /// Its state.
    pub machine: InviteClient,
    /// The request as sent.
    pub request: Stored,
    /// Where it went.
    pub to: Hop,
    /// How often it was sent anew after a refusal.
    pub repeats: usize,
    /// Its header line that proves who we are, if it has one.
    pub proof: Vec<u8>,
    /// The ACK of its 2xx, once sent.
    pub ack: Vec<u8>,
    /// The offer in its 2xx, until it is acknowledged.
    pub asks: Vec<u8>,
    /// A CANCEL waits for the first 1xx.
    pub cancel_wanted: bool,
    /// What a CANCEL says of why.
    pub cancelled_for: Why,
    /// The CANCEL was sent.
    pub cancelled: bool,
    /// It made the dialog; otherwise it is a re-INVITE.
    pub initial: bool,
    /// It carried an offer, so that its answer is acknowledged at once.
    pub offered: bool,
    /// Offer and answer were exchanged by reliable responses before the final answer.
    pub settled: bool,
    /// The peer described its media before the final answer.
    pub described: bool,
    /// Why it was sent, if it is a re-INVITE.
    pub stands_for: StandsFor,
    /// When a re-INVITE that has no final answer is cancelled; the call's own deadlines bound the first one.
    pub cancel_at: Option<Instant>,
}

/// Why a re-INVITE was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StandsFor {
    /// It passes on a re-INVITE of the other leg.
    Invite,
    /// It passes on the UPDATE of this number of the other leg, since this peer takes none.
    Update(u32),
    /// Nothing but itself: a session timer wants it.
    Refresh,
}

/// What the policy of its trunk lets a leg do.
#[derive(Clone, Debug, Default)]
pub struct Ways {
    /// Reliable provisional responses; at an egress leg `Off` unless they are offered to this terminator.
    pub reliable: Reliable,
    /// Session timers.
    pub timer: SessionTimer,
}

/// Another request from the peer.
#[derive(Clone, Debug)]
pub struct RequestIn {
    /// Its state.
    pub machine: Server,
    /// The request as received.
    pub request: Stored,
    /// Who sent it, how.
    pub source: Hop,
    /// Its number.
    pub number: u32,
    /// Our answer.
    pub last: Vec<u8>,
}

/// Another request to the peer.
#[derive(Clone, Debug)]
pub struct RequestOut {
    /// Its state.
    pub machine: Client,
    /// The request as sent.
    pub request: Stored,
    /// Where it went.
    pub to: Hop,
    /// Its number.
    pub number: u32,
    /// The number of the request on the other leg that it passes on.
    pub passes_on: Option<u32>,
    /// It was sent anew with a proof; it is not a third time.
    pub proven: bool,
}

/// The keys of encrypted media between us and a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The number of the line that offer and answer agreed on.
    pub tag: u32,
    /// What the peer encrypts with.
    pub theirs: Secret,
    /// What we encrypt with.
    pub ours: Secret,
}

/// What a peer's description wants of media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Where to, RTP and RTCP; `None` before there was a description.
    pub to: Option<(SocketAddr, SocketAddr)>,
    /// What its datagrams are.
    pub carries: Carries,
    /// RTCP on the RTP port (RFC 5761).
    pub mux: bool,
    /// Who is to speak, seen from the peer.
    pub direction: Direction,
    /// An offer of ours awaits the peer's answer: by then it may speak whatever it said before (RFC 3264 §5.1).
    pub asked: bool,
    /// The payload types of its description as the other peer was told them, a bit each.
    pub types: u128,
    /// The payload type and the clock in Hz of the peer's telephone events.
    pub events: Option<(u8, u32)>,
    /// The profile in the peer's last offer.
    pub profile: Profile,
    /// Keys, if media is encrypted between us and the peer.
    pub keys: Option<Keys>,
}

impl Wanted {
    /// One side or both are to be silent.
    pub fn is_held(&self) -> bool {
        self.direction != Direction::SendRecv
    }

    /// The peer may speak.
    pub fn speaks(&self) -> bool {
        self.asked || matches!(self.direction, Direction::SendRecv | Direction::SendOnly)
    }

    /// The peer wants to hear.
    pub fn hears(&self) -> bool {
        matches!(self.direction, Direction::SendRecv | Direction::RecvOnly)
    }
}

/// One side of a call.
#[derive(Clone, Debug)]
pub struct Leg {
    /// What both sides remember.
    pub dialog: Dialog,
    /// The way to the peer.
    pub peer: Hop,
    /// Header lines of our first INVITE beyond those that every one has.
    pub invite_lines: Vec<u8>,
    /// Our media port towards the peer.
    pub pair: Option<Pair>,
    /// That port is of IPv6: as its peer's offer says, else as the peer is heard.
    pub media_ipv6: bool,
    /// The peer's INVITE, first or repeated.
    pub invite_in: Option<InviteIn>,
    /// Our INVITE.
    pub invite_out: Option<InviteOut>,
    /// INVITEs of ours that were answered before another was sent; their final answers may come again.
    pub past_invites: Vec<InviteOut>,
    /// The peer's other requests.
    pub requests_in: Vec<RequestIn>,
    /// Our other requests.
    pub requests_out: Vec<RequestOut>,
    /// Session id and version in the SDP that we send.
    pub sdp_session: u64,
    /// Counts the descriptions sent.
    pub sdp_version: u64,
    /// Requests go to where the peer's came from when its Contact names an address that only its own network knows.
    pub nat: bool,
    /// The way of a first INVITE that is too long for a datagram; `None` sends it as it is.
    pub when_large: Option<Hop>,
    /// The way of datagrams, while such an INVITE tries a connection.
    pub as_datagram: Option<Hop>,
    /// We said BYE, or the peer did.
    pub gone: bool,
    /// The peer said BYE.
    pub left: bool,
    /// A BYE waits for the ACK of our answer.
    pub bye_wanted: Option<Cause>,
    /// The SIP status that the other side's BYE gave as its reason: ours repeats it.
    pub bye_status: Option<u16>,
    /// What its trunk's policy allows.
    pub ways: Ways,
    /// Early dialogs of our first INVITE; none once it was answered.
    pub early: Vec<Early>,
    /// Which of them spoke last.
    pub early_at: usize,
    /// The peer takes UPDATE (RFC 3311 §4), by its last Allow.
    pub peer_updates: bool,
    /// The session timer.
    pub timer: Option<Timer>,
    /// The description that the peer was sent last.
    pub last_sdp: Vec<u8>,
    /// The peer was given an answer reliably, and another one counts: it hears of that by an offer once our 2xx has its ACK.
    pub redescribe: bool,
    /// What the peer's last description wants of media.
    pub media: Wanted,
    /// Keys of ours that the peer was offered last, by their lines' numbers.
    pub offered_keys: Vec<(u32, Secret)>,
    /// The peer knows the key that it is sent media with.
    pub seals: bool,
    /// What the description before wanted, while an offer may still be refused; no call has it for long.
    pub media_before: Option<Box<Wanted>>,
}

impl Leg {
    /// The leg that a received INVITE opens.
    pub fn ingress(desk: &mut Desk<'_>, invite: &Message<'_>, source: Hop) -> Leg {
        let tag = desk.random.tag();
        let mut leg = Leg::new(Dialog::received(invite, &tag), source, desk);
        leg.heed_allow(invite);
        leg.invite_in = Some(InviteIn::new(invite, source, desk.out.lend()));
        leg
    }

    /// A leg with nothing under way.
    pub fn new(dialog: Dialog, peer: Hop, desk: &mut Desk<'_>) -> Leg {
        Leg::bare(dialog, peer, desk.random.bits() >> 2)
    }

    /// A leg with nothing under way whose descriptions have this `session_id`.
    pub fn bare(dialog: Dialog, peer: Hop, sdp_session: u64) -> Leg {
        Leg {
            dialog,
            peer,
            invite_lines: Vec::new(),
            pair: None,
            media_ipv6: peer.remote.is_ipv6(),
            invite_in: None,
            invite_out: None,
            past_invites: Vec::new(),
            nat: false,
            when_large: None,
            as_datagram: None,
            requests_in: Vec::new(),
            requests_out: Vec::new(),
            sdp_session,
            sdp_version: 0,
            gone: false,
            left: false,
            bye_wanted: None,
            bye_status: None,
            ways: Ways::default(),
            early: Vec::new(),
            early_at: 0,
            peer_updates: false,
            timer: None,
            last_sdp: Vec::new(),
            redescribe: false,
            media: Wanted::default(),
            offered_keys: Vec::new(),
            seals: false,
            media_before: None,
        }
    }

    /// Learns from Allow whether the peer takes UPDATE; a message without Allow says nothing.
    pub fn heed_allow(&mut self, message: &Message<'_>) {
        if message.header(Name::Allow).is_some() {
            self.peer_updates = message.list(Name::Allow).any(|method| method == b"UPDATE");
        }
    }

    /// The peer is about to be sent this description: a version of its own unless it is the one of before.
    pub fn describe(&mut self, sdp: &[u8]) {
        if sdp != self.last_sdp {
            self.sdp_version += 1;
            self.last_sdp.clear();
            self.last_sdp.extend_from_slice(sdp);
        }
    }

    /// True if our INVITE offers reliable provisional responses.
    pub fn offers_reliable(&self) -> bool {
        self.ways.reliable != Reliable::Off
    }

    /// Notes when `on_time` is due, and how long transactions must be remembered that have nothing more to do. While the call goes on, its
    /// requests are forgotten in time, since there may be so many only.
    pub(crate) fn note_deadlines(&self, goes_on: bool, due: &mut Earliest, remembered: &mut Option<Instant>) {
        let mut note = |at: Option<Instant>, only_remembers: bool| match only_remembers {
            true => *remembered = (*remembered).max(at),
            false => due.note(at),
        };
        if let Some(invite) = &self.invite_in {
            note(invite.machine.deadline(), invite.machine.only_remembers());
            note(invite.reliably.deadline(), false);
        }
        if let Some(invite) = &self.invite_out {
            note(invite.machine.deadline(), invite.machine.only_remembers());
            note(invite.cancel_at, false);
        }
        for past in &self.past_invites {
            note(past.machine.deadline(), !goes_on && past.machine.only_remembers());
        }
        note(self.timer.filter(|_| !self.gone).map(|timer| timer.deadline()), false);
        for request in &self.requests_in {
            note(request.machine.deadline(), !goes_on && request.machine.only_remembers());
        }
        for request in &self.requests_out {
            note(request.machine.deadline(), !goes_on && request.machine.only_remembers());
        }
    }

    /// True when no transaction is left, so that the leg may be forgotten.
    pub fn is_quiet(&self) -> bool {
        self.invite_in.is_none()
            && self.invite_out.is_none()
            && self.past_invites.is_empty()
            && self.requests_in.is_empty()
            && self.requests_out.is_empty()
    }

    /// True while our first INVITE has no final answer.
    pub fn is_trying(&self) -> bool {
        self.invite_out.as_ref().is_some_and(|invite| invite.initial && invite.machine.is_pending())
    }

    /// Drops transactions that are over.
    pub fn sweep(&mut self, out: &mut Effects) {
        self.invite_in.take_if(|invite| invite.machine.is_over());
        self.invite_out.take_if(|invite| invite.machine.is_over());
        self.past_invites.retain(|past| !past.machine.is_over());
        self.requests_in.retain_mut(|request| {
            let over = request.machine.is_over();
            if over {
                out.take_back(core::mem::take(&mut request.last));
            }
            !over
        });
        self.requests_out.retain(|request| !request.machine.is_over());
    }

    /// The Request-URI of our INVITE as it was sent.
    pub fn first_target(&self) -> Option<Vec<u8>> {
        Some(self.invite_out.as_ref()?.request.request_uri().to_vec())
    }

    /// Where our INVITE went so far.
    pub fn tried(&self) -> impl Iterator<Item = Hop> + '_ {
        self.past_invites.iter().chain(&self.invite_out).map(|invite| invite.to)
    }

    /// The scheme of our address in Contact on the way of this transport, in an answer to a request for `asked` or in a request for it.
    /// RFC 3261 §8.1.1.8, §12.1.1: who is reached by a `sips` address is told one; without TLS there is none of ours.
    pub fn scheme(&self, transport: Transport, asked: &[u8]) -> Scheme {
        let secure = transport == Transport::Tls && (self.dialog.is_secure() || sip::uri::is_secure(asked));
        if secure { Scheme::Sips } else { Scheme::Sip }
    }

    /// True if the peer may speak from this address: it was called there or called from there, or says that it is reached there. A proxy
    /// that does not ask to stay on the way leaves a dialog to its ends (RFC 3261 §12.2, §16.6).
    pub fn is_heard_from(&self, ip: IpAddr) -> bool {
        self.peer.remote.ip() == ip || self.dialog.peer.is_at(ip) || self.early.iter().any(|early| early.peer.is_at(ip))
    }

    /// Where the peer's next request is sent.
    pub fn next_hop(&self, fallback: Hop) -> Hop {
        let hop = self.dialog.next_hop(fallback);
        let hidden = self.nat && is_private(hop.remote.ip()) && !is_private(self.peer.remote.ip());
        if hidden { self.peer } else { hop }
    }

    /// The number of a BYE of the peer that has no answer yet.
    pub fn waiting_bye(&self) -> Option<u32> {
        let waits = |request: &&RequestIn| request.machine.is_pending() && request.request.method() == Method::Bye;
        self.requests_in.iter().find(waits).map(|request| request.number)
    }

    /// True while an INVITE of either side is unanswered: another one meets 491 (RFC 3261 §14.2).
    pub fn has_open_invite(&self) -> bool {
        let received = self.invite_in.as_ref().is_some_and(|invite| invite.machine.is_pending());
        let sent = self.invite_out.as_ref().is_some_and(|invite| invite.machine.is_pending());
        received || sent
    }

    /// True once the INVITE that made the dialog was answered, and no other one waits.
    pub fn is_confirmed(&self) -> bool {
        self.dialog.stands() && self.invite_in.as_ref().is_none_or(|invite| !invite.machine.is_pending())
    }
}

/// A request that is kept in this memory.
fn stored(request: &Message<'_>, bytes: Vec<u8>) -> Stored {
    let mut stored = Stored::with(bytes);
    stored.fill(request);
    stored
}

/// True for an address that means something in its own network only (RFC 1918, 6598, 3927, 4193; loopback).
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && (64..128).contains(&v4.octets()[1]);
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

impl Desk<'_> {
    /// Orders that these bytes be sent, and leaves them in the store.
    pub fn send(&mut self, leg: u8, to: Hop, message: &[u8]) {
        let start = self.out.bytes.len();
        self.out.bytes.extend_from_slice(message);
        self.send_from(leg, to, start);
    }

    /// Orders that what stands in the store from here on be sent.
    pub fn send_from(&mut self, leg: u8, to: Hop, start: usize) {
        self.out.list.push(Effect::Send { leg, to, bytes: start..self.out.bytes.len() });
    }
}
