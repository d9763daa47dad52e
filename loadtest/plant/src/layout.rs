//! Which hosts a site has and what each is for, read from a line such as `front: balancer; core1: core; core2: core; data: sql`.

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
}

/// One host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name in the site.
    pub name: String,
    /// Its number in the cluster, from 1.
    pub number: u16,
    /// What it is for.
    pub roles: Vec<Role>,
}

impl Host {
    /// Its own address.
    pub fn ip(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, 0, 10 + self.number as u8)
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
        let hosts = text.split(';').zip(1..).map(|(part, number)| host(part, number)).collect::<Result<Vec<Host>>>()?;
        let layout = Layout(hosts);
        ensure!(layout.with(Role::Core).next().is_some(), "no core would carry calls");
        let (databases, members) = (layout.with(Role::Sql).count(), layout.with(Role::State).count());
        ensure!((1..=2).contains(&databases), "one database or a pair, not {databases}");
        ensure!(databases == 1 || members >= 3, "a pair needs three members of etcd, not {members}");
        Ok(layout)
    }
}

fn host(text: &str, number: u16) -> Result<Host> {
    let (name, roles) = text.split_once(':').with_context(|| format!("'{}' is not NAME: ROLE+ROLE", text.trim()))?;
    let roles = roles.split('+').map(|word| role(word.trim())).collect::<Result<Vec<Role>>>()?;
    Ok(Host { name: name.trim().to_owned(), number, roles })
}

fn role(word: &str) -> Result<Role> {
    Ok(match word {
        "core" => Role::Core,
        "balancer" => Role::Balancer,
        "sql" => Role::Sql,
        "state" => Role::State,
        "web" => Role::Web,
        _ => bail!("there is no role '{word}': core, balancer, sql, state, web"),
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
    fn what_cannot_work_is_refused() {
        let flaws = [
            ("data: sql", "no core"),
            ("one: core", "not 0"),
            ("one: core+sql; two: core+sql+state", "three members"),
            ("one: core+oracle", "no role 'oracle'"),
            ("one", "NAME: ROLE"),
        ];
        for (text, says) in flaws {
            let flaw = read(text).expect_err(text).to_string();
            assert!(flaw.contains(says), "{text}: {flaw}");
        }
    }
}
