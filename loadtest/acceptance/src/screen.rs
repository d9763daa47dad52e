//! A terminal, played by a foreign program (tmux): what somebody sees there, and the keys that he presses.

use std::path::Path;
use std::process::{Command, Output};

/// What stands on the screen before the program's exit code.
const ENDED: &str = "it ended with ";
/// Runs a program and says how it ended: tmux, which would tell too, now and then misses the end of its child.
const TELL_END: &str = r#""$@"; echo "it ended with $?"; exec sleep 100000"#;

/// A terminal in which one program runs. It ends with this value.
#[derive(Debug)]
pub struct Screen {
    socket: String,
}

impl Screen {
    /// Runs a program in a terminal of so many columns and rows. `folder` is for what tmux needs.
    ///
    /// # Panics
    /// When tmux cannot be started.
    pub fn start((columns, rows): (u16, u16), folder: &Path, program: &[&str]) -> Screen {
        let screen = Screen { socket: folder.join("tmux").display().to_string() };
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let words = ["-f", "/dev/null", "new", "-d", "-x", &columns, "-y", &rows, "sh", "-c", TELL_END, "sh"];
        let started = screen.tmux(&[&words, program].concat());
        assert!(started.status.success(), "tmux: {}", String::from_utf8_lossy(&started.stderr));
        screen
    }

    fn tmux(&self, words: &[&str]) -> Output {
        let mut command = Command::new("tmux");
        command.args(["-S", &self.socket]).args(words).env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8");
        command.output().expect("tmux is installed: setup/install --test")
    }

    /// What stands there, line by line.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.tmux(&["capture-pane", "-p"]).stdout).into_owned()
    }

    /// Presses keys, such as `q` or `Tab`.
    pub fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Makes the terminal larger or smaller.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// The program's exit code, once it has ended.
    pub fn ended(&self) -> Option<i32> {
        let text = self.text();
        text.lines().find_map(|line| line.strip_prefix(ENDED)?.trim().parse().ok())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}
