//! What reading one INVITE costs: ours against `httparse` and against `rsip` with typed headers, on the same bytes.
//!
//! `cargo bench -p benches --bench sip_parse`
//!
//! `httparse` knows no SIP, so its copy of the bytes has `HTTP/1.1` where ours has `SIP/2.0`: one byte more, nothing
//! else differs. It finds lines and colons and stops at the body; ours checks Via, From, To, CSeq, Call-ID,
//! Max-Forwards, Content-Length and the Request-URI besides, and the row "with SDP" reads the body too. `rsip` is asked
//! for the same headers in their typed form, and for nothing of the body.

mod counting;

use std::hint::black_box;
use std::mem::MaybeUninit;
use std::time::Instant;

use rsip::prelude::*;

/// Rounds; in each of them every reader has one turn.
const ROUNDS: usize = 9;
/// How long one turn takes, in nanoseconds.
const TURN_NS: u128 = 60_000_000;

/// One INVITE of 1 kB as a carrier's switch sends it.
fn invite() -> Vec<u8> {
    let body = "v=0\r\no=- 1718092800 1718092800 IN IP4 192.0.2.30\r\ns=-\r\nc=IN IP4 192.0.2.30\r\nt=0 0\r\n\
        m=audio 31884 RTP/AVP 8 0 18 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:18 G729/8000\r\n\
        a=fmtp:18 annexb=no\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n";
    format!(
        "INVITE sip:37060011111@198.51.100.20:5060;transport=udp SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.20:5060;branch=z9hG4bK5d8f7a0c21b34e96;rport\r\nMax-Forwards: 69\r\n\
         From: \"Ana Example\" <sip:+4930123456789@192.0.2.20>;tag=7f3a9c5e1b2d4680\r\n\
         To: <sip:37060011111@198.51.100.20>\r\nCall-ID: 3c26701f-8a4be2d0-59c1e7@192.0.2.20\r\nCSeq: 101 INVITE\r\n\
         Contact: <sip:+4930123456789@192.0.2.20:5060;transport=udp>\r\n\
         Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY\r\nSupported: timer, 100rel\r\n\
         P-Asserted-Identity: <sip:+4930123456789@192.0.2.20>\r\nSession-Expires: 1800;refresher=uac\r\nMin-SE: 90\r\n\
         User-Agent: Example SBC 7.4\r\nAccept: application/sdp\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn ours(bytes: &[u8]) -> u32 {
    let message = sip::parse::message(black_box(bytes)).expect("our own INVITE is good");
    black_box(&message).cseq().number
}

fn ours_with_sdp(bytes: &[u8]) -> u32 {
    let message = sip::parse::message(black_box(bytes)).expect("our own INVITE is good");
    let session = sdp::parse(message.body()).expect("our own description is good");
    black_box(&session).media_count() as u32 + black_box(&message).cseq().number
}

fn with_httparse(bytes: &[u8]) -> u32 {
    let mut headers = [const { MaybeUninit::uninit() }; sip::message::HEADERS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let status = request.parse_with_uninit_headers(black_box(bytes), &mut headers).expect("the copy is good HTTP");
    assert!(status.is_complete());
    black_box(&request).headers.len() as u32
}

fn with_rsip(bytes: &[u8]) -> u32 {
    let message = rsip::SipMessage::try_from(black_box(bytes)).expect("rsip reads it too");
    let typed = (
        message.via_header().expect("Via").typed().expect("a good Via"),
        message.from_header().expect("From").typed().expect("a good From"),
        message.to_header().expect("To").typed().expect("a good To"),
        message.contact_header().expect("Contact").typed().expect("a good Contact"),
        message.cseq_header().expect("CSeq").typed().expect("a good CSeq"),
    );
    black_box(&typed).4.seq
}

struct Reader {
    name: &'static str,
    read: fn(&[u8]) -> u32,
    bytes: Vec<u8>,
    /// Nanoseconds a message, one a round.
    rounds: Vec<f64>,
    /// Allocations a message.
    allocations: u64,
}

impl Reader {
    fn new(name: &'static str, read: fn(&[u8]) -> u32, bytes: &[u8]) -> Reader {
        black_box(read(bytes));
        let (_, allocations) = counting::counted(|| black_box(read(bytes)));
        Reader { name, read, bytes: bytes.to_vec(), rounds: Vec::new(), allocations }
    }

    fn turn(&mut self) {
        let (mut count, begin) = (0_u32, Instant::now());
        while begin.elapsed().as_nanos() < TURN_NS {
            for _ in 0..256 {
                black_box((self.read)(&self.bytes));
            }
            count += 256;
        }
        self.rounds.push(begin.elapsed().as_nanos() as f64 / f64::from(count));
    }

    fn median(&self) -> f64 {
        let mut rounds = self.rounds.clone();
        rounds.sort_by(f64::total_cmp);
        rounds[rounds.len() / 2]
    }
}

fn main() {
    let sip = invite();
    let http = String::from_utf8(sip.clone()).expect("text").replacen(" SIP/2.0\r\n", " HTTP/1.1\r\n", 1).into_bytes();
    let mut readers = [
        Reader::new("httparse", with_httparse, &http),
        Reader::new("ours", ours, &sip),
        Reader::new("ours with SDP", ours_with_sdp, &sip),
        Reader::new("rsip typed", with_rsip, &sip),
    ];
    for _ in 0..ROUNDS {
        readers.iter_mut().for_each(Reader::turn);
    }
    println!("one INVITE of {} bytes, median of {ROUNDS} interleaved rounds", sip.len());
    println!("{:<15}{:>9}{:>13}{:>9}{:>13}", "", "ns", "x httparse", "x rsip", "allocations");
    let (floor, ceiling) = (readers[0].median(), readers[3].median());
    for reader in &readers {
        let ns = reader.median();
        let (name, allocations) = (reader.name, reader.allocations);
        println!("{name:<15}{ns:>9.0}{:>13.2}{:>9.3}{allocations:>13}", ns / floor, ns / ceiling);
    }
    let (to_floor, to_ceiling) = (readers[2].median() / floor, readers[2].median() / ceiling);
    let met = to_floor <= 2.0 && to_ceiling <= 0.15 && readers[2].allocations == 0;
    let verdict = if met { "met" } else { "MISSED" };
    println!("target of \"ours with SDP\": <= 2.0 x httparse, <= 0.15 x rsip, 0 allocations: {verdict}");
}
