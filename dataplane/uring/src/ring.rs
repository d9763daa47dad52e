//! One thread's io_uring: what it listens to, what it waits for, what it sends.

mod forward;
mod streams;
mod trains;

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use io_uring::types::{CancelBuilder, Fd, Fixed, RecvMsgOut, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};

use crate::address;
use crate::buffers::Buffers;
use crate::doorbell::Doorbell;
use crate::sends::{Forwards, Leaving, Sends, Slot};
use crate::socket::UdpSocket;
use crate::sockets::{Class, Kind, STREAM_BUFFERS, SocketId, Sockets, State};
use crate::stamp;
use crate::streams::Table;
use crate::train;

use trains::Trains;

pub use forward::Outlet;

/// How large a ring is.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Sockets at most; the kernel refuses more than the process may open files.
    pub sockets: u32,
    /// Sends under way at most; further ones are refused and counted.
    pub sends: u32,
    /// Receive buffers of 64 kB for [`Class::Signal`]; a power of two.
    pub signal_buffers: u16,
    /// Receive buffers of 2 kB for [`Class::Media`]; a power of two.
    pub media_buffers: u16,
    /// Receive buffers of 8 kB for streams; a power of two.
    pub stream_buffers: u16,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { sockets: 16_384, sends: 8_192, signal_buffers: 256, media_buffers: 1_024, stream_buffers: 128 }
    }
}

impl Settings {
    /// The usual size, with as many sockets as this process may have in one table.
    pub fn fitting() -> Settings {
        let usual = Settings::default();
        let sockets = u64::from(usual.sockets).min(crate::host::open_files_max().saturating_sub(64));
        Settings { sockets: sockets.max(16) as u32, ..usual }
    }
}

/// What the ring counts since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Datagrams handed up.
    pub received: u64,
    /// Datagrams longer than their buffer, dropped.
    pub truncated: u64,
    /// Sends that the kernel took.
    pub sent: u64,
    /// Sends that the kernel refused, and sends for which no slot was free.
    pub send_failed: u64,
    /// Times that the kernel had used up all receive buffers that there are, and stopped listening for a moment.
    pub starved: u64,
    /// Connections accepted and handed up.
    pub accepted: u64,
    /// Connections that came and could not be taken: no place in the table, no descriptor left.
    pub unaccepted: u64,
    /// Connections that we made.
    pub connected: u64,
    /// Connections that the network ended, and those that could not be made.
    pub broken: u64,
}

/// A received datagram, or a piece of a stream: a receive buffer that is ours until it is forwarded or released.
#[derive(Debug)]
#[must_use = "a packet that is neither forwarded nor released takes its buffer with it"]
pub struct Packet {
    /// Where it arrived.
    pub socket: SocketId,
    /// Who sent it.
    pub from: SocketAddr,
    /// The port of ours that it came to, on a socket of [`Class::Steered`]; 0 on others.
    pub port: u16,
    class: u8,
    buffer: u16,
    start: u16,
    length: u16,
    /// How long each datagram of a train is; 0 for one that came alone.
    each: u16,
    /// The kernel wrote down when it came.
    stamped: bool,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A datagram came.
    Datagram(Packet),
    /// A piece of a stream came, in order.
    Bytes(Packet),
    /// Somebody connected.
    Accepted {
        /// The listener that heard it.
        listener: SocketId,
        /// The connection; open until [`Ring::close`] or its [`Event::Ended`].
        stream: SocketId,
        /// Who.
        from: SocketAddr,
    },
    /// A connection that we ordered stands.
    Connected(SocketId),
    /// The network ended a connection, or it could not be made; it needs no [`Ring::close`] and sends nothing more.
    Ended {
        /// Which; its place is about to be free for another.
        stream: SocketId,
        /// The kernel's error number; 0 if the peer closed in order.
        errno: i32,
    },
    /// Another thread rang the doorbell.
    Doorbell,
}

const NAME_BYTES: u32 = address::BYTES_MAX as u32;
/// Where control messages begin in a receive buffer: behind the kernel's header (`io_uring_recvmsg_out`) and the room for an address.
const CONTROL_AT: usize = 16 + address::BYTES_MAX;
/// Orders and completions that wait at most; each place is used once before any is used again, so that more of them cost more of the
/// processor's cache. What does not fit is handed over before, or kept by the kernel.
const SUBMISSIONS: u32 = 1_024;
const COMPLETIONS: u32 = 8_192;
/// Completions handed up before what they caused is submitted.
const BATCH: usize = 512;
/// Completions that end a turn that gathers before its time.
const GATHERED: usize = 64;
const MEDIA_BYTES: u32 = 2_048;
const STREAM_BYTES: u32 = 8_192;
/// The longest UDP payload, the kernel's header before it, the sender's address, when it came, and how it is divided.
const SIGNAL_BYTES: u32 = 65_507 + 16 + NAME_BYTES + (stamp::BYTES + train::EACH_BYTES) as u32 + 1;

/// `IORING_ENTER_GETEVENTS`: completions that wait for this thread are written down.
const GET_EVENTS: u32 = 1;

const RECEIVE: u64 = 1 << 56;
const SEND: u64 = 2 << 56;
const BELL: u64 = 3 << 56;
const CANCEL: u64 = 4 << 56;
const ACCEPT: u64 = 5 << 56;
const CONNECT: u64 = 6 << 56;
const STREAM_RECEIVE: u64 = 7 << 56;
const STREAM_SEND: u64 = 8 << 56;
const FORWARD: u64 = 9 << 56;
const KIND: u64 = 0xff << 56;
/// How long a listener rests after the kernel refused it a descriptor.
const REST: Duration = Duration::from_millis(100);

/// One completion, copied out of the kernel's ring.
#[derive(Clone, Copy)]
struct Completion {
    about: u64,
    result: i32,
    flags: u32,
}

/// The ring. It must be made and used on one thread.
pub struct Ring {
    ring: IoUring,
    buffers: [Buffers; 3],
    sends: Sends,
    forwards: Forwards,
    leaving: Leaving,
    trains: Trains,
    /// The raw sockets, by their places in the table.
    raws: Vec<(u32, OwnedFd)>,
    /// Forwarded datagrams that the kernel would not send.
    refused: u64,
    sockets: Sockets,
    streams: Table,
    /// Listeners that the kernel refused descriptors, and when they listen again.
    resting: Vec<u32>,
    rest_until: Option<Instant>,
    /// Tells the kernel how much room for an address to leave in each receive buffer.
    shape: Box<libc::msghdr>,
    /// The same where datagrams say which port they came to.
    steered_shape: Box<libc::msghdr>,
    doorbell: Doorbell,
    rung: Box<u64>,
    listens: bool,
    batch: Vec<Completion>,
    next: usize,
    tally: Tally,
}

impl Ring {
    /// Sets the ring up and listens to the doorbell.
    pub fn new(settings: &Settings, doorbell: Doorbell) -> io::Result<Ring> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_coop_taskrun()
            .setup_taskrun_flag()
            .setup_defer_taskrun()
            .setup_submit_all()
            .setup_cqsize(COMPLETIONS)
            .build(SUBMISSIONS)?;
        ring.submitter().register_files_sparse(settings.sockets)?;
        let signal = Buffers::new(&ring, Class::Signal as u16, settings.signal_buffers, SIGNAL_BYTES)?;
        let media = Buffers::new(&ring, Class::Media as u16, settings.media_buffers, MEDIA_BYTES)?;
        let stream = Buffers::new(&ring, STREAM_BUFFERS as u16, settings.stream_buffers, STREAM_BYTES)?;
        // SAFETY: all zeroes is a valid msghdr: no name, no vector, no control data.
        let mut shape: Box<libc::msghdr> = Box::new(unsafe { mem::zeroed() });
        shape.msg_namelen = NAME_BYTES;
        let mut steered_shape = shape.clone();
        steered_shape.msg_controllen = forward::PORT_BYTES;
        Ok(Ring {
            ring,
            buffers: [signal, media, stream],
            sends: Sends::new(settings.sends),
            forwards: Forwards::new(SUBMISSIONS as usize),
            leaving: Leaving::new(),
            trains: Trains::default(),
            raws: Vec::new(),
            refused: 0,
            sockets: Sockets::new(settings.sockets),
            streams: Table::new(settings.sockets),
            resting: Vec::new(),
            rest_until: None,
            shape,
            steered_shape,
            doorbell,
            rung: Box::new(0),
            listens: false,
            batch: Vec::with_capacity(BATCH),
            next: 0,
            tally: Tally::default(),
        })
    }

    /// Leaves room in receive buffers for when each datagram came ([`UdpSocket::stamp`]); before the first socket is added.
    pub fn with_arrivals(mut self) -> Ring {
        self.shape.msg_controllen += stamp::BYTES;
        self.steered_shape.msg_controllen += stamp::BYTES;
        self
    }

    /// Listens to a socket from now on. Its own descriptor is closed; the ring's table holds it.
    pub fn add(&mut self, socket: &UdpSocket, class: Class) -> io::Result<SocketId> {
        let id = self.place(Kind::Datagrams(class), socket.descriptor())?;
        self.receive(id.slot);
        Ok(id)
    }

    /// Puts a descriptor into the ring's table.
    fn place(&mut self, kind: Kind, descriptor: i32) -> io::Result<SocketId> {
        let id = self.sockets.take(kind).ok_or_else(|| io::Error::other("the ring's table of sockets is full"))?;
        if let Err(error) = self.ring.submitter().register_files_update(id.slot, &[descriptor]) {
            self.sockets.set(id.slot, State::Free);
            return Err(error);
        }
        Ok(id)
    }

    /// Stops listening. Datagrams that the kernel already handed over are forgotten, as is what a stream had left to send.
    pub fn close(&mut self, id: SocketId) {
        if !self.sockets.open(id) {
            return;
        }
        self.depart();
        let order = match self.sockets.kind(id.slot) {
            Kind::Stream => return self.close_stream(id.slot),
            Kind::Listener => ACCEPT,
            Kind::Datagrams(_) => RECEIVE,
        };
        self.resting.retain(|slot| *slot != id.slot);
        match self.sockets.state(id.slot) {
            State::Listening => {
                self.sockets.set(id.slot, State::Closing);
                self.push(&opcode::AsyncCancel::new(order | u64::from(id.slot)).build().user_data(CANCEL));
            }
            State::Deaf => {
                self.sockets.deaf.retain(|slot| *slot != id.slot);
                // Sends on this place may wait for submission; they must leave before another socket takes it.
                let _ = self.ring.submit();
                self.vacate(id.slot);
            }
            State::Free | State::Closing => {}
        }
    }

    /// Says that this thread is about to wait. Look for work of other threads after this and before [`Ring::wait`].
    pub fn fall_asleep(&self) {
        self.doorbell.fall_asleep();
    }

    /// Submits everything and waits for at least one event; zero takes what is there. Returns early and without harm on a signal.
    pub fn wait(&mut self, limit: Duration) -> io::Result<()> {
        self.wait_for(limit, 1, Duration::ZERO)
    }

    /// The kernel can gather what comes: [`Ring::wait_gathering`] does more than [`Ring::wait`].
    pub fn gathers(&self) -> bool {
        self.ring.params().is_feature_min_timeout()
    }

    /// The same, but nobody is woken for a part of a turn: it ends when `window` is over and something came, or a turn is full. Each event
    /// may be looked at that much later. Kernels before 6.12 wait as ever.
    pub fn wait_gathering(&mut self, limit: Duration, window: Duration) -> io::Result<()> {
        if self.gathers() && !window.is_zero() {
            // Word of what is sent before the wait begins is no reason to end it.
            self.wait_for(limit, GATHERED + self.sends.under_way(), window.min(limit))
        } else {
            self.wait(limit)
        }
    }

    fn wait_for(&mut self, limit: Duration, want: usize, window: Duration) -> io::Result<()> {
        self.prepare();
        let limit = self.rest_until.map_or(limit, |_| limit.min(REST));
        let at_hand = self.next < self.batch.len() || !self.ring.completion().is_empty();
        let waited = if limit.is_zero() || at_hand {
            self.ring.submit()
        } else {
            let timeout = Timespec::from(limit);
            let arguments = SubmitArgs::new().timespec(&timeout).min_wait_usec(window.as_micros() as u32);
            self.ring.submitter().submit_with_args(want, &arguments)
        };
        self.doorbell.wake_up();
        self.settle();
        match waited.map_err(|error| (error.raw_os_error(), error)) {
            // A full completion queue (EBUSY) empties below; ETIME is the limit.
            Ok(_) | Err((Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN), _)) => {}
            Err((_, error)) => return Err(error),
        }
        self.collect();
        Ok(())
    }

    /// Makes the next batch of completions.
    fn collect(&mut self) {
        self.batch.drain(..self.next);
        self.next = 0;
        let room = BATCH - self.batch.len().min(BATCH);
        let fresh = self.ring.completion().take(room).map(|cqe: cqueue::Entry| Completion {
            about: cqe.user_data(),
            result: cqe.result(),
            flags: cqe.flags(),
        });
        self.batch.extend(fresh);
    }

    /// What is done before the kernel is asked for anything.
    fn prepare(&mut self) {
        self.depart();
        self.listen();
        self.send_leaving();
        self.buffers.iter_mut().for_each(Buffers::publish);
    }

    /// Submits everything and takes what came of it at once. False if that was no more than word that something was sent: it is time to wait. For
    /// who talks to this very machine, to ask costs a tenth of sleeping.
    pub fn take(&mut self) -> bool {
        self.prepare();
        let orders = self.ring.submission().len() as u32;
        // SAFETY: no argument is passed that the kernel could read; what the orders point to stays in place, as `push` says. What it refuses is
        // refused again, and told, by the wait that follows.
        let _ = unsafe { self.ring.submitter().enter::<libc::sigset_t>(orders, 0, GET_EVENTS, None) };
        self.settle();
        self.collect();
        while let Some(done) = self.batch.get(self.next).copied().filter(|done| done.about & KIND == SEND) {
            self.sent(done);
            self.next += 1;
        }
        self.next < self.batch.len()
    }

    /// The next event of this turn; none when it is time to wait.
    pub fn event(&mut self) -> Option<Event> {
        while let Some(done) = self.batch.get(self.next).copied() {
            self.next += 1;
            let event = match done.about & KIND {
                RECEIVE => self.received(done),
                SEND => self.sent(done),
                FORWARD => self.refused(),
                STREAM_RECEIVE => self.stream_received(done),
                STREAM_SEND => self.stream_sent(done),
                ACCEPT => self.accepted(done),
                CONNECT => self.connected(done),
                BELL => {
                    self.listens = false;
                    Some(Event::Doorbell)
                }
                _ => None,
            };
            if event.is_some() {
                return event;
            }
        }
        None
    }

    /// The datagram's bytes.
    pub fn bytes(&self, packet: &Packet) -> &[u8] {
        let buffers = &self.buffers[usize::from(packet.class)];
        buffers.bytes(packet.buffer, usize::from(packet.start), usize::from(packet.length))
    }

    /// When the kernel received the datagram, since 1970; none if its socket does not stamp, or the ring has no room for it.
    pub fn arrival(&self, packet: &Packet) -> Option<Duration> {
        let buffers = &self.buffers[usize::from(packet.class)];
        if packet.stamped { stamp::read(buffers.bytes(packet.buffer, CONTROL_AT, stamp::BYTES)) } else { None }
    }

    /// The datagram's memory, which may be changed, with what is free behind it; and the datagram's length.
    pub fn room_of(&mut self, packet: &mut Packet) -> (&mut [u8], usize) {
        let buffers = &mut self.buffers[usize::from(packet.class)];
        (buffers.room(packet.buffer, usize::from(packet.start)), usize::from(packet.length))
    }

    /// The datagram's length from now on.
    ///
    /// # Panics
    /// It is longer than its room.
    pub fn resize(&mut self, packet: &mut Packet, length: usize) {
        assert!(length <= self.room_of(packet).0.len(), "a datagram stays within its room");
        packet.length = length as u16;
    }

    /// Gives the datagram's buffer back.
    pub fn release(&mut self, packet: Packet) {
        self.buffers[usize::from(packet.class)].put(packet.buffer);
    }

    /// Copies and sends. False if no slot was free or the socket is closed; that is counted as a failed send.
    pub fn send(&mut self, socket: SocketId, to: SocketAddr, bytes: &[u8]) -> bool {
        if self.joined(socket, to, bytes) {
            return true;
        }
        let slot = if self.sockets.open(socket) { self.sends.copy(to, bytes) } else { None };
        let Some((index, _)) = slot else {
            self.tally.send_failed += 1;
            return false;
        };
        if !self.awaits(socket, to, index) {
            let order = copied(socket, index, self.sends.slot(index));
            self.push(&order);
        }
        true
    }

    /// How many more sockets fit.
    pub fn room(&self) -> u32 {
        self.sockets.room()
    }

    /// Counts since the start.
    pub fn tally(&self) -> Tally {
        let Tally { sent, send_failed, .. } = self.tally;
        Tally { sent: sent.saturating_sub(self.refused), send_failed: send_failed + self.refused, ..self.tally }
    }

    fn received(&mut self, done: Completion) -> Option<Event> {
        let slot = (done.about & !KIND) as u32;
        let class = self.sockets.kind(slot).buffers();
        let closing = self.sockets.state(slot) == State::Closing;
        let packet = cqueue::buffer_select(done.flags).and_then(|buffer| {
            self.buffers[class].took();
            let packet = if done.result >= 0 && !closing { self.read(slot, class, buffer, done.result) } else { None };
            if packet.is_none() {
                self.buffers[class].put(buffer);
            }
            packet
        });
        if !cqueue::more(done.flags) {
            let starved = done.result == -libc::ENOBUFS && !self.buffers[class].ran_out();
            self.tally.starved += u64::from(starved);
            if closing {
                self.vacate(slot);
            } else {
                self.sockets.set(slot, State::Deaf);
                self.sockets.deaf.push(slot);
            }
        }
        self.tally.received += packet.as_ref().map_or(0, Packet::count);
        packet.map(Event::Datagram)
    }

    fn read(&mut self, slot: u32, class: usize, buffer: u16, length: i32) -> Option<Packet> {
        let bytes = self.buffers[class].bytes(buffer, 0, length as usize);
        let out = RecvMsgOut::parse(bytes, self.shape_of(slot)).ok()?;
        if out.is_payload_truncated() {
            self.tally.truncated += 1;
            return None;
        }
        let from = address::read(out.name_data())?;
        let steered = self.sockets.kind(slot) == Kind::Datagrams(Class::Steered);
        let (stamped, control) = stamp::split(out.control_data());
        let (each, control) = train::split(control);
        let port = if steered { forward::port(control) } else { 0 };
        let start = (bytes.len() - out.payload_data().len()) as u16;
        let length = out.payload_data().len() as u16;
        let socket = self.sockets.id(slot);
        Some(Packet { socket, from, port, class: class as u8, buffer, start, length, each, stamped })
    }

    /// How a receive buffer of this socket is laid out.
    fn shape_of(&self, slot: u32) -> &libc::msghdr {
        match self.sockets.kind(slot) {
            Kind::Datagrams(Class::Steered) => &self.steered_shape,
            Kind::Datagrams(Class::Signal | Class::Media) | Kind::Listener | Kind::Stream => &self.shape,
        }
    }

    fn sent(&mut self, done: Completion) -> Option<Event> {
        let index = (done.about & !KIND) as u32;
        let count = self.left(index, done.result);
        if done.result >= 0 {
            self.tally.sent += count;
        } else {
            self.tally.send_failed += count;
        }
        None
    }

    /// Orders what the kernel has stopped doing: receives that ran out of buffers, accepts, the doorbell.
    fn listen(&mut self) {
        for _ in 0..self.sockets.deaf.len() {
            let slot = self.sockets.deaf.swap_remove(0);
            match self.sockets.kind(slot) {
                Kind::Datagrams(_) => self.receive(slot),
                Kind::Listener => self.accept(slot),
                Kind::Stream => self.receive_stream(slot),
            }
        }
        if self.rest_until.is_some_and(|until| until <= Instant::now()) {
            self.rest_until = None;
            mem::take(&mut self.resting).into_iter().for_each(|slot| self.accept(slot));
        }
        if !self.listens {
            self.listens = true;
            let into = (&raw mut *self.rung).cast();
            self.push(&opcode::Read::new(Fd(self.doorbell.descriptor()), into, 8).build().user_data(BELL));
        }
    }

    fn receive(&mut self, slot: u32) {
        let group = self.buffers[self.sockets.kind(slot).buffers()].group();
        let order = opcode::RecvMsgMulti::new(Fixed(slot), self.shape_of(slot), group).build();
        self.sockets.set(slot, State::Listening);
        self.push(&order.user_data(RECEIVE | u64::from(slot)));
    }

    fn vacate(&mut self, slot: u32) {
        let _ = self.ring.submitter().register_files_update(slot, &[-1]);
        self.sockets.set(slot, State::Free);
    }

    fn push(&mut self, order: &squeue::Entry) {
        loop {
            // SAFETY: every order points into a send slot or its train, a receive buffer, a stream's bytes or address, the bell's word or a message
            // shape. All of them stay in place until the kernel is done with the order: slots and buffers are handed out again only by
            // `sent`, `received` and `settle`, a stream's memory is neither touched nor freed while `under_way` names the order, the
            // word and the shapes live as long as the ring, and `drop` waits for the rest.
            if unsafe { self.ring.submission().push(order) }.is_ok() {
                return;
            }
            // The queue is full: let the kernel take it. It refuses only while completions overflow, which the next wait clears.
            if self.ring.submit().is_err() {
                self.make_room();
            }
        }
    }

    /// Reads completions into the batch so that the kernel can go on.
    fn make_room(&mut self) {
        let fresh = self.ring.completion().map(|cqe: cqueue::Entry| Completion {
            about: cqe.user_data(),
            result: cqe.result(),
            flags: cqe.flags(),
        });
        self.batch.extend(fresh);
    }

    fn quiet(&self) -> bool {
        self.sends.under_way() == 0 && self.forwards.buffers.is_empty() && self.sockets.armed() == 0 && !self.listens
    }
}

impl Drop for Ring {
    /// Cancels everything and waits until the kernel has let go of our memory; if it does not, the process ends rather than reuse it.
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        for slot in 0..self.sockets.count() {
            let id = self.sockets.id(slot);
            self.close(id);
        }
        let _ = self.ring.submit();
        let _ = self.ring.submitter().register_sync_cancel(None, CancelBuilder::any().all());
        loop {
            while self.event().is_some() {}
            if self.quiet() {
                return;
            }
            // Listening to the doorbell again would never end: only what is under way is waited for.
            let limit = Timespec::from(Duration::from_millis(10));
            let _ = self.ring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&limit));
            self.batch.clear();
            self.next = 0;
            self.settle();
            self.make_room();
            assert!(Instant::now() < deadline, "the kernel keeps buffers of a ring that is going away");
        }
    }
}

/// The order to send what a slot holds.
fn copied(socket: SocketId, index: u32, slot: &Slot) -> squeue::Entry {
    opcode::Send::new(Fixed(socket.slot), slot.copy.as_ptr(), slot.copy.len() as u32)
        .dest_addr(slot.to.pointer())
        .dest_addr_len(slot.to.length())
        .build()
        .user_data(SEND | u64::from(index))
}
