//! The whole configuration as a snapshot model, and the numbers of what was published.

use std::collections::BTreeMap;

use snapshot::{Account, Carrier, Deck, EgressTrunk, IngressTrunk, Model, Offset, Plan, Policy, Side, TrunkGroup};
use units::{AccountId, CarrierId, DeckId, EgressTrunkId, IngressTrunkId, PlanId, Revision, TrunkGroupId, WallTime};

use crate::Store;
use crate::accounts::AccountDraft;
use crate::carriers::CarrierDraft;
use crate::decks::DeckDraft;
use crate::derived;
use crate::egress::EgressTrunkDraft;
use crate::error::{ConflictKind, Result, StoreError};
use crate::exchange;
use crate::groups::GroupDraft;
use crate::ingress::IngressTrunkDraft;
use crate::limits;
use crate::object::{Edit, all};
use crate::plans::PlanDraft;
use crate::rates::{self, Shelf};
use crate::sql::{Row, Tx, args, now};
use crate::zone;

/// One publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevisionRow {
    /// Its number.
    pub revision: Revision,
    /// When it was numbered.
    pub created: WallTime,
    /// Rates in it.
    pub rates: u64,
}

impl Store {
    /// How often the configuration has changed; cheap to ask.
    pub async fn changes(&self) -> Result<i64> {
        changes(&mut self.read().await?, "").await
    }

    /// The number of the latest publication; 0 before the first.
    pub async fn latest_revision(&self) -> Result<Revision> {
        let row = self.read().await?.row("SELECT id FROM revisions ORDER BY id DESC LIMIT 1", Vec::new()).await?;
        row.map_or(Ok(Revision(0)), |row| Ok(Revision(row.num("id")?)))
    }

    /// The latest publications, newest first.
    pub async fn revisions(&self, limit: u32) -> Result<Vec<RevisionRow>> {
        let rows = self
            .read()
            .await?
            .rows("SELECT * FROM revisions ORDER BY id DESC LIMIT ?", args![limit.min(1_000)])
            .await?;
        rows.iter().map(revision).collect()
    }

    /// The whole configuration of this moment. A configuration that was numbered before keeps its number, any other gets the next one.
    pub async fn model(&self) -> Result<Model> {
        self.numbered_model(None).await
    }

    /// The same with the rates of each deck packed. Decks whose rates did not change since they were last asked for are not read again.
    pub async fn packed_model(&self) -> Result<Model> {
        let model = self.numbered_model(Some(&self.rates)).await?;
        let decks: Vec<u32> = model.decks.iter().map(|deck| deck.id.0).collect();
        rates::tidy_shelf(&self.rates, &decks);
        Ok(model)
    }

    /// The number of this moment's configuration, which it gets now if it has none.
    pub async fn revision(&self) -> Result<Revision> {
        loop {
            let mut tx = self.read().await?;
            let counter = changes(&mut tx, "").await?;
            let held = all::<DeckDraft>(&mut tx).await?.iter().map(|deck| deck.facts.rates).sum();
            drop(tx);
            if let Some(numbered) = self.number(counter, held).await? {
                return Ok(numbered.revision);
            }
        }
    }

    async fn numbered_model(&self, shelf: Option<&Shelf>) -> Result<Model> {
        loop {
            let mut tx = self.read().await?;
            let counter = changes(&mut tx, "").await?;
            let mut model = gather(&mut tx, shelf).await?;
            drop(tx);
            let held = model.decks.iter().map(|deck| deck.rate_count() as u64).sum();
            if let Some(numbered) = self.number(counter, held).await? {
                (model.revision, model.built) = (numbered.revision, numbered.created);
                return Ok(model);
            }
        }
    }

    /// The number of the configuration at a change; none where somebody has numbered that one or a later one meanwhile: of two numbers the
    /// higher is of the newer configuration.
    async fn number(&self, counter: i64, held: u64) -> Result<Option<RevisionRow>> {
        let mut tx = self.write().await?;
        let known = "SELECT * FROM revisions WHERE change_counter=?";
        if let Some(row) = tx.row(known, args![counter]).await? {
            return revision(&row).map(Some);
        }
        let lock = tx.dialect().for_update();
        let last = tx.row(format!("SELECT counter FROM changes WHERE id=2{lock}"), Vec::new()).await?;
        let last = last.ok_or_else(|| StoreError::Broken("the counter of numbered changes is gone".into()))?;
        if last.int("counter")? >= counter {
            return Ok(None);
        }
        let at = now();
        let sql = "INSERT INTO revisions (change_counter,created,rates) VALUES (?,?,?)";
        let id = tx.run(sql, args![counter, at, held]).await?.id;
        tx.run("UPDATE changes SET counter=? WHERE id=2", args![counter]).await?;
        tx.commit().await?;
        let id = u64::try_from(id).map_err(|_| StoreError::Broken("revision numbers are used up".into()))?;
        Ok(Some(RevisionRow { revision: Revision(id), created: at, rates: held }))
    }
}

impl Edit {
    /// Refuses to go on when the configuration is no longer the one that was looked at.
    pub async fn expect_changes(&mut self, counter: i64) -> Result<()> {
        let lock = self.tx.dialect().for_update();
        if changes(&mut self.tx, lock).await? == counter {
            return Ok(());
        }
        let why = "it was changed by someone else meanwhile; look again";
        Err(StoreError::conflict(ConflictKind::Stale, "configuration", "", why))
    }

    /// The whole configuration as it would stand after this transaction, rates packed, without a number.
    pub async fn model(&mut self) -> Result<Model> {
        // What this transaction packs may be rolled back, so it goes to a shelf of its own.
        let shelf = Shelf::new(rates::lock_shelf(&self.rates).clone());
        gather(&mut self.tx, Some(&shelf)).await
    }
}

async fn changes(tx: &mut Tx, lock: &str) -> Result<i64> {
    let row = tx.row(format!("SELECT counter FROM changes WHERE id=1{lock}"), Vec::new()).await?;
    row.ok_or_else(|| StoreError::Broken("the change counter is gone".into()))?.int("counter")
}

fn revision(row: &Row) -> Result<RevisionRow> {
    Ok(RevisionRow { revision: Revision(row.num("id")?), created: row.time("created")?, rates: row.num("rates")? })
}

/// Rates are packed if there is a shelf for them.
async fn gather(tx: &mut Tx, shelf: Option<&Shelf>) -> Result<Model> {
    let mut model = Model { built: now(), limits: limits::of_switch(tx).await?, ..Model::default() };
    let mut policies = BTreeMap::new();
    for c in all::<CarrierDraft>(tx).await? {
        policies.insert(c.id, c.draft.policy);
        model.carriers.push(Carrier {
            id: CarrierId(c.id),
            code: c.draft.code,
            blocked: c.draft.blocked,
            limits: c.draft.limits,
        });
    }
    for a in all::<AccountDraft>(tx).await? {
        model.accounts.push(Account {
            id: AccountId(a.id),
            carrier: a.carrier,
            currency: a.currency,
            owed_limited: a.owed_limit.is_some(),
        });
    }
    model.exchange_rates = exchange::of_model(tx).await?;
    for trunk in all::<IngressTrunkDraft>(tx).await? {
        model.ingress_trunks.push(ingress(trunk.id, trunk.draft, &policies));
    }
    for trunk in all::<EgressTrunkDraft>(tx).await? {
        model.egress_trunks.push(egress(trunk.id, trunk.draft, &policies));
    }
    for deck in all::<DeckDraft>(tx).await? {
        let version = deck.facts.rates_version;
        let derived = deck.draft.derived.clone();
        let mut deck = bare_deck(deck.id, deck.draft, model.built);
        match (shelf, derived) {
            // Computed anew for each publication: any of its sources may have changed.
            (_, Some(rule)) => deck.rates = derived::rates(tx, &rule).await?,
            (Some(shelf), None) => rates::pack(tx, shelf, &mut deck, version).await?,
            (None, None) => deck.rates = rates::every(tx, deck.id.0).await?,
        }
        model.decks.push(deck);
    }
    for group in all::<GroupDraft>(tx).await? {
        let GroupDraft { code, members } = group.draft;
        model.groups.push(TrunkGroup { id: TrunkGroupId(group.id), code, members });
    }
    for plan in all::<PlanDraft>(tx).await? {
        let offsets = zone::offsets(&plan.rules.zone, model.built).unwrap_or_default();
        model.plans.push(self::plan(plan.id, plan.draft, offsets));
    }
    Ok(model)
}

/// A deck without its rates.
pub(crate) fn bare_deck(id: u32, d: DeckDraft, built: WallTime) -> Deck {
    Deck {
        id: DeckId(id),
        offsets: zone::offsets(&d.zone, built).unwrap_or_default(),
        code: d.code,
        currency: d.currency,
        decimals: d.decimals,
        rounding: d.rounding,
        steps_from_zero: d.steps_from_zero,
        tax_ppm: d.tax_ppm,
        zone: d.zone,
        calendar: d.calendar,
        by_jurisdiction: d.by_jurisdiction,
        by_lrn: d.by_lrn,
        rates: Vec::new(),
        packed: None,
    }
}

fn plan(id: u32, d: PlanDraft, offsets: Vec<Offset>) -> Plan {
    Plan {
        id: PlanId(id),
        code: d.code,
        order: d.order,
        margin_min: d.margin_min,
        attempts_max: d.attempts_max,
        setup_timeout_s: d.setup_timeout_s,
        routes: d.routes,
        failover: d.failover,
        rules: d.rules,
        offsets,
        policy: d.policy,
    }
}

/// Policies of carriers by their ids.
type Policies = BTreeMap<u32, Policy>;

/// Every trunk has a carrier; one that had none would say all of it itself.
fn inherited(own: Policy, carrier: CarrierId, policies: &Policies, side: Side) -> Policy {
    match policies.get(&carrier.0) {
        Some(policy) => own.of_carrier(policy, side),
        None => own,
    }
}

fn ingress(id: u32, d: IngressTrunkDraft, policies: &Policies) -> IngressTrunk {
    IngressTrunk {
        id: IngressTrunkId(id),
        code: d.code,
        carrier: d.carrier,
        account: d.account,
        sources: d.sources,
        tech_prefix: d.tech_prefix,
        plan: d.plan,
        sell_deck: d.sell_deck,
        override_deck: d.override_deck,
        ways: d.ways,
        capacity: d.capacity,
        cps: d.cps,
        active: d.active,
        max_duration_s: d.max_duration_s,
        media_timeout_s: d.media_timeout_s,
        policy: inherited(d.policy, d.carrier, policies, Side::Ingress),
    }
}

fn egress(id: u32, d: EgressTrunkDraft, policies: &Policies) -> EgressTrunk {
    EgressTrunk {
        id: EgressTrunkId(id),
        code: d.code,
        carrier: d.carrier,
        account: d.account,
        address: d.address,
        strip_digits: d.strip_digits,
        add_prefix: d.add_prefix,
        buy_deck: d.buy_deck,
        override_deck: d.override_deck,
        capacity: d.capacity,
        cps: d.cps,
        active: d.active,
        progress_timeout_s: d.progress_timeout_s,
        ring_timeout_s: d.ring_timeout_s,
        policy: inherited(d.policy, d.carrier, policies, Side::Egress),
    }
}
