//! Two nodes by `tandem up --etcd`: each shows both, drains the other, and both keep limits together.

use acceptance::database::MariaDb;
use acceptance::etcd::Etcd;
use acceptance::switch::{Switch, declaration};
use acceptance::{Net, PATIENCE, until};
use serde_json::{Value, json};

/// What each node of the cluster's page has in this field.
fn nodes(switch: &Switch, field: &str) -> Value {
    let cluster = switch.shown("/api/v1/cluster");
    let nodes = cluster["nodes"].as_array().expect("the page lists nodes");
    nodes.iter().map(|node| node[field].clone()).collect()
}

/// How many calls of the originator's limit each node may have.
fn parts(switch: &Switch) -> Option<Vec<(u64, u64)>> {
    let limits = switch.shown("/api/v1/limits");
    let trunk = limits["data"].as_array()?.iter().find(|limit| limit["kind"] == "ingress_trunk")?;
    trunk["nodes"].as_array()?.iter().map(|part| Some((part["node"].as_u64()?, part["calls"].as_u64()?))).collect()
}

#[test]
fn two_nodes_by_one_command_each_know_each_other() {
    let nets = [Net::draw(), Net::draw()];
    let (etcd, database) = (Etcd::start(nets[0].host(9)), MariaDb::start());
    let up = |net: Net, node: &str, group: &str| {
        // Both hear the same carriers: their limits are the same.
        let words = ["--node", node, "--etcd", etcd.url.as_str(), "--group", group, "--limits-alone", "nothing"];
        Switch::up_with(net, &declaration(nets[0]), Some(database.url()), &words)
    };
    let (first, second) = (up(nets[0], "1", "east"), up(nets[1], "2", "west"));
    for switch in [&first, &second] {
        until(PATIENCE, "both nodes are there, with both planes", || {
            let roles = nodes(switch, "roles");
            let has = |roles: &Value, role| roles.as_array().is_some_and(|roles| roles.contains(&json!(role)));
            let all = roles.as_array()?.iter().all(|roles| has(roles, "core") && has(roles, "web"));
            (all && nodes(switch, "id") == json!([1, 2])).then_some(())
        });
        until(PATIENCE, "the page is live and says who is where", || {
            let live = switch.shown("/api/v1/cluster")["state"] == "live";
            (live && nodes(switch, "group") == json!(["east", "west"])).then_some(())
        });
        // Numbers of nodes, and no call more than the trunk may have.
        until(PATIENCE, "both nodes share the trunk's limit", || {
            let parts = parts(switch)?;
            let calls: u64 = parts.iter().map(|(_, calls)| calls).sum();
            let all = parts.iter().all(|(_, calls)| *calls > 0);
            (parts.iter().map(|(node, _)| *node).eq([1, 2]) && all && calls <= 5_000).then_some(())
        });
    }
    for on in [true, false] {
        first.change("/api/v1/nodes/2/drain", &json!({ "on": on }));
        until(PATIENCE, "the other node's data plane heard it", || {
            (second.shown("/api/v1/nodes")["data"][0]["draining"] == on).then_some(())
        });
    }
}
