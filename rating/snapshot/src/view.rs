//! A snapshot read in place: each view is a few words over the images' bytes and copies nothing.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use units::{
    AccountId, CarrierId, Currency, DeckId, EgressTrunkId, IngressTrunkId, Jurisdiction, Money, NodeId, PlanId,
    Revision, TrunkGroupId, WallTime,
};

use crate::calendar::Offset;
use crate::deck::{DeckView, wanted};
use crate::flaw::ImageFlaw;
use crate::image::{DeckImage, Wanted};
use crate::layout::{self, account, carrier, deck, egress, gate, header, ingress, limits, plan, route, source};
use crate::model::{CarrierLimits, FAILOVER_PLANS_MAX, Limits, Order, Source};
use crate::read::{Record, i64_at, section, u64_at};

/// A whole snapshot.
#[derive(Clone, Copy)]
pub struct View<'a> {
    image: &'a [u8],
    /// The images of decks that stand outside, in order of the decks' ids.
    decks: &'a [DeckImage],
}

impl core::fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "snapshot {} of {} bytes", self.revision(), self.image.len())
    }
}

impl<'a> View<'a> {
    /// Reads every byte of a snapshot in one piece and says why it must not be used.
    pub fn check(image: &[u8]) -> Result<(), ImageFlaw> {
        crate::verify::image(image)?;
        match View::open(image).wanted().next() {
            None => Ok(()),
            Some(wanted) => Err(ImageFlaw::Apart(wanted.deck)),
        }
    }

    /// Opens bytes that passed [`View::check`]; costs nothing, so that it may be done every turn. Other bytes give wrong answers,
    /// but neither panics nor endless loops.
    pub fn open(image: &'a [u8]) -> View<'a> {
        View { image, decks: &[] }
    }

    /// Opens what a [`crate::Snapshot`] put together.
    pub(crate) fn with(image: &'a [u8], decks: &'a [DeckImage]) -> View<'a> {
        View { image, decks }
    }

    /// The decks whose images stand outside, in order of id.
    pub fn wanted(&self) -> impl Iterator<Item = Wanted<'a>> + use<'a> {
        self.records(layout::DECKS).filter(|record| record.u64(deck::PLACE) == 0).map(wanted)
    }

    pub(crate) fn image(&self) -> &[u8] {
        self.image
    }

    /// The snapshot's number.
    pub fn revision(&self) -> Revision {
        Revision(u64_at(self.image, header::REVISION))
    }

    /// When it was built.
    pub fn built(&self) -> WallTime {
        WallTime::from_micros(i64_at(self.image, header::BUILT))
    }

    /// What the whole switch may have.
    pub fn limits(&self) -> Limits {
        let mut bytes = [0; limits::SIZE];
        bytes.copy_from_slice(&self.image[header::LIMITS..][..limits::SIZE]);
        limits_of(bytes)
    }

    /// The carrier with this id.
    pub fn carrier(&self, id: CarrierId) -> Option<CarrierView<'a>> {
        Record::find(self.image, layout::CARRIERS, id.0).map(CarrierView)
    }

    /// The account with this id.
    pub fn account(&self, id: AccountId) -> Option<AccountView<'a>> {
        Record::find(self.image, layout::ACCOUNTS, id.0).map(AccountView)
    }

    /// The ingress trunk with this id.
    pub fn ingress(&self, id: IngressTrunkId) -> Option<IngressView<'a>> {
        Record::find(self.image, layout::INGRESS, id.0).map(IngressView)
    }

    /// The egress trunk with this id.
    pub fn egress(&self, id: EgressTrunkId) -> Option<EgressView<'a>> {
        Record::find(self.image, layout::EGRESS, id.0).map(EgressView)
    }

    /// The deck with this id.
    pub fn deck(&self, id: DeckId) -> Option<DeckView<'a>> {
        Record::find(self.image, layout::DECKS, id.0).and_then(|record| deck_of(record, self.decks))
    }

    /// The plan with this id.
    pub fn plan(&self, id: PlanId) -> Option<PlanView<'a>> {
        Record::find(self.image, layout::PLANS, id.0).map(PlanView)
    }

    /// All carriers, in order of id.
    pub fn carriers(&self) -> impl Iterator<Item = CarrierView<'a>> + use<'a> {
        self.records(layout::CARRIERS).map(CarrierView)
    }

    /// All ingress trunks, in order of id.
    pub fn ingress_trunks(&self) -> impl Iterator<Item = IngressView<'a>> + use<'a> {
        self.records(layout::INGRESS).map(IngressView)
    }

    /// All egress trunks, in order of id.
    pub fn egress_trunks(&self) -> impl Iterator<Item = EgressView<'a>> + use<'a> {
        self.records(layout::EGRESS).map(EgressView)
    }

    /// All decks, in order of id.
    pub fn decks(&self) -> impl Iterator<Item = DeckView<'a>> + use<'a> {
        let decks = self.decks;
        self.records(layout::DECKS).filter_map(move |record| deck_of(record, decks))
    }

    /// All plans, in order of id.
    pub fn plans(&self) -> impl Iterator<Item = PlanView<'a>> + use<'a> {
        self.records(layout::PLANS).map(PlanView)
    }

    /// Every source that this address falls into with its trunk, IPv4 before IPv6 and longest network first. A source's port is not looked at.
    pub fn at_address(&self, address: IpAddr) -> impl Iterator<Item = (IngressView<'a>, Source)> + use<'a> {
        let image = self.image;
        let (bytes, family) = address_bytes(address.to_canonical());
        self.records(layout::GATES)
            .filter(move |gate| gate.u8(gate::FAMILY) == family)
            .flat_map(move |gate| through_gate(image, gate, masked(bytes, gate.u8(gate::BITS))))
    }

    fn records(&self, of: layout::Section) -> impl Iterator<Item = Record<'a>> + use<'a> {
        let image = self.image;
        (0..section(image, of).1).map_while(move |index| Record::nth(image, of, index))
    }
}

fn deck_of<'a>(record: Record<'a>, decks: &'a [DeckImage]) -> Option<DeckView<'a>> {
    if record.u64(deck::PLACE) != 0 {
        return DeckView::new(record, inside(record)?);
    }
    let index = record.at.saturating_sub(section(record.image, layout::DECKS).0) / deck::SIZE;
    DeckView::new(record, decks.get(index)?.bytes())
}

/// The image of a deck that stands in the main image.
pub(crate) fn inside(record: Record<'_>) -> Option<&[u8]> {
    let start = usize::try_from(record.u64(deck::PLACE)).ok()?;
    let length = usize::try_from(record.u64(deck::LENGTH)).ok()?;
    record.image.get(start..start.checked_add(length)?)
}

/// The sources of a gate with exactly this network.
fn through_gate<'a>(
    image: &'a [u8],
    gate: Record<'a>,
    network: [u8; 16],
) -> impl Iterator<Item = (IngressView<'a>, Source)> + use<'a> {
    let (first, count) = (gate.u32(gate::FIRST), gate.u32(gate::COUNT));
    let nth = move |index| Record::nth(image, layout::SOURCES, index);
    let end = first.saturating_add(count);
    let (mut low, mut high) = (first, end);
    while low < high {
        let middle = low + (high - low) / 2;
        match nth(middle) {
            Some(record) if record.chunk::<16>(source::NETWORK) < network => low = middle + 1,
            _ => high = middle,
        }
    }
    (low..end).map_while(nth).take_while(move |record| record.chunk(source::NETWORK) == network).filter_map(
        move |record| {
            let trunk = Record::nth(image, layout::INGRESS, record.u32(source::TRUNK))?;
            Some((IngressView(trunk), source_of(record)))
        },
    )
}

/// An address as sixteen bytes and its family.
pub(crate) fn address_bytes(address: IpAddr) -> ([u8; 16], u8) {
    match address {
        IpAddr::V4(v4) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&v4.octets());
            (bytes, 4)
        }
        IpAddr::V6(v6) => (v6.octets(), 6),
    }
}

/// The first `bits` bits, the others zero.
pub(crate) fn masked(bytes: [u8; 16], bits: u8) -> [u8; 16] {
    let kept = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
    (u128::from_be_bytes(bytes) & kept).to_be_bytes()
}

fn address_of(bytes: [u8; 16], family: u8) -> IpAddr {
    match family {
        4 => IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3])),
        _ => IpAddr::V6(Ipv6Addr::from(bytes)),
    }
}

fn source_of(record: Record<'_>) -> Source {
    Source {
        network: address_of(record.chunk(source::NETWORK), record.u8(source::FAMILY)),
        bits: record.u8(source::BITS),
        port: record.u16(source::PORT),
    }
}

macro_rules! views {
    ($($(#[$meta:meta])* $name:ident {$(
        $(#[$field_meta:meta])* $field:ident: $kind:ty = |$record:ident| $read:expr;
    )*})*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy)]
        pub struct $name<'a>(Record<'a>);

        impl<'a> $name<'a> {$(
            $(#[$field_meta])*
            pub fn $field(&self) -> $kind {
                let $record = self.0;
                $read
            }
        )*}
    )*};
}

fn limits_of(bytes: [u8; limits::SIZE]) -> Limits {
    let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let (capacity, cps) = (number(limits::CAPACITY), number(limits::CPS));
    Limits { capacity, cps, cps_window_s: bytes[limits::CPS_WINDOW] }
}

views! {
    /// A carrier.
    CarrierView {
        /// Its id.
        id: CarrierId = |record| CarrierId(record.u32(layout::ID));
        /// The short name that operators use.
        code: &'a str = |record| record.text(layout::CODE);
        /// Neither sends nor takes calls.
        blocked: bool = |record| record.u8(carrier::BLOCKED) != 0;
        /// What it may have over all its trunks.
        limits: CarrierLimits = |record| CarrierLimits {
            ingress: limits_of(record.chunk(carrier::INGRESS)),
            egress: limits_of(record.chunk(carrier::EGRESS)),
            capacity: record.u32(carrier::CAPACITY),
            originator_capacity: record.u32(carrier::ORIGINATOR_CAPACITY),
        };
    }

    /// An account.
    AccountView {
        /// Its id.
        id: AccountId = |record| AccountId(record.u32(layout::ID));
        /// Whose it is.
        carrier: CarrierId = |record| CarrierId(record.u32(account::CARRIER));
        /// What it counts in.
        currency: Currency = |record| Currency::from_bytes(record.chunk(account::CURRENCY)).unwrap_or(Currency::USD);
        /// What its carrier may be owed is limited.
        owed_limited: bool = |record| record.u8(account::OWED_LIMITED) != 0;
    }

    /// An ingress trunk.
    IngressView {
        /// Its id.
        id: IngressTrunkId = |record| IngressTrunkId(record.u32(layout::ID));
        /// The short name that operators use.
        code: &'a str = |record| record.text(layout::CODE);
        /// Whose it is.
        carrier: CarrierId = |record| CarrierId(record.u32(ingress::CARRIER));
        /// The account that pays.
        account: AccountId = |record| AccountId(record.u32(ingress::ACCOUNT));
        /// Digits in front of the called number, removed before routing; empty for none.
        tech_prefix: &'a str = |record| record.text(ingress::TECH_PREFIX);
        /// Which egress trunks may serve it.
        plan: PlanId = |record| PlanId(record.u32(ingress::PLAN));
        /// What its calls are sold at.
        sell_deck: DeckId = |record| DeckId(record.u32(ingress::SELL_DECK));
        /// Comes before the sell deck wherever it has a rate in force.
        override_deck: Option<DeckId> = |record| Some(DeckId(record.u32(ingress::OVERRIDE_DECK))).filter(|deck| deck.0 != 0);
        /// Concurrent calls at most; 0 for no limit.
        capacity: u32 = |record| record.u32(ingress::CAPACITY);
        /// New calls a second at most; 0 for no limit.
        cps: u32 = |record| record.u32(ingress::CPS);
        /// Takes calls.
        active: bool = |record| record.u8(ingress::ACTIVE) != 0;
        /// Seconds after which an answered call is released; 0 for the switch's default.
        max_duration_s: u32 = |record| record.u32(ingress::MAX_DURATION);
        /// Seconds without RTP after which a call is released; 0 for never.
        media_timeout_s: u16 = |record| record.u16(ingress::MEDIA_TIMEOUT);
    }

    /// An egress trunk.
    EgressView {
        /// Its id.
        id: EgressTrunkId = |record| EgressTrunkId(record.u32(layout::ID));
        /// The short name that operators use.
        code: &'a str = |record| record.text(layout::CODE);
        /// Whose it is.
        carrier: CarrierId = |record| CarrierId(record.u32(egress::CARRIER));
        /// The account that is credited.
        account: AccountId = |record| AccountId(record.u32(egress::ACCOUNT));
        /// Where INVITEs are sent.
        address: SocketAddr = |record| SocketAddr::new(
            address_of(record.chunk(egress::ADDRESS), record.u8(egress::FAMILY)),
            record.u16(egress::PORT),
        );
        /// Digits removed from the front of the called number before `add_prefix`.
        strip_digits: u8 = |record| record.u8(egress::STRIP);
        /// Put in front of the called number; empty for none.
        add_prefix: &'a str = |record| record.text(egress::ADD_PREFIX);
        /// What its calls cost us.
        buy_deck: DeckId = |record| DeckId(record.u32(egress::BUY_DECK));
        /// Comes before the buy deck wherever it has a rate in force.
        override_deck: Option<DeckId> = |record| Some(DeckId(record.u32(egress::OVERRIDE_DECK))).filter(|deck| deck.0 != 0);
        /// Concurrent calls at most; 0 for no limit.
        capacity: u32 = |record| record.u32(egress::CAPACITY);
        /// New calls a second at most; 0 for no limit.
        cps: u32 = |record| record.u32(egress::CPS);
        /// Takes calls.
        active: bool = |record| record.u8(egress::ACTIVE) != 0;
        /// Seconds from INVITE to the first 18x or 200; 0 for the default.
        progress_timeout_s: u16 = |record| record.u16(egress::PROGRESS_TIMEOUT);
        /// Seconds from the first 18x to the answer; 0 for the default.
        ring_timeout_s: u16 = |record| record.u16(egress::RING_TIMEOUT);
    }

    /// A routing plan.
    PlanView {
        /// Its id.
        id: PlanId = |record| PlanId(record.u32(layout::ID));
        /// The short name that operators use.
        code: &'a str = |record| record.text(layout::CODE);
        /// The order of routes.
        order: Order = |record| Order::from_code(record.u8(plan::ORDER)).unwrap_or_default();
        /// Sell minus buy price of a minute must be at least this.
        margin_min: Money = |record| Money::from_nanos(record.i64(plan::MARGIN_MIN));
        /// Routes tried for one call at most; 1 to 16.
        attempts_max: u8 = |record| record.u8(plan::ATTEMPTS_MAX);
        /// Seconds from INVITE to answer over all attempts; 0 for the default.
        setup_timeout_s: u16 = |record| record.u16(plan::SETUP_TIMEOUT);
        /// The plan whose routes are tried when none of this one is left.
        failover: Option<PlanId> = |record| Some(PlanId(record.u32(plan::FAILOVER))).filter(|id| id.0 != 0);
        /// How it chooses, beyond the order, as text ([`crate::PlanRules::from_text`]).
        rules: &'a str = |record| record.text(plan::RULES);
    }

    /// A candidate of a plan: a route to a trunk, or one member of a route to a group.
    RouteView {
        /// The trunk.
        egress_trunk: EgressTrunkId = |record| EgressTrunkId(record.u32(route::EGRESS));
        /// Which route of its plan, from 0; members of one group have the same.
        place: usize = |record| usize::from(record.u8(route::PLACE));
        /// The route's priority: higher first.
        priority: i16 = |record| record.i16(route::PRIORITY);
        /// The route's weight: lower first.
        weight: u16 = |record| record.u16(route::WEIGHT);
        /// The route's share in per cent, 0 to 100.
        percent: u8 = |record| record.u8(route::PERCENT);
        /// The group that the route leads to.
        group: Option<TrunkGroupId> = |record| Some(TrunkGroupId(record.u32(route::GROUP))).filter(|id| id.0 != 0);
        /// The member's priority in its group: higher first.
        member_priority: i16 = |record| record.i16(route::MEMBER_PRIORITY);
        /// The member's share among those of its priority.
        member_weight: u16 = |record| record.u16(route::MEMBER_WEIGHT);
        /// When the route may be tried, as text ([`crate::RouteRules::from_text`]).
        rules: &'a str = |record| record.text(route::RULES);
    }
}

impl<'a> IngressView<'a> {
    /// How signalling with it goes, as text ([`crate::Policy::from_text`]).
    pub fn policy(&self) -> &'a str {
        self.0.text(ingress::POLICY)
    }

    /// The plan and the deck for calls of a jurisdiction: the trunk's own where it names no others.
    pub fn way(&self, jurisdiction: Jurisdiction) -> (PlanId, DeckId) {
        let others = match jurisdiction {
            Jurisdiction::Any | Jurisdiction::International => return (self.plan(), self.sell_deck()),
            Jurisdiction::Inter => ingress::WAYS,
            Jurisdiction::Intra => ingress::WAYS + 8,
            Jurisdiction::Indeterminate => ingress::WAYS + 16,
        };
        let (plan, deck) = (self.0.u32(others), self.0.u32(others + 4));
        let plan = if plan == 0 { self.plan() } else { PlanId(plan) };
        (plan, if deck == 0 { self.sell_deck() } else { DeckId(deck) })
    }

    /// Where its calls may come from, longest networks first.
    pub fn sources(&self) -> impl Iterator<Item = Source> + use<'a> {
        let Record { image, at } = self.0;
        let place = at.saturating_sub(section(image, layout::INGRESS).0) / ingress::SIZE;
        let all =
            (0..section(image, layout::SOURCES).1).map_while(move |index| Record::nth(image, layout::SOURCES, index));
        all.filter(move |record| record.u32(source::TRUNK) as usize == place).map(source_of)
    }
}

impl<'a> EgressView<'a> {
    /// How signalling with it goes, as text ([`crate::Policy::from_text`]).
    pub fn policy(&self) -> &'a str {
        self.0.text(egress::POLICY)
    }
}

impl<'a> PlanView<'a> {
    /// Rewrites, number lists and answers at the plan stage, as text ([`crate::Policy::from_text`]).
    pub fn policy(&self) -> &'a str {
        self.0.text(plan::POLICY)
    }

    /// The offsets of its zone from UTC, in order of time; empty for UTC.
    pub fn offsets(&self) -> impl Iterator<Item = Offset> + use<'a> {
        let mut words = self.0.text(plan::OFFSETS).split_whitespace();
        core::iter::from_fn(move || {
            let from = WallTime::from_micros(words.next()?.parse().ok()?);
            Some(Offset { from, ahead_s: words.next()?.parse().ok()? })
        })
    }

    /// The candidates, as the plan lists them.
    pub fn routes(&self) -> impl Iterator<Item = RouteView<'a>> + use<'a> {
        let image = self.0.image;
        let (first, count) = (self.0.u32(plan::FIRST), self.0.u32(plan::COUNT));
        let records = (first..first.saturating_add(count)).map_while(move |at| Record::nth(image, layout::ROUTES, at));
        records.map(RouteView)
    }
}

impl<'a> RouteView<'a> {
    /// The nodes of the member's site.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + use<'a> {
        self.0.text(route::NODES).split_whitespace().filter_map(|node| node.parse().ok().map(NodeId))
    }
}

impl<'a> View<'a> {
    /// A plan and the failover plans behind it, three at most; none twice.
    pub fn plan_chain(&self, first: PlanId) -> impl Iterator<Item = PlanView<'a>> + use<'a> {
        let view = *self;
        let mut seen = [first; FAILOVER_PLANS_MAX];
        let chain = core::iter::successors(self.plan(first), move |plan| view.plan(plan.failover()?));
        chain.take(FAILOVER_PLANS_MAX).enumerate().map_while(move |(depth, plan)| {
            let again = seen[..depth].contains(&plan.id());
            seen[depth] = plan.id();
            (!again).then_some(plan)
        })
    }
}
