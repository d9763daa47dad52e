//! Tells the data plane that its node was written off: what it holds is void, and it may use nothing more until somebody admits it again.

use std::time::Duration;

use panel::wire::{Answer, Ask};
use store::{Fence, Store};
use units::NodeId;

use crate::link::Link;

/// How often the database is asked.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Begins to tell, for as long as the program runs. A data plane hears of it with each connection, and when it changes.
pub fn watch(store: Store, link: Link, node: NodeId) {
    tokio::spawn(async move {
        let mut connections = link.connections();
        let mut told: Option<(u64, Fence)> = None;
        loop {
            let connection = *connections.borrow_and_update();
            if link.is_up()
                && let Ok(Some(fence)) = store.node_fence(node).await
                && told != Some((connection, fence))
                && let Ok(Answer::Done) = link.ask(Ask::Fence { boot: fence.boot, barred: fence.barred }).await
            {
                told = Some((connection, fence));
            }
            // A connection that is made is no reason to wait.
            if let Ok(Err(_)) = tokio::time::timeout(LOOK_EVERY, connections.changed()).await {
                return;
            }
        }
    });
}
