//! Stories about what a deck was, what comes for it, and what ran over it, each told on SQLite and on MariaDB.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "support/databases.rs"]
mod databases;
#[path = "support/sample.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod sample;

use cdr::segment::Cursor;
use sample::{attempt, call, deck, money, rate, world};
use snapshot::Rate;
use store::{Batch, ConflictKind, DeckDraft, ImportDraft, ImportState, REVISIONS_KEPT_MAX, Store, StoreError};
use units::{NodeId, RateClass, WallTime};

on_both! {
    every_change_of_a_decks_rates_can_be_read_and_undone
    revisions_beyond_the_last_hundred_are_forgotten
    a_sheet_waits_with_its_file_until_it_is_settled
    somebody_else_approves_what_stands_and_a_new_reading_needs_a_new_look
    a_template_is_kept_by_versions
    what_a_user_wrote_last_hides_no_template_of_others
    traffic_is_summed_by_the_head_of_the_number
}

async fn a_deck(store: &Store) -> u32 {
    let mut edit = store.edit().await.unwrap();
    let id = edit.create(&deck("dear")).await.unwrap().id;
    edit.commit().await.unwrap();
    id
}

async fn replace(store: &Store, deck: u32, rates: &[Rate]) {
    let mut edit = store.edit().await.unwrap();
    edit.replace_rates(deck, rates, "a sheet").await.unwrap();
    edit.commit().await.unwrap();
}

async fn every_change_of_a_decks_rates_can_be_read_and_undone(store: Store) {
    let deck = a_deck(&store).await;
    let first: Vec<Rate> = (10..60).map(|code| rate(&code.to_string(), "0.01")).collect();
    replace(&store, deck, &first).await;
    let mut second = first.clone();
    second[3].per_minute = money("0.02");
    second.remove(7);
    replace(&store, deck, &second).await;
    let mut edit = store.edit().await.unwrap();
    let new =
        Rate { per_minute: money("0.5"), till: Some(WallTime::from_micros(9)), blocked: true, ..second[0].clone() };
    edit.put_rate(deck, &new, "dearer").await.unwrap();
    edit.delete_rate(deck, "11", RateClass::ANY, first[1].from, "gone").await.unwrap();
    edit.commit().await.unwrap();
    let mut third = second.clone();
    third[0] = new;
    assert_eq!(store.rates_at(deck, 3).await.unwrap(), third);
    assert_eq!(store.rates_at(deck, 2).await.unwrap(), second);
    assert_eq!(store.rates_at(deck, 1).await.unwrap(), first);
    assert_eq!(store.rates_at(deck, 0).await.unwrap(), []);
    assert!(matches!(store.rates_at(deck, 9).await, Err(StoreError::NotFound { what: "revision", .. })));
    assert_eq!(store.oldest_revision(deck).await.unwrap(), 0);
    let mut edit = store.edit().await.unwrap();
    assert_eq!(edit.restore_rates(deck, 1, "back").await.unwrap(), 50);
    edit.commit().await.unwrap();
    assert_eq!(store.rates_at(deck, 5).await.unwrap(), first);
    assert_eq!(store.rates_at(deck, 3).await.unwrap(), third, "what was undone can be done again");
    assert_eq!(store.get::<DeckDraft>(deck).await.unwrap().facts.rates, 50);
}

async fn revisions_beyond_the_last_hundred_are_forgotten(store: Store) {
    let deck = a_deck(&store).await;
    let mut edit = store.edit().await.unwrap();
    for price in 0..REVISIONS_KEPT_MAX + 5 {
        edit.put_rate(deck, &rate("44", &format!("0.{price:04}")), "again").await.unwrap();
    }
    edit.commit().await.unwrap();
    assert_eq!(store.oldest_revision(deck).await.unwrap(), 5);
    assert_eq!(store.rates_at(deck, 5).await.unwrap(), [rate("44", "0.0004")]);
    assert!(matches!(store.rates_at(deck, 4).await, Err(StoreError::NotFound { what: "kept revision", .. })));
}

fn sheet(deck: u32) -> ImportDraft {
    ImportDraft {
        deck,
        name: "rates.csv".into(),
        sha256: "ab".repeat(32),
        made_by: 1,
        actor: "user:anna".into(),
        body: "{}".into(),
    }
}

async fn a_sheet_waits_with_its_file_until_it_is_settled(store: Store) {
    let deck = a_deck(&store).await;
    let file: Vec<u8> = (0..(5 << 19)).map(|place: u32| (place % 251) as u8).collect();
    let mut edit = store.edit().await.unwrap();
    let id = edit.add_import(&sheet(deck), &file).await.unwrap();
    edit.commit().await.unwrap();
    let import = store.import(id).await.unwrap();
    assert_eq!((import.size, import.state, &import.draft), (file.len() as u64, ImportState::Open, &sheet(deck)));
    assert!(store.import_file(id).await.unwrap() == file);
    let mut edit = store.edit().await.unwrap();
    edit.settle_import(id, ImportState::Applied, 7).await.unwrap();
    edit.commit().await.unwrap();
    let import = store.imports(deck).await.unwrap().remove(0);
    assert_eq!((import.state, import.rates_version, import.settled.is_some()), (ImportState::Applied, 7, true));
    let refused = store.edit().await.unwrap().settle_import(id, ImportState::Cancelled, 0).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { kind: ConflictKind::Stale, .. }), "{refused}");
    assert!(matches!(store.import(99).await, Err(StoreError::NotFound { what: "import", .. })));
}

async fn somebody_else_approves_what_stands_and_a_new_reading_needs_a_new_look(store: Store) {
    let deck = a_deck(&store).await;
    let mut edit = store.edit().await.unwrap();
    let id = edit.add_import(&sheet(deck), b"x").await.unwrap();
    let refused = edit.approve_import(id, 1, "user:anna", "d1").await.unwrap_err();
    assert!(matches!(refused, StoreError::Invalid { field: "approver", .. }), "{refused}");
    edit.approve_import(id, 2, "user:bruno", "d1").await.unwrap();
    edit.commit().await.unwrap();
    let import = store.import(id).await.unwrap();
    assert_eq!((import.approved_by, import.approver.as_str(), import.seen.as_str()), (2, "user:bruno", "d1"));
    let mut edit = store.edit().await.unwrap();
    edit.reread_import(id, 2, "{\"unit\":\"second\"}").await.unwrap();
    let refused = edit.approve_import(id, 2, "user:bruno", "d2").await.unwrap_err();
    assert!(matches!(refused, StoreError::Invalid { field: "approver", .. }), "who says how it is read: {refused}");
    edit.commit().await.unwrap();
    let import = store.import(id).await.unwrap();
    assert_eq!((import.approved_by, import.seen.as_str()), (0, ""));
}

async fn a_template_is_kept_by_versions(store: Store) {
    let deck = a_deck(&store).await;
    assert_eq!(store.deck_template(deck).await.unwrap(), None);
    for (version, body) in [(1, "{\"a\":1}"), (2, "{\"a\":2}")] {
        let mut edit = store.edit().await.unwrap();
        assert_eq!(edit.set_deck_template(deck, 1, "user:anna", body).await.unwrap(), version);
        edit.commit().await.unwrap();
        let found = store.deck_template(deck).await.unwrap().unwrap();
        assert_eq!((found.version, found.body.as_str(), found.actor.as_str()), (version, body, "user:anna"));
    }
}

async fn what_a_user_wrote_last_hides_no_template_of_others(store: Store) {
    let deck = a_deck(&store).await;
    let mut edit = store.edit().await.unwrap();
    for (user, body) in [(1, "first"), (2, "second"), (1, "third"), (1, "fourth")] {
        edit.set_deck_template(deck, user, "somebody", body).await.unwrap();
    }
    edit.commit().await.unwrap();
    for (user, wanted) in [(1, &["second", "third", "fourth"][..]), (2, &["fourth"]), (3, &["fourth"])] {
        let found = store.guarding_templates(deck, user).await.unwrap();
        assert_eq!(found.iter().map(|it| it.body.as_str()).collect::<Vec<_>>(), wanted, "user {user}");
    }
    assert_eq!(store.guarding_templates(deck + 1, 1).await.unwrap(), []);
}

async fn traffic_is_summed_by_the_head_of_the_number(store: Store) {
    let world = world(&store).await;
    let calls: Vec<_> = (1..4).map(|sequence| call(world, sequence, "0.012", &[])).collect();
    let mut cdrs: Vec<_> = calls.iter().map(attempt).collect();
    cdrs.extend(calls);
    let cursor = Cursor::default();
    let batch = Batch { node: NodeId(1), kind: "journal", folder: "f", cdrs: &cdrs, traces: &[], cursor };
    store.insert_cdrs(batch).await.unwrap();
    let from = WallTime::from_micros(1_800_000_000_000_000);
    let till = WallTime::from_micros(from.micros() + 3_000_000);
    for deck in [world.sell_deck, world.buy_deck] {
        let found = store.traffic(deck, from, till).await.unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].head.as_str(), found[0].calls, found[0].duration_ms), ("442071234567", 2, 2 * 60_345));
    }
    assert!(store.traffic(1, WallTime::from_micros(0), till).await.is_err());
}
