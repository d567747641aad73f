//! How a JSON body becomes a form: fields are asked for one by one, and every failing one is named at once.

mod parser;

use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::FromRequest;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, EXPECT};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use zeroize::{Zeroize, Zeroizing};

use crate::error::{FieldError, FieldErrors};
use crate::secret::SecretString;
use crate::web::problem::Problem;

use parser::{Malformed, Member, Value};

/// The largest body that is read, in bytes (SEC-70).
pub const MAX_BODY: usize = 65_536;

/// How long a client may take to send its body.
const BODY_TIME: Duration = Duration::from_secs(10);

/// How much of a body that is too large is thrown away, and for how long, so that the client gets to read the
/// refusal: a connection that is closed over unread bytes is reset.
const DISCARDED_BODY: usize = 1 << 20;
const DISCARD_TIME: Duration = Duration::from_millis(250);

/// How much of a name that nobody asked for is repeated in the refusal.
const MAX_REPEATED_NAME: usize = 64;

/// A JSON object on its way into a handler.
///
/// Ask for each field that there may be, then call [`finish`](Self::finish), which adds what nobody asked for.
/// Values that aren't taken out, names and the raw body are wiped.
pub struct Form {
    members: Vec<Member>,
    errors: FieldErrors,
}

/// What stands in a field.
enum Found {
    Absent,
    /// Something unfit, which is noted already.
    Refused,
    Null,
    Text(Zeroizing<String>),
}

impl Form {
    /// Reads the bytes of a body.
    ///
    /// # Errors
    /// `400` `invalid_json`, with the place, unless they are one JSON object and nothing else.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        let (text, broken_at) = match std::str::from_utf8(body) {
            Ok(text) => (text, None),
            Err(error) => {
                let sound = body.get(..error.valid_up_to()).unwrap_or_default();
                (std::str::from_utf8(sound).unwrap_or_default(), Some(error.valid_up_to()))
            }
        };
        let parsed = match broken_at {
            Some(offset) => Err(Malformed { what: "expected UTF-8", offset }),
            None => parser::object(text),
        };
        match parsed {
            Ok(members) => Ok(Self { members, errors: FieldErrors::new() }),
            Err(malformed) => Err(invalid_json(text, malformed)),
        }
    }

    /// Reads the body of a request that need not have one; `None` where it has none.
    ///
    /// # Errors
    /// `413` over 65,536 bytes, `415` unless the body's media type is `application/json` (SEC-60) and it isn't
    /// compressed, `408` where it comes too slowly, `400` where it breaks off or is no JSON object.
    pub async fn optional(headers: &HeaderMap, body: Body) -> Result<Option<Self>, Problem> {
        if body.is_end_stream() {
            return Ok(None);
        }
        let bytes = read(headers, body).await?;
        if bytes.is_empty() {
            return Ok(None);
        }
        require_json(headers)?;
        Self::parse(&bytes).map(Some)
    }

    /// A text that has to be there.
    pub fn text(&mut self, field: &str) -> Option<String> {
        self.required(field).map(|mut text| std::mem::take(&mut *text))
    }

    /// A text that may be missing, but not `null`.
    pub fn optional_text(&mut self, field: &str) -> Option<String> {
        self.not_null(field).map(|mut text| std::mem::take(&mut *text))
    }

    /// A text that may be missing (`None`) or `null` (`Some(None)`).
    pub fn nullable_text(&mut self, field: &str) -> Option<Option<String>> {
        match self.take(field) {
            Found::Absent | Found::Refused => None,
            Found::Null => Some(None),
            Found::Text(mut text) => Some(Some(std::mem::take(&mut *text))),
        }
    }

    /// A secret that has to be there.
    pub fn secret(&mut self, field: &str) -> Option<SecretString> {
        self.required(field).map(|text| SecretString::from(text.as_str()))
    }

    /// A secret that may be missing, but not `null`.
    pub fn optional_secret(&mut self, field: &str) -> Option<SecretString> {
        self.not_null(field).map(|text| SecretString::from(text.as_str()))
    }

    /// One of a few words, each with what it stands for; it may be missing.
    pub fn choice<T: Copy>(&mut self, field: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.not_null(field)?;
        let chosen = choices.iter().find(|(word, _)| *word == text.as_str()).map(|(_, meaning)| *meaning);
        if chosen.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            self.refuse(field, "invalid_choice", format!("must be one of: {}", words.join(", ")));
        }
        chosen
    }

    /// What was wrong with the fields that were asked for, and every field that wasn't.
    #[must_use]
    pub fn finish(mut self) -> FieldErrors {
        while let Some(member) = self.members.pop() {
            let twice = self.members.iter().any(|other| other.name == member.name);
            self.members.retain(|other| other.name != member.name);
            let name: String = member.name.chars().take(MAX_REPEATED_NAME).collect();
            self.refuse(&name, "unknown_field", "is not a field of this request");
            if twice {
                self.refuse(&name, "duplicate_field", "is given more than once");
            }
        }
        self.errors
    }

    fn required(&mut self, field: &str) -> Option<Zeroizing<String>> {
        if !self.members.iter().any(|member| *member.name == field) {
            self.refuse(field, "required", "is required");
        }
        self.not_null(field)
    }

    fn not_null(&mut self, field: &str) -> Option<Zeroizing<String>> {
        match self.take(field) {
            Found::Absent | Found::Refused => None,
            Found::Null => {
                self.refuse(field, "invalid_type", "must be a string, not null");
                None
            }
            Found::Text(text) => Some(text),
        }
    }

    /// Takes the field out, so that what remains at the end is what nobody asked for.
    fn take(&mut self, field: &str) -> Found {
        let is_it = |member: &Member| *member.name == field;
        let Some(place) = self.members.iter().position(is_it) else { return Found::Absent };
        let member = self.members.remove(place);
        if self.members.iter().any(is_it) {
            self.members.retain(|member| !is_it(member));
            self.refuse(field, "duplicate_field", "is given more than once");
            return Found::Refused;
        }
        match member.value {
            Value::Null => Found::Null,
            Value::Text(text) => Found::Text(text),
            Value::Other(kind) => {
                self.refuse(field, "invalid_type", format!("must be a string, not {kind}"));
                Found::Refused
            }
        }
    }

    fn refuse(&mut self, field: &str, code: &'static str, message: impl Into<String>) {
        self.errors.add(field, FieldError::new(code, message));
    }
}

impl std::fmt::Debug for Form {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Form").field("members", &self.members.len()).finish_non_exhaustive()
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Problem;

    async fn from_request(request: Request<Body>, _state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        match Self::optional(&parts.headers, body).await? {
            Some(form) => Ok(form),
            None if parts.headers.contains_key(CONTENT_TYPE) => {
                require_json(&parts.headers)?;
                Err(no_body())
            }
            None => Err(no_body()),
        }
    }
}

fn no_body() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid_json", "The body is empty; send a JSON object")
}

fn invalid_json(text: &str, malformed: Malformed) -> Problem {
    let before = text.get(..malformed.offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|character| *character != '\n').count() + 1;
    let detail = format!("The body is not valid: {}, at line {line}, column {column}", malformed.what);
    Problem::new(StatusCode::BAD_REQUEST, "invalid_json", detail)
}

fn too_large() -> Problem {
    let detail = "The body is larger than 65,536 bytes";
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", detail)
}

/// The whole body, in a buffer that is wiped.
pub(crate) async fn read(headers: &HeaderMap, mut body: Body) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let announced = body.size_hint();
    if announced.lower() > MAX_BODY as u64 {
        // Asking for a body that waits for "100 Continue" would invite it.
        if !headers.contains_key(EXPECT) {
            discard(body).await;
        }
        return Err(too_large());
    }
    let room =
        announced.upper().and_then(|upper| usize::try_from(upper).ok()).unwrap_or(MAX_BODY).min(MAX_BODY);
    let mut whole = Zeroizing::new(Vec::with_capacity(room));
    match tokio::time::timeout(BODY_TIME, collect(&mut body, &mut whole)).await {
        Ok(Ok(())) => Ok(whole),
        Ok(Err(problem)) => {
            if problem.status() == StatusCode::PAYLOAD_TOO_LARGE {
                discard(body).await;
            }
            Err(problem)
        }
        Err(_) => {
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", "The body did not arrive in time"))
        }
    }
}

async fn collect(body: &mut Body, whole: &mut Vec<u8>) -> Result<(), Problem> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            Problem::new(StatusCode::BAD_REQUEST, "invalid_body", "The body broke off or is framed badly")
        })?;
        let Ok(data) = frame.into_data() else { continue };
        let fits = whole.len().saturating_add(data.len()) <= MAX_BODY;
        if fits {
            whole.extend_from_slice(&data);
        }
        wipe(data);
        if !fits {
            return Err(too_large());
        }
    }
    Ok(())
}

/// Wipes bytes that nobody else looks at; the connection's own buffer is out of reach.
fn wipe(data: Bytes) {
    if let Ok(mut alone) = data.try_into_mut() {
        alone.as_mut().zeroize();
    }
}

async fn discard(mut body: Body) {
    let throw_away = async {
        let mut thrown = 0_usize;
        while let Some(Ok(frame)) = body.frame().await {
            thrown = thrown.saturating_add(frame.data_ref().map_or(0, Bytes::len));
            if thrown > DISCARDED_BODY {
                break;
            }
        }
    };
    // Either way the refusal follows.
    let _in_time = tokio::time::timeout(DISCARD_TIME, throw_away).await;
}

/// The media type, parsed, has to be `application/json`, and nothing may be wrapped around the body.
fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let is_json = match (types.next(), types.next()) {
        (Some(only), None) => is_json(only.as_bytes()),
        _ => false,
    };
    let refuse = |detail| Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail);
    if !is_json {
        return Err(refuse("Send the body with Content-Type: application/json"));
    }
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    if !encodings.all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(refuse("Send the body without a Content-Encoding"));
    }
    Ok(())
}

/// RFC 9110 §8.3.1: type, subtype and well-formed parameters, which mean nothing for JSON.
fn is_json(media_type: &[u8]) -> bool {
    let end = media_type.iter().position(|byte| *byte == b';').unwrap_or(media_type.len());
    let (essence, parameters) = media_type.split_at_checked(end).unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/json") && are_parameters(parameters)
}

fn are_parameters(mut rest: &[u8]) -> bool {
    loop {
        rest = rest.trim_ascii_start();
        let Some(after) = rest.strip_prefix(b";") else { return rest.is_empty() };
        rest = after.trim_ascii_start();
        if rest.is_empty() || rest.starts_with(b";") {
            continue;
        }
        let Some(value) = after_token(rest).and_then(|it| it.strip_prefix(b"=")) else { return false };
        let Some(after) = after_token(value).or_else(|| after_quoted(value)) else { return false };
        rest = after;
    }
}

fn after_token(text: &[u8]) -> Option<&[u8]> {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let end = text.iter().position(|byte| !is_token(byte)).unwrap_or(text.len());
    text.get(end..).filter(|_| end > 0)
}

fn after_quoted(text: &[u8]) -> Option<&[u8]> {
    let inside = text.strip_prefix(b"\"")?;
    let mut escaped = false;
    let is_end = |byte: &u8| {
        let end = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        end
    };
    inside.get(inside.iter().position(is_end)? + 1..)
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
