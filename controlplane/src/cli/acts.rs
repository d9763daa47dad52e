//! What is written down of acts on calls that reach files or the data plane without the API: the same words, and who did it on this host.

use anyhow::{Context, Result};
use rustix::process::getuid;
use store::AuditEntry;
use units::CallId;

use super::Place;

/// Where the host's users stand.
const USERS: &str = "/etc/passwd";

/// Writes an act down before it is done. Whoever can be heard has a right to know who listened: no entry, no act.
pub async fn note(place: &Place, action: &str, call: CallId) -> Result<()> {
    let store = place.store().await.context("nothing is done that cannot be written down")?;
    let entry = AuditEntry {
        actor: format!("cli:{}", user()),
        action: action.to_owned(),
        object: call.to_string(),
        address: "cli".to_owned(),
        ..AuditEntry::default()
    };
    store.audit(&entry).await.context("nothing is done that cannot be written down")
}

/// The user of this host that runs this program; behind `sudo` the one who called it, too.
fn user() -> String {
    let uid = getuid().as_raw();
    let users = std::fs::read_to_string(USERS).unwrap_or_default();
    let name = named(&users, uid).map_or_else(|| uid.to_string(), str::to_owned);
    match std::env::var("SUDO_USER") {
        Ok(caller) if uid == 0 => format!("{name} for {caller}"),
        _ => name,
    }
}

/// The name of a user number in the host's table: `name:password:number:…`.
fn named(users: &str, uid: u32) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{cdr, recordings};
    use crate::folder::Folder;

    const CALL: &str = "00010000000100000000000000070000";

    #[tokio::test]
    async fn who_listens_opens_or_removes_by_the_command_line_is_written_down_before() {
        let data = tempfile::tempdir().expect("a temporary folder");
        let folder = Folder::open(data.path()).expect("a data folder");
        std::fs::create_dir_all(data.path().join("captures")).expect("a folder");
        std::fs::create_dir_all(folder.recordings()).expect("a folder");
        std::fs::write(data.path().join("captures").join(format!("{CALL}.pcapng")), "packets").expect("a file");
        std::fs::write(folder.recordings().join(format!("{CALL}.wav")), "sound").expect("a file");
        let place = Place { data: Some(data.path().to_owned()), database: None, changes: false };
        let out = |name: &str| Some(data.path().join(name));
        place.store_or_new().await.expect("a database");
        let (call, place_) = (CALL.to_owned(), place.clone());
        let get = recordings::Verb::Get { call: call.clone(), out: out("heard.wav"), place: place.clone() };
        recordings::run(get).await.expect("it is fetched");
        cdr::run(cdr::Verb::Pcap { call: call.clone(), out: out("seen"), place: place.clone() }).await.expect("opened");
        recordings::run(recordings::Verb::Rm { call, place }).await.expect("it is removed");
        assert_eq!(std::fs::read_to_string(data.path().join("heard.wav")).expect("the file"), "sound");
        let acts = place_.store().await.expect("the database").audit_entries(None, Some(CALL), 9).await.expect("acts");
        let told: Vec<&str> = acts.iter().rev().map(|act| act.action.as_str()).collect();
        assert_eq!(told, ["listen", "open_capture", "remove_recording"]);
        assert!(acts.iter().all(|act| act.actor.len() > "cli:".len() && act.address == "cli"), "{acts:?}");
    }

    #[tokio::test]
    async fn without_a_database_nothing_is_listened_to() {
        let data = tempfile::tempdir().expect("a temporary folder");
        let folder = Folder::open(data.path()).expect("a data folder");
        std::fs::create_dir_all(folder.recordings()).expect("a folder");
        std::fs::write(folder.recordings().join(format!("{CALL}.wav")), "sound").expect("a file");
        let nowhere = Some(format!("sqlite:{}/none/none.db", data.path().display()));
        let place = Place { data: Some(data.path().to_owned()), database: nowhere, changes: false };
        let out = data.path().join("heard.wav");
        let get = recordings::Verb::Get { call: CALL.to_owned(), out: Some(out.clone()), place };
        assert!(recordings::run(get).await.is_err() && !out.exists());
    }

    #[test]
    fn a_user_has_the_name_that_the_host_gives_it() {
        let users = "root:x:0:0:root:/root:/bin/sh\nanna:x:1000:1000::/anna:/bin/sh\n";
        assert_eq!([named(users, 0), named(users, 1_000), named(users, 10)], [Some("root"), Some("anna"), None]);
    }
}
