//! Files that calls play: raw sound, and the RTP of captures.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::scenario::{Action, Media, Scenario};

/// Bytes of a file at most.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// How captures begin: either order of bytes, moments in microseconds or in nanoseconds.
const MICROS_LITTLE: [u8; 4] = [0xd4, 0xc3, 0xb2, 0xa1];
const NANOS_LITTLE: [u8; 4] = [0x4d, 0x3c, 0xb2, 0xa1];
const MICROS_BIG: [u8; 4] = [0xa1, 0xb2, 0xc3, 0xd4];
const NANOS_BIG: [u8; 4] = [0xa1, 0xb2, 0x3c, 0x4d];
/// Where Debian's sip-tester keeps the captures that SIPp's own scenarios name.
const SHARED: &str = "/usr/share/sip-tester";

/// A packet of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Nanoseconds since the first one.
    pub at: u64,
    /// What UDP carried.
    pub bytes: Vec<u8>,
}

/// A file.
#[derive(Clone, Debug)]
pub enum Sound {
    /// Bytes of a codec.
    Raw(Rc<[u8]>),
    /// Packets.
    Packets(Rc<[Packet]>),
}

/// All files of a scenario, by the name that it gives them.
pub fn all(scenario: &Scenario, beside: &Path) -> Result<HashMap<String, Sound>, String> {
    let mut out = HashMap::new();
    for action in scenario.steps.iter().flat_map(|step| &step.actions) {
        let (name, capture) = match action {
            Action::Media(Media::Play { file, .. }) => (file, false),
            Action::Media(Media::Capture(file)) => (file, true),
            _ => continue,
        };
        if !out.contains_key(name) {
            let bytes = read(&find(name, beside))?;
            let sound = if capture {
                Sound::Packets(packets(&bytes).map_err(|what| format!("{name}: {what}"))?.into())
            } else {
                Sound::Raw(bytes.into())
            };
            out.insert(name.clone(), sound);
        }
    }
    Ok(out)
}

/// Where a file is: as named, beside the scenario, or among SIPp's.
fn find(name: &str, beside: &Path) -> PathBuf {
    let shared = Path::new(name).file_name().map(|file| Path::new(SHARED).join(file));
    let places = [Some(PathBuf::from(name)), Some(beside.join(name)), shared];
    places.into_iter().flatten().find(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(name))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    if std::fs::metadata(path).map_err(told)?.len() > FILE_BYTES_MAX {
        return Err(format!("{}: longer than {FILE_BYTES_MAX} bytes", path.display()));
    }
    std::fs::read(path).map_err(told)
}

/// Seconds at which calls of a capture began, by the first INVITE of each Call-ID; nothing where the bytes are no capture.
pub fn beginnings(bytes: &[u8]) -> Option<Result<Vec<f64>, String>> {
    let capture = [MICROS_LITTLE, NANOS_LITTLE, MICROS_BIG, NANOS_BIG].iter().any(|magic| bytes.starts_with(magic));
    capture.then(|| {
        let mut known = HashSet::new();
        let begins = |packet: &Packet| {
            let invites = packet.bytes.starts_with(b"INVITE ");
            (invites && known.insert(call_id(&packet.bytes)?)).then_some(packet.at as f64 / 1e9)
        };
        Ok(packets(bytes)?.iter().filter_map(begins).collect())
    })
}

fn call_id(message: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(message);
    let rows = text.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(':'));
    let named = |name: &str| name.eq_ignore_ascii_case("call-id") || name.eq_ignore_ascii_case("i");
    rows.map(|(name, value)| (name.trim(), value.trim()))
        .find(|(name, _)| named(name))
        .map(|(_, value)| value.to_owned())
}

/// What the UDP datagrams of a capture carry.
fn packets(bytes: &[u8]) -> Result<Vec<Packet>, String> {
    let magic = bytes.first_chunk::<4>().ok_or("the file is too short for a capture")?;
    let (little, nanos) = match *magic {
        MICROS_LITTLE => (true, false),
        NANOS_LITTLE => (true, true),
        MICROS_BIG => (false, false),
        NANOS_BIG => (false, true),
        _ => return Err("this is no capture in pcap format (pcapng is not read)".to_owned()),
    };
    let word = |at: usize| -> Option<u32> {
        let four: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(if little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) })
    };
    let link = word(20).ok_or("the file ends in its head")?;
    let mut out: Vec<Packet> = Vec::new();
    let (mut at, mut first) = (24, None);
    while let (Some(seconds), Some(parts), Some(length)) = (word(at), word(at + 4), word(at + 8)) {
        let Some(frame) = bytes.get(at + 16..(at + 16).saturating_add(length as usize)) else { break };
        at += 16 + length as usize;
        let moment = u64::from(seconds) * 1_000_000_000 + u64::from(parts) * if nanos { 1 } else { 1_000 };
        if let Some(payload) = udp(frame, link) {
            let start = *first.get_or_insert(moment);
            out.push(Packet { at: moment.saturating_sub(start), bytes: payload.to_vec() });
        }
    }
    if out.is_empty() { Err("the capture has no UDP".to_owned()) } else { Ok(out) }
}

/// The payload of a frame that carries UDP.
fn udp(frame: &[u8], link: u32) -> Option<&[u8]> {
    let ip = match link {
        // Ethernet, perhaps with a VLAN tag.
        1 => match frame.get(12..14)? {
            [0x81, 0x00] => frame.get(18..)?,
            _ => frame.get(14..)?,
        },
        // BSD loopback; Linux cooked; raw IP.
        0 => frame.get(4..)?,
        113 => frame.get(16..)?,
        101 | 228 | 229 => frame,
        _ => return None,
    };
    let udp = match ip.first()? >> 4 {
        4 if ip.get(9) == Some(&17) => ip.get(usize::from(ip[0] & 15) * 4..)?,
        6 if ip.get(6) == Some(&17) => ip.get(40..)?,
        _ => return None,
    };
    let length = usize::from(u16::from_be_bytes([*udp.get(4)?, *udp.get(5)?]));
    udp.get(8..length.max(8).min(udp.len()))
}

/// A capture of datagrams on loopback, each at its microsecond.
#[cfg(test)]
pub fn captured(datagrams: &[(u32, &[u8])]) -> Vec<u8> {
    let mut file = MICROS_LITTLE.to_vec();
    file.extend([0; 16]);
    file.extend(101_u32.to_le_bytes());
    for (micros, payload) in datagrams {
        let mut ip = vec![0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1];
        ip.extend([0, 1, 0, 2]);
        ip.extend((payload.len() as u16 + 8).to_be_bytes());
        ip.extend([0, 0]);
        ip.extend(*payload);
        file.extend(1_u32.to_le_bytes());
        file.extend(micros.to_le_bytes());
        file.extend((ip.len() as u32).to_le_bytes());
        file.extend((ip.len() as u32).to_le_bytes());
        file.extend(ip);
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_gives_what_its_datagrams_carry() {
        let file = captured(&[(5, &[9]), (20_005, &[1, 2, 3, 4])]);
        let found = packets(&file).expect("it is read");
        assert_eq!(found.iter().map(|packet| packet.at).collect::<Vec<_>>(), [0, 20_000_000]);
        assert_eq!(found[1].bytes, [1, 2, 3, 4]);
        for cut in 0..file.len() {
            let _ = packets(&file[..cut]);
        }
    }

    #[test]
    fn calls_begin_with_the_first_invite_of_each() {
        let first: &[u8] = b"INVITE sip:1@a SIP/2.0\r\nCall-ID: x@b\r\n\r\ni: body";
        let second: &[u8] = b"INVITE sip:2@a SIP/2.0\r\ni : y@b\r\n\r\n";
        let answer: &[u8] = b"SIP/2.0 200 OK\r\nCall-ID: z@b\r\n\r\n";
        let file = captured(&[(0, first), (500_000, first), (600_000, answer), (750_000, second)]);
        assert_eq!(beginnings(&file), Some(Ok(vec![0.0, 0.75])));
        assert_eq!(beginnings(b"10\n11.5\n"), None);
        assert!(beginnings(&file[..30]).is_some_and(|found| found.is_err()));
    }
}
