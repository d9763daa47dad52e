//! Whose call is it: from the sender's address and the called number to an ingress trunk.

use core::net::SocketAddr;

use snapshot::{IngressView, View};
use units::{AccountId, CarrierId, Cause, DeckId, IngressTrunkId, Number, PlanId};

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
    /// The called number without the tech prefix; never empty.
    pub called: Number,
    /// Concurrent calls of the trunk at most; 0 for no limit.
    pub capacity: u32,
    /// New calls a second of the trunk at most; 0 for no limit.
    pub cps: u32,
    /// Seconds after which the answered call is released; 0 for the switch's default.
    pub max_duration_s: u32,
    /// Seconds without RTP after which the call is released; 0 for never.
    pub media_timeout_s: u16,
}

/// Finds the ingress trunk of a call, or the cause to refuse it with.
///
/// Of the trunks whose source and tech prefix fit, the longest tech prefix wins, then the longest network, then a required port
/// over any port, then the smallest id. The winner is found before asking whether it is active: switching a trunk off must not let
/// its calls in through another.
pub fn admit(view: &View<'_>, source: SocketAddr, called: &Number) -> Result<Admission, Cause> {
    let mut refusal = Cause::ORIGINATOR_NOT_FOUND;
    let mut best: Option<((usize, u8, bool), IngressView<'_>)> = None;
    for (trunk, network) in view.at_address(source.ip()) {
        if network.port != 0 && network.port != source.port() {
            refusal = telling(refusal, Cause::PORT_MISMATCH);
            continue;
        }
        let tech_prefix = trunk.tech_prefix().as_bytes();
        if !called.as_bytes().starts_with(tech_prefix) {
            refusal = telling(refusal, Cause::TECH_PREFIX_MISMATCH);
            continue;
        }
        let rank = (tech_prefix.len(), network.bits, network.port != 0);
        let better =
            best.as_ref().is_none_or(|(found, other)| rank > *found || (rank == *found && trunk.id() < other.id()));
        if better {
            best = Some((rank, trunk));
        }
    }
    let (_, trunk) = best.ok_or(refusal)?;
    enter(view, &trunk, called)
}

/// Admits a call to this number by an ingress trunk that the caller has proved to be.
///
/// # Errors
/// The cause of the refusal.
pub fn admit_by(view: &View<'_>, trunk: IngressTrunkId, called: &Number) -> Result<Admission, Cause> {
    let trunk = view.ingress(trunk).ok_or(Cause::ORIGINATOR_NOT_FOUND)?;
    if !called.as_bytes().starts_with(trunk.tech_prefix().as_bytes()) {
        return Err(Cause::TECH_PREFIX_MISMATCH);
    }
    enter(view, &trunk, called)
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

fn enter(view: &View<'_>, trunk: &IngressView<'_>, called: &Number) -> Result<Admission, Cause> {
    if !trunk.active() {
        return Err(Cause::INGRESS_TRUNK_INACTIVE);
    }
    if view.carrier(trunk.carrier()).is_none_or(|carrier| carrier.blocked()) {
        return Err(Cause::CARRIER_BLOCKED);
    }
    let called = called.strip_prefix(trunk.tech_prefix().as_bytes()).unwrap_or(Number::EMPTY);
    if called.digits().is_empty() {
        return Err(Cause::DESTINATION_EMPTY);
    }
    Ok(Admission {
        ingress: trunk.id(),
        carrier: trunk.carrier(),
        account: trunk.account(),
        plan: trunk.plan(),
        sell_deck: trunk.sell_deck(),
        called,
        capacity: trunk.capacity(),
        cps: trunk.cps(),
        max_duration_s: trunk.max_duration_s(),
        media_timeout_s: trunk.media_timeout_s(),
    })
}
