//! Lists: no totals, an opaque cursor, and the moment that they speak of.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::problem::{Answered, Problem};
use crate::value::Time;

/// Rows that a list returns when nothing is asked.
pub const LIMIT_DEFAULT: u32 = 200;
/// Rows that a list returns at most.
pub const LIMIT_MAX: u32 = 1_000;

/// A part of a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct List<T> {
    /// The rows.
    pub data: Vec<T>,
    /// Where the next part starts; absent at the end.
    pub next_cursor: Option<String>,
    /// When this was read.
    pub as_of: Time,
}

impl<T> List<T> {
    /// Everything there is, in one part.
    pub fn whole(data: Vec<T>) -> List<T> {
        List { data, next_cursor: None, as_of: Time::now() }
    }

    /// A part, with the cursor of the next.
    pub fn part(data: Vec<T>, next_cursor: Option<String>) -> List<T> {
        List { data, next_cursor, as_of: Time::now() }
    }
}

/// Which part of a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Rows at most, 1 to 1,000; default 200.
    #[param(minimum = 1, maximum = 1000, default = 200)]
    pub limit: Option<u32>,
    /// `next_cursor` of the part before.
    #[param(min_length = 1)]
    pub cursor: Option<String>,
}

/// The limit to use.
pub fn limit(asked: Option<u32>) -> Answered<u32> {
    match asked {
        None => Ok(LIMIT_DEFAULT),
        Some(limit @ 1..=LIMIT_MAX) => Ok(limit),
        Some(_) => Err(Problem::invalid("?limit", "1 to 1,000 is wanted")),
    }
}

/// A cursor is the hexadecimal of whatever the store needs to go on; nobody else may lean on its inside.
pub fn cursor_of(inside: &[u8]) -> String {
    inside.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The inverse of [`cursor_of`].
pub fn inside_of(cursor: &str) -> Answered<Vec<u8>> {
    if !cursor.len().is_multiple_of(2) || !cursor.is_ascii() {
        return Err(foreign_cursor());
    }
    let pairs = cursor.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap_or("?"), 16).map_err(|_| foreign_cursor()))
        .collect()
}

/// The number behind which the next part begins, of a list in order of numbers; 0 for the first part.
pub fn id_of(cursor: Option<&str>) -> Answered<u32> {
    let Some(cursor) = cursor else { return Ok(0) };
    inside_of(cursor)?.try_into().map(u32::from_be_bytes).map_err(|_| foreign_cursor())
}

/// A cursor that no list returned.
pub fn foreign_cursor() -> Problem {
    Problem::invalid("?cursor", "this is not a cursor that this list returned")
}
