//! Which column is what: the names that carriers give them.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use units::{Hours, Jurisdiction, RateClass};

use super::cells::plain_word;

/// What a column may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Column {
    /// Dial codes: one, a list, ranges.
    Prefix,
    /// The country's code, which stands before each code of the row.
    CountryCode,
    /// What people call the destination.
    Destination,
    /// The price.
    Rate,
    /// The area code of the North American numbering plan, three digits.
    Npa,
    /// The exchange behind that, three digits.
    Nxx,
    /// Both and perhaps more digits, with or without the country code 1.
    NpaNxx,
    /// At which hours the row's price counts, as a word.
    Hours,
    /// For calls of which jurisdiction the row's price counts, as a word.
    Jurisdiction,
    /// The price of calls from one state to another.
    InterRate,
    /// The price of calls within one state.
    IntraRate,
    /// The price of calls whose states are not both known.
    IndeterminateRate,
    /// The price within peak windows.
    PeakRate,
    /// The price outside of them.
    OffPeakRate,
    /// The price on free days.
    FreeDayRate,
    /// The price of the first interval, where it has one of its own.
    FirstRate,
    /// Charged once for an answered call.
    ConnectionFee,
    /// Minimum, increment and perhaps free seconds in one cell.
    Steps,
    /// Seconds billed at least.
    Minimum,
    /// Length of a billing step.
    Increment,
    /// Free seconds.
    Free,
    /// From when.
    From,
    /// Until when.
    Till,
    /// The carrier's own word on what changes.
    Status,
    /// Yes or no.
    Blocked,
    /// Known, and not to be read.
    Ignored,
}

const COLUMNS: usize = 26;

/// For each column: its word in templates, the word in problems, and names in lower case with letters and digits only.
const NAMES: [(Column, &str, &str, &[&str]); COLUMNS] = [
    (
        Column::Prefix,
        "prefix",
        "the prefix",
        &[
            "prefix",
            "prefixes",
            "code",
            "codes",
            "dialcode",
            "dialcodes",
            "dialingcode",
            "areacode",
            "areacodes",
            "citycode",
            "destinationcode",
            "bnumberprefix",
        ],
    ),
    (
        Column::CountryCode,
        "country_code",
        "the country code",
        &["countrycode", "cc", "countryprefix", "countrydialcode"],
    ),
    (
        Column::Destination,
        "destination",
        "the destination",
        &["destination", "name", "destinationname", "country", "description", "zone", "area"],
    ),
    (
        Column::Rate,
        "rate",
        "the rate",
        &[
            "rate",
            "price",
            "perminute",
            "rateperminute",
            "priceperminute",
            "permin",
            "ratemin",
            "pricemin",
            "ratepermin",
            "newrate",
            "newprice",
            "cost",
        ],
    ),
    (Column::Npa, "npa", "the area code", &["npa"]),
    (Column::Nxx, "nxx", "the exchange", &["nxx"]),
    (Column::NpaNxx, "npanxx", "area code and exchange", &["npanxx", "npanxxx", "npanxxprefix"]),
    (Column::Hours, "hours", "the hours", &["hours", "timeofday", "timeclass", "hourclass"]),
    (Column::Jurisdiction, "jurisdiction", "the jurisdiction", &["jurisdiction", "calltype", "stateclass"]),
    (
        Column::InterRate,
        "inter_rate",
        "the rate between states",
        &["inter", "interrate", "interstate", "interstaterate", "interprice", "interstateprice"],
    ),
    (
        Column::IntraRate,
        "intra_rate",
        "the rate within a state",
        &["intra", "intrarate", "intrastate", "intrastaterate", "intraprice", "intrastateprice"],
    ),
    (
        Column::IndeterminateRate,
        "indeterminate_rate",
        "the rate of unknown states",
        &["ij", "ijrate", "indet", "indetrate", "indeterminate", "indeterminaterate", "indeterminateprice"],
    ),
    (Column::PeakRate, "peak_rate", "the peak rate", &["peak", "peakrate", "peakprice"]),
    (Column::OffPeakRate, "off_peak_rate", "the off-peak rate", &["offpeak", "offpeakrate", "offpeakprice"]),
    (
        Column::FreeDayRate,
        "free_day_rate",
        "the rate of free days",
        &["freeday", "freedayrate", "weekend", "weekendrate", "weekendprice", "holidayrate"],
    ),
    (
        Column::FirstRate,
        "first_rate",
        "the rate of the first interval",
        &[
            "firstrate",
            "firstperminute",
            "firstminute",
            "initialrate",
            "firstintervalrate",
            "initialprice",
            "firstprice",
        ],
    ),
    (
        Column::ConnectionFee,
        "connection_fee",
        "the connection fee",
        &["connectionfee", "connectfee", "connectioncharge", "setupfee", "callsetupfee", "surcharge", "fee"],
    ),
    (
        Column::Steps,
        "steps",
        "the billing steps",
        &[
            "increments",
            "steps",
            "billing",
            "billingincrement",
            "billingincrements",
            "billingsteps",
            "interval",
            "intervals",
            "rounding",
        ],
    ),
    (
        Column::Minimum,
        "minimum",
        "the minimum",
        &[
            "minimum",
            "minimums",
            "mintime",
            "minimumtime",
            "minimumtimes",
            "mininterval",
            "firstinterval",
            "initialincrement",
            "minduration",
            "duration",
        ],
    ),
    (
        Column::Increment,
        "increment",
        "the increment",
        &["increment", "incrementsec", "nextinterval", "secondinterval", "additionalincrement", "step"],
    ),
    (Column::Free, "free", "the free seconds", &["free", "frees", "freeseconds", "grace", "gracetime"]),
    (
        Column::From,
        "from",
        "the first date",
        &[
            "effectivefrom",
            "effective",
            "effectivedate",
            "effectivefromdate",
            "startdate",
            "validfrom",
            "from",
            "begins",
        ],
    ),
    (
        Column::Till,
        "till",
        "the last date",
        &["effectivetill", "effectiveto", "enddate", "validtill", "validto", "till", "expires", "expirydate"],
    ),
    (
        Column::Status,
        "status",
        "the status",
        &["status", "change", "changes", "changetype", "ratechange", "changeindicator", "movement", "chg"],
    ),
    (Column::Blocked, "blocked", "blocking", &["blocked", "block", "isblocked"]),
    (Column::Ignored, "ignored", "nothing", &[]),
];

/// Columns that hold prices of one class each.
pub const OF_CLASSES: [(Column, RateClass); 6] = [
    (Column::InterRate, RateClass { hours: Hours::Any, jurisdiction: Jurisdiction::Inter }),
    (Column::IntraRate, RateClass { hours: Hours::Any, jurisdiction: Jurisdiction::Intra }),
    (Column::IndeterminateRate, RateClass { hours: Hours::Any, jurisdiction: Jurisdiction::Indeterminate }),
    (Column::PeakRate, RateClass { hours: Hours::Peak, jurisdiction: Jurisdiction::Any }),
    (Column::OffPeakRate, RateClass { hours: Hours::OffPeak, jurisdiction: Jurisdiction::Any }),
    (Column::FreeDayRate, RateClass { hours: Hours::FreeDay, jurisdiction: Jurisdiction::Any }),
];

/// What names of columns about money contain: such a column is mapped or refused, never dropped.
const MONEY: [&str; 8] = ["rate", "price", "fee", "charge", "cost", "tax", "surcharge", "amount"];

impl Column {
    /// Its word in templates and in the API.
    pub fn word(self) -> &'static str {
        NAMES[self as usize].1
    }

    /// The column of this word.
    pub fn of_word(word: &str) -> Option<Column> {
        NAMES.iter().find(|(_, own, ..)| *own == word).map(|(column, ..)| *column)
    }

    /// All words.
    pub fn words() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(_, word, ..)| *word)
    }
}

/// One column of a sheet and how it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadColumn {
    /// Its place, from 1.
    pub column: u32,
    /// Its name in the sheet.
    pub name: String,
    /// What it is read as; `None` if it is not read.
    pub means: Option<Column>,
}

/// Where each column stands in a sheet.
#[derive(Clone, Debug, Default)]
pub struct Head {
    places: [Option<usize>; COLUMNS],
    /// Columns that say the same as an earlier one, from 1, and what they say.
    pub doubled: Vec<(u32, &'static str)>,
    /// All columns with a name.
    pub columns: Vec<HeadColumn>,
}

impl Head {
    /// The head line's columns; `None` if it does not name both codes and prices. What a template says about a name goes before
    /// what the name says.
    pub fn of<C: AsRef<str>>(cells: &[C], mapped: &[(String, Column)]) -> Option<Head> {
        Some(Head::part(cells, mapped)).filter(Head::whole)
    }

    /// The columns of a line that may name only a part of what rates need.
    pub fn part<C: AsRef<str>>(cells: &[C], mapped: &[(String, Column)]) -> Head {
        let mut head = Head::default();
        for (place, cell) in cells.iter().enumerate() {
            head.add(place, cell.as_ref(), mapped);
        }
        head
    }

    /// Columns by their places alone, for a sheet without a head line: a template names them `#1`, `#2` and so on.
    pub fn by_place(mapped: &[(String, Column)]) -> Option<Head> {
        let mut head = Head::default();
        for (name, column) in mapped {
            let place: usize = name.strip_prefix('#')?.parse().ok().filter(|place| (1..=1_000).contains(place))?;
            head.put(place - 1, name, *column);
        }
        head.whole().then_some(head)
    }

    fn add(&mut self, place: usize, name: &str, mapped: &[(String, Column)]) {
        let plain = plain_word(name);
        let same = |known: &str| plain_word(known) == plain && !known.starts_with('#');
        let by_place = |known: &str| known.strip_prefix('#').is_some_and(|known| known.parse() == Ok(place + 1));
        let told = mapped.iter().find(|(known, _)| by_place(known) || (!plain.is_empty() && same(known)));
        let known = || NAMES.iter().find(|(.., names)| names.contains(&plain.as_str())).map(|(column, ..)| *column);
        match told.map(|(_, column)| *column).or_else(known) {
            Some(column) => self.put(place, name, column),
            None if plain.is_empty() => {}
            None => self.columns.push(HeadColumn { column: place as u32 + 1, name: name.to_string(), means: None }),
        }
    }

    fn put(&mut self, place: usize, name: &str, column: Column) {
        let at = place as u32 + 1;
        let free = column == Column::Ignored || self.places[column as usize].is_none();
        self.columns.push(HeadColumn { column: at, name: name.to_string(), means: free.then_some(column) });
        if free {
            self.places[column as usize] = Some(place);
        } else {
            self.doubled.push((at, NAMES[column as usize].2));
        }
    }

    fn whole(&self) -> bool {
        self.codes().is_some() && self.prices().next().is_some()
    }

    /// The column that codes stand in, the first of them if they stand in two.
    pub fn codes(&self) -> Option<Column> {
        let known = [Column::Prefix, Column::NpaNxx, Column::Npa].into_iter().find(|it| self.place(*it).is_some())?;
        (known != Column::Npa || self.place(Column::Nxx).is_some()).then_some(known)
    }

    /// The columns that prices of a minute stand in.
    pub fn prices(&self) -> impl Iterator<Item = Column> {
        let all = core::iter::once(Column::Rate).chain(OF_CLASSES.iter().map(|(column, _)| *column));
        all.filter(|column| self.place(*column).is_some())
    }

    /// Rows say at which hours or for which jurisdiction their price counts.
    pub fn says_class(&self) -> bool {
        self.place(Column::Hours).is_some() || self.place(Column::Jurisdiction).is_some()
    }

    /// Columns that nobody reads, although their names speak of money.
    pub fn unread_money(&self) -> impl Iterator<Item = &HeadColumn> {
        let doubled = |column: u32| self.doubled.iter().any(|(at, _)| *at == column);
        let money = |name: &str| MONEY.iter().any(|word| plain_word(name).contains(word));
        self.columns.iter().filter(move |it| it.means.is_none() && !doubled(it.column) && money(&it.name))
    }

    /// The place of a column in a row, from 0.
    pub fn place(&self, column: Column) -> Option<usize> {
        self.places[column as usize]
    }

    /// The place of a column as people count, from 1.
    pub fn column(&self, column: Column) -> Option<u32> {
        self.place(column).map(|place| place as u32 + 1)
    }
}
