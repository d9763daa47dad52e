//! Removes what is old: files of peers, and files of this node that every place holds.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::Settings;
use crate::ledger::{Here, Ledger, finished};
use crate::stop::Stop;

/// Looks between two that the threads who copy make: files go later than they could, never sooner.
const LOOKS: u32 = 15;
const DAY_US: i64 = 86_400_000_000;

pub(crate) fn run(data: &Path, settings: &Settings, ledgers: &[Arc<Mutex<Ledger>>], stop: &Stop) {
    let _guest = stop.enter();
    let peers = settings.peers_folder(data);
    loop {
        if let (Some(days), false) = (settings.keep_days, ledgers.is_empty()) {
            let held = |file: &Here| {
                ledgers.iter().all(|ledger| ledger.lock().unwrap_or_else(PoisonError::into_inner).holds(file))
            };
            remove(data, days, held);
        }
        if let Some(days) = settings.peers_days {
            remove(&peers, days, |_| true);
        }
        let pause: Duration = settings.look * LOOKS;
        if !stop.pause(pause) {
            return;
        }
    }
}

/// Removes the files of a folder that are this old and that nothing speaks for.
fn remove(folder: &Path, days: u32, may_go: impl Fn(&Here) -> bool) {
    let before = crate::micros(SystemTime::now()) - i64::from(days) * DAY_US;
    for file in finished(folder).into_iter().filter(|file| file.at <= before && may_go(file)) {
        // Whoever else removed it did our work.
        if let Err(error) = fs::remove_file(folder.join(file.name.to_string())) {
            tracing::debug!(%error, file = %file.name, "an old file cannot be removed");
        }
    }
}
