//! The control socket: who connects may ask; the shards answer; the ledger's wants wait until they are answered.

mod connection;
mod meanings;
mod names;
mod question;

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use panel::wire::{Answer, Ask, Certificate, CertificateKey, Frame, JOURNAL_FULL_PERCENT, MediaSocketsFigures};
use rtrb::Producer;
use shard::Loaded;
use shard::registrar::Change;
use shard::wants::Wants;
use snapshot::policy::Captured;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use units::CallId;
use uring::Doorbell;

use crate::clocks;
use crate::fast::Standing;
use crate::listen::Listen;
use crate::mail::{Order, Part, Report};
use crate::resolve::Found;
use crate::shared::Shared;
use crate::snapshots::Shelf;
use crate::spool::Figures as SpoolFigures;
use crate::tape::Figures as TapeFigures;
use crate::tls::Keys;
use crate::together::{Heard as Said, Together};
use connection::{Arrival, Heard};
pub use names::Names;
use question::{Kind, Question};

/// Connections at most.
const CONNECTIONS_MAX: usize = 64;
/// The number of no connection: this thread asks for itself.
const NOBODY: u64 = u64::MAX;
/// Asks for the TLS files to be read again (signal(7)).
const SIGHUP: i32 = 1;
/// How often wants are repeated, disks looked at and lost questions given up.
const TICK: Duration = Duration::from_secs(1);

/// The way to one shard.
pub struct Seat {
    /// Its orders.
    pub orders: Producer<Order>,
    /// Wakes it.
    pub bell: Doorbell,
}

/// The control thread.
pub struct Control {
    pub seats: Vec<Seat>,
    pub boot: u32,
    pub node: u16,
    pub socket: PathBuf,
    pub spool: Arc<SpoolFigures>,
    /// What the tape counts.
    pub tape: Arc<TapeFigures>,
    pub revision: u64,
    /// Host names of trunks.
    pub names: Names,
    /// Where TLS files are named; SIGHUP reads them again.
    pub listens: Vec<Listen>,
    /// Where established media is relayed.
    pub fast: Option<Standing>,
    /// How media ports are heard.
    pub media_sockets: MediaSocketsFigures,
    /// Snapshot files that are mapped.
    pub shelf: Shelf,
    /// The other nodes.
    pub together: Together,
    /// Addresses that other machines may have.
    pub shared: Shared,
    hub: Hub,
}

/// What is under way.
#[derive(Default)]
struct Hub {
    connections: HashMap<u64, mpsc::Sender<Frame>>,
    next_connection: u64,
    controller: Option<u64>,
    questions: HashMap<u64, Question>,
    next_question: u64,
    wants: Wants,
    draining: bool,
    /// What all shards are to do and found no room to hear: told again with the next tick.
    untold: Untold,
    /// What other nodes said and the shards have not been told.
    unheard: VecDeque<Arc<[Change]>>,
    needed_from: u32,
    disk_full: bool,
    stopping: bool,
    /// Shards that have ended.
    stopped: usize,
}

/// Orders that nobody gives a second time.
#[derive(Default)]
struct Untold {
    drain: bool,
    stop: bool,
}

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As ordered.
    Stopped,
    /// A shard broke; whoever watches the program should start it anew.
    Broken,
}

impl Control {
    /// A control thread that nobody has connected to.
    pub fn new(
        seats: Vec<Seat>,
        node: u16,
        boot: u32,
        socket: PathBuf,
        spool: Arc<SpoolFigures>,
        names: Names,
    ) -> Control {
        let (listens, fast, media_sockets, tape) = (Vec::new(), None, Default::default(), Arc::default());
        let (shelf, together, hub) = (Shelf::default(), Together::alone(), Hub::default());
        let revision = 0;
        Control {
            seats,
            boot,
            node,
            socket,
            spool,
            tape,
            revision,
            names,
            listens,
            fast,
            media_sockets,
            shelf,
            together,
            shared: Shared::default(),
            hub,
        }
    }

    /// Wants that earlier lives left; the first shard hears their answers.
    pub fn inherit(&mut self, wants: Vec<panel::wire::Want>) {
        wants.into_iter().for_each(|want| self.hub.wants.add(0, want, clocks::ticks()));
    }

    /// Gives a checked snapshot to all shards.
    pub fn publish(&mut self, question: u64, revision: u64, snapshot: &Loaded) -> bool {
        self.revision = revision;
        if let Some(parts) = self.together.on_snapshot(snapshot) {
            // Before any call meets a limit; nobody waits for what is used by now.
            self.tell_all(|| Order::Parts { question: NOBODY, parts: parts.clone() });
        }
        let order = || Order::Snapshot { question, loaded: snapshot.clone() };
        let told = self.tell_all(order);
        if told {
            self.names.want(&snapshot.policies);
        }
        told
    }

    /// Serves until a signal ends the program or a shard breaks.
    pub async fn run(mut self, mut reports: mpsc::Receiver<Report>) -> anyhow::Result<End> {
        let listener = listen(&self.socket)?;
        let (heard_in, mut heard) = mpsc::channel(1_024);
        let (loaded_in, mut loaded) = mpsc::channel(16);
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut renew = signal(SignalKind::from_raw(SIGHUP))?;
        let mut tick = tokio::time::interval(TICK);
        loop {
            self.names.look_up();
            tokio::select! {
                _ = terminate.recv(), if !self.hub.stopping => self.stop(),
                _ = interrupt.recv(), if !self.hub.stopping => self.stop(),
                _ = renew.recv() => self.renew(),
                report = reports.recv() => match report {
                    Some(Report::Broken { shard, reason }) => {
                        tracing::error!(shard, reason, "a shard broke; the program ends so that it can be started anew");
                        return Ok(End::Broken);
                    }
                    Some(report) => self.on_report(report),
                    None => return Ok(End::Broken),
                },
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) if self.hub.connections.len() < CONNECTIONS_MAX => {
                        let id = self.hub.next_connection;
                        self.hub.next_connection += 1;
                        self.hub.connections.insert(id, connection::serve(id, stream, heard_in.clone()));
                    }
                    Ok(_) => tracing::warn!(limit = CONNECTIONS_MAX, "too many control connections; one more refused"),
                    Err(error) => tracing::warn!(%error, "cannot accept a control connection"),
                },
                Some(arrival) = heard.recv() => self.on_arrival(arrival, &loaded_in),
                Some((connection, id, outcome)) = loaded.recv() => self.on_loaded(connection, id, outcome),
                found = self.names.next() => self.on_found(found),
                said = self.together.next() => self.on_said(said),
                _ = tick.tick() => self.on_tick(),
            }
            if self.hub.stopped == self.seats.len() {
                return Ok(End::Stopped);
            }
        }
    }

    /// Reads the TLS files again; what stands goes on with what it has.
    fn renew(&mut self) {
        match Keys::read(&self.listens) {
            Ok(keys) => {
                tracing::info!("certificates and keys were read again");
                self.tell_all(|| Order::Keys(keys.clone()));
            }
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "certificates are not renewed; the present ones stay");
            }
        }
    }

    fn stop(&mut self) {
        tracing::info!("stopping: no new calls, running ones are released");
        self.hub.stopping = true;
        self.hub.untold.stop = !self.tell_all(|| Order::Stop);
    }

    fn on_arrival(&mut self, arrival: Arrival, loaded: &mpsc::Sender<Outcome>) {
        let from = arrival.connection;
        match arrival.heard {
            Heard::Gone => {
                self.hub.connections.remove(&from);
                self.hub.controller = self.hub.controller.filter(|controller| *controller != from);
            }
            Heard::Garbage(reason) => self.answer(from, 0, Answer::Refused { reason }),
            Heard::Frame(Frame::Hello { role }) => {
                if role == "controller" {
                    self.hub.controller = Some(from);
                    self.send_wants(0);
                }
            }
            Heard::Frame(Frame::Ask { id, ask }) => self.on_ask(from, id, ask, loaded),
            Heard::Frame(Frame::Reply(reply)) => {
                let told = match self.hub.wants.shard_for(&reply) {
                    Some(shard) => self.tell(shard, Order::Reply(reply.clone())),
                    None => true,
                };
                if told {
                    self.hub.wants.settle(&reply);
                }
            }
            // All shards: the next call that it vouches for may come to any.
            Heard::Frame(Frame::Certificate(certificate)) => {
                self.tell_all(|| Order::Certificate(certificate.clone()));
            }
            Heard::Frame(Frame::Answer { .. } | Frame::Want(_) | Frame::Fetch { .. }) => {
                let reason = "the data plane asks no questions and lends no money".to_owned();
                self.answer(from, 0, Answer::Refused { reason });
            }
        }
    }

    fn on_ask(&mut self, from: u64, id: u64, ask: Ask, loaded: &mpsc::Sender<Outcome>) {
        let question = self.hub.next_question;
        match ask {
            Ask::Load { path } => {
                let (loaded, shelf) = (loaded.clone(), self.shelf.clone());
                tokio::task::spawn_blocking(move || {
                    let outcome = shelf.open(Path::new(&path));
                    let _ = loaded.blocking_send((from, id, outcome));
                });
            }
            Ask::Calls { limit } => {
                let limit = limit as usize;
                self.ask_all(from, id, Kind::Calls { limit, rows: Vec::new() }, || Order::Calls { question, limit });
            }
            Ask::Figures => {
                let figures = Box::new(self.figures());
                self.ask_all(from, id, Kind::Figures(figures), || Order::Figures { question });
            }
            Ask::Peers => self.ask_all(from, id, Kind::Peers(Box::default()), || Order::Peers { question }),
            Ask::Rooms => self.ask_all(from, id, Kind::Rooms(Vec::new()), || Order::Rooms { question }),
            Ask::Release { call } => self.ask_one(from, id, &call, |call| Order::Release { question, call }),
            Ask::Record { call, on } => self.ask_one(from, id, &call, |call| Order::Record { question, call, on }),
            Ask::Capture { call, what } => match depth(&what) {
                Some(what) => self.ask_one(from, id, &call, |call| Order::Capture { question, call, what }),
                None => {
                    self.answer(from, id, Answer::Refused { reason: format!("{what} is not sip, rtp_headers or full") })
                }
            },
            Ask::Fence { boot, barred } => {
                tracing::warn!(boot, barred, "this node was written off: what it was lent until then is void");
                let told = self.tell_all(|| Order::Fence { boot, barred });
                self.answer(from, id, if told { Answer::Done } else { busy() });
            }
            Ask::Drain { on } => {
                self.drain(on);
                self.answer(from, id, Answer::Done);
            }
        }
    }

    /// Asks the shard that owns this call.
    fn ask_one(&mut self, from: u64, id: u64, call: &str, order: impl FnOnce(CallId) -> Order) {
        let ours = |call: &CallId| {
            call.node.0 == self.node && call.boot == self.boot && usize::from(call.shard.0) < self.seats.len()
        };
        let Some(call) = CallId::parse(call).filter(ours) else {
            return self.answer(from, id, Answer::Refused { reason: format!("no call {call} on this node") });
        };
        let question = self.keep(Question::new(from, id, 1, Kind::OneCall));
        if !self.tell(call.shard.0, order(call)) {
            self.hub.questions.remove(&question);
            self.answer(from, id, busy());
        }
    }

    fn on_loaded(&mut self, from: u64, id: u64, outcome: anyhow::Result<(u64, Loaded)>) {
        match outcome {
            Ok((revision, snapshot)) => {
                let question = self.keep(Question::new(from, id, self.seats.len(), Kind::Load { revision }));
                tracing::info!(revision, "snapshot taken into force");
                if !self.publish(question, revision, &snapshot) {
                    self.hub.questions.remove(&question);
                    self.answer(from, id, busy());
                }
            }
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "a snapshot was refused; the present one stays in force");
                self.answer(from, id, Answer::Refused { reason: format!("{error:#}") });
            }
        }
    }

    fn on_report(&mut self, report: Report) {
        match report {
            Report::Fetch { shard, x5u } => self.fetch(shard, x5u),
            Report::Want { shard, want } => {
                self.hub.wants.add(shard, want.clone(), clocks::ticks());
                // What is missed is repeated.
                self.send_to_controller(Frame::Want(want));
            }
            Report::Part { question, mut part } => {
                if let Part::Loaded(_, before) = &mut part {
                    let before = before.take();
                    // Taking a large snapshot apart takes its time.
                    tokio::task::spawn_blocking(move || drop(before));
                }
                let Some(asked) = self.hub.questions.get_mut(&question) else { return };
                if asked.add(part)
                    && let Some(asked) = self.hub.questions.remove(&question)
                {
                    self.on_whole(asked);
                }
            }
            Report::Binding(change) => self.together.tell(&change),
            Report::Stopped => self.hub.stopped += 1,
            Report::Broken { .. } => {}
        }
    }

    /// All shards have said their part.
    fn on_whole(&mut self, mut asked: Question) {
        if let Some(calls) = asked.running() {
            return self.together.stand(calls, self.hub.draining || self.hub.disk_full);
        }
        if let Some((round, used)) = asked.used() {
            return self.together.on_used(round, used);
        }
        let (connection, id, mut answer) = (asked.connection, asked.id, asked.answer());
        if let Answer::Rooms(rows) = &mut answer {
            self.together.add_parts(rows);
        }
        self.answer(connection, id, answer);
    }

    fn on_found(&mut self, found: Found) {
        self.names.note(found);
        self.tell_names();
    }

    /// Tells the shards what names stand for; what does not fit is told with the next tick.
    fn tell_names(&mut self) {
        while let Some((trunk, targets)) = self.names.untold() {
            if !self.tell_all(|| Order::Targets { trunk, targets: targets.clone() }) {
                return;
            }
            self.names.told(trunk);
        }
    }

    fn on_said(&mut self, said: Said) {
        match said {
            Said::Bindings(changes) => {
                self.hub.unheard.push_back(changes);
                self.tell_bindings();
            }
            Said::Drained(on) if on == self.hub.draining => {}
            Said::Drained(on) => {
                tracing::info!(on, "this node's drain, as etcd has it");
                self.drain(on);
            }
            Said::Parts(dealt) => {
                self.together.on_dealt(&dealt);
                let (question, parts) = (self.hub.next_question, dealt.parts);
                let kind = Kind::Used(dealt.round, Vec::new());
                self.ask_all(NOBODY, 0, kind, || Order::Parts { question, parts: parts.clone() });
            }
        }
    }

    /// Lets calls that run go on and takes no new ones, or takes them again. Shards that are too busy to hear of it do so within a second.
    pub fn drain(&mut self, on: bool) {
        self.hub.draining = on;
        self.hub.untold.drain = !self.tell_all(|| Order::Drain(on));
    }

    /// Tells the shards what they found no room to hear.
    fn tell_again(&mut self) {
        if self.hub.untold.drain {
            self.drain(self.hub.draining);
        }
        if self.hub.untold.stop {
            self.hub.untold.stop = !self.tell_all(|| Order::Stop);
        }
    }

    /// Tells the shards what other nodes said; what does not fit is told with the next tick.
    fn tell_bindings(&mut self) {
        while let Some(changes) = self.hub.unheard.front().cloned() {
            if !self.tell_all(|| Order::Bindings(changes.clone())) {
                return;
            }
            self.hub.unheard.pop_front();
        }
    }

    /// Tells the shards which shared addresses this machine has.
    pub fn look_at_addresses(&mut self) {
        for (listener, here) in self.shared.look() {
            if !self.tell_all(|| Order::Address { listener, here }) {
                self.shared.untold(listener);
            }
        }
    }

    fn on_tick(&mut self) {
        self.tell_again();
        self.look_at_addresses();
        self.names.want_again();
        self.tell_names();
        self.tell_bindings();
        self.send_wants(clocks::ticks());
        if self.together.has_others() {
            let question = self.hub.next_question;
            self.ask_all(NOBODY, 0, Kind::Running(0), || Order::Running { question });
        }
        self.look_at_disk();
        let late: Vec<u64> = self.hub.questions.iter().filter(|(_, asked)| asked.late()).map(|(id, _)| *id).collect();
        for question in late {
            if let Some(asked) = self.hub.questions.remove(&question) {
                let reason = format!("{} of the shards did not answer in time", asked.left());
                self.answer(asked.connection, asked.id, Answer::Refused { reason });
            }
        }
    }

    /// Has new calls refused while the journal's disk is full or fails.
    fn look_at_disk(&mut self) {
        let (percent, failing) = (self.spool.disk_percent(), self.spool.failing());
        let full = percent >= JOURNAL_FULL_PERCENT || failing;
        if full == self.hub.disk_full || !self.tell_all(|| Order::DiskFull(full)) {
            return;
        }
        self.hub.disk_full = full;
        if full {
            tracing::error!(percent, failing, "the journal's disk is full or fails: new calls are refused");
        } else {
            tracing::warn!(percent, "the journal's disk has room again: new calls are taken");
        }
    }

    /// The first segment that a restart would need. A grant that the ledger has not yet taken back may be told of in any segment, so
    /// that no more are given up meanwhile.
    fn needed_from(&mut self) -> u32 {
        if !self.hub.wants.closing() {
            self.hub.needed_from = self.spool.needed_from();
        }
        self.hub.needed_from
    }

    fn figures(&mut self) -> panel::wire::Figures {
        panel::wire::Figures {
            boot: self.boot,
            uptime_s: clocks::read().now.micros() / 1_000_000,
            revision: self.revision,
            draining: self.hub.draining,
            journal_records: self.spool.records(),
            journal_bytes: self.spool.bytes(),
            journal_needed_from: self.needed_from(),
            journal_failing: self.spool.failing(),
            journal_disk_percent: self.spool.disk_percent(),
            counters: self.names.counters().into_iter().chain(self.tape.counters()).collect(),
            meanings: meanings::all(),
            media_sockets: self.media_sockets.clone(),
            sharing: self.together.sharing(),
            fast_path: self.fast.as_ref().map(Standing::figures).unwrap_or_default(),
            ..panel::wire::Figures::default()
        }
    }

    /// Repeats the wants that were last sent before `now` less their patience; all of them if `now` is zero.
    fn send_wants(&mut self, now: u64) {
        if self.hub.controller.is_some() {
            for want in self.hub.wants.due(now) {
                self.send_to_controller(Frame::Want(want));
            }
        }
    }

    /// False if there is no controller, or it does not read: it misses this.
    fn send_to_controller(&mut self, frame: Frame) -> bool {
        let controller = self.hub.controller.and_then(|id| self.hub.connections.get(&id));
        controller.is_some_and(|controller| controller.try_send(frame).is_ok())
    }

    /// Has a certificate fetched for a shard. Where nobody can, its calls need not wait; that holds for no later one.
    fn fetch(&mut self, shard: u16, x5u: String) {
        if !self.send_to_controller(Frame::Fetch { x5u: x5u.clone() }) {
            let nobody = Certificate { x5u, key: CertificateKey::Unreachable, until: 0 };
            self.tell(shard, Order::Certificate(nobody));
        }
    }

    fn ask_all(&mut self, from: u64, id: u64, kind: Kind, order: impl Fn() -> Order) {
        let question = self.keep(Question::new(from, id, self.seats.len(), kind));
        if !self.tell_all(order) {
            self.hub.questions.remove(&question);
            self.answer(from, id, busy());
        }
    }

    fn keep(&mut self, question: Question) -> u64 {
        let number = self.hub.next_question;
        self.hub.next_question += 1;
        self.hub.questions.insert(number, question);
        number
    }

    /// True if every shard has room for the order.
    fn tell_all(&mut self, order: impl Fn() -> Order) -> bool {
        if self.seats.iter().any(|seat| seat.orders.is_full()) {
            return false;
        }
        (0..self.seats.len() as u16).all(|shard| self.tell(shard, order()))
    }

    fn tell(&mut self, shard: u16, order: Order) -> bool {
        let Some(seat) = self.seats.get_mut(usize::from(shard)) else { return false };
        let told = seat.orders.push(order).is_ok();
        seat.bell.ring();
        told
    }

    fn answer(&mut self, connection: u64, id: u64, answer: Answer) {
        if let Some(out) = self.hub.connections.get(&connection)
            && out.try_send(Frame::Answer { id, answer }).is_err()
        {
            // It asks without reading: better gone than blocking everyone.
            self.hub.connections.remove(&connection);
        }
    }
}

type Outcome = (u64, u64, anyhow::Result<(u64, Loaded)>);

fn depth(text: &str) -> Option<Captured> {
    match text {
        "sip" => Some(Captured::Sip),
        "rtp_headers" => Some(Captured::RtpHeaders),
        "full" => Some(Captured::Full),
        _ => None,
    }
}

fn busy() -> Answer {
    Answer::Refused { reason: "the shards are busy; ask again".to_owned() }
}

/// A socket that only this user may speak to.
pub fn listen(path: &Path) -> anyhow::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt;
    // Whoever wrote an older socket is gone: the folder's lock is ours.
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

#[cfg(test)]
mod tests;
