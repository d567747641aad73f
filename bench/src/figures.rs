//! Figures of several rounds: the median to judge by, the extremes to show how far to trust it.

use std::time::Duration;

/// Work done by a ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Done {
    /// How often it was done.
    pub(crate) count: u64,
    /// From the first beginning to the last end.
    pub(crate) lasted: Duration,
}

impl Done {
    /// How often in a second.
    pub(crate) fn rate(self) -> f64 {
        self.count as f64 / self.lasted.as_secs_f64()
    }
}

/// One figure, measured once in each round.
#[derive(Debug, Clone, Default)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    /// Adds the figure of one more round.
    pub(crate) fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// The middle figure, the mean of the two middle ones for an even count; not a number where there is none.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let upper = sorted.get(middle).copied().unwrap_or(f64::NAN);
        if sorted.len() % 2 == 1 {
            return upper;
        }
        let lower = middle.checked_sub(1).and_then(|below| sorted.get(below)).copied();
        lower.map_or(f64::NAN, |lower| f64::midpoint(lower, upper))
    }

    /// The smallest figure.
    pub(crate) fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::min)
    }

    /// The largest figure.
    pub(crate) fn most(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::max)
    }

    /// Each round's figure as a share of `ceiling` in the same round, so that a slow moment of the machine cancels out.
    pub(crate) fn share_of(&self, ceiling: &Self) -> Self {
        Self(self.0.iter().zip(&ceiling.0).map(|(figure, limit)| figure / limit).collect())
    }

    /// The lower of two figures, round by round.
    pub(crate) fn lower_of(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(one, two)| one.min(*two)).collect())
    }

    /// What the figure would be if as much were added as lies between two others, round by round.
    pub(crate) fn plus_step(&self, from: &Self, to: &Self) -> Self {
        let steps = from.0.iter().zip(&to.0).map(|(from, to)| to - from);
        Self(self.0.iter().zip(steps).map(|(figure, step)| figure + step).collect())
    }

    /// The rate of doing one thing after the other, round by round, from the rates of doing each alone.
    pub(crate) fn in_series_with(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(one, two)| 1.0 / (1.0 / one + 1.0 / two)).collect())
    }
}

impl FromIterator<f64> for Series {
    fn from_iter<I: IntoIterator<Item = f64>>(figures: I) -> Self {
        Self(figures.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_of_the_sorted_figures() {
        assert_eq!(Series::from_iter([9.0, 1.0, 5.0]).median(), 5.0);
        assert_eq!(Series::from_iter([9.0, 1.0, 5.0, 6.0]).median(), 5.5);
        assert!(Series::default().median().is_nan());
    }

    #[test]
    fn the_extremes_are_found() {
        let series = Series::from_iter([3.0, 1.0, 2.0]);
        assert_eq!((series.least(), series.most()), (1.0, 3.0));
    }

    #[test]
    fn a_share_is_taken_within_each_round() {
        let share = Series::from_iter([50.0, 10.0]).share_of(&Series::from_iter([100.0, 20.0]));
        assert_eq!((share.least(), share.most()), (0.5, 0.5));
        let lower = Series::from_iter([1.0, 4.0]).lower_of(&Series::from_iter([2.0, 3.0]));
        assert_eq!((lower.least(), lower.most()), (1.0, 3.0));
        assert_eq!(Series::from_iter([60.0]).in_series_with(&Series::from_iter([30.0])).median(), 20.0);
        let (from, to) = (Series::from_iter([3.0, 4.0]), Series::from_iter([5.0, 3.0]));
        let stepped = Series::from_iter([100.0, 200.0]).plus_step(&from, &to);
        assert_eq!((stepped.least(), stepped.most()), (102.0, 199.0));
    }
}
