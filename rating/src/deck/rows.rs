//! Text into cells: RFC 4180 with any of four separators.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use super::columns::Head;

const SEPARATORS: [char; 4] = [',', ';', '\t', '|'];
/// Lines that are looked at to find the separator.
const SAMPLE_LINES: usize = 20;

/// The rows of a text with the number of the line that each ends on, from 1. Cells are trimmed; a quoted cell may hold separators,
/// doubled quotes and line ends. The separator is the one that parts some line of the first twenty into a head line, or a comma.
pub fn rows(text: &str) -> Vec<(u32, Vec<String>)> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let separator = separator(text);
    let (mut rows, mut cells, mut cell) = (Vec::new(), vec![], String::new());
    let (mut quoted, mut line) = (false, 1);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if cell.trim().is_empty() => {
                cell.clear();
                quoted = true;
            }
            '\n' if !quoted => {
                cells.push(cell.trim().to_string());
                cell.clear();
                rows.push((line, core::mem::take(&mut cells)));
                line += 1;
            }
            letter if letter == separator && !quoted => {
                cells.push(cell.trim().to_string());
                cell.clear();
            }
            letter => {
                line += u32::from(letter == '\n');
                cell.push(letter);
            }
        }
    }
    if !cell.is_empty() || !cells.is_empty() {
        cells.push(cell.trim().to_string());
        rows.push((line, cells));
    }
    rows
}

fn separator(text: &str) -> char {
    let heads = |separator: char| {
        let mut lines = text.lines().take(SAMPLE_LINES);
        // Quotes do not matter here: names are compared by their letters.
        lines.any(|line| Head::of(&line.split(separator).map(String::from).collect::<Vec<_>>()).is_some())
    };
    SEPARATORS.into_iter().find(|separator| heads(*separator)).unwrap_or(',')
}
