//! What a run shows and writes: the screen, the statistics file, and the traces.

mod counts;
mod rows;
mod screen;

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::time::SystemTime;

use jiff::Timestamp;

use super::control::{Order, Orders};
use super::statistics::Statistics;
use super::traces::opened;
use super::world::World;
use crate::clock::MS;

/// What a run shows and writes.
pub struct Output {
    orders: Orders,
    rows: Option<BufWriter<File>>,
    /// How often each step was done, row by row (`-trace_counts`).
    counts: Option<BufWriter<File>>,
    /// Which responses were not expected, row by row (`-trace_error_codes`).
    codes: Option<BufWriter<File>>,
    screen_file: Option<File>,
    began: Timestamp,
    reset: Timestamp,
    next_row: u64,
    next_screen: u64,
    last_row: u64,
    /// The terminal is ours.
    terminal: bool,
    /// Which screen it shows, from 1.
    shown: u8,
    /// The command that is being typed.
    typing: Option<String>,
}

/// When the run began, when its period did, and what the clock says.
struct Moments {
    began: Timestamp,
    reset: Timestamp,
    now: Timestamp,
    elapsed_s: f64,
    period_s: f64,
}

impl Output {
    /// Opens the files; they are named after the scenario and our process, as SIPp's are.
    pub fn open(world: &World, stem: &str, orders: Orders) -> io::Result<Output> {
        let options = &world.options;
        let usual = |end: &str| format!("{stem}_{}_{end}", std::process::id());
        let rows = options.trace_stat.then(|| options.stat_file.clone().unwrap_or_else(|| usual(".csv")));
        let screen = options.more.screen || options.more.screen_file.is_some();
        let screen = screen.then(|| options.more.screen_file.clone().unwrap_or_else(|| usual("screen.log")));
        let keeps = options.more.kept.iter().any(|kept| kept == "screen");
        let open = |name: String, keeps: bool| {
            opened(&name, keeps).map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))
        };
        let create = |name: String| open(name, false).map(BufWriter::new);
        let counts = options.more.counts.then(|| usual("counts.csv")).map(create).transpose()?;
        let codes = options.more.codes.then(|| usual("error_codes.csv")).map(create).transpose()?;
        let rows = rows.map(create).transpose()?;
        let now = Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH);
        let terminal = !options.background && io::stdout().is_terminal();
        let mut output = Output {
            orders,
            rows,
            counts,
            codes,
            screen_file: screen.map(|name| open(name, keeps)).transpose()?,
            began: now,
            reset: now,
            next_row: options.stat_every_ms * MS,
            next_screen: options.screen_every_ms * MS,
            last_row: 0,
            terminal,
            shown: 1,
            typing: None,
        };
        if let Some(rows) = &mut output.rows {
            rows.write_all(rows::head(world, &options.delimiter).as_bytes())?;
        }
        if let Some(counts) = &mut output.counts {
            counts.write_all(counts::head(world, &options.delimiter).as_bytes())?;
        }
        Ok(output)
    }

    /// The next order.
    pub fn order(&mut self) -> Option<Order> {
        self.orders.next()
    }

    /// Writes what is due by now.
    pub fn look(&mut self, world: &mut World, rate: f64, paused: bool) -> io::Result<()> {
        let now = world.clock.now();
        if now >= self.next_row || self.last_row == 0 {
            self.row(world, rate)?;
            if now >= self.next_row {
                self.next_row += world.options.stat_every_ms * MS;
            }
        }
        if self.terminal && now >= self.next_screen {
            self.next_screen = now + world.options.screen_every_ms * MS;
            let mut text = "\x1b[2J\x1b[H".to_owned();
            match self.shown {
                2 => screen::statistics(world, &self.moments(now), &mut text),
                3 => screen::repartition(world, &mut text),
                4 => screen::variables(world, &mut text),
                _ => screen::scenario(world, rate, now as f64 / 1e9, &mut text),
            }
            match (&self.typing, paused) {
                (Some(command), _) => text.push_str(&format!("Command: {command}_\n")),
                (None, true) => text.push_str("-- paused: [p] goes on --\n"),
                (None, false) => {
                    text.push_str("-- [1-4]: screens  [+|-|*|/]: rate  [p]: pause  [c]: command  [q]: quit --\n");
                }
            }
            // Keys are read raw: a line's end alone does not go back to its start.
            io::stdout().write_all(text.replace('\n', "\r\n").as_bytes())?;
            io::stdout().flush()?;
        }
        Ok(())
    }

    fn moments(&self, now: u64) -> Moments {
        Moments {
            began: self.began,
            reset: self.reset,
            now: Timestamp::now(),
            elapsed_s: now as f64 / 1e9,
            period_s: now.saturating_sub(self.last_row) as f64 / 1e9,
        }
    }

    fn row(&mut self, world: &mut World, rate: f64) -> io::Result<()> {
        let now = world.clock.now();
        let moments = self.moments(now);
        let delimiter = &world.options.delimiter;
        for (file, text) in [
            (&mut self.counts, counts::row(world, &moments, delimiter)),
            (&mut self.codes, counts::codes(world, &moments, delimiter)),
        ] {
            if let Some(file) = file {
                file.write_all(text.as_bytes())?;
                file.flush()?;
            }
        }
        if let Some(rows) = &mut self.rows {
            let text = rows::row(world, &moments, rate, &world.options.delimiter);
            rows.write_all(text.as_bytes())?;
            rows.flush()?;
        }
        (self.reset, self.last_row) = (Timestamp::now(), now);
        world.statistics.next_period();
        world.traces.flush()
    }

    /// From now on the terminal shows this screen.
    pub fn show(&mut self, screen: u8) {
        (self.shown, self.next_screen) = (screen, 0);
    }

    /// This command is being typed, or none any more.
    pub fn typing(&mut self, text: Option<String>) {
        (self.typing, self.next_screen) = (text, 0);
    }

    /// Appends the screens to their file.
    pub fn screen(&mut self, world: &World, rate: f64) {
        let text = screen::all(world, rate, &self.moments(world.clock.now()));
        if let Some(file) = &mut self.screen_file {
            // A full disk must not stop a run.
            let _ = file.write_all(text.as_bytes());
        }
    }

    /// The run is over.
    pub fn last(&mut self, world: &mut World, rate: f64) -> io::Result<()> {
        self.screen(world, rate);
        let shown = screen::all(world, rate, &self.moments(world.clock.now()));
        self.row(world, rate)?;
        if self.terminal {
            ratatui::crossterm::terminal::disable_raw_mode()?;
        }
        if world.options.background {
            return Ok(());
        }
        // Who reads us through a pipe may have gone.
        let _ = io::stdout().write_all(shown.as_bytes());
        if world.statistics.skipped > 0 {
            let _ = writeln!(io::stdout(), "{}", skipped(&world.statistics));
        }
        Ok(())
    }
}

/// `-l` lets no call wait: what SIPp would have placed later is told here.
fn skipped(statistics: &Statistics) -> String {
    format!("{} calls were due while -l calls were under way, and were skipped, not delayed", statistics.skipped)
}
