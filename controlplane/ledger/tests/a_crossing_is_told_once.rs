//! Thresholds of accounts: told once for each crossing, with a way back before the next.

use ledger::Watched;
use units::Money;

fn units(units: i64) -> Money {
    Money::from_nanos(units * Money::NANOS)
}

/// How often a watch is raised while its value goes through these.
fn raised(watched: Watched, threshold: i64, values: &[i64]) -> usize {
    let (mut stands, mut count) = (false, 0);
    for value in values {
        let next = watched.stands(stands, units(*value), units(threshold));
        count += usize::from(next && !stands);
        stands = next;
    }
    count
}

#[test]
fn a_balance_that_trembles_at_its_threshold_is_told_once() {
    assert_eq!(raised(Watched::Low, 100, &[101, 99, 101, 99, 105, 98]), 1);
    assert_eq!(raised(Watched::High, 100, &[99, 101, 99, 101, 95, 102]), 1);
}

#[test]
fn a_balance_that_came_well_back_is_told_again() {
    assert_eq!(raised(Watched::Low, 100, &[99, 110, 99]), 2);
    assert_eq!(raised(Watched::High, 100, &[101, 90, 101]), 2);
    assert_eq!(raised(Watched::Low, 0, &[1, -1, 0, -1, 1, -1]), 2, "around zero one unit is well back");
    assert_eq!(raised(Watched::Low, -50, &[-49, -51, -49, -51, -45, -51]), 2, "thresholds below zero too");
}

#[test]
fn a_threshold_itself_is_neither_low_nor_high_but_a_cap_is_reached() {
    assert_eq!((raised(Watched::Low, 5, &[5]), raised(Watched::High, 5, &[5])), (0, 0));
    assert_eq!(raised(Watched::DayCap, 5, &[4, 5, 6, 0, 5]), 2, "once a day");
}
