//! The topologies and what breaks in each.

use super::centres::{first_centre_dies, journals_are_handed_over, line_is_cut};
use super::faults::*;
use super::public::little_is_public;
use super::upgrade::node_is_upgraded;
use crate::site::Site;
use crate::table::Row;

/// A topology and what happens to it.
#[derive(Clone, Copy, Debug)]
pub struct Story {
    /// The topology's name.
    pub name: &'static str,
    /// Its hosts.
    pub site: &'static str,
    /// How they are laid.
    pub build: fn(&str) -> Site,
    /// What happens.
    pub tell: fn(&mut Site) -> Vec<Row>,
}

/// All of them.
pub const STORIES: &[Story] = &[
    Story {
        name: "one",
        site: "one: core+sql+web",
        build: Site::build,
        tell: |site| vec![only_core_dies(site, "one"), only_database_dies(site, "one")],
    },
    Story {
        name: "two",
        site: "one: core+balancer+sql+state; two: core+balancer+sql+state; witness: state",
        build: Site::build,
        tell: |site| vec![server_dies(site, "one"), server_dies(site, "two")],
    },
    Story {
        name: "three",
        site: "web: web; data: sql; core: core",
        build: Site::build,
        tell: |site| vec![only_core_dies(site, "core"), only_database_dies(site, "data"), web_dies(site, "web")],
    },
    Story {
        name: "balanced",
        site: "front: balancer; core1: core; core2: core; data: sql",
        build: Site::build,
        tell: |site| {
            vec![core_dies(site, "core2", 12), core_stands_still(site, "core1"), only_database_dies(site, "data")]
        },
    },
    Story {
        name: "distributed",
        site: "a: core; b: core; data: sql",
        build: Site::build,
        tell: |site| {
            site.assign_to("a");
            vec![wrong_node(site, "b"), core_dies(site, "b", 10), only_core_dies(site, "a")]
        },
    },
    Story {
        name: "four",
        site: "data1: sql+state; data2: sql+web+state; core1: core+balancer+state; core2: core+balancer",
        build: Site::build,
        tell: |site| {
            vec![
                balancer_host_dies(site, "core1"),
                primary_dies(site),
                primary_is_cut_off(site),
                primary_comes_home(site),
            ]
        },
    },
    Story {
        name: "full",
        site: "front1: balancer+state; front2: balancer+state; core1: core; core2: core; data1: sql; data2: sql; web: web+state",
        build: Site::build,
        tell: |site| {
            vec![
                core_dies(site, "core2", 12),
                primary_dies(site),
                primary_is_cut_off(site),
                primary_comes_home(site),
                databases_part(site),
                primary_is_deaf(site),
                primary_stands_still(site),
                member_dies(site, "front2"),
                balancer_dies(site, "front1"),
                planned_swap(site),
            ]
        },
    },
    Story {
        name: "centres",
        site: "data1: sql+state; data2: sql+state; core1: core+state / data3: remote; core2: core",
        build: Site::build,
        tell: |site| {
            let line = line_is_cut(site);
            let (dies, calls) = first_centre_dies(site);
            vec![line, dies, journals_are_handed_over(site, &calls)]
        },
    },
    Story {
        name: "upgrade",
        site: "front: balancer+state; core1: core+sql+state; core2: core+sql+state",
        build: Site::build_together,
        tell: |site| vec![node_is_upgraded(site, "core2"), node_is_upgraded(site, "core1")],
    },
    Story {
        name: "public",
        site: "front: balancer+state; core1: core+sql+state; core2: core+sql+state; desk: web",
        build: Site::build_public,
        tell: |site| vec![little_is_public(site)],
    },
];
