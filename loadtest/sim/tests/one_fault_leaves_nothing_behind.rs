//! Any single message of any plain call may be lost, doubled or late: after all deadlines nothing is held and the books are exact.

use sim::fault::{FLOWS, each, run};

#[test]
fn clean_runs_do_what_their_names_say() {
    for flow in FLOWS {
        let seen = run(flow, None, &mut |_, _| {}).unwrap_or_else(|why| panic!("{why}"));
        let answered = ["answered", "refused, next", "silent, next", "offered", "never"];
        assert_eq!(seen.answered, answered.iter().any(|start| flow.name.starts_with(start)), "{}: {seen:?}", flow.name);
        assert_eq!(
            seen.attempts > 1,
            flow.name.contains("next") || flow.name.contains("by all"),
            "{}: {seen:?}",
            flow.name
        );
    }
}

#[test]
fn whatever_happens_to_one_message_nothing_remains() {
    let mut runs = 0;
    let mut broken = Vec::new();
    for flow in FLOWS {
        let (made, why) = each(flow);
        runs += made;
        broken.extend(why);
    }
    println!("{runs} runs of {} flows", FLOWS.len());
    assert!(broken.is_empty(), "{} of {runs} runs broke a promise:\n{}", broken.len(), broken.join("\n"));
}
