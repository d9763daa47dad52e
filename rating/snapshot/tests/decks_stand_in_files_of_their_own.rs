//! A revision in pieces: decks that did not change are the same pieces, and no piece may be missing, damaged or another's.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

mod world;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use snapshot::{DeckImage, Encoded, ImageFlaw, Mark, Model, Rate, Refusal, Snapshot, View};
use units::{DeckId, Money, WallTime};
use world::{rate, small};

const AT: WallTime = WallTime::from_micros(5);

/// The files of a folder, and how many of them were opened.
#[derive(Default)]
struct Files {
    decks: BTreeMap<Mark, Vec<u8>>,
    opened: usize,
}

impl Files {
    fn of(encoded: &Encoded) -> Files {
        let decks = encoded.decks.iter().map(|image| (image.mark(), image.bytes().to_vec())).collect();
        Files { decks, opened: 0 }
    }

    /// Opens a revision; images that `known` has are not opened.
    fn open(&mut self, main: &[u8], known: &[DeckImage]) -> Result<Snapshot, Refusal<String>> {
        Snapshot::open(Arc::new(main.to_vec()), |wanted| {
            if let Some(image) = known.iter().find(|image| image.mark() == wanted.mark) {
                return Ok(image.clone());
            }
            self.opened += 1;
            let bytes = self.decks.get(&wanted.mark).ok_or("no such file")?;
            DeckImage::check(Arc::new(bytes.clone())).map_err(|flaw| flaw.to_string())
        })
    }
}

fn price(view: &View<'_>, deck: u32, number: &str) -> Option<(Money, u8, String)> {
    let found = view.deck(DeckId(deck))?.lookup(number.as_bytes(), AT)?;
    Some((found.terms.per_minute, found.prefix_digits, found.destination().to_owned()))
}

#[test]
fn pieces_say_what_one_piece_says() {
    let model = small();
    let (whole, encoded) = (model.encode().unwrap(), model.encode_apart().unwrap());
    let snapshot = Files::of(&encoded).open(&encoded.main, &[]).unwrap();
    let (whole, apart) = (View::open(&whole), snapshot.view());
    assert_eq!((whole.revision(), whole.built()), (apart.revision(), apart.built()));
    assert_eq!(whole.decks().count(), apart.decks().count());
    for deck in whole.decks() {
        let other = apart.deck(deck.id()).unwrap();
        assert_eq!((deck.code(), deck.prefixes(), deck.rates()), (other.code(), other.prefixes(), other.rates()));
        for number in ["", "4", "44", "4420", "44201", "49", "A"] {
            assert_eq!(price(&whole, deck.id().0, number), price(&apart, deck.id().0, number), "{number}");
        }
    }
    assert_eq!(View::check(&encoded.main), Err(ImageFlaw::Apart(DeckId(1))));
}

#[test]
fn a_changed_deck_is_the_only_new_piece() {
    let mut model = small();
    let before = model.encode_apart().unwrap();
    let first = Files::of(&before).open(&before.main, &[]).unwrap();
    model.decks[1].rates.push(rate("4420", "0.5"));
    model.decks[2].code = "renamed".into();
    let after = model.encode_apart().unwrap();
    let same: Vec<bool> = before.decks.iter().zip(&after.decks).map(|(before, after)| before == after).collect();
    assert_eq!(same, [true, false, true], "a name is not in the image");
    let mut files = Files::of(&after);
    let second = files.open(&after.main, first.decks()).unwrap();
    assert_eq!(files.opened, 1);
    assert_eq!(second.view().deck(DeckId(3)).unwrap().code(), "renamed");
    assert_eq!(price(&second.view(), 2, "44201").unwrap().0, Money::parse("0.5").unwrap());
    assert_ne!(
        price(&first.view(), 2, "44201"),
        price(&second.view(), 2, "44201"),
        "the older revision stays as it is"
    );
}

#[test]
fn a_deck_that_was_packed_before_needs_no_rates() {
    let model = small();
    let mut packed = model.clone();
    for deck in &mut packed.decks {
        deck.packed = Some(deck.image().unwrap());
        deck.rates.clear();
    }
    assert_eq!(packed.encode().unwrap(), model.encode().unwrap());
    assert_eq!(packed.encode_apart().unwrap().main, model.encode_apart().unwrap().main);
}

#[test]
fn a_missing_or_foreign_deck_is_refused_by_name() {
    let encoded = small().encode_apart().unwrap();
    let mut files = Files::of(&encoded);
    files.decks.remove(&encoded.decks[1].mark());
    let refusal = files.open(&encoded.main, &[]).unwrap_err();
    assert_eq!(refusal, Refusal::Missing { code: "deck-2".into(), why: "no such file".into() });
    assert_eq!(refusal.to_string(), "the rates of deck deck-2: no such file");
    let other = small().decks[0].image().unwrap();
    let mixed = Snapshot::open(Arc::new(encoded.main), |_| Ok::<_, String>(other.clone()));
    assert!(matches!(mixed, Err(Refusal::Other { code, .. }) if code == "deck-2"));
}

/// CRC-64/XZ one bit at a time, as a forger would compute it.
fn sealed(mut image: Vec<u8>) -> Vec<u8> {
    let turn = |crc: u64| if crc & 1 == 1 { (crc >> 1) ^ 0xC96C_5795_D787_0F42 } else { crc >> 1 };
    let rest = image[..24].iter().chain(&image[32..]);
    let sum = !rest.fold(u64::MAX, |crc, byte| (0..8).fold(crc ^ u64::from(*byte), |crc, _| turn(crc)));
    image[24..32].copy_from_slice(&sum.to_le_bytes());
    image
}

/// Rates of all kinds: with letters, with several dates, ended ones.
fn varied() -> Model {
    let mut model = small();
    let later = |prefix: &str, from: i64, till: Option<i64>| Rate {
        from: WallTime::from_micros(from),
        till: till.map(WallTime::from_micros),
        destination: format!("from {from}"),
        ..rate(prefix, "3")
    };
    model.decks[0].rates.extend([
        later("44", 3, None),
        later("44", 9, Some(11)),
        later("4A", 0, None),
        rate("4AB", "7"),
    ]);
    model
}

const NUMBERS: [&str; 9] = ["", "4", "44", "4420", "44207", "4A", "4AB9", "49", "Z"];

#[test]
fn a_forged_deck_is_refused_or_answers_within_its_own_bytes() {
    let encoded = varied().encode_apart().unwrap();
    let image = encoded.decks[0].bytes().to_vec();
    assert_eq!(sealed(image.clone()), image);
    let mut accepted = 0;
    for place in (0..24).chain(32..image.len()) {
        for value in [0, 1, 0x7F, 0x80, 0xFF] {
            let mut forged = image.clone();
            forged[place] = value;
            let Ok(checked) = DeckImage::check(Arc::new(sealed(forged))) else { continue };
            accepted += 1;
            let mut model = varied();
            model.decks[0].packed = Some(checked);
            let forged = model.encode_apart().unwrap();
            let known = forged.view();
            for number in NUMBERS {
                // Whatever it says, it is a prefix of the number and text of its own.
                assert!(price(&known, 1, number).is_none_or(|(_, digits, _)| usize::from(digits) <= number.len()));
            }
        }
    }
    assert!(accepted > 0, "a changed price makes a valid deck");
}

/// What happens to a file between being written and being read.
#[derive(Clone, Debug)]
enum Damage {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    /// A piece of the file is written again elsewhere.
    Splice(prop::sample::Index, prop::sample::Index, u8),
    Grow(u8),
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Damage::Flip(place, mask) => {
                let place = place.index(bytes.len());
                bytes[place] ^= mask;
            }
            Damage::Cut(length) => bytes.truncate(length.index(bytes.len())),
            Damage::Splice(from, to, length) => {
                let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
                let length = usize::from(*length).min(bytes.len() - from.max(to));
                bytes.copy_within(from..from + length, to);
            }
            Damage::Grow(length) => bytes.resize(bytes.len() + usize::from(*length), 0),
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        (index(), 1_u8..).prop_map(|(place, mask)| Damage::Flip(place, mask)),
        index().prop_map(Damage::Cut),
        (index(), index(), 1_u8..).prop_map(|(from, to, length)| Damage::Splice(from, to, length)),
        (1_u8..).prop_map(Damage::Grow),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_file_is_refused_or_was_not_damaged(
        damages in proptest::collection::vec((0_usize..4, damage()), 1..4),
    ) {
        let encoded = varied().encode_apart().unwrap();
        let mut files: Vec<Vec<u8>> = encoded.decks.iter().map(|image| image.bytes().to_vec()).collect();
        files.insert(0, encoded.main.clone());
        let sound = files.clone();
        for (file, damage) in damages {
            if !files[file].is_empty() {
                damage.apply(&mut files[file]);
            }
        }
        let marks = encoded.decks.iter().map(DeckImage::mark);
        let mut folder = Files { decks: marks.zip(files[1..].iter().cloned()).collect(), opened: 0 };
        match folder.open(&files[0], &[]) {
            Err(_) => prop_assert!(files != sound, "sound files are taken"),
            Ok(snapshot) => {
                prop_assert!(files == sound, "damaged files are not");
                for deck in 1..4 {
                    for number in NUMBERS {
                        prop_assert_eq!(price(&snapshot.view(), deck, number), price(&encoded.view(), deck, number));
                    }
                }
            }
        }
        // Even unchecked bytes only answer wrongly.
        for deck in View::open(&files[0]).decks() {
            prop_assert!(deck.lookup(b"44207", AT).is_none());
        }
    }
}
