//! `tandem webhooks`: who is told of what happens, what became of it, and telling it again; `tandem alarms`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;
use store::{AlarmRow, Delivery, Store, StoreError, Webhook};
use web::value::WebhookRef;

use super::{ListForm, Listing, Place, moment};

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Webhooks with where they are posted to and of what they are told.
    #[command(alias = "ls")]
    List(Listing),
    /// What one was told and is to be told, newest first.
    Deliveries {
        /// Its name or id.
        webhook: String,
        /// Rows at most.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        limit: u32,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        form: ListForm,
    },
    /// Tells it again, under the same id.
    Replay {
        /// Its name or id.
        webhook: String,
        /// What, as `deliveries` shows it.
        event: String,
        #[command(flatten)]
        place: Place,
    },
}

/// `tandem alarms`.
#[derive(Debug, Args)]
pub struct Alarms {
    /// Those that are over too.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    form: ListForm,
}

pub async fn run(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::List(Listing { place, form }) => {
            let hooks = place.store().await?.webhooks().await?;
            let rows: Vec<_> = hooks.iter().map(cells).collect();
            let head = ["webhook", "name", "state", "of what", "posted to"];
            form.show(&head, &rows, || hooks.iter().map(object).collect::<Vec<_>>())?;
        }
        Verb::Deliveries { webhook, limit, place, form } => {
            let store = place.store().await?;
            let told = store.deliveries(find(&store, &webhook).await?, None, limit).await?;
            let rows: Vec<_> = told.iter().map(told_cells).collect();
            let head = ["at", "what", "state", "next try", "problem", "event"];
            form.show(&head, &rows, || told.iter().map(told_object).collect::<Vec<_>>())?;
        }
        Verb::Replay { webhook, event, place } => {
            let store = place.store().await?;
            store.replay_delivery(find(&store, &webhook).await?, &event).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What nodes said that somebody should look at, newest first.
pub async fn alarms(ask: Alarms) -> Result<ExitCode> {
    let found = ask.place.store().await?.alarms(!ask.all, 1_000).await?;
    let cells = |row: &AlarmRow| {
        let over = row.cleared.map_or_else(|| "stands".to_owned(), moment);
        let alarm = row.alarm.clone();
        vec![moment(row.raised), over, row.node.0.to_string(), alarm.level, alarm.name, alarm.what, alarm.mend]
    };
    let object = |row: &AlarmRow| {
        let alarm = &row.alarm;
        json!({ "id": row.id, "node": row.node.0, "name": alarm.name, "level": alarm.level, "what": alarm.what,
            "mend": alarm.mend, "raised_at": moment(row.raised), "cleared_at": row.cleared.map(moment) })
    };
    let rows: Vec<_> = found.iter().map(cells).collect();
    let head = ["raised", "over", "node", "level", "name", "what", "what to do"];
    ask.form.show(&head, &rows, || found.iter().map(object).collect::<Vec<_>>())?;
    Ok(ExitCode::SUCCESS)
}

async fn find(store: &Store, wanted: &str) -> Result<u32> {
    let all = store.webhooks().await?;
    let is = |hook: &&Webhook| hook.draft.name == wanted || WebhookRef(hook.id).to_string() == wanted;
    let missing = || StoreError::NotFound { what: "webhook", key: wanted.to_owned() };
    Ok(all.iter().find(is).ok_or_else(missing)?.id)
}

fn state(hook: &Webhook) -> String {
    match (hook.draft.active, hook.stopped.as_str()) {
        (true, _) => "told".to_owned(),
        (false, "") => "off".to_owned(),
        (false, why) => format!("stopped: {why}"),
    }
}

fn cells(hook: &Webhook) -> Vec<String> {
    let id = WebhookRef(hook.id).to_string();
    vec![id, hook.draft.name.clone(), state(hook), hook.draft.events.clone(), hook.draft.url.clone()]
}

fn object(hook: &Webhook) -> serde_json::Value {
    let events: Vec<&str> = hook.draft.events.split_whitespace().collect();
    json!({ "id": WebhookRef(hook.id).to_string(), "name": hook.draft.name, "url": hook.draft.url, "events": events,
        "active": hook.draft.active, "stopped": hook.stopped })
}

fn told_state(told: &Delivery) -> &'static str {
    match (told.done, told.tries) {
        (true, _) => "done",
        (false, Some(_)) => "waiting",
        (false, None) => "given_up",
    }
}

fn told_cells(told: &Delivery) -> Vec<String> {
    let due = told.due.map_or_else(|| "-".to_owned(), moment);
    let event = &told.event;
    vec![moment(event.at), event.kind.clone(), told_state(told).to_owned(), due, told.problem.clone(), event.id.clone()]
}

fn told_object(told: &Delivery) -> serde_json::Value {
    let data: serde_json::Value = serde_json::from_str(&told.event.body).unwrap_or_default();
    json!({ "event": told.event.id, "kind": told.event.kind, "at": moment(told.event.at), "data": data,
        "state": told_state(told), "due_at": told.due.map(moment), "problem": told.problem })
}
