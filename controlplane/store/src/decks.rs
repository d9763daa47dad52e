//! Rate decks: a price list of one carrier, one side. The rates themselves are in `rates`.

use rating::derive::Derived;
use snapshot::Calendar;
use units::{Currency, Rounding, TAX_PPM_MAX, WallTime};

use crate::Store;
use crate::accounts::currency;
use crate::carriers::check_name;
use crate::derived;
use crate::error::{Result, StoreError};
use crate::object::{Object, Stored};
use crate::sql::{Arg, Row, Tx, args};
use crate::zone;

/// What an operator writes about a deck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeckDraft {
    /// The unique short name.
    pub code: String,
    /// What people call it, up to 200 characters.
    pub name: String,
    /// What its prices count in.
    pub currency: Currency,
    /// Decimals of a price, 0 to 9.
    pub decimals: u8,
    /// Milliseconds to seconds.
    pub rounding: Rounding,
    /// Billing steps count from the call's beginning; otherwise from the end of the minimum.
    pub steps_from_zero: bool,
    /// Tax on top of the price, in millionths; 0 to [`TAX_PPM_MAX`].
    pub tax_ppm: u32,
    /// The zone of its clock as IANA names it, such as `Europe/Paris`: dates of sheets and the calendar are meant there.
    pub zone: String,
    /// Which hours are peak and which days are free.
    pub calendar: Calendar,
    /// Rates of one jurisdiction count; otherwise only those of any.
    pub by_jurisdiction: bool,
    /// Looked up by the location routing number of a call that has one; otherwise by the dialled number.
    pub by_lrn: bool,
    /// How its rates are computed from other decks'; `None` for rates of its own.
    pub derived: Option<Derived>,
}

impl Default for DeckDraft {
    /// An empty code and name, US dollars, six decimals, seconds rounded up, no tax, on the clock of UTC, all hours and calls alike.
    fn default() -> DeckDraft {
        DeckDraft {
            code: String::new(),
            name: String::new(),
            currency: Currency::USD,
            decimals: 6,
            rounding: Rounding::default(),
            steps_from_zero: false,
            tax_ppm: 0,
            zone: "UTC".to_owned(),
            calendar: Calendar::default(),
            by_jurisdiction: false,
            by_lrn: false,
            derived: None,
        }
    }
}

/// A deck as stored.
pub type Deck = Stored<DeckDraft>;

/// What the store knows of a deck beyond its draft.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeckFacts {
    /// Rates in it.
    pub rates: u64,
    /// Rises with every change of its rates.
    pub rates_version: i64,
}

/// One change of a deck's rates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeckRevision {
    /// Its number within the deck.
    pub rates_version: i64,
    /// When.
    pub created: WallTime,
    /// Rates in the deck after it.
    pub rates: u64,
    /// Where it came from: a file's name, a person's words.
    pub note: String,
}

impl Object for DeckDraft {
    type Facts = DeckFacts;
    const WHAT: &'static str = "deck";
    const TABLE: &'static str = "decks";
    const COLUMNS: &'static [&'static str] = &[
        "code",
        "name",
        "currency",
        "decimals",
        "rounding",
        "steps_from_zero",
        "tax_ppm",
        "zone",
        "calendar",
        "by_jurisdiction",
        "by_lrn",
        "derive_from",
        "derive_take",
        "derive_add_fixed",
        "derive_add_ppm",
        "derive_floor",
        "derive_minimum_s",
        "derive_increment_s",
        "derive_free_s",
    ];
    const OF_CARRIER: bool = false;

    fn code(&self) -> &str {
        &self.code
    }

    fn check(&self) -> Result<()> {
        if self.decimals > 9 {
            return Err(StoreError::invalid("decimals", "0 to 9"));
        }
        if self.tax_ppm > TAX_PPM_MAX {
            return Err(StoreError::invalid("tax_percent", "0 to 100 per cent"));
        }
        if self.zone.is_empty() || zone::offsets(&self.zone, WallTime::from_micros(0)).is_none() {
            return Err(StoreError::invalid("zone", format!("{:?} is no zone such as Europe/Paris", self.zone)));
        }
        self.calendar.check().map_err(|flaw| StoreError::invalid("calendar", flaw.to_string()))?;
        self.derived.as_ref().map_or(Ok(()), derived::check)?;
        check_name(&self.name)
    }

    fn args(&self) -> Vec<Arg> {
        let mut all = args![
            self.code.as_str(),
            self.name.as_str(),
            self.currency.as_str(),
            self.decimals,
            self.rounding as u8,
            self.steps_from_zero,
            self.tax_ppm,
            self.zone.as_str(),
            self.calendar.to_text(),
            self.by_jurisdiction,
            self.by_lrn
        ];
        all.extend(derived::values(self.derived.as_ref()));
        all
    }

    fn read(row: &Row) -> Result<DeckDraft> {
        let rounding = match row.int("rounding")? {
            0 => Rounding::Ceil,
            1 => Rounding::Round,
            2 => Rounding::Floor,
            other => return Err(StoreError::Broken(format!("column rounding holds {other}"))),
        };
        Ok(DeckDraft {
            code: row.text("code")?,
            name: row.text("name")?,
            currency: currency(row, "currency")?,
            decimals: row.num("decimals")?,
            rounding,
            steps_from_zero: row.flag("steps_from_zero")?,
            tax_ppm: row.num("tax_ppm")?,
            zone: row.text("zone")?,
            calendar: Calendar::from_text(&row.text("calendar")?)
                .map_err(|flaw| StoreError::Broken(format!("column calendar: {flaw}")))?,
            by_jurisdiction: row.flag("by_jurisdiction")?,
            by_lrn: row.flag("by_lrn")?,
            derived: derived::read(row)?,
        })
    }

    async fn complete(tx: &mut Tx, found: &mut [Deck]) -> Result<()> {
        let (Some(first), Some(last)) = (found.first(), found.last()) else { return Ok(()) };
        // The count stands in the deck's last revision, so that a list of decks never counts millions of rates.
        let sql = "SELECT d.id,d.rates_version,r.rates FROM decks d \
                   LEFT JOIN deck_revisions r ON r.deck=d.id AND r.rates_version=d.rates_version \
                   WHERE d.id BETWEEN ? AND ? ORDER BY d.id";
        for row in tx.rows(sql, args![first.id, last.id]).await? {
            let id: u32 = row.num("id")?;
            if let Ok(place) = found.binary_search_by_key(&id, |deck| deck.id) {
                let rates = row.opt_num("rates")?.unwrap_or(0);
                found[place].facts = DeckFacts { rates, rates_version: row.int("rates_version")? };
            }
        }
        Ok(())
    }

    async fn save_more(&self, tx: &mut Tx, id: u32, old: Option<&Deck>) -> Result<()> {
        derived::check_links(tx, id, self, old.map_or(0, |old| old.facts.rates)).await?;
        let Some(old) = old else { return Ok(()) };
        if old.currency == self.currency {
            return Ok(());
        }
        let sql = "SELECT code FROM ingress_trunks \
             WHERE ? IN (sell_deck,override_deck,inter_deck,intra_deck,indeterminate_deck) \
             UNION SELECT code FROM egress_trunks WHERE ? IN (buy_deck,override_deck)";
        match tx.row(sql, args![id, id]).await? {
            None => Ok(()),
            Some(row) => {
                let why = format!("cannot change while trunk {} uses the deck", row.text("code")?);
                Err(StoreError::invalid("currency", why))
            }
        }
    }

    async fn before_delete(tx: &mut Tx, id: u32) -> Result<()> {
        derived::check_unused(tx, id).await
    }
}

impl Store {
    /// The latest changes of a deck's rates, newest first, 100 at most.
    pub async fn deck_revisions(&self, deck: u32) -> Result<Vec<DeckRevision>> {
        let sql = "SELECT rates_version,created,rates,note FROM deck_revisions WHERE deck=? \
                   ORDER BY rates_version DESC LIMIT 100";
        let rows = self.read().await?.rows(sql, args![deck]).await?;
        rows.iter()
            .map(|row| {
                Ok(DeckRevision {
                    rates_version: row.int("rates_version")?,
                    created: row.time("created")?,
                    rates: row.num("rates")?,
                    note: row.text("note")?,
                })
            })
            .collect()
    }
}
