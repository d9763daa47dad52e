//! A call's messages as text: a column for each address, an arrow for each message.

use web::api::story::{Direction, LegSide, Message, Story};

use crate::cli::shown;

/// Characters of the time column.
const TIME: usize = 12;
/// Characters between two columns at least; with less each message is a sentence.
const STEP_MIN: usize = 16;
/// Characters between two columns at most.
const STEP_MAX: usize = 40;

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Column {
    address: String,
    /// Whose it is.
    name: String,
}

/// The heads, and a line for each message.
pub fn lines(story: &Story, width: usize) -> (Vec<String>, Vec<String>) {
    let messages = story.ladder.as_ref().map_or(&[][..], |ladder| &ladder.messages);
    let columns = columns(story, messages);
    let step = width.saturating_sub(TIME + 1) / columns.len().max(2);
    if step < STEP_MIN {
        return (Vec::new(), messages.iter().map(|message| cut(&sentence(message), width)).collect());
    }
    let step = step.min(STEP_MAX);
    let head = |text: &dyn Fn(&Column) -> &str| {
        let cells = columns.iter().map(|column| format!("{:<step$}", cut(&shown(text(column)), step - 1)));
        format!("{:<TIME$}{}", "", cells.collect::<String>()).trim_end().to_owned()
    };
    let heads = vec![head(&|column| &column.name), head(&|column| &column.address)];
    (heads, messages.iter().map(|message| arrow(message, &columns, step)).collect())
}

/// What a message is: method or status, with a word about a description.
pub fn label(message: &Message) -> String {
    let has_sdp = message.raw.lines().any(|line| {
        let line = line.to_ascii_lowercase();
        (line.starts_with("content-type:") || line.starts_with("c:")) && line.contains("application/sdp")
    });
    let method = message.raw.lines().find_map(|line| {
        let (name, rest) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("cseq").then(|| rest.split_whitespace().nth(1)).flatten()
    });
    let of = match method {
        Some(method) if message.raw.starts_with("SIP/2.0 ") && method != "INVITE" => format!(" ({method})"),
        _ => String::new(),
    };
    shown(&format!("{}{of}{}", message.label, if has_sdp { " SDP" } else { "" }))
}

/// Originators on the left, the switch, then terminators in the order of their attempts.
fn columns(story: &Story, messages: &[Message]) -> Vec<Column> {
    let named = |name: Option<&str>| name.unwrap_or_default().to_owned();
    let peer = |message: &Message| match message.direction {
        Direction::In => message.from.clone(),
        Direction::Out => message.to.clone(),
    };
    let mut sides = [Vec::new(), Vec::new()];
    for message in messages {
        let (side, name) = match message.leg {
            LegSide::Ingress => (0, named(story.call.originator.as_ref().map(|it| it.code.as_str()))),
            LegSide::Egress => {
                let tried = story.attempts.iter().find(|attempt| attempt.attempt == message.attempt);
                let tried = tried.unwrap_or(&story.call);
                (1, named(tried.egress_trunk.as_ref().map(|it| it.code.as_str())))
            }
        };
        let column = Column { address: peer(message), name };
        if !sides[side].iter().any(|known: &Column| known.address == column.address) {
            sides[side].push(column);
        }
    }
    let [ingress, egress] = sides;
    let switch = Column { address: String::new(), name: SWITCH.to_owned() };
    ingress.into_iter().chain([switch]).chain(egress).collect()
}

/// How stories call the switch.
const SWITCH: &str = "tandem";

fn clock(message: &Message) -> String {
    format!("{:>10.6}", message.offset_us as f64 / 1e6)
}

fn sentence(message: &Message) -> String {
    format!("{}  {} > {}  {}", clock(message), shown(&message.from), shown(&message.to), label(message))
}

fn arrow(message: &Message, columns: &[Column], step: usize) -> String {
    let switch = columns.iter().position(|column| column.name == SWITCH && column.address.is_empty()).unwrap_or(0);
    let peer = if message.direction == Direction::In { &message.from } else { &message.to };
    let is_ingress = message.leg == LegSide::Ingress;
    // The same address may stand on both sides.
    let own = columns.iter().enumerate().filter(|(at, _)| if is_ingress { *at < switch } else { *at > switch });
    let peer = own.clone().find(|(_, column)| column.address == *peer).map_or(switch, |(at, _)| at);
    let (left, right) = (peer.min(switch), peer.max(switch));
    let goes_right = (message.direction == Direction::In) == is_ingress;
    let mut cells: Vec<char> = vec![' '; (columns.len() - 1) * step + 1];
    for at in 0..columns.len() {
        cells[at * step] = '│';
    }
    let (first, last) = (left * step + 1, right * step);
    for cell in cells.get_mut(first..last).unwrap_or_default() {
        *cell = '─';
    }
    if last > first {
        if goes_right {
            cells[last - 1] = '▶'
        } else {
            cells[first] = '◀'
        }
        let text = format!(" {} ", cut(&label(message), (last - first).saturating_sub(6)));
        for (cell, letter) in cells[first + 2..].iter_mut().zip(text.chars()) {
            *cell = letter;
        }
    }
    format!("{}  {}", clock(message), cells.into_iter().collect::<String>()).trim_end().to_owned()
}

fn cut(text: &str, width: usize) -> String {
    text.chars().take(width).collect()
}

#[cfg(test)]
pub mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A story with two attempts, as the API tells it: `INVITE` in, a refused and an answered attempt.
    pub fn sample() -> Story {
        let named = |id: &str, code: &str| json!({ "id": id, "code": code });
        let media = json!({ "packets": 0, "kernel_packets": 0, "bytes": 0, "lost": 0, "lost_percent": null, "reordered": 0,
            "duplicates": 0, "burst_loss_percent": null, "burst_ms": 0, "first_ms": null, "rtt_us": null, "suite": null,
            "strangers": 0, "jitter_us": 0, "mos": null });
        let cdr = |attempt: u8, trunk: &str, status: u16| {
            json!({ "call": "00010000000100000000000000070000", "attempt": attempt, "attempts": 2, "revision": 17,
                "originator": named("car_1", "acme"), "originator_account": null, "ingress_trunk": named("itr_1", "acme-in"),
                "terminator": named("car_2", "oria"), "terminator_account": null, "egress_trunk": named("etr_1", trunk),
                "calling": "441", "called": "442", "called_routed": "442", "lrn": null, "jurisdiction": "any",
                "started_at": "2026-01-02T12:34:56.000000Z", "answered_at": null, "ended_at": "2026-01-02T12:35:56.000000Z",
                "pdd_ms": null, "duration_ms": 60_000, "sip_status": status, "cause": 16, "cause_text": "normal",
                "released_by": "ingress", "sell": null, "buy": null, "margin": null, "ingress_address": null,
                "egress_address": null, "ingress_call_id": "a", "egress_call_id": "b", "codec": "PCMA", "recorded": "no",
                "identity": "no", "ingress_media": media, "egress_media": media })
        };
        let message = |us: u64, direction: &str, attempt: u8, peer: &str, label: &str, raw: &str| {
            let (from, to) = if direction == "in" { (peer, SWITCH) } else { (SWITCH, peer) };
            json!({ "at": "2026-01-02T12:34:56.000000Z", "offset_us": us, "direction": direction,
                "leg": if attempt == 0 { "ingress" } else { "egress" }, "attempt": attempt, "from": from, "to": to,
                "label": label, "raw": raw })
        };
        let invite = "INVITE sip:442@x SIP/2.0\r\nCSeq: 1 INVITE\r\nContent-Type: application/sdp\r\n\r\nv=0";
        let messages = vec![
            message(0, "in", 0, "192.0.2.1:5060", "INVITE", invite),
            message(900, "out", 1, "192.0.2.10:5060", "INVITE", invite),
            message(2_000, "in", 1, "192.0.2.10:5060", "503 No \x1b[2J", "SIP/2.0 503 No\r\nCSeq: 1 INVITE\r\n\r\n"),
            message(3_000, "out", 2, "192.0.2.11:5060", "INVITE", invite),
            message(9_000_000, "out", 0, "192.0.2.1:5060", "200 OK", "SIP/2.0 200 OK\r\nCSeq: 2 BYE\r\n\r\n"),
        ];
        let story: Value = json!({ "call": cdr(0, "oria-2", 200), "attempts": [cdr(1, "oria-1", 503), cdr(2, "oria-2", 200)],
            "verdict": "Answered by oria on attempt 2.", "ladder": { "started_at": "2026-01-02T12:34:56.000000Z", "messages": messages },
            "capture_bytes": null, "recording_s": null, "decision": null, "sell": null, "buy": null, "margin": null,
            "margin_percent": null, "stages": [], "ingress_media": media, "egress_media": media });
        serde_json::from_value(story).expect("a story as the API tells it")
    }

    #[test]
    fn each_message_is_an_arrow_between_its_two_columns() {
        let (heads, rows) = lines(&sample(), 100);
        assert_eq!(heads[0], "            acme                 tandem               oria-1               oria-2");
        assert_eq!(
            heads[1],
            "            192.0.2.1:5060                            192.0.2.10:5060      192.0.2.11:5060"
        );
        let wanted = [
            "  0.000000  │─ INVITE SDP ──────▶│                    │                    │",
            "  0.000900  │                    │─ INVITE SDP ──────▶│                    │",
            "  0.002000  │                    │◀ 503 No ?[2J ──────│                    │",
            "  0.003000  │                    │─ INVITE SDP ───────────────────────────▶│",
            "  9.000000  │◀ 200 OK (BYE) ─────│                    │                    │",
        ];
        for (row, wanted) in rows.iter().zip(wanted) {
            let flat = |text: &str| text.replace('◀', "<").replace('▶', ">");
            assert!(flat(row).contains(&flat(&wanted[..12])), "{row}");
            assert_eq!(row.matches('│').count(), if wanted.contains("───────────────▶") { 3 } else { 4 }, "{row}");
        }
        let ends = |row: &str, letter: char| row.chars().position(|cell| cell == letter);
        // To the second terminator, across the column of the first.
        assert_eq!((ends(&rows[3], '▶'), ends(&rows[0], '▶')), (Some(74), Some(32)), "{rows:#?}");
        assert_eq!((ends(&rows[2], '◀'), ends(&rows[4], '◀')), (Some(34), Some(13)), "{rows:#?}");
        assert!(rows[0].contains(" INVITE SDP ") && rows[4].contains(" 200 OK (BYE) "), "{rows:#?}");
        assert!(!rows.concat().contains('\x1b'), "what peers say does not speak to the terminal");
    }

    #[test]
    fn a_narrow_terminal_has_sentences() {
        let (heads, rows) = lines(&sample(), 60);
        assert!(heads.is_empty() && rows.iter().all(|row| row.chars().count() <= 60));
        assert_eq!(rows[1], "  0.000900  tandem > 192.0.2.10:5060  INVITE SDP");
    }
}
