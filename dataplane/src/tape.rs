//! The tape thread: what is kept of chosen calls goes to files, by a thread that may be slow without any call noticing.
//!
//! Each shard has a ring of bytes to it. A note that does not fit is lost and counted; only the note of a call's end waits.

mod captures;
mod collector;
mod folder;
mod kept;
mod recordings;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use rtrb::{Consumer, Producer, RingBuffer};
use tape::note::{CARRIED_BYTES_MAX, HEAD_BYTES};
use tape::{Note, Sinks};

use crate::places::Places;
use crate::settings::Settings;
use captures::Captures;
use collector::Collector;
use folder::Folder;
use recordings::Recordings;

/// Bytes of notes that a shard may be ahead of the thread.
const RING_BYTES: usize = 4 << 20;
/// Ends of calls that wait for room in the ring, in bytes; more are lost, and their files end at [`captures::SILENT_MAX`].
const ENDS_BYTES_MAX: usize = 64 << 10;
/// Notes of one shard in one turn.
const TURN_NOTES: usize = 1_024;
/// How long the thread rests when there is nothing to do: that much time is in a ring.
const REST: Duration = Duration::from_millis(20);
/// How often folders are looked through.
const UPKEEP: Duration = Duration::from_secs(60);
/// How long the end of the program waits for the last files.
const STOP_MAX: Duration = Duration::from_secs(2);

/// A ring of notes; `collects` says that a collector wants to hear of all calls.
pub fn ring(collects: bool) -> (TapeOutlet, Consumer<u8>) {
    let (ring, notes) = RingBuffer::new(RING_BYTES);
    (TapeOutlet { ring, ends: Vec::new(), lost: 0, collects }, notes)
}

/// A shard's end of its ring.
pub struct TapeOutlet {
    ring: Producer<u8>,
    ends: Vec<u8>,
    lost: u64,
    /// A collector wants to hear of all calls.
    pub collects: bool,
}

impl TapeOutlet {
    /// Hands a note over if there is room; false if it is lost. The last note of a call waits for room, so that its file ends.
    pub fn send(&mut self, note: &[u8], last: bool) -> bool {
        self.flush();
        if self.ends.is_empty() && self.ring.push_entire_slice(note).is_ok() {
            return true;
        }
        if last && self.ends.len() + note.len() <= ENDS_BYTES_MAX {
            self.ends.extend_from_slice(note);
            return true;
        }
        self.lost += 1;
        false
    }

    /// Moves what waits.
    pub fn flush(&mut self) {
        // Each of them is a head without anything behind it.
        let fits = (self.ring.slots() / HEAD_BYTES * HEAD_BYTES).min(self.ends.len());
        if fits > 0 && self.ring.push_entire_slice(&self.ends[..fits]).is_ok() {
            self.ends.drain(..fits);
        }
    }

    /// Notes that did not fit.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

/// What the thread counts, for whoever asks.
#[derive(Debug, Default)]
pub struct Figures {
    packets: AtomicU64,
    packets_lost: AtomicU64,
    files: AtomicU64,
    recordings: AtomicU64,
    frames: AtomicU64,
    frames_lost: AtomicU64,
    collected: AtomicU64,
    collected_lost: AtomicU64,
    stop: AtomicBool,
}

impl Figures {
    /// End once everything handed over is written.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Name and value of each.
    pub fn counters(&self) -> Vec<(String, u64)> {
        let rows = [
            ("capture_packets", &self.packets),
            ("capture_packets_lost", &self.packets_lost),
            ("capture_files", &self.files),
            ("recording_files", &self.recordings),
            ("recording_packets", &self.frames),
            ("recording_packets_lost", &self.frames_lost),
            ("collector_sent", &self.collected),
            ("collector_lost", &self.collected_lost),
        ];
        rows.into_iter().map(|(name, value)| (name.to_owned(), value.load(Ordering::Relaxed))).collect()
    }
}

/// Our own addresses.
struct Here {
    listens: Vec<SocketAddr>,
    media: [Option<IpAddr>; 2],
}

impl Here {
    fn new(places: &Places) -> Here {
        Here { listens: places.listens.iter().map(|listen| listen.bind).collect(), media: places.media_bound() }
    }

    /// Our address of what a note carries.
    fn own(&self, note: &Note) -> SocketAddr {
        if note.port == 0 {
            let listen = self.listens.get(usize::from(note.listener)).or(self.listens.first());
            return listen.copied().unwrap_or(SocketAddr::new(note.peer.ip(), 0));
        }
        let media = self.media[usize::from(note.peer.is_ipv6())];
        SocketAddr::new(media.unwrap_or(note.peer.ip()), note.port)
    }
}

/// The thread.
pub struct Tape {
    sources: Vec<Consumer<u8>>,
    captures: Captures,
    recordings: Recordings,
    collector: Option<Collector>,
    here: Here,
    /// What it counts.
    pub figures: Arc<Figures>,
}

impl Tape {
    /// Hears these rings and writes below the data folder.
    pub fn new(settings: &Settings, places: &Places, data: &Path, sources: Vec<Consumer<u8>>) -> anyhow::Result<Tape> {
        let figures = Arc::new(Figures::default());
        let folder = |name: &str, bytes_max, days: u32| {
            let age_max = Duration::from_secs(u64::from(days) * 86_400);
            Folder { path: data.join(name), bytes_max, age_max }
        };
        let recorded = folder("recordings", settings.recording_bytes, settings.recording_days);
        let recordings = Recordings::new(recorded, settings.recording_call_bytes, figures.clone());
        let folder = folder("captures", settings.capture_bytes, settings.capture_days);
        let captures = Captures::new(folder, captures::head(places), settings.capture_call_bytes, figures.clone());
        let to = settings.hep.map(|to| Collector::new(to, u32::from(settings.node), figures.clone()));
        let (collector, here) = (to.transpose()?, Here::new(places));
        Ok(Tape { sources, captures, recordings, collector, here, figures })
    }

    /// Starts it.
    pub fn start(self) -> anyhow::Result<JoinHandle<()>> {
        std::thread::Builder::new()
            .name("tape".into())
            .spawn(move || self.run())
            .context("cannot start the tape thread")
    }

    fn run(mut self) {
        self.captures.repair();
        self.recordings.repair();
        let mut carried = vec![0; CARRIED_BYTES_MAX];
        let mut looked = Instant::now();
        loop {
            let stopping = self.figures.stop.load(Ordering::Relaxed);
            let mut heard = 0;
            for source in &mut self.sources {
                heard += hear(source, &mut carried, |note, carried| {
                    let own = self.here.own(note);
                    if note.sinks.has(Sinks::CAPTURE) {
                        self.captures.on_note(note, own, carried);
                    }
                    if note.sinks.has(Sinks::RECORDING) {
                        self.recordings.on_note(note, carried);
                    }
                    if let Some(collector) = self.collector.as_mut().filter(|_| note.sinks.has(Sinks::COLLECTOR)) {
                        collector.on_note(note, own, carried);
                    }
                });
            }
            self.captures.flush(Instant::now());
            self.recordings.look();
            if looked.elapsed() >= UPKEEP {
                looked = Instant::now();
                self.captures.keep_up();
                self.recordings.keep_up();
            }
            if heard == 0 {
                if stopping {
                    self.captures.finish_all();
                    return self.recordings.finish_all();
                }
                std::thread::park_timeout(REST);
            }
        }
    }
}

/// Waits for the thread's end, but not for a disk that does not answer.
pub fn join(thread: &JoinHandle<()>) {
    let begun = Instant::now();
    while !thread.is_finished() && begun.elapsed() < STOP_MAX {
        std::thread::sleep(REST / 10);
    }
    if !thread.is_finished() {
        tracing::warn!("captures and recordings are not written out: the disk does not answer");
    }
}

/// Reads what is there, up to a turn's worth; says how many notes that was.
fn hear(source: &mut Consumer<u8>, carried: &mut [u8], mut each: impl FnMut(&Note, &[u8])) -> usize {
    let mut head = [0; HEAD_BYTES];
    for count in 0..TURN_NOTES {
        // Notes are put in whole: where a head is, the rest of its note is too.
        if source.pop_entire_slice(&mut head).is_err() {
            return count;
        }
        let carried = &mut carried[..Note::carried_bytes([head[0], head[1]])];
        let whole = source.pop_entire_slice(carried).is_ok();
        debug_assert!(whole, "a note is put in whole");
        if let Some(note) = Note::decode(&head) {
            each(&note, carried);
        }
    }
    TURN_NOTES
}
