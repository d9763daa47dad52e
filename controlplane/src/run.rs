//! The program `tandem-controlplane`: opens the database, connects to the data plane, and does everything that may wait until it is
//! asked to end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use store::{LaterStep, Reports, Store, migration_plan};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use units::NodeId;

use crate::alarming;
use crate::certificates::{Certificates, StirOptions};
use crate::collect::Collector;
use crate::fence;
use crate::files::{self, FilesOptions};
use crate::folder::{Folder, write_secret};
use crate::inbox;
use crate::jobs::{self, Workers};
use crate::link::Link;
use crate::machine;
use crate::notify::{self, Relay};
use crate::posts::Posts;
use crate::publish::Publisher;
use crate::search::{self, SearchOptions};
use crate::services::{WebApply, WebLink};
use crate::together::{Cluster, ClusterOptions, ControlRole};
use crate::webhooks;

/// How often is looked whether the token in the folder is still good.
const LOGIN_CHECKED: Duration = Duration::from_secs(5);

/// Pause between attempts to open the database.
const RETRY: Duration = Duration::from_secs(1);

/// Publishes snapshots, collects CDRs, keeps the ledger and serves operators.
#[derive(Clone, Debug, Parser)]
#[command(name = "tandem-controlplane", version, subcommand_negates_reqs = true)]
pub struct Settings {
    /// The data folder that it shares with the data plane.
    #[arg(long, value_name = "DIR", required = true)]
    pub data: Option<PathBuf>,
    /// Where API and GUI are served.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    pub http: SocketAddr,
    /// A proxy before the pages, once for each: where a request came from is what its X-Forwarded-For says last. In TANDEM_HTTP_BEHIND with commas
    /// between.
    #[arg(long, value_name = "ADDR[/BITS]", env = "TANDEM_HTTP_BEHIND", value_delimiter = ',')]
    pub http_behind: Vec<String>,
    /// sqlite:PATH or mysql://USER:PASSWORD@HOST/NAME; SQLite in the data folder if not given.
    #[arg(long, value_name = "URL", env = "TANDEM_DATABASE", hide_env_values = true)]
    pub database: Option<String>,
    /// A replica of the database, as mysql://USER:PASSWORD@HOST/NAME, that searches and reports are read at as long as it is not more than
    /// 10 s behind; the database of this node's own keeper does, whether replica or primary.
    #[arg(long, value_name = "URL", env = "TANDEM_REPLICA", hide_env_values = true)]
    pub replica: Option<String>,
    /// This machine's number in the cluster.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub node: u16,
    /// The other nodes.
    #[command(flatten)]
    pub together: ClusterOptions,
    /// The relay for mail about balances: smtp://HOST:PORT, smtps://USER:PASSWORD@HOST, `?tls=required` for STARTTLS. No mail without it.
    #[arg(long, value_name = "URL", env = "TANDEM_SMTP", hide_env_values = true)]
    pub smtp: Option<String>,
    /// Whom mail about balances is from.
    #[arg(long, value_name = "ADDRESS", default_value = "tandem@localhost")]
    pub mail_from: String,
    /// A private network that notices and webhooks may be posted to, once for each; public addresses alone if not given. In TANDEM_POSTS_TO with
    /// commas between.
    #[arg(long, value_name = "ADDR[/BITS]", env = "TANDEM_POSTS_TO", value_delimiter = ',')]
    pub posts_to: Vec<String>,
    /// Who is believed that signs for callers.
    #[command(flatten)]
    pub stir: StirOptions,
    /// Where finished recordings and captures go.
    #[command(flatten)]
    pub files: FilesOptions,
    /// Who finds CDRs.
    #[command(flatten)]
    pub search: SearchOptions,
    /// The ledger answers although MariaDB waits for a replica (semi-synchronous replication) and none acknowledges. Without it nodes
    /// live on what they hold until one does: a grant that only a lost database knew would be lent twice.
    #[arg(long)]
    pub ledger_alone: bool,
    /// What to log: error, warn, info, debug, trace, or a filter by module.
    #[arg(long, value_name = "FILTER", default_value = "info,sqlx=warn")]
    pub log: String,
    /// Something else than running.
    #[command(subcommand)]
    pub order: Option<Order>,
}

/// What the program does instead of running.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum Order {
    /// Prints the API's description (OpenAPI 3.1).
    Openapi,
}

/// Runs until SIGTERM or Ctrl-C.
pub async fn run(settings: Settings) -> Result<()> {
    run_with(settings, &[]).await
}

/// The same as a later version, whose database has these steps too.
pub async fn run_with(settings: Settings, later: &[LaterStep]) -> Result<()> {
    if let Some(Order::Openapi) = settings.order {
        say!("{}", web::openapi_text());
        return Ok(());
    }
    let path = settings.data.clone().context("--data is needed")?;
    let folder = Folder::open(&path).with_context(|| format!("cannot use {}", path.display()))?;
    let _own = folder.own().with_context(|| format!("another control plane works in {}", path.display()))?;
    let mut asked_to_end = std::pin::pin!(asked_to_end()?);
    let url = settings.database.clone().unwrap_or_else(|| folder.default_database());
    may_work_with(&settings, &url)?;
    let posts = Posts::to(&settings.posts_to).map_err(anyhow::Error::msg).context("--posts-to")?;
    let certificates = Certificates::of(&settings.stir)?;
    let proxies = web::Proxies::read(&settings.http_behind).map_err(anyhow::Error::msg).context("--http-behind")?;
    let store = tokio::select! {
        store = open(&url, later) => store?,
        () = &mut asked_to_end => return Ok(()),
    };
    store.answer_alone(settings.ledger_alone);
    let listener = listener(&settings).await?;
    write_secret(&folder.database(), &url).context("cannot write run/database")?;
    let tokens = Arc::new(web::OneTimeTokens::default());
    let login = tokens.issue();
    write_secret(&folder.login(), &login).context("cannot write run/login")?;
    tokio::spawn(renew_login(folder.login(), tokens.clone(), login));

    let node = NodeId(settings.node);
    let link = Link::start(folder.socket(), store.clone(), certificates);
    fence::watch(store.clone(), link.clone(), node);
    let publisher = Publisher::start(store.clone(), folder.clone(), link.clone());
    let collector = Collector::start(store.clone(), &folder, node, link.clone()).context("cannot read the journal")?;
    let workers = workers(&settings, &store, &folder, posts)?;
    alarming::start(store.clone(), link.clone(), node, collector.progress());
    let files = files::start(&folder, &settings.files)?;
    let search = search::start(&folder, &settings.search, &store)?;
    let machine = machine::start(&folder);
    let cluster = Cluster::start(&settings.together, node, &link, &machine).context("the cluster cannot be watched")?;
    let reports = Reports::new(store.clone(), settings.replica.clone());
    let services = web::Services {
        store: store.clone(),
        link: Arc::new(WebLink { link, progress: collector.progress() }),
        data_dir: folder.path().to_owned(),
        publish: publisher.bell(),
        apply: Arc::new(WebApply { store, publisher }),
        files: files.clone(),
        search,
        one_time_tokens: tokens,
        node,
        reports,
        machine,
        cluster: cluster.map(|cluster| cluster as Arc<dyn web::Cluster>),
        proxies,
        version: env!("CARGO_PKG_VERSION").into(),
    };
    tokio::select! {
        served = serve(listener, services) => served?,
        () = &mut asked_to_end => {}
    }
    drop(workers);
    files.stop();
    collector.stop().await;
    tracing::info!("the control plane has ended");
    Ok(())
}

/// Where the API and the pages are served, if they are.
async fn listener(settings: &Settings) -> Result<Option<TcpListener>> {
    if !settings.together.does(ControlRole::Web) {
        return Ok(None);
    }
    let bound = TcpListener::bind(settings.http).await;
    bound.map(Some).with_context(|| format!("cannot listen on {}", settings.http))
}

/// Serves them until that breaks; without them, for ever.
async fn serve(listener: Option<TcpListener>, services: web::Services) -> Result<()> {
    let Some(listener) = listener else {
        tracing::info!("the control plane works, and serves nobody");
        return std::future::pending().await;
    };
    tracing::info!(http = ?listener.local_addr().ok(), "the control plane serves");
    web::serve(listener, services).await.context("the web broke")
}

/// Begins what a worker does, if this is one.
fn workers(settings: &Settings, store: &Store, folder: &Folder, posts: Posts) -> Result<Option<Workers>> {
    if !settings.together.does(ControlRole::Worker) {
        return Ok(None);
    }
    tokio::spawn(inbox::watch(store.clone(), folder.clone()));
    let relay = Relay { url: settings.smtp.clone(), from: settings.mail_from.clone(), posts: posts.clone() };
    notify::start(store.clone(), &relay)?;
    webhooks::start(store.clone(), posts);
    Ok(Some(Workers::start(store, NodeId(settings.node), jobs::LOCK)))
}

/// Nodes of a cluster keep one ledger: an SQLite file is one node's own, and each would lend the same money.
fn may_work_with(settings: &Settings, url: &str) -> Result<()> {
    let shared = [("--etcd", !settings.together.etcd.etcd.is_empty()), ("--replica", settings.replica.is_some())];
    let asked = shared.iter().find(|(_, is_given)| *is_given).map_or("", |(option, _)| *option);
    let is_file = url.starts_with("sqlite:");
    ensure!(
        asked.is_empty() || !is_file,
        "{asked} is for nodes that share a database: give --database mysql://…, not {url}"
    );
    Ok(())
}

/// Opens the database, however long it takes: the data plane does not wait for it.
async fn open(url: &str, later: &[LaterStep]) -> Result<Store> {
    let mut complained = false;
    loop {
        match Store::open_with(url, later).await {
            Ok(store) => {
                tell_later(url, later).await;
                return Ok(store);
            }
            Err(error) if error.is_away() => {
                if !complained {
                    tracing::warn!(%error, "waiting for the database");
                    complained = true;
                }
                tokio::time::sleep(RETRY).await;
            }
            Err(error) => return Err(error).context("the database cannot be used"),
        }
    }
}

/// Says so where another node has a later version already.
async fn tell_later(url: &str, known: &[LaterStep]) {
    let later = migration_plan(url).await.map(|plan| plan.later).unwrap_or_default();
    for (step, name) in later.iter().filter(|(step, _)| known.iter().all(|known| known.version != *step)) {
        tracing::info!(step, name, "the database has a step of a later version, which only adds");
    }
}

fn asked_to_end() -> Result<impl Future<Output = ()>> {
    let mut term = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Whoever may read the folder may come in at any time, also after the password of the last administrator is lost: a token that
/// was used, or ends soon, is followed by another.
async fn renew_login(file: PathBuf, tokens: Arc<web::OneTimeTokens>, mut login: String) {
    loop {
        tokio::time::sleep(LOGIN_CHECKED).await;
        if tokens.stands(&login) {
            continue;
        }
        login = tokens.issue();
        if let Err(error) = write_secret(&file, &login) {
            tracing::warn!(error = %error, "run/login cannot be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use crate::together::ControlRole;

    #[test]
    fn the_command_line_is_sound() {
        super::Settings::command().debug_assert();
    }

    #[test]
    fn a_control_plane_serves_and_works_unless_it_is_told_otherwise() {
        let does = |words: &[&str]| {
            let told = super::Settings::parse_from([&["tandem-controlplane", "--data", "x"], words].concat());
            [ControlRole::Web, ControlRole::Worker].map(|role| told.together.does(role))
        };
        assert_eq!(does(&[]), [true, true]);
        assert_eq!(does(&["--roles", "web"]), [true, false]);
        assert_eq!(does(&["--roles", "worker,controller"]), [false, true]);
        assert_eq!(does(&["--roles=controller"]), [false, false]);
    }

    #[test]
    fn nodes_of_a_cluster_do_not_keep_a_ledger_each() {
        let told = |words: &[&str], url: &str| {
            let words = [&["tandem-controlplane", "--data", "x"], words].concat();
            super::may_work_with(&super::Settings::parse_from(words), url).map_err(|refused| refused.to_string())
        };
        let (file, server) = ("sqlite:/x/tandem.sqlite", "mysql://x@localhost/tandem");
        assert_eq!(told(&[], file), Ok(()));
        for words in [["--etcd", "http://192.0.2.1:2379"], ["--replica", "mysql://x@192.0.2.2/tandem"]] {
            assert_eq!(told(&words, server), Ok(()));
            assert!(told(&words, file).is_err_and(|refused| refused.starts_with(words[0])), "{words:?}");
        }
    }
}
