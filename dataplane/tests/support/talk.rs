//! One call between two peers over real sockets, and every datagram that either of them sent or heard.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use snapshot::Policy;

use crate::plane::{PATIENCE, Plane};
use crate::world;

/// A datagram as a peer sent or heard it.
pub type Datagram = (SocketAddr, SocketAddr, Vec<u8>);

/// Originator and terminator, each on the loopback address of its side's family, with sockets for SIP, RTP and RTCP.
pub struct Talk {
    /// SIP of the originator and of the terminator, RTP of both, RTCP of both.
    sockets: [UdpSocket; 6],
    /// Where the switch hears SIP of the originator, and of the terminator.
    switch: [SocketAddr; 2],
    /// Our media ports: towards the originator, towards the terminator.
    ports: [SocketAddr; 2],
    /// What requests of either side within the call begin with: their target, and From, To and Call-ID.
    dialogs: [(String, String); 2],
    /// The CSeq number of either side's last request.
    numbers: [u32; 2],
    /// The payload types of voice that both offer.
    pub codecs: &'static str,
    /// What carries media, as descriptions name it.
    pub profile: &'static str,
    /// More lines of both descriptions.
    pub more: &'static str,
    /// Who of them describes digits as events (RFC 4733), of payload type 101.
    pub events: [bool; 2],
    /// Seconds of silence that end the call; 0 for never.
    pub silence_s: u16,
    /// All that went over the sockets, in order.
    pub log: Vec<Datagram>,
    number: u16,
    born: Instant,
}

const SIP: [usize; 2] = [0, 1];
/// The sockets of both sides for RTP.
#[allow(dead_code, reason = "not every test names sockets")]
pub const MEDIA: [usize; 2] = [2, 3];
/// The sockets of both sides for RTCP.
#[allow(dead_code, reason = "not every test sends reports")]
pub const REPORTS: [usize; 2] = [4, 5];

fn bound(at: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind(at)?;
    socket.set_read_timeout(Some(Duration::from_millis(5)))?;
    Ok(socket)
}

/// A socket on the loopback address of this one's family.
fn socket(like: SocketAddr) -> UdpSocket {
    let ip = if like.is_ipv4() { IpAddr::from(Ipv4Addr::LOCALHOST) } else { Ipv6Addr::LOCALHOST.into() };
    bound(SocketAddr::new(ip, 0)).unwrap()
}

/// Two of them, on an even port and the one above it (RFC 3550 §11).
fn pair(like: SocketAddr) -> [UdpSocket; 2] {
    loop {
        let rtp = socket(like);
        let at = rtp.local_addr().unwrap();
        if at.port().is_multiple_of(2)
            && let Ok(rtcp) = bound(SocketAddr::new(at.ip(), at.port() + 1))
        {
            return [rtp, rtcp];
        }
    }
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
        Talk::between([switch; 2])
    }

    /// The same, where the switch hears each of them at an address of its own.
    pub fn between(switch: [SocketAddr; 2]) -> Talk {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let [[one, reports], [other, other_reports]] = switch.map(pair);
        let [sip, other_sip] = switch.map(socket);
        Talk {
            sockets: [sip, other_sip, one, other, reports, other_reports],
            switch,
            ports: [nowhere; 2],
            dialogs: Default::default(),
            numbers: [1, 0],
            codecs: "8",
            profile: "RTP/AVP",
            more: "",
            events: [true; 2],
            silence_s: 0,
            log: Vec::new(),
            number: 0,
            born: Instant::now(),
        }
    }

    fn sdp(&self, side: usize) -> String {
        let ([at, media], Talk { codecs, profile, more, .. }) = ([SIP, MEDIA].map(|of| self.at(of[side])), self);
        let (format, named) =
            if self.events[side] { (" 101", "a=rtpmap:101 telephone-event/8000\r\n") } else { ("", "") };
        let address = |of: SocketAddr| format!("IN {} {}", if of.is_ipv4() { "IP4" } else { "IP6" }, of.ip());
        let (whole, own, port) = (address(at), address(media), media.port());
        let own = if own == whole { String::new() } else { format!("c={own}\r\n") };
        format!(
            "v=0\r\no=- 1 1 {whole}\r\ns=-\r\nc={whole}\r\nt=0 0\r\nm=audio {port} {profile} {codecs}{format}\r\n{own}{named}{more}"
        )
    }

    /// Leaves the media addresses to others: for each side its own and ours towards it.
    #[allow(dead_code, reason = "not every test has others speak")]
    pub fn leave_media(&mut self) -> [(SocketAddr, SocketAddr); 2] {
        let left = [0, 1].map(|side| (self.at(MEDIA[side]), self.ports[side]));
        MEDIA.into_iter().for_each(|place| self.sockets[place] = socket(self.at(place)));
        left
    }

    /// This side's media comes from another port than its description names, as from behind a NAT.
    #[allow(dead_code, reason = "not every test has a NAT")]
    pub fn moves(&mut self, side: usize) {
        self.sockets[MEDIA[side]] = socket(self.at(MEDIA[side]));
    }

    /// This side's media has the other family than its signalling, as its media line alone says.
    #[allow(dead_code, reason = "most sides have one family")]
    pub fn mixes(&mut self, side: usize) {
        let four = self.at(SIP[side]).is_ipv4();
        let other = if four { IpAddr::from(Ipv6Addr::LOCALHOST) } else { Ipv4Addr::LOCALHOST.into() };
        let places = [MEDIA[side], REPORTS[side]];
        places
            .into_iter()
            .zip(pair(SocketAddr::new(other, 0)))
            .for_each(|(place, socket)| self.sockets[place] = socket);
    }

    fn at(&self, place: usize) -> SocketAddr {
        self.sockets[place].local_addr().unwrap()
    }

    /// Lets the switch know both, each trunk with a policy; an empty one for none.
    pub fn publish(&self, data: &Path, ingress: &str, egress: &str) {
        let mut model = world::world();
        let from = self.at(SIP[0]);
        let source = format!("{}/{}:{}", from.ip(), if from.is_ipv4() { 32 } else { 128 }, from.port());
        let way_in = world::way_in(&mut model, 1, &[&source], "");
        (way_in.max_duration_s, way_in.policy) = (600, Policy::from_text(ingress).unwrap());
        way_in.media_timeout_s = self.silence_s;
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
        self.send(SIP[side], self.switch[side], message.as_bytes());
    }

    /// Places a call and lets it be answered.
    pub fn begin(&mut self, plane: &mut Plane, name: &str) {
        let (from, to, offer) = (self.at(SIP[0]), self.switch[0], self.sdp(0));
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
        self.ports = [&answer, &invite].map(|text| {
            let ip = line(text, "c=IN ").rsplit(' ').next().unwrap().parse().unwrap();
            SocketAddr::new(ip, line(text, "m=audio ").split(' ').nth(1).unwrap().parse().unwrap())
        });
        let target = |text: &str| line(text, "Contact:").split(['<', '>']).nth(1).unwrap().to_owned();
        let heads = |text: &str, names: [&str; 3]| names.map(|name| line(text, name)).join("\r\n");
        let (to, from) = (&line(&invite, "To:")[3..], &line(&invite, "From:")[5..]);
        let back = format!("From:{to};tag=b\r\nTo:{from}\r\n{}", line(&invite, "Call-ID:"));
        self.dialogs = [(target(&answer), heads(&answer, ["From:", "To:", "Call-ID:"])), (target(&invite), back)];
        self.numbers = [1, 0];
        self.request(0, "ACK", "");
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

    /// A request of this side within the call; `body` is what comes behind Content-Type.
    fn request(&mut self, side: usize, method: &str, body: &str) {
        self.numbers[side] += u32::from(method != "ACK");
        let (from, number, (target, heads)) = (self.at(SIP[side]), self.numbers[side], &self.dialogs[side]);
        let (kind, body) = body.split_once("\r\n").unwrap_or_default();
        let kind = if kind.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
        let request = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{method}{side}{number};rport\r\n\
             Max-Forwards: 70\r\n{heads}\r\nCSeq: {number} {method}\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.say(side, &request);
    }

    /// This side tells by INFO what is in this body, its kind on the first line. The status of the answer.
    #[allow(dead_code, reason = "not every test tells by INFO")]
    pub fn inform(&mut self, plane: &mut Plane, side: usize, body: &str) -> u16 {
        self.request(side, "INFO", body);
        let number = format!("CSeq: {} INFO", self.numbers[side]);
        let answers = |bytes: &[u8]| bytes.starts_with(b"SIP/2.0 ") && String::from_utf8_lossy(bytes).contains(&number);
        let answer = self.hear(plane, SIP[side], answers, "an answer");
        String::from_utf8_lossy(&answer[8..11]).parse().unwrap()
    }

    /// The bodies of so many INFO requests that this side hears and accepts, by their CSeq numbers: what is said again counts once.
    #[allow(dead_code, reason = "not every test hears of digits by INFO")]
    pub fn informed(&mut self, plane: &mut Plane, side: usize, count: usize) -> BTreeMap<u32, String> {
        let mut heard = BTreeMap::new();
        while heard.len() < count {
            let info = self.hear_sip(plane, side, "INFO ");
            self.reply(side, &info, "");
            let number = line(&info, "CSeq:").split(' ').nth(1).unwrap().parse().unwrap();
            heard.insert(number, info.split_once("\r\n\r\n").unwrap().1.to_owned());
        }
        heard
    }

    /// How many INFO requests this side heard in all, each of which has a CSeq number of its own.
    #[allow(dead_code, reason = "not every test hears of digits by INFO")]
    pub fn informed_in_all(&self, side: usize) -> usize {
        let heard = self.log.iter().filter(|(_, to, bytes)| *to == self.at(SIP[side]) && bytes.starts_with(b"INFO "));
        let numbers = heard.map(|(_, _, bytes)| line(&String::from_utf8_lossy(bytes), "CSeq:").to_owned());
        numbers.collect::<std::collections::BTreeSet<_>>().len()
    }

    fn towards(&self, sockets: [usize; 2], side: usize) -> SocketAddr {
        let rtp = self.ports[side];
        SocketAddr::new(rtp.ip(), rtp.port() + u16::from(sockets == REPORTS))
    }

    /// This side says this with one of its media sockets, whether it is heard or not.
    #[allow(dead_code, reason = "not every test says what is not to be heard")]
    pub fn says(&mut self, sockets: [usize; 2], side: usize, said: &[u8]) {
        self.send(sockets[side], self.towards(sockets, side), said);
    }

    /// What the other side's media socket hears next, which must come from where its description says that media comes from.
    #[allow(dead_code, reason = "not every test looks at each packet")]
    pub fn heard(&mut self, plane: &mut Plane, sockets: [usize; 2], side: usize) -> Vec<u8> {
        let heard = self.hear(plane, sockets[side], |_| true, "a packet");
        assert_eq!(self.log.last().map(|(from, ..)| *from), Some(self.towards(sockets, side)));
        heard
    }

    /// This side says this, and the other one hears it next.
    #[allow(dead_code, reason = "not every test looks at each packet")]
    pub fn passes(&mut self, plane: &mut Plane, sockets: [usize; 2], side: usize, said: &[u8]) {
        self.says(sockets, side, said);
        let heard = self.heard(plane, sockets, 1 - side);
        assert_eq!(heard.escape_ascii().to_string(), said.escape_ascii().to_string());
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

    /// True once the originator could hear that the call ends: something of SIP waits for it.
    #[allow(dead_code, reason = "most calls are ended by the originator")]
    pub fn is_being_ended(&self) -> bool {
        self.sockets[SIP[0]].peek(&mut [0]).is_ok()
    }

    /// Our media ports: towards the originator, towards the terminator.
    #[allow(dead_code, reason = "not every test has strangers")]
    pub fn media_ports(&self) -> [SocketAddr; 2] {
        self.ports
    }

    /// Either side hears that the switch ends the call.
    #[allow(dead_code, reason = "most calls are ended by the originator")]
    pub fn ended(&mut self, plane: &mut Plane) {
        for side in [0, 1] {
            let bye = self.hear_sip(plane, side, "BYE ");
            self.reply(side, &bye, "");
        }
    }

    /// The originator ends the call.
    pub fn end(&mut self, plane: &mut Plane) {
        self.request(0, "BYE", "");
        let bye = self.hear_sip(plane, 1, "BYE ");
        self.reply(1, &bye, "");
        self.hear_sip(plane, 0, "SIP/2.0 200");
    }
}
