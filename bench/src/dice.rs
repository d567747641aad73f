//! Which of its sign-ins a client uses next: at random, so that each rotation meets another page as it does in service,
//! and the same order in every run.

/// A xorshift generator: quick, repeatable, and good enough to choose by.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice of their own for each client.
    pub(crate) fn of(client: usize) -> Self {
        Self((client as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// A number below `sides`; 0 where there are none.
    pub(crate) fn throw(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 32) as usize).checked_rem(sides).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_side_comes_up_and_clients_differ() {
        let throws = |client| {
            let mut dice = Dice::of(client);
            (0..200).map(|_| dice.throw(6)).collect::<Vec<_>>()
        };
        assert!((0..6).all(|side| throws(0).contains(&side)));
        assert_eq!(throws(3), throws(3));
        assert_ne!(throws(3), throws(4));
        assert_eq!(Dice::of(0).throw(0), 0);
    }
}
