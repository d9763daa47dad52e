//! The other programs that play the same calls (3PCC), and the connections on which commands go between them.
//!
//! Of two (`-3pcc`), who waits for a command first listens and who sends the first connects, so it starts last. Of several, each has a name
//! and listens; who leads connects to all that it commands when it starts, who follows when the first command may come.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use uring::SocketId;

use super::options::Options;
use super::scenario::{Kind, Part, Scenario};
use super::wire::{COMMAND_END, Way, Wire};
use super::{FATAL, Fatal, resolved};

/// The other programs.
#[derive(Debug, Default)]
pub struct Twins {
    part: Option<Part>,
    /// Each program has a name.
    named: bool,
    /// Where each is that is sent commands; of `-3pcc`, that one has no name.
    peers: BTreeMap<String, SocketAddr>,
    links: BTreeMap<String, SocketId>,
    parted: bool,
}

/// What the command line and the scenario say of other programs, before anything is opened.
#[derive(Debug, Default)]
pub struct Plan {
    twins: Twins,
    listens: Option<SocketAddr>,
}

fn wrong(what: impl Into<String>) -> Fatal {
    Fatal(what.into(), FATAL)
}

impl Plan {
    /// Reads it; what contradicts is told as SIPp tells it.
    pub fn new(options: &Options, scenario: &Scenario) -> Result<Plan, Fatal> {
        let third = &options.rare.third;
        let named = third.leader.is_some() || third.follower.is_some();
        let part = match scenario.part() {
            None if named || third.twin.is_some() => {
                return Err(wrong("the scenario has neither sendCmd nor recvCmd, and so no use for another program"));
            }
            None => return Ok(Plan::default()),
            Some(part) => part,
        };
        let mut plan = Plan { twins: Twins { part: Some(part), named, ..Twins::default() }, listens: None };
        match &third.twin {
            Some(_) if named => {
                return Err(wrong("-3pcc joins two programs; -master and -slave join several: not both"));
            }
            Some(twin) if part == Part::Leads => drop(plan.twins.peers.insert(String::new(), reached(twin, options)?)),
            Some(twin) => plan.listens = Some(resolved(twin)?),
            None if named => plan.table(options, scenario, part)?,
            None => {
                return Err(wrong(
                    "sendCmd or recvCmd in the scenario, and no other program is named: -3pcc HOST:PORT, or -master, -slave and -slave_cfg",
                ));
            }
        }
        Ok(plan)
    }

    /// `-slave_cfg`: who is where.
    fn table(&mut self, options: &Options, scenario: &Scenario, part: Part) -> Result<(), Fatal> {
        let third = &options.rare.third;
        let own = match (part, &third.leader, &third.follower) {
            (_, Some(_), Some(_)) => return Err(wrong("-master and -slave: it is one of them")),
            (Part::Leads, Some(own), None) | (Part::Follows, None, Some(own)) => own,
            (Part::Leads, None, _) => return Err(wrong("the scenario sends the first command: that is -master")),
            (Part::Follows, _, None) => return Err(wrong("the scenario waits for a command first: that is -slave")),
        };
        let file = third.table.as_ref().ok_or_else(|| wrong("-slave_cfg FILE says where each program is"))?;
        let text = super::text_of(file)?;
        let known: BTreeMap<&str, &str> = text
            .lines()
            .filter_map(|line| {
                let mut fields = line.split(';').map(str::trim);
                Some((fields.next()?, fields.next()?))
            })
            .collect();
        let at = |name: &str| known.get(name).copied().ok_or_else(|| wrong(format!("{file}: no line of '{name}'")));
        self.listens = Some(resolved(at(own)?)?);
        for step in &scenario.steps {
            match &step.kind {
                Kind::Command(commanding) => {
                    let to = commanding.to.as_deref();
                    let to = to.ok_or_else(|| wrong(format!("line {}: <sendCmd> wants dest", step.line)))?;
                    self.twins.peers.insert(to.to_owned(), reached(at(to)?, options)?);
                }
                Kind::Await(awaiting) if awaiting.from.is_none() => {
                    return Err(wrong(format!("line {}: <recvCmd> wants src", step.line)));
                }
                Kind::Await(_) | Kind::Send(_) | Kind::Recv(_) | Kind::Pause(_) | Kind::Nop => {}
            }
        }
        Ok(())
    }

    /// Listens, and makes the connections of who leads.
    pub fn open(self, wire: &mut Wire) -> Result<Twins, Fatal> {
        let Plan { mut twins, listens } = self;
        if let Some(at) = listens {
            wire.listen_for_commands(at).map_err(|error| wrong(format!("no commands are heard at {at}: {error}")))?;
        }
        if twins.part == Some(Part::Leads) {
            twins.connect(wire).map_err(|error| wrong(error.to_string()))?;
        }
        Ok(twins)
    }
}

/// An address that commands go to.
fn reached(name: &str, options: &Options) -> Result<SocketAddr, Fatal> {
    let to = resolved(name)?;
    match to.ip().is_loopback() || options.allow_target {
        true => Ok(to),
        false => Err(wrong(format!("{to} is not this machine: -allow_target says that commands may go there"))),
    }
}

impl Twins {
    /// Each program has a name (`-master`, `-slave`).
    pub fn named(&self) -> bool {
        self.named
    }

    /// Another program has ended: no command will come.
    pub fn parted(&self) -> bool {
        self.parted
    }

    /// A command of no known call begins one.
    pub fn begin_calls(&self) -> bool {
        self.part == Some(Part::Follows)
    }

    fn connect(&mut self, wire: &mut Wire) -> io::Result<()> {
        for (name, at) in &self.peers {
            let told = |error: io::Error| {
                io::Error::other(format!("the program that plays the same calls at {at} does not answer: {error}"))
            };
            self.links.insert(name.clone(), wire.connect_for_commands(*at).map_err(told)?);
        }
        Ok(())
    }

    /// Somebody connected to us.
    pub fn joined(&mut self, stream: SocketId, wire: &mut Wire) -> io::Result<()> {
        match (self.named, self.part) {
            (false, _) => drop(self.links.insert(String::new(), stream)),
            (true, Some(Part::Follows)) if self.links.is_empty() => self.connect(wire)?,
            (true, _) => {}
        }
        Ok(())
    }

    /// A connection ended; true for the first one.
    pub fn ended(&mut self) -> bool {
        self.links.clear();
        !std::mem::replace(&mut self.parted, true)
    }

    /// Sends a command; false if there is nobody to take it.
    pub fn send(&self, to: Option<&str>, text: &str, wire: &mut Wire) -> bool {
        let link = self.links.get(to.filter(|_| self.named).unwrap_or_default());
        link.is_some_and(|link| {
            wire.send(Way::Stream(*link), SocketAddr::from(([0; 4], 0)), &format!("{text}{COMMAND_END}"))
        })
    }
}
