//! The identity providers that an operator sets up: who they are, how they are asked, and where they may be.

use std::fs;

use url::Url;

use super::Settings;
use super::problem::Problem;
use super::words::{self, Parsed, fault};
use crate::secret::{ExposeSecret, SecretString};

/// The one provider that is spoken to by its own API, since it issues no ID tokens.
pub const GITHUB: &str = "github";
const GOOGLE: &str = "google";
const GOOGLE_ISSUER: &str = "https://accounts.google.com";
const GITHUB_ISSUER: &str = "https://github.com";

/// What is asked for of an issuer: who somebody is, their address, their name.
const SCOPES: &str = "openid email profile";
const GITHUB_SCOPES: &str = "read:user user:email";

/// How a provider sends people back (OAuth 2.0 Multiple Response Types, OAuth 2.0 Form Post Response Mode).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResponseMode {
    /// By a redirect, with the code behind the question mark.
    #[default]
    Query,
    /// By a form that the browser posts, as Apple insists on where names or addresses are asked for.
    FormPost,
}

impl ResponseMode {
    /// Its name in `response_mode`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::FormPost => "form_post",
        }
    }
}

/// One provider's registration.
#[derive(Debug, Clone)]
pub struct OAuthProvider {
    /// The client id that the provider gave.
    pub client_id: String,
    /// The client secret that the provider gave.
    pub client_secret: SecretString,
    /// The OIDC issuer exactly as it names itself, or the address of a GitHub server; not needed for `google` and
    /// `github`. It is compared byte for byte, which is why it is no `Url`: that would write it its own way.
    pub issuer: Option<String>,
    /// The scopes to ask for, separated by spaces; `None` stands for those of a sign-in.
    pub scopes: Option<String>,
    /// How the provider sends people back.
    pub response_mode: ResponseMode,
    /// Whether the provider may be at an address that only a private network has.
    pub allow_private_network: bool,
}

impl OAuthProvider {
    /// A registration with what a provider gives, and defaults for all else.
    #[must_use]
    pub fn new(client_id: impl Into<String>, client_secret: SecretString) -> Self {
        Self {
            client_id: client_id.into(),
            client_secret,
            issuer: None,
            scopes: None,
            response_mode: ResponseMode::default(),
            allow_private_network: false,
        }
    }

    /// The issuer of the provider of this name; `None` where nobody said.
    #[must_use]
    pub fn issuer(&self, name: &str) -> Option<&str> {
        let known = match name {
            GOOGLE => Some(GOOGLE_ISSUER),
            GITHUB => Some(GITHUB_ISSUER),
            _ => None,
        };
        self.issuer.as_deref().or(known)
    }

    /// The scopes to ask the provider of this name for.
    #[must_use]
    pub fn scopes(&self, name: &str) -> &str {
        self.scopes.as_deref().unwrap_or(if name == GITHUB { GITHUB_SCOPES } else { SCOPES })
    }
}

impl Settings {
    /// Where a provider sends people back: one address for each, so that no provider can pass for another (RFC 9700
    /// §4.4, SEC-90). It is what has to be registered there.
    #[must_use]
    pub fn redirect_uri(&self, provider: &str) -> Url {
        let mut url = self.public_url.clone();
        url.set_path(&format!("{}/oauth/{provider}/callback", self.path_prefix()));
        url
    }

    pub(super) fn judge_providers(&self, problems: &mut Vec<Problem>) {
        for (name, provider) in &self.oauth {
            let mut refuse = |part: &str, fault: words::Fault, shown: &str| {
                let problem = Problem::new(&format!("oauth_{name}_{part}"), fault.why, fault.mend);
                problems.push(if shown.is_empty() { problem } else { problem.showing(shown) });
            };
            if !is_provider_name(name) {
                let why = "the provider's name can't stand in an address and in a variable alike";
                let mend = "Write up to 32 of a-z, 0-9 and _, first a letter, last no _";
                refuse("client_id", words::Fault { why: why.to_owned(), mend: mend.to_owned() }, "");
            }
            match provider.issuer(name).map(|given| (given, issuer(given))) {
                None => {
                    let why = format!("{name} is neither google nor github, so that its issuer is not known");
                    let mend = "Write the issuer's URL, as its own discovery document names it".to_owned();
                    refuse("issuer", words::Fault { why, mend }, "");
                }
                Some((given, Err(fault))) => refuse("issuer", fault, given),
                Some((_, Ok(_))) => {}
            }
            if let Err(fault) = words::text(&provider.client_id) {
                refuse("client_id", fault, &provider.client_id);
            }
            if provider.client_secret.expose_secret().is_empty() {
                let mend = "Set it to what the provider gave you".to_owned();
                refuse("client_secret", words::Fault { why: "it is empty".to_owned(), mend }, "");
            }
            let asked = provider.scopes(name);
            if let Err(fault) = scopes(asked) {
                refuse("scopes", fault, asked);
            } else if name != GITHUB && !asked.split(' ').any(|scope| scope == "openid") {
                let why = "without openid the issuer says nothing about who somebody is".to_owned();
                refuse("scopes", words::Fault { why, mend: format!("Write {SCOPES}") }, asked);
            }
        }
    }
}

/// Lower case, digits and `_` within: what can stand in an environment variable and in a path alike. None of the
/// settings' endings is the ending of another, so that a setting's name can be read in one way only, whatever the
/// provider is called.
pub(super) fn is_provider_name(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('_')
}

/// An issuer, as OpenID Connect Discovery 1.0 §3 allows it: `https`, save on this machine.
pub(crate) fn issuer(given: &str) -> Parsed<Url> {
    const MEND: &str =
        "Write it as https://host or https://host/path, as the issuer's discovery document has it";
    let url = words::web_url(given)?;
    if url.scheme() != "https" && !words::is_loopback(&url) {
        return fault("an issuer must be reached by https", "Write https://…");
    }
    if words::has_credentials(&url) || url.query().is_some() || url.fragment().is_some() {
        return fault("it has a user name, a query or a #fragment", MEND);
    }
    // The parser mends what nobody would write into a discovery document.
    if given.chars().any(|letter| letter.is_control() || letter.is_whitespace() || letter == '\\') {
        return fault("it contains spaces, control characters or backslashes", MEND);
    }
    Ok(url)
}

pub(super) fn issuer_text(given: &str) -> Parsed<String> {
    issuer(given).map(|_| given.to_owned())
}

/// One space between names of visible ASCII but `"` and `\` (RFC 6749 §3.3).
pub(super) fn scopes(given: &str) -> Parsed<String> {
    let is_scope = |scope: &str| {
        !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte))
    };
    if given.split(' ').all(is_scope) {
        return Ok(given.to_owned());
    }
    fault("it is not a list of scopes", format!("Write them with one space between, such as {SCOPES}"))
}

pub(super) fn response_mode(given: &str) -> Parsed<ResponseMode> {
    let all = [ResponseMode::Query, ResponseMode::FormPost];
    match all.into_iter().find(|mode| mode.word() == given) {
        Some(mode) => Ok(mode),
        None => fault("there is no such response mode", "Write query or form_post"),
    }
}

/// The secret in a file; a line break at its end is none of it.
pub(super) fn secret_in_file(given: &str) -> Parsed<SecretString> {
    let path = words::path(given)?;
    match fs::read_to_string(&path) {
        Ok(text) => {
            let text = SecretString::from(text);
            words::secret(text.expose_secret().trim_end_matches(['\r', '\n']))
        }
        Err(reason) => {
            fault(format!("the file can't be read ({reason})"), "Name a text file that this user may read")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::spec::PROVIDER;
    use crate::settings::{SPECS, Spec, Value, Values};

    fn read(given: &[(&str, &str)]) -> Result<Settings, Vec<Problem>> {
        let value = |text: &str| Value::Text(text.to_owned());
        let id = [("oauth_idp_client_id", "id"), ("oauth_idp_client_secret", "secret")];
        let all = id.iter().chain(given);
        let mut values: Values = all.map(|(name, text)| ((*name).to_owned(), value(text))).collect();
        values.retain(|_, given| *given != value(""));
        Settings::from_values(&values)
    }

    #[test]
    fn no_settings_ending_is_the_ending_of_another() {
        let endings: Vec<&str> =
            SPECS.iter().filter_map(|spec| Some(spec.name.split_once(PROVIDER)?.1)).collect();
        assert!(endings.len() >= 7, "{endings:?}");
        for one in &endings {
            let longer = endings.iter().filter(|other| other.ends_with(one)).count();
            assert_eq!(longer, 1, "{one} could be read in two ways");
        }
    }

    #[test]
    fn a_provider_has_a_name_that_can_stand_in_a_path_and_in_a_variable() {
        for name in ["google", "my_idp", "a", "client_id", "entra2", "a_client_id_b"] {
            assert!(Spec::of(&format!("oauth_{name}_client_id")).is_some(), "{name}");
        }
        for name in ["", "_a", "a_", "2fa", "My", "a-b", "a.b", "ä", "a/b", &"a".repeat(33)] {
            assert!(Spec::of(&format!("oauth_{name}_client_id")).is_none(), "{name}");
        }
    }

    #[test]
    fn a_provider_is_read_whole() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "from a file\n").unwrap();
        let settings = read(&[
            ("oauth_idp_client_secret", ""),
            ("oauth_idp_client_secret_file", file.path().to_str().unwrap()),
            ("oauth_idp_issuer", "https://idp.example.com"),
            ("oauth_idp_scopes", "openid email"),
            ("oauth_idp_response_mode", "form_post"),
            ("oauth_idp_allow_private_network", "true"),
        ]);
        let settings = settings.unwrap();
        let idp = &settings.oauth["idp"];
        assert_eq!(idp.client_secret.expose_secret(), "from a file");
        assert_eq!(idp.scopes("idp"), "openid email");
        assert_eq!(idp.response_mode, ResponseMode::FormPost);
        assert!(idp.allow_private_network);
        for (part, shown) in [
            ("client_id", "id"),
            ("client_secret", "(hidden)"),
            ("client_secret_file", "(hidden)"),
            ("issuer", "https://idp.example.com"),
            ("scopes", "openid email"),
            ("response_mode", "form_post"),
            ("allow_private_network", "true"),
        ] {
            assert_eq!(settings.shown(&format!("oauth_idp_{part}")).as_deref(), Some(shown), "{part}");
        }
    }

    #[test]
    fn what_can_not_stand_is_refused_by_name() {
        let issuer = ("oauth_idp_issuer", "https://idp.example.com");
        for (setting, value) in [
            ("oauth_idp_issuer", "http://idp.example.com"),
            ("oauth_idp_issuer", "https://idp.example.com?a=b"),
            ("oauth_idp_issuer", "https://idp.example.com#a"),
            ("oauth_idp_issuer", "https://me@idp.example.com"),
            ("oauth_idp_issuer", "https:\\\\idp.example.com"),
            ("oauth_idp_issuer", " https://idp.example.com"),
            ("oauth_idp_scopes", "email profile"),
            ("oauth_idp_scopes", "openid  email"),
            ("oauth_idp_scopes", "openid e\"mail"),
            ("oauth_idp_response_mode", "fragment"),
            ("oauth_idp_allow_private_network", "perhaps"),
            ("oauth_idp_client_secret_file", "/nowhere/at/all"),
        ] {
            let problems = read(&[issuer, (setting, value)]).expect_err(value);
            assert!(problems.iter().any(|problem| problem.setting == setting), "{value}: {problems:?}");
        }
        for fine in
            ["http://127.0.0.1:9000", "http://localhost:9000/a/", "http://[::1]:1", "https://a.example/"]
        {
            let settings = read(&[("oauth_idp_issuer", fine)]).unwrap();
            assert_eq!(settings.oauth["idp"].issuer("idp"), Some(fine), "byte for byte");
        }
    }

    #[test]
    fn google_and_github_need_no_issuer() {
        let secret = || SecretString::from("secret".to_owned());
        let google = OAuthProvider::new("id", secret());
        assert_eq!(google.issuer("google"), Some("https://accounts.google.com"));
        assert_eq!(google.issuer("github"), Some("https://github.com"));
        assert_eq!(google.issuer("other"), None);
        assert_eq!(google.scopes("github"), "read:user user:email");
    }

    // SEC-90
    #[test]
    fn each_provider_has_a_redirect_uri_of_its_own() {
        let settings =
            Settings { public_url: Url::parse("https://example.com/auth/").unwrap(), ..Settings::default() };
        assert_eq!(settings.redirect_uri("a").as_str(), "https://example.com/auth/oauth/a/callback");
        assert_ne!(settings.redirect_uri("a"), settings.redirect_uri("b"));
    }
}
