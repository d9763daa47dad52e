//! Stories about signalling policies, each told on SQLite and on MariaDB.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "support/databases.rs"]
mod databases;
#[path = "support/sample.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod sample;

use sample::{World, world};
use snapshot::Policy;
use snapshot::policy::{Digest, Signer, Stir, StirSign};
use store::{CarrierDraft, EgressTrunkDraft, IngressTrunkDraft, Object, PlanDraft, Store, StoreError};

on_both! {
    a_policy_is_kept_and_comes_into_the_model
    a_carrier_says_what_is_kept_of_calls_for_its_silent_trunks
    a_policy_that_calls_could_not_use_is_refused_by_its_field
    a_password_is_hashed_and_kept_nowhere
    a_private_key_is_reduced_to_its_number_and_never_shown
    a_change_without_a_password_keeps_the_hashes
}

fn policy(text: &str) -> Policy {
    Policy::from_text(text).unwrap()
}

async fn put<D: Object>(store: &Store, id: u32, change: impl FnOnce(&mut D)) -> Result<D, StoreError> {
    let mut edit = store.edit().await?;
    let mut draft = edit.get::<D>(id).await?.draft;
    change(&mut draft);
    let stored = edit.update(id, &draft, None).await?;
    edit.commit().await?;
    Ok(stored.draft)
}

async fn a_policy_is_kept_and_comes_into_the_model(store: Store) {
    let World { ingress, egress, plan, .. } = world(&store).await;
    assert!(store.get::<PlanDraft>(plan).await.unwrap().policy.is_empty());
    let before = store.changes().await.unwrap();
    let (entry, exit, way) = (
        policy(r#"{"early_media":"one_way","nat":false}"#),
        policy(r#"{"codecs":{"allow":["PCMA"]},"headers":{"add":[{"name":"X-Ä","value":"漢字"}]}}"#.replace('Ä', "A").as_str()),
        policy(r#"{"rewrite":[{"pattern":"^00(\\d+)$","replacement":"+$1"}],"answers":{"stop":[486]}}"#),
    );
    put::<IngressTrunkDraft>(&store, ingress, |draft| draft.policy = entry.clone()).await.unwrap();
    put::<EgressTrunkDraft>(&store, egress, |draft| draft.policy = exit.clone()).await.unwrap();
    put::<PlanDraft>(&store, plan, |draft| draft.policy = way.clone()).await.unwrap();
    assert_eq!(store.get::<IngressTrunkDraft>(ingress).await.unwrap().policy, entry);
    assert_eq!(store.changes().await.unwrap(), before + 3, "each change asks for a publication");
    let model = store.model().await.unwrap();
    assert_eq!(model.ingress_trunks[0].policy, entry);
    assert_eq!(model.egress_trunks[0].policy, exit);
    assert_eq!(model.plans[0].policy, way);
    put::<PlanDraft>(&store, plan, |draft| draft.policy = Policy::default()).await.unwrap();
    assert!(store.model().await.unwrap().plans[0].policy.is_empty());
}

async fn a_carrier_says_what_is_kept_of_calls_for_its_silent_trunks(store: Store) {
    let World { originator, ingress, egress, .. } = world(&store).await;
    let said = policy(r#"{"capture":{"what":"sip"},"recording":{"percent":9}}"#);
    let kept = put::<CarrierDraft>(&store, originator, |draft| draft.policy = said.clone()).await.unwrap();
    assert_eq!(
        (kept.policy, store.get::<IngressTrunkDraft>(ingress).await.unwrap().policy.clone()),
        (said.clone(), Policy::default())
    );
    let model = store.model().await.unwrap();
    assert_eq!((&model.ingress_trunks[0].policy, &model.egress_trunks[0].policy), (&said, &Policy::default()));
    let own = policy(r#"{"recording":{"percent":1}}"#);
    put::<IngressTrunkDraft>(&store, ingress, |draft| draft.policy = own.clone()).await.unwrap();
    let model = store.model().await.unwrap();
    let both = &model.ingress_trunks[0].policy;
    assert_eq!((both.recording.percent, &both.capture), (1, &said.capture));
    let carrier = store.get::<EgressTrunkDraft>(egress).await.unwrap().carrier.0;
    put::<CarrierDraft>(&store, carrier, |draft| draft.policy = said.clone()).await.unwrap();
    assert_eq!(store.model().await.unwrap().egress_trunks[0].policy, said);
    let dear = policy(r#"{"prices":{"sell_per_minute_max":"0.25"}}"#);
    for carrier in [originator, carrier] {
        put::<CarrierDraft>(&store, carrier, |draft| draft.policy.prices = dear.prices.clone()).await.unwrap();
    }
    let model = store.model().await.unwrap();
    assert_eq!(model.ingress_trunks[0].policy.prices, dear.prices);
    assert!(!model.egress_trunks[0].policy.to_text().contains("prices"), "prices hold where calls come in");
    let refused =
        put::<CarrierDraft>(&store, originator, |draft| draft.policy.tags = vec!["a".into()]).await.unwrap_err();
    assert_eq!(refused.to_string(), "policy.tags: means nothing on this side");
}

async fn a_policy_that_calls_could_not_use_is_refused_by_its_field(store: Store) {
    let w = world(&store).await;
    for (text, wanted) in [
        (r#"{"redirects_max":6}"#, "policy.redirects_max: must be 0 or 1 to 5"),
        (r#"{"ringing_after_s":6}"#, "policy.ringing_after_s: means nothing on this side"),
        (
            r#"{"rewrite":[{"pattern":"a"},{"pattern":"(44"}]}"#,
            "policy.rewrite.pattern: entry 2: \"(44\": regex parse error",
        ),
        (r#"{"headers":{"add":[{"name":"Via"}]}}"#, "policy.headers.add.name: entry 1: Via is reserved"),
    ] {
        let refused = put::<EgressTrunkDraft>(&store, w.egress, |draft| draft.policy = policy(text)).await.unwrap_err();
        assert!(refused.to_string().starts_with(wanted), "{text}: {refused}");
        assert!(matches!(refused, StoreError::Policy(_)) && !refused.is_away());
    }
    let refused =
        put::<PlanDraft>(&store, w.plan, |draft| draft.policy = policy(r#"{"nat":false}"#)).await.unwrap_err();
    assert_eq!(refused.to_string(), "policy.nat: means nothing on this side");
    assert!(store.model().await.unwrap().egress_trunks[0].policy.is_empty(), "nothing of it was kept");
}

/// RFC 2617 §3.5 names the user, the realm and the password of this hash.
const MUFASA: (&str, &str, &str, &str) =
    ("Mufasa", "testrealm@host.com", "Circle Of Life", "939e7578ed9e3c518a452acee763bce9");

fn told(password: &str) -> Option<Digest> {
    let (user, realm, ..) = MUFASA;
    Some(Digest { user: user.into(), realm: realm.into(), password: password.into(), ..Digest::default() })
}

async fn a_password_is_hashed_and_kept_nowhere(store: Store) {
    let w = world(&store).await;
    let (.., password, hash) = MUFASA;
    let kept = put::<IngressTrunkDraft>(&store, w.ingress, |draft| draft.policy.digest = told(password)).await.unwrap();
    let digest = kept.policy.digest.clone().unwrap();
    assert_eq!((digest.password.as_str(), digest.ha1_md5.as_str(), digest.ha1_sha256.len()), ("", hash, 64));
    assert_eq!(store.model().await.unwrap().ingress_trunks[0].policy, kept.policy, "the data plane needs the hashes");
    let shown = store::without_secrets(&kept.policy);
    assert_eq!(shown.to_text(), r#"{"digest":{"user":"Mufasa","realm":"testrealm@host.com"}}"#);
}

async fn a_private_key_is_reduced_to_its_number_and_never_shown(store: Store) {
    const NUMBER: &str = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
    let w = world(&store).await;
    let set = async |private_key: &str| {
        let signer =
            Signer { certificate: "https://a.example/b".into(), private_key: private_key.into(), ..Signer::default() };
        let stir = Stir { sign: StirSign::Always, signer: Some(signer), ..Stir::default() };
        put::<EgressTrunkDraft>(&store, w.egress, |draft| draft.policy.stir = stir.clone()).await
    };
    let why = async |private_key: &str| set(private_key).await.unwrap_err().to_string();
    assert_eq!(why("").await, "policy.stir.signer.private_key: is missing");
    assert_eq!(why("hush").await, "policy.stir.signer.private_key: is no private key of the curve P-256 in PEM");
    let in_a_line = PKCS8.replace('\n', " ");
    for pem in [PKCS8, SEC1, in_a_line.as_str()] {
        let kept = set(pem).await.unwrap().policy;
        let signer = kept.stir.signer.clone().unwrap();
        assert_eq!((signer.private_number.as_str(), signer.private_key.as_str()), (NUMBER, ""));
        assert_eq!(store.model().await.unwrap().egress_trunks[0].policy, kept, "the data plane needs the number");
        let shown = r#"{"stir":{"sign":"always","signer":{"certificate":"https://a.example/b"}}}"#;
        assert_eq!(store::without_secrets(&kept).to_text(), shown);
        assert_eq!(set("").await.unwrap().policy, kept, "without a key the one before stays");
    }
}

/// The key of RFC 6979 §A.2.5, as OpenSSL writes it.
const PKCS8: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgya+p2EW6dRZrXCFX
Z7HWk05Qw9s26JsSe4piKxIPZyGhRANCAARg/tS6JVqdMclh63TGNW1owEm4kjth
+mzmaWIuYPKftnkD/hAIuLyZpBrp6VYovGTy8bIMLX6fUXejwpTURiKZ
-----END PRIVATE KEY-----
";
const SEC1: &str = "-----BEGIN EC PARAMETERS-----
BggqhkjOPQMBBw==
-----END EC PARAMETERS-----
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIMmvqdhFunUWa1whV2ex1pNOUMPbNuibEnuKYisSD2choAoGCCqGSM49
AwEHoUQDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Z5A/4QCLi8
maQa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ==
-----END EC PRIVATE KEY-----
";

async fn a_change_without_a_password_keeps_the_hashes(store: Store) {
    let w = world(&store).await;
    let set = async |digest: Option<Digest>| {
        put::<IngressTrunkDraft>(&store, w.ingress, |draft| draft.policy.digest = digest).await
    };
    let refused = set(told("")).await.unwrap_err();
    assert_eq!(refused.to_string(), "policy.digest.password: is missing");
    let refused = set(told(&"x".repeat(129))).await.unwrap_err();
    assert!(refused.to_string().starts_with("policy.digest.password: must have"), "{refused}");
    let first = set(told("Circle Of Life")).await.unwrap();
    assert_eq!(set(told("")).await.unwrap(), first);
    assert_ne!(set(told("Circle of Life")).await.unwrap(), first);
    let other = told("").map(|digest| Digest { realm: "else".into(), ..digest });
    let refused = set(other).await.unwrap_err();
    assert_eq!(refused.to_string(), "policy.digest.password: is needed again when user or realm change");
    let hashes = told("").map(|digest| Digest { ha1_md5: "0a".repeat(16), ha1_sha256: "0b".repeat(32), ..digest });
    assert_eq!(set(hashes.clone()).await.unwrap().policy.digest, hashes, "hashes of another switch are taken");
    assert_eq!(set(None).await.unwrap().policy, Policy::default());
}
