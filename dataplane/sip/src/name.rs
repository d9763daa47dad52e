//! The one table of header names, with their compact forms and which of them may stand only once.

macro_rules! names {
    (@) => { false };
    (@ once) => { true };
    ($($variant:ident $text:literal $([$compact:literal])? $($once:ident)?,)*) => {
        /// A header's name. Spelling and case do not matter on the wire (RFC 3261 §7.3.1); we print the long form.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[repr(u8)]
        pub enum Name {
            $(#[doc = concat!("`", $text, "`")] $variant,)*
            /// Any other header; its text stands beside it in the message.
            Other,
        }

        impl Name {
            /// The long form on the wire; empty for `Other`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Name::$variant => $text,)*
                    Name::Other => "",
                }
            }

            /// May this header stand only once, with one value, in a message?
            #[must_use]
            pub const fn once(self) -> bool {
                match self {
                    $(Name::$variant => names!(@ $($once)?),)*
                    Name::Other => false,
                }
            }
        }

        /// Every spelling with the header that it means.
        const SPELLINGS: &[(&str, Name)] = &[$(($text, Name::$variant), $(($compact, Name::$variant),)?)*];
    };
}

names! {
    Via "Via" ["v"],
    From "From" ["f"] once,
    To "To" ["t"] once,
    CallId "Call-ID" ["i"] once,
    CSeq "CSeq" once,
    MaxForwards "Max-Forwards" once,
    Contact "Contact" ["m"],
    RecordRoute "Record-Route",
    Route "Route",
    ContentType "Content-Type" ["c"] once,
    ContentLength "Content-Length" ["l"] once,
    ContentEncoding "Content-Encoding" ["e"],
    ContentDisposition "Content-Disposition",
    Accept "Accept",
    Allow "Allow",
    AllowEvents "Allow-Events" ["u"],
    Authorization "Authorization",
    AuthenticationInfo "Authentication-Info",
    Date "Date" once,
    Diversion "Diversion",
    Event "Event" ["o"] once,
    Expires "Expires" once,
    HistoryInfo "History-Info",
    MimeVersion "MIME-Version" once,
    MinExpires "Min-Expires" once,
    MinSe "Min-SE" once,
    PAssertedIdentity "P-Asserted-Identity",
    PPreferredIdentity "P-Preferred-Identity",
    Privacy "Privacy",
    ProxyAuthenticate "Proxy-Authenticate",
    ProxyAuthorization "Proxy-Authorization",
    ProxyRequire "Proxy-Require",
    RAck "RAck" once,
    Reason "Reason",
    ReferTo "Refer-To" ["r"] once,
    ReferredBy "Referred-By" ["b"] once,
    RemotePartyId "Remote-Party-ID",
    Replaces "Replaces" once,
    Require "Require",
    RetryAfter "Retry-After" once,
    RSeq "RSeq" once,
    Server "Server",
    SessionExpires "Session-Expires" ["x"] once,
    Subject "Subject" ["s"],
    SubscriptionState "Subscription-State" once,
    Supported "Supported" ["k"],
    Unsupported "Unsupported",
    UserAgent "User-Agent",
    Warning "Warning",
    WwwAuthenticate "WWW-Authenticate",
}

/// How many names there are, `Other` included.
pub(crate) const COUNT: usize = Name::Other as usize + 1;

const SLOTS_LOG2: u32 = 10;
const SLOTS: usize = 1 << SLOTS_LOG2;
const EMPTY: u8 = u8::MAX;

/// First, middle and last letter and the length: tells all spellings apart.
const fn key(text: &[u8], length: usize) -> u32 {
    u32::from_le_bytes([text[0] | 0x20, text[length / 2] | 0x20, text[length - 1] | 0x20, length as u8])
}

const fn slot(key: u32, seed: u32) -> usize {
    (key.wrapping_mul(seed) >> (32 - SLOTS_LOG2)) as usize
}

/// The spellings by slot, or nothing when two of them meet under this seed.
const fn fill(seed: u32) -> Option<[u8; SLOTS]> {
    let mut slots = [EMPTY; SLOTS];
    let mut at = 0;
    while at < SPELLINGS.len() {
        let here = slot(key(SPELLINGS[at].0.as_bytes(), SPELLINGS[at].0.len()), seed);
        if slots[here] != EMPTY {
            return None;
        }
        slots[here] = at as u8;
        at += 1;
    }
    Some(slots)
}

/// Looks for a seed under which no two spellings meet; the build fails when there is none.
const fn plan() -> (u32, [u8; SLOTS]) {
    let mut seed: u32 = 0x9E37_79B1;
    let mut tries = 0;
    while tries < 400 {
        if let Some(slots) = fill(seed) {
            return (seed, slots);
        }
        seed = seed.wrapping_mul(0x0019_660D).wrapping_add(0x3C6E_F35F) | 1;
        tries += 1;
    }
    panic!("no seed keeps the header names apart: enlarge SLOTS");
}

/// No spelling is longer; what is longer is no known name.
const SPELLING_BYTES_MAX: usize = 24;
const WORDS: usize = SPELLING_BYTES_MAX / 8;

/// A spelling in lower case, and a bit wherever a letter's case may differ, both as words.
#[derive(Clone, Copy)]
struct Pattern {
    lower: [u64; WORDS],
    case: [u64; WORDS],
}

static PATTERNS: [Pattern; SPELLINGS.len()] = {
    let mut patterns = [Pattern { lower: [0; WORDS], case: [0; WORDS] }; SPELLINGS.len()];
    let mut at = 0;
    while at < SPELLINGS.len() {
        let text = SPELLINGS[at].0.as_bytes();
        let mut byte = 0;
        while byte < text.len() {
            let shift = byte % 8 * 8;
            patterns[at].lower[byte / 8] |= (text[byte].to_ascii_lowercase() as u64) << shift;
            if text[byte].is_ascii_alphabetic() {
                patterns[at].case[byte / 8] |= 0x20 << shift;
            }
            byte += 1;
        }
        at += 1;
    }
    patterns
};

impl Pattern {
    #[inline]
    fn fits(&self, words: [u64; WORDS]) -> bool {
        let differ = |index: usize| (words[index] ^ self.lower[index]) & !self.case[index];
        differ(0) | differ(1) | differ(2) == 0
    }
}

const _: () = assert!(WORDS == 3);

/// The first `length` bytes of a text as little-endian words, zeroes above them.
#[inline]
fn words(text: &[u8], length: usize) -> [u64; WORDS] {
    let mut padded = [0; SPELLING_BYTES_MAX];
    match text.first_chunk::<SPELLING_BYTES_MAX>() {
        Some(chunk) => padded = *chunk,
        None => padded[..length].copy_from_slice(&text[..length]),
    }
    let mut words = [0; WORDS];
    for (index, word) in words.iter_mut().enumerate() {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&padded[index * 8..index * 8 + 8]);
        let kept = length.saturating_sub(index * 8).min(8) as u32;
        let mask = if kept == 0 { 0 } else { u64::MAX >> (64 - kept * 8) };
        *word = u64::from_le_bytes(bytes) & mask;
    }
    words
}

const SEED: u32 = plan().0;
static TABLE: [u8; SLOTS] = plan().1;
const _: () = assert!(SPELLINGS.len() < EMPTY as usize);

impl Name {
    /// The header that this text names, in any case and in the long or the compact form.
    #[must_use]
    pub fn from_bytes(text: &[u8]) -> Name {
        Name::at_start(text, text.len())
    }

    /// The header that the first `length` bytes name. What follows them is read and not looked at: three whole words are
    /// faster to load than just the right number of bytes.
    #[inline]
    pub(crate) fn at_start(text: &[u8], length: usize) -> Name {
        if length == 0 || length > SPELLING_BYTES_MAX {
            return Name::Other;
        }
        let index = usize::from(TABLE[slot(key(text, length), SEED)]);
        match SPELLINGS.get(index) {
            Some((spelling, name)) if spelling.len() == length && PATTERNS[index].fits(words(text, length)) => *name,
            _ => Name::Other,
        }
    }
}
