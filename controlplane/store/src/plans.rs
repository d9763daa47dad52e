//! Routing plans: which egress trunks may serve an ingress trunk, in what order.

use snapshot::{Order, PlanRoute, Policy, Side};
use units::{EgressTrunkId, Money};

use crate::accounts::exists;
use crate::error::{Result, StoreError};
use crate::object::{Object, Stored};
use crate::policy;
use crate::sql::{Arg, Row, Tx, args};

/// Routes of one plan at most.
const ROUTES_MAX: usize = 64;
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
    /// How signalling goes with whoever is tried.
    pub policy: Policy,
}

/// A plan as stored.
pub type Plan = Stored<PlanDraft>;

impl Object for PlanDraft {
    type Facts = ();
    const WHAT: &'static str = "plan";
    const TABLE: &'static str = "plans";
    const COLUMNS: &'static [&'static str] =
        &["code", "route_order", "margin_min", "attempts_max", "setup_timeout_s", "policy"];
    const OF_CARRIER: bool = false;

    fn code(&self) -> &str {
        &self.code
    }

    fn check(&self) -> Result<()> {
        if self.attempts_max == 0 || self.attempts_max > ATTEMPTS_MAX {
            return Err(StoreError::invalid("attempts_max", "1 to 16"));
        }
        if self.routes.len() > ROUTES_MAX {
            return Err(StoreError::invalid("routes", format!("{ROUTES_MAX} at most")));
        }
        for (place, route) in self.routes.iter().enumerate() {
            if route.percent > 100 {
                return Err(StoreError::invalid("percent", "0 to 100"));
            }
            if self.routes[..place].iter().any(|other| other.egress_trunk == route.egress_trunk) {
                return Err(StoreError::invalid("routes", "an egress trunk stands there twice"));
            }
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
            self.policy.to_text()
        ]
    }

    fn read(row: &Row) -> Result<PlanDraft> {
        let order = match row.int("route_order")? {
            0 => Order::Lcr,
            1 => Order::Priority,
            2 => Order::Weight,
            3 => Order::Percent,
            other => return Err(StoreError::Broken(format!("column route_order holds {other}"))),
        };
        Ok(PlanDraft {
            code: row.text("code")?,
            order,
            margin_min: row.money("margin_min")?,
            attempts_max: row.num("attempts_max")?,
            setup_timeout_s: row.num("setup_timeout_s")?,
            routes: Vec::new(),
            policy: policy::read(row)?,
        })
    }

    fn settle(&mut self, before: Option<&Self>) -> Result<()> {
        policy::settle(&mut self.policy, before.map(|draft| &draft.policy))
    }

    async fn check_links(&self, tx: &mut Tx) -> Result<()> {
        for route in &self.routes {
            exists(tx, "egress_trunks", "routes", route.egress_trunk.0).await?;
        }
        Ok(())
    }

    async fn complete(tx: &mut Tx, found: &mut [Plan]) -> Result<()> {
        let (Some(first), Some(last)) = (found.first(), found.last()) else { return Ok(()) };
        let sql = "SELECT * FROM plan_routes WHERE plan BETWEEN ? AND ? ORDER BY plan,position";
        for row in tx.rows(sql, args![first.id, last.id]).await? {
            let id: u32 = row.num("plan")?;
            if let Ok(place) = found.binary_search_by_key(&id, |plan| plan.id) {
                found[place].draft.routes.push(PlanRoute {
                    egress_trunk: EgressTrunkId(row.num("egress_trunk")?),
                    priority: row.num("priority")?,
                    weight: row.num("weight")?,
                    percent: row.num("percent")?,
                    ..PlanRoute::default()
                });
            }
        }
        Ok(())
    }

    async fn save_more(&self, tx: &mut Tx, id: u32, _old: Option<&Plan>) -> Result<()> {
        tx.run("DELETE FROM plan_routes WHERE plan=?", args![id]).await?;
        let rows = self.routes.iter().enumerate().map(|(position, route)| {
            args![id, position as u64, route.egress_trunk.0, route.priority, route.weight, route.percent]
        });
        let columns = &["plan", "position", "egress_trunk", "priority", "weight", "percent"];
        tx.insert_many("INSERT INTO", "plan_routes", columns, rows.collect()).await?;
        Ok(())
    }
}
