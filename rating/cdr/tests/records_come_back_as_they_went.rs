//! Encoding and decoding of records and traces.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

mod world;

use cdr::trace::{self, Message, Trace};
use cdr::{Cdr, Priced, Record, RecordFlaw};
use proptest::prelude::*;
use units::{Money, Terms, WallTime};
use world::{call_id, one_of_each};

fn encoded(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.encode(&mut bytes);
    bytes
}

#[test]
fn every_kind_of_record_survives() {
    for record in one_of_each() {
        assert_eq!(Record::decode(&encoded(&record)), Ok(record));
    }
}

#[test]
fn encoding_appends() {
    let records = one_of_each();
    let mut both = encoded(&records[0]);
    records[1].encode(&mut both);
    assert_eq!(both, [encoded(&records[0]), encoded(&records[1])].concat());
}

#[test]
fn a_record_cut_anywhere_or_too_long_is_refused() {
    for record in one_of_each() {
        let bytes = encoded(&record);
        for length in 0..bytes.len() {
            assert_eq!(Record::decode(&bytes[..length]), Err(RecordFlaw::Malformed), "{length} of {}", bytes.len());
        }
        assert_eq!(Record::decode(&[bytes.as_slice(), &[0]].concat()), Err(RecordFlaw::Malformed));
    }
}

#[test]
fn a_later_version_is_named() {
    assert_eq!(Record::decode(&[99, 1, 0, 0, 0, 0]), Err(RecordFlaw::Version(99)));
    assert_eq!(trace::decode(&[9]), Err(RecordFlaw::Version(9)));
    assert_eq!(RecordFlaw::Version(2).to_string(), "record version 2 is not known here");
}

#[test]
fn a_price_of_the_first_version_is_read_without_tax_and_exchange() {
    let free = Cdr { call: call_id(1), ..Cdr::default() };
    let terms = Terms { per_minute: Money::from_nanos(5), ..Terms::default() };
    let priced = Priced { terms, billed_s: 60, price: Money::from_nanos(5), tax: Money::ZERO };
    let sold = Record::Cdr(Box::new(Cdr { sell: Some(priced), ..free.clone() }));
    let (without, mut bytes) = (encoded(&Record::Cdr(Box::new(free))), encoded(&sold));
    // The first version's price ended after the price itself: 44 bytes from the flag that says it is there.
    let there = without.iter().zip(&bytes).position(|(a, b)| a != b).unwrap();
    bytes.drain(there + 1 + 44..there + bytes.len() - without.len() + 1);
    // The last bytes say that there is no routing number and no jurisdiction, twice in 19 that media flowed as it should, in four that
    // nothing limits what the terminator may be owed, twice in 8 that the kernel relayed none, in one each that media was in the clear, in
    // 8 that nothing is written off, and in one each that nobody recorded it and that nobody asked for a signed identity.
    bytes.truncate(bytes.len() - 2 - 2 * 19 - 4 - 2 * 8 - 2 - 8 - 1 - 1);
    bytes[0] = 1;
    assert_eq!(Record::decode(&bytes), Ok(sold));
}

#[test]
fn a_record_from_before_encryption_is_read_as_in_the_clear() {
    let suite = Some(units::Suite::AesGcm128);
    let mut cdr = Cdr { call: call_id(1), ..Cdr::default() };
    let mut before = encoded(&Record::Cdr(Box::new(cdr.clone())));
    before.truncate(before.len() - 2 - 8 - 1 - 1);
    before[0] = 7;
    assert_eq!(Record::decode(&before), Ok(Record::Cdr(Box::new(cdr.clone()))));
    cdr.egress_media.suite = suite;
    let mut bytes = encoded(&Record::Cdr(Box::new(cdr)));
    let suite = bytes.len() - 1 - 8 - 1 - 1;
    bytes[suite] = 77;
    assert_eq!(Record::decode(&bytes), Err(RecordFlaw::Malformed), "no suite has this number");
}

#[test]
fn a_huge_count_is_not_believed() {
    // A Paid record whose list claims four billion parts.
    let mut bytes = vec![11, 3];
    bytes.extend_from_slice(&[0; 16]);
    bytes.extend_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(Record::decode(&bytes), Err(RecordFlaw::Malformed));
}

#[test]
fn a_captured_call_survives() {
    let message = |leg, inbound, text: &[u8]| Message {
        at: WallTime::from_micros(1_000 + i64::from(leg)),
        leg,
        inbound,
        peer: "127.0.0.1:5060".parse().unwrap(),
        bytes: text.to_vec(),
    };
    let messages =
        vec![message(0, true, b"INVITE sip:1@2 SIP/2.0\r\n"), message(1, false, b""), message(2, true, &[0xFF])];
    let mut bytes = Vec::new();
    trace::encode(call_id(5), &messages, &mut bytes);
    let found = trace::decode(&bytes).unwrap();
    assert_eq!(found.started(), WallTime::from_micros(1_000));
    assert_eq!(found, Trace { call: call_id(5), messages });
    for length in 0..bytes.len() {
        assert!(trace::decode(&bytes[..length]).is_err());
    }
    assert_eq!(Trace::default().started(), WallTime::from_micros(0));
}

#[test]
fn the_checksum_is_castagnolis() {
    // RFC 3720 §B.4 and the usual check value.
    assert_eq!(cdr::crc32c(&[b"123456789"]), 0xE306_9283);
    assert_eq!(cdr::crc32c(&[b"1234", b"", b"56789"]), 0xE306_9283);
    assert_eq!(cdr::crc32c(&[&[0; 32]]), 0x8A91_36AA);
    assert_eq!(cdr::crc32c(&[&[0xFF; 32]]), 0x62A8_AB43);
    assert_eq!(cdr::crc32c(&[]), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_decoding_panic(kind in 0_u8..11, bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let bytes = [&[11, kind], bytes.as_slice()].concat();
        // What is accepted means something definite: writing it gives the same bytes again.
        if let Ok(record) = Record::decode(&bytes) {
            prop_assert_eq!(encoded(&record), bytes.clone());
        }
        let _ = trace::decode(&[&[1], &bytes[1..]].concat());
    }

    #[test]
    fn no_change_makes_decoding_panic(
        which in 0_usize..10,
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = encoded(&one_of_each()[which]);
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        let _ = Record::decode(&bytes);
    }
}
