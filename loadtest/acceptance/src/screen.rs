//! A terminal, played by a foreign program (tmux): what somebody sees there, and the keys that he presses.

use std::path::Path;
use std::process::{Command, Output};

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
        let (socket, settings) = (folder.join("tmux").display().to_string(), folder.join("tmux.conf"));
        // What is on the screen when the program ends stays there.
        std::fs::write(&settings, "set -g remain-on-exit on\n").expect("the folder is writable");
        let screen = Screen { socket };
        let (columns, rows, settings) = (columns.to_string(), rows.to_string(), settings.display().to_string());
        let words = ["-f", &settings, "new", "-d", "-x", &columns, "-y", &rows];
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
        let told = self.tmux(&["display-message", "-p", "#{pane_dead} #{pane_dead_status}"]).stdout;
        String::from_utf8_lossy(&told).trim().strip_prefix("1 ")?.parse().ok()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}
