//! Which column is what: the names that carriers give them.

use alloc::string::String;
use alloc::vec::Vec;

/// What a column may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Column {
    Prefix,
    Destination,
    Rate,
    ConnectionFee,
    Steps,
    Minimum,
    Increment,
    Free,
    From,
    Till,
    Blocked,
}

const COLUMNS: usize = 11;

/// Names in lower case with letters and digits only.
const NAMES: [(Column, &str, &[&str]); COLUMNS] = [
    (
        Column::Prefix,
        "the prefix",
        &[
            "prefix",
            "code",
            "dialcode",
            "dialcodes",
            "dialingcode",
            "areacode",
            "destinationcode",
            "codes",
            "bnumberprefix",
        ],
    ),
    (
        Column::Destination,
        "the destination",
        &["destination", "name", "destinationname", "country", "description", "zone", "area"],
    ),
    (
        Column::Rate,
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
    (
        Column::ConnectionFee,
        "the connection fee",
        &["connectionfee", "connectfee", "connectioncharge", "setupfee", "callsetupfee", "surcharge", "fee"],
    ),
    (
        Column::Steps,
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
        ],
    ),
    (
        Column::Increment,
        "the increment",
        &["increment", "incrementsec", "nextinterval", "secondinterval", "additionalincrement", "step"],
    ),
    (Column::Free, "the free seconds", &["free", "frees", "freeseconds", "grace", "gracetime"]),
    (
        Column::From,
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
        "the last date",
        &["effectivetill", "effectiveto", "enddate", "validtill", "validto", "till", "expires", "expirydate"],
    ),
    (Column::Blocked, "blocking", &["blocked", "block", "isblocked"]),
];

/// Where each column stands in a sheet.
#[derive(Clone, Debug, Default)]
pub struct Head {
    places: [Option<usize>; COLUMNS],
    /// Columns that say the same as an earlier one, from 1, and what they say.
    pub doubled: Vec<(u32, &'static str)>,
}

impl Head {
    /// The head line's columns; `None` if it does not name both a prefix and a rate.
    pub fn of(cells: &[String]) -> Option<Head> {
        let mut head = Head::default();
        for (place, cell) in cells.iter().enumerate() {
            let plain: String =
                cell.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
            let Some((column, shown, _)) = NAMES.iter().find(|(.., names)| names.contains(&plain.as_str())) else {
                continue;
            };
            if head.places[*column as usize].is_some() {
                head.doubled.push((place as u32 + 1, shown));
            } else {
                head.places[*column as usize] = Some(place);
            }
        }
        (head.place(Column::Prefix).is_some() && head.place(Column::Rate).is_some()).then_some(head)
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
