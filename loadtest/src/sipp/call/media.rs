//! What a call sends besides SIP: sound from a file, a capture, or digits.

use std::net::SocketAddr;
use std::rc::Rc;

use sim::message::media_address;
use uring::SocketId;

use super::Call;
use crate::clock::MS;
use crate::sipp::heard;
use crate::sipp::scenario::Media;
use crate::sipp::sound::{Packet, Sound};
use crate::sipp::world::World;

/// Nanoseconds of a packet of a digit.
const FRAME: u64 = 20 * MS;
/// Samples of 8,000 a second in one.
const SAMPLES: u32 = 160;
/// Samples of a millisecond.
const SAMPLES_A_MS: u32 = 8;
/// RFC 4733 §2.5.1.4: the end of an event is told three times.
const ENDS: usize = 3;
/// Packets of one digit before its end: 160 ms.
const DIGIT_PACKETS: usize = 8;
/// Packets of silence between two digits.
const GAP_PACKETS: usize = 5;
/// Ports of media that are tried.
const PORTS_TRIED_MAX: u16 = 2_000;

enum Source {
    Raw { bytes: Rc<[u8]>, at: usize, size: usize, ms: u8, times: i32 },
    Capture { packets: Rc<[Packet]>, next: usize, began: u64 },
    Digits { digits: Vec<u8>, at: usize, packet: usize },
}

struct Playing {
    source: Source,
    due: u64,
    payload: u8,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
}

/// The media of a call.
#[derive(Default)]
pub struct Sounding {
    own: Option<(SocketId, u16)>,
    to: Option<SocketAddr>,
    /// The payload type that the other side wants digits in.
    events: Option<u8>,
    playing: Option<Playing>,
    still: bool,
}

impl Sounding {
    /// The call's own port.
    pub fn port(&self) -> Option<u16> {
        self.own.map(|(_, port)| port)
    }

    /// When its next packet is due.
    pub fn due(&self) -> Option<u64> {
        self.playing.as_ref().filter(|_| !self.still).map(|playing| playing.due)
    }
}

impl Call {
    /// The call's own port, opened when it is asked for first; 0 if none is free.
    pub(super) fn own_port(&mut self, world: &mut World) -> u16 {
        if let Some(port) = self.sounding.port() {
            return port;
        }
        let (low, high) = world.options.media_ports;
        let (low, high) = (low.max(1_024), if high == 0 { u16::MAX - 1 } else { high });
        for _ in 0..PORTS_TRIED_MAX {
            // RFC 3550 §11: RTP has the even one.
            let port = (world.media_next.max(low) + 1) & !1;
            world.media_next = if port >= high.saturating_sub(1) { low } else { port + 2 };
            if let Ok(own) = world.wire.open_media(SocketAddr::new(world.media_ip, port)) {
                self.sounding.own = Some(own);
                return own.1;
            }
        }
        0
    }

    /// Where the other side wants media, from a message with SDP.
    pub(super) fn learn_media(&mut self, text: &str) {
        let body = heard::body(text);
        if let Some(to) = media_address(body).filter(|to| to.port() > 0) {
            self.sounding.to = Some(to);
            let events = body.lines().find_map(|line| line.strip_prefix("a=rtpmap:")?.split_once(" telephone-event"));
            self.sounding.events = events.and_then(|(number, _)| number.parse().ok());
        }
    }

    /// Begins, pauses or ends what is played.
    pub(super) fn play(&mut self, media: &Media, world: &mut World) {
        let now = world.clock.now();
        let sounding = &mut self.sounding;
        let (source, payload) = match media {
            Media::Pause => return sounding.still = true,
            Media::Resume => {
                sounding.still = false;
                if let Some(playing) = &mut sounding.playing {
                    playing.due = now;
                }
                return;
            }
            Media::Stop => return sounding.playing = None,
            Media::Play { file, times, payload, bytes: size, ms } => match world.sounds.get(file) {
                Some(Sound::Raw(bytes)) => {
                    (Source::Raw { bytes: bytes.clone(), at: 0, size: *size, ms: *ms, times: *times }, *payload)
                }
                Some(Sound::Packets(_)) | None => return,
            },
            Media::Capture(file) => match world.sounds.get(file) {
                Some(Sound::Packets(packets)) => (Source::Capture { packets: packets.clone(), next: 0, began: now }, 0),
                Some(Sound::Raw(_)) | None => return,
            },
            Media::Digits(digits) => (
                Source::Digits { digits: digits.clone().into_bytes(), at: 0, packet: 0 },
                sounding.events.unwrap_or(101),
            ),
        };
        // One stream goes on where the last one ended.
        let (sequence, timestamp, ssrc) = match &sounding.playing {
            Some(before) => (before.sequence, before.timestamp, before.ssrc),
            None => (1, 0, self.birth.number as u32 ^ 0xCA11_0000),
        };
        sounding.still = false;
        sounding.playing = Some(Playing { source, due: now, payload, sequence, timestamp, ssrc });
    }

    /// Sends the packets that are due.
    pub(super) fn sound(&mut self, world: &mut World, now: u64) {
        let Some(to) = self.sounding.to else { return };
        let Some(socket) = self.sounding.own.map(|(id, _)| id).or(world.media) else { return };
        let sounding = &mut self.sounding;
        let mut packet = Vec::with_capacity(200);
        while let Some(playing) = sounding.playing.as_mut().filter(|playing| playing.due <= now) {
            packet.clear();
            if !playing.write(&mut packet) {
                sounding.playing = None;
                break;
            }
            if !packet.is_empty() && world.wire.send_media(socket, to, &packet) {
                world.packets_sent += 1;
            }
        }
    }

    /// Ends all media.
    pub(super) fn silence(&mut self, world: &mut World) {
        self.sounding.playing = None;
        if let Some((id, _)) = self.sounding.own.take() {
            world.wire.close_media(id);
        }
    }
}

impl Playing {
    /// Writes the packet that is due, if there is one now, and plans the next; false when all is played.
    fn write(&mut self, out: &mut Vec<u8>) -> bool {
        let mut lasts = FRAME;
        match &mut self.source {
            Source::Raw { bytes, at, size, ms, times } => {
                let frame = &bytes[*at..(*at + *size).min(bytes.len())];
                if frame.is_empty() || *times == 0 {
                    return false;
                }
                head(out, self.payload, self.sequence, self.timestamp, self.ssrc);
                out.extend_from_slice(frame);
                *at += *size;
                if *at >= bytes.len() {
                    *at = 0;
                    *times -= i32::from(*times > 0);
                }
                self.timestamp = self.timestamp.wrapping_add(u32::from(*ms) * SAMPLES_A_MS);
                lasts = u64::from(*ms) * MS;
            }
            Source::Capture { packets, next, began } => {
                let Some(packet) = packets.get(*next) else { return false };
                out.extend_from_slice(&packet.bytes);
                *next += 1;
                let after = packets.get(*next).map_or(packet.at, |after| after.at);
                self.due = *began + after;
                return true;
            }
            Source::Digits { digits, at, packet } => {
                let Some(digit) = digits.get(*at) else { return false };
                let told = DIGIT_PACKETS + ENDS;
                if *packet < told {
                    let first = u8::from(*packet == 0) << 7;
                    head(out, self.payload | first, self.sequence, self.timestamp, self.ssrc);
                    let length = ((*packet + 1).min(DIGIT_PACKETS) as u16) * SAMPLES as u16;
                    let end = if *packet >= DIGIT_PACKETS { 0x80 } else { 0 };
                    // RFC 4733 §2.3: event, end and volume, duration.
                    out.extend([event(*digit), end | 10]);
                    out.extend(length.to_be_bytes());
                }
                *packet += 1;
                if *packet == told + GAP_PACKETS {
                    (*at, *packet) = (*at + 1, 0);
                    self.timestamp = self.timestamp.wrapping_add(SAMPLES * (told + GAP_PACKETS) as u32);
                }
            }
        }
        if !out.is_empty() {
            self.sequence = self.sequence.wrapping_add(1);
        }
        self.due += lasts;
        true
    }
}

/// RFC 4733 §3.2: 0 to 9, `*` 10, `#` 11, A to D 12 to 15.
fn event(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'*' => 10,
        b'#' => 11,
        letter => letter.saturating_sub(b'A').min(3) + 12,
    }
}

/// RFC 3550 §5.1: the twelve bytes before the payload.
fn head(out: &mut Vec<u8>, payload: u8, sequence: u16, timestamp: u32, ssrc: u32) {
    out.extend([0x80, payload]);
    out.extend(sequence.to_be_bytes());
    out.extend(timestamp.to_be_bytes());
    out.extend(ssrc.to_be_bytes());
}
