//! Accounts and sign-ins as lines for people and as JSON for scripts.

use countersign::oauth::Identity;
use countersign::sign_in::{SignIn, State};
use countersign::time::Timestamp;
use countersign::user::Account;
use countersign::user_agent::readable;
use serde_json::{Value, json};

use crate::exit::Outcome;
use crate::output::{harmless, say};

/// One account.
pub(super) fn account(account: &Account, identities: &[Identity], as_json: bool) -> Outcome {
    if as_json {
        let mut shown = account_json(account);
        if let Some(fields) = shown.as_object_mut() {
            fields.insert("identities".to_owned(), identities.iter().map(identity_json).collect());
        }
        return Ok(say(&format!("{shown:#}"))?);
    }
    let user = &account.user;
    let time = |at: Option<Timestamp>| at.map_or_else(|| "never".to_owned(), Timestamp::to_rfc3339);
    let verified = if user.email_verified { " (verified)" } else { "" };
    let email = user.email.as_deref().map_or_else(|| "none".to_owned(), |email| harmless(email) + verified);
    let lines = [
        ("username", user.username.to_string()),
        ("id", user.id.to_string()),
        ("e-mail", email),
        ("state", state(account).to_owned()),
        ("password", if account.has_password { "yes" } else { "none" }.to_owned()),
        ("created at", user.created_at.to_rfc3339()),
        ("last sign-in at", time(account.last_sign_in_at)),
        ("disabled at", time(account.disabled_at)),
        ("deleted at", time(account.deleted_at)),
    ];
    let identities = identities.iter().map(|identity| {
        let subject = format!("{}, {}", harmless(&identity.subject), harmless(&identity.issuer));
        ("identity", format!("{} ({subject}), last used {}", identity.provider, time(identity.last_used_at)))
    });
    let lines: Vec<String> =
        lines.into_iter().chain(identities).map(|(name, value)| format!("{name:<16} {value}")).collect();
    Ok(say(&lines.join("\n"))?)
}

/// A list of accounts that is written while it is read: there may be millions.
pub(super) struct Accounts {
    as_json: bool,
    written: usize,
}

impl Accounts {
    pub(super) fn begin(as_json: bool) -> std::io::Result<Self> {
        say(if as_json {
            "["
        } else {
            "USERNAME                          STATE     CREATED AT                ID"
        })?;
        Ok(Self { as_json, written: 0 })
    }

    pub(super) fn add(&mut self, accounts: &[Account]) -> std::io::Result<()> {
        let mut lines = String::new();
        for account in accounts {
            if self.as_json {
                lines.push_str(if self.written > 0 { ",\n" } else { "" });
                lines.push_str(&account_json(account).to_string());
            } else {
                lines.push_str(if lines.is_empty() { "" } else { "\n" });
                let user = &account.user;
                let (name, state, created) = (&user.username, state(account), user.created_at.to_rfc3339());
                lines.push_str(&format!("{name:<33} {state:<9} {created:<25} {}", user.id));
            }
            self.written += 1;
        }
        if lines.is_empty() { Ok(()) } else { say(&lines) }
    }

    pub(super) fn end(self) -> Outcome {
        if self.as_json { Ok(say("]")?) } else { Ok(()) }
    }
}

/// The sign-ins of an account.
pub(super) fn sign_ins(sign_ins: &[SignIn], as_json: bool) -> Outcome {
    if as_json {
        let list: Vec<Value> = sign_ins.iter().map(sign_in_json).collect();
        return Ok(say(&format!("{:#}", Value::Array(list)))?);
    }
    let mut lines =
        vec!["ID                   STATE                  LAST USED AT              FROM".to_owned()];
    lines.extend(sign_ins.iter().map(|sign_in| {
        let (state, _) = words(sign_in);
        let address = sign_in.address.as_deref().map(harmless).unwrap_or_default();
        let from = [address, sign_in.user_agent.as_deref().map(readable).unwrap_or_default()];
        let used = sign_in.last_used_at.to_rfc3339();
        format!("{:<20} {state:<22} {used:<25} {}", sign_in.id.to_string(), from.join(" "))
            .trim_end()
            .to_owned()
    }));
    Ok(say(&lines.join("\n"))?)
}

fn state(account: &Account) -> &'static str {
    match (account.deleted_at, account.disabled_at) {
        (Some(_), _) => "deleted",
        (None, Some(_)) => "disabled",
        (None, None) => "active",
    }
}

/// A sign-in's state in a word, and since when where it was ended.
fn words(sign_in: &SignIn) -> (&'static str, Option<Timestamp>) {
    match sign_in.state {
        State::Live => ("live", None),
        State::Ended { at, why } => (why.word(), Some(at)),
        State::Expired => ("expired", None),
    }
}

fn account_json(account: &Account) -> Value {
    let user = &account.user;
    json!({
        "id": user.id.to_string(),
        "username": &*user.username,
        "email": user.email.as_deref(),
        "email_verified": user.email_verified,
        "created_at": user.created_at.to_rfc3339(),
        "state": state(account),
        "has_password": account.has_password,
        "last_sign_in_at": account.last_sign_in_at.map(Timestamp::to_rfc3339),
        "disabled_at": account.disabled_at.map(Timestamp::to_rfc3339),
        "deleted_at": account.deleted_at.map(Timestamp::to_rfc3339),
    })
}

fn identity_json(identity: &Identity) -> Value {
    json!({
        "id": identity.id.to_string(),
        "provider": identity.provider,
        "issuer": identity.issuer,
        "subject": identity.subject,
        "email": identity.email,
        "created_at": identity.created_at.to_rfc3339(),
        "last_used_at": identity.last_used_at.map(Timestamp::to_rfc3339),
    })
}

fn sign_in_json(sign_in: &SignIn) -> Value {
    let (state, ended_at) = words(sign_in);
    json!({
        "id": sign_in.id.to_string(),
        "state": state,
        "created_at": sign_in.created_at.to_rfc3339(),
        "last_used_at": sign_in.last_used_at.to_rfc3339(),
        "expires_at": sign_in.expires_at.to_rfc3339(),
        "ended_at": ended_at.map(Timestamp::to_rfc3339),
        "user_agent": sign_in.user_agent.as_deref().map(readable),
        "user_agent_sent": sign_in.user_agent.as_deref().map(harmless),
        "address": sign_in.address,
        "transport": sign_in.transport.word(),
    })
}
