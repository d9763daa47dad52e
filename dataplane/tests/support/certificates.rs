//! Certificates as operators make them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A certificate and its key: an authority's, or with an authority's name one for 127.0.0.1 that it vouches for.
pub fn certificate(folder: &Path, name: &str, authority: Option<&str>) -> (PathBuf, PathBuf) {
    let file = |name: &str, kind: &str| folder.join(format!("{name}.{kind}"));
    let (cert, key) = (file(name, "crt"), file(name, "key"));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
    openssl.args(["-subj", &format!("/CN={name}"), "-keyout"]).arg(&key).arg("-out").arg(&cert);
    if let Some(authority) = authority {
        openssl.arg("-CA").arg(file(authority, "crt")).arg("-CAkey").arg(file(authority, "key"));
        openssl.args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]);
    }
    assert!(openssl.stderr(Stdio::null()).status().expect("openssl is installed").success());
    (cert, key)
}
