//! Somebody who writes rows through the database's address and remembers which were acknowledged, and when.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::carriers::now_us;

/// How long an acknowledgement is waited for before the connection is given up.
const ACKNOWLEDGED_MAX: Duration = Duration::from_secs(1);
/// Between two rows, and between two tries to connect.
const PAUSE: Duration = Duration::from_millis(10);
/// Made by each connection: the table may be gone with the database that had it.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS rows_written (id BIGINT PRIMARY KEY);";

/// What the writer knows.
#[derive(Debug, Default)]
struct Told {
    acknowledged: BTreeSet<u64>,
    last: Option<Instant>,
    longest: Duration,
}

/// Writes as long as it lives.
#[derive(Debug)]
pub struct Rows {
    told: Arc<Mutex<Told>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Rows {
    /// Begins, by a database shell that reads SQL from its standard input, started again whenever it ends.
    pub fn start(shell: Command) -> Rows {
        let (told, ended) = (Arc::<Mutex<Told>>::default(), Arc::<AtomicBool>::default());
        let (theirs, end) = (Arc::clone(&told), Arc::clone(&ended));
        let thread = thread::spawn(move || {
            // Nobody had these numbers before.
            let mut next = now_us();
            while !end.load(Ordering::Relaxed) {
                write(again(&shell), &mut next, &theirs, &end);
                thread::sleep(PAUSE);
            }
        });
        Rows { told, ended, thread: Some(thread) }
    }

    /// How many rows are acknowledged.
    pub fn count(&self) -> usize {
        self.told().acknowledged.len()
    }

    /// Which they are.
    pub fn acknowledged(&self) -> BTreeSet<u64> {
        self.told().acknowledged.clone()
    }

    /// Ends; which rows were acknowledged.
    pub fn end(self) -> BTreeSet<u64> {
        let told = Arc::clone(&self.told);
        drop(self);
        told.lock().expect("nobody panics with what was told").acknowledged.clone()
    }

    /// The longest time without an acknowledgement since this was asked last; what has lasted until now counts too.
    pub fn longest(&self) -> Duration {
        let mut told = self.told();
        let now = told.last.map_or(Duration::ZERO, |last| last.elapsed());
        std::mem::take(&mut told.longest).max(now)
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().expect("nobody panics with what was told")
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A writer that broke has nothing left to end.
            let _ = thread.join();
        }
    }
}

fn again(shell: &Command) -> Command {
    let mut command = Command::new(shell.get_program());
    command.args(shell.get_args());
    command
}

/// Writes over one connection until it breaks or somebody ends it.
fn write(mut command: Command, next: &mut u64, told: &Mutex<Told>, end: &AtomicBool) {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.expect("the mariadb program is installed");
    let heard = listen(&mut child);
    let mut pipe = child.stdin.take().expect("stdin is a pipe");
    let mut begins = TABLE;
    while !end.load(Ordering::Relaxed) {
        *next += 1;
        let sent = writeln!(pipe, "{begins} INSERT INTO rows_written VALUES ({next}); SELECT {next};");
        begins = "";
        let late = Instant::now() + ACKNOWLEDGED_MAX;
        let answered = heard.recv_timeout(late.saturating_duration_since(Instant::now())).ok();
        if sent.is_err() || answered.as_deref() != Some(next.to_string().as_str()) {
            break;
        }
        let mut told = told.lock().expect("nobody panics with what was told");
        let gap = told.last.replace(Instant::now()).map_or(Duration::ZERO, |last| last.elapsed());
        told.longest = told.longest.max(gap);
        told.acknowledged.insert(*next);
        drop(told);
        thread::sleep(PAUSE);
    }
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}

/// The lines that it says, as they come; none any more when it ended.
fn listen(child: &mut Child) -> Receiver<String> {
    let (lines, heard) = channel();
    let out = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
    thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
    heard
}

#[cfg(test)]
mod tests {
    use super::*;
    use acceptance::until;

    /// Says the last word of each line without its semicolon, and goes away now and then: as a database that is restarted.
    fn shell(limit: u32) -> Command {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            &format!("n=0; while read line && [ $n -lt {limit} ]; do n=$((n+1)); x=${{line##* }}; echo ${{x%;}}; done"),
        ]);
        command
    }

    #[test]
    fn rows_go_on_over_another_connection_and_none_is_counted_without_an_answer() {
        let rows = Rows::start(shell(5));
        until(Duration::from_secs(180), "rows go on", || (rows.count() > 12).then_some(()));
        assert!(rows.longest() > Duration::ZERO);
        let acknowledged = rows.acknowledged();
        let six = acknowledged.iter().find(|first| (0..6).all(|nth| acknowledged.contains(&(**first + nth))));
        assert_eq!(six, None, "no connection answers six rows");
    }
}
