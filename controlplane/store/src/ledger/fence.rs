//! A node that fell silent for good: an operator who has fenced it gives what it held back to the accounts.

use std::collections::BTreeMap;

use ::ledger::{Fence, State};
use units::{AccountId, GrantId, Money, NodeId};

use crate::Store;
use crate::error::{Result, StoreError};
use crate::ledger::{grant_row, lock, number, write};
use crate::sql::{Tx, args, now};

/// Characters of a note at most.
const NOTE_CHARS_MAX: usize = 400;

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOff {
    /// Boots of the node up to this one are lent nothing more.
    pub boot: u32,
    /// Grants that held something.
    pub grants: u32,
    /// By account.
    pub returned: Vec<(AccountId, Money)>,
}

impl Store {
    /// Gives all that a node holds back to its accounts and fences its boots so far. To be done when the node cannot carry calls any
    /// more, and must not come back with its old data folder: what it would spend is spent already.
    pub async fn write_off(&self, node: NodeId, note: &str) -> Result<WriteOff> {
        if note.chars().count() > NOTE_CHARS_MAX {
            return Err(StoreError::invalid("note", "up to 400 characters"));
        }
        let mut tx = self.write().await?;
        let (low, high) = bounds(node);
        let sql = "SELECT DISTINCT account FROM grants WHERE id BETWEEN ? AND ? AND state IN (?,?) ORDER BY account";
        let values = args![low, high, number(State::Open), number(State::Closed)];
        // Accounts first, in order, as everybody who changes several does.
        for row in tx.rows(sql, values.clone()).await? {
            lock(&mut tx, row.num("account")?).await?;
        }
        let boot = fence(&mut tx, node, note).await?;
        let sql = "SELECT * FROM grants WHERE id BETWEEN ? AND ? AND state IN (?,?) ORDER BY id";
        let mut returned: BTreeMap<AccountId, Money> = BTreeMap::new();
        let mut grants = 0;
        for row in tx.rows(sql, values).await? {
            let Some(step) = ::ledger::write_off(&grant_row(&row)?) else { continue };
            grants += 1;
            // What may be owed is nobody's money.
            if !step.grant.account.is_owed() {
                *returned.entry(step.grant.account).or_default() += step.change.available;
            }
            write(&mut tx, &step, true, ("write_off", note)).await?;
        }
        tx.commit().await?;
        self.acknowledged().await?;
        Ok(WriteOff { boot, grants, returned: returned.into_iter().collect() })
    }

    /// Admits a node again that was written off: from its next start on it is lent money. Its starts so far stay refused. Returns the last
    /// of them.
    pub async fn admit_node(&self, node: NodeId) -> Result<u32> {
        let mut tx = self.write().await?;
        let Some(fence) = find(&mut tx, node).await? else {
            return Err(StoreError::missing("written-off node", node));
        };
        let boot = fence.boot.max(last_boot(&mut tx, node).await?);
        tx.run("UPDATE node_fences SET boot=?,admitted=? WHERE node=?", args![boot, now(), node.0]).await?;
        tx.commit().await?;
        self.acknowledged().await?;
        Ok(boot)
    }

    /// How a node is fenced; `None` if it was never written off.
    pub async fn node_fence(&self, node: NodeId) -> Result<Option<Fence>> {
        find(&mut self.read().await?, node).await
    }
}

/// The ids of a node's grants begin with its number.
fn bounds(node: NodeId) -> ([u8; 16], [u8; 16]) {
    let low = GrantId { node, boot: 0, sequence: 0 }.to_bytes();
    let mut high = [0xFF; 16];
    high[..2].copy_from_slice(&low[..2]);
    (low, high)
}

/// Refuses the node until it is admitted again, and its boots so far for good.
async fn fence(tx: &mut Tx, node: NodeId, note: &str) -> Result<u32> {
    let boot = last_boot(tx, node).await?;
    tx.run("DELETE FROM node_fences WHERE node=?", args![node.0]).await?;
    let sql = "INSERT INTO node_fences (node,boot,at,note,admitted) VALUES (?,?,?,?,NULL)";
    tx.run(sql, args![node.0, boot, now(), note]).await?;
    Ok(boot)
}

/// The last start of the node that is known: by what it asked for, and by what was collected of it.
async fn last_boot(tx: &mut Tx, node: NodeId) -> Result<u32> {
    let (low, high) = bounds(node);
    let last =
        tx.row("SELECT * FROM grants WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT 1", args![low, high]).await?;
    let asked = last.map(|row| grant_row(&row)).transpose()?.map_or(0, |grant| grant.id.boot);
    let sql = "SELECT boot FROM collector_cursors WHERE node=? ORDER BY boot DESC LIMIT 1";
    let told = tx.row(sql, args![node.0]).await?.map(|row| row.num("boot")).transpose()?.unwrap_or(0);
    Ok(asked.max(told))
}

/// How the node is fenced, if it is.
pub(crate) async fn find(tx: &mut Tx, node: NodeId) -> Result<Option<Fence>> {
    let row = tx.row("SELECT * FROM node_fences WHERE node=?", args![node.0]).await?;
    row.map(|row| Ok(Fence { boot: row.num("boot")?, barred: row.opt_int("admitted")?.is_none() })).transpose()
}
