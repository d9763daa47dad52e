//! Who may lean on whom: the layers of the house, read from every `Cargo.toml`.

use crate::{File, Finding};

/// One package of ours and the packages of ours that it may name.
pub struct Room {
    /// The package's name.
    pub name: &'static str,
    /// What it may depend on, in tests too.
    pub may_use: &'static [&'static str],
}

const PLANES_MEET: &[&str] = &["units", "snapshot", "cdr", "rating", "panel"];
const EVERYTHING: &[&str] = &[
    "units", "snapshot", "cdr", "rating", "panel", "uring", "fastpath", "shard", "sip", "sdp", "call", "media",
    "balance", "tape", "cluster", "ledger", "store", "web", "sim", "mill",
];

/// What the fuzz targets read: everything, and the control plane's decks.
const EVERYTHING_AND_CONTROL: &[&str] = &[
    "units",
    "snapshot",
    "cdr",
    "rating",
    "panel",
    "shard",
    "sip",
    "sdp",
    "call",
    "media",
    "sim",
    "tandem-controlplane",
];

/// The layers. `dataplane` and `controlplane` meet only in `rating/*` and `panel`, and in what `live` says of nodes; nobody leans on `benches` or `loadtest`.
pub const ROOMS: &[Room] = &[
    Room { name: "units", may_use: &[] },
    Room { name: "snapshot", may_use: &["units"] },
    Room { name: "cdr", may_use: &["units"] },
    Room { name: "rating", may_use: &["units", "snapshot", "cdr"] },
    Room { name: "panel", may_use: &[] },
    Room { name: "sip", may_use: &["units"] },
    Room { name: "sdp", may_use: &["units"] },
    Room { name: "media", may_use: &["units"] },
    Room { name: "tape", may_use: &["units"] },
    Room { name: "balance", may_use: &["units", "sip"] },
    Room { name: "call", may_use: &["units", "snapshot", "cdr", "rating", "sip", "sdp", "media"] },
    Room {
        name: "shard",
        may_use: &["units", "snapshot", "cdr", "rating", "panel", "sip", "sdp", "media", "tape", "call"],
    },
    Room { name: "uring", may_use: &[] },
    Room { name: "fastpath", may_use: &[] },
    Room {
        name: "tandem-dataplane",
        may_use: &[
            "units", "snapshot", "cdr", "rating", "panel", "sip", "sdp", "media", "tape", "call", "shard", "uring",
            "fastpath", "balance", "live",
        ],
    },
    Room { name: "cluster", may_use: &["units"] },
    Room { name: "live", may_use: &["cluster"] },
    Room { name: "tandem-keeper", may_use: &["units", "cluster", "live", "panel"] },
    Room { name: "files", may_use: &["units"] },
    Room { name: "ledger", may_use: &["units", "cdr"] },
    Room { name: "store", may_use: &["units", "snapshot", "cdr", "rating", "ledger"] },
    Room { name: "search", may_use: &["units", "cdr", "store"] },
    Room {
        name: "web",
        may_use: &["units", "snapshot", "cdr", "rating", "panel", "cluster", "store", "files", "search"],
    },
    Room {
        name: "tandem-controlplane",
        may_use: &["units", "snapshot", "cdr", "rating", "panel", "cluster", "live", "store", "files", "search", "web"],
    },
    Room { name: "tandem-tune", may_use: &["panel", "uring"] },
    Room { name: "tidy", may_use: &[] },
    Room { name: "benches", may_use: EVERYTHING },
    Room { name: "ratchet", may_use: &["units", "snapshot", "cdr", "rating", "sip", "sdp", "media", "shard", "panel"] },
    Room { name: "fuzz", may_use: EVERYTHING_AND_CONTROL },
    // It judges the switch: what both shared, both could have wrong.
    Room { name: "tandem-loadtest", may_use: &["sim", "mill", "uring"] },
    Room { name: "sim", may_use: EVERYTHING },
    Room { name: "mill", may_use: &[] },
    Room { name: "acceptance", may_use: PLANES_MEET },
    Room { name: "plant", may_use: &["acceptance"] },
];

/// The crates without a clock, socket, file, thread or chance, and their folders.
pub const PURE: &[(&str, &str)] = &[
    ("units", "rating/units"),
    ("snapshot", "rating/snapshot"),
    ("cdr", "rating/cdr"),
    ("rating", "rating"),
    ("panel", "tuning/panel"),
    ("sip", "dataplane/sip"),
    ("sdp", "dataplane/sdp"),
    ("media", "dataplane/media"),
    ("tape", "dataplane/tape"),
    ("balance", "dataplane/balance"),
    ("call", "dataplane/call"),
    ("shard", "dataplane/shard"),
    ("cluster", "controlplane/cluster"),
    ("ledger", "controlplane/ledger"),
];

/// Crates of others that a pure crate may use: they work without `std`; the generators draw from a seed that they are given.
const PURE_OUTSIDERS: &[&str] = &[
    "hashbrown",
    "memchr",
    "serde",
    "serde_json",
    "rand_chacha",
    "rand_core",
    "md-5",
    "sha1",
    "sha2",
    "aes",
    "aes-gcm",
    "ctr",
    "hmac",
    "base64ct",
    "regex",
    "utoipa",
];

/// Crates of others that are confined to the rooms that know what they are for.
const CONFINED: &[(&str, &[&str], &str)] = &[
    ("sqlx", &["store", "tandem-keeper"], "only `store` knows SQL"),
    ("axum", &["web"], "only `web` knows HTTP"),
    ("tower-http", &["web"], "only `web` knows HTTP"),
    ("utoipa", &["web", "snapshot"], "only `web` knows HTTP, and a policy describes itself to it (feature `schema`)"),
    ("io-uring", &["uring", "benches"], "only `uring` talks to the ring"),
    (
        "rsip",
        &["sip", "web", "sim", "tandem-loadtest", "benches", "acceptance"],
        "rsip allocates a string a header: an oracle and a decoder, never on the packet path",
    ),
];

/// One line of a dependency table.
struct Edge<'a> {
    to: &'a str,
    line: usize,
    for_tests: bool,
}

/// What the manifest of one package names against the layers.
pub fn check(file: &File) -> Vec<Finding> {
    if !file.path.ends_with("Cargo.toml") {
        return Vec::new();
    }
    let Some(name) = package_name(&file.text) else { return Vec::new() };
    let Some(room) = ROOMS.iter().find(|room| room.name == name) else {
        return vec![Finding::at(file, 1, format!("package `{name}` has no row in tidy's table of layers"))];
    };
    edges(&file.text)
        .iter()
        .filter_map(|edge| against(room, edge).map(|says| Finding::at(file, edge.line, says)))
        .collect()
}

/// The manifests that may name the feature of deliberate mistakes: where it is, and who proves that each would be noticed.
const MUTANTS_HOMES: &[&str] =
    &["rating/units/Cargo.toml", "loadtest/sim/Cargo.toml", "controlplane/cluster/Cargo.toml"];

/// The feature `mutants` asked for by a package that could carry calls, or by default.
pub fn mutants(file: &File) -> Vec<Finding> {
    if !file.path.ends_with("Cargo.toml") {
        return Vec::new();
    }
    let home = MUTANTS_HOMES.contains(&file.path.as_str());
    let lines = file.text.lines().enumerate();
    let hits =
        lines.filter(|(_, line)| line.contains("mutants") && (!home || line.trim_start().starts_with("default")));
    hits.map(|(index, _)| {
        Finding::at(file, index + 1, "deliberate mistakes belong into the simulator's own test only".into())
    })
    .collect()
}

fn against(room: &Room, edge: &Edge) -> Option<String> {
    let (name, to) = (room.name, edge.to);
    if ROOMS.iter().any(|other| other.name == to) {
        return (!room.may_use.contains(&to)).then(|| format!("`{name}` may not lean on `{to}`"));
    }
    if let Some((_, rooms, why)) = CONFINED.iter().find(|(outsider, ..)| *outsider == to)
        && !rooms.contains(&name)
    {
        return Some(format!("`{name}` may not use `{to}`: {why}"));
    }
    let pure = PURE.iter().any(|(pure, _)| *pure == name);
    let tainted = pure && !edge.for_tests && !PURE_OUTSIDERS.contains(&to);
    tainted.then(|| format!("pure `{name}` may not use `{to}` outside its tests"))
}

fn package_name(manifest: &str) -> Option<&str> {
    let after = manifest.split_once("[package]")?.1;
    let line = after.lines().find(|line| line.trim_start().starts_with("name"))?;
    line.split('"').nth(1)
}

fn edges(manifest: &str) -> Vec<Edge<'_>> {
    let (mut found, mut table) = (Vec::new(), None);
    for (index, text) in manifest.lines().enumerate() {
        let (text, line) = (text.trim(), index + 1);
        if let Some(header) = text.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            let for_tests = header.contains("dev-dependencies");
            table = header.ends_with("dependencies").then_some(for_tests);
            if let Some((_, to)) = header.split_once("dependencies.") {
                found.push(Edge { to, line, for_tests });
            }
        } else if let Some(for_tests) = table
            && !text.is_empty()
            && !text.starts_with('#')
        {
            let to = text.split(['.', '=', ' ']).next().unwrap_or(text);
            found.push(Edge { to, line, for_tests });
        }
    }
    found
}
