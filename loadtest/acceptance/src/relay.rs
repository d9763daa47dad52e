//! A relay before the database that can be told to swallow everything or to be slow, without ever closing a connection.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Milliseconds that stand for "for ever".
const SWALLOWED: u64 = u64::MAX;
/// How often a swallowed connection looks whether the relay passes again.
const LOOK: Duration = Duration::from_millis(50);

/// Listens on a socket of its own and speaks to another.
#[derive(Debug)]
pub struct Relay {
    folder: tempfile::TempDir,
    delay_ms: Arc<AtomicU64>,
}

impl Relay {
    /// Starts one before this socket; it passes everything.
    pub fn before(socket: PathBuf) -> Relay {
        let folder = tempfile::Builder::new().prefix("tandem-relay-").tempdir().expect("a temporary folder");
        let relay = Relay { folder, delay_ms: Arc::default() };
        let listener = UnixListener::bind(relay.socket()).expect("the folder is writable");
        let delay = Arc::clone(&relay.delay_ms);
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let (socket, delay) = (socket.clone(), Arc::clone(&delay));
                std::thread::spawn(move || connection(near, &socket, &delay));
            }
        });
        relay
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Passes everything at once.
    pub fn pass(&self) {
        self.delay_ms.store(0, Ordering::SeqCst);
    }

    /// Holds each piece back for so long.
    pub fn slow(&self, by: Duration) {
        self.delay_ms.store(by.as_millis() as u64, Ordering::SeqCst);
    }

    /// Takes everything, answers nothing and closes nothing.
    pub fn swallow(&self) {
        self.delay_ms.store(SWALLOWED, Ordering::SeqCst);
    }
}

fn connection(near: UnixStream, socket: &Path, delay: &Arc<AtomicU64>) {
    hold(delay);
    let Ok(far) = UnixStream::connect(socket) else { return };
    let (Ok(near_read), Ok(far_read)) = (near.try_clone(), far.try_clone()) else { return };
    let back = Arc::clone(delay);
    std::thread::spawn(move || copy(far_read, near, &back));
    copy(near_read, far, delay);
}

fn copy(mut from: UnixStream, mut to: UnixStream, delay: &AtomicU64) {
    let mut block = [0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut block) {
        hold(delay);
        if to.write_all(&block[..length]).is_err() {
            break;
        }
    }
    // Each side learns that the other has gone; which of them went first does not matter.
    let _ = to.shutdown(std::net::Shutdown::Write);
    let _ = from.shutdown(std::net::Shutdown::Read);
}

fn hold(delay: &AtomicU64) {
    loop {
        match delay.load(Ordering::SeqCst) {
            SWALLOWED => std::thread::sleep(LOOK),
            ms => return std::thread::sleep(Duration::from_millis(ms)),
        }
    }
}
