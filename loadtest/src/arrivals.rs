//! When calls are due. All moments are computed before the first packet; none depends on what became of an earlier call.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use crate::clock::SECOND;
use crate::draw::{chance, exponential, span};
use crate::packed;
use crate::sipp::sound;

/// How calls arrive. They never wait for earlier ones: the load is open.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrivals {
    /// One every 1/CPS seconds.
    Constant,
    /// At random, CPS a second on average: what traffic of many callers looks like.
    Poisson,
    /// Evenly, at a rate that goes in a straight line from this one to CPS.
    Ramp(f64),
    /// Evenly, at rates that go in this many equal steps from the first rate to CPS.
    Step(f64, u32),
    /// All calls of this span at once, at its beginning; CPS on average.
    Burst(Duration),
    /// At the moments that a file names.
    Trace(PathBuf),
}

impl FromStr for Arrivals {
    type Err = String;

    /// Reads `constant`, `poisson`, `ramp:10`, `step:10/5`, `burst:1s`, `trace:FILE`.
    fn from_str(text: &str) -> Result<Arrivals, String> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        match (kind, rest) {
            ("constant", "") => Ok(Arrivals::Constant),
            ("poisson", "") => Ok(Arrivals::Poisson),
            ("ramp", from) => Ok(Arrivals::Ramp(rate(from)?)),
            ("step", rest) => {
                let (from, steps) = rest.split_once('/').ok_or_else(|| format!("'{text}': want step:FROM/STEPS"))?;
                let steps = steps.parse().ok().filter(|steps| (2..=10_000).contains(steps));
                Ok(Arrivals::Step(rate(from)?, steps.ok_or_else(|| format!("'{text}': want 2 to 10,000 steps"))?))
            }
            ("burst", every) => {
                let every = span(every)?;
                if every < Duration::from_millis(1) {
                    return Err(format!("'{text}': bursts are at least 1ms apart"));
                }
                Ok(Arrivals::Burst(every))
            }
            ("trace", path) if !path.is_empty() => Ok(Arrivals::Trace(path.into())),
            _ => Err(format!(
                "'{text}' is no way to arrive: constant, poisson, ramp:FROM, step:FROM/STEPS, burst:SPAN, trace:FILE"
            )),
        }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| *rate >= 0.0 && rate.is_finite());
    rate.ok_or_else(|| format!("'{text}' is no rate of calls a second"))
}

/// Moments at which calls are due, in nanoseconds from the first possible one; ascending. Without a span a trace is played to its end.
pub fn schedule(seed: u64, arrivals: &Arrivals, cps: f64, span: Duration) -> Result<Vec<u64>, String> {
    let end = span.as_secs_f64();
    let seconds = match arrivals {
        Arrivals::Constant => even(cps, cps, end).collect(),
        Arrivals::Ramp(from) => even(*from, cps, end).collect(),
        Arrivals::Step(from, steps) => stepped(*from, cps, *steps, end),
        Arrivals::Burst(every) => bursts(cps, every.as_secs_f64(), end),
        Arrivals::Poisson => poisson(seed, cps, end),
        Arrivals::Trace(path) => traced(path, end)?,
    };
    Ok(seconds.into_iter().map(|moment: f64| (moment * SECOND as f64) as u64).collect())
}

/// Evenly while the rate goes straight from one value to another: the moments at which the integral of the rate is a whole number.
fn even(from: f64, to: f64, end: f64) -> impl Iterator<Item = f64> {
    let calls = ((from + to) / 2.0 * end).ceil() as u64;
    let slope = (to - from) / end;
    (0..calls).map(move |nth| {
        let nth = nth as f64;
        if slope == 0.0 {
            return nth / from;
        }
        // n = from·t + slope·t²/2, solved in the form that does not cancel where the slope is small.
        2.0 * nth / (from + (from * from + 2.0 * slope * nth).max(0.0).sqrt()).max(f64::MIN_POSITIVE)
    })
}

fn stepped(from: f64, to: f64, steps: u32, end: f64) -> Vec<f64> {
    let long = end / f64::from(steps);
    let mut moments = Vec::new();
    for step in 0..steps {
        let rate = from + (to - from) * f64::from(step) / f64::from(steps - 1);
        moments.extend(even(rate, rate, long).filter(|at| *at < long).map(|at| at + long * f64::from(step)));
    }
    moments
}

fn bursts(cps: f64, every: f64, end: f64) -> Vec<f64> {
    let mut moments = Vec::new();
    for nth in 0..(end / every).ceil() as u64 {
        let at = nth as f64 * every;
        // The last burst stands for what is left of the span only.
        let due = ((nth + 1) as f64 * every).min(end) * cps;
        moments.resize(moments.len().max(due.round() as usize), at);
    }
    moments
}

fn poisson(seed: u64, cps: f64, end: f64) -> Vec<f64> {
    let mut source = chance(seed, 0, "arrivals");
    let mut moments = Vec::with_capacity((end * cps) as usize + 16);
    let mut at = exponential(&mut source) / cps;
    while at < end {
        moments.push(at);
        at += exponential(&mut source) / cps;
    }
    moments
}

/// Names that files give the moment at which a call began, the surest first.
const COLUMNS: [&str; 8] = ["planned_us", "sent_us", "started_at", "started", "start", "calldate", "time", "at"];

/// Moments of a file, counted from its earliest: those of a capture's calls, or of a list.
fn traced(path: &Path, end: f64) -> Result<Vec<f64>, String> {
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    let bytes = std::fs::read(path).map_err(told)?;
    let bytes = if packed::is(&bytes) { packed::unpacked(&bytes).map_err(told)? } else { bytes };
    let mut moments = match sound::beginnings(&bytes) {
        Some(found) => found.map_err(|flaw| format!("{}: {flaw}", path.display()))?,
        None => listed(path, &String::from_utf8(bytes).map_err(|_| format!("{} is no text", path.display()))?)?,
    };
    moments.sort_by(f64::total_cmp);
    let first = moments.first().copied().ok_or_else(|| format!("{} names no moment", path.display()))?;
    Ok(moments.into_iter().map(|at| at - first).filter(|at| *at < end).collect())
}

/// Plain numbers or times a line, CSV with a header, or lines of JSON.
fn listed(path: &Path, text: &str) -> Result<Vec<f64>, String> {
    let mut rows =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).comment(Some(b'#')).from_reader(text.as_bytes());
    let mut moments = Vec::new();
    if text.trim_start().starts_with('{') {
        for (nth, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let row: serde_json::Value =
                serde_json::from_str(line).map_err(|error| format!("line {}: {error}", nth + 1))?;
            let value = COLUMNS.iter().find_map(|name| row.get(name).filter(|value| !value.is_null()));
            let value = value.ok_or_else(|| format!("line {}: none of {}", nth + 1, COLUMNS.join(", ")))?;
            moments
                .push(moment(value.to_string().trim_matches('"')).map_err(|flaw| format!("line {}: {flaw}", nth + 1))?);
        }
    } else {
        let mut column = 0;
        for (nth, row) in rows.records().enumerate() {
            let row = row.map_err(|error| format!("{}: {error}", path.display()))?;
            let named = |name: &&str| row.iter().position(|field| field.eq_ignore_ascii_case(name));
            if let (0, Some(found)) = (nth, COLUMNS.iter().find_map(named)) {
                column = found;
                continue;
            }
            let line = row.position().map_or(0, csv::Position::line);
            moments.push(moment(row.get(column).unwrap_or("")).map_err(|flaw| format!("line {line}: {flaw}"))?);
        }
    }
    Ok(moments)
}

/// A moment in seconds: a number (of microseconds or milliseconds since 1970 when it is that large), RFC 3339, or `2026-03-01 12:00:00`.
fn moment(text: &str) -> Result<f64, String> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        let scale = if number > 1e14 {
            1e6
        } else if number > 1e11 {
            1e3
        } else {
            1.0
        };
        return if number.is_finite() { Ok(number / scale) } else { Err(format!("'{text}' is no moment")) };
    }
    let stamp = text.parse::<jiff::Timestamp>().ok();
    let stamp =
        stamp.or_else(|| text.parse::<jiff::civil::DateTime>().ok()?.in_tz("UTC").ok().map(|zoned| zoned.timestamp()));
    let stamp = stamp.ok_or_else(|| format!("'{text}' is no moment"))?;
    Ok(stamp.as_microsecond() as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(arrivals: &str, cps: f64, seconds: u64) -> Vec<f64> {
        let arrivals = arrivals.parse().expect(arrivals);
        let due = schedule(3, &arrivals, cps, Duration::from_secs(seconds)).expect("a plan");
        assert!(due.is_sorted(), "{arrivals:?}");
        due.into_iter().map(|at| at as f64 / SECOND as f64).collect()
    }

    #[test]
    fn every_kind_of_arrivals_keeps_its_number_of_calls_and_its_seed() {
        for (arrivals, calls) in [
            ("constant", 10_000),
            ("poisson", 10_000),
            ("ramp:0", 5_000),
            ("ramp:300", 20_000),
            ("step:50/5", 7_500),
            ("burst:1s", 10_000),
        ] {
            let once = of(arrivals, 100.0, 100);
            let spare = if arrivals == "poisson" { 400 } else { 0 };
            assert!(once.len().abs_diff(calls) <= spare, "{arrivals} planned {}", once.len());
            assert!(once.iter().all(|at| *at < 100.0), "{arrivals}");
            assert_eq!(once, of(arrivals, 100.0, 100));
        }
    }

    #[test]
    fn a_ramp_is_half_as_fast_in_its_middle_and_a_step_holds_its_rate() {
        let within = |moments: &[f64], from: f64| moments.iter().filter(|at| (from..from + 10.0).contains(*at)).count();
        let ramp = of("ramp:0", 100.0, 100);
        assert!(within(&ramp, 45.0).abs_diff(500) <= 1 && within(&ramp, 90.0).abs_diff(950) <= 1);
        let step = of("step:20/2", 100.0, 100);
        assert_eq!([within(&step, 5.0), within(&step, 38.0), within(&step, 52.0)], [200, 200, 1_000]);
        let burst = of("burst:250ms", 100.0, 1);
        assert_eq!([burst[0], burst[24], burst[25], burst[99]], [0.0, 0.0, 0.25, 0.75]);
    }

    #[test]
    fn a_trace_is_read_from_plain_lines_csv_lines_of_json_and_captures() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("trace");
        let minute = "call,started_at\nx,2026-03-01T12:00:01.5Z\ny,2026-03-01T12:00:00Z\n";
        let local = "calldate;\n# nothing\n".replace(';', ",src") + "2026-03-01 12:00:00,1\n2026-03-01 12:00:01.5,2\n";
        let json = "{\"planned_us\":1772366400000000,\"code\":200}\n{\"planned_us\":1772366401500000}\n";
        for text in ["10\n11.5\n", "1772366400000\n1772366401500", minute, &local, json] {
            std::fs::write(&path, text).expect("a trace");
            assert_eq!(of(&format!("trace:{}", path.display()), 1.0, 60), [0.0, 1.5], "{text}");
        }
        let invite = |id: &str| format!("INVITE sip:1@b SIP/2.0\r\nCall-ID: {id}\r\n\r\n").into_bytes();
        let capture = sound::captured(&[(7, &invite("x")), (8, &invite("x")), (900_007, &invite("y"))]);
        std::fs::write(&path, capture).expect("a trace");
        assert_eq!(of(&format!("trace:{}", path.display()), 1.0, 60), [0.0, 0.9]);
        std::fs::write(&path, "1\nsoon\n").expect("a trace");
        let flaw = schedule(1, &Arrivals::Trace(path), 1.0, Duration::MAX).expect_err("'soon' is no moment");
        assert!(flaw.contains("line 2") && flaw.contains("soon"), "{flaw}");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "gauss", "ramp:", "ramp:-1", "step:3", "step:3/1", "burst:0s", "trace:", "constant:3"] {
            assert!(text.parse::<Arrivals>().is_err(), "{text}");
        }
    }
}
