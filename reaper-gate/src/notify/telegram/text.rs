//! An alert as the text of a message.

use reaper_core::{Alert, effect::Plain};

/// How long a message may be, in UTF-16 units, as Telegram counts.
pub(super) const MAX_UNITS: usize = 4096;

/// How many characters of the kind, the job and the key are shown.
const SHOWN: usize = 200;

/// The kind and the job, the alert's sentence, and the key on a last line, by which a message that was sent twice is
/// known. The sentence is what is cut where all of it is too long.
pub(super) fn of(key: &str, alert: &Alert) -> String {
    let job = alert.job.as_ref().map(|job| format!(" (job {})", plain(&job.to_string(), SHOWN)));
    let head = format!("reaper: {}{}\n", plain(&alert.kind, SHOWN), job.unwrap_or_default());
    let foot = format!("\n[{}]", plain(key, SHOWN));
    let room = MAX_UNITS.saturating_sub(units(&head)).saturating_sub(units(&foot));
    format!("{head}{}{foot}", cut(&plain(&alert.text, MAX_UNITS), room))
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

fn plain(text: &str, max: usize) -> String {
    Plain { text, max }.to_string()
}

/// Cuts a text to so many UTF-16 units, between characters, and shows that it was cut.
fn cut(text: &str, max: usize) -> String {
    if units(text) <= max {
        return text.to_owned();
    }
    let mut left = max.saturating_sub(1);
    let fits = |c: &char| match left.checked_sub(c.len_utf16()) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    let mut cut: String = text.chars().take_while(fits).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use reaper_core::{JobId, job::Key};

    use super::*;

    fn alert(text: &str) -> Alert {
        Alert { kind: "job_failed".into(), job: Some(7.into()), text: text.into() }
    }

    #[test]
    fn an_alert_is_a_few_lines() {
        let expected = "reaper: job_failed (job 7)\nexit 1, <b>attempts</b> spent\n[7:99:alert]";
        assert_eq!(of("7:99:alert", &alert("exit 1, <b>attempts</b> spent")), expected);
        let without = Alert { job: None, ..alert("x") };
        assert_eq!(of("k", &without), "reaper: job_failed\nx\n[k]");
    }

    #[test]
    fn text_of_others_adds_no_line_and_no_control_character() {
        assert_eq!(of("k", &alert("a\nb\u{202e}")), "reaper: job_failed (job 7)\na\\nb\\u{202e}\n[k]");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let frame = units(&of("k", &alert("")));
        let room = MAX_UNITS - frame;
        let whole = "x".repeat(room);
        assert!(of("k", &alert(&whole)).contains(&whole));
        let long = of("k", &alert(&"x".repeat(room + 1)));
        assert_eq!(units(&long), MAX_UNITS);
        assert!(long.ends_with("x…\n[k]"), "{long}");
        // A character of two units that does not fit as a whole is left out.
        let pairs = of("k", &alert(&"😀".repeat(room)));
        assert!(pairs.ends_with("😀…\n[k]"));
        assert!(units(&pairs) <= MAX_UNITS && units(&pairs) >= MAX_UNITS - 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_text_is_too_long_or_empty(key: String, kind: String, body in "\\PC{0,6000}", job: Option<String>) {
            let alert = Alert { kind, job: job.map(|job| JobId(Key::Text(job))), text: body };
            let text = of(&key, &alert);
            prop_assert!(units(&text) <= MAX_UNITS);
            prop_assert!(!text.trim().is_empty());
            prop_assert_eq!(text.lines().count(), 3);
        }
    }
}
