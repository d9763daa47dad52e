//! A rate deck as a file of somebody else's spreadsheet.

use tandem_controlplane::apply::rates_of_csv;

/// Decks with all columns and with few.
pub fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "prefix,destination,rate,connection_fee,increments,from,till,blocked\n44,UK,0.0120,0,1/1,2026-01-01,,no\n4477,\"UK, mobile\",0.025,0.01,30/6,,,\n",
        "prefix,rate\n1,0.01\n1,0.02\n49,x\n",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

/// Each mistake is told, and nothing else happens.
pub fn decks(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match rates_of_csv("deck.csv", &text) {
        Ok(rates) => assert!(rates.len() <= text.lines().count(), "a line is a rate at most"),
        Err(mistakes) => assert!(!mistakes.is_empty(), "a refusal has a reason"),
    }
}
