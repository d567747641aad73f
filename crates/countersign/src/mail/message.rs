//! A mail as it travels: RFC 5322, with a text and an HTML part.

use std::time::{Duration, SystemTime};

use lettre::message::header::{ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};

use super::catalogue::Written;
use super::outbox::Letter;
use crate::language::Language;

/// The longest line that SMTP takes, in bytes, without its end.
const LONGEST_LINE: usize = 998;

/// Asks machines not to answer (RFC 3834 §5).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// The language of the parts (RFC 3282).
#[derive(Clone)]
struct ContentLanguage(Language);

impl Header for ContentLanguage {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Content-Language")
    }

    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(Language::of_tag(text).unwrap_or_default()))
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), self.0.word().to_owned())
    }
}

/// Puts the mail together. However often it is sent, it has the same `Message-ID`: so that a mailbox which gets it twice,
/// because the answer to the first was lost, can tell.
///
/// # Errors
/// Why it can't be mailed, for the operator.
pub(super) fn message(
    from: &Mailbox,
    host: &str,
    letter: &Letter,
    written: Written,
) -> Result<Message, String> {
    let recipient = address(&letter.recipient)?;
    let millis = u64::try_from(letter.created_at.as_millis()).unwrap_or_default();
    let built = Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, recipient))
        .subject(written.subject.as_str())
        .date(SystemTime::UNIX_EPOCH + Duration::from_millis(millis))
        .message_id(Some(format!("<{}.{}@{host}>", letter.id, letter.kind.word())))
        .header(AutoSubmitted)
        .header(ContentLanguage(letter.language))
        .multipart(parts(written));
    built.map_err(|fault| fault.to_string())
}

fn parts(written: Written) -> MultiPart {
    let text = SinglePart::builder().header(ContentType::TEXT_PLAIN).body(plain(written.text));
    let html = SinglePart::builder().header(ContentType::TEXT_HTML).body(plain(written.html));
    MultiPart::alternative().singlepart(text).singlepart(html)
}

/// ASCII in lines that SMTP takes (RFC 5321 §4.5.3.1.6) travels as it is, so that a link stays whole for whoever looks at
/// the raw mail; all else is encoded.
fn plain(text: String) -> Body {
    if text.is_ascii() && text.lines().all(|line| line.len() <= LONGEST_LINE) {
        let bytes = text.replace('\n', "\r\n").into_bytes();
        return Body::dangerous_pre_encoded(bytes, ContentTransferEncoding::SevenBit);
    }
    Body::new(text)
}

/// The address with its domain as the mail system writes it (RFC 5891): few servers take any other.
///
/// # Errors
/// Why it is none.
pub(super) fn address(stored: &str) -> Result<Address, String> {
    let (local, domain) = stored.rsplit_once('@').ok_or("the address has no @")?;
    let domain = url::Host::parse(domain).map_err(|fault| fault.to_string())?.to_string();
    Address::new(local, domain).map_err(|fault| fault.to_string())
}
