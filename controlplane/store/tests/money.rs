//! Stories about the ledger, each told on SQLite and on MariaDB. After each, the books must add up.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "support/databases.rs"]
mod databases;
#[path = "support/sample.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod sample;

use sample::{World, attempt, call, grant_id, money, world};
use store::{AccountDraft, AccountKind, Ask, Balance, Batch, Cursor, Fence, Store, StoreError, WrittenOff};
use units::{AccountId, Money, NodeId};

on_both! {
    a_payment_is_booked_once_by_its_reference
    a_grant_lends_half_and_near_the_end_all
    a_prepaid_account_at_exactly_zero_gets_nothing
    a_grant_asked_for_twice_is_lent_once
    a_refusal_stays_a_refusal_after_the_carrier_has_paid
    a_grant_closed_before_it_was_asked_for_lends_nothing
    a_close_returns_what_was_not_used_even_before_the_posts_come
    a_call_is_posted_once_however_often_it_is_collected
    a_price_beyond_the_grants_is_taken_from_what_is_available
    a_post_on_another_accounts_grant_takes_nothing_from_it
    a_postpaid_account_without_a_limit_may_owe
    a_credit_limit_is_part_of_the_funds
    many_nodes_asking_at_once_never_get_more_than_there_is
    what_a_lost_node_held_is_written_off_once_and_it_is_lent_nothing_more
    talk_that_a_crash_kept_from_the_bill_is_written_off_once_and_moves_nothing
}

/// `available + held + settled = funds`, and the account's row is the sum of its entries.
async fn adds_up(store: &Store, account: u32) -> Balance {
    let balance = store.balance(account).await.unwrap();
    assert_eq!(balance.available + balance.held + balance.settled, balance.funds, "{balance:?}");
    let mut sum = Balance::default();
    for entry in store.entries(account, None, 1_000).await.unwrap() {
        sum.available += entry.change.available;
        sum.held += entry.change.held;
        sum.settled += entry.change.settled;
        sum.funds += entry.change.funds;
        sum.owed += entry.change.owed;
    }
    assert_eq!(sum, balance, "the entries add up to the row");
    let held: Money =
        store.open_grants(Some(account)).await.unwrap().iter().fold(Money::ZERO, |sum, g| sum + g.amount - g.posted);
    assert!(held <= balance.held, "what open grants hold is held");
    balance
}

async fn collect(store: &Store, cdrs: &[cdr::Cdr], offset: u64) -> store::Collected {
    let cursor = Cursor { boot: 1, segment: 1, offset };
    let batch = Batch { node: NodeId(1), kind: "journal", folder: "f", cdrs, traces: &[], cursor };
    store.insert_cdrs(batch).await.unwrap()
}

async fn paid(store: &Store, amount: &str) -> (World, AccountId) {
    let w = world(store).await;
    store.payment(w.payer, money(amount), "opening", "").await.unwrap();
    (w, AccountId(w.payer))
}

/// Asks for so much while a slice of one unit at most waits.
fn ask(want: &str) -> Ask {
    Ask { want: money(want), slice: money(want).min(money("1")) }
}

async fn a_payment_is_booked_once_by_its_reference(store: Store) {
    let (w, _) = paid(&store, "10").await;
    assert!(!store.payment(w.payer, money("10"), "opening", "").await.unwrap().booked);
    assert!(matches!(store.payment(w.payer, money("11"), "opening", "").await, Err(StoreError::Conflict { .. })));
    assert!(matches!(store.payment(w.payer, Money::ZERO, "x", "").await, Err(StoreError::Invalid { .. })));
    assert!(matches!(store.payment(999, money("1"), "y", "").await, Err(StoreError::NotFound { .. })));
    assert!(matches!(
        store.payment(w.payer, Money::from_nanos(i64::MAX), "z", "").await,
        Err(StoreError::Invalid { .. })
    ));
    store.payment(w.payer, money("-3"), "refund", "sent back").await.unwrap();
    assert_eq!(adds_up(&store, w.payer).await.available, money("7"));
}

async fn a_grant_lends_half_and_near_the_end_all(store: Store) {
    let (w, account) = paid(&store, "10").await;
    let lent =
        [("100", "5"), ("100", "2.5"), ("1.5", "1.25"), ("100", "1"), ("0.1", "0.1"), ("100", "0.15"), ("1", "0")];
    for (place, (want, given)) in lent.into_iter().enumerate() {
        let amount = store.grant(grant_id(place as u64), account, ask(want)).await.unwrap().amount;
        assert_eq!(amount, money(given), "grant {place}");
    }
    let balance = adds_up(&store, w.payer).await;
    assert_eq!((balance.available, balance.held), (Money::ZERO, money("10")));
}

async fn a_prepaid_account_at_exactly_zero_gets_nothing(store: Store) {
    let w = world(&store).await;
    assert_eq!(store.grant(grant_id(1), AccountId(w.payer), ask("1")).await.unwrap().amount, Money::ZERO);
    store.payment(w.payer, Money::from_nanos(1), "a-nano", "").await.unwrap();
    assert_eq!(store.grant(grant_id(2), AccountId(w.payer), ask("1")).await.unwrap().amount, Money::from_nanos(1));
    adds_up(&store, w.payer).await;
}

async fn a_grant_asked_for_twice_is_lent_once(store: Store) {
    let (w, account) = paid(&store, "10").await;
    for _ in 0..3 {
        assert_eq!(store.grant(grant_id(1), account, ask("2")).await.unwrap().amount, money("2"));
    }
    assert_eq!(adds_up(&store, w.payer).await.held, money("2"));
}

async fn a_refusal_stays_a_refusal_after_the_carrier_has_paid(store: Store) {
    let w = world(&store).await;
    let account = AccountId(w.payer);
    assert_eq!(store.grant(grant_id(1), account, ask("2")).await.unwrap().amount, Money::ZERO);
    store.payment(w.payer, money("10"), "late", "").await.unwrap();
    assert_eq!(store.grant(grant_id(1), account, ask("2")).await.unwrap().amount, Money::ZERO);
    assert_eq!(store.grant(grant_id(2), account, ask("2")).await.unwrap().amount, money("2"));
    adds_up(&store, w.payer).await;
}

async fn a_grant_closed_before_it_was_asked_for_lends_nothing(store: Store) {
    let (w, account) = paid(&store, "10").await;
    store.close(grant_id(1), account, Money::ZERO).await.unwrap();
    assert_eq!(store.grant(grant_id(1), account, ask("2")).await.unwrap().amount, Money::ZERO);
    assert_eq!(adds_up(&store, w.payer).await.available, money("10"));
}

async fn a_close_returns_what_was_not_used_even_before_the_posts_come(store: Store) {
    let (w, account) = paid(&store, "10").await;
    store.grant(grant_id(1), account, ask("4")).await.unwrap();
    for _ in 0..2 {
        store.close(grant_id(1), account, money("1.5")).await.unwrap();
    }
    let balance = adds_up(&store, w.payer).await;
    assert_eq!((balance.available, balance.held), (money("8.5"), money("1.5")));
    assert!(store.open_grants(None).await.unwrap().is_empty());
    collect(&store, &[call(w, 1, "1.5", &[(grant_id(1), "1.5")])], 10).await;
    let balance = adds_up(&store, w.payer).await;
    assert_eq!((balance.available, balance.held, balance.settled), (money("8.5"), Money::ZERO, money("1.5")));
    assert_eq!(adds_up(&store, w.payee).await.owed, money("0.75"));
}

async fn a_call_is_posted_once_however_often_it_is_collected(store: Store) {
    let (w, account) = paid(&store, "10").await;
    store.grant(grant_id(1), account, ask("4")).await.unwrap();
    let one = call(w, 1, "1", &[(grant_id(1), "1")]);
    let two = call(w, 2, "0.5", &[(grant_id(1), "0.5")]);
    let records = [one.clone(), attempt(&one), two.clone(), attempt(&two), one.clone()];
    let first = collect(&store, &records[..2], 10).await;
    assert_eq!((first.inserted, first.posted), (2, 1));
    let again = collect(&store, &records, 20).await;
    assert_eq!((again.inserted, again.posted), (2, 1));
    assert_eq!(collect(&store, &records, 20).await.inserted, 0);
    let balance = adds_up(&store, w.payer).await;
    assert_eq!((balance.settled, balance.held, balance.available), (money("1.5"), money("2.5"), money("6")));
    assert_eq!(adds_up(&store, w.payee).await.owed, money("0.75"));
    store.close(grant_id(1), account, money("1.5")).await.unwrap();
    assert_eq!(adds_up(&store, w.payer).await.available, money("8.5"));
}

async fn a_price_beyond_the_grants_is_taken_from_what_is_available(store: Store) {
    let (w, account) = paid(&store, "10").await;
    store.grant(grant_id(1), account, ask("1")).await.unwrap();
    collect(&store, &[call(w, 1, "3", &[(grant_id(1), "1"), (grant_id(77), "2")])], 10).await;
    let balance = adds_up(&store, w.payer).await;
    assert_eq!((balance.settled, balance.held, balance.available), (money("3"), Money::ZERO, money("7")));
}

async fn a_post_on_another_accounts_grant_takes_nothing_from_it(store: Store) {
    let (w, _) = paid(&store, "10").await;
    store.payment(w.payee, money("5"), "theirs", "").await.unwrap();
    store.grant(grant_id(1), AccountId(w.payee), ask("1")).await.unwrap();
    collect(&store, &[call(w, 1, "1", &[(grant_id(1), "1")])], 10).await;
    assert_eq!(adds_up(&store, w.payer).await.available, money("9"));
    assert_eq!(adds_up(&store, w.payee).await.held, money("1"));
}

async fn set_terms(store: &Store, account: u32, kind: AccountKind, limit: Option<&str>) {
    let mut edit = store.edit().await.unwrap();
    let draft = edit.get::<AccountDraft>(account).await.unwrap().draft;
    let draft = AccountDraft { kind, credit_limit: limit.map(money), ..draft };
    edit.update(account, &draft, None).await.unwrap();
    edit.commit().await.unwrap();
}

async fn a_postpaid_account_without_a_limit_may_owe(store: Store) {
    let w = world(&store).await;
    set_terms(&store, w.payer, AccountKind::Postpaid, None).await;
    assert_eq!(store.grant(grant_id(1), AccountId(w.payer), ask("50")).await.unwrap().amount, money("50"));
    collect(&store, &[call(w, 1, "20", &[(grant_id(1), "20")])], 1).await;
    store.close(grant_id(1), AccountId(w.payer), money("20")).await.unwrap();
    let balance = adds_up(&store, w.payer).await;
    assert_eq!((balance.available, balance.settled), (money("-20"), money("20")));
}

async fn a_credit_limit_is_part_of_the_funds(store: Store) {
    let w = world(&store).await;
    set_terms(&store, w.payer, AccountKind::Postpaid, Some("0.8")).await;
    assert_eq!(adds_up(&store, w.payer).await.funds, money("0.8"));
    assert_eq!(store.grant(grant_id(1), AccountId(w.payer), ask("5")).await.unwrap().amount, money("0.8"));
    assert_eq!(store.grant(grant_id(2), AccountId(w.payer), ask("5")).await.unwrap().amount, Money::ZERO);
    set_terms(&store, w.payer, AccountKind::Prepaid, Some("0.5")).await;
    let balance = adds_up(&store, w.payer).await;
    assert_eq!((balance.available, balance.funds), (money("-0.3"), money("0.5")));
    assert_eq!(store.grant(grant_id(3), AccountId(w.payer), ask("5")).await.unwrap().amount, Money::ZERO);
}

async fn many_nodes_asking_at_once_never_get_more_than_there_is(store: Store) {
    let (w, account) = paid(&store, "20").await;
    let mut asking = tokio::task::JoinSet::new();
    for sequence in 0..60 {
        let store = store.clone();
        asking.spawn(async move {
            let id = grant_id(sequence % 40);
            loop {
                match store.grant(id, account, ask("3")).await {
                    Ok(answer) => return (sequence % 40, answer.amount),
                    Err(error) => assert!(error.is_away(), "{error}"),
                }
            }
        });
    }
    let mut lent = std::collections::BTreeMap::new();
    while let Some(done) = asking.join_next().await {
        let (sequence, amount) = done.unwrap();
        assert_eq!(*lent.entry(sequence).or_insert(amount), amount, "the same question gets the same answer");
    }
    let total = lent.values().fold(Money::ZERO, |sum, amount| sum + *amount);
    let balance = adds_up(&store, w.payer).await;
    assert_eq!((balance.held, balance.available), (total, money("20") - total));
    assert!(balance.available >= Money::ZERO);
}

async fn what_a_lost_node_held_is_written_off_once_and_it_is_lent_nothing_more(store: Store) {
    let (w, account) = paid(&store, "10").await;
    let id = |node, boot, sequence| units::GrantId { node: NodeId(node), boot, sequence };
    let (open, closed, other) = (id(7, 3, 1), id(7, 3, 2), id(8, 1, 1));
    for grant in [open, closed, other] {
        store.grant(grant, account, ask("2")).await.unwrap();
    }
    store.close(closed, account, money("0.5")).await.unwrap();
    collect(&store, &[call(w, 1, "0.3", &[(open, "0.3")])], 10).await;
    let back = store.write_off(NodeId(7), "its disk is gone").await.unwrap();
    assert_eq!((back.boot, back.grants, back.returned), (3, 2, vec![(account, money("2.2"))]));
    let balance = adds_up(&store, w.payer).await;
    assert_eq!((balance.available, balance.held, balance.settled), (money("7.7"), money("2"), money("0.3")));
    let mut entries = store.entries(w.payer, None, 100).await.unwrap();
    entries.retain(|entry| entry.written_off.is_some());
    let notes: Vec<&str> = entries.iter().map(|entry| entry.note.as_str()).collect();
    assert_eq!(notes, ["its disk is gone"; 2]);
    let lost = |amount| Some(WrittenOff { amount: money(amount), call: None, node: NodeId(7) });
    let given_up: Vec<_> = entries.iter().map(|entry| entry.written_off).collect();
    assert!(given_up.contains(&lost("1.7")) && given_up.contains(&lost("0.5")), "{given_up:?}");
    assert_eq!(store.write_off(NodeId(7), "").await.unwrap().grants, 0, "once");
    let lends = async |wanted: &[(units::GrantId, &str)]| {
        for (grant, lent) in wanted {
            assert_eq!(store.grant(*grant, account, ask("1")).await.unwrap().amount, money(lent), "{grant:?}");
        }
    };
    // It comes back with its old folder: its next starts are refused too, until somebody admits it.
    lends(&[(open, "0"), (id(7, 3, 9), "0"), (id(7, 4, 1), "0"), (other, "2")]).await;
    assert_eq!(store.node_fence(NodeId(7)).await.unwrap(), Some(Fence { boot: 3, barred: true }));
    assert_eq!(store.admit_node(NodeId(7)).await.unwrap(), 4);
    assert_eq!(store.node_fence(NodeId(7)).await.unwrap(), Some(Fence { boot: 4, barred: false }));
    lends(&[(id(7, 4, 2), "0"), (id(7, 5, 1), "1")]).await;
    assert!(store.admit_node(NodeId(9)).await.is_err(), "it was never written off");
    // A record that turns up after all is paid from what is available, for all to see.
    collect(&store, &[call(w, 2, "0.5", &[(closed, "0.5")])], 20).await;
    assert_eq!(adds_up(&store, w.payer).await.available, money("6.2"));
}

async fn talk_that_a_crash_kept_from_the_bill_is_written_off_once_and_moves_nothing(store: Store) {
    let (w, account) = paid(&store, "10").await;
    store.grant(grant_id(1), account, ask("2")).await.unwrap();
    // One was billed to its last mark, the other for nothing.
    let cut = |n, price, lost| cdr::Cdr { written_off: money(lost), ..call(w, n, price, &[(grant_id(1), price)]) };
    let both = [cut(1, "0.3", "0.2"), cut(2, "0", "0.5")];
    for offset in [10, 20] {
        collect(&store, &both, offset).await;
    }
    let balance = adds_up(&store, w.payer).await;
    assert_eq!((balance.settled, balance.funds), (money("0.3"), money("10")));
    let lines = store.statement(w.payer, None, 100).await.unwrap();
    assert_eq!(lines.first().map(|(_, after)| *after), Some(money("9.7")), "the running sum passes over it");
    let lines = lines.iter().filter_map(|(entry, _)| Some((entry, entry.written_off?)));
    let mut told = Vec::new();
    for (entry, WrittenOff { amount, call, node }) in lines {
        assert_eq!((entry.kind.as_str(), entry.change, entry.moved()), ("write_off", Balance::default(), Money::ZERO));
        told.push((call, node, amount));
    }
    told.sort_by_key(|(_, _, amount)| *amount);
    let own = |cdr: &cdr::Cdr| (Some(cdr.call), cdr.call.node, cdr.written_off);
    assert_eq!(told, [own(&both[0]), own(&both[1])]);
}
