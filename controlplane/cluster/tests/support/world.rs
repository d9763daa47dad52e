//! Two nodes with a database each, an arbiter, three cables, and what goes wrong with them.

use cluster::broken::{Broken, is};
use cluster::{Ask, Book, Keeper, Outcome, Role, Settings, Vigil, Write};
use units::{Instant, NodeId};

use super::arbiter::{Arbiter, Letter, due};
use super::chance::Chance;
use super::commits::Commits;
use super::database::Database;
use super::story::{Fault, Story};

/// Milliseconds between two looks of a keeper.
const STEP_MS: u64 = 100;
/// An ask without an answer for so long has none.
const ANSWER_MS: u64 = 5_000;
/// After healing: a lease, a clone, and three hold-downs, for two tries to go home may come to nothing.
const HEALED_MS: u64 = 200_000;

struct Node {
    keeper: Keeper,
    vigil: Vigil,
    database: Database,
    /// The clock: an offset, and how much faster than true time it runs, in parts of 10,000.
    offset: u64,
    drift: i64,
    back_at: Option<u64>,
    paused_until: u64,
    asked: Option<(u64, u64)>,
}

impl Node {
    /// This node's clock, in milliseconds.
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

struct World<'a> {
    now: u64,
    chance: Chance,
    nodes: [Node; 2],
    arbiter: Arbiter,
    number: u64,
    commits: Commits,
    /// Until when nothing goes from this node to the other.
    cut: [u64; 2],
    /// Until when nothing goes from this node to the arbiter, and back.
    cut_up: [u64; 2],
    cut_down: [u64; 2],
    away_until: u64,
    late_until: u64,
    ordered: bool,
    counted_since: u64,
    tell: &'a mut dyn FnMut(u64, String),
}

/// Lets a story happen. `Err` says which promise was broken.
pub fn play(story: &Story, tell: &mut dyn FnMut(u64, String)) -> Result<(), String> {
    let mut world = World::new(story.seed, tell);
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

impl World<'_> {
    fn new(seed: u64, tell: &mut dyn FnMut(u64, String)) -> World<'_> {
        let mut chance = Chance::new(seed ^ 0xCAB1_E500);
        let node = |me: u16, chance: &mut Chance| Node {
            keeper: Keeper::new(settings(me)),
            vigil: vigil(),
            database: Database::new(),
            offset: chance.between(0, 1_000_000),
            drift: chance.between(0, 200) as i64 - 100,
            back_at: None,
            paused_until: 0,
            asked: None,
        };
        World {
            now: 0,
            nodes: [node(0, &mut chance), node(1, &mut chance)],
            chance,
            arbiter: Arbiter::new(),
            number: 0,
            commits: Commits::default(),
            cut: [0; 2],
            cut_up: [0; 2],
            cut_down: [0; 2],
            away_until: 0,
            late_until: 0,
            ordered: false,
            counted_since: 0,
            tell,
        }
    }

    fn strike(&mut self, fault: Fault) {
        (self.tell)(self.now, format!("{fault:?}"));
        let now = self.now;
        match fault {
            Fault::KillDatabase(node) => self.nodes[node].database.kill(),
            Fault::KillNode(node, long) => {
                self.nodes[node].database.kill();
                self.nodes[node].back_at = Some(now + long);
            }
            Fault::Pause(node, long) => self.nodes[node].paused_until = now + long,
            Fault::CutCable(node, long) => self.cut[node] = now + long,
            Fault::CutBoth(long) => self.cut = [now + long; 2],
            Fault::CutArbiter(node, up, long) => {
                let way = if up { &mut self.cut_up } else { &mut self.cut_down };
                way[node] = now + long;
            }
            Fault::Lonely(node, long) => (self.cut_up[node], self.cut_down[node]) = (now + long, now + long),
            Fault::ArbiterAway(long) => self.away_until = now + long,
            Fault::Slow(node, long) => self.nodes[node].database.slow_until = now + long,
            Fault::Lags(node, long) => self.nodes[node].database.lags_until = now + long,
            Fault::Late(long) => self.late_until = now + long,
            Fault::HandOver(node) => {
                self.ordered = true;
                self.nodes[node].keeper.hand_over();
            }
        }
    }

    fn heal(&mut self) {
        (self.cut, self.cut_up, self.cut_down) = ([0; 2], [0; 2], [0; 2]);
        (self.away_until, self.late_until) = (0, 0);
        for node in &mut self.nodes {
            node.paused_until = 0;
            (node.database.slow_until, node.database.lags_until) = (0, 0);
            node.back_at = node.back_at.map(|at| at.min(self.now));
        }
    }

    fn step(&mut self) -> Result<(), String> {
        let works = [0, 1].map(|node| self.nodes[node].works(self.now));
        let open = [0, 1].map(|node| self.now >= self.cut[node]);
        let [first, second] = &mut self.nodes;
        let both = [&mut first.database, &mut second.database];
        self.commits.replicate(self.now, both, works, open, &mut self.chance);
        self.arbitrate()?;
        for node in 0..2 {
            self.revive(node);
            if self.nodes[node].works(self.now) {
                self.hear(node);
                self.keep(node)?;
                self.watch(node);
                let now = self.now;
                self.nodes[node].database.live(now, &mut self.chance);
            }
        }
        let works = [0, 1].map(|node| self.nodes[node].works(self.now));
        let both = [&self.nodes[0].database, &self.nodes[1].database];
        if let Some(node) = self.commits.judge(both, works)? {
            (self.tell)(self.now, format!("node {node} takes writes"));
        }
        Ok(())
    }

    /// The arbiter takes what has come, and tells what changed.
    fn arbitrate(&mut self) -> Result<(), String> {
        if self.now < self.away_until {
            self.arbiter.asks.clear();
            self.arbiter.begin_anew(self.now, settings(0).takeover_ms);
            return Ok(());
        }
        let before = self.arbiter.book;
        self.arbiter.lapse(self.now);
        for letter in due(&mut self.arbiter.asks, self.now) {
            let lease = settings(0).takeover_ms;
            let given = self.given_too_soon(letter.text).and_then(|()| self.gives_all(letter.text));
            let outcome = self.arbiter.write(self.now, lease, letter.text);
            if let Outcome::Written(book) = outcome {
                if !matches!(letter.text.write, Write::Renew) {
                    (self.tell)(self.now, format!("node {} writes {:?}: {book:?}", letter.node, letter.text.write));
                }
                given?;
                if let Write::Sync(Some(_)) | Write::Give(..) = letter.text.write {
                    self.counted_since = self.now;
                }
            }
            let at = self.travel();
            self.arbiter.answers.push(Letter { at, text: outcome, ..letter.carry() });
        }
        if self.arbiter.book != before || self.now.is_multiple_of(1_000) {
            for node in 0..2 {
                let at = self.travel();
                self.arbiter.reads.push(Letter { at, node, number: 0, text: self.arbiter.book });
            }
        }
        Ok(())
    }

    /// Without an order the database goes home only after the home node was counted on for the hold-down.
    fn given_too_soon(&self, ask: Ask) -> Result<(), String> {
        let settings = settings(0);
        let counted = self.now.saturating_sub(self.counted_since);
        // The slowest clock of the story loses a hundredth.
        let early = counted < settings.hold_down_ms - settings.hold_down_ms / 50;
        if matches!(ask.write, Write::Give(..)) && !self.ordered && early {
            return Err(format!("the database goes back after {counted} ms in sync"));
        }
        Ok(())
    }

    /// A planned change leaves nothing behind: not even what nobody was told of yet.
    fn gives_all(&self, ask: Ask) -> Result<(), String> {
        let (from, to) = if ask.by == NodeId(0) { (0, 1) } else { (1, 0) };
        let left = self.nodes[from].database.log.len().abs_diff(self.nodes[to].database.log.len());
        match ask.write {
            Write::Give(..) if left > 0 => Err(format!("handing over leaves {left} commits behind")),
            _ => Ok(()),
        }
    }

    fn travel(&mut self) -> u64 {
        let late = self.now < self.late_until && self.chance.percent(60);
        self.now
            + if late {
                self.chance.between(500, 9_000)
            } else if self.chance.percent(5) {
                self.chance.between(150, 1_500)
            } else {
                self.chance.between(1, 150)
            }
    }

    /// A dead node comes back, knowing nothing.
    fn revive(&mut self, node: usize) {
        if self.nodes[node].back_at.is_some_and(|at| self.now >= at) {
            let back = &mut self.nodes[node];
            (back.back_at, back.asked) = (None, None);
            (back.keeper, back.vigil) = (Keeper::new(settings(node as u16)), vigil());
        }
    }

    /// What came from the arbiter.
    fn hear(&mut self, node: usize) {
        let cut = self.now < self.cut_down[node];
        let at = self.nodes[node].instant(self.now);
        let mine = |letters: &mut Vec<Letter<Book>>, now| {
            let (mine, rest) = due(letters, now).into_iter().partition::<Vec<_>, _>(|letter| letter.node == node);
            letters.extend(rest);
            mine
        };
        for letter in mine(&mut self.arbiter.reads, self.now) {
            if !cut {
                let book = self.nodes[node].vigil.judge(at, letter.text);
                self.nodes[node].keeper.on_book(at, book);
            }
        }
        let (answers, rest): (Vec<_>, Vec<_>) =
            due(&mut self.arbiter.answers, self.now).into_iter().partition(|letter| letter.node == node);
        self.arbiter.answers.extend(rest);
        for letter in answers {
            if !cut && self.nodes[node].asked.is_some_and(|(number, _)| number == letter.number) {
                self.nodes[node].asked = None;
                self.nodes[node].keeper.on_answer(at, letter.text);
            }
        }
        if self.nodes[node].asked.is_some_and(|(_, since)| self.now >= since + ANSWER_MS) {
            self.nodes[node].asked = None;
            self.nodes[node].keeper.on_answer(at, Outcome::Unknown);
        }
    }

    /// A keeper's look, and what it wants is done.
    fn keep(&mut self, node: usize) -> Result<(), String> {
        let at = self.nodes[node].instant(self.now);
        let local = self.nodes[node].database.local(self.now);
        let turn = self.nodes[node].keeper.turn(at, &local);
        if let Some(ask) = turn.ask {
            assert!(self.nodes[node].asked.is_none(), "one ask at a time");
            self.number += 1;
            self.nodes[node].asked = Some((self.number, self.now));
            let at = self.travel();
            if self.now >= self.cut_up[node] {
                self.arbiter.asks.push(Letter { at, node, number: self.number, text: ask });
            }
        }
        let book = self.arbiter.book;
        let counted = [book.sync, book.holder].contains(&Some(NodeId(node as u16)));
        if matches!(turn.role, Role::Clone(_)) && counted {
            return Err(format!("node {node} throws away the copy that the book counts on"));
        }
        let acknowledged = self.nodes[node].database.become_role(self.now, turn.role, &mut self.chance);
        self.commits.acknowledged.extend(acknowledged);
        Ok(())
    }

    /// The watchdog beside the keeper.
    fn watch(&mut self, node: usize) {
        let clock = self.nodes[node].clock(self.now) * 1_000;
        let over = self.nodes[node].database.until.is_some_and(|until| clock >= until);
        if over && !is(Broken::NoDeadline) {
            self.nodes[node].database.kill();
        }
    }

    /// What must hold when all is whole again.
    fn after(&self, story: &Story) -> Result<(), String> {
        let book = self.arbiter.book;
        if story.only_slow && book.epoch != 1 {
            return Err(format!("overload alone moved the database {} times", book.epoch - 1));
        }
        if book.holder != Some(NodeId(0)) || !book.held || !self.nodes[0].database.takes_writes() {
            return Err(format!("the database is not home again: {book:?}"));
        }
        if !book.counts_on(NodeId(1), self.nodes[1].database.number) || !self.nodes[1].database.attached {
            return Err(format!("the home database has no replica: {book:?}"));
        }
        self.commits.all_are_in(0, &self.nodes[0].database)?;
        self.commits.were_many()
    }
}

impl<T> Letter<T> {
    /// The envelope for an answer.
    fn carry(&self) -> Letter<Outcome> {
        Letter { at: 0, node: self.node, number: self.number, text: Outcome::Unknown }
    }
}

fn vigil() -> Vigil {
    Vigil::new(settings(0).takeover_ms)
}

fn settings(me: u16) -> Settings {
    Settings::new(NodeId(me), NodeId(1 - me), NodeId(0))
}
