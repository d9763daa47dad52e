//! Somebody who writes to whichever database takes it, what goes from one to the other, and what must hold of it.

use std::collections::BTreeSet;

use super::chance::Chance;
use super::database::{Database, Life};

/// A cable that is cut is noticed by TCP after so long.
const NOTICED_MS: u64 = 3_000;

/// Every commit that was ever made, and those that were acknowledged to who wrote them.
#[derive(Default)]
pub struct Commits {
    pub made: u32,
    pub acknowledged: BTreeSet<u32>,
    was_writable: [bool; 2],
}

impl Commits {
    /// Whoever takes writes gets some, and the replica takes what it can. `works`: the node is there; `open`: something goes from it to
    /// the other.
    pub fn replicate(
        &mut self,
        now: u64,
        both: [&mut Database; 2],
        works: [bool; 2],
        open: [bool; 2],
        chance: &mut Chance,
    ) {
        let [first, second] = both;
        for leader in [0, 1] {
            let (from, to) = if leader == 0 { (&mut *first, &mut *second) } else { (&mut *second, &mut *first) };
            if works[leader] && from.takes_writes() && chance.percent(40) {
                self.made += 1;
                from.log.push(self.made);
                from.applied = from.log.len();
                if from.waits {
                    from.waiting.push(self.made);
                } else {
                    self.acknowledged.insert(self.made);
                }
            }
            if works[1 - leader] && to.follows == Some(leader) {
                let leads = works[leader] && from.life == Life::Running;
                self.carry(now, leader, (from, to), leads, (open[leader], open[1 - leader]), chance);
            }
        }
    }

    fn carry(
        &mut self,
        now: u64,
        leader: usize,
        (from, to): (&mut Database, &mut Database),
        leads: bool,
        (there, back): (bool, bool),
        chance: &mut Chance,
    ) {
        let joined = there && back;
        if matches!(to.life, Life::Cloning { ready, from } if now >= ready && from == leader) && joined && leads {
            to.log = from.log.clone();
            (to.applied, to.diverged, to.life) = (to.log.len(), false, Life::Running);
            to.number += 1;
        }
        if to.life != Life::Running {
            let gone = joined && to.life == Life::Dead;
            from.replica = cluster::Replica { gone, ..cluster::Replica::default() };
            return;
        }
        if !leads || (!joined && now - *to.cut_since.get_or_insert(now) >= NOTICED_MS) {
            to.attached = false;
            from.replica = cluster::Replica::default();
            return;
        }
        if !to.attached {
            if joined && chance.percent(30) {
                to.diverged = !from.log.starts_with(&to.log);
                to.attached = !to.diverged;
                to.cut_since = None;
            }
            return;
        }
        // A cable that carries one way only carries commits, but no acknowledgement of them.
        if there && now >= to.slow_until {
            let more = chance.between(0, 6) as usize;
            let has = to.log.len();
            to.log.extend(from.log[has..].iter().take(more).copied());
        }
        if joined {
            to.cut_since = None;
            let stored = to.log.len() as u64;
            let (life, applied) = (to.number, to.applied as u64);
            from.replica = cluster::Replica { attached: true, gone: false, life, stored, applied };
            let last = to.log.last().copied().unwrap_or(0);
            let heard: Vec<u32> = from.waiting.extract_if(.., |commit| *commit <= last).collect();
            self.acknowledged.extend(heard);
        }
    }

    /// What must hold at every moment. Who takes writes that took none before.
    pub fn judge(&mut self, both: [&Database; 2], works: [bool; 2]) -> Result<Option<usize>, String> {
        if [0, 1].iter().all(|node| works[*node] && both[*node].takes_writes()) {
            return Err("two databases take writes".to_owned());
        }
        let mut began = None;
        for (node, database) in both.into_iter().enumerate() {
            let writable = database.takes_writes();
            if writable && !self.was_writable[node] {
                began = Some(node);
                self.all_are_in(node, database)?;
            }
            self.was_writable[node] = writable;
        }
        Ok(began)
    }

    pub fn all_are_in(&self, node: usize, database: &Database) -> Result<(), String> {
        let log: BTreeSet<u32> = database.log.iter().copied().collect();
        match self.acknowledged.iter().find(|commit| !log.contains(commit)) {
            Some(lost) => Err(format!("node {node} lacks commit {lost}, which was acknowledged")),
            None => Ok(()),
        }
    }

    /// A story in which hardly anything was written proves nothing.
    pub fn were_many(&self) -> Result<(), String> {
        if self.made < 300 || self.acknowledged.len() < 100 {
            return Err(format!("{} of {} writes were acknowledged", self.acknowledged.len(), self.made));
        }
        Ok(())
    }
}
