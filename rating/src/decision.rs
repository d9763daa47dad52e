//! Why a call went where it went: the record that stands in its CDR, one kilobyte at most.
//!
//! It holds all inputs besides the snapshot (what the day knew of the trunks is among them), so that the decision can be repeated bit
//! for bit, and the outcome, so that it can be read where the snapshot is gone. Numbers are LEB128; should the candidates not fit, the last ones are left out and counted.

use alloc::vec::Vec;

use units::{
    AccountId, CarrierId, Cause, Currency, DeckId, EXCHANGE_ONE, EgressTrunkId, IngressTrunkId, Jurisdiction, Money,
    NodeId, Number, PlanId, RateClass, Revision, Rounding, Terms, WallTime,
};

use crate::quality::Indexes;
use crate::routes::{Ask, Candidate, Reason, Routes, Verdict};

/// Bytes of a record at most.
pub const DECISION_BYTES_MAX: usize = 1_024;
/// The format that is written, and the only one that is read: what older ones lack decides as well.
pub const FORMAT: u8 = 7;
const HAS_BUY: u8 = 0x80;
const HAS_CURRENCY: u8 = 0x40;
/// It stands in a failover plan.
const HAS_PLAN: u8 = 0x20;
const HAS_REASON: u8 = 0x10;
/// Its margin was computed with exchange rates.
const HAS_MARGIN: u8 = 0x08;

/// A record read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The snapshot that decided.
    pub revision: Revision,
    /// The inputs.
    pub ask: Ask,
    /// The kept ones in the order to try them, then the others.
    pub candidates: Vec<Candidate>,
    /// Candidates that did not fit into the record.
    pub omitted: u8,
}

/// Writes the record of a decision; `out` is emptied first.
pub fn encode(revision: Revision, ask: &Ask, routes: &Routes, out: &mut Vec<u8>) {
    out.clear();
    out.reserve(256);
    out.push(FORMAT);
    // The count of omitted candidates; known at the end.
    out.push(0);
    number(out, revision.0);
    number(out, u64::from(ask.node.0));
    number(out, u64::from(ask.ingress.0));
    number(out, u64::from(ask.plan.0));
    number(out, u64::from(ask.originator.0));
    text(out, &ask.calling);
    text(out, &ask.called);
    text(out, &ask.lrn);
    out.push(ask.jurisdiction as u8);
    number(out, zigzag(ask.at.micros()));
    out.extend_from_slice(&ask.seed.to_le_bytes());
    number(out, ask.unreachable);
    number(out, ask.resting);
    number(out, ask.throttled);
    let count_at = out.len();
    out.push(0);
    for (place, index) in ask.indexes.known() {
        out[count_at] += 1;
        out.push(place as u8);
        number(out, zigzag(index));
    }
    out.extend_from_slice(&ask.sell.currency.bytes());
    terms(out, &ask.sell);
    for (place, candidate) in routes.all().iter().enumerate() {
        let before = out.len();
        write(out, ask, candidate);
        if out.len() > DECISION_BYTES_MAX {
            out.truncate(before);
            out[1] = (routes.all().len() - place) as u8;
            return;
        }
    }
}

/// The format of a record, to tell an older one from a broken one; `None` for an empty one.
pub fn format_of(bytes: &[u8]) -> Option<u8> {
    bytes.first().copied()
}

/// Reads a record; `None` for anything that [`encode`] does not write.
pub fn decode(bytes: &[u8]) -> Option<Decision> {
    let mut input = Input(bytes);
    if bytes.len() > DECISION_BYTES_MAX || input.byte()? != FORMAT {
        return None;
    }
    let omitted = input.byte()?;
    let revision = Revision(input.number()?);
    let (node, ingress) = (NodeId(input.small()?), IngressTrunkId(input.small()?));
    let plan = PlanId(input.small()?);
    let originator = CarrierId(input.small()?);
    let (calling, called, lrn) = (input.text()?, input.text()?, input.text()?);
    let jurisdiction = Jurisdiction::from_code(input.byte()?)?;
    let at = WallTime::from_micros(unzigzag(input.number()?));
    let seed = u64::from_le_bytes(*input.chunk()?);
    let (unreachable, resting, throttled) = (input.number()?, input.number()?, input.number()?);
    let mut indexes = Indexes::default();
    for _ in 0..input.byte()? {
        indexes.set(usize::from(input.byte()?), unzigzag(input.number()?));
    }
    let currency = Currency::from_bytes(*input.chunk()?)?;
    let sell = input.terms(currency)?;
    let ask = Ask {
        node,
        ingress,
        plan,
        sell,
        originator,
        calling,
        called,
        lrn,
        jurisdiction,
        at,
        seed,
        unreachable,
        resting,
        throttled,
        indexes,
    };
    let mut candidates = Vec::new();
    while !input.0.is_empty() {
        candidates.push(input.candidate(&ask)?);
    }
    Some(Decision { revision, ask, candidates, omitted })
}

fn write(out: &mut Vec<u8>, ask: &Ask, candidate: &Candidate) {
    let (verdict, cause) = match candidate.verdict {
        Verdict::Kept => (0, None),
        Verdict::Surplus => (1, None),
        Verdict::Dropped(cause) => (2, Some(cause)),
    };
    let foreign = candidate.buy.filter(|buy| buy.currency != ask.sell.currency);
    let has_buy = if candidate.buy.is_some() { HAS_BUY } else { 0 };
    let has_currency = if foreign.is_some() { HAS_CURRENCY } else { 0 };
    let has_plan = if candidate.plan == ask.plan { 0 } else { HAS_PLAN };
    let plain = candidate.buy.map_or(Money::ZERO, |buy| plain_margin(ask, &buy));
    let has_margin = if candidate.margin == plain { 0 } else { HAS_MARGIN };
    let has_reason = if candidate.reason.is_some() { HAS_REASON } else { 0 };
    out.push(verdict | has_buy | has_currency | has_plan | has_reason | has_margin);
    number(out, u64::from(candidate.egress.0));
    number(out, u64::from(candidate.carrier.0));
    number(out, u64::from(candidate.account.0));
    if let Some(cause) = cause {
        number(out, u64::from(cause.0));
    }
    if has_plan != 0 {
        number(out, u64::from(candidate.plan.0));
    }
    if let Some((code, figure)) = candidate.reason.map(Reason::parts) {
        out.push(code);
        number(out, zigzag(figure));
    }
    if let Some(foreign) = foreign {
        out.extend_from_slice(&foreign.currency.bytes());
    }
    if let Some(buy) = candidate.buy {
        terms(out, &buy);
    }
    if has_margin != 0 {
        number(out, zigzag(candidate.margin.nanos()));
    }
}

/// What the margin is where everything counts in one currency.
fn plain_margin(ask: &Ask, buy: &Terms) -> Money {
    ask.sell.per_minute - buy.per_minute
}

/// Set in the second byte of terms: these follow only where they are not at their default.
const HAS_FIRST: u8 = 1;
const HAS_TAX: u8 = 2;
const HAS_EXCHANGE: u8 = 4;
const FROM_ZERO: u8 = 8;

fn terms(out: &mut Vec<u8>, terms: &Terms) {
    number(out, u64::from(terms.deck.0));
    number(out, zigzag(terms.per_minute.nanos()));
    number(out, zigzag(terms.connection_fee.nanos()));
    number(out, u64::from(terms.minimum_s));
    number(out, u64::from(terms.increment_s));
    number(out, u64::from(terms.free_s));
    out.push(terms.rounding as u8 * 16 + terms.decimals.min(15));
    out.push(terms.prefix_digits);
    out.push(terms.class.code());
    let exchanged = terms.deck_currency != terms.currency || terms.exchange != EXCHANGE_ONE;
    let parts = [
        (terms.first_per_minute.is_some(), HAS_FIRST),
        (terms.tax_ppm != 0, HAS_TAX),
        (exchanged, HAS_EXCHANGE),
        (terms.steps_from_zero, FROM_ZERO),
    ];
    out.push(parts.iter().filter(|(there, _)| *there).fold(0, |all, (_, bit)| all | bit));
    if let Some(first) = terms.first_per_minute {
        number(out, zigzag(first.nanos()));
    }
    if terms.tax_ppm != 0 {
        number(out, u64::from(terms.tax_ppm));
    }
    if exchanged {
        out.extend_from_slice(&terms.deck_currency.bytes());
        number(out, zigzag(terms.exchange));
    }
}

fn text(out: &mut Vec<u8>, number: &Number) {
    out.push(number.as_bytes().len() as u8);
    out.extend_from_slice(number.as_bytes());
}

fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// What is still to be read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn chunk<const SIZE: usize>(&mut self) -> Option<&'a [u8; SIZE]> {
        let (chunk, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(chunk)
    }

    fn byte(&mut self) -> Option<u8> {
        self.chunk::<1>().map(|byte| byte[0])
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7F);
            // The tenth byte has room for one bit only.
            if part.checked_shl(shift)? >> shift != part {
                return None;
            }
            value |= part << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn small<T: TryFrom<u64>>(&mut self) -> Option<T> {
        T::try_from(self.number()?).ok()
    }

    fn money(&mut self) -> Option<Money> {
        Some(Money::from_nanos(unzigzag(self.number()?)))
    }

    fn text(&mut self) -> Option<Number> {
        let length = usize::from(self.byte()?);
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Number::parse(text).ok()
    }

    fn terms(&mut self, currency: Currency) -> Option<Terms> {
        let deck = DeckId(self.small()?);
        let (per_minute, connection_fee) = (self.money()?, self.money()?);
        let (minimum_s, increment_s, free_s) = (self.small()?, self.small()?, self.small()?);
        let [packed, prefix_digits, class, parts] = *self.chunk()?;
        let class = RateClass::from_code(class)?;
        if parts > (HAS_FIRST | HAS_TAX | HAS_EXCHANGE | FROM_ZERO) {
            return None;
        }
        let first_per_minute = if parts & HAS_FIRST != 0 { Some(self.money()?) } else { None };
        let tax_ppm = if parts & HAS_TAX != 0 { self.small()? } else { 0 };
        let (deck_currency, exchange) = match parts & HAS_EXCHANGE {
            0 => (currency, EXCHANGE_ONE),
            _ => (Currency::from_bytes(*self.chunk()?)?, unzigzag(self.number()?)),
        };
        let roundings = [Rounding::Ceil, Rounding::Round, Rounding::Floor];
        let rounding = *roundings.get(usize::from(packed / 16))?;
        let decimals = packed % 16;
        Some(Terms {
            deck,
            currency,
            deck_currency,
            exchange,
            per_minute,
            first_per_minute,
            connection_fee,
            minimum_s,
            increment_s,
            steps_from_zero: parts & FROM_ZERO != 0,
            free_s,
            rounding,
            decimals,
            tax_ppm,
            prefix_digits,
            class,
        })
    }

    fn candidate(&mut self, ask: &Ask) -> Option<Candidate> {
        let head = self.byte()?;
        let egress = EgressTrunkId(self.small()?);
        let (carrier, account) = (CarrierId(self.small()?), AccountId(self.small()?));
        let verdict = match head & !(HAS_BUY | HAS_CURRENCY | HAS_PLAN | HAS_REASON | HAS_MARGIN) {
            0 => Verdict::Kept,
            1 => Verdict::Surplus,
            2 => Verdict::Dropped(Cause(self.small()?)),
            _ => return None,
        };
        let plan = if head & HAS_PLAN != 0 { PlanId(self.small()?) } else { ask.plan };
        let reason = match head & HAS_REASON {
            0 => None,
            _ => Some(Reason::from_parts(self.byte()?, unzigzag(self.number()?))?),
        };
        let foreign = if head & HAS_CURRENCY != 0 { Some(Currency::from_bytes(*self.chunk()?)?) } else { None };
        let buy = if head & HAS_BUY != 0 { Some(self.terms(foreign.unwrap_or(ask.sell.currency))?) } else { None };
        let margin = match head & HAS_MARGIN {
            0 => buy.map_or(Money::ZERO, |buy| plain_margin(ask, &buy)),
            _ => self.money()?,
        };
        Some(Candidate { egress, carrier, account, buy, margin, verdict, reason, plan })
    }
}
