//! Is a core there? It is asked by OPTIONS through the socket that calls go to.
//!
//! ```text
//!            answer                 3 misses, or 503
//! Unknown ──────────► Up ─────────────────────────────► Out
//!                     ▲      5 answers in a row,         │
//!                     └──────after its Retry-After───────┘
//! ```

use units::Instant;

/// How often a core is asked, in milliseconds; what is not answered until the next question is a miss.
pub const ASK_MS: u64 = 500;
/// Misses in a row that put a core out.
pub const MISSES_MAX: u8 = 3;
/// Answers in a row that take it back.
pub const ANSWERS_MIN: u8 = 5;
/// The longest time that a core may ask to be left alone, in seconds.
pub const RETRY_AFTER_S_MAX: u64 = 300;

/// What is thought of a core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It was not heard yet.
    #[default]
    Unknown,
    /// It takes calls.
    Up,
    /// It takes none.
    Out {
        /// Answers in a row since.
        answers: u8,
        /// It wants no calls before.
        not_before: Instant,
    },
}

/// The health of one core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// What is thought of it.
    pub state: State,
    misses: u8,
    /// What the last question is told from others by, while it has no answer.
    asked: Option<u64>,
}

impl Health {
    /// The next question goes out; `question` tells its answer. The one before had its time.
    pub fn ask(&mut self, now: Instant, question: u64) {
        if self.asked.replace(question).is_some() {
            self.miss(now);
        }
    }

    /// Nothing was heard of it for [`MISSES_MAX`] questions: it is not merely busy.
    pub fn is_dead(&self) -> bool {
        self.misses >= MISSES_MAX
    }

    fn miss(&mut self, now: Instant) {
        self.misses = self.misses.saturating_add(1);
        match self.state {
            State::Unknown | State::Up if self.misses < MISSES_MAX => {}
            State::Unknown | State::Up => self.state = State::Out { answers: 0, not_before: now },
            State::Out { not_before, .. } => self.state = State::Out { answers: 0, not_before },
        }
    }

    /// An answer came; false if it is not that of the last question. A status other than 200 says that the core takes no calls, for
    /// as many seconds as it says.
    pub fn answered(&mut self, now: Instant, question: u64, status: u16, retry_after_s: u64) -> bool {
        if self.asked != Some(question) {
            return false;
        }
        (self.asked, self.misses) = (None, 0);
        let not_before = now.plus_millis(retry_after_s.min(RETRY_AFTER_S_MAX) * 1_000);
        self.state = match self.state {
            _ if status != 200 => State::Out { answers: 0, not_before },
            State::Unknown | State::Up => State::Up,
            State::Out { answers, not_before } if answers + 1 < ANSWERS_MIN || now < not_before => {
                State::Out { answers: (answers + 1).min(ANSWERS_MIN - 1), not_before }
            }
            State::Out { .. } => State::Up,
        };
        true
    }
}
