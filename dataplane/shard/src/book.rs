//! Limits and money live on one home shard each; the others ask it by parcel.

/// A question to a home shard, or its answer.
#[derive(Debug)]
pub enum Entry {}
