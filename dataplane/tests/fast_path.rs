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

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use cables::World;
use cdr::{Cdr, Record, segment};
use panel::wire::{Answer, Ask, Figures};
use plane::{PATIENCE, Plane};
use units::Cause;

const SWITCH: &str = "192.0.2.1:5060";
const HEADS: [&str; 5] = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];

/// One end of a call.
struct Phone {
    sip: UdpSocket,
    media: UdpSocket,
    /// Where the switch wants its media.
    to: SocketAddr,
    sequence: u16,
    version: u32,
}

impl Phone {
    fn new(world: &World, host: u16, media_port: u16) -> Phone {
        let sip = world.peer(&format!("192.0.2.{host}:5060"));
        let media = world.peer(&format!("192.0.2.{host}:{media_port}"));
        Phone::with(sip, media)
    }

    fn with(sip: UdpSocket, media: UdpSocket) -> Phone {
        Phone { sip, media, to: SWITCH.parse().unwrap(), sequence: 0, version: 0 }
    }

    fn body(&mut self, direction: &str) -> String {
        self.version += 1;
        let at = self.media.local_addr().unwrap();
        format!(
            "v=0\r\no=- 1 {} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\nm=audio {} RTP/AVP 0\r\na={direction}\r\n",
            self.version,
            at.port(),
            family = if at.is_ipv4() { "IP4" } else { "IP6" },
            ip = at.ip()
        )
    }

    fn say(&self, head: &str, body: &str) {
        let contact = self.sip.local_addr().unwrap();
        let text = format!(
            "{head}\r\nContact: <sip:{contact}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.sip.send_to(text.as_bytes(), SWITCH).unwrap();
    }

    /// The next message that begins like this; others were said again or are of no matter.
    fn hear(&mut self, begins: &str) -> String {
        for _ in 0..100 {
            let text = String::from_utf8(cables::next(&self.sip).0).unwrap();
            if text.starts_with(begins) {
                if let Some(media) = text.lines().find_map(|line| line.strip_prefix("m=audio ")) {
                    let port = media.split(' ').next().unwrap().parse().unwrap();
                    let at = line(&text, "c=IN ").trim().rsplit(' ').next().unwrap();
                    self.to = SocketAddr::new(at.parse().unwrap(), port);
                }
                return text;
            }
        }
        panic!("{begins} is heard");
    }

    fn accept(&mut self, invite: &str, direction: &str) {
        let heads = HEADS.map(|name| line(invite, name)).join("\r\n");
        let known = line(invite, "To:").contains(";tag=");
        let heads = if known { heads } else { heads.replace("\r\nCall-ID", ";tag=called\r\nCall-ID") };
        let body = self.body(direction);
        self.say(&format!("SIP/2.0 200 OK\r\n{heads}"), &body);
    }

    /// The next packet of this end's stream reaches the other end whole, from the address that its description names.
    fn speaks_to(&mut self, other: &Phone) {
        let packet = cables::rtp(self.sequence, u32::from(self.media.local_addr().unwrap().port()));
        self.sequence += 1;
        self.media.send_to(&packet, self.to).unwrap();
        assert_eq!(cables::next(&other.media), (packet, other.to));
    }
}

fn line<'a>(message: &'a str, name: &str) -> &'a str {
    message.lines().find(|line| line.starts_with(name)).unwrap()
}

/// A switch between two phones.
struct Stage {
    plane: Plane,
    caller: Phone,
    called: Phone,
    /// What the caller's requests within the dialog begin with.
    dialog: String,
    number: u32,
}

impl Stage {
    fn new(world: &World, data: &Path, mode: &'static str, sockets: &'static str) -> Stage {
        let phones = [Phone::new(world, 2, 4_000), Phone::new(world, 3, 6_000)];
        Stage::between(world, data, phones, ["--fast-path", mode, "--media-sockets", sockets])
    }

    fn between<const N: usize>(world: &World, data: &Path, phones: [Phone; 2], ways: [&'static str; N]) -> Stage {
        let mut model = world::world();
        let way_in = world::way_in(&mut model, 1, &["192.0.2.2/32"], "");
        (way_in.cps, way_in.capacity, way_in.media_timeout_s) = (0, 0, 2);
        world::way_out(&mut model, 2, "0.5");
        world::trunk(&mut model, 2).address = "192.0.2.3:5060".parse().unwrap();
        let folder = data.join("snapshots");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("1.snap"), world::image(&model)).unwrap();
        std::fs::write(folder.join("current"), "1.snap").unwrap();
        let data = data.to_owned();
        let plane = world.as_switch(move || {
            Plane::start(&data, &[&["--sip", SWITCH, "--rtp", "20000-20099", "--log", "warn"][..], &ways].concat())
        });
        let [caller, called] = phones;
        Stage { plane, caller, called, dialog: String::new(), number: 1 }
    }

    fn figures(&mut self) -> Figures {
        let Answer::Figures(figures) = self.plane.ask(Ask::Figures) else { panic!("figures are told") };
        *figures
    }

    fn counter(&mut self, name: &str) -> u64 {
        self.figures().counters.iter().find(|(known, _)| known == name).map_or(0, |(_, value)| *value)
    }

    /// Both ends' media are described, and the caller has acknowledged.
    fn call(&mut self, name: &str) {
        let body = self.caller.body("sendrecv");
        let from = "192.0.2.2:5060";
        let invite = format!(
            "INVITE sip:442071838750@{SWITCH} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{name};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:4930@{from}>;tag={name}\r\nTo: <sip:442071838750@{SWITCH}>\r\n\
             Call-ID: {name}@here\r\nCSeq: 1 INVITE"
        );
        self.lend(|caller| caller.say(&invite, &body));
        let passed = self.called.hear("INVITE ");
        self.called.accept(&passed, "sendrecv");
        let answer = self.caller.hear("SIP/2.0 200");
        let target = line(&answer, "Contact:").trim_start_matches("Contact: <").trim_end_matches('>').to_owned();
        let heads = ["From:", "To:", "Call-ID:"].map(|name| line(&answer, name)).join("\r\n");
        self.number = 1;
        self.dialog =
            format!("{target} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{name}NUMBER;rport\r\n{heads}");
        self.request("ACK", "");
        self.called.hear("ACK ");
    }

    /// Money that the switch asks for, if it does, until the called end hears of the call. The caller says again what begins it: the switch may
    /// not listen yet.
    fn lend(&mut self, begin: impl Fn(&Phone)) {
        let (deadline, mut again_at) = (Instant::now() + PATIENCE, Instant::now());
        self.called.sip.set_nonblocking(true).unwrap();
        while self.called.sip.peek(&mut [0]).is_err() {
            assert!(Instant::now() < deadline, "the called end hears of the call");
            if Instant::now() >= again_at {
                begin(&self.caller);
                again_at = Instant::now() + Duration::from_millis(500);
            }
            self.plane.serve();
        }
        self.called.sip.set_nonblocking(false).unwrap();
    }

    fn request(&mut self, method: &str, body: &str) {
        let branch = format!("{}{method}", self.number);
        let dialog = self.dialog.replace("NUMBER", &branch);
        let head = format!("{method} {dialog}\r\nMax-Forwards: 70\r\nCSeq: {} {method}", self.number);
        self.caller.say(&head, body);
    }

    /// What relays the call's media, and why not the kernel.
    fn relayed_by(&mut self) -> (String, Vec<String>) {
        let Answer::Calls(rows) = self.plane.ask(Ask::Calls { limit: 1 }) else { panic!("calls are told") };
        (rows[0].media_path.clone(), rows[0].stays.clone())
    }

    /// The caller describes its media anew; the other end agrees.
    fn describe(&mut self, direction: &str, answer: &str) {
        self.number += 1;
        let body = self.caller.body(direction);
        self.request("INVITE", &body);
        let passed = self.called.hear("INVITE ");
        self.called.accept(&passed, answer);
        self.caller.hear("SIP/2.0 200");
        self.request("ACK", "");
        self.called.hear("ACK ");
    }

    /// A packet each way, so many times.
    fn talk(&mut self, rounds: u32) {
        for _ in 0..rounds {
            self.caller.speaks_to(&self.called);
            self.called.speaks_to(&self.caller);
        }
    }

    /// Talks until the kernel relays.
    fn talk_until_below(&mut self) {
        let before = self.figures().fast_path.relayed;
        let deadline = Instant::now() + PATIENCE;
        while self.figures().fast_path.relayed < before + 2 {
            assert!(Instant::now() < deadline, "the kernel relays: {:?}", self.figures().fast_path);
            self.talk(2);
        }
    }

    fn say_goodbye(&mut self) {
        self.number += 1;
        self.request("BYE", "");
        self.called.hear("BYE ");
        self.caller.hear("SIP/2.0 200");
    }
}

/// The record of the call with this caller's Call-ID.
fn record(data: &Path, name: &str) -> Option<Cdr> {
    let files = std::fs::read_dir(data.join("journal")).unwrap().map(|entry| entry.unwrap().path());
    let bytes: Vec<Vec<u8>> = files.map(|path| std::fs::read(path).unwrap()).collect();
    let entries = bytes.iter().filter_map(|bytes| segment::Reader::new(bytes)).flatten().map_while(Result::ok);
    let mut cdrs = entries.filter_map(|entry| if let Record::Cdr(cdr) = entry.record { Some(*cdr) } else { None });
    cdrs.find(|cdr| cdr.attempt.0 == 0 && cdr.ingress_call_id.starts_with(name))
}

fn written(data: &Path, name: &str) -> Cdr {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(cdr) = record(data, name) {
            return cdr;
        }
        assert!(Instant::now() < deadline, "the record of {name} is written");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Talk, hold, talk, another place for media, a stranger, goodbye.
fn a_whole_call(stage: &mut Stage, world: &World, data: &Path, name: &str) {
    let before = stage.figures().fast_path.relayed;
    stage.call(name);
    stage.talk(3);
    stage.talk_until_below();
    stage.talk(50);
    assert_eq!(stage.relayed_by(), ("kernel".to_owned(), Vec::new()));

    let stranger = world.peer("192.0.2.2:4999");
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

    stage.caller.media = world.peer("192.0.2.2:4444");
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

/// A call whose both ends fall silent while the kernel has it.
fn a_silent_call(stage: &mut Stage, data: &Path, name: &str) {
    (stage.caller.sequence, stage.called.sequence) = (0, 0);
    stage.call(name);
    stage.talk(3);
    stage.talk_until_below();
    stage.talk(10);
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
    for (mode, sockets) in [("xdp", "auto"), ("tc", "per-port")] {
        let (world, data) = (World::addressed(), tempfile::TempDir::new().unwrap());
        // A driver of virtual cables takes packets from XDP only if the other end listens in XDP too.
        let _other_end = world.as_peer(|| {
            let interfaces = vec!["a1".to_owned()];
            let settings =
                fastpath::Settings { mode: fastpath::Mode::Xdp, interfaces, port_low: 20_000, port_high: 20_099 };
            fastpath::FastPath::load(&settings).expect("the kernel takes it")
        });
        let mut stage = Stage::new(&world, data.path(), mode, sockets);
        let shared = stage.figures().media_sockets;
        assert_eq!(shared.shared, sockets == "auto", "{}", shared.why);
        let figures = stage.figures().fast_path;
        assert_eq!((figures.tier.as_str(), figures.interfaces), (mode, vec![format!("a0 {mode}")]), "{}", figures.why);
        a_whole_call(&mut stage, &world, data.path(), "first");
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
        world.peer(&format!("{}:0", listener.ip())).send_to(b"the end", listener).unwrap();
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
    for sockets in ["auto", "per-port"] {
        let (world, data) = (World::addressed(), tempfile::TempDir::new().unwrap());
        let mut stage = Stage::new(&world, data.path(), "tc", sockets);
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
