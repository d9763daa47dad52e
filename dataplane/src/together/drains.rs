//! A drain outlives a node's programs. The control plane beside says when one begins and ends; until it can, which is when its database
//! answers, a data plane that starts asks etcd itself.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use anyhow::Context;
use live::Etcd;
use tokio::sync::mpsc::Sender;

use super::Heard;

/// How long a start waits for the first answer: calls may be waiting for the start, and etcd may be away.
const FIRST_MAX: Duration = Duration::from_millis(500);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(500);

/// Whether this node starts drained, as far as is known at once. What is known later is told, and when a drain ends that stood then.
pub fn watch(etcd: Arc<Etcd>, node: u16, heard: Sender<Heard>) -> anyhow::Result<bool> {
    let (first_in, first) = sync_channel(1);
    let look = move || {
        let mut stood = false;
        loop {
            let stands = live::is_drained(&etcd, node);
            if let Ok(on) = stands {
                let _ = first_in.try_send(on);
                if on != stood && heard.blocking_send(Heard::Drained(on)).is_err() || !on {
                    return;
                }
                stood = on;
            }
            std::thread::sleep(PAUSE);
        }
    };
    let thread = std::thread::Builder::new().name("drains".to_owned());
    thread.spawn(look).context("cannot start the thread that looks for a drain")?;
    Ok(first.recv_timeout(FIRST_MAX).unwrap_or(false))
}
