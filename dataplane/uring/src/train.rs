//! A train: datagrams of one length that leave one socket for one address one after another. The kernel takes them as one and carries them through
//! its layers once (udp(7), `UDP_SEGMENT`); they part at the card, or at a socket that does not take trains (`UDP_GRO`).

use std::net::SocketAddr;
use std::{mem, ptr};

use crate::address::Raw;
use crate::sockets::SocketId;

/// Datagrams of a train at most: what the kernel takes since it takes any (`UDP_MAX_SEGMENTS`).
const DATAGRAMS_MAX: usize = 64;
/// Bytes of a train at most: thirty messages. The kernel takes four times that, which saves little more, in memory that no processor has at hand.
const BYTES_MAX: usize = 16_384;
/// Longer datagrams leave alone: what a path cannot carry whole the kernel does not cut into pieces if it is part of a train.
pub(crate) const EACH_MAX: usize = 1_400;

const HEAD: usize = size_of::<libc::cmsghdr>();
/// Bytes of the control message with which a train comes (cmsg(3)): a header, a number of four bytes, and what fills it up.
pub(crate) const EACH_BYTES: usize = HEAD + 8;

/// How long each datagram of a train is, from the control message that says so before any other; 0 if there is none. And those behind it.
pub(crate) fn split(control: &[u8]) -> (u16, &[u8]) {
    let word = |at: usize| Some(i32::from_ne_bytes(control.get(at..at + 4)?.try_into().ok()?));
    let about = (word(HEAD - 8), word(HEAD - 4));
    match (control.get(EACH_BYTES..), word(HEAD).and_then(|each| u16::try_from(each).ok())) {
        (Some(rest), Some(each)) if about == (Some(libc::SOL_UDP), Some(libc::UDP_GRO)) => (each, rest),
        _ => (0, control),
    }
}

/// One that leaves. It stays where it is while the kernel has it: it points into itself.
pub(crate) struct Train {
    pub(crate) socket: SocketId,
    pub(crate) to: SocketAddr,
    pub(crate) bytes: Vec<u8>,
    each: usize,
    count: u64,
    vector: libc::iovec,
    control: Control,
    head: libc::msghdr,
}

/// A control message (cmsg(3)) that says how long each datagram is.
#[repr(C)]
struct Control {
    head: libc::cmsghdr,
    each: u16,
}

impl Train {
    /// Empty, with memory for one of SIP's.
    pub(crate) fn boxed() -> Box<Train> {
        // SAFETY: all zeroes is a valid msghdr: no name, no vector, no control data. So is a cmsghdr of them.
        let (head, mut control_head): (libc::msghdr, libc::cmsghdr) = unsafe { (mem::zeroed(), mem::zeroed()) };
        control_head.cmsg_len = HEAD + size_of::<u16>();
        (control_head.cmsg_level, control_head.cmsg_type) = (libc::SOL_UDP, libc::UDP_SEGMENT);
        Box::new(Train {
            socket: SocketId { slot: 0, generation: 0 },
            to: SocketAddr::from(([0, 0, 0, 0], 0)),
            bytes: Vec::with_capacity(BYTES_MAX),
            each: 0,
            count: 0,
            vector: libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 },
            control: Control { head: control_head, each: 0 },
            head,
        })
    }

    /// Begins with this datagram.
    pub(crate) fn begin(&mut self, socket: SocketId, to: SocketAddr, first: &[u8]) {
        (self.socket, self.to, self.each, self.count) = (socket, to, first.len(), 1);
        self.bytes.clear();
        self.bytes.extend_from_slice(first);
    }

    /// Takes one more, if there is room; none follows one that is shorter.
    pub(crate) fn join(&mut self, bytes: &[u8]) -> bool {
        let (count, length) = (self.count as usize, self.bytes.len());
        let full = count == DATAGRAMS_MAX || length + bytes.len() > BYTES_MAX || length < count * self.each;
        if full || bytes.is_empty() || bytes.len() > self.each {
            return false;
        }
        self.bytes.extend_from_slice(bytes);
        self.count += 1;
        true
    }

    /// How many datagrams it is.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Its datagrams.
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks(self.each)
    }

    /// What the kernel reads, for as long as neither this nor the address is touched or moved.
    pub(crate) fn depart(&mut self, to: &Raw) -> *const libc::msghdr {
        self.control.each = self.each as u16;
        self.vector = libc::iovec { iov_base: self.bytes.as_mut_ptr().cast(), iov_len: self.bytes.len() };
        self.head.msg_name = to.pointer().cast_mut().cast();
        self.head.msg_namelen = to.length();
        self.head.msg_iov = &raw mut self.vector;
        self.head.msg_iovlen = 1;
        self.head.msg_control = (&raw mut self.control).cast();
        self.head.msg_controllen = size_of::<Control>();
        &raw const self.head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn train(first: usize) -> Box<Train> {
        let mut train = Train::boxed();
        train.begin(SocketId { slot: 1, generation: 0 }, SocketAddr::from(([127, 0, 0, 1], 9)), &vec![7; first]);
        train
    }

    #[test]
    fn a_train_takes_datagrams_of_one_length_and_a_shorter_one_at_its_end() {
        let mut some = train(400);
        for (length, joins) in [(400, true), (401, false), (0, false), (399, true), (399, false), (400, false)] {
            assert_eq!(some.join(&vec![8; length]), joins, "{length}");
        }
        let lengths: Vec<_> = some.datagrams().map(<[u8]>::len).collect();
        assert_eq!((some.count(), lengths), (3, vec![400, 400, 399]));
        for (each, most) in [(100, DATAGRAMS_MAX), (EACH_MAX, BYTES_MAX / EACH_MAX)] {
            let mut full = train(each);
            while full.join(&vec![8; each]) {}
            assert_eq!((full.count() as usize, full.datagrams().count()), (most, most), "{each}");
        }
    }

    #[test]
    fn a_control_message_that_is_short_or_about_something_else_divides_nothing() {
        let mut control = ((HEAD + 4) as u64).to_ne_bytes().to_vec();
        control.extend(libc::SOL_UDP.to_ne_bytes());
        control.extend(libc::UDP_GRO.to_ne_bytes());
        control.extend(472_i32.to_ne_bytes());
        control.extend([0; 4]);
        assert_eq!(split(&control), (472, &[][..]));
        assert!((0..EACH_BYTES).all(|length| split(&control[..length]) == (0, &control[..length])));
        let followed = [&control[..], &[1, 2, 3]].concat();
        assert_eq!(split(&followed), (472, &[1, 2, 3][..]));
        control[HEAD + 3] = 0xff;
        assert_eq!(split(&control).0, 0, "no length is negative");
        control[HEAD + 3] = 0;
        control[HEAD - 4] ^= 1;
        assert_eq!(split(&control).0, 0);
    }
}
