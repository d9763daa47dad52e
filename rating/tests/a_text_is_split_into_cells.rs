//! Text into cells, judged by a splitter that goes letter by letter.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use proptest::prelude::*;
use rating::deck::rows;

/// The plain way: a state for each letter, a string for each cell.
fn naive(text: &str) -> Vec<(u32, Vec<String>)> {
    let (mut rows, mut cells, mut cell) = (Vec::new(), vec![], String::new());
    let (mut quoted, mut line, mut begun) = (false, 1, 1);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if cell.trim().is_empty() => {
                cell.clear();
                quoted = true;
            }
            '\n' if !quoted => {
                cells.push(cell.trim().to_string());
                cell.clear();
                rows.push((begun, std::mem::take(&mut cells)));
                line += 1;
                begun = line;
            }
            ',' if !quoted => {
                cells.push(cell.trim().to_string());
                cell.clear();
            }
            letter => {
                line += u32::from(letter == '\n');
                cell.push(letter);
            }
        }
    }
    if !cell.trim().is_empty() || !cells.is_empty() {
        cells.push(cell.trim().to_string());
        rows.push((begun, cells));
    }
    rows
}

/// A line that says what the separator is, and what follows it.
fn check(text: &str) {
    let text = format!("prefix,rate\n{text}");
    assert_eq!(rows(&text), naive(&text), "{text:?}");
}

#[test]
fn quotes_in_every_place() {
    for text in [
        "",
        "\n",
        "\"",
        "\"\"",
        "\"\"\"",
        "\"\"\"\"",
        "a\"b\",c",
        "\"a\"b,c",
        "\"a\" ,b",
        " \"a\r\n\"\r\n\"b\"\r\n",
        "\"a\"\" b\",\"c",
        "\"\"\"a\"\"\",é\"ü",
        "\"\" \"x\",y",
        "\"é\n\u{2003}\"\n \u{2003}\n",
        "a,\n,\n,",
    ] {
        check(text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_text(text in "[a\", \n\ré]{0,24}") {
        check(&text);
    }
}
