//! Keys, words, signals, late finishes.

use std::{format, string::ToString};

use proptest::prelude::*;

use super::*;
use crate::sample::{case, now};

#[test]
fn keys_are_read_back_from_what_they_print() {
    for (text, key) in [("7", Key::Int(7)), ("-7", Key::Int(-7)), ("9223372036854775807", Key::Int(i64::MAX))] {
        assert_eq!(text.parse(), Ok(key));
    }
    for text in ["007", "+7", "-0", "9223372036854775808", "a7", "", "7 ", "018f-uuid"] {
        assert_eq!(text.parse(), Ok(Key::Text(text.into())));
    }
    assert_eq!((JobId::from(7).as_int(), JobId(Key::Text("7".into())).as_int()), (Some(7), None));
    assert_eq!(format!("{:>4}|{:<4}|", JobId::from(7), TaskId(Key::Text("a".into()))), "   7|a   |");
}

#[test]
fn an_attempt_is_a_job_and_a_fence() {
    let attempt = Attempt { job: 7.into(), fence: 4711.into() };
    assert_eq!(attempt.to_string(), "7:4711");
}

#[test]
fn statuses_are_the_words_of_the_column() {
    for (status, word) in Status::ALL.into_iter().zip(["queued", "running", "done", "failed"]) {
        assert_eq!((status.as_str(), word.parse()), (word, Ok(status)));
        assert_eq!(format!("{status:<8}|").len(), 9);
    }
    for word in ["Running", "", " done", "cancelled"] {
        assert_eq!(word.parse::<Status>(), Err(UnknownStatus));
    }
    assert_eq!(UnknownStatus.to_string(), "status is none of queued, running, done, failed");
}

#[test]
fn signals_are_read_from_both_forms() {
    let signal = |code| Exit { code, at: now() }.signal();
    assert_eq!([-1, -9, -64].map(signal), [Some(1), Some(9), Some(64)]);
    assert_eq!([129, 137, 192].map(signal), [Some(1), Some(9), Some(64)]);
    assert_eq!([0, 1, 127, 128, 193, 255, -65, i32::MIN, i32::MAX].map(signal), [None; 9]);
    assert!(Exit { code: 0, at: now() }.is_success() && !Exit { code: -1, at: now() }.is_success());
}

#[test]
fn only_an_exit_0_on_a_queued_job_is_a_late_finish() {
    for (status, code, late) in [
        (Status::Queued, Some(0), true),
        (Status::Queued, Some(1), false),
        (Status::Queued, None, false),
        (Status::Running, Some(0), false),
        (Status::Done, Some(0), false),
        (Status::Failed, Some(0), false),
    ] {
        let mut job = case().job;
        (job.status, job.exit) = (status, code.map(|code| Exit { code, at: now() }));
        assert_eq!(job.is_late_finish(), late);
    }
}

#[test]
fn a_bad_row_tells_what_is_wrong() {
    let bad = BadRow { job: 7.into(), column: "attempts".into(), problem: "is no number: `two`".into() };
    assert_eq!(bad.to_string(), "job 7: column attempts is no number: `two`");
}

proptest! {
    #[test]
    fn any_key_is_read_back(text in "[-+0-9a-z]{0,20}", n: i64) {
        let key: Key = text.parse().unwrap();
        prop_assert_eq!(key.to_string(), text);
        prop_assert_eq!(n.to_string().parse(), Ok(Key::Int(n)));
    }
}
