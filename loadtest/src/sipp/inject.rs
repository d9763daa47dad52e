//! Files of values (`-inf`): a line a call, fields between semicolons. They are mapped, not read, so that they may be large.

use std::collections::HashMap;
use std::path::Path;

use rand::Rng;
use rand::rngs::SmallRng;
use uring::host::Mapped;

/// In which order calls take lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Sequential,
    Random,
    User,
}

/// A file of values.
#[derive(Debug)]
pub struct Values {
    bytes: Mapped,
    order: Order,
    /// Where each line begins; ends are looked for.
    lines: Vec<usize>,
    /// Lines that one line stands for, its `%d` replaced by their number (`PRINTF=`), else none.
    printed: Option<usize>,
    next: usize,
    /// Of the indexed field: the line that has it.
    index: Option<HashMap<String, usize>>,
}

impl Values {
    /// Opens a file.
    pub fn open(path: &Path) -> Result<Values, String> {
        let bytes = Mapped::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let text = bytes.as_ref();
        let head = line(text, 0);
        let head = String::from_utf8_lossy(head);
        let mut words = head.trim().split(',');
        let order = match words.next().unwrap_or_default() {
            "SEQUENTIAL" => Order::Sequential,
            "RANDOM" => Order::Random,
            "USER" => Order::User,
            other => return Err(format!("{}:1: '{other}': want SEQUENTIAL, RANDOM or USER", path.display())),
        };
        let mut printed = None;
        for word in words {
            let count = word.strip_prefix("PRINTF=").and_then(|count| count.parse().ok()).filter(|count| *count > 0);
            printed = Some(count.ok_or_else(|| format!("{}:1: '{word}': want PRINTF=LINES", path.display()))?);
        }
        let mut lines = Vec::new();
        let mut at = 0;
        while let Some(end) = text[at..].iter().position(|byte| *byte == b'\n') {
            at += end + 1;
            let line = line(text, at);
            if !line.is_empty() && line[0] != b'#' {
                lines.push(at);
            }
        }
        if lines.is_empty() {
            return Err(format!("{}: there is no line of values", path.display()));
        }
        Ok(Values { bytes, order, lines, printed, next: 0, index: None })
    }

    /// How many lines calls may have.
    pub fn count(&self) -> usize {
        self.printed.unwrap_or(self.lines.len())
    }

    /// The line of a new call.
    pub fn take(&mut self, user: usize, chance: &mut SmallRng) -> usize {
        match self.order {
            Order::Random => chance.random_range(0..self.count()),
            Order::User => user.saturating_sub(1) % self.count(),
            Order::Sequential => {
                let line = self.next;
                self.next = (line + 1) % self.count();
                line
            }
        }
    }

    /// Writes a field of a line; what is not there is empty.
    pub fn write(&self, line: usize, field: usize, out: &mut String) {
        let Some(start) = self.lines.get(line % self.lines.len()) else { return };
        let text = self::line(self.bytes.as_ref(), *start);
        let bytes = text.split(|byte| *byte == b';').nth(field).unwrap_or_default();
        let value = String::from_utf8_lossy(bytes);
        match self.printed {
            Some(_) => print(&value, line, out),
            None => out.push_str(&value),
        }
    }

    /// Remembers where each value of a field stands; the last one counts.
    pub fn index(&mut self, field: usize) {
        let mut index = HashMap::with_capacity(self.count());
        for line in 0..self.count() {
            let mut value = String::new();
            self.write(line, field, &mut value);
            index.insert(value, line);
        }
        self.index = Some(index);
    }

    /// The line with this key.
    pub fn find(&self, key: &str) -> Option<usize> {
        self.index.as_ref()?.get(key).copied()
    }
}

/// The line that begins here, without its end.
fn line(text: &[u8], at: usize) -> &[u8] {
    let rest = &text[at.min(text.len())..];
    let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Puts a number where `%d` or `%04d` stands.
fn print(value: &str, number: usize, out: &mut String) {
    let Some((before, rest)) = value.split_once('%') else { return out.push_str(value) };
    out.push_str(before);
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    match rest[digits..].strip_prefix('d') {
        Some(after) => {
            let width = rest[..digits].parse::<usize>().unwrap_or(0).min(32);
            out.push_str(&format!("{number:0width$}"));
            out.push_str(after);
        }
        None => {
            out.push('%');
            out.push_str(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(text: &str) -> Result<Values, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("values.csv");
        std::fs::write(&path, text).expect("it is written");
        Values::open(&path)
    }

    fn field(values: &Values, line: usize, field: usize) -> String {
        let mut out = String::new();
        values.write(line, field, &mut out);
        out
    }

    #[test]
    fn calls_take_lines_in_the_order_that_the_file_names() {
        let mut values = open("SEQUENTIAL\n# a comment\r\nann;1\r\n\nbob;2").expect("it is read");
        let mut chance = crate::draw::chance(1, 1, "values");
        let taken: Vec<usize> = (0..3).map(|_| values.take(7, &mut chance)).collect();
        assert_eq!((taken, field(&values, 1, 0), field(&values, 0, 1)), (vec![0, 1, 0], "bob".into(), "1".into()));
        assert_eq!(field(&values, 0, 9), "");
        values.index(0);
        assert_eq!((values.find("bob"), values.find("eve")), (Some(1), None));
        let mut users = open("USER\nann\nbob\n").expect("it is read");
        assert_eq!((users.take(2, &mut chance), users.take(1, &mut chance)), (1, 0));
        let mut random = open("RANDOM\na\nb\n").expect("it is read");
        assert!((0..64).map(|_| random.take(0, &mut chance)).collect::<std::collections::BTreeSet<_>>().len() == 2);
    }

    #[test]
    fn one_line_may_stand_for_many() {
        let values = open("SEQUENTIAL,PRINTF=100\nuser%03d;secret\n").expect("it is read");
        assert_eq!(
            (values.count(), field(&values, 42, 0), field(&values, 42, 1)),
            (100, "user042".into(), "secret".into())
        );
    }

    #[test]
    fn a_file_that_does_not_say_its_order_is_refused() {
        for text in ["", "a;b\n", "SEQUENTIAL\n", "RANDOM,PRINTF=x\na\n"] {
            assert!(open(text).is_err(), "{text}");
        }
    }
}
