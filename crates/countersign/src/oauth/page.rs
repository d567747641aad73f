//! What a person sees who comes back with a state that is worth nothing: a plain page, since nobody knows where else to
//! send them.

use std::borrow::Cow;

use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use http::header::{ACCEPT, RETRY_AFTER};

use crate::error::Error;
use crate::language::Language;
use crate::service::Countersign;
use crate::template::{Template, html};
use crate::web::page;
use crate::web::problem::Problem;

const WORDS: &[&str] = &["language", "base", "url", "title", "text", "go_on"];

/// A heading, what happened, and what the link says.
type Texts = [&'static str; 3];

/// The refusal as a page where a browser navigates, else as a problem document. Neither repeats anything that came in
/// (SEC-96).
pub(super) fn refuse(service: &Countersign, headers: &HeaderMap, error: Error) -> Response {
    let texts = texts(&error, Language::current());
    let response = Problem::from(error).into_response();
    match texts {
        Some(texts) if wants_page(headers) => shown(service, texts, response),
        _ => response,
    }
}

fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.to_ascii_lowercase().contains("text/html")
}

fn shown(service: &Countersign, [title, text, go_on]: Texts, refusal: Response) -> Response {
    let language = Language::current();
    let Ok(template) = Template::parse(include_str!("page.html"), WORDS, &[]) else { return refusal };
    let settings = service.settings();
    let filled = template.fill(|name| {
        let word = match name {
            "language" => language.word(),
            "base" => settings.path_prefix(),
            "url" => settings.public_url.as_str(),
            "title" => title,
            "text" => text,
            "go_on" => go_on,
            _ => return None,
        };
        Some(Cow::Owned(html(word)))
    });
    let mut response = page::localised(language, filled);
    *response.status_mut() = refusal.status();
    let (parts, _) = refusal.into_parts();
    if let Some(after) = parts.headers.get(RETRY_AFTER) {
        response.headers_mut().insert(RETRY_AFTER, after.clone());
    }
    response.extensions_mut().extend(parts.extensions);
    response
}

fn texts(error: &Error, language: Language) -> Option<Texts> {
    use Language::{English, German};
    Some(match (error, language) {
        (Error::OAuthState, English) => [
            "This sign-in is over",
            "It was finished before, began in another browser, or took too long. If you have just signed in, go on; if \
             not, begin again.",
            "Go on",
        ],
        (Error::OAuthState, German) => [
            "Diese Anmeldung ist vorbei",
            "Sie wurde schon abgeschlossen, in einem anderen Browser begonnen oder hat zu lange gedauert. Haben Sie sich \
             gerade angemeldet, so geht es hier weiter; sonst beginnen Sie bitte von vorn.",
            "Weiter",
        ],
        (Error::Invalid(_), English) => [
            "This link is wrong",
            "The page that sent you here wants you to go where this service does not send anybody. Nothing was done.",
            "To the start page",
        ],
        (Error::Invalid(_), German) => [
            "Dieser Link ist falsch",
            "Die Seite, von der Sie kommen, will Sie an einen Ort schicken, an den dieser Dienst niemanden schickt. Es ist \
             nichts geschehen.",
            "Zur Startseite",
        ],
        (Error::NotFound, English) => [
            "You can't sign in this way",
            "This service does not work together with that provider.",
            "To the start page",
        ],
        (Error::NotFound, German) => [
            "Auf diesem Weg geht es nicht",
            "Dieser Dienst arbeitet mit jenem Anbieter nicht zusammen.",
            "Zur Startseite",
        ],
        (Error::RateLimited { .. }, English) => {
            ["Too many attempts", "Please wait a few minutes, then try again.", "To the start page"]
        }
        (Error::RateLimited { .. }, German) => [
            "Zu viele Versuche",
            "Bitte warten Sie einige Minuten und versuchen Sie es dann noch einmal.",
            "Zur Startseite",
        ],
        (Error::Unavailable(_), English) => {
            ["That did not work just now", "Please try again in a moment.", "To the start page"]
        }
        (Error::Unavailable(_), German) => {
            ["Das hat gerade nicht geklappt", "Bitte versuchen Sie es gleich noch einmal.", "Zur Startseite"]
        }
        _ => return None,
    })
}
