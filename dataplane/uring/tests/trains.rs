//! Datagrams that leave together, through a real ring on the loopback interface.
#![allow(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use std::net::{SocketAddr, UdpSocket as Peer};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use uring::socket::{Options, UdpSocket};
use uring::{Class, Doorbell, Event, Ring, Settings, SocketId};

const OPTIONS: Options = Options { shared: false, receive_bytes: 1 << 20, send_bytes: 1 << 20, traffic_class: 0 };
const SMALL: Settings = Settings { sockets: 64, sends: 64, signal_buffers: 8, media_buffers: 8, stream_buffers: 8 };
const PATIENCE: Duration = Duration::from_secs(120);
/// Ten of a length and a shorter one; three that would have been of their length; a longer one; one without anything.
const LENGTHS: [usize; 16] = [500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 400, 500, 500, 500, 700, 0];

fn ring() -> Ring {
    Ring::new(&SMALL, Doorbell::new().unwrap()).unwrap().with_arrivals().with_trains()
}

fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0".parse().unwrap(), &OPTIONS).unwrap()
}

fn listen(ring: &mut Ring) -> SocketId {
    ring.add(&socket(), Class::Signal).unwrap()
}

fn send_all(ring: &mut Ring, from: SocketId, to: SocketAddr) {
    for (nth, length) in LENGTHS.iter().enumerate() {
        assert!(ring.send(from, to, &vec![nth as u8; *length]));
    }
}

/// Turns the ring until this is so; what came, as lengths of what came together and of each.
fn turn(ring: &mut Ring, done: impl Fn(&Ring) -> bool) -> Vec<(Vec<u8>, usize)> {
    let (deadline, mut came) = (Instant::now() + PATIENCE, Vec::new());
    while !done(ring) {
        assert!(Instant::now() < deadline, "the ring did not come to an end: {:?}", ring.tally());
        ring.wait(Duration::from_millis(20)).unwrap();
        while let Some(event) = ring.event() {
            if let Event::Datagram(packet) = event {
                came.push((ring.bytes(&packet).to_vec(), packet.each()));
                ring.release(packet);
            }
        }
    }
    came
}

/// A socket of somebody who knows nothing of trains hears all of them, one by one and in order.
fn hears_all(peer: &Peer) {
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut heard = [0; 2_048];
    for (nth, wanted) in LENGTHS.iter().enumerate() {
        let length = peer.recv(&mut heard).unwrap();
        assert_eq!(heard[..length], vec![nth as u8; *wanted], "datagram {nth}");
    }
}

#[test]
fn what_left_together_comes_together_where_that_is_wanted() {
    let (mut ring, wants) = (ring(), socket());
    let from = listen(&mut ring);
    wants.stamp().unwrap();
    wants.take_trains().unwrap();
    ring.add(&wants, Class::Signal).unwrap();
    send_all(&mut ring, from, wants.address());
    let came = turn(&mut ring, |ring| ring.tally().received == LENGTHS.len() as u64);
    let shapes: Vec<_> = came.iter().map(|(bytes, each)| (bytes.len(), *each)).collect();
    assert_eq!(shapes, [(5_400, 500), (1_500, 500), (700, 700), (0, 0)]);
    let sent = LENGTHS.iter().enumerate().flat_map(|(nth, length)| vec![nth as u8; *length]);
    assert!(came.iter().flat_map(|(bytes, _)| bytes).copied().eq(sent), "{came:?}");
    turn(&mut ring, |ring| ring.tally().sent == LENGTHS.len() as u64);
}

#[test]
fn whoever_knows_no_trains_hears_each_datagram_even_of_a_socket_that_closes() {
    let mut ring = ring();
    let (from, peer) = (listen(&mut ring), Peer::bind("127.0.0.1:0").unwrap());
    send_all(&mut ring, from, peer.local_addr().unwrap());
    turn(&mut ring, |ring| ring.tally().sent == LENGTHS.len() as u64);
    hears_all(&peer);
    send_all(&mut ring, from, peer.local_addr().unwrap());
    ring.close(from);
    assert!(!ring.send(from, peer.local_addr().unwrap(), b"closed"));
    turn(&mut ring, |ring| ring.tally().sent == 2 * LENGTHS.len() as u64);
    hears_all(&peer);
}

#[test]
fn a_path_that_refuses_a_train_gets_its_datagrams_one_by_one() {
    let (mut ring, bare) = (ring(), socket());
    let (yes, length) = (1_i32, size_of::<i32>() as libc::socklen_t);
    // udp(7): without checksums the kernel divides nothing (EINVAL).
    // SAFETY: the kernel reads one integer of this length.
    let outcome = unsafe {
        let descriptor = bare.as_fd().as_raw_fd();
        libc::setsockopt(descriptor, libc::SOL_SOCKET, libc::SO_NO_CHECK, (&raw const yes).cast(), length)
    };
    assert_eq!(outcome, 0);
    let (from, peer) = (ring.add(&bare, Class::Signal).unwrap(), Peer::bind("127.0.0.1:0").unwrap());
    for round in 1..=3 {
        for (nth, length) in LENGTHS.iter().enumerate().take(10) {
            assert!(ring.send(from, peer.local_addr().unwrap(), &vec![nth as u8; *length]));
        }
        turn(&mut ring, |ring| ring.tally().sent == 10 * round);
        let mut heard = [0; 2_048];
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        for nth in 0..10 {
            let length = peer.recv(&mut heard).unwrap();
            assert_eq!(heard[..length], [nth; 500], "round {round}");
        }
    }
    assert_eq!(ring.tally().send_failed, 0);
}

#[test]
fn each_datagram_of_a_train_that_may_not_leave_is_counted() {
    let mut ring = ring();
    let from = listen(&mut ring);
    // To this address the kernel sends nothing for whoever did not ask for broadcasts.
    send_all(&mut ring, from, "255.255.255.255:9".parse().unwrap());
    turn(&mut ring, |ring| ring.tally().send_failed == LENGTHS.len() as u64);
    assert_eq!(ring.tally().sent, 0);
}
