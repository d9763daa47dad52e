//! Whether what callers saw and what the switch keeps agree: each answered call one record, each record a call, prices, balances.

use std::collections::BTreeMap;
use std::time::Duration;

use acceptance::books::{Record, exact, nanos};
use serde_json::Value;

use crate::carriers::Call;

/// How far a duration may lie from the caller's own, on a machine on which much else runs.
const SLACK_MS: u64 = 1_000;
/// The release cause of calls that ended with the program that carried them.
const RESTARTED: u64 = 402;

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Answered calls that have no record.
    pub lost: usize,
    /// Calls that have two.
    pub doubled: usize,
    /// Answered calls that ended with their core: paid until its last mark.
    pub cut: usize,
    /// What does not agree, in sentences.
    pub flaws: Vec<String>,
}

/// Answered calls that have no record yet.
pub fn missing(calls: &[Call], records: &[Record]) -> usize {
    let known = by_call(records);
    let answered = calls.iter().filter(|call| call.answered_us.is_some());
    answered
        .filter(|call| !known.get(call.call_id.as_str()).is_some_and(|all| all.iter().any(|one| one.answered())))
        .count()
}

fn by_call(records: &[Record]) -> BTreeMap<&str, Vec<&Record>> {
    let mut known: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    records.iter().for_each(|record| known.entry(record.text("ingress_call_id")).or_default().push(record));
    known
}

/// Compares one run's calls with all records that there are. Something stood still for so long as `late` says: durations may differ by that.
pub fn compare(calls: &[Call], records: &[Record], late: Duration) -> Books {
    let slack = SLACK_MS + late.as_millis() as u64;
    let known = by_call(records);
    let mut books = Books { lost: missing(calls, records), ..Books::default() };
    for call in calls {
        let found = known.get(call.call_id.as_str()).map_or(&[][..], Vec::as_slice);
        books.doubled += usize::from(found.len() > 1);
        let Some(record) = found.first() else { continue };
        match (call.answered_us.is_some(), record.answered()) {
            (true, true) => duration(call, record, slack, &mut books),
            // Its 200 died with its core: the caller never heard it.
            (false, true) if call.code == 0 && record.number("cause") == RESTARTED => books.cut += 1,
            (false, true) => {
                books.flaws.push(format!("{}: nobody heard an answer, status {}", call.call_id, call.code))
            }
            (_, false) => {}
        }
    }
    books
}

fn duration(call: &Call, record: &Record, slack_ms: u64, books: &mut Books) {
    let (theirs, ours) = (record.number("duration_ms"), call.duration_ms);
    if record.number("cause") == RESTARTED {
        books.cut += 1;
        if theirs > ours + slack_ms {
            books.flaws.push(format!("{}: cut after {ours} ms, billed {theirs} ms", call.call_id));
        }
    } else if theirs.abs_diff(ours) > slack_ms {
        books.flaws.push(format!("{}: {ours} ms for its caller, {theirs} ms in its record", call.call_id));
    }
}

/// Whether accounts moved by what all records say: the originator paid so much ahead, the terminator is owed the rest.
/// The sentence says what they do not agree on.
///
/// # Panics
/// When a price is not what the terms say.
pub fn balanced(records: &[Record], paid: &str, accounts: &Value) -> Result<(), String> {
    let sold = exact(records);
    let bought: i64 = records.iter().filter_map(|record| record.0["buy"]["price"].as_str()).map(nanos).sum();
    let of = |code: &str, field: &str| {
        let mut rows = accounts.as_array().into_iter().flatten();
        let row = rows.find(|row| row["account"] == code).ok_or_else(|| format!("no account {code} in {accounts}"))?;
        Ok::<i64, String>(nanos(row[field].as_str().ok_or_else(|| format!("{code} has no {field}: {row}"))?))
    };
    let (balance, free, held) = (of("acme", "balance")?, of("acme", "available")?, of("acme", "held")?);
    let owed = of("oria", "owed")?;
    let agree = balance == nanos(paid) - sold && free + held == balance && owed == bought;
    let told = format!("sold {sold}, bought {bought}; balance {balance}, available {free}, held {held}, owed {owed}");
    if agree { Ok(()) } else { Err(told) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn call(answered: bool, duration_ms: u64) -> Call {
        let code = if answered { 200 } else { 0 };
        Call { call_id: "a".into(), answered_us: answered.then_some(1), duration_ms, code, ..Call::default() }
    }

    fn record(answered: bool, duration_ms: u64, cause: u64) -> Record {
        let answered_ms = answered.then_some(60);
        Record(
            json!({ "ingress_call_id": "a", "answered_ms": answered_ms, "duration_ms": duration_ms, "cause": cause }),
        )
    }

    #[test]
    fn what_agrees_is_told_from_each_way_to_differ() {
        let found = |call: Call, records: &[Record]| {
            let books = compare(&[call], records, Duration::ZERO);
            (books.lost, books.doubled, books.cut, books.flaws.len())
        };
        assert_eq!(found(call(true, 2_000), &[record(true, 2_010, 16)]), (0, 0, 0, 0));
        assert_eq!(found(call(true, 2_000), &[]), (1, 0, 0, 0));
        assert_eq!(found(call(true, 2_000), &[record(false, 0, 41)]), (1, 0, 0, 0));
        assert_eq!(found(call(true, 2_000), &[record(true, 2_000, 16), record(true, 2_000, 16)]), (0, 1, 0, 0));
        assert_eq!(found(call(true, 2_000), &[record(true, 1_000, 402)]), (0, 0, 1, 0));
        assert_eq!(found(call(true, 2_000), &[record(true, 9_000, 402)]), (0, 0, 1, 1));
        assert_eq!(found(call(true, 2_000), &[record(true, 900, 16)]), (0, 0, 0, 1));
        assert_eq!(found(call(false, 0), &[record(true, 0, 402)]), (0, 0, 1, 0));
        assert_eq!(found(call(false, 0), &[record(true, 900, 16)]), (0, 0, 0, 1));
        assert_eq!(found(call(false, 0), &[]), (0, 0, 0, 0));
    }
}
