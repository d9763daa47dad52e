//! The whole switch with foreign programs around it: what the acceptance stories start, ask and compare.
//!
//! Nothing here shares code with what it tests, except money's type: prices are computed by a calculator of its own ([`books`]).
//! Each test has loopback addresses of its own ([`Net`]), so that port numbers need not be drawn.

pub mod balancer;
pub mod baresip;
pub mod books;
pub mod database;
pub mod etcd;
pub mod hand;
pub mod plane;
pub mod relay;
pub mod scenario;
pub mod screen;
pub mod sipp;
pub mod switch;

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::Value;

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long anything may take that must come. A busy machine takes many times what an idle one does; a story that passes does not wait for
/// this.
pub const PATIENCE: Duration = Duration::from_secs(180);
/// How long a program may think about an answer.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// 256 loopback addresses that no other test uses.
#[derive(Clone, Copy, Debug)]
pub struct Net {
    second: u8,
    third: u8,
}

impl Net {
    /// The next of this process.
    pub fn draw() -> Net {
        static DRAWN: AtomicU32 = AtomicU32::new(0);
        let place = std::process::id().wrapping_mul(16).wrapping_add(DRAWN.fetch_add(1, Ordering::Relaxed));
        Net { second: 16 + (place >> 8) as u8 % 224, third: place as u8 }
    }

    /// One of the addresses.
    pub fn host(self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, self.second, self.third, host)
    }
}

/// Waits for a condition and returns what it yields.
///
/// # Panics
/// When it does not hold in time; the sentence says what was awaited.
pub fn until<T>(within: Duration, sentence: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let late = Instant::now() + within;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < late, "within {within:?}: {sentence}");
        std::thread::sleep(LOOK);
    }
}

/// A program of ours, from the folder that `TANDEM_BIN_DIR` names.
///
/// # Panics
/// When the variable is not set or the program is not there.
pub fn program(name: &str) -> PathBuf {
    let folder = std::env::var_os("TANDEM_BIN_DIR")
        .expect("TANDEM_BIN_DIR names the folder of our programs: make test-integration");
    let path = PathBuf::from(folder).join(name);
    assert!(path.is_file(), "{} is built", path.display());
    path
}

/// A number from the environment, or what a short run takes.
///
/// # Panics
/// When it is not a number.
pub fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// What a program of ours answers on its socket to a line of JSON; `None` while it does not.
pub fn asked(socket: &Path, question: &str) -> Option<Value> {
    let mut stream = BufReader::new(UnixStream::connect(socket).ok()?);
    stream.get_mut().set_read_timeout(Some(ANSWER_MAX)).expect("a limit can be set");
    writeln!(stream.get_mut(), "{question}").ok()?;
    let mut answer = String::new();
    stream.read_line(&mut answer).ok()?;
    serde_json::from_str(&answer).ok()
}

/// A data plane's figures, asked over its own socket.
pub fn figures(socket: &Path) -> Option<Value> {
    asked(socket, r#"{"ask":{"id":1,"ask":"figures"}}"#).map(|mut answer| answer["answer"]["answer"]["figures"].take())
}

/// Somebody has this port of `udp` or `tcp`, by proc(5). Who tried to bind it instead would keep it from a program that is about to.
pub fn is_taken(protocol: &str, at: SocketAddr) -> bool {
    let (bytes, six) = match at.ip() {
        IpAddr::V4(ip) => (ip.octets().to_vec(), ""),
        IpAddr::V6(ip) => (ip.octets().to_vec(), "6"),
    };
    let words = bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().expect("four bytes")));
    let wanted = words.map(|word| format!("{word:08X}")).collect::<String>() + &format!(":{:04X}", at.port());
    let table = std::fs::read_to_string(format!("/proc/net/{protocol}{six}")).expect("the kernel tells its sockets");
    table.lines().any(|line| line.split_whitespace().nth(1) == Some(&wanted))
}

/// Sends a signal to a process that the test started.
pub fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process has a number");
    // One that ended meanwhile needs no signal.
    let _ = rustix::process::kill_process(pid, signal);
}
