//! OpenSSL's own https server, on any port.

use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// It has the files of a folder, and ends with its owner.
pub struct Https {
    server: Child,
    at: Ipv4Addr,
    port: u16,
}

impl Https {
    /// The server of this folder at this address, with the certificate and the key in it that have this name.
    pub fn serve(folder: &Path, at: Ipv4Addr, name: &str) -> Https {
        let [certificate, key] = ["crt", "key"].map(|kind| format!("{name}.{kind}"));
        let words = ["s_server", "-WWW", "-accept", &format!("{at}:0"), "-cert", &certificate, "-key", &key];
        let mut command = Command::new("openssl");
        let command = command.args(words).current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut server = command.spawn().expect("openssl is installed");
        let mut lines = BufReader::new(server.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
        let port = lines.find_map(|line| line.strip_prefix("ACCEPT ")?.rsplit(':').next()?.parse().ok());
        // Whoever stops reading would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Https { server, at, port: port.expect("it listens") }
    }

    /// Where a file of its folder is.
    pub fn url(&self, file: &str) -> String {
        format!("https://{}:{}/{file}", self.at, self.port)
    }
}

impl Drop for Https {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
