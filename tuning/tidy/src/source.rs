//! Rust text with its comments and literals blanked out, so that rules see code alone.

/// The same text, same lines and columns, with spaces for comments and for what stands between quotes.
pub fn code_only(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = blank_length(rest);
        if length == 0 {
            // An identifier is taken whole: the `r` at the end of `for"` opens no raw string.
            let word =
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len()).max(first.len_utf8());
            out.push_str(&rest[..word]);
            rest = &rest[word..];
        } else {
            out.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    out
}

/// How many bytes from here belong to a comment or literal; 0 when code stands here.
fn blank_length(rest: &str) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    for opening in ["\"", "b\"", "c\""] {
        if rest.starts_with(opening) {
            return quoted(rest, opening.len());
        }
    }
    let raw = rest.strip_prefix("br").or_else(|| rest.strip_prefix("cr")).or_else(|| rest.strip_prefix('r'));
    if let Some(after) = raw {
        let hashes = after.len() - after.trim_start_matches('#').len();
        if after[hashes..].starts_with('"') {
            let closing = format!("\"{}", "#".repeat(hashes));
            let body = rest.len() - after.len() + hashes + 1;
            return rest[body..].find(&closing).map_or(rest.len(), |at| body + at + closing.len());
        }
    }
    if rest.starts_with('\'') { character(rest) } else { 0 }
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn quoted(rest: &str, opening: usize) -> usize {
    let mut escaped = false;
    for (at, c) in rest[opening..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return opening + at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A character literal, or nothing when the quote opens a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => rest[3..].find('\'').map_or(0, |at| 3 + at + 1),
        Some(_) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}

/// Whether `word` stands in `line` with no letter, digit or `_` beside it.
pub fn names(line: &str, word: &str) -> bool {
    let part_of_a_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(part_of_a_word);
        let after = line[at + word.len()..].chars().next().is_some_and(part_of_a_word);
        let wordy_start = word.chars().next().is_some_and(part_of_a_word);
        let wordy_end = word.chars().next_back().is_some_and(part_of_a_word);
        !(before && wordy_start || after && wordy_end)
    })
}
