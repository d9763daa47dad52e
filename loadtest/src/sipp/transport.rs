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
    /// Each call has a socket or connection of its own.
    pub each: bool,
}

impl Transport {
    /// Reads `u1`, `un`, `t1`, `tn`, `l1` or `ln`.
    pub fn read(text: &str) -> Result<Transport, String> {
        let (protocol, each) = match text {
            "u1" => (Protocol::Udp, false),
            "un" => (Protocol::Udp, true),
            "t1" => (Protocol::Tcp, false),
            "tn" => (Protocol::Tcp, true),
            "l1" => (Protocol::Tls, false),
            "ln" => (Protocol::Tls, true),
            _ => return Err(format!("-t {text}: want u1, un, t1, tn, l1 or ln")),
        };
        Ok(Transport { protocol, each })
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
