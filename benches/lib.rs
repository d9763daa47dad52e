//! How every benchmark says what it found, so that one table can be made of all of them.
//!
//! A result is a line of its standard output: the word `result`, a blank, and one JSON object. Whatever else a benchmark prints is for
//! people who run it alone. Scripts and examples of other rooms print the same line by themselves.

use serde::{Deserialize, Serialize};

/// How a result's line begins.
pub const MARK: &str = "result ";

/// What the figures are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Limit {
    /// Ours in terms of the yardstick's, at most.
    Ratio(f64),
    /// Ours, at most.
    Most(f64),
    /// Ours, at least.
    Least(f64),
}

/// What one benchmark found about one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The target's name: T1 to T12 and those of [`TARGETS`].
    pub target: String,
    /// What was measured, in a few words.
    pub what: String,
    /// Of the figures: `ns`, `bytes`, `allocations` …
    pub unit: String,
    /// Ours, one figure a round.
    pub ours: Vec<f64>,
    /// What stands beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yardstick: Option<String>,
    /// The yardstick's figures, one a round, taken in turns with ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub theirs: Vec<f64>,
    /// What it must be.
    pub limit: Limit,
}

/// Every target, so that one that was not run is missed: name and wording.
pub const TARGETS: &[(&str, &str)] = &[
    ("T1", "socket relay against a bare recvmmsg/sendmmsg loop"),
    ("T2", "socket relay against a plain tokio relay"),
    ("T3", "fast path against the bare loop"),
    ("T4", "fast path against a program that only parses, looks up, rewrites and sends"),
    ("T5", "1.0 million packets a second relayed on one core: their rate, loss and share of it"),
    ("T6", "cost of a packet with many ports against few"),
    ("T7", "allocations in steady state"),
    ("T8", "parse of a 1 kB INVITE with its SDP"),
    ("T9", "longest-prefix match"),
    ("T10", "reading the snapshot in force under a writer at 10 kHz"),
    ("T11", "moving a deadline, 60,000 live"),
    ("T12", "hand-over between shards"),
    ("F-5", "past calls decided again under a draft"),
    ("H11", "a rate sheet read, compared and reported"),
    ("CPU", "processor time of the data plane for a call, beside Kamailio"),
    ("CALL", "processor time of the data plane for a call at 2,000 a second"),
    ("CPS", "calls for a second of the data plane's processor time, routed, priced and recorded"),
    ("5X", "answers and established calls while five times the capacity is offered"),
    ("10K", "10,000 calls with media, set up at 1,000 a second"),
    ("SIPP", "processor time of the load test for a call, beside SIPp"),
    ("HELD", "calls that the load test holds alone, media by sockets"),
    ("MEM", "memory of a held call"),
    ("RSS", "resident memory of the whole data plane for a call more with media"),
    ("MEDIA", "media at equal offered rates, beside rtpengine in user space"),
];

impl Finding {
    /// Figures that stand for themselves.
    pub fn alone(target: &str, what: &str, unit: &str, ours: Vec<f64>, limit: Limit) -> Finding {
        Finding {
            target: target.into(),
            what: what.into(),
            unit: unit.into(),
            ours,
            yardstick: None,
            theirs: Vec::new(),
            limit,
        }
    }

    /// Figures beside a yardstick's, of the same rounds.
    pub fn beside(self, yardstick: &str, theirs: &[f64]) -> Finding {
        Finding { yardstick: Some(yardstick.into()), theirs: theirs.to_vec(), ..self }
    }

    /// Prints the line.
    pub fn say(&self) {
        println!("{MARK}{}", serde_json::to_string(self).expect("a finding is text and numbers"));
    }

    /// Reads a line; `None` for what is said to people.
    pub fn read(line: &str) -> Option<Finding> {
        serde_json::from_str(line.strip_prefix(MARK)?).ok()
    }

    /// Ours in terms of the yardstick's, round by round; empty without a yardstick.
    pub fn ratios(&self) -> Vec<f64> {
        self.ours.iter().zip(&self.theirs).map(|(ours, theirs)| ours / theirs).collect()
    }

    /// Whether it is as it must be. The medians count.
    pub fn met(&self) -> bool {
        match self.limit {
            Limit::Ratio(most) => self.ratio().is_some_and(|ratio| ratio <= most),
            Limit::Most(most) => median(&self.ours).is_some_and(|ours| ours <= most),
            Limit::Least(least) => median(&self.ours).is_some_and(|ours| ours >= least),
        }
    }

    /// The median of ours in terms of the yardstick's median.
    pub fn ratio(&self) -> Option<f64> {
        Some(median(&self.ours)? / median(&self.theirs)?)
    }

    /// How far the rounds lie apart, per cent of the median: of the ratios where there are any.
    pub fn spread(&self) -> Option<f64> {
        let ratios = self.ratios();
        let rounds = if ratios.is_empty() { &self.ours } else { &ratios };
        let most = rounds.iter().copied().reduce(f64::max)?;
        let least = rounds.iter().copied().reduce(f64::min)?;
        Some(if most == least { 0.0 } else { (most - least) / median(rounds)? * 100.0 })
    }
}

/// The one in the middle.
pub fn median(rounds: &[f64]) -> Option<f64> {
    let mut sorted = rounds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}
