//! How messages travel (`-t`), and the files that TLS wants.

/// What carries messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// UDP.
    #[default]
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
}

/// How messages travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transport {
    /// Over what.
    pub protocol: Protocol,
    /// Which calls share a socket or connection.
    pub shared: Shared,
}

/// Which calls share a socket or connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shared {
    /// All.
    #[default]
    All,
    /// None: each has its own.
    Alone,
    /// Those of one local address, which a file of values names (`-ip_field`).
    Address,
}

impl Transport {
    /// Reads `u1`, `un`, `ui`, `t1`, `tn`, `l1` or `ln`.
    pub fn read(text: &str) -> Result<Transport, String> {
        let (protocol, shared) = match text {
            "u1" => (Protocol::Udp, Shared::All),
            "un" => (Protocol::Udp, Shared::Alone),
            "ui" => (Protocol::Udp, Shared::Address),
            "t1" => (Protocol::Tcp, Shared::All),
            "tn" => (Protocol::Tcp, Shared::Alone),
            "l1" => (Protocol::Tls, Shared::All),
            "ln" => (Protocol::Tls, Shared::Alone),
            "s1" | "sn" => return Err(format!("-t {text} is not supported: SCTP is not spoken")),
            "c1" | "cn" => return Err(format!("-t {text} is not supported: messages are not compressed")),
            _ => return Err(format!("-t {text}: want u1, un, ui, t1, tn, l1 or ln")),
        };
        Ok(Transport { protocol, shared })
    }

    /// Over UDP.
    pub fn datagrams(self) -> bool {
        self.protocol == Protocol::Udp
    }

    /// As Via and `[transport]` name it.
    pub fn name(self) -> &'static str {
        match self.protocol {
            Protocol::Udp => "UDP",
            Protocol::Tcp => "TCP",
            Protocol::Tls => "TLS",
        }
    }
}

/// Files of PEM that TLS wants, as SIPp names them.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    /// `-tls_cert`: our certificate and those that vouch for it; `cacert.pem` without.
    pub cert: Option<String>,
    /// `-tls_key`: its key; `cakey.pem` without.
    pub key: Option<String>,
    /// `-tls_ca`: who vouches for the other side; without, anybody is believed.
    pub ca: Option<String>,
    /// `-tls_crl`: certificates that were revoked.
    pub crl: Option<String>,
    /// `-tls_version`: only this one, `1.2` or `1.3`.
    pub version: Option<String>,
}
