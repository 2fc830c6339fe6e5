//! The end of what a command printed.

use reaper_core::effect::Plain;

/// How many bytes of output are kept, whatever a command prints.
pub(super) const KEPT: usize = 4096;

/// How many characters of its last line stand in a reason.
const SHOWN: usize = 200;

/// The last [`KEPT`] bytes of an output.
#[derive(Debug, Default)]
pub(super) struct Tail {
    kept: Vec<u8>,
}

impl Tail {
    /// Takes the next piece of output.
    pub(super) fn push(&mut self, piece: &[u8]) {
        let piece = piece.get(piece.len().saturating_sub(KEPT)..).unwrap_or_default();
        let excess = self.kept.len().saturating_add(piece.len()).saturating_sub(KEPT);
        self.kept.drain(..excess);
        self.kept.extend_from_slice(piece);
    }

    /// The last line that is not blank, escaped and cut.
    pub(super) fn last_line(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.kept);
        // A carriage return begins a line anew on a terminal, so progress displays count as lines of their own.
        let line = text.split(['\n', '\r']).map(str::trim).rfind(|line| !line.is_empty())?;
        Some(Plain { text: line, max: SHOWN }.to_string())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn last_line(output: &[u8]) -> Option<String> {
        let mut tail = Tail::default();
        tail.push(output);
        tail.last_line()
    }

    #[test]
    fn the_last_line_is_the_last_that_says_something() {
        assert_eq!(last_line(b"one\ntwo\n \n\n").as_deref(), Some("two"));
        assert_eq!(last_line(b" 10 %\r 50 %\r100 %\r").as_deref(), Some("100 %"));
        assert_eq!(last_line(b""), None);
        assert_eq!(last_line(b" \n\r\n"), None);
    }

    #[test]
    fn the_last_line_is_escaped_and_cut() {
        assert_eq!(last_line(b"\x1b[31mred\x1b[0m").as_deref(), Some("\\u{1b}[31mred\\u{1b}[0m"));
        assert_eq!(last_line(b"\xff\xfe").as_deref(), Some("\u{fffd}\u{fffd}"));
        let long = last_line(&[b'x'; 10 * KEPT]).unwrap();
        assert_eq!(long.chars().count(), SHOWN + 1);
        assert!(long.ends_with('…'), "{long}");
    }

    proptest! {
        #[test]
        fn what_is_kept_is_the_end_of_what_was_pushed(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3000), 0..8)
        ) {
            let mut tail = Tail::default();
            for piece in &pieces {
                tail.push(piece);
                prop_assert!(tail.kept.len() <= KEPT);
            }
            let all = pieces.concat();
            prop_assert_eq!(&tail.kept, &all[all.len().saturating_sub(KEPT)..]);
        }
    }
}
