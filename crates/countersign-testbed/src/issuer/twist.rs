//! The ways in which an issuer of tests can lie.

use serde_json::Value;

/// One departure from the truth. Those that have a text name the member that they put something else into; `Null` takes
/// it out.
#[derive(Debug, Clone, PartialEq)]
pub enum Twist {
    /// A member of the discovery document is this.
    Discovery(&'static str, Value),
    /// A claim of the ID token is this.
    Claim(&'static str, Value),
    /// A member of the ID token's header is this.
    Header(&'static str, Value),
    /// A claim of userinfo is this.
    Userinfo(&'static str, Value),
    /// A member of the token endpoint's answer is this.
    TokenAnswer(&'static str, Value),
    /// A parameter of the answer in the browser is this.
    Redirect(&'static str, Value),
    /// The ID token has no signature, and says so: `alg` is `none`.
    Unsigned,
    /// The ID token is signed by the client secret: `HS256`.
    SignedByClientSecret,
    /// The ID token is signed by the text of the issuer's public key: `HS256`.
    SignedByPublicKey,
    /// The ID token is signed by a key that is nobody's, under the id of the issuer's.
    ForeignKey,
    /// The ID token is signed by a key that is nobody's, and brings it along in its header.
    ForeignKeyBrought,
    /// The ID token names a key that the issuer doesn't have.
    UnknownKey,
    /// The claims were changed after they were signed.
    ChangedAfterSigning,
    /// A claim stands twice in the ID token.
    ClaimTwice(&'static str),
    /// The issuer's keys are these.
    Keys(Value),
    /// The keys come without their ids, and the ID token too.
    NoKeyIds,
    /// The ID token is this text.
    IdToken(String),
}
