//! Why somebody is signed in no more: an account's or a sign-in's story, told in sentences.

use super::sentence::reason;
use super::{Event, Recorded, Whose, list};
use crate::error::{Error, Result};
use crate::id::{SignInId, UserId};
use crate::service::Countersign;
use crate::sign_in::{self, SignIn, State};
use crate::text::harmless;
use crate::time::Timestamp;
use crate::user::Account;
use crate::user_agent::readable;

/// More events than these tell nobody anything.
const EVENTS: u32 = 50;

/// The events that end sign-ins without naming each.
const ENDS_ALL: [Event; 5] = [
    Event::SignOutEverywhere,
    Event::AllSignInsRevoked,
    Event::PasswordChanged,
    Event::UserDisabled,
    Event::UserDeleted,
];

/// A sentence, and when it came true, where it speaks of a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// When.
    pub at: Option<Timestamp>,
    /// What.
    pub sentence: String,
}

impl Told {
    fn now(sentence: String) -> Self {
        Self { at: None, sentence }
    }
}

impl From<&Recorded> for Told {
    fn from(event: &Recorded) -> Self {
        Self { at: Some(event.at), sentence: event.sentence() }
    }
}

/// What happened to an account, and where it is signed in.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn explain_user(service: &Countersign, account: &Account) -> Result<Vec<Told>> {
    let id = account.user.id;
    let events = list(service, Whose::User(id), None, EVENTS).await?;
    let mut told: Vec<Told> = events.iter().map(Told::from).collect();
    let name = &account.user.username;
    told.push(Told::now(match (account.deleted_at, account.disabled_at) {
        (Some(at), _) => format!("{name} was deleted at {}: nobody signs in.", at.to_rfc3339()),
        (None, Some(at)) => format!("{name} has been disabled since {}: nobody signs in.", at.to_rfc3339()),
        (None, None) => format!("{name} is active."),
    }));
    let sign_ins = sign_in::list(service, id).await?;
    let living: Vec<&SignIn> = sign_ins.iter().filter(|sign_in| sign_in.state == State::Live).collect();
    told.push(Told::now(match living.len() {
        0 => "There is no living sign-in.".to_owned(),
        1 => "There is 1 living sign-in.".to_owned(),
        many => format!("There are {many} living sign-ins."),
    }));
    told.extend(
        living.into_iter().map(|sign_in| Told::now(format!("{} {}", began(sign_in), verdict(sign_in)))),
    );
    Ok(told)
}

/// How a sign-in began, what became of it, and why it ended.
///
/// # Errors
/// [`Error::NotFound`] where neither a row nor an event remembers it; [`Error::Unavailable`].
pub async fn explain_sign_in(service: &Countersign, id: SignInId) -> Result<Vec<Told>> {
    let events = list(service, Whose::SignIn(id), None, EVENTS).await?;
    let user = owner(service, id, &events).await?.ok_or(Error::NotFound)?;
    let row = sign_in::list(service, user).await?.into_iter().find(|sign_in| sign_in.id == id);
    let mut told = Vec::new();
    if let Some(row) = &row {
        told.push(Told { at: Some(row.created_at), sentence: began(row) });
    }
    let is_news = |event: &&Recorded| row.is_none() || event.event != Event::SignIn.word();
    told.extend(events.iter().filter(is_news).map(Told::from));
    match row {
        Some(row) => told.push(Told::now(verdict(&row))),
        None => told.extend(end_of_a_forgotten_one(service, user, &events).await?),
    }
    Ok(told)
}

async fn owner(service: &Countersign, id: SignInId, events: &[Recorded]) -> Result<Option<UserId>> {
    let row = service.store().read(id, |tx, id| Box::pin(async move { tx.family(*id).await })).await?;
    Ok(row.map(|row| row.user).or_else(|| events.iter().find_map(|event| event.user)))
}

/// What ended a sign-in whose row clean-up has removed, as far as the trail says so.
async fn end_of_a_forgotten_one(
    service: &Countersign,
    user: UserId,
    events: &[Recorded],
) -> Result<Option<Told>> {
    let ends_one = [Event::SignOut, Event::SignInRevoked, Event::RefreshTokenReuseDetected].map(Event::word);
    if events.iter().any(|event| ends_one.contains(&event.event.as_str())) {
        return Ok(None);
    }
    let began = events.first().map(|event| event.id);
    let all = list(service, Whose::User(user), None, u32::from(u16::MAX)).await?;
    let is_end = |event: &&Recorded| {
        let ends = Event::from_word(&event.event).is_some_and(|event| ENDS_ALL.contains(&event));
        ends && Some(event.id) > began && !events.iter().any(|own| own.id == event.id)
    };
    let forgotten = "It is over, and its row is gone: most likely it expired, since nothing else ended it.";
    Ok(Some(all.iter().find(is_end).map_or_else(|| Told::now(forgotten.to_owned()), Told::from)))
}

fn began(sign_in: &SignIn) -> String {
    let from = sign_in.address.as_deref().map(|address| format!(" from {}", harmless(address)));
    let with = sign_in.user_agent.as_deref().map(|agent| format!(" with {}", readable(agent)));
    let at = sign_in.created_at.to_rfc3339();
    format!(
        "The sign-in {} began at {at}{}{}.",
        sign_in.id,
        from.unwrap_or_default(),
        with.unwrap_or_default()
    )
}

fn verdict(sign_in: &SignIn) -> String {
    let (used, expires) = (sign_in.last_used_at.to_rfc3339(), sign_in.expires_at.to_rfc3339());
    match sign_in.state {
        State::Live => {
            format!("It was last used at {used}, lives, and ends at {expires} unless it is refreshed.")
        }
        State::Ended { at, why } => format!("It ended at {}: {}.", at.to_rfc3339(), reason(why)),
        State::Expired => {
            format!("It ended at {expires}: its time was over, and nobody had refreshed it since {used}.")
        }
    }
}
