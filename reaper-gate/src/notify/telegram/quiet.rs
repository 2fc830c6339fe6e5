//! Keeping the HTTP client's own log lines quiet while it holds the token.

use log::Level;
use tracing::dispatcher::{self, Dispatch};

/// Where the client writes the request's line, and with it the token, at the level `trace` (ureq 3.5, ureq-proto 0.7).
const TARGETS: [&str; 4] = ["ureq", "ureq::run", "ureq::util", "ureq_proto::util"];

/// Calls the client so that nothing it logs is written anywhere, or not at all: `None` where that cannot be had.
///
/// The client logs through the `log` facade. Where `tracing` collects those lines, this thread has no collector during
/// the call. Another logger cannot be silenced; if it takes lines of the client at the level `trace`, the call is not
/// made.
pub(super) fn quietly<T>(call: impl FnOnce() -> T) -> Option<T> {
    dispatcher::with_default(&Dispatch::none(), || {
        let logged = TARGETS.iter().any(|target| log::log_enabled!(target: target, Level::Trace));
        (!logged).then(call)
    })
}
