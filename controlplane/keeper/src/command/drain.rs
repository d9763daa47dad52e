//! `tandem cluster drain`, and what `status` says would happen.

use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use cluster::{Member, NodeSight, Sight, if_lost, misplaced, mixed, troubles};
use live::Etcd;
use units::NodeId;

/// Between two looks at what is left.
const LOOK: Duration = Duration::from_millis(500);
/// A node that drains takes calls until its balancers know: so long it must have none before nobody waits for more.
const EMPTY: Duration = Duration::from_secs(3);

/// Drains a node or ends that; waits, if that is wanted, until no call runs on it.
pub fn drain(etcd: &Etcd, node: u16, on: bool, wait: bool) -> Result<ExitCode> {
    live::set_drain(etcd, node, on)?;
    say!("node {node} takes {}", if on { "no more calls" } else { "calls" });
    if wait {
        emptied(etcd, NodeId(node))?;
    } else if on && !look(etcd)?.is_there(NodeId(node)) {
        say!("node {node} is not there: it takes none when it comes");
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells how many calls are left until none is, or the node is gone.
fn emptied(etcd: &Etcd, node: NodeId) -> Result<()> {
    let (mut told, mut empty) = (None, None);
    loop {
        let sight = look(etcd)?;
        // What it tells may be from before it heard of the drain.
        let heard = sight.node(node).filter(|node| node.leaving);
        let left = heard.map(|node: &NodeSight| node.calls);
        if told.replace(left) != Some(left) {
            match left {
                Some(calls) => say!("{calls} calls left"),
                None if sight.is_there(node) => say!("waiting for node {node} to say that it drains"),
                None => say!("node {node} is not there"),
            }
        }
        empty = if left == Some(0) { empty.or_else(|| Some(Instant::now())) } else { None };
        if empty.is_some_and(|since| since.elapsed() >= EMPTY) || !sight.is_there(node) {
            return Ok(());
        }
        sleep(LOOK);
    }
}

/// Everything that is known of the cluster, but how etcd's members are.
fn look(etcd: &Etcd) -> Result<Sight> {
    let entries = etcd.list_all(&cluster::sight::READ)?;
    Ok(Sight::read(entries.iter().map(|entry| (entry.key.as_str(), entry.value.as_slice()))))
}

/// How the arbiter's members are, as the core takes it and for people.
pub fn members(etcd: &Etcd) -> (Vec<Member>, Vec<String>) {
    let found = etcd.members().into_iter();
    let found: Vec<Member> =
        found.map(|it| Member { url: it.url, reached: it.reached, leads: it.leads, node: None }).collect();
    let answers = |member: &Member| if member.reached { "answers" } else { "does not answer" };
    let lines = found.iter().map(|member| format!("etcd {} {}", member.url, answers(member))).collect();
    (found, lines)
}

/// How the arbiter's members are, what would happen if a node died, and what is wrong with how nodes are placed: for people.
pub fn foresight(etcd: &Etcd) -> Result<Vec<String>> {
    let (found, mut lines) = members(etcd);
    let sight = look(etcd)?.with_members(found);
    lines.extend(losses(&sight));
    lines.extend(troubles(&sight));
    lines.extend(misplaced(&sight).iter().map(ToString::to_string));
    lines.extend(mixed(&sight));
    Ok(lines)
}

/// What would happen if a node died, of each that is known.
pub fn losses(sight: &Sight) -> Vec<String> {
    let of_node = |node: NodeId| {
        let consequences = if_lost(sight, node).into_iter().map(|consequence| format!("  {consequence}"));
        [format!("if node {node} lost its power now:")].into_iter().chain(consequences).collect::<Vec<_>>()
    };
    sight.known().into_iter().flat_map(of_node).collect()
}
