//! Mails: queued with the change that they tell of, sent by any node, and never waited for by a request.
//!
//! A mail is a row of the outbox, written in the transaction of its cause: there is neither without the other. A node takes
//! some on by moving the time at which they are due, hands them to the mail server, and deletes what was taken. If it dies
//! in between they are due again, with the same `Message-ID`. Why so stands in decision 0011.

mod catalogue;
mod delivery;
mod kind;
mod message;
mod outbox;
mod postman;
mod sql;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use lettre::message::Mailbox;
use tokio::sync::Notify;
use zeroize::Zeroizing;

use crate::error::Result;
use crate::id::{MailId, UserId};
use crate::keys::OneTimeKey;
use crate::language::Language;
use crate::metrics::{MailResult, Tally};
use crate::one_time::{NewToken, Purpose, Seed, derive, hash};
use crate::settings::{MailLink, Notice, Settings};
use crate::store::{Store, Tx};
use crate::time::{Clock, Timestamp};

use catalogue::Catalogue;
pub(crate) use delivery::Delivered;
pub(crate) use kind::Kind;
#[cfg(test)]
use outbox::Letter;
pub use outbox::Waiting;
pub(crate) use outbox::{NewMail, Words};
use postman::Postman;

/// How long a notice is tried. The mail of a link is tried for as long as the link is good.
const NOTICE_LIFETIME: Duration = Duration::from_secs(3 * 24 * 60 * 60);
/// How long a mail that failed is kept for the operator.
const KEPT_FAILED: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// What queues, writes and sends the mails of one service. Clones share it.
#[derive(Clone)]
pub(crate) struct Mailer(Arc<Parts>);

struct Parts {
    store: Store,
    clock: Clock,
    keys: Vec<OneTimeKey>,
    catalogue: Catalogue,
    postman: Postman,
    from: Mailbox,
    /// What people know the service by: the host of `public_url`.
    host: String,
    url: String,
    links: [(Purpose, MailLink); 2],
    token_lifetime: Duration,
    notices: Vec<Notice>,
    outcomes: Tally<MailResult>,
    /// Rings when something was queued here.
    bell: Notify,
}

/// A link about to be mailed: its token's row, and its mail's.
#[derive(Debug, Clone)]
pub(crate) struct NewLink {
    token: NewToken,
    mail: NewMail,
}

impl NewLink {
    /// Writes both rows; what was mailed for this purpose before is worth nothing from now on. `false`: the user does not
    /// live.
    pub(crate) async fn queue(&self, tx: &mut Tx<'_>) -> Result<bool> {
        if !tx.put_one_time_token(&self.token).await? {
            return Ok(false);
        }
        tx.drop_mails(self.mail.user, self.mail.kind).await?;
        tx.queue_mail(&self.mail, &self.token.email).await?;
        Ok(true)
    }
}

impl Mailer {
    /// Judges what the settings say of mails.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub(crate) fn new(
        settings: &Settings,
        keys: Vec<OneTimeKey>,
        store: Store,
        clock: Clock,
        outcomes: Tally<MailResult>,
    ) -> std::result::Result<Self, String> {
        let links = [
            (Purpose::VerifyEmail, settings.verify_email_link()),
            (Purpose::ResetPassword, settings.password_reset_link()),
        ];
        Ok(Self(Arc::new(Parts {
            store,
            clock,
            keys,
            catalogue: Catalogue::read(settings.mail_templates_dir.as_deref())?,
            postman: Postman::of(settings)?,
            from: postman::sender(settings)?,
            host: settings.public_url.host_str().unwrap_or("localhost").to_owned(),
            url: settings.base_url().to_owned(),
            links,
            token_lifetime: settings.one_time_token_lifetime,
            notices: settings.mail_notices.clone(),
            outcomes,
            bell: Notify::new(),
        })))
    }

    /// A notice to the account's verified address, in the language of the request that this thread is working on; `None`
    /// where the operator wants none.
    pub(crate) fn notice(&self, kind: Kind, user: UserId, words: &[(&str, &str)]) -> Option<NewMail> {
        if kind.notice().is_some_and(|notice| !self.0.notices.contains(&notice)) {
            return None;
        }
        let now = self.now();
        let mut mail = NewMail {
            user,
            kind,
            language: Language::current(),
            words: words.iter().map(|(name, word)| ((*name).to_owned(), (*word).to_owned())).collect(),
            seed: None,
            now,
            expires_at: now.plus(NOTICE_LIFETIME),
        };
        mail.words.insert("when".to_owned(), shown(now));
        Some(mail)
    }

    /// The same for a user whom only the transaction knows: [`NewMail::of`] names them.
    pub(crate) fn notice_of_somebody(&self, kind: Kind, words: &[(&str, &str)]) -> Option<NewMail> {
        self.notice(kind, UserId::from_i64(0), words)
    }

    /// A link for this user to this address.
    pub(crate) fn link(
        &self,
        kind: Kind,
        purpose: Purpose,
        to: Addressee,
        language: Language,
    ) -> Result<NewLink> {
        let Addressee { user, username, email } = to;
        let (now, seed) = (self.now(), Seed::draw());
        let expires_at = now.plus(self.0.token_lifetime);
        let token = self.tokens(purpose, user, &seed).next().unwrap_or_default();
        let minutes = self.0.token_lifetime.as_secs().div_ceil(60).to_string();
        let words = [("username", username.as_str()), ("address", &email), ("minutes", &minutes)];
        let words = words.into_iter().map(|(name, word)| (name.to_owned(), word.to_owned())).collect();
        let email_key = email.to_ascii_lowercase();
        Ok(NewLink {
            token: NewToken { user, purpose, email, email_key, hash: hash(&token)?, now, expires_at },
            mail: NewMail { user, kind, language, words, seed: Some(seed), now, expires_at },
        })
    }

    /// The tokens that a seed stands for, the present key's first.
    fn tokens<'a>(
        &'a self,
        purpose: Purpose,
        user: UserId,
        seed: &'a Seed,
    ) -> impl Iterator<Item = Zeroizing<String>> + 'a {
        self.0.keys.iter().map(move |key| derive(key, purpose, user, seed))
    }

    /// Says that something was queued, so that it need not wait until somebody looks.
    pub(crate) fn ring(&self) {
        self.0.bell.notify_one();
    }

    /// Returns when something was queued here.
    pub(crate) async fn rung(&self) {
        self.0.bell.notified().await;
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Mails that wait or have failed, the oldest first, those after `after`, at most `limit` of them.
    pub(crate) async fn list(&self, after: Option<MailId>, limit: u32) -> Result<Vec<Waiting>> {
        let page = (after.map_or(0, MailId::as_i64), limit);
        let steps = self
            .0
            .store
            .read(page, |tx, (after, limit)| Box::pin(async move { tx.waiting_mails(*after, *limit).await }));
        steps.await
    }

    /// Tries failed mails again: this one, or all. Returns how many.
    pub(crate) async fn retry(&self, only: Option<MailId>) -> Result<u64> {
        let now = self.now();
        let input = (only, now, now.plus(NOTICE_LIFETIME));
        let steps = self.0.store.write(input, |tx, (only, now, until)| {
            Box::pin(async move { tx.revive_mails(*only, *now, *until).await })
        });
        let revived = steps.await?;
        self.ring();
        Ok(revived)
    }

    /// How many mails wait to be sent, counted to `most`.
    pub(crate) async fn waiting(&self, most: u32) -> Result<u64> {
        self.0.store.read(most, |tx, most| Box::pin(async move { tx.count_mails(*most).await })).await
    }

    /// How many failed mails the next sweep will remove, counted to `most`.
    pub(crate) async fn backlog(&self, most: u32) -> Result<u64> {
        let input = (self.now().minus(KEPT_FAILED), most);
        let steps = self.0.store.read(input, |tx, (failed_before, most)| {
            Box::pin(async move { tx.count_mails_due(*failed_before, *most).await })
        });
        steps.await
    }

    /// Removes failed mails that the operator has had time to look at, one small batch. Returns how many.
    pub(crate) async fn sweep(&self, batch: u32) -> Result<u64> {
        let input = (self.now().minus(KEPT_FAILED), batch);
        let steps = self.0.store.write(input, |tx, (failed_before, batch)| {
            Box::pin(async move { tx.remove_failed_mails(*failed_before, *batch).await })
        });
        steps.await
    }
}

/// Whom a link is mailed to.
#[derive(Debug, Clone)]
pub(crate) struct Addressee {
    pub(crate) user: UserId,
    pub(crate) username: String,
    pub(crate) email: String,
}

/// To the minute, UTC: `2026-11-24 09:30 UTC`.
fn shown(at: Timestamp) -> String {
    let text = at.to_rfc3339();
    let (day, time) = text.split_once('T').unwrap_or((&text, ""));
    format!("{day} {} UTC", time.get(..5).unwrap_or_default())
}
