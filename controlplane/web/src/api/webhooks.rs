//! Webhooks: who is told of what happens by a POST, and what became of it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use store::WebhookDraft;
use units::WallTime;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, Secret, rights};
use crate::extract::{Body, Key, Keys, Query};
use crate::page::{self, List};
use crate::problem::Answered;
use crate::services::App;
use crate::value::{Time, WebhookRef};

/// Who is told of events.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Webhook {
    /// The id.
    pub id: WebhookRef,
    /// What people call it.
    pub name: String,
    /// Where it is posted to.
    pub url: String,
    /// Of what: kinds of events, `alarm.*` for all of a noun, `*` for everything.
    #[schema(example = json!(["alarm.*", "account.low"]))]
    pub events: Vec<String>,
    /// It is told.
    pub active: bool,
    /// Why it is told nothing more, where the other server answered 410; empty otherwise.
    pub stopped: String,
    /// When made.
    pub created_at: Time,
}

/// A webhook as it is to be.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookNew {
    /// What people call it, unique.
    #[schema(min_length = 1, max_length = 64)]
    pub name: String,
    /// Where it is posted to; a private address only where the control plane's `--posts-to` names its network.
    #[schema(max_length = 400, example = "https://noc.example.net/tandem")]
    pub url: String,
    /// Of what: `alarm.raised`, `alarm.cleared`, `account.low`, `account.high`, `account.day_cap`, `account.month_cap`, `alarm.*`, `*`.
    #[schema(min_items = 1, example = json!(["alarm.*"]))]
    pub events: Vec<String>,
    /// It is told; default true.
    #[serde(default = "yes")]
    pub active: bool,
}

/// A webhook with what its POSTs are signed with.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct WebhookMade {
    /// The webhook.
    pub webhook: Webhook,
    /// `whsec_` and 32 bytes in base64, as Standard Webhooks wants it. It is shown this once.
    pub secret: String,
}

/// What a webhook was told, or is to be told.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// The event: the header `webhook-id`, the same at every try.
    pub event: String,
    /// What happened.
    #[schema(example = "alarm.raised")]
    pub kind: String,
    /// When it happened.
    pub at: Time,
    /// What is told of it.
    pub data: serde_json::Value,
    /// How far it is.
    pub state: DeliveryState,
    /// When it is tried next; absent if it is not.
    pub due_at: Option<Time>,
    /// Why the last try failed; empty if it did not.
    pub problem: String,
}

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is still to be told.
    Waiting,
    /// It was told.
    Done,
    /// Nobody took it for three days, or the other server wants to hear nothing more.
    GivenUp,
}

/// One try.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeliveryTry {
    /// Counts the tries from 1.
    pub number: u32,
    /// When it ended.
    pub at: Time,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Why it failed; empty if it did not.
    pub problem: String,
}

/// What was tried.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeliveryTries {
    /// The first one first, 1,000 at most.
    pub data: Vec<DeliveryTry>,
}

/// Which part of what a webhook was told.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DeliveriesAsk {
    /// Rows at most, 1 to 1,000; default 200.
    #[param(minimum = 1, maximum = 1000, default = 200)]
    pub limit: Option<u32>,
    /// Where the part before ended.
    #[param(min_length = 1)]
    pub cursor: Option<String>,
}

fn yes() -> bool {
    true
}

/// The paths of webhooks.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(change, delete))
        .routes(routes!(draw_secret))
        .routes(routes!(test))
        .routes(routes!(deliveries))
        .routes(routes!(tries))
        .routes(routes!(replay))
}

/// Lists webhooks, without their secrets.
#[utoipa::path(get, path = "/api/v1/webhooks", tag = "webhooks",
    responses((status = 200, description = "All of them.", body = List<Webhook>)))]
async fn list(_caller: May<rights::Admin>, State(app): State<App>) -> Answered<Json<List<Webhook>>> {
    Ok(Json(List::whole(app.store.webhooks().await?.iter().map(Webhook::show).collect())))
}

/// Makes a webhook. What its POSTs are signed with is shown this once.
#[utoipa::path(post, path = "/api/v1/webhooks", tag = "webhooks", request_body = WebhookNew,
    responses((status = 201, description = "The webhook and its secret.", body = WebhookMade)))]
async fn create(
    caller: May<rights::Admin>,
    State(app): State<App>,
    Body(new): Body<WebhookNew>,
) -> Answered<(StatusCode, Json<WebhookMade>)> {
    let secret = store::draw_secret();
    let webhook = Webhook::show(&app.store.create_webhook(&new.draft(), &secret).await?);
    app.store.audit(&caller.entry("create", webhook.id, None, Some(&webhook))).await?;
    Ok((StatusCode::CREATED, Json(WebhookMade { webhook, secret: store::secret_text(&secret) })))
}

/// Changes a webhook. One that was stopped goes on if it is active.
#[utoipa::path(put, path = "/api/v1/webhooks/{id}", tag = "webhooks", params(("id" = WebhookRef, Path)),
    request_body = WebhookNew, responses((status = 200, description = "The webhook.", body = Webhook)))]
async fn change(
    caller: May<rights::Admin>,
    State(app): State<App>,
    Key(id): Key<WebhookRef>,
    Body(new): Body<WebhookNew>,
) -> Answered<Json<Webhook>> {
    let before = Webhook::show(&app.store.webhook(id.0).await?);
    app.store.update_webhook(id.0, &new.draft()).await?;
    let after = Webhook::show(&app.store.webhook(id.0).await?);
    app.store.audit(&caller.entry("update", id, Some(&before), Some(&after))).await?;
    Ok(Json(after))
}

/// Removes a webhook, with what it was to be told.
#[utoipa::path(delete, path = "/api/v1/webhooks/{id}", tag = "webhooks", params(("id" = WebhookRef, Path)),
    responses((status = 204, description = "Gone.")))]
async fn delete(caller: May<rights::Admin>, State(app): State<App>, Key(id): Key<WebhookRef>) -> Answered<StatusCode> {
    let before = Webhook::show(&app.store.webhook(id.0).await?);
    app.store.delete_webhook(id.0).await?;
    app.store.audit(&caller.entry("delete", id, Some(&before), None)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Draws what its POSTs are signed with from now on; the secret before counts no more.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/secret", tag = "webhooks", params(("id" = WebhookRef, Path)),
    responses((status = 200, description = "The webhook and its secret, shown this once.", body = WebhookMade)))]
async fn draw_secret(
    caller: May<rights::Admin>,
    State(app): State<App>,
    Key(id): Key<WebhookRef>,
) -> Answered<Json<WebhookMade>> {
    let webhook = Webhook::show(&app.store.webhook(id.0).await?);
    let secret = store::draw_secret();
    app.store.set_webhook_secret(id.0, &secret).await?;
    app.store.audit(&caller.act("webhook_secret", id)).await?;
    Ok(Json(WebhookMade { webhook, secret: store::secret_text(&secret) }))
}

/// Tells a webhook `webhook.test`, whatever it wants to be told of.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/test", tag = "webhooks", params(("id" = WebhookRef, Path)),
    responses((status = 204, description = "It is on its way: see the deliveries.")))]
async fn test(caller: May<rights::Admin>, State(app): State<App>, Key(id): Key<WebhookRef>) -> Answered<StatusCode> {
    let at = Time::now().0;
    let body = serde_json::json!({ "webhook": id, "asked_by": caller.actor() }).to_string();
    let event = store::Event { id: format!("test:{}", &Secret::draw().text()[..16]), kind: TEST.to_owned(), at, body };
    app.store.tell_webhook(id.0, &event).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is told to try a webhook.
const TEST: &str = "webhook.test";

/// Lists what a webhook was told and is to be told, newest first. After 30 days it is forgotten.
#[utoipa::path(get, path = "/api/v1/webhooks/{id}/deliveries", tag = "webhooks",
    params(("id" = WebhookRef, Path), DeliveriesAsk),
    responses((status = 200, description = "A part of the list.", body = List<Delivery>)))]
async fn deliveries(
    _caller: May<rights::Admin>,
    State(app): State<App>,
    Key(id): Key<WebhookRef>,
    Query(ask): Query<DeliveriesAsk>,
) -> Answered<Json<List<Delivery>>> {
    let limit = page::limit(ask.limit)?;
    let inside = ask.cursor.as_deref().map(page::inside_of).transpose()?;
    let before = match &inside {
        None => None,
        Some(inside) => {
            let (at, event) = inside.split_first_chunk().ok_or_else(page::foreign_cursor)?;
            let event = std::str::from_utf8(event).map_err(|_| page::foreign_cursor())?;
            Some((WallTime::from_micros(i64::from_be_bytes(*at)), event))
        }
    };
    let found = app.store.deliveries(id.0, before, limit).await?;
    let full = found.len() == limit as usize;
    let next = found.last().filter(|_| full).map(|last| {
        let mut inside = last.event.at.micros().to_be_bytes().to_vec();
        inside.extend_from_slice(last.event.id.as_bytes());
        page::cursor_of(&inside)
    });
    Ok(Json(List::part(found.into_iter().map(Delivery::show).collect(), next)))
}

/// Lists every try of a delivery.
#[utoipa::path(get, path = "/api/v1/webhooks/{id}/deliveries/{event}/tries", tag = "webhooks",
    params(("id" = WebhookRef, Path), ("event" = String, Path)),
    responses((status = 200, description = "All of them.", body = DeliveryTries)))]
async fn tries(
    _caller: May<rights::Admin>,
    State(app): State<App>,
    Keys(id, event): Keys<WebhookRef, String>,
) -> Answered<Json<DeliveryTries>> {
    let show = |tried: store::DeliveryTry| {
        let store::DeliveryTry { number, at, took_ms, problem } = tried;
        DeliveryTry { number, at: Time(at), took_ms, problem }
    };
    Ok(Json(DeliveryTries { data: app.store.delivery_tries(id.0, &event).await?.into_iter().map(show).collect() }))
}

/// Tells it again, under the same id.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/deliveries/{event}/replay", tag = "webhooks",
    params(("id" = WebhookRef, Path), ("event" = String, Path)),
    responses((status = 204, description = "It is on its way.")))]
async fn replay(
    caller: May<rights::Admin>,
    State(app): State<App>,
    Keys(id, event): Keys<WebhookRef, String>,
) -> Answered<StatusCode> {
    app.store.replay_delivery(id.0, &event).await?;
    app.store.audit(&caller.act("replay", id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl WebhookNew {
    fn draft(self) -> WebhookDraft {
        let WebhookNew { name, url, events, active } = self;
        WebhookDraft { name, url: url.trim().to_owned(), events: events.join(" "), active }
    }
}

impl Webhook {
    fn show(webhook: &store::Webhook) -> Webhook {
        let WebhookDraft { name, url, events, active } = &webhook.draft;
        Webhook {
            id: WebhookRef(webhook.id),
            name: name.clone(),
            url: url.clone(),
            events: events.split_whitespace().map(str::to_owned).collect(),
            active: *active,
            stopped: webhook.stopped.clone(),
            created_at: Time(webhook.made),
        }
    }
}

impl Delivery {
    fn show(delivery: store::Delivery) -> Delivery {
        let state = match (delivery.done, delivery.tries) {
            (true, _) => DeliveryState::Done,
            (false, Some(_)) => DeliveryState::Waiting,
            (false, None) => DeliveryState::GivenUp,
        };
        Delivery {
            event: delivery.event.id,
            kind: delivery.event.kind,
            at: Time(delivery.event.at),
            data: serde_json::from_str(&delivery.event.body).unwrap_or_default(),
            state,
            due_at: delivery.due.map(Time),
            problem: delivery.problem,
        }
    }
}
