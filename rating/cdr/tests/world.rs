//! Records to tell stories with.
#![allow(dead_code, clippy::unwrap_used)] // Each test file uses a part of it.

use cdr::{Cdr, GrantPart, Party, Priced, Quality, Record, Stages, Start};
use units::{
    AccountId, AttemptIndex, CallId, CarrierId, Cause, EgressTrunkId, GrantId, IngressTrunkId, Instant, Money, NodeId,
    Number, Revision, ShardId, Terms, WallTime,
};

/// A call of the first shard of the first boot.
pub fn call_id(sequence: u64) -> CallId {
    CallId { node: NodeId(1), boot: 1, shard: ShardId(0), sequence }
}

/// A grant of the first boot.
pub fn grant_id(sequence: u64) -> GrantId {
    GrantId { node: NodeId(1), boot: 1, sequence }
}

/// A part of that grant, in nano-units.
pub fn part(grant: u64, nanos: i64) -> GrantPart {
    GrantPart { grant: grant_id(grant), amount: Money::from_nanos(nanos) }
}

/// Terms with everything that a rate may have.
fn rich() -> Terms {
    Terms {
        deck_currency: units::Currency::parse("EUR").unwrap(),
        exchange: 1_080_000_000,
        first_per_minute: Some(Money::from_nanos(7)),
        steps_from_zero: true,
        tax_ppm: 190_000,
        ..Terms::default()
    }
}

/// One nano-unit a millisecond, so that prices can be seen through.
pub fn price(terms: &Terms, duration_ms: u64) -> Priced {
    Priced {
        terms: *terms,
        billed_s: (duration_ms / 1_000) as u32,
        price: Money::from_nanos(duration_ms as i64),
        ..Priced::default()
    }
}

fn identity() -> cdr::Identity {
    let (vouched, attest, doubt) = (cdr::Vouched::Failed, Some(cdr::Attest::Partial), cdr::Doubt::Stale);
    cdr::Identity { vouched, attest, origid: [7; 16], doubt }
}

/// A record with a different value in every field.
pub fn full() -> Cdr {
    let quality = |base: u32| Quality {
        packets: u64::from(base) << 33,
        bytes: u64::from(base) << 40,
        lost: base + 2,
        strangers: base + 3,
        jitter_us: base + 4,
        mos_x100: base as u16 + 5,
        reordered: base + 6,
        duplicates: base + 7,
        burst_loss_permille: base as u16 + 8,
        burst_ms: base + 9,
        first_ms: Some(base + 10),
        rtt_us: base + 11,
        kernel_packets: u64::from(base) << 31,
        suite: Some(units::Suite::AesGcm256),
    };
    Cdr {
        call: CallId { node: NodeId(7), boot: 8, shard: ShardId(9), sequence: 0xABCD_EF01_2345 },
        attempt: AttemptIndex(2),
        attempts: 3,
        revision: Revision(u64::MAX),
        originator: CarrierId(4),
        originator_account: AccountId(5),
        ingress_trunk: IngressTrunkId(6),
        terminator: CarrierId(u32::MAX),
        terminator_account: AccountId(7),
        egress_trunk: EgressTrunkId(8),
        calling: Number::parse(b"+491701234567").unwrap(),
        called: Number::parse(b"77#442071838750").unwrap(),
        lrn: Number::parse(b"+13125550000").unwrap(),
        jurisdiction: units::Jurisdiction::Intra,
        called_routed: Number::parse(b"442071838750").unwrap(),
        started: WallTime::from_micros(-1),
        ringing_ms: Some(1_500),
        answered_ms: Some(0),
        ended_ms: u64::MAX - 1,
        duration_ms: 61_001,
        sip_status: 487,
        cause: Cause::MONEY_EXHAUSTED,
        released_by: Party::Egress,
        sell: Some(price(&Terms { minimum_s: 30, increment_s: 6, free_s: 1, ..rich() }, 61_001)),
        buy: Some(price(&Terms { rounding: units::Rounding::Floor, decimals: 9, ..Terms::default() }, 61_002)),
        grants: vec![part(1, 5), part(2, -6)],
        owed_grants: vec![part(4, 7)],
        written_off: Money::from_nanos(77),
        ingress_address: Some("192.0.2.1:5060".parse().unwrap()),
        egress_address: Some("[2001:db8::1]:65535".parse().unwrap()),
        ingress_call_id: "a84b4c76e66710@pc33".into(),
        egress_call_id: "ü".into(),
        codec: "PCMA/8000".into(),
        ingress_media: quality(10),
        egress_media: quality(20),
        recorded: cdr::Recorded::Gaps,
        identity: identity(),
        stages: Stages {
            parse_us: 1,
            admit_us: 2,
            limits_us: 3,
            route_us: 4,
            egress_us: 5,
            answer_us: 6,
            pdd_us: u32::MAX,
        },
        decision: vec![0, 255, 1],
    }
}

/// One record of each kind.
pub fn one_of_each() -> Vec<Record> {
    let wall = WallTime::from_micros(1_700_000_000_000_000);
    let start = Start {
        call: Cdr { attempt: AttemptIndex(0), ..full() },
        attempt: full(),
        answered: Instant::from_micros(77),
        reserved: vec![part(3, 1_000)],
        owed_reserved: vec![part(4, 9)],
        paid_ms: u64::MAX,
    };
    vec![
        Record::Boot { boot: 3, wall },
        Record::Start(Box::new(start)),
        Record::Paid {
            call: call_id(4),
            reserved: vec![part(1, 1), part(2, 2)],
            owed_reserved: vec![part(3, 4)],
            paid_ms: 60_000,
        },
        Record::Mark { shard: ShardId(1), now: Instant::from_micros(99), wall },
        Record::Cdr(Box::new(full())),
        Record::Cdr(Box::default()),
        Record::GrantAsked { grant: grant_id(1), account: AccountId(2) },
        Record::Granted { grant: grant_id(1), account: AccountId(2), amount: Money::from_nanos(i64::MIN) },
        Record::GrantClosed { grant: grant_id(1), used: Money::MAX },
        Record::GrantReturned { grant: grant_id(1) },
        Record::GrantCarried {
            grant: grant_id(2),
            account: AccountId(3),
            amount: Money::from_nanos(5),
            used: Money::from_nanos(-4),
        },
    ]
}
