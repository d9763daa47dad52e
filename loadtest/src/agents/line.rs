//! The line between controller and agent: frames, and who may speak.

use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hmac::{Hmac, KeyInit, Mac};
use rand::Rng;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::Sha256;

use super::tunnel::{Binding, Tunnel};
use super::{Greeting, PROTOCOL};

/// Bytes of a frame at most: the takings of a long run are a few megabytes.
const FRAME_MAX: usize = 64 << 20;
/// Bytes of a frame before the token is proved.
const GREETING_MAX: usize = 1 << 10;
/// How long who connects may take to prove the token.
const PATIENCE: Duration = Duration::from_secs(5);

/// One end of an encrypted line, after the token was proved by both.
pub struct Line(Tunnel);

impl Line {
    /// Greets, proves the token, and has it proved. `role` is who we are; the other side is the other one.
    pub fn open(stream: TcpStream, token: &str, role: Role) -> Result<Line> {
        Line::open_within(PATIENCE, stream, token, role)
    }

    /// The same, with so much patience for each word of the other side.
    pub fn open_within(patience: Duration, stream: TcpStream, token: &str, role: Role) -> Result<Line> {
        stream.set_nodelay(true).context("no line")?;
        stream.set_read_timeout(Some(patience)).context("no line")?;
        stream.set_write_timeout(Some(patience)).context("no line")?;
        let (tunnel, binding) = Tunnel::dig(stream, role)?;
        let mut line = Line(tunnel);
        let nonce = format!("{:032x}", rand::rng().random::<u128>());
        line.say(&Greeting { version: env!("CARGO_PKG_VERSION").into(), protocol: PROTOCOL, nonce: nonce.clone() })?;
        let heard: Greeting = line.hear_up_to(GREETING_MAX)?;
        if (heard.version.as_str(), heard.protocol) != (env!("CARGO_PKG_VERSION"), PROTOCOL) {
            let (theirs, ours) = (&heard.version, env!("CARGO_PKG_VERSION"));
            bail!("it is version {theirs} (protocol {}), this is {ours} (protocol {PROTOCOL})", heard.protocol);
        }
        // Who speaks is part of the proof: nobody's own words prove anything when they are sent back.
        line.say(&hex(&proof(token, role, (&nonce, &heard.nonce), &binding).finalize().into_bytes()))?;
        let proved: String = line.hear_up_to(GREETING_MAX)?;
        let wanted = proof(token, role.other(), (&heard.nonce, &nonce), &binding);
        if wanted.verify_slice(&unhex(&proved)).is_err() {
            bail!("it does not know the token");
        }
        Ok(line)
    }

    /// Another handle on the same line.
    pub fn split(&self) -> Result<Line> {
        Ok(Line(self.0.split().context("no second handle on the line")?))
    }

    /// How long a silence may last; none for ever.
    pub fn patience(&self, patience: Option<Duration>) -> Result<()> {
        self.0.patience(patience).context("no line")
    }

    /// Sends one frame.
    pub fn say(&mut self, what: &impl Serialize) -> Result<()> {
        let mut frame = vec![0; 4];
        serde_json::to_writer(&mut frame, what).context("cannot be written as JSON")?;
        let length = (frame.len() - 4) as u32;
        frame[..4].copy_from_slice(&length.to_be_bytes());
        self.0.say(&frame).context("the line broke")
    }

    /// Waits for one frame.
    pub fn hear<T: DeserializeOwned>(&mut self) -> Result<T> {
        self.hear_up_to(FRAME_MAX)
    }

    fn hear_up_to<T: DeserializeOwned>(&mut self, most: usize) -> Result<T> {
        let mut length = [0; 4];
        self.0.hear(&mut length).context("the line broke")?;
        let length = u32::from_be_bytes(length) as usize;
        if length > most {
            bail!("a frame of {length} bytes, {most} are allowed");
        }
        let mut frame = vec![0; length];
        self.0.hear(&mut frame).context("the line broke in the middle of a frame")?;
        serde_json::from_slice(&frame).context("a frame that nobody understands")
    }
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Controller,
    Agent,
}

impl Role {
    fn other(self) -> Role {
        if self == Role::Agent { Role::Controller } else { Role::Agent }
    }
}

fn proof(token: &str, role: Role, (own, other): (&str, &str), binding: &Binding) -> Hmac<Sha256> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(token.as_bytes()).expect("HMAC takes keys of every length");
    mac.update(format!("tandem-loadtest {role:?} {own} {other} ").as_bytes());
    mac.update(binding);
    mac
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap_or(""));
    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const TOKEN: &str = "a token of some length";

    fn meet(ours: &'static str, theirs: &'static str) -> (Result<Line>, Result<Line>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("an address");
        let agent = thread::spawn(move || Line::open(listener.accept().expect("a line").0, theirs, Role::Agent));
        let controller = Line::open(TcpStream::connect(at).expect("a line"), ours, Role::Controller);
        (controller, agent.join().expect("an agent"))
    }

    #[test]
    fn only_who_knows_the_token_is_heard() {
        let (controller, agent) = meet(TOKEN, TOKEN);
        let (mut controller, mut agent) = (controller.expect("a line"), agent.expect("a line"));
        controller.say(&vec![7_u64; 100_000]).expect("sent");
        assert_eq!(agent.hear::<Vec<u64>>().expect("heard").len(), 100_000);
        let (controller, agent) = meet(TOKEN, "another token of it");
        for side in [controller, agent] {
            assert!(side.is_err_and(|why| why.to_string().contains("token") || why.to_string().contains("broke")));
        }
    }

    /// Who stands between two ends and passes on what they say, each in its own encryption, is found out: the proofs are of two lines.
    #[test]
    fn nobody_listens_in_between() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("an address");
        let agent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let agent_at = agent.local_addr().expect("an address");
        let agent = thread::spawn(move || Line::open(agent.accept().expect("a line").0, TOKEN, Role::Agent));
        let between = thread::spawn(move || {
            let front = Tunnel::dig(listener.accept().expect("a line").0, Role::Agent).expect("a tunnel").0;
            let back =
                Tunnel::dig(TcpStream::connect(agent_at).expect("a line"), Role::Controller).expect("a tunnel").0;
            let (front, back) = (Line(front), Line(back));
            let pass = |mut from: Line, mut to: Line| {
                move || while from.hear().and_then(|said: serde_json::Value| to.say(&said)).is_ok() {}
            };
            let there = thread::spawn(pass(front.split().expect("a handle"), back.split().expect("a handle")));
            pass(back, front)();
            there.join().expect("it ends");
        });
        let controller = Line::open(TcpStream::connect(at).expect("a line"), TOKEN, Role::Controller);
        for side in [controller, agent.join().expect("an agent")] {
            assert!(side.is_err_and(|why| why.to_string().contains("token") || why.to_string().contains("broke")));
        }
        between.join().expect("it ends");
    }

    #[test]
    fn another_version_and_a_frame_without_end_are_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("an address");
        let other = thread::spawn(move || {
            for greeting in [r#"{"version":"0.0.1","protocol":2,"nonce":""}"#, r#"{"version":"#] {
                let stream = listener.accept().expect("a line").0;
                let mut tunnel = Tunnel::dig(stream, Role::Agent).expect("a tunnel").0;
                let length = if greeting.ends_with('}') { greeting.len() as u32 } else { u32::MAX };
                tunnel.say(&length.to_be_bytes()).expect("sent");
                tunnel.say(greeting.as_bytes()).expect("sent");
                // Who closes with something unheard takes back what it said.
                while tunnel.hear(&mut [0]).is_ok() {}
            }
        });
        let why = || {
            let line = Line::open(TcpStream::connect(at).expect("a line"), "any token at all", Role::Controller);
            line.err().expect("refused").to_string()
        };
        assert!(why().contains("version 0.0.1"));
        assert!(why().contains("are allowed"));
        other.join().expect("a greeter");
    }
}
