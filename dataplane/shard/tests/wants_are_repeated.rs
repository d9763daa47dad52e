//! What the ledger has not answered is said again.

use panel::wire::{Reply, Want};
use shard::wants::{PATIENCE_NANOS, Wants};

#[test]
fn a_want_is_repeated_until_its_own_reply_comes() {
    let mut wants = Wants::default();
    let grant = "01".to_owned();
    let want = Want::Grant { grant: grant.clone(), account: 7, want: 100, slice: 0 };
    wants.add(1, want.clone(), 1);
    assert_eq!(wants.due(1_000), []);
    assert_eq!(wants.due(PATIENCE_NANOS + 1), core::slice::from_ref(&want));
    assert_eq!(wants.due(0), [want], "who connects hears everything");
    assert_eq!(wants.shard_for(&Reply::Closed { grant: grant.clone() }), None);
    let reply = Reply::Granted { grant, account: 7, amount: 0, cause: 0 };
    assert_eq!(wants.shard_for(&reply), Some(1));
    wants.settle(&reply);
    assert_eq!(wants.due(0), []);
}
