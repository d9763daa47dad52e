//! A journal record as one JSON object.

use ::cdr::{GrantPart, Record};
use serde_json::{Value, json};
use units::{CallId, GrantId, WallTime};

use super::examine::Spot;
use crate::cli::{cdr, moment};

/// The kinds of records, by the words that people use for them.
pub const KINDS: [&str; 10] =
    ["boot", "start", "paid", "mark", "cdr", "asked", "granted", "carried", "closed", "returned"];

/// The kind of a record.
pub fn kind(record: &Record) -> &'static str {
    match record {
        Record::Boot { .. } => "boot",
        Record::Start(_) => "start",
        Record::Paid { .. } => "paid",
        Record::Mark { .. } => "mark",
        Record::Cdr(_) => "cdr",
        Record::GrantAsked { .. } => "asked",
        Record::Granted { .. } => "granted",
        Record::GrantCarried { .. } => "carried",
        Record::GrantClosed { .. } => "closed",
        Record::GrantReturned { .. } => "returned",
    }
}

/// The call that a record is about.
pub fn call(record: &Record) -> Option<CallId> {
    match record {
        Record::Start(start) => Some(start.call.call),
        Record::Paid { call, .. } => Some(*call),
        Record::Cdr(cdr) => Some(cdr.call),
        _ => None,
    }
}

/// The moment that a record tells: of calls, when they came in.
pub fn time(record: &Record) -> Option<WallTime> {
    match record {
        Record::Boot { wall, .. } | Record::Mark { wall, .. } => Some(*wall),
        Record::Start(start) => Some(start.call.started),
        Record::Cdr(cdr) => Some(cdr.started),
        _ => None,
    }
}

/// The record with its place.
pub fn object(spot: Spot, record: &Record) -> Value {
    let mut object = match record {
        Record::Boot { wall, .. } => json!({ "wall": moment(*wall) }),
        Record::Start(start) => json!({
            "record": cdr::plain(&start.call),
            "attempt": cdr::plain(&start.attempt),
            "answered_us": start.answered.micros(),
            "reserved": parts(&start.reserved),
            "paid_ms": start.paid_ms,
        }),
        Record::Paid { reserved, owed_reserved, paid_ms, .. } => {
            json!({ "reserved": parts(reserved), "owed_reserved": parts(owed_reserved), "paid_ms": paid_ms })
        }
        Record::Mark { shard, now, wall } => {
            json!({ "shard": shard.0, "now_us": now.micros(), "wall": moment(*wall) })
        }
        Record::Cdr(record) => {
            json!({ "record": cdr::plain(record), "grants": parts(&record.grants), "owed_grants": parts(&record.owed_grants) })
        }
        Record::GrantAsked { grant, account } => json!({ "grant": digits(*grant), "account": account.0 }),
        Record::Granted { grant, account, amount } => {
            json!({ "grant": digits(*grant), "account": account.0, "amount": amount.to_string() })
        }
        Record::GrantCarried { grant, account, amount, used } => json!({
            "grant": digits(*grant),
            "account": account.0,
            "amount": amount.to_string(),
            "used": used.to_string(),
        }),
        Record::GrantReturned { grant } => json!({ "grant": digits(*grant) }),
        Record::GrantClosed { grant, used } => json!({ "grant": digits(*grant), "used": used.to_string() }),
    };
    object["kind"] = kind(record).into();
    if let Some(call) = call(record) {
        object["call"] = call.to_string().into();
    }
    let Spot { boot, segment, offset, sequence } = spot;
    object["at"] = json!({ "boot": boot, "segment": segment, "offset": offset, "sequence": sequence });
    object
}

fn parts(parts: &[GrantPart]) -> Value {
    parts.iter().map(|part| json!({ "grant": digits(part.grant), "amount": part.amount.to_string() })).collect()
}

fn digits(grant: GrantId) -> String {
    crate::collect::aside::digits(&grant.to_bytes())
}
