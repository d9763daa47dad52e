//! What a call must cost by the terms that its CDR names, from first principles, in whole numbers.

use serde::Deserialize;

/// A price of a CDR with the terms that it was computed from. Amounts are decimal text, as the API writes them.
#[derive(Clone, Debug, Deserialize)]
pub struct Price {
    price: String,
    tax_percent: String,
    billed_s: u32,
    exchange: String,
    per_minute: String,
    first_per_minute: Option<String>,
    connection_fee: String,
    minimum_s: u16,
    increment_s: u16,
    steps_from_zero: bool,
    free_s: u16,
    decimals: u8,
}

/// Decimal text as nano-units; `None` if it is none, or finer.
pub fn nanos(text: &str) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.len() > 9 || !plain(whole) || !plain(part) {
        return None;
    }
    format!("{whole}{part:0<9}").parse::<i128>().ok().map(|number| sign * number)
}

/// Nano-units as decimal text.
pub fn text(nanos: i128) -> String {
    let (sign, size) = (if nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
    format!("{sign}{}.{:09}", size / 1_000_000_000, size % 1_000_000_000)
}

impl Price {
    /// What was charged.
    pub fn nanos(&self) -> Option<i128> {
        nanos(&self.price)
    }

    /// Whether the seconds billed may stand for this duration, and the price for these seconds.
    pub fn check(&self, duration_ms: u64) -> Result<(), String> {
        // How a deck rounds to whole seconds is not in the CDR: down or up are both possible.
        let (least, most) = (self.billed(duration_ms / 1_000), self.billed(duration_ms.div_ceil(1_000)));
        if !(least..=most).contains(&u64::from(self.billed_s)) {
            return Err(format!("{duration_ms} ms are billed as {} s, wanted {least} to {most}", self.billed_s));
        }
        let should = self.exact().ok_or_else(|| format!("its terms cannot be read: {self:?}"))?;
        match self.nanos() {
            Some(price) if price == should => Ok(()),
            _ => Err(format!("{} s costs {}, should cost {}", self.billed_s, self.price, text(should))),
        }
    }

    /// Counts steps one by one.
    fn billed(&self, seconds: u64) -> u64 {
        let (minimum, free) = (u64::from(self.minimum_s), u64::from(self.free_s));
        if seconds == 0 || (seconds <= free && minimum <= free) {
            return 0;
        }
        let step = u64::from(self.increment_s.max(1));
        let mut billed = if self.steps_from_zero { 0 } else { minimum };
        while billed < seconds {
            billed += step;
        }
        billed.max(minimum)
    }

    /// Seconds times rate plus fee, with tax and exchange, rounded once, halves to even.
    fn exact(&self) -> Option<i128> {
        if self.billed_s == 0 {
            return Some(0);
        }
        let next = nanos(&self.per_minute)?;
        let first = self.first_per_minute.as_deref().map_or(Some(next), nanos)?;
        let within = i128::from(self.billed_s.min(u32::from(self.minimum_s)));
        let minutes = first * within + next * (i128::from(self.billed_s) - within);
        let tax = 1_000_000_000 + nanos(&self.tax_percent)? / 100;
        let exact =
            (minutes + nanos(&self.connection_fee)? * 60).checked_mul(tax)?.checked_mul(nanos(&self.exchange)?)?;
        let place = 10_i128.pow(9 - u32::from(self.decimals.min(9)));
        let step = 60 * 1_000_000_000 * 1_000_000_000 * place;
        let (mut whole, rest) = (exact.div_euclid(step), exact.rem_euclid(step));
        if rest * 2 > step || (rest * 2 == step && whole % 2 == 1) {
            whole += 1;
        }
        Some(whole * place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_computed_from_their_terms() {
        let mut terms = Price {
            price: "0.02".into(),
            tax_percent: "0".into(),
            billed_s: 60,
            exchange: "1".into(),
            per_minute: "0.02".into(),
            first_per_minute: None,
            connection_fee: "0".into(),
            minimum_s: 30,
            increment_s: 6,
            steps_from_zero: false,
            free_s: 0,
            decimals: 6,
        };
        assert_eq!(terms.check(59_001), Ok(()));
        assert_eq!(terms.check(54_000).err().as_deref(), Some("54000 ms are billed as 60 s, wanted 54 to 54"));
        (terms.tax_percent, terms.exchange, terms.connection_fee) = ("7.7".into(), "1.1".into(), "0.5".into());
        terms.price = "0.616044".into();
        assert_eq!(terms.check(60_000), Ok(()));
        terms.price = "0.616045".into();
        assert!(terms.check(60_000).is_err());
        assert_eq!(
            [nanos("1.5"), nanos("-0.000000001"), nanos("1e3"), nanos("")],
            [Some(1_500_000_000), Some(-1), None, None]
        );
        assert_eq!(text(-1), "-0.000000001");
    }
}
