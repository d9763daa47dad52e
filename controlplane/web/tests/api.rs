//! The API over a real listener, with a real SQLite store and a data plane that says what the story needs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

#[path = "api/access.rs"]
mod access;
#[path = "api/cluster.rs"]
mod cluster;
#[path = "api/document.rs"]
mod document;
#[path = "api/guards.rs"]
mod guards;
#[path = "api/imports.rs"]
mod imports;
#[path = "api/invoices.rs"]
mod invoices;
#[path = "api/jobs.rs"]
mod jobs;
#[path = "api/keys.rs"]
mod keys;
#[path = "api/live.rs"]
mod live;
#[path = "api/node.rs"]
mod node;
#[path = "api/objects.rs"]
mod objects;
#[path = "api/past.rs"]
mod past;
#[path = "api/policies.rs"]
mod policies;
#[path = "api/portal.rs"]
mod portal;
#[path = "api/reratings.rs"]
mod reratings;
#[path = "api/routing.rs"]
mod routing;
#[path = "api/second_factor.rs"]
mod second_factor;
#[path = "api/sheets.rs"]
mod sheets;
#[path = "api/simulate.rs"]
mod simulate;
#[path = "api/standings.rs"]
mod standings;
#[path = "api/statistics.rs"]
mod statistics;
#[path = "api/webhooks.rs"]
mod webhooks;
