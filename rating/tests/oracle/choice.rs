//! Which trunks are tried in what order and what stands against the others, by the rules of the README.
//!
//! Candidates are lists that are filtered and sorted; nothing here calls the code under test.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use snapshot::routing::Window;
use snapshot::{Model, Order, Plan, PlanRoute, RouteRules, Way};
use units::{Currency, DeckId, Jurisdiction};

use super::Wrong;
use super::price::{ONE, Quoted, nearest};
use super::sheets::{Sheets, clock, jurisdiction};
use super::worlds::Call;

/// What should become of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The sell rate, or the cause to refuse with.
    pub sell: Option<Quoted>,
    /// Trunk, plan and rate of each route to try, best first.
    pub tried: Vec<(u32, u32, Quoted)>,
    /// Trunk, plan and cause of the others; 0 for those beyond the sixteenth.
    pub others: Vec<(u32, u32, u16)>,
    /// Why there is no route.
    pub refusal: Option<u16>,
}

#[derive(Clone)]
struct Candidate<'a> {
    depth: usize,
    place: usize,
    plan: &'a Plan,
    route: &'a PlanRoute,
    trunk: u32,
    /// Far from the deciding node, priority and weight in the group.
    member: (bool, i16, u16),
    cause: u16,
    buy: Option<Quoted>,
    /// Of a minute, in the originator's currency.
    price: i128,
    /// Of quality.
    index: Option<i64>,
    holds: bool,
}

impl Candidate<'_> {
    fn key(&self) -> u64 {
        self.route.group.map_or(u64::from(self.trunk), |group| (1 << 32) + u64::from(group.0))
    }

    fn id(&self) -> (usize, usize) {
        (self.depth, self.place)
    }
}

/// The switch as plain values.
pub struct Oracle<'a> {
    model: &'a Model,
    sheets: Sheets<'a>,
    pub wrong: Wrong,
}

impl<'a> Oracle<'a> {
    pub fn of(model: &'a Model, wrong: Wrong) -> Oracle<'a> {
        Oracle { model, sheets: Sheets::of(model), wrong }
    }

    pub fn decide(&self, call: &Call) -> Outcome {
        let ingress = self.model.ingress_trunks.iter().find(|trunk| trunk.id.0 == call.ingress).unwrap();
        let way = match jurisdiction(call, self.wrong) {
            Jurisdiction::Inter => ingress.ways.inter,
            Jurisdiction::Intra => ingress.ways.intra,
            Jurisdiction::Indeterminate => ingress.ways.indeterminate,
            _ => Way::default(),
        };
        let own = way.sell_deck.unwrap_or(ingress.sell_deck);
        let sell = self.rate((ingress.override_deck, own), &call.called, call, ingress.account.0);
        let Some(sell) = sell else { return Outcome { refusal: Some(307), ..Outcome::default() } };
        if sell.blocked {
            return Outcome { refusal: Some(330), ..Outcome::default() };
        }
        let mut all = self.candidates(way.plan.unwrap_or(ingress.plan).0, call.node);
        for (bit, candidate) in all.iter_mut().enumerate() {
            candidate.index = call.indexes.iter().find(|(place, _)| *place == bit).map(|(_, index)| *index);
            self.judge(candidate, call, &sell);
            for (places, cause) in [(call.unreachable, 338), (call.resting, 410), (call.throttled, 411)] {
                if candidate.cause == 0 && places >> bit & 1 == 1 {
                    candidate.cause = cause;
                }
            }
        }
        let exclusive = |one: &Candidate<'_>| one.route.rules.exclusive && one.holds && one.buy.is_some();
        if all.iter().any(exclusive) {
            all.iter_mut().filter(|one| one.cause == 0 && !exclusive(one)).for_each(|one| one.cause = 310);
        }
        let order = self.settle(&mut all, call.seed);
        outcome(&all, &order, sell)
    }

    /// By the override deck where that has a rate, else by the own one; with what its money is worth to the account.
    fn rate(&self, (over, own): (Option<DeckId>, DeckId), called: &str, call: &Call, account: u32) -> Option<Quoted> {
        let find = |deck: DeckId| self.sheets.find(deck.0, called, call, self.wrong);
        let over = over.filter(|_| self.wrong != Wrong::OverrideForgotten);
        let quoted = over.and_then(find).or_else(|| find(own))?;
        let currency = self.model.accounts.iter().find(|one| one.id.0 == account).unwrap().currency;
        let exchange = self.exchange(quoted.currencies.0, currency, call.at);
        Some(Quoted { currencies: (quoted.currencies.0, currency), exchange, ..quoted })
    }

    /// Billionths of one currency for a unit of another.
    fn exchange(&self, from: Currency, to: Currency, at: i64) -> i128 {
        let value = |currency| {
            let known = self.model.exchange_rates.iter().filter(|rate| rate.currency == currency);
            let last = known.filter(|rate| rate.from.micros() <= at).max_by_key(|rate| rate.from).unwrap();
            i128::from(last.value.nanos())
        };
        if from == to || self.wrong == Wrong::ExchangeForgotten { ONE } else { nearest(value(from) * ONE, value(to)) }
    }

    /// The plan and the plans behind it, members of groups one by one.
    fn candidates(&self, plan: u32, node: u16) -> Vec<Candidate<'a>> {
        let mut all = Vec::new();
        let mut next = Some(plan);
        for depth in 0..3 {
            let Some(plan) = next.and_then(|id| self.model.plans.iter().find(|plan| plan.id.0 == id)) else { break };
            for (place, route) in plan.routes.iter().enumerate() {
                let one = |trunk: u32, member| {
                    let (cause, buy, holds) = (0, None, false);
                    Candidate { depth, place, plan, route, trunk, member, cause, buy, holds, price: 0, index: None }
                };
                match route.group {
                    None => all.push(one(route.egress_trunk.0, (false, 0, 0))),
                    Some(id) => {
                        let group = self.model.groups.iter().find(|group| group.id == id).unwrap();
                        let of = |member: &snapshot::GroupMember| {
                            let far = !member.nodes.contains(&node);
                            one(member.egress_trunk.0, (far, member.priority, member.weight))
                        };
                        all.extend(group.members.iter().map(of));
                    }
                }
            }
            next = plan.failover.map(|id| id.0);
        }
        all
    }

    /// Fills in the rate and the first thing that stands against a candidate.
    fn judge(&self, one: &mut Candidate<'a>, call: &Call, sell: &Quoted) {
        let ingress = self.model.ingress_trunks.iter().find(|trunk| trunk.id.0 == call.ingress).unwrap();
        let prices = &ingress.policy.prices;
        let is_above =
            |price: i128, most: &str| self.wrong != Wrong::CeilingForgotten && !most.is_empty() && price > nanos(most);
        if is_above(nearest(self.dearest(sell) * sell.exchange, ONE), &prices.sell_per_minute_max) {
            one.cause = 340;
            return;
        }
        let (called, refused) = self.called_by(one, call);
        let seen = Call { called, ..call.clone() };
        if let Some(cause) = refused {
            one.cause = cause;
            return;
        }
        one.holds = holds(one.plan, &one.route.rules, &ingress.policy.tags, &seen, self.wrong);
        one.cause = 310;
        if !one.holds || (one.plan.order == Order::Percent && one.route.percent == 0) {
            return;
        }
        let trunk = self.model.egress_trunks.iter().find(|trunk| trunk.id.0 == one.trunk).unwrap();
        let carrier = self.model.carriers.iter().find(|carrier| carrier.id == trunk.carrier).unwrap();
        one.cause = if !trunk.active {
            309
        } else if carrier.blocked {
            311
        } else if !trunk.policy.nodes.is_empty() && !trunk.policy.nodes.contains(&call.node) {
            337
        } else if trunk.carrier == ingress.carrier && !ingress.policy.own_terminators {
            339
        } else {
            // Where it goes was judged by the number as admitted.
            let to = Call { called: call.called.clone(), ..call.clone() };
            one.buy = self.rate((trunk.override_deck, trunk.buy_deck), &seen.called, &to, trunk.account.0);
            match &one.buy {
                None => 405,
                Some(buy) => {
                    let worth = self.exchange(buy.currencies.0, sell.currencies.1, call.at);
                    one.price = nearest(buy.per_minute * worth, ONE);
                    let sold = nearest(sell.per_minute * sell.exchange, ONE);
                    if buy.blocked {
                        331
                    } else if is_above(nearest(self.dearest(buy) * worth, ONE), &prices.buy_per_minute_max) {
                        428
                    } else {
                        self.margin(one.plan, sold, one.price)
                    }
                }
            }
        };
    }

    /// The destination by the candidate's plan: failover plans have lists and rewrites here, written as prefixes.
    fn called_by(&self, one: &Candidate<'a>, call: &Call) -> (String, Option<u16>) {
        let policy = &one.plan.policy;
        if one.depth == 0 || self.wrong == Wrong::FailoverRulesForgotten {
            return (call.called.clone(), None);
        }
        if policy.numbers.called_deny.iter().any(|line| call.called.starts_with(&line.value)) {
            return (call.called.clone(), Some(325));
        }
        let mut called = call.called.clone();
        for rule in &policy.rewrite {
            if let Some(rest) = called.strip_prefix(rule.pattern.strip_prefix('^').unwrap()) {
                called = format!("{}{rest}", rule.replacement);
            }
        }
        (called, None)
    }

    /// A minute within the minimum, if there is one, or after it.
    fn dearest(&self, quoted: &Quoted) -> i128 {
        let counts = quoted.minimum > 0 && self.wrong != Wrong::DearFirstMinuteForgotten;
        if counts { quoted.first.max(quoted.per_minute) } else { quoted.per_minute }
    }

    /// 324 where too little is left of the sell price.
    fn margin(&self, plan: &Plan, sell: i128, buy: i128) -> u16 {
        let left = sell - buy;
        let guard = i128::from(plan.margin_min.nanos());
        let percent = Some(&plan.rules.margin_percent).filter(|text| !text.is_empty()).map(|text| nanos(text));
        // left / sell >= percent / 100, without a division.
        let is_enough = percent.is_none_or(|percent| left * 100 * 1_000_000_000 >= sell * percent);
        let is_wrong = self.wrong == Wrong::MarginForgotten;
        if is_wrong || (left >= guard && is_enough) { 0 } else { 324 }
    }

    /// The places of candidates in the order to try them; marks those that stand behind a stop or twice.
    fn settle(&self, all: &mut [Candidate<'a>], seed: u64) -> Vec<usize> {
        let mut order = Vec::new();
        for depth in 0..3 {
            let fitting = (0..all.len()).filter(|place| all[*place].cause == 0 && all[*place].depth == depth);
            order.extend(self.rank(all, fitting.collect(), seed, depth));
        }
        let (mut tried, mut stop) = (Vec::<usize>::new(), None);
        for place in order {
            let twice = tried.iter().any(|earlier| all[*earlier].trunk == all[place].trunk);
            if twice || stop.is_some_and(|stop| stop != all[place].id()) {
                all[place].cause = 310;
                continue;
            }
            if all[place].route.rules.stop && stop.is_none() {
                stop = Some(all[place].id());
            }
            tried.push(place);
        }
        tried
    }

    fn rank(&self, all: &[Candidate<'a>], fitting: Vec<usize>, seed: u64, depth: usize) -> Vec<usize> {
        // Routes by the number that names them, each with its candidates by trunk.
        let mut routes: BTreeMap<(u64, usize), Vec<usize>> = BTreeMap::new();
        for place in fitting {
            routes.entry((all[place].key(), all[place].place)).or_default().push(place);
        }
        let mut rows: Vec<Row<'_>> = Vec::new();
        for ((key, _), mut members) in routes {
            members.sort_by_key(|place| all[*place].trunk);
            let price = members.iter().map(|place| all[*place].price).min().unwrap();
            let first = &all[members[0]];
            let weights: Vec<u64> = members.iter().map(|place| u64::from(all[*place].member.2)).collect();
            let turns = drawn(seed, (1 << 49) + key * 256, &weights);
            let turn = |place: &usize| turns.iter().position(|turn| members[*turn] == *place);
            let mut sorted = members.clone();
            sorted.sort_by_key(|place| {
                let (far, priority, _) = all[*place].member;
                (far, Reverse(priority), turn(place), all[*place].trunk)
            });
            let forced = number(seed, (1 << 40) + key) % 100 < u64::from(first.route.rules.force_percent);
            let explored = number(seed, (1 << 41) + key) % 100 < u64::from(first.plan.policy.quality.explore_percent());
            let merits = members.iter().map(|place| merit(all[*place].index, explored));
            let merit = merits.max().filter(|_| self.wrong != Wrong::QualityForgotten).unwrap_or_default();
            rows.push(Row { key, price, route: first.route, members: sorted, forced, merit, band: 0 });
        }
        let Some(plan) = rows.first().map(|row| all[row.members[0]].plan) else { return Vec::new() };
        self.sort(plan, &mut rows, seed, depth);
        rows.into_iter().flat_map(|row| row.members).collect()
    }

    fn sort(&self, plan: &Plan, rows: &mut [Row<'_>], seed: u64, depth: usize) {
        if plan.order == Order::Percent {
            let shares: Vec<u64> = rows.iter().map(|row| u64::from(row.route.percent)).collect();
            for (band, winner) in drawn(seed, (1 << 48) + depth as u64 * 256, &shares).into_iter().enumerate() {
                rows[winner].band = band;
            }
        }
        if plan.order == Order::Lcr && self.wrong != Wrong::BandsForgotten {
            bands(plan, rows);
        }
        let chance = |row: &Row<'_>| (number(seed, row.key), row.key);
        let wrong = self.wrong == Wrong::LowPriorityFirst;
        let priority = |row: &Row<'_>| i32::from(row.route.priority) * if wrong { 1 } else { -1 };
        match plan.order {
            Order::Lcr => rows.sort_by_key(|row| (!row.forced, row.band, priority(row), row.price, chance(row))),
            Order::Priority => rows.sort_by_key(|row| (!row.forced, priority(row), row.price, chance(row))),
            Order::Weight => {
                rows.sort_by_key(|row| (!row.forced, row.route.weight, row.price, priority(row), chance(row)))
            }
            Order::Percent => rows.sort_by_key(|row| (!row.forced, row.band, chance(row))),
            Order::Quality => {
                rows.sort_by_key(|row| (!row.forced, Reverse(row.merit), row.price, priority(row), chance(row)))
            }
        }
    }
}

/// A route that may be tried.
struct Row<'a> {
    key: u64,
    price: i128,
    route: &'a PlanRoute,
    members: Vec<usize>,
    forced: bool,
    /// Worst first: unknown, by index, tried to find out.
    merit: (u8, i64),
    band: usize,
}

fn merit(index: Option<i64>, explored: bool) -> (u8, i64) {
    match index {
        Some(index) => (1, index),
        None => (if explored { 2 } else { 0 }, 0),
    }
}

/// Numbers the bands: each begins with the cheapest price that is in none.
fn bands(plan: &Plan, rows: &mut [Row<'_>]) {
    let (width, percent) = (nanos(&plan.rules.near_price), nanos(&plan.rules.near_percent));
    let mut prices: Vec<i128> = rows.iter().map(|row| row.price).collect();
    prices.sort_unstable();
    let (mut band, mut ends) = (0, None);
    for price in prices {
        if ends.is_some_and(|ends| price > ends) {
            band += 1;
            ends = None;
        }
        ends = ends.or(Some(price + width.max(price * percent / 100_000_000_000)));
        rows.iter_mut().filter(|row| row.price == price).for_each(|row| row.band = band);
    }
}

fn outcome(all: &[Candidate<'_>], tried: &[usize], sell: Quoted) -> Outcome {
    let named = |place: &usize| (all[*place].trunk, all[*place].plan.id.0);
    let kept = &tried[..tried.len().min(16)];
    let rated = |place: &usize| (named(place).0, named(place).1, all[*place].buy.clone().unwrap());
    let surplus = tried[kept.len()..].iter().map(|place| (named(place).0, named(place).1, 0));
    let dropped = (0..all.len()).filter(|place| all[*place].cause != 0);
    let dropped = dropped.map(|place| (named(&place).0, named(&place).1, all[place].cause));
    let others: Vec<_> = surplus.chain(dropped).collect();
    let mut causes: Vec<u16> = others.iter().map(|other| other.2).collect();
    causes.retain(|cause| [340, 428, 324, 331, 339, 322, 321, 326, 325, 338, 410, 411].contains(cause));
    causes.sort_unstable();
    causes.dedup();
    let only = if causes.len() == 1 { causes[0] } else { 310 };
    let refusal = kept.is_empty().then_some(only);
    Outcome { sell: Some(sell), tried: kept.iter().map(rated).collect(), others, refusal }
}

/// Whether a route's conditions hold. Expressions are written as `^` and literal digits, so that no expression engine is needed here.
fn holds(plan: &Plan, rules: &RouteRules, tags: &[String], call: &Call, wrong: Wrong) -> bool {
    let begins = |expression: &str, number: &str| number.starts_with(expression.strip_prefix('^').unwrap());
    let fits = |expression: &str, number: &str| expression.is_empty() || begins(expression, number);
    let hits = |expression: &str, number: &str| !expression.is_empty() && begins(expression, number);
    let lies = |names: &[String], number: &str| {
        let number = number.trim_start_matches('+');
        let areas = plan.rules.areas.iter().filter(|area| names.contains(&area.name));
        names.is_empty() || areas.flat_map(|area| &area.prefixes).any(|prefix| number.starts_with(prefix.as_str()))
    };
    let tagged = rules.tags.is_empty() || rules.tags.iter().any(|tag| tags.contains(tag));
    rules.active
        && (tagged || wrong == Wrong::TagsForgotten)
        && lies(&rules.called_areas, &call.called)
        && lies(&rules.calling_areas, &call.calling)
        && fits(&rules.called_match, &call.called)
        && !hits(&rules.called_deny, &call.called)
        && fits(&rules.calling_match, &call.calling)
        && !hits(&rules.calling_deny, &call.calling)
        && (open(plan, rules, call.at) || wrong == Wrong::WindowsForgotten)
}

/// Whether the moment lies in one of a route's windows, on the clock of the plan.
fn open(plan: &Plan, rules: &RouteRules, at: i64) -> bool {
    let changes: Vec<_> = plan.offsets.iter().map(|change| (change.from.micros(), change.ahead_s)).collect();
    let (weekday, minute) = clock(&changes, at);
    let (day, shown) = (DAYS[weekday as usize], format!("{:02}:{:02}", minute / 60, minute % 60));
    let within = |window: &Window| {
        let is_day = window.days.is_empty() || window.days.iter().any(|one| one == day);
        is_day && window.from <= shown && (window.till.is_empty() || shown < window.till)
    };
    rules.hours.is_empty() || rules.hours.iter().any(within)
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A decimal in nano-units; 0 for an empty text.
fn nanos(text: &str) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<9}").parse().unwrap_or(0)
}

/// Places in a drawn order: each next one with a chance of its weight among those left, those without weight last.
fn drawn(seed: u64, first: u64, weights: &[u64]) -> Vec<usize> {
    let mut left: Vec<usize> = (0..weights.len()).collect();
    let mut turns = Vec::new();
    while left.len() > 1 {
        let sum: u64 = left.iter().map(|place| weights[*place]).sum();
        let mut ticket = number(seed, first + turns.len() as u64) % sum.max(1);
        let winner = left.iter().position(|place| match ticket.checked_sub(weights[*place]) {
            Some(rest) => {
                ticket = rest;
                false
            }
            None => true,
        });
        turns.push(left.remove(winner.unwrap_or(0)));
    }
    turns.extend(left);
    turns
}

/// The `place`-th number of the generator SplitMix64 (Steele, Lea, Flood 2014) that starts with this seed: what a seed means.
fn number(seed: u64, place: u64) -> u64 {
    const MASK: u128 = u64::MAX as u128;
    let state = (u128::from(seed) + (u128::from(place) + 1) * 0x9e37_79b9_7f4a_7c15) & MASK;
    let mixed = ((state ^ state >> 30) * 0xbf58_476d_1ce4_e5b9) & MASK;
    let mixed = ((mixed ^ mixed >> 27) * 0x94d0_49bb_1331_11eb) & MASK;
    (mixed ^ mixed >> 31) as u64
}
