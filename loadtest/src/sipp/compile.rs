//! From a scenario file to steps. What is not known is a fault with its line and column, and all faults are told at once.

mod action;
mod step;

use std::collections::BTreeMap;

use super::scenario::{Action, Kind, Optional, Scenario, Scope, Variable, VariableId};
use super::template::{self, Names, Template};
use super::xml::{self, Attribute, Element, Fault};

/// Steps of a scenario at most.
const STEPS_MAX: usize = 10_000;

/// What the command line says that a scenario may name.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Words of `-key`, and what they stand for.
    pub keys: BTreeMap<String, String>,
    /// Names of the files of values, in order.
    pub files: Vec<String>,
    /// The payload type of files of sound that do not say theirs; 8 without.
    pub payload: Option<u8>,
}

/// How well something of a scenario is supported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Line, from 1.
    pub line: usize,
    /// The element.
    pub element: String,
    /// What differs from SIPp; empty if nothing does.
    pub differs: Vec<String>,
}

/// A scenario that was read, and what there is to say about it.
#[derive(Debug, Default)]
pub struct Compiled {
    /// The scenario; not to be played if there are faults.
    pub scenario: Scenario,
    /// What is wrong, in the order of the file.
    pub faults: Vec<Fault>,
    /// What is supported, element by element.
    pub notes: Vec<Note>,
}

/// Compiles a scenario file's text.
pub fn compile(text: &str, given: &Given) -> Compiled {
    let mut compiler = Compiler::new(text, given);
    match xml::read(text) {
        Ok(root) if root.name == "scenario" => compiler.root(root),
        Ok(root) => compiler.fault(root.at, format!("<{}>: want <scenario>", root.name)),
        Err(fault) => compiler.out.faults.push(fault),
    }
    compiler.out.faults.sort_by_key(|fault| (fault.line, fault.column));
    compiler.out
}

/// A label that a step names before it may have been seen: the step, what for, the name, and where that stands.
struct Wanted {
    step: usize,
    what: Label,
    name: String,
    at: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Label {
    Next,
    OnTimeout,
}

struct Compiler<'a> {
    text: &'a str,
    given: &'a Given,
    out: Compiled,
    labels: BTreeMap<String, usize>,
    wanted: Vec<Wanted>,
    transactions: Vec<String>,
    /// Methods of requests sent so far.
    methods: Vec<String>,
    /// Steps that do not say are not on the screen.
    hides: bool,
    /// What differs in the element under way.
    differs: Vec<String>,
}

/// The compiler's attributes of one element: those not asked for are faults.
struct Attributes {
    element: String,
    at: usize,
    left: Vec<Attribute>,
}

impl Attributes {
    fn of(element: &mut Element) -> Attributes {
        let left = std::mem::take(&mut element.attributes);
        Attributes { element: element.name.clone(), at: element.at, left }
    }

    fn take(&mut self, name: &str) -> Option<Attribute> {
        let place = self.left.iter().position(|attribute| attribute.name == name)?;
        Some(self.left.remove(place))
    }

    fn text(&mut self, name: &str) -> Option<String> {
        self.take(name).map(|attribute| attribute.value)
    }
}

/// The resolver of names in texts, for the part of the compiler that texts may change.
struct Resolver<'a> {
    scenario: &'a mut Scenario,
    given: &'a Given,
}

impl Names for Resolver<'_> {
    fn variable(&mut self, name: &str) -> VariableId {
        variable(self.scenario, name)
    }

    fn file(&mut self, name: Option<&str>) -> Result<usize, String> {
        let Some(name) = name else {
            let first =
                if self.given.files.is_empty() { Err("no file of values is given (-inf)".to_owned()) } else { Ok(0) };
            return first;
        };
        let same = |known: &&String| *known == name || known.rsplit('/').next() == Some(name);
        let found = self.given.files.iter().position(|known| same(&known));
        found.ok_or_else(|| format!("no file of values is called '{name}' (-inf)"))
    }

    fn given(&self, name: &str) -> bool {
        self.given.keys.contains_key(name)
    }

    fn readable(&self, path: &str) -> Result<(), String> {
        std::fs::File::open(path).map(drop).map_err(|error| format!("{path}: {error}"))
    }
}

fn variable(scenario: &mut Scenario, name: &str) -> VariableId {
    let known = scenario.variables.iter().position(|variable| variable.name == name);
    known.unwrap_or_else(|| {
        scenario.variables.push(Variable { name: name.to_owned(), scope: Scope::Call });
        scenario.variables.len() - 1
    })
}

/// The place of a name in a list, put there if it is new.
fn named(list: &mut Vec<String>, name: &str) -> usize {
    list.iter().position(|known| known == name).unwrap_or_else(|| {
        list.push(name.to_owned());
        list.len() - 1
    })
}

impl<'a> Compiler<'a> {
    fn new(text: &'a str, given: &'a Given) -> Compiler<'a> {
        Compiler {
            text,
            given,
            out: Compiled::default(),
            labels: BTreeMap::new(),
            wanted: Vec::new(),
            transactions: Vec::new(),
            methods: Vec::new(),
            hides: false,
            differs: Vec::new(),
        }
    }

    fn fault(&mut self, at: usize, what: impl Into<String>) {
        self.out.faults.push(xml::fault(self.text, at, what));
    }

    fn root(&mut self, mut root: Element) {
        let mut attributes = Attributes::of(&mut root);
        self.out.scenario.name = attributes.text("name").unwrap_or_default();
        self.nothing_left(attributes);
        for element in std::mem::take(&mut root.children) {
            if self.out.scenario.steps.len() >= STEPS_MAX {
                return self.fault(element.at, format!("more than {STEPS_MAX} steps"));
            }
            let (name, at) = (element.name.clone(), element.at);
            self.element(element);
            let differs = std::mem::take(&mut self.differs);
            self.out.notes.push(Note { line: xml::place(self.text, at).0, element: name, differs });
        }
        self.resolve();
        self.optional_ends();
        self.out.scenario.transactions = self.transactions.len();
        let known = |name| self.out.scenario.variables.iter().position(|variable| variable.name == name);
        (self.out.scenario.broken_off, self.out.scenario.paused_until) =
            (known("_unexp.retaddr"), known("_unexp.pausedaddr"));
        self.out.scenario.unexpected = self.labels.get("_unexp.main").copied();
        if !self.out.scenario.steps.iter().any(|step| matches!(step.kind, Kind::Send(_) | Kind::Recv(_))) {
            self.fault(root.at, "a scenario sends or receives something");
        }
    }

    /// What may come is waited for together with what must come: something must, before anything else is done.
    fn optional_ends(&mut self) {
        let steps = &self.out.scenario.steps;
        let may = |kind: &Kind| match kind {
            Kind::Recv(expecting) => expecting.optional == Optional::Yes,
            Kind::Await(awaiting) => awaiting.optional == Optional::Yes,
            Kind::Send(_) | Kind::Command(_) | Kind::Pause(_) | Kind::Nop => false,
        };
        let faults: Vec<Fault> = steps
            .windows(2)
            .filter(|pair| may(&pair[0].kind) && !matches!(pair[1].kind, Kind::Recv(_) | Kind::Await(_)))
            .map(|pair| Fault {
                line: pair[0].line,
                column: 1,
                text: "optional=\"true\" wants a <recv> that is not optional after it".to_owned(),
            })
            .collect();
        self.out.faults.extend(faults);
    }

    fn element(&mut self, element: Element) {
        match element.name.as_str() {
            "send" => self.send(element),
            "recv" => self.recv(element),
            "pause" | "timewait" => self.pause(element),
            "nop" => self.nop(element),
            "label" => self.label(element),
            "Global" => self.scope(element, Scope::Global),
            "User" => self.scope(element, Scope::User),
            "Reference" => self.scope(element, Scope::Call),
            "ResponseTimeRepartition" => self.limits(element, true),
            "CallLengthRepartition" => self.limits(element, false),
            "sendCmd" => self.send_command(element),
            "recvCmd" => self.receive_command(element),
            "init" => self.init(element),
            name => {
                let what = format!(
                    "unknown element <{name}>: want send, recv, sendCmd, recvCmd, pause, nop, label, timewait, Global, User, Reference, \
                     ResponseTimeRepartition, CallLengthRepartition or init"
                );
                self.fault(element.at, what);
            }
        }
    }

    /// Steps that are taken once, before the first call; their labels are their own.
    fn init(&mut self, mut element: Element) {
        let attributes = Attributes::of(&mut element);
        self.nothing_left(attributes);
        let outside = (
            std::mem::take(&mut self.out.scenario.steps),
            std::mem::take(&mut self.labels),
            std::mem::take(&mut self.wanted),
        );
        self.out.scenario.steps = std::mem::take(&mut self.out.scenario.init);
        for child in element.children {
            match child.name.as_str() {
                "nop" => self.nop(child),
                "label" => self.label(child),
                name => self.fault(child.at, format!("<{name}> in <init>: want nop or label")),
            }
        }
        self.resolve();
        let said = |action: &Action| matches!(action, Action::Media(_) | Action::Redirect { .. } | Action::Close);
        if self.out.scenario.steps.iter().flat_map(|step| &step.actions).any(said) {
            self.fault(element.at, "<init> has no call: neither media nor setdest nor closecon");
        }
        self.out.scenario.init = std::mem::take(&mut self.out.scenario.steps);
        (self.out.scenario.steps, self.labels, self.wanted) = outside;
    }

    fn label(&mut self, mut element: Element) {
        let mut attributes = Attributes::of(&mut element);
        match attributes.text("id") {
            None => self.fault(element.at, "<label> wants id"),
            Some(id) => {
                let here = self.out.scenario.steps.len();
                if self.labels.insert(id.clone(), here).is_some() {
                    self.fault(element.at, format!("label '{id}' stands twice"));
                }
            }
        }
        self.nothing_left(attributes);
    }

    fn scope(&mut self, mut element: Element, scope: Scope) {
        let mut attributes = Attributes::of(&mut element);
        let named = attributes.take("variables");
        let names = named.iter().flat_map(|named| named.value.split(',')).map(str::trim);
        for name in names.filter(|name| !name.is_empty()) {
            let known = self.out.scenario.variables.iter().any(|variable| variable.name == name);
            // SIPp reads from top to bottom, and ends here.
            if scope == Scope::Call && !known {
                self.fault(element.at, format!("no variable is called '{name}' above: <Reference> follows its use"));
                continue;
            }
            let id = variable(&mut self.out.scenario, name);
            if scope != Scope::Call {
                self.out.scenario.variables[id].scope = scope;
            }
        }
        self.nothing_left(attributes);
    }

    fn limits(&mut self, mut element: Element, times: bool) {
        let mut attributes = Attributes::of(&mut element);
        if let Some(value) = attributes.take("value") {
            let parsed: Result<Vec<u64>, _> = value.value.split(',').map(|limit| limit.trim().parse()).collect();
            match parsed {
                Ok(limits) if times => self.out.scenario.time_limits = limits,
                Ok(limits) => self.out.scenario.length_limits = limits,
                Err(_) => self.fault(value.at, "want milliseconds with commas between them"),
            }
        }
        self.nothing_left(attributes);
    }

    fn nothing_left(&mut self, attributes: Attributes) {
        for attribute in attributes.left {
            self.fault(attribute.at, format!("unknown attribute '{}' of <{}>", attribute.name, attributes.element));
        }
    }

    /// Labels become steps.
    fn resolve(&mut self) {
        for wanted in std::mem::take(&mut self.wanted) {
            let Some(to) = self.labels.get(&wanted.name).copied() else {
                self.fault(wanted.at, format!("no label is called '{}'", wanted.name));
                continue;
            };
            let step = &mut self.out.scenario.steps[wanted.step];
            match (wanted.what, &mut step.kind) {
                (Label::Next, _) => {
                    if let Some(branch) = &mut step.branch {
                        branch.to = to;
                    }
                }
                (Label::OnTimeout, Kind::Send(sending)) => sending.on_timeout = Some(to),
                (Label::OnTimeout, Kind::Recv(expecting)) => expecting.on_timeout = Some(to),
                (Label::OnTimeout, Kind::Await(awaiting)) => awaiting.on_timeout = Some(to),
                (Label::OnTimeout, Kind::Command(_) | Kind::Pause(_) | Kind::Nop) => {}
            }
        }
    }

    fn variable(&mut self, name: &str) -> VariableId {
        variable(&mut self.out.scenario, name.trim())
    }

    /// A text with keywords that stands at this byte of the file.
    fn template(&mut self, text: &str, at: usize) -> Template {
        let mut names = Resolver { scenario: &mut self.out.scenario, given: self.given };
        match template::cut(text, &mut names) {
            Ok(template) => template,
            Err((_, what)) => {
                self.fault(at, what);
                Template::default()
            }
        }
    }

    fn flag(&mut self, attributes: &mut Attributes, name: &str) -> bool {
        let Some(attribute) = attributes.take(name) else { return false };
        match attribute.value.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => true,
            "false" | "0" | "no" | "off" | "" => false,
            _ => {
                self.fault(attribute.at, format!("'{}' is neither true nor false", attribute.value));
                false
            }
        }
    }

    fn number(&mut self, attribute: &Attribute) -> f64 {
        attribute.value.trim().parse().unwrap_or_else(|_| {
            self.fault(attribute.at, format!("'{}' is no number", attribute.value));
            0.0
        })
    }

    /// A span in milliseconds; a unit may follow.
    fn milliseconds(&mut self, attribute: &Attribute) -> u64 {
        super::options::span_ms(&attribute.value, 1).unwrap_or_else(|what| {
            self.fault(attribute.at, what);
            0
        })
    }
}
