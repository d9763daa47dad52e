//! The last 64 sequence numbers of a stream: what came twice or late, and, once they leave it, how loss bunched (RFC 3611 §4.7.2).

/// Sequence numbers that the window holds.
const WIDTH: u32 = u64::BITS;
/// RFC 3611 §4.7.2: so many packets in a row that came end a burst of losses.
const GMIN: u32 = 16;

/// Which of the last sequence numbers came.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Window {
    /// Bit n is set if the n-th number before the highest came.
    came: u64,
    /// Numbers since the beginning, at most [`WIDTH`].
    filled: u32,
    pub(crate) losses: Losses,
}

/// How losses bunched. A burst is two losses or more with fewer than [`GMIN`] packets between each and the next.
/// Counts stop at their limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Losses {
    /// Packets that came since the last loss: the only one that changes while nothing is lost.
    came: u32,
    /// Losses that may be a burst, and packets that came between them.
    group_lost: u32,
    group_came: u32,
    /// All losses, and runs of losses in a row.
    pub(crate) all: u32,
    pub(crate) runs: u32,
    /// Bursts, the packets lost in them and those that came between.
    pub(crate) bursts: u32,
    burst_lost: u32,
    burst_came: u32,
}

impl Window {
    /// A window whose highest number is the first one of a stream.
    pub(crate) fn begun(losses: Losses) -> Window {
        Window { came: 1, filled: 1, losses }
    }

    /// The highest number rises by this much, and has come.
    #[inline]
    pub(crate) fn advance(&mut self, by: u32) {
        // While nothing is lost: the next number, and the one that leaves has come.
        if by == 1 && self.filled == WIDTH && self.came >> (WIDTH - 1) == 1 {
            self.losses.came = self.losses.came.saturating_add(1);
            self.came = self.came << 1 | 1;
        } else {
            self.leap(by);
        }
    }

    fn leap(&mut self, by: u32) {
        if by < WIDTH {
            self.leave(by);
            self.came = self.came << by | 1;
        } else {
            self.leave(WIDTH);
            // What was skipped altogether: all lost but the last WIDTH, which stay in the window.
            self.losses.many(by - WIDTH);
            (self.came, self.filled) = (1, 0);
        }
        self.filled = (self.filled + by.min(WIDTH)).min(WIDTH);
    }

    /// A number below the highest came: true if it had come before.
    pub(crate) fn late(&mut self, age: u32) -> bool {
        if age >= WIDTH {
            return false;
        }
        let bit = 1 << age;
        let twice = self.came & bit != 0;
        self.came |= bit;
        // What came before the first packet belongs to the stream as well.
        self.filled = self.filled.max(age + 1);
        twice
    }

    /// The losses as they stand, those still in the window included.
    pub(crate) fn settled(&self) -> Losses {
        let mut settled = *self;
        settled.leave(WIDTH);
        settled.losses.close_group();
        settled.losses
    }

    /// The oldest numbers leave the window so that `by` new ones fit.
    fn leave(&mut self, by: u32) {
        let leaving = (self.filled + by).saturating_sub(WIDTH);
        for place in (self.filled - leaving..self.filled).rev() {
            self.losses.note(self.came >> place & 1 == 1);
        }
        self.filled -= leaving;
    }
}

impl Losses {
    fn note(&mut self, came: bool) {
        if came {
            self.came = self.came.saturating_add(1);
            return;
        }
        self.runs = self.runs.saturating_add(u32::from(self.came > 0 || self.all == 0));
        self.all = self.all.saturating_add(1);
        if self.came >= GMIN {
            self.close_group();
        }
        if self.group_lost > 0 {
            self.group_came = self.group_came.saturating_add(self.came);
        }
        self.group_lost = self.group_lost.saturating_add(1);
        self.came = 0;
    }

    /// So many in a row are lost.
    fn many(&mut self, count: u32) {
        if count > 0 {
            self.note(false);
            self.all = self.all.saturating_add(count - 1);
            self.group_lost = self.group_lost.saturating_add(count - 1);
        }
    }

    /// So many are lost, nobody knows where: counted one by one, in no burst.
    pub(crate) fn scattered(&mut self, count: u32) {
        self.close_group();
        self.all = self.all.saturating_add(count);
        self.runs = self.runs.saturating_add(count);
        self.came = GMIN;
    }

    fn close_group(&mut self) {
        if self.group_lost > 1 {
            self.bursts = self.bursts.saturating_add(1);
            self.burst_lost = self.burst_lost.saturating_add(self.group_lost);
            self.burst_came = self.burst_came.saturating_add(self.group_came);
        }
        (self.group_lost, self.group_came) = (0, 0);
    }

    /// The share of packets lost within bursts, per mille; 0 without bursts.
    pub(crate) fn burst_loss_permille(&self) -> u16 {
        let (lost, came) = (u64::from(self.burst_lost), u64::from(self.burst_came));
        let share = (lost * 1_000).checked_div(lost + came);
        share.unwrap_or(0) as u16
    }

    /// The mean length of a burst in packets × 1,000; 0 without bursts.
    pub(crate) fn burst_packets_x1000(&self) -> u64 {
        let packets = u64::from(self.burst_lost) + u64::from(self.burst_came);
        (packets * 1_000).checked_div(u64::from(self.bursts)).unwrap_or(0)
    }
}
