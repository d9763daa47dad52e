//! Reads every byte of an image before anyone trusts it.
//!
//! A main image and the images of its decks are checked each by itself: nothing in a deck's image points out of it.

use crate::calendar::CalendarView;
use crate::crc64::crc64;
use crate::deck::{Tables, rounding_of, slot_count, wanted};
use crate::exchange::EXCHANGE_VALUE_MAX;
use crate::flaw::ImageFlaw;
use crate::layout::{
    self, BUCKETS, DATED, DECK_MAGIC, FORMAT, LINES, MAGIC, SECTIONS, SEVERAL, SLOTS, Section, TABLES, WIDE_KEYS,
    WIDE_LINES, account, bucket, deck, egress, exchange, gate, header, ingress, line, plan, route, source, tables,
};
use crate::model::{ATTEMPTS_MAX, Order, PLAN_ROUTES_MAX};
use crate::pack::slots;
use crate::policy::Policy;
use crate::prefix::is_narrow_key;
use crate::read::{Record, section, u32_at, u64_at};
use crate::routing::{PlanRules, RouteRules};
use crate::view::masked;

/// A main image with whatever decks stand in it.
pub fn image(image: &[u8]) -> Result<(), ImageFlaw> {
    envelope(image, MAGIC)?;
    for section in SECTIONS {
        bounds(image, *section)?;
    }
    for of in [layout::CARRIERS, layout::ACCOUNTS, layout::INGRESS, layout::EGRESS, layout::DECKS, layout::PLANS] {
        each(image, of, |record, index| {
            let before = index.checked_sub(1).and_then(|before| Record::nth(image, of, before));
            before.is_none_or(|before| before.u32(layout::ID) < record.u32(layout::ID))
        })?;
    }
    exchange_rates(image)?;
    trunks(image)?;
    sources(image)?;
    plans(image)?;
    decks(image)
}

/// Decks are all in this file or all in files of their own.
fn decks(image: &[u8]) -> Result<(), ImageFlaw> {
    let inside = |record: Record<'_>| record.u64(deck::PLACE) != 0;
    let first = Record::nth(image, layout::DECKS, 0).is_some_and(inside);
    each(image, layout::DECKS, |record, _| {
        coded(record)
            && has_currency(record, deck::CURRENCY)
            && record.u8(deck::DECIMALS) <= 9
            && record.u8(deck::STEPS_FROM_ZERO) <= 1
            && record.u32(deck::TAX) <= units::TAX_PPM_MAX
            && rounding_of(record.u8(deck::ROUNDING)).is_some()
            && inside(record) == first
            && is_text(record, deck::ZONE)
            && CalendarView::of(record).is_some_and(|calendar| calendar.is_sound())
    })?;
    let (_, count) = section(image, layout::DECKS);
    let records = (0..count).filter_map(|index| Record::nth(image, layout::DECKS, index));
    records.filter(|record| inside(*record)).try_for_each(|record| {
        let mark = wanted(record).mark;
        let bytes = crate::view::inside(record).ok_or(ImageFlaw::Length { said: mark.length, found: 0 })?;
        deck_image(bytes)?;
        if u64_at(bytes, header::CHECKSUM) == mark.checksum { Ok(()) } else { Err(ImageFlaw::Checksum) }
    })
}

/// The image of one deck.
pub fn deck_image(image: &[u8]) -> Result<(), ImageFlaw> {
    envelope(image, DECK_MAGIC)?;
    for section in TABLES {
        bounds(image, *section)?;
    }
    let fits = Tables::new(image).filter(|view| (1..=6).contains(&view.head(tables::DEPTH)));
    let view = fits.ok_or(ImageFlaw::Broken { table: SLOTS.name, index: 0 })?;
    keys(&view)?;
    wide(&view)?;
    lines(&view)
}

fn envelope(image: &[u8], magic: [u8; 8]) -> Result<(), ImageFlaw> {
    if !image.starts_with(&magic) || image.len() < header::SIZE {
        return Err(ImageFlaw::NotASnapshot);
    }
    let format = u32_at(image, header::FORMAT);
    if format != FORMAT {
        return Err(ImageFlaw::Format(format));
    }
    let (said, found) = (u64_at(image, header::LENGTH), image.len() as u64);
    if said != found {
        return Err(ImageFlaw::Length { said, found });
    }
    let sum = crc64(&[&image[..header::CHECKSUM], &image[header::CHECKSUM + 8..]]);
    if sum == u64_at(image, header::CHECKSUM) { Ok(()) } else { Err(ImageFlaw::Checksum) }
}

fn ok_if(fine: bool, table: &'static str, index: u64) -> Result<(), ImageFlaw> {
    if fine { Ok(()) } else { Err(ImageFlaw::Broken { table, index }) }
}

fn bounds(image: &[u8], of: Section) -> Result<(), ImageFlaw> {
    let (start, count) = section(image, of);
    let size = u32_at(image, header::SECTIONS + of.place * 16 + 12);
    let end = start.checked_add(count as usize * of.size);
    let fits = start >= header::SIZE && end.is_some_and(|end| end <= image.len());
    ok_if(fits && size as usize == of.size, of.name, 0)
}

/// `fine` must hold for each record.
fn each(image: &[u8], of: Section, fine: impl Fn(Record<'_>, u32) -> bool) -> Result<(), ImageFlaw> {
    let (_, count) = section(image, of);
    (0..count).try_for_each(|index| {
        let good = Record::nth(image, of, index).is_some_and(|record| fine(record, index));
        ok_if(good, of.name, u64::from(index))
    })
}

fn is_text(record: Record<'_>, field: usize) -> bool {
    record.text_bytes(field).is_some_and(|bytes| core::str::from_utf8(bytes).is_ok())
}

/// A text that makes a policy of this program's release.
fn is_policy(record: Record<'_>, field: usize) -> bool {
    text(record, field).is_some_and(|text| Policy::from_text(text).is_ok())
}

fn text<'a>(record: Record<'a>, field: usize) -> Option<&'a str> {
    record.text_bytes(field).and_then(|bytes| core::str::from_utf8(bytes).ok())
}

fn coded(record: Record<'_>) -> bool {
    is_text(record, layout::CODE)
}

/// The id in this field names a record of that section.
fn points(record: Record<'_>, field: usize, to: Section) -> bool {
    Record::find(record.image, to, record.u32(field)).is_some()
}

fn has_currency(record: Record<'_>, field: usize) -> bool {
    units::Currency::from_bytes(record.chunk(field)).is_some()
}

fn exchange_rates(image: &[u8]) -> Result<(), ImageFlaw> {
    each(image, layout::EXCHANGES, |record, index| {
        let key = |record: Record<'_>| (record.chunk::<3>(exchange::CURRENCY), record.i64(exchange::FROM));
        let before = index.checked_sub(1).and_then(|before| Record::nth(image, layout::EXCHANGES, before));
        before.is_none_or(|before| key(before) < key(record))
            && has_currency(record, exchange::CURRENCY)
            && (1..=EXCHANGE_VALUE_MAX.nanos()).contains(&record.i64(exchange::VALUE))
    })
}

/// The field names a deck, or none.
fn may_point(record: Record<'_>, field: usize) -> bool {
    record.u32(field) == 0 || points(record, field, layout::DECKS)
}

fn trunks(image: &[u8]) -> Result<(), ImageFlaw> {
    each(image, layout::CARRIERS, |record, _| coded(record))?;
    each(image, layout::ACCOUNTS, |record, _| {
        points(record, account::CARRIER, layout::CARRIERS) && has_currency(record, account::CURRENCY)
    })?;
    each(image, layout::INGRESS, |record, _| {
        coded(record)
            && is_text(record, ingress::TECH_PREFIX)
            && is_policy(record, ingress::POLICY)
            && points(record, ingress::CARRIER, layout::CARRIERS)
            && points(record, ingress::ACCOUNT, layout::ACCOUNTS)
            && points(record, ingress::PLAN, layout::PLANS)
            && points(record, ingress::SELL_DECK, layout::DECKS)
            && may_point(record, ingress::OVERRIDE_DECK)
            && (0..3).map(|way| ingress::WAYS + way * 8).all(|way| {
                let or_none = |field, to| record.u32(field) == 0 || points(record, field, to);
                or_none(way, layout::PLANS) && or_none(way + 4, layout::DECKS)
            })
    })?;
    each(image, layout::EGRESS, |record, _| {
        coded(record)
            && is_text(record, egress::ADD_PREFIX)
            && is_policy(record, egress::POLICY)
            && matches!(record.u8(egress::FAMILY), 4 | 6)
            && points(record, egress::CARRIER, layout::CARRIERS)
            && points(record, egress::ACCOUNT, layout::ACCOUNTS)
            && points(record, egress::BUY_DECK, layout::DECKS)
            && may_point(record, egress::OVERRIDE_DECK)
    })
}

fn sources(image: &[u8]) -> Result<(), ImageFlaw> {
    let (_, trunks) = section(image, layout::INGRESS);
    let (_, all) = section(image, layout::SOURCES);
    each(image, layout::SOURCES, |record, _| {
        let bits_max = if record.u8(source::FAMILY) == 4 { 32 } else { 128 };
        let (network, bits) = (record.chunk(source::NETWORK), record.u8(source::BITS));
        matches!(record.u8(source::FAMILY), 4 | 6)
            && bits <= bits_max
            && masked(network, bits) == network
            && record.u32(source::TRUNK) < trunks
    })?;
    each(image, layout::GATES, |record, index| {
        let before = index.checked_sub(1).and_then(|before| Record::nth(image, layout::GATES, before));
        let expected = before.map_or(0, |gate| gate.u32(gate::FIRST).saturating_add(gate.u32(gate::COUNT)));
        let end = expected.saturating_add(record.u32(gate::COUNT));
        record.u32(gate::FIRST) == expected && end <= all && through(record)
    })?;
    let gates = section(image, layout::GATES).1;
    let last = gates.checked_sub(1).and_then(|last| Record::nth(image, layout::GATES, last));
    let covered = last.map_or(0, |gate| gate.u32(gate::FIRST) + gate.u32(gate::COUNT));
    ok_if(covered == all, layout::GATES.name, u64::from(gates))
}

/// All sources of a gate are of its kind and in order.
fn through(gate: Record<'_>) -> bool {
    let image = gate.image;
    let first = gate.u32(gate::FIRST);
    let mut before = None;
    (first..first.saturating_add(gate.u32(gate::COUNT))).all(|index| {
        let Some(record) = Record::nth(image, layout::SOURCES, index) else { return false };
        let place = (record.chunk::<16>(source::NETWORK), record.u32(source::TRUNK), record.u16(source::PORT));
        let in_order = before.is_none_or(|before| before < place);
        before = Some(place);
        let kind = (record.u8(source::FAMILY), record.u8(source::BITS));
        in_order && kind == (gate.u8(gate::FAMILY), gate.u8(gate::BITS))
    })
}

fn plans(image: &[u8]) -> Result<(), ImageFlaw> {
    let (_, routes) = section(image, layout::ROUTES);
    each(image, layout::PLANS, |record, _| {
        let end = record.u32(plan::FIRST).checked_add(record.u32(plan::COUNT));
        let attempts = usize::from(record.u8(plan::ATTEMPTS_MAX));
        coded(record)
            && end.is_some_and(|end| end <= routes)
            && Order::from_code(record.u8(plan::ORDER)).is_some()
            && is_policy(record, plan::POLICY)
            && (1..=ATTEMPTS_MAX).contains(&attempts)
            && (record.u32(plan::FAILOVER) == 0 || points(record, plan::FAILOVER, layout::PLANS))
            && text(record, plan::RULES).is_some_and(|text| PlanRules::from_text(text).is_ok())
            && text(record, plan::OFFSETS)
                .is_some_and(|text| text.split_whitespace().all(|word| word.parse::<i64>().is_ok()))
    })?;
    each(image, layout::ROUTES, |record, _| {
        let nodes = text(record, route::NODES);
        points(record, route::EGRESS, layout::EGRESS)
            && record.u8(route::PERCENT) <= 100
            && usize::from(record.u8(route::PLACE)) < PLAN_ROUTES_MAX
            && nodes.is_some_and(|nodes| nodes.split_whitespace().all(|node| node.parse::<u16>().is_ok()))
            && text(record, route::RULES).is_some_and(|text| RouteRules::from_text(text).is_ok())
    })
}

/// Every key in the buckets is a prefix that is found where it stands, and the slots know its length.
fn keys(view: &Tables<'_>) -> Result<(), ImageFlaw> {
    let name = BUCKETS.name;
    let buckets = view.buckets();
    ok_if(!buckets.is_empty(), name, 0)?;
    let keys = || {
        let places = |bucket: &'_ [u8; bucket::SIZE]| {
            let bucket = *bucket;
            (0..bucket::PLACES).map(move |place| (place, u64_at(&bucket, place * 8)))
        };
        let all = buckets.iter().enumerate().flat_map(move |(at, bucket)| places(bucket).map(move |found| (at, found)));
        all.filter(|(_, (_, key))| *key != bucket::EMPTY)
    };
    let mut count = 0;
    for (at, (place, key)) in keys() {
        let line = u32_at(&buckets[at], bucket::LINES + place * 4);
        // A second one of the same key would be found where the first one stands.
        let fine = is_narrow_key(key) && line_exists(view, line) && view.place(key) == Some((at, place));
        ok_if(fine, name, at as u64)?;
        count += 1;
    }
    ok_if(count == view.head(tables::KEYS), name, buckets.len() as u64)?;
    let found: &[[u8; 2]] = view.table(SLOTS);
    ok_if(found.len() == slot_count(view.depth()), SLOTS.name, 0)?;
    let expected = slots(keys().map(|(_, (_, key))| key), view.depth());
    ok_if(found.iter().map(|slot| u16::from_le_bytes(*slot)).eq(expected), SLOTS.name, 0)
}

/// Keys with letters rise, and their lines exist.
fn wide(view: &Tables<'_>) -> Result<(), ImageFlaw> {
    let keys: &[[u8; 16]] = view.table(WIDE_KEYS);
    let lines: &[[u8; 4]] = view.table(WIDE_LINES);
    let rises = keys.windows(2).all(|pair| u128::from_le_bytes(pair[0]) < u128::from_le_bytes(pair[1]));
    let exist = lines.iter().all(|line| line_exists(view, u32::from_le_bytes(*line)));
    ok_if(keys.len() == lines.len() && rises && exist, WIDE_KEYS.name, 0)
}

fn line_exists(view: &Tables<'_>, line: u32) -> bool {
    let lines = view.count(LINES) as u32;
    if line & SEVERAL == 0 {
        return line < lines;
    }
    let dated: &[[u8; 4]] = view.table(DATED);
    let list = dated.get((line & !SEVERAL) as usize..).unwrap_or(&[]);
    let length = list.first().map_or(0, |length| u32::from_le_bytes(*length)) as usize;
    length >= 2 && list.get(1..=length).is_some_and(|list| list.iter().all(|at| u32::from_le_bytes(*at) < lines))
}

fn lines(view: &Tables<'_>) -> Result<(), ImageFlaw> {
    (0..view.count(LINES) as u32).try_for_each(|place| {
        let line = view.line(place);
        let fine = line.i64(line::PER_MINUTE) >= 0
            && line.i64(line::CONNECTION_FEE) >= 0
            && line.i64(line::FIRST_PER_MINUTE) >= -1
            && line.i64(line::FROM) < line.i64(line::TILL)
            && units::RateClass::from_code(line.u8(line::CLASS)).is_some()
            && is_text(line, line::DESTINATION);
        ok_if(fine, LINES.name, u64::from(place))
    })
}
