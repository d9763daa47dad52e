//! Chance, drawn from a seed: spans of time, shares, and how a specification names them.

use std::str::FromStr;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// How a span of time is drawn for each call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spread {
    /// Always the same.
    Fixed(Duration),
    /// Any value between two, equally likely.
    Uniform(Duration, Duration),
    /// Exponential with this mean: what short calls look like.
    Exponential(Duration),
    /// Log-normal with this mean and this sigma of the logarithm: what talking times look like.
    LogNormal(Duration, f64),
}

impl Spread {
    /// One value.
    pub fn draw(self, chance: &mut SmallRng) -> Duration {
        match self {
            Spread::Fixed(span) => span,
            Spread::Uniform(low, high) => low + (high.saturating_sub(low)).mul_f64(chance.random::<f64>()),
            Spread::Exponential(mean) => mean.mul_f64(exponential(chance)),
            Spread::LogNormal(mean, sigma) => {
                let exponent = sigma * normal(chance) - sigma * sigma / 2.0;
                mean.mul_f64(exponent.exp().min(1_000.0))
            }
        }
    }
}

impl FromStr for Spread {
    type Err = String;

    /// Reads `2s`, `fixed:2s`, `uniform:1s-3s`, `exp:20s`, `lognormal:20s/0.8`.
    fn from_str(text: &str) -> Result<Spread, String> {
        let Some((kind, rest)) = text.split_once(':') else { return Ok(Spread::Fixed(span(text)?)) };
        match kind {
            "fixed" => Ok(Spread::Fixed(span(rest)?)),
            "exp" => Ok(Spread::Exponential(span(rest)?)),
            "uniform" => {
                let (low, high) = rest.split_once('-').ok_or_else(|| format!("'{text}': want uniform:LOW-HIGH"))?;
                Ok(Spread::Uniform(span(low)?, span(high)?))
            }
            "lognormal" => {
                let (mean, sigma) = rest.split_once('/').unwrap_or((rest, "0.8"));
                let sigma = sigma.parse::<f64>().ok().filter(|s| (0.0..=4.0).contains(s));
                Ok(Spread::LogNormal(span(mean)?, sigma.ok_or_else(|| format!("'{text}': sigma must be 0 to 4"))?))
            }
            _ => Err(format!("'{kind}' is no distribution: fixed, uniform, exp or lognormal")),
        }
    }
}

/// Reads `250ms`, `20s`, `5m`, `1h`; a bare number is seconds.
pub fn span(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match &text[digits.len()..] {
        "us" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        unit => return Err(format!("'{unit}' is no unit of time: us, ms, s, m or h")),
    };
    let number = digits.parse::<f64>().map_err(|_| format!("'{text}' is no span of time"))?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| format!("'{text}' is out of range"))
}

/// Reads how many calls have media: a share, or `none`, `full`, `sample:5%`.
pub fn media_share(text: &str) -> Result<f64, String> {
    match text {
        "none" => Ok(0.0),
        "full" => Ok(1.0),
        _ => share(text.strip_prefix("sample:").unwrap_or(text)),
    }
}

/// Reads `5%` or `0.05` as a share between 0 and 1.
pub fn share(text: &str) -> Result<f64, String> {
    let (digits, scale) = text.strip_suffix('%').map_or((text, 1.0), |digits| (digits, 100.0));
    let number = digits.parse::<f64>().map_err(|_| format!("'{text}' is no share: want 5% or 0.05"))? / scale;
    if (0.0..=1.0).contains(&number) { Ok(number) } else { Err(format!("'{text}' is not between 0 and 100 %")) }
}

/// The random source of one thing of a run: the same seed and place give the same draws.
pub fn chance(seed: u64, place: u64, who: &str) -> SmallRng {
    let mut mixed = seed ^ place.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for byte in who.bytes() {
        mixed = (mixed ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
    }
    SmallRng::seed_from_u64(mixed)
}

/// Exponential with mean 1.
pub fn exponential(chance: &mut SmallRng) -> f64 {
    -(1.0 - chance.random::<f64>()).ln()
}

/// Standard normal by Box and Muller.
pub fn normal(chance: &mut SmallRng) -> f64 {
    let radius = (2.0 * exponential(chance)).sqrt();
    radius * (std::f64::consts::TAU * chance.random::<f64>()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_are_read_and_keep_their_mean() {
        for text in ["20s", "fixed:20s", "exp:20s", "lognormal:20s/0.8", "uniform:10s-30s"] {
            let spread: Spread = text.parse().expect(text);
            let mut source = chance(7, 1, "mean");
            let sum: f64 = (0..20_000).map(|_| spread.draw(&mut source).as_secs_f64()).sum();
            let mean = sum / 20_000.0;
            assert!((mean - 20.0).abs() < 1.0, "{text} has mean {mean}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["gauss:3s", "exp:", "3d", "uniform:3s", "lognormal:2s/9"] {
            assert!(text.parse::<Spread>().is_err(), "{text}");
        }
        assert!(share("101%").is_err());
        assert_eq!(share("5%"), Ok(0.05));
        assert_eq!(["none", "sample:5%", "5%", "full"].map(media_share), [Ok(0.0), Ok(0.05), Ok(0.05), Ok(1.0)]);
    }
}
