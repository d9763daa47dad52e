//! YAML files for `tandem apply` in stories, and what is said about them.

use std::collections::BTreeMap;

use store::Store;
use tandem_controlplane::apply::{ApplyError, Files, Input, Report, apply};

pub async fn run(store: &Store, yaml: &str) -> Result<Report, ApplyError> {
    let files = Files::Inline(BTreeMap::new());
    apply(store, &Input { name: "switch.yaml".into(), yaml: yaml.into(), files }, false, Some("user:anna")).await
}

/// Applies a file that has no mistake; each change in words.
pub async fn told(store: &Store, yaml: &str) -> Vec<String> {
    match run(store, yaml).await {
        Ok(report) => report.changes.iter().map(ToString::to_string).collect(),
        Err(error) => panic!("{error}"),
    }
}

/// Expects a mistake in a sample where `from` was replaced by `to`: in the first line that contains `line`, in this field, because of
/// `why`; and that nothing was changed.
pub async fn mistaken(store: &Store, sample: &str, [from, to, line, field, why]: [&str; 5]) {
    let yaml = sample.replacen(from, to, 1);
    assert_ne!(yaml, sample, "{from}");
    let Err(ApplyError::Mistakes(found)) = run(store, &yaml).await else { panic!("{to} was taken") };
    let wanted = yaml.lines().position(|text| text.contains(line)).unwrap() as u64 + 1;
    assert_eq!((found[0].line, found[0].field.as_str()), (wanted, field), "{}", found[0]);
    assert!(found[0].why.contains(why), "{}", found[0]);
    assert_eq!(store.changes().await.unwrap(), 0, "nothing was changed");
}
