//! Which certificates of signers are fetched and believed: OpenSSL makes them, a server of a few lines has them.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "support/https.rs"]
mod https;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use https::Https;
use panel::wire::{Certificate, CertificateKey};
use tandem_controlplane::certificates::{Authorities, Certificates, StirOptions, Unfit};
use tokio::sync::mpsc;

/// TNAuthList with the code 709J of its owner (RFC 8226 §9), and one that names a number alone.
const SPC: &str = "1.3.6.1.5.5.7.1.26=DER:30:08:a0:06:16:04:37:30:39:4a";
const NUMBER: &str = "1.3.6.1.5.5.7.1.26=DER:30:08:a2:06:16:04:31:32:33:34";
const P256: [&str; 4] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

fn openssl(folder: &Path, words: &[&str]) {
    let mut command = Command::new("openssl");
    let command = command.args(words).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(command.status().expect("openssl is installed").success(), "{words:?}");
}

fn authority(folder: &Path, name: &str) {
    let named = ["-subj", &format!("/CN={name}"), "-keyout", &format!("{name}.key"), "-out", &format!("{name}.crt")];
    openssl(folder, &[&["req", "-x509", "-nodes", "-days", "2"], &P256[..], &named].concat());
}

/// A certificate by another one, with these extensions.
fn by(folder: &Path, name: &str, issuer: &str, (kind, days): (&[&str], &str), extensions: &str) {
    let [key, request, certificate, file] = ["key", "csr", "crt", "ext"].map(|kind| format!("{name}.{kind}"));
    std::fs::write(folder.join(&file), extensions).unwrap();
    let named = ["-subj", &format!("/CN={name}"), "-keyout", &key, "-out", &request];
    openssl(folder, &[&["req", "-nodes"], kind, &named].concat());
    let (by, with) = (format!("{issuer}.crt"), format!("{issuer}.key"));
    let signed = ["x509", "-req", "-days", days, "-in", &request, "-CA", &by, "-CAkey", &with, "-CAcreateserial"];
    openssl(folder, &[&signed[..], &["-extfile", &file, "-out", &certificate]].concat());
}

fn pem(folder: &Path, names: &[&str]) -> Vec<u8> {
    names.iter().flat_map(|name| std::fs::read(folder.join(format!("{name}.crt"))).unwrap()).collect()
}

#[test]
fn a_signer_is_believed_for_his_chain_his_time_his_key_and_his_authority() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    authority(at, "root");
    authority(at, "nobody");
    by(at, "between", "root", (&P256, "2"), "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n");
    by(at, "direct", "root", (&P256, "2"), SPC);
    by(at, "chained", "between", (&P256, "1"), SPC);
    by(at, "stranger", "nobody", (&P256, "2"), SPC);
    by(at, "plain", "root", (&P256, "2"), "basicConstraints=CA:FALSE\n");
    by(at, "numbered", "root", (&P256, "2"), NUMBER);
    by(at, "rsa", "root", (&["-newkey", "rsa:2048"], "2"), SPC);
    by(at, "other", "root", (&["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"], "2"), SPC);
    let authorities = Authorities::read(&pem(at, &["root"])).unwrap();
    let now = SystemTime::now();
    let day = Duration::from_secs(86_400);
    let rows = [
        (vec!["direct"], now, ""),
        (vec!["chained", "between"], now, ""),
        (vec!["chained"], now, "UnknownIssuer"),
        (vec!["stranger", "nobody"], now, "UnknownIssuer"),
        (vec!["direct"], now + 3 * day, "CertExpired"),
        (vec!["direct"], now - day, "CertNotValidYet"),
        (vec!["plain"], now, "TNAuthList"),
        (vec!["numbered"], now, "TNAuthList"),
        (vec!["rsa"], now, "P-256"),
        (vec!["other"], now, "P-256"),
        (vec![], now, "no certificate"),
    ];
    for (names, when, why) in rows {
        match authorities.believe(&pem(at, &names), when) {
            Ok(leaf) => {
                assert_eq!(why, "", "{names:?}");
                assert!(leaf.point.len() == 130 && leaf.point.starts_with("04"), "{leaf:?}");
                let days = if names.len() > 1 { 1 } else { 2 };
                let left = leaf.until.duration_since(now).unwrap();
                assert!(left <= days * day && left > days * day - Duration::from_secs(3_600), "{left:?}");
            }
            Err(Unfit::Refused(said)) => assert!(!why.is_empty() && said.contains(why), "{names:?}: {said}"),
            Err(other) => panic!("{names:?}: {other:?}"),
        }
    }
    assert!(Authorities::read(b"nothing").is_err());
    let garbled = [b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec(), vec![0xff; 99]].concat();
    assert!(matches!(authorities.believe(&garbled, now), Err(Unfit::Refused(_))));
}

/// A server that has a certificate, one that is too long, a redirection, and nothing else.
fn serve(good: Vec<u8>) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut bytes = [0; 4_096];
            let length = stream.read(&mut bytes).unwrap_or(0);
            let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
            count.fetch_add(1, Ordering::SeqCst);
            let (head, body) = match text.split_whitespace().nth(1) {
                Some("/good") => ("200 OK\r\ncache-control: public, max-age=120".to_owned(), good.clone()),
                Some("/long") => ("200 OK".to_owned(), [good.clone(), vec![b'\n'; 70_000]].concat()),
                Some("/elsewhere") => (format!("302 Found\r\nlocation: http://127.0.0.1:{port}/good"), Vec::new()),
                _ => ("404 Not Found".to_owned(), Vec::new()),
            };
            let head = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(&[head.as_bytes(), &body].concat());
        }
    });
    (port, asked)
}

async fn told(certificates: &Certificates, x5u: String) -> Certificate {
    let (tell, mut heard) = mpsc::channel(1);
    certificates.fetch(x5u, tell);
    heard.recv().await.unwrap()
}

#[tokio::test]
async fn certificates_come_from_where_they_may_and_are_remembered() {
    let folder = tempfile::tempdir().unwrap();
    authority(folder.path(), "root");
    by(folder.path(), "direct", "root", (&P256, "2"), SPC);
    let (port, asked) = serve(pem(folder.path(), &["direct"]));
    let roots = Some(folder.path().join("root.crt"));
    let of = |stir_roots: Option<PathBuf>, from: &[&str]| {
        let stir_from = from.iter().map(ToString::to_string).collect();
        Certificates::of(&StirOptions { stir_roots, stir_from, stir_https_ca: None })
    };
    let from_here = of(roots.clone(), &["127.0.0.0/8"]).unwrap();
    let at = |path: &str| format!("http://127.0.0.1:{port}/{path}");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros() as i64;
    let good = told(&from_here, at("good")).await;
    assert!(matches!(good.key, CertificateKey::Good { .. }), "{good:?}");
    let lasts_s = (good.until - now) / 1_000_000;
    assert!((60..=180).contains(&lasts_s), "max-age holds: {lasts_s}");
    assert_eq!(told(&from_here, at("good")).await, good);
    assert_eq!(asked.load(Ordering::SeqCst), 1, "it was remembered");
    let (again, (tell, mut heard)) = (of(roots.clone(), &["127.0.0.0/8"]).unwrap(), mpsc::channel(8));
    (0..8).for_each(|_| again.fetch(at("good"), tell.clone()));
    drop(tell);
    assert!(matches!(heard.recv().await.unwrap().key, CertificateKey::Good { .. }));
    assert_eq!(
        (heard.recv().await, asked.load(Ordering::SeqCst)),
        (None, 2),
        "eight shards ask, and it is fetched once"
    );
    for path in ["long", "elsewhere", "nowhere"] {
        assert_eq!(told(&from_here, at(path)).await.key, CertificateKey::Unreachable, "{path}");
    }
    let before = asked.load(Ordering::SeqCst);
    for x5u in ["ftp://127.0.0.1/good".to_owned(), "https:///good".to_owned(), format!("https://127.0.0.1:{port}/good")]
    {
        assert_eq!(told(&from_here, x5u.clone()).await.key, CertificateKey::Unreachable, "{x5u}");
    }
    let strict = of(roots.clone(), &[]).unwrap();
    for x5u in [at("good"), format!("https://localhost:{port}/good"), format!("http://localhost:{port}/good")] {
        assert_eq!(told(&strict, x5u.clone()).await.key, CertificateKey::Unreachable, "{x5u}");
    }
    let elsewhere = of(roots, &["10.0.0.0/8"]).unwrap();
    assert_eq!(told(&elsewhere, at("good")).await.key, CertificateKey::Unreachable);
    let without = of(None, &["127.0.0.0/8"]).unwrap();
    assert_eq!(told(&without, at("good")).await.key, CertificateKey::Unreachable, "nobody is believed");
    assert!(asked.load(Ordering::SeqCst) <= before + 1, "none of these was asked, but for a handshake that was none");
    assert!(of(Some(folder.path().join("nothing")), &[]).is_err() && of(None, &["10.0.0.1/8"]).is_err());
}

#[tokio::test]
async fn too_many_at_once_are_told_so_and_may_ask_again() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let at = |place: u8| format!("http://127.0.0.1:{port}/{place}");
    let stir_from = vec!["127.0.0.0/8".to_owned()];
    let certificates = Certificates::of(&StirOptions { stir_from, ..StirOptions::default() }).unwrap();
    let (tell, mut heard) = mpsc::channel(8);
    (0..4).for_each(|place| certificates.fetch(at(place), tell.clone()));
    let refused = Certificate { x5u: at(4), key: CertificateKey::Unreachable, until: 0 };
    assert_eq!(told(&certificates, at(4)).await, refused, "its server has as much to do as it may have");
    drop(silent);
    for _ in 0..4 {
        assert!(heard.recv().await.unwrap().until > 0, "these were asked for");
    }
    assert!(told(&certificates, at(4)).await.until > 0, "and so is this");
}

#[tokio::test]
async fn certificates_come_by_https_from_servers_whose_authority_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    ["root", "own", "nobody"].iter().for_each(|name| authority(at, name));
    by(at, "direct", "root", (&P256, "2"), SPC);
    by(at, "server", "own", (&P256, "2"), "subjectAltName=IP:127.0.0.1\n");
    by(at, "misnamed", "own", (&P256, "2"), "subjectAltName=IP:127.0.0.2\n");
    let serve = |name: &str| Https::serve(at, Ipv4Addr::LOCALHOST, name);
    let (server, misnamed) = (serve("server"), serve("misnamed"));
    let of = |from: &str, ca: Option<&str>| {
        let file = |name: &str| Some(at.join(name));
        let (stir_roots, stir_https_ca) = (file("root.crt"), ca.and_then(file));
        Certificates::of(&StirOptions { stir_roots, stir_from: vec![from.to_owned()], stir_https_ca })
    };
    let good = told(&of("127.0.0.0/8", Some("own.crt")).unwrap(), server.url("direct.crt")).await;
    assert!(matches!(good.key, CertificateKey::Good { .. }), "{good:?}");
    let rows = [
        ("another authority", "127.0.0.0/8", Some("nobody.crt"), &server),
        ("the web's authorities", "127.0.0.0/8", None, &server),
        ("another address", "127.0.0.0/8", Some("own.crt"), &misnamed),
        ("another network", "10.0.0.0/8", Some("own.crt"), &server),
    ];
    for (what, from, ca, server) in rows {
        let none = told(&of(from, ca).unwrap(), server.url("direct.crt")).await;
        assert_eq!(none.key, CertificateKey::Unreachable, "{what}");
    }
    let refused = told(&of("127.0.0.0/8", Some("own.crt")).unwrap(), server.url("server.crt")).await;
    assert_eq!(refused.key, CertificateKey::Refused, "who serves it does not vouch for it");
    assert!(of("127.0.0.0/8", Some("server.key")).is_err() && of("127.0.0.0/8", Some("nothing")).is_err());
}
