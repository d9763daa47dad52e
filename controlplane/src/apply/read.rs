//! Reads single values with their places, and collects the mistakes instead of stopping at the first.

use std::collections::BTreeMap;

use serde_saphyr::{Location, Spanned};

use super::Mistake;

/// A scalar as it stands in the file.
pub type Text = Option<Spanned<String>>;

/// Where an object stands, and where its fields do.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// `carriers[0]`.
    pub path: String,
    /// Line and column of the object.
    pub at: (u64, u64),
    /// Line and column of each field that was written.
    pub fields: BTreeMap<&'static str, (u64, u64)>,
}

/// Reads the values of one file.
#[derive(Debug)]
pub struct Reader {
    file: String,
    /// What was wrong so far.
    pub mistakes: Vec<Mistake>,
}

impl Reader {
    /// Of a file by this name.
    pub fn new(file: &str) -> Reader {
        Reader { file: file.to_owned(), mistakes: Vec::new() }
    }

    /// Writes down a mistake at a field of an object.
    pub fn wrong(&mut self, place: &Place, field: &'static str, why: impl Into<String>) {
        self.mistakes.push(place.mistake(&self.file, field, why));
    }

    /// A value that must be there.
    pub fn must<T>(
        &mut self,
        place: &mut Place,
        field: &'static str,
        text: &Text,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        if text.is_none() {
            self.wrong(place, field, "is missing");
        }
        self.may(place, field, text, parse).flatten()
    }

    /// A value that may be left out: `None` after a mistake, `Some(None)` when it is not there.
    pub fn may<T>(
        &mut self,
        place: &mut Place,
        field: &'static str,
        text: &Text,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Option<T>> {
        let Some(text) = text else { return Some(None) };
        // A cell of a CSV has no place of its own: its row has.
        if text.referenced != Location::UNKNOWN {
            place.fields.insert(field, point(&text.referenced));
        }
        match parse(text.value.trim()) {
            Ok(value) => Some(Some(value)),
            Err(why) => {
                self.wrong(place, field, format!("{:?} {why}", text.value));
                None
            }
        }
    }

    /// A value with a default.
    pub fn or<T>(
        &mut self,
        place: &mut Place,
        field: &'static str,
        text: &Text,
        default: T,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.may(place, field, text, parse).map(|value| value.unwrap_or(default))
    }
}

impl Place {
    /// Of an object.
    pub fn new(path: String, at: &Location) -> Place {
        Place { path, at: point(at), fields: BTreeMap::new() }
    }

    /// A mistake at a field, or at the object when the field was not written.
    pub fn mistake(&self, file: &str, field: &str, why: impl Into<String>) -> Mistake {
        let (line, column) = self.fields.get(field).copied().unwrap_or(self.at);
        let field = if field.is_empty() { self.path.clone() } else { format!("{}.{field}", self.path) };
        Mistake { file: file.to_owned(), line, column, field, why: why.into() }
    }

    /// A mistake in the object's policy.
    pub fn policy_mistake(&self, file: &str, flaw: &snapshot::PolicyFlaw) -> Mistake {
        self.inner_mistake(file, "policy", flaw)
    }

    /// A mistake in the rules of a plan or route.
    pub fn rules_mistake(&self, file: &str, flaw: &snapshot::PolicyFlaw) -> Mistake {
        self.inner_mistake(file, "rules", flaw)
    }

    fn inner_mistake(&self, file: &str, part: &str, flaw: &snapshot::PolicyFlaw) -> Mistake {
        let mistake = self.mistake(file, part, flaw.reason.as_str());
        let entry = flaw.place.map_or(String::new(), |place| format!(" (entry {})", place + 1));
        Mistake { field: format!("{}.{}{entry}", mistake.field, flaw.field), ..mistake }
    }
}

/// Line and column.
pub fn point(at: &Location) -> (u64, u64) {
    (at.line(), at.column())
}

/// Any text.
pub fn any(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

/// `true` or `false`.
pub fn flag(text: &str) -> Result<bool, String> {
    match text {
        "true" | "yes" => Ok(true),
        "false" | "no" => Ok(false),
        _ => Err("is neither true nor false".into()),
    }
}

/// A whole number that fits.
pub fn number<T>(text: &str) -> Result<T, String>
where
    T: std::str::FromStr + Limits,
{
    text.parse().map_err(|_| format!("is not a whole number from {} to {}", T::LOW, T::HIGH))
}

/// The range of a number, for messages.
pub trait Limits {
    /// The least.
    const LOW: i64;
    /// The most.
    const HIGH: i64;
}

macro_rules! limits {
    ($($kind:ty)*) => {$(
        impl Limits for $kind {
            const LOW: i64 = <$kind>::MIN as i64;
            const HIGH: i64 = <$kind>::MAX as i64;
        }
    )*};
}

limits! { u8 u16 u32 i16 }

/// A decimal amount; a comma is refused, as it may mean thousands.
pub fn money(text: &str) -> Result<units::Money, String> {
    units::Money::parse(text).ok_or_else(|| "is not an amount such as 12.50 or 0.0125 (nine decimals at most)".into())
}

/// Three capital letters.
pub fn currency(text: &str) -> Result<units::Currency, String> {
    units::Currency::parse(text).ok_or_else(|| "is not a currency code of three capital letters".into())
}

/// A date, read as its midnight UTC, or a moment with its offset.
pub fn moment(text: &str) -> Result<units::WallTime, String> {
    moment_of("UTC", text)
}

/// A date, read as its midnight on the clock of a zone, or a moment with its offset. A name that is no zone's counts as UTC: the store refuses it.
pub fn moment_of(zone: &str, text: &str) -> Result<units::WallTime, String> {
    let midnight = |date: jiff::civil::Date| {
        let zone = jiff::tz::TimeZone::get(zone).unwrap_or(jiff::tz::TimeZone::UTC);
        date.to_zoned(zone).map(|zoned| zoned.timestamp())
    };
    let moment = match text.parse::<jiff::civil::Date>() {
        Ok(date) if text.len() == 10 => midnight(date),
        _ => text.parse::<jiff::Timestamp>(),
    };
    moment
        .map(|moment| units::WallTime::from_micros(moment.as_microsecond()))
        .map_err(|_| "is neither a date such as 2026-01-31 nor a moment such as 2026-01-31T00:00:00Z".into())
}
