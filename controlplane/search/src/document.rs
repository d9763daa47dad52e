//! A record as the engine keeps it.

use std::fmt::Write;

use cdr::{Cdr, Priced};
use jiff::civil::Date;
use serde_json::{Value, json};

const DAY_US: i64 = 86_400_000_000;

/// A record's id in the engine: what is told twice is there once.
pub(crate) fn id(bytes: &[u8; 16]) -> String {
    bytes.iter().fold(String::with_capacity(32), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What the fields are. Others are kept and not searched.
pub(crate) fn template(prefix: &str) -> Value {
    let word = json!({ "type": "keyword" });
    let number = json!({ "type": "long" });
    // An aid for charts: the books stand in the database.
    let money = json!({ "type": "scaled_float", "scaling_factor": 1_000_000 });
    json!({
        "index_patterns": [format!("{prefix}-*")],
        "template": { "mappings": { "dynamic": false, "properties": {
            "started": { "type": "date", "format": "epoch_millis" }, "started_us": number, "id": word, "call": word,
            "attempt": number, "calling": word, "called": word, "called_routed": word,
            "originator": number, "terminator": number, "ingress_trunk": number, "egress_trunk": number,
            "cause": number, "sip_status": number, "answered": { "type": "boolean" }, "duration_ms": number,
            "ingress_call_id": word, "egress_call_id": word, "codec": word,
            "sell": money, "sell_currency": word, "buy": money, "buy_currency": word,
        } } },
    })
}

/// Adds a record's two lines to a bulk. Its index is the day of its start, UTC.
pub(crate) fn write(cdr: &Cdr, prefix: &str, lines: &mut String) {
    let id = id(&cdr.call.to_bytes(cdr.attempt));
    let price = |priced: &Option<Priced>| priced.map(|priced| priced.price.to_string());
    let currency = |priced: &Option<Priced>| priced.map(|priced| priced.terms.currency.code());
    let order = json!({ "index": { "_index": format!("{prefix}-{}", day(cdr)), "_id": id } });
    let record = json!({
        "started": cdr.started.micros().div_euclid(1_000),
        "started_us": cdr.started.micros(),
        "id": id,
        "call": cdr.call.to_string(),
        "attempt": cdr.attempt.0,
        "calling": plain(cdr.calling.as_str()),
        "called": plain(cdr.called.as_str()),
        "called_routed": plain(cdr.called_routed.as_str()),
        "originator": cdr.originator.0,
        "terminator": cdr.terminator.0,
        "ingress_trunk": cdr.ingress_trunk.0,
        "egress_trunk": cdr.egress_trunk.0,
        "cause": cdr.cause.0,
        "sip_status": cdr.sip_status,
        "answered": cdr.answered_ms.is_some(),
        "duration_ms": cdr.duration_ms,
        "ingress_call_id": cdr.ingress_call_id,
        "egress_call_id": cdr.egress_call_id,
        "codec": cdr.codec,
        "sell": price(&cdr.sell),
        "sell_currency": currency(&cdr.sell),
        "buy": price(&cdr.buy),
        "buy_currency": currency(&cdr.buy),
    });
    // Writing to a string cannot fail.
    let _ = writeln!(lines, "{order}\n{record}");
}

/// `2026.11.22`, as it stands behind the prefix.
fn day(cdr: &Cdr) -> String {
    let at = jiff::Timestamp::from_microsecond(cdr.started.micros()).unwrap_or_default();
    at.strftime("%Y.%m.%d").to_string()
}

/// The day of an index, in days since 1970; `None` for what is none of ours.
pub(crate) fn day_of(prefix: &str, index: &str) -> Option<i64> {
    let day = index.strip_prefix(prefix)?.strip_prefix('-')?;
    let date = Date::strptime("%Y.%m.%d", day).ok()?;
    let at = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    Some(at.as_microsecond().div_euclid(DAY_US))
}

/// A number without the sign that some peers send and others leave out.
pub(crate) fn plain(number: &str) -> &str {
    number.strip_prefix('+').unwrap_or(number)
}
