//! The arguments: one tree of commands, and one flag for each setting, made from the list of settings.

use std::ffi::OsString;

use clap::{Arg, ArgAction, ArgMatches, Command, builder::NonEmptyStringValueParser, value_parser};
use countersign::settings::spec::PROVIDER;
use countersign::settings::{SPECS, Spec};

use crate::{commands, exit};

const HEADING: &str = "Settings";

/// How settings come together, for `--help`.
const SOURCES: &str = "\
Settings: a flag wins over the environment (COUNTERSIGN_ and the name in upper case), that over \
countersign.toml (the name in lower case, with _ for -), that over the default. Lists are separated by \
commas; in the file they are arrays. An empty environment variable counts as unset. \
`countersign config show --origin` tells what holds and why.";

/// Reads the arguments, or says what is wrong with them and ends the program.
pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> ArgMatches {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    command(&arguments).get_matches_from(arguments)
}

/// The whole tree. Flags for OAuth providers stand in it where `arguments` name them: their names are free.
pub(crate) fn command(arguments: &[OsString]) -> Command {
    let config = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .help("The file to read settings from [default: countersign.toml, if there is one]")
        .value_parser(value_parser!(std::path::PathBuf))
        .help_heading(HEADING)
        .global(true);
    let fixed = SPECS.iter().filter(|spec| !spec.is_pattern()).map(|spec| flag(spec.name.to_owned(), spec));
    Command::new("countersign")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Authentication as a service: sign-up, access tokens, refresh tokens, sign-out")
        .after_help(format!("Every setting has a flag: see --help.\n{}", exit::HELP))
        .after_long_help(format!("{SOURCES}\n\n{}", exit::HELP))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .max_term_width(110)
        .arg(config)
        .args(fixed)
        .args(provider_flags(arguments))
        .subcommands(commands::all())
}

/// What a flag for a setting is called: `--data-dir` for `data_dir`.
pub(crate) fn flag_name(setting: &str) -> String {
    setting.replace('_', "-")
}

fn flag(setting: String, spec: &Spec) -> Arg {
    let long = flag_name(&setting);
    Arg::new(setting)
        .long(long)
        .value_name(spec.value)
        .help(format!("{} [default: {}]", spec.help, spec.default))
        .value_parser(NonEmptyStringValueParser::new())
        .action(if spec.list { ArgAction::Append } else { ArgAction::Set })
        .hide_short_help(true)
        .help_heading(HEADING)
        .global(true)
}

/// Flags for the usual providers, and for any other that these arguments name.
fn provider_flags(arguments: &[OsString]) -> Vec<Arg> {
    let mut providers = vec!["google".to_owned(), "github".to_owned()];
    let patterns: Vec<_> =
        SPECS.iter().filter_map(|spec| Some((spec, spec.name.split_once(PROVIDER)?))).collect();
    for argument in arguments.iter().filter_map(|argument| argument.to_str()?.strip_prefix("--")) {
        let name = argument.split('=').next().unwrap_or_default().replace('-', "_");
        let provider =
            patterns.iter().find_map(|(_, (before, after))| name.strip_prefix(before)?.strip_suffix(after));
        if let Some(provider) = provider.filter(|_| Spec::of(&name).is_some())
            && !providers.iter().any(|known| known == provider)
        {
            providers.push(provider.to_owned());
        }
    }
    let flags = providers.iter().flat_map(|provider| {
        patterns.iter().map(move |(spec, (before, after))| flag(format!("{before}{provider}{after}"), spec))
    });
    flags.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_tree_of_commands_is_valid() {
        command(&[]).debug_assert();
        command(&["x".into(), "--oauth-my-idp-issuer=https://idp.example".into()]).debug_assert();
    }

    #[test]
    fn every_command_and_every_flag_explains_itself() {
        fn explained(command: &Command) {
            assert!(command.get_about().is_some(), "{} has no explanation", command.get_name());
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} in {}", argument.get_id(), command.get_name());
            }
            command.get_subcommands().for_each(explained);
        }
        explained(&command(&[]));
    }

    #[test]
    fn a_provider_of_any_name_has_its_flags() {
        let arguments =
            ["countersign", "config", "check", "--oauth-my-idp-client-id", "id"].map(OsString::from);
        let matches = command(&arguments).try_get_matches_from(&arguments).unwrap();
        assert_eq!(matches.get_one::<String>("oauth_my_idp_client_id").unwrap(), "id");
        assert!(command(&[]).try_get_matches_from(&arguments).is_err());
    }
}
