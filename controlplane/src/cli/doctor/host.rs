//! What is so on a node's machine: certificates, and what tandem-tune finds.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use live::EtcdArguments;
use serde::Deserialize;
use tokio::io::AsyncWriteExt;

use super::Finding;
use crate::alarms::Level;
use crate::up::beside;

/// The name of the check.
const CERTIFICATES: &str = "certificates";
/// How long tandem-tune or openssl may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// A certificate that ends within so many days is to be renewed now.
const RENEW_DAYS: u64 = 21;
/// Checks of the host that are shown although nothing is wrong: whoever reads logs of two machines asks for them.
const ALWAYS: [&str; 2] = ["time-sync", "time-offset"];

/// The certificates of the data plane's TLS listeners, those by which this node knows etcd's members, and those that members show.
pub async fn certificates(words: &[String], etcd: Option<&EtcdArguments>) -> Vec<Finding> {
    let options = words.iter().flat_map(|word| word.split(','));
    let mut files: Vec<&str> = options.filter_map(|option| option.strip_prefix("cert=")).collect();
    files.sort_unstable();
    files.dedup();
    let renew = "renew it, then SIGHUP to the data plane: certificates are read again";
    let mut found = Vec::new();
    for file in files {
        found.push(of_file(Path::new(file), renew).await);
    }
    let Some(etcd) = etcd else { return found };
    let renew = "renew it in its place: it is read again within seconds";
    for file in [&etcd.etcd_ca, &etcd.etcd_certificate].into_iter().flatten() {
        found.push(of_file(file, renew).await);
    }
    for member in etcd.etcd.iter().filter_map(|url| url.strip_prefix("https://")) {
        let at = member.trim_end_matches('/');
        // What it shows to anybody; who shows none is told of by etcd's own line.
        let shown = said(&["s_client", "-connect", at], b"").await;
        if let Some(pem) = shown.filter(|text| String::from_utf8_lossy(text).contains("BEGIN CERTIFICATE")) {
            found.push(
                judge(&format!("etcd {at}"), &pem, "renew the member's certificate: etcd reads it again by itself")
                    .await,
            );
        }
    }
    found
}

async fn of_file(file: &Path, renew: &str) -> Finding {
    let name = file.display().to_string();
    match std::fs::read(file) {
        Ok(pem) if file.is_absolute() => judge(&name, &pem, renew).await,
        _ => Finding::bad(
            CERTIFICATES,
            Level::Warn,
            format!("{name} cannot be read"),
            "look as root, or as the node's user",
        ),
    }
}

/// When the first certificate of a text ends.
async fn judge(name: &str, pem: &[u8], renew: &str) -> Finding {
    let Some(told) = said(&["x509", "-noout", "-enddate"], pem).await else {
        return Finding::bad(
            CERTIFICATES,
            Level::Warn,
            format!("{name}: no program openssl here to read it"),
            "install openssl",
        );
    };
    let told = String::from_utf8_lossy(&told).into_owned();
    let Some(end) = told.lines().find_map(|line| line.strip_prefix("notAfter=")) else {
        return Finding::bad(CERTIFICATES, Level::Fail, format!("{name} is no certificate"), renew);
    };
    let ends_within = async |seconds: u64| {
        let asked = said(&["x509", "-noout", "-checkend", &seconds.to_string()], pem).await;
        asked.is_none_or(|told| !String::from_utf8_lossy(&told).contains("will not expire"))
    };
    let told = format!("{name} ends {end}");
    if ends_within(0).await {
        return Finding::bad(CERTIFICATES, Level::Fail, told, renew);
    }
    if ends_within(RENEW_DAYS * 86_400).await {
        return Finding::bad(CERTIFICATES, Level::Warn, told, renew);
    }
    Finding::ok(CERTIFICATES, told)
}

/// What openssl says to this, whatever its exit code; `None`: there is no such program, or it takes too long.
async fn said(words: &[&str], to: &[u8]) -> Option<Vec<u8>> {
    let mut command = tokio::process::Command::new("openssl");
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().ok()?;
    let mut stdin = child.stdin.take()?;
    let asked = async {
        // It may have ended before it read everything.
        let _ = stdin.write_all(to).await;
        drop(stdin);
        child.wait_with_output().await.ok().map(|out| out.stdout)
    };
    tokio::time::timeout(PATIENCE, asked).await.ok().flatten()
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

    #[tokio::test]
    async fn a_certificate_that_is_none_or_cannot_be_read_is_told() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("cert.pem");
        std::fs::write(&file, "no certificate").expect("a file");
        let words = [format!("--listen=tls:127.0.0.1:5061,cert={},key=k", file.display()), "cert=/nowhere".to_owned()];
        let told = certificates(&words, None).await;
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told.iter().all(|line| line.state != Level::Ok && !line.mend.is_empty()), "{told:?}");
        assert!(certificates(&["--sip".to_owned(), "127.0.0.1:5060".to_owned()], None).await.is_empty());
    }

    #[tokio::test]
    async fn certificates_for_etcd_are_told_with_their_end_in_time() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let make = |name: &str, days: &str| {
            let (file, key) = (folder.path().join(name), folder.path().join("key.pem"));
            let made = std::process::Command::new("openssl")
                .args([
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                    "-nodes",
                    "-subj",
                    "/CN=x",
                ])
                .args(["-days", days, "-keyout"])
                .arg(key)
                .arg("-out")
                .arg(&file)
                .stderr(Stdio::null())
                .status();
            assert!(made.is_ok_and(|made| made.success()), "openssl makes a certificate");
            Some(file)
        };
        let etcd = EtcdArguments {
            etcd: vec!["http://127.0.0.1:1".to_owned()],
            etcd_ca: make("ca.pem", "400"),
            etcd_certificate: make("own.pem", "20"),
            ..EtcdArguments::default()
        };
        let told = certificates(&[], Some(&etcd)).await;
        let states: Vec<Level> = told.iter().map(|line| line.state).collect();
        assert_eq!(states, [Level::Ok, Level::Warn], "{told:?}");
        assert!(told[1].found.contains("own.pem ends "), "{told:?}");
    }
}
