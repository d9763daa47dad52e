//! Real databases for tests: a SQLite file of its own for each test, and one private MariaDB server for each test program.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use store::Store;

/// A database that lives as long as the test.
#[allow(dead_code, reason = "not every test program asks for every field")]
pub struct Database {
    /// What `Store::open` takes.
    pub url: String,
    /// The open store.
    pub store: Store,
    folder: tempfile::TempDir,
}

/// A fresh SQLite file.
#[allow(dead_code, reason = "one story is about MariaDB alone")]
pub async fn sqlite() -> Database {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = format!("sqlite:{}", folder.path().join("tandem.sqlite").display());
    Database { store: Store::open(&url).await.expect("SQLite opens"), url, folder }
}

/// A fresh database on this program's MariaDB server.
pub async fn mariadb() -> Database {
    let url = empty_mariadb().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    Database { store: Store::open(&url).await.expect("MariaDB opens"), url, folder }
}

/// The URL of a database on this program's MariaDB server that has no tables yet.
pub async fn empty_mariadb() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let socket = tokio::task::spawn_blocking(server_socket).await.expect("the server's thread ends");
    let name = format!("story_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let done = Command::new("mariadb")
        .args(["--no-defaults", "-uroot", &format!("-S{}", socket.display()), "-e", &format!("CREATE DATABASE {name}")])
        .status()
        .expect("the mariadb program is installed");
    assert!(done.success(), "MariaDB makes a database");
    format!("mysql://root@localhost/{name}?socket={}", socket.display())
}

/// The process of this program's MariaDB server.
#[allow(dead_code, reason = "one story asks what it used")]
pub fn mariadb_process() -> u32 {
    let file = server_socket().with_file_name("pid");
    std::fs::read_to_string(file).expect("the server wrote its number").trim().parse().expect("a number")
}

/// The socket of the server, which is started by whoever asks first.
fn server_socket() -> PathBuf {
    static SERVER: OnceLock<(Child, PathBuf)> = OnceLock::new();
    SERVER.get_or_init(start).1.clone()
}

/// Starts a server that ends, and removes its folder, when this program's end of the pipe closes: also when a test panics or is killed.
/// Its temporary tables are in a folder of its own: in a shared one each server that starts removes those of the others. What
/// `MARIADB_ARGUMENTS` says goes to it too.
fn start() -> (Child, PathBuf) {
    let folder = tempfile::Builder::new().prefix("tandem-mariadb-").tempdir().expect("a temporary folder").keep();
    let socket = folder.join("socket");
    let script = format!(
        "set -e; cd {folder}; trap 'rm -rf {folder}' EXIT; mkdir tmp
         mariadb-install-db --no-defaults --datadir={folder}/data --user=root --skip-test-db \
             --auth-root-authentication-method=normal >install.log 2>&1
         mariadbd --no-defaults --datadir={folder}/data --socket={socket} --pid-file={folder}/pid --user=root \
             --tmpdir={folder}/tmp --skip-networking --skip-name-resolve --log-bin=binlog --innodb-buffer-pool-size=64M {more} >server.log 2>&1 </dev/null &
         echo started; read -r closed || true; kill $!; wait $! || true",
        folder = folder.display(),
        socket = socket.display(),
        more = std::env::var("MARIADB_ARGUMENTS").unwrap_or_default()
    );
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell starts");
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
    out.read_line(&mut line).expect("the shell speaks");
    assert_eq!(line, "started\n", "mariadb-install-db works; is mariadb-server installed?");
    wait_for(&socket);
    (child, socket)
}

fn wait_for(socket: &Path) {
    let late = Instant::now() + Duration::from_secs(300);
    while std::os::unix::net::UnixStream::connect(socket).is_err() {
        assert!(Instant::now() < late, "MariaDB answers within five minutes");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Tells each story twice: on SQLite and on MariaDB.
#[macro_export]
macro_rules! on_both {
    ($($story:ident)*) => {$(
        mod $story {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                let database = $crate::databases::sqlite().await;
                super::$story(database.store.clone()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_mariadb() {
                let database = $crate::databases::mariadb().await;
                super::$story(database.store.clone()).await;
            }
        }
    )*};
}
