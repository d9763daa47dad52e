//! An invoice as a file: a page for browsers and printers, a PDF, or CSV for who books it.

mod pdf;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use store::{Invoice, InvoiceItem, InvoiceLine, InvoiceSums};
use units::WallTime;
use utoipa::ToSchema;

use crate::cell::harmless;
use crate::value::Percent;

/// How an invoice is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceForm {
    /// A page that a browser shows and prints, in any script.
    #[default]
    Html,
    /// A PDF of A4 pages, in the letters of Western Europe; others become question marks.
    Pdf,
    /// A line for each destination and price, for programs.
    Csv,
}

impl InvoiceForm {
    /// The ending of the file's name, and its media type.
    pub fn kind(self) -> (&'static str, &'static str) {
        match self {
            InvoiceForm::Html => ("html", "text/html; charset=utf-8"),
            InvoiceForm::Pdf => ("pdf", "application/pdf"),
            InvoiceForm::Csv => ("csv", "text/csv; charset=utf-8"),
        }
    }
}

/// What the columns of a page are called.
const COLUMNS: [&str; 8] = ["Destination", "Prefix", "A minute", "Calls", "Minutes", "Net", "Tax", "Total"];

/// The file.
pub fn written(invoice: &Invoice, lines: &[InvoiceLine], form: InvoiceForm) -> Vec<u8> {
    match form {
        InvoiceForm::Html => html(&Sheet::of(invoice, lines)).into_bytes(),
        InvoiceForm::Pdf => pdf::of(&Sheet::of(invoice, lines)),
        InvoiceForm::Csv => csv(invoice, lines),
    }
}

/// The texts of an invoice, as they stand on paper.
struct Sheet {
    title: String,
    issued_by: String,
    addressed_to: String,
    facts: Vec<(&'static str, String)>,
    rows: Vec<[String; 8]>,
    sums: Vec<(String, String)>,
    note: String,
}

impl Sheet {
    fn of(invoice: &Invoice, lines: &[InvoiceLine]) -> Sheet {
        let ask = &invoice.ask;
        let zone = if ask.zone.is_empty() { "UTC" } else { &ask.zone };
        let moment = |at: WallTime| moment(zone, at);
        let mut title = format!("Invoice {}", invoice.number);
        if let Some(voided) = invoice.voided {
            title.push_str(&format!(", void since {}", moment(voided)));
        }
        let facts = vec![
            ("Date", moment(invoice.made)),
            ("Calls that began from", moment(ask.from)),
            ("until before", moment(ask.till)),
            ("Clock", zone.to_owned()),
            ("Account", invoice.account_code.clone()),
            ("Currency", invoice.currency.clone()),
        ];
        let InvoiceSums { calls, billed_s, net, tax } = invoice.sums;
        let sums = [
            ("Calls", calls.to_string()),
            ("Minutes", minutes(billed_s)),
            ("Net", net.to_string()),
            ("Tax", tax.to_string()),
        ];
        let mut sums: Vec<(String, String)> = sums.map(|(name, value)| (name.to_owned(), value)).into();
        sums.push((format!("To be paid, {}", invoice.currency), invoice.sums.total().to_string()));
        Sheet {
            title,
            issued_by: invoice.issued_by.clone(),
            addressed_to: ask.addressed_to.clone(),
            facts,
            rows: lines.iter().map(|line| row(line, &invoice.currency)).collect(),
            sums,
            note: ask.note.clone(),
        }
    }
}

fn row(line: &InvoiceLine, currency: &str) -> [String; 8] {
    let mut destination = line.destination.clone();
    if line.item == InvoiceItem::Late {
        destination.push_str(" (of a period before)");
    }
    let InvoiceSums { calls, billed_s, net, tax } = line.sums;
    let total = line.sums.total();
    if line.item == InvoiceItem::Fee {
        let [net, tax, total] = [net, tax, total].map(|money| money.to_string());
        return [destination, String::new(), String::new(), String::new(), String::new(), net, tax, total];
    }
    let mut price = line.per_minute.to_string();
    if line.rate_currency != currency {
        price.push_str(&format!(" {}", line.rate_currency));
    }
    let texts = [calls.to_string(), minutes(billed_s), net.to_string(), tax.to_string(), total.to_string()];
    let [calls, billed, net, tax, total] = texts;
    [destination, line.prefix.clone(), price, calls, billed, net, tax, total]
}

/// The first moment of a month such as `2026-10` of a zone, and the first one after it.
pub fn month(text: &str, zone: &str) -> Option<(WallTime, WallTime)> {
    let (year, month) = text.split_once('-').filter(|(year, month)| (year.len(), month.len()) == (4, 2))?;
    if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        return None;
    }
    let first = Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()?;
    let next = first.last_of_month().tomorrow().ok()?;
    let zone = if zone.is_empty() { TimeZone::UTC } else { TimeZone::get(zone).ok()? };
    let begins = |day: Date| {
        let begins = day.to_zoned(zone.clone()).ok()?;
        Some(WallTime::from_micros(begins.timestamp().as_microsecond()))
    };
    Some((begins(first)?, begins(next)?))
}

/// As the API names it.
fn word(item: InvoiceItem) -> &'static str {
    match item {
        InvoiceItem::Calls => "calls",
        InvoiceItem::Late => "late",
        InvoiceItem::Fee => "fee",
    }
}

/// A moment on the clock of a zone.
fn moment(zone: &str, at: WallTime) -> String {
    let moment = Timestamp::from_microsecond(at.micros()).unwrap_or(Timestamp::UNIX_EPOCH);
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    moment.to_zoned(zone).strftime("%Y-%m-%d %H:%M").to_string()
}

/// Seconds as minutes and seconds.
fn minutes(seconds: i64) -> String {
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

const STYLE: &str = "body{font:14px/1.45 system-ui,sans-serif;margin:2em auto;max-width:60em;padding:0 1em;color:#111;background:#fff}\
    h1{font-size:1.5em}address{font-style:normal;white-space:pre-line;margin:0 0 1.5em}dl{display:grid;grid-template-columns:max-content 1fr;\
    gap:.1em 1em}dd{margin:0}table{border-collapse:collapse;width:100%;margin:1.5em 0}th,td{padding:.25em .5em;text-align:right;\
    border-bottom:1px solid #bbb;overflow-wrap:anywhere}th:nth-child(-n+2),td:nth-child(-n+2){text-align:left}\
    p{white-space:pre-line}thead{display:table-header-group}tr{break-inside:avoid}";

fn html(sheet: &Sheet) -> String {
    let title = escaped(&sheet.title);
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style></head><body>\n"
    );
    let block = |name: &str, text: &str| match text.trim() {
        "" => String::new(),
        text => format!("<{name} dir=\"auto\">{}</{name}>\n", escaped(text)),
    };
    out.push_str(&block("address", &sheet.issued_by));
    out.push_str(&format!("<h1>{title}</h1>\n"));
    out.push_str(&block("address", &sheet.addressed_to));
    out.push_str(&facts(sheet.facts.iter().map(|(name, value)| (*name, value.as_str()))));
    out.push_str("<table><thead><tr>");
    COLUMNS.iter().for_each(|name| out.push_str(&format!("<th scope=\"col\">{name}</th>")));
    out.push_str("</tr></thead><tbody>\n");
    for row in &sheet.rows {
        out.push_str("<tr>");
        row.iter().for_each(|cell| out.push_str(&format!("<td dir=\"auto\">{}</td>", escaped(cell))));
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>\n");
    out.push_str(&facts(sheet.sums.iter().map(|(name, value)| (name.as_str(), value.as_str()))));
    out.push_str(&block("p", &sheet.note));
    out.push_str("</body></html>\n");
    out
}

fn facts<'a>(all: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let one =
        |(name, value): (&str, &str)| format!("<dt>{}</dt><dd dir=\"auto\">{}</dd>", escaped(name), escaped(value));
    format!("<dl>{}</dl>\n", all.map(one).collect::<String>())
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn csv(invoice: &Invoice, lines: &[InvoiceLine]) -> Vec<u8> {
    let mut out = csv::Writer::from_writer(Vec::new());
    let head = [
        "invoice",
        "destination",
        "prefix",
        "kind",
        "per_minute",
        "connection_fee",
        "rate_currency",
        "calls",
        "billed_s",
        "net",
        "tax_percent",
        "tax",
        "total",
        "currency",
    ];
    // Nothing is refused that is written to memory.
    let mut write = |cells: Vec<String>| out.write_record(cells).expect("memory takes a record");
    write(head.map(str::to_owned).into());
    for line in lines {
        let InvoiceSums { calls, billed_s, net, tax } = line.sums;
        write(vec![
            invoice.number.to_string(),
            harmless(line.destination.clone()),
            harmless(line.prefix.clone()),
            word(line.item).to_owned(),
            line.per_minute.to_string(),
            line.connection_fee.to_string(),
            line.rate_currency.clone(),
            calls.to_string(),
            billed_s.to_string(),
            net.to_string(),
            Percent::from_ppm(line.tax_ppm).to_string(),
            tax.to_string(),
            line.sums.total().to_string(),
            invoice.currency.clone(),
        ]);
    }
    out.into_inner().expect("memory is written")
}

#[cfg(test)]
mod tests {
    use store::InvoiceAsk;
    use units::Money;

    use super::*;

    fn sample(lines: usize) -> (Invoice, Vec<InvoiceLine>) {
        let money = |text| Money::parse(text).expect("a decimal");
        let sums = InvoiceSums { calls: 2, billed_s: 125, net: money("0.05"), tax: money("0.0095") };
        let line = InvoiceLine {
            destination: "<b>Köln & (Łódź)</b>".into(),
            prefix: "49221".into(),
            per_minute: money("0.024"),
            rate_currency: "EUR".into(),
            tax_ppm: 190_000,
            sums,
            ..InvoiceLine::default()
        };
        let ask = InvoiceAsk {
            from: WallTime::from_micros(1_790_805_600_000_000),
            till: WallTime::from_micros(1_793_487_600_000_000),
            zone: "Europe/Paris".into(),
            addressed_to: "Acme\n=1+1".into(),
            ..InvoiceAsk::default()
        };
        let invoice = Invoice { number: 7, currency: "USD".into(), ask, sums, ..Invoice::default() };
        (invoice, vec![line; lines])
    }

    #[test]
    fn a_page_says_everything_and_runs_nothing() {
        let (invoice, lines) = sample(1);
        let page = String::from_utf8(written(&invoice, &lines, InvoiceForm::Html)).expect("text");
        let wanted = [
            "&lt;b&gt;Köln &amp; (Łódź)&lt;/b&gt;",
            "2026-10-01 00:00",
            "2026-11-01 00:00",
            "0.024 EUR",
            "2:05",
            "0.0595",
            "To be paid, USD",
        ];
        for text in wanted {
            assert!(page.contains(text), "{text} in {page}");
        }
        assert!(!page.contains("<b>"), "{page}");
    }

    #[test]
    fn a_month_begins_and_ends_by_the_clock_of_its_zone() {
        let (from, till) = month("2026-10", "Europe/Paris").expect("a month");
        assert_eq!([from, till].map(|at| moment("UTC", at)), ["2026-09-30 22:00", "2026-10-31 23:00"]);
        let (from, till) = month("2026-12", "").expect("a month");
        assert_eq!([from, till].map(|at| moment("UTC", at)), ["2026-12-01 00:00", "2027-01-01 00:00"]);
        for (text, zone) in
            [("2026-13", ""), ("2026-1", ""), ("+026-01", ""), ("2026-+1", ""), ("x", ""), ("2026-10", "Mars/X")]
        {
            assert_eq!(month(text, zone), None, "{text} {zone}");
        }
    }

    #[test]
    fn a_file_of_cells_computes_nothing() {
        let (invoice, mut lines) = sample(1);
        lines[0].destination = "=cmd()".into();
        let text = String::from_utf8(written(&invoice, &lines, InvoiceForm::Csv)).expect("text");
        assert_eq!(text.lines().nth(1), Some("7,'=cmd(),49221,calls,0.024,0.00,EUR,2,125,0.05,19,0.0095,0.0595,USD"));
    }

    /// Every offset of the table is where its object begins, and each page is counted.
    #[test]
    fn a_pdf_has_pages_for_all_lines_and_a_table_that_fits() {
        for (lines, pages) in [(0, 1), (1, 1), (300, 6)] {
            let (invoice, lines) = sample(lines);
            let file = written(&invoice, &lines, InvoiceForm::Pdf);
            let text: String = file.iter().map(|byte| char::from(*byte)).collect();
            assert!(text.starts_with("%PDF-1.4") && text.ends_with("%%EOF\n"));
            let at = |place: &str| place.trim().parse::<usize>().expect("an offset");
            let table = at(text.rsplit("startxref\n").next().and_then(|rest| rest.lines().next()).expect("its place"));
            let end = String::from_utf8_lossy(&file[table..]);
            assert!(end.starts_with("xref\n"));
            let entries = end.lines().filter(|line| line.ends_with(" 00000 n "));
            let offsets: Vec<usize> = entries.map(|line| at(&line[..10])).collect();
            assert_eq!(offsets.len(), 4 + 2 * pages);
            for (index, offset) in offsets.iter().enumerate() {
                let begins = format!("{} 0 obj\n", index + 1);
                assert!(file[*offset..].starts_with(begins.as_bytes()), "object {}", index + 1);
            }
            assert_eq!(text.matches("/Type /Page ").count(), pages);
            assert!(text.contains(&format!("/Count {pages} ")));
            let named = text.matches("<b>K\u{f6}ln & \\(?\u{f3}d?\\)</b>").count();
            assert_eq!(named, lines.len(), "every line, in the letters that there are");
        }
    }
}
