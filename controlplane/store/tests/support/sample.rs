//! One originator and one terminator with a trunk each, and CDRs between them.

use cdr::{Cdr, GrantPart, Party, Priced, Quality, Stages};
use snapshot::{PlanRoute, Policy, Rate, Source, Ways};
use store::{
    AccountDraft, AccountKind, CarrierDraft, DeckDraft, EgressTrunkDraft, IngressTrunkDraft, PlanDraft, Store,
};
use units::{
    AccountId, AttemptIndex, CallId, CarrierId, Cause, Currency, DeckId, EgressTrunkId, GrantId, Hours, IngressTrunkId,
    Jurisdiction, Money, NodeId, Number, PlanId, RateClass, Revision, ShardId, Terms, WallTime,
};

/// Ids of what [`world`] made.
#[derive(Clone, Copy, Debug)]
pub struct World {
    pub originator: u32,
    pub payer: u32,
    pub terminator: u32,
    pub payee: u32,
    pub sell_deck: u32,
    pub buy_deck: u32,
    pub egress: u32,
    pub plan: u32,
    pub ingress: u32,
}

pub fn money(text: &str) -> Money {
    Money::parse(text).expect("a decimal")
}

pub fn carrier(code: &str) -> CarrierDraft {
    CarrierDraft { code: code.into(), name: format!("{code} Ltd"), ..CarrierDraft::default() }
}

pub fn account(code: &str, carrier: u32) -> AccountDraft {
    AccountDraft {
        code: code.into(),
        carrier: CarrierId(carrier),
        currency: Currency::USD,
        kind: AccountKind::Prepaid,
        credit_limit: None,
        caps: store::Caps::default(),
        netted: false,
        owed_limit: None,
        thresholds: store::Thresholds::default(),
    }
}

pub fn deck(code: &str) -> DeckDraft {
    DeckDraft { code: code.into(), ..DeckDraft::default() }
}

pub fn rate(prefix: &str, per_minute: &str) -> Rate {
    Rate { prefix: prefix.into(), destination: "Somewhere".into(), per_minute: money(per_minute), ..Rate::default() }
}

/// Makes everything that one call needs.
pub async fn world(store: &Store) -> World {
    let mut edit = store.edit().await.unwrap();
    let originator = edit.create(&carrier("acme")).await.unwrap().id;
    let terminator = edit.create(&carrier("oria")).await.unwrap().id;
    let payer = edit.create(&account("acme-usd", originator)).await.unwrap().id;
    let payee = edit.create(&account("oria-usd", terminator)).await.unwrap().id;
    let sell_deck = edit.create(&deck("acme-sell")).await.unwrap().id;
    let buy_deck = edit.create(&deck("oria-buy")).await.unwrap().id;
    edit.replace_rates(sell_deck, &[rate("44", "0.02"), rate("4420", "0.012")], "sample").await.unwrap();
    edit.replace_rates(buy_deck, &[rate("44", "0.01")], "sample").await.unwrap();
    let egress = EgressTrunkDraft {
        code: "oria-1".into(),
        carrier: CarrierId(terminator),
        account: AccountId(payee),
        address: "127.0.2.1:5060".parse().unwrap(),
        strip_digits: 0,
        add_prefix: String::new(),
        buy_deck: DeckId(buy_deck),
        override_deck: None,
        capacity: 0,
        cps: 0,
        active: true,
        progress_timeout_s: 0,
        ring_timeout_s: 0,
        policy: Policy::default(),
    };
    let egress = edit.create(&egress).await.unwrap().id;
    let route = PlanRoute { egress_trunk: EgressTrunkId(egress), ..PlanRoute::default() };
    let plan = PlanDraft { code: "main".into(), attempts_max: 3, routes: vec![route], ..PlanDraft::default() };
    let plan = edit.create(&plan).await.unwrap().id;
    let ingress = IngressTrunkDraft {
        code: "acme-in".into(),
        carrier: CarrierId(originator),
        account: AccountId(payer),
        sources: vec![Source { network: "127.0.1.0".parse().unwrap(), bits: 24, port: 0 }],
        tech_prefix: "99#".into(),
        plan: PlanId(plan),
        sell_deck: DeckId(sell_deck),
        override_deck: None,
        ways: Ways::default(),
        capacity: 10,
        cps: 5,
        active: true,
        max_duration_s: 0,
        media_timeout_s: 0,
        policy: Policy::default(),
    };
    let ingress = edit.create(&ingress).await.unwrap().id;
    edit.commit().await.unwrap();
    World { originator, payer, terminator, payee, sell_deck, buy_deck, egress, plan, ingress }
}

pub fn grant_id(sequence: u64) -> GrantId {
    GrantId { node: NodeId(1), boot: 1, sequence }
}

pub fn call_id(sequence: u64) -> CallId {
    CallId { node: NodeId(1), boot: 1, shard: ShardId(0), sequence }
}

/// Terms with everything that a rate may have.
fn rich() -> Terms {
    Terms {
        deck_currency: Currency::parse("EUR").unwrap(),
        exchange: 1_080_000_000,
        first_per_minute: Some(money("0.02")),
        steps_from_zero: true,
        tax_ppm: 190_000,
        class: RateClass { hours: Hours::OffPeak, jurisdiction: Jurisdiction::Inter },
        ..Terms::default()
    }
}

fn identity() -> cdr::Identity {
    let (vouched, attest, doubt) = (cdr::Vouched::Failed, Some(cdr::Attest::Partial), cdr::Doubt::Stale);
    cdr::Identity { vouched, attest, origid: [9; 16], doubt }
}

/// An answered call's record: it sold for `price`, taken from these grants, and costs us half.
pub fn call(world: World, sequence: u64, price: &str, grants: &[(GrantId, &str)]) -> Cdr {
    let terms = Terms { deck: DeckId(world.sell_deck), per_minute: money("0.012"), prefix_digits: 4, ..rich() };
    let sell = Priced { terms, billed_s: 61, price: money(price), tax: money("0.0001") };
    let (deck, half) = (DeckId(world.buy_deck), Money::from_nanos(sell.price.nanos() / 2));
    let bought = Terms { deck, per_minute: money("0.01"), prefix_digits: 2, ..Terms::default() };
    Cdr {
        call: call_id(sequence),
        attempt: AttemptIndex(0),
        attempts: 1,
        revision: Revision(7),
        originator: CarrierId(world.originator),
        originator_account: AccountId(world.payer),
        ingress_trunk: IngressTrunkId(world.ingress),
        terminator: CarrierId(world.terminator),
        terminator_account: AccountId(world.payee),
        egress_trunk: EgressTrunkId(world.egress),
        calling: Number::parse(b"+14155550100").unwrap(),
        called: Number::parse(b"99#442071234567").unwrap(),
        called_routed: Number::parse(b"442071234567").unwrap(),
        lrn: Number::parse(b"+13125550000").unwrap(),
        jurisdiction: Jurisdiction::Inter,
        started: WallTime::from_micros(1_800_000_000_000_000 + sequence as i64 * 1_000_000),
        ringing_ms: Some(120),
        answered_ms: Some(2_000),
        ended_ms: 62_345,
        duration_ms: 60_345,
        sip_status: 200,
        cause: Cause::NORMAL,
        released_by: Party::Ingress,
        sell: Some(sell),
        buy: Some(Priced { terms: bought, billed_s: 61, price: half, ..Priced::default() }),
        grants: grants.iter().map(|(grant, amount)| GrantPart { grant: *grant, amount: money(amount) }).collect(),
        owed_grants: Vec::new(),
        written_off: Money::ZERO,
        ingress_address: Some("127.0.1.1:5060".parse().unwrap()),
        egress_address: Some("[::1]:5070".parse().unwrap()),
        ingress_call_id: "abc@127.0.1.1".into(),
        egress_call_id: "xyz".into(),
        codec: "PCMA/8000".into(),
        ingress_media: Quality {
            packets: 3_000,
            kernel_packets: 2_900,
            bytes: 480_000,
            lost: 2,
            reordered: 3,
            duplicates: 4,
            burst_loss_permille: 500,
            burst_ms: 80,
            first_ms: Some(20),
            rtt_us: 31_000,
            strangers: 1,
            jitter_us: 40,
            mos_x100: 438,
            suite: Some(units::Suite::AesCm128Sha80),
        },
        egress_media: Quality { packets: 2_999, ..Quality::default() },
        recorded: cdr::Recorded::Gaps,
        identity: identity(),
        stages: Stages {
            parse_us: 4,
            admit_us: 1,
            limits_us: 1,
            route_us: 9,
            egress_us: 40,
            answer_us: 900,
            pdd_us: 120_000,
        },
        decision: vec![1, 2, 3],
    }
}

/// The record of the attempt that answered a call.
pub fn attempt(of: &Cdr) -> Cdr {
    Cdr { attempt: AttemptIndex(1), sell: None, grants: Vec::new(), decision: Vec::new(), ..of.clone() }
}

/// An originator that nobody knew: nothing but numbers and a cause.
pub fn stranger(sequence: u64) -> Cdr {
    Cdr {
        call: call_id(sequence),
        calling: Number::parse(b"1").unwrap(),
        started: WallTime::from_micros(1_800_000_000_000_000 + sequence as i64 * 1_000_000),
        sip_status: 403,
        cause: Cause::ORIGINATOR_NOT_FOUND,
        ..Cdr::default()
    }
}
