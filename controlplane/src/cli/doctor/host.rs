//! What is so on a node's machine: certificates, and what tandem-tune finds.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Deserialize;

use super::Finding;
use crate::cli::alarms::Level;
use crate::up::beside;

/// How long tandem-tune may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// A certificate that ends within so many days is to be renewed now.
const RENEW_DAYS: u64 = 21;
/// Checks of the host that are shown although nothing is wrong: whoever reads logs of two machines asks for them.
const ALWAYS: [&str; 2] = ["time-sync", "time-offset"];

/// The certificates of the data plane's TLS listeners.
pub fn certificates(words: &[String]) -> Vec<Finding> {
    let options = words.iter().flat_map(|word| word.split(','));
    let mut files: Vec<&str> = options.filter_map(|option| option.strip_prefix("cert=")).collect();
    files.sort_unstable();
    files.dedup();
    files.into_iter().map(certificate).collect()
}

fn certificate(file: &str) -> Finding {
    const CHECK: &str = "certificates";
    if !Path::new(file).is_absolute() || std::fs::File::open(file).is_err() {
        return Finding::bad(
            CHECK,
            Level::Warn,
            format!("{file} cannot be read"),
            "look as root, or as the node's user",
        );
    }
    let ends = |seconds: u64| {
        let mut asked = Command::new("openssl");
        asked.args(["x509", "-noout", "-enddate", "-checkend", &seconds.to_string(), "-in", file]);
        asked.stdin(Stdio::null()).stderr(Stdio::null()).output()
    };
    let renew = "renew it, then SIGHUP to the data plane: certificates are read again";
    match (ends(0), ends(RENEW_DAYS * 86_400)) {
        (Ok(now), Ok(soon)) if !now.stdout.is_empty() => {
            let said = String::from_utf8_lossy(&now.stdout);
            let end = said.lines().find_map(|line| line.strip_prefix("notAfter=")).unwrap_or("?");
            let told = format!("{file} ends {end}");
            match (now.status.success(), soon.status.success()) {
                (false, _) => Finding::bad(CHECK, Level::Fail, told, renew),
                (true, false) => Finding::bad(CHECK, Level::Warn, told, renew),
                (true, true) => Finding::ok(CHECK, told),
            }
        }
        (Err(_), _) => {
            Finding::bad(CHECK, Level::Warn, format!("{file}: no program openssl here to read it"), "install openssl")
        }
        _ => Finding::bad(CHECK, Level::Fail, format!("{file} is no certificate"), renew),
    }
}

/// As tandem-tune reports.
#[derive(Deserialize)]
struct Report {
    checks: Vec<Check>,
}

#[derive(Deserialize)]
struct Check {
    check: String,
    want: String,
    found: String,
    severity: String,
    ok: Option<bool>,
}

/// What tandem-tune finds on this host: what is wrong, the clock, and how much is right.
pub async fn tuning(profile: &str, data: &Path) -> Vec<Finding> {
    let said = match beside("tandem-tune") {
        Ok(program) => {
            let mut command = tokio::process::Command::new(program);
            command.args(["check", "--json", "--profile", profile, "--data"]).arg(data).kill_on_drop(true);
            let said = tokio::time::timeout(PATIENCE, command.stdin(Stdio::null()).output()).await;
            said.ok().and_then(Result::ok).map(|said| said.stdout)
        }
        Err(_) => None,
    };
    judged(said.as_deref().unwrap_or_default(), profile)
}

fn judged(said: &[u8], profile: &str) -> Vec<Finding> {
    let see = format!("tandem tune check --profile {profile}; tandem tune explain says why");
    let Ok(report) = serde_json::from_slice::<Report>(said) else {
        return vec![Finding::bad("host", Level::Warn, "tandem-tune does not answer", see)];
    };
    let mut found = Vec::new();
    for check in &report.checks {
        let unknown = if check.ok.is_none() { "not to be seen here: " } else { "" };
        let told = format!("{}: {unknown}{} (wanted: {})", check.check, check.found, check.want);
        match (check.ok, check.severity.as_str()) {
            (Some(false), "fatal") => found.push(Finding::bad("host", Level::Fail, told, see.clone())),
            (Some(false), "warn") => found.push(Finding::bad("host", Level::Warn, told, see.clone())),
            _ if ALWAYS.contains(&check.check.as_str()) => found.push(Finding::ok("host", told)),
            _ => {}
        }
    }
    let right = report.checks.iter().filter(|check| check.ok == Some(true)).count();
    found.push(Finding::ok("host", format!("{right} of {} checks as a {profile} wants them", report.checks.len())));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_host_is_told_and_its_clock_always() {
        let said = br#"{ "profile": "vm", "checks": [
            { "check": "kernel", "want": "6.1", "found": "5.4", "severity": "fatal", "ok": false, "changes": [] },
            { "check": "swap", "want": "0", "found": "1", "severity": "warn", "ok": false },
            { "check": "time-offset", "want": "5 ms", "found": "1 ms", "severity": "warn", "ok": true },
            { "check": "nic", "want": "x", "found": "n/a", "severity": "warn", "ok": null } ] }"#;
        let told = judged(said, "vm");
        let states: Vec<Level> = told.iter().map(|line| line.state).collect();
        assert_eq!(states, [Level::Fail, Level::Warn, Level::Ok, Level::Ok], "{told:?}");
        assert!(told[0].found.starts_with("kernel: 5.4") && told[3].found.starts_with("1 of 4"), "{told:?}");
        assert_eq!(judged(b"", "vm")[0].state, Level::Warn);
    }

    #[test]
    fn a_certificate_that_is_none_or_cannot_be_read_is_told() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("cert.pem");
        std::fs::write(&file, "no certificate").expect("a file");
        let words = [format!("--listen=tls:127.0.0.1:5061,cert={},key=k", file.display()), "cert=/nowhere".to_owned()];
        let told = certificates(&words);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told.iter().all(|line| line.state != Level::Ok && !line.mend.is_empty()), "{told:?}");
        assert!(certificates(&["--sip".to_owned(), "127.0.0.1:5060".to_owned()]).is_empty());
    }
}
