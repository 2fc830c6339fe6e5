//! Durations in words.

use std::{format, string::ToString};

use super::*;

fn read(span: Duration) -> String {
    Span(span).to_string()
}

#[test]
fn two_units_are_read_and_nothing_is_rounded_up() {
    let secs = Duration::from_secs;
    for (span, text) in [
        (Duration::ZERO, "0 s"),
        (Duration::from_nanos(1), "<1 ms"),
        (Duration::from_nanos(999_999), "<1 ms"),
        (Duration::from_millis(1), "1 ms"),
        (Duration::from_millis(999), "999 ms"),
        (secs(1), "1 s"),
        (Duration::from_millis(59_999), "59 s"),
        (secs(60), "1 min"),
        (secs(303), "5 min 3 s"),
        (secs(3599), "59 min 59 s"),
        (secs(3600), "1 h"),
        (secs(3659), "1 h"),
        (secs(21_600), "6 h"),
        (secs(7500), "2 h 5 min"),
        (secs(86_399), "23 h 59 min"),
        (secs(86_400), "1 d"),
        (secs(176_400), "2 d 1 h"),
        (secs(86_400 * 400 + 3599), "400 d"),
        (Duration::MAX, "213503982334601 d 7 h"),
    ] {
        assert_eq!(read(span), text);
    }
    assert_eq!(format!("{:>6}|{:<6}|", Span(secs(5)), Span(secs(3600))), "   5 s|1 h   |");
}
