//! What goes on around the calls meanwhile: metrics of the switch, this machine's cores and dropped datagrams, once a second and on the
//! run's own time axis. And the moments at which somebody does something to the switch.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use serde::Serialize;

use crate::draw;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// How long one who is asked may take.
const PATIENCE: Duration = Duration::from_millis(900);
/// Series that are kept.
const SERIES_MAX: usize = 4_000;
/// How series of this machine's cores begin.
pub const CORE: &str = "core ";
/// The share of all cores that the kernel spends on packets.
pub const SOFTIRQ: &str = "softirq, all cores";
/// Datagrams that the kernel dropped at a full socket of this network namespace.
pub const SOCKETS_FULL: &str = "datagrams dropped at sockets";
/// Packets that cards of this network namespace dropped.
pub const CARDS_FULL: &str = "packets dropped at cards";

/// A program that is asked for its metrics, and the names of those that are charted.
#[derive(Clone, Debug)]
pub struct Source {
    url: String,
    charted: Vec<String>,
}

impl Source {
    /// Reads `http://127.0.0.1:8080/metrics`, or with names `http://…/metrics#tandem_calls,tandem_sip_early_total`.
    pub fn read(text: &str) -> Result<Source, String> {
        let (url, names) = text.split_once('#').unwrap_or((text, ""));
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(format!("'{text}': want http://ADDRESS:PORT/metrics, and names for charts after a #"));
        }
        let charted = names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Ok(Source { url: url.to_owned(), charted })
    }
}

/// A moment that charts show.
#[derive(Clone, Debug)]
pub struct Mark {
    /// What is done to the switch then.
    pub name: String,
    /// Seconds since the first call could be due.
    pub at_s: f64,
}

impl Mark {
    /// Reads `database stopped@10s`.
    pub fn read(text: &str) -> Result<Mark, String> {
        let (name, at) = text.rsplit_once('@').ok_or_else(|| format!("'{text}': want NAME@SPAN"))?;
        Ok(Mark { name: name.to_owned(), at_s: draw::span(at)?.as_secs_f64() })
    }
}

/// A series that did not stay what it was.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Moved {
    /// Its name, with labels.
    pub name: String,
    /// What it was at the first look.
    pub first: f64,
    /// What it was at the last one.
    pub last: f64,
    /// The lowest that was seen.
    pub least: f64,
    /// The highest.
    pub most: f64,
}

/// All that was seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// By name: seconds and values. A value that stays stands there at its beginning and its end.
    pub series: BTreeMap<String, Vec<(f64, f64)>>,
    /// Names that are charted.
    pub charted: Vec<String>,
    /// Questions that were not answered.
    pub silent: u64,
}

impl Seen {
    /// What moved, by name.
    pub fn moved(&self) -> Vec<Moved> {
        let row = |(name, points): (&String, &Vec<(f64, f64)>)| {
            let values = || points.iter().map(|point| point.1);
            let (first, last) = (values().next()?, values().next_back()?);
            let (least, most) = (values().fold(first, f64::min), values().fold(first, f64::max));
            (least < most).then(|| Moved { name: name.clone(), first, last, least, most })
        };
        self.series.iter().filter_map(row).collect()
    }

    fn put(&mut self, name: &str, at_s: f64, value: f64) {
        if let Some(points) = self.series.get_mut(name) {
            let end = points.len() - 1;
            // It stays: the end of its line is drawn further.
            if end > 0 && points[end - 1..].iter().all(|point| point.1 == value) {
                points[end].0 = at_s;
            } else {
                points.push((at_s, value));
            }
        } else if self.series.len() < SERIES_MAX {
            self.series.insert(name.to_owned(), vec![(at_s, value)]);
        }
    }
}

/// Who looks, in a thread of its own.
#[derive(Debug)]
pub struct Observer {
    stop: Sender<()>,
    looking: JoinHandle<Seen>,
    began: Instant,
}

impl Observer {
    /// Begins to look. Fails where somebody who is to be asked does not answer now.
    pub fn start(sources: &[Source]) -> Result<Observer> {
        let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().into();
        for source in sources {
            ask(&agent, &source.url).with_context(|| format!("cannot ask {}", source.url))?;
        }
        let (stop, stopped) = channel();
        let (sources, began) = (sources.to_vec(), Instant::now());
        let looking = thread::spawn(move || look(&agent, &sources, began, &stopped));
        Ok(Observer { stop, looking, began })
    }

    /// Looks a last time. Second 0 is `origin`.
    pub fn end(self, origin: Instant) -> Result<Seen> {
        // Who is gone has stopped already.
        let _ = self.stop.send(());
        let mut seen = self.looking.join().map_err(|_| anyhow!("the observer panicked"))?;
        let early_s = origin.saturating_duration_since(self.began).as_secs_f64();
        seen.series.values_mut().flatten().for_each(|point| point.0 -= early_s);
        Ok(seen)
    }
}

fn look(agent: &ureq::Agent, sources: &[Source], began: Instant, stopped: &Receiver<()>) -> Seen {
    let charted = sources.iter().flat_map(|source| source.charted.iter().cloned()).collect();
    let mut seen = Seen { charted, ..Seen::default() };
    let mut cores = Cores::default();
    for nth in 1.. {
        let at_s = began.elapsed().as_secs_f64();
        machine(&mut seen, &mut cores, at_s);
        for source in sources {
            match ask(agent, &source.url) {
                Ok(text) => {
                    let of = if sources.len() > 1 { format!("{} ", source.url) } else { String::new() };
                    values(&text).for_each(|(name, value)| seen.put(&format!("{of}{name}"), at_s, value));
                }
                Err(_) => seen.silent += 1,
            }
        }
        let next = began + EVERY * nth;
        match stopped.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    seen
}

fn ask(agent: &ureq::Agent, url: &str) -> Result<String> {
    Ok(agent.get(url).call()?.body_mut().read_to_string()?)
}

/// The series of Prometheus's text, but for the buckets of histograms.
fn values(text: &str) -> impl Iterator<Item = (&str, f64)> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let end = line.rfind('}').map_or_else(|| line.find(' '), |brace| Some(brace + 1))?;
        let (name, rest) = line.split_at(end);
        let value = rest.split_whitespace().next()?.parse::<f64>().ok().filter(|value| value.is_finite())?;
        let bucket = name.split('{').next().is_some_and(|name| name.ends_with("_bucket"));
        (!bucket).then_some((name, value))
    })
}

/// Ticks of a row of /proc/stat at the look before: busy, in softirq, all.
type Cores = BTreeMap<String, [u64; 3]>;

/// This machine's cores since the look before, in per cent, and what the kernel dropped so far.
fn machine(seen: &mut Seen, cores: &mut Cores, at_s: f64) {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    for line in read("/proc/stat").lines().filter(|line| line.starts_with("cpu")) {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default().to_owned();
        // proc(5): user, nice, system, idle, iowait, irq, softirq, steal.
        let ticks: Vec<u64> = words.take(8).filter_map(|word| word.parse().ok()).collect();
        let [.., idle, waiting, _, softirq, _] = ticks[..] else { continue };
        let all: u64 = ticks.iter().sum();
        let now = [all - idle - waiting, softirq, all];
        let Some(before) = cores.insert(name.clone(), now) else { continue };
        let [busy, softirq, all] = [0, 1, 2].map(|nth| now[nth].saturating_sub(before[nth]) as f64);
        let share = |part: f64| 100.0 * part / all.max(1.0);
        match name.strip_prefix("cpu") {
            Some("") => seen.put(SOFTIRQ, at_s, share(softirq)),
            Some(number) => seen.put(&format!("{CORE}{number}"), at_s, share(busy)),
            None => {}
        }
    }
    seen.put(SOCKETS_FULL, at_s, sockets_full(&read("/proc/net/snmp")) as f64);
    seen.put(CARDS_FULL, at_s, cards_full(&read("/proc/net/dev")) as f64);
}

/// Datagrams that found a socket full, by the two rows of /proc/net/snmp: names and values.
fn sockets_full(text: &str) -> u64 {
    let mut rows = text.lines().filter(|line| line.starts_with("Udp:"));
    let (Some(names), Some(values)) = (rows.next(), rows.next()) else { return 0 };
    let both = names.split_whitespace().zip(values.split_whitespace());
    both.filter(|(name, _)| name.ends_with("bufErrors")).filter_map(|(_, value)| value.parse::<u64>().ok()).sum()
}

/// Packets that cards dropped coming and going, by /proc/net/dev: the fourth and the twelfth number of each.
fn cards_full(text: &str) -> u64 {
    let rows = text.lines().filter_map(|line| line.split_once(':'));
    rows.flat_map(|(_, numbers)| [3, 11].map(|nth| numbers.split_whitespace().nth(nth)?.parse::<u64>().ok()))
        .flatten()
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_read_but_for_buckets() {
        let text = "# HELP calls So many.\ncalls 7\nshed_total{shard=\"0\",why=\"a b\"} 12 1700\nrings_bucket{le=\"1\"} 3\nodd NaN\n\n";
        let found: Vec<_> = values(text).collect();
        assert_eq!(found, [("calls", 7.0), ("shed_total{shard=\"0\",why=\"a b\"}", 12.0)]);
    }

    #[test]
    fn a_value_that_stays_is_two_points_and_one_that_moves_is_told() {
        let mut seen = Seen::default();
        for (at, value) in [1.0, 1.0, 1.0, 5.0, 2.0].into_iter().enumerate() {
            seen.put("moves", at as f64, value);
            seen.put("stays", at as f64, 3.0);
        }
        assert_eq!(seen.series["moves"], [(0.0, 1.0), (2.0, 1.0), (3.0, 5.0), (4.0, 2.0)]);
        assert_eq!(seen.series["stays"], [(0.0, 3.0), (4.0, 3.0)]);
        let moved = Moved { name: "moves".into(), first: 1.0, last: 2.0, least: 1.0, most: 5.0 };
        assert_eq!(seen.moved(), [moved]);
    }

    #[test]
    fn what_the_kernel_dropped_is_read_from_its_tables() {
        let snmp = "Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors\nUdp: 9 1 4 8 3 2\n";
        assert_eq!((sockets_full(snmp), sockets_full("")), (5, 0));
        let dev = "Inter-| Receive\n face |bytes\n    lo: 1 2 0 3 0 0 0 0 1 2 0 4 0 0 0 0\n  eth0: 1 2 0 5 0 0 0 0 1 2 0 6 0 0 0 0\n";
        assert_eq!(cards_full(dev), 18);
    }

    #[test]
    fn sources_and_marks_are_read_and_nonsense_is_refused() {
        let source = Source::read("http://127.0.0.1:1/metrics#calls,shed_total").expect("a source");
        assert_eq!((source.url.as_str(), source.charted.len()), ("http://127.0.0.1:1/metrics", 2));
        assert!(Source::read("127.0.0.1:1").is_err());
        let mark = Mark::read("database @ Berlin stopped@1500ms").expect("a mark");
        assert_eq!((mark.name.as_str(), mark.at_s), ("database @ Berlin stopped", 1.5));
        assert!(Mark::read("now").is_err());
    }
}
