//! The quality index: a formula that an operator writes, compiled once, and the same number on every machine.
//!
//! Numbers have six decimals and are whole millionths inside; products and quotients are cut towards zero, what grows too large stays
//! at the largest number, and a division by zero gives zero.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Sum;

/// Millionths in one.
pub const SCALE: i64 = 1_000_000;
/// Characters of a formula at most.
const TEXT_BYTES_MAX: usize = 200;
/// Numbers that wait for their operator at most.
const STACK_MAX: usize = 16;
/// Brackets within brackets at most.
const DEPTH_MAX: usize = 16;

/// What a formula may ask of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Answered calls, per cent.
    Asr,
    /// Calls that reached somebody or found him busy, absent or unwilling, per cent.
    Ner,
    /// Average talk time, seconds.
    Acd,
    /// Average time from INVITE to ringing, milliseconds.
    Pdd,
    /// Short ones among the answered calls, per cent.
    Short,
    /// Calls in the window.
    Calls,
    /// Buy price of a minute.
    Price,
    /// Media packets lost, per cent.
    Loss,
    /// Estimated mean opinion score, 1 to 5.
    Mos,
}

/// The names of the figures; capitals or not is one.
const NAMES: [(&str, Figure); 9] = [
    ("ASR", Figure::Asr),
    ("NER", Figure::Ner),
    ("ACD_s", Figure::Acd),
    ("PDD_ms", Figure::Pdd),
    ("SHORT", Figure::Short),
    ("CALLS", Figure::Calls),
    ("PRICE", Figure::Price),
    ("LOSS", Figure::Loss),
    ("MOS", Figure::Mos),
];

/// Where a formula is wrong, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The character, from 0.
    pub at: usize,
    /// In words.
    pub reason: String,
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "character {}: {}", self.at + 1, self.reason)
    }
}

/// One step over a stack of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Number(i64),
    Figure(Figure),
    Negate,
    Join(Join),
}

/// What makes one number of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Join {
    Add,
    Subtract,
    Multiply,
    Divide,
    Min,
    Max,
}

/// A formula, ready for use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formula {
    steps: Vec<Step>,
}

impl Default for Formula {
    /// ASR.
    fn default() -> Formula {
        Formula { steps: Vec::from([Step::Figure(Figure::Asr)]) }
    }
}

impl Formula {
    /// True if it asks for the price.
    pub fn asks_price(&self) -> bool {
        self.steps.contains(&Step::Figure(Figure::Price))
    }

    /// Compiles a formula; the empty one asks for ASR.
    ///
    /// # Errors
    /// The first fault.
    pub fn parse(text: &str) -> Result<Formula, Fault> {
        if text.trim().is_empty() {
            return Ok(Formula::default());
        }
        let mut parser = Parser { text: text.as_bytes(), at: 0, steps: Vec::new(), waiting: 0, depth: 0 };
        if text.len() > TEXT_BYTES_MAX {
            return parser.fault(format!("is longer than {TEXT_BYTES_MAX} characters"));
        }
        parser.sum()?;
        match parser.peek() {
            None => Ok(Formula { steps: parser.steps }),
            Some(b')') => parser.fault("a bracket closes that was never opened"),
            Some(_) => parser.fault("an operator is missing before this"),
        }
    }

    /// The index in millionths; `price_nanos` is the buy price of a minute. Allocates nothing.
    pub fn value(&self, sum: &Sum, price_nanos: i64) -> i64 {
        let (mut stack, mut height) = ([0i64; STACK_MAX], 0);
        for step in &self.steps {
            match step {
                Step::Number(number) => (stack[height], height) = (*number, height + 1),
                Step::Figure(figure) => (stack[height], height) = (sum.figure(*figure, price_nanos), height + 1),
                Step::Negate => stack[height - 1] = stack[height - 1].saturating_neg(),
                Step::Join(join) => {
                    height -= 1;
                    stack[height - 1] = join.of(stack[height - 1], stack[height]);
                }
            }
        }
        stack[0]
    }
}

impl Join {
    fn of(self, left: i64, right: i64) -> i64 {
        let (wide_left, wide_right, scale) = (i128::from(left), i128::from(right), i128::from(SCALE));
        match self {
            Join::Add => left.saturating_add(right),
            Join::Subtract => left.saturating_sub(right),
            Join::Multiply => narrow(wide_left * wide_right / scale),
            Join::Divide if right == 0 => 0,
            Join::Divide => narrow(wide_left * scale / wide_right),
            Join::Min => left.min(right),
            Join::Max => left.max(right),
        }
    }
}

fn narrow(wide: i128) -> i64 {
    wide.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

/// Descends into the text: a sum of products of terms.
struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    steps: Vec<Step>,
    waiting: usize,
    depth: usize,
}

type Parsed<T = ()> = Result<T, Fault>;

impl Parser<'_> {
    fn fault<T>(&self, reason: impl Into<String>) -> Parsed<T> {
        Err(Fault { at: self.at, reason: reason.into() })
    }

    /// The next character that is no blank.
    fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn push(&mut self, step: Step) -> Parsed {
        match step {
            Step::Number(_) | Step::Figure(_) if self.waiting == STACK_MAX => {
                return self.fault(format!("more than {STACK_MAX} numbers wait for their operators"));
            }
            Step::Number(_) | Step::Figure(_) => self.waiting += 1,
            Step::Join(_) => self.waiting -= 1,
            Step::Negate => {}
        }
        self.steps.push(step);
        Ok(())
    }

    fn sum(&mut self) -> Parsed {
        self.product()?;
        loop {
            let join = match self.peek() {
                Some(b'+') => Join::Add,
                Some(b'-') => Join::Subtract,
                _ => return Ok(()),
            };
            self.at += 1;
            self.product()?;
            self.push(Step::Join(join))?;
        }
    }

    fn product(&mut self) -> Parsed {
        self.term()?;
        loop {
            let join = match self.peek() {
                Some(b'*') => Join::Multiply,
                Some(b'/') => Join::Divide,
                _ => return Ok(()),
            };
            self.at += 1;
            self.term()?;
            self.push(Step::Join(join))?;
        }
    }

    fn term(&mut self) -> Parsed {
        if self.depth == DEPTH_MAX {
            return self.fault(format!("stands more than {DEPTH_MAX} levels deep"));
        }
        self.depth += 1;
        match self.peek() {
            Some(b'(') => {
                self.at += 1;
                self.sum()?;
                self.close()?;
            }
            Some(b'-') => {
                self.at += 1;
                self.term()?;
                self.push(Step::Negate)?;
            }
            Some(byte) if byte.is_ascii_digit() || byte == b'.' => self.number()?,
            Some(byte) if byte.is_ascii_alphabetic() => self.name()?,
            Some(_) => return self.fault("a number, a name or a bracket is expected here"),
            None => return self.fault("the formula ends where a number or a name is expected"),
        }
        self.depth -= 1;
        Ok(())
    }

    fn close(&mut self) -> Parsed {
        if self.peek() != Some(b')') {
            return self.fault("a closing bracket is expected here");
        }
        self.at += 1;
        Ok(())
    }

    fn number(&mut self) -> Parsed {
        let (begin, mut value, mut unit, mut point) = (self.at, 0i64, SCALE, false);
        while let Some(byte) = self.text.get(self.at).copied() {
            let digit = i64::from(byte.wrapping_sub(b'0'));
            match byte {
                b'.' if !point => point = true,
                b'0'..=b'9' if !point => value = value.saturating_mul(10).saturating_add(digit * SCALE),
                b'0'..=b'9' if unit > 1 => (unit, value) = (unit / 10, value.saturating_add(digit * unit / 10)),
                b'0'..=b'9' => return self.fault("more than six decimals"),
                _ => break,
            }
            self.at += 1;
        }
        if &self.text[begin..self.at] == b"." {
            return self.fault("a point without digits");
        }
        self.push(Step::Number(value))
    }

    fn name(&mut self) -> Parsed {
        let begin = self.at;
        let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        while self.text.get(self.at).is_some_and(goes_on) {
            self.at += 1;
        }
        let name = &self.text[begin..self.at];
        let join = match name.to_ascii_lowercase().as_slice() {
            b"min" => Join::Min,
            b"max" => Join::Max,
            _ => {
                let known = NAMES.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name));
                let Some((_, figure)) = known else {
                    self.at = begin;
                    let names = NAMES.map(|(name, _)| name).join(", ");
                    return self.fault(format!("this name is not known; known are {names}, min and max"));
                };
                return self.push(Step::Figure(*figure));
            }
        };
        if self.peek() != Some(b'(') {
            return self.fault("a bracket is expected after min and max");
        }
        self.at += 1;
        self.sum()?;
        while self.peek() == Some(b',') {
            self.at += 1;
            self.sum()?;
            self.push(Step::Join(join))?;
        }
        self.close()
    }
}
