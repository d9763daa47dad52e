//! One line a call from what its ends tell: the caller's end when it is complete, the callee's what it heard, agents what their terminators saw.
//! Plain, or packed (zstd) in a file whose name ends in `.zst`.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};

use crate::packed;
use crate::quality::Heard;
use crate::tally::{CallLine, Seen, Told};

/// Writes lines until the last sender is gone; gives them all if they are kept.
pub type Writer = JoinHandle<Result<Vec<CallLine>>>;

/// Where calls are written, and whether they are kept too. Of calls that several agents play, nothing is complete before the end.
pub fn writer(paths: &[PathBuf], keep: bool, agents: bool) -> Result<(Sender<Told>, Writer)> {
    let create = |path: &PathBuf| -> Result<Box<dyn Write + Send>> {
        let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(if packed::is_meant(path) { Box::new(packed::Writer::new(file)) } else { Box::new(BufWriter::new(file)) })
    };
    let out = paths.iter().map(create).collect::<Result<Vec<_>>>()?;
    let (lines, source) = channel();
    let writer = thread::spawn(move || {
        let mut book = Book { out, keep, agents, ..Book::default() };
        source.into_iter().try_for_each(|told| book.hear(told))?;
        book.close()
    });
    Ok((lines, writer))
}

/// Lines that wait for their callee's end, and what waits for its line.
#[derive(Default)]
struct Book {
    out: Vec<Box<dyn Write + Send>>,
    keep: bool,
    agents: bool,
    kept: Vec<CallLine>,
    waiting: BTreeMap<u32, Box<CallLine>>,
    callees: HashMap<u32, Heard>,
    seen: HashMap<u32, Seen>,
}

impl Book {
    fn hear(&mut self, told: Told) -> Result<()> {
        match told {
            Told::Call(mut line) => {
                line.callee_heard = self.callees.remove(&line.place);
                let whole = line.callee_heard.is_some() || line.caller_heard.is_none() || line.terminator.is_empty();
                if whole && !self.agents {
                    return self.put(*line);
                }
                self.waiting.insert(line.place, line);
            }
            Told::Callee(heard) => {
                let place = heard.place;
                let Some(line) = self.waiting.get_mut(&place) else {
                    self.callees.insert(place, heard);
                    return Ok(());
                };
                line.callee_heard = Some(heard);
                if !self.agents {
                    return self.waiting.remove(&place).map_or(Ok(()), |line| self.put(*line));
                }
            }
            Told::Seen(seen) => {
                let sum = self.seen.entry(seen.place).or_default();
                sum.attempts = sum.attempts.saturating_add(seen.attempts);
                if !seen.terminator.is_empty() {
                    sum.terminator = seen.terminator;
                }
            }
        }
        Ok(())
    }

    /// What never came is not known.
    fn close(mut self) -> Result<Vec<CallLine>> {
        for (place, mut line) in std::mem::take(&mut self.waiting) {
            // An agent's own line knows only of its own terminators.
            if let Some(seen) = self.seen.remove(&place) {
                (line.attempts, line.terminator) = (seen.attempts, seen.terminator);
            }
            self.put(*line)?;
        }
        self.out.iter_mut().try_for_each(|out| out.flush()).context("cannot write the calls")?;
        Ok(self.kept)
    }

    fn put(&mut self, line: CallLine) -> Result<()> {
        if !self.out.is_empty() {
            let mut text = serde_json::to_vec(&line)?;
            text.push(b'\n');
            self.out.iter_mut().try_for_each(|out| out.write_all(&text)).context("cannot write the calls")?;
        }
        self.kept.extend(self.keep.then_some(line));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(place: u32, terminator: &str) -> Told {
        let caller_heard = Some(Heard { place, received: 5, ..Heard::default() });
        Told::Call(Box::new(CallLine { place, caller_heard, terminator: terminator.into(), ..CallLine::default() }))
    }

    fn callee(place: u32) -> Told {
        Told::Callee(Heard { place, received: 7, ..Heard::default() })
    }

    fn written(agents: bool, told: Vec<Told>) -> Vec<CallLine> {
        let (lines, writer) = writer(&[], true, agents).expect("a writer");
        told.into_iter().for_each(|told| lines.send(told).expect("it listens"));
        drop(lines);
        writer.join().expect("it ends").expect("lines")
    }

    #[test]
    fn both_ends_of_a_call_are_one_line_whichever_tells_first() {
        let lines = written(false, vec![call(1, "a"), callee(2), callee(1), call(2, "a"), call(3, "a")]);
        let told: Vec<(u32, bool)> = lines.iter().map(|line| (line.place, line.callee_heard.is_some())).collect();
        assert_eq!(told, [(1, true), (2, true), (3, false)]);
    }

    #[test]
    fn the_moments_of_a_clock_that_is_ahead_are_set_back() {
        let mut line = CallLine { planned_us: Some(5_000), ended_us: Some(9_000), ..CallLine::default() };
        line.set_back(2_000);
        assert_eq!((line.planned_us, line.ringing_us, line.ended_us), (Some(3_000), None, Some(7_000)));
        line.set_back(-500);
        assert_eq!(line.ended_us, Some(7_500));
    }

    #[test]
    fn what_agents_saw_of_each_others_calls_is_added_up() {
        let seen =
            |place, attempts, terminator: &str| Told::Seen(Seen { place, attempts, terminator: terminator.into() });
        let lines = written(
            true,
            vec![call(1, ""), seen(1, 1, ""), callee(1), call(2, "a"), seen(1, 2, "b"), seen(2, 1, "a"), call(3, "")],
        );
        let told: Vec<(u32, u8, &str, bool)> = lines
            .iter()
            .map(|line| (line.place, line.attempts, line.terminator.as_str(), line.callee_heard.is_some()))
            .collect();
        assert_eq!(told, [(1, 3, "b", true), (2, 1, "a", false), (3, 0, "", false)]);
    }
}
