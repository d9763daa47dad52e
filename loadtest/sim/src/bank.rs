//! The ledger of a run: the production decisions over rows in memory, with a replica that may have to take over.
//!
//! An answer may leave when the replica has everything that was written until then ([`Bank::acknowledge`]); a take-over forgets the
//! rest. What is wrong with the rows is noticed at once.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use cdr::{Cdr, Record};
use ledger::{Account, Ask, Balance, Call, Fence, Grant, State};
use panel::wire::{Reply, Want};
use shard::book::{grant_of, grant_text};
use units::{AccountId, CallId, GrantId, Money};

/// What one transaction wrote.
#[derive(Clone, Debug, Default)]
struct Commit {
    changes: Vec<(AccountId, Balance)>,
    grants: Vec<Grant>,
    posts: Vec<CallId>,
    /// What was written off of calls that a crash cut.
    lost: Vec<(AccountId, Money)>,
    cursor: Option<(usize, usize)>,
}

/// One database's rows.
#[derive(Clone, Debug, Default)]
struct Rows {
    accounts: BTreeMap<AccountId, Balance>,
    grants: BTreeMap<GrantId, Grant>,
    posts: BTreeSet<CallId>,
    lost: BTreeMap<AccountId, Money>,
    cursors: BTreeMap<usize, usize>,
}

impl Rows {
    fn write(&mut self, commit: &Commit) {
        for (account, change) in &commit.changes {
            *self.accounts.entry(*account).or_default() += *change;
        }
        self.grants.extend(commit.grants.iter().map(|grant| (grant.id, *grant)));
        self.posts.extend(&commit.posts);
        for (account, amount) in &commit.lost {
            *self.lost.entry(*account).or_default() += *amount;
        }
        if let Some((node, place)) = commit.cursor {
            let cursor = self.cursors.entry(node).or_default();
            *cursor = place.max(*cursor);
        }
    }
}

/// Accounts and grants.
#[derive(Clone, Debug, Default)]
pub struct Bank {
    rows: Rows,
    replica: Rows,
    unacknowledged: VecDeque<Commit>,
    /// How often a replica took over: what was under way before is lost.
    pub epoch: u32,
    /// Nodes that were written off.
    fences: BTreeMap<u16, Fence>,
    /// What did not add up.
    pub faults: Vec<String>,
}

impl Bank {
    /// A payment.
    pub fn fund(&mut self, account: AccountId, amount: i64) {
        let amount = Money::from_nanos(amount);
        let change = Balance { available: amount, funds: amount, ..Balance::default() };
        self.commit(Commit { changes: [(account, change)].into(), ..Commit::default() });
    }

    /// Answers a want: one transaction.
    pub fn ask(&mut self, want: &Want) -> Option<Reply> {
        let (Want::Grant { grant: text, account, .. } | Want::Close { grant: text, account, .. }) = want;
        let (id, account) = (grant_of(text)?, AccountId(*account));
        let known = self.rows.grants.get(&id);
        let fenced = self.fences.get(&id.node.0).is_some_and(|fence| fence.holds(id.boot));
        let (reply, step) = match want {
            Want::Grant { want, slice, .. } => {
                let available = self.rows.accounts.get(&account).map_or(Money::ZERO, |row| row.available);
                let funds = Account { limited: true, available, ..Account::default() };
                let ask = Ask { want: Money::from_nanos(*want), slice: Money::from_nanos(*slice) };
                let (answer, step) = ledger::grant(id, account, known, &funds, ask, fenced).ok()?;
                let (amount, cause) = (answer.amount.nanos(), answer.cause.map_or(0, |cause| cause.0));
                (Reply::Granted { grant: grant_text(id), account: account.0, amount, cause }, step)
            }
            Want::Close { used, .. } => {
                let step = ledger::close(id, account, known, Money::from_nanos(*used)).ok()?;
                (Reply::Closed { grant: grant_text(id) }, step)
            }
        };
        let step = step.map(|step| ([(account, step.change)].into(), [step.grant].into()));
        let (changes, grants) = step.unwrap_or_default();
        self.commit(Commit { changes, grants, ..Commit::default() });
        Some(reply)
    }

    /// Takes records of a node's journal, the next of them standing at `till`: one transaction. Returns where the node's collector is.
    pub fn collect(&mut self, node: usize, records: &[Record], till: usize) -> usize {
        let mut commit = Commit { cursor: Some((node, till)), ..Commit::default() };
        let mut grants = BTreeMap::new();
        let mut fresh = BTreeSet::new();
        for record in records {
            let Record::Cdr(cdr) = record else { continue };
            for part in cdr.grants.iter().chain(&cdr.owed_grants) {
                if let Some(known) = self.rows.grants.get(&part.grant) {
                    grants.entry(part.grant).or_insert(*known);
                }
            }
            let sides = sides(cdr);
            let known = self.rows.posts.contains(&cdr.call) || !fresh.insert((cdr.call, cdr.attempt));
            if let Some(amount) = ledger::lost(cdr.written_off, known) {
                commit.lost.push((cdr.originator_account, amount));
                commit.posts.push(cdr.call);
            }
            for call in sides {
                let Some(posted) = ledger::post(call, known, &mut grants) else { continue };
                if posted.uncovered != Money::ZERO {
                    let Call { account, price, .. } = call;
                    let (id, open) = (cdr.call, posted.uncovered);
                    self.faults.push(format!("call {id}: no grant of {account} covers {open} of {price}"));
                }
                commit.changes.push((call.account, posted.change));
                commit.posts.push(cdr.call);
            }
        }
        commit.grants = grants.into_values().collect();
        self.commit(commit);
        self.rows.cursors.get(&node).copied().unwrap_or_default()
    }

    fn commit(&mut self, commit: Commit) {
        self.rows.write(&commit);
        for (account, _) in &commit.changes {
            self.check(*account);
        }
        self.unacknowledged.push_back(commit);
    }

    /// A node is given up: what it was lent is back with its accounts, and it is barred.
    pub fn write_off(&mut self, node: u16) {
        let own: Vec<Grant> = self.rows.grants.values().filter(|grant| grant.id.node.0 == node).copied().collect();
        let boot = own.iter().map(|grant| grant.id.boot).max().unwrap_or_default();
        let steps: Vec<ledger::Step> = own.iter().filter_map(ledger::write_off).collect();
        let changes = steps.iter().map(|step| (step.grant.account, step.change)).collect();
        let grants = steps.iter().map(|step| step.grant).collect();
        self.commit(Commit { changes, grants, ..Commit::default() });
        self.fences.insert(node, Fence { boot, barred: true });
    }

    /// How a node is fenced.
    pub fn fence(&self, node: u16) -> Option<Fence> {
        self.fences.get(&node).copied()
    }

    /// The replica has one transaction more.
    pub fn acknowledge(&mut self) {
        if let Some(commit) = self.unacknowledged.pop_front() {
            self.replica.write(&commit);
        }
    }

    /// The database is lost, and its replica goes on with what it has.
    pub fn take_over(&mut self) {
        self.epoch += 1;
        self.unacknowledged.clear();
        self.rows = self.replica.clone();
    }

    /// I2: the sums of an account, from its row and from its grants.
    fn check(&mut self, account: AccountId) {
        let Some(row) = self.rows.accounts.get(&account) else { return };
        let own = self.rows.grants.values().filter(|grant| grant.account == account);
        let held = own.fold(Money::ZERO, |sum, grant| sum + grant.held());
        let over = row.available < Money::ZERO || row.held < Money::ZERO || row.settled > row.funds;
        if !row.adds_up() || over || held != row.held {
            self.faults.push(format!("account {account} does not add up: {row:?}, its grants hold {held}"));
        }
    }

    /// Grants that were lent and not handed back.
    pub fn open(&self) -> usize {
        self.rows.grants.values().filter(|grant| grant.state == State::Open).count()
    }

    /// How much was lent under an id, as far as this database knows.
    pub fn lent(&self, grant: GrantId) -> Option<Money> {
        self.rows.grants.get(&grant).map(Grant::answer)
    }

    /// What was written off of an account's calls that a crash cut.
    pub fn lost(&self, account: AccountId) -> Money {
        self.rows.lost.get(&account).copied().unwrap_or_default()
    }

    /// The row of an account.
    pub fn row(&self, account: AccountId) -> Balance {
        self.rows.accounts.get(&account).copied().unwrap_or_default()
    }
}

/// What a call's record takes from whom: its price from the originator's funds, its cost from what the terminator may be owed.
fn sides(cdr: &Cdr) -> Vec<Call<'_>> {
    let sell = cdr.sell.map(|sell| Call { account: cdr.originator_account, price: sell.price, parts: &cdr.grants });
    let limited = crate::prices::is_limited(cdr.terminator_account.0);
    let account = cdr.terminator_account.owed();
    let buy = cdr.buy.filter(|_| limited).map(|buy| Call { account, price: buy.price, parts: &cdr.owed_grants });
    let costs = |call: &Call<'_>| cdr.attempt.0 == 0 && call.price != Money::ZERO;
    sell.into_iter().chain(buy).filter(costs).collect()
}
