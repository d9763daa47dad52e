//! Shared addresses without a database behind them: each one's life on this node. Look, decide, carry out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use cluster::{AddressKeeper, AddressTurn, Ask, Book, Outcome};
use live::{AddressStatus, Etcd, KEEPERS, KeeperStatus, Mirror, address_service, better_place};
use units::{Instant, NodeId};

use crate::address;
use crate::arbiter::{self, Arbiter};
use crate::check::Check;
use crate::clock::now;
use crate::guard::Guarded;
use crate::neighbours::Berth;
use crate::settings::{AddressSettings, Driver, Settings, SharedAddress};
use crate::status::Told;

/// Between two looks of the pure core, and two readings of the book.
const TURN: Duration = Duration::from_millis(100);
/// Between two questions to what is served at the address.
const CHECK: Duration = Duration::from_millis(500);
/// So many questions without an answer, one after the other, say that it does not work.
const MISSES: u32 = 3;
/// How long the end waits until the arbiter knows that the address is free.
const END_MS: u64 = 2_000;

/// What reaches an address's keeper from outside.
enum Event {
    Book(Book),
    Answer(Outcome),
}

/// Takes every address down that this program moves: what an earlier run left, or the end.
pub fn take_down(settings: &Settings) -> Result<()> {
    let own = settings.addresses.iter().map(SharedAddress::place);
    for place in own.filter(|place| place.driver == Driver::Agent) {
        address::down(&place).with_context(|| format!("cannot take {} down", place.ip))?;
    }
    Ok(())
}

/// Keeps all of them, each by threads of its own, until `ended`.
pub fn start(
    settings: &Settings,
    etcd: Option<&Arc<Etcd>>,
    told: &Told,
    ended: &Arc<AtomicBool>,
) -> Result<Vec<JoinHandle<()>>> {
    let keepers = etcd.map(|etcd| Arc::new(Mirror::start(etcd.clone(), KEEPERS)));
    let each = settings.addresses.iter().map(|shared| {
        let decided = etcd.filter(|_| shared.driver != Driver::Keepalived);
        let arbiter = decided.map(|etcd| Arbiter::new(etcd.clone(), &address_service(&shared.name), shared.takeover_s));
        let health = Arc::new(Mutex::new(Err("it was not asked yet".to_owned())));
        look_after(shared.check.clone(), health.clone())?;
        let place = Place {
            node: settings.node,
            berth: Berth::new(shared.place()),
            place: shared.place(),
            shared: shared.clone(),
            keepers: keepers.clone(),
            health,
            told: told.clone(),
            ended: ended.clone(),
            guard: None,
            refused: String::new(),
        };
        let name = format!("address {}", shared.name);
        thread::Builder::new().name(name).spawn(move || place.live(arbiter)).context("the system starts no thread")
    });
    each.collect()
}

/// Asks again and again whether what is served works.
fn look_after(check: Option<Check>, health: Arc<Mutex<Result<(), String>>>) -> Result<()> {
    let run = move || {
        let Some(check) = check else {
            *health.lock().expect("nobody panics with the health") = Ok(());
            return;
        };
        let mut misses = MISSES;
        loop {
            let found = check.ask().map_err(|error| format!("{error:#}"));
            misses = if found.is_ok() { 0 } else { misses.saturating_add(1) };
            if misses == 0 || misses >= MISSES {
                *health.lock().expect("nobody panics with the health") = found;
            }
            thread::sleep(CHECK);
        }
    };
    thread::Builder::new().name("check".to_owned()).spawn(run).context("the system starts no thread")?;
    Ok(())
}

/// One address on this node.
struct Place {
    node: u16,
    shared: SharedAddress,
    place: AddressSettings,
    berth: Berth,
    /// What the other keepers say, where there is etcd.
    keepers: Option<Arc<Mirror>>,
    health: Arc<Mutex<Result<(), String>>>,
    told: Told,
    ended: Arc<AtomicBool>,
    guard: Option<Guarded>,
    /// Why the address's guard could not be started last time; empty: it could.
    refused: String,
}

impl Place {
    /// `arbiter`: none where keepalived decides.
    fn live(mut self, arbiter: Option<Arbiter>) {
        let (events, heard) = mpsc::channel();
        let (asks, asked) = mpsc::channel();
        if let Some(arbiter) = arbiter {
            let (books, answers) = (events.clone(), events);
            let other = arbiter.clone();
            thread::spawn(move || arbiter::read_on(&other, TURN, |book| books.send(Event::Book(book)).is_ok()));
            thread::spawn(move || {
                arbiter::write_on(&arbiter, &asked, |outcome| answers.send(Event::Answer(outcome)).is_ok())
            });
            self.keep(&heard, &asks);
        } else {
            while !self.ended.load(Ordering::Relaxed) {
                let works = self.works();
                let up = address::is_up(&self.place);
                self.tell(works, up, up);
                thread::sleep(TURN);
            }
        }
    }

    fn keep(&mut self, heard: &Receiver<Event>, asks: &Sender<Ask>) {
        let mut keeper = AddressKeeper::new(self.shared.core(self.node));
        let mut book = Book::default();
        let mut late: Option<Instant> = None;
        let mut read = (0, None);
        loop {
            match heard.recv_timeout(TURN) {
                Ok(Event::Book(told)) => {
                    book = told;
                    keeper.on_book(told);
                }
                Ok(Event::Answer(outcome)) => keeper.on_answer(now(), outcome),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            let ends = self.ended.load(Ordering::Relaxed);
            let works = if ends { Err("the keeper ends".to_owned()) } else { self.works() };
            let up = self.place.driver == Driver::Agent && address::is_up(&self.place);
            let version = self.keepers.as_ref().map_or(0, |keepers| keepers.version());
            if read.0 != version {
                read = (version, self.better());
            }
            let turn = keeper.turn(now(), works.is_ok(), up, read.1);
            let up = self.carry_out(&turn, up, book.epoch <= 1);
            self.tell(works, turn.up.is_some(), up);
            if let Some(ask) = turn.ask {
                // Without the thread that asks there is no answer, and the time runs out.
                let _ = asks.send(ask);
            }
            if ends {
                let late = *late.get_or_insert(now().plus_millis(END_MS));
                let free = !(book.held && book.holder == Some(NodeId(self.node)));
                if !up && (free || now() >= late) {
                    return;
                }
            }
        }
    }

    /// The service, and the interface that the address is to be on.
    fn works(&self) -> Result<(), String> {
        if !address::has_link(&self.place.interface) {
            return Err(format!("{} has no link", self.place.interface));
        }
        self.health.lock().expect("nobody panics with the health").clone()
    }

    fn better(&self) -> Option<(NodeId, u64)> {
        let copy = self.keepers.as_ref()?.copy();
        let keepers: Vec<KeeperStatus> = copy.values().filter_map(|text| serde_json::from_slice(text).ok()).collect();
        let (node, life) = better_place(&keepers, &self.shared.name, &self.shared.nodes, self.node)?;
        Some((NodeId(node), life.unsigned_abs()))
    }

    /// Puts the address up or takes it down. `first`: nobody of this cluster had it before. True: it is up afterwards.
    fn carry_out(&mut self, turn: &AddressTurn, is_up: bool, first: bool) -> bool {
        if self.place.driver != Driver::Agent {
            return false;
        }
        match turn.up {
            Some(until) => {
                let done = self.put_up(until, is_up, first);
                let why = done.as_ref().err().map_or_else(String::new, |error| format!("{error:#}"));
                if why != self.refused && !why.is_empty() {
                    tracing::error!(name = self.shared.name, ip = %self.place.ip, why, "the address cannot be guarded");
                }
                self.refused = why;
                done.unwrap_or(is_up)
            }
            None if is_up => self.put_down(),
            None => false,
        }
    }

    fn put_up(&mut self, until: Instant, is_up: bool, first: bool) -> Result<bool> {
        // First the guard: nothing is up that it would not take down.
        match self.guard.as_ref().filter(|guard| guard.is_alive()) {
            Some(guard) => guard.set_until(Some(until)),
            None => {
                let guard = Guarded::start(&[], Some(&self.place), None).context("cannot start the address's guard")?;
                guard.set_until(Some(until));
                self.guard = Some(guard);
            }
        }
        if is_up || !self.berth.put_up(first) {
            return Ok(is_up);
        }
        tracing::info!(name = self.shared.name, ip = %self.place.ip, "the address is here");
        Ok(true)
    }

    fn put_down(&mut self) -> bool {
        if !self.berth.put_down() {
            return true;
        }
        tracing::info!(name = self.shared.name, ip = %self.place.ip, "the address is here no more");
        if let Some(guard) = &self.guard {
            guard.set_until(None);
        }
        false
    }

    fn tell(&self, works: Result<(), String>, here: bool, up: bool) {
        let why = works.err().unwrap_or_default();
        let failed = if self.refused.is_empty() { self.berth.failed().to_owned() } else { self.refused.clone() };
        self.told.address(AddressStatus {
            name: self.shared.name.clone(),
            ip: self.shared.ip.to_string(),
            driver: self.shared.driver.word().to_owned(),
            here,
            up,
            works: why.is_empty(),
            why: if failed.is_empty() { why } else { failed },
            other: if up { self.berth.other() } else { String::new() },
            takeover_s: self.shared.takeover_s,
            ..AddressStatus::default()
        });
    }
}
