//! A message for a call: which step it fits, and what follows.

use std::net::SocketAddr;

use rand::Rng;

use super::{Call, REPEATS_MAX};
use crate::clock::MS;
use crate::sipp::heard;
use crate::sipp::scenario::{Expected, Expecting, Kind, Optional, Pause};
use crate::sipp::statistics::Count;
use crate::sipp::wire::Way;
use crate::sipp::world::{Value, World};

impl Call {
    /// A message came.
    pub fn hear(&mut self, way: Way, from: SocketAddr, text: String, world: &mut World) {
        if self.paused.is_some() && world.options.pause_ignores {
            return;
        }
        if !self.scenario.calls() && !self.redirected {
            // A connection may have been made anew; what is answered goes where it came from.
            (self.birth.way, self.birth.peer) = (way, from);
        }
        let print = if world.options.rare.loose { heard::loose_print(&text) } else { heard::fingerprint(&text) };
        if world.options.transport.datagrams() && !world.options.no_retrans && self.heard_again(print, &text, world) {
            return;
        }
        if heard::status(&text).is_some()
            && let Some(tag) = heard::peer_tag(&text)
        {
            self.peer_tag = tag;
        }
        self.place(print, text, world);
    }

    /// Goes on by the step that a message fits.
    pub(super) fn place(&mut self, print: u64, text: String, world: &mut World) {
        match self.find(&text, heard::status(&text)) {
            Some(index) => self.heard_at(index, print, text, world),
            None => self.unexpected(print, text, world),
        }
    }

    /// The scenario's part for messages that nobody expects hears one, unless it is at work on one; true if that is all that follows.
    fn handled(&mut self, print: u64, text: &str, world: &mut World) -> bool {
        let Some(label) = self.scenario.unexpected else { return false };
        if let Some(variable) = self.scenario.broken_off {
            if self.value(variable, world).number() != 0.0 {
                return false;
            }
            *self.value(variable, world) = Value::Number(self.step as f64);
        } else if self.handling.replace(print) == Some(print) {
            // That part does not know it either, and would begin anew without end.
            return false;
        }
        if let Some(variable) = self.scenario.paused_until {
            *self.value(variable, world) = Value::Number((self.paused.unwrap_or(0) / MS) as f64);
        }
        self.queued = Some((print, text.to_owned()));
        self.resend = None;
        self.go(label);
        self.run(world);
        true
    }

    /// What was heard and answered already is answered again; true if that is all that follows.
    fn heard_again(&mut self, print: u64, text: &str, world: &mut World) -> bool {
        if let Some(mut answered) = self.answered.take_if(|answered| answered.heard == print) {
            // A scenario that says a request again to the letter gets the same response again: the answer where one is waited for, and in no
            // case a reason to say the request once more.
            let status = heard::status(text);
            let belongs = status.is_some() && is_answered_by(&answered.text, text);
            let fresh = belongs && self.find(text, status).is_some_and(|step| step >= self.step);
            if !fresh {
                world.statistics.steps[answered.recv].again += 1;
                if !belongs && answered.times < REPEATS_MAX {
                    answered.times += 1;
                    world.statistics.steps[answered.send].again += 1;
                    world.statistics.count(Count::Retransmissions);
                    self.put(&answered.text, world);
                }
            }
            self.answered = Some(answered);
            return !fresh;
        }
        if let Some((_, step)) = self.last.filter(|(last, _)| *last == print) {
            world.statistics.steps[step].again += 1;
            return true;
        }
        false
    }

    /// The step that a message fits.
    fn find(&self, text: &str, status: Option<u16>) -> Option<usize> {
        let (method, answers, branch) = (heard::method(text), heard::cseq(text).1, heard::branch(text));
        let fits = |step: usize| match &self.scenario.steps[step].kind {
            Kind::Recv(expecting) => self.fits(expecting, status, method, answers, branch).then_some(expecting),
            Kind::Send(_) | Kind::Command(_) | Kind::Await(_) | Kind::Pause(_) | Kind::Nop => None,
        };
        for step in self.step..self.scenario.steps.len() {
            if fits(step).is_some() {
                return Some(step);
            }
            if self.optional(step) == Optional::No {
                break;
            }
        }
        let mut near = true;
        for step in (0..self.step.min(self.scenario.steps.len())).rev() {
            let optional = self.optional(step);
            near &= optional != Optional::No;
            if (near || optional == Optional::Global) && fits(step).is_some() {
                return Some(step);
            }
        }
        None
    }

    /// Whether what a step waits for must come.
    pub(super) fn optional(&self, step: usize) -> Optional {
        match &self.scenario.steps[step].kind {
            Kind::Recv(expecting) => expecting.optional,
            Kind::Await(awaiting) => awaiting.optional,
            Kind::Send(_) | Kind::Command(_) | Kind::Pause(_) | Kind::Nop => Optional::No,
        }
    }

    fn fits(&self, wanted: &Expecting, status: Option<u16>, method: &str, answers: &str, branch: &str) -> bool {
        let right = match (&wanted.what, status) {
            (Expected::Request(name), None) => name == method,
            (Expected::RequestLike(like), None) => like.is_match(method),
            (Expected::Response(code), Some(status)) => *code == status,
            (Expected::ResponseLike(like), Some(status)) => like.is_match(&status.to_string()),
            (Expected::Request(_) | Expected::RequestLike(_), Some(_))
            | (Expected::Response(_) | Expected::ResponseLike(_), None) => false,
        };
        let ours = match (status, wanted.transaction) {
            (None, _) => true,
            (Some(_), Some(transaction)) => self.transactions[transaction] == branch,
            // A response answers a request that was sent before it.
            (Some(_), None) => wanted.answers.is_empty() || wanted.answers.iter().any(|sent| sent == answers),
        };
        right && ours
    }

    fn heard_at(&mut self, index: usize, print: u64, text: String, world: &mut World) {
        let scenario = self.scenario.clone();
        let step = &scenario.steps[index];
        let Kind::Recv(expecting) = &step.kind else { return };
        let lost = expecting.lost.unwrap_or(0.0);
        if lost > 0.0 && world.chance.random::<f64>() < lost {
            world.statistics.steps[index].lost += 1;
            return;
        }
        self.resend = None;
        world.statistics.steps[index].done += 1;
        self.book(step, world);
        let status = heard::status(&text);
        let (number, method) = heard::cseq(&text);
        // The other side may be further, and its own requests count too.
        self.cseq = self.cseq.max(number);
        if method == "INVITE" && status.is_some_and(|status| (200..300).contains(&status)) {
            self.ack_pending = !self.established;
        }
        if expecting.routes {
            self.learn_routes(&text, status.is_some());
        }
        if expecting.auth && !self.learn_challenge(&text) {
            world.traces.error(&format!(
                "Call-Id: {}: no challenge in {}",
                self.birth.id,
                text.lines().next().unwrap_or("")
            ));
        }
        self.learn_media(&text);
        self.heard = text;
        self.last = Some((print, index));
        let here = self.step;
        self.act(&step.actions, world);
        if self.over || self.step != here {
            return self.run(world);
        }
        let branches = match &step.branch {
            Some(branch) => branch.test.is_none_or(|variable| self.is_set(variable, world)),
            None => false,
        };
        if expecting.optional == Optional::No || branches {
            self.step = index;
            self.next(world);
        }
        self.run(world);
    }

    /// RFC 3261 §12.1: the route set is Record-Route, reversed for who asked; the target is Contact.
    fn learn_routes(&mut self, text: &str, response: bool) {
        let mut routes: Vec<&str> = heard::headers(text, "Record-Route")
            .filter_map(|line| line.split_once(':'))
            .flat_map(|(_, value)| value.split(','))
            .map(str::trim)
            .collect();
        if response {
            routes.reverse();
        }
        if let Some(contact) = heard::value(text, "Contact") {
            heard::uri(contact).clone_into(&mut self.next_url);
        }
        self.routes = if routes.is_empty() { String::new() } else { format!("Route: {}", routes.join(", ")) };
        // RFC 3261 §12.2.1.1: a first route without ;lr is a strict router, which wants to be the target itself.
        if let Some(first) = routes.first().filter(|first| !first.contains(";lr")) {
            let target = std::mem::replace(&mut self.next_url, heard::uri(first).to_owned());
            let rest: Vec<String> =
                routes[1..].iter().map(|route| (*route).to_owned()).chain([format!("<{target}>")]).collect();
            self.routes = format!("Route: {}", rest.join(", "));
        }
    }

    fn learn_challenge(&mut self, text: &str) -> bool {
        for (proxy, name) in [(true, "Proxy-Authenticate"), (false, "WWW-Authenticate")] {
            let mut values = heard::headers(text, name).filter_map(|line| line.split_once(':')).map(|(_, v)| v.trim());
            // The first that we can answer; RFC 8760 §2.4 puts the best first.
            let known = |value: &&str| value.starts_with("Digest") && !value.contains("SHA-512");
            if let Some(value) = values.find(known) {
                self.challenge = Some((proxy, value.to_owned()));
                self.proofs = 0;
                return true;
            }
        }
        false
    }

    /// A message that fits no step.
    fn unexpected(&mut self, print: u64, text: String, world: &mut World) {
        let step = self.scenario.steps.get(self.step).map(|step| &step.kind);
        if matches!(step, Some(Kind::Pause(Pause::Linger(_)))) {
            return world.statistics.count(Count::DeadCall);
        }
        if self.handled(print, &text, world) {
            return;
        }
        let method = heard::method(&text).to_owned();
        let first = text.lines().next().unwrap_or_default().to_owned();
        let (own, behaviours) = (world.own.clone(), world.options.behaviours);
        match method.as_str() {
            "INFO" | "NOTIFY" | "OPTIONS" | "UPDATE" if world.options.auto_answer => {
                self.answer(text, &own.ok, world);
                return world.statistics.count(Count::AutoAnswered);
            }
            "PING" if behaviours.ping => return self.answer(text, &own.ok, world),
            _ => {}
        }
        if let Some(counts) = world.statistics.steps.get_mut(self.step) {
            counts.unexpected += 1;
        }
        if let Some(status) = heard::status(&text) {
            world.statistics.unexpected(status);
        }
        let expected = self.expected();
        let id = &self.birth.id;
        if !behaviours.abort {
            return world.warn(&format!("Continuing call {id} on '{first}' while expecting {expected}"));
        }
        world.warn(&format!(
            "Aborting call on unexpected message for Call-Id '{id}': while expecting {expected} (index {}), received '{first}'",
            self.step
        ));
        self.abort_twin(world);
        match method.as_str() {
            "BYE" | "CANCEL" if behaviours.bye => {
                self.answer(text, &own.ok, world);
                self.end(world, Some(Count::Unexpected));
            }
            _ => {
                if method.is_empty() {
                    self.heard = text;
                }
                self.abort(world, Count::Unexpected);
            }
        }
    }

    fn expected(&self) -> String {
        match self.scenario.steps.get(self.step).map(|step| &step.kind) {
            Some(Kind::Recv(expecting)) => format!("'{}'", expecting.title),
            Some(Kind::Pause(_)) => "a pause to end".to_owned(),
            Some(Kind::Await(_)) => "a command".to_owned(),
            Some(Kind::Send(_) | Kind::Command(_) | Kind::Nop) | None => "nothing".to_owned(),
        }
    }

    /// Answers a message that the scenario knows nothing of, and forgets it.
    fn answer(&mut self, text: String, with: &crate::sipp::template::Template, world: &mut World) {
        let heard = std::mem::replace(&mut self.heard, text);
        self.say(with, world);
        self.heard = heard;
    }
}

/// Whether this is a request to which that response belongs (RFC 3261 §17.1.3).
fn is_answered_by(asked: &str, response: &str) -> bool {
    let (number, method) = heard::cseq(response);
    heard::method(asked) == method && heard::cseq(asked).0 == number && heard::branch(asked) == heard::branch(response)
}
