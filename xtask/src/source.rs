//! Rust source split into code and comments, so that a word in a string or a comment is not taken for code.

/// A Rust file, twice, line for line as it stands on disk: what does not belong to a half is blank there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// The code; the contents of strings and characters are blank.
    pub(crate) code: String,
    /// The comments, documentation included.
    pub(crate) comments: String,
}

impl Source {
    /// Splits `text`. What is not Rust is split somehow; the compiler has the last word on that.
    pub(crate) fn of(text: &str) -> Self {
        let mut halves = Self { code: String::new(), comments: String::new() };
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let piece = match first {
                '/' if rest.starts_with("//") => Piece::Comment(rest.find('\n').unwrap_or(rest.len())),
                '/' if rest.starts_with("/*") => Piece::Comment(block_comment(rest)),
                '"' => Piece::Literal(quoted(rest, '"')),
                '\'' => char_literal(rest).map_or(Piece::Code(1), Piece::Literal),
                'r' | 'b' | 'c' => raw_string(rest).map_or_else(|| Piece::Code(word(rest)), Piece::Literal),
                _ if is_word(first) => Piece::Code(word(rest)),
                _ => Piece::Code(first.len_utf8()),
            };
            rest = halves.take(rest, piece);
        }
        halves
    }

    /// Puts the piece at the front of `rest` into its half and answers with what follows it.
    fn take<'a>(&mut self, rest: &'a str, piece: Piece) -> &'a str {
        let (Piece::Code(length) | Piece::Comment(length) | Piece::Literal(length)) = piece;
        let (text, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        let blank = || text.chars().map(|c| if c == '\n' { '\n' } else { ' ' });
        match piece {
            Piece::Code(_) => {
                self.code.push_str(text);
                self.comments.extend(blank());
            }
            Piece::Comment(_) => {
                self.code.extend(blank());
                self.comments.push_str(text);
            }
            Piece::Literal(_) => {
                self.code.extend(blank());
                self.comments.extend(blank());
            }
        }
        after
    }

    /// The lines of code with their numbers, counted from 1.
    pub(crate) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.code.lines())
    }

    /// The lines of comments with their numbers, counted from 1.
    pub(crate) fn comment_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.comments.lines())
    }

    /// The names of the functions that `#[test]` stands above, or that a macro makes tests of, one for each database.
    pub(crate) fn test_functions(&self) -> Vec<String> {
        let mut names = Vec::new();
        let (mut is_test, mut in_macro) = (false, false);
        for whole in self.code.lines() {
            let line = whole.trim();
            if whole.starts_with(TESTS_OF_BOTH) {
                in_macro = true;
            } else if in_macro && whole.trim_end() == "}" {
                in_macro = false;
            } else if line.starts_with("#[") {
                is_test |= line.ends_with("test]");
            } else if !line.is_empty() {
                let name = words(line).skip_while(|word| *word != "fn").nth(1);
                names.extend(name.filter(|_| is_test || in_macro).map(str::to_owned));
                is_test = false;
            }
        }
        names
    }
}

/// The macro whose functions become tests.
const TESTS_OF_BOTH: &str = "on_both! {";

/// The words of a line of code: identifiers, keywords and numbers.
pub(crate) fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !is_word(c)).filter(|word| !word.is_empty())
}

/// What stands at the front of the text, with its length in bytes.
#[derive(Clone, Copy, Debug)]
enum Piece {
    Code(usize),
    Comment(usize),
    Literal(usize),
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of the word at the front; a prefixed string such as `b"x"` is cut before its quote.
fn word(text: &str) -> usize {
    text.find(|c| !is_word(c)).unwrap_or(text.len())
}

/// The length of the comment at the front; comments nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_u32;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of the literal at the front, both its quotes counted; a backslash escapes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if !escaped && c == quote {
            return at + c.len_utf8();
        }
        escaped = !escaped && c == '\\';
    }
    text.len()
}

/// The length of the character at the front, or nothing where the quote begins a lifetime.
fn char_literal(text: &str) -> Option<usize> {
    let mut chars = text.chars().skip(1);
    let first = chars.next()?;
    (first == '\\' || chars.next()? == '\'').then(|| quoted(text, '\''))
}

/// The length of the raw string at the front, prefix and hashes counted, or nothing where there is none.
fn raw_string(text: &str) -> Option<usize> {
    let marked = ["br", "cr", "r"].into_iter().find_map(|prefix| text.strip_prefix(prefix))?;
    let opened = marked.trim_start_matches('#');
    let end = format!("\"{}", "#".repeat(marked.len() - opened.len()));
    let inside = opened.strip_prefix('"')?;
    let length = inside.find(&end).map_or(inside.len(), |at| at + end.len());
    Some(text.len() - inside.len() + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        let source = Source::of(text);
        assert_eq!(source.code.lines().count(), text.lines().count(), "{text}");
        assert_eq!(source.code.chars().count(), text.chars().count(), "{text}");
        assert_eq!(source.comments.chars().count(), text.chars().count(), "{text}");
        source.code.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_are_not_code() {
        assert_eq!(code("a // b\nc /* d /* é */ f */ g"), "a c g");
        assert_eq!(Source::of("a /* b */ c // d").comments.trim(), "/* b */   // d");
        assert_eq!(code("a /* never closed"), "a");
    }

    #[test]
    fn strings_are_not_code() {
        assert_eq!(code(r#"a("x // \" y", b"z", 'q', '\'', '"')"#), "a( , b , , , )");
        assert_eq!(code("a(r#\"x \" y\"#, br\"\\\", r\"\") // c"), "a( , , )");
        assert_eq!(code("\"two\nlines\" a"), "a");
    }

    #[test]
    fn a_lifetime_is_code_and_so_is_a_word_that_begins_like_a_raw_string() {
        assert_eq!(code("fn f<'a>(x: &'a str) -> &'static str"), "fn f<'a>(x: &'a str) -> &'static str");
        assert_eq!(code("r#type breaker cr b"), "r#type breaker cr b");
        assert_eq!(code("for r in b"), "for r in b");
    }

    #[test]
    fn words_are_split_at_everything_else() {
        assert_eq!(words("use a_b::{c, d2};").collect::<Vec<_>>(), ["use", "a_b", "c", "d2"]);
    }
}
