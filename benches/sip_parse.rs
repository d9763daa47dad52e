//! What reading one INVITE costs: ours against `httparse` and against `rsip` with typed headers, on the same bytes.
//!
//! `cargo bench -p benches --bench sip_parse`
//!
//! `httparse` knows no SIP, so its copy of the bytes has `HTTP/1.1` where ours has `SIP/2.0`: one byte more, nothing
//! else differs. It finds lines and colons and stops at the body; ours checks Via, From, To, CSeq, Call-ID,
//! Max-Forwards, Content-Length and the Request-URI besides, and the row "with SDP" reads the body too. `rsip` is asked
//! for the same headers in their typed form, and for nothing of the body.

mod counting;
mod invite;

use std::hint::black_box;
use std::mem::MaybeUninit;
use std::time::Instant;

use benches::{Finding, Limit};
use rsip::prelude::*;

/// Rounds; in each of them every reader has one turn.
const ROUNDS: usize = 9;
/// How long one turn takes, in nanoseconds.
const TURN_NS: u128 = 60_000_000;

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
    let sip = invite::invite();
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
    let ours = |limit| Finding::alone("T8", "parse of an INVITE with SDP", "ns", readers[2].rounds.clone(), limit);
    ours(Limit::Ratio(2.0)).beside("httparse", &readers[0].rounds).say();
    ours(Limit::Ratio(0.15)).beside("rsip typed", &readers[3].rounds).say();
    let asked = vec![readers[2].allocations as f64];
    Finding::alone("T8", "parse of an INVITE with SDP", "allocations", asked, Limit::Most(0.0)).say();
    println!("target of \"ours with SDP\": <= 2.0 x httparse, <= 0.15 x rsip, 0 allocations: {verdict}");
}
