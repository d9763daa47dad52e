//! Charts as SVG text: lines and a heat map, drawn without a script so that the page needs nothing else.

use std::fmt::Write;

use crate::heat::{self, Heat, STEPS};
use crate::junit::escaped;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 70.0;
const BOTTOM: f64 = 34.0;
const TOP: f64 = 10.0;
const RIGHT: f64 = 26.0;
/// Colours that are told apart with any kind of sight (Okabe and Ito).
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// One axis.
#[derive(Clone, Copy, Debug)]
pub struct Axis<'a> {
    /// What it measures.
    pub name: &'a str,
    /// Equal steps stand for equal factors.
    pub logarithmic: bool,
}

/// A named line of points.
pub struct Series<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its points, in order of x.
    pub points: Vec<(f64, f64)>,
}

struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Scale {
    fn of(values: impl Iterator<Item = f64>, logarithmic: bool) -> Scale {
        let values = values.filter(|value| value.is_finite() && (!logarithmic || *value > 0.0));
        let (mut low, mut high) =
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if !low.is_finite() {
            (low, high) = (1.0, 10.0);
        }
        if logarithmic {
            low = 10_f64.powf(low.log10().floor());
            high = 10_f64.powf(high.log10().ceil()).max(low * 10.0);
        } else {
            low = low.min(0.0);
            high = if high > low { high } else { low + 1.0 };
        }
        Scale { low, high, logarithmic }
    }

    /// 0 at the low end, 1 at the high one.
    fn at(&self, value: f64) -> f64 {
        let place = match self.logarithmic {
            true => (value.max(self.low) / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        };
        place.clamp(0.0, 1.0)
    }

    fn ticks(&self) -> Vec<f64> {
        if self.logarithmic {
            let decades = (self.high / self.low).log10().round() as i32;
            return (0..=decades).map(|power| self.low * 10_f64.powi(power)).collect();
        }
        (0..=5).map(|nth| self.low + (self.high - self.low) * f64::from(nth) / 5.0).collect()
    }
}

fn across(share: f64) -> f64 {
    LEFT + share * (WIDTH - LEFT - RIGHT)
}

fn down(share: f64) -> f64 {
    TOP + (1.0 - share) * (HEIGHT - TOP - BOTTOM)
}

fn figure(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if size >= 10_000.0 => format!("{:.0}k", value / 1_000.0),
        size if size >= 10.0 => format!("{value:.0}"),
        size if size >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.3}").trim_end_matches('0').trim_end_matches('.').to_owned(),
    }
}

fn frame(out: &mut String, x: (&Axis<'_>, &Scale, &dyn Fn(f64) -> String), y: (&Axis<'_>, &Scale)) {
    // Writing to a text cannot fail.
    let _ = write!(out, "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">");
    for tick in x.1.ticks() {
        let at = across(x.1.at(tick));
        let _ = write!(out, "<line class=\"g\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{:.1}\"/>", down(0.0));
        let _ = write!(
            out,
            "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            down(0.0) + 14.0,
            (x.2)(tick)
        );
    }
    for tick in y.1.ticks() {
        let at = down(y.1.at(tick));
        let _ =
            write!(out, "<line class=\"g\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>", across(1.0));
        let _ = write!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 5.0,
            at + 4.0,
            figure(tick)
        );
    }
    let _ = write!(
        out,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
        across(0.5),
        HEIGHT - 4.0,
        escaped(x.0.name)
    );
    let (x, y_middle) = (14.0, down(0.5));
    let _ = write!(
        out,
        "<text x=\"{x}\" y=\"{y_middle:.1}\" text-anchor=\"middle\" transform=\"rotate(-90 {x} {y_middle:.1})\">{}</text>",
        escaped(y.0.name)
    );
}

/// Lines over one x axis. `tick` names a place on that axis.
pub fn lines(x: Axis<'_>, y: Axis<'_>, series: &[Series<'_>], tick: &dyn Fn(f64) -> String) -> String {
    let points = || series.iter().flat_map(|series| series.points.iter());
    let across_scale = Scale::of(points().map(|point| point.0), x.logarithmic);
    let down_scale = Scale::of(points().map(|point| point.1), y.logarithmic);
    let mut out = String::new();
    frame(&mut out, (&x, &across_scale, tick), (&y, &down_scale));
    for (nth, series) in series.iter().enumerate() {
        let colour = COLOURS[nth % COLOURS.len()];
        let path: Vec<String> = series
            .points
            .iter()
            .map(|(x, y)| format!("{:.1},{:.1}", across(across_scale.at(*x)), down(down_scale.at(*y))))
            .collect();
        let _ = write!(
            out,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\" points=\"{}\"/>",
            path.join(" ")
        );
        if series.points.len() <= 40 {
            for ((x, y), place) in series.points.iter().zip(&path) {
                let (cx, cy) = place.split_once(',').unwrap_or(("0", "0"));
                let said = format!("{}: {} at {}", series.name, figure(*y), tick(*x));
                let _ = write!(
                    out,
                    "<circle cx=\"{cx}\" cy=\"{cy}\" r=\"3\" fill=\"{colour}\"><title>{}</title></circle>",
                    escaped(&said)
                );
            }
        }
    }
    out.push_str("</svg><p class=\"legend\">");
    for (nth, series) in series.iter().enumerate() {
        let colour = COLOURS[nth % COLOURS.len()];
        let _ = write!(out, "<span><i style=\"background:{colour}\"></i>{}</span>", escaped(series.name));
    }
    out.push_str("</p>");
    out
}

/// Calls by second and latency; the darker, the more.
pub fn heat_map(heat: &Heat) -> String {
    let used = |step: usize| heat.columns.iter().any(|column| column[step] > 0);
    let first = (0..STEPS).find(|step| used(*step)).unwrap_or(0);
    let last = (0..STEPS).rev().find(|step| used(*step)).unwrap_or(STEPS - 1);
    let most = heat.columns.iter().flatten().copied().max().unwrap_or(1).max(1);
    let seconds = heat.columns.len() as f64 * heat.wide_s as f64;
    let across_scale = Scale { low: 0.0, high: seconds, logarithmic: false };
    let down_scale = Scale { low: heat::from_ms(first), high: heat::from_ms(last + 1), logarithmic: true };
    let mut out = String::new();
    let axes = (Axis { name: "seconds", logarithmic: false }, Axis { name: "ms", logarithmic: true });
    frame(&mut out, (&axes.0, &across_scale, &figure), (&axes.1, &down_scale));
    let wide = (across(1.0) - across(0.0)) / heat.columns.len().max(1) as f64;
    for (nth, column) in heat.columns.iter().enumerate() {
        for (step, count) in column.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (low, high) = (down(down_scale.at(heat::from_ms(step))), down(down_scale.at(heat::from_ms(step + 1))));
            // The square root lets a few slow calls be seen beside many quick ones.
            let shade = (f64::from(*count) / f64::from(most)).sqrt().max(0.12);
            let (x, tall) = (across(0.0) + nth as f64 * wide, (low - high).max(1.0));
            let _ = write!(
                out,
                "<rect x=\"{x:.1}\" y=\"{high:.1}\" width=\"{wide:.2}\" height=\"{tall:.1}\" fill=\"#d55e00\" fill-opacity=\"{shade:.2}\">\
                 <title>{} s, {} to {} ms: {count} calls</title></rect>",
                nth as u64 * heat.wide_s,
                figure(heat::from_ms(step)),
                figure(heat::from_ms(step + 1))
            );
        }
    }
    out.push_str("</svg>");
    out
}
