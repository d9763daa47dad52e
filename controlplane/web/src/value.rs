//! How values travel in JSON: ids with a prefix, money as a decimal string, times as RFC 3339 in UTC.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use units::{Hours, Jurisdiction, Money, RateClass, WallTime};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Text that is not what its field wants; the sentence says what it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub &'static str);

/// A number as an INVITE's user part gives it: without the separators that [`units::has_separators`] knows.
pub fn dialled(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if units::has_separators(text.as_bytes()) { Cow::Owned(text.replace(['-', '.'], "")) } else { Cow::Borrowed(text) }
}

/// `Display`, `FromStr`, serde as a string, and an OpenAPI schema of type string.
macro_rules! as_text {
    ($name:ident, $builder:expr) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                out.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<$name, D::Error> {
                String::deserialize(from)?.parse().map_err(D::Error::custom)
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                RefOr::T(Schema::Object($builder.schema_type(Type::String).build()))
            }
        }

        impl ToSchema for $name {}
    };
}

macro_rules! refs {
    ($($(#[$meta:meta])* $name:ident($inner:ty) $prefix:literal;)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = Unreadable;
            fn from_str(text: &str) -> Result<$name, Unreadable> {
                let digits = text.strip_prefix(concat!($prefix, "_")).unwrap_or("");
                let plain = digits.bytes().all(|b| b.is_ascii_digit());
                let number = if plain { digits.parse().ok() } else { None };
                number.map($name).ok_or(Unreadable(concat!("an id like ", $prefix, "_12 is wanted")))
            }
        }

        as_text!($name, ObjectBuilder::new()
            .description(Some(concat!("`", $prefix, "_` and a number.")))
            .pattern(Some(concat!("^", $prefix, "_[0-9]+$")))
            .examples([concat!($prefix, "_12")]));
    )*};
}

refs! {
    /// A carrier's id in JSON: `car_12`.
    CarrierRef(u32) "car";
    /// An account's id in JSON: `acc_12`.
    AccountRef(u32) "acc";
    /// An ingress trunk's id in JSON: `itr_12`.
    IngressTrunkRef(u32) "itr";
    /// An egress trunk's id in JSON: `etr_12`.
    EgressTrunkRef(u32) "etr";
    /// A deck's id in JSON: `dck_12`.
    DeckRef(u32) "dck";
    /// A routing plan's id in JSON: `pln_12`.
    PlanRef(u32) "pln";
    /// A trunk group's id in JSON: `grp_12`.
    TrunkGroupRef(u32) "grp";
    /// A user's id in JSON: `usr_12`.
    UserRef(u32) "usr";
    /// An API key's id in JSON: `key_12`.
    KeyRef(u32) "key";
    /// An import's id in JSON: `imp_12`.
    ImportRef(u32) "imp";
    /// An audit entry's id in JSON: `aud_12`.
    AuditRef(i64) "aud";
    /// An invoice's id in JSON: `inv_12`.
    InvoiceRef(u32) "inv";
    /// A re-rating's id in JSON: `rrt_12`.
    ReratingRef(u32) "rrt";
    /// A webhook's id in JSON: `whk_12`.
    WebhookRef(u32) "whk";
    /// A job's id in JSON: `job_12`.
    JobRef(i64) "job";
}

macro_rules! of_units {
    ($($name:ident $unit:ident;)*) => {$(
        impl From<units::$unit> for $name {
            fn from(id: units::$unit) -> $name {
                $name(id.0)
            }
        }

        impl From<$name> for units::$unit {
            fn from(id: $name) -> units::$unit {
                units::$unit(id.0)
            }
        }
    )*};
}

of_units! {
    CarrierRef CarrierId;
    AccountRef AccountId;
    IngressTrunkRef IngressTrunkId;
    EgressTrunkRef EgressTrunkId;
    DeckRef DeckId;
    PlanRef PlanId;
    TrunkGroupRef TrunkGroupId;
}

/// Which hours a rate is for, by its deck's calendar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RateHours {
    /// All.
    #[default]
    Any,
    /// Peak windows of days that are not free.
    Peak,
    /// Other hours of days that are not free.
    OffPeak,
    /// Free days.
    FreeDay,
}

/// Where calls go, as the United States bill them: by the states of caller and destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RateJurisdiction {
    /// Anywhere; of a call: not judged.
    #[default]
    Any,
    /// From one state to another.
    Inter,
    /// Within one state.
    Intra,
    /// To the United States, and a state is not known.
    Indeterminate,
    /// To anywhere else.
    International,
}

macro_rules! same_words {
    ($($ours:ident $theirs:ident: $($variant:ident)*;)*) => {$(
        impl From<units::$theirs> for $ours {
            fn from(value: units::$theirs) -> $ours {
                match value {
                    $(units::$theirs::$variant => $ours::$variant,)*
                }
            }
        }

        impl From<$ours> for units::$theirs {
            fn from(value: $ours) -> units::$theirs {
                match value {
                    $($ours::$variant => units::$theirs::$variant,)*
                }
            }
        }
    )*};
}

same_words! {
    RateHours Hours: Any Peak OffPeak FreeDay;
    RateJurisdiction Jurisdiction: Any Inter Intra Indeterminate International;
}

/// A rate's id in JSON: `rat_`, its prefix, `_` and the microseconds from which it is valid: `rat_4420_1767225600000000`. A rate of some
/// hours or one jurisdiction has `_` and both of them behind that: `rat_1212_1767225600000000_peak.intra`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateRef {
    /// The prefix; empty for the rate of all numbers.
    pub prefix: String,
    /// Which calls it is for, besides the prefix.
    pub class: RateClass,
    /// Valid from.
    pub from: WallTime,
}

impl fmt::Display for RateRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rat_{}_{}", self.prefix, self.from.micros())?;
        match self.class {
            RateClass::ANY => Ok(()),
            RateClass { hours, jurisdiction } => write!(f, "_{hours}.{jurisdiction}"),
        }
    }
}

impl FromStr for RateRef {
    type Err = Unreadable;
    fn from_str(text: &str) -> Result<RateRef, Unreadable> {
        let wanted = Unreadable("an id like rat_4420_1767225600000000 is wanted");
        let (prefix, rest) = text.strip_prefix("rat_").and_then(|rest| rest.split_once('_')).ok_or(wanted)?;
        let (from, class) = rest.split_once('_').map_or((rest, None), |(from, class)| (from, Some(class)));
        let from = from.parse().map(WallTime::from_micros).map_err(|_| wanted)?;
        let class = class.map_or(Some(RateClass::ANY), |class| {
            let (hours, jurisdiction) = class.split_once('.')?;
            Some(RateClass { hours: Hours::of_word(hours)?, jurisdiction: Jurisdiction::of_word(jurisdiction)? })
        });
        Ok(RateRef { prefix: prefix.to_owned(), class: class.ok_or(wanted)?, from })
    }
}

impl RateRef {
    /// What names this rate within its deck.
    pub fn of(rate: &snapshot::Rate) -> RateRef {
        RateRef { prefix: rate.prefix.clone(), class: rate.class, from: rate.from }
    }
}

as_text!(
    RateRef,
    ObjectBuilder::new()
        .description(Some(
            "`rat_`, the prefix, `_` and the microseconds from which it is valid; `_`, hours, `.` and jurisdiction for a rate of those.",
        ))
        .pattern(Some("^rat_[0-9A-Z*#]*_-?[0-9]+(_[a-z_]+\\.[a-z]+)?$"))
        .examples(["rat_4420_1767225600000000"])
);

/// An exchange rate's id in JSON: `exr_`, its currency, `_` and the microseconds from which it is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExchangeRef {
    /// The currency.
    pub currency: units::Currency,
    /// Valid from.
    pub from: WallTime,
}

impl fmt::Display for ExchangeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exr_{}_{}", self.currency, self.from.micros())
    }
}

impl FromStr for ExchangeRef {
    type Err = Unreadable;
    fn from_str(text: &str) -> Result<ExchangeRef, Unreadable> {
        let wanted = Unreadable("an id like exr_EUR_1767225600000000 is wanted");
        let (currency, from) = text.strip_prefix("exr_").and_then(|rest| rest.split_once('_')).ok_or(wanted)?;
        let currency = units::Currency::parse(currency).ok_or(wanted)?;
        let from = from.parse().map(WallTime::from_micros).map_err(|_| wanted)?;
        Ok(ExchangeRef { currency, from })
    }
}

as_text!(
    ExchangeRef,
    ObjectBuilder::new()
        .description(Some("`exr_`, the currency, `_` and the microseconds from which it is valid."))
        .pattern(Some("^exr_[A-Z]{3}_-?[0-9]+$"))
        .examples(["exr_EUR_1767225600000000"])
);

/// Money in JSON: a decimal string with at most nine digits after the point. The currency stands in a field beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(pub Money);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Amount {
    type Err = Unreadable;
    fn from_str(text: &str) -> Result<Amount, Unreadable> {
        let wanted = Unreadable("a decimal string like \"0.0124\" is wanted, at most nine digits after the point");
        Money::parse(text).map(Amount).ok_or(wanted)
    }
}

as_text!(
    Amount,
    ObjectBuilder::new()
        .description(Some("A decimal; the currency stands beside it."))
        .pattern(Some(r"^-?(([0-9]{1,9}|[1-8][0-9]{9}|9[01][0-9]{8}|92[0-2][0-9]{7})(\.[0-9]{0,9})?|\.[0-9]{1,9})$"))
        .examples(["0.0124"])
);

/// A share in JSON: per cents as a decimal string with at most four digits after the point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(pub units::Percent);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Percent {
    type Err = Unreadable;
    fn from_str(text: &str) -> Result<Percent, Unreadable> {
        let wanted = Unreadable("per cents like \"20\" or \"7.7\" are wanted, at most four digits after the point");
        units::Percent::parse(text).map(Percent).ok_or(wanted)
    }
}

impl Percent {
    /// From millionths, of which there are 1,000,000 at most.
    pub fn from_ppm(ppm: u32) -> Percent {
        Percent(units::Percent::from_ppm(i32::try_from(ppm).unwrap_or(i32::MAX)))
    }
}

as_text!(
    Percent,
    ObjectBuilder::new()
        .description(Some("Per cents, as a decimal."))
        .pattern(Some(r"^-?([0-9]{1,5}(\.[0-9]{0,4})?|\.[0-9]{1,4})$"))
        .examples(["20"])
);

/// A moment in JSON: RFC 3339 in UTC with microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub WallTime);

impl Time {
    /// The wall clock's reading.
    pub fn now() -> Time {
        Time(WallTime::from_micros(jiff::Timestamp::now().as_microsecond()))
    }

    /// From microseconds since 1970-01-01 UTC.
    pub fn from_micros(micros: i64) -> Time {
        Time(WallTime::from_micros(micros))
    }

    /// Microseconds since 1970-01-01 UTC.
    pub fn micros(self) -> i64 {
        self.0.micros()
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = jiff::Timestamp::from_microsecond(self.0.micros()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        write!(f, "{shown:.6}")
    }
}

impl FromStr for Time {
    type Err = Unreadable;
    fn from_str(text: &str) -> Result<Time, Unreadable> {
        let read = text.parse::<jiff::Timestamp>();
        let wanted = Unreadable("an RFC 3339 time like 2026-01-31T12:00:00Z is wanted");
        read.map(|moment| Time::from_micros(moment.as_microsecond())).map_err(|_| wanted)
    }
}

as_text!(
    Time,
    ObjectBuilder::new()
        .description(Some("RFC 3339 in UTC, microseconds."))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .examples(["2026-01-31T12:00:00.000000Z"])
);

/// An id with the short name that operators use for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Named<R> {
    /// The id.
    pub id: R,
    /// The short name; empty when the object is gone.
    pub code: String,
}
