//! One call that follows a scenario: it goes from step to step, and looks for the step that a message fits.
//!
//! The rules are SIPp's. A message is looked for from the step under way up to the first one that must come, then among earlier steps
//! that may come. What fits nowhere aborts the call.

mod act;
mod command;
mod hear;
mod media;
mod reach;
mod write;

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use rand::Rng;

use super::heard;
use super::scenario::{Kind, Optional, Pause, Scenario, Scope, Sending, Step, VariableId};
use super::statistics::{Count, Statistics};
use super::wire::Way;
use super::world::{Quit, Value, World};
use crate::clock::MS;
pub use command::TRANSPORT as COMMANDS;
pub use media::Sounding;

/// Steps that a call takes before others have their turn: a scenario may go in circles.
const STEPS_A_TURN: usize = 1_000;
/// Turns that `<init>` may take.
const INIT_TURNS_MAX: usize = 10_000;
/// How often one message that is heard again is answered again. A request is said eleven times at most by timers (RFC 3261 §17.1.2.2); who
/// says the same many times more takes our answer for a reason to, and the two would go on for ever.
const REPEATS_MAX: u32 = 64;

/// How a call is told from another.
#[derive(Clone, Debug)]
pub struct Birth {
    /// From 1.
    pub number: u64,
    /// Its Call-ID.
    pub id: String,
    /// Which way its messages go.
    pub way: Way,
    /// It alone uses that.
    pub own_way: bool,
    /// The address that it names as its own.
    pub local: IpAddr,
    /// And the port.
    pub port: u16,
    /// The other side.
    pub peer: SocketAddr,
    /// Its user, from 1; 0 for none.
    pub user: u64,
    /// Its line of each file of values.
    pub lines: Vec<usize>,
    /// It is of the scenario beside.
    pub aside: bool,
}

/// A message to be sent again until something comes.
#[derive(Clone, Copy, Debug)]
struct Resend {
    at: u64,
    gap: u64,
    tries: u32,
    step: usize,
}

/// What was heard and what was sent next: if it is heard again, that is sent again.
#[derive(Clone, Debug)]
struct Answered {
    heard: u64,
    recv: usize,
    send: usize,
    text: String,
    /// How often it was sent again.
    times: u32,
}

/// A call.
pub struct Call {
    /// Who it is.
    pub birth: Birth,
    scenario: Rc<Scenario>,
    step: usize,
    variables: Vec<Value>,
    began: u64,
    times: Vec<u64>,
    timed: Vec<bool>,
    /// Until when it pauses.
    paused: Option<u64>,
    /// Until when the message of the step is waited for; `Some(0)` for as long as it takes.
    waiting: Option<u64>,
    resend: Option<Resend>,
    sent: String,
    heard: String,
    /// The command that came, while its actions are done.
    commanded: Option<String>,
    last: Option<(u64, usize)>,
    answered: Option<Answered>,
    peer_tag: String,
    routes: String,
    next_url: String,
    challenge: Option<(bool, String)>,
    proofs: u32,
    cseq: u32,
    transactions: Vec<String>,
    established: bool,
    ack_pending: bool,
    /// What an action found wrong: the call goes on and has failed.
    wrong: Option<Count>,
    over: bool,
    /// When it wants to be asked again, as it was last filed.
    pub filed: u64,
    /// The scenario says where its messages go.
    redirected: bool,
    /// What broke a step off, and its print: the scenario's part for such messages hears it.
    queued: Option<(u64, String)>,
    /// The print of what was heard so last.
    handling: Option<u64>,
    /// Its media.
    pub sounding: Sounding,
}

/// Does what the scenario wants done once (`<init>`), with the variables that all calls share and without a side to speak to.
pub fn before_all(world: &mut World) -> Result<(), String> {
    let Some(before) = world.scenario.before() else { return Ok(()) };
    let statistics = std::mem::replace(&mut world.statistics, Statistics::new(&before));
    let scenario = std::mem::replace(&mut world.scenario, Rc::new(before));
    let (local, id) = (world.local, "///main-init".to_owned());
    let lines = vec![0; world.files.len()];
    let (way, peer) = (Way::None, world.remote.unwrap_or(local));
    let birth = Birth {
        number: 0,
        id,
        way,
        own_way: false,
        local: local.ip(),
        port: local.port(),
        peer,
        user: 0,
        lines,
        aside: false,
    };
    let mut call = Call::new(birth, world);
    let mut turns = 0;
    while !call.over && turns < INIT_TURNS_MAX {
        call.run(world);
        turns += 1;
    }
    (world.statistics, world.scenario) = (statistics, scenario);
    if turns == INIT_TURNS_MAX {
        return Err(format!("<init> has not ended after {} steps", INIT_TURNS_MAX * STEPS_A_TURN));
    }
    if world.quit == Quit::Now && !world.commanded {
        return Err("<init> broke off".to_owned());
    }
    Ok(())
}

impl Call {
    /// A call at its first step.
    pub fn new(birth: Birth, world: &World) -> Call {
        let (scenario, now) = (world.scenario.clone(), world.clock.now());
        Call {
            birth,
            step: 0,
            variables: vec![Value::Unset; scenario.variables.len()],
            began: now,
            times: vec![now; scenario.times.len()],
            timed: vec![false; scenario.times.len()],
            paused: None,
            waiting: None,
            resend: None,
            sent: String::new(),
            heard: String::new(),
            commanded: None,
            last: None,
            answered: None,
            peer_tag: String::new(),
            routes: String::new(),
            next_url: String::new(),
            challenge: None,
            proofs: 0,
            cseq: world.options.base_cseq.wrapping_sub(1),
            transactions: vec![String::new(); scenario.transactions],
            established: false,
            ack_pending: false,
            wrong: None,
            over: false,
            filed: 0,
            redirected: false,
            queued: None,
            handling: None,
            sounding: Sounding::default(),
            scenario,
        }
    }

    /// It has ended, and was counted.
    pub fn over(&self) -> bool {
        self.over
    }

    /// When it wants to be asked again, on the run's clock; `None` if only a message can move it.
    pub fn due(&self) -> Option<u64> {
        let resend = self.resend.map(|resend| resend.at);
        let waiting = self.waiting.filter(|until| *until > 0);
        let yielded =
            (!self.over && self.waiting.is_none() && self.paused.is_none() && self.resend.is_none()).then_some(1);
        [resend, waiting, self.paused, self.sounding.due(), yielded].into_iter().flatten().min()
    }

    /// Something may be due.
    pub fn time(&mut self, world: &mut World) {
        let now = world.clock.now();
        self.sound(world, now);
        if let Some(resend) = self.resend.filter(|resend| resend.at <= now) {
            self.send_again(resend, now, world);
        }
        if self.waiting.is_some_and(|until| until > 0 && until <= now) {
            self.waited(world);
        }
        if self.paused.is_some_and(|until| until <= now) {
            self.next(world);
        }
        self.run(world);
    }

    /// Goes on as far as it can.
    pub fn run(&mut self, world: &mut World) {
        let scenario = self.scenario.clone();
        for _ in 0..STEPS_A_TURN {
            if self.over || self.paused.is_some() || self.waiting.is_some() {
                return;
            }
            let Some(step) = scenario.steps.get(self.step) else { return self.end(world, None) };
            if step.guard.is_some_and(|(variable, inverse)| self.is_set(variable, world) == inverse) {
                self.next(world);
                continue;
            }
            match &step.kind {
                // Nothing is said before what was said last has been answered.
                Kind::Send(_) | Kind::Command(_) if self.resend.is_some() => return,
                Kind::Send(sending) => self.send(step, sending, world),
                Kind::Recv(expecting) if expecting.optional == Optional::Global => self.next(world),
                Kind::Recv(expecting) => {
                    self.expect(expecting.timeout_ms, world);
                    if let Some((print, text)) = self.queued.take() {
                        self.place(print, text, world);
                    }
                }
                Kind::Command(commanding) => self.command(step, commanding, world),
                Kind::Await(_) if world.twins.parted() => self.parted(world),
                Kind::Await(_) => self.expect(None, world),
                Kind::Pause(pause) => self.pause(step, pause, world),
                Kind::Nop => {
                    world.statistics.steps[self.step].done += 1;
                    self.book(step, world);
                    let here = self.step;
                    self.act(&step.actions, world);
                    self.next_unless_jumped(here, world);
                }
            }
        }
    }

    fn next_unless_jumped(&mut self, here: usize, world: &mut World) {
        if self.step == here && !self.over {
            self.next(world);
        }
    }

    /// Leaves the step, by its branch if that is to be taken.
    fn next(&mut self, world: &mut World) {
        let mut to = self.step + 1;
        if let Some(branch) = self.scenario.clone().steps.get(self.step).and_then(|step| step.branch.as_ref()) {
            let tested = branch.test.is_none_or(|variable| self.is_set(variable, world));
            if tested && (branch.chance >= 1.0 || world.chance.random::<f64>() < branch.chance) {
                to = branch.to;
            }
        }
        self.go(to);
    }

    fn go(&mut self, to: usize) {
        (self.step, self.paused, self.waiting) = (to, None, None);
    }

    fn is_set(&mut self, variable: VariableId, world: &mut World) -> bool {
        self.value(variable, world).is_set()
    }

    fn value<'a>(&'a mut self, variable: VariableId, world: &'a mut World) -> &'a mut Value {
        match self.scenario.variables[variable].scope {
            Scope::Call => &mut self.variables[variable],
            Scope::User => world.of_user(variable, self.birth.user),
            Scope::Global => &mut world.globals[variable],
        }
    }

    fn pause(&mut self, step: &Step, pause: &Pause, world: &mut World) {
        let ms = match pause {
            Pause::Asked => world.options.pause_ms as f64,
            Pause::Drawn(spread) | Pause::Linger(spread) => spread.draw(&mut world.chance),
            Pause::Variable(variable) => self.value(*variable, world).number(),
        };
        world.statistics.steps[self.step].done += 1;
        self.book(step, world);
        let here = self.step;
        self.act(&step.actions, world);
        if self.over || self.step != here {
            return;
        }
        if ms > 0.0 {
            self.paused = Some(world.clock.now() + (ms * MS as f64) as u64);
        } else {
            self.next(world);
        }
    }

    fn expect(&mut self, timeout_ms: Option<u64>, world: &mut World) {
        let ms = timeout_ms.or(world.options.recv_timeout_ms);
        self.waiting = Some(ms.filter(|ms| *ms > 0).map_or(0, |ms| world.clock.now() + ms * MS));
    }

    /// Where its messages go.
    fn target(&self, world: &World) -> SocketAddr {
        world.remote_sending.filter(|_| !self.redirected).unwrap_or(self.birth.peer)
    }

    /// What was expected did not come in time.
    fn waited(&mut self, world: &mut World) {
        let scenario = self.scenario.clone();
        let step = &scenario.steps[self.step];
        let on_timeout = match &step.kind {
            Kind::Recv(expecting) => expecting.on_timeout,
            Kind::Await(awaiting) => awaiting.on_timeout,
            Kind::Send(_) | Kind::Command(_) | Kind::Pause(_) | Kind::Nop => return,
        };
        world.statistics.steps[self.step].timeouts += 1;
        let what = format!("Call-Id: {}, receive timeout on message {} (line {})", self.birth.id, self.step, step.line);
        if let Some(label) = on_timeout {
            world.warn(&format!("{what}, jumping to step {label}"));
            // For SIPp a call that gives up at its end has failed.
            if label == scenario.steps.len() {
                return self.abort(world, Count::TimeoutOnRecv);
            }
            return self.go(label);
        }
        world.warn(&format!("{what} without label to jump to (ontimeout attribute): aborting call"));
        self.abort(world, Count::TimeoutOnRecv);
    }

    fn send(&mut self, step: &Step, sending: &Sending, world: &mut World) {
        if let Some(transaction) = sending.starts {
            // A branch of its own, which the response to it will name.
            self.transactions[transaction] = self.branch(self.step as i64);
        }
        self.cseq = self.cseq.wrapping_add(u32::from(sending.counted));
        let mut text = std::mem::take(&mut self.sent);
        text.clear();
        let txn = sending.starts.or(sending.acknowledges);
        // A message names the port that it leaves from.
        self.reopen(self.target(world), world);
        self.write(&sending.message, txn, &mut text, world);
        if self.over {
            return;
        }
        let lost = sending.lost.unwrap_or(world.options.lost);
        let dropped = lost > 0.0 && world.chance.random::<f64>() < lost;
        if !dropped && !self.put(&text, world) {
            self.sent = text;
            world.traces.error(&format!("Call-Id: {}: a message could not be sent", self.birth.id));
            return self.end(world, Some(Count::CannotSend));
        }
        let counts = &mut world.statistics.steps[self.step];
        (counts.done, counts.lost) = (counts.done + 1, counts.lost + u64::from(dropped));
        if sending.title == "ACK" {
            (self.established, self.ack_pending) = (true, false);
        }
        if let Some((heard, recv)) = self.last.take() {
            self.answered = Some(Answered { heard, recv, send: self.step, text: text.clone(), times: 0 });
        }
        self.sent = text;
        let repeats = world.options.transport.datagrams() && !world.options.no_retrans;
        self.resend = sending.retrans_ms.filter(|ms| repeats && *ms > 0).map(|ms| {
            let gap = ms * MS;
            Resend { at: world.clock.now() + gap, gap, tries: 0, step: self.step }
        });
        self.book(step, world);
        let here = self.step;
        self.act(&step.actions, world);
        self.next_unless_jumped(here, world);
    }

    /// Sends a text as it is; false if it did not leave.
    fn put(&mut self, text: &str, world: &mut World) -> bool {
        let to = self.target(world);
        if !self.reopen(to, world) {
            return false;
        }
        world.traces.message(world.options.transport.name(), true, text);
        world.wire.send(self.birth.way, to, text)
    }

    /// RFC 3261 §17.1: the wait doubles, for a request other than INVITE up to T2.
    fn send_again(&mut self, resend: Resend, now: u64, world: &mut World) {
        let invite = self.sent.starts_with("INVITE ");
        let tries_max = if invite { world.options.invite_retrans_max } else { world.options.other_retrans_max };
        if resend.tries >= tries_max {
            self.resend = None;
            world.statistics.steps[resend.step].timeouts += 1;
            if let Kind::Send(sending) = &self.scenario.clone().steps[resend.step].kind
                && let Some(label) = sending.on_timeout.filter(|label| *label < self.scenario.steps.len())
            {
                return self.go(label);
            }
            let title = self.sent.lines().next().unwrap_or_default().to_owned();
            world.warn(&format!("Call-Id: {}: nobody answered '{title}'", self.birth.id));
            return self.abort(world, Count::MaxRetrans);
        }
        let text = std::mem::take(&mut self.sent);
        self.put(&text, world);
        self.sent = text;
        world.statistics.steps[resend.step].again += 1;
        world.statistics.count(Count::Retransmissions);
        let t2 = world.options.t2_ms * MS;
        let gap = if invite { resend.gap * 2 } else { (resend.gap * 2).min(t2.max(resend.gap)) };
        self.resend = Some(Resend { at: now + gap, gap, tries: resend.tries + 1, ..resend });
    }

    /// Response times and counters of a step that was done.
    fn book(&mut self, step: &Step, world: &mut World) {
        let now = world.clock.now();
        if let Some(which) = step.begins {
            self.times[which] = now;
        }
        if let Some(which) = step.ends
            && (step.repeats || !self.timed[which])
        {
            self.timed[which] = true;
            let ms = now.saturating_sub(self.times[which]) as f64 / MS as f64;
            world.statistics.time(which, ms);
            world.traces.time(now as f64 / MS as f64, ms, &self.scenario.times[which]);
        }
        if let Some(counter) = step.counter {
            let (period, whole) = &mut world.statistics.counters[counter];
            (*period, *whole) = (*period + 1, *whole + 1);
        }
    }

    /// It failed: the other side is told, if it can be, and it ends.
    fn abort(&mut self, world: &mut World, why: Count) {
        if world.options.behaviours.bye && self.scenario.calls() && self.step > 0 && !self.heard.is_empty() {
            let own = world.own.clone();
            let refused = heard::status(&self.heard).is_some_and(|status| status >= 400);
            let inviting = self.sent.starts_with("INVITE ") && !self.established;
            match (inviting, refused, self.ack_pending) {
                (true, true, _) => self.say(&own.ack, world),
                (true, false, true) => {
                    self.say(&own.ack, world);
                    self.say(&own.bye, world);
                }
                (true, false, false) => self.say(&own.cancel, world),
                (false, _, _) => self.say(&own.bye, world),
            }
        }
        self.end(world, Some(why));
    }

    /// Sends a message that is not of the scenario.
    fn say(&mut self, message: &super::template::Template, world: &mut World) {
        let mut text = String::new();
        self.write(message, None, &mut text, world);
        self.put(&text, world);
    }

    /// It ends, well unless there is a reason.
    fn end(&mut self, world: &mut World, why: Option<Count>) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        match why.or(self.wrong) {
            None => world.statistics.count(Count::Successful),
            Some(why) => {
                world.statistics.count(Count::Failed);
                world.statistics.count(why);
            }
        }
        world.statistics.current = world.statistics.current.saturating_sub(1);
        world.statistics.length(world.clock.now().saturating_sub(self.began) as f64 / MS as f64);
        self.silence(world);
    }

    /// The run ends at once: the other side is told. A call that only lingers has gone well.
    pub fn cut_off(&mut self, world: &mut World) {
        let step = self.scenario.steps.get(self.step).map(|step| &step.kind);
        match step {
            Some(Kind::Pause(Pause::Linger(_))) => self.end(world, None),
            _ => self.abort(world, Count::Rejected),
        }
    }

    /// Its connection was closed.
    pub fn cut(&mut self, world: &mut World, never_stood: bool) {
        self.end(world, Some(if never_stood { Count::TcpConnect } else { Count::TcpClosed }));
    }
}
