//! Telling a Telegram chat, through the bot API.

use std::{fmt, net::IpAddr, time::Duration};

use reaper_core::{Alert, effect::Plain};
use ureq::{
    Agent,
    http::{Uri, uri::Scheme},
};

use super::{Notify, NotifyError};

mod answer;
mod quiet;
mod text;
mod token;

pub use token::{Token, TokenError};

/// What a [`Telegram`] is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelegramConfig {
    /// Where the bot API is. Default `https://api.telegram.org`. A path is kept as a prefix. `https`, except for a
    /// server on this machine.
    pub base: String,
    /// The bot's token.
    pub token: Token,
    /// The chat: its number, or the `@name` of a channel.
    pub chat: String,
    /// How long it may take to connect, TLS included. Default 5 s.
    pub connect_limit: Duration,
    /// How long a notification may take in all. Default 15 s.
    pub total_limit: Duration,
}

impl TelegramConfig {
    /// The defaults, for this bot and chat.
    pub fn new(token: Token, chat: impl Into<String>) -> Self {
        Self {
            base: "https://api.telegram.org".to_owned(),
            token,
            chat: chat.into(),
            connect_limit: Duration::from_secs(5),
            total_limit: Duration::from_secs(15),
        }
    }
}

/// A configuration that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("telegram: {figure}: {problem}")]
pub struct TelegramConfigError {
    /// Which part of it, by its name.
    pub figure: &'static str,
    /// What is wrong with it. Nothing secret stands here.
    pub problem: String,
}

/// How much of an answer is read, in bytes. Telegram's own are a few hundred.
const MAX_ANSWER: u64 = 64 * 1024;

/// How many characters of a problem are kept.
const SHOWN: usize = 400;

/// Sends each alert as a plain text message to one chat.
///
/// A message that is too long is cut to Telegram's 4096 UTF-16 units. What Telegram refuses (400, 401, 403, 404 and the
/// like, with its description) is [`Refused`](NotifyError::Refused); 429 with `retry_after` is
/// [`Later`](NotifyError::Later); all else that is not an acceptance, server errors, time limits, connections that
/// fail and answers that are not Telegram's among them, is [`Again`](NotifyError::Again). Telegram has no idempotency
/// key, so a message whose answer was lost is sent twice; the key on its last line shows it.
///
/// The token is part of the URL. It stands in no error and no `Debug` form. The HTTP client (ureq) would write it to
/// the log at the level `trace`: its log lines are dropped where `tracing` collects them, and where another logger
/// takes `trace` lines of `ureq`, nothing is sent and the answer says so.
///
/// Redirects are not followed. A proxy of the environment (`HTTPS_PROXY`, …) is used, except for a server on this
/// machine.
///
/// ```
/// use reaper_gate::notify::{Telegram, telegram::{TelegramConfig, Token}};
///
/// let token = Token::new("123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11")?;
/// let telegram = Telegram::new(TelegramConfig::new(token, "@builds"))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Telegram {
    agent: Agent,
    /// Holds the token.
    endpoint: Uri,
    config: TelegramConfig,
}

impl Telegram {
    /// A connection is only made when there is something to send.
    ///
    /// # Errors
    ///
    /// A [`TelegramConfigError`] names the part of the configuration that cannot work.
    pub fn new(config: TelegramConfig) -> Result<Self, TelegramConfigError> {
        let wrong = |figure, problem: &str| TelegramConfigError { figure, problem: config.token.redact(problem) };
        if config.chat.trim().is_empty() {
            return Err(wrong("chat", "is empty: give the chat's number or a channel's @name"));
        }
        if config.total_limit.is_zero() || config.connect_limit.is_zero() {
            return Err(wrong("time limit", "is 0: nothing could ever be sent"));
        }
        let base: Uri = config.base.parse().map_err(|error| wrong("base", &format!("is no URL: {error}")))?;
        let local = is_local(&base);
        let authority = base.authority().map_or("", |authority| authority.as_str());
        if authority.contains('@') || base.query().is_some() {
            return Err(wrong("base", "must hold no user, password or query"));
        }
        let is_http = base.scheme() == Some(&Scheme::HTTP);
        if !(is_http && local) && base.scheme() != Some(&Scheme::HTTPS) {
            let problem =
                format!("`{}` must begin with https:// (http:// on this machine only)", shown(&config.base));
            return Err(wrong("base", &problem));
        }
        let prefix = config.base.trim_end_matches('/');
        let endpoint = format!("{prefix}/bot{}/sendMessage", config.token.expose());
        let endpoint = endpoint.parse().map_err(|error| wrong("base", &format!("is no URL: {error}")))?;

        let mut agent = Agent::config_builder()
            .http_status_as_error(false)
            .https_only(!is_http)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // Alerts are rare: a kept connection would be closed by the other side before the next one.
            .max_idle_connections(0)
            .timeout_connect(Some(config.connect_limit))
            .timeout_global(Some(config.total_limit))
            .user_agent(concat!("reaper-gate/", env!("CARGO_PKG_VERSION")));
        if local {
            agent = agent.proxy(None);
        }
        Ok(Self { agent: agent.build().new_agent(), endpoint, config })
    }

    /// Sends a message, and answers with the status and the body.
    fn send(&self, text: &str) -> Result<(u16, Vec<u8>), ureq::Error> {
        let chat = self.config.chat.trim();
        let chat = chat.parse::<i64>().map_or_else(|_| chat.into(), serde_json::Value::from);
        let message = serde_json::json!({ "chat_id": chat, "text": text });
        let mut answer = self.agent.post(&self.endpoint).send_json(message)?;
        let body = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_vec()?;
        Ok((answer.status().as_u16(), body))
    }

    /// A problem without the token, without control characters, and cut.
    fn clean(&self, problem: &str) -> String {
        // Redacted before it is cut, or a part of the token might be left.
        shown(&self.config.token.redact(problem))
    }
}

/// Whether a URL's host is this machine.
fn is_local(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default();
    let ip: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    host.eq_ignore_ascii_case("localhost") || ip.is_some_and(|ip| ip.is_loopback())
}

fn shown(text: &str) -> String {
    Plain { text, max: SHOWN }.to_string()
}

impl fmt::Debug for Telegram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telegram").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Notify for Telegram {
    fn notify(&self, key: &str, alert: &Alert) -> Result<(), NotifyError> {
        let text = text::of(key, alert);
        let answered = quiet::quietly(|| self.send(&text)).ok_or_else(|| {
            let problem = "not sent, because the log takes trace lines of `ureq`, which hold the bot's token: \
                set its level to debug";
            NotifyError::Again(problem.to_owned())
        })?;
        let judged = match answered {
            Ok((status, body)) => answer::judge(status, &body),
            Err(ureq::Error::Timeout(phase)) => {
                Err(NotifyError::Again(format!("no answer within the time limit ({phase})")))
            }
            Err(error) => Err(NotifyError::Again(error.to_string())),
        };
        judged.map_err(|error| match error {
            NotifyError::Again(problem) => NotifyError::Again(self.clean(&problem)),
            NotifyError::Later { wait, problem } => NotifyError::Later { wait, problem: self.clean(&problem) },
            NotifyError::Refused(problem) => NotifyError::Refused(self.clean(&problem)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(base: &str) -> TelegramConfig {
        let token = Token::new("123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11").unwrap();
        TelegramConfig { base: base.to_owned(), ..TelegramConfig::new(token, "-100123") }
    }

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        for base in [
            "https://api.telegram.org",
            "https://proxy.example.org:8443/telegram/",
            "http://127.0.0.1:8081",
            "http://127.9.9.9",
            "http://[::1]:8081",
            "http://localhost:8081/prefix",
            "http://LOCALHOST",
            "https://localhost",
        ] {
            Telegram::new(config(base)).unwrap();
        }
        for base in [
            "http://api.telegram.org",
            "http://127.0.0.1.example.org",
            "http://localhost.example.org",
            "http://10.0.0.1",
            "ftp://127.0.0.1",
            "api.telegram.org",
            "/path",
        ] {
            let error = Telegram::new(config(base)).unwrap_err().to_string();
            let expected =
                format!("telegram: base: `{base}` must begin with https:// (http:// on this machine only)");
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn what_cannot_work_is_refused_without_a_secret() {
        let refused = |change: fn(&mut TelegramConfig)| {
            let mut config = config("https://api.telegram.org");
            change(&mut config);
            let error = Telegram::new(config).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("ABC-DEF") && !shown.contains("hush"), "{shown}");
            error.to_string()
        };
        assert!(
            refused(|c| c.base = "https://user:hush@example.org".into()).contains("no user, password or query")
        );
        assert!(
            refused(|c| c.base = "https://example.org/?key=hush".into()).contains("no user, password or query")
        );
        assert!(refused(|c| c.base = "https://exa mple".into()).starts_with("telegram: base: is no URL"));
        assert!(refused(|c| c.base = String::new()).starts_with("telegram: base: is no URL"));
        assert!(
            refused(|c| c.base = format!("http://x/bot{}", c.token.expose())).contains("`http://x/bot<token>`")
        );
        assert!(refused(|c| c.chat = " ".into()).starts_with("telegram: chat: is empty"));
        assert!(refused(|c| c.total_limit = Duration::ZERO).starts_with("telegram: time limit: is 0"));
        assert!(refused(|c| c.connect_limit = Duration::ZERO).starts_with("telegram: time limit: is 0"));
    }

    #[test]
    fn a_slash_at_the_end_of_the_base_makes_no_difference() {
        for base in ["https://example.org/tg", "https://example.org/tg/"] {
            let telegram = Telegram::new(config(base)).unwrap();
            assert_eq!(telegram.endpoint.path(), "/tg/bot123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11/sendMessage");
            let shown = format!("{telegram:?}");
            assert!(shown.contains("-100123") && !shown.contains("ABC-DEF"), "{shown}");
        }
    }
}
