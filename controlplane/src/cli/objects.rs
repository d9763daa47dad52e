//! `tandem carriers|trunks|plans|deck list`: what stands in the configuration. `tandem apply`, the API and the pages change it.

use std::collections::HashMap;
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};
use snapshot::Source;
use store::{CarrierDraft, DeckDraft, EgressTrunkDraft, IngressTrunkDraft, Object, PlanDraft, Store};
use web::api::plans::Order;
use web::value::{CarrierRef, DeckRef, EgressTrunkRef, IngressTrunkRef, PlanRef};

use super::{ListForm, Listing, moment};

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Lists them in order of id.
    #[command(alias = "ls")]
    List(Listing),
}

/// Columns and rows; the same names stand in JSON.
struct Listed {
    head: &'static [&'static str],
    rows: Vec<Vec<Value>>,
}

pub async fn carriers(Verb::List(Listing { place, form }): Verb) -> Result<ExitCode> {
    let found = place.store().await?.all::<CarrierDraft>().await?;
    let rows = found.iter().map(|it| vec![json!(CarrierRef(it.id)), json!(it.code), json!(it.name), json!(it.blocked)]);
    Listed { head: &["id", "code", "name", "blocked"], rows: rows.collect() }.show(form)
}

pub async fn trunks(Verb::List(Listing { place, form }): Verb) -> Result<ExitCode> {
    let store = place.store().await?;
    let (carriers, plans) = (codes::<CarrierDraft>(&store).await?, codes::<PlanDraft>(&store).await?);
    let limit = |limit: u32| if limit == 0 { Value::Null } else { json!(limit) };
    let head = &["id", "code", "side", "carrier", "active", "addresses", "plan", "capacity", "cps"];
    let mut rows = Vec::new();
    for it in store.all::<IngressTrunkDraft>().await? {
        let sources: Vec<String> = it.sources.iter().map(source).collect();
        let (carrier, plan) = (json!(carriers.get(&it.carrier.0)), json!(plans.get(&it.plan.0)));
        let (id, code, active) = (json!(IngressTrunkRef(it.id)), json!(it.code), json!(it.active));
        let limits = [limit(it.capacity), limit(it.cps)];
        rows.push(
            [id, code, json!("ingress"), carrier, active, json!(sources), plan].into_iter().chain(limits).collect(),
        );
    }
    for it in store.all::<EgressTrunkDraft>().await? {
        let host = if it.policy.host.is_empty() { it.address.to_string() } else { it.policy.host.clone() };
        let (id, code, active) = (json!(EgressTrunkRef(it.id)), json!(it.code), json!(it.active));
        let (carrier, limits) = (json!(carriers.get(&it.carrier.0)), [limit(it.capacity), limit(it.cps)]);
        let row = [id, code, json!("egress"), carrier, active, json!([host]), Value::Null];
        rows.push(row.into_iter().chain(limits).collect());
    }
    Listed { head, rows }.show(form)
}

pub async fn plans(Verb::List(Listing { place, form }): Verb) -> Result<ExitCode> {
    let store = place.store().await?;
    let codes = codes::<PlanDraft>(&store).await?;
    let mut rows = Vec::new();
    for it in store.all::<PlanDraft>().await? {
        let failover = it.failover.and_then(|plan| codes.get(&plan.0));
        let (id, margin) = (json!(PlanRef(it.id)), json!(it.margin_min.to_string()));
        rows.push(vec![
            id,
            json!(it.code),
            json!(Order::from(it.order)),
            margin,
            json!(it.routes.len()),
            json!(failover),
        ]);
    }
    Listed { head: &["id", "code", "order", "margin_min", "routes", "failover"], rows }.show(form)
}

pub async fn decks(Listing { place, form }: Listing) -> Result<ExitCode> {
    let mut rows = Vec::new();
    for it in place.store().await?.all::<DeckDraft>().await? {
        let (id, currency, facts) = (json!(DeckRef(it.id)), json!(it.currency.code()), it.facts);
        let revision = json!(facts.rates_version);
        let derived = json!(it.derived.is_some());
        let updated = json!(moment(it.updated));
        rows.push(vec![id, json!(it.code), json!(it.name), currency, json!(facts.rates), derived, revision, updated]);
    }
    let head = &["id", "code", "name", "currency", "rates", "derived", "revision", "updated_at"];
    Listed { head, rows }.show(form)
}

async fn codes<D: Object>(store: &Store) -> Result<HashMap<u32, String>> {
    Ok(store.all::<D>().await?.iter().map(|it| (it.id, it.draft.code().to_owned())).collect())
}

/// Where calls may come from: `10.0.0.0/24`, with the port where only one counts.
fn source(source: &Source) -> String {
    let network = format!("{}/{}", source.network, source.bits);
    if source.port == 0 { network } else { format!("{network} port {}", source.port) }
}

impl Listed {
    fn show(&self, form: ListForm) -> Result<ExitCode> {
        let cells = |row: &Vec<Value>| row.iter().map(cell).collect();
        let object = |row: &Vec<Value>| {
            let fields = self.head.iter().zip(row).map(|(name, value)| ((*name).to_owned(), value.clone()));
            Value::Object(fields.collect())
        };
        form.show(self.head, &self.rows.iter().map(cells).collect::<Vec<Vec<String>>>(), || {
            self.rows.iter().map(object).collect::<Vec<_>>()
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A value as a column has it.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(cell).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
