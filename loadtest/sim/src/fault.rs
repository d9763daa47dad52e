//! One fault in one message of one plain call: each flow is run clean first, then once for each of its messages and each fault.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::judge;
use crate::story::{
    CallStory, CalleeManner, CallerManner, Flaw, MS, ORIGINATORS, PLENTY, SECOND, Story, Strife, TERMINATORS, Weather,
};
use crate::world::World;

/// A plain call: what both ends do.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// What happens, as a name.
    pub name: &'static str,
    /// The caller.
    pub caller: CallerManner,
    /// The terminators, in the order in which they are tried.
    pub callees: [CalleeManner; TERMINATORS],
}

const ANSWERS: CalleeManner = CalleeManner::Answers { ring: 200 * MS, answer: 600 * MS, talks: None };
const RELEASES: CalleeManner = CalleeManner::Answers { ring: 200 * MS, answer: 600 * MS, talks: Some(3 * SECOND) };
const TALKS: CallerManner = CallerManner::Releases(3 * SECOND);

const fn flow(name: &'static str, caller: CallerManner, callee: CalleeManner) -> Flow {
    Flow { name, caller, callees: [callee; TERMINATORS] }
}

/// The flows, each with a name that says what happens without a fault.
pub const FLOWS: &[Flow] = &[
    flow("answered, the caller releases", TALKS, ANSWERS),
    flow("answered, the callee releases", CallerManner::Waits, RELEASES),
    flow("answered, both release at once", TALKS, RELEASES),
    flow("answered, nobody releases in time", CallerManner::Waits, ANSWERS),
    flow("cancelled while ringing", CallerManner::Cancels(400 * MS), CalleeManner::RingsOn),
    flow("cancelled as the answer comes", CallerManner::Cancels(800 * MS), ANSWERS),
    flow("cancelled, and the callee has fallen silent", CallerManner::Cancels(SECOND), CalleeManner::FallsSilent),
    flow("busy", TALKS, CalleeManner::Refuses(486)),
    flow("refused by all", TALKS, CalleeManner::Refuses(503)),
    Flow { callees: [CalleeManner::Refuses(503), ANSWERS, ANSWERS], ..flow("refused, next route", TALKS, ANSWERS) },
    Flow { callees: [CalleeManner::Silent, ANSWERS, ANSWERS], ..flow("silent, next route", TALKS, ANSWERS) },
    flow("no answer", TALKS, CalleeManner::RingsOn),
    flow("offered anew", CallerManner::Reoffers(4 * SECOND), ANSWERS),
    flow("offered anew as the callee releases", CallerManner::Reoffers(6 * SECOND), RELEASES),
    flow("offered anew by UPDATE", CallerManner::Updates(4 * SECOND), ANSWERS),
    flow("offered anew by UPDATE as the callee releases", CallerManner::Updates(6 * SECOND), RELEASES),
    flow("answered, the callee vanishes", TALKS, CalleeManner::Vanishes),
    flow("answered, the caller vanishes", CallerManner::Vanishes, RELEASES),
    flow("never acknowledged", CallerManner::NeverAcknowledges, ANSWERS),
];

/// What may happen to a message.
pub const FLAWS: [Flaw; 4] = [Flaw::Lost, Flaw::Doubled, Flaw::Late(SECOND), Flaw::Late(40 * SECOND)];

/// The prefix whose terminators are tried in the order of their numbers.
const CALLED: &str = "331";

impl Flow {
    /// One call of this flow, with a fault in its so-manieth message.
    pub fn story(&self, fault: Option<(usize, Flaw)>) -> Story {
        let call = CallStory {
            at: 0,
            originator: 0,
            calling: "164600000000".to_string(),
            called: format!("{CALLED}00000000"),
            caller: self.caller,
            callees: self.callees,
        };
        Story { calls: alloc::vec![call], fault, ..plain() }
    }
}

/// A story without calls, faults and want of money.
pub fn plain() -> Story {
    Story {
        seed: 1,
        nodes: 1,
        shards: 2,
        calls: Vec::new(),
        weather: Weather { lost: 0, doubled: 0, late: 0, late_max: 0 },
        fault: None,
        crash: None,
        away: 0,
        republish: None,
        owed: [PLENTY; TERMINATORS],
        funds: [PLENTY; ORIGINATORS],
        strife: Strife::default(),
    }
}

/// What one run was like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Messages sent, lost ones included.
    pub messages: usize,
    /// Attempts that terminators saw.
    pub attempts: usize,
    /// The caller heard an answer.
    pub answered: bool,
}

/// Runs a flow with a fault in its so-manieth message, or without; says which promise was broken, if one was.
pub fn run(flow: &Flow, fault: Option<(usize, Flaw)>, tell: &mut dyn FnMut(u64, &str)) -> Result<Seen, String> {
    let mut world = World::new(flow.story(fault), tell);
    world.run();
    judge::judge(&world).map_err(|why| format!("{}, {fault:?}: {why}", flow.name))?;
    Ok(Seen {
        messages: world.messages,
        attempts: world.callees.len(),
        answered: world.callers.iter().any(|caller| caller.answered.is_some()),
    })
}

/// Every fault in every message of a flow: how many runs there were, and what broke.
pub fn each(flow: &Flow) -> (usize, Vec<String>) {
    let clean = match run(flow, None, &mut |_, _| {}) {
        Ok(clean) => clean,
        Err(why) => return (1, alloc::vec![why]),
    };
    let faults = (0..clean.messages).flat_map(|message| FLAWS.map(|flaw| (message, flaw)));
    let broken = faults.filter_map(|fault| run(flow, Some(fault), &mut |_, _| {}).err());
    (1 + clean.messages * FLAWS.len(), broken.collect())
}
