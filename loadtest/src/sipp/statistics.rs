//! What a run counts, under the names that SIPp gave it.

use super::scenario::Scenario;

/// What is counted, each in a period and over the whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
#[expect(dead_code, reason = "four of them are columns of SIPp's that stay zero")]
pub enum Count {
    /// Calls that came.
    Incoming,
    /// Calls that were placed.
    Outgoing,
    /// Calls that went as the scenario says.
    Successful,
    /// Calls that did not.
    Failed,
    /// Because a message could not be sent.
    CannotSend,
    /// Because nobody answered, however often it was asked.
    MaxRetrans,
    /// Because no connection could be made.
    TcpConnect,
    /// Because the connection was closed.
    TcpClosed,
    /// Because another message came than one that was expected.
    Unexpected,
    /// Because the scenario ended it.
    Rejected,
    /// Because a command could not be sent; always 0.
    CmdNotSent,
    /// Because an expression did not fit.
    RegexpDoesnt,
    /// Because one did.
    RegexpShouldnt,
    /// Because a header was not there.
    RegexpHeader,
    /// Because the network was full; always 0.
    Congestion,
    /// Because an expected message did not come.
    TimeoutOnRecv,
    /// Because sending took too long; always 0.
    TimeoutOnSend,
    /// Because a comparison was false.
    TestDoesnt,
    /// Because one was true.
    TestShouldnt,
    /// Because two texts differ.
    StrcmpDoesnt,
    /// Because they do not.
    StrcmpShouldnt,
    /// Messages of no call.
    OutOfCall,
    /// Messages of an ended call.
    DeadCall,
    /// Messages sent again.
    Retransmissions,
    /// Requests answered without being expected.
    AutoAnswered,
    /// What a scenario warned of.
    Warnings,
    /// What ended the run.
    FatalErrors,
    /// Watchdogs; always 0: our lateness is what `tandem-loadtest run` reports.
    WatchdogMajor,
    /// As above.
    WatchdogMinor,
}

/// Statuses that nobody expected, kept of a period.
const UNEXPECTED_MAX: usize = 10_000;

/// How many there are.
pub const COUNTS: usize = Count::WatchdogMinor as usize + 1;

/// Sum, sum of squares and number of spans in milliseconds, and how many are below each limit.
#[derive(Clone, Debug, Default)]
pub struct Spans {
    count: u64,
    sum_ms: f64,
    squares: f64,
    /// Below each limit, and the rest.
    pub table: Vec<u64>,
}

impl Spans {
    fn record(&mut self, ms: f64, limits: &[u64]) {
        self.count += 1;
        self.sum_ms += ms;
        self.squares += ms * ms;
        if !limits.is_empty() {
            self.table.resize(limits.len() + 1, 0);
            self.table[limits.partition_point(|limit| *limit as f64 <= ms)] += 1;
        }
    }

    /// Mean in milliseconds.
    pub fn mean_ms(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum_ms / self.count as f64 }
    }

    /// Standard deviation in milliseconds.
    pub fn deviation_ms(&self) -> f64 {
        if self.count == 0 {
            return 0.0;
        }
        (self.squares / self.count as f64 - self.mean_ms().powi(2)).max(0.0).sqrt()
    }
}

/// One span, in a period and over the whole run.
#[derive(Clone, Debug, Default)]
pub struct Both {
    /// Since the last look.
    pub period: Spans,
    /// Since the start.
    pub whole: Spans,
}

/// What one step counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepCounts {
    /// Messages sent or heard, or pauses begun.
    pub done: u64,
    /// Of which again.
    pub again: u64,
    /// How often nothing came in time.
    pub timeouts: u64,
    /// How often something else came.
    pub unexpected: u64,
    /// How often it was lost on purpose.
    pub lost: u64,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Statistics {
    period: [u64; COUNTS],
    whole: [u64; COUNTS],
    /// The scenario's counters: in a period, over the whole run.
    pub counters: Vec<(u64, u64)>,
    /// Response times.
    pub times: Vec<Both>,
    /// Lengths of calls.
    pub lengths: Both,
    /// By step.
    pub steps: Vec<StepCounts>,
    /// Statuses of responses that nobody expected, in a period; the first [`UNEXPECTED_MAX`] of them.
    pub unexpected: Vec<u16>,
    /// Calls under way.
    pub current: u64,
    /// Most calls under way at a time, and when, in seconds.
    pub peak: (u64, u64),
    /// Calls that were due and not placed because of `-l`.
    pub skipped: u64,
    time_limits: Vec<u64>,
    length_limits: Vec<u64>,
}

impl Statistics {
    /// Nothing counted.
    pub fn new(scenario: &Scenario) -> Statistics {
        Statistics {
            period: [0; COUNTS],
            whole: [0; COUNTS],
            counters: vec![(0, 0); scenario.counters.len()],
            times: vec![Both::default(); scenario.times.len()],
            lengths: Both::default(),
            steps: vec![StepCounts::default(); scenario.steps.len()],
            unexpected: Vec::new(),
            current: 0,
            peak: (0, 0),
            skipped: 0,
            time_limits: scenario.time_limits.clone(),
            length_limits: scenario.length_limits.clone(),
        }
    }

    /// One more.
    pub fn count(&mut self, what: Count) {
        self.period[what as usize] += 1;
        self.whole[what as usize] += 1;
    }

    /// Since the last look, and since the start.
    pub fn of(&self, what: Count) -> (u64, u64) {
        (self.period[what as usize], self.whole[what as usize])
    }

    /// All of them in SIPp's order.
    pub fn all(&self) -> impl Iterator<Item = (u64, u64)> {
        self.period.iter().copied().zip(self.whole.iter().copied())
    }

    /// Since the start.
    pub fn total(&self, what: Count) -> u64 {
        self.whole[what as usize]
    }

    /// Calls that came or were placed.
    pub fn created(&self) -> u64 {
        self.total(Count::Incoming) + self.total(Count::Outgoing)
    }

    /// A response time.
    pub fn time(&mut self, which: usize, ms: f64) {
        self.times[which].period.record(ms, &self.time_limits);
        self.times[which].whole.record(ms, &self.time_limits);
    }

    /// The length of a call that ended.
    pub fn length(&mut self, ms: f64) {
        self.lengths.period.record(ms, &self.length_limits);
        self.lengths.whole.record(ms, &self.length_limits);
    }

    /// A call begins this many seconds after the start.
    pub fn begin(&mut self, what: Count, second: u64) {
        self.count(what);
        self.current += 1;
        if self.current > self.peak.0 {
            self.peak = (self.current, second);
        }
    }

    /// A period is over.
    pub fn next_period(&mut self) {
        self.period = [0; COUNTS];
        self.counters.iter_mut().for_each(|(period, _)| *period = 0);
        self.times.iter_mut().for_each(|both| both.period = Spans::default());
        self.lengths.period = Spans::default();
        self.unexpected.clear();
    }

    /// A response that nobody expected.
    pub fn unexpected(&mut self, status: u16) {
        if self.unexpected.len() < UNEXPECTED_MAX {
            self.unexpected.push(status);
        }
    }
}
