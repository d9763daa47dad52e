//! What we seal, libsrtp opens, and what it seals, we open: by every suite, with packets lost, late, doubled and forged on the way, across
//! the turn of the sequence numbers.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use media::srtp::{Context, SEAL_BYTES_MAX, Secret};
use units::Suite;

/// Packets of each suite and direction.
const PACKETS: u32 = 2_000;

/// The program `libsrtp.c`.
fn build() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/libsrtp.c");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libsrtp");
    let status =
        Command::new("cc").args(["-O2", "-Wall", "-o"]).arg(&program).arg(source).arg("-lsrtp2").status().unwrap();
    assert!(status.success(), "libsrtp2-dev is installed: setup/install --test");
    program
}

/// What libsrtp makes of these packets, in their order; empty ones it refused.
fn libsrtp(program: &Path, suite: Suite, verb: &str, secret: &[u8], packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let key: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut child = Command::new(program)
        .args([suite.name(), verb, &key])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut to, mut from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let said: Vec<u8> =
        packets.iter().flat_map(|packet| [&(packet.len() as u16).to_be_bytes()[..], packet].concat()).collect();
    let writer = std::thread::spawn(move || to.write_all(&said).unwrap());
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).unwrap();
    writer.join().unwrap();
    assert!(child.wait().unwrap().success());
    let (mut rest, mut results) = (&bytes[..], Vec::new());
    while let [first, second, tail @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*first, *second]));
        results.push(tail[..length].to_vec());
        rest = &tail[length..];
    }
    results
}

/// As [`libsrtp`], by us.
fn ours(suite: Suite, verb: &str, secret: &[u8], packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut context = Context::new(Secret::new(suite, secret).unwrap());
    let work = |packet: &Vec<u8>| {
        let mut room = [&packet[..], &[0; SEAL_BYTES_MAX]].concat();
        let done = match verb {
            "seal" => context.seal(&mut room, packet.len()),
            _ => context.open(&mut room[..packet.len()]),
        };
        room.truncate(done.unwrap_or(0));
        room
    };
    packets.iter().map(work).collect()
}

/// Numbers that look random and are the same each time (Numerical Recipes).
struct Chance(u32);

impl Chance {
    fn below(&mut self, most: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) % most
    }
}

/// Voice of two sources with headers of all kinds, and reports.
fn packets(chance: &mut Chance) -> Vec<Vec<u8>> {
    let packet = |number: u32| {
        let (source, kind) = (7 + chance.below(2), chance.below(20));
        if kind == 0 {
            let mut report = [&[0x80, 201, 0, 1][..], &source.to_be_bytes()].concat();
            report.extend((0..4 * chance.below(8)).map(|_| chance.below(256) as u8));
            return report;
        }
        let first = [0x80, 0x81, 0x90, 0x80][kind as usize % 4];
        let mut packet = vec![first, 8];
        packet.extend(65_000u32.wrapping_add(number).to_be_bytes()[2..].iter());
        packet.extend((160 * number).to_be_bytes());
        packet.extend(source.to_be_bytes());
        match first {
            0x81 => packet.extend([1, 2, 3, 4]),
            0x90 => packet.extend([0xbe, 0xde, 0, 1, 9, 8, 7, 6]),
            _ => {}
        }
        packet.extend((0..chance.below(200)).map(|_| chance.below(256) as u8));
        packet
    };
    (0..PACKETS).map(packet).collect()
}

/// The way of each packet: its place among those that were sent, in the order in which they come; some twice, some never.
fn way(chance: &mut Chance) -> Vec<(usize, bool)> {
    let mut way: Vec<(u32, usize, bool)> = Vec::new();
    for place in 0..PACKETS {
        let comes = place + chance.below(30);
        match chance.below(40) {
            0 => {}
            1 => way.extend([(comes, place as usize, false), (comes + 5, place as usize, false)]),
            2 => way.extend([(comes, place as usize, true)]),
            _ => way.push((comes, place as usize, false)),
        }
    }
    way.sort();
    way.into_iter().map(|(_, place, forged)| (place, forged)).collect()
}

#[test]
fn both_open_what_the_other_sealed_and_refuse_the_same() {
    let (program, mut chance) = (build(), Chance(1));
    for suite in Suite::ALL {
        let secret: Vec<u8> = (0..suite.secret_bytes()).map(|_| chance.below(256) as u8).collect();
        let (said, way) = (packets(&mut chance), way(&mut chance));
        let [by_us, by_them] = [ours(suite, "seal", &secret, &said), libsrtp(&program, suite, "seal", &secret, &said)];
        for (place, packet) in said.iter().enumerate().filter(|(_, packet)| packet[1] == 8) {
            assert_eq!(by_us[place], by_them[place], "{suite:?}: packet {place}, {} bytes", packet.len());
        }
        for sealed in [by_us, by_them] {
            assert!(sealed.iter().all(|packet| !packet.is_empty()), "{suite:?}: all are sealed");
            let come = |&(place, forged): &(usize, bool)| {
                let mut packet = sealed[place].clone();
                if forged {
                    let at = (packet.len() / 2).max(12).min(packet.len() - 1);
                    packet[at] ^= 1;
                }
                packet
            };
            let heard: Vec<Vec<u8>> = way.iter().map(come).collect();
            let [by_us, by_them] =
                [ours(suite, "open", &secret, &heard), libsrtp(&program, suite, "open", &secret, &heard)];
            assert_eq!(by_us, by_them, "{suite:?}");
            let mut known = std::collections::HashSet::new();
            for (&(place, forged), opened) in way.iter().zip(&by_us) {
                let fresh = !forged && known.insert(place);
                assert_eq!(*opened, if fresh { said[place].clone() } else { Vec::new() }, "{suite:?}: packet {place}");
            }
        }
    }
}
