//! Which mode wins, and the words for it.

use std::{format, string::ToString};

use super::*;

/// I10, the core's part: of two modes the one that allows less is the smaller.
#[test]
fn the_stricter_mode_wins() {
    for (a, b, wins) in [
        (Mode::Off, Mode::Enforce, Mode::Off),
        (Mode::Report, Mode::Enforce, Mode::Report),
        (Mode::Off, Mode::Report, Mode::Off),
        (Mode::Enforce, Mode::Enforce, Mode::Enforce),
    ] {
        assert_eq!((a.min(b), b.min(a)), (wins, wins));
    }
    assert_eq!(Mode::default(), Mode::Enforce);
    assert!(Mode::ALL.is_sorted());
}

#[test]
fn modes_have_words() {
    for (mode, word) in Mode::ALL.into_iter().zip(["off", "report", "enforce"]) {
        assert_eq!((mode.as_str(), word.parse()), (word, Ok(mode)));
        assert_eq!(format!("{mode:<8}|").len(), 9);
    }
    assert_eq!("on".parse::<Mode>(), Err(UnknownMode));
    assert_eq!(UnknownMode.to_string(), "mode is none of off, report, enforce");
}
