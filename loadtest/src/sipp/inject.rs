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

/// `PRINTF=LINES`, `PRINTFOFFSET=` and `PRINTFMULTIPLE=`: `%d` is the offset and a multiple of the line's number, from 0.
#[derive(Clone, Copy, Debug)]
struct Printed {
    lines: usize,
    offset: usize,
    multiple: usize,
}

/// The first line: in which order, and whether lines are printed.
fn head(line: &str) -> Result<(Order, Option<Printed>), String> {
    let mut words = line.split(',').map(str::trim);
    let order = match words.next().unwrap_or_default().trim_end_matches(';') {
        "SEQUENTIAL" => Order::Sequential,
        "RANDOM" => Order::Random,
        "USER" => Order::User,
        other => return Err(format!("'{other}': want SEQUENTIAL, RANDOM or USER")),
    };
    let (mut lines, mut printed) = (None, Printed { lines: 0, offset: 0, multiple: 1 });
    for word in words {
        let wrong = || format!("'{word}': want PRINTF=LINES, PRINTFOFFSET=NUMBER or PRINTFMULTIPLE=NUMBER");
        let (name, number) = word.split_once('=').ok_or_else(wrong)?;
        let number: usize = number.trim().parse().map_err(|_| wrong())?;
        match name {
            "PRINTF" if number > 0 => lines = Some(number),
            "PRINTFOFFSET" => printed.offset = number,
            "PRINTFMULTIPLE" => printed.multiple = number,
            _ => return Err(wrong()),
        }
    }
    Ok((order, lines.map(|lines| Printed { lines, ..printed })))
}

/// A file of values.
#[derive(Debug)]
pub struct Values {
    bytes: Mapped,
    order: Order,
    /// Where each line begins; ends are looked for.
    lines: Vec<usize>,
    /// Lines that the file stands for, their `%d` replaced by a number, else none.
    printed: Option<Printed>,
    next: usize,
    /// Of the indexed field: which it is, and the line that has each of its values.
    index: Option<(usize, HashMap<String, usize>)>,
    /// Lines that the scenario wrote: those behind the file's, and those that took the place of one.
    written: HashMap<usize, String>,
    /// How many there are behind the file's.
    more: usize,
}

impl Values {
    /// Opens a file.
    pub fn open(path: &Path) -> Result<Values, String> {
        let bytes = Mapped::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let text = bytes.as_ref();
        let first = String::from_utf8_lossy(line(text, 0));
        let (order, printed) = head(first.trim()).map_err(|what| format!("{}:1: {what}", path.display()))?;
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
        Ok(Values { bytes, order, lines, printed, next: 0, index: None, written: HashMap::new(), more: 0 })
    }

    /// How many lines calls may have.
    pub fn count(&self) -> usize {
        self.printed.map_or(self.lines.len() + self.more, |printed| printed.lines)
    }

    /// One line of the file stands for many: no other may take its place.
    pub fn printed(&self) -> bool {
        self.printed.is_some()
    }

    /// Lines are found by the value of a field.
    pub fn indexed(&self) -> bool {
        self.index.is_some()
    }

    /// One line more, behind all others.
    pub fn insert(&mut self, text: String) {
        let line = self.count();
        self.more += 1;
        self.put(line, text);
    }

    /// A line is another from now on; false if there is none of this number.
    pub fn replace(&mut self, line: usize, text: String) -> bool {
        let there = line < self.count();
        if there {
            self.put(line, text);
        }
        there
    }

    fn put(&mut self, line: usize, text: String) {
        let mut index = self.index.take();
        if let Some((field, lines)) = &mut index {
            let mut value = String::new();
            self.write(line, *field, &mut value);
            if lines.get(&value) == Some(&line) {
                lines.remove(&value);
            }
        }
        self.written.insert(line, text);
        if let Some((field, lines)) = &mut index {
            let mut value = String::new();
            self.write(line, *field, &mut value);
            lines.insert(value, line);
        }
        self.index = index;
    }

    /// Each user has a line.
    pub fn by_user(&self) -> bool {
        self.order == Order::User
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
        let text = match (self.written.get(&line), self.lines.get(line % self.lines.len())) {
            (Some(written), _) => written.as_bytes(),
            (None, Some(start)) => self::line(self.bytes.as_ref(), *start),
            (None, None) => return,
        };
        let bytes = text.split(|byte| *byte == b';').nth(field).unwrap_or_default();
        let value = String::from_utf8_lossy(bytes);
        match self.printed {
            Some(printed) => print(&value, printed.offset + line * printed.multiple, out),
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
        self.index = Some((field, index));
    }

    /// The line with this key.
    pub fn find(&self, key: &str) -> Option<usize> {
        self.index.as_ref()?.1.get(key).copied()
    }
}

/// The line that begins here, without its end.
fn line(text: &[u8], at: usize) -> &[u8] {
    let rest = &text[at.min(text.len())..];
    let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Puts a number where `%d`, `%4d`, `%04d` or `%-4d` stands; `%%` is a percent sign.
fn print(value: &str, number: usize, out: &mut String) {
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let length = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-').len();
        let (how, told) = (&after[..length], &after[length..]);
        let width = how.trim_start_matches(['-', '0']).parse::<usize>().unwrap_or(0).min(32);
        match told.strip_prefix('d') {
            Some(behind) => {
                out.push_str(&match how.as_bytes().first() {
                    Some(b'0') => format!("{number:0width$}"),
                    Some(b'-') => format!("{number:<width$}"),
                    _ => format!("{number:width$}"),
                });
                rest = behind;
            }
            None => {
                out.push('%');
                rest = after.strip_prefix('%').unwrap_or(after);
            }
        }
    }
    out.push_str(rest);
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
    fn lines_that_a_scenario_writes_are_found_and_taken_like_the_files_own() {
        let mut values = open("SEQUENTIAL\nann;1\nbob;2\n").expect("it is read");
        values.index(0);
        values.insert("cid;3".to_owned());
        assert!(values.replace(0, "zoe;9".to_owned()) && !values.replace(3, "eve;4".to_owned()));
        assert_eq!(["cid", "zoe", "ann"].map(|key| values.find(key)), [Some(2), Some(0), None]);
        let mut chance = crate::draw::chance(1, 1, "values");
        let lines: Vec<usize> = (0..4).map(|_| values.take(0, &mut chance)).collect();
        let taken: Vec<String> = lines.into_iter().map(|line| field(&values, line, 1)).collect();
        assert_eq!(taken, ["9", "2", "3", "9"]);
        // A key that another line has taken over stays with that one.
        values.insert("bob;5".to_owned());
        assert!(values.replace(1, "dan;6".to_owned()));
        assert_eq!((values.find("bob"), values.find("dan")), (Some(3), Some(1)));
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
    fn numbers_are_printed_as_sipp_prints_them() {
        let text = "USER,PRINTF=4,PRINTFOFFSET=100,PRINTFMULTIPLE=10\r\na%d;%5d|%-5d|;%%d 5% %04d%d\nb%d\n";
        let values = open(text).expect("it is read");
        let told = |line, at| field(&values, line, at);
        assert_eq!([told(0, 0), told(3, 0)], ["a100", "b130"], "the lines of the file come again and again");
        assert_eq!([told(2, 1), told(2, 2)], ["  120|120  |", "%d 5% 0120120"]);
        assert!(values.by_user());
    }

    #[test]
    fn a_file_that_does_not_say_its_order_is_refused() {
        for text in ["", "a;b\n", "SEQUENTIAL\n", "RANDOM,PRINTF=x\na\n", "USER,PRINT=3\na\n"] {
            assert!(open(text).is_err(), "{text}");
        }
    }
}
