//! The YAML's shape, and its way into drafts. References are still codes here; they become ids in `change`.

use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;
use serde_saphyr::Spanned;
use snapshot::{CarrierLimits, ExchangeRate, Limits, Order, PlanRules, Policy, Rate, RouteRules, Source};
use store::{AccountKind, Caps, Thresholds};
use units::{Currency, Money, Rounding, WallTime};

use super::read::{Place, Reader, Text, any, currency, flag, moment, money, number};
use super::{Input, Mistake, decks};

/// Lists of the file; each may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Document {
    base_currency: Text,
    exchange_rates: Vec<Spanned<ExchangeText>>,
    switch: Option<Spanned<SwitchText>>,
    carriers: Vec<Spanned<CarrierText>>,
    accounts: Vec<Spanned<AccountText>>,
    decks: Vec<Spanned<decks::DeckText>>,
    egress_trunks: Vec<Spanned<EgressText>>,
    trunk_groups: Vec<Spanned<GroupText>>,
    plans: Vec<Spanned<PlanText>>,
    ingress_trunks: Vec<Spanned<IngressText>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ExchangeText {
    currency: Text,
    value: Text,
    from: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CarrierText {
    code: Text,
    name: Text,
    blocked: Text,
    capacity: Text,
    originator_capacity: Text,
    ingress_capacity: Text,
    ingress_cps: Text,
    ingress_cps_window_s: Text,
    egress_capacity: Text,
    egress_cps: Text,
    egress_cps_window_s: Text,
    policy: Option<Spanned<Policy>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SwitchText {
    capacity: Text,
    cps: Text,
    cps_window_s: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AccountText {
    code: Text,
    carrier: Text,
    currency: Text,
    kind: Text,
    credit_limit: Text,
    zone: Text,
    day_cap: Text,
    month_cap: Text,
    netted: Text,
    owed_limit: Text,
    notice_low: Text,
    notice_high: Text,
    notice_mail: Text,
    notice_url: Text,
    payments: Vec<Spanned<PaymentText>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PaymentText {
    reference: Text,
    amount: Text,
    note: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct EgressText {
    code: Text,
    carrier: Text,
    account: Text,
    address: Text,
    strip_digits: Text,
    add_prefix: Text,
    buy_deck: Text,
    override_deck: Text,
    capacity: Text,
    cps: Text,
    active: Text,
    progress_timeout_s: Text,
    ring_timeout_s: Text,
    policy: Option<Spanned<Policy>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct GroupText {
    code: Text,
    members: Vec<Spanned<MemberText>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct MemberText {
    egress_trunk: Text,
    priority: Text,
    weight: Text,
    nodes: Vec<u16>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PlanText {
    code: Text,
    order: Text,
    margin_min: Text,
    attempts_max: Text,
    setup_timeout_s: Text,
    routes: Vec<Spanned<RouteText>>,
    failover: Text,
    rules: Option<Spanned<PlanRules>>,
    policy: Option<Spanned<Policy>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RouteText {
    egress_trunk: Text,
    trunk_group: Text,
    priority: Text,
    weight: Text,
    percent: Text,
    rules: Option<Spanned<RouteRules>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WaysText {
    inter: WayText,
    intra: WayText,
    indeterminate: WayText,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WayText {
    plan: Text,
    sell_deck: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct IngressText {
    code: Text,
    carrier: Text,
    account: Text,
    sources: Vec<Spanned<String>>,
    tech_prefix: Text,
    plan: Text,
    sell_deck: Text,
    override_deck: Text,
    ways: WaysText,
    capacity: Text,
    cps: Text,
    active: Text,
    max_duration_s: Text,
    media_timeout_s: Text,
    policy: Option<Spanned<Policy>>,
}

/// What the file wants, each with its place.
#[derive(Debug, Default)]
pub struct Wanted {
    pub base_currency: Option<(Place, Currency)>,
    pub exchange_rates: Vec<(Place, ExchangeRate)>,
    /// What the whole switch may have.
    pub switch: Option<(Place, Limits)>,
    pub carriers: Vec<(Place, store::CarrierDraft)>,
    pub accounts: Vec<(Place, Account)>,
    pub decks: Vec<(Place, Deck)>,
    pub egress_trunks: Vec<(Place, Egress)>,
    pub trunk_groups: Vec<(Place, Group)>,
    pub plans: Vec<(Place, Plan)>,
    pub ingress_trunks: Vec<(Place, Ingress)>,
}

/// An account; `carrier` is a code.
#[derive(Debug)]
pub struct Account {
    pub code: String,
    pub carrier: String,
    pub currency: Currency,
    pub kind: AccountKind,
    pub credit_limit: Option<Money>,
    pub caps: Caps,
    pub netted: bool,
    pub owed_limit: Option<Money>,
    pub thresholds: Thresholds,
    pub payments: Vec<(Place, Payment)>,
}

/// Money that the carrier paid.
#[derive(Debug)]
pub struct Payment {
    pub reference: String,
    pub amount: Money,
    pub note: String,
}

/// A deck with all its rates, in order of prefix and date.
#[derive(Debug)]
pub struct Deck {
    pub draft: store::DeckDraft,
    /// How it is computed, with the codes of the decks that it is computed from; they stand before it in the file or in the store.
    pub derived: Option<(Vec<String>, rating::derive::Derived)>,
    pub rates: Vec<Rate>,
    /// Where the rates came from.
    pub source: String,
}

/// An egress trunk; carrier, account and deck are codes.
#[derive(Debug)]
pub struct Egress {
    pub code: String,
    pub carrier: String,
    pub account: String,
    pub buy_deck: String,
    pub override_deck: Option<String>,
    pub address: SocketAddr,
    pub strip_digits: u8,
    pub add_prefix: String,
    pub capacity: u32,
    pub cps: u32,
    pub active: bool,
    pub progress_timeout_s: u16,
    pub ring_timeout_s: u16,
    pub policy: Policy,
}

/// A trunk group; its trunks are codes.
#[derive(Debug)]
pub struct Group {
    pub code: String,
    pub members: Vec<(Place, Member)>,
}

/// One trunk of a group.
#[derive(Debug)]
pub struct Member {
    pub egress_trunk: String,
    pub priority: i16,
    pub weight: u16,
    pub nodes: Vec<u16>,
}

/// A plan; the trunks and groups of its routes and its failover plan are codes.
#[derive(Debug)]
pub struct Plan {
    pub code: String,
    pub order: Order,
    pub margin_min: Money,
    pub attempts_max: u8,
    pub setup_timeout_s: u16,
    pub routes: Vec<(Place, Route)>,
    pub failover: Option<String>,
    pub rules: PlanRules,
    pub policy: Policy,
}

/// A route of a plan; either a trunk or a group is named.
#[derive(Debug)]
pub struct Route {
    pub egress_trunk: Option<String>,
    pub trunk_group: Option<String>,
    pub priority: i16,
    pub weight: u16,
    pub percent: u8,
    pub rules: RouteRules,
}

/// An ingress trunk; carrier, account, plan and deck are codes.
#[derive(Debug)]
pub struct Ingress {
    pub code: String,
    pub carrier: String,
    pub account: String,
    pub plan: String,
    pub sell_deck: String,
    pub override_deck: Option<String>,
    /// Codes of a plan and a deck for inter, intra and indeterminate calls.
    pub ways: [(Option<String>, Option<String>); 3],
    pub sources: Vec<Source>,
    pub tech_prefix: String,
    pub capacity: u32,
    pub cps: u32,
    pub active: bool,
    pub max_duration_s: u32,
    pub media_timeout_s: u16,
    pub policy: Policy,
}

/// Reads the whole file; all mistakes that can be seen at once are told at once.
pub fn parse(input: &Input) -> Result<Wanted, Vec<Mistake>> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_nodes: 20_000_000, max_events: 40_000_000 },
        no_schema: false,
        with_snippet: false,
    };
    let document: Document = if input.yaml.trim().is_empty() {
        Document::default()
    } else {
        serde_saphyr::from_str_with_options(&input.yaml, options).map_err(|error| vec![syntax(&input.name, &error)])?
    };
    let mut reader = Reader::new(&input.name);
    let mut place = Place::default();
    let base_currency = reader.may(&mut place, "base_currency", &document.base_currency, currency).flatten();
    let wanted = Wanted {
        base_currency: base_currency.map(|base| (place, base)),
        switch: document.switch.as_ref().and_then(|text| {
            let mut place = Place::new("switch".into(), &text.referenced);
            switch(&mut reader, &mut place, &text.value).map(|limits| (place, limits))
        }),
        exchange_rates: each(&mut reader, "exchange_rates", &document.exchange_rates, exchange_rate),
        carriers: each(&mut reader, "carriers", &document.carriers, carrier),
        accounts: each(&mut reader, "accounts", &document.accounts, account),
        decks: each(&mut reader, "decks", &document.decks, |reader, place, text| {
            decks::deck(reader, place, text, &input.files)
        }),
        egress_trunks: each(&mut reader, "egress_trunks", &document.egress_trunks, egress),
        trunk_groups: each(&mut reader, "trunk_groups", &document.trunk_groups, group),
        plans: each(&mut reader, "plans", &document.plans, plan),
        ingress_trunks: each(&mut reader, "ingress_trunks", &document.ingress_trunks, ingress),
    };
    twice(&mut reader, wanted.carriers.iter().map(|(place, carrier)| (place, carrier.code.as_str())));
    twice(&mut reader, wanted.accounts.iter().map(|(place, account)| (place, account.code.as_str())));
    twice(&mut reader, wanted.decks.iter().map(|(place, deck)| (place, deck.draft.code.as_str())));
    twice(&mut reader, wanted.egress_trunks.iter().map(|(place, trunk)| (place, trunk.code.as_str())));
    twice(&mut reader, wanted.trunk_groups.iter().map(|(place, group)| (place, group.code.as_str())));
    twice(&mut reader, wanted.plans.iter().map(|(place, plan)| (place, plan.code.as_str())));
    twice(&mut reader, wanted.ingress_trunks.iter().map(|(place, trunk)| (place, trunk.code.as_str())));
    if reader.mistakes.is_empty() { Ok(wanted) } else { Err(reader.mistakes) }
}

/// What the YAML reader says: not YAML, an unknown field, a list where a value belongs.
fn syntax(file: &str, error: &serde_saphyr::Error) -> Mistake {
    let (line, column) = error.location().map_or((0, 0), |at| super::read::point(&at));
    let said = error.without_snippet().to_string();
    // The place is told in front; the reader's own words end with it once more.
    let why = said.split(" at line ").next().unwrap_or(&said).to_owned();
    Mistake { file: file.to_owned(), line, column, field: String::new(), why }
}

fn twice<'a>(reader: &mut Reader, codes: impl Iterator<Item = (&'a Place, &'a str)>) {
    let mut seen = std::collections::BTreeSet::new();
    for (place, code) in codes {
        if !seen.insert(code) {
            reader.wrong(place, "code", format!("{code:?} stands in the file twice"));
        }
    }
}

/// Reads a list; items with mistakes are left out.
pub(super) fn each<T, V>(
    reader: &mut Reader,
    list: &str,
    items: &[Spanned<T>],
    mut one: impl FnMut(&mut Reader, &mut Place, &T) -> Option<V>,
) -> Vec<(Place, V)> {
    let mut values = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let mut place = Place::new(format!("{list}[{index}]"), &item.referenced);
        if let Some(value) = one(reader, &mut place, &item.value) {
            values.push((place, value));
        }
    }
    values
}

fn exchange_rate(r: &mut Reader, p: &mut Place, t: &ExchangeText) -> Option<ExchangeRate> {
    let currency = r.must(p, "currency", &t.currency, currency);
    let value = r.must(p, "value", &t.value, money);
    let from = r.or(p, "from", &t.from, WallTime::from_micros(0), moment);
    Some(ExchangeRate { currency: currency?, from: from?, value: value? })
}

fn switch(r: &mut Reader, p: &mut Place, t: &SwitchText) -> Option<Limits> {
    let capacity = r.or(p, "capacity", &t.capacity, 0, number);
    let cps = r.or(p, "cps", &t.cps, 0, number);
    let cps_window_s = r.or(p, "cps_window_s", &t.cps_window_s, 0, number);
    Some(Limits { capacity: capacity?, cps: cps?, cps_window_s: cps_window_s? })
}

fn carrier(r: &mut Reader, p: &mut Place, t: &CarrierText) -> Option<store::CarrierDraft> {
    let code = r.must(p, "code", &t.code, any);
    let name = r.or(p, "name", &t.name, String::new(), any);
    let blocked = r.or(p, "blocked", &t.blocked, false, flag);
    let limits = CarrierLimits {
        ingress: Limits {
            capacity: r.or(p, "ingress_capacity", &t.ingress_capacity, 0, number)?,
            cps: r.or(p, "ingress_cps", &t.ingress_cps, 0, number)?,
            cps_window_s: r.or(p, "ingress_cps_window_s", &t.ingress_cps_window_s, 0, number)?,
        },
        egress: Limits {
            capacity: r.or(p, "egress_capacity", &t.egress_capacity, 0, number)?,
            cps: r.or(p, "egress_cps", &t.egress_cps, 0, number)?,
            cps_window_s: r.or(p, "egress_cps_window_s", &t.egress_cps_window_s, 0, number)?,
        },
        capacity: r.or(p, "capacity", &t.capacity, 0, number)?,
        originator_capacity: r.or(p, "originator_capacity", &t.originator_capacity, 0, number)?,
    };
    let policy = policy(p, &t.policy);
    Some(store::CarrierDraft { code: code?, name: name?, blocked: blocked?, limits, policy })
}

fn account(r: &mut Reader, p: &mut Place, t: &AccountText) -> Option<Account> {
    let code = r.must(p, "code", &t.code, any);
    let carrier = r.must(p, "carrier", &t.carrier, any);
    let currency = r.or(p, "currency", &t.currency, Currency::USD, currency);
    let kind = r.or(p, "kind", &t.kind, AccountKind::Prepaid, |text| match text {
        "prepaid" => Ok(AccountKind::Prepaid),
        "postpaid" => Ok(AccountKind::Postpaid),
        _ => Err("is neither prepaid nor postpaid".into()),
    });
    let credit_limit = r.may(p, "credit_limit", &t.credit_limit, money);
    let caps = Caps {
        zone: r.or(p, "zone", &t.zone, String::new(), any)?,
        day: r.may(p, "day_cap", &t.day_cap, money)?,
        month: r.may(p, "month_cap", &t.month_cap, money)?,
    };
    let netted = r.or(p, "netted", &t.netted, false, flag);
    let owed_limit = r.may(p, "owed_limit", &t.owed_limit, money);
    let thresholds = Thresholds {
        low: r.may(p, "notice_low", &t.notice_low, money)?,
        high: r.may(p, "notice_high", &t.notice_high, money)?,
        mail: r.or(p, "notice_mail", &t.notice_mail, String::new(), any)?,
        url: r.or(p, "notice_url", &t.notice_url, String::new(), any)?,
    };
    let list = format!("{}.payments", p.path);
    let payments = each(r, &list, &t.payments, payment);
    Some(Account {
        code: code?,
        carrier: carrier?,
        currency: currency?,
        kind: kind?,
        credit_limit: credit_limit?,
        caps,
        netted: netted?,
        owed_limit: owed_limit?,
        thresholds,
        payments,
    })
}

fn payment(r: &mut Reader, p: &mut Place, t: &PaymentText) -> Option<Payment> {
    let reference = r.must(p, "reference", &t.reference, any);
    let amount = r.must(p, "amount", &t.amount, money);
    let note = r.or(p, "note", &t.note, String::new(), any);
    Some(Payment { reference: reference?, amount: amount?, note: note? })
}

fn egress(r: &mut Reader, p: &mut Place, t: &EgressText) -> Option<Egress> {
    let code = r.must(p, "code", &t.code, any);
    let carrier = r.must(p, "carrier", &t.carrier, any);
    let account = r.must(p, "account", &t.account, any);
    let buy_deck = r.must(p, "buy_deck", &t.buy_deck, any);
    let override_deck = r.may(p, "override_deck", &t.override_deck, any);
    let address = r.must(p, "address", &t.address, |text| {
        text.parse().map_err(|_| "is not an address with a port such as 192.0.2.1:5060 or [2001:db8::1]:5060".into())
    });
    let strip_digits = r.or(p, "strip_digits", &t.strip_digits, 0, number);
    let add_prefix = r.or(p, "add_prefix", &t.add_prefix, String::new(), any);
    let capacity = r.or(p, "capacity", &t.capacity, 0, number);
    let cps = r.or(p, "cps", &t.cps, 0, number);
    let active = r.or(p, "active", &t.active, true, flag);
    let progress_timeout_s = r.or(p, "progress_timeout_s", &t.progress_timeout_s, 0, number);
    let ring_timeout_s = r.or(p, "ring_timeout_s", &t.ring_timeout_s, 0, number);
    Some(Egress {
        code: code?,
        carrier: carrier?,
        account: account?,
        buy_deck: buy_deck?,
        override_deck: override_deck?,
        address: address?,
        strip_digits: strip_digits?,
        add_prefix: add_prefix?,
        capacity: capacity?,
        cps: cps?,
        active: active?,
        progress_timeout_s: progress_timeout_s?,
        ring_timeout_s: ring_timeout_s?,
        policy: policy(p, &t.policy),
    })
}

fn plan(r: &mut Reader, p: &mut Place, t: &PlanText) -> Option<Plan> {
    let code = r.must(p, "code", &t.code, any);
    let order = r.or(p, "order", &t.order, Order::Lcr, |text| match text {
        "lcr" => Ok(Order::Lcr),
        "priority" => Ok(Order::Priority),
        "weight" => Ok(Order::Weight),
        "percent" => Ok(Order::Percent),
        "quality" => Ok(Order::Quality),
        _ => Err("is none of lcr, priority, weight, percent, quality".into()),
    });
    let margin_min = r.or(p, "margin_min", &t.margin_min, Money::ZERO, money);
    let attempts_max = r.or(p, "attempts_max", &t.attempts_max, 4, number);
    let setup_timeout_s = r.or(p, "setup_timeout_s", &t.setup_timeout_s, 0, number);
    let list = format!("{}.routes", p.path);
    let routes = each(r, &list, &t.routes, route);
    let failover = r.may(p, "failover", &t.failover, any);
    Some(Plan {
        code: code?,
        order: order?,
        margin_min: margin_min?,
        attempts_max: attempts_max?,
        setup_timeout_s: setup_timeout_s?,
        routes,
        failover: failover?,
        rules: rules(p, &t.rules),
        policy: policy(p, &t.policy),
    })
}

/// A policy is checked when its object is put; its mistakes are told at the line where it begins.
fn policy(p: &mut Place, t: &Option<Spanned<Policy>>) -> Policy {
    let Some(text) = t else { return Policy::default() };
    p.fields.insert("policy", super::read::point(&text.referenced));
    text.value.clone()
}

/// Rules are checked when their plan is put; their mistakes are told at the line where they begin.
fn rules<T: Clone + Default>(p: &mut Place, t: &Option<Spanned<T>>) -> T {
    let Some(text) = t else { return T::default() };
    p.fields.insert("rules", super::read::point(&text.referenced));
    text.value.clone()
}

fn route(r: &mut Reader, p: &mut Place, t: &RouteText) -> Option<Route> {
    let egress_trunk = r.may(p, "egress_trunk", &t.egress_trunk, any)?;
    let trunk_group = r.may(p, "trunk_group", &t.trunk_group, any)?;
    if egress_trunk.is_some() == trunk_group.is_some() {
        r.wrong(p, "", "names not exactly one of egress_trunk and trunk_group");
        return None;
    }
    let priority = r.or(p, "priority", &t.priority, 0, number);
    let weight = r.or(p, "weight", &t.weight, 0, number);
    let percent = r.or(p, "percent", &t.percent, 0, number);
    let rules = rules(p, &t.rules);
    Some(Route { egress_trunk, trunk_group, priority: priority?, weight: weight?, percent: percent?, rules })
}

fn group(r: &mut Reader, p: &mut Place, t: &GroupText) -> Option<Group> {
    let code = r.must(p, "code", &t.code, any);
    let list = format!("{}.members", p.path);
    let members = each(r, &list, &t.members, |r, p, t| {
        let egress_trunk = r.must(p, "egress_trunk", &t.egress_trunk, any);
        let priority = r.or(p, "priority", &t.priority, 0, number);
        let weight = r.or(p, "weight", &t.weight, 1, number);
        let nodes = t.nodes.clone();
        Some(Member { egress_trunk: egress_trunk?, priority: priority?, weight: weight?, nodes })
    });
    Some(Group { code: code?, members })
}

/// What mistakes call the plan and the deck of each way.
pub const WAY_FIELDS: [[&str; 2]; 3] = [
    ["ways.inter.plan", "ways.inter.sell_deck"],
    ["ways.intra.plan", "ways.intra.sell_deck"],
    ["ways.indeterminate.plan", "ways.indeterminate.sell_deck"],
];

fn ingress(r: &mut Reader, p: &mut Place, t: &IngressText) -> Option<Ingress> {
    let code = r.must(p, "code", &t.code, any);
    let carrier = r.must(p, "carrier", &t.carrier, any);
    let account = r.must(p, "account", &t.account, any);
    let plan = r.must(p, "plan", &t.plan, any);
    let sell_deck = r.must(p, "sell_deck", &t.sell_deck, any);
    let override_deck = r.may(p, "override_deck", &t.override_deck, any);
    let mut ways = [(None, None), (None, None), (None, None)];
    let texts = [&t.ways.inter, &t.ways.intra, &t.ways.indeterminate];
    for ((way, text), [plan_field, deck_field]) in ways.iter_mut().zip(texts).zip(WAY_FIELDS) {
        *way = (r.may(p, plan_field, &text.plan, any)?, r.may(p, deck_field, &text.sell_deck, any)?);
    }
    let list = format!("{}.sources", p.path);
    let written = each(r, &list, &t.sources, |reader, place, text| {
        let read = source(text.trim());
        read.map_err(|why| reader.wrong(place, "", format!("{text:?} {why}"))).ok()
    });
    let tech_prefix = r.or(p, "tech_prefix", &t.tech_prefix, String::new(), any);
    let capacity = r.or(p, "capacity", &t.capacity, 0, number);
    let cps = r.or(p, "cps", &t.cps, 0, number);
    let active = r.or(p, "active", &t.active, true, flag);
    let max_duration_s = r.or(p, "max_duration_s", &t.max_duration_s, 0, number);
    let media_timeout_s = r.or(p, "media_timeout_s", &t.media_timeout_s, 0, number);
    Some(Ingress {
        code: code?,
        carrier: carrier?,
        account: account?,
        plan: plan?,
        sell_deck: sell_deck?,
        override_deck: override_deck?,
        ways,
        sources: written.into_iter().map(|(_, source)| source).collect(),
        tech_prefix: tech_prefix?,
        capacity: capacity?,
        cps: cps?,
        active: active?,
        max_duration_s: max_duration_s?,
        media_timeout_s: media_timeout_s?,
        policy: policy(p, &t.policy),
    })
}

/// `192.0.2.1`, `192.0.2.1:5060`, `192.0.2.0/24`, `192.0.2.0/24:5060`, `2001:db8::/32`, `[2001:db8::1]:5060`.
pub fn source(text: &str) -> Result<Source, String> {
    let help = "is not a source such as 192.0.2.1, 192.0.2.0/24, 192.0.2.1:5060 or [2001:db8::]/32";
    let (network, rest) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or(help)?,
        None => match text.find('/') {
            Some(slash) => text.split_at(slash),
            None if text.parse::<IpAddr>().is_ok() => (text, ""),
            None => text.find(':').map_or((text, ""), |colon| text.split_at(colon)),
        },
    };
    let network: IpAddr = network.parse().map_err(|_| help)?;
    let most: u8 = if network.is_ipv4() { 32 } else { 128 };
    let (bits, port) = match rest.strip_prefix('/') {
        Some(rest) => rest.split_once(':').map_or((rest, None), |(bits, port)| (bits, Some(port))),
        None => ("", rest.strip_prefix(':')),
    };
    if port.is_none() && !rest.is_empty() && !rest.starts_with('/') {
        return Err(help.into());
    }
    let bits = if bits.is_empty() && !rest.starts_with('/') { most } else { bits.parse().map_err(|_| help)? };
    let port = port.map_or(Ok(0), str::parse).map_err(|_| help)?;
    if bits > most {
        return Err(format!("has more than {most} bits"));
    }
    Ok(Source { network, bits, port })
}

/// Up, to the nearest or down.
pub fn rounding(text: &str) -> Result<Rounding, String> {
    match text {
        "ceil" => Ok(Rounding::Ceil),
        "round" => Ok(Rounding::Round),
        "floor" => Ok(Rounding::Floor),
        _ => Err("is none of ceil, round, floor".into()),
    }
}
