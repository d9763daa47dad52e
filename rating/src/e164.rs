//! Could anyone be called by this number? Length and country code, no more.

use units::Number;

/// Country codes of one and two digits that are assigned (ITU-T E.164, list of assigned country codes).
const SHORT: &[&[u8]] = &[
    b"1", b"7", b"20", b"27", b"30", b"31", b"32", b"33", b"34", b"36", b"39", b"40", b"41", b"43", b"44", b"45",
    b"46", b"47", b"48", b"49", b"51", b"52", b"53", b"54", b"55", b"56", b"57", b"58", b"60", b"61", b"62", b"63",
    b"64", b"65", b"66", b"81", b"82", b"84", b"86", b"90", b"91", b"92", b"93", b"94", b"95", b"98",
];
/// Country codes of three digits, first and last of each run. 388, 671, 684, 871 to 874 and 991 were given back.
const LONG: &[(u16, u16)] = &[
    (211, 213),
    (216, 216),
    (218, 218),
    (220, 258),
    (260, 269),
    (290, 291),
    (297, 299),
    (350, 359),
    (370, 383),
    (385, 387),
    (389, 389),
    (420, 421),
    (423, 423),
    (500, 509),
    (590, 599),
    (670, 670),
    (672, 683),
    (685, 692),
    (800, 800),
    (808, 808),
    (850, 850),
    (852, 853),
    (855, 856),
    (870, 870),
    (878, 878),
    (880, 883),
    (886, 886),
    (888, 888),
    (960, 968),
    (970, 977),
    (979, 979),
    (992, 996),
    (998, 998),
];

/// True for 7 to 15 digits (ITU-T E.164 §6) behind a country code that is assigned; a leading plus does not count.
pub fn is_international(number: &Number) -> bool {
    let digits = number.digits();
    (7..=15).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) && country_digits(digits) > 0
}

/// How many of the first digits are a country code that is assigned (ITU-T E.164 §6.2.1), 1 to 3; 0 for none.
pub fn country_digits(digits: &[u8]) -> usize {
    if let Some(code) = SHORT.iter().find(|code| digits.starts_with(code)) {
        return code.len();
    }
    let Some(three) = digits.first_chunk::<3>().filter(|three| three.iter().all(u8::is_ascii_digit)) else { return 0 };
    let three = three.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    if LONG.iter().any(|(first, last)| (*first..=*last).contains(&three)) { 3 } else { 0 }
}
