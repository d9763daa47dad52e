//! Fills in a text of the scenario.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::Call;
use crate::clock::MS;
use crate::digest::Asking;
use crate::sipp::heard;
use crate::sipp::template::{self, Key, Piece, Template};
use crate::sipp::world::World;

/// Bytes that `[fill]` adds at most.
const FILL_MAX: usize = 64 << 10;

/// What can be filled in only when all the rest stands there: where it goes, and what.
enum Late {
    Len(usize, i64),
    Proof(usize, Option<Template>, Option<Template>),
}

impl Call {
    /// The branch that a step's message has.
    pub(super) fn branch(&self, step: i64) -> String {
        format!("z9hG4bK-{}-{}-{step}", std::process::id(), self.birth.number)
    }

    /// Writes a message; a transaction of the scenario has a branch of its own.
    pub(super) fn write(&mut self, template: &Template, txn: Option<usize>, out: &mut String, world: &mut World) {
        let mut late = Vec::new();
        // The rest of the line goes too when a header is missing.
        let mut skip = false;
        for piece in &template.pieces {
            match piece {
                Piece::Text(text) => {
                    let text = match (std::mem::take(&mut skip), text.split_once("\r\n")) {
                        (false, _) => text,
                        (true, Some((_, rest))) if out.is_empty() || out.ends_with('\n') => rest,
                        (true, Some((end, _))) => &text[end.len()..],
                        (true, None) => {
                            skip = true;
                            continue;
                        }
                    };
                    out.push_str(text);
                }
                Piece::Key(..) if skip => {}
                Piece::Key(Key::Len, plus) => late.push(Late::Len(out.len(), *plus)),
                Piece::Key(Key::Authentication { username, password }, _) => {
                    skip = self.challenge.is_none();
                    if !skip {
                        late.push(Late::Proof(out.len(), username.clone(), password.clone()));
                    }
                }
                Piece::Key(Key::Field { file, field, line }, _) => {
                    let from = out.len();
                    self.write_field(*file, *field, line.as_ref(), out, world);
                    if let Some((at, username, password)) = asked_proof(out, from) {
                        skip = self.challenge.is_none();
                        late.extend((!skip).then_some(Late::Proof(at, username, password)));
                    }
                }
                Piece::Key(Key::Branch, plus) => match txn {
                    Some(txn) => out.push_str(&self.transactions[txn]),
                    None => out.push_str(&self.branch(self.step as i64 + plus)),
                },
                Piece::Key(key, plus) => skip = !self.write_key(key, *plus, out, world),
            }
        }
        for one in late.into_iter().rev() {
            let (at, text) = match one {
                Late::Len(at, plus) => (at, (heard::body(out).len() as i64 + plus).to_string()),
                Late::Proof(at, username, password) => (at, self.proof(&username, &password, out, world)),
            };
            out.insert_str(at, &text);
        }
    }

    /// A short text, without what only messages have.
    pub(super) fn text(&mut self, template: &Template, world: &mut World) -> String {
        let mut out = String::new();
        self.write(template, None, &mut out, world);
        out
    }

    /// Writes what a keyword stands for; false if the line is to be left out.
    fn write_key(&mut self, key: &Key, plus: i64, out: &mut String, world: &mut World) -> bool {
        let number = |value: i64, out: &mut String| {
            let _ = write!(out, "{}", value + plus);
        };
        let peer = self.birth.peer;
        match key {
            Key::Service => out.push_str(&world.options.service),
            Key::RemoteIp => write_ip(world.remote.unwrap_or(peer).ip(), out),
            Key::RemotePort => number(i64::from(world.remote.unwrap_or(peer).port()), out),
            Key::RemoteHost => out.push_str(&world.remote_host),
            Key::ServerIp => {
                let _ = write!(out, "{}", self.birth.local);
            }
            Key::Transport => out.push_str(world.options.transport.name()),
            Key::LocalIp => write_ip(self.birth.local, out),
            Key::LocalIpType => out.push(family(self.birth.local)),
            Key::LocalPort => number(i64::from(self.birth.port), out),
            Key::CallNumber => number(self.birth.number as i64, out),
            Key::CallId => out.push_str(&self.birth.id),
            Key::Cseq => number(i64::from(self.cseq), out),
            Key::Pid => number(i64::from(std::process::id()), out),
            Key::MediaIp => {
                let _ = write!(out, "{}", world.media_ip);
            }
            Key::MediaIpType => out.push(family(world.media_ip)),
            Key::MediaPort => number(i64::from(self.sounding.port().unwrap_or(world.options.media_port)), out),
            Key::AutoMediaPort => number(i64::from(self.own_port(world)), out),
            Key::MsgIndex => number(self.step as i64, out),
            Key::Users => number(world.users.wanted().unwrap_or(0) as i64, out),
            Key::UserId => number(self.birth.user as i64, out),
            Key::PeerTag => out.push_str(&self.peer_tag),
            Key::NextUrl => out.push_str(&self.next_url),
            Key::Routes => {
                out.push_str(&self.routes);
                return !self.routes.is_empty();
            }
            Key::Variable(id) => self.value(*id, world).write(out),
            Key::Fill(text, variable) => {
                let want = self.value(*variable, world).number().clamp(0.0, FILL_MAX as f64) as usize;
                out.extend(text.chars().cycle().take(if text.is_empty() { 0 } else { want }));
            }
            Key::ClockTick => number((world.clock.now() / MS) as i64, out),
            Key::Timestamp => out.push_str(&crate::sipp::traces::moment()),
            Key::Date => out.push_str(&jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()),
            Key::Version => out.push_str(concat!("tandem-loadtest ", env!("CARGO_PKG_VERSION"))),
            Key::DynamicId => {
                number(world.dynamic as i64, out);
                world.dynamic = world.next_dynamic();
            }
            Key::Given(name) => out.push_str(world.keys.get(name).map_or("", String::as_str)),
            Key::File(path) => self.write_file(path, out, world),
            Key::Last(_)
            | Key::LastValue(_)
            | Key::LastMessage
            | Key::LastRequestUri
            | Key::LastCseqNumber
            | Key::LastBranch => {
                return self.write_last(key, plus, out);
            }
            // These are for who writes the whole message.
            Key::Len | Key::Branch | Key::Field { .. } | Key::Authentication { .. } => {}
        }
        true
    }

    /// Something of the message heard last.
    fn write_last(&self, key: &Key, plus: i64, out: &mut String) -> bool {
        match key {
            Key::Last(name) | Key::LastValue(name) => {
                let before = out.len();
                for (number, line) in heard::headers(&self.heard, name).enumerate() {
                    let value = line.split_once(':').map_or("", |(_, value)| value.trim_start());
                    // RFC 3261 §7.3.1: several of one name are as one with commas.
                    match (number, key) {
                        (0, Key::Last(_)) => out.push_str(line),
                        (0, _) => out.push_str(value),
                        _ => {
                            let _ = write!(out, ", {value}");
                        }
                    }
                }
                return out.len() > before;
            }
            Key::LastMessage => out.push_str(&self.heard),
            Key::LastRequestUri => {
                let to = heard::value(&self.heard, "To").unwrap_or_default();
                out.push_str(heard::uri(to));
            }
            Key::LastBranch => out.push_str(heard::branch(&self.heard)),
            _ => {
                let _ = write!(out, "{}", i64::from(heard::cseq(&self.heard).0) + plus);
            }
        }
        true
    }

    fn write_file(&mut self, path: &Template, out: &mut String, world: &mut World) {
        let path = self.text(path, world);
        match std::fs::read_to_string(&path) {
            Ok(text) => out.push_str(&text),
            Err(error) => self.break_off(&format!("{path}: {error}"), world),
        }
    }

    fn write_field(&mut self, file: usize, field: usize, line: Option<&Template>, out: &mut String, world: &mut World) {
        let line = match line {
            None => self.birth.lines.get(file).copied().unwrap_or(0),
            Some(line) => {
                // A variable that holds zero is nothing as a text.
                let asked = self.text(line, world).trim().parse::<f64>().unwrap_or(0.0);
                if asked < 0.0 {
                    return;
                }
                asked as usize
            }
        };
        if let Some(values) = world.files.get(file) {
            values.write(line, field, out);
        }
    }

    /// The whole header that answers the challenge.
    fn proof(
        &mut self,
        username: &Option<Template>,
        password: &Option<Template>,
        message: &str,
        world: &mut World,
    ) -> String {
        let usual = world.options.auth_user.clone().unwrap_or_else(|| world.options.service.clone());
        let username = username.as_ref().map_or(usual, |template| self.text(template, world));
        let usual = world.options.auth_password.clone();
        let password = password.as_ref().map_or(usual, |template| self.text(template, world));
        let remote = world.remote.unwrap_or(self.birth.peer);
        let uri = world.options.auth_uri.clone().unwrap_or_else(|| remote.to_string());
        let uri = if uri.starts_with("sip:") { uri } else { format!("sip:{uri}") };
        let Some((proxy, challenge)) = &self.challenge else { return String::new() };
        self.proofs += 1;
        let asking = Asking {
            username: &username,
            password: &password,
            method: message.split(' ').next().unwrap_or_default(),
            uri: &uri,
            body: Some(heard::body(message)),
            count: self.proofs,
        };
        let name = if *proxy { "Proxy-Authorization" } else { "Authorization" };
        asking.answer(challenge).map_or_else(String::new, |value| format!("{name}: {value}"))
    }
}

/// Takes `[authentication …]` out of what a file of values gave from here on: where the header belongs, and who proves to be whom.
fn asked_proof(out: &mut String, from: usize) -> Option<(usize, Option<Template>, Option<Template>)> {
    let at = from + out[from..].find("[authentication")?;
    let end = at + template::bracketed(&out[at..])?;
    let cut = template::cut(&out[at..end], &mut crate::sipp::Nothing).ok()?;
    let Some(Piece::Key(Key::Authentication { username, password }, _)) = cut.pieces.into_iter().next() else {
        return None;
    };
    out.replace_range(at..end, "");
    Some((at, username, password))
}

/// An address; of IPv6 in brackets.
fn write_ip(ip: IpAddr, out: &mut String) {
    let _ = match ip {
        IpAddr::V4(ip) => write!(out, "{ip}"),
        IpAddr::V6(ip) => write!(out, "[{ip}]"),
    };
}

fn family(ip: IpAddr) -> char {
    if ip.is_ipv4() { '4' } else { '6' }
}
