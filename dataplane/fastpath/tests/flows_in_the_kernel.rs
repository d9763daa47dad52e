//! Real packets through the program in real network namespaces. The receiving kernel checks every checksum.
#![allow(clippy::expect_used, reason = "tests")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use fastpath::{Count, FastPath, Flow, Flows, Hops, Links, Mode, mark};
use support::{PORT_LOW, World, marks, may_run, next, rtp};

fn at(address: &str) -> SocketAddr {
    address.parse().expect("an address")
}

/// Payload types of the tests' flows: 0 and 100.
const TYPES: u128 = 1 | 1 << 100;

/// Joins one direction, by the way that the kernel knows now.
fn join(handles: &mut Handles, ends: [&str; 4]) {
    join_from(handles, ends, false);
}

/// The same, perhaps of one that user space may still have packets of.
fn join_from(handles: &mut Handles, [local, peer, from, to]: [&str; 4], behind: bool) {
    let Handles { flows, hops, links } = handles;
    let (hop, _) = hops.find(at(from).ip(), at(to).ip()).expect("the table has room");
    hops.refresh(links).expect("netlink answers");
    let (local, peer, from, to) = (at(local), at(peer), at(from), at(to));
    let flow = Flow { local, peer, from, to, class: 0xb8, hop, clock_rate: 8_000, types: TYPES, behind };
    assert!(flows.join(&flow).expect("the kernel takes it"), "all of one family");
}

struct Handles {
    flows: Flows,
    hops: Hops,
    links: Links,
}

fn handles(world: &World, path: FastPath) -> (Handles, FastPath) {
    world.as_switch(move || {
        let flows = path.flows().expect("tables");
        let hops = path.hops().expect("ways");
        (Handles { flows, hops, links: Links::open().expect("netlink") }, path)
    })
}

/// Makes the switch's kernel learn who has an address: one packet of the slow path.
fn meet(world: &World, from: &str, to: &str) {
    let socket = world.ours(from);
    let peer = world.peer(to);
    socket.send_to(b"hello", at(to)).expect("sent");
    assert_eq!(next(&peer).0, b"hello");
}

/// By the same cable and by another, each family, each hook; marked as speech, with hops enough for any way.
#[test]
fn packets_leave_for_the_other_peer_with_our_address() {
    if !may_run() {
        return;
    }
    for mode in [Mode::Xdp, Mode::Tc] {
        for (a, b) in [
            ("192.0.2", "192.0.2"),
            ("192.0.2", "198.51.100"),
            ("[2001:db8:a::", "[2001:db8:b::"),
            ("[2001:db8:a::", "[2001:db8:a::"),
        ] {
            let world = World::addressed();
            let end = |net: &str, host: u16, port: u16| {
                if net.starts_with('[') { format!("{net}{host}]:{port}") } else { format!("{net}.{host}:{port}") }
            };
            let (local, from) = (end(a, 1, PORT_LOW), end(b, 1, PORT_LOW + 2));
            let (speaker, listener) = (end(a, 2, 4_000), end(b, 3, 6_000));
            meet(&world, &end(b, 1, 9), &end(b, 3, 9));
            let (path, _listening) = world.fast_path(mode);
            let (mut handles, path) = handles(&world, path);
            join(&mut handles, [&local, &speaker, &from, &listener]);
            let (talking, hearing, watching) = (world.peer(&speaker), world.peer(&listener), world.watch());
            for sequence in 0..50 {
                talking.send_to(&rtp(sequence, 7), at(&local)).expect("sent");
                assert_eq!(next(&hearing), (rtp(sequence, 7), at(&from)), "{mode:?} from {speaker} to {listener}");
                assert_eq!(marks(&watching, 6_000), (0xb8, 64), "{mode:?} from {speaker} to {listener}");
            }
            let heard = handles.flows.part(PORT_LOW).expect("parted");
            assert_eq!((heard.packets, heard.bytes, heard.lost, heard.reordered), (50, 50 * 172, 0, 0));
            assert_eq!(path.counts().expect("counts").get(Count::Relayed).expect("a count"), 50);
        }
    }
}

/// A stranger, RTCP on the same port, what is no RTP, and all after the parting: each reaches our socket.
#[test]
fn everything_else_goes_up() {
    if !may_run() {
        return;
    }
    for mode in [Mode::Xdp, Mode::Tc] {
        let world = World::addressed();
        meet(&world, "198.51.100.1:9", "198.51.100.3:9");
        let (path, _listening) = world.fast_path(mode);
        let (mut handles, path) = handles(&world, path);
        let ends = ["192.0.2.1:20000", "192.0.2.2:4000", "198.51.100.1:20002", "198.51.100.3:6000"];
        join(&mut handles, ends);
        let ours = world.ours("192.0.2.1:20000");
        let (peer, stranger) = (world.peer("192.0.2.2:4000"), world.peer("192.0.2.3:4000"));
        let expect_up = |socket: &std::net::UdpSocket, bytes: &[u8]| {
            socket.send_to(bytes, at(ends[0])).expect("sent");
            assert_eq!(next(&ours), (bytes.to_vec(), socket.local_addr().expect("bound")), "{mode:?}");
        };
        expect_up(&stranger, &rtp(1, 666));
        let receiver_report = [0x80, 201, 0, 1, 0, 0, 0, 7, 0, 0, 0, 0];
        expect_up(&peer, &receiver_report);
        expect_up(&peer, b"\x00\x01\x00\x00 a STUN request perhaps");
        expect_up(&peer, b"x");
        for payload_type in [1, 31, 32, 99, 101, 127] {
            let mut undescribed = rtp(1, 7);
            undescribed[1] = payload_type;
            expect_up(&peer, &undescribed);
        }
        // Contributing sources and an extension that end behind the packet, and such that end within it.
        let with = |first: u8, words: u8| {
            let mut packet = rtp(3, 7);
            packet[0] = first;
            packet[12 + 4 * usize::from(first & 15)..][..4].copy_from_slice(&[0xbe, 0xde, 0, words]);
            packet
        };
        for (first, words, bytes) in [(0x8f, 0, 71), (0x90, 0, 15), (0x90, 40, 172), (0x92, 38, 172)] {
            expect_up(&peer, &with(first, words)[..bytes]);
        }
        let heard = handles.flows.part(PORT_LOW).expect("parted");
        assert_eq!(heard.packets, 0, "nobody of the call was heard");
        join(&mut handles, ends);
        let hearing = world.peer(ends[3]);
        for (first, words, bytes) in [(0x8f, 0, 72), (0x90, 0, 16), (0x90, 39, 172), (0x92, 37, 172)] {
            peer.send_to(&with(first, words)[..bytes], at(ends[0])).expect("sent");
            assert_eq!(next(&hearing).0, with(first, words)[..bytes], "{mode:?}");
        }
        handles.flows.part(PORT_LOW).expect("parted");
        expect_up(&peer, &rtp(2, 7));
        let counts = path.counts().expect("counts");
        let of = |what| counts.get(what).expect("a count");
        assert_eq!((of(Count::Stranger), of(Count::NotRtp), of(Count::NotJoined)), (1, 13, 1));
    }
}

/// Lost, late and doubled packets and a new source are told apart as RFC 3550 does.
#[test]
fn what_was_heard_is_counted() {
    if !may_run() {
        return;
    }
    let world = World::addressed();
    meet(&world, "198.51.100.1:9", "198.51.100.3:9");
    let (path, _listening) = world.fast_path(Mode::Auto);
    let (mut handles, _path) = handles(&world, path);
    join(&mut handles, ["192.0.2.1:20000", "192.0.2.2:4000", "198.51.100.1:20002", "198.51.100.3:6000"]);
    let (peer, hearing) = (world.peer("192.0.2.2:4000"), world.peer("198.51.100.3:6000"));
    let first = [65_530u16, 65_531, 65_534, 65_533, 65_535, 0, 1, 1, 4];
    for sequence in first {
        peer.send_to(&rtp(sequence, 7), at("192.0.2.1:20000")).expect("sent");
        next(&hearing);
    }
    let heard = handles.flows.heard(PORT_LOW).expect("read");
    // 65532, 2 and 3 are missing; the doubled 1 hides one of them, as in RFC 3550 A.3.
    assert_eq!((heard.packets, heard.lost, heard.reordered, heard.sequences.1 as u16, heard.sources), (9, 2, 2, 4, 1));
    for sequence in [100u16, 102] {
        peer.send_to(&rtp(sequence, 8), at("192.0.2.1:20000")).expect("sent");
        next(&hearing);
    }
    let heard = handles.flows.part(PORT_LOW).expect("parted");
    assert_eq!((heard.packets, heard.lost, heard.sources, heard.ssrc), (11, 3, 2, 8));
    assert!(heard.first_ns > 0 && heard.last_ns > heard.first_ns && heard.gap_max_us > 0);
}

/// A flow joined and parted again and again under a steady stream loses nothing: each packet came by one of the two ways.
#[test]
fn joining_and_parting_lose_no_packet() {
    if !may_run() {
        return;
    }
    const PACKETS: u16 = 20_000;
    let world = World::addressed();
    meet(&world, "198.51.100.1:9", "198.51.100.3:9");
    let (path, _listening) = world.fast_path(Mode::Auto);
    let (mut handles, _path) = handles(&world, path);
    let ends = ["192.0.2.1:20000", "192.0.2.2:4000", "198.51.100.1:20002", "198.51.100.3:6000"];
    let (ours, from) = (world.ours(ends[0]), world.ours(ends[2]));
    let (peer, hearing) = (world.peer(ends[1]), world.peer(ends[3]));
    let slow = std::thread::spawn(move || {
        let mut up = 0u64;
        while let (bytes, _) = next(&ours)
            && bytes != b"end"
        {
            from.send_to(&bytes, at("198.51.100.3:6000")).expect("sent");
            up += 1;
        }
        up
    });
    let arrived = Arc::new(AtomicU16::new(0));
    let arriving = Arc::clone(&arrived);
    let listening = std::thread::spawn(move || {
        let mut seen = vec![false; usize::from(PACKETS)];
        for _ in 0..PACKETS {
            let bytes = next(&hearing).0;
            let place = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
            assert!(!std::mem::replace(&mut seen[place], true), "{place} came twice");
            arriving.fetch_add(1, Ordering::Relaxed);
        }
    });
    let mut fast = 0;
    for sequence in 0..PACKETS {
        match sequence % 40 {
            10 => join(&mut handles, ends),
            30 => fast += handles.flows.part(PORT_LOW).expect("parted").packets,
            _ => {}
        }
        peer.send_to(&rtp(sequence, 7), at(ends[0])).expect("sent");
        // A receiver that falls behind would lose packets at its own socket; those of a card take a page each there.
        while sequence - arrived.load(Ordering::Relaxed).min(sequence) > 32 && !listening.is_finished() {
            std::thread::yield_now();
        }
    }
    listening.join().expect("every packet came once");
    peer.send_to(b"end", at(ends[0])).expect("sent");
    let up = slow.join().expect("the slow path ends");
    assert_eq!(up + fast, u64::from(PACKETS));
    assert!(up > 0 && fast > 0, "both ways were used: {up} and {fast}");
}

/// Packets that user space still has are not overtaken: the kernel waits until the last one that it let up was passed on, but not for ever.
#[test]
fn a_flow_begins_behind_what_user_space_still_has() {
    if !may_run() {
        return;
    }
    for mode in [Mode::Xdp, Mode::Tc] {
        let world = World::addressed();
        meet(&world, "198.51.100.1:9", "198.51.100.3:9");
        let (path, _listening) = world.fast_path(mode);
        let (mut handles, path) = handles(&world, path);
        let ends = ["192.0.2.1:20000", "192.0.2.2:4000", "198.51.100.1:20002", "198.51.100.3:6000"];
        let (ours, peer, hearing) = (world.ours(ends[0]), world.peer(ends[1]), world.peer(ends[3]));
        let mut sequence = 0;
        let mut goes = |up: bool, why: &str| {
            sequence += 1;
            peer.send_to(&rtp(sequence, 7), at(ends[0])).expect("sent");
            let (by, from) = if up { (&ours, at(ends[1])) } else { (&hearing, at(ends[2])) };
            assert_eq!(next(by), (rtp(sequence, 7), from), "{mode:?}: {why}");
            sequence
        };
        let pass = |handles: &mut Handles, sequence: u16| {
            handles.flows.passed(PORT_LOW, mark(sequence, 160 * u32::from(sequence), 7)).expect("told");
        };
        for round in 0..2 {
            join_from(&mut handles, ends, true);
            let first = goes(true, "there may be others before it");
            goes(true, "the first was not passed on");
            pass(&mut handles, first);
            let third = goes(true, "the second was not passed on");
            pass(&mut handles, third);
            goes(false, "user space has nothing more");
            goes(false, "it has begun");
            assert_eq!(handles.flows.part(PORT_LOW).expect("parted").packets, 2, "{round}");
        }
        join_from(&mut handles, ends, true);
        for _ in 0..256 {
            goes(true, "nothing was passed on");
        }
        goes(false, "who lags so much needs us");
        world.on_switch(&["neigh", "del", "198.51.100.3", "dev", "b0"]);
        handles.hops.refresh(&handles.links).expect("netlink");
        goes(true, "the way is lost");
        meet(&world, "198.51.100.1:10", "198.51.100.3:10");
        handles.hops.refresh(&handles.links).expect("netlink");
        let last = goes(true, "the way is known, and a packet went the other one");
        pass(&mut handles, last);
        goes(false, "it was passed on");
        assert_eq!(path.counts().expect("counts").get(Count::Behind).expect("a count"), 3 * 2 + 256 + 1);
    }
}

/// A peer whose link address is not known, then is, then changes: nothing goes to the wrong place.
#[test]
fn a_way_is_found_lost_and_changed() {
    if !may_run() {
        return;
    }
    let world = World::addressed();
    let (path, _listening) = world.fast_path(Mode::Auto);
    let (mut handles, _path) = handles(&world, path);
    let ends = ["192.0.2.1:20000", "192.0.2.2:4000", "198.51.100.1:20002", "198.51.100.3:6000"];
    join(&mut handles, ends);
    let (ours, peer, hearing) = (world.ours(ends[0]), world.peer(ends[1]), world.peer(ends[3]));
    peer.send_to(&rtp(1, 7), at(ends[0])).expect("sent");
    assert_eq!(next(&ours).0, rtp(1, 7), "nobody knows the way yet");
    meet(&world, "198.51.100.1:9", "198.51.100.3:9");
    assert_eq!(handles.hops.refresh(&handles.links).expect("netlink"), 1);
    assert_eq!(handles.hops.tally(), (1, 1));
    peer.send_to(&rtp(2, 7), at(ends[0])).expect("sent");
    assert_eq!(next(&hearing).0, rtp(2, 7));
    world.on_peers(&["link", "set", "b1", "address", "02:00:00:00:00:77"]);
    world.on_switch(&["neigh", "replace", "198.51.100.3", "lladdr", "02:00:00:00:00:77", "dev", "b0"]);
    assert_eq!(handles.hops.refresh(&handles.links).expect("netlink"), 1);
    peer.send_to(&rtp(3, 7), at(ends[0])).expect("sent");
    assert_eq!(next(&hearing).0, rtp(3, 7));
    world.on_switch(&["neigh", "del", "198.51.100.3", "dev", "b0"]);
    handles.hops.refresh(&handles.links).expect("netlink");
    peer.send_to(&rtp(4, 7), at(ends[0])).expect("sent");
    assert_eq!(next(&ours).0, rtp(4, 7), "the way is lost");
    meet(&world, "198.51.100.1:10", "198.51.100.3:10");
    if world.wraps("198.51.100.3") {
        handles.hops.refresh(&handles.links).expect("netlink");
        peer.send_to(&rtp(5, 7), at(ends[0])).expect("sent");
        assert_eq!(next(&ours).0, rtp(5, 7), "what is to be wrapped is left to the kernel's own way");
    }
}

/// A peer behind a router, which IPv6 names by its address of the link alone, and IPv4 perhaps by that too (RFC 8950).
#[test]
fn packets_leave_by_the_router_that_leads_to_the_peer() {
    if !may_run() {
        return;
    }
    for mode in [Mode::Xdp, Mode::Tc] {
        let four = ["192.0.2.1:20000", "192.0.2.2:4000", "198.51.100.1:20002", "203.0.113.9:6000"];
        for (net, router, peer, [local, speaker, from, listener]) in [
            ("203.0.113.0/24", "198.51.100.2", "203.0.113.9/32", four),
            ("203.0.113.0/24", "inet6 fe80::77", "203.0.113.9/32", four),
            (
                "2001:db8:c::/64",
                "fe80::77",
                "2001:db8:c::9/128",
                ["[2001:db8:a::1]:20000", "[2001:db8:a::2]:4000", "[2001:db8:b::1]:20002", "[2001:db8:c::9]:6000"],
            ),
        ] {
            let world = World::addressed();
            world.on_peers(&["addr", "add", peer, "dev", "lo"]);
            world.on_peers(&["addr", "add", "fe80::77/64", "dev", "b1", "nodad"]);
            let router: Vec<&str> = router.split(' ').collect();
            world.on_switch(&[&["route", "add", net, "via"], &router[..], &["dev", "b0"]].concat());
            meet(
                &world,
                &SocketAddr::new(at(from).ip(), 9).to_string(),
                &SocketAddr::new(at(listener).ip(), 9).to_string(),
            );
            let (path, _listening) = world.fast_path(mode);
            let (mut handles, path) = handles(&world, path);
            join(&mut handles, [local, speaker, from, listener]);
            let (talking, hearing) = (world.peer(speaker), world.peer(listener));
            for sequence in 0..20 {
                talking.send_to(&rtp(sequence, 7), at(local)).expect("sent");
                assert_eq!(next(&hearing), (rtp(sequence, 7), at(from)), "{mode:?} by {router:?}");
            }
            assert_eq!(path.counts().expect("counts").get(Count::Relayed).expect("a count"), 20);
        }
    }
}

/// A call from an untagged interface to a VLAN and back, by either family: tags are put on and taken off.
#[test]
fn tags_of_vlans_are_put_on_and_taken_off() {
    if !may_run() {
        return;
    }
    for mode in [Mode::Xdp, Mode::Tc] {
        let world = World::addressed();
        if !world.knows_vlans() {
            return;
        }
        for (on, host) in [("b0", 1), ("b1", 3)] {
            let (tagged, host) = (format!("{on}.100"), host.to_string());
            let command = |words: &[&str]| if on == "b0" { world.on_switch(words) } else { world.on_peers(words) };
            command(&["link", "add", "link", on, "name", &tagged, "type", "vlan", "id", "100"]);
            command(&["addr", "add", &format!("203.0.113.{host}/24"), "dev", &tagged]);
            command(&["addr", "add", &format!("2001:db8:c::{host}/64"), "dev", &tagged, "nodad"]);
            command(&["link", "set", &tagged, "up"]);
        }
        let families = [
            ["192.0.2.1:20000", "192.0.2.2:4000", "203.0.113.1:20002", "203.0.113.3:6000"],
            ["[2001:db8:a::1]:20004", "[2001:db8:a::2]:4000", "[2001:db8:c::1]:20006", "[2001:db8:c::3]:6000"],
        ];
        let nine = |address: &str| SocketAddr::new(at(address).ip(), 9).to_string();
        for [local, speaker, from, listener] in families {
            meet(&world, &nine(from), &nine(listener));
            meet(&world, &nine(local), &nine(speaker));
        }
        let (path, _listening) = world.fast_path(mode);
        let (mut handles, _path) = handles(&world, path);
        for there in families {
            let back = [there[2], there[3], there[0], there[1]];
            join(&mut handles, there);
            join(&mut handles, back);
            let (plain, tagged) = (world.peer(there[1]), world.peer(there[3]));
            for sequence in 0..20 {
                plain.send_to(&rtp(sequence, 7), at(there[0])).expect("sent");
                assert_eq!(next(&tagged), (rtp(sequence, 7), at(there[2])), "{mode:?}");
                tagged.send_to(&rtp(sequence, 8), at(back[0])).expect("sent");
                assert_eq!(next(&plain), (rtp(sequence, 8), at(back[2])), "{mode:?}");
            }
            let heard = [there[0], back[0]].map(|local| handles.flows.part(at(local).port()).expect("parted").packets);
            assert_eq!(heard, [20, 20], "{mode:?}");
        }
    }
}
