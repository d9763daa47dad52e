//! What one of two servers without a third tells of itself: to operators, and to the control plane beside it.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use units::NodeId;

use super::{Page, Standing};
use crate::book::Book;
use crate::words::KeeperStatus;

/// The page as it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// As [`Page::view`].
    pub view: u64,
    /// As [`Page::standing`].
    pub standing: Stands,
    /// As [`Page::scribe`].
    pub scribe: u16,
    /// As [`Book::version`].
    pub version: u64,
    /// As [`Book::epoch`].
    pub epoch: u64,
    /// As [`Book::holder`].
    pub holder: Option<u16>,
    /// As [`Book::held`].
    pub held: bool,
    /// As [`Book::sync`].
    pub sync: Option<u16>,
    /// As [`Book::sync_life`].
    #[serde(default)]
    pub sync_life: u64,
}

/// As [`Standing`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stands {
    /// It goes on alone.
    Solo,
    /// Both go on together.
    Paired,
    /// It waits to be told everything.
    #[default]
    Joining,
}

impl From<Page> for Kept {
    fn from(page: Page) -> Kept {
        let Book { version, epoch, holder, held, sync, sync_life } = page.book;
        let standing = match page.standing {
            Standing::Solo => Stands::Solo,
            Standing::Paired => Stands::Paired,
            Standing::Joining => Stands::Joining,
        };
        let (holder, sync) = (holder.map(|node| node.0), sync.map(|node| node.0));
        Kept { view: page.view, standing, scribe: page.scribe.0, version, epoch, holder, held, sync, sync_life }
    }
}

impl From<Kept> for Page {
    fn from(kept: Kept) -> Page {
        let Kept { view, standing, scribe, version, epoch, holder, held, sync, sync_life } = kept;
        let standing = match standing {
            Stands::Solo => Standing::Solo,
            Stands::Paired => Standing::Paired,
            Stands::Joining => Standing::Joining,
        };
        let book = Book { version, epoch, holder: holder.map(NodeId), held, sync: sync.map(NodeId), sync_life };
        Page { view, standing, scribe: NodeId(scribe), book, cause: 0 }
    }
}

/// A path between the two servers, or a tie-breaker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathReport {
    /// Where it leads.
    pub there: String,
    /// Milliseconds since something was heard on it; none: never.
    pub heard_ms: Option<u64>,
}

/// What one of two servers knows. Fields that a reader does not know are passed over, those that are missing are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PairReport {
    /// When it was written: milliseconds since 1970-01-01 UTC. One that is old comes from a keeper that is gone.
    pub at_ms: i64,
    /// This server's page.
    pub page: Kept,
    /// The holder's lease lives, as this server knows.
    pub held: bool,
    /// Nothing comes back from the other.
    pub lost: bool,
    /// Both went on alone: an operator must empty one of them.
    pub split: bool,
    /// The paths.
    pub paths: Vec<PathReport>,
    /// The tie-breakers, as paths.
    pub tie_breakers: Vec<PathReport>,
    /// A path or a tie-breaker that was not heard for so many milliseconds is silent; 0: not told.
    pub silent_ms: u64,
    /// There is a command that turns the other server off.
    pub fences: bool,
    /// What became of the last fence command; empty: none was run.
    pub fence: String,
    /// What this server's keeper tells, and what the other's told last.
    pub keepers: Vec<KeeperStatus>,
}

impl PairReport {
    /// Both servers decide together.
    pub fn is_together(&self) -> bool {
        self.page.standing == Stands::Paired && !self.lost && !self.split
    }

    /// Nothing was heard there for too long.
    pub fn is_silent(&self, path: &PathReport) -> bool {
        path.heard_ms.is_none_or(|heard| self.silent_ms > 0 && heard > self.silent_ms)
    }
}

/// What a keeper is asked at its socket: a line of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PanelAsk {
    /// What it knows.
    Report,
    /// To make this node's database primary now, as long as nothing can be lost by that.
    Promote(u16),
}

/// What it answers: a line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PanelAnswer {
    /// What it knows.
    Report(PairReport),
    /// It is done; the epoch.
    Promoted(u64),
    /// It was begun, did not come to its end in time, and was taken back.
    Late,
    /// It is not done; why.
    Refused(String),
}
