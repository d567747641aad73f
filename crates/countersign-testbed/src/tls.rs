//! A cluster that speaks TLS, with an authority made for the occasion.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::cluster::Cluster;
use crate::installation;
use crate::wait::poll;

/// A cluster with a certificate for `127.0.0.1`.
pub struct Tls {
    /// The cluster.
    pub cluster: Cluster,
    folder: tempfile::TempDir,
}

impl Tls {
    /// Starts a fast cluster, and switches TLS on.
    ///
    /// # Panics
    ///
    /// Where it can't be switched on.
    pub fn start() -> Self {
        let cluster = Cluster::start_fast();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let issuer = authority("an authority for tests");
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");
        write(&folder.path().join("authority.pem"), &issuer.pem());
        write(&folder.path().join("foreign.pem"), &authority("another authority").pem());
        let data = cluster.own_server().data();
        for (name, text) in [("server.crt", certificate.pem()), ("server.key", key.serialize_pem())] {
            let path = data.join(name);
            write(&path, &text);
            installation::give_away(&path);
        }
        cluster.execute("ALTER SYSTEM SET ssl = on");
        cluster.execute("SELECT pg_reload_conf()");
        let is_on = || (cluster.query_text("SHOW ssl")[0][0].as_deref() == Some("on")).then_some(());
        assert!(poll(is_on).is_some(), "TLS is not on:\n{}", cluster.log());
        Self { cluster, folder }
    }

    /// The certificate of the authority that vouches for the server.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// The certificate of an authority that doesn't.
    pub fn foreign_authority(&self) -> PathBuf {
        self.folder.path().join("foreign.pem")
    }
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate")
}

/// PostgreSQL takes no key that others may read.
fn write(path: &Path, text: &str) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
