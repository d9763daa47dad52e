//! SIPp mode: its scenarios, its command line, its files, its exit codes.

mod call;
mod compile;
mod control;
mod engine;
mod ere;
mod heard;
mod inject;
pub mod lint;
mod options;
mod output;
mod scenario;
mod seal;
pub mod sound;
mod spread;
mod statistics;
mod template;
mod traces;
mod transport;
mod twins;
mod users;
mod wire;
mod world;
mod xml;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::rc::Rc;
use std::time::Duration;

use compile::Given;
use control::Orders;
use engine::{Engine, Outcome};
use inject::Values;
use options::{Options, Source};
use output::Output;
use scenario::{Action, Scenario};
use seal::Keys;
use statistics::{Count, Statistics};
use template::{Names, Template};
use traces::Traces;
use transport::{Protocol, Shared};
use users::Users;
use wire::Wire;
use world::{Aside, Own, Quit, Value, World};

use crate::clock::Clock;

/// The port that SIP is heard on where none is named (RFC 3261 §19.1.2).
const PORT: u16 = 5_060;
/// Ports from that on that are tried where the command line names none; after them, any is taken.
const OWN_PORTS_TRIED: u16 = 60;
/// Media ports that are tried.
const PORTS_TRIED: u16 = 64;
/// What `-sn` plays: SIPp's names, written anew.
const BUILT_IN: [(&str, &str); 11] = [
    ("uac", include_str!("sipp/builtin/uac.xml")),
    ("uas", include_str!("sipp/builtin/uas.xml")),
    ("regexp", include_str!("sipp/builtin/regexp.xml")),
    ("branchc", include_str!("sipp/builtin/branchc.xml")),
    ("branchs", include_str!("sipp/builtin/branchs.xml")),
    ("uac_pcap", include_str!("sipp/builtin/uac_pcap.xml")),
    ("ooc_default", include_str!("sipp/builtin/ooc_default.xml")),
    ("3pcc-C-A", include_str!("sipp/builtin/3pcc_controller_a.xml")),
    ("3pcc-C-B", include_str!("sipp/builtin/3pcc_controller_b.xml")),
    ("3pcc-A", include_str!("sipp/builtin/3pcc_side.xml")),
    ("3pcc-B", include_str!("sipp/builtin/3pcc_side.xml")),
];

/// SIPp's exit codes. Words and files that are wrong end it as a failed call does, what goes wrong later as fatal.
const FAILED: u8 = 1;
const MISUSED: u8 = FAILED;
const COMMANDED: u8 = 97;
const NO_CALLS: u8 = 99;
const FATAL: u8 = 255;
const NOT_BOUND: u8 = 254;

/// Why a run does not begin or breaks off: what to say, and SIPp's exit code.
struct Fatal(String, u8);

impl From<String> for Fatal {
    fn from(what: String) -> Fatal {
        Fatal(what, MISUSED)
    }
}

impl From<io::Error> for Fatal {
    fn from(error: io::Error) -> Fatal {
        Fatal(error.to_string(), FATAL)
    }
}

/// Runs with SIPp's words.
pub fn run(words: &[String]) -> ExitCode {
    if words.iter().any(|word| matches!(word.as_str(), "-h" | "-help" | "--help")) {
        say!("{}", HELP.trim_end());
        return ExitCode::from(NO_CALLS);
    }
    if words.iter().any(|word| matches!(word.as_str(), "-v" | "--version")) {
        say!("tandem-loadtest {} in SIPp mode", env!("CARGO_PKG_VERSION"));
        return ExitCode::from(NO_CALLS);
    }
    let outcome = Options::read(words).map_err(Fatal::from).and_then(|options| match &options.show {
        Some(name) => built_in(name).map(|text| {
            say!("{}", text.trim_end());
            ExitCode::from(NO_CALLS)
        }),
        None if options.background => detach(words),
        None => play(options),
    });
    outcome.unwrap_or_else(|Fatal(what, code)| {
        eprintln!("tandem-loadtest sipp: {what}");
        ExitCode::from(code)
    })
}

fn built_in(name: &str) -> Result<&'static str, Fatal> {
    if let Some((_, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
        return Ok(*text);
    }
    let known = BUILT_IN.map(|(known, _)| known).join(", ");
    Err(format!("'{name}' is not built in: {known}; others are played from files (-sf)").into())
}

/// The text of a scenario file. One that is not UTF-8 is read as ISO-8859-1, which SIPp's own files declare.
fn text_of(file: &str) -> Result<String, String> {
    let bytes = std::fs::read(file).map_err(|error| format!("{file}: {error}"))?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| error.as_bytes().iter().copied().map(char::from).collect()))
}

/// `-bg`: the same again, without a terminal.
fn detach(words: &[String]) -> Result<ExitCode, Fatal> {
    use std::os::unix::process::CommandExt;
    let program = std::env::current_exe()?;
    let rest = words.iter().filter(|word| word.trim_start_matches('-') != "bg");
    let child = Command::new(program)
        .arg("sipp")
        .args(rest)
        .arg("-nostdin")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    say!("Background mode - PID=[{}]", child.id());
    Ok(ExitCode::from(NO_CALLS))
}

/// Reads and compiles a scenario; its name without folder and ending goes with it.
fn load(source: &Source, given: &Given) -> Result<(Scenario, String), Fatal> {
    let (text, name) = match source {
        Source::File(file) => (text_of(file)?, file.clone()),
        Source::BuiltIn(name) => (built_in(name)?.to_owned(), name.clone()),
    };
    let compiled = compile::compile(&text, given);
    if !compiled.faults.is_empty() {
        let told =
            compiled.faults.iter().map(|fault| format!("\n{name}:{}:{}: {}", fault.line, fault.column, fault.text));
        return Err(format!("the scenario cannot be played:{}", told.collect::<String>()).into());
    }
    let stem = Path::new(&name).file_stem().map_or_else(|| name.clone(), |stem| stem.to_string_lossy().into_owned());
    Ok((compiled.scenario, stem))
}

/// What answers requests of no call: `-oocsf` and `-oocsn` all of them, `-aa` some. Their calls take no lines of files.
fn aside(options: &Options, calls: bool) -> Result<Option<Aside>, Fatal> {
    let given =
        Given { keys: options.keys.iter().cloned().collect(), files: Vec::new(), payload: options.rare.payload };
    match &options.rare.outside {
        Some(_) if !calls => {
            Err(Fatal("SIPp cannot use out-of-call scenarios when running in server mode".to_owned(), FATAL))
        }
        Some(source) => {
            let (scenario, stem) = load(source, &given)?;
            if scenario.calls() {
                return Err(format!("-oocsf {stem}: what answers requests of no call begins with <recv>").into());
            }
            Ok(Some(Aside::new(scenario, true)))
        }
        None if options.auto_answer && calls => {
            let (scenario, _) = load(&Source::BuiltIn("ooc_default".to_owned()), &given)?;
            Ok(Some(Aside::new(scenario, false)))
        }
        None => Ok(None),
    }
}

fn play(options: Options) -> Result<ExitCode, Fatal> {
    let given = Given {
        keys: options.keys.iter().cloned().collect(),
        files: options.files.clone(),
        payload: options.rare.payload,
    };
    let (scenario, stem) = load(&options.source, &given)?;
    std::thread::sleep(Duration::from_millis(options.rare.sleep_ms));
    let orders = Orders::new();
    control::signals(orders.give.clone());
    if let Some(port) = options.control_port {
        let ip = options.control_ip.or(options.local_ip).unwrap_or(Ipv4Addr::LOCALHOST.into());
        let at = SocketAddr::new(ip, port);
        let socket = UdpSocket::bind(at).map_err(|error| Fatal(format!("control port {at}: {error}"), NOT_BOUND))?;
        control::listen(socket, orders.give.clone());
    }
    let terminal = io::IsTerminal::is_terminal(&io::stdin()) && io::IsTerminal::is_terminal(&io::stdout());
    if !options.no_stdin && terminal {
        ratatui::crossterm::terminal::enable_raw_mode()?;
        control::keys(orders.give.clone());
    }
    let mut world = world(options, scenario, &stem)?;
    call::before_all(&mut world)?;
    if world.aside.is_some() {
        world.step_aside();
        call::before_all(&mut world)?;
        world.step_aside();
    }
    let output = Output::open(&world, &stem, orders)?;
    let (outcome, world) = Engine::new(world, output).play()?;
    Ok(ExitCode::from(code(outcome, &world)))
}

fn code(outcome: Outcome, world: &World) -> u8 {
    let statistics = &world.statistics;
    match outcome {
        _ if statistics.total(Count::FatalErrors) > 0 => FATAL,
        Outcome::TimedOut if world.options.timeout_error => FATAL,
        _ if statistics.total(Count::Failed) > 0 => FAILED,
        _ if world.commanded => COMMANDED,
        // SIPp counts the end of its time as a command where no call succeeded before.
        Outcome::TimedOut if statistics.total(Count::Successful) == 0 => COMMANDED,
        Outcome::TimedOut => 0,
        Outcome::Done if statistics.created() == 0 => NO_CALLS,
        Outcome::Done => 0,
    }
}

/// Everything that calls share, with its sockets open.
fn world(mut options: Options, scenario: Scenario, stem: &str) -> Result<World, Fatal> {
    let scenario = Rc::new(scenario);
    let twins = twins::Plan::new(&options, &scenario)?;
    let remote = options.remote.as_deref().map(resolved).transpose()?;
    let remote_sending = options.remote_sending.as_deref().map(resolved).transpose()?;
    if scenario.calls() && remote.is_none() {
        return Err(Fatal("the scenario places calls: name a host to call, as in 127.0.0.1:5060".to_owned(), FATAL));
    }
    for to in remote.iter().chain(&remote_sending) {
        if !to.ip().is_loopback() && !options.allow_target {
            return Err(Fatal(format!("{to} is not this machine: -allow_target says that it may be loaded"), FATAL));
        }
    }
    let keys = match options.transport.protocol {
        Protocol::Tls => Some(Keys::read(&options.tls)?),
        Protocol::Udp | Protocol::Tcp => None,
    };
    if keys.as_ref().is_some_and(|keys| !keys.accepting()) && !scenario.calls() {
        return Err("who takes calls over TLS shows a certificate: -tls_cert and -tls_key".to_owned().into());
    }
    let mut wire = Wire::new(keys)?;
    let files = files(&options)?;
    fitting(&options, &scenario, &files)?;
    let ip = options.local_ip.unwrap_or_else(|| any(remote));
    let bound = open_main(&mut wire, ip, &options)?;
    let local = SocketAddr::new(if bound.ip().is_unspecified() { ours(remote) } else { bound.ip() }, bound.port());
    let media_ip = options.media_ip.unwrap_or(local.ip());
    let sounds = sound::all(&scenario, beside(&options))?;
    let plays = scenario.steps.iter().flat_map(|step| &step.actions).any(|action| matches!(action, Action::Media(_)));
    let (media, echoes) = open_media(&mut wire, &mut options, media_ip, plays)?;
    let globals = globals(&options, &scenario)?;
    let twins = twins.open(&mut wire)?;
    Ok(World {
        twins,
        statistics: Statistics::new(&scenario),
        files,
        aside: aside(&options, scenario.calls())?,
        remote_host: options.remote.as_deref().map(host_of).unwrap_or_default().to_owned(),
        keys: options.keys.iter().cloned().collect(),
        dynamic: options.dynamic.0,
        globals,
        of_users: HashMap::new(),
        traces: Traces::new(&options, stem),
        clock: Clock::start(),
        chance: crate::draw::chance(u64::from(std::process::id()), 1, "sipp"),
        local,
        media_ip,
        sounds,
        media,
        echoing: options.rtp_echo,
        echoes,
        packets_sent: 0,
        packets_heard: 0,
        media_next: options.media_ports.0.max(options.media_port + 4),
        remote,
        remote_sending,
        own: Rc::new(own()),
        quit: Quit::No,
        commanded: false,
        users: Users::new(options.users),
        options,
        scenario,
        wire,
    })
}

/// The socket that calls share. Where no port is named, SIPp takes 5060 or one of the next, and any if all of them are taken; with `-t ui`
/// calls have others, and this one is out of their way.
fn open_main(wire: &mut Wire, ip: IpAddr, options: &Options) -> Result<SocketAddr, Fatal> {
    let datagrams = options.transport.datagrams();
    let named = options.local_port;
    let by_address = options.transport.shared == Shared::Address;
    if named == 0 && !by_address {
        for port in PORT..PORT + OWN_PORTS_TRIED {
            if let Ok(bound) = wire.open(SocketAddr::new(ip, port), datagrams) {
                return Ok(bound);
            }
        }
    }
    let at = SocketAddr::new(ip, if by_address { 0 } else { named });
    wire.open(at, datagrams).map_err(|error| Fatal(format!("Unable to bind main socket {at}: {error}"), NOT_BOUND))
}

type Opened = (Option<uring::SocketId>, Vec<uring::SocketId>);

/// The media socket that calls share, and that of `-rtp_echo` two ports above it; SIPp tries the next ports where one is taken.
fn open_media(wire: &mut Wire, options: &mut Options, ip: IpAddr, plays: bool) -> Result<Opened, Fatal> {
    if !plays && !options.rtp_echo {
        return Ok((None, Vec::new()));
    }
    for _ in 0..PORTS_TRIED {
        if let Ok((id, port)) = wire.open_media(SocketAddr::new(ip, options.media_port)) {
            let second = if options.rtp_echo { wire.open_media(SocketAddr::new(ip, port + 2)).ok() } else { None };
            return Ok((Some(id), [Some(id), second.map(|(id, _)| id)].into_iter().flatten().collect()));
        }
        options.media_port = options.media_port.saturating_add(4);
    }
    Err(Fatal(format!("no port of media is free near {}", options.media_port), NOT_BOUND))
}

fn files(options: &Options) -> Result<Vec<Values>, Fatal> {
    let mut files = Vec::new();
    for name in &options.files {
        let values = Values::open(Path::new(name))?;
        let users = options.users.filter(|_| values.by_user()).unwrap_or(0);
        if users > values.count() as u64 {
            return Err(Fatal(format!("{name} has {} lines, and there are {users} users", values.count()), FATAL));
        }
        files.push(values);
    }
    if files.is_empty() && options.transport.shared == Shared::Address {
        return Err("-t ui wants a file with the addresses: -inf FILE, and -ip_field unless they are its first field"
            .to_owned()
            .into());
    }
    for (name, field) in &options.indexes {
        let same = |known: &String| known == name || Path::new(known).file_name() == Path::new(name).file_name();
        let place = options.files.iter().position(same);
        let place = place.ok_or_else(|| format!("-infindex {name}: no such -inf"))?;
        files[place].index(*field);
    }
    Ok(files)
}

/// What a scenario does is possible with these files and this transport.
fn fitting(options: &Options, scenario: &Scenario, files: &[Values]) -> Result<(), Fatal> {
    for action in scenario.actions() {
        let (file, wrong) = match action {
            Action::Lookup { file, .. } => {
                (*file, (!files[*file].indexed()).then_some("no index: -infindex FILE FIELD"))
            }
            Action::Insert { file, .. } | Action::Replace { file, .. } => {
                (*file, files[*file].printed().then_some("PRINTF, and one line for many: none is inserted or replaced"))
            }
            Action::Redirect { .. } if !options.transport.datagrams() && options.transport.shared == Shared::All => {
                let what = "Changing destinations for TCP requires multisocket mode: -t tn or ln";
                return Err(Fatal(format!("setdest: {what}"), FATAL));
            }
            Action::Close if scenario.calls() && options.transport.shared != Shared::Alone => {
                return Err(Fatal(
                    "closecon: calls share their socket; -t un, tn or ln give each its own".to_owned(),
                    FATAL,
                ));
            }
            Action::Close if options.transport.datagrams() && !scenario.calls() => {
                return Err(Fatal("closecon: there is no connection to close (-t t1)".to_owned(), FATAL));
            }
            _ => continue,
        };
        if let Some(wrong) = wrong {
            return Err(Fatal(format!("{} has {wrong}", options.files[file]), FATAL));
        }
    }
    Ok(())
}

fn globals(options: &Options, scenario: &Scenario) -> Result<Vec<Value>, Fatal> {
    let mut globals = vec![Value::Unset; scenario.variables.len()];
    for (name, value) in &options.set {
        let found = scenario
            .variables
            .iter()
            .position(|variable| variable.name == *name && variable.scope == scenario::Scope::Global);
        let place = found.ok_or_else(|| format!("-set {name}: the scenario has no such global variable"))?;
        globals[place] = Value::Text(value.clone());
    }
    Ok(globals)
}

fn beside(options: &Options) -> &Path {
    match &options.source {
        Source::File(file) => Path::new(file).parent().unwrap_or(Path::new(".")),
        Source::BuiltIn(_) => Path::new("."),
    }
}

/// A host without its port.
fn host_of(name: &str) -> &str {
    match name.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None if name.matches(':').count() == 1 => name.split(':').next().unwrap_or(name),
        None => name,
    }
}

/// A host with or without a port; IPv6 in brackets, or bare.
fn resolved(name: &str) -> Result<SocketAddr, Fatal> {
    if let Ok(ip) = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, PORT));
    }
    let with_port = name.parse::<SocketAddr>().ok().or_else(|| name.to_socket_addrs().ok()?.next());
    let found = with_port.or_else(|| (name, PORT).to_socket_addrs().ok()?.next());
    found.ok_or_else(|| Fatal(format!("no address is known of '{name}'"), FATAL))
}

fn any(remote: Option<SocketAddr>) -> IpAddr {
    match remote {
        Some(SocketAddr::V6(_)) => std::net::Ipv6Addr::UNSPECIFIED.into(),
        Some(SocketAddr::V4(_)) | None => Ipv4Addr::UNSPECIFIED.into(),
    }
}

/// The address that we have towards the other side, or towards the world. Nothing is sent.
fn ours(remote: Option<SocketAddr>) -> IpAddr {
    let to = remote.unwrap_or(SocketAddr::from(([192, 0, 2, 1], PORT)));
    let found = UdpSocket::bind(SocketAddr::new(any(remote), 0)).and_then(|socket| {
        socket.connect(to)?;
        socket.local_addr()
    });
    found.map_or(Ipv4Addr::LOCALHOST.into(), |at| at.ip())
}

/// For texts of our own: they name nothing of a scenario.
struct Nothing;

impl Names for Nothing {
    fn variable(&mut self, _name: &str) -> usize {
        0
    }

    fn file(&mut self, _name: Option<&str>) -> Result<usize, String> {
        Err("no file".to_owned())
    }

    fn given(&self, _name: &str) -> bool {
        false
    }

    fn readable(&self, _path: &str) -> Result<(), String> {
        Err("no file".to_owned())
    }
}

/// What is sent without a scenario asking for it.
fn own() -> Own {
    let text = |text: &str| -> Template {
        template::cut(&template::message(text), &mut Nothing).expect("our own texts have known keywords")
    };
    let request = |method: &str, via: &str, cseq: &str| {
        text(&format!(
            "{method} sip:[service]@[remote_ip]:[remote_port] SIP/2.0\n{via}\nMax-Forwards: 70\n[last_From:]\n[last_To:]\n\
             Call-ID: [call_id]\nCSeq: {cseq} {method}\nContent-Length: 0"
        ))
    };
    let fresh = "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]";
    Own {
        ok: text(
            "SIP/2.0 200 OK\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\n\
             Contact: <sip:[local_ip]:[local_port];transport=[transport]>\nContent-Length: 0",
        ),
        ack: request("ACK", "[last_Via:]", "[last_cseq_number]"),
        bye: request("BYE", fresh, "[last_cseq_number+1]"),
        cancel: request("CANCEL", "[last_Via:]", "[last_cseq_number]"),
    }
}

const HELP: &str = "tandem-loadtest sipp [HOST[:PORT]] [options of SIPp]

What is played:  -sf FILE | -sn NAME | -sd NAME: uac, uas, regexp, branchc, branchs, uac_pcap, ooc_default,
                 3pcc-C-A, 3pcc-C-B, 3pcc-A, 3pcc-B
                 -s USER  -key WORD VALUE  -set VARIABLE VALUE  -dynamicStart N  -dynamicMax N  -dynamicStep N
                 -oocsf FILE | -oocsn NAME (answers requests of no call; -aa alone answers INFO, NOTIFY, OPTIONS, UPDATE)
                 -inf FILE  -infindex FILE FIELD  -cid_str FORMAT  -base_cseq N  -au USER  -ap PASSWORD  -auth_uri URI
Between whom:    -i IP  -p PORT  -t u1|un|ui|t1|tn|l1|ln  -ip_field N  -rsa HOST[:PORT]  -mi IP  -mp PORT  -min_rtp_port N  -max_rtp_port N
                 (without -p: 5060, or the next that is free)
                 -rtp_echo  -rtp_payload N  -tls_cert FILE  -tls_key FILE  -tls_ca FILE  -tls_crl FILE  -tls_version 1.2|1.3
                 -allow_target (hosts beyond this machine)
With whom:       -3pcc HOST:PORT (sendCmd and recvCmd: where the other program listens, or we do if the scenario waits for a command first)
                 -master NAME | -slave NAME  -slave_cfg FILE (lines of NAME;HOST:PORT; who sends the first command starts last)
How much:        -r RATE  -rp MS  -rate_increase N  -rate_max N  -rate_interval S  -no_rate_quit  -rate_scale N
                 -l LIMIT (a call that is due beyond it is skipped and reported, not delayed; none without)  -m CALLS
                 -users N  -d MS  -timeout S  -timeout_error  -lost PERCENT
How calls go:    -recv_timeout MS  -nr  -max_retrans N  -max_invite_retrans N  -max_non_invite_retrans N  -T2 MS  -aa
                 -nd  -default_behaviors all|none|[-]bye|[-]abortunexp|[-]pingreply  -pause_msg_ign  -deadcall_wait MS
                 -callid_slash_ign  -rtcheck full|loose
What is written: -trace_stat  -stf FILE  -fd S  -stat_delimiter D  -trace_rtt  -rtt_freq N  -trace_err  -error_file FILE
                 -trace_msg  -message_file FILE  -trace_shortmsg  -shortmessage_file FILE  -trace_counts  -trace_error_codes
                 -trace_logs  -log_file FILE  -trace_screen  -screen_file FILE  -f S  -error_overwrite false (appends; also
                 message_, shortmessage_, log_ and screen_)
Its hand:        + - * /  p  q  Q  s  1 2 3 4  c (keys; as datagrams to -cp PORT at -ci IP). After c, up to Enter:
                 set rate|rate-scale|users|limit N, trace error|logs|messages|shortmessages on|off;
                 what is no order is told among the errors
                 -sleep S  -bg  -nostdin
                 SIGUSR1 ends softly, SIGUSR2 writes the screens

Exit codes: 0 every call was successful, 1 one failed, or words or a scenario are wrong, 97 a command ended it, or -timeout before any
succeeded, 99 no call, 255 fatal, 254 no socket.
`tandem-loadtest lint FILE…` says what of a scenario is supported.
";
