//! The table of streams: a port's number leads to its stream by subtraction, and a packet's way out is two look-ups.

mod lift;

pub use lift::Change;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec;
use core::net::SocketAddr;

use units::Instant;

use crate::crypt::Seal;
use crate::digits::{Digit, EventPacket};
use crate::format::{Format, Formats};
use crate::kernel::Path;
use crate::latch::Speaker;
use crate::ports::Ports;
use crate::quality::Quality;
use crate::rtp::{self, Header, Packet};
use crate::said::Said;
use crate::srtp::{Refused, Secret};
use crate::stay::{Stay, Stays};
use crate::stream::{Carries, Stream};

/// A leg's media, told apart from earlier users of the same ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamId {
    pair: u16,
    generation: u32,
}

/// Two local ports of one leg: RTP here, RTCP on the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Names the stream in every later question.
    pub id: StreamId,
    /// The even port; RTCP is one above.
    pub rtp_port: u16,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send the same bytes from `port` to `to`.
    Forward {
        /// The local port to send from.
        port: u16,
        /// Where to.
        to: SocketAddr,
    },
    /// Send these bytes instead, from `port` to `to`: a digit in place of voice.
    Say {
        /// The local port to send from.
        port: u16,
        /// Where to.
        to: SocketAddr,
        /// An RTP packet with an event (RFC 4733).
        bytes: [u8; 16],
    },
    /// Send the first `length` bytes of the room that the packet came in, from `port` to `to`: it was opened or sealed there.
    Changed {
        /// The local port to send from.
        port: u16,
        /// Where to.
        to: SocketAddr,
        /// Its bytes.
        length: usize,
    },
    /// Forget it.
    Drop(Dropped),
}

/// Why a packet goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Dropped {
    /// No call has this port.
    Closed = 0,
    /// Neither RTP nor RTCP.
    Foreign = 1,
    /// Not from the peer.
    Stranger = 2,
    /// The other leg is not there, has no address to send to, or must not hear it.
    Nowhere = 3,
    /// An event that the other leg hears of by a message.
    Told = 4,
    /// Encrypted with another key than the peer's, or changed on its way.
    Forged = 5,
    /// Encrypted, with a number that came before; or its key may not be used any more.
    Replayed = 6,
    /// RTP of a payload type that neither peer described.
    Undescribed = 7,
}

impl From<Refused> for Dropped {
    fn from(refused: Refused) -> Dropped {
        match refused {
            Refused::Forged => Dropped::Forged,
            Refused::Replayed | Refused::Exhausted => Dropped::Replayed,
        }
    }
}

/// Memory that the table has for each pair of ports, whether a call has it or not.
pub const PAIR_BYTES: usize = size_of::<Option<Stream>>();

/// The payload type 13.
const COMFORT_NOISE: u128 = 1 << 13;
/// Digits that were heard and that nobody asked for yet; more are forgotten.
const DIGITS_MAX: usize = 64;

/// Where a packet goes.
struct Way {
    port: u16,
    to: SocketAddr,
    /// What takes its place.
    said: Option<EventPacket>,
    /// The pair that it leaves from, if it must be sealed there.
    seals: Option<u16>,
}

/// All media streams of one shard.
#[derive(Debug)]
pub struct Relay {
    port_low: u16,
    streams: Box<[Option<Stream>]>,
    ports: Ports,
    ports_used: u32,
    generation: u32,
    dropped: [u64; 8],
    digits: VecDeque<(u16, Digit)>,
    /// What was said last where it is recorded.
    said: Said,
    /// The kernel may relay.
    kernel: bool,
    changes: VecDeque<Change>,
    between_families: u64,
}

impl Relay {
    /// True for a port of our range, open or not.
    pub fn owns(&self, port: u16) -> bool {
        port.checked_sub(self.port_low).is_some_and(|above| u32::from(above) < self.ports_max())
    }

    /// A relay for the ports `port_low` (even) to `port_high` (included; an odd last port completes its pair). The seed decides
    /// the order in which pairs are given out.
    pub fn new(port_low: u16, port_high: u16, seed: u64) -> Relay {
        assert!(port_low.is_multiple_of(2), "RTP ports are even (RFC 3550 §11)");
        let pairs = ((u32::from(port_high) + 1).saturating_sub(u32::from(port_low)) / 2) as u16;
        let digits = VecDeque::with_capacity(DIGITS_MAX);
        let streams = vec![None; usize::from(pairs)].into_boxed_slice();
        Relay {
            port_low,
            streams,
            ports: Ports::new(pairs, seed),
            ports_used: 0,
            generation: 0,
            dropped: [0; 8],
            digits,
            said: Said::default(),
            kernel: false,
            changes: VecDeque::new(),
            between_families: 0,
        }
    }

    /// Says which life of the program this is, from 1, before the first stream opens: pairs that an earlier life may have used a moment
    /// ago are left alone for [`crate::QUARANTINE_MS`].
    pub fn begin_life(&mut self, boot: u32) {
        self.ports.begin_life(boot);
    }

    /// Takes a random free pair, else the one that has rested longest after use; none when all are in use or closed within
    /// [`crate::REST_MIN_MS`].
    pub fn open(&mut self, now: Instant) -> Option<Pair> {
        let pair = self.ports.take(now)?;
        self.generation = self.generation.wrapping_add(1);
        self.streams[usize::from(pair)] = Some(Stream::new(self.generation));
        self.ports_used += 2;
        Some(Pair { id: StreamId { pair, generation: self.generation }, rtp_port: self.port_low + 2 * pair })
    }

    /// A port that another socket of ours has: its pair is never given out. Nothing if it lies outside the range.
    pub fn exclude(&mut self, port: u16) {
        if let Some(pair) = self.pair_of(port) {
            self.ports.exclude(pair);
        }
    }

    /// A port could not be opened: once its stream is closed, its pair is left alone for a minute.
    pub fn avoid(&mut self, port: u16) {
        let pair = self.pair_of(port).map(usize::from);
        if let Some(stream) = pair.and_then(|pair| self.streams[pair].as_mut()) {
            stream.avoid = true;
        }
    }

    fn pair_of(&self, port: u16) -> Option<u16> {
        let pair = port.checked_sub(self.port_low)? / 2;
        (usize::from(pair) < self.streams.len()).then_some(pair)
    }

    /// What either hears leaves from the other's ports to the other's peer.
    pub fn join(&mut self, a: StreamId, b: StreamId) {
        if self.stream(a).is_none() || self.stream(b).is_none() {
            return;
        }
        for (from, to) in [(a, b), (b, a)] {
            if let Some(stream) = self.stream_mut(from) {
                stream.joined = Some(to.pair);
            }
        }
        self.touch(a.pair);
    }

    /// What this stream hears goes nowhere while it is hushed; it is measured all the same.
    pub fn hush(&mut self, id: StreamId, hushed: bool) {
        if let Some(stream) = self.stream_mut(id) {
            stream.hushed = hushed;
            self.touch(id.pair);
        }
    }

    /// What this stream's peer says goes nowhere while it is mute: offer and answer want it silent. RTCP passes (RFC 3264 §5.1).
    pub fn mute(&mut self, id: StreamId, mute: bool) {
        if let Some(stream) = self.stream_mut(id).filter(|stream| stream.mute != mute) {
            stream.mute = mute;
            self.touch(id.pair);
        }
    }

    /// The payload types that this stream's peer may send, a bit each; comfort noise (13, RFC 3389) passes beside them. With none, all
    /// pass: nothing was described.
    pub fn allow(&mut self, id: StreamId, types: u128) {
        let types = if types == 0 { u128::MAX } else { types | COMFORT_NOISE };
        if let Some(stream) = self.stream_mut(id).filter(|stream| stream.types() != types) {
            stream.take_types(types);
            self.touch(id.pair);
        }
    }

    /// Packets of this stream and of its other half must pass through user space for this reason, or need not any more.
    pub fn stay(&mut self, id: StreamId, why: Stay, holds: bool) {
        let Some(stream) = self.stream_mut(id) else { return };
        let before = stream.stays;
        stream.stays.set(why, holds);
        if stream.stays != before {
            self.touch(id.pair);
        }
    }

    /// Why packets of this stream and of its other half pass through user space; empty if they need not.
    pub fn stays(&self, id: StreamId) -> Stays {
        let Some(stream) = self.stream(id) else { return Stays::default() };
        let half = stream.joined.and_then(|pair| self.streams[usize::from(pair)].as_ref()).unwrap_or(stream);
        let mut stays = stream.stays.or(half.stays);
        let both = [stream, half];
        stays.set(Stay::Images, both.iter().any(|stream| stream.carries == Carries::Datagrams));
        let families = both.map(|stream| stream.rtp.peer().map(|peer| peer.is_ipv4()));
        stays.set(Stay::Families, matches!(families, [Some(one), Some(other)] if one != other));
        stays
    }

    /// A session description of this leg's peer names these addresses. Only this arms the latches, again if they had closed.
    pub fn expect(&mut self, id: StreamId, rtp: SocketAddr, rtcp: SocketAddr) {
        if let Some(stream) = self.stream_mut(id) {
            stream.rtp.expect(rtp);
            stream.rtcp.expect(rtcp);
            self.touch(id.pair);
        }
    }

    /// What this stream's datagrams are from now on.
    pub fn carry(&mut self, id: StreamId, carries: Carries) {
        if let Some(stream) = self.stream_mut(id) {
            stream.carries = carries;
            self.touch(id.pair);
        }
    }

    /// What the payload types mean that this stream's peer may send; the first [`crate::FORMATS_MAX`] are remembered.
    pub fn formats(&mut self, id: StreamId, formats: impl Iterator<Item = Format>) {
        if let Some(stream) = self.stream_mut(id) {
            stream.describe(Formats::of(formats));
            self.touch(id.pair);
        }
    }

    /// Ends a stream: its ports rest, its other half goes nowhere. A stream that is gone measured nothing.
    pub fn close(&mut self, now: Instant, id: StreamId) -> Quality {
        let quality = self.quality(id);
        if self.stream(id).is_none() {
            return quality;
        }
        self.lift(id);
        let gone = self.streams[usize::from(id.pair)].take();
        let avoid = gone.as_ref().is_some_and(|stream| stream.avoid);
        let rtt_us = gone.as_ref().map_or(0, |stream| stream.echo.rtt_us);
        let half = gone.and_then(|stream| stream.joined).and_then(|pair| self.streams[usize::from(pair)].as_mut());
        if let Some(half) = half.filter(|half| half.joined == Some(id.pair)) {
            half.joined = None;
            half.beyond_us = rtt_us;
        }
        if avoid {
            self.ports.avoid(now, id.pair);
        } else {
            self.ports.give_back(now, id.pair);
        }
        self.ports_used -= 2;
        quality
    }

    /// What this stream's peer sends is opened with this key from now on; `None` takes it as it is. A key that the peer had
    /// before is taken up where it was left.
    pub fn open_with(&mut self, id: StreamId, key: Option<Secret>) {
        let Some(stream) = self.stream_mut(id) else { return };
        if key.is_some() || stream.crypt.is_some() {
            let crypt = stream.crypt.get_or_insert_default();
            crypt.open_with(key);
            let on = crypt.is_on();
            self.stay(id, Stay::Crypt, on);
        }
    }

    /// How what is sent to this stream's peer is sealed from now on. A key that was used before is taken up where it was left.
    pub fn seal_with(&mut self, id: StreamId, seal: Seal) {
        let Some(stream) = self.stream_mut(id) else { return };
        if seal != Seal::Plain || stream.crypt.is_some() {
            let crypt = stream.crypt.get_or_insert_default();
            crypt.seal_with(seal);
            let on = crypt.is_on();
            self.stay(id, Stay::Crypt, on);
        }
    }

    /// A datagram of these bytes came to one of our ports. Two look-ups, no allocation. It goes nowhere if a key stands on its way:
    /// that needs [`Relay::on_room`].
    pub fn on_packet(&mut self, now: Instant, port: u16, from: SocketAddr, bytes: &[u8]) -> Verdict {
        match self.pass(now, now, port, from, bytes, false) {
            Ok(Way { port, to, said: None, seals: None, .. }) => Verdict::Forward { port, to },
            Ok(Way { port, to, said: Some(bytes), seals: None, .. }) => Verdict::Say { port, to, bytes },
            Ok(Way { seals: Some(_), .. }) => self.drop(Dropped::Nowhere),
            Err(why) => self.drop(why),
        }
    }

    /// A datagram of `length` bytes came to one of our ports at this moment, which may be some time ago. It stands at the beginning of
    /// a room in which it may grow by [`crate::srtp::SEAL_BYTES_MAX`]. No allocation after a source's first packet.
    pub fn on_room(
        &mut self,
        now: Instant,
        came: Instant,
        port: u16,
        from: SocketAddr,
        room: &mut [u8],
        length: usize,
    ) -> Verdict {
        let opened = match self.unlock(port, from, &mut room[..length]) {
            Ok(opened) => opened,
            Err(why) => return self.drop(why),
        };
        let way = match self.pass(now, came, port, from, &room[..opened], true) {
            Ok(way) => way,
            Err(why) => return self.drop(why),
        };
        let Way { port, to, said, seals } = way;
        match (seals, said) {
            (Some(pair), _) => match self.lock(pair, said, room, opened) {
                Ok(length) => Verdict::Changed { port, to, length },
                Err(why) => self.drop(why),
            },
            (None, Some(bytes)) => Verdict::Say { port, to, bytes },
            (None, None) if opened == length => Verdict::Forward { port, to },
            (None, None) => Verdict::Changed { port, to, length: opened },
        }
    }

    fn drop(&mut self, why: Dropped) -> Verdict {
        self.dropped[why as usize] += 1;
        Verdict::Drop(why)
    }

    /// The stream that a port belongs to, and if the port is its second one.
    fn by_port(&mut self, port: u16) -> (Option<&mut Stream>, bool) {
        let pair = usize::from(port.wrapping_sub(self.port_low) / 2);
        (self.streams.get_mut(pair).and_then(Option::as_mut), port % 2 == 1)
    }

    /// Opens a packet of a peer with a key; its length afterwards. What another than the peer sent stays as it is: a stranger
    /// costs no cryptography.
    fn unlock(&mut self, port: u16, from: SocketAddr, packet: &mut [u8]) -> Result<usize, Dropped> {
        let (stream, is_rtcp_port) = self.by_port(port);
        let Some(stream) = stream else { return Ok(packet.len()) };
        let latch = if is_rtcp_port { &stream.rtcp } else { &stream.rtp };
        let Some(crypt) = stream.crypt.as_mut().filter(|crypt| crypt.opens()) else { return Ok(packet.len()) };
        let kind = if is_rtcp_port { rtp::read_second } else { rtp::read }(stream.carries, packet);
        let Some(kind) = kind.filter(|_| latch.knows(from)) else { return Ok(packet.len()) };
        let length = crypt.open(packet)?;
        match kind {
            Packet::Rtcp if !rtp::is_whole(&packet[..length]) => Err(Dropped::Foreign),
            Packet::Rtp(_) | Packet::Rtcp | Packet::Opaque => Ok(length),
        }
    }

    /// Seals a packet, or what takes its place, with the key of the pair that it leaves from; its length afterwards.
    fn lock(
        &mut self,
        pair: u16,
        said: Option<EventPacket>,
        room: &mut [u8],
        mut length: usize,
    ) -> Result<usize, Dropped> {
        if let Some(said) = said {
            length = said.len();
            room.get_mut(..length).ok_or(Dropped::Nowhere)?.copy_from_slice(&said);
        }
        let crypt = self.streams[usize::from(pair)].as_mut().and_then(|stream| stream.crypt.as_mut());
        Ok(crypt.ok_or(Dropped::Nowhere)?.seal(room, length)?)
    }

    fn pass(
        &mut self,
        now: Instant,
        came: Instant,
        port: u16,
        from: SocketAddr,
        bytes: &[u8],
        opened: bool,
    ) -> Result<Way, Dropped> {
        let (pair, is_rtcp_port) = (port.wrapping_sub(self.port_low) / 2, port % 2 == 1);
        let stream = self.streams.get_mut(usize::from(pair)).and_then(Option::as_mut).ok_or(Dropped::Closed)?;
        if !opened && stream.crypt.as_ref().is_some_and(|crypt| crypt.opens()) {
            return Err(Dropped::Nowhere);
        }
        let carries = stream.carries;
        let packet = if is_rtcp_port { rtp::read_second } else { rtp::read }(carries, bytes);
        // What was opened was looked at then.
        let hidden = matches!(carries, Carries::Srtp | Carries::RtpAndDtls);
        let whole = |packet: &Packet| hidden || *packet != Packet::Rtcp || rtp::is_whole(bytes);
        let packet = packet.filter(whole).ok_or(Dropped::Foreign)?;
        let latch = if is_rtcp_port { &mut stream.rtcp } else { &mut stream.rtp };
        match latch.hear(from) {
            Speaker::Known => {}
            Speaker::Learnt if is_rtcp_port => {}
            Speaker::Learnt => stream.moved = true,
            Speaker::Stranger => {
                stream.tally.stranger();
                return Err(Dropped::Stranger);
            }
        }
        if matches!(packet, Packet::Rtp(header) if !stream.takes(header.payload_type)) {
            return Err(Dropped::Undescribed);
        }
        if packet.is_heard(carries) {
            stream.heard = Some(now);
        }
        let mut said = None;
        if let Packet::Rtp(header) = packet {
            stream.measure(came, &header, bytes.len());
            if stream.stays.has(Stay::Digits) {
                if stream.digits.keeps(&header) {
                    self.keep(pair, &header, bytes);
                    return Err(Dropped::Told);
                }
                said = stream.digits.replace(&header, bytes);
            }
        }
        let silent = stream.hushed || (stream.mute && matches!(packet, Packet::Rtp(_)));
        let unsettled = stream.moved || stream.review || stream.path == Path::Kernel;
        let (joined, recorded) = (stream.joined, stream.stays.has(Stay::Record));
        if packet == Packet::Rtcp {
            self.echo((now, came), usize::from(pair), bytes);
        }
        let joined = joined.filter(|_| !silent).ok_or(Dropped::Nowhere)?;
        let half = self.streams[usize::from(joined)].as_ref().ok_or(Dropped::Nowhere)?;
        let to = if is_rtcp_port { half.rtcp.peer() } else { half.rtp.peer() }.ok_or(Dropped::Nowhere)?;
        let seals = half.crypt.as_ref().is_some_and(|crypt| crypt.seals()).then_some(joined);
        if let Packet::Rtp(header) = packet
            && recorded
        {
            self.record(pair, &header, bytes);
        }
        if self.kernel && unsettled {
            self.follow(pair, &packet);
        }
        Ok(Way { port: self.port_low + 2 * joined + u16::from(is_rtcp_port), to, said, seals })
    }

    /// Keeps what is passed on of a call that is recorded.
    #[cold]
    fn record(&mut self, pair: u16, header: &Header, bytes: &[u8]) {
        if let Some(stream) = self.streams[usize::from(pair)].as_mut() {
            self.said.keep(self.port_low + 2 * pair, header, stream.format(header.payload_type), bytes);
        }
    }

    /// The voice that the packet before brought, if its stream stays here to be recorded; once.
    pub fn said(&mut self) -> Option<&Said> {
        self.said.take()
    }

    /// An event that becomes a message.
    #[cold]
    fn keep(&mut self, pair: u16, header: &Header, bytes: &[u8]) {
        let Some(stream) = &mut self.streams[usize::from(pair)] else { return };
        let digit = stream.digits.hear(header, &bytes[usize::from(header.length)..]);
        if let Some(digit) = digit.filter(|_| self.digits.len() < DIGITS_MAX) {
            self.digits.push_back((self.port_low + 2 * pair, digit));
        }
    }

    /// Events that this stream's peer sends with this payload type and clock in Hz are kept back from now on, and told by
    /// [`Relay::digit`]; `None` lets them pass.
    pub fn keep_events(&mut self, id: StreamId, events: Option<(u8, u32)>) {
        if let Some(stream) = self.stream_mut(id) {
            stream.digits.hears = events;
            let converts = stream.digits.converts();
            self.stay(id, Stay::Digits, converts);
        }
    }

    /// The payload type and clock in Hz by which [`Relay::say`] puts digits in place of this stream's voice; `None` for none.
    pub fn say_events(&mut self, id: StreamId, events: Option<(u8, u32)>) {
        if let Some(stream) = self.stream_mut(id) {
            stream.digits.says = events;
            let converts = stream.digits.converts();
            self.stay(id, Stay::Digits, converts);
        }
    }

    /// A digit that the stream's peer told by message: it takes the place of the voice that comes from there next. False if it
    /// cannot be said.
    pub fn say(&mut self, id: StreamId, digit: Digit) -> bool {
        self.stream_mut(id).is_some_and(|stream| stream.digits.say(digit))
    }

    /// The next digit that was heard and kept back, and the RTP port of ours that heard it.
    pub fn digit(&mut self) -> Option<(u16, Digit)> {
        self.digits.pop_front()
    }

    /// True if a digit waits for [`Relay::digit`].
    pub fn has_digits(&self) -> bool {
        !self.digits.is_empty()
    }

    /// A report of one peer goes on to the other.
    #[cold]
    fn echo(&mut self, (now, came): (Instant, Instant), pair: usize, bytes: &[u8]) {
        let Some(stream) = &mut self.streams[pair] else { return };
        stream.echo.heard(came, bytes);
        let joined = stream.joined;
        if let Some(half) = joined.and_then(|pair| self.streams[usize::from(pair)].as_mut()) {
            half.echo.told(now, bytes);
        }
    }

    /// When the peer's media was last heard. Its reports (RTCP) are none, and neither is RTP of a payload type that was not described.
    pub fn last_heard(&self, id: StreamId) -> Option<Instant> {
        let stream = self.stream(id)?;
        stream.heard.max(stream.below.carried.last)
    }

    /// What the stream measured of its peer's media so far.
    pub fn quality(&self, id: StreamId) -> Quality {
        let Some(stream) = self.stream(id) else { return Quality::default() };
        let half = stream.joined.and_then(|pair| self.streams[usize::from(pair)].as_ref());
        stream.measured().quality(stream.echo.rtt_us, half.map_or(stream.beyond_us, |half| half.echo.rtt_us))
    }

    /// Ports that calls have.
    pub fn ports_used(&self) -> u32 {
        self.ports_used
    }

    /// Ports in the range.
    pub fn ports_max(&self) -> u32 {
        2 * self.streams.len() as u32
    }

    /// Packets that went no further, since the start.
    pub fn dropped(&self, why: Dropped) -> u64 {
        self.dropped[why as usize]
    }

    fn stream(&self, id: StreamId) -> Option<&Stream> {
        self.streams[usize::from(id.pair)].as_ref().filter(|stream| stream.generation == id.generation)
    }

    fn stream_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.streams[usize::from(id.pair)].as_mut().filter(|stream| stream.generation == id.generation)
    }
}
