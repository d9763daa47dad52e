//! The only room that knows HTTP: the REST API, log-ins and keys, metrics, and the pages of the operator's console.
//!
//! [`serve`] answers on a listener until it is dropped. It knows no SQL (that is `store`'s) and no socket of the data plane (that is
//! behind [`Link`]); it decides nothing about calls: the simulator runs `rating` on the snapshot that the data plane runs on.

#![allow(unused_qualifications, reason = "what utoipa derives qualifies the names of our types")]

pub mod api;
mod arithmetic;
pub mod auth;
pub mod cell;
mod connections;
pub mod desk;
pub mod extract;
mod gui;
pub mod invoice;
mod live;
mod metrics;
mod names;
mod nulls;
mod object;
pub mod page;
pub mod problem;
mod ranges;
mod repeats;
mod router;
mod services;
pub mod sheets;
pub mod snapshot_files;
mod snapshots;
mod strict;
pub mod value;

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub use auth::{OneTimeTokens, Proxies};
pub use router::{openapi, openapi_text};
pub use services::{
    Apply, ApplyMistake, ApplyRefusal, Backlog, Cluster, ClusterSeen, Later, Link, LinkDown, Services, Source,
    Unpromoted,
};

/// Serves the API and the pages until the future is dropped.
pub async fn serve(listener: TcpListener, services: Services) -> std::io::Result<()> {
    let proxies = services.proxies.clone();
    let (router, app) = router::router(services);
    // Dropped with this future, and with it the tasks.
    let mut readers = JoinSet::new();
    readers.spawn(live::read_for_ever(Arc::clone(&app)));
    readers.spawn(live::follow_for_ever(Arc::clone(&app)));
    readers.spawn(live::sum_for_ever(app));
    connections::serve(listener, router, connections::Patience::default(), proxies).await
}
