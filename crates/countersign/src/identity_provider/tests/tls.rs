//! An issuer behind TLS: its certificate must be good for its name, by an authority that is trusted.

use std::sync::Arc;

use countersign_testbed::{Certificate, Issuer, SigningAlgorithm};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::*;

/// Speaks TLS with this certificate, and says on what it hears to somebody on this machine. It returns its port.
async fn front(certificate: &Certificate, to: u16) -> u16 {
    let chain = vec![CertificateDer::from_pem_slice(certificate.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).unwrap();
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(crypto).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Whoever does not believe the certificate goes away.
                let Ok(mut outside) = acceptor.accept(socket).await else { return };
                let mut inside = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    port
}

/// A sign-in at an issuer that shows this certificate as `localhost`, by somebody who trusts this authority.
async fn whole(certificate: &Certificate, trusted: &str) -> Result<Vouched, ProviderFault> {
    let issuer = Issuer::start_with(SigningAlgorithm::EdDsa);
    let plain = Url::parse(&issuer.url()).unwrap();
    let port = front(certificate, plain.port().unwrap()).await;
    let url = format!("https://localhost:{port}");
    issuer.set_url(&url);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap()).unwrap();
    let client = Client::trusting(roots, Bounds::default()).unwrap();
    let trip = Trip::asking(&client, "idp", registration(Issuer::CLIENT_ID, Issuer::CLIENT_SECRET, &url));
    let to = trip.provider().authorization_url(&trip.asked()).await?;
    assert!(to.as_str().starts_with(&url), "{to}");
    // The browser's own TLS is not what is tested.
    let mut beside = plain;
    beside.set_path(to.path());
    beside.set_query(to.query());
    trip.redeem(&follow(&beside)).await
}

// SEC-92
#[tokio::test]
async fn an_issuer_with_a_good_certificate_is_believed() {
    let good = Certificate::for_name("localhost");
    let vouched = whole(&good, &good.authority).await.unwrap();
    assert!(vouched.issuer.starts_with("https://localhost:") && vouched.email_verified);
}

// SEC-92
#[tokio::test]
async fn a_certificate_of_another_name_or_authority_is_not_believed() {
    let (good, other) = (Certificate::for_name("localhost"), Certificate::for_name("idp.example.com"));
    for (shown, trusted) in [(&good, &other), (&other, &other)] {
        assert_eq!(whole(shown, &trusted.authority).await.unwrap_err().word(), "unavailable");
    }
}
