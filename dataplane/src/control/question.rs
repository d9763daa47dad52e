//! A question that several shards answer in part.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use panel::metrics::Histogram;
use panel::wire::{Answer, CallRow, Figures, Peers, RoomRow};
use shard::parts::Used;

use crate::mail::Part;

/// How long shards may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was asked, with what came back so far.
pub enum Kind {
    /// Running calls, oldest first.
    Calls { limit: usize, rows: Vec<CallRow> },
    /// Counters and latencies.
    Figures(Box<Figures>),
    /// Who is registered where, and who was refused.
    Peers(Box<Peers>),
    /// What calls hold of limits.
    Rooms(Vec<RoomRow>),
    /// What calls use of limits, for the other nodes, in this round of theirs.
    Used(u64, Vec<Used>),
    /// How many calls run, for the other nodes.
    Running(u32),
    /// Do something to one call.
    OneCall,
    /// Take a snapshot into force.
    Load { revision: u64 },
}

/// A question under way.
pub struct Question {
    /// Who asked.
    pub connection: u64,
    /// Under which id.
    pub id: u64,
    left: usize,
    asked: Instant,
    kind: Kind,
    counters: BTreeMap<&'static str, u64>,
    stages: Vec<(&'static str, Histogram)>,
    refused: Option<String>,
}

impl Question {
    /// Asked of `shards` shards.
    pub fn new(connection: u64, id: u64, shards: usize, kind: Kind) -> Question {
        let (counters, stages) = (BTreeMap::new(), Vec::new());
        Question { connection, id, left: shards, asked: Instant::now(), kind, counters, stages, refused: None }
    }

    /// Shards that have not answered.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Has it taken too long?
    pub fn late(&self) -> bool {
        self.asked.elapsed() > PATIENCE
    }

    /// One shard's part came. True if it was the last.
    pub fn add(&mut self, part: Part) -> bool {
        self.left -= 1;
        match (&mut self.kind, part) {
            (Kind::Calls { rows, .. }, Part::Calls(more)) => rows.extend(more),
            (Kind::Figures(figures), Part::Figures(counts)) => {
                figures.shards.push(counts.figures);
                for (name, value) in counts.counters {
                    *self.counters.entry(name).or_default() += value;
                }
                for (name, stage) in counts.stages {
                    match self.stages.iter_mut().find(|(known, _)| *known == name) {
                        Some((_, sum)) => sum.merge(&stage),
                        None => self.stages.push((name, stage)),
                    }
                }
            }
            (Kind::Peers(peers), Part::Peers(more)) => {
                peers.strangers.extend(more.strangers);
                peers.bindings.extend(more.bindings);
                peers.registrations.extend(more.registrations);
            }
            (Kind::Rooms(rows), Part::Rooms(more)) => rows.extend(more),
            (Kind::Used(_, rows), Part::Used(more)) => rows.extend(more),
            (Kind::Running(sum), Part::Running(calls)) => *sum += calls,
            (Kind::OneCall, Part::Found(true)) => {}
            (Kind::OneCall, Part::Found(false)) => self.refused = Some("the call is over".to_owned()),
            (Kind::Load { revision }, Part::Loaded(loaded, _)) if *revision == loaded => {}
            (Kind::Load { .. }, Part::Loaded(loaded, _)) => {
                self.refused = Some(format!("a shard decides from revision {loaded}"));
            }
            (
                Kind::Calls { .. }
                | Kind::Figures(_)
                | Kind::Peers(_)
                | Kind::Rooms(_)
                | Kind::Used(..)
                | Kind::Running(_)
                | Kind::OneCall
                | Kind::Load { .. },
                _,
            ) => self.refused = Some("a shard answered another question".to_owned()),
        }
        self.left == 0
    }

    /// How many calls run, if that was asked.
    pub fn running(&self) -> Option<u32> {
        match self.kind {
            Kind::Running(calls) => Some(calls),
            _ => None,
        }
    }

    /// What calls use of limits, if that was asked, with its round; nothing if a shard did not say.
    pub fn used(&mut self) -> Option<(u64, Vec<Used>)> {
        match &mut self.kind {
            Kind::Used(round, used) if self.refused.is_none() => Some((*round, std::mem::take(used))),
            _ => None,
        }
    }

    /// The whole answer.
    pub fn answer(self) -> Answer {
        if let Some(reason) = self.refused {
            return Answer::Refused { reason };
        }
        match self.kind {
            Kind::Calls { limit, mut rows } => {
                rows.sort_by_key(|row| row.started);
                rows.truncate(limit);
                Answer::Calls(rows)
            }
            Kind::Figures(mut figures) => {
                figures.shards.sort_by_key(|figures| figures.shard);
                figures.counters.extend(self.counters.into_iter().map(|(name, value)| (name.to_owned(), value)));
                figures.stages = self.stages.iter().map(|(name, stage)| ((*name).to_owned(), stage.filled())).collect();
                Answer::Figures(figures)
            }
            Kind::Peers(mut peers) => {
                peers.strangers.sort_by_key(|row| std::cmp::Reverse(row.at));
                peers.bindings.sort_by(|a, b| (&a.record, &a.contact).cmp(&(&b.record, &b.contact)));
                peers.registrations.sort_by_key(|row| row.egress_trunk);
                Answer::Peers(peers)
            }
            Kind::Rooms(mut rows) => {
                // A carrier whose trunk changed hands may be known to two shards for as long as calls last.
                rows.sort();
                Answer::Rooms(rows)
            }
            // Nobody but the other nodes waits for it.
            Kind::Used(..) | Kind::Running(_) | Kind::OneCall => Answer::Done,
            Kind::Load { revision } => Answer::Loaded { revision },
        }
    }
}
