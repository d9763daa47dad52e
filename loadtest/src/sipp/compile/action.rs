//! Elements within `<action>`.

use super::{Attributes, Compiler};
use crate::sipp::scenario::{Action, Arithmetic, Check, Compare, Internal, Media, Operand, Place, Said, VariableId};
use crate::sipp::template::{Names as _, Template};
use crate::sipp::xml::{self, Element};

impl Compiler<'_> {
    pub(super) fn actions(&mut self, children: Vec<Element>) -> Vec<Action> {
        let mut out = Vec::new();
        for child in children {
            if child.name != "action" {
                self.fault(child.at, format!("unknown element <{}> within a step: want <action>", child.name));
                continue;
            }
            for mut element in child.children {
                let mut attributes = Attributes::of(&mut element);
                out.extend(self.action(&element.name, &mut attributes));
                self.nothing_left(attributes);
            }
        }
        out
    }

    /// One action; `None` if it is wrong, which is told.
    fn action(&mut self, name: &str, of: &mut Attributes) -> Option<Action> {
        match name {
            "ereg" => self.search(of),
            "assign" => self.calculate(of, Arithmetic::Assign),
            "add" => self.calculate(of, Arithmetic::Add),
            "subtract" => self.calculate(of, Arithmetic::Subtract),
            "multiply" => self.calculate(of, Arithmetic::Multiply),
            "divide" => self.calculate(of, Arithmetic::Divide),
            "assignstr" => {
                let into = self.into(of)?;
                Some(Action::SetText { into, text: self.wanted_text(of, "value")? })
            }
            "test" => self.test(of),
            "strcmp" => self.compare_text(of),
            "todouble" => {
                let into = self.into(of)?;
                Some(Action::ToNumber { into, from: self.wanted_variable(of, "variable")? })
            }
            "trim" => self.into(of).map(Action::Trim),
            "urldecode" => self.wanted_variable(of, "variable").map(Action::UrlDecode),
            "urlencode" => self.wanted_variable(of, "variable").map(Action::UrlEncode),
            "jump" => self.operand(of).map(Action::Jump),
            "pauserestore" => self.operand(of).map(Action::Resume),
            "insert" => {
                let file = self.file(of)?;
                Some(Action::Insert { file, text: self.wanted_text(of, "value")? })
            }
            "replace" => {
                let (file, line) = (self.file(of)?, self.wanted_text(of, "line")?);
                Some(Action::Replace { file, line, text: self.wanted_text(of, "value")? })
            }
            "setdest" => {
                let (host, port) = (self.wanted_text(of, "host")?, self.wanted_text(of, "port")?);
                Some(Action::Redirect { host, port, protocol: self.wanted_text(of, "protocol")? })
            }
            "rtp_echo" => self.operand(of).map(Action::Echo),
            "closecon" => Some(Action::Close),
            "log" => Some(Action::Say(Said::Log, self.wanted_text(of, "message")?)),
            "warning" => Some(Action::Say(Said::Warning, self.wanted_text(of, "message")?)),
            "error" => Some(Action::Say(Said::Error, self.wanted_text(of, "message")?)),
            "lookup" => self.lookup(of),
            "verifyauth" => {
                let into = self.into(of)?;
                let username = self.wanted_text(of, "username")?;
                Some(Action::VerifyAuth { into, username, password: self.wanted_text(of, "password")? })
            }
            "gettimeofday" => self.time_of_day(of),
            "sample" => {
                let into = self.into(of)?;
                Some(Action::Sample(into, self.spread(of)?))
            }
            "exec" => self.exec(of),
            _ => {
                self.fault(of.at, refusal(name));
                of.left.clear();
                None
            }
        }
    }

    fn wanted(&mut self, of: &mut Attributes, name: &str) -> Option<xml::Attribute> {
        let found = of.take(name);
        if found.is_none() {
            self.fault(of.at, format!("<{}> wants {name}", of.element));
        }
        found
    }

    fn into(&mut self, of: &mut Attributes) -> Option<VariableId> {
        self.wanted_variable(of, "assign_to")
    }

    fn wanted_variable(&mut self, of: &mut Attributes, name: &str) -> Option<VariableId> {
        let attribute = self.wanted(of, name)?;
        Some(self.variable(&attribute.value))
    }

    fn wanted_text(&mut self, of: &mut Attributes, name: &str) -> Option<Template> {
        let attribute = self.wanted(of, name)?;
        Some(self.template(&attribute.value, attribute.at))
    }

    fn check(&mut self, of: &mut Attributes) -> Check {
        match (self.flag(of, "check_it"), self.flag(of, "check_it_inverse")) {
            (false, false) => Check::No,
            (true, false) => Check::True,
            (false, true) => Check::False,
            (true, true) => {
                self.fault(of.at, "check_it and check_it_inverse contradict each other");
                Check::No
            }
        }
    }

    fn search(&mut self, of: &mut Attributes) -> Option<Action> {
        let expression = self.wanted(of, "regexp")?;
        let expression = self.regex(&expression.value, expression.at);
        let check = self.check(of);
        let any_case = self.flag(of, "case_indep");
        self.flag(of, "start_line");
        let occurrence = of
            .take("occurrence")
            .or_else(|| of.take("occurence"))
            .map_or(1, |attribute| self.number(&attribute) as usize)
            .max(1);
        let place = match of.take("search_in") {
            None => Place::Message,
            Some(place) => match place.value.as_str() {
                "msg" => Place::Message,
                "body" => Place::Body,
                "hdr" => Place::Header(self.wanted(of, "header")?.value, occurrence, any_case),
                "var" => Place::Variable(self.wanted_variable(of, "variable")?),
                _ => {
                    self.fault(place.at, format!("'{}': want msg, hdr, body or var", place.value));
                    Place::Message
                }
            },
        };
        let into = self.wanted(of, "assign_to")?;
        let into: Vec<VariableId> = into.value.split(',').map(|name| self.variable(name)).collect();
        let expression = expression?;
        if into.len() > expression.captures_len() {
            self.fault(
                of.at,
                format!("{} variables, but the expression has {} groups", into.len(), expression.captures_len() - 1),
            );
        }
        Some(Action::Search { expression, place, check, into })
    }

    fn operand(&mut self, of: &mut Attributes) -> Option<Operand> {
        if let Some(value) = of.take("value") {
            return Some(Operand::Number(self.number(&value)));
        }
        let variable = of.take("variable2").or_else(|| of.take("variable"));
        if variable.is_none() {
            self.fault(of.at, format!("<{}> wants value or variable", of.element));
        }
        variable.map(|variable| Operand::Variable(self.variable(&variable.value)))
    }

    fn calculate(&mut self, of: &mut Attributes, how: Arithmetic) -> Option<Action> {
        let into = self.into(of)?;
        let by = self.operand(of)?;
        if how == Arithmetic::Divide && matches!(by, Operand::Number(0.0)) {
            self.fault(of.at, "nothing is divided by zero");
        }
        Some(Action::Calculate { how, into, by })
    }

    fn test(&mut self, of: &mut Attributes) -> Option<Action> {
        let check = self.check(of);
        let into = of.take("assign_to").map(|attribute| self.variable(&attribute.value));
        let left = self.wanted_variable(of, "variable")?;
        let compare = self.wanted(of, "compare")?;
        let right = self.operand(of)?;
        let compare = match compare.value.as_str() {
            "equal" => Compare::Equal,
            "not_equal" => Compare::NotEqual,
            "greater_than" => Compare::Greater,
            "less_than" => Compare::Less,
            "greater_than_equal" => Compare::GreaterOrEqual,
            "less_than_equal" => Compare::LessOrEqual,
            _ => {
                let wants = "equal, not_equal, greater_than, less_than, greater_than_equal or less_than_equal";
                self.fault(compare.at, format!("'{}': want {wants}", compare.value));
                return None;
            }
        };
        Some(Action::Test { into, left, compare, right, check })
    }

    fn compare_text(&mut self, of: &mut Attributes) -> Option<Action> {
        let check = self.check(of);
        let into = of.take("assign_to").map(|attribute| self.variable(&attribute.value));
        let left = self.wanted_variable(of, "variable")?;
        let right = match of.take("variable2") {
            Some(other) => self.template(&format!("[${}]", other.value.trim()), other.at),
            None => self.wanted_text(of, "value")?,
        };
        Some(Action::CompareText { into, left, right, check })
    }

    fn lookup(&mut self, of: &mut Attributes) -> Option<Action> {
        let (into, file) = (self.into(of)?, self.file(of)?);
        Some(Action::Lookup { into, file, key: self.wanted_text(of, "key")? })
    }

    /// A file of values that the command line names too.
    fn file(&mut self, of: &mut Attributes) -> Option<usize> {
        let file = self.wanted(of, "file")?;
        let mut names = super::Resolver { scenario: &mut self.out.scenario, given: self.given };
        let found = names.file(Some(&file.value));
        found.map_err(|what| self.fault(file.at, what)).ok()
    }

    fn time_of_day(&mut self, of: &mut Attributes) -> Option<Action> {
        let attribute = self.wanted(of, "assign_to")?;
        let names: Vec<&str> = attribute.value.split(',').collect();
        let [seconds, micros] = names[..] else {
            self.fault(attribute.at, "want two variables: seconds and microseconds");
            return None;
        };
        Some(Action::TimeOfDay { seconds: self.variable(seconds), micros: self.variable(micros) })
    }

    fn exec(&mut self, of: &mut Attributes) -> Option<Action> {
        if of.take("command").is_some() {
            self.fault(of.at, "exec command is refused: a load test starts no programs; do that around it");
            return None;
        }
        if let Some(order) = of.take("int_cmd") {
            return match order.value.as_str() {
                "stop_call" => Some(Action::Internal(Internal::Call)),
                "stop_gracefully" => Some(Action::Internal(Internal::Gracefully)),
                "stop_now" => Some(Action::Internal(Internal::Now)),
                _ => {
                    self.fault(order.at, format!("'{}': want stop_call, stop_gracefully or stop_now", order.value));
                    None
                }
            };
        }
        if let Some(stream) = of.take("rtp_stream") {
            let stream = self.keyed(stream)?;
            let media = rtp_stream(&stream.value, self.given.payload.unwrap_or(8));
            return media.map_err(|what| self.fault(stream.at, what)).ok().map(Action::Media);
        }
        if let Some(capture) = of.take("play_pcap_audio") {
            let capture = self.keyed(capture)?;
            return Some(Action::Media(Media::Capture(capture.value)));
        }
        if let Some(digits) = of.take("play_dtmf") {
            let media = self.digits(&digits);
            return media.map(Action::Media);
        }
        let other = of.left.first().map_or("nothing", |attribute| attribute.name.as_str()).to_owned();
        of.left.clear();
        self.fault(
            of.at,
            format!("exec {other} is not supported: want int_cmd, rtp_stream, play_pcap_audio or play_dtmf"),
        );
        None
    }

    /// A value that is a whole `[word]` of `-key` is what that stands for.
    fn keyed(&mut self, mut attribute: xml::Attribute) -> Option<xml::Attribute> {
        if let Some(word) = attribute.value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let Some(given) = self.given.keys.get(word) else {
                self.fault(attribute.at, format!("[{word}] is a word of the command line's here: -key {word} VALUE"));
                return None;
            };
            attribute.value = given.clone();
        }
        Some(attribute)
    }

    fn digits(&mut self, attribute: &xml::Attribute) -> Option<Media> {
        let digits = attribute.value.trim();
        if digits.is_empty() || !digits.bytes().all(|digit| b"0123456789*#ABCDabcd".contains(&digit)) {
            self.fault(attribute.at, "play_dtmf wants digits 0 to 9, *, #, A to D");
            return None;
        }
        Some(Media::Digits(digits.to_ascii_uppercase()))
    }
}

fn refusal(name: &str) -> String {
    match name {
        "index" => "<index> is not supported: a file of values has its index from the start (-infindex)".to_owned(),
        _ => format!(
            "unknown action <{name}>: want ereg, assign, assignstr, add, subtract, multiply, divide, test, strcmp, todouble, trim, \
             urldecode, urlencode, jump, pauserestore, log, warning, error, lookup, insert, replace, setdest, closecon, rtp_echo, \
             verifyauth, gettimeofday, sample or exec"
        ),
    }
}

/// `file,loops,payload,codec`, or `pause`, `resume`, `stop`; a file that does not say its payload type has the usual one.
fn rtp_stream(text: &str, usual: u8) -> Result<Media, String> {
    match text.trim() {
        "pause" | "pauseapattern" => return Ok(Media::Pause),
        "resume" | "resumeapattern" => return Ok(Media::Resume),
        "stop" => return Ok(Media::Stop),
        _ => {}
    }
    let mut parts = text.split(',').map(str::trim);
    let file = parts.next().unwrap_or_default();
    if file.is_empty() || file == "apattern" || file == "vpattern" {
        return Err(format!("rtp_stream '{text}': want FILE[,loops[,payload[,codec/rate]]], pause, resume or stop"));
    }
    let number = |part: Option<&str>, usual: i32| match part {
        Some(text) if !text.is_empty() => text.parse::<i32>().map_err(|_| format!("rtp_stream: '{text}' is no number")),
        _ => Ok(usual),
    };
    let times = number(parts.next(), 1)?;
    let payload = number(parts.next(), i32::from(usual))?;
    let payload =
        u8::try_from(payload).ok().filter(|payload| *payload < 128).ok_or("rtp_stream: a payload type is 0 to 127")?;
    let (bytes, ms) = match parts.next().unwrap_or_default() {
        "" if payload == 0 || payload == 8 || payload == 9 => (160, 20),
        "PCMU/8000" | "PCMA/8000" | "G722/8000" => (160, 20),
        "" if payload == 18 => (20, 20),
        "G729/8000" => (20, 20),
        "" if payload == 98 => (50, 30),
        "iLBC/8000" => (50, 30),
        "" => {
            return Err(format!(
                "rtp_stream: payload type {payload} wants its codec behind it, as in {payload},iLBC/8000"
            ));
        }
        other => {
            let known = "PCMU/8000, PCMA/8000, G722/8000, G729/8000 or iLBC/8000";
            return Err(format!("rtp_stream: codec '{other}': want {known}"));
        }
    };
    Ok(Media::Play { file: file.to_owned(), times, payload, bytes, ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_the_payload_type_and_the_packets_of_its_codec() {
        for (text, wanted) in [
            ("a.raw", (1, 8, 160, 20)),
            ("a.raw,-1", (-1, 8, 160, 20)),
            ("a.raw,2,0", (2, 0, 160, 20)),
            ("a.raw,1,18", (1, 18, 20, 20)),
            ("a.raw,1,98", (1, 98, 50, 30)),
            ("a.raw,1,104,iLBC/8000", (1, 104, 50, 30)),
        ] {
            let (times, payload, bytes, ms) = wanted;
            let played = Media::Play { file: "a.raw".to_owned(), times, payload, bytes, ms };
            assert_eq!(rtp_stream(text, 8), Ok(played), "{text}");
        }
        assert!(matches!(rtp_stream("a.raw", 0), Ok(Media::Play { payload: 0, .. })), "as -rtp_payload says");
        assert!(rtp_stream("a.raw,1,104", 8).is_err() && rtp_stream("a.raw,1,8,H264/90000", 8).is_err());
    }
}
