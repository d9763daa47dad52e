//! The keeper's life: look, decide, carry out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cluster::{Ask, Book, Keeper, Outcome, Replica, Role};
use live::{DATABASE, Etcd, Lease, LiveError};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::address;
use crate::addresses;
use crate::agent::{Agent, HASTE, Seen, Slot, Wanted};
use crate::arbiter::{self, Arbiter};
use crate::clock::now;
use crate::copy;
use crate::doubt::Doubt;
use crate::hands::Hands;
use crate::metrics;
use crate::neighbours::Berth;
use crate::panel;
use crate::remote;
use crate::server::{Place, Server};
use crate::settings::{Driver, Pair, Settings};
use crate::status::{Teller, Told, take_number};
use crate::twins;
use crate::twins::settings::TwinsSettings;
use live::order;

/// Between two looks of the pure core at least, and two readings of the book.
const TURN: Duration = Duration::from_millis(100);
/// Between two statuses.
const TELL: Duration = Duration::from_millis(500);

/// What reaches the keeper from outside.
enum Event {
    Book(Book),
    Answer(Outcome),
    Seen,
    HandOver,
    Insist,
    End,
}

/// Runs until SIGTERM or Ctrl-C; the database dies with it, and the addresses go down.
pub fn run(settings: Settings) -> Result<()> {
    let etcd = settings.etcd_if_any()?;
    if let Some(Err(LiveError::Refused(why))) = etcd.as_ref().map(|etcd| etcd.agree()) {
        bail!("etcd cannot be used by this keeper: {why}");
    }
    addresses::take_down(&settings)?;
    let number = etcd.as_ref().map(|etcd| take_number(etcd, settings.node)).transpose()?.flatten();
    let told = Told::new(settings.node);
    let (events, heard) = mpsc::channel();
    let ended = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (pair, alone) = match (settings.pair().map(Arc::new), &settings.remote) {
        (pair, None) => (pair, None),
        (pair, Some(remote)) => (None, pair.zip(Some(remote.folder.clone()))),
    };
    told.database(|status| status.takeover_s = pair.as_ref().map_or(0, |pair| pair.database.takeover_s));
    if let Some(at) = settings.metrics {
        let (told, folder) = (told.clone(), settings.twins.as_ref().map(|twins| twins.folder.clone()));
        metrics::start(at, move || {
            let pair = folder.as_ref().and_then(|folder| twins::disk::reported(folder).ok());
            told.metrics(pair.as_ref())
        })?;
    }
    runtime.spawn(until_ended(ended.clone(), events.clone()));
    if let Some(etcd) = &etcd {
        start_thread("status", tell((etcd.clone(), number), pair.clone(), told.clone(), events.clone()))?;
    }
    let addresses = addresses::start(&settings, etcd.as_ref(), &told, &ended)?;
    if let Some((panel, twins)) = settings.panel.as_ref().zip(settings.twins.as_ref())
        && let Err(error) = panel::start(panel, twins.folder.clone())
    {
        tracing::warn!(error = format!("{error:#}"), "the control plane of this node cannot ask its keeper");
    }
    let judge = match (settings.twins, etcd) {
        (Some(twins), _) => Some(Judge::Twins(twins)),
        (None, etcd) => etcd.map(Judge::Etcd),
    };
    match (pair.zip(judge), alone) {
        (Some((pair, judge)), _) => keep_database(&pair, judge, told, (events, heard), &runtime)?,
        (None, Some((pair, folder))) => remote::keep(&pair, &folder, told, &ended, &runtime)?,
        // Nothing is sent but the end.
        (None, None) => drop(heard.recv()),
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
    remote::disk::forget(&pair.database.data);
    let address = pair.database.address.clone();
    if let Some(address) = address.as_ref().filter(|address| address.driver == Driver::Agent) {
        address::down(address).with_context(|| format!("cannot take {} down", address.ip))?;
    }
    copy::serve(pair)?;
    let (asks, asked) = mpsc::channel();
    let doubt = Doubt::new(matches!(judge, Judge::Etcd(_)));
    let twins = start_judge(judge, pair, asked, &told, events.clone())?;
    let slot = Slot::default();
    let (wanted, wants) = watch::channel(Wanted::default());
    let (sees, seen) = watch::channel(Seen::default());
    let (finds, found) = watch::channel(Replica::default());
    runtime.spawn(Agent::new(pair.clone(), slot.clone(), told.clone()).run(wants.clone(), found, sees));
    runtime.spawn(look_at_other(pair.clone(), wants, finds));
    runtime.spawn(tell_seen(seen.clone(), events));
    let hands =
        Hands { slot, wanted, berth: address.map(Berth::new), address_up: false, founds: false, told, remote: false };
    reign(pair, doubt, &heard, &seen, &asks, hands);
    // Whoever writes into the book ends when nobody asks any more.
    drop(asks);
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

fn tell(
    (etcd, number): (Arc<Etcd>, Option<Lease>),
    pair: Option<Arc<Pair>>,
    told: Told,
    events: Sender<Event>,
) -> impl FnOnce() {
    move || {
        let mut teller = Teller::with(number);
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

/// What the database says is looked at when it says it: a handover is several answers, one after the other, and nobody writes meanwhile.
async fn tell_seen(mut seen: watch::Receiver<Seen>, events: Sender<Event>) {
    while seen.changed().await.is_ok() && events.send(Event::Seen).is_ok() {}
}

/// Asks the other database how far it is, while this one is primary.
async fn look_at_other(pair: Arc<Pair>, mut wants: watch::Receiver<Wanted>, finds: watch::Sender<Replica>) {
    let other = pair.other();
    let database = &pair.database;
    let place = Place::Host(database.nodes[&other.0], database.port);
    let mut server: Option<(Server, u64)> = None;
    loop {
        let role = wants.borrow_and_update().role;
        let leads = matches!(role, Role::Primary { .. } | Role::Frozen { .. });
        if !leads {
            server = None;
            finds.send_replace(Replica::default());
        } else {
            let mut gone = false;
            if server.is_none() {
                let reached = reach(&place, &database.password).await;
                gone = reached.as_ref().is_err_and(is_refused);
                server = reached.ok();
            }
            let told = match &mut server {
                Some((server, life)) => far(server, *life, pair.node).await,
                None => Ok(Replica { gone, ..Replica::default() }),
            };
            if told.is_err() {
                server = None;
            }
            finds.send_replace(told.unwrap_or_default());
        }
        let pause = if matches!(role, Role::Frozen { .. }) { HASTE } else { TURN / 2 };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            changed = wants.changed() => if changed.is_err() { return },
        }
    }
}

/// One connection is one life of the server.
async fn reach(place: &Place, password: &str) -> Result<(Server, u64)> {
    let mut server = Server::connect(place, password).await?;
    let life = server.life().await?;
    Ok((server, life))
}

/// The host is there, and nobody listens: a server that runs listens until it dies.
fn is_refused(error: &anyhow::Error) -> bool {
    let refused = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionRefused;
    matches!(error.downcast_ref(), Some(sqlx::Error::Io(error)) if refused(error))
}

async fn far(server: &mut Server, life: u64, primary: u16) -> Result<Replica> {
    let following = server.following().await?.unwrap_or_default();
    let attached = following.receives && following.server == u32::from(primary);
    if !attached {
        return Ok(Replica::default());
    }
    Ok(Replica { attached, gone: false, life, stored: following.stored, applied: server.position().await? })
}

fn reign(
    pair: &Pair,
    mut doubt: Doubt,
    heard: &Receiver<Event>,
    seen: &watch::Receiver<Seen>,
    asks: &Sender<Ask>,
    mut hands: Hands,
) {
    let mut keeper = Keeper::new(pair.core());
    let mut ends = None;
    loop {
        match heard.recv_timeout(TURN) {
            Ok(Event::Book(book)) => {
                doubt.read(keeper.book(), book);
                keeper.on_book(now(), book);
            }
            Ok(Event::Answer(outcome)) => {
                hands.told.counts.asked(&outcome);
                keeper.on_answer(now(), outcome);
            }
            Ok(Event::Seen) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
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
        }
        let seen = *seen.borrow();
        let (local, fresh) = hands.known(seen);
        let turn = keeper.turn(now(), &local);
        // How a database recovers depends on who is primary: none starts before that is known.
        let role = if keeper.book().is_some() { turn.role } else { Role::Stopped };
        hands.founds = keeper.book().is_some_and(|book| book.epoch <= 1);
        hands.carry_out(role, turn.address, &local, fresh);
        hands.tell(role, turn.address, &local, seen.behind_s);
        hands.told.book(keeper.book());
        hands.told.doubt(doubt.told(keeper.book(), pair.node == pair.database.home, &local));
        if let Some(ask) = turn.ask {
            // Without the thread that asks there is no answer: the guard ends the reign.
            let _ = asks.send(ask);
        }
        let leads = matches!(turn.role, Role::Primary { .. } | Role::Frozen { .. });
        if ends.is_some_and(|late| !leads || now() >= late) {
            hands.carry_out(Role::Stopped, false, &local, fresh);
            return;
        }
    }
}
