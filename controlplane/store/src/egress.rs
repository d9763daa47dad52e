//! Egress trunks: how calls go out to a carrier.

use core::net::SocketAddr;

use snapshot::{Policy, Side};
use units::{AccountId, CarrierId, DeckId};

use crate::accounts::fits;
use crate::error::{Result, StoreError};
use crate::ingress::check_prefix;
use crate::object::{Object, Stored};
use crate::policy;
use crate::sql::{Arg, Row, Tx, args};

/// What an operator writes about an egress trunk.
#[derive(Clone, Debug, PartialEq)]
pub struct EgressTrunkDraft {
    /// The unique short name.
    pub code: String,
    /// Whose it is.
    pub carrier: CarrierId,
    /// The account that is credited; the carrier's own.
    pub account: AccountId,
    /// Where INVITEs are sent.
    pub address: SocketAddr,
    /// Digits removed from the front of the called number before `add_prefix`; up to 39.
    pub strip_digits: u8,
    /// Put in front of the called number; empty for none.
    pub add_prefix: String,
    /// What its calls cost us; in the account's currency.
    pub buy_deck: DeckId,
    /// Comes before it wherever it has a rate in force.
    pub override_deck: Option<DeckId>,
    /// Concurrent calls at most; 0 for no limit.
    pub capacity: u32,
    /// New calls a second at most; 0 for no limit.
    pub cps: u32,
    /// Takes calls.
    pub active: bool,
    /// Seconds from INVITE to the first 18x or 200 before the next route is tried; 0 for the switch's default.
    pub progress_timeout_s: u16,
    /// Seconds from the first 18x to the answer; 0 for the switch's default.
    pub ring_timeout_s: u16,
    /// How signalling goes beyond that.
    pub policy: Policy,
}

/// An egress trunk as stored.
pub type EgressTrunk = Stored<EgressTrunkDraft>;

impl Object for EgressTrunkDraft {
    type Facts = ();
    const WHAT: &'static str = "egress trunk";
    const TABLE: &'static str = "egress_trunks";
    const COLUMNS: &'static [&'static str] = &[
        "code",
        "carrier",
        "account",
        "address",
        "strip_digits",
        "add_prefix",
        "buy_deck",
        "override_deck",
        "capacity",
        "cps",
        "active",
        "progress_timeout_s",
        "ring_timeout_s",
        "policy",
    ];
    const OF_CARRIER: bool = true;

    fn code(&self) -> &str {
        &self.code
    }

    fn check(&self) -> Result<()> {
        let ip = self.address.ip();
        if self.address.port() == 0 || ip.is_unspecified() || ip.is_multicast() {
            return Err(StoreError::invalid("address", "must be one host's address and port"));
        }
        if self.strip_digits > 39 {
            return Err(StoreError::invalid("strip_digits", "39 at most"));
        }
        check_prefix("add_prefix", &self.add_prefix)?;
        policy::check(&self.policy, Side::Egress)
    }

    fn args(&self) -> Vec<Arg> {
        args![
            self.code.as_str(),
            self.carrier.0,
            self.account.0,
            self.address.to_string(),
            self.strip_digits,
            self.add_prefix.as_str(),
            self.buy_deck.0,
            self.override_deck.map(|deck| deck.0),
            self.capacity,
            self.cps,
            self.active,
            self.progress_timeout_s,
            self.ring_timeout_s,
            self.policy.to_text()
        ]
    }

    fn read(row: &Row) -> Result<EgressTrunkDraft> {
        let address = row.text("address")?;
        Ok(EgressTrunkDraft {
            code: row.text("code")?,
            carrier: CarrierId(row.num("carrier")?),
            account: AccountId(row.num("account")?),
            address: address.parse().map_err(|_| StoreError::Broken(format!("column address holds {address:?}")))?,
            strip_digits: row.num("strip_digits")?,
            add_prefix: row.text("add_prefix")?,
            buy_deck: DeckId(row.num("buy_deck")?),
            override_deck: row.opt_num("override_deck")?.map(DeckId),
            capacity: row.num("capacity")?,
            cps: row.num("cps")?,
            active: row.flag("active")?,
            progress_timeout_s: row.num("progress_timeout_s")?,
            ring_timeout_s: row.num("ring_timeout_s")?,
            policy: policy::read(row)?,
        })
    }

    fn settle(&mut self, before: Option<&Self>) -> Result<()> {
        policy::settle(&mut self.policy, before.map(|draft| &draft.policy))
    }

    async fn check_links(&self, tx: &mut Tx) -> Result<()> {
        fits(tx, self.carrier.0, self.account.0, self.buy_deck.0, "buy_deck").await?;
        match self.override_deck {
            Some(deck) => fits(tx, self.carrier.0, self.account.0, deck.0, "override_deck").await,
            None => Ok(()),
        }
    }
}
