//! A run: calls are placed at their rate or taken as they come, and asked when their time is due.

mod command;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use uring::SocketId;

use super::call::{Birth, Call};
use super::control::Order;
use super::heard;
use super::inject::Values;
use super::output::Output;
use super::statistics::Count;
use super::transport::{Protocol, Shared};
use super::wire::{Came, Way};
use super::world::{Aside, Quit, World};
use crate::clock::{MS, SECOND};

/// Calls placed before what came is heard.
const BATCH: u64 = 256;
/// Longest wait, so that orders and signals are heard.
const NAP: u64 = 20 * MS;
/// Ended calls that are remembered at most.
const DEAD_MAX: usize = 200_000;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every call was placed and ended.
    Done,
    /// The time was over (`-timeout`).
    TimedOut,
}

/// What a call begins with.
enum Beginning {
    /// It was due.
    Placed,
    /// A message came.
    Message(SocketAddr, String),
    /// A command came.
    Command(String),
}

/// A run.
pub struct Engine {
    world: World,
    output: Output,
    calls: Vec<Option<Box<Call>>>,
    free: Vec<usize>,
    by_id: HashMap<String, usize>,
    by_way: HashMap<usize, usize>,
    dead: HashMap<String, u64>,
    dying: VecDeque<(u64, String)>,
    timers: BinaryHeap<Reverse<(u64, usize)>>,
    /// The connection that all calls share.
    shared: Option<Way>,
    /// Sockets of addresses (`-t ui`).
    by_address: HashMap<IpAddr, (Way, u16)>,
    placed: u64,
    rate: f64,
    /// Since when calls are placed at this rate, and how many were due by then.
    rate_since: u64,
    due_before: f64,
    paused: bool,
    raise_at: u64,
}

impl Engine {
    /// A run that has not begun.
    pub fn new(world: World, output: Output) -> Engine {
        let (rate, now) = (world.options.rate, world.clock.now());
        let interval = world.options.rate_interval_ms.unwrap_or(world.options.stat_every_ms) * MS;
        Engine {
            shared: world.wire.shared(),
            by_address: HashMap::new(),
            world,
            output,
            calls: Vec::new(),
            free: Vec::new(),
            by_id: HashMap::new(),
            by_way: HashMap::new(),
            dead: HashMap::new(),
            dying: VecDeque::new(),
            timers: BinaryHeap::new(),
            placed: 0,
            rate,
            rate_since: now,
            due_before: 0.0,
            paused: false,
            raise_at: now + interval,
        }
    }

    /// Plays until it is over; gives the world back to be reported.
    pub fn play(mut self) -> io::Result<(Outcome, World)> {
        let timeout = self.world.options.timeout_ms.map(|ms| self.world.clock.now() + ms * MS);
        let mut outcome = Outcome::Done;
        self.listen()?;
        loop {
            let now = self.world.clock.now();
            self.orders(now);
            if self.world.scenario.places() {
                self.place(now)?;
            }
            self.due(now);
            self.enough();
            self.output.look(&mut self.world, self.rate, self.paused)?;
            // A period is told with the rate that it had.
            self.raise(now);
            if timeout.is_some_and(|at| at <= now) && self.world.quit < Quit::Now && outcome == Outcome::Done {
                outcome = Outcome::TimedOut;
                self.world.time_is_over();
            }
            if self.ended() {
                break;
            }
            self.world.wire.wait(Duration::from_nanos(self.sleep(now)))?;
            while let Some(came) = self.world.wire.next() {
                self.came(came)?;
            }
        }
        self.cut_off();
        self.output.last(&mut self.world, self.rate)?;
        Ok((outcome, self.world))
    }

    fn ended(&self) -> bool {
        match self.world.quit {
            Quit::No => false,
            // What answers others does not keep a run.
            Quit::Softly => self.by_id.len() as u64 <= self.world.aside.as_ref().map_or(0, Aside::current),
            Quit::Now => true,
        }
    }

    /// As many calls as were wanted are there: no new ones.
    fn enough(&mut self) {
        let wanted = self.world.options.calls;
        if wanted.is_some_and(|wanted| self.world.statistics.created() >= wanted) {
            self.world.end(Quit::Softly);
        }
    }

    /// How long nothing is due.
    fn sleep(&self, now: u64) -> u64 {
        let mut until = now + NAP;
        if let Some(Reverse((at, _))) = self.timers.peek() {
            until = until.min(*at);
        }
        if self.world.quit == Quit::No
            && self.world.scenario.places()
            && !self.paused
            && self.world.users.wanted().is_none()
        {
            until = until.min(self.next_due());
        }
        until.saturating_sub(now)
    }

    /// When the next call is to be placed.
    fn next_due(&self) -> u64 {
        if self.rate <= 0.0 {
            return u64::MAX;
        }
        let ahead = (self.placed as f64 + 1.0 - self.due_before) * self.world.options.period_ms as f64 * MS as f64;
        self.rate_since + (ahead / self.rate).max(0.0) as u64
    }

    fn set_rate(&mut self, rate: f64, now: u64) {
        self.due_before = self.placed as f64;
        (self.rate, self.rate_since) = (rate.max(0.0), now);
    }

    /// `-rate_increase`.
    fn raise(&mut self, now: u64) {
        let options = &self.world.options;
        if options.rate_increase == 0.0 || now < self.raise_at {
            return;
        }
        self.raise_at += options.rate_interval_ms.unwrap_or(options.stat_every_ms) * MS;
        let (to, most, quits) = (self.rate + options.rate_increase, options.rate_max, !options.no_rate_quit);
        if most > 0.0 && to > most {
            self.set_rate(most, now);
            if quits {
                self.world.end(Quit::Softly);
            }
        } else {
            self.set_rate(to, now);
        }
    }

    /// What keys, signals and the control port ask for.
    fn orders(&mut self, now: u64) {
        while let Some(order) = self.output.order() {
            let scale = self.world.options.rate_scale;
            match order {
                Order::Faster(steps) => match self.world.users.wanted() {
                    Some(users) => self.world.users.set(users.saturating_add_signed(i64::from(steps))),
                    None => self.set_rate(self.rate + f64::from(steps) * scale, now),
                },
                Order::Rate(rate) => self.set_rate(rate, now),
                Order::Scale(scale) => self.world.options.rate_scale = scale,
                Order::Users(users) => self.world.users.set(users),
                Order::Limit(limit) => self.world.options.limit = Some(limit),
                Order::Pause => {
                    self.paused = !self.paused;
                    self.set_rate(self.rate, now);
                }
                Order::Quit if self.world.quit == Quit::No => self.world.end(Quit::Softly),
                Order::Quit | Order::QuitNow => self.world.end(Quit::Now),
                Order::Screen => self.output.screen(&self.world, self.rate),
                Order::Show(screen) => self.output.show(screen),
                Order::Typing(text) => self.output.typing(text),
                Order::Trace(what, on) => self.world.traces.want(&what, on),
                Order::Unknown(text) => {
                    let told = format!(
                        "'{text}' is no order: keys + - * / p q Q s 1 2 3 4, or c and set rate, rate-scale, users or limit, or \
                         trace error, logs, messages or shortmessages on or off"
                    );
                    eprintln!("{told}");
                    self.world.statistics.count(Count::Warnings);
                    self.world.traces.error(&told);
                }
            }
        }
    }

    /// Places the calls that are due.
    fn place(&mut self, now: u64) -> io::Result<()> {
        if self.world.quit != Quit::No || self.paused {
            return Ok(());
        }
        if self.world.users.wanted().is_some() {
            for _ in 0..BATCH {
                let more = self.world.options.calls.is_none_or(|calls| self.world.statistics.created() < calls);
                let user = if more { self.world.users.next() } else { None };
                let Some(user) = user else { break };
                self.call(user)?;
            }
            return Ok(());
        }
        for _ in 0..BATCH {
            // What was skipped is not one of those that were wanted.
            let made = self.world.statistics.created();
            if self.next_due() > now || self.world.options.calls.is_some_and(|calls| made >= calls) {
                break;
            }
            self.placed += 1;
            if self.world.options.limit.is_some_and(|limit| self.world.statistics.current >= limit) {
                self.world.statistics.skipped += 1;
                continue;
            }
            self.call(0)?;
        }
        Ok(())
    }

    /// Places one call.
    fn call(&mut self, user: u64) -> io::Result<()> {
        let number = self.world.statistics.created() + 1;
        let id = self.world.call_id(number);
        let birth = self.birth(number, id, user)?;
        self.begin(birth, Count::Outgoing, Beginning::Placed);
        Ok(())
    }

    /// A call to the other side, with what it speaks by.
    fn birth(&mut self, number: u64, id: String, user: u64) -> io::Result<Birth> {
        let peer = self.world.remote.unwrap_or(self.world.local);
        let to = self.world.remote_sending.unwrap_or(peer);
        let transport = self.world.options.transport;
        let World { files, chance, .. } = &mut self.world;
        let lines: Vec<usize> = files.iter_mut().map(|values| values.take(user as usize, chance)).collect();
        let (mut local, mut port) = (self.world.local.ip(), self.world.local.port());
        let way = match (transport.protocol, transport.shared) {
            (Protocol::Udp, Shared::All) => self.shared,
            (Protocol::Udp, Shared::Alone) => {
                let (way, own) = self.world.wire.open_one(SocketAddr::new(local, 0))?;
                port = own;
                Some(way)
            }
            (Protocol::Udp, Shared::Address) => {
                local = self.world.address_of(lines.first().copied().unwrap_or(0))?;
                let (way, own) = self.at(local)?;
                port = own;
                Some(way)
            }
            (Protocol::Tcp | Protocol::Tls, Shared::All | Shared::Address) => {
                if self.shared.is_none() {
                    self.shared = Some(self.world.wire.connect(local, to)?);
                }
                self.shared
            }
            (Protocol::Tcp | Protocol::Tls, Shared::Alone) => Some(self.world.wire.connect(local, to)?),
        };
        let Some(way) = way else { return Err(io::Error::other("no socket is open")) };
        let own_way = transport.shared == Shared::Alone;
        Ok(Birth { number, id, way, own_way, local, port, peer, user, lines, aside: false })
    }

    /// The socket of an address, opened when it is asked for first, and its port.
    fn at(&mut self, ip: IpAddr) -> io::Result<(Way, u16)> {
        if let Some(known) = self.by_address.get(&ip) {
            return Ok(*known);
        }
        let wanted = SocketAddr::new(ip, self.world.options.local_port);
        let told = |error: io::Error| io::Error::new(error.kind(), format!("no socket at {wanted} (-t ui): {error}"));
        let opened = self.world.wire.open_one(wanted).map_err(told)?;
        self.by_address.insert(ip, opened);
        Ok(opened)
    }

    /// `-t ui` of who is called: all addresses of the file are listened at.
    fn listen(&mut self) -> io::Result<()> {
        let calls = self.world.scenario.calls();
        if self.world.options.transport.shared == Shared::Address && !calls {
            for line in 0..self.world.files.first().map_or(0, Values::count) {
                let ip = self.world.address_of(line)?;
                self.at(ip)?;
            }
        }
        Ok(())
    }

    /// A call begins.
    fn begin(&mut self, birth: Birth, what: Count, by: Beginning) {
        let (id, way) = (birth.id.clone(), birth.way);
        let second = self.world.clock.now() / SECOND;
        let call = self.beside(birth.aside, |world| {
            world.statistics.begin(what, second);
            Box::new(Call::new(birth, world))
        });
        let slot = self.free.pop().unwrap_or_else(|| {
            self.calls.push(None);
            self.calls.len() - 1
        });
        if call.birth.own_way
            && let Way::Stream(stream) = way
        {
            self.by_way.insert(stream.place(), slot);
        }
        self.calls[slot] = Some(call);
        self.by_id.insert(self.world.named(&id).to_owned(), slot);
        self.with(slot, |call, world| match by {
            Beginning::Message(from, text) => call.hear(way, from, text, world),
            Beginning::Command(text) => call.commanded(&text, world),
            Beginning::Placed => call.run(world),
        });
    }

    /// Does something in the scenario beside, or in the one that is played.
    fn beside<T>(&mut self, aside: bool, what: impl FnOnce(&mut World) -> T) -> T {
        if !aside {
            return what(&mut self.world);
        }
        self.world.step_aside();
        let out = what(&mut self.world);
        self.world.step_aside();
        out
    }

    /// Lets a call do something, and files or forgets it.
    fn with(&mut self, slot: usize, what: impl FnOnce(&mut Call, &mut World)) {
        let Some(mut call) = self.calls.get_mut(slot).and_then(Option::take) else { return };
        let before = call.birth.way;
        self.beside(call.birth.aside, |world| what(&mut call, world));
        self.moved(slot, before, &call);
        if call.over() {
            return self.forget(slot, &call);
        }
        if let Some(due) = call.due()
            && (call.filed == 0 || due < call.filed)
        {
            call.filed = due;
            self.timers.push(Reverse((due, slot)));
        }
        self.calls[slot] = Some(call);
    }

    /// A call may have closed its connection and opened another.
    fn moved(&mut self, slot: usize, before: Way, call: &Call) {
        if before == call.birth.way || !call.birth.own_way {
            return;
        }
        if let Way::Stream(stream) = before {
            self.by_way.remove(&stream.place());
        }
        if let Way::Stream(stream) = call.birth.way {
            self.by_way.insert(stream.place(), slot);
        }
    }

    fn forget(&mut self, slot: usize, call: &Call) {
        let id = self.world.named(&call.birth.id).to_owned();
        self.by_id.remove(&id);
        self.free.push(slot);
        if call.birth.own_way {
            if let Way::Stream(stream) = call.birth.way {
                self.by_way.remove(&stream.place());
            }
            self.world.wire.close(call.birth.way);
        }
        if call.birth.user > 0 {
            self.world.users.free(call.birth.user);
        }
        let until = self.world.clock.now() + self.world.options.dead_call_ms * MS;
        if self.dead.len() < DEAD_MAX {
            self.dead.insert(id.clone(), until);
            self.dying.push_back((until, id));
        }
    }

    /// Asks the calls whose time is due.
    fn due(&mut self, now: u64) {
        while let Some(Reverse((at, slot))) = self.timers.peek().copied().filter(|Reverse((at, _))| *at <= now) {
            self.timers.pop();
            let counts = self.calls.get(slot).and_then(Option::as_ref).is_some_and(|call| call.filed == at);
            if counts {
                self.with(slot, |call, world| {
                    call.filed = 0;
                    call.time(world);
                });
            }
            if at == 1 {
                // A call that goes in circles has had its turn; others have theirs.
                break;
            }
        }
        while self.dying.front().is_some_and(|(until, _)| *until <= now) {
            if let Some((_, id)) = self.dying.pop_front() {
                self.dead.remove(&id);
            }
        }
    }

    fn came(&mut self, came: Came) -> io::Result<()> {
        match came {
            Came::Message { way, from, text } => self.message(way, from, text),
            Came::Media { socket, from, bytes } => self.media(socket, from, &bytes),
            Came::Command(text) => self.command(&text)?,
            Came::Joined(stream) => self.world.twins.joined(stream, &mut self.world.wire)?,
            Came::Parted => self.parted(),
            Came::Ended { stream, never_stood, why } => {
                if let Some(why) = why {
                    self.world.traces.error(&format!("TLS: {why}"));
                }
                self.cut(stream, never_stood);
            }
        }
        Ok(())
    }

    fn message(&mut self, way: Way, from: SocketAddr, text: String) {
        self.world.traces.message(self.world.options.transport.name(), false, &text);
        let Some(id) = heard::call_id(&text).map(|id| self.world.named(id).to_owned()) else {
            self.world.statistics.count(Count::OutOfCall);
            return self.world.traces.error("a message without Call-ID came and was forgotten");
        };
        if let Some(slot) = self.by_id.get(&id).copied() {
            return self.with(slot, |call, world| call.hear(way, from, text, world));
        }
        if self.dead.contains_key(&id) {
            self.world.statistics.count(Count::DeadCall);
            let first = text.lines().next().unwrap_or_default();
            return self.world.warn(&format!("Dead call {id}, received '{first}'"));
        }
        let calls = self.world.scenario.calls();
        let aside = calls && self.world.aside.as_ref().is_some_and(|aside| aside.takes(&text));
        if aside {
            let method = heard::method(&text);
            let told = format!("Received out-of-call {method} message, using the out-of-call scenario");
            self.world.warn(&told);
            self.world.statistics.count(Count::AutoAnswered);
        } else if calls || self.world.quit != Quit::No {
            self.world.statistics.count(Count::OutOfCall);
            let first = text.lines().next().unwrap_or_default();
            return self.world.warn(&format!("Discarding message which can't be mapped to a known call: {first}"));
        }
        let World { files, chance, local, .. } = &mut self.world;
        let mut lines = Vec::new();
        if !aside {
            lines = files.iter_mut().map(|values| values.take(0, chance)).collect();
        }
        let known = self.by_address.iter().find(|(_, (known, _))| *known == way);
        let (local, port) = known.map_or((local.ip(), local.port()), |(ip, (_, port))| (*ip, *port));
        let number = self.world.statistics.created() + 1;
        let birth = Birth { number, id, way, own_way: false, local, port, peer: from, user: 0, lines, aside };
        self.begin(birth, Count::Incoming, Beginning::Message(from, text));
        self.enough();
    }

    fn media(&mut self, socket: SocketId, from: SocketAddr, bytes: &[u8]) {
        self.world.packets_heard += 1;
        if self.world.echoing && self.world.echoes.contains(&socket) {
            self.world.packets_sent += u64::from(self.world.wire.send_media(socket, from, bytes));
        }
    }

    /// A connection ended, and with it the calls that need it.
    fn cut(&mut self, stream: SocketId, never_stood: bool) {
        if self.shared == Some(Way::Stream(stream)) {
            self.shared = None;
            for slot in 0..self.calls.len() {
                self.with(slot, |call, world| call.cut(world, never_stood));
            }
        } else if let Some(slot) = self.by_way.get(&stream.place()).copied() {
            self.with(slot, |call, world| call.cut(world, never_stood));
        }
    }

    /// Calls that the end of the run breaks off are told so.
    fn cut_off(&mut self) {
        for slot in 0..self.calls.len() {
            self.with(slot, |call, world| call.cut_off(world));
        }
        // What was said last leaves with this.
        let _ = self.world.wire.wait(Duration::ZERO);
    }
}
