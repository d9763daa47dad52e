//! Stories about rates of hours and jurisdictions, from a file of `tandem apply` to the price of a call; each told on SQLite and on
//! MariaDB.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "../store/tests/support/databases.rs"]
mod databases;

use std::collections::BTreeMap;
use std::sync::Arc;

use snapshot::{Encoded, Snapshot, Wanted};
use store::Store;
use tandem_controlplane::apply::{ApplyError, Files, Input, apply};
use units::NodeId;
use web::api::batch::{BatchForm, simulate_csv};

on_both! {
    a_call_costs_what_its_states_its_hours_and_its_routing_number_say
    a_mistake_in_a_class_a_clock_or_a_way_is_told_with_its_place
    a_change_of_one_class_is_told_and_a_second_run_changes_nothing
}

const SAMPLE: &str = include_str!("../samples/classes.yaml");

async fn run(store: &Store, yaml: &str) -> Result<Vec<String>, ApplyError> {
    let files = Files::Inline(BTreeMap::new());
    let input = Input { name: "classes.yaml".into(), yaml: yaml.into(), files };
    let report = apply(store, &input, false, Some("user:anna")).await?;
    Ok(report.changes.iter().map(ToString::to_string).collect())
}

/// What is published now, as the data plane opens it.
async fn published(store: &Store) -> Snapshot {
    let Encoded { main, decks, .. } = store.packed_model().await.unwrap().encode_apart().unwrap();
    let find = |wanted: Wanted<'_>| decks.iter().find(|image| image.mark() == wanted.mark).cloned().ok_or("gone");
    Snapshot::open(Arc::new(main), find).unwrap()
}

/// A night of a Wednesday in New York, a morning of the same day, a Saturday, and Christmas.
const NIGHT: &str = "2026-07-15T05:00:00Z";
const PEAK: &str = "2026-07-15T15:00:00Z";
const WEEKEND: &str = "2026-07-18T15:00:00Z";
const CHRISTMAS: &str = "2026-12-25T15:00:00Z";

const UK: &str = "442071234567";
const NEW_YORK: &str = "12125551234";
const SYRACUSE: &str = "13155551234";
const CHICAGO: &str = "12245551234";

/// Trunk, caller, destination, routing number and moment; then jurisdiction, price of a minute, and the trunks in their order.
type Case = (&'static str, &'static str, &'static str, &'static str, &'static str, [&'static str; 3]);

const CASES: &[Case] = &[
    // The truth table: judged by states, not by area codes.
    ("acme-in", UK, UK, "", NIGHT, ["international", "0.012", "blux-1 oria-1"]),
    ("acme-in", NEW_YORK, UK, "", NIGHT, ["international", "0.012", "blux-1 oria-1"]),
    ("acme-in", SYRACUSE, UK, "", NIGHT, ["international", "0.012", "blux-1 oria-1"]),
    ("acme-in", CHICAGO, UK, "", NIGHT, ["international", "0.012", "blux-1 oria-1"]),
    ("acme-in", "", UK, "", NIGHT, ["international", "0.012", "blux-1 oria-1"]),
    ("acme-in", UK, NEW_YORK, "", NIGHT, ["indeterminate", "0.02", "blux-1 oria-1"]),
    ("acme-in", NEW_YORK, NEW_YORK, "", NIGHT, ["intra", "0.015", "blux-1 oria-1"]),
    ("acme-in", SYRACUSE, NEW_YORK, "", NIGHT, ["intra", "0.015", "blux-1 oria-1"]),
    ("acme-in", CHICAGO, NEW_YORK, "", NIGHT, ["inter", "0.01", "oria-1 blux-1"]),
    ("acme-in", "", NEW_YORK, "", NIGHT, ["indeterminate", "0.02", "blux-1 oria-1"]),
    ("acme-in", NEW_YORK, CHICAGO, "", NIGHT, ["inter", "0.01", "oria-1 blux-1"]),
    ("acme-in", SYRACUSE, CHICAGO, "", NIGHT, ["inter", "0.01", "oria-1 blux-1"]),
    ("acme-in", CHICAGO, CHICAGO, "", NIGHT, ["intra", "0.015", "blux-1 oria-1"]),
    // Hours on the clock of New York; the jurisdiction counts before them.
    ("acme-in", NEW_YORK, NEW_YORK, "", PEAK, ["intra", "0.018", "blux-1 oria-1"]),
    ("acme-in", CHICAGO, NEW_YORK, "", PEAK, ["inter", "0.01", "oria-1 blux-1"]),
    ("acme-in", UK, UK, "", PEAK, ["international", "0.014", "blux-1 oria-1"]),
    ("acme-in", UK, UK, "", WEEKEND, ["international", "0.009", "blux-1 oria-1"]),
    ("acme-in", UK, UK, "", CHRISTMAS, ["international", "0.009", "blux-1 oria-1"]),
    // A number that was ported to Chicago: dipped first, then judged; only oria's deck goes by it.
    ("acme-in", NEW_YORK, NEW_YORK, "13125550000", NIGHT, ["inter", "0.01", "oria-1 blux-1"]),
    ("acme-in", CHICAGO, NEW_YORK, "13125550000", NIGHT, ["intra", "0.015", "blux-1 oria-1"]),
    // A trunk that does not take routing numbers, and sends some jurisdictions another way.
    ("acme-local", NEW_YORK, NEW_YORK, "13125550000", NIGHT, ["intra", "0.013", "blux-1"]),
    ("acme-local", "", NEW_YORK, "", NIGHT, ["indeterminate", "0.02", "blux-1"]),
    ("acme-local", CHICAGO, NEW_YORK, "", NIGHT, ["inter", "0.01", "oria-1 blux-1"]),
];

async fn a_call_costs_what_its_states_its_hours_and_its_routing_number_say(store: Store) {
    run(&store, SAMPLE).await.unwrap();
    let snapshot = published(&store).await;
    let mut text = "ingress_trunk,calling,called,lrn,at\n".to_owned();
    for (trunk, calling, called, lrn, at, _) in CASES {
        text.push_str(&format!("{trunk},{calling},{called},{lrn},{at}\n"));
    }
    let told = simulate_csv(&store, &snapshot, NodeId(1), (&text, BatchForm::Ndjson), (None, None)).await.unwrap();
    assert_eq!(told.lines().count(), CASES.len());
    for (line, (trunk, calling, called, lrn, at, wanted)) in told.lines().zip(CASES) {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let word = |name: &str| row[name].as_str().unwrap_or("").to_owned();
        let price = word("sell_price").trim_end_matches('0').to_owned();
        let found = [word("jurisdiction"), price, word("routes")];
        assert_eq!(found, wanted.map(str::to_owned), "{trunk} {calling} → {called} {lrn} at {at}: {line}");
    }
}

async fn a_mistake_in_a_class_a_clock_or_a_way_is_told_with_its_place(store: Store) {
    for (from, to, line, field, why) in [
        (
            "hours: free_day",
            "hours: night",
            "hours: night",
            "decks[0].rates[7].hours",
            "is none of any, peak, off_peak",
        ),
        (
            "jurisdiction: inter }",
            "jurisdiction: state }",
            "jurisdiction: state",
            "decks[0].rates[1].jurisdiction",
            "is none of any, inter, intra",
        ),
        ("America/New_York", "America/Nowhere", "America/Nowhere", "decks[0].zone", "is no zone such as"),
        ("till: \"20:00\"", "till: \"07:00\"", "calendar:", "decks[0].calendar", "ends before it begins"),
        ("plan: local }", "plan: lokal }", "plan: lokal", "ingress_trunks[1].ways.indeterminate.plan", "no plan lokal"),
        (
            "sell_deck: local-sell }",
            "sell_deck: sold }",
            "sell_deck: sold",
            "ingress_trunks[1].ways.intra.sell_deck",
            "no deck sold",
        ),
        (", hours: free_day", ", hours: peak", "hours: peak", "decks[0].rates[7].prefix", "(peak, any) stands"),
    ] {
        let yaml = SAMPLE.replacen(from, to, 1);
        assert_ne!(yaml, SAMPLE, "{from}");
        let Err(ApplyError::Mistakes(mistakes)) = run(&store, &yaml).await else { panic!("{to} is refused") };
        let mistake = &mistakes[0];
        assert_eq!(mistake.field, field, "{to}: {}", mistake.why);
        assert!(mistake.why.contains(why), "{to}: {}", mistake.why);
        let place = yaml.lines().nth(mistake.line as usize - 1).unwrap();
        assert!(place.contains(line) || yaml.lines().nth(mistake.line as usize - 2).unwrap().contains(line), "{place}");
    }
    assert!(store.all::<store::DeckDraft>().await.unwrap().is_empty(), "nothing was changed");
}

async fn a_change_of_one_class_is_told_and_a_second_run_changes_nothing(store: Store) {
    run(&store, SAMPLE).await.unwrap();
    assert_eq!(run(&store, SAMPLE).await.unwrap(), Vec::<String>::new());
    let dearer = SAMPLE.replace("\"0.0180\"", "\"0.0190\"").replace("intra: { plan: local, ", "intra: { ");
    let told = run(&store, &dearer).await.unwrap();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("1: 0.018") && told[0].contains("0.019"), "{told:?}");
    assert!(told[1].contains("ways.intra local local-sell → local-sell"), "{told:?}");
}
