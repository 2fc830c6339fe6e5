//! Verdicts and findings in words.

use std::{collections::BTreeSet, string::String, string::ToString};

use super::*;
use crate::sample::{ALIVE, DEAD, ELSEWHERE, GONE, LEFT, PROVED, UNKNOWN};

#[test]
fn verdicts_have_words() {
    let words = [PROVED, ALIVE, GONE, DEAD, LEFT, ELSEWHERE, UNKNOWN].map(Liveness::as_str);
    assert_eq!(words, ["alive", "alive", "dead", "dead", "leftovers", "elsewhere", "unknown"]);
}

#[test]
fn findings_are_told_apart() {
    let findings = [
        Finding::NothingRecorded,
        Finding::Running,
        Finding::PidExists,
        Finding::PidHeld,
        Finding::PidEnded,
        Finding::NoSuchProcess,
        Finding::Ended,
        Finding::Recycled,
        Finding::Rebooted,
        Finding::SessionLives(2),
        Finding::CgroupLives(2),
        Finding::OtherHost,
        Finding::OtherNamespace,
        Finding::HostLost,
        Finding::DeclaredDead,
        Finding::HostShared,
        Finding::Beats,
        Finding::BeatStopped,
        Finding::PidNotTrusted,
        Finding::Unreadable(String::from("EMFILE")),
        Finding::Unsupported,
    ];
    let sentences: BTreeSet<_> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(sentences.len(), findings.len());
    assert!(sentences.iter().all(|sentence| sentence.len() <= 48), "a line has room for 48");
    assert!(sentences.contains("the leader is gone, 2 of its session live on"));
    assert!(sentences.contains("could not be read: EMFILE"));
}
