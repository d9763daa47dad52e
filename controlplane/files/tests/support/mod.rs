//! What stories about files share.

use std::time::{Duration, Instant};

use files::{Kind, Name};

/// The file of one of a few calls.
pub fn name(kind: Kind, call: u8) -> Name {
    let entry = match kind {
        Kind::Recording => format!("{call:028x}0000.wav"),
        Kind::Capture => format!("{call:028x}0000.pcapng"),
    };
    Name::read(kind, &entry).expect("a name")
}

/// Waits until something holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let late = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < late, "gave up waiting for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
