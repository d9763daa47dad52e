//! The short names of everything, so that answers carry codes beside ids.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use snapshot::{Source, View};
use store::{
    AccountDraft, CarrierDraft, DeckDraft, EgressTrunkDraft, GroupDraft, IngressTrunkDraft, Object, PlanDraft, Store,
    StoreError, Stored,
};

use crate::value::{AccountRef, CarrierRef, DeckRef, EgressTrunkRef, IngressTrunkRef, Named, PlanRef, TrunkGroupRef};

/// Codes by id, as of one state of the configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    changes: i64,
    carriers: HashMap<u32, String>,
    accounts: HashMap<u32, String>,
    ingress_trunks: HashMap<u32, String>,
    egress_trunks: HashMap<u32, String>,
    decks: HashMap<u32, String>,
    plans: HashMap<u32, String>,
    groups: HashMap<u32, String>,
    /// Sources of ingress trunks whose calls an older one gets, with its id.
    taken: HashMap<u32, Vec<(Source, u32)>>,
}

macro_rules! lookups {
    ($($one:ident, $maybe:ident: $map:ident, $reference:ident;)*) => {
        #[allow(dead_code, reason = "every kind has both forms, and not every form is used")]
        impl Names {
            $(
                pub(crate) fn $one(&self, id: u32) -> Named<$reference> {
                    Named { id: $reference(id), code: self.$map.get(&id).cloned().unwrap_or_default() }
                }

                /// `None` for 0, which stands for nobody.
                pub(crate) fn $maybe(&self, id: u32) -> Option<Named<$reference>> {
                    (id != 0).then(|| self.$one(id))
                }
            )*
        }
    };
}

lookups! {
    carrier, maybe_carrier: carriers, CarrierRef;
    account, maybe_account: accounts, AccountRef;
    ingress_trunk, maybe_ingress_trunk: ingress_trunks, IngressTrunkRef;
    egress_trunk, maybe_egress_trunk: egress_trunks, EgressTrunkRef;
    deck, maybe_deck: decks, DeckRef;
    plan, maybe_plan: plans, PlanRef;
    trunk_group, maybe_trunk_group: groups, TrunkGroupRef;
}

impl Names {
    /// Sources of an ingress trunk whose calls an older one gets.
    pub(crate) fn taken(&self, ingress_trunk: u32) -> &[(Source, u32)] {
        self.taken.get(&ingress_trunk).map_or(&[], Vec::as_slice)
    }

    /// Adds what a snapshot names and the database does not know (yet).
    pub(crate) fn with(&self, view: &View<'_>) -> Names {
        let mut names = self.clone();
        for carrier in view.carriers() {
            names.carriers.entry(carrier.id().0).or_insert_with(|| carrier.code().to_owned());
        }
        for trunk in view.ingress_trunks() {
            names.ingress_trunks.entry(trunk.id().0).or_insert_with(|| trunk.code().to_owned());
        }
        for trunk in view.egress_trunks() {
            names.egress_trunks.entry(trunk.id().0).or_insert_with(|| trunk.code().to_owned());
        }
        for deck in view.decks() {
            names.decks.entry(deck.id().0).or_insert_with(|| deck.code().to_owned());
        }
        for plan in view.plans() {
            names.plans.entry(plan.id().0).or_insert_with(|| plan.code().to_owned());
        }
        names
    }
}

/// The names as last read; read again when the configuration has changed.
#[derive(Debug, Default)]
pub(crate) struct NameBook(Mutex<Arc<Names>>);

impl NameBook {
    /// The names of this moment; those last known while the database is away.
    pub(crate) async fn read(&self, store: &Store) -> Result<Arc<Names>, StoreError> {
        let known = Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let changes = match store.changes().await {
            Ok(changes) => changes,
            Err(flaw) if flaw.is_away() => return Ok(known),
            Err(flaw) => return Err(flaw),
        };
        if changes == known.changes && changes != 0 {
            return Ok(known);
        }
        let ingress_trunks = store.all::<IngressTrunkDraft>().await?;
        let fresh = Arc::new(Names {
            changes,
            taken: taken(&ingress_trunks),
            carriers: codes::<CarrierDraft>(store).await?,
            accounts: codes::<AccountDraft>(store).await?,
            ingress_trunks: ingress_trunks.into_iter().map(|trunk| (trunk.id, trunk.draft.code)).collect(),
            egress_trunks: codes::<EgressTrunkDraft>(store).await?,
            decks: codes::<DeckDraft>(store).await?,
            plans: codes::<PlanDraft>(store).await?,
            groups: codes::<GroupDraft>(store).await?,
        });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&fresh);
        Ok(fresh)
    }
}

async fn codes<D: Object>(store: &Store) -> Result<HashMap<u32, String>, StoreError> {
    let all = store.all::<D>().await?;
    Ok(all.into_iter().map(|object| (object.id, object.draft.code().to_owned())).collect())
}

/// Of trunks with one source, tech prefix and transport the one with the smallest id gets the calls; `trunks` are in order of id.
fn taken(trunks: &[Stored<IngressTrunkDraft>]) -> HashMap<u32, Vec<(Source, u32)>> {
    let mut first = HashMap::new();
    let mut taken: HashMap<u32, Vec<(Source, u32)>> = HashMap::new();
    for trunk in trunks {
        for source in &trunk.sources {
            let what = (store::compared(source), trunk.tech_prefix.as_str(), trunk.policy.transport as u8);
            let owner = *first.entry(what).or_insert(trunk.id);
            if owner != trunk.id {
                taken.entry(trunk.id).or_default().push((*source, owner));
            }
        }
    }
    taken
}
