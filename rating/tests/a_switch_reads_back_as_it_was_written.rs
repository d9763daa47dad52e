//! Random models, encoded and read back through views field by field: what comes out is what went in.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]
#![allow(clippy::needless_update, reason = "a field that is added is read here when it is known how")]

mod oracle {
    #[allow(dead_code, reason = "calls are another test's")]
    pub mod worlds;
}

use std::collections::{BTreeMap, BTreeSet};

use oracle::worlds::switch;
use snapshot::{
    Account, Calendar, Carrier, Deck, EgressTrunk, GroupMember, IngressTrunk, Model, Plan, PlanRoute, PlanRules,
    Policy, Rate, RouteRules, RouteView, TrunkGroup, View, Ways,
};
use units::RateClass;

/// All that views tell, as a model again. Groups are read from the routes that lead to them; `like` says which rates to ask for.
fn mirrored(view: &View<'_>, like: &Model) -> Model {
    let mut groups = BTreeMap::new();
    let plans = view.plans().map(|plan| mirrored_plan(&plan, &mut groups)).collect();
    let account = |of: &Account| {
        let read = view.account(of.id).unwrap();
        Account { id: read.id(), carrier: read.carrier(), currency: read.currency(), owed_limited: read.owed_limited() }
    };
    Model {
        revision: view.revision(),
        built: view.built(),
        carriers: view
            .carriers()
            .map(|read| Carrier {
                id: read.id(),
                code: read.code().into(),
                blocked: read.blocked(),
                ..Carrier::default()
            })
            .collect(),
        accounts: like.accounts.iter().map(account).collect(),
        ingress_trunks: view.ingress_trunks().map(|read| ingress(&read)).collect(),
        egress_trunks: view.egress_trunks().map(|read| egress(&read)).collect(),
        decks: like.decks.iter().map(|deck| mirrored_deck(view, deck)).collect(),
        groups: groups.into_values().collect(),
        plans,
        exchange_rates: like.exchange_rates.clone(),
        ..Model::default()
    }
}

fn ingress(read: &snapshot::IngressView<'_>) -> IngressTrunk {
    IngressTrunk {
        id: read.id(),
        code: read.code().into(),
        carrier: read.carrier(),
        account: read.account(),
        sources: read.sources().collect(),
        tech_prefix: read.tech_prefix().into(),
        plan: read.plan(),
        sell_deck: read.sell_deck(),
        override_deck: read.override_deck(),
        capacity: read.capacity(),
        cps: read.cps(),
        active: read.active(),
        max_duration_s: read.max_duration_s(),
        media_timeout_s: read.media_timeout_s(),
        policy: Policy::from_text(read.policy()).unwrap(),
        ..IngressTrunk::default()
    }
}

fn egress(read: &snapshot::EgressView<'_>) -> EgressTrunk {
    EgressTrunk {
        id: read.id(),
        code: read.code().into(),
        carrier: read.carrier(),
        account: read.account(),
        address: read.address(),
        strip_digits: read.strip_digits(),
        add_prefix: read.add_prefix().into(),
        buy_deck: read.buy_deck(),
        override_deck: read.override_deck(),
        capacity: read.capacity(),
        cps: read.cps(),
        active: read.active(),
        progress_timeout_s: read.progress_timeout_s(),
        ring_timeout_s: read.ring_timeout_s(),
        policy: Policy::from_text(read.policy()).unwrap(),
        ..EgressTrunk::default()
    }
}

fn mirrored_plan(read: &snapshot::PlanView<'_>, groups: &mut BTreeMap<u32, TrunkGroup>) -> Plan {
    let mut routes: Vec<PlanRoute> = Vec::new();
    let mut members: BTreeMap<u32, Vec<GroupMember>> = BTreeMap::new();
    for view in read.routes() {
        if let Some(group) = view.group() {
            members.entry(group.0).or_default().push(member(&view));
        }
        if view.place() == routes.len() {
            routes.push(route(&view));
        }
    }
    for (id, members) in members {
        let group = TrunkGroup { id: units::TrunkGroupId(id), code: format!("g{id}"), members };
        let known = groups.entry(id).or_insert_with(|| group.clone());
        assert_eq!(*known, group, "a group is the same in all plans");
    }
    Plan {
        id: read.id(),
        code: read.code().into(),
        order: read.order(),
        margin_min: read.margin_min(),
        attempts_max: read.attempts_max(),
        setup_timeout_s: read.setup_timeout_s(),
        routes,
        failover: read.failover(),
        offsets: read.offsets().collect(),
        rules: PlanRules::from_text(read.rules()).unwrap(),
        policy: Policy::from_text(read.policy()).unwrap(),
        ..Plan::default()
    }
}

fn route(view: &RouteView<'_>) -> PlanRoute {
    let egress_trunk = if view.group().is_some() { Default::default() } else { view.egress_trunk() };
    PlanRoute {
        egress_trunk,
        group: view.group(),
        priority: view.priority(),
        weight: view.weight(),
        percent: view.percent(),
        rules: RouteRules::from_text(view.rules()).unwrap(),
        ..PlanRoute::default()
    }
}

fn member(view: &RouteView<'_>) -> GroupMember {
    GroupMember {
        egress_trunk: view.egress_trunk(),
        priority: view.member_priority(),
        weight: view.member_weight(),
        nodes: view.nodes().map(|node| node.0).collect(),
        ..GroupMember::default()
    }
}

/// A deck's rates are asked for one by one: a number that is the prefix itself, at the moment when the rate begins.
fn mirrored_deck(view: &View<'_>, like: &Deck) -> Deck {
    let read = view.deck(like.id).unwrap();
    let rate = |wanted: &Rate| {
        let found = read.lookup(wanted.prefix.as_bytes(), wanted.from).unwrap();
        assert_eq!(usize::from(found.prefix_digits), wanted.prefix.len());
        let terms = found.terms;
        assert_eq!((terms.steps_from_zero, terms.tax_ppm), (like.steps_from_zero, like.tax_ppm));
        Rate {
            prefix: wanted.prefix.clone(),
            destination: found.destination().into(),
            per_minute: terms.per_minute,
            first_per_minute: terms.first_per_minute,
            connection_fee: terms.connection_fee,
            minimum_s: terms.minimum_s,
            increment_s: terms.increment_s,
            free_s: terms.free_s,
            from: found.from,
            till: found.till,
            blocked: found.blocked,
            ..Rate::default()
        }
    };
    Deck {
        id: read.id(),
        code: read.code().into(),
        currency: read.currency(),
        decimals: read.decimals(),
        rounding: read.rounding(),
        steps_from_zero: like.steps_from_zero,
        tax_ppm: like.tax_ppm,
        rates: like.rates.iter().map(rate).collect(),
        ..Deck::default()
    }
}

/// Groups that no plan leads to cannot be seen, so they are left out of the comparison.
fn used_groups(model: &Model) -> Vec<TrunkGroup> {
    let used = |group: &&TrunkGroup| {
        model.plans.iter().flat_map(|plan| &plan.routes).any(|route| route.group == Some(group.id))
    };
    model.groups.iter().filter(used).cloned().collect()
}

/// Views tell classes, calendars, ways and exchange rates only to who asks with a moment and a call: other tests do. Here every rate is of
/// any class, and of two that begin together only the first stays.
fn plain(mut model: Model) -> Model {
    for trunk in &mut model.ingress_trunks {
        trunk.ways = Ways::default();
    }
    for deck in &mut model.decks {
        deck.calendar = Calendar::default();
        deck.offsets.clear();
        (deck.by_jurisdiction, deck.by_lrn) = (false, false);
        let mut seen = BTreeSet::new();
        deck.rates.retain(|rate| seen.insert((rate.prefix.clone(), rate.from)));
        for rate in &mut deck.rates {
            rate.class = RateClass::ANY;
        }
    }
    model.groups = used_groups(&model);
    model
}

#[test]
fn forty_random_switches_come_out_as_they_went_in() {
    for seed in 1..=40 {
        let model = plain(switch(seed, 300));
        let image = model.encode().unwrap();
        View::check(&image).unwrap();
        let read = mirrored(&View::open(&image), &model);
        assert_eq!(read, model, "switch {seed}");
    }
}

#[test]
fn apart_or_in_one_piece_the_views_say_the_same() {
    let model = plain(switch(7, 300));
    let apart = model.encode_apart().unwrap();
    assert_eq!(mirrored(&apart.view(), &model), model);
}
