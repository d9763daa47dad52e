//! A parsed message: views into the datagram, nothing copied.

use crate::address::Address;
use crate::flaw::Flaw;
use crate::lex::{self, Elements};
use crate::method::Method;
use crate::name::{self, Name};
use crate::parse::{self, Line};
use crate::uri;
use crate::via::Via;

/// The largest message in bytes, start line, headers and body together. Offsets fit 16 bits.
pub const MESSAGE_BYTES_MAX: usize = 65_535;
/// The most header lines in one message, folds not counted.
pub const HEADERS_MAX: usize = 96;

const _: () = assert!(HEADERS_MAX < u8::MAX as usize && MESSAGE_BYTES_MAX <= u16::MAX as usize);

/// The first line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Start<'a> {
    /// A request line.
    Request {
        /// The method.
        method: Method,
        /// The method as written; tells `Other`s apart.
        method_text: &'a [u8],
        /// The Request-URI as written.
        uri: &'a [u8],
    },
    /// A status line.
    Response {
        /// 100..=699
        status: u16,
        /// The reason phrase as written; may be empty and may be UTF-8.
        reason: &'a [u8],
    },
}

/// The value of CSeq.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CSeq<'a> {
    /// Below 2^31 (RFC 3261 §8.1.1.5).
    pub number: u32,
    /// The method.
    pub method: Method,
    /// The method as written.
    pub method_text: &'a [u8],
}

/// How many headers a message's table holds: those of nearly every message. Further ones are read again when they are asked for.
const FIELDS_MAX: usize = 32;

const _: () = assert!(FIELDS_MAX < HEADERS_MAX);

/// The place of a header in the message plus one; 0 = none. An empty table is all zeroes, which is cheap to make.
pub(crate) type Place = u8;

/// Where one header stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    name: Name,
    next_of_name: Place,
    name_at: u16,
    name_end: u16,
    value_at: u16,
    value_end: u16,
}

/// The headers by order and by name. Small, because every message is moved with it.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    list: [Field; FIELDS_MAX],
    count: u8,
    first: [Place; name::COUNT],
    /// Where the first header stands that is not in the list; 0 = all are.
    more_at: u16,
}

impl Fields {
    pub(crate) const EMPTY: Fields = Fields {
        list: [Field { name: Name::Via, next_of_name: 0, name_at: 0, name_end: 0, value_at: 0, value_end: 0 };
            FIELDS_MAX],
        count: 0,
        first: [0; name::COUNT],
        more_at: 0,
    };

    /// Adds the next header of the message; `before` is the place of the last one of its name.
    #[inline(always)]
    pub(crate) fn add(&mut self, line: Line, before: Place) {
        let Some(slot) = self.list.get_mut(usize::from(self.count)) else {
            if self.more_at == 0 {
                self.more_at = line.at as u16;
            }
            return;
        };
        *slot = Field {
            name: line.name,
            next_of_name: 0,
            name_at: line.at as u16,
            name_end: line.name_end as u16,
            value_at: line.value_at as u16,
            value_end: line.value_end as u16,
        };
        self.count += 1;
        let link = match self.list.get_mut(usize::from(before).wrapping_sub(1)) {
            Some(field) => &mut field.next_of_name,
            None => &mut self.first[line.name as usize],
        };
        *link = self.count;
    }

    /// The value of the first header of that name.
    #[inline]
    pub(crate) fn value<'a>(&self, text: &'a [u8], name: Name) -> Option<&'a [u8]> {
        match self.at(self.first[name as usize]) {
            Some(field) => Some(field.value(text)),
            None => self.more(text).find(|line| line.name == name).map(|line| &text[line.value_at..line.value_end]),
        }
    }

    fn at(&self, place: Place) -> Option<&Field> {
        self.list.get(usize::from(place).wrapping_sub(1))
    }

    /// The headers that are not in the list.
    fn more<'a>(&self, text: &'a [u8]) -> impl Iterator<Item = Line> + use<'a> {
        let mut at = usize::from(self.more_at);
        core::iter::from_fn(move || {
            let line = if at > 0 { parse::header_line(text, at).ok()?? } else { return None };
            at = line.next;
            Some(line)
        })
    }
}

impl Field {
    #[inline]
    fn value<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        &text[usize::from(self.value_at)..usize::from(self.value_end)]
    }
}

/// A message of which the parts every element needs are known to be well formed: start line, Via, From, To, Call-ID,
/// CSeq, Max-Forwards, Content-Length. Other headers are looked at when they are asked for.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    pub(crate) text: &'a [u8],
    pub(crate) start: Start<'a>,
    pub(crate) fields: Fields,
    pub(crate) via: Via<'a>,
    pub(crate) from: Address<'a>,
    pub(crate) to: Address<'a>,
    pub(crate) call_id: &'a [u8],
    pub(crate) cseq: CSeq<'a>,
    pub(crate) max_forwards: Option<u8>,
    pub(crate) body: &'a [u8],
}

impl<'a> Message<'a> {
    /// The first line.
    #[must_use]
    pub fn start(&self) -> Start<'a> {
        self.start
    }

    /// Is this a request?
    #[must_use]
    pub fn is_request(&self) -> bool {
        matches!(self.start, Start::Request { .. })
    }

    /// The request's method; for a response the method of CSeq.
    #[must_use]
    pub fn method(&self) -> Method {
        self.cseq.method
    }

    /// The status of a response, 100..=699.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self.start {
            Start::Request { .. } => None,
            Start::Response { status, .. } => Some(status),
        }
    }

    /// The Request-URI of a request as written.
    #[must_use]
    pub fn request_uri(&self) -> Option<&'a [u8]> {
        match self.start {
            Start::Request { uri, .. } => Some(uri),
            Start::Response { .. } => None,
        }
    }

    /// Call-ID; case sensitive, never empty.
    #[must_use]
    pub fn call_id(&self) -> &'a [u8] {
        self.call_id
    }

    /// CSeq.
    #[must_use]
    pub fn cseq(&self) -> CSeq<'a> {
        self.cseq
    }

    /// The topmost Via.
    #[must_use]
    pub fn via(&self) -> Via<'a> {
        self.via
    }

    /// Every Via element as written, topmost first, over all lines and lists.
    pub fn vias(&self) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.list(Name::Via)
    }

    /// From.
    #[must_use]
    pub fn from(&self) -> Address<'a> {
        self.from
    }

    /// To.
    #[must_use]
    pub fn to(&self) -> Address<'a> {
        self.to
    }

    /// The first Contact. `None` when there is none, it is broken, or it is the `*` of REGISTER.
    #[must_use]
    pub fn contact(&self) -> Option<Address<'a>> {
        let first = self.list(Name::Contact).next()?;
        if first == b"*" { None } else { Address::parse(first).ok() }
    }

    /// Where Contact says that requests to its sender are addressed; `None` where it names nothing that a request can be addressed to.
    #[must_use]
    pub fn target(&self) -> Option<&'a [u8]> {
        self.contact().map(|contact| contact.uri_text).filter(|uri| uri::is_addressable(uri))
    }

    /// Is Contact the `*` of a REGISTER that removes all bindings (RFC 3261 §10.2.2)?
    #[must_use]
    pub fn contact_is_star(&self) -> bool {
        self.header(Name::Contact) == Some(b"*")
    }

    /// Every Record-Route element as written, topmost first.
    pub fn record_routes(&self) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.list(Name::RecordRoute)
    }

    /// Every Route element as written, topmost first.
    pub fn routes(&self) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.list(Name::Route)
    }

    /// The elements of every line of a header whose grammar is a comma list.
    pub fn list(&self, name: Name) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.headers(name).flat_map(|value| -> Elements<'a> { lex::elements(value) })
    }

    /// The value of the first header of that name, trimmed, folds kept ([`crate::print::unfold`] takes them out).
    #[must_use]
    pub fn header(&self, name: Name) -> Option<&'a [u8]> {
        self.headers(name).next()
    }

    /// The values of all headers of that name in order. `Name::Other` gives all headers that have no name of their own.
    pub fn headers(&self, name: Name) -> impl Iterator<Item = &'a [u8]> + '_ {
        let mut at = self.fields.first[name as usize];
        let listed = core::iter::from_fn(move || {
            let field = self.fields.at(at)?;
            at = field.next_of_name;
            Some(field.value(self.text))
        });
        let more = self.fields.more(self.text).filter(move |line| line.name == name);
        listed.chain(more.map(|line| &self.text[line.value_at..line.value_end]))
    }

    /// The value of the first header spelled like this, in any case; for headers that [`Name`] does not know.
    #[must_use]
    pub fn header_named(&self, name: &[u8]) -> Option<&'a [u8]> {
        match Name::from_bytes(name) {
            Name::Other => self.all().find(|(text, _, _)| text.eq_ignore_ascii_case(name)).map(|(_, _, value)| value),
            known => self.header(known),
        }
    }

    /// Every header in order: its name as written, its name, its value.
    pub fn all(&self) -> impl Iterator<Item = (&'a [u8], Name, &'a [u8])> + '_ {
        let text = self.text;
        let listed = self.fields.list[..usize::from(self.fields.count)].iter().map(move |field| {
            (&text[usize::from(field.name_at)..usize::from(field.name_end)], field.name, field.value(text))
        });
        let more = self
            .fields
            .more(text)
            .map(move |line| (&text[line.at..line.name_end], line.name, &text[line.value_at..line.value_end]));
        listed.chain(more)
    }

    /// Max-Forwards, if it is there.
    #[must_use]
    pub fn max_forwards(&self) -> Option<u8> {
        self.max_forwards
    }

    /// Content-Type as written, if it is there.
    #[must_use]
    pub fn content_type(&self) -> Option<&'a [u8]> {
        self.header(Name::ContentType)
    }

    /// Is the body of this type? Case and parameters do not matter: `is_content_type(b"application/sdp")`.
    #[must_use]
    pub fn is_content_type(&self, wanted: &[u8]) -> bool {
        self.content_type().is_some_and(|value| {
            let end = memchr::memchr(b';', value).unwrap_or(value.len());
            lex::trim(&value[..end]).eq_ignore_ascii_case(wanted)
        })
    }

    /// The body: exactly Content-Length bytes; what follows in the datagram is ignored (RFC 3261 §18.3).
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The message from its start line to the end of its body.
    #[must_use]
    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    /// A number in a header that stands alone, such as Expires or RSeq.
    ///
    /// # Errors
    /// The header is there and is no number, or is larger than `max`.
    pub fn number(&self, name: Name, max: u64) -> Result<Option<u64>, Flaw> {
        match self.header(name) {
            None => Ok(None),
            Some(value) => lex::number(value, max).map(Some).ok_or(Flaw::header("not a number")),
        }
    }
}
