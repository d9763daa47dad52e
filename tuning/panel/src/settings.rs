//! Settings declared once: one table gives the struct, its defaults, its ranges, its manual.

use alloc::format;
use alloc::string::{String, ToString};

/// One row of a settings table, as operators see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name, as written by operators.
    pub name: &'static str,
    /// What it means, with its unit.
    pub doc: &'static str,
    /// The value without an operator's word.
    pub default: &'static str,
    /// The values allowed, as `least..=most`.
    pub range: &'static str,
}

/// Why a setting was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No setting has this name.
    Unknown {
        /// The name given.
        name: String,
    },
    /// The text is no value of the setting's type.
    Unreadable {
        /// The setting.
        setting: Setting,
        /// The text given.
        text: String,
    },
    /// The value lies outside the range.
    OutOfRange {
        /// The setting.
        setting: Setting,
        /// The text given.
        text: String,
    },
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, out: &mut core::fmt::Formatter) -> core::fmt::Result {
        match self {
            Refusal::Unknown { name } => write!(out, "there is no setting `{name}`"),
            Refusal::Unreadable { setting, text } => {
                write!(out, "{}: `{text}` cannot be read; write a value of {}", setting.name, setting.range)
            }
            Refusal::OutOfRange { setting, text } => {
                write!(out, "{}: {text} is outside {}", setting.name, setting.range)
            }
        }
    }
}

impl core::error::Error for Refusal {}

/// The manual's page of a table, as Markdown.
pub fn manual(table: &[Setting]) -> String {
    let mut page = String::from("| Setting | Meaning | Default | Range |\n|---|---|---|---|\n");
    for setting in table {
        let doc = setting.doc.trim().replace('\n', " ");
        page.push_str(&format!("| `{}` | {} | {} | {} |\n", setting.name, doc, setting.default, setting.range));
    }
    page
}

/// Reads one value; used by what [`settings!`](crate::settings!) makes.
#[doc(hidden)]
pub fn read<T: core::str::FromStr + PartialOrd>(setting: Setting, least: T, most: T, text: &str) -> Result<T, Refusal> {
    // Thousands may be set apart as in the tables themselves: 10_000.
    let plain = text.trim().replace('_', "");
    let value = plain.parse::<T>().map_err(|_| Refusal::Unreadable { setting, text: text.to_string() })?;
    if value < least || value > most {
        return Err(Refusal::OutOfRange { setting, text: text.to_string() });
    }
    Ok(value)
}

/// Declares a struct of settings. Each row is `name: type = default, least..=most;` under a doc comment that operators read too.
///
/// The struct gets `Default`, `TABLE` (every row for the manual and for forms) and `set(name, text)`, which checks the range. A
/// default outside its range does not compile.
///
/// ```
/// panel::settings! {
///     /// What one shard may be asked for.
///     pub struct Limits {
///         /// New calls that one shard may admit in a second.
///         cps_max: u32 = 1_000, 1..=50_000;
///     }
/// }
/// let mut limits = Limits::default();
/// assert_eq!(limits.cps_max, 1_000);
/// assert!(limits.set("cps_max", "60000").is_err());
/// ```
#[macro_export]
macro_rules! settings {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $( $(#[doc = $doc:literal])+ $field:ident : $type:ty = $default:literal, $least:literal ..= $most:literal ; )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        $vis struct $name {
            $( $(#[doc = $doc])+ pub $field: $type, )+
        }

        $( const _: () = assert!($least <= $default && $default <= $most, "a default lies outside its range"); )+

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )+ }
            }
        }

        impl $name {
            /// Every row, in the order of the declaration.
            pub const TABLE: &'static [$crate::settings::Setting] = &[
                $( $crate::settings::Setting {
                    name: stringify!($field),
                    doc: concat!($($doc),+),
                    default: stringify!($default),
                    range: concat!(stringify!($least), "..=", stringify!($most)),
                }, )+
            ];

            /// Takes an operator's word for one setting; refuses what is unknown, unreadable or out of range.
            pub fn set(&mut self, name: &str, text: &str) -> Result<(), $crate::settings::Refusal> {
                let Some(setting) = Self::TABLE.iter().find(|setting| setting.name == name) else {
                    return Err($crate::settings::Refusal::Unknown { name: name.into() });
                };
                match name {
                    $( stringify!($field) => self.$field = $crate::settings::read(*setting, $least, $most, text)?, )+
                    _ => {}
                }
                Ok(())
            }
        }
    };
}
