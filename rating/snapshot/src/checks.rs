//! What must hold between the objects of a model before it is published.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;

use units::{AccountId, CarrierId, Currency, DeckId, NUMBER_BYTES_MAX, Number, PlanId};

use crate::flaw::ModelFlaw;
use crate::model::{
    ATTEMPTS_MAX, Account, Carrier, Deck, EgressTrunk, IngressTrunk, Model, PLAN_ROUTES_MAX, Plan, Source,
};
use crate::policy::{Policy, Side};

impl Model {
    /// The first object that contradicts another or itself. Rates are looked at by [`Model::encode`] only.
    pub fn check(&self) -> Result<(), ModelFlaw> {
        let known = Known::of(self)?;
        self.accounts.iter().try_for_each(|account| known.account(account))?;
        self.decks.iter().try_for_each(deck)?;
        self.egress_trunks.iter().try_for_each(|trunk| known.egress(trunk))?;
        self.plans.iter().try_for_each(|plan| known.plan(plan))?;
        self.ingress_trunks.iter().try_for_each(|trunk| known.ingress(trunk))
    }
}

/// Everything by id.
struct Known<'a> {
    carriers: BTreeMap<CarrierId, &'a Carrier>,
    accounts: BTreeMap<AccountId, &'a Account>,
    decks: BTreeMap<DeckId, &'a Deck>,
    plans: BTreeMap<PlanId, &'a Plan>,
    egress: BTreeMap<units::EgressTrunkId, &'a EgressTrunk>,
}

/// The objects of one kind by id; no id and no code twice.
fn by_id<'a, I: Ord + Copy, T>(
    kind: &str,
    all: &'a [T],
    id: fn(&T) -> I,
    code: fn(&T) -> &str,
) -> Result<BTreeMap<I, &'a T>, ModelFlaw> {
    let (mut known, mut codes) = (BTreeMap::new(), BTreeSet::new());
    for object in all {
        let shown = format!("{kind} {}", code(object));
        refuse(known.insert(id(object), object).is_some(), &shown, "another one has the same id")?;
        refuse(!code(object).is_empty() && !codes.insert(code(object)), &shown, "another one has the same code")?;
    }
    Ok(known)
}

fn refuse(wrong: bool, object: &str, problem: &str) -> Result<(), ModelFlaw> {
    if wrong { Err(ModelFlaw { object: String::from(object), problem: String::from(problem) }) } else { Ok(()) }
}

impl<'a> Known<'a> {
    fn of(model: &'a Model) -> Result<Known<'a>, ModelFlaw> {
        by_id("ingress trunk", &model.ingress_trunks, |trunk| trunk.id, |trunk| &trunk.code)?;
        Ok(Known {
            carriers: by_id("carrier", &model.carriers, |carrier| carrier.id, |carrier| &carrier.code)?,
            accounts: by_id("account", &model.accounts, |account| account.id, |_| "")?,
            decks: by_id("deck", &model.decks, |deck| deck.id, |deck| &deck.code)?,
            plans: by_id("plan", &model.plans, |plan| plan.id, |plan| &plan.code)?,
            egress: by_id("egress trunk", &model.egress_trunks, |trunk| trunk.id, |trunk| &trunk.code)?,
        })
    }

    fn account(&self, account: &Account) -> Result<(), ModelFlaw> {
        let shown = format!("account {}", account.id);
        refuse(!self.carriers.contains_key(&account.carrier), &shown, "its carrier does not exist")
    }

    /// A trunk's carrier, account and deck fit together; returns the currency of all three.
    fn money(&self, shown: &str, carrier: CarrierId, account: AccountId, deck: DeckId) -> Result<Currency, ModelFlaw> {
        refuse(!self.carriers.contains_key(&carrier), shown, "its carrier does not exist")?;
        let account = self.accounts.get(&account);
        refuse(account.is_none(), shown, "its account does not exist")?;
        refuse(account.is_some_and(|account| account.carrier != carrier), shown, "its account is another carrier's")?;
        let deck = self.decks.get(&deck);
        refuse(deck.is_none(), shown, "its deck does not exist")?;
        let (ours, theirs) = (account.map(|account| account.currency), deck.map(|deck| deck.currency));
        refuse(ours != theirs, shown, "its account and its deck count in different currencies")?;
        Ok(ours.unwrap_or(Currency::USD))
    }

    fn ingress(&self, trunk: &IngressTrunk) -> Result<(), ModelFlaw> {
        let shown = format!("ingress trunk {}", trunk.code);
        let currency = self.money(&shown, trunk.carrier, trunk.account, trunk.sell_deck)?;
        refuse(!is_number(&trunk.tech_prefix), &shown, "its tech prefix is not a number")?;
        refuse(!trunk.sources.iter().all(is_network), &shown, "a source has more bits than its address")?;
        policy(&shown, &trunk.policy, Side::Ingress)?;
        let Some(plan) = self.plans.get(&trunk.plan) else {
            return refuse(true, &shown, "its plan does not exist");
        };
        for route in &plan.routes {
            let egress = self.egress.get(&route.egress_trunk);
            let buy = egress.and_then(|egress| self.decks.get(&egress.buy_deck));
            if let (Some(egress), Some(buy)) = (egress, buy) {
                let problem = format!(
                    "plan {} leads to egress trunk {}, whose deck {} counts in {} while the sell deck counts in {currency}",
                    plan.code, egress.code, buy.code, buy.currency
                );
                refuse(buy.currency != currency, &shown, &problem)?;
            }
        }
        Ok(())
    }

    fn egress(&self, trunk: &EgressTrunk) -> Result<(), ModelFlaw> {
        let shown = format!("egress trunk {}", trunk.code);
        self.money(&shown, trunk.carrier, trunk.account, trunk.buy_deck)?;
        refuse(!is_number(&trunk.add_prefix), &shown, "its added prefix is not a number")?;
        policy(&shown, &trunk.policy, Side::Egress)?;
        refuse(trunk.address.port() == 0, &shown, "its port is 0")
    }

    fn plan(&self, plan: &Plan) -> Result<(), ModelFlaw> {
        let shown = format!("plan {}", plan.code);
        policy(&shown, &plan.policy, Side::Plan)?;
        let attempts = usize::from(plan.attempts_max);
        refuse(
            !(1..=ATTEMPTS_MAX).contains(&attempts),
            &shown,
            &format!("tries {attempts} routes, not 1 to {ATTEMPTS_MAX}"),
        )?;
        refuse(plan.routes.len() > PLAN_ROUTES_MAX, &shown, &format!("has more than {PLAN_ROUTES_MAX} routes"))?;
        let mut seen = BTreeSet::new();
        for route in &plan.routes {
            let id = route.egress_trunk;
            refuse(!self.egress.contains_key(&id), &shown, &format!("egress trunk {id} does not exist"))?;
            refuse(!seen.insert(id), &shown, &format!("egress trunk {id} stands in it twice"))?;
            refuse(route.percent > 100, &shown, &format!("egress trunk {id} gets more than 100 per cent"))?;
        }
        Ok(())
    }
}

fn policy(shown: &str, policy: &Policy, side: Side) -> Result<(), ModelFlaw> {
    policy.check(side).map_err(|flaw| ModelFlaw { object: String::from(shown), problem: format!("its policy: {flaw}") })
}

fn deck(deck: &Deck) -> Result<(), ModelFlaw> {
    refuse(deck.decimals > 9, &format!("deck {}", deck.code), "has more than 9 decimals")
}

/// Could stand in front of a number.
fn is_number(text: &str) -> bool {
    text.len() <= NUMBER_BYTES_MAX && Number::parse(text.as_bytes()).is_ok()
}

fn is_network(source: &Source) -> bool {
    source.bits <= if source.network.is_ipv4() { 32 } else { 128 }
}
