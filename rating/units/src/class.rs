//! Which calls a rate is for, besides its prefix: hours and jurisdiction.

use crate::words;

words! {
    /// A class of hours, as the calendar of a deck divides them.
    Hours {
        /// Of a rate: at all hours. Of a moment: not asked for.
        #[default]
        Any = 0 "any",
        /// Within a peak window of a day that is not free.
        Peak = 1 "peak",
        /// On a day that is not free, outside of all peak windows.
        OffPeak = 2 "off_peak",
        /// On a free day, at whatever hour.
        FreeDay = 3 "free_day",
    }
}

words! {
    /// Where a call goes, as the United States bill it: by the *states* of caller and destination.
    Jurisdiction {
        /// Of a rate: wherever the call goes. Of a call: not judged.
        #[default]
        Any = 0 "any",
        /// From one state to another.
        Inter = 1 "inter",
        /// Within one state.
        Intra = 2 "intra",
        /// To the United States, and a state is not known.
        Indeterminate = 3 "indeterminate",
        /// To anywhere else.
        International = 4 "international",
    }
}

/// Which calls a rate is for. Of two that fit a call, the one that names its jurisdiction counts, then the one that names its hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RateClass {
    /// At what hours.
    pub hours: Hours,
    /// Of what jurisdiction.
    pub jurisdiction: Jurisdiction,
}

impl RateClass {
    /// Every call.
    pub const ANY: RateClass = RateClass { hours: Hours::Any, jurisdiction: Jurisdiction::Any };

    /// Both in one number.
    pub const fn code(self) -> u8 {
        self.hours as u8 | (self.jurisdiction as u8) << 4
    }

    /// The class with this number.
    pub fn from_code(code: u8) -> Option<RateClass> {
        Some(RateClass { hours: Hours::from_code(code & 15)?, jurisdiction: Jurisdiction::from_code(code >> 4)? })
    }
}
