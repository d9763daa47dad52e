//! Where agents are, and those that the controller starts itself: by SSH, with the line over the standard input and output of
//! `tandem-loadtest agent --stdio`. Nothing listens there, and what begins with the line ends with it.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result};
use clap::Args;

use super::line::{Line, Role};

/// How long a connection may take.
const CONNECTING: Duration = Duration::from_secs(5);
/// How long ssh may take until the program there greets: by way of other hosts too.
const LOGIN: Duration = Duration::from_secs(30);
/// How long ssh may take to end once its line broke.
const ENDING: Duration = Duration::from_secs(2);
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

    /// Reads `10.0.0.11:9300`, `ssh:host`, `ssh:user@host=10.0.0.11`, `ssh://user@host:2222`.
    fn from_str(text: &str) -> Result<Place, String> {
        let Some(rest) = text.strip_prefix("ssh:") else {
            let at = text.parse();
            return at.map(Place::At).map_err(|_| format!("'{text}' is neither ADDRESS:PORT nor ssh:HOST"));
        };
        let (host, from) = rest.split_once('=').map_or((rest, None), |(host, from)| (host, Some(from)));
        // What begins with a dash would be an option of ssh.
        if host.trim_start_matches('/').is_empty() || host.starts_with('-') {
            return Err(format!("'{text}' names no host"));
        }
        // ssh itself reads URIs, whole; a port stands in these alone.
        let host = if host.starts_with("//") { format!("ssh:{host}") } else { host.to_owned() };
        let from = from.map(|from| from.parse().map_err(|_| format!("'{from}' is no IP address"))).transpose()?;
        Ok(Place::Ssh { host, from })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::At(at) => write!(f, "{at}"),
            Place::Ssh { host, .. } if host.starts_with("ssh:") => f.write_str(host),
            Place::Ssh { host, .. } => write!(f, "ssh:{host}"),
        }
    }
}

/// How agents are started, on the command line.
#[derive(Args, Clone, Debug, Default)]
pub struct Way {
    /// What ssh reads instead of ~/.ssh/config, when it starts agents (ssh -F).
    #[arg(long, value_name = "FILE")]
    ssh_config: Option<PathBuf>,
    /// What ssh is told besides, as ssh_config has it: Port=2222, User=joe, IdentityFile=KEY. Again for more (ssh -o).
    #[arg(long, value_name = "KEY=VALUE")]
    ssh_option: Vec<String>,
    /// The program that ssh starts there, as a shell there finds it.
    #[arg(long, value_name = "PROGRAM", default_value = "tandem-loadtest")]
    agent_program: String,
}

/// A program that was started for a run, and ends with it.
pub struct Started(Child);

impl Started {
    /// Why the line broke, if ssh says so.
    fn tell(&mut self, why: Error) -> Error {
        let until = Instant::now() + ENDING;
        while Instant::now() < until {
            match self.0.try_wait() {
                Ok(Some(status)) if status.code() == Some(127) => {
                    return why.context("ssh was let in, and found no such program there: see --agent-program");
                }
                Ok(Some(status)) => return why.context(format!("ssh ended ({status}); what it said stands above")),
                Ok(None) => thread::sleep(Duration::from_millis(20)),
                Err(_) => break,
            }
        }
        why
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended by itself; the agent behind it ends when the line does.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A proved line to an agent, with what had to be started for it.
pub fn reach(place: &Place, way: &Way, token: &str, allow_target: bool) -> Result<(Line, Option<Started>)> {
    match place {
        Place::At(at) => {
            let stream = TcpStream::connect_timeout(at, CONNECTING).context("it is not there")?;
            Ok((Line::open(stream, token, Role::Controller)?, None))
        }
        Place::Ssh { host, from } => {
            let (stream, mut started) = start(host, *from, way, token, allow_target)?;
            match Line::open_within(LOGIN, stream, token, Role::Controller) {
                Ok(line) => Ok((line, Some(started))),
                Err(why) => Err(started.tell(why)),
            }
        }
    }
}

/// Lets ssh start an agent there; it is told the token first.
fn start(host: &str, from: Option<IpAddr>, way: &Way, token: &str, allow_target: bool) -> Result<(TcpStream, Started)> {
    let mut command = Command::new("ssh");
    // Nobody is there to be asked, and no terminal may stand in the line.
    command.args(["-T", "-o", "BatchMode=yes"]);
    command.args(way.ssh_config.iter().flat_map(|file| [OsStr::new("-F"), file.as_os_str()]));
    command.args(way.ssh_option.iter().flat_map(|option| ["-o", option.as_str()]));
    command.args([host, way.agent_program.as_str(), "agent", "--stdio"]);
    command.args(from.map(|from| format!("--from={from}")));
    command.args(allow_target.then_some("--allow-target"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("ssh cannot be started")?;
    let pipes = child.stdin.take().zip(child.stdout.take());
    let started = Started(child);
    let (mut tell, hear) = pipes.context("ssh has no pipes")?;
    // An ssh that has ended by now is missed when the line is opened, and says why.
    let _ = writeln!(tell, "{token}");
    let (ours, line) = pair().context("no line on this machine")?;
    join(ours, hear, tell).context("no line on this machine")?;
    Ok((line, started))
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
        let whole = read("ssh://joe@[2001:db8::5]:2222=10.0.0.11");
        assert_eq!(whole, Ok(Place::Ssh { host: "ssh://joe@[2001:db8::5]:2222".to_owned(), from }));
        assert_eq!(whole.map(|place| place.to_string()), Ok("ssh://joe@[2001:db8::5]:2222".to_owned()));
        for text in ["host", "ssh:", "ssh://", "ssh:-oProxyCommand=x", "ssh:host=there"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
