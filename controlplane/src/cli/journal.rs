//! `tandem journal`: the segments between data plane and database, looked at by a person.

mod examine;
mod show;
mod writing;

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use cdr::segment::Cursor;
use clap::{Args, Subcommand};
use serde::Serialize;
use units::{CallId, WallTime};

use super::cdr::when;
use super::{EXIT_DIFFERENT, Form, ListForm, Output, Place, moment};
use crate::folder::{SegmentFile, segments};
use examine::{Fault, Look, examine};
use show::{KINDS, kind, object, time};

/// How long the database may take to say what is collected.
const DATABASE_MAX: Duration = Duration::from_secs(5);

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Segments: who wrote them, what they hold, and whether it is in the database.
    #[command(alias = "list")]
    Ls(List),
    /// Records as lines of JSON, oldest first.
    Cat(Box<Cat>),
    /// Reads everything: checksums, numbers, torn ends. Exit code 3 if something is wrong.
    Verify(Verify),
    /// Says which CDRs are not in the database, and with --write brings them there.
    ///
    /// Records that are there already are left alone and move no money, so it may be repeated. Exit code 3: some are missing (without
    /// --write) or were refused.
    Replay(writing::Arguments),
}

/// Which segments.
#[derive(Clone, Debug, Args)]
pub struct Where {
    /// The folder of the segments; the data folder's journal if not given.
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

impl Where {
    fn journal(&self) -> Result<PathBuf> {
        match &self.journal {
            Some(folder) => Ok(folder.clone()),
            None => Ok(self.place.folder()?.journal()),
        }
    }

    fn segments(&self) -> Result<Vec<SegmentFile>> {
        let folder = self.journal()?;
        segments(&folder).with_context(|| format!("cannot read {}", folder.display()))
    }

    /// The mark of the data folder that the segments are of. Copied segments are only looked at: nothing is made beside them.
    fn mark(&self) -> Result<String> {
        let Some(journal) = &self.journal else { return Ok(self.place.folder()?.mark()?) };
        let journal = std::fs::canonicalize(journal).with_context(|| format!("cannot read {}", journal.display()))?;
        let path = journal.parent().unwrap_or(Path::new("/")).join("mark");
        let mark = std::fs::read_to_string(&path);
        let mark = mark.with_context(|| format!("no {}: copy the node's file mark to it", path.display()))?;
        Ok(mark.trim().to_owned())
    }
}

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    at: Where,
    #[command(flatten)]
    form: ListForm,
}

#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    at: Where,
    #[command(flatten)]
    form: Form,
}

#[derive(Debug, Args)]
pub struct Cat {
    /// Only records of this call, by its 32 hexadecimal digits.
    #[arg(long, value_parser = parse_call)]
    call: Option<CallId>,
    /// Only records of these kinds, separated by commas.
    #[arg(long, value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(KINDS))]
    kind: Vec<String>,
    /// Only records that tell a moment at or after this one: a moment, a date (UTC), or a span back from now such as 30m.
    #[arg(long)]
    from: Option<String>,
    /// Only records that tell a moment before this one.
    #[arg(long)]
    till: Option<String>,
    #[command(flatten)]
    at: Where,
}

fn parse_call(text: &str) -> Result<CallId, String> {
    CallId::parse(text).ok_or_else(|| format!("{text:?} is not the 32 hexadecimal digits of a call"))
}

pub async fn run(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::Ls(list) => ls(list).await,
        Verb::Cat(cat) => cat.run(),
        Verb::Verify(list) => verify(&list),
        Verb::Replay(arguments) => writing::run(arguments).await,
    }
}

/// One segment, as `ls` shows it.
#[derive(Debug, Serialize)]
struct Row {
    file: String,
    boot: u32,
    segment: u32,
    bytes: u64,
    records: u64,
    cdrs: u64,
    first_sequence: Option<u64>,
    last_sequence: Option<u64>,
    from: Option<String>,
    till: Option<String>,
    state: &'static str,
}

async fn ls(list: List) -> Result<ExitCode> {
    let files = list.at.segments()?;
    let mut rows = Vec::new();
    let mut cursors: BTreeMap<u16, Option<Cursor>> = BTreeMap::new();
    for file in &files {
        let look = examine(file, &mut |_, _| {})?;
        let node = look.node.unwrap_or(0);
        if let std::collections::btree_map::Entry::Vacant(empty) = cursors.entry(node) {
            empty.insert(cursor(&list.at, node).await);
        }
        let state = look.state(cursors.get(&node).copied().flatten());
        rows.push(look.row(state));
    }
    let head = ["segment", "bytes", "records", "cdrs", "sequence", "from", "till", "state"];
    list.form.show(&head, &rows.iter().map(Row::cells).collect::<Vec<_>>(), || &rows)?;
    Ok(ExitCode::SUCCESS)
}

/// Where the collector stands; `None` if the database does not say.
async fn cursor(at: &Where, node: u16) -> Option<Cursor> {
    let asked = async {
        let store = at.place.store().await?;
        Ok::<_, anyhow::Error>(store.cursor(units::NodeId(node), "journal", &at.mark()?).await?)
    };
    match tokio::time::timeout(DATABASE_MAX, asked).await {
        Ok(Ok(cursor)) => Some(cursor.unwrap_or_default()),
        Ok(Err(error)) => {
            eprintln!("tandem: the database does not say what is collected: {error:#}");
            None
        }
        Err(_) => {
            eprintln!("tandem: the database does not answer");
            None
        }
    }
}

impl Row {
    fn cells(&self) -> Vec<String> {
        let number = |number: Option<u64>| number.map_or(String::new(), |number| number.to_string());
        vec![
            self.file.clone(),
            self.bytes.to_string(),
            self.records.to_string(),
            self.cdrs.to_string(),
            format!("{}-{}", number(self.first_sequence), number(self.last_sequence)),
            self.from.clone().unwrap_or_default(),
            self.till.clone().unwrap_or_default(),
            self.state.to_owned(),
        ]
    }
}

impl Look {
    fn row(&self, state: &'static str) -> Row {
        Row {
            file: self.file.clone(),
            boot: self.boot,
            segment: self.segment,
            bytes: self.bytes,
            records: self.records,
            cdrs: self.cdrs,
            first_sequence: self.first_sequence,
            last_sequence: self.last_sequence,
            from: self.times.map(|(from, _)| moment(from)),
            till: self.times.map(|(_, till)| moment(till)),
            state,
        }
    }

    fn state(&self, cursor: Option<Cursor>) -> &'static str {
        let Some(cursor) = cursor else { return "unknown" };
        let own = (self.boot, self.segment);
        match own.cmp(&(cursor.boot, cursor.segment)) {
            std::cmp::Ordering::Less => "collected",
            std::cmp::Ordering::Equal if cursor.offset >= self.whole_bytes => "collected",
            std::cmp::Ordering::Equal => "in part",
            std::cmp::Ordering::Greater => "waiting",
        }
    }
}

impl Cat {
    fn run(&self) -> Result<ExitCode> {
        let moment = |text: &Option<String>| text.as_deref().map(when).transpose();
        let (from, till) = (moment(&self.from)?, moment(&self.till)?);
        let mut out = BufWriter::new(std::io::stdout().lock());
        let mut whole = true;
        for file in self.at.segments()? {
            let mut gone = false;
            let look = examine(&file, &mut |place, record| {
                if !gone && self.wants(record, from, till) {
                    let written = writeln!(out, "{}", object(place, record));
                    gone = written.is_err();
                    crate::said(written);
                }
            })?;
            if gone {
                // Whoever read has enough, or the disk: the end of the program tells these apart.
                return Ok(ExitCode::SUCCESS);
            }
            for fault in &look.faults {
                whole = false;
                eprintln!("tandem: {fault}");
            }
        }
        out.flush()
            .or_else(|error| if error.kind() == std::io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })?;
        Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(EXIT_DIFFERENT) })
    }

    fn wants(&self, record: &cdr::Record, from: Option<WallTime>, till: Option<WallTime>) -> bool {
        let is_kind = self.kind.is_empty() || self.kind.iter().any(|wanted| wanted == kind(record));
        let is_call = self.call.is_none_or(|call| show::call(record) == Some(call));
        let at = time(record);
        let is_time = from.is_none_or(|from| at.is_some_and(|at| at >= from))
            && till.is_none_or(|till| at.is_some_and(|at| at < till));
        is_kind && is_call && is_time
    }
}

/// What `verify` found.
#[derive(Debug, Default, Serialize)]
struct Verdict {
    segments: usize,
    records: u64,
    bytes: u64,
    /// Ends that a writer died over, or is at work on: nothing is wrong with them.
    torn: Vec<Fault>,
    faults: Vec<Fault>,
}

fn verify(list: &Verify) -> Result<ExitCode> {
    let verdict = judged(&list.at.segments()?)?;
    match list.form.output {
        Output::Json => say!("{}", serde_json::to_string_pretty(&verdict)?),
        Output::Table => {
            verdict.torn.iter().for_each(|torn| say!("{torn}"));
            verdict.faults.iter().for_each(|fault| say!("{fault}"));
            let Verdict { segments, records, bytes, faults, .. } = &verdict;
            say!("{segments} segments, {records} records, {bytes} bytes: {} faults", faults.len());
        }
    }
    Ok(if verdict.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_DIFFERENT) })
}

fn judged(files: &[SegmentFile]) -> Result<Verdict> {
    let mut verdict = Verdict { segments: files.len(), ..Verdict::default() };
    let mut before: Option<Look> = None;
    for (place, file) in files.iter().enumerate() {
        let mut look = examine(file, &mut |_, _| {})?;
        verdict.records += look.records;
        verdict.bytes += look.bytes;
        let is_last = files.get(place + 1).is_none_or(|next| next.boot != file.boot);
        if let Some(at) = look.torn {
            let torn = Fault::new(&look.file, at, format!("torn end of {} bytes", look.bytes - at));
            if is_last { verdict.torn.push(torn) } else { verdict.faults.push(torn) }
        }
        if let Some(before) = before.filter(|before| before.boot == look.boot) {
            verdict.faults.extend(before.gap_to(&look));
        }
        verdict.faults.append(&mut look.faults);
        before = Some(look);
    }
    Ok(verdict)
}
