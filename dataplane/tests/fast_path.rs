//! A whole call through the program with the kernel relaying its media, in network namespaces: every packet arrives once and in
//! order, whichever way it takes, and the record has them all.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot set itself up has failed")]

#[path = "../../rating/tests/world.rs"]
mod world;

#[path = "support/plane.rs"]
mod plane;

#[path = "../fastpath/tests/support/mod.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod cables;

#[path = "support/stage.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod stage;

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use cables::World;
use panel::wire::{Answer, Ask};
use plane::{PATIENCE, Plane};
use stage::{Phone, Stage, written};
use units::Cause;

/// Where everybody is in a story; first the caller, then the called end.
#[derive(Clone, Copy)]
struct Places {
    sip: [&'static str; 2],
    media: [&'static str; 2],
    /// Our own address for media.
    ours: &'static str,
    /// Where the caller's media comes from later.
    moved: &'static str,
    /// Who does not belong to the call.
    stranger: &'static str,
}

const FOUR: Places = Places {
    sip: ["192.0.2.2:5060", "192.0.2.3:5060"],
    media: ["192.0.2.2:4000", "192.0.2.3:6000"],
    ours: "192.0.2.1",
    moved: "192.0.2.2:4444",
    stranger: "192.0.2.2:4999",
};
const SIX: Places = Places {
    sip: ["[2001:db8:a::2]:5060", "[2001:db8:a::3]:5060"],
    media: ["[2001:db8:a::2]:4000", "[2001:db8:a::3]:6000"],
    ours: "2001:db8:a::1",
    moved: "[2001:db8:a::3]:4444",
    stranger: "[2001:db8:b::2]:4999",
};
/// The same where others than the phones speak of it: nobody knows the phones' link addresses before their media comes.
const SIX_APART: Places = Places { sip: ["[2001:db8:b::2]:5060", "[2001:db8:b::3]:5060"], ..SIX };

fn begin(world: &World, data: &Path, places: Places, mode: &'static str, sockets: &'static str) -> Stage {
    let phone = |side: usize| Phone::with(world.peer(places.sip[side]), world.peer(places.media[side]));
    let ways = ["--fast-path", mode, "--media-sockets", sockets, "--media", places.ours];
    Stage::between(world, data, [phone(0), phone(1)], ways)
}

/// Talk, hold, talk, another place for media, a stranger, goodbye.
fn a_whole_call(stage: &mut Stage, world: &World, places: Places, data: &Path, name: &str) {
    let before = stage.figures().fast_path.relayed;
    stage.call(name);
    stage.talk(3);
    stage.talk_until_below();
    stage.talk(50);
    assert_eq!(stage.relayed_by(), ("kernel".to_owned(), Vec::new()));

    let stranger = world.peer(places.stranger);
    stranger.send_to(&cables::rtp(1, 666), stage.caller.to).unwrap();
    stage.talk(5);

    stage.describe("sendonly", "recvonly");
    let above = stage.figures().fast_path.relayed;
    for _ in 0..20 {
        stage.caller.speaks_to(&stage.called);
    }
    assert_eq!(stage.figures().fast_path.relayed, above, "on hold the sockets relay, and the one that holds speaks");
    assert_eq!(stage.relayed_by(), ("sockets".to_owned(), vec!["hold".to_owned()]));
    stage.describe("sendrecv", "sendrecv");
    stage.talk_until_below();
    stage.talk(20);

    stage.caller.media = world.peer(places.moved);
    stage.describe("sendrecv", "sendrecv");
    stage.talk(3);
    stage.talk_until_below();
    stage.talk(20);

    stage.say_goodbye();
    let cdr = written(data, name);
    let sent = [&stage.caller, &stage.called].map(|phone| u64::from(phone.sequence));
    let media = [cdr.ingress_media, cdr.egress_media];
    assert_eq!(media.map(|media| media.packets), sent, "{media:?}");
    assert_eq!(media.map(|media| media.bytes), sent.map(|packets| packets * 172));
    assert_eq!(media.map(|media| (media.lost, media.reordered, media.duplicates)), [(0, 0, 0); 2]);
    assert_eq!(media.map(|media| media.strangers), [1, 0], "the stranger came up and went no further");
    let by_kernel: u64 = media.iter().map(|media| media.kernel_packets).sum();
    assert_eq!(by_kernel, stage.figures().fast_path.relayed - before);
    assert!(media.iter().all(|media| media.mos_x100 > 400), "{media:?}");
}

/// A call whose both ends fall silent while the kernel has it, but for RTP of a type that nobody described.
fn a_silent_call(stage: &mut Stage, data: &Path, name: &str) {
    (stage.caller.sequence, stage.called.sequence) = (0, 0);
    stage.call(name);
    stage.talk(3);
    stage.talk_until_below();
    stage.talk(10);
    let mut undescribed = cables::rtp(99, 9);
    undescribed[1] = 77;
    stage.caller.sip.set_nonblocking(true).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while stage.caller.sip.peek(&mut [0]).is_err() {
        assert!(Instant::now() < deadline, "the call ends");
        for phone in [&stage.caller, &stage.called] {
            phone.media.send_to(&undescribed, phone.to).unwrap();
        }
        stage.plane.serve();
    }
    stage.caller.sip.set_nonblocking(false).unwrap();
    assert!(stage.counter("media_undescribed") > 0);
    stage.caller.hear("BYE ");
    stage.called.hear("BYE ");
    let cdr = written(data, name);
    assert_eq!(cdr.cause, Cause::MEDIA_TIMEOUT);
    assert!(cdr.duration_ms >= 2_000, "{}", cdr.duration_ms);
    let sent = [&stage.caller, &stage.called].map(|phone| u64::from(phone.sequence));
    assert_eq!([cdr.ingress_media, cdr.egress_media].map(|media| media.packets), sent);
    let left = stage.figures().fast_path;
    stage.caller.media.send_to(&cables::rtp(9, 9), stage.caller.to).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while stage.figures().fast_path.not_joined == left.not_joined {
        assert!(Instant::now() < deadline, "a late packet meets no flow");
    }
    assert_eq!(stage.figures().fast_path.relayed, left.relayed);
    assert_eq!(stage.counter("fastpath_joined"), stage.counter("fastpath_parted"));
}

#[test]
fn the_kernel_relays_a_call_and_lets_go_of_it_without_a_lost_packet() {
    if !cables::may_run() {
        return;
    }
    let ways = [
        ("xdp", "auto", FOUR),
        ("tc", "per-port", FOUR),
        ("tc", "auto", SIX),
        ("tc", "per-port", SIX_APART),
        ("xdp", "per-port", SIX),
    ];
    for (mode, sockets, places) in ways {
        let (world, data) = (World::addressed(), tempfile::TempDir::new().unwrap());
        // A driver of virtual cables takes packets from XDP only if the other end listens in XDP too.
        let _other_end = world.as_peer(|| {
            let interfaces = vec!["a1".to_owned()];
            let settings =
                fastpath::Settings { mode: fastpath::Mode::Xdp, interfaces, port_low: 20_000, port_high: 20_099 };
            fastpath::FastPath::load(&settings).expect("the kernel takes it")
        });
        let mut stage = begin(&world, data.path(), places, mode, sockets);
        let shared = stage.figures().media_sockets;
        assert_eq!(shared.shared, sockets == "auto", "{}", shared.why);
        let figures = stage.figures().fast_path;
        assert_eq!((figures.tier.as_str(), figures.interfaces), (mode, vec![format!("a0 {mode}")]), "{}", figures.why);
        a_whole_call(&mut stage, &world, places, data.path(), "first");
        if mode == "xdp" {
            a_silent_call(&mut stage, data.path(), "second");
        }
    }
}

/// An end that speaks on and on, until it is told to end, and the other one, which hears each packet once, in order and from where it was told.
struct Speech {
    over: Arc<AtomicBool>,
    heard: Arc<AtomicU32>,
    speaks: JoinHandle<u32>,
    listens: JoinHandle<()>,
}

impl Speech {
    /// Packets that are on their way at most, so that no queue of theirs overflows.
    const UNDER_WAY_MAX: u32 = 12;

    fn begin(one: &Phone, other: &Phone) -> Speech {
        let (over, heard) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (speaker, to, source) = (one.media.try_clone().unwrap(), one.to, u32::from(one.to.port()));
        let (listener, from) = (other.media.try_clone().unwrap(), other.to);
        let (is_over, was_heard, hears) = (Arc::clone(&over), Arc::clone(&heard), Arc::clone(&heard));
        let speaks = thread::spawn(move || {
            let mut said = 0_u32;
            while !is_over.load(Ordering::Relaxed) {
                speaker.send_to(&cables::rtp(said as u16, source), to).unwrap();
                said += 1;
                thread::sleep(Duration::from_millis(1));
                while said - was_heard.load(Ordering::Relaxed) >= Speech::UNDER_WAY_MAX {
                    thread::yield_now();
                }
            }
            said
        });
        let listens = thread::spawn(move || {
            loop {
                let (bytes, by) = cables::next(&listener);
                if bytes == b"the end" {
                    return;
                }
                let expected = hears.load(Ordering::Relaxed);
                let number = expected as u16;
                assert_eq!(u16::from_be_bytes([bytes[2], bytes[3]]), number, "from {source}");
                assert_eq!((bytes, by), (cables::rtp(number, source), from));
                hears.store(expected + 1, Ordering::Relaxed);
            }
        });
        Speech { over, heard, speaks, listens }
    }

    /// So many packets were heard, of as many as were said.
    fn end(self, listener: SocketAddr, world: &World) -> u32 {
        self.over.store(true, Ordering::Relaxed);
        let said = self.speaks.join().unwrap();
        let deadline = Instant::now() + PATIENCE;
        while self.heard.load(Ordering::Relaxed) < said && !self.listens.is_finished() {
            assert!(Instant::now() < deadline, "{said} were said, {:?} heard", self.heard);
            thread::yield_now();
        }
        world.peer(&SocketAddr::new(listener.ip(), 0).to_string()).send_to(b"the end", listener).unwrap();
        self.listens.join().expect("every packet came once and in order");
        said
    }
}

/// Both ends talk on while their media is described anew again and again, and the machine is busy.
#[test]
fn no_packet_overtakes_another_while_a_call_moves_into_the_kernel_and_back() {
    const MOVES: u64 = 20;
    if !cables::may_run() {
        return;
    }
    for (sockets, places) in [("auto", FOUR), ("per-port", FOUR), ("auto", SIX)] {
        let (world, data) = (World::addressed(), tempfile::TempDir::new().unwrap());
        let mut stage = begin(&world, data.path(), places, "tc", sockets);
        stage.call("moving");
        let over = Arc::new(AtomicBool::new(false));
        let busy = [(); 3].map(|()| {
            let over = Arc::clone(&over);
            thread::spawn(move || while !over.load(Ordering::Relaxed) {})
        });
        let ends = [&stage.caller, &stage.called].map(|phone| phone.media.local_addr().unwrap());
        let speeches = [(&stage.caller, &stage.called), (&stage.called, &stage.caller)];
        let speeches = speeches.map(|(one, other)| Speech::begin(one, other));
        for _ in 0..MOVES {
            let (before, deadline) = (stage.figures().fast_path.relayed, Instant::now() + PATIENCE);
            while stage.figures().fast_path.relayed < before + 2 {
                assert!(Instant::now() < deadline, "the kernel relays: {:?}", stage.figures().fast_path);
            }
            stage.describe("sendrecv", "sendrecv");
        }
        let [one, other] = speeches;
        let said = [one.end(ends[1], &world), other.end(ends[0], &world)];
        over.store(true, Ordering::Relaxed);
        busy.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(stage.counter("fastpath_joined") >= 2 * MOVES);
        assert!(
            stage.figures().fast_path.behind > 0,
            "it began behind what was on its way: {:?}",
            stage.figures().fast_path
        );
        assert_eq!(stage.counter("fastpath_families"), 0);
        stage.say_goodbye();
        let cdr = written(data.path(), "moving");
        let media = [cdr.ingress_media, cdr.egress_media];
        let told = media.map(|media| (media.packets, media.lost, media.reordered, media.duplicates));
        assert_eq!(told, said.map(|said| (u64::from(said), 0, 0, 0)), "{media:?}");
        assert!(
            media.iter().all(|media| media.kernel_packets > 0 && media.kernel_packets < media.packets),
            "{media:?}"
        );
    }
}

/// The originator's media comes by IPv6, the terminator's by IPv4.
#[test]
fn a_call_between_families_passes_by_sockets_and_says_why() {
    if !cables::may_run() {
        return;
    }
    for sockets in ["shared", "per-port"] {
        let (world, data) = (World::addressed(), tempfile::TempDir::new().unwrap());
        let phones = [
            Phone::with(world.peer("192.0.2.2:5060"), world.peer("[2001:db8:a::2]:4000")),
            Phone::new(&world, 3, 6_000),
        ];
        let media = ["--media", "192.0.2.1", "--media", "2001:db8:a::1"];
        let [four, one, six, other] = media;
        let ways = ["--fast-path", "tc", "--media-sockets", sockets, four, one, six, other];
        let mut stage = Stage::between(&world, data.path(), phones, ways);
        stage.call("bridged");
        assert_eq!(stage.caller.to.ip().to_string(), "2001:db8:a::1");
        stage.talk(50);
        assert_eq!(stage.relayed_by(), ("sockets".to_owned(), vec!["families".to_owned()]));
        assert!(stage.counter("fastpath_families") >= 2, "both streams were ready for the kernel");
        stage.say_goodbye();
        let cdr = written(data.path(), "bridged");
        for media in [cdr.ingress_media, cdr.egress_media] {
            assert_eq!((media.packets, media.kernel_packets, media.lost, media.reordered), (50, 0, 0, 0));
        }
    }
}

#[test]
fn where_the_kernel_cannot_relay_the_program_says_why() {
    let data = tempfile::TempDir::new().unwrap();
    let sip = UdpSocket::bind("127.0.45.1:0").unwrap().local_addr().unwrap().to_string();
    for (mode, says) in
        [("auto", "no interface but loopback has the media address 127.0.45.1"), ("off", "switched off")]
    {
        let mut plane = Plane::start(data.path(), &["--sip", &sip, "--fast-path", mode, "--log", "error"]);
        let Answer::Figures(figures) = plane.ask(Ask::Figures) else { panic!("figures are told") };
        assert!(figures.fast_path.why.contains(says), "{}", figures.fast_path.why);
        assert_eq!(figures.media_sockets.why, "media is bound to loopback");
        assert_eq!(figures.fast_path.tier, "off");
    }
}

/// Through sockets alone: a call, a stranger, a port that another program has, packets after the end.
fn a_call_by_sockets(stage: &mut Stage, world: &World, data: &Path, name: &str) {
    (stage.caller.sequence, stage.called.sequence) = (0, 0);
    stage.call(name);
    stage.talk(20);
    let calls = [stage.caller.to.port(), stage.called.to.port()];
    let free = (20_000..20_100).step_by(2).find(|port| !calls.contains(port)).unwrap();
    let other = world.ours(&format!("192.0.2.1:{free}"));
    let stranger = world.peer("192.0.2.2:4999");
    stranger.send_to(b"not for the switch", other.local_addr().unwrap()).unwrap();
    assert_eq!(cables::next(&other).0, b"not for the switch");
    stranger.send_to(&cables::rtp(1, 666), stage.caller.to).unwrap();
    // RTCP goes its own way: an empty receiver report (RFC 3550 §6.4.2).
    let report = [0x80, 201, 0, 1, 0, 0, 0, 7].to_vec();
    let controls = [(&stage.caller, 4_001), (&stage.called, 6_001)]
        .map(|(phone, port)| world.peer(&format!("{}:{port}", phone.sip.local_addr().unwrap().ip())));
    let at = |phone: &Phone| SocketAddr::new(phone.to.ip(), phone.to.port() + 1);
    controls[0].send_to(&report, at(&stage.caller)).unwrap();
    assert_eq!(cables::next(&controls[1]), (report, at(&stage.called)));
    stage.talk(20);
    stage.say_goodbye();
    let cdr = written(data, name);
    let media = [cdr.ingress_media, cdr.egress_media];
    assert_eq!(media.map(|media| (media.packets, media.lost, media.strangers)), [(40, 0, 1), (40, 0, 0)]);
    stage.caller.media.send_to(&cables::rtp(99, 9), stage.caller.to).unwrap();
}

#[test]
fn a_call_sounds_the_same_whether_its_ports_share_a_socket_or_not() {
    if !cables::may_run() {
        return;
    }
    for sockets in ["shared", "per-port"] {
        let (world, data) = (World::addressed(), tempfile::TempDir::new().unwrap());
        let mut stage = Stage::new(&world, data.path(), "off", sockets);
        let figures = stage.figures().media_sockets;
        assert_eq!((figures.shared, figures.calls_max), (sockets == "shared", 25), "{}", figures.why);
        a_call_by_sockets(&mut stage, &world, data.path(), "first");
        a_call_by_sockets(&mut stage, &world, data.path(), "second");
    }
}
