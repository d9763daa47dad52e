//! `tandem trace`: what was said in a call, message by message, and why it went where it did.

mod ladder;
mod told;

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use files::{Kind, Name};
use panel::wire::{Answer, Ask, CallRow};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Text};
use store::{CdrFilter, CdrKind, Store};
use units::CallId;
use web::api::story::Story;
use web::problem::Code;

use super::top::{Heard, Keys, interrupts};
use super::{EXIT_DIFFERENT, EXIT_NOT_FOUND, Form, Output, Place, cdr, moment, shown};
use crate::link::ask_once;

/// Columns where there is no terminal.
const WIDTH: usize = 120;
/// The longest number.
const DIGITS_MAX: usize = 32;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The call's 32 hexadecimal digits; or a number or a Call-ID header, of whose calls the newest is taken.
    call: String,
    /// By number or Call-ID: only calls that started at or after this moment, date (UTC), or span back from now such as 1h or 30m.
    #[arg(long, default_value = "1d")]
    from: String,
    /// Every message whole.
    #[arg(long)]
    whole: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    form: Form,
}

pub async fn run(arguments: Arguments) -> Result<ExitCode> {
    let Arguments { call, from, whole, place, form } = arguments;
    let store = place.store().await?;
    let Some(story) = find(&store, &call, &from).await? else {
        return missing(&place, &call, &from).await;
    };
    let id = CallId::parse(&story.call.call);
    if story.ladder.is_none() {
        let files = place.folder().and_then(|folder| crate::files::reader(&folder)).ok();
        let kept = files.zip(id).and_then(|(files, call)| files.find(Name { kind: Kind::Capture, call }));
        eprintln!("tandem: {}", told::unseen(&story, kept.is_some()));
    }
    if form.output == Output::Json {
        say!("{}", serde_json::to_string_pretty(&story)?);
    } else if whole || story.ladder.is_none() || !std::io::stdout().is_terminal() {
        plain(&story, whole);
    } else {
        let mut terminal = ratatui::try_init().context("the terminal cannot be used; --whole needs none")?;
        let done = screen(&mut terminal, &story).await;
        ratatui::restore();
        done?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The call that is meant, if the database knows it.
async fn find(store: &Store, text: &str, from: &str) -> Result<Option<Story>> {
    if let Some(call) = CallId::parse(text) {
        match Story::of(store, call).await {
            Ok(story) => return Ok(Some(story)),
            // Thirty-two such digits are a Call-ID that many programs choose.
            Err(flaw) if flaw.code == Code::NotFound => {}
            Err(flaw) => return Err(flaw.into()),
        }
    }
    let window = CdrFilter { from: cdr::when(from)?, till: cdr::when("0s")?, limit: 1, ..CdrFilter::default() };
    let mut newest = None;
    for filter in [
        number_of(text).map(|number| CdrFilter { calling: Some(number), exact: true, ..window.clone() }),
        number_of(text).map(|number| CdrFilter { called: Some(number), exact: true, ..window.clone() }),
        Some(CdrFilter { sip_call_id: Some(text.to_owned()), kind: CdrKind::All, ..window }),
    ]
    .into_iter()
    .flatten()
    {
        let found = store.search_cdrs(&filter).await?.into_iter().next();
        newest = [newest, found].into_iter().flatten().max_by_key(|cdr: &::cdr::Cdr| cdr.started);
    }
    let Some(newest) = newest else { return Ok(None) };
    eprintln!("tandem: the newest call of {}: {}, started {}", shown(text), newest.call, moment(newest.started));
    Ok(Some(Story::of(store, newest.call).await?))
}

/// The digits of a telephone number, if this is one.
fn number_of(text: &str) -> Option<String> {
    let digits = web::value::dialled(text.trim().trim_start_matches('+')).into_owned();
    let is_number =
        !digits.is_empty() && digits.len() <= DIGITS_MAX && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(digits)
}

/// Says whether the call still runs.
async fn missing(place: &Place, text: &str, from: &str) -> Result<ExitCode> {
    let answer = ask_once(&place.folder()?.socket(), Ask::Calls { limit: u32::MAX }).await;
    let rows = if let Ok(Answer::Calls(rows)) = answer { rows } else { Vec::new() };
    let number = number_of(text);
    let meant = |row: &&CallRow| {
        row.call.eq_ignore_ascii_case(text) || number.as_ref().is_some_and(|it| row.calling == *it || row.called == *it)
    };
    if let Some(row) = rows.iter().filter(meant).max_by_key(|row| row.started) {
        let (call, state) = (&row.call, &row.state);
        eprintln!("tandem: {call} is running ({state}): its messages are told half a minute after its end");
        eprintln!("tandem: until then: tandem calls show {call}, tandem calls capture {call}, tandem cdr pcap {call}");
        return Ok(ExitCode::from(EXIT_DIFFERENT));
    }
    eprintln!("tandem: no call {} is known since {from}, and none runs", shown(text));
    Ok(ExitCode::from(EXIT_NOT_FOUND))
}

fn plain(story: &Story, whole: bool) {
    told::lines(story).iter().for_each(|line| say!("{line}"));
    let messages = story.ladder.as_ref().map_or(&[][..], |ladder| &ladder.messages);
    let (heads, rows) = ladder::lines(story, WIDTH);
    if !rows.is_empty() {
        say!();
        heads.iter().chain(&rows).for_each(|line| say!("{line}"));
    }
    for (row, message) in rows.iter().zip(messages).filter(|_| whole) {
        say!("\n{row}");
        message.raw.lines().for_each(|line| say!("    {}", shown(line)));
    }
}

/// What is on the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Shown {
    #[default]
    Ladder,
    Message,
    Facts,
}

/// Where somebody looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct View {
    shown: Shown,
    /// The message that is chosen.
    chosen: usize,
    /// Lines above the first one of a message or of the facts.
    skipped: usize,
}

async fn screen(terminal: &mut DefaultTerminal, story: &Story) -> Result<()> {
    let mut keys = Keys::hear();
    let mut view = View::default();
    let count = story.ladder.as_ref().map_or(0, |ladder| ladder.messages.len());
    loop {
        let mut room = 1;
        terminal.draw(|frame| {
            let (width, height) = (usize::from(frame.area().width), usize::from(frame.area().height));
            room = height.saturating_sub(4).max(1);
            frame.render_widget(Text::from(page(story, view, width, height)), frame.area());
        })?;
        match keys.next().await {
            Some(Heard::Key(key)) if press(&mut view, key, count, room) => return Ok(()),
            Some(Heard::Key(_) | Heard::Other) => {}
            None => return Ok(()),
        }
    }
}

/// What a key does; true: it ends the looking.
fn press(view: &mut View, key: KeyEvent, count: usize, room: usize) -> bool {
    let (last, is_ladder) = (count.saturating_sub(1), view.shown == Shown::Ladder);
    let step = |at: usize| match key.code {
        KeyCode::Down | KeyCode::Char('j') => at + 1,
        KeyCode::Up | KeyCode::Char('k') => at.saturating_sub(1),
        KeyCode::PageDown => at + room,
        KeyCode::PageUp => at.saturating_sub(room),
        KeyCode::Home => 0,
        _ => at,
    };
    match (key.code, view.shown) {
        (KeyCode::Char('q'), _) | (KeyCode::Esc, Shown::Ladder) => return true,
        (_, _) if interrupts(key) => return true,
        (KeyCode::Enter, Shown::Ladder) => (view.shown, view.skipped) = (Shown::Message, 0),
        (KeyCode::Tab | KeyCode::F(2), Shown::Ladder) => (view.shown, view.skipped) = (Shown::Facts, 0),
        (KeyCode::Enter | KeyCode::Esc | KeyCode::Tab | KeyCode::F(2), Shown::Message | Shown::Facts) => {
            view.shown = Shown::Ladder;
        }
        // The next message without a way back to the ladder.
        (KeyCode::Right, Shown::Message) => (view.chosen, view.skipped) = ((view.chosen + 1).min(last), 0),
        (KeyCode::Left, Shown::Message) => (view.chosen, view.skipped) = (view.chosen.saturating_sub(1), 0),
        (KeyCode::End, Shown::Ladder) => view.chosen = last,
        (_, _) if is_ladder => view.chosen = step(view.chosen).min(last),
        (_, _) => view.skipped = step(view.skipped),
    }
    false
}

fn page(story: &Story, view: View, width: usize, height: usize) -> Vec<Line<'static>> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let cut = |text: &str| text.chars().take(width).collect::<String>();
    let title = format!("{}  {} -> {}", story.call.call, story.call.calling, story.call.called_routed);
    let mut lines = vec![Line::styled(cut(&shown(&title)), bold), Line::raw(cut(&shown(&story.verdict)))];
    let room = |lines: &[Line<'_>]| height.saturating_sub(lines.len() + 1);
    let scrolled = |all: Vec<String>, room: usize| -> Vec<Line<'static>> {
        let skipped = view.skipped.min(all.len().saturating_sub(room));
        all.iter().skip(skipped).take(room).map(|line| Line::raw(cut(line))).collect()
    };
    let keys = match view.shown {
        Shown::Ladder => {
            let (heads, rows) = ladder::lines(story, width);
            lines.extend(heads.iter().map(|head| Line::styled(cut(head), bold)));
            let room = room(&lines).max(1);
            // What is chosen stays in sight.
            let first = view.chosen.saturating_sub(room - 1);
            for (at, row) in rows.iter().enumerate().skip(first).take(room) {
                let style =
                    if at == view.chosen { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
                lines.push(Line::styled(cut(row), style));
            }
            "↑↓ choose   Enter whole message   Tab decision, price, cause   q quit"
        }
        Shown::Message => {
            let messages = story.ladder.as_ref().map_or(&[][..], |ladder| &ladder.messages);
            let text = messages.get(view.chosen).map_or("", |message| &message.raw);
            let rest = room(&lines);
            lines.extend(scrolled(text.lines().map(shown).collect(), rest));
            "↑↓ scroll   ←→ other messages   Esc ladder   q quit"
        }
        Shown::Facts => {
            let rest = room(&lines);
            lines.extend(scrolled(told::lines(story), rest));
            "↑↓ scroll   Esc ladder   q quit"
        }
    };
    lines.truncate(height.saturating_sub(1));
    lines.push(Line::styled(cut(keys), Style::new().add_modifier(Modifier::DIM)));
    lines
}

#[cfg(test)]
mod tests {
    use ratatui::crossterm::event::KeyModifiers;

    use super::ladder::tests::sample;
    use super::*;

    fn drawn(view: View, width: usize, height: usize) -> String {
        let lines = page(&sample(), view, width, height);
        assert!(lines.len() <= height.max(1) && lines.iter().all(|line| line.width() <= width.max(1)), "{lines:#?}");
        lines.iter().map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn arrows_choose_a_message_and_enter_shows_it_whole() {
        let mut view = View::default();
        let mut hit = |code: KeyCode| {
            let ends = press(&mut view, KeyEvent::new(code, KeyModifiers::NONE), 5, 10);
            (ends, view)
        };
        assert_eq!(hit(KeyCode::Up).1.chosen, 0);
        hit(KeyCode::Down);
        assert_eq!(hit(KeyCode::Down).1.chosen, 2);
        let whole = hit(KeyCode::Enter).1;
        assert!(drawn(whole, 80, 24).contains("SIP/2.0 503 No"), "{whole:?}");
        assert_eq!(hit(KeyCode::Right).1.chosen, 3);
        assert_eq!(hit(KeyCode::Esc), (false, View { shown: Shown::Ladder, chosen: 3, skipped: 0 }));
        assert!(drawn(hit(KeyCode::Tab).1, 80, 24).contains("from        441 (acme by acme-in)"));
        hit(KeyCode::Tab);
        assert_eq!(hit(KeyCode::End).1.chosen, 4);
        assert_eq!(hit(KeyCode::PageDown).1.chosen, 4);
        assert!(hit(KeyCode::Esc).0);
    }

    #[test]
    fn every_terminal_shows_what_is_chosen() {
        for (width, height) in [(132, 40), (80, 24), (40, 8), (20, 5), (3, 2), (1, 1)] {
            for shown in [Shown::Ladder, Shown::Message, Shown::Facts] {
                drawn(View { shown, chosen: 4, skipped: 99 }, width, height);
            }
        }
        assert!(drawn(View { chosen: 4, ..View::default() }, 100, 6).contains("200 OK (BYE)"));
    }

    #[test]
    fn a_number_is_told_from_a_call_id() {
        let rows = [
            ("+44 20", None),
            ("+442071838750", Some("442071838750")),
            ("44-20.7", Some("44207")),
            ("a@b", None),
            ("", None),
        ];
        for (text, wanted) in rows {
            assert_eq!(number_of(text).as_deref(), wanted, "{text}");
        }
    }
}
