//! One file a resource: its shapes in JSON, its paths, and how the store's words become the API's.

pub mod access;
pub mod accounts;
pub mod apply;
pub mod audit;
pub mod calls;
pub mod carriers;
pub mod cdrs;
pub mod decks;
pub mod egress_trunks;
pub mod exchange_rates;
pub mod import;
pub mod ingress_trunks;
pub mod latency;
pub mod nodes;
pub mod ops;
pub mod overview;
pub mod peers;
pub mod plans;
pub mod rates;
pub mod rewrites;
pub mod simulate;
pub mod standings;
pub mod story;
pub mod trunk_groups;
