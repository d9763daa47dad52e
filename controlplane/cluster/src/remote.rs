//! A replica in another data centre: whom it follows, when it is copied anew, and that it is primary by an operator's command alone.
//!
//! ```text
//!   Follows ──── its primary says that it has commits of its own ────▶ Copies
//!      │    ◀──────────── copied, or the primary is gone ────────────────┘
//!      │
//!      └──── an operator's command, while nobody is heard to be primary ────▶ Promoted, for ever
//! ```
//! It has no say in the first data centre, acknowledges nothing and asks no arbiter: it sees two databases, one of which takes writes.
//!
//! It prefers to follow the replica. Whatever the replica has, its successor as primary has: a copy of it never has to be thrown away. What
//! the primary sends may be on no other disk yet, and be cut when the replica takes over.

use units::{Instant, NodeId};

use crate::broken::{Broken, is};
use crate::keeper::Role;
use crate::reign::{Local, Process};

/// So long a database that takes writes by command may do so without a word of its keeper, and the step that moment moves by.
const REIGN_MS: u64 = 60_000;
const REIGN_STEP_MS: u64 = 10_000;
/// How old a position of the own database is at least with which another's is compared: that was asked for some time ago too.
const PAST_MS: u64 = 1_000;
/// A primary that was heard so lately lives, although one question to it was lost.
const LATELY_MS: u64 = 5_000;

/// What an operator sets. Times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteSettings {
    /// A replica must have followed its primary for so long before it is followed in the primary's place.
    pub hold_down_ms: u64,
    /// Whoever is followed and is neither primary nor a replica that follows for so long is given up for the other.
    pub lost_ms: u64,
}

/// A database of the first data centre, as it is seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its node.
    pub node: NodeId,
    /// It answers.
    pub reached: bool,
    /// It takes writes.
    pub writable: bool,
    /// It receives and applies what another database commits.
    pub follows: bool,
    /// How many commits it has.
    pub position: u64,
}

/// Why an operator's command is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotPromoted {
    /// That database takes writes and answers, or did so some seconds ago.
    PrimaryThere(NodeId),
    /// The own database does not answer, or is being copied.
    NotRunning,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Follows,
    Copies(NodeId),
    Promoted,
}

/// One remote replica: see the module.
#[derive(Clone, Debug)]
pub struct Remote {
    settings: RemoteSettings,
    phase: Phase,
    source: Option<NodeId>,
    /// How many commits the own database had: one to two times [`PAST_MS`] ago, and since then, with when that was.
    past: (u64, u64, Instant),
    /// Who took writes when somebody did last, and when that was.
    heard: Option<(NodeId, Instant)>,
    /// Since when the source is of no use.
    unfit: Option<Instant>,
    /// Since when there is a replica that could be followed in the primary's place.
    better: Option<(NodeId, Instant)>,
}

impl Remote {
    /// A beginning. `promoted`: the command was carried out in an earlier life.
    pub fn new(settings: RemoteSettings, promoted: bool) -> Remote {
        let phase = if promoted && !is(Broken::RemoteForgets) { Phase::Promoted } else { Phase::Follows };
        Remote {
            settings,
            phase,
            source: None,
            past: (0, 0, Instant::default()),
            heard: None,
            unfit: None,
            better: None,
        }
    }

    /// Whom it follows.
    pub fn source(&self) -> Option<NodeId> {
        self.source.filter(|_| self.phase != Phase::Promoted)
    }

    /// It takes writes by an operator's command.
    pub fn is_promoted(&self) -> bool {
        self.phase == Phase::Promoted
    }

    /// Whether the command may be carried out: nobody else takes writes as far as can be heard.
    pub fn may_promote(&self, now: Instant, local: &Local) -> Result<(), NotPromoted> {
        let heard = self.heard.filter(|(_, at)| now.millis_since(*at) < LATELY_MS);
        if let Some((node, _)) = heard.filter(|_| !is(Broken::RemoteBesidePrimary)) {
            return Err(NotPromoted::PrimaryThere(node));
        }
        let whole = local.process == Process::Running && !matches!(self.phase, Phase::Copies(_));
        if whole { Ok(()) } else { Err(NotPromoted::NotRunning) }
    }

    /// The command stands on the disk.
    pub fn promoted(&mut self) {
        self.phase = Phase::Promoted;
    }

    /// Looks at the databases and says what the own one must be. `fresh`: it was asked since it was last told to be something else.
    pub fn turn(&mut self, now: Instant, local: &Local, fresh: bool, sources: &[Source]) -> Role {
        let primary = sources.iter().find(|source| source.reached && source.writable);
        self.heard = primary.map(|primary| (primary.node, now)).or(self.heard);
        if self.phase != Phase::Promoted {
            let before = self.source;
            self.choose(now, local, fresh, sources);
            // What is known was said of whom it followed before.
            self.judge(local, fresh && self.source == before, sources);
        }
        let nobody = !sources.iter().any(|source| source.reached);
        match (self.phase, self.source) {
            (Phase::Promoted, _) => reign(now),
            (Phase::Follows, Some(_)) if nobody && is(Broken::RemoteLeadsUnasked) => reign(now),
            (Phase::Copies(from), _) => Role::Clone(from),
            (Phase::Follows, Some(source)) => Role::Replica(source),
            (Phase::Follows, None) => Role::Standby,
        }
    }

    fn choose(&mut self, now: Instant, local: &Local, fresh: bool, sources: &[Source]) {
        let primary = primary_of(sources).map(|primary| primary.node);
        if now.millis_since(self.past.2) >= PAST_MS {
            self.past = (self.past.1, local.position, now);
        }
        // One that is behind would answer as if this one had parted from it.
        let behind = self.past.0;
        let ready = |source: &&Source| source.reached && source.follows && source.position >= behind;
        let replica = sources.iter().find(ready).map(|source| source.node);
        let Some(current) = self.source else {
            self.source = replica.or(primary);
            return;
        };
        let useful = |source: &Source| source.node == current && source.reached && (source.writable || source.follows);
        let since = self.unfit.unwrap_or(now);
        self.unfit = (!sources.iter().any(useful)).then_some(since);
        let better = replica.filter(|replica| *replica != current && primary == Some(current));
        let better = better.filter(|_| !is(Broken::RemoteStaysWithPrimary));
        let known = self.better.filter(|(node, _)| Some(*node) == better);
        self.better = known.or_else(|| better.map(|node| (node, now)));
        let lost = self.unfit.is_some_and(|since| now.millis_since(since) >= self.settings.lost_ms);
        let held = |(node, since): (NodeId, Instant)| {
            (now.millis_since(since) >= self.settings.hold_down_ms && !local.diverged).then_some(node)
        };
        let next = if lost {
            replica.or(primary)
        } else if fresh && local.diverged && primary != Some(current) {
            // A replica may only be behind: the primary's word counts.
            primary
        } else {
            self.better.and_then(held)
        };
        if let Some(next) = next.filter(|next| *next != current) {
            (self.source, self.unfit, self.better) = (Some(next), None, None);
        }
    }

    /// Its copy is thrown away only if the primary itself says that it cannot follow with it, and has at least as many commits: a primary with
    /// fewer may be an empty one that somebody founded by mistake.
    fn judge(&mut self, local: &Local, fresh: bool, sources: &[Source]) {
        let primary = primary_of(sources);
        self.phase = match (self.phase, self.source) {
            (Phase::Copies(from), _) => {
                let copied = fresh && !local.diverged;
                let goes_on = !copied && primary.is_some_and(|primary| primary.node == from);
                if goes_on { Phase::Copies(from) } else { Phase::Follows }
            }
            (Phase::Follows, Some(source)) if fresh && local.diverged && local.process == Process::Running => {
                let by_replica = is(Broken::RemoteCopiedByReplica);
                let told = primary.is_some_and(|primary| {
                    let enough = primary.position >= local.position || is(Broken::RemoteCopiedFromLess);
                    primary.node == source && enough
                });
                if told || by_replica { Phase::Copies(source) } else { Phase::Follows }
            }
            (phase, _) => phase,
        };
    }
}

/// The one that takes writes; with two nobody knows whose word counts.
fn primary_of(sources: &[Source]) -> Option<&Source> {
    let mut found = sources.iter().filter(|source| source.reached && source.writable);
    found.next().filter(|_| found.next().is_none())
}

fn reign(now: Instant) -> Role {
    // In steps: whoever kills it when the time is over is not told anew at every turn.
    let step = REIGN_STEP_MS * 1_000;
    let until = Instant::from_micros((now.micros() / step + 1) * step).plus_millis(REIGN_MS);
    Role::Primary { wait: false, until }
}
