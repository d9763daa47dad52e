//! Reads the data plane once a second for everybody: one stream of figures, ten minutes of past.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use panel::wire::{self, Answer, Ask};
use store::{OverviewRow, ReplicaState, Side, StoreError};
use tokio::sync::watch;
use units::WallTime;

use crate::api::overview::{Figures, MoneySum, Point, Sums};
use crate::api::standings::log_changes;
use crate::services::Inner;
use crate::value::{Amount, Time};

/// Between two readings.
const EVERY: Duration = Duration::from_secs(1);
/// The data plane is asked for this long at most.
const ASK_MAX: Duration = Duration::from_millis(900);
/// Without an answer for this long it counts as down.
const DOWN_AFTER: Duration = Duration::from_secs(2);
/// Seconds that are remembered.
const POINTS_MAX: usize = 600;
/// The window of the sums in seconds.
pub(crate) const WINDOW_S: u32 = 600;
/// Between two readings of the sums at least; longer when the database needs long for them.
const SUMS_EVERY: Duration = Duration::from_secs(2);
/// The database may spend this share of its time on our sums: one in so many.
const SUMS_SHARE: u32 = 10;

/// What the data plane last said.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) at: Instant,
    pub(crate) wall: Time,
    pub(crate) figures: Arc<wire::Figures>,
}

/// Sums by carrier and currency over the window, as last read.
#[derive(Clone, Debug)]
pub(crate) struct Summed {
    pub(crate) wall: Time,
    pub(crate) originators: Vec<OverviewRow>,
    pub(crate) terminators: Vec<OverviewRow>,
}

/// The figures of the moment and of the last ten minutes.
pub(crate) struct Live {
    figures: watch::Sender<Arc<Figures>>,
    heard: Mutex<Option<Heard>>,
    summed: Mutex<Option<Arc<Summed>>>,
    series: Mutex<VecDeque<Point>>,
}

impl Default for Live {
    fn default() -> Live {
        Live {
            figures: watch::Sender::new(Arc::default()),
            heard: Mutex::default(),
            summed: Mutex::default(),
            series: Mutex::default(),
        }
    }
}

impl Live {
    /// Follows the figures.
    pub(crate) fn follow(&self) -> watch::Receiver<Arc<Figures>> {
        self.figures.subscribe()
    }

    /// The figures of the last second.
    pub(crate) fn now(&self) -> Arc<Figures> {
        Arc::clone(&self.figures.borrow())
    }

    /// What the data plane last said; `None` if it never did.
    pub(crate) fn heard(&self) -> Option<Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The sums as last read; `None` if they never were.
    pub(crate) fn summed(&self) -> Option<Arc<Summed>> {
        self.summed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last ten minutes, oldest first.
    pub(crate) fn series(&self) -> Vec<Point> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    fn keep(&self, figures: Figures) {
        let point = Point {
            at: figures.at,
            calls: figures.calls,
            answered: figures.answered,
            cps: figures.cps,
            asr_percent: figures.sums.as_ref().and_then(|sums| sums.asr_percent),
        };
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        if series.len() >= POINTS_MAX {
            series.pop_front();
        }
        series.push_back(point);
        drop(series);
        self.figures.send_replace(Arc::new(figures));
    }
}

impl Heard {
    /// Heard recently enough to believe.
    pub(crate) fn is_up(&self) -> bool {
        self.at.elapsed() < DOWN_AFTER
    }

    fn counter(&self, name: &str) -> u64 {
        self.figures.counters.iter().find(|(known, _)| known == name).map_or(0, |(_, value)| *value)
    }
}

/// Reads for ever. One reader a web server, however many browsers look.
pub(crate) async fn read_for_ever(app: Arc<Inner>) {
    let mut beat = tokio::time::interval(EVERY);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        beat.tick().await;
        let before = app.live.heard();
        ask(&app).await;
        let figures = figures(&app, before.as_ref());
        app.live.keep(figures);
    }
}

async fn ask(app: &Inner) {
    let asked = tokio::time::timeout(ASK_MAX, app.link.ask(Ask::Figures)).await;
    if let Ok(Ok(Answer::Figures(figures))) = asked {
        if let Some(before) = app.live.heard() {
            log_changes(&before.figures, &figures);
        }
        let heard = Heard { at: Instant::now(), wall: Time::now(), figures: Arc::new(*figures) };
        *app.live.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(heard);
    }
}

fn figures(app: &Inner, before: Option<&Heard>) -> Figures {
    let heard = app.live.heard();
    let rate = |name: &str| match (&heard, before) {
        (Some(now), Some(then)) if now.at > then.at && now.figures.boot == then.figures.boot => {
            let rise = now.counter(name).saturating_sub(then.counter(name));
            (rise as f64 / (now.at - then.at).as_secs_f64() * 10.0).round() / 10.0
        }
        _ => 0.0,
    };
    let summed = app.live.summed();
    let mut figures = Figures {
        at: Time::now(),
        window_s: WINDOW_S,
        cps: rate("calls_begun"),
        answers_per_second: rate("calls_answered"),
        backlog_records: app.link.backlog().records,
        sums: summed.as_ref().map(|summed| total(&summed.originators, &summed.terminators)),
        sums_at: summed.as_ref().map(|summed| summed.wall),
        ..Figures::default()
    };
    if let Some(heard) = heard {
        let from = &heard.figures;
        figures.data_plane_up = heard.is_up();
        figures.age_ms = Some(u64::try_from(heard.at.elapsed().as_millis()).unwrap_or(u64::MAX));
        figures.revision = from.revision;
        figures.draining = from.draining;
        figures.refuses = from.refuses();
        figures.calls = from.shards.iter().map(|shard| shard.calls).sum();
        figures.answered = from.shards.iter().map(|shard| shard.answered).sum();
        figures.journal_disk_percent = from.journal_disk_percent;
    }
    figures
}

/// Asks for ever how far the replica is, where one is named.
pub(crate) async fn follow_for_ever(app: Arc<Inner>) {
    while app.reports.replica() != ReplicaState::None {
        app.reports.look().await;
        tokio::time::sleep(EVERY).await;
    }
}

/// Sums up the window for ever, and leaves the database nine tenths of its time.
pub(crate) async fn sum_for_ever(app: Arc<Inner>) {
    loop {
        let started = Instant::now();
        let summed = sum(&app).await;
        match summed {
            Ok(summed) => {
                *app.live.summed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(summed));
            }
            Err(flaw) => {
                tracing::debug!(%flaw, "no sums this time");
                *app.live.summed.lock().unwrap_or_else(PoisonError::into_inner) = None;
            }
        }
        tokio::time::sleep(SUMS_EVERY.max(started.elapsed() * (SUMS_SHARE - 1))).await;
    }
}

async fn sum(app: &Inner) -> Result<Summed, StoreError> {
    let wall = Time::now();
    let from = WallTime::from_micros(wall.micros() - i64::from(WINDOW_S) * 1_000_000);
    let till = WallTime::from_micros(wall.micros() + 1_000_000);
    let store = app.reports.store();
    let originators = store.overview(Side::Originator, from, till).await?;
    let terminators = store.overview(Side::Terminator, from, till).await?;
    Ok(Summed { wall, originators, terminators })
}

/// Sums over all rows of one side; money of both sides by currency.
fn total(originators: &[OverviewRow], terminators: &[OverviewRow]) -> Sums {
    let mut sums = sums_of(originators, |row| row.calls);
    let mut money: Vec<MoneySum> = Vec::new();
    let sold = originators.iter().map(|row| (row.currency.as_str(), row.revenue, units::Money::ZERO));
    let bought = terminators.iter().map(|row| (row.currency.as_str(), units::Money::ZERO, row.cost));
    for (currency, revenue, cost) in sold.chain(bought) {
        add(&mut money, currency, revenue, cost);
    }
    sums.money = money;
    sums
}

fn add(money: &mut Vec<MoneySum>, currency: &str, revenue: units::Money, cost: units::Money) {
    if currency.is_empty() {
        return;
    }
    let place = money.iter().position(|sum| sum.currency == currency).unwrap_or_else(|| {
        money.push(MoneySum { currency: currency.to_owned(), ..MoneySum::default() });
        money.len() - 1
    });
    let sum = &mut money[place];
    sum.revenue = Amount(sum.revenue.0 + revenue);
    sum.cost = Amount(sum.cost.0 + cost);
    sum.margin = Amount(sum.revenue.0 - sum.cost.0);
}

fn sums_of(rows: &[OverviewRow], counted: impl Fn(&OverviewRow) -> u64) -> Sums {
    let calls: u64 = rows.iter().map(&counted).sum();
    let answered: u64 = rows.iter().map(|row| row.answered).sum();
    let talked_ms: u64 = rows.iter().map(|row| row.duration_ms).sum();
    let pdd_us: u64 = rows.iter().map(|row| row.pdd_us).sum();
    let pdd_count: u64 = rows.iter().map(|row| row.pdd_count).sum();
    Sums {
        calls,
        answered,
        asr_percent: (calls > 0).then(|| (answered as f64 / calls as f64 * 10_000.0).round() / 100.0),
        acd_ms: talked_ms.checked_div(answered),
        pdd_ms: pdd_us.checked_div(pdd_count).map(|us| us / 1_000),
        talked_ms,
        money: Vec::new(),
    }
}

/// The sums of each carrier of one side, busiest first.
pub(crate) fn by_carrier(rows: &[OverviewRow], side: Side) -> Vec<(u32, Sums)> {
    let mut groups: HashMap<u32, Vec<OverviewRow>> = HashMap::new();
    for row in rows {
        groups.entry(row.carrier).or_default().push(row.clone());
    }
    let mut carriers: Vec<(u32, Sums)> = groups
        .into_iter()
        .map(|(carrier, rows)| {
            let mut sums = sums_of(&rows, |row| if side == Side::Originator { row.calls } else { row.attempts });
            for row in &rows {
                add(&mut sums.money, &row.currency, row.revenue, row.cost);
            }
            (carrier, sums)
        })
        .collect();
    carriers.sort_by_key(|(carrier, sums)| (std::cmp::Reverse(sums.calls), *carrier));
    carriers
}
