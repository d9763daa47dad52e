//! The line's encryption: TLS 1.3 between keys that are drawn for it and forgotten with it (RFC 7250). They say nothing of who the other
//! side is; the token's proof does, and it covers what only the two ends of one encryption know (RFC 5705), so that nobody stands between.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use aws_lc_rs::signature::Ed25519KeyPair;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs as provider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    ClientConfig, ClientConnection, Connection, DigitallySignedStruct, Error, PeerIncompatible, ServerConfig,
    ServerConnection, SignatureScheme,
};

use super::line::Role;

/// Bytes read from the network at a time.
const PIECE: usize = 16 << 10;
const LABEL: &[u8] = b"EXPORTER-tandem-loadtest-agents";

/// What only the two ends of one encryption know.
pub type Binding = [u8; 32];

/// One handle on an encrypted connection; one of them hears at a time.
pub struct Tunnel {
    stream: TcpStream,
    sealed: Arc<Mutex<Sealed>>,
}

struct Sealed {
    tls: Connection,
    /// What came, in the plain.
    heard: VecDeque<u8>,
}

impl Tunnel {
    /// Greets the other side.
    pub fn dig(mut stream: TcpStream, role: Role) -> Result<(Tunnel, Binding)> {
        let mut tls = match role {
            Role::Agent => accepting()?,
            Role::Controller => connecting()?,
        };
        tls.set_buffer_limit(None);
        while tls.is_handshaking() {
            tls.complete_io(&mut stream).context("the line broke before it was encrypted")?;
        }
        let binding = tls.export_keying_material([0; 32], LABEL, None).context("no encrypted line")?;
        let sealed = Arc::new(Mutex::new(Sealed { tls, heard: VecDeque::new() }));
        Ok((Tunnel { stream, sealed }, binding))
    }

    /// Another handle.
    pub fn split(&self) -> io::Result<Tunnel> {
        Ok(Tunnel { stream: self.stream.try_clone()?, sealed: self.sealed.clone() })
    }

    /// How long a silence may last; none for ever.
    pub fn patience(&self, patience: Option<Duration>) -> io::Result<()> {
        self.stream.set_read_timeout(patience)
    }

    fn sealed(&self) -> MutexGuard<'_, Sealed> {
        self.sealed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends all of it.
    pub fn say(&mut self, plain: &[u8]) -> io::Result<()> {
        // Kept until all is sent: what two handles say must not be mixed.
        let mut sealed = self.sealed.lock().unwrap_or_else(PoisonError::into_inner);
        sealed.tls.writer().write_all(plain)?;
        while sealed.tls.wants_write() {
            sealed.tls.write_tls(&mut self.stream)?;
        }
        Ok(())
    }

    /// Waits until so much has come.
    pub fn hear(&mut self, out: &mut [u8]) -> io::Result<()> {
        let mut have = 0;
        let mut piece = [0; PIECE];
        loop {
            have += self.sealed().heard.read(&mut out[have..])?;
            if have == out.len() {
                return Ok(());
            }
            // Nothing is locked meanwhile: another handle may speak.
            let length = self.stream.read(&mut piece)?;
            if length == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.sealed().unseal(&piece[..length])?;
        }
    }
}

impl Sealed {
    fn unseal(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let Sealed { tls, heard } = self;
        while !bytes.is_empty() && tls.read_tls(&mut bytes)? > 0 {
            tls.process_new_packets().map_err(io::Error::other)?;
            // It ends with "nothing there for now"; what was there is kept by then.
            let _ = io::copy(&mut tls.reader(), heard);
        }
        Ok(())
    }
}

fn accepting() -> Result<Connection> {
    let provider = Arc::new(provider::default_provider());
    let key = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8()).context("no key can be drawn")?;
    let key = provider.key_provider.load_private_key(PrivatePkcs8KeyDer::from(key.as_ref()).clone_key().into())?;
    let public = key.public_key().context("a key without its public half")?.to_vec();
    let key = Arc::new(CertifiedKey::new(vec![CertificateDer::from(public)], key));
    let accepts = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13])?;
    let accepts =
        accepts.with_no_client_auth().with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(key)));
    Ok(ServerConnection::new(Arc::new(accepts))?.into())
}

fn connecting() -> Result<Connection> {
    let provider = Arc::new(provider::default_provider());
    let connects = ClientConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[&TLS13])?;
    let connects = connects.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)));
    let name = ServerName::try_from("agent").context("a name")?;
    Ok(ClientConnection::new(Arc::new(connects.with_no_client_auth()), name)?.into())
}

/// Believes anybody who has the key that it shows: who it is, the token's proof tells.
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
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOfferedOrEnabled.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        let key = SubjectPublicKeyInfoDer::from(key.as_ref());
        verify_tls13_signature_with_raw_key(message, &key, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
