//! The controller: it hands the plan to its agents, lets them begin together, watches them, and adds up what they bring home.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use super::line::Line;
use super::ssh::{self, Place, Started, Way};
use super::{Order, Part, Prepare, Report, Takings};
use crate::clock::Clock;
use crate::load::{Load, Outcome, Progress, p99_ms};
use crate::pacer::Reins;
use crate::plan::Plan;
use crate::tally::Told;

/// An agent that says nothing for so long is lost.
const SILENCE: Duration = Duration::from_secs(10);
/// How long an agent may take to compute the plan and open its sockets.
const PREPARING: Duration = Duration::from_secs(60);
/// From the order to the beginning: long enough for it to reach everybody.
const AHEAD: Duration = Duration::from_millis(200);

/// One agent as the controller sees it.
struct Agent {
    at: Place,
    line: Line,
    /// What was started for it ends after the line.
    _started: Option<Started>,
    machine: String,
    /// How far its clock is ahead of ours, and how far that may be wrong, in microseconds.
    ahead_us: i64,
    unsure_us: u64,
    /// What it said last.
    live: Box<Progress>,
    takings: Option<Box<Takings>>,
    /// It is gone.
    lost: bool,
}

impl Agent {
    /// Where and what it is, and how far its clock is from ours.
    fn named(&self) -> String {
        let Agent { at, machine, ahead_us, unsure_us, .. } = self;
        let (ahead, unsure) = (*ahead_us as f64 / 1e3, *unsure_us as f64 / 1e3);
        format!("{at} ({machine}; its clock {ahead:+.3} ms from here, give or take {unsure:.3})")
    }
}

/// All agents of a run.
pub struct Crew {
    agents: Vec<Agent>,
    heard: Receiver<(usize, Result<Report>)>,
    lost: Vec<String>,
    began: Instant,
    before: Progress,
}

impl Crew {
    /// Connects to every agent and hands it its part of the plan.
    pub(super) fn gather(places: &[Place], way: &Way, token: &str, whole: &Prepare) -> Result<Crew> {
        let count = u8::try_from(places.len()).context("at most 255 agents")?;
        let (tell, heard) = channel();
        let mut agents = Vec::new();
        for (index, at) in places.iter().enumerate() {
            let part = Part { agent: index as u8, agents: count };
            let whole = Prepare { part, ..whole.clone() };
            agents.push(prepare(at, way, token, whole).with_context(|| format!("agent {at}"))?);
        }
        let mut crew = Crew { agents, heard, lost: Vec::new(), began: Instant::now(), before: Progress::default() };
        for agent in &mut crew.agents {
            let ready = agent.line.hear().with_context(|| format!("agent {}", agent.at))?;
            match ready {
                Report::Ready(machine) => agent.machine = machine,
                Report::Refused(why) => bail!("agent {} refused: {why}", agent.at),
                Report::Clock(_) | Report::Live(_) | Report::Calls(_) | Report::Done(_) => {
                    bail!("agent {} spoke out of its turn", agent.at)
                }
            }
        }
        // Nobody has anything left to do that would hold an answer back.
        for agent in &mut crew.agents {
            compare_clocks(agent).with_context(|| format!("agent {}", agent.at))?;
        }
        for (index, agent) in crew.agents.iter().enumerate() {
            let line = agent.line.split()?;
            line.patience(Some(SILENCE))?;
            let tell = tell.clone();
            thread::spawn(move || listen(line, index, &tell));
        }
        Ok(crew)
    }

    /// Lets them begin, paces them as the reins say, and waits for their end. An agent that is lost ends the run for all.
    pub fn play(
        mut self,
        load: &Load,
        plan: &Plan,
        lines: Option<Sender<Told>>,
        reins: &Reins,
        watch: &mut dyn FnMut(Option<&Progress>),
    ) -> Result<Outcome> {
        watch(None);
        self.begin();
        let (mut stopped, mut finished, mut told, mut changes) = (false, false, Instant::now(), 0);
        // Who is asked twice to end waits for no agent.
        while self.agents.iter().any(|agent| !agent.lost && agent.takings.is_none()) && !reins.hurries() {
            match self.heard.recv_timeout(Duration::from_millis(50)) {
                Ok((index, report)) => self.hear(index, report, lines.as_ref()),
                Err(_) if self.agents.iter().all(|agent| agent.lost) => break,
                Err(_) => {}
            }
            if !stopped && (reins.stop.load(Relaxed) || !self.lost.is_empty()) {
                stopped = true;
                self.tell(&Order::Stop);
            }
            // Before its beginning an agent hears of nothing else.
            if changes != reins.changes() && Instant::now() > self.began + AHEAD {
                changes = reins.changes();
                self.tell(&Order::Pace(reins.segment().speed()));
            }
            if !finished && self.is_idle(plan.due.len() as u64) {
                finished = true;
                self.tell(&Order::Finish);
            }
            if told.elapsed() >= Duration::from_secs(1) {
                told = Instant::now();
                let progress = self.progress();
                watch(Some(&progress));
            }
        }
        self.conclude(load, plan)
    }

    fn begin(&mut self) {
        self.began = Instant::now() + AHEAD;
        for agent in &mut self.agents {
            let after_us = self.began.saturating_duration_since(Instant::now()).as_micros() as u64;
            // Whoever is not there is missed by its reader.
            let _ = agent.line.say(&Order::Begin { after_us });
        }
    }

    fn tell(&mut self, order: &Order) {
        for agent in self.agents.iter_mut().filter(|agent| !agent.lost) {
            // Whoever is not there is missed by its reader.
            let _ = agent.line.say(order);
        }
    }

    fn hear(&mut self, index: usize, report: Result<Report>, lines: Option<&Sender<Told>>) {
        let agent = &mut self.agents[index];
        match report {
            Ok(Report::Live(progress)) => agent.live = progress,
            Ok(Report::Calls(calls)) => {
                for mut told in calls {
                    if let Told::Call(line) = &mut told {
                        line.set_back(agent.ahead_us);
                    }
                    // The writer outlives the run; if it failed, it says so itself.
                    drop(lines.map(|lines| lines.send(told)));
                }
            }
            Ok(Report::Done(mut takings)) => {
                takings.samples.set_back(agent.ahead_us);
                agent.takings = Some(takings);
            }
            Ok(Report::Refused(why)) => self.lose(index, &anyhow!(why)),
            Ok(Report::Ready(_) | Report::Clock(_)) => self.lose(index, &anyhow!("it spoke out of its turn")),
            // After its end an agent has nothing more to say.
            Err(_) if agent.takings.is_some() => {}
            Err(why) => self.lose(index, &why),
        }
    }

    fn lose(&mut self, index: usize, why: &anyhow::Error) {
        let (agent, after) = (&mut self.agents[index], self.began.elapsed().as_secs_f64());
        agent.lost = true;
        self.lost.push(format!("agent {} was lost after {after:.1} s ({why:#})", agent.at));
    }

    /// Every call of so many was placed or skipped and has ended, wherever its two ends are.
    fn is_idle(&self, planned: u64) -> bool {
        let settled = |agent: &Agent| agent.live.counts.placed + agent.live.counts.skipped;
        self.agents.iter().map(settled).sum::<u64>() >= planned
            && self.agents.iter().all(|agent| agent.live.active == 0)
    }

    /// What all of them do together.
    fn progress(&mut self) -> Progress {
        let mut sum = Progress { elapsed_s: self.began.elapsed().as_secs_f64(), ..Progress::default() };
        for Agent { live, .. } in &self.agents {
            sum.counts.add(&live.counts);
            // Each of them knows the whole plan.
            sum.due = sum.due.max(live.due);
            sum.calls += live.calls;
            sum.active += live.active;
            sum.cps += live.cps;
            live.codes.iter().for_each(|(code, count)| *sum.codes.entry(*code).or_default() += count);
            sum.rang.steps.iter_mut().zip(&live.rang.steps).for_each(|(sum, step)| *sum += step);
            sum.rang.sum_ns += live.rang.sum_ns;
        }
        sum.ringing_p99_ms = p99_ms(&self.before.rang.steps, &sum.rang.steps);
        self.before = sum.clone();
        sum
    }

    fn conclude(self, load: &Load, plan: &Plan) -> Result<Outcome> {
        let mut sum = Takings::new(plan.span.as_nanos() as u64);
        let brought: Vec<&Takings> = self.agents.iter().filter_map(|agent| agent.takings.as_deref()).collect();
        if brought.is_empty() {
            bail!("{}", self.lost.join("; "));
        }
        brought.into_iter().for_each(|takings| sum.merge(takings));
        let mut outcome = load.conclude(plan, sum);
        let summary = &mut outcome.summary;
        summary.agents = self.agents.iter().map(Agent::named).collect();
        if !self.lost.is_empty() {
            outcome.whole = false;
            // Calls whose other end went away are nobody's fault but ours.
            summary.faults.clear();
            summary.valid = false;
            summary.invalid.extend(self.lost);
        }
        Ok(outcome)
    }
}

fn prepare(at: &Place, way: &Way, token: &str, whole: Prepare) -> Result<Agent> {
    let allow_target = whole.words.iter().any(|word| word == "--allow-target");
    let (mut line, started) = ssh::reach(at, way, token, allow_target)?;
    line.patience(Some(PREPARING))?;
    line.say(&Order::Prepare(Box::new(whole)))?;
    Ok(Agent {
        at: at.clone(),
        line,
        _started: started,
        machine: String::new(),
        ahead_us: 0,
        unsure_us: 0,
        live: Box::default(),
        takings: None,
        lost: false,
    })
}

/// Asks what time it is there: in the middle between question and answer, so that the way is wrong by half of it at most.
fn compare_clocks(agent: &mut Agent) -> Result<()> {
    let clock = Clock::start();
    let before = clock.now();
    agent.line.say(&Order::Clock)?;
    let Report::Clock(theirs) = agent.line.hear()? else { bail!("it spoke out of its turn") };
    let after = clock.now();
    let ours = clock.wall_us(before.midpoint(after)).unwrap_or_default();
    (agent.ahead_us, agent.unsure_us) = (theirs as i64 - ours as i64, (after - before) / 2_000);
    Ok(())
}

/// Passes on what an agent says, until it has nothing more to say.
fn listen(mut line: Line, index: usize, tell: &Sender<(usize, Result<Report>)>) {
    loop {
        let report = line.hear::<Report>();
        let over = !matches!(report, Ok(Report::Live(_) | Report::Calls(_)));
        // Nobody listens any more when the run is over.
        if tell.send((index, report)).is_err() || over {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener, UdpSocket};
    use std::sync::PoisonError;

    use clap::Parser;

    use super::*;
    use crate::agents::agent;
    use crate::arrivals::Arrivals;
    use crate::load::Pace;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        load: Load,
    }

    #[derive(Parser)]
    struct Waiting {
        #[command(flatten)]
        agent: agent::Arguments,
    }

    const TOKEN: &str = "a token of some length";

    /// An agent of this process for one run.
    fn agent() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("an address");
        let arguments = Waiting::parse_from(["agent", "--listen", "127.0.0.1:0", "--token-file", "none"]).agent;
        thread::spawn(move || agent::serve(&arguments, TOKEN, listener.accept().expect("a controller").0));
        at
    }

    #[test]
    fn agents_stand_still_and_hasten_as_the_hand_wants_and_place_the_whole_plan() {
        let _alone = crate::worker::ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let free = UdpSocket::bind("127.0.7.8:0").and_then(|socket| socket.local_addr()).expect("an address");
        let who = format!("at={free},ring=1ms,answer=2ms");
        let target = free.to_string();
        let words =
            ["run", "--target", &target, "--terminator", &who, "--media", "0%", "--talk", "10ms", "--seed", "7"];
        let load = Program::parse_from(words).load;
        let pace = Pace { arrivals: Arrivals::Constant, cps: 20.0, span: Duration::from_secs(10) };
        let plan = load.plan(&pace).expect("a plan");
        let words = [&words[..], &["--arrivals", "constant"]].concat().into_iter().map(String::from).collect();
        let whole = Prepare { words, seed: plan.seed, part: Part::WHOLE, cps: 20.0, span: pace.span, lines: false };
        let crew =
            Crew::gather(&[agent(), agent()].map(Place::At), &Way::default(), TOKEN, &whole).expect("two agents");
        // Both go by this machine's clock, and that is found to be so.
        for Agent { ahead_us, unsure_us, .. } in &crew.agents {
            assert!(ahead_us.unsigned_abs() <= unsure_us + 1_000, "{ahead_us} give or take {unsure_us}");
        }
        let (reins, mut speeds, mut stood) = (Reins::default(), [0.0, 20.0].into_iter(), Vec::new());
        let mut watch = |progress: Option<&Progress>| {
            let Some(progress) = progress else { return };
            stood.push(progress.counts.placed);
            speeds.next().into_iter().for_each(|speed| reins.pace(speed));
        };
        let summary = crew.play(&load, &plan, None, &reins, &mut watch).expect("a run").summary;
        let (counts, paced) = (&summary.counts, summary.paced_by_hand);
        // A call that still rings when the plan is over is cancelled.
        assert_eq!((counts.placed, counts.completed + counts.cancelled, paced), (200, 200, 2), "{summary:?}");
        // At full speed the plan would have been over before: it stood, and then ran twenty times as fast.
        assert!(stood.len() < 9 && stood[0] < 200, "{stood:?}");
    }
}
