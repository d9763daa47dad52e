//! A carrier's limit over two trunks and two shards, over real sockets: exact with calls in every state, and exact again after kill -9; two
//! nodes with an etcd keep it together. And no port of a call that a kill cut goes to another call while its peers may still send to it.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

#[path = "../../rating/tests/world.rs"]
mod world;

#[allow(dead_code, reason = "this file uses a part of it")]
#[path = "../../controlplane/live/tests/support/mod.rs"]
mod etcd;
#[path = "support/plane.rs"]
mod plane;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use panel::wire::{Answer, Ask, RoomRow};
use plane::{PATIENCE, Plane};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    socket
}

fn at(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().unwrap()
}

fn heard(socket: &UdpSocket) -> Option<String> {
    let mut bytes = [0; 4_096];
    let length = socket.recv(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes[..length]).into_owned())
}

fn line<'a>(message: &'a str, name: &str) -> &'a str {
    message.lines().find(|line| line.starts_with(name)).unwrap()
}

/// Media ports, of an address that this test alone has and below those that the kernel gives to whoever asks for any.
const MEDIA: RangeInclusive<u16> = 20_000..=20_399;

fn start(data: &Path, sip: SocketAddr) -> Plane {
    Plane::start(data, &["--sip", &sip.to_string(), "--rtp", "20000-20399", "--log", "warn"])
}

/// Media ports that are open on this address, by proc(5).
fn ports_open(ip: Ipv4Addr) -> BTreeSet<u16> {
    let table = std::fs::read_to_string("/proc/net/udp").unwrap();
    let wanted = format!("{:08X}", u32::from_le_bytes(ip.octets()));
    let local = table.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)?.split_once(':'));
    let ports = local.filter(|(ip, _)| *ip == wanted).filter_map(|(_, port)| u16::from_str_radix(port, 16).ok());
    ports.filter(|port| MEDIA.contains(port)).collect()
}

/// What calls hold: of what, of whom, how many.
fn rooms(plane: &mut Plane) -> BTreeSet<(String, u32, u32)> {
    let Answer::Rooms(rooms) = plane.ask(Ask::Rooms) else { panic!("rooms are told") };
    rooms.into_iter().map(|RoomRow { of, id, calls, .. }| (of, id, calls)).collect()
}

/// Two ways in of carrier 1, which may have so many calls; one way out.
fn publish(data: &Path, originators: [&UdpSocket; 2], terminator: &UdpSocket, capacity: u32) {
    let mut model = world::world();
    for (id, originator) in [1, 2].into_iter().zip(originators) {
        let way_in = world::way_in(&mut model, id, &[&format!("127.0.0.1/32:{}", at(originator).port())], "");
        (way_in.cps, way_in.capacity) = (0, 0);
    }
    world::way_out(&mut model, 2, "0.5");
    world::trunk(&mut model, 2).address = at(terminator);
    model.carriers[0].limits.ingress.capacity = capacity;
    let folder = data.join("snapshots");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("1.snap"), world::image(&model)).unwrap();
    std::fs::write(folder.join("current"), "1.snap").unwrap();
}

/// Sends an INVITE and waits until the terminator has it, or until it is refused: then the status.
fn place(
    plane: &mut Plane,
    originator: &UdpSocket,
    terminator: &UdpSocket,
    to: SocketAddr,
    name: &str,
) -> Result<String, u16> {
    let from = at(originator);
    let invite = format!(
        "INVITE sip:442071838750@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{name};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:4930{name}@{from}>;tag=a\r\nTo: <sip:442071838750@{to}>\r\nCall-ID: {name}@here\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:4930@{from}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    );
    let (deadline, mut due) = (Instant::now() + PATIENCE, Instant::now());
    while Instant::now() < deadline {
        // RFC 3261 §17.1.1.2: sent again as long as nothing comes back.
        if Instant::now() >= due {
            originator.send_to(invite.as_bytes(), to).unwrap();
            due = Instant::now() + Duration::from_millis(500);
        }
        plane.serve();
        // Others are sent again meanwhile: this call's caller tells it apart.
        let passed =
            heard(terminator).filter(|text| text.starts_with("INVITE ") && text.contains(&format!("4930{name}@")));
        if let Some(invite) = passed {
            return Ok(invite);
        }
        let answer = heard(originator).filter(|text| text.contains(&format!("Call-ID: {name}@here")));
        match answer.and_then(|text| text.get(8..11)?.parse::<u16>().ok()) {
            Some(status) if status >= 300 => return Err(status),
            _ => {}
        }
    }
    panic!("the call {name} gets nowhere");
}

fn reply(invite: &str, status: &str, from: &UdpSocket, to: SocketAddr) {
    let heads = ["Via:", "From:", "Call-ID:", "CSeq:"].map(|name| line(invite, name)).join("\r\n");
    let (to_line, contact) = (line(invite, "To:"), at(from));
    let body = if status.starts_with("200") { SDP } else { "" };
    let answer = format!(
        "SIP/2.0 {status}\r\n{heads}\r\n{to_line};tag=b\r\nContact: <sip:{contact}>\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    from.send_to(answer.as_bytes(), to).unwrap();
}

/// Three calls fit, by whichever trunk and in whatever state; the fourth does not.
fn three_and_no_more(
    plane: &mut Plane,
    originators: [&UdpSocket; 2],
    terminator: &UdpSocket,
    switch: SocketAddr,
    round: &str,
) {
    let [one, two] = originators;
    let up = place(plane, one, terminator, switch, &format!("{round}1")).expect("the first fits");
    reply(&up, "200 OK", terminator, switch);
    let rings = place(plane, two, terminator, switch, &format!("{round}2")).expect("the second fits");
    reply(&rings, "180 Ringing", terminator, switch);
    place(plane, one, terminator, switch, &format!("{round}3")).expect("the third fits, and meets silence");
    for (number, originator) in [(4, one), (5, two)] {
        let refused = place(plane, originator, terminator, switch, &format!("{round}{number}"));
        assert_eq!(refused, Err(503), "call {number} of round {round}");
    }
    let rooms = rooms(plane);
    let held = |of: &str, id| rooms.iter().find(|(known, whose, _)| known == of && *whose == id).map_or(0, |row| row.2);
    assert_eq!((held("switch", 0), held("originator", 1), held("carrier", 1)), (3, 3, 3), "{rooms:?}");
    assert_eq!((held("ingress_trunk", 1), held("ingress_trunk", 2)), (2, 1), "{rooms:?}");
    assert_eq!((held("terminator", 2), held("egress_trunk", 2), held("share", 2)), (3, 3, 3), "{rooms:?}");
}

#[test]
fn a_limit_is_exact_with_calls_in_every_state_and_after_a_kill() {
    let data = tempfile::TempDir::new().unwrap();
    let (one, two, terminator) = (socket(), socket(), socket());
    publish(data.path(), [&one, &two], &terminator, 3);
    // Nobody else takes ports of this address meanwhile.
    let switch = at(&UdpSocket::bind("127.0.44.1:0").unwrap());
    let mut plane = start(data.path(), switch);
    assert_eq!(rooms(&mut plane), BTreeSet::new());
    three_and_no_more(&mut plane, [&one, &two], &terminator, switch, "7");
    drop(plane);
    let mut plane = start(data.path(), switch);
    assert_eq!(rooms(&mut plane), BTreeSet::new(), "calls and counts are gone together");
    three_and_no_more(&mut plane, [&one, &two], &terminator, switch, "8");
}

#[test]
fn ports_of_calls_that_a_kill_cut_rest_before_another_call_gets_them() {
    let data = tempfile::TempDir::new().unwrap();
    let (one, two, terminator) = (socket(), socket(), socket());
    publish(data.path(), [&one, &two], &terminator, 100);
    let ip = Ipv4Addr::new(127, 0, 44, 2);
    let switch = at(&UdpSocket::bind((ip, 0)).unwrap());
    let mut earlier = BTreeSet::new();
    for life in 1..=3 {
        // The first call is placed before the snapshot is in force, and sent again.
        let mut plane = start(data.path(), switch);
        // By chance alone a life would hit ports of the one before it nineteen times in twenty.
        for call in 0..12 {
            place(&mut plane, &one, &terminator, switch, &format!("{life}0{call}")).expect("it fits");
        }
        // One reading of the kernel's table may skip some while others open and close theirs.
        let (mut own, deadline) = (ports_open(ip), Instant::now() + PATIENCE);
        while own.len() < 48 {
            assert!(Instant::now() < deadline, "two pairs a call: {own:?}");
            own.append(&mut ports_open(ip));
        }
        let both: Vec<&u16> = own.intersection(&earlier).collect();
        assert!(both.is_empty(), "life {life} uses ports of the one before it: {both:?}");
        earlier = own;
        // Killed here; the kernel closes the ring's sockets some time later.
        drop(plane);
        let deadline = Instant::now() + PATIENCE;
        let taken = loop {
            match UdpSocket::bind(switch) {
                Ok(taken) if ports_open(ip).is_empty() => break taken,
                _ => assert!(Instant::now() < deadline, "its sockets are closed"),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        // Starts that find the address taken are no lives: after three of them the windows would begin anew.
        (0..3).for_each(|_| in_vain(data.path(), switch));
        drop(taken);
    }
}

/// Starts a data plane that cannot have its address.
fn in_vain(data: &Path, sip: SocketAddr) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tandem-dataplane"));
    command.args(["--shards", "2", "--sip", &sip.to_string(), "--data"]).arg(data).stderr(Stdio::null());
    assert!(!command.status().unwrap().success(), "somebody has the address");
}

/// How much of the limit of carrier 1 each node has to itself, as this one knows it.
fn parts(plane: &mut Plane) -> Vec<(u16, u32)> {
    let Answer::Rooms(rooms) = plane.ask(Ask::Rooms) else { panic!("rooms are told") };
    let row = rooms.into_iter().find(|row| (row.of.as_str(), row.id) == ("originator", 1));
    row.map_or(Vec::new(), |row| row.parts.iter().map(|part| (part.node, part.calls)).collect())
}

/// Places calls until so many stand; refusals in between are those of a part that grows.
fn fill(plane: &mut Plane, [from, to]: [&UdpSocket; 2], switch: SocketAddr, round: &str, calls: u32) {
    let (mut up, deadline) = (0, Instant::now() + PATIENCE);
    for number in 0.. {
        assert!(Instant::now() < deadline, "{up} of {calls} calls stand: {:?}", parts(plane));
        match place(plane, from, to, switch, &format!("{round}{number}")) {
            Ok(invite) => reply(&invite, "180 Ringing", to, switch),
            Err(503) => continue,
            Err(status) => panic!("refused by {status}"),
        }
        up += 1;
        if up == calls {
            return;
        }
    }
}

#[test]
fn two_nodes_keep_one_limit_and_one_that_died_leaves_its_part() {
    let server = etcd::Server::start();
    server.ask(server.members());
    let url = server.members().urls.remove(0);
    let (one, two, terminator) = (socket(), socket(), socket());
    let folders = [1, 2].map(|_| tempfile::TempDir::new().unwrap());
    let places = [3, 4].map(|host| at(&UdpSocket::bind((Ipv4Addr::new(127, 0, 44, host), 0)).unwrap()));
    let start = |site: usize| {
        let (sip, node) = (places[site].to_string(), (site + 1).to_string());
        let words = ["--sip", &sip, "--rtp", "20000-20399", "--log", "warn", "--node", &node, "--etcd", &url];
        publish(folders[site].path(), [&one, &two], &terminator, 4);
        Plane::start(folders[site].path(), &words)
    };
    let mut first = start(0);
    etcd::until("a node that is alone has the whole limit", || (parts(&mut first) == [(1, 4)]).then_some(()));
    let mut second = start(1);
    let even = [(1, 2), (2, 2)];
    etcd::until("two have half of it each", || (parts(&mut first) == even && parts(&mut second) == even).then_some(()));
    // All calls come to one node, and its part grows; the other has nothing left.
    fill(&mut second, [&two, &terminator], places[1], "5", 4);
    for (plane, switch, name) in [(&mut first, places[0], "61"), (&mut second, places[1], "62")] {
        assert_eq!(place(plane, &one, &terminator, switch, name), Err(503), "four calls stand");
    }
    // Killed: nothing is said to anybody. Its part ends when etcd has heard nothing of it for ten seconds.
    drop(second);
    fill(&mut first, [&one, &terminator], places[0], "7", 4);
    assert_eq!(place(&mut first, &two, &terminator, places[0], "8"), Err(503));
    assert_eq!(parts(&mut first), [(1, 4)]);
}
