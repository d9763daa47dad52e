//! Stories about `tandem apply`, each told on SQLite and on MariaDB where a database is needed.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "../store/tests/support/databases.rs"]
mod databases;

use std::collections::BTreeMap;

use store::{AccountDraft, CarrierDraft, DeckDraft, Page, Store};
use tandem_controlplane::apply::{Action, ApplyError, Files, Input, Mistake, Report, apply};

on_both! {
    a_whole_switch_is_made_and_the_second_run_changes_nothing
    a_changed_value_is_the_only_change
    a_trunk_that_would_never_get_a_call_is_told
    currencies_are_joined_by_exchange_rates
    a_dry_run_says_the_same_and_does_nothing
    rates_that_the_file_no_longer_has_are_removed
    a_payment_is_booked_once
    a_mistake_that_only_the_database_can_see_names_its_place_and_changes_nothing
    what_the_file_does_not_name_stays
    a_switch_that_cannot_become_a_snapshot_is_refused
    an_apply_is_written_down_with_its_actor
}

const SWITCH: &str = r#"
carriers:
  - code: acme
    name: Acme Ltd
  - { code: oria, name: Oria }
accounts:
  - code: acme-usd
    carrier: acme
    currency: USD
    kind: prepaid
    payments:
      - { reference: acme-opening, amount: "1000.00", note: first money }
  - { code: oria-usd, carrier: oria, currency: USD, kind: postpaid }
decks:
  - code: acme-sell
    currency: USD
    rates:
      - { prefix: "44", destination: United Kingdom, rate: 0.0120, increments: 1/1 }
      - { prefix: "4477", destination: UK mobile, rate: "0.0250", connection_fee: 0.01, increments: 30/6/0, from: 2026-01-01 }
  - { code: oria-buy, csv: oria.csv }
egress_trunks:
  - { code: oria-1, carrier: oria, account: oria-usd, address: "127.0.2.1:5060", buy_deck: oria-buy, capacity: 100 }
plans:
  - code: main
    order: lcr
    margin_min: "0"
    routes:
      - { egress_trunk: oria-1, priority: 5 }
ingress_trunks:
  - code: acme-in
    carrier: acme
    account: acme-usd
    sources: [127.0.1.1, 10.0.0.0/24, "192.0.2.1:5070", "[2001:db8::]/32"]
    plan: main
    sell_deck: acme-sell
    cps: 10
"#;

const CSV: &str =
    "prefix,destination,rate,connection_fee,increments\n44,United Kingdom,0.008,0,1/1\n4477,UK mobile,0.02,,60/60\n";

fn input(yaml: &str) -> Input {
    let files = BTreeMap::from([("oria.csv".to_owned(), CSV.to_owned())]);
    Input { name: "switch.yaml".into(), yaml: yaml.into(), files: Files::Inline(files) }
}

async fn done(store: &Store, yaml: &str) -> Report {
    match apply(store, &input(yaml), false, None).await {
        Ok(report) => report,
        Err(error) => panic!("{error}"),
    }
}

/// Line and column of some words of a text, from 1.
fn place(text: &str, words: &str) -> (u64, u64) {
    let before = &text[..text.find(words).unwrap_or_else(|| panic!("{words}"))];
    let line = before.matches('\n').count() + 1;
    (line as u64, (before.len() - before.rfind('\n').map_or(0, |end| end + 1) + 1) as u64)
}

async fn mistakes(store: &Store, yaml: &str) -> Vec<Mistake> {
    match apply(store, &input(yaml), false, None).await {
        Err(ApplyError::Mistakes(mistakes)) => mistakes,
        other => panic!("{other:?}"),
    }
}

async fn a_whole_switch_is_made_and_the_second_run_changes_nothing(store: Store) {
    let report = done(&store, SWITCH).await;
    assert!(report.applied);
    let made: Vec<String> = report.changes.iter().map(ToString::to_string).collect();
    assert_eq!(
        made,
        [
            "+ carrier acme",
            "+ carrier oria",
            "+ account acme-usd",
            "+ account oria-usd",
            "+ deck acme-sell",
            "+ rates of deck acme-sell: 2 new",
            "+ deck oria-buy",
            "+ rates of deck oria-buy: 2 new",
            "+ egress trunk oria-1",
            "+ plan main",
            "+ ingress trunk acme-in",
            "+ payment acme-opening: 1000.00 USD to acme-usd",
        ]
    );
    let again = done(&store, SWITCH).await;
    assert_eq!((again.changes.len(), again.applied), (0, false));
    assert_eq!(again.to_string(), "nothing to change\n");
    let model = store.model().await.unwrap();
    assert_eq!(model.ingress_trunks[0].sources.len(), 4);
    assert_eq!(model.decks[1].rates[1].minimum_s, 60);
    assert_eq!(model.decks[0].rates[1].from.micros(), 1_767_225_600_000_000);
    assert!(model.encode().is_ok());
}

async fn a_changed_value_is_the_only_change(store: Store) {
    done(&store, SWITCH).await;
    let dearer = done(&store, &SWITCH.replace("rate: 0.0120", "rate: 0.0130")).await;
    let said: Vec<String> = dearer.changes.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["~ rates of deck acme-sell: 44: 0.012 → 0.013"]);
    let taxed = SWITCH.replace("rate: 0.0120", "rate: 0.0130, first_per_minute: 0.05").replace(
        "currency: USD\n    rates",
        "currency: USD\n    tax_percent: 7.7\n    steps_from_zero: true\n    rates",
    );
    let said: Vec<String> = done(&store, &taxed).await.changes.iter().map(ToString::to_string).collect();
    assert_eq!(said[0], "~ deck acme-sell: steps_from_zero false → true, tax_percent 0 → 7.7");
    let deck = store.model().await.unwrap().decks.swap_remove(0);
    assert_eq!((deck.tax_ppm, deck.steps_from_zero), (77_000, true));
    assert_eq!(deck.rates[0].first_per_minute, units::Money::parse("0.05"));
    done(&store, &SWITCH.replace("rate: 0.0120", "rate: 0.0130")).await;
    let fewer = SWITCH.replace("rate: 0.0120", "rate: 0.0130").replace("capacity: 100", "capacity: 50, active: false");
    let said: Vec<String> = done(&store, &fewer).await.changes.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["~ egress trunk oria-1: capacity 100 → 50, active true → false"]);
}

async fn a_trunk_that_would_never_get_a_call_is_told(store: Store) {
    let second = |more: &str| {
        format!(
            "{SWITCH}  - {{ code: second, carrier: acme, account: acme-usd, plan: main, sell_deck: acme-sell, \
             sources: [192.0.2.9, 127.0.1.1]{more} }}\n"
        )
    };
    let told = |report: Report| {
        let second = report.changes.iter().find(|change| change.code == "second");
        second.map(ToString::to_string).unwrap_or_default()
    };
    let made = told(done(&store, &second("")).await);
    assert!(made.starts_with("+ ingress trunk second"), "{made}");
    assert!(made.ends_with("has a source of acme-in with the same tech prefix: acme-in gets all its calls"), "{made}");
    for apart in [", tech_prefix: \"98\"", ", policy: { transport: tcp }"] {
        let changed = told(done(&store, &second(apart)).await);
        assert!(changed.starts_with("~ ingress trunk second") && !changed.contains("gets all"), "{changed}");
    }
}

async fn currencies_are_joined_by_exchange_rates(store: Store) {
    let euros = SWITCH.replace("code: acme-sell\n    currency: USD", "code: acme-sell\n    currency: EUR");
    let refused = apply(&store, &input(&euros), true, None).await.unwrap_err().to_string();
    assert!(refused.contains("counts in EUR, the account in USD, and no exchange rates join the two"), "{refused}");
    let joined =
        format!("base_currency: EUR\nexchange_rates:\n  - {{ currency: USD, value: 0.92, from: 2026-01-01 }}\n{euros}")
            .replace("sell_deck: acme-sell", "sell_deck: acme-sell\n    override_deck: oria-buy");
    let said: Vec<String> = done(&store, &joined).await.changes.iter().map(ToString::to_string).collect();
    assert_eq!(said[..2], ["~ base currency EUR: USD → EUR", "+ exchange rate USD: 0.92"]);
    assert!(done(&store, &joined).await.changes.is_empty());
    let model = store.model().await.unwrap();
    assert_eq!((model.exchange_rates.len(), model.ingress_trunks[0].override_deck), (2, Some(model.decks[1].id)));
    let other = done(&store, &joined.replace("0.92", "0.93")).await.changes;
    assert_eq!(other[0].to_string(), "~ exchange rate USD: 0.92 → 0.93");
}

async fn a_dry_run_says_the_same_and_does_nothing(store: Store) {
    let before = store.changes().await.unwrap();
    let dry = apply(&store, &input(SWITCH), true, None).await.unwrap();
    assert!(!dry.applied);
    assert_eq!(store.changes().await.unwrap(), before);
    assert!(store.list::<CarrierDraft>(Page::default()).await.unwrap().is_empty());
    assert_eq!(done(&store, SWITCH).await.changes, dry.changes);
}

async fn rates_that_the_file_no_longer_has_are_removed(store: Store) {
    done(&store, SWITCH).await;
    let line = SWITCH.lines().find(|line| line.contains("\"4477\"")).unwrap();
    let report = done(&store, &SWITCH.replace(line, "")).await;
    assert_eq!(report.changes.len(), 1);
    assert_eq!((report.changes[0].action, report.changes[0].detail.as_str()), (Action::Delete, "1 gone"));
    let deck = store.by_code::<DeckDraft>("acme-sell").await.unwrap();
    assert_eq!(deck.facts.rates, 1);
}

async fn a_payment_is_booked_once(store: Store) {
    done(&store, SWITCH).await;
    done(&store, SWITCH).await;
    let account = store.by_code::<AccountDraft>("acme-usd").await.unwrap();
    assert_eq!(account.facts.available.to_string(), "1000.00");
    let dearer = SWITCH.replace("1000.00", "2000.00");
    let other = mistakes(&store, &dearer).await;
    assert_eq!(
        (other[0].line, other[0].field.as_str()),
        (place(&dearer, "acme-opening").0, "accounts[0].payments[0].reference")
    );
    assert!(other[0].why.contains("it was booked as payment of 1000.00"), "{}", other[0]);
}

async fn a_mistake_that_only_the_database_can_see_names_its_place_and_changes_nothing(store: Store) {
    let wrong: [(&str, &str, &str, &str, &str); 5] = [
        ("plan: main\n", "plan: mian\n", "mian", "ingress_trunks[0].plan", "there is no plan mian"),
        (
            "egress_trunk: oria-1",
            "egress_trunk: oria-2",
            "oria-2",
            "plans[0].routes[0].egress_trunk",
            "no egress trunk oria-2",
        ),
        (
            "acme\n    account: acme-usd",
            "acme\n    account: oria-usd",
            "oria-usd\n",
            "ingress_trunks[0].account",
            "belongs to another carrier",
        ),
        (
            "oria-buy, csv",
            "oria-buy, currency: EUR, csv",
            "oria-buy, capacity",
            "egress_trunks[0].buy_deck",
            "counts in EUR, the account in USD",
        ),
        ("code: acme\n", "code: a b\n", "a b", "carriers[0].code", "1 to 64 characters"),
    ];
    for (from, to, finger, field, why) in wrong {
        let yaml = SWITCH.replacen(from, to, 1);
        let found = mistakes(&store, &yaml).await;
        assert_eq!(
            ((found[0].line, found[0].column), found[0].field.as_str()),
            (place(&yaml, finger), field),
            "{}",
            found[0]
        );
        assert!(found[0].why.contains(why), "{}", found[0]);
        assert!(store.list::<CarrierDraft>(Page::default()).await.unwrap().is_empty(), "nothing was changed");
    }
}

async fn what_the_file_does_not_name_stays(store: Store) {
    done(&store, SWITCH).await;
    done(&store, "carriers:\n  - { code: third }\n").await;
    assert_eq!(store.list::<CarrierDraft>(Page::default()).await.unwrap().len(), 3);
    assert!(done(&store, "# empty\n").await.changes.is_empty());
}

/// The store lets euros be routed to dollars; a snapshot does not without an exchange rate.
async fn a_switch_that_cannot_become_a_snapshot_is_refused(store: Store) {
    let euros = SWITCH
        .replace("oria-usd, carrier: oria, currency: USD", "oria-usd, carrier: oria, currency: EUR")
        .replace("oria-buy, csv", "oria-buy, currency: EUR, csv");
    let found = mistakes(&store, &euros).await;
    assert!(found[0].why.contains("counts in EUR, and no exchange rates join it with USD"), "{}", found[0]);
    assert!(store.list::<CarrierDraft>(Page::default()).await.unwrap().is_empty(), "nothing was changed");
}

async fn an_apply_is_written_down_with_its_actor(store: Store) {
    apply(&store, &input(SWITCH), false, Some("user:anna")).await.unwrap();
    apply(&store, &input(SWITCH), false, Some("user:anna")).await.unwrap();
    let acts = store.audit_entries(None, None, 10).await.unwrap();
    assert_eq!(acts.len(), 1, "a run that changes nothing is no act");
    assert_eq!(
        (acts[0].actor.as_str(), acts[0].action.as_str(), acts[0].object.as_str()),
        ("user:anna", "apply", "switch.yaml")
    );
    assert!(acts[0].after.contains("oria-1"));
}

#[tokio::test]
async fn a_mistake_in_the_file_names_line_column_and_field() {
    let database = databases::sqlite().await;
    // What is replaced, by what, at which words of the new text the finger points, the field, and what is said.
    let wrong: [(&str, &str, &str, &str, &str); 15] = [
        ("name: Acme Ltd", "nmae: Acme Ltd", "nmae", "", "nmae"),
        (
            "currency: USD\n    kind",
            "currency: usd\n    kind",
            "usd\n    kind",
            "accounts[0].currency",
            "three capital letters",
        ),
        ("kind: prepaid", "kind: free", "free", "accounts[0].kind", "prepaid"),
        ("1000.00", "1,000.00", "\"1,000", "accounts[0].payments[0].amount", "12.50"),
        ("rate: 0.0120", "rate: 1e3", "1e3", "decks[0].rates[0].rate", "12.50"),
        ("rate: 0.0120", "rate: 1, first_per_minute: -1", "-1", "decks[0].rates[0].first_per_minute", "0 or more"),
        ("USD\n    rates", "USD\n    tax_percent: 7,7\n    rates", "7,7", "decks[0].tax_percent", "four decimals"),
        ("30/6/0", "30/0", "30/0", "decks[0].rates[1].increments", "1 or more"),
        ("prefix: \"4477\"", "prefix: \"44\", till: 2020-01-01", "2020", "decks[0].rates[1].till", "later than from"),
        ("\"127.0.2.1:5060", "\"127.0.2.1", "\"127.0.2.1", "egress_trunks[0].address", "with a port"),
        ("capacity: 100", "capacity: lots", "lots", "egress_trunks[0].capacity", "whole number from 0 to 4294967295"),
        ("order: lcr", "order: cheapest", "cheapest", "plans[0].order", "none of lcr"),
        ("10.0.0.0/24", "10.0.0.0/33", "10.0.0.0/33", "ingress_trunks[0].sources[1]", "more than 32 bits"),
        ("    carrier: acme\n    account", "    account", "code: acme-in", "ingress_trunks[0].carrier", "is missing"),
        ("code: oria,", "code: acme,", "acme, name: Oria", "carriers[1].code", "twice"),
    ];
    for (from, to, finger, field, why) in wrong {
        let yaml = SWITCH.replacen(from, to, 1);
        assert_ne!(yaml, SWITCH, "{from}");
        let (line, column) = place(&yaml, finger);
        let found = mistakes(&database.store, &yaml).await;
        let first = &found[0];
        assert_eq!(
            (first.file.as_str(), first.line, first.column, first.field.as_str()),
            ("switch.yaml", line, column, field),
            "{first}"
        );
        assert!(first.why.contains(why), "{first}");
        assert_eq!(database.store.changes().await.unwrap(), 0, "nothing was changed");
    }
}

#[tokio::test]
async fn a_file_that_is_no_yaml_or_of_another_shape_names_the_place() {
    let database = databases::sqlite().await;
    for (yaml, line) in [
        ("carriers:\n  - code: [\n", 2),
        ("carriers: yes\n", 1),
        ("carriers:\n  - code: { a: b }\n", 2),
        ("what: {}\n", 1),
    ] {
        let found = mistakes(&database.store, yaml).await;
        assert_eq!(found[0].line, line, "{}", found[0]);
    }
}

#[tokio::test]
async fn a_date_is_midnight_on_the_decks_clock() {
    let database = databases::sqlite().await;
    let yaml = "decks:\n  - { code: a, zone: America/New_York, rates: [{ prefix: '1', rate: '1', from: 2026-03-08, till: 2026-03-09 }] }\n  \
                - { code: b, zone: Asia/Kolkata, csv: b.csv }\n  - { code: c, rates: [{ prefix: '1', rate: '1', from: 2026-03-08 }] }\n";
    let mut input = input(yaml);
    let csv = "prefix,rate,from,till\n1,1,2026-03-08,2026-03-08T00:00:00Z\n";
    input.files = Files::Inline(BTreeMap::from([("b.csv".to_owned(), csv.to_owned())]));
    apply(&database.store, &input, false, None).await.unwrap();
    let mut found = Vec::new();
    for deck in 1..=3 {
        let rates = database.store.rates(deck, "", None, 9).await.unwrap();
        found.extend(
            [Some(rates[0].from), rates[0].till].map(|moment| moment.map(|moment| moment.micros() / 1_000_000)),
        );
    }
    // Midnight UTC of that day is 1,772,928,000. The clock of New York goes forward in the day.
    let midnight = 1_772_928_000;
    let (york, next, kolkata) = (midnight + 5 * 3_600, midnight + (24 + 4) * 3_600, midnight - 19_800);
    assert_eq!(found, [Some(york), Some(next), Some(kolkata), Some(midnight), Some(midnight), None]);
}

#[tokio::test]
async fn a_mistake_in_a_csv_names_its_row() {
    let database = databases::sqlite().await;
    let tell = async |csv: &str| {
        let mut input = input("decks:\n  - { code: d, csv: oria.csv }\n");
        input.files = Files::Inline(BTreeMap::from([("oria.csv".to_owned(), csv.to_owned())]));
        match apply(&database.store, &input, false, None).await {
            Err(ApplyError::Mistakes(mistakes)) => mistakes[0].to_string(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        tell("prefix,rate\n44,0.1\n45,0,1\n").await,
        "oria.csv:3:1: row: CSV error: record 2 (line: 3, byte: 19): found record with 3 fields, but the previous record has 2 fields"
    );
    assert!(
        tell("prefix,rate\n44,0.1\n45,free\n").await.starts_with("oria.csv:3:1: row.rate: \"free\" is not an amount")
    );
    assert!(tell("prefix,price\n44,0.1\n").await.starts_with("oria.csv:1:1: row: column \"price\" is none of prefix,"));
    assert!(
        tell("prefix,rate\n44,0.1\n44,0.2\n")
            .await
            .contains("oria.csv:3:1: row.prefix: \"44\" stands in the deck twice")
    );
    assert!(
        tell("prefix,rate,destination\n44,0.1,\"UK\n45,0.2,x\n")
            .await
            .starts_with("oria.csv:2:1: row: a quote opens here")
    );
    let mut missing = input("decks:\n  - { code: d, csv: other.csv }\n");
    missing.files = Files::Folder("/nowhere".into());
    let Err(ApplyError::Mistakes(found)) = apply(&database.store, &missing, false, None).await else { panic!() };
    assert!(
        found[0].to_string().starts_with("switch.yaml:2:21: decks[0].csv: cannot read /nowhere/other.csv"),
        "{}",
        found[0]
    );
}
