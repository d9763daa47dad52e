//! What an operator mistypes is refused when the settings file is written, not met by a keeper.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use std::process::Command;

/// What `tandem cluster init` says of these words beside a pair that works; empty if it writes the file.
fn said(words: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tandem-cluster"));
    command.args(["init", "--settings"]).arg(folder.path().join("keeper.yaml")).args(words);
    let out = command.output().unwrap();
    if out.status.success() { String::new() } else { String::from_utf8(out.stderr).unwrap() }
}

#[test]
fn addresses_names_and_times_are_looked_at() {
    let etcd = "--etcd=http://10.0.0.1:2379";
    let (one, two) = ("--database=1=10.0.0.1", "--database=2=10.0.0.2");
    let pair = |more: &str| said(&[etcd, one, two, more]);
    for works in
        ["--address=10.0.0.100/24@eth0", "--takeover=3", "--takeover=600", "--shared=sip=10.0.0.101/24@eth0:1,2"]
    {
        assert_eq!(pair(works), "", "{works}");
    }
    for (words, why) in [
        (vec![etcd, one, "--database=2=10.0.0.1"], "two nodes one address"),
        (vec![etcd, one, "--database=1=10.0.0.2"], "names node 1 twice"),
        (vec!["--etcd=10.0.0.1:2379", one, two], "10.0.0.1:2379 is no address such as"),
        (vec![etcd, one, two, "--address=10.0.0.2/24@eth0"], "a node's own"),
        (vec![etcd, one, two, "--address=10.0.0.100/33@eth0"], "prefix is 1 to 32"),
        (vec![etcd, one, two, "--shared=sip=10.0.0.2/24@eth0:1,2"], "is a database's address"),
        (vec![etcd, one, two, "--takeover=2"], "3 to 600 seconds"),
    ] {
        let refused = said(&words);
        assert!(refused.contains(why), "{words:?}: {refused:?}");
    }
}
