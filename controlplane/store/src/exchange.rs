//! Exchange rates: what currencies are worth in one of them, the base currency.

use snapshot::{EXCHANGE_VALUE_MAX, ExchangeRate};
use units::{Currency, Money, WallTime};

use crate::Store;
use crate::accounts::currency as account_currency;
use crate::error::{ConflictKind, Result, StoreError};
use crate::object::Edit;
use crate::settings;
use crate::sql::{Row, Tx, args, now};

/// Exchange rates at most, past ones included.
const EXCHANGE_RATES_MAX: i64 = 100_000;
/// The setting that names the base currency.
const BASE: &str = "base_currency";

impl Store {
    /// All exchange rates by currency and date, without the base currency's.
    pub async fn exchange_rates(&self) -> Result<Vec<ExchangeRate>> {
        all(&mut self.read().await?).await
    }

    /// What the values of exchange rates count in; US dollars unless set.
    pub async fn base_currency(&self) -> Result<Currency> {
        base(&mut self.read().await?).await
    }
}

impl Edit {
    /// All exchange rates by currency and date, as this transaction sees them.
    pub async fn exchange_rates(&mut self) -> Result<Vec<ExchangeRate>> {
        all(&mut self.tx).await
    }

    /// What the values of exchange rates count in, as this transaction sees it.
    pub async fn base_currency(&mut self) -> Result<Currency> {
        base(&mut self.tx).await
    }

    /// Names the base currency; refused while there are exchange rates, whose values would mean something else.
    pub async fn set_base_currency(&mut self, wanted: Currency) -> Result<()> {
        let stands = base(&mut self.tx).await?;
        if stands == wanted {
            return Ok(());
        }
        if !all(&mut self.tx).await?.is_empty() {
            let why = "exchange rates count in it; remove them first";
            return Err(StoreError::conflict(ConflictKind::InUse, "base currency", stands, why));
        }
        settings::put(&mut self.tx, BASE, wanted.as_str()).await?;
        self.touched = true;
        Ok(())
    }

    /// Writes one exchange rate over the one of the same currency and date, or beside the others.
    pub async fn put_exchange_rate(&mut self, rate: &ExchangeRate) -> Result<()> {
        if !(1..=EXCHANGE_VALUE_MAX.nanos()).contains(&rate.value.nanos()) {
            return Err(StoreError::invalid("value", "above 0 and up to 1,000,000"));
        }
        if rate.currency == base(&mut self.tx).await? {
            return Err(StoreError::invalid("currency", "is the base currency, which is worth 1"));
        }
        self.remove(rate.currency, rate.from).await?;
        let row = self.tx.row("SELECT COUNT(*) AS n FROM exchange_rates", Vec::new()).await?;
        if row.map_or(Ok(0), |row| row.int("n"))? >= EXCHANGE_RATES_MAX {
            return Err(StoreError::invalid("currency", format!("{EXCHANGE_RATES_MAX} exchange rates at most")));
        }
        let sql = "INSERT INTO exchange_rates (currency,valid_from,value) VALUES (?,?,?)";
        self.tx.run(sql, args![rate.currency.as_str(), rate.from, rate.value]).await?;
        self.touched = true;
        Ok(())
    }

    /// Removes one exchange rate; refused when a trunk would be left with currencies that nothing joins.
    pub async fn delete_exchange_rate(&mut self, currency: Currency, from: WallTime) -> Result<()> {
        if self.remove(currency, from).await? == 0 {
            return Err(StoreError::missing("exchange rate", currency));
        }
        self.touched = true;
        let sql = "SELECT t.code AS code,a.currency AS ours,d.currency AS theirs FROM ingress_trunks t \
                   JOIN accounts a ON a.id=t.account \
                   JOIN decks d ON d.id IN (t.sell_deck,t.override_deck,t.inter_deck,t.intra_deck,t.indeterminate_deck) \
                   WHERE a.currency<>d.currency UNION \
                   SELECT t.code,a.currency,d.currency FROM egress_trunks t \
                   JOIN accounts a ON a.id=t.account JOIN decks d ON d.id=t.buy_deck OR d.id=t.override_deck \
                   WHERE a.currency<>d.currency";
        for row in self.tx.rows(sql, Vec::new()).await? {
            let (ours, theirs) = (account_currency(&row, "ours")?, account_currency(&row, "theirs")?);
            if !joined(&mut self.tx, ours, theirs).await? {
                let why = format!("trunk {} needs it to join {ours} with {theirs}", row.text("code")?);
                return Err(StoreError::conflict(ConflictKind::InUse, "exchange rate", currency, &why));
            }
        }
        Ok(())
    }

    async fn remove(&mut self, currency: Currency, from: WallTime) -> Result<u64> {
        let sql = "DELETE FROM exchange_rates WHERE currency=? AND valid_from=?";
        Ok(self.tx.run(sql, args![currency.as_str(), from]).await?.rows)
    }
}

/// True if exchange rates that are in force join two currencies.
pub(crate) async fn joined(tx: &mut Tx, one: Currency, other: Currency) -> Result<bool> {
    let base = base(tx).await?;
    for currency in [one, other].into_iter().filter(|currency| one != other && *currency != base) {
        let sql = "SELECT currency FROM exchange_rates WHERE currency=? AND valid_from<=? LIMIT 1";
        if tx.row(sql, args![currency.as_str(), now()]).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// As a snapshot holds them: the base currency, worth 1 since ever, stands among the others.
pub(crate) async fn of_model(tx: &mut Tx) -> Result<Vec<ExchangeRate>> {
    let mut rates = all(tx).await?;
    if !rates.is_empty() {
        let from = WallTime::from_micros(i64::MIN);
        rates.push(ExchangeRate { currency: base(tx).await?, from, value: Money::from_nanos(Money::NANOS) });
    }
    Ok(rates)
}

async fn base(tx: &mut Tx) -> Result<Currency> {
    let Some(text) = settings::get(tx, BASE).await? else { return Ok(Currency::USD) };
    Currency::parse(&text).ok_or_else(|| StoreError::Broken(format!("setting {BASE} holds {text:?}")))
}

async fn all(tx: &mut Tx) -> Result<Vec<ExchangeRate>> {
    let rows = tx.rows("SELECT * FROM exchange_rates ORDER BY currency,valid_from", Vec::new()).await?;
    let read = |row: &Row| {
        Ok(ExchangeRate {
            currency: account_currency(row, "currency")?,
            from: row.time("valid_from")?,
            value: row.money("value")?,
        })
    };
    rows.iter().map(read).collect()
}
