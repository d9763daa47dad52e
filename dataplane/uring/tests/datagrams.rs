//! Datagrams through a real ring on the loopback interface.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use std::net::{SocketAddr, UdpSocket as Peer};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use uring::socket::{Options, UdpSocket};
use uring::{Class, Doorbell, Event, Outlet, RawSocket, Ring, Settings, SocketId};

const OPTIONS: Options = Options { shared: false, receive_bytes: 1 << 20, send_bytes: 1 << 20, traffic_class: 0 };
const SMALL: Settings = Settings { sockets: 64, sends: 64, signal_buffers: 8, media_buffers: 8, stream_buffers: 8 };
const PATIENCE: Duration = Duration::from_secs(120);

fn ring(settings: &Settings) -> Ring {
    Ring::new(settings, Doorbell::new().unwrap()).unwrap()
}

fn listen(ring: &mut Ring, class: Class) -> (SocketId, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap(), &OPTIONS).unwrap();
    (ring.add(&socket, class).unwrap(), socket.address())
}

fn peer() -> Peer {
    let peer = Peer::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    peer
}

/// Turns the ring until `done`; every datagram is answered as told.
fn turn(ring: &mut Ring, mut answer: impl FnMut(&mut Ring, Event), mut done: impl FnMut(&Ring) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done(ring) {
        assert!(Instant::now() < deadline, "the ring did not come to an end: {:?}", ring.tally());
        ring.wait(Duration::from_millis(20)).unwrap();
        while let Some(event) = ring.event() {
            answer(ring, event);
        }
    }
}

fn echo(ring: &mut Ring, event: Event) {
    if let Event::Datagram(packet) = event {
        let (socket, from) = (packet.socket, packet.from);
        ring.forward(packet, socket, from);
    }
}

#[test]
fn a_datagram_is_forwarded_from_its_own_receive_buffer() {
    let mut ring = ring(&SMALL);
    let (_, address) = listen(&mut ring, Class::Media);
    let peer = peer();
    // Many more than there are buffers: each must come back to the kernel.
    for round in 0..100u8 {
        peer.send_to(&[round; 172], address).unwrap();
        let sent = ring.tally().sent;
        turn(&mut ring, echo, |ring| ring.tally().sent > sent);
        let mut answer = [0; 256];
        let (length, from) = peer.recv_from(&mut answer).unwrap();
        assert_eq!((&answer[..length], from), (&[round; 172][..], address));
    }
    assert_eq!(ring.tally().send_failed, 0);
}

#[test]
fn datagrams_leave_by_a_raw_socket_in_order_and_one_that_is_refused_stops_no_other() {
    let Ok(raw) = RawSocket::open(false, 1 << 20) else {
        println!("!!! NOT RUN: raw sockets take CAP_NET_RAW");
        return;
    };
    const COUNT: u8 = 200;
    let mut ring = ring(&Settings { media_buffers: 256, ..SMALL });
    let (_, address) = listen(&mut ring, Class::Media);
    let outlet = ring.add_raw(&raw).unwrap();
    drop(raw);
    let (speaks, hears) = (peer(), peer());
    let to = hears.local_addr().unwrap();
    for round in 0..COUNT {
        speaks.send_to(&[round; 172], address).unwrap();
    }
    // Each from a port of its own; to this address the kernel sends nothing for whoever did not ask for broadcasts.
    let (nowhere, mut passed) = ("255.255.255.255:9".parse().unwrap(), 0_u16);
    let pass = |ring: &mut Ring, event: Event| {
        let Event::Datagram(packet) = event else { return };
        let from = SocketAddr::new(address.ip(), 20_000 + passed);
        let to = if passed % 10 == 7 { nowhere } else { to };
        passed += 1;
        ring.forward_by(packet, &Outlet { socket: outlet, from, traffic_class: 0 }, to);
    };
    turn(&mut ring, pass, |ring| ring.tally().sent + ring.tally().send_failed == u64::from(COUNT));
    assert_eq!((ring.tally().sent, ring.tally().send_failed), (180, 20));
    for round in (0..COUNT).filter(|round| round % 10 != 7) {
        let mut heard = [0; 256];
        let (length, from) = hears.recv_from(&mut heard).unwrap();
        assert_eq!((&heard[..length], from.port()), (&[round; 172][..], 20_000 + u16::from(round)));
    }
}

#[test]
fn a_turn_that_gathers_ends_with_its_window_once_something_came_or_with_its_limit() {
    let mut ring = ring(&SMALL);
    let (socket, address) = listen(&mut ring, Class::Signal);
    let peer = peer();
    let window = Duration::from_millis(1);
    for round in 0..20u8 {
        peer.send_to(&[round; 100], address).unwrap();
        // What we said ourselves is nothing that came.
        assert!(ring.send(socket, peer.local_addr().unwrap(), &[round]));
        ring.wait_gathering(Duration::from_secs(3_600), window).unwrap();
        let Some(Event::Datagram(packet)) = ring.event() else { panic!("{:?}", ring.tally()) };
        assert_eq!(ring.bytes(&packet), [round; 100]);
        ring.release(packet);
        assert!(ring.event().is_none());
        ring.wait_gathering(Duration::from_micros(100), window).unwrap();
        assert!(ring.event().is_none(), "nothing came, and it did not wait for ever");
    }
}

#[test]
fn what_was_said_before_is_no_reason_to_end_a_turn_that_gathers() {
    let mut ring = ring(&Settings { sends: 256, ..SMALL });
    if !ring.gathers() {
        return;
    }
    let (socket, address) = listen(&mut ring, Class::Signal);
    let peer = peer();
    // More than a full turn.
    for round in 0..100u8 {
        assert!(ring.send(socket, peer.local_addr().unwrap(), &[round]));
    }
    let speaks = std::thread::spawn(move || {
        for _ in 0..100 {
            assert_eq!(peer.recv(&mut [0; 1]).unwrap(), 1);
        }
        peer.send_to(b"late", address).unwrap();
    });
    // So long that a thread which has to wait for its processor speaks in it.
    ring.wait_gathering(Duration::from_secs(3_600), Duration::from_secs(1)).unwrap();
    let Some(Event::Datagram(packet)) = ring.event() else { panic!("{:?}", ring.tally()) };
    assert_eq!(ring.bytes(&packet), b"late");
    ring.release(packet);
    speaks.join().unwrap();
}

#[test]
fn what_came_of_a_send_at_once_is_taken_without_waiting() {
    let mut ring = ring(&SMALL);
    let (socket, address) = listen(&mut ring, Class::Signal);
    assert!(!ring.take(), "nothing was there");
    for round in 0..20u8 {
        // On loopback the kernel has delivered it when the send is over.
        assert!(ring.send(socket, address, &[round; 100]));
        assert!(ring.take());
        let Some(Event::Datagram(packet)) = ring.event() else { panic!("{:?}", ring.tally()) };
        assert_eq!(ring.bytes(&packet), [round; 100]);
        ring.release(packet);
        assert!(ring.event().is_none());
        assert!(ring.send(socket, peer().local_addr().unwrap(), &[round]));
        assert!(!ring.take(), "word that it was sent is nothing that came");
    }
    assert_eq!(ring.tally().sent, 40);
}

#[test]
fn a_datagram_is_changed_where_it_lies_and_grows() {
    let mut ring = ring(&SMALL);
    let (_, address) = listen(&mut ring, Class::Media);
    let peer = peer();
    for (length, grown) in [(172, 188), (172, 162), (1_400, 1_420)] {
        peer.send_to(&vec![1; length], address).unwrap();
        let sent = ring.tally().sent;
        let change = |ring: &mut Ring, event: Event| {
            let Event::Datagram(mut packet) = event else { return };
            let (room, came) = ring.room_of(&mut packet);
            assert_eq!((came, room[0]), (length, 1));
            room[..grown].fill(2);
            ring.resize(&mut packet, grown);
            let (socket, from) = (packet.socket, packet.from);
            ring.forward(packet, socket, from);
        };
        turn(&mut ring, change, |ring| ring.tally().sent > sent);
        let mut answer = [0; 2_048];
        let length = peer.recv(&mut answer).unwrap();
        assert_eq!(answer[..length], vec![2; grown]);
    }
}

#[test]
fn a_datagram_says_when_it_came_however_late_it_is_looked_at() {
    let mut ring = ring(&SMALL).with_arrivals();
    let (peer, deadline) = (peer(), Instant::now() + PATIENCE);
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let plain = || UdpSocket::bind("127.0.0.1:0".parse().unwrap(), &OPTIONS).unwrap();
    let steered = |address: &str| UdpSocket::steered(address.parse().unwrap(), &OPTIONS).unwrap();
    let peer6 = Peer::bind("[::1]:0").unwrap();
    for (socket, class) in [
        (plain(), Class::Signal),
        (plain(), Class::Media),
        (steered("127.0.0.1"), Class::Steered),
        (steered("::1"), Class::Steered),
    ] {
        socket.stamp().unwrap();
        ring.add(&socket, class).unwrap();
        let peer = if socket.address().is_ipv6() { &peer6 } else { &peer };
        let port = if class == Class::Steered { socket.address().port() } else { 0 };
        // The kernel begins to stamp a moment after it was asked to; until then it says when the datagram was read.
        loop {
            assert!(Instant::now() < deadline, "no datagram was stamped when it came");
            let sent = clock();
            peer.send_to(&[5; 172], socket.address()).unwrap();
            let there = clock();
            let mut came = None;
            let note = |ring: &mut Ring, event: Event| {
                let Event::Datagram(packet) = event else { return };
                assert_eq!((ring.bytes(&packet), packet.port), (&[5; 172][..], port));
                came = ring.arrival(&packet);
                ring.release(packet);
            };
            let heard = ring.tally().received;
            turn(&mut ring, note, |ring| ring.tally().received > heard);
            if came.is_some_and(|came| sent <= came && came <= there) {
                break;
            }
        }
    }
    let (_, address) = listen(&mut ring, Class::Signal);
    peer.send_to(&[1], address).unwrap();
    let unstamped = |ring: &mut Ring, event: Event| {
        let Event::Datagram(packet) = event else { return };
        assert_eq!(ring.arrival(&packet), None, "nobody asked this socket");
        ring.release(packet);
    };
    let heard = ring.tally().received;
    turn(&mut ring, unstamped, |ring| ring.tally().received > heard);
}

#[test]
fn a_signal_socket_takes_the_longest_datagram_and_copies_the_answer() {
    let mut ring = ring(&SMALL).with_arrivals();
    let socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap(), &OPTIONS).unwrap();
    socket.stamp().unwrap();
    ring.add(&socket, Class::Signal).unwrap();
    let (peer, address) = (peer(), socket.address());
    let long: Vec<u8> = (0..65_507u32).map(|place| place as u8).collect();
    peer.send_to(&long, address).unwrap();
    let answer = |ring: &mut Ring, event: Event| {
        if let Event::Datagram(packet) = event {
            let bytes = ring.bytes(&packet).to_vec();
            assert!(ring.send(packet.socket, packet.from, &bytes));
            ring.release(packet);
        }
    };
    turn(&mut ring, answer, |ring| ring.tally().sent == 1);
    let mut back = vec![0; 65_536];
    let (length, _) = peer.recv_from(&mut back).unwrap();
    assert_eq!(back[..length], long);
}

#[test]
fn media_longer_than_a_buffer_is_dropped_and_counted() {
    let mut ring = ring(&SMALL);
    let (_, address) = listen(&mut ring, Class::Media);
    peer().send_to(&[7; 4_000], address).unwrap();
    turn(&mut ring, |_, event| assert!(!matches!(event, Event::Datagram(_))), |ring| ring.tally().truncated == 1);
}

#[test]
fn a_burst_larger_than_all_buffers_is_received_to_the_last_datagram() {
    let mut ring = ring(&SMALL);
    let (_, address) = listen(&mut ring, Class::Media);
    let peer = peer();
    for number in 0..200u8 {
        peer.send_to(&[number; 100], address).unwrap();
    }
    let mut seen = Vec::new();
    let note = |ring: &mut Ring, event: Event| {
        if let Event::Datagram(packet) = event {
            seen.push(ring.bytes(&packet)[0]);
            ring.release(packet);
        }
    };
    turn(&mut ring, note, |ring| ring.tally().received == 200);
    assert_eq!(seen, (0..200).collect::<Vec<u8>>());
    assert!(ring.tally().starved > 0, "the burst was meant to exhaust the buffers");
}

#[test]
fn bursts_and_calm_come_whole_and_in_order_and_starve_nobody_while_buffers_are_left() {
    let mut ring = ring(&Settings { media_buffers: 256, ..SMALL });
    let (_, address) = listen(&mut ring, Class::Media);
    let peer = peer();
    let hear = |ring: &mut Ring, count: u64| {
        let (before, mut seen) = (ring.tally().received, Vec::new());
        let note = |ring: &mut Ring, event: Event| {
            if let Event::Datagram(packet) = event {
                seen.push(ring.bytes(&packet).to_vec());
                ring.release(packet);
            }
        };
        turn(ring, note, |ring| ring.tally().received == before + count);
        seen
    };
    // A burst makes the kernel have all buffers, the calm after it fewer again; the next burst finds it so.
    for round in 0..3u8 {
        for number in 0..200u8 {
            peer.send_to(&[number, round], address).unwrap();
        }
        let wanted: Vec<_> = (0..200u8).map(|number| vec![number, round]).collect();
        assert_eq!(hear(&mut ring, 200), wanted);
        for number in 0..4_500u32 {
            peer.send_to(&number.to_be_bytes(), address).unwrap();
            assert_eq!(hear(&mut ring, 1), [number.to_be_bytes()]);
        }
    }
    assert_eq!((ring.tally().starved, ring.tally().truncated), (0, 0));
}

#[test]
fn a_closed_socket_frees_its_port_and_its_place_and_hears_no_more() {
    let mut ring = ring(&SMALL);
    for _ in 0..200 {
        let (id, address) = listen(&mut ring, Class::Media);
        ring.close(id);
        assert!(!ring.send(id, address, b"late"), "a closed socket sends nothing");
        let rebound = |_: &Ring| Peer::bind(address).is_ok();
        turn(&mut ring, |_, event| assert!(!matches!(event, Event::Datagram(_))), rebound);
    }
}

#[test]
fn another_thread_wakes_a_sleeping_ring() {
    let doorbell = Doorbell::new().unwrap();
    let mut ring = Ring::new(&SMALL, doorbell.clone()).unwrap();
    let ringer = std::thread::spawn(move || {
        for _ in 0..3_000 {
            doorbell.ring();
            std::thread::yield_now();
        }
    });
    let started = Instant::now();
    let mut heard = false;
    while !heard {
        ring.fall_asleep();
        ring.wait(PATIENCE).unwrap();
        while let Some(event) = ring.event() {
            heard |= matches!(event, Event::Doorbell);
        }
        assert!(started.elapsed() < PATIENCE, "woken by the bell, not by the limit");
    }
    ringer.join().unwrap();
}

#[test]
fn a_ring_goes_away_while_sockets_listen() {
    let address = {
        let mut ring = ring(&SMALL);
        let (_, address) = listen(&mut ring, Class::Signal);
        ring.wait(Duration::ZERO).unwrap();
        address
    };
    // The kernel closes the ring's sockets some time after it.
    let deadline = Instant::now() + PATIENCE;
    while Peer::bind(address).is_err() {
        assert!(Instant::now() < deadline, "its port is free again");
        std::thread::sleep(Duration::from_millis(5));
    }
}
