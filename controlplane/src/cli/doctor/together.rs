//! What a cluster says of itself: whether etcd's members answer, how far the replica is, what keepers find wrong.

use std::path::PathBuf;
use std::time::Duration;

use cluster::{Member, Sight, troubles};
use live::EtcdArguments;

use super::Finding;
use super::node::value;
use crate::alarms::Level;

/// How long one member of etcd may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Where it is told what to do about etcd.
const PAGE: &str = "docs/when-etcd-is-lost.md";

/// Where a program was told that etcd is; `None`: it was not.
pub fn told(words: &[String]) -> Option<EtcdArguments> {
    let file = |option| value(words, option).map(PathBuf::from);
    Some(EtcdArguments {
        etcd: value(words, "--etcd")?.split(',').map(str::to_owned).collect(),
        etcd_login: file("--etcd-login"),
        etcd_ca: file("--etcd-ca"),
        etcd_certificate: file("--etcd-certificate"),
        etcd_key: file("--etcd-key"),
    })
}

/// Asks etcd; nothing where the node's programs know none.
pub async fn findings(etcd: Option<EtcdArguments>) -> Vec<Finding> {
    let Some(etcd) = etcd else { return Vec::new() };
    let asked = tokio::task::spawn_blocking(move || {
        let etcd = match etcd.open(PATIENCE) {
            Ok(Some(etcd)) => etcd,
            Ok(None) => return (Vec::new(), Err("no member is named".to_owned())),
            Err(why) => return (Vec::new(), Err(why.to_string())),
        };
        let members: Vec<Member> = etcd
            .members()
            .into_iter()
            .map(|it| Member { url: it.url, reached: it.reached, leads: it.leads, node: None })
            .collect();
        let sight = etcd.list_all(&cluster::sight::READ).map_err(|why| why.to_string());
        let sight = sight.map(|all| Sight::read(all.iter().map(|entry| (entry.key.as_str(), entry.value.as_slice()))));
        (members, sight)
    });
    match asked.await {
        Ok((members, sight)) => judged(&members, &sight),
        Err(why) => vec![Finding::bad("etcd", Level::Fail, why.to_string(), PAGE)],
    }
}

fn judged(members: &[Member], sight: &Result<Sight, String>) -> Vec<Finding> {
    let mut found = vec![of_members(members, sight.as_ref().err())];
    if let Ok(sight) = sight {
        found.extend(of_database(sight));
        let see = "tandem cluster status says more";
        found.extend(troubles(sight).into_iter().map(|told| Finding::bad("cluster", Level::Warn, told, see)));
    }
    found
}

fn of_members(members: &[Member], why: Option<&String>) -> Finding {
    const CHECK: &str = "etcd";
    let silent: Vec<&str> = members.iter().filter(|member| !member.reached).map(|member| member.url.as_str()).collect();
    let (reached, of) = (members.len() - silent.len(), members.len());
    let leads = members.iter().find(|member| member.leads).map_or("nobody", |member| member.url.as_str());
    let told = format!("{reached} of {of} members answer, {leads} leads");
    match why {
        Some(why) => Finding::bad(CHECK, Level::Fail, format!("{told}: {why}"), PAGE),
        None if reached * 2 <= of => Finding::bad(CHECK, Level::Fail, format!("{told}: no majority"), PAGE),
        None if reached < of => {
            Finding::bad(CHECK, Level::Warn, format!("{told}; silent: {}", silent.join(", ")), PAGE)
        }
        None => Finding::ok(CHECK, told),
    }
}

fn of_database(sight: &Sight) -> Option<Finding> {
    const CHECK: &str = "replica";
    let database = sight.database()?;
    let holder = database.holder.map_or(0, |node| node.0);
    if !database.held {
        let told = format!("nobody takes writes; node {holder} did last");
        return Some(Finding::bad(CHECK, Level::Fail, told, "tandem cluster status says who may take over"));
    }
    let Some(sync) = database.sync else {
        let told = format!("the primary on node {holder} has no replica in sync: nobody could take over");
        return Some(Finding::bad(CHECK, Level::Warn, told, "look at the other node's keeper and database"));
    };
    let behind = sight.keeper(sync).and_then(|keeper| keeper.behind_s);
    let behind = behind.map_or_else(String::new, |seconds| format!(", {seconds} s behind with applying"));
    let left = sight.lag().map_or_else(String::new, |commits| format!(", {commits} commits on their way"));
    Some(Finding::ok(CHECK, format!("node {sync} has every acknowledged commit of node {holder}{left}{behind}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOK: (&str, &str) = ("/tandem/throne/database/book", r#"{"epoch":4,"holder":1,"sync":2,"since":1}"#);
    const HELD: (&str, &str) = ("/tandem/throne/database/holder", "1");
    const REPLICA: (&str, &str) =
        ("/tandem/keeper/2", r#"{"node":2,"role":"replica","process":"running","behind_s":1}"#);

    fn told(reached: [bool; 3], keys: &[(&str, &str)]) -> Vec<(Level, String)> {
        let member = |(at, reached): (usize, bool)| Member {
            url: format!("http://m{at}"),
            reached,
            leads: at == 0 && reached,
            node: None,
        };
        let members: Vec<Member> = reached.into_iter().enumerate().map(member).collect();
        let sight = Sight::read(keys.iter().map(|(key, value)| (*key, value.as_bytes())));
        judged(&members, &Ok(sight)).into_iter().map(|it| (it.state, it.found)).collect()
    }

    #[test]
    fn silent_members_and_a_missing_replica_are_told() {
        let well = told([true; 3], &[BOOK, HELD, REPLICA]);
        let replica = "node 2 has every acknowledged commit of node 1, 1 s behind with applying";
        let ok = |text: &str| (Level::Ok, text.to_owned());
        assert_eq!(well, [ok("3 of 3 members answer, http://m0 leads"), ok(replica)]);
        let one = told([true, true, false], &[]);
        let silent = "2 of 3 members answer, http://m0 leads; silent: http://m2";
        assert_eq!(one, [(Level::Warn, silent.to_owned())]);
        assert_eq!(told([true, false, false], &[])[0].0, Level::Fail, "no majority");
        assert_eq!(told([true; 3], &[BOOK])[1].0, Level::Fail, "nobody holds the database");
        let alone = ("/tandem/throne/database/book", r#"{"epoch":4,"holder":1,"sync":null,"since":1}"#);
        assert_eq!(told([true; 3], &[alone, HELD])[1].0, Level::Warn);
        let dead = ("/tandem/keeper/2", r#"{"node":2,"role":"replica","why":"Aborting"}"#);
        assert_eq!(told([true; 3], &[BOOK, HELD, dead])[2].0, Level::Warn, "what keepers find wrong");
    }

    #[test]
    fn an_etcd_that_refuses_is_a_failure() {
        let found = judged(&[], &Err("etcd refuses: no".to_owned()));
        assert_eq!((found.len(), found[0].state), (1, Level::Fail));
    }

    #[test]
    fn where_etcd_is_stands_on_the_command_line() {
        let words = ["tandem-controlplane", "--etcd=https://a:2379,https://b:2379", "--etcd-ca", "/etc/ca.pem"];
        let words = words.map(str::to_owned);
        let etcd = told_of(&words);
        assert_eq!((etcd.etcd.len(), etcd.etcd_ca), (2, Some(PathBuf::from("/etc/ca.pem"))));
        assert!(super::told(&[]).is_none());
    }

    fn told_of(words: &[String]) -> EtcdArguments {
        super::told(words).expect("etcd is named")
    }
}
