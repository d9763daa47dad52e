//! Stories about sums: they say what adding the records up by hand says, whatever comes twice, late or is removed.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "support/databases.rs"]
mod databases;
#[path = "support/sample.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod sample;

use std::collections::{BTreeMap, BTreeSet};

use cdr::{Cdr, Party, Priced, Quality};
use sample::{call_id, stranger};
use sqlx::Executor as _;
use store::{Batch, Cursor, Dimension, StatisticsAsk, Store, SumGroup, Sums};
use units::{
    AttemptIndex, CarrierId, Cause, Currency, EgressTrunkId, IngressTrunkId, Money, NodeId, Number, Terms, WallTime,
};

on_both! {
    sums_are_what_the_records_add_up_to
    what_retention_removed_stays_summed_and_is_not_counted_again
    days_begin_where_the_zone_says
    half_hours_go_after_their_time_and_days_stay
    a_question_without_sense_is_refused
}

/// 2027-01-15 08:00 UTC.
const START: i64 = 1_800_000_000_000_000;
const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;
/// Numbers with the country and destination that they are summed under, as anybody can read them.
const NUMBERS: [(&str, &str, &str); 7] = [
    ("442071234567", "44", "44207"),
    ("+447700900123", "44", "44770"),
    ("12125550100", "1", "1212"),
    ("35312345678", "353", "353123"),
    ("11", "1", "11"),
    ("0800", "", "080"),
    ("", "", ""),
];

/// The same numbers with each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

fn priced(chance: &mut Chance, currency: &str) -> Priced {
    let terms = Terms { currency: Currency::parse(currency).unwrap(), ..Terms::default() };
    let price = Money::from_nanos(chance.below(50_000_000_000) as i64);
    Priced { terms, billed_s: chance.below(600) as u32, price, tax: Money::ZERO }
}

fn quality(chance: &mut Chance) -> Quality {
    let packets = chance.below(3) * 500;
    let mos_x100 = if packets > 0 { 300 + chance.below(140) as u16 } else { 0 };
    Quality { packets, lost: chance.below(20) as u32, mos_x100, ..Quality::default() }
}

/// A call with its tries, the last of which may have answered.
fn chance_call(chance: &mut Chance, sequence: u64) -> Vec<Cdr> {
    let answered = chance.below(2) == 0;
    let tries = if answered { 1 + chance.below(3) } else { chance.below(4) };
    let causes = [16, 17, 18, 19, 20, 21, 27, 31, 34, 102, 312];
    let mut whole = Cdr {
        call: call_id(sequence),
        originator: CarrierId(chance.below(4) as u32),
        ingress_trunk: IngressTrunkId(chance.below(5) as u32),
        called_routed: Number::parse(chance.one(&NUMBERS).0.as_bytes()).unwrap(),
        started: WallTime::from_micros(START + chance.below(3 * DAY as u64) as i64),
        attempts: tries as u8,
        sip_status: chance.one(&[403, 480, 603]),
        sell: (chance.below(4) > 0).then(|| priced(chance, "USD")),
        ..Cdr::default()
    };
    let mut all = Vec::new();
    for index in 1..=tries {
        let last = index == tries;
        let took = answered && last;
        let currency = chance.one(&["USD", "EUR"]);
        let attempt = Cdr {
            attempt: AttemptIndex(index as u8),
            attempts: u8::from(last),
            terminator: CarrierId(10 + chance.below(3) as u32),
            egress_trunk: EgressTrunkId(20 + chance.below(4) as u32),
            started: whole.started + index * 700_000,
            ringing_ms: (took || chance.below(2) == 0).then(|| chance.below(5_000) as u32),
            answered_ms: took.then_some(6_000),
            duration_ms: if took { chance.below(300_000) } else { 0 },
            cause: Cause(chance.one(&causes)),
            released_by: chance.one(&[Party::Ingress, Party::Egress, Party::Switch]),
            buy: Some(priced(chance, currency)),
            sell: None,
            ..whole.clone()
        };
        all.push(attempt);
    }
    if let Some(last) = all.last() {
        let (terminator, egress_trunk) = (last.terminator, last.egress_trunk);
        whole = Cdr { terminator, egress_trunk, ..whole };
        whole.buy = last.buy.filter(|_| answered);
        (whole.ringing_ms, whole.answered_ms) = (last.ringing_ms, last.answered_ms);
        (whole.duration_ms, whole.cause, whole.released_by) = (last.duration_ms, last.cause, last.released_by);
        (whole.ingress_media, whole.egress_media) = (quality(chance), quality(chance));
    } else {
        whole.cause = Cause::NO_TERMINATOR;
        whole.released_by = Party::Switch;
    }
    all.push(whole);
    all
}

/// By hand, from the words of the definition.
fn was_reached(cdr: &Cdr) -> bool {
    if cdr.answered_ms.is_some() || cdr.released_by == Party::Ingress {
        return true;
    }
    let (cause, by_switch) = (cdr.cause.0, cdr.released_by == Party::Switch);
    let rang_out = [102, 338, 19].contains(&cause) && cdr.ringing_ms.is_some();
    if by_switch {
        rang_out
    } else {
        [16, 17, 18, 19, 20, 31].contains(&cause) || (cause == 21 && cdr.sip_status == 603)
    }
}

fn one(yes: bool) -> i64 {
    i64::from(yes)
}

/// One record's part of the sums.
fn part(cdr: &Cdr) -> Sums {
    let ring_ms = i64::from(cdr.ringing_ms.unwrap_or(0));
    let (rung, answered) = (one(cdr.ringing_ms.is_some()), one(cdr.answered_ms.is_some()));
    let (reached, talk_ms) = (one(was_reached(cdr)), cdr.duration_ms as i64);
    if cdr.attempt.0 > 0 {
        return Sums {
            attempts: 1,
            attempts_answered: answered,
            attempts_reached: reached,
            attempts_rung: rung,
            attempts_ring_ms: ring_ms,
            attempts_talk_ms: talk_ms,
            ..Sums::default()
        };
    }
    let (ingress, egress) = (&cdr.ingress_media, &cdr.egress_media);
    Sums {
        calls: 1,
        calls_answered: answered,
        calls_reached: reached,
        calls_rung: rung,
        calls_ring_ms: ring_ms,
        talk_ms,
        sell_billed_s: cdr.sell.map_or(0, |sell| i64::from(sell.billed_s)),
        buy_billed_s: cdr.buy.map_or(0, |buy| i64::from(buy.billed_s)),
        ingress_packets: ingress.packets as i64,
        ingress_lost: i64::from(ingress.lost),
        ingress_mos_calls: one(ingress.mos_x100 > 0),
        ingress_mos_x100: i64::from(ingress.mos_x100),
        egress_packets: egress.packets as i64,
        egress_lost: i64::from(egress.lost),
        egress_mos_calls: one(egress.mos_x100 > 0),
        egress_mos_x100: i64::from(egress.mos_x100),
        ..Sums::default()
    }
}

type Money2 = BTreeMap<String, (i64, i64)>;

/// What the records of a window add up to, told apart by these dimensions.
fn by_hand(cdrs: &[Cdr], ask: &StatisticsAsk) -> BTreeMap<Vec<String>, (Sums, Money2)> {
    let mut all: BTreeMap<Vec<String>, (Sums, Money2)> = BTreeMap::new();
    for cdr in cdrs.iter().filter(|cdr| cdr.started >= ask.from && cdr.started < ask.till) {
        let asked = |wanted: Option<u32>, id: u32| wanted.is_none_or(|wanted| wanted == id);
        if !asked(ask.originator, cdr.originator.0) || !asked(ask.terminator, cdr.terminator.0) {
            continue;
        }
        let entry = all.entry(ask.by.iter().map(|by| told_apart(cdr, *by)).collect()).or_default();
        entry.0.add(&part(cdr));
        for (priced, is_sell) in [(cdr.sell, true), (cdr.buy, false)] {
            let Some(priced) = priced.filter(|priced| cdr.attempt.0 == 0 && priced.price != Money::ZERO) else {
                continue;
            };
            let money = entry.1.entry(priced.terms.currency.code()).or_default();
            *(if is_sell { &mut money.0 } else { &mut money.1 }) += priced.price.nanos();
        }
    }
    all
}

fn told_apart(cdr: &Cdr, by: Dimension) -> String {
    let number = NUMBERS.iter().find(|(number, _, _)| *number == cdr.called_routed.as_str()).unwrap();
    let moment = jiff::Timestamp::from_microsecond(cdr.started.micros()).unwrap();
    match by {
        Dimension::Originator => cdr.originator.0.to_string(),
        Dimension::IngressTrunk => cdr.ingress_trunk.0.to_string(),
        Dimension::Terminator => cdr.terminator.0.to_string(),
        Dimension::EgressTrunk => cdr.egress_trunk.0.to_string(),
        Dimension::Country => number.1.to_owned(),
        Dimension::Prefix => number.2.to_owned(),
        Dimension::Cause => cdr.cause.0.to_string(),
        Dimension::Hour => moment.strftime("%Y-%m-%dT%H:00+00:00").to_string(),
        Dimension::Day => moment.strftime("%Y-%m-%d").to_string(),
        Dimension::Month => moment.strftime("%Y-%m").to_string(),
    }
}

fn named(group: &SumGroup, by: Dimension) -> String {
    let place = &group.place;
    let id = |id: Option<u32>| id.unwrap().to_string();
    match by {
        Dimension::Originator => id(place.originator),
        Dimension::IngressTrunk => id(place.ingress_trunk),
        Dimension::Terminator => id(place.terminator),
        Dimension::EgressTrunk => id(place.egress_trunk),
        Dimension::Country => place.country.clone().unwrap(),
        Dimension::Prefix => place.prefix.clone().unwrap(),
        Dimension::Cause => place.cause.unwrap().to_string(),
        Dimension::Hour | Dimension::Day | Dimension::Month => place.period.clone().unwrap().name,
    }
}

async fn check(store: &Store, cdrs: &[Cdr], ask: &StatisticsAsk) {
    let (_, _, groups) = store.statistics(ask).await.unwrap();
    let told: BTreeMap<Vec<String>, (Sums, Money2)> = groups
        .iter()
        .map(|group| {
            let name = ask.by.iter().map(|by| named(group, *by)).collect();
            (name, (group.sums, group.money.clone()))
        })
        .collect();
    assert_eq!(told.len(), groups.len(), "no group is told twice: {ask:?}");
    assert_eq!(told, by_hand(cdrs, ask), "{ask:?}");
}

async fn collect(store: &Store, cdrs: &[Cdr], offset: u64) {
    let cursor = Cursor { boot: 1, segment: 1, offset };
    let batch = Batch { node: NodeId(1), kind: "journal", folder: "f", cdrs, traces: &[], cursor };
    store.insert_cdrs(batch).await.unwrap();
}

fn window(by: &[Dimension]) -> StatisticsAsk {
    let (from, till) = (WallTime::from_micros(START), WallTime::from_micros(START + 4 * DAY));
    StatisticsAsk { from, till, by: by.to_vec(), ..StatisticsAsk::default() }
}

async fn sums_are_what_the_records_add_up_to(store: Store) {
    let mut chance = Chance(0x5eed);
    let cdrs: Vec<Cdr> = (0..250).flat_map(|sequence| chance_call(&mut chance, sequence)).collect();
    let mut offset = 0;
    for batch in cdrs.chunks(170) {
        offset += 1;
        collect(&store, batch, offset).await;
        // A collector that was killed reads what it had stored again, with what came meanwhile.
        let again = chance.below(batch.len() as u64) as usize;
        collect(&store, &batch[again..], offset).await;
    }
    collect(&store, &cdrs, offset + 1).await;
    use Dimension as D;
    let questions: [&[D]; 8] = [
        &[],
        &[D::Originator],
        &[D::Terminator, D::Cause],
        &[D::IngressTrunk, D::EgressTrunk, D::Prefix],
        &[D::Country, D::Day],
        &[D::Hour, D::Originator],
        &[D::Month, D::Country, D::Prefix],
        &[D::Day],
    ];
    for by in questions {
        check(&store, &cdrs, &window(by)).await;
    }
    // A window that begins and ends within days: half hours at its ends, days between them.
    let (from, till) = (WallTime::from_micros(START + 3 * HOUR / 2), WallTime::from_micros(START + 2 * DAY + HOUR / 2));
    check(&store, &cdrs, &StatisticsAsk { from, till, ..window(&[D::Originator]) }).await;
    check(&store, &cdrs, &StatisticsAsk { originator: Some(2), ..window(&[D::Terminator]) }).await;
    check(&store, &cdrs, &StatisticsAsk { terminator: Some(11), ..window(&[D::Day, D::Cause]) }).await;
    let british = StatisticsAsk { called: Some("447".into()), ..window(&[D::Prefix]) };
    let (_, _, groups) = store.statistics(&british).await.unwrap();
    assert_eq!(groups.iter().map(|group| named(group, D::Prefix)).collect::<Vec<_>>(), ["44770"]);
}

async fn what_retention_removed_stays_summed_and_is_not_counted_again(store: Store) {
    store.make_cdr_days(WallTime::from_micros(START)).await.unwrap();
    let at = |day: i64| Cdr { started: WallTime::from_micros(START + day * DAY), ..stranger(day.unsigned_abs()) };
    let cdrs = [0, 1, 2].map(at);
    collect(&store, &cdrs, 1).await;
    let cut = WallTime::from_micros((START + 2 * DAY).div_euclid(DAY) * DAY);
    while store.drop_cdrs(cut).await.unwrap().1 {}
    assert!(store.story(call_id(0)).await.is_err());
    check(&store, &cdrs, &window(&[Dimension::Day])).await;
    // An old journal that is read again brings records back, which the sums know already.
    collect(&store, &cdrs, 2).await;
    check(&store, &cdrs, &window(&[Dimension::Day])).await;
}

#[tokio::test]
async fn sums_are_made_again_from_records_on_sqlite() {
    let database = databases::sqlite().await;
    let pool = sqlx::SqlitePool::connect(&database.url).await.unwrap();
    let forget = async |sql: &'static str| assert!(pool.execute(sql).await.is_ok());
    sums_are_made_again(&database.store, forget).await;
}

#[tokio::test]
async fn sums_are_made_again_from_records_on_mariadb() {
    let database = databases::mariadb().await;
    let pool = sqlx::MySqlPool::connect(&database.url).await.unwrap();
    let forget = async |sql: &'static str| assert!(pool.execute(sql).await.is_ok());
    sums_are_made_again(&database.store, forget).await;
}

async fn sums_are_made_again(store: &Store, forget: impl AsyncFn(&'static str)) {
    let mut chance = Chance(0xabc);
    let cdrs: Vec<Cdr> = (0..40).flat_map(|sequence| chance_call(&mut chance, sequence)).collect();
    collect(store, &cdrs, 1).await;
    let busy = cdrs[0].started;
    assert_eq!(store.recount(busy).await.unwrap(), 0, "they are right");
    assert!(store.oldest_cdr().await.unwrap().is_some_and(|oldest| oldest <= busy));
    // As if the records were older than the sums, and some sums were wrong.
    forget("DELETE FROM sums_by_day").await;
    forget("DELETE FROM sums_by_half_hour").await;
    let mut corrected = 0;
    for _ in 0..2 {
        for slot in (0..4 * DAY / store::SLOT).map(|place| START + place * store::SLOT) {
            corrected += store.recount(WallTime::from_micros(slot)).await.unwrap();
        }
        check(store, &cdrs, &window(&[Dimension::Hour, Dimension::Cause])).await;
        check(store, &cdrs, &window(&[Dimension::Day])).await;
    }
    assert!(corrected > 0);
}

async fn days_begin_where_the_zone_says(store: Store) {
    let at = |(place, moment): (usize, &&str)| {
        let started = moment.parse::<jiff::Timestamp>().unwrap().as_microsecond();
        Cdr { started: WallTime::from_micros(started), ..stranger(place as u64) }
    };
    let moments = ["2027-03-27T22:59:00Z", "2027-03-27T23:00:00Z", "2027-03-28T21:59:00Z", "2027-03-28T22:00:00Z"];
    let cdrs: Vec<Cdr> = moments.iter().enumerate().map(at).collect();
    collect(&store, &cdrs, 1).await;
    let told = async |zone: &str, by: Dimension| {
        let (from, till) = (START, START + 120 * DAY);
        let (from, till) = (WallTime::from_micros(from), WallTime::from_micros(till));
        let ask = StatisticsAsk { from, till, by: vec![by], zone: zone.into(), ..StatisticsAsk::default() };
        let (_, _, groups) = store.statistics(&ask).await.unwrap();
        let one = |group: &SumGroup| {
            let period = group.place.period.clone().unwrap();
            (period.name, (period.till - period.from) / HOUR, group.sums.calls)
        };
        groups.iter().map(one).collect::<BTreeSet<_>>()
    };
    let set = |rows: &[(&str, i64, i64)]| -> BTreeSet<(String, i64, i64)> {
        rows.iter().map(|(name, hours, calls)| ((*name).to_owned(), *hours, *calls)).collect()
    };
    // Clocks go forward in the night to the 28th, whose day has 23 hours.
    let berlin = [("2027-03-27", 24, 1), ("2027-03-28", 23, 2), ("2027-03-29", 24, 1)];
    assert_eq!(told("Europe/Berlin", Dimension::Day).await, set(&berlin));
    assert_eq!(told("", Dimension::Day).await, set(&[("2027-03-27", 24, 2), ("2027-03-28", 24, 2)]));
    // India is five and a half hours ahead.
    let india = [("2027-03-28", 24, 2), ("2027-03-29", 24, 2)];
    assert_eq!(told("Asia/Kolkata", Dimension::Day).await, set(&india));
    let hours = told("Asia/Kolkata", Dimension::Hour).await;
    assert!(hours.contains(&("2027-03-28T04:00+05:30".into(), 1, 2)), "{hours:?}");
    assert_eq!(told("Europe/Berlin", Dimension::Month).await, set(&[("2027-03", 743, 4)]));
}

async fn half_hours_go_after_their_time_and_days_stay(store: Store) {
    let cdrs =
        [0, 1].map(|place| Cdr { started: WallTime::from_micros(START + place * DAY), ..stranger(place as u64) });
    collect(&store, &cdrs, 1).await;
    let now = WallTime::from_micros(START + (store::HALF_HOUR_DAYS + 1) * DAY);
    assert_eq!(store.drop_half_hours(now).await.unwrap(), (1, false));
    check(&store, &cdrs[1..], &window(&[Dimension::Hour])).await;
    let whole_days = WallTime::from_micros(START.div_euclid(DAY) * DAY);
    check(&store, &cdrs, &StatisticsAsk { from: whole_days, ..window(&[Dimension::Day]) }).await;
}

async fn a_question_without_sense_is_refused(store: Store) {
    use Dimension as D;
    let refused = [
        StatisticsAsk { till: WallTime::from_micros(START), ..window(&[]) },
        window(&[D::Hour, D::Day]),
        window(&[D::Cause, D::Originator, D::Cause]),
        window(&[D::Cause, D::Originator, D::Prefix, D::Terminator]),
        StatisticsAsk { zone: "Mars/Olympus".into(), ..window(&[]) },
        StatisticsAsk { zone: "Asia/Kathmandu".into(), ..window(&[D::Day]) },
        StatisticsAsk { called: Some("44770090".into()), ..window(&[]) },
    ];
    for ask in refused {
        let answer = store.statistics(&ask).await;
        assert!(matches!(answer, Err(store::StoreError::Invalid { .. })), "{ask:?}: {answer:?}");
    }
}
