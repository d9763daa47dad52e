//! The balancer's socket for operators, and the signals that end it.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use panel::balancer::{Answer, Ask, QUESTION_BYTES_MAX};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, oneshot};
use uring::Doorbell;

use super::turn::Order;
use crate::control::listen;

/// Operators at most.
const CONNECTIONS_MAX: usize = 64;
/// How long an operator may wait for an answer or stay silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// How the loop ended.
pub type Ended = anyhow::Result<()>;

/// Serves until the loop has ended, by a signal or by itself; says how.
pub async fn serve(
    socket: &Path,
    orders: mpsc::Sender<Order>,
    bell: Doorbell,
    mut ended: oneshot::Receiver<Ended>,
) -> anyhow::Result<Ended> {
    let listener = listen(socket)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = || {
        // A loop that is gone needs no order.
        let _ = orders.send(Order::Stop);
        bell.ring();
    };
    let seats = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        tokio::select! {
            _ = terminate.recv() => stop(),
            _ = interrupt.recv() => stop(),
            outcome = &mut ended => return Ok(outcome.unwrap_or_else(|_| Err(anyhow::anyhow!("the loop broke")))),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => match seats.clone().try_acquire_owned() {
                    Ok(seat) => {
                        let (orders, bell) = (orders.clone(), bell.clone());
                        tokio::spawn(async move {
                            talk(stream, orders, bell).await;
                            drop(seat);
                        });
                    }
                    Err(_) => tracing::warn!(limit = CONNECTIONS_MAX, "too many control connections; one more refused"),
                },
                Err(error) => tracing::warn!(%error, "cannot accept a control connection"),
            },
        }
    }
}

async fn talk(stream: UnixStream, orders: mpsc::Sender<Order>, bell: Doorbell) {
    let (read, mut write) = stream.into_split();
    let mut reader = BufReader::new(read);
    loop {
        let mut line = Vec::new();
        let mut limited = (&mut reader).take(QUESTION_BYTES_MAX as u64);
        match tokio::time::timeout(PATIENCE, limited.read_until(b'\n', &mut line)).await {
            Ok(Ok(length)) if length > 0 => {}
            _ => return,
        }
        let answer = match serde_json::from_slice(&line) {
            Ok(ask) => asked(ask, &orders, &bell).await,
            Err(error) => Answer::Refused { reason: format!("not a question: {error}") },
        };
        let Ok(mut text) = serde_json::to_vec(&answer) else { return };
        text.push(b'\n');
        match tokio::time::timeout(PATIENCE, write.write_all(&text)).await {
            Ok(Ok(())) => {}
            // It has gone, or asks without reading.
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

async fn asked(ask: Ask, orders: &mpsc::Sender<Order>, bell: &Doorbell) -> Answer {
    let (answer_in, answer) = oneshot::channel();
    let told = orders.send(Order::Ask(ask, answer_in)).is_ok();
    bell.ring();
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Ok(answer)) if told => answer,
        _ => Answer::Refused { reason: "the balancer does not answer".to_owned() },
    }
}
