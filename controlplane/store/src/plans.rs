//! Routing plans: which egress trunks may serve an ingress trunk, in what order.

use std::collections::BTreeMap;

use rating::Choice;
use snapshot::{
    FAILOVER_PLANS_MAX, Order, PLAN_ROUTES_MAX, PlanRoute, PlanRules, Policy, PolicyFlaw, RouteRules, Side,
};
use units::{EgressTrunkId, Money, PlanId, TrunkGroupId, WallTime};

use crate::accounts::exists;
use crate::error::{Result, StoreError};
use crate::object::{Object, Stored};
use crate::policy;
use crate::sql::{Arg, Row, Tx, args};
use crate::zone;

/// Routes tried for one call at most.
const ATTEMPTS_MAX: u8 = 16;

/// What an operator writes about a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanDraft {
    /// The unique short name.
    pub code: String,
    /// The order of routes.
    pub order: Order,
    /// Sell minus buy price of a minute must be at least this; negative allows a loss.
    pub margin_min: Money,
    /// Routes tried for one call at most; 1 to 16.
    pub attempts_max: u8,
    /// Seconds from INVITE to answer over all attempts; 0 for the switch's default.
    pub setup_timeout_s: u16,
    /// The candidates.
    pub routes: Vec<PlanRoute>,
    /// The plan whose routes are tried when none of this one is left.
    pub failover: Option<PlanId>,
    /// How it chooses, beyond the order.
    pub rules: PlanRules,
    /// How signalling goes with whoever is tried.
    pub policy: Policy,
}

impl Default for PlanDraft {
    /// Without a code and routes: cheapest first, no loss, four attempts.
    fn default() -> PlanDraft {
        PlanDraft {
            code: String::new(),
            order: Order::default(),
            margin_min: Money::ZERO,
            attempts_max: 4,
            setup_timeout_s: 0,
            routes: Vec::new(),
            failover: None,
            rules: PlanRules::default(),
            policy: Policy::default(),
        }
    }
}

/// A plan as stored.
pub type Plan = Stored<PlanDraft>;

impl Object for PlanDraft {
    type Facts = ();
    const WHAT: &'static str = "plan";
    const TABLE: &'static str = "plans";
    const COLUMNS: &'static [&'static str] =
        &["code", "route_order", "margin_min", "attempts_max", "setup_timeout_s", "failover", "rules", "policy"];
    const OF_CARRIER: bool = false;

    fn code(&self) -> &str {
        &self.code
    }

    fn check(&self) -> Result<()> {
        if self.attempts_max == 0 || self.attempts_max > ATTEMPTS_MAX {
            return Err(StoreError::invalid("attempts_max", "1 to 16"));
        }
        if self.routes.len() > PLAN_ROUTES_MAX {
            return Err(StoreError::invalid("routes", format!("{PLAN_ROUTES_MAX} at most")));
        }
        for (place, route) in self.routes.iter().enumerate() {
            if route.percent > 100 {
                return Err(StoreError::invalid("percent", "0 to 100"));
            }
            let target = |route: &PlanRoute| route.group.map_or((0, route.egress_trunk.0), |group| (group.0, 0));
            if self.routes[..place].iter().any(|other| target(other) == target(route)) {
                return Err(StoreError::invalid("routes", "an egress trunk or a group stands there twice"));
            }
        }
        let rules = self.routes.iter().map(|route| route.rules.clone());
        Choice::compile(&self.rules, rules).map_err(|(route, flaw)| StoreError::Rules { route, flaw })?;
        if zone::offsets(&self.rules.zone, WallTime::from_micros(0)).is_none() {
            let flaw = PolicyFlaw::new("zone", format!("{:?} is no zone such as Europe/Paris", self.rules.zone));
            return Err(StoreError::Rules { route: None, flaw });
        }
        policy::check(&self.policy, Side::Plan)
    }

    fn args(&self) -> Vec<Arg> {
        args![
            self.code.as_str(),
            self.order as u8,
            self.margin_min,
            self.attempts_max,
            self.setup_timeout_s,
            self.failover.map(|plan| plan.0),
            self.rules.to_text(),
            self.policy.to_text()
        ]
    }

    fn read(row: &Row) -> Result<PlanDraft> {
        let order = match row.int("route_order")? {
            0 => Order::Lcr,
            1 => Order::Priority,
            2 => Order::Weight,
            3 => Order::Percent,
            4 => Order::Quality,
            other => return Err(StoreError::Broken(format!("column route_order holds {other}"))),
        };
        Ok(PlanDraft {
            code: row.text("code")?,
            order,
            margin_min: row.money("margin_min")?,
            attempts_max: row.num("attempts_max")?,
            setup_timeout_s: row.num("setup_timeout_s")?,
            routes: Vec::new(),
            failover: row.opt_num("failover")?.map(PlanId),
            rules: PlanRules::from_text(&row.text("rules")?).map_err(|flaw| broken(&flaw))?,
            policy: policy::read(row)?,
        })
    }

    fn settle(&mut self, before: Option<&Self>) -> Result<()> {
        policy::settle(&mut self.policy, before.map(|draft| &draft.policy))
    }

    async fn check_links(&self, tx: &mut Tx) -> Result<()> {
        for route in &self.routes {
            match route.group {
                Some(group) => exists(tx, "trunk_groups", "routes", group.0).await?,
                None => exists(tx, "egress_trunks", "routes", route.egress_trunk.0).await?,
            }
        }
        match self.failover {
            Some(plan) => exists(tx, "plans", "failover", plan.0).await,
            None => Ok(()),
        }
    }

    async fn complete(tx: &mut Tx, found: &mut [Plan]) -> Result<()> {
        let (Some(first), Some(last)) = (found.first(), found.last()) else { return Ok(()) };
        let sql = "SELECT * FROM plan_routes WHERE plan BETWEEN ? AND ? ORDER BY plan,position";
        for row in tx.rows(sql, args![first.id, last.id]).await? {
            let id: u32 = row.num("plan")?;
            if let Ok(place) = found.binary_search_by_key(&id, |plan| plan.id) {
                found[place].draft.routes.push(PlanRoute {
                    egress_trunk: EgressTrunkId(row.opt_num("egress_trunk")?.unwrap_or(0)),
                    group: row.opt_num("trunk_group")?.map(TrunkGroupId),
                    priority: row.num("priority")?,
                    weight: row.num("weight")?,
                    percent: row.num("percent")?,
                    rules: RouteRules::from_text(&row.text("rules")?).map_err(|flaw| broken(&flaw))?,
                });
            }
        }
        Ok(())
    }

    async fn save_more(&self, tx: &mut Tx, id: u32, _old: Option<&Plan>) -> Result<()> {
        tx.run("DELETE FROM plan_routes WHERE plan=?", args![id]).await?;
        let rows = self.routes.iter().enumerate().map(|(position, route)| {
            let (trunk, group) = match route.group {
                Some(group) => (None, Some(group.0)),
                None => (Some(route.egress_trunk.0), None),
            };
            let rules = route.rules.to_text();
            args![id, position as u64, trunk, group, route.priority, route.weight, route.percent, rules]
        });
        let columns = &["plan", "position", "egress_trunk", "trunk_group", "priority", "weight", "percent", "rules"];
        tx.insert_many("INSERT INTO", "plan_routes", columns, rows.collect()).await?;
        check_chains(tx, if self.failover.is_some() { "failover" } else { "routes" }).await
    }
}

fn broken(flaw: &PolicyFlaw) -> StoreError {
    StoreError::Broken(format!("column rules: {flaw}"))
}

/// A plan as its chain needs it.
struct Link {
    code: String,
    failover: Option<u32>,
    candidates: u64,
}

/// Refuses, by name, failover plans in a circle, more than three in a row, and more trunks behind a plan than calls look at. `field` is
/// what was changed.
pub(crate) async fn check_chains(tx: &mut Tx, field: &'static str) -> Result<()> {
    let mut links = BTreeMap::new();
    for row in tx.rows("SELECT id,code,failover FROM plans", Vec::new()).await? {
        let link = Link { code: row.text("code")?, failover: row.opt_num("failover")?, candidates: 0 };
        links.insert(row.num::<u32>("id")?, link);
    }
    let sql = "SELECT r.plan AS plan,COUNT(*) AS candidates FROM plan_routes r \
        LEFT JOIN trunk_group_members m ON m.trunk_group=r.trunk_group GROUP BY r.plan";
    for row in tx.rows(sql, Vec::new()).await? {
        if let Some(link) = links.get_mut(&row.num("plan")?) {
            link.candidates = row.num("candidates")?;
        }
    }
    for id in links.keys() {
        check_chain(&links, *id).map_err(|why| StoreError::invalid(field, why))?;
    }
    Ok(())
}

fn check_chain(links: &BTreeMap<u32, Link>, first: u32) -> core::result::Result<(), String> {
    let (mut chain, mut codes, mut candidates) = (Vec::new(), Vec::new(), 0);
    let mut next = Some(first);
    while let Some((id, link)) = next.and_then(|id| links.get(&id).map(|link| (id, link))) {
        codes.push(link.code.as_str());
        if chain.contains(&id) {
            return Err(format!("the failover plans go round in a circle: {}", codes.join(" → ")));
        }
        chain.push(id);
        if chain.len() > FAILOVER_PLANS_MAX {
            return Err(format!("a chain of more than {FAILOVER_PLANS_MAX} plans: {}", codes.join(" → ")));
        }
        candidates += link.candidates;
        next = link.failover;
    }
    if candidates > PLAN_ROUTES_MAX as u64 {
        let plan = codes.join(" → ");
        return Err(format!("{plan} leads to {candidates} trunks, more than {PLAN_ROUTES_MAX}"));
    }
    Ok(())
}
