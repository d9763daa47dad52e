//! Where things stand in an image: one place for the writer, the checker and the reader.

/// The first eight bytes of a main image.
pub const MAGIC: [u8; 8] = *b"TANDSNAP";
/// The first eight bytes of a deck's image.
pub const DECK_MAGIC: [u8; 8] = *b"TANDDECK";
/// The number of this layout; a reader refuses all others.
pub const FORMAT: u32 = 9;

/// Byte offsets in the header of either kind.
pub mod header {
    pub const FORMAT: usize = 8;
    pub const LENGTH: usize = 16;
    /// The checksum covers everything but itself.
    pub const CHECKSUM: usize = 24;
    pub const REVISION: usize = 32;
    pub const BUILT: usize = 40;
    /// Sixteen bytes a section: offset u64, count u32, bytes of one record u32.
    pub const SECTIONS: usize = 48;
    /// What the whole switch allows, as [`super::limits`].
    pub const LIMITS: usize = 496;
    pub const SIZE: usize = 512;
}

/// What stands in a deck image's header where a main image has its revision.
pub mod tables {
    /// Symbols of a number that choose the slot; 1 to 6.
    pub const DEPTH: usize = 32;
    /// Buckets that are looked at for one key, at most.
    pub const REACH: usize = 36;
    /// Different prefixes without letters.
    pub const KEYS: usize = 40;
    /// Rates that the deck was made of.
    pub const RATES: usize = 44;
}

/// A table of records of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    pub name: &'static str,
    pub place: usize,
    pub size: usize,
}

macro_rules! sections {
    ($all:ident: $($place:literal $constant:ident $name:literal $size:expr;)*) => {
        $(pub const $constant: Section = Section { name: $name, place: $place, size: $size };)*
        pub const $all: &[Section] = &[$($constant),*];
    };
}

sections! {
    SECTIONS:
    0 CARRIERS "carriers" carrier::SIZE;
    1 ACCOUNTS "accounts" account::SIZE;
    2 INGRESS "ingress trunks" ingress::SIZE;
    3 SOURCES "sources" source::SIZE;
    4 GATES "gates" gate::SIZE;
    5 EGRESS "egress trunks" egress::SIZE;
    6 DECKS "decks" deck::SIZE;
    7 PLANS "plans" plan::SIZE;
    8 ROUTES "routes" route::SIZE;
    9 STRINGS "strings" 1;
    10 EXCHANGES "exchange rates" exchange::SIZE;
    11 CALENDARS "calendars" calendar::SIZE;
}

// Slots are sets of prefix lengths, 16^depth of them. Keys of prefixes with letters are sorted. `DATED` holds lists of lines where a
// prefix has several: count u32, then so many u32, the one that counts first.
sections! {
    TABLES:
    0 BUCKETS "a deck's prefixes" bucket::SIZE;
    1 SLOTS "a deck's slots" 2;
    2 WIDE_KEYS "a deck's prefixes with letters" 16;
    3 WIDE_LINES "the lines of a deck's prefixes with letters" 4;
    4 DATED "a deck's dated rates" 4;
    5 LINES "a deck's rates" line::SIZE;
    9 DECK_STRINGS "strings" 1;
}

const _: () = assert!(header::SECTIONS + SECTIONS.len() * 16 <= header::LIMITS);
const _: () = assert!(STRINGS.place == DECK_STRINGS.place, "text is found in the same way in both kinds of image");

/// Every record that has an id starts with it; the code follows: offset u32 and length u32 in `strings`.
pub const ID: usize = 0;
pub const CODE: usize = 4;

pub mod carrier {
    pub const BLOCKED: usize = 12;
    /// As [`super::limits`].
    pub const INGRESS: usize = 16;
    pub const EGRESS: usize = 28;
    pub const CAPACITY: usize = 40;
    pub const ORIGINATOR_CAPACITY: usize = 44;
    pub const SIZE: usize = 48;
}

/// Concurrent calls, new calls a second, seconds of their window.
pub mod limits {
    pub const CAPACITY: usize = 0;
    pub const CPS: usize = 4;
    pub const CPS_WINDOW: usize = 8;
    pub const SIZE: usize = 12;
}

const _: () = assert!(header::LIMITS + limits::SIZE <= header::SIZE);

pub mod account {
    /// Accounts have no code; their carrier stands in its place.
    pub const CARRIER: usize = 4;
    pub const CURRENCY: usize = 8;
    /// Whether what its carrier may be owed is limited.
    pub const OWED_LIMITED: usize = 11;
    pub const SIZE: usize = 12;
}

/// What a currency is worth in the base currency; sorted by currency, then by date.
pub mod exchange {
    pub const CURRENCY: usize = 0;
    pub const FROM: usize = 4;
    /// In nano-units of the base currency; above zero.
    pub const VALUE: usize = 12;
    pub const SIZE: usize = 20;
}

pub mod ingress {
    pub const CARRIER: usize = 12;
    pub const ACCOUNT: usize = 16;
    pub const TECH_PREFIX: usize = 20;
    pub const PLAN: usize = 28;
    pub const SELL_DECK: usize = 32;
    pub const CAPACITY: usize = 36;
    pub const CPS: usize = 40;
    pub const MAX_DURATION: usize = 44;
    pub const MEDIA_TIMEOUT: usize = 48;
    pub const ACTIVE: usize = 50;
    pub const POLICY: usize = 52;
    /// 0 for none.
    pub const OVERRIDE_DECK: usize = 60;
    /// Plan and sell deck for inter, intra and indeterminate calls; 0 for the trunk's own.
    pub const WAYS: usize = 64;
    pub const SIZE: usize = 88;
}

/// Sources are sorted by family, then longest network first, then by network and trunk.
pub mod source {
    /// Sixteen bytes; IPv4 uses the first four.
    pub const NETWORK: usize = 0;
    /// The place of the trunk in its section.
    pub const TRUNK: usize = 16;
    pub const PORT: usize = 20;
    pub const BITS: usize = 22;
    /// 4 or 6.
    pub const FAMILY: usize = 23;
    pub const SIZE: usize = 24;
}

/// A run of sources with the same family and bits.
pub mod gate {
    pub const FIRST: usize = 0;
    pub const COUNT: usize = 4;
    pub const BITS: usize = 8;
    pub const FAMILY: usize = 9;
    pub const SIZE: usize = 12;
}

pub mod egress {
    pub const CARRIER: usize = 12;
    pub const ACCOUNT: usize = 16;
    /// Sixteen bytes; IPv4 uses the first four.
    pub const ADDRESS: usize = 20;
    pub const PORT: usize = 36;
    /// 4 or 6.
    pub const FAMILY: usize = 38;
    pub const STRIP: usize = 39;
    pub const ADD_PREFIX: usize = 40;
    pub const BUY_DECK: usize = 48;
    pub const CAPACITY: usize = 52;
    pub const CPS: usize = 56;
    pub const PROGRESS_TIMEOUT: usize = 60;
    pub const RING_TIMEOUT: usize = 62;
    pub const ACTIVE: usize = 64;
    pub const POLICY: usize = 68;
    /// 0 for none.
    pub const OVERRIDE_DECK: usize = 76;
    pub const SIZE: usize = 80;
}

pub mod deck {
    pub const CURRENCY: usize = 12;
    pub const DECIMALS: usize = 15;
    pub const ROUNDING: usize = 16;
    /// Whether steps count from the call's beginning.
    pub const STEPS_FROM_ZERO: usize = 17;
    /// Where its image stands in this file; 0 for a file of its own.
    pub const PLACE: usize = 20;
    /// What its image is known by.
    pub const LENGTH: usize = 28;
    pub const CHECKSUM: usize = 36;
    /// In millionths.
    pub const TAX: usize = 44;
    /// The first line of its calendar: offsets of its zone, then free days, then peak windows.
    pub const CALENDAR: usize = 48;
    pub const OFFSET_COUNT: usize = 52;
    pub const DAY_COUNT: usize = 54;
    pub const PEAK_COUNT: usize = 56;
    /// Bit 0 is Monday.
    pub const FREE_WEEKDAYS: usize = 57;
    pub const BY_JURISDICTION: usize = 58;
    pub const BY_LRN: usize = 59;
    pub const ZONE: usize = 60;
    pub const SIZE: usize = 68;
}

/// One line of a deck's calendar.
pub mod calendar {
    /// Offsets: microseconds since 1970 from which it holds, and seconds ahead of UTC.
    pub const FROM: usize = 0;
    pub const AHEAD: usize = 8;
    /// Free days: days since 1970.
    pub const DAY: usize = 0;
    /// Peak windows: minutes of the day, and weekdays with bit 0 for Monday.
    pub const FIRST: usize = 0;
    pub const END: usize = 2;
    pub const WEEKDAYS: usize = 4;
    pub const SIZE: usize = 16;
}

/// One cache line of the table of prefixes: keys, then a line for each, then whether a key that belongs here stands further on.
pub mod bucket {
    pub const PLACES: usize = 5;
    pub const LINES: usize = 40;
    pub const SPILLED: usize = 60;
    pub const SIZE: usize = 64;
    /// The key of an empty place: no symbol has code 15.
    pub const EMPTY: u64 = u64::MAX;
}

/// A rate without its prefix; equal ones are kept once.
pub mod line {
    pub const PER_MINUTE: usize = 0;
    pub const CONNECTION_FEE: usize = 8;
    pub const FROM: usize = 16;
    /// `i64::MAX` for ever.
    pub const TILL: usize = 24;
    /// Offset u32 and length u32 in `strings`.
    pub const DESTINATION: usize = 32;
    pub const MINIMUM: usize = 40;
    pub const INCREMENT: usize = 42;
    pub const FREE: usize = 44;
    pub const BLOCKED: usize = 46;
    pub const CLASS: usize = 47;
    /// Price of a minute within the minimum; below zero for `PER_MINUTE`.
    pub const FIRST_PER_MINUTE: usize = 48;
    pub const SIZE: usize = 56;
}

pub mod plan {
    pub const MARGIN_MIN: usize = 12;
    pub const SETUP_TIMEOUT: usize = 20;
    pub const ORDER: usize = 22;
    pub const ATTEMPTS_MAX: usize = 23;
    /// The first of its routes.
    pub const FIRST: usize = 24;
    pub const COUNT: usize = 28;
    pub const POLICY: usize = 32;
    /// The id of a plan; 0 for none.
    pub const FAILOVER: usize = 40;
    pub const RULES: usize = 44;
    /// The offsets of its zone as text: microseconds since 1970 and seconds ahead of UTC, parted by spaces.
    pub const OFFSETS: usize = 52;
    pub const SIZE: usize = 60;
}

/// A route to a trunk is one record; a route to a group is one for each member, next to each other and with the same place.
pub mod route {
    pub const EGRESS: usize = 0;
    pub const PRIORITY: usize = 4;
    pub const WEIGHT: usize = 6;
    pub const PERCENT: usize = 8;
    /// Which route of its plan, from 0.
    pub const PLACE: usize = 9;
    /// The id of a group; 0 for none.
    pub const GROUP: usize = 12;
    pub const MEMBER_PRIORITY: usize = 16;
    pub const MEMBER_WEIGHT: usize = 18;
    /// Nodes of the member's site: numbers parted by spaces.
    pub const NODES: usize = 20;
    pub const RULES: usize = 28;
    pub const SIZE: usize = 36;
}

/// Set in a prefix's line: the rest is a place in `DATED`.
pub const SEVERAL: u32 = 1 << 31;
