//! Stories about calls that are priced once more after a deck was corrected, each told on SQLite and on MariaDB.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "support/databases.rs"]
mod databases;
#[path = "support/sample.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod sample;

use cdr::{Cdr, Priced};
use rating::{Destination, charge, quote};
use sample::{World, call, deck, money, rate, world};
use snapshot::{Rate, View};
use store::{Batch, Cursor, InvoiceAsk, RerateAsk, RerateItem, RerateLine, Store, StoreError};
use units::{DeckId, Money, NodeId, Number, WallTime};

on_both! {
    a_corrected_price_is_reported_before_and_after_and_moves_nothing
    the_difference_is_booked_once_and_may_be_booked_back
    other_decks_and_what_they_no_longer_sell_are_told
    what_cannot_be_priced_once_more_is_refused
}

/// 2023-10-01 in UTC.
const OCTOBER: i64 = 1_696_118_400_000_000;
const DAY: i64 = 86_400_000_000;

fn at(day: i64) -> WallTime {
    WallTime::from_micros(OCTOBER + day * DAY)
}

/// Who it is sold by, when it came, where to, and how long it was talked.
type Talk = (u32, i64, &'static str, u64);

/// Collects calls as they are charged by what decks say at this moment.
async fn charged(store: &Store, w: World, first: u64, talks: &[Talk]) {
    let image = store.model().await.unwrap().encode().unwrap();
    let view = View::open(&image);
    let one = |(sequence, (deck, day, called, talked_ms)): (u64, &Talk)| {
        let called = Number::parse(called.as_bytes()).unwrap();
        let plain = call(w, sequence, "1", &[]);
        let to = Destination { called, lrn: plain.lrn, jurisdiction: plain.jurisdiction };
        let terms = quote(&view, DeckId(*deck), &to, at(*day)).unwrap();
        let paid = charge(&terms, *talked_ms);
        let sell = Priced { terms, billed_s: paid.billed_s, price: paid.price, tax: paid.tax };
        let answered_ms = (*talked_ms > 0).then_some(2_000);
        Cdr {
            started: at(*day),
            called_routed: called,
            duration_ms: *talked_ms,
            answered_ms,
            sell: Some(sell),
            ..plain
        }
    };
    let cdrs: Vec<Cdr> = (first..).zip(talks).map(one).collect();
    let cursor = Cursor { boot: 1, segment: 1, offset: 1 };
    let batch = Batch { node: NodeId(1), kind: "journal", folder: "f", cdrs: &cdrs, traces: &[], cursor };
    store.insert_cdrs(batch).await.unwrap();
}

async fn correct(store: &Store, deck: u32, rates: &[Rate]) {
    let mut edit = store.edit().await.unwrap();
    edit.replace_rates(deck, rates, "corrected").await.unwrap();
    edit.commit().await.unwrap();
}

fn ask(w: World, from: i64, till: i64) -> RerateAsk {
    let (from, till, why) = (at(from), at(till), "a point too far".to_owned());
    RerateAsk { account: w.payer, from, till, why, made_by: "anna".into(), ..RerateAsk::default() }
}

async fn balance(store: &Store, w: World) -> Money {
    let row = store.balance(w.payer).await.unwrap();
    row.funds - row.settled
}

/// Kind, prefixes, prices of a minute, calls, and what they cost before and after.
type Told<'a> = (RerateItem, [&'a str; 2], [Money; 2], i64, [Money; 2]);

fn told(lines: &[RerateLine]) -> Vec<Told<'_>> {
    let mut all = Vec::new();
    for RerateLine { item, prefixes: [was, is], per_minute, sums, .. } in lines {
        all.push((*item, [was.as_str(), is.as_str()], *per_minute, sums.calls, [sums.before, sums.after]));
    }
    all
}

async fn a_corrected_price_is_reported_before_and_after_and_moves_nothing(store: Store) {
    let w = world(&store).await;
    let (sold, minute) = (w.sell_deck, 60_000);
    let talks = [
        (sold, 1, "442071234567", minute),
        (sold, 2, "+442079999999", 2 * minute),
        (sold, 2, "447700900123", minute),
        (sold, 3, "44113", minute),
        (sold, 3, "44113", 0),
        (sold, 9, "442071234567", minute),
    ];
    charged(&store, w, 1, &talks).await;
    let (owed, paid) = (store.balance(w.payee).await.unwrap().owed, balance(&store, w).await);
    // 4420 was 0.012 and should have been 0.01; mobiles had no rate of their own before the tenth.
    let mobile = Rate { till: Some(at(10)), destination: "Mobile".into(), ..rate("447", "0.05") };
    correct(&store, sold, &[rate("44", "0.02"), rate("4420", "0.01"), mobile]).await;
    let (report, lines) = store.rerate(&ask(w, 0, 5)).await.unwrap();
    let some = money;
    assert_eq!(
        told(&lines),
        [
            (RerateItem::Changed, ["44", "447"], [some("0.02"), some("0.05")], 1, [some("0.02"), some("0.05")]),
            (RerateItem::Changed, ["4420", "4420"], [some("0.012"), some("0.01")], 2, [some("0.036"), some("0.03")]),
            (RerateItem::Same, ["", ""], [Money::ZERO, Money::ZERO], 1, [some("0.02"), some("0.02")]),
        ]
    );
    assert_eq!((lines[0].destination.as_str(), lines[0].rate_currency.as_str()), ("Mobile", "USD"));
    let sums = report.sums;
    assert_eq!((sums.calls, sums.talked_ms, sums.before, sums.after), (4, 300_000, some("0.076"), some("0.10")));
    assert_eq!((report.number, report.currency.as_str(), report.sums.back()), (1, "USD", some("-0.024")));
    let (kept, stored, near) = store.rerating(1).await.unwrap();
    assert_eq!((&kept, &stored, near.invoices.len()), (&report, &lines, 0));
    assert_eq!((store.balance(w.payee).await.unwrap().owed, balance(&store, w).await), (owed, paid), "nothing moved");
    let (later, lines) = store.rerate(&ask(w, 10, 12)).await.unwrap();
    assert_eq!((later.number, later.sums.calls, lines.len()), (2, 0, 0));
    let invoice = InvoiceAsk { account: w.payer, from: at(0), till: at(31), ..InvoiceAsk::default() };
    store.make_invoice(&invoice).await.unwrap();
    assert_eq!(store.rerating(1).await.unwrap().2.invoices, [1], "it is told that the calls are invoiced");
}

async fn the_difference_is_booked_once_and_may_be_booked_back(store: Store) {
    let w = world(&store).await;
    charged(&store, w, 1, &[(w.sell_deck, 1, "442071234567", 60_000), (w.sell_deck, 4, "442071234567", 60_000)]).await;
    let before = balance(&store, w).await;
    correct(&store, w.sell_deck, &[rate("44", "0.002")]).await;
    let reports = [ask(w, 0, 5), ask(w, 3, 9), ask(w, 5, 9)];
    for report in &reports {
        store.rerate(report).await.unwrap();
    }
    let books = (0..4).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.book_rerating(1, "bob").await.is_ok() })
    });
    let mut booked = 0;
    for book in books.collect::<Vec<_>>() {
        booked += u32::from(book.await.unwrap());
    }
    assert_eq!((booked, balance(&store, w).await), (1, before + money("0.02")));
    let entry = &store.entries(w.payer, None, 1).await.unwrap()[0];
    assert_eq!((entry.kind.as_str(), entry.change.funds), ("correction", money("0.02")));
    let note = "re-rating 1 of calls 2023-10-01T00:00:00Z to 2023-10-06T00:00:00Z: a point too far";
    assert_eq!(entry.note, note);
    assert_eq!(store.find_payment("rerating-1").await.unwrap().unwrap().amount, money("0.02"));
    let why = store.book_rerating(2, "bob").await.unwrap_err().to_string();
    assert!(why.contains("re-rating 1 of the same calls is booked"), "{why}");
    assert_eq!(store.rerating(2).await.unwrap().2.booked, [1]);
    let nothing = store.book_rerating(3, "bob").await.unwrap_err().to_string();
    assert!(nothing.contains("nothing to book"), "{nothing}");
    assert!(store.undo_rerating(2, "bob").await.is_err(), "what is not booked cannot be booked back");
    let undone = store.undo_rerating(1, "eve").await.unwrap();
    assert_eq!((undone.booked.unwrap().by, undone.undone.unwrap().by), ("bob".into(), "eve".into()));
    assert_eq!(balance(&store, w).await, before);
    assert!(store.undo_rerating(1, "eve").await.is_err() && store.book_rerating(1, "bob").await.is_err(), "once");
    assert!(store.book_rerating(2, "bob").await.unwrap().booked.is_some(), "the calls are free again");
    assert_eq!(balance(&store, w).await, before + money("0.01"));
    let told: Vec<_> = store.reratings(Some(w.payer), Some(3), 5).await.unwrap();
    assert_eq!(told.iter().map(|one| (one.number, one.booked.is_some())).collect::<Vec<_>>(), [(2, true), (1, true)]);
}

async fn other_decks_and_what_they_no_longer_sell_are_told(store: Store) {
    let w = world(&store).await;
    let mut edit = store.edit().await.unwrap();
    let other = edit.create(&deck("acme-night")).await.unwrap().id;
    edit.replace_rates(other, &[rate("4420", "0.5"), rate("1", "0.1")], "sample").await.unwrap();
    edit.commit().await.unwrap();
    let talks =
        [(w.sell_deck, 1, "442071234567", 60_000), (other, 1, "442071234567", 60_000), (other, 1, "1212", 60_000)];
    charged(&store, w, 1, &talks).await;
    let blocked = Rate { blocked: true, ..rate("1", "0.1") };
    correct(&store, other, &[rate("4420", "0.4"), blocked]).await;
    let (_, all) = store.rerate(&ask(w, 0, 2)).await.unwrap();
    assert_eq!(
        all.iter().map(|line| line.item).collect::<Vec<_>>(),
        [RerateItem::Changed, RerateItem::Unrated, RerateItem::Same]
    );
    let (own, lines) = store.rerate(&RerateAsk { deck: Some(other), ..ask(w, 0, 2) }).await.unwrap();
    let blocked = [money("0.1"), money("0.1")];
    assert_eq!(told(&lines)[1], (RerateItem::Unrated, ["1", ""], blocked, 1, blocked), "it keeps its price");
    assert_eq!((own.deck_codes[0].as_str(), own.sums.calls, own.sums.back()), ("acme-night", 2, money("0.1")));
    let (instead, lines) = store.rerate(&RerateAsk { instead: Some(w.sell_deck), ..ask(w, 0, 2) }).await.unwrap();
    assert_eq!((instead.deck_codes[1].as_str(), instead.sums.after), ("acme-sell", money("0.124")));
    assert_eq!(
        lines.iter().map(|line| line.item).collect::<Vec<_>>(),
        [RerateItem::Changed, RerateItem::Unrated, RerateItem::Same]
    );
    // Calls of one deck may be booked beside those of another, and not beside all.
    let first =
        store.rerate(&RerateAsk { deck: Some(w.sell_deck), instead: Some(other), ..ask(w, 0, 2) }).await.unwrap().0;
    store.book_rerating(own.number, "bob").await.unwrap();
    store.book_rerating(first.number, "bob").await.unwrap();
    assert!(store.book_rerating(instead.number, "bob").await.is_err());
}

async fn what_cannot_be_priced_once_more_is_refused(store: Store) {
    let w = world(&store).await;
    let wrong = |change: &dyn Fn(&mut RerateAsk)| {
        let mut ask = ask(w, 0, 5);
        change(&mut ask);
        ask
    };
    for ask in [
        wrong(&|ask| ask.till = ask.from),
        wrong(&|ask| ask.till = at(93)),
        wrong(&|ask| ask.why = " ".into()),
        wrong(&|ask| ask.why = "x".repeat(201)),
        wrong(&|ask| ask.why = "a\nb".into()),
    ] {
        assert!(matches!(store.rerate(&ask).await, Err(StoreError::Invalid { .. })), "{ask:?}");
    }
    for ask in [wrong(&|ask| ask.account = 99), wrong(&|ask| ask.deck = Some(99)), wrong(&|ask| ask.instead = Some(99))]
    {
        assert!(matches!(store.rerate(&ask).await, Err(StoreError::NotFound { .. })), "{ask:?}");
    }
    assert!(matches!(store.rerating(9).await, Err(StoreError::NotFound { .. })));
    assert!(matches!(store.book_rerating(9, "bob").await, Err(StoreError::NotFound { .. })));
}
