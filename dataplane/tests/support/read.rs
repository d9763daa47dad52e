//! What others find of a call: Wireshark in its capture, sox in its recording, a collector in its packets, the control plane in its record.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use cdr::{Cdr, Record, segment};
use panel::wire::{Answer, Ask, CallRow};

use crate::plane::{PATIENCE, Plane};
use crate::talk::{Datagram, once};

/// Samples of 16 bits, as sox knows them.
pub const PCM: [&str; 4] = ["-e", "signed-integer", "-b", "16"];
/// G.711 A-law,
pub const A_LAW: [&str; 2] = ["-e", "a-law"];
/// and µ-law.
pub const U_LAW: [&str; 2] = ["-e", "mu-law"];

/// The only file in a folder whose name ends like this, once there is one.
pub fn file(plane: &mut Plane, folder: &Path, ending: &str) -> PathBuf {
    let deadline = Instant::now() + PATIENCE;
    loop {
        plane.serve();
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        if let Some(file) = files.into_iter().find(|path| path.to_string_lossy().ends_with(ending)) {
            return file;
        }
        assert!(Instant::now() < deadline, "there is a file …{ending}");
    }
}

/// What Wireshark reads in a capture, in its order; comments beside.
pub fn capture(file: &Path) -> (Vec<Datagram>, Vec<String>) {
    let fields =
        ["ip.src", "ipv6.src", "udp.srcport", "ip.dst", "ipv6.dst", "udp.dstport", "udp.payload", "frame.comment"];
    let mut tshark = Command::new("tshark");
    tshark.args(["-n", "-o", "udp.check_checksum:TRUE", "-Y", "udp.checksum.status == 1", "-T", "fields", "-r"]);
    let output = tshark.arg(file).args(fields.iter().flat_map(|field| ["-e", field])).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let read = text.lines().map(|line| {
        let cells: Vec<&str> = line.split('\t').collect();
        // Of both families one is empty.
        let at = |place: usize| {
            let ip: IpAddr = [cells[place], cells[place + 1]].concat().parse().unwrap();
            SocketAddr::new(ip, cells[place + 2].parse().unwrap())
        };
        let digits = cells[6].replace(':', "");
        let bytes = (0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap());
        ((at(0), at(3), bytes.collect()), cells[7].to_owned())
    });
    read.unzip()
}

/// Whether Wireshark finds a capture's packets in order of time.
pub fn is_in_order(file: &Path) -> bool {
    let said =
        Command::new("capinfos").arg("-o").arg(file).output().expect("capinfos is installed: setup/install --test");
    String::from_utf8_lossy(&said.stdout)
        .lines()
        .any(|line| line.starts_with("Strict time order") && line.ends_with("True"))
}

/// Between any two sockets exactly the same datagrams, in the same order.
pub fn same(captured: &[Datagram], log: &[Datagram]) {
    let (captured, log) = (once(captured), once(log));
    let flows: std::collections::BTreeSet<_> = log.iter().map(|(from, to, _)| (*from, *to)).collect();
    assert!(flows.len() >= 4, "{flows:?}");
    for flow in flows {
        let of = |all: &[Datagram]| -> Vec<Vec<u8>> {
            all.iter().filter(|(from, to, _)| (*from, *to) == flow).map(|(_, _, bytes)| bytes.clone()).collect()
        };
        let texts = |all: Vec<Vec<u8>>| all.iter().map(|bytes| bytes.escape_ascii().to_string()).collect::<Vec<_>>();
        assert_eq!(texts(of(&captured)), texts(of(&log)), "from {} to {}", flow.0, flow.1);
    }
    assert_eq!(captured.len(), log.len());
}

/// What sox hears of one side (1 or 2) of a recording, in this encoding.
pub fn sox(file: &Path, side: usize, encoding: &[&str]) -> Vec<u8> {
    let mut sox = Command::new("sox");
    sox.args(["-D", "-t", "wav"]).arg(file).args(["-t", "raw"]).args(encoding).args(["-", "remix", &side.to_string()]);
    let output = sox.output().expect("sox is installed: setup/install --test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Where one side of a recording begins to say something, in samples.
pub fn begins(file: &Path, side: usize) -> usize {
    sox(file, side, &PCM).chunks(2).position(|sample| sample != [0, 0]).unwrap()
}

/// Every code of a law, and not the same on both sides.
pub fn voice(side: usize, number: u16) -> [u8; 160] {
    core::array::from_fn(|at| (usize::from(number) * 160 + at).wrapping_mul(2 * side + 3) as u8)
}

/// A packet's chunks by number, as the specification of HEP3 has them.
pub fn chunks(packet: &[u8]) -> BTreeMap<u16, Vec<u8>> {
    let word = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
    assert!(packet.starts_with(b"HEP3") && usize::from(word(4)) == packet.len());
    let (mut at, mut chunks) = (6, BTreeMap::new());
    while at < packet.len() {
        let length = usize::from(word(at + 4));
        chunks.insert(word(at + 2), packet[at + 6..at + length].to_vec());
        at += length;
    }
    chunks
}

/// The datagram that a packet tells of.
pub fn datagram(chunks: &BTreeMap<u16, Vec<u8>>) -> Datagram {
    let at = |v4: u16, v6: u16, port: u16| {
        // AF_INET is 2, AF_INET6 is 10.
        let ip: IpAddr = match chunks[&1][..] {
            [2] => <[u8; 4]>::try_from(&chunks[&v4][..]).unwrap().into(),
            [10] => <[u8; 16]>::try_from(&chunks[&v6][..]).unwrap().into(),
            _ => panic!("{chunks:?}"),
        };
        SocketAddr::new(ip, u16::from_be_bytes(chunks[&port][..].try_into().unwrap()))
    };
    (at(3, 5, 7), at(4, 6, 8), chunks[&15].clone())
}

/// All that a collector hears until it had the reports of both sides of a call; no less than what was sent.
pub fn collected(plane: &mut Plane, collector: &UdpSocket) -> Vec<BTreeMap<u16, Vec<u8>>> {
    let (mut heard, mut bytes, deadline) = (Vec::new(), [0; 65_536], Instant::now() + PATIENCE);
    while heard.iter().filter(|chunks: &&BTreeMap<_, Vec<u8>>| chunks[&11] == [35]).count() < 2 {
        assert!(Instant::now() < deadline, "the reports come: {} packets", heard.len());
        plane.serve();
        if let Ok(length) = collector.recv(&mut bytes) {
            heard.push(chunks(&bytes[..length]));
        }
    }
    while counter(plane, "collector_sent") > heard.len() as u64 {
        assert!(Instant::now() < deadline, "{} packets", heard.len());
        if let Ok(length) = collector.recv(&mut bytes) {
            heard.push(chunks(&bytes[..length]));
        }
    }
    assert_eq!(counter(plane, "collector_sent"), heard.len() as u64);
    heard
}

/// What a counter stands at.
pub fn counter(plane: &mut Plane, name: &str) -> u64 {
    let Answer::Figures(figures) = plane.ask(Ask::Figures) else { panic!("figures are told") };
    figures.counters.iter().filter(|(known, _)| known == name).map(|(_, value)| *value).sum()
}

/// The only running call.
pub fn row(plane: &mut Plane) -> CallRow {
    let Answer::Calls(mut rows) = plane.ask(Ask::Calls { limit: 1 }) else { panic!("calls are told") };
    rows.remove(0)
}

/// The record of the call that began with this Call-ID, once it is written.
pub fn record(plane: &mut Plane, data: &Path, call_id: &str) -> Cdr {
    let deadline = Instant::now() + PATIENCE;
    loop {
        plane.serve();
        let files = std::fs::read_dir(data.join("journal")).unwrap().map(|entry| entry.unwrap().path());
        let bytes: Vec<Vec<u8>> = files.map(|path| std::fs::read(path).unwrap()).collect();
        let entries = bytes.iter().filter_map(|bytes| segment::Reader::new(bytes)).flatten().map_while(Result::ok);
        let mut cdrs = entries.filter_map(|entry| if let Record::Cdr(cdr) = entry.record { Some(*cdr) } else { None });
        if let Some(cdr) = cdrs.find(|cdr| cdr.attempt.0 == 0 && cdr.ingress_call_id.starts_with(call_id)) {
            return cdr;
        }
        assert!(Instant::now() < deadline, "the record of {call_id} is written");
    }
}
