//! The arbiter of exactly two servers, without a third: one of these beside each keeper.
//!
//! ```text
//!              other is known to be unable to go on alone         other has a copy
//!   Paired ──────────────────────────────────────────────▶ Solo ───────────────────▶ Paired
//!      │                                                     ▲
//!      │ leaves, or other went on alone                      │ both had left: the scribe begins
//!      └─────────────────────▶ Joining ──────────────────────┘
//!                                 └── other says Paired, and the copy was its last page ──▶ Paired
//! ```
//! While both hear each other, nothing is written before both have it on their disks; so the other keeps the holder's lease, as etcd
//! would. When they lose each other, two servers cannot know which of these happened: the other is dead, or all cables between them are
//! cut. So the book itself says in advance who has the *right* to go on: the replica that has every commit, else the holder. Who has
//! the right and is not the holder waits until the holder's time is over by its own clock; the holder's database is dead by then. The
//! holder without the right goes on only when a fence command has proved in time that the other is off; else it stops.
//!
//! Tie-breakers make nothing safer. They keep a server that is cut off from everybody from taking over what nobody could reach there,
//! and from fencing a healthy one. A holder that none of them answers while the other hears both lets its time run out.
//!
//! What a crashed server knew may be out of date: after a restart a page gives rights only when the other has confirmed it, or when it
//! says `Solo`. The clock must go on while a server stands still, as for the keeper.

mod page;
mod report;

pub use page::{Beat, Page, Standing};
pub use report::{Kept, PairReport, PanelAnswer, PanelAsk, PathReport, Stands};

use units::{Instant, NodeId};

use crate::book::{Ask, Book, Refused, Write};
use crate::broken::{Broken, is};
use crate::keeper::Outcome;

/// What an operator sets, the same on both servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairSettings {
    /// This server.
    pub me: NodeId,
    /// The other one.
    pub other: NodeId,
    /// The lease, in milliseconds, as in [`crate::Settings::takeover_ms`].
    pub takeover_ms: u64,
    /// There is a command that turns the other server off.
    pub fence: bool,
}

impl PairSettings {
    /// A server that is not heard for so long is lost, in milliseconds: long enough for a lost datagram or three, and short enough to
    /// leave half of the lease for a fence command.
    pub const fn lost_ms(&self) -> u64 {
        self.takeover_ms * 3 / 10
    }

    /// How long an ask waits for its answer, in milliseconds.
    pub const fn patience_ms(&self) -> u64 {
        self.takeover_ms / 5
    }

    /// Between two beats, in milliseconds.
    pub const fn beat_ms(&self) -> u64 {
        self.takeover_ms / 50
    }
}

/// What is to be done now, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PairTurn {
    /// To be on the disk before anything else is done. A program that cannot keep it must end.
    pub keep: Option<Page>,
    /// To be sent on every path.
    pub beat: Option<Beat>,
    /// The answer to the keeper's ask.
    pub outcome: Option<Outcome>,
    /// The book, if it is known.
    pub book: Option<Book>,
    /// The fence command must be run; [`Pair::on_fenced`] is told of its end with this number.
    pub fence: Option<u64>,
}

/// An ask without an answer.
#[derive(Clone, Copy, Debug)]
struct Asked {
    number: u64,
    ask: Ask,
    at: Instant,
}

/// The other's life as far as it is known.
#[derive(Clone, Copy, Debug)]
struct Known {
    life: u64,
    stamp: Instant,
}

/// One server's half of the arbiter: see the module.
#[derive(Clone, Debug)]
pub struct Pair {
    settings: PairSettings,
    page: Page,
    /// What both have, or what was ours alone, while nobody knows whether the other has `page`.
    before: Option<Page>,
    /// The page is not on the disk.
    unkept: bool,
    /// In this life it was certain that nobody had a newer page. Without that a page gives no right.
    sure: bool,
    /// When the lease of the page ends.
    ends: Instant,
    /// When the last write of ours that both have was asked for.
    confirmed: Option<Instant>,
    life: u64,
    question: u64,
    answer: u64,
    known: Option<Known>,
    /// Our newest stamp that the other has repeated.
    echoed: Option<Instant>,
    /// When this server last went on after having stood still.
    woken: Instant,
    looked: Instant,
    spoke: Option<Instant>,
    speak: bool,
    numbers: u64,
    asked: Option<Asked>,
    outcome: Option<Outcome>,
    theirs: Option<(u64, Ask)>,
    refused: Option<(u64, Refused)>,
    /// The fence command runs, for the page of this view.
    fencing: Option<(u64, u64)>,
    split: bool,
    left: bool,
    tied: bool,
    other_tied: bool,
}

impl Pair {
    /// A server's beginning, with what its disk says. `chance`: two numbers never drawn before.
    pub fn new(settings: PairSettings, page: Page, chance: [u64; 2], now: Instant) -> Pair {
        Pair {
            settings,
            page,
            before: None,
            unkept: true,
            sure: page.standing == Standing::Solo || is(Broken::RightAfterRestart),
            ends: now.plus_millis(settings.takeover_ms),
            confirmed: None,
            life: chance[0],
            question: chance[1],
            answer: 0,
            known: None,
            echoed: None,
            woken: now,
            looked: now,
            spoke: None,
            speak: true,
            numbers: chance[0],
            asked: None,
            outcome: None,
            theirs: None,
            refused: None,
            fencing: None,
            split: false,
            left: false,
            tied: true,
            other_tied: false,
        }
    }

    /// The page as it stands.
    pub fn page(&self) -> Page {
        self.page
    }

    /// Both servers were told that the other was off, and each went on alone: an operator must empty one of them.
    pub fn is_split(&self) -> bool {
        self.split
    }

    /// Nothing comes back from the other for [`PairSettings::lost_ms`].
    pub fn is_lost(&self, now: Instant) -> bool {
        self.echoed.is_none_or(|at| now.millis_since(at.max(self.woken)) >= self.settings.lost_ms())
    }

    /// The keeper asks. It waits for the answer before it asks again.
    pub fn on_ask(&mut self, now: Instant, ask: Ask) {
        let number = self.draw();
        self.asked = Some(Asked { number, ask, at: now });
        self.speak = true;
    }

    /// The other's beat came on any path; false: it proves nothing about this moment.
    pub fn on_beat(&mut self, now: Instant, beat: &Beat) -> bool {
        let fresh = match self.known {
            Some(known) if known.life == beat.life => beat.stamp.micros().cmp(&known.stamp.micros()),
            _ if beat.answer == self.question => {
                // Whoever begins after this one is asked something else: this life cannot come back.
                self.question = self.question.wrapping_add(1);
                core::cmp::Ordering::Greater
            }
            _ => core::cmp::Ordering::Less,
        };
        if fresh.is_lt() && !is(Broken::ReplaysHeard) {
            self.answer = beat.question;
            return false;
        }
        if fresh.is_eq() {
            return true;
        }
        (self.answer, self.other_tied) = (beat.question, beat.tied);
        self.known = Some(Known { life: beat.life, stamp: beat.stamp });
        if let Some((life, stamp)) = beat.heard
            && life == self.life
            && stamp <= now
        {
            self.echoed = self.echoed.max(Some(stamp));
        }
        self.theirs = beat.ask.filter(|(_, ask)| ask.by == self.settings.other);
        if !self.left {
            self.learn(now, &beat.page);
        }
        if let (Some((number, why)), Some(asked)) = (beat.refused, self.asked)
            && number == asked.number
            && self.page.cause != number
        {
            self.answer_with(Outcome::Refused(why, self.current(now)));
        }
        true
    }

    /// The fence command ended. `off`: it says that the other server is certainly off.
    pub fn on_fenced(&mut self, now: Instant, number: u64, off: bool) {
        let Some((_, view)) = self.fencing.filter(|(running, _)| *running == number) else { return };
        self.fencing = None;
        let off = off || is(Broken::FencedUnsure);
        if off && view == self.page.view && self.may_fence(now) {
            self.go_on_alone();
        }
    }

    /// This server is about to be stopped in order, and gives the other what right it has. Nothing changes while it holds the service.
    pub fn on_leave(&mut self) {
        let holds = self.page.book.held && self.page.book.holder == Some(self.settings.me);
        if self.page.standing == Standing::Paired && !holds {
            self.page.standing = Standing::Joining;
            (self.sure, self.unkept, self.left) = (false, true, true);
        }
    }

    /// An operator swears that the other server is off and has been since both were last heard together. False: it is heard.
    pub fn on_oath(&mut self, now: Instant) -> bool {
        if !self.is_lost(now) || self.page.standing == Standing::Solo {
            return false;
        }
        self.go_on_alone();
        true
    }

    /// Looks at the time. `ties`: a tie-breaker answered a moment ago, or there are none.
    pub fn turn(&mut self, now: Instant, ties: bool) -> PairTurn {
        if now.millis_since(self.looked) >= self.settings.takeover_ms / 10 {
            self.woken = now;
        }
        (self.looked, self.tied) = (now, ties);
        let fence = self.go_on(now, ties);
        self.write(now);
        if self.asked.is_some_and(|asked| now.millis_since(asked.at) >= self.settings.patience_ms()) {
            self.answer_with(Outcome::Unknown);
        }
        let due = self.spoke.is_none_or(|at| now.millis_since(at) >= self.settings.beat_ms());
        let beat = (due || self.speak || self.unkept).then(|| self.beat(now));
        let keep = core::mem::take(&mut self.unkept).then_some(self.page);
        PairTurn { keep, beat, outcome: self.outcome.take(), book: self.book(now), fence }
    }

    fn beat(&mut self, now: Instant) -> Beat {
        // Several in one microsecond differ all the same.
        let stamp = self.spoke.map_or(now, |at| now.max(Instant::from_micros(at.micros() + 1)));
        (self.spoke, self.speak) = (Some(stamp), false);
        Beat {
            life: self.life,
            stamp,
            question: self.question,
            answer: self.answer,
            heard: self.known.map(|known| (known.life, known.stamp)),
            tied: self.tied,
            page: self.page,
            ask: self.asked.map(|asked| (asked.number, asked.ask)).filter(|_| !self.is_cut_off(now)),
            refused: self.refused,
        }
    }

    /// What the keeper may know: nothing that the other may not have.
    fn book(&self, now: Instant) -> Option<Book> {
        let known = match self.page.standing {
            Standing::Solo => true,
            Standing::Paired => self.sure,
            Standing::Joining => self.page.view > 0,
        };
        known.then(|| self.lapsed(self.before.unwrap_or(self.page).book, now))
    }

    fn current(&self, now: Instant) -> Book {
        self.lapsed(self.before.unwrap_or(self.page).book, now)
    }

    fn lapsed(&self, book: Book, now: Instant) -> Book {
        if now >= self.ends { book.lapsed() } else { book }
    }

    fn draw(&mut self) -> u64 {
        self.numbers = self.numbers.wrapping_add(1).max(1);
        self.numbers
    }

    fn answer_with(&mut self, outcome: Outcome) {
        if let (Some(asked), Outcome::Written(_)) = (self.asked, outcome) {
            self.confirmed = Some(asked.at);
        }
        (self.asked, self.outcome) = (None, Some(outcome));
    }

    /// What the other's page tells. What it says of itself stays true however late it comes.
    fn learn(&mut self, now: Instant, theirs: &Page) {
        let (mine, next) = (self.page, self.page.book.version + 1);
        let (same, newer) = (theirs.view == mine.view, theirs.view > mine.view);
        match (mine.standing, theirs.standing) {
            // It left, and cannot go on in this view any more. If both left, one of them begins.
            (Standing::Paired, Standing::Joining) if same => self.go_on_alone(),
            (Standing::Joining, Standing::Joining) if same && mine.scribe == self.settings.me => self.go_on_alone(),
            (Standing::Paired, Standing::Paired) if same && theirs.book.version == mine.book.version => {
                self.both_have()
            }
            (Standing::Paired, Standing::Paired) if same && mine.scribe == self.settings.other => {
                if theirs.book.version == next {
                    self.adopt(now, theirs);
                } else if theirs.book.version > next {
                    self.copy(now, theirs);
                }
            }
            (Standing::Solo, Standing::Joining) if same && theirs.book.version == mine.book.version => self.pair_up(),
            // The scribe proposes to go on together only to whoever has its last page.
            (Standing::Joining, Standing::Paired)
                if theirs.view == mine.view + 1
                    && theirs.book.version == next
                    && theirs.scribe == self.settings.other =>
            {
                self.adopt(now, theirs);
            }
            (Standing::Joining | Standing::Paired, Standing::Solo | Standing::Paired) if newer => {
                self.copy(now, theirs)
            }
            (Standing::Joining, Standing::Solo) if same && theirs.book.version >= next => self.copy(now, theirs),
            (Standing::Solo, Standing::Solo) => self.split = true,
            (Standing::Solo, Standing::Paired) => self.split |= theirs.view >= mine.view,
            (Standing::Solo | Standing::Paired | Standing::Joining, Standing::Joining)
            | (Standing::Joining | Standing::Paired, Standing::Solo | Standing::Paired) => {}
        }
    }

    /// The other has kept what this server has.
    fn both_have(&mut self) {
        (self.before, self.sure) = (None, true);
        self.answered();
    }

    /// The page is the answer to the keeper's ask, and both have it.
    fn answered(&mut self) {
        if self.asked.is_some_and(|asked| asked.number == self.page.cause) {
            self.answer_with(Outcome::Written(self.page.book));
        }
    }

    /// The scribe has it; now this server does too.
    fn adopt(&mut self, now: Instant, theirs: &Page) {
        (self.page, self.before, self.sure, self.unkept) = (*theirs, None, true, true);
        self.ends = now.plus_millis(self.settings.takeover_ms);
        self.answered();
    }

    /// The other went on alone: this server has no say until the other has given it one.
    fn copy(&mut self, now: Instant, theirs: &Page) {
        let standing = if is(Broken::RightsAtOnce) { Standing::Paired } else { Standing::Joining };
        self.page = Page { standing, ..*theirs };
        (self.before, self.sure, self.unkept) = (None, is(Broken::RightsAtOnce), true);
        self.ends = now.plus_millis(self.settings.takeover_ms);
    }

    /// The other has a copy of everything: from here on nothing is written without it.
    fn pair_up(&mut self) {
        self.before = Some(self.page);
        self.page.view += 1;
        self.page.book.version += 1;
        (self.page.standing, self.page.scribe, self.page.cause) = (Standing::Paired, self.settings.me, 0);
        self.unkept = true;
    }

    fn go_on_alone(&mut self) {
        let settled = self.asked.filter(|asked| asked.number == self.page.cause);
        self.page.view += 1;
        // One write of the scribe may be on its way that will never be.
        self.page.book.version += 2;
        if self.holds(&self.page) {
            // It need not wait for a replica that is gone.
            self.page.book.count_on(None);
        } else {
            self.page.book.held = false;
        }
        (self.page.standing, self.page.scribe, self.page.cause) = (Standing::Solo, self.settings.me, 0);
        (self.before, self.sure, self.unkept, self.theirs) = (None, true, true, None);
        if settled.is_some() {
            self.answer_with(Outcome::Written(self.page.book));
        }
    }

    /// Goes on alone where that is certain to be right; else says which number of fence command to run.
    fn go_on(&mut self, now: Instant, ties: bool) -> Option<u64> {
        if self.page.standing != Standing::Paired || !self.sure || !self.is_lost(now) {
            return None;
        }
        if self.of_all(|page| self.has_right(page)) {
            // A holder has nobody to wait for. The other one waits until the holder's time is over, who counts from before it asked.
            let waits = !self.of_all(|page| self.holds(page));
            if !waits || (ties && (now >= self.ends || is(Broken::RightTooEarly))) {
                self.go_on_alone();
            }
            return None;
        }
        let ties = ties || is(Broken::FencesCutOff);
        if !ties || !self.settings.fence || self.fencing.is_some() || !self.may_fence(now) {
            return None;
        }
        let number = self.draw();
        self.fencing = Some((number, self.page.view));
        Some(number)
    }

    /// Before the other could have used its right, if this server holds the service by what both have.
    fn may_fence(&self, now: Instant) -> bool {
        let until = self.confirmed.map(|at| at.plus_millis(self.settings.takeover_ms * 4 / 5));
        let in_time = until.is_some_and(|until| now < until) || is(Broken::FencedLate);
        self.page.standing == Standing::Paired && self.sure && in_time && self.of_all(|page| self.holds(page))
    }

    /// True of the page, and of what the other may still have in its place.
    fn of_all(&self, holds: impl Fn(&Page) -> bool) -> bool {
        let before = self.before.filter(|_| !is(Broken::RightUnclear));
        holds(&self.page) && before.is_none_or(|page| holds(&page))
    }

    fn holds(&self, page: &Page) -> bool {
        page.book.holder == Some(self.settings.me)
    }

    /// Whoever surely has every commit: the replica that the book counts on, else the holder.
    fn has_right(&self, page: &Page) -> bool {
        let mine = page.book.sync.or(page.book.holder) == Some(self.settings.me);
        page.standing == Standing::Solo || mine
    }

    /// Nobody could reach the service here, and the other one, which has everything, would be reached.
    fn is_cut_off(&self, now: Instant) -> bool {
        let other_has_all = self.page.standing == Standing::Paired && self.page.book.sync == Some(self.settings.other);
        let cut_off = !self.tied && self.other_tied && other_has_all && self.holds(&self.page);
        cut_off && !self.is_lost(now) && !is(Broken::HoldsCutOff)
    }

    /// The keepers' asks.
    fn write(&mut self, now: Instant) {
        let own = self.asked.map(|asked| (asked.number, asked.ask));
        let own = own.filter(|(number, _)| *number != self.page.cause && !self.is_cut_off(now));
        let leads = match self.page.standing {
            Standing::Joining => return,
            Standing::Solo => true,
            Standing::Paired if !self.sure || self.before.is_some() => return,
            Standing::Paired => self.page.scribe == self.settings.me,
        };
        if !leads {
            let stale = own.is_some_and(|(_, ask)| ask.version != self.page.book.version);
            if stale {
                self.answer_with(Outcome::Refused(Refused::Stale, self.current(now)));
            }
            return;
        }
        let paired = self.page.standing == Standing::Paired;
        if let Some((number, ask)) = own {
            if let Err(why) = self.propose(now, number, ask) {
                self.answer_with(Outcome::Refused(why, self.current(now)));
            }
        } else if let Some((number, ask)) = self.theirs.take().filter(|(number, _)| *number != self.page.cause)
            && paired
            && let Err(why) = self.propose(now, number, ask)
        {
            (self.refused, self.speak) = (Some((number, why)), true);
        }
    }

    fn propose(&mut self, now: Instant, number: u64, ask: Ask) -> Result<(), Refused> {
        let book = self.current(now).write(ask)?;
        let alone = self.page.standing == Standing::Solo || is(Broken::WrittenByOne);
        self.before = (!alone).then_some(self.page);
        (self.page.book, self.page.cause, self.unkept) = (book, number, true);
        if !matches!(ask.write, Write::Drop | Write::Leave) {
            self.ends = now.plus_millis(self.settings.takeover_ms);
        }
        if alone {
            self.answered();
        }
        Ok(())
    }
}
