//! What decks are asked for: a call's destination with all that may decide which rate of it counts.

use snapshot::{DeckView, Key, RateView, Seek, When};
use units::{Jurisdiction, Number, WallTime};

use crate::jurisdiction::judge;

/// Where a call goes, in all forms that a deck may ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Destination {
    /// The called number, as admitted.
    pub called: Number,
    /// Its location routing number, in international form; empty for a number that was not ported or not asked about.
    pub lrn: Number,
    /// Where the call goes as it was judged.
    pub jurisdiction: Jurisdiction,
}

impl From<Number> for Destination {
    /// Not judged and not dipped: only rates of any jurisdiction fit.
    fn from(called: Number) -> Destination {
        Destination { called, ..Destination::default() }
    }
}

impl Destination {
    /// Judges a call by its caller and the location routing number, or the called number without one.
    pub fn judged(calling: &Number, called: Number, lrn: Number) -> Destination {
        let jurisdiction = judge(calling, if lrn.is_empty() { &called } else { &lrn });
        Destination { called, lrn, jurisdiction }
    }

    /// The number that a deck is asked for: a deck by location routing number for that, where there is one.
    pub fn asked(&self, deck: &DeckView<'_>) -> &Number {
        if deck.by_lrn() && !self.lrn.is_empty() { &self.lrn } else { &self.called }
    }

    /// The rate that counts in a deck.
    pub fn rate<'a>(&self, deck: &DeckView<'a>, at: WallTime) -> Option<RateView<'a>> {
        self.keys().seek(*deck).find(self.when(at))
    }

    /// What the numbers are to decks, computed once for many lookups.
    pub(crate) fn keys(&self) -> Keys<'_> {
        let called = Key::of(self.called.digits());
        Keys { called, lrn: if self.lrn.is_empty() { called } else { Key::of(self.lrn.digits()) } }
    }

    /// What decides besides the number.
    pub(crate) fn when(&self, at: WallTime) -> When {
        When { at, jurisdiction: self.jurisdiction }
    }
}

/// A destination's numbers as decks know them.
#[derive(Clone, Copy)]
pub(crate) struct Keys<'n> {
    called: Key<'n>,
    /// Of the called number where there is no location routing number.
    lrn: Key<'n>,
}

impl<'n> Keys<'n> {
    /// Begins the lookup in a deck.
    pub fn seek<'a>(&self, deck: DeckView<'a>) -> Seek<'a, 'n> {
        Seek::new(deck, if deck.by_lrn() { self.lrn } else { self.called })
    }
}
