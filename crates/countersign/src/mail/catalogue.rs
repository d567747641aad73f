//! The templates: embedded ones, and those of the operator's folder in their place.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use super::Kind;
use crate::language::Language;
use crate::template::{Template, html};

/// The frame around every HTML part.
const LAYOUT: &str = include_str!("templates/layout.html");
const LAYOUT_WORDS: &[&str] = &["service", "subject", "language", "body"];

macro_rules! embedded {
    ($($kind:ident: $name:literal),* $(,)?) => {
        fn embedded(kind: Kind, language: Language) -> &'static str {
            match (kind, language) {
                $(
                    (Kind::$kind, Language::English) => include_str!(concat!("templates/", $name, ".en.txt")),
                    (Kind::$kind, Language::German) => include_str!(concat!("templates/", $name, ".de.txt")),
                )*
            }
        }
    };
}

embedded! {
    VerifyEmail: "verify_email",
    ResetPassword: "reset_password",
    PasswordChanged: "password_changed",
    EmailChangeRequested: "email_change_requested",
    EmailChanged: "email_changed",
    UsernameChanged: "username_changed",
    AccountDeleted: "account_deleted",
    NewDevice: "new_device",
    TheftDetected: "theft_detected",
    IdentityLinked: "identity_linked",
    IdentityRemoved: "identity_removed",
    Test: "test",
}

/// Every template, read and judged.
#[derive(Debug)]
pub(crate) struct Catalogue {
    layout: Template,
    pages: BTreeMap<String, Page>,
}

/// One mail in one language.
#[derive(Debug)]
struct Page {
    subject: Template,
    /// The paragraphs of the text.
    paragraphs: Vec<Template>,
    /// The whole HTML part, where the operator has one of their own.
    html: Option<Template>,
}

/// A mail's three texts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

impl Catalogue {
    /// Reads the embedded templates, then the operator's folder.
    ///
    /// # Errors
    /// A sentence for the operator, which names the file.
    pub(crate) fn read(folder: Option<&Path>) -> Result<Self, String> {
        let mut catalogue = Self { layout: layout(LAYOUT)?, pages: BTreeMap::new() };
        for kind in Kind::ALL {
            for language in Language::ALL {
                let page = Page::parse(kind, embedded(kind, language))
                    .map_err(|fault| format!("the embedded template {}: {fault}", name(kind, language)))?;
                catalogue.pages.insert(name(kind, language), page);
            }
        }
        if let Some(folder) = folder {
            catalogue.read_folder(folder)?;
        }
        Ok(catalogue)
    }

    fn read_folder(&mut self, folder: &Path) -> Result<(), String> {
        let fail = |path: &Path, fault: &dyn std::fmt::Display| {
            format!("mail_templates_dir: {}: {fault}", path.display())
        };
        let entries = std::fs::read_dir(folder).map_err(|fault| fail(folder, &fault))?;
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(|fault| fail(folder, &fault))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            if !name.starts_with('.') {
                files.push((name, path));
            }
        }
        // An HTML part goes into the page that the text has made.
        files.sort_by_key(|(name, _)| (name.ends_with(".html"), name.clone()));
        for (name, path) in files {
            let text = std::fs::read_to_string(&path).map_err(|fault| fail(&path, &fault))?;
            self.replace(&name, &text).map_err(|fault| fail(&path, &fault))?;
        }
        Ok(())
    }

    fn replace(&mut self, file: &str, text: &str) -> Result<(), String> {
        if file == "layout.html" {
            self.layout = layout(text)?;
            return Ok(());
        }
        let (stem, extension) = file.rsplit_once('.').unwrap_or((file, ""));
        let kind = stem.split_once('.').and_then(|(kind, _)| Kind::from_word(kind));
        match (kind, self.pages.get_mut(stem), extension) {
            (Some(kind), Some(page), "txt") => *page = Page::parse(kind, text)?,
            (Some(kind), Some(page), "html") => {
                page.html = Some(Template::parse(text, kind.words(), kind.needed())?)
            }
            _ => return Err("there is no such template; docs/how-to/mail.md lists them".to_owned()),
        }
        Ok(())
    }

    /// The mail with every gap filled in.
    pub(crate) fn write<'w>(
        &self,
        kind: Kind,
        language: Language,
        words: &dyn Fn(&str) -> Option<Cow<'w, str>>,
    ) -> Option<Written> {
        let page = self.pages.get(&name(kind, language))?;
        let escaped = |name: &str| words(name).map(|word| Cow::Owned(html(&word)));
        // One line, whatever a word says (SEC-79).
        let subject = page.subject.fill(words).replace(char::is_control, " ");
        let paragraphs: Vec<String> = page.paragraphs.iter().map(|paragraph| paragraph.fill(words)).collect();
        let body = match &page.html {
            Some(own) => own.fill(escaped),
            None => {
                let marked = page.paragraphs.iter().map(|paragraph| marked_up(paragraph, words));
                let body = marked.collect::<Vec<_>>().join("\n");
                self.layout.fill(|name| match name {
                    "body" => Some(Cow::Borrowed(body.as_str())),
                    "subject" => Some(Cow::Owned(html(&subject))),
                    "language" => Some(Cow::Borrowed(language.word())),
                    other => escaped(other),
                })
            }
        };
        Some(Written { text: paragraphs.join("\n\n") + "\n", html: body, subject })
    }
}

/// A paragraph of the text as HTML; addresses of the web become links.
fn marked_up<'w>(paragraph: &Template, words: &dyn Fn(&str) -> Option<Cow<'w, str>>) -> String {
    let filled = paragraph.fill(|name| {
        let escaped = html(&words(name)?);
        Some(Cow::Owned(match name {
            "link" | "url" => format!("\u{1}{escaped}\u{2}"),
            _ => escaped,
        }))
    });
    let mut marked = String::new();
    let mut rest = filled.as_str();
    while let Some((before, (link, after))) =
        rest.split_once('\u{1}').and_then(|(before, after)| Some((before, after.split_once('\u{2}')?)))
    {
        marked.push_str(before);
        marked.push_str(&format!("<a href=\"{link}\">{link}</a>"));
        rest = after;
    }
    marked.push_str(rest);
    format!("<p>{}</p>", marked.replace('\n', "<br>\n"))
}

fn name(kind: Kind, language: Language) -> String {
    format!("{}.{}", kind.word(), language.word())
}

fn layout(text: &str) -> Result<Template, String> {
    Template::parse(text, LAYOUT_WORDS, &["body"])
}

impl Page {
    /// `Subject: …`, an empty line, paragraphs.
    fn parse(kind: Kind, text: &str) -> Result<Self, String> {
        let text = text.replace("\r\n", "\n");
        let subject = text.strip_prefix("Subject: ").and_then(|rest| rest.split_once("\n\n"));
        let Some((subject, body)) = subject.filter(|(subject, _)| !subject.contains('\n')) else {
            return Err("it does not begin with a line `Subject: …` and an empty one".to_owned());
        };
        // The gaps that must be there must be in the text, and no secret stands in a subject.
        let of_subject: Vec<&str> = kind.words().iter().copied().filter(|word| *word != "link").collect();
        Template::parse(body, kind.words(), kind.needed())?;
        let paragraphs = body.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty());
        let paragraphs = paragraphs.map(|paragraph| Template::parse(paragraph, kind.words(), &[]));
        Ok(Self {
            subject: Template::parse(subject, &of_subject, &[])?,
            paragraphs: paragraphs.collect::<Result<_, _>>()?,
            html: None,
        })
    }
}
