//! Compares what the file wants with what stands, object by object, and changes what differs within the caller's transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use snapshot::{CarrierLimits, GroupMember, Limits, PlanRoute, Policy, Rate, Way, Ways};
use store::{
    AccountDraft, CarrierDraft, DeckDraft, Edit, EgressTrunkDraft, GroupDraft, IngressTrunkDraft, Object, PlanDraft,
};
use store::{StoreError, Stored};
use units::{AccountId, CarrierId, DeckId, EgressTrunkId, PlanId, TrunkGroupId};

use super::read::Place;
use super::text::{Account, Deck, Egress, Group, Ingress, Plan, WAY_FIELDS, Wanted};
use super::{Action, ApplyError, Change, Input};

/// Fields in words, for the diff.
type Words = Vec<(&'static str, String)>;

struct Work<'a> {
    edit: &'a mut Edit,
    file: &'a str,
    changes: Vec<Change>,
    /// Codes by kind and id, to speak of references as people do.
    codes: BTreeMap<(&'static str, u32), String>,
}

/// Makes the configuration as wanted; the result says what was done, in order.
pub async fn changes(edit: &mut Edit, wanted: &Wanted, input: &Input) -> Result<Vec<Change>, ApplyError> {
    let mut work = Work { edit, file: &input.name, changes: Vec::new(), codes: BTreeMap::new() };
    work.currencies(wanted).await?;
    work.switch(wanted).await?;
    work.learn::<CarrierDraft>().await?;
    work.learn::<AccountDraft>().await?;
    work.learn::<DeckDraft>().await?;
    work.learn::<EgressTrunkDraft>().await?;
    work.learn::<GroupDraft>().await?;
    work.learn::<PlanDraft>().await?;
    for (place, draft) in &wanted.carriers {
        work.put(place, draft, carrier_words).await?;
    }
    for (place, account) in &wanted.accounts {
        work.account(place, account).await?;
    }
    for (place, deck) in &wanted.decks {
        work.deck(place, deck).await?;
    }
    for (place, trunk) in &wanted.egress_trunks {
        work.egress(place, trunk).await?;
    }
    for (place, group) in &wanted.trunk_groups {
        work.group(place, group).await?;
    }
    for (place, plan) in targets_first(&wanted.plans) {
        work.plan(place, plan).await?;
    }
    for (place, trunk) in &wanted.ingress_trunks {
        work.ingress(place, trunk).await?;
    }
    work.payments(wanted).await?;
    Ok(work.changes)
}

/// Plans in such an order that each comes after its failover plan. Those in a circle come last, and are refused.
fn targets_first(plans: &[(Place, Plan)]) -> Vec<&(Place, Plan)> {
    let mut left: Vec<&(Place, Plan)> = plans.iter().collect();
    let mut sorted = Vec::with_capacity(left.len());
    loop {
        let waits = |plan: &Plan| left.iter().any(|(_, other)| plan.failover.as_ref() == Some(&other.code));
        let (late, ready): (Vec<_>, Vec<_>) = left.iter().copied().partition(|(_, plan)| waits(plan));
        sorted.extend(&ready);
        if ready.is_empty() || late.is_empty() {
            sorted.extend(late);
            return sorted;
        }
        left = late;
    }
}

impl Work<'_> {
    /// The base currency first: exchange rates count in it.
    async fn currencies(&mut self, wanted: &Wanted) -> Result<(), ApplyError> {
        if let Some((place, base)) = &wanted.base_currency {
            let before = self.edit.base_currency().await?;
            self.edit.set_base_currency(*base).await.map_err(|error| self.at(place, "base_currency", error))?;
            if before != *base {
                self.note(Action::Update, "base currency", base.as_str(), format!("{before} → {base}"));
            }
        }
        let stand = self.edit.exchange_rates().await?;
        for (place, rate) in &wanted.exchange_rates {
            let before = stand.iter().find(|stands| (stands.currency, stands.from) == (rate.currency, rate.from));
            if before == Some(rate) {
                continue;
            }
            self.edit.put_exchange_rate(rate).await.map_err(|error| self.at(place, "value", error))?;
            let action = if before.is_some() { Action::Update } else { Action::Create };
            let detail = before.map_or(rate.value.to_string(), |before| format!("{} → {}", before.value, rate.value));
            self.note(action, "exchange rate", rate.currency.as_str(), detail);
        }
        Ok(())
    }

    /// What the whole switch may have.
    async fn switch(&mut self, wanted: &Wanted) -> Result<(), ApplyError> {
        let Some((place, limits)) = &wanted.switch else { return Ok(()) };
        let before = self.edit.switch_limits().await?;
        if before != *limits {
            self.edit.set_switch_limits(*limits).await.map_err(|error| self.at(place, "cps_window_s", error))?;
            let words = |of: &Limits| format!("{} calls, {} CPS in {} s", of.capacity, of.cps, of.cps_window_s.max(1));
            let detail = format!("{} → {}", words(&before), words(limits));
            self.note(Action::Update, "switch", "limits", detail);
        }
        Ok(())
    }

    /// The id of a deck that may be left out.
    async fn may_find(&mut self, place: &Place, code: Option<&String>) -> Result<Option<DeckId>, ApplyError> {
        let Some(code) = code else { return Ok(None) };
        Ok(Some(DeckId(self.find::<DeckDraft>(place, "override_deck", code).await?)))
    }

    async fn account(&mut self, place: &Place, wanted: &Account) -> Result<(), ApplyError> {
        let draft = AccountDraft {
            code: wanted.code.clone(),
            carrier: CarrierId(self.find::<CarrierDraft>(place, "carrier", &wanted.carrier).await?),
            currency: wanted.currency,
            kind: wanted.kind,
            credit_limit: wanted.credit_limit,
            caps: wanted.caps.clone(),
            netted: wanted.netted,
            owed_limit: wanted.owed_limit,
            thresholds: wanted.thresholds.clone(),
        };
        self.put(place, &draft, account_words).await.map(drop)
    }

    /// Books payments in order of account, as the ledger's other users take their accounts.
    async fn payments(&mut self, wanted: &Wanted) -> Result<(), ApplyError> {
        let mut due = Vec::new();
        for (place, account) in wanted.accounts.iter().filter(|(_, account)| !account.payments.is_empty()) {
            due.push((self.find::<AccountDraft>(place, "code", &account.code).await?, account));
        }
        due.sort_by_key(|(id, _)| *id);
        for (id, account) in due {
            for (place, payment) in &account.payments {
                let booked = self.edit.payment(id, payment.amount, &payment.reference, &payment.note).await;
                let booked = booked.map_err(|error| self.at(place, "reference", error))?;
                if booked.booked {
                    let detail = format!("{} {} to {}", payment.amount, account.currency, account.code);
                    self.note(Action::Create, "payment", &payment.reference, detail);
                }
            }
        }
        Ok(())
    }

    async fn deck(&mut self, place: &Place, wanted: &Deck) -> Result<(), ApplyError> {
        let mut draft = wanted.draft.clone();
        if let Some((codes, rule)) = &wanted.derived {
            let mut rule = rule.clone();
            for code in codes {
                rule.from.push(DeckId(self.find::<DeckDraft>(place, "derived", code).await?));
            }
            draft.derived = Some(rule);
        }
        let (id, made) = self.put(place, &draft, deck_words).await?;
        let stand = if made { Vec::new() } else { self.edit.every_rate(id).await? };
        if stand == wanted.rates {
            return Ok(());
        }
        let done = self.edit.replace_rates(id, &wanted.rates, &format!("apply: {}", wanted.source)).await;
        done.map_err(|error| self.at(place, "rates", error))?;
        let difference = Difference::between(&stand, &wanted.rates);
        if difference.new > 0 || difference.changed > 0 {
            let action = if made { Action::Create } else { Action::Update };
            self.note(action, "rates of deck", &wanted.draft.code, difference.words());
        }
        if difference.gone > 0 {
            self.note(Action::Delete, "rates of deck", &wanted.draft.code, format!("{} gone", difference.gone));
        }
        Ok(())
    }

    async fn egress(&mut self, place: &Place, wanted: &Egress) -> Result<(), ApplyError> {
        let draft = EgressTrunkDraft {
            code: wanted.code.clone(),
            carrier: CarrierId(self.find::<CarrierDraft>(place, "carrier", &wanted.carrier).await?),
            account: AccountId(self.find::<AccountDraft>(place, "account", &wanted.account).await?),
            address: wanted.address,
            strip_digits: wanted.strip_digits,
            add_prefix: wanted.add_prefix.clone(),
            buy_deck: DeckId(self.find::<DeckDraft>(place, "buy_deck", &wanted.buy_deck).await?),
            override_deck: self.may_find(place, wanted.override_deck.as_ref()).await?,
            capacity: wanted.capacity,
            cps: wanted.cps,
            active: wanted.active,
            progress_timeout_s: wanted.progress_timeout_s,
            ring_timeout_s: wanted.ring_timeout_s,
            policy: wanted.policy.clone(),
        };
        self.put(place, &draft, egress_words).await.map(drop)
    }

    async fn group(&mut self, place: &Place, wanted: &Group) -> Result<(), ApplyError> {
        let mut members = Vec::new();
        for (place, member) in &wanted.members {
            let trunk = self.find::<EgressTrunkDraft>(place, "egress_trunk", &member.egress_trunk).await?;
            members.push(GroupMember {
                egress_trunk: EgressTrunkId(trunk),
                priority: member.priority,
                weight: member.weight,
                nodes: member.nodes.clone(),
            });
        }
        self.put(place, &GroupDraft { code: wanted.code.clone(), members }, group_words).await.map(drop)
    }

    async fn plan(&mut self, place: &Place, wanted: &Plan) -> Result<(), ApplyError> {
        let mut routes = Vec::new();
        for (place, route) in &wanted.routes {
            let mut made = PlanRoute {
                priority: route.priority,
                weight: route.weight,
                percent: route.percent,
                rules: route.rules.clone(),
                ..PlanRoute::default()
            };
            if let Some(trunk) = &route.egress_trunk {
                made.egress_trunk = EgressTrunkId(self.find::<EgressTrunkDraft>(place, "egress_trunk", trunk).await?);
            }
            if let Some(group) = &route.trunk_group {
                made.group = Some(TrunkGroupId(self.find::<GroupDraft>(place, "trunk_group", group).await?));
            }
            routes.push(made);
        }
        // A plan that is no longer gone on to is spoken of by its code, too.
        if let Ok(Stored { draft: PlanDraft { failover: Some(before), .. }, .. }) =
            self.edit.by_code(&wanted.code).await
        {
            let before = self.edit.get::<PlanDraft>(before.0).await?;
            self.codes.insert((PlanDraft::WHAT, before.id), before.code.clone());
        }
        let failover = match &wanted.failover {
            Some(plan) => Some(PlanId(self.find::<PlanDraft>(place, "failover", plan).await?)),
            None => None,
        };
        let draft = PlanDraft {
            code: wanted.code.clone(),
            order: wanted.order,
            margin_min: wanted.margin_min,
            attempts_max: wanted.attempts_max,
            setup_timeout_s: wanted.setup_timeout_s,
            routes,
            failover,
            rules: wanted.rules.clone(),
            policy: wanted.policy.clone(),
        };
        match self.put(place, &draft, plan_words).await {
            Err(ApplyError::Store(StoreError::Rules { route, flaw })) => {
                let at = route.and_then(|route| wanted.routes.get(route)).map_or(place, |(place, _)| place);
                Err(ApplyError::Mistakes(vec![at.rules_mistake(self.file, &flaw)]))
            }
            done => done.map(drop),
        }
    }

    async fn ingress(&mut self, place: &Place, wanted: &Ingress) -> Result<(), ApplyError> {
        let mut ways = [Way::default(); 3];
        for ((way, (plan, deck)), [plan_field, deck_field]) in ways.iter_mut().zip(&wanted.ways).zip(WAY_FIELDS) {
            if let Some(plan) = plan {
                way.plan = Some(PlanId(self.find::<PlanDraft>(place, plan_field, plan).await?));
            }
            if let Some(deck) = deck {
                way.sell_deck = Some(DeckId(self.find::<DeckDraft>(place, deck_field, deck).await?));
            }
        }
        let [inter, intra, indeterminate] = ways;
        let draft = IngressTrunkDraft {
            code: wanted.code.clone(),
            carrier: CarrierId(self.find::<CarrierDraft>(place, "carrier", &wanted.carrier).await?),
            account: AccountId(self.find::<AccountDraft>(place, "account", &wanted.account).await?),
            sources: wanted.sources.clone(),
            tech_prefix: wanted.tech_prefix.clone(),
            plan: PlanId(self.find::<PlanDraft>(place, "plan", &wanted.plan).await?),
            sell_deck: DeckId(self.find::<DeckDraft>(place, "sell_deck", &wanted.sell_deck).await?),
            override_deck: self.may_find(place, wanted.override_deck.as_ref()).await?,
            ways: Ways { inter, intra, indeterminate },
            capacity: wanted.capacity,
            cps: wanted.cps,
            active: wanted.active,
            max_duration_s: wanted.max_duration_s,
            media_timeout_s: wanted.media_timeout_s,
            policy: wanted.policy.clone(),
        };
        self.put(place, &draft, ingress_words).await.map(drop)
    }

    /// Makes or changes an object where it differs. The result is its id, and whether it was made.
    async fn put<D: Object + PartialEq>(
        &mut self,
        place: &Place,
        draft: &D,
        words: fn(&D, &Work<'_>) -> Words,
    ) -> Result<(u32, bool), ApplyError> {
        let found = self.edit.by_code::<D>(draft.code()).await;
        let mut draft = draft.clone();
        let settled = draft.settle(found.as_ref().ok().map(|stored| &stored.draft));
        settled.map_err(|error| self.at(place, "", error))?;
        let draft = &draft;
        let (action, id, detail) = match found {
            Ok(Stored { id, draft: old, .. }) if old == *draft => {
                self.codes.insert((D::WHAT, id), draft.code().to_owned());
                return Ok((id, false));
            }
            Ok(Stored { id, draft: old, .. }) => {
                let done = self.edit.update(id, draft, None).await;
                done.map_err(|error| self.at(place, "", error))?;
                let told = differences(&words(&old, self), &words(draft, self));
                // Only what is never told can differ without words.
                (Action::Update, id, if told.is_empty() { "digest password or private key".to_owned() } else { told })
            }
            Err(StoreError::NotFound { .. }) => {
                let made = self.edit.create(draft).await;
                (Action::Create, made.map_err(|error| self.at(place, "", error))?.id, String::new())
            }
            Err(error) => return Err(error.into()),
        };
        self.codes.insert((D::WHAT, id), draft.code().to_owned());
        self.note(action, D::WHAT, draft.code(), detail);
        Ok((id, action == Action::Create))
    }

    /// The id of what a field refers to by code.
    async fn find<D: Object>(&mut self, place: &Place, field: &'static str, code: &str) -> Result<u32, ApplyError> {
        match self.edit.by_code::<D>(code).await {
            Ok(found) => {
                self.codes.insert((D::WHAT, found.id), code.to_owned());
                Ok(found.id)
            }
            Err(error @ StoreError::NotFound { .. }) => Err(self.at(place, field, error)),
            Err(error) => Err(error.into()),
        }
    }

    /// Learns the codes of what stands: a difference speaks of what was referred to before as well.
    async fn learn<D: Object>(&mut self) -> Result<(), ApplyError> {
        let found = self.edit.all::<D>().await?;
        self.codes.extend(found.into_iter().map(|it| ((D::WHAT, it.id), it.draft.code().to_owned())));
        Ok(())
    }

    fn note(&mut self, action: Action, kind: &'static str, code: &str, detail: String) {
        self.changes.push(Change { action, kind, code: code.to_owned(), detail });
    }

    fn code(&self, kind: &'static str, id: u32) -> String {
        self.codes.get(&(kind, id)).cloned().unwrap_or_else(|| format!("#{id}"))
    }

    /// Puts the place in front of what the store says about a value.
    fn at(&self, place: &Place, field: &str, error: StoreError) -> ApplyError {
        let mistake = match error {
            StoreError::Invalid { field, why } => place.mistake(self.file, field, why),
            StoreError::Policy(flaw) => place.policy_mistake(self.file, &flaw),
            error @ (StoreError::NotFound { .. } | StoreError::Conflict { .. }) => {
                place.mistake(self.file, field, error.to_string())
            }
            other => return ApplyError::Store(other),
        };
        ApplyError::Mistakes(vec![mistake])
    }
}

fn differences(old: &Words, new: &Words) -> String {
    let mut text = String::new();
    for ((field, before), (_, after)) in old.iter().zip(new).filter(|((_, before), (_, after))| before != after) {
        if ["policy", "rules"].contains(field) {
            for (part, before, after) in policy_differences(before, after) {
                tell(&mut text, &format!("{field}.{part}"), &before, &after);
            }
        } else {
            tell(&mut text, field, before, after);
        }
    }
    text
}

fn tell(text: &mut String, field: &str, before: &str, after: &str) {
    let comma = if text.is_empty() { "" } else { ", " };
    // Writing to a String cannot fail.
    let _ = write!(text, "{comma}{field} {} → {}", shown(before), shown(after));
}

/// The parts of a policy that differ, as JSON.
fn policy_differences(old: &str, new: &str) -> Vec<(String, String, String)> {
    let parts = |text: &str| serde_json::from_str::<BTreeMap<String, serde_json::Value>>(text).unwrap_or_default();
    let (old, new) = (parts(old), parts(new));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let text = |part: Option<&serde_json::Value>| part.map_or(String::new(), ToString::to_string);
    let differ = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    differ.map(|name| (name.clone(), text(old.get(name)), text(new.get(name)))).collect()
}

fn shown(text: &str) -> &str {
    if text.is_empty() { "(none)" } else { text }
}

fn carrier_words(d: &CarrierDraft, _: &Work<'_>) -> Words {
    let CarrierLimits { ingress, egress, capacity, originator_capacity } = d.limits;
    vec![
        ("name", d.name.clone()),
        ("blocked", d.blocked.to_string()),
        ("capacity", capacity.to_string()),
        ("originator_capacity", originator_capacity.to_string()),
        ("ingress_capacity", ingress.capacity.to_string()),
        ("ingress_cps", ingress.cps.to_string()),
        ("ingress_cps_window_s", ingress.cps_window_s.to_string()),
        ("egress_capacity", egress.capacity.to_string()),
        ("egress_cps", egress.cps.to_string()),
        ("egress_cps_window_s", egress.cps_window_s.to_string()),
        policy_words(&d.policy),
    ]
}

fn account_words(d: &AccountDraft, work: &Work<'_>) -> Words {
    let amount = |amount: Option<units::Money>| amount.map_or(String::new(), |amount| amount.to_string());
    let limit = amount(d.credit_limit);
    vec![
        ("carrier", work.code("carrier", d.carrier.0)),
        ("currency", d.currency.code()),
        ("kind", format!("{:?}", d.kind).to_lowercase()),
        ("credit_limit", limit),
        ("zone", d.caps.zone.clone()),
        ("day_cap", amount(d.caps.day)),
        ("month_cap", amount(d.caps.month)),
        ("netted", d.netted.to_string()),
        ("owed_limit", amount(d.owed_limit)),
        ("notice_low", amount(d.thresholds.low)),
        ("notice_high", amount(d.thresholds.high)),
        ("notice_mail", d.thresholds.mail.clone()),
        ("notice_url", d.thresholds.url.clone()),
    ]
}

fn deck_words(d: &DeckDraft, work: &Work<'_>) -> Words {
    let derived = d.derived.as_ref().map_or(String::new(), |rule| {
        let from: Vec<String> = rule.from.iter().map(|deck| work.code("deck", deck.0)).collect();
        let (take, add, fixed, floor) = (rule.take, rule.add, rule.add_fixed, rule.floor_per_minute);
        let steps = format!("{}/{}/{}", rule.minimum_s, rule.increment_s, rule.free_s);
        format!("{take:?} of {} + {add} % + {fixed}, at least {floor}, {steps}", from.join(", ")).to_lowercase()
    });
    vec![
        ("derived", derived),
        ("name", d.name.clone()),
        ("currency", d.currency.code()),
        ("decimals", d.decimals.to_string()),
        ("rounding", format!("{:?}", d.rounding).to_lowercase()),
        ("steps_from_zero", d.steps_from_zero.to_string()),
        ("tax_percent", units::Percent::from_ppm(d.tax_ppm as i32).to_string()),
        ("zone", d.zone.clone()),
        ("calendar", d.calendar.to_text()),
        ("by_jurisdiction", d.by_jurisdiction.to_string()),
        ("by_lrn", d.by_lrn.to_string()),
    ]
}

fn egress_words(d: &EgressTrunkDraft, work: &Work<'_>) -> Words {
    vec![
        ("carrier", work.code("carrier", d.carrier.0)),
        ("account", work.code("account", d.account.0)),
        ("address", d.address.to_string()),
        ("strip_digits", d.strip_digits.to_string()),
        ("add_prefix", d.add_prefix.clone()),
        ("buy_deck", work.code("deck", d.buy_deck.0)),
        ("override_deck", d.override_deck.map_or(String::new(), |deck| work.code("deck", deck.0))),
        ("capacity", d.capacity.to_string()),
        ("cps", d.cps.to_string()),
        ("active", d.active.to_string()),
        ("progress_timeout_s", d.progress_timeout_s.to_string()),
        ("ring_timeout_s", d.ring_timeout_s.to_string()),
        policy_words(&d.policy),
    ]
}

fn group_words(d: &GroupDraft, work: &Work<'_>) -> Words {
    let member = |m: &GroupMember| {
        let nodes: Vec<String> = m.nodes.iter().map(u16::to_string).collect();
        let near = if nodes.is_empty() { String::new() } else { format!(", near {}", nodes.join(" ")) };
        format!("{} (priority {}, weight {}{near})", work.code("egress trunk", m.egress_trunk.0), m.priority, m.weight)
    };
    vec![("members", d.members.iter().map(member).collect::<Vec<_>>().join(", "))]
}

fn plan_words(d: &PlanDraft, work: &Work<'_>) -> Words {
    let route = |r: &PlanRoute| {
        let code = match r.group {
            Some(group) => format!("group {}", work.code("trunk group", group.0)),
            None => work.code("egress trunk", r.egress_trunk.0),
        };
        let rules = r.rules.to_text();
        let rules = if rules.is_empty() { rules } else { format!(" {rules}") };
        format!("{code} (priority {}, weight {}, {} %){rules}", r.priority, r.weight, r.percent)
    };
    vec![
        ("order", format!("{:?}", d.order).to_lowercase()),
        ("margin_min", d.margin_min.to_string()),
        ("attempts_max", d.attempts_max.to_string()),
        ("setup_timeout_s", d.setup_timeout_s.to_string()),
        ("routes", d.routes.iter().map(route).collect::<Vec<_>>().join(", ")),
        ("failover", d.failover.map_or(String::new(), |plan| work.code("plan", plan.0))),
        ("rules", d.rules.to_text()),
        policy_words(&d.policy),
    ]
}

fn ingress_words(d: &IngressTrunkDraft, work: &Work<'_>) -> Words {
    let way = |way: Way| {
        let plan = way.plan.map_or(String::new(), |plan| work.code("plan", plan.0));
        let deck = way.sell_deck.map_or(String::new(), |deck| work.code("deck", deck.0));
        [plan, deck].join(" ").trim().to_owned()
    };
    let sources = d.sources.iter().map(|s| format!("{}/{}:{}", s.network, s.bits, s.port));
    vec![
        ("carrier", work.code("carrier", d.carrier.0)),
        ("account", work.code("account", d.account.0)),
        ("sources", sources.collect::<Vec<_>>().join(" ")),
        ("tech_prefix", d.tech_prefix.clone()),
        ("plan", work.code("plan", d.plan.0)),
        ("sell_deck", work.code("deck", d.sell_deck.0)),
        ("override_deck", d.override_deck.map_or(String::new(), |deck| work.code("deck", deck.0))),
        ("ways.inter", way(d.ways.inter)),
        ("ways.intra", way(d.ways.intra)),
        ("ways.indeterminate", way(d.ways.indeterminate)),
        ("capacity", d.capacity.to_string()),
        ("cps", d.cps.to_string()),
        ("active", d.active.to_string()),
        ("max_duration_s", d.max_duration_s.to_string()),
        ("media_timeout_s", d.media_timeout_s.to_string()),
        policy_words(&d.policy),
    ]
}

/// Without secrets: what is told here is also kept in the audit.
fn policy_words(policy: &Policy) -> (&'static str, String) {
    ("policy", store::without_secrets(policy).to_text())
}

/// How two sorted lists of rates differ.
#[derive(Default)]
struct Difference {
    new: usize,
    changed: usize,
    gone: usize,
    example: String,
}

impl Difference {
    fn between(old: &[Rate], new: &[Rate]) -> Difference {
        let key = |rate: &Rate| (rate.prefix.clone(), rate.class, rate.from);
        let old: BTreeMap<_, _> = old.iter().map(|rate| (key(rate), rate)).collect();
        let mut difference = Difference::default();
        let mut kept = 0;
        for rate in new {
            match old.get(&key(rate)) {
                None => difference.new += 1,
                Some(before) => {
                    kept += 1;
                    if *before != rate {
                        difference.changed += 1;
                        if difference.example.is_empty() {
                            difference.example =
                                format!("{}: {} → {}", rate.prefix, before.per_minute, rate.per_minute);
                        }
                    }
                }
            }
        }
        difference.gone = old.len() - kept;
        difference
    }

    fn words(&self) -> String {
        match (self.new, self.changed) {
            (new, 0) => format!("{new} new"),
            (0, 1) => self.example.clone(),
            (0, changed) => format!("{changed} changed (such as {})", self.example),
            (new, changed) => format!("{new} new, {changed} changed (such as {})", self.example),
        }
    }
}
