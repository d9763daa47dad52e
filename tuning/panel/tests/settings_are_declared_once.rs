//! One table gives the struct, its defaults, its ranges and its manual.

use panel::settings::{Refusal, manual};

panel::settings! {
    /// Made up for this story.
    pub struct Story {
        /// New calls in a second.
        cps_max: u32 = 1_000, 1..=50_000;
        /// How loud the log is,
        /// from silence to noise.
        loudness: u8 = 2, 0..=4;
    }
}

#[test]
fn nothing_said_means_the_defaults() {
    assert_eq!(Story::default(), Story { cps_max: 1_000, loudness: 2 });
}

#[test]
fn a_word_is_taken_at_both_ends_of_the_range() {
    let mut story = Story::default();
    for (text, taken) in [("1", 1), ("50000", 50_000), (" 2_500 ", 2_500)] {
        story.set("cps_max", text).expect("it lies in the range");
        assert_eq!(story.cps_max, taken);
    }
}

#[test]
fn what_cannot_be_taken_changes_nothing_and_is_told() {
    let mut story = Story::default();
    let told: Vec<String> = [("cps_max", "0"), ("cps_max", "50001"), ("loudness", "-1"), ("volume", "3")]
        .map(|(name, text)| story.set(name, text).expect_err("it must be refused").to_string())
        .into();
    assert_eq!(
        told,
        [
            "cps_max: 0 is outside 1..=50_000",
            "cps_max: 50001 is outside 1..=50_000",
            "loudness: `-1` cannot be read; write a value of 0..=4",
            "there is no setting `volume`",
        ]
    );
    assert_eq!(story, Story::default());
    assert!(matches!(story.set("loudness", "256"), Err(Refusal::Unreadable { .. })));
}

#[test]
fn the_manual_has_a_row_for_every_setting() {
    let page = manual(Story::TABLE);
    assert!(page.contains("| `cps_max` | New calls in a second. | 1_000 | 1..=50_000 |"), "{page}");
    assert!(page.contains("| `loudness` | How loud the log is, from silence to noise. | 2 | 0..=4 |"), "{page}");
}
