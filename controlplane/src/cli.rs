//! The command line `tandem`: nouns and verbs, tables for people and JSON for programs.
//!
//! Data goes to stdout, talk to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 differences found, 4 not found,
//! 5 refused.

mod accounts;
mod acts;
mod balancer;
mod calls;
mod cdr;
mod changing;
mod compare;
mod db;
mod deck;
mod doctor;
mod external;
mod files;
mod host;
mod invoices;
mod jobs;
mod journal;
mod keys;
mod limits;
mod manual;
mod node;
mod objects;
mod past;
mod recordings;
mod replay;
mod rerate;
mod revision;
mod route;
mod search;
mod standings;
mod stats;
mod top;
mod trace;
mod up;
mod users;
mod watch;
mod webhooks;
mod whatif;
mod which;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand, ValueEnum};
use store::{MigrationPlan, Store, StoreError, migration_plan};
use units::CallId;
use web::problem::{Code, Problem};

use crate::apply::{self, ApplyError, Input};
use crate::folder::Folder;
use watch::Watch;

/// Exit code: the command line cannot be understood.
const EXIT_MISUSED: u8 = 2;
/// Exit code: something is not as it should be.
const EXIT_DIFFERENT: u8 = 3;
/// Exit code: there is no such thing.
const EXIT_NOT_FOUND: u8 = 4;
/// Exit code: refused, or in conflict with what stands.
const EXIT_REFUSED: u8 = 5;

/// A Class 4 VoIP switch.
#[derive(Debug, Parser)]
#[command(
    name = "tandem",
    version,
    arg_required_else_help = true,
    after_help = "The programs beside this one are commands too, each with its own --help: loadtest, tune, cluster, keeper."
)]
pub struct Cli {
    #[command(subcommand)]
    noun: Noun,
}

#[derive(Debug, Subcommand)]
enum Noun {
    /// Runs a whole node on this machine until Ctrl-C.
    Up(Box<up::Arguments>),
    /// A whole switch with traffic on this machine, gone on Ctrl-C.
    Demo(Box<crate::demo::Arguments>),
    /// Makes the switch as a YAML file says.
    Apply(ApplyArguments),
    /// What nodes said that somebody should look at: what stands of it.
    Alarms(webhooks::Alarms),
    /// Balances, statements, payments and notices.
    #[command(subcommand, alias = "account")]
    Accounts(accounts::Verb),
    /// The balancer on this machine and the cores behind it.
    #[command(subcommand)]
    Balancer(balancer::Verb),
    /// Running calls.
    #[command(subcommand, alias = "call")]
    Calls(calls::Verb),
    /// Call detail records.
    #[command(subcommand, alias = "cdrs")]
    Cdr(cdr::Verb),
    /// Invoices: what an account's calls of a month cost, by destination and price.
    #[command(subcommand, alias = "invoice")]
    Invoices(invoices::Verb),
    /// Calls of a period priced once more after a deck was corrected: a report before and after, booked once.
    #[command(subcommand)]
    Rerate(rerate::Verb),
    /// The journal between data plane and database.
    #[command(subcommand)]
    Journal(journal::Verb),
    /// The database: bringing it up to date, backup, restore.
    #[command(subcommand)]
    Db(db::Verb),
    /// Companies that we connect with.
    #[command(subcommand, alias = "carrier")]
    Carriers(objects::Verb),
    /// Rate decks.
    #[command(subcommand, alias = "decks")]
    Deck(deck::Verb),
    /// How finished recordings and captures leave this node.
    Files {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        form: Form,
        #[command(flatten)]
        watch: Watch,
    },
    /// Limits of calls, with what is taken of them.
    Limits(limits::Arguments),
    /// API keys: how programs come in, with what rights and from where.
    #[command(subcommand, alias = "key")]
    Keys(keys::Verb),
    /// Exports, retention and other work in the background.
    #[command(subcommand, alias = "job")]
    Jobs(jobs::Verb),
    /// Machines.
    #[command(subcommand, alias = "nodes")]
    Node(node::Verb),
    /// Routing plans.
    #[command(subcommand, alias = "plan")]
    Plans(objects::Verb),
    /// Recordings of calls.
    #[command(subcommand, alias = "recording")]
    Recordings(recordings::Verb),
    /// Routing.
    #[command(subcommand, alias = "routes")]
    Route(route::Verb),
    /// How well egress trunks do at this moment, and which of them rest or are throttled.
    Standings {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        form: Form,
        #[command(flatten)]
        watch: Watch,
    },
    /// The search engine that CDRs are told to.
    #[command(subcommand)]
    Search(search::Verb),
    /// Sums of calls and attempts.
    #[command(subcommand)]
    Stats(stats::Verb),
    /// Looks at everything that somebody who helps asks first; each line says what to do. Exit code 0: all is well; 3: something should
    /// be looked at; 1: something failed.
    Doctor(doctor::Arguments),
    /// What was said in a call that is over, message by message, and why it went where it did.
    Trace(trace::Arguments),
    /// What a node does: calls, shards, latencies, carriers and trunks, alarms; on the whole terminal, or as lines where there is none.
    Top(top::Arguments),
    /// Ways in from carriers and out to them.
    #[command(subcommand, alias = "trunk")]
    Trunks(objects::Verb),
    /// People who may log in.
    #[command(subcommand, alias = "user")]
    Users(users::Verb),
    /// Who is told of alarms and balances by a POST.
    #[command(subcommand, alias = "webhook")]
    Webhooks(webhooks::Verb),
    /// Published snapshots of the whole configuration.
    #[command(subcommand, alias = "revisions")]
    Revision(revision::Verb),
    /// Makes recorded decisions again, here and now, and names what differs.
    Replay(replay::Arguments),
    /// Decides recorded calls again under a draft and compares blocked calls, money and shares.
    Whatif(Box<whatif::Arguments>),
    /// Prints what a shell needs to complete these words: source <(tandem completions bash)
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Writes manual pages into a folder, such as /usr/local/share/man/man1.
    Man {
        /// The folder; made if it is missing.
        folder: PathBuf,
    },
    /// Another program of ours, `tandem-NAME`, beside this one or on the PATH.
    #[command(external_subcommand)]
    External(Vec<OsString>),
}

#[derive(Debug, Args)]
struct ApplyArguments {
    /// The file; the CSV files that it names are looked for beside it.
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    file: PathBuf,
    /// Only says what would change.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    form: Form,
}

/// Which switch.
#[derive(Clone, Debug, Args)]
struct Place {
    /// The node's data folder. If not given, whoever looks gets the node that this user started last; whoever changes something must name
    /// it where more than one may be meant.
    #[arg(long, value_name = "DIR", env = "TANDEM_DATA")]
    data: Option<PathBuf>,
    /// The database; the one that the node works with if not given.
    #[arg(long, value_name = "URL", env = "TANDEM_DATABASE", hide_env_values = true)]
    database: Option<String>,
    /// Something is to be changed there.
    #[arg(skip)]
    changes: bool,
}

impl Place {
    fn folder(&self) -> Result<Folder> {
        let path = match &self.data {
            Some(path) => path.clone(),
            None => which::node(self.changes)?,
        };
        anyhow::ensure!(path.is_dir(), "{} is not there", path.display());
        anyhow::ensure!(Folder::may_be(&path), "{} is not the data folder of a node", path.display());
        Folder::open(&path).with_context(|| format!("cannot use {}", path.display()))
    }

    /// The database's address.
    fn url(&self) -> Result<String> {
        if let Some(url) = &self.database {
            return Ok(url.clone());
        }
        let folder = self.folder()?;
        let noted = std::fs::read_to_string(folder.database());
        Ok(noted.map_or_else(|_| folder.default_database(), |url| url.trim().to_owned()))
    }

    /// The database, which must be there and up to date: a mistyped name is no empty switch, and whoever looks changes no tables.
    async fn store(&self) -> Result<Store> {
        let url = self.url()?;
        anyhow::ensure!(!is_missing(&url), "there is no database {url}: `tandem up` and `tandem apply` make one");
        let MigrationPlan { current, known, steps, .. } = migration_plan(&url).await?;
        anyhow::ensure!(
            steps.is_empty(),
            "the database is at step {current} of {known}: `tandem db migrate --plan` says what is to be done; a node does it when it starts"
        );
        Ok(Store::open(&url).await?)
    }

    /// The database, made if there is none.
    async fn store_or_new(&self) -> Result<Store> {
        let url = self.url()?;
        if is_missing(&url) || migration_plan(&url).await?.current == 0 {
            return Ok(Store::open(&url).await?);
        }
        self.store().await
    }

    /// The search engine that knows that database's records, if one does.
    fn search(&self) -> Result<::search::Search> {
        let Ok(folder) = self.folder() else { return Ok(::search::Search::default()) };
        let noted = std::fs::read_to_string(folder.database()).unwrap_or_else(|_| folder.default_database());
        if self.url()? != noted.trim() {
            return Ok(::search::Search::default());
        }
        crate::search::reader(&folder)
    }
}

/// Whether this names an SQLite file that is not there.
fn is_missing(url: &str) -> bool {
    let path = url.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path));
    path.is_some_and(|path| !Path::new(path).exists())
}

/// How results are shown.
#[derive(Clone, Copy, Debug, Args)]
struct Form {
    /// For people or for programs.
    #[arg(short = 'o', long = "output", value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// How a list is shown, once or again and again.
#[derive(Clone, Copy, Debug, Args)]
struct ListForm {
    #[command(flatten)]
    once: RowsForm,
    #[command(flatten)]
    watch: Watch,
}

impl ListForm {
    /// Prints rows under their heads, or what stands for them in JSON.
    fn show<T: serde::Serialize>(self, head: &[&str], rows: &[Vec<String>], json: impl FnOnce() -> T) -> Result<()> {
        self.watch.shows();
        self.once.show(head, rows, json)
    }
}

/// How rows are shown.
#[derive(Clone, Copy, Debug, Args)]
struct RowsForm {
    /// For people, for programs, or for spreadsheets.
    #[arg(short = 'o', long = "output", value_enum, default_value_t = ListOutput::Table)]
    output: ListOutput,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ListOutput {
    /// Columns.
    Table,
    /// One JSON value.
    Json,
    /// The columns of the table with commas (RFC 4180); cells that a spreadsheet would compute are text.
    Csv,
}

impl RowsForm {
    /// Prints rows under their heads, or what stands for them in JSON.
    fn show<T: serde::Serialize>(self, head: &[&str], rows: &[Vec<String>], json: impl FnOnce() -> T) -> Result<()> {
        match self.output {
            ListOutput::Table => table(head, rows),
            ListOutput::Json => say!("{}", serde_json::to_string_pretty(&json())?),
            ListOutput::Csv => say!("{}", comma_separated(head, rows)?.trim_end()),
        }
        Ok(())
    }
}

/// What a list without questions takes.
#[derive(Debug, Args)]
struct Listing {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    form: ListForm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Columns.
    Table,
    /// One JSON value.
    Json,
}

/// Does what the command line says, again and again where it wants to watch. The result is the exit code.
pub async fn run(cli: Cli) -> ExitCode {
    let mut code = once(cli).await;
    while let Some(every) = watch::next() {
        tokio::time::sleep(every).await;
        code = once(Cli::parse()).await;
    }
    code
}

async fn once(mut cli: Cli) -> ExitCode {
    if let Some(place) = cli.noun.changes() {
        place.changes = true;
    }
    let done = match cli.noun {
        Noun::Up(arguments) => up::up(*arguments).await,
        Noun::Demo(arguments) => crate::demo::run(*arguments).await,
        Noun::Apply(arguments) => apply(arguments).await,
        Noun::Accounts(verb) => accounts::run(verb).await,
        Noun::Balancer(verb) => balancer::run(verb),
        Noun::Calls(verb) => calls::run(verb).await,
        Noun::Cdr(verb) => cdr::run(verb).await,
        Noun::Recordings(verb) => recordings::run(verb).await,
        Noun::Journal(verb) => journal::run(verb).await,
        Noun::Db(verb) => db::run(verb).await,
        Noun::Carriers(verb) => objects::carriers(verb).await,
        Noun::Trunks(verb) => objects::trunks(verb).await,
        Noun::Plans(verb) => objects::plans(verb).await,
        Noun::Deck(verb) => deck::run(verb).await,
        Noun::Files { place, form, watch } => files::run(&place, form, watch),
        Noun::Limits(arguments) => limits::run(arguments).await,
        Noun::Invoices(verb) => invoices::run(verb).await,
        Noun::Rerate(verb) => rerate::run(verb).await,
        Noun::Jobs(verb) => jobs::run(verb).await,
        Noun::Keys(verb) => keys::run(verb).await,
        Noun::Node(verb) => node::run(verb).await,
        Noun::Route(verb) => route::run(verb).await,
        Noun::Search(verb) => search::run(verb).await,
        Noun::Stats(verb) => stats::run(verb).await,
        Noun::Standings { place, form, watch } => standings::run(&place, form, watch).await,
        Noun::Doctor(arguments) => doctor::run(arguments).await,
        Noun::Trace(arguments) => trace::run(arguments).await,
        Noun::Top(arguments) => top::run(arguments).await,
        Noun::Users(verb) => users::run(verb).await,
        Noun::Alarms(ask) => webhooks::alarms(ask).await,
        Noun::Webhooks(verb) => webhooks::run(verb).await,
        Noun::Revision(verb) => revision::run(verb).await,
        Noun::Replay(arguments) => replay::run(arguments).await,
        Noun::Whatif(arguments) => whatif::run(*arguments).await,
        Noun::Completions { shell } => manual::completions(shell),
        Noun::Man { folder } => manual::pages(&folder),
        Noun::External(words) => external::run(&words),
    };
    let code = done.unwrap_or_else(|error| {
        eprintln!("tandem: {error:#}");
        if is_away(&error) {
            eprintln!("Nothing was changed. Calls, balances and records go on; `tandem journal ls` says what waits on this node.");
        }
        exit_code(&error)
    });
    // A file on a full disk that lacks its end must not look like a whole one.
    if let Some(error) = crate::unsaid() {
        eprintln!("tandem: standard output did not take all of it: {error}");
        return ExitCode::FAILURE;
    }
    code
}

/// A word of the command line that cannot be read.
#[derive(Debug)]
struct Misused(String);

impl std::fmt::Display for Misused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misused {}

/// A call's id as it was typed.
fn call_id(text: &str) -> Result<CallId> {
    Ok(CallId::parse(text).ok_or_else(|| Misused(format!("{text:?} is not the 32 hexadecimal digits of a call")))?)
}

fn is_away(error: &anyhow::Error) -> bool {
    let applying = error.downcast_ref::<ApplyError>().is_some_and(|error| match error {
        ApplyError::Store(error) => error.is_away(),
        ApplyError::Mistakes(_) => false,
    });
    applying || error.downcast_ref::<StoreError>().is_some_and(StoreError::is_away)
}

fn exit_code(error: &anyhow::Error) -> ExitCode {
    if error.downcast_ref::<ApplyError>().is_some_and(|error| matches!(error, ApplyError::Mistakes(_))) {
        return ExitCode::from(EXIT_REFUSED);
    }
    if error.is::<Misused>() {
        return ExitCode::from(EXIT_MISUSED);
    }
    match error.downcast_ref::<Problem>().map(|problem| problem.code) {
        Some(Code::NotFound) => return ExitCode::from(EXIT_NOT_FOUND),
        Some(Code::Conflict | Code::Changed | Code::Invalid | Code::NotAllowed | Code::WrongCredentials) => {
            return ExitCode::from(EXIT_REFUSED);
        }
        _ => {}
    }
    match error.downcast_ref::<StoreError>() {
        Some(StoreError::NotFound { .. }) => ExitCode::from(EXIT_NOT_FOUND),
        Some(
            StoreError::Conflict { .. } | StoreError::Invalid { .. } | StoreError::Policy(_) | StoreError::Rules { .. },
        ) => ExitCode::from(EXIT_REFUSED),
        _ => ExitCode::FAILURE,
    }
}

async fn apply(arguments: ApplyArguments) -> Result<ExitCode> {
    let input = read(&arguments.file)?;
    let store = arguments.place.store_or_new().await?;
    let report = apply::apply(&store, &input, arguments.dry_run, Some("tandem apply")).await?;
    match arguments.form.output {
        Output::Table => say!("{}", report.to_string().trim_end()),
        Output::Json => say!("{}", serde_json::to_string_pretty(&report)?),
    }
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> Result<Input> {
    Input::read(file).with_context(|| format!("cannot read {}", file.display()))
}

/// Prints rows in columns as wide as their widest cell.
fn table(head: &[&str], rows: &[Vec<String>]) {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| shown(cell)).collect()).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        say!("{}", padded.join("  ").trim_end());
    };
    line(&mut head.iter().copied());
    let room = watch::rows_max().unwrap_or(rows.len());
    for row in rows.iter().take(room) {
        line(&mut row.iter().map(String::as_str));
    }
    if rows.len() > room {
        say!("and {} more", rows.len() - room);
    }
}

/// Rows as a spreadsheet reads them.
fn comma_separated(head: &[&str], rows: &[Vec<String>]) -> Result<String> {
    let mut lines = csv::Writer::from_writer(Vec::new());
    lines.write_record(head)?;
    for row in rows {
        lines.write_record(row.iter().map(|cell| web::cell::harmless(cell.clone())))?;
    }
    Ok(String::from_utf8(lines.into_inner()?)?)
}

/// A cell as a terminal may have it: peers and carriers choose some of the words, and none of them moves a cursor.
fn shown(cell: &str) -> String {
    cell.replace(char::is_control, "?")
}

/// A moment as RFC 3339 in UTC with microseconds.
fn moment(at: units::WallTime) -> String {
    jiff::Timestamp::from_microsecond(at.micros()).map_or_else(|_| at.micros().to_string(), |at| format!("{at:.6}"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn no_cell_of_a_table_speaks_to_the_terminal() {
        assert_eq!(super::shown("\x1b]0;x\x07G729\r\nü"), "?]0;x?G729??ü");
    }

    #[test]
    fn a_list_for_spreadsheets_has_its_commas_quoted_and_computes_nothing() {
        let rows =
            [vec!["a,b".to_owned(), "say \"hi\"".to_owned()], vec!["=1+1".to_owned(), "+442071838750".to_owned()]];
        let text = super::comma_separated(&["one", "two"], &rows).expect("it is text");
        assert_eq!(text, "one,two\n\"a,b\",\"say \"\"hi\"\"\"\n'=1+1,+442071838750\n");
    }

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
