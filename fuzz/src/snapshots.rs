//! A snapshot whose checksum is right and whose content is anything: what the check accepts can be read everywhere.

use std::sync::Arc;

use snapshot::{DeckImage, Rate, Snapshot, View};
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

/// The bytes with the length and the checksum that they should have.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut image = bytes.to_vec();
    if image.len() > CHECKSUM + 8 {
        let length = image.len() as u64;
        image[LENGTH..LENGTH + 8].copy_from_slice(&length.to_le_bytes());
        let sum = crc64(image[..CHECKSUM].iter().chain(&image[CHECKSUM + 8..]).copied());
        image[CHECKSUM..CHECKSUM + 8].copy_from_slice(&sum.to_le_bytes());
    }
    image
}

/// What the check accepts can be read everywhere.
pub fn snapshot(bytes: &[u8]) {
    let image = sealed(bytes);
    if View::check(&image).is_ok() {
        read(Snapshot::whole(Arc::new(image)));
    }
}

/// Images of decks as the control plane would publish them: plain ones, and one with letters and several dates.
pub fn decks() -> Vec<Vec<u8>> {
    let mut model = sim::prices::model(1);
    let rate = |prefix: &str, from: i64| Rate {
        prefix: prefix.into(),
        destination: format!("since {from}"),
        from: WallTime::from_micros(from),
        ..Rate::default()
    };
    let more = [("44A", 0), ("4A", 5), ("44", 1_600_000_000_000_000), ("44", 1_800_000_000_000_000), ("", 0)];
    model.decks[0].rates.extend(more.map(|(prefix, from)| rate(prefix, from)));
    model.decks.iter().map(|deck| deck.image().expect("a sound deck").bytes().to_vec()).collect()
}

/// The same for the image of one deck that stands outside.
pub fn deck(bytes: &[u8]) {
    let Ok(image) = DeckImage::check(Arc::new(sealed(bytes))) else { return };
    let mut model = sim::prices::model(1);
    model.decks.iter_mut().for_each(|deck| deck.packed = Some(image.clone()));
    let encoded = model.encode_apart().expect("a sound model");
    let found = Snapshot::open(Arc::new(encoded.main), |_| Ok::<_, String>(image.clone()));
    read(found.expect("every deck has this image"));
}

fn read(snapshot: Snapshot) {
    let view = snapshot.view();
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
    if let Ok(loaded) = shard::Loaded::of(snapshot.clone()) {
        crate::peers::calls_by(loaded, &called);
    }
}
