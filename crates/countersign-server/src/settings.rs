//! Where settings come from: flags over environment over file over default, each value with its origin.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use clap::parser::ValueSource;
use countersign::settings::{Problem, SPECS, Settings, Spec, Value, Values};

use crate::cli::flag_name;
use crate::exit::Failure;
use crate::telemetry;

const PREFIX: &str = "COUNTERSIGN_";
const FILE: &str = "countersign.toml";

/// Settings that can stand, and where each came from.
#[derive(Debug)]
pub(crate) struct Configuration {
    pub(crate) settings: Settings,
    origins: BTreeMap<String, Origin>,
    key_file: Option<String>,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A flag, as it is written.
    Flag(String),
    /// An environment variable.
    Environment(String),
    /// A file.
    File(PathBuf),
    /// Nobody set it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(out, "flag {flag}"),
            Self::Environment(variable) => write!(out, "environment {variable}"),
            Self::File(path) => write!(out, "file {}", path.display()),
            Self::Default => out.write_str("default"),
        }
    }
}

impl Configuration {
    /// Reads the settings of this process.
    ///
    /// # Errors
    /// Every setting that can't stand, with its source and its mend.
    pub(crate) fn read(arguments: &ArgMatches) -> Result<Self, Failure> {
        Self::gather(arguments, std::env::vars_os()).map_err(|problems| Failure::Settings(report(&problems)))
    }

    fn gather(
        arguments: &ArgMatches,
        environment: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Vec<(Problem, Origin)>> {
        let mut sources = Sources::default();
        let (variables, config) = sources.environment(environment);
        sources.file(arguments.get_one::<PathBuf>("config").cloned().or(config));
        sources.add(variables);
        sources.flags(arguments);
        let Sources { values, origins, mut problems } = sources;
        let origin_of = |setting: &str| origins.get(setting).cloned().unwrap_or(Origin::Default);
        let read = Settings::from_values(&values);
        match &read {
            Ok(settings) => {
                problems.extend(telemetry::refuse(&settings.log).map(|problem| (problem, origin_of("log"))))
            }
            Err(found) => {
                problems.extend(found.iter().map(|problem| (problem.clone(), origin_of(&problem.setting))))
            }
        }
        let key_file = match values.get("secret_key_file") {
            Some(Value::Text(path)) => Some(path.clone()),
            _ => None,
        };
        match read {
            Ok(settings) if problems.is_empty() => Ok(Self { settings, origins, key_file }),
            _ => Err(problems),
        }
    }

    /// What holds for this setting, without secrets; `None` where it is unset.
    pub(crate) fn shown(&self, setting: &str) -> Option<String> {
        match setting {
            "secret_key_file" => self.key_file.clone(),
            "secret_key" if self.settings.secret_key.is_none() => {
                Some(format!("(generated into {})", self.settings.secret_key_path().display()))
            }
            _ => self.settings.shown(setting),
        }
    }

    /// Whether somebody set it.
    pub(crate) fn is_set(&self, setting: &str) -> bool {
        self.origins.contains_key(setting)
    }

    /// Where the value of this setting came from.
    pub(crate) fn origin(&self, setting: &str) -> &Origin {
        self.origins.get(setting).unwrap_or(&Origin::Default)
    }

    /// Every setting by name: the fixed ones in their order, then those of the providers that are set up.
    pub(crate) fn names(&self) -> Vec<String> {
        let fixed = SPECS.iter().filter(|spec| !spec.is_pattern()).map(|spec| spec.name.to_owned());
        let provider = |name: &&String| Spec::of(name).is_some_and(Spec::is_pattern);
        fixed.chain(self.origins.keys().filter(provider).cloned()).collect()
    }
}

/// A name, its value and where it came from.
type Given = (String, Value, Origin);

/// What was given so far; a later source covers an earlier one.
#[derive(Default)]
struct Sources {
    values: Values,
    origins: BTreeMap<String, Origin>,
    problems: Vec<(Problem, Origin)>,
}

impl Sources {
    fn add(&mut self, given: impl IntoIterator<Item = Given>) {
        for (name, value, origin) in given {
            self.origins.insert(name.clone(), origin);
            self.values.insert(name, value);
        }
    }

    fn refuse(&mut self, setting: &str, origin: Origin, why: impl Into<String>, mend: &str) {
        self.problems.push((Problem::new(setting, why, mend), origin));
    }

    /// What the environment gives, and the file that it names.
    fn environment(
        &mut self,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> (Vec<Given>, Option<PathBuf>) {
        let (mut given, mut config) = (Vec::new(), None);
        for (variable, value) in variables {
            let Some(variable) = variable.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
            if value.is_empty() || is_somebody_elses(variable, &value) {
                continue;
            }
            if variable == "COUNTERSIGN_CONFIG" {
                config = Some(PathBuf::from(value));
                continue;
            }
            let origin = Origin::Environment(variable.to_owned());
            let name = variable.strip_prefix(PREFIX).unwrap_or_default();
            // A variable in lower case must not pass for the one in upper case.
            let name =
                if name.contains(char::is_lowercase) { variable.to_owned() } else { name.to_lowercase() };
            match value.into_string() {
                Ok(text) => given.push((name, Value::Text(text), origin)),
                Err(_) => self.refuse(&name, origin, "it is not UTF-8", "Write it as UTF-8"),
            }
        }
        (given, config)
    }

    /// What the file gives: one that was named must be there, the usual one need not.
    fn file(&mut self, named: Option<PathBuf>) {
        let path = named.clone().unwrap_or_else(|| PathBuf::from(FILE));
        let origin = Origin::File(path.clone());
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => return,
            Err(error) => {
                let why = format!("{} can't be read ({error})", path.display());
                return self.refuse("config", origin, why, "Name a TOML file that this user may read");
            }
        };
        match text.parse::<toml::Table>() {
            Ok(table) => {
                for (name, value) in table {
                    self.entry(name, value, &path);
                }
            }
            Err(error) => {
                // The parser's own report quotes the line, which may hold a secret.
                let before = error.span().and_then(|span| text.get(..span.start));
                let line = before.map_or(1, |before| before.matches('\n').count() + 1);
                let why = format!("line {line} is not TOML ({})", error.message());
                self.refuse("config", origin, why, "Write one name = value on each line");
            }
        }
    }

    fn entry(&mut self, name: String, value: toml::Value, path: &Path) {
        let origin = Origin::File(path.to_owned());
        let value = match value {
            toml::Value::Array(entries) => entries.iter().map(plain).collect::<Option<_>>().map(Value::List),
            other => plain(&other).map(Value::Text),
        };
        match value {
            Some(value) => self.add([(name, value, origin)]),
            None => {
                self.refuse(&name, origin, "it is neither a value nor a list", "Write it as name = value")
            }
        }
    }

    fn flags(&mut self, arguments: &ArgMatches) {
        let names = arguments.ids().map(clap::Id::as_str).filter(|id| Spec::of(id).is_some());
        let given: Vec<_> = names
            .filter(|name| arguments.value_source(name) == Some(ValueSource::CommandLine))
            .filter_map(|name| {
                let texts: Vec<&str> = arguments.get_many::<String>(name)?.map(String::as_str).collect();
                let origin = Origin::Flag(format!("--{}", flag_name(name)));
                Some((name.to_owned(), Value::Text(texts.join(",")), origin))
            })
            .collect();
        self.add(given);
    }
}

/// A value of TOML that is one text.
fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(switch) => Some(switch.to_string()),
        _ => None,
    }
}

/// Whether Kubernetes put this variable in: it does so in every pod for every service of the name space, and
/// a service called `countersign`, or `countersign-something`, gives names that begin like ours. The tests'
/// own variables are not settings either, nor are those of `countersign copy`.
fn is_somebody_elses(variable: &str, value: &OsStr) -> bool {
    let Some(name) = variable.strip_prefix(PREFIX) else { return false };
    let of_our_service = name.starts_with("SERVICE_") || name.starts_with("PORT");
    let is_url =
        ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.to_string_lossy().starts_with(scheme));
    let of_a_neighbour = name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && is_url)
        || ["_TCP", "_UDP", "_SCTP"]
            .iter()
            .any(|protocol| name.contains("_PORT_") && name.contains(protocol));
    of_our_service || of_a_neighbour || name.starts_with("TEST_") || matches!(name, "COPY_FROM" | "COPY_TO")
}

/// All problems, one a line, each with its source.
fn report(problems: &[(Problem, Origin)]) -> String {
    let mut lines = match problems.len() {
        1 => "a setting can't stand:".to_owned(),
        count => format!("{count} settings can't stand:"),
    };
    for (Problem { setting, value_shown, why, mend }, origin) in problems {
        let setting = crate::output::harmless(setting);
        let value = value_shown.as_ref().map(|value| format!(" = \"{value}\"")).unwrap_or_default();
        lines.push_str(&format!("\n  {setting}{value} ({origin}): {why}. {mend}."));
    }
    lines
}
