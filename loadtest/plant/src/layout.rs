//! Which hosts a site has and what each is for, read from a line such as `front: balancer; core1: core; core2: core; data: sql`; behind a
//! `/` stand those of a second data centre.

use std::net::Ipv4Addr;
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};

/// What a host is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Carries calls: a data plane and its control plane.
    Core,
    /// Stands before the cores.
    Balancer,
    /// Has a database; two of them are a pair with keepers.
    Sql,
    /// Has a member of etcd.
    State,
    /// Serves operators: a control plane without calls.
    Web,
    /// In the second data centre: follows the pair of the first one.
    Remote,
}

/// One host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name in the site.
    pub name: String,
    /// Its number in the cluster, from 1.
    pub number: u16,
    /// Its data centre: 1, or 2 where there is another.
    pub centre: u8,
    /// What it is for.
    pub roles: Vec<Role>,
}

impl Host {
    /// Its own address.
    pub fn ip(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, 0, 10 + self.number as u8)
    }

    /// Its address on the public network, where the site has one.
    pub fn public(&self) -> Ipv4Addr {
        Ipv4Addr::new(203, 0, 113, 10 + self.number as u8)
    }

    /// It has this role.
    pub fn is(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}

/// All hosts of a site, carriers' not counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout(Vec<Host>);

impl Layout {
    /// The hosts in the order of their numbers.
    pub fn hosts(&self) -> &[Host] {
        &self.0
    }

    /// Those that have a role.
    pub fn with(&self, role: Role) -> impl Iterator<Item = &Host> {
        self.0.iter().filter(move |host| host.is(role))
    }

    /// The same of one data centre.
    pub fn at(&self, centre: u8, role: Role) -> impl Iterator<Item = &Host> {
        self.with(role).filter(move |host| host.centre == centre)
    }

    /// The replica of the second data centre.
    ///
    /// # Panics
    /// When there is none.
    pub fn remote(&self) -> &Host {
        self.with(Role::Remote).next().expect("the site has a second data centre")
    }

    /// The host of this name.
    ///
    /// # Panics
    /// When there is none.
    pub fn host(&self, name: &str) -> &Host {
        self.0.iter().find(|host| host.name == name).unwrap_or_else(|| panic!("the site has a host {name}"))
    }

    /// Two databases, one of them primary.
    pub fn has_pair(&self) -> bool {
        self.with(Role::Sql).count() == 2
    }
}

impl FromStr for Layout {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Layout> {
        let centres =
            text.split('/').zip(1..).flat_map(|(part, centre)| part.split(';').map(move |line| (line, centre)));
        let hosts = centres.zip(1..).map(|((line, centre), number)| host(line, number, centre));
        let layout = Layout(hosts.collect::<Result<Vec<Host>>>()?);
        ensure!(layout.at(1, Role::Core).next().is_some(), "no core would carry calls");
        let (databases, members) = (layout.with(Role::Sql).count(), layout.with(Role::State).count());
        ensure!((1..=2).contains(&databases), "one database or a pair, not {databases}");
        ensure!(databases == 1 || members >= 3, "a pair needs three members of etcd, not {members}");
        layout.check_second()?;
        Ok(layout)
    }
}

impl Layout {
    /// The second data centre decides nothing: it follows the first one's pair, and waits.
    fn check_second(&self) -> Result<()> {
        let centres = self.0.iter().map(|host| host.centre).max().unwrap_or(1);
        ensure!(centres <= 2, "one data centre or two, not {centres}");
        let remotes = self.with(Role::Remote).count();
        ensure!(
            self.at(1, Role::Remote).count() == 0,
            "a remote replica is in another data centre than what it follows"
        );
        ensure!(remotes == usize::from(centres) - 1, "a second data centre has one remote replica, not {remotes}");
        if centres == 2 {
            ensure!(self.has_pair(), "a remote replica follows a pair");
            ensure!(self.at(2, Role::Core).next().is_some(), "no core would carry calls in the second data centre");
            let deciding = [Role::Sql, Role::State].iter().map(|role| self.at(2, *role).count()).sum::<usize>();
            ensure!(deciding == 0, "the second data centre has no part in what the first one decides");
        }
        Ok(())
    }
}

fn host(text: &str, number: u16, centre: u8) -> Result<Host> {
    let (name, roles) = text.split_once(':').with_context(|| format!("'{}' is not NAME: ROLE+ROLE", text.trim()))?;
    let roles = roles.split('+').map(|word| role(word.trim())).collect::<Result<Vec<Role>>>()?;
    Ok(Host { name: name.trim().to_owned(), number, centre, roles })
}

fn role(word: &str) -> Result<Role> {
    Ok(match word {
        "core" => Role::Core,
        "balancer" => Role::Balancer,
        "sql" => Role::Sql,
        "state" => Role::State,
        "web" => Role::Web,
        "remote" => Role::Remote,
        _ => bail!("there is no role '{word}': core, balancer, sql, state, web, remote"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Layout> {
        text.parse()
    }

    #[test]
    fn a_line_becomes_hosts() {
        let layout = read("front: balancer; core1: core; data: sql+web").expect("a sound line");
        assert_eq!(layout.host("data").roles, [Role::Sql, Role::Web]);
        assert_eq!(layout.host("core1").ip(), Ipv4Addr::new(10, 77, 0, 12));
        assert!(!layout.has_pair());
    }

    #[test]
    fn a_second_data_centre_stands_behind_a_stroke() {
        let layout = read("a: sql+state; b: sql+state; c: core+state / far: remote; d: core").expect("a sound line");
        let places: Vec<(u16, u8)> = layout.hosts().iter().map(|host| (host.number, host.centre)).collect();
        assert_eq!(places, [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2)]);
        assert_eq!(layout.remote().name, "far");
        assert_eq!(layout.at(2, Role::Core).map(|host| host.name.as_str()).collect::<Vec<_>>(), ["d"]);
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let flaws = [
            ("data: sql", "no core"),
            ("one: core", "not 0"),
            ("one: core+sql; two: core+sql+state", "three members"),
            ("one: core+oracle", "no role 'oracle'"),
            ("one", "NAME: ROLE"),
            ("one: core+sql / far: core", "one remote replica, not 0"),
            ("one: core+sql+remote", "another data centre"),
            ("one: core+sql / far: core+remote", "follows a pair"),
            ("a: sql+state; b: sql+state; c: core+state / far: remote", "in the second data centre"),
            ("a: sql+state; b: sql; c: core+state / far: remote+core+state", "no part"),
        ];
        for (text, says) in flaws {
            let flaw = read(text).expect_err(text).to_string();
            assert!(flaw.contains(says), "{text}: {flaw}");
        }
    }
}
