//! The contract's §2 as a small machine: what a token is worth at a moment, and what presenting it changes. It knows
//! nothing of rows, hashes or salts.

const SECOND: i64 = 1_000;
const DAY: i64 = 86_400 * SECOND;
const REFRESH_LIFETIME: i64 = 30 * DAY;
const LONGEST_SIGN_IN: i64 = 90 * DAY;
const ACCESS_LIFETIME: i64 = 600;
const RACE: i64 = 10 * SECOND;
/// Storage is constant, so only so many spendings are remembered with their times; an older one is no race.
const REMEMBERED: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Cookie,
    Body,
}

/// What the service has to answer to a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is spent for a new successor.
    Spend,
    /// Its answer was lost: the very same successor again.
    Repeat,
    Invalid,
    Spent,
    Reused,
    Revoked,
    Expired,
    /// It ended twice, by its time and by an act.
    RevokedOrExpired,
}

/// What the service has to answer to an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Good,
    Expired,
    Invalid,
    /// After a step of the clock its `iat` lies ahead, or clean-up may have forgotten its sign-in.
    GoodOrInvalid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Memory {
    Kept,
    PerhapsForgotten,
    Forgotten,
}

#[derive(Debug, Clone)]
struct Spending {
    at: i64,
    key: Option<String>,
}

/// One sign-in.
#[derive(Debug, Clone)]
pub struct SignIn {
    pub transport: Transport,
    /// By generation; the last is the current one.
    pub refresh_tokens: Vec<String>,
    /// By generation: each access token and the second of its making.
    pub access_tokens: Vec<(String, i64)>,
    spendings: Vec<Spending>,
    expires_at: i64,
    ends_at: i64,
    /// The latest end that it ever had: clean-up may go by it.
    latest_end: i64,
    ended_at: Option<i64>,
    memory: Memory,
}

impl SignIn {
    pub fn begin(transport: Transport, refresh: String, access: String, now: i64) -> Self {
        Self {
            transport,
            refresh_tokens: vec![refresh],
            access_tokens: vec![(access, now.div_euclid(SECOND))],
            spendings: Vec::new(),
            expires_at: now + REFRESH_LIFETIME,
            ends_at: now + LONGEST_SIGN_IN,
            latest_end: now + REFRESH_LIFETIME,
            ended_at: None,
            memory: Memory::Kept,
        }
    }

    pub fn generation(&self) -> usize {
        self.spendings.len()
    }

    /// The key that a generation was spent with.
    pub fn key_of(&self, generation: usize) -> Option<&str> {
        self.spendings.get(generation)?.key.as_deref()
    }

    pub fn lives(&self, now: i64) -> bool {
        self.memory != Memory::Forgotten && self.ended_at.is_none() && now < self.expires_at
    }

    /// Judges one of its refresh tokens.
    pub fn judge(
        &self,
        generation: usize,
        by: Transport,
        key: Option<&str>,
        grace: i64,
        now: i64,
    ) -> Verdict {
        if by != self.transport || self.memory == Memory::Forgotten {
            return Verdict::Invalid;
        }
        if let Some(dead) = self.death(now) {
            return dead;
        }
        let Some(spending) = self.spendings.get(generation) else { return Verdict::Spend };
        let is_direct_predecessor = generation + 1 == self.generation();
        // A clock that stepped back is no reason to wait for longer: what counts is the distance.
        let distance = (now - spending.at).abs();
        let has_its_key = key.is_some() && key == spending.key.as_deref();
        if is_direct_predecessor && (has_its_key || (grace > 0 && distance <= grace)) {
            return Verdict::Repeat;
        }
        let is_remembered = self.generation() - generation <= REMEMBERED;
        if is_remembered && distance <= RACE { Verdict::Spent } else { Verdict::Reused }
    }

    fn death(&self, now: i64) -> Option<Verdict> {
        match self.ended_at {
            Some(at) if at >= self.expires_at => Some(Verdict::RevokedOrExpired),
            Some(_) => Some(Verdict::Revoked),
            None => (now >= self.expires_at).then_some(Verdict::Expired),
        }
    }

    /// What presenting it did: a spending needs the successor that came.
    pub fn spend(&mut self, key: Option<&str>, refresh: String, access: String, now: i64) {
        self.spendings.push(Spending { at: now, key: key.map(str::to_owned) });
        self.expires_at = (now + REFRESH_LIFETIME).min(self.ends_at);
        self.latest_end = self.latest_end.max(self.expires_at);
        self.refresh_tokens.push(refresh);
        self.access_tokens.push((access, now.div_euclid(SECOND)));
    }

    /// A repeated answer has the same successor, and a new access token beside it.
    pub fn repeat(&mut self, access: String, now: i64) {
        if let Some(last) = self.access_tokens.last_mut() {
            *last = (access, now.div_euclid(SECOND));
        }
    }

    /// `Max-Age` of the cookie that carries the current token: the seconds that remain, a begun one counted whole.
    pub fn max_age(&self, now: i64) -> i64 {
        (self.expires_at - now + SECOND - 1).div_euclid(SECOND)
    }

    pub fn end(&mut self, now: i64) {
        if self.memory != Memory::Forgotten {
            self.ended_at.get_or_insert(now);
        }
    }

    /// Clean-up has found it dead for more than a day, so that its tokens may be nobody's by now.
    pub fn may_be_forgotten(&self) -> bool {
        self.memory == Memory::PerhapsForgotten
    }

    /// The answer showed whether clean-up has forgotten it.
    pub fn turns_out(&mut self, is_forgotten: bool) {
        self.memory = if is_forgotten { Memory::Forgotten } else { Memory::Kept };
    }

    /// Clean-up forgets a sign-in not before a day has passed since its end, and two days later for certain.
    pub fn sweep(&mut self, now: i64) {
        let end = self.ended_at.unwrap_or(self.expires_at);
        let certainly = self.ended_at.unwrap_or(self.latest_end).max(end);
        if now > end + DAY && self.memory == Memory::Kept {
            self.memory = Memory::PerhapsForgotten;
        }
        if now >= certainly + 3 * DAY {
            self.memory = Memory::Forgotten;
        }
    }

    /// Judges one of its access tokens.
    pub fn judge_access(&self, generation: usize, now: i64) -> Access {
        let (_, issued_at) = self.access_tokens[generation];
        let second = now.div_euclid(SECOND);
        if second >= issued_at + ACCESS_LIFETIME {
            Access::Expired
        } else if !self.lives(now) {
            Access::Invalid
        } else if issued_at > second || self.may_be_forgotten() {
            Access::GoodOrInvalid
        } else {
            Access::Good
        }
    }
}
