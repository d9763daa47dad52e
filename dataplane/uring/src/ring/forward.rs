//! Received datagrams that leave again from where they lie: from a socket of their own port, or from any port by a raw socket.

use std::io;
use std::net::SocketAddr;

use io_uring::types::Fixed;
use io_uring::{opcode, squeue};

use super::{Event, FORWARD, Packet, Ring, copied};
use crate::address;
use crate::head;
use crate::socket::RawSocket;
use crate::sockets::{Class, Kind, SocketId};

/// What the kernel needs to tell the port that a datagram came to: a header and an address (cmsg(3)).
pub(super) const PORT_BYTES: usize = CONTROL_HEAD + address::BYTES_MAX.next_multiple_of(8);
const CONTROL_HEAD: usize = size_of::<libc::cmsghdr>();

/// The port that a datagram came to, from the control message that says so; 0 if there is none.
pub(super) fn port(control: &[u8]) -> u16 {
    control.get(CONTROL_HEAD..).and_then(address::read).map_or(0, |to| to.port())
}

/// From which of our addresses a datagram leaves by a raw socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlet {
    /// The raw socket.
    pub socket: SocketId,
    /// Our address and port.
    pub from: SocketAddr,
    /// IPv4 type of service or IPv6 traffic class.
    pub traffic_class: u8,
}

impl Ring {
    /// Takes a raw socket in; its own descriptor may be closed.
    pub fn add_raw(&mut self, socket: &RawSocket) -> io::Result<SocketId> {
        let own = socket.copy()?;
        let id = self.place(Kind::Datagrams(Class::Media), socket.descriptor())?;
        self.raws.push((id.slot, own));
        Ok(id)
    }

    /// Sends the datagram on as it is. It is dropped and counted if the socket has no room at once: late media is worth nothing.
    pub fn forward(&mut self, packet: Packet, socket: SocketId, to: SocketAddr) {
        let (start, length) = (usize::from(packet.start), usize::from(packet.length));
        self.pass(packet, start, length, socket, to);
    }

    /// The same by a raw socket, from any of our ports, when the turn ends. Only datagrams of [`Class::Steered`] have the room for their
    /// headers; others are copied.
    pub fn forward_by(&mut self, packet: Packet, outlet: &Outlet, to: SocketAddr) {
        let Some(bytes) = head::bytes(outlet.from, to) else { return self.give_up(packet) };
        let Some(start) = usize::from(packet.start).checked_sub(bytes) else {
            let copied = self.bytes(&packet).to_vec();
            self.send_by(outlet, to, &copied);
            return self.release(packet);
        };
        let length = bytes + usize::from(packet.length);
        let room = self.buffers[usize::from(packet.class)].room(packet.buffer, start);
        head::write(&mut room[..length], outlet.from, to, outlet.traffic_class);
        if !self.sockets.open(outlet.socket) {
            return self.give_up(packet);
        }
        if !self.leaving.takes(outlet.socket.slot) {
            self.send_leaving();
        }
        let bytes = self.buffers[usize::from(packet.class)].bytes(packet.buffer, start, length);
        self.leaving.put(outlet.socket.slot, portless(to), bytes, (packet.class, packet.buffer));
    }

    /// Sends what leaves by a raw socket, and gives its buffers back.
    pub(super) fn send_leaving(&mut self) {
        if self.leaving.buffers.is_empty() {
            return;
        }
        let socket = self.raws.iter().find(|(slot, _)| *slot == self.leaving.socket);
        let (_, descriptor) = socket.expect("a datagram leaves by a raw socket that was taken in");
        self.refused += self.leaving.send(descriptor);
        self.tally.sent += self.leaving.buffers.len() as u64;
        for (class, buffer) in self.leaving.buffers.drain(..) {
            self.buffers[usize::from(class)].put(buffer);
        }
    }

    /// Copies and sends by a raw socket. False if no slot was free or the socket is closed; that is counted as a failed send.
    pub fn send_by(&mut self, outlet: &Outlet, to: SocketAddr, bytes: &[u8]) -> bool {
        let open = self.sockets.open(outlet.socket);
        let size = head::bytes(outlet.from, to).filter(|_| open);
        let Some((size, (index, slot))) = size.and_then(|size| Some((size, self.sends.copy(portless(to), &[])?)))
        else {
            self.tally.send_failed += 1;
            return false;
        };
        slot.copy.resize(size, 0);
        slot.copy.extend_from_slice(bytes);
        head::write(&mut slot.copy, outlet.from, to, outlet.traffic_class);
        let order = copied(outlet.socket, index, slot);
        self.push(&order);
        true
    }

    /// Orders a part of a datagram's buffer to be sent at once or never.
    fn pass(&mut self, packet: Packet, start: usize, length: usize, socket: SocketId, to: SocketAddr) {
        if self.forwards.is_full() {
            let _ = self.ring.submit();
            self.settle();
        }
        if self.forwards.is_full() || !self.sockets.open(socket) {
            return self.give_up(packet);
        }
        let bytes = self.buffers[usize::from(packet.class)].bytes(packet.buffer, start, length);
        let to = self.forwards.put(to, packet.class, packet.buffer);
        let order = opcode::Send::new(Fixed(socket.slot), bytes.as_ptr(), bytes.len() as u32)
            .flags(libc::MSG_DONTWAIT)
            .dest_addr(to.pointer())
            .dest_addr_len(to.length())
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS)
            .user_data(FORWARD);
        self.push(&order);
    }

    fn give_up(&mut self, packet: Packet) {
        self.tally.send_failed += 1;
        self.release(packet);
    }

    /// Gives the buffers of forwarded datagrams back if the kernel has taken every order, and with each carried it out.
    pub(super) fn settle(&mut self) {
        if self.forwards.buffers.is_empty() || !self.ring.submission().is_empty() {
            return;
        }
        self.tally.sent += self.forwards.buffers.len() as u64;
        for (class, buffer) in self.forwards.buffers.drain(..) {
            self.buffers[usize::from(class)].put(buffer);
        }
    }

    /// Only what could not be sent is told.
    pub(super) fn refused(&mut self) -> Option<Event> {
        self.refused += 1;
        None
    }
}

/// A raw socket's address has no port (raw(7), ipv6(7)).
fn portless(mut to: SocketAddr) -> SocketAddr {
    to.set_port(0);
    to
}
