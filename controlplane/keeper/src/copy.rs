//! A fresh copy of the primary's database, for one that has commits of its own: `mariadb-backup` there, a stream, `mbstream` here.
//!
//! Who asks proves that it knows the keepers' password by an HMAC over a number drawn for it. The stream itself is not encrypted: the
//! databases' replication is not either, and both belong on a network of the cluster's own.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Context, Result, bail, ensure};
use base64ct::{Base64, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::agent::write_secret;
use crate::settings::Pair;

/// Silence of the other side after which a copy is given up.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// Bytes of a question at most.
const LINE_MAX: u64 = 128;
/// Between two looks of the copying program into the primary's redo log. While it waits for the last look the primary commits nothing: with
/// its own second between two looks writes would stop for as long.
const LOOK_MS: u32 = 20;
/// In a copied folder: the position that it was copied at.
const COPIED: &str = "copied";

/// Hands copies of the local database to whoever knows the password, one at a time.
pub fn serve(settings: &Arc<Pair>) -> Result<()> {
    let database = &settings.database;
    let own = SocketAddr::new(settings.ip(), database.copy_port);
    let listener = TcpListener::bind(own).with_context(|| format!("cannot listen on {own} for who wants a copy"))?;
    let settings = settings.clone();
    let run = move || {
        for stream in listener.incoming().flatten() {
            if let Err(error) = hand_out(&settings, stream) {
                tracing::warn!(error = format!("{error:#}"), "a copy was not handed out");
            }
        }
    };
    thread::Builder::new().name("copies".to_owned()).spawn(run)?;
    Ok(())
}

fn proof(password: &str, number: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(password.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(number.as_bytes());
    Base64::encode_string(&mac.finalize().into_bytes())
}

fn hand_out(settings: &Pair, mut stream: TcpStream) -> Result<()> {
    let database = &settings.database;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    stream.set_write_timeout(Some(SILENCE_MAX))?;
    let number = format!("{:016x}{:016x}", rand::random::<u64>(), rand::random::<u64>());
    writeln!(stream, "{number}")?;
    let said = Base64::decode_vec(&line(&stream)?).map_err(|_| anyhow::anyhow!("a proof that is none"))?;
    let mut mac = Hmac::<Sha256>::new_from_slice(database.password.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(number.as_bytes());
    ensure!(mac.verify_slice(&said).is_ok(), "who asked does not know the keepers' password");
    let login = database.data.join("copy.cnf");
    let text = format!("[mariadb-backup]\nuser={}\npassword={}\n", crate::server::USER, database.password);
    write_secret(&login, &text)?;
    let work = tempdir(&database.data, "sent")?;
    let mut backup = Command::new("mariadb-backup")
        .arg(format!("--defaults-file={}", login.display()))
        .args(["--backup", "--stream=mbstream"])
        .arg(format!("--log-copy-interval={LOOK_MS}"))
        .arg(format!("--target-dir={}", work.display()))
        .arg(format!("--datadir={}", database.data.display()))
        .arg(format!("--socket={}", database.data.join("socket").display()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("mariadb-backup cannot be run: is it installed?")?;
    let mut out = backup.stdout.take().context("stdout is a pipe")?;
    let sent = io::copy(&mut out, &mut stream);
    if sent.is_err() {
        // It has nobody to write for.
        let _ = backup.kill();
    }
    let ended = backup.wait()?;
    tracing::info!(bytes = sent?, "a copy was handed out");
    ensure!(ended.success(), "mariadb-backup: {ended}");
    Ok(())
}

/// One line of at most [`LINE_MAX`] bytes.
fn line(stream: &TcpStream) -> Result<String> {
    let mut line = String::new();
    BufReader::with_capacity(1, stream.take(LINE_MAX)).read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

/// A folder beside the database's, empty.
fn tempdir(data: &Path, what: &str) -> Result<PathBuf> {
    let path = data.with_extension(what);
    if path.exists() {
        fs::remove_dir_all(&path)?;
    }
    fs::create_dir_all(&path)?;
    Ok(path)
}

/// Puts a copy of the database at that address in the place of the local one, which is kept beside it as `….old`. The local server must
/// be dead.
pub fn fetch(settings: &Pair, from: IpAddr) -> Result<()> {
    let database = &settings.database;
    let fresh = tempdir(&database.data, "new")?;
    let mut stream = TcpStream::connect_timeout(&SocketAddr::new(from, database.copy_port), SILENCE_MAX)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    let number = line(&stream)?;
    writeln!(stream, "{}", proof(&database.password, &number))?;
    let mut unpack = Command::new("mbstream").arg("-x").arg("-C").arg(&fresh).stdin(Stdio::piped()).spawn()?;
    let mut into = unpack.stdin.take().context("stdin is a pipe")?;
    let received = io::copy(&mut stream, &mut into);
    drop(into);
    ensure!(unpack.wait()?.success(), "mbstream cannot unpack what came");
    let bytes = received?;
    let position = position(&fresh)?;
    let out = Command::new("mariadb-backup").args(["--no-defaults", "--prepare"]).arg(target(&fresh)).output()?;
    ensure!(out.status.success(), "mariadb-backup --prepare: {}", last_line(&out.stderr));
    fs::write(fresh.join(COPIED), &position)?;
    if let Some(user) = &database.system_user {
        crate::agent::hand_to(user, &fresh)?;
    }
    let old = database.data.with_extension("old");
    if old.exists() {
        fs::remove_dir_all(&old)?;
    }
    fs::rename(&database.data, &old)?;
    fs::rename(&fresh, &database.data)?;
    tracing::info!(bytes, position, "the database was copied from the primary; the old one stays beside it");
    Ok(())
}

fn target(folder: &Path) -> String {
    format!("--target-dir={}", folder.display())
}

fn last_line(text: &[u8]) -> String {
    String::from_utf8_lossy(text).lines().last().unwrap_or_default().to_owned()
}

/// The position at which the copy was taken. It is written last: a copy without it is cut off.
fn position(folder: &Path) -> Result<String> {
    for name in ["mariadb_backup_binlog_info", "xtrabackup_binlog_info"] {
        if let Ok(text) = fs::read_to_string(folder.join(name)) {
            let position = text.split_whitespace().nth(2).unwrap_or_default();
            ensure!(position.chars().all(|c| c.is_ascii_digit() || "-,".contains(c)), "{name} says no position");
            return Ok(position.to_owned());
        }
    }
    bail!("the copy is cut off: it does not say its position")
}

/// The position of a database that was copied and has not followed since.
pub fn copied(data: &Path) -> Option<String> {
    fs::read_to_string(data.join(COPIED)).ok()
}

/// It follows from where it was copied.
pub fn followed(data: &Path) -> io::Result<()> {
    fs::remove_file(data.join(COPIED))
}
