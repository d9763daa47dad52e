//! Room of trunks and carriers and money of accounts live on one home shard each; the other shards ask it by parcel.
//!
//! Room is counted from takes and returns, so it is exact and never below zero. Money is what the ledger granted to this node:
//! calls reserve slices of it, and what they do not use is free again.

mod purse;
mod room;
mod rooms;

pub use room::{Limits, MOMENTS_MAX};
pub use rooms::{Allowed, Holder, Taken};

use alloc::vec::Vec;

use call::effect::{News, Place, Trunk};
use cdr::{GrantPart, Record};
use hashbrown::HashMap;
use panel::wire::{Reply, Want};
use rating::quality::Over;
use units::mutant::{self, Mutant};
use units::{AccountId, CarrierId, Cause, EgressTrunkId, GrantId, Instant, Money, NodeId, PlanId, ShardId};

use crate::parts::{Parts, Used};
use crate::table::CallRef;
use purse::Purse;
use rooms::Rooms;

/// A question to a home shard, or its answer.
#[derive(Debug)]
pub enum Entry {
    /// A call that came in wants room at the switch and then at its place.
    Enter {
        /// The call.
        call: CallRef,
        /// Where it came in.
        place: Place,
        /// What is allowed at the switch.
        switch: Limits,
        /// What is allowed at the place.
        allowed: Allowed,
    },
    /// The room at the switch is free again.
    Leave,
    /// One call wants room at a place.
    Take {
        /// The call.
        call: CallRef,
        /// Where.
        place: Place,
        /// What is allowed there.
        allowed: Allowed,
    },
    /// It has it, or not.
    Taken {
        /// The call.
        call: CallRef,
        /// Where.
        place: Place,
        /// The refusal's cause, if it is one.
        taken: Result<(), Cause>,
    },
    /// The room is free again.
    Return {
        /// Where it was taken.
        place: Place,
        /// The plan that chose it.
        plan: PlanId,
        /// How the attempt that had it ended.
        over: Over,
    },
    /// How an attempt goes that has room on a trunk.
    Heard {
        /// The trunk.
        trunk: EgressTrunkId,
        /// Whose it is.
        carrier: CarrierId,
        /// The plan that chose it.
        plan: PlanId,
        /// When its INVITE was sent.
        begun: Instant,
        /// What happened.
        news: News,
    },
    /// One call wants money.
    Reserve {
        /// The call.
        call: CallRef,
        /// Whose money.
        account: AccountId,
        /// Pays for a slice.
        want: Money,
        /// Needed at least.
        least: Money,
    },
    /// It has it, or not.
    Reserved {
        /// The call.
        call: CallRef,
        /// Whose money.
        account: AccountId,
        /// Which grants it came from, or the refusal's cause.
        reserved: Result<Vec<GrantPart>, Cause>,
    },
    /// A call is over: what it reserved and what it used of that.
    Settle {
        /// Whose money.
        account: AccountId,
        /// What was reserved.
        reserved: Vec<GrantPart>,
        /// What was used.
        used: Vec<GrantPart>,
    },
}

impl Entry {
    /// The shard that must see this question; `None` for an answer.
    pub fn home(&self, shards: u16) -> Option<ShardId> {
        let key = match self {
            Entry::Enter { .. } | Entry::Leave => return Some(SWITCH_HOME),
            Entry::Heard { carrier, .. } => carrier.0,
            Entry::Take { place, .. } | Entry::Return { place, .. } => place.carrier.0,
            Entry::Reserve { account, .. } | Entry::Settle { account, .. } => account.0,
            Entry::Taken { .. } | Entry::Reserved { .. } => return None,
        };
        Some(home(key, shards))
    }
}

/// Where the room of the whole switch is kept.
const SWITCH_HOME: ShardId = ShardId(0);

/// The home of an id among `shards`.
pub fn home(key: u32, shards: u16) -> ShardId {
    ShardId((key % u32::from(shards.max(1))) as u16)
}

/// What the book asks of the shard.
#[derive(Debug)]
pub enum Order {
    /// Answer a question, or put one.
    Tell(ShardId, Entry),
    /// Hand a question of another shard on to the next home.
    Pass {
        /// The next home.
        to: ShardId,
        /// Who waits for the answer.
        from: ShardId,
        /// The question.
        entry: Entry,
    },
    /// Append to the journal.
    Journal(Record),
    /// Append to the journal, and when it is durable tell the ledger.
    JournalThenWant(Record, Want),
}

/// The home shard's pages.
#[derive(Debug)]
pub struct Book {
    node: NodeId,
    boot: u32,
    shard: ShardId,
    shards: u16,
    rooms: Rooms,
    purses: HashMap<AccountId, Purse>,
    /// Accounts with a purse, in order of first use: what is walked through must not depend on a hash.
    accounts: Vec<AccountId>,
    grants_asked: u64,
    /// The node was written off, and nobody has admitted it again.
    barred: bool,
}

impl Book {
    /// An empty book.
    pub fn new(node: NodeId, boot: u32, shard: ShardId, shards: u16) -> Book {
        Book {
            node,
            boot,
            shard,
            shards,
            rooms: Rooms::default(),
            purses: HashMap::new(),
            accounts: Vec::new(),
            grants_asked: 0,
            barred: false,
        }
    }

    /// Takes over a grant of an earlier boot.
    pub fn adopt(&mut self, grant: GrantId, account: AccountId, amount: Money, used: Money) {
        if home(account.0, self.shards) == self.shard {
            self.purse(account).adopt(grant, amount, used);
        }
    }

    fn purse(&mut self, account: AccountId) -> &mut Purse {
        let accounts = &mut self.accounts;
        self.purses.entry(account).or_insert_with(|| {
            accounts.push(account);
            Purse::new(account)
        })
    }

    /// A question to this home shard.
    pub fn on_entry(&mut self, now: Instant, from: ShardId, entry: Entry, out: &mut Vec<Order>) {
        match entry {
            Entry::Enter { call, place, switch, allowed } => match self.rooms.enter(now, switch) {
                Ok(()) => {
                    let to = home(place.carrier.0, self.shards);
                    out.push(Order::Pass { to, from, entry: Entry::Take { call, place, allowed } });
                }
                Err(cause) => out.push(Order::Tell(from, Entry::Taken { call, place, taken: Err(cause) })),
            },
            Entry::Leave => self.rooms.leave(),
            Entry::Take { call, place, allowed } => {
                let taken = self.rooms.take(now, place, &allowed);
                if taken.is_err() {
                    leave(place, out);
                }
                out.push(Order::Tell(from, Entry::Taken { call, place, taken }));
            }
            Entry::Return { place, .. } => {
                self.rooms.put_back(place);
                leave(place, out);
            }
            Entry::Reserve { call, account, .. } if self.barred => {
                let reserved = Err(Cause::NODE_WRITTEN_OFF);
                out.push(Order::Tell(from, Entry::Reserved { call, account, reserved }));
            }
            Entry::Reserve { call, account, want, least } => {
                let next = self.next_grant();
                if self.purse(account).reserve(now, from, call, (want, least), next, out) {
                    self.grants_asked += 1;
                }
            }
            Entry::Settle { account, reserved, used } => self.purse(account).settle(now, &reserved, &used, out),
            Entry::Taken { .. } | Entry::Reserved { .. } | Entry::Heard { .. } => {}
        }
    }

    /// The ledger answered.
    pub fn on_reply(&mut self, now: Instant, reply: &Reply, out: &mut Vec<Order>) {
        let (grant, account, amount, cause) = match reply {
            Reply::Granted { grant, account, amount, cause: 0 } => {
                let owed = AccountId(*account).is_owed();
                let cause = if owed { Cause::TERMINATOR_BALANCE } else { Cause::ORIGINATOR_BALANCE };
                (grant, AccountId(*account), amount, cause)
            }
            Reply::Granted { grant, account, amount, cause } => (grant, AccountId(*account), amount, Cause(*cause)),
            Reply::Closed { grant } => {
                let returned = grant_of(grant).map(|grant| Order::Journal(Record::GrantReturned { grant }));
                return out.extend(returned);
            }
        };
        if home(account.0, self.shards) != self.shard {
            return;
        }
        let Some(grant) = grant_of(grant) else { return };
        let next = self.next_grant();
        if self.purse(account).on_granted(now, grant, (Money::from_nanos(*amount), cause), next, out) {
            self.grants_asked += 1;
        }
    }

    /// The node was written off: what boots up to this one were lent is somebody else's. While it is barred it may use nothing at all.
    pub fn on_fence(&mut self, boot: u32, barred: bool, out: &mut Vec<Order>) {
        self.barred = barred && !mutant::is(Mutant::FenceIgnored);
        if mutant::is(Mutant::FenceIgnored) {
            return;
        }
        for account in &self.accounts {
            if let Some(purse) = self.purses.get_mut(account) {
                purse.void(if barred { u32::MAX } else { boot }, barred, out);
            }
        }
    }

    /// From here on this node has these parts of the limits. What calls use of them, and what they missed since the last time.
    pub fn on_parts(&mut self, now: Instant, parts: Parts) -> Vec<Used> {
        self.rooms.on_parts(now, parts)
    }

    /// Time went on: those who waited too long are refused, idle money goes back.
    pub fn on_time(&mut self, now: Instant, out: &mut Vec<Order>) {
        for account in &self.accounts {
            if let Some(purse) = self.purses.get_mut(account) {
                purse.on_time(now, out);
            }
        }
    }

    /// When `on_time` is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.accounts.iter().filter_map(|account| self.purses.get(account)?.deadline()).min()
    }

    /// Grant ids of one node never repeat: the shards take turns.
    fn next_grant(&self) -> GrantId {
        let sequence = self.grants_asked * u64::from(self.shards) + u64::from(self.shard.0);
        GrantId { node: self.node, boot: self.boot, sequence }
    }

    /// Calls that hold room of this holder here.
    pub fn taken(&self, holder: Holder) -> u32 {
        self.rooms.calls(holder)
    }

    /// Rooms on trunks that are taken here.
    pub fn trunk_rooms(&self) -> u32 {
        self.rooms.on_trunks()
    }

    /// All that is taken here, in order of holder.
    pub fn rooms(&self, now: Instant) -> Vec<Taken> {
        self.rooms.all(now)
    }

    /// Each grant that this home lends from: how much it is, and how much of it calls hold or have used.
    pub fn grants(&self) -> impl Iterator<Item = (GrantId, Money, Money)> {
        self.accounts.iter().filter_map(|account| self.purses.get(account)).flat_map(Purse::grants)
    }

    /// Money of an account that calls hold at this moment.
    pub fn reserved(&self, account: AccountId) -> Money {
        self.purses.get(&account).map_or(Money::ZERO, Purse::reserved)
    }
}

/// Who gives a way in back, or did not get it, is no longer in the switch.
fn leave(place: Place, out: &mut Vec<Order>) {
    if matches!(place.trunk, Trunk::Ingress(_)) {
        out.push(Order::Tell(SWITCH_HOME, Entry::Leave));
    }
}

/// A grant's identity as it travels: 32 hexadecimal digits.
pub fn grant_text(grant: GrantId) -> alloc::string::String {
    grant.to_bytes().iter().fold(alloc::string::String::with_capacity(32), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
        text
    })
}

/// The inverse of [`grant_text`].
pub fn grant_of(text: &str) -> Option<GrantId> {
    let mut bytes = [0; 16];
    let digits = text.as_bytes();
    if digits.len() != 32 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = (char::from(pair[0]).to_digit(16)? * 16 + char::from(pair[1]).to_digit(16)?) as u8;
    }
    Some(GrantId::from_bytes(bytes))
}
