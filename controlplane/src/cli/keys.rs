//! `tandem keys`: how programs come in over the API, with what rights and from where.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;
use store::{ApiKey, ApiKeyDraft, AuditEntry, Store, StoreError};
use units::WallTime;
use web::auth::{Networks, Scope, Secret, hash};
use web::value::{KeyRef, Time};

use super::{Listing, Misused, Place, moment};

/// Microseconds of a day.
const DAY_US: i64 = 86_400_000_000;

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Keys with their scopes, where they may be used, when they were last used, and when they end.
    #[command(alias = "ls")]
    List(Listing),
    /// Makes a key and prints its secret, this once.
    Create(Create),
    /// Says where requests with a key may come from, from now on; without --from: anywhere. A running node knows within five seconds.
    Only {
        /// Its name or id.
        key: String,
        /// An address or a network, once for each.
        #[arg(long, value_name = "ADDR[/BITS]")]
        from: Vec<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Takes a key back, for good. A running node knows within five seconds.
    Delete {
        /// Its name or id.
        key: String,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Args)]
pub struct Create {
    /// What it is for.
    name: String,
    /// What it may do, once for each: read, cdr:read, write, rates:write, money:write, calls:release, calls:open, recordings, admin.
    #[arg(long, value_name = "SCOPE", required = true)]
    scope: Vec<String>,
    /// An address or a network that requests may come from, once for each; anywhere if not given.
    #[arg(long, value_name = "ADDR[/BITS]")]
    from: Vec<String>,
    /// Days until it ends; it does not end if not given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    days: Option<u16>,
    #[command(flatten)]
    pub(super) place: Place,
}

pub async fn run(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::List(Listing { place, form }) => {
            let keys = standing(&place.store().await?).await?;
            let head = ["key", "name", "scopes", "only from", "made", "last used", "ends"];
            let rows: Vec<_> = keys.iter().map(cells).collect();
            form.show(&head, &rows, || keys.iter().map(object).collect::<Vec<_>>())?;
        }
        Verb::Create(create) => self::create(create).await?,
        Verb::Only { key, from, place } => {
            let networks = networks(&from)?;
            let store = place.store().await?;
            let before = find(&store, &key).await?;
            store.set_api_key_networks(before.id, &networks.to_string()).await?;
            let after = store.api_key(before.id).await?;
            note(&store, "update", Some(&before), Some(&after)).await?;
        }
        Verb::Delete { key, place } => {
            let store = place.store().await?;
            let before = find(&store, &key).await?;
            store.revoke_api_key(before.id).await?;
            note(&store, "delete", Some(&before), None).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(create: Create) -> Result<()> {
    let parse = |text: &String| {
        let scope = Scope::parse(text).ok_or_else(|| Misused(format!("{text:?} is no scope; see --help")));
        scope.map(Scope::as_str)
    };
    let scopes = create.scope.iter().map(parse).collect::<Result<Vec<_>, Misused>>()?;
    let networks = networks(&create.from)?;
    let ends = |days: u16| WallTime::from_micros(Time::now().micros() + i64::from(days) * DAY_US);
    let secret = format!("tdm_{}", Secret::draw().text());
    let draft = ApiKeyDraft {
        name: create.name,
        secret_hash: hash(&secret),
        scopes: scopes.join(" "),
        // Nobody of those who log in: ids of users begin with 1.
        created_by: 0,
        expires: create.days.map(ends),
        networks: networks.to_string(),
    };
    let store = create.place.store().await?;
    let made = store.create_api_key(&draft).await?;
    note(&store, "create", None, Some(&made)).await?;
    say!("{secret}");
    Ok(())
}

fn networks(from: &[String]) -> Result<Networks> {
    Ok(Networks::read(from).map_err(|(_, why)| Misused(why))?)
}

/// The keys that were not taken back.
async fn standing(store: &Store) -> Result<Vec<ApiKey>> {
    Ok(store.api_keys().await?.into_iter().filter(|key| key.revoked.is_none()).collect())
}

async fn find(store: &Store, wanted: &str) -> Result<ApiKey> {
    let keys = standing(store).await?;
    let by_id = keys.iter().find(|key| KeyRef(key.id).to_string() == wanted);
    let mut by_name = keys.iter().filter(|key| key.draft.name == wanted);
    let (found, other) = (by_id.or_else(|| by_name.next()), by_name.next());
    if by_id.is_none() && other.is_some() {
        return Err(Misused(format!("several keys are called {wanted:?}: say the id")).into());
    }
    Ok(found.cloned().ok_or_else(|| StoreError::NotFound { what: "API key", key: wanted.to_owned() })?)
}

async fn note(store: &Store, action: &str, before: Option<&ApiKey>, after: Option<&ApiKey>) -> Result<()> {
    let text = |key: Option<&ApiKey>| key.map(|key| object(key).to_string()).unwrap_or_default();
    let id = before.or(after).map_or(0, |key| key.id);
    let entry = AuditEntry {
        actor: "tandem keys".to_owned(),
        action: action.to_owned(),
        object: KeyRef(id).to_string(),
        before: text(before),
        after: text(after),
        ..AuditEntry::default()
    };
    Ok(store.audit(&entry).await?)
}

fn cells(key: &ApiKey) -> Vec<String> {
    let from = if key.draft.networks.is_empty() { "anywhere" } else { &key.draft.networks };
    let at = |at: Option<WallTime>, otherwise: &str| at.map_or_else(|| otherwise.to_owned(), moment);
    vec![
        KeyRef(key.id).to_string(),
        key.draft.name.clone(),
        key.draft.scopes.clone(),
        from.to_owned(),
        moment(key.created),
        at(key.last_used, "-"),
        at(key.draft.expires, "never"),
    ]
}

fn object(key: &ApiKey) -> serde_json::Value {
    json!({
        "id": KeyRef(key.id).to_string(),
        "name": key.draft.name,
        "scopes": key.draft.scopes.split_whitespace().collect::<Vec<_>>(),
        "networks": key.draft.networks.split_whitespace().collect::<Vec<_>>(),
        "created_at": moment(key.created),
        "last_used_at": key.last_used.map(moment),
        "expires_at": key.draft.expires.map(moment),
    })
}
