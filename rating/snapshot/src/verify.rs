//! Reads every byte of an image before anyone trusts it.

use crate::crc64::crc64;
use crate::deck::{DeckView, rounding_of, slot_count};
use crate::flaw::ImageFlaw;
use crate::layout::{
    self, FORMAT, MAGIC, NONE, SECTIONS, SEVERAL, Section, account, deck, egress, gate, header, ingress, line, plan,
    route, source,
};
use crate::model::{ATTEMPTS_MAX, Order};
use crate::prefix::Key;
use crate::read::{Record, section, u32_at, u64_at};
use crate::view::masked;

/// Nothing, or the first thing that is wrong.
pub fn image(image: &[u8]) -> Result<(), ImageFlaw> {
    envelope(image)?;
    for section in SECTIONS {
        bounds(image, *section)?;
    }
    for of in [layout::CARRIERS, layout::ACCOUNTS, layout::INGRESS, layout::EGRESS, layout::DECKS, layout::PLANS] {
        each(image, of, |record, index| {
            let before = index.checked_sub(1).and_then(|before| Record::nth(image, of, before));
            before.is_none_or(|before| before.u32(layout::ID) < record.u32(layout::ID))
        })?;
    }
    trunks(image)?;
    sources(image)?;
    plans(image)?;
    each(image, layout::DECKS, |record, _| coded(record) && has_currency(record, deck::CURRENCY))?;
    let (_, decks) = section(image, layout::DECKS);
    (0..decks).filter_map(|index| Record::nth(image, layout::DECKS, index)).try_for_each(tables)
}

fn envelope(image: &[u8]) -> Result<(), ImageFlaw> {
    if !image.starts_with(&MAGIC) || image.len() < header::SIZE {
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

fn trunks(image: &[u8]) -> Result<(), ImageFlaw> {
    each(image, layout::CARRIERS, |record, _| coded(record))?;
    each(image, layout::ACCOUNTS, |record, _| {
        points(record, account::CARRIER, layout::CARRIERS) && has_currency(record, account::CURRENCY)
    })?;
    each(image, layout::INGRESS, |record, _| {
        coded(record)
            && is_text(record, ingress::TECH_PREFIX)
            && points(record, ingress::CARRIER, layout::CARRIERS)
            && points(record, ingress::ACCOUNT, layout::ACCOUNTS)
            && points(record, ingress::PLAN, layout::PLANS)
            && points(record, ingress::SELL_DECK, layout::DECKS)
    })?;
    each(image, layout::EGRESS, |record, _| {
        coded(record)
            && is_text(record, egress::ADD_PREFIX)
            && matches!(record.u8(egress::FAMILY), 4 | 6)
            && points(record, egress::CARRIER, layout::CARRIERS)
            && points(record, egress::ACCOUNT, layout::ACCOUNTS)
            && points(record, egress::BUY_DECK, layout::DECKS)
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
            && (1..=ATTEMPTS_MAX).contains(&attempts)
    })?;
    each(image, layout::ROUTES, |record, _| {
        points(record, route::EGRESS, layout::EGRESS) && record.u8(route::PERCENT) <= 100
    })
}

/// The tables of one deck.
fn tables(record: Record<'_>) -> Result<(), ImageFlaw> {
    let view = DeckView::new(record);
    let fine = record.u8(deck::DECIMALS) <= 9
        && rounding_of(record.u8(deck::ROUNDING)).is_some()
        && (1..=7).contains(&record.u8(deck::DEPTH));
    ok_if(fine, layout::DECKS.name, u64::from(record.u32(layout::ID)))?;
    let narrow =
        keys(record, view.table(deck::KEYS, count(record, deck::KEY_COUNT)), deck::KEY_COUNT, u64::from_le_bytes)?;
    let wide_keys = view.table(deck::WIDE_KEYS, count(record, deck::WIDE_COUNT));
    keys(record, wide_keys, deck::WIDE_COUNT, u128::from_le_bytes)?;
    slots(record, narrow)?;
    lines(record)
}

fn count(record: Record<'_>, field: usize) -> usize {
    record.u32(field) as usize
}

/// Keys rise, parents are the nearest shorter prefixes, lines exist. Returns the keys.
fn keys<'a, K: Key, const SIZE: usize>(
    record: Record<'a>,
    keys: &'a [[u8; SIZE]],
    counted: usize,
    read: fn([u8; SIZE]) -> K,
) -> Result<&'a [[u8; SIZE]], ImageFlaw> {
    let name = "a deck's prefixes";
    let expected = count(record, counted);
    let field = if SIZE == 8 { deck::NODES } else { deck::WIDE_NODES };
    let nodes: &[[u8; 8]] = DeckView::new(record).table(field, expected);
    ok_if(keys.len() == expected && nodes.len() == expected, name, 0)?;
    for (index, (key, node)) in keys.iter().zip(nodes).enumerate() {
        let key = read(*key);
        let rises = index == 0 || read(keys[index - 1]) < key;
        // The nearest shorter prefix is the key before, or one of that key's parents.
        let mut parent = (index as u32).checked_sub(1).unwrap_or(NONE);
        while parent != NONE && !read(keys[parent as usize]).starts(key) {
            parent = u32_at(&nodes[parent as usize], 0);
        }
        let fine = rises && u32_at(node, 0) == parent && line_exists(record, u32_at(node, 4));
        ok_if(fine, name, index as u64)?;
    }
    Ok(keys)
}

fn line_exists(record: Record<'_>, line: u32) -> bool {
    let lines = record.u32(deck::LINE_COUNT);
    if line & SEVERAL == 0 {
        return line < lines;
    }
    let dated: &[[u8; 4]] = DeckView::new(record).table(deck::DATED, count(record, deck::DATED_COUNT));
    let list = dated.get((line & !SEVERAL) as usize..).unwrap_or(&[]);
    let length = list.first().map_or(0, |length| u32::from_le_bytes(*length)) as usize;
    length >= 2 && list.get(1..=length).is_some_and(|list| list.iter().all(|at| u32::from_le_bytes(*at) < lines))
}

/// Each slot starts where its keys do and names the longest prefix that stands for all of it.
fn slots(record: Record<'_>, keys: &[[u8; 8]]) -> Result<(), ImageFlaw> {
    let name = "a deck's slots";
    let depth = u32::from(record.u8(deck::DEPTH));
    let view = DeckView::new(record);
    let slots: &[[u8; 8]] = view.table(deck::SLOTS, slot_count(depth));
    let nodes: &[[u8; 8]] = view.table(deck::NODES, keys.len());
    ok_if(slots.len() == slot_count(depth), name, 0)?;
    let shift = 64 - 4 * depth;
    let mut first = 0;
    for (index, slot) in slots.iter().enumerate() {
        let closing = index + 1 == slots.len();
        while first < keys.len() && (closing || ((u64::from_le_bytes(keys[first]) >> shift) as usize) < index) {
            first += 1;
        }
        let mut ancestor = if closing { NONE } else { (first as u32).checked_sub(1).unwrap_or(NONE) };
        let start = (index as u64).checked_shl(shift).unwrap_or(0);
        while ancestor != NONE && !u64::from_le_bytes(keys[ancestor as usize]).starts(start) {
            ancestor = u32_at(&nodes[ancestor as usize], 0);
        }
        ok_if(u32_at(slot, 0) as usize == first && u32_at(slot, 4) == ancestor, name, index as u64)?;
    }
    Ok(())
}

fn lines(record: Record<'_>) -> Result<(), ImageFlaw> {
    let name = "a deck's rates";
    let view = DeckView::new(record);
    let dated: &[[u8; 4]] = view.table(deck::DATED, count(record, deck::DATED_COUNT));
    ok_if(dated.len() == count(record, deck::DATED_COUNT), name, 0)?;
    let expected = count(record, deck::LINE_COUNT);
    let all: &[[u8; line::SIZE]] = view.table(deck::LINES, expected);
    ok_if(all.len() == expected, name, 0)?;
    (0..record.u32(deck::LINE_COUNT)).try_for_each(|place| {
        let line = view.line(place);
        let fine = line.i64(line::PER_MINUTE) >= 0
            && line.i64(line::CONNECTION_FEE) >= 0
            && line.i64(line::FROM) < line.i64(line::TILL)
            && is_text(line, line::DESTINATION);
        ok_if(fine, name, u64::from(place))
    })
}
