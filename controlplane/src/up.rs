//! A whole node on this machine: both planes as children, started again when they die, ended together.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use panel::wire::{Answer, Ask, Figures};
use store::Store;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::apply::{self, Input, Report};
use crate::folder::Folder;
use crate::link::ask_once;

/// How long both planes may take to be ready.
const READY_MAX: Duration = Duration::from_secs(60);
/// How long the control plane may take where the data plane decides calls already: its database may be away for hours.
const CONTROL_MAX: Duration = Duration::from_secs(10);
/// How long a plane may take to end after it was asked to.
const STOP_MAX: Duration = Duration::from_secs(10);
/// The pause before a plane that died is started again; doubled with each death in a row.
const BACK_OFF: Duration = Duration::from_millis(100);
/// The longest such pause.
const BACK_OFF_MAX: Duration = Duration::from_secs(10);
/// A plane that ran this long has not died "in a row": it had started, and calls must not wait for what kills it once in a while.
const STEADY: Duration = Duration::from_secs(2);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// What a node is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data folder; made if it is missing.
    pub data: PathBuf,
    /// Where SIP peers reach us over UDP and TCP; none if the listeners say it all.
    pub sip: Option<SocketAddr>,
    /// Further listeners, as the data plane reads them: `TRANSPORT:ADDR:PORT,…`.
    pub listen: Vec<String>,
    /// Seconds after which a silent connection of a known peer is closed; the data plane's default if `None`.
    pub stream_idle: Option<u32>,
    /// The name server for host names of trunks; those of the system if `None`.
    pub dns: Option<SocketAddr>,
    /// Where API and GUI are served.
    pub http: SocketAddr,
    /// The database; SQLite in the data folder if `None`.
    pub database: Option<String>,
    /// Media ports, `LOW-HIGH`; the data plane's default if `None`.
    pub rtp: Option<String>,
    /// Shards; one a core if `None`.
    pub shards: Option<u16>,
    /// Our media addresses, at most one a family; those of the listeners where none is given.
    pub media: Vec<IpAddr>,
    /// The addresses in our SDP where they are not the ones that are bound.
    pub media_advertise: Vec<IpAddr>,
    /// Whether somebody looked at the host already: then the data plane does not.
    pub host_seen: bool,
    /// More settings of the data plane: how media is relayed, what is captured and collected, and how much of it is kept.
    pub more: Vec<(&'static str, String)>,
    /// This node's place in a cluster.
    pub place: Place,
    /// What the planes log; `info` for all if `None`.
    pub log: Option<String>,
    /// Where the planes' logs go: this file, or our own stderr if `None`.
    pub log_file: Option<PathBuf>,
}

/// What a node of a cluster is told beside everything else.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Said to both planes: the node's number, and where etcd is.
    pub both: Vec<(&'static str, String)>,
    /// Said to the data plane: how it shares limits and stands behind balancers.
    pub data: Vec<(&'static str, String)>,
    /// Said to the control plane: its group, and this node's keeper.
    pub control: Vec<(&'static str, String)>,
    /// The replica that reports are read at. It holds a password.
    pub replica: Option<String>,
}

impl Options {
    /// A node with nothing special about it.
    pub fn new(data: &Path, sip: SocketAddr, http: SocketAddr) -> Options {
        Options {
            data: data.to_owned(),
            sip: Some(sip),
            listen: Vec::new(),
            stream_idle: None,
            dns: None,
            http,
            database: None,
            rtp: None,
            shards: None,
            media: Vec::new(),
            media_advertise: Vec::new(),
            host_seen: false,
            more: Vec::new(),
            place: Place::default(),
            log: None,
            log_file: None,
        }
    }
}

/// Which of the two programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plane {
    /// Moves calls.
    Data,
    /// Everything that may wait.
    Control,
}

/// What the planes' keepers are to do, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    Run,
    StopData,
    StopAll,
}

impl Plane {
    /// What people call it.
    fn name(self) -> &'static str {
        match self {
            Plane::Data => "data plane",
            Plane::Control => "control plane",
        }
    }

    /// From which wish on the plane is to end.
    fn ends_at(self) -> Wish {
        match self {
            Plane::Data => Wish::StopData,
            Plane::Control => Wish::StopAll,
        }
    }
}

/// A running node. [`Node::stop`] ends it; dropped, its children are killed.
#[derive(Debug)]
pub struct Node {
    options: Options,
    folder: Folder,
    login: String,
    stop: watch::Sender<Wish>,
    keepers: Vec<JoinHandle<()>>,
    pids: [Arc<AtomicU32>; 2],
    /// Why a plane ended by itself, the first time that one did.
    ended: Arc<OnceLock<String>>,
}

impl Node {
    /// Starts both planes and waits until calls and operators can come.
    pub async fn start(options: Options) -> Result<Node> {
        let folder = Folder::open(&options.data).with_context(|| format!("cannot use {}", options.data.display()))?;
        if let Some(who) = folder.taken()? {
            bail!("{who} works in {} already: end it first", folder.path().display());
        }
        // What is there afterwards is of this start.
        let _ = std::fs::remove_file(folder.login());
        let (stop, stopped) = watch::channel(Wish::Run);
        let (pids, ended) = Default::default();
        let mut node = Node { options, folder, login: String::new(), stop, keepers: Vec::new(), pids, ended };
        for plane in [Plane::Data, Plane::Control] {
            let recipe = node.recipe(plane)?;
            let pid = Arc::clone(&node.pids[plane as usize]);
            node.keepers.push(tokio::spawn(keep(recipe, stopped.clone(), pid, Arc::clone(&node.ended))));
        }
        if let Err(error) = node.ready().await {
            node.stop().await;
            return Err(error);
        }
        // The control plane writes it before it listens.
        node.login = std::fs::read_to_string(node.folder.login()).unwrap_or_default().trim().to_owned();
        node.folder.remember();
        Ok(node)
    }

    /// Applies a file over the database and waits until the data plane decides by it.
    pub async fn apply(&self, input: &Input) -> Result<Report> {
        let store = self.store().await?;
        let report = apply::apply(&store, input, false, Some("tandem")).await?;
        let wanted = store.revision().await?.0;
        self.until("the data plane to take the snapshot over", async || {
            self.figures().await.is_some_and(|figures| figures.revision >= wanted)
        })
        .await?;
        Ok(report)
    }

    /// The node's database, opened for this program as well.
    pub async fn store(&self) -> Result<Store> {
        Store::open(&self.database()).await.context("cannot open the database")
    }

    /// The data plane's figures; `None` while it does not answer.
    pub async fn figures(&self) -> Option<Figures> {
        match ask_once(&self.folder.socket(), Ask::Figures).await {
            Ok(Answer::Figures(figures)) => Some(*figures),
            _ => None,
        }
    }

    /// The process of a plane, as long as it lives.
    pub fn pid(&self, plane: Plane) -> Option<u32> {
        Some(self.pids[plane as usize].load(Ordering::Relaxed)).filter(|pid| *pid != 0)
    }

    /// Where the GUI and the API are.
    pub fn http_url(&self) -> String {
        format!("http://{}", self.options.http)
    }

    /// The control plane has not listened yet: calls go on by the last snapshot.
    pub fn waits(&self) -> bool {
        self.login.is_empty()
    }

    /// Where a browser is logged in once, within fifteen minutes.
    pub fn login_url(&self) -> String {
        format!("{}/?t={}", self.http_url(), self.login)
    }

    /// Ends both planes: the data plane first, so that what it wrote last is still collected.
    pub async fn stop(self) {
        for (wish, keeper) in [Wish::StopData, Wish::StopAll].into_iter().zip(self.keepers) {
            self.stop.send_replace(wish);
            // A keeper that broke has no plane left to end.
            let _ = keeper.await;
        }
    }

    fn database(&self) -> String {
        self.options.database.clone().unwrap_or_else(|| self.folder.default_database())
    }

    async fn ready(&self) -> Result<()> {
        self.until("the data plane to answer", async || self.figures().await.is_some()).await?;
        // It listens before it writes this; another program may listen there, too.
        let login = self.folder.login();
        let told = || std::fs::read_to_string(&login).is_ok_and(|token| !token.is_empty());
        let began = Instant::now();
        self.until("the control plane to listen", async || {
            told() || began.elapsed() > CONTROL_MAX && self.figures().await.is_some_and(|figures| figures.revision > 0)
        })
        .await
    }

    async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) -> Result<()> {
        let late = Instant::now() + READY_MAX;
        while !holds().await {
            if let Some(how) = self.ended.get() {
                bail!("{how}; the log says why");
            }
            if Instant::now() > late {
                bail!("gave up waiting for {what}; see the log");
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    fn recipe(&self, plane: Plane) -> Result<Recipe> {
        let o = &self.options;
        let mut arguments = vec!["--data".into(), self.folder.path().display().to_string()];
        let mut option = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                arguments.extend([name.to_owned(), value]);
            }
        };
        let own = if plane == Plane::Data { &o.place.data } else { &o.place.control };
        o.place.both.iter().chain(own).for_each(|(name, value)| option(name, Some(value.clone())));
        let program = match plane {
            Plane::Data => {
                option("--sip", o.sip.map(|sip| sip.to_string()));
                o.listen.iter().for_each(|listen| option("--listen", Some(listen.clone())));
                option("--stream-idle", o.stream_idle.map(|seconds| seconds.to_string()));
                option("--dns", o.dns.map(|dns| dns.to_string()));
                option("--rtp", o.rtp.clone());
                option("--shards", o.shards.map(|shards| shards.to_string()));
                o.media.iter().for_each(|media| option("--media", Some(media.to_string())));
                o.media_advertise.iter().for_each(|media| option("--media-advertise", Some(media.to_string())));
                option("--host-profile", o.host_seen.then(|| "off".to_owned()));
                o.more.iter().for_each(|(name, value)| option(name, Some(value.clone())));
                "tandem-dataplane"
            }
            Plane::Control => {
                option("--http", Some(o.http.to_string()));
                "tandem-controlplane"
            }
        };
        option("--log", o.log.clone());
        let mut secrets = Vec::new();
        if plane == Plane::Control {
            secrets.push(("TANDEM_DATABASE", self.database()));
            secrets.extend(o.place.replica.clone().map(|url| ("TANDEM_REPLICA", url)));
        }
        Ok(Recipe { program: beside(program)?, arguments, secrets, log_file: o.log_file.clone(), plane })
    }
}

/// A program of ours, in the folder of the running one.
pub fn beside(program: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find this program's own file")?;
    let path = own.with_file_name(program);
    if !path.is_file() {
        bail!("{} is missing; both planes must stand beside {}", path.display(), own.display());
    }
    Ok(path)
}

/// How a plane is started, time and again.
#[derive(Debug)]
struct Recipe {
    program: PathBuf,
    arguments: Vec<String>,
    secrets: Vec<(&'static str, String)>,
    log_file: Option<PathBuf>,
    plane: Plane,
}

impl Recipe {
    fn start(&mut self) -> Result<Child> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::null()).kill_on_drop(true);
        // Ctrl-C in a terminal goes to the whole group; the children are ended by us, in order.
        command.process_group(0);
        if let Some(path) = &self.log_file {
            let log = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
            command.stdout(log.try_clone()?).stderr(log);
        }
        // Secrets go by environment: other users of the machine see arguments.
        command.envs(self.secrets.iter().map(|(name, value)| (name, value)));
        command.spawn().with_context(|| format!("cannot start {}", self.program.display()))
    }
}

/// The pause after a death, given the one before and how long the plane ran since.
fn pause_after(before: Duration, ran: Duration) -> Duration {
    if ran > STEADY { BACK_OFF } else { (before * 2).clamp(BACK_OFF, BACK_OFF_MAX) }
}

/// Keeps a plane running until the node stops.
async fn keep(
    mut recipe: Recipe,
    mut stop: watch::Receiver<Wish>,
    pid: Arc<AtomicU32>,
    by_itself: Arc<OnceLock<String>>,
) {
    let end_at = recipe.plane.ends_at();
    let mut pause = Duration::ZERO;
    loop {
        let began = Instant::now();
        match recipe.start() {
            Ok(mut child) => {
                pid.store(child.id().unwrap_or(0), Ordering::Relaxed);
                let ended = tokio::select! {
                    ended = child.wait() => Some(ended),
                    _ = stop.wait_for(|wish| *wish >= end_at) => None,
                };
                let Some(ended) = ended else {
                    end(&mut child, recipe.plane).await;
                    pid.store(0, Ordering::Relaxed);
                    return;
                };
                pid.store(0, Ordering::Relaxed);
                if let Some(code @ (1 | 2)) = ended.as_ref().ok().and_then(ExitStatus::code) {
                    // It cannot run like this: at the start of a node that is told instead of tried again. A node that ran goes on trying.
                    let _ = by_itself.set(format!("the {} ended with exit code {code}", recipe.plane.name()));
                }
                let how = ended.map_or_else(|error| error.to_string(), words);
                tracing::error!(plane = ?recipe.plane, how, "a plane died and is started again");
            }
            Err(error) => {
                tracing::error!(plane = ?recipe.plane, error = format!("{error:#}"), "a plane cannot be started")
            }
        }
        pause = pause_after(pause, began.elapsed());
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.wait_for(|wish| *wish >= end_at) => return,
        }
    }
}

fn words(status: ExitStatus) -> String {
    match status.signal() {
        Some(signal) => format!("killed by signal {signal}"),
        None => status.to_string(),
    }
}

/// Asks a plane to end, then ends it.
async fn end(child: &mut Child, plane: Plane) {
    let pid = child.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?));
    if let Some(pid) = pid {
        // A child that has ended meanwhile is what we want.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    if tokio::time::timeout(STOP_MAX, child.wait()).await.is_err() {
        tracing::error!(?plane, "a plane did not end when asked and is killed");
        let _ = child.kill().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_that_dies_at_once_is_started_ever_more_rarely_and_one_that_ran_is_started_at_once() {
        let at_once = |before: &Duration| Some(pause_after(*before, Duration::from_millis(5)));
        let pauses: Vec<u128> =
            std::iter::successors(Some(BACK_OFF), at_once).take(9).map(|pause| pause.as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
        assert_eq!(pause_after(BACK_OFF_MAX, STEADY + LOOK), BACK_OFF);
        assert_eq!(pause_after(Duration::ZERO, Duration::ZERO), BACK_OFF);
    }
}
