//! A cluster as etcd tells of it, and what an operator is told would happen to it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use cluster::{
    Kept, Member, NotNow, PairReport, PathReport, Sight, Stands, Weight, groups, if_lost, may_promote, misplaced,
    troubles,
};
use units::NodeId;

/// Two nodes with a database each and calls, a balancer's address between two others, three members of etcd.
const WHOLE: &[(&str, &str)] = &[
    ("/tandem/throne/database/book", r#"{"epoch":4,"holder":1,"sync":2,"since":1700000000}"#),
    ("/tandem/throne/database/holder", "1"),
    ("/tandem/throne/address/sip/book", r#"{"epoch":2,"holder":3,"sync":null,"since":1700000100}"#),
    ("/tandem/throne/address/sip/holder", "3"),
    (
        "/tandem/keeper/1",
        r#"{"node":1,"role":"primary","process":"running","writable":true,"position":100,"replica_stored":98,"takeover_s":4,
            "addresses":[{"name":"database","ip":"10.0.0.100","up":true,"works":true}]}"#,
    ),
    ("/tandem/keeper/2", r#"{"node":2,"role":"replica","process":"running","position":98,"behind_s":0}"#),
    (
        "/tandem/keeper/3",
        r#"{"node":3,"addresses":[{"name":"sip","ip":"10.0.0.9","up":true,"works":true,"takeover_s":6}]}"#,
    ),
    ("/tandem/keeper/4", r#"{"node":4,"addresses":[{"name":"sip","ip":"10.0.0.9","works":true,"takeover_s":6}]}"#),
    ("/tandem/node/1", r#"{"number":1,"roles":["core","web"],"calls":312,"later":"a field of another version"}"#),
    ("/tandem/node/2", r#"{"number":2,"roles":["core"],"calls":7}"#),
    ("/tandem/node/3", r#"{"number":3,"roles":["balancer"]}"#),
    ("/tandem/node/4", r#"{"number":4,"roles":["balancer"]}"#),
    ("/tandem/node/9", "of another form"),
];

fn sight(change: &[(&str, &str)]) -> Sight {
    let kept = WHOLE.iter().filter(|(key, _)| !change.iter().any(|(changed, _)| changed == key));
    let told = kept.chain(change.iter().filter(|(_, value)| !value.is_empty()));
    let members = [1, 2, 3].map(|node| Member { reached: true, node: Some(NodeId(node)), ..Member::default() });
    Sight { members: members.into(), ..Sight::read(told.map(|(key, value)| (*key, value.as_bytes()))) }
}

fn told(sight: &Sight, node: u16) -> Vec<String> {
    if_lost(sight, NodeId(node)).iter().map(ToString::to_string).collect()
}

#[test]
fn a_cluster_is_read_from_its_keys() {
    let sight = sight(&[("/tandem/drain/2", "1"), ("/tandem/order/database", "2")]);
    let held: Vec<_> =
        sight.services.iter().map(|service| (service.name.as_str(), service.holder, service.held)).collect();
    assert_eq!(held, [("database", Some(NodeId(1)), true), ("sip", Some(NodeId(3)), true)]);
    assert_eq!((sight.lag(), sight.ordered, sight.is_drained(NodeId(2))), (Some(2), Some(NodeId(2)), true));
    assert_eq!(sight.known(), [1, 2, 3, 4].map(NodeId));
    assert_eq!(sight.address("database").unwrap().ip, "10.0.0.100");
}

#[test]
fn an_address_that_others_move_is_where_it_is_up() {
    let keeper =
        |node: u16, up: bool| format!(r#"{{"node":{node},"addresses":[{{"name":"web","up":{up},"works":true}}]}}"#);
    for (first, second, holder) in [(false, true, Some(2)), (true, false, Some(1)), (false, false, None)] {
        let told = [("/tandem/keeper/1", keeper(1, first)), ("/tandem/keeper/2", keeper(2, second))];
        let sight = Sight::read(told.iter().map(|(key, value)| (*key, value.as_bytes())));
        let web = &sight.services[0];
        assert_eq!((web.name.as_str(), web.holder, web.held), ("web", holder.map(NodeId), holder.is_some()));
    }
}

#[test]
fn who_takes_over_is_told_with_what_is_lost() {
    let whole = sight(&[]);
    assert_eq!(
        told(&whole, 1),
        [
            "no other node has the role web",
            "node 2 becomes the database's primary after about 4 s; until then edits are refused and records wait in journals",
            "calls on it are lost: 312",
            "1 of 2 cores remain",
            "2 of 3 members of the arbiter remain, enough",
        ]
    );
    assert_eq!(
        told(&whole, 3),
        ["address sip goes to node 4 after about 6 s", "2 of 3 members of the arbiter remain, enough"]
    );
    assert_eq!(told(&whole, 4), ["nothing is lost"]);
    let alone = told(&whole, 2);
    assert_eq!(alone[0], "the database on node 1 goes on alone, without a replica to take over");
}

#[test]
fn without_a_successor_there_is_an_outage() {
    let no_primary = "no database becomes primary: edits are refused and records wait in journals until node 1 is back";
    let behind = ("/tandem/throne/database/book", r#"{"epoch":4,"holder":1,"sync":null,"since":0}"#);
    let dead = ("/tandem/keeper/2", r#"{"node":2,"role":"replica","process":"dead"}"#);
    let gone = ("/tandem/keeper/2", "");
    for change in [behind, dead, gone] {
        let first = &if_lost(&sight(&[change]), NodeId(1))[0];
        assert_eq!((first.to_string().as_str(), first.weight()), (no_primary, Weight::Outage), "{change:?}");
    }
    let sick = sight(&[("/tandem/keeper/4", r#"{"node":4,"addresses":[{"name":"sip","works":false}]}"#)]);
    assert_eq!(told(&sick, 3)[0], "nobody takes address sip");
    let last = sight(&[("/tandem/drain/2", "1")]);
    assert!(told(&last, 1).contains(&"no core remains: no call is carried".to_owned()), "a drained core takes no call");
}

#[test]
fn nothing_is_taken_over_without_a_majority() {
    let mut thin = sight(&[]);
    thin.members[2].reached = false;
    let first = told(&thin, 1);
    assert_eq!(
        first[0],
        "1 of 3 members of the arbiter remain, no majority: nothing is taken over, and the primary takes no more writes"
    );
    assert!(first[1].starts_with("no database becomes primary"), "{first:?}");
}

#[test]
fn a_swap_is_only_offered_where_nothing_is_lost() {
    assert_eq!(may_promote(&sight(&[]), NodeId(2)), Ok(()));
    let refused = |change: &[(&str, &str)], node, why| {
        assert_eq!(may_promote(&sight(change), NodeId(node)), Err(why), "{change:?}");
    };
    refused(&[], 1, NotNow::IsPrimary);
    refused(&[], 3, NotNow::NotInSync);
    refused(&[("/tandem/throne/database/holder", "")], 2, NotNow::NoPrimary);
    refused(&[("/tandem/order/database", "2")], 2, NotNow::Ordered);
    let neither = [("/tandem/throne/database/book", ""), ("/tandem/throne/database/holder", "")];
    refused(&neither, 2, NotNow::NoDatabase);
}

#[test]
fn what_keepers_find_wrong_is_told() {
    let worker = ("/tandem/control/1", r#"{"node":1,"version":"1","data_plane_up":true}"#);
    assert_eq!(troubles(&sight(&[worker])), [""; 0], "all is well, and who tells no roles has them all");
    let nobody = "no node has the role worker: exports, recounts and the end of old records wait";
    assert_eq!(troubles(&sight(&[])), [nobody]);
    assert_eq!(troubles(&sight(&[("/tandem/control/1", r#"{"node":1,"roles":["web"]}"#)])), [nobody]);
    let dead = r#"{"node":2,"role":"replica","process":"dead","why":"Unknown storage engine","disk_percent":91,"behind_s":11,"diverged":true,
                   "doubt":"nobody knows who was primary"}"#;
    let contested =
        r#"{"node":3,"addresses":[{"name":"sip","ip":"10.0.0.9","up":true,"here":true,"other":"02:00:00:00:00:09"}]}"#;
    let stuck = r#"{"node":4,"addresses":[{"name":"web","ip":"10.0.0.8","driver":"agent","here":true,"why":"no such interface"}]}"#;
    let changed = [
        worker,
        ("/tandem/double/4", "1"),
        ("/tandem/keeper/2", dead),
        ("/tandem/keeper/3", contested),
        ("/tandem/keeper/4", stuck),
    ];
    assert_eq!(
        troubles(&sight(&changed)),
        [
            "two machines call themselves node 4: one of them needs a number that was never used",
            "node 2: nobody knows who was primary",
            "the database on node 2 is not what it must be: Unknown storage engine",
            "the database on node 2 has commits that the primary lacks, and is copied anew",
            "the replica on node 2 is 11 s behind: the primary is read in its place",
            "the disk under the database on node 2 is 91 % full: when it is, nothing is written",
            "address sip, 10.0.0.9, is on node 3, and 02:00:00:00:00:09 answers for it as well: find who that is",
            "10.0.0.8 belongs on node 4 and cannot be put there: no such interface",
        ]
    );
}

/// Cores by the group that each is in.
fn placed(nodes: &[&str]) -> Sight {
    let text = |number: usize, group: &str| format!(r#"{{"number":{number},"roles":["core"],"group":"{group}"}}"#);
    let told: Vec<(String, String)> =
        nodes.iter().enumerate().map(|(at, group)| (format!("/tandem/node/{at}"), text(at + 1, group))).collect();
    Sight::read(told.iter().map(|(key, value)| (key.as_str(), value.as_bytes())))
}

#[test]
fn groups_are_equal_and_of_two_to_four_nodes() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["", ""], &[]),
        (&["east", "east", "west", "west"], &[]),
        (
            &["east", "east", "west"],
            &[
                "group west has one node; each group needs 2 at least",
                "groups have 1 to 2 nodes; equal ones share the load when a group is lost",
                "2 of 3 cores are in group east: with it goes most of the capacity",
            ],
        ),
        (&["east"; 5], &["group east has 5 nodes; more than 4 make it slower, not safer"]),
        (&["east", "east", ""], &["node 3 is in no group"]),
    ];
    for (nodes, wrong) in cases {
        let sight = placed(nodes);
        assert_eq!(misplaced(&sight).iter().map(ToString::to_string).collect::<Vec<_>>(), *wrong, "{nodes:?}");
    }
    assert_eq!(groups(&placed(&["east", "east"]))[0].nodes, [1, 2].map(NodeId));
}

/// What one of two servers without a third says: node 1 is primary, node 2 has everything.
fn pair() -> PairReport {
    let keeper = |text: &str| serde_json::from_str(text).unwrap();
    PairReport {
        page: Kept {
            standing: Stands::Paired,
            epoch: 3,
            holder: Some(1),
            held: true,
            sync: Some(2),
            ..Kept::default()
        },
        held: true,
        silent_ms: 3_000,
        keepers: vec![
            keeper(r#"{"node":1,"role":"primary","since":17,"process":"running","writable":true,"takeover_s":10}"#),
            keeper(r#"{"node":2,"role":"replica","process":"running"}"#),
        ],
        ..PairReport::default()
    }
}

/// With the planes of node 1, which hears of no others.
fn sight_of(pair: PairReport) -> Sight {
    let own = br#"{"node":1,"data_plane_up":true,"calls":5}"#.as_slice();
    Sight::read([("/tandem/control/1", own)]).with_pair(pair)
}

#[test]
fn two_servers_without_a_third_are_seen_by_what_one_of_them_tells() {
    let sight = sight_of(pair());
    let database = sight.database().unwrap();
    assert_eq!((database.holder, database.held, database.sync), (Some(NodeId(1)), true, Some(NodeId(2))));
    assert_eq!((database.epoch, database.since, sight.known()), (3, 17, vec![NodeId(1), NodeId(2)]));
    let over = sight_of(PairReport { held: false, ..pair() });
    assert!(!over.database().unwrap().held && if_lost(&over, NodeId(2)).len() == 1);
    let never = pair();
    let other = PathReport { heard_ms: Some(2_999), ..PathReport::default() };
    assert!(!never.is_silent(&other) && never.is_silent(&PathReport::default()));
    assert!(never.is_silent(&PathReport { heard_ms: Some(3_001), ..other }));
}

#[test]
fn what_becomes_of_two_servers_is_told_as_they_would_do_it() {
    let takes_over = "node 2 becomes the database's primary after about 10 s; until then edits are refused and records wait in journals";
    let stays_away = "no database becomes primary: edits are refused and records wait in journals until node 1 is back";
    let stops = "the database on node 1 takes no more writes until this node is back, or an operator swears that it is off: tandem cluster alone";
    let fences = "node 1 turns this one off by the fence command, and its database goes on alone; if the command fails it takes no more writes";
    let behind = Kept { sync: None, ..pair().page };
    let alone = Kept { standing: Stands::Solo, ..pair().page };
    let told_of = [
        (pair(), takes_over, stops),
        (PairReport { fences: true, ..pair() }, takes_over, fences),
        (PairReport { page: behind, ..pair() }, stays_away, "nothing is lost"),
        (PairReport { page: alone, ..pair() }, stays_away, "nothing is lost"),
        (PairReport { lost: true, ..pair() }, stays_away, "nothing is lost"),
    ];
    for (pair, first, second) in told_of {
        let sight = sight_of(pair);
        assert_eq!(told(&sight, 1), [first, "calls on it are lost: 5"], "its planes are not said to be the only ones");
        assert_eq!(told(&sight, 2), [second]);
    }
}

#[test]
fn two_servers_swap_only_while_they_hear_each_other() {
    let may = |pair: PairReport| may_promote(&sight_of(pair), NodeId(2));
    assert_eq!(may(pair()), Ok(()));
    assert_eq!(may(PairReport { lost: true, ..pair() }), Err(NotNow::OtherLost));
    assert_eq!(may(PairReport { page: Kept { sync: None, ..pair().page }, ..pair() }), Err(NotNow::NotInSync));
    assert_eq!(may(PairReport { held: false, ..pair() }), Err(NotNow::NoPrimary));
}
