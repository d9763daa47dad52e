//! Stories about signalling policies in `tandem apply`, each told on SQLite and on MariaDB.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "../store/tests/support/databases.rs"]
mod databases;
#[path = "support/files.rs"]
mod files;

use files::{mistaken, told};
use rating::Policies;
use serde_json::Value;
use snapshot::View;
use store::{EgressTrunkDraft, Store};
use units::Money;

on_both! {
    the_sample_of_all_policies_is_applied_once_and_can_be_published
    a_change_of_a_policy_is_told_without_its_secrets
    a_mistake_in_a_policy_names_its_field_and_changes_nothing
}

const SAMPLE: &str = include_str!("../samples/policies.yaml");

async fn the_sample_of_all_policies_is_applied_once_and_can_be_published(store: Store) {
    assert_eq!(told(&store, SAMPLE).await.len(), 11);
    assert!(told(&store, SAMPLE).await.is_empty(), "the same password makes the same hashes");
    let kept = SAMPLE.replace("        password: change-me        # hashed", "        # hashed");
    assert_ne!(kept, SAMPLE);
    assert!(told(&store, &kept).await.is_empty(), "without a password the one before stays");
    let model = store.model().await.unwrap();
    let image = model.encode().unwrap();
    let view = View::open(&image);
    let policies = Policies::compile(&view).unwrap();
    let egress = &policies.egress(model.egress_trunks[0].id).policy;
    assert_eq!((egress.host.as_str(), egress.redirects_max, egress.nodes.len()), ("sip.oria.example", 2, 2));
    assert_eq!(egress.digest.as_ref().unwrap().ha1_sha256.len(), 64);
    assert_eq!(egress.recording.percent, 5, "a trunk's own word before its carrier's");
    let signer = egress.stir.signer.as_ref().unwrap();
    // RFC 6979 §A.2.5.
    assert_eq!(signer.private_number, "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
    let ingress = policies.ingress(model.ingress_trunks[0].id);
    assert_eq!((ingress.policy.ringing_after_s, ingress.ceilings.sell), (4, Money::parse("0.30")));
    assert_eq!(policies.plan(model.plans[0].id).policy.answers.stop, [603]);
}

async fn a_change_of_a_policy_is_told_without_its_secrets(store: Store) {
    told(&store, SAMPLE).await;
    let dearer = told(&store, &SAMPLE.replace("redirects_max: 2", "redirects_max: 3")).await;
    assert_eq!(dearer, ["~ egress trunk oria-1: policy.redirects_max 2 → 3"]);
    let secret =
        told(&store, &SAMPLE.replace("redirects_max: 2", "redirects_max: 3").replace("change-me ", "hush ")).await;
    assert_eq!(secret, ["~ egress trunk oria-1: digest password or private key"]);
    let hash = store.by_code::<EgressTrunkDraft>("oria-1").await.unwrap().draft.policy.digest.unwrap().ha1_md5;
    for act in store.audit_entries(None, None, 10).await.unwrap() {
        for hidden in ["hush", "change-me", "ha1", hash.as_str(), "private_", "c9afa9d8", "MIGHAgEA"] {
            assert!(!act.after.contains(hidden) && !act.before.contains(hidden), "{hidden} in {act:?}");
        }
    }
}

async fn a_mistake_in_a_policy_names_its_field_and_changes_nothing(store: Store) {
    for mistake in [
        [
            "redirects_max: 2",
            "redirects_max: 7",
            "transport: tcp",
            "egress_trunks[0].policy.redirects_max",
            "0 or 1 to 5",
        ],
        [
            "\"^44\"",
            "\"^(44\"",
            "transport: tcp",
            "egress_trunks[0].policy.rewrite.pattern (entry 1)",
            "regex parse error",
        ],
        [
            "stop: [603]",
            "always_503: true",
            "quality:                     # for the order",
            "plans[0].policy.answers.always_503",
            "means nothing",
        ],
        [
            "capture: { what: rtp_headers",
            "nat: false\n      capture: { what: rtp_headers",
            "nat: false",
            "carriers[1].policy.nat",
            "means nothing",
        ],
        ["audio_only", "audio_olny", "audio_olny", "", "audio_olny"],
        ["mode: \"on\"", "mode: \"yes\"", "mode: \"yes\"", "", "unknown variant"],
    ] {
        mistaken(&store, SAMPLE, mistake).await;
    }
}

#[test]
fn the_sample_mentions_every_field_of_a_policy() {
    let document: Value = serde_json::from_str(&web::openapi_text()).unwrap();
    let schemas = &document["components"]["schemas"];
    let mut names = vec!["Policy".to_owned()];
    let mut seen = 0;
    while let Some(name) = names.get(seen).cloned() {
        seen += 1;
        for (field, property) in schemas[name.as_str()]["properties"].as_object().into_iter().flatten() {
            assert!(
                SAMPLE.contains(&format!("{field}:")) || field.starts_with("ha1_"),
                "{name}.{field} is not in the sample"
            );
            let text = property.to_string();
            let inner = text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next());
            let fresh: Vec<String> =
                inner.filter(|name| !names.iter().any(|known| known == name)).map(str::to_owned).collect();
            names.extend(fresh);
        }
    }
    assert!(names.len() > 15, "{names:?}");
}
