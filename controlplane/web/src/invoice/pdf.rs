//! A PDF (ISO 32000-1) of text alone: A4 pages in Helvetica, which every reader has.

use std::fmt::Write as _;

use super::{COLUMNS, Sheet};

/// The page in points, and where text begins and ends on it.
const WIDTH: u32 = 595;
const HEIGHT: u32 = 842;
const LEFT: u32 = 40;
const TOP: u32 = 800;
const BOTTOM: u32 = 50;
/// From one line to the next.
const STEP: u32 = 13;
/// Where the columns are: the first two begin there, the others end there.
const PLACES: [u32; 8] = [LEFT, 190, 310, 350, 410, 465, 505, WIDTH - LEFT];
/// Characters of a cell at most; the rest is cut.
const CELLS: [usize; 8] = [32, 14, 14, 9, 10, 13, 12, 14];
/// Characters of a line of an address or a note.
const LINE_CHARS: usize = 100;

/// The file.
pub(super) fn of(sheet: &Sheet) -> Vec<u8> {
    let mut paper = Paper::default();
    paper.turn();
    paper.block(&sheet.issued_by);
    paper.line(&[(LEFT, sheet.title.as_str())], Look::Title);
    paper.down();
    paper.block(&sheet.addressed_to);
    for (name, value) in &sheet.facts {
        paper.line(&[(LEFT, *name), (190, value.as_str())], Look::Plain);
    }
    paper.down();
    paper.row(&COLUMNS, Look::Bold);
    for row in &sheet.rows {
        if paper.room(1) {
            paper.turn();
            paper.row(&COLUMNS, Look::Bold);
        }
        paper.row(&row.each_ref().map(String::as_str), Look::Plain);
    }
    paper.down();
    if paper.room(sheet.sums.len() as u32) {
        paper.turn();
    }
    for (place, (name, value)) in sheet.sums.iter().enumerate() {
        let look = if place + 1 == sheet.sums.len() { Look::Bold } else { Look::Plain };
        paper.line(&[(LEFT, name.as_str()), (190, value.as_str())], look);
    }
    paper.down();
    paper.block(&sheet.note);
    paper.bound()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    Plain,
    Bold,
    Title,
}

impl Look {
    /// The font's name on the page, and its size in points.
    fn font(self) -> (&'static str, u32) {
        match self {
            Look::Plain => ("F1", 8),
            Look::Bold => ("F2", 8),
            Look::Title => ("F2", 14),
        }
    }
}

/// Pages that are being written, from the top down.
#[derive(Default)]
struct Paper {
    pages: Vec<Vec<u8>>,
    y: u32,
}

impl Paper {
    /// Begins a page.
    fn turn(&mut self) {
        self.pages.push(Vec::new());
        self.y = TOP;
    }

    /// True where so many lines have no room any more.
    fn room(&self, lines: u32) -> bool {
        self.y < BOTTOM + lines * STEP
    }

    fn down(&mut self) {
        self.y = self.y.saturating_sub(STEP);
    }

    /// Texts that begin at their places, on a line of their own.
    fn line(&mut self, texts: &[(u32, &str)], look: Look) {
        if self.room(1) {
            self.turn();
        }
        for (x, text) in texts {
            self.put(*x, &letters(text, LINE_CHARS), look);
        }
        self.down();
    }

    /// Lines of a text; nothing for an empty one.
    fn block(&mut self, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        for line in text.trim().lines() {
            self.line(&[(LEFT, line)], Look::Plain);
        }
        self.down();
    }

    /// The cells of a table's row.
    fn row(&mut self, cells: &[&str; 8], look: Look) {
        for (column, cell) in cells.iter().enumerate() {
            let text = letters(cell, CELLS[column]);
            let (_, size) = look.font();
            let x = if column < 2 { PLACES[column] } else { PLACES[column].saturating_sub(width(&text, size)) };
            self.put(x, &text, look);
        }
        self.down();
    }

    fn put(&mut self, x: u32, text: &[u8], look: Look) {
        let (font, size) = look.font();
        let y = self.y;
        let Some(page) = self.pages.last_mut() else { return };
        page.extend_from_slice(format!("BT /{font} {size} Tf {x} {y} Td (").as_bytes());
        for byte in text {
            if matches!(byte, b'(' | b')' | b'\\') {
                page.push(b'\\');
            }
            page.push(*byte);
        }
        page.extend_from_slice(b") Tj ET\n");
    }

    /// All pages as a file: a catalogue, the list of pages, two fonts, then each page and what stands on it (§7.5).
    fn bound(self) -> Vec<u8> {
        let (mut out, mut places) = (b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n".to_vec(), Vec::new());
        let mut object = |out: &mut Vec<u8>, body: &[u8]| {
            places.push(out.len());
            out.extend_from_slice(format!("{} 0 obj\n", places.len()).as_bytes());
            out.extend_from_slice(body);
            out.extend_from_slice(b"\nendobj\n");
        };
        let kids: Vec<String> = (0..self.pages.len()).map(|page| format!("{} 0 R", 5 + 2 * page)).collect();
        object(&mut out, b"<< /Type /Catalog /Pages 2 0 R >>");
        let list = format!("<< /Type /Pages /Count {} /Kids [{}] >>", kids.len(), kids.join(" "));
        object(&mut out, list.as_bytes());
        for font in ["Helvetica", "Helvetica-Bold"] {
            let font = format!("<< /Type /Font /Subtype /Type1 /BaseFont /{font} /Encoding /WinAnsiEncoding >>");
            object(&mut out, font.as_bytes());
        }
        for (index, page) in self.pages.iter().enumerate() {
            let head = format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {WIDTH} {HEIGHT}] /Contents {} 0 R \
                 /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>",
                6 + 2 * index
            );
            object(&mut out, head.as_bytes());
            let mut stream = format!("<< /Length {} >>\nstream\n", page.len()).into_bytes();
            stream.extend_from_slice(page);
            stream.extend_from_slice(b"\nendstream");
            object(&mut out, &stream);
        }
        let table = out.len();
        let mut end = format!("xref\n0 {}\n0000000000 65535 f \n", places.len() + 1);
        for place in &places {
            // Twenty bytes an entry (§7.5.4).
            let _ = writeln!(end, "{place:010} 00000 n ");
        }
        let _ = writeln!(end, "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF", places.len() + 1);
        out.extend_from_slice(end.as_bytes());
        out
    }
}

/// The beginning of a text in the encoding of the fonts (WinAnsiEncoding, Annex D).
fn letters(text: &str, most: usize) -> Vec<u8> {
    let letter = |c: char| match c {
        ' '..='~' | '\u{a0}'..='\u{ff}' => c as u32 as u8,
        '€' => 0x80,
        '…' => 0x85,
        'Š' => 0x8a,
        'Œ' => 0x8c,
        'Ž' => 0x8e,
        '‘' => 0x91,
        '’' => 0x92,
        '“' => 0x93,
        '”' => 0x94,
        '–' => 0x96,
        '—' => 0x97,
        'š' => 0x9a,
        'œ' => 0x9c,
        'ž' => 0x9e,
        'Ÿ' => 0x9f,
        _ => b'?',
    };
    text.chars().take(most).map(letter).collect()
}

/// How wide a text of digits is, in points: digits are 556 thousandths of the size, what parts them 278, capitals about 700.
fn width(text: &[u8], size: u32) -> u32 {
    let one = |byte: &u8| match byte {
        b'.' | b',' | b':' | b' ' => 278,
        b'-' => 333,
        b'A'..=b'Z' => 700,
        _ => 556,
    };
    text.iter().map(one).sum::<u32>() * size / 1_000
}
