//! A snapshot whose checksum is right and whose content is anything: what the check accepts can be read everywhere.

use snapshot::View;
use units::{Number, WallTime};

/// Where the length and the checksum stand (`snapshot::layout::header`).
const LENGTH: usize = 16;
const CHECKSUM: usize = 24;

/// What the control plane would publish.
pub fn seeds() -> Vec<Vec<u8>> {
    (1..3).map(|revision| sim::prices::model(revision).encode().expect("a sound model")).collect()
}

/// CRC-64/XZ, bit by bit.
fn crc64(bytes: impl Iterator<Item = u8>) -> u64 {
    let turn = |crc: u64| if crc & 1 == 1 { (crc >> 1) ^ 0xC96C_5795_D787_0F42 } else { crc >> 1 };
    !bytes.fold(!0, |crc: u64, byte| (0..8).fold(crc ^ u64::from(byte), |crc, _| turn(crc)))
}

/// What the check accepts can be read everywhere.
pub fn snapshot(bytes: &[u8]) {
    let mut image = bytes.to_vec();
    if image.len() > CHECKSUM + 8 {
        let length = image.len() as u64;
        image[LENGTH..LENGTH + 8].copy_from_slice(&length.to_le_bytes());
        let sum = crc64(image[..CHECKSUM].iter().chain(&image[CHECKSUM + 8..]).copied());
        image[CHECKSUM..CHECKSUM + 8].copy_from_slice(&sum.to_le_bytes());
    }
    if View::check(&image).is_err() {
        return;
    }
    let view = View::open(&image);
    let _ = (
        view.revision(),
        view.built(),
        view.carriers().count(),
        view.decks().map(|deck| deck.prefixes()).sum::<usize>(),
    );
    let _ = format!("{view:?}");
    let at = WallTime::from_micros(1_700_000_000_000_000);
    let called = ["442079460000", "4930123456", "331555555", "99", "1"];
    for deck in view.decks() {
        for digits in called.iter().filter_map(|digits| Number::parse(digits.as_bytes()).ok()) {
            let _ = deck.lookup(digits.digits(), at).map(|rate| rate.destination().len());
        }
    }
    // A shard that decides from it: who may call, at what price, by which routes.
    if let Ok(loaded) = shard::Loaded::new(std::sync::Arc::new(image)) {
        crate::peers::calls_by(loaded, &called);
    }
}
