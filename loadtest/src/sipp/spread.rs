//! Distributions as scenarios name them: values, mostly milliseconds, drawn for each call.

use rand::Rng;
use rand::rngs::SmallRng;

use crate::draw::{exponential, normal};

/// How a value is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spread {
    /// Always the same.
    Fixed(f64),
    /// Equally likely between two.
    Uniform(f64, f64),
    /// Mean, standard deviation.
    Normal(f64, f64),
    /// Mean and standard deviation of the logarithm.
    LogNormal(f64, f64),
    /// Mean.
    Exponential(f64),
    /// Scale, shape, offset.
    Weibull(f64, f64, f64),
    /// Shape, least value.
    Pareto(f64, f64),
    /// Shape, scale, location.
    GeneralPareto(f64, f64, f64),
    /// Shape, scale.
    Gamma(f64, f64),
    /// Probability of a success, and successes that are waited for: how many failures come before.
    NegativeBinomial(f64, f64),
}

/// Names, and the attributes that each needs, in order.
const NAMED: [(&str, &[&str]); 10] = [
    ("fixed", &["value"]),
    ("uniform", &["min", "max"]),
    ("normal", &["mean", "stdev"]),
    ("lognormal", &["mean", "stdev"]),
    ("exponential", &["mean"]),
    ("weibull", &["lambda", "k", "x_offset"]),
    ("pareto", &["k", "x_m"]),
    ("gpareto", &["shape", "scale", "location"]),
    ("gamma", &["k", "theta"]),
    ("negbin", &["p", "n"]),
];

impl Spread {
    /// The attributes that a distribution of this name needs.
    pub fn wants(name: &str) -> Result<&'static [&'static str], String> {
        let names = || NAMED.map(|(name, _)| name).join(", ");
        let found = NAMED.iter().find(|(known, _)| *known == name);
        found.map(|(_, wants)| *wants).ok_or_else(|| format!("'{name}' is no distribution we draw from: {}", names()))
    }

    /// The distribution of this name with its values in the order of [`Spread::wants`].
    pub fn named(name: &str, values: &[f64]) -> Option<Spread> {
        Some(match (name, values) {
            ("fixed", [value]) => Spread::Fixed(*value),
            ("uniform", [min, max]) => Spread::Uniform(*min, *max),
            ("normal", [mean, deviation]) => Spread::Normal(*mean, *deviation),
            ("lognormal", [mean, deviation]) => Spread::LogNormal(*mean, *deviation),
            ("exponential", [mean]) => Spread::Exponential(*mean),
            ("weibull", [scale, shape, offset]) => Spread::Weibull(*scale, *shape, *offset),
            ("pareto", [shape, least]) => Spread::Pareto(*shape, *least),
            ("gpareto", [shape, scale, location]) => Spread::GeneralPareto(*shape, *scale, *location),
            ("gamma", [shape, scale]) if *shape > 0.0 => Spread::Gamma(*shape, *scale),
            ("negbin", [share, wanted]) if (0.0..=1.0).contains(share) && *share > 0.0 && *wanted > 0.0 => {
                Spread::NegativeBinomial(*share, *wanted)
            }
            _ => return None,
        })
    }

    /// A value.
    pub fn draw(self, chance: &mut SmallRng) -> f64 {
        match self {
            Spread::Fixed(value) => value,
            Spread::Uniform(min, max) => min + (max - min) * chance.random::<f64>(),
            Spread::Normal(mean, deviation) => mean + deviation * normal(chance),
            Spread::LogNormal(mean, deviation) => (mean + deviation * normal(chance)).exp(),
            Spread::Exponential(mean) => mean * exponential(chance),
            Spread::Weibull(scale, shape, offset) => offset + scale * exponential(chance).powf(1.0 / shape),
            Spread::Pareto(shape, least) => least * (exponential(chance) / shape).exp(),
            Spread::GeneralPareto(0.0, scale, location) => location + scale * exponential(chance),
            Spread::GeneralPareto(shape, scale, location) => {
                location + scale * ((shape * exponential(chance)).exp() - 1.0) / shape
            }
            Spread::Gamma(shape, scale) => scale * gamma(shape, chance),
            // How often the failures come is itself drawn: Poisson, with a mean that is gamma.
            Spread::NegativeBinomial(share, wanted) => poisson(gamma(wanted, chance) * (1.0 - share) / share, chance),
        }
    }
}

/// Gamma of scale 1 (Marsaglia and Tsang, 2000); one of a shape below 1 is one of a shape above, taken down.
fn gamma(shape: f64, chance: &mut SmallRng) -> f64 {
    if shape < 1.0 {
        return gamma(shape + 1.0, chance) * chance.random::<f64>().powf(1.0 / shape);
    }
    let wide = shape - 1.0 / 3.0;
    let narrow = 1.0 / (9.0 * wide).sqrt();
    loop {
        let drawn = normal(chance);
        let cube = (1.0 + narrow * drawn).powi(3);
        if cube > 0.0 && -exponential(chance) < drawn * drawn / 2.0 + wide * (1.0 - cube + cube.ln()) {
            return wide * cube;
        }
    }
}

/// How many come in a span in which so many come on average.
fn poisson(mean: f64, chance: &mut SmallRng) -> f64 {
    // Of so many, that they come one by one can no longer be told.
    if mean > 1_000.0 {
        return (mean + mean.sqrt() * normal(chance)).round().max(0.0);
    }
    let mut left = mean;
    let mut count = -1.0;
    while left >= 0.0 {
        left -= exponential(chance);
        count += 1.0;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_values_have_the_mean_and_the_variance_of_their_distribution() {
        for (name, values, mean, variance) in [
            ("normal", &[30.0, 4.0][..], 30.0, 16.0),
            ("lognormal", &[1.0, 0.5], 3.080, 2.694),
            ("exponential", &[7.0], 7.0, 49.0),
            ("weibull", &[3.0, 4.0, 1.0], 3.719, 0.582),
            ("pareto", &[5.0, 2.0], 2.5, 0.4167),
            ("gpareto", &[0.1, 2.0, 3.0], 5.222, 6.173),
            ("gamma", &[3.0, 2.0], 6.0, 12.0),
            ("gamma", &[0.5, 2.0], 1.0, 2.0),
            ("negbin", &[0.1, 2.0], 18.0, 180.0),
            ("negbin", &[0.001, 5.0], 4_995.0, 4_995_000.0),
        ] {
            let spread = Spread::named(name, values).expect("it is known");
            let mut chance = crate::draw::chance(1, 1, name);
            let drawn: Vec<f64> = (0..200_000).map(|_| spread.draw(&mut chance)).collect();
            let found = drawn.iter().sum::<f64>() / drawn.len() as f64;
            let spread_out = drawn.iter().map(|value| (value - found).powi(2)).sum::<f64>() / drawn.len() as f64;
            assert!((found / mean - 1.0).abs() < 0.02, "{name}: mean {found}, not {mean}");
            assert!((spread_out / variance - 1.0).abs() < 0.1, "{name}: variance {spread_out}, not {variance}");
        }
        assert_eq!(Spread::named("negbin", &[0.0, 2.0]), None);
    }
}
