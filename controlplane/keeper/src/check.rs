//! Does what is served at an address work on this node? Asked again and again, in a few words of the settings file.
//!
//! | In the file | Works when |
//! |---|---|
//! | `balancer /var/lib/tandem-balancer` | the balancer with this data folder answers its operators |
//! | `sip 10.0.0.2:5070` | anything comes back to an OPTIONS over UDP (RFC 3261 §11) |
//! | `http 10.0.0.2:8080/health` | a web server answers a GET with a status below 500 |
//! | `tcp 10.0.0.2:443` | somebody takes connections |

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

/// How long an answer may take.
pub const PATIENCE: Duration = Duration::from_millis(1_000);
/// Bytes of an answer that are looked at.
const ANSWER_BYTES_MAX: u64 = 1 << 16;

/// What must answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Check {
    /// The balancer with this data folder, through its loop.
    Balancer(PathBuf),
    /// Whoever speaks SIP over UDP there.
    Sip(SocketAddr),
    /// A web server there, asked for this path.
    Http(SocketAddr, String),
    /// Whoever takes connections there.
    Tcp(SocketAddr),
}

impl FromStr for Check {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Check> {
        let (kind, what) = text.trim().split_once(' ').with_context(|| format!("{text} is no check"))?;
        let what = what.trim();
        let at = |text: &str| text.parse::<SocketAddr>().with_context(|| format!("{text} is not ADDRESS:PORT"));
        Ok(match kind {
            "balancer" => Check::Balancer(PathBuf::from(what)),
            "sip" => Check::Sip(at(what)?),
            "tcp" => Check::Tcp(at(what)?),
            "http" => {
                let slash = what.find('/').unwrap_or(what.len());
                let path = if slash < what.len() { &what[slash..] } else { "/" };
                ensure!(path.bytes().all(|byte| byte.is_ascii_graphic()), "{path} is no path");
                Check::Http(at(&what[..slash])?, path.to_owned())
            }
            _ => bail!("{kind} is no check: balancer, sip, http, tcp are"),
        })
    }
}

impl TryFrom<String> for Check {
    type Error = String;

    fn try_from(text: String) -> Result<Check, String> {
        text.parse().map_err(|error: anyhow::Error| format!("{error:#}"))
    }
}

impl From<Check> for String {
    fn from(check: Check) -> String {
        check.to_string()
    }
}

impl fmt::Display for Check {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Check::Balancer(folder) => write!(to, "balancer {}", folder.display()),
            Check::Sip(at) => write!(to, "sip {at}"),
            Check::Http(at, path) => write!(to, "http {at}{path}"),
            Check::Tcp(at) => write!(to, "tcp {at}"),
        }
    }
}

impl Check {
    /// Asks once. `Err`: it does not work, and why.
    pub fn ask(&self) -> Result<()> {
        match self {
            Check::Balancer(folder) => balancer(&folder.join("run/balancer.sock")),
            Check::Sip(at) => sip(*at),
            Check::Http(at, path) => http(*at, path),
            Check::Tcp(at) => TcpStream::connect_timeout(at, PATIENCE).map(drop).with_context(|| format!("tcp {at}")),
        }
    }
}

fn balancer(socket: &std::path::Path) -> Result<()> {
    let mut stream = UnixStream::connect(socket).with_context(|| format!("{} is not there", socket.display()))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // Its loop answers this, not the thread that listens to operators.
    let ask = serde_json::to_string(&panel::balancer::Ask::Cores)?;
    writeln!(stream, "{ask}")?;
    let mut line = String::new();
    BufReader::new(stream.take(ANSWER_BYTES_MAX)).read_line(&mut line).context("the balancer does not answer")?;
    let answer: panel::balancer::Answer = serde_json::from_str(&line).context("no balancer answers")?;
    ensure!(matches!(answer, panel::balancer::Answer::Cores(_)), "the balancer's loop does not answer");
    Ok(())
}

/// Any answer will do: who refuses OPTIONS is there.
fn sip(at: SocketAddr) -> Result<()> {
    let any: SocketAddr = if at.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" }.parse()?;
    let socket = UdpSocket::bind(any)?;
    socket.connect(at)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let (own, id) = (socket.local_addr()?, format!("{:016x}", rand::random::<u64>()));
    let ask = format!(
        "OPTIONS sip:{at} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{id};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:keeper@{own}>;tag={id}\r\nTo: <sip:{at}>\r\nCall-ID: keeper-{id}\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    );
    socket.send(ask.as_bytes()).with_context(|| format!("nobody hears SIP at {at}"))?;
    let mut answer = [0; 2_048];
    let length = socket.recv(&mut answer).with_context(|| format!("no answer to OPTIONS from {at}"))?;
    ensure!(answer[..length].starts_with(b"SIP/2.0 "), "what answers at {at} does not speak SIP");
    Ok(())
}

fn http(at: SocketAddr, path: &str) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&at, PATIENCE).with_context(|| format!("http {at}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n")?;
    let mut line = String::new();
    BufReader::new(stream.take(ANSWER_BYTES_MAX)).read_line(&mut line).with_context(|| format!("http {at}"))?;
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)?.parse::<u16>().ok());
    match status {
        Some(status) if status < 500 => Ok(()),
        Some(status) => bail!("http {at}{path} answers {status}"),
        None => bail!("no web server answers at {at}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a surprise ends the test")]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    #[test]
    fn a_check_is_read_and_written_in_the_same_words() {
        for text in ["balancer /var/lib/b", "sip 10.0.0.2:5070", "http [::1]:80/health", "tcp 10.0.0.2:443"] {
            assert_eq!(text.parse::<Check>().unwrap().to_string(), text);
        }
        for text in ["sip", "sip host:5060", "http 10.0.0.1:80/a b\r\nX: y", "ping 10.0.0.1"] {
            assert!(text.parse::<Check>().is_err(), "{text}");
        }
    }

    /// Hands out an answer to the first who asks.
    fn served(stream: impl Read + Write + Send + 'static, answer: &'static str) {
        thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|length| length > 2) && !line.starts_with('"') {
                line.clear();
            }
            let _ = reader.into_inner().write_all(answer.as_bytes());
        });
    }

    #[test]
    fn a_web_server_works_unless_it_fails_or_says_something_else() {
        for (answer, works) in [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.1 404 Not Found\r\n\r\n", true),
            ("HTTP/1.1 503 Busy\r\n\r\n", false),
            ("SSH-2.0\r\n", false),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let at = listener.local_addr().unwrap();
            let asked = thread::spawn(move || Check::Http(at, "/".to_owned()).ask());
            served(listener.accept().unwrap().0, answer);
            assert_eq!(asked.join().unwrap().is_ok(), works, "{answer}");
        }
    }

    #[test]
    fn a_balancer_works_when_its_loop_tells_its_cores() {
        for (answer, works) in [("{\"cores\":[]}\n", true), ("{\"refused\":{\"reason\":\"it hangs\"}}\n", false)] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir(folder.path().join("run")).unwrap();
            let listener = UnixListener::bind(folder.path().join("run/balancer.sock")).unwrap();
            let check = Check::Balancer(folder.path().to_owned());
            let asked = thread::spawn(move || check.ask());
            served(listener.accept().unwrap().0, answer);
            assert_eq!(asked.join().unwrap().is_ok(), works, "{answer}");
        }
        assert!(Check::Balancer(PathBuf::from("/nowhere")).ask().is_err());
    }
}
