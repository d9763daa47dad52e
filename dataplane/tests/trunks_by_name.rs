//! An egress trunk by host name, over real sockets: the first SRV target is dead, calls go through the second.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

#[path = "../../rating/tests/world.rs"]
mod world;

#[path = "support/plane.rs"]
mod plane;

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData, Record};
use hickory_resolver::proto::serialize::binary::{BinDecodable, BinEncodable};
use panel::wire::{Answer, Ask, Figures};
use plane::{PATIENCE, Plane};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// A name server: `_sip._udp.term.example` is `dead` first, then `alive`.
fn name_server(dead: SocketAddr, alive: SocketAddr) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut bytes = [0; 4_096];
        while let Ok((length, from)) = socket.recv_from(&mut bytes) {
            let mut answer = Message::from_bytes(&bytes[..length]).unwrap();
            let (name, kind) = (answer.queries[0].name().clone(), answer.queries[0].query_type());
            let srv =
                |priority, port| RData::SRV(SRV::new(priority, 0, port, Name::from_ascii("host.example.").unwrap()));
            let records = match name.to_ascii().as_str() {
                "_sip._udp.term.example." => vec![srv(1, dead.port()), srv(2, alive.port())],
                "host.example." => vec![RData::A(std::net::Ipv4Addr::LOCALHOST.into())],
                _ => Vec::new(),
            };
            answer.metadata.message_type = MessageType::Response;
            answer.metadata.response_code =
                if records.is_empty() { ResponseCode::NXDomain } else { ResponseCode::NoError };
            let records = records.into_iter().filter(|data| data.record_type() == kind);
            answer.add_answers(records.map(|data| Record::from_rdata(name.clone(), 60, data)));
            let _ = socket.send_to(&answer.to_bytes().unwrap(), from);
        }
    });
    at
}

fn figures(plane: &mut Plane) -> Figures {
    let Answer::Figures(figures) = plane.ask(Ask::Figures) else { panic!("figures are told") };
    *figures
}

fn counter(plane: &mut Plane, name: &str) -> u64 {
    figures(plane).counters.iter().find(|(known, _)| known == name).map_or(0, |(_, value)| *value)
}

/// A snapshot whose only egress trunk is a name.
fn publish(data: &Path, alive: &UdpSocket, originator: SocketAddr) {
    let mut model = world::world();
    let way_in = world::way_in(&mut model, 1, &[&format!("127.0.0.1/32:{}", originator.port())], "");
    (way_in.cps, way_in.capacity) = (0, 0);
    world::way_out(&mut model, 2, "0.5");
    let trunk = world::trunk(&mut model, 2);
    // Nobody listens at the trunk's own address: only the name leads anywhere.
    trunk.address = "127.0.0.1:9".parse().unwrap();
    trunk.policy.host = "term.example".into();
    let folder = data.join("snapshots");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("1.snap"), world::image(&model)).unwrap();
    std::fs::write(folder.join("current"), "1.snap").unwrap();
    assert_ne!(alive.local_addr().unwrap(), originator);
}

fn invite(originator: SocketAddr, switch: SocketAddr) -> String {
    format!(
        "INVITE sip:442071838750@{switch} SIP/2.0\r\nVia: SIP/2.0/UDP {originator};branch=z9hG4bKone;rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:4930@{originator}>;tag=a\r\nTo: <sip:442071838750@{switch}>\r\nCall-ID: one@here\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:4930@{originator}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    )
}

/// What came to a socket within a moment.
fn heard(socket: &UdpSocket) -> Option<String> {
    socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut bytes = [0; 4_096];
    let length = socket.recv(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes[..length]).into_owned())
}

fn answer(invite: &str, at: SocketAddr) -> String {
    let line = |name: &str| invite.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    format!(
        "SIP/2.0 200 OK\r\n{}\r\n{}\r\n{};tag=b\r\n{}\r\n{}\r\nContact: <sip:{at}>\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{SDP}",
        line("Via:"),
        line("From:"),
        line("To:"),
        line("Call-ID:"),
        line("CSeq:"),
        SDP.len()
    )
}

#[test]
fn a_call_reaches_the_second_srv_target_when_the_first_is_dead() {
    let data = tempfile::TempDir::new().unwrap();
    let (originator, dead, alive) = (socket(), socket(), socket());
    let at = |socket: &UdpSocket| socket.local_addr().unwrap();
    publish(data.path(), &alive, at(&originator));
    // Nobody else takes ports of this address meanwhile.
    let switch = at(&UdpSocket::bind("127.0.47.2:0").unwrap());
    let dns = name_server(at(&dead), at(&alive)).to_string();
    let arguments = ["--sip", &switch.to_string(), "--dns", &dns, "--rtp", "24400-24799", "--log", "info"];
    let mut plane = Plane::start(data.path(), &arguments);
    let deadline = Instant::now() + PATIENCE;
    while counter(&mut plane, "dns_lookups") == 0 {
        assert!(Instant::now() < deadline, "the name is looked up");
    }
    assert_eq!((counter(&mut plane, "dns_failures"), counter(&mut plane, "dns_stale")), (0, 0));
    originator.send_to(invite(at(&originator), switch).as_bytes(), switch).unwrap();
    let (mut tried_dead, mut answered) = (false, false);
    while !answered {
        assert!(Instant::now() < deadline, "the call is answered; the dead target was tried: {tried_dead}");
        plane.serve();
        tried_dead |= heard(&dead).is_some_and(|text| text.starts_with("INVITE sip:442071838750@"));
        if let Some(invite) = heard(&alive).filter(|text| text.starts_with("INVITE ")) {
            assert!(tried_dead, "priority 1 comes before priority 2");
            alive.send_to(answer(&invite, at(&alive)).as_bytes(), switch).unwrap();
        }
        answered = heard(&originator).is_some_and(|text| text.starts_with("SIP/2.0 200"));
    }
    assert_eq!(counter(&mut plane, "attempts"), 1, "both targets are one attempt");
}
