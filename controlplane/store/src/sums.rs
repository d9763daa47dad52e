//! Sums of calls by half hour and by day: they are added to in the transaction that writes the records, so that each record counts once,
//! and stay when the records are gone.
//!
//! A call's own record counts as a call and brings talk time, media and money; each record of a try counts as an attempt. A row has all
//! dimensions; whoever asks adds rows up. Money stands under its currency: a call that is sold in one and bought in another is two rows.

use std::collections::BTreeMap;

use cdr::{Cdr, Quality};
use rating::country_digits;
use units::{AttemptIndex, WallTime};

use crate::error::{Result, StoreError};
use crate::settings;
use crate::sql::{Arg, Row, Tx, args};

/// Half an hour in microseconds: the shortest span that sums are kept for. Nearly all zones are whole half hours from UTC.
pub const SLOT: i64 = 1_800_000_000;
/// A day in microseconds.
pub(crate) const DAY: i64 = 86_400_000_000;
/// Both tables, with the length of their spans.
pub(crate) const TABLES: [(&str, i64); 2] = [("sums_by_half_hour", SLOT), ("sums_by_day", DAY)];
/// The setting that holds the moment before which records were removed: what comes from before it is not counted again.
pub(crate) const GONE_BEFORE: &str = "cdrs_gone_before";
/// Digits behind the country code that a destination is known by.
const AREA_DIGITS: usize = 3;
/// No call counts as longer: 1,000 years in milliseconds. A damaged record must not spoil the sums of its hour.
const MS_MAX: u64 = 1_000 * 366 * 86_400_000;

/// What a row is known by, in the order of its primary key.
pub(crate) const KEYS: [&str; 9] =
    ["slot", "originator", "ingress_trunk", "terminator", "egress_trunk", "prefix", "cause", "currency", "node"];

macro_rules! sums {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        /// What is added up.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Sums {
            $($(#[$doc])* pub $name: i64,)*
        }

        /// The columns of [`Sums`], in order.
        pub(crate) const SUMS: &[&str] = &[$(stringify!($name)),*];

        impl Sums {
            /// Adds the sums of another part.
            pub fn add(&mut self, other: &Sums) {
                $(self.$name = self.$name.saturating_add(other.$name);)*
            }

            /// What must be added to `before` to get these.
            pub(crate) fn less(&self, before: &Sums) -> Sums {
                Sums { $($name: self.$name.saturating_sub(before.$name),)* }
            }

            fn values(&self) -> Vec<Arg> {
                args![$(self.$name),*]
            }

            pub(crate) fn read(row: &Row) -> Result<Sums> {
                Ok(Sums { $($name: row.int(stringify!($name))?,)* })
            }
        }
    };
}

sums! {
    /// Calls, whatever became of them.
    calls;
    /// Of these, answered.
    calls_answered;
    /// Of these, brought to somebody, answered or not ([`Cdr::reached`]).
    calls_reached;
    /// Of these, those that rang.
    calls_rung;
    /// Milliseconds from their INVITEs to their first 18x.
    calls_ring_ms;
    /// Milliseconds that they talked.
    talk_ms;
    /// Tries of routes.
    attempts;
    /// Of these, answered.
    attempts_answered;
    /// Of these, brought to somebody, answered or not.
    attempts_reached;
    /// Of these, those that rang.
    attempts_rung;
    /// Milliseconds from their INVITEs to their first 18x.
    attempts_ring_ms;
    /// Milliseconds that they talked.
    attempts_talk_ms;
    /// Seconds that originators pay for.
    sell_billed_s;
    /// Seconds that terminators are owed for.
    buy_billed_s;
    /// What originators pay, in nano-units of the row's currency.
    revenue;
    /// What terminators are owed, in nano-units of the row's currency.
    cost;
    /// RTP packets from originators.
    ingress_packets;
    /// Those that were missing.
    ingress_lost;
    /// Calls whose media from the originator was judged.
    ingress_mos_calls;
    /// The sum of what they were judged, in hundredths (ITU-T G.107).
    ingress_mos_x100;
    /// RTP packets from terminators.
    egress_packets;
    /// Those that were missing.
    egress_lost;
    /// Calls whose media from the terminator was judged.
    egress_mos_calls;
    /// The sum of what they were judged, in hundredths (ITU-T G.107).
    egress_mos_x100;
}

/// What one row sums up.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// The beginning of the half hour or day.
    pub(crate) slot: i64,
    originator: u32,
    ingress_trunk: u32,
    terminator: u32,
    egress_trunk: u32,
    prefix: String,
    cause: u16,
    currency: String,
    node: u16,
}

impl Key {
    fn of(cdr: &Cdr, currency: String) -> Key {
        Key {
            slot: floor(cdr.started.micros(), SLOT),
            originator: cdr.originator.0,
            ingress_trunk: cdr.ingress_trunk.0,
            terminator: cdr.terminator.0,
            egress_trunk: cdr.egress_trunk.0,
            prefix: area(cdr.called_routed.as_str()).1.to_owned(),
            cause: cdr.cause.0.min(9_999),
            currency,
            node: cdr.call.node.0,
        }
    }

    fn values(&self, slot: i64) -> Vec<Arg> {
        args![
            slot,
            self.originator,
            self.ingress_trunk,
            self.terminator,
            self.egress_trunk,
            self.prefix.as_str(),
            self.cause,
            self.currency.as_str(),
            self.node,
        ]
    }

    pub(crate) fn read(row: &Row) -> Result<Key> {
        Ok(Key {
            slot: row.int("slot")?,
            originator: row.num("originator")?,
            ingress_trunk: row.num("ingress_trunk")?,
            terminator: row.num("terminator")?,
            egress_trunk: row.num("egress_trunk")?,
            prefix: row.text("prefix")?,
            cause: row.num("cause")?,
            currency: row.text("currency")?,
            node: row.num("node")?,
        })
    }
}

/// The beginning of a moment's span.
pub(crate) fn floor(micros: i64, span: i64) -> i64 {
    micros - micros.rem_euclid(span)
}

/// A number's country code and the destination that it is summed under: the country code and three digits. Of a number without a country
/// code, nothing and its first three characters.
pub fn area(number: &str) -> (&str, &str) {
    let digits = number.strip_prefix('+').unwrap_or(number);
    let country = country_digits(digits.as_bytes());
    let end = digits.char_indices().nth(country + AREA_DIGITS).map_or(digits.len(), |(place, _)| place);
    (&digits[..country], &digits[..end])
}

/// Sums of some records by half hour.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<Key, Sums>);

impl Tally {
    /// Counts one record.
    pub(crate) fn count(&mut self, cdr: &Cdr) {
        let code = |priced: Option<cdr::Priced>| priced.map_or(String::new(), |priced| priced.terms.currency.code());
        if cdr.attempt != AttemptIndex(0) {
            return self.at(Key::of(cdr, code(cdr.buy))).add(&of_attempt(cdr));
        }
        let (sold, bought) = (code(cdr.sell), code(cdr.buy));
        self.at(Key::of(cdr, sold)).add(&of_call(cdr));
        if let Some(buy) = cdr.buy {
            let cost = Sums { buy_billed_s: i64::from(buy.billed_s), cost: buy.price.nanos(), ..Sums::default() };
            self.at(Key::of(cdr, bought)).add(&cost);
        }
    }

    fn at(&mut self, key: Key) -> &mut Sums {
        self.0.entry(key).or_default()
    }

    /// Takes a row that stands in the database away, so that what is left is what must be added.
    pub(crate) fn take_away(&mut self, key: Key, sums: &Sums) {
        let mine = self.at(key);
        *mine = mine.less(sums);
    }

    /// Adds everything to both tables. Returns how many half-hour rows changed.
    pub(crate) async fn write(mut self, tx: &mut Tx) -> Result<usize> {
        self.0.retain(|_, sums| *sums != Sums::default());
        for (table, span) in TABLES {
            let mut rows: BTreeMap<Key, Sums> = BTreeMap::new();
            for (key, sums) in &self.0 {
                rows.entry(Key { slot: floor(key.slot, span), ..key.clone() }).or_default().add(sums);
            }
            // In the order of the key, so that writers who meet wait for each other instead of for ever.
            let values = rows.iter().map(|(key, sums)| {
                let mut row = key.values(key.slot);
                row.extend(sums.values());
                row
            });
            let columns: Vec<&str> = KEYS.iter().chain(SUMS).copied().collect();
            let add = tx.dialect().or_add(&KEYS, SUMS);
            tx.insert_many_or("INSERT INTO", table, &columns, values.collect(), &add).await?;
        }
        Ok(self.0.len())
    }
}

/// The moment before which records were removed, in microseconds; `None` while all are there.
pub(crate) async fn gone_before(tx: &mut Tx) -> Result<Option<i64>> {
    Ok(settings::get(tx, GONE_BEFORE).await?.and_then(|text| text.parse().ok()))
}

/// Refuses a period that begins where records were removed: what is added up of it would be too little.
pub(crate) async fn still_there(tx: &mut Tx, from: WallTime) -> Result<()> {
    match gone_before(tx).await? {
        Some(gone) if from.micros() < gone => Err(StoreError::invalid("from", "records of that time were removed")),
        _ => Ok(()),
    }
}

/// Counts records that were not in the database before. One from before what retention removed is not counted: it may have been.
pub(crate) async fn count(tx: &mut Tx, fresh: &[&Cdr]) -> Result<()> {
    let gone = gone_before(tx).await?.unwrap_or(i64::MIN);
    let mut tally = Tally::default();
    fresh.iter().filter(|cdr| cdr.started.micros() >= gone).for_each(|cdr| tally.count(cdr));
    tally.write(tx).await.map(drop)
}

fn of_call(cdr: &Cdr) -> Sums {
    let (ingress, egress) = (&cdr.ingress_media, &cdr.egress_media);
    Sums {
        calls: 1,
        calls_answered: i64::from(cdr.answered_ms.is_some()),
        calls_reached: i64::from(cdr.reached()),
        calls_rung: i64::from(cdr.ringing_ms.is_some()),
        calls_ring_ms: i64::from(cdr.ringing_ms.unwrap_or(0)),
        talk_ms: bounded(cdr.duration_ms, MS_MAX),
        sell_billed_s: cdr.sell.map_or(0, |sell| i64::from(sell.billed_s)),
        revenue: cdr.sell.map_or(0, |sell| sell.price.nanos()),
        ingress_packets: packets(ingress),
        ingress_lost: i64::from(ingress.lost),
        ingress_mos_calls: i64::from(ingress.mos_x100 > 0),
        ingress_mos_x100: i64::from(ingress.mos_x100.min(500)),
        egress_packets: packets(egress),
        egress_lost: i64::from(egress.lost),
        egress_mos_calls: i64::from(egress.mos_x100 > 0),
        egress_mos_x100: i64::from(egress.mos_x100.min(500)),
        ..Sums::default()
    }
}

fn of_attempt(cdr: &Cdr) -> Sums {
    Sums {
        attempts: 1,
        attempts_answered: i64::from(cdr.answered_ms.is_some()),
        attempts_reached: i64::from(cdr.reached()),
        attempts_rung: i64::from(cdr.ringing_ms.is_some()),
        attempts_ring_ms: i64::from(cdr.ringing_ms.unwrap_or(0)),
        attempts_talk_ms: bounded(cdr.duration_ms, MS_MAX),
        ..Sums::default()
    }
}

fn packets(quality: &Quality) -> i64 {
    bounded(quality.packets, u64::from(u32::MAX))
}

fn bounded(value: u64, most: u64) -> i64 {
    i64::try_from(value.min(most)).unwrap_or(i64::MAX)
}
