//! Texts with keywords in square brackets, cut into pieces once so that a call only fills them in.

use super::scenario::VariableId;

/// A piece of a text.
#[derive(Clone, Debug)]
pub enum Piece {
    /// As it is.
    Text(String),
    /// What a keyword stands for, plus a number where it is one.
    Key(Key, i64),
}

/// A text with keywords.
#[derive(Clone, Debug, Default)]
pub struct Template {
    /// Its pieces.
    pub pieces: Vec<Piece>,
}

/// What a keyword stands for.
#[derive(Clone, Debug)]
pub enum Key {
    /// `-s`.
    Service,
    /// The other side's address; of IPv6 in brackets.
    RemoteIp,
    /// The other side's port.
    RemotePort,
    /// The host as the command line names it.
    RemoteHost,
    /// Our address, bare.
    ServerIp,
    /// UDP, TCP or TLS.
    Transport,
    /// Our address; of IPv6 in brackets.
    LocalIp,
    /// 4 or 6.
    LocalIpType,
    /// Our port.
    LocalPort,
    /// Bytes of the body.
    Len,
    /// The call's number, from 1.
    CallNumber,
    /// The call's Call-ID.
    CallId,
    /// One more with each request but ACK and CANCEL, from what `-base_cseq` says; what is heard with more counts too.
    Cseq,
    /// Our process.
    Pid,
    /// Where our media is.
    MediaIp,
    /// 4 or 6.
    MediaIpType,
    /// `-mp`, or the call's own port where it plays media.
    MediaPort,
    /// A port of this call alone.
    AutoMediaPort,
    /// A branch of this call and step.
    Branch,
    /// The step.
    MsgIndex,
    /// How many users there are.
    Users,
    /// Which user this call is.
    UserId,
    /// A header of the message heard last, with its name; several of one name with commas between their values.
    Last(String),
    /// The same without its name (`[last_From.value]`).
    LastValue(String),
    /// The message heard last.
    LastMessage,
    /// The URI in To of the message heard last.
    LastRequestUri,
    /// The number of the CSeq of the message heard last.
    LastCseqNumber,
    /// The branch of the first Via of the message heard last.
    LastBranch,
    /// A field of a file of values.
    Field {
        /// Which file.
        file: usize,
        /// Which field, from 0.
        field: usize,
        /// Which line, from 0; without one, the call's.
        line: Option<Template>,
    },
    /// `;tag=…` of the other side, once it has one.
    PeerTag,
    /// Route headers, if the call has any.
    Routes,
    /// Where the call's next request goes.
    NextUrl,
    /// The header that answers a challenge.
    Authentication {
        /// Who; without, what `-au` or `-s` say.
        username: Option<Template>,
        /// The password; without, what `-ap` says.
        password: Option<Template>,
    },
    /// A variable.
    Variable(VariableId),
    /// A text again and again, as long as a variable says.
    Fill(String, VariableId),
    /// Milliseconds since the run began.
    ClockTick,
    /// The wall clock.
    Timestamp,
    /// The wall clock as RFC 3261 §20.17 writes it.
    Date,
    /// Who we are.
    Version,
    /// A number that is another each time.
    DynamicId,
    /// What `-key` gave.
    Given(String),
    /// What a file holds, as it is.
    File(Template),
}

/// Resolves what keywords name: variables, files, and words of the command line.
pub trait Names {
    /// The variable of this name.
    fn variable(&mut self, name: &str) -> VariableId;
    /// The file of this name, or the first one.
    fn file(&mut self, name: Option<&str>) -> Result<usize, String>;
    /// Whether `-key` gave a word.
    fn given(&self, name: &str) -> bool;
    /// Whether a file can be read.
    fn readable(&self, path: &str) -> Result<(), String>;
}

/// A mistake in a text: its byte, and what it is.
pub type Mistake = (usize, String);

/// Cuts a text into pieces.
pub fn cut(text: &str, names: &mut impl Names) -> Result<Template, Mistake> {
    let mut out = Template::default();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(character) = text[at..].chars().next() {
        match character {
            '[' => {
                let Some(length) = bracketed(&text[at..]) else { return Err((at, "a '[' has no ']'".to_owned())) };
                let inner = &text[at + 1..at + length - 1];
                let (key, plus) = key(inner, names).map_err(|what| (at, what))?;
                if !literal.is_empty() {
                    out.pieces.push(Piece::Text(std::mem::take(&mut literal)));
                }
                out.pieces.push(Piece::Key(key, plus));
                at += length;
            }
            '\\' => {
                let (what, length) = escaped(&text[at + 1..]);
                literal.push_str(what.encode_utf8(&mut [0; 4]));
                at += 1 + length;
            }
            _ => {
                literal.push(character);
                at += character.len_utf8();
            }
        }
    }
    if !literal.is_empty() {
        out.pieces.push(Piece::Text(literal));
    }
    Ok(out)
}

/// `\x41` is A; another backslash is itself.
fn escaped(rest: &str) -> (char, usize) {
    let hex = rest.strip_prefix('x').and_then(|rest| rest.get(..2)).and_then(|hex| u8::from_str_radix(hex, 16).ok());
    hex.map_or(('\\', 0), |code| (char::from(code), 3))
}

/// The length of what begins with `[`, up to and with its `]`; brackets within count.
pub fn bracketed(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' if depth == 1 => return Some(at + 1),
            b']' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The keywords that stand for themselves.
const PLAIN: [(&str, Key); 32] = [
    ("service", Key::Service),
    ("remote_ip", Key::RemoteIp),
    ("remote_port", Key::RemotePort),
    ("remote_host", Key::RemoteHost),
    ("server_ip", Key::ServerIp),
    ("transport", Key::Transport),
    ("local_ip", Key::LocalIp),
    ("local_ip_type", Key::LocalIpType),
    ("local_port", Key::LocalPort),
    ("len", Key::Len),
    ("call_number", Key::CallNumber),
    ("call_id", Key::CallId),
    ("cseq", Key::Cseq),
    ("pid", Key::Pid),
    ("media_ip", Key::MediaIp),
    ("media_ip_type", Key::MediaIpType),
    ("media_port", Key::MediaPort),
    ("auto_media_port", Key::AutoMediaPort),
    ("rtpstream_audio_port", Key::AutoMediaPort),
    ("branch", Key::Branch),
    ("msg_index", Key::MsgIndex),
    ("users", Key::Users),
    ("userid", Key::UserId),
    ("peer_tag_param", Key::PeerTag),
    ("routes", Key::Routes),
    ("next_url", Key::NextUrl),
    ("clock_tick", Key::ClockTick),
    ("timestamp", Key::Timestamp),
    ("date", Key::Date),
    ("sipp_version", Key::Version),
    ("dynamic_id", Key::DynamicId),
    ("last_message", Key::LastMessage),
];

/// Keywords of SIPp's that we do not have, and why.
const REFUSED: [(&str, &str); 2] =
    [("tdmmap", "circuits of TDM are not played here"), ("rtpstream_video_port", "only audio is played")];

fn key(inner: &str, names: &mut impl Names) -> Result<(Key, i64), String> {
    if let Some(name) = inner.strip_prefix('$') {
        return Ok((Key::Variable(names.variable(name)), 0));
    }
    let (word, rest) = inner.split_once(' ').unwrap_or((inner, ""));
    let (name, plus) = offset(word);
    known_parameters(name, rest)?;
    if let Some((_, key)) = PLAIN.iter().find(|(known, _)| *known == name) {
        return Ok((key.clone(), plus));
    }
    if let Some((_, why)) = REFUSED.iter().find(|(known, _)| *known == name) {
        return Err(format!("keyword [{name}] is not supported: {why}"));
    }
    if names.given(word) {
        return Ok((Key::Given(word.to_owned()), 0));
    }
    if let Some(digits) = name.strip_prefix("field") {
        let field = digits.parse().map_err(|_| format!("[{inner}]: want a field's number, as in [field0]"))?;
        let file = names.file(parameter(rest, "file").as_deref())?;
        let line = parameter(rest, "line").map(|text| nested(&text, names)).transpose()?;
        return Ok((Key::Field { file, field, line }, 0));
    }
    match name {
        "authentication" => {
            let mut of = |name| parameter(rest, name).map(|text| nested(&text, names)).transpose();
            Ok((Key::Authentication { username: of("username")?, password: of("password")? }, 0))
        }
        "fill" => {
            let text = parameter(rest, "text").unwrap_or_else(|| "X".to_owned());
            let variable = parameter(rest, "variable").ok_or("[fill] wants variable=\"N\"")?;
            Ok((Key::Fill(text, names.variable(&variable)), 0))
        }
        "file" => {
            let path = parameter(rest, "name").ok_or("[file] wants name=\"PATH\"")?;
            let path = nested(&path, names)?;
            // What a call names is looked for when it does.
            if let [Piece::Text(path)] = &path.pieces[..] {
                names.readable(path)?;
            }
            Ok((Key::File(path), 0))
        }
        "last_Request_URI" => Ok((Key::LastRequestUri, 0)),
        "last_cseq_number" => Ok((Key::LastCseqNumber, plus)),
        "last_branch" => Ok((Key::LastBranch, 0)),
        _ => match word.strip_prefix("last_") {
            Some(header) if header.len() > ".value".len() && header.ends_with(".value") => {
                Ok((Key::LastValue(header.trim_end_matches(".value").to_owned()), 0))
            }
            Some(header) if !header.trim_end_matches(':').is_empty() => {
                Ok((Key::Last(header.trim_end_matches(':').to_owned()), 0))
            }
            _ => Err(format!("unknown keyword [{inner}]; a word of your own is given with -key {word} VALUE")),
        },
    }
}

fn nested(text: &str, names: &mut impl Names) -> Result<Template, String> {
    cut(text, names).map_err(|(_, what)| what)
}

/// `media_port+2` is `media_port` and 2.
fn offset(word: &str) -> (&str, i64) {
    let Some(at) = word.rfind(['+', '-']) else { return (word, 0) };
    let number = word[at + 1..].parse::<i64>();
    match (number, &word[at..=at]) {
        (Ok(number), "-") => (&word[..at], -number),
        (Ok(number), _) => (&word[..at], number),
        (Err(_), _) => (word, 0),
    }
}

/// `name=value` or `name="value"` among words; a value may hold brackets with blanks in them.
fn parameter(words: &str, name: &str) -> Option<String> {
    parameters(words).find(|(key, _)| *key == name).map(|(_, value)| value.trim_matches('"').to_owned())
}

fn parameters(words: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = words.trim_start();
    std::iter::from_fn(move || {
        let (key, after) = rest.split_once('=')?;
        let length = match after.strip_prefix('"') {
            Some(quoted) => quoted.find('"')? + 2,
            None if after.starts_with('[') => bracketed(after)?,
            None => after.find(' ').unwrap_or(after.len()),
        };
        rest = after[length..].trim_start();
        Some((key.trim(), &after[..length]))
    })
}

/// What a keyword is told besides is known, or it is refused: `aka_K` would else be a password that nobody asked for.
fn known_parameters(name: &str, words: &str) -> Result<(), String> {
    let known: &[&str] = match name {
        "authentication" => &["username", "password"],
        "fill" => &["text", "variable"],
        "file" => &["name"],
        _ if name.starts_with("field") => &["file", "line"],
        _ => return Ok(()),
    };
    match parameters(words).find(|(key, _)| !known.contains(key)) {
        Some((key, _)) => Err(format!("[{name}]: '{key}' is not supported: want {}", known.join(" and "))),
        None => Ok(()),
    }
}

/// A message as it stands in a scenario: without the file's indentation, with line ends as SIP has them, and its end.
pub fn message(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 32);
    let mut whole = false;
    for (number, line) in text.trim().lines().enumerate() {
        let line = line.trim_start_matches([' ', '\t']).trim_end_matches('\r');
        whole |= line.is_empty();
        if number > 0 {
            out.push_str("\r\n");
        }
        out.push_str(line);
    }
    // A message without a body ends with an empty line.
    out.push_str(if whole { "\r\n" } else { "\r\n\r\n" });
    out
}
