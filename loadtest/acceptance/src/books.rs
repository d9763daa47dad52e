//! Whether the books are exact: each call one record, each price what a second calculator says, each account charged exactly that.

use std::collections::BTreeMap;

use serde_json::Value;
use units::Money;

/// What a second of a price list's line costs, and how seconds are counted.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// Leading digits of the destination.
    pub prefix: &'static str,
    /// Per minute, decimal.
    pub per_minute: &'static str,
    /// For an answer, decimal.
    pub fee: &'static str,
    /// Seconds at least.
    pub minimum_s: u64,
    /// Seconds a step.
    pub step_s: u64,
}

/// What originators pay. Each amount is a whole number of nano-units, so that nobody's rounding decides.
pub const SELL: &[Line] = &[
    Line { prefix: "44", per_minute: "0.0120", fee: "0", minimum_s: 1, step_s: 1 },
    Line { prefix: "4477", per_minute: "0.0250", fee: "0.01", minimum_s: 30, step_s: 6 },
    Line { prefix: "49", per_minute: "0.0090", fee: "0.005", minimum_s: 6, step_s: 6 },
];

/// What terminators are owed.
pub const BUY: &[Line] = &[
    Line { prefix: "44", per_minute: "0.0060", fee: "0", minimum_s: 1, step_s: 1 },
    Line { prefix: "49", per_minute: "0.0060", fee: "0", minimum_s: 6, step_s: 6 },
];

/// Nano-units that a talk costs by a price list. A `+` before a number is no part of it (E.164 §6).
pub fn price(lines: &[Line], called: &str, duration_ms: u64) -> i64 {
    let digits = called.strip_prefix('+').unwrap_or(called);
    let fitting = lines.iter().filter(|line| digits.starts_with(line.prefix));
    let line = fitting.max_by_key(|line| line.prefix.len()).unwrap_or_else(|| panic!("{called} has a price"));
    // Who did not talk pays nothing, not even the fee: a call that a restart cut before its first note may have no time at all.
    if duration_ms == 0 {
        return 0;
    }
    let talked = duration_ms.div_ceil(1_000).max(line.minimum_s);
    let billed = line.minimum_s + (talked - line.minimum_s).div_ceil(line.step_s) * line.step_s;
    nanos(line.fee) + nanos(line.per_minute) * billed as i64 / 60
}

/// Nano-units of a decimal.
pub fn nanos(decimal: &str) -> i64 {
    Money::parse(decimal).unwrap_or_else(|| panic!("{decimal:?} is an amount")).nanos()
}

/// One call's record as `tandem cdr search -o json` prints it.
#[derive(Debug)]
pub struct Record(pub Value);

impl Record {
    /// A field that is text; empty if it is none.
    pub fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or("")
    }

    /// A field that is a number; 0 if it is none.
    pub fn number(&self, field: &str) -> u64 {
        self.0[field].as_u64().unwrap_or(0)
    }

    /// The call was answered.
    pub fn answered(&self) -> bool {
        !self.0["answered_ms"].is_null()
    }

    fn side(&self, side: &str) -> i64 {
        self.0[side]["price"].as_str().map_or(0, nanos)
    }
}

/// Checks every price, and that no call has two records; returns what originators pay in all, in nano-units.
///
/// # Panics
/// At the first record that is wrong.
pub fn exact(records: &[Record]) -> i64 {
    let mut seen: BTreeMap<&str, &Record> = BTreeMap::new();
    let mut total = 0;
    for record in records {
        let other = seen.insert(record.text("ingress_call_id"), record);
        assert!(other.is_none(), "one call, one record: {record:#?} and {other:#?}");
        let (called, ms) = (record.text("called_routed"), record.number("duration_ms"));
        let due = |lines| if record.answered() { price(lines, called, ms) } else { 0 };
        assert_eq!(record.side("sell"), due(SELL), "what the originator pays: {record:#?}");
        assert_eq!(record.side("buy"), due(BUY), "what the terminator is owed: {record:#?}");
        total += record.side("sell");
    }
    total
}
