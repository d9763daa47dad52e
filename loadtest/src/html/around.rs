//! What went on around the calls: this machine's cores, the switch's own metrics, and the moments at which somebody did something to it.

use std::fmt::Write;

use super::chart::{self, Axis, Series};
use super::row;
use crate::junit::escaped;
use crate::observe::{CARDS_FULL, CORE, Mark, SOCKETS_FULL, SOFTIRQ, Seen};

/// Lines of one chart that can be told apart.
const LINES_MAX: usize = 6;
/// Rows of the table.
const ROWS_MAX: usize = 300;
const SECONDS: Axis<'static> = Axis { name: "seconds", logarithmic: false };

/// What was seen, and what was done.
#[derive(Debug, Default)]
pub struct Around {
    /// Series by name.
    pub seen: Seen,
    /// Moments, as they were announced.
    pub marks: Vec<Mark>,
}

/// A chart with a line upright at each mark.
pub fn chart(out: &mut String, title: &str, unit: &str, lines: Vec<Series<'_>>, marks: &[Mark]) {
    let most = lines.iter().flat_map(|line| &line.points).map(|point| point.1).fold(1.0, f64::max);
    let upright = |mark: &Mark| vec![(mark.at_s, 0.0), (mark.at_s, most)];
    let marks = marks.iter().map(|mark| Series { name: &mark.name, points: upright(mark) });
    let all: Vec<Series<'_>> = lines.into_iter().chain(marks).collect();
    let _ = write!(out, "<h2>{}</h2>", escaped(title));
    let axis = Axis { name: unit, logarithmic: false };
    out.push_str(&chart::lines(SECONDS, axis, &all, &|second| {
        format!("{second:.1}").trim_end_matches(".0").to_owned()
    }));
}

/// All of it.
pub fn written(out: &mut String, around: &Around) {
    let Around { seen, marks } = around;
    let cores: Vec<(&str, Vec<(f64, f64)>)> = seen
        .series
        .iter()
        .filter(|(name, _)| name.starts_with(CORE))
        .map(|(name, points)| (&name[..], points.clone()))
        .collect();
    if cores.iter().any(|(_, points)| points.len() > 1) {
        let mut lines = busiest(cores);
        lines.extend(seen.series.get(SOFTIRQ).map(|points| Series { name: SOFTIRQ, points: points.clone() }));
        chart(out, "Cores of this machine, busy", "per cent", lines, marks);
    }
    for name in [SOCKETS_FULL, CARDS_FULL] {
        let points = seen.series.get(name).map(|points| a_second(points)).unwrap_or_default();
        if points.iter().any(|point| point.1 > 0.0) {
            chart(out, name, "a second", vec![Series { name, points }], marks);
        }
    }
    for wanted in &seen.charted {
        switchs(out, seen, wanted, marks);
    }
    table(out, seen);
}

/// The busiest cores, busiest first.
fn busiest(mut cores: Vec<(&str, Vec<(f64, f64)>)>) -> Vec<Series<'_>> {
    let used = |points: &[(f64, f64)]| points.iter().map(|point| point.1).sum::<f64>() / points.len().max(1) as f64;
    cores.sort_by(|a, b| used(&b.1).total_cmp(&used(&a.1)));
    cores.truncate(LINES_MAX - 1);
    cores.into_iter().map(|(name, points)| Series { name, points }).collect()
}

/// One metric of the switch, a line for each of its labels; a counter as what it rises in a second.
fn switchs(out: &mut String, seen: &Seen, wanted: &str, marks: &[Mark]) {
    let counts = ["_total", "_count", "_sum"].iter().any(|end| wanted.ends_with(*end));
    let of = |name: &str| name.split('{').next().is_some_and(|plain| plain.rsplit(' ').next() == Some(wanted));
    let lines: Vec<Series<'_>> = seen
        .series
        .iter()
        .filter(|(name, _)| of(name))
        .take(LINES_MAX)
        .map(|(name, points)| Series {
            name: name.as_str(),
            points: if counts { a_second(points) } else { points.clone() },
        })
        .collect();
    if lines.is_empty() {
        let _ = write!(out, "<p class=\"bad\">nobody told of {}</p>", escaped(wanted));
        return;
    }
    chart(out, wanted, if counts { "a second" } else { "value" }, lines, marks);
}

/// What a counter rose by in each second; a restart counts from nothing.
fn a_second(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let rise = |pair: &[(f64, f64)]| {
        let ((from, before), (till, after)) = (pair[0], pair[1]);
        (till, if after < before { after } else { after - before } / (till - from).max(0.05))
    };
    points.windows(2).map(rise).collect()
}

fn table(out: &mut String, seen: &Seen) {
    let moved = seen.moved();
    if seen.silent > 0 {
        let _ = write!(out, "<p class=\"bad\">{} questions for metrics were not answered</p>", seen.silent);
    }
    let told = moved.iter().filter(|moved| !moved.name.starts_with(CORE) && moved.name != SOFTIRQ);
    let told: Vec<_> = told.take(ROWS_MAX).collect();
    if told.is_empty() {
        return;
    }
    out.push_str("<details><summary>All metrics that moved</summary><table><tr>");
    ["metric", "first", "last", "least", "most"].iter().for_each(|name| {
        let _ = write!(out, "<th>{name}</th>");
    });
    out.push_str("</tr>");
    for moved in told {
        let figures = [moved.first, moved.last, moved.least, moved.most].map(|value| value.to_string());
        let cells: Vec<String> = std::iter::once(moved.name.clone()).chain(figures).collect();
        row(out, &cells);
    }
    out.push_str("</table></details>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_between_two_seconds_is_named_as_such() {
        let mut out = String::new();
        let line = Series { name: "placed", points: vec![(0.0, 1.0), (7.0, 2.0)] };
        chart(&mut out, "Calls", "calls", vec![line], &[]);
        for moment in [">0<", ">1.4<", ">2.8<", ">4.2<", ">5.6<", ">7<"] {
            assert!(out.contains(moment), "{moment} in {out}");
        }
    }

    #[test]
    fn a_counter_is_told_by_the_second_and_may_begin_anew() {
        let points = [(0.0, 10.0), (1.0, 30.0), (3.0, 40.0), (4.0, 6.0)];
        assert_eq!(a_second(&points), [(1.0, 20.0), (3.0, 5.0), (4.0, 6.0)]);
    }
}
