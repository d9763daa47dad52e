//! A node at one moment as lines of text, for a terminal of any size and for none.

use clap::ValueEnum;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;

use super::seen::{Part, Seen, Shard, Stage};
use crate::alarms::Level;
use crate::cli::shown;

/// Alarms that are shown; the others are counted.
const ALARMS_MAX: usize = 4;
/// Between two columns.
const GAP: usize = 2;

/// What stands first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    /// The most running calls.
    #[default]
    Calls,
    /// The lowest ASR.
    Asr,
    /// By name.
    Name,
}

/// Which rows the list below has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rows {
    #[default]
    Carriers,
    Trunks,
}

/// How somebody looks at it.
#[derive(Clone, Debug, Default)]
pub struct View {
    pub sort: Sort,
    pub rows: Rows,
    /// Only rows with this in their names.
    pub filter: String,
    /// The filter is being typed.
    pub typing: bool,
    /// Nothing moves.
    pub paused: bool,
    /// Rows above the list's first one.
    pub skipped: usize,
}

/// The whole page, no line wider and not more of them than there is room for.
pub fn lines(seen: &Seen, view: &View, width: usize, height: usize) -> Vec<Line<'static>> {
    let mut page = head(seen, view);
    page.extend(alarms(seen));
    let room = height.saturating_sub(page.len() + 1);
    // The list is what people look for; where little room is, shards and latencies give theirs.
    let shards = table(&SHARDS, &seen.shards.iter().map(shard).collect::<Vec<_>>(), width);
    if room >= shards.len() + 8 {
        page.push(Line::default());
        page.extend(shards);
    }
    let stages: Vec<&Stage> = seen.stages.iter().filter(|stage| stage.count > 0).collect();
    let latencies = table(&STAGES, &stages.iter().map(|stage| latency(stage)).collect::<Vec<_>>(), width);
    if !stages.is_empty() && height.saturating_sub(page.len() + 1) >= latencies.len() + 8 {
        page.push(Line::default());
        page.extend(latencies);
    }
    page.push(Line::default());
    page.extend(list(seen, view, width, height.saturating_sub(page.len() + 1)));
    page.truncate(height.saturating_sub(1));
    page.push(Line::styled(keys(view), Style::new().add_modifier(Modifier::DIM)));
    page.into_iter().map(|line| cut(line, width)).collect()
}

/// The same without a terminal: everything, as text.
pub fn text(seen: &Seen, view: &View) -> String {
    let mut page = head(seen, view);
    page.extend(alarms(seen));
    let all = usize::MAX;
    for rows in [
        table(&SHARDS, &seen.shards.iter().map(shard).collect::<Vec<_>>(), all),
        table(&STAGES, &seen.stages.iter().map(latency).collect::<Vec<_>>(), all),
        list(seen, &View { rows: Rows::Carriers, skipped: 0, ..view.clone() }, all, all),
        list(seen, &View { rows: Rows::Trunks, skipped: 0, ..view.clone() }, all, all),
    ] {
        page.push(Line::default());
        page.extend(rows);
    }
    page.iter().map(|line| format!("{line}\n")).collect()
}

/// One line for a log.
pub fn row(seen: &Seen) -> String {
    let alarms: Vec<&str> = seen.alarms.iter().map(|alarm| alarm.what.as_str()).collect();
    let alarms = if alarms.is_empty() { String::new() } else { format!("  ALARM {}", alarms.join("; ")) };
    format!(
        "{}  {} CPS  {} calls  {} answered  ASR {}  ACD {}  revision {}{}",
        seen.at,
        decimal(seen.cps),
        seen.calls,
        seen.answered,
        percent(seen.asr_percent),
        span(seen.acd_s),
        seen.revision,
        shown(&alarms)
    )
}

fn head(seen: &Seen, view: &View) -> Vec<Line<'static>> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut words = vec![format!("tandem top  {}", seen.at.get(11..19).unwrap_or(&seen.at))];
    words.push(format!("revision {}", seen.revision));
    words.push(format!("up {}", uptime(seen.uptime_s)));
    words.extend(view.paused.then(|| "PAUSED".to_owned()));
    words.extend(seen.draining.then(|| "DRAINING".to_owned()));
    words.push(seen.node.clone());
    let figures = format!(
        "{} CPS  {} calls, {} answered  ASR {}  ACD {}",
        decimal(seen.cps),
        seen.calls,
        seen.answered,
        percent(seen.asr_percent),
        span(seen.acd_s),
    );
    vec![Line::styled(shown(&words.join("  ")), bold), Line::raw(figures)]
}

fn alarms(seen: &Seen) -> Vec<Line<'static>> {
    let mut all: Vec<Line<'static>> = Vec::new();
    for alarm in seen.alarms.iter().take(ALARMS_MAX) {
        let colour = if alarm.level == Level::Fail { Color::Red } else { Color::Yellow };
        let text = format!("{} {}: {}", alarm.level.word().to_uppercase(), alarm.what, alarm.mend);
        all.push(Line::styled(shown(&text), Style::new().fg(colour)));
    }
    if seen.alarms.len() > ALARMS_MAX {
        all.push(Line::raw(format!("and {} more alarms", seen.alarms.len() - ALARMS_MAX)));
    }
    if !seen.database.is_empty() {
        let text = format!("WARN no ASR and ACD, the database does not say: {}", seen.database);
        all.push(Line::styled(shown(&text), Style::new().fg(Color::Yellow)));
    }
    all
}

/// The columns of shards, those that may be left out last.
const SHARDS: [&str; 7] = ["shard", "calls", "answered", "cpu", "wait", "media ports", "revision"];

fn shard(shard: &Shard) -> Vec<String> {
    vec![
        shard.shard.to_string(),
        shard.calls.to_string(),
        shard.answered.to_string(),
        percent(shard.cpu_percent),
        shard.wait_ms_per_s.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms/s")),
        format!("{} of {}", shard.ports_used, shard.ports_max),
        shard.revision.to_string(),
    ]
}

const STAGES: [&str; 5] = ["latency", "p99", "p50", "p99.9", "count"];

fn latency(stage: &Stage) -> Vec<String> {
    let time = |ns: u64| match ns {
        _ if stage.count == 0 => "-".to_owned(),
        0..10_000 => format!("{:.1} µs", ns as f64 / 1e3),
        10_000..10_000_000 => format!("{} µs", ns / 1_000),
        _ => format!("{} ms", ns / 1_000_000),
    };
    vec![stage.stage.clone(), time(stage.p99_ns), time(stage.p50_ns), time(stage.p99_9_ns), stage.count.to_string()]
}

const CARRIERS: [&str; 7] = ["carrier", "sends", "takes", "answered", "asr", "acd", "ended"];
const TRUNKS: [&str; 5] = ["trunk", "side", "calls", "answered", "state"];

fn list(seen: &Seen, view: &View, width: usize, height: usize) -> Vec<Line<'static>> {
    let is_trunks = view.rows == Rows::Trunks;
    let all = if is_trunks { &seen.trunks } else { &seen.carriers };
    let parts = sorted(all, view);
    let cells = |part: &&Part| if is_trunks { trunk(part) } else { carrier(part) };
    let room = height.saturating_sub(2);
    let skipped = view.skipped.min(parts.len().saturating_sub(room));
    let rows: Vec<Vec<String>> = parts.iter().skip(skipped).take(room).map(cells).collect();
    let mut lines = table(if is_trunks { &TRUNKS } else { &CARRIERS }, &rows, width);
    let below = parts.len().saturating_sub(skipped + rows.len());
    if below > 0 || seen.counted_in_part {
        let part = if seen.counted_in_part { "; only the oldest calls are counted" } else { "" };
        lines.push(Line::raw(format!("and {below} more{part}")));
    }
    lines
}

/// The rows that are wanted, in the order that is wanted.
fn sorted<'a>(all: &'a [Part], view: &View) -> Vec<&'a Part> {
    let wanted = view.filter.to_lowercase();
    let mut parts: Vec<&Part> = all.iter().filter(|part| part.code.to_lowercase().contains(&wanted)).collect();
    match view.sort {
        Sort::Name => parts.sort_by(|one, other| one.code.cmp(&other.code)),
        Sort::Calls => parts.sort_by_key(|part| std::cmp::Reverse(part.sent + part.taken)),
        // Those without an ASR stand last.
        Sort::Asr => parts.sort_by(|one, other| {
            let asr = |part: &Part| part.asr_percent.unwrap_or(f64::INFINITY);
            asr(one).total_cmp(&asr(other))
        }),
    }
    parts
}

fn carrier(part: &Part) -> Vec<String> {
    let ended = part.ended.map_or_else(|| "-".to_owned(), |ended| ended.to_string());
    let numbers = [part.sent, part.taken, part.answered].map(|number| number.to_string());
    let rest = [percent(part.asr_percent), span(part.acd_s), ended];
    [part.code.clone()].into_iter().chain(numbers).chain(rest).collect()
}

fn trunk(part: &Part) -> Vec<String> {
    let calls = (part.sent + part.taken).to_string();
    vec![part.code.clone(), part.side.clone(), calls, part.answered.to_string(), part.state.clone()]
}

/// Rows under their heads; columns that do not fit are left out, the last ones first.
fn table(head: &[&str], rows: &[Vec<String>], width: usize) -> Vec<Line<'static>> {
    let wide = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let mut widths: Vec<usize> = (0..head.len()).map(wide).collect();
    while widths.len() > 1 && widths.iter().map(|column| column + GAP).sum::<usize>() > width.saturating_add(GAP) {
        widths.pop();
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{:<width$}", shown(cell))).collect();
        padded.join(&" ".repeat(GAP)).trim_end().to_owned()
    };
    let mut lines = vec![Line::styled(line(&mut head.iter().copied()), Style::new().add_modifier(Modifier::REVERSED))];
    lines.extend(rows.iter().map(|row| Line::raw(line(&mut row.iter().map(String::as_str)))));
    lines
}

fn keys(view: &View) -> String {
    if view.typing {
        return format!("only names with: {}_   Enter keeps it, Esc shows all", view.filter);
    }
    let sort = format!("{:?}", view.sort).to_lowercase();
    let only = if view.filter.is_empty() { String::new() } else { format!(" ({})", view.filter) };
    format!("q quit   p pause   s sort ({sort})   Tab trunks/carriers   / filter{only}   ↑↓ scroll")
}

fn cut(line: Line<'static>, width: usize) -> Line<'static> {
    let text = line.to_string();
    if text.chars().count() <= width {
        return line;
    }
    Line::styled(text.chars().take(width).collect::<String>(), line.style)
}

fn decimal(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"))
}

fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1} %"))
}

fn span(seconds: Option<u64>) -> String {
    seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{}:{:02}", seconds / 60, seconds % 60))
}

fn uptime(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarms::Alarm;

    fn sample() -> Seen {
        let part = |code: &str, taken, asr| Part { code: code.into(), taken, asr_percent: asr, ..Part::default() };
        let trunks = ["oria-1", "oria-2"].map(|code| Part { side: "egress".into(), ..part(code, 1, None) });
        let carriers = vec![part("oria", 40, Some(38.4)), part("blux", 90, Some(51.0)), part("acme", 0, None)];
        let stage = Stage { stage: "route".into(), count: 9, p50_ns: 900, p99_ns: 12_000, p99_9_ns: 40_000_000 };
        let shards = (0..2).map(|shard| Shard { shard, calls: 65, revision: 17, ..Shard::default() }).collect();
        Seen {
            at: "2026-01-02T12:34:56.000000Z".into(),
            node: "/var/lib/tandem".into(),
            data_plane_up: true,
            cps: Some(20.0),
            calls: 130,
            asr_percent: Some(46.2),
            acd_s: Some(184),
            revision: 17,
            stages: vec![stage],
            trunks: trunks.to_vec(),
            shards,
            carriers,
            ..Seen::default()
        }
    }

    fn drawn(seen: &Seen, view: &View, width: usize, height: usize) -> Vec<String> {
        lines(seen, view, width, height).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_terminal_gets_as_much_as_it_has_room_for() {
        for (width, height) in [(132, 50), (80, 24), (40, 12), (20, 6), (9, 3), (1, 1)] {
            let page = drawn(&sample(), &View::default(), width, height);
            assert!(page.len() <= height && page.iter().all(|line| line.chars().count() <= width), "{page:#?}");
        }
        let whole = drawn(&sample(), &View::default(), 80, 40).join("\n");
        for part in
            ["20.0 CPS  130 calls", "ASR 46.2 %  ACD 3:04", "shard  calls", "route    12 µs  0.9 µs  40 ms", "q quit"]
        {
            assert!(whole.contains(part), "{part}: {whole}");
        }
        // The list stays where shards and latencies find no room, and its last columns go first.
        let narrow = drawn(&sample(), &View::default(), 30, 12).join("\n");
        assert!(narrow.contains("carrier  sends  takes\nblux     0      90\noria"), "{narrow}");
        assert!(!narrow.contains("shard"), "{narrow}");
    }

    #[test]
    fn rows_come_in_the_order_that_is_wanted_and_only_those() {
        let order = |view: &View| -> Vec<String> {
            sorted(&sample().carriers, view).iter().map(|part| part.code.clone()).collect()
        };
        let by = |sort| View { sort, ..View::default() };
        assert_eq!(order(&by(Sort::Calls)), ["blux", "oria", "acme"]);
        assert_eq!(order(&by(Sort::Asr)), ["oria", "blux", "acme"]);
        assert_eq!(order(&by(Sort::Name)), ["acme", "blux", "oria"]);
        assert_eq!(order(&View { filter: "IA".into(), ..View::default() }), ["oria"]);
        let trunks = drawn(&sample(), &View { rows: Rows::Trunks, ..View::default() }, 80, 40).join("\n");
        assert!(trunks.contains("oria-1  egress  1"), "{trunks}");
    }

    #[test]
    fn what_does_not_answer_is_said_and_nothing_speaks_to_the_terminal() {
        let what = "the data plane does not answer: \x1b[2J".to_owned();
        let alarm = Alarm::new("data_plane_away", Level::Fail, what, "see its log");
        let seen = Seen { alarms: vec![alarm], database: "it is away".into(), asr_percent: None, ..sample() };
        let page = drawn(&seen, &View::default(), 100, 30).join("\n");
        assert!(page.contains("FAIL the data plane does not answer: ?[2J: see its log"), "{page}");
        assert!(page.contains("ASR -") && page.contains("the database does not say: it is away"), "{page}");
        assert!(!text(&seen, &View::default()).contains('\x1b') && !row(&seen).contains('\x1b'));
        assert!(row(&seen).contains("ALARM the data plane does not answer"), "{}", row(&seen));
        assert!(text(&seen, &View::default()).contains("trunk"), "all lists are there");
    }
}
