//! A scenario file as a tree of elements that know where they stand.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Elements within elements at most; a scenario needs four.
const DEPTH_MAX: usize = 16;

/// What is wrong with a scenario, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub text: String,
}

/// An attribute of an element.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Its value, with XML's five entities resolved.
    pub value: String,
    /// Its first byte in the file.
    pub at: usize,
}

/// An element.
#[derive(Clone, Debug, Default)]
pub struct Element {
    /// Its name.
    pub name: String,
    /// Its first byte in the file.
    pub at: usize,
    /// Its attributes in order.
    pub attributes: Vec<Attribute>,
    /// Its elements in order.
    pub children: Vec<Element>,
    /// All CDATA within it; plain text counts only if it is more than blanks.
    pub text: String,
    /// The first byte of that text in the file.
    pub text_at: usize,
}

/// Line and column of a byte of the text, both from 1.
pub fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    (line, before[start..].chars().count() + 1)
}

/// A fault at a byte of the text.
pub fn fault(text: &str, at: usize, what: impl Into<String>) -> Fault {
    let (line, column) = place(text, at);
    Fault { line, column, text: what.into() }
}

/// Reads the root element. Comments may contain `--`, and attributes pairs such as `\"`, as SIPp's own reader takes them.
pub fn read(text: &str) -> Result<Element, Fault> {
    let marked = marked(text);
    let mut reader = Reader::from_str(&marked);
    let mut open: Vec<Element> = Vec::new();
    loop {
        let at = reader.buffer_position() as usize;
        let event =
            reader.read_event().map_err(|error| fault(text, reader.error_position() as usize, error.to_string()))?;
        let closed = match event {
            Event::Start(start) => {
                if open.len() >= DEPTH_MAX {
                    return Err(fault(text, at, format!("more than {DEPTH_MAX} elements within each other")));
                }
                open.push(element(text, at, &start)?);
                None
            }
            Event::Empty(start) => Some(element(text, at, &start)?),
            Event::End(_) => open.pop(),
            Event::CData(data) => {
                keep(open.last_mut(), &data, at);
                None
            }
            Event::Text(data) if !data.trim().is_empty() => {
                keep(open.last_mut(), &data, at);
                None
            }
            Event::Eof => return Err(fault(text, at, "the file ends before </scenario>")),
            Event::Text(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_)
            | Event::GeneralRef(_) => None,
        };
        match (closed, open.last_mut()) {
            (Some(element), Some(parent)) => parent.children.push(element),
            (Some(root), None) => return Ok(root),
            (None, _) => {}
        }
    }
}

fn keep(element: Option<&mut Element>, data: &str, at: usize) {
    let Some(element) = element else { return };
    if element.text.is_empty() {
        element.text_at = at;
    }
    element.text.push_str(data);
}

fn element(text: &str, at: usize, start: &BytesStart<'_>) -> Result<Element, Fault> {
    let mut attributes = Vec::new();
    let raw = start.attributes_raw();
    let base = at + 1 + start.name().as_ref().len();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| fault(text, at, error.to_string()))?;
        let key = attribute.key.as_ref();
        // The key is a piece of the raw text: how far into it is where it stands in the file.
        let inside = (key.as_ptr() as usize).saturating_sub(raw.as_ptr() as usize);
        attributes.push(Attribute { name: key.to_owned(), value: unescaped(&attribute.value), at: base + inside });
    }
    let name = start.name().as_ref().to_owned();
    Ok(Element { name, at, attributes, ..Element::default() })
}

/// Stands for the backslash of a pair that [`marked`] found.
const PAIR: char = '\u{1}';

/// The text with the pairs `\\`, `\"`, `\n`, `\t` and `\r` of attributes marked, so that none of them ends a value for an XML reader. Every byte
/// stays where it is.
fn marked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut tag, mut quote) = (text, false, None);
    while let Some(next) = rest.chars().next() {
        let apart = [("<!--", "-->"), ("<![CDATA[", "]]>")].iter().find(|(open, _)| !tag && rest.starts_with(open));
        if let Some((_, close)) = apart {
            let length = rest.find(close).map_or(rest.len(), |end| end + close.len());
            out.push_str(&rest[..length]);
            rest = &rest[length..];
            continue;
        }
        let pair = rest.as_bytes().get(1).filter(|second| next == '\\' && br#"\"ntr"#.contains(second));
        let kept = match (quote, next, pair) {
            (Some('"'), '\\', Some(second)) => {
                // A quote would still be one to an XML reader.
                out.extend([PAIR, if *second == b'"' { 'q' } else { char::from(*second) }]);
                2
            }
            (Some(open), _, _) => {
                quote = quote.filter(|_| open != next);
                0
            }
            (None, '"' | '\'', _) if tag => {
                quote = Some(next);
                0
            }
            (None, '<' | '>', _) => {
                tag = next == '<';
                0
            }
            (None, _, _) => 0,
        };
        if kept == 0 {
            out.push(next);
        }
        rest = &rest[kept.max(next.len_utf8())..];
    }
    out
}

/// Resolves pairs that were marked, the five entities and numbers of characters; what is none stays as it is, as in SIPp.
fn unescaped(value: &str) -> String {
    const NAMED: [(&str, char); 5] = [("&lt;", '<'), ("&gt;", '>'), ("&amp;", '&'), ("&quot;", '"'), ("&apos;", '\'')];
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(start) = rest.find(['&', PAIR]) {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        if let Some(second) = rest.strip_prefix(PAIR).and_then(|rest| rest.chars().next()) {
            out.push(match second {
                'q' => '"',
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            });
            rest = &rest[PAIR.len_utf8() + second.len_utf8()..];
            continue;
        }
        let named = NAMED.iter().find(|(name, _)| rest.starts_with(name));
        let (character, length) = named.map_or_else(|| number(rest).unwrap_or(('&', 1)), |(name, c)| (*c, name.len()));
        out.push(character);
        rest = &rest[length..];
    }
    out.push_str(rest);
    out
}

/// `&#10;` or `&#xA;` at the beginning of the text.
fn number(text: &str) -> Option<(char, usize)> {
    let (digits, _) = text.strip_prefix("&#")?.split_once(';')?;
    let code = match digits.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => digits.parse().ok()?,
    };
    Some((char::from_u32(code)?, digits.len() + 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_and_attributes_know_their_line_and_column() {
        let text = "<?xml version=\"1.0\"?>\n<!-- a -- b -->\n<scenario name=\"a &amp; &quot;b\">\n  <recv\n    response=\"2&#48;0\" />\n</scenario>";
        let root = read(text).expect("it is read");
        assert_eq!(root.attributes[0].value, "a & \"b");
        let recv = &root.children[0];
        assert_eq!((place(text, recv.at), place(text, recv.attributes[0].at)), ((4, 3), (5, 5)));
        assert_eq!(recv.attributes[0].value, "200");
    }

    #[test]
    fn attributes_have_pairs_as_sipp_reads_them_and_everything_stays_in_its_place() {
        let text = "<scenario name=\"a\\\"b\\\\c\\td\\.e\">\n<!-- \\\" --><send><![CDATA[\\\"]]></send> <nop next='\\n'/></scenario>";
        let root = read(text).expect("it is read");
        assert_eq!(root.attributes[0].value, "a\"b\\c\td\\.e");
        assert_eq!((root.children[0].text.as_str(), root.children[1].attributes[0].value.as_str()), ("\\\"", "\\n"));
        assert_eq!(place(text, root.children[1].at), (2, 40));
    }

    #[test]
    fn a_file_that_is_no_xml_is_refused_where_it_stops_being_it() {
        for (text, line) in [("<scenario>\n<send>\n</scenario>", 3), ("<scenario>\n<pause>", 2), ("", 1)] {
            assert_eq!(read(text).expect_err(text).line, line, "{text}");
        }
    }
}
