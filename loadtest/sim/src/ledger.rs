//! The oracle's ledger: lends money by the rules of the design, and notices when the books do not add up.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use cdr::Cdr;
use panel::wire::{Reply, Want};
use units::{CallId, GrantId};

/// Below this an account's rest is lent whole.
const SMALL: i64 = 10_000_000;

#[derive(Clone, Debug, Default)]
struct Row {
    funds: i64,
    available: i64,
    held: i64,
    settled: i64,
}

#[derive(Clone, Debug, Default)]
struct Grant {
    account: u32,
    amount: i64,
    posted: i64,
    closed: bool,
}

/// Accounts and grants.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    rows: BTreeMap<u32, Row>,
    grants: BTreeMap<String, Grant>,
    posts: BTreeSet<CallId>,
    /// What did not add up.
    pub faults: Vec<String>,
}

/// A grant's identity as the wire writes it.
pub fn grant_text(grant: GrantId) -> String {
    grant.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Ledger {
    /// Gives an account its money.
    pub fn fund(&mut self, account: u32, funds: i64) {
        self.rows.insert(account, Row { funds, available: funds, ..Row::default() });
    }

    /// Answers a want; the same want gets the same answer.
    pub fn ask(&mut self, want: &Want) -> Reply {
        match want {
            Want::Grant { grant, account, want, .. } => {
                let amount = match self.grants.get(grant) {
                    Some(known) => known.amount,
                    None => self.lend(grant, *account, *want),
                };
                Reply::Granted { grant: grant.clone(), account: *account, amount }
            }
            Want::Close { grant, account, used } => {
                self.close(grant, *account, *used);
                Reply::Closed { grant: grant.clone() }
            }
        }
    }

    fn lend(&mut self, grant: &str, account: u32, want: i64) -> i64 {
        let row = self.rows.entry(account).or_default();
        let half = if row.available <= SMALL { row.available } else { row.available / 2 };
        let amount = want.min(half).max(0);
        row.available -= amount;
        row.held += amount;
        self.grants.insert(grant.into(), Grant { account, amount, ..Grant::default() });
        amount
    }

    fn close(&mut self, grant: &str, account: u32, used: i64) {
        // An unknown grant leaves a tombstone: asked for later, it is refused.
        let known = self.grants.entry(grant.into()).or_insert(Grant { account, closed: true, ..Grant::default() });
        if known.closed {
            return;
        }
        known.closed = true;
        if used != known.posted {
            self.faults.push(format!("grant {grant} closed with {used} used, but {} was posted", known.posted));
        }
        let rest = known.amount - known.posted;
        if let Some(row) = self.rows.get_mut(&account) {
            row.available += rest;
            row.held -= rest;
        }
    }

    /// Books a call record that is safe in the journal; the second time it is nothing.
    pub fn post(&mut self, call: &Cdr) {
        if !self.posts.insert(call.call) {
            return;
        }
        let price = call.sell.map_or(0, |sell| sell.price.nanos());
        let parts: i64 = call.grants.iter().map(|part| part.amount.nanos()).sum();
        if parts != price {
            self.faults.push(format!("call {}: price {price} but {parts} taken from grants", call.call));
        }
        for part in &call.grants {
            self.post_part(call, grant_text(part.grant), part.amount.nanos());
        }
    }

    fn post_part(&mut self, call: &Cdr, name: String, amount: i64) {
        let Some(grant) = self.grants.get_mut(&name) else {
            self.faults.push(format!("call {} was paid from grant {name}, which nobody lent", call.call));
            return;
        };
        grant.posted += amount;
        if grant.closed || grant.posted > grant.amount || grant.account != call.originator_account.0 {
            self.faults.push(format!("call {}: {amount} from grant {name}: {grant:?}", call.call));
        }
        if let Some(row) = self.rows.get_mut(&grant.account) {
            row.held -= amount;
            row.settled += amount;
        }
    }

    /// Grants that were lent and not handed back.
    pub fn open(&self) -> usize {
        self.grants.values().filter(|grant| !grant.closed && grant.amount > 0).count()
    }

    /// What is wrong with the sums.
    pub fn check(&self) -> Option<String> {
        for (account, row) in &self.rows {
            let sum = row.available + row.held + row.settled;
            if sum != row.funds || row.available < 0 || row.held < 0 || row.settled > row.funds {
                return Some(format!("account {account} does not add up: {row:?}"));
            }
        }
        self.faults.first().cloned()
    }
}
