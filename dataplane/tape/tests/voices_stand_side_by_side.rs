//! Packets of two voices become one line of time, whatever comes late, twice, never, or with a lie about time.

#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use proptest::prelude::*;
use tape::mix::Mix;
use tape::{Frame, Law, g711, wav};
use units::WallTime;

/// Microseconds of one packet's 160 samples.
const PACKET_US: i64 = 20_000;

/// A packet: when it came in packets' times, its voice, source, timestamp, and the byte that it repeats.
#[derive(Clone, Copy, Debug)]
struct Said {
    at: i64,
    voice: usize,
    source: u32,
    timestamp: u32,
    byte: u8,
}

fn said(at: i64, voice: usize, timestamp: u32, byte: u8) -> Said {
    Said { at, voice, source: 7, timestamp, byte }
}

/// The whole line, as a file would have it; late packets go in as the program does it.
fn mixed(all: &[Said]) -> Vec<[i16; 2]> {
    let mut mix = Mix::new(WallTime::from_micros(500));
    let (mut file, mut leaving) = (Vec::new(), Vec::new());
    let write = |file: &mut Vec<[i16; 2]>, first: u64, leaving: &mut Vec<u8>| {
        let moments = leaving
            .chunks_exact(4)
            .map(|moment| [i16::from_le_bytes([moment[0], moment[1]]), i16::from_le_bytes([moment[2], moment[3]])]);
        let end = first as usize + moments.len();
        file.resize(file.len().max(end), [0; 2]);
        file[first as usize..end].iter_mut().zip(moments).for_each(|(slot, moment)| *slot = moment);
        leaving.clear();
    };
    for Said { at, voice, source, timestamp, byte } in all.iter().copied() {
        let frame = Frame { law: Law::A, source, timestamp, voice: &[byte; 160] };
        let moment = mix.place(WallTime::from_micros(500 + at * PACKET_US), voice, &frame);
        while let Some(first) = mix.leave(moment, 160, &mut leaving) {
            write(&mut file, first, &mut leaving);
        }
        if !mix.hold(moment, voice, &frame) {
            let slots = file.iter_mut().skip(moment as usize).take(160);
            slots.for_each(|slot| slot[voice] = g711::sample(Law::A, byte));
        }
    }
    let first = mix.rest(&mut leaving);
    write(&mut file, first, &mut leaving);
    assert_eq!(file.len() as u64, mix.moments());
    file
}

/// One voice of the line as packets: the byte that each repeats, `None` for silence.
fn heard(line: &[[i16; 2]], voice: usize) -> Vec<Option<u8>> {
    let byte = |sample: i16| (0..=255).find(|byte| g711::sample(Law::A, *byte) == sample);
    line.chunks(160)
        .map(|packet| {
            assert!(packet.iter().all(|moment| moment[voice] == packet[0][voice]), "whole packets");
            byte(packet[0][voice])
        })
        .collect()
}

#[test]
fn samples_are_those_of_the_recommendation() {
    // G.711 tables 1a and 2a: the largest values, the smallest, and the signs; sox agrees on all of them in the tests of the program.
    let rows = [
        (Law::A, 0xAA, 32_256),
        (Law::A, 0x2A, -32_256),
        (Law::A, 0xD5, 8),
        (Law::A, 0x55, -8),
        (Law::U, 0x80, 32_124),
        (Law::U, 0x00, -32_124),
        (Law::U, 0xFF, 0),
        (Law::U, 0x7F, 0),
        (Law::U, 0xFE, 8),
    ];
    for (law, byte, sample) in rows {
        assert_eq!(g711::sample(law, byte), sample, "{law:?} {byte:02x}");
    }
}

#[test]
fn what_is_lost_is_silence_and_what_is_late_or_doubled_finds_its_place() {
    let mut all = vec![said(0, 0, 1_000, 1), said(1, 0, 1_160, 2), said(3, 0, 1_480, 4), said(4, 0, 1_320, 3)];
    all.extend([said(4, 1, 9, 9), said(6, 0, 1_960, 7), said(6, 0, 1_960, 7)]);
    let line = mixed(&all);
    assert_eq!(heard(&line, 0), [Some(1), Some(2), Some(3), Some(4), None, None, Some(7)]);
    assert_eq!(heard(&line, 1), [None, None, None, None, Some(9), None, None]);
}

#[test]
fn a_voice_that_comes_seconds_late_still_finds_its_place() {
    // The network holds the first voice back for three seconds; the second one goes on.
    let right: Vec<Said> = (0..200).map(|place| said(place, 1, 160 * place as u32, place as u8)).collect();
    let left = (0..50).map(|place| said(150, 0, 160 * place as u32, place as u8));
    let mut all = vec![said(0, 0, 0, 0)];
    all.extend(&right[..150]);
    all.extend(left.skip(1));
    all.extend(&right[150..]);
    let line = mixed(&all);
    assert_eq!(heard(&line, 0)[..50], (0..50).map(Some).collect::<Vec<_>>());
    assert_eq!(heard(&line, 1), (0..200).map(|byte| Some(byte as u8)).collect::<Vec<_>>());
}

#[test]
fn a_silence_of_an_hour_stands_in_the_line_and_costs_no_memory() {
    let mut mix = Mix::new(WallTime::from_micros(0));
    let frame = |timestamp| Frame { law: Law::U, source: 1, timestamp, voice: &[1; 160] };
    let (mut written, mut bytes) = (0, Vec::new());
    for (at, timestamp) in [(0, 0), (3_600_000_000, 28_800_000)] {
        let moment = mix.place(WallTime::from_micros(at), 0, &frame(timestamp));
        assert_eq!(moment, u64::from(timestamp));
        while mix.leave(moment, 160, &mut bytes).is_some() {
            written += bytes.len();
            bytes.clear();
        }
        assert!(mix.hold(moment, 0, &frame(timestamp)));
    }
    assert!(written < 20_000, "{written}");
    assert_eq!(mix.moments(), 28_800_160);
}

#[test]
fn another_source_goes_on_where_the_one_before_ended() {
    let mut all: Vec<Said> = (0..3).map(|place| said(place, 0, 160 * place as u32, 1)).collect();
    // It comes a little early by its first packet, with timestamps of its own.
    all.extend((0..3).map(|place| Said { source: 8, ..said(2 + place, 0, 77_000 + 160 * place as u32, 2) }));
    assert_eq!(heard(&mixed(&all), 0), [Some(1), Some(1), Some(1), Some(2), Some(2), Some(2)]);
}

#[test]
fn timestamps_that_jump_or_go_round_move_nothing() {
    let near_the_end = u32::MAX - 200;
    let mut all: Vec<Said> =
        (0..4).map(|place| said(place, 0, near_the_end.wrapping_add(160 * place as u32), 1)).collect();
    // The clock is set elsewhere, and back.
    all.push(said(4, 0, 900_000_000, 2));
    all.push(said(5, 0, near_the_end.wrapping_add(800), 3));
    assert_eq!(heard(&mixed(&all), 0), [Some(1), Some(1), Some(1), Some(1), Some(2), Some(3)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_peers_say_the_line_is_no_longer_than_the_call_and_a_few_seconds(
        all in proptest::collection::vec((0_i64..500, 0_usize..2, 0_u32..3, any::<u32>(), any::<u8>()), 1..100)
    ) {
        let mut all: Vec<Said> = all.into_iter().map(|(at, voice, source, timestamp, byte)| Said { at, voice, source, timestamp, byte }).collect();
        all.sort_by_key(|said| said.at);
        let line = mixed(&all);
        let last = all.last().map_or(0, |said| said.at);
        prop_assert!(line.len() as i64 <= (last + 1) * 160 + 6 * 8_000 + 160, "{}", line.len());
    }

    #[test]
    fn a_frame_comes_back_as_it_was(source: u32, timestamp: u32, law: bool, voice in proptest::collection::vec(any::<u8>(), 0..400)) {
        let frame = Frame { law: if law { Law::A } else { Law::U }, source, timestamp, voice: &voice };
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        prop_assert_eq!(bytes.len(), frame.encoded_bytes());
        prop_assert_eq!(Frame::decode(&bytes), Some(frame));
    }

    #[test]
    fn any_bytes_are_a_frame_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..30)) {
        let _ = Frame::decode(&bytes);
    }

    #[test]
    fn a_head_tells_what_the_file_has(file_bytes in 0_u64..1 << 34) {
        let moments = wav::moments(file_bytes);
        let head = wav::head(moments);
        let told = u64::from(u32::from_le_bytes(head[40..].try_into().unwrap()));
        prop_assert_eq!(told, (moments * 4).min((u64::from(u32::MAX) - 44) / 4 * 4));
    }
}
