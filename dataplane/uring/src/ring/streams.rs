//! Connections on the ring: accepted, made, read, written, closed.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Instant;

use io_uring::types::{CancelBuilder, Fixed};
use io_uring::{cqueue, opcode};

use super::{ACCEPT, CANCEL, CONNECT, Completion, Event, KIND, Packet, REST, Ring, STREAM_RECEIVE, STREAM_SEND};
use crate::socket::{self, Listener};
use crate::sockets::{Kind, STREAM_BUFFERS, SocketId, State};
use crate::streams::{CONNECTING, RECEIVING, SENDING, Stream};

impl Ring {
    /// Accepts connections from now on. The listener's own descriptor is closed; the ring's table holds it.
    pub fn add_listener(&mut self, listener: &Listener) -> io::Result<SocketId> {
        let id = self.place(Kind::Listener, listener.descriptor())?;
        self.accept(id.slot);
        Ok(id)
    }

    /// Orders a connection, from this address of ours if one is named. What is sent before it stands waits for it.
    pub fn connect(&mut self, from: Option<IpAddr>, to: SocketAddr, traffic_class: u8) -> io::Result<SocketId> {
        let descriptor = socket::unconnected(from, to, traffic_class)?;
        let id = self.place(Kind::Stream, descriptor.as_raw_fd())?;
        self.sockets.set(id.slot, State::Listening);
        self.streams.put(id.slot, Stream::new(to));
        let stream = self.streams.get(id.slot).expect("it was just put there");
        stream.under_way = CONNECTING;
        let order = opcode::Connect::new(Fixed(id.slot), stream.to.pointer(), stream.to.length()).build();
        self.push(&order.user_data(CONNECT | u64::from(id.slot)));
        Ok(id)
    }

    /// Copies and sends, in order, behind what was sent before. False if the connection is gone or its peer reads so slowly that
    /// [`crate::QUEUE_BYTES_MAX`] are waiting; that is counted as a failed send.
    pub fn send_stream(&mut self, id: SocketId, bytes: &[u8]) -> bool {
        let stream = if self.sockets.open(id) { self.streams.get(id.slot) } else { None };
        let taken = stream.is_some_and(|stream| stream.take(bytes));
        if taken {
            self.write(id.slot);
        } else {
            self.tally.send_failed += 1;
        }
        taken
    }

    /// Closes a connection once everything is sent; it hears nothing from now on.
    pub fn finish(&mut self, id: SocketId) {
        if !self.sockets.open(id) {
            return;
        }
        let Some(stream) = self.streams.get(id.slot) else { return };
        stream.finishing = true;
        if stream.is_empty() {
            self.close_stream(id.slot);
        }
    }

    pub(super) fn accept(&mut self, slot: u32) {
        self.sockets.set(slot, State::Listening);
        let order = opcode::AcceptMulti::new(Fixed(slot)).flags(libc::SOCK_CLOEXEC).build();
        self.push(&order.user_data(ACCEPT | u64::from(slot)));
    }

    pub(super) fn receive_stream(&mut self, slot: u32) {
        let Some(stream) = self.streams.get(slot) else { return };
        stream.under_way |= RECEIVING;
        self.sockets.set(slot, State::Listening);
        let order = opcode::RecvMulti::new(Fixed(slot), STREAM_BUFFERS as u16).build();
        self.push(&order.user_data(STREAM_RECEIVE | u64::from(slot)));
    }

    /// Orders what is next to send, if nothing is on its way.
    fn write(&mut self, slot: u32) {
        let Some(stream) = self.streams.get(slot) else { return };
        let Some(bytes) = stream.next() else { return };
        let order =
            opcode::Send::new(Fixed(slot), bytes.as_ptr(), bytes.len() as u32).flags(libc::MSG_NOSIGNAL).build();
        stream.under_way |= SENDING;
        self.push(&order.user_data(STREAM_SEND | u64::from(slot)));
    }

    pub(super) fn close_stream(&mut self, slot: u32) {
        self.sockets.deaf.retain(|deaf| *deaf != slot);
        self.sockets.set(slot, State::Closing);
        if self.streams.get(slot).is_some_and(|stream| stream.under_way != 0) {
            let all = CancelBuilder::fd(Fixed(slot)).all();
            self.push(&opcode::AsyncCancel2::new(all).build().user_data(CANCEL));
        } else {
            self.leave(slot);
        }
    }

    /// Frees a closed connection's place once the kernel has let go of all its orders.
    fn leave(&mut self, slot: u32) {
        if self.sockets.state(slot) == State::Closing
            && self.streams.get(slot).is_none_or(|stream| stream.under_way == 0)
        {
            self.streams.remove(slot);
            self.vacate(slot);
        }
    }

    fn is_open(&self, slot: u32) -> bool {
        matches!(self.sockets.state(slot), State::Listening | State::Deaf)
    }

    /// The kernel is done with one order of a connection.
    fn done_with(&mut self, slot: u32, order: u8) {
        if let Some(stream) = self.streams.get(slot) {
            stream.under_way &= !order;
        }
        self.leave(slot);
    }

    /// The network ended a connection.
    fn ended(&mut self, slot: u32, errno: i32) -> Option<Event> {
        let told = self.streams.get(slot).is_some_and(|stream| stream.finishing);
        let stream = self.sockets.id(slot);
        self.tally.broken += u64::from(errno != 0);
        self.close_stream(slot);
        (!told).then_some(Event::Ended { stream, errno })
    }

    pub(super) fn accepted(&mut self, done: Completion) -> Option<Event> {
        let slot = (done.about & !KIND) as u32;
        let closing = self.sockets.state(slot) == State::Closing;
        // SAFETY: a non-negative result of an accept is a descriptor that nobody else owns.
        let socket = (done.result >= 0).then(|| unsafe { OwnedFd::from_raw_fd(done.result) });
        if !cqueue::more(done.flags) {
            self.accept_ended(slot, closing, done.result);
        }
        let socket = socket.filter(|_| !closing)?;
        let listener = self.sockets.id(slot);
        let accepted = socket::accepted(socket).and_then(|(socket, from)| {
            let stream = self.place(Kind::Stream, socket.as_raw_fd())?;
            Ok((stream, from))
        });
        let Ok((stream, from)) = accepted else {
            self.tally.unaccepted += 1;
            return None;
        };
        self.tally.accepted += 1;
        self.streams.put(stream.slot, Stream::new(from));
        self.receive_stream(stream.slot);
        Some(Event::Accepted { listener, stream, from })
    }

    /// The kernel accepts no more by itself: at once again, or after a rest when it has no descriptor for us.
    fn accept_ended(&mut self, slot: u32, closing: bool, result: i32) {
        if closing {
            return self.vacate(slot);
        }
        self.sockets.set(slot, State::Deaf);
        if result >= 0 || matches!(-result, libc::ECONNABORTED | libc::EINTR) {
            self.sockets.deaf.push(slot);
        } else {
            self.tally.unaccepted += 1;
            self.resting.push(slot);
            self.rest_until = Some(Instant::now() + REST);
        }
    }

    pub(super) fn connected(&mut self, done: Completion) -> Option<Event> {
        let slot = (done.about & !KIND) as u32;
        self.done_with(slot, CONNECTING);
        if !self.is_open(slot) {
            return None;
        }
        if done.result < 0 {
            return self.ended(slot, -done.result);
        }
        self.tally.connected += 1;
        self.receive_stream(slot);
        self.write(slot);
        Some(Event::Connected(self.sockets.id(slot)))
    }

    pub(super) fn stream_received(&mut self, done: Completion) -> Option<Event> {
        let slot = (done.about & !KIND) as u32;
        let open = self.is_open(slot);
        let finishing = self.streams.get(slot).is_none_or(|stream| stream.finishing);
        let packet = cqueue::buffer_select(done.flags).and_then(|buffer| {
            self.buffers[STREAM_BUFFERS].took();
            if done.result > 0 && open && !finishing {
                let from = self.streams.get(slot).expect("an open stream is in the table").peer;
                let (class, length) = (STREAM_BUFFERS as u8, done.result as u16);
                let socket = self.sockets.id(slot);
                return Some(Packet {
                    socket,
                    from,
                    port: 0,
                    class,
                    buffer,
                    start: 0,
                    length,
                    each: 0,
                    stamped: false,
                });
            }
            self.buffers[STREAM_BUFFERS].put(buffer);
            None
        });
        if !cqueue::more(done.flags) {
            self.done_with(slot, RECEIVING);
            if open {
                return self.receive_ended(slot, done.result, packet);
            }
        }
        packet.map(Event::Bytes)
    }

    /// The kernel receives no more by itself: it ran out of buffers or of patience, or the stream is at its end.
    fn receive_ended(&mut self, slot: u32, result: i32, packet: Option<Packet>) -> Option<Event> {
        if result > 0 || result == -libc::ENOBUFS || result == -libc::EINTR {
            let starved = result == -libc::ENOBUFS && !self.buffers[STREAM_BUFFERS].ran_out();
            self.tally.starved += u64::from(starved);
            self.sockets.set(slot, State::Deaf);
            self.sockets.deaf.push(slot);
            return packet.map(Event::Bytes);
        }
        if result < 0 {
            return self.ended(slot, -result);
        }
        // The peer says no more, but it may still read what waits for it.
        let id = self.sockets.id(slot);
        let told = self.streams.get(slot).is_some_and(|stream| stream.finishing);
        self.finish(id);
        (!told).then_some(Event::Ended { stream: id, errno: 0 })
    }

    pub(super) fn stream_sent(&mut self, done: Completion) -> Option<Event> {
        let slot = (done.about & !KIND) as u32;
        self.done_with(slot, SENDING);
        if !self.is_open(slot) {
            return None;
        }
        if done.result < 0 && !matches!(-done.result, libc::EAGAIN | libc::EINTR) {
            self.tally.send_failed += 1;
            return self.ended(slot, -done.result);
        }
        let stream = self.streams.get(slot).expect("an open stream is in the table");
        stream.sent(done.result.max(0) as usize);
        let finished = stream.finishing && stream.is_empty();
        if finished {
            self.close_stream(slot);
        } else {
            self.write(slot);
        }
        None
    }
}
