//! The key set that a service publishes (RFC 7517 §5): public halves only.

use serde::Serialize;

use crate::key::VerifyingKey;

/// A published key.
///
/// It has no variants: the only algorithm so far is HS256, whose key is secret and can therefore not even be written
/// as one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum Jwk {}

/// The document at `/.well-known/jwks.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct JwkSet {
    /// The public keys, current one first; none for HS256.
    pub keys: Vec<Jwk>,
}

impl JwkSet {
    /// What may be published of these keys.
    pub fn publish<'a>(keys: impl IntoIterator<Item = &'a VerifyingKey>) -> Self {
        Self { keys: keys.into_iter().filter_map(public_half).collect() }
    }
}

fn public_half(key: &VerifyingKey) -> Option<Jwk> {
    match key {
        VerifyingKey::Hmac(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::JwkSet;
    use crate::key::{HmacKey, VerifyingKey};

    // SEC-39
    #[test]
    fn an_hmac_key_is_never_published() {
        let key = VerifyingKey::from(HmacKey::new(&[7; 32]).unwrap());
        assert_eq!(serde_json::to_string(&JwkSet::publish([&key])).unwrap(), r#"{"keys":[]}"#);
    }
}
