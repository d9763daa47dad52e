//! `--screen`: a run on the whole terminal, with the keys that SIPp has.
//!
//! `+` and `-` change the rate by one call a second, `*` and `/` by ten, `p` lets the plan stand and go on, `q` ends the run in order.

use std::collections::VecDeque;
use std::io;
use std::thread;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::Stylize;
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph, Sparkline};
use ratatui::{DefaultTerminal, Frame};

use crate::load::Progress;
use crate::pacer::Reins;

/// Seconds that a sparkline shows.
const SHOWN: usize = 120;

/// The terminal, taken over until this goes.
pub struct Screen {
    terminal: DefaultTerminal,
    reins: Reins,
    planned: u64,
    rate: f64,
    cps: VecDeque<u64>,
    p99_us: VecDeque<u64>,
}

impl Screen {
    /// Takes the terminal; keys act on the reins, the first of them `rate` calls a second.
    pub fn open(reins: &Reins, planned: u64, rate: f64) -> io::Result<Screen> {
        let terminal = ratatui::try_init()?;
        let hands = reins.clone();
        thread::spawn(move || keys(&hands, rate));
        let (cps, p99_us) = (VecDeque::with_capacity(SHOWN), VecDeque::with_capacity(SHOWN));
        Ok(Screen { terminal, reins: reins.clone(), planned, rate, cps, p99_us })
    }

    /// Draws a second.
    pub fn show(&mut self, progress: &Progress) -> io::Result<()> {
        for (row, value) in [(&mut self.cps, progress.cps), (&mut self.p99_us, (progress.ringing_p99_ms * 1e3) as u64)]
        {
            if row.len() == SHOWN {
                row.pop_front();
            }
            row.push_back(value);
        }
        let Screen { terminal, reins, planned, rate, cps, p99_us } = self;
        let rate = *rate * reins.segment().speed();
        terminal
            .draw(|frame| draw(frame, progress, (*planned, rate), cps.make_contiguous(), p99_us.make_contiguous()))?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Hears keys until the run ends, or is to end at once.
fn keys(reins: &Reins, planned_rate: f64) {
    let mut before_pause = 1.0;
    while !reins.hurries() {
        // A terminal that cannot be read has no keys: the run goes on without them.
        let Ok(ready) = event::poll(Duration::from_millis(50)) else { return };
        let Some(Event::Key(key)) = ready.then(event::read).and_then(Result::ok) else { continue };
        if key.kind != KeyEventKind::Press {
            continue;
        }
        let interrupt = key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c');
        let code = if interrupt { KeyCode::Char('q') } else { key.code };
        let KeyCode::Char(letter) = code else { continue };
        let speed = reins.segment().speed();
        match wish(letter, speed, planned_rate, before_pause) {
            Wish::End => reins.end(),
            Wish::EndNow => {
                reins.end();
                reins.end();
            }
            Wish::Pace(next) => {
                if next == 0.0 {
                    before_pause = speed;
                }
                reins.pace(next);
            }
            Wish::Nothing => {}
        }
    }
}

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wish {
    Nothing,
    End,
    /// Nobody is waited for.
    EndNow,
    Pace(f64),
}

fn wish(letter: char, speed: f64, planned_rate: f64, before_pause: f64) -> Wish {
    let by = |calls: f64| Wish::Pace(((speed * planned_rate + calls) / planned_rate).max(0.0));
    match letter {
        '+' => by(1.0),
        '-' => by(-1.0),
        '*' => by(10.0),
        '/' => by(-10.0),
        'p' if speed == 0.0 => Wish::Pace(before_pause),
        'p' => Wish::Pace(0.0),
        'q' => Wish::End,
        'Q' => Wish::EndNow,
        _ => Wish::Nothing,
    }
}

fn draw(frame: &mut Frame<'_>, progress: &Progress, (planned, rate): (u64, f64), cps: &[u64], p99_us: &[u64]) {
    // On a small terminal the figures stay, and the charts have what is left.
    let heights = [Constraint::Length(10), Constraint::Fill(1), Constraint::Fill(1), Constraint::Length(1)];
    let [figures, rates, latencies, keys] = Layout::vertical(heights).areas(frame.area());
    let counts = &progress.counts;
    let lines = vec![
        Line::from(format!(
            "{:8.1} s   rate {rate:.1} calls a second   {} in progress",
            progress.elapsed_s, progress.calls
        )),
        Line::from(format!(
            "planned {planned}   due {}   placed {}   late {}   skipped {}",
            progress.due, counts.placed, counts.late, counts.skipped
        )),
        Line::from(format!(
            "answered {}   completed {}   cancelled {}",
            counts.answered, counts.completed, counts.cancelled
        )),
        Line::from(format!("refused {}   unheard {}   abandoned {}", counts.refused, counts.unheard, counts.abandoned)),
        Line::from(format!("attempts {}   sent again {}   stray {}", counts.attempts, counts.resent, counts.stray)),
        Line::from(format!(
            "rtp sent {}   received {}   lost {}   misrouted {}",
            counts.rtp_sent, counts.rtp_received, counts.rtp_lost, counts.rtp_misrouted
        )),
        Line::from(format!(
            "ends that heard {}   poorly {}   late packets {}   repeated {}   one-way calls {}",
            counts.rtp_ends, counts.rtp_poor, counts.rtp_late, counts.rtp_duplicate, counts.rtp_one_way
        )),
    ];
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title("tandem-loadtest".bold())), figures);
    let spark = |title: String, values: &[u64], frame: &mut Frame<'_>, area| {
        let shown = values.len().min(usize::from(frame.area().width.saturating_sub(2)));
        let spark = Sparkline::default().data(&values[values.len() - shown..]).block(Block::bordered().title(title));
        frame.render_widget(spark, area);
    };
    spark(format!("calls placed a second: {}", progress.cps), cps, frame, rates);
    spark(
        format!("INVITE to ringing, p99 of the last second: {:.1} ms", progress.ringing_p99_ms),
        p99_us,
        frame,
        latencies,
    );
    frame.render_widget(Line::from("+ - one call a second   * / ten   p pause   q end   Q at once").dim(), keys);
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::tally::{Codes, Counts, Rang};

    #[test]
    fn keys_do_what_they_do_in_sipp() {
        assert_eq!(wish('+', 1.0, 20.0, 1.0), Wish::Pace(21.0 / 20.0));
        assert_eq!(wish('/', 1.0, 20.0, 1.0), Wish::Pace(0.5));
        assert_eq!(wish('-', 0.01, 20.0, 1.0), Wish::Pace(0.0));
        assert_eq!((wish('p', 2.0, 20.0, 1.0), wish('p', 0.0, 20.0, 2.0)), (Wish::Pace(0.0), Wish::Pace(2.0)));
        assert_eq!(wish('Q', 1.0, 20.0, 1.0), Wish::EndNow);
        assert_eq!((wish('q', 1.0, 20.0, 1.0), wish('x', 1.0, 20.0, 1.0)), (Wish::End, Wish::Nothing));
    }

    #[test]
    fn the_screen_says_how_it_goes() {
        let counts = Counts { placed: 123, answered: 45, ..Counts::default() };
        let progress = Progress {
            elapsed_s: 7.0,
            due: 124,
            calls: 9,
            active: 18,
            cps: 20,
            ringing_p99_ms: 12.5,
            counts,
            codes: Codes::new(),
            rang: Rang::default(),
        };
        let shown = |width: u16, height: u16| -> String {
            let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
            terminal.draw(|frame| draw(frame, &progress, (600, 21.0), &[1, 5, 20], &[9, 3, 12])).expect("a drawing");
            terminal.backend().buffer().content().iter().map(ratatui::buffer::Cell::symbol).collect()
        };
        let (usual, small) = (shown(80, 24), shown(60, 10));
        for part in ["rate 21.0", "placed 123", "answered 45", "9 in progress", "12.5 ms", "p pause"] {
            assert!(usual.contains(part), "{part}: {usual}");
            assert!(part == "12.5 ms" || small.contains(part), "{part}: {small}");
        }
        shown(2, 2);
    }
}
