//! Makes the local database what the pure core says, step by step, as often as it is told.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use cluster::{Local, Process, Replica, Role};
use tokio::sync::watch;
use units::NodeId;

use crate::copy;
use crate::guard::Guarded;
use crate::metrics::Counts;
use crate::server::{PATIENCE, Place, Server, life_argument};
use crate::settings::Pair;
use crate::status::Told;
use crate::trouble::Trouble;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// Between two looks at databases that are being handed over, this one and the other.
pub const HASTE: Duration = Duration::from_millis(10);
/// Between two tries of what failed.
const AGAIN: Duration = Duration::from_millis(500);
/// So long a primary that died stays dead at least: several looks of the core.
const MOURNED: Duration = Duration::from_millis(500);
/// "The requested position is not in the other's binary log": this one has what the other lacks, or the other forgot too much.
const NOT_IN_BINLOG: u32 = 1_236;
/// In the database's folder: it took writes, and has neither followed nor stopped them in order since.
const LED: &str = "led";

/// The database's process, reached by whoever may kill it.
#[derive(Clone, Debug, Default)]
pub struct Slot {
    guard: Arc<Mutex<Option<Arc<Guarded>>>>,
}

impl Slot {
    /// The process, dead or alive.
    pub fn guard(&self) -> Option<Arc<Guarded>> {
        self.guard.lock().expect("nobody panics with the guard").clone()
    }

    fn put(&self, guard: Guarded) {
        *self.guard.lock().expect("nobody panics with the guard") = Some(Arc::new(guard));
    }

    /// The process, if it lives.
    pub fn alive(&self) -> Option<Arc<Guarded>> {
        self.guard().filter(|guard| guard.is_alive())
    }
}

/// What the database must be.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// As the core says.
    pub role: Role,
    /// Rises whenever the role becomes another.
    pub number: u64,
}

impl Default for Wanted {
    fn default() -> Wanted {
        Wanted { role: Role::Stopped, number: 0 }
    }
}

/// What the database says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// As the core takes it.
    pub local: Local,
    /// It was asked after it had been told what [`Wanted`] of this number says.
    pub number: u64,
    /// Of a replica: how many seconds it is behind; `None`: it does not follow.
    pub behind_s: Option<u32>,
    /// How many commits it has received, applied or not.
    pub stored: u64,
}

/// One database of the pair.
#[derive(Debug)]
pub struct Agent {
    settings: Arc<Pair>,
    slot: Slot,
    told: Told,
    trouble: Trouble,
    server: Option<Server>,
    /// Holds all writes back as long as it is there.
    lock: Option<Server>,
    /// A copy of the primary's database that is on its way.
    copying: Option<tokio::task::JoinHandle<Result<()>>>,
    /// Which life the process is: drawn when it is started.
    life: u64,
    /// Whom this process was told to follow.
    follows: Option<NodeId>,
    /// It receives from there, or tries to.
    receives: bool,
    local: Local,
    behind_s: Option<u32>,
    stored: u64,
    /// When the process was found dead while it was primary.
    died: Option<Instant>,
    /// When it answered last.
    answered: Option<Instant>,
}

impl Agent {
    /// Starts nothing yet.
    pub fn new(settings: Arc<Pair>, slot: Slot, told: Told) -> Agent {
        let local = Local::default();
        let trouble = Trouble::of(&settings.database.data);
        Agent {
            settings,
            slot,
            told,
            trouble,
            server: None,
            lock: None,
            copying: None,
            life: 0,
            follows: None,
            receives: false,
            local,
            behind_s: None,
            stored: 0,
            died: None,
            answered: None,
        }
    }

    /// Carries out the role that is wanted, and tells what the database says, until nobody wants anything.
    pub async fn run(
        mut self,
        mut wanted: watch::Receiver<Wanted>,
        replica: watch::Receiver<Replica>,
        seen: watch::Sender<Seen>,
    ) {
        let mut failed = String::new();
        loop {
            let Wanted { role, number } = *wanted.borrow_and_update();
            self.behind_s = None;
            let done = self.become_role(role).await;
            let pause = match role {
                _ if done.is_err() => AGAIN,
                // Nobody writes until this is over.
                Role::Frozen { .. } => HASTE,
                _ => LOOK,
            };
            let why = done.err().map_or_else(String::new, |error| format!("{error:#}"));
            if why != failed && !why.is_empty() {
                tracing::warn!(?role, why, "the database is not there yet");
            }
            failed = why;
            // First the replica: whatever an earlier life of it acknowledged is behind the position that is read now.
            let replica = *replica.borrow();
            self.look().await;
            self.local.replica = replica;
            if let Some((why, disk_percent)) = self.trouble.look(&failed, self.local.process) {
                self.told.database(|status| (status.why, status.disk_percent) = (why, disk_percent));
            }
            let (behind_s, stored) = (self.behind_s, self.stored.max(self.local.position));
            seen.send_replace(Seen { local: self.local, number, behind_s, stored });
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                changed = wanted.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn become_role(&mut self, role: Role) -> Result<()> {
        if let Role::Stopped = role {
            if let Some(guard) = self.slot.alive() {
                guard.kill();
            }
            return Ok(());
        }
        if let Role::Clone(from) = role {
            return self.copy(from).await;
        }
        if self.copying.is_some() {
            return self.copied().await;
        }
        let leads = matches!(role, Role::Primary { .. } | Role::Frozen { .. });
        if self.slot.alive().is_none() {
            self.forget();
            // The core has to see that a primary died, or it would be started again although the other could take over at once.
            if leads && self.died.get_or_insert_with(Instant::now).elapsed() < MOURNED {
                return Ok(());
            }
            self.died = None;
            return self.start(role);
        }
        self.died = None;
        match role {
            Role::Stopped | Role::Clone(_) => Ok(()),
            Role::Standby => self.stand_by().await,
            Role::Replica(of) => self.follow(of).await,
            Role::Primary { wait, .. } => self.lead(wait, false).await,
            Role::Frozen { wait, .. } => self.lead(wait, true).await,
        }
    }

    /// Takes a fresh copy of the database on that node, once the own process is dead.
    async fn copy(&mut self, from: NodeId) -> Result<()> {
        if let Some(guard) = self.slot.alive() {
            guard.kill();
            return Ok(());
        }
        if self.copying.is_none() {
            let settings = self.settings.clone();
            let host = *settings.database.nodes.get(&from.0).with_context(|| format!("no database on node {from}"))?;
            Counts::add(&self.told.counts.copies);
            self.copying = Some(tokio::task::spawn_blocking(move || copy::fetch(&settings, host)));
        }
        self.copied().await
    }

    /// Looks whether the copy is there.
    async fn copied(&mut self) -> Result<()> {
        if self.copying.as_ref().is_none_or(|copying| !copying.is_finished()) {
            return Ok(());
        }
        if let Some(copying) = self.copying.take() {
            copying.await?.context("cannot copy the primary's database")?;
            self.local.diverged = false;
        }
        Ok(())
    }

    /// What belonged to a process that is gone.
    fn forget(&mut self) {
        (self.server, self.lock, self.follows, self.receives) = (None, None, None, false);
        self.answered = None;
        self.local = Local { diverged: self.local.diverged, ..Local::default() };
    }

    fn start(&mut self, role: Role) -> Result<()> {
        // Nobody draws a number of 52 bits twice. What reads JSON may take it for a fraction from 54 on.
        self.life = 1 + (rand::random::<u64>() >> 12);
        let database = &self.settings.database;
        let data = &database.data;
        // A server that starts removes what others of its kind left in the folder for temporary tables: in a shared one, living tables too.
        let temporary = self.temporary();
        let _ = std::fs::remove_dir_all(&temporary);
        std::fs::create_dir_all(&temporary).with_context(|| format!("cannot make {}", temporary.display()))?;
        if let Some(user) = &database.system_user {
            hand_to(user, &temporary)?;
        }
        if !data.join("mysql").is_dir() {
            found(data, &temporary, database.system_user.as_deref())?;
        }
        let init = data.join("keeper.sql");
        write_secret(&init, &self.init_file()).context("cannot write keeper.sql")?;
        if let Some(user) = &database.system_user {
            hand_to(user, &init)?;
        }
        // A server that was killed leaves its socket.
        let _ = std::fs::remove_file(self.socket());
        let log = self.trouble.starts().to_owned();
        let guard = Guarded::start(&self.words(&init, role), database.address.as_ref(), Some(&log));
        self.slot.put(guard.context("cannot start the database's guard")?);
        Counts::add(&self.told.counts.starts);
        Ok(())
    }

    /// The database's program and arguments: always read-only. Where it was primary and another is, recovery cuts what no replica has.
    /// Else it keeps everything: the last commits that were acknowledged may stand in the binary log alone.
    fn words(&self, init: &Path, role: Role) -> Vec<String> {
        let (database, node) = (&self.settings.database, self.settings.node);
        let cuts = matches!(role, Role::Replica(_)) && database.data.join(LED).exists();
        let mut words: Vec<String> = ["setpriv", "--pdeathsig", "KILL"].map(str::to_owned).into();
        if let Some(user) = &database.system_user {
            words.extend([format!("--reuid={user}"), format!("--regid={user}"), "--init-groups".to_owned()]);
        }
        words.extend(["mariadbd", "--no-defaults"].map(str::to_owned));
        if database.system_user.as_deref().is_none_or(|user| user == "root") {
            words.push("--user=root".to_owned());
        }
        words.extend([
            format!("--datadir={}", database.data.display()),
            format!("--socket={}", self.socket().display()),
            format!("--tmpdir={}", self.temporary().display()),
            format!("--pid-file={}", database.data.join("pid").display()),
            format!("--init-file={}", init.display()),
            format!("--port={}", database.port),
            format!("--bind-address={}", self.settings.listens()),
            format!("--server-id={node}"),
            format!("--init-rpl-role={}", if cuts { "SLAVE" } else { "MASTER" }),
        ]);
        words.extend(USUAL.iter().map(|word| (*word).to_owned()));
        words.extend(database.arguments.iter().cloned());
        words.push(life_argument(self.life));
        words.extend(ALWAYS.iter().map(|word| (*word).to_owned()));
        if self.settings.remote.is_some() {
            // The last word counts. A commit must never be acknowledged because it reached another data centre.
            words.push("--rpl-semi-sync-slave-enabled=0".to_owned());
        }
        words
    }

    /// Done at each start and by each server for itself: users are not replicated.
    fn init_file(&self) -> String {
        let database = &self.settings.database;
        let (keeper, password, user_password) = (crate::server::USER, &database.password, &database.user_password);
        let name = &database.name;
        format!(
            "SET SESSION sql_log_bin=0;\n\
             CREATE DATABASE IF NOT EXISTS `{name}`;\n\
             CREATE OR REPLACE USER {keeper}@'%' IDENTIFIED BY '{password}';\n\
             GRANT ALL ON *.* TO {keeper}@'%' WITH GRANT OPTION;\n\
             CREATE OR REPLACE USER tandem@'%' IDENTIFIED BY '{user_password}';\n\
             GRANT ALL ON `{name}`.* TO tandem@'%';\n\
             GRANT SLAVE MONITOR, BINLOG MONITOR ON *.* TO tandem@'%';\n"
        )
    }

    /// Its folder for temporary tables, beside its data: in it, it would be taken for a schema.
    fn temporary(&self) -> PathBuf {
        self.settings.database.data.with_extension("tmp")
    }

    fn socket(&self) -> PathBuf {
        self.settings.database.data.join("socket")
    }

    async fn server(&mut self) -> Result<&mut Server> {
        if self.server.is_none() {
            let place = Place::Socket(self.socket());
            self.server = Some(Server::connect(&place, &self.settings.database.password).await?);
        }
        Ok(self.server.as_mut().expect("it was put there"))
    }

    /// A database that takes writes is never told to take none: it is killed.
    async fn must_be_read_only(&mut self) -> Result<()> {
        if !self.server().await?.is_on("read_only").await? {
            if let Some(guard) = self.slot.alive() {
                guard.kill();
            }
            bail!("a database that took writes is killed before it follows");
        }
        if let Some(mut lock) = self.lock.take() {
            // Handed over: nothing is on its way. Who waits to write must go where the primary is.
            lock.tell("KILL HARD CONNECTION USER tandem").await?;
            lock.tell("UNLOCK TABLES").await?;
        }
        Ok(())
    }

    async fn stand_by(&mut self) -> Result<()> {
        self.must_be_read_only().await?;
        if self.receives {
            // It goes on applying: it may be about to become primary, and starting to apply anew would throw away what it received.
            self.server().await?.stop_receiving().await?;
            self.receives = false;
        }
        Ok(())
    }

    /// Remembers whether the database takes writes, or took them last: how it recovers depends on it.
    fn note_reign(&self, leads: bool) -> Result<()> {
        let path = self.settings.database.data.join(LED);
        if leads != path.exists() {
            let done = if leads { std::fs::File::create(&path).map(drop) } else { std::fs::remove_file(&path) };
            let kept = done.and_then(|()| std::fs::File::open(&self.settings.database.data)?.sync_all());
            kept.with_context(|| format!("cannot change {}", path.display()))?;
        }
        Ok(())
    }

    async fn follow(&mut self, of: NodeId) -> Result<()> {
        // What another one said of this database says nothing about the one that is to be followed.
        self.local.diverged &= self.follows == Some(of);
        self.must_be_read_only().await?;
        let database = self.settings.database.clone();
        let host = *database.nodes.get(&of.0).with_context(|| format!("no database is known on node {of}"))?;
        if self.follows != Some(of) {
            self.note_reign(false)?;
            let copied = copy::copied(&database.data);
            let (place, acknowledges) = ((host, database.port), self.settings.remote.is_none());
            self.server().await?.follow(place, &database.password, acknowledges, copied.as_deref()).await?;
            if copied.is_some() {
                copy::followed(&database.data)?;
            }
            (self.follows, self.receives) = (Some(of), true);
            self.local.diverged = false;
            return Ok(());
        }
        let Some(following) = self.server().await?.following().await? else {
            self.follows = None;
            return Ok(());
        };
        self.behind_s = following.behind_s;
        self.local.diverged = following.receive_error == NOT_IN_BINLOG || following.apply_error != 0;
        if self.local.diverged {
            return Ok(());
        }
        if !following.has_receiver && !following.applies {
            // Somebody stopped both, and starting both would throw away what the primary counts on: that takes another life.
            if let Some(guard) = self.slot.alive() {
                guard.kill();
            }
            bail!("a replica that neither receives nor applies is started again");
        }
        // A receiver that cannot connect tries again by itself. One that was ended says for ever why it could not connect before.
        if !following.has_receiver || !following.applies {
            self.server().await?.tell("START SLAVE").await?;
            self.receives = true;
        }
        Ok(())
    }

    async fn lead(&mut self, wait: bool, freeze: bool) -> Result<()> {
        if freeze {
            return self.freeze().await;
        }
        if self.server().await?.is_on("read_only").await? {
            self.promote(wait).await?;
        }
        if let Some(mut lock) = self.lock.take() {
            lock.tell("UNLOCK TABLES").await?;
        }
        let server = self.server().await?;
        if server.is_on("rpl_semi_sync_master_enabled").await? != wait {
            server.tell(&format!("SET GLOBAL rpl_semi_sync_master_enabled={}", u8::from(wait))).await?;
        }
        Ok(())
    }

    /// Stops writes so that nothing is left on its way; a database that took none stays as it is.
    async fn freeze(&mut self) -> Result<()> {
        if self.lock.is_some() || self.server().await?.is_on("read_only").await? {
            return Ok(());
        }
        let place = Place::Socket(self.socket());
        let mut lock = Server::connect(&place, &self.settings.database.password).await?;
        // It waits for commits that are under way, and they for the replica: after it read-only commits nothing.
        lock.tell("FLUSH TABLES WITH READ LOCK").await?;
        lock.tell("SET GLOBAL read_only=1").await?;
        // Who waits for the lock hears that it is over while the address is still here: later nothing would reach him.
        lock.tell("KILL HARD CONNECTION USER tandem").await?;
        self.lock = Some(lock);
        // Its replica has everything: nothing of it is to be cut.
        self.note_reign(false)
    }

    /// Applies everything received, then takes writes.
    async fn promote(&mut self, wait: bool) -> Result<()> {
        let remote = self.settings.remote.is_some();
        let server = self.server().await?;
        if let Some(following) = server.following().await? {
            // Whoever starts to apply while nobody receives begins with throwing away what was received: it would be fetched again.
            if !following.applies && following.has_receiver {
                server.tell("START SLAVE SQL_THREAD").await?;
            }
            server.stop_receiving().await?;
            let following = server.following().await?.unwrap_or(following);
            let left = following.stored.saturating_sub(server.position().await?);
            let error = following.apply_error;
            // Whoever promotes a remote replica accepted that something is lost, and nobody else has it.
            let left = if remote && error != 0 { 0 } else { left };
            ensure!(left == 0 || following.applies, "{left} commits are received and cannot be applied: error {error}");
            ensure!(left == 0, "{left} commits are received and not applied");
            server.tell("STOP SLAVE").await?;
            server.tell("RESET SLAVE ALL").await?;
        }
        server.tell("SET GLOBAL rpl_semi_sync_slave_enabled=0").await?;
        server.tell(&format!("SET GLOBAL rpl_semi_sync_master_enabled={}", u8::from(wait))).await?;
        let may = self.slot.alive().is_some_and(|guard| guard.may_write());
        ensure!(may, "the time to be primary is over or not known to the guard");
        self.note_reign(true)?;
        self.server().await?.tell("SET GLOBAL read_only=0").await?;
        (self.follows, self.receives) = (None, false);
        Counts::add(&self.told.counts.promotions);
        tracing::info!(wait, "the database takes writes");
        Ok(())
    }

    async fn look(&mut self) {
        if self.slot.alive().is_none() {
            self.forget();
            if self.copying.is_some() {
                self.local.process = Process::Silent;
            }
            return;
        }
        let before = self.local;
        let seen = tokio::time::timeout(PATIENCE, self.ask()).await;
        self.local = match seen {
            Ok(Ok(local)) if local.process == Process::Running => {
                self.answered = Some(Instant::now());
                local
            }
            other => {
                // One that waits for room on its disk answers questions, and nobody who writes.
                let known = other.ok().and_then(Result::ok);
                if known.is_none() {
                    self.server = None;
                }
                let silent = self.answered.map_or(Duration::ZERO, |answered| answered.elapsed());
                let silent_ms = u64::try_from(silent.as_millis()).unwrap_or(u64::MAX);
                Local { process: Process::Silent, silent_ms, ..known.unwrap_or(before) }
            }
        };
    }

    /// In this order: every commit that was acknowledged alone is before a position that was read while commits wait, and nothing is on
    /// its way behind a position that was read while frozen.
    async fn ask(&mut self) -> Result<Local> {
        let (diverged, life, is_full) = (self.local.diverged, self.life, self.trouble.is_full());
        let server = self.server().await?;
        let writable = !server.is_on("read_only").await?;
        let waits = server.is_on("rpl_semi_sync_master_enabled").await?;
        let following = if writable { None } else { server.following().await? };
        let position = server.position().await?;
        let stuck = is_full && server.waits_for_room().await?;
        let (receives, stored) = following.map_or((false, 0), |following| (following.has_receiver, following.stored));
        (self.receives, self.stored) = (receives, stored);
        let (frozen, drained) = (!writable, !receives && position >= stored);
        let replica = Replica::default();
        let (process, silent_ms) = (if stuck { Process::Silent } else { Process::Running }, 0);
        Ok(Local { process, silent_ms, writable, frozen, waits, life, position, drained, diverged, replica })
    }
}

/// What an operator may change: the binary log holds what changed, and no text of statements.
const USUAL: &[&str] = &["--binlog-row-image=MINIMAL", "--binlog-annotate-row-events=OFF"];

/// What no operator may change.
const ALWAYS: &[&str] = &[
    "--read-only=1",
    "--skip-slave-start",
    "--rpl-semi-sync-slave-enabled=1",
    "--rpl-semi-sync-master-enabled=0",
    "--rpl-semi-sync-master-wait-point=AFTER_SYNC",
    // It never goes on alone by itself: fifty days.
    "--rpl-semi-sync-master-timeout=4294967295",
    "--log-bin=tandem-bin",
    "--relay-log=tandem-relay",
    "--log-slave-updates",
    "--binlog-format=ROW",
    "--gtid-strict-mode=1",
    "--gtid-domain-id=0",
    "--sync-binlog=1",
    "--innodb-flush-log-at-trx-commit=1",
    "--slave-net-timeout=4",
    "--rpl-semi-sync-slave-kill-conn-timeout=1",
    "--skip-name-resolve",
    "--lock-wait-timeout=5",
];

/// Makes the tables of a server.
fn found(data: &Path, temporary: &Path, user: Option<&str>) -> Result<()> {
    let out = Command::new("mariadb-install-db")
        .args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=socket"])
        .arg(format!("--datadir={}", data.display()))
        .arg(format!("--user={}", user.unwrap_or("root")))
        .env("TMPDIR", temporary)
        .stdin(Stdio::null())
        .output()
        .context("mariadb-install-db cannot be run: is mariadb-server installed?")?;
    let said = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "mariadb-install-db: {}", said.trim());
    Ok(())
}

/// Gives a file or a folder to a user of the system.
pub fn hand_to(user: &str, file: &Path) -> Result<()> {
    let done = Command::new("chown").arg("-R").arg(format!("{user}:")).arg(file).status()?;
    ensure!(done.success(), "cannot give {} to {user}", file.display());
    Ok(())
}

/// Written so that only its owner may read it.
pub fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
