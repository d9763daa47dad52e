//! Latency buckets against a sorted list of the same values.

use panel::metrics::{BUCKETS, Histogram};

/// Values over every octave, from a fixed multiplicative generator.
fn values(count: usize) -> Vec<u64> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 28
    };
    (0..count).map(|turn| next() >> (turn % 36)).collect()
}

fn of(values: &[u64]) -> Histogram {
    let mut histogram = Histogram::default();
    values.iter().for_each(|value| histogram.record(*value));
    histogram
}

/// The value that a share of all values does not pass.
fn percentile(histogram: &Histogram, per_mille: u64) -> u64 {
    let wanted = (histogram.total() * per_mille).div_ceil(1_000).max(1);
    let mut seen = 0;
    for (upper, count) in histogram.filled() {
        seen += count;
        if seen >= wanted {
            return upper;
        }
    }
    0
}

#[test]
fn an_empty_one_holds_nothing() {
    assert_eq!(Histogram::default().total(), 0);
    assert!(Histogram::default().filled().is_empty());
}

#[test]
fn small_values_are_exact() {
    let filled = of(&[0, 1, 1, 31]).filled();
    assert_eq!(filled, [(0, 1), (1, 2), (31, 1)]);
}

#[test]
fn every_value_lands_under_an_upper_bound_that_is_at_most_a_thirty_second_above() {
    for value in values(20_000) {
        let filled = of(&[value]).filled();
        let (upper, count) = filled[0];
        assert_eq!((filled.len(), count), (1, 1));
        assert!(upper >= value && upper - value <= value / 32, "{value} was kept as {upper}");
    }
}

#[test]
fn percentiles_agree_with_the_sorted_list() {
    let mut all = values(10_000);
    let histogram = of(&all);
    all.sort_unstable();
    for per_mille in [1, 500, 900, 990, 999, 1_000] {
        let exact = all[(all.len() * per_mille).div_ceil(1_000) - 1];
        let told = percentile(&histogram, per_mille as u64);
        assert!(told >= exact && told - exact <= exact / 32, "{per_mille} per mille: {exact} was told as {told}");
    }
}

#[test]
fn what_is_larger_than_all_buckets_is_counted_in_the_last() {
    let filled = of(&[u64::MAX, 1 << 60]).filled();
    assert_eq!(filled.len(), 1);
    assert_eq!(filled[0].1, 2);
}

#[test]
fn merged_ones_are_as_if_one_had_heard_all() {
    let all = values(2_000);
    let mut merged = of(&all[..700]);
    merged.merge(&of(&all[700..]));
    assert_eq!(merged, of(&all));
    assert_eq!(merged.total(), 2_000);
    assert!(merged.filled().len() <= BUCKETS);
}
