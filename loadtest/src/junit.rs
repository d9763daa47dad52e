//! A run's verdict as JUnit XML, so that any build server shows it: one case a fault, a level, and the generator's own validity.

use std::fmt::Write;

use crate::report::{self, Summary};

/// The whole file.
pub fn written(summary: &Summary) -> String {
    let mut cases: Vec<(String, Option<String>)> = Vec::new();
    let invalid = (!summary.valid).then(|| summary.invalid.join("; "));
    cases.push(("the generator was in time and skipped no call".into(), invalid));
    let found = report::faults(&summary.counts, summary.callees_left);
    let others = summary.faults.iter().filter(|fault| !found.contains(fault));
    for what in report::FAULTS {
        let failed = summary.faults.iter().find(|fault| fault.ends_with(what));
        cases.push((format!("no {what}"), failed.cloned()));
    }
    cases.extend(others.map(|fault| (fault.clone(), Some(fault.clone()))));
    cases.extend(summary.levels.iter().map(|level| (level.name.clone(), level.breach.clone())));
    let failures = cases.iter().filter(|(_, failed)| failed.is_some()).count();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a text cannot fail.
    let _ = writeln!(
        text,
        "<testsuite name=\"tandem-loadtest\" tests=\"{}\" failures=\"{failures}\" time=\"{:.3}\">",
        cases.len(),
        summary.placing_s
    );
    for (name, failed) in cases {
        let name = escaped(&name);
        let _ = match failed {
            None => writeln!(text, "  <testcase classname=\"loadtest\" name=\"{name}\"/>"),
            Some(why) => writeln!(
                text,
                "  <testcase classname=\"loadtest\" name=\"{name}\"><failure message=\"{}\"/></testcase>",
                escaped(&why)
            ),
        };
    }
    text.push_str("</testsuite>\n");
    text
}

/// Text as it may stand in XML and HTML.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
