//! `tandem top`: what a node does, on the whole terminal or as lines.

mod page;
mod seen;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::text::Text;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use super::watch::span;
use super::{EXIT_DIFFERENT, Form, Output, Place};
use page::{Rows, Sort, View};
use seen::{Looker, Seen, Sums, sum_for_ever};

/// Between the two looks whose difference is told where there is no third.
const FIRST: Duration = Duration::from_secs(1);
/// How long the database may take then.
const SUMS: Duration = Duration::from_secs(5);
/// How long a key is waited for.
const KEY: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub struct Arguments {
    /// Between two looks: 2s, 500ms, 1m.
    #[arg(long, value_name = "SPAN", default_value = "2s", value_parser = span)]
    every: Duration,
    /// Looks once and prints everything. Exit code 3: the data plane does not answer.
    #[arg(long)]
    once: bool,
    /// What stands first.
    #[arg(long, value_enum, default_value_t = Sort::Calls)]
    sort: Sort,
    /// Only carriers and trunks with this in their names.
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    form: Form,
}

pub async fn run(arguments: Arguments) -> Result<ExitCode> {
    let folder = arguments.place.folder()?;
    let (told, sums) = watch::channel(Err("it was not asked yet".to_owned()));
    tokio::spawn(sum_for_ever(arguments.place.clone(), told));
    let looker = Looker::new(folder);
    let view = View { sort: arguments.sort, filter: arguments.filter.clone(), ..View::default() };
    if arguments.once {
        return one(looker, sums, &view, arguments.form).await;
    }
    if arguments.form.output == Output::Json || !std::io::stdout().is_terminal() {
        return rows(looker, &sums, &arguments).await;
    }
    let mut terminal = ratatui::try_init().context("the terminal cannot be used; --once needs none")?;
    let done = screen(&mut terminal, looker, sums, view, arguments.every).await;
    ratatui::restore();
    done
}

/// Everything, once.
async fn one(mut looker: Looker, mut sums: watch::Receiver<Sums>, view: &View, form: Form) -> Result<ExitCode> {
    looker.look(&Err(String::new())).await;
    // The database may take longer, or be away: then it has not said anything.
    let (_, _) = tokio::join!(tokio::time::sleep(FIRST), tokio::time::timeout(SUMS, sums.changed()));
    let now = sums.borrow().clone();
    let seen = looker.look(&now).await;
    match form.output {
        Output::Json => say!("{}", serde_json::to_string_pretty(&seen)?),
        Output::Table => say!("{}", page::text(&seen, view).trim_end()),
    }
    Ok(if seen.data_plane_up { ExitCode::SUCCESS } else { ExitCode::from(EXIT_DIFFERENT) })
}

/// A line for each look, as long as somebody reads.
async fn rows(mut looker: Looker, sums: &watch::Receiver<Sums>, arguments: &Arguments) -> Result<ExitCode> {
    while !crate::is_unheard() {
        let now = sums.borrow().clone();
        let seen = looker.look(&now).await;
        match arguments.form.output {
            Output::Json => say!("{}", serde_json::to_string(&seen)?),
            Output::Table => say!("{}", page::row(&seen)),
        }
        tokio::time::sleep(arguments.every).await;
    }
    Ok(ExitCode::SUCCESS)
}

/// The whole terminal, until somebody has seen enough.
async fn screen(
    terminal: &mut DefaultTerminal,
    mut looker: Looker,
    sums: watch::Receiver<Sums>,
    mut view: View,
    every: Duration,
) -> Result<ExitCode> {
    let (told, mut looks) = watch::channel(Seen::default());
    // A data plane that takes its time must not hold keys up.
    let looking = tokio::spawn(async move {
        while !told.is_closed() {
            let now = sums.borrow().clone();
            told.send_replace(looker.look(&now).await);
            tokio::time::sleep(every).await;
        }
    });
    let mut keys = Keys::hear();
    let mut asked_to_end = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut seen = Seen::default();
    loop {
        let draw = |frame: &mut ratatui::Frame<'_>| {
            let area = frame.area();
            let lines = page::lines(&seen, &view, usize::from(area.width), usize::from(area.height));
            frame.render_widget(Text::from(lines), area);
        };
        terminal.draw(draw)?;
        tokio::select! {
            heard = keys.next() => match heard {
                Some(Heard::Key(key)) if press(&mut view, key) => break,
                Some(Heard::Key(_) | Heard::Other) => {}
                None => break,
            },
            changed = looks.changed() => {
                changed.context("nobody looks any more")?;
                if !view.paused {
                    seen = looks.borrow_and_update().clone();
                }
            }
            _ = asked_to_end.recv() => break,
        }
    }
    looking.abort();
    Ok(ExitCode::SUCCESS)
}

/// What comes from the terminal.
pub enum Heard {
    Key(KeyEvent),
    /// Its size has changed, or something else that asks for a drawing.
    Other,
}

/// Listens to the terminal until it goes.
pub struct Keys {
    heard: mpsc::Receiver<Heard>,
    over: Arc<AtomicBool>,
}

impl Keys {
    pub fn hear() -> Keys {
        let (tell, heard) = mpsc::channel(16);
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                // A terminal that cannot be read has gone away.
                let Ok(ready) = event::poll(KEY) else { return };
                let Some(event) = ready.then(event::read).and_then(Result::ok) else { continue };
                let heard = match event {
                    Event::Key(key) if key.kind == KeyEventKind::Press => Heard::Key(key),
                    Event::Resize(..) => Heard::Other,
                    _ => continue,
                };
                if tell.blocking_send(heard).is_err() {
                    return;
                }
            }
        });
        Keys { heard, over }
    }

    /// The next one; `None` when the terminal is gone.
    pub async fn next(&mut self) -> Option<Heard> {
        self.heard.recv().await
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// Whether a key is Ctrl-C, which is a key like others on a terminal that we have to ourselves.
pub fn interrupts(key: KeyEvent) -> bool {
    key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c')
}

/// What a key does; true: it ends the looking.
fn press(view: &mut View, key: KeyEvent) -> bool {
    if interrupts(key) {
        return true;
    }
    if view.typing {
        match key.code {
            KeyCode::Enter => view.typing = false,
            KeyCode::Esc => (view.typing, view.filter) = (false, String::new()),
            KeyCode::Backspace => drop(view.filter.pop()),
            KeyCode::Char(letter) => view.filter.push(letter),
            _ => {}
        }
        return false;
    }
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => return true,
        KeyCode::Char('p' | ' ') => view.paused = !view.paused,
        KeyCode::Char('s') => {
            view.sort = match view.sort {
                Sort::Calls => Sort::Asr,
                Sort::Asr => Sort::Name,
                Sort::Name => Sort::Calls,
            };
        }
        KeyCode::Char('/') => (view.typing, view.skipped) = (true, 0),
        KeyCode::Tab => {
            let other = if view.rows == Rows::Carriers { Rows::Trunks } else { Rows::Carriers };
            (view.rows, view.skipped) = (other, 0);
        }
        KeyCode::Down => view.skipped += 1,
        KeyCode::Up => view.skipped = view.skipped.saturating_sub(1),
        _ => {}
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_filter_pause_and_end() {
        let mut view = View::default();
        let mut hit = |code: KeyCode| {
            let ends = press(&mut view, KeyEvent::new(code, KeyModifiers::NONE));
            (ends, view.clone())
        };
        assert!(hit(KeyCode::Char('p')).1.paused && !hit(KeyCode::Char('p')).1.paused);
        assert_eq!(hit(KeyCode::Char('s')).1.sort, Sort::Asr);
        assert_eq!(hit(KeyCode::Tab).1.rows, Rows::Trunks);
        hit(KeyCode::Char('/'));
        // What is typed is text, whatever it does elsewhere.
        let (ends, typed) = hit(KeyCode::Char('q'));
        assert!(!ends && typed.typing && typed.filter == "q");
        assert_eq!(hit(KeyCode::Enter).1.filter, "q");
        assert!(hit(KeyCode::Char('q')).0 && hit(KeyCode::Esc).0);
        assert!(press(&mut View::default(), KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
    }
}
