//! Two databases of which one leads, a remote replica in another data centre, and what goes wrong with all of them.

use cluster::{Local, NotPromoted, Process, Remote, RemoteSettings, Role, Source};
use units::{Instant, NodeId};

use super::chance::Chance;

const STEP_MS: u64 = 100;
const FAULTS_END_MS: u64 = 120_000;
const END_MS: u64 = 200_000;
const COPY_MS: u64 = 3_000;
const START_MS: u64 = 800;
const SETTINGS: RemoteSettings = RemoteSettings { hold_down_ms: 5_000, lost_ms: 3_000 };

/// A database of the first data centre.
#[derive(Default)]
struct Near {
    log: Vec<u32>,
    back_at: u64,
    writable: bool,
    follows: bool,
    slow_until: u64,
    /// Nothing goes between it and the other data centre until then.
    cut_until: u64,
}

/// The remote database and the keeper beside it.
struct Far {
    keeper: Remote,
    /// What stands on its disk.
    promoted: bool,
    log: Vec<u32>,
    ready_at: u64,
    follows: Option<usize>,
    diverged: bool,
    copying: Option<u64>,
    writable: bool,
    /// What it was told last, and whether it has looked since.
    role: Role,
    fresh: bool,
    copies: u32,
}

struct World {
    now: u64,
    chance: Chance,
    near: [Near; 2],
    leader: usize,
    far: Far,
    made: u32,
    commanded: bool,
    /// An operator is about to command.
    commands_at: Option<u64>,
    /// What it had when it was promoted: none of it may go.
    kept: Vec<u32>,
}

/// What happened in a story that went well.
#[allow(dead_code, reason = "who breaks rules asks only whether a story holds")]
pub struct Seen {
    /// How often it was copied anew.
    pub copies: u32,
    /// Whether an operator's command was carried out.
    pub commanded: bool,
}

/// Lets the story of a seed happen. `Err` says which promise was broken.
pub fn play(seed: u64) -> Result<Seen, String> {
    let far = Far {
        keeper: Remote::new(SETTINGS, false),
        promoted: false,
        log: vec![],
        ready_at: START_MS,
        follows: None,
        diverged: false,
        copying: None,
        writable: false,
        role: Role::Standby,
        fresh: false,
        copies: 0,
    };
    let near = [Near { writable: true, ..Near::default() }, Near { follows: true, ..Near::default() }];
    let chance = Chance::new(seed ^ 0xD15A_57E2);
    let mut world =
        World { now: 0, chance, near, leader: 0, far, made: 0, commanded: false, commands_at: None, kept: vec![] };
    while world.now < END_MS {
        world.now += STEP_MS;
        let faults = world.now > 10_000 && world.now < FAULTS_END_MS;
        if faults && world.chance.between(0, 120) == 0 {
            world.strike();
        }
        if world.commands_at.is_some_and(|at| world.now >= at) {
            world.commands_at = None;
            world.command();
        }
        world.step().map_err(|why| format!("{} ms: {why}", world.now))?;
    }
    world.end()
}

impl World {
    fn strike(&mut self) {
        let until = self.now + self.chance.between(200, 20_000);
        let node = self.chance.between(0, 2) as usize;
        match self.chance.between(0, 9) {
            0 | 1 => self.near[node].cut_until = until,
            2 => self.near.iter_mut().for_each(|near| near.cut_until = until),
            3 => self.near[1 - self.leader].slow_until = until,
            4 => self.dies(self.leader, until),
            5 => self.dies(1 - self.leader, until),
            6 => {
                // The whole data centre.
                self.dies(0, until);
                self.dies(1, until);
                if self.chance.percent(30) {
                    self.commands_at = Some(self.now + self.chance.between(0, 15_000));
                }
            }
            7 => self.restart(),
            _ if self.chance.percent(15) => self.command(),
            _ => {}
        }
    }

    fn dies(&mut self, node: usize, until: u64) {
        let near = &mut self.near[node];
        (near.back_at, near.writable, near.follows) = (until, false, false);
    }

    /// Of the remote keeper, and its database with it.
    fn restart(&mut self) {
        let far = &mut self.far;
        far.keeper = Remote::new(SETTINGS, far.promoted);
        (far.ready_at, far.follows, far.diverged, far.copying) = (self.now + START_MS, None, false, None);
        (far.writable, far.role, far.fresh) = (false, Role::Stopped, false);
    }

    /// An operator's command. Who says it may be wrong about the first data centre.
    fn command(&mut self) {
        let (local, sources) = (self.far.local(self.now), self.sources());
        let answers = sources.iter().any(|source| source.reached && source.writable);
        match self.far.keeper.may_promote(Instant::from_micros(self.now * 1_000), &local) {
            Ok(()) => {
                self.far.promoted = true;
                self.far.keeper.promoted();
                self.commanded = true;
                self.kept = self.far.log.clone();
                assert!(!answers, "it is promoted beside a primary that answers");
            }
            Err(NotPromoted::PrimaryThere(_) | NotPromoted::NotRunning) => {}
        }
    }

    fn sources(&self) -> [Source; 2] {
        [0, 1].map(|node| {
            let near = &self.near[node];
            let reached = self.now >= near.cut_until && self.now >= near.back_at;
            let told = Source {
                node: NodeId(node as u16),
                reached,
                writable: near.writable,
                follows: near.follows,
                position: near.log.len() as u64,
            };
            if reached { told } else { Source { writable: false, follows: false, position: 0, ..told } }
        })
    }

    fn step(&mut self) -> Result<(), String> {
        self.lead();
        self.follow()?;
        let sources = self.sources();
        let (local, now) = (self.far.local(self.now), Instant::from_micros(self.now * 1_000));
        let role = self.far.keeper.turn(now, &local, self.far.fresh, &sources);
        self.far.fresh = timeless(role) == timeless(self.far.role);
        // What it was told is carried out some time later.
        if !self.far.fresh && self.chance.percent(40) {
            self.carry_out(role)?;
            self.far.role = role;
        } else if !self.far.fresh {
            return Ok(());
        }
        self.far.fresh = true;
        Ok(())
    }

    /// The first data centre: commits, the replica, who takes over, who comes back.
    fn lead(&mut self) {
        let other = 1 - self.leader;
        let (now, lost) = (self.now, self.near[self.leader].back_at > self.now);
        if lost && self.near[other].follows {
            (self.near[other].follows, self.near[other].writable) = (false, true);
            self.leader = other;
        }
        let log = self.near[self.leader].log.clone();
        let leads = now >= self.near[self.leader].back_at;
        self.near[self.leader].writable = leads;
        let replica = &mut self.near[1 - self.leader];
        if leads && now >= replica.back_at {
            // What only a dead primary had is cut when it comes back.
            let common = replica.log.iter().zip(&log).take_while(|(own, theirs)| own == theirs).count();
            replica.log.truncate(common);
            (replica.follows, replica.writable) = (true, false);
            if now >= replica.slow_until {
                let more = self.chance.between(0, 4) as usize;
                replica.log.extend(log[common..].iter().take(more).copied());
            }
        } else {
            replica.follows = false;
        }
        if leads && self.chance.percent(50) {
            self.made += 1;
            self.near[self.leader].log.push(self.made);
        }
    }

    /// The remote database takes what the one that it follows has.
    fn follow(&mut self) -> Result<(), String> {
        let now = self.now;
        if self.far.writable {
            self.far.log.push(u32::MAX);
            if !self.commanded {
                return Err("it takes writes, and nobody said so".to_owned());
            }
        }
        if !self.far.log.starts_with(&self.kept) {
            return Err("what it had when it was promoted is gone".to_owned());
        }
        let from = self.far.follows.filter(|node| now >= self.near[*node].back_at && now >= self.near[*node].cut_until);
        if let (Some(from), Some(ready)) = (from, self.far.copying)
            && now >= ready
        {
            self.far.log = self.near[from].log.clone();
            (self.far.copying, self.far.diverged, self.far.follows) = (None, false, None);
            self.far.ready_at = now + START_MS;
        }
        let (Some(from), None, true) = (from, self.far.copying, now >= self.far.ready_at) else { return Ok(()) };
        let theirs = &self.near[from].log;
        if !theirs.starts_with(&self.far.log) {
            self.far.diverged = true;
        } else if !self.far.diverged {
            let more = self.chance.between(0, 6) as usize;
            let has = self.far.log.len();
            self.far.log.extend(theirs[has..].iter().take(more).copied());
        }
        Ok(())
    }

    fn carry_out(&mut self, role: Role) -> Result<(), String> {
        let now = self.now;
        match role {
            Role::Replica(of) => {
                let of = usize::from(of.0);
                if self.far.copying.take().is_some() {
                    self.far.ready_at = now + START_MS;
                }
                if self.far.follows != Some(of) {
                    (self.far.follows, self.far.diverged) = (Some(of), false);
                }
            }
            Role::Clone(of) => {
                let of = usize::from(of.0);
                let (far, near) = (&mut self.far, &self.near[of]);
                if !near.writable || near.log.len() < far.log.len() || near.log.starts_with(&far.log) {
                    return Err(format!(
                        "its copy is thrown away for one of node {of}, which does not lead or has less"
                    ));
                }
                (far.copying, far.follows) = (Some(now + COPY_MS), Some(of));
                far.copies += 1;
            }
            Role::Primary { .. } => (self.far.writable, self.far.follows) = (true, None),
            Role::Stopped | Role::Standby | Role::Frozen { .. } => {}
        }
        if self.commanded && !matches!(role, Role::Primary { .. }) {
            return Err(format!("it was promoted and is to be {role:?}"));
        }
        Ok(())
    }

    /// Long after the last fault it has everything, unless it was promoted.
    fn end(&self) -> Result<Seen, String> {
        let leader = &self.near[self.leader];
        let behind = leader.log.len().saturating_sub(self.far.log.len());
        if !self.commanded && (!leader.log.starts_with(&self.far.log) || behind > 40) {
            return Err(format!("it does not follow: {behind} commits behind, {:?}", self.far.role));
        }
        let replica = NodeId(1 - self.leader as u16);
        if !self.commanded && self.far.keeper.source() != Some(replica) {
            return Err(format!("it does not follow the replica, {replica}, but {:?}", self.far.keeper.source()));
        }
        if self.commanded && !self.far.writable {
            return Err("it was promoted and takes no writes".to_owned());
        }
        Ok(Seen { copies: self.far.copies, commanded: self.commanded })
    }
}

impl Far {
    fn local(&self, now: u64) -> Local {
        let runs = self.copying.is_none() && now >= self.ready_at;
        let process = if runs { Process::Running } else { Process::Silent };
        let position = if runs { self.log.len() as u64 } else { 0 };
        Local { process, writable: self.writable, position, diverged: self.diverged, ..Local::default() }
    }
}

fn timeless(role: Role) -> Role {
    match role {
        Role::Primary { .. } => Role::Primary { wait: false, until: Instant::default() },
        other => other,
    }
}
