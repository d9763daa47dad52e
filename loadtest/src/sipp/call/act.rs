//! What a step does besides its message.

use std::time::{SystemTime, UNIX_EPOCH};

use super::Call;
use crate::clock::MS;
use crate::digest::Asking;
use crate::sipp::heard;
use crate::sipp::scenario::{Action, Arithmetic, Check, Compare, Internal, Operand, Place, Said, VariableId};
use crate::sipp::statistics::Count;
use crate::sipp::template::Template;
use crate::sipp::world::{Quit, Value, World};

impl Call {
    /// Does them in order, those behind a jump too, until the call is over.
    pub(super) fn act(&mut self, actions: &[Action], world: &mut World) {
        let mut pause = None;
        for action in actions {
            match action {
                Action::Resume(until) => pause = Some((self.operand(until, world).max(0.0) * MS as f64) as u64),
                _ => self.do_one(action, world),
            }
            if self.over {
                return;
            }
        }
        // What was broken off goes on at the step to which they led.
        if let Some(until) = pause.filter(|until| *until > world.clock.now()) {
            self.paused = Some(until);
        }
    }

    fn do_one(&mut self, action: &Action, world: &mut World) {
        match action {
            Action::Search { expression, place, check, into } => self.search(expression, place, *check, into, world),
            Action::Calculate { how, into, by } => self.calculate(*how, *into, by, world),
            Action::SetText { into, text } => {
                let text = self.text(text, world);
                self.set(*into, Value::Text(text), world);
            }
            Action::Test { into, left, compare, right, check } => {
                let (left, right) = (self.value(*left, world).number(), self.operand(right, world));
                let truth = holds(*compare, left, right);
                if let Some(into) = into {
                    self.set(*into, Value::Truth(truth), world);
                }
                self.judge(*check, truth, Count::TestDoesnt, Count::TestShouldnt);
            }
            Action::CompareText { into, left, right, check } => self.compare_text(*into, *left, right, *check, world),
            Action::ToNumber { into, from } => {
                let mut text = String::new();
                self.value(*from, world).write(&mut text);
                let number = text.trim().parse().map_or(Value::Unset, Value::Number);
                self.set(*into, number, world);
            }
            Action::Trim(variable) => self.change(*variable, |text| text.trim().to_owned(), world),
            Action::UrlDecode(variable) => self.change(*variable, decoded, world),
            Action::UrlEncode(variable) => self.change(*variable, encoded, world),
            Action::Echo(on) => world.echoing = self.operand(on, world) != 0.0 && world.options.rtp_echo,
            Action::Jump(to) => {
                let to = self.operand(to, world).max(0.0) as usize;
                self.go(to);
            }
            Action::Insert { file, text } => {
                let text = self.text(text, world);
                world.files[*file].insert(text);
            }
            Action::Replace { file, line, text } => self.replace(*file, line, text, world),
            Action::Redirect { host, port, protocol } => self.redirect(host, port, protocol, world),
            Action::Close => self.close(world),
            Action::Say(how, text) => self.speak(*how, text, world),
            Action::Lookup { into, file, key } => {
                let key = self.text(key, world);
                let line = world.files.get(*file).and_then(|values| values.find(&key));
                self.set(*into, Value::Number(line.map_or(-1.0, |line| line as f64)), world);
            }
            Action::VerifyAuth { into, username, password } => {
                let (username, password) = (self.text(username, world), self.text(password, world));
                let truth = self.proven(&username, &password);
                self.set(*into, Value::Truth(truth), world);
            }
            Action::TimeOfDay { seconds, micros } => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                self.set(*seconds, Value::Number(now.as_secs() as f64), world);
                self.set(*micros, Value::Number(f64::from(now.subsec_micros())), world);
            }
            Action::Sample(into, spread) => {
                let value = spread.draw(&mut world.chance);
                self.set(*into, Value::Number(value), world);
            }
            Action::Internal(order) => self.obey(*order, world),
            Action::Media(media) => self.play(media, world),
            // That is for who does all of a step's.
            Action::Resume(_) => {}
        }
    }

    fn replace(&mut self, file: usize, line: &Template, text: &Template, world: &mut World) {
        let (line, text) = (self.text(line, world), self.text(text, world));
        // A variable that holds zero is nothing as a text.
        let place =
            if line.is_empty() { Some(0.0) } else { line.trim().parse::<f64>().ok().filter(|line| *line >= 0.0) };
        if !place.is_some_and(|place| world.files[file].replace(place as usize, text)) {
            let name = world.options.files[file].clone();
            self.break_off(&format!("Invalid line number ({}) for file: {name}", line.trim()), world);
        }
    }

    fn set(&mut self, variable: VariableId, value: Value, world: &mut World) {
        *self.value(variable, world) = value;
    }

    fn change(&mut self, variable: VariableId, how: impl Fn(&str) -> String, world: &mut World) {
        let mut text = String::new();
        self.value(variable, world).write(&mut text);
        self.set(variable, Value::Text(how(&text)), world);
    }

    fn operand(&mut self, operand: &Operand, world: &mut World) -> f64 {
        match operand {
            Operand::Number(number) => *number,
            Operand::Variable(variable) => self.value(*variable, world).number(),
        }
    }

    /// A wrong outcome lets the call go on, and it has failed.
    fn judge(&mut self, check: Check, truth: bool, doesnt: Count, shouldnt: Count) {
        match (check, truth) {
            (Check::True, false) => self.wrong = Some(doesnt),
            (Check::False, true) => self.wrong = Some(shouldnt),
            (Check::No, _) | (Check::True, true) | (Check::False, false) => {}
        }
    }

    fn search(
        &mut self,
        expression: &regex::Regex,
        place: &Place,
        check: Check,
        into: &[VariableId],
        world: &mut World,
    ) {
        let mut kept = String::new();
        let came = self.commanded.as_deref().unwrap_or(&self.heard);
        let text = match place {
            Place::Message => Some(came),
            Place::Body => Some(heard::body(came)),
            Place::Header(start, which, any_case) => heard::after(came, start, *which, *any_case),
            Place::Variable(variable) => {
                self.value(*variable, world).write(&mut kept);
                Some(kept.as_str())
            }
        };
        let missing = text.is_none();
        let found = text.and_then(|text| expression.captures(text));
        let truth = found.is_some();
        let values: Vec<Option<String>> = found.map_or_else(Vec::new, |found| {
            (0..into.len()).map(|group| found.get(group).map(|part| part.as_str().to_owned())).collect()
        });
        for (variable, value) in into.iter().zip(values) {
            self.set(*variable, value.map_or(Value::Unset, Value::Text), world);
        }
        let doesnt = if missing { Count::RegexpHeader } else { Count::RegexpDoesnt };
        self.judge(check, truth, doesnt, Count::RegexpShouldnt);
        if self.wrong == Some(doesnt) || self.wrong == Some(Count::RegexpShouldnt) {
            let verb = if truth { "fits" } else { "does not fit" };
            world.traces.error(&format!("Call-Id: {}: '{expression}' {verb} {:?}", self.birth.id, text_of(place)));
        }
    }

    fn calculate(&mut self, how: Arithmetic, into: VariableId, by: &Operand, world: &mut World) {
        let by = self.operand(by, world);
        let value = self.value(into, world).number();
        let value = match how {
            Arithmetic::Assign => by,
            Arithmetic::Add => value + by,
            Arithmetic::Subtract => value - by,
            Arithmetic::Multiply => value * by,
            Arithmetic::Divide if by == 0.0 => value,
            Arithmetic::Divide => value / by,
        };
        self.set(into, Value::Number(value), world);
    }

    fn compare_text(
        &mut self,
        into: Option<VariableId>,
        left: VariableId,
        right: &Template,
        check: Check,
        world: &mut World,
    ) {
        let mut first = String::new();
        self.value(left, world).write(&mut first);
        let order = first.cmp(&self.text(right, world));
        if let Some(into) = into {
            self.set(into, Value::Number(f64::from(order as i8)), world);
        }
        self.judge(check, order.is_eq(), Count::StrcmpDoesnt, Count::StrcmpShouldnt);
    }

    fn speak(&mut self, how: Said, text: &Template, world: &mut World) {
        let text = self.text(text, world);
        match how {
            Said::Log => world.traces.log(&text),
            Said::Warning => {
                world.statistics.count(Count::Warnings);
                world.traces.error(&text);
            }
            Said::Error => self.break_off(&text, world),
        }
    }

    /// The run cannot go on, and ends.
    pub(super) fn break_off(&mut self, text: &str, world: &mut World) {
        eprintln!("{text}");
        world.statistics.count(Count::FatalErrors);
        world.traces.error(text);
        self.end(world, Some(Count::Rejected));
        world.end(Quit::Now);
    }

    fn proven(&self, username: &str, password: &str) -> bool {
        let value = heard::value(&self.heard, "Proxy-Authorization").or(heard::value(&self.heard, "Authorization"));
        let (method, body) = (heard::method(&self.heard), heard::body(&self.heard));
        let asking = Asking { username, password, method, uri: "", body: Some(body), count: 1 };
        value.is_some_and(|value| asking.proven(value))
    }

    fn obey(&mut self, order: Internal, world: &mut World) {
        match order {
            Internal::Call => self.end(world, Some(Count::Rejected)),
            Internal::Gracefully => {
                world.commanded = true;
                world.end(Quit::Softly);
            }
            Internal::Now => {
                world.commanded = true;
                world.end(Quit::Now);
            }
        }
    }
}

fn text_of(place: &Place) -> &str {
    match place {
        Place::Message => "the message",
        Place::Body => "the body",
        Place::Header(start, ..) => start,
        Place::Variable(_) => "the variable",
    }
}

fn holds(compare: Compare, left: f64, right: f64) -> bool {
    match compare {
        Compare::Equal => left == right,
        Compare::NotEqual => left != right,
        Compare::Greater => left > right,
        Compare::Less => left < right,
        Compare::GreaterOrEqual => left >= right,
        Compare::LessOrEqual => left <= right,
    }
}

/// `%41` becomes A; what is no such pair stays.
fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let pair = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        let code = pair.filter(|_| *byte == b'%').and_then(|pair| u8::from_str_radix(pair, 16).ok());
        out.push(code.unwrap_or(*byte));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What RFC 3986 §2.3 does not leave as it is becomes a percent sign and its code.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
