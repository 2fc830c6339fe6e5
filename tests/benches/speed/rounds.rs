//! Measuring in rounds: each round measures everybody once, so that a slow moment of the machine befalls all alike.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What somebody who is measured stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The least that the database has to do; the others are told as ratios to it.
    Limit,
    /// This project.
    Subject,
    /// What others do today.
    Peer,
}

impl Role {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Subject => "subject",
            Self::Peer => "peer",
        }
    }
}

/// Somebody who is measured. `run` prepares whatever it needs and answers with the time of the work alone.
pub struct Runner<'r> {
    /// The name.
    pub who: &'static str,
    /// What it stands for.
    pub role: Role,
    /// The ratio that it is to stay under.
    pub goal: Option<f64>,
    /// One measurement.
    pub run: Box<dyn FnMut() -> Duration + 'r>,
}

/// A ratio over the rounds.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// The least.
    pub min: f64,
    /// The one in the middle.
    pub median: f64,
    /// The greatest.
    pub max: f64,
}

/// What was measured of one runner.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The name.
    pub who: &'static str,
    /// What it stands for.
    pub role: Role,
    /// The median time.
    pub time: Duration,
    /// The time relative to the limit of the same round.
    pub ratio: Spread,
    /// The ratio that it is to stay under.
    pub goal: Option<f64>,
}

impl Measured {
    /// As JSON: times in microseconds.
    pub fn json(&self) -> Value {
        let Spread { min, median, max } = self.ratio;
        json!({
            "who": self.who, "role": self.role.as_str(), "median_us": micros(self.time), "goal": self.goal,
            "ratio": { "min": min, "median": median, "max": max },
        })
    }
}

/// Measures all of them in so many rounds, after one that does not count. The first is the limit. Who takes very long is
/// measured in one round alone.
pub fn measure(rounds: usize, mut runners: Vec<Runner<'_>>) -> Vec<Measured> {
    assert_eq!(runners[0].role, Role::Limit, "the limit is measured first");
    let mut times = vec![Vec::with_capacity(rounds); runners.len()];
    let mut is_long = vec![false; runners.len()];
    for round in 0..=rounds {
        for turn in 0..runners.len() {
            // Each round begins with another one, so that nobody always follows the same neighbour.
            let at = (turn + round) % runners.len();
            if round > 1 && is_long[at] {
                continue;
            }
            let time = (runners[at].run)();
            if round > 0 {
                times[at].push(time);
            } else {
                is_long[at] = time > LONG;
            }
        }
    }
    let limits = times[0].clone();
    let measured = runners.into_iter().zip(times).map(|(runner, times)| {
        let ratios = times.iter().zip(&limits).map(|(time, limit)| time.as_secs_f64() / limit.as_secs_f64());
        Measured {
            who: runner.who,
            role: runner.role,
            time: median(times.clone(), Duration::cmp),
            ratio: spread(ratios.collect()),
            goal: runner.goal,
        }
    });
    measured.collect()
}

/// What takes longer is not measured again and again.
const LONG: Duration = Duration::from_secs(5);

/// The time of one run of something very short: the middle of `times` handfuls.
pub fn each(times: usize, mut work: impl FnMut()) -> Duration {
    let handful = || {
        let start = Instant::now();
        for _ in 0..HANDFUL {
            work();
        }
        start.elapsed() / HANDFUL
    };
    median(std::iter::repeat_with(handful).take(times).collect(), Duration::cmp)
}

/// How many runs are timed together, so that reading the clock does not count.
const HANDFUL: u32 = 20;

/// The time of one run of something short, each after something else that does not count: the middle of so many.
pub fn each_after(times: usize, mut before: impl FnMut(), mut work: impl FnMut()) -> Duration {
    let one = || {
        before();
        let start = Instant::now();
        work();
        start.elapsed()
    };
    median(std::iter::repeat_with(one).take(times).collect(), Duration::cmp)
}

/// The time of one run.
pub fn once<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let value = work();
    (start.elapsed(), value)
}

/// A time in microseconds.
pub fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn spread(ratios: Vec<f64>) -> Spread {
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = ratios.iter().copied().fold(0.0, f64::max);
    Spread { min: least, median: median(ratios, f64::total_cmp), max: greatest }
}

fn median<T: Copy>(mut values: Vec<T>, order: impl FnMut(&T, &T) -> std::cmp::Ordering) -> T {
    values.sort_by(order);
    values[values.len() / 2]
}
