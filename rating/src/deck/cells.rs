//! One cell into one value.

use alloc::string::String;

use units::Money;

/// What a price cell says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Price {
    /// So much, in the cell's own unit.
    Of(Money),
    /// The destination is no longer sold.
    Closed,
    /// Calls there are refused.
    Blocked,
    /// In another currency than the deck's.
    Foreign,
    /// No price.
    Unreadable,
}

/// What a carrier says about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The code was not in the last sheet.
    New,
    /// Dearer than in the last sheet.
    Increase,
    /// Cheaper than in the last sheet.
    Decrease,
    /// As in the last sheet.
    Unchanged,
    /// No longer sold.
    Closed,
    /// Calls there are refused.
    Blocked,
    /// Announced before and still to come.
    Pending,
}

/// The code is taken off the list: its calls go by a shorter one, if there is one.
const CLOSED: [&str; 7] = ["closed", "close", "deleted", "delete", "removed", "discontinued", "withdrawn"];
/// There is no price for it, so that its calls must not go by the price of a shorter code.
const BLOCKED: [&str; 10] =
    ["blocked", "block", "barred", "bar", "suspended", "na", "none", "notavailable", "noservice", "notoffered"];

/// A price: perhaps with a currency, with groups of thousands, or in a spreadsheet's notation such as `5E-05`. `comma` says which mark
/// stands before the decimals, `currency` what the deck counts in.
pub fn price(cell: &str, comma: bool, currency: &str) -> Price {
    if let Some(money) = decimal(cell, comma) {
        return Price::Of(money);
    }
    let word = plain_word(cell);
    if CLOSED.contains(&word.as_str()) {
        return Price::Closed;
    }
    if BLOCKED.contains(&word.as_str()) || cell == "-" {
        return Price::Blocked;
    }
    let Some((number, named)) = without_currency(cell) else { return Price::Unreadable };
    if named.is_some_and(|named| !currency.is_empty() && named != currency) {
        return Price::Foreign;
    }
    grouped(&number, comma).or_else(|| scientific(&number, comma)).map_or(Price::Unreadable, Price::Of)
}

/// A price of 0 or more with up to nine decimals; `comma` says which mark stands before the decimals.
pub fn decimal(cell: &str, comma: bool) -> Option<Money> {
    if !comma && cell.len() <= 18 {
        return if cell.starts_with('-') { None } else { Money::parse(without_zeros(cell)) };
    }
    let (mark, other) = if comma { (',', '.') } else { ('.', ',') };
    if cell.contains(other) || cell.starts_with('-') {
        return None;
    }
    Money::parse(without_zeros(&cell.replace(mark, ".")))
}

/// Spreadsheets like to print more zeros than anyone can pay.
fn without_zeros(text: &str) -> &str {
    match text.split_once('.') {
        Some((_, fraction)) if fraction.len() > 9 => text.trim_end_matches('0'),
        _ => text,
    }
}

/// The number in a cell without its currency and `/min`, and the currency if it was named.
fn without_currency(cell: &str) -> Option<(String, Option<&'static str>)> {
    const SIGNS: [(&str, Option<&str>); 8] = [
        ("€", Some("EUR")),
        ("£", Some("GBP")),
        ("USD", Some("USD")),
        ("EUR", Some("EUR")),
        ("GBP", Some("GBP")),
        ("CHF", Some("CHF")),
        // Dollars of which country?
        ("$", None),
        ("¢", None),
    ];
    let mut text = cell.trim();
    for ending in ["/min", "/ min", "per min", "per minute", "/minute"] {
        text = text.strip_suffix(ending).map_or(text, str::trim);
    }
    let signed = SIGNS.iter().find_map(|(sign, named)| {
        let rest = text.strip_prefix(sign).or_else(|| text.strip_suffix(sign))?;
        Some((rest, *sign, *named))
    });
    let (rest, sign, named) = signed.unwrap_or((text, "", None));
    let number: String = rest.chars().filter(|letter| !matches!(letter, ' ' | '\u{a0}' | '\'')).collect();
    // Cents are another unit, which a column of its own must say.
    (sign != "¢" && !number.is_empty()).then_some((number, named))
}

/// `1,234.50`, or `1.234,50` with a comma before the decimals: groups of three, and decimals behind them.
fn grouped(number: &str, comma: bool) -> Option<Money> {
    let (mark, group) = if comma { (',', '.') } else { ('.', ',') };
    if !number.contains(group) {
        return decimal(number, comma);
    }
    let (whole, fraction) = number.split_once(mark)?;
    let (first, rest) = whole.split_once(group)?;
    let fits = (1..=3).contains(&first.len()) && rest.split(group).all(|part| part.len() == 3);
    let text: String =
        whole.chars().filter(|letter| *letter != group).chain(".".chars()).chain(fraction.chars()).collect();
    (fits && !fraction.contains(group)).then(|| decimal(&text, false))?
}

/// `1.25E-02`, exactly.
fn scientific(number: &str, comma: bool) -> Option<Money> {
    let (mantissa, power) = number.split_once(['E', 'e'])?;
    let power: i32 = power.parse().ok().filter(|power| (-18..=9).contains(power))?;
    let mantissa = if comma { mantissa.replace(',', ".") } else { String::from(mantissa) };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((&mantissa, ""));
    let digits: String = whole.chars().chain(fraction.chars()).collect();
    if digits.is_empty() || digits.len() > 18 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: i128 = digits.parse().ok()?;
    // In nano-units.
    let places = power + 9 - fraction.len() as i32;
    let scale = 10_i128.pow(places.unsigned_abs());
    let nanos = if places >= 0 { value.checked_mul(scale)? } else { (value % scale == 0).then(|| value / scale)? };
    i64::try_from(nanos).ok().map(Money::from_nanos)
}

/// Whole seconds.
pub fn seconds(cell: &str) -> Option<u16> {
    let cell = cell.strip_suffix(".0").unwrap_or(cell);
    cell.bytes().all(|byte| byte.is_ascii_digit()).then(|| cell.parse().ok())?
}

/// The numbers of `30/6`, `30+6`, `30/6/0` or `60`.
pub fn steps(cell: &str) -> Option<([u16; 3], usize)> {
    let (mut found, mut count) = ([0; 3], 0);
    for part in cell.split(['/', '-', '+', ':']) {
        *found.get_mut(count)? = seconds(part.trim()).filter(|_| !part.trim().is_empty())?;
        count += 1;
    }
    Some((found, count))
}

/// An empty cell is a no.
pub fn flag(cell: &str) -> Option<bool> {
    match cell.to_ascii_lowercase().as_str() {
        "" | "0" | "no" | "n" | "false" => Some(false),
        "1" | "yes" | "y" | "true" | "x" | "blocked" => Some(true),
        _ => None,
    }
}

/// What the marker of a row says; `None` if it is no marker that we know.
pub fn status(cell: &str) -> Option<Status> {
    match cell {
        "=" => return Some(Status::Unchanged),
        "+" => return Some(Status::Increase),
        "-" => return Some(Status::Decrease),
        _ => {}
    }
    let word = plain_word(cell);
    Some(match word.as_str() {
        "new" | "n" | "added" | "add" | "newcode" | "newdestination" => Status::New,
        "increase" | "increased" | "i" | "inc" | "up" | "rateincrease" => Status::Increase,
        "decrease" | "decreased" | "d" | "dec" | "down" | "ratedecrease" | "reduction" => Status::Decrease,
        "unchanged" | "nochange" | "nc" | "same" | "current" | "u" | "s" | "existing" => Status::Unchanged,
        "c" => Status::Closed,
        "pending" | "p" | "future" => Status::Pending,
        "b" => Status::Blocked,
        word if CLOSED.contains(&word) => Status::Closed,
        word if BLOCKED.contains(&word) => Status::Blocked,
        _ => return None,
    })
}

/// Letters and digits only, in lower case.
pub fn plain_word(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}
