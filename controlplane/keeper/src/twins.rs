//! The arbiter of two servers without a third, carried out: the pure core's [`Pair`] with a page on the disk, beats over several paths,
//! tie-breakers and a fence command.

pub mod disk;
pub mod settings;
pub mod swap;
pub mod ties;
pub mod wire;

use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cluster::{Ask, Beat, Book, Outcome, Page, Pair, PairReport, PairSettings, PairTurn, PathReport};
use live::KeeperStatus;
use serde::{Deserialize, Serialize};
use units::{Instant, NodeId};

use crate::clock::now;
use disk::{Order, Wish};
use settings::TwinsSettings;
use ties::Asked;

/// Between two looks at an order, and two reports.
const REPORT_MS: u64 = 500;
/// A path that cannot be opened, or brings errors, is tried again after so long.
const AGAIN: Duration = Duration::from_millis(200);
/// How long a keeper that ends tells the other that it goes.
const LEAVE_MS: u64 = 400;

/// What reaches the arbiter.
#[derive(Debug)]
pub enum Event {
    /// The keeper asks.
    Ask(Ask),
    /// A datagram came on this path.
    Came(usize, Vec<u8>),
    /// The fence command ended.
    Fenced(u64, bool),
    /// The keeper ended: the database is dead.
    End,
}

/// What the arbiter tells the keeper.
#[derive(Debug)]
pub enum Told {
    /// The book.
    Book(Book),
    /// What became of the ask.
    Answer(Outcome),
    /// An operator wants the other database to be primary.
    HandOver,
    /// An operator insists that this database becomes primary, whatever it lacks.
    Insist,
}

/// What keepers tell each other beside beats.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Said {
    status: KeeperStatus,
    order: Option<Order>,
}

/// A way to the other server.
#[derive(Debug)]
struct Way {
    here: SocketAddr,
    there: SocketAddr,
    socket: Arc<Mutex<Option<Arc<UdpSocket>>>>,
    heard: Option<Instant>,
}

/// One server's half.
#[derive(Debug)]
pub struct Twins<Status, Tell> {
    settings: TwinsSettings,
    nodes: PairSettings,
    pair: Pair,
    ways: Vec<Way>,
    ties: Vec<Asked>,
    events: Sender<Event>,
    /// What this keeper says of itself.
    status: Status,
    tell: Tell,
    other: Said,
    order: Option<Order>,
    /// The last order that was done.
    done: Option<u64>,
    book: Option<Book>,
    fence: String,
    reported: Option<Instant>,
    ended: Arc<AtomicBool>,
}

/// Begins to decide, in a thread of its own that ends some time after nobody asks any more. A server that cannot keep its page ends the
/// program: the guard kills the database.
pub fn start(
    settings: TwinsSettings,
    nodes: PairSettings,
    asked: Receiver<Ask>,
    status: impl Fn() -> KeeperStatus + Send + 'static,
    tell: impl Fn(Told) + Send + 'static,
) -> Result<JoinHandle<()>> {
    let (events, heard) = mpsc::channel();
    let asks = events.clone();
    thread::Builder::new().name("asks".to_owned()).spawn(move || {
        let open = asked.into_iter().all(|ask| asks.send(Event::Ask(ask)).is_ok());
        if open {
            let _ = asks.send(Event::End);
        }
    })?;
    let mut twins = Twins::start(settings, nodes, events, status, tell)?;
    let run = move || {
        if let Err(error) = twins.run(&heard) {
            tracing::error!(error = format!("{error:#}"), "the keeper ends at once");
            std::process::exit(1);
        }
    };
    Ok(thread::Builder::new().name("arbiter".to_owned()).spawn(run)?)
}

impl<Status: Fn() -> KeeperStatus, Tell: Fn(Told)> Twins<Status, Tell> {
    /// Reads the page and begins to listen and to ask. `events` must be the sending side of what [`Twins::run`] is given.
    pub fn start(
        settings: TwinsSettings,
        nodes: PairSettings,
        events: Sender<Event>,
        status: Status,
        tell: Tell,
    ) -> Result<Twins<Status, Tell>> {
        std::fs::create_dir_all(&settings.folder)?;
        let page = disk::page(&settings.folder)?.unwrap_or_else(|| Page::joining(nodes.other));
        let ended = Arc::new(AtomicBool::new(false));
        let pause = Duration::from_millis(nodes.takeover_ms / 20);
        let ties = settings.ties()?.into_iter().map(|tie| Asked::start(tie, pause, ended.clone()));
        let ties = ties.collect::<std::io::Result<Vec<_>>>()?;
        let ways: Vec<Way> = settings.paths.iter().map(|path| Way::new(path, &nodes, settings.port)).collect();
        for (number, way) in ways.iter().enumerate() {
            way.listen(number, events.clone(), ended.clone())?;
        }
        let pair = Pair::new(nodes, page, [rand::random(), rand::random()], now());
        Ok(Twins {
            settings,
            nodes,
            pair,
            ways,
            ties,
            events,
            status,
            tell,
            other: Said::default(),
            order: None,
            done: None,
            book: None,
            fence: String::new(),
            reported: None,
            ended,
        })
    }

    /// Until the keeper ended and the other knows it. An error: the page cannot be kept, and nobody may count on this server.
    pub fn run(&mut self, heard: &Receiver<Event>) -> Result<()> {
        let look = Duration::from_millis(self.nodes.beat_ms().min(50));
        let mut leaves = None;
        while leaves.is_none_or(|at: Instant| now() < at) {
            match heard.recv_timeout(look) {
                Ok(Event::Ask(ask)) => self.pair.on_ask(now(), ask),
                Ok(Event::Came(path, bytes)) => self.hear(path, &bytes),
                Ok(Event::Fenced(number, off)) => {
                    tracing::warn!(off, "the fence command ended");
                    self.fence = if off { "the other server is off" } else { "it failed" }.to_owned();
                    self.pair.on_fenced(now(), number, off);
                }
                Ok(Event::End) => {
                    self.pair.on_leave();
                    leaves = Some(now().plus_millis(LEAVE_MS));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => bail!("nobody is left who asks"),
            }
            let tied = self.tied();
            let turn = self.pair.turn(now(), tied);
            self.carry_out(turn)?;
            if self.reported.is_none_or(|at| now().millis_since(at) >= REPORT_MS) {
                self.reported = Some(now());
                self.obey();
                disk::report(&self.settings.folder, &self.report())?;
            }
        }
        self.ended.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn hear(&mut self, path: usize, bytes: &[u8]) {
        let Some((beat, said)) = wire::open(&self.settings.secret, self.nodes.other, bytes) else { return };
        if !self.pair.on_beat(now(), &beat) {
            return;
        }
        self.ways[path].heard = Some(now());
        if let Ok(said) = serde_json::from_slice::<Said>(said) {
            if let Some(order) = said.order {
                self.hand_over(order);
            }
            self.other = said;
        }
    }

    /// A tie-breaker answered a moment ago.
    fn tied(&self) -> bool {
        let fresh = |at: Instant| now().millis_since(at) < self.nodes.patience_ms();
        self.ties.is_empty() || self.ties.iter().any(|tie| tie.answered().is_some_and(fresh))
    }

    fn carry_out(&mut self, turn: PairTurn) -> Result<()> {
        if let Some(page) = turn.keep {
            disk::keep(&self.settings.folder, page).context("the arbiter's page cannot be kept")?;
            // Whoever asks next must not hear who was primary before.
            self.reported = None;
        }
        if let Some(outcome) = turn.outcome {
            (self.tell)(Told::Answer(outcome));
        }
        if let Some(book) = turn.book.filter(|book| self.book != Some(*book)) {
            (self.book, self.reported) = (Some(book), None);
            (self.tell)(Told::Book(book));
        }
        if let Some(beat) = turn.beat {
            self.send(&beat);
        }
        match turn.fence {
            Some(number) => self.fence(number),
            None => Ok(()),
        }
    }

    fn send(&self, beat: &Beat) {
        let mut said = Said { status: (self.status)(), order: self.order };
        let mut text = serde_json::to_vec(&said).expect("a status is plain data");
        while text.len() > wire::TOLD_MAX && said.status.addresses.pop().is_some() {
            text = serde_json::to_vec(&said).expect("a status is plain data");
        }
        let bytes = wire::seal(&self.settings.secret, self.nodes.me, beat, &text);
        for way in &self.ways {
            let socket = way.socket.lock().expect("nobody panics with a socket").clone();
            if let Some(socket) = socket {
                // What a path does not take goes on the others.
                let _ = socket.send(&bytes);
            }
        }
    }

    /// Runs the fence command in a thread of its own; its end is an event.
    fn fence(&mut self, number: u64) -> Result<()> {
        let Some(fence) = self.settings.fence.clone() else { return Ok(()) };
        tracing::warn!(command = fence.command.join(" "), "the other server is lost: it is turned off");
        self.fence = "it runs".to_owned();
        let (events, other) = (self.events.clone(), self.nodes.other);
        let run = move || {
            let off = turn_off(&fence.command, other, Duration::from_secs(fence.seconds));
            // Nobody listens any more when the keeper ends.
            let _ = events.send(Event::Fenced(number, off));
        };
        thread::Builder::new().name("fence".to_owned()).spawn(run)?;
        Ok(())
    }

    /// Looks what operators want.
    fn obey(&mut self) {
        self.order = disk::ordered(&self.settings.folder);
        let Some(order) = self.order.filter(|order| self.done != Some(order.number)) else { return };
        match order.wish {
            Wish::Primary(_) => self.hand_over(order),
            Wish::Insist => {
                self.done = Some(order.number);
                disk::take_back(&self.settings.folder);
                (self.tell)(Told::Insist);
            }
            Wish::Alone => {
                self.done = Some(order.number);
                disk::take_back(&self.settings.folder);
                if self.pair.on_oath(now()) {
                    tracing::warn!("an operator says that the other server is off: this one goes on alone");
                } else {
                    tracing::warn!("an operator says that the other server is off, and it is not: nothing is done");
                }
            }
        }
    }

    /// Whoever is primary, and is not whom an operator named, hands over: once for each order.
    fn hand_over(&mut self, order: Order) {
        let leads = (self.status)().role == "primary";
        if leads && order.wish == Wish::Primary(self.nodes.other.0) && self.done != Some(order.number) {
            self.done = Some(order.number);
            (self.tell)(Told::HandOver);
        }
    }

    fn report(&self) -> PairReport {
        let ago = |at: Instant| now().millis_since(at);
        let mut keepers = vec![(self.status)()];
        if !self.pair.is_lost(now()) {
            keepers.push(self.other.status.clone());
        }
        let path = |there: String, heard: Option<Instant>| PathReport { there, heard_ms: heard.map(ago) };
        PairReport {
            at_ms: disk::wall_ms(),
            page: self.pair.page().into(),
            held: self.book.is_some_and(|book| book.held),
            lost: self.pair.is_lost(now()),
            split: self.pair.is_split(),
            paths: self.ways.iter().map(|way| path(way.there.ip().to_string(), way.heard)).collect(),
            tie_breakers: self.ties.iter().map(|tie| path(tie.name(), tie.answered())).collect(),
            silent_ms: self.nodes.lost_ms(),
            fences: self.nodes.fence,
            fence: self.fence.clone(),
            keepers,
        }
    }
}

impl Way {
    fn new(path: &std::collections::BTreeMap<u16, std::net::IpAddr>, nodes: &PairSettings, port: u16) -> Way {
        let at = |node: NodeId| SocketAddr::new(path[&node.0], port);
        Way { here: at(nodes.me), there: at(nodes.other), socket: Arc::default(), heard: None }
    }

    /// Takes what comes from the other's address, in a thread of its own. An address that is not there yet is waited for.
    fn listen(&self, number: usize, events: Sender<Event>, ended: Arc<AtomicBool>) -> Result<()> {
        let (here, there, place) = (self.here, self.there, self.socket.clone());
        let open = move || -> std::io::Result<Arc<UdpSocket>> {
            let socket = UdpSocket::bind(here)?;
            socket.connect(there)?;
            socket.set_read_timeout(Some(AGAIN))?;
            Ok(Arc::new(socket))
        };
        let listen = move || {
            let mut bytes = [0; wire::DATAGRAM_MAX];
            let mut said = false;
            while !ended.load(Ordering::Relaxed) {
                let known = place.lock().expect("nobody panics with a socket").clone();
                let Some(socket) = known else {
                    match open() {
                        Ok(socket) => *place.lock().expect("nobody panics with a socket") = Some(socket),
                        Err(error) => {
                            if !said {
                                tracing::warn!(%here, error = error.to_string(), "a path cannot be used");
                            }
                            said = true;
                            thread::sleep(AGAIN);
                        }
                    }
                    continue;
                };
                match socket.recv(&mut bytes) {
                    Ok(length) => {
                        if events.send(Event::Came(number, bytes[..length].to_vec())).is_err() {
                            return;
                        }
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    // Such as "refused": the other's keeper is not there.
                    Err(_) => thread::sleep(AGAIN / 10),
                }
            }
        };
        thread::Builder::new().name(format!("path {number}")).spawn(listen)?;
        Ok(())
    }
}

/// Runs a fence command. True: it ended in time and says that the other is certainly off.
pub fn turn_off(command: &[String], other: NodeId, patience: Duration) -> bool {
    let Some((program, arguments)) = command.split_first() else { return false };
    let started = Command::new(program).args(arguments).arg(other.to_string()).stdin(Stdio::null()).spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            tracing::error!(program, error = error.to_string(), "the fence command cannot be run");
            return false;
        }
    };
    let late = now().plus_millis(patience.as_millis() as u64);
    while now() < late {
        match child.try_wait() {
            Ok(Some(ended)) => return ended.success(),
            Ok(None) => thread::sleep(Duration::from_millis(10)),
            Err(_) => break,
        }
    }
    // It may have ended just now: it is late all the same.
    let _ = child.kill();
    let _ = child.wait();
    false
}
