//! One run: the nodes' shards, the peers, the network, the disks and the ledger on one simulated clock.

mod money;
mod network;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use cdr::Record;
use shard::{Effect, Effects, Loaded, Parcel, Shard};
use units::{AccountId, ShardId};

use crate::bank::Bank;
use crate::callee::Callee;
use crate::caller::{Caller, Out};
use crate::chance::Chance;
use crate::disk::Disk;
use crate::node::{self, Node};
use crate::prices::{TERMINATOR_BASE, originator_address};
use crate::story::{Crash, MS, ORIGINATORS, SECOND, Story, TroubleKind};
use crate::sums::Sums;
use money::{Answer, Link, Request};

/// A run ends at this moment whatever stands; every deadline of the switch lies well before it.
pub const HORIZON: u64 = 3_600 * SECOND;
/// Steps of a run at most: what is above it turns in circles.
const STEPS_MAX: u64 = 2_000_000;

enum Event {
    Start(usize),
    Sip {
        from: SocketAddr,
        to: SocketAddr,
        text: String,
    },
    Media {
        from: SocketAddr,
        to: SocketAddr,
        bytes: [u8; node::PACKET_BYTES],
    },
    Caller(usize),
    Callee(usize),
    Parcel {
        node: usize,
        boot: u32,
        to: ShardId,
        parcel: Box<Parcel>,
    },
    Sync {
        node: usize,
        boot: u32,
    },
    Kill {
        node: usize,
        away: u64,
    },
    Restart(usize),
    LookAtDisk(usize),
    Still(usize),
    Publish,
    Pay {
        originator: usize,
        amount: i64,
    },
    /// A message of a node's comes to the ledger.
    Asked {
        node: usize,
        request: Request,
    },
    /// The replica has what an answer says.
    Acknowledged {
        epoch: u32,
        node: usize,
        answer: Option<Answer>,
    },
    /// The answer comes to the node.
    Answered {
        node: usize,
        answer: Answer,
    },
    /// What was not answered is asked again.
    Again(usize),
    /// A node's collector looks at the journal.
    Collect(usize),
    TakeOver,
    WriteOff(usize),
}

/// One node with what is its own.
pub struct Site {
    /// Its shards.
    pub node: Node,
    /// Its journal.
    pub disk: Disk,
    /// Its way to the ledger.
    pub link: Link,
    /// Until when it stands still.
    still: u64,
}

/// Everything of a run.
pub struct World<'a> {
    /// What was to happen.
    pub story: Story,
    /// The oracle's callers, by call.
    pub callers: Vec<Caller>,
    /// The oracle's callees, by attempt.
    pub callees: Vec<Callee>,
    /// The switch, node by node.
    pub sites: Vec<Site>,
    /// The ledger.
    pub bank: Bank,
    /// The oracle's sums.
    pub sums: Sums,
    /// What went wrong on the way.
    pub faults: Vec<String>,
    /// The clock in microseconds.
    pub now: u64,
    /// Messages sent so far.
    pub messages: usize,
    /// Processes that were killed.
    pub crashes: u32,
    chance: Chance,
    events: BTreeMap<(u64, u64), Event>,
    count: u64,
    attempts: BTreeMap<String, usize>,
    talking: BTreeSet<usize>,
    effects: Effects,
    revision: u64,
    /// When the replica has the last transaction.
    replicated: u64,
    /// The database that was lost is replaced at this moment.
    database_till: u64,
    tell: &'a mut dyn FnMut(u64, &str),
}

impl<'a> World<'a> {
    /// The world before its first moment.
    pub fn new(story: Story, tell: &'a mut dyn FnMut(u64, &str)) -> World<'a> {
        let each = story.calls.iter().enumerate();
        let callers = each.map(|(index, call)| {
            let target = node::sip_address(index % story.nodes);
            Caller::new(index, call, originator_address(call.originator), target)
        });
        let loaded = node::loaded(1);
        let sites = (0..story.nodes).map(|number| Site {
            node: Node::new(&story, number, loaded.clone()),
            disk: Disk::default(),
            link: Link::default(),
            still: 0,
        });
        let mut world = World {
            callers: callers.collect(),
            callees: Vec::new(),
            sites: sites.collect(),
            bank: Bank::default(),
            sums: Sums::default(),
            faults: Vec::new(),
            now: 0,
            messages: 0,
            crashes: 0,
            chance: Chance::new(story.seed ^ 0xABCD),
            events: BTreeMap::new(),
            count: 0,
            attempts: BTreeMap::new(),
            talking: BTreeSet::new(),
            effects: Effects::default(),
            revision: 1,
            replicated: 0,
            database_till: 0,
            tell,
            story,
        };
        world.plan();
        world
    }

    fn plan(&mut self) {
        for originator in 0..ORIGINATORS {
            self.pay(originator, self.story.funds[originator]);
        }
        for (index, owed) in self.story.owed.into_iter().enumerate() {
            self.fund(AccountId(TERMINATOR_BASE + index as u32).owed(), owed);
        }
        for index in 0..self.story.calls.len() {
            self.at(SECOND + self.story.calls[index].at, Event::Start(index));
        }
        for number in 0..self.sites.len() {
            self.at(0, Event::Restart(number));
        }
        if let Some(Crash::At(moment)) = self.story.crash {
            self.at(SECOND + moment, Event::Kill { node: 0, away: self.story.away });
        }
        if let Some(moment) = self.story.republish {
            self.at(SECOND + moment, Event::Publish);
        }
        for trouble in self.story.strife.troubles.clone() {
            let (node, from) = (trouble.node, SECOND + trouble.from);
            match trouble.kind {
                TroubleKind::Dead => self.at(from, Event::Kill { node, away: trouble.till - trouble.from }),
                TroubleKind::Still => self.at(from, Event::Still(node)),
                TroubleKind::Full => {
                    for moment in [from, SECOND + trouble.till] {
                        self.at(moment + SECOND, Event::LookAtDisk(node));
                    }
                }
                // The link looks at the clock itself.
                TroubleKind::Unheard | TroubleKind::Deaf | TroubleKind::Apart | TroubleKind::Slow => {}
            }
        }
        for (from, _) in self.story.strife.take_overs.clone() {
            self.at(SECOND + from, Event::TakeOver);
        }
        if let Some(at) = self.story.strife.written_off {
            self.at(SECOND + at, Event::WriteOff(0));
        }
        if let Some((at, originator, amount)) = self.story.strife.payment {
            self.at(SECOND + at, Event::Pay { originator, amount });
        }
    }

    /// Lets it happen.
    pub fn run(&mut self) {
        for _ in 0..STEPS_MAX {
            let event = self.events.keys().next().map(|key| key.0);
            let each = self.sites.iter().enumerate();
            let shard = each.filter_map(|(number, site)| {
                let (due, shard) = site.node.deadline()?;
                Some((due.max(site.still), number, shard))
            });
            let shard = shard.min();
            let next = [event, shard.map(|found| found.0)].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= HORIZON) else {
                self.now = HORIZON;
                return;
            };
            self.now = self.now.max(next);
            if event == Some(next) {
                let (_, event) = self.events.pop_first().expect("a key was seen a moment ago");
                self.happen(event);
            } else if let Some((_, number, shard)) = shard {
                self.turn(number, shard, |shard, clock, out| shard.on_time(clock, out));
            }
            if !self.faults.is_empty() {
                return;
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

    /// The node that an event goes to.
    fn node_of(&self, event: &Event) -> Option<usize> {
        match event {
            Event::Sip { to, .. } => (0..self.sites.len()).find(|number| node::sip_address(*number) == *to),
            Event::Media { to, .. } => self.sites.iter().position(|site| site.node.is_media_address(*to)),
            Event::Parcel { node, .. } | Event::Sync { node, .. } | Event::Answered { node, .. } => Some(*node),
            Event::Again(node) => Some(*node),
            _ => None,
        }
    }

    fn happen(&mut self, event: Event) {
        let node = self.node_of(&event);
        if let Some(still) = node.map(|number| self.sites[number].still).filter(|still| *still > self.now) {
            return self.at(still, event);
        }
        match event {
            Event::Start(index) => self.with_caller(index, Caller::start),
            Event::Caller(index) if self.callers[index].due().is_some_and(|due| due <= self.now) => {
                self.with_caller(index, Caller::on_time);
            }
            Event::Callee(index) if self.callees[index].due().is_some_and(|due| due <= self.now) => {
                self.with_callee(index, Callee::on_time);
            }
            Event::Caller(_) | Event::Callee(_) => {}
            Event::Sip { from, to, text } => match node {
                Some(number) => self.deliver_to_switch(number, from, &text),
                None => self.deliver_to_peer(from, to, &text),
            },
            Event::Media { from, to, bytes } => self.on_media(node, from, to, bytes),
            Event::Parcel { node, boot, to, parcel } if boot == self.sites[node].node.boot => {
                self.turn(node, to, |shard, clock, out| shard.on_parcel(clock, *parcel, out));
            }
            Event::Sync { node, boot } if boot == self.sites[node].node.boot => match self.full_till(node) {
                Some(till) => self.at(till, Event::Sync { node, boot }),
                None => self.sync(node),
            },
            Event::Parcel { .. } | Event::Sync { .. } => {}
            Event::Kill { node, away } => self.kill(node, away),
            // A start that cannot write is made again by whoever keeps the program running.
            Event::Restart(node) => match self.full_till(node) {
                Some(till) => self.at(till, Event::Restart(node)),
                None => self.restart(node),
            },
            Event::LookAtDisk(node) => self.look_at_disk(node),
            Event::Still(node) => self.stand_still(node),
            Event::Publish => self.publish(),
            Event::Pay { originator, amount } => self.pay(originator, amount),
            Event::Asked { node, request } => self.on_asked(node, request),
            Event::Acknowledged { epoch, node, answer } => self.on_acknowledged(epoch, node, answer),
            Event::Answered { node, answer } => self.on_answered(node, answer),
            Event::Again(node) => self.ask_again(node),
            Event::Collect(node) => self.collect(node),
            Event::WriteOff(node) => {
                self.say(|| format!("node {node} is written off"));
                self.bank.write_off(1 + node as u16);
                self.replicate(node, None);
            }
            Event::TakeOver => {
                self.say(|| "the replica takes over".into());
                self.bank.take_over();
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

    /// One turn of one shard, and what it asked for.
    fn turn(&mut self, node: usize, number: ShardId, act: impl FnOnce(&mut Shard, units::Clock, &mut Effects)) {
        let site = &mut self.sites[node];
        let clock = site.node.clock(self.now);
        let Some(shard) = site.node.shards.get_mut(usize::from(number.0)) else { return };
        let mut effects = core::mem::take(&mut self.effects);
        effects.clear();
        act(shard, clock, &mut effects);
        for effect in core::mem::take(&mut effects.list) {
            self.carry_out((node, number), effect, &effects.bytes);
        }
        self.effects = effects;
    }

    fn carry_out(&mut self, (node, number): (usize, ShardId), effect: Effect, bytes: &[u8]) {
        let boot = self.sites[node].node.boot;
        match effect {
            Effect::Sip { to, bytes: range } => {
                let text = String::from_utf8_lossy(&bytes[range]).into_owned();
                self.send(node::sip_address(node), to.remote, text);
            }
            Effect::Connect { .. } | Effect::Stream { .. } | Effect::CloseStream { .. } => {
                self.faults.push("a connection, although everybody speaks UDP".into());
            }
            Effect::Media(_) => self.faults.push("a word to the kernel, although it has no part in this".into()),
            Effect::OpenPort { port, .. } => self.sites[node].node.open_port(self.now, number, port, &mut self.faults),
            Effect::ClosePort { port } => self.sites[node].node.close_port(self.now, port, &mut self.faults),
            Effect::Journal { ticket, bytes: range } => match node::record(&bytes[range]) {
                Some(record) => self.journal(node, (number, ticket), record),
                None => self.faults.push("a journal record that nobody can decode".into()),
            },
            Effect::Trace { .. } | Effect::Tape { .. } | Effect::Voice { .. } => {}
            Effect::Parcel { to, parcel } => {
                self.at(self.now + 3, Event::Parcel { node, boot, to, parcel });
            }
            Effect::Binding(_) => self.faults.push("a registration, although nobody registers".into()),
            Effect::Fetch { .. } => self.faults.push("a certificate, although nothing is verified".into()),
            Effect::Want(want) => self.want(node, number.0, want),
        }
    }

    fn journal(&mut self, node: usize, (shard, ticket): (ShardId, u64), record: Record) {
        let site = &mut self.sites[node];
        self.sums.on_record(self.now, node, &record);
        if matches!(record, Record::Start(_)) && self.bank.fence(1 + node as u16).is_some() {
            self.faults.push(format!("node {node} was written off and carries a call all the same"));
        }
        let boot = site.node.boot;
        let first = !site.disk.dirty();
        let (paid, closes) = (matches!(record, Record::Paid { .. }), matches!(record, Record::GrantClosed { .. }));
        site.disk.append(shard, ticket, record);
        if first {
            let moment = self.now + 50 + self.chance.below(5 * MS);
            self.at(moment, Event::Sync { node, boot });
        }
        let left = match &mut self.story.crash {
            Some(Crash::OnRecord(left)) => left,
            Some(Crash::OnPaid(left)) if paid => left,
            Some(Crash::OnClose(left)) if closes => left,
            _ => return,
        };
        if node == 0 && counted_down(left) {
            self.at(self.now, Event::Kill { node, away: self.story.away });
        }
    }

    fn sync(&mut self, node: usize) {
        let (tickets, records) = self.sites[node].disk.sync();
        for record in records {
            self.faults.extend(self.sums.on_safe(self.now, record, false).err());
        }
        for (shard, ticket) in tickets {
            self.turn(node, shard, |shard, clock, out| shard.on_journaled(clock, ticket, out));
        }
        self.look_at_grants(node);
        self.wake_collector(node);
    }

    fn kill(&mut self, node: usize, away: u64) {
        if self.sites[node].node.shards.is_empty() {
            return;
        }
        self.say(|| format!("the data plane of node {node} is killed"));
        self.crashes += 1;
        self.faults.extend(self.sums.on_kill(self.now, node).err());
        let site = &mut self.sites[node];
        for record in site.disk.kill(&mut self.chance) {
            self.faults.extend(self.sums.on_safe(self.now, record, false).err());
        }
        site.node.kill(self.now);
        site.link.die();
        site.still = 0;
        self.at(self.now + away, Event::Restart(node));
    }

    fn restart(&mut self, node: usize) {
        let site = &mut self.sites[node];
        let (recovered, wants) = site.node.restart(self.now, site.disk.records());
        for record in recovered {
            self.faults.extend(self.sums.on_safe(self.now, &record, true).err());
            site.disk.write(record);
        }
        self.faults.extend(self.sums.on_restart(node, self.sites[node].node.ticks).err());
        self.say(|| format!("the data plane of node {node} starts"));
        wants.into_iter().for_each(|want| self.want(node, 0, want));
        self.fence(node);
        self.load(node);
        self.wake_collector(node);
    }

    /// The control plane beside the data plane tells it that it was written off.
    fn fence(&mut self, node: usize) {
        let Some(fence) = self.bank.fence(1 + node as u16) else { return };
        for shard in 0..self.sites[node].node.shards.len() as u16 {
            let (boot, barred) = (fence.boot, fence.barred);
            self.turn(node, ShardId(shard), |shard, clock, out| shard.on_fence(clock, boot, barred, out));
        }
    }

    fn stand_still(&mut self, node: usize) {
        let own = self.story.strife.troubles.iter().filter(|trouble| trouble.node == node);
        let till = own.filter(|trouble| trouble.kind == TroubleKind::Still && SECOND + trouble.from <= self.now);
        let till = till.map(|trouble| SECOND + trouble.till).max().unwrap_or(0);
        self.say(|| format!("node {node} stands still"));
        self.sums.on_pause(node);
        self.sites[node].still = till;
    }

    /// Until when a node's disk takes nothing.
    fn full_till(&self, node: usize) -> Option<u64> {
        let own = self.story.strife.troubles.iter().filter(|trouble| trouble.node == node);
        let full = own.filter(|trouble| matches!(trouble.kind, TroubleKind::Full | TroubleKind::Slow));
        let till =
            full.map(|trouble| SECOND + trouble.from..SECOND + trouble.till).filter(|span| span.contains(&self.now));
        till.map(|span| span.end).max()
    }

    fn look_at_disk(&mut self, node: usize) {
        let full = self.full_till(node).is_some();
        self.say(|| format!("node {node}, its disk is full: {full}"));
        self.sites[node].node.shards.iter_mut().for_each(|shard| shard.on_disk_full(full));
    }

    fn publish(&mut self) {
        self.revision += 1;
        let loaded = node::loaded(self.revision);
        for node in 0..self.sites.len() {
            self.sites[node].node.loaded = loaded.clone();
            self.load(node);
        }
    }

    fn load(&mut self, node: usize) {
        let loaded: Loaded = self.sites[node].node.loaded.clone();
        for number in 0..self.sites[node].node.shards.len() {
            let loaded = loaded.clone();
            self.turn(node, ShardId(number as u16), |shard, clock, out| drop(shard.on_snapshot(clock, loaded, out)));
        }
    }

    fn pay(&mut self, originator: usize, amount: i64) {
        self.fund(AccountId(1 + originator as u32), amount);
    }

    fn fund(&mut self, account: AccountId, amount: i64) {
        self.bank.fund(account, amount);
        self.sums.fund(account, amount);
        self.replicate(0, None);
    }
}

/// One less; true when it was the last.
fn counted_down(left: &mut u64) -> bool {
    let last = *left == 1;
    *left = left.saturating_sub(1);
    last
}
