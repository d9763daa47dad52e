//! Floors and throttle in simulated time: when a trunk is called less, and when it is called again.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use rating::quality::{Over, Result as Outcome, Standing, State, Talk};
use snapshot::Policy;
use snapshot::policy::{Floors, Throttle};
use units::{Cause, Clock, Instant, WallTime};

fn at(ms: u64) -> Clock {
    let wall = WallTime::from_micros(1_700_000_000_000_000 + ms as i64 * 1_000);
    Clock { now: Instant::from_micros(1_000_000_000 + ms * 1_000), wall }
}

fn failed(begun_ms: u64, status: u16) -> Over {
    Over::Failed { begun: at(begun_ms).now, status, result: Outcome::Failed, pdd_ms: None }
}

fn throttle(throttle: Throttle) -> Standing {
    Standing::new(at(0), &Policy { throttle, ..Policy::default() })
}

fn floors(floors: Floors) -> Standing {
    Standing::new(at(0), &Policy { floors, ..Policy::default() })
}

/// Offers a call each `every_ms` from `from_ms` on until `till_ms`; those let through end by `status` 20 ms later. How many were.
fn offer(standing: &mut Standing, (from_ms, till_ms): (u64, u64), every_ms: u64, status: u16) -> u64 {
    let mut taken = 0;
    for ms in (from_ms..till_ms).step_by(every_ms as usize) {
        standing.on_time(at(ms));
        if standing.refusal(at(ms).now).is_some() {
            continue;
        }
        taken += 1;
        standing.on_begun(at(ms).now);
        match status {
            200 => standing.on_answered(at(ms + 20), at(ms).now, 20, false),
            _ => standing.on_over(at(ms + 20), failed(ms, status)),
        }
    }
    taken
}

#[test]
fn a_trunk_that_turns_bad_is_throttled_within_two_seconds_and_back_within_ten_of_health() {
    for (window_s, percent) in [(1, 1), (10, 50), (60, 80), (120, 100)] {
        for every_ms in [5, 20, 40, 100] {
            let mut standing = throttle(Throttle { percent, window_s, ..Throttle::default() });
            let all = 30_000 / every_ms;
            assert_eq!(offer(&mut standing, (0, 30_000), every_ms, 200), all, "a healthy trunk gets everything");
            offer(&mut standing, (30_000, 32_000), every_ms, 503);
            assert_eq!(standing.state().0, State::Throttled, "{window_s} s, {percent} %, a call in {every_ms} ms");
            assert!(standing.state().1.micros() <= at(32_000).wall.micros());
            let (taken, offered) = (offer(&mut standing, (32_000, 62_000), every_ms, 503), 30_000 / every_ms);
            // Below 25 calls a second one call in 5 s is more than one in a hundred.
            assert!(taken * 100 < offered || taken <= 6, "{taken} of {offered} calls");
            offer(&mut standing, (62_000, 72_000), every_ms, 200);
            assert_eq!(standing.state().0, State::Open);
            assert_eq!(offer(&mut standing, (72_000, 73_000), every_ms, 200), 1_000 / every_ms);
        }
    }
}

#[test]
fn only_listed_statuses_count_and_ringing_is_health() {
    let mut standing = throttle(Throttle { percent: 50, ..Throttle::default() });
    offer(&mut standing, (0, 5_000), 10, 486);
    assert_eq!(standing.state().0, State::Open, "busy destinations are no refusals");
    let mut standing = throttle(Throttle { percent: 50, statuses: vec![486], ..Throttle::default() });
    offer(&mut standing, (0, 1_000), 10, 486);
    assert_eq!((standing.state().0, standing.refusal(at(1_001).now)), (State::Throttled, Some(Cause::TRUNK_THROTTLED)));
    for (test, ms) in [20_000, 20_010, 20_020].into_iter().enumerate() {
        assert_eq!(standing.refusal(at(ms).now), None, "test {test} may go");
        standing.on_begun(at(ms).now);
        assert!(standing.refusal(at(ms).now).is_some(), "one at a time");
        standing.on_ringing(at(ms + 5), at(ms).now);
    }
    assert_eq!(standing.state().0, State::Open, "nobody waited for the answers");
}

#[test]
fn what_was_begun_before_says_nothing_about_the_trunk_as_it_is() {
    let mut standing = throttle(Throttle { percent: 50, ..Throttle::default() });
    offer(&mut standing, (0, 1_000), 10, 503);
    for _ in 0..5 {
        standing.on_answered(at(2_000), at(0).now, 2_000, true);
        standing.on_answered(at(2_000), at(0).now, 2_000, false);
    }
    assert_eq!(standing.state().0, State::Throttled);
}

#[test]
fn few_calls_are_not_judged() {
    let mut standing = throttle(Throttle { percent: 50, ..Throttle::default() });
    offer(&mut standing, (0, 9), 1, 503);
    assert_eq!(standing.state().0, State::Open);
    offer(&mut standing, (9, 10), 1, 503);
    assert_eq!(standing.state().0, State::Throttled);
    let mut slow = throttle(Throttle { percent: 50, window_s: 1, ..Throttle::default() });
    offer(&mut slow, (0, 19 * 500), 500, 480);
    assert_eq!(slow.state().0, State::Open, "two calls a window");
    offer(&mut slow, (19 * 500, 20 * 500), 500, 480);
    assert_eq!(slow.state().0, State::Throttled, "but twenty in a row are enough");
}

#[test]
fn a_floor_that_breaks_makes_the_trunk_rest_and_good_tests_end_it() {
    let policy =
        Floors { asr_min_percent: 25, calls: 100, calls_min: 100, rest_s: 60, test_calls: 5, ..Floors::default() };
    let mut standing = floors(policy);
    offer(&mut standing, (0, 12_000), 1_000, 200);
    offer(&mut standing, (12_000, 99_000), 1_000, 500);
    assert_eq!(standing.state().0, State::Open, "99 calls are too few");
    offer(&mut standing, (99_000, 100_000), 1_000, 500);
    assert_eq!((standing.state().0, standing.refusal(at(100_000).now)), (State::Resting, Some(Cause::TRUNK_RESTS)));
    assert_eq!(standing.broken().unwrap().to_string(), "ASR 12 % below 25 % over 100 calls");
    assert_eq!(standing.deadline(at(0).now), Some(at(99_020 + 60_000).now));
    assert_eq!(offer(&mut standing, (100_000, 159_000), 100, 500), 0, "it rests");
    let taken = offer(&mut standing, (159_020, 159_020 + 39_000), 100, 500);
    assert_eq!((taken, standing.state().0), (4, State::Testing), "six test calls a minute");
    offer(&mut standing, (199_020, 199_120), 100, 500);
    assert_eq!(standing.state().0, State::Resting, "the tests failed");
    assert_eq!(standing.broken().unwrap().to_string(), "ASR 0 % below 25 % over 5 calls");
    standing.on_time(at(260_000));
    assert_eq!(standing.state().0, State::Testing);
    for ms in (260_000..310_000).step_by(10_000) {
        assert_eq!(standing.refusal(at(ms).now), None);
        standing.on_begun(at(ms).now);
        standing.on_answered(at(ms + 1), at(ms).now, 1, false);
        let talk = Talk { talk_ms: 60_000, ..Talk::default() };
        standing.on_over(at(ms + 2), Over::Talked { begun: at(ms).now, talk });
    }
    assert_eq!((standing.state().0, standing.broken()), (State::Open, None));
}

#[test]
fn short_and_quick_calls_break_their_floors() {
    let rows = [
        (Floors { acd_min_s: 30, calls_min: 4, ..Floors::default() }, "ACD 7 s below 30 s over 4 answered calls"),
        (
            Floors { short_max_percent: 49, calls_min: 4, ..Floors::default() },
            "50 % short calls, more than 49 %, over 4 answered calls",
        ),
    ];
    for (policy, reason) in rows {
        let mut standing = floors(policy);
        for (ms, talk_ms) in [(0, 2_000), (1, 12_000), (2, 3_000), (3, 11_000)] {
            standing.on_answered(at(ms), at(ms).now, 1, true);
            assert_eq!(standing.state().0, State::Open);
            let talk = Talk { talk_ms, ..Talk::default() };
            standing.on_over(at(ms), Over::Talked { begun: at(ms).now, talk });
        }
        assert_eq!((standing.state().0, standing.broken().unwrap().to_string().as_str()), (State::Resting, reason));
    }
}

#[test]
fn test_calls_are_bounded_and_one_that_never_left_frees_its_place() {
    let policy = Floors {
        asr_min_percent: 50,
        calls_min: 1,
        rest_s: 5,
        test_calls: 2,
        test_per_minute: 600,
        ..Floors::default()
    };
    let mut standing = floors(policy);
    standing.on_over(at(1), failed(0, 404));
    standing.on_time(at(6_000));
    for ms in [6_000, 6_100] {
        assert_eq!(standing.refusal(at(ms).now), None);
        standing.on_begun(at(ms).now);
    }
    assert_eq!(
        (standing.refusal(at(60_000).now), standing.deadline(at(0).now)),
        (Some(Cause::TRUNK_RESTS), None),
        "two run"
    );
    standing.on_over(at(60_000), Over::Void);
    assert_eq!(standing.refusal(at(60_000).now), None);
    standing.on_over(at(60_001), failed(0, 404));
    assert_eq!(standing.state().0, State::Testing, "a call of before the rest is no test");
}

#[test]
fn an_observed_trunk_never_rests() {
    let mut standing = floors(Floors { asr_min_percent: 50, calls_min: 5, observe: true, ..Floors::default() });
    assert_eq!(offer(&mut standing, (0, 1_000), 10, 404), 100);
    assert_eq!(standing.broken().unwrap().to_string(), "ASR 0 % below 50 % over 100 calls");
}
