//! Captured calls: one pcapng file each, under its final name once it is whole.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tape::pcapng::{self, Packet, Way};
use tape::{Note, Over, What, packet};
use units::{CallId, WallTime};

use super::Figures;
use super::folder::{Folder, part_of, publish};
use super::kept::{Kept, Kind};
use crate::disk;
use crate::places::Places;

/// What the name of a capture ends with.
const EXTENSION: &str = "pcapng";
/// Calls that are captured at the same time at most; of more nothing is kept.
const OPEN_MAX: usize = 1_024;
/// A file whose call says nothing for so long is finished: no call lasts longer.
pub const SILENT_MAX: Duration = Duration::from_secs(26 * 3_600);

/// So long packets wait for earlier ones: media is dated by when the kernel received it, and messages by when the switch read them.
const ORDER_MAX: Duration = Duration::from_millis(250);

/// One call's file.
struct Open {
    file: File,
    part: PathBuf,
    finished: PathBuf,
    /// Packets that wait for earlier ones, by their dates.
    waiting: VecDeque<(WallTime, Vec<u8>)>,
    /// What waits for the end of the turn.
    fresh: Vec<u8>,
    written: u64,
    /// All that was taken, written or not.
    bytes: u64,
    heard: Instant,
}

/// All captures that are being written.
pub struct Captures {
    kept: Kept,
    open: HashMap<CallId, Open>,
    /// A file's beginning, and the place in it of the interface that media has.
    head: Vec<u8>,
    media: u32,
    call_bytes_max: u64,
    whole: Vec<u8>,
}

impl Captures {
    /// None so far; each file has this beginning and this interface for media.
    pub fn new(folder: Folder, (head, media): (Vec<u8>, u32), call_bytes_max: u64, figures: Arc<Figures>) -> Captures {
        let kind = Kind {
            files: |figures| &figures.files,
            lost: |figures| &figures.packets_lost,
            trouble: "captures cannot be written; packets of them are lost",
        };
        let (kept, open, whole) = (Kept::new(folder, figures, kind), HashMap::new(), Vec::new());
        Captures { kept, open, head, media, call_bytes_max, whole }
    }

    /// A packet of a captured call, or its end.
    pub fn on_note(&mut self, note: &Note, own: SocketAddr, carried: &[u8]) {
        if note.what == What::End {
            if let Some(open) = self.open.remove(&note.call) {
                self.finish(open);
            }
            return;
        }
        self.whole.clear();
        let packet = self.describe(note, own, carried);
        let full = self.open.len() >= OPEN_MAX;
        let opened = match self.open.entry(note.call) {
            Entry::Occupied(open) => Ok(open.into_mut()),
            Entry::Vacant(_) if full => Err(io::ErrorKind::QuotaExceeded.into()),
            Entry::Vacant(place) => {
                Open::begin(&self.kept.folder, note.call, &self.head).map(|open| place.insert(open))
            }
        };
        match opened {
            Ok(open) if open.bytes + packet.len() as u64 <= self.call_bytes_max => {
                open.take(note.at, packet);
                self.kept.figures.packets.fetch_add(1, Ordering::Relaxed);
            }
            Ok(_) => self.kept.lose(),
            Err(error) => self.kept.fail(&error),
        }
    }

    /// A note as a packet of a file.
    fn describe(&mut self, note: &Note, own: SocketAddr, carried: &[u8]) -> Vec<u8> {
        let (from, to) = if note.inbound { (note.peer, own) } else { (own, note.peer) };
        let length = packet::datagram(from, to, carried, note.length as usize, &mut self.whole);
        let side = if note.leg == 0 { "ingress".to_owned() } else { format!("egress, attempt {}", note.leg) };
        let over = match note.over {
            Over::Udp => "",
            Over::Tcp => ", came over TCP and is shown as a datagram",
            Over::Tls => ", came over TLS and is shown in clear as a datagram",
        };
        let mut block = Vec::with_capacity(self.whole.len() + 160);
        pcapng::packet(
            &Packet {
                interface: if note.what == What::Sip { u32::from(note.listener) } else { self.media },
                at: note.at,
                way: if note.inbound { Way::In } else { Way::Out },
                bytes: &self.whole,
                length,
                comment: &format!("call {}, {side}{over}", note.call),
            },
            &mut block,
        );
        block
    }

    /// Writes what the turn brought, as far as it waits for nothing.
    pub fn flush(&mut self, now: Instant) {
        let silent = |open: &Open| now.saturating_duration_since(open.heard) > SILENT_MAX;
        let mut failed = Vec::new();
        for (call, open) in &mut self.open {
            open.settle(now, ORDER_MAX);
            if let Err(error) = open.write() {
                failed.push((*call, error));
            } else if silent(open) {
                failed.push((*call, io::ErrorKind::TimedOut.into()));
            }
        }
        for (call, error) in failed {
            let Some(open) = self.open.remove(&call) else { continue };
            if error.kind() != io::ErrorKind::TimedOut {
                self.kept.fail(&error);
            }
            self.finish(open);
        }
    }

    fn finish(&mut self, mut open: Open) {
        open.settle(open.heard, Duration::ZERO);
        self.kept.finished(open.write().and_then(|()| publish(&open.file, &open.part, &open.finished)));
    }

    /// The program ends.
    pub fn finish_all(mut self) {
        for (_, open) in std::mem::take(&mut self.open) {
            self.finish(open);
        }
    }

    /// Removes what is old.
    pub fn keep_up(&self) {
        self.kept.folder.keep_up();
    }

    /// Files that an earlier life was writing keep their whole blocks, under their final names.
    pub fn repair(&self) {
        self.kept.folder.repair(repair);
    }
}

/// A file's beginning, with an interface for each listener and one for media; and the place of that one.
pub fn head(places: &Places) -> (Vec<u8>, u32) {
    let mut head = Vec::new();
    pcapng::section(concat!("tandem ", env!("CARGO_PKG_VERSION")), &mut head);
    for listen in &places.listens {
        let name = format!("{:?} {}", listen.transport, listen.bind).to_lowercase();
        pcapng::interface(&name, &listen.name, &mut head);
    }
    pcapng::interface("media", "RTP and RTCP", &mut head);
    (head, places.listens.len() as u32)
}

impl Open {
    fn begin(folder: &Folder, call: CallId, head: &[u8]) -> io::Result<Open> {
        fs::create_dir_all(&folder.path)?;
        let finished = folder.file(call, EXTENSION);
        let part = part_of(&finished);
        let file = disk::create(&part)?;
        let (waiting, fresh, bytes) = (VecDeque::new(), head.to_vec(), head.len() as u64);
        Ok(Open { file, part, finished, waiting, fresh, written: 0, bytes, heard: Instant::now() })
    }

    /// A packet of this date: it goes behind all that are no later.
    fn take(&mut self, at: WallTime, packet: Vec<u8>) {
        let later = self.waiting.iter().rev().take_while(|(other, _)| *other > at).count();
        (self.bytes, self.heard) = (self.bytes + packet.len() as u64, Instant::now());
        self.waiting.insert(self.waiting.len() - later, (at, packet));
    }

    /// What is so much earlier than the latest waits no more; nothing does once the call was silent for so long.
    fn settle(&mut self, now: Instant, order: Duration) {
        let silent = now.saturating_duration_since(self.heard) >= order;
        let latest = self.waiting.back().map_or(0, |(at, _)| at.micros());
        let settled = if silent { latest } else { latest.saturating_sub(order.as_micros() as i64) };
        while let Some((_, packet)) = self.waiting.pop_front_if(|(at, _)| at.micros() <= settled) {
            self.fresh.extend_from_slice(&packet);
        }
    }

    fn write(&mut self) -> io::Result<()> {
        if self.fresh.is_empty() {
            return Ok(());
        }
        disk::write_at(&self.file, &self.fresh, self.written)?;
        self.written += self.fresh.len() as u64;
        self.fresh.clear();
        Ok(())
    }
}

fn repair(part: &Path, finished: &Path) -> io::Result<()> {
    let whole = pcapng::whole(&fs::read(part)?);
    if whole == 0 {
        return disk::unlink(part);
    }
    let file = OpenOptions::new().write(true).open(part)?;
    file.set_len(whole as u64)?;
    publish(&file, part, finished)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]
mod tests;
