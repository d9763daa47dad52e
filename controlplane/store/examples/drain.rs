//! How fast CDRs come into a database: `cargo run --release -p store --example drain -- sqlite:/tmp/x.sqlite` (or `mysql://…`).
//!
//! Writes batches of 1,000 records as the collector does, half of them answered and posted on one account, and prints rows a second.

use std::time::Instant;

use cdr::{Cdr, GrantPart, Priced};
use store::{AccountDraft, AccountKind, Batch, CarrierDraft, Cursor, Store};
use units::{
    AccountId, AttemptIndex, CallId, CarrierId, Currency, GrantId, Money, NodeId, Number, ShardId, Terms, WallTime,
};

const BATCHES: u64 = 60;
const RECORDS: u64 = 1_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("which database?")?;
    let store = Store::open(&url).await?;
    let mut edit = store.edit().await?;
    let carrier = edit.create(&CarrierDraft { code: "drain".into(), ..CarrierDraft::default() }).await?.id;
    let draft = AccountDraft {
        code: "drain".into(),
        carrier: CarrierId(carrier),
        currency: Currency::USD,
        kind: AccountKind::Postpaid,
        credit_limit: None,
        caps: store::Caps::default(),
        netted: false,
        thresholds: store::Thresholds::default(),
    };
    let account = AccountId(edit.create(&draft).await?.id);
    edit.commit().await?;
    let grant = GrantId { node: NodeId(1), boot: 1, sequence: 1 };
    store
        .grant(grant, account, store::Ask { want: Money::from_nanos(1_000_000 * Money::NANOS), slice: Money::ZERO })
        .await?;
    let began = Instant::now();
    for batch in 0..BATCHES {
        let cdrs: Vec<Cdr> = (0..RECORDS).map(|place| record(batch * RECORDS + place, account, grant)).collect();
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
    println!("settled {}", store.balance(account.0).await?.settled);
    Ok(())
}

fn record(place: u64, account: AccountId, grant: GrantId) -> Cdr {
    let answered = place.is_multiple_of(2);
    let amount = Money::from_nanos(12_000_000);
    let sell = Priced { terms: Terms::default(), billed_s: 60, price: amount, ..Priced::default() };
    Cdr {
        call: CallId { node: NodeId(1), boot: 1, shard: ShardId(0), sequence: place / 2 },
        attempt: AttemptIndex((place % 2) as u8),
        originator_account: account,
        started: WallTime::from_micros(1_800_000_000_000_000 + place as i64 * 1_000),
        calling: Number::parse(b"14155550100").unwrap_or_default(),
        called: Number::parse(b"442071234567").unwrap_or_default(),
        called_routed: Number::parse(b"442071234567").unwrap_or_default(),
        ingress_call_id: format!("{place}@192.0.2.1"),
        egress_call_id: format!("{place}-egress"),
        sell: answered.then_some(sell),
        grants: if answered { vec![GrantPart { grant, amount }] } else { Vec::new() },
        decision: vec![7; 400],
        ..Cdr::default()
    }
}
