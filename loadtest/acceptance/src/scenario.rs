//! Our SIPp scenarios: what they have in common is written once, in `scenarios/parts.txt`.
//!
//! `{name}` stands for a part, `{name|text}` for a part whose `{*}` is the text. `<check header="…" is="…"/>` fails the call unless
//! the header of the message just received fits the expression; `lacks` fails it if it does; `body` searches all of the message.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Parts within parts at most: what is above it goes in circles.
const DEPTH_MAX: u8 = 8;

/// The folder of our scenarios.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// Writes a scenario of ours as SIPp reads it.
///
/// # Panics
/// When the scenario names a part that does not exist.
pub fn write(from: &Path, to: &Path) {
    let parts = std::fs::read_to_string(folder().join("parts.txt")).expect("the parts are there");
    let text = std::fs::read_to_string(from).unwrap_or_else(|_| panic!("{} is there", from.display()));
    let whole = checked(&filled(&text, &parted(&parts), DEPTH_MAX));
    std::fs::write(to, whole).expect("the folder is writable");
}

fn parted(text: &str) -> BTreeMap<&str, &str> {
    let each = text.split("\n== ").skip(1);
    each.filter_map(|part| part.split_once('\n')).collect()
}

fn filled(text: &str, parts: &BTreeMap<&str, &str>, depth: u8) -> String {
    assert!(depth > 0, "parts go in circles at {text:?}");
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or_else(|| panic!("a part ends: {after:?}"));
        let (name, with) = name.split_once('|').unwrap_or((name, ""));
        let part = parts.get(name).unwrap_or_else(|| panic!("part {name:?} is there"));
        let part = if with.is_empty() { without_star(part) } else { part.replace("{*}", with) };
        out.push_str(before);
        out.push_str(&filled(&part, parts, depth - 1));
        rest = after;
    }
    out + rest
}

fn without_star(part: &str) -> String {
    part.split('\n').filter(|line| !line.contains("{*}")).collect::<Vec<_>>().join("\n")
}

/// Writes each check as SIPp knows it: an expression, a variable that nobody reads, and a mention of it that keeps SIPp content.
fn checked(text: &str) -> String {
    let mut out = String::new();
    let mut count = 0;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<check ") {
        let (check, after) = after.split_once("/>").expect("a check ends");
        count += 1;
        let value = |name: &str| check.split_once(&format!("{name}=\"")).and_then(|(_, rest)| rest.split('"').next());
        let place = match value("header") {
            Some(header) => format!("search_in=\"hdr\" header=\"{header}:\""),
            None => "search_in=\"msg\"".to_owned(),
        };
        let (wanted, verb) = match value("lacks") {
            Some(unwanted) => (unwanted, "check_it_inverse"),
            None => (value("is").or(value("body")).unwrap_or(""), "check_it"),
        };
        let _ = write!(out, "{before}<ereg regexp=\"{wanted}\" {place} {verb}=\"true\" assign_to=\"check{count}\"/>");
        rest = after;
    }
    let (body, end) = rest.rsplit_once("</scenario>").expect("a scenario ends");
    out.push_str(body);
    let mut named: Vec<String> = (1..=count).map(|number| format!("check{number}")).collect();
    // SIPp takes a variable that is written and never read for a mistake.
    named.extend(
        ["from", "to", "via", "number"]
            .iter()
            .filter(|name| text.contains(&format!("\"{name}\"")))
            .map(|n| n.to_string()),
    );
    if !named.is_empty() {
        let _ = writeln!(out, "<Reference variables=\"{}\"/>", named.join(","));
    }
    out + "</scenario>" + end
}
