//! One-time tokens: how the first administrator comes in.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::secret::{Secret, hash};

/// How long a token can be used.
pub const TOKEN_LIFE: Duration = Duration::from_secs(15 * 60);
/// Tokens that wait for use at most; a further one displaces the oldest.
const TOKENS_MAX: usize = 16;

/// Tokens that have been printed and not been used. They live in memory only: a restart ends them.
#[derive(Debug, Default)]
pub struct OneTimeTokens {
    waiting: Mutex<Vec<([u8; 32], Instant)>>,
}

impl OneTimeTokens {
    /// Makes a token that can be used once within 15 minutes.
    pub fn issue(&self) -> String {
        let secret = Secret::draw();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= TOKENS_MAX {
            waiting.remove(0);
        }
        waiting.push((hash(secret.text()), Instant::now() + TOKEN_LIFE));
        secret.text().to_owned()
    }

    /// Can this token still be used, and for some minutes?
    pub fn stands(&self, token: &str) -> bool {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (wanted, soon) = (hash(token), Instant::now() + TOKEN_LIFE / 3);
        waiting.iter().any(|(kept, ends)| *kept == wanted && *ends > soon)
    }

    /// Uses a token up; true if it was good.
    pub fn take(&self, token: &str) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        waiting.retain(|(_, ends)| *ends > now);
        let wanted = hash(token);
        let found = waiting.iter().position(|(kept, _)| *kept == wanted);
        found.map(|place| waiting.remove(place)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::OneTimeTokens;

    #[test]
    fn a_token_stands_until_it_is_used_and_no_other_does() {
        let tokens = OneTimeTokens::default();
        let (first, second) = (tokens.issue(), tokens.issue());
        assert!(tokens.stands(&first) && tokens.stands(&second) && !tokens.stands("made up"));
        assert!(tokens.take(&first) && !tokens.take(&first));
        assert!(!tokens.stands(&first) && tokens.stands(&second));
    }
}
