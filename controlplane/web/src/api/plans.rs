//! Routing plans.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use snapshot::{PlanRules, Policy, RouteRules};
use utoipa::ToSchema;

use store::{PlanDraft, Stored};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, rights};
use crate::extract::{Body, Key, Patch, Query};
use crate::names::Names;
use crate::object::{self, Shown, Tagged, set};
use crate::page::{List, Page};
use crate::problem::{Answered, Problem};
use crate::services::App;
use crate::value::{Amount, EgressTrunkRef, Named, PlanRef, Time, TrunkGroupRef};

/// In what order a plan's routes are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Cheapest buy rate first.
    #[default]
    Lcr,
    /// Higher priority first, then cheapest.
    Priority,
    /// Lower weight first, then cheapest.
    Weight,
    /// A share of calls to each in per cent.
    Percent,
    /// Higher quality index first, then cheapest.
    Quality,
}

/// One route of a plan: to a trunk, or to a group of them.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PlanRoute {
    /// The trunk; absent where the route leads to a group.
    pub egress_trunk: Option<Named<EgressTrunkRef>>,
    /// The group whose members are tried one after the other; absent where the route leads to a trunk.
    pub trunk_group: Option<Named<TrunkGroupRef>>,
    /// Higher first.
    pub priority: i16,
    /// Lower first.
    pub weight: u16,
    /// Share in per cent, 0 to 100.
    pub percent: u8,
    /// When the route may be tried, and what follows from it; what is at its default is left out.
    pub rules: RouteRules,
}

/// One route of a plan to be made or changed. It leads either to a trunk or to a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanRouteNew {
    /// The trunk.
    pub egress_trunk: Option<EgressTrunkRef>,
    /// The group of trunks.
    pub trunk_group: Option<TrunkGroupRef>,
    /// Higher first.
    #[serde(default)]
    #[schema(minimum = -32768, maximum = 32767)]
    pub priority: i16,
    /// Lower first.
    #[serde(default)]
    #[schema(maximum = 65535)]
    pub weight: u16,
    /// Share in per cent, 0 to 100.
    #[serde(default)]
    #[schema(maximum = 100)]
    pub percent: u8,
    /// When the route may be tried, and what follows from it.
    #[serde(default)]
    pub rules: RouteRules,
}

/// Which egress trunks may serve an ingress trunk, in what order.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// Its id.
    pub id: PlanRef,
    /// The short name that operators use, unique.
    pub code: String,
    /// The order of routes.
    pub order: Order,
    /// Sell minus buy price of a minute must be at least this; negative allows a loss.
    pub margin_min: Amount,
    /// Routes tried for one call at most; 1 to 16.
    pub attempts_max: u8,
    /// Whole seconds from INVITE to answer over all attempts; 0 for the default of 180.
    pub setup_timeout_s: u16,
    /// The routes.
    pub routes: Vec<PlanRoute>,
    /// The plan whose routes are tried when none of this one is left; absent for none.
    pub failover: Option<Named<PlanRef>>,
    /// How it chooses, beyond the order; what is at its default is left out.
    pub rules: PlanRules,
    /// How signalling goes with whoever is tried; what is at its default is left out.
    pub policy: Policy,
    /// When it was last changed.
    pub updated_at: Time,
}

/// A plan to be made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanNew {
    /// The short name, unique.
    #[schema(min_length = 1, max_length = 64, pattern = "^[0-9A-Za-z_-][0-9A-Za-z._-]*$")]
    pub code: String,
    /// The order of routes; default least cost.
    #[serde(default)]
    pub order: Order,
    /// Sell minus buy price of a minute must be at least this; default 0.
    #[serde(default)]
    pub margin_min: Amount,
    /// Routes tried for one call at most; 1 to 16, default 4.
    #[schema(minimum = 1, maximum = 16)]
    pub attempts_max: Option<u8>,
    /// Whole seconds from INVITE to answer over all attempts; 0 for the default.
    #[serde(default)]
    #[schema(maximum = 65535)]
    pub setup_timeout_s: u16,
    /// The routes.
    #[serde(default)]
    pub routes: Vec<PlanRouteNew>,
    /// The plan whose routes are tried when none of this one is left; three plans at most in a row.
    pub failover: Option<PlanRef>,
    /// How it chooses, beyond the order.
    #[serde(default)]
    pub rules: PlanRules,
    /// How signalling goes with whoever is tried.
    #[serde(default)]
    pub policy: Policy,
}

/// Changes of a plan; absent fields stay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanPatch {
    /// The short name.
    #[schema(min_length = 1, max_length = 64, pattern = "^[0-9A-Za-z_-][0-9A-Za-z._-]*$")]
    pub code: Option<String>,
    /// The order of routes.
    pub order: Option<Order>,
    /// Sell minus buy price of a minute must be at least this.
    pub margin_min: Option<Amount>,
    /// Routes tried for one call at most; 1 to 16.
    #[schema(minimum = 1, maximum = 16)]
    pub attempts_max: Option<u8>,
    /// Whole seconds from INVITE to answer over all attempts.
    #[schema(maximum = 65535)]
    pub setup_timeout_s: Option<u16>,
    /// The routes; replaces all.
    pub routes: Option<Vec<PlanRouteNew>>,
    /// The plan whose routes are tried when none of this one is left; null for none.
    #[serde(default, deserialize_with = "crate::extract::given")]
    #[schema(value_type = Option<PlanRef>)]
    pub failover: Option<Option<PlanRef>>,
    /// How it chooses, beyond the order; replaces all of it.
    pub rules: Option<PlanRules>,
    /// How signalling goes with whoever is tried; replaces all of it.
    pub policy: Option<Policy>,
}

/// The paths of routing plans.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(read, update, delete))
}

/// Lists routing plans in order of id.
#[utoipa::path(get, path = "/api/v1/plans", tag = "plans", params(Page),
    responses((status = 200, description = "A part of the list.", body = List<Plan>)))]
async fn list(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Query(page): Query<Page>,
) -> Answered<Json<List<Plan>>> {
    object::list(&app, &page, None).await
}

/// Reads one routing plan.
#[utoipa::path(get, path = "/api/v1/plans/{id}", tag = "plans", params(("id" = PlanRef, Path)),
    responses((status = 200, description = "It, with its ETag.", body = Plan)))]
async fn read(_caller: May<rights::Read>, State(app): State<App>, Key(id): Key<PlanRef>) -> Answered<Tagged<Plan>> {
    object::read(&app, id.0).await
}

/// Makes a routing plan.
#[utoipa::path(post, path = "/api/v1/plans", tag = "plans", request_body = PlanNew,
    responses((status = 201, description = "It, with its ETag.", body = Plan)))]
async fn create(
    caller: May<rights::Write>,
    State(app): State<App>,
    Body(new): Body<PlanNew>,
) -> Answered<Tagged<Plan>> {
    object::create(&app, &caller, new.draft()?).await
}

/// Changes a routing plan.
#[utoipa::path(patch, path = "/api/v1/plans/{id}", tag = "plans", request_body = PlanPatch,
    params(("id" = PlanRef, Path), ("if-match" = String, Header, description = "The ETag that was read.")),
    responses((status = 200, description = "It as it stands then.", body = Plan)))]
async fn update(
    caller: May<rights::Write>,
    State(app): State<App>,
    Key(id): Key<PlanRef>,
    headers: HeaderMap,
    Patch(patch): Patch<PlanPatch>,
) -> Answered<Tagged<Plan>> {
    object::update(&app, &caller, id.0, &headers, |draft| patch.patch(draft)).await
}

/// Deletes a routing plan that nothing refers to.
#[utoipa::path(delete, path = "/api/v1/plans/{id}", tag = "plans",
    params(("id" = PlanRef, Path), ("if-match" = String, Header, description = "The ETag that was read.")),
    responses((status = 204, description = "Gone.")))]
async fn delete(
    caller: May<rights::Write>,
    State(app): State<App>,
    Key(id): Key<PlanRef>,
    headers: HeaderMap,
) -> Answered<StatusCode> {
    object::delete::<Plan>(&app, &caller, id.0, &headers).await
}

impl Shown for Plan {
    type Draft = PlanDraft;

    fn show(stored: &Stored<PlanDraft>, names: &Names) -> Plan {
        let route = |route: &snapshot::PlanRoute| PlanRoute {
            egress_trunk: route.group.is_none().then(|| names.egress_trunk(route.egress_trunk.0)),
            trunk_group: route.group.map(|group| names.trunk_group(group.0)),
            priority: route.priority,
            weight: route.weight,
            percent: route.percent,
            rules: route.rules.clone(),
        };
        Plan {
            id: PlanRef(stored.id),
            code: stored.code.clone(),
            order: stored.order.into(),
            margin_min: Amount(stored.margin_min),
            attempts_max: stored.attempts_max,
            setup_timeout_s: stored.setup_timeout_s,
            routes: stored.routes.iter().map(route).collect(),
            failover: stored.failover.map(|plan| names.plan(plan.0)),
            rules: stored.rules.clone(),
            policy: store::without_secrets(&stored.policy),
            updated_at: Time(stored.updated),
        }
    }

    fn key(id: u32) -> String {
        PlanRef(id).to_string()
    }
}

impl From<snapshot::Order> for Order {
    fn from(order: snapshot::Order) -> Order {
        match order {
            snapshot::Order::Lcr => Order::Lcr,
            snapshot::Order::Priority => Order::Priority,
            snapshot::Order::Weight => Order::Weight,
            snapshot::Order::Percent => Order::Percent,
            snapshot::Order::Quality => Order::Quality,
        }
    }
}

impl From<Order> for snapshot::Order {
    fn from(order: Order) -> snapshot::Order {
        match order {
            Order::Lcr => snapshot::Order::Lcr,
            Order::Priority => snapshot::Order::Priority,
            Order::Weight => snapshot::Order::Weight,
            Order::Percent => snapshot::Order::Percent,
            Order::Quality => snapshot::Order::Quality,
        }
    }
}

/// The routes of a request; each leads either to a trunk or to a group.
fn routes_of(given: Vec<PlanRouteNew>) -> Answered<Vec<snapshot::PlanRoute>> {
    let route = |(place, route): (usize, PlanRouteNew)| {
        let PlanRouteNew { egress_trunk, trunk_group, priority, weight, percent, rules } = route;
        if egress_trunk.is_some() == trunk_group.is_some() {
            return Err(Problem::invalid(format!("/routes/{place}"), "give either egress_trunk or trunk_group"));
        }
        Ok(snapshot::PlanRoute {
            egress_trunk: egress_trunk.unwrap_or_default().into(),
            group: trunk_group.map(Into::into),
            priority,
            weight,
            percent,
            rules,
        })
    };
    given.into_iter().enumerate().map(route).collect()
}

impl PlanNew {
    fn draft(self) -> Answered<PlanDraft> {
        Ok(PlanDraft {
            code: self.code,
            order: self.order.into(),
            margin_min: self.margin_min.0,
            attempts_max: self.attempts_max.unwrap_or(4),
            setup_timeout_s: self.setup_timeout_s,
            routes: routes_of(self.routes)?,
            failover: self.failover.map(Into::into),
            rules: self.rules,
            policy: self.policy,
        })
    }
}

impl PlanPatch {
    fn patch(self, draft: &mut PlanDraft) -> Answered<()> {
        set(&mut draft.code, self.code);
        set(&mut draft.order, self.order.map(Into::into));
        set(&mut draft.margin_min, self.margin_min.map(|margin| margin.0));
        set(&mut draft.attempts_max, self.attempts_max);
        set(&mut draft.setup_timeout_s, self.setup_timeout_s);
        set(&mut draft.routes, self.routes.map(routes_of).transpose()?);
        set(&mut draft.failover, self.failover.map(|plan| plan.map(Into::into)));
        set(&mut draft.rules, self.rules);
        set(&mut draft.policy, self.policy);
        Ok(())
    }
}
