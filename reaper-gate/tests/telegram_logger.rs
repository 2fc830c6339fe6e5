//! The token in the log of a program with a logger that is not `tracing`'s. Alone in its file, because the logger is
//! the whole process's.
#![cfg(feature = "telegram")]

// Said again, so that the lints know it for tests.
#[cfg(test)]
mod support;

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use log::{LevelFilter, Log, Metadata, Record};
use reaper_gate::notify::{Notify as _, NotifyError};
use support::{Server, alert, assert_no_token, says, telegram};

struct Lines(Mutex<String>);

static LINES: Lines = Lines(Mutex::new(String::new()));

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = format!("{} {}\n", record.target(), record.args());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_str(&line);
    }

    fn flush(&self) {}
}

#[test]
fn nothing_is_sent_while_the_logger_would_write_the_token() {
    log::set_logger(&LINES).unwrap();
    let server = Server::start([says("200 OK", r#"{"ok":true}"#), says("200 OK", r#"{"ok":true}"#)]);
    let bot = telegram(&server.base, Duration::from_secs(20));

    log::set_max_level(LevelFilter::Trace);
    let NotifyError::Again(problem) = bot.notify("k", &alert()).unwrap_err() else { panic!("to be tried again") };
    assert!(problem.contains("trace lines of `ureq`") && problem.contains("debug"), "{problem}");
    assert!(!server.has_request());
    assert_no_token(&LINES.0.lock().unwrap());

    // At the next level the client hides what it asks for.
    log::set_max_level(LevelFilter::Debug);
    bot.notify("k", &alert()).unwrap();
    server.request();
    let lines = LINES.0.lock().unwrap().clone();
    assert!(lines.contains("ureq::run POST http://127.0.0.1"), "{lines}");
    assert_no_token(&lines);
}
