//! One random life: each operation is judged by the model, done to the service, and the answers compared.

use std::time::Duration;

use super::law::{Access, SignIn, Transport, Verdict};
use super::world::{Answer, World};
use super::{Key, Op, Pick, Stranger};

const DELETION: &str = "refresh_token=; HttpOnly; Secure; SameSite=Strict; Path=/refresh; Max-Age=0";

type Outcome = Result<(), String>;

pub struct Run<'w> {
    world: &'w mut World,
    grace: i64,
    sign_ins: Vec<SignIn>,
    is_disabled: bool,
}

macro_rules! same {
    ($real:expr, $model:expr, $about:expr) => {{
        let (real, model) = (&$real, &$model);
        if real != model {
            return Err(format!("{:?}: the service says {real:?}, the contract {model:?}", $about));
        }
    }};
}

impl<'w> Run<'w> {
    pub fn new(world: &'w mut World, grace: Duration) -> Self {
        let grace = i64::try_from(grace.as_millis()).unwrap();
        Self { world, grace, sign_ins: Vec::new(), is_disabled: false }
    }

    pub async fn live(mut self, ops: &[Op]) -> Outcome {
        // The life before may have left the account closed, and the clock anywhere.
        self.world.rewind();
        self.world.enable().await;
        for transport in [Transport::Cookie, Transport::Body] {
            self.sign_in(transport, None).await?;
        }
        for (number, op) in ops.iter().enumerate() {
            self.act(*op).await.map_err(|why| format!("operation {number}, {op:?}: {why}"))?;
        }
        for sign_in in 0..self.sign_ins.len() {
            let pick = Pick { sign_in, age: 0 };
            self.show_access(pick).await.map_err(|why| format!("at last, {pick:?}: {why}"))?;
            self.refresh(pick, Key::None).await.map_err(|why| format!("at last, {pick:?}: {why}"))?;
        }
        Ok(())
    }

    async fn act(&mut self, op: Op) -> Outcome {
        match op {
            Op::Refresh(pick, key) => self.refresh(pick, key).await,
            Op::RefreshByTheOtherTransport(pick) => self.refresh_by_the_other_transport(pick).await,
            Op::RefreshWithTwo(one, other, key) => self.refresh_with_two(one, other, key).await,
            Op::RefreshBesideAStranger(pick, stranger) => self.refresh_beside(pick, stranger).await,
            Op::RefreshAStranger(pick, stranger) => self.refresh_stranger(pick, stranger).await,
            Op::RefreshNothing => self.refresh_nothing().await,
            Op::Use(pick) => self.show_access(pick).await,
            Op::SignIn(transport) => self.sign_in(transport, None).await,
            Op::SignInOver(pick) => self.sign_in(Transport::Cookie, Some(pick)).await,
            Op::SignOut(pick) => self.sign_out(pick).await,
            Op::SignOutWithAStranger(pick, stranger) => self.sign_out_stranger(pick, stranger).await,
            Op::SignOutEverywhere(pick) => self.sign_out_everywhere(pick).await,
            Op::ChangePassword(pick) => self.change_password(pick).await,
            Op::Disable => {
                self.world.disable().await;
                self.is_disabled = true;
                self.end_all(None);
                Ok(())
            }
            Op::Enable => {
                self.world.enable().await;
                self.is_disabled = false;
                Ok(())
            }
            Op::Advance(by) => {
                self.world.clock.advance(by);
                Ok(())
            }
            Op::LiveOn(pick, months) => {
                for _ in 0..months {
                    self.world.clock.advance(Duration::from_secs(29 * 86_400));
                    self.refresh(Pick { age: 0, ..pick }, Key::None).await?;
                }
                Ok(())
            }
            Op::StepBack(by) => {
                self.world.clock.step_back(by);
                Ok(())
            }
            Op::Sweep => {
                self.world.sweep().await;
                let now = self.world.now();
                self.sign_ins.iter_mut().for_each(|sign_in| sign_in.sweep(now));
                Ok(())
            }
            Op::Restart => {
                self.world.restart().await;
                Ok(())
            }
        }
    }

    /// Which sign-in, which generation, which text.
    fn token(&self, pick: Pick) -> (usize, usize, String) {
        let at = pick.sign_in % self.sign_ins.len();
        let sign_in = &self.sign_ins[at];
        let generation = sign_in.generation() - pick.age % (sign_in.generation() + 1);
        (at, generation, sign_in.refresh_tokens[generation].clone())
    }

    fn key(&self, key: Key, at: usize, generation: usize) -> Option<String> {
        match key {
            Key::None => None,
            Key::Same => self.sign_ins[at].key_of(generation).map(str::to_owned),
            Key::Fresh(number) => Some(format!("{number}-8e03978e-40d5-43e8-bc93-6894a57f9324")),
            Key::TooShort => Some("8e03978e-40d5-43e8-bc".to_owned()),
        }
    }

    fn stranger(&self, pick: Pick, stranger: Stranger) -> String {
        let (_, _, text) = self.token(pick);
        match stranger {
            Stranger::Foreign => self.world.foreign.clone(),
            Stranger::Garbage => "garbage".to_owned(),
            Stranger::Altered(at) => {
                let altered = |(number, letter)| match letter {
                    _ if number != at % text.len() => letter,
                    'A' => 'B',
                    _ => 'A',
                };
                text.chars().enumerate().map(altered).collect()
            }
        }
    }

    async fn refresh(&mut self, pick: Pick, key: Key) -> Outcome {
        let (at, generation, text) = self.token(pick);
        let by = self.sign_ins[at].transport;
        let given = self.key(key, at, generation);
        let answer = self.world.refresh(&[&text], by, given.as_deref()).await;
        if matches!(key, Key::TooShort) {
            return is_bad_request(&answer);
        }
        self.compare(at, generation, by, given.as_deref(), &answer)
    }

    /// A sign-in keeps its transport for life: by the other one its tokens are nobody's, and nothing happens to it.
    async fn refresh_by_the_other_transport(&mut self, pick: Pick) -> Outcome {
        let (at, generation, text) = self.token(pick);
        let by = match self.sign_ins[at].transport {
            Transport::Cookie => Transport::Body,
            Transport::Body => Transport::Cookie,
        };
        let answer = self.world.refresh(&[&text], by, None).await;
        self.compare(at, generation, by, None, &answer)
    }

    /// Of several cookies exactly one living one is used; with two living ones nothing happens. Without a living one
    /// the first is judged.
    async fn refresh_with_two(&mut self, one: Pick, other: Pick, key: Key) -> Outcome {
        let picks = [self.token(one), self.token(other)];
        let by_cookie = |(at, ..): &(usize, usize, String)| {
            let sign_in = &self.sign_ins[*at];
            sign_in.transport == Transport::Cookie && !sign_in.may_be_forgotten()
        };
        if matches!(key, Key::TooShort) || picks[0].2 == picks[1].2 || !picks.iter().all(by_cookie) {
            return Ok(());
        }
        let now = self.world.now();
        let lives = |(at, generation, _): &(usize, usize, String)| {
            let sign_in = &self.sign_ins[*at];
            *generation == sign_in.generation() && sign_in.lives(now)
        };
        let living: Vec<_> = picks.iter().filter(|pick| lives(pick)).collect();
        let (at, generation, _) = living.first().copied().unwrap_or(&picks[0]).clone();
        let are_ambiguous = living.len() == 2;
        let given = self.key(key, at, generation);
        let texts = [picks[0].2.as_str(), picks[1].2.as_str()];
        let answer = self.world.refresh(&texts, Transport::Cookie, given.as_deref()).await;
        if are_ambiguous {
            same!(answer.text("code"), "ambiguous_refresh_cookie", "two living cookies");
            return is_bad_request(&answer);
        }
        self.compare(at, generation, Transport::Cookie, given.as_deref(), &answer)
    }

    async fn refresh_beside(&mut self, pick: Pick, stranger: Stranger) -> Outcome {
        let (at, generation, text) = self.token(pick);
        let other = self.stranger(pick, stranger);
        let by = Transport::Cookie;
        let answer = self.world.refresh(&[&other, &text], by, None).await;
        self.compare(at, generation, by, None, &answer)
    }

    async fn refresh_stranger(&mut self, pick: Pick, stranger: Stranger) -> Outcome {
        let by = self.sign_ins[pick.sign_in % self.sign_ins.len()].transport;
        let text = self.stranger(pick, stranger);
        let answer = self.world.refresh(&[&text], by, None).await;
        is_refused(&answer, "invalid", by)
    }

    async fn refresh_nothing(&mut self) -> Outcome {
        let answer = self.world.refresh(&[], Transport::Cookie, None).await;
        is_refused(&answer, "missing", Transport::Cookie)
    }

    /// The answer to a refresh against the model's verdict, and then its effect on the model.
    fn compare(
        &mut self,
        at: usize,
        generation: usize,
        by: Transport,
        key: Option<&str>,
        answer: &Answer,
    ) -> Outcome {
        let now = self.world.now();
        let verdict = self.sign_ins[at].judge(generation, by, key, self.grace, now);
        let sign_in = &mut self.sign_ins[at];
        let code = answer.text("code").strip_prefix("refresh_token_").unwrap_or_default().to_owned();
        let refused = |word: &str| {
            is_refused(answer, word, by).map_err(|why| format!("{verdict:?}, generation {generation}: {why}"))
        };
        if sign_in.may_be_forgotten() && by == sign_in.transport {
            sign_in.turns_out(code == "invalid");
            if code == "invalid" {
                return refused("invalid");
            }
        }
        match verdict {
            Verdict::Spend | Verdict::Repeat => {
                same!(answer.status, 200, (verdict, generation, &answer.body));
                let (refresh, access) = (answer.refresh_token(by), answer.text("access_token").to_owned());
                if verdict == Verdict::Spend {
                    let is_new = !refresh.is_empty() && !sign_in.refresh_tokens.contains(&refresh);
                    same!(is_new, true, "the successor is a new token");
                    sign_in.spend(key, refresh, access, now);
                } else {
                    same!(Some(&refresh), sign_in.refresh_tokens.last(), "the same successor");
                    sign_in.repeat(access, now);
                }
                hands_out(answer, sign_in, now)
            }
            Verdict::Invalid => refused("invalid"),
            Verdict::Spent => refused("spent"),
            Verdict::Reused => {
                refused("reused")?;
                sign_in.end(now);
                Ok(())
            }
            Verdict::Revoked => refused("revoked"),
            Verdict::Expired => refused("expired"),
            Verdict::RevokedOrExpired => refused(if code == "expired" { "expired" } else { "revoked" }),
        }
    }

    async fn sign_in(&mut self, by: Transport, over: Option<Pick>) -> Outcome {
        let replaced = over.map(|pick| self.token(pick));
        let answer = self.world.sign_in(by, replaced.as_ref().map(|(_, _, text)| text.as_str())).await;
        if self.is_disabled {
            same!((answer.status, answer.text("code")), (401, "invalid_credentials"), "a disabled account");
            return Ok(());
        }
        same!(answer.status, 200, answer.body);
        let now = self.world.now();
        if let Some((at, ..)) = replaced {
            self.sign_ins[at].end(now);
        }
        let (refresh, access) = (answer.refresh_token(by), answer.text("access_token").to_owned());
        let sign_in = SignIn::begin(by, refresh, access, now);
        hands_out(&answer, &sign_in, now)?;
        self.sign_ins.push(sign_in);
        Ok(())
    }

    async fn show_access(&mut self, pick: Pick) -> Outcome {
        let (at, generation, _) = self.token(pick);
        let answer = self.world.me(&self.sign_ins[at].access_tokens[generation].0).await;
        self.compare_access(at, generation, &answer, 200).map(drop)
    }

    /// Whether the access token was good.
    fn compare_access(
        &self,
        at: usize,
        generation: usize,
        answer: &Answer,
        good: u16,
    ) -> Result<bool, String> {
        let access = self.sign_ins[at].judge_access(generation, self.world.now());
        let is_good = answer.status == good;
        let code = match access {
            Access::Good => "",
            Access::GoodOrInvalid if is_good => "",
            Access::Expired => "access_token_expired",
            Access::Invalid | Access::GoodOrInvalid => "access_token_invalid",
        };
        let status = if code.is_empty() { good } else { 401 };
        same!((answer.status, answer.text("code")), (status, code), (access, generation));
        Ok(is_good)
    }

    async fn sign_out(&mut self, pick: Pick) -> Outcome {
        let (at, _, text) = self.token(pick);
        let answer = self.world.sign_out(&text, self.sign_ins[at].transport).await;
        let now = self.world.now();
        self.sign_ins[at].end(now);
        has_signed_out(&answer)
    }

    async fn sign_out_stranger(&mut self, pick: Pick, stranger: Stranger) -> Outcome {
        let by = self.sign_ins[pick.sign_in % self.sign_ins.len()].transport;
        let answer = self.world.sign_out(&self.stranger(pick, stranger), by).await;
        has_signed_out(&answer)
    }

    async fn sign_out_everywhere(&mut self, pick: Pick) -> Outcome {
        let (at, generation, _) = self.token(pick);
        let answer = self.world.sign_out_everywhere(&self.sign_ins[at].access_tokens[generation].0).await;
        if self.compare_access(at, generation, &answer, 204)? {
            has_signed_out(&answer)?;
            self.end_all(None);
        }
        Ok(())
    }

    async fn change_password(&mut self, pick: Pick) -> Outcome {
        let (at, generation, _) = self.token(pick);
        let access = self.sign_ins[at].access_tokens[generation].0.clone();
        let answer = self.world.change_password(&access).await;
        if self.compare_access(at, generation, &answer, 200)? {
            self.end_all(Some(at));
        }
        Ok(())
    }

    fn end_all(&mut self, keep: Option<usize>) {
        let now = self.world.now();
        let others = self.sign_ins.iter_mut().enumerate().filter(|(at, _)| Some(*at) != keep);
        others.for_each(|(_, sign_in)| sign_in.end(now));
    }
}

/// The answer that hands tokens out, by the transport of the sign-in, for as long as remains.
fn hands_out(answer: &Answer, sign_in: &SignIn, now: i64) -> Outcome {
    let by_cookie = sign_in.transport == Transport::Cookie;
    let token = sign_in.refresh_tokens.last().map(String::as_str).unwrap_or_default();
    let max_age = sign_in.max_age(now);
    let cookie =
        format!("refresh_token={token}; HttpOnly; Secure; SameSite=Strict; Path=/refresh; Max-Age={max_age}");
    same!(answer.set_cookie(), by_cookie.then_some(cookie.as_str()), "cookie");
    same!(answer.body["refresh_token"].is_string(), !by_cookie, "refresh token in the body");
    same!((answer.text("token_type"), answer.body["expires_in"].as_i64()), ("Bearer", Some(600)), "tokens");
    same!(answer.headers["cache-control"], "no-store", "cache");
    Ok(())
}

/// A refused refresh, with all that the contract ties to the code.
fn is_refused(answer: &Answer, word: &str, by: Transport) -> Outcome {
    same!(answer.status, 401, answer.body);
    same!(answer.text("code"), format!("refresh_token_{word}"), answer.body);
    let is_over = matches!(word, "reused" | "revoked" | "expired");
    same!(answer.body["session_ended"].as_bool(), Some(is_over), word);
    let detail = match word {
        "missing" => "No refresh token",
        "expired" => "Refresh token has expired",
        _ => "Invalid refresh token",
    };
    same!(answer.text("detail"), detail, word);
    let is_dead = is_over || word == "invalid";
    same!(answer.set_cookie(), (is_dead && by == Transport::Cookie).then_some(DELETION), word);
    same!(answer.headers.contains_key("www-authenticate"), true, word);
    Ok(())
}

fn is_bad_request(answer: &Answer) -> Outcome {
    same!(answer.status, 400, answer.body);
    same!(answer.set_cookie(), None, "a bad request changes nothing");
    Ok(())
}

fn has_signed_out(answer: &Answer) -> Outcome {
    same!((answer.status, answer.set_cookie()), (204, Some(DELETION)), answer.body);
    Ok(())
}
