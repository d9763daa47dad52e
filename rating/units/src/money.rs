//! Money in integers: nano-units of a currency, so that every node computes the same price.

use alloc::string::String;
use core::fmt;
use core::ops::{Add, AddAssign, Neg, Sub, SubAssign};

/// An amount in nano-units (10⁻⁹) of some currency; the currency stands beside it, never inside it.
///
/// Range ±9.2 billion units. Arithmetic that would leave the range saturates: a saturated balance refuses calls, it does not wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

impl Money {
    /// Nothing.
    pub const ZERO: Money = Money(0);
    /// More than any account holds; means "no limit" where a limit is expected.
    pub const MAX: Money = Money(i64::MAX);
    /// Nano-units in one unit of the currency.
    pub const NANOS: i64 = 1_000_000_000;

    /// From nano-units.
    pub const fn from_nanos(nanos: i64) -> Money {
        Money(nanos)
    }

    /// In nano-units.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Reads a decimal such as `12`, `-0.5` or `0.012345678`; at most nine digits after the point, no exponent, no separator.
    pub fn parse(text: &str) -> Option<Money> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !plain(whole) || !plain(fraction) || fraction.len() > 9 {
            return None;
        }
        let units: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let mut nanos: i64 = 0;
        for place in 0..9 {
            nanos = nanos * 10 + fraction.as_bytes().get(place).map_or(0, |b| i64::from(b - b'0'));
        }
        let total = units.checked_mul(Money::NANOS)?.checked_add(nanos)?;
        Some(Money(if negative { -total } else { total }))
    }

    /// True for amounts above zero.
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// The smaller of two amounts.
    pub fn min(self, other: Money) -> Money {
        if self.0 < other.0 { self } else { other }
    }

    /// The larger of two amounts.
    pub fn max(self, other: Money) -> Money {
        if self.0 > other.0 { self } else { other }
    }
}

impl fmt::Display for Money {
    /// Decimal with trailing zeros cut, at least two places: `12.50`, `-0.000667`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanos = self.0.unsigned_abs();
        let (units, mut fraction) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
        let mut places = 9;
        while places > 2 && fraction.is_multiple_of(10) {
            fraction /= 10;
            places -= 1;
        }
        write!(f, "{sign}{units}.{fraction:0places$}")
    }
}

impl Add for Money {
    type Output = Money;
    fn add(self, other: Money) -> Money {
        Money(self.0.saturating_add(other.0))
    }
}

impl Sub for Money {
    type Output = Money;
    fn sub(self, other: Money) -> Money {
        Money(self.0.saturating_sub(other.0))
    }
}

impl Neg for Money {
    type Output = Money;
    fn neg(self) -> Money {
        Money(self.0.saturating_neg())
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Money) {
        *self = *self + other;
    }
}

impl SubAssign for Money {
    fn sub_assign(&mut self, other: Money) {
        *self = *self - other;
    }
}

/// An ISO 4217 currency code: three capital letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// US dollar, the default where none is named.
    pub const USD: Currency = Currency(*b"USD");

    /// Reads three ASCII capital letters.
    pub fn parse(text: &str) -> Option<Currency> {
        let bytes: [u8; 3] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_uppercase).then_some(Currency(bytes))
    }

    /// From stored bytes; anything but three capital letters is refused.
    pub fn from_bytes(bytes: [u8; 3]) -> Option<Currency> {
        bytes.iter().all(u8::is_ascii_uppercase).then_some(Currency(bytes))
    }

    /// The three letters as bytes.
    pub const fn bytes(self) -> [u8; 3] {
        self.0
    }

    /// The three letters as text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or("???")
    }

    /// The three letters as an owned string.
    pub fn code(self) -> String {
        String::from(self.as_str())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
