//! Telling whoever reads the log.

use reaper_core::{Alert, effect::Plain};
use tracing::field::display;

use super::{Notify, NotifyError};

/// How many characters of a text stand in a log line.
const SHOWN: usize = 4096;

/// Writes each alert to the log: one `tracing` event at the level `warn`, with the fields `kind`, `job` (where there
/// is one) and `key`, and the alert's sentence as its message. Never fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogNotify;

impl Notify for LogNotify {
    fn notify(&self, key: &str, alert: &Alert) -> Result<(), NotifyError> {
        // Escaped once more: a log line is a bad place to trust whoever made the alert.
        let plain = |text| Plain { text, max: SHOWN };
        let job = alert.job.as_ref().map(ToString::to_string);
        let job = job.as_deref().map(|job| display(plain(job)));
        tracing::warn!(
            kind = %plain(&alert.kind),
            job,
            key = %plain(key),
            "{}",
            plain(&alert.text)
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(piece)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Log {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn logged(alert: &Alert) -> String {
        let log = Log::default();
        let subscriber =
            tracing_subscriber::fmt().with_writer(log.clone()).without_time().with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, || LogNotify.notify("7:99:alert", alert).unwrap());
        let text = log.0.lock().unwrap().clone();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn an_alert_is_one_warning_with_its_fields() {
        let alert = Alert { kind: "job_failed".into(), job: Some(7.into()), text: "job 7 failed: exit 1".into() };
        let line = logged(&alert);
        assert!(line.trim_start().starts_with("WARN reaper_gate::notify::log: job 7 failed: exit 1"), "{line}");
        for field in ["kind=job_failed", "job=7", "key=7:99:alert"] {
            assert!(line.contains(field), "{line}");
        }
        assert_eq!(line.lines().count(), 1);
    }

    #[test]
    fn an_alert_forges_no_line() {
        let alert = Alert { kind: "x".into(), job: None, text: "one\n WARN reaper: two\u{1b}[2J".into() };
        let line = logged(&alert);
        assert!(line.contains("one\\n WARN reaper: two\\u{1b}[2J"), "{line}");
        assert_eq!(line.lines().count(), 1);
        assert!(!line.contains("job="), "{line}");
    }
}
