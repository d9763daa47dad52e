//! The keeper's life: look, decide, carry out.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use cluster::{Ask, Book, Keeper, Local, Outcome, Process, Replica, Role};
use live::Etcd;
use tokio::sync::watch;
use units::Instant;

use crate::address::{self, TOLD_TIMES};
use crate::agent::{Agent, Seen, Slot, Wanted};
use crate::arbiter::Arbiter;
use crate::clock::now;
use crate::copy;
use crate::order;
use crate::server::{Place, Server};
use crate::settings::{AddressSettings, Driver, Settings};
use crate::status::{Status, Teller};

/// Between two looks of the pure core, and two readings of the book.
const TURN: Duration = Duration::from_millis(100);
/// Between two statuses.
const TELL: Duration = Duration::from_millis(500);
/// The service that the arbiter keeps a book of.
pub const SERVICE: &str = "database";

/// What reaches the keeper from outside.
enum Event {
    Book(Book),
    Answer(Outcome),
    HandOver,
    End,
}

/// Runs until SIGTERM or Ctrl-C; the database dies with it.
pub fn run(settings: Settings) -> Result<()> {
    let settings = Arc::new(settings);
    let etcd = settings.etcd(settings.patience())?;
    let arbiter = Arbiter::new(etcd.clone(), SERVICE, settings.database.takeover_s);
    let address = settings.database.address.clone().filter(|address| address.driver == Driver::Agent);
    if let Some(address) = &address {
        address::down(address).with_context(|| format!("cannot take {} down", address.ip))?;
    }
    copy::serve(&settings)?;
    let (events, heard) = mpsc::channel();
    let (asks, asked) = mpsc::channel();
    let status = Arc::new(Mutex::new(Status { node: settings.node, ..Status::default() }));
    start_thread("book", read_book(arbiter.clone(), events.clone()))?;
    start_thread("asks", answer(arbiter, asked, events.clone()))?;
    start_thread("status", tell(etcd, settings.clone(), status.clone(), events.clone()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let slot = Slot::default();
    let (wanted, wants) = watch::channel(Wanted::default());
    let (sees, seen) = watch::channel(Seen::default());
    let (finds, found) = watch::channel(Replica::default());
    runtime.spawn(Agent::new(settings.clone(), slot.clone()).run(wants.clone(), found, sees));
    runtime.spawn(look_at_other(settings.clone(), wants, finds));
    runtime.spawn(until_ended(events));
    let hands = Hands { node: settings.node, slot, wanted, asks, address, address_up: false, status };
    reign(&settings, &heard, &seen, hands);
    Ok(())
}

fn start_thread(name: &str, run: impl FnOnce() + Send + 'static) -> Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(run).context("the system starts no thread")?;
    Ok(())
}

async fn until_ended(events: Sender<Event>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    // The keeper has ended already if nobody listens.
    let _ = events.send(Event::End);
}

fn read_book(arbiter: Arbiter, events: Sender<Event>) -> impl FnOnce() {
    move || {
        loop {
            if let Ok(read) = arbiter.read()
                && events.send(Event::Book(read.book)).is_err()
            {
                return;
            }
            thread::sleep(TURN);
        }
    }
}

fn answer(arbiter: Arbiter, asked: Receiver<Ask>, events: Sender<Event>) -> impl FnOnce() {
    move || {
        for ask in asked {
            if events.send(Event::Answer(arbiter.write(ask))).is_err() {
                return;
            }
        }
    }
}

fn tell(etcd: Arc<Etcd>, settings: Arc<Settings>, status: Arc<Mutex<Status>>, events: Sender<Event>) -> impl FnOnce() {
    move || {
        let mut teller = Teller::default();
        loop {
            let now = status.lock().expect("nobody panics with the status").clone();
            if let Err(error) = teller.tell(&etcd, &now) {
                tracing::debug!(error = error.to_string(), "nobody is told of this keeper");
            }
            // Who holds the database, and is not whom an operator named, gives it.
            let given = now.role == "primary" && order::taken(&etcd, settings.other().0);
            if given && events.send(Event::HandOver).is_err() {
                return;
            }
            thread::sleep(TELL);
        }
    }
}

/// Asks the other database how far it is, while this one is primary.
async fn look_at_other(settings: Arc<Settings>, wants: watch::Receiver<Wanted>, finds: watch::Sender<Replica>) {
    let other = settings.other();
    let database = &settings.database;
    let place = Place::Host(database.nodes[&other.0], database.port);
    let mut server: Option<Server> = None;
    loop {
        let leads = matches!(wants.borrow().role, Role::Primary { .. } | Role::Frozen { .. });
        if !leads {
            server = None;
            finds.send_replace(Replica::default());
        } else {
            if server.is_none() {
                server = Server::connect(&place, &database.password).await.ok();
            }
            let told = match &mut server {
                Some(server) => far(server, settings.node).await,
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

async fn far(server: &mut Server, primary: u16) -> Result<Replica> {
    let following = server.following().await?.unwrap_or_default();
    let attached = following.receives && following.server == u32::from(primary);
    if !attached {
        return Ok(Replica::default());
    }
    Ok(Replica { attached, stored: following.stored, applied: server.position().await? })
}

/// What the keeper acts with.
struct Hands {
    slot: Slot,
    node: u16,
    wanted: watch::Sender<Wanted>,
    asks: Sender<Ask>,
    address: Option<AddressSettings>,
    address_up: bool,
    status: Arc<Mutex<Status>>,
}

fn reign(settings: &Settings, heard: &Receiver<Event>, seen: &watch::Receiver<Seen>, mut hands: Hands) {
    let mut keeper = Keeper::new(settings.core());
    let mut ends = None;
    loop {
        match heard.recv_timeout(TURN) {
            Ok(Event::Book(book)) => keeper.on_book(now(), book),
            Ok(Event::Answer(outcome)) => keeper.on_answer(now(), outcome),
            Ok(Event::HandOver) => {
                tracing::info!("an operator wants the other database to be primary");
                keeper.hand_over();
            }
            Ok(Event::End) => {
                keeper.hand_over();
                // Time for handing over; then the other takes over when it is sure that this one is gone.
                ends = Some(now().plus_millis(settings.database.freeze_ms * 2));
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        let (local, fresh) = hands.known(*seen.borrow());
        let turn = keeper.turn(now(), &local);
        // How a database recovers depends on who is primary: none starts before that is known.
        let role = if keeper.book().is_some() { turn.role } else { Role::Stopped };
        hands.carry_out(role, turn.address, &local, fresh);
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
    /// being frozen or waiting.
    fn known(&self, seen: Seen) -> (Local, bool) {
        let fresh = seen.number == self.wanted.borrow().number;
        let Local { frozen, waits, .. } = seen.local;
        (Local { frozen: frozen && fresh, waits: waits && fresh, ..seen.local }, fresh)
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
        *self.status.lock().expect("nobody panics with the status") = Status {
            role: word(role).to_owned(),
            process: process(local.process).to_owned(),
            writable: local.writable,
            position: local.position,
            replica_stored: local.replica.stored,
            diverged: local.diverged,
            address: self.address_up,
            node: self.node,
        };
    }

    fn move_address(&mut self, up: bool) {
        let Some(address) = &self.address else { return };
        if up == self.address_up {
            return;
        }
        let done = if up { address::up(address) } else { address::down(address) };
        match done {
            Ok(_) => self.address_up = up,
            Err(error) => {
                tracing::error!(ip = %address.ip, up, error = error.to_string(), "the address cannot be moved")
            }
        }
        if up && self.address_up {
            tracing::info!(ip = %address.ip, "the address is here");
            let address = address.clone();
            thread::spawn(move || {
                for _ in 0..TOLD_TIMES {
                    if let Err(error) = address::tell(&address) {
                        tracing::warn!(error = error.to_string(), "the neighbours are not told of the address");
                    }
                    thread::sleep(TURN);
                }
            });
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
