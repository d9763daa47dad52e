//! API keys: how programs come in.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use store::ApiKeyDraft;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, Networks, Scope, Secret, hash, rights};
use crate::extract::{Body, Key};
use crate::page::List;
use crate::problem::{Answered, Problem};
use crate::services::App;
use crate::value::{KeyRef, Time};

/// An API key, without its secret.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ApiKey {
    /// The id.
    pub id: KeyRef,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When made.
    pub created_at: Time,
    /// When it ends; absent for never.
    pub expires_at: Option<Time>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Time>,
    /// Where requests with it may come from: addresses and networks. Empty for anywhere.
    #[schema(example = json!(["192.0.2.7", "2001:db8::/32"]))]
    pub networks: Vec<String>,
}

/// An API key to be made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyNew {
    /// What it is for, unique.
    #[schema(min_length = 1, max_length = 64)]
    pub name: String,
    /// What it may do; no more than its maker may.
    #[schema(min_items = 1)]
    pub scopes: Vec<Scope>,
    /// When it ends; never when absent.
    pub expires_at: Option<Time>,
    /// Where requests with it may come from: up to 32 addresses and networks. Anywhere when empty or absent.
    #[serde(default)]
    #[schema(max_items = 32, example = json!(["192.0.2.7", "2001:db8::/32"]))]
    pub networks: Vec<String>,
}

/// Where a key's requests may come from.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyNetworks {
    /// Up to 32 addresses and networks; empty for anywhere.
    #[schema(max_items = 32, example = json!(["192.0.2.7", "2001:db8::/32"]))]
    pub networks: Vec<String>,
}

/// A new API key with its secret, which is shown this once.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ApiKeyMade {
    /// The key.
    pub key: ApiKey,
    /// Send it as `authorization: Bearer …`. It is stored only as a hash.
    pub secret: String,
}

/// The paths of keys.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(keys, create_key)).routes(routes!(delete_key)).routes(routes!(set_networks))
}

/// Lists the API keys, without their secrets.
#[utoipa::path(get, path = "/api/v1/api-keys", tag = "access",
    responses((status = 200, description = "All that have not been taken back.", body = List<ApiKey>)))]
async fn keys(_caller: May<rights::Admin>, State(app): State<App>) -> Answered<Json<List<ApiKey>>> {
    let keys = app.store.api_keys().await?;
    Ok(Json(List::whole(keys.iter().filter(|key| key.revoked.is_none()).map(ApiKey::show).collect())))
}

/// Makes an API key. Its secret is shown this once.
#[utoipa::path(post, path = "/api/v1/api-keys", tag = "access", request_body = ApiKeyNew,
    responses((status = 201, description = "The key and its secret.", body = ApiKeyMade)))]
async fn create_key(
    caller: May<rights::Admin>,
    State(app): State<App>,
    Body(new): Body<ApiKeyNew>,
) -> Answered<(StatusCode, Json<ApiKeyMade>)> {
    if new.scopes.is_empty() {
        return Err(Problem::invalid("/scopes", "a key without scopes may do nothing"));
    }
    if new.expires_at.is_some_and(|ends| ends <= Time::now()) {
        return Err(Problem::invalid("/expires_at", "this moment has passed"));
    }
    let secret = format!("tdm_{}", Secret::draw().text());
    let scopes: Vec<&str> = new.scopes.iter().map(|scope| scope.as_str()).collect();
    let draft = ApiKeyDraft {
        name: new.name,
        secret_hash: hash(&secret),
        scopes: scopes.join(" "),
        created_by: caller.user(),
        expires: new.expires_at.map(|ends| ends.0),
        networks: listed(&new.networks)?.to_string(),
    };
    let key = ApiKey::show(&app.store.create_api_key(&draft).await?);
    app.store.audit(&caller.entry("create", key.id, None, Some(&key))).await?;
    Ok((StatusCode::CREATED, Json(ApiKeyMade { key, secret })))
}

/// Takes an API key back, for good.
#[utoipa::path(delete, path = "/api/v1/api-keys/{id}", tag = "access", params(("id" = KeyRef, Path)),
    responses((status = 204, description = "It opens nothing any more.")))]
async fn delete_key(caller: May<rights::Admin>, State(app): State<App>, Key(id): Key<KeyRef>) -> Answered<StatusCode> {
    app.store.revoke_api_key(id.0).await?;
    app.remembered.forget();
    app.store.audit(&caller.act("delete", id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Says where a key's requests may come from, from now on.
#[utoipa::path(put, path = "/api/v1/api-keys/{id}/networks", tag = "access", params(("id" = KeyRef, Path)),
    request_body = ApiKeyNetworks,
    responses((status = 200, description = "The key. Other nodes have looked it up again within five seconds.", body = ApiKey)))]
async fn set_networks(
    caller: May<rights::Admin>,
    State(app): State<App>,
    Key(id): Key<KeyRef>,
    Body(new): Body<ApiKeyNetworks>,
) -> Answered<Json<ApiKey>> {
    let networks = listed(&new.networks)?;
    let before = ApiKey::show(&app.store.api_key(id.0).await?);
    app.store.set_api_key_networks(id.0, &networks.to_string()).await?;
    app.remembered.forget();
    let after = ApiKey::show(&app.store.api_key(id.0).await?);
    app.store.audit(&caller.entry("update", id, Some(&before), Some(&after))).await?;
    Ok(Json(after))
}

fn listed(texts: &[String]) -> Answered<Networks> {
    Networks::read(texts).map_err(|(place, why)| Problem::invalid(format!("/networks/{place}"), why))
}

impl ApiKey {
    fn show(key: &store::ApiKey) -> ApiKey {
        ApiKey {
            id: KeyRef(key.id),
            name: key.draft.name.clone(),
            scopes: key.draft.scopes.split_whitespace().filter_map(Scope::parse).collect(),
            created_at: Time(key.created),
            expires_at: key.draft.expires.map(Time),
            last_used_at: key.last_used.map(Time),
            networks: Networks::stored(&key.draft.networks).texts(),
        }
    }
}
