//! Whose call is it: from the sender's address and the called number to an ingress trunk, and what its rules make of the numbers.

use core::net::SocketAddr;

use snapshot::policy::{RewriteField, Transport};
use snapshot::{IngressView, Side, View};
use units::{AccountId, CarrierId, Cause, DeckId, IngressTrunkId, Jurisdiction, NodeId, Number, PlanId};

use crate::destination::Destination;
use crate::e164::is_international;
use crate::policy::{Policies, Rules};

/// A call as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Who sent it.
    pub source: SocketAddr,
    /// What carried it; `Auto` where that is unknown, which no trunk objects to.
    pub transport: Transport,
    /// The node that it came to.
    pub node: NodeId,
    /// The caller as it calls itself (From).
    pub calling: Number,
    /// The caller as others vouch for it (P-Asserted-Identity), where that was said.
    pub asserted: Option<Number>,
    /// The destination as dialled, with its tech prefix.
    pub called: Number,
    /// The location routing number that came with it, in international form; empty for none.
    pub lrn: Number,
}

/// A call that we know the originator of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// Where it came in.
    pub ingress: IngressTrunkId,
    /// The originator.
    pub carrier: CarrierId,
    /// The account that pays.
    pub account: AccountId,
    /// Which egress trunks may serve it.
    pub plan: PlanId,
    /// What it is sold at.
    pub sell_deck: DeckId,
    /// The caller after the rewrites of trunk and plan; may be empty.
    pub calling: Number,
    /// The destination without the tech prefix and after the rewrites of trunk and plan: what is rated and routed. Never empty
    /// in a call that was admitted.
    pub called: Number,
    /// Its location routing number, if the trunk is believed; empty for none.
    pub lrn: Number,
    /// Where the call goes, judged by the numbers as the trunk's rewrites leave them.
    pub jurisdiction: Jurisdiction,
    /// Concurrent calls of the trunk at most; 0 for no limit.
    pub capacity: u32,
    /// New calls a second of the trunk at most; 0 for no limit.
    pub cps: u32,
    /// Seconds after which the answered call is released; 0 for the switch's default.
    pub max_duration_s: u32,
    /// Seconds without RTP after which the call is released; 0 for never.
    pub media_timeout_s: u16,
}

impl Admission {
    /// Where the call goes.
    pub fn destination(&self) -> Destination {
        Destination { called: self.called, lrn: self.lrn, jurisdiction: self.jurisdiction }
    }
}

/// Finds the ingress trunk of a call and fills `out`, or says why it is refused; then `out` holds what was known by then.
///
/// Of the trunks whose source, transport and tech prefix fit, the longest tech prefix wins, then the longest network, then a required
/// port over any port, then a required transport over any, then the smallest id. The winner is found before asking whether it is
/// active: switching a trunk off must not let its calls in through another.
///
/// # Errors
/// 301, 309, 311, 332, 333 and 336 say whose call it is not; 337 that this node does not serve the trunk; 334, 335, 325 and 326 which list
/// of the trunk or the plan stands against a number; 28 that a rewrite made no number, or none that the plan takes.
pub fn admit(view: &View<'_>, policies: &Policies, arrival: &Arrival, out: &mut Admission) -> Result<(), Cause> {
    *out = Admission { calling: arrival.calling, called: arrival.called, ..Admission::default() };
    let mut refusal = Cause::ORIGINATOR_NOT_FOUND;
    let mut best: Option<((usize, u8, bool, bool), IngressView<'_>)> = None;
    for (trunk, network) in view.at_address(arrival.source.ip()) {
        let wanted = policies.ingress(trunk.id()).policy.transport;
        let strange = wanted != Transport::Auto && ![wanted, Transport::Auto].contains(&arrival.transport);
        if strange || (network.port != 0 && network.port != arrival.source.port()) {
            refusal = telling(refusal, Cause::PORT_MISMATCH);
            continue;
        }
        let tech_prefix = trunk.tech_prefix().as_bytes();
        if !arrival.called.as_bytes().starts_with(tech_prefix) {
            refusal = telling(refusal, Cause::TECH_PREFIX_MISMATCH);
            continue;
        }
        let rank = (tech_prefix.len(), network.bits, network.port != 0, wanted != Transport::Auto);
        let better =
            best.as_ref().is_none_or(|(found, other)| rank > *found || (rank == *found && trunk.id() < other.id()));
        if better {
            best = Some((rank, trunk));
        }
    }
    let (_, trunk) = best.ok_or(refusal)?;
    enter(view, policies, &trunk, arrival, out)
}

/// Like [`admit`] for a caller that has proved to be this trunk. An unknown trunk is 301.
///
/// # Errors
/// As [`admit`].
pub fn admit_by(
    view: &View<'_>,
    policies: &Policies,
    trunk: IngressTrunkId,
    arrival: &Arrival,
    out: &mut Admission,
) -> Result<(), Cause> {
    *out = Admission { calling: arrival.calling, called: arrival.called, ..Admission::default() };
    let trunk = view.ingress(trunk).ok_or(Cause::ORIGINATOR_NOT_FOUND)?;
    if !arrival.called.as_bytes().starts_with(trunk.tech_prefix().as_bytes()) {
        return Err(Cause::TECH_PREFIX_MISMATCH);
    }
    enter(view, policies, &trunk, arrival, out)
}

/// True if some ingress or egress trunk has this address, whatever the port: strangers get fewer answers than neighbours.
pub fn is_known(view: &View<'_>, source: SocketAddr) -> bool {
    let address = source.ip().to_canonical();
    view.at_address(address).next().is_some()
        || view.egress_trunks().any(|trunk| trunk.address().ip().to_canonical() == address)
}

/// An address that fits with a wrong prefix says more than one with a wrong port, and that more than none.
fn telling(known: Cause, other: Cause) -> Cause {
    if known == Cause::TECH_PREFIX_MISMATCH { known } else { other }
}

/// Fills in who it is, then applies the trunk's and the plan's rules: each stage first asks its lists, then rewrites. Between
/// them the call is judged, because the plan may depend on it.
fn enter(
    view: &View<'_>,
    policies: &Policies,
    trunk: &IngressView<'_>,
    arrival: &Arrival,
    out: &mut Admission,
) -> Result<(), Cause> {
    let rules = policies.ingress(trunk.id());
    let identity = &rules.policy.identity;
    let believed = arrival.asserted.filter(|_| identity.trusted && identity.calling_from_identity);
    *out = Admission {
        ingress: trunk.id(),
        carrier: trunk.carrier(),
        account: trunk.account(),
        plan: trunk.plan(),
        sell_deck: trunk.sell_deck(),
        calling: believed.unwrap_or(arrival.calling),
        called: arrival.called.strip_prefix(trunk.tech_prefix().as_bytes()).unwrap_or(Number::EMPTY),
        lrn: if rules.policy.portability.accept { arrival.lrn } else { Number::EMPTY },
        jurisdiction: Jurisdiction::Any,
        capacity: trunk.capacity(),
        cps: trunk.cps(),
        max_duration_s: trunk.max_duration_s(),
        media_timeout_s: trunk.media_timeout_s(),
    };
    if !trunk.active() {
        return Err(Cause::INGRESS_TRUNK_INACTIVE);
    }
    if view.carrier(trunk.carrier()).is_none_or(|carrier| carrier.blocked()) {
        return Err(Cause::CARRIER_BLOCKED);
    }
    if !rules.serves(arrival.node) {
        return Err(Cause::WRONG_NODE);
    }
    stage(rules, Side::Ingress, &mut out.calling, &mut out.called)?;
    out.jurisdiction = Destination::judged(&out.calling, out.called, out.lrn).jurisdiction;
    (out.plan, out.sell_deck) = trunk.way(out.jurisdiction);
    plan_stage(policies, out.plan, &mut out.calling, &mut out.called)
}

/// The plan's stage: its lists and rewrites, and whether what they leave could be anyone's number.
pub(crate) fn plan_stage(
    policies: &Policies,
    plan: PlanId,
    calling: &mut Number,
    called: &mut Number,
) -> Result<(), Cause> {
    stage(policies.plan(plan), Side::Plan, calling, called)?;
    let wrong = policies.choice(plan).check_called && !is_international(called);
    if wrong { Err(Cause::INVALID_NUMBER) } else { Ok(()) }
}

/// One stage: lists, then rewrites. Empty destinations are caught before and after.
pub(crate) fn stage(rules: &Rules, side: Side, calling: &mut Number, called: &mut Number) -> Result<(), Cause> {
    if called.digits().is_empty() {
        return Err(Cause::DESTINATION_EMPTY);
    }
    rules.admit_numbers(side, calling, called)?;
    *calling = rules.rewrite_number(RewriteField::Calling, *calling)?;
    *called = rules.rewrite_number(RewriteField::Called, *called)?;
    if called.digits().is_empty() { Err(Cause::DESTINATION_EMPTY) } else { Ok(()) }
}
