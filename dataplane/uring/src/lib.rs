//! The packet path's system calls: an io_uring with sockets, receive buffers and send slots behind a safe face, and the host's cores and pages.
//!
//! This is the only room with `unsafe`. One rule carries it: **memory handed to the kernel stays where it is, untouched, until the
//! kernel is known to be done with it.** Receive buffers leave as [`Packet`]s, which only [`Ring::release`] and [`Ring::forward`] give
//! back; what [`Ring::send`] copies lives in a slot until its completion is read. A forwarded datagram has no completion: its send must
//! not wait, so the kernel carries it out while it takes the order, and the buffer is given back once the queue of orders is empty.
#![allow(unsafe_code)]

mod address;
mod buffers;
mod doorbell;
mod features;
mod head;
pub mod host;
mod pages;
mod ring;
mod sends;
pub mod socket;
mod sockets;
mod stamp;
mod streams;
pub mod sum;
mod train;

pub use doorbell::Doorbell;
pub use features::features;
pub use ring::{Event, Outlet, Packet, Ring, Settings, Tally};
pub use socket::{Listener, RawSocket, Stamping, UdpSocket};
pub use sockets::{Class, SocketId};
pub use streams::QUEUE_BYTES_MAX;
