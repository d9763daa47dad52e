//! `tandem deck`: a carrier's file into a deck, a deck into a file, and back to what it was.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use clap::{Args, Subcommand};
use rating::deck::merge::counts;
use serde_json::json;
use store::{AuditEntry, Deck, DeckDraft, Store};
use units::WallTime;
use web::auth::{Passwords, Role, Scope, factor};
use web::desk::{self, ApplyImport, Doer, Look};
use web::problem::{Code, Problem};
use web::sheets::{Analysis, Format, LastAnalysis, Reading, analyse, written};
use web::value::ImportRef;

use super::{EXIT_DIFFERENT, EXIT_REFUSED, Form, ListForm, Listing, Output, Place, objects, table};

/// Lines of changes and of problems that are shown.
const SHOWN_MAX: usize = 50;

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Lists decks in order of id.
    #[command(alias = "ls")]
    List(Listing),
    /// Says what a carrier's file would change, or changes it.
    Import(Import),
    /// Approves what somebody else has brought, once it was shown.
    Approve(Approve),
    /// Ends an import that nobody has applied; nothing of the deck changes.
    Reject {
        /// The import's id, as imp_12.
        import: ImportRef,
        #[command(flatten)]
        place: Place,
    },
    /// Writes a deck's rates to the standard output, or what changed since a revision.
    Export(Export),
    /// Changes of a deck's rates, newest first.
    Revisions {
        /// The deck's code.
        deck: String,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        form: ListForm,
    },
    /// Brings a deck's rates back to a revision.
    Restore {
        /// The deck's code.
        deck: String,
        /// The revision's number.
        revision: i64,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Args)]
pub struct Import {
    /// CSV, XLSX, XLS or ODS.
    file: PathBuf,
    /// The deck's code.
    #[arg(long)]
    deck: String,
    /// Only says what would change; the default. Exit code 3: the file has problems.
    #[arg(long, conflicts_with = "apply")]
    plan: bool,
    /// Changes the deck; what needs a second user is kept for `tandem deck approve`.
    #[arg(long)]
    apply: bool,
    /// Leaves rows with problems out, instead of refusing the file.
    #[arg(long)]
    skip_problems: bool,
    /// How the file is read, as the JSON of the API; the deck's template if not given.
    #[arg(long, value_name = "JSON")]
    terms: Option<String>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    form: Form,
}

impl Import {
    /// Where it changes rates.
    pub(super) fn changes(&mut self) -> Option<&mut Place> {
        self.apply.then_some(&mut self.place)
    }
}

#[derive(Debug, Args)]
pub struct Approve {
    /// The import's id, as imp_12.
    import: ImportRef,
    /// Who approves: a user of the pages who may change rates. The password is the first line of the standard input, and for a user who has
    /// a second factor a code of it the second line.
    #[arg(long)]
    user: String,
    /// Puts it into the deck as well.
    #[arg(long)]
    apply: bool,
    /// Leaves rows with problems out, instead of refusing the file.
    #[arg(long)]
    skip_problems: bool,
    #[command(flatten)]
    pub(super) place: Place,
    #[command(flatten)]
    form: Form,
}

#[derive(Debug, Args)]
pub struct Export {
    /// The deck's code.
    deck: String,
    /// A workbook instead of text.
    #[arg(long)]
    xlsx: bool,
    /// Only what differs from this revision, each line with its word: an amendment notice.
    #[arg(long, value_name = "REVISION")]
    since_revision: Option<i64>,
    #[command(flatten)]
    place: Place,
}

pub async fn run(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::List(listing) => objects::decks(listing).await,
        Verb::Import(ask) => import(ask).await,
        Verb::Approve(ask) => approve(ask).await,
        Verb::Reject { import, place } => {
            desk::cancel(&place.store().await?, &nobody(), import.0).await?;
            eprintln!("tandem: {import} is cancelled");
            Ok(ExitCode::SUCCESS)
        }
        Verb::Export(ask) => export(ask).await,
        Verb::Revisions { deck, place, form } => revisions(&deck, &place, form).await,
        Verb::Restore { deck, revision, place } => restore(&deck, revision, &place).await,
    }
}

async fn import(ask: Import) -> Result<ExitCode> {
    let file = std::fs::read(&ask.file).with_context(|| format!("{} cannot be read", ask.file.display()))?;
    let store = ask.place.store().await?;
    let deck = store.by_code::<DeckDraft>(&ask.deck).await?;
    let terms = match &ask.terms {
        Some(text) => serde_json::from_str(text).context("--terms is not the JSON that is wanted")?,
        None => desk::template(&store, deck.id).await?,
    };
    let reading = Reading::Sheet(terms);
    if !ask.apply {
        let old = store.every_rate(deck.id).await?;
        let now = WallTime::from_micros(jiff::Timestamp::now().as_microsecond());
        let read = analyse(&file, &reading, &deck.draft, old, now).map_err(|why| anyhow!(why))?;
        tell(&read, ask.form)?;
        let code = if read.sheet.problem_count > 0 { EXIT_DIFFERENT } else { 0 };
        return Ok(ExitCode::from(code));
    }
    let name = ask.file.file_name().map_or_else(|| "rates".into(), |name| name.to_string_lossy().into_owned());
    let (analyses, doer) = (LastAnalysis::default(), nobody());
    let id = desk::bring(&store, &doer, deck.id, &name, &file, &reading).await?;
    let look = Look::at(&store, &analyses, id).await?;
    tell(&look.analysis, ask.form)?;
    let how = ApplyImport { skip_problems: ask.skip_problems, remember: false };
    match desk::apply(&store, &analyses, &doer, id, how).await {
        Ok(revision) => eprintln!("tandem: deck {} is at revision {revision}", deck.code),
        Err(problem) if !look.guards().is_empty() && problem.code == Code::Conflict => {
            eprintln!("tandem: {} waits, nothing was changed: {problem}", ImportRef(id));
            return Ok(ExitCode::from(EXIT_REFUSED));
        }
        Err(problem) => {
            desk::cancel(&store, &doer, id).await?;
            return Err(problem.into());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows an import, and approves what was shown in the name of a user.
async fn approve(ask: Approve) -> Result<ExitCode> {
    let (store, analyses) = (ask.place.store().await?, LastAnalysis::default());
    let doer = user(&store, &ask.user).await?;
    let look = Look::at(&store, &analyses, ask.import.0).await?;
    tell(&look.analysis, ask.form)?;
    desk::approve(&store, &analyses, &doer, ask.import.0, &look.analysis.digest).await?;
    eprintln!("tandem: {} approved {}", doer.entry.actor, ask.import);
    if ask.apply {
        let how = ApplyImport { skip_problems: ask.skip_problems, remember: false };
        let revision = desk::apply(&store, &analyses, &doer, ask.import.0, how).await?;
        eprintln!("tandem: deck {} is at revision {revision}", look.deck.code);
    }
    Ok(ExitCode::SUCCESS)
}

/// A user of the pages, by name and by the password, and where it is wanted the code, on the standard input.
async fn user(store: &Store, name: &str) -> Result<Doer> {
    let (mut password, mut code) = (String::new(), String::new());
    std::io::stdin().read_line(&mut password).context("the password of the user is wanted on the standard input")?;
    let found = store.user_by_name(name).await?.filter(|user| user.draft.active);
    let stored = found.as_ref().map_or(String::new(), |user| user.draft.password_hash.clone());
    let fits = Passwords::default().fits(password.trim_end_matches(['\r', '\n']).to_owned(), stored).await;
    let Some(user) = found.filter(|_| fits) else {
        return Err(Problem::new(Code::WrongCredentials, "no such user, or another password").into());
    };
    if user.second_factor.is_some() {
        std::io::stdin().read_line(&mut code).context("a code of the second factor is wanted as the second line")?;
        if !factor::take(store, user.id, &code).await? {
            let detail = "the second line of the standard input is no good code of the second factor";
            return Err(Problem::new(Code::WrongCredentials, detail).into());
        }
    }
    let may = Role::parse(&user.draft.role).is_some_and(|role| role.scopes().contains(&Scope::RatesWrite));
    if !may {
        return Err(Problem::new(Code::NotAllowed, format!("{name} may not change rates")).into());
    }
    let entry = AuditEntry { actor: format!("user:{name}"), address: "cli".to_owned(), ..AuditEntry::default() };
    Ok(Doer { user: user.id, entry })
}

/// Whoever has the data folder, and is no user.
fn nobody() -> Doer {
    Doer { user: 0, entry: AuditEntry { actor: "cli".to_owned(), ..AuditEntry::default() } }
}

/// Prints what changes, and what could not be taken.
fn tell(read: &Analysis, form: Form) -> Result<()> {
    let counts = counts(&read.merged.lines);
    let sums = json!({
        "new": counts.new, "increased": counts.increased, "decreased": counts.decreased, "unchanged": counts.unchanged,
        "closed": counts.closed, "blocked": counts.blocked, "problems": read.sheet.problem_count,
        "warnings": read.sheet.warning_count,
    });
    if form.output == Output::Json {
        say!("{}", serde_json::to_string_pretty(&sums)?);
        return Ok(());
    }
    say!(
        "new {}, increased {}, decreased {}, unchanged {}, closed {}, blocked {}; problems {}, warnings {}",
        counts.new,
        counts.increased,
        counts.decreased,
        counts.unchanged,
        counts.closed,
        counts.blocked,
        read.sheet.problem_count,
        read.sheet.warning_count
    );
    let differ = read.merged.lines.iter().filter(|line| line.kind != rating::diff::ChangeKind::Unchanged);
    let cells = |line: &rating::deck::merge::Line| {
        let old = line.old.map(|place| &read.merged.old[place as usize]);
        let new = line.new.map(|place| &read.merged.new[place as usize]);
        let price = |rate: Option<&snapshot::Rate>| rate.map_or(String::new(), |rate| rate.per_minute.to_string());
        let about = new.or(old);
        let text = |of: fn(&snapshot::Rate) -> &String| about.map_or(String::new(), |rate| of(rate).clone());
        let at = jiff::Timestamp::from_microsecond(line.at.micros()).unwrap_or_default();
        let kind = format!("{:?}", line.kind).to_lowercase();
        vec![text(|rate| &rate.prefix), text(|rate| &rate.destination), kind, price(old), price(new), at.to_string()]
    };
    table(
        &["prefix", "destination", "what", "old", "new", "from"],
        &differ.take(SHOWN_MAX).map(cells).collect::<Vec<_>>(),
    );
    for (word, list) in [("problem", &read.sheet.problems), ("warning", &read.sheet.warnings)] {
        for found in list.iter().take(SHOWN_MAX) {
            let repair = found.repair.as_ref().map_or(String::new(), |repair| format!(" (perhaps {repair:?})"));
            eprintln!("{word}: line {}, column {}: {}{repair}", found.row, found.column, found.message);
        }
    }
    Ok(())
}

fn entry(action: &str, deck: &Deck, what: &str) -> AuditEntry {
    AuditEntry {
        actor: "cli".to_owned(),
        action: action.to_owned(),
        object: format!("dck_{} {what}", deck.id),
        ..AuditEntry::default()
    }
}

async fn export(ask: Export) -> Result<ExitCode> {
    let store = ask.place.store().await?;
    let deck = store.by_code::<DeckDraft>(&ask.deck).await?;
    let rates = store.every_rate(deck.id).await?;
    let since = match ask.since_revision {
        Some(revision) => Some(store.rates_at(deck.id, revision).await?),
        None => None,
    };
    let now = WallTime::from_micros(jiff::Timestamp::now().as_microsecond());
    let format = if ask.xlsx { Format::Xlsx } else { Format::Csv };
    let bytes = written(&rates, since.as_deref(), now, format).map_err(|why| anyhow!(why))?;
    std::io::stdout().write_all(&bytes)?;
    Ok(ExitCode::SUCCESS)
}

async fn revisions(deck: &str, place: &Place, form: ListForm) -> Result<ExitCode> {
    let store = place.store().await?;
    let deck = store.by_code::<DeckDraft>(deck).await?;
    let oldest = store.oldest_revision(deck.id).await?;
    let all = store.deck_revisions(deck.id).await?;
    let when = |at: WallTime| jiff::Timestamp::from_microsecond(at.micros()).unwrap_or_default().to_string();
    let shown = |it: &store::DeckRevision| {
        json!({ "revision": it.rates_version, "created_at": when(it.created), "rates": it.rates, "note": it.note,
            "restorable": it.rates_version >= oldest })
    };
    let cells = |it: &store::DeckRevision| {
        let kept = if it.rates_version >= oldest { "yes" } else { "no" };
        vec![it.rates_version.to_string(), when(it.created), it.rates.to_string(), kept.to_owned(), it.note.clone()]
    };
    let rows: Vec<Vec<String>> = all.iter().map(cells).collect();
    form.show(&["revision", "when", "rates", "kept", "note"], &rows, || all.iter().map(shown).collect::<Vec<_>>())?;
    Ok(ExitCode::SUCCESS)
}

async fn restore(deck: &str, revision: i64, place: &Place) -> Result<ExitCode> {
    let store = place.store().await?;
    let deck = store.by_code::<DeckDraft>(deck).await?;
    let mut edit = store.edit().await?;
    let rates = edit.restore_rates(deck.id, revision, &format!("cli restored revision {revision}")).await?;
    edit.audit(&entry("restore", &deck, &format!("revision {revision}"))).await?;
    edit.commit().await?;
    eprintln!("tandem: deck {} has the {rates} rates of revision {revision}", deck.code);
    Ok(ExitCode::SUCCESS)
}
