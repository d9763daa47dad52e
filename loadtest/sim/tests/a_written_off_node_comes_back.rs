//! A node dies, is written off, and comes back with its old folder: it uses nothing of what is somebody else's by then.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use sim::Story;

#[test]
fn it_carries_no_call_and_the_money_is_exact() {
    let (mut answered, mut refused) = (0, 0);
    for seed in 1..=30 {
        let outcome = sim::play(Story::fenced(seed), &mut |_, _| {});
        let outcome = outcome.unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        assert_eq!(outcome.crashes, 1, "seed {seed}");
        answered += outcome.answered;
        refused += outcome.calls - outcome.answered;
    }
    assert!(answered > 0 && refused > 0, "{answered} answered, {refused} refused");
}
