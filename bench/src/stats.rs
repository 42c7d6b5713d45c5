//! From times to figures: percentiles within a round, medians with their spread over rounds.

use std::{fmt, time::Duration};

/// What was measured of one contestant in one go.
#[derive(Debug)]
pub(crate) struct Sample {
    times: Vec<Duration>,
    elapsed: Duration,
}

impl Sample {
    pub(crate) fn new(mut times: Vec<Duration>, elapsed: Duration) -> Self {
        times.sort_unstable();
        Self { times, elapsed }
    }

    /// The time within which a share of the calls was answered, in milliseconds.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "a rank among some thousand calls"
        )]
        let rank = (self.times.len() as f64 * share).ceil() as usize;
        let time = self.times.get(rank.saturating_sub(1));
        time.map_or(f64::NAN, |time| time.as_secs_f64() * 1_000.0)
    }

    /// Calls answered in a second.
    pub(crate) fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "some thousand calls")]
        let calls = self.times.len() as f64;
        calls / self.elapsed.as_secs_f64()
    }
}

/// A figure over all rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Spread {
    /// Of one figure per round. Rounds are never none.
    pub(crate) fn of(mut rounds: Vec<f64>) -> Self {
        rounds.sort_unstable_by(f64::total_cmp);
        let middle = rounds.len() / 2;
        let median = if rounds.len() % 2 == 1 {
            rounds[middle]
        } else {
            f64::midpoint(rounds[middle - 1], rounds[middle])
        };
        Self {
            median,
            low: rounds[0],
            high: rounds[rounds.len() - 1],
        }
    }
}

/// `1.23 (1.20–1.31)`, with as many digits as the precision says.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(2);
        let Self { median, low, high } = self;
        write!(f, "{median:.digits$} ({low:.digits$}–{high:.digits$})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_percentiles() {
        let times = (1..=200).map(Duration::from_millis).collect();
        let sample = Sample::new(times, Duration::from_secs(2));
        let figures = [
            sample.percentile(0.5),
            sample.percentile(0.99),
            sample.rate(),
        ];
        let shown = figures.map(|figure| format!("{figure:.1}"));
        assert_eq!(shown, ["100.0", "198.0", "100.0"]);
    }

    #[test]
    fn shows_the_spread() {
        let spread = Spread::of(vec![3.0, 1.0, 2.0, 4.0]);
        assert_eq!(format!("{spread:.1}"), "2.5 (1.0–4.0)");
    }
}
