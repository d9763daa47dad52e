//! A server that keeps what it is given as S3 does, and takes only what is signed with the right secret. The check is our own, from
//! "Authenticating requests: using query parameters (AWS Signature Version 4)", and shares no code with what signs.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The only one that may ask.
pub const KEYS: [&str; 2] = ["AKIATANDEM", "a secret/with+signs"];

/// What it keeps, by path, and how often it must still say that it is busy.
#[derive(Default)]
pub struct Kept {
    pub objects: Mutex<BTreeMap<String, Vec<u8>>>,
    pub busy: AtomicUsize,
}

/// Serves until the test ends; the answer is its address.
pub fn serve(kept: &Arc<Kept>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let kept = Arc::clone(kept);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Whoever hangs up in the middle is not served.
            let _ = answer(stream, &kept);
        }
    });
    address
}

fn answer(stream: TcpStream, kept: &Kept) -> std::io::Result<()> {
    let mut reader = BufReader::new(&stream);
    let (mut first, mut headers) = (String::new(), BTreeMap::new());
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap_or("/"));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (status, bytes) = if !is_signed(method, path, query, &headers["host"]) {
        ("403 Forbidden", b"<Error><Code>SignatureDoesNotMatch</Code><Message>not by us</Message></Error>".to_vec())
    } else if kept.busy.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
        ("503 Slow Down", b"<Error><Code>SlowDown</Code><Message>later</Message></Error>".to_vec())
    } else {
        serve_one(method, path, headers.get("range").map(String::as_str), body, kept)
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", bytes.len());
    (&stream).write_all(head.as_bytes())?;
    if method == "HEAD" { Ok(()) } else { (&stream).write_all(&bytes) }
}

fn serve_one(method: &str, path: &str, range: Option<&str>, body: Vec<u8>, kept: &Kept) -> (&'static str, Vec<u8>) {
    let mut objects = kept.objects.lock().unwrap();
    match (method, objects.get(path)) {
        ("PUT", _) => {
            objects.insert(path.to_owned(), body);
            ("200 OK", Vec::new())
        }
        ("DELETE", _) => {
            objects.remove(path);
            ("204 No Content", Vec::new())
        }
        ("GET" | "HEAD", Some(bytes)) => match range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-')) {
            Some((first, last)) => {
                let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
                ("206 Partial Content", bytes[first..=last].to_vec())
            }
            None => ("200 OK", bytes.clone()),
        },
        _ => ("404 Not Found", b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>".to_vec()),
    }
}

fn is_signed(method: &str, path: &str, query: &str, host: &str) -> bool {
    let mut pairs: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("X-Amz-Signature=")).collect();
    pairs.sort_unstable();
    let value = |name: &str| {
        let pair = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
        pair.unwrap_or_default().replace("%2F", "/")
    };
    let canonical = format!("{method}\n{path}\n{}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD", pairs.join("&"));
    let credential = value("X-Amz-Credential");
    let Some((key, scope)) = credential.split_once('/') else { return false };
    let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", value("X-Amz-Date"), hex(&Sha256::digest(canonical)));
    let first = format!("AWS4{}", KEYS[1]).into_bytes();
    let derived = scope.split('/').fold(first, |key, part| mac(&key, part));
    key == KEYS[0] && hex(&mac(&derived, &text)) == value("X-Amz-Signature")
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
