//! The laws themselves, asked of a log.

use std::collections::{HashMap, HashSet};

use super::{Act, Event, Heard, Law, Mark, Violation, Why};

/// Something that ends sign-ins, with its answer, if it came.
#[derive(Clone, Copy)]
struct Ending {
    began: u64,
    /// `None`: never answered, so it may have happened at any time since it began.
    acknowledged: Option<u64>,
}

/// One sign-in: the token that it began with, who signed in, and with which password.
#[derive(Clone, Copy)]
struct Family {
    user: Mark,
    password: Mark,
    answered: u64,
}

/// The log, by token, by sign-in and by user.
#[derive(Default)]
pub(super) struct Case<'e> {
    events: &'e [Event],
    refreshes: HashMap<Mark, Vec<&'e Event>>,
    parent: HashMap<Mark, Mark>,
    families: HashMap<Mark, Family>,
    root: HashMap<Mark, Mark>,
    /// By the first token of the sign-in.
    sign_in_endings: HashMap<Mark, Vec<Ending>>,
    user_endings: HashMap<Mark, Vec<&'e Event>>,
    found: Vec<Violation>,
}

impl<'e> Case<'e> {
    pub(super) fn build(events: &'e [Event]) -> Self {
        let mut case = Self { events, ..Self::default() };
        for event in events {
            case.file(event);
        }
        let tokens: Vec<Mark> = case.parent.keys().chain(case.families.keys()).copied().collect();
        for token in tokens {
            let root = case.climb(token);
            case.root.insert(token, root);
        }
        for event in events {
            case.file_ending(event);
        }
        case
    }

    pub(super) fn judge(mut self) -> Vec<Violation> {
        self.one_successor();
        for event in self.events {
            match (event.act, event.heard) {
                (Act::Refresh { token, .. } | Act::Use { token }, Heard::Token(_) | Heard::Account(_)) => {
                    self.worked(event, token);
                }
                (Act::Refresh { token, .. } | Act::Use { token }, Heard::Refused(why)) => {
                    self.was_refused(event, token, why);
                }
                (Act::SignIn { user, password }, Heard::Token(_)) => self.signed_in(event, user, password),
                (Act::SignIn { user, password }, Heard::Refused(Why::Credentials)) => {
                    self.sign_in_refused(event, user, password);
                }
                _ => {}
            }
        }
        self.found
    }

    fn report(&mut self, law: Law, event: &Event, says: &str) {
        self.found.push(Violation { law, says: format!("{says}: {event:?}") });
    }

    fn file(&mut self, event: &'e Event) {
        match (event.act, event.heard) {
            (Act::SignIn { user, password }, Heard::Token(token)) => {
                let family = Family { user, password, answered: event.ended };
                if self.families.insert(token, family).is_some() {
                    self.report(Law::OneSuccessor, event, "two sign-ins began with one token");
                }
            }
            (Act::Refresh { token, .. }, heard) => {
                self.refreshes.entry(token).or_default().push(event);
                if let Heard::Token(successor) = heard
                    && self.parent.insert(successor, token).is_some_and(|parent| parent != token)
                {
                    self.report(Law::OneSuccessor, event, "a successor of two tokens");
                }
            }
            _ => {}
        }
    }

    fn file_ending(&mut self, event: &'e Event) {
        let acknowledged = (event.heard == Heard::Done).then_some(event.ended);
        match event.act {
            Act::SignOut { token } => {
                let ending = Ending { began: event.began, acknowledged };
                self.sign_in_endings.entry(self.root_of(token)).or_default().push(ending);
            }
            // A theft ends the sign-in before it is answered; a replay without an answer may have been one.
            Act::Refresh { token, .. }
                if event.heard == Heard::Refused(Why::Reused) || self.may_replay(event, token) =>
            {
                let acknowledged = (event.heard != Heard::Nothing).then_some(event.ended);
                let ending = Ending { began: event.began, acknowledged };
                self.sign_in_endings.entry(self.root_of(token)).or_default().push(ending);
            }
            Act::SignOutEverywhere { user }
            | Act::ChangePassword { user, .. }
            | Act::Disable { user }
            | Act::Enable { user }
            | Act::Delete { user }
                if matches!(event.heard, Heard::Done | Heard::Nothing) =>
            {
                self.user_endings.entry(user).or_default().push(event);
            }
            _ => {}
        }
    }

    fn may_replay(&self, event: &Event, token: Mark) -> bool {
        event.heard == Heard::Nothing && self.was_spent_beside(event, token)
    }

    /// Whether a request explains that this one finds the token spent: one that spent it, or may have, because its
    /// answer was lost. One with the same key explains nothing, as long as the successor was not used.
    fn was_spent_beside(&self, event: &Event, token: Mark) -> bool {
        let is_before = |other: &Event| *other != *event && spends(other) && other.began < event.ended;
        let tries = self.refreshes.get(&token).map(Vec::as_slice).unwrap_or_default();
        let was_used = |other: &Event| match other.heard {
            Heard::Token(next) => {
                self.refreshes.get(&next).is_some_and(|uses| uses.iter().any(|it| is_before(it)))
            }
            _ => false,
        };
        let explains = |other: &Event| key_of(event).is_none() || key_of(event) != key_of(other);
        tries.iter().any(|other| (is_before(other) && explains(other)) || was_used(other))
    }

    /// The first token of the sign-in that a token belongs to; a forged circle ends where it began.
    fn climb(&self, token: Mark) -> Mark {
        let (mut at, mut seen) = (token, HashSet::new());
        while let Some(parent) = self.parent.get(&at) {
            if !seen.insert(at) {
                break;
            }
            at = *parent;
        }
        at
    }

    fn root_of(&self, token: Mark) -> Mark {
        self.root.get(&token).copied().unwrap_or(token)
    }

    fn one_successor(&mut self) {
        let mut forks = Vec::new();
        for tries in self.refreshes.values() {
            let mut first = None;
            for event in tries {
                if let Heard::Token(successor) = event.heard {
                    match first {
                        None => first = Some(successor),
                        Some(other) if other != successor => forks.push(*event),
                        Some(_) => {}
                    }
                }
            }
        }
        for event in forks {
            self.report(Law::OneSuccessor, event, "a second successor");
        }
    }

    /// A token opened something: may it?
    fn worked(&mut self, event: &Event, token: Mark) {
        if let (Act::Refresh { key, .. }, Heard::Token(successor)) = (event.act, event.heard) {
            self.may_be_spent(event, token, key, successor);
        }
        let root = self.root_of(token);
        let is_over = |ending: &Ending| ending.acknowledged.is_some_and(|at| at < event.began);
        if self.sign_in_endings.get(&root).is_some_and(|endings| endings.iter().any(is_over)) {
            self.report(Law::RevokedIsRevoked, event, "a token of an ended sign-in works");
        }
        let Some(family) = self.families.get(&root).copied() else {
            return self.report(Law::LiveUser, event, "a token that nobody was given works");
        };
        if let Heard::Account(user) = event.heard
            && user != family.user
        {
            self.report(Law::LiveUser, event, "a token opens another account");
        }
        let acts: Vec<&Event> = self.user_endings.get(&family.user).cloned().unwrap_or_default();
        for act in acts.iter().filter(|act| act.heard == Heard::Done && act.ended < event.began) {
            self.judge_after(event, root, family, act, &acts);
        }
    }

    /// Whether a token may work although this was acknowledged before.
    fn judge_after(&mut self, event: &Event, root: Mark, family: Family, act: &Event, acts: &[&Event]) {
        let is_older = family.answered < act.began;
        match act.act {
            Act::ChangePassword { keep, .. } if self.root_of(keep) == root => {}
            // The gate: a sign-in that proved the former password never comes to life, however late it was answered.
            Act::ChangePassword { from, .. } if is_older || family.password == from => {
                self.report(Law::RevokedIsRevoked, event, "a sign-in outlives the change of its password");
            }
            Act::SignOutEverywhere { .. } if is_older => {
                self.report(Law::RevokedIsRevoked, event, "a sign-in outlives a sign-out everywhere");
            }
            Act::Disable { .. } if is_older => {
                self.report(Law::RevokedIsRevoked, event, "a sign-in outlives the disabling of its user");
            }
            Act::Disable { .. } if !was_enabled_since(acts, act, event.ended) => {
                self.report(Law::LiveUser, event, "a token of a disabled user works");
            }
            Act::Delete { .. } => self.report(Law::LiveUser, event, "a token of a deleted user works"),
            _ => {}
        }
    }

    /// A refresh won: nobody else may have, but by the same key, and before the successor was used.
    fn may_be_spent(&mut self, event: &Event, token: Mark, key: Option<Mark>, successor: Mark) {
        let others = self.refreshes.get(&token).cloned().unwrap_or_default();
        let won_otherwise = |other: &&&Event| {
            let Act::Refresh { key: its_key, .. } = other.act else { return false };
            other.began < event.began && is_token(other) && (key.is_none() || key != its_key)
        };
        if others.iter().any(|other| won_otherwise(&other)) {
            self.report(Law::SpentIsSpent, event, "a spent token works again without its key");
        }
        let uses = self.refreshes.get(&successor);
        if uses.is_some_and(|uses| uses.iter().any(|used| is_token(used) && used.ended < event.began)) {
            self.report(Law::SpentIsSpent, event, "a retry works although its successor was used");
        }
    }

    /// A token opened nothing: why not?
    fn was_refused(&mut self, event: &Event, token: Mark, why: Why) {
        let root = self.root_of(token);
        let Some(family) = self.families.get(&root).copied() else { return };
        let has_cause = match why {
            Why::Spent | Why::Reused => self.was_spent_beside(event, token),
            Why::Revoked | Why::Access => self.may_have_ended(root, family, event),
            Why::Expired | Why::Other => true,
            Why::Invalid | Why::Credentials => false,
        };
        if !has_cause {
            self.report(Law::NothingLost, event, "refused without a cause");
        }
    }

    fn may_have_ended(&self, root: Mark, family: Family, event: &Event) -> bool {
        let begun = |ending: &Ending| ending.began < event.ended;
        let by_itself = self.sign_in_endings.get(&root).is_some_and(|endings| endings.iter().any(begun));
        let spares = |act: &Event| match act.act {
            Act::Enable { .. } => true,
            Act::ChangePassword { keep, .. } => self.root_of(keep) == root,
            _ => false,
        };
        let acts = self.user_endings.get(&family.user);
        by_itself || acts.is_some_and(|acts| acts.iter().any(|act| act.began < event.ended && !spares(act)))
    }

    fn signed_in(&mut self, event: &Event, user: Mark, password: Mark) {
        let acts: Vec<&Event> = self.user_endings.get(&user).cloned().unwrap_or_default();
        for act in acts.iter().filter(|act| act.heard == Heard::Done && act.ended < event.began) {
            match act.act {
                Act::ChangePassword { from, .. } if from == password => {
                    self.report(Law::RevokedIsRevoked, event, "a former password signs in");
                }
                Act::Delete { .. } => self.report(Law::LiveUser, event, "a deleted user signs in"),
                Act::Disable { .. } if !was_enabled_since(&acts, act, event.ended) => {
                    self.report(Law::LiveUser, event, "a disabled user signs in");
                }
                _ => {}
            }
        }
    }

    /// An acknowledged sign-up signs in with its password, unless somebody may have changed that.
    fn sign_in_refused(&mut self, event: &Event, user: Mark, password: Mark) {
        let made = self.events.iter().any(|other| {
            let gives_it = match other.act {
                Act::SignUp { user: whose, password: which } => whose == user && which == password,
                Act::ChangePassword { user: whose, to, .. } => whose == user && to == password,
                _ => false,
            };
            gives_it && other.heard == Heard::Done && other.ended < event.began
        });
        let acts = self.user_endings.get(&user);
        let changed = acts.is_some_and(|acts| {
            let could = |act: &Act| match act {
                Act::ChangePassword { from, .. } => *from == password,
                Act::SignOutEverywhere { .. } | Act::Disable { .. } | Act::Delete { .. } => true,
                _ => false,
            };
            acts.iter().any(|other| could(&other.act) && other.began < event.ended)
        });
        if made && !changed {
            self.report(Law::NothingLost, event, "an acknowledged password does not sign in");
        }
    }
}

/// The key of a refresh.
fn key_of(event: &Event) -> Option<Mark> {
    if let Act::Refresh { key, .. } = event.act { key } else { None }
}

/// Whether a refresh spent its token, or may have.
fn spends(event: &Event) -> bool {
    is_token(event) || event.heard == Heard::Nothing
}

fn is_token(event: &Event) -> bool {
    matches!(event.heard, Heard::Token(_))
}

/// Whether somebody asked to enable the user between that disabling and this moment.
fn was_enabled_since(acts: &[&Event], disabled: &Event, until: u64) -> bool {
    let enables = |act: &&&Event| matches!(act.act, Act::Enable { .. });
    acts.iter().filter(enables).any(|act| act.ended > disabled.began && act.began < until)
}
