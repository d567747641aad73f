//! `countersign user`: the operator's look at accounts, and acts upon them.

mod show;

use clap::{Arg, ArgMatches, Command, value_parser};
use countersign::Countersign;
use countersign::error::{Error, FieldErrors};
use countersign::id::{SignInId, UserId};
use countersign::names::Username;
use countersign::sign_in::{self, EndReason};
use countersign::user::{self, Account, NewUser};
use countersign::{oauth, operator};

use super::desk::{self, Missing};
use super::{json, password, switch};
use crate::exit::{Failure, Outcome};
use crate::output;

pub(super) fn command() -> Command {
    let name = || Arg::new("name").value_name("NAME").required(true).help("The account's username");
    let verb = |verb: &'static str, about: &'static str| Command::new(verb).about(about).arg(name());
    let email = Arg::new("email").long("email").value_name("ADDRESS").help("The account's e-mail address");
    let session = Arg::new("session")
        .long("session")
        .value_name("ID")
        .value_parser(value_parser!(String))
        .help("End this sign-in alone");
    Command::new("user").about("Look at accounts and act upon them").subcommand_required(true).subcommands([
        verb("create", "Make an account").arg(email).arg(json()).after_help(password::HELP),
        Command::new("list").about("List all accounts").arg(json()),
        verb("show", "Show an account").arg(json()),
        verb("set-password", "Give an account a new password; all its sign-ins end")
            .after_help(password::HELP),
        verb("disable", "Close an account until it is enabled again; all its sign-ins end"),
        verb("enable", "Open a disabled account again"),
        verb("delete", "Delete an account; its name stays reserved for the time of retention"),
        verb("sessions", "List the sign-ins of an account").arg(json()),
        Command::new("revoke")
            .about("End the sign-ins of an account, or of all")
            .arg(name().required(false).required_unless_present("everyone"))
            .arg(session)
            .arg(
                switch("everyone", "End every sign-in of every account")
                    .conflicts_with_all(["name", "session"]),
            ),
    ])
}

pub(super) fn run(arguments: &ArgMatches) -> Outcome {
    let Some((verb, arguments)) = arguments.subcommand() else { return Ok(()) };
    let missing = if verb == "create" { Missing::Create } else { Missing::Refuse };
    // Asked for before anything is opened: a person may take long.
    let password = match verb {
        "create" | "set-password" => Some(password::read()?),
        _ => None,
    };
    desk::with_service(arguments, missing, async |service| match (verb, password) {
        ("create", Some(password)) => create(service, arguments, password).await,
        ("list", _) => list(service, arguments.get_flag("json")).await,
        ("set-password", Some(password)) => {
            let account = find(service, arguments).await?;
            operator::set_password(service, &account.user, password).await.map_err(desk::failure)?;
            done(&account, "has a new password; all its sign-ins have ended")
        }
        ("revoke", _) if arguments.get_flag("everyone") => {
            let accounts = operator::revoke_everyone(service).await.map_err(desk::failure)?;
            Ok(output::say(&format!("Nobody is signed in any more; there are {accounts} accounts."))?)
        }
        _ => act(service, verb, arguments).await,
    })
}

/// What needs no password.
async fn act(service: &Countersign, verb: &str, arguments: &ArgMatches) -> Outcome {
    let account = find(service, arguments).await?;
    let id = account.user.id;
    match verb {
        "show" => {
            let identities = oauth::list(service, id).await.map_err(desk::failure)?;
            show::account(&account, &identities, arguments.get_flag("json"))
        }
        "sessions" => {
            let sign_ins = sign_in::list(service, id).await.map_err(desk::failure)?;
            show::sign_ins(&sign_ins, arguments.get_flag("json"))
        }
        "disable" => {
            operator::disable(service, id).await.map_err(|error| gone(error, &account))?;
            done(&account, "is disabled; all its sign-ins have ended")
        }
        "enable" => {
            operator::enable(service, id).await.map_err(|error| gone(error, &account))?;
            done(&account, "is enabled")
        }
        "delete" => {
            operator::delete(service, id).await.map_err(|error| gone(error, &account))?;
            done(&account, "is deleted; its name stays reserved until the purge")
        }
        "revoke" => match arguments.get_one::<String>("session") {
            Some(session) => revoke_one(service, &account, session).await,
            None => {
                sign_in::end_all(service, id, EndReason::Operator).await.map_err(desk::failure)?;
                done(&account, "has no sign-in any more")
            }
        },
        _ => Ok(()),
    }
}

async fn create(
    service: &Countersign,
    arguments: &ArgMatches,
    password: countersign::secret::SecretString,
) -> Outcome {
    let name = arguments.get_one::<String>("name").map(String::as_str);
    let email = arguments.get_one::<String>("email").map(String::as_str);
    let new = NewUser::judge(service.rules(), name, email, Some(password), FieldErrors::new());
    let user = match new {
        Ok(new) => user::sign_up(service, new, None).await,
        Err(error) => Err(error),
    };
    let user = user.map_err(desk::failure)?;
    if arguments.get_flag("json") {
        let username = Username::parse(&user.username).map_err(|error| Failure::Failed(error.message))?;
        let account = user::find_by_name(service, &username).await.map_err(desk::failure)?;
        return account.map_or(Ok(()), |account| show::account(&account, &[], true));
    }
    Ok(output::say(&format!("{} has an account, with the id {}.", user.username, user.id))?)
}

async fn list(service: &Countersign, as_json: bool) -> Outcome {
    /// Few enough to be read in one short transaction.
    const PAGE: u32 = 500;
    let mut after: Option<UserId> = None;
    let mut table = show::Accounts::begin(as_json)?;
    loop {
        let page = user::list(service, after, PAGE).await.map_err(desk::failure)?;
        table.add(&page)?;
        after = page.last().map(|account| account.user.id);
        if after.is_none() || page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX) {
            return table.end();
        }
    }
}

async fn find(service: &Countersign, arguments: &ArgMatches) -> Result<Account, Failure> {
    let name = arguments.get_one::<String>("name").map(String::as_str).unwrap_or_default();
    super::account(service, name).await
}

async fn revoke_one(service: &Countersign, account: &Account, session: &str) -> Outcome {
    let unknown = || {
        let session = output::harmless(session);
        Failure::NotFound(format!("{} has no sign-in {session} that could be ended", account.user.username))
    };
    let id: SignInId = session.parse().map_err(|_| unknown())?;
    let own = sign_in::list(service, account.user.id).await.map_err(desk::failure)?;
    if !own.iter().any(|sign_in| sign_in.id == id) {
        return Err(unknown());
    }
    if !sign_in::end(service, id, EndReason::Operator).await.map_err(desk::failure)? {
        return Err(unknown());
    }
    Ok(output::say(&format!("The sign-in {id} of {} has ended.", account.user.username))?)
}

/// The account was deleted before; its row only keeps the name.
fn gone(error: Error, account: &Account) -> Failure {
    match error {
        Error::NotFound => Failure::NotFound(format!("the account {} is deleted", account.user.username)),
        other => desk::failure(other),
    }
}

fn done(account: &Account, what: &str) -> Outcome {
    Ok(output::say(&format!("{} {what}.", account.user.username))?)
}
