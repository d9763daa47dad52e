//! A switch between two phones, each host in a network namespace of its own.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use cdr::{Cdr, Record, segment};
use panel::wire::{Answer, Ask, Figures};
use snapshot::Policy;

use crate::cables::{self, World};
use crate::plane::{PATIENCE, Plane};
use crate::world;

/// Where the switch hears SIP, by IPv4 and by IPv6.
const SWITCH: [&str; 2] = ["192.0.2.1:5060", "[2001:db8:a::1]:5060"];
const HEADS: [&str; 5] = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];

/// One end of a call.
pub struct Phone {
    /// Its socket for SIP,
    pub sip: UdpSocket,
    /// and for RTP.
    pub media: UdpSocket,
    /// Where the switch wants its media.
    pub to: SocketAddr,
    /// The number of the next packet of its stream.
    pub sequence: u16,
    /// It offers digits as events (RFC 4733), of payload type 101.
    pub events: bool,
    version: u32,
}

impl Phone {
    /// At this host of the IPv4 network, with SIP on 5060 and media on this port.
    pub fn new(world: &World, host: u16, media_port: u16) -> Phone {
        let sip = world.peer(&format!("192.0.2.{host}:5060"));
        let media = world.peer(&format!("192.0.2.{host}:{media_port}"));
        Phone::with(sip, media)
    }

    /// With these sockets.
    pub fn with(sip: UdpSocket, media: UdpSocket) -> Phone {
        let to = media.local_addr().unwrap();
        Phone { sip, media, to, sequence: 0, events: false, version: 0 }
    }

    /// Where the switch hears this phone's SIP.
    fn switch(&self) -> &'static str {
        SWITCH[usize::from(self.sip.local_addr().unwrap().is_ipv6())]
    }

    /// Its next description.
    pub fn body(&mut self, direction: &str) -> String {
        self.version += 1;
        let at = self.media.local_addr().unwrap();
        format!(
            "v=0\r\no=- 1 {} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\nm=audio {} RTP/AVP 0{events}\r\na={direction}\r\n",
            self.version,
            at.port(),
            family = if at.is_ipv4() { "IP4" } else { "IP6" },
            ip = at.ip(),
            events = if self.events { " 101\r\na=rtpmap:101 telephone-event/8000" } else { "" }
        )
    }

    /// Says a message of these lines and this description.
    pub fn say(&self, head: &str, body: &str) {
        let contact = self.sip.local_addr().unwrap();
        let text = format!(
            "{head}\r\nContact: <sip:{contact}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.sip.send_to(text.as_bytes(), self.switch()).unwrap();
    }

    /// The next message that begins like this; others were said again or are of no matter.
    pub fn hear(&mut self, begins: &str) -> String {
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

    /// Answers an INVITE with its description.
    pub fn accept(&mut self, invite: &str, direction: &str) {
        let heads = HEADS.map(|name| line(invite, name)).join("\r\n");
        let known = line(invite, "To:").contains(";tag=");
        let heads = if known { heads } else { heads.replace("\r\nCall-ID", ";tag=called\r\nCall-ID") };
        let body = self.body(direction);
        self.say(&format!("SIP/2.0 200 OK\r\n{heads}"), &body);
    }

    /// The next packet of this end's stream reaches the other end whole, from the address that its description names.
    pub fn speaks_to(&mut self, other: &Phone) {
        let packet = cables::rtp(self.sequence, u32::from(self.media.local_addr().unwrap().port()));
        self.sequence += 1;
        self.media.send_to(&packet, self.to).unwrap();
        assert_eq!(cables::next(&other.media), (packet, other.to));
    }
}

/// The line of a message that begins like this.
pub fn line<'a>(message: &'a str, name: &str) -> &'a str {
    message.lines().find(|line| line.starts_with(name)).unwrap()
}

/// A switch between two phones.
pub struct Stage {
    /// The switch.
    pub plane: Plane,
    /// Who calls.
    pub caller: Phone,
    /// Who is called.
    pub called: Phone,
    /// What the caller's requests within the dialog begin with.
    dialog: String,
    number: u32,
}

impl Stage {
    /// Between two phones of IPv4, with the fast path in this mode.
    pub fn new(world: &World, data: &Path, mode: &'static str, sockets: &'static str) -> Stage {
        let phones = [Phone::new(world, 2, 4_000), Phone::new(world, 3, 6_000)];
        Stage::between(world, data, phones, ["--fast-path", mode, "--media-sockets", sockets])
    }

    /// Between these phones, with these words for the switch.
    pub fn between<const N: usize>(world: &World, data: &Path, phones: [Phone; 2], ways: [&'static str; N]) -> Stage {
        Stage::as_trunks_want(world, data, phones, ways, (2, ""))
    }

    /// The same, where so many seconds of silence end a call, and the ingress trunk has a policy.
    pub fn as_trunks_want<const N: usize>(
        world: &World,
        data: &Path,
        phones: [Phone; 2],
        ways: [&'static str; N],
        (silence_s, policy): (u16, &str),
    ) -> Stage {
        let mut model = world::world();
        let [caller, called] = phones;
        let [from, to] = [&caller, &called].map(|phone| phone.sip.local_addr().unwrap());
        let source = format!("{}/{}", from.ip(), if from.is_ipv4() { 32 } else { 128 });
        let way_in = world::way_in(&mut model, 1, &[&source], "");
        (way_in.cps, way_in.capacity, way_in.media_timeout_s) = (0, 0, silence_s);
        way_in.policy = Policy::from_text(policy).unwrap();
        world::way_out(&mut model, 2, "0.5");
        world::trunk(&mut model, 2).address = to;
        let folder = data.join("snapshots");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("1.snap"), world::image(&model)).unwrap();
        std::fs::write(folder.join("current"), "1.snap").unwrap();
        let (data, switch) = (data.to_owned(), caller.switch());
        let plane = world.as_switch(move || {
            Plane::start(&data, &[&["--sip", switch, "--rtp", "20000-20099", "--log", "warn"][..], &ways].concat())
        });
        Stage { plane, caller, called, dialog: String::new(), number: 1 }
    }

    /// What the switch counts.
    pub fn figures(&mut self) -> Figures {
        let Answer::Figures(figures) = self.plane.ask(Ask::Figures) else { panic!("figures are told") };
        *figures
    }

    /// What one of its counters stands at.
    pub fn counter(&mut self, name: &str) -> u64 {
        self.figures().counters.iter().find(|(known, _)| known == name).map_or(0, |(_, value)| *value)
    }

    /// Both ends' media are described, and the caller has acknowledged.
    pub fn call(&mut self, name: &str) {
        let body = self.caller.body("sendrecv");
        let (from, switch) = (self.caller.sip.local_addr().unwrap(), self.caller.switch());
        let invite = format!(
            "INVITE sip:442071838750@{switch} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{name};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:4930@{from}>;tag={name}\r\nTo: <sip:442071838750@{switch}>\r\n\
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

    /// The caller asks something within the call, with a number that was drawn before.
    pub fn request(&mut self, method: &str, body: &str) {
        let branch = format!("{}{method}", self.number);
        let dialog = self.dialog.replace("NUMBER", &branch);
        let head = format!("{method} {dialog}\r\nMax-Forwards: 70\r\nCSeq: {} {method}", self.number);
        self.caller.say(&head, body);
    }

    /// The caller tells by INFO what is in this body, its kind on the first line; the switch accepts it.
    pub fn inform(&mut self, body: &str) {
        self.number += 1;
        let (kind, body) = body.split_once("\r\n").unwrap();
        let dialog = self.dialog.replace("NUMBER", &format!("{}INFO", self.number));
        let head = format!("INFO {dialog}\r\nMax-Forwards: 70\r\nCSeq: {} INFO\r\nContent-Type: {kind}", self.number);
        let text = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        self.caller.sip.send_to(text.as_bytes(), self.caller.switch()).unwrap();
        let number = format!("CSeq: {} INFO", self.number);
        while !self.caller.hear("SIP/2.0 200").contains(&number) {}
    }

    /// What relays the call's media, and why not the kernel.
    pub fn relayed_by(&mut self) -> (String, Vec<String>) {
        let Answer::Calls(rows) = self.plane.ask(Ask::Calls { limit: 1 }) else { panic!("calls are told") };
        (rows[0].media_path.clone(), rows[0].stays.clone())
    }

    /// The caller describes its media anew; the other end agrees.
    pub fn describe(&mut self, direction: &str, answer: &str) {
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
    pub fn talk(&mut self, rounds: u32) {
        for _ in 0..rounds {
            self.caller.speaks_to(&self.called);
            self.called.speaks_to(&self.caller);
        }
    }

    /// Talks until the kernel relays.
    pub fn talk_until_below(&mut self) {
        let before = self.figures().fast_path.relayed;
        let deadline = Instant::now() + PATIENCE;
        while self.figures().fast_path.relayed < before + 2 {
            assert!(Instant::now() < deadline, "the kernel relays: {:?}", self.figures().fast_path);
            self.talk(2);
        }
    }

    /// The caller ends the call.
    pub fn say_goodbye(&mut self) {
        self.number += 1;
        self.request("BYE", "");
        self.called.hear("BYE ");
        self.caller.hear("SIP/2.0 200");
    }
}

/// The record of the call with this caller's Call-ID.
pub fn record(data: &Path, name: &str) -> Option<Cdr> {
    let files = std::fs::read_dir(data.join("journal")).unwrap().map(|entry| entry.unwrap().path());
    let bytes: Vec<Vec<u8>> = files.map(|path| std::fs::read(path).unwrap()).collect();
    let entries = bytes.iter().filter_map(|bytes| segment::Reader::new(bytes)).flatten().map_while(Result::ok);
    let mut cdrs = entries.filter_map(|entry| if let Record::Cdr(cdr) = entry.record { Some(*cdr) } else { None });
    cdrs.find(|cdr| cdr.attempt.0 == 0 && cdr.ingress_call_id.starts_with(name))
}

/// The same, once it is there.
pub fn written(data: &Path, name: &str) -> Cdr {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(cdr) = record(data, name) {
            return cdr;
        }
        assert!(Instant::now() < deadline, "the record of {name} is written");
        thread::sleep(Duration::from_millis(5));
    }
}
