//! What callers and callees of one worker share: sockets, timers, counters, and texts that are used again.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Sender;
use std::time::Duration;

use uring::socket::Options;
use uring::{Class, Doorbell, Event, Packet, Ring, Settings, SocketId, UdpSocket};

use crate::clock::{Clock, MS, SECOND};
use crate::dtmf::{self, By, Dialled, Event as Digit};
use crate::heat::{self, Heat};
use crate::ladder::{Ladders, Samples};
use crate::plan::Plan;
use crate::quality::Quality;
use crate::tally::{Board, Counters, Latencies, Told};
use crate::timers::Timers;

/// RFC 3261 §17.1.1.1: the round-trip estimate that retransmission starts from.
pub const T1: u64 = 500 * MS;
/// RFC 3261 §17.1.2.2: the longest wait between retransmissions of a request other than INVITE.
pub const T2: u64 = 4_000 * MS;
/// RFC 3261: a transaction is given up after this.
pub const GIVE_UP: u64 = 64 * T1;
/// How long an ended call is kept to answer what is repeated: a little more than the longest wait between repeats.
pub const LINGER: u64 = if cfg!(test) { 200 * MS } else { 5_000 * MS };
/// How long the end that released a call is kept after its BYE was answered: nobody repeats anything to it, but media may be under way.
pub const BRIEF: u64 = if cfg!(test) { 200 * MS } else { 700 * MS };
/// From so many datagrams a second on, a worker looks at its sockets every [`Wire::gather`] and not for each datagram alone.
const BUSY: u64 = 5_000;
/// How often it is found out how busy a worker is.
const COUNTED: u64 = 10 * MS;
/// How often the run's clock is compared with the kernel's.
const COMPARED: u64 = MS;
/// Datagrams that wait for a terminator that stands still: what a socket of four megabytes holds.
const HELD_MAX: usize = 2_048;

/// One end of one call of this worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// The caller's end, by the call's place in the plan.
    Caller(u32),
    /// The callee's end, by a count of this worker.
    Callee(u32),
}

impl Who {
    /// Whether it is the caller's end.
    pub fn is_caller(self) -> bool {
        matches!(self, Who::Caller(_))
    }
}

/// What a timer is for; each end of a call has at most one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Send the last message again.
    Resend,
    /// Stop waiting.
    GiveUp,
    /// The next thing in the script: ring, answer, release, cancel.
    Act,
    /// The next packet of media.
    Packet,
    /// The next change within the call.
    Change,
}

const KINDS: [Kind; 5] = [Kind::Resend, Kind::GiveUp, Kind::Act, Kind::Packet, Kind::Change];

/// When each timer of one end is due; 0 for never. One that is filed counts for each end, whatever is armed and disarmed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dues {
    at: [u64; 5],
    filed: u64,
}

impl Dues {
    /// A timer that is due by now, taken out.
    pub fn take(&mut self, now: u64) -> Option<(Kind, u64)> {
        let kind = KINDS.into_iter().filter(|kind| (1..=now).contains(&self.at[*kind as usize]));
        let kind = kind.min_by_key(|kind| self.at[*kind as usize])?;
        Some((kind, std::mem::take(&mut self.at[kind as usize])))
    }
}

/// The next moment at which such things are done; never before they are due, and 0 stays 0.
pub fn together(due: u64, step: u64) -> u64 {
    due.next_multiple_of(step)
}

/// A datagram that came.
pub struct Heard {
    /// For whom.
    pub whose: Whose,
    /// Who sent it.
    pub from: SocketAddr,
    /// Its bytes in the buffer.
    pub length: usize,
}

/// Whose socket it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Closed.
    Nobody,
    /// A SIP socket, by index.
    Sip(usize),
    /// The media socket of one end of a call.
    Media(Who),
}

struct Signal {
    id: SocketId,
    address: SocketAddr,
    /// Its address and its host as texts: they stand in every message.
    names: [String; 2],
    /// The description of calls without media.
    silent: String,
    /// Until when its terminator stands still; 0 if it does not.
    frozen: u64,
    held: VecDeque<(SocketAddr, Vec<u8>)>,
}

/// Sockets, timers and counters of one worker.
pub struct Wire {
    /// The run's clock.
    pub clock: Clock,
    /// What it showed when the kernel received the datagram that is looked at, or when the timer was taken up.
    pub now: u64,
    /// What is to happen.
    pub plan: Arc<Plan>,
    /// What both ends know.
    pub board: Arc<Board>,
    /// This worker's latencies.
    pub latencies: Latencies,
    /// From INVITE to ringing, over time.
    pub ringing: Heat,
    /// From the caller's INVITE to the first terminator's, over time.
    pub transit: Heat,
    /// Calls that failed.
    pub samples: Samples,
    /// What the calls in progress said and heard.
    pub ladders: Ladders,
    /// What calls say is kept word for word.
    pub films: bool,
    /// What ends of calls heard.
    pub quality: Quality,
    /// Which of the agents of a run on several machines this is.
    pub agent: u8,
    /// When the first call may be due, on the clock.
    pub base: u64,
    /// Finished calls go here.
    pub lines: Option<Sender<Told>>,
    /// Where INVITEs go.
    pub target: SocketAddr,
    /// The same as a text.
    pub target_name: String,
    /// Who makes and hears media, where the kernel does.
    pub mill: Option<mill::Hand>,
    /// How long a busy worker gathers what comes and what is due, at most: what it says leaves that much later. When something came it
    /// knows from the kernel.
    pub gather: Duration,
    number: usize,
    ring: Ring,
    signals: Vec<Signal>,
    /// By the socket's place in the ring.
    owners: Vec<Whose>,
    thawed: Vec<usize>,
    /// What came as one and is not looked at to its end, and how far it is.
    train: Option<(Packet, usize)>,
    timers: Timers,
    texts: Vec<String>,
    rush: Rush,
    arrivals: Arrivals,
}

/// When datagrams came: the kernel's stamps as readings of the run's clock.
#[derive(Default)]
struct Arrivals {
    /// When what is looked at was taken from the kernel, and what was looked at before it.
    taken: u64,
    before: u64,
    /// How far the run's clock is behind the kernel's, and when that was found out.
    behind: Option<u64>,
    compared: u64,
}

impl Arrivals {
    /// Something was taken from the kernel.
    fn take(&mut self, clock: &Clock) {
        (self.before, self.taken) = (self.taken, clock.now());
        if self.taken - self.compared > COMPARED {
            let found = clock.behind();
            self.behind = found.or(self.behind);
            self.compared = if found.is_some() { self.taken } else { self.compared };
        }
    }

    /// When a datagram with this stamp came: between the last look and this one, whatever happened to the system's clock.
    fn of(&self, stamp: Duration) -> Option<u64> {
        let came = (stamp.as_nanos() as u64).saturating_sub(self.behind?);
        Some(came.clamp(self.before, self.taken))
    }
}

/// How busy a worker is: datagrams since a moment.
#[derive(Default)]
struct Rush {
    heard: u64,
    since: u64,
    busy: bool,
}

impl Rush {
    /// Whether it is worth gathering now.
    fn is_on(&mut self, now: u64) -> bool {
        let span = now - self.since;
        if span >= COUNTED {
            self.busy = self.heard * SECOND / span >= BUSY;
            (self.heard, self.since) = (0, now);
        }
        self.busy
    }
}

impl Wire {
    /// Without sockets yet. Everything about it happens on the thread that makes it.
    pub fn new(
        clock: Clock,
        plan: Arc<Plan>,
        board: Arc<Board>,
        lines: Option<Sender<Told>>,
        target: SocketAddr,
        number: usize,
    ) -> io::Result<Wire> {
        let settings = Settings { stream_buffers: 1, ..Settings::fitting() };
        let (heat, films) = (Heat::new(plan.span.as_nanos() as u64), board.reel.is_on());
        Ok(Wire {
            clock,
            now: 0,
            plan,
            board,
            latencies: Latencies::default(),
            ringing: heat.clone(),
            transit: heat,
            samples: Samples::default(),
            ladders: Ladders::default(),
            films,
            quality: Quality::default(),
            agent: 0,
            base: 0,
            lines,
            target,
            target_name: target.to_string(),
            mill: None,
            gather: Duration::ZERO,
            number,
            ring: Ring::new(&settings, Doorbell::new()?)?.with_arrivals().with_trains(),
            signals: Vec::new(),
            owners: vec![Whose::Nobody; settings.sockets as usize],
            thawed: Vec::new(),
            train: None,
            timers: Timers::default(),
            texts: Vec::new(),
            rush: Rush::default(),
            arrivals: Arrivals::default(),
        })
    }

    /// This worker's counters.
    pub fn counters(&self) -> &Counters {
        &self.board.counters[self.number]
    }

    /// A call that was due then rang so long after that.
    pub fn note_ringing(&mut self, due: u64, latency: u64) {
        self.ringing.record(due.saturating_sub(self.base), latency);
        self.board.ringing[self.number].note(heat::step(latency), latency);
    }

    /// A digit came; counts it once, as the one that was dialled or not.
    pub fn note_dialled(&self, dialled: &mut Dialled, event: Digit) {
        let digits = self.plan.dtmf.as_ref().map_or(&[][..], |dtmf| &dtmf.digits);
        match dialled.hear(digits, event) {
            Some(true) => Counters::one(&self.counters().dtmf_heard),
            Some(false) => Counters::one(&self.counters().dtmf_wrong),
            None => {}
        }
    }

    /// Writes the description of a call's media; of one without at the discard port of this SIP socket: nothing is sent, nothing is expected.
    pub fn describe(&self, body: &mut String, socket: usize, media: Option<SocketAddr>) {
        match media {
            Some(media) => self.describe_at(body, media),
            None => body.push_str(&self.signals[socket].silent),
        }
    }

    fn describe_at(&self, body: &mut String, media: SocketAddr) {
        let events = self.plan.dtmf.as_ref().is_some_and(|dtmf| dtmf.by == By::Rfc4733);
        self.plan.packets.describe(body, media, events.then_some(dtmf::PAYLOAD_TYPE));
    }

    /// Counts a call's final status; 0 for none.
    pub fn note_code(&self, code: u16) {
        let codes = &self.board.codes[self.number];
        let code = usize::from(code).min(codes.len() - 1);
        codes[code].store(codes[code].load(Relaxed) + 1, Relaxed);
    }

    /// Opens a SIP socket and returns its index.
    pub fn listen(&mut self, at: SocketAddr) -> io::Result<usize> {
        // The kernel may grant less; a burst that it drops is sent again and counted as such.
        let socket = self.bind(at, 4 << 20)?;
        // A kernel that has none hands all datagrams up one by one.
        let _ = socket.take_trains();
        let id = self.ring.add(&socket, Class::Signal)?;
        self.owners[id.place()] = Whose::Sip(self.signals.len());
        let address = socket.address();
        let names = [address.to_string(), address.ip().to_string()];
        let mut silent = String::new();
        self.describe_at(&mut silent, SocketAddr::new(address.ip(), 9));
        self.signals.push(Signal { id, address, names, silent, frozen: 0, held: VecDeque::new() });
        Ok(self.signals.len() - 1)
    }

    /// Opens a media socket of one end of a call on this address.
    pub fn open_media(&mut self, who: Who, at: IpAddr) -> io::Result<(SocketId, SocketAddr)> {
        let socket = self.bind(SocketAddr::new(at, 0), 256 << 10)?;
        let id = self.ring.add(&socket, Class::Media)?;
        self.owners[id.place()] = Whose::Media(who);
        Ok((id, socket.address()))
    }

    /// Closes one.
    pub fn close_media(&mut self, id: SocketId) {
        self.owners[id.place()] = Whose::Nobody;
        self.ring.close(id);
    }

    fn bind(&self, at: SocketAddr, bytes: usize) -> io::Result<UdpSocket> {
        let options = Options { shared: false, receive_bytes: bytes, send_bytes: bytes, traffic_class: 0 };
        let socket = UdpSocket::bind(at, &options)?;
        socket.stamp()?;
        Ok(socket)
    }

    /// Sends what was said, then waits until something is heard, at most until this moment on the run's clock; a busy worker no shorter than it
    /// gathers, though not past the moment that it was told to be on time for. What the clock showed last is now.
    ///
    /// It gathers from one look at its sockets to the next: what it does in between is part of that.
    pub fn wait(&mut self, until: u64, on_time: u64) -> io::Result<()> {
        let now = self.now;
        let window = if self.rush.is_on(now) {
            let done = now.saturating_sub(self.arrivals.taken);
            let left = (self.gather.as_nanos() as u64).saturating_sub(done);
            Duration::from_nanos(left.min(on_time.saturating_sub(now)))
        } else {
            Duration::ZERO
        };
        if window.is_zero() || !self.ring.take() {
            let left = Duration::from_nanos(until.saturating_sub(now)).max(window);
            self.ring.wait_gathering(if self.thawed.is_empty() { left } else { Duration::ZERO }, window)?;
        }
        self.arrivals.take(&self.clock);
        Ok(())
    }

    /// Reads the clock.
    pub fn tick(&mut self) -> u64 {
        self.now = self.clock.now();
        self.now
    }

    /// The next datagram that came, if there is one.
    pub fn hear(&mut self, buffer: &mut [u8]) -> Option<Heard> {
        while let Some(index) = self.thawed.last().copied() {
            if let Some((from, bytes)) = self.signals[index].held.pop_front() {
                buffer[..bytes.len()].copy_from_slice(&bytes);
                self.tick();
                return Some(Heard { whose: Whose::Sip(index), from, length: bytes.len() });
            }
            self.thawed.pop();
        }
        while let Some((packet, at)) = self.packet() {
            let (whose, from) = (self.owners[packet.socket.place()], packet.from);
            let came = self.ring.arrival(&packet).and_then(|stamp| self.arrivals.of(stamp));
            let bytes = &self.ring.bytes(&packet)[at..];
            let length = bytes.len().min(packet.each());
            buffer[..length].copy_from_slice(&bytes[..length]);
            if length < bytes.len() {
                self.train = Some((packet, at + length));
            } else {
                self.ring.release(packet);
            }
            self.rush.heard += 1;
            if self.rush.busy && !self.gather.is_zero() {
                Counters::one(&self.counters().gathered);
            }
            match whose {
                Whose::Nobody => {}
                Whose::Sip(index) if self.signals[index].frozen > 0 => {
                    let held = &mut self.signals[index].held;
                    if held.len() < HELD_MAX {
                        held.push_back((from, buffer[..length].to_vec()));
                    }
                }
                Whose::Sip(_) | Whose::Media(_) => {
                    self.now = came.unwrap_or_else(|| self.clock.now());
                    return Some(Heard { whose, from, length });
                }
            }
        }
        None
    }

    /// What is looked at next, and where in it.
    fn packet(&mut self) -> Option<(Packet, usize)> {
        self.train.take().or_else(|| {
            let mut events = std::iter::from_fn(|| self.ring.event());
            events.find_map(|event| if let Event::Datagram(packet) = event { Some((packet, 0)) } else { None })
        })
    }

    /// Neither reads from a SIP socket nor acts for it until this moment; 0 ends that, and what came meanwhile is heard.
    pub fn freeze(&mut self, socket: usize, till: u64) {
        self.signals[socket].frozen = till;
        if till == 0 {
            self.thawed.push(socket);
        }
    }

    /// Until when this socket's terminator stands still; 0 if it does not.
    pub fn frozen(&self, socket: usize) -> u64 {
        self.signals[socket].frozen
    }

    /// Sends a datagram from a SIP socket; a full buffer loses it, as a network would.
    pub fn send(&mut self, socket: usize, to: SocketAddr, bytes: &[u8]) {
        let _ = self.ring.send(self.signals[socket].id, to, bytes);
    }

    /// Sends a packet of media; false if it did not leave.
    pub fn send_media(&mut self, socket: SocketId, to: SocketAddr, bytes: &[u8]) -> bool {
        self.ring.send(socket, to, bytes)
    }

    /// Datagrams that the kernel did not take.
    pub fn unsent(&self) -> u64 {
        self.ring.tally().send_failed
    }

    /// The address that a SIP socket has.
    pub fn address(&self, socket: usize) -> SocketAddr {
        self.signals[socket].address
    }

    /// The same as a text.
    pub fn name(&self, socket: usize) -> &str {
        &self.signals[socket].names[0]
    }

    /// The same, and its host, as texts.
    pub fn names(&self, socket: usize) -> [&str; 2] {
        self.signals[socket].names.each_ref().map(String::as_str)
    }

    /// An empty text with room for a message.
    pub fn text(&mut self) -> String {
        self.texts.pop().unwrap_or_else(|| String::with_capacity(1_400))
    }

    /// Gives a text back.
    pub fn spare(&mut self, mut text: String) {
        if text.capacity() > 0 {
            text.clear();
            self.texts.push(text);
        }
    }

    /// Sets a timer; 0 stops it.
    ///
    /// What nobody measures is done together with what is due in the same few milliseconds: each moment of its own costs waking up.
    pub fn arm(&mut self, dues: &mut Dues, who: Who, kind: Kind, due: u64) {
        let due = match kind {
            Kind::Resend => together(due, 4 * MS),
            Kind::GiveUp => together(due, 20 * MS),
            Kind::Act | Kind::Packet | Kind::Change => due,
        };
        dues.at[kind as usize] = due;
        if due > 0 && (dues.filed == 0 || due < dues.filed) {
            dues.filed = due;
            self.timers.file(due, who);
        }
    }

    /// An end of a call that may have a timer due by now, and the moment that was filed for it.
    pub fn pop(&mut self, now: u64) -> Option<(u64, Who)> {
        self.timers.pop(now)
    }

    /// After the timers that were due: files what is due next. An entry that no longer counts is forgotten.
    pub fn file(&mut self, dues: &mut Dues, who: Who, popped: u64) {
        if dues.filed != popped {
            return;
        }
        dues.filed = dues.at.into_iter().filter(|due| *due > 0).min().unwrap_or(0);
        if dues.filed > 0 {
            self.timers.file(dues.filed, who);
        }
    }

    /// When the next timer is due.
    pub fn next_due(&self) -> Option<u64> {
        self.timers.next_due()
    }
}
