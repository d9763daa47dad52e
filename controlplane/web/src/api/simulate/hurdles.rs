//! What limits, balances and caps would say to a call at this moment: rooms as the data plane counts them, money as the ledger has it.

use panel::wire::{Answer, Ask, RoomRow};
use serde::{Deserialize, Serialize};
use store::{LimitOf, LimitRow, Purse};
use units::{AccountId, Cause, Money};
use utoipa::ToSchema;

use super::Simulation;
use crate::services::App;

/// What stands against a call at this moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hurdle {
    /// What the call would be refused with, or the route passed over.
    pub cause: u16,
    /// No call gets past it. Else one may still: nodes hold money of the account, and only they know how much of it is
    /// free.
    pub certain: bool,
    /// In words, with numbers.
    pub reason: String,
}

impl Simulation {
    /// Adds what stands against the call and each of its routes at this moment, or why that is not known.
    pub(super) async fn meet(&mut self, app: &App) {
        let Some(admission) = &self.admission else { return };
        let (originator, account) = (admission.originator.id.0, admission.account.id.0);
        let trunk = admission.ingress_trunk.id.0;
        let mut unknown = Vec::new();
        match rooms(app).await {
            Ok(rows) => {
                let own = [LimitOf::Switch, LimitOf::Originator(originator), LimitOf::Carrier(originator)];
                self.hurdles = full(&rows, own.into_iter().chain([LimitOf::IngressTrunk(trunk)]));
                for candidate in self.candidates.iter_mut().filter(|candidate| candidate.cause.is_none()) {
                    let terminator = candidate.terminator.id.0;
                    let share = LimitOf::Share { terminator, originator };
                    let of = [LimitOf::Terminator(terminator), LimitOf::Carrier(terminator), share];
                    let of = of.into_iter().chain([LimitOf::EgressTrunk(candidate.egress_trunk.id.0)]);
                    candidate.hurdles = full(&rows, of);
                }
            }
            Err(why) => unknown.push(format!("capacity and CPS: {why}")),
        }
        let mut purse = async |account: AccountId, least: Money| match app.store.purse(account).await {
            Ok(purse) => purse.and_then(|purse| short(&purse, least)),
            Err(flaw) => {
                unknown.push(format!("money of account {account}: {flaw}"));
                None
            }
        };
        self.hurdles.extend(purse(AccountId(account), self.least).await);
        for candidate in self.candidates.iter_mut().filter(|candidate| candidate.cause.is_none()) {
            if let Some((account, least)) = candidate.owes {
                candidate.hurdles.extend(purse(account.owed(), least).await);
            }
        }
        self.limits_unknown = Some(unknown.join("; ")).filter(|text| !text.is_empty());
    }
}

/// Every limit that is set, with what calls hold of it.
async fn rooms(app: &App) -> Result<Vec<LimitRow>, String> {
    let rooms = match app.link.ask(Ask::Rooms).await {
        Ok(Answer::Rooms(rooms)) => rooms,
        Ok(other) => return Err(format!("the data plane answered {other:?}")),
        Err(_) => return Err("the data plane does not answer".to_owned()),
    };
    let told = |row: &RoomRow| Some((LimitOf::told(&row.of, row.id, row.originator)?, row.calls, row.recent));
    let held: Vec<_> = rooms.iter().filter_map(told).collect();
    app.store.limits(&held).await.map_err(|flaw| flaw.to_string())
}

/// Those of these limits that have no room for one call more.
fn full(rows: &[LimitRow], of: impl Iterator<Item = LimitOf>) -> Vec<Hurdle> {
    let rows: Vec<&LimitRow> = of.filter_map(|of| rows.iter().find(|row| row.of == of)).collect();
    rows.into_iter().flat_map(|row| [room(row), pace(row)]).flatten().collect()
}

fn room(row: &LimitRow) -> Option<Hurdle> {
    let (of, cause) = match row.of {
        LimitOf::Switch => ("the switch", Cause::GLOBAL_CAPACITY),
        LimitOf::Originator(_) => ("the originator", Cause::ORIGINATOR_CARRIER_CAPACITY),
        LimitOf::Terminator(_) => ("the terminator", Cause::TERMINATOR_CARRIER_CAPACITY),
        LimitOf::Carrier(_) => ("the carrier, both directions", Cause::CARRIER_CAPACITY),
        LimitOf::Share { .. } => ("the terminator, for this originator", Cause::TERMINATOR_SHARE),
        LimitOf::IngressTrunk(_) => ("the ingress trunk", Cause::ORIGINATOR_CAPACITY),
        LimitOf::EgressTrunk(_) => ("the egress trunk", Cause::TERMINATOR_CAPACITY),
    };
    let (calls, most) = (row.calls, row.limits.capacity);
    let reason = format!("{of} has {calls} of {most} calls");
    (most > 0 && calls >= most).then_some(Hurdle { cause: cause.0, certain: true, reason })
}

fn pace(row: &LimitRow) -> Option<Hurdle> {
    let (of, cause) = match row.of {
        LimitOf::Switch => ("the switch", Cause::GLOBAL_CPS),
        LimitOf::Originator(_) => ("the originator", Cause::ORIGINATOR_CARRIER_CPS),
        LimitOf::Terminator(_) => ("the terminator", Cause::TERMINATOR_CARRIER_CPS),
        LimitOf::IngressTrunk(_) => ("the ingress trunk", Cause::ORIGINATOR_CPS),
        LimitOf::EgressTrunk(_) => ("the egress trunk", Cause::TERMINATOR_CPS),
        LimitOf::Carrier(_) | LimitOf::Share { .. } => return None,
    };
    let window_s = u32::from(row.limits.cps_window_s.max(1));
    let (recent, most) = (row.recent, row.limits.cps.saturating_mul(window_s));
    let reason = format!("{of} had {recent} of {most} new calls in {window_s} s");
    (most > 0 && recent >= most).then_some(Hurdle { cause: cause.0, certain: true, reason })
}

/// What keeps a purse from lending the first slice.
fn short(purse: &Purse, least: Money) -> Option<Hurdle> {
    let left = purse.left.filter(|left| least.is_positive() && *left < least)?;
    let (cause, held) = (purse.objection, purse.held);
    let text = cause.text();
    let reason = format!("{text}: a call needs {least} to begin, {left} may still be lent, and nodes hold {held}");
    Some(Hurdle { cause: cause.0, certain: !held.is_positive(), reason })
}
