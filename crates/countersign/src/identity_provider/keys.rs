//! An issuer's public keys (RFC 7517), each fit for one algorithm, and signatures checked by them.

use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED, ED25519, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
    VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::fault::{Lie, ProviderFault};

/// The algorithms that ID tokens may be signed with: all asymmetric, none of them `none` (RFC 8725 §3.1, SEC-91).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenAlgorithm {
    Rs256,
    Ps256,
    Es256,
    EdDsa,
}

impl TokenAlgorithm {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "PS256" => Self::Ps256,
            "ES256" => Self::Es256,
            // The second is the first on Ed25519 by its full name (RFC 9864).
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }
}

/// An issuer's keys.
#[derive(Debug, Clone, Default)]
pub(super) struct KeySet(Vec<Key>);

#[derive(Debug, Clone)]
struct Key {
    kid: Option<String>,
    /// The algorithm that the key is for, where its issuer says so.
    only: Option<TokenAlgorithm>,
    /// Whose tokens the key may sign, where its issuer says so, as Entra does.
    issuer: Option<String>,
    material: Material,
}

#[derive(Debug, Clone)]
enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// Uncompressed: 4, then x, then y.
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    issuer: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Takes the keys that could sign an ID token; others, and such as are not understood, are passed over, as RFC 7517
    /// §5 wants it.
    ///
    /// # Errors
    /// [`Lie::Malformed`] where it is no set of keys.
    pub(super) fn parse(body: &[u8]) -> Result<Self, ProviderFault> {
        let document: Document = super::client::parse(body)?;
        let keys = document.keys.into_iter().filter_map(|key| Key::read(serde_json::from_value(key).ok()?));
        Ok(Self(keys.collect()))
    }

    /// How many of the keys could be used.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Checks a signature by the key of this id; without an id, by the one key that fits. It says whose tokens that key
    /// may sign, where its issuer says so.
    ///
    /// # Errors
    /// [`Lie::UnknownKey`] where no single key fits; [`Lie::Signature`].
    pub(super) fn verify(
        &self,
        algorithm: TokenAlgorithm,
        kid: Option<&str>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<Option<&str>, Lie> {
        let named = |key: &&Key| kid.is_none_or(|kid| key.kid.as_deref() == Some(kid));
        let mut fitting = self.0.iter().filter(named).filter(|key| key.fits(algorithm));
        let (Some(key), None) = (fitting.next(), fitting.next()) else { return Err(Lie::UnknownKey) };
        key.verify(algorithm, message, signature)?;
        Ok(key.issuer.as_deref())
    }
}

impl Key {
    fn read(jwk: Jwk) -> Option<Self> {
        if jwk.purpose.is_some_and(|purpose| purpose != "sig")
            || jwk.key_ops.is_some_and(|allowed| !allowed.iter().any(|it| it == "verify"))
        {
            return None;
        }
        let only = match jwk.alg {
            None => None,
            Some(name) => Some(TokenAlgorithm::named(&name)?),
        };
        let bytes = |part: Option<String>| URL_SAFE_NO_PAD.decode(part?).ok();
        let material = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => Material::Rsa { n: bytes(jwk.n)?, e: bytes(jwk.e)? },
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes(jwk.x)?, bytes(jwk.y)?);
                if x.len() != 32 || y.len() != 32 {
                    return None;
                }
                Material::P256([&[4], x.as_slice(), y.as_slice()].concat())
            }
            ("OKP", Some("Ed25519")) => Material::Ed25519(bytes(jwk.x)?),
            _ => return None,
        };
        Some(Self { kid: jwk.kid, only, issuer: jwk.issuer, material })
    }

    fn fits(&self, algorithm: TokenAlgorithm) -> bool {
        let by_kind = match self.material {
            Material::Rsa { .. } => matches!(algorithm, TokenAlgorithm::Rs256 | TokenAlgorithm::Ps256),
            Material::P256(_) => algorithm == TokenAlgorithm::Es256,
            Material::Ed25519(_) => algorithm == TokenAlgorithm::EdDsa,
        };
        by_kind && self.only.is_none_or(|only| only == algorithm)
    }

    fn verify(&self, algorithm: TokenAlgorithm, message: &[u8], signature: &[u8]) -> Result<(), Lie> {
        let plain = |algorithm: &'static dyn VerificationAlgorithm, key: &Vec<u8>| {
            UnparsedPublicKey::new(algorithm, key).verify(message, signature)
        };
        let verdict = match &self.material {
            Material::Rsa { n, e } => {
                // Both want at least 2,048 bits (RFC 7518 §3.3).
                let params: &'static RsaParameters = match algorithm {
                    TokenAlgorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
                    _ => &signature::RSA_PKCS1_2048_8192_SHA256,
                };
                RsaPublicKeyComponents { n, e }.verify(params, message, signature)
            }
            Material::P256(key) => plain(&ECDSA_P256_SHA256_FIXED, key),
            Material::Ed25519(key) => plain(&ED25519, key),
        };
        verdict.map_err(|_| Lie::Signature)
    }
}
