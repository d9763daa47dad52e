//! Sheets of one workbook: prices by name on one, codes by name on another.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::PREAMBLE_MAX;
use super::columns::{Column, Head};

/// Rows of one table, each with the number of its line.
pub type Table = Vec<(u32, Vec<String>)>;

/// The rows to be read of a workbook's tables: those of the first that has codes and prices; or else those of the one with prices, each
/// with the codes that another has under the same destination; or else the first table.
pub fn join(tables: Vec<Table>, mapped: &[(String, Column)]) -> Table {
    let whole = |table: &Table| head(table, |cells| Head::of(cells, mapped)).is_some();
    if let Some(place) = tables.iter().position(whole) {
        return tables.into_iter().nth(place).unwrap_or_default();
    }
    let with = |table: &Table, column| {
        let fits = |head: &Head| head.place(column).is_some() && head.place(Column::Destination).is_some();
        head(table, |cells| Some(Head::part(cells, mapped)).filter(fits))
    };
    let rates = tables.iter().find_map(|table| with(table, Column::Rate).map(|head| (table, head)));
    let codes = tables.iter().find_map(|table| with(table, Column::Prefix).map(|head| (table, head)));
    match (rates, codes) {
        (Some(rates), Some(codes)) => joined(rates, codes),
        _ => tables.into_iter().next().unwrap_or_default(),
    }
}

/// The first of the table's first lines that is a head, and its place.
fn head(table: &Table, of: impl Fn(&[String]) -> Option<Head>) -> Option<(usize, Head)> {
    table.iter().take(PREAMBLE_MAX).enumerate().find_map(|(place, (_, cells))| Some((place, of(cells)?)))
}

fn joined((rates, rate_head): (&Table, (usize, Head)), (codes, code_head): (&Table, (usize, Head))) -> Table {
    let mut by_name: BTreeMap<String, String> = BTreeMap::new();
    let mut above = String::new();
    for (_, cells) in &codes[code_head.0 + 1..] {
        let cell = |column| code_head.1.place(column).and_then(|place| cells.get(place)).map_or("", String::as_str);
        if !cell(Column::Destination).is_empty() {
            above = name(cell(Column::Destination));
        }
        // The country's code stands before a single code; a list has its own column for that.
        let code = [cell(Column::CountryCode), cell(Column::Prefix)].concat();
        if code.is_empty() {
            continue;
        }
        let all = by_name.entry(above.clone()).or_default();
        if !all.is_empty() {
            all.push(';');
        }
        all.push_str(&code);
    }
    let width = rates.iter().map(|(_, cells)| cells.len()).max().unwrap_or(0);
    let place = rate_head.1.place(Column::Destination).unwrap_or(0);
    let mut table = rates.clone();
    for (at, (_, cells)) in table.iter_mut().enumerate().skip(rate_head.0) {
        if cells.iter().all(String::is_empty) {
            continue;
        }
        cells.resize(width, String::new());
        let codes = by_name.get(&name(&cells[place])).map_or("", String::as_str);
        cells.push(if at == rate_head.0 { "prefix".to_string() } else { codes.to_string() });
    }
    table
}

/// Names are compared without regard to case and spaces.
fn name(text: &str) -> String {
    text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
