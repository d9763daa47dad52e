//! One row a fault, and the page that keeps them.

use std::fmt::Write;
use std::time::Duration;

use crate::story::Story;

/// What one fault did.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// The topology's name.
    pub topology: String,
    /// What was broken.
    pub fault: String,
    /// From then until the last new call that was hindered.
    pub calls_outage: Duration,
    /// The longest time without an acknowledged row since then.
    pub rows_outage: Duration,
    /// Calls that were due.
    pub planned: usize,
    /// Of them, answered.
    pub answered: usize,
    /// Answered calls that ended with their core.
    pub cut: usize,
    /// Records that are missing, and those that are there twice.
    pub records_wrong: usize,
    /// Rows that were acknowledged.
    pub rows: usize,
    /// Of them, gone.
    pub rows_lost: usize,
    /// What went beyond its bound or does not agree, in sentences.
    pub flaws: Vec<String>,
}

const HEAD: [&str; 10] = [
    "Topology",
    "What breaks",
    "New calls hindered for s",
    "No row acknowledged for s",
    "Calls planned",
    "answered",
    "cut",
    "Records lost or doubled",
    "Rows acknowledged, lost",
    "Books",
];

impl Row {
    fn cells(&self) -> [String; 10] {
        let seconds = |span: Duration| format!("{:.2}", span.as_secs_f64());
        [
            self.topology.clone(),
            self.fault.clone(),
            seconds(self.calls_outage),
            seconds(self.rows_outage),
            self.planned.to_string(),
            self.answered.to_string(),
            self.cut.to_string(),
            self.records_wrong.to_string(),
            format!("{}, {}", self.rows, self.rows_lost),
            if self.flaws.is_empty() { "exact" } else { "WRONG" }.to_owned(),
        ]
    }
}

/// The rows as a table in Markdown, which a terminal shows well too.
pub fn text(rows: &[Row]) -> String {
    let lines: Vec<[String; 10]> =
        std::iter::once(HEAD.map(str::to_owned)).chain(rows.iter().map(Row::cells)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let mut out = Vec::new();
    for line in &lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!(" {cell:width$} "));
        out.push(format!("|{}|\n", cells.collect::<Vec<_>>().join("|")));
    }
    let rule = widths.iter().map(|width| "-".repeat(width + 2));
    out.insert(1, format!("|{}|\n", rule.collect::<Vec<_>>().join("|")));
    out.concat()
}

/// The page that keeps them.
pub fn page(stories: &[Story], rows: &[Row]) -> String {
    let mut out = String::from(BEFORE);
    for story in stories {
        let _ = writeln!(out, "| {} | `{}` |", story.name, story.site);
    }
    let _ = write!(out, "{BETWEEN}{}", text(rows));
    let told = |row: &&Row| !row.flaws.is_empty();
    for row in rows.iter().filter(told) {
        let _ = writeln!(out, "\n{}, {}: {}", row.topology, row.fault, row.flaws.join("; "));
    }
    out + AFTER
}

const BEFORE: &str = "# Topologies while things break

`make topologies` (as root) builds each of these on hosts of its own, which are network namespaces on one bridge, with the programs that a
site has: data planes, control planes, balancers, MariaDB, keepers, etcd. Carriers on one more host place 20 calls a second through it, talk
for one to three seconds, and a fifth of them with media; somebody else writes rows through the database's address. Then something breaks, and
afterwards every call is compared with the switch's records, prices and balances, and every acknowledged row is looked for.

| Topology | Hosts |
|---|---|
";

const BETWEEN: &str = "
*Hindered* is a new call that is not answered within a second of the moment in which it was due; the column says how long after the fault the last
of these was due. *Cut* calls were talking on the core that died: they are billed until its last mark. Databases that are a pair take over
after three seconds (`takeover_s: 3`). Bounds: new calls go on within 3 s of a core's death, take-over within `takeover_s` + 2 s; a run fails when
they are passed by 3 s more, which a busy machine may need. Cores, databases, etcd and the carriers of this table
shared two processor cores:

";

const AFTER: &str = "
Keepers move the addresses: that of the databases, and that of two balancers; where each server has a balancer and a database (`two`), both are
one. Two servers need a third, small one that is a member of etcd.

Behind a `/` stands the other data centre (`centres`): a remote replica, and a core that is off until an operator has promoted it. When the first one
dies, the replica that the other followed has not been heard for some seconds: *hindered* lasts until calls are placed in the other, the
operator included, and each row that is lost is one of the commits of which `tandem cluster promote --remote` says how many are missing. Records
that the promoted database lacks wait in the journal of the first one's core; they come in when that is started again: each once.

In `upgrade` a node is drained, ended, given programs of another version, whose control plane adds to the tables of the database, and started; meanwhile the
control plane of the older version is killed on the other node and started again. In `public` hosts have a public address each, and nothing is broken: what `ss`
lists there, what a connection to each TCP port finds, and what Debian's nmap finds, is SIP, SIP over TLS, media and the pages, and nothing else.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_below_their_heads() {
        let good = Row { topology: "one".into(), rows: 7, ..Row::default() };
        let bad = Row { flaws: vec!["a record is lost".into()], ..Row::default() };
        let table = text(&[good, bad]);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{table}");
        assert!(lines[2].contains("| 7, 0") && lines[2].contains("exact") && lines[3].contains("WRONG"), "{table}");
    }
}
