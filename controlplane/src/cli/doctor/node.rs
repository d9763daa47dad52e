//! What a node says of itself: its two programs, its database, its journal, its calls.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use live::EtcdArguments;
use panel::wire::{Answer, Ask, Figures};
use rustix::fs::statvfs;
use snapshot::View;
use tokio::process::Command;
use web::api::standings::{Standings, TrunkState};
use web::snapshot_files;

use super::{Finding, together};
use crate::alarms::{self, Level};
use crate::cli::Place;
use crate::folder::Folder;
use crate::link::ask_once;

/// How long anything may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// A database that needs longer than this to say one number is slow.
const SLOW: Duration = Duration::from_millis(250);
/// From this share of a disk or of descriptors on somebody should look, and from this one on it is too late, in per cent.
const FULL_PERCENT: [u64; 2] = [80, 95];
/// Records that wait longer than this for the database are late, and far too late, in seconds.
const LATE_S: [u64; 2] = [60, 600];
/// Where the control plane serves if nobody says where.
const HTTP: &str = "127.0.0.1:8080";

/// A running program of ours.
struct Program {
    process: u32,
    /// Its command line.
    words: Vec<String>,
    /// What it says that it is; `None` if it could not be asked.
    version: Option<String>,
    /// Its file was replaced or removed since it started.
    is_replaced: bool,
}

/// A node, looked at once.
pub struct Node {
    pub folder: Folder,
    /// The data plane's command line; empty if none runs.
    pub words: Vec<String>,
    data: Option<Program>,
    control: Option<Program>,
    figures: Option<Figures>,
    /// The control plane's metrics, or why there are none.
    metrics: Result<String, String>,
}

impl Node {
    pub async fn look(folder: Folder) -> Node {
        let data = Program::find(&folder.path().join("run/dataplane.lock"), "tandem-dataplane").await;
        let control = Program::find(&folder.path().join("run/control.lock"), "tandem-controlplane").await;
        let figures = match tokio::time::timeout(PATIENCE, ask_once(&folder.socket(), Ask::Figures)).await {
            Ok(Ok(Answer::Figures(figures))) => Some(*figures),
            _ => None,
        };
        let http = control.as_ref().and_then(|it| value(&it.words, "--http")).unwrap_or_else(|| HTTP.to_owned());
        let metrics = match &control {
            Some(_) => metrics(&http).await,
            None => Err("no control plane works in this folder".to_owned()),
        };
        let words = data.as_ref().map(|data| data.words.clone()).unwrap_or_default();
        Node { folder, words, data, control, figures, metrics }
    }

    /// Where this node's programs were told that etcd is.
    pub fn etcd(&self) -> Option<EtcdArguments> {
        let control = self.control.as_ref().and_then(|control| together::told(&control.words));
        control.or_else(|| together::told(&self.words))
    }

    /// Whether both programs answer.
    pub fn services(&self) -> Vec<Finding> {
        let start = "start the node: tandem up, or systemctl start tandem-dataplane tandem-controlplane; see its log";
        let data = match (&self.figures, &self.data) {
            (Some(figures), _) => {
                let calls: u32 = figures.shards.iter().map(|shard| shard.calls).sum();
                Finding::ok(
                    "data plane",
                    format!("answers: {} shards, {calls} calls, start {}", figures.shards.len(), figures.boot),
                )
            }
            (None, Some(it)) => {
                let found = format!("process {} runs and does not answer", it.process);
                Finding::bad("data plane", Level::Fail, found, "see its log; it is starting, or stands still")
            }
            (None, None) => Finding::bad(
                "data plane",
                Level::Fail,
                format!("none works in {}", self.folder.path().display()),
                start,
            ),
        };
        let control = match &self.metrics {
            Ok(_) => Finding::ok("control plane", "answers"),
            Err(why) => {
                Finding::bad("control plane", Level::Fail, why.clone(), format!("calls go on without it; {start}"))
            }
        };
        vec![data, control]
    }

    /// Whether all programs are of one version.
    pub fn versions(&self) -> Vec<Finding> {
        let own = env!("CARGO_PKG_VERSION");
        let planes = [("data plane", &self.data), ("control plane", &self.control)];
        let running = planes.into_iter().filter_map(|(plane, program)| Some((plane, program.as_ref()?)));
        running
            .map(|(plane, program)| match &program.version {
                None => Finding::bad(
                    "versions",
                    Level::Warn,
                    format!("the {plane} cannot be asked"),
                    "look as root, or as the node's user",
                ),
                Some(version) if version != own => {
                    let found = format!("the {plane} is {version}, this program {own}");
                    Finding::bad(
                        "versions",
                        Level::Warn,
                        found,
                        "docs/upgrade-a-node.md says in which order to restart",
                    )
                }
                Some(_) if program.is_replaced => {
                    let found = format!("the {plane} runs from a file that was replaced since");
                    Finding::bad(
                        "versions",
                        Level::Warn,
                        found,
                        "docs/upgrade-a-node.md says in which order to restart",
                    )
                }
                Some(version) => Finding::ok("versions", format!("{plane} {version}")),
            })
            .collect()
    }

    /// Whether every shard decides from what was published last.
    pub async fn snapshot(&self, place: &Place) -> Option<Finding> {
        let figures = self.figures.as_ref()?;
        let published = tokio::time::timeout(PATIENCE, async { place.store().await.ok()?.revision().await.ok() }).await;
        let published = published.ok().flatten().map_or(0, |revision| revision.0);
        let held = self.folder.snapshots().join("held").exists();
        let all = format!("revision {} on {} shards", figures.revision, figures.shards.len());
        Some(match published {
            // Shards that differ are an alarm of their own.
            newer if newer > figures.revision && held => Finding::bad(
                "snapshot",
                Level::Warn,
                format!("{all}, held there by hand; {newer} is published"),
                "the next change of anything ends that",
            ),
            newer if newer > figures.revision => Finding::bad(
                "snapshot",
                Level::Warn,
                format!("{all}; {newer} is published"),
                "wait a second; if it stays, see the control plane's log",
            ),
            _ => Finding::ok("snapshot", all),
        })
    }

    /// What waits for the database.
    pub fn journal(&self) -> Vec<Finding> {
        let Ok(metrics) = &self.metrics else { return Vec::new() };
        let aside = metric(metrics, "tandem_cdr_set_aside").unwrap_or(0);
        let mut found =
            vec![match (metric(metrics, "tandem_cdr_backlog"), metric(metrics, "tandem_cdr_backlog_age_seconds")) {
                (Some(records), Some(age_s)) => {
                    let told = format!("{records} records wait for the database, the oldest {age_s} s");
                    match level(age_s, LATE_S) {
                        Level::Ok => Finding::ok("journal", told),
                        state => Finding::bad(
                            "journal",
                            state,
                            told,
                            "see the database and the control plane's log; tandem journal ls",
                        ),
                    }
                }
                _ => Finding::bad(
                    "journal",
                    Level::Warn,
                    "nobody knows what waits",
                    "the database has not answered since the start: see its line",
                ),
            }];
        if aside > 0 {
            let told = format!("{aside} records were refused by the database or damaged, and set aside");
            found.push(Finding::bad(
                "journal",
                Level::Warn,
                told,
                "tandem journal replay --aside says why, with --write brings them",
            ));
        }
        found
    }

    /// What stands out in the figures.
    pub fn alarms(&self) -> Vec<Finding> {
        let Some(figures) = &self.figures else { return Vec::new() };
        let all = alarms::of(figures, None);
        if all.is_empty() {
            return vec![Finding::ok("alarms", "none")];
        }
        all.into_iter().map(|alarm| Finding::bad("alarms", alarm.level, alarm.what, alarm.mend)).collect()
    }

    /// Egress trunks that get no calls.
    pub fn trunks(&self) -> Vec<Finding> {
        let Some(figures) = &self.figures else { return Vec::new() };
        let file = self.folder.snapshots().join(format!("{}.snap", figures.revision));
        let Ok(snapshot) = snapshot_files::read_main(&file) else { return Vec::new() };
        let trunks = Standings::trunks_of(figures, &View::open(&snapshot));
        let shut = trunks.iter().filter(|row| row.state != TrunkState::Open);
        shut.map(|row| {
            let state = format!("{:?}", row.state).to_lowercase();
            let found = format!("{} {state} {}", row.egress_trunk.code, row.reason);
            Finding::bad("trunks", Level::Warn, found, "tandem standings; calls go by other routes meanwhile")
        })
        .collect()
    }

    /// How much of the media ports is used.
    pub fn media(&self) -> Finding {
        let Some(figures) = &self.figures else {
            return Finding::bad("media ports", Level::Warn, "unknown", "see the data plane's line");
        };
        let used: u32 = figures.shards.iter().map(|shard| shard.ports_used).sum();
        let ports: u32 = figures.shards.iter().map(|shard| shard.ports_max).sum();
        let sockets = &figures.media_sockets;
        let (calls, by) = (sockets.calls_max, &sockets.calls_max_by);
        // Too many of them are an alarm of their own.
        Finding::ok("media ports", format!("{used} of {ports} in use; {calls} calls with media at most, by {by}"))
    }

    /// Open files against their limit.
    pub fn descriptors(&self) -> Vec<Finding> {
        let planes = [("data plane", &self.data), ("control plane", &self.control)];
        let running = planes.into_iter().filter_map(|(plane, program)| Some((plane, program.as_ref()?)));
        running
            .map(|(plane, program)| match descriptors(program.process) {
                Some((open, most)) => {
                    let told = format!("{plane}: {open} of {most} open");
                    match level(open * 100 / most.max(1), FULL_PERCENT) {
                        Level::Ok => Finding::ok("descriptors", told),
                        state => {
                            Finding::bad("descriptors", state, told, "raise LimitNOFILE in its unit, or ulimit -n")
                        }
                    }
                }
                None => Finding::bad(
                    "descriptors",
                    Level::Warn,
                    format!("{plane}: not to be seen"),
                    "look as root, or as the node's user",
                ),
            })
            .collect()
    }

    /// Room in the data folder.
    pub fn disk(&self) -> Vec<Finding> {
        let folder = self.folder.path();
        let Ok(room) = statvfs(folder) else {
            return vec![Finding::bad("disk", Level::Warn, format!("{} cannot be asked", folder.display()), "see df")];
        };
        // As df(1) counts, and the data plane: what is kept for root is neither used nor free.
        let percent = |all: u64, free: u64, ours: u64| {
            let used = all.saturating_sub(free);
            used.saturating_mul(100).checked_div(used + ours).unwrap_or(0)
        };
        let bytes = (
            percent(room.f_blocks, room.f_bfree, room.f_bavail),
            format!("{} GB free", room.f_bavail * room.f_frsize / 1_000_000_000),
        );
        let files = (percent(room.f_files, room.f_ffree, room.f_favail), format!("{} names free", room.f_favail));
        [("disk", bytes), ("inodes", files)]
            .into_iter()
            .map(|(check, (percent, free))| {
                let told = format!("{}: {percent} % used, {free}", folder.display());
                match level(percent, FULL_PERCENT) {
                    Level::Ok => Finding::ok(check, told),
                    state => {
                        Finding::bad(check, state, told, "make room: recordings, captures, logs, other programs' files")
                    }
                }
            })
            .collect()
    }
}

/// Whether the database answers, how fast, whether its tables are up to date, and whether a replica has what it says.
pub async fn database(place: &Place) -> Finding {
    let asked = async {
        let store = place.store().await?;
        let started = Instant::now();
        store.changes().await?;
        Ok::<_, anyhow::Error>((started.elapsed(), store.replica().await?))
    };
    let mend = "calls go on without it; see its own log, disk and network";
    match tokio::time::timeout(PATIENCE, asked).await {
        Err(_) => Finding::bad("database", Level::Fail, format!("no answer within {} s", PATIENCE.as_secs()), mend),
        Ok(Err(why)) => Finding::bad("database", Level::Fail, format!("{why:#}"), mend),
        Ok(Ok((_, store::Replica::Silent))) => Finding::bad(
            "database",
            Level::Fail,
            "no replica acknowledges: nothing more is lent to nodes",
            "bring the replica back; tandem cluster status",
        ),
        Ok(Ok((took, replica))) => {
            let replica = if replica == store::Replica::Acknowledges { ", a replica acknowledges" } else { "" };
            let told = format!("answers in {:.1} ms, up to date{replica}", took.as_secs_f64() * 1e3);
            if took < SLOW {
                Finding::ok("database", told)
            } else {
                Finding::bad("database", Level::Warn, told, "see its load, disk and network")
            }
        }
    }
}

impl Program {
    /// The program that holds a lock, if it is the one that should.
    async fn find(lock: &Path, name: &str) -> Option<Program> {
        let process = fs::read_to_string(lock).ok()?.trim().parse().ok()?;
        let line = fs::read(format!("/proc/{process}/cmdline")).ok()?;
        let words: Vec<String> =
            line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        // The lock of a program that died names a process that may be anybody's by now.
        if Path::new(words.first()?).file_name()?.to_str()? != name {
            return None;
        }
        let exe = format!("/proc/{process}/exe");
        let is_replaced = fs::read_link(&exe).is_ok_and(|file| file.to_string_lossy().ends_with(" (deleted)"));
        let asked =
            tokio::time::timeout(PATIENCE, Command::new(&exe).arg("--version").kill_on_drop(true).output()).await;
        let said = asked.ok().and_then(Result::ok).map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
        let version = said.and_then(|said| said.split_whitespace().nth(1).map(str::to_owned));
        Some(Program { process, words, version, is_replaced })
    }
}

/// The value of an option on a command line.
pub fn value(words: &[String], option: &str) -> Option<String> {
    words.iter().enumerate().find_map(|(at, word)| match word.strip_prefix(option)? {
        "" => words.get(at + 1).cloned(),
        rest => rest.strip_prefix('=').map(str::to_owned),
    })
}

async fn metrics(http: &str) -> Result<String, String> {
    let at = http.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:");
    let url = format!("http://{at}/metrics");
    let asked = tokio::task::spawn_blocking(move || {
        let agent = ureq::Agent::new_with_config(
            ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).max_redirects(0).build(),
        );
        let mut answer = agent.get(&url).call().map_err(|why| format!("{url}: {why}"))?;
        answer.body_mut().read_to_string().map_err(|why| format!("{url}: {why}"))
    });
    asked.await.map_err(|why| why.to_string())?
}

/// The value of a metric without labels.
fn metric(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

fn descriptors(process: u32) -> Option<(u64, u64)> {
    let open = fs::read_dir(format!("/proc/{process}/fd")).ok()?.count() as u64;
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    Some((open, line.split_whitespace().next()?.parse().ok()?))
}

/// Below the first bound all is well, from the second on it is too late.
fn level(value: u64, [warn, fail]: [u64; 2]) -> Level {
    match value {
        _ if value >= fail => Level::Fail,
        _ if value >= warn => Level::Warn,
        _ => Level::Ok,
    }
}

#[cfg(test)]
mod tests {
    use panel::wire::ShardFigures;

    use super::*;
    use crate::cli::doctor::code;

    fn node(figures: Option<Figures>, metrics: Result<&str, &str>) -> Node {
        let data = tempfile::tempdir().expect("a temporary folder");
        let folder = Folder::open(data.path()).expect("a data folder");
        let metrics = metrics.map(str::to_owned).map_err(str::to_owned);
        Node { folder, words: Vec::new(), data: None, control: None, figures, metrics }
    }

    #[test]
    fn each_trouble_has_a_line_with_what_to_do() {
        let shard = ShardFigures { revision: 7, ..ShardFigures::default() };
        let healthy = Figures { revision: 7, shards: vec![shard], ..Figures::default() };
        let told = |node: &Node| {
            let lines = [node.services(), node.journal(), node.alarms()].concat();
            (code(&lines), lines.iter().map(|it| (it.check, it.state)).collect::<Vec<_>>(), lines)
        };
        let well = "tandem_cdr_backlog 0\ntandem_cdr_backlog_age_seconds 0\ntandem_cdr_set_aside 0\n";
        let (code, lines, _) = told(&node(Some(healthy.clone()), Ok(well)));
        let ok = ["data plane", "control plane", "journal", "alarms"].map(|check| (check, Level::Ok));
        assert_eq!((code, lines), (0, ok.to_vec()));
        let late = "tandem_cdr_backlog 9\ntandem_cdr_backlog_age_seconds 61\ntandem_cdr_set_aside 2\n";
        let (code, lines, _) = told(&node(Some(healthy.clone()), Ok(late)));
        assert_eq!((code, &lines[2..4]), (3, &[("journal", Level::Warn); 2][..]));
        let (code, lines, all) = told(&node(None, Err("no control plane works in this folder")));
        assert_eq!((code, lines), (1, vec![("data plane", Level::Fail), ("control plane", Level::Fail)]));
        assert!(all.iter().all(|line| line.mend.contains("tandem up")), "{all:?}");
        let (code, lines, _) = told(&node(Some(Figures { journal_failing: true, ..healthy }), Ok(well)));
        assert_eq!((code, lines[3]), (1, ("alarms", Level::Fail)));
    }

    #[test]
    fn options_and_metrics_are_read_as_they_stand() {
        let words = ["x", "--http", "0.0.0.0:80", "--listen=tls:a"].map(str::to_owned);
        assert_eq!(value(&words, "--http").as_deref(), Some("0.0.0.0:80"));
        assert_eq!((value(&words, "--listen").as_deref(), value(&words, "--data")), (Some("tls:a"), None));
        let text = "# HELP a_b x\na_bc 3\na_b 17\n";
        assert_eq!((metric(text, "a_b"), metric(text, "a")), (Some(17), None));
        assert_eq!([79, 80, 95].map(|percent| level(percent, FULL_PERCENT)), [Level::Ok, Level::Warn, Level::Fail]);
    }
}
