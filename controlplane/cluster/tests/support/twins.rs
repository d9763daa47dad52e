//! Two servers with a database each, two paths between them, tie-breakers, a fence command, and what goes wrong with them.

use cluster::{Beat, Keeper, Page, Pair, PairSettings, Role, Settings};
use units::{Instant, NodeId};

use super::chance::Chance;
use super::commits::Commits;
use super::database::Database;
use super::twins_story::{Fault, Fence, Shows, Story};

/// Milliseconds between two looks of a keeper.
const STEP_MS: u64 = 100;
/// After healing: a lease, a clone, and three hold-downs, for two tries to go home may come to nothing.
const HEALED_MS: u64 = 220_000;
/// A server that was turned off by the other is started again after so long.
const OFF_MS: u64 = 20_000;
/// A fence command has so long, as the program that runs it sees to.
const FENCE_MS: u64 = 2_500;
const PATHS: usize = 2;

struct Server {
    keeper: Keeper,
    pair: Pair,
    /// What survives a crash.
    disk: Page,
    database: Database,
    /// The clock: an offset, and how much faster than true time it runs, in parts of 10,000.
    offset: u64,
    drift: i64,
    back_at: Option<u64>,
    paused_until: u64,
    leaves_at: Option<(u64, u64)>,
    cut: [u64; PATHS],
    ties_cut: u64,
    /// When a tie-breaker was reached last.
    tied: u64,
    /// A fence command that runs: its number, when it turns the other off, when it ends, and what it says then.
    fence: Option<(u64, Option<u64>, u64, bool)>,
}

impl Server {
    fn clock(&self, now: u64) -> u64 {
        (self.offset + now).strict_add_signed(now as i64 * self.drift / 10_000)
    }

    fn instant(&self, now: u64) -> Instant {
        Instant::from_micros(self.clock(now) * 1_000)
    }

    fn works(&self, now: u64) -> bool {
        self.back_at.is_none() && now >= self.paused_until
    }
}

/// A beat on its way to a server.
#[derive(Clone, Copy)]
struct Datagram {
    at: u64,
    to: usize,
    beat: Beat,
}

struct World<'a> {
    now: u64,
    chance: Chance,
    servers: [Server; 2],
    fence: Fence,
    commits: Commits,
    ways: Vec<Datagram>,
    /// Beats that somebody recorded, oldest first.
    recorded: Vec<Datagram>,
    late_until: u64,
    lossy_until: u64,
    replayed_until: u64,
    /// Who began to take writes, and when.
    began: Vec<(u64, usize)>,
    tell: &'a mut dyn FnMut(u64, String),
}

/// Lets a story happen. `Err` says which promise was broken.
pub fn play(story: &Story, tell: &mut dyn FnMut(u64, String)) -> Result<(), String> {
    let mut world = World::new(story, tell);
    let mut faults = story.faults.iter().peekable();
    while world.now < story.healed + HEALED_MS {
        world.now += STEP_MS;
        while let Some((_, fault)) = faults.next_if(|(at, _)| *at <= world.now) {
            world.strike(*fault);
        }
        if world.now == story.healed {
            world.heal();
        }
        world.step().map_err(|why| format!("{} ms: {why}", world.now))?;
    }
    world.after(story)
}

fn settings(me: usize) -> Settings {
    Settings::new(NodeId(me as u16), NodeId(1 - me as u16), NodeId(0))
}

fn pair(me: usize, fence: Fence, disk: Page, at: Instant, chance: &mut Chance) -> Pair {
    let Settings { me, other, takeover_ms, .. } = settings(me);
    let settings = PairSettings { me, other, takeover_ms, fence: fence != Fence::None };
    Pair::new(settings, disk, [chance.any(), chance.any()], at)
}

impl World<'_> {
    fn new<'a>(story: &Story, tell: &'a mut dyn FnMut(u64, String)) -> World<'a> {
        let mut chance = Chance::new(story.seed ^ 0x2222);
        let servers = [0, 1].map(|me| {
            let disk = if me == 0 { Page::founded(NodeId(0)) } else { Page::joining(NodeId(0)) };
            let offset = chance.between(0, 1_000_000);
            Server {
                keeper: Keeper::new(settings(me)),
                pair: pair(me, story.fence, disk, Instant::from_micros(offset * 1_000), &mut chance),
                disk,
                database: Database::new(),
                offset,
                drift: chance.between(0, 200) as i64 - 100,
                back_at: None,
                paused_until: 0,
                leaves_at: None,
                cut: [0; PATHS],
                ties_cut: 0,
                tied: 0,
                fence: None,
            }
        });
        World {
            now: 0,
            chance,
            servers,
            fence: story.fence,
            commits: Commits::default(),
            ways: vec![],
            recorded: vec![],
            late_until: 0,
            lossy_until: 0,
            replayed_until: 0,
            began: vec![],
            tell,
        }
    }

    fn strike(&mut self, fault: Fault) {
        (self.tell)(self.now, format!("{fault:?}"));
        let now = self.now;
        match fault {
            Fault::KillDatabase(node) => self.servers[node].database.kill(),
            Fault::KillServer(node, long) => self.kill(node, long),
            Fault::Stop(node, long) => {
                self.servers[node].keeper.hand_over();
                self.servers[node].leaves_at = Some((now + 2_500, long));
            }
            Fault::Pause(node, long) => self.servers[node].paused_until = now + long,
            Fault::CutPath(node, path, long) => self.servers[node].cut[path] = now + long,
            Fault::CutWay(node, long) => self.servers[node].cut = [now + long; PATHS],
            Fault::CutBetween(long) => self.servers.iter_mut().for_each(|server| server.cut = [now + long; PATHS]),
            Fault::CutOff(node, long) => {
                self.servers.iter_mut().for_each(|server| server.cut = [now + long; PATHS]);
                self.servers[node].ties_cut = now + long;
            }
            Fault::CutTies(node, long) => self.servers[node].ties_cut = now + long,
            Fault::Slow(node, long) => self.servers[node].database.slow_until = now + long,
            Fault::Late(long) => self.late_until = now + long,
            Fault::Lossy(long) => self.lossy_until = now + long,
            Fault::Replay(long) => self.replayed_until = now + long,
            Fault::HandOver(node) => self.servers[node].keeper.hand_over(),
        }
    }

    fn kill(&mut self, node: usize, long: u64) {
        let server = &mut self.servers[node];
        server.database.kill();
        (server.back_at, server.leaves_at, server.fence) = (Some(self.now + long), None, None);
    }

    fn heal(&mut self) {
        (self.late_until, self.lossy_until, self.replayed_until) = (0, 0, 0);
        for server in &mut self.servers {
            (server.cut, server.ties_cut, server.paused_until) = ([0; PATHS], 0, 0);
            server.database.slow_until = 0;
            server.back_at = server.back_at.map(|at| at.min(self.now));
        }
    }

    fn step(&mut self) -> Result<(), String> {
        let works = [0, 1].map(|node| self.servers[node].works(self.now));
        let open = [0, 1].map(|node| self.now >= self.servers[node].cut[0]);
        let [first, second] = &mut self.servers;
        let both = [&mut first.database, &mut second.database];
        self.commits.replicate(self.now, both, works, open, &mut self.chance);
        self.replay();
        for node in 0..2 {
            self.revive(node);
            if self.servers[node].works(self.now) {
                self.leave(node);
                self.hear(node);
                self.turn_off(node);
            }
            if self.servers[node].works(self.now) {
                self.keep(node)?;
                let clock = self.servers[node].clock(self.now) * 1_000;
                let database = &mut self.servers[node].database;
                if database.until.is_some_and(|until| clock >= until) {
                    database.kill();
                }
                database.live(self.now, &mut self.chance);
            }
        }
        let works = [0, 1].map(|node| self.servers[node].works(self.now));
        let both = [&self.servers[0].database, &self.servers[1].database];
        if let Some(node) = self.commits.judge(both, works)? {
            (self.tell)(self.now, format!("server {node} takes writes"));
            self.began.push((self.now, node));
        }
        Ok(())
    }

    /// A dead server comes back, knowing what its disk knows.
    fn revive(&mut self, node: usize) {
        if self.servers[node].back_at.is_some_and(|at| self.now >= at) {
            let at = self.servers[node].instant(self.now);
            let fresh = pair(node, self.fence, self.servers[node].disk, at, &mut self.chance);
            let server = &mut self.servers[node];
            (server.back_at, server.pair, server.keeper) = (None, fresh, Keeper::new(settings(node)));
            (self.tell)(self.now, format!("server {node} is back: {:?}", server.disk));
        }
    }

    /// A server that is stopped in order says so before it is gone.
    fn leave(&mut self, node: usize) {
        let Some((at, long)) = self.servers[node].leaves_at else { return };
        if self.now >= at + 500 {
            self.kill(node, long);
        } else if self.now >= at {
            self.servers[node].pair.on_leave();
        }
    }

    fn hear(&mut self, node: usize) {
        let at = self.servers[node].instant(self.now);
        let mut due: Vec<Datagram> = self.ways.extract_if(.., |way| way.to == node && way.at <= self.now).collect();
        due.sort_by_key(|way| way.at);
        for way in due {
            self.servers[node].pair.on_beat(at, &way.beat);
        }
    }

    /// What a fence command does, and its end. Whoever runs it waits no longer than it may take.
    fn turn_off(&mut self, node: usize) {
        let Some((number, off_at, end, says)) = self.servers[node].fence else { return };
        if off_at.is_some_and(|at| self.now >= at) {
            self.servers[node].fence = Some((number, None, end, says));
            (self.tell)(self.now, format!("server {node} turned the other off"));
            self.kill(1 - node, OFF_MS);
        }
        if self.now >= end {
            self.servers[node].fence = None;
            let at = self.servers[node].instant(self.now);
            self.servers[node].pair.on_fenced(at, number, says);
        }
    }

    fn fence(&mut self, node: usize, number: u64) -> Result<(), String> {
        let now = self.now;
        (self.tell)(now, format!("server {node} runs the fence command"));
        if now - self.servers[node].tied > 1_000 {
            return Err(format!("server {node} is cut off and turns the other off"));
        }
        self.servers[node].fence = Some(match self.fence {
            Fence::None => return Err("there is no fence command".to_owned()),
            Fence::Works(long) => (number, Some(now + long), now + long + 100, true),
            Fence::Fails => (number, None, now + FENCE_MS / 2, false),
            Fence::Late(long) => (number, Some(now + long), now + long + 100, true),
        });
        Ok(())
    }

    /// A keeper's look, and what it and the arbiter want is done.
    fn keep(&mut self, node: usize) -> Result<(), String> {
        let (now, tied) = (self.now, self.now >= self.servers[node].ties_cut);
        let server = &mut self.servers[node];
        let at = server.instant(now);
        if tied {
            server.tied = now;
        }
        let was = server.disk;
        let turn = server.pair.turn(at, tied);
        if let Some(page) = turn.keep {
            server.disk = page;
            if (page.view, page.standing) != (was.view, was.standing) {
                (self.tell)(now, format!("server {node}: {page:?}"));
            }
        }
        if let Some(outcome) = turn.outcome {
            server.keeper.on_answer(at, outcome);
        }
        if let Some(book) = turn.book {
            server.keeper.on_book(at, book);
        }
        let wants = server.keeper.turn(at, &server.database.local(now));
        if let Some(ask) = wants.ask {
            server.pair.on_ask(at, ask);
        }
        // How a database recovers depends on who is primary: none starts before that is known.
        let role = if server.keeper.book().is_some() { wants.role } else { Role::Stopped };
        let acknowledged = server.database.become_role(now, role, &mut self.chance);
        self.commits.acknowledged.extend(acknowledged);
        if let Some(beat) = turn.beat {
            self.send(node, beat);
        }
        turn.fence.map_or(Ok(()), |number| self.fence(node, number))
    }

    /// On every path: lost, doubled, or late.
    fn send(&mut self, node: usize, beat: Beat) {
        for path in 0..PATHS {
            let copies = 1 + u64::from(self.chance.percent(3));
            for _ in 0..copies {
                let lost = self.chance.percent(if self.now < self.lossy_until { 80 } else { 2 });
                let late = self.now < self.late_until && self.chance.percent(60);
                let long =
                    if late { self.chance.between(500, 15_000) } else { self.chance.between(1, STEP_MS + STEP_MS / 2) };
                if self.now >= self.servers[node].cut[path] && !lost {
                    let way = Datagram { at: self.now + long, to: 1 - node, beat };
                    self.ways.push(way);
                    if self.recorded.len() < 4_000 {
                        self.recorded.push(way);
                    }
                }
            }
        }
    }

    /// Somebody who can send, and not make, beats: the newest ones and any older ones.
    fn replay(&mut self) {
        if self.now >= self.replayed_until || self.recorded.is_empty() {
            return;
        }
        let count = self.recorded.len() as u64;
        let newest = self.recorded[count as usize - 1];
        let any = self.recorded[self.chance.between(0, count) as usize];
        self.ways.extend([newest, any].map(|way| Datagram { at: self.now, ..way }));
    }

    /// What must hold when all is whole again.
    fn after(&self, story: &Story) -> Result<(), String> {
        let [first, second] = &self.servers;
        let pages = (first.disk, second.disk);
        match story.shows {
            Shows::Stays if self.began.len() > 1 => return Err(format!("the database moved: {:?}", self.began)),
            Shows::TakenOver(at) => {
                // The lease, by a clock that may be a hundredth slow, and a moment for noticing and promoting.
                let in_time = |began: &&(u64, usize)| began.1 == 1 && (at..at + 12_500).contains(&began.0);
                let taken = self.began.iter().find(in_time);
                taken.ok_or_else(|| format!("nobody took over at {at}: {:?}", self.began))?;
            }
            Shows::Nothing | Shows::Stays => {}
        }
        let book = first.disk.book;
        if book.holder != Some(NodeId(0)) || !first.database.takes_writes() {
            return Err(format!("the database is not home again: {pages:?}"));
        }
        let counted = book.counts_on(NodeId(1), second.database.number);
        if !counted || !second.database.attached || first.pair.is_split() {
            return Err(format!("the home database has no replica: {pages:?}"));
        }
        self.commits.all_are_in(0, &first.database)?;
        self.commits.were_many()
    }
}
