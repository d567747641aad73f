//! Sending: takes mails on, writes them, hands them over, and settles what became of each.

use std::borrow::Cow;
use std::time::Duration;

use tokio::task::JoinSet;

use super::outbox::Letter;
use super::postman::{Refusal, WHOLE};
use super::{Kind, Mailer, message};
use crate::error::{Error, Internal, Result};
use crate::id::{MailId, UserId};
use crate::language::Language;
use crate::metrics::MailResult;
use crate::one_time::hash;
use crate::secret::random_bytes;

/// How many one node sends at once.
const BATCH: u32 = 8;
/// For how long nobody else takes a mail on: longer than its sending can take.
const CLAIM: Duration = Duration::from_secs(2 * WHOLE.as_secs());
/// The first pause after a mail was not taken; each further one is four times as long.
const FIRST_PAUSE: Duration = Duration::from_secs(15);
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);

/// What one round of sending came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// Mails that somebody else has now.
    pub(crate) sent: u64,
    /// Mails that are tried again later.
    pub(crate) postponed: u64,
    /// Mails that are not tried any more.
    pub(crate) failed: u64,
    /// Mails whose link is dead.
    pub(crate) dropped: u64,
}

impl Delivered {
    fn count(&mut self, result: MailResult) {
        let figure = match result {
            MailResult::Sent => &mut self.sent,
            MailResult::Postponed => &mut self.postponed,
            MailResult::Failed => &mut self.failed,
            MailResult::Dropped => &mut self.dropped,
        };
        *figure = figure.saturating_add(1);
    }
}

/// What is to be done with a mail that was taken on.
enum Fate {
    Sent,
    Later(String),
    Failed(String),
    /// A newer link took its place, or it was used, or the account is gone.
    Dropped,
}

impl Mailer {
    /// Sends what is due, until nothing is.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: what was taken on is due again when the claim is over.
    pub(crate) async fn deliver(&self) -> Result<Delivered> {
        let mut delivered = Delivered::default();
        loop {
            let now = self.now();
            let claim = (now, now.plus(CLAIM));
            let steps = self.0.store.write(claim, |tx, (now, until)| {
                Box::pin(async move { tx.claim_mails(*now, *until, BATCH).await })
            });
            let letters = steps.await?;
            let full = letters.len() >= usize::try_from(BATCH).unwrap_or(usize::MAX);
            let mut sending: JoinSet<Result<MailResult>> = letters
                .into_iter()
                .map(|letter| {
                    let mailer = self.clone();
                    async move { mailer.see_to(letter).await }
                })
                .collect();
            while let Some(done) = sending.join_next().await {
                delivered.count(done.map_err(|fault| Error::Fault(Internal::new(fault.to_string())))??);
            }
            if !full {
                return Ok(delivered);
            }
        }
    }

    async fn see_to(&self, letter: Letter) -> Result<MailResult> {
        let fate = self.send(&letter).await?;
        let (id, attempts, now) = (letter.id, letter.attempts, self.now());
        let (user, kind) = (letter.user.as_i64(), letter.kind.word());
        let (result, why) = match &fate {
            Fate::Sent => (MailResult::Sent, None),
            Fate::Later(why) => (MailResult::Postponed, Some(why.as_str())),
            Fate::Failed(why) => (MailResult::Failed, Some(why.as_str())),
            Fate::Dropped => (MailResult::Dropped, None),
        };
        self.0.outcomes.count(result);
        match why {
            None => tracing::info!(mail = %id, user, kind, result = ?result, "mail"),
            Some(why) => tracing::warn!(mail = %id, user, kind, result = ?result, why, "mail"),
        }
        let pause = pause_after(attempts);
        let steps =
            self.0.store.write((id, attempts, now, pause, fate), |tx, (id, attempts, now, pause, fate)| {
                Box::pin(async move {
                    match fate {
                        Fate::Sent | Fate::Dropped => tx.delete_mail(*id, *attempts).await,
                        Fate::Later(why) => tx.postpone_mail(*id, *attempts, now.plus(*pause), why).await,
                        Fate::Failed(why) => tx.fail_mail(*id, *attempts, *now, why).await,
                    }
                })
            });
        steps.await?;
        Ok(result)
    }

    async fn send(&self, letter: &Letter) -> Result<Fate> {
        if letter.expires_at <= self.now() {
            return Ok(Fate::Failed("it could not be sent in time".to_owned()));
        }
        let link = match self.link_of(letter).await? {
            Linked::Dead => return Ok(Fate::Dropped),
            Linked::None => None,
            Linked::Living(link) => Some(link),
        };
        let message = match self.message(letter, link.as_deref().map(String::as_str)) {
            Ok(message) => message,
            Err(fault) => return Ok(Fate::Failed(fault)),
        };
        let name = format!("{}-{}", letter.id, letter.kind.word());
        Ok(match self.0.postman.carry(&name, message).await {
            Ok(()) => Fate::Sent,
            Err(Refusal::NotNow(why)) => Fate::Later(why),
            Err(Refusal::Never(why)) => Fate::Failed(why),
        })
    }

    /// The link, made of the seed; the key that made the token may be a former one by now.
    async fn link_of(&self, letter: &Letter) -> Result<Linked> {
        let (Some(purpose), Some(seed)) = (letter.kind.purpose(), &letter.seed) else {
            return Ok(Linked::None);
        };
        for token in self.tokens(purpose, letter.user, seed) {
            let input = (purpose, hash(&token)?, self.now());
            let living = self.0.store.read(input, |tx, (purpose, hash, now)| {
                Box::pin(async move {
                    tx.weigh_one_time_token(*purpose, hash, *now).await.map(Some).or_else(dead)
                })
            });
            if living.await?.is_some() {
                let link =
                    self.0.links.iter().find(|(own, _)| *own == purpose).map(|(_, link)| link.to(&token));
                return Ok(link.map_or(Linked::Dead, Linked::Living));
            }
        }
        Ok(Linked::Dead)
    }

    fn message(&self, letter: &Letter, link: Option<&str>) -> std::result::Result<lettre::Message, String> {
        let words = |name: &str| match name {
            "service" => Some(Cow::Borrowed(self.0.host.as_str())),
            "url" => Some(Cow::Borrowed(self.0.url.as_str())),
            "link" => link.map(Cow::Borrowed),
            stored => letter.words.get(stored).map(|word| Cow::Borrowed(word.as_str())),
        };
        let written =
            self.0.catalogue.write(letter.kind, letter.language, &words).ok_or("it has no template")?;
        message::message(&self.0.from, &self.0.host, letter, written)
    }

    /// Sends a mail without more ado, to see whether the way out is open.
    ///
    /// # Errors
    /// What the way out said, for the operator.
    pub(crate) async fn test(&self, recipient: &str, language: Language) -> std::result::Result<(), String> {
        let now = self.now();
        let letter = Letter {
            id: MailId::fresh(now),
            user: UserId::from_i64(0),
            kind: Kind::Test,
            language,
            recipient: recipient.to_owned(),
            words: super::Words::new(),
            seed: None,
            created_at: now,
            expires_at: now,
            attempts: 1,
        };
        let message = self.message(&letter, None)?;
        match self.0.postman.carry(&format!("{}-test", letter.id), message).await {
            Ok(()) => Ok(()),
            Err(Refusal::NotNow(why) | Refusal::Never(why)) => Err(why),
        }
    }
}

/// What became of a mail's link.
enum Linked {
    None,
    Living(zeroize::Zeroizing<String>),
    Dead,
}

fn dead<T>(error: Error) -> Result<Option<T>> {
    match error {
        Error::OneTimeToken(_) => Ok(None),
        other => Err(other),
    }
}

/// Longer each time, and a random part longer than that, so that what failed together is not tried together.
fn pause_after(attempts: i64) -> Duration {
    let steps = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(8);
    let pause = FIRST_PAUSE.saturating_mul(4_u32.saturating_pow(steps)).min(LONGEST_PAUSE);
    let [random] = random_bytes::<1>();
    pause.saturating_add(pause.mul_f64(f64::from(random) / 512.0))
}
