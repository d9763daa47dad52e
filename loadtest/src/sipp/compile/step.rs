//! Elements that are steps.

use super::{Attributes, Compiler, Label, Wanted, named};
use crate::sipp::ere;
use crate::sipp::scenario::{Awaiting, Branch, Commanding, Expected, Expecting, Kind, Optional, Pause, Sending, Step};
use crate::sipp::spread::Spread;
use crate::sipp::template;
use crate::sipp::xml::{self, Element};

impl Compiler<'_> {
    pub(super) fn send(&mut self, mut element: Element) {
        let mut attributes = Attributes::of(&mut element);
        if element.text.trim().is_empty() {
            self.fault(element.at, "<send> wants a message in <![CDATA[ … ]]>");
        }
        let text = self.message(&element);
        let first = text.lines().next().unwrap_or_default();
        let mut words = first.split(' ');
        let (word, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let request = word != "SIP/2.0";
        let title = if request { word } else { second }.to_owned();
        let counted = request && !matches!(word, "ACK" | "CANCEL");
        if request && !self.methods.contains(&title) {
            self.methods.push(title.clone());
        }
        let message = self.template_of_message(&text, &element);
        let retrans_ms = attributes.take("retrans").map(|attribute| self.milliseconds(&attribute));
        let lost = self.share(&mut attributes, "lost");
        let starts = self.transaction(&mut attributes, "start_txn");
        let acknowledges = self.transaction(&mut attributes, "ack_txn");
        let sending = Sending { message, title, counted, retrans_ms, lost, starts, acknowledges, on_timeout: None };
        self.step(element, attributes, Kind::Send(Box::new(sending)));
    }

    /// The text of a message as it is sent.
    fn message(&mut self, element: &Element) -> String {
        template::message(&element.text)
    }

    fn template_of_message(&mut self, text: &str, element: &Element) -> template::Template {
        let mut names = super::Resolver { scenario: &mut self.out.scenario, given: self.given };
        match template::cut(text, &mut names) {
            Ok(template) => template,
            Err((at, what)) => {
                // The same line of the file: indentation went, lines stayed.
                let line = text[..at].matches('\n').count();
                let skipped = element.text.len() - element.text.trim_start().len();
                let mut file_at = element.text_at + "<![CDATA[".len() + skipped;
                for _ in 0..line {
                    let rest = self.text.get(file_at..).unwrap_or_default();
                    file_at += rest.find('\n').map_or(0, |end| end + 1);
                }
                let rest = self.text.get(file_at..).unwrap_or_default();
                let within = text[..at].rsplit('\n').next().map_or(0, str::len);
                let indented = rest.len() - rest.trim_start_matches([' ', '\t']).len();
                self.out.faults.push(xml::fault(self.text, file_at + indented + within, what));
                template::Template::default()
            }
        }
    }

    pub(super) fn send_command(&mut self, mut element: Element) {
        let mut attributes = Attributes::of(&mut element);
        if element.text.trim().is_empty() {
            self.fault(element.at, "<sendCmd> wants a command in <![CDATA[ … ]]>");
        }
        let text = self.message(&element);
        let text = self.template_of_message(&text, &element);
        let to = attributes.text("dest");
        self.step(element, attributes, Kind::Command(Box::new(Commanding { text, to })));
    }

    pub(super) fn receive_command(&mut self, mut element: Element) {
        let mut attributes = Attributes::of(&mut element);
        let optional = self.optional(&mut attributes);
        let from = attributes.text("src");
        self.step(element, attributes, Kind::Await(Awaiting { from, optional, on_timeout: None }));
    }

    fn share(&mut self, attributes: &mut Attributes, name: &str) -> Option<f64> {
        let attribute = attributes.take(name)?;
        let percent = self.number(&attribute);
        if !(0.0..=100.0).contains(&percent) {
            self.fault(attribute.at, format!("{name} is a percentage: 0 to 100"));
        }
        Some(percent / 100.0)
    }

    fn transaction(&mut self, attributes: &mut Attributes, name: &str) -> Option<usize> {
        let name = attributes.text(name)?;
        Some(named(&mut self.transactions, &name))
    }

    pub(super) fn recv(&mut self, mut element: Element) {
        let mut attributes = Attributes::of(&mut element);
        let like = self.flag(&mut attributes, "regexp_match");
        let (what, title) = self.expected(&mut attributes, like);
        let optional = self.optional(&mut attributes);
        let timeout_ms = attributes.take("timeout").map(|attribute| self.milliseconds(&attribute));
        let routes = self.flag(&mut attributes, "rrs");
        let auth = self.flag(&mut attributes, "auth");
        let lost = self.share(&mut attributes, "lost");
        let transaction = self.transaction(&mut attributes, "response_txn");
        self.flag(&mut attributes, "ignoresdp");
        let answers = self.methods.clone();
        let what = what.unwrap_or(Expected::Response(0));
        let expecting =
            Expecting { what, title, optional, timeout_ms, on_timeout: None, routes, auth, lost, transaction, answers };
        self.step(element, attributes, Kind::Recv(Box::new(expecting)));
    }

    /// What is expected, and how it is called.
    fn expected(&mut self, attributes: &mut Attributes, like: bool) -> (Option<Expected>, String) {
        let (request, response) = (attributes.take("request"), attributes.take("response"));
        match (request, response) {
            (Some(request), None) if like => {
                (self.regex(&request.value, request.at).map(Expected::RequestLike), request.value)
            }
            (Some(request), None) => (Some(Expected::Request(request.value.clone())), request.value),
            (None, Some(response)) if like => {
                (self.regex(&response.value, response.at).map(Expected::ResponseLike), response.value)
            }
            (None, Some(response)) => match response.value.trim().parse() {
                Ok(status @ 100..=699) => (Some(Expected::Response(status)), response.value),
                _ => {
                    self.fault(
                        response.at,
                        format!("'{}' is no status: 100 to 699, or regexp_match=\"true\"", response.value),
                    );
                    (None, response.value)
                }
            },
            (Some(_), Some(response)) => {
                self.fault(response.at, "<recv> wants request or response, not both");
                (None, String::new())
            }
            (None, None) => {
                self.fault(attributes.at, "<recv> wants request or response");
                (None, String::new())
            }
        }
    }

    fn optional(&mut self, attributes: &mut Attributes) -> Optional {
        let Some(attribute) = attributes.take("optional") else { return Optional::No };
        match attribute.value.as_str() {
            "global" => Optional::Global,
            "true" => Optional::Yes,
            "false" => Optional::No,
            _ => {
                self.fault(attribute.at, format!("'{}': want true, false or global", attribute.value));
                Optional::No
            }
        }
    }

    pub(super) fn regex(&mut self, expression: &str, at: usize) -> Option<regex::Regex> {
        self.differs.extend(ere::differs(expression).map(str::to_owned));
        ere::compile(expression).map_err(|what| self.fault(at, what)).ok()
    }

    pub(super) fn pause(&mut self, mut element: Element) {
        let mut attributes = Attributes::of(&mut element);
        self.flag(&mut attributes, "sanity_check");
        let variable = attributes.text("variable").map(|name| self.variable(&name));
        // Older files say normal="true" for distribution="normal".
        for attribute in attributes.left.iter_mut().filter(|attribute| Spread::wants(&attribute.name).is_ok()) {
            let name = std::mem::replace(&mut attribute.name, "distribution".to_owned());
            attribute.value = name;
        }
        let drawn = self.spread(&mut attributes);
        let linger = element.name == "timewait";
        let pause = match (variable, drawn) {
            (_, Some(spread)) if linger => Pause::Linger(spread),
            (_, None) if linger => Pause::Linger(Spread::Fixed(0.0)),
            (Some(variable), _) => Pause::Variable(variable),
            (None, Some(spread)) => Pause::Drawn(spread),
            (None, None) => Pause::Asked,
        };
        self.step(element, attributes, Kind::Pause(pause));
    }

    /// A distribution as attributes name it.
    pub(super) fn spread(&mut self, attributes: &mut Attributes) -> Option<Spread> {
        if let Some(attribute) = attributes.take("milliseconds") {
            return Some(Spread::Fixed(self.milliseconds(&attribute) as f64));
        }
        let name = match attributes.take("distribution") {
            Some(name) => name,
            None if attributes.left.iter().any(|attribute| attribute.name == "min") => {
                xml::Attribute { name: String::new(), value: "uniform".to_owned(), at: attributes.at }
            }
            None => return None,
        };
        let wants = Spread::wants(&name.value).map_err(|what| self.fault(name.at, what)).ok()?;
        let mut values = Vec::new();
        for want in wants {
            match attributes.take(want) {
                Some(attribute) => values.push(self.number(&attribute)),
                None if *want == "x_offset" || *want == "location" => values.push(0.0),
                None => self.fault(name.at, format!("distribution '{}' wants {want}", name.value)),
            }
        }
        let spread = Spread::named(&name.value, &values);
        if spread.is_none() && values.len() == wants.len() {
            self.fault(name.at, format!("distribution '{}' wants other values than these", name.value));
        }
        spread
    }

    pub(super) fn nop(&mut self, mut element: Element) {
        let attributes = Attributes::of(&mut element);
        self.step(element, attributes, Kind::Nop);
    }

    /// What every step may have, and the step itself.
    fn step(&mut self, element: Element, mut attributes: Attributes, kind: Kind) {
        let index = self.out.scenario.steps.len();
        if let Some(label) = attributes.take("ontimeout") {
            if !matches!(kind, Kind::Send(_) | Kind::Recv(_) | Kind::Await(_)) {
                self.fault(label.at, "ontimeout belongs to send, recv and recvCmd");
            }
            self.wanted.push(Wanted { step: index, what: Label::OnTimeout, name: label.value, at: label.at });
        }
        let branch = self.branch(&mut attributes, index);
        let guard = attributes.text("condexec").map(|name| self.variable(&name));
        let inverse = self.flag(&mut attributes, "condexec_inverse");
        let begins = attributes.text("start_rtd").map(|name| named(&mut self.out.scenario.times, rtd(&name)));
        let ends = attributes.text("rtd").filter(|name| name != "false");
        let ends = ends.map(|name| named(&mut self.out.scenario.times, rtd(&name)));
        let repeats = self.flag(&mut attributes, "repeat_rtd");
        let counter = attributes.text("counter").map(|name| named(&mut self.out.scenario.counters, &name));
        let crlf = self.flag(&mut attributes, "crlf");
        if attributes.left.iter().any(|attribute| attribute.name == "hiderest") {
            self.hides = self.flag(&mut attributes, "hiderest");
        }
        let told = attributes.left.iter().any(|attribute| attribute.name == "hide");
        let hidden = if told { self.flag(&mut attributes, "hide") } else { self.hides };
        attributes.take("display");
        self.nothing_left(attributes);
        let actions = self.actions(element.children);
        let line = xml::place(self.text, element.at).0;
        let guard = guard.map(|variable| (variable, inverse));
        let step = Step { line, kind, branch, guard, begins, ends, repeats, counter, actions, crlf, hidden };
        self.out.scenario.steps.push(step);
    }

    fn branch(&mut self, attributes: &mut Attributes, step: usize) -> Option<Branch> {
        let test = attributes.text("test").map(|name| self.variable(&name));
        let chance = attributes.take("chance").map_or(1.0, |attribute| {
            let chance = self.number(&attribute);
            if !(0.0..=1.0).contains(&chance) {
                self.fault(attribute.at, "chance is a share: 0 to 1");
            }
            chance
        });
        let label = attributes.take("next")?;
        self.wanted.push(Wanted { step, what: Label::Next, name: label.value, at: label.at });
        Some(Branch { to: 0, test, chance })
    }
}

/// SIPp calls the first response time `true` where nobody names it.
fn rtd(name: &str) -> &str {
    if name == "true" { "1" } else { name }
}
