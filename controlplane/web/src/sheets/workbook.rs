//! Files into rows of text: CSV in any of its dialects, and workbooks of spreadsheet programs.

use std::borrow::Cow;
use std::io::{self, Cursor, Read, Seek};

use calamine::{Data, Reader, Sheets, Xlsx, open_workbook_auto_from_rs};
use rating::deck::{self, Column, Options, Sheet, Table};
use zip::ZipArchive;

/// Bytes of a workbook at most: it unpacks to many times that.
const WORKBOOK_BYTES_MAX: usize = 64 << 20;
/// Bytes that a workbook may unpack to for each of its own, beyond [`UNPACKED_FREE`]: spreadsheet programs come to thirty.
const UNPACKED_RATIO_MAX: u64 = 100;
/// Bytes that every workbook may unpack to.
const UNPACKED_FREE: u64 = 32 << 20;
/// Bytes that no workbook may unpack to.
const UNPACKED_MAX: u64 = 1 << 30;
/// Cells of one table at most.
const CELLS_MAX: usize = 20_000_000;
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
    unpacks(file)?;
    let mut book: Sheets<_> =
        open_workbook_auto_from_rs(Cursor::new(file)).map_err(|flaw| format!("the workbook cannot be read: {flaw}"))?;
    let names: Vec<String> = book.sheet_names().into_iter().take(TABLES_MAX).collect();
    let mut tables = Vec::new();
    for name in names {
        let table = match &mut book {
            Sheets::Xlsx(book) => sparse(book, &name),
            book => dense(book, &name),
        };
        tables.push(table.map_err(|flaw| format!("sheet {name} cannot be read: {flaw}"))?);
    }
    Ok(deck::join(tables, mapped))
}

/// Refuses a file whose parts unpack to far more than spreadsheet programs write. What they say of themselves is not believed.
fn unpacks(file: &[u8]) -> Result<(), String> {
    if !file.starts_with(b"PK") {
        return Ok(());
    }
    let unreadable = |flaw: zip::result::ZipError| format!("the workbook cannot be read: {flaw}");
    let most = UNPACKED_MAX.min(UNPACKED_FREE + UNPACKED_RATIO_MAX * file.len() as u64);
    let mut archive = ZipArchive::new(Cursor::new(file)).map_err(unreadable)?;
    let mut unpacked = 0;
    for place in 0..archive.len() {
        let part = archive.by_index(place).map_err(unreadable)?;
        // What cannot be unpacked is told by who reads it.
        unpacked += io::copy(&mut part.take(most + 1 - unpacked), &mut io::sink()).unwrap_or(0);
        if unpacked > most {
            return Err(format!("the workbook unpacks to more than {} MiB; save it as CSV", most >> 20));
        }
    }
    Ok(())
}

/// The rows that have a cell. One cell far away from the others, which spreadsheet programs leave behind, takes no room for all between.
fn sparse<R: Read + Seek>(book: &mut Xlsx<R>, name: &str) -> Result<Table, String> {
    let mut reader = book.worksheet_cells_reader(name).map_err(|flaw| flaw.to_string())?;
    let (mut table, mut count): (Table, usize) = (Vec::new(), 0);
    while let Some(found) = reader.next_cell().map_err(|flaw| flaw.to_string())? {
        let ((row, column), text) = (found.get_position(), cell(&Data::from(found.get_value().clone())));
        let column = column as usize;
        if column >= COLUMNS_MAX || text.is_empty() {
            continue;
        }
        count += 1;
        if count > CELLS_MAX {
            return Err(format!("more than {CELLS_MAX} cells; save it as CSV"));
        }
        if table.last().is_none_or(|(line, _)| *line != row + 1) {
            table.push((row + 1, Vec::new()));
        }
        let Some((_, cells)) = table.last_mut() else { continue };
        cells.resize(cells.len().max(column + 1), String::new());
        cells[column] = text;
    }
    // Programs write rows in their order; nothing makes them.
    table.sort_by_key(|(line, _)| *line);
    table.dedup_by_key(|(line, _)| *line);
    Ok(table)
}

/// All rows from the first to the last that has a cell.
fn dense<R: Read + Seek>(book: &mut Sheets<R>, name: &str) -> Result<Table, String> {
    let range = book.worksheet_range(name).map_err(|flaw| flaw.to_string())?;
    let first = range.start().map_or((0, 0), |start| start);
    let lines = (first.0 + 1..).zip(range.rows());
    // Cells left of the used range are empty: columns keep the numbers that people see.
    let left = || vec![String::new(); (first.1 as usize).min(COLUMNS_MAX)];
    let row = |cells: &[Data]| left().into_iter().chain(cells.iter().take(COLUMNS_MAX).map(cell)).collect();
    Ok(lines.map(|(line, cells)| (line, row(cells))).collect())
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
