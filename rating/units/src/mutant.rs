//! Deliberate mistakes about money and limits, so that the simulator can prove that it would notice them.
//!
//! A program built without the feature `mutants` has none: [`is`] is `false` at compile time. A build with it is for tests alone, does
//! not build without debug assertions, and makes at most the one mistake that was chosen.

#[cfg(all(feature = "mutants", not(debug_assertions)))]
compile_error!("mutants are for tests: no program that carries calls may have them");

/// One mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mutant {
    /// Ledger: a repeated request for a grant is lent a second time.
    LentTwice = 1,
    /// Ledger: a refusal is not written down.
    RefusalForgotten,
    /// Ledger: closing an unknown grant leaves no tombstone.
    NoTombstone,
    /// Ledger: a close gives back what posts that are on their way will need.
    ClosedBeforePosts,
    /// Ledger: a record that was posted before is posted again.
    PostedTwice,
    /// Ledger: more is lent than is available.
    LentBeyondFunds,
    /// Ledger: an answer leaves before the replica has what it says.
    AnsweredBeforeReplica,
    /// Node: any answer of the ledger is taken for the one to the last question.
    LateReplyTaken,
    /// Node: a call is answered without money.
    AnsweredWithoutReserve,
    /// Node: a call is answered before its start is safe in the journal.
    AnsweredBeforeStart,
    /// Node: a BYE is answered before the call's record is safe in the journal.
    ByeAnsweredBeforeRecord,
    /// Node: money is reserved by cheaper rates than the call is charged by.
    ReservedByAnotherRevision,
    /// Node: a call talks on when its paid time is over.
    TalksBeyondPaidTime,
    /// Node: what a call did not use is not freed.
    RestKept,
    /// Node: what a call did not use is freed before its record is safe.
    RestFreedEarly,
    /// Node: idle grants are kept.
    IdleGrantKept,
    /// Node: what the ledger does not answer is not asked again.
    NeverAskedAgain,
    /// Node: an attempt goes out although nothing was reserved of what its terminator may be owed.
    OwedNotReserved,
    /// Node: what a failed attempt reserved of what its terminator may be owed is not freed.
    OwedRestKept,
    /// Node: a call talks on when its terminator may be owed nothing more.
    TalksBeyondOwed,
    /// Restart: what ended calls used of what their terminators may be owed is not counted.
    OwedForgotten,
    /// Node: a node that was written off goes on with what it was lent.
    FenceIgnored,
    /// Restart: calls that a crash cut are not billed.
    CutCallForgotten,
    /// Restart: grants that were asked for without an answer are not closed.
    UnansweredForgotten,
    /// Restart: what a cut call may have talked unbilled is not written off.
    WriteOffForgotten,
    /// Restart: an open grant is taken over as if nothing of it had been used.
    UseForgotten,
    /// Limits: a node raises what it claims without minding that another did so meanwhile.
    ClaimsOutOfTurn,
    /// Limits: what is still in use is given to others.
    GivenWhileUsed,
    /// Limits: what shards still take calls by is given to others.
    GivenBeforeOrdered,
    /// Limits: a word that may come late is taken for one that was never said.
    DoubtIgnored,
    /// Limits: a node that is cut off goes on with what it had.
    ClaimNeverEnds,
    /// Limits: a node keeps what it once had.
    NothingGivenBack,
}

impl Mutant {
    /// Those about limits of a cluster.
    pub const LIMITS: [Mutant; 6] = [
        Mutant::ClaimsOutOfTurn,
        Mutant::GivenWhileUsed,
        Mutant::GivenBeforeOrdered,
        Mutant::DoubtIgnored,
        Mutant::ClaimNeverEnds,
        Mutant::NothingGivenBack,
    ];

    /// Those about money, all of them.
    pub const ALL: [Mutant; 26] = [
        Mutant::LentTwice,
        Mutant::RefusalForgotten,
        Mutant::NoTombstone,
        Mutant::ClosedBeforePosts,
        Mutant::PostedTwice,
        Mutant::LentBeyondFunds,
        Mutant::AnsweredBeforeReplica,
        Mutant::LateReplyTaken,
        Mutant::AnsweredWithoutReserve,
        Mutant::AnsweredBeforeStart,
        Mutant::ByeAnsweredBeforeRecord,
        Mutant::ReservedByAnotherRevision,
        Mutant::TalksBeyondPaidTime,
        Mutant::RestKept,
        Mutant::RestFreedEarly,
        Mutant::IdleGrantKept,
        Mutant::NeverAskedAgain,
        Mutant::OwedNotReserved,
        Mutant::OwedRestKept,
        Mutant::TalksBeyondOwed,
        Mutant::OwedForgotten,
        Mutant::FenceIgnored,
        Mutant::CutCallForgotten,
        Mutant::UnansweredForgotten,
        Mutant::WriteOffForgotten,
        Mutant::UseForgotten,
    ];
}

#[cfg(feature = "mutants")]
static CHOSEN: core::sync::atomic::AtomicU8 = core::sync::atomic::AtomicU8::new(0);

/// From here on the program makes this mistake, or none.
#[cfg(feature = "mutants")]
pub fn choose(mutant: Option<Mutant>) {
    CHOSEN.store(mutant.map_or(0, |mutant| mutant as u8), core::sync::atomic::Ordering::Relaxed);
}

/// True when this mistake is to be made.
#[cfg(feature = "mutants")]
pub fn is(mutant: Mutant) -> bool {
    CHOSEN.load(core::sync::atomic::Ordering::Relaxed) == mutant as u8
}

/// True when this mistake is to be made: never in this build.
#[cfg(not(feature = "mutants"))]
pub const fn is(_: Mutant) -> bool {
    false
}
