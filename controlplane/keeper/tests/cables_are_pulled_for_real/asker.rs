//! Somebody who answers SIP on a host, somebody who asks at the shared address who answers, and somebody who looks where addresses are.

use std::fs::File;
use std::net::{IpAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};

/// Where SIP is heard.
pub const SIP: u16 = 5_060;

/// Takes the calling thread to a host.
pub fn go_to(host: &str) {
    let place = File::open(format!("/run/netns/{host}")).unwrap();
    setns(place.as_fd(), CloneFlags::CLONE_NEWNET).unwrap();
}

/// A thread that ends with this value.
struct Thread {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Thread {
    fn start(mut turn: impl FnMut() + Send + 'static, begin: impl FnOnce() + Send + 'static) -> Thread {
        let ended = Arc::new(AtomicBool::new(false));
        let end = ended.clone();
        let run = move || {
            begin();
            while !end.load(Ordering::Relaxed) {
                turn();
            }
        };
        Thread { ended, thread: Some(thread::spawn(run)) }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Answers everything on a host's SIP port with the host's node number, until it is told to be silent.
pub struct Service {
    silent: Arc<AtomicBool>,
    _thread: Thread,
}

impl Service {
    pub fn start(host: &str, node: u16) -> Service {
        let silent = Arc::new(AtomicBool::new(false));
        let (host, quiet) = (host.to_owned(), silent.clone());
        let mut socket: Option<UdpSocket> = None;
        let turn = move || {
            let socket = socket.get_or_insert_with(|| {
                let socket = UdpSocket::bind(("0.0.0.0", SIP)).unwrap();
                socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
                socket
            });
            let mut heard = [0; 2_048];
            if let Ok((_, from)) = socket.recv_from(&mut heard)
                && !quiet.load(Ordering::Relaxed)
            {
                // Whoever asked may be behind a cable that is cut.
                let _ = socket.send_to(format!("SIP/2.0 200 OK\r\nNode: {node}\r\n\r\n").as_bytes(), from);
            }
        };
        Service { silent, _thread: Thread::start(turn, move || go_to(&host)) }
    }

    pub fn silence(&self, silent: bool) {
        self.silent.store(silent, Ordering::Relaxed);
    }
}

/// Asks at the shared address, again and again.
pub struct Asker {
    answers: Arc<AtomicU16>,
    longest: Arc<Mutex<Duration>>,
    _thread: Thread,
}

impl Asker {
    pub fn start(host: &str, shared: IpAddr) -> Asker {
        let answers = Arc::new(AtomicU16::new(0));
        let longest: Arc<Mutex<Duration>> = Arc::default();
        let (host, who, gap) = (host.to_owned(), answers.clone(), longest.clone());
        let mut socket: Option<UdpSocket> = None;
        let mut last: Option<Instant> = None;
        let turn = move || {
            let socket = socket.get_or_insert_with(|| {
                let socket = UdpSocket::bind(("0.0.0.0", 0)).unwrap();
                socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
                socket
            });
            let mut heard = [0; 256];
            // Nobody there: it asks again.
            let _ = socket.send_to(b"OPTIONS sip:all SIP/2.0\r\n\r\n", (shared, SIP));
            let Ok(length) = socket.recv(&mut heard) else { return };
            let text = String::from_utf8_lossy(&heard[..length]).into_owned();
            let node = text.lines().find_map(|line| line.strip_prefix("Node: ")).unwrap().parse().unwrap();
            let silence = last.replace(Instant::now()).map_or(Duration::ZERO, |last| last.elapsed());
            let mut gap = gap.lock().unwrap();
            *gap = silence.max(*gap);
            drop(gap);
            // Whoever sees who answers finds the silence before it.
            who.store(node, Ordering::Release);
            sleep(Duration::from_millis(10));
        };
        Asker { answers, longest, _thread: Thread::start(turn, move || go_to(&host)) }
    }

    /// The node that answered last.
    pub fn node(&self) -> u16 {
        self.answers.load(Ordering::Acquire)
    }

    /// The longest silence since this was asked last.
    pub fn longest(&self) -> Duration {
        std::mem::take(&mut self.longest.lock().unwrap())
    }
}

/// Looks which hosts have an address up. Sees two that have it in the same moment.
pub struct Places {
    up: Arc<[AtomicBool; 2]>,
    both: Arc<Mutex<Vec<Duration>>>,
    _thread: Thread,
}

impl Places {
    pub fn start(hosts: [&str; 2], ip: IpAddr) -> Places {
        let up: Arc<[AtomicBool; 2]> = Arc::default();
        let both: Arc<Mutex<Vec<Duration>>> = Arc::default();
        let (hosts, seen, twice, began) = (hosts.map(str::to_owned), up.clone(), both.clone(), Instant::now());
        let turn = move || {
            // The first is looked at again: it had the address before and after the second did.
            let found = [is_up(&hosts[0], ip), is_up(&hosts[1], ip)];
            if found == [true; 2] && is_up(&hosts[0], ip) {
                twice.lock().unwrap().push(began.elapsed());
            }
            for (seen, found) in seen.iter().zip(found) {
                seen.store(found, Ordering::Relaxed);
            }
            sleep(Duration::from_millis(5));
        };
        Places { up, both, _thread: Thread::start(turn, || {}) }
    }

    /// It is up on this node.
    pub fn is_at(&self, node: u16) -> bool {
        self.up[usize::from(node) - 1].load(Ordering::Relaxed)
    }

    /// When two had it.
    pub fn both(&self) -> Vec<Duration> {
        self.both.lock().unwrap().clone()
    }
}

fn is_up(host: &str, ip: IpAddr) -> bool {
    go_to(host);
    let mut all = nix::ifaddrs::getifaddrs().unwrap();
    all.any(|entry| {
        let at = entry.address.as_ref();
        at.and_then(|at| at.as_sockaddr_in()).is_some_and(|at| IpAddr::V4(at.ip()) == ip)
            || at.and_then(|at| at.as_sockaddr_in6()).is_some_and(|at| IpAddr::V6(at.ip()) == ip)
    })
}
