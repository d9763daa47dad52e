//! Who plays in a run: originators that place calls and terminators that take them, read from `key=value,…` lines.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::digest::Name;
use crate::draw::{Spread, share, span};

/// Digits of the calling number that carry the call's place in the plan.
pub const PLACE_DIGITS: usize = 8;

/// A carrier that sends calls, from one local address.
#[derive(Clone, Debug)]
pub struct Originator {
    /// How reports call it.
    pub name: String,
    /// The local address that its calls come from.
    pub from: IpAddr,
    /// Its share among originators; any positive number.
    pub weight: f64,
    /// First digits of its calling numbers; the call's place in the plan follows in eight digits.
    pub callers: String,
    /// Digits put before the called number.
    pub tech: String,
    /// How it answers a challenge (401, 407).
    pub auth: Option<Name>,
}

/// A carrier that takes calls, on one local socket.
#[derive(Clone, Debug)]
pub struct Terminator {
    /// How reports call it.
    pub name: String,
    /// The agent that plays it, from 1; they take turns when absent.
    pub agent: Option<u8>,
    /// The local address and port that it listens on.
    pub at: SocketAddr,
    /// From INVITE to 18x.
    pub ring: Spread,
    /// From 18x to 200.
    pub answer: Spread,
    /// 180, 183, or 0 to answer without ringing.
    pub progress: u16,
    /// It says 100 at once.
    pub trying: bool,
    /// Nothing is said before this: no 100, no answer to repeats.
    pub delay: Option<Spread>,
    /// Share of calls that ring with 183 and media before the answer.
    pub early: f64,
    /// Final statuses of refused calls, with their shares.
    pub causes: Vec<(u16, f64)>,
    /// Where a 302 sends the caller; its own address when absent.
    pub moved_to: Option<SocketAddr>,
    /// Share of calls answered at once, without anybody there (false answer supervision).
    pub fas: f64,
    /// INVITEs must prove this name (407).
    pub auth: Option<Name>,
    /// Between two re-INVITEs of an answered call.
    pub reinvite: Option<Duration>,
    /// The interval of the session timer (RFC 4028) in its answers, refreshed at half of it.
    pub timer: Option<Duration>,
    /// Share of calls that ring for ever.
    pub unanswered: f64,
    /// Share of INVITEs that get no response at all.
    pub dead: f64,
    /// Stands still for the second span, from the first one after the run's beginning, like a process that is stopped.
    pub frozen: Option<(Duration, Duration)>,
    /// Its own talking time, for calls that it releases; the run's when absent.
    pub talk: Option<Spread>,
    /// Share of its RTP packets that it does not send.
    pub rtp_loss: f64,
    /// Share of calls in which it sends no RTP at all.
    pub mute: f64,
}

impl Default for Terminator {
    fn default() -> Terminator {
        Terminator {
            name: String::new(),
            agent: None,
            at: SocketAddr::from(([127, 0, 0, 1], 0)),
            ring: Spread::Fixed(Duration::from_millis(20)),
            answer: Spread::Exponential(Duration::from_secs(1)),
            progress: 180,
            trying: true,
            delay: None,
            early: 0.0,
            causes: Vec::new(),
            moved_to: None,
            fas: 0.0,
            unanswered: 0.0,
            dead: 0.0,
            auth: None,
            reinvite: None,
            timer: None,
            frozen: None,
            talk: None,
            rtp_loss: 0.0,
            mute: 0.0,
        }
    }
}

impl Terminator {
    /// Between two refreshments of an answered call, and whether the session timer asks for them.
    pub fn refreshes(&self) -> Option<Duration> {
        self.reinvite.or(self.timer.map(|timer| timer / 2))
    }
}

fn pairs(text: &str) -> impl Iterator<Item = Result<(&str, &str), String>> {
    text.split(',').map(|pair| pair.split_once('=').ok_or_else(|| format!("'{pair}': want key=value")))
}

/// Reads `name=acme,from=127.0.1.1,callers=1212,weight=3,tech=99`.
pub fn originator(text: &str) -> Result<Originator, String> {
    let mut made = Originator {
        name: String::new(),
        from: IpAddr::from([127, 0, 0, 1]),
        weight: 1.0,
        callers: "1646".into(),
        tech: String::new(),
        auth: None,
    };
    for pair in pairs(text) {
        let (key, value) = pair?;
        match key {
            "name" => made.name = value.into(),
            "from" => made.from = value.parse().map_err(|_| format!("'{value}' is no IP address"))?,
            "weight" => made.weight = positive(value)?,
            "callers" => made.callers = digits(value, 7)?,
            "tech" => made.tech = digits(value, 15)?,
            "auth" => made.auth = Some(Name::read(value)?),
            _ => return Err(format!("an originator has no '{key}': name, from, weight, callers, tech, auth")),
        }
    }
    if made.name.is_empty() {
        made.name = made.from.to_string();
    }
    Ok(made)
}

/// What a terminator may be told.
const MANNERS: &str = "name, at, agent, manner, delay, ring, answer, progress, trying, early, talk, frozen, causes, busy, flaky, moved, moved_to, fas, unanswered, \
 dead, auth, reinvite, timer, rtp_loss, mute";

/// Reads `name=blux,at=127.0.2.1:5060,ring=exp:300ms,answer=exp:2s,progress=183,busy=5%,flaky=30%,unanswered=2%,dead=0%,\
/// causes=404:5%/480:2%,frozen=5s@10s,talk=…`.
pub fn terminator(text: &str) -> Result<Terminator, String> {
    let mut made = Terminator::default();
    for pair in pairs(text) {
        let (key, value) = pair?;
        tell(&mut made, key, value)?;
    }
    if made.at.port() == 0 {
        return Err(format!("'{text}': a terminator needs at=ADDRESS:PORT"));
    }
    if made.name.is_empty() {
        made.name = made.at.to_string();
    }
    Ok(made)
}

fn tell(made: &mut Terminator, key: &str, value: &str) -> Result<(), String> {
    let address = || value.parse().map_err(|_| format!("'{value}' is no ADDRESS:PORT"));
    match key {
        "name" => made.name = value.into(),
        "at" => made.at = address()?,
        "agent" => made.agent = Some(value.parse().map_err(|_| format!("'{value}' is no number of an agent"))?),
        "manner" => {
            for pair in pairs(manner(value)?) {
                let (key, value) = pair?;
                tell(made, key, value)?;
            }
        }
        "delay" => made.delay = Some(value.parse()?),
        "ring" => made.ring = value.parse()?,
        "answer" => made.answer = value.parse()?,
        "talk" => made.talk = Some(value.parse()?),
        "frozen" => made.frozen = Some(frozen(value)?),
        "progress" => made.progress = progress(value)?,
        "trying" => made.trying = yes(value)?,
        "early" => made.early = share(value)?,
        "causes" => made.causes.extend(causes(value)?),
        "busy" => made.causes.push((486, share(value)?)),
        "flaky" => made.causes.push((503, share(value)?)),
        "moved" => made.causes.push((302, share(value)?)),
        "moved_to" => made.moved_to = Some(address()?),
        "fas" => made.fas = share(value)?,
        "unanswered" => made.unanswered = share(value)?,
        "dead" => made.dead = share(value)?,
        "rtp_loss" => made.rtp_loss = share(value)?,
        "mute" => made.mute = share(value)?,
        "auth" => made.auth = Some(Name::read(value)?),
        "reinvite" => made.reinvite = Some(span(value)?),
        "timer" => made.timer = Some(span(value)?),
        _ => return Err(format!("a terminator has no '{key}': {MANNERS}")),
    }
    Ok(())
}

/// Well-known kinds of terminators; what is said after `manner` overrides it.
fn manner(name: &str) -> Result<&'static str, String> {
    match name {
        // What a route abroad looks like: two to six seconds to the first ring, 45 of 100 calls answered.
        "wholesale" => Ok(
            "ring=uniform:2s-6s,answer=exp:8s,talk=lognormal:180s/0.8,busy=12%,flaky=5%,causes=480:8%/404:5%,unanswered=25%",
        ),
        // One of those that are tried before the one that answers: 15 of 100 calls answered, refused at once.
        "hunting" => Ok("ring=exp:150ms,answer=exp:3s,flaky=60%,busy=5%,causes=480:10%/404:10%"),
        "slow" => Ok("delay=uniform:1s-6s"),
        "dead" => Ok("dead=100%"),
        "fas" => Ok("fas=100%"),
        _ => Err(format!("'{name}' is no manner: wholesale, hunting, slow, dead, fas")),
    }
}

/// Reads `404:5%/480:2%`.
fn causes(value: &str) -> Result<Vec<(u16, f64)>, String> {
    let one = |text: &str| {
        let (status, part) = text.split_once(':').ok_or_else(|| format!("'{text}': want STATUS:SHARE"))?;
        let status = status.parse().ok().filter(|status| (300..700).contains(status));
        Ok((status.ok_or_else(|| format!("'{text}': a refusal is 300 to 699"))?, share(part)?))
    };
    value.split('/').map(one).collect()
}

fn frozen(value: &str) -> Result<(Duration, Duration), String> {
    let (long, at) = value.split_once('@').ok_or_else(|| format!("'{value}': want frozen=SPAN@MOMENT"))?;
    Ok((span(at)?, span(long)?))
}

fn progress(value: &str) -> Result<u16, String> {
    match value {
        "180" | "183" => Ok(if value == "180" { 180 } else { 183 }),
        "none" => Ok(0),
        _ => Err(format!("'{value}': progress is 180, 183 or none")),
    }
}

fn yes(value: &str) -> Result<bool, String> {
    match value {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(format!("'{value}': want yes or no")),
    }
}

fn positive(value: &str) -> Result<f64, String> {
    value.parse::<f64>().ok().filter(|n| *n > 0.0 && n.is_finite()).ok_or_else(|| format!("'{value}' is not above 0"))
}

fn digits(value: &str, most: usize) -> Result<String, String> {
    let plain = value.bytes().all(|b| b.is_ascii_digit());
    if plain && value.len() <= most { Ok(value.into()) } else { Err(format!("'{value}': want at most {most} digits")) }
}

/// Called prefixes with their weights.
#[derive(Clone, Debug)]
pub struct Destinations {
    rows: Vec<(String, f64)>,
    total: f64,
}

impl Destinations {
    /// Reads `44207,4930:3` or, after `@`, a file with one `prefix` or `prefix:weight` a line.
    pub fn read(text: &str) -> Result<Destinations, String> {
        let listed = match text.strip_prefix('@') {
            Some(path) => std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?,
            None => text.replace(',', "\n"),
        };
        let mut rows = Vec::new();
        for line in listed.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (prefix, weight) = line.split_once(':').unwrap_or((line, "1"));
            rows.push((digits(prefix, 14)?, positive(weight)?));
        }
        if rows.is_empty() {
            return Err("no called prefix given".into());
        }
        let total = rows.iter().map(|row| row.1).sum();
        Ok(Destinations { rows, total })
    }

    /// The prefix at this point (0 to 1) of the weights.
    pub fn at(&self, point: f64) -> &str {
        let mut rest = point * self.total;
        for (prefix, weight) in &self.rows {
            rest -= weight;
            if rest < 0.0 {
                return prefix;
            }
        }
        &self.rows[self.rows.len() - 1].0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_an_unknown_key_names_the_known_ones() {
        let flaw = terminator("at=127.0.0.1:5070,colour=red").expect_err("colour is unknown");
        assert!(flaw.contains("colour") && flaw.contains("unanswered"), "{flaw}");
        assert!(terminator("name=x").is_err());
        assert!(originator("from=here").is_err());
        for text in ["causes=200:5%", "causes=486", "manner=odd", "auth=joe", "early=2"] {
            assert!(terminator(&format!("at=127.0.0.1:5070,{text}")).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_said_after_a_manner_overrides_it() {
        let slow = terminator("at=127.0.0.1:5070,manner=wholesale,ring=1s").expect("a terminator");
        assert_eq!((slow.ring, slow.unanswered), (Spread::Fixed(Duration::from_secs(1)), 0.25));
    }

    #[test]
    fn destinations_are_drawn_by_weight() {
        let list = Destinations::read("44:3,49").expect("two prefixes");
        assert_eq!([list.at(0.0), list.at(0.74), list.at(0.76), list.at(1.0)], ["44", "44", "49", "49"]);
    }
}
