//! What the calls of a run share.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use rand::rngs::SmallRng;
use uring::SocketId;

use super::heard;
use super::inject::Values;
use super::options::Options;
use super::scenario::{Scenario, VariableId};
use super::sound::Sound;
use super::statistics::{Count, Statistics};
use super::template::Template;
use super::traces::Traces;
use super::twins::Twins;
use super::users::Users;
use super::wire::Wire;
use crate::clock::Clock;

/// What a variable holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Nothing yet.
    #[default]
    Unset,
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// The outcome of a test.
    Truth(bool),
}

impl Value {
    /// As `test` and `condexec` ask for it.
    pub fn is_set(&self) -> bool {
        match self {
            Value::Unset => false,
            Value::Text(_) => true,
            Value::Number(number) => *number != 0.0,
            Value::Truth(truth) => *truth,
        }
    }

    /// As a number; a text that is none is zero.
    pub fn number(&self) -> f64 {
        match self {
            Value::Unset => 0.0,
            Value::Text(text) => text.trim().parse().unwrap_or(0.0),
            Value::Number(number) => *number,
            Value::Truth(truth) => f64::from(u8::from(*truth)),
        }
    }

    /// As a text: numbers with six digits after the point, and zero as nothing, as SIPp writes them.
    pub fn write(&self, out: &mut String) {
        match self {
            Value::Unset => {}
            Value::Number(0.0) => {}
            Value::Text(text) => out.push_str(text),
            Value::Number(number) => out.push_str(&format!("{number:.6}")),
            Value::Truth(truth) => out.push_str(if *truth { "true" } else { "false" }),
        }
    }
}

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quit {
    /// Not yet.
    No,
    /// No new calls; what is under way goes on.
    Softly,
    /// At once.
    Now,
}

/// Messages that SIPp sends on its own.
pub struct Own {
    /// Answers any request.
    pub ok: Template,
    /// Acknowledges a final response.
    pub ack: Template,
    /// Ends a call that was answered.
    pub bye: Template,
    /// Ends one that was not.
    pub cancel: Template,
}

/// A scenario beside the one that is played, with counters and variables of its own: it answers requests of no call.
pub struct Aside {
    scenario: Rc<Scenario>,
    statistics: Statistics,
    globals: Vec<Value>,
    of_users: HashMap<u64, Vec<Value>>,
    /// It takes every request; else those alone that `-aa` answers.
    pub everything: bool,
}

impl Aside {
    /// Nothing has happened in it.
    pub fn new(scenario: Scenario, everything: bool) -> Aside {
        let globals = vec![Value::Unset; scenario.variables.len()];
        let statistics = Statistics::new(&scenario);
        Aside { scenario: Rc::new(scenario), statistics, globals, of_users: HashMap::new(), everything }
    }

    /// Whether it takes a message that belongs to no call.
    pub fn takes(&self, message: &str) -> bool {
        match heard::method(message) {
            "" => false,
            "INFO" | "NOTIFY" | "OPTIONS" | "UPDATE" => true,
            _ => self.everything,
        }
    }

    /// Its calls that are under way.
    pub fn current(&self) -> u64 {
        self.statistics.current
    }
}

/// What calls share.
pub struct World {
    /// What was asked for.
    pub options: Options,
    /// What is played.
    pub scenario: Rc<Scenario>,
    /// Sockets.
    pub wire: Wire,
    /// Counters.
    pub statistics: Statistics,
    /// Files of values.
    pub files: Vec<Values>,
    /// What `-key` gave.
    pub keys: HashMap<String, String>,
    /// Global variables, by number.
    pub globals: Vec<Value>,
    /// Users' variables, by user.
    pub of_users: HashMap<u64, Vec<Value>>,
    /// What answers requests of no call.
    pub aside: Option<Aside>,
    /// Files that are written.
    pub traces: Traces,
    /// The clock.
    pub clock: Clock,
    /// Chance.
    pub chance: SmallRng,
    /// Where we are; the port is that of the shared socket.
    pub local: SocketAddr,
    /// Where media is.
    pub media_ip: IpAddr,
    /// Files that calls play.
    pub sounds: HashMap<String, Sound>,
    /// The media socket that calls without one of their own share.
    pub media: Option<SocketId>,
    /// Media sockets whose packets go back (`-rtp_echo`).
    pub echoes: Vec<SocketId>,
    /// They go back now.
    pub echoing: bool,
    /// Packets of media sent.
    pub packets_sent: u64,
    /// Packets of media heard.
    pub packets_heard: u64,
    /// The next port of media to try.
    pub media_next: u16,
    /// The other side as it was named.
    pub remote_host: String,
    /// The other side.
    pub remote: Option<SocketAddr>,
    /// Where messages go instead.
    pub remote_sending: Option<SocketAddr>,
    /// Messages of our own.
    pub own: Rc<Own>,
    /// Programs that play the same calls (3PCC).
    pub twins: Twins,
    /// How the run ends.
    pub quit: Quit,
    /// It ends because the scenario wants it.
    pub commanded: bool,
    /// Who calls (`-users`).
    pub users: Users,
    /// The number that `[dynamic_id]` gives next.
    pub dynamic: u64,
}

impl World {
    /// The scenario beside takes the place of the one that is played, and the other way round.
    pub fn step_aside(&mut self) {
        if let Some(aside) = &mut self.aside {
            std::mem::swap(&mut self.scenario, &mut aside.scenario);
            std::mem::swap(&mut self.statistics, &mut aside.statistics);
            std::mem::swap(&mut self.globals, &mut aside.globals);
            std::mem::swap(&mut self.of_users, &mut aside.of_users);
        }
    }

    /// A Call-ID as calls are found by it: what stands before three slashes does not belong to it.
    pub fn named<'a>(&self, id: &'a str) -> &'a str {
        if self.options.rare.slashes { id } else { heard::bare(id) }
    }

    /// The run is to end, at least like this.
    pub fn end(&mut self, how: Quit) {
        self.quit = self.quit.max(how);
    }

    /// Something is told that a call meets and the run survives; as with SIPp, it is counted too.
    pub fn warn(&mut self, text: &str) {
        self.statistics.count(Count::Warnings);
        self.traces.error(text);
    }

    /// `-timeout`: as with SIPp, what is under way ends by itself, but for `-timeout_error`.
    pub fn time_is_over(&mut self) {
        if !self.options.timeout_error {
            return self.end(Quit::Softly);
        }
        self.statistics.count(Count::FatalErrors);
        let seconds = self.options.timeout_ms.unwrap_or(0) as f64 / 1_000.0;
        self.traces.error(&format!("timed out after '{seconds:.3}' seconds"));
        self.end(Quit::Now);
    }

    /// The Call-ID of a call, as `-cid_str` wants it: `%u` its number, `%p` our process, `%s` our address.
    pub fn call_id(&self, number: u64) -> String {
        let mut out = String::new();
        let mut rest = self.options.call_id.chars();
        while let Some(character) = rest.next() {
            match (character, if character == '%' { rest.next() } else { None }) {
                ('%', Some('u')) => out.push_str(&number.to_string()),
                ('%', Some('p')) => out.push_str(&std::process::id().to_string()),
                ('%', Some('s')) => out.push_str(&self.local.ip().to_string()),
                ('%', Some(other)) => out.push(other),
                (character, _) => out.push(character),
            }
        }
        out
    }

    /// What `[dynamic_id]` gives after this one.
    pub fn next_dynamic(&self) -> u64 {
        let (first, step, last) = self.options.dynamic;
        let next = self.dynamic.saturating_add(step);
        if next > last { first } else { next }
    }

    /// The address that a line of the first file of values names (`-t ui`).
    pub fn address_of(&self, line: usize) -> io::Result<IpAddr> {
        let mut text = String::new();
        if let Some(values) = self.files.first() {
            values.write(line, self.options.rare.ip_field, &mut text);
        }
        let wrong = || io::Error::other(format!("-t ui: '{text}' (line {line} of values) is no IP address"));
        text.trim().parse().map_err(|_| wrong())
    }

    /// A variable that the calls of one user share.
    pub fn of_user(&mut self, id: VariableId, user: u64) -> &mut Value {
        let count = self.scenario.variables.len();
        &mut self.of_users.entry(user).or_insert_with(|| vec![Value::Unset; count])[id]
    }
}
