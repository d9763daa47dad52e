//! One load from its first moment to its last call's end: what every verb that places calls has in common.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use mill::Mill;
use serde::{Deserialize, Serialize};

use crate::agents::{Part, Takings};
use crate::arrivals::{Arrivals, schedule};
use crate::cast::{self, Destinations, Originator, Terminator};
use crate::clock::{MS, SECOND};
use crate::codec::{self, Codec, Packets};
use crate::draw::{self, Spread};
use crate::dtmf::{By, Dtmf};
use crate::heat::{self, Heat, STEPS};
use crate::ladder::Samples;
use crate::milled::{self, MediaArguments};
use crate::pacer::Reins;
use crate::plan::Plan;
use crate::quality::Quality;
use crate::report::{self, Level, Summary};
use crate::tally::{Board, Codes, Counters, Counts, Latencies, Rang, Seen, Told};
use crate::wire::together;
use crate::worker::{Harvest, Run, Worker};

/// Calls in one plan at most: places are eight digits.
const PLANNED_MAX: usize = 99_999_999;

/// Who plays, and how the calls are: the same whatever their rate.
#[derive(Args, Clone, Debug)]
pub struct Load {
    /// Options from a TOML file: each key is one of these options without its dashes, [[originator]] and [[terminator]] are tables of theirs.
    /// What the command line says itself counts instead; a key that is no option is refused with its line.
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Where INVITEs go.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub target: SocketAddr,
    /// Allows a target that is not on this machine.
    #[arg(long)]
    allow_target: bool,
    /// An originator: name=acme,from=127.0.1.1,callers=1212,weight=3,tech=99,auth=user:password (answers 401 and 407). May be repeated.
    #[arg(long = "originator", value_parser = cast::originator, value_name = "KEY=VALUE,…")]
    originators: Vec<Originator>,
    /// A terminator: name=blux,at=127.0.2.1:5060,ring=exp:300ms,answer=exp:2s,progress=183,talk=exp:20s; shares busy (486), flaky (503),
    /// causes=404:5%/480:2%, moved (302 to moved_to=ADDRESS:PORT), unanswered, dead, fas (answered at once), early (183 with media);
    /// delay=SPREAD (says nothing before), frozen=SPAN@MOMENT, auth=user:password (407), reinvite=SPAN, timer=SPAN (session timer, RFC 4028);
    /// trying=no (no 100), rtp_loss (share of its RTP packets that it does not send), mute (share of calls in which it sends none);
    /// manner=wholesale|hunting|slow|dead|fas sets many of them. May be repeated; without any, somebody else takes the calls.
    #[arg(long = "terminator", value_parser = cast::terminator, value_name = "KEY=VALUE,…")]
    terminators: Vec<Terminator>,
    /// Called prefixes with weights, 44207,4930:3, or @FILE with one a line.
    #[arg(long, default_value = "44207", value_parser = Destinations::read)]
    called: Destinations,
    /// Digits of a called number, tech prefix not counted.
    #[arg(long, default_value_t = 12)]
    called_digits: usize,
    /// Talking time: 20s, exp:20s, lognormal:20s/0.8, uniform:1s-3s.
    #[arg(long, default_value = "exp:20s")]
    talk: Spread,
    /// Share of calls that the caller releases.
    #[arg(long, default_value = "70%", value_parser = draw::share)]
    caller_releases: f64,
    /// Share of calls with RTP both ways: none, sample:5% or 5%, full.
    #[arg(long, default_value = "5%", value_parser = draw::media_share)]
    media: f64,
    /// Whose packets media has the sizes and the payload type of. Payloads say whose they are; nothing is encoded.
    #[arg(long, value_enum, default_value_t = Codec::G711)]
    codec: Codec,
    /// Milliseconds of media in a packet: 10, 20 or 30.
    #[arg(long, default_value = "20", value_parser = codec::ptime, value_name = "MS")]
    ptime: u8,
    #[command(flatten)]
    media_by: MediaArguments,
    /// Digits that callers dial in answered calls, and when after the answer: 1234#@2s.
    #[arg(long, value_parser = Dtmf::read, value_name = "DIGITS@SPAN")]
    dtmf: Option<Dtmf>,
    /// How they travel: as telephone events (RFC 4733) in calls with media, or as INFO requests in all calls.
    #[arg(long, default_value = "rfc4733", value_enum, requires = "dtmf")]
    dtmf_by: By,
    /// Share of callers who give up before the answer.
    #[arg(long, default_value = "0%", value_parser = draw::share)]
    cancel: f64,
    /// When they give up.
    #[arg(long, default_value = "uniform:200ms-3s")]
    cancel_after: Spread,
    /// Repeats the same plan; drawn when absent.
    #[arg(long)]
    seed: Option<u64>,
    /// Threads; each plays its share of the calls.
    #[arg(long, alias = "workers", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: u16,
    /// The cores that the threads stay on, 2,3; without, the system decides.
    #[arg(long, value_delimiter = ',', value_name = "CORE,…")]
    cores: Vec<usize>,
    /// Calls in progress at most; due calls above it are skipped and counted. 0 for no limit.
    #[arg(long, default_value_t = 0)]
    calls_max: u64,
    /// How long a thread that is busy (5,000 datagrams a second) gathers what comes and what is due before it looks at it: each costs less then,
    /// and what it says leaves up to that much later; when something came it knows from the kernel. Calls leave when they are due all the same as
    /// long as a thread has fewer than one to place in that time (2,000 a second). 0s for never, 1ms for what SIPp does (Linux 6.12).
    #[arg(long, default_value = "500us", value_parser = draw::span, value_name = "SPAN")]
    gather: Duration,
    /// How long the calls' end is waited for.
    #[arg(long, default_value = "15s", value_parser = draw::span)]
    drain: Duration,
    /// The run is invalid when one call in a hundred was sent later than this after it was due.
    #[arg(long, default_value = "1ms", value_parser = draw::span)]
    late_max: Duration,
    /// Service levels: answer.p99<50ms,failed<0.1%,refused<1%,rtp_lost<0.1%,rtp_jitter.p99<5ms,mos.p5>4,mos.min>3.6; pdd, fail and rtp_loss
    /// are taken for ringing, failed and rtp_lost.
    #[arg(long, default_value = "", value_parser = Levels::read)]
    slo: Levels,
    /// Calls that are told word for word if they fail.
    #[arg(skip)]
    films: u32,
}

/// Service levels as an argument.
#[derive(Clone, Debug)]
struct Levels(Vec<Level>);

impl Levels {
    fn read(text: &str) -> Result<Levels, String> {
        report::levels(text).map(Levels)
    }
}

/// How many calls, and when.
#[derive(Clone, Debug)]
pub struct Pace {
    /// How calls arrive.
    pub arrivals: Arrivals,
    /// New calls a second.
    pub cps: f64,
    /// How long calls are placed; the longest possible for a trace to its end.
    pub span: Duration,
}

/// What a load left behind.
pub struct Outcome {
    /// What is said of it.
    pub summary: Summary,
    /// Latencies of all threads together.
    pub latencies: Latencies,
    /// From INVITE to ringing, over time.
    pub ringing: Heat,
    /// From the caller's INVITE to the first terminator's, over time.
    pub transit: Heat,
    /// The first few calls of each way to fail.
    pub samples: Samples,
    /// What ends of calls heard.
    pub quality: Quality,
    /// Nobody who played was lost with what he knew.
    pub whole: bool,
}

/// A load while it is under way.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Seconds since the first call could be due.
    pub elapsed_s: f64,
    /// Calls due by now.
    pub due: u64,
    /// Calls in progress.
    pub calls: u64,
    /// Ends of calls in progress.
    pub active: u64,
    /// Calls placed in the last second.
    pub cps: u64,
    /// From INVITE to ringing: 99 of 100 calls that rang in the last second were below this, coarsely.
    pub ringing_p99_ms: f64,
    /// Everything counted.
    pub counts: Counts,
    /// Final responses to callers.
    pub codes: Codes,
    /// Calls that rang.
    pub rang: Rang,
}

impl Load {
    /// Why this load may not be played, if it may not.
    pub fn refusal(&self) -> Option<String> {
        let unusual = self.packets() != codec::USUAL;
        let dials = self.dtmf.is_some() && self.dtmf_by == By::Rfc4733;
        if !self.target.ip().is_loopback() && !self.allow_target {
            return Some(format!("{} is not on this machine: say --allow-target if you may load it", self.target));
        }
        if self.media_by.is_by_kernel() && unusual {
            return Some("--media-by kernel makes packets of G.711 with 20 ms alone".into());
        }
        (dials && self.ptime != codec::USUAL.ms)
            .then(|| "telephone events go by 20 ms: --ptime 20, or --dtmf-by info".into())
    }

    /// What packets of media are like.
    pub fn packets(&self) -> Packets {
        Packets { codec: self.codec, ms: self.ptime }
    }

    /// Whether service levels are asked for.
    pub fn has_levels(&self) -> bool {
        !self.slo.0.is_empty()
    }

    /// The seed that was given, or one drawn.
    pub fn drawn_seed(&self) -> u64 {
        self.seed.unwrap_or_else(rand::random)
    }

    /// The same load with another seed.
    pub fn seeded(&self, seed: u64) -> Load {
        Load { seed: Some(seed), ..self.clone() }
    }

    /// The same load, which tells so many calls word for word if they fail.
    pub fn filmed(self, calls: u32) -> Load {
        Load { films: calls, ..self }
    }

    /// Decides everything that will happen.
    pub fn plan(&self, pace: &Pace) -> Result<Plan, String> {
        if pace.cps <= 0.0 || !pace.cps.is_finite() {
            return Err("--cps must be above 0".into());
        }
        let seed = self.drawn_seed() & 0xFFFF_FFFF;
        let many = || format!("a plan holds at most {PLANNED_MAX} calls");
        if !matches!(pace.arrivals, Arrivals::Trace(_)) && pace.cps * pace.span.as_secs_f64() > PLANNED_MAX as f64 {
            return Err(many());
        }
        let due = schedule(seed, &pace.arrivals, pace.cps, pace.span)?;
        if due.len() > PLANNED_MAX {
            return Err(many());
        }
        let default = || cast::originator("from=127.0.0.1").expect("a valid line");
        let last = Duration::from_nanos(due.last().map_or(0, |due| due + 1));
        let alone = self.originators.is_empty();
        Ok(Plan {
            seed,
            span: if pace.span == Duration::MAX { last } else { pace.span },
            due,
            originators: if alone { vec![default()] } else { self.originators.clone() },
            terminators: self.terminators.clone(),
            called: self.called.clone(),
            called_digits: self.called_digits,
            talk: self.talk,
            caller_releases: self.caller_releases,
            media: self.media,
            packets: self.packets(),
            dtmf: self.dtmf.clone().map(|dtmf| Dtmf { by: self.dtmf_by, ..dtmf }),
            cancel: self.cancel,
            cancel_after: self.cancel_after,
        })
    }

    /// Plays a plan; says how it goes once a second.
    pub fn play(
        &self,
        plan: Plan,
        lines: Option<Sender<Told>>,
        reins: &Reins,
        watch: &mut dyn FnMut(Option<&Progress>),
    ) -> Result<Outcome> {
        let plan = Arc::new(plan);
        let takings = self.perform(&plan, Part::WHOLE, lines, reins, watch)?;
        Ok(self.conclude(&plan, takings))
    }

    /// Plays a part of a plan.
    pub fn perform(
        &self,
        plan: &Arc<Plan>,
        part: Part,
        lines: Option<Sender<Told>>,
        reins: &Reins,
        watch: &mut dyn FnMut(Option<&Progress>),
    ) -> Result<Takings> {
        let board = Board::new(plan.due.len(), plan.media > 0.0, usize::from(self.threads));
        let board = Arc::new(board.filmed(self.films));
        let mill = self.media_by.start(reins.clock, &board)?;
        let run = Run {
            part,
            board,
            mill: mill.as_ref().map(Mill::hand),
            reins: reins.clone(),
            lines,
            target: self.target,
            drain: self.drain,
            calls_max: self.calls_max,
            gather: self.gather,
            workers: usize::from(self.threads),
            plan: plan.clone(),
        };
        let (opened, openings) = channel();
        let (starts, threads): (Vec<_>, Vec<_>) = (0..run.workers)
            .map(|number| {
                let (start, base) = channel();
                let (run, opened) = (run.clone(), opened.clone());
                let core = self.cores.get(number).copied();
                (start, thread::spawn(move || work(run, number, core, &opened, &base)))
            })
            .unzip();
        for _ in 0..run.workers {
            openings.recv().context("a worker panicked")?.context("cannot open the sockets of the run")?;
        }
        watch(None);
        // What is released at whole milliseconds is so together with what is planned at them.
        let base = together(reins.clock.now() + 20 * MS, MS);
        reins.begin(base);
        starts.iter().try_for_each(|start| start.send(base)).context("a worker is gone")?;
        while !threads.iter().all(|thread| thread.is_finished()) {
            watch(Some(&progress(&run, base, || threads.iter().all(|thread| thread.is_finished()))));
        }
        let placing_ns =
            reins.clock.now().min(reins.segment().clock(run.plan.span.as_nanos() as u64)).saturating_sub(base);
        let mut harvests = Vec::new();
        for thread in threads {
            harvests.push(thread.join().map_err(|_| anyhow!("a worker panicked"))?.context("a worker failed")?);
        }
        if let Some(lines) = run.lines.as_ref().filter(|_| part.agents > 1) {
            tell_seen(&run.board, plan, lines);
        }
        let counts = Counters::read(&run.board.counters);
        let mut takings =
            Takings { codes: run.board.codes(), placing_ns, ..Takings::new(run.plan.span.as_nanos() as u64) };
        (takings.counts, takings.paced_by_hand) = (counts, reins.changes());
        harvests.into_iter().for_each(|harvest| harvest.bring(&mut takings));
        if let Some(mill) = mill {
            milled::bring(&mill.stop().context("media by the kernel")?, &mut takings);
        }
        Ok(takings)
    }

    /// What is said of it all.
    pub fn conclude(&self, plan: &Plan, takings: Takings) -> Outcome {
        let Takings { counts, codes, callees_left, placing_ns, paced_by_hand, latencies, quality, .. } = takings;
        let planned = plan.due.len() as u64;
        let invalid = report::invalid(&counts, &latencies, self.late_max);
        let levels = report::verdicts(&self.slo.0, &counts, &latencies, &quality);
        let summary = Summary {
            schema: report::SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            revision: env!("TANDEM_REVISION"),
            command: report::command(),
            seed: plan.seed,
            machine: machine(),
            host: None,
            agents: Vec::new(),
            placing_s: placing_ns as f64 / SECOND as f64,
            planned,
            unplaced: planned - counts.placed - counts.skipped,
            callees_left,
            codes,
            failures: report::failures(&takings.samples, plan),
            latencies: latencies.each().into_iter().map(|(name, values)| (name, report::percentiles(values))).collect(),
            media: quality.told(),
            lateness: report::lateness(&latencies.lateness),
            valid: invalid.is_empty(),
            invalid,
            paced_by_hand,
            reconciled: None,
            observed: Vec::new(),
            faults: report::faults(&counts, callees_left),
            breaches: levels.iter().filter_map(|level| level.breach.clone()).collect(),
            levels,
            counts,
        };
        let Takings { ringing, transit, samples, .. } = takings;
        Outcome { summary, latencies, ringing, transit, samples, quality, whole: true }
    }
}

/// The life of a worker's thread: it opens its sockets, says so, and plays when it is told from which moment.
fn work(
    run: Run,
    number: usize,
    core: Option<usize>,
    opened: &Sender<io::Result<()>>,
    base: &Receiver<u64>,
) -> io::Result<Harvest> {
    let worker = core.map_or(Ok(()), uring::host::pin).and_then(|()| Worker::open(run, number));
    let (worker, said) = match worker {
        Ok(worker) => (Some(worker), Ok(())),
        Err(error) => (None, Err(error)),
    };
    // Who does not listen any more has given up because of another worker.
    let _ = opened.send(said);
    match (worker, base.recv()) {
        (Some(worker), Ok(base)) => worker.play(base),
        _ => Err(io::ErrorKind::Interrupted.into()),
    }
}

/// Tells what the terminators here saw of all calls: the callers of many of them are elsewhere.
fn tell_seen(board: &Board, plan: &Plan, lines: &Sender<Told>) {
    for place in 0..plan.due.len() {
        let (attempts, terminator) = board.seen(place);
        if attempts > 0 {
            let terminator = terminator.map_or_else(String::new, |index| plan.terminators[index].name.clone());
            // The writer outlives the workers; if it failed, it says so itself.
            let _ = lines.send(Told::Seen(Seen { place: place as u32, attempts, terminator }));
        }
    }
}

/// Waits a second, or until the load is over, and says how it goes.
fn progress(run: &Run, base: u64, over: impl Fn() -> bool) -> Progress {
    let before = Counters::read(&run.board.counters).placed;
    let (before_rang, clock) = (run.board.rang(), run.reins.clock);
    let began = clock.now();
    while clock.now() < began + SECOND && !over() {
        thread::sleep(Duration::from_millis(20));
    }
    let (counts, rang) = (Counters::read(&run.board.counters), run.board.rang());
    let elapsed = clock.now().saturating_sub(base);
    let planned = run.reins.segment().plan(clock.now());
    Progress {
        elapsed_s: elapsed as f64 / SECOND as f64,
        due: run.plan.due.partition_point(|due| *due <= planned) as u64,
        calls: run.board.calls.load(Relaxed),
        active: run.board.active.load(Relaxed),
        cps: counts.placed - before,
        ringing_p99_ms: p99_ms(&before_rang.steps, &rang.steps),
        counts,
        codes: run.board.codes(),
        rang,
    }
}

/// The upper end of the step below which 99 of 100 calls rang between two looks; 0 if none did.
pub fn p99_ms(before: &[u64; STEPS], after: &[u64; STEPS]) -> f64 {
    let rows: Vec<u64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    let mut above = rows.iter().sum::<u64>();
    let allowed = above / 100;
    if above == 0 {
        return 0.0;
    }
    for (step, count) in rows.iter().enumerate() {
        above -= count;
        if above <= allowed {
            return heat::from_ms(step + 1);
        }
    }
    heat::from_ms(STEPS)
}

/// Kernel and number of cores.
pub fn machine() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = thread::available_parallelism().map_or(0, usize::from);
    format!("Linux {}, {cores} cores", kernel.trim())
}
