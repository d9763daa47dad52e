//! Ingress trunks: how a carrier's calls come in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use snapshot::{Policy, Side, Source, Way, Ways};
use units::{AccountId, CarrierId, DeckId, PlanId};

use crate::accounts::{exists, fits};
use crate::error::{Result, StoreError};
use crate::object::{Object, Stored};
use crate::policy;
use crate::sql::{Arg, Row, Tx, args};

/// Sources of one trunk at most.
const SOURCES_MAX: usize = 256;
/// Characters of a tech prefix at most.
pub(crate) const PREFIX_CHARS_MAX: usize = 15;

/// What an operator writes about an ingress trunk.
#[derive(Clone, Debug, PartialEq)]
pub struct IngressTrunkDraft {
    /// The unique short name.
    pub code: String,
    /// Whose it is.
    pub carrier: CarrierId,
    /// The account that pays; the carrier's own.
    pub account: AccountId,
    /// Where its calls may come from.
    pub sources: Vec<Source>,
    /// Digits in front of the called number; empty for none.
    pub tech_prefix: String,
    /// Which egress trunks may serve it.
    pub plan: PlanId,
    /// What its calls are sold at; in the account's currency, or in one that exchange rates join with it.
    pub sell_deck: DeckId,
    /// Comes before it wherever it has a rate in force.
    pub override_deck: Option<DeckId>,
    /// Other plans and decks for calls of one jurisdiction.
    pub ways: Ways,
    /// Concurrent calls at most; 0 for no limit.
    pub capacity: u32,
    /// New calls a second at most; 0 for no limit.
    pub cps: u32,
    /// Takes calls.
    pub active: bool,
    /// Seconds after which an answered call is released; 0 for the switch's default.
    pub max_duration_s: u32,
    /// Seconds without RTP after which a call is released; 0 for never.
    pub media_timeout_s: u16,
    /// How signalling goes beyond that.
    pub policy: Policy,
}

/// An ingress trunk as stored.
pub type IngressTrunk = Stored<IngressTrunkDraft>;

impl Object for IngressTrunkDraft {
    type Facts = ();
    const WHAT: &'static str = "ingress trunk";
    const TABLE: &'static str = "ingress_trunks";
    const COLUMNS: &'static [&'static str] = &[
        "code",
        "carrier",
        "account",
        "tech_prefix",
        "plan",
        "sell_deck",
        "override_deck",
        "inter_plan",
        "inter_deck",
        "intra_plan",
        "intra_deck",
        "indeterminate_plan",
        "indeterminate_deck",
        "capacity",
        "cps",
        "active",
        "max_duration_s",
        "media_timeout_s",
        "policy",
    ];
    const OF_CARRIER: bool = true;

    fn code(&self) -> &str {
        &self.code
    }

    fn check(&self) -> Result<()> {
        if self.sources.len() > SOURCES_MAX {
            return Err(StoreError::invalid("sources", format!("{SOURCES_MAX} at most")));
        }
        for source in &self.sources {
            let most = if source.network.is_ipv4() { 32 } else { 128 };
            if source.bits > most {
                return Err(StoreError::invalid("sources", format!("{} has more than {most} bits", source.network)));
            }
        }
        check_prefix("tech_prefix", &self.tech_prefix)?;
        policy::check(&self.policy, Side::Ingress)
    }

    fn args(&self) -> Vec<Arg> {
        let mut all = args![
            self.code.as_str(),
            self.carrier.0,
            self.account.0,
            self.tech_prefix.as_str(),
            self.plan.0,
            self.sell_deck.0,
            self.override_deck.map(|deck| deck.0)
        ];
        for way in self.ways.all() {
            all.extend(args![way.plan.map(|plan| plan.0), way.sell_deck.map(|deck| deck.0)]);
        }
        all.extend(args![
            self.capacity,
            self.cps,
            self.active,
            self.max_duration_s,
            self.media_timeout_s,
            self.policy.to_text()
        ]);
        all
    }

    fn read(row: &Row) -> Result<IngressTrunkDraft> {
        Ok(IngressTrunkDraft {
            code: row.text("code")?,
            carrier: CarrierId(row.num("carrier")?),
            account: AccountId(row.num("account")?),
            sources: Vec::new(),
            tech_prefix: row.text("tech_prefix")?,
            plan: PlanId(row.num("plan")?),
            sell_deck: DeckId(row.num("sell_deck")?),
            override_deck: row.opt_num("override_deck")?.map(DeckId),
            ways: Ways {
                inter: way(row, "inter")?,
                intra: way(row, "intra")?,
                indeterminate: way(row, "indeterminate")?,
            },
            capacity: row.num("capacity")?,
            cps: row.num("cps")?,
            active: row.flag("active")?,
            max_duration_s: row.num("max_duration_s")?,
            media_timeout_s: row.num("media_timeout_s")?,
            policy: policy::read(row)?,
        })
    }

    fn settle(&mut self, before: Option<&Self>) -> Result<()> {
        policy::settle(&mut self.policy, before.map(|draft| &draft.policy))
    }

    async fn check_links(&self, tx: &mut Tx) -> Result<()> {
        exists(tx, "plans", "plan", self.plan.0).await?;
        fits(tx, self.carrier.0, self.account.0, self.sell_deck.0, "sell_deck").await?;
        if let Some(deck) = self.override_deck {
            fits(tx, self.carrier.0, self.account.0, deck.0, "override_deck").await?;
        }
        for (way, [plan_field, deck_field]) in self.ways.all().into_iter().zip(WAY_FIELDS) {
            if let Some(plan) = way.plan {
                exists(tx, "plans", plan_field, plan.0).await?;
            }
            if let Some(deck) = way.sell_deck {
                fits(tx, self.carrier.0, self.account.0, deck.0, deck_field).await?;
            }
        }
        Ok(())
    }

    async fn complete(tx: &mut Tx, found: &mut [IngressTrunk]) -> Result<()> {
        let (Some(first), Some(last)) = (found.first(), found.last()) else { return Ok(()) };
        let sql = "SELECT * FROM ingress_sources WHERE trunk BETWEEN ? AND ? ORDER BY trunk,position";
        for row in tx.rows(sql, args![first.id, last.id]).await? {
            let id: u32 = row.num("trunk")?;
            if let Ok(place) = found.binary_search_by_key(&id, |trunk| trunk.id) {
                found[place].draft.sources.push(source(&row)?);
            }
        }
        Ok(())
    }

    async fn save_more(&self, tx: &mut Tx, id: u32, _old: Option<&IngressTrunk>) -> Result<()> {
        tx.run("DELETE FROM ingress_sources WHERE trunk=?", args![id]).await?;
        let rows =
            self.sources.iter().enumerate().map(|(position, source)| {
                args![id, position as u64, source.network.to_string(), source.bits, source.port]
            });
        let columns = &["trunk", "position", "network", "bits", "port"];
        tx.insert_many("INSERT INTO", "ingress_sources", columns, rows.collect()).await?;
        Ok(())
    }
}

/// What errors call the plan and the deck of each way, in the order of [`Ways::all`].
const WAY_FIELDS: [[&str; 2]; 3] = [
    ["ways.inter.plan", "ways.inter.sell_deck"],
    ["ways.intra.plan", "ways.intra.sell_deck"],
    ["ways.indeterminate.plan", "ways.indeterminate.sell_deck"],
];

fn way(row: &Row, name: &str) -> Result<Way> {
    let id = |what: &str| row.opt_num(&format!("{name}_{what}"));
    Ok(Way { plan: id("plan")?.map(PlanId), sell_deck: id("deck")?.map(DeckId) })
}

fn source(row: &Row) -> Result<Source> {
    let text = row.text("network")?;
    let network = text.parse().map_err(|_| StoreError::Broken(format!("column network holds {text:?}")))?;
    Ok(Source { network, bits: row.num("bits")?, port: row.num("port")? })
}

/// A source as calls are compared with it: address, leading bits and port, and zeros behind the bits, so that `10.1.2.3/8` is `10.0.0.0/8`.
pub fn compared(source: &Source) -> (IpAddr, u8, u16) {
    let network = match source.network {
        IpAddr::V4(address) => {
            let rest = u32::MAX.checked_shr(u32::from(source.bits)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & !rest))
        }
        IpAddr::V6(address) => {
            let rest = u128::MAX.checked_shr(u32::from(source.bits)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !rest))
        }
    };
    (network, source.bits, source.port)
}

/// What may stand in front of a number: digits and what tech prefixes are made of.
pub(crate) fn check_prefix(field: &'static str, prefix: &str) -> Result<()> {
    let fits = |b: u8| b.is_ascii_digit() || b.is_ascii_uppercase() || b"*#+".contains(&b);
    if prefix.len() > PREFIX_CHARS_MAX || !prefix.bytes().all(fits) {
        return Err(StoreError::invalid(field, "up to 15 characters of 0-9, A-Z, '*', '#' and '+'"));
    }
    Ok(())
}
