//! A bot's token, which is a secret and travels in the URL's path.

use std::fmt;

/// A bot's token. Its `Debug` form shows nothing of it, and it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// A text that is no bot's token. Nothing of the text is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no token of a telegram bot (number:letters): {0}")]
pub struct TokenError(&'static str);

impl Token {
    /// Reads a token, as Telegram gives it out: `123456:ABC-DEF1234ghIkl`. White space around it, such as a line's end
    /// in a file, is not part of it.
    ///
    /// # Errors
    ///
    /// A [`TokenError`] if it does not have that form: the colon is missing, the part before it is no number, or the
    /// part behind it is empty or holds anything but letters, digits, `-` and `_`.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let (bot, secret) = text.split_once(':').ok_or(TokenError("it has no colon"))?;
        if bot.is_empty() || !bot.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(TokenError("what stands before the colon is no number"));
        }
        if secret.is_empty() {
            return Err(TokenError("nothing stands behind the colon"));
        }
        if !secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
            return Err(TokenError("it holds a character that no token has"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The token, to be sent and to nothing else.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// A text without the token, and without its secret part where that stands alone.
    pub(super) fn redact(&self, text: &str) -> String {
        let secret = self.0.split_once(':').map_or(self.0.as_str(), |(_, secret)| secret);
        text.replace(&self.0, REDACTED).replace(secret, REDACTED)
    }
}

const REDACTED: &str = "<token>";

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(<token>)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_without_the_lines_end() {
        assert_eq!(Token::new(" 123:AB-c_9\r\n").unwrap().expose(), "123:AB-c_9");
    }

    #[test]
    fn what_is_no_token_is_refused_without_being_shown() {
        for (text, problem) in [
            ("", "it has no colon"),
            ("hush", "it has no colon"),
            (":hush", "what stands before the colon is no number"),
            ("12x:hush", "what stands before the colon is no number"),
            ("123:", "nothing stands behind the colon"),
            ("123:hu/../sh", "it holds a character that no token has"),
            ("123:hu sh", "it holds a character that no token has"),
            ("123:hu%73h", "it holds a character that no token has"),
            ("123:hush\u{e9}", "it holds a character that no token has"),
        ] {
            let error = Token::new(text).unwrap_err();
            assert_eq!(error, TokenError(problem));
            assert!(!format!("{error} {error:?}").contains("hu"), "{error}");
        }
    }

    #[test]
    fn a_token_is_shown_nowhere() {
        let token = Token::new("123:hush").unwrap();
        assert_eq!(format!("{token:?}"), "Token(<token>)");
        let text = "bad uri: http://x/bot123:hush/m, http://x/bot123%3Ahush/m, 123";
        assert_eq!(token.redact(text), "bad uri: http://x/bot<token>/m, http://x/bot123%3A<token>/m, 123");
    }
}
