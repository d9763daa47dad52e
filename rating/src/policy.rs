//! The policies of a snapshot, ready for use: regular expressions compiled once, at publication and when a snapshot is loaded.

pub mod choice;
mod rules;
mod stages;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use snapshot::{ModelFlaw, PlanRules, PlanView, Policy, PolicyFlaw, RouteRules, Side, View};
use units::{EgressTrunkId, IngressTrunkId, PlanId};

use choice::Choice;
pub use rules::{Ceilings, Rules, Text};
pub use stages::{Stage, stages};

/// The policies of all trunks and plans of one snapshot.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    ingress: Vec<(u32, Box<Rules>)>,
    egress: Vec<(u32, Box<Rules>)>,
    plans: Vec<(u32, Box<Rules>)>,
    choices: Vec<(u32, Box<Choice>)>,
    plain: Box<Rules>,
    free: Box<Choice>,
}

impl Policies {
    /// Compiles all policies of a snapshot.
    ///
    /// # Errors
    /// The first trunk or plan whose policy cannot be used, and why.
    pub fn compile(view: &View<'_>) -> Result<Policies, ModelFlaw> {
        let mut policies = Policies::default();
        for trunk in view.ingress_trunks() {
            let rules = compiled("ingress trunk", trunk.code(), trunk.policy(), Side::Ingress)?;
            policies.ingress.extend(rules.map(|rules| (trunk.id().0, rules)));
        }
        for trunk in view.egress_trunks() {
            let rules = compiled("egress trunk", trunk.code(), trunk.policy(), Side::Egress)?;
            policies.egress.extend(rules.map(|rules| (trunk.id().0, rules)));
        }
        for plan in view.plans() {
            let rules = compiled("plan", plan.code(), plan.policy(), Side::Plan)?;
            policies.plans.extend(rules.map(|rules| (plan.id().0, rules)));
            policies.choices.extend(choice(&plan)?.map(|choice| (plan.id().0, choice)));
        }
        Ok(policies)
    }

    /// The policy of an ingress trunk; the empty one if it has none.
    pub fn ingress(&self, id: IngressTrunkId) -> &Rules {
        find(&self.ingress, id.0).unwrap_or(&self.plain)
    }

    /// The policy of an egress trunk; the empty one if it has none.
    pub fn egress(&self, id: EgressTrunkId) -> &Rules {
        find(&self.egress, id.0).unwrap_or(&self.plain)
    }

    /// The policy of a plan; the empty one if it has none.
    pub fn plan(&self, id: PlanId) -> &Rules {
        find(&self.plans, id.0).unwrap_or(&self.plain)
    }

    /// How a plan chooses; without bands, limits and conditions if it has no rules.
    pub fn choice(&self, id: PlanId) -> &Choice {
        find(&self.choices, id.0).unwrap_or(&self.free)
    }

    /// The ingress trunks that have a policy, in order of id.
    pub fn ingress_trunks(&self) -> impl Iterator<Item = (IngressTrunkId, &Rules)> {
        self.ingress.iter().map(|(id, rules)| (IngressTrunkId(*id), &**rules))
    }

    /// The egress trunks that have a policy, in order of id.
    pub fn egress_trunks(&self) -> impl Iterator<Item = (EgressTrunkId, &Rules)> {
        self.egress.iter().map(|(id, rules)| (EgressTrunkId(*id), &**rules))
    }
}

/// Views come in order of id, so the list is sorted.
fn find<T>(all: &[(u32, Box<T>)], id: u32) -> Option<&T> {
    all.binary_search_by_key(&id, |(known, _)| *known).ok().map(|at| &*all[at].1)
}

/// A plan's rules with those of its routes; `None` where none has any.
fn choice(plan: &PlanView<'_>) -> Result<Option<Box<Choice>>, ModelFlaw> {
    if plan.rules().is_empty() && plan.routes().all(|route| route.rules().is_empty()) {
        return Ok(None);
    }
    let flaw = |place: Option<usize>, flaw: PolicyFlaw| {
        let route = place.map_or(String::new(), |place| format!(", route {}", place + 1));
        ModelFlaw { object: format!("plan {}{route}", plan.code()), problem: format!("its rules: {flaw}") }
    };
    let rules = PlanRules::from_text(plan.rules()).map_err(|found| flaw(None, found))?;
    let mut routes = Vec::new();
    // The members of a group are one route.
    for route in plan.routes() {
        let place = route.place();
        if place >= routes.len() {
            routes.push(RouteRules::from_text(route.rules()).map_err(|found| flaw(Some(place), found))?);
        }
    }
    let choice = Choice::compile(&rules, routes).map_err(|(place, found)| flaw(place, found))?;
    Ok(Some(Box::new(choice.on_clock(plan.offsets().collect()))))
}

fn compiled(kind: &str, code: &str, text: &str, side: Side) -> Result<Option<Box<Rules>>, ModelFlaw> {
    if text.is_empty() {
        return Ok(None);
    }
    let flaw =
        |flaw: PolicyFlaw| ModelFlaw { object: format!("{kind} {code}"), problem: format!("its policy: {flaw}") };
    let policy = Policy::from_text(text).map_err(flaw)?;
    policy.check(side).map_err(flaw)?;
    Ok(Some(Box::new(Rules::compile(policy).map_err(flaw)?)))
}
