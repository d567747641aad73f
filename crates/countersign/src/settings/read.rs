//! From names and texts to [`Settings`]: every value by itself, every problem at once.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::time::Duration;

use super::problem::Problem;
use super::spec::{Privacy, SPECS, Spec};
use super::words::{self, Parsed};
use super::{DAY, Database, MINUTE, OAuthProvider, Settings, mail, oauth};
use crate::secret::{ExposeSecret, SecretString};

const SECOND: Duration = Duration::from_secs(1);

/// What was given for one setting. Its `Debug` says nothing, for it may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// One text; a list's entries are separated by commas.
    Text(String),
    /// The entries of a list.
    List(Vec<String>),
}

impl fmt::Debug for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Text(_) => "Text(…)",
            Self::List(_) => "List(…)",
        })
    }
}

/// What was given, by the settings' names.
pub type Values = BTreeMap<String, Value>;

impl Settings {
    /// Reads settings from what was given; what wasn't keeps its default. `secret_key_file` is read here.
    ///
    /// # Errors
    /// Everything that is wrong: unknown names, values that can't be read, and what
    /// [`Settings::problems`] finds.
    pub fn from_values(values: &Values) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader { values, problems: Vec::new() };
        reader.refuse_unknown();
        let mut settings = Self::default();
        reader.network(&mut settings);
        reader.store(&mut settings);
        reader.keys(&mut settings);
        reader.tokens(&mut settings);
        reader.passwords(&mut settings);
        reader.mails(&mut settings);
        reader.limits(&mut settings);
        reader.providers(&mut settings);
        reader.logs(&mut settings);
        reader.refuse_guesses_for_postgres(&settings);
        let mut problems = reader.problems;
        for problem in settings.problems() {
            if problems.iter().all(|known| known.setting != problem.setting) {
                problems.push(problem);
            }
        }
        if problems.is_empty() { Ok(settings) } else { Err(problems) }
    }
}

struct Reader<'values> {
    values: &'values Values,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// Puts the value that was given, if one was, in its place.
    fn read<T>(&mut self, name: &str, place: &mut T, parse: impl FnOnce(&str) -> Parsed<T>) {
        match self.values.get(name) {
            None => {}
            Some(Value::Text(given)) => match parse(given) {
                Ok(value) => *place = value,
                Err(fault) => self.refuse(name, given, fault),
            },
            Some(Value::List(_)) => {
                self.problems.push(Problem::new(name, "it takes one value, not a list", "Write one value"));
            }
        }
    }

    /// The same for a setting that may be absent.
    fn read_option<T>(&mut self, name: &str, place: &mut Option<T>, parse: impl FnOnce(&str) -> Parsed<T>) {
        self.read(name, place, |given| parse(given).map(Some));
    }

    /// The same for a list, each entry by itself.
    fn read_list<T>(&mut self, name: &str, place: &mut Vec<T>, parse: impl Fn(&str) -> Parsed<T>) {
        let Some(entries) = self.entries(name) else { return };
        let mut read = Vec::with_capacity(entries.len());
        for entry in entries {
            match parse(&entry) {
                Ok(value) => read.push(value),
                Err(fault) => self.refuse(name, &entry, fault),
            }
        }
        *place = read;
    }

    /// The entries of a list; blanks around commas and empty entries of one text are nothing.
    fn entries(&self, name: &str) -> Option<Vec<String>> {
        Some(match self.values.get(name)? {
            Value::List(entries) => entries.clone(),
            Value::Text(text) => {
                text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
            }
        })
    }

    fn refuse(&mut self, name: &str, given: &str, fault: words::Fault) {
        let problem = Problem::new(name, fault.why, fault.mend);
        let public = Spec::of(name).is_some_and(|spec| spec.privacy == Privacy::Public);
        self.problems.push(if public { problem.showing(given) } else { problem });
    }

    fn refuse_unknown(&mut self) {
        for name in self.values.keys().filter(|name| Spec::of(name).is_none()) {
            let mend = match Spec::nearest(name) {
                Some(nearest) => {
                    format!("Did you mean {nearest}? `countersign config show` lists all settings")
                }
                None => "Remove it; `countersign config show` lists all settings".to_owned(),
            };
            self.problems.push(Problem::new(name, "there is no such setting", mend));
        }
    }

    fn network(&mut self, settings: &mut Settings) {
        self.read("listen", &mut settings.listen, words::socket_address);
        settings.public_url = Settings::public_url_for(settings.listen);
        self.read("public_url", &mut settings.public_url, words::web_url);
        self.read_option("issuer", &mut settings.issuer, words::text);
        self.read_option("audience", &mut settings.audience, words::text);
        self.read("cookie_name", &mut settings.cookie_name, words::text);
        self.read("cookie_secure", &mut settings.cookie_secure, words::switch);
        self.read_list("trusted_proxies", &mut settings.trusted_proxies, words::network);
        self.read_list("cors_allowed_origins", &mut settings.cors_allowed_origins, words::origin);
        self.read_list("allowed_return_urls", &mut settings.allowed_return_urls, words::return_url);
    }

    fn store(&mut self, settings: &mut Settings) {
        self.read("data_dir", &mut settings.data_dir, words::path);
        self.read_option("database_url", &mut settings.database, words::database);
        self.read("database_connections", &mut settings.database_connections, words::number);
        self.read("deleted_user_retention_days", &mut settings.deleted_user_retention, in_units_of(DAY));
        self.read("audit_retention_days", &mut settings.audit_retention, in_units_of(DAY));
        let mut interval = settings.cleanup_interval.unwrap_or_default();
        self.read("cleanup_interval_minutes", &mut interval, in_units_of(MINUTE));
        settings.cleanup_interval = Some(interval).filter(|interval| !interval.is_zero());
    }

    fn keys(&mut self, settings: &mut Settings) {
        self.read_option("secret_key", &mut settings.secret_key, words::secret);
        self.read_list("secret_key_fallbacks", &mut settings.secret_key_fallbacks, words::secret);
        let mut file = None;
        self.read_option("secret_key_file", &mut file, words::path);
        let Some(file) = file else { return };
        let shown = file.display().to_string();
        if self.values.contains_key("secret_key") {
            let why = "secret_key is set too, so that it is unclear which holds";
            self.problems.push(Problem::new("secret_key_file", why, "Set one of the two").showing(&shown));
            return;
        }
        match fs::read_to_string(&file) {
            Ok(text) => {
                let key = SecretString::from(text);
                let trimmed = key.expose_secret().trim_end_matches(['\r', '\n']).to_owned();
                settings.secret_key = Some(SecretString::from(trimmed));
            }
            Err(reason) => {
                let why = format!("the file can't be read ({reason})");
                let problem =
                    Problem::new("secret_key_file", why, "Name a text file that this user may read");
                self.problems.push(problem.showing(&shown));
            }
        }
    }

    fn tokens(&mut self, settings: &mut Settings) {
        self.read("access_token_minutes", &mut settings.access_token_lifetime, in_units_of(MINUTE));
        self.read("access_token_algorithm", &mut settings.access_token_algorithm, words::algorithm);
        self.read("refresh_token_days", &mut settings.refresh_token_lifetime, in_units_of(DAY));
        self.read("session_max_days", &mut settings.session_max, in_units_of(DAY));
        self.read("refresh_race_seconds", &mut settings.refresh_race, in_units_of(SECOND));
        self.read("refresh_reuse_grace_seconds", &mut settings.refresh_reuse_grace, in_units_of(SECOND));
        self.read("one_time_token_minutes", &mut settings.one_time_token_lifetime, in_units_of(MINUTE));
    }

    fn passwords(&mut self, settings: &mut Settings) {
        self.read("password_min_length", &mut settings.password_min_length, words::number);
        if let Some(rules) = self.entries("password_rules") {
            match words::password_rules(&rules) {
                Ok(rules) => settings.password_rules = rules,
                Err(fault) => self.refuse("password_rules", &rules.join(","), fault),
            }
        }
        self.read("argon2_memory_kib", &mut settings.argon2.memory_kib, words::number);
        self.read("argon2_iterations", &mut settings.argon2.iterations, words::number);
        self.read("argon2_parallelism", &mut settings.argon2.parallelism, words::number);
    }

    fn mails(&mut self, settings: &mut Settings) {
        self.read_option("mail_url", &mut settings.mail_url, words::mail_url);
        self.read_option("mail_from", &mut settings.mail_from, words::mail_from);
        self.read_option("mail_templates_dir", &mut settings.mail_templates_dir, words::path);
        let mut notices: Vec<_> = settings.mail_notices.iter().copied().map(Some).collect();
        self.read_list("mail_notices", &mut notices, mail::notice);
        settings.mail_notices = notices.into_iter().flatten().collect();
        self.read_option("verify_email_url", &mut settings.verify_email_url, mail::link_url);
        self.read_option("password_reset_url", &mut settings.password_reset_url, mail::link_url);
        self.read("require_verified_email", &mut settings.require_verified_email, words::switch);
    }

    fn limits(&mut self, settings: &mut Settings) {
        let limits = &mut settings.rate_limits;
        self.read("rate_limit", &mut limits.on, words::switch);
        self.read("rate_limit_sign_in", &mut limits.sign_in, words::rate);
        self.read("rate_limit_sign_in_address", &mut limits.sign_in_address, words::rate);
        self.read("rate_limit_sign_in_account", &mut limits.sign_in_account, words::rate);
        self.read("rate_limit_sign_up", &mut limits.sign_up, words::rate);
        self.read("rate_limit_mail_address", &mut limits.mail_address, words::rate);
        self.read("rate_limit_mail_account", &mut limits.mail_account, words::rate);
        self.read("rate_limit_link_address", &mut limits.link_address, words::rate);
        self.read("rate_limit_oauth", &mut limits.oauth, words::rate);
    }

    fn providers(&mut self, settings: &mut Settings) {
        for provider in provider_names(self.values) {
            let name = |what: &str| format!("oauth_{provider}_{what}");
            let (mut id, mut secret) = (None, None);
            self.read_option(&name("client_id"), &mut id, words::text);
            self.read_option(&name("client_secret"), &mut secret, words::secret);
            let (file, given) =
                (name("client_secret_file"), self.values.contains_key(&name("client_secret")));
            if given && self.values.contains_key(&file) {
                let why = "the client secret is set too, so that it is unclear which holds";
                self.problems.push(Problem::new(&file, why, "Set one of the two"));
            } else {
                self.read_option(&file, &mut secret, oauth::secret_in_file);
            }
            let is_secret_given = given || self.values.contains_key(&file);
            for (part, is_given) in [
                ("client_id", self.values.contains_key(&name("client_id"))),
                ("client_secret", is_secret_given),
            ] {
                if !is_given {
                    let why = format!("the provider {provider} is set up without it");
                    let mend = "Set it to what the provider gave you";
                    self.problems.push(Problem::new(&name(part), why, mend));
                }
            }
            // What is missing was said; the rest is read all the same, so that all is said at once.
            let nothing = || SecretString::from(String::new());
            let complete = id.is_some() && secret.is_some();
            let mut read = OAuthProvider::new(id.unwrap_or_default(), secret.unwrap_or_else(nothing));
            self.read_option(&name("issuer"), &mut read.issuer, oauth::issuer_text);
            self.read_option(&name("scopes"), &mut read.scopes, oauth::scopes);
            self.read(&name("response_mode"), &mut read.response_mode, oauth::response_mode);
            self.read(&name("allow_private_network"), &mut read.allow_private_network, words::switch);
            if complete {
                settings.oauth.insert(provider, read);
            }
        }
    }

    fn logs(&mut self, settings: &mut Settings) {
        self.read("log", &mut settings.log, words::text);
        self.read_option("log_format", &mut settings.log_format, words::log_format);
        self.read_option("metrics_token", &mut settings.metrics_token, words::secret);
    }

    /// Nodes that share a database must share a name, which none of them can guess.
    fn refuse_guesses_for_postgres(&mut self, settings: &Settings) {
        if !matches!(settings.database, Some(Database::Postgres(_))) {
            return;
        }
        let given = |name: &str| self.values.contains_key(name);
        let nameless = !given("public_url");
        if nameless {
            let why = "nodes that share a PostgreSQL database need one common address, so none is guessed";
            self.problems.push(Problem::new(
                "public_url",
                why,
                "Write the address that people reach the service at",
            ));
        }
    }
}

fn in_units_of(unit: Duration) -> impl Fn(&str) -> Parsed<Duration> {
    move |given| words::duration(given, unit)
}

/// The providers that any setting names.
fn provider_names(values: &Values) -> std::collections::BTreeSet<String> {
    let patterns = SPECS.iter().filter_map(|spec| spec.name.split_once(super::spec::PROVIDER));
    patterns
        .flat_map(|(before, after)| {
            values.keys().filter_map(move |name| name.strip_prefix(before)?.strip_suffix(after))
        })
        .filter(|provider| Spec::of(&format!("oauth_{provider}_client_id")).is_some())
        .map(str::to_owned)
        .collect()
}
