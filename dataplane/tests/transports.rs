//! The program over UDP, TCP and TLS, IPv4 and IPv6: every listener answers, and connections are closed where they must be.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/ports.rs"]
mod ports;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use certificates::certificate;
use panel::wire::{Ask, Frame};
use ports::free_port;
use snapshot::{Account, Carrier, Deck, IngressTrunk, Model, Plan, Source};
use tempfile::TempDir;
use units::{AccountId, CarrierId, Currency, DeckId, IngressTrunkId, PlanId, Revision};

const PATIENCE: Duration = Duration::from_secs(180);
/// Addresses of the trunk; any other is a stranger's.
const KNOWN: [&str; 2] = ["127.0.0.1", "::1"];

struct Plane(Child);

impl Drop for Plane {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(data: &Path, words: &[String]) -> Plane {
    std::fs::create_dir_all(data.join("snapshots")).unwrap();
    std::fs::write(data.join("snapshots/1.snap"), model().encode().unwrap()).unwrap();
    std::fs::write(data.join("snapshots/current"), "1.snap\n").unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_tandem-dataplane"))
        .args(["--shards", "2", "--rtp", "23000-23399", "--log", "warn", "--data"])
        .arg(data)
        .args(words)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let plane = Plane(child);
    let deadline = Instant::now() + PATIENCE;
    let mut control = loop {
        match UnixStream::connect(data.join("run/dataplane.sock")) {
            Ok(stream) => break BufReader::new(stream),
            Err(_) => assert!(Instant::now() < deadline, "the program starts"),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    // Every shard has opened its sockets when it answers.
    let ask = serde_json::to_string(&Frame::Ask { id: 1, ask: Ask::Figures }).unwrap();
    control.get_mut().write_all(format!("{ask}\n").as_bytes()).unwrap();
    assert!(control.read_line(&mut String::new()).unwrap() > 0);
    plane
}

fn model() -> Model {
    let source = |host: &str| {
        let network: IpAddr = host.parse().unwrap();
        Source { network, bits: if network.is_ipv4() { 32 } else { 128 }, port: 0 }
    };
    Model {
        revision: Revision(1),
        carriers: vec![Carrier { id: CarrierId(1), code: "acme".into(), ..Carrier::default() }],
        accounts: vec![Account {
            id: AccountId(1),
            carrier: CarrierId(1),
            currency: Currency::USD,
            ..Account::default()
        }],
        ingress_trunks: vec![IngressTrunk {
            id: IngressTrunkId(1),
            code: "in".into(),
            carrier: CarrierId(1),
            account: AccountId(1),
            sources: KNOWN.iter().map(|host| source(host)).collect(),
            plan: PlanId(1),
            sell_deck: DeckId(1),
            ..IngressTrunk::default()
        }],
        decks: vec![Deck { id: DeckId(1), code: "sell".into(), rates: Vec::new(), ..Deck::default() }],
        plans: vec![Plan {
            id: PlanId(1),
            code: "plan".into(),
            order: snapshot::Order::Lcr,
            margin_min: units::Money::ZERO,
            attempts_max: 1,
            routes: Vec::new(),
            ..Plan::default()
        }],
        ..Model::default()
    }
}

fn options(transport: &str, number: usize) -> String {
    format!(
        "OPTIONS sip:ping@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1:5099;branch=z9hG4bKp{number};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:me@127.0.0.1>;tag=me{number}\r\nTo: <sip:ping@127.0.0.1>\r\n\
         Call-ID: ping-{number}-{transport}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

/// Reads one message without body.
fn message(stream: &mut impl BufRead) -> String {
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        assert_ne!(stream.read_line(&mut text).unwrap(), 0, "the connection ended: {text}");
    }
    text
}

fn connect(to: SocketAddr) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    BufReader::new(stream)
}

#[test]
fn every_listener_answers_over_its_transport_and_family() {
    let (data, port) = (TempDir::new().unwrap(), free_port());
    let hosts = ["127.0.0.1", "[::1]"];
    let listens = hosts.iter().flat_map(|host| ["udp", "tcp"].map(|transport| format!("{transport}:{host}:{port}")));
    let words: Vec<String> = listens.flat_map(|listen| ["--listen".to_owned(), listen]).collect();
    let _plane = start(data.path(), &words);
    for host in KNOWN {
        let at: SocketAddr = (host.parse::<IpAddr>().unwrap(), port).into();
        let peer = UdpSocket::bind((at.ip(), 0)).unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut stream = connect(at);
        // Many Call-IDs: some of them are the other shard's than the one that heard.
        for number in 0..20 {
            peer.send_to(options("UDP", number).as_bytes(), at).unwrap();
            let mut answer = [0; 2_048];
            let (length, from) = peer.recv_from(&mut answer).unwrap();
            assert!(from == at && answer[..length].starts_with(b"SIP/2.0 200 OK\r\n"));
            stream.get_mut().write_all(options("TCP", number).as_bytes()).unwrap();
            let answer = message(&mut stream);
            assert!(
                answer.starts_with("SIP/2.0 200 OK\r\n") && answer.contains(&format!("ping-{number}-TCP")),
                "{answer}"
            );
        }
        stream.get_mut().write_all(b"\r\n\r\n").unwrap();
        let mut pong = [0; 2];
        stream.read_exact(&mut pong).unwrap();
        assert_eq!(&pong, b"\r\n");
    }
}

#[test]
fn a_stranger_is_refused_over_a_connection_and_the_connection_is_closed() {
    let (data, port) = (TempDir::new().unwrap(), free_port());
    let _plane = start(data.path(), &["--sip".to_owned(), format!("127.0.0.1:{port}")]);
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.9.9:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.connect(&SocketAddr::from(([127, 0, 0, 1], port)).into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = BufReader::new(stream);
    stream.get_mut().write_all(options("TCP", 1).as_bytes()).unwrap();
    assert!(message(&mut stream).starts_with("SIP/2.0 403 "));
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "closed in order");
}

#[test]
fn a_listener_that_another_program_has_ends_the_start() {
    let data = TempDir::new().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_tandem-dataplane"))
        .args(["--listen", &format!("tcp:{}", taken.local_addr().unwrap()), "--log", "off", "--data"])
        .arg(data.path())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
}

/// OpenSSL's TLS peer, of other people's making.
fn foreign_peer(port: u16, ca: &Path, words: &[&str]) -> Child {
    Command::new("openssl")
        .args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-quiet", "-verify_return_error", "-CAfile"])
        .arg(ca)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is installed")
}

/// What the switch answers to OPTIONS over TLS; `None` if no connection stands.
fn ask_over_tls(port: u16, ca: &Path, words: &[&str]) -> Option<String> {
    let mut peer = foreign_peer(port, ca, words);
    let mut stdin = peer.stdin.take().unwrap();
    let _ = stdin.write_all(options("TLS", 1).as_bytes());
    let mut stdout = BufReader::new(peer.stdout.take().unwrap());
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") && stdout.read_line(&mut text).unwrap_or(0) > 0 {}
    let _ = peer.kill();
    let _ = peer.wait();
    text.ends_with("\r\n\r\n").then_some(text)
}

#[test]
fn tls_of_both_versions_is_spoken_and_keys_are_read_again_on_sighup() {
    let (data, port) = (TempDir::new().unwrap(), free_port());
    let (ca, _) = certificate(data.path(), "ca", None);
    let (cert, key) = certificate(data.path(), "first", Some("ca"));
    let listen = format!("tls:127.0.0.1:{port},cert={},key={}", cert.display(), key.display());
    let plane = start(data.path(), &["--listen".to_owned(), listen]);
    for version in ["-tls1_2", "-tls1_3"] {
        let answer = ask_over_tls(port, &ca, &[version]).expect("a connection stands");
        assert!(answer.starts_with("SIP/2.0 200 OK\r\n"), "{version}: {answer}");
    }
    assert_eq!(ask_over_tls(port, &ca, &["-tls1_1"]), None, "nothing older is spoken");
    let (other_ca, _) = certificate(data.path(), "other-ca", None);
    let (other, other_key) = certificate(data.path(), "second", Some("other-ca"));
    std::fs::rename(&other_key, &key).unwrap();
    std::fs::rename(&other, &cert).unwrap();
    assert!(Command::new("kill").args(["-HUP", &plane.0.id().to_string()]).status().unwrap().success());
    let deadline = Instant::now() + PATIENCE;
    while ask_over_tls(port, &other_ca, &[]).is_none() {
        assert!(Instant::now() < deadline, "the second certificate comes into force");
    }
}

#[test]
fn a_mutual_listener_wants_proof_of_who_connects() {
    let (data, port) = (TempDir::new().unwrap(), free_port());
    let (ca, _) = certificate(data.path(), "ca", None);
    let (cert, key) = certificate(data.path(), "switch", Some("ca"));
    let (peer, peer_key) = certificate(data.path(), "peer", Some("ca"));
    certificate(data.path(), "nobody", None);
    let (alien, alien_key) = certificate(data.path(), "alien", Some("nobody"));
    let listen =
        format!("tls:127.0.0.1:{port},cert={},key={},ca={},mutual=yes", cert.display(), key.display(), ca.display());
    let _plane = start(data.path(), &["--listen".to_owned(), listen]);
    let as_peer = ["-cert", peer.to_str().unwrap(), "-key", peer_key.to_str().unwrap()];
    assert!(ask_over_tls(port, &ca, &as_peer).is_some());
    assert_eq!(ask_over_tls(port, &ca, &[]), None, "without a certificate");
    let as_alien = ["-cert", alien.to_str().unwrap(), "-key", alien_key.to_str().unwrap()];
    assert_eq!(ask_over_tls(port, &ca, &as_alien), None, "with one that nobody vouches for");
}
