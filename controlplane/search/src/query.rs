//! What is looked for, in the engine's words.

use serde_json::{Value, json};
use store::{CdrFilter, CdrKey, CdrKind};
use units::{AttemptIndex, CallId, WallTime};

use crate::document::{id, plain};

/// The body of `_search`.
pub(crate) fn body(filter: &CdrFilter) -> Value {
    let mut body = json!({
        "size": filter.limit,
        "track_total_hits": false,
        "_source": ["started_us"],
        "query": { "bool": { "filter": conditions(filter) } },
        "sort": [
            { "started_us": { "order": "desc", "unmapped_type": "long" } },
            { "id": { "order": "desc", "unmapped_type": "keyword" } },
        ],
    });
    if let Some((started, last)) = &filter.after {
        body["search_after"] = json!([started.micros(), id(last)]);
    }
    body
}

fn conditions(filter: &CdrFilter) -> Vec<Value> {
    let mut all =
        vec![json!({ "range": { "started_us": { "gte": filter.from.micros(), "lt": filter.till.micros() } } })];
    match filter.kind {
        CdrKind::Calls => all.push(json!({ "term": { "attempt": 0 } })),
        CdrKind::Attempts => all.push(json!({ "range": { "attempt": { "gt": 0 } } })),
        CdrKind::All => {}
    }
    for (field, text) in [("calling", &filter.calling), ("called_routed", &filter.called)] {
        let kind = if filter.exact { "term" } else { "prefix" };
        all.extend(text.as_ref().map(|text| json!({ kind: { field: plain(text) } })));
    }
    if let Some(digits) = &filter.digits {
        // A star or a question mark of somebody's would mean more than itself.
        let digits: String = digits.chars().filter(char::is_ascii_digit).collect();
        let somewhere = |field: &str| json!({ "wildcard": { field: { "value": format!("*{digits}*") } } });
        all.push(either(["calling", "called_routed"].map(somewhere)));
    }
    let numbers = [
        ("originator", filter.originator),
        ("terminator", filter.terminator),
        ("ingress_trunk", filter.ingress_trunk),
        ("egress_trunk", filter.egress_trunk),
        ("cause", filter.cause.map(u32::from)),
        ("sip_status", filter.sip_status.map(u32::from)),
    ];
    all.extend(numbers.into_iter().filter_map(|(field, wanted)| Some(json!({ "term": { field: wanted? } }))));
    all.extend(filter.answered.map(|answered| json!({ "term": { "answered": answered } })));
    all.extend(filter.call.map(|call| json!({ "term": { "call": call.to_string() } })));
    if let Some(header) = &filter.sip_call_id {
        all.push(either(["ingress_call_id", "egress_call_id"].map(|field| json!({ "term": { field: header } }))));
    }
    all
}

fn either(these: [Value; 2]) -> Value {
    json!({ "bool": { "should": these, "minimum_should_match": 1 } })
}

/// The key of a hit; `None` if it is none of our records.
pub(crate) fn key(hit: &Value) -> Option<CdrKey> {
    let digits = hit["_id"].as_str()?;
    let call = CallId::parse(digits)?;
    let attempt = u8::from_str_radix(digits.get(30..)?, 16).ok()?;
    let started = WallTime::from_micros(hit["_source"]["started_us"].as_i64()?);
    Some((started, call.to_bytes(AttemptIndex(attempt))))
}
