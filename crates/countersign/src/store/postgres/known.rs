//! The living sign-ins that a connection knows, bounded. It knows nothing about when they stop being true: that is for
//! whoever keeps them.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::mem;

use crate::id::{SignInId, UserId};
use crate::store::Live;

/// About 250 bytes each, in two generations: at most 4 MiB a connection.
const GENERATION: usize = 8_192;

/// Two generations: those that were asked for since the young one began, and those before. When the young one is full it
/// becomes the old one, and what nobody has asked for meanwhile is forgotten.
#[derive(Debug, Default)]
pub(super) struct Known {
    young: Generation,
    old: Generation,
}

type Generation = HashMap<SignInId, Live, BuildHasherDefault<Spread>>;

/// Ids come from tokens that we have signed, so nobody can choose them to collide; the usual hash, which is safe against
/// that, would cost more than all else that is done with an id here.
#[derive(Debug, Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_i64(&mut self, id: i64) {
        self.write_u64(id.cast_unsigned());
    }

    fn write_u64(&mut self, word: u64) {
        // Fibonacci hashing (Knuth, TAOCP 6.4): an odd number near 2^64 divided by the golden ratio.
        self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        // The table takes its places from the lower bits, and what was multiplied is spread best in the upper ones.
        self.0.rotate_left(32)
    }
}

impl Known {
    pub(super) fn get(&mut self, id: SignInId) -> Option<&Live> {
        if !self.young.contains_key(&id) {
            let live = self.old.remove(&id)?;
            self.insert(id, live);
        }
        self.young.get(&id)
    }

    pub(super) fn insert(&mut self, id: SignInId, live: Live) {
        if self.young.len() >= GENERATION {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(id, live);
    }

    pub(super) fn contains(&self, id: SignInId) -> bool {
        self.young.contains_key(&id) || self.old.contains_key(&id)
    }

    pub(super) fn forget_sign_in(&mut self, id: SignInId) {
        self.young.remove(&id);
        self.old.remove(&id);
    }

    pub(super) fn forget(&mut self, sign_ins: &[SignInId], users: &HashSet<UserId>) {
        for id in sign_ins {
            self.forget_sign_in(*id);
        }
        // Users change seldom: looking at every entry then costs less than an index of them would always.
        if !users.is_empty() {
            self.young.retain(|_, live| !users.contains(&live.user));
            self.old.retain(|_, live| !users.contains(&live.user));
        }
    }

    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::check::LiveSignIn;
    use crate::time::Timestamp;

    fn id(number: usize) -> SignInId {
        SignInId::from_i64(i64::try_from(number).unwrap())
    }

    fn live(sign_in: SignInId, user: i64) -> Live {
        let at = Timestamp::from_millis(1);
        Live {
            user: UserId::from_i64(user),
            username: "ada".into(),
            email: None,
            email_verified: false,
            created_at: at,
            epoch: 0,
            tokens_after: 0,
            sign_in: Some(LiveSignIn { id: sign_in, created_at: at, expires_at: at }),
        }
    }

    #[test]
    fn it_is_bounded_and_keeps_what_is_asked_for() {
        let mut known = Known::default();
        for number in 0..10 * GENERATION {
            known.insert(id(number), live(id(number), 1));
            assert!(known.get(id(0)).is_some(), "asked for all the time, after {number}");
            assert!(known.get(id(number)).is_some());
        }
        assert!(known.young.len() + known.old.len() <= 2 * GENERATION);
        assert!(known.get(id(1)).is_none(), "nobody asked for it");
    }

    #[test]
    fn what_has_changed_is_forgotten_in_both_generations() {
        let mut known = Known::default();
        for number in 0..=GENERATION {
            known.insert(id(number), live(id(number), i64::try_from(number % 3).unwrap()));
        }
        assert!(!known.old.is_empty(), "some are old");
        known.forget(&[id(3), id(GENERATION)], &HashSet::from([UserId::from_i64(1)]));
        for (number, is_known) in
            [(3, false), (GENERATION, false), (1, false), (4, false), (6, true), (5, true)]
        {
            assert_eq!(known.get(id(number)).is_some(), is_known, "{number}");
        }
        known.clear();
        assert!(known.get(id(6)).is_none());
    }
}
