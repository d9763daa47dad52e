//! The network between peers and nodes: it loses, doubles and delays.

use alloc::format;
use alloc::string::{String, ToString};
use core::net::SocketAddr;

use units::ShardId;

use crate::callee::Callee;
use crate::caller::{self, Out};
use crate::message::{self, Message};
use crate::node;
use crate::prices::terminator_address;
use crate::story::{Crash, Flaw, MS, TERMINATORS};
use crate::world::{Event, World, counted_down};

impl World<'_> {
    /// The network: loses, doubles and delays.
    pub(super) fn send(&mut self, from: SocketAddr, to: SocketAddr, text: String) {
        let weather = self.story.weather;
        let fault = self.story.fault.filter(|fault| fault.0 == self.messages).map(|fault| fault.1);
        self.messages += 1;
        let lost = self.chance.happens(weather.lost) || fault == Some(Flaw::Lost);
        let first = text.lines().next().unwrap_or("");
        let seen = message::read(text.as_bytes()).unwrap_or_default();
        let mark = match fault {
            None if lost => "   (lost)".into(),
            None => String::new(),
            Some(fault) => format!("   ({fault:?})"),
        };
        let line = format!("{from} → {to}  {first}  [{} {} {}]{mark}", seen.call_id, seen.cseq, seen.method);
        self.say(|| line);
        let node = (0..self.sites.len()).find(|number| node::sip_address(*number) == from);
        if let Some(node) = node.filter(|_| seen.call_id.ends_with("-sim") && seen.status == 200) {
            if seen.method == "INVITE" {
                self.sums.on_answer(self.now, seen.call_id);
            }
            self.kill_on_cue(node, &seen);
        }
        if lost {
            return;
        }
        let doubled = self.chance.happens(weather.doubled) || fault == Some(Flaw::Doubled);
        let copies = if doubled { 2 } else { 1 };
        for _ in 0..copies {
            let more = match fault {
                Some(Flaw::Late(more)) => more,
                Some(Flaw::Lost | Flaw::Doubled) | None => 0,
            };
            let late = more + if self.chance.happens(weather.late) { self.chance.below(weather.late_max) } else { 0 };
            let moment = self.now + 100 + self.chance.below(300) + late;
            self.at(moment, Event::Sip { from, to, text: text.clone() });
        }
    }

    pub(super) fn deliver_to_switch(&mut self, node: usize, from: SocketAddr, text: &str) {
        // Whichever shard's socket the kernel picks: what it does not own it must hand on.
        let shard = ShardId(self.chance.below(u64::from(self.story.shards)) as u16);
        self.turn(node, shard, |shard, clock, out| shard.on_sip(clock, from.into(), text.as_bytes(), out));
    }

    pub(super) fn deliver_to_peer(&mut self, from: SocketAddr, to: SocketAddr, text: &str) {
        let Some(seen) = message::read(text.as_bytes()) else {
            self.faults.push(format!("the switch sent what nobody can read: {text}"));
            return;
        };
        if let Some(terminator) = (0..TERMINATORS).find(|index| terminator_address(*index) == to) {
            return self.deliver_to_terminator(terminator, from, text);
        }
        let own = seen.call_id.strip_suffix("-sim").and_then(|digits| digits.parse::<usize>().ok());
        match own.filter(|index| *index < self.callers.len()) {
            Some(index) => self.with_caller(index, |caller, now, out| caller.on_message(now, from, &seen, out)),
            None => self.faults.push(format!("a message to {to} of no call: {text}")),
        }
    }

    fn deliver_to_terminator(&mut self, terminator: usize, from: SocketAddr, text: &str) {
        let Some(seen) = message::read(text.as_bytes()) else { return };
        if let Some(index) = self.attempts.get(seen.call_id).copied() {
            return self.with_callee(index, |callee, now, out| callee.on_message(now, from, &seen, out));
        }
        let local = terminator_address(terminator);
        if seen.method != "INVITE" || seen.status > 0 {
            if seen.status == 0 && seen.method != "ACK" {
                let mut answer = String::new();
                message::response(&mut answer, &seen, 481, "none", &local.to_string(), "");
                self.send(local, from, answer);
            }
            return;
        }
        let Some(index) = self.story.call_of(message::user_of(seen.from)) else {
            self.faults.push(format!("an INVITE of nobody's call: {text}"));
            return;
        };
        let manner = self.story.calls[index].callees[terminator];
        let mut out = Out::new();
        if let Some(callee) = Callee::take(self.now, index, manner, (local, from), text, &mut out) {
            let number = self.callees.len();
            self.attempts.insert(seen.call_id.into(), number);
            let due = callee.due();
            self.callees.push(callee);
            self.after_peer(out, due, Event::Callee(number));
        }
    }

    /// Once a caller talks, both ends send a few packets.
    pub(super) fn start_media(&mut self, index: usize) {
        let caller = &self.callers[index];
        if caller.state != caller::State::Talking || !self.talking.insert(index) {
            return;
        }
        let (media, peer) = (caller.media, caller.media_peer);
        // The latest: an attempt that a killed switch left behind may have answered before it.
        let answered = self.callees.iter().rfind(|callee| callee.index == index && callee.answered.is_some());
        let other = answered.map(|callee| (callee.media, callee.media_peer));
        for number in 0..4 {
            let moment = self.now + 5 * MS + number * 200 * MS;
            if let Some(to) = peer {
                self.at(moment, Event::Media { from: media, to, bytes: node::packet(index, true, number) });
            }
            if let Some((from, Some(to))) = other {
                self.at(moment, Event::Media { from, to, bytes: node::packet(index, false, number) });
            }
        }
    }

    pub(super) fn on_media(
        &mut self,
        node: Option<usize>,
        from: SocketAddr,
        to: SocketAddr,
        mut bytes: [u8; node::PACKET_BYTES],
    ) {
        let node = node.map(|number| &mut self.sites[number].node);
        let ours = node.is_some();
        if let Some((node, shard)) = node.and_then(|node| node.shard_of_port(to).map(|shard| (node, shard))) {
            let clock = node.clock(self.now);
            let forward = node.shards[usize::from(shard.0)].on_media(
                clock,
                clock.now,
                to.port(),
                from,
                &mut bytes,
                node::PACKET_BYTES,
            );
            if let Some(forward) = forward {
                let from = SocketAddr::new(to.ip(), forward.port);
                self.at(self.now + 100, Event::Media { from, to: forward.to, bytes });
            }
            return;
        }
        let (index, by_caller) = node::packet_of(&bytes);
        let own = |media: SocketAddr| media == to;
        let right = match by_caller {
            true => self.callees.iter().any(|callee| callee.index == index && own(callee.media)),
            false => self.callers.get(index).is_some_and(|caller| own(caller.media)),
        };
        if !right && !ours {
            self.faults.push(format!("media of call {index} came out at {to}"));
        }
    }

    /// Kills the first data plane just after the answer that the story chose, before anything else happens.
    fn kill_on_cue(&mut self, node: usize, seen: &Message<'_>) {
        let left = match (&mut self.story.crash, seen.method) {
            (Some(Crash::OnAnswer(left)), "INVITE") | (Some(Crash::OnRelease(left)), "BYE") if node == 0 => left,
            _ => return,
        };
        if counted_down(left) {
            self.at(self.now, Event::Kill { node, away: self.story.away });
        }
    }
}
