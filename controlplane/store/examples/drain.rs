//! How fast CDRs come into a database: `cargo run --release -p store --example drain -- sqlite:/tmp/x.sqlite` (or `mysql://…`).
//!
//! Writes batches of 2,000 records as the collector does, half of them answered and posted, from 200 originators to 100 terminators and 300
//! destinations of which few have most of the calls, and prints rows a second. Sums are part of it. The second word is how many accounts pay:
//! one if not given.

use std::time::Instant;

use cdr::{Cdr, GrantPart, Priced};
use store::{AccountDraft, AccountKind, Batch, CarrierDraft, Cursor, StatisticsAsk, Store};
use units::{
    AccountId, AttemptIndex, CallId, CarrierId, Cause, Currency, EgressTrunkId, GrantId, IngressTrunkId, Money, NodeId,
    Number, ShardId, Terms, WallTime,
};

const BATCHES: u64 = 30;
const RECORDS: u64 = 2_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("which database?")?;
    let store = Store::open(&url).await?;
    let accounts: u64 = std::env::args().nth(2).map_or(Ok(1), |text| text.parse())?;
    let mut payers = Vec::new();
    for place in 0..accounts.max(1) {
        payers.push(payer(&store, place).await?);
    }
    let began = Instant::now();
    for batch in 0..BATCHES {
        let cdrs: Vec<Cdr> = (0..RECORDS).map(|place| record(batch * RECORDS + place, &payers)).collect();
        let cursor = Cursor { boot: 1, segment: 1, offset: batch + 1 };
        let batch = Batch { node: NodeId(1), kind: "journal", folder: "drain", cdrs: &cdrs, traces: &[], cursor };
        store.insert_cdrs(batch).await?;
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{:.0} rows a second ({} rows in {seconds:.2} s)",
        (BATCHES * RECORDS) as f64 / seconds,
        BATCHES * RECORDS
    );
    let mut settled = Money::ZERO;
    for (account, _) in &payers {
        settled += store.balance(account.0).await?.settled;
    }
    println!("settled {settled}");
    let at = |days: i64| WallTime::from_micros(1_800_000_000_000_000 + days * 86_400_000_000);
    let ask = StatisticsAsk { from: at(0), till: at(1), ..StatisticsAsk::default() };
    let (_, _, groups) = store.statistics(&ask).await?;
    println!("summed {} calls", groups.iter().map(|group| group.sums.calls).sum::<i64>());
    Ok(())
}

/// A carrier with an account, and a grant of its money.
async fn payer(store: &Store, place: u64) -> Result<(AccountId, GrantId), Box<dyn std::error::Error>> {
    let code = format!("drain-{place}");
    let mut edit = store.edit().await?;
    let carrier = edit.create(&CarrierDraft { code: code.clone(), ..CarrierDraft::default() }).await?.id;
    let draft = AccountDraft {
        code,
        carrier: CarrierId(carrier),
        currency: Currency::USD,
        kind: AccountKind::Postpaid,
        credit_limit: None,
        caps: store::Caps::default(),
        netted: false,
        owed_limit: None,
        thresholds: store::Thresholds::default(),
    };
    let account = AccountId(edit.create(&draft).await?.id);
    edit.commit().await?;
    let grant = GrantId { node: NodeId(1), boot: 1, sequence: place + 1 };
    let want = Money::from_nanos(1_000_000 * Money::NANOS);
    store.grant(grant, account, store::Ask { want, slice: Money::ZERO }).await?;
    Ok((account, grant))
}

/// One of `many`, the first ones most often; the same for the same call.
fn skewed(call: u64, salt: u64, many: u64) -> u64 {
    let mut mixed = (call + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15 ^ salt);
    mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let chance = (mixed >> 40) as f64 / (1_u64 << 24) as f64;
    (chance.powi(3) * many as f64) as u64
}

fn record(place: u64, payers: &[(AccountId, GrantId)]) -> Cdr {
    let answered = place.is_multiple_of(2);
    let amount = Money::from_nanos(12_000_000);
    let call = place / 2;
    let (account, grant) = payers[call as usize % payers.len()];
    let (originator, terminator) = (1 + skewed(call, 1, 200) as u32, 1 + skewed(call, 2, 100) as u32);
    let destination = skewed(call, 3, 300);
    let called = format!(
        "{}{:03}{:06}",
        ["44", "49", "1", "39", "86"][destination as usize % 5],
        100 + destination,
        call % 1_000_000
    );
    let called = Number::parse(called.as_bytes()).unwrap_or_default();
    let sell = Priced { terms: Terms::default(), billed_s: 60, price: amount, ..Priced::default() };
    Cdr {
        call: CallId { node: NodeId(1), boot: 1, shard: ShardId(0), sequence: call },
        attempt: AttemptIndex((place % 2) as u8),
        originator_account: account,
        started: WallTime::from_micros(1_800_000_000_000_000 + place as i64 * 1_000),
        calling: Number::parse(b"14155550100").unwrap_or_default(),
        called,
        called_routed: called,
        originator: CarrierId(originator),
        ingress_trunk: IngressTrunkId(originator * 2 + (call % 2) as u32),
        terminator: CarrierId(terminator),
        egress_trunk: EgressTrunkId(terminator * 2 + (call % 2) as u32),
        cause: Cause([16, 16, 17, 19, 34][call as usize % 5]),
        ingress_call_id: format!("{place}@192.0.2.1"),
        egress_call_id: format!("{place}-egress"),
        sell: answered.then_some(sell),
        // A try knows what it would have cost.
        buy: (!answered).then_some(Priced { terms: sell.terms, ..Priced::default() }),
        grants: if answered { vec![GrantPart { grant, amount }] } else { Vec::new() },
        decision: vec![7; 400],
        ..Cdr::default()
    }
}
