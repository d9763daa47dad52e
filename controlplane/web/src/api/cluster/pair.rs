//! The arbiter of two servers without a third, as the keeper of this node sees it.

use cluster::{PairReport, PathReport, Stands};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a server of two may decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PairStanding {
    /// It goes on alone.
    Solo,
    /// Both decide together.
    Paired,
    /// It waits for the other to tell it everything.
    Joining,
}

/// A path to the other server, or a tie-breaker.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PairPath {
    /// Where it leads.
    pub to: String,
    /// Milliseconds since something was heard on it; absent: never.
    pub heard_ms: Option<u64>,
    /// Nothing was heard on it for too long.
    pub silent: bool,
}

/// Two servers that decide about their databases without a third, as the keeper of this node sees it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PairView {
    /// What this server may decide.
    pub standing: PairStanding,
    /// The other server is not heard.
    pub lost: bool,
    /// Both went on alone: an operator must empty one of them.
    pub split: bool,
    /// There is a command that turns the other server off.
    pub fences: bool,
    /// What became of that command the last time; empty: it was not run.
    pub fence: String,
    /// The paths to the other server.
    pub paths: Vec<PairPath>,
    /// Addresses that answer who is not cut off.
    pub tie_breakers: Vec<PairPath>,
}

impl PairView {
    pub(super) fn of(pair: &PairReport) -> PairView {
        let path = |path: &PathReport| PairPath {
            to: path.there.clone(),
            heard_ms: path.heard_ms,
            silent: pair.is_silent(path),
        };
        PairView {
            standing: match pair.page.standing {
                Stands::Solo => PairStanding::Solo,
                Stands::Paired => PairStanding::Paired,
                Stands::Joining => PairStanding::Joining,
            },
            lost: pair.lost,
            split: pair.split,
            fences: pair.fences,
            fence: pair.fence.clone(),
            paths: pair.paths.iter().map(path).collect(),
            tie_breakers: pair.tie_breakers.iter().map(path).collect(),
        }
    }
}

/// What somebody should look at where two servers decide without a third.
pub(super) fn warnings(pair: &PairReport) -> Vec<String> {
    let mut told = Vec::new();
    if pair.split {
        told.push("both servers went on alone: an operator has to empty one of them".to_owned());
    }
    if pair.lost {
        told.push("the other server is not heard".to_owned());
    }
    match pair.page.standing {
        Stands::Solo => told.push("this server decides alone: nobody could take over from it".to_owned()),
        Stands::Joining => told.push("this server waits for the other one to tell it everything".to_owned()),
        Stands::Paired => {}
    }
    let silent = |what: &str, path: &PathReport| format!("{what} {} is not heard", path.there);
    told.extend(pair.paths.iter().filter(|path| pair.is_silent(path)).map(|path| silent("path", path)));
    told.extend(pair.tie_breakers.iter().filter(|tie| pair.is_silent(tie)).map(|tie| silent("tie-breaker", tie)));
    told
}
