//! What limits, balances and caps would say to a call at this moment: rooms as the data plane counts them, money as the ledger has it.
//!
//! The API, the page, files of calls and the command line ask it here.

use std::collections::BTreeMap;
use std::sync::Arc;

use panel::wire::{Answer, Ask, Figures, RoomRow};
use rating::Policies;
use serde::{Deserialize, Serialize};
use snapshot::{Limits, View};
use store::{LimitOf, LimitRow, Purse, Store};
use units::{AccountId, CarrierId, Cause, EgressTrunkId, IngressTrunkId, Money, NodeId};
use utoipa::ToSchema;

use super::{Admission, Candidate, Simulation};
use crate::live::Heard;
use crate::services::App;

/// What stands against a call at this moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hurdle {
    /// What the call would be refused with, or the route passed over.
    pub cause: u16,
    /// No call gets past it. Else one may still: nodes hold money of the account, and only they know how much of it is free; or nodes share
    /// the limit, and another one may leave this one room.
    pub certain: bool,
    /// In words, with numbers.
    pub reason: String,
}

/// What calls hold and what accounts would lend: asked once, for one call or for many.
#[derive(Debug)]
pub struct Moment {
    figures: Option<Arc<Figures>>,
    held: Result<BTreeMap<LimitOf, Held>, String>,
    store: Result<Store, String>,
    purses: BTreeMap<AccountId, Result<Option<Purse>, String>>,
    unknown: Vec<String>,
}

/// What calls hold of a limit.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    /// Calls.
    calls: u32,
    /// New calls in the window.
    recent: u32,
    /// How many of each this node has to itself, where nodes share the limit.
    part: Option<(u32, u32)>,
}

/// What a call, or a route of one, needs to go on: room in each of these, and so much of a purse.
#[derive(Clone, Debug)]
pub struct Needs {
    rooms: [LimitOf; 4],
    purse: Option<(AccountId, Money)>,
}

impl Needs {
    /// A call of this originator on this trunk, which its account pays; `least` is what it needs to begin.
    pub fn of_call(originator: CarrierId, trunk: IngressTrunkId, (account, least): (AccountId, Money)) -> Needs {
        let (sends, both) = (LimitOf::Originator(originator.0), LimitOf::Carrier(originator.0));
        let rooms = [LimitOf::Switch, sends, both, LimitOf::IngressTrunk(trunk.0)];
        Needs { rooms, purse: Some((account, least)) }
    }

    /// A route of it by this trunk; `owes` is the account that would be owed, and how much at first.
    pub fn of_route(
        (originator, terminator): (CarrierId, CarrierId),
        trunk: EgressTrunkId,
        owes: Option<(AccountId, Money)>,
    ) -> Needs {
        let (takes, both) = (LimitOf::Terminator(terminator.0), LimitOf::Carrier(terminator.0));
        let share = LimitOf::Share { terminator: terminator.0, originator: originator.0 };
        let purse = owes.map(|(account, least)| (account.owed(), least));
        Needs { rooms: [takes, both, share, LimitOf::EgressTrunk(trunk.0)], purse }
    }
}

impl Moment {
    /// What the data plane of this node told of itself and of rooms, and where the ledger is; a text says why something is not known.
    pub fn new(
        node: NodeId,
        (figures, rooms): (Option<Arc<Figures>>, Result<Answer, String>),
        store: Result<Store, String>,
    ) -> Moment {
        let held = rooms.and_then(|answer| match answer {
            Answer::Rooms(rooms) => Ok(rooms.iter().filter_map(|row| held(row, node)).collect()),
            other => Err(format!("the data plane answered {other:?}")),
        });
        Moment { figures, held, store, purses: BTreeMap::new(), unknown: Vec::new() }
    }

    /// This moment, of this node.
    pub(crate) async fn of(app: &App) -> Moment {
        let rooms = app.link.ask(Ask::Rooms).await.map_err(|flaw| flaw.to_string());
        let heard = app.live.heard().filter(Heard::is_up);
        Moment::new(app.node, (heard.map(|heard| heard.figures), rooms), Ok(app.store.clone()))
    }

    /// What the data plane knows of trunks; `None` while it is away.
    pub fn day(&self) -> Option<&Figures> {
        self.figures.as_deref()
    }

    /// What stands against a call or a route with these needs, under the limits of this snapshot.
    pub async fn against(&mut self, view: &View<'_>, policies: &Policies, needs: &Needs) -> Vec<Hurdle> {
        let mut hurdles = Vec::new();
        match &self.held {
            Ok(held) => {
                for of in needs.rooms {
                    let Held { calls, recent, part } = held.get(&of).copied().unwrap_or_default();
                    let row = LimitRow { of, limits: allowed(view, policies, of), calls, recent };
                    hurdles.extend([room(&row, part), pace(&row, part)].into_iter().flatten());
                }
            }
            Err(why) => self.unknown.push(format!("capacity and CPS: {why}")),
        }
        if let Some((account, least)) = needs.purse {
            match self.purse(account).await {
                Ok(purse) => hurdles.extend(purse.and_then(|purse| short(&purse, least))),
                Err(why) => self.unknown.push(why),
            }
        }
        hurdles
    }

    /// What could not be looked at since this was last asked, each once; `None` if all could.
    pub fn unknown(&mut self) -> Option<String> {
        let mut told: Vec<String> = Vec::new();
        for why in self.unknown.drain(..) {
            if !told.contains(&why) {
                told.push(why);
            }
        }
        Some(told.join("; ")).filter(|text| !text.is_empty())
    }

    /// What an account would lend, asked once; a database that does not answer is not waited for again.
    async fn purse(&mut self, account: AccountId) -> Result<Option<Purse>, String> {
        if let Some(known) = self.purses.get(&account) {
            return known.clone();
        }
        let store = self.store.as_ref().map_err(|why| format!("money: {why}"))?;
        let found = match store.purse(account).await {
            Ok(purse) => Ok(purse),
            Err(flaw) if flaw.is_away() => {
                let why = flaw.to_string();
                self.store = Err(why.clone());
                return Err(format!("money: {why}"));
            }
            Err(flaw) => Err(format!("money of account {account}: {flaw}")),
        };
        self.purses.insert(account, found.clone());
        found
    }
}

impl Simulation {
    /// Adds what stands against the call and each of its routes at this moment, or why that is not known.
    pub(crate) async fn meet(&mut self, view: &View<'_>, policies: &Policies, moment: &mut Moment) {
        let Some(Admission { originator, account, ingress_trunk, .. }) = &self.admission else { return };
        let originator = CarrierId(originator.id.0);
        let paid = (AccountId(account.id.0), self.least);
        let needs = Needs::of_call(originator, IngressTrunkId(ingress_trunk.id.0), paid);
        self.hurdles = moment.against(view, policies, &needs).await;
        for candidate in self.candidates.iter_mut().filter(|candidate| candidate.cause.is_none()) {
            let Candidate { terminator, egress_trunk, owes, .. } = candidate;
            let needs =
                Needs::of_route((originator, CarrierId(terminator.id.0)), EgressTrunkId(egress_trunk.id.0), *owes);
            candidate.hurdles = moment.against(view, policies, &needs).await;
        }
        self.limits_unknown = moment.unknown();
    }

    /// What is sure to stand against the call at this moment, or else against each of its routes: then the first route's.
    pub(crate) fn refusal_now(&self) -> Option<&Hurdle> {
        let kept = self.candidates.iter().filter(|candidate| candidate.place.is_some());
        refusal_now(&self.hurdles, kept.map(|candidate| candidate.hurdles.as_slice()))
    }
}

/// What is sure to stand against a call with these routes, or else against each of them: then the first route's.
pub fn refusal_now<'a>(call: &'a [Hurdle], mut routes: impl Iterator<Item = &'a [Hurdle]>) -> Option<&'a Hurdle> {
    let sure = |hurdles: &'a [Hurdle]| hurdles.iter().find(|hurdle| hurdle.certain);
    let own = sure(call);
    if own.is_some() {
        return own;
    }
    let first = sure(routes.next()?)?;
    routes.all(|hurdles| sure(hurdles).is_some()).then_some(first)
}

fn held(row: &RoomRow, node: NodeId) -> Option<(LimitOf, Held)> {
    let own = row.parts.iter().find(|part| part.node == node.0);
    let part = own.map(|part| (part.calls, part.recent));
    let held = Held { calls: row.calls, recent: row.recent, part };
    Some((LimitOf::told(&row.of, row.id, row.originator)?, held))
}

/// What a snapshot allows; nothing is limited of whom it does not know.
fn allowed(view: &View<'_>, policies: &Policies, of: LimitOf) -> Limits {
    let carrier = |id| view.carrier(CarrierId(id)).map(|carrier| carrier.limits()).unwrap_or_default();
    let capacity = |capacity| Limits { capacity, ..Limits::default() };
    match of {
        LimitOf::Switch => view.limits(),
        LimitOf::Originator(id) => carrier(id).ingress,
        LimitOf::Terminator(id) => carrier(id).egress,
        LimitOf::Carrier(id) => capacity(carrier(id).capacity),
        LimitOf::Share { terminator, .. } => capacity(carrier(terminator).originator_capacity),
        LimitOf::IngressTrunk(id) => {
            let cps_window_s = policies.ingress(IngressTrunkId(id)).policy.cps_window_s;
            let trunk = view.ingress(IngressTrunkId(id));
            trunk.map_or(Limits::default(), |trunk| Limits {
                capacity: trunk.capacity(),
                cps: trunk.cps(),
                cps_window_s,
            })
        }
        LimitOf::EgressTrunk(id) => {
            let cps_window_s = policies.egress(EgressTrunkId(id)).policy.cps_window_s;
            let trunk = view.egress(EgressTrunkId(id));
            trunk.map_or(Limits::default(), |trunk| Limits {
                capacity: trunk.capacity(),
                cps: trunk.cps(),
                cps_window_s,
            })
        }
    }
}

fn room(row: &LimitRow, part: Option<(u32, u32)>) -> Option<Hurdle> {
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
    let here = part.map(|(calls, _)| calls);
    full(cause, (calls, most, here), format!("{of} has {calls} of {most} calls"))
}

/// A limit that is used up, or this node's part of it.
fn full(cause: Cause, (held, most, part): (u32, u32, Option<u32>), reason: String) -> Option<Hurdle> {
    let certain = held >= most;
    let reason = match part.filter(|_| !certain) {
        Some(part) => format!("{reason}, and this node has {part} to itself: others may leave it more"),
        None => reason,
    };
    let is_full = certain || part.is_some_and(|part| held >= part);
    (most > 0 && is_full).then_some(Hurdle { cause: cause.0, certain, reason })
}

fn pace(row: &LimitRow, part: Option<(u32, u32)>) -> Option<Hurdle> {
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
    let here = part.map(|(_, recent)| recent);
    full(cause, (recent, most, here), format!("{of} had {recent} of {most} new calls in {window_s} s"))
}

/// What keeps a purse from lending the first slice.
fn short(purse: &Purse, least: Money) -> Option<Hurdle> {
    let left = purse.left.filter(|left| least.is_positive() && *left < least)?;
    let (cause, held) = (purse.objection, purse.held);
    let text = cause.text();
    let reason = format!("{text}: a call needs {least} to begin, {left} may still be lent, and nodes hold {held}");
    Some(Hurdle { cause: cause.0, certain: !held.is_positive(), reason })
}
