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
}

/// Names, and the attributes that each needs, in order.
const NAMED: [(&str, &[&str]); 8] = [
    ("fixed", &["value"]),
    ("uniform", &["min", "max"]),
    ("normal", &["mean", "stdev"]),
    ("lognormal", &["mean", "stdev"]),
    ("exponential", &["mean"]),
    ("weibull", &["lambda", "k", "x_offset"]),
    ("pareto", &["k", "x_m"]),
    ("gpareto", &["shape", "scale", "location"]),
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
        }
    }
}
