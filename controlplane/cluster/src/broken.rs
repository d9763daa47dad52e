//! The rules broken one by one, so that the simulator can prove that it would notice.
//!
//! Without the feature `mutants` none is: [`is`] is `false` at compile time.

#[cfg(all(feature = "mutants", not(debug_assertions)))]
compile_error!("mutants are for tests: no program that keeps a database may have them");

/// One rule that is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Broken {
    /// The arbiter writes what was decided on an older book.
    StaleWritten = 1,
    /// A replica that may lack commits takes over.
    TakesWithoutSync,
    /// A replica that was started again takes over, although it lacks what it had received before and not applied.
    CountedReborn,
    /// A replica takes over before it has applied what it received: started again in between, it would lack that.
    TakesUnapplied,
    /// What one life of the replica acknowledged is held to be in the next one.
    JoinedReborn,
    /// A primary commits alone before the book says that it is alone.
    AloneUnrecorded,
    /// A replica is recorded before it has caught up.
    RecordedTooSoon,
    /// The primary hands over before the other has everything.
    GivenTooSoon,
    /// The primary takes writes again although its handing over may still be written.
    ThawedUnsure,
    /// The holder's time is counted from the answer, not from before the question.
    CountedFromAnswer,
    /// The holder goes on when its time is over.
    NoDeadline,
    /// A holder is held for gone before its own time is over.
    LapsedTooSoon,
    /// A replica throws its copy away while the book counts on it.
    ClonesWhileCounted,
    /// A replica throws its copy away without asking whether it was made the holder meanwhile.
    ClonesUnasked,
    /// A database that is slow is taken for dead.
    SlowIsDead,
    /// The service goes back at once, however shaky its old home.
    NoHoldDown,
    /// A database that must not take writes any more is set read-only instead of killed: what waits for the replica is committed.
    DemotedAlive,
    /// A database that died as primary recovers as a replica would although nobody took over: what stood in its log alone is cut.
    CutsWhatNobodyHas,
    /// An address is named another's before it is taken down here.
    PassedBeforeDown,
    /// An address stays with a service that does not work.
    SickStays,
    /// An address goes back to a better place that works for a moment.
    PassedToFlapping,
    /// One of two servers takes for written what the other does not have.
    WrittenByOne,
    /// Of two servers the one with the right takes over before the holder's time is over.
    RightTooEarly,
    /// A right is used although the other may have a page that gives the right to it.
    RightUnclear,
    /// A server that was restarted trusts the page on its disk.
    RightAfterRestart,
    /// A server that comes back has a say before the other waits for it.
    RightsAtOnce,
    /// A fence command counts although the other could have gone on before it was turned off.
    FencedLate,
    /// A fence command that failed counts.
    FencedUnsure,
    /// A server that reaches nobody turns the other off.
    FencesCutOff,
    /// An old beat counts as a sign of life.
    ReplaysHeard,
    /// A holder that nobody reaches goes on although the other could.
    HoldsCutOff,
    /// A remote replica becomes primary by itself when it reaches nobody.
    RemoteLeadsUnasked,
    /// A remote replica that was promoted follows again after it was started again.
    RemoteForgets,
    /// A remote replica is promoted beside a primary that answers.
    RemoteBesidePrimary,
    /// A remote replica goes on following the primary although there is a replica, and gets what no successor may have.
    RemoteStaysWithPrimary,
    /// A remote replica throws its copy away on the word of a replica, which may only be behind.
    RemoteCopiedByReplica,
    /// A remote replica throws its copy away for a primary that has fewer commits.
    RemoteCopiedFromLess,
}

impl Broken {
    /// All of them.
    pub const ALL: [Broken; 37] = [
        Broken::StaleWritten,
        Broken::TakesWithoutSync,
        Broken::CountedReborn,
        Broken::TakesUnapplied,
        Broken::JoinedReborn,
        Broken::AloneUnrecorded,
        Broken::RecordedTooSoon,
        Broken::GivenTooSoon,
        Broken::ThawedUnsure,
        Broken::CountedFromAnswer,
        Broken::NoDeadline,
        Broken::LapsedTooSoon,
        Broken::ClonesWhileCounted,
        Broken::ClonesUnasked,
        Broken::SlowIsDead,
        Broken::NoHoldDown,
        Broken::DemotedAlive,
        Broken::CutsWhatNobodyHas,
        Broken::PassedBeforeDown,
        Broken::SickStays,
        Broken::PassedToFlapping,
        Broken::WrittenByOne,
        Broken::RightTooEarly,
        Broken::RightUnclear,
        Broken::RightAfterRestart,
        Broken::RightsAtOnce,
        Broken::FencedLate,
        Broken::FencedUnsure,
        Broken::FencesCutOff,
        Broken::ReplaysHeard,
        Broken::HoldsCutOff,
        Broken::RemoteLeadsUnasked,
        Broken::RemoteForgets,
        Broken::RemoteBesidePrimary,
        Broken::RemoteStaysWithPrimary,
        Broken::RemoteCopiedByReplica,
        Broken::RemoteCopiedFromLess,
    ];
}

#[cfg(feature = "mutants")]
static CHOSEN: core::sync::atomic::AtomicU8 = core::sync::atomic::AtomicU8::new(0);

/// From here on this rule is broken, or none.
#[cfg(feature = "mutants")]
pub fn choose(broken: Option<Broken>) {
    CHOSEN.store(broken.map_or(0, |broken| broken as u8), core::sync::atomic::Ordering::Relaxed);
}

/// True when this rule is to be broken.
#[cfg(feature = "mutants")]
pub fn is(broken: Broken) -> bool {
    CHOSEN.load(core::sync::atomic::Ordering::Relaxed) == broken as u8
}

/// True when this rule is to be broken: never in this build.
#[cfg(not(feature = "mutants"))]
pub const fn is(_: Broken) -> bool {
    false
}
