//! Random switches of twenty decks, and random calls to them.

use snapshot::policy::{Number as Line, NumberKind, Numbers, Prices, Rewrite, RewriteField};
use snapshot::routing::{Area, Window};
use snapshot::{
    Account, Calendar, Carrier, Deck, EgressTrunk, ExchangeRate, GroupMember, IngressTrunk, Minute, Model, Offset,
    Order, Peak, Plan, PlanRoute, PlanRules, Policy, Rate, RouteRules, TrunkGroup, Way, Ways, Weekday,
};
use units::{
    AccountId, CarrierId, Currency, DeckId, EgressTrunkId, Hours, IngressTrunkId, Jurisdiction, Money, PlanId,
    RateClass, Revision, Rounding, TrunkGroupId, WallTime,
};

pub const DECKS: u32 = 20;
const SELL_DECKS: u32 = 4;
/// The last so many decks hold few rates and stand before others.
const OVER_DECKS: u32 = 3;
const CARRIERS: u32 = 8;
const TRUNKS: u32 = 24;
const PLANS: u32 = 8;
const INGRESS: u32 = 8;
/// The moment around which rates begin and end: a Thursday, 12:00 UTC.
const NOON: i64 = 1_767_268_800_000_000;
const HOUR: i64 = 3_600_000_000;
/// New York, Los Angeles, Chicago, Toronto, toll-free; and codes that the short prefixes of decks reach.
const AREA_CODES: [&str; 10] = ["212", "718", "213", "415", "312", "416", "800", "720", "727", "202"];

/// The generator of Marsaglia, 2003: xorshift64.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Below this number.
    pub fn below(&mut self, sides: u64) -> u64 {
        self.roll() % sides
    }

    /// True once in so many times.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize].clone()
    }

    /// Digits from a few, so that numbers and prefixes meet.
    fn digits(&mut self, least: u64, most: u64) -> String {
        let length = least + self.below(most - least + 1);
        let first = self.pick(&["44", "49", "1", "4"]).to_owned();
        let rest = (0..length).map(|_| self.pick(&["0", "2", "2", "7"]));
        let whole: String = std::iter::once(first.as_str()).chain(rest).collect();
        whole.chars().take(15).collect()
    }
}

/// A call to be decided.
#[derive(Clone, Debug)]
pub struct Call {
    pub node: u16,
    pub ingress: u32,
    pub calling: String,
    pub called: String,
    pub at: i64,
    pub seed: u64,
    pub unreachable: u64,
    pub resting: u64,
    pub throttled: u64,
    /// The location routing number; empty for none.
    pub lrn: String,
    /// Places of candidates and their quality.
    pub indexes: Vec<(usize, i64)>,
    pub talk_ms: u64,
}

/// A whole switch.
pub fn switch(seed: u64, rates: usize) -> Model {
    let dice = &mut Dice(seed);
    let carrier = |id, dice: &mut Dice| Carrier {
        id: CarrierId(id),
        code: format!("c{id}"),
        blocked: dice.once_in(8),
        ..Carrier::default()
    };
    let account = |id, dice: &mut Dice| Account {
        id: AccountId(id),
        carrier: CarrierId(id),
        currency: currency(dice),
        ..Account::default()
    };
    Model {
        revision: Revision(1),
        carriers: (1..=CARRIERS).map(|id| carrier(id, dice)).collect(),
        accounts: (1..=CARRIERS).map(|id| account(id, dice)).collect(),
        exchange_rates: exchange_rates(dice),
        decks: (1..=DECKS).map(|id| deck(id, rates, dice)).collect(),
        egress_trunks: (1..=TRUNKS).map(|id| trunk(id, dice)).collect(),
        groups: (1..=4).map(|id| group(id, dice)).collect(),
        plans: (1..=PLANS).map(|id| plan(id, dice)).collect(),
        ingress_trunks: (1..=INGRESS).map(|id| ingress(id, dice)).collect(),
        ..Model::default()
    }
}

fn currency(dice: &mut Dice) -> Currency {
    let code = dice.pick(&["USD", "USD", "USD", "EUR", "GBP"]);
    Currency::from_bytes(code.as_bytes().try_into().unwrap()).unwrap()
}

/// What the currencies are worth, and the two others once more from about noon on.
fn exchange_rates(dice: &mut Dice) -> Vec<ExchangeRate> {
    let rate = |code: &[u8; 3], from: i64, nanos: i64| ExchangeRate {
        currency: Currency::from_bytes(*code).unwrap(),
        from: WallTime::from_micros(from),
        value: Money::from_nanos(nanos),
    };
    let later = NOON + dice.below(5) as i64 - 2;
    let near = |nanos: i64, dice: &mut Dice| nanos + dice.below(60_000_000) as i64;
    vec![
        rate(b"USD", 0, 1_000_000_000),
        rate(b"EUR", 0, near(1_050_000_000, dice)),
        rate(b"EUR", later, near(1_050_000_000, dice)),
        rate(b"GBP", 0, near(1_200_000_000, dice)),
        rate(b"GBP", later, near(1_200_000_000, dice)),
    ]
}

/// A week's peak hours, and in half of the decks free days.
fn calendar(dice: &mut Dice) -> Calendar {
    let days = [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat];
    let window = |dice: &mut Dice| Peak {
        days: days[..2 + dice.below(5) as usize].to_vec(),
        from: Minute::parse(dice.pick(&["00:00", "08:00", "11:30", "12:00"])).unwrap(),
        till: Minute::parse(dice.pick(&["12:01", "18:00", "24:00"])).unwrap(),
    };
    Calendar {
        peak: (0..dice.below(3)).map(|_| window(dice)).collect(),
        free_weekdays: if dice.once_in(2) { vec![dice.pick(&days), Weekday::Sun] } else { Vec::new() },
        ..Calendar::default()
    }
}

/// Seconds ahead of UTC from some moment on, and others from about noon on.
fn changes(dice: &mut Dice) -> Vec<(WallTime, i32)> {
    let later = NOON + dice.below(5) as i64 - 2;
    let mut one = |from: i64| (WallTime::from_micros(from), dice.pick(&[0, 3_600, -18_000, 20_700]));
    let both = [one(NOON - 1_000 * HOUR), one(later)];
    both[..dice.below(3) as usize].to_vec()
}

fn deck(id: u32, rates: usize, dice: &mut Dice) -> Deck {
    let sells = id <= SELL_DECKS;
    let rates = if id > DECKS - OVER_DECKS { rates / 8 } else { rates };
    let mut all: Vec<Rate> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    while all.len() < rates {
        let rate = rate(sells, dice);
        if seen.insert((rate.prefix.clone(), rate.class, rate.from)) {
            all.push(rate);
        }
    }
    let rounding = dice.pick(&[Rounding::Ceil, Rounding::Ceil, Rounding::Round, Rounding::Floor]);
    let decimals = dice.pick(&[6, 6, 4, 2, 9, 0]);
    let (steps_from_zero, tax_ppm) = (dice.once_in(3), dice.pick(&[0, 0, 210_000, 77_777]));
    let code = format!("d{id}");
    Deck {
        id: DeckId(id),
        code,
        currency: currency(dice),
        rounding,
        decimals,
        steps_from_zero,
        tax_ppm,
        rates: all,
        calendar: calendar(dice),
        offsets: changes(dice).into_iter().map(|(from, ahead_s)| Offset { from, ahead_s }).collect(),
        by_jurisdiction: dice.once_in(2),
        by_lrn: dice.once_in(3),
        ..Deck::default()
    }
}

fn rate(sells: bool, dice: &mut Dice) -> Rate {
    let prefix = match dice.below(40) {
        0 => String::new(),
        1 => dice.digits(0, 3) + dice.pick(&["A", "B7", "*"]),
        2..5 => "1".to_owned() + dice.pick(&AREA_CODES),
        _ => dice.digits(0, 6),
    };
    // Sell prices lie a little above, and prices repeat, so that margins and ties are close.
    let cents = 10 + dice.below(12) as i64 + if sells { 6 } else { 0 };
    let fine = if dice.once_in(3) { dice.below(10_000_000) as i64 } else { 0 };
    let from = if dice.once_in(4) { NOON + dice.below(7) as i64 - 3 } else { 0 };
    let till = dice.once_in(4).then(|| WallTime::from_micros(from.max(NOON - 3) + 1 + dice.below(5) as i64));
    Rate {
        prefix,
        per_minute: Money::from_nanos(cents * 1_000_000 + fine),
        first_per_minute: dice.once_in(5).then(|| Money::from_nanos(dice.below(300) as i64 * 1_000_000)),
        connection_fee: Money::from_nanos(dice.pick(&[0, 0, 5_000_000, 333_333])),
        minimum_s: dice.pick(&[0, 1, 1, 6, 30, 60]),
        increment_s: dice.pick(&[0, 1, 1, 6, 60, 7]),
        free_s: dice.pick(&[0, 0, 0, 5, 30, 90]),
        from: WallTime::from_micros(from),
        till,
        blocked: dice.once_in(25),
        class: RateClass {
            hours: dice.pick(&[Hours::Any, Hours::Any, Hours::Any, Hours::Peak, Hours::OffPeak, Hours::FreeDay]),
            jurisdiction: if dice.once_in(3) { dice.pick(Jurisdiction::ALL) } else { Jurisdiction::Any },
        },
        ..Rate::default()
    }
}

fn trunk(id: u32, dice: &mut Dice) -> EgressTrunk {
    let carrier = 1 + dice.below(u64::from(CARRIERS)) as u32;
    let nodes = if dice.once_in(6) { vec![dice.pick(&[1, 2])] } else { Vec::new() };
    EgressTrunk {
        id: EgressTrunkId(id),
        code: format!("e{id}"),
        carrier: CarrierId(carrier),
        account: AccountId(carrier),
        address: "192.0.2.1:5060".parse().unwrap(),
        buy_deck: DeckId(SELL_DECKS + 1 + dice.below(u64::from(DECKS - SELL_DECKS - OVER_DECKS)) as u32),
        override_deck: over(dice),
        active: !dice.once_in(12),
        policy: Policy { nodes, ..Policy::default() },
        ..EgressTrunk::default()
    }
}

fn over(dice: &mut Dice) -> Option<DeckId> {
    dice.once_in(3).then(|| DeckId(DECKS - dice.below(u64::from(OVER_DECKS)) as u32))
}

fn group(id: u32, dice: &mut Dice) -> TrunkGroup {
    let first = dice.below(u64::from(TRUNKS)) as u32;
    let member = |place: u32, dice: &mut Dice| GroupMember {
        egress_trunk: EgressTrunkId(1 + (first + place * 5) % TRUNKS),
        priority: dice.below(2) as i16,
        weight: dice.pick(&[0, 1, 10, 30]),
        nodes: if dice.once_in(2) { vec![dice.pick(&[1, 2])] } else { Vec::new() },
    };
    let count = 2 + dice.below(3) as u32;
    let members = (0..count).map(|place| member(place, dice)).collect();
    TrunkGroup { id: TrunkGroupId(id), code: format!("g{id}"), members }
}

/// Plans lead on to the next ones, three in a row at most.
fn plan(id: u32, dice: &mut Dice) -> Plan {
    let order = dice.pick(&[Order::Lcr, Order::Lcr, Order::Priority, Order::Weight, Order::Percent, Order::Quality]);
    let mut trunks: Vec<u32> = (1..=TRUNKS).collect();
    let trunk_count = 3 + dice.below(if id == 1 { 18 } else { 6 });
    let mut routes: Vec<PlanRoute> = Vec::new();
    for _ in 0..trunk_count {
        let trunk = trunks.swap_remove(dice.below(trunks.len() as u64) as usize);
        routes.push(PlanRoute { egress_trunk: EgressTrunkId(trunk), ..route(dice) });
    }
    let group = 1 + dice.below(4) as u32;
    for id in [group, group % 4 + 1].into_iter().take(dice.below(3) as usize) {
        routes.push(PlanRoute { group: Some(TrunkGroupId(id)), ..route(dice) });
    }
    let areas = ["a", "b"].map(|name| Area { name: name.into(), prefixes: vec![dice.digits(0, 2), dice.digits(1, 2)] });
    Plan {
        id: PlanId(id),
        code: format!("p{id}"),
        order,
        margin_min: Money::from_nanos(dice.pick(&[0, 0, 20_000_000, -50_000_000])),
        routes,
        failover: (!id.is_multiple_of(3) && id < PLANS && dice.once_in(2)).then_some(PlanId(id + 1)),
        rules: PlanRules {
            near_price: dice.pick(&["", "", "0.02", "0.005"]).into(),
            near_percent: dice.pick(&["", "", "10", "2.5"]).into(),
            margin_percent: dice.pick(&["", "", "5", "12.5", "-20"]).into(),
            areas: areas.to_vec(),
            ..PlanRules::default()
        },
        offsets: changes(dice).into_iter().map(|(from, ahead_s)| Offset { from, ahead_s }).collect(),
        policy: plan_policy(dice),
        ..Plan::default()
    }
}

/// Rules that count where the plan stands behind another one.
fn plan_policy(dice: &mut Dice) -> Policy {
    let rewrite = |pattern: &str, to: &str| {
        let (field, pattern, replacement) = (RewriteField::Called, pattern.to_owned(), to.to_owned());
        Rewrite { field, pattern, replacement }
    };
    let rewrite = dice.pick(&[vec![], vec![rewrite("^44", "49")], vec![rewrite("^4", "14"), rewrite("^142", "44")]]);
    let deny = dice.pick(&["", "", "442", "1"]);
    let line = Line { kind: NumberKind::Prefix, value: deny.to_owned() };
    let called_deny = if deny.is_empty() { Vec::new() } else { vec![line] };
    Policy { rewrite, numbers: Numbers { called_deny, ..Numbers::default() }, ..Policy::default() }
}

fn window(dice: &mut Dice) -> Window {
    Window {
        days: dice.pick(&[vec![], vec!["mon", "thu"], vec!["fri", "sat"]]).into_iter().map(str::to_owned).collect(),
        from: dice.pick(&["", "08:30", "12:00"]).to_owned(),
        till: dice.pick(&["", "12:01", "18:00"]).to_owned(),
    }
}

fn route(dice: &mut Dice) -> PlanRoute {
    let plain = !dice.once_in(4);
    let expression =
        |dice: &mut Dice| if plain || dice.once_in(2) { String::new() } else { "^".to_owned() + &dice.digits(0, 1) };
    let names = |dice: &mut Dice, of: &[&str]| {
        if plain || dice.once_in(2) { Vec::new() } else { vec![dice.pick(of).to_owned()] }
    };
    PlanRoute {
        priority: dice.below(3) as i16 - 1,
        weight: dice.below(3) as u16,
        percent: dice.pick(&[0, 10, 20, 50, 50]),
        rules: RouteRules {
            active: !dice.once_in(20),
            called_match: expression(dice),
            called_deny: if dice.once_in(10) { "^447".into() } else { String::new() },
            calling_match: if plain { String::new() } else { "^4".into() },
            calling_deny: if dice.once_in(12) { "^49".into() } else { String::new() },
            tags: names(dice, &["retail", "premium"]),
            called_areas: names(dice, &["a", "b"]),
            hours: if dice.once_in(6) { vec![window(dice), window(dice)] } else { Vec::new() },
            calling_areas: if plain { Vec::new() } else { names(dice, &["a", "b"]) },
            stop: dice.once_in(12),
            exclusive: dice.once_in(25),
            force_percent: dice.pick(&[0, 0, 0, 0, 30, 100]),
        },
        ..PlanRoute::default()
    }
}

fn ingress(id: u32, dice: &mut Dice) -> IngressTrunk {
    let carrier = 1 + dice.below(u64::from(CARRIERS)) as u32;
    let tags = dice.pick(&[vec![], vec!["retail"], vec!["premium", "retail"]]);
    let tags = tags.into_iter().map(str::to_owned).collect();
    let most = |dice: &mut Dice, of: [&str; 5]| dice.pick(&of).to_owned();
    let prices = Prices {
        sell_per_minute_max: most(dice, ["", "", "", "0.022", "0.2"]),
        buy_per_minute_max: most(dice, ["", "", "0.015", "0.019", "0.1"]),
    };
    IngressTrunk {
        id: IngressTrunkId(id),
        code: format!("i{id}"),
        carrier: CarrierId(carrier),
        account: AccountId(carrier),
        plan: PlanId(id),
        sell_deck: DeckId(1 + id % SELL_DECKS),
        override_deck: over(dice),
        ways: Ways { inter: way(dice), intra: way(dice), indeterminate: way(dice) },
        policy: Policy { tags, prices, own_terminators: dice.once_in(3), ..Policy::default() },
        ..IngressTrunk::default()
    }
}

fn way(dice: &mut Dice) -> Way {
    Way {
        plan: dice.once_in(3).then(|| PlanId(1 + dice.below(u64::from(PLANS)) as u32)),
        sell_deck: dice.once_in(3).then(|| DeckId(1 + dice.below(u64::from(SELL_DECKS)) as u32)),
    }
}

/// A number of country code 1.
fn american(dice: &mut Dice) -> String {
    let (code, exchange) = (dice.pick(&AREA_CODES), dice.pick(&["555", "227", "055"]));
    format!("1{code}{exchange}{:04}", dice.below(10_000))
}

fn some(dice: &mut Dice) -> u64 {
    if dice.once_in(3) { dice.roll() & dice.roll() & dice.roll() } else { 0 }
}

/// A call to a switch of [`switch`].
pub fn call(dice: &mut Dice) -> Call {
    let letter = if dice.once_in(30) { dice.pick(&["A", "B7", "*1"]) } else { "" };
    let plus = if dice.once_in(10) { "+" } else { "" };
    let is_american = dice.once_in(3);
    let indexes = if dice.once_in(2) { dice.below(20) as usize } else { 0 };
    Call {
        node: dice.pick(&[1, 2, 3]),
        ingress: 1 + dice.below(u64::from(INGRESS)) as u32,
        calling: match dice.below(10) {
            0 => String::new(),
            1..5 => american(dice),
            _ => dice.digits(3, 9),
        },
        called: if is_american {
            plus.to_owned() + &american(dice)
        } else {
            format!("{plus}{}{letter}{}", dice.digits(0, 6), dice.below(1_000))
        },
        lrn: if dice.once_in(4) { american(dice) } else { String::new() },
        at: NOON + dice.below(9) as i64 - 4 + if dice.once_in(2) { dice.below(168) as i64 * HOUR } else { 0 },
        seed: dice.roll(),
        unreachable: some(dice),
        resting: some(dice),
        throttled: some(dice),
        indexes: (0..indexes).map(|place| (place * 2, dice.below(4) as i64 * 250_000)).collect(),
        talk_ms: match dice.below(4) {
            0 => dice.below(100) * 500,
            1 => dice.below(4) * 30_000 + dice.below(3),
            _ => dice.below(7_200_000),
        },
    }
}
