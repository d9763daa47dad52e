//! TLS 1.2 and 1.3 over a connection's bytes: no sockets here, only bytes in and bytes out.

use std::io::{Read, Write};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, Connection, DigitallySignedStruct, RootCertStore, ServerConfig, ServerConnection,
    SignatureScheme,
};
use shard::Transport;

use crate::listen::{Listen, TlsFiles};

/// What each TLS listener accepts and connects with, by the listener's place. Cheap to copy.
#[derive(Clone, Default)]
pub struct Keys {
    pairs: Arc<Vec<Option<Pair>>>,
}

/// One listener's certificates, as the side that accepts and as the side that connects.
#[derive(Clone)]
pub struct Pair {
    accepts: Arc<ServerConfig>,
    connects: Arc<ClientConfig>,
}

impl Keys {
    /// Reads the files of all TLS listeners.
    pub fn read(listens: &[Listen]) -> anyhow::Result<Keys> {
        let read = |listen: &Listen| match listen.transport {
            Transport::Tls => Pair::read(&listen.tls).with_context(|| format!("TLS on {}", listen.bind)).map(Some),
            Transport::Udp | Transport::Tcp => Ok(None),
        };
        Ok(Keys { pairs: Arc::new(listens.iter().map(read).collect::<anyhow::Result<_>>()?) })
    }

    /// A listener's.
    pub fn of(&self, listener: u8) -> Option<&Pair> {
        self.pairs.get(usize::from(listener))?.as_ref()
    }
}

impl Pair {
    fn read(files: &TlsFiles) -> anyhow::Result<Pair> {
        let (chain, key) = (certificates(&files.cert)?, private_key(&files.key)?);
        let mut roots = RootCertStore::empty();
        for certificate in files.ca.iter().map(|path| certificates(path)).collect::<anyhow::Result<Vec<_>>>()?.concat()
        {
            roots.add(certificate)?;
        }
        let (provider, roots) = (Arc::new(aws_lc_rs::default_provider()), Arc::new(roots));
        let accepts = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let accepts = match files.mutual {
            true => accepts.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone()).build()?,
            ),
            false => accepts.with_no_client_auth(),
        };
        let accepts = accepts.with_single_cert(chain.clone(), key.clone_key()).context("certificate and key")?;
        let connects = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let connects = match files.unverified {
            true => connects.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider))),
            false => connects.with_root_certificates(roots),
        };
        let connects = connects.with_client_auth_cert(chain, key).context("certificate and key")?;
        Ok(Pair { accepts: Arc::new(accepts), connects: Arc::new(connects) })
    }

    /// The side that somebody connected to.
    pub fn accept(&self) -> Option<Tls> {
        let connection = ServerConnection::new(self.accepts.clone()).ok()?;
        Some(Tls::new(connection.into(), true))
    }

    /// The side that connects; the peer must prove that it is this host or, without a name, this address.
    pub fn connect(&self, to: IpAddr, name: &str) -> Option<Tls> {
        let name = if name.is_empty() { ServerName::from(to) } else { ServerName::try_from(name.to_owned()).ok()? };
        let connection = ClientConnection::new(self.connects.clone(), name).ok()?;
        Some(Tls::new(connection.into(), false))
    }
}

fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = found.with_context(|| format!("certificates in {}", path.display()))?;
    anyhow::ensure!(!found.is_empty(), "no certificate in {}", path.display());
    Ok(found)
}

fn private_key(path: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path).with_context(|| format!("private key in {}", path.display()))
}

/// What came of some bytes.
#[derive(Debug, Default)]
pub struct Heard {
    /// The handshake came to its end, on the side that connects.
    pub stands: bool,
    /// The peer said good-bye, or what it says is no TLS that we take.
    pub ended: Option<String>,
}

/// TLS of one connection.
pub struct Tls {
    connection: Connection,
    stands: bool,
}

impl Tls {
    fn new(mut connection: Connection, stands: bool) -> Tls {
        // Everything is taken out at once; the ring and the shard bound what waits.
        connection.set_buffer_limit(None);
        Tls { connection, stands }
    }

    /// Bytes of the peer: what they say is appended to `plain`.
    pub fn hear(&mut self, mut bytes: &[u8], plain: &mut Vec<u8>) -> Heard {
        let mut heard = Heard::default();
        while !bytes.is_empty() && heard.ended.is_none() {
            heard.ended = match self.connection.read_tls(&mut bytes) {
                Ok(0) => Some("bytes behind the last word".to_owned()),
                Ok(_) => self.process(plain),
                Err(error) => Some(error.to_string()),
            };
        }
        if !self.stands && heard.ended.is_none() && !self.connection.is_handshaking() {
            self.stands = true;
            heard.stands = true;
        }
        heard
    }

    fn process(&mut self, plain: &mut Vec<u8>) -> Option<String> {
        match self.connection.process_new_packets() {
            Ok(state) => {
                // Reading what is there cannot fail; the end of the stream is the state's to tell.
                let wanted = plain.len() + state.plaintext_bytes_to_read();
                plain.resize(wanted, 0);
                let from = wanted - state.plaintext_bytes_to_read();
                let read = self.connection.reader().read_exact(&mut plain[from..]);
                read.err().map(|error| error.to_string()).or(state.peer_has_closed().then(|| "closed".to_owned()))
            }
            Err(error) => Some(error.to_string()),
        }
    }

    /// Bytes for the peer.
    pub fn say(&mut self, plain: &[u8]) {
        self.connection.writer().write_all(plain).expect("the buffer has no limit");
    }

    /// Appends what must be sent.
    pub fn take(&mut self, sealed: &mut Vec<u8>) {
        while self.connection.wants_write() {
            self.connection.write_tls(sealed).expect("memory takes all");
        }
    }

    /// Says good-bye, if the peer was greeted.
    pub fn part(&mut self, sealed: &mut Vec<u8>) {
        if !self.connection.is_handshaking() {
            self.connection.send_close_notify();
            self.take(sealed);
        }
    }
}

/// Believes everybody (`verify=no`), but still checks that the peer has the key of the certificate that it shows.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
