//! SIPp's command line.

use std::net::{IpAddr, ToSocketAddrs};

use super::transport::{TlsFiles, Transport};

/// Reads a span of time as SIPp does: a bare number has the usual unit; `ms`, `s`, `m` and `h` may follow. In milliseconds.
pub fn span_ms(text: &str, usual_ms: u64) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" => usual_ms,
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        unit => return Err(format!("'{unit}' is no unit of time: ms, s, m or h")),
    };
    let number = digits.parse::<f64>().ok().filter(|number| (0.0..=1e12).contains(number));
    number.map(|number| (number * unit as f64) as u64).ok_or_else(|| format!("'{text}' is no span of time"))
}

/// Where a scenario comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(String),
    /// One that is built in.
    BuiltIn(String),
}

/// What SIPp does on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behaviours {
    /// An aborted call is ended by a BYE or CANCEL.
    pub bye: bool,
    /// An unexpected message aborts a call.
    pub abort: bool,
    /// A PING is answered.
    pub ping: bool,
}

/// Files that are written besides, and which of them go on where they exist.
#[derive(Clone, Debug, Default)]
pub struct More {
    /// `-trace_shortmsg`.
    pub short: bool,
    /// `-shortmessage_file`.
    pub short_file: Option<String>,
    /// `-trace_counts`.
    pub counts: bool,
    /// `-trace_error_codes`.
    pub codes: bool,
    /// `-trace_screen`.
    pub screen: bool,
    /// `-screen_file`.
    pub screen_file: Option<String>,
    /// Files that are appended to where they exist: error, message, shortmessage, log, screen.
    pub kept: Vec<String>,
}

/// Other programs that play the same calls (3PCC).
#[derive(Clone, Debug, Default)]
pub struct Third {
    /// `-3pcc`: where the other one listens, or where we do.
    pub twin: Option<String>,
    /// Our name where we are who leads.
    pub leader: Option<String>,
    /// Our name where we follow.
    pub follower: Option<String>,
    /// The file that says where each is.
    pub table: Option<String>,
}

/// What few runs ask for.
#[derive(Clone, Debug, Default)]
pub struct Rare {
    /// Other programs that play the same calls.
    pub third: Third,
    /// The payload type of files of sound that do not say theirs; 8 without.
    pub payload: Option<u8>,
    /// What answers requests of no call (`-oocsf`, `-oocsn`).
    pub outside: Option<Source>,
    /// The field with the address that a call comes from (`-t ui`).
    pub ip_field: usize,
    /// A Call-ID is what it is, with three slashes too.
    pub slashes: bool,
    /// `-rtcheck loose`: a repeat is told by few headers, not by the whole message.
    pub loose: bool,
    /// `-sleep`: what the run begins with.
    pub sleep_ms: u64,
}

/// What a run is asked to do. Spans are in milliseconds.
#[derive(Clone, Debug)]
pub struct Options {
    /// Only print this built-in scenario.
    pub show: Option<String>,
    /// What to play.
    pub source: Source,
    /// The other side, as named.
    pub remote: Option<String>,
    /// Where messages go instead.
    pub remote_sending: Option<String>,
    /// How.
    pub transport: Transport,
    /// What TLS wants.
    pub tls: TlsFiles,
    /// Our address.
    pub local_ip: Option<IpAddr>,
    /// Our port; 0 for any.
    pub local_port: u16,
    /// Where media is.
    pub media_ip: Option<IpAddr>,
    /// First port of media.
    pub media_port: u16,
    /// Ports of media, the first and the last.
    pub media_ports: (u16, u16),
    /// Media is sent back.
    pub rtp_echo: bool,
    /// What few runs ask for.
    pub rare: Rare,
    /// `-s`.
    pub service: String,
    /// `-key` words.
    pub keys: Vec<(String, String)>,
    /// `-set` variables.
    pub set: Vec<(String, String)>,
    /// Files of values.
    pub files: Vec<String>,
    /// File and field of each index.
    pub indexes: Vec<(String, usize)>,
    /// Calls in a period.
    pub rate: f64,
    /// That period.
    pub period_ms: u64,
    /// Added to the rate.
    pub rate_increase: f64,
    /// Where it stops growing.
    pub rate_max: f64,
    /// How often.
    pub rate_interval_ms: Option<u64>,
    /// It does not end there.
    pub no_rate_quit: bool,
    /// What keys change the rate by.
    pub rate_scale: f64,
    /// Calls at a time at most.
    pub limit: Option<u64>,
    /// Calls after which it ends.
    pub calls: Option<u64>,
    /// As many calls all the time.
    pub users: Option<u64>,
    /// Length of pauses that do not say.
    pub pause_ms: u64,
    /// `-cid_str`.
    pub call_id: String,
    /// `-base_cseq`.
    pub base_cseq: u32,
    /// `-au`.
    pub auth_user: Option<String>,
    /// `-ap`.
    pub auth_password: String,
    /// `-auth_uri`.
    pub auth_uri: Option<String>,
    /// How long any message is waited for.
    pub recv_timeout_ms: Option<u64>,
    /// When the run ends.
    pub timeout_ms: Option<u64>,
    /// And that is a failure.
    pub timeout_error: bool,
    /// Nothing is sent again.
    pub no_retrans: bool,
    /// How often an INVITE is.
    pub invite_retrans_max: u32,
    /// How often another message is.
    pub other_retrans_max: u32,
    /// The longest wait between two.
    pub t2_ms: u64,
    /// Some requests are answered though not expected.
    pub auto_answer: bool,
    /// Messages during pauses are not heard.
    pub pause_ignores: bool,
    /// What happens without being asked for.
    pub behaviours: Behaviours,
    /// How long ended calls are remembered.
    pub dead_call_ms: u64,
    /// Share of messages lost on purpose.
    pub lost: f64,
    /// Runs without a terminal, parent gone.
    pub background: bool,
    /// No keys.
    pub no_stdin: bool,
    /// `-trace_stat`.
    pub trace_stat: bool,
    /// `-stf`.
    pub stat_file: Option<String>,
    /// `-stat_delimiter`.
    pub delimiter: String,
    /// `-fd`.
    pub stat_every_ms: u64,
    /// `-f`.
    pub screen_every_ms: u64,
    /// `-trace_rtt`.
    pub trace_rtt: bool,
    /// `-rtt_freq`.
    pub rtt_every: usize,
    /// `-trace_err`.
    pub trace_err: bool,
    /// `-error_file`.
    pub error_file: Option<String>,
    /// `-trace_msg`.
    pub trace_msg: bool,
    /// `-message_file`.
    pub message_file: Option<String>,
    /// What is written down besides.
    pub more: More,
    /// The first number that `[dynamic_id]` gives, its step, and the last number.
    pub dynamic: (u64, u64, u64),
    /// `-trace_logs`.
    pub trace_logs: bool,
    /// `-log_file`.
    pub log_file: Option<String>,
    /// `-cp`.
    pub control_port: Option<u16>,
    /// `-ci`; without it, our address.
    pub control_ip: Option<IpAddr>,
    /// Hosts beyond this machine may be loaded.
    pub allow_target: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            show: None,
            source: Source::BuiltIn("uac".to_owned()),
            remote: None,
            remote_sending: None,
            transport: Transport::default(),
            tls: TlsFiles::default(),
            local_ip: None,
            local_port: 0,
            media_ip: None,
            media_port: 6_000,
            media_ports: (0, 0),
            rtp_echo: false,
            rare: Rare::default(),
            service: "service".to_owned(),
            keys: Vec::new(),
            set: Vec::new(),
            files: Vec::new(),
            indexes: Vec::new(),
            rate: 10.0,
            period_ms: 1_000,
            rate_increase: 0.0,
            rate_max: 0.0,
            rate_interval_ms: None,
            no_rate_quit: false,
            rate_scale: 1.0,
            limit: None,
            calls: None,
            users: None,
            pause_ms: 0,
            call_id: "%u-%p@%s".to_owned(),
            base_cseq: 1,
            auth_user: None,
            auth_password: "password".to_owned(),
            auth_uri: None,
            recv_timeout_ms: None,
            timeout_ms: None,
            timeout_error: false,
            no_retrans: false,
            invite_retrans_max: 5,
            other_retrans_max: 7,
            t2_ms: 4_000,
            auto_answer: false,
            pause_ignores: false,
            behaviours: Behaviours { bye: true, abort: true, ping: true },
            dead_call_ms: 33_000,
            lost: 0.0,
            background: false,
            no_stdin: false,
            trace_stat: false,
            stat_file: None,
            delimiter: ";".to_owned(),
            stat_every_ms: 60_000,
            screen_every_ms: 1_000,
            trace_rtt: false,
            rtt_every: 200,
            trace_err: false,
            error_file: None,
            trace_msg: false,
            message_file: None,
            more: More::default(),
            dynamic: (10_000, 4, 12_000),
            trace_logs: false,
            log_file: None,
            control_port: None,
            control_ip: None,
            allow_target: false,
        }
    }
}

/// The words that follow an option.
struct Words<'a> {
    option: String,
    rest: std::slice::Iter<'a, String>,
}

impl Words<'_> {
    fn text(&mut self) -> Result<String, String> {
        self.rest.next().cloned().ok_or_else(|| format!("{} wants a value", self.option))
    }

    fn number<T: std::str::FromStr>(&mut self) -> Result<T, String> {
        let text = self.text()?;
        text.parse().map_err(|_| format!("{} {text}: no fitting number", self.option))
    }

    fn span(&mut self, usual_ms: u64) -> Result<u64, String> {
        let text = self.text()?;
        span_ms(&text, usual_ms).map_err(|what| format!("{}: {what}", self.option))
    }

    /// A span that is not nothing.
    fn some_span(&mut self, usual_ms: u64) -> Result<u64, String> {
        let ms = self.span(usual_ms)?;
        if ms > 0 { Ok(ms) } else { Err(format!("{} must be at least 1 ms", self.option)) }
    }

    fn truth(&mut self) -> Result<bool, String> {
        let text = self.text()?;
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err(format!("{} {text}: want true or false", self.option)),
        }
    }

    fn address(&mut self) -> Result<IpAddr, String> {
        let text = self.text()?;
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        let named = || (bare, 0).to_socket_addrs().ok()?.next().map(|at| at.ip());
        let found = bare.parse().ok().or_else(named);
        found.ok_or_else(|| format!("{} {text}: want an IP address, or a name that has one", self.option))
    }
}

/// Options of SIPp's that change nothing here, with the number of words that follow each.
const WITHOUT_EFFECT: [(&str, usize); 18] = [
    ("-skip_rlimit", 0),
    ("-bind_local", 0),
    ("-sendbuffer_warn", 0),
    ("-periodic_rtd", 0),
    ("-watchdog_interval", 1),
    ("-watchdog_reset", 1),
    ("-watchdog_minor_threshold", 1),
    ("-watchdog_major_threshold", 1),
    ("-watchdog_major_maxtriggers", 1),
    ("-watchdog_minor_maxtriggers", 1),
    ("-timer_resol", 1),
    ("-max_recv_loops", 1),
    ("-max_sched_loops", 1),
    ("-max_socket", 1),
    ("-buff_size", 1),
    ("-mb", 1),
    ("-rtp_threadtasks", 1),
    ("-rtp_buffsize", 1),
];

/// Options of SIPp's that ask for something that is not done here, and why.
const REFUSED: [(&[&str], &str); 7] = [
    (&["-plugin"], "no foreign code is loaded"),
    (&["-tdmmap"], "circuits of TDM are not played here"),
    (&["-multihome", "-heartbeat", "-assocmaxret", "-pathmaxret", "-pmtu", "-gracefulclose"], "SCTP is not spoken"),
    (
        &["-max_reconnect", "-reconnect_close", "-reconnect_sleep"],
        "a connection that is lost ends the calls on it, and the next call makes another",
    ),
    (&["-trace_calldebug", "-calldebug_file", "-calldebug_overwrite"], "-trace_msg and -trace_err tell it"),
    (&["-ringbuffer_files", "-ringbuffer_size"], "files are not taken in turns; -trace_shortmsg writes less"),
    (&["-max_log_size"], "files are not cut; -trace_shortmsg writes less"),
];

/// What is said of an option that is not taken.
fn refusal(option: &str, word: &str) -> String {
    match REFUSED.iter().find(|(names, _)| names.contains(&option)) {
        Some((_, why)) => format!("{option} is not supported: {why}"),
        None => format!("unknown option '{word}'; -h lists the known ones"),
    }
}

impl Options {
    /// Reads the words after the program's name.
    pub fn read(words: &[String]) -> Result<Options, String> {
        let mut options = Options::default();
        let mut each = words.iter();
        while let Some(word) = each.next() {
            if !word.starts_with('-') {
                if options.remote.replace(word.clone()).is_some() {
                    return Err(format!("'{word}': another host is named already"));
                }
                continue;
            }
            // Two dashes are taken as one.
            let option = format!("-{}", word.trim_start_matches('-'));
            let mut words = Words { option, rest: each.clone() };
            let known = options.what(&mut words)?
                || options.load(&mut words)?
                || options.manner(&mut words)?
                || options.traces(&mut words)?;
            if !known {
                let (_, skip) = WITHOUT_EFFECT
                    .iter()
                    .find(|(name, _)| *name == words.option)
                    .ok_or_else(|| refusal(&words.option, word))?;
                for _ in 0..*skip {
                    words.text()?;
                }
            }
            each = words.rest;
        }
        Ok(options)
    }

    /// What is played, and between whom.
    fn what(&mut self, words: &mut Words<'_>) -> Result<bool, String> {
        match words.option.as_str() {
            "-sd" => self.show = Some(words.text()?),
            "-sf" => self.source = Source::File(words.text()?),
            "-sn" => self.source = Source::BuiltIn(words.text()?),
            "-oocsf" => self.rare.outside = Some(Source::File(words.text()?)),
            "-oocsn" => self.rare.outside = Some(Source::BuiltIn(words.text()?)),
            "-3pcc" => self.rare.third.twin = Some(words.text()?),
            "-master" => self.rare.third.leader = Some(words.text()?),
            "-slave" => self.rare.third.follower = Some(words.text()?),
            "-slave_cfg" => self.rare.third.table = Some(words.text()?),
            "-i" => self.local_ip = Some(words.address()?),
            "-p" => self.local_port = words.number()?,
            "-t" => self.transport = Transport::read(&words.text()?)?,
            "-tls_cert" => self.tls.cert = Some(words.text()?),
            "-tls_key" => self.tls.key = Some(words.text()?),
            "-tls_ca" => self.tls.ca = Some(words.text()?),
            "-tls_crl" => self.tls.crl = Some(words.text()?),
            "-tls_version" => self.tls.version = Some(words.text()?),
            "-rsa" => self.remote_sending = Some(words.text()?),
            "-mi" => self.media_ip = Some(words.address()?),
            "-mp" => self.media_port = words.number()?,
            "-min_rtp_port" => self.media_ports.0 = words.number()?,
            "-max_rtp_port" => self.media_ports.1 = words.number()?,
            "-rtp_echo" => self.rtp_echo = true,
            "-rtp_payload" => self.rare.payload = Some(words.number()?),
            "-ip_field" => self.rare.ip_field = words.number()?,
            "-callid_slash_ign" => self.rare.slashes = true,
            "-s" => self.service = words.text()?,
            "-key" => self.keys.push((words.text()?, words.text()?)),
            "-set" => self.set.push((words.text()?, words.text()?)),
            "-inf" => self.files.push(words.text()?),
            "-infindex" => self.indexes.push((words.text()?, words.number()?)),
            "-cid_str" => self.call_id = words.text()?,
            "-base_cseq" => self.base_cseq = words.number()?,
            "-au" => self.auth_user = Some(words.text()?),
            "-ap" => self.auth_password = words.text()?,
            "-auth_uri" => self.auth_uri = Some(words.text()?),
            "-allow_target" => self.allow_target = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// How much.
    fn load(&mut self, words: &mut Words<'_>) -> Result<bool, String> {
        match words.option.as_str() {
            "-r" => self.rate = positive(words)?,
            "-rp" => self.period_ms = words.some_span(1)?,
            "-rate_increase" => self.rate_increase = words.number()?,
            "-rate_max" => self.rate_max = positive(words)?,
            "-rate_interval" => self.rate_interval_ms = Some(words.some_span(1_000)?),
            "-no_rate_quit" => self.no_rate_quit = true,
            "-rate_scale" => self.rate_scale = positive(words)?,
            "-l" => self.limit = Some(words.number()?),
            "-m" => self.calls = Some(words.number()?),
            "-users" => self.users = Some(words.number()?),
            "-d" => self.pause_ms = words.span(1)?,
            "-timeout" => self.timeout_ms = Some(words.span(1_000)?),
            "-timeout_error" => self.timeout_error = true,
            "-lost" => self.lost = positive(words)? / 100.0,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// How calls behave.
    fn manner(&mut self, words: &mut Words<'_>) -> Result<bool, String> {
        match words.option.as_str() {
            "-recv_timeout" => self.recv_timeout_ms = Some(words.span(1)?),
            "-send_timeout" => drop(words.span(1)?),
            "-nr" => self.no_retrans = true,
            "-max_retrans" => {
                self.invite_retrans_max = words.number()?;
                self.other_retrans_max = self.invite_retrans_max;
            }
            "-max_invite_retrans" => self.invite_retrans_max = words.number()?,
            "-max_non_invite_retrans" => self.other_retrans_max = words.number()?,
            "-T2" => self.t2_ms = words.span(1)?,
            "-aa" => self.auto_answer = true,
            "-pause_msg_ign" => self.pause_ignores = true,
            "-nd" => self.behaviours = Behaviours { bye: false, abort: false, ping: false },
            "-default_behaviors" => self.behaviours = behaviours(&words.text()?, self.behaviours)?,
            "-deadcall_wait" => self.dead_call_ms = words.span(1)?,
            "-bg" => self.background = true,
            "-nostdin" => self.no_stdin = true,
            "-cp" => self.control_port = Some(words.number()?),
            "-ci" => self.control_ip = Some(words.address()?),
            "-sleep" => self.rare.sleep_ms = words.span(1_000)?,
            "-dynamicStart" => self.dynamic.0 = words.number()?,
            "-dynamicStep" => self.dynamic.1 = words.number()?,
            "-dynamicMax" => self.dynamic.2 = words.number()?,
            "-rtcheck" => match words.text()?.as_str() {
                "full" => self.rare.loose = false,
                "loose" => self.rare.loose = true,
                other => return Err(format!("-rtcheck {other}: want full or loose")),
            },
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What is written down.
    fn traces(&mut self, words: &mut Words<'_>) -> Result<bool, String> {
        match words.option.as_str() {
            "-trace_stat" => self.trace_stat = true,
            "-stf" => self.stat_file = Some(words.text()?),
            "-stat_delimiter" => self.delimiter = words.text()?,
            "-fd" => self.stat_every_ms = words.span(1_000)?.max(1),
            "-f" => self.screen_every_ms = words.span(1_000)?.max(100),
            "-trace_rtt" => self.trace_rtt = true,
            "-rtt_freq" => self.rtt_every = words.number::<usize>()?.max(1),
            "-trace_err" => self.trace_err = true,
            "-error_file" => self.error_file = Some(words.text()?),
            "-trace_msg" => self.trace_msg = true,
            "-message_file" => self.message_file = Some(words.text()?),
            "-trace_shortmsg" => self.more.short = true,
            "-shortmessage_file" => self.more.short_file = Some(words.text()?),
            "-trace_counts" => self.more.counts = true,
            "-trace_error_codes" => self.more.codes = true,
            "-trace_logs" => self.trace_logs = true,
            "-log_file" => self.log_file = Some(words.text()?),
            "-trace_screen" => self.more.screen = true,
            "-screen_file" => self.more.screen_file = Some(words.text()?),
            "-error_overwrite"
            | "-message_overwrite"
            | "-shortmessage_overwrite"
            | "-log_overwrite"
            | "-screen_overwrite" => {
                let file = words.option.trim_start_matches('-').trim_end_matches("_overwrite").to_owned();
                if !words.truth()? {
                    self.more.kept.push(file);
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn positive(words: &mut Words<'_>) -> Result<f64, String> {
    let number: f64 = words.number()?;
    if number.is_finite() && number >= 0.0 { Ok(number) } else { Err(format!("{} must not be negative", words.option)) }
}

fn behaviours(text: &str, mut now: Behaviours) -> Result<Behaviours, String> {
    for word in text.split(',') {
        let (on, name) = word.strip_prefix('-').map_or((true, word), |name| (false, name));
        match name {
            "all" => now = Behaviours { bye: on, abort: on, ping: on },
            "none" => now = Behaviours { bye: !on, abort: !on, ping: !on },
            "bye" => now.bye = on,
            "abortunexp" => now.abort = on,
            "pingreply" => now.ping = on,
            _ => return Err(format!("-default_behaviors: '{name}': want all, none, bye, abortunexp or pingreply")),
        }
    }
    Ok(now)
}
