//! The keeper's life: look, decide, carry out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use cluster::{Ask, Book, Keeper, Local, Outcome, Process, Replica, Role};
use live::{AddressStatus, DATABASE, Etcd};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use units::Instant;

use crate::address;
use crate::addresses;
use crate::agent::{Agent, Seen, Slot, Wanted};
use crate::arbiter::{self, Arbiter};
use crate::clock::now;
use crate::copy;
use crate::metrics;
use crate::server::{Place, Server};
use crate::settings::{AddressSettings, Driver, Pair, Settings};
use crate::status::{Teller, Told};
use crate::twins;
use crate::twins::settings::TwinsSettings;
use live::order;

/// Between two looks of the pure core, and two readings of the book.
const TURN: Duration = Duration::from_millis(100);
/// Between two statuses.
const TELL: Duration = Duration::from_millis(500);

/// What reaches the keeper from outside.
enum Event {
    Book(Book),
    Answer(Outcome),
    HandOver,
    Insist,
    End,
}

/// Runs until SIGTERM or Ctrl-C; the database dies with it, and the addresses go down.
pub fn run(settings: Settings) -> Result<()> {
    let etcd = settings.etcd_if_any()?;
    addresses::take_down(&settings)?;
    let told = Told::new(settings.node);
    let (events, heard) = mpsc::channel();
    let ended = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let pair = settings.pair().map(Arc::new);
    told.database(|status| status.takeover_s = pair.as_ref().map_or(0, |pair| pair.database.takeover_s));
    if let Some(at) = settings.metrics {
        let told = told.clone();
        metrics::start(at, move || told.metrics())?;
    }
    runtime.spawn(until_ended(ended.clone(), events.clone()));
    if let Some(etcd) = &etcd {
        start_thread("status", tell(etcd.clone(), pair.clone(), told.clone(), events.clone()))?;
    }
    let addresses = addresses::start(&settings, etcd.as_ref(), &told, &ended)?;
    let judge = match (settings.twins, etcd) {
        (Some(twins), _) => Some(Judge::Twins(twins)),
        (None, etcd) => etcd.map(Judge::Etcd),
    };
    match pair.zip(judge) {
        Some((pair, judge)) => keep_database(&pair, judge, told, (events, heard), &runtime)?,
        // Nothing is sent but the end.
        None => drop(heard.recv()),
    }
    for address in addresses {
        // One that panicked has left its address to the guard.
        let _ = address.join();
    }
    Ok(())
}

/// Who decides about the database.
enum Judge {
    Etcd(Arc<Etcd>),
    Twins(TwinsSettings),
}

fn keep_database(
    pair: &Arc<Pair>,
    judge: Judge,
    told: Told,
    (events, heard): (Sender<Event>, Receiver<Event>),
    runtime: &Runtime,
) -> Result<()> {
    let address = pair.database.address.clone();
    if let Some(address) = address.as_ref().filter(|address| address.driver == Driver::Agent) {
        address::down(address).with_context(|| format!("cannot take {} down", address.ip))?;
    }
    copy::serve(pair)?;
    let (asks, asked) = mpsc::channel();
    let twins = start_judge(judge, pair, asked, &told, events)?;
    let slot = Slot::default();
    let (wanted, wants) = watch::channel(Wanted::default());
    let (sees, seen) = watch::channel(Seen::default());
    let (finds, found) = watch::channel(Replica::default());
    runtime.spawn(Agent::new(pair.clone(), slot.clone(), told.counts.clone()).run(wants.clone(), found, sees));
    runtime.spawn(look_at_other(pair.clone(), wants, finds));
    let hands = Hands { slot, wanted, asks, address, address_up: false, told };
    reign(pair, &heard, &seen, hands);
    if let Some(twins) = twins {
        // The other is told that this one goes.
        let _ = twins.join();
    }
    Ok(())
}

/// Begins to ask whoever decides. A thread that is given back ends by itself when nobody asks any more.
fn start_judge(
    judge: Judge,
    pair: &Pair,
    asked: Receiver<Ask>,
    told: &Told,
    events: Sender<Event>,
) -> Result<Option<JoinHandle<()>>> {
    match judge {
        Judge::Etcd(etcd) => {
            let arbiter = Arbiter::new(etcd, DATABASE, pair.database.takeover_s);
            let (book, books) = (arbiter.clone(), events.clone());
            start_thread("book", move || {
                arbiter::read_on(&book, TURN, |book| books.send(Event::Book(book)).is_ok());
            })?;
            start_thread("asks", move || {
                arbiter::write_on(&arbiter, &asked, |outcome| events.send(Event::Answer(outcome)).is_ok());
            })?;
            Ok(None)
        }
        Judge::Twins(settings) => {
            let nodes = pair.twins(settings.fence.is_some());
            let told = told.clone();
            let tell = move |said| {
                // The keeper has ended already if nobody listens.
                let _ = events.send(match said {
                    twins::Told::Book(book) => Event::Book(book),
                    twins::Told::Answer(outcome) => Event::Answer(outcome),
                    twins::Told::HandOver => Event::HandOver,
                    twins::Told::Insist => Event::Insist,
                });
            };
            twins::start(settings, nodes, asked, move || told.now(), tell).map(Some)
        }
    }
}

fn start_thread(name: &str, run: impl FnOnce() + Send + 'static) -> Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(run).context("the system starts no thread")?;
    Ok(())
}

async fn until_ended(ended: Arc<AtomicBool>, events: Sender<Event>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    ended.store(true, Ordering::Relaxed);
    // The database's keeper has ended already if nobody listens.
    let _ = events.send(Event::End);
}

fn tell(etcd: Arc<Etcd>, pair: Option<Arc<Pair>>, told: Told, events: Sender<Event>) -> impl FnOnce() {
    move || {
        let mut teller = Teller::default();
        loop {
            let now = told.now();
            if let Err(error) = teller.tell(&etcd, &now) {
                tracing::debug!(error = error.to_string(), "nobody is told of this keeper");
            }
            // Who holds the database, and is not whom an operator named, gives it.
            let order = pair.as_ref().and_then(|pair| match now.role.as_str() {
                "primary" => order::taken(&etcd, pair.other().0).then_some(Event::HandOver),
                _ => order::insisted(&etcd, pair.node).then_some(Event::Insist),
            });
            if order.is_some_and(|order| events.send(order).is_err()) {
                return;
            }
            thread::sleep(TELL);
        }
    }
}

/// Asks the other database how far it is, while this one is primary.
async fn look_at_other(pair: Arc<Pair>, wants: watch::Receiver<Wanted>, finds: watch::Sender<Replica>) {
    let other = pair.other();
    let database = &pair.database;
    let place = Place::Host(database.nodes[&other.0], database.port);
    let mut server: Option<(Server, u64)> = None;
    loop {
        let leads = matches!(wants.borrow().role, Role::Primary { .. } | Role::Frozen { .. });
        if !leads {
            server = None;
            finds.send_replace(Replica::default());
        } else {
            if server.is_none() {
                server = reach(&place, &database.password).await.ok();
            }
            let told = match &mut server {
                Some((server, life)) => far(server, *life, pair.node).await,
                None => Err(anyhow::anyhow!("it is not reached")),
            };
            if told.is_err() {
                server = None;
            }
            finds.send_replace(told.unwrap_or_default());
        }
        tokio::time::sleep(TURN / 2).await;
    }
}

/// One connection is one life of the server.
async fn reach(place: &Place, password: &str) -> Result<(Server, u64)> {
    let mut server = Server::connect(place, password).await?;
    let life = server.life().await?;
    Ok((server, life))
}

async fn far(server: &mut Server, life: u64, primary: u16) -> Result<Replica> {
    let following = server.following().await?.unwrap_or_default();
    let attached = following.receives && following.server == u32::from(primary);
    if !attached {
        return Ok(Replica::default());
    }
    Ok(Replica { attached, life, stored: following.stored, applied: server.position().await? })
}

/// What the keeper acts with.
struct Hands {
    slot: Slot,
    wanted: watch::Sender<Wanted>,
    asks: Sender<Ask>,
    address: Option<AddressSettings>,
    address_up: bool,
    told: Told,
}

fn reign(pair: &Pair, heard: &Receiver<Event>, seen: &watch::Receiver<Seen>, mut hands: Hands) {
    let mut keeper = Keeper::new(pair.core());
    let mut ends = None;
    loop {
        match heard.recv_timeout(TURN) {
            Ok(Event::Book(book)) => keeper.on_book(now(), book),
            Ok(Event::Answer(outcome)) => {
                hands.told.counts.asked(&outcome);
                keeper.on_answer(now(), outcome);
            }
            Ok(Event::HandOver) => {
                tracing::info!("an operator wants the other database to be primary");
                keeper.hand_over();
            }
            Ok(Event::Insist) => {
                tracing::warn!("an operator insists that this database becomes primary, whatever it lacks");
                keeper.insist();
            }
            Ok(Event::End) => {
                keeper.hand_over();
                // Time for handing over; then the other takes over when it is sure that this one is gone.
                ends = Some(now().plus_millis(pair.database.freeze_ms * 2));
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        let seen = *seen.borrow();
        let (local, fresh) = hands.known(seen);
        let turn = keeper.turn(now(), &local);
        // How a database recovers depends on who is primary: none starts before that is known.
        let role = if keeper.book().is_some() { turn.role } else { Role::Stopped };
        hands.carry_out(role, turn.address, &local, fresh);
        hands.tell(role, turn.address, &local, seen.behind_s);
        hands.told.book(keeper.book());
        if let Some(ask) = turn.ask {
            // Without the thread that asks there is no answer: the guard ends the reign.
            let _ = hands.asks.send(ask);
        }
        let leads = matches!(turn.role, Role::Primary { .. } | Role::Frozen { .. });
        if ends.is_some_and(|late| !leads || now() >= late) {
            hands.carry_out(Role::Stopped, false, &local, fresh);
            return;
        }
    }
}

impl Hands {
    /// What the database says, and whether it said so since it was last told to be something else. Before that nobody may count on it
    /// being frozen, waiting, or receiving no more.
    fn known(&self, seen: Seen) -> (Local, bool) {
        let fresh = seen.number == self.wanted.borrow().number;
        let Local { frozen, waits, drained, .. } = seen.local;
        let local = Local { frozen: frozen && fresh, waits: waits && fresh, drained: drained && fresh, ..seen.local };
        (local, fresh)
    }

    fn carry_out(&mut self, role: Role, address: bool, local: &Local, fresh: bool) {
        if !address {
            self.move_address(false);
        }
        if let Some(guard) = self.slot.alive() {
            match role {
                Role::Stopped => guard.kill(),
                // First the guard, then the agent: nothing is promoted that the guard would not kill.
                Role::Primary { until, .. } | Role::Frozen { until, .. } => guard.set_until(Some(until)),
                Role::Standby | Role::Replica(_) | Role::Clone(_) if fresh && !local.writable => guard.set_until(None),
                Role::Standby | Role::Replica(_) | Role::Clone(_) => {}
            }
        }
        self.wanted.send_if_modified(|wanted| {
            let changed = timeless(wanted.role) != timeless(role);
            *wanted = Wanted { role, number: wanted.number + u64::from(changed) };
            if changed {
                tracing::info!(?role, "the database must be");
            }
            changed
        });
        if address {
            self.move_address(true);
        }
    }

    fn tell(&self, role: Role, here: bool, local: &Local, behind_s: Option<u32>) {
        self.told.database(|status| {
            status.role = word(role).to_owned();
            status.process = process(local.process).to_owned();
            (status.writable, status.position, status.diverged) = (local.writable, local.position, local.diverged);
            (status.replica_stored, status.behind_s) = (local.replica.stored, behind_s);
        });
        let Some(address) = &self.address else { return };
        self.told.address(AddressStatus {
            name: DATABASE.to_owned(),
            ip: address.ip.to_string(),
            driver: address.driver.word().to_owned(),
            here,
            up: self.address_up,
            works: local.process == Process::Running,
            ..AddressStatus::default()
        });
    }

    fn move_address(&mut self, up: bool) {
        let moved = self.address.as_ref().filter(|address| address.driver == Driver::Agent);
        let Some(address) = moved.filter(|_| up != self.address_up) else { return };
        let done = if up { address::up(address) } else { address::down(address) };
        match done {
            Ok(_) => self.address_up = up,
            Err(error) => {
                tracing::error!(ip = %address.ip, up, error = error.to_string(), "the address cannot be moved")
            }
        }
        if up && self.address_up {
            tracing::info!(ip = %address.ip, "the address is here");
            address::announce(address);
        }
    }
}

/// The role without its deadline.
fn timeless(role: Role) -> Role {
    let until = Instant::default();
    match role {
        Role::Primary { wait, .. } => Role::Primary { wait, until },
        Role::Frozen { wait, .. } => Role::Frozen { wait, until },
        Role::Stopped | Role::Standby | Role::Replica(_) | Role::Clone(_) => role,
    }
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Stopped => "stopped",
        Role::Standby => "standby",
        Role::Replica(_) => "replica",
        Role::Clone(_) => "clone",
        Role::Primary { .. } => "primary",
        Role::Frozen { .. } => "frozen",
    }
}

fn process(process: Process) -> &'static str {
    match process {
        Process::Dead => "dead",
        Process::Running => "running",
        Process::Silent => "silent",
    }
}
