//! A data centre dies, cables are cut, primaries change, an operator commands rightly or wrongly: a remote replica follows, is copied anew only
//! when it must be, and takes writes by command alone.

#[path = "support/chance.rs"]
mod chance;
#[path = "support/remote.rs"]
mod remote;

/// Stories that are played.
const SEEDS: u64 = 1_000;

#[test]
fn it_follows_whoever_is_primary_and_never_leads_by_itself() {
    let (mut copies, mut commanded) = (0, 0);
    for seed in 1..=SEEDS {
        match remote::play(seed) {
            Ok(seen) => {
                copies += seen.copies;
                commanded += u32::from(seen.commanded);
            }
            Err(why) => panic!("seed {seed}: {why}"),
        }
    }
    println!("{SEEDS} stories: copied anew {copies} times, promoted in {commanded}");
    assert!(
        copies > 20 && commanded > 50,
        "stories without an event prove nothing: {copies} copies, {commanded} commands"
    );
}
