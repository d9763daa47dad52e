//! Three nodes with a service each, one address, an arbiter, and what goes wrong with them.

use cluster::broken::{Broken, is};
use cluster::{AddressKeeper, AddressSettings, Ask, Book, Outcome, Vigil, Write};
use units::{Instant, NodeId};

use super::arbiter::{Arbiter, Letter, due};
use super::chance::Chance;

const NODES: usize = 3;
const STEP_MS: u64 = 100;
const ANSWER_MS: u64 = 3_000;
/// Shorter than the usual, so that the address moves while things go wrong.
const HOLD_DOWN_MS: u64 = 20_000;
/// A node whose beat is older is not known to work.
const BEAT_MS: u64 = 5_000;
const FAULTS_END_MS: u64 = 150_000;
const END_MS: u64 = 300_000;
const LEASE_MS: u64 = 10_000;
/// A service may fail so long until its node has noticed and taken the address down.
const SICK_MS: u64 = 1_000;

struct Place {
    keeper: AddressKeeper,
    vigil: Vigil,
    offset: u64,
    drift: i64,
    back_at: u64,
    paused_until: u64,
    sick_until: u64,
    /// Since when the node is there and its service works; standing still for a moment does not count.
    works_since: u64,
    /// How long it worked before, and how long it failed then.
    worked: u64,
    failed: u64,
    up: Option<u64>,
    sick_up: u64,
    asked: Option<(u64, u64)>,
    /// When the others last heard that it works.
    beat: u64,
    life: u64,
    cut_until: u64,
}

impl Place {
    fn new(rank: u16, chance: &mut Chance) -> Place {
        Place {
            keeper: keeper(rank),
            vigil: Vigil::new(LEASE_MS),
            offset: chance.between(0, 1_000_000),
            drift: chance.between(0, 200) as i64 - 100,
            back_at: 0,
            paused_until: 0,
            sick_until: 0,
            works_since: 0,
            worked: 0,
            failed: 0,
            up: None,
            sick_up: 0,
            asked: None,
            beat: 0,
            life: 0,
            cut_until: 0,
        }
    }

    fn clock(&self, now: u64) -> u64 {
        (self.offset + now).strict_add_signed(now as i64 * self.drift / 10_000)
    }

    fn lives(&self, now: u64) -> bool {
        now >= self.back_at && now >= self.paused_until
    }
}

fn keeper(rank: u16) -> AddressKeeper {
    AddressKeeper::new(AddressSettings { hold_down_ms: HOLD_DOWN_MS, ..AddressSettings::new(NodeId(rank), rank) })
}

struct World<'a> {
    now: u64,
    chance: Chance,
    places: [Place; NODES],
    arbiter: Arbiter,
    number: u64,
    away_until: u64,
    late_until: u64,
    tell: &'a mut dyn FnMut(u64, String),
}

/// Lets the story of a seed happen. `Err` says which promise was broken.
pub fn play(seed: u64, tell: &mut dyn FnMut(u64, String)) -> Result<(), String> {
    let mut chance = Chance::new(seed ^ 0xADD2_E550);
    let places = [0, 1, 2].map(|rank| Place::new(rank, &mut chance));
    let arbiter = Arbiter::new();
    let mut world = World { now: 0, chance, places, arbiter, number: 0, away_until: 0, late_until: 0, tell };
    while world.now < END_MS {
        world.now += STEP_MS;
        let faults = world.now > 15_000 && world.now < FAULTS_END_MS;
        if faults && world.chance.between(0, 150) == 0 {
            world.strike();
        }
        world.step().map_err(|why| format!("{} ms: {why}", world.now))?;
    }
    let book = world.arbiter.book;
    if book.holder != Some(NodeId(0)) || !book.held || world.places[0].up.is_none() {
        return Err(format!("the address is not home again: {book:?}"));
    }
    Ok(())
}

impl World<'_> {
    fn strike(&mut self) {
        let now = self.now;
        let until = now + self.chance.between(200, 25_000);
        // Often the one that has the address.
        let holder = self.places.iter().position(|place| place.up.is_some());
        let node = match holder {
            Some(holder) if self.chance.percent(60) => holder,
            _ => self.chance.between(0, NODES as u64) as usize,
        };
        let kind = self.chance.between(0, 7);
        (self.tell)(now, format!("fault {kind} at node {node} until {until}"));
        let place = &mut self.places[node];
        match kind {
            0 => {
                (place.back_at, place.up, place.asked) = (until, None, None);
                place.life += 1;
                (place.keeper, place.vigil) = (keeper(node as u16), Vigil::new(LEASE_MS));
            }
            1 => place.paused_until = until,
            2 | 3 => {
                place.sick_until = until;
                place.life += 1;
            }
            4 => place.cut_until = until,
            5 => self.away_until = until,
            _ => self.late_until = until,
        }
    }

    fn step(&mut self) -> Result<(), String> {
        self.arbitrate();
        for node in 0..NODES {
            let now = self.now;
            let place = &mut self.places[node];
            if now < place.back_at || now < place.sick_until {
                if place.works_since + STEP_MS < now {
                    (place.worked, place.failed) = (now - place.works_since, 0);
                }
                place.failed += STEP_MS;
                place.works_since = now;
            }
            if place.lives(now) {
                self.hear(node);
                self.keep(node)?;
                self.watch(node)?;
            }
        }
        let up = self.places.iter().filter(|place| place.lives(self.now) && place.up.is_some()).count();
        if up > 1 { Err("two nodes have the address up".to_owned()) } else { Ok(()) }
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

    fn arbitrate(&mut self) {
        let before = self.arbiter.book;
        if self.now < self.away_until {
            self.arbiter.asks.clear();
            self.arbiter.begin_anew(self.now, LEASE_MS);
            return;
        }
        self.arbiter.lapse(self.now);
        for letter in due(&mut self.arbiter.asks, self.now) {
            let outcome = self.arbiter.write(self.now, LEASE_MS, letter.text);
            if let Outcome::Written(book) = outcome
                && !matches!(letter.text.write, Write::Renew)
            {
                (self.tell)(self.now, format!("node {} writes {:?}: {book:?}", letter.node, letter.text.write));
            }
            let (at, node, number) = (self.travel(), letter.node, letter.number);
            self.arbiter.answers.push(Letter { at, node, number, text: outcome });
        }
        if self.arbiter.book != before || self.now.is_multiple_of(1_000) {
            for node in 0..NODES {
                let at = self.travel();
                self.arbiter.reads.push(Letter { at, node, number: 0, text: self.arbiter.book });
            }
        }
    }

    /// The address goes only to a place that has worked for long. That it failed a moment ago may not be known yet.
    fn judge_pass(&self, ask: Ask) -> Result<(), String> {
        let Write::Pass(to) = ask.write else { return Ok(()) };
        let place = &self.places[usize::from(to.0)];
        let (works, long) = (self.now - place.works_since, HOLD_DOWN_MS - HOLD_DOWN_MS / 10);
        let unknown = works < 2_000 && place.failed < BEAT_MS + 2_000 && place.worked >= long - BEAT_MS;
        if works >= long - BEAT_MS || unknown {
            return Ok(());
        }
        Err(format!("the address is to go to a place that works for {works} ms"))
    }

    fn hear(&mut self, node: usize) {
        let now = self.now;
        let cut = now < self.places[node].cut_until;
        let (reads, rest): (Vec<Letter<Book>>, Vec<_>) =
            due(&mut self.arbiter.reads, now).into_iter().partition(|letter| letter.node == node);
        self.arbiter.reads.extend(rest);
        let (answers, rest): (Vec<Letter<Outcome>>, Vec<_>) =
            due(&mut self.arbiter.answers, now).into_iter().partition(|letter| letter.node == node);
        self.arbiter.answers.extend(rest);
        let place = &mut self.places[node];
        let at = Instant::from_micros(place.clock(now) * 1_000);
        for letter in reads.iter().filter(|_| !cut) {
            place.keeper.on_book(place.vigil.judge(at, letter.text));
        }
        for letter in answers.iter().filter(|_| !cut) {
            if place.asked.is_some_and(|(number, _)| number == letter.number) {
                place.asked = None;
                place.keeper.on_answer(at, letter.text);
            }
        }
        if place.asked.is_some_and(|(_, since)| now >= since + ANSWER_MS) {
            place.asked = None;
            place.keeper.on_answer(at, Outcome::Unknown);
        }
    }

    fn keep(&mut self, node: usize) -> Result<(), String> {
        let now = self.now;
        let travel = self.travel();
        let better = (0..node).find(|other| now < self.places[*other].beat + BEAT_MS);
        let better = better.map(|other| (NodeId(other as u16), self.places[other].life));
        let place = &mut self.places[node];
        let works = now >= place.sick_until;
        let cut = now < place.cut_until || now < self.away_until;
        if works && !cut && now.is_multiple_of(1_000) {
            place.beat = now;
        }
        if !works && !cut {
            place.beat = 0;
        }
        let at = Instant::from_micros(place.clock(now) * 1_000);
        let better = better.filter(|_| !cut);
        let turn = place.keeper.turn(at, works, place.up.is_some(), better);
        let judged = turn.ask.map_or(Ok(()), |ask| self.judge_pass(ask));
        let place = &mut self.places[node];
        if let Some(ask) = turn.ask {
            self.number += 1;
            place.asked = Some((self.number, now));
            if !cut {
                self.arbiter.asks.push(Letter { at: travel, node, number: self.number, text: ask });
            }
        }
        if turn.up.is_some() != place.up.is_some() {
            (self.tell)(now, format!("node {node}: address {}", if turn.up.is_some() { "up" } else { "down" }));
        }
        place.up = turn.up.map(Instant::micros);
        judged
    }

    /// The watchdog, and how long a sick service kept the address.
    fn watch(&mut self, node: usize) -> Result<(), String> {
        let now = self.now;
        let place = &mut self.places[node];
        if place.up.is_some_and(|until| place.clock(now) * 1_000 >= until) && !is(Broken::NoDeadline) {
            place.up = None;
        }
        let sick = place.up.is_some() && now < place.sick_until;
        place.sick_up = if sick { place.sick_up + STEP_MS } else { 0 };
        // An answer of the arbiter may be awaited first.
        if place.sick_up > SICK_MS + ANSWER_MS {
            return Err(format!("node {node} keeps the address with a service that fails"));
        }
        Ok(())
    }
}
