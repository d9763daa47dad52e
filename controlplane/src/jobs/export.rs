//! All CDRs of a window as one file: CSV, compressed. Each batch is a gzip member of its own, and members one behind the other are a gzip
//! file, so an export goes on behind its last batch whoever goes on with it.

use std::collections::BTreeMap;
use std::io::Write as _;

use cdr::{Cdr, Party, Priced};
use flate2::Compression;
use flate2::write::GzEncoder;
use store::{
    CarrierDraft, EgressTrunkDraft, Go, IngressTrunkDraft, JobStep, Object, SEARCH_ROWS_MAX, Store, StoreError, Turn,
};
use units::WallTime;
use web::cell::harmless;

use super::{Done, Ended};

/// Pages of one batch: 4,000 records.
const PAGES: usize = 4;

const HEAD: [&str; 31] = [
    "call",
    "attempt",
    "attempts",
    "started_at",
    "answered_at",
    "duration_ms",
    "originator",
    "ingress_trunk",
    "terminator",
    "egress_trunk",
    "calling",
    "called",
    "called_routed",
    "sip_status",
    "cause",
    "cause_text",
    "released_by",
    "sell_currency",
    "sell_rate",
    "sell_billed_s",
    "sell_price",
    "buy_currency",
    "buy_rate",
    "buy_billed_s",
    "buy_price",
    "ingress_call_id",
    "egress_call_id",
    "identity",
    "attestation",
    "identity_doubt",
    "identity_origin",
];

pub(super) async fn run(store: &Store, turn: &Turn) -> Done {
    let ask: web::api::jobs::ExportAsk =
        serde_json::from_str(&turn.job.asked.ask).map_err(|error| StoreError::Broken(error.to_string()))?;
    let mut filter = ask.filter();
    filter.limit = SEARCH_ROWS_MAX;
    filter.after = place(&turn.job.place);
    let names = Names::read(store).await?;
    let mut done = turn.job.done;
    let mut first = turn.job.parts == 0;
    loop {
        let mut rows = Vec::new();
        let mut more = true;
        for _ in 0..PAGES {
            let page = store.search_cdrs(&filter).await?;
            more = page.len() == SEARCH_ROWS_MAX as usize;
            if let Some(last) = page.last() {
                filter.after = Some((last.started, last.call.to_bytes(last.attempt)));
            }
            rows.extend(page.iter().map(|cdr| cells(cdr, &names)));
            if !more {
                break;
            }
        }
        done += rows.len() as u64;
        let part = packed(first, rows).await?;
        first = false;
        let step = JobStep {
            done,
            total: (!more).then_some(done),
            place: filter.after.map_or_else(String::new, |after| place_of(&after)),
            file: format!("cdrs-{}.csv.gz", turn.job.id),
            part,
            ..JobStep::default()
        };
        match store.job_step(turn, &step).await? {
            Go::Stop => return Ok(Ended::Stopped),
            Go::On if more => {}
            Go::On => return Ok(Ended::Done),
        }
    }
}

/// Where the next batch begins: the last record's start and id.
fn place_of((started, id): &(WallTime, [u8; 16])) -> String {
    format!("{} {:032x}", started.micros(), u128::from_be_bytes(*id))
}

fn place(text: &str) -> Option<(WallTime, [u8; 16])> {
    let (started, id) = text.split_once(' ')?;
    Some((WallTime::from_micros(started.parse().ok()?), u128::from_str_radix(id, 16).ok()?.to_be_bytes()))
}

/// Rows as one gzip member, with the head if they are the first.
async fn packed(first: bool, rows: Vec<Vec<String>>) -> Result<Vec<u8>, StoreError> {
    let pack = move || -> Result<Vec<u8>, String> {
        let mut text = csv::Writer::from_writer(Vec::new());
        if first {
            text.write_record(HEAD).map_err(|error| error.to_string())?;
        }
        for row in rows {
            text.write_record(row).map_err(|error| error.to_string())?;
        }
        let text = text.into_inner().map_err(|error| error.to_string())?;
        let mut member = GzEncoder::new(Vec::new(), Compression::default());
        member.write_all(&text).map_err(|error| error.to_string())?;
        member.finish().map_err(|error| error.to_string())
    };
    let packed = tokio::task::spawn_blocking(pack).await.map_err(|error| StoreError::Broken(error.to_string()))?;
    packed.map_err(StoreError::Broken)
}

/// Codes by id.
struct Names {
    carriers: BTreeMap<u32, String>,
    ingress: BTreeMap<u32, String>,
    egress: BTreeMap<u32, String>,
}

impl Names {
    async fn read(store: &Store) -> Result<Names, StoreError> {
        Ok(Names {
            carriers: codes::<CarrierDraft>(store).await?,
            ingress: codes::<IngressTrunkDraft>(store).await?,
            egress: codes::<EgressTrunkDraft>(store).await?,
        })
    }
}

async fn codes<D: Object>(store: &Store) -> Result<BTreeMap<u32, String>, StoreError> {
    Ok(store.all::<D>().await?.into_iter().map(|object| (object.id, object.code().to_owned())).collect())
}

fn cells(cdr: &Cdr, names: &Names) -> Vec<String> {
    let name = |names: &BTreeMap<u32, String>, id: u32| names.get(&id).cloned().unwrap_or_default();
    let at = |at: WallTime| {
        jiff::Timestamp::from_microsecond(at.micros()).map_or_else(|_| String::new(), |at| format!("{at:.6}"))
    };
    let mut row = vec![
        cdr.call.to_string(),
        cdr.attempt.0.to_string(),
        cdr.attempts.to_string(),
        at(cdr.started),
        cdr.answered_ms.map_or_else(String::new, |ms| at(cdr.started + u64::from(ms) * 1_000)),
        cdr.duration_ms.to_string(),
        name(&names.carriers, cdr.originator.0),
        name(&names.ingress, cdr.ingress_trunk.0),
        name(&names.carriers, cdr.terminator.0),
        name(&names.egress, cdr.egress_trunk.0),
        cdr.calling.to_string(),
        cdr.called.to_string(),
        cdr.called_routed.to_string(),
        cdr.sip_status.to_string(),
        cdr.cause.0.to_string(),
        cdr.cause.text().to_owned(),
        match cdr.released_by {
            Party::Ingress => "ingress".to_owned(),
            Party::Egress => "egress".to_owned(),
            Party::Switch => "switch".to_owned(),
        },
    ];
    row.extend(price(cdr.sell));
    row.extend(price(cdr.buy));
    row.extend([cdr.ingress_call_id.clone(), cdr.egress_call_id.clone()]);
    let identity = &cdr.identity;
    let attestation = identity.attest.map_or("", cdr::Attest::word).to_owned();
    row.extend([
        identity.vouched.word().to_owned(),
        attestation,
        identity.doubt.word().to_owned(),
        identity.origid_text(),
    ]);
    row.into_iter().map(harmless).collect()
}

fn price(priced: Option<Priced>) -> [String; 4] {
    priced.map_or_else(Default::default, |priced| {
        [
            priced.terms.currency.code(),
            priced.terms.per_minute.to_string(),
            priced.billed_s.to_string(),
            priced.price.to_string(),
        ]
    })
}
