//! What is known of a call beside its messages: verdict, cause, prices, and every candidate with its reason.

use jiff::Timestamp;
use web::api::simulate::Verdict;
use web::api::story::{Arithmetic, Decision, Story};

use crate::cli::shown;

/// How long after a call's end its messages may still come, in seconds: its transactions' 32, and time to collect.
const MESSAGES_DUE_S: i64 = 60;

/// Line by line.
pub fn lines(story: &Story) -> Vec<String> {
    let call = &story.call;
    let code = |code: Option<&str>| code.unwrap_or("nobody").to_owned();
    let trunk = |carrier: Option<&str>, trunk: Option<&str>| match trunk {
        Some(trunk) => format!("{} by {trunk}", code(carrier)),
        None => code(carrier),
    };
    let from = trunk(
        call.originator.as_ref().map(|it| it.code.as_str()),
        call.ingress_trunk.as_ref().map(|it| it.code.as_str()),
    );
    let to = trunk(
        call.terminator.as_ref().map(|it| it.code.as_str()),
        call.egress_trunk.as_ref().map(|it| it.code.as_str()),
    );
    let by = format!("{:?}", call.released_by).to_lowercase();
    let mut lines = vec![
        format!("call        {}  started {}", call.call, call.started_at),
        format!("            {}", story.verdict),
        format!("from        {} ({from})", call.calling),
        format!("to          {} ({to})", call.called_routed),
        format!("end         cause {} {}, SIP {}, by {by}", call.cause, call.cause_text, call.sip_status),
        format!("Call-ID     {}  {}", call.ingress_call_id, call.egress_call_id),
    ];
    for attempt in &story.attempts {
        let trunk = attempt.egress_trunk.as_ref().map(|it| it.code.as_str());
        let (cause, text) = (attempt.cause, &attempt.cause_text);
        let status = if attempt.sip_status == 0 { "no answer".into() } else { format!("SIP {}", attempt.sip_status) };
        lines.push(format!("attempt {}   {}: {status}, cause {cause} {text}", attempt.attempt, code(trunk)));
    }
    lines.extend(story.sell.iter().map(|price| format!("sold        {}", priced(price))));
    lines.extend(story.buy.iter().map(|price| format!("bought      {}", priced(price))));
    if let Some(margin) = story.margin {
        let percent = story.margin_percent.map_or_else(String::new, |percent| format!(" ({percent:.1} %)"));
        lines.push(format!("margin      {margin}{percent}"));
    }
    let stages = story.stages.iter().filter(|stage| stage.us > 0);
    let stages: Vec<String> = stages.map(|stage| format!("{} {} µs", stage.stage, stage.us)).collect();
    if !stages.is_empty() {
        lines.push(format!("inside      {}", stages.join(", ")));
    }
    match &story.decision {
        Some(decision) => candidates(decision, &mut lines),
        None => lines.push("candidates  none: the call was refused before a route was chosen".to_owned()),
    }
    lines.iter().map(|line| shown(line)).collect()
}

fn priced(price: &Arithmetic) -> String {
    let Arithmetic { currency, per_minute, billed_s, price: sum, agrees, .. } = price;
    let doubt = if *agrees { "" } else { "; its terms would give another price today" };
    format!("{sum} {currency}: {billed_s} s at {per_minute} a minute{doubt}")
}

fn candidates(decision: &Decision, lines: &mut Vec<String>) {
    lines.push(format!("candidates  of revision {}, the first is tried first", decision.revision));
    for candidate in &decision.candidates {
        let place = candidate.place.map_or_else(|| "-".to_owned(), |place| place.to_string());
        let price = match (candidate.buy_per_minute, &candidate.currency) {
            (Some(price), Some(currency)) => format!("  {price} {currency} a minute"),
            _ => String::new(),
        };
        let margin = candidate.margin_percent.map_or_else(String::new, |percent| format!("  margin {percent:.1} %"));
        let verdict = match (candidate.verdict, candidate.cause) {
            (Verdict::Kept, _) => "  kept".to_owned(),
            (Verdict::Dropped, cause) => format!("  dropped, cause {}", cause.unwrap_or(0)),
        };
        let why = if candidate.reason.is_empty() { String::new() } else { format!(": {}", candidate.reason) };
        let (trunk, terminator) = (&candidate.egress_trunk.code, &candidate.terminator.code);
        lines.push(format!("  {place:>2}  {trunk} ({terminator}){price}{margin}{verdict}{why}"));
    }
    if decision.omitted > 0 {
        lines.push(format!("      and {} more, which the record had no room for", decision.omitted));
    }
}

/// Why there is no ladder, and what there is instead.
pub fn unseen(story: &Story, has_capture: bool) -> String {
    let id = &story.call.call;
    let ended = Timestamp::from_microsecond(story.call.ended_at.0.micros()).unwrap_or_default();
    let why = if Timestamp::now().duration_since(ended).as_secs() < MESSAGES_DUE_S {
        "its messages are on their way: the switch waits half a minute for repetitions, ask again then"
    } else {
        "its messages were not kept: the newest are kept without a call ever waiting for them, and --trace-percent of the data \
         plane says of how many calls"
    };
    let capture = if has_capture {
        format!("; its packets are in its capture: tandem cdr pcap {id}")
    } else {
        "; a policy's capture keeps the packets of chosen calls for good".to_owned()
    };
    format!("{why}{capture}")
}

#[cfg(test)]
mod tests {
    use super::super::ladder::tests::sample;
    use super::*;

    #[test]
    fn verdict_attempts_and_causes_are_told() {
        let told = lines(&sample()).join("\n");
        for part in [
            "Answered by oria on attempt 2.",
            "from        441 (acme by acme-in)",
            "to          442 (oria by oria-2)",
            "end         cause 16 normal, SIP 200, by ingress",
            "attempt 1   oria-1: SIP 503, cause 16",
            "refused before a route was chosen",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }

    #[test]
    fn who_asks_for_messages_that_are_not_there_learns_why() {
        let mut story = sample();
        assert!(unseen(&story, true).contains("not kept") && unseen(&story, true).contains("tandem cdr pcap 0001"));
        story.call.ended_at = web::value::Time::now();
        assert!(unseen(&story, false).contains("on their way"));
    }
}
