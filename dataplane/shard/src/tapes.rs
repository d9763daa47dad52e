//! Which calls are captured or recorded, and the notes about captured ones.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use call::{Call, Summary};
use hashbrown::HashMap;
use media::Stay;
use sip::{Hop, Transport};
use snapshot::policy::{Capture, Captured, Recording};
use tape::{Note, Over, Sinks, What};
use units::{CallId, Clock, IngressTrunkId, Number, PlanId, WallTime};

use crate::table::{CallRef, Entry};
use crate::{Effect, Effects, Forward, Loaded, Shard};

/// Media ports whose packets are noted: RTP and RTCP ports, each with its call and leg.
pub(crate) type Ports = HashMap<u16, (CallRef, u8)>;

impl Shard {
    /// Captures a running call from here on, by an operator's wish; what is still known of its messages goes first. False if this
    /// shard does not have it.
    pub fn on_capture(&mut self, call: CallId, what: Captured, out: &mut Effects) -> bool {
        let wanted = |entry: &Entry| entry.call.id() == call && !entry.call.is_over();
        let Some(at) = self.table.iter().find(|(_, entry)| wanted(entry)).map(|(at, _)| at) else { return false };
        self.deepen_tape(at, what, out);
        self.move_media(out);
        true
    }

    /// The ingress trunk and its plan choose.
    pub(crate) fn begin_tape(&mut self, at: CallRef, loaded: &Loaded, (ingress, plan): (IngressTrunkId, PlanId)) {
        let Some(entry) = self.table.get_mut(at) else { return };
        let rules = [loaded.policies.ingress(ingress), loaded.policies.plan(plan)];
        let [by_trunk, by_plan] = rules.map(|rules| captured(&rules.policy.capture, &entry.call));
        entry.tape = deeper(by_trunk, by_plan);
        entry.collected = self.collects;
        if rules.iter().any(|rules| is_recorded(&rules.policy.recording, &entry.call)) {
            self.begin_recording(at);
        }
    }

    /// The egress trunk of the attempt that begins chooses too.
    pub(crate) fn tape_attempt(&mut self, clock: Clock, at: CallRef, out: &mut Effects) {
        let (Some(loaded), Some(entry)) = (&self.loaded, self.table.get(at)) else { return };
        let Summary { egress_trunk, .. } = entry.call.summary(clock);
        let policy = &loaded.policies.egress(egress_trunk).policy;
        let (wanted, recorded) = (captured(&policy.capture, &entry.call), is_recorded(&policy.recording, &entry.call));
        self.deepen_tape(at, wanted, out);
        if recorded {
            self.begin_recording(at);
        }
    }

    /// From here on at least this much is noted. What the ladder has goes first, where nothing was.
    fn deepen_tape(&mut self, at: CallRef, what: Captured, out: &mut Effects) {
        let Some(entry) = self.table.get_mut(at) else { return };
        let before = entry.tape;
        entry.tape = deeper(before, what);
        if entry.tape == before {
            return;
        }
        if before == Captured::Off
            && let Some(ladder) = &entry.ladder
        {
            for (message, hop) in ladder.messages() {
                let (call, side) = (entry.call.id(), (message.leg, message.inbound));
                tape_sip(call, Sinks::CAPTURE, message.at, side, hop, message.bytes, out);
            }
        }
        let ports: Vec<u16> = entry.call.pairs().flat_map(|(_, pair)| [pair.rtp_port, pair.rtp_port + 1]).collect();
        ports.into_iter().for_each(|port| self.tape_port(at, port));
    }

    /// A port of a call was opened: its packets are noted if the call is captured so deep, and must come by us.
    pub(crate) fn tape_port(&mut self, at: CallRef, port: u16) {
        let Some(entry) = self.table.get(at).filter(|entry| is_media(entry.tape)) else { return };
        if let Some((leg, pair)) = entry.call.pairs().find(|(_, pair)| pair.rtp_port == port & !1) {
            self.taped.insert(port, (at, leg));
            self.relay.stay(pair.id, Stay::Capture, true);
        }
    }

    /// From here on the messages of all calls that begin are noted for a collector, and RTCP and reports of their media.
    pub fn use_collector(&mut self) {
        self.collects = true;
    }

    /// True if packets of some media port are noted, so that [`Shard::tape_heard`] and [`Shard::tape_said`] must be told of each.
    pub fn is_taping(&self) -> bool {
        self.collects || !self.taped.is_empty()
    }

    /// A datagram came to a media port: it is noted if its call is captured so deep.
    pub fn tape_heard(&self, clock: Clock, (port, from): (u16, SocketAddr), bytes: &[u8], out: &mut Effects) {
        self.tape_media(clock, (port, from), true, bytes, out);
    }

    /// A datagram goes on from a media port, its bytes at the beginning of these: it is noted if its call is captured so deep.
    pub fn tape_said(&self, clock: Clock, forward: &Forward, bytes: &[u8], out: &mut Effects) {
        let sent = forward.instead.as_ref().map_or(&bytes[..forward.length.min(bytes.len())], |bytes| &bytes[..]);
        self.tape_media(clock, (forward.port, forward.to), false, sent, out);
    }

    fn tape_media(
        &self,
        clock: Clock,
        (port, peer): (u16, SocketAddr),
        inbound: bool,
        bytes: &[u8],
        out: &mut Effects,
    ) {
        let collected = self.collects && is_rtcp(bytes);
        let known = self.taped.get(&port).map(|(at, _)| at);
        let Some(at) = known.or(self.ports.get(&port).filter(|_| collected)) else { return };
        let Some(entry) = self.table.get(*at) else { return };
        let captured = if is_media(entry.tape) { Sinks::CAPTURE } else { Sinks::default() };
        let sinks = captured.and(if collected && entry.collected { Sinks::COLLECTOR } else { Sinks::default() });
        let Some((leg, _)) = entry.call.pairs().find(|(_, pair)| pair.rtp_port == port & !1) else { return };
        if sinks.is_empty() {
            return;
        }
        let length = bytes.len() as u32;
        let note =
            Note { what: What::Media, sinks, leg, inbound, port, peer, length, ..blank(entry.call.id(), clock.wall) };
        put(&note, if entry.tape == Captured::Full { bytes } else { headers(bytes) }, out);
    }
}

impl Entry {
    /// Keeps a message, whose last so many bytes are its body, for the ladder and for the tape, if the call is among the chosen.
    pub(crate) fn note(
        &mut self,
        at: WallTime,
        side: (u8, bool),
        hop: Hop,
        (bytes, body): (&[u8], usize),
        out: &mut Effects,
    ) {
        if let Some(ladder) = &mut self.ladder {
            ladder.note(at, side, hop, (bytes, body));
        }
        let sinks = self.sinks();
        if !sinks.is_empty() {
            tape_sip(self.call.id(), sinks, at, side, hop, bytes, out);
        }
    }

    fn sinks(&self) -> Sinks {
        let captured = if self.tape == Captured::Off { Sinks::default() } else { Sinks::CAPTURE };
        captured.and(if self.collected { Sinks::COLLECTOR } else { Sinks::default() })
    }

    /// Nothing more of this call is noted.
    pub(crate) fn end_tape(&mut self, at: WallTime, out: &mut Effects) {
        if core::mem::take(&mut self.collected) {
            self.report(at, out);
        }
        let taped = if core::mem::take(&mut self.tape) == Captured::Off { Sinks::default() } else { Sinks::CAPTURE };
        let recorded = core::mem::take(&mut self.recording).is_begun();
        let sinks = taped.and(if recorded { Sinks::RECORDING } else { Sinks::default() });
        if !sinks.is_empty() {
            put(&Note { what: What::End, sinks, ..blank(self.call.id(), at) }, b"", out);
        }
    }

    /// How the media of both sides was.
    fn report(&self, at: WallTime, out: &mut Effects) {
        for (party, (leg, quality)) in self.call.measured().into_iter().enumerate() {
            let Some(peer) = self.call.peer(leg).filter(|_| quality.packets > 0) else { continue };
            let dialog = self.call.dialog(leg).map_or(&b""[..], |dialog| dialog.call_id());
            // The names and units are those of reports that Homer takes: moments in seconds, jitter in milliseconds.
            let text = format!(
                "{{\"CORRELATION_ID\":\"{}\",\"RTP_SIP_CALL_ID\":\"{}\",\"TYPE\":\"HANGUP\",\"PARTY\":{party},\"DIR\":{party},\
                 \"REPORT_NAME\":\"{}\",\"REPORT_TS\":{}.{:06},\"TL_BYTE\":{},\"TOTAL_PK\":{},\"EXPECTED_PK\":{},\
                 \"PACKET_LOSS\":{},\"OUT_ORDER\":{},\"DUPLICATES\":{},\"JITTER\":{jitter},\"MEAN_JITTER\":{jitter},\
                 \"MOS\":{mos},\"MEAN_MOS\":{mos},\"RTT\":{}.{:03}}}",
                self.call.id(),
                plain(dialog),
                if party == 0 { "originator" } else { "terminator" },
                at.micros() / 1_000_000,
                at.micros() % 1_000_000,
                quality.bytes,
                quality.packets,
                quality.packets + u64::from(quality.lost),
                quality.lost,
                quality.reordered,
                quality.duplicates,
                quality.rtt_us / 1_000,
                quality.rtt_us % 1_000,
                jitter = format_args!("{}.{:03}", quality.jitter_us / 1_000, quality.jitter_us % 1_000),
                mos = format_args!("{}.{:02}", quality.mos_x100 / 100, quality.mos_x100 % 100),
            );
            let (what, sinks, length) = (What::Report, Sinks::COLLECTOR, text.len() as u32);
            let (listener, peer) = (peer.listener, peer.remote);
            let note = Note { what, sinks, leg, listener, peer, length, ..blank(self.call.id(), at) };
            put(&note, text.as_bytes(), out);
        }
    }
}

/// A Call-ID as it may stand between quotes in JSON; without what would need an escape there.
fn plain(call_id: &[u8]) -> String {
    let plain = |byte: &&u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    call_id.iter().filter(plain).map(|byte| char::from(*byte)).collect()
}

/// A note about nothing yet.
pub(crate) fn blank(call: CallId, at: WallTime) -> Note {
    Note {
        what: What::End,
        sinks: Sinks::default(),
        call,
        leg: 0,
        inbound: true,
        over: Over::Udp,
        listener: 0,
        port: 0,
        at,
        peer: SocketAddr::new(core::net::Ipv4Addr::UNSPECIFIED.into(), 0),
        length: 0,
    }
}

fn tape_sip(
    call: CallId,
    sinks: Sinks,
    at: WallTime,
    (leg, inbound): (u8, bool),
    hop: Hop,
    bytes: &[u8],
    out: &mut Effects,
) {
    let over = match hop.transport {
        Transport::Udp => Over::Udp,
        Transport::Tcp => Over::Tcp,
        Transport::Tls => Over::Tls,
    };
    let (listener, peer, length) = (hop.listener, hop.remote, bytes.len() as u32);
    put(&Note { what: What::Sip, sinks, leg, inbound, over, listener, peer, length, ..blank(call, at) }, bytes, out);
}

fn put(note: &Note, carried: &[u8], out: &mut Effects) {
    let bytes = out.append(|bytes| note.encode(carried, bytes));
    if note.what == What::Sip {
        // Who may see a message may not hear the call by it.
        sdp::mask_keys(&mut out.bytes[bytes.clone()]);
    }
    out.list.push(Effect::Tape { bytes, last: note.what == What::End });
}

/// What this wish means for this call.
fn captured(capture: &Capture, call: &Call) -> Captured {
    let percent = if capture.percent == 0 { 100 } else { capture.percent };
    let wished = capture.what != Captured::Off && is_chosen(percent, (&capture.called, &capture.calling), call);
    if wished { capture.what } else { Captured::Off }
}

fn is_recorded(recording: &Recording, call: &Call) -> bool {
    recording.percent > 0 && is_chosen(recording.percent, (&recording.called, &recording.calling), call)
}

/// Calls are sampled evenly, and all wishes of one share sample the same calls.
fn is_chosen(percent: u8, (to, from): (&[String], &[String]), call: &Call) -> bool {
    // Fibonacci hashing: multiples of the golden ratio spread evenly over the whole range.
    let place = call.id().sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let (calling, called) = call.numbers();
    let begins = |number: &Number, list: &[String]| {
        list.is_empty() || list.iter().any(|beginning| number.digits().starts_with(beginning.as_bytes()))
    };
    place % 100 < u64::from(percent) && begins(called, to) && begins(calling, from)
}

fn deeper(one: Captured, other: Captured) -> Captured {
    if one as u8 >= other as u8 { one } else { other }
}

/// RFC 5761 §4: what shares a port with RTP is told apart by its second byte.
fn is_rtcp(bytes: &[u8]) -> bool {
    bytes.len() >= 8 && bytes[0] >> 6 == 2 && (192..=223).contains(&bytes[1])
}

fn is_media(tape: Captured) -> bool {
    matches!(tape, Captured::RtpHeaders | Captured::Full)
}

/// The headers of an RTP packet (RFC 3550 §5.1); all of RTCP (§6); of anything else as much as RTP's fixed header.
fn headers(bytes: &[u8]) -> &[u8] {
    let length = match bytes {
        _ if is_rtcp(bytes) => bytes.len(),
        [first, ..] if first >> 6 == 2 => {
            let fixed = 12 + 4 * usize::from(first & 0x0f);
            let words = bytes.get(fixed + 2..fixed + 4).filter(|_| first & 0x10 != 0);
            fixed + words.map_or(0, |words| 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]])))
        }
        _ => 12,
    };
    &bytes[..length.min(bytes.len())]
}
