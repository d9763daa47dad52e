//! What an account is charged for a month besides its calls.
//!
//! A fee is no call: it moves money when the invoice of its month is made, as a correction of the ledger, and back when that is declared void.

use units::Money;

use super::{InvoiceItem, InvoiceLine, InvoiceSums};
use crate::Store;
use crate::accounts::AccountDraft;
use crate::error::{Result, StoreError};
use crate::ledger::{self, Booking};
use crate::sql::{Row, Tx, args};

/// Characters of what a fee is called.
const TEXT_CHARS_MAX: usize = 200;
/// What the difference to the minimum is called.
const MINIMUM_TEXT: &str = "Minimum charge of the month, less its calls";

/// An account's fees; amounts are before tax, and 0 is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fees {
    /// Charged for each month.
    pub monthly_fee: Money,
    /// What it is called on invoices.
    pub fee_text: String,
    /// The calls of a month cost so much at least.
    pub monthly_minimum: Money,
    /// Tax on both, in millionths.
    pub tax_ppm: u32,
}

impl Fees {
    fn check(&self) -> Result<()> {
        for (field, amount) in [("monthly_fee", self.monthly_fee), ("monthly_minimum", self.monthly_minimum)] {
            if amount < Money::ZERO {
                return Err(StoreError::invalid(field, "not below 0"));
            }
        }
        if self.fee_text.chars().count() > TEXT_CHARS_MAX || self.fee_text.contains(char::is_control) {
            return Err(StoreError::invalid("fee_text", "200 characters at most, no control characters"));
        }
        if self.tax_ppm > 1_000_000 {
            return Err(StoreError::invalid("tax_percent", "0 to 100 is wanted"));
        }
        Ok(())
    }

    /// The lines that they make beside those of calls.
    pub(super) fn lines(&self, calls: &[InvoiceLine], currency: &str) -> Vec<InvoiceLine> {
        let cost = calls.iter().fold(Money::ZERO, |sum, line| sum + line.sums.net);
        let text = if self.fee_text.is_empty() { "Monthly fee" } else { &self.fee_text };
        let wanted = [(text, self.monthly_fee), (MINIMUM_TEXT, self.monthly_minimum - cost)];
        let line = |(text, net): (&str, Money)| InvoiceLine {
            item: InvoiceItem::Fee,
            destination: text.to_owned(),
            rate_currency: currency.to_owned(),
            tax_ppm: self.tax_ppm,
            sums: InvoiceSums { net, tax: tax(net, self.tax_ppm), ..InvoiceSums::default() },
            ..InvoiceLine::default()
        };
        // Without a minimum its calls lack nothing.
        let due = |(text, net): &(&str, Money)| {
            net.is_positive() && (*text != MINIMUM_TEXT || self.monthly_minimum.is_positive())
        };
        wanted.into_iter().filter(due).map(line).collect()
    }
}

/// So many millionths of an amount, rounded half-even to the nano-unit.
fn tax(net: Money, ppm: u32) -> Money {
    let product = i128::from(net.nanos()) * i128::from(ppm);
    let (whole, rest) = (product.div_euclid(1_000_000), product.rem_euclid(1_000_000));
    let up = rest > 500_000 || (rest == 500_000 && whole % 2 != 0);
    Money::from_nanos(i64::try_from(whole + i128::from(up)).unwrap_or(i64::MAX))
}

impl Store {
    /// An account's fees.
    pub async fn fees(&self, account: u32) -> Result<Fees> {
        self.get::<AccountDraft>(account).await?;
        of(&mut self.read().await?, account).await
    }

    /// Sets them: for the invoices that are made from now on.
    pub async fn set_fees(&self, account: u32, fees: &Fees) -> Result<()> {
        fees.check()?;
        self.get::<AccountDraft>(account).await?;
        let mut tx = self.write().await?;
        tx.run("DELETE FROM account_fees WHERE account=?", args![account]).await?;
        let sql = "INSERT INTO account_fees (account,fee,fee_text,minimum,tax_ppm) VALUES (?,?,?,?,?)";
        let Fees { monthly_fee, fee_text, monthly_minimum, tax_ppm } = fees;
        tx.run(sql, args![account, *monthly_fee, fee_text.as_str(), *monthly_minimum, *tax_ppm]).await?;
        tx.commit().await
    }
}

pub(super) async fn of(tx: &mut Tx, account: u32) -> Result<Fees> {
    let read = |row: &Row| {
        let (monthly_fee, monthly_minimum) = (row.money("fee")?, row.money("minimum")?);
        Ok(Fees { monthly_fee, fee_text: row.text("fee_text")?, monthly_minimum, tax_ppm: row.num("tax_ppm")? })
    };
    let row = tx.row("SELECT * FROM account_fees WHERE account=?", args![account]).await?;
    row.as_ref().map_or_else(|| Ok(Fees::default()), read)
}

/// Takes what an invoice's fees come to from the account, or gives it back.
pub(super) async fn book(tx: &mut Tx, (number, account): (u32, u32), lines: &[InvoiceLine], back: bool) -> Result<()> {
    let fees = lines.iter().filter(|line| line.item == InvoiceItem::Fee);
    let total = fees.fold(Money::ZERO, |sum, line| sum + line.sums.total());
    if total == Money::ZERO {
        return Ok(());
    }
    let (amount, reference, note) = match back {
        false => (-total, format!("invoice-{number}-fees"), format!("fees of invoice {number}")),
        true => (total, format!("invoice-{number}-void"), format!("fees of invoice {number}, which is void")),
    };
    ledger::book(tx, Booking::Correction, account, amount, &reference, &note).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        Money::parse(text).expect("a decimal")
    }

    #[test]
    fn tax_is_rounded_once_to_the_even_unit() {
        for (nanos, ppm, wanted) in [(1, 500_000, 0), (3, 500_000, 2), (5, 500_000, 2), (100, 190_000, 19), (7, 0, 0)] {
            assert_eq!(tax(Money::from_nanos(nanos), ppm).nanos(), wanted, "{nanos} {ppm}");
        }
    }

    #[test]
    fn a_minimum_is_what_calls_lack_of_it() {
        let told = |fee: &str, minimum: &str, cost: &str| {
            let fees = Fees { monthly_fee: money(fee), monthly_minimum: money(minimum), ..Fees::default() };
            let sums = InvoiceSums { net: money(cost), ..InvoiceSums::default() };
            let lines = fees.lines(&[InvoiceLine { sums, ..InvoiceLine::default() }], "USD");
            lines.iter().map(|line| line.sums.net.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(told("10", "0", "3"), ["10.00"]);
        assert_eq!(told("10", "25", "3"), ["10.00", "22.00"]);
        assert_eq!(told("0", "25", "25"), [""; 0]);
        assert_eq!(told("0", "0", "-3"), [""; 0], "no minimum, nothing lacks");
    }
}
