//! A relay between both ends that loses, doubles, reorders and misdirects packets on purpose, and says how many.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What was done on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Deeds {
    lost: u64,
    doubled: u64,
    reordered: u64,
    misdirected: u64,
}

/// What all streams of the relay share: where streams of the same direction go, and what was done.
#[derive(Default)]
struct Shared {
    targets: Mutex<HashMap<bool, Vec<SocketAddr>>>,
    deeds: Mutex<Deeds>,
    over: AtomicBool,
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    socket
}

/// Passes one stream on. Of its first thirty packets some fare badly; the end of a call is left alone, since nobody misses a last packet.
fn stream(to: SocketAddr, by_caller: bool, shared: &Arc<Shared>) -> u16 {
    let socket = socket();
    let port = socket.local_addr().unwrap().port();
    shared.targets.lock().unwrap().entry(by_caller).or_default().push(to);
    let shared = shared.clone();
    thread::spawn(move || {
        let (mut bytes, mut held, mut count) = ([0; 2_000], None, 0);
        while !shared.over.load(Ordering::Relaxed) {
            let Ok(length) = socket.recv(&mut bytes) else { continue };
            let packet = bytes[..length].to_vec();
            let say = |packet: &[u8], to: SocketAddr| assert_eq!(socket.send_to(packet, to).unwrap(), packet.len());
            let mut deeds = shared.deeds.lock().unwrap();
            count += 1;
            match count {
                3 | 13 | 23 => deeds.lost += 1,
                5 | 15 => {
                    deeds.doubled += 1;
                    say(&packet, to);
                    say(&packet, to);
                }
                7 | 17 | 27 => {
                    deeds.reordered += 1;
                    held = Some(packet);
                }
                20 => {
                    let others = shared.targets.lock().unwrap();
                    let other = others[&by_caller].iter().find(|other| **other != to).expect("there are two calls");
                    deeds.misdirected += 1;
                    say(&packet, *other);
                }
                _ => say(&packet, to),
            }
            if count % 10 == 8
                && let Some(late) = held.take()
            {
                say(&late, to);
            }
        }
    });
    port
}

/// The message with a port of the relay where it names one for media.
fn through(text: &str, by_caller: bool, shared: &Arc<Shared>) -> String {
    let Some((head, body)) = text.split_once("\r\n\r\n").filter(|(_, body)| !body.is_empty()) else {
        return text.to_owned();
    };
    let after = |start: &str| body.lines().find_map(|line| line.strip_prefix(start)).unwrap().to_owned();
    let (ip, media) = (after("c=IN IP4 "), after("m=audio "));
    let port = media.split(' ').next().unwrap();
    // Who describes itself is whom the other one sends to.
    let relayed = stream(format!("{ip}:{port}").parse().unwrap(), !by_caller, shared);
    let body = body.replace(&format!("c=IN IP4 {ip}"), "c=IN IP4 127.0.0.1");
    let body = body.replace(&format!("m=audio {port} "), &format!("m=audio {relayed} "));
    let lines = head.lines().map(|line| match line.strip_prefix("Content-Length:") {
        Some(_) => format!("Content-Length: {}\r\n", body.len()),
        None => format!("{line}\r\n"),
    });
    format!("{}\r\n{body}", lines.collect::<String>())
}

/// Stands between callers and a callee; says where.
fn relay(callee: SocketAddr, shared: &Arc<Shared>) -> SocketAddr {
    let (front, back) = (socket(), socket());
    let at = front.local_addr().unwrap();
    let callers: Arc<Mutex<HashMap<String, SocketAddr>>> = Arc::default();
    let id = |text: &str| text.lines().find(|line| line.starts_with("Call-ID:")).unwrap_or_default().to_owned();
    for by_caller in [true, false] {
        let (hears, says) = if by_caller { (&front, &back) } else { (&back, &front) };
        let (hears, says) = (hears.try_clone().unwrap(), says.try_clone().unwrap());
        let (callers, shared) = (callers.clone(), shared.clone());
        thread::spawn(move || {
            let mut bytes = [0; 4_000];
            while !shared.over.load(Ordering::Relaxed) {
                let Ok((length, from)) = hears.recv_from(&mut bytes) else { continue };
                let text = String::from_utf8(bytes[..length].to_vec()).unwrap();
                let mut callers = callers.lock().unwrap();
                let to = if by_caller {
                    callers.insert(id(&text), from);
                    callee
                } else {
                    callers[&id(&text)]
                };
                says.send_to(through(&text, by_caller, &shared).as_bytes(), to).unwrap();
            }
        });
    }
    at
}

#[test]
fn each_packet_that_fares_badly_is_counted_as_what_befell_it() {
    let [.., second, third] = std::process::id().to_be_bytes();
    let callee: SocketAddr = format!("127.{}.{third}.251:5060", 128 + second % 64).parse().unwrap();
    let shared = Arc::new(Shared::default());
    let at = relay(callee, &shared);
    let output = Command::new(env!("CARGO_BIN_EXE_tandem-loadtest"))
        .args(["run", "--target", &at.to_string(), "--terminator", &format!("at={callee},ring=0ms,answer=0ms")])
        .args(["--cps", "1", "--for", "6s", "--arrivals", "burst:6s", "--talk", "1500ms", "--media", "full"])
        .args(["--caller-releases", "100%", "--live-json", "--late-max", "60s", "--seed", "7"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    shared.over.store(true, Ordering::Relaxed);
    let text = String::from_utf8(output.stdout).unwrap();
    let summary: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let deeds = *shared.deeds.lock().unwrap();
    let count = |name: &str| summary["counts"][name].as_u64().unwrap();
    assert_eq!((count("completed"), count("rtp_ends")), (6, 12), "{summary}");
    assert_eq!(deeds, Deeds { lost: 36, doubled: 24, reordered: 36, misdirected: 12 });
    assert_eq!(count("rtp_lost"), deeds.lost + deeds.misdirected, "{summary}");
    assert_eq!(count("rtp_duplicate"), deeds.doubled, "{summary}");
    assert_eq!(count("rtp_late"), deeds.reordered, "{summary}");
    assert_eq!(count("rtp_misrouted"), deeds.misdirected, "{summary}");
    assert_eq!(output.status.code(), Some(1), "a packet at the wrong call must never be: {summary}");
}
