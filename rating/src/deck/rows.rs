//! Text into cells: RFC 4180 with any of four separators.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::columns::Head;

const SEPARATORS: [char; 4] = [',', ';', '\t', '|'];
/// Lines that are looked at to find the separator.
const SAMPLE_LINES: usize = 20;

/// Rows whose cells are pieces of the text; only those with quotes inside are written anew.
type Slices<'a> = Vec<(u32, Vec<Cow<'a, str>>)>;

/// The rows of a text with the number of the line that each begins on, from 1. Cells are trimmed; a quoted cell may hold separators,
/// doubled quotes and line ends. The separator is the one that parts some line of the first twenty into a head line, or else the
/// most frequent one.
pub fn rows(text: &str) -> Vec<(u32, Vec<String>)> {
    let owned = |(line, cells): (u32, Vec<Cow<'_, str>>)| (line, cells.into_iter().map(Cow::into_owned).collect());
    split(text).0.into_iter().map(owned).collect()
}

/// The line where a quote opens that is never closed: what follows it stands in one cell.
pub fn unclosed(text: &str, separator: u8) -> Option<u32> {
    let mut split = Split { text, separator, at: 0, line: 1, unclosed: None };
    loop {
        match split.cell().1 {
            End::Cell => {}
            End::Row => split.line += 1,
            End::Text => return split.unclosed,
        }
    }
}

/// The rows, and the line where a quote opens that is never closed.
pub(super) fn split(text: &str) -> (Slices<'_>, Option<u32>) {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut split = Split { text, separator: separator(text) as u8, at: 0, line: 1, unclosed: None };
    let (mut rows, mut cells, mut line) = (Vec::new(), Vec::new(), 1);
    loop {
        let (cell, end) = split.cell();
        let empty = cell.is_empty() && cells.is_empty();
        cells.push(cell);
        match end {
            End::Cell => {}
            End::Row => {
                // The next row is as wide as this one, nearly always.
                let next = Vec::with_capacity(cells.len());
                rows.push((line, core::mem::replace(&mut cells, next)));
                split.line += 1;
                line = split.line;
            }
            End::Text => {
                rows.extend((!empty).then_some((line, cells)));
                return (rows, split.unclosed);
            }
        }
    }
}

/// A place in a text, and the number of its line.
struct Split<'a> {
    text: &'a str,
    separator: u8,
    at: usize,
    line: u32,
    /// Where the last cell's quote opened, if the text ended before it closed.
    unclosed: Option<u32>,
}

/// What a cell ends with.
enum End {
    Cell,
    Row,
    Text,
}

impl<'a> Split<'a> {
    /// The next cell.
    fn cell(&mut self) -> (Cow<'a, str>, End) {
        let start = self.at;
        loop {
            if let Some(end) = self.end() {
                return (Cow::Borrowed(self.text[start..self.at].trim()), self.pass(end));
            }
            if self.text.as_bytes()[self.at] == b'"' && self.text[start..self.at].trim().is_empty() {
                return self.plain_quoted().unwrap_or_else(|| self.quoted());
            }
            self.at += 1;
        }
    }

    /// What ends here, if something does.
    fn end(&self) -> Option<End> {
        match self.text.as_bytes().get(self.at) {
            None => Some(End::Text),
            Some(b'\n') => Some(End::Row),
            Some(byte) if *byte == self.separator => Some(End::Cell),
            Some(_) => None,
        }
    }

    fn pass(&mut self, end: End) -> End {
        self.at = self.text.len().min(self.at + 1);
        end
    }

    /// A cell in quotes with none inside: nearly all of them.
    fn plain_quoted(&mut self) -> Option<(Cow<'a, str>, End)> {
        let inside = self.at + 1;
        let length = self.text[inside..].find('"')?;
        let here = self.at;
        self.at = inside + length + 1;
        self.at += usize::from(self.text[self.at..].starts_with("\r\n"));
        let Some(end) = self.end() else {
            self.at = here;
            return None;
        };
        let cell = &self.text[inside..inside + length];
        self.line += cell.matches('\n').count() as u32;
        Some((Cow::Borrowed(cell.trim()), self.pass(end)))
    }

    fn quoted(&mut self) -> (Cow<'a, str>, End) {
        let (mut cell, mut quoted) = (String::new(), true);
        let mut opened = self.line;
        self.at += 1;
        // What stands from here on is not in the cell yet.
        let mut from = self.at;
        loop {
            let rest = &self.text[self.at..];
            match self.end() {
                Some(end) if !quoted || matches!(end, End::Text) => {
                    cell.push_str(&self.text[from..self.at]);
                    self.unclosed = quoted.then_some(opened);
                    return (Cow::Owned(cell.trim().to_string()), self.pass(end));
                }
                Some(_) | None if quoted && rest.starts_with("\"\"") => {
                    cell.push_str(&self.text[from..=self.at]);
                    self.at += 2;
                    from = self.at;
                }
                Some(_) | None if rest.starts_with('"') && (quoted || self.blank(&cell, from)) => {
                    if quoted {
                        cell.push_str(&self.text[from..self.at]);
                    } else {
                        cell.clear();
                        opened = self.line;
                    }
                    quoted = !quoted;
                    self.at += 1;
                    from = self.at;
                }
                Some(_) | None => {
                    self.line += u32::from(rest.starts_with('\n'));
                    self.at += 1;
                    while !self.text.is_char_boundary(self.at) {
                        self.at += 1;
                    }
                }
            }
        }
    }

    /// Nothing but spaces so far.
    fn blank(&self, cell: &str, from: usize) -> bool {
        cell.trim().is_empty() && self.text[from..self.at].trim().is_empty()
    }
}

fn separator(text: &str) -> char {
    let heads = |separator: char| {
        let mut lines = text.lines().take(SAMPLE_LINES);
        // Quotes do not matter here: names are compared by their letters.
        lines.any(|line| Head::of(&line.split(separator).collect::<Vec<_>>(), &[]).is_some())
    };
    // Without names that we know, the most frequent mark.
    let marks =
        |separator: &char| text.lines().take(SAMPLE_LINES).map(|line| line.matches(*separator).count()).sum::<usize>();
    let most = || SEPARATORS.into_iter().rev().max_by_key(marks).unwrap_or(',');
    SEPARATORS.into_iter().find(|separator| heads(*separator)).unwrap_or_else(most)
}
