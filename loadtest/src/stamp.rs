//! RTP packets that know whose they are: a relay that loses, repeats, reorders or mixes them up is found out.

use crate::clock::MS;
use crate::codec::{HEADER_BYTES, Packets};
use crate::quality::{BUFFER_NS, Heard};

const MAGIC: [u8; 4] = *b"TdmL";
/// Bytes of a packet that has room for all of a stamp. In a smaller one stand the low bits of what the receiver knows the others of: of the
/// sequence, of the moment in microseconds, and of the numbers of source and agent, of which there may be sixteen.
const ROOMY_BYTES: usize = HEADER_BYTES + 26;
/// The high four bits of a small stamp's first word; the others are the SSRC, which a place of eight digits leaves free.
const SMALL_MAGIC: u32 = 0xD;
/// Microseconds after which a small stamp's moment begins anew.
const AGAIN_US: i64 = 1 << 24;

/// What a received packet says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// The call's place in the plan.
    pub place: u32,
    /// Sent by the caller's end.
    pub by_caller: bool,
    /// Which of the terminators' calls sent it; 0 for callers. A call that is tried at several is heard from each.
    pub source: u32,
    /// The agent of a run on several machines whose clock `sent` is of.
    pub agent: u8,
    /// Counts from 0.
    pub sequence: u32,
    /// When it was sent, on the run's clock.
    pub sent: u64,
}

/// The SSRC of one end of a call.
pub fn source(place: u32, by_caller: bool) -> u32 {
    (place << 1) | u32::from(by_caller)
}

/// Writes one packet with these sequence number and timestamp of RTP.
pub fn write(packet: &mut [u8], packets: Packets, stamp: Stamp, (sequence, timestamp): (u16, u32)) {
    let Stamp { place, by_caller, source: from, agent, sent, .. } = stamp;
    packet.fill(0xD5);
    packet[0] = 0x80;
    packet[1] = packets.payload_type() | if stamp.sequence == 0 { 0x80 } else { 0 };
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
    packet[8..12].copy_from_slice(&source(place, by_caller).to_be_bytes());
    if packet.len() < ROOMY_BYTES {
        packet[12..16].copy_from_slice(&(SMALL_MAGIC << 28 | source(place, by_caller)).to_be_bytes());
        packet[16..18].copy_from_slice(&(stamp.sequence as u16).to_be_bytes());
        packet[18..21].copy_from_slice(&((sent / 1_000) as u32).to_be_bytes()[1..]);
        packet[21] = (from as u8) << 4 | (agent & 15);
        return;
    }
    packet[12..16].copy_from_slice(&MAGIC);
    packet[16..20].copy_from_slice(&place.to_be_bytes());
    packet[20] = u8::from(by_caller);
    packet[21..25].copy_from_slice(&stamp.sequence.to_be_bytes());
    packet[25..33].copy_from_slice(&sent.to_be_bytes());
    packet[33..37].copy_from_slice(&from.to_be_bytes());
    packet[37] = agent;
}

/// Reads one packet that came now; `None` if it is not of this program. The sequence that is expected and how long the packet before it took,
/// in nanoseconds, tell what a small one leaves out.
pub fn read(packet: &[u8], packets: Packets, (next, took): (u32, i64), now: u64) -> Option<Stamp> {
    if packet.len() != packets.bytes() {
        return None;
    }
    let word = |at: usize| u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]]);
    if packet.len() < ROOMY_BYTES {
        let (name, about) = (word(12), packet[21]);
        let ahead = u16::from_be_bytes([packet[16], packet[17]]).wrapping_sub(next as u16) as i16;
        let sequence = u32::try_from(i64::from(next) + i64::from(ahead)).ok()?;
        let (now_us, took_us) = ((now / 1_000) as i64, took / 1_000);
        let way_us = now_us - i64::from(word(17) & 0x00FF_FFFF);
        // The one of all that it may have been that is closest to the one before.
        let longer_us = (way_us - took_us + AGAIN_US / 2).rem_euclid(AGAIN_US) - AGAIN_US / 2;
        let sent = (now as i64 - (took_us + longer_us) * 1_000) as u64;
        let (place, by_caller) = ((name & 0x0FFF_FFFF) >> 1, name & 1 == 1);
        let stamp = Stamp { place, by_caller, source: u32::from(about >> 4), agent: about & 15, sequence, sent };
        return (name >> 28 == SMALL_MAGIC).then_some(stamp);
    }
    if packet[12..16] != MAGIC {
        return None;
    }
    let sent = (u64::from(word(25)) << 32) | u64::from(word(29));
    Some(Stamp {
        place: word(16),
        by_caller: packet[20] == 1,
        source: word(33),
        agent: packet[37],
        sequence: word(21),
        sent,
    })
}

/// One end of one call's media.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stream {
    /// Packets sent.
    pub sent: u32,
    /// Packets received that belong here, each counted once.
    pub received: u32,
    /// Packets of another call, or not ours at all.
    pub misrouted: u32,
    source: u32,
    /// The sequence that is expected: one above the highest that came.
    next: u32,
    /// Which of the 64 packets below `next` came, the latest in the lowest bit.
    came: u64,
    /// What was expected of sources before this one, and before the first packet that is for this end.
    expected_before: u32,
    skipped: u32,
    loss_runs: u32,
    late: u32,
    duplicate: u32,
    unplayable: u32,
    /// RFC 3550's estimate, in nanoseconds.
    jitter: f64,
    transit: Transit,
}

/// From end to end, in nanoseconds. Below 0 where the ends go by different clocks.
#[derive(Clone, Copy, Debug, Default)]
struct Transit {
    before: i64,
    least: i64,
    sum: i64,
    count: u32,
    /// Some of it is the difference of two clocks.
    foreign: bool,
}

impl Stream {
    /// Nothing sent or heard yet. The other end has sent so many packets before this one listened.
    pub fn new(skipped: u32) -> Stream {
        Stream { skipped, next: skipped, came: u64::MAX, ..Stream::default() }
    }

    /// The sequence that is expected, and how long the last packet took, in nanoseconds.
    pub fn expected(&self) -> (u32, i64) {
        (self.next, self.transit.before)
    }

    /// Counts a packet that comes now at this agent; true if it belongs to this end of this call.
    pub fn hear(&mut self, stamp: Option<Stamp>, (place, by_caller): (u32, bool), (now, agent): (u64, u8)) -> bool {
        let Some(stamp) = stamp.filter(|stamp| stamp.place == place && stamp.by_caller == by_caller) else {
            self.misrouted += 1;
            return false;
        };
        if self.source != stamp.source {
            self.expected_before += self.next - self.skipped;
            (self.source, self.next, self.skipped, self.came) = (stamp.source, 0, 0, u64::MAX);
            self.transit.count = 0;
        }
        if self.first_time(stamp.sequence) {
            self.received += 1;
            self.time(now as i64 - stamp.sent as i64, stamp.agent != agent);
        }
        true
    }

    /// Whether this packet came for the first time.
    fn first_time(&mut self, sequence: u32) -> bool {
        if sequence >= self.next {
            let gap = sequence - self.next;
            self.loss_runs += u32::from(gap > 0);
            self.came = self.came.checked_shl(gap.saturating_add(1)).unwrap_or(0) | 1;
            self.next = sequence.saturating_add(1);
            return true;
        }
        let back = self.next - 1 - sequence;
        match 1_u64.checked_shl(back) {
            Some(bit) if self.came & bit != 0 => {
                self.duplicate += 1;
                false
            }
            Some(bit) => {
                self.came |= bit;
                self.late += 1;
                true
            }
            // More than a second late: whether it came before is not known, and it is of no use.
            None => {
                self.late += 1;
                false
            }
        }
    }

    fn time(&mut self, transit: i64, foreign: bool) {
        let Transit { before, least, sum, count, .. } = self.transit;
        let first = count == 0;
        if !first {
            // RFC 3550 §6.4.1.
            self.jitter += ((transit - before).abs() as f64 - self.jitter) / 16.0;
        }
        let least = if first { transit } else { least.min(transit) };
        self.unplayable += u32::from(transit - least > BUFFER_NS as i64);
        self.transit = Transit {
            before: transit,
            least,
            sum: transit + if first { 0 } else { sum },
            count: count + 1,
            foreign: self.transit.foreign | foreign,
        };
    }

    /// What the kernel heard instead.
    pub fn take_over(&mut self, heard: &mill::Heard) {
        *self = Stream {
            sent: self.sent,
            received: heard.received,
            misrouted: heard.misrouted,
            source: heard.source,
            next: heard.next,
            expected_before: heard.expected_before,
            skipped: heard.skipped,
            loss_runs: heard.loss_runs,
            late: heard.late,
            duplicate: heard.duplicate,
            unplayable: heard.unplayable,
            jitter: heard.jitter_ns as f64,
            transit: Transit { sum: heard.delays_ns, count: heard.timed, ..Transit::default() },
            came: 0,
        };
    }

    /// What was heard, when the other end is known to have sent so many packets; 0 where that is not known.
    pub fn heard(&self, packets: Packets, place: u32, caller: bool, sent: u32) -> Heard {
        // What is under way when a call ends is not delivered by everybody, and that is nobody's loss.
        let ended = sent.saturating_sub(packets.tail());
        let silent = ended.saturating_sub(self.next);
        let expected = self.expected_before + self.next.max(ended).saturating_sub(self.skipped);
        let Transit { sum, count, foreign, .. } = self.transit;
        let known = count > 0 && !foreign;
        Heard {
            place,
            caller,
            sent: 0,
            received: self.received,
            lost: expected.saturating_sub(self.received),
            loss_runs: self.loss_runs + u32::from(silent > 0),
            late: self.late,
            duplicate: self.duplicate,
            misrouted: self.misrouted,
            unplayable: self.unplayable,
            jitter_ms: self.jitter / MS as f64,
            transit_ms: known.then(|| sum as f64 / f64::from(count) / MS as f64),
            mos: 0.0,
        }
        .judged(packets)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::codec::{Codec, USUAL};

    /// Bytes of a usual packet, which the kernel writes too.
    const PACKET_BYTES: usize = 172;
    const PACKET_NS: u64 = 20 * MS;

    fn stamp(sequence: u32) -> Stamp {
        Stamp { place: 9, by_caller: true, sequence, sent: u64::from(sequence) * PACKET_NS, ..Stamp::default() }
    }

    /// Hears packets, each after so many milliseconds on its way.
    fn heard(packets: &[(u32, u64)], sent: u32) -> Heard {
        let mut stream = Stream::new(0);
        for (sequence, way_ms) in packets {
            let now = u64::from(*sequence) * PACKET_NS + way_ms * MS;
            assert!(stream.hear(Some(stamp(*sequence)), (9, true), (now, 0)));
        }
        stream.heard(USUAL, 9, false, sent)
    }

    #[test]
    fn a_packet_of_another_call_is_found_out() {
        let (mut packet, mut stream) = ([0; PACKET_BYTES], Stream::new(0));
        let mut hear = |stamp: Stamp, bytes: usize| {
            write(&mut packet, USUAL, stamp, (0, 0));
            stream.hear(read(&packet[..bytes], USUAL, (0, 0), 1), (9, true), (1, 0))
        };
        assert!(hear(stamp(0), PACKET_BYTES));
        assert!(!hear(Stamp { place: 8, ..stamp(1) }, PACKET_BYTES));
        assert!(!hear(Stamp { by_caller: false, ..stamp(1) }, PACKET_BYTES));
        assert!(!hear(stamp(1), 40));
        assert_eq!((stream.received, stream.misrouted), (1, 3));
        let whole = Stamp { place: 7, by_caller: true, source: 3, agent: 2, sequence: 70_000, sent: 1 << 40 };
        write(&mut packet, USUAL, whole, (9, 9));
        assert_eq!(read(&packet, USUAL, (0, 0), 1), Some(whole));
    }

    #[test]
    fn a_packet_of_every_size_says_whose_it_is_and_when_it_left() {
        for (codec, ms) in
            [(Codec::G711, 10), (Codec::G711, 30), (Codec::G729, 10), (Codec::G729, 20), (Codec::G729, 30)]
        {
            let packets = Packets { codec, ms };
            let mut packet = vec![0; packets.bytes()];
            // The sequence and the moment begin anew under way; the other clock is a day ahead, or ours.
            for (sequence, now, took) in
                [(0, 5 * MS, 3 * MS as i64), (65_537, 40_000_000_000, -86_400_000_000_000), (70_000, 17_000_000_000, 0)]
            {
                let sent = (now as i64 - took) as u64 / 1_000 * 1_000;
                let whole = Stamp { place: 99_999_999, by_caller: true, source: 3, agent: 2, sequence, sent };
                write(&mut packet, packets, whole, (9, 9));
                assert_eq!((packet[1] & 127, packet.len()), (packets.payload_type(), packets.bytes()));
                // One packet was lost, and the one before took a second longer.
                let before = (sequence.saturating_sub(1), took + 1_000_000_000);
                let read = read(&packet, packets, before, now).expect("it is ours");
                assert!(read.sent.abs_diff(sent) <= 1_000, "{codec:?} {ms}: {} for {sent}", read.sent);
                assert_eq!(Stamp { sent, ..read }, whole, "{codec:?} {ms}");
            }
            packet[12] = 0;
            assert_eq!(read(&packet, packets, (0, 0), 1), None);
        }
    }

    #[test]
    fn loss_reordering_and_repeats_are_told_apart() {
        let told = heard(&[(0, 5), (1, 5), (3, 5), (2, 30), (2, 31), (5, 5), (5, 5), (9, 5)], 10);
        assert_eq!((told.received, told.lost, told.late, told.duplicate), (6, 4, 1, 2));
        assert_eq!(heard(&[(0, 5), (100, 5), (1, 5)], 100).late, 1);
        // Media that stops in the middle is lost, a few packets at the end are not.
        let steady: Vec<(u32, u64)> = (0..50).map(|sequence| (sequence, 5)).collect();
        assert_eq!((heard(&steady, 58).lost, heard(&steady, 110).lost, heard(&steady, 0).lost), (0, 50, 0));
    }

    #[test]
    fn jitter_is_that_of_the_rfc_and_what_comes_too_late_is_not_played() {
        let steady: Vec<(u32, u64)> = (0..200).map(|sequence| (sequence, 5)).collect();
        let told = heard(&steady, 200);
        assert!(told.jitter_ms < 1e-6 && told.transit_ms == Some(5.0) && told.mos > 4.4, "{told:?}");
        // Every second packet is 8 ms slower: differences of 8 ms, which the estimate comes close to.
        let uneven: Vec<(u32, u64)> = (0..200).map(|sequence| (sequence, 5 + u64::from(sequence % 2) * 8)).collect();
        let told = heard(&uneven, 200);
        assert!((told.jitter_ms - 8.0).abs() < 0.01 && told.unplayable == 0, "{told:?}");
        let stalled: Vec<(u32, u64)> = (0..200).map(|nth| (nth, if nth % 10 == 9 { 70 } else { 5 })).collect();
        let told = heard(&stalled, 200);
        assert!(told.unplayable == 20 && told.lost == 0 && told.mos < 3.9, "{told:?}");
    }

    /// Both programs of the kernel, packet by packet, without a network.
    #[test]
    fn the_kernel_writes_and_hears_as_this_program_does() {
        let mut rehearsal = match mill::Rehearsal::load() {
            Ok(rehearsal) => rehearsal,
            // Past the test harness, which keeps to itself what a passed test prints.
            Err(why) => return drop(writeln!(std::io::stderr(), "!!! NOT RUN: media by the kernel: {why}")),
        };
        let (here, there) = ("192.0.2.2:6000", "192.0.2.1:20000");
        let [here, there] = [here, there].map(|address| address.parse().expect("an address"));
        let speaks = mill::Speaks { place: 7, by_caller: true, source: 0, ssrc: source(7, true) };
        let made = rehearsal.speak(&speaks, (there, here), 3).expect("the kernel speaks");
        for (nth, frame) in (0..).zip(&made) {
            let stamp = read(&frame[42..], USUAL, (0, 0), 1).expect("a packet of this program");
            let mut packet = [0; PACKET_BYTES];
            write(
                &mut packet,
                USUAL,
                Stamp { place: 7, by_caller: true, sequence: nth, sent: stamp.sent, ..stamp },
                (nth as u16, nth * 160),
            );
            assert_eq!(frame[42..], packet);
        }
        let packet = |place: u32, by_caller: bool, source: u32, sequence: u32| {
            let (mut frame, mut packet) = (made[0], [0; PACKET_BYTES]);
            write(&mut packet, USUAL, Stamp { place, by_caller, source, agent: 0, sequence, sent: 1 }, (0, 0));
            frame[42..].copy_from_slice(&packet);
            frame
        };
        let plain =
            |sequences: &[u32]| sequences.iter().map(|sequence| packet(7, true, 0, *sequence)).collect::<Vec<_>>();
        let mut stories =
            vec![plain(&[2, 3, 5, 4, 4, 7, 11]), plain(&[4, 67, 3, 4]), plain(&[4, 68, 4]), plain(&[200, 2])];
        stories.push(vec![packet(7, true, 0, 2), packet(8, true, 0, 3), packet(7, false, 0, 3)]);
        stories.push(
            [(3, 0), (3, 1), (4, 0), (4, 2)].map(|(source, sequence)| packet(7, true, source, sequence)).to_vec(),
        );
        for frames in &stories {
            let hears = mill::Hears { place: 7, by_caller: true, skipped: 2 };
            let (told, left) = rehearsal.hear(here, &hears, frames).expect("the kernel hears");
            let (mut ours, mut kernels) = (Stream::new(2), Stream::new(2));
            for frame in frames {
                ours.hear(read(&frame[42..], USUAL, (0, 0), 1), (7, true), (1, 0));
            }
            kernels.take_over(&told);
            let timeless = |stream: &Stream| Heard {
                jitter_ms: 0.0,
                transit_ms: None,
                mos: 0.0,
                unplayable: 0,
                ..stream.heard(USUAL, 7, false, 12)
            };
            assert_eq!((timeless(&kernels), left), (timeless(&ours), 0));
        }
        let mut other = packet(7, true, 0, 2);
        other[42 + 12] = b'x';
        let hears = mill::Hears { place: 7, by_caller: true, skipped: 0 };
        assert_eq!(rehearsal.hear(here, &hears, &[other]).expect("the kernel hears").1, 1);
    }

    #[test]
    fn a_call_that_is_heard_from_one_terminator_after_another_loses_nothing_by_that() {
        let mut stream = Stream::new(0);
        for (source, sequences) in [(4, 0..30), (5, 0..200)] {
            for sequence in sequences {
                assert!(stream.hear(Some(Stamp { source, ..stamp(sequence) }), (9, true), (1, 0)));
            }
        }
        let told = stream.heard(USUAL, 9, true, 200);
        assert_eq!((told.received, told.lost, told.duplicate), (230, 0, 0));
        // The second terminator hears the caller from the middle on.
        let mut later = Stream::new(40);
        (41..100).for_each(|sequence| assert!(later.hear(Some(stamp(sequence)), (9, true), (1, 0))));
        assert_eq!(later.heard(USUAL, 9, false, 100).lost, 1);
    }
}
