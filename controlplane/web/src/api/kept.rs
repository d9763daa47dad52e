//! Files of calls on their way out, wherever they are kept.

use std::io::Read;
use std::time::Duration;

use axum::body::Body;
use files::{Found, Kind, Name};
use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc;
use units::CallId;

use crate::problem::{Answered, Problem};
use crate::services::App;

/// Bytes that are read at once, and such parts that wait for whoever listens.
const PART_BYTES: usize = 64 << 10;
const PARTS_MAX: usize = 4;
/// How long a page waits to be told whether a place far away has a file.
const GLANCE: Duration = Duration::from_secs(2);

/// Looks for a call's file; S3 is asked when no disk has it.
pub(super) async fn find(app: &App, kind: Kind, call: CallId) -> Answered<Option<Found>> {
    let files = app.files.clone();
    tokio::task::spawn_blocking(move || files.find(Name { kind, call })).await.map_err(Problem::internal)
}

/// The same for a page that has more to show: what does not answer soon is left out.
pub(super) async fn glance(app: &App, kind: Kind, call: CallId) -> Option<Found> {
    tokio::time::timeout(GLANCE, find(app, kind, call)).await.ok()?.ok()?
}

/// The bytes from the first on up to the one before `end`, read as fast as they are taken.
pub(super) fn body(found: Found, first: u64, end: u64) -> Body {
    let (parts, taken) = mpsc::channel(PARTS_MAX);
    tokio::task::spawn_blocking(move || {
        let mut reader = match found.read(first, end) {
            Ok(reader) => reader,
            Err(error) => return drop(parts.blocking_send(Err(error))),
        };
        loop {
            let mut part = vec![0; PART_BYTES];
            let read = reader.read(&mut part).map(|length| {
                part.truncate(length);
                part
            });
            let last = read.as_ref().map_or(true, Vec::is_empty);
            // Whoever listened may have gone.
            if read.as_ref().is_ok_and(Vec::is_empty) || parts.blocking_send(read).is_err() || last {
                return;
            }
        }
    });
    let parts = stream::unfold(taken, |mut taken| async move { Some((taken.recv().await?, taken)) });
    // Whoever packs the answer asks once more behind the end.
    Body::from_stream(parts.fuse())
}
