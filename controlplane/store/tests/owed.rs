//! Stories about what carriers may be owed, each told on SQLite and on MariaDB.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "support/databases.rs"]
mod databases;
#[path = "support/sample.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod sample;

use cdr::GrantPart;
use sample::{World, call, grant_id, money, world};
use store::{AccountDraft, Ask, Batch, Booking, Cursor, Store};
use units::{AccountId, Cause, Money, NodeId};

on_both! {
    nodes_that_ask_at_once_may_owe_the_limit_and_not_a_unit_more
    what_a_call_costs_is_taken_from_its_grants_and_a_payout_makes_room
    a_limit_that_comes_later_counts_what_is_owed
    with_one_balance_for_both_directions_the_limit_bounds_the_balance
    a_limit_below_nothing_is_refused
}

async fn collect(store: &Store, cdrs: &[cdr::Cdr], offset: u64) {
    let cursor = Cursor { boot: 1, segment: 1, offset };
    let batch = Batch { node: NodeId(1), kind: "journal", folder: "f", cdrs, traces: &[], cursor };
    store.insert_cdrs(batch).await.unwrap();
}

async fn change(store: &Store, id: u32, change: impl FnOnce(&mut AccountDraft)) -> store::Result<()> {
    let mut edit = store.edit().await?;
    let stands = edit.get::<AccountDraft>(id).await?;
    let mut draft = stands.draft.clone();
    change(&mut draft);
    edit.update(id, &draft, Some(stands.version)).await?;
    edit.commit().await
}

async fn limited(store: &Store, limit: &str) -> (World, AccountId) {
    let w = world(store).await;
    change(store, w.payee, |draft| draft.owed_limit = Some(money(limit))).await.unwrap();
    (w, AccountId(w.payee).owed())
}

async fn lent(store: &Store, sequence: u64, purse: AccountId, want: &str) -> Result<Money, Cause> {
    let ask = Ask { want: money(want), slice: money(want) };
    let answer = store.grant(grant_id(sequence), purse, ask).await.unwrap();
    answer.cause.map_or(Ok(answer.amount), Err)
}

/// Available, held, settled.
async fn stands(store: &Store, purse: AccountId) -> [Money; 3] {
    let row = store.balance(purse.0).await.unwrap();
    assert!(row.adds_up());
    let entries = store.entries(purse.0, None, 1_000).await.unwrap();
    let funds = entries.iter().fold(Money::ZERO, |sum, entry| sum + entry.change.funds);
    assert_eq!(funds, row.funds, "the entries tell all of it");
    [row.available, row.held, row.settled]
}

async fn nodes_that_ask_at_once_may_owe_the_limit_and_not_a_unit_more(store: Store) {
    let (_, purse) = limited(&store, "7.5").await;
    let asks = (0..12).map(|sequence| {
        let store = store.clone();
        tokio::spawn(async move { lent(&store, sequence, purse, "1").await })
    });
    let mut sum = Money::ZERO;
    for ask in asks.collect::<Vec<_>>() {
        match ask.await.unwrap() {
            Ok(amount) => sum += amount,
            Err(cause) => assert_eq!(cause, Cause::TERMINATOR_BALANCE),
        }
    }
    assert_eq!(sum, money("7.5"));
}

async fn what_a_call_costs_is_taken_from_its_grants_and_a_payout_makes_room(store: Store) {
    let (w, purse) = limited(&store, "5").await;
    assert_eq!(lent(&store, 1, purse, "4").await, Ok(money("4")));
    let mut made = call(w, 1, "6", &[]);
    made.owed_grants = vec![GrantPart { grant: grant_id(1), amount: money("3") }];
    collect(&store, &[made], 1).await;
    assert_eq!(stands(&store, purse).await, ["1", "1", "3"].map(money));
    assert_eq!(store.balance(w.payee).await.unwrap().owed, money("3"), "the account says so too");
    store.close(grant_id(1), purse, money("3")).await.unwrap();
    assert_eq!(stands(&store, purse).await, ["2", "0", "3"].map(money));
    let account = store.get::<AccountDraft>(w.payee).await.unwrap();
    assert_eq!(store.spending(&[account]).await.unwrap()[0].may_owe, Some(money("2")));
    let mut edit = store.edit().await.unwrap();
    edit.book(Booking::Payout, w.payee, money("3"), "transfer-1", "").await.unwrap();
    edit.commit().await.unwrap();
    assert_eq!(stands(&store, purse).await, ["5", "0", "3"].map(money));
    assert_eq!(lent(&store, 2, purse, "9").await, Ok(money("5")));
    assert_eq!(lent(&store, 3, purse, "1").await, Err(Cause::TERMINATOR_BALANCE));
}

async fn a_limit_that_comes_later_counts_what_is_owed(store: Store) {
    let w = world(&store).await;
    collect(&store, &[call(w, 1, "5", &[])], 1).await;
    change(&store, w.payee, |draft| draft.owed_limit = Some(money("10"))).await.unwrap();
    let purse = AccountId(w.payee).owed();
    assert_eq!(stands(&store, purse).await, ["7.5", "0", "0"].map(money));
    change(&store, w.payee, |draft| draft.owed_limit = None).await.unwrap();
    collect(&store, &[call(w, 2, "3", &[])], 2).await;
    assert_eq!(lent(&store, 1, purse, "50").await, Ok(money("50")), "nothing limits it");
    store.close(grant_id(1), purse, Money::ZERO).await.unwrap();
    change(&store, w.payee, |draft| draft.owed_limit = Some(money("5"))).await.unwrap();
    assert_eq!(stands(&store, purse).await, ["1", "0", "1.5"].map(money), "four are owed");
}

async fn with_one_balance_for_both_directions_the_limit_bounds_the_balance(store: Store) {
    let (w, purse) = limited(&store, "10").await;
    collect(&store, &[call(w, 1, "4", &[])], 1).await;
    store.payment(w.payee, money("3"), "their-payment", "").await.unwrap();
    assert_eq!(stands(&store, purse).await[0], money("8"), "apart, their money is not what we owe them");
    change(&store, w.payee, |draft| draft.netted = true).await.unwrap();
    assert_eq!(stands(&store, purse).await[0], money("5"), "their balance is five");
    // Its own calls are paid from that.
    let own = cdr::Cdr { originator_account: AccountId(w.payee), buy: None, ..call(w, 2, "2", &[]) };
    collect(&store, &[own], 2).await;
    assert_eq!(stands(&store, purse).await[0], money("7"));
    store.payment(w.payee, money("1"), "another", "").await.unwrap();
    assert_eq!(stands(&store, purse).await[0], money("6"));
    change(&store, w.payee, |draft| draft.netted = false).await.unwrap();
    assert_eq!(stands(&store, purse).await[0], money("8"));
}

async fn a_limit_below_nothing_is_refused(store: Store) {
    let w = world(&store).await;
    assert!(change(&store, w.payee, |draft| draft.owed_limit = Some(money("-1"))).await.is_err());
    change(&store, w.payee, |draft| draft.owed_limit = Some(Money::ZERO)).await.unwrap();
    assert_eq!(lent(&store, 1, AccountId(w.payee).owed(), "1").await, Err(Cause::TERMINATOR_BALANCE));
}
