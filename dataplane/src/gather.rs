//! How long a core waits for more before it looks at what came: what it hears in one turn costs less, and has waited for that.

use std::time::Duration;

use units::Instant;

/// How long a core sleeps at least once it has work: one wake-up then serves all that came meanwhile, and the journal is woken once for
/// all their records. What comes while it sleeps longer anyway is heard at once.
const ALONE: Duration = Duration::from_millis(1);
/// The same while media passes by its sockets.
const BESIDE_MEDIA: Duration = Duration::from_micros(500);
/// After so long without a packet no stream passes, in microseconds: each has one every 20 ms mostly.
const STREAM_US: u64 = 20_000;

/// What a core remembers of the media that came by its sockets.
#[derive(Debug, Default)]
pub struct Gather {
    heard: u64,
    heard_at: Option<Instant>,
}

impl Gather {
    /// A turn is over that began then, and the core has heard so many packets of media since it began: how long it gathers next.
    pub fn window(&mut self, turned: Instant, media_heard: u64) -> Duration {
        if media_heard != self.heard {
            // Media is passed on as it comes.
            (self.heard, self.heard_at) = (media_heard, Some(turned));
            return Duration::ZERO;
        }
        match self.heard_at.is_some_and(|at| turned.micros_since(at) < STREAM_US) {
            true => BESIDE_MEDIA,
            false => ALONE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_with_media_gathers_for_less_and_not_at_all_while_packets_come() {
        let mut gather = Gather::default();
        // When a turn began, in microseconds, packets of media so far, and how long the core gathers behind it.
        let turns = [
            (1_000, 0, ALONE),
            (2_000, 1, Duration::ZERO),
            (2_100, 1, BESIDE_MEDIA),
            (21_999, 1, BESIDE_MEDIA),
            (22_000, 1, ALONE),
            (90_000, 3, Duration::ZERO),
            (90_001, 4, Duration::ZERO),
            (110_000, 4, BESIDE_MEDIA),
            (110_001, 4, ALONE),
        ];
        for (turned, heard, window) in turns {
            assert_eq!(gather.window(Instant::from_micros(turned), heard), window, "the turn at {turned}");
        }
    }
}
