//! A cluster that speaks TLS, with an authority made for the occasion.

use std::path::PathBuf;

use crate::certificate::{Authorities, Certificate, write_private};
use crate::cluster::Cluster;
use crate::installation;
use crate::wait::poll;

/// A cluster with a certificate for `127.0.0.1`.
pub struct Tls {
    /// The cluster.
    pub cluster: Cluster,
    authorities: Authorities,
}

impl Tls {
    /// Starts a fast cluster, and switches TLS on.
    ///
    /// # Panics
    ///
    /// Where it can't be switched on.
    pub fn start() -> Self {
        let cluster = Cluster::start_fast();
        let certificate = Certificate::for_name("127.0.0.1");
        let data = cluster.own_server().data();
        for (name, text) in [("server.crt", &certificate.certificate), ("server.key", &certificate.key)] {
            let path = data.join(name);
            write_private(&path, text);
            installation::give_away(&path);
        }
        cluster.execute("ALTER SYSTEM SET ssl = on");
        cluster.execute("SELECT pg_reload_conf()");
        let is_on = || (cluster.query_text("SHOW ssl")[0][0].as_deref() == Some("on")).then_some(());
        assert!(poll(is_on).is_some(), "TLS is not on:\n{}", cluster.log());
        Self { cluster, authorities: Authorities::of(&certificate) }
    }

    /// The certificate of the authority that vouches for the server.
    pub fn authority(&self) -> PathBuf {
        self.authorities.right()
    }

    /// The certificate of an authority that doesn't.
    pub fn foreign_authority(&self) -> PathBuf {
        self.authorities.foreign()
    }
}
