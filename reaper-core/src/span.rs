//! Durations as people read them.

use alloc::string::String;
use core::{fmt, time::Duration};

#[cfg(test)]
mod tests;

/// A duration in its two largest units, cut and never rounded up: `6 h`, `5 min 3 s`, `2 d 1 h`, `350 ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0.as_secs();
        let (minutes, hours, days) = (secs / 60, secs / 3600, secs / 86_400);
        let (first, rest) = match (days, hours, minutes) {
            (1.., ..) => ((days, "d"), (hours % 24, "h")),
            (0, 1.., _) => ((hours, "h"), (minutes % 60, "min")),
            (0, 0, 1..) => ((minutes, "min"), (secs % 60, "s")),
            (0, 0, 0) => return f.pad(&below_a_minute(self.0)),
        };
        let mut text = alloc::format!("{} {}", first.0, first.1);
        if rest.0 > 0 {
            text = alloc::format!("{text} {} {}", rest.0, rest.1);
        }
        f.pad(&text)
    }
}

fn below_a_minute(span: Duration) -> String {
    let (secs, millis) = (span.as_secs(), span.subsec_millis());
    match (secs, millis) {
        (1.., _) => alloc::format!("{secs} s"),
        (0, 1..) => alloc::format!("{millis} ms"),
        (0, 0) if span.is_zero() => String::from("0 s"),
        (0, 0) => String::from("<1 ms"),
    }
}
