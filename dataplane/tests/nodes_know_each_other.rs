//! Data planes and an etcd: a subscriber registers with one, and the other calls it, whatever dies meanwhile. A balancer hears of its cores.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

#[path = "../../rating/tests/world.rs"]
mod world;

#[path = "support/certificates.rs"]
mod certificates;
#[allow(dead_code, reason = "this file uses a part of it")]
#[path = "../../controlplane/live/tests/support/mod.rs"]
mod etcd;
#[path = "support/phone.rs"]
mod phone;
#[path = "support/plane.rs"]
mod plane;
#[path = "support/ports.rs"]
mod ports;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use etcd::{Server, until};
use panel::balancer::{Answer as Told, Ask as Balance, CoreRow};
use panel::wire::{Answer, Ask, BindingRow};
use plane::Plane;
use ports::free_port;
use snapshot::Policy;
use tempfile::TempDir;

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";

fn port(socket: &UdpSocket) -> u16 {
    socket.local_addr().unwrap().port()
}

fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").unwrap()
}

/// Calls of this port go to alice, for nothing.
fn publish(data: &Path, caller: u16) {
    let mut model = world::world();
    let way_in = world::way_in(&mut model, 1, &[&format!("127.0.0.1/32:{caller}")], "");
    (way_in.cps, way_in.capacity) = (0, 0);
    let alice = world::way_in(&mut model, 2, &[], "");
    alice.policy = Policy { digest: Some(phone::alice()), ..Policy::default() };
    world::way_out(&mut model, 2, "0");
    world::deck_of(&mut model, 2).rates = vec![world::rate("44", "0")];
    model.decks[0].rates = vec![world::rate("44", "0")];
    world::trunk(&mut model, 2).policy.subscriber = "alice".into();
    let folder = data.join("snapshots");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("1.snap"), world::image(&model)).unwrap();
    std::fs::write(folder.join("current"), "1.snap").unwrap();
}

/// A node of a cluster, whose data folder outlives it.
struct Site {
    folder: TempDir,
    number: u16,
    sip: u16,
}

impl Site {
    fn new(number: u16, caller: u16) -> Site {
        let folder = TempDir::new().unwrap();
        publish(folder.path(), caller);
        Site { folder, number, sip: free_port() }
    }

    fn start(&self, etcd: &str) -> Plane {
        self.start_with(etcd, &[])
    }

    fn start_with(&self, etcd: &str, more: &[&str]) -> Plane {
        let sip = format!("127.0.0.1:{}", self.sip);
        let rtp = format!("{}-{}", 22_000 + self.number * 400, 22_399 + self.number * 400);
        let node = self.number.to_string();
        let words = ["--sip", &sip, "--rtp", &rtp, "--node", &node, "--etcd", etcd, "--log", "warn"];
        Plane::start(self.folder.path(), &[&words, more].concat())
    }
}

fn start_etcd() -> (Server, String) {
    let server = Server::start();
    server.ask(server.members());
    let url = server.members().urls.remove(0);
    (server, url)
}

fn binding(plane: &mut Plane) -> Option<BindingRow> {
    let Answer::Peers(peers) = plane.ask(Ask::Peers) else { panic!("peers are told") };
    peers.bindings.first().cloned()
}

fn invite(caller: u16, switch: u16) -> String {
    format!(
        "INVITE sip:442071838750@127.0.0.1:{switch} SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:{caller};branch=z9hG4bKone;rport\r\nMax-Forwards: 70\r\n\
         From: <sip:4930@127.0.0.1>;tag=a\r\nTo: <sip:442071838750@127.0.0.1>\r\nCall-ID: one@here\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:4930@127.0.0.1:{caller}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    )
}

#[test]
fn a_subscriber_of_a_dead_node_is_called_from_another_though_etcd_has_died_too() {
    let ((server, url), caller) = (start_etcd(), socket());
    let [one, two] = [1, 2].map(|number| Site::new(number, port(&caller)));
    let (mut plane_one, mut plane_two) = (one.start(&url), two.start(&url));
    let alice = free_port();
    assert!(phone::registers(one.folder.path(), alice, one.sip, "wonderland"));
    let heard = until("the other node hears of her", || binding(&mut plane_two));
    assert_eq!((heard.node, heard.reached, heard.from), (1, true, format!("127.0.0.1:{alice}")));
    let own = binding(&mut plane_one).unwrap();
    assert_eq!((heard.since, (heard.until - own.until).abs() < 1_000_000), (own.since, true));

    drop(plane_one);
    let mut plane_one = one.start(&url);
    until("her node has heard what it knew before its end", || binding(&mut plane_one));
    drop((plane_one, server));

    let alice = UdpSocket::bind(("127.0.0.1", alice)).unwrap();
    alice.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    caller.send_to(invite(port(&caller), two.sip).as_bytes(), ("127.0.0.1", two.sip)).unwrap();
    until("the call comes to her", || {
        plane_two.serve();
        let mut bytes = [0; 4_096];
        let length = alice.recv(&mut bytes).ok()?;
        bytes[..length].starts_with(b"INVITE sip:442071838750@").then_some(())
    });
}

/// Alice's telephone, connected with a node.
struct Phone {
    says: Box<dyn Write>,
    heard: Receiver<Vec<u8>>,
    bytes: Vec<u8>,
    node: u16,
    /// `TCP` or `TLS`, and the port that she says is hers.
    over: (&'static str, u16),
    /// Who speaks TLS for her.
    _speaker: Option<Speaker>,
}

/// OpenSSL's TLS peer, gone with this value.
struct Speaker(Child);

impl Drop for Speaker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What comes, piece by piece, until it ends.
fn pieces(mut from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (tell, heard) = channel();
    std::thread::spawn(move || {
        let mut piece = [0; 4_096];
        while let Ok(length) = from.read(&mut piece) {
            if length == 0 || tell.send(piece[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    heard
}

impl Phone {
    fn over_tcp(node: u16) -> Phone {
        let stream = TcpStream::connect(("127.0.0.1", node)).unwrap();
        let own = stream.local_addr().unwrap().port();
        let heard = pieces(stream.try_clone().unwrap());
        Phone { says: Box::new(stream), heard, bytes: Vec::new(), node, over: ("TCP", own), _speaker: None }
    }

    /// It believes certificates that this authority vouches for, and no others.
    fn over_tls(node: u16, authority: &Path) -> Phone {
        let mut command = Command::new("openssl");
        command.args([
            "s_client",
            "-connect",
            &format!("127.0.0.1:{node}"),
            "-quiet",
            "-verify_return_error",
            "-CAfile",
        ]);
        command.arg(authority).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut speaker = command.spawn().expect("openssl is installed");
        let heard = pieces(speaker.stdout.take().unwrap());
        let says = Box::new(speaker.stdin.take().unwrap());
        Phone { says, heard, bytes: Vec::new(), node, over: ("TLS", 5_061), _speaker: Some(Speaker(speaker)) }
    }

    fn say(&mut self, text: &str) {
        self.says.write_all(text.as_bytes()).unwrap();
        self.says.flush().unwrap();
    }

    /// The next whole message, if there is one.
    fn hear(&mut self) -> Option<String> {
        if let Ok(piece) = self.heard.recv_timeout(Duration::from_millis(10)) {
            self.bytes.extend_from_slice(&piece);
        }
        let text = String::from_utf8(self.bytes.clone()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length: usize = header(head, "Content-Length").parse().unwrap();
        let whole = head.len() + 4 + length;
        (body.len() >= length).then(|| String::from_utf8(self.bytes.drain(..whole).collect()).unwrap())
    }

    fn register(&mut self, cseq: u32, proof: &str) -> String {
        let (node, (over, own)) = (self.node, self.over);
        self.say(&format!(
            "REGISTER sip:127.0.0.1:{node} SIP/2.0\r\nVia: SIP/2.0/{over} 127.0.0.1:{own};branch=z9hG4bKr{cseq}\r\nMax-Forwards: 70\r\n\
             From: <sip:alice@127.0.0.1>;tag=r\r\nTo: <sip:alice@127.0.0.1>\r\nCall-ID: registers@phone\r\nCSeq: {cseq} REGISTER\r\n\
             Contact: <sip:alice@127.0.0.1:{own};transport={}>\r\nExpires: 600\r\n{proof}Content-Length: 0\r\n\r\n",
            over.to_lowercase()
        ));
        until("the switch answers over the connection", || self.hear())
    }

    /// Registers, with the proof that RFC 7616 §3.4.1 asks for.
    fn registers(&mut self) {
        let refusal = self.register(1, "");
        assert!(refusal.starts_with("SIP/2.0 401 "), "{refusal}");
        let asked =
            refusal.lines().find(|line| line.starts_with("WWW-Authenticate: ") && line.contains("MD5")).unwrap();
        let nonce = asked.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
        let uri = format!("sip:127.0.0.1:{}", self.node);
        let (who, what) = (phone::alice().ha1_md5, md5(&format!("REGISTER:{uri}")));
        let response = md5(&format!("{who}:{nonce}:00000001:0a4f113b:auth:{what}"));
        let answer = self.register(
            2,
            &format!(
                "Authorization: Digest username=\"alice\", realm=\"127.0.0.1\", nonce=\"{nonce}\", uri=\"{uri}\", \
                 response=\"{response}\", algorithm=MD5, cnonce=\"0a4f113b\", nc=00000001, qop=auth\r\n"
            ),
        );
        assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    }
}

fn md5(text: &str) -> String {
    let said = Command::new("sh").args(["-c", "printf %s \"$0\" | md5sum", text]).output().unwrap();
    String::from_utf8(said.stdout).unwrap()[..32].to_owned()
}

fn header<'a>(message: &'a str, name: &str) -> &'a str {
    message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap()
}

#[test]
fn a_subscriber_over_tcp_is_called_from_another_node_over_the_connection_that_she_made() {
    let ((_server, url), caller) = (start_etcd(), socket());
    let [one, two] = [3, 4].map(|number| Site::new(number, port(&caller)));
    let key = one.folder.path().join("key");
    std::fs::write(&key, [b'k'; 40]).unwrap();
    let key = ["--balancer-key", key.to_str().unwrap()];
    let (_plane_one, mut plane_two) = (one.start_with(&url, &key), two.start_with(&url, &key));
    let mut alice = Phone::over_tcp(one.sip);
    alice.registers();
    let heard = until("the other node hears of her", || binding(&mut plane_two));
    let from = format!("127.0.0.1:{}", alice.over.1);
    assert_eq!((heard.node, heard.reached, heard.from), (3, true, from));

    caller.send_to(invite(port(&caller), two.sip).as_bytes(), ("127.0.0.1", two.sip)).unwrap();
    let request = until("the call comes to her", || {
        plane_two.serve();
        alice.hear()
    });
    assert!(request.starts_with("INVITE sip:442071838750@") && !request.contains("X-Tandem"), "{request}");
    let copy = ["Via", "From", "To", "Call-ID", "CSeq"].map(|name| format!("{name}: {}", header(&request, name)));
    let [via, from, to, call_id, cseq] = copy;
    let lines = [via, from, to + ";tag=alice", call_id, cseq, "Content-Length: 0".to_owned()].join("\r\n");
    alice.say(&format!("SIP/2.0 180 Ringing\r\n{lines}\r\n\r\n"));
    caller.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    until("her bell is heard", || {
        plane_two.serve();
        let mut bytes = [0; 4_096];
        let length = caller.recv(&mut bytes).ok()?;
        bytes[..length].starts_with(b"SIP/2.0 180 ").then_some(())
    });
}

/// The same over TLS, which OpenSSL's own program speaks for her.
#[test]
fn a_subscriber_over_tls_is_called_from_another_node_answers_and_hangs_up() {
    let ((_server, url), caller) = (start_etcd(), socket());
    let [one, two] = [7, 8].map(|number| Site::new(number, port(&caller)));
    let (key, tls) = (one.folder.path().join("key"), free_port());
    std::fs::write(&key, [b'k'; 40]).unwrap();
    let (authority, _) = certificates::certificate(one.folder.path(), "authority", None);
    let (cert, private) = certificates::certificate(one.folder.path(), "switch", Some("authority"));
    let listen = |port| format!("tls:127.0.0.1:{port},cert={},key={}", cert.display(), private.display());
    let start =
        |site: &Site, tls| site.start_with(&url, &["--balancer-key", key.to_str().unwrap(), "--listen", &listen(tls)]);
    let (_plane_one, mut plane_two) = (start(&one, tls), start(&two, free_port()));
    let mut alice = Phone::over_tls(tls, &authority);
    alice.registers();
    let heard = until("the other node hears of her", || binding(&mut plane_two));
    assert_eq!((heard.node, heard.reached), (7, true), "{heard:?}");

    caller.send_to(invite(port(&caller), two.sip).as_bytes(), ("127.0.0.1", two.sip)).unwrap();
    let request = until("the call comes to her", || {
        plane_two.serve();
        alice.hear()
    });
    assert!(request.starts_with("INVITE sip:442071838750@") && request.contains("SIP/2.0/TLS "), "{request}");
    let line = |name: &str| format!("{name}: {}", header(&request, name));
    let dialog = format!("{}\r\n{};tag=alice\r\n{}", line("From"), line("To"), line("Call-ID"));
    alice.say(&format!(
        "SIP/2.0 200 OK\r\n{}\r\n{dialog}\r\n{}\r\nContact: <sip:alice@127.0.0.1:5061;transport=tls>\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
        line("Via"),
        line("CSeq"),
        SDP.len()
    ));
    let answer = told(&caller, &mut plane_two, "SIP/2.0 200 ");
    let within = |name: &str| format!("{name}: {}\r\n", header(&answer, name));
    let target = header(&answer, "Contact").trim_start_matches('<').split('>').next().unwrap();
    let ack = format!(
        "ACK {target} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{};branch=z9hG4bKack\r\nMax-Forwards: 70\r\n{}{}{}CSeq: 1 ACK\r\n\
         Content-Length: 0\r\n\r\n",
        port(&caller),
        within("From"),
        within("To"),
        within("Call-ID")
    );
    caller.send_to(ack.as_bytes(), ("127.0.0.1", two.sip)).unwrap();
    // The INVITE may have been repeated meanwhile.
    until("her answer is acknowledged", || alice.hear().filter(|text| text.starts_with("ACK ")));
    // She hangs up, over the connection that is at the other node.
    let target = header(&request, "Contact").trim_start_matches('<').split('>').next().unwrap();
    let (hers, theirs) = (header(&request, "To"), header(&request, "From"));
    alice.say(&format!(
        "BYE {target} SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:5061;branch=z9hG4bKbye\r\nMax-Forwards: 70\r\nFrom: {hers};tag=alice\r\n\
         To: {theirs}\r\n{}\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
        line("Call-ID")
    ));
    let bye = told(&caller, &mut plane_two, "BYE ");
    assert!(!bye.contains("X-Tandem"), "{bye}");
    until("her BYE is answered", || {
        plane_two.serve();
        alice.hear().filter(|text| text.starts_with("SIP/2.0 200 "))
    });
}

/// The next message that begins so.
fn told(caller: &UdpSocket, plane: &mut Plane, begins: &str) -> String {
    caller.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    until(begins, || {
        plane.serve();
        let mut bytes = [0; 4_096];
        let length = caller.recv(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        text.starts_with(begins).then_some(text)
    })
}

/// A balancer that no core was named to.
struct Balancer {
    process: Child,
    folder: TempDir,
    inside: u16,
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Balancer {
    fn start(etcd: &str) -> Balancer {
        let (folder, at, inside) = (TempDir::new().unwrap(), free_port(), free_port());
        std::fs::write(folder.path().join("key"), [b'k'; 40]).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tandem-dataplane"));
        command.args(["--role", "balancer", "--log", "warn", "--listen", &format!("udp:127.0.0.1:{at}")]);
        command.args(["--inside", &format!("127.0.0.1:{inside}"), "--etcd", etcd, "--balancer-key"]);
        command.arg(folder.path().join("key")).arg("--data").arg(folder.path());
        Balancer { process: command.stdin(Stdio::null()).spawn().unwrap(), folder, inside }
    }

    fn cores(&self) -> Option<Vec<CoreRow>> {
        let mut stream = BufReader::new(UnixStream::connect(self.folder.path().join("run/balancer.sock")).ok()?);
        let ask = serde_json::to_string(&Balance::Cores).unwrap() + "\n";
        stream.get_mut().write_all(ask.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_line(&mut answer).ok()?;
        match serde_json::from_str(&answer).unwrap() {
            Told::Cores(cores) => Some(cores),
            other => panic!("{other:?} is no answer to a question for cores"),
        }
    }

    /// Starts a core that this balancer stands before.
    fn before(&self, number: u16, folder: &TempDir, etcd: &str) -> Plane {
        publish(folder.path(), 9);
        let (at, known_as, inside) = (free_port(), free_port(), self.inside);
        let listen = format!("udp:127.0.0.1:{at},behind=127.0.0.1:{known_as},balancer=127.0.0.1:{inside}");
        let key = self.folder.path().join("key").display().to_string();
        let rtp = format!("{}-{}", 22_000 + number * 400, 22_399 + number * 400);
        let words =
            ["--node", &number.to_string(), "--listen", &listen, "--balancer-key", &key, "--rtp", &rtp, "--etcd", etcd];
        Plane::start(folder.path(), &words)
    }
}

#[test]
fn cores_come_to_a_balancer_and_go_by_their_own_word() {
    let (_server, url) = start_etcd();
    let balancer = Balancer::start(&url);
    assert_eq!(until("the balancer answers", || balancer.cores()), []);
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let one = balancer.before(5, &folders[0], &url);
    let _two = balancer.before(6, &folders[1], &url);
    let nodes = |cores: Vec<CoreRow>| {
        let up = cores.iter().all(|core| core.state == "up");
        let mut nodes: Vec<_> = cores.iter().filter_map(|core| core.node).collect();
        nodes.sort_unstable();
        (up, nodes)
    };
    until("both take calls", || (nodes(balancer.cores()?) == (true, vec![5, 6])).then_some(()));
    drop(one);
    until("the dead one is forgotten", || (nodes(balancer.cores()?) == (true, vec![6])).then_some(()));
}
