//! Makes access tokens.

use std::fmt::Write as _;

use crate::base64url;
use crate::key::{SigningKey, header_segment};

/// What differs from token to token. Times are whole seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct NewToken<'a> {
    /// `sub`: the id of the user; not empty.
    pub subject: &'a str,
    /// `sid`: the sign-in that the token belongs to; not empty.
    pub sign_in: &'a str,
    /// `jti`: the id of this very token; not empty.
    pub token_id: &'a str,
    /// `iat`: now.
    pub issued_at: i64,
    /// `exp`: the first second in which the token is no longer good.
    pub expires_at: i64,
}

/// Signs access tokens under one key, for one issuer and at most one audience.
#[derive(Clone, Debug)]
pub struct Signer {
    key: SigningKey,
    /// The header segment and its dot.
    head: String,
    /// The end of every payload: the claims that never change.
    tail: String,
}

impl Signer {
    /// A signer whose tokens say `iss`, and `aud` where there is one.
    pub fn new(key: impl Into<SigningKey>, issuer: &str, audience: Option<&str>) -> Self {
        let key = key.into();
        let mut head = header_segment(key.algorithm(), key.kid());
        head.push('.');
        let mut tail = String::from(r#","token_type":"access","iss":"#);
        push_json_string(issuer, &mut tail);
        if let Some(audience) = audience {
            tail.push_str(r#","aud":"#);
            push_json_string(audience, &mut tail);
        }
        tail.push('}');
        Self { key, head, tail }
    }

    /// The signed token. A token that no verifier would take (an empty id, a time outside 0 to 2^53 - 1) is the
    /// caller's mistake and is signed all the same.
    pub fn sign(&self, new: &NewToken<'_>) -> String {
        let ids = new.subject.len() + new.sign_in.len() + new.token_id.len();
        let mut payload = String::with_capacity(ids + self.tail.len() + 80);
        payload.push_str(r#"{"sub":"#);
        push_json_string(new.subject, &mut payload);
        // Writing to a `String` can't fail.
        let _ = write!(payload, r#","iat":{},"exp":{},"jti":"#, new.issued_at, new.expires_at);
        push_json_string(new.token_id, &mut payload);
        payload.push_str(r#","sid":"#);
        push_json_string(new.sign_in, &mut payload);
        payload.push_str(&self.tail);

        let mut token = String::with_capacity(self.head.len() + payload.len().div_ceil(3) * 4 + 45);
        token.push_str(&self.head);
        base64url::encode_into(payload.as_bytes(), &mut token);
        let mut signature = String::with_capacity(44);
        self.key.sign(token.as_bytes(), &mut signature);
        token.push('.');
        token.push_str(&signature);
        token
    }
}

/// Appends a JSON string (RFC 8259 §7): only the quote, the backslash and control characters need an escape.
fn push_json_string(text: &str, out: &mut String) {
    out.push('"');
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        out.push_str(text);
    } else {
        for character in text.chars() {
            match character {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\0'..='\u{1f}' => {
                    let _ = write!(out, "\\u{:04x}", u32::from(character));
                }
                _ => out.push(character),
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests;
