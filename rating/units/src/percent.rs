//! Shares in millionths, as people write them: per cents with four decimals.

use core::fmt;

/// A share in millionths; 200,000 is 20 per cent. May be below zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(i32);

impl Percent {
    /// Millionths in one per cent.
    const PPM: i32 = 10_000;

    /// From millionths.
    pub const fn from_ppm(ppm: i32) -> Percent {
        Percent(ppm)
    }

    /// In millionths.
    pub const fn ppm(self) -> i32 {
        self.0
    }

    /// Reads per cents such as `20`, `7.7` or `-0.0001`: at most four digits after the point, no sign of per cent.
    pub fn parse(text: &str) -> Option<Percent> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !plain(whole) || !plain(fraction) || fraction.len() > 4 {
            return None;
        }
        let whole: i32 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let digit = |place| fraction.as_bytes().get(place).map_or(0, |byte| i32::from(byte - b'0'));
        let fraction = (0..4).fold(0, |sum, place| sum * 10 + digit(place));
        whole.checked_mul(Percent::PPM)?.checked_add(fraction).map(|ppm| Percent(sign * ppm))
    }
}

impl fmt::Display for Percent {
    /// Without trailing zeros: `20`, `7.7`, `-0.0001`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let ppm = self.0.unsigned_abs();
        let (whole, mut fraction) = (ppm / Percent::PPM as u32, ppm % Percent::PPM as u32);
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        let mut places = 4;
        while fraction.is_multiple_of(10) {
            (fraction, places) = (fraction / 10, places - 1);
        }
        write!(f, "{sign}{whole}.{fraction:0places$}")
    }
}
