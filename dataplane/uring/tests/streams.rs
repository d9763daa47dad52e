//! Connections through a real ring on the loopback interface.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use uring::{Doorbell, Event, Listener, QUEUE_BYTES_MAX, Ring, Settings, SocketId};

const SMALL: Settings = Settings { sockets: 64, sends: 64, signal_buffers: 8, media_buffers: 8, stream_buffers: 8 };
const PATIENCE: Duration = Duration::from_secs(120);
const HOSTS: [&str; 2] = ["127.0.0.1", "::1"];

/// A ring, and what it told of its connections.
struct Side {
    ring: Ring,
    accepted: VecDeque<(SocketId, SocketAddr)>,
    connected: Vec<SocketId>,
    ended: Vec<(SocketId, i32)>,
    heard: Vec<u8>,
}

impl Side {
    fn new(settings: &Settings) -> Side {
        let ring = Ring::new(settings, Doorbell::new().unwrap()).unwrap();
        Side { ring, accepted: VecDeque::new(), connected: Vec::new(), ended: Vec::new(), heard: Vec::new() }
    }

    fn listen(&mut self, host: &str) -> SocketAddr {
        let listener = Listener::bind((host.parse::<IpAddr>().unwrap(), 0).into(), true, 0).unwrap();
        self.ring.add_listener(&listener).unwrap();
        listener.address()
    }

    /// Turns the ring until `done` finds what it looks for.
    fn until<T>(&mut self, what: &str, mut done: impl FnMut(&mut Side) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = done(self) {
                return found;
            }
            assert!(Instant::now() < deadline, "{what}: {:?}", self.ring.tally());
            self.ring.wait(Duration::from_millis(10)).unwrap();
            while let Some(event) = self.ring.event() {
                match event {
                    Event::Accepted { stream, from, .. } => self.accepted.push_back((stream, from)),
                    Event::Connected(stream) => self.connected.push(stream),
                    Event::Ended { stream, errno } => self.ended.push((stream, errno)),
                    Event::Bytes(packet) => {
                        self.heard.extend_from_slice(self.ring.bytes(&packet));
                        self.ring.release(packet);
                    }
                    Event::Datagram(_) | Event::Doorbell => {}
                }
            }
        }
    }

    fn accept(&mut self) -> (SocketId, SocketAddr) {
        self.until("a connection comes", |side| side.accepted.pop_front())
    }

    fn ended(&mut self, stream: SocketId) -> i32 {
        let told = |side: &mut Side| side.ended.iter().find(|(ended, _)| *ended == stream).map(|(_, errno)| *errno);
        self.until("the connection ends", told)
    }
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place * 7 + place / 251) as u8).collect()
}

#[test]
fn a_peer_connects_is_heard_and_answered_over_both_families() {
    for host in HOSTS {
        let mut side = Side::new(&SMALL);
        let mut peer = TcpStream::connect(side.listen(host)).unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        let (stream, from) = side.accept();
        assert_eq!(from, peer.local_addr().unwrap());
        for round in 0..50 {
            let word = pattern(round * 40 + 1);
            peer.write_all(&word).unwrap();
            side.until("the bytes arrive", |side| (side.heard.len() == word.len()).then_some(()));
            assert_eq!(std::mem::take(&mut side.heard), word);
            assert!(side.ring.send_stream(stream, &word));
            side.ring.wait(Duration::ZERO).unwrap();
            let mut back = vec![0; word.len()];
            peer.read_exact(&mut back).unwrap();
            assert_eq!(back, word);
        }
        drop(peer);
        assert_eq!(side.ended(stream), 0);
        assert!(!side.ring.send_stream(stream, b"late"), "nothing goes to a connection that ended");
    }
}

#[test]
fn a_connection_is_made_from_the_address_that_is_named_and_what_was_said_before_it_stands_is_not_lost() {
    for (from, host) in [("127.0.0.9", "127.0.0.1"), ("::1", "::1")] {
        let server = TcpListener::bind((host, 0)).unwrap();
        let mut side = Side::new(&SMALL);
        let from: IpAddr = from.parse().unwrap();
        let stream = side.ring.connect(Some(from), server.local_addr().unwrap(), 0).unwrap();
        assert!(side.ring.send_stream(stream, b"one ") && side.ring.send_stream(stream, b"two"));
        side.until("it stands", |side| (side.connected == [stream]).then_some(()));
        let (mut peer, seen) = server.accept().unwrap();
        assert_eq!(seen.ip(), from);
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        // What the ring was told while it turned goes out with the next turn.
        side.ring.wait(Duration::ZERO).unwrap();
        let mut said = [0; 7];
        peer.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"one two");
        peer.write_all(b"three").unwrap();
        side.until("the answer comes", |side| (side.heard == b"three").then_some(()));
    }
}

#[test]
fn a_connection_that_nobody_takes_is_told_once_and_leaves_its_place() {
    let nobody = SocketAddr::from(([127, 0, 43, 1], 9));
    let mut side = Side::new(&SMALL);
    for _ in 0..200 {
        let stream = side.ring.connect(None, nobody, 0).unwrap();
        side.ring.send_stream(stream, b"never read");
        assert_ne!(side.ended(stream), 0);
        side.ended.clear();
    }
    assert_eq!((side.ring.tally().broken, side.ring.tally().connected), (200, 0));
}

#[test]
fn megabytes_arrive_whole_through_few_buffers() {
    let mut side = Side::new(&SMALL);
    let mut peer = TcpStream::connect(side.listen("127.0.0.1")).unwrap();
    let sent = pattern(3 << 20);
    let expected = sent.clone();
    let writer = std::thread::spawn(move || peer.write_all(&sent).map(|()| peer));
    side.until("all arrives", |side| (side.heard.len() == expected.len()).then_some(()));
    assert!(side.heard == expected);
    writer.join().unwrap().unwrap();
}

#[test]
fn a_peer_that_does_not_read_fills_a_bounded_queue_and_gets_all_that_was_taken() {
    let mut side = Side::new(&SMALL);
    let peer = TcpStream::connect(side.listen("127.0.0.1")).unwrap();
    let (stream, _) = side.accept();
    let piece = pattern(10_000);
    let mut taken = Vec::new();
    // The kernel's own buffers take some megabytes first.
    while side.ring.send_stream(stream, &piece) {
        taken.extend_from_slice(&piece);
        side.ring.wait(Duration::ZERO).unwrap();
        while side.ring.event().is_some() {}
        assert!(taken.len() < 256 << 20, "it must come to an end");
    }
    assert!(taken.len() >= QUEUE_BYTES_MAX - piece.len());
    let count = taken.len();
    let reader = std::thread::spawn(move || {
        let mut peer = peer;
        let mut got = vec![0; count];
        peer.read_exact(&mut got).map(|()| (peer, got))
    });
    side.until("it reads", |_| reader.is_finished().then_some(()));
    let (_peer, got) = reader.join().unwrap().unwrap();
    assert!(got == taken);
    assert!(side.ring.send_stream(stream, b"room again"));
}

#[test]
fn a_finished_connection_says_all_before_it_closes() {
    let mut side = Side::new(&SMALL);
    let mut peer = TcpStream::connect(side.listen("127.0.0.1")).unwrap();
    let (stream, _) = side.accept();
    let last = pattern(QUEUE_BYTES_MAX);
    assert!(side.ring.send_stream(stream, &last));
    side.ring.finish(stream);
    assert!(!side.ring.send_stream(stream, b"more"), "what is finished takes nothing more");
    let reader = std::thread::spawn(move || {
        let mut got = Vec::new();
        peer.read_to_end(&mut got).map(|_| got)
    });
    side.until("it reads to the end", |_| reader.is_finished().then_some(()));
    assert!(reader.join().unwrap().unwrap() == last);
    assert!(side.ended.is_empty(), "who closes needs not be told");
}

#[test]
fn a_peer_that_said_its_last_word_still_reads_the_answer() {
    let mut side = Side::new(&SMALL);
    let mut peer = TcpStream::connect(side.listen("::1")).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let (stream, _) = side.accept();
    peer.write_all(b"question").unwrap();
    side.until("it is heard", |side| (side.heard == b"question").then_some(()));
    let answer = pattern(200_000);
    assert!(side.ring.send_stream(stream, &answer));
    peer.shutdown(Shutdown::Write).unwrap();
    let reader = std::thread::spawn(move || {
        let mut got = Vec::new();
        peer.read_to_end(&mut got).map(|_| got)
    });
    side.until("it reads to the end", |_| reader.is_finished().then_some(()));
    assert!(reader.join().unwrap().unwrap() == answer);
    assert_eq!(side.ended, [(stream, 0)]);
}

#[test]
fn closed_connections_give_their_places_back_and_too_many_are_turned_away() {
    let mut side = Side::new(&Settings { sockets: 8, ..SMALL });
    let address = side.listen("127.0.0.1");
    for _ in 0..10 {
        let peers: Vec<TcpStream> = (0..7).map(|_| TcpStream::connect(address).unwrap()).collect();
        let streams: Vec<SocketId> = peers.iter().map(|_| side.accept().0).collect();
        let before = side.ring.tally().unaccepted;
        let mut extra = TcpStream::connect(address).unwrap();
        extra.set_read_timeout(Some(PATIENCE)).unwrap();
        side.until("the eighth is turned away", |side| (side.ring.tally().unaccepted > before).then_some(()));
        assert!(!matches!(extra.read(&mut [0; 1]), Ok(1..)));
        for (stream, mut peer) in streams.into_iter().zip(peers) {
            side.ring.close(stream);
            peer.set_read_timeout(Some(PATIENCE)).unwrap();
            let reader = std::thread::spawn(move || peer.read(&mut [0; 1]));
            side.until("the peer is told", |_| reader.is_finished().then_some(()));
            assert_eq!(reader.join().unwrap().unwrap(), 0);
        }
    }
}

#[test]
fn a_ring_goes_away_while_connections_are_made_heard_and_written() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut side = Side::new(&SMALL);
    let address = side.listen("127.0.0.1");
    let _peer = TcpStream::connect(address).unwrap();
    let (stream, _) = side.accept();
    while side.ring.send_stream(stream, &[9; 60_000]) {}
    // An address that never answers: the connect is under way when the ring goes.
    let _ = side.ring.connect(None, server.local_addr().unwrap(), 0).unwrap();
    side.ring.wait(Duration::ZERO).unwrap();
    drop(side);
    assert!(TcpListener::bind(address).is_ok(), "its port is free again");
}
