//! One run: the switch's shards, the peers, the network, the disk and the ledger on one simulated clock.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use panel::wire::Reply;
use shard::{Effect, Effects, Loaded, Parcel, Shard};
use units::ShardId;

use crate::callee::Callee;
use crate::caller::{self, Caller, Out};
use crate::chance::Chance;
use crate::disk::Disk;
use crate::ledger::Ledger;
use crate::message::{self, Message};
use crate::node::{self, Node};
use crate::prices::{originator_address, terminator_address};
use crate::story::{Crash, Flaw, MS, ORIGINATORS, SECOND, Story, TERMINATORS};

/// A run ends at this moment whatever stands; every deadline of the switch lies well before it.
pub const HORIZON: u64 = 900 * SECOND;
/// Steps of a run at most: what is above it turns in circles.
const STEPS_MAX: u64 = 2_000_000;

enum Event {
    Start(usize),
    Sip { from: SocketAddr, to: SocketAddr, text: String },
    Media { from: SocketAddr, to: SocketAddr, bytes: [u8; node::PACKET_BYTES] },
    Caller(usize),
    Callee(usize),
    Parcel { boot: u32, to: ShardId, parcel: Box<Parcel> },
    Sync { boot: u32 },
    Reply { boot: u32, reply: Reply },
    Kill,
    Restart,
    Publish,
}

/// Everything of a run.
pub struct World<'a> {
    /// What was to happen.
    pub story: Story,
    /// The oracle's callers, by call.
    pub callers: Vec<Caller>,
    /// The oracle's callees, by attempt.
    pub callees: Vec<Callee>,
    /// The switch.
    pub node: Node,
    /// Its journal.
    pub disk: Disk,
    /// The money.
    pub ledger: Ledger,
    /// What went wrong on the way.
    pub faults: Vec<String>,
    /// The clock in microseconds.
    pub now: u64,
    /// Messages sent so far.
    pub messages: usize,
    chance: Chance,
    events: BTreeMap<(u64, u64), Event>,
    count: u64,
    attempts: BTreeMap<String, usize>,
    talking: BTreeSet<usize>,
    effects: Effects,
    tell: &'a mut dyn FnMut(u64, &str),
}

impl<'a> World<'a> {
    /// The world before its first moment.
    pub fn new(story: Story, tell: &'a mut dyn FnMut(u64, &str)) -> World<'a> {
        let each = story.calls.iter().enumerate();
        let callers = each
            .map(|(index, call)| Caller::new(index, call, originator_address(call.originator), node::sip_address()));
        let mut ledger = Ledger::default();
        for index in 0..ORIGINATORS {
            ledger.fund(1 + index as u32, story.funds[index]);
        }
        let mut world = World {
            callers: callers.collect(),
            callees: Vec::new(),
            node: Node::new(story.seed, story.shards),
            disk: Disk::default(),
            ledger,
            faults: Vec::new(),
            now: 0,
            messages: 0,
            chance: Chance::new(story.seed ^ 0xABCD),
            events: BTreeMap::new(),
            count: 0,
            attempts: BTreeMap::new(),
            talking: BTreeSet::new(),
            effects: Effects::default(),
            tell,
            story,
        };
        world.plan();
        world
    }

    fn plan(&mut self) {
        for index in 0..self.story.calls.len() {
            self.at(SECOND + self.story.calls[index].at, Event::Start(index));
        }
        self.at(0, Event::Restart);
        if let Some(Crash::At(moment)) = self.story.crash {
            self.at(SECOND + moment, Event::Kill);
        }
        if let Some(moment) = self.story.republish {
            self.at(SECOND + moment, Event::Publish);
        }
    }

    /// Lets it happen.
    pub fn run(&mut self) {
        for _ in 0..STEPS_MAX {
            let event = self.events.keys().next().map(|key| key.0);
            let shard = self.node.deadline();
            let next = [event, shard.map(|found| found.0)].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= HORIZON) else {
                self.now = HORIZON;
                return;
            };
            self.now = self.now.max(next);
            if event == Some(next) {
                let (_, event) = self.events.pop_first().expect("a key was seen a moment ago");
                self.happen(event);
            } else if let Some((_, shard)) = shard {
                self.turn(shard, |shard, clock, out| shard.on_time(clock, out));
            }
        }
        self.faults.push(format!("{STEPS_MAX} steps did not reach the horizon"));
    }

    fn at(&mut self, moment: u64, event: Event) {
        self.count += 1;
        self.events.insert((moment.max(self.now), self.count), event);
    }

    fn say(&mut self, text: impl FnOnce() -> String) {
        (self.tell)(self.now, &text());
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Start(index) => self.with_caller(index, Caller::start),
            Event::Caller(index) if self.callers[index].due().is_some_and(|due| due <= self.now) => {
                self.with_caller(index, Caller::on_time);
            }
            Event::Callee(index) if self.callees[index].due().is_some_and(|due| due <= self.now) => {
                self.with_callee(index, Callee::on_time);
            }
            Event::Caller(_) | Event::Callee(_) => {}
            Event::Sip { from, to, text } if to == node::sip_address() => self.deliver_to_switch(from, &text),
            Event::Sip { from, to, text } => self.deliver_to_peer(from, to, &text),
            Event::Media { from, to, bytes } => self.on_media(from, to, bytes),
            Event::Parcel { boot, to, parcel } if boot == self.node.boot => {
                self.turn(to, |shard, clock, out| shard.on_parcel(clock, *parcel, out));
            }
            Event::Sync { boot } if boot == self.node.boot => self.sync(),
            Event::Reply { boot, reply } if boot == self.node.boot => {
                for number in 0..self.node.shards.len() {
                    let reply = reply.clone();
                    self.turn(ShardId(number as u16), |shard, clock, out| shard.on_reply(clock, reply, out));
                }
            }
            Event::Parcel { .. } | Event::Sync { .. } | Event::Reply { .. } => {}
            Event::Kill => self.kill(),
            Event::Restart => self.restart(),
            Event::Publish => {
                self.node.publish();
                self.load();
            }
        }
    }

    fn with_caller(&mut self, index: usize, act: impl FnOnce(&mut Caller, u64, &mut Out)) {
        let mut out = Out::new();
        act(&mut self.callers[index], self.now, &mut out);
        self.after_peer(out, self.callers[index].due(), Event::Caller(index));
        self.start_media(index);
    }

    fn with_callee(&mut self, index: usize, act: impl FnOnce(&mut Callee, u64, &mut Out)) {
        let mut out = Out::new();
        act(&mut self.callees[index], self.now, &mut out);
        self.after_peer(out, self.callees[index].due(), Event::Callee(index));
    }

    fn after_peer(&mut self, out: Out, due: Option<u64>, wake: Event) {
        for (from, to, text) in out {
            self.send(from, to, text);
        }
        if let Some(due) = due {
            self.at(due, wake);
        }
    }

    /// The network: loses, doubles and delays.
    fn send(&mut self, from: SocketAddr, to: SocketAddr, text: String) {
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
        let to_caller = from == node::sip_address() && seen.call_id.ends_with("-sim");
        if to_caller && seen.status == 200 {
            self.kill_on_cue(&seen);
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

    fn deliver_to_switch(&mut self, from: SocketAddr, text: &str) {
        // Whichever shard's socket the kernel picks: what it does not own it must hand on.
        let shard = ShardId(self.chance.below(u64::from(self.story.shards)) as u16);
        self.turn(shard, |shard, clock, out| shard.on_sip(clock, from.into(), text.as_bytes(), out));
    }

    fn deliver_to_peer(&mut self, from: SocketAddr, to: SocketAddr, text: &str) {
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
                message::response(&mut answer, &seen, 481, "none", local, "");
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
    fn start_media(&mut self, index: usize) {
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

    fn on_media(&mut self, from: SocketAddr, to: SocketAddr, bytes: [u8; node::PACKET_BYTES]) {
        if let Some(shard) = self.node.shard_of_port(to) {
            let clock = self.node.clock(self.now);
            let forward = self.node.shards[usize::from(shard.0)].on_media(clock, to.port(), from, &bytes);
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
        if !right && !self.node.is_media_address(to) {
            self.faults.push(format!("media of call {index} came out at {to}"));
        }
    }

    /// One turn of one shard, and what it asked for.
    fn turn(&mut self, number: ShardId, act: impl FnOnce(&mut Shard, units::Clock, &mut Effects)) {
        let clock = self.node.clock(self.now);
        let Some(shard) = self.node.shards.get_mut(usize::from(number.0)) else { return };
        let mut effects = core::mem::take(&mut self.effects);
        effects.clear();
        act(shard, clock, &mut effects);
        for effect in core::mem::take(&mut effects.list) {
            self.carry_out(number, effect, &effects.bytes);
        }
        self.effects = effects;
    }

    fn carry_out(&mut self, number: ShardId, effect: Effect, bytes: &[u8]) {
        match effect {
            Effect::Sip { to, bytes: range } => {
                let text = String::from_utf8_lossy(&bytes[range]).into_owned();
                self.send(node::sip_address(), to.remote, text);
            }
            Effect::Connect { .. } | Effect::Stream { .. } | Effect::CloseStream { .. } => {
                self.faults.push("a connection, although everybody speaks UDP".into());
            }
            Effect::OpenPort { port, .. } => self.node.open_port(number, port, &mut self.faults),
            Effect::ClosePort { port } => self.node.close_port(port, &mut self.faults),
            Effect::Journal { ticket, bytes: range } => match node::record(&bytes[range]) {
                Some(record) => {
                    if !self.disk.dirty() {
                        let moment = self.now + 50 + self.chance.below(5 * MS);
                        self.at(moment, Event::Sync { boot: self.node.boot });
                    }
                    self.disk.append(number, ticket, record);
                }
                None => self.faults.push("a journal record that nobody can decode".into()),
            },
            Effect::Trace { .. } => {}
            Effect::Parcel { to, parcel } => {
                self.at(self.now + 3, Event::Parcel { boot: self.node.boot, to, parcel });
            }
            Effect::Want(want) => self.want(&want),
        }
    }

    fn want(&mut self, want: &panel::wire::Want) {
        let mut moment = self.now + 500 + self.chance.below(20 * MS);
        let away = self.story.ledger_away.filter(|(from, till)| (SECOND + from..SECOND + till).contains(&self.now));
        if let Some((_, till)) = away {
            moment = moment.max(SECOND + till);
        }
        let reply = self.ledger.ask(want);
        self.say(|| format!("ledger {want:?}: {reply:?}"));
        // The program repeats a want until it is answered, so an answer may come twice.
        let copies = if self.chance.happens(100) { 2 } else { 1 };
        for copy in 0..copies {
            self.at(moment + copy * MS, Event::Reply { boot: self.node.boot, reply: reply.clone() });
        }
    }

    fn sync(&mut self) {
        let (tickets, records) = self.disk.sync();
        records.iter().for_each(|record| node::post(&mut self.ledger, record));
        for (shard, ticket) in tickets {
            self.turn(shard, |shard, clock, out| shard.on_journaled(clock, ticket, out));
        }
    }

    fn kill(&mut self) {
        self.say(|| "the data plane is killed".into());
        let records = self.disk.kill(&mut self.chance);
        records.iter().for_each(|record| node::post(&mut self.ledger, record));
        self.node.kill();
        self.at(self.now + self.story.away, Event::Restart);
    }

    /// Kills the data plane just after the answer that the story chose, before anything else happens.
    fn kill_on_cue(&mut self, seen: &Message<'_>) {
        let left = match (&mut self.story.crash, seen.method) {
            (Some(Crash::OnAnswer(left)), "INVITE") | (Some(Crash::OnRelease(left)), "BYE") => left,
            _ => return,
        };
        let cue = *left == 1;
        *left = left.saturating_sub(1);
        if cue {
            self.at(self.now, Event::Kill);
        }
    }

    fn restart(&mut self) {
        let (recovered, wants) = self.node.restart(self.now, self.disk.records());
        for record in recovered {
            node::post(&mut self.ledger, &record);
            self.disk.write(record);
        }
        self.say(|| "the data plane starts".into());
        wants.iter().for_each(|want| self.want(want));
        self.load();
    }

    fn load(&mut self) {
        let loaded: Loaded = self.node.loaded.clone();
        for number in 0..self.node.shards.len() {
            let loaded = loaded.clone();
            self.turn(ShardId(number as u16), |shard, clock, out| drop(shard.on_snapshot(clock, loaded, out)));
        }
    }
}
