//! Request methods by name.

macro_rules! methods {
    ($($variant:ident $text:literal,)*) => {
        /// A request method. Methods are case sensitive (RFC 3261 §7.1), so `invite` is `Other`.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum Method {
            $(#[doc = concat!("`", $text, "`")] $variant,)*
            /// Any other token; its text stands beside it in the message.
            Other,
        }

        impl Method {
            /// The method's name on the wire; empty for `Other`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Method::$variant => $text,)*
                    Method::Other => "",
                }
            }
        }

        const ALL: &[Method] = &[$(Method::$variant,)*];
    };
}

methods! {
    Invite "INVITE",
    Ack "ACK",
    Bye "BYE",
    Cancel "CANCEL",
    Options "OPTIONS",
    Register "REGISTER",
    Prack "PRACK",
    Update "UPDATE",
    Info "INFO",
    Refer "REFER",
    Notify "NOTIFY",
    Subscribe "SUBSCRIBE",
    Message "MESSAGE",
    Publish "PUBLISH",
}

impl Method {
    /// The method of this place in the list of those that have a name.
    #[must_use]
    pub fn at(place: u8) -> Method {
        ALL.get(usize::from(place)).copied().unwrap_or(Method::Other)
    }

    /// The method that these bytes name.
    #[must_use]
    pub fn from_bytes(text: &[u8]) -> Method {
        ALL.iter().copied().find(|method| method.as_str().as_bytes() == text).unwrap_or(Method::Other)
    }
}
