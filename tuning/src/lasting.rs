//! Files that make applied values come again with the next start.

use std::collections::BTreeMap;

use crate::change::{Change, Target};
use crate::ethtool;
use crate::host::Host;
use crate::journal::Touched;

/// The name under which these files stand in the journal.
pub const CHECK: &str = "persist";
/// The service that sets network cards.
pub const UNIT: &str = "tandem-cards.service";
const SYSCTL: &str = "etc/sysctl.d/60-tandem.conf";
const TMPFILES: &str = "etc/tmpfiles.d/60-tandem.conf";

/// The file of [`UNIT`].
pub fn unit() -> Target {
    Target::File(format!("etc/systemd/system/{UNIT}"))
}

/// The files for what was touched; none for a kind of which nothing was. Interrupts change their numbers with each start and are left out.
pub fn files(host: &Host, touched: &BTreeMap<Target, Touched>) -> Vec<Change> {
    let (mut sysctl, mut tmpfiles, mut cards) = (String::new(), String::new(), String::new());
    for (target, touched) in touched {
        let Some(Some(value)) = touched.ours.last() else { continue };
        match target {
            Target::Kernel(path) => match path.strip_prefix("proc/sys/") {
                Some(name) => sysctl.push_str(&format!("{} = {value}\n", key(name))),
                None if path.starts_with("sys/") => tmpfiles.push_str(&format!("w /{path} - - - - {value}\n")),
                None => {}
            },
            Target::Nic { nic, part, name } => {
                let words = ethtool::words(nic, *part, name, value).join(" ");
                cards.push_str(&format!("ExecStart=-/usr/sbin/ethtool {words}\n"));
            }
            Target::File(_) => {}
        }
    }
    if !cards.is_empty() {
        cards = format!(
            "[Unit]\nDescription=Network cards as a switch wants them\nAfter=network-pre.target\n\n\
             [Service]\nType=oneshot\n{cards}\n[Install]\nWantedBy=multi-user.target\n"
        );
    }
    let unit = format!("etc/systemd/system/{UNIT}");
    let all = [(SYSCTL, sysctl), (TMPFILES, tmpfiles), (unit.as_str(), cards)];
    let written = all.iter().filter(|(_, text)| !text.is_empty()).map(|(path, text)| Change::file(host, path, text));
    written.filter(|change| change.before.as_ref() != Some(&change.after)).collect()
}

/// A name as sysctl.d(5) has it: with dots, unless a part of it has dots itself.
fn key(name: &str) -> String {
    if name.contains('.') { name.to_owned() } else { name.replace('/', ".") }
}
