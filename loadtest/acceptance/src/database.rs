//! A MariaDB server of the test's own: started, frozen, killed, started again.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;

use crate::{PATIENCE, signal, until};

/// A server on a socket in a temporary folder, gone with this value.
#[derive(Debug)]
pub struct MariaDb {
    folder: tempfile::TempDir,
    keeper: Option<(Child, u32)>,
}

impl MariaDb {
    /// Makes and starts a server with an empty database.
    pub fn start() -> MariaDb {
        let folder = tempfile::Builder::new().prefix("tandem-mariadb-").tempdir().expect("a temporary folder");
        let made = Command::new("mariadb-install-db")
            .arg("--no-defaults")
            .arg(format!("--datadir={}", folder.path().join("data").display()))
            .args(["--user=root", "--skip-test-db", "--auth-root-authentication-method=normal"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("mariadb-server is installed");
        assert!(made.success(), "MariaDB makes its tables");
        let mut server = MariaDb { folder, keeper: None };
        server.run();
        server.told("CREATE DATABASE tandem");
        server
    }

    /// What `--database` takes.
    pub fn url(&self) -> String {
        format!("mysql://root@localhost/tandem?socket={}", self.socket().display())
    }

    /// What `--database` takes to come by this socket as a user who may not write while the server is read-only.
    pub fn url_by(&self, socket: &Path) -> String {
        self.told("CREATE USER IF NOT EXISTS plain@localhost; GRANT ALL ON tandem.* TO plain@localhost");
        format!("mysql://plain@localhost/tandem?socket={}", socket.display())
    }

    /// Lets everybody but the administrator only read, or write again.
    pub fn read_only(&self, on: bool) {
        self.told(&format!("SET GLOBAL read_only={}", u8::from(on)));
    }

    fn told(&self, sql: &str) {
        let socket = format!("-S{}", self.socket().display());
        let done = Command::new("mariadb").args(["--no-defaults", "-uroot", "-e", sql]).arg(socket).status();
        assert!(done.expect("the mariadb program is installed").success(), "MariaDB does as it is told: {sql}");
    }

    /// Starts the server on the data it has, and waits until it listens.
    pub fn run(&mut self) {
        // The shell ends the server when this process dies, however it dies: its end of the pipe closes.
        let script =
            "mkdir -p tmp; mariadbd --no-defaults --tmpdir=\"$PWD/tmp\" --datadir=\"$PWD/data\" --socket=\"$PWD/socket\" --pid-file=\"$PWD/pid\" --user=root \
             --skip-networking --skip-name-resolve --innodb-buffer-pool-size=64M >>server.log 2>&1 </dev/null &
             echo $!; read -r closed; kill -9 $!; wait $!";
        let _ = std::fs::remove_file(self.socket());
        let mut keeper = Command::new("sh")
            .args(["-c", script])
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell starts");
        let mut line = String::new();
        let out = keeper.stdout.take().expect("stdout is a pipe");
        BufReader::new(out).read_line(&mut line).expect("the shell speaks");
        let pid = line.trim().parse().expect("the shell says the server's process");
        self.keeper = Some((keeper, pid));
        until(PATIENCE, "MariaDB listens", || UnixStream::connect(self.socket()).ok());
    }

    /// Lets the server hold still: connections stay and nothing answers.
    pub fn freeze(&self) {
        if let Some((_, pid)) = self.keeper {
            signal(pid, Signal::STOP);
        }
    }

    /// Ends the server without warning.
    pub fn kill(&mut self) {
        if let Some((mut keeper, _)) = self.keeper.take() {
            drop(keeper.stdin.take());
            keeper.wait().expect("the shell ends");
        }
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        self.kill();
    }
}
