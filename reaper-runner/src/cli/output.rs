//! What the program prints: text for people, or one JSON object a line.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use reaper_core::effect::Plain;
use serde::Serialize;
use tracing_subscriber::EnvFilter;

use super::{Exit, Failure};

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Where results go.
#[derive(Clone, Copy, Debug)]
pub struct Out {
    format: Format,
    color: bool,
}

/// The colours that are used, each with one meaning.
#[derive(Clone, Copy, Debug)]
pub enum Style {
    /// Well.
    Good,
    /// Badly.
    Bad,
    /// Worth a look.
    Notice,
    /// Less important than what is beside it.
    Faint,
    /// More important than what is beside it.
    Strong,
}

impl Out {
    /// Standard output in this format, coloured on a terminal unless `NO_COLOR` is set.
    #[must_use]
    pub fn new(format: Format) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { format, color: wanted && io::stdout().is_terminal() }
    }

    /// Whether results are JSON.
    #[must_use]
    pub fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Prints a result: the value as JSON, or its text.
    ///
    /// # Errors
    ///
    /// A [`Failure`] where standard output takes nothing. A reader that has gone away ends the program quietly.
    pub fn result<T: Serialize>(self, value: &T, text: impl FnOnce() -> String) -> Result<(), Failure> {
        match self.format {
            Format::Text => self.line(&text()),
            Format::Json => {
                let json = serde_json::to_string(value)
                    .map_err(|error| Failure::new(Exit::Failed, format!("cannot print the result: {error}")))?;
                self.line(&inert(&json))
            }
        }
    }

    /// Prints a line, or several.
    ///
    /// # Errors
    ///
    /// As [`result`](Self::result).
    pub fn line(self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        let end = if text.ends_with('\n') { "" } else { "\n" };
        match write!(stdout, "{text}{end}").and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::new(Exit::Done, "")),
            Err(error) => Err(Failure::new(Exit::Failed, format!("cannot write to standard output: {error}"))),
            Ok(()) => Ok(()),
        }
    }

    /// A text in a style, where there are colours.
    #[must_use]
    pub fn styled(self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Good => "32",
            Style::Bad => "31",
            Style::Notice => "33",
            Style::Faint => "2",
            Style::Strong => "1",
        };
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Says on standard error why a command failed, and gives its exit code.
    #[must_use]
    pub fn fail(self, failure: &Failure) -> ExitCode {
        if !failure.message.is_empty() {
            let text = match self.format {
                Format::Text => format!("reaper: {}\n", shown(&failure.message)),
                Format::Json => {
                    let error = serde_json::json!({"error": failure.message, "exit": failure.exit.code()});
                    format!("{}\n", inert(&error.to_string()))
                }
            };
            // Where standard error is closed there is nobody to read it.
            io::stderr().lock().write_all(text.as_bytes()).ok();
        }
        failure.exit.into()
    }
}

/// JSON in which no character moves a terminal's cursor or turns its text: what serde leaves raw of those is escaped
/// too. They stand inside of strings only, so that the value stays the same.
fn inert(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if is_inert(c) {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String does not fail.
                write!(text, "\\u{unit:04x}").ok();
            }
        }
    }
    text
}

/// A message with its line breaks, and all else escaped that could do something to a terminal.
fn shown(message: &str) -> String {
    let lines: Vec<_> = message.lines().map(|text| Plain { text, max: usize::MAX }.to_string()).collect();
    lines.join("\n")
}

fn is_inert(c: char) -> bool {
    let mut buffer = [0; 4];
    let text: &str = c.encode_utf8(&mut buffer);
    matches!(c, ' '..='~') || Plain { text, max: 1 }.to_string() == text
}

/// Starts the log on standard error: warnings, or more where asked.
pub(super) fn start_log(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = std::env::var("REAPER_LOG").ok().and_then(|filter| EnvFilter::try_new(filter).ok());
    let filter = filter.unwrap_or_else(|| {
        EnvFilter::new(format!("reaper_runner={level},reaper_store={level},reaper_gate={level}"))
    });
    let color = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    // Told of a line that it could not write, it would say so on the same standard error, and panic where that fails.
    let log = tracing_subscriber::fmt().log_internal_errors(false);
    log.with_env_filter(filter).with_writer(io::stderr).with_ansi(color).init();
}
