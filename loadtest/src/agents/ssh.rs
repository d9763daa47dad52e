//! Where agents are, and those that the controller starts itself: by SSH, with the line over the standard input and output of
//! `tandem-loadtest agent --stdio`. Nothing listens there, and what begins with the line ends with it.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};

/// How long a connection may take.
const CONNECTING: Duration = Duration::from_secs(5);
const PIECE_BYTES: usize = 64 << 10;

/// Where an agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// It waits there.
    At(SocketAddr),
    /// It is started there.
    Ssh {
        /// As `ssh` takes it.
        host: String,
        /// The address that its originators' calls come from.
        from: Option<IpAddr>,
    },
}

impl FromStr for Place {
    type Err = String;

    /// Reads `10.0.0.11:9300`, `ssh:host`, `ssh:user@host=10.0.0.11`.
    fn from_str(text: &str) -> Result<Place, String> {
        let Some(rest) = text.strip_prefix("ssh:") else {
            let at = text.parse();
            return at.map(Place::At).map_err(|_| format!("'{text}' is neither ADDRESS:PORT nor ssh:HOST"));
        };
        let (host, from) = rest.split_once('=').map_or((rest, None), |(host, from)| (host, Some(from)));
        // What begins with a dash would be an option of ssh.
        if host.is_empty() || host.starts_with('-') {
            return Err(format!("'{text}' names no host"));
        }
        let from = from.map(|from| from.parse().map_err(|_| format!("'{from}' is no IP address"))).transpose()?;
        Ok(Place::Ssh { host: host.to_owned(), from })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::At(at) => write!(f, "{at}"),
            Place::Ssh { host, .. } => write!(f, "ssh:{host}"),
        }
    }
}

/// A program that was started for a run, and ends with it.
pub struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended by itself; the agent behind it ends when the line does.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A line to an agent, with what had to be started for it. Who is started is told the token first.
pub fn reach(place: &Place, token: &str, allow_target: bool) -> Result<(TcpStream, Option<Started>)> {
    let (host, from) = match place {
        Place::At(at) => return Ok((TcpStream::connect_timeout(at, CONNECTING).context("it is not there")?, None)),
        Place::Ssh { host, from } => (host, from),
    };
    let mut command = Command::new("ssh");
    command.args(["-o", "BatchMode=yes", host, "tandem-loadtest", "agent", "--stdio"]);
    command.args(from.map(|from| format!("--from={from}")));
    command.args(allow_target.then_some("--allow-target"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("ssh cannot be started")?;
    let pipes = child.stdin.take().zip(child.stdout.take());
    let started = Started(child);
    let (mut tell, hear) = pipes.context("ssh has no pipes")?;
    writeln!(tell, "{token}").context("ssh ended")?;
    let (ours, line) = pair().context("no line on this machine")?;
    join(ours, hear, tell).context("no line on this machine")?;
    Ok((line, Some(started)))
}

/// Two ends of one connection within this machine.
pub fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let one = TcpStream::connect(listener.local_addr()?)?;
    loop {
        let (other, from) = listener.accept()?;
        // Somebody else may have come first.
        if from == one.local_addr()? {
            one.set_nodelay(true)?;
            return Ok((one, other));
        }
    }
}

/// Carries what comes by one to the other, both ways. What is given ends when the socket's other end does and all was written.
pub fn join(
    mut socket: TcpStream,
    mut from: impl Read + Send + 'static,
    mut to: impl Write + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let mut back = socket.try_clone()?;
    thread::spawn(move || {
        // Whichever side ended, the other one hears of it below.
        let _ = carry(&mut from, &mut socket);
        let _ = socket.shutdown(Shutdown::Write);
    });
    Ok(thread::spawn(move || drop(carry(&mut back, &mut to))))
}

fn carry(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut bytes = vec![0; PIECE_BYTES];
    loop {
        let length = from.read(&mut bytes)?;
        if length == 0 {
            return Ok(());
        }
        to.write_all(&bytes[..length])?;
        to.flush()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_no_host_becomes_an_option() {
        let read = |text: &str| text.parse::<Place>();
        assert_eq!(read("10.0.0.11:9300").map(|place| place.to_string()), Ok("10.0.0.11:9300".to_owned()));
        let from = Some(IpAddr::from([10, 0, 0, 11]));
        assert_eq!(read("ssh:joe@host=10.0.0.11"), Ok(Place::Ssh { host: "joe@host".to_owned(), from }));
        for text in ["host", "ssh:", "ssh:-oProxyCommand=x", "ssh:host=there"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
