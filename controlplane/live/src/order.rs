//! An operator's order: the database must be primary on this node.

use crate::etcd::{Etcd, LiveError};
use crate::wire::{Compare, Write};

/// Where the order stands: the wanted node's number.
pub const ORDER: &str = "/tandem/order/database";

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
    let Ok(Some(entry)) = etcd.get(ORDER) else { return false };
    let named = entry.value == other.to_string().as_bytes();
    named && matches!(etcd.change(&[Compare::WrittenBy(ORDER, entry.revision)], &[Write::Delete(ORDER)]), Ok(Some(_)))
}
