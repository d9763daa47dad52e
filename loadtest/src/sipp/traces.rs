//! Files that a run writes beside its statistics: messages, errors, logs of the scenario, response times.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use jiff::Zoned;

use super::heard;
use super::options::Options;

/// A moment as SIPp writes it: date, tab, time, tab, seconds since 1970.
pub fn moment() -> String {
    let now = Zoned::now();
    let us = now.timestamp().as_microsecond();
    format!("{}\t{:.6}", now.strftime("%Y-%m-%d\t%H:%M:%S.%6f"), us as f64 / 1e6)
}

/// A file that is opened when something is written to it first.
struct Trace {
    wanted: bool,
    name: String,
    /// What was there stays.
    keeps: bool,
    file: Option<BufWriter<File>>,
}

/// Opens a file to be written: anew, or behind what is there.
pub fn opened(name: &str, keeps: bool) -> io::Result<File> {
    if keeps { File::options().append(true).create(true).open(name) } else { File::create(name) }
}

impl Trace {
    fn new(wanted: bool, named: Option<&String>, usual: String) -> Trace {
        Trace { wanted: wanted || named.is_some(), name: named.cloned().unwrap_or(usual), keeps: false, file: None }
    }

    /// As `-…_overwrite` says of this kind of file.
    fn kept(mut self, options: &Options, kind: &str) -> Trace {
        self.keeps = options.more.kept.iter().any(|kept| kept == kind);
        self
    }

    fn write(&mut self, text: &str) {
        if !self.wanted {
            return;
        }
        if self.file.is_none() {
            match opened(&self.name, self.keeps) {
                Ok(file) => self.file = Some(BufWriter::new(file)),
                Err(error) => {
                    eprintln!("{}: {error}", self.name);
                    self.wanted = false;
                }
            }
        }
        if let Some(file) = &mut self.file {
            // A full disk must not stop a run.
            let _ = file.write_all(text.as_bytes());
        }
    }
}

/// All files of traces.
pub struct Traces {
    messages: Trace,
    short: Trace,
    errors: Trace,
    logs: Trace,
    times: Trace,
    /// Lines of response times that are not written yet.
    waiting: Vec<String>,
    every: usize,
}

impl Traces {
    /// Files are named after the scenario and our process, as SIPp's are.
    pub fn new(options: &Options, stem: &str) -> Traces {
        let usual = |kind: &str| format!("{stem}_{}_{kind}", std::process::id());
        Traces {
            messages: Trace::new(options.trace_msg, options.message_file.as_ref(), usual("messages.log"))
                .kept(options, "message"),
            short: Trace::new(options.more.short, options.more.short_file.as_ref(), usual("shortmessages.log"))
                .kept(options, "shortmessage"),
            errors: Trace::new(options.trace_err, options.error_file.as_ref(), usual("errors.log"))
                .kept(options, "error"),
            logs: Trace::new(options.trace_logs, options.log_file.as_ref(), usual("logs.log")).kept(options, "log"),
            times: Trace::new(options.trace_rtt, None, usual("rtt.csv")),
            waiting: Vec::new(),
            every: options.rtt_every,
        }
    }

    /// From now on messages, short messages, errors or logs are written, or not.
    pub fn want(&mut self, what: &str, on: bool) {
        let trace = match what {
            "messages" => &mut self.messages,
            "shortmessages" => &mut self.short,
            "error" => &mut self.errors,
            _ => &mut self.logs,
        };
        trace.wanted = on;
    }

    /// A message that was sent or heard.
    pub fn message(&mut self, transport: &str, sent: bool, text: &str) {
        if self.messages.wanted {
            let time = Zoned::now().strftime("%Y-%m-%d %H:%M:%S.%6f").to_string();
            let (verb, length) = match sent {
                true => ("sent", format!("({} bytes)", text.len())),
                false => ("received", format!("[{}] bytes ", text.len())),
            };
            let line = "-".repeat(47);
            self.messages.write(&format!("{line} {time}\n{transport} message {verb} {length}:\n\n{text}\n"));
        }
        if self.short.wanted {
            let way = if sent { 'S' } else { 'R' };
            let (id, cseq) = (heard::call_id(text).map(heard::bare), heard::value(text, "CSeq"));
            let first = text.lines().next().unwrap_or_default();
            let (id, cseq) = (id.unwrap_or_default(), cseq.unwrap_or_default());
            self.short.write(&format!("{}\t{way}\t{id}\tCSeq:{cseq}\t{first}\n", moment()));
        }
    }

    /// Something went wrong.
    pub fn error(&mut self, text: &str) {
        if self.errors.wanted {
            let line = format!("{}: {text}\n", moment());
            self.errors.write(&line);
        }
    }

    /// The scenario says something.
    pub fn log(&mut self, text: &str) {
        self.logs.write(&format!("{text}\n"));
    }

    /// A response time, in milliseconds since the start, with its name.
    pub fn time(&mut self, at_ms: f64, span_ms: f64, name: &str) {
        if self.times.wanted {
            self.waiting.push(format!("{at_ms:.3};{span_ms:.3};{name}\n"));
            if self.waiting.len() >= self.every {
                self.write_times();
            }
        }
    }

    fn write_times(&mut self) {
        if self.times.file.is_none() {
            self.times.write("Date_ms;response_time_ms;rtd_no\n");
        }
        for line in self.waiting.drain(..) {
            self.times.write(&line);
        }
    }

    /// Writes what waits.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.times.wanted {
            self.write_times();
        }
        for trace in [&mut self.messages, &mut self.short, &mut self.errors, &mut self.logs, &mut self.times] {
            if let Some(file) = &mut trace.file {
                file.flush()?;
            }
        }
        Ok(())
    }
}
