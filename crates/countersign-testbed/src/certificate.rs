//! Certificates made for the occasion, with the authority that vouches for each.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate with the authority that vouches for it, all as PEM.
#[derive(Debug)]
pub struct Certificate {
    /// The authority's own certificate.
    pub authority: String,
    /// The server's certificate.
    pub certificate: String,
    /// The server's key.
    pub key: String,
}

impl Certificate {
    /// A certificate for this name, by an authority of its own.
    ///
    /// # Panics
    ///
    /// Where it is no name.
    #[must_use]
    pub fn for_name(name: &str) -> Self {
        Self::for_names(&[name])
    }

    pub(crate) fn for_names(names: &[&str]) -> Self {
        let issuer = authority("an authority of tests");
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).expect("names");
        let certificate = params.signed_by(&key, &issuer).expect("a certificate").pem();
        Self { authority: issuer.pem(), certificate, key: key.serialize_pem() }
    }

    pub(crate) fn server_config(&self) -> Arc<ServerConfig> {
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key);
        Arc::new(config.expect("a certificate and its key"))
    }
}

/// The certificates of two authorities as files: of the one that vouches for a server, and of one that doesn't.
#[derive(Debug)]
pub(crate) struct Authorities(tempfile::TempDir);

impl Authorities {
    pub(crate) fn of(certificate: &Certificate) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write_private(&folder.path().join("authority.pem"), &certificate.authority);
        write_private(&folder.path().join("foreign.pem"), &authority("another authority").pem());
        Self(folder)
    }

    pub(crate) fn right(&self) -> PathBuf {
        self.0.path().join("authority.pem")
    }

    pub(crate) fn foreign(&self) -> PathBuf {
        self.0.path().join("foreign.pem")
    }
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate")
}

/// PostgreSQL takes no key that others may read.
pub(crate) fn write_private(path: &Path, text: &str) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
