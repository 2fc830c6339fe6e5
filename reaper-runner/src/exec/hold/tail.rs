//! The end of what a command printed, in bounded memory.

/// The last bytes of an output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tail {
    kept: Vec<u8>,
}

/// How many bytes are kept, whatever a command prints.
const KEPT: usize = 8192;

impl Tail {
    /// Takes the next piece.
    pub(super) fn push(&mut self, piece: &[u8]) {
        let piece = piece.get(piece.len().saturating_sub(KEPT)..).unwrap_or_default();
        let excess = self.kept.len().saturating_add(piece.len()).saturating_sub(KEPT);
        self.kept.drain(..excess);
        self.kept.extend_from_slice(piece);
    }

    /// As a text. What is no UTF-8, and the half of a character at its beginning, is replaced.
    pub(super) fn text(&self) -> String {
        // PostgreSQL's texts cannot hold a NUL.
        String::from_utf8_lossy(&self.kept).replace('\0', "\u{fffd}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_is_kept() {
        let mut tail = Tail::default();
        tail.push(&vec![b'a'; 3 * KEPT]);
        tail.push(b"end");
        let text = tail.text();
        assert_eq!(text.len(), KEPT);
        assert!(text.ends_with("aend"), "{text}");
    }

    #[test]
    fn what_is_no_text_is_replaced() {
        let mut tail = Tail::default();
        tail.push(b"a\0b\xffc");
        assert_eq!(tail.text(), "a\u{fffd}b\u{fffd}c");
    }
}
