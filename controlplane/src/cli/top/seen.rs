//! What is known of a node at one moment: asked of the data plane, of the database, and of the kernel.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use panel::wire::{Answer, Ask, CallRow, Figures};
use serde::Serialize;
use snapshot::View;
use store::{OverviewRow, Side};
use tokio::sync::watch;
use units::WallTime;
use web::api::standings::{Standings, TrunkState};
use web::snapshot_files;

use crate::alarms::{self, Alarm, Level};
use crate::cli::{Place, moment};
use crate::folder::Folder;
use crate::link::ask_once;
use crate::machine::counted;

/// Running calls that are counted by carrier and trunk at most.
const CALLS_MAX: u32 = 20_000;
/// The window of sums in seconds.
pub const WINDOW_S: i64 = 600;
/// Between two readings of the sums at least.
const SUMS_EVERY: Duration = Duration::from_secs(2);
/// The database spends one in so many of its seconds on our sums.
const SUMS_SHARE: u32 = 10;
/// Looks that latencies are counted over.
const LOOKS_MAX: usize = 10;

/// A node at one moment.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Seen {
    /// When.
    pub at: String,
    /// Its data folder.
    pub node: String,
    /// The data plane answered; otherwise its figures are the last known.
    pub data_plane_up: bool,
    /// Seconds since the data plane's start.
    pub uptime_s: u64,
    /// The snapshot in force.
    pub revision: u64,
    /// New calls are refused.
    pub draining: bool,
    /// Running calls, and answered ones among them.
    pub calls: u32,
    pub answered: u32,
    /// New calls and answers a second, since the look before.
    pub cps: Option<f64>,
    pub answers_per_second: Option<f64>,
    /// Of ended calls of the last ten minutes; absent while the database does not say.
    pub asr_percent: Option<f64>,
    pub acd_s: Option<u64>,
    /// Why the database does not say; empty if it does.
    pub database: String,
    /// More calls run than were counted by carrier and trunk.
    pub counted_in_part: bool,
    pub shards: Vec<Shard>,
    pub stages: Vec<Stage>,
    pub carriers: Vec<Part>,
    pub trunks: Vec<Part>,
    pub alarms: Vec<Alarm>,
}

/// A shard.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Shard {
    pub shard: u16,
    pub calls: u32,
    pub answered: u32,
    /// Share of a core that it used; absent where the kernel does not say.
    pub cpu_percent: Option<f64>,
    /// Milliseconds of a second that it had work and got no core.
    pub wait_ms_per_s: Option<f64>,
    pub ports_used: u32,
    pub ports_max: u32,
    pub revision: u64,
}

/// Latencies of a stage, over the last looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stage {
    pub stage: String,
    pub count: u64,
    pub p50_ns: u64,
    pub p99_ns: u64,
    pub p99_9_ns: u64,
}

/// A carrier or a trunk.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Part {
    pub code: String,
    /// Of trunks: `ingress` or `egress`; of carriers empty.
    pub side: String,
    /// Running calls that it sent and that it takes.
    pub sent: u32,
    pub taken: u32,
    /// Answered ones among these.
    pub answered: u32,
    /// Of the calls that ended within ten minutes, of a carrier that takes calls as terminator, else as originator.
    pub ended: Option<u64>,
    pub asr_percent: Option<f64>,
    pub acd_s: Option<u64>,
    /// Of egress trunks: what keeps calls away; empty if nothing does.
    pub state: String,
}

/// Sums of the window, or why there are none.
pub type Sums = Result<[Vec<OverviewRow>; 2], String>;

/// Reads sums as long as somebody looks, and leaves the database most of its time.
pub async fn sum_for_ever(place: Place, told: watch::Sender<Sums>) {
    let mut store = None;
    while !told.is_closed() {
        let started = Instant::now();
        let now = WallTime::from_micros(jiff::Timestamp::now().as_microsecond() + 1_000_000);
        let from = WallTime::from_micros(now.micros() - WINDOW_S * 1_000_000);
        let sums = async {
            let store = match &mut store {
                Some(store) => store,
                none => none.insert(place.store().await?),
            };
            let originators = store.overview(Side::Originator, from, now).await?;
            Ok::<_, anyhow::Error>([originators, store.overview(Side::Terminator, from, now).await?])
        };
        drop(told.send_replace(sums.await.map_err(|why| format!("{why:#}"))));
        tokio::time::sleep(SUMS_EVERY.max(started.elapsed() * (SUMS_SHARE - 1))).await;
    }
}

/// Codes of one revision.
#[derive(Default)]
struct Codes {
    revision: u64,
    /// Its main file.
    snapshot: Vec<u8>,
    carriers: BTreeMap<u32, String>,
    ingress: BTreeMap<u32, String>,
    egress: BTreeMap<u32, String>,
}

/// One answer of the data plane, with what the kernel knew then of its threads: nanoseconds run and waited, by shard.
struct Look {
    at: Instant,
    figures: Figures,
    threads: BTreeMap<u16, [u64; 2]>,
}

/// Looks at a node again and again.
pub struct Looker {
    folder: Folder,
    codes: Codes,
    looks: VecDeque<Look>,
}

impl Looker {
    pub fn new(folder: Folder) -> Looker {
        Looker { folder, codes: Codes::default(), looks: VecDeque::new() }
    }

    /// Looks once more. What takes a difference of two looks is absent in the first.
    pub async fn look(&mut self, sums: &Sums) -> Seen {
        let socket = self.folder.socket();
        let (figures, calls) =
            tokio::join!(ask_once(&socket, Ask::Figures), ask_once(&socket, Ask::Calls { limit: CALLS_MAX }));
        let (up, why) = match figures {
            Ok(Answer::Figures(figures)) => {
                let threads = counted(&self.folder);
                // What ran before another start is not compared with this one.
                self.looks.retain(|look| look.figures.boot == figures.boot);
                self.looks.push_back(Look { at: Instant::now(), figures: *figures, threads });
                (true, String::new())
            }
            Ok(other) => (false, format!("it answers {other:?}")),
            Err(why) => (false, why.to_string()),
        };
        while self.looks.len() > LOOKS_MAX {
            self.looks.pop_front();
        }
        let calls = if let Ok(Answer::Calls(rows)) = calls { rows } else { Vec::new() };
        let mut seen = self.seen(&calls, sums);
        seen.data_plane_up = up;
        if !up {
            let what = format!("the data plane does not answer: {why}");
            let mend = "see its log; tandem up and systemd start it again";
            seen.alarms.insert(0, Alarm::new("data_plane_away", Level::Fail, what, mend));
        }
        seen
    }

    fn seen(&mut self, calls: &[CallRow], sums: &Sums) -> Seen {
        let node = self.folder.path().display().to_string();
        let at = moment(WallTime::from_micros(jiff::Timestamp::now().as_microsecond()));
        let mut seen = Seen { at, node, ..Seen::default() };
        match sums {
            Ok([originators, _]) => (seen.asr_percent, seen.acd_s) = figures_of(originators.iter()),
            Err(why) => seen.database = why.clone(),
        }
        let Some(now) = self.looks.back() else { return seen };
        let before = self.looks.len().checked_sub(2).and_then(|at| self.looks.get(at));
        let figures = &now.figures;
        (seen.uptime_s, seen.revision, seen.draining) = (figures.uptime_s, figures.revision, figures.draining);
        seen.calls = figures.shards.iter().map(|shard| shard.calls).sum();
        seen.answered = figures.shards.iter().map(|shard| shard.answered).sum();
        seen.cps = before.map(|before| rate(before, now, "calls_begun"));
        seen.answers_per_second = before.map(|before| rate(before, now, "calls_answered"));
        seen.counted_in_part = calls.len() >= CALLS_MAX as usize;
        seen.shards = shards(before, now);
        seen.stages = stages(self.looks.front().filter(|first| first.at < now.at), now);
        seen.alarms = alarms::of(figures, self.looks.front().map(|first| &first.figures));
        let standings = self.codes.read(&self.folder, figures);
        seen.carriers = carriers(calls, sums.as_ref().ok(), &self.codes);
        seen.trunks = trunks(calls, &standings, &self.codes);
        seen
    }
}

impl Codes {
    /// Reads the snapshot in force unless that was done. The result is how egress trunks stand.
    fn read(&mut self, folder: &Folder, figures: &Figures) -> Vec<(u32, String)> {
        if self.revision != figures.revision {
            let file = folder.snapshots().join(format!("{}.snap", figures.revision));
            let Ok(snapshot) = snapshot_files::read_main(&file) else { return Vec::new() };
            (self.revision, self.snapshot) = (figures.revision, snapshot);
            let view = View::open(&self.snapshot);
            self.carriers = view.carriers().map(|it| (it.id().0, it.code().to_owned())).collect();
            self.ingress = view.ingress_trunks().map(|it| (it.id().0, it.code().to_owned())).collect();
            self.egress = view.egress_trunks().map(|it| (it.id().0, it.code().to_owned())).collect();
        }
        if self.snapshot.is_empty() {
            return Vec::new();
        }
        let trunks = Standings::trunks_of(figures, &View::open(&self.snapshot));
        let closed = trunks.into_iter().filter(|row| row.state != TrunkState::Open);
        closed
            .map(|row| {
                let state = format!("{:?}", row.state).to_lowercase();
                let why = if row.reason.is_empty() { state } else { format!("{state}: {}", row.reason) };
                (row.egress_trunk.id.0, why)
            })
            .collect()
    }
}

fn rate(before: &Look, now: &Look, name: &str) -> f64 {
    let risen = alarms::counter(&now.figures, name).saturating_sub(alarms::counter(&before.figures, name));
    let seconds = (now.at - before.at).as_secs_f64();
    if seconds > 0.0 { (risen as f64 / seconds * 10.0).round() / 10.0 } else { 0.0 }
}

fn shards(before: Option<&Look>, now: &Look) -> Vec<Shard> {
    let used = |shard: u16| {
        let before = before?;
        let ([run, waited], [run_then, waited_then]) = (now.threads.get(&shard)?, before.threads.get(&shard)?);
        let ns = (now.at - before.at).as_nanos() as f64;
        let share = |now: &u64, then: &u64| (now.saturating_sub(*then) as f64 / ns * 1_000.0).round();
        Some((share(run, run_then) / 10.0, share(waited, waited_then)))
    };
    let row = |shard: &panel::wire::ShardFigures| Shard {
        shard: shard.shard,
        calls: shard.calls,
        answered: shard.answered,
        cpu_percent: used(shard.shard).map(|(cpu, _)| cpu),
        wait_ms_per_s: used(shard.shard).map(|(_, wait)| wait),
        ports_used: shard.ports_used,
        ports_max: shard.ports_max,
        revision: shard.revision,
    };
    now.figures.shards.iter().map(row).collect()
}

fn stages(first: Option<&Look>, now: &Look) -> Vec<Stage> {
    let row = |(stage, buckets): &(String, Vec<(u64, u64)>)| {
        let earlier = first.and_then(|first| first.figures.stages.iter().find(|(name, _)| name == stage));
        let earlier: BTreeMap<u64, u64> = earlier.map(|(_, row)| row.iter().copied().collect()).unwrap_or_default();
        let since =
            |(upper, count): &(u64, u64)| (*upper, count - earlier.get(upper).copied().unwrap_or(0).min(*count));
        let counted: Vec<(u64, u64)> = buckets.iter().map(since).collect();
        let count = counted.iter().map(|(_, count)| count).sum();
        let at = |share: f64| percentile(&counted, count, share);
        Stage { stage: stage.clone(), count, p50_ns: at(0.5), p99_ns: at(0.99), p99_9_ns: at(0.999) }
    };
    now.figures.stages.iter().map(row).collect()
}

/// The upper bound that this share of the values does not exceed; 0 without values.
fn percentile(buckets: &[(u64, u64)], count: u64, share: f64) -> u64 {
    let wanted = (count as f64 * share).ceil() as u64;
    let mut passed = 0;
    let found = buckets.iter().find(|(_, here)| {
        passed += here;
        passed >= wanted && passed > 0
    });
    found.map_or(0, |(upper, _)| *upper)
}

fn carriers(calls: &[CallRow], sums: Option<&[Vec<OverviewRow>; 2]>, codes: &Codes) -> Vec<Part> {
    let mut parts: BTreeMap<u32, Part> = BTreeMap::new();
    for row in calls {
        let up = u32::from(row.talking_ms.is_some());
        for (carrier, is_sender) in [(row.originator, true), (row.terminator, false)] {
            let part = parts.entry(carrier).or_default();
            let running = if is_sender { &mut part.sent } else { &mut part.taken };
            (*running, part.answered) = (*running + 1, part.answered + up);
        }
    }
    for rows in sums.into_iter().flatten() {
        for carrier in rows.iter().map(|row| row.carrier) {
            let own = || rows.iter().filter(move |row| row.carrier == carrier);
            let part = parts.entry(carrier).or_default();
            part.ended = Some(own().map(|row| row.calls).sum());
            (part.asr_percent, part.acd_s) = figures_of(own());
        }
    }
    // Nobody is 0: calls without a terminator yet.
    parts.remove(&0);
    let named = |(id, part)| Part { code: code(&codes.carriers, id), ..part };
    parts.into_iter().map(named).collect()
}

/// ASR and ACD of rows.
fn figures_of<'a>(rows: impl Iterator<Item = &'a OverviewRow>) -> (Option<f64>, Option<u64>) {
    let (calls, answered, ms) =
        rows.fold((0, 0, 0), |(c, a, d), row| (c + row.calls, a + row.answered, d + row.duration_ms));
    let asr = (calls > 0).then(|| (answered as f64 * 1_000.0 / calls as f64).round() / 10.0);
    (asr, (ms / 1_000).checked_div(answered))
}

fn trunks(calls: &[CallRow], standings: &[(u32, String)], codes: &Codes) -> Vec<Part> {
    let side = |named: &BTreeMap<u32, String>, side: &str| -> BTreeMap<u32, Part> {
        let part =
            |(id, code): (&u32, &String)| (*id, Part { code: code.clone(), side: side.to_owned(), ..Part::default() });
        named.iter().map(part).collect()
    };
    let (mut ingress, mut egress) = (side(&codes.ingress, "ingress"), side(&codes.egress, "egress"));
    for row in calls {
        let up = u32::from(row.talking_ms.is_some());
        let part = ingress.entry(row.ingress_trunk).or_default();
        (part.sent, part.answered) = (part.sent + 1, part.answered + up);
        if row.egress_trunk != 0 {
            let part = egress.entry(row.egress_trunk).or_default();
            (part.taken, part.answered) = (part.taken + 1, part.answered + up);
        }
    }
    for (id, why) in standings {
        egress.entry(*id).or_default().state.clone_from(why);
    }
    // A trunk that the snapshot at hand does not know has its number.
    let numbered =
        |(id, part): (u32, Part)| if part.code.is_empty() { Part { code: format!("#{id}"), ..part } } else { part };
    ingress.into_iter().chain(egress).map(numbered).collect()
}

fn code(codes: &BTreeMap<u32, String>, id: u32) -> String {
    codes.get(&id).cloned().unwrap_or_else(|| format!("#{id}"))
}

#[cfg(test)]
mod tests {
    use units::Money;

    use super::*;

    #[test]
    fn percentiles_are_of_what_came_between_two_looks() {
        let look = |at: Instant, buckets: Vec<(u64, u64)>| {
            let figures = Figures { stages: vec![("route".into(), buckets)], ..Figures::default() };
            Look { at, figures, threads: BTreeMap::new() }
        };
        let start = Instant::now();
        let first = look(start, vec![(100, 1_000), (900, 5)]);
        let now = look(start + Duration::from_secs(1), vec![(100, 1_000), (200, 98), (900, 6), (5_000, 1)]);
        let told = stages(Some(&first), &now);
        assert_eq!((told[0].count, told[0].p50_ns, told[0].p99_ns, told[0].p99_9_ns), (100, 200, 900, 5_000));
        assert_eq!(percentile(&[], 0, 0.5), 0);
    }

    #[test]
    fn calls_are_counted_by_who_sends_and_who_takes_them() {
        let call = |terminator, talking_ms| CallRow {
            originator: 1,
            terminator,
            ingress_trunk: 3,
            egress_trunk: terminator * 10,
            talking_ms,
            ..CallRow::default()
        };
        let calls = [call(2, Some(5)), call(2, None), call(0, None)];
        let codes = Codes { carriers: [(1, "acme".into()), (2, "oria".into())].into(), ..Codes::default() };
        let row = OverviewRow {
            carrier: 2,
            currency: "USD".into(),
            attempts: 4,
            calls: 4,
            answered: 2,
            duration_ms: 60_000,
            revenue: Money::ZERO,
            cost: Money::ZERO,
            pdd_us: 0,
            pdd_count: 0,
        };
        let told = carriers(&calls, Some(&[Vec::new(), vec![row]]), &codes);
        let [acme, oria] = told.as_slice() else { panic!("two carriers: {told:?}") };
        assert_eq!(
            (acme.code.as_str(), acme.sent, acme.taken, acme.answered, acme.asr_percent),
            ("acme", 3, 0, 1, None)
        );
        assert_eq!((oria.sent, oria.taken, oria.asr_percent, oria.acd_s), (0, 2, Some(50.0), Some(30)));
        let told = trunks(&calls, &[(20, "resting".into())], &codes);
        let shown: Vec<_> = told.iter().map(|it| (it.code.as_str(), it.sent, it.taken, it.state.as_str())).collect();
        assert_eq!(shown, [("#3", 3, 0, ""), ("#20", 0, 2, "resting")]);
    }
}
