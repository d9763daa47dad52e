//! What goes into a snapshot, as plain values.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use units::{
    AccountId, CarrierId, Currency, DeckId, EgressTrunkId, IngressTrunkId, Money, PlanId, RateClass, Revision,
    Rounding, TrunkGroupId, WallTime,
};

use crate::calendar::{Calendar, Offset};
use crate::image::DeckImage;
use crate::policy::Policy;
use crate::routing::{PlanRules, RouteRules};

/// Characters of a prefix at most.
pub const PREFIX_BYTES_MAX: usize = 15;
/// Routes tried for one call at most, whatever a plan says.
pub const ATTEMPTS_MAX: usize = 16;
/// Candidates of one plan with its failover plans at most: a route to a trunk is one, a route to a group one for each member.
pub const PLAN_ROUTES_MAX: usize = 64;
/// Plans that a call may go through at most: its own and the failover plans behind it.
pub const FAILOVER_PLANS_MAX: usize = 3;

/// The whole of one revision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    /// Its number.
    pub revision: Revision,
    /// When it was built.
    pub built: WallTime,
    /// What the whole switch may have: calls that come in (causes 302 and 341).
    pub limits: Limits,
    /// All carriers.
    pub carriers: Vec<Carrier>,
    /// All accounts. Balances are not in a snapshot: money comes by grants.
    pub accounts: Vec<Account>,
    /// What currencies are worth in one of them, the base currency, which is worth one; empty where only one is used.
    pub exchange_rates: Vec<ExchangeRate>,
    /// All ways in.
    pub ingress_trunks: Vec<IngressTrunk>,
    /// All ways out.
    pub egress_trunks: Vec<EgressTrunk>,
    /// All price lists.
    pub decks: Vec<Deck>,
    /// All groups of egress trunks.
    pub groups: Vec<TrunkGroup>,
    /// All routing plans.
    pub plans: Vec<Plan>,
}

/// Calls at the same time and new calls; a limit of 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Concurrent calls at most.
    pub capacity: u32,
    /// New calls a second at most, on average over the window.
    pub cps: u32,
    /// Length of the window in seconds, 1 to 60; 0 for 1.
    pub cps_window_s: u8,
}

/// What a carrier may have over all its trunks; a limit of 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CarrierLimits {
    /// Calls that it sends (causes 313 and 427).
    pub ingress: Limits,
    /// Calls that it takes (causes 328 and 421).
    pub egress: Limits,
    /// Concurrent calls in both directions at most (cause 420).
    pub capacity: u32,
    /// Concurrent calls that it takes of any one originator at most (cause 422).
    pub originator_capacity: u32,
}

/// A company we connect with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Carrier {
    /// Its id.
    pub id: CarrierId,
    /// The short name that operators use, unique.
    pub code: String,
    /// Neither sends nor takes calls (cause 311).
    pub blocked: bool,
    /// What it may have over all its trunks.
    pub limits: CarrierLimits,
}

/// A carrier's money.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Whose it is.
    pub carrier: CarrierId,
    /// What it counts in.
    pub currency: Currency,
    /// What its carrier may be owed for calls that it takes is limited: each of them must be granted its cost.
    pub owed_limited: bool,
}

impl Default for Account {
    fn default() -> Account {
        let (id, carrier) = (AccountId::default(), CarrierId::default());
        Account { id, carrier, currency: Currency::USD, owed_limited: false }
    }
}

/// What one unit of a currency is worth in the base currency, from a moment on until the next one of the same currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExchangeRate {
    /// The currency.
    pub currency: Currency,
    /// Valid from this moment on.
    pub from: WallTime,
    /// Units of the base currency; above 0 and at most 1,000,000.
    pub value: Money,
}

/// One address range that an ingress trunk takes calls from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The network's address.
    pub network: IpAddr,
    /// Leading bits that must agree: 0–32 (IPv4) or 0–128 (IPv6).
    pub bits: u8,
    /// The source port that is required; 0 takes any.
    pub port: u16,
}

/// How a carrier's calls come in.
#[derive(Clone, Debug, PartialEq)]
pub struct IngressTrunk {
    /// Its id.
    pub id: IngressTrunkId,
    /// The short name that operators use, unique.
    pub code: String,
    /// Whose it is.
    pub carrier: CarrierId,
    /// The account that pays.
    pub account: AccountId,
    /// Where its calls may come from.
    pub sources: Vec<Source>,
    /// Digits in front of the called number, removed before routing; empty for none.
    pub tech_prefix: String,
    /// Which egress trunks may serve it.
    pub plan: PlanId,
    /// What its calls are sold at.
    pub sell_deck: DeckId,
    /// Comes before the sell deck wherever it has a rate in force; `None` for none.
    pub override_deck: Option<DeckId>,
    /// Other plans and decks for calls of one jurisdiction.
    pub ways: Ways,
    /// Concurrent calls at most; 0 for no limit.
    pub capacity: u32,
    /// New calls a second at most; 0 for no limit.
    pub cps: u32,
    /// Takes calls (otherwise cause 309).
    pub active: bool,
    /// Seconds after which an answered call is released; 0 for the switch's default of 7,200.
    pub max_duration_s: u32,
    /// Seconds without RTP from either side after which a call is released (cause 401); 0 for never.
    pub media_timeout_s: u16,
    /// How signalling with it goes.
    pub policy: Policy,
}

impl Default for IngressTrunk {
    /// Takes calls from nowhere, without limits.
    fn default() -> IngressTrunk {
        IngressTrunk {
            id: IngressTrunkId::default(),
            code: String::new(),
            carrier: CarrierId::default(),
            account: AccountId::default(),
            sources: Vec::new(),
            tech_prefix: String::new(),
            plan: PlanId::default(),
            sell_deck: DeckId::default(),
            override_deck: None,
            ways: Ways::default(),
            capacity: 0,
            cps: 0,
            active: true,
            max_duration_s: 0,
            media_timeout_s: 0,
            policy: Policy::default(),
        }
    }
}

/// A plan and a sell deck instead of the trunk's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// Which egress trunks may serve the calls; `None` for the trunk's plan.
    pub plan: Option<PlanId>,
    /// What the calls are sold at; `None` for the trunk's deck.
    pub sell_deck: Option<DeckId>,
}

/// Where calls of one jurisdiction go and what they are sold at, if not as the trunk's others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ways {
    /// From one state to another.
    pub inter: Way,
    /// Within one state.
    pub intra: Way,
    /// To the United States, and a state is not known.
    pub indeterminate: Way,
}

impl Ways {
    /// Those three in order of the jurisdictions' numbers, 1 to 3.
    pub fn all(&self) -> [Way; 3] {
        [self.inter, self.intra, self.indeterminate]
    }
}

/// How calls go out to a carrier.
#[derive(Clone, Debug, PartialEq)]
pub struct EgressTrunk {
    /// Its id.
    pub id: EgressTrunkId,
    /// The short name that operators use, unique.
    pub code: String,
    /// Whose it is.
    pub carrier: CarrierId,
    /// The account that is credited.
    pub account: AccountId,
    /// Where INVITEs are sent.
    pub address: SocketAddr,
    /// Digits removed from the front of the called number before `add_prefix`.
    pub strip_digits: u8,
    /// Put in front of the called number; empty for none.
    pub add_prefix: String,
    /// What its calls cost us.
    pub buy_deck: DeckId,
    /// Comes before the buy deck wherever it has a rate in force; `None` for none.
    pub override_deck: Option<DeckId>,
    /// Concurrent calls at most; 0 for no limit.
    pub capacity: u32,
    /// New calls a second at most; 0 for no limit.
    pub cps: u32,
    /// Takes calls; inactive trunks are dropped from routes.
    pub active: bool,
    /// Seconds from INVITE to the first 18x or 200 before the next route is tried; 0 for the default of 8.
    pub progress_timeout_s: u16,
    /// Seconds from the first 18x to the answer; 0 for the default of 120.
    pub ring_timeout_s: u16,
    /// How signalling with it goes.
    pub policy: Policy,
}

impl Default for EgressTrunk {
    /// Sends calls to 0.0.0.0:0, as they came and without limits.
    fn default() -> EgressTrunk {
        EgressTrunk {
            id: EgressTrunkId::default(),
            code: String::new(),
            carrier: CarrierId::default(),
            account: AccountId::default(),
            address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            strip_digits: 0,
            add_prefix: String::new(),
            buy_deck: DeckId::default(),
            override_deck: None,
            capacity: 0,
            cps: 0,
            active: true,
            progress_timeout_s: 0,
            ring_timeout_s: 0,
            policy: Policy::default(),
        }
    }
}

/// A price list of one carrier, one side.
#[derive(Clone, Debug, PartialEq)]
pub struct Deck {
    /// Its id.
    pub id: DeckId,
    /// The short name that operators use, unique.
    pub code: String,
    /// What its prices count in.
    pub currency: Currency,
    /// Decimals of a price, 0 to 9.
    pub decimals: u8,
    /// Milliseconds to seconds.
    pub rounding: Rounding,
    /// Billing steps count from the call's beginning; otherwise from the end of the minimum.
    pub steps_from_zero: bool,
    /// Tax on top of the price, in millionths; 0 to [`units::TAX_PPM_MAX`].
    pub tax_ppm: u32,
    /// The zone of its clock as IANA names it, such as `Europe/Paris`: dates of sheets and the calendar are meant there.
    pub zone: String,
    /// How far that clock is ahead of UTC, in order of time; empty for UTC.
    pub offsets: Vec<Offset>,
    /// Which hours are peak and which days are free.
    pub calendar: Calendar,
    /// Rates of one jurisdiction count; otherwise only those of any.
    pub by_jurisdiction: bool,
    /// Looked up by the location routing number of a call that has one; otherwise by the dialled number.
    pub by_lrn: bool,
    /// The rates; several may share a prefix with different classes and dates.
    pub rates: Vec<Rate>,
    /// The rates as bytes, if they were packed before; `rates` is not looked at then. Nothing of the deck but its rates is in them,
    /// so that they serve as long as no rate changes.
    pub packed: Option<DeckImage>,
}

impl Deck {
    /// How many rates it has, packed or not.
    pub fn rate_count(&self) -> usize {
        self.packed.as_ref().map_or(self.rates.len(), |image| image.rates() as usize)
    }
}

impl Default for Deck {
    /// An empty deck in US dollars, six decimals, rounding up.
    fn default() -> Deck {
        Deck {
            id: DeckId::default(),
            code: String::new(),
            currency: Currency::USD,
            decimals: 6,
            rounding: Rounding::default(),
            steps_from_zero: false,
            tax_ppm: 0,
            zone: String::from("UTC"),
            offsets: Vec::new(),
            calendar: Calendar::default(),
            by_jurisdiction: false,
            by_lrn: false,
            rates: Vec::new(),
            packed: None,
        }
    }
}

/// One line of a deck.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    /// Digits (or letters) that the called number must start with; 1 to 15 characters of `[0-9A-Z*#]`; empty matches all.
    pub prefix: String,
    /// What people call the destination; may be empty.
    pub destination: String,
    /// Price of sixty seconds.
    pub per_minute: Money,
    /// Price of sixty seconds within the minimum; `None` for `per_minute`.
    pub first_per_minute: Option<Money>,
    /// Charged once for an answered call.
    pub connection_fee: Money,
    /// Seconds billed at least.
    pub minimum_s: u16,
    /// Length of a billing step, in seconds.
    pub increment_s: u16,
    /// Free seconds (grace).
    pub free_s: u16,
    /// Valid from this moment on.
    pub from: WallTime,
    /// Valid until just before this moment; `None` for ever.
    pub till: Option<WallTime>,
    /// Calls there are refused (causes 330 and 331).
    pub blocked: bool,
    /// Which calls it is for, besides the prefix.
    pub class: RateClass,
}

impl Default for Rate {
    /// Free calls to everywhere, since ever and for ever, in steps of one second.
    fn default() -> Rate {
        Rate {
            prefix: String::new(),
            destination: String::new(),
            per_minute: Money::ZERO,
            first_per_minute: None,
            connection_fee: Money::ZERO,
            minimum_s: 1,
            increment_s: 1,
            free_s: 0,
            from: WallTime::from_micros(0),
            till: None,
            blocked: false,
            class: RateClass::ANY,
        }
    }
}

/// In what order a plan's routes are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Order {
    /// Cheapest buy rate first.
    #[default]
    Lcr = 0,
    /// Higher priority first, then cheapest.
    Priority = 1,
    /// Lower weight first (as in M4), then cheapest.
    Weight = 2,
    /// A share of calls to each in per cent; 0 is never tried.
    Percent = 3,
    /// Higher quality index first, then cheapest; see [`crate::policy::QualityIndex`].
    Quality = 4,
}

impl Order {
    /// The order with this number.
    pub fn from_code(code: u8) -> Option<Order> {
        let all = [Order::Lcr, Order::Priority, Order::Weight, Order::Percent, Order::Quality];
        all.into_iter().find(|order| *order as u8 == code)
    }
}

/// Which egress trunks may serve an ingress trunk, in what order.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Its id.
    pub id: PlanId,
    /// The short name that operators use, unique.
    pub code: String,
    /// The order of routes.
    pub order: Order,
    /// Sell minus buy price of a minute must be at least this; negative allows a loss.
    pub margin_min: Money,
    /// Routes tried for one call at most; 1 to 16.
    pub attempts_max: u8,
    /// Seconds from INVITE to answer over all attempts; 0 for the default of 180.
    pub setup_timeout_s: u16,
    /// The candidates.
    pub routes: Vec<PlanRoute>,
    /// The plan whose routes are tried when none of this one is left.
    pub failover: Option<PlanId>,
    /// How it chooses, beyond the order.
    pub rules: PlanRules,
    /// The offsets of its zone from UTC, in order of time; whoever builds the model resolves them. Empty for UTC.
    pub offsets: Vec<Offset>,
    /// Rewrites, number lists and answers at the plan stage.
    pub policy: Policy,
}

impl Default for Plan {
    /// Cheapest first, no loss, as many attempts as a call may have.
    fn default() -> Plan {
        Plan {
            id: PlanId::default(),
            code: String::new(),
            order: Order::default(),
            margin_min: Money::ZERO,
            attempts_max: ATTEMPTS_MAX as u8,
            setup_timeout_s: 0,
            routes: Vec::new(),
            failover: None,
            rules: PlanRules::default(),
            offsets: Vec::new(),
            policy: Policy::default(),
        }
    }
}

impl Plan {
    /// What its routes lead to, with each route's place: members of groups one by one. A group that is not there leads nowhere.
    pub fn candidates<'a>(&'a self, groups: &[TrunkGroup]) -> Vec<(usize, &'a PlanRoute, GroupMember)> {
        let mut all = Vec::with_capacity(self.routes.len());
        for (place, route) in self.routes.iter().enumerate() {
            match route.group {
                None => {
                    all.push((place, route, GroupMember { egress_trunk: route.egress_trunk, ..GroupMember::default() }))
                }
                Some(id) => {
                    let members = groups.iter().filter(|group| group.id == id).flat_map(|group| &group.members);
                    all.extend(members.map(|member| (place, route, member.clone())));
                }
            }
        }
        all
    }
}

/// One route of a plan: to a trunk, or to a group of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanRoute {
    /// The trunk; without meaning where there is a group.
    pub egress_trunk: EgressTrunkId,
    /// The group whose members are tried one after the other.
    pub group: Option<TrunkGroupId>,
    /// Higher first.
    pub priority: i16,
    /// Lower first.
    pub weight: u16,
    /// Share in per cent, 0 to 100.
    pub percent: u8,
    /// When it may be tried, and what follows from it.
    pub rules: RouteRules,
}

/// Egress trunks that stand in plans as one route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrunkGroup {
    /// Its id.
    pub id: TrunkGroupId,
    /// The short name that operators use, unique.
    pub code: String,
    /// Its trunks.
    pub members: Vec<GroupMember>,
}

/// One trunk of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// The trunk.
    pub egress_trunk: EgressTrunkId,
    /// Higher first.
    pub priority: i16,
    /// Its share among members of the same priority, 0 to 1,000; 0 comes after all others.
    pub weight: u16,
    /// Nodes of its site: there it comes before members of other sites, whatever the priority. Empty for no site.
    pub nodes: Vec<u16>,
}

impl Default for GroupMember {
    /// One equal share, at no site.
    fn default() -> GroupMember {
        GroupMember { egress_trunk: EgressTrunkId::default(), priority: 0, weight: 1, nodes: Vec::new() }
    }
}
