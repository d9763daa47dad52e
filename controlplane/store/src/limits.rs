//! What the whole switch may have, and every limit beside what calls hold of it.

use std::collections::BTreeMap;

use snapshot::Limits;

use crate::Store;
use crate::carriers::{CarrierDraft, check_window};
use crate::egress::EgressTrunkDraft;
use crate::error::{Result, StoreError};
use crate::ingress::IngressTrunkDraft;
use crate::object::Edit;
use crate::settings;
use crate::sql::Tx;

/// The setting that holds them: concurrent calls, new calls a second, seconds of the window.
const SWITCH: &str = "switch_limits";

/// What a limit belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LimitOf {
    /// The whole switch: calls that come in.
    Switch,
    /// A carrier: calls that it sends.
    Originator(u32),
    /// A carrier: calls that it takes.
    Terminator(u32),
    /// A carrier: calls in both directions.
    Carrier(u32),
    /// A terminator, for the calls of one originator.
    Share {
        /// Who takes the calls.
        terminator: u32,
        /// Who sends them.
        originator: u32,
    },
    /// An ingress trunk.
    IngressTrunk(u32),
    /// An egress trunk.
    EgressTrunk(u32),
}

/// A limit and what calls hold of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitRow {
    /// Whose it is.
    pub of: LimitOf,
    /// What is allowed; 0 is no limit.
    pub limits: Limits,
    /// Calls that hold room.
    pub calls: u32,
    /// New calls within the window of the CPS limit.
    pub recent: u32,
}

impl LimitOf {
    /// As the data plane names it: what it belongs to, an id, and the originator of a share.
    pub fn told(of: &str, id: u32, originator: u32) -> Option<LimitOf> {
        Some(match of {
            "switch" => LimitOf::Switch,
            "originator" => LimitOf::Originator(id),
            "terminator" => LimitOf::Terminator(id),
            "carrier" => LimitOf::Carrier(id),
            "share" => LimitOf::Share { terminator: id, originator },
            "ingress_trunk" => LimitOf::IngressTrunk(id),
            "egress_trunk" => LimitOf::EgressTrunk(id),
            _ => return None,
        })
    }
}

impl Store {
    /// Every limit that is set and everything that calls hold, `held` as the data plane counts it: calls, and new calls in the window.
    pub async fn limits(&self, held: &[(LimitOf, u32, u32)]) -> Result<Vec<LimitRow>> {
        let mut rows: BTreeMap<LimitOf, Limits> = BTreeMap::new();
        rows.insert(LimitOf::Switch, self.switch_limits().await?);
        let mut shares: BTreeMap<u32, u32> = BTreeMap::new();
        for carrier in self.all::<CarrierDraft>().await? {
            let (id, of) = (carrier.id, carrier.limits);
            rows.insert(LimitOf::Originator(id), of.ingress);
            rows.insert(LimitOf::Terminator(id), of.egress);
            rows.insert(LimitOf::Carrier(id), Limits { capacity: of.capacity, ..Limits::default() });
            shares.insert(id, of.originator_capacity);
        }
        for trunk in self.all::<IngressTrunkDraft>().await? {
            let cps_window_s = trunk.policy.cps_window_s;
            let limits = Limits { capacity: trunk.capacity, cps: trunk.cps, cps_window_s };
            rows.insert(LimitOf::IngressTrunk(trunk.id), limits);
        }
        for trunk in self.all::<EgressTrunkDraft>().await? {
            let cps_window_s = trunk.policy.cps_window_s;
            let limits = Limits { capacity: trunk.capacity, cps: trunk.cps, cps_window_s };
            rows.insert(LimitOf::EgressTrunk(trunk.id), limits);
        }
        let is_set = |limits: &Limits| limits.capacity > 0 || limits.cps > 0;
        let mut shown: BTreeMap<LimitOf, LimitRow> = BTreeMap::new();
        for (of, limits) in rows.iter().filter(|(_, limits)| is_set(limits)) {
            shown.insert(*of, LimitRow { of: *of, limits: *limits, calls: 0, recent: 0 });
        }
        for (of, calls, recent) in held {
            let limits = match of {
                LimitOf::Share { terminator, .. } => {
                    Limits { capacity: shares.get(terminator).copied().unwrap_or(0), ..Limits::default() }
                }
                of => rows.get(of).copied().unwrap_or_default(),
            };
            shown.insert(*of, LimitRow { of: *of, limits, calls: *calls, recent: *recent });
        }
        Ok(shown.into_values().collect())
    }

    /// What the whole switch may have; nothing is limited unless set.
    pub async fn switch_limits(&self) -> Result<Limits> {
        of_switch(&mut self.read().await?).await
    }
}

impl Edit {
    /// What the whole switch may have, as this transaction sees it.
    pub async fn switch_limits(&mut self) -> Result<Limits> {
        of_switch(&mut self.tx).await
    }

    /// Sets what the whole switch may have.
    pub async fn set_switch_limits(&mut self, limits: Limits) -> Result<()> {
        check_window("cps_window_s", limits)?;
        let Limits { capacity, cps, cps_window_s } = limits;
        settings::put(&mut self.tx, SWITCH, &format!("{capacity} {cps} {cps_window_s}")).await?;
        self.touched = true;
        Ok(())
    }
}

pub(crate) async fn of_switch(tx: &mut Tx) -> Result<Limits> {
    let Some(text) = settings::get(tx, SWITCH).await? else { return Ok(Limits::default()) };
    let numbers: Vec<u32> = text.split(' ').filter_map(|number| number.parse().ok()).collect();
    match numbers[..] {
        [capacity, cps, window_s @ 0..=60] => Ok(Limits { capacity, cps, cps_window_s: window_s as u8 }),
        _ => Err(StoreError::Broken(format!("setting {SWITCH} holds {text:?}"))),
    }
}
