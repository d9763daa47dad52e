//! The least that a relay over sockets can do: one socket, one recvmmsg, one sendmmsg. What our relay is measured against.
#![allow(unsafe_code)] // recvmmsg and sendmmsg have no safe face; this program is a ruler, not part of the switch.

use std::mem;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::atomic::Ordering;

use crate::{Progress, Turn};

const BATCH: usize = 64;
const BYTES: usize = 2_048;

/// The loop's memory.
pub struct Bare {
    socket: UdpSocket,
    peer: libc::sockaddr_in,
    memory: Box<[[u8; BYTES]; BATCH]>,
    names: Box<[libc::sockaddr_in; BATCH]>,
}

impl Bare {
    /// Sends everything back to this peer.
    pub fn new(socket: UdpSocket, peer: SocketAddr) -> Bare {
        let SocketAddr::V4(v4) = peer else { panic!("the yardstick speaks IPv4") };
        socket.set_read_timeout(Some(std::time::Duration::from_millis(100))).expect("a time-out");
        let peer = libc::sockaddr_in {
            sin_family: libc::AF_INET as u16,
            sin_port: v4.port().to_be(),
            sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
            sin_zero: [0; 8],
        };
        Bare { socket, peer, memory: Box::new([[0; BYTES]; BATCH]), names: Box::new([peer; BATCH]) }
    }
}

impl Turn for Bare {
    fn turn(&mut self, progress: &Progress) {
        // SAFETY: zeroes are valid for both structures; every pointer is filled in below.
        let mut vectors: [libc::iovec; BATCH] = unsafe { mem::zeroed() };
        // SAFETY: as above.
        let mut messages: [libc::mmsghdr; BATCH] = unsafe { mem::zeroed() };
        for (place, message) in messages.iter_mut().enumerate() {
            vectors[place] = libc::iovec { iov_base: self.memory[place].as_mut_ptr().cast(), iov_len: BYTES };
            message.msg_hdr.msg_iov = &raw mut vectors[place];
            message.msg_hdr.msg_iovlen = 1;
            message.msg_hdr.msg_name = (&raw mut self.names[place]).cast();
            message.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
        }
        let descriptor = self.socket.as_raw_fd();
        // SAFETY: the messages point into memory of this turn and of `self`, both alive and large enough.
        let received = unsafe {
            libc::recvmmsg(descriptor, messages.as_mut_ptr(), BATCH as u32, libc::MSG_WAITFORONE, ptr::null_mut())
        };
        let Ok(received) = u32::try_from(received) else { return };
        for place in 0..received as usize {
            vectors[place].iov_len = messages[place].msg_len as usize;
            messages[place].msg_hdr.msg_name = (&raw mut self.peer).cast();
        }
        // SAFETY: as above; the first `received` messages hold what was received.
        let sent = unsafe { libc::sendmmsg(descriptor, messages.as_mut_ptr(), received, 0) };
        progress.relayed.fetch_add(sent.max(0) as u64, Ordering::Relaxed);
    }
}
