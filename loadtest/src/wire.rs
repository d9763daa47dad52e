//! What callers and callees of one worker share: sockets, timers, counters.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use rustix::event::epoll;
use socket2::{Domain, Protocol, Socket, Type};

use crate::clock::{Clock, MS};
use crate::plan::Plan;
use crate::tally::{Board, CallLine, Codes, Latencies};

/// RFC 3261 §17.1.1.1: the round-trip estimate that retransmission starts from.
pub const T1: u64 = 500 * MS;
/// RFC 3261 §17.1.2.2: the longest wait between retransmissions of a request other than INVITE.
pub const T2: u64 = 4_000 * MS;
/// RFC 3261: a transaction is given up after this.
pub const GIVE_UP: u64 = 64 * T1;
/// How long an ended call is kept to answer what is repeated.
pub const LINGER: u64 = 8_000 * MS;

/// One end of one call of this worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// The caller's end, by the call's place in the plan.
    Caller(u32),
    /// The callee's end, by a count of this worker.
    Callee(u32),
}

/// What a timer is for; each end of a call has at most one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Send the last message again.
    Resend,
    /// Stop waiting.
    GiveUp,
    /// The next thing in the script: ring, answer, release, cancel.
    Act,
    /// The next packet of media.
    Packet,
}

/// When each timer of one end is due; 0 for never. An entry of the heap that differs is outdated.
pub type Dues = [u64; 4];

/// What became ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// A SIP socket, by index.
    Sip(usize),
    /// The media socket of one end of a call.
    Media(Who),
}

/// Sockets, timers and counters of one worker.
pub struct Wire {
    /// The run's clock.
    pub clock: Clock,
    /// What is to happen.
    pub plan: Arc<Plan>,
    /// What both ends know.
    pub board: Arc<Board>,
    /// This worker's latencies.
    pub latencies: Latencies,
    /// This worker's final responses.
    pub codes: Codes,
    /// Finished calls go here.
    pub lines: Option<Sender<CallLine>>,
    /// Where INVITEs go.
    pub target: SocketAddr,
    sockets: Vec<UdpSocket>,
    frozen: Vec<u64>,
    poll: OwnedFd,
    timers: BinaryHeap<Reverse<(u64, Who, Kind)>>,
}

impl Wire {
    /// Without sockets yet.
    pub fn new(
        clock: Clock,
        plan: Arc<Plan>,
        board: Arc<Board>,
        lines: Option<Sender<CallLine>>,
        target: SocketAddr,
    ) -> io::Result<Wire> {
        Ok(Wire {
            clock,
            plan,
            board,
            latencies: Latencies::default(),
            codes: Codes::new(),
            lines,
            target,
            sockets: Vec::new(),
            frozen: Vec::new(),
            poll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            timers: BinaryHeap::new(),
        })
    }

    /// Opens a SIP socket and returns its index.
    pub fn listen(&mut self, at: SocketAddr) -> io::Result<usize> {
        let socket = Socket::new(Domain::for_address(at), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        // The kernel may grant less; a burst that it drops is sent again and counted as such.
        socket.set_recv_buffer_size(8 << 20)?;
        socket.set_send_buffer_size(4 << 20)?;
        socket.bind(&at.into())?;
        let index = self.sockets.len();
        let socket = UdpSocket::from(socket);
        epoll::add(&self.poll, &socket, epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN)?;
        self.sockets.push(socket);
        self.frozen.push(0);
        Ok(index)
    }

    /// Opens a media socket of one end of a call on this address.
    pub fn open_media(&mut self, who: Who, at: IpAddr) -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind(SocketAddr::new(at, 0))?;
        socket.set_nonblocking(true)?;
        let token = match who {
            Who::Caller(place) => 1 << 32 | u64::from(place),
            Who::Callee(count) => 2 << 32 | u64::from(count),
        };
        epoll::add(&self.poll, &socket, epoll::EventData::new_u64(token), epoll::EventFlags::IN)?;
        Ok(socket)
    }

    /// Waits until something is ready, at most until this moment on the run's clock.
    pub fn wait(&mut self, until: u64, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        let left = until.saturating_sub(self.clock.now());
        let timeout = rustix::event::Timespec { tv_sec: 0, tv_nsec: left.min(999_999_999) as _ };
        let mut events: Vec<epoll::Event> = Vec::with_capacity(256);
        match epoll::wait(&self.poll, rustix::buffer::spare_capacity(&mut events), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        ready.extend(events.iter().map(|event| {
            let token = event.data.u64();
            match token >> 32 {
                0 => Ready::Sip(token as usize),
                1 => Ready::Media(Who::Caller(token as u32)),
                _ => Ready::Media(Who::Callee(token as u32)),
            }
        }));
        Ok(())
    }

    /// Neither listens to a SIP socket nor acts for it until this moment; 0 ends that. What comes meanwhile waits in the kernel, as long as
    /// that has room.
    pub fn freeze(&mut self, socket: usize, till: u64) -> io::Result<()> {
        self.frozen[socket] = till;
        let (poll, socket, index) = (&self.poll, &self.sockets[socket], socket as u64);
        Ok(match till {
            0 => epoll::add(poll, socket, epoll::EventData::new_u64(index), epoll::EventFlags::IN)?,
            _ => epoll::delete(poll, socket)?,
        })
    }

    /// Until when this socket's terminator stands still; 0 if it does not.
    pub fn frozen(&self, socket: usize) -> u64 {
        self.frozen[socket]
    }

    /// One datagram from a SIP socket, if there is one.
    pub fn receive(&self, socket: usize, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        self.sockets[socket].recv_from(buffer).ok()
    }

    /// Sends a datagram; a full buffer loses it, as a network would.
    pub fn send(&self, socket: usize, to: SocketAddr, bytes: &[u8]) {
        let _ = self.sockets[socket].send_to(bytes, to);
    }

    /// The address that a SIP socket has.
    pub fn address(&self, socket: usize) -> SocketAddr {
        self.sockets[socket].local_addr().expect("a bound socket has an address")
    }

    /// Sets a timer; 0 stops it.
    pub fn arm(&mut self, dues: &mut Dues, who: Who, kind: Kind, due: u64) {
        dues[kind as usize] = due;
        if due > 0 {
            self.timers.push(Reverse((due, who, kind)));
        }
    }

    /// The next timer that is due by now.
    pub fn pop(&mut self, now: u64) -> Option<(u64, Who, Kind)> {
        match self.timers.peek() {
            Some(Reverse(first)) if first.0 <= now => self.timers.pop().map(|Reverse(first)| first),
            _ => None,
        }
    }

    /// When the next timer is due.
    pub fn next_due(&self) -> Option<u64> {
        self.timers.peek().map(|Reverse(first)| first.0)
    }
}
