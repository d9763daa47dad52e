//! What the arbiter keeps of a service that has one holder at most, and which writes it takes.
//!
//! An etcd transaction does the same: it compares the key's revision and the presence of the holder's lease, and puts the next book.

use units::NodeId;

use crate::broken::{Broken, is};

/// The arbiter's page about one service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Book {
    /// Raised by every write. A write names the version that it was decided on.
    pub version: u64,
    /// Raised whenever the service gets a holder. 0: it never had one.
    pub epoch: u64,
    /// Who holds the service, or held it last.
    pub holder: Option<NodeId>,
    /// The holder's lease lives. It ends when its time passes without a write of the holder, by the arbiter's clock or by that of who reads
    /// ([`crate::Vigil`]).
    pub held: bool,
    /// The replica that has every commit that was ever acknowledged. `None`: the holder alone has them all.
    pub sync: Option<NodeId>,
    /// The life of that replica's process ([`crate::Local::life`]). One that was started again may lack what it had only received.
    pub sync_life: u64,
}

/// A change that a node asks for. All but `Drop` and `Leave` begin the lease anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// Becomes the holder of a service whose lease ended, with a database of this life.
    Take(u64),
    /// Goes on holding.
    Renew,
    /// The replica that acknowledges is now this one, in this life, or none.
    Sync(Option<(NodeId, u64)>),
    /// Names the next holder, who has everything. The one who gives stays in sync, in this life: it has everything too.
    Give(NodeId, u64),
    /// Ends the lease at once: the database's process died.
    Drop,
    /// Says that the book must not count on who asks: its copy is about to be thrown away. What was decided before is not written after.
    Leave,
    /// Becomes the holder whatever the book says of the replica: of an address, which has no memory, or because an operator insists,
    /// although acknowledged commits may be lost.
    Seize,
    /// Names the next holder of an address, which has no memory.
    Pass(NodeId),
}

/// A write with the one who asks and what it was decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Who asks.
    pub by: NodeId,
    /// The version of the book that was read before.
    pub version: u64,
    /// What to write.
    pub write: Write,
}

/// Why the arbiter did not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The book was written since it was read.
    Stale,
    /// Somebody's lease lives.
    Held,
    /// The one who asks does not hold the service, or its lease ended.
    NotHolder,
    /// The node may lack commits that were acknowledged.
    NotInSync,
}

impl Book {
    /// The book after a write, or why it stays as it is.
    pub fn write(self, ask: Ask) -> Result<Book, Refused> {
        if ask.version != self.version && !is(Broken::StaleWritten) {
            return Err(Refused::Stale);
        }
        let mut next = Book { version: self.version + 1, ..self };
        match ask.write {
            Write::Take(_) | Write::Seize if self.held => return Err(Refused::Held),
            Write::Take(life) => {
                self.may_take(ask.by, life)?;
                next.reign(ask.by);
            }
            Write::Seize => next.reign(ask.by),
            Write::Leave if self.sync == Some(ask.by) || self.holder == Some(ask.by) => return Err(Refused::Held),
            Write::Leave => {}
            _ if !self.held || self.holder != Some(ask.by) => return Err(Refused::NotHolder),
            Write::Renew => {}
            Write::Sync(replica) => next.count_on(replica),
            Write::Give(to, life) if self.sync == Some(to) => {
                next.reign(to);
                next.count_on(Some((ask.by, life)));
            }
            Write::Give(..) => return Err(Refused::NotInSync),
            Write::Pass(to) => next.reign(to),
            Write::Drop => next.held = false,
        }
        Ok(next)
    }

    /// The book after the holder's lease ended by itself.
    pub fn lapsed(self) -> Book {
        Book { held: false, ..self }
    }

    /// The book counts on this node's database, as it is in this life.
    pub fn counts_on(&self, node: NodeId, life: u64) -> bool {
        self.sync == Some(node) && (self.sync_life == life || is(Broken::CountedReborn))
    }

    /// What the book says of the replica from now on.
    pub(crate) fn count_on(&mut self, replica: Option<(NodeId, u64)>) {
        (self.sync, self.sync_life) = (replica.map(|(node, _)| node), replica.map_or(0, |(_, life)| life));
    }

    /// The replica that the book counts on, with its life.
    pub(crate) fn replica(&self) -> Option<(NodeId, u64)> {
        self.sync.map(|node| (node, self.sync_life))
    }

    /// Only who surely has every acknowledged commit may take over: the recorded replica, or the last holder itself.
    fn may_take(self, by: NodeId, life: u64) -> Result<(), Refused> {
        let has_all = self.counts_on(by, life) || self.holder == Some(by) || self.holder.is_none();
        if has_all || is(Broken::TakesWithoutSync) { Ok(()) } else { Err(Refused::NotInSync) }
    }

    fn reign(&mut self, by: NodeId) {
        // What the replica recorded for an earlier holder has does not bind the next one: it begins alone.
        if self.holder != Some(by) {
            self.count_on(None);
        }
        self.epoch += 1;
        self.holder = Some(by);
        self.held = true;
    }
}
