//! `--watch 2s`: a list or a state again and again, as long as somebody looks.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use ratatui::crossterm::terminal;

/// Between two looks at least: the data plane has more to do.
const EVERY_MIN: Duration = Duration::from_millis(100);
/// Lines that are not rows: what is shown and when, heads, how many rows more, and the cursor's.
const OTHER_LINES: usize = 4;
/// What the command line asked for last.
static EVERY: Mutex<Option<Duration>> = Mutex::new(None);

/// How often something is shown.
#[derive(Clone, Copy, Debug, Args)]
pub struct Watch {
    /// Shows it again and again, with this long in between, until Ctrl-C: 2s, 500ms, 1m.
    #[arg(long, value_name = "SPAN", value_parser = span)]
    watch: Option<Duration>,
}

impl Watch {
    /// Something is shown now: on a terminal in place of what was there before.
    pub fn shows(self) {
        let Some(every) = self.watch else { return };
        *EVERY.lock().unwrap_or_else(PoisonError::into_inner) = Some(every);
        if std::io::stdout().is_terminal() {
            let words: Vec<String> = std::env::args().skip(1).collect();
            let now = jiff::Timestamp::now();
            let mut out = std::io::stdout();
            crate::said(writeln!(out, "\x1b[H\x1b[2J{now:.0}  tandem {}", super::shown(&words.join(" "))));
        }
    }
}

/// After how long the same is to be shown again; `None`: never.
pub fn next() -> Option<Duration> {
    if crate::is_unheard() {
        return None;
    }
    *EVERY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Rows that the terminal has room for; `None` where all are shown.
pub fn rows_max() -> Option<usize> {
    (*EVERY.lock().unwrap_or_else(PoisonError::into_inner))?;
    if !std::io::stdout().is_terminal() {
        return None;
    }
    let (_, lines) = terminal::size().ok()?;
    Some(usize::from(lines).saturating_sub(OTHER_LINES).max(1))
}

/// A span of time as it is typed.
///
/// # Errors
/// It is none, or too short.
pub fn span(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_ms = match &text[digits.len()..] {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        _ => return Err(format!("{text:?} is no span of time such as 2s, 500ms or 1m")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("{text:?} is no span of time such as 2s, 500ms or 1m"))?;
    let span = number.checked_mul(unit_ms).map(Duration::from_millis).filter(|span| *span >= EVERY_MIN);
    span.ok_or_else(|| format!("{text:?} is less than {} ms, or too long", EVERY_MIN.as_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_a_unit_and_leaves_the_data_plane_time() {
        let ms = |text| span(text).map(|span| span.as_millis()).ok();
        assert_eq!([ms("2s"), ms("500ms"), ms("1m"), ms("3")], [Some(2_000), Some(500), Some(60_000), Some(3_000)]);
        assert_eq!([ms("99ms"), ms("0"), ms("2h"), ms("s"), ms("-1s"), ms("99999999999999999999m")], [None; 6]);
    }
}
