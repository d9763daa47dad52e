//! An operator's order: the database must be primary on this node.

use cluster::words::{INSIST, ORDER};

use crate::etcd::{Etcd, LiveError};
use crate::wire::{Compare, Write};

/// Insists that a node's database becomes primary although it may lack acknowledged commits.
pub fn insist(etcd: &Etcd, on: u16) -> Result<(), LiveError> {
    etcd.put(INSIST, on.to_string().as_bytes(), None).map(drop)
}

/// Insists no more. False: the node took the order.
pub fn relent(etcd: &Etcd) -> Result<bool, LiveError> {
    etcd.delete(INSIST)
}

/// True once for an order that insists on this node's own database.
pub fn insisted(etcd: &Etcd, me: u16) -> bool {
    take(etcd, INSIST, me)
}

/// Orders the database to a node. It is given there as soon as the other has everything.
pub fn give(etcd: &Etcd, to: u16) -> Result<(), LiveError> {
    etcd.put(ORDER, to.to_string().as_bytes(), None).map(drop)
}

/// Takes the order back. False: there was none.
pub fn take_back(etcd: &Etcd) -> Result<bool, LiveError> {
    etcd.delete(ORDER)
}

/// True once for an order that names this other node: whoever holds the database hands it over.
pub fn taken(etcd: &Etcd, other: u16) -> bool {
    take(etcd, ORDER, other)
}

fn take(etcd: &Etcd, order: &str, node: u16) -> bool {
    let Ok(Some(entry)) = etcd.get(order) else { return false };
    let named = entry.value == node.to_string().as_bytes();
    named && matches!(etcd.change(&[Compare::WrittenBy(order, entry.revision)], &[Write::Delete(order)]), Ok(Some(_)))
}
