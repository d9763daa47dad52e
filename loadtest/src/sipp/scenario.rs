//! A scenario as it is played: a flat list of steps, with labels, variables and files resolved to numbers.

use regex::Regex;

use super::spread::Spread;
use super::template::Template;

/// Which of the scenario's variables.
pub type VariableId = usize;

/// Who shares a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Each call has its own.
    Call,
    /// The calls of one user, one after another.
    User,
    /// All calls.
    Global,
}

/// A variable.
#[derive(Clone, Debug)]
pub struct Variable {
    /// How the scenario calls it.
    pub name: String,
    /// Who shares it.
    pub scope: Scope,
}

/// Where a call goes on when the step is done, instead of the next one.
#[derive(Clone, Debug)]
pub struct Branch {
    /// The step.
    pub to: usize,
    /// Only if this variable is set.
    pub test: Option<VariableId>,
    /// Only in this share of all cases, 0 to 1.
    pub chance: f64,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Line of the file, for what we say about it.
    pub line: usize,
    /// What happens.
    pub kind: Kind,
    /// Where to after it.
    pub branch: Option<Branch>,
    /// Done only if this variable is set, or, inverse, if it is not.
    pub guard: Option<(VariableId, bool)>,
    /// Response times that begin here.
    pub begins: Option<usize>,
    /// The response time that ends here.
    pub ends: Option<usize>,
    /// It ends here every time, not only the first.
    pub repeats: bool,
    /// The counter that counts this.
    pub counter: Option<usize>,
    /// Done with the message heard or sent, in order.
    pub actions: Vec<Action>,
    /// A line is left empty below it on the screen.
    pub crlf: bool,
    /// Not on the screen.
    pub hidden: bool,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Sends a message.
    Send(Box<Sending>),
    /// Waits for a message.
    Recv(Box<Expecting>),
    /// Sends a command to another program that plays the same calls.
    Command(Box<Commanding>),
    /// Waits for such a command.
    Await(Awaiting),
    /// Waits.
    Pause(Pause),
    /// Only its actions.
    Nop,
}

/// A message to send.
#[derive(Clone, Debug)]
pub struct Sending {
    /// What.
    pub message: Template,
    /// Its first word for a request, its status for a response.
    pub title: String,
    /// It begins with the next number of `[cseq]`: a request other than ACK and CANCEL.
    pub counted: bool,
    /// First wait before it is sent again over UDP, in milliseconds; `None` for never.
    pub retrans_ms: Option<u64>,
    /// Share of it that is lost on purpose, 0 to 1; `None` for what the command line says.
    pub lost: Option<f64>,
    /// The transaction that it begins.
    pub starts: Option<usize>,
    /// The transaction whose answer it acknowledges.
    pub acknowledges: Option<usize>,
    /// Where to when nobody answers.
    pub on_timeout: Option<usize>,
}

/// What message is expected.
#[derive(Clone, Debug)]
pub enum Expected {
    /// A request with this method.
    Request(String),
    /// A request whose method fits.
    RequestLike(Regex),
    /// A response with this status.
    Response(u16),
    /// A response whose status fits.
    ResponseLike(Regex),
}

/// Whether a message must come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Optional {
    /// It must.
    No,
    /// It may come before the next one that must.
    Yes,
    /// It may come at any later time.
    Global,
}

/// A message to hear.
#[derive(Clone, Debug)]
pub struct Expecting {
    /// Which.
    pub what: Expected,
    /// How it is called on the screen.
    pub title: String,
    /// Whether it must come.
    pub optional: Optional,
    /// How long it is waited for, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Where to when it does not come.
    pub on_timeout: Option<usize>,
    /// Its Record-Route and Contact are where the call's next requests go.
    pub routes: bool,
    /// Its challenge is to be answered.
    pub auth: bool,
    /// Share of it that is lost on purpose, 0 to 1.
    pub lost: Option<f64>,
    /// It answers this transaction.
    pub transaction: Option<usize>,
    /// Methods of all requests sent before: what a response may answer.
    pub answers: Vec<String>,
}

/// A command to send (`sendCmd`).
#[derive(Clone, Debug)]
pub struct Commanding {
    /// What.
    pub text: Template,
    /// The name of who gets it; without one, the other program of `-3pcc`.
    pub to: Option<String>,
}

/// A command to hear (`recvCmd`).
#[derive(Clone, Debug)]
pub struct Awaiting {
    /// Who sends it, as its `From:` says.
    pub from: Option<String>,
    /// Whether it must come.
    pub optional: Optional,
    /// Where to when it does not come.
    pub on_timeout: Option<usize>,
}

/// What a program does among those that play the same calls by commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The first command is its own.
    Leads,
    /// It waits for a command first.
    Follows,
}

/// How long a pause is.
#[derive(Clone, Debug, PartialEq)]
pub enum Pause {
    /// What `-d` says.
    Asked,
    /// Drawn, in milliseconds.
    Drawn(Spread),
    /// What a variable says, in milliseconds.
    Variable(VariableId),
    /// Fixed, and what comes meanwhile is answered again or forgotten: the end of a call.
    Linger(Spread),
}

/// A number in an action.
#[derive(Clone, Debug)]
pub enum Operand {
    /// Written there.
    Number(f64),
    /// In a variable.
    Variable(VariableId),
}

/// Where an expression is looked for.
#[derive(Clone, Debug)]
pub enum Place {
    /// The message.
    Message,
    /// What follows this text at the start of one of its lines: which one of several, from 1; in any case of letters.
    Header(String, usize, bool),
    /// What follows the empty line.
    Body,
    /// A variable.
    Variable(VariableId),
}

/// What a wrong outcome of an action means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Nothing.
    No,
    /// The call failed if it is false.
    True,
    /// The call failed if it is true.
    False,
}

/// How two numbers compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// As one.
    Equal,
    /// Not as one.
    NotEqual,
    /// The first is more.
    Greater,
    /// The first is less.
    Less,
    /// The first is not less.
    GreaterOrEqual,
    /// The first is not more.
    LessOrEqual,
}

/// What is done to a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// Becomes the other.
    Assign,
    /// Plus.
    Add,
    /// Minus.
    Subtract,
    /// Times.
    Multiply,
    /// Over; by zero it stays what it is.
    Divide,
}

/// Where a text of an action goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// To the log file (`-trace_logs`).
    Log,
    /// To the errors (`-trace_err`), counted as a warning.
    Warning,
    /// To the errors, and the run ends.
    Error,
}

/// What a scenario may ask of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Internal {
    /// The call ends, failed.
    Call,
    /// The run ends when its calls have.
    Gracefully,
    /// The run ends.
    Now,
}

/// What is done at a step.
#[derive(Clone, Debug)]
pub enum Action {
    /// Looks for an expression; what fits, and what its groups hold, goes into variables.
    Search {
        /// The expression.
        expression: Regex,
        /// Where.
        place: Place,
        /// What its outcome means.
        check: Check,
        /// Variables for the whole and the groups.
        into: Vec<VariableId>,
    },
    /// Changes a number.
    Calculate {
        /// How.
        how: Arithmetic,
        /// Which.
        into: VariableId,
        /// By what.
        by: Operand,
    },
    /// Sets a text.
    SetText {
        /// Which.
        into: VariableId,
        /// To what.
        text: Template,
    },
    /// Compares two numbers.
    Test {
        /// Where the outcome goes.
        into: Option<VariableId>,
        /// What is compared.
        left: VariableId,
        /// How.
        compare: Compare,
        /// With what.
        right: Operand,
        /// What its outcome means.
        check: Check,
    },
    /// Compares two texts: below zero, zero, or above.
    CompareText {
        /// Where the outcome goes.
        into: Option<VariableId>,
        /// What is compared.
        left: VariableId,
        /// With what.
        right: Template,
        /// True for as one.
        check: Check,
    },
    /// A text becomes a number; false if it is none.
    ToNumber {
        /// Where to.
        into: VariableId,
        /// From.
        from: VariableId,
    },
    /// Blanks at both ends go.
    Trim(VariableId),
    /// `%41` becomes A.
    UrlDecode(VariableId),
    /// What a URI does not carry becomes `%41` and the like.
    UrlEncode(VariableId),
    /// A pause that a message broke off goes on until this moment, in milliseconds since the run began.
    Resume(Operand),
    /// A file of values has one line more.
    Insert {
        /// Which file.
        file: usize,
        /// The line.
        text: Template,
    },
    /// A line of a file of values is another from now on.
    Replace {
        /// Which file.
        file: usize,
        /// Which line, from 0.
        line: Template,
        /// What it is.
        text: Template,
    },
    /// The call's messages go elsewhere from now on.
    Redirect {
        /// An IP address, or a name that has one.
        host: Template,
        /// The port.
        port: Template,
        /// UDP, TCP or TLS: what the run speaks.
        protocol: Template,
    },
    /// The call's own socket or connection is closed; what it says next opens another.
    Close,
    /// Goes on at the step with this number.
    Jump(Operand),
    /// Says something.
    Say(Said, Template),
    /// The place in an indexed file of the line with this key; -1 if there is none.
    Lookup {
        /// Where to.
        into: VariableId,
        /// Which file.
        file: usize,
        /// Which key.
        key: Template,
    },
    /// Whether the message proves to come from who knows the password.
    VerifyAuth {
        /// Where the outcome goes.
        into: VariableId,
        /// Who.
        username: Template,
        /// The password.
        password: Template,
    },
    /// The wall clock.
    TimeOfDay {
        /// Seconds since 1970 UTC.
        seconds: VariableId,
        /// And microseconds.
        micros: VariableId,
    },
    /// A number drawn.
    Sample(VariableId, Spread),
    /// Something about the run.
    Internal(Internal),
    /// Media is sent back from now on (`-rtp_echo`), or not if this is zero.
    Echo(Operand),
    /// Something about media.
    Media(Media),
}

/// What the media of a call does.
#[derive(Clone, Debug, PartialEq)]
pub enum Media {
    /// Plays a file of raw sound.
    Play {
        /// Which.
        file: String,
        /// How often; -1 for until the call ends.
        times: i32,
        /// Its RTP payload type.
        payload: u8,
        /// Bytes of one packet.
        bytes: usize,
        /// Milliseconds of one packet.
        ms: u8,
    },
    /// Plays the RTP of a capture.
    Capture(String),
    /// Plays tones as RFC 4733 telephone-events.
    Digits(String),
    /// Stands still.
    Pause,
    /// Goes on.
    Resume,
    /// Ends.
    Stop,
}

/// A scenario.
#[derive(Clone, Debug, Default)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// Its steps.
    pub steps: Vec<Step>,
    /// Its variables.
    pub variables: Vec<Variable>,
    /// Names of its response times.
    pub times: Vec<String>,
    /// Names of its counters.
    pub counters: Vec<String>,
    /// How many transactions have a name.
    pub transactions: usize,
    /// Limits of the table of response times, in milliseconds.
    pub time_limits: Vec<u64>,
    /// Limits of the table of call lengths, in milliseconds.
    pub length_limits: Vec<u64>,
    /// Where an unexpected message goes on (`_unexp.main`).
    pub unexpected: Option<usize>,
    /// Where it is told which step that broke off (`_unexp.retaddr`).
    pub broken_off: Option<VariableId>,
    /// And until when that would have paused (`_unexp.pausedaddr`).
    pub paused_until: Option<VariableId>,
    /// What is done once, before the first call.
    pub init: Vec<Step>,
}

impl Scenario {
    /// What is done before the first call, as a scenario of its own with the same variables; `None` if there is nothing.
    pub fn before(&self) -> Option<Scenario> {
        let steps = self.init.clone();
        (!steps.is_empty()).then(|| Scenario { steps, init: Vec::new(), unexpected: None, ..self.clone() })
    }

    /// What is done at all steps.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.init.iter().chain(&self.steps).flat_map(|step| &step.actions)
    }

    /// Its part among programs that play the same calls; `None` if it knows no commands.
    pub fn part(&self) -> Option<Part> {
        self.steps.iter().find_map(|step| match step.kind {
            Kind::Command(_) => Some(Part::Leads),
            Kind::Await(_) => Some(Part::Follows),
            Kind::Send(_) | Kind::Recv(_) | Kind::Pause(_) | Kind::Nop => None,
        })
    }

    /// It places calls at its rate: what it does first is to send a message or a command.
    pub fn places(&self) -> bool {
        let first = self.steps.iter().find(|step| !matches!(step.kind, Kind::Pause(_) | Kind::Nop));
        first.is_none_or(|step| matches!(step.kind, Kind::Send(_) | Kind::Command(_)))
    }

    /// Its first message is one to send: it is who calls.
    pub fn calls(&self) -> bool {
        let first = self.steps.iter().find(|step| matches!(step.kind, Kind::Send(_) | Kind::Recv(_)));
        first.is_none_or(|step| matches!(step.kind, Kind::Send(_)))
    }
}
