//! A large deck published again and again while a shard answers calls: what the desk spends, how long the shard pauses, what its calls
//! feel of it, what going back costs, and whether ten thousand swaps leave anything behind.
//!
//! `cargo bench -p benches --bench live_swap` (`PREFIXES=10000000 ROUNDS=1` for ten million, `SWAPS=10000` for the whole count)
//!
//! The shard runs on a thread of its own and hears an INVITE every millisecond by an open-loop clock. The publisher changes one rate,
//! packs the whole deck, writes its file and the main file to the disk, maps and checks them and hands the revision over by a ring, as
//! the programs do; what the shard decided from before comes back by another. Rounds with and without it take turns.

#[allow(dead_code, reason = "no media comes here")]
mod caller;
mod live_bytes;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use caller::World;
use rtrb::{Consumer, Producer, RingBuffer};
use shard::Loaded;
use sim::prices;
use snapshot::{DeckImage, Model, Rate, Snapshot};
use units::{Money, Revision};
use uring::host::Mapped;

/// Seconds of a round.
const ROUND: Duration = Duration::from_secs(4);
/// Between two calls.
const PERIOD: Duration = Duration::from_millis(1);
/// The longest pause of a shard (H11).
const PAUSE_MAX: Duration = Duration::from_millis(1);
/// Going back a revision takes this long at most (H11).
const BACK_MAX: Duration = Duration::from_secs(1);
/// Calls whose transactions run out together: tables have the size for so many after the first of them.
const LINGER: usize = 30;
/// Rates of the small deck that is swapped most often.
const FEW: usize = 1_000;

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// The simulator's model, its sell deck grown to so many prefixes of seven and more digits.
fn model(prefixes: usize) -> Model {
    let mut model = caller::model(1);
    let rate = |place: usize| Rate {
        prefix: format!("8{place:07}"),
        destination: format!("destination {}", place % 5_000),
        per_minute: Money::from_nanos(1_000_000 + (place % 5_000) as i64),
        ..Rate::default()
    };
    model.decks[0].rates.extend((0..prefixes).map(rate));
    model
}

/// What one publication spent, in order.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    pack: Duration,
    write: Duration,
    check: Duration,
}

/// The desk and the disk: packs, writes, maps, checks.
struct Desk {
    folder: PathBuf,
    model: Model,
    last: Option<Snapshot>,
}

impl Desk {
    fn new(folder: &Path, prefixes: usize) -> Desk {
        std::fs::create_dir_all(folder.join("decks")).expect("a folder");
        Desk { folder: folder.to_owned(), model: model(prefixes), last: None }
    }

    /// Changes one rate and publishes.
    fn publish(&mut self) -> (Snapshot, Spent) {
        self.model.revision = Revision(self.model.revision.0 + 1);
        if let Some(rate) = self.model.decks[0].rates.last_mut() {
            rate.per_minute += Money::from_nanos(1);
        }
        let mut spent = Spent::default();
        let began = Instant::now();
        self.model.decks[0].packed = None;
        for deck in &mut self.model.decks {
            deck.packed = Some(deck.image().expect("a sound deck"));
        }
        let encoded = self.model.encode_apart().expect("a sound model");
        spent.pack = began.elapsed();
        let began = Instant::now();
        for image in &encoded.decks {
            let path = self.deck(image.mark());
            if !path.exists() {
                write(&path, image.bytes());
            }
        }
        write(&self.main(self.model.revision), &encoded.main);
        spent.write = began.elapsed();
        let began = Instant::now();
        let snapshot = self.open(self.model.revision, self.last.as_ref());
        spent.check = began.elapsed();
        self.last = Some(snapshot.clone());
        (snapshot, spent)
    }

    fn open(&self, revision: Revision, known: Option<&Snapshot>) -> Snapshot {
        let main = Mapped::open(&self.main(revision)).expect("the main file");
        let known = known.map_or(&[][..], Snapshot::decks);
        let found = Snapshot::open(Arc::new(main), |wanted| {
            if let Some(image) = known.iter().find(|image| image.mark() == wanted.mark) {
                return Ok(image.clone());
            }
            let mapped = Mapped::open(&self.deck(wanted.mark)).map_err(|error| error.to_string())?;
            DeckImage::check(Arc::new(mapped)).map_err(|flaw| flaw.to_string())
        });
        found.expect("what was written a moment ago is sound")
    }

    fn main(&self, revision: Revision) -> PathBuf {
        self.folder.join(format!("{revision}.snap"))
    }

    fn deck(&self, mark: snapshot::Mark) -> PathBuf {
        self.folder.join("decks").join(mark.to_string())
    }

    /// Removes the files of all revisions but the last two.
    fn tidy(&self, before: &Snapshot) {
        let kept: Vec<_> = self.last.iter().chain([before]).flat_map(Snapshot::decks).map(DeckImage::mark).collect();
        for file in std::fs::read_dir(self.folder.join("decks")).expect("a folder").flatten() {
            if !kept.iter().any(|mark| file.file_name().to_str() == Some(&mark.to_string())) {
                let _ = std::fs::remove_file(file.path());
            }
        }
    }
}

fn write(path: &Path, bytes: &[u8]) {
    let fresh = path.with_extension("new");
    let mut file = std::fs::File::create(&fresh).expect("a file");
    std::io::Write::write_all(&mut file, bytes).expect("room on the disk");
    file.sync_all().expect("a disk");
    std::fs::rename(&fresh, path).expect("a folder");
}

/// Nanoseconds of many things.
#[derive(Default)]
struct Times(Vec<u64>);

impl Times {
    fn add(&mut self, time: Duration) {
        self.0.push(time.as_nanos() as u64);
    }

    fn at(&self, permille: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let place = (sorted.len() * permille / 1_000).min(sorted.len().saturating_sub(1));
        Duration::from_nanos(sorted.get(place).copied().unwrap_or(0))
    }

    fn show(&self, name: &str) {
        let shown =
            [500, 900, 990, 999, 1_000].map(|permille| format!("{:>9.1}", self.at(permille).as_nanos() as f64 / 1e3));
        println!("{name:<44}{} µs ({} of them)", shown.join(" "), self.0.len());
    }
}

/// What a shard's thread saw in one round.
#[derive(Default)]
struct Seen {
    /// From the moment that an INVITE was due until it was passed on.
    latency: Times,
    /// Of those, the shard's own work.
    work: Times,
    pause: Times,
}

type Rings = (Consumer<Loaded>, Producer<Loaded>);

/// One round of calls, longer if so many swaps have not been seen; the rings bring snapshots and take the old ones back.
fn round(world: &mut World, first: usize, rings: &mut Rings, seen: &mut Seen, swaps: usize) -> usize {
    let (began, start) = (Instant::now(), world.now);
    let mut index = first;
    // Ten million rates take longer than a round.
    while began.elapsed() < ROUND || (seen.pause.0.len() < swaps && began.elapsed() < ROUND * 10) {
        let due = PERIOD * (index - first) as u32;
        while began.elapsed() < due {
            std::thread::sleep((due - began.elapsed().min(due)).min(Duration::from_micros(200)));
            swap(world, rings, &mut seen.pause);
        }
        swap(world, rings, &mut seen.pause);
        world.now = start + began.elapsed().as_micros() as u64;
        let text = World::invite(index);
        let heard = Instant::now();
        let sent = world.hear(prices::originator_address(0), &text);
        seen.work.add(heard.elapsed());
        seen.latency.add(began.elapsed() - due);
        let to = world.answer(index, &sent).to;
        world.bye(index, &to);
        world.pass(0);
        index += 1;
    }
    index
}

/// Takes a waiting snapshot into force, as a turn does.
fn swap(world: &mut World, (orders, back): &mut Rings, pause: &mut Times) {
    if let Ok(loaded) = orders.pop() {
        let clock = world.clock();
        let began = Instant::now();
        let before = world.shard.on_snapshot(clock, loaded, &mut world.out);
        pause.add(began.elapsed());
        before.into_iter().for_each(|before| drop(back.push(before)));
    }
}

/// The publisher's thread: publishes while `on`, until `done`.
struct Publisher {
    on: Arc<AtomicBool>,
    done: Arc<AtomicBool>,
    thread: JoinHandle<(Desk, Vec<Spent>)>,
}

impl Publisher {
    fn start(mut desk: Desk, mut orders: Producer<Loaded>, mut back: Consumer<Loaded>) -> Publisher {
        let (on, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (wanted, over) = (on.clone(), done.clone());
        let work = move || {
            let mut all = Vec::new();
            while !over.load(Ordering::Relaxed) {
                if !wanted.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                }
                let before = desk.last.clone().expect("it has published before");
                let (snapshot, spent) = desk.publish();
                desk.tidy(&before);
                all.push(spent);
                let _ = orders.push(Loaded::of(snapshot).expect("sound policies"));
                // Taken apart here, where nobody waits.
                while back.pop().is_ok() {}
            }
            (desk, all)
        };
        Publisher { on, done, thread: std::thread::spawn(work) }
    }
}

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or(0) / 1_024
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

/// Calls with and without publication, in turns.
fn under_publication(folder: &Path, prefixes: usize) {
    let mut desk = Desk::new(folder, prefixes);
    let (first, spent) = desk.publish();
    println!("{prefixes} prefixes: first publication {spent:.0?}, {} MiB at most so far", peak_mib());
    let mut world = World::new(Loaded::of(first).expect("sound policies"), 0);
    let (orders, inbox) = RingBuffer::new(64);
    let (back, old) = RingBuffer::new(64);
    let publisher = Publisher::start(desk, orders, old);
    let mut rings: Rings = (inbox, back);
    let (mut quiet, mut busy, mut index) = (Seen::default(), Seen::default(), 0);
    for _ in 0..number("ROUNDS", 3) {
        index = round(&mut world, index, &mut rings, &mut quiet, 0);
        publisher.on.store(true, Ordering::Relaxed);
        index = round(&mut world, index, &mut rings, &mut busy, 1);
        publisher.on.store(false, Ordering::Relaxed);
    }
    publisher.done.store(true, Ordering::Relaxed);
    let (mut desk, spent) = publisher.thread.join().expect("the publisher stands");
    let each = |of: fn(&Spent) -> Duration| spent.iter().map(of).sum::<Duration>() / spent.len().max(1) as u32;
    println!(
        "{} publications, each: packed in {:.0?}, written in {:.0?}, mapped and checked in {:.0?}; {} MiB at most",
        spent.len(),
        each(|spent| spent.pack),
        each(|spent| spent.write),
        each(|spent| spent.check),
        peak_mib()
    );
    println!("{:<44}{:>9} {:>9} {:>9} {:>9} {:>9}", "", "p50", "p90", "p99", "p99.9", "most");
    quiet.latency.show("an INVITE, from due to passed on: quiet");
    busy.latency.show("the same while decks are published");
    quiet.work.show("the shard's work on it: quiet");
    busy.work.show("the same while decks are published");
    busy.pause.show("a shard's pause at a swap");
    let met = !busy.pause.0.is_empty() && busy.pause.at(1_000) <= PAUSE_MAX;
    println!("target of a pause (H11): <= {PAUSE_MAX:?}: {}", verdict(met));
    go_back(&mut desk, &mut world);
}

/// The revision before, opened again while its deck is still mapped, and without.
fn go_back(desk: &mut Desk, world: &mut World) {
    let before = desk.last.clone().expect("it has published");
    let revision = before.view().revision();
    desk.publish();
    for (name, known) in [("its deck still mapped", Some(&before)), ("its deck mapped and checked anew", None)] {
        let began = Instant::now();
        let loaded = Loaded::of(desk.open(revision, known)).expect("sound policies");
        let clock = world.clock();
        let old = world.shard.on_snapshot(clock, loaded, &mut world.out);
        let spent = began.elapsed();
        drop(old);
        println!(
            "back to the revision before, {name}: {spent:.1?} (target {BACK_MAX:?}): {}",
            verdict(spent <= BACK_MAX)
        );
    }
}

fn mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps")
        .unwrap_or_default()
        .lines()
        .filter(|line| line.ends_with(".deck") || line.ends_with(".snap") || line.contains("(deleted)"))
        .count()
}

/// A small deck swapped very often, a call at each: memory and mappings are the same at a tenth of the way and at its end.
fn nothing_stays(folder: &Path, swaps: usize) {
    let mut desk = Desk::new(&folder.join("few"), FEW);
    let (first, _) = desk.publish();
    let mut world = World::new(Loaded::of(first).expect("sound policies"), 0);
    let mut marks = Vec::new();
    let began = Instant::now();
    for swap in 1..=swaps {
        let before = desk.last.clone().expect("it has published");
        let (snapshot, _) = desk.publish();
        desk.tidy(&before);
        let _ = std::fs::remove_file(desk.main(before.view().revision()));
        let sent = world.hear(prices::originator_address(0), &World::invite(swap));
        let clock = world.clock();
        drop(world.shard.on_snapshot(clock, Loaded::of(snapshot).expect("sound policies"), &mut world.out));
        let to = world.answer(swap, &sent).to;
        world.bye(swap, &to);
        world.now += 1_000;
        if swap.is_multiple_of(LINGER) {
            world.pass(80_000_000);
            world.sent = Vec::new();
        }
        if swap == swaps / 10 || swap == swaps {
            world.pass(80_000_000);
            assert_eq!(world.shard.calls_held(), 0, "all calls are over");
            world.sent = Vec::new();
            marks.push((live_bytes::live(), mappings()));
        }
    }
    println!("{swaps} swaps of {FEW} rates with a call across each in {:.1?}", began.elapsed());
    let [(early, early_maps), (late, late_maps)] = marks[..] else { panic!("two marks are taken") };
    println!("bytes held after a tenth {early}, at the end {late}; files mapped {early_maps} and {late_maps}");
    let met = late <= early + early / 50 && late_maps <= early_maps;
    println!("target: nothing stays behind: {}", verdict(met));
}

fn main() {
    let folder = std::env::temp_dir().join(format!("tandem-live-swap-{}", std::process::id()));
    under_publication(&folder, number("PREFIXES", 1_000_000));
    nothing_stays(&folder, number("SWAPS", 1_000));
    std::fs::remove_dir_all(&folder).expect("the folder was ours");
}
