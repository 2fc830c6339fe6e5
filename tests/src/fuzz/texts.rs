//! What is read from bytes alone.

use reaper_core::{ProcessIdentity, effect::Plain, instance::Place};

/// The line of a stat file: nothing before the last bracket has a say in it.
pub(super) fn stat(bytes: &[u8]) {
    let read = reaper_gate::liveness::read_stat(bytes);
    let Some(end_of_name) = bytes.iter().rposition(|byte| *byte == b')') else {
        assert_eq!(read, None, "without a bracket there is no name");
        return;
    };
    let fields = bytes.split_at(end_of_name).1;
    assert_eq!(read, reaper_gate::liveness::read_stat(fields), "a name has changed what follows it");
    assert_eq!(read, reaper_gate::liveness::read_stat(&[b"1 () R 1 2 3 4", fields].concat()));
}

/// The text of an identity: there is one for each process, because stores compare texts.
pub(super) fn identity(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match text.parse::<ProcessIdentity>() {
        Ok(identity) => {
            assert_eq!(identity.to_string(), text, "one process has one text");
            assert!(!identity.host.is_empty() && !identity.boot.is_empty() && !text.chars().any(char::is_control));
        }
        Err(error) => assert!(!error.to_string().chars().any(char::is_control), "{error}"),
    }
}

/// Two identities, one a line, in any two places: the text that begins with a place's is of that place, and no other is.
pub(super) fn place(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Some((one, other)) = text.split_once('\n') else { return };
    let (Ok(one), Ok(other)) = (one.parse::<ProcessIdentity>(), other.parse::<ProcessIdentity>()) else { return };
    let Some(pid_namespace) = one.pid_namespace else { return };
    let place = Place { host: one.host.clone(), boot: one.boot.clone(), pid_namespace };
    assert!(place.is_of(&one) && one.to_string().starts_with(&place.prefix()));
    assert_eq!(place.is_of(&other), other.to_string().starts_with(&place.prefix()), "{place} and {other}");
}

/// A field that is shown to people: nothing in it moves a cursor, and it is no longer than was asked for.
pub(super) fn plain(bytes: &[u8]) {
    const MAX: usize = 40;
    let text = String::from_utf8_lossy(bytes);
    let shown = Plain { text: &text, max: MAX }.to_string();
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(!shown.chars().any(|c| c.is_control() || turns(c)), "{shown:?}");
    // The longest escape is `\u{10ffff}`.
    assert!(shown.chars().count() <= MAX * 10 + 1, "{} characters", shown.chars().count());
}
