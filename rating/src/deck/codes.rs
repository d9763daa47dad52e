//! A cell of dial codes: one code, a list, ranges, and what spreadsheets did to them.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use snapshot::PREFIX_BYTES_MAX;

/// Codes that one cell may stand for at most.
pub const CODES_PER_ROW_MAX: usize = 10_000;
/// A range of more codes than this is taken, with a word about it.
const MANY: usize = 1_000;

/// What a dash between digits means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dashes {
    /// `4420-4429` are ten codes.
    Range,
    /// `44-20` is one code.
    Space,
}

/// Why a cell gives no code.
#[derive(Debug)]
pub struct Damage {
    /// What is wrong.
    pub message: String,
    /// What the cell should perhaps say.
    pub repair: Option<String>,
}

impl Damage {
    fn new(message: String) -> Damage {
        Damage { message, repair: None }
    }

    fn repaired(message: String, repair: String) -> Damage {
        Damage { message, repair: Some(repair) }
    }
}

/// Puts the codes of a cell into `out`, each behind the country's. A word of warning comes back where one is due.
pub fn codes(
    country: &str,
    cell: &str,
    dashes: Option<Dashes>,
    out: &mut Vec<String>,
) -> Result<Option<String>, Damage> {
    if plain(cell) && country.is_empty() {
        out.push(cell.to_owned());
        return Ok(None);
    }
    let country = one(country)?;
    if let Some(damage) = damaged(cell) {
        return Err(damage);
    }
    let items = || cell.split([',', ';', '\n']).map(str::trim).filter(|item| !item.is_empty());
    grouped(cell, items().collect(), &country)?;
    let before = out.len();
    for item in items() {
        expand(&country, item, dashes, out)?;
        if out.len() - before > CODES_PER_ROW_MAX {
            return Err(Damage::new(format!("{cell:?} stands for more than {CODES_PER_ROW_MAX} codes")));
        }
    }
    if out.len() == before {
        // A country without codes of its own is its own code.
        if country.is_empty() {
            return Err(Damage::new("no prefix".to_string()));
        }
        out.push(country);
    }
    let count = out.len() - before;
    Ok((count > MANY).then(|| format!("{cell:?} stands for {count} codes")))
}

/// True for a code as rates have it.
fn plain(code: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_uppercase() || byte == b'*' || byte == b'#';
    !code.is_empty() && code.len() <= PREFIX_BYTES_MAX && code.bytes().all(fits) && !code.contains("E+")
}

/// One code without the marks that people put into it; empty stays empty.
fn one(text: &str) -> Result<String, Damage> {
    let code: String =
        text.chars().filter(|letter| !matches!(letter, '+' | ' ' | '(' | ')' | '-' | '\u{a0}')).collect();
    if plain(&code) || code.is_empty() {
        return Ok(code);
    }
    let message = format!("prefix {text:?} is not up to {PREFIX_BYTES_MAX} characters of 0-9, A-Z, * and #");
    Err(Damage::new(message))
}

/// `4.42E+10`, `4420.0` and `91.92`: a spreadsheet took codes for a number.
fn damaged(cell: &str) -> Option<Damage> {
    let (mantissa, power) = cell.split_once(['E', 'e']).map_or((cell, None), |(head, tail)| (head, Some(tail)));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, ""));
    if let Some(power) = power.and_then(|power| power.strip_prefix('+')) {
        let zeros = power.parse::<usize>().ok().filter(|zeros| *zeros <= PREFIX_BYTES_MAX)?;
        let whole = digits(whole).then(|| format!("{whole}{fraction:0<zeros$}"))?;
        let message = format!("a spreadsheet made {cell:?} out of a code or a list; the last digits are lost");
        return Some(Damage::repaired(message, whole));
    }
    if !cell.contains('.') || !digits(whole) || !digits(fraction) {
        return None;
    }
    let repair =
        if fraction.bytes().all(|byte| byte == b'0') { whole.to_owned() } else { format!("{whole},{fraction}") };
    Some(Damage::repaired(format!("{cell:?} is a decimal, not a code: a spreadsheet may have read a list so"), repair))
}

/// `44,207` may be two codes, or one with a mark between thousands.
fn grouped(cell: &str, items: Vec<&str>, country: &str) -> Result<(), Damage> {
    let digits = |item: &str| item.bytes().all(|byte| byte.is_ascii_digit());
    let Some((first, rest)) = items.split_first() else { return Ok(()) };
    let thousands = cell.contains(',') && !cell.contains([';', ' ', '\n']) && country.is_empty() && !rest.is_empty();
    if thousands && first.len() < 3 && digits(first) && rest.iter().all(|item| item.len() == 3 && digits(item)) {
        let message = format!("{cell:?} may be a list or one code with marks between thousands: part a list by ;");
        return Err(Damage::repaired(message, items.join(";")));
    }
    Ok(())
}

fn expand(country: &str, item: &str, dashes: Option<Dashes>, out: &mut Vec<String>) -> Result<(), Damage> {
    let ends = item.split_once('-').filter(|_| dashes != Some(Dashes::Space) && !item.starts_with('+'));
    let Some((first, last)) = ends.and_then(|(first, last)| range(first.trim(), last.trim())) else {
        let tail = one(item)?;
        return push(country, &tail, out);
    };
    // Ranges stay within one first digit, except behind a country's code: 44-77 could as well be 44 77.
    let within = !country.is_empty() || first.as_bytes().first() == last.as_bytes().first();
    if dashes.is_none() && !within {
        let message = format!("{item:?} may be a range or one code with a dash in it: say what dashes mean");
        return Err(Damage::new(message));
    }
    let width = first.len();
    let bound = |text: &str| text.parse::<u64>().map_err(|_| Damage::new(format!("{item:?} is no range")));
    let (first, last) = (bound(&first)?, bound(&last)?);
    if last - first >= CODES_PER_ROW_MAX as u64 {
        return Err(Damage::new(format!("{item:?} stands for more than {CODES_PER_ROW_MAX} codes")));
    }
    (first..=last).try_for_each(|code| push(country, &format!("{code:0width$}"), out))
}

/// The ends of `4420-4429` or `4420-29`, of the same length; `None` if it is no range.
fn range(first: &str, last: &str) -> Option<(String, String)> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let shared = first.len().checked_sub(last.len())?;
    if !digits(first) || !digits(last) {
        return None;
    }
    let last = format!("{}{last}", &first[..shared]);
    (*first < *last).then(|| (first.to_owned(), last))
}

fn push(country: &str, tail: &str, out: &mut Vec<String>) -> Result<(), Damage> {
    let code = format!("{country}{tail}");
    if !plain(&code) {
        return Err(Damage::new(format!(
            "prefix {code:?} is not up to {PREFIX_BYTES_MAX} characters of 0-9, A-Z, * and #"
        )));
    }
    out.push(code);
    Ok(())
}
