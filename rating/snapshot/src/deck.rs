//! Longest-prefix match in a deck.
//!
//! A number's first symbols choose a slot, which tells the lengths of all prefixes that begin so. Those lengths are tried from the
//! longest on: the number's head of that length is looked up in a hash table whose buckets are cache lines.

use units::{Currency, DeckId, EXCHANGE_ONE, Hours, Jurisdiction, Money, RateClass, Rounding, Terms, WallTime};

use crate::calendar::CalendarView;
use crate::image::{Mark, Wanted};
use crate::layout::{
    self, BUCKETS, DATED, LINES, SEVERAL, SLOTS, Section, WIDE_KEYS, WIDE_LINES, bucket, deck, header, line, tables,
};
use crate::prefix;
use crate::read::{Record, i64_at, section, u8_at, u16_at, u32_at, u64_at};
use crate::seek::{Key, Seek};

/// A rate deck.
#[derive(Clone, Copy)]
pub struct DeckView<'a> {
    record: Record<'a>,
    fields: &'a [u8; deck::SIZE],
    pub(crate) tables: Tables<'a>,
}

/// A deck's image.
#[derive(Clone, Copy)]
pub(crate) struct Tables<'a> {
    image: &'a [u8],
    head: &'a [u8; header::SIZE],
}

/// What decides, besides the number, which rate counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// The moment.
    pub at: WallTime,
    /// Where the call goes; [`Jurisdiction::Any`] if that was not judged, which only rates of any jurisdiction fit.
    pub jurisdiction: Jurisdiction,
}

impl From<WallTime> for When {
    fn from(at: WallTime) -> When {
        When { at, jurisdiction: Jurisdiction::Any }
    }
}

/// One rate that is in force for a number.
#[derive(Clone, Copy)]
pub struct RateView<'a> {
    /// Everything that turns seconds into money, in the deck's own currency.
    pub terms: Terms,
    /// Calls there are refused.
    pub blocked: bool,
    /// Valid from this moment on.
    pub from: WallTime,
    /// Valid until just before this moment; `None` for ever.
    pub till: Option<WallTime>,
    /// How many symbols of the number the prefix matched.
    pub prefix_digits: u8,
    line: Record<'a>,
}

impl<'a> RateView<'a> {
    /// What people call the destination; may be empty.
    pub fn destination(&self) -> &'a str {
        self.line.text(line::DESTINATION)
    }
}

impl core::fmt::Debug for RateView<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?} from {:?} till {:?}, blocked {}", self.terms, self.from, self.till, self.blocked)
    }
}

impl<'a> DeckView<'a> {
    /// The deck of this record with its image.
    pub(crate) fn new(record: Record<'a>, image: &'a [u8]) -> Option<DeckView<'a>> {
        let fields = record.image.get(record.at..)?.first_chunk()?;
        Some(DeckView { record, fields, tables: Tables::new(image)? })
    }

    /// Its id.
    pub fn id(&self) -> DeckId {
        DeckId(u32_at(self.fields, layout::ID))
    }

    /// The short name that operators use.
    pub fn code(&self) -> &'a str {
        self.record.text(layout::CODE)
    }

    /// What its prices count in.
    pub fn currency(&self) -> Currency {
        let [.., a, b, c] = self.fields[..deck::CURRENCY + 3] else { return Currency::USD };
        Currency::from_bytes([a, b, c]).unwrap_or(Currency::USD)
    }

    /// Decimals of a price, 0 to 9.
    pub fn decimals(&self) -> u8 {
        u8_at(self.fields, deck::DECIMALS)
    }

    /// Milliseconds to seconds.
    pub fn rounding(&self) -> Rounding {
        rounding_of(u8_at(self.fields, deck::ROUNDING)).unwrap_or_default()
    }

    /// Billing steps count from the call's beginning; otherwise from the end of the minimum.
    pub fn steps_from_zero(&self) -> bool {
        u8_at(self.fields, deck::STEPS_FROM_ZERO) != 0
    }

    /// Tax on top of the price, in millionths.
    pub fn tax_ppm(&self) -> u32 {
        u32_at(self.fields, deck::TAX)
    }

    /// How many different prefixes it has.
    pub fn prefixes(&self) -> usize {
        self.tables.head(tables::KEYS) + self.tables.count(WIDE_KEYS)
    }

    /// How many rates it was made of.
    pub fn rates(&self) -> usize {
        self.tables.head(tables::RATES)
    }

    /// Bytes of its prefix tables, without the rates that they point to.
    pub fn index_bytes(&self) -> usize {
        [BUCKETS, SLOTS, WIDE_KEYS, WIDE_LINES].map(|of| self.tables.count(of) * of.size).iter().sum()
    }

    /// The zone of its clock, as IANA names it.
    pub fn zone(&self) -> &'a str {
        self.record.text(deck::ZONE)
    }

    /// Rates of one jurisdiction count; otherwise only those of any.
    pub fn by_jurisdiction(&self) -> bool {
        u8_at(self.fields, deck::BY_JURISDICTION) != 0
    }

    /// Looked up by the location routing number of a call that has one; otherwise by the dialled number.
    pub fn by_lrn(&self) -> bool {
        u8_at(self.fields, deck::BY_LRN) != 0
    }

    /// The class of hours that a moment falls into by its calendar; never [`Hours::Any`].
    pub fn hours(&self, at: WallTime) -> Hours {
        CalendarView::of(self.record).map_or(Hours::OffPeak, |calendar| calendar.hours(at))
    }

    /// The rate that counts: of the longest prefix of `digits` that has one in force for such a call, the one of its jurisdiction, then
    /// the one of its hours, then the one that began last. Allocates nothing.
    pub fn lookup(&self, digits: &[u8], when: impl Into<When>) -> Option<RateView<'a>> {
        Seek::new(*self, Key::of(digits)).find(when.into())
    }

    pub(crate) fn wide(&self, digits: &[u8], at: When) -> Option<RateView<'a>> {
        let keys: &[[u8; 16]] = self.tables.table(WIDE_KEYS);
        let lines: &[[u8; 4]] = self.tables.table(WIDE_LINES);
        let (number, symbols) = prefix::wide(digits);
        (1..=symbols).rev().find_map(|length| {
            let head = prefix::wide_head(number, length);
            let place = keys.binary_search_by_key(&head, |key| u128::from_le_bytes(*key)).ok()?;
            self.in_force(u32::from_le_bytes(*lines.get(place)?), at, length)
        })
    }

    pub(crate) fn in_force(&self, lines: u32, at: When, symbols: u32) -> Option<RateView<'a>> {
        if lines & SEVERAL == 0 {
            return self.rate(lines, at, symbols);
        }
        let dated: &[[u8; 4]] = self.tables.table(DATED);
        let (count, list) = dated.get((lines & !SEVERAL) as usize..)?.split_first()?;
        let list = list.iter().take(u32::from_le_bytes(*count) as usize);
        list.map(|place| u32::from_le_bytes(*place)).find_map(|place| self.rate(place, at, symbols))
    }

    /// True if a rate of this class is for such a call.
    fn fits(&self, class: RateClass, when: When) -> bool {
        let goes_there = self.by_jurisdiction() && class.jurisdiction == when.jurisdiction;
        (class.jurisdiction == Jurisdiction::Any || goes_there)
            && (class.hours == Hours::Any || class.hours == self.hours(when.at))
    }

    /// The rate in this line, if it is in force for such a call.
    fn rate(&self, place: u32, when: When, symbols: u32) -> Option<RateView<'a>> {
        let record = self.tables.line(place);
        let line: &[u8; line::SIZE] = record.image.get(record.at..)?.first_chunk()?;
        let (from, till) = (i64_at(line, line::FROM), i64_at(line, line::TILL));
        let class = RateClass::from_code(line[line::CLASS])?;
        let at = when.at.micros();
        if at < from || at >= till || !(class == RateClass::ANY || self.fits(class, when)) {
            return None;
        }
        let prefix_digits = symbols as u8;
        let terms = Terms {
            deck: self.id(),
            currency: self.currency(),
            deck_currency: self.currency(),
            exchange: EXCHANGE_ONE,
            per_minute: Money::from_nanos(i64_at(line, line::PER_MINUTE)),
            first_per_minute: Some(Money::from_nanos(i64_at(line, line::FIRST_PER_MINUTE)))
                .filter(|price| *price >= Money::ZERO),
            connection_fee: Money::from_nanos(i64_at(line, line::CONNECTION_FEE)),
            minimum_s: u16_at(line, line::MINIMUM),
            increment_s: u16_at(line, line::INCREMENT),
            steps_from_zero: self.steps_from_zero(),
            free_s: u16_at(line, line::FREE),
            rounding: self.rounding(),
            decimals: self.decimals(),
            tax_ppm: self.tax_ppm(),
            prefix_digits,
            class,
        };
        Some(RateView {
            terms,
            blocked: line[line::BLOCKED] != 0,
            from: WallTime::from_micros(from),
            till: (till != i64::MAX).then_some(WallTime::from_micros(till)),
            prefix_digits,
            line: record,
        })
    }
}

impl<'a> Tables<'a> {
    pub fn new(image: &'a [u8]) -> Option<Tables<'a>> {
        Some(Tables { image, head: image.first_chunk()? })
    }

    /// A number of the header.
    pub fn head(&self, field: usize) -> usize {
        u32_at(self.head, field) as usize
    }

    pub fn depth(&self) -> u32 {
        u32_at(self.head, tables::DEPTH).clamp(1, 6)
    }

    /// Records of a section.
    pub fn count(&self, of: Section) -> usize {
        section(self.head, of).1 as usize
    }

    /// A section whose records have so many bytes.
    pub fn table<const SIZE: usize>(&self, of: Section) -> &'a [[u8; SIZE]] {
        let (start, count) = section(self.head, of);
        let end = start.saturating_add((count as usize).saturating_mul(SIZE));
        self.image.get(start..end).map_or(&[], |bytes| bytes.as_chunks().0)
    }

    pub fn buckets(&self) -> &'a [[u8; bucket::SIZE]] {
        self.table(BUCKETS)
    }

    /// The bucket and the place in it where exactly this key is found.
    pub fn place(&self, key: u64) -> Option<(usize, usize)> {
        place(self.buckets(), self.head(tables::REACH), key)
    }

    pub fn line(&self, place: u32) -> Record<'a> {
        let at = section(self.head, LINES).0.saturating_add(place as usize * line::SIZE);
        Record { image: self.image, at }
    }
}

/// The image that a deck's record asks for.
pub(crate) fn wanted(record: Record<'_>) -> Wanted<'_> {
    let mark = Mark { checksum: record.u64(deck::CHECKSUM), length: record.u64(deck::LENGTH) };
    Wanted { deck: DeckId(record.u32(layout::ID)), code: record.text(layout::CODE), mark }
}

/// The line of a key.
pub(crate) fn find(buckets: &[[u8; bucket::SIZE]], reach: usize, key: u64) -> Option<u32> {
    let (at, place) = place(buckets, reach, key)?;
    Some(u32_at(buckets.get(at)?, bucket::LINES + place * 4))
}

/// The bucket and the place of a key: in its home bucket, or in one of those after it while each says that keys went on.
fn place(buckets: &[[u8; bucket::SIZE]], reach: usize, key: u64) -> Option<(usize, usize)> {
    let mut at = prefix::home(key, buckets.len() as u32) as usize;
    for _ in 0..reach {
        let bucket = buckets.get(at)?;
        // All places at once: a branch for each would be guessed wrong.
        let hits =
            (0..bucket::PLACES).fold(0_u32, |hits, place| hits | u32::from(u64_at(bucket, place * 8) == key) << place);
        if hits != 0 {
            return Some((at, hits.trailing_zeros() as usize));
        }
        if bucket[bucket::SPILLED] == 0 {
            return None;
        }
        at = if at + 1 == buckets.len() { 0 } else { at + 1 };
    }
    None
}

/// Slots over this many symbols.
pub(crate) fn slot_count(depth: u32) -> usize {
    1 << (4 * depth)
}

pub(crate) fn rounding_of(code: u8) -> Option<Rounding> {
    [Rounding::Ceil, Rounding::Round, Rounding::Floor].into_iter().find(|rounding| *rounding as u8 == code)
}
