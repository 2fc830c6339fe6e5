//! Keys of effects, and texts of others.

use std::{format, string::ToString};

use proptest::prelude::*;

use super::*;

fn order() -> AdvanceOrder {
    AdvanceOrder {
        task: 1.into(),
        repo: "orchestrator".into(),
        from: "architecture".into(),
        version: 99.into(),
        to: "development".into(),
        next_agent: None,
    }
}

#[test]
fn keys_name_what_happens_once() {
    assert_eq!(order().source_key(), "advance:1:99");
    let attempt = Attempt { job: 7.into(), fence: 4711.into() };
    let alert = Alert { kind: "job_failed".into(), job: Some(7.into()), text: "job 7 failed".into() };
    assert_eq!(claim_key(&attempt, &Effect::Advance(order())), "7:4711:advance");
    assert_eq!(claim_key(&attempt, &Effect::Alert(alert)), "7:4711:alert");
}

#[test]
fn an_order_is_for_one_visit_to_one_stage() {
    let place = |stage: &str, version: i64| Place { stage: stage.into(), version: version.into() };
    assert!(order().holds_for(&place("architecture", 99)));
    assert!(!order().holds_for(&place("architecture", 100)), "it was sent back");
    assert!(!order().holds_for(&place("development", 99)));
}

fn plain(text: &str, max: usize) -> String {
    Plain { text, max }.to_string()
}

#[test]
fn texts_of_others_are_escaped_and_cut() {
    for (text, shown) in [
        ("plain words, ümläute, 日本", "plain words, ümläute, 日本"),
        ("a\nb\r\t\0", "a\\nb\\r\\t\\u{0}"),
        ("\u{1b}[31mred", "\\u{1b}[31mred"),
        ("\u{9b}31m", "\\u{9b}31m"),
        ("a\u{202e}b", "a\\u{202e}b"),
        ("a\u{200b}b\u{feff}", "a\\u{200b}b\\u{feff}"),
        ("a\u{2028}b\u{2066}", "a\\u{2028}b\\u{2066}"),
        ("a\u{ad}\u{61c}\u{180e}\u{fffa}\u{e0041}", "a\\u{ad}\\u{61c}\\u{180e}\\u{fffa}\\u{e0041}"),
        ("", ""),
    ] {
        assert_eq!(plain(text, 100), shown);
    }
    assert_eq!(plain("abcdef", 6), "abcdef");
    assert_eq!(plain("abcdefg", 6), "abcdef…");
    assert_eq!(plain("a", 0), "…");
    assert_eq!(format!("{}", Plain { text: &"\0".repeat(1000), max: 3 }), "\\u{0}\\u{0}\\u{0}…");
}

proptest! {
    #[test]
    fn nothing_that_moves_the_cursor_is_left(text in any::<String>(), max in 0_usize..40) {
        let shown = plain(&text, max);
        prop_assert!(shown.chars().all(|c| !c.is_control()));
        prop_assert!(shown.chars().count() <= max * 10 + 1);
    }
}
