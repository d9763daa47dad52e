//! The data plane: one pinned thread a core that moves calls, one thread that keeps records, one that listens to operators.
//! In the role of a balancer it is one thread that passes messages on to such nodes, and one that listens.
//!
//! It starts from its data folder alone and runs on without control plane and database. Nothing here decides anything about a
//! call: that is the shards' work.

mod balancer;
mod bell;
mod blocked;
mod boot;
mod carry;
mod ceiling;
mod clocks;
mod control;
mod core_thread;
mod disk;
mod fast;
mod gate;
mod gather;
mod lag;
mod listen;
mod mail;
mod orders;
mod places;
mod pump;
mod resolve;
mod seals;
mod segments;
mod settings;
mod shared;
mod snapshots;
mod sockets;
mod spool;
mod steered;
mod streams;
mod tape;
mod tls;
mod together;
mod tuned;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;

use anyhow::{Context, ensure};
use cdr::horizon::Horizon;
use clap::Parser;
use tokio::sync::mpsc;
use units::{NodeId, ShardId};
use uring::{Doorbell, host};

use bell::SpoolBell;
use boot::Folder;
use carry::Carried;
use ceiling::Ceiling;
use control::{Control, End, Names, Seat};
use core_thread::CoreThread;
use fast::Standing;
use mail::{Mail, Outlet, RING_SLOTS, Report};
use places::Places;
use settings::{LimitsAlone, Role, Settings};
use shared::Shared;
use spool::{Figures, Limits, Source, Spool};
use steered::Steered;
use tape::Tape;
use together::Together;

/// Per-core heaps: threads allocate rarely, and then without meeting each other.
#[global_allocator]
static HEAP: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long pages that calls freed are kept for the calls that come: a page that was given back is cleared before it is had again.
const FREED_PAGES_MS: u32 = 10_000;

/// Tells whoever watches the program that a shard broke and a new start is wanted.
const EXIT_BROKEN: u8 = 3;

fn main() -> ExitCode {
    // Before the shards' tables and calls are there; a kernel without huge pages knows no such wish.
    let _ = host::no_huge_pages();
    host::keep_freed_pages(FREED_PAGES_MS);
    let settings = Settings::parse();
    let filter = tracing_subscriber::EnvFilter::try_new(&settings.log).unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let outcome = match settings.role {
        Role::Core => run(&settings),
        Role::Balancer => balancer::run(&settings),
    };
    match outcome {
        Ok(End::Stopped) => ExitCode::SUCCESS,
        Ok(End::Broken) => ExitCode::from(EXIT_BROKEN),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the data plane cannot run");
            ExitCode::FAILURE
        }
    }
}

fn run(settings: &Settings) -> anyhow::Result<End> {
    clocks::read();
    tuned::look(settings)?;
    let mut folder = Folder::open(&settings.data)?;
    let places = Places::new(settings)?;
    folder.begin_life()?;
    let carried = carry::carry(&folder, NodeId(settings.node), clocks::read().wall, settings.crash_billing.into())?;
    let cores = host::cores();
    let shards = settings.shards.unwrap_or(cores.len().min(64) as u16);
    ensure!(settings.rtp.part(shards - 1, shards).low < settings.rtp.high, "fewer media ports than shards");
    let ports = u64::from(settings.rtp.high) + 1 - u64::from(settings.rtp.low);
    let steered = Steered::new(settings, places.media_bound(), shards);
    let ceiling = Ceiling::here(ports, u64::from(shards), steered.is_on());
    let (calls, by) = ceiling.calls();
    tracing::info!(calls, by, %ceiling, "calls with media at most");
    let mut plan = Plan::new(settings, &places, &folder, carried, shards, &steered)?;
    plan.control.media_sockets = steered.figures(&ceiling);
    let node = together::node(settings.node, &places.listens, calls);
    let (goes_on, across) = (settings.limits_alone == LimitsAlone::Part, places.gate.across());
    plan.control.together = Together::start(&settings.together, node, &folder.path, goes_on, across)?;
    // The order stands in the shards' rings before they run.
    let drained = plan.control.together.drained;
    if drained {
        plan.control.drain(true);
    }
    tracing::info!(boot = folder.boot, shards, sip = %places, drained, "the data plane starts");
    blocked::tell(&folder.path.join(blocked::FOLDER));
    let spool = start_spool(plan.spool)?;
    let taped = plan.tape.figures.clone();
    let tape = plan.tape.start()?;
    let threads: Vec<JoinHandle<()>> = plan
        .threads
        .into_iter()
        .enumerate()
        .map(|(shard, thread)| {
            let core = cores[shard % cores.len()];
            std::thread::Builder::new().name(format!("shard-{shard}")).spawn(move || thread.run(core))
        })
        .collect::<Result<_, _>>()
        .context("cannot start the shards' threads")?;
    let end = serve(plan.control, plan.reports, &folder)?;
    if end == End::Stopped {
        threads.into_iter().for_each(|thread| drop(thread.join()));
    }
    plan.figures.stop();
    plan.bell.ring();
    taped.stop();
    tape::join(&tape);
    spool.join().map_err(|_| anyhow::anyhow!("the spool thread broke"))??;
    tracing::info!("the data plane has stopped; the journal is complete");
    Ok(end)
}

fn start_spool(spool: Spool) -> anyhow::Result<JoinHandle<anyhow::Result<()>>> {
    let work = move || {
        let outcome = spool.run();
        if let Err(error) = &outcome {
            // Nothing may be answered without a journal; calls in progress are billed from it at the next start.
            tracing::error!(error = format!("{error:#}"), "the journal cannot be kept; the data plane ends");
            std::process::exit(i32::from(EXIT_BROKEN));
        }
        outcome
    };
    std::thread::Builder::new().name("spool".into()).spawn(work).context("cannot start the spool thread")
}

fn serve(mut control: Control, reports: mpsc::Receiver<Report>, folder: &Folder) -> anyhow::Result<End> {
    control.look_at_addresses();
    if let Some((revision, image)) = control.shelf.at_start(&folder.path.join("snapshots")) {
        tracing::info!(revision, "snapshot in force");
        control.publish(u64::MAX, revision, &image);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(control.run(reports))
}

/// All threads' ends of all rings.
struct Plan {
    threads: Vec<CoreThread>,
    spool: Spool,
    tape: Tape,
    control: Control,
    reports: mpsc::Receiver<Report>,
    figures: Arc<Figures>,
    bell: Arc<SpoolBell>,
}

impl Plan {
    fn new(
        settings: &Settings,
        places: &Places,
        folder: &Folder,
        carried: Carried,
        shards: u16,
        steered: &Steered,
    ) -> anyhow::Result<Plan> {
        let bells: Vec<Doorbell> = (0..shards).map(|_| Doorbell::new()).collect::<Result<_, _>>()?;
        let (bell, figures) = (Arc::new(SpoolBell::default()), Arc::new(Figures::default()));
        let (reports_in, reports) = mpsc::channel(RING_SLOTS);
        let (mut threads, mut sources, mut seats, mut taped) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut outlets, mut parcels) = parcel_rings(&bells);
        let (node_key, fast) = (host::entropy()?, Standing::new(settings, places.media_bound()));
        for shard in (0..shards).rev() {
            let (orders_in, orders) = rtrb::RingBuffer::new(RING_SLOTS);
            let (journal, entries) = rtrb::RingBuffer::new(RING_SLOTS);
            let (kept, own) = (Arc::new(AtomicU64::new(0)), bells[usize::from(shard)].clone());
            let (tape, notes) = tape::ring(settings.hep.is_some());
            taped.push(notes);
            let mail = Mail {
                orders,
                parcels: parcels.pop().expect("one set of parcel rings a shard"),
                outlets: outlets.pop().expect("one set of parcel rings a shard"),
                journal: Outlet::new(journal),
                tape,
                spool_bell: bell.clone(),
                kept: kept.clone(),
                kept_told: 0,
                records: Vec::new(),
                ticket: 0,
                given: false,
                reports: reports_in.clone(),
                reports_left: Default::default(),
            };
            threads.push(CoreThread {
                config: facts(settings, places, folder, &carried, node_key, ShardId(shard), shards)?,
                listens: places.listens.clone(),
                keys: places.keys.clone(),
                gate: places.gate.clone(),
                media: places.media_bound(),
                mail,
                bell: own.clone(),
                ports: settings.rtp.part(shard, shards),
                steered: steered.clone(),
                fast: fast.clone(),
                keep: folder.path.join(blocked::FOLDER),
            });
            sources.push(Source { entries, kept, bell: own.clone() });
            seats.push(Seat { orders: orders_in, bell: own });
        }
        threads.reverse();
        sources.reverse();
        seats.reverse();
        let (names, socket) = (Names::new(settings.dns, &places.transports()), folder.path.join("run/dataplane.sock"));
        let mut control = Control::new(seats, settings.node, folder.boot, socket, figures.clone(), names);
        (control.listens, control.shared) = (places.listens.clone(), Shared::of(&places.listens));
        control.fast = Some(fast);
        let tape = Tape::new(settings, places, &folder.path, taped)?;
        control.tape.clone_from(&tape.figures);
        control.inherit(carried.closing);
        let spool = spool_of(settings, folder, sources, (&bell, &figures), (carried.place, carried.horizon));
        Ok(Plan { threads, spool, tape, control, reports, figures, bell })
    }
}

/// Who keeps what the shards hand over, and where it goes on.
fn spool_of(
    settings: &Settings,
    folder: &Folder,
    sources: Vec<Source>,
    (bell, figures): (&Arc<SpoolBell>, &Arc<Figures>),
    (place, horizon): (segments::Place, Horizon),
) -> Spool {
    Spool {
        sources,
        bell: bell.clone(),
        figures: figures.clone(),
        data: folder.path.clone(),
        place,
        horizon,
        sync: settings.journal_sync,
        limits: Limits::default(),
    }
}

/// Who a shard is and what it may use.
fn facts(
    settings: &Settings,
    places: &Places,
    folder: &Folder,
    carried: &Carried,
    node_key: [u8; 32],
    shard: ShardId,
    shards: u16,
) -> anyhow::Result<shard::Config> {
    let ports = settings.rtp.part(shard.0, shards);
    let (media_v4, media_v6) = places.media_advertised();
    Ok(shard::Config {
        node: NodeId(settings.node),
        boot: folder.boot,
        shard,
        shards,
        listeners: places.listeners(),
        media_v4,
        media_v6,
        port_low: ports.low,
        port_high: ports.high,
        seed: host::entropy()?,
        node_key,
        behind: places.gate.behind(),
        trace_percent: settings.trace_percent,
        grants: carried.grants.clone(),
        guard: shard::guard::Settings {
            pair_waiting_max: settings.pair_waiting,
            blocked: blocked::fingerprints(&folder.path.join(blocked::FOLDER)),
            ..Default::default()
        },
        streams: shard::streams::Settings { idle_s: settings.stream_idle },
        ticks: clocks::ticks,
    })
}

type Outlets = Vec<(Outlet<Box<shard::Parcel>>, Doorbell)>;
type Inlets = Vec<rtrb::Consumer<Box<shard::Parcel>>>;

/// A ring from every shard to every shard; the ones to themselves are never used.
fn parcel_rings(bells: &[Doorbell]) -> (Vec<Outlets>, Vec<Inlets>) {
    let mut inlets: Vec<Inlets> = bells.iter().map(|_| Vec::new()).collect();
    let mut outlets = Vec::new();
    for _ in bells {
        let mut row = Vec::new();
        for (to, bell) in bells.iter().enumerate() {
            let (ring, inlet) = rtrb::RingBuffer::new(RING_SLOTS);
            inlets[to].push(inlet);
            row.push((Outlet::new(ring), bell.clone()));
        }
        outlets.push(row);
    }
    (outlets, inlets)
}
