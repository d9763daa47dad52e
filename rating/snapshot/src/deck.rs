//! Longest-prefix match in a deck.
//!
//! Keys stand sorted, so a number's longest prefix is the last key that is not greater than the number, or one of that key's
//! parents. A number's first symbols choose a slot: where to search, and which shorter prefix stands if nothing there fits.

use units::{Currency, DeckId, Money, Rounding, Terms, WallTime};

use crate::layout::{self, NONE, SEVERAL, deck, line};
use crate::prefix::{self, Key};
use crate::read::{Record, u32_at};

/// A rate deck.
#[derive(Clone, Copy)]
pub struct DeckView<'a>(Record<'a>);

/// One rate that is in force for a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateView<'a> {
    /// Everything that turns seconds into money.
    pub terms: Terms,
    /// Calls there are refused.
    pub blocked: bool,
    /// Valid from this moment on.
    pub from: WallTime,
    /// Valid until just before this moment; `None` for ever.
    pub till: Option<WallTime>,
    /// What people call the destination; may be empty.
    pub destination: &'a str,
    /// How many symbols of the number the prefix matched.
    pub prefix_digits: u8,
}

/// Keys of one width and their nodes: parent u32, line u32.
struct Table<'a, K> {
    keys: &'a [K],
    nodes: &'a [[u8; 8]],
}

impl<'a> DeckView<'a> {
    pub(crate) fn new(record: Record<'a>) -> DeckView<'a> {
        DeckView(record)
    }

    /// Its id.
    pub fn id(&self) -> DeckId {
        DeckId(self.0.u32(layout::ID))
    }

    /// The short name that operators use.
    pub fn code(&self) -> &'a str {
        self.0.text(layout::CODE)
    }

    /// What its prices count in.
    pub fn currency(&self) -> Currency {
        Currency::from_bytes(self.0.chunk(deck::CURRENCY)).unwrap_or(Currency::USD)
    }

    /// Decimals of a price, 0 to 9.
    pub fn decimals(&self) -> u8 {
        self.0.u8(deck::DECIMALS)
    }

    /// Milliseconds to seconds.
    pub fn rounding(&self) -> Rounding {
        rounding_of(self.0.u8(deck::ROUNDING)).unwrap_or_default()
    }

    /// How many different prefixes it has.
    pub fn prefixes(&self) -> usize {
        self.0.u32(deck::KEY_COUNT) as usize + self.0.u32(deck::WIDE_COUNT) as usize
    }

    /// Bytes of its prefix tables, without the rates that they point to.
    pub fn index_bytes(&self) -> usize {
        let slots = slot_count(self.depth()) * 8;
        self.0.u32(deck::KEY_COUNT) as usize * 16 + self.0.u32(deck::WIDE_COUNT) as usize * 24 + slots
    }

    /// The rate of the longest prefix of `digits` that has one in force at `at`. Allocates nothing.
    pub fn lookup(&self, digits: &[u8], at: WallTime) -> Option<RateView<'a>> {
        // A prefix with a letter that fits is longer than any without: the letter stands where those end.
        if self.0.u32(deck::WIDE_COUNT) > 0
            && let Some(found) = self.wide(digits, at)
        {
            return Some(found);
        }
        let number = prefix::narrow(digits);
        let table = self.narrow_table();
        let start = self.predecessor(&table, number);
        self.climb(
            start,
            at,
            |node| table.node(node),
            |node| {
                let key = u64::from_le_bytes(*table.keys.get(node as usize)?);
                key.starts(number).then(|| key.symbols())
            },
        )
    }

    fn depth(&self) -> u32 {
        u32::from(self.0.u8(deck::DEPTH)).clamp(1, 7)
    }

    pub(crate) fn table<const SIZE: usize>(&self, field: usize, count: usize) -> &'a [[u8; SIZE]] {
        let start = self.0.offset(field);
        let end = start.saturating_add(count.saturating_mul(SIZE));
        self.0.image.get(start..end).map_or(&[], |bytes| bytes.as_chunks().0)
    }

    fn narrow_table(&self) -> Table<'a, [u8; 8]> {
        let count = self.0.u32(deck::KEY_COUNT) as usize;
        Table { keys: self.table(deck::KEYS, count), nodes: self.table(deck::NODES, count) }
    }

    /// The last key of the number's slot that is not greater, or else what stands for the whole slot.
    fn predecessor(&self, table: &Table<'_, [u8; 8]>, number: u64) -> u32 {
        let depth = self.depth();
        let slots: &[[u8; 8]] = self.table(deck::SLOTS, slot_count(depth));
        let slot = (number >> (64 - 4 * depth)) as usize;
        let (Some(this), Some(next)) = (slots.get(slot), slots.get(slot + 1)) else { return NONE };
        let (first, end) = (u32_at(this, 0), u32_at(next, 0));
        let keys = table.keys.get(first as usize..end as usize).unwrap_or(&[]);
        let below = keys.partition_point(|key| u64::from_le_bytes(*key) <= number);
        if below == 0 { u32_at(this, 4) } else { first + below as u32 - 1 }
    }

    fn wide(&self, digits: &[u8], at: WallTime) -> Option<RateView<'a>> {
        let count = self.0.u32(deck::WIDE_COUNT) as usize;
        let table: Table<'_, [u8; 16]> =
            Table { keys: self.table(deck::WIDE_KEYS, count), nodes: self.table(deck::WIDE_NODES, count) };
        let number = prefix::wide(digits);
        let below = table.keys.partition_point(|key| u128::from_le_bytes(*key) <= number);
        let start = (below as u32).checked_sub(1)?;
        self.climb(
            start,
            at,
            |node| table.node(node),
            |node| {
                let key = u128::from_le_bytes(*table.keys.get(node as usize)?);
                key.starts(number).then(|| key.symbols())
            },
        )
    }

    /// From a node upwards, the first that fits the number and has a rate in force.
    fn climb(
        &self,
        start: u32,
        at: WallTime,
        node: impl Fn(u32) -> Option<(u32, u32)>,
        fits: impl Fn(u32) -> Option<u32>,
    ) -> Option<RateView<'a>> {
        let mut place = start;
        while let Some((parent, lines)) = node(place) {
            if let Some(symbols) = fits(place)
                && let Some(found) = self.in_force(lines, at)
            {
                return Some(self.rate(found, symbols as u8));
            }
            // Parents stand before their children; anything else is broken and would never end.
            if parent >= place {
                return None;
            }
            place = parent;
        }
        None
    }

    fn in_force(&self, lines: u32, at: WallTime) -> Option<Record<'a>> {
        if lines & SEVERAL == 0 {
            return Some(self.line(lines)).filter(|line| covers(*line, at));
        }
        let dated: &[[u8; 4]] = self.table(deck::DATED, self.0.u32(deck::DATED_COUNT) as usize);
        let list = dated.get((lines & !SEVERAL) as usize..)?;
        let (count, list) = list.split_first()?;
        let list = list.iter().take(u32::from_le_bytes(*count) as usize);
        list.map(|place| self.line(u32::from_le_bytes(*place))).find(|line| covers(*line, at))
    }

    pub(crate) fn line(&self, place: u32) -> Record<'a> {
        let at = self.0.offset(deck::LINES).saturating_add(place as usize * line::SIZE);
        Record { image: self.0.image, at }
    }

    fn rate(&self, record: Record<'a>, prefix_digits: u8) -> RateView<'a> {
        let till = record.i64(line::TILL);
        RateView {
            terms: Terms {
                deck: self.id(),
                currency: self.currency(),
                per_minute: Money::from_nanos(record.i64(line::PER_MINUTE)),
                connection_fee: Money::from_nanos(record.i64(line::CONNECTION_FEE)),
                minimum_s: record.u16(line::MINIMUM),
                increment_s: record.u16(line::INCREMENT),
                free_s: record.u16(line::FREE),
                rounding: self.rounding(),
                decimals: self.decimals(),
                prefix_digits,
            },
            blocked: record.u8(line::BLOCKED) != 0,
            from: WallTime::from_micros(record.i64(line::FROM)),
            till: (till != i64::MAX).then_some(WallTime::from_micros(till)),
            destination: record.text(line::DESTINATION),
            prefix_digits,
        }
    }
}

impl<K> Table<'_, K> {
    fn node(&self, place: u32) -> Option<(u32, u32)> {
        self.nodes.get(place as usize).map(|node| (u32_at(node, 0), u32_at(node, 4)))
    }
}

fn covers(record: Record<'_>, at: WallTime) -> bool {
    record.i64(line::FROM) <= at.micros() && at.micros() < record.i64(line::TILL)
}

/// Slots of an index over this many symbols, the closing one included.
pub(crate) fn slot_count(depth: u32) -> usize {
    (1 << (4 * depth)) + 1
}

pub(crate) fn rounding_of(code: u8) -> Option<Rounding> {
    [Rounding::Ceil, Rounding::Round, Rounding::Floor].into_iter().find(|rounding| *rounding as u8 == code)
}
