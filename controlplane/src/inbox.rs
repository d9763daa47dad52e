//! Sheets that come without a person: what a mail or file server drops into `DIR/inbox/DECK/` becomes an import of that deck, to be
//! looked at, approved and applied as any other. The server is the operator's; nothing is applied here.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use store::{AuditEntry, DeckDraft, ImportState, Store, StoreError};
use web::desk::{self, Doer};
use web::problem::{Code, Problem};
use web::sheets::{self, Reading};

use crate::folder::Folder;

/// How often the folder is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// A file that was written to this recently may still grow.
const SETTLED: Duration = Duration::from_secs(3);
/// Bytes of a file at most, as for an upload.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// Files that are taken in one look at most.
const FILES_MAX: usize = 100;

/// Looks for sheets until the program ends.
pub async fn watch(store: Store, folder: Folder) {
    loop {
        let inbox = folder.inbox();
        let found = tokio::task::spawn_blocking(move || settled(&inbox)).await.unwrap_or_default();
        for (deck, path) in found {
            match take(&store, &deck, &path).await {
                Ok(Some(import)) => {
                    tracing::info!(import, deck, path = %path.display(), "a sheet waits to be looked at")
                }
                Ok(None) => {}
                Err(error) if is_away(&error) => break,
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), path = %path.display(), "a sheet was set aside");
                    set_aside(&path);
                }
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Makes an import of a file and removes it: the import keeps its bytes. `None` for one that is there already.
async fn take(store: &Store, deck: &str, path: &Path) -> Result<Option<u32>> {
    let deck = store.by_code::<DeckDraft>(deck).await?;
    let wanted = path.to_owned();
    let file = tokio::task::spawn_blocking(move || read(&wanted)).await?.context("it cannot be read")?;
    anyhow::ensure!(!file.is_empty(), "it is empty");
    let sha256 = sheets::sha256(&file);
    // A restart between the import and the removal must not bring it twice.
    let waits = store.imports(deck.id).await?;
    let import = if waits.iter().any(|it| it.state == ImportState::Open && it.draft.sha256 == sha256) {
        None
    } else {
        let doer = Doer { user: 0, entry: AuditEntry { actor: "inbox".to_owned(), ..AuditEntry::default() } };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let reading = Reading::Sheet(desk::template(store, deck.id).await?);
        Some(desk::bring(store, &doer, deck.id, &name, &file, &reading).await?)
    };
    fs::remove_file(path).context("it is an import and cannot be removed")?;
    Ok(import)
}

/// The bytes of a plain file: one that was exchanged for a link meanwhile could be any file of this machine.
fn read(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path)?;
    let (opened, named) = (file.metadata()?, fs::symlink_metadata(path)?);
    anyhow::ensure!((opened.dev(), opened.ino()) == (named.dev(), named.ino()), "it is a link");
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn is_away(error: &anyhow::Error) -> bool {
    error.downcast_ref::<StoreError>().is_some_and(StoreError::is_away)
        || error.downcast_ref::<Problem>().is_some_and(|problem| problem.code == Code::DatabaseAway)
}

/// Files in the folders of decks that nobody writes to any more; what begins with a point is left alone.
fn settled(inbox: &Path) -> Vec<(String, PathBuf)> {
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    let shown = |entry: &fs::DirEntry| entry.file_name().into_string().ok().filter(|name| !name.starts_with('.'));
    let mut found = Vec::new();
    for folder in entries(inbox).filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        let Some(deck) = shown(&folder) else { continue };
        let files = entries(&folder.path()).filter(|file| shown(file).is_some() && is_settled(file));
        found.extend(files.map(|file| (deck.clone(), file.path())));
    }
    found.sort();
    found.truncate(FILES_MAX);
    found
}

/// A plain file, whole as far as anyone can tell. A link could lead out of the folder.
fn is_settled(file: &fs::DirEntry) -> bool {
    let Ok(about) = file.metadata() else { return false };
    let quiet = about.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age >= SETTLED));
    about.is_file() && about.len() <= FILE_BYTES_MAX && quiet
}

/// Out of the way, so that it is told once, and still there to be looked at.
fn set_aside(path: &Path) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let _ = fs::rename(path, path.with_file_name(format!(".refused-{name}")));
}
