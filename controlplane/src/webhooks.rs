//! Tells webhooks of what happened: at least once each, again and again for three days where nobody answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use store::{DueDelivery, Store};
use units::WallTime;

use crate::posts::{Posts, Room};

/// How often is looked what is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often what is old is forgotten, in looks.
const FORGET_EVERY: u64 = 3_600;

/// Begins to tell, for as long as the program runs.
pub fn start(store: Store, posts: Posts) {
    let teller = Arc::new(Teller { store, posts, room: Room::default() });
    tokio::spawn(async move {
        for look in 0_u64.. {
            if let Err(error) = Arc::clone(&teller).once(look % FORGET_EVERY == 0).await {
                tracing::debug!(%error, "what webhooks are to be told cannot be looked at");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
}

struct Teller {
    store: Store,
    posts: Posts,
    /// Tries under way, by address.
    room: Room,
}

impl Teller {
    async fn once(self: Arc<Self>, forgets: bool) -> store::Result<()> {
        if forgets {
            self.store.forget_events(WallTime::from_micros(jiff::Timestamp::now().as_microsecond())).await?;
        }
        let mut planned = self.room.plan();
        for due in self.store.take_due_deliveries(|url| planned.has_room(url)).await? {
            self.room.begin(&due.webhook.draft.url);
            let teller = Arc::clone(&self);
            tokio::spawn(async move { teller.tell(due).await });
        }
        Ok(())
    }

    async fn tell(&self, due: DueDelivery) {
        let (webhook, event, begun) = (&due.webhook.draft, &due.event, Instant::now());
        let told = self.posts.post(&webhook.url, &event.id, said(&due), Some(&due.secret)).await;
        self.room.end(&webhook.url);
        let (problem, gone) = told.map_or_else(|unposted| (Some(unposted.why), unposted.gone), |()| (None, false));
        if let Some(problem) = &problem {
            tracing::warn!(event = event.id, webhook = webhook.name, problem, gone, "a webhook could not be told");
        }
        if let Err(error) = self.store.delivery_tried(&due, begun.elapsed(), problem.as_deref(), gone).await {
            tracing::debug!(%error, event = event.id, "what became of a try could not be written; it is repeated");
        }
    }
}

/// What is posted: the same bytes at every try, since the id is the same too.
fn said(due: &DueDelivery) -> String {
    let at = jiff::Timestamp::from_microsecond(due.event.at.micros()).unwrap_or_default().to_string();
    let data: Value = serde_json::from_str(&due.event.body).unwrap_or_default();
    json!({ "type": due.event.kind, "timestamp": at, "data": data }).to_string()
}
