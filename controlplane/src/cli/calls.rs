//! `tandem calls`: what the data plane says about running calls.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use panel::wire::{Answer, Ask, CallRow, MediaRow};
use store::CarrierDraft;
use units::{Money, Suite, WallTime};

use super::{EXIT_NOT_FOUND, Form, ListForm, Output, Place, Watch, acts, call_id, moment};
use crate::link::ask_once;

/// How far a call has come.
const STATES: [&str; 7] = ["admitting", "routing", "trying", "ringing", "answering", "up", "releasing"];

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Running calls, oldest first.
    #[command(alias = "ls")]
    List {
        /// Rows at most.
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// Only in this state.
        #[arg(long, value_parser = STATES)]
        state: Option<String>,
        /// Only of this carrier, by its code.
        #[arg(long)]
        originator: Option<String>,
        /// Only those that this carrier takes or is tried for, by its code.
        #[arg(long)]
        terminator: Option<String>,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        form: ListForm,
    },
    /// One running call: who, at what price, and how its media goes: relayed by the kernel or by sockets, packets, loss, jitter.
    ///
    /// Why sockets relay it: setup (not answered yet), hold, crypt (keys of the switch), record, capture, digits (between INFO and RTP), silence (its
    /// end is being judged), families (one side's media is IPv4, the other's IPv6), images (T.38).
    Show {
        /// Its 32 hexadecimal digits.
        call: String,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        form: Form,
        #[command(flatten)]
        watch: Watch,
    },
    /// Captures a running call from here on, with what is still known of its beginning; `tandem cdr pcap` opens the file.
    Capture {
        /// Its 32 hexadecimal digits.
        call: String,
        /// How much of it: sip, rtp_headers (of media packets the headers) or full (whole packets: the call can be heard).
        #[arg(long, default_value = "full")]
        what: String,
        #[command(flatten)]
        place: Place,
    },
    /// Records a running call from here on, or no longer; `tandem recordings get` fetches the file.
    Record {
        /// Its 32 hexadecimal digits.
        call: String,
        /// No longer.
        #[arg(long)]
        stop: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Releases a running call.
    Release {
        /// Its 32 hexadecimal digits.
        call: String,
        #[command(flatten)]
        place: Place,
    },
}

pub async fn run(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::List { limit, state, originator, terminator, place, form } => {
            let rows = listed(&place, limit, state, [originator, terminator]).await?;
            let head = [
                "call",
                "state",
                "from",
                "to",
                "attempt",
                "talking",
                "rate",
                "codec",
                "shard",
                "relayed by",
                "media from",
                "media to",
            ];
            form.show(&head, &rows.iter().map(cells).collect::<Vec<_>>(), || &rows)?;
            Ok(ExitCode::SUCCESS)
        }
        Verb::Show { call, place, form, watch } => {
            let wanted = call_id(&call)?.to_string();
            let Some(row) = running(&place, u32::MAX).await?.into_iter().find(|row| row.call == wanted) else {
                eprintln!(
                    "tandem: {wanted} is not running; `tandem cdr search --from 1d --call {wanted}` has what ended"
                );
                return Ok(ExitCode::from(EXIT_NOT_FOUND));
            };
            watch.shows();
            match form.output {
                Output::Json => say!("{}", serde_json::to_string_pretty(&row)?),
                Output::Table => facts(&row).iter().for_each(|(name, value)| say!("{name:<16} {value}")),
            }
            Ok(ExitCode::SUCCESS)
        }
        Verb::Capture { call, what, place } => {
            acts::note(&place, "capture", call_id(&call)?).await?;
            done(ask(&place, Ask::Capture { call, what }).await?)
        }
        Verb::Record { call, stop, place } => {
            acts::note(&place, if stop { "end_recording" } else { "record" }, call_id(&call)?).await?;
            done(ask(&place, Ask::Record { call, on: !stop }).await?)
        }
        Verb::Release { call, place } => {
            let call = call_id(&call)?;
            let answer = ask(&place, Ask::Release { call: call.to_string() }).await?;
            // A call that must end does not wait for a database.
            if let (Answer::Done, Err(flaw)) = (&answer, acts::note(&place, "release", call).await) {
                eprintln!("tandem: the release could not be written down: {flaw:#}");
            }
            done(answer)
        }
    }
}

/// Running calls in this state, of this originator and terminator, the oldest first. Without carriers no database is asked.
async fn listed(
    place: &Place,
    limit: u32,
    state: Option<String>,
    [originator, terminator]: [Option<String>; 2],
) -> Result<Vec<CallRow>> {
    if state.is_none() && originator.is_none() && terminator.is_none() {
        return running(place, limit).await;
    }
    let originator = carrier(place, originator.as_deref()).await?;
    let terminator = carrier(place, terminator.as_deref()).await?;
    let mut rows = running(place, u32::MAX).await?;
    rows.retain(|row| {
        state.as_ref().is_none_or(|wanted| *wanted == row.state)
            && originator.is_none_or(|wanted| wanted == row.originator)
            && terminator.is_none_or(|wanted| wanted == row.terminator)
    });
    rows.truncate(limit as usize);
    Ok(rows)
}

async fn carrier(place: &Place, code: Option<&str>) -> Result<Option<u32>> {
    match code {
        Some(code) => Ok(Some(place.store().await?.by_code::<CarrierDraft>(code).await?.id)),
        None => Ok(None),
    }
}

/// Running calls, the oldest first.
async fn running(place: &Place, limit: u32) -> Result<Vec<CallRow>> {
    match ask(place, Ask::Calls { limit }).await? {
        Answer::Calls(rows) => Ok(rows),
        other => bail!("the data plane gave an odd answer: {other:?}"),
    }
}

fn done(answer: Answer) -> Result<ExitCode> {
    match answer {
        Answer::Done => Ok(ExitCode::SUCCESS),
        Answer::Refused { reason } => {
            eprintln!("tandem: {reason}");
            Ok(ExitCode::from(EXIT_NOT_FOUND))
        }
        other => bail!("the data plane gave an odd answer: {other:?}"),
    }
}

async fn ask(place: &Place, ask: Ask) -> Result<Answer> {
    let folder = place.folder()?;
    ask_once(&folder.socket(), ask)
        .await
        .with_context(|| format!("no data plane answers in {}", folder.path().display()))
}

fn cells(row: &CallRow) -> Vec<String> {
    vec![
        row.call.clone(),
        row.state.clone(),
        row.calling.clone(),
        row.called.clone(),
        row.attempt.to_string(),
        row.talking_ms.map_or(String::new(), |ms| format!("{}:{:02}", ms / 60_000, ms / 1_000 % 60)),
        Money::from_nanos(row.sell_per_minute).to_string(),
        row.codec.clone(),
        row.shard.to_string(),
        relayed_by(row),
        heard(&row.ingress_media),
        heard(&row.egress_media),
    ]
}

/// All that is known of a call, by name.
fn facts(row: &CallRow) -> Vec<(&'static str, String)> {
    let media = |media: &MediaRow| {
        let MediaRow { packets, kernel_packets, lost, rtt_us, .. } = media;
        let rtt_ms = rtt_us / 1_000;
        format!(
            "{}, {packets} packets ({kernel_packets} by the kernel), {lost} lost, round trip {rtt_ms} ms",
            heard(media)
        )
    };
    let price = |nanos| format!("{} a minute", Money::from_nanos(nanos));
    vec![
        ("call", row.call.clone()),
        ("state", row.state.clone()),
        ("from", row.calling.clone()),
        ("to", row.called.clone()),
        ("started", moment(WallTime::from_micros(row.started))),
        ("talking ms", row.talking_ms.map_or(String::new(), |ms| ms.to_string())),
        ("attempt", row.attempt.to_string()),
        ("originator", format!("carrier {}, trunk {}", row.originator, row.ingress_trunk)),
        ("terminator", format!("carrier {}, trunk {}", row.terminator, row.egress_trunk)),
        ("sold at", price(row.sell_per_minute)),
        ("bought at", price(row.buy_per_minute)),
        ("codec", row.codec.clone()),
        ("shard", row.shard.to_string()),
        ("relayed by", relayed_by(row)),
        ("from originator", media(&row.ingress_media)),
        ("from terminator", media(&row.egress_media)),
    ]
}

/// What relays a call's media, and why it is not the kernel.
fn relayed_by(row: &CallRow) -> String {
    if row.stays.is_empty() { row.media_path.clone() } else { format!("{}: {}", row.media_path, row.stays.join(", ")) }
}

/// MOS, share of loss, jitter and suite of one direction.
fn heard(media: &MediaRow) -> String {
    if media.packets == 0 {
        return "silent".into();
    }
    let lost = f64::from(media.lost) * 100.0 / (media.packets + u64::from(media.lost)) as f64;
    let (mos, jitter_ms) = (f64::from(media.mos_x100) / 100.0, media.jitter_us / 1_000);
    let suite = Suite::from_code(media.suite).map_or(String::new(), |suite| format!(" {}", suite.name()));
    format!("{mos:.2} {lost:.1}% {jitter_ms}ms{suite}")
}
