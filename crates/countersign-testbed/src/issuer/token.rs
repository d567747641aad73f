//! The token endpoint: it checks what an honest one checks, and signs what it was told to say.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::keys::{Key, encode, hs256, sha256};
use super::{Issuer, State, Twist, put};
use crate::web::{Asked, Said};

impl State {
    pub(super) fn token(&mut self, asked: &Asked) -> Said {
        let given = |name: &str| asked.form.get(name).map(String::as_str).unwrap_or_default();
        let refuse = |status, error: &str| Said::json(status, &json!({"error": error}));
        if given("grant_type") != "authorization_code" {
            return refuse(400, "unsupported_grant_type");
        }
        if client(asked) != Some((Issuer::CLIENT_ID.to_owned(), Issuer::CLIENT_SECRET.to_owned())) {
            return refuse(401, "invalid_client");
        }
        // A code is good once, whatever becomes of it.
        let Some(code) = self.codes.remove(given("code")) else { return refuse(400, "invalid_grant") };
        if code.redirect_uri != given("redirect_uri") || code.challenge != sha256(given("code_verifier")) {
            return refuse(400, "invalid_grant");
        }
        self.issued += 1;
        let access_token = format!("access-{}-{}", self.issued, sha256(given("code")));
        self.tokens.insert(access_token.clone(), self.person.subject.clone());
        let mut answer = json!({
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": 300,
            "id_token": self.id_token(&access_token, code.nonce.as_deref()),
        });
        if let Some(Twist::TokenAnswer(member, value)) = &self.twist {
            put(&mut answer, member, value);
        }
        Said::json(200, &answer)
    }

    pub(super) fn id_token(&self, access_token: &str, nonce: Option<&str>) -> String {
        let now = self.now();
        let mut claims = if self.thin { json!({}) } else { json!(self.person.claims) };
        for (claim, value) in [
            ("iss", json!(self.url)),
            ("sub", json!(self.person.subject)),
            ("aud", json!(Issuer::CLIENT_ID)),
            ("iat", json!(now)),
            ("exp", json!(now + 300)),
            ("nonce", json!(nonce)),
            ("at_hash", json!(self.key.left_half(access_token))),
        ] {
            put(&mut claims, claim, &value);
        }
        let mut header = json!({"alg": self.key.algorithm.name(), "typ": "JWT", "kid": self.key.kid});
        match &self.twist {
            Some(Twist::Claim(claim, value)) => put(&mut claims, claim, value),
            Some(Twist::Header(member, value)) => put(&mut header, member, value),
            Some(Twist::NoKeyIds) => put(&mut header, "kid", &Value::Null),
            Some(Twist::UnknownKey) => header["kid"] = "nobody's".into(),
            Some(Twist::IdToken(token)) => return token.clone(),
            _ => {}
        }
        let mut payload = claims.to_string();
        if let Some(Twist::ClaimTwice(claim)) = &self.twist {
            payload = payload.replacen('{', &format!("{{\"{claim}\":{},", claims[claim]), 1);
        }
        self.signed(header, &payload)
    }

    fn signed(&self, mut header: Value, payload: &str) -> String {
        let foreign = || Key::generate(&self.key.kid, self.key.algorithm);
        let message = |header: &Value| {
            format!("{}.{}", encode(header.to_string().as_bytes()), encode(payload.as_bytes()))
        };
        let whole = |message: &str, signature: &[u8]| format!("{message}.{}", encode(signature));
        match &self.twist {
            Some(Twist::Unsigned) => {
                header["alg"] = "none".into();
                whole(&message(&header), b"")
            }
            Some(Twist::SignedByClientSecret) => {
                header["alg"] = "HS256".into();
                let message = message(&header);
                whole(&message, &hs256(Issuer::CLIENT_SECRET.as_bytes(), message.as_bytes()))
            }
            Some(Twist::SignedByPublicKey) => {
                header["alg"] = "HS256".into();
                let message = message(&header);
                whole(&message, &hs256(self.key.jwk().to_string().as_bytes(), message.as_bytes()))
            }
            Some(Twist::ForeignKey) => {
                let message = message(&header);
                whole(&message, &foreign().sign(message.as_bytes()))
            }
            Some(Twist::ForeignKeyBrought) => {
                let key = foreign();
                header["jwk"] = key.jwk();
                let message = message(&header);
                whole(&message, &key.sign(message.as_bytes()))
            }
            Some(Twist::ChangedAfterSigning) => {
                let signature = self.key.sign(message(&header).as_bytes());
                let changed = payload.replacen("\"sub\":\"", "\"sub\":\"another-", 1);
                let head = encode(header.to_string().as_bytes());
                whole(&format!("{head}.{}", encode(changed.as_bytes())), &signature)
            }
            _ => {
                let message = message(&header);
                whole(&message, &self.key.sign(message.as_bytes()))
            }
        }
    }
}

/// Who asks, and by what secret: from the header or from the form, never from both (RFC 6749 §2.3).
fn client(asked: &Asked) -> Option<(String, String)> {
    let posted = asked.form.get("client_id").cloned().zip(asked.form.get("client_secret").cloned());
    let basic = asked.headers.get("authorization").and_then(|value| value.strip_prefix("Basic "));
    let Some(basic) = basic else { return posted };
    let decoded = String::from_utf8(STANDARD.decode(basic).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let decode = |text: &str| {
        form_urlencoded::parse(format!("x={text}").as_bytes()).next().map(|(_, value)| value.into_owned())
    };
    if posted.is_some() { None } else { decode(id).zip(decode(secret)) }
}
