//! Between nodes and the ledger: messages that are lost, doubled and late, a replica that acknowledges, collectors that carry on.

use alloc::format;
use alloc::vec::Vec;

use cdr::Record;
use panel::wire::{Reply, Want};
use shard::wants::Wants;
use units::ShardId;
use units::mutant::{self, Mutant};

use crate::story::{Crash, MS, SECOND, TroubleKind};
use crate::world::{Event, World, counted_down};

/// How often a node asks again, and its collector looks again, in microseconds.
const AGAIN: u64 = SECOND;
const LOOK: u64 = 200 * MS;
/// Records of one batch at most.
const BATCH_MAX: usize = 40;

/// A node's way to the ledger.
#[derive(Debug, Default)]
pub struct Link {
    wants: Wants,
    /// Something will look at what is not answered.
    asks: bool,
    /// Records of the journal that the ledger has.
    collected: usize,
    looks: bool,
}

impl Link {
    /// The data plane is dead; its collector is another program.
    pub fn die(&mut self) {
        self.wants = Wants::default();
    }

    /// Nothing waits for an answer.
    pub fn is_quiet(&self) -> bool {
        self.wants.is_empty()
    }
}

/// What a node tells the ledger.
#[derive(Clone, Debug)]
pub enum Request {
    Want(Want),
    Collect { from: usize, till: usize },
}

/// What the ledger tells a node.
#[derive(Clone, Debug)]
pub enum Answer {
    Reply(Reply),
    Collected(usize),
}

impl World<'_> {
    /// A shard wants something of the ledger.
    pub(super) fn want(&mut self, node: usize, shard: u16, want: Want) {
        let link = &mut self.sites[node].link;
        link.wants.add(shard, want.clone(), self.now * 1_000);
        if !core::mem::replace(&mut link.asks, true) {
            self.at(self.now + AGAIN, Event::Again(node));
        }
        let cue = match &mut self.story.crash {
            Some(Crash::OnWant(left)) if node == 0 => counted_down(left),
            _ => false,
        };
        if !cue {
            return self.transmit(node, Request::Want(want));
        }
        let late = self.story.away + 2 * SECOND;
        self.at(self.now, Event::Kill { node, away: self.story.away });
        self.at(self.now + late, Event::Asked { node, request: Request::Want(want) });
    }

    pub(super) fn ask_again(&mut self, node: usize) {
        let now = self.now;
        let link = &mut self.sites[node].link;
        link.asks = !link.wants.is_empty();
        let due: Vec<Want> = link.wants.due(now * 1_000 + 1);
        if link.asks {
            self.at(now + AGAIN, Event::Again(node));
        }
        due.into_iter().for_each(|want| self.transmit(node, Request::Want(want)));
    }

    fn transmit(&mut self, node: usize, request: Request) {
        if !self.hears(node, TroubleKind::Unheard) {
            return;
        }
        for moment in self.copies() {
            self.at(moment, Event::Asked { node, request: request.clone() });
        }
    }

    /// When a message comes, as often as it does.
    fn copies(&mut self) -> Vec<u64> {
        let (lost, doubled, late) = (self.story.strife.lost, self.story.strife.doubled, self.story.strife.late);
        let late_max = self.story.strife.late_max.max(1);
        let mut moments = Vec::new();
        if !self.chance.happens(lost) {
            let more = if self.chance.happens(late) { self.chance.below(late_max) } else { 0 };
            moments.push(self.now + 250 + self.chance.below(10 * MS) + more);
        }
        if self.chance.happens(doubled) {
            moments.push(self.now + 250 + self.chance.below(late_max));
        }
        moments
    }

    /// Messages of a node pass this way at this moment.
    fn hears(&self, node: usize, way: TroubleKind) -> bool {
        let cuts = |kind: TroubleKind| kind == way || kind == TroubleKind::Apart;
        let own = self.story.strife.troubles.iter().filter(|trouble| trouble.node == node && cuts(trouble.kind));
        own.into_iter().all(|trouble| !(SECOND + trouble.from..SECOND + trouble.till).contains(&self.now))
    }

    /// A message comes to the ledger: one transaction, whose answer waits for the replica.
    pub(super) fn on_asked(&mut self, node: usize, request: Request) {
        let away = self.story.strife.take_overs.iter();
        if self.now < self.database_till {
            return;
        }
        if away.into_iter().any(|(from, till)| (SECOND + from..SECOND + till).contains(&self.now)) {
            return;
        }
        let answer = match &request {
            Request::Want(want) => self.bank.ask(want).map(Answer::Reply),
            Request::Collect { from, till } => {
                let records: &[Record] = &self.sites[node].disk.records()[*from..*till];
                Some(Answer::Collected(self.bank.collect(node, records, *till)))
            }
        };
        self.say(|| format!("ledger, node {node}: {request:?}: {answer:?}"));
        self.faults.extend(self.bank.faults.first().cloned());
        if mutant::is(Mutant::AnsweredBeforeReplica) {
            self.replicate(node, None);
            self.answer(node, answer);
        } else {
            self.replicate(node, answer);
        }
        if self.story.strife.lost_after.as_mut().is_some_and(counted_down) {
            self.say(|| "the database is lost, its replica takes over".into());
            self.bank.take_over();
            self.database_till = self.now + SECOND;
        }
    }

    /// The replica gets one transaction more, after those before it.
    pub(super) fn replicate(&mut self, node: usize, answer: Option<Answer>) {
        let lag = if self.chance.happens(20) { self.chance.below(300 * MS) } else { self.chance.below(5 * MS) };
        self.replicated = self.replicated.max(self.now + lag);
        self.at(self.replicated, Event::Acknowledged { epoch: self.bank.epoch, node, answer });
    }

    pub(super) fn on_acknowledged(&mut self, epoch: u32, node: usize, answer: Option<Answer>) {
        // A database that was lost acknowledges nothing.
        if epoch == self.bank.epoch {
            self.bank.acknowledge();
            self.answer(node, answer);
        }
    }

    fn answer(&mut self, node: usize, answer: Option<Answer>) {
        let Some(answer) = answer.filter(|_| self.hears(node, TroubleKind::Deaf)) else { return };
        for moment in self.copies() {
            self.at(moment, Event::Answered { node, answer: answer.clone() });
        }
    }

    /// An answer comes to a node, to whichever of its lives.
    pub(super) fn on_answered(&mut self, node: usize, answer: Answer) {
        match answer {
            Answer::Reply(reply) => {
                let wants = &mut self.sites[node].link.wants;
                let shard = wants.shard_for(&reply);
                wants.settle(&reply);
                let shard = shard.or_else(|| mutant::is(Mutant::LateReplyTaken).then(|| self.home(node, &reply)));
                if let Some(shard) = shard {
                    self.turn(node, ShardId(shard), |shard, clock, out| shard.on_reply(clock, reply, out));
                    self.look_at_grants(node);
                }
            }
            Answer::Collected(till) => {
                let collected = &mut self.sites[node].link.collected;
                *collected = till.max(*collected);
            }
        }
    }

    fn home(&self, node: usize, reply: &Reply) -> u16 {
        let Reply::Granted { account, .. } = reply else { return 0 };
        let shards = self.sites[node].node.shards.len().max(1) as u16;
        shard::book::home(*account, shards).0
    }

    /// Something was written for the collector.
    pub(super) fn wake_collector(&mut self, node: usize) {
        if !core::mem::replace(&mut self.sites[node].link.looks, true) {
            self.at(self.now + LOOK, Event::Collect(node));
        }
    }

    /// The collector is another program: it goes on while the data plane is dead, from where the ledger has told it to.
    pub(super) fn collect(&mut self, node: usize) {
        let site = &mut self.sites[node];
        site.link.looks = false;
        let (from, all) = (site.link.collected, site.disk.records().len());
        if from < all {
            self.transmit(node, Request::Collect { from, till: all.min(from + BATCH_MAX) });
            self.wake_collector(node);
        }
    }

    /// I3: no node's calls hold more of a grant than was lent, by the node's books and by the ledger's.
    pub(super) fn look_at_grants(&mut self, node: usize) {
        for shard in &self.sites[node].node.shards {
            for (grant, amount, spoken_for) in shard.book().grants() {
                if spoken_for > amount || self.bank.lent(grant).is_some_and(|lent| lent != amount) {
                    let lent = self.bank.lent(grant);
                    self.faults.push(format!(
                        "node {node}: {grant:?} of {amount}, lent {lent:?}: {spoken_for} are spoken for"
                    ));
                }
            }
        }
    }
}
