//! Where a call goes, as the United States bill it: by the states of caller and destination.

mod areas;

use units::{Jurisdiction, Number};

/// What an area code belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Area {
    /// A state, a territory or the District of Columbia, by its place in the table.
    State(u8),
    /// Another country of country code 1.
    Abroad,
    /// Nobody's place: toll-free, personal, not assigned.
    Unknown,
}

/// Area codes by number, from 200 on.
static AREAS: [Area; 800] = table();

const fn table() -> [Area; 800] {
    let mut table = [Area::Unknown; 800];
    let mut state = 0;
    while state < areas::STATES.len() {
        let codes = areas::STATES[state].1;
        let mut place = 0;
        while place < codes.len() {
            table[codes[place] as usize - 200] = Area::State(state as u8);
            place += 1;
        }
        state += 1;
    }
    let mut place = 0;
    while place < areas::ABROAD.len() {
        table[areas::ABROAD[place] as usize - 200] = Area::Abroad;
        place += 1;
    }
    table
}

/// Judges a call by its caller and by the number that tells where its destination is: the location routing number where there is
/// one, else the called number. Both are in international form, with or without `+`.
///
/// A destination outside of the United States is international, whoever calls; within them the call is inter or intra if both
/// states are known, and indeterminate if one is not: a caller from abroad or withheld, a toll-free number.
pub fn judge(calling: &Number, destination: &Number) -> Jurisdiction {
    let (from, to) = (state(calling), state(destination));
    match (from, to) {
        (_, Area::Abroad) => Jurisdiction::International,
        (Area::State(from), Area::State(to)) if from == to => Jurisdiction::Intra,
        (Area::State(_), Area::State(_)) => Jurisdiction::Inter,
        (_, Area::State(_) | Area::Unknown) => Jurisdiction::Indeterminate,
    }
}

/// The letters of the state that a number in international form belongs to, `NY`; `None` outside of the United States and for numbers
/// without a place.
pub fn state_of(number: &Number) -> Option<&'static str> {
    match state(number) {
        Area::State(state) => areas::STATES.get(usize::from(state)).map(|(letters, _)| *letters),
        Area::Abroad | Area::Unknown => None,
    }
}

fn state(number: &Number) -> Area {
    let Some((b'1', rest)) = number.digits().split_first() else {
        return if number.digits().is_empty() { Area::Unknown } else { Area::Abroad };
    };
    // NANP: 1, area code NXX, exchange NXX, four digits, where N is 2 to 9.
    let first = |place: usize| matches!(rest[place], b'2'..=b'9');
    if rest.len() != 10 || !rest.iter().all(u8::is_ascii_digit) || !first(0) || !first(3) {
        return Area::Unknown;
    }
    let code = rest[..3].iter().fold(0, |code, digit| code * 10 + usize::from(digit - b'0'));
    AREAS[code - 200]
}
