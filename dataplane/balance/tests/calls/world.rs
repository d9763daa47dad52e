//! Balancers and cores that are no more than what a balancer sees of them.

use std::net::SocketAddr;

use balance::{Balancer, Verdict, health};
use sip::behind::{self, Key, Way};
use sip::{Printer, parse};
use units::{Instant, NodeId};

/// Where strangers and carriers are.
pub const PEER: &str = "192.0.2.7:5060";

pub fn key() -> Key {
    Key::of(b"a secret of this test")
}

pub fn core_at(node: u16) -> SocketAddr {
    SocketAddr::new([10, 0, 0, node as u8].into(), 5_060)
}

/// What a core does when it is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Well,
    Full,
    Dead,
}

/// One balancer and what its cores are like.
pub struct World {
    pub balancer: Balancer,
    pub now: Instant,
    pub moods: Vec<(u16, Mood, u64)>,
}

impl World {
    pub fn of(nodes: &[u16]) -> World {
        let mut balancer = Balancer::new(key(), "10.0.0.254:5070".parse().unwrap(), 7);
        for node in nodes {
            balancer.cores_mut().add(core_at(*node), 1).unwrap();
        }
        let moods = nodes.iter().map(|node| (*node, Mood::Well, 0)).collect();
        let mut world = World { balancer, now: Instant::from_micros(1_000_000), moods };
        world.wait(1);
        world
    }

    pub fn set(&mut self, node: u16, mood: Mood) {
        self.moods.iter_mut().find(|row| row.0 == node).unwrap().1 = mood;
    }

    pub fn set_calls(&mut self, node: u16, calls: u64) {
        self.moods.iter_mut().find(|row| row.0 == node).unwrap().2 = calls;
    }

    /// Lets time go by; cores answer what they are asked at once.
    pub fn wait(&mut self, ms: u64) {
        let until = self.now.plus_millis(ms);
        while self.balancer.deadline().is_some_and(|at| at <= until) {
            self.now = self.now.max(self.balancer.deadline().unwrap());
            let mut asked = Vec::new();
            self.balancer.on_time(self.now, &mut |to, bytes| asked.push((to, bytes.to_vec())));
            for (to, question) in asked {
                let (node, mood, calls) = *self.moods.iter().find(|row| core_at(row.0) == to).unwrap();
                if mood != Mood::Dead {
                    let mut answer = answer(&question, node, mood, calls);
                    assert_eq!(self.balancer.on_core(self.now, to, &mut answer, &mut Vec::new()), Verdict::Drop);
                }
            }
        }
        self.now = until;
    }

    /// Long enough to know a mood.
    pub fn settle(&mut self) {
        self.wait(health::ASK_MS * 7);
    }

    /// A peer says it; the node that hears it.
    pub fn say(&mut self, message: &str) -> Option<u16> {
        let mut out = Vec::new();
        match self.balancer.on_peer(self.now, PEER.parse().unwrap(), message.as_bytes(), &mut out) {
            Verdict::Core(at) => {
                let (from, cut) = behind::unwrap(&key(), Way::Inward, &mut out).unwrap();
                assert_eq!((from.to_string().as_str(), &out[cut..]), (PEER, message.as_bytes()));
                self.moods.iter().find(|row| core_at(row.0) == at).map(|row| row.0)
            }
            Verdict::Peer(_) | Verdict::Drop => None,
        }
    }

    /// A core says it to the peer.
    pub fn answer(&mut self, node: u16, message: &str) -> Verdict {
        let (mut wrapped, mut out) = (Vec::new(), Vec::new());
        behind::wrap(&key(), Way::Outward, PEER.parse().unwrap(), message.as_bytes(), &mut wrapped);
        let verdict = self.balancer.on_core(self.now, core_at(node), &mut wrapped, &mut out);
        if verdict == Verdict::Peer(PEER.parse().unwrap()) {
            assert_eq!(out, message.as_bytes());
        }
        verdict
    }
}

fn answer(question: &[u8], node: u16, mood: Mood, calls: u64) -> Vec<u8> {
    let (mut out, status) = (Vec::new(), if mood == Mood::Full { 503 } else { 200 });
    let question = parse::message(question).unwrap();
    let mut printer = Printer::reply(&mut out, &question, status, "So", b"t", core_at(node));
    printer.number("X-Tandem-Calls", calls).number("X-Tandem-Node", u64::from(node));
    if mood == Mood::Full {
        printer.number("Retry-After", 4);
    }
    printer.finish_empty();
    out
}

pub fn request(method: &str, call: u64, to_tag: &str) -> String {
    let tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
    format!(
        "{method} sip:42@203.0.113.1 SIP/2.0\r\nVia: SIP/2.0/UDP {PEER};branch=z9hG4bK{call}\r\n\
         From: <sip:a@{PEER}>;tag=f\r\nTo: <sip:42@203.0.113.1>{tag}\r\nCall-ID: call-{call}@a\r\nCSeq: 1 {method}\r\n\
         Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}

pub fn response(status: u16, call: u64, tag: &str) -> String {
    let tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
    format!(
        "SIP/2.0 {status} So\r\nVia: SIP/2.0/UDP {PEER};branch=z9hG4bK{call}\r\nFrom: <sip:a@{PEER}>;tag=f\r\n\
         To: <sip:42@203.0.113.1>{tag}\r\nCall-ID: call-{call}@a\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    )
}

pub fn tag(node: u16, chance: u64) -> String {
    String::from_utf8(behind::tag(&key(), NodeId(node), chance).to_vec()).unwrap()
}
