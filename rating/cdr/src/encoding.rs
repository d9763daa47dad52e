//! A record as bytes: version, kind, then its fields in the order of their declaration.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use units::{
    AccountId, AttemptIndex, CallId, CarrierId, Cause, DeckId, EgressTrunkId, IngressTrunkId, Instant, Jurisdiction,
    Money, Number, RateClass, Revision, Rounding, ShardId, Suite, Terms, WallTime,
};

use crate::bytes::{Input, Output};
use crate::identity::{Attest, Doubt, Identity, Vouched};
use crate::record::{Cdr, GrantPart, Party, Priced, Quality, Record, Recorded, Stages, Start, Texts};

/// The first byte of every record that this program writes. Version 1 had prices without tax, exchange and first-interval rate,
/// version 2 no location routing number, jurisdiction and class of rates, version 3 no grants that are told again, version 4
/// of media no order, bursts, first packet and round trip, version 5 nothing of what terminators may be owed, version 6 not the
/// packets that the kernel relayed, version 7 nothing of encryption, version 8 not what was written off, version 9 nothing of recordings,
/// version 10 nothing of signed identities.
const VERSION: u8 = 11;

mod kind {
    pub const BOOT: u8 = 1;
    pub const START: u8 = 2;
    pub const PAID: u8 = 3;
    pub const MARK: u8 = 4;
    pub const CDR: u8 = 5;
    pub const GRANT_ASKED: u8 = 6;
    pub const GRANTED: u8 = 7;
    pub const GRANT_CLOSED: u8 = 8;
    pub const GRANT_CARRIED: u8 = 9;
    pub const GRANT_RETURNED: u8 = 10;
}

/// Why some bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordFlaw {
    /// Written by a program that is newer than this one.
    Version(u8),
    /// The bytes end early, go on too long, or hold a value that no field takes.
    Malformed,
}

impl fmt::Display for RecordFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordFlaw::Version(version) => write!(f, "record version {version} is not known here"),
            RecordFlaw::Malformed => f.write_str("malformed record"),
        }
    }
}

impl core::error::Error for RecordFlaw {}

impl Record {
    /// Appends the record.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut out = Output(out);
        out.u8(VERSION);
        match self {
            Record::Boot { boot, wall } => out.u8(kind::BOOT).u32(*boot).i64(wall.micros()),
            Record::Start(start) => {
                write_start(&mut out, start, start.call.texts(), start.attempt.texts());
                &mut out
            }
            Record::Paid { call, reserved, owed_reserved, paid_ms } => {
                out.u8(kind::PAID).call(*call);
                write_parts(&mut out, reserved);
                write_parts(&mut out, owed_reserved);
                out.u64(*paid_ms)
            }
            Record::Mark { shard, now, wall } => out.u8(kind::MARK).u16(shard.0).u64(now.micros()).i64(wall.micros()),
            Record::Cdr(cdr) => {
                write_cdr(out.u8(kind::CDR), cdr, cdr.texts());
                &mut out
            }
            Record::GrantAsked { grant, account } => out.u8(kind::GRANT_ASKED).grant(*grant).u32(account.0),
            Record::Granted { grant, account, amount } => {
                out.u8(kind::GRANTED).grant(*grant).u32(account.0).money(*amount)
            }
            Record::GrantCarried { grant, account, amount, used } => {
                out.u8(kind::GRANT_CARRIED).grant(*grant).u32(account.0).money(*amount).money(*used)
            }
            Record::GrantClosed { grant, used } => out.u8(kind::GRANT_CLOSED).grant(*grant).money(*used),
            Record::GrantReturned { grant } => out.u8(kind::GRANT_RETURNED).grant(*grant),
        };
    }

    /// Reads exactly one record.
    pub fn decode(bytes: &[u8]) -> Result<Record, RecordFlaw> {
        let mut input = Input(bytes);
        let version = input.u8().ok_or(RecordFlaw::Malformed)?;
        if !(1..=VERSION).contains(&version) {
            return Err(RecordFlaw::Version(version));
        }
        let record = read(&mut input, version).ok_or(RecordFlaw::Malformed)?;
        if input.0.is_empty() { Ok(record) } else { Err(RecordFlaw::Malformed) }
    }
}

impl Cdr {
    /// Appends it as [`Record::encode`] does, with these texts in place of its own.
    pub fn encode_with(&self, texts: Texts<'_>, out: &mut Vec<u8>) {
        write_cdr(Output(out).u8(VERSION).u8(kind::CDR), self, texts);
    }
}

impl Start {
    /// Appends it as [`Record::encode`] does, with these texts in place of those of its two records.
    pub fn encode_with(&self, call: Texts<'_>, attempt: Texts<'_>, out: &mut Vec<u8>) {
        write_start(Output(out).u8(VERSION), self, call, attempt);
    }
}

/// What a record is about, without the work of reading all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glimpse {
    /// A call is about to be answered.
    Start(CallId),
    /// A running call's reserve grew.
    Paid(CallId),
    /// A finished call (attempt 0) or attempt.
    Cdr(CallId, AttemptIndex),
    /// Anything else, or no record.
    Other,
}

impl Glimpse {
    /// Looks at the beginning of an encoded record; the rest may be malformed all the same.
    pub fn of(bytes: &[u8]) -> Glimpse {
        let mut input = Input(bytes);
        let version = input.u8().filter(|version| (1..=VERSION).contains(version));
        let (Some(_), Some(kind), Some(call)) = (version, input.u8(), input.call()) else { return Glimpse::Other };
        match kind {
            kind::START => Glimpse::Start(call),
            kind::PAID => Glimpse::Paid(call),
            kind::CDR => input.u8().map_or(Glimpse::Other, |attempt| Glimpse::Cdr(call, AttemptIndex(attempt))),
            _ => Glimpse::Other,
        }
    }
}

/// What the record of a finished call used of grants, and of what its terminators may be owed, without the work of reading all of it. False
/// for bytes that are none or that an earlier program wrote: those are read whole.
pub(crate) fn parts_used(bytes: &[u8], mut each: impl FnMut(GrantPart)) -> bool {
    let mut input = Input(bytes);
    input.u8() == Some(VERSION) && input.u8() == Some(kind::CDR) && each_part(&mut input, &mut each).is_some()
}

fn each_part(input: &mut Input<'_>, each: &mut impl FnMut(GrantPart)) -> Option<()> {
    const HEAD: usize = 16 + 1 + 1 + 8 + 6 * 4;
    const QUALITY: usize = 2 * 8 + 3 * 4 + 2;
    const STAGES: usize = 7 * 4;
    input.take(HEAD)?;
    (0..3).try_for_each(|_| skip_number(input))?;
    input.take(8)?;
    (0..2).try_for_each(|_| input.option(Input::u32).map(drop))?;
    input.take(2 * 8 + 2 * 2 + 1)?;
    (0..2).try_for_each(|_| input.option(skip_priced).map(drop))?;
    parts(input, each)?;
    (0..2).try_for_each(|_| input.option(Input::address).map(drop))?;
    (0..3).try_for_each(|_| input.blob().map(drop))?;
    input.take(2 * QUALITY + STAGES)?;
    input.blob()?;
    skip_number(input)?;
    input.take(1)?;
    (0..2).try_for_each(|_| read_flow(input, &mut Quality::default()))?;
    parts(input, each)
}

fn parts(input: &mut Input<'_>, each: &mut impl FnMut(GrantPart)) -> Option<()> {
    let count = input.u32()?;
    (0..count).try_for_each(|_| {
        each(GrantPart { grant: input.grant()?, amount: input.money()? });
        Some(())
    })
}

fn skip_number(input: &mut Input<'_>) -> Option<()> {
    let length = input.u8()?;
    input.take(usize::from(length)).map(drop)
}

fn skip_priced(input: &mut Input<'_>) -> Option<()> {
    input.take(4 + 3 + 2 * 8 + 3 * 2 + 3 + 4 + 8 + 3 + 8 + 4 + 1)?;
    input.option(Input::money)?;
    input.take(8 + 1).map(drop)
}

fn read(input: &mut Input<'_>, version: u8) -> Option<Record> {
    Some(match input.u8()? {
        kind::BOOT => Record::Boot { boot: input.u32()?, wall: wall(input)? },
        kind::START => Record::Start(Box::new(Start {
            call: read_cdr(input, version)?,
            attempt: read_cdr(input, version)?,
            answered: Instant::from_micros(input.u64()?),
            reserved: read_parts(input)?,
            owed_reserved: read_owed(input, version)?,
            paid_ms: input.u64()?,
        })),
        kind::PAID => Record::Paid {
            call: input.call()?,
            reserved: read_parts(input)?,
            owed_reserved: read_owed(input, version)?,
            paid_ms: input.u64()?,
        },
        kind::MARK => {
            Record::Mark { shard: ShardId(input.u16()?), now: Instant::from_micros(input.u64()?), wall: wall(input)? }
        }
        kind::CDR => Record::Cdr(Box::new(read_cdr(input, version)?)),
        kind::GRANT_ASKED => Record::GrantAsked { grant: input.grant()?, account: AccountId(input.u32()?) },
        kind::GRANTED => {
            Record::Granted { grant: input.grant()?, account: AccountId(input.u32()?), amount: input.money()? }
        }
        kind::GRANT_CARRIED if version > 3 => Record::GrantCarried {
            grant: input.grant()?,
            account: AccountId(input.u32()?),
            amount: input.money()?,
            used: input.money()?,
        },
        kind::GRANT_CLOSED => Record::GrantClosed { grant: input.grant()?, used: input.money()? },
        kind::GRANT_RETURNED if version > 3 => Record::GrantReturned { grant: input.grant()? },
        _ => return None,
    })
}

fn wall(input: &mut Input<'_>) -> Option<WallTime> {
    input.i64().map(WallTime::from_micros)
}

fn write_start(out: &mut Output<'_>, start: &Start, call: Texts<'_>, attempt: Texts<'_>) {
    write_cdr(out.u8(kind::START), &start.call, call);
    write_cdr(out, &start.attempt, attempt);
    out.u64(start.answered.micros());
    write_parts(out, &start.reserved);
    write_parts(out, &start.owed_reserved);
    out.u64(start.paid_ms);
}

fn write_cdr(out: &mut Output<'_>, cdr: &Cdr, texts: Texts<'_>) {
    out.call(cdr.call).u8(cdr.attempt.0).u8(cdr.attempts).u64(cdr.revision.0);
    let from = [cdr.originator.0, cdr.originator_account.0, cdr.ingress_trunk.0];
    out.u32s(from).u32s([cdr.terminator.0, cdr.terminator_account.0, cdr.egress_trunk.0]);
    out.number(&cdr.calling).number(&cdr.called).number(&cdr.called_routed);
    out.i64(cdr.started.micros());
    out.option(cdr.ringing_ms, |out, ms| drop_ref(out.u32(ms)));
    out.option(cdr.answered_ms, |out, ms| drop_ref(out.u32(ms)));
    out.u64s([cdr.ended_ms, cdr.duration_ms]).u16s([cdr.sip_status, cdr.cause.0]).u8(cdr.released_by as u8);
    out.option(cdr.sell.as_ref(), write_priced).option(cdr.buy.as_ref(), write_priced);
    write_parts(out, &cdr.grants);
    out.option(cdr.ingress_address, |out, address| drop_ref(out.address(address)));
    out.option(cdr.egress_address, |out, address| drop_ref(out.address(address)));
    out.blob(texts.ingress_call_id.as_bytes()).blob(texts.egress_call_id.as_bytes()).blob(texts.codec.as_bytes());
    write_quality(out, &cdr.ingress_media);
    write_quality(out, &cdr.egress_media);
    let stages = &cdr.stages;
    out.u32s([stages.parse_us, stages.admit_us, stages.limits_us, stages.route_us]);
    out.u32s([stages.egress_us, stages.answer_us, stages.pdd_us]);
    out.blob(texts.decision).number(&cdr.lrn).u8(cdr.jurisdiction as u8);
    write_flow(out, &cdr.ingress_media);
    write_flow(out, &cdr.egress_media);
    write_parts(out, &cdr.owed_grants);
    out.u64s([cdr.ingress_media.kernel_packets, cdr.egress_media.kernel_packets]);
    let suite = |quality: &Quality| quality.suite.map_or(0, |suite| suite as u8);
    out.u8(suite(&cdr.ingress_media)).u8(suite(&cdr.egress_media)).money(cdr.written_off).u8(cdr.recorded as u8);
    write_identity(out, &cdr.identity);
}

/// One byte for most calls.
fn write_identity(out: &mut Output<'_>, identity: &Identity) {
    out.u8(identity.vouched as u8);
    if identity.vouched != Vouched::No {
        out.u8(identity.attest.map_or(0, |attest| attest as u8)).u8(identity.doubt as u8);
        out.0.extend_from_slice(&identity.origid);
    }
}

fn read_identity(input: &mut Input<'_>, version: u8) -> Option<Identity> {
    let vouched = if version > 10 { Vouched::from_code(input.u8()?)? } else { Vouched::No };
    if vouched == Vouched::No {
        return Some(Identity::default());
    }
    let letter = input.u8()?;
    let attest = Attest::from_letter(letter);
    if letter != 0 && attest.is_none() {
        return None;
    }
    let doubt = Doubt::from_code(input.u8()?)?;
    let mut origid = [0; 16];
    origid.copy_from_slice(input.take(16)?);
    Some(Identity { vouched, attest, origid, doubt })
}

/// Ends a chain of writes.
fn drop_ref(_: &mut Output<'_>) {}

fn read_cdr(input: &mut Input<'_>, version: u8) -> Option<Cdr> {
    let read_priced = |input: &mut _| read_priced(input, version);
    let mut cdr = Cdr {
        call: input.call()?,
        attempt: AttemptIndex(input.u8()?),
        attempts: input.u8()?,
        revision: Revision(input.u64()?),
        originator: CarrierId(input.u32()?),
        originator_account: AccountId(input.u32()?),
        ingress_trunk: IngressTrunkId(input.u32()?),
        terminator: CarrierId(input.u32()?),
        terminator_account: AccountId(input.u32()?),
        egress_trunk: EgressTrunkId(input.u32()?),
        calling: input.number()?,
        called: input.number()?,
        called_routed: input.number()?,
        started: wall(input)?,
        ringing_ms: input.option(Input::u32)?,
        answered_ms: input.option(Input::u32)?,
        ended_ms: input.u64()?,
        duration_ms: input.u64()?,
        sip_status: input.u16()?,
        cause: Cause(input.u16()?),
        released_by: party(input.u8()?)?,
        sell: input.option(read_priced)?,
        buy: input.option(read_priced)?,
        grants: read_parts(input)?,
        owed_grants: Vec::new(),
        written_off: Money::ZERO,
        ingress_address: input.option(Input::address)?,
        egress_address: input.option(Input::address)?,
        ingress_call_id: input.text()?,
        egress_call_id: input.text()?,
        codec: input.text()?,
        ingress_media: read_quality(input)?,
        egress_media: read_quality(input)?,
        recorded: Recorded::No,
        identity: Identity::default(),
        stages: read_stages(input)?,
        decision: input.blob()?.to_vec(),
        lrn: if version > 2 { input.number()? } else { Number::EMPTY },
        jurisdiction: if version > 2 { Jurisdiction::from_code(input.u8()?)? } else { Jurisdiction::Any },
    };
    if version > 4 {
        read_flow(input, &mut cdr.ingress_media)?;
        read_flow(input, &mut cdr.egress_media)?;
    }
    cdr.owed_grants = read_owed(input, version)?;
    if version > 6 {
        cdr.ingress_media.kernel_packets = input.u64()?;
        cdr.egress_media.kernel_packets = input.u64()?;
    }
    if version > 7 {
        for quality in [&mut cdr.ingress_media, &mut cdr.egress_media] {
            let code = input.u8()?;
            quality.suite = Suite::from_code(code);
            if code != 0 && quality.suite.is_none() {
                return None;
            }
        }
    }
    if version > 8 {
        cdr.written_off = input.money()?;
    }
    if version > 9 {
        cdr.recorded = Recorded::from_code(input.u8()?)?;
    }
    cdr.identity = read_identity(input, version)?;
    Some(cdr)
}

fn party(code: u8) -> Option<Party> {
    [Party::Ingress, Party::Egress, Party::Switch].into_iter().find(|party| *party as u8 == code)
}

fn rounding(code: u8) -> Option<Rounding> {
    [Rounding::Ceil, Rounding::Round, Rounding::Floor].into_iter().find(|rounding| *rounding as u8 == code)
}

fn write_parts(out: &mut Output<'_>, parts: &[GrantPart]) {
    // A call that draws on more grants than that would be a mistake of the purse; the count is a u32 all the same.
    out.u32(parts.len() as u32);
    for part in parts {
        out.grant(part.grant).money(part.amount);
    }
}

fn read_parts(input: &mut Input<'_>) -> Option<Vec<GrantPart>> {
    let count = input.u32()? as usize;
    input.list(count, |input| Some(GrantPart { grant: input.grant()?, amount: input.money()? }))
}

/// Parts of what terminators may be owed; records before version 6 know none.
fn read_owed(input: &mut Input<'_>, version: u8) -> Option<Vec<GrantPart>> {
    if version > 5 { read_parts(input) } else { Some(Vec::new()) }
}

fn write_priced(out: &mut Output<'_>, priced: &Priced) {
    let terms = &priced.terms;
    out.u32(terms.deck.0).currency(terms.currency).money(terms.per_minute).money(terms.connection_fee);
    out.u16s([terms.minimum_s, terms.increment_s, terms.free_s]).u8(terms.rounding as u8).u8(terms.decimals);
    out.u8(terms.prefix_digits).u32(priced.billed_s).money(priced.price);
    out.currency(terms.deck_currency).i64(terms.exchange).u32(terms.tax_ppm).u8(u8::from(terms.steps_from_zero));
    out.option(terms.first_per_minute, |out, first| drop_ref(out.money(first))).money(priced.tax);
    out.u8(terms.class.code());
}

fn read_priced(input: &mut Input<'_>, version: u8) -> Option<Priced> {
    let mut terms = Terms {
        deck: DeckId(input.u32()?),
        currency: input.currency()?,
        per_minute: input.money()?,
        connection_fee: input.money()?,
        minimum_s: input.u16()?,
        increment_s: input.u16()?,
        free_s: input.u16()?,
        rounding: rounding(input.u8()?)?,
        decimals: input.u8()?,
        prefix_digits: input.u8()?,
        ..Terms::default()
    };
    terms.deck_currency = terms.currency;
    let priced = Priced { terms, billed_s: input.u32()?, price: input.money()?, tax: Money::ZERO };
    if version == 1 {
        return Some(priced);
    }
    terms.deck_currency = input.currency()?;
    terms.exchange = input.i64()?;
    terms.tax_ppm = input.u32()?;
    terms.steps_from_zero = match input.u8()? {
        0 => false,
        1 => true,
        _ => return None,
    };
    terms.first_per_minute = input.option(Input::money)?;
    let tax = input.money()?;
    if version > 2 {
        terms.class = RateClass::from_code(input.u8()?)?;
    }
    Some(Priced { terms, tax, ..priced })
}

fn write_quality(out: &mut Output<'_>, quality: &Quality) {
    out.u64s([quality.packets, quality.bytes]).u32s([quality.lost, quality.strangers, quality.jitter_us]);
    out.u16(quality.mos_x100);
}

fn read_quality(input: &mut Input<'_>) -> Option<Quality> {
    Some(Quality {
        packets: input.u64()?,
        bytes: input.u64()?,
        lost: input.u32()?,
        strangers: input.u32()?,
        jitter_us: input.u32()?,
        mos_x100: input.u16()?,
        ..Quality::default()
    })
}

/// What a direction of media was like besides [`write_quality`]'s fields.
fn write_flow(out: &mut Output<'_>, quality: &Quality) {
    out.u32s([quality.reordered, quality.duplicates]).u16(quality.burst_loss_permille).u32(quality.burst_ms);
    out.option(quality.first_ms, |out, ms| drop_ref(out.u32(ms))).u32(quality.rtt_us);
}

fn read_flow(input: &mut Input<'_>, quality: &mut Quality) -> Option<()> {
    quality.reordered = input.u32()?;
    quality.duplicates = input.u32()?;
    quality.burst_loss_permille = input.u16()?;
    quality.burst_ms = input.u32()?;
    quality.first_ms = input.option(Input::u32)?;
    quality.rtt_us = input.u32()?;
    Some(())
}

fn read_stages(input: &mut Input<'_>) -> Option<Stages> {
    Some(Stages {
        parse_us: input.u32()?,
        admit_us: input.u32()?,
        limits_us: input.u32()?,
        route_us: input.u32()?,
        egress_us: input.u32()?,
        answer_us: input.u32()?,
        pdd_us: input.u32()?,
    })
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use units::GrantId;

    use super::*;

    #[test]
    fn what_a_record_used_is_found_without_reading_it_and_nothing_in_a_part_of_it() {
        let part = |sequence, nanos| GrantPart {
            grant: GrantId { sequence, ..GrantId::default() },
            amount: Money::from_nanos(nanos),
        };
        let (grants, owed_grants) = (vec![part(1, 5), part(2, 6)], vec![part(3, 7)]);
        let terms = Terms { first_per_minute: Some(Money::from_nanos(8)), ..Terms::default() };
        let (sell, ringing_ms) = (Some(Priced { terms, ..Priced::default() }), Some(9));
        let mut bytes = Vec::new();
        Record::Cdr(Box::new(Cdr { grants, owed_grants, sell, ringing_ms, ..Cdr::default() })).encode(&mut bytes);
        let mut used = Vec::new();
        assert!(parts_used(&bytes, |part| used.push(part)));
        assert_eq!(used, [part(1, 5), part(2, 6), part(3, 7)]);
        // Behind the last part stand counts, suites, what was written off, whether it was recorded, and that nobody signed.
        let last = bytes.len() - (8 + 8 + 1 + 1 + 8 + 1 + 1);
        assert!((0..last).all(|length| !parts_used(&bytes[..length], drop)));
        assert!(parts_used(&bytes[..last], drop));
        bytes[0] -= 1;
        assert!(!parts_used(&bytes, drop), "an earlier program wrote it");
    }
}
