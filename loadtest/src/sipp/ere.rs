//! POSIX extended regular expressions (POSIX 1003.2), as scenarios write them, for the regex crate.

use regex::{Regex, RegexBuilder};

/// Bytes that one compiled expression may take.
const SIZE_MAX: usize = 1 << 20;

/// What POSIX does otherwise than we with this expression; `None` if nothing.
pub fn differs(expression: &str) -> Option<&'static str> {
    expression.contains('|').then_some("'|' takes the first alternative that fits; POSIX takes the longest")
}

/// Compiles an expression. A line's end is a character like any other; `^` and `$` are the ends of the text.
pub fn compile(expression: &str) -> Result<Regex, String> {
    let translated = translate(expression)?;
    let mut builder = RegexBuilder::new(&translated);
    builder.dot_matches_new_line(true).size_limit(SIZE_MAX);
    builder.build().map_err(|error| format!("'{expression}' is no regular expression: {error}"))
}

fn translate(expression: &str) -> Result<String, String> {
    let mut out = String::with_capacity(expression.len() + 8);
    let mut rest = expression.chars().peekable();
    // Whether there is something that a repetition can repeat.
    let mut repeatable = false;
    while let Some(character) = rest.next() {
        match character {
            '[' => bracket(&mut rest, &mut out)?,
            '\\' => escape(rest.next(), &mut out, expression)?,
            '{' if !repeatable || !interval(rest.clone()) => out.push_str("\\{"),
            // GNU takes a star that has nothing before it for itself.
            '*' | '+' | '?' if !repeatable => {
                out.push('\\');
                out.push(character);
            }
            _ => out.push(character),
        }
        repeatable = !matches!(character, '(' | '|' | '^');
    }
    Ok(out)
}

fn interval(rest: impl Iterator<Item = char>) -> bool {
    let text: String = rest.take_while(|c| *c != '}').collect();
    text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_digit() || c == ',')
}

fn escape(character: Option<char>, out: &mut String, expression: &str) -> Result<(), String> {
    match character {
        None => return Err(format!("'{expression}' ends in a backslash")),
        Some(digit @ '1'..='9') => {
            return Err(format!("'{expression}': a repeat of group {digit} within the expression is not supported"));
        }
        Some('<') => out.push_str("\\b{start}"),
        Some('>') => out.push_str("\\b{end}"),
        Some(class @ ('w' | 'W' | 's' | 'S' | 'b' | 'B')) => out.extend(['\\', class]),
        Some(letter) if letter.is_alphanumeric() => out.push(letter),
        Some(sign) => out.push_str(&regex::escape(&sign.to_string())),
    }
    Ok(())
}

/// What stands between `[` and its `]`: there a backslash is itself, `]` may come first, and `[:alpha:]` is a class.
fn bracket(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) -> Result<(), String> {
    out.push('[');
    if rest.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    let mut first = true;
    loop {
        let Some(character) = rest.next() else { return Err("a '[' has no ']'".to_owned()) };
        match character {
            ']' if !first => break,
            '[' if rest.peek() == Some(&':') => {
                let class: String = rest.by_ref().take_while(|c| *c != ']').collect();
                out.push_str(&format!("[{class}]"));
            }
            '[' if matches!(rest.peek(), Some('.' | '=')) => {
                return Err("collating symbols such as [.a.] are not supported".to_owned());
            }
            ']' | '[' | '\\' | '&' | '~' | '^' => out.extend(['\\', character]),
            _ => out.push(character),
        }
        first = false;
    }
    out.push(']');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posix_expressions_match_what_posix_matches() {
        for (expression, text, found) in [
            ("o=([[:alnum:]]*) ([[:alnum:]]*)", "v=0\r\no=u1 53 7", "o=u1 53"),
            ("sip:[[]*[0-9a-f.:+]+[]]*:[0-9]+", "<sip:[::1]:5060>", "sip:[::1]:5060"),
            ("[^]]+", "ab]c", "ab"),
            ("[\\d]+", "12\\d\\3", "\\d\\"),
            ("a{2}", "caaat", "aa"),
            ("{a", "x{a}", "{a"),
            ("*x", "a*x", "*x"),
            (".*", "a\r\nb", "a\r\nb"),
            ("\\.1", "a.1", ".1"),
            ("[0-9]{1,3}[.][0-9]{1,3}", "1.22.3", "1.22"),
            ("[0-9-]+", "a1-2", "1-2"),
        ] {
            let compiled = compile(expression).expect(expression);
            assert_eq!(compiled.find(text).map(|m| m.as_str()), Some(found), "{expression}");
        }
    }

    #[test]
    fn what_we_cannot_match_is_refused() {
        for expression in ["(a)\\1", "[a", "(a", "[[.a.]]", "a\\"] {
            assert!(compile(expression).is_err(), "{expression}");
        }
        assert!(differs("a|ab").is_some() && differs("ab").is_none());
    }
}
