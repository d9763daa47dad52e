//! Stories about invoices, each told on SQLite and on MariaDB.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "support/databases.rs"]
mod databases;
#[path = "support/sample.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod sample;

use cdr::Cdr;
use sample::{World, call, money, world};
use store::{Batch, Cursor, Fees, InvoiceAsk, InvoiceItem, InvoiceLine, Store, StoreError};
use units::{Money, NodeId, Number, WallTime};

on_both! {
    each_call_is_invoiced_once_however_late_its_record_comes
    what_stands_on_an_invoice_is_added_up_by_destination_and_price
    who_asks_at_once_makes_one_invoice
    only_the_newest_is_declared_void_and_its_calls_are_invoiced_again
    fees_of_a_month_are_booked_with_its_invoice_and_back_with_its_end
    what_cannot_be_invoiced_is_refused
}

/// 2023-10-01 in UTC.
const OCTOBER: i64 = 1_696_118_400_000_000;
const DAY: i64 = 86_400_000_000;

fn at(day: i64) -> WallTime {
    WallTime::from_micros(OCTOBER + day * DAY)
}

/// A call of the day that cost so much.
fn of(w: World, sequence: u64, day: i64, price: &str) -> Cdr {
    Cdr { started: at(day), ..call(w, sequence, price, &[]) }
}

async fn collect(store: &Store, cdrs: &[Cdr]) {
    let cursor = Cursor { boot: 1, segment: 1, offset: 1 };
    let batch = Batch { node: NodeId(1), kind: "journal", folder: "f", cdrs, traces: &[], cursor };
    store.insert_cdrs(batch).await.unwrap();
}

/// The month of so many days after October began.
fn ask(w: World, from: i64, till: i64) -> InvoiceAsk {
    InvoiceAsk { account: w.payer, from: at(from), till: at(till), made_by: "anna".into(), ..InvoiceAsk::default() }
}

fn calls(lines: &[InvoiceLine]) -> Vec<(bool, i64)> {
    lines.iter().map(|line| (line.item == InvoiceItem::Late, line.sums.calls)).collect()
}

/// What all invoices that count want is what the ledger took from the account.
async fn adds_up(store: &Store, w: World) {
    let all = store.invoices(Some(w.payer), None, 1_000).await.unwrap();
    let invoiced = all.iter().filter(|one| one.voided.is_none()).fold(Money::ZERO, |sum, one| sum + one.sums.total());
    assert_eq!(invoiced, store.balance(w.payer).await.unwrap().settled);
}

async fn each_call_is_invoiced_once_however_late_its_record_comes(store: Store) {
    let w = world(&store).await;
    collect(&store, &[of(w, 1, 0, "1"), of(w, 2, 30, "2"), of(w, 3, 31, "4"), of(w, 4, 35, "0")]).await;
    let (october, lines) = store.make_invoice(&ask(w, 0, 31)).await.unwrap();
    assert_eq!((october.number, calls(&lines)), (1, vec![(false, 2)]));
    assert_eq!(october.sums.total(), money("3"));
    // A call that began in October and whose record came in November.
    collect(&store, &[of(w, 5, 30, "8")]).await;
    let (november, lines) = store.make_invoice(&ask(w, 31, 61)).await.unwrap();
    assert_eq!(calls(&lines), [(false, 1), (true, 1)]);
    assert_eq!((november.number, november.sums.total()), (2, money("12")));
    adds_up(&store, w).await;
    // Later ones have neither again, and each of them what came since.
    collect(&store, &[of(w, 6, 5, "16"), of(w, 7, 40, "32")]).await;
    let (_, lines) = store.make_invoice(&ask(w, 61, 92)).await.unwrap();
    assert_eq!(calls(&lines), [(true, 2)]);
    let (december, stored) = store.invoice(3).await.unwrap();
    assert_eq!((december.sums.total(), &stored), (money("48"), &lines));
    adds_up(&store, w).await;
}

async fn what_stands_on_an_invoice_is_added_up_by_destination_and_price(store: Store) {
    let w = world(&store).await;
    let mut dearer = of(w, 3, 1, "0.5");
    dearer.sell.as_mut().unwrap().terms.per_minute = money("0.5");
    let mut elsewhere = of(w, 4, 1, "0.25");
    elsewhere.called_routed = Number::parse(b"+447712345678").unwrap();
    elsewhere.sell.as_mut().unwrap().terms.prefix_digits = 2;
    let mut others = of(w, 5, 1, "9");
    others.originator_account = units::AccountId(w.payee);
    collect(&store, &[of(w, 1, 1, "1"), of(w, 2, 2, "2"), dearer, elsewhere, others]).await;
    store.set_invoice_issuer("Tandem Ltd\nParis").await.unwrap();
    let (invoice, lines) = store.make_invoice(&ask(w, 0, 31)).await.unwrap();
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            let sums = line.sums;
            (line.prefix.as_str(), line.per_minute, sums.calls, sums.billed_s, sums.net, sums.tax)
        })
        .collect();
    let tax = money("0.0001");
    assert_eq!(
        told,
        [
            ("44", money("0.012"), 1, 61, money("0.25") - tax, tax),
            ("4420", money("0.012"), 2, 122, money("3") - tax - tax, tax + tax),
            ("4420", money("0.5"), 1, 61, money("0.5") - tax, tax),
        ]
    );
    let line = &lines[0];
    assert_eq!((line.destination.as_str(), line.rate_currency.as_str(), line.tax_ppm), ("Somewhere", "EUR", 190_000));
    assert_eq!((invoice.ask.addressed_to.as_str(), invoice.issued_by.as_str()), ("acme Ltd", "Tandem Ltd\nParis"));
    assert_eq!((invoice.currency.as_str(), invoice.sums.calls, invoice.sums.total()), ("USD", 4, money("3.75")));
    adds_up(&store, w).await;
}

async fn who_asks_at_once_makes_one_invoice(store: Store) {
    let w = world(&store).await;
    collect(&store, &[of(w, 1, 1, "1")]).await;
    let asks = (0..6).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.make_invoice(&ask(w, 0, 31)).await.is_ok() })
    });
    let mut made = 0;
    for asked in asks.collect::<Vec<_>>() {
        made += u32::from(asked.await.unwrap());
    }
    assert_eq!((made, store.invoices(None, None, 10).await.unwrap().len()), (1, 1));
    adds_up(&store, w).await;
}

async fn only_the_newest_is_declared_void_and_its_calls_are_invoiced_again(store: Store) {
    let w = world(&store).await;
    collect(&store, &[of(w, 1, 1, "1")]).await;
    store.make_invoice(&ask(w, 0, 31)).await.unwrap();
    collect(&store, &[of(w, 2, 2, "2"), of(w, 3, 33, "4")]).await;
    store.make_invoice(&ask(w, 31, 61)).await.unwrap();
    assert!(matches!(store.void_invoice(1).await, Err(StoreError::Conflict { .. })));
    assert!(store.void_invoice(2).await.unwrap().voided.is_some());
    assert!(matches!(store.void_invoice(2).await, Err(StoreError::Conflict { .. })), "once");
    let (again, lines) = store.make_invoice(&ask(w, 31, 61)).await.unwrap();
    assert_eq!((again.number, calls(&lines)), (3, vec![(false, 1), (true, 1)]), "what came late for October too");
    adds_up(&store, w).await;
    store.void_invoice(3).await.unwrap();
    store.void_invoice(1).await.unwrap();
    let (_, lines) = store.make_invoice(&ask(w, 0, 31)).await.unwrap();
    assert_eq!(calls(&lines), [(false, 2)], "nothing is late for the first one");
    store.make_invoice(&ask(w, 31, 61)).await.unwrap();
    adds_up(&store, w).await;
    let all = store.invoices(None, Some(5), 2).await.unwrap();
    assert_eq!(all.iter().map(|one| one.number).collect::<Vec<_>>(), [4, 3]);
}

async fn fees_of_a_month_are_booked_with_its_invoice_and_back_with_its_end(store: Store) {
    let w = world(&store).await;
    let fees =
        Fees { monthly_fee: money("10"), fee_text: "Port".into(), monthly_minimum: money("5"), tax_ppm: 200_000 };
    store.set_fees(w.payer, &fees).await.unwrap();
    assert_eq!(store.fees(w.payer).await.unwrap(), fees);
    collect(&store, &[of(w, 1, 1, "2.0001")]).await;
    let month = InvoiceAsk { with_fees: true, ..ask(w, 0, 31) };
    let (made, lines) = store.make_invoice(&month).await.unwrap();
    let told: Vec<_> = lines.iter().map(|line| (line.item, line.sums.net, line.sums.tax)).collect();
    let call = (InvoiceItem::Calls, money("2"), money("0.0001"));
    let minimum = (InvoiceItem::Fee, money("3"), money("0.6"));
    assert_eq!(told, [call, (InvoiceItem::Fee, money("10"), money("2")), minimum]);
    assert_eq!((lines[1].destination.as_str(), made.sums.total()), ("Port", money("17.6001")));
    let balance = async || {
        let row = store.balance(w.payer).await.unwrap();
        row.funds - row.settled
    };
    assert_eq!(balance().await, Money::ZERO - money("17.6001"));
    let (_, lines) = store.make_invoice(&ask(w, 31, 40)).await.unwrap();
    assert!(lines.is_empty(), "a part of a month has no fees");
    store.void_invoice(2).await.unwrap();
    store.void_invoice(1).await.unwrap();
    assert_eq!(balance().await, Money::ZERO - money("2.0001"));
    let (again, _) = store.make_invoice(&month).await.unwrap();
    assert_eq!((again.number, again.sums.total()), (3, money("17.6001")));
    assert_eq!(balance().await, Money::ZERO - money("17.6001"));
    for wrong in [
        Fees { monthly_fee: money("-1"), ..Fees::default() },
        Fees { monthly_minimum: money("-1"), ..Fees::default() },
        Fees { tax_ppm: 1_000_001, ..Fees::default() },
        Fees { fee_text: "a\nb".into(), ..Fees::default() },
    ] {
        assert!(matches!(store.set_fees(w.payer, &wrong).await, Err(StoreError::Invalid { .. })), "{wrong:?}");
    }
}

async fn what_cannot_be_invoiced_is_refused(store: Store) {
    let w = world(&store).await;
    store.make_invoice(&ask(w, 0, 31)).await.unwrap();
    assert!(matches!(store.make_invoice(&ask(w, 30, 40)).await, Err(StoreError::Conflict { .. })));
    let wrong = |change: &dyn Fn(&mut InvoiceAsk)| {
        let mut ask = ask(w, 31, 61);
        change(&mut ask);
        ask
    };
    let later = WallTime::from_micros(i64::MAX / 2);
    let cases = [
        wrong(&|ask| (ask.from, ask.till) = (WallTime::from_micros(i64::MAX / 2 - 1), later)),
        wrong(&|ask| ask.till = ask.from),
        wrong(&|ask| ask.till = at(31 + 401)),
        wrong(&|ask| ask.zone = "Mars/Olympus".into()),
        wrong(&|ask| ask.note = "x".repeat(1_001)),
        wrong(&|ask| ask.addressed_to = "a\u{7}".into()),
    ];
    for ask in cases {
        assert!(matches!(store.make_invoice(&ask).await, Err(StoreError::Invalid { .. })), "{ask:?}");
    }
    let nobody = wrong(&|ask| ask.account = 99);
    assert!(matches!(store.make_invoice(&nobody).await, Err(StoreError::NotFound { .. })));
    assert!(matches!(store.invoice(9).await, Err(StoreError::NotFound { .. })));
}
