//! TLS over a connection's bytes (`-t l1`, `-t ln`): sealed bytes in, plain bytes out, and back.

use std::io::{Read, Write};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, Connection, DigitallySignedStruct, Error, RootCertStore,
    ServerConfig, ServerConnection, SignatureScheme, SupportedProtocolVersion, version,
};

use super::transport::TlsFiles;

/// Files that SIPp reads where none is named.
const USUAL_CERT: &str = "cacert.pem";
const USUAL_KEY: &str = "cakey.pem";

/// What connections are accepted and made with.
pub struct Keys {
    /// Nobody can be accepted without a certificate.
    accepts: Option<Arc<ServerConfig>>,
    connects: Arc<ClientConfig>,
}

type Proof = Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>;

fn told(what: &str, name: &str) -> impl Fn(pem::Error) -> String {
    move |error| format!("{what} in {name}: {error}")
}

/// Everything of one kind in a file; an empty one is a mistake.
fn all<T: PemObject>(what: &str, name: &str) -> Result<Vec<T>, String> {
    let found: Vec<T> = T::pem_file_iter(name).and_then(Iterator::collect::<Result<_, _>>).map_err(told(what, name))?;
    if found.is_empty() { Err(format!("no {what} in {name}")) } else { Ok(found) }
}

impl Keys {
    /// Reads the files. Without any that says who we are, connections can be made but not accepted.
    pub fn read(files: &TlsFiles) -> Result<Keys, String> {
        let versions: &[&SupportedProtocolVersion] = match files.version.as_deref() {
            None => &[&version::TLS13, &version::TLS12],
            Some("1.2") => &[&version::TLS12],
            Some("1.3") => &[&version::TLS13],
            Some(other) => return Err(format!("-tls_version {other}: 1.2 and 1.3 are spoken here, as RFC 8996 asks")),
        };
        let provider = Arc::new(aws_lc_rs::default_provider());
        let roots = files.ca.as_deref().map(roots).transpose()?;
        let crls = files.crl.as_deref().map_or(Ok(Vec::new()), |name| all("revocation list", name))?;
        if roots.is_none() && !crls.is_empty() {
            return Err("-tls_crl revokes what -tls_ca vouches for: name both".to_owned());
        }
        let sound = |error: &dyn std::fmt::Display| format!("TLS: {error}");
        let proof = proof(files)?;
        let connects = ClientConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions);
        let verifier = Verifier::new(roots.clone(), crls.clone(), provider.clone())?;
        let connects = connects.map_err(|error| sound(&error))?.dangerous().with_custom_certificate_verifier(verifier);
        let connects = match &proof {
            Some((chain, key)) => connects.with_client_auth_cert(chain.clone(), key.clone_key()),
            None => Ok(connects.with_no_client_auth()),
        };
        let accepts = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions);
        let accepts = accepts.map_err(|error| sound(&error))?;
        let accepts = match roots {
            None => accepts.with_no_client_auth(),
            Some(roots) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).with_crls(crls).build();
                accepts.with_client_cert_verifier(verifier.map_err(|error| sound(&error))?)
            }
        };
        let accepts = proof.map(|(chain, key)| accepts.with_single_cert(chain, key)).transpose();
        Ok(Keys {
            accepts: accepts.map_err(|error| sound(&error))?.map(Arc::new),
            connects: Arc::new(connects.map_err(|error| sound(&error))?),
        })
    }

    /// True if others can connect to us.
    pub fn accepting(&self) -> bool {
        self.accepts.is_some()
    }

    /// The side that somebody connected to.
    pub fn accept(&self) -> Option<Seal> {
        let connection = ServerConnection::new(self.accepts.clone()?).ok()?;
        Some(Seal::new(connection.into()))
    }

    /// The side that connects.
    pub fn connect(&self, to: IpAddr) -> Option<Seal> {
        let connection = ClientConnection::new(self.connects.clone(), ServerName::from(to)).ok()?;
        Some(Seal::new(connection.into()))
    }
}

fn roots(name: &str) -> Result<Arc<RootCertStore>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in all::<CertificateDer<'_>>("certificate", name)? {
        roots.add(certificate).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(Arc::new(roots))
}

/// Who we are: by the files that are named, or those that SIPp would read, where they are there.
fn proof(files: &TlsFiles) -> Result<Proof, String> {
    let named = files.cert.is_some() || files.key.is_some();
    let cert = files.cert.as_deref().unwrap_or(USUAL_CERT);
    let key = files.key.as_deref().unwrap_or(USUAL_KEY);
    if !named && !Path::new(cert).is_file() {
        return Ok(None);
    }
    let chain = all("certificate", cert)?;
    Ok(Some((chain, PrivateKeyDer::from_pem_file(key).map_err(told("private key", key))?)))
}

/// TLS of one connection.
pub struct Seal {
    connection: Connection,
}

impl Seal {
    fn new(mut connection: Connection) -> Seal {
        // What is said before the greeting is over waits here; the scenario bounds it.
        connection.set_buffer_limit(None);
        Seal { connection }
    }

    /// The greeting is over.
    pub fn stands(&self) -> bool {
        !self.connection.is_handshaking()
    }

    /// Sealed bytes came: what they say is appended to `plain`. An error if they are no TLS that we take.
    pub fn hear(&mut self, mut bytes: &[u8], plain: &mut Vec<u8>) -> Result<(), String> {
        while !bytes.is_empty() {
            // Nothing counts behind the other side's good-bye; the connection's end follows.
            if self.connection.read_tls(&mut bytes).map_err(|error| error.to_string())? == 0 {
                break;
            }
            self.connection.process_new_packets().map_err(|error| error.to_string())?;
            // It ends with "nothing there for now"; what was there is in the buffer by then.
            let _ = self.connection.reader().read_to_end(plain);
        }
        Ok(())
    }

    /// Something for the other side.
    pub fn say(&mut self, plain: &[u8]) {
        self.connection.writer().write_all(plain).expect("the buffer has no limit");
    }

    /// Good-bye for the other side.
    pub fn part(&mut self) {
        self.connection.send_close_notify();
    }

    /// Appends what must be sent.
    pub fn take(&mut self, sealed: &mut Vec<u8>) {
        while self.connection.wants_write() {
            self.connection.write_tls(sealed).expect("memory takes all");
        }
    }
}

/// Believes who somebody of `-tls_ca` vouches for, whatever it is called, as SIPp does; without `-tls_ca` anybody who has the key of the
/// certificate that it shows.
#[derive(Debug)]
struct Verifier {
    vouched: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn new(
        roots: Option<Arc<RootCertStore>>,
        crls: Vec<CertificateRevocationListDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<Verifier>, String> {
        let build =
            |roots| WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).with_crls(crls).build();
        let vouched = roots.map(build).transpose().map_err(|error| format!("TLS: {error}"))?;
        Ok(Arc::new(Verifier { vouched, provider }))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.vouched.as_ref().map(|by| by.verify_server_cert(shown, between, name, ocsp, now));
        match verdict {
            // The name is looked at last: all the rest is in order.
            Some(Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )))
            | None => Ok(ServerCertVerified::assertion()),
            Some(verdict) => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, shown, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, shown, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
