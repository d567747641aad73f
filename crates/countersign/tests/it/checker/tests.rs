//! Each law is broken by a log made by hand, and the checker says so; a lawful log passes.

use super::{Act, Event, Heard, Law, Mark, Why, check};

const ADA: Mark = Mark(1);
const EVE: Mark = Mark(2);
const OLD: Mark = Mark(10);
const NEW: Mark = Mark(11);
const KEY: Option<Mark> = Some(Mark(20));
const OTHER_KEY: Option<Mark> = Some(Mark(21));

/// Tokens of the sign-in under test, by generation.
fn t(generation: u64) -> Mark {
    Mark(100 + generation)
}

/// A log whose requests follow one another, unless times are given.
#[derive(Default)]
struct Story(Vec<Event>);

impl Story {
    /// Ada has signed up and in.
    fn begin() -> Self {
        let up = Act::SignUp { user: ADA, password: OLD };
        Self::default().then(up, Heard::Done).signs_in(OLD, t(0))
    }

    fn then(self, act: Act, heard: Heard) -> Self {
        let now = 10 * self.0.len() as u64 + 10;
        self.at(now, now + 1, act, heard)
    }

    fn at(mut self, began: u64, ended: u64, act: Act, heard: Heard) -> Self {
        self.0.push(Event { began, ended, act, heard });
        self
    }

    fn signs_in(self, password: Mark, token: Mark) -> Self {
        self.then(Act::SignIn { user: ADA, password }, Heard::Token(token))
    }

    fn refreshes(self, token: Mark, key: Option<Mark>, heard: Heard) -> Self {
        self.then(Act::Refresh { token, key }, heard)
    }

    fn uses(self, token: Mark, heard: Heard) -> Self {
        self.then(Act::Use { token }, heard)
    }

    fn breaks(&self) -> Vec<Law> {
        check(&self.0).into_iter().map(|violation| violation.law).collect()
    }

    fn passes(&self) {
        assert_eq!(check(&self.0), []);
    }
}

fn got(generation: u64) -> Heard {
    Heard::Token(t(generation))
}

fn refused(why: Why) -> Heard {
    Heard::Refused(why)
}

fn changes(keep: Mark) -> Act {
    Act::ChangePassword { user: ADA, from: OLD, to: NEW, keep }
}

#[test]
fn a_lawful_life_passes() {
    Story::begin()
        .refreshes(t(0), KEY, got(1))
        .refreshes(t(0), KEY, got(1))
        .uses(t(1), Heard::Account(ADA))
        .refreshes(t(0), OTHER_KEY, refused(Why::Spent))
        .refreshes(t(1), None, Heard::Nothing)
        .refreshes(t(1), None, refused(Why::Spent))
        .then(Act::SignOut { token: t(0) }, Heard::Done)
        .refreshes(t(1), None, refused(Why::Revoked))
        .uses(t(1), refused(Why::Access))
        .signs_in(OLD, Mark(200))
        .then(changes(Mark(200)), Heard::Done)
        .uses(Mark(200), Heard::Account(ADA))
        .then(Act::SignIn { user: ADA, password: OLD }, refused(Why::Credentials))
        .signs_in(NEW, Mark(201))
        .uses(Mark(201), Heard::Account(ADA))
        .then(Act::Delete { user: ADA }, Heard::Done)
        .uses(Mark(201), refused(Why::Access))
        .passes();
}

#[test]
fn a_second_successor_is_a_fork() {
    let story = Story::begin().refreshes(t(0), KEY, got(1)).refreshes(t(0), KEY, got(2));
    assert_eq!(story.breaks(), [Law::OneSuccessor]);
}

#[test]
fn a_successor_of_two_tokens_is_a_fork() {
    let story = Story::begin().signs_in(OLD, Mark(200)).refreshes(t(0), None, got(1));
    let story = story.refreshes(Mark(200), None, got(1));
    assert_eq!(story.breaks(), [Law::OneSuccessor]);
}

#[test]
fn two_sign_ins_do_not_begin_with_one_token() {
    assert_eq!(Story::begin().signs_in(OLD, t(0)).breaks(), [Law::OneSuccessor]);
}

#[test]
fn an_acknowledged_token_that_became_unknown_is_lost() {
    let story = Story::begin().refreshes(t(0), None, got(1)).refreshes(t(1), None, refused(Why::Invalid));
    assert_eq!(story.breaks(), [Law::NothingLost]);
}

#[test]
fn an_acknowledged_password_that_does_not_sign_in_is_lost() {
    let refusal = |story: Story, password| {
        story.then(Act::SignIn { user: ADA, password }, refused(Why::Credentials)).breaks()
    };
    assert_eq!(refusal(Story::begin(), OLD), [Law::NothingLost]);
    assert_eq!(refusal(Story::begin(), Mark(99)), []);
    assert_eq!(refusal(Story::begin().then(changes(t(0)), Heard::Done), NEW), [Law::NothingLost]);
    assert_eq!(refusal(Story::begin().then(changes(t(0)), Heard::Nothing), OLD), []);
}

#[test]
fn a_refusal_without_a_cause_is_a_loss() {
    for why in [Why::Spent, Why::Reused, Why::Revoked] {
        let story = Story::begin().refreshes(t(0), None, refused(why));
        assert_eq!(story.breaks(), [Law::NothingLost], "{why:?}");
    }
    assert_eq!(Story::begin().uses(t(0), refused(Why::Access)).breaks(), [Law::NothingLost]);
    // The sign-in that changes the password goes on.
    let kept = Story::begin().then(changes(t(0)), Heard::Done).uses(t(0), refused(Why::Access));
    assert_eq!(kept.breaks(), [Law::NothingLost]);
}

#[test]
fn a_lost_answer_explains_a_spending_but_no_revocation() {
    let lost = || Story::begin().refreshes(t(0), None, Heard::Nothing);
    lost().refreshes(t(0), None, refused(Why::Reused)).passes();
    assert_eq!(lost().refreshes(t(0), None, refused(Why::Revoked)).breaks(), [Law::NothingLost]);
    let replayed = lost().refreshes(t(0), None, Heard::Nothing);
    replayed.refreshes(t(0), None, refused(Why::Revoked)).passes();
}

#[test]
fn a_lost_answer_that_its_key_does_not_bring_back_is_a_loss() {
    let lost = || Story::begin().refreshes(t(0), KEY, Heard::Nothing);
    for why in [Why::Spent, Why::Reused] {
        lost().refreshes(t(0), KEY, refused(why)).is(Law::NothingLost);
        lost().refreshes(t(0), OTHER_KEY, refused(why)).passes();
        lost().refreshes(t(0), None, refused(why)).passes();
        let used = lost().refreshes(t(0), KEY, got(1)).refreshes(t(1), None, got(2));
        used.refreshes(t(0), KEY, refused(why)).passes();
    }
}

#[test]
fn a_spent_token_that_works_again_is_found() {
    for (first, second) in [(None, None), (KEY, None), (None, KEY), (KEY, OTHER_KEY)] {
        let story = Story::begin().refreshes(t(0), first, got(1)).refreshes(t(0), second, got(1));
        assert_eq!(story.breaks(), [Law::SpentIsSpent], "{first:?} {second:?}");
    }
}

#[test]
fn two_winners_at_the_same_time_are_found() {
    let spend = Act::Refresh { token: t(0), key: None };
    let story = Story::begin().at(100, 110, spend, got(1)).at(101, 109, spend, got(1));
    assert_eq!(story.breaks(), [Law::SpentIsSpent]);
}

#[test]
fn a_retry_after_its_successor_was_used_is_found() {
    let story = Story::begin().refreshes(t(0), KEY, got(1)).refreshes(t(1), None, got(2));
    assert_eq!(story.refreshes(t(0), KEY, got(1)).breaks(), [Law::SpentIsSpent]);
    let spend = |generation| Act::Refresh { token: t(generation), key: KEY };
    let together = Story::begin().refreshes(t(0), KEY, got(1));
    together.at(100, 110, spend(1), got(2)).at(105, 120, spend(0), got(1)).passes();
}

#[test]
fn what_works_after_its_sign_out_is_found() {
    let ended = |token| {
        let story = Story::begin().refreshes(t(0), None, got(1));
        story.then(Act::SignOut { token }, Heard::Done)
    };
    for token in [t(0), t(1)] {
        assert_eq!(ended(token).refreshes(t(1), None, got(2)).breaks(), [Law::RevokedIsRevoked]);
        assert_eq!(ended(token).uses(t(1), Heard::Account(ADA)).breaks(), [Law::RevokedIsRevoked]);
    }
    // Minted meanwhile, used afterwards.
    let minted = Story::begin().at(100, 200, Act::Refresh { token: t(0), key: None }, got(1));
    let minted = minted.at(110, 150, Act::SignOut { token: t(0) }, Heard::Done);
    minted
        .passes_so_far()
        .at(300, 301, Act::Use { token: t(1) }, Heard::Account(ADA))
        .is(Law::RevokedIsRevoked);
}

impl Story {
    fn passes_so_far(self) -> Self {
        self.passes();
        self
    }

    fn is(&self, law: Law) {
        assert_eq!(self.breaks(), [law]);
    }
}

#[test]
fn what_works_after_a_theft_was_answered_is_found() {
    let story = Story::begin().refreshes(t(0), None, got(1)).refreshes(t(0), None, refused(Why::Reused));
    story.uses(t(1), Heard::Account(ADA)).is(Law::RevokedIsRevoked);
}

#[test]
fn what_outlives_an_end_of_everything_is_found() {
    for act in [Act::SignOutEverywhere { user: ADA }, Act::Disable { user: ADA }, changes(Mark(300))] {
        let story = Story::begin().then(act, Heard::Done).then(Act::Enable { user: ADA }, Heard::Done);
        story.refreshes(t(0), None, got(1)).is(Law::RevokedIsRevoked);
    }
    let unanswered = Story::begin().then(changes(Mark(300)), Heard::Nothing);
    unanswered.refreshes(t(0), None, got(1)).passes();
}

#[test]
fn a_sign_in_by_a_former_password_that_comes_to_life_is_found() {
    let late = Act::SignIn { user: ADA, password: OLD };
    let story =
        Story::begin().at(100, 110, changes(t(0)), Heard::Done).at(90, 130, late, Heard::Token(Mark(200)));
    story.at(140, 141, Act::Use { token: Mark(200) }, Heard::Account(ADA)).is(Law::RevokedIsRevoked);
    let after = Story::begin().then(changes(t(0)), Heard::Done).signs_in(OLD, Mark(200));
    after.is(Law::RevokedIsRevoked);
}

#[test]
fn a_live_token_without_a_live_user_is_found() {
    let gone = || Story::begin().then(Act::Delete { user: ADA }, Heard::Done);
    gone().uses(t(0), Heard::Account(ADA)).is(Law::LiveUser);
    gone().signs_in(OLD, Mark(200)).is(Law::LiveUser);
    let disabled = || Story::begin().then(Act::Disable { user: ADA }, Heard::Done);
    disabled().signs_in(OLD, Mark(200)).is(Law::LiveUser);
    disabled().then(Act::Enable { user: ADA }, Heard::Done).signs_in(OLD, Mark(200)).passes();
    Story::begin().uses(t(0), Heard::Account(EVE)).is(Law::LiveUser);
    Story::begin().uses(Mark(999), Heard::Account(ADA)).is(Law::LiveUser);
}
