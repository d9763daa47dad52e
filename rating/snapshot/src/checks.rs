//! What must hold between the objects of a model before it is published.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use units::{
    AccountId, CarrierId, Currency, DeckId, NUMBER_BYTES_MAX, Number, PlanId, TAX_PPM_MAX, TrunkGroupId, WallTime,
};

use crate::calendar::Offset;
use crate::exchange::{EXCHANGE_VALUE_MAX, exchange_of};
use crate::flaw::ModelFlaw;
use crate::model::{
    ATTEMPTS_MAX, Account, Carrier, CarrierLimits, Deck, EgressTrunk, ExchangeRate, FAILOVER_PLANS_MAX, IngressTrunk,
    Limits, Model, PLAN_ROUTES_MAX, Plan, Source, TrunkGroup,
};
use crate::policy::{Policy, PolicyFlaw, Side};

impl Model {
    /// The first object that contradicts another or itself. Rates are looked at by [`Model::encode`] only.
    pub fn check(&self) -> Result<(), ModelFlaw> {
        let known = Known::of(self)?;
        exchange_rates(&self.exchange_rates)?;
        windowed("the switch", self.limits)?;
        self.carriers.iter().try_for_each(carrier)?;
        self.accounts.iter().try_for_each(|account| known.account(account))?;
        self.decks.iter().try_for_each(deck)?;
        self.egress_trunks.iter().try_for_each(|trunk| known.egress(trunk))?;
        self.groups.iter().try_for_each(|group| known.group(group))?;
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
    groups: BTreeMap<TrunkGroupId, &'a TrunkGroup>,
    all_groups: &'a [TrunkGroup],
    exchange_rates: &'a [ExchangeRate],
    built: WallTime,
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

fn carrier(carrier: &Carrier) -> Result<(), ModelFlaw> {
    let shown = format!("carrier {}", carrier.id);
    let CarrierLimits { ingress, egress, .. } = carrier.limits;
    windowed(&shown, ingress).and_then(|()| windowed(&shown, egress))
}

fn windowed(object: &str, limits: Limits) -> Result<(), ModelFlaw> {
    refuse(limits.cps_window_s > 60, object, "its CPS window is longer than 60 seconds")
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
            groups: by_id("trunk group", &model.groups, |group| group.id, |group| &group.code)?,
            all_groups: &model.groups,
            exchange_rates: &model.exchange_rates,
            built: model.built,
        })
    }

    fn account(&self, account: &Account) -> Result<(), ModelFlaw> {
        let shown = format!("account {}", account.id);
        refuse(!self.carriers.contains_key(&account.carrier), &shown, "its carrier does not exist")
    }

    /// A trunk's carrier, account and decks fit together; returns the account's currency.
    fn money(
        &self,
        shown: &str,
        carrier: CarrierId,
        account: AccountId,
        decks: (DeckId, Option<DeckId>),
    ) -> Result<Currency, ModelFlaw> {
        refuse(!self.carriers.contains_key(&carrier), shown, "its carrier does not exist")?;
        let account = self.accounts.get(&account);
        refuse(account.is_none(), shown, "its account does not exist")?;
        refuse(account.is_some_and(|account| account.carrier != carrier), shown, "its account is another carrier's")?;
        let ours = account.map_or(Currency::USD, |account| account.currency);
        for deck in [Some(decks.0), decks.1].into_iter().flatten() {
            let deck = self.decks.get(&deck);
            refuse(deck.is_none(), shown, "its deck does not exist")?;
            let theirs = deck.map_or(ours, |deck| deck.currency);
            let problem = format!(
                "its account and its deck count in different currencies, and no exchange rates join {ours} with {theirs}"
            );
            refuse(!self.exchanges(theirs, ours), shown, &problem)?;
        }
        Ok(ours)
    }

    /// True if one currency can be turned into the other when this is built, and so ever after.
    fn exchanges(&self, from: Currency, to: Currency) -> bool {
        exchange_of(self.exchange_rates, from, to, self.built).is_some()
    }

    fn ingress(&self, trunk: &IngressTrunk) -> Result<(), ModelFlaw> {
        let shown = format!("ingress trunk {}", trunk.code);
        let currency = self.money(&shown, trunk.carrier, trunk.account, (trunk.sell_deck, trunk.override_deck))?;
        refuse(!is_number(&trunk.tech_prefix), &shown, "its tech prefix is not a number")?;
        refuse(!trunk.sources.iter().all(is_network), &shown, "a source has more bits than its address")?;
        policy(&shown, &trunk.policy, Side::Ingress)?;
        self.leads(&shown, trunk.plan, currency)?;
        for way in trunk.ways.all() {
            way.sell_deck
                .map_or(Ok(()), |deck| self.money(&shown, trunk.carrier, trunk.account, (deck, None)).map(drop))?;
            way.plan.map_or(Ok(()), |plan| self.leads(&shown, plan, currency))?;
        }
        Ok(())
    }

    /// The plan of an ingress trunk exists and leads to decks of its currency.
    fn leads(&self, shown: &str, plan: PlanId, currency: Currency) -> Result<(), ModelFlaw> {
        let Some(plan) = self.plans.get(&plan) else {
            return refuse(true, shown, "its plan does not exist");
        };
        for (plan, member) in self
            .chain(plan)?
            .into_iter()
            .flat_map(|plan| plan.candidates(self.all_groups).into_iter().map(move |(_, _, member)| (plan, member)))
        {
            let egress = self.egress.get(&member.egress_trunk);
            let decks = egress.into_iter().flat_map(|egress| [Some(egress.buy_deck), egress.override_deck]);
            for buy in decks.flatten().filter_map(|deck| self.decks.get(&deck)) {
                let problem = format!(
                    "plan {} leads to egress trunk {}, whose deck {} counts in {}, and no exchange rates join it with {currency}",
                    plan.code,
                    egress.map_or("", |egress| egress.code.as_str()),
                    buy.code,
                    buy.currency
                );
                refuse(!self.exchanges(buy.currency, currency), shown, &problem)?;
            }
        }
        Ok(())
    }

    fn egress(&self, trunk: &EgressTrunk) -> Result<(), ModelFlaw> {
        let shown = format!("egress trunk {}", trunk.code);
        self.money(&shown, trunk.carrier, trunk.account, (trunk.buy_deck, trunk.override_deck))?;
        refuse(!is_number(&trunk.add_prefix), &shown, "its added prefix is not a number")?;
        policy(&shown, &trunk.policy, Side::Egress)?;
        refuse(trunk.address.port() == 0, &shown, "its port is 0")
    }

    fn group(&self, group: &TrunkGroup) -> Result<(), ModelFlaw> {
        let shown = format!("trunk group {}", group.code);
        let count = group.members.len();
        refuse(!(1..=PLAN_ROUTES_MAX).contains(&count), &shown, &format!("has {count} members, not 1 to 64"))?;
        let mut seen = BTreeSet::new();
        for member in &group.members {
            let id = member.egress_trunk;
            refuse(!self.egress.contains_key(&id), &shown, &format!("egress trunk {id} does not exist"))?;
            refuse(!seen.insert(id), &shown, &format!("egress trunk {id} stands in it twice"))?;
            refuse(member.weight > 1_000, &shown, &format!("egress trunk {id} weighs more than 1,000"))?;
        }
        Ok(())
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
        rules(&shown, plan.rules.check())?;
        let sound = Offset::are_sound(&plan.offsets);
        refuse(!sound, &shown, "the offsets of its zone are not in order of time, or more than a day")?;
        let mut seen = BTreeSet::new();
        for route in &plan.routes {
            let (known, name) = match route.group {
                Some(id) => (self.groups.contains_key(&id), format!("trunk group {id}")),
                None => (self.egress.contains_key(&route.egress_trunk), format!("egress trunk {}", route.egress_trunk)),
            };
            refuse(!known, &shown, &format!("{name} does not exist"))?;
            refuse(!seen.insert(name.clone()), &shown, &format!("{name} stands in it twice"))?;
            refuse(route.percent > 100, &shown, &format!("{name} gets more than 100 per cent"))?;
            rules(&format!("{shown}, {name}"), route.rules.check(&plan.rules))?;
        }
        self.chain(plan).map(drop)
    }

    /// A plan and its failover plans, in order.
    fn chain<'b>(&'b self, plan: &'b Plan) -> Result<Vec<&'b Plan>, ModelFlaw> {
        let shown = format!("plan {}", plan.code);
        let mut chain = Vec::from([plan]);
        while let Some(next) = chain.last().and_then(|last| last.failover) {
            let Some(found) = self.plans.get(&next) else {
                let problem = format!("its failover plan {next} does not exist");
                return Err(ModelFlaw { object: shown, problem });
            };
            let again = chain.iter().any(|plan| plan.id == next);
            chain.push(found);
            let codes: Vec<&str> = chain.iter().map(|plan| plan.code.as_str()).collect();
            let told = codes.join(" → ");
            refuse(again, &shown, &format!("its failover plans go round in a circle: {told}"))?;
            let long = chain.len() > FAILOVER_PLANS_MAX;
            refuse(long, &shown, &format!("a chain of more than {FAILOVER_PLANS_MAX} plans: {told}"))?;
        }
        let candidates: usize = chain.iter().map(|plan| plan.candidates(self.all_groups).len()).sum();
        let problem = format!(
            "leads to {candidates} trunks, more than {PLAN_ROUTES_MAX}, with members of groups and failover plans"
        );
        refuse(candidates > PLAN_ROUTES_MAX, &shown, &problem)?;
        Ok(chain)
    }
}

fn rules(shown: &str, checked: Result<(), PolicyFlaw>) -> Result<(), ModelFlaw> {
    checked.map_err(|flaw| ModelFlaw { object: String::from(shown), problem: format!("its rules: {flaw}") })
}

fn policy(shown: &str, policy: &Policy, side: Side) -> Result<(), ModelFlaw> {
    policy.check(side).map_err(|flaw| ModelFlaw { object: String::from(shown), problem: format!("its policy: {flaw}") })
}

/// Each is above zero and stands alone at its date.
fn exchange_rates(rates: &[ExchangeRate]) -> Result<(), ModelFlaw> {
    let mut seen = BTreeSet::new();
    rates.iter().try_for_each(|rate| {
        let shown = format!("exchange rate of {}", rate.currency);
        let fits = (1..=EXCHANGE_VALUE_MAX.nanos()).contains(&rate.value.nanos());
        refuse(!fits, &shown, "is not above 0 and up to 1,000,000")?;
        refuse(!seen.insert((rate.currency, rate.from)), &shown, "another one begins at the same moment")
    })
}

fn deck(deck: &Deck) -> Result<(), ModelFlaw> {
    let shown = format!("deck {}", deck.code);
    refuse(deck.tax_ppm > TAX_PPM_MAX, &shown, "its tax is above 100 per cent")?;
    refuse(deck.decimals > 9, &shown, "has more than 9 decimals")?;
    let offsets = Offset::are_sound(&deck.offsets);
    refuse(!offsets, &shown, "the offsets of its zone are not in order of time, or more than a day")?;
    deck.calendar.check().map_err(|flaw| ModelFlaw { object: shown, problem: format!("its calendar: {flaw}") })
}

/// Could stand in front of a number.
fn is_number(text: &str) -> bool {
    text.len() <= NUMBER_BYTES_MAX && Number::parse(text.as_bytes()).is_ok()
}

fn is_network(source: &Source) -> bool {
    source.bits <= if source.network.is_ipv4() { 32 } else { 128 }
}
