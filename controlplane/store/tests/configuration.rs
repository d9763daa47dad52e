//! Stories about configuration, each told on SQLite and on MariaDB.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "support/databases.rs"]
mod databases;
#[path = "support/sample.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod sample;

use rating::derive::Derived;
use sample::{account, carrier, deck, money, rate, world};
use store::{
    AccountDraft, AuditEntry, CarrierDraft, ConflictKind, DeckDraft, EgressTrunkDraft, IngressTrunkDraft, Page,
    PlanDraft, RateAfter, Store, StoreError,
};
use units::{Currency, Hours, Jurisdiction, RateClass, WallTime};

on_both! {
    what_is_made_can_be_read_changed_and_deleted
    a_change_on_top_of_an_unseen_change_is_refused
    a_code_is_unique_and_written_in_plain_letters
    what_is_referred_to_stays
    a_trunk_takes_only_accounts_and_decks_that_fit
    a_deck_may_be_computed_from_others
    a_dropped_edit_leaves_nothing_behind
    lists_come_in_pages_of_one_carrier_or_all
    rates_are_paged_searched_changed_and_counted
    two_rates_of_one_prefix_and_date_are_refused
    rates_of_a_prefix_are_told_apart_by_their_class
    a_deck_keeps_its_clock_and_the_snapshot_its_offsets
    a_trunk_keeps_its_ways_and_they_keep_what_they_name
    the_model_holds_everything_and_keeps_its_number_until_something_changes
    of_two_numbers_the_higher_is_of_the_newer_configuration
    a_packed_model_says_the_same_and_packs_only_what_changed
    an_edit_that_looked_at_an_older_configuration_is_refused
    acts_are_written_down_in_order
    settings_are_kept
}

async fn what_is_made_can_be_read_changed_and_deleted(store: Store) {
    let mut edit = store.edit().await.unwrap();
    let made = edit.create(&carrier("acme")).await.unwrap();
    edit.commit().await.unwrap();
    assert_eq!(store.get::<CarrierDraft>(made.id).await.unwrap(), made);
    assert_eq!(store.by_code::<CarrierDraft>("acme").await.unwrap().id, made.id);

    let mut edit = store.edit().await.unwrap();
    let blocked = CarrierDraft { blocked: true, name: "Äcme «ltd» 漢字".into(), ..made.draft.clone() };
    let changed = edit.update(made.id, &blocked, Some(made.version)).await.unwrap();
    edit.commit().await.unwrap();
    assert_eq!((changed.version, changed.draft), (made.version + 1, blocked));

    let mut edit = store.edit().await.unwrap();
    edit.delete::<CarrierDraft>(made.id, None).await.unwrap();
    edit.commit().await.unwrap();
    assert!(matches!(store.get::<CarrierDraft>(made.id).await, Err(StoreError::NotFound { what: "carrier", .. })));
}

async fn a_change_on_top_of_an_unseen_change_is_refused(store: Store) {
    let w = world(&store).await;
    let mut edit = store.edit().await.unwrap();
    let refused = edit.update(w.originator, &carrier("acme"), Some(99)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { kind: ConflictKind::Stale, .. }), "{refused}");
    let refused = edit.delete::<CarrierDraft>(w.originator, Some(99)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { kind: ConflictKind::Stale, .. }), "{refused}");
}

async fn a_code_is_unique_and_written_in_plain_letters(store: Store) {
    let mut edit = store.edit().await.unwrap();
    edit.create(&carrier("acme")).await.unwrap();
    edit.create(&carrier("ACME")).await.expect("capital letters are other letters");
    for bad in ["", "a b", "a/b", "ä", &"x".repeat(65)] {
        let refused = edit.create(&carrier(bad)).await.unwrap_err();
        assert!(matches!(refused, StoreError::Invalid { field: "code", .. }), "{bad}: {refused}");
    }
    edit.commit().await.unwrap();
    let refused = store.edit().await.unwrap().create(&carrier("acme")).await.unwrap_err();
    let StoreError::Conflict { what, key, kind, .. } = refused else { panic!("{refused}") };
    assert_eq!((what, key.as_str(), kind), ("carrier", "acme", ConflictKind::Exists));
}

async fn what_is_referred_to_stays(store: Store) {
    let w = world(&store).await;
    macro_rules! stays {
        ($kind:ty, $id:expr) => {{
            let refused = store.edit().await.unwrap().delete::<$kind>($id, None).await.unwrap_err();
            assert!(matches!(refused, StoreError::Conflict { kind: ConflictKind::InUse, .. }), "{refused}");
        }};
    }
    stays!(CarrierDraft, w.originator);
    stays!(AccountDraft, w.payer);
    stays!(DeckDraft, w.sell_deck);
    stays!(PlanDraft, w.plan);
    stays!(EgressTrunkDraft, w.egress);
    let mut edit = store.edit().await.unwrap();
    edit.delete::<IngressTrunkDraft>(w.ingress, None).await.unwrap();
    edit.delete::<PlanDraft>(w.plan, None).await.unwrap();
    edit.delete::<EgressTrunkDraft>(w.egress, None).await.unwrap();
    edit.delete::<DeckDraft>(w.sell_deck, None).await.unwrap();
    edit.delete::<AccountDraft>(w.payer, None).await.unwrap();
    edit.delete::<CarrierDraft>(w.originator, None).await.unwrap();
    edit.commit().await.unwrap();
}

async fn a_trunk_takes_only_accounts_and_decks_that_fit(store: Store) {
    let w = world(&store).await;
    let mut edit = store.edit().await.unwrap();
    let trunk = edit.get::<IngressTrunkDraft>(w.ingress).await.unwrap().draft;
    let other = IngressTrunkDraft { account: units::AccountId(w.payee), ..trunk.clone() };
    let refused = edit.update(w.ingress, &other, None).await.unwrap_err();
    assert!(matches!(refused, StoreError::Invalid { field: "account", .. }), "{refused}");
    let nowhere = IngressTrunkDraft { plan: units::PlanId(999), ..trunk.clone() };
    let refused = edit.update(w.ingress, &nowhere, None).await.unwrap_err();
    assert!(matches!(refused, StoreError::Invalid { field: "plan", .. }), "{refused}");
    let euros = edit.create(&DeckDraft { currency: Currency::parse("EUR").unwrap(), ..deck("euros") }).await.unwrap();
    let foreign = IngressTrunkDraft { sell_deck: units::DeckId(euros.id), ..trunk.clone() };
    let refused = edit.update(w.ingress, &foreign, None).await.unwrap_err();
    assert!(matches!(refused, StoreError::Invalid { field: "sell_deck", .. }), "{refused}");
    let rate = |value: i64| snapshot::ExchangeRate {
        currency: Currency::parse("EUR").unwrap(),
        from: WallTime::from_micros(7),
        value: units::Money::from_nanos(value),
    };
    assert!(edit.put_exchange_rate(&rate(0)).await.is_err());
    let dollar = snapshot::ExchangeRate { currency: Currency::USD, ..rate(1) };
    assert!(edit.put_exchange_rate(&dollar).await.is_err(), "the base currency is worth 1");
    edit.put_exchange_rate(&rate(5)).await.unwrap();
    edit.put_exchange_rate(&rate(1_080_000_000)).await.unwrap();
    let over = IngressTrunkDraft { override_deck: Some(units::DeckId(euros.id)), ..foreign };
    assert_eq!(edit.update(w.ingress, &over, None).await.unwrap().draft, over);
    let refused = edit.delete_exchange_rate(rate(1).currency, rate(1).from).await.unwrap_err();
    assert!(refused.to_string().contains("trunk acme-in needs it"), "{refused}");
    edit.put_exchange_rate(&rate(1_080_000_000)).await.unwrap();
    assert!(edit.set_base_currency(rate(1).currency).await.unwrap_err().to_string().contains("remove them first"));
    let model = edit.model().await.unwrap();
    assert_eq!(
        model.exchange_rates.iter().map(|rate| rate.value.nanos()).collect::<Vec<_>>(),
        [1_080_000_000, 1_000_000_000]
    );
    assert_eq!(model.ingress_trunks[0].override_deck, over.override_deck);
    model.encode().unwrap();
    edit.update(w.ingress, &trunk, None).await.unwrap();
    edit.delete_exchange_rate(rate(1).currency, rate(1).from).await.unwrap();
    edit.set_base_currency(rate(1).currency).await.unwrap();
    assert_eq!(edit.base_currency().await.unwrap(), rate(1).currency);
    let turned = DeckDraft { currency: Currency::parse("EUR").unwrap(), ..deck("acme-sell") };
    let refused = edit.update(w.sell_deck, &turned, None).await.unwrap_err();
    assert!(matches!(refused, StoreError::Invalid { field: "currency", .. }), "{refused}");
}

async fn a_deck_may_be_computed_from_others(store: Store) {
    let w = world(&store).await;
    let mut edit = store.edit().await.unwrap();
    let rule = |from: &[u32]| Derived {
        from: from.iter().map(|deck| units::DeckId(*deck)).collect(),
        add: units::Percent::parse("10").unwrap(),
        minimum_s: 30,
        increment_s: 6,
        ..Derived::default()
    };
    let draft = |code: &str, from: &[u32]| DeckDraft { derived: Some(rule(from)), ..deck(code) };
    let first = edit.create(&draft("first", &[w.sell_deck, w.buy_deck])).await.unwrap();
    assert_eq!(first.draft, draft("first", &[w.sell_deck, w.buy_deck]));
    let second = edit.create(&draft("second", &[first.id])).await.unwrap();
    edit.commit().await.unwrap();
    // What is refused ends its edit.
    let mut edit = store.edit().await.unwrap();
    let circle = edit.update(first.id, &draft("first", &[second.id]), None).await.unwrap_err();
    assert!(circle.to_string().contains("deck first would be computed from itself"), "{circle}");
    drop(edit);
    for wrong in [draft("x", &[]), draft("x", &[w.buy_deck, w.buy_deck]), draft("x", &[999])] {
        let mut edit = store.edit().await.unwrap();
        assert!(matches!(edit.create(&wrong).await, Err(StoreError::Invalid { field: "derived", .. })));
    }
    let mut edit = store.edit().await.unwrap();
    assert!(edit.update(w.sell_deck, &draft("acme-sell", &[w.buy_deck]), None).await.is_err(), "it has rates");
    assert!(edit.put_rate(first.id, &rate("1", "1"), "").await.is_err(), "its rates are computed");
    assert!(edit.delete::<DeckDraft>(first.id, None).await.is_err(), "another one is computed from it");
    drop(edit);
    let model = store.model().await.unwrap();
    let told =
        |deck: usize| model.decks[deck].rates.iter().map(|rate| (rate.prefix.as_str(), rate.per_minute.to_string()));
    assert_eq!(told(2).collect::<Vec<_>>(), [("44", "0.022".into()), ("4420", "0.0132".into())]);
    assert_eq!(told(3).collect::<Vec<_>>(), [("44", "0.0242".into()), ("4420", "0.01452".into())]);
    model.encode().unwrap();
    let page = store.rates(second.id, "442", None, 10).await.unwrap();
    assert_eq!(page, model.decks[3].rates[1..]);
}

async fn a_dropped_edit_leaves_nothing_behind(store: Store) {
    let before = store.changes().await.unwrap();
    let mut edit = store.edit().await.unwrap();
    edit.create(&carrier("acme")).await.unwrap();
    drop(edit);
    assert!(store.list::<CarrierDraft>(Page::default()).await.unwrap().is_empty());
    assert_eq!(store.changes().await.unwrap(), before);
}

async fn lists_come_in_pages_of_one_carrier_or_all(store: Store) {
    let mut edit = store.edit().await.unwrap();
    let a = edit.create(&carrier("a")).await.unwrap().id;
    let b = edit.create(&carrier("b")).await.unwrap().id;
    for place in 0..5 {
        edit.create(&account(&format!("acc-{place}"), if place % 2 == 0 { a } else { b })).await.unwrap();
    }
    edit.commit().await.unwrap();
    let first = store.list::<AccountDraft>(Page { limit: 2, ..Page::default() }).await.unwrap();
    let rest = store.list::<AccountDraft>(Page { after: first[1].id, ..Page::default() }).await.unwrap();
    assert_eq!((first.len(), rest.len()), (2, 3));
    let of_b = store.list::<AccountDraft>(Page { carrier: Some(b), ..Page::default() }).await.unwrap();
    assert_eq!(of_b.iter().map(|account| account.code.as_str()).collect::<Vec<_>>(), ["acc-1", "acc-3"]);
}

async fn rates_are_paged_searched_changed_and_counted(store: Store) {
    let mut edit = store.edit().await.unwrap();
    let id = edit.create(&deck("big")).await.unwrap().id;
    let rates: Vec<_> = (0..777).map(|n| rate(&format!("44{n:03}"), "0.01")).collect();
    assert_eq!(edit.replace_rates(id, &rates, "from a file").await.unwrap(), 777);
    edit.commit().await.unwrap();
    let first = store.rates(id, "44", None, 500).await.unwrap();
    let last = first.last().unwrap();
    let after = RateAfter::rate(last);
    let rest = store.rates(id, "44", Some(&after), 500).await.unwrap();
    assert_eq!([first, rest].concat(), rates);
    assert_eq!(store.rates(id, "4401", None, 500).await.unwrap().len(), 10);

    let mut edit = store.edit().await.unwrap();
    edit.put_rate(id, &rate("44001", "0.5"), "by hand").await.unwrap();
    edit.put_rate(id, &rate("999", "0.7"), "by hand").await.unwrap();
    edit.delete_rate(id, "44002", RateClass::ANY, WallTime::from_micros(0), "by hand").await.unwrap();
    edit.commit().await.unwrap();
    assert_eq!(store.rates(id, "44001", None, 1).await.unwrap()[0].per_minute, money("0.5"));
    let facts = store.get::<DeckDraft>(id).await.unwrap().facts;
    assert_eq!((facts.rates, facts.rates_version), (777, 4));
    let history: Vec<_> = store.deck_revisions(id).await.unwrap().iter().map(|r| (r.rates_version, r.rates)).collect();
    assert_eq!(history, [(4, 777), (3, 778), (2, 777), (1, 777)]);
    let mut edit = store.edit().await.unwrap();
    let missing = edit.delete_rate(id, "0", RateClass::ANY, WallTime::from_micros(0), "").await.unwrap_err();
    assert!(matches!(missing, StoreError::NotFound { what: "rate", .. }), "{missing}");
}

async fn two_rates_of_one_prefix_and_date_are_refused(store: Store) {
    let mut edit = store.edit().await.unwrap();
    let id = edit.create(&deck("double")).await.unwrap().id;
    edit.commit().await.unwrap();
    let later = snapshot::Rate { from: WallTime::from_micros(5), ..rate("44", "0.2") };
    let mut edit = store.edit().await.unwrap();
    edit.replace_rates(id, &[rate("44", "0.1"), later], "two dates").await.unwrap();
    edit.commit().await.unwrap();
    let mut edit = store.edit().await.unwrap();
    let refused = edit.replace_rates(id, &[rate("44", "0.1"), rate("44", "0.2")], "").await.unwrap_err();
    assert!(matches!(refused, StoreError::Invalid { field: "rates", .. }), "{refused}");
    drop(edit);
    assert_eq!(store.rates(id, "", None, 10).await.unwrap().len(), 2);
}

async fn rates_of_a_prefix_are_told_apart_by_their_class(store: Store) {
    let of =
        |hours, jurisdiction, price| snapshot::Rate { class: RateClass { hours, jurisdiction }, ..rate("1212", price) };
    let mut all: Vec<_> = [Hours::Any, Hours::Peak, Hours::OffPeak]
        .into_iter()
        .flat_map(|hours| Jurisdiction::ALL[..4].iter().map(move |place| of(hours, *place, "0.01")))
        .collect();
    all.push(rate("1213", "0.02"));
    let mut edit = store.edit().await.unwrap();
    let id = edit.create(&deck("usa")).await.unwrap().id;
    let reversed: Vec<_> = all.iter().rev().cloned().collect();
    edit.replace_rates(id, &reversed, "sheet").await.unwrap();
    edit.commit().await.unwrap();
    assert_eq!(store.every_rate(id).await.unwrap(), all);
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = store.rates(id, "1", after.as_ref(), 5).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(RateAfter::rate(last));
        paged.extend(page);
    }
    assert_eq!(paged, all);

    let mut edit = store.edit().await.unwrap();
    let dearer = of(Hours::Peak, Jurisdiction::Intra, "0.5");
    edit.put_rate(id, &dearer, "one class").await.unwrap();
    let gone = of(Hours::OffPeak, Jurisdiction::Any, "0");
    edit.delete_rate(id, "1212", gone.class, gone.from, "another").await.unwrap();
    edit.commit().await.unwrap();
    let mut wanted = all.clone();
    wanted[6] = dearer;
    wanted.remove(8);
    assert_eq!(store.every_rate(id).await.unwrap(), wanted);
    assert_eq!(store.get::<DeckDraft>(id).await.unwrap().facts.rates, 12);
    assert_eq!(store.rates_at(id, 1).await.unwrap(), all);

    // Few changes among many rates are made one by one.
    let mut many: Vec<_> = (0..300).map(|code| rate(&code.to_string(), "1")).chain(wanted).collect();
    let mut edit = store.edit().await.unwrap();
    edit.replace_rates(id, &many, "many").await.unwrap();
    many.retain(|rate| rate.class != RateClass { hours: Hours::Peak, jurisdiction: Jurisdiction::Inter });
    edit.replace_rates(id, &many, "less").await.unwrap();
    edit.restore_rates(id, 1, "back").await.unwrap();
    edit.commit().await.unwrap();
    many.sort_by(rating::diff::by_key);
    assert_eq!(store.rates_at(id, 5).await.unwrap(), many);
    assert_eq!(store.every_rate(id).await.unwrap(), all);
}

async fn a_deck_keeps_its_clock_and_the_snapshot_its_offsets(store: Store) {
    let calendar = r#"{"peak":[{"days":["mon","fri"],"from":"08:00","till":"20:00"}],"free_days":["2026-12-25"]}"#;
    let calendar = snapshot::Calendar::from_text(calendar).unwrap();
    let draft =
        DeckDraft { zone: "America/New_York".into(), calendar, by_jurisdiction: true, by_lrn: true, ..deck("usa") };
    let mut edit = store.edit().await.unwrap();
    let made = edit.create(&draft).await.unwrap();
    edit.create(&deck("utc")).await.unwrap();
    for (bad, field) in [("Mars/Olympus", "zone"), ("", "zone")] {
        let refused = edit.create(&DeckDraft { zone: bad.into(), ..deck("bad") }).await.unwrap_err();
        assert!(matches!(refused, StoreError::Invalid { field: named, .. } if named == field), "{bad}: {refused}");
    }
    edit.commit().await.unwrap();
    assert_eq!(store.get::<DeckDraft>(made.id).await.unwrap().draft, draft);
    let model = store.packed_model().await.unwrap();
    let [usa, utc] = &model.decks[..] else { panic!("two decks") };
    assert_eq!((&usa.zone, &usa.calendar, usa.by_jurisdiction, usa.by_lrn), (&draft.zone, &draft.calendar, true, true));
    assert_eq!((utc.zone.as_str(), utc.offsets.len()), ("UTC", 0));
    let year = 365 * 86_400_000_000_i64;
    let (first, last) = (usa.offsets[0].from, usa.offsets.last().unwrap().from);
    assert!(model.built - first > year && last - model.built > 40 * year, "from {first:?} to {last:?}");
    assert!(usa.offsets.iter().all(|offset| [-5 * 3_600, -4 * 3_600].contains(&offset.ahead_s)));
    model.encode().unwrap();
}

async fn a_trunk_keeps_its_ways_and_they_keep_what_they_name(store: Store) {
    let w = world(&store).await;
    let mut edit = store.edit().await.unwrap();
    let plan = edit.create(&PlanDraft { code: "intra".into(), ..PlanDraft::default() }).await.unwrap().id;
    let sold = edit.create(&deck("intra-sell")).await.unwrap().id;
    let mut trunk = edit.get::<IngressTrunkDraft>(w.ingress).await.unwrap().draft;
    let other = snapshot::Way { plan: Some(units::PlanId(plan)), sell_deck: Some(units::DeckId(sold)) };
    trunk.ways.intra = other;
    trunk.ways.inter.sell_deck = other.sell_deck;
    edit.update(w.ingress, &trunk, None).await.unwrap();
    for (way, named) in [
        (snapshot::Way { plan: Some(units::PlanId(99)), sell_deck: None }, "ways.indeterminate.plan"),
        (snapshot::Way { plan: None, sell_deck: Some(units::DeckId(99)) }, "ways.indeterminate.sell_deck"),
    ] {
        let mut bad = trunk.clone();
        bad.ways.indeterminate = way;
        let refused = edit.update(w.ingress, &bad, None).await.unwrap_err();
        assert!(matches!(refused, StoreError::Invalid { field, .. } if field == named), "{named}: {refused}");
    }
    edit.commit().await.unwrap();
    assert_eq!(store.get::<IngressTrunkDraft>(w.ingress).await.unwrap().draft, trunk);
    assert_eq!(store.model().await.unwrap().ingress_trunks[0].ways, trunk.ways);
    let in_use = |refused: &StoreError| matches!(refused, StoreError::Conflict { kind: ConflictKind::InUse, .. });
    let refused = store.edit().await.unwrap().delete::<PlanDraft>(plan, None).await.unwrap_err();
    assert!(in_use(&refused), "{refused}");
    let refused = store.edit().await.unwrap().delete::<DeckDraft>(sold, None).await.unwrap_err();
    assert!(in_use(&refused), "{refused}");
    let turned = DeckDraft { currency: Currency::parse("EUR").unwrap(), ..deck("intra-sell") };
    let refused = store.edit().await.unwrap().update(sold, &turned, None).await.unwrap_err();
    assert!(matches!(refused, StoreError::Invalid { field: "currency", .. }), "{refused}");
}

async fn the_model_holds_everything_and_keeps_its_number_until_something_changes(store: Store) {
    let w = world(&store).await;
    let model = store.model().await.unwrap();
    assert_eq!(model.revision.0, 1);
    assert_eq!(store.model().await.unwrap(), model);
    assert_eq!((model.carriers.len(), model.accounts.len(), model.plans.len()), (2, 2, 1));
    assert_eq!((model.ingress_trunks.len(), model.egress_trunks.len()), (1, 1));
    assert_eq!(model.decks.iter().map(|deck| deck.rates.len()).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(model.ingress_trunks[0].sources[0].bits, 24);
    assert_eq!(model.plans[0].routes[0].egress_trunk.0, w.egress);

    let mut edit = store.edit().await.unwrap();
    edit.put_rate(w.sell_deck, &rate("44", "0.99"), "").await.unwrap();
    edit.commit().await.unwrap();
    let next = store.model().await.unwrap();
    assert_eq!((next.revision.0, next.decks[0].rates[0].per_minute), (2, money("0.99")));
    assert_eq!(store.latest_revision().await.unwrap().0, 2);
    assert_eq!(store.revisions(10).await.unwrap().iter().map(|r| r.rates).collect::<Vec<_>>(), [3, 3]);
}

async fn of_two_numbers_the_higher_is_of_the_newer_configuration(store: Store) {
    const CHANGES: i64 = 40;
    let w = world(&store).await;
    let start = store.changes().await.unwrap();
    // One looks all the time and numbers what it read, as a publisher does; the other changes and asks for the number.
    let (looks, end) = (store.clone(), start + CHANGES);
    let looking = tokio::spawn(async move {
        let mut seen = Vec::new();
        while looks.changes().await.unwrap() < end {
            let model = looks.model().await.unwrap();
            seen.push((model.revision.0, model.decks[0].rates[0].per_minute));
        }
        seen
    });
    let mut seen = Vec::new();
    for cents in 1..=CHANGES {
        let price = format!("{}.{:02}", cents / 100, cents % 100);
        let mut edit = store.edit().await.unwrap();
        edit.put_rate(w.sell_deck, &rate("44", &price), "").await.unwrap();
        edit.commit().await.unwrap();
        seen.push((store.revision().await.unwrap().0, money(&price)));
    }
    let first = seen[0].0;
    seen.extend(looking.await.unwrap().into_iter().filter(|(number, _)| *number >= first));
    seen.sort_unstable();
    assert!(seen.len() > CHANGES as usize && seen.is_sorted_by_key(|(_, price)| *price), "{seen:?}");
}

async fn a_packed_model_says_the_same_and_packs_only_what_changed(store: Store) {
    let w = world(&store).await;
    let bytes = |image: &snapshot::Deck| image.packed.as_ref().unwrap().bytes().as_ptr();
    let first = store.packed_model().await.unwrap();
    assert_eq!(first.encode().unwrap(), store.model().await.unwrap().encode().unwrap());
    let mut edit = store.edit().await.unwrap();
    edit.put_rate(w.sell_deck, &rate("44", "0.99"), "").await.unwrap();
    let draft = edit.model().await.unwrap();
    assert!(draft.decks[0].packed != first.decks[0].packed, "an edit sees its own change");
    drop(edit);
    let again = store.packed_model().await.unwrap();
    assert_eq!((bytes(&again.decks[0]), again.revision), (bytes(&first.decks[0]), first.revision));

    let mut edit = store.edit().await.unwrap();
    edit.put_rate(w.sell_deck, &rate("44", "0.77"), "").await.unwrap();
    edit.commit().await.unwrap();
    let next = store.packed_model().await.unwrap();
    assert_eq!(next.encode().unwrap(), store.model().await.unwrap().encode().unwrap());
    assert!(next.decks[0].packed != draft.decks[0].packed && next.decks[0].packed != first.decks[0].packed);
    assert_eq!(bytes(&next.decks[1]), bytes(&first.decks[1]), "it is the very same image");
    assert_eq!((next.revision.0, store.revision().await.unwrap().0), (2, 2));
}

async fn an_edit_that_looked_at_an_older_configuration_is_refused(store: Store) {
    let seen = store.changes().await.unwrap();
    world(&store).await;
    let refused = store.edit().await.unwrap().expect_changes(seen).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { kind: ConflictKind::Stale, .. }), "{refused}");
    let seen = store.changes().await.unwrap();
    store.edit().await.unwrap().expect_changes(seen).await.unwrap();
}

async fn acts_are_written_down_in_order(store: Store) {
    for name in ["first", "second", "third"] {
        let entry =
            AuditEntry { actor: "user:anna".into(), action: name.into(), object: "x".into(), ..AuditEntry::default() };
        store.audit(&entry).await.unwrap();
    }
    let all = store.audit_entries(None, Some("x"), 2).await.unwrap();
    assert_eq!(all.iter().map(|entry| entry.action.as_str()).collect::<Vec<_>>(), ["third", "second"]);
    let older = store.audit_entries(Some(all[1].id), None, 10).await.unwrap();
    assert_eq!(older.len(), 1);
}

async fn settings_are_kept(store: Store) {
    assert_eq!(store.setting("colour").await.unwrap(), None);
    store.set_setting("colour", Some("green")).await.unwrap();
    store.set_setting("colour", Some("blue")).await.unwrap();
    assert_eq!(store.setting("colour").await.unwrap().as_deref(), Some("blue"));
    store.set_setting("colour", None).await.unwrap();
    assert_eq!(store.setting("colour").await.unwrap(), None);
}
