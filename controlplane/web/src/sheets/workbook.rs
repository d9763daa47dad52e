//! Files into rows of text: CSV in any of its dialects, and workbooks of spreadsheet programs.

use std::borrow::Cow;
use std::io::Cursor;

use calamine::{Data, Reader, Sheets, open_workbook_auto_from_rs};
use rating::deck::{self, Column, Options, Sheet, Table};

/// Bytes of a workbook at most: it unpacks to many times that.
const WORKBOOK_BYTES_MAX: usize = 64 << 20;
/// Tables of one workbook that are looked at.
const TABLES_MAX: usize = 20;
/// Columns of a table that are looked at.
const COLUMNS_MAX: usize = 200;

/// Reads a file. Typed cells of workbooks come as text that has one reading: dates as `2026-12-31`, numbers with a point and nine
/// decimals at most.
pub fn read(file: &[u8], options: &Options) -> Result<Sheet, String> {
    // ZIP for XLSX and ODS, compound files for XLS.
    if file.starts_with(b"PK\x03\x04") || file.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
        return Ok(deck::read_rows(&workbook(file, &options.columns)?, options));
    }
    Ok(deck::read(&text_of(file), options))
}

/// A file's text, whatever a spreadsheet program wrote it as. Lines that end with CR alone, as some of them write for a Macintosh,
/// end with LF then.
fn text_of(file: &[u8]) -> Cow<'_, str> {
    let utf16 = |word: fn([u8; 2]) -> u16| {
        let words: Vec<u16> = file[2..].chunks_exact(2).map(|pair| word([pair[0], pair[1]])).collect();
        Cow::Owned(String::from_utf16_lossy(&words))
    };
    let text = match (file, core::str::from_utf8(file)) {
        ([0xff, 0xfe, ..], _) => utf16(u16::from_le_bytes),
        ([0xfe, 0xff, ..], _) => utf16(u16::from_be_bytes),
        (_, Ok(text)) => Cow::Borrowed(text),
        // Older ones write Latin-1: every byte is a letter.
        (_, Err(_)) => Cow::Owned(file.iter().map(|byte| char::from(*byte)).collect()),
    };
    if text.contains('\r') && !text.contains('\n') { Cow::Owned(text.replace('\r', "\n")) } else { text }
}

fn workbook(file: &[u8], mapped: &[(String, Column)]) -> Result<Table, String> {
    if file.len() > WORKBOOK_BYTES_MAX {
        return Err(format!("a workbook of more than {} MiB; save it as CSV", WORKBOOK_BYTES_MAX >> 20));
    }
    let mut book: Sheets<_> =
        open_workbook_auto_from_rs(Cursor::new(file)).map_err(|flaw| format!("the workbook cannot be read: {flaw}"))?;
    let names: Vec<String> = book.sheet_names().into_iter().take(TABLES_MAX).collect();
    let mut tables = Vec::new();
    for name in names {
        let range = book.worksheet_range(&name).map_err(|flaw| format!("sheet {name} cannot be read: {flaw}"))?;
        let first = range.start().map_or((0, 0), |start| start);
        let lines = (first.0 + 1..).zip(range.rows());
        // Cells left of the used range are empty: columns keep the numbers that people see.
        let left = || vec![String::new(); (first.1 as usize).min(COLUMNS_MAX)];
        let row = |cells: &[Data]| left().into_iter().chain(cells.iter().take(COLUMNS_MAX).map(cell)).collect();
        tables.push(lines.map(|(line, cells)| (line, row(cells))).collect());
    }
    Ok(deck::join(tables, mapped))
}

fn cell(cell: &Data) -> String {
    match cell {
        Data::Int(number) => number.to_string(),
        Data::Float(number) => decimal(*number),
        Data::String(text) => text.trim().to_owned(),
        Data::Bool(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        Data::DateTime(moment) if moment.is_datetime() => {
            let (year, month, day, hour, minute, second, _) = moment.to_ymd_hms_milli();
            format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
        }
        Data::DateTime(span) => decimal(span.as_f64()),
        Data::DateTimeIso(text) | Data::DurationIso(text) => text.clone(),
        Data::Error(flaw) => format!("#{flaw:?}"),
        Data::Empty => String::new(),
    }
}

/// A number as people write it: computed cells carry noise behind the ninth decimal.
fn decimal(number: f64) -> String {
    let text = format!("{number:.9}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
