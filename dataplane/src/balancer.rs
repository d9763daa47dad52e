//! The role `balancer`: one thread passes messages on between peers and cores, one listens to operators.
//!
//! It has no state that outlives it: whoever takes its place, or its next start, chooses the same cores.

mod control;
mod follow;
mod rows;
mod turn;

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use balance::Balancer;
use tokio::sync::oneshot;
use uring::socket::UdpSocket;
use uring::{Class, Doorbell, Ring, host};

use crate::control::End;
use crate::listen::Listen;
use crate::settings::Settings;
use crate::sockets::SIGNAL;
use crate::{clocks, gate};
use follow::Follow;
use turn::{Order, Turn};

/// Datagrams under way at most, each with a copy of its own.
const SENDS_MAX: u32 = 4_096;

/// How long a question to one member of etcd may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Runs until stopped.
pub fn run(settings: &Settings) -> anyhow::Result<End> {
    clocks::read();
    let (outer, inner) = sockets(settings)?;
    let key = settings.balancer_key.as_deref().context("a balancer needs --balancer-key FILE")?;
    let entropy = u64::from_le_bytes(host::entropy()?[..8].try_into().context("eight of thirty-two bytes")?);
    let mut balancer = Balancer::new(gate::read_key(key)?, inner.address(), entropy);
    for core in &settings.cores {
        let added = balancer.cores_mut().add(core.at, core.weight);
        added.map_err(|refusal| anyhow::anyhow!("{}: {refusal}", core.at))?;
    }
    let etcd = settings.together.open(PATIENCE)?;
    ensure!(
        etcd.is_some() || !settings.cores.is_empty(),
        "a balancer needs --cores, or --etcd by which cores tell of themselves"
    );
    let follow = etcd.map(|etcd| Follow::new(etcd, inner.address()));
    let folder = settings.data.join("run");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let (orders_in, orders) = mpsc::channel();
    let (ended_in, ended) = oneshot::channel();
    let bell = Doorbell::new()?;
    let (own_bell, seen) = (bell.clone(), (outer.address(), inner.address()));
    let thread = std::thread::Builder::new().name("balancer".into()).spawn(move || {
        let turned = turn(own_bell, (outer, inner), (balancer, follow), orders);
        // The control thread waits for it until it ends itself.
        let _ = ended_in.send(turned);
    });
    let thread = thread.context("cannot start the balancer's thread")?;
    tracing::info!(peers = %seen.0, inside = %seen.1, cores = settings.cores.len(), "the balancer starts");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(control::serve(&folder.join("balancer.sock"), orders_in, bell, ended));
    let ended = outcome?;
    thread.join().map_err(|_| anyhow::anyhow!("the balancer's thread broke"))?;
    tracing::info!("the balancer has stopped");
    ended.map(|()| End::Stopped)
}

/// The address that peers know, which another machine may hold at this moment, and our own.
fn sockets(settings: &Settings) -> anyhow::Result<(UdpSocket, UdpSocket)> {
    let listens = settings.listens();
    let [Listen { transport: shard::Transport::Udp, bind, front: None, .. }] = listens.as_slice() else {
        bail!("a balancer has one --listen udp:ADDR:PORT; for another address start another one");
    };
    let inside = settings.inside.context("a balancer needs --inside ADDR:PORT")?;
    ensure!(!inside.ip().is_unspecified(), "cores cannot answer to {inside}");
    let sentence = |at: &SocketAddr| format!("SIP over UDP on {at}");
    let outer = UdpSocket::bind_early(*bind, &turn_options()).with_context(|| sentence(bind))?;
    let inner = UdpSocket::bind(inside, &turn_options()).with_context(|| sentence(&inside))?;
    Ok((outer, inner))
}

/// Its sockets are its own: a second balancer on the same address is a mistake.
fn turn_options() -> uring::socket::Options {
    uring::socket::Options { shared: false, ..SIGNAL }
}

fn turn(
    bell: Doorbell,
    (outer, inner): (UdpSocket, UdpSocket),
    (balancer, follow): (Balancer, Option<Follow>),
    orders: mpsc::Receiver<Order>,
) -> anyhow::Result<()> {
    let sizes =
        uring::Settings { sockets: 16, sends: SENDS_MAX, media_buffers: 1, stream_buffers: 1, ..Default::default() };
    let mut ring = Ring::new(&sizes, bell)?;
    let (outer, inner) = (ring.add(&outer, Class::Signal)?, ring.add(&inner, Class::Signal)?);
    Ok(Turn { ring, outer, inner, balancer, follow, orders, scratch: Vec::new(), stopping: false }.run()?)
}
