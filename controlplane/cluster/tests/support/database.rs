//! A database as far as primaries and replicas can tell: a log, who follows whom, and commits that wait for the replica.

use std::mem;

use cluster::broken::{Broken, is};
use cluster::{Local, Process, Replica, Role};

use super::chance::Chance;

/// How long a process takes to start, and a copy to be made, in milliseconds.
const START_MS: u64 = 800;
const CLONE_MS: u64 = 3_000;

/// What a process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    Dead,
    Starting { ready: u64 },
    Cloning { ready: u64, from: usize },
    Running,
}

/// One database.
pub struct Database {
    pub life: Life,
    /// Raised whenever a process starts.
    pub number: u64,
    pub writable: bool,
    pub frozen: bool,
    /// When writes will have stopped.
    pub freezes: Option<u64>,
    pub waits: bool,
    pub diverged: bool,
    /// Numbers of commits, rising. What is received and not applied is lost with the process.
    pub log: Vec<u32>,
    pub applied: usize,
    /// It took writes, and has neither followed nor stopped them in order since.
    led: bool,
    /// Committed here and not yet acknowledged to who wrote them.
    pub waiting: Vec<u32>,
    /// How many of the last commits stood in the log alone when the process died: those that waited, and some that were acknowledged.
    log_alone: usize,
    pub follows: Option<usize>,
    pub attached: bool,
    /// Since when nothing came through the cable to whom it follows.
    pub cut_since: Option<u64>,
    /// It answers no question until then.
    pub slow_until: u64,
    /// It applies nothing until then.
    pub lags_until: u64,
    /// It is killed at this moment of its node's clock, whatever its keeper does.
    pub until: Option<u64>,
    /// The other one, as last reported.
    pub replica: Replica,
}

impl Database {
    pub fn new() -> Database {
        Database {
            life: Life::Dead,
            number: 0,
            writable: false,
            frozen: false,
            freezes: None,
            waits: false,
            diverged: false,
            log: Vec::new(),
            applied: 0,
            led: false,
            waiting: Vec::new(),
            log_alone: 0,
            follows: None,
            attached: false,
            cut_since: None,
            slow_until: 0,
            lags_until: 0,
            until: None,
            replica: Replica::default(),
        }
    }

    pub fn takes_writes(&self) -> bool {
        self.life == Life::Running && self.writable && !self.frozen
    }

    pub fn local(&self, now: u64) -> Local {
        let process = match self.life {
            Life::Dead => Process::Dead,
            Life::Running if now >= self.slow_until => Process::Running,
            Life::Starting { .. } | Life::Cloning { .. } | Life::Running => Process::Silent,
        };
        Local {
            process,
            silent_ms: 0,
            writable: self.writable && self.life == Life::Running,
            frozen: self.frozen,
            waits: self.waits,
            life: if process == Process::Dead { 0 } else { self.number },
            position: self.log.len() as u64,
            drained: self.follows.is_none() && self.applied == self.log.len(),
            diverged: self.diverged,
            replica: self.replica,
        }
    }

    /// kill -9. What waited is acknowledged to nobody.
    pub fn kill(&mut self) {
        if self.led {
            let waited = self.log.iter().position(|commit| self.waiting.contains(commit));
            let acknowledged = self.log.len().saturating_sub(self.log.len() % 4);
            self.log_alone = self.log.len() - acknowledged.min(waited.unwrap_or(self.log.len()));
        }
        self.life = Life::Dead;
        (self.writable, self.frozen, self.attached, self.freezes, self.until) = (false, false, false, None, None);
        self.replica = Replica::default();
        self.applied = self.log.len().min(self.applied);
    }

    /// Makes it what its keeper says. Returns the commits that are acknowledged by that.
    pub fn become_role(&mut self, now: u64, role: Role, chance: &mut Chance) -> Vec<u32> {
        match role {
            Role::Stopped => {
                let loose = if is(Broken::DemotedAlive) { mem::take(&mut self.waiting) } else { vec![] };
                self.kill();
                loose
            }
            Role::Standby => self.follow(now, None, chance),
            Role::Replica(of) => self.follow(now, Some(usize::from(of.0)), chance),
            Role::Clone(from) => {
                if !matches!(self.life, Life::Cloning { .. }) {
                    self.kill();
                    self.log.clear();
                    (self.applied, self.log_alone, self.led) = (0, 0, false);
                    self.life = Life::Cloning { ready: now + CLONE_MS, from: usize::from(from.0) };
                }
                vec![]
            }
            Role::Primary { wait, until } => self.lead(now, wait, until.micros(), false, chance),
            Role::Frozen { wait, until } => self.lead(now, wait, until.micros(), true, chance),
        }
    }

    fn follow(&mut self, now: u64, of: Option<usize>, chance: &mut Chance) -> Vec<u32> {
        if self.life == Life::Dead {
            self.start(now, of.is_some(), chance);
        }
        self.waiting.clear();
        self.led &= self.life != Life::Running;
        (self.writable, self.frozen, self.waits, self.freezes, self.until) = (false, false, false, None, None);
        self.replica = Replica::default();
        if self.follows != of {
            (self.follows, self.attached, self.diverged, self.cut_since) = (of, false, false, None);
        }
        vec![]
    }

    /// What was received and not applied is gone. Where another is primary, recovery of one that was primary cuts what stands in the log
    /// alone, for the primary has what was acknowledged of it; a crash may have left some that it does not know. Where nobody took over,
    /// it keeps everything: nobody else may have it.
    fn start(&mut self, now: u64, another_is_primary: bool, chance: &mut Chance) {
        let waiting = mem::take(&mut self.waiting);
        self.number += 1;
        if (another_is_primary && self.led && chance.percent(50)) || is(Broken::CutsWhatNobodyHas) {
            self.log.truncate(self.log.len() - self.log_alone);
        } else if is(Broken::ClonesWhileCounted) && chance.percent(50) {
            // Only a host that loses its memory, with what was not acknowledged, makes the other's copy part from its own.
            self.log.retain(|commit| !waiting.contains(commit));
        }
        self.log.truncate(self.applied);
        self.applied = self.log.len();
        self.log_alone = 0;
        self.life = Life::Starting { ready: now + START_MS };
    }

    fn lead(&mut self, now: u64, wait: bool, until: u64, freeze: bool, chance: &mut Chance) -> Vec<u32> {
        (self.follows, self.attached, self.diverged) = (None, false, false);
        self.until = Some(until);
        match self.life {
            Life::Dead => self.start(now, false, chance),
            Life::Running if now >= self.slow_until => {
                // Writes under way take a moment to end; a database that takes none yet begins frozen.
                let delay = if self.writable { chance.between(0, 400) } else { 0 };
                self.freezes = freeze.then(|| self.freezes.unwrap_or(now + delay));
                self.frozen = self.freezes.is_some_and(|at| now >= at);
                self.writable = self.applied == self.log.len();
                self.led = self.writable && !self.frozen;
                let released = self.waits && !wait;
                self.waits = wait;
                if released {
                    return mem::take(&mut self.waiting);
                }
            }
            Life::Starting { .. } | Life::Cloning { .. } | Life::Running => {}
        }
        vec![]
    }

    /// Time passes for the process itself.
    pub fn live(&mut self, now: u64, chance: &mut Chance) {
        if matches!(self.life, Life::Starting { ready } if now >= ready) {
            self.life = Life::Running;
        }
        if self.life == Life::Running && self.applied < self.log.len() && now >= self.lags_until {
            self.applied += chance.between(0, 1 + (self.log.len() - self.applied) as u64) as usize;
        }
    }
}
