//! An operator who upgrades one node after the other sees which is which.

use cluster::{Sight, mixed, version};
use units::NodeId;

fn sight(entries: &[(&str, &str)]) -> Sight {
    Sight::read(entries.iter().map(|(key, value)| (*key, value.as_bytes())))
}

#[test]
fn one_version_is_said_once_and_several_by_program() {
    let sight = sight(&[
        ("/tandem/node/1", r#"{"number":1,"version":"1.2.0"}"#),
        ("/tandem/control/1", r#"{"node":1,"version":"1.2.0"}"#),
        ("/tandem/keeper/1", r#"{"node":1,"version":"1.2.0"}"#),
        ("/tandem/node/2", r#"{"number":2,"version":"1.2.0"}"#),
        ("/tandem/control/2", r#"{"node":2,"version":"1.3.0"}"#),
        // A program from before versions were told.
        ("/tandem/node/3", r#"{"number":3}"#),
    ]);
    let told = [1, 2, 3].map(|node| version(&sight, NodeId(node)));
    assert_eq!(told, ["1.2.0", "data plane 1.2.0, control plane 1.3.0", ""]);
    assert_eq!(mixed(&sight).as_deref(), Some("nodes run different versions: 1.2.0 on 1, 2; 1.3.0 on 2"));
}

#[test]
fn nothing_is_said_where_all_run_the_same() {
    let same = sight(&[
        ("/tandem/node/1", r#"{"number":1,"version":"1.2.0"}"#),
        ("/tandem/keeper/4", r#"{"node":4,"version":"1.2.0"}"#),
    ]);
    assert_eq!(mixed(&same), None);
    assert_eq!(mixed(&Sight::default()), None);
}
