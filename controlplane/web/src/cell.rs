//! Cells of CSV files that spreadsheet programs open.

/// A cell that a spreadsheet would compute becomes text: peers choose Call-IDs, carriers the names of destinations. A number with its
/// sign stays a number.
pub fn harmless(cell: String) -> String {
    let number = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match cell.chars().next() {
        Some('=' | '@' | '\t' | '\r') => format!("'{cell}"),
        Some('+' | '-') if !number(&cell[1..]) => format!("'{cell}"),
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn what_would_be_computed_is_text_and_numbers_stay() {
        for (cell, shown) in [
            ("=1+2", "'=1+2"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("-1+cmd|' /C calc'!A0", "'-1+cmd|' /C calc'!A0"),
            ("+44 (0) 20", "'+44 (0) 20"),
            ("+442071838750", "+442071838750"),
            ("-0.25", "-0.25"),
            ("a=b", "a=b"),
            ("", ""),
        ] {
            assert_eq!(harmless(cell.to_owned()), shown);
        }
    }
}
