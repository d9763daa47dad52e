//! The one table of header names, with their compact forms and which of them may stand only once.

macro_rules! names {
    (@) => { false };
    (@ once) => { true };
    (@ short) => { None };
    (@ short $compact:literal) => { Some($compact) };
    ($($variant:ident $text:literal $([$compact:literal])? $($once:ident)?,)*) => {
        /// A header's name. Spelling and case do not matter on the wire (RFC 3261 §7.3.1); we print the long form, but where each byte counts.
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

            /// The compact form, of those that have one.
            pub(crate) const fn compact(self) -> Option<&'static str> {
                match self {
                    $(Name::$variant => names!(@ short $($compact)?),)*
                    Name::Other => None,
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
    Timestamp "Timestamp",
    Unsupported "Unsupported",
    UserAgent "User-Agent",
    Warning "Warning",
    WwwAuthenticate "WWW-Authenticate",
}

// Every spelling is a token.
const _: () = {
    let mut at = 0;
    while at < SPELLINGS.len() {
        let (text, mut byte) = (SPELLINGS[at].0.as_bytes(), 0);
        assert!(!text.is_empty());
        while byte < text.len() {
            assert!(text[byte].is_ascii_alphanumeric() || text[byte] == b'-');
            byte += 1;
        }
        at += 1;
    }
};

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

/// A spelling as words in lower case, and which bits of a text must be the same: all but the case of letters, and none behind
/// the spelling's end.
#[derive(Clone, Copy)]
struct Pattern {
    lower: [u64; WORDS],
    same: [u64; WORDS],
    length: u8,
    name: Name,
}

static PATTERNS: [Pattern; SPELLINGS.len()] = {
    let mut patterns = [Pattern { lower: [0; WORDS], same: [0; WORDS], length: 0, name: Name::Other }; SPELLINGS.len()];
    let mut at = 0;
    while at < SPELLINGS.len() {
        let text = SPELLINGS[at].0.as_bytes();
        let pattern = &mut patterns[at];
        pattern.length = text.len() as u8;
        pattern.name = SPELLINGS[at].1;
        let mut byte = 0;
        while byte < text.len() {
            let shift = byte % 8 * 8;
            let any_case: u64 = if text[byte].is_ascii_alphabetic() { 0xDF } else { 0xFF };
            pattern.lower[byte / 8] |= (text[byte].to_ascii_lowercase() as u64) << shift;
            pattern.same[byte / 8] |= any_case << shift;
            byte += 1;
        }
        at += 1;
    }
    patterns
};

impl Pattern {
    #[inline]
    fn fits(&self, words: &[u64; WORDS]) -> bool {
        let differ = |index: usize| (words[index] ^ self.lower[index]) & self.same[index];
        differ(0) | differ(1) | differ(2) == 0
    }
}

const _: () = assert!(WORDS == 3);

#[inline(always)]
fn words(chunk: &[u8; SPELLING_BYTES_MAX]) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    for (word, bytes) in words.iter_mut().zip(chunk.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}

/// The index of the first colon in the words, if there is one. Its byte becomes zero, and zeroes borrow into their highest bit.
#[inline(always)]
fn colon(words: &[u64; WORDS]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    for (index, word) in words.iter().enumerate() {
        let zeroed = word ^ (ONES * b':' as u64);
        let found = zeroed.wrapping_sub(ONES) & !zeroed & (ONES << 7);
        if found != 0 {
            return Some(index * 8 + (found.trailing_zeros() / 8) as usize);
        }
    }
    None
}

const SEED: u32 = plan().0;
static TABLE: [u8; SLOTS] = plan().1;
const _: () = assert!(SPELLINGS.len() < EMPTY as usize);

impl Name {
    /// The header that this text names, in any case and in the long or the compact form.
    #[must_use]
    pub fn from_bytes(text: &[u8]) -> Name {
        let mut padded = [0; SPELLING_BYTES_MAX];
        match padded.get_mut(..text.len()) {
            Some(place) if !text.is_empty() => place.copy_from_slice(text),
            _ => return Name::Other,
        }
        Name::find(&padded, &words(&padded), text.len())
    }

    /// The known header that the text begins with, and the index of the colon that follows at once. Looks at 24 bytes whatever
    /// they are: three whole words are faster to load than just the right number of bytes.
    #[inline(always)]
    pub(crate) fn before_colon(text: &[u8]) -> Option<(Name, usize)> {
        let chunk = text.first_chunk::<SPELLING_BYTES_MAX>()?;
        let words = words(chunk);
        let length = colon(&words).filter(|length| *length > 0)?;
        match Name::find(chunk, &words, length) {
            Name::Other => None,
            name => Some((name, length)),
        }
    }

    #[inline(always)]
    fn find(chunk: &[u8; SPELLING_BYTES_MAX], words: &[u64; WORDS], length: usize) -> Name {
        let index = usize::from(TABLE[slot(key(chunk, length), SEED)]);
        match PATTERNS.get(index) {
            Some(pattern) if usize::from(pattern.length) == length && pattern.fits(words) => pattern.name,
            _ => Name::Other,
        }
    }
}
