//! Carriers on a host of their own: the load test plays both ends of every call, and says of each what its caller saw.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use crate::hosts::Hosts;

/// The carriers' host.
pub const HOST: &str = "carriers";
/// Where calls come from.
pub const ORIGINATOR: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 251);
/// Where calls go.
pub const TERMINATOR: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 252);
/// A call that is not answered so soon after it was due was hindered; nothing else would keep these terminators from answering.
const PROMPT_US: u64 = 1_000_000;

/// What carriers play.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// New calls a second.
    pub cps: u32,
    /// How long calls are placed.
    pub seconds: u32,
}

/// A call as its caller saw it; moments are microseconds since 1970 UTC.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Call {
    /// The ingress leg's Call-ID.
    pub call_id: String,
    /// When it was due.
    pub planned_us: Option<u64>,
    /// When it was answered.
    pub answered_us: Option<u64>,
    /// From the answer to the end.
    pub duration_ms: u64,
    /// The final status; 0 if there was none.
    pub code: u16,
    /// Who ended it, as the load test says it.
    pub ended_by: String,
}

impl Call {
    /// When it was due; calls that have no such moment were never placed.
    pub fn due(&self) -> u64 {
        self.planned_us.unwrap_or(0)
    }

    fn is_prompt(&self) -> bool {
        self.answered_us.is_some_and(|at| at <= self.due() + PROMPT_US)
    }
}

/// The moment now, as calls tell it.
pub fn now_us() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_micros() as u64
}

/// From the moment when something broke to the last new call that was hindered.
pub fn outage(calls: &[Call], broke_us: u64) -> Duration {
    let hindered = calls.iter().filter(|call| call.due() >= broke_us && !call.is_prompt());
    Duration::from_micros(hindered.map(|call| call.due() - broke_us).max().unwrap_or(0))
}

/// The new calls that were hindered, and those of before that were not answered, for who has to find out why: many at once say another thing
/// than a single one.
pub fn hindered(calls: &[Call], broke_us: u64) -> Vec<String> {
    let hindered = |call: &&Call| call.answered_us.is_none() || (call.due() >= broke_us && !call.is_prompt());
    let seconds = |from: u64, to: u64| (to as f64 - from as f64) / 1e6;
    let told = calls.iter().filter(hindered).map(|call| {
        let due = seconds(broke_us, call.due());
        match call.answered_us {
            Some(at) => {
                format!("{}: due {due:.2} s after, answered {:.2} s late", call.call_id, seconds(call.due(), at))
            }
            None => format!("{}: due {due:.2} s after, not answered: {} ({})", call.call_id, call.code, call.ended_by),
        }
    });
    told.collect()
}

/// Without the calls that the end of the plan overtook: it cancels those that are not answered by then.
fn played(mut calls: Vec<Call>) -> Vec<Call> {
    let end = calls.iter().map(Call::due).max().unwrap_or(0);
    calls.retain(|call| call.ended_by != "cancelled" || call.due() + PROMPT_US < end);
    calls
}

/// A running load test.
#[derive(Debug)]
pub struct Carriers {
    child: Child,
    calls: PathBuf,
    log: PathBuf,
}

impl Carriers {
    /// Begins to place calls at this address.
    pub fn start(hosts: &Hosts, folder: &Path, name: &str, target: &str, load: Load) -> Carriers {
        let (calls, log) = (folder.join(format!("{name}.calls")), folder.join(format!("{name}.log")));
        let out = File::create(&log).expect("the folder is writable");
        let mut command = hosts.command(HOST, &acceptance::program("tandem-loadtest"));
        command.args(["run", "--allow-target", "--target", target, "--arrivals", "constant", "--late-max", "10s"]);
        command.args(["--cps", &load.cps.to_string(), "--for", &format!("{}s", load.seconds), "--drain", "6s"]);
        command.args(["--originator", &format!("name=acme,from={ORIGINATOR},callers=1212")]);
        command.args(["--terminator", &format!("name=oria,at={TERMINATOR}:5060,ring=20ms,answer=40ms")]);
        command
            .args(["--called", "4930,44207", "--talk", "uniform:1s-3s", "--media", "20%", "--calls-out"])
            .arg(&calls);
        let child = command.stdout(out.try_clone().expect("a file can be named twice")).stderr(out).spawn();
        Carriers { child: child.expect("the load test starts"), calls, log }
    }

    /// Waits for the end; all calls that were due.
    pub fn calls(mut self) -> Vec<Call> {
        // That calls died with their core is a fault in the load test's eyes; it is the story's to judge.
        let status = self.child.wait().expect("the load test was started here");
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        assert!(matches!(status.code(), Some(0 | 1 | 3)), "the load test plays its plan: {status}\n{said}");
        let text = std::fs::read_to_string(&self.calls).expect("the load test wrote its calls");
        let read = |line| serde_json::from_str::<Call>(line).unwrap_or_else(|flaw| panic!("{flaw}: {line}"));
        played(text.lines().map(read).collect())
    }
}

impl Drop for Carriers {
    fn drop(&mut self) {
        // It has ended already unless the story broke off.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_ends_with_the_last_hindered_call() {
        let call = |due_ms: u64, answered_ms: Option<u64>| Call {
            planned_us: Some(due_ms * 1_000),
            answered_us: answered_ms.map(|ms| ms * 1_000),
            ..Call::default()
        };
        let calls = [
            call(900, None),
            call(1_100, Some(1_150)),
            call(1_500, Some(3_000)),
            call(2_250, None),
            call(2_300, Some(2_400)),
        ];
        assert_eq!(outage(&calls, 1_000_000), Duration::from_millis(1_250));
        assert_eq!(outage(&calls[4..], 1_000_000), Duration::ZERO);
        let told = [
            ": due -0.10 s after, not answered: 0 ()",
            ": due 0.50 s after, answered 1.50 s late",
            ": due 1.25 s after, not answered: 0 ()",
        ];
        assert_eq!(hindered(&calls, 1_000_000), told);
    }
}
