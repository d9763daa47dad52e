//! `tandem cdr`: finished calls, from the database.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use cdr::{Cdr, Party, Priced};
use clap::{Args, Subcommand};
use files::Kind;
use serde_json::{Value, json};
use store::{CarrierDraft, CdrFilter, CdrKind, EgressTrunkDraft, IngressTrunkDraft, Object, SEARCH_ROWS_MAX, Store};
use units::{AttemptIndex, WallTime};

use super::{ListForm, Misused, Place, call_id, moment, route};

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Finds records of a window, newest first.
    Search(Box<Search>),
    /// Compares a carrier's list of calls with the records of a window: who has a call that the other has not, and where talk time or price
    /// differ. Exit code 3: something differs.
    Compare(Box<super::compare::Arguments>),
    /// Writes the capture of a call to a file or to standard output, for tshark, tcpdump or Wireshark. The audit says who opened it.
    Pcap {
        /// Its 32 hexadecimal digits.
        call: String,
        /// The file; standard output if not given.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Args)]
pub struct Search {
    /// Started at or after: a moment, a date (UTC), or a span back from now such as 1h or 30m.
    #[arg(long, default_value = "1h")]
    from: String,
    /// Started before; now if not given.
    #[arg(long)]
    till: Option<String>,
    /// Attempts too, not only calls.
    #[arg(long)]
    attempts: bool,
    /// The caller's number starts with this.
    #[arg(long)]
    calling: Option<String>,
    /// The routed destination starts with this.
    #[arg(long)]
    called: Option<String>,
    /// --calling and --called are whole numbers, not their beginnings.
    #[arg(long)]
    exact: bool,
    /// These digits stand somewhere in the caller's number or in the routed destination. Without a search engine in an hour at most.
    #[arg(long)]
    digits: Option<String>,
    /// Code of the carrier that sent the call.
    #[arg(long)]
    originator: Option<String>,
    /// Code of the carrier that took it.
    #[arg(long)]
    terminator: Option<String>,
    /// Code of the trunk that it came in by.
    #[arg(long)]
    ingress_trunk: Option<String>,
    /// Code of the trunk that it went out by.
    #[arg(long)]
    egress_trunk: Option<String>,
    /// Release cause.
    #[arg(long)]
    cause: Option<u16>,
    /// Final SIP status.
    #[arg(long)]
    sip_status: Option<u16>,
    /// What became of the signed identity: no, missing, passed, failed, unknown, signed, relayed, unsigned.
    #[arg(long, value_parser = vouched)]
    identity: Option<u8>,
    /// Only answered calls (true) or only others (false).
    #[arg(long)]
    answered: Option<bool>,
    /// One call, by its 32 hexadecimal digits.
    #[arg(long)]
    call: Option<String>,
    /// A Call-ID header of either leg.
    #[arg(long)]
    sip_call_id: Option<String>,
    /// Rows at most; 0 for all of the window.
    #[arg(long, default_value_t = 100)]
    limit: usize,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    form: ListForm,
}

pub async fn run(verb: Verb) -> Result<ExitCode> {
    let search = match verb {
        Verb::Search(search) => search,
        Verb::Compare(ask) => return super::compare::run(*ask).await,
        Verb::Pcap { call, out, place } => {
            return super::files::get(Kind::Capture, &call, out.as_deref(), &place).await;
        }
    };
    let store = search.place.store().await?;
    let filter = filter(&search, &store).await?;
    let found = pages(&search.place.search()?, &store, filter, search.limit).await?;
    let names = Names::read(&store).await?;
    let head =
        ["started", "call", "try", "from", "to", "originator", "terminator", "dur ms", "sip", "cause", "sell", "buy"];
    let rows: Vec<Vec<String>> = found.iter().map(|cdr| cells(cdr, &names)).collect();
    search.form.show(&head, &rows, || found.iter().map(|cdr| object(cdr, &names)).collect::<Vec<Value>>())?;
    Ok(ExitCode::SUCCESS)
}

async fn filter(search: &Search, store: &Store) -> Result<CdrFilter> {
    let call = match &search.call {
        Some(text) => Some(call_id(text)?),
        None => None,
    };
    Ok(CdrFilter {
        from: when(&search.from)?,
        till: search.till.as_deref().map_or_else(|| when("0s"), when)?,
        kind: if search.attempts { CdrKind::All } else { CdrKind::Calls },
        calling: search.calling.clone(),
        called: search.called.clone(),
        exact: search.exact,
        digits: search.digits.clone(),
        originator: id::<CarrierDraft>(store, search.originator.as_deref()).await?,
        terminator: id::<CarrierDraft>(store, search.terminator.as_deref()).await?,
        ingress_trunk: id::<IngressTrunkDraft>(store, search.ingress_trunk.as_deref()).await?,
        egress_trunk: id::<EgressTrunkDraft>(store, search.egress_trunk.as_deref()).await?,
        cause: search.cause,
        sip_status: search.sip_status,
        identity: search.identity,
        answered: search.answered,
        call,
        sip_call_id: search.sip_call_id.clone(),
        ..CdrFilter::default()
    })
}

fn vouched(word: &str) -> Result<u8, String> {
    cdr::Vouched::of_word(word).map(|vouched| vouched as u8).ok_or_else(|| "there is no such result".to_owned())
}

async fn id<D: Object>(store: &Store, code: Option<&str>) -> Result<Option<u32>> {
    match code {
        Some(code) => Ok(Some(store.by_code::<D>(code).await?.id)),
        None => Ok(None),
    }
}

async fn pages(search: &::search::Search, store: &Store, mut filter: CdrFilter, limit: usize) -> Result<Vec<Cdr>> {
    let wanted = if limit == 0 { usize::MAX } else { limit };
    let (mut found, mut passed): (Vec<Cdr>, Option<String>) = (Vec::new(), None);
    loop {
        filter.limit = SEARCH_ROWS_MAX.min(u32::try_from(wanted - found.len()).unwrap_or(SEARCH_ROWS_MAX));
        let page = search.find(store, &filter).await?;
        if page.passed.is_some() && passed.is_none() {
            passed = page.passed;
            eprintln!("the database answers, the search engine does not: {}", passed.as_deref().unwrap_or_default());
        }
        filter.after = page.next;
        found.extend(page.cdrs);
        if filter.after.is_none() || found.len() >= wanted {
            return Ok(found);
        }
    }
}

/// A moment, a date, or a span back from now. The present is a second ahead, so that a window up to now holds what has just begun.
pub(super) fn when(text: &str) -> Result<WallTime> {
    if let Ok(at) = crate::apply::moment(text) {
        return Ok(at);
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(Misused(format!("{text:?} is neither a moment, a date nor a span such as 30m")).into()),
    };
    let back: i64 = digits.parse().map_err(|_| Misused(format!("{text:?} is no span of time")))?;
    let now = jiff::Timestamp::now().as_microsecond() + 1_000_000;
    Ok(WallTime::from_micros(now.saturating_sub(back.saturating_mul(seconds * 1_000_000))))
}

/// Codes by id.
#[derive(Default)]
struct Names {
    carriers: BTreeMap<u32, String>,
    ingress: BTreeMap<u32, String>,
    egress: BTreeMap<u32, String>,
}

impl Names {
    async fn read(store: &Store) -> Result<Names> {
        Ok(Names {
            carriers: codes::<CarrierDraft>(store).await?,
            ingress: codes::<IngressTrunkDraft>(store).await?,
            egress: codes::<EgressTrunkDraft>(store).await?,
        })
    }
}

async fn codes<D: Object>(store: &Store) -> Result<BTreeMap<u32, String>> {
    Ok(store.all::<D>().await?.into_iter().map(|object| (object.id, object.code().to_owned())).collect())
}

fn name(names: &BTreeMap<u32, String>, id: u32) -> String {
    match names.get(&id) {
        Some(code) => code.clone(),
        None if id == 0 => String::new(),
        None => format!("#{id}"),
    }
}

fn cells(cdr: &Cdr, names: &Names) -> Vec<String> {
    let price = |priced: Option<Priced>| priced.map_or(String::new(), |priced| priced.price.to_string());
    vec![
        moment(cdr.started),
        cdr.call.to_string(),
        if cdr.attempt == AttemptIndex(0) { format!("of {}", cdr.attempts) } else { cdr.attempt.to_string() },
        cdr.calling.to_string(),
        cdr.called_routed.to_string(),
        name(&names.carriers, cdr.originator.0),
        name(&names.carriers, cdr.terminator.0),
        cdr.duration_ms.to_string(),
        cdr.sip_status.to_string(),
        cdr.cause.0.to_string(),
        price(cdr.sell),
        price(cdr.buy),
    ]
}

/// A record without a database to ask for names: those of carriers and trunks are `#` and the id.
pub fn plain(cdr: &Cdr) -> Value {
    object(cdr, &Names::default())
}

fn object(cdr: &Cdr, names: &Names) -> Value {
    let mut row = json!({
        "call": cdr.call.to_string(),
        "attempt": cdr.attempt.0,
        "attempts": cdr.attempts,
        "revision": cdr.revision.0,
        "started": moment(cdr.started),
        "originator": name(&names.carriers, cdr.originator.0),
        "terminator": name(&names.carriers, cdr.terminator.0),
        "ingress_trunk": name(&names.ingress, cdr.ingress_trunk.0),
        "egress_trunk": name(&names.egress, cdr.egress_trunk.0),
        "calling": cdr.calling.as_str(),
        "called": cdr.called.as_str(),
        "called_routed": cdr.called_routed.as_str(),
        "lrn": cdr.lrn.as_str(),
        "jurisdiction": cdr.jurisdiction.word(),
        "ringing_ms": cdr.ringing_ms,
        "answered_ms": cdr.answered_ms,
        "ended_ms": cdr.ended_ms,
        "duration_ms": cdr.duration_ms,
        "sip_status": cdr.sip_status,
        "cause": cdr.cause.0,
        "cause_text": cdr.cause.text(),
        "released_by": match cdr.released_by {
            Party::Ingress => "ingress",
            Party::Egress => "egress",
            Party::Switch => "switch",
        },
        "sell": priced(cdr.sell),
        "buy": priced(cdr.buy),
        "ingress_address": cdr.ingress_address.map(|address| address.to_string()),
        "egress_address": cdr.egress_address.map(|address| address.to_string()),
        "ingress_call_id": cdr.ingress_call_id,
        "egress_call_id": cdr.egress_call_id,
        "codec": cdr.codec,
        "ingress_packets": cdr.ingress_media.packets,
        "ingress_lost": cdr.ingress_media.lost,
        "ingress_mos": f64::from(cdr.ingress_media.mos_x100) / 100.0,
        "ingress_jitter_us": cdr.ingress_media.jitter_us,
        "ingress_rtt_us": cdr.ingress_media.rtt_us,
        "egress_packets": cdr.egress_media.packets,
        "egress_lost": cdr.egress_media.lost,
        "egress_mos": f64::from(cdr.egress_media.mos_x100) / 100.0,
        "egress_jitter_us": cdr.egress_media.jitter_us,
        "egress_rtt_us": cdr.egress_media.rtt_us,
        "pdd_us": cdr.stages.pdd_us,
    });
    // One macro takes no more fields.
    row["ingress_kernel_packets"] = cdr.ingress_media.kernel_packets.into();
    row["egress_kernel_packets"] = cdr.egress_media.kernel_packets.into();
    row["recorded"] = cdr.recorded.word().into();
    row["identity"] = cdr.identity.vouched.word().into();
    row["attestation"] = cdr.identity.attest.map(cdr::Attest::word).into();
    row["identity_doubt"] = cdr.identity.doubt.word().into();
    row["identity_origin"] = cdr.identity.origid_text().into();
    for (name, media) in [("ingress_suite", &cdr.ingress_media), ("egress_suite", &cdr.egress_media)] {
        row[name] = media.suite.map(units::Suite::name).into();
    }
    row
}

fn priced(priced: Option<Priced>) -> Value {
    let Some(Priced { terms, billed_s, price, tax }) = priced else { return Value::Null };
    let mut told = route::terms(terms);
    told["billed_s"] = billed_s.into();
    told["price"] = price.to_string().into();
    told["tax"] = tax.to_string().into();
    told
}
