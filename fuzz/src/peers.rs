//! A whole shard between peers who follow no rules: a script says who sends what, when time passes and when the disk is slow.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use panel::wire::{Reply, Want};
use shard::book::Holder;
use shard::{Config, Effect, Effects, Loaded, Shard};
use sim::message::{self, Request};
use sim::prices;
use sim::story::ORIGINATORS;
use sip::Flow;
use units::{AccountId, Clock, EgressTrunkId, IngressTrunkId, Instant, Money, WallTime};

use crate::mutate::Chance;
use crate::script::Script;

/// Datagrams of one script at most.
const DATAGRAMS_MAX: usize = 400;
/// What the shard sent lately and scripts refer to.
const REMEMBERED: usize = 32;
/// Longer than every deadline of a call together, in microseconds.
const FOR_EVER: u64 = 1_000_000_000;
const STATUSES: [u16; 20] =
    [100, 180, 183, 183, 200, 200, 200, 202, 301, 302, 401, 407, 408, 422, 481, 486, 487, 491, 500, 503];
const METHODS: [&str; 12] =
    ["ACK", "BYE", "CANCEL", "INVITE", "INFO", "UPDATE", "PRACK", "OPTIONS", "REFER", "NOTIFY", "MESSAGE", "INVITE"];
const STEPS_MS: [u64; 8] = [1, 20, 100, 500, 1_000, 4_000, 32_000, 200_000];

/// Scripts are best when they mean nothing.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut chance = Chance::new(9);
    (0..64).map(|_| (0..chance.below(600)).map(|_| chance.any() as u8).collect()).collect()
}

/// Tables are bounded; after all deadlines nothing is held.
pub fn shard(bytes: &[u8]) {
    let image = prices::model(1).encode().expect("a sound model");
    let loaded = Loaded::new(Arc::new(image)).expect("sound policies");
    let (mut script, mut world) = (Script(bytes), World::new(loaded));
    for _ in 0..DATAGRAMS_MAX {
        if script.is_over() {
            break;
        }
        world.step(&mut script);
    }
    world.ends();
}

/// Calls from every originator to each of these numbers, decided by this snapshot.
pub fn calls_by(loaded: Loaded, called: &[&str]) {
    let mut world = World::new(loaded);
    for (number, called) in called.iter().enumerate() {
        for who in 0..ORIGINATORS {
            let text = invite(who, number, called, "0", true);
            world.hear(prices::originator_address(who), text.into_bytes());
            world.catch_up(true);
        }
    }
}

/// An INVITE of an originator; one number, one call.
fn invite(who: usize, number: usize, called: &str, branch: &str, offers: bool) -> String {
    let local = prices::originator_address(who);
    let sdp = message::sdp(SocketAddr::new(local.ip(), 4_000));
    let mut text = String::new();
    let ask = Request {
        method: "INVITE",
        uri: &format!("sip:{called}@127.0.0.1:5060"),
        local: &local.to_string(),
        branch: &format!("f{number}x{branch}"),
        from: &format!("<sip:1646{number:08}@{local}>;tag=c{number}"),
        to: &format!("<sip:{called}@127.0.0.1:5060>"),
        call_id: &format!("fuzz-{who}-{number}"),
        cseq: 1,
        routes: "",
        body: if offers { &sdp } else { "" },
    };
    message::request(&mut text, &ask);
    text
}

struct World {
    shard: Shard,
    now: u64,
    out: Effects,
    /// What the shard sent to each: the latest.
    sent: Vec<(SocketAddr, String)>,
    /// What was sent to the shard last.
    last: Option<(SocketAddr, Vec<u8>)>,
    ports: BTreeSet<u16>,
    tickets: Vec<u64>,
    wants: Vec<Want>,
    refused: Vec<Flow>,
    calls: u32,
}

impl World {
    fn new(loaded: Loaded) -> World {
        let own = Config { port_high: 20_063, trace_percent: 50, ..sim::plain_config() };
        let (sent, last, tickets, wants) = (Vec::new(), None, Vec::new(), Vec::new());
        let (shard, out, ports) = (Shard::new(own), Effects::default(), BTreeSet::new());
        let mut world =
            World { shard, now: 1_000_000, out, sent, last, ports, tickets, wants, refused: Vec::new(), calls: 0 };
        world.turn(|shard, clock, out| drop(shard.on_snapshot(clock, loaded, out)));
        world
    }

    fn turn(&mut self, act: impl FnOnce(&mut Shard, Clock, &mut Effects)) {
        let wall = WallTime::from_micros(1_700_000_000_000_000 + self.now as i64);
        let mut out = std::mem::take(&mut self.out);
        act(&mut self.shard, Clock { now: Instant::from_micros(self.now), wall }, &mut out);
        for effect in std::mem::take(&mut out.list) {
            self.carry_out(effect, &out.bytes);
        }
        out.bytes.clear();
        self.out = out;
        assert!(self.shard.calls_held() <= self.calls, "a call begins with a datagram");
    }

    fn carry_out(&mut self, effect: Effect, bytes: &[u8]) {
        match effect {
            Effect::Sip { to, bytes: range } => {
                let text = &bytes[range];
                let read = sip::parse::message(text);
                // What cannot be read is refused with an echo of itself, which cannot be read either.
                let echo = self.last.as_ref().is_some_and(|(_, heard)| sip::parse::message(heard).is_err());
                assert!(read.is_ok() || echo, "we can read what we send: {read:?}\n{}", String::from_utf8_lossy(text));
                self.sent.push((to.remote, String::from_utf8_lossy(text).into_owned()));
                if self.sent.len() > REMEMBERED {
                    self.sent.remove(0);
                }
            }
            Effect::Media(_) => panic!("the kernel has no part in this"),
            Effect::OpenPort { port, .. } => assert!(self.ports.insert(port), "port {port} was free"),
            Effect::ClosePort { port } => assert!(self.ports.remove(&port), "port {port} was open"),
            Effect::Journal { ticket, bytes: range } => {
                assert!(cdr::Record::decode(&bytes[range]).is_ok(), "we can read what we write");
                self.tickets.push(ticket);
            }
            Effect::Trace { pieces } => assert!(cdr::trace::decode(&pieces.concat()).is_ok(), "a trace can be read"),
            Effect::Tape { .. } | Effect::Voice { .. } => panic!("no policy captures or records anything"),
            Effect::Parcel { .. } => panic!("there is no other shard"),
            Effect::Binding(_) => panic!("there is no subscriber"),
            Effect::Fetch { .. } => panic!("no policy verifies anything"),
            Effect::Want(want) => self.wants.push(want),
            // Nobody takes connections here.
            Effect::Connect { flow, .. } => self.refused.push(flow),
            Effect::Stream { .. } | Effect::CloseStream { .. } => {}
        }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.below(12) {
            0 | 1 => self.invite(script),
            2..=4 => self.respond(script),
            5 | 6 => self.within(script),
            7 => self.stranger(script),
            8 => {
                let step = STEPS_MS[script.below(STEPS_MS.len())];
                self.pass(self.now + step * 1_000);
            }
            9 => {
                let all = script.byte().is_multiple_of(2);
                self.catch_up(all);
            }
            10 => {
                let port = self.ports.iter().nth(script.below(8)).copied().unwrap_or(20_000);
                let (from, mut packet) = (prices::originator_address(0), script.chunk().to_vec());
                let length = packet.len();
                packet.resize(length + 20, 0);
                self.turn(|shard, clock, _| {
                    shard.on_media(clock, clock.now, port, from, &mut packet, length);
                });
            }
            _ => match (script.below(3), self.last.clone()) {
                (0, Some((from, bytes))) => self.hear(from, bytes),
                (1, _) => self.release(),
                _ => {
                    let on = script.byte().is_multiple_of(4);
                    self.turn(|shard, clock, _| shard.on_drain(clock, on));
                }
            },
        }
    }

    fn hear(&mut self, from: SocketAddr, bytes: Vec<u8>) {
        self.calls += 1;
        self.last = Some((from, bytes.clone()));
        self.turn(|shard, clock, out| shard.on_sip(clock, from.into(), &bytes, out));
    }

    /// Sends a text, now and then with a few bytes changed.
    fn say(&mut self, script: &mut Script<'_>, from: SocketAddr, text: String) {
        let mut bytes = text.into_bytes();
        for _ in 0..script.byte().saturating_sub(250) {
            let at = usize::from(script.word()) % bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = script.byte();
            }
        }
        self.hear(from, bytes);
    }

    fn invite(&mut self, script: &mut Script<'_>) {
        let (who, number) = (script.below(ORIGINATORS), script.below(6));
        let called = ["442079460000", "4930123456", "33155512345", "99123", "x", "442079460001"][script.below(6)];
        let text = invite(who, number, called, &script.below(3).to_string(), script.below(4) > 0);
        self.say(script, prices::originator_address(who), text);
    }

    fn chosen(&self, script: &mut Script<'_>) -> Option<(SocketAddr, String)> {
        let back = script.below(REMEMBERED);
        self.sent.len().checked_sub(1 + back % self.sent.len().max(1)).map(|index| self.sent[index].clone())
    }

    /// A terminator, or an originator, answers a request of ours.
    fn respond(&mut self, script: &mut Script<'_>) {
        let Some((peer, text)) = self.chosen(script) else { return };
        let Some(seen) = message::read(text.as_bytes()).filter(|seen| seen.status == 0) else { return };
        let status = STATUSES[script.below(STATUSES.len())];
        let tag = ["t1", "t2", ""][script.below(3)];
        let sdp = message::sdp(SocketAddr::new(peer.ip(), 4_000 + u16::from(script.byte())));
        let mut answer = String::new();
        message::response(
            &mut answer,
            &seen,
            status,
            tag,
            &peer.to_string(),
            if script.below(3) == 0 { "" } else { &sdp },
        );
        self.say(script, peer, answer);
    }

    /// A peer goes on in the dialog, or the transaction, that a message of ours belongs to.
    fn within(&mut self, script: &mut Script<'_>) {
        let Some((peer, text)) = self.chosen(script) else { return };
        let Some(seen) = message::read(text.as_bytes()) else { return };
        let (method, ours) = (METHODS[script.below(METHODS.len())], seen.status == 0);
        let (from, to) = if ours {
            (format!("{};tag=t1", seen.to), seen.from.to_owned())
        } else {
            (seen.from.to_owned(), seen.to.to_owned())
        };
        let branch = match method {
            "CANCEL" | "ACK" if script.below(3) > 0 => message::branch_of(seen.vias[0]).replace("z9hG4bK", ""),
            _ => format!("w{}", script.byte()),
        };
        let sdp = message::sdp(SocketAddr::new(peer.ip(), 4_100));
        let mut asked = String::new();
        let ask = Request {
            method,
            uri: "sip:127.0.0.1:5060",
            local: &peer.to_string(),
            branch: &branch,
            from: &from,
            to: &to,
            call_id: seen.call_id,
            cseq: if matches!(method, "ACK" | "CANCEL") { 1 } else { u32::from(script.byte()) },
            routes: "",
            body: if script.below(2) == 0 { "" } else { &sdp },
        };
        message::request(&mut asked, &ask);
        self.say(script, peer, asked);
    }

    /// Somebody, known or not, sends something.
    fn stranger(&mut self, script: &mut Script<'_>) {
        let known = script.below(2) == 0;
        let from =
            if known { prices::originator_address(0) } else { SocketAddr::from(([203, 0, 113, script.byte()], 9)) };
        let text = match (script.below(3), self.chosen(script)) {
            (0, Some((_, text))) => text.into_bytes(),
            _ => script.chunk().to_vec(),
        };
        self.hear(from, text);
    }

    fn release(&mut self) {
        let mut rows = Vec::new();
        self.turn(|shard, clock, _| shard.calls(clock, 1, &mut rows));
        let call = rows.first().and_then(|row| units::CallId::parse(&row.call));
        if let Some(call) = call {
            self.turn(|shard, clock, out| {
                shard.on_release(clock, call, out);
            });
        }
    }

    /// The disk has written, or the ledger has answered, or both.
    fn catch_up(&mut self, all: bool) {
        for flow in std::mem::take(&mut self.refused) {
            self.turn(|shard, clock, out| shard.on_stream_ended(clock, flow, out));
        }
        for ticket in std::mem::take(&mut self.tickets) {
            self.turn(|shard, clock, out| shard.on_journaled(clock, ticket, out));
        }
        for want in std::mem::take(&mut self.wants) {
            let reply = match want {
                Want::Grant { grant, account, want, .. } => {
                    let amount = if all { want } else { want / 3 };
                    Reply::Granted { grant, account, amount, cause: 0 }
                }
                Want::Close { grant, .. } => Reply::Closed { grant },
            };
            self.turn(|shard, clock, out| shard.on_reply(clock, reply, out));
        }
    }

    /// Time goes on, deadline by deadline.
    fn pass(&mut self, till: u64) {
        for _ in 0..100_000 {
            let due = self.shard.deadline().map(Instant::micros);
            let Some(due) = due.filter(|due| *due <= till) else {
                self.now = till;
                return;
            };
            self.now = due.max(self.now);
            self.turn(|shard, clock, out| shard.on_time(clock, out));
        }
        panic!("a deadline comes again and again");
    }

    fn ends(mut self) {
        for step in 1..=20 {
            self.catch_up(true);
            self.pass(self.now + FOR_EVER / 20 + step);
        }
        self.catch_up(true);
        assert_eq!(self.shard.calls_held(), 0, "calls are forgotten");
        assert_eq!(self.shard.book().taken(Holder::Switch), 0, "the whole node is empty");
        assert!(self.ports.is_empty(), "ports are closed: {:?}", self.ports);
        for id in 1..30 {
            let book = self.shard.book();
            let taken = book.taken(Holder::Ingress(IngressTrunkId(id))) + book.taken(Holder::Egress(EgressTrunkId(id)));
            assert_eq!(
                (taken, book.reserved(AccountId(id))),
                (0, Money::ZERO),
                "room and money of {id} are given back"
            );
        }
    }
}
