//! The token in the log of a program that collects everything with `tracing`, the lines of the HTTP client included.
//! Alone in its file, because the collector is the whole process's.
#![cfg(feature = "telegram")]

// Said again, so that the lints know it for tests.
#[cfg(test)]
mod support;

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reaper_gate::notify::{Broadcast, LogNotify, Notify};
use support::{Server, TOKEN, alert, assert_no_token, says, telegram};
use tracing_subscriber::util::SubscriberInitExt as _;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(piece)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn f25_the_token_is_in_no_log_at_any_level() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // Takes the lines of the `log` facade too.
    subscriber.init();

    let server = Server::start([
        says("200 OK", r#"{"ok":true}"#),
        says("403 Forbidden", r#"{"ok":false,"description":"Forbidden: bot was blocked by the user"}"#),
        says("200 OK", "{}"),
    ]);
    let bot: Arc<dyn Notify> = Arc::new(telegram(&server.base, Duration::from_secs(20)));
    let warnings: Arc<dyn Notify> = Arc::new(LogNotify);
    let both = Broadcast::new([("log".to_owned(), warnings), ("telegram".to_owned(), bot)]);
    both.notify("7:98:alert", &alert()).unwrap();
    let error = both.notify("7:99:alert", &alert()).unwrap_err();
    tracing::warn!(%error, ?error, ?both, "not told");

    assert!(server.request().contains(TOKEN) && server.request().contains(TOKEN));
    assert!(!server.has_request());

    // The client's own lines do come here when it is called without care, and show what is asked for.
    let client = ureq::Agent::config_builder().proxy(None).build().new_agent();
    client.get(format!("{}/careless/WITHOUT-CARE", server.base)).call().unwrap();

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("/careless/WITHOUT-CARE") && text.contains("ureq_proto"), "{text}");
    assert!(text.contains("Forbidden: bot was blocked by the user"), "{text}");
    assert!(text.contains("job 7 failed: exit 1"), "{text}");
    assert!(!text.contains("sendMessage"), "{text}");
    assert_no_token(&text);
}
