//! Checks Countersign access tokens: no database, no server.
//!
//! A resource server needs a [`Verifier`] and the `Authorization` header of a request, nothing else:
//!
//! ```
//! use countersign_token::{HmacKey, NewToken, Signer, Verifier, from_authorization};
//!
//! let key = HmacKey::new(b"a key of at least thirty-two bytes, from a file")?;
//! let verifier = Verifier::builder().key(key.clone()).issuer("https://auth.example.com").build()?;
//!
//! // What the service does when somebody signs in:
//! let signer = Signer::new(key, "https://auth.example.com", None);
//! let token = signer.sign(&NewToken {
//!     subject: "42",
//!     sign_in: "7",
//!     token_id: "b1",
//!     issued_at: 1_700_000_000,
//!     expires_at: 1_700_000_600,
//! });
//!
//! // What a resource server does with each request:
//! let header = format!("Bearer {token}");
//! let claims = verifier.verify(from_authorization(&header)?, 1_700_000_300)?;
//! assert_eq!(claims.subject, "42");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The order of the modules is the order of import: a module uses only those listed above it.

mod refusal;

mod base64url;

mod json;

mod claims;

mod key;

mod signer;

mod jose;

mod clock;

mod verifier;

mod authorization;

mod jwks;

#[cfg(feature = "axum")]
pub mod axum;

pub use authorization::from_authorization;
pub use claims::{Claims, Glance};
pub use clock::{Clock, system_clock};
pub use jwks::{Jwk, JwkSet};
pub use key::{Algorithm, HmacKey, KeyError, SigningKey, VerifyingKey};
pub use refusal::Refusal;
pub use signer::{NewToken, Signer};
pub use verifier::{MAX_TOKEN_LENGTH, Verifier, VerifierBuilder, VerifierError};
