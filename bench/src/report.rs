//! The table of results: each figure with its ceiling, its share of it, and what it was to reach.

use serde_json::{Value, json};

use crate::figures::Series;

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Events in a second.
    PerSecond,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// MiB.
    Mib,
}

impl Unit {
    fn show(self, value: f64) -> String {
        if !value.is_finite() {
            return "–".to_owned();
        }
        match self {
            Self::PerSecond if value < 1000.0 => format!("{value:.1}/s"),
            Self::PerSecond => format!("{}/s", grouped(value)),
            Self::Millis if value < 10.0 => format!("{value:.2} ms"),
            Self::Millis => format!("{value:.1} ms"),
            Self::Micros => format!("{value:.1} µs"),
            Self::Mib => format!("{value:.1} MiB"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::PerSecond => "per second",
            Self::Millis => "ms",
            Self::Micros => "µs",
            Self::Mib => "MiB",
        }
    }
}

fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What a row is to reach, now and in the end.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Aim {
    /// Context: nothing to reach.
    None,
    /// At least this share of the ceiling, in the median.
    ShareOfCeiling { now: f64, finally: f64 },
    /// At most so many times the floor beside it, in the median.
    TimesTheFloor(f64),
    /// Less than this, in the median.
    Below { now: f64, finally: f64 },
    /// Less than this in every round.
    NeverAbove { now: f64, finally: f64 },
}

/// One line of the table.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    work: String,
    unit: Unit,
    figure: Series,
    ceiling: Option<(&'static str, Series)>,
    aim: Aim,
}

impl Row {
    /// A figure that stands for itself.
    pub(crate) fn new(work: impl Into<String>, unit: Unit, figure: Series) -> Self {
        Self { work: work.into(), unit, figure, ceiling: None, aim: Aim::None }
    }

    /// Sets a ceiling of the same unit, measured in the same rounds, beside the figure.
    pub(crate) fn beside(mut self, name: &'static str, ceiling: Series) -> Self {
        self.ceiling = Some((name, ceiling));
        self
    }

    /// Says what is to be reached.
    pub(crate) fn aiming(mut self, aim: Aim) -> Self {
        self.aim = aim;
        self
    }

    fn ratio(&self) -> Option<Series> {
        self.ceiling.as_ref().map(|(_, ceiling)| self.figure.share_of(ceiling))
    }

    /// Whether the aim is met; `None` where there is none, or nothing was measured.
    pub(crate) fn met(&self) -> Option<bool> {
        let (value, wanted) = match self.aim {
            Aim::None => return None,
            Aim::ShareOfCeiling { now, .. } => return self.ratio().map(|ratio| ratio.median() >= now),
            Aim::TimesTheFloor(most) => return self.ratio().map(|ratio| ratio.median() <= most),
            Aim::Below { now, .. } => (self.figure.median(), now),
            Aim::NeverAbove { now, .. } => (self.figure.most(), now),
        };
        value.is_finite().then_some(value < wanted)
    }

    fn aim(&self) -> String {
        match self.aim {
            Aim::None => String::new(),
            Aim::ShareOfCeiling { now, finally } => {
                format!("≥ {} (finally {})", percent(now), percent(finally))
            }
            Aim::TimesTheFloor(most) => format!("≤ {}", times(most)),
            Aim::Below { now, finally } | Aim::NeverAbove { now, finally } => {
                format!("< {} (finally {})", self.unit.show(now), self.unit.show(finally))
            }
        }
    }

    fn markdown(&self) -> String {
        let show = |series: &Series| spread(series, |value| self.unit.show(value));
        let ceiling = self.ceiling.as_ref().map(|(name, series)| format!("{name}: {}", show(series)));
        let share = if self.unit == Unit::PerSecond { percent } else { times };
        let ratio = self.ratio().map(|ratio| spread(&ratio, share));
        let met = self.met().map_or("", |met| if met { "yes" } else { "**no**" });
        let cells = [
            self.work.clone(),
            show(&self.figure),
            ceiling.unwrap_or_default(),
            ratio.unwrap_or_default(),
            self.aim(),
            met.to_owned(),
        ];
        format!("| {} |", cells.join(" | "))
    }

    fn json(&self) -> Value {
        let ceiling = self.ceiling.as_ref().map(|(name, series)| {
            let mut object = summary(series);
            if let Some(object) = object.as_object_mut() {
                object.insert("name".to_owned(), json!(name));
            }
            object
        });
        json!({
            "work": self.work, "unit": self.unit.name(), "figure": summary(&self.figure), "ceiling": ceiling,
            "ratio": self.ratio().as_ref().map(summary), "aim": self.aim(), "met": self.met(),
        })
    }
}

fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.0} %", share * 100.0) } else { "–".to_owned() }
}

/// Of times and memory the ceiling is a floor: how many times as much the figure is.
fn times(share: f64) -> String {
    if share.is_finite() { format!("{share:.2} ×") } else { "–".to_owned() }
}

fn spread(series: &Series, show: impl Fn(f64) -> String) -> String {
    let (median, least, most) = (show(series.median()), show(series.least()), show(series.most()));
    if least == most { median } else { format!("{median} ({least} to {most})") }
}

fn summary(series: &Series) -> Value {
    json!({ "median": series.median(), "least": series.least(), "most": series.most() })
}

/// The whole report of one run.
#[derive(Debug)]
pub(crate) struct Report {
    /// The machine, in one line.
    pub(crate) machine: String,
    /// What was measured how, in one line.
    pub(crate) method: String,
    /// The results.
    pub(crate) rows: Vec<Row>,
}

impl Report {
    /// The table for people.
    pub(crate) fn markdown(&self) -> String {
        let Self { machine, method, rows } = self;
        let rows: Vec<_> = rows.iter().map(Row::markdown).collect();
        format!(
            "Machine: {machine}.\n{method}. Each cell: median (least to most of the rounds).\n\n\
             | work | figure | ceiling | ratio | aim | met |\n| --- | --- | --- | --- | --- | --- |\n{}\n",
            rows.join("\n")
        )
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> Value {
        let rows: Vec<_> = self.rows.iter().map(Row::json).collect();
        json!({ "machine": self.machine, "method": self.method, "rows": rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(figure: f64, aim: Aim) -> Row {
        Row::new("work", Unit::Millis, Series::from_iter([figure, figure, figure * 2.0])).aiming(aim)
    }

    #[test]
    fn an_aim_is_met_by_the_median_or_by_every_round() {
        assert_eq!(row(1.0, Aim::Below { now: 1.5, finally: 1.0 }).met(), Some(true));
        assert_eq!(row(1.0, Aim::NeverAbove { now: 1.5, finally: 1.0 }).met(), Some(false));
        assert_eq!(row(1.0, Aim::None).met(), None);
        assert_eq!(row(f64::NAN, Aim::Below { now: 1.5, finally: 1.0 }).met(), None);
    }

    #[test]
    fn a_share_is_judged_against_the_ceiling_of_its_round() {
        let share = Aim::ShareOfCeiling { now: 0.5, finally: 0.75 };
        let ceiling = Series::from_iter([2.0, 2.0, 4.0]);
        assert_eq!(row(1.0, share).beside("limit", ceiling.clone()).met(), Some(true));
        assert_eq!(row(0.9, share).beside("limit", ceiling).met(), Some(false));
        assert_eq!(row(1.0, share).met(), None);
    }

    #[test]
    fn growth_is_judged_by_how_many_times_the_floor_it_is() {
        let most = Aim::TimesTheFloor(1.3);
        let floor = Series::from_iter([1.0, 1.0, 2.0]);
        assert_eq!(row(1.25, most).beside("few", floor.clone()).met(), Some(true));
        assert_eq!(row(1.35, most).beside("few", floor).met(), Some(false));
        assert!(row(1.0, most).markdown().contains("≤ 1.30 ×"));
    }

    #[test]
    fn a_row_shows_median_spread_ratio_and_verdict() {
        let row = Row::new("refresh", Unit::PerSecond, Series::from_iter([20_000.0, 21_000.0, 22_000.0]))
            .beside("limit", Series::from_iter([40_000.0, 42_000.0, 44_000.0]))
            .aiming(Aim::ShareOfCeiling { now: 0.6, finally: 0.75 });
        assert_eq!(
            row.markdown(),
            "| refresh | 21,000/s (20,000/s to 22,000/s) | limit: 42,000/s (40,000/s to 44,000/s) | 50 % \
             | ≥ 60 % (finally 75 %) | **no** |"
        );
    }

    #[test]
    fn a_time_is_a_multiple_of_its_ceiling_not_a_share() {
        let row = row(3.0, Aim::None).beside("limit", Series::from_iter([2.0, 2.0, 4.0]));
        assert!(row.markdown().contains("| 1.50 × |"), "{}", row.markdown());
    }

    #[test]
    fn figures_are_shown_in_their_units() {
        assert_eq!(Unit::PerSecond.show(1_234_567.4), "1,234,567/s");
        assert_eq!(Unit::PerSecond.show(250.04), "250.0/s");
        assert_eq!(Unit::Millis.show(0.123), "0.12 ms");
        assert_eq!(Unit::Mib.show(f64::NAN), "–");
    }
}
