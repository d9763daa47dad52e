//! What a message that was heard says. It is read leniently, as SIPp reads: a scenario judges, not the reader.

/// Short forms of header names (RFC 3261 §7.3.3).
const SHORT: [(&str, &str); 10] = [
    ("Via", "v"),
    ("From", "f"),
    ("To", "t"),
    ("Call-ID", "i"),
    ("Contact", "m"),
    ("Content-Length", "l"),
    ("Content-Type", "c"),
    ("Subject", "s"),
    ("Supported", "k"),
    ("Event", "o"),
];

/// The status of a response; `None` for a request.
pub fn status(message: &str) -> Option<u16> {
    message.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}

/// The method of a request; empty for a response.
pub fn method(message: &str) -> &str {
    if message.starts_with("SIP/2.0 ") { "" } else { message.split([' ', '\r', '\n']).next().unwrap_or_default() }
}

/// What stands before the empty line.
fn head(message: &str) -> &str {
    message.split_once("\r\n\r\n").map_or(message, |(head, _)| head)
}

/// What stands after the empty line.
pub fn body(message: &str) -> &str {
    message.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// All headers of this name: each with its name and folded lines, without its line end.
pub fn headers<'a>(message: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let short = SHORT.iter().find(|(long, _)| long.eq_ignore_ascii_case(name)).map(|(_, short)| *short);
    let mut rest = head(message).split_once('\n').map_or("", |(_, rest)| rest);
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let length = unfolded(rest);
            let line = rest[..length].trim_end_matches(['\r', '\n']);
            rest = &rest[length..];
            let found = line.split_once(':').map_or("", |(found, _)| found.trim_end());
            if found.eq_ignore_ascii_case(name) || short.is_some_and(|short| found.eq_ignore_ascii_case(short)) {
                return Some(line);
            }
        }
        None
    })
}

/// Bytes of the first header, with the lines that go on with it (RFC 3261 §7.3.1).
fn unfolded(text: &str) -> usize {
    let mut length = 0;
    loop {
        let Some(end) = text[length..].find('\n') else { return text.len() };
        length += end + 1;
        if !text[length..].starts_with([' ', '\t']) {
            return length;
        }
    }
}

/// The value of the first header of this name.
pub fn value<'a>(message: &'a str, name: &'a str) -> Option<&'a str> {
    headers(message, name).next().and_then(|line| line.split_once(':')).map(|(_, value)| value.trim())
}

/// The Call-ID as it stands.
pub fn call_id(message: &str) -> Option<&str> {
    value(message, "Call-ID")
}

/// A Call-ID without what SIPp's `///` puts before it.
pub fn bare(id: &str) -> &str {
    id.rsplit_once("///").map_or(id, |(_, id)| id)
}

/// Number and method of CSeq.
pub fn cseq(message: &str) -> (u32, &str) {
    let value = value(message, "CSeq").unwrap_or_default();
    let (number, method) = value.split_once([' ', '\t', '\r']).unwrap_or((value, ""));
    (number.parse().unwrap_or(0), method.trim())
}

/// The branch of the first Via.
pub fn branch(message: &str) -> &str {
    let via = value(message, "Via").unwrap_or_default();
    via.split([';', ',']).find_map(|part| part.trim().strip_prefix("branch=")).unwrap_or_default().trim()
}

/// The tag of To, as `;tag=…`.
pub fn peer_tag(message: &str) -> Option<String> {
    let to = value(message, "To")?;
    let parameters = to.rsplit_once('>').map_or(to, |(_, rest)| rest);
    let tag = parameters.split(';').find_map(|part| part.trim().strip_prefix("tag="))?;
    Some(format!(";tag={}", tag.trim()))
}

/// What is the same in all copies of a message by RFC 2543 §11.5: To, From, Call-ID and CSeq, and of a response what it says (`-rtcheck loose`).
pub fn loose_print(message: &str) -> u64 {
    let mut all: Vec<&str> =
        ["To", "From", "Call-ID", "CSeq"].into_iter().map(|name| value(message, name).unwrap_or_default()).collect();
    if status(message).is_some() {
        all.extend([message.lines().next().unwrap_or_default(), body(message)]);
    }
    fingerprint(&all.join("\n"))
}

/// What stands between `<` and `>` in a header, or all of it up to its parameters.
pub fn uri(value: &str) -> &str {
    match value.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or(rest),
        None => value.split([';', ',']).next().unwrap_or(value).trim(),
    }
}

/// What follows a text at the start of a line of the head, as `ereg` looks for it: which one of several, from 1.
pub fn after<'a>(message: &'a str, start: &str, which: usize, any_case: bool) -> Option<&'a str> {
    let matches = |line: &&str| match line.get(..start.len()) {
        Some(begin) if any_case => begin.eq_ignore_ascii_case(start),
        Some(begin) => begin == start,
        None => false,
    };
    let mut rest = head(message);
    let mut seen = 0;
    while !rest.is_empty() {
        let length = unfolded(rest);
        let line = rest[..length].trim_end_matches(['\r', '\n']);
        rest = &rest[length..];
        if matches(&line) {
            seen += 1;
            if seen == which {
                return Some(&line[start.len()..]);
            }
        }
    }
    // The short form of a name, which the sender may choose.
    let short =
        SHORT.iter().find(|(long, _)| start.trim_end().trim_end_matches(':') == *long).map(|(_, short)| *short)?;
    let line = headers(message, short).nth(which - 1)?;
    line.split_once(':').map(|(_, value)| value)
}

/// A number that messages of the same text share.
pub fn fingerprint(message: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    message.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "SIP/2.0 200 OK\r\nv: SIP/2.0/UDP a;branch=z9hG4bK7\r\nVia: SIP/2.0/UDP b\r\nFrom: <sip:a>\r\n ;tag=1\r\n\
                          To: <sip:b>;tag=2\r\nCall-ID: 5///x@y\r\nCSeq: 3 BYE\r\n\r\nv=0\r\n";

    #[test]
    fn a_message_is_read_with_short_and_folded_headers() {
        assert_eq!((status(ANSWER), method(ANSWER), cseq(ANSWER)), (Some(200), "", (3, "BYE")));
        assert_eq!(headers(ANSWER, "Via").count(), 2);
        assert_eq!((branch(ANSWER), call_id(ANSWER)), ("z9hG4bK7", Some("5///x@y")));
        assert_eq!((bare("5///x@y"), bare("x/y")), ("x@y", "x/y"));
        assert_eq!(peer_tag(ANSWER).as_deref(), Some(";tag=2"));
        assert_eq!(after(ANSWER, "From:", 1, false), Some(" <sip:a>\r\n ;tag=1"));
        assert_eq!(after(ANSWER, "from:", 1, false), None);
        assert_eq!((body(ANSWER), method("BYE sip:x SIP/2.0\r\n")), ("v=0\r\n", "BYE"));
    }

    #[test]
    fn rubbish_is_read_without_harm() {
        for text in ["", "\r\n", "SIP/2.0 ", "SIP/2.0 2", ":", "a\r\nb:", "INVITE\r\nVia\r\n\r\n"] {
            let _ = (status(text), method(text), cseq(text), branch(text), call_id(text), peer_tag(text));
            let _ = (after(text, "Via:", 1, true), body(text));
        }
    }
}
