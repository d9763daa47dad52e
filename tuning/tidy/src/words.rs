//! One word per thing: what the words table says we never call it.

use crate::source::names;
use crate::{File, Finding};

/// A word that is never ours, and the word that is.
pub struct Never {
    /// In lower case; plurals are found too.
    pub word: &'static str,
    /// What we say instead.
    pub ours: &'static str,
}

/// A place where a word of the *Never* column means something else.
pub struct Allowed {
    /// The word as in [`NEVER`]; empty for every word.
    pub word: &'static str,
    /// A folder or file; empty for everywhere.
    pub place: &'static str,
    /// What the line must contain, in lower case; empty for any line of the place.
    pub line: &'static str,
    /// Why it is not our word for our thing.
    pub why: &'static str,
}

/// The *Never* column.
pub const NEVER: &[Never] = &[
    Never { word: "partner", ours: "carrier" },
    Never { word: "client", ours: "carrier" },
    Never { word: "buyer", ours: "originator" },
    Never { word: "provider", ours: "terminator" },
    Never { word: "wallet", ours: "account" },
    Never { word: "device", ours: "ingress trunk" },
    Never { word: "endpoint", ours: "ingress trunk" },
    Never { word: "tariff", ours: "rate deck" },
    Never { word: "dialplan", ours: "routing plan" },
    Never { word: "dial-plan", ours: "routing plan" },
    Never { word: "dial_plan", ours: "routing plan" },
    Never { word: "channels", ours: "capacity" },
    Never { word: "a-leg", ours: "ingress leg" },
    Never { word: "a_leg", ours: "ingress leg" },
    Never { word: "b-leg", ours: "egress leg" },
    Never { word: "b_leg", ours: "egress leg" },
    Never { word: "session", ours: "call" },
    Never { word: "hangup", ours: "release" },
    Never { word: "config", ours: "snapshot" },
    Never { word: "cache", ours: "snapshot" },
    Never { word: "wal", ours: "journal" },
    Never { word: "dump", ours: "journal" },
    Never { word: "lease", ours: "grant" },
    Never { word: "master", ours: "primary" },
    Never { word: "slave", ours: "replica" },
    Never { word: "knob", ours: "setting" },
    Never { word: "meter", ours: "metric" },
];

const fn allowed(word: &'static str, place: &'static str, line: &'static str, why: &'static str) -> Allowed {
    Allowed { word, place, line, why }
}

/// Where those words are someone else's words for someone else's things.
pub const ALLOWED: &[Allowed] = &[
    allowed("", "tuning/tidy", "", "the table itself"),
    allowed("hangup", "dataplane/shard/src/tapes.rs", "type", "Homer's name for a final report"),
    allowed("client", "dataplane/sip", "", "RFC 3261 §17.1: client transaction"),
    allowed("client", "", "client transaction", "RFC 3261 §17.1"),
    allowed("client", "dataplane/shard/tests/torture", "ift.client", "a host in a message of RFC 4475"),
    allowed("client", "", "invite_client", "RFC 3261 §17.1.1: the module of that transaction"),
    allowed("client", "", "inviteclient", "RFC 3261 §17.1.1: the type of that transaction"),
    allowed("client", "", "sip::client", "RFC 3261 §17.1.2: the module of that transaction"),
    allowed("client", "", "rfc 3261", "a line that cites the RFC uses its words"),
    allowed(
        "client",
        "dataplane/call/src/leg.rs",
        "machine: client",
        "RFC 3261 §17.1: the transaction that a leg drives",
    ),
    allowed("client", "dataplane/call/src/leg", "machine", "RFC 3261 §17.1: the transaction that a leg drives"),
    allowed("client", "controlplane/web/gui", "clientwidth", "the browser's name for a width"),
    allowed("client", "controlplane/web/gui", "clientheight", "the browser's name for a height"),
    allowed("client", "controlplane/web/gui", "clientx", "the browser's name for a place"),
    allowed("client", "controlplane/web/gui", "clienty", "the browser's name for a place"),
    allowed("client", "controlplane/web/gui", "boundingclientrect", "the browser's name for a place"),
    allowed("client", "controlplane/web/gui", "react-dom/client", "React's module"),
    allowed("client", "controlplane/web/gui", "queryclient", "TanStack Query's type"),
    allowed("client", "controlplane/web/gui", "vite/client", "Vite's types"),
    allowed("client", "", "http client", "the program that asks a web server"),
    allowed("client", "", "user agent client", "RFC 3261 §6"),
    allowed("client", "", "etcd-client", "the name of Debian's package"),
    allowed("client", "", "-client-urls", "etcd's flags"),
    allowed("endpoint", "", "--endpoints=", "etcdctl's flag"),
    allowed("client", "controlplane/live", "client_cert", "ureq's names for our certificate"),
    allowed("client", "controlplane/live", "clientcert", "ureq's names for our certificate"),
    allowed("config", "benches/rtpengine.rs", "--config-file", "rtpengine's option"),
    allowed("config", "controlplane/live", "", "ureq's settings of a question and of TLS"),
    allowed("config", "controlplane/search", "", "ureq's settings of a question and of TLS"),
    allowed(
        "config",
        "controlplane/files",
        "",
        "ureq's settings of a question and of TLS, and a flag of rsync's daemon",
    ),
    allowed("lease", "controlplane/keeper", "", "etcd's leases, which the arbiter gives on a service"),
    allowed("master", "controlplane/keeper", "", "MariaDB's names for settings, orders and figures of replication"),
    allowed("slave", "controlplane/keeper", "", "MariaDB's names for settings, orders and figures of replication"),
    allowed("client", "controlplane/keeper", "-client-urls", "etcd's flags"),
    allowed("master", "loadtest/plant/src/hosts.rs", "link set", "iproute2's word for the bridge of a port"),
    allowed("lease", "ARCHITECTURE.md", "", "etcd's leases, which the arbiter gives on a service"),
    allowed("lease", "CHANGELOG.md", "etcd", "etcd's leases, which the arbiter gives on a service"),
    allowed("endpoint", "controlplane/keeper/tests", "", "etcdctl's word for where a member answers"),
    allowed("device", "controlplane/keeper/src/neighbours.rs", "bind_device", "socket2's word for an interface"),
    allowed("endpoint", "docs/when-etcd-is-lost.md", "etcdctl", "the same"),
    allowed("lease", "controlplane/live", "", "etcd's leases: it speaks etcd's protocol"),
    allowed("lease", "dataplane/src/together", "", "etcd's leases, with which what was told ends"),
    allowed("lease", "dataplane/shard/tests/nodes", "", "etcd's leases, with which claims end"),
    allowed("client", "", "mariadb-client", "the name of Debian's package"),
    allowed(
        "lease",
        "controlplane/cluster",
        "",
        "what an arbiter gives on a service, as etcd calls it; money is lent by grants",
    ),
    allowed("session", "dataplane/sdp", "", "RFC 4566: what an SDP body describes"),
    allowed("session", "benches/sip_parse.rs", "", "a parsed SDP body"),
    allowed("session", "", "session description", "RFC 4566"),
    allowed("session", "", "session_id", "RFC 4566 §5.2: sess-id in the o= line"),
    allowed("session", "", "sdp_session", "RFC 4566 §5.2: sess-id in the o= line"),
    allowed("session", "", "session id and version", "RFC 4566 §5.2"),
    allowed("session", "", "early-session", "RFC 3959: a Content-Disposition"),
    allowed("session", "dataplane/sip/src/multipart.rs", "b\"session\"", "RFC 3261 §20.11: a Content-Disposition"),
    allowed(
        "session",
        "dataplane/sip/tests/multipart.rs",
        "handling=required",
        "RFC 3261 §20.11: a Content-Disposition",
    ),
    allowed("session", "", "session interval too small", "RFC 4028 §6: the reason phrase of 422"),
    allowed("session", "", "session refresh", "RFC 4028"),
    allowed("session", "", "session timer", "RFC 4028"),
    allowed("session", "", "session_timer", "RFC 4028"),
    allowed("session", "", "sessiontimer", "RFC 4028"),
    allowed("session", "", "sessionexpires", "RFC 4028: the header"),
    allowed("session", "", "sdp::session", "a parsed SDP body"),
    allowed("session", "", "session-expires", "RFC 4028: the header"),
    allowed("session", "", "session progress", "RFC 3261 §21.1.5: the reason phrase of 183"),
    allowed("session", "controlplane", "", "a signed-in browser"),
    allowed("session", "loadtest/acceptance", "/api/v1/sessions", "a signed-in browser"),
    allowed("config", "loadtest/acceptance", "(\"config\", text", "the name of a file that baresip reads"),
    allowed("session", "README.md", "sign", "a signed-in browser"),
    allowed("channels", "dataplane/sdp", "", "RFC 4566 §6: audio channels of a=rtpmap"),
    allowed("channels", "dataplane/media", "", "audio channels of a codec"),
    allowed("provider", "controlplane/web/gui", "", "React's name for what hands a context down"),
    allowed("device", "controlplane/web/gui", "device-width", "CSS"),
    allowed("device", "controlplane/web/gui", "devicescalefactor", "Chromium's screenshot setting"),
    allowed("device", "controlplane/web/gui", "devicepixelratio", "the browser's name for its resolution"),
    allowed("device", "tuning", "sys/devices", "a folder of the kernel's"),
    allowed("device", "tuning", "sys/class/net", "a link of the kernel's: the hardware behind a network card"),
    allowed("config", "controlplane/web/gui", "", "file names and settings of the tools that build the pages"),
    allowed("config", "", "proptest", "proptest's attribute and its type"),
    allowed("config", "dataplane/sip/tests", "", "proptest's type"),
    allowed("config", "dataplane/sdp/tests", "", "proptest's type"),
    allowed("client", "dataplane/src/tls.rs", "", "rustls's names for the side that connects"),
    allowed("master", "", "-master", "an option of SIPp's"),
    allowed("slave", "", "-slave", "an option of SIPp's"),
    allowed("session", "loadtest/src/sipp/output/counts.rs", "sessions", "a column of SIPp's"),
    allowed("session", "loadtest/tests/sipp_mode.rs", "_sessions", "a column of SIPp's"),
    allowed("client", "loadtest/src/sipp/seal.rs", "", "rustls's names for the side that connects"),
    allowed("provider", "loadtest/src/sipp/seal.rs", "", "rustls's names for where its ciphers come from"),
    allowed("config", "loadtest/src/sipp/seal.rs", "", "rustls's names for what a side of TLS is made from"),
    allowed("client", "loadtest/src/agents/tunnel.rs", "", "rustls's names for the side that connects"),
    allowed("provider", "loadtest/src/agents/tunnel.rs", "", "rustls's names for where its ciphers come from"),
    allowed("config", "", "ssh_config", "OpenSSH's settings"),
    allowed("config", "", "ssh-config", "the same, as our option names them"),
    allowed("config", "", "ssh/config", "the same, where they stand"),
    allowed("config", "loadtest/tests/two_agents_play_one_plan.rs", "", "the same"),
    allowed("config", "loadtest/src/agents/tunnel.rs", "", "rustls's names for what a side of TLS is made from"),
    allowed("client", "", "s_client", "the name of OpenSSL's program that connects"),
    allowed("provider", "dataplane/src/tls.rs", "", "rustls's names for where its ciphers come from"),
    allowed("config", "dataplane/src/tls.rs", "", "rustls's names for what a side of TLS is made from"),
    allowed("master", "controlplane/store", "sqlite_master", "SQLite's table of tables"),
    allowed("slave", "controlplane/store", "", "MariaDB's names for orders and figures of replication"),
    allowed("master", "controlplane/store", "change master", "MariaDB's order to follow another"),
    allowed("master", "controlplane/store", "behind_master", "MariaDB's name for a figure of replication"),
    allowed("master", "controlplane/store", "rpl_semi_sync_master", "MariaDB's names for its settings and figures"),
    allowed("master", "controlplane/store", "RPL_SEMI_SYNC_MASTER", "the same as its tables write them"),
    allowed("config", "controlplane/src/posts.rs", "", "ureq's names for what an agent is made from"),
    allowed("config", "controlplane/src/cli/doctor/node.rs", "config", "ureq's names for what an agent is made from"),
    allowed("config", "loadtest/src/observe.rs", "config_builder", "ureq's name for what an agent is made from"),
    allowed("config", "controlplane/keeper/tests", "--config-test", "keepalived's option"),
    allowed("client", "dataplane/shard", "machine: client", "RFC 3261 §17.1.2: the transaction of a question"),
    allowed("config", "Cargo.toml", "system-config", "hickory-resolver's name for the system's name servers"),
    allowed("config", "dataplane/src/resolve.rs", "", "hickory-resolver's names for what it is made from"),
    allowed("provider", "dataplane/src/resolve.rs", "", "hickory-resolver's name for what opens its sockets"),
    allowed("cache", "dataplane/src/resolve.rs", "cache_size", "hickory-resolver's name for its memory"),
    allowed("client", "dataplane/tests/transports.rs", "\"s_client\"", "the name of a command of OpenSSL's"),
    allowed("config", "dataplane/src/core_thread.rs", "", "what a shard is started with, not what it decides from"),
    allowed("config", "dataplane/src/main.rs", "", "what a shard is started with, not what it decides from"),
    allowed("config", "loadtest/sim", "", "what a shard is started with, not what it decides from"),
    allowed("config", "", "cfg", "Rust's conditional compilation"),
    allowed("config", "benches/caller.rs", "", "what a shard is started with, not what it decides from"),
    allowed("config", "benches/tests", "", "what a shard is started with, not what it decides from"),
    allowed("config", "fuzz", "", "what a shard is started with, not what it decides from"),
    allowed("config", "benches/whole_call.rs", "", "what a shard is started with, not what it decides from"),
    allowed("config", "dataplane/shard", "", "what a shard is started with, not what it decides from"),
    allowed("dump", "controlplane/keeper/src/server.rs", "binlog dump", "MariaDB's name for who follows it"),
    allowed("cache", "", "cache-control", "RFC 9111: the header"),
    allowed("cache", "", "no-cache", "RFC 9111"),
    allowed("cache", "", "page cache", "the kernel's"),
    allowed("cache", "", "cache line", "the processor's"),
    allowed("cache", "dataplane/uring", "processor's cache", "the processor's"),
    allowed("cache", "benches", "", "the processor's"),
    allowed("cache", "controlplane/web", "", "the browser's, and RFC 9111"),
    allowed("wal", "controlplane/store", "", "the name of SQLite's journal mode"),
];

const READ: &[&str] = &["rs", "toml", "ts", "tsx", "css", "html", "sql", "md", "sh", "json"];

/// A word of the *Never* column where it would mean our thing.
pub fn check(file: &File) -> Vec<Finding> {
    let read = file.is(READ) || file.text.starts_with("#!/");
    if !read || file.path.ends_with("package-lock.json") || file.path.ends_with("package.json") {
        return Vec::new();
    }
    let here: Vec<&Allowed> =
        ALLOWED.iter().filter(|allowed| allowed.place.is_empty() || file.under(allowed.place)).collect();
    if here.iter().any(|allowed| allowed.word.is_empty() && allowed.line.is_empty()) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let words = words_of(line);
        for never in NEVER.iter().filter(|never| says(&words, line, never.word)) {
            let lower = line.to_lowercase();
            let pardoned = here.iter().any(|allowed| allowed.word == never.word && lower.contains(allowed.line));
            if !pardoned {
                found.push(Finding::at(file, index + 1, format!("`{}` is not our word: {}", never.word, never.ours)));
            }
        }
    }
    found
}

/// The words of a line in lower case: `EgressTrunk`, `egress_trunk` and `egress-trunk` are two words each.
fn words_of(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in line.chars() {
        let starts = !c.is_ascii_alphabetic() || (c.is_ascii_uppercase() && !before.is_ascii_uppercase());
        if starts && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if c.is_ascii_alphabetic()
            && let Some(word) = words.last_mut()
        {
            word.push(c.to_ascii_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

fn says(words: &[String], line: &str, never: &str) -> bool {
    if never.contains(['-', '_']) {
        // "a leg" in prose is an article and a noun; `A-leg` and `a_leg` are the pair that we never say.
        let line = line.to_lowercase();
        return names(&line, never) || names(&line, &format!("{never}s"));
    }
    words.iter().any(|word| word == never || word.strip_suffix('s') == Some(never))
}
