//! Three nodes race to one balance, and a node dies at each record of its journal: the money is exact all the same.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use sim::fault::{FLOWS, plain};
use sim::story::{
    CallStory, CalleeManner, CallerManner, Crash, MS, ORIGINATORS, SECOND, Story, Strife, TERMINATORS, Trouble,
    TroubleKind,
};

/// Terminators are tried in the order of their numbers there.
const PREFIX: &str = "331";

fn racing(calls: u64, funds: i64) -> Story {
    let answers = CalleeManner::Answers { ring: 20 * MS, answer: 50 * MS, talks: None };
    let call = |index: u64| CallStory {
        // A thousand calls a second, over all nodes together.
        at: index * MS,
        originator: 0,
        calling: format!("1646{index:08}"),
        called: format!("{PREFIX}{index:08}"),
        // One in three of each node is short, and what it does not use must reach another.
        caller: if (index / 3).is_multiple_of(3) { CallerManner::Releases(4 * SECOND) } else { CallerManner::Waits },
        callees: [answers; TERMINATORS],
    };
    let mut all = [0; ORIGINATORS];
    all[0] = funds;
    let strife = Strife { lost: 20, doubled: 50, late: 50, late_max: SECOND, ..Strife::default() };
    Story { nodes: 3, shards: 2, calls: (0..calls).map(call).collect(), funds: all, strife, ..plain() }
}

/// Whatever the switch does, `run` holds it to the sums at every end of a call; here the balance must also be used up.
#[test]
fn three_nodes_at_a_thousand_calls_a_second_spend_a_balance_and_not_a_unit_more() {
    let funds = 600_000_000;
    let outcome = sim::play(racing(2_000, funds), &mut |_, _| {}).unwrap();
    let spent = outcome.settled[0];
    println!("{} of {} calls answered, {spent} of {funds} spent", outcome.answered, outcome.calls);
    assert!(spent <= funds, "overspent");
    assert!(spent * 100 > funds * 97, "{spent} of {funds}: what was reserved and not used was not used by others");
    assert!(outcome.answered < outcome.calls, "the balance was no limit");
}

/// The same race while a node dies, another is cut off from the ledger, the third stands still, and the database is lost, each at a moment of
/// the seed's. `SIM_RACES=1000` runs more of them.
#[test]
fn a_race_to_a_balance_is_exact_while_nodes_die_are_cut_off_and_the_database_is_lost() {
    let races = std::env::var("SIM_RACES").map_or(60, |text| text.parse().unwrap());
    let (funds, mut answered, mut least) = (600_000_000, 0, i64::MAX);
    for seed in 1..=races {
        // SplitMix64: the same moments for the same seed.
        let mut state: u64 = seed;
        let mut moment = |from: u64, till: u64| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            (from + (mixed ^ (mixed >> 27)) % (till - from)) * MS
        };
        let parted = [TroubleKind::Apart, TroubleKind::Unheard, TroubleKind::Deaf][seed as usize % 3];
        let kinds = [(TroubleKind::Dead, 2_000), (parted, 5_000), (TroubleKind::Still, 3_000)];
        let troubles = kinds.into_iter().enumerate().map(|(place, (kind, longest))| {
            let from = moment(0, 2_500);
            Trouble { node: (seed as usize + place) % 3, from, till: from + moment(50, longest), kind }
        });
        let troubles = troubles.collect();
        let lost = moment(0, 2_500);
        let take_overs = vec![(lost, lost + moment(300, 4_000))];
        let story = racing(2_000, funds);
        let strife = Strife { troubles, take_overs, strict: seed.is_multiple_of(2), ..story.strife.clone() };
        let outcome = sim::play(Story { seed, strife, ..story }, &mut |_, _| {});
        let outcome = outcome.unwrap_or_else(|why| panic!("SIM_RACES, seed {seed}: {why}"));
        assert!(outcome.settled[0] <= funds, "seed {seed}: overspent");
        assert_eq!(outcome.crashes, 1, "seed {seed}: a node died");
        (answered, least) = (answered + outcome.answered, least.min(outcome.settled[0]));
    }
    println!("{races} races, {answered} calls answered, {least} of {funds} spent at least");
    assert!(answered > 30 * races as usize, "the races are about calls that are paid for");
}

/// Each flow of a call, killed at each record that the node hands to its journal: afterwards nothing is held and all is billed.
#[test]
fn a_node_may_die_at_every_record_of_every_flow() {
    let mut runs = 0;
    for flow in FLOWS {
        for (seed, strict) in [(1, false), (2, true)] {
            for record in 1.. {
                let story = flow.story(None);
                let strife = Strife { strict, ..Strife::default() };
                let crash = Some(Crash::OnRecord(record));
                let outcome = sim::play(Story { seed, crash, strife, away: 80 * MS, ..story }, &mut |_, _| {});
                let outcome =
                    outcome.unwrap_or_else(|why| panic!("{}, record {record}, seed {seed}: {why}", flow.name));
                runs += 1;
                if outcome.crashes == 0 {
                    assert!(record > 2, "{}: it writes more than that", flow.name);
                    break;
                }
            }
        }
    }
    println!("{runs} runs of {} flows", FLOWS.len());
}
