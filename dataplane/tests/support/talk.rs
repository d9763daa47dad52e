//! One call between two peers over real sockets, and every datagram that either of them sent or heard.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use snapshot::Policy;

use crate::plane::{PATIENCE, Plane};
use crate::world;

/// A datagram as a peer sent or heard it.
pub type Datagram = (SocketAddr, SocketAddr, Vec<u8>);

/// Originator and terminator, each with a socket for SIP and one for media.
pub struct Talk {
    /// SIP of the originator and of the terminator, media of the originator and of the terminator.
    sockets: [UdpSocket; 4],
    switch: SocketAddr,
    /// Our media ports: towards the originator, towards the terminator.
    ports: [SocketAddr; 2],
    answer: String,
    /// The payload types of voice that both offer.
    pub codecs: &'static str,
    /// What carries media, as descriptions name it.
    pub profile: &'static str,
    /// More lines of both descriptions.
    pub more: &'static str,
    /// All that went over the sockets, in order.
    pub log: Vec<Datagram>,
    number: u16,
    born: Instant,
}

const SIP: [usize; 2] = [0, 1];
const MEDIA: [usize; 2] = [2, 3];

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    socket
}

fn line<'a>(message: &'a str, name: &str) -> &'a str {
    message.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {message}"))
}

/// A packet of 20 ms; payload type 8 is G.711 A-law, 0 is µ-law.
pub fn packet(number: u16, payload_type: u8, source: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type];
    packet.extend(number.to_be_bytes());
    packet.extend((u32::from(number) * 160).to_be_bytes());
    packet.extend([0, 0, 0, source]);
    packet.extend(payload);
    packet
}

/// Without what repeats an earlier one between the same sockets: a machine that is late lets SIP repeat itself.
#[allow(dead_code, reason = "not every test compares all that was said")]
pub fn once(all: &[Datagram]) -> Vec<Datagram> {
    let mut seen = std::collections::BTreeSet::new();
    all.iter().filter(|datagram| seen.insert((*datagram).clone())).cloned().collect()
}

impl Talk {
    /// Two peers who know nobody yet.
    pub fn new(switch: SocketAddr) -> Talk {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let sockets = [socket(), socket(), socket(), socket()];
        Talk {
            sockets,
            switch,
            ports: [nowhere; 2],
            answer: String::new(),
            codecs: "8",
            profile: "RTP/AVP",
            more: "",
            log: Vec::new(),
            number: 0,
            born: Instant::now(),
        }
    }

    fn sdp(&self, side: usize) -> String {
        let (port, Talk { codecs, profile, more, .. }) = (self.at(MEDIA[side]).port(), self);
        format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} {profile} {codecs} 101\r\n\
             a=rtpmap:101 telephone-event/8000\r\n{more}"
        )
    }

    /// Leaves the media addresses to others: for each side its own and ours towards it.
    #[allow(dead_code, reason = "not every test has others speak")]
    pub fn leave_media(&mut self) -> [(SocketAddr, SocketAddr); 2] {
        let left = [0, 1].map(|side| (self.at(MEDIA[side]), self.ports[side]));
        MEDIA.into_iter().for_each(|place| self.sockets[place] = socket());
        left
    }

    fn at(&self, place: usize) -> SocketAddr {
        self.sockets[place].local_addr().unwrap()
    }

    /// Lets the switch know both, each trunk with a policy; an empty one for none.
    pub fn publish(&self, data: &Path, ingress: &str, egress: &str) {
        let mut model = world::world();
        let source = format!("127.0.0.1/32:{}", self.at(SIP[0]).port());
        let way_in = world::way_in(&mut model, 1, &[&source], "");
        (way_in.max_duration_s, way_in.policy) = (600, Policy::from_text(ingress).unwrap());
        world::way_out(&mut model, 2, "0.5");
        let trunk = world::trunk(&mut model, 2);
        (trunk.address, trunk.policy) = (self.at(SIP[1]), Policy::from_text(egress).unwrap());
        let folder = data.join("snapshots");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("1.snap"), world::image(&model)).unwrap();
        std::fs::write(folder.join("current"), "1.snap").unwrap();
    }

    fn send(&mut self, place: usize, to: SocketAddr, bytes: &[u8]) {
        self.sockets[place].send_to(bytes, to).unwrap();
        self.log.push((self.at(place), to, bytes.to_vec()));
    }

    /// The next datagram that this socket hears and that fits.
    fn hear(&mut self, plane: &mut Plane, place: usize, fits: impl Fn(&[u8]) -> bool, what: &str) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        let mut bytes = [0; 4_096];
        while Instant::now() < deadline {
            let Ok((length, from)) = self.sockets[place].recv_from(&mut bytes) else {
                plane.serve();
                continue;
            };
            self.log.push((from, self.at(place), bytes[..length].to_vec()));
            if fits(&bytes[..length]) {
                return bytes[..length].to_vec();
            }
        }
        panic!("{what} comes");
    }

    fn hear_sip(&mut self, plane: &mut Plane, side: usize, begin: &str) -> String {
        let heard = self.hear(plane, SIP[side], |bytes| bytes.starts_with(begin.as_bytes()), begin);
        String::from_utf8(heard).unwrap()
    }

    fn say(&mut self, side: usize, message: &str) {
        self.send(SIP[side], self.switch, message.as_bytes());
    }

    /// Places a call and lets it be answered.
    pub fn begin(&mut self, plane: &mut Plane, name: &str) {
        let (from, to, offer) = (self.at(SIP[0]), self.switch, self.sdp(0));
        self.say(
            0,
            &format!(
                "INVITE sip:442071838750@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{name};rport\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:4930{name}@{from}>;tag=a\r\nTo: <sip:442071838750@{to}>\r\n\
                 Call-ID: {name}@here\r\nCSeq: 1 INVITE\r\nContact: <sip:4930@{from}>\r\n\
                 Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{offer}",
                offer.len()
            ),
        );
        let invite = self.hear_sip(plane, 1, "INVITE ");
        self.reply(1, &invite, &self.sdp(1));
        let answer = self.hear_sip(plane, 0, "SIP/2.0 200");
        let port = |text: &str| line(text, "m=audio ").split(' ').nth(1).unwrap().parse().unwrap();
        self.ports = [port(&answer), port(&invite)].map(|port| SocketAddr::new(to.ip(), port));
        self.answer = answer;
        self.request("ACK", 1);
        self.hear_sip(plane, 1, "ACK ");
    }

    fn reply(&mut self, side: usize, request: &str, body: &str) {
        let heads = ["Via:", "From:", "Call-ID:", "CSeq:"].map(|name| line(request, name)).join("\r\n");
        let (to, contact) = (line(request, "To:"), self.at(SIP[side]));
        let tag = if to.contains("tag=") { "" } else { ";tag=b" };
        self.say(
            side,
            &format!(
                "SIP/2.0 200 OK\r\n{heads}\r\n{to}{tag}\r\nContact: <sip:{contact}>\r\n\
                 Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ),
        );
    }

    /// A request of the originator within the call.
    fn request(&mut self, method: &str, number: u32) {
        let (from, answer) = (self.at(SIP[0]), &self.answer);
        let heads = ["From:", "To:", "Call-ID:"].map(|name| line(answer, name)).join("\r\n");
        let target = line(answer, "Contact:").split(['<', '>']).nth(1).unwrap();
        let request = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{method}{number};rport\r\n\
             Max-Forwards: 70\r\n{heads}\r\nCSeq: {number} {method}\r\nContent-Length: 0\r\n\r\n"
        );
        self.say(0, &request);
    }

    /// Each side says so many packets of 20 ms; each is heard by the other, as it was, before the next is said.
    pub fn speak(&mut self, plane: &mut Plane, packets: u16) {
        self.speak_by(plane, packets, 8, |_, number| [number as u8 ^ 0x55; 160]);
    }

    /// As [`Talk::speak`], with this payload type and what each side says in its packet of each number.
    pub fn speak_by(
        &mut self,
        plane: &mut Plane,
        packets: u16,
        payload_type: u8,
        voice: impl Fn(usize, u16) -> [u8; 160],
    ) {
        for _ in 0..packets {
            self.number += 1;
            for side in [0, 1] {
                let said = packet(self.number, payload_type, side as u8, &voice(side, self.number));
                self.send(MEDIA[side], self.ports[side], &said);
                self.hear(plane, MEDIA[1 - side], |heard| heard == said, "a packet, as it was said,");
            }
        }
    }

    /// The originator says so many packets of A-law, one every 20 ms by its clock, whether they are heard or not. How long the kernel took
    /// for one at most, in microseconds.
    #[allow(dead_code, reason = "not every test cares for times")]
    pub fn speak_on_time(&mut self, packets: u16) -> u32 {
        let (begun, mut longest) = (Instant::now(), 0);
        for number in 1..=packets {
            self.number += 1;
            let mut said = packet(self.number, 8, 0, &[0x55; 160]);
            let before = self.born.elapsed().as_micros() as u64;
            said[4..8].copy_from_slice(&((before * 8 / 1_000) as u32).to_be_bytes());
            self.send(MEDIA[0], self.ports[0], &said);
            longest = longest.max(self.born.elapsed().as_micros() as u64 - before);
            std::thread::sleep((begun + Duration::from_millis(20 * u64::from(number))) - Instant::now());
        }
        longest as u32
    }

    /// The terminator hears so many packets.
    #[allow(dead_code, reason = "not every test cares for times")]
    pub fn hear_voice(&mut self, plane: &mut Plane, packets: u16) {
        for _ in 0..packets {
            self.hear(plane, MEDIA[1], |_| true, "a packet");
        }
    }

    /// Each side sends a report (RTCP) that the other hears.
    #[allow(dead_code, reason = "not every test sends reports")]
    pub fn report(&mut self, plane: &mut Plane) {
        for side in [0, 1] {
            // RFC 3550 §6.4.2: a receiver report without blocks. RFC 5761: on the port of RTP, by its second byte.
            let said = vec![0x80, 201, 0, 1, 0, 0, 0, side as u8];
            self.send(MEDIA[side], self.ports[side], &said);
            self.hear(plane, MEDIA[1 - side], |heard| heard == said, "a report, as it was sent,");
        }
    }

    /// The originator ends the call.
    pub fn end(&mut self, plane: &mut Plane) {
        self.request("BYE", 2);
        let bye = self.hear_sip(plane, 1, "BYE ");
        self.reply(1, &bye, "");
        self.hear_sip(plane, 0, "SIP/2.0 200");
    }
}
