//! A PostgreSQL database as the program opens it. It is never created: that takes another connection and other rights.

use std::{sync::Arc, time::Duration};

use reaper_core::Backoff;
use reaper_gate::{Advance, advance::PostgresAdvance};
use reaper_store::{
    StoreError,
    postgres::{Options, Pooling, PostgresStore, connect},
};

use super::{Access, Adapter};
use crate::{
    cli::Failure,
    config::{self, Config},
};

pub(super) fn open(url: &str, config: &Config, access: Access) -> Result<Arc<dyn Adapter>, Failure> {
    let options = Options { read_only: access == Access::Read, ..options(config) };
    Ok(Arc::new(PostgresStore::open(url, options)?))
}

pub(super) fn advance(url: &str, config: &Config) -> Arc<dyn Advance> {
    let (url, options) = (url.to_owned(), options(config));
    Arc::new(PostgresAdvance::new(Box::new(move || connect(&url, options).map_err(|error| error.to_string()))))
}

/// Waits until the server answers, with growing pauses.
pub(super) fn wait(url: &str, config: &Config, pause: impl Fn(Duration) -> bool) -> Result<bool, Failure> {
    let mut tries = 0_u32;
    while !answers(url, config)? {
        if pause(PAUSES.delay(tries, fastrand::u64(..))) {
            return Ok(false);
        }
        tries = tries.saturating_add(1);
    }
    Ok(true)
}

/// Whether the server answers; `Err` where it never will as things are: a wrong password, say.
fn answers(url: &str, config: &Config) -> Result<bool, Failure> {
    match connect(url, options(config)) {
        Ok(_) => Ok(true),
        Err(StoreError::Unreachable { database, problem }) if is_down(&problem) => {
            tracing::warn!(database, problem, "the server does not answer");
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether the bundled libpq says that nobody answers at all, or a server that is not ready yet. There is no other word
/// of it: a connection that was refused has no code.
fn is_down(problem: &str) -> bool {
    let unreachable =
        problem.starts_with("connection to server") || problem.starts_with("could not translate host");
    let refused = problem.contains("FATAL:") || problem.contains("SSL");
    let not_ready = ["starting up", "shutting down", "recovery mode", "not yet accepting connections"];
    (unreachable && !refused) || not_ready.iter().any(|words| problem.contains(words))
}

fn options(config: &Config) -> Options {
    Options {
        lock_timeout: config.lock_timeout,
        statement_timeout: config.statement_timeout,
        pooling: match config.pooling {
            config::Pooling::Session => Pooling::Session,
            config::Pooling::Transaction => Pooling::Transaction,
        },
        ..Options::default()
    }
}

/// The pauses between two tries to reach a server that is down.
const PAUSES: Backoff = Backoff { base: Duration::from_millis(500), max: Duration::from_secs(30) };

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, net::TcpListener};

    use super::*;

    #[test]
    fn f21_the_pauses_before_a_server_that_is_down_is_tried_again_grow() {
        // Nobody listens at a port that has just been given back.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let pauses = RefCell::new(Vec::new());
        let pause = |pause| {
            pauses.borrow_mut().push(pause);
            pauses.borrow().len() == 9
        };
        let url = format!("postgres://reaper@127.0.0.1:{port}/jobs");
        assert!(!wait(&url, &Config::default(), pause).unwrap(), "it was given up");
        let pauses = pauses.into_inner();
        let (growing, longest) = pauses.split_at(6);
        assert!(growing.is_sorted() && growing[5] >= growing[0].saturating_mul(8), "{pauses:?}");
        let most = PAUSES.max;
        assert!(longest.iter().all(|pause| (most / 2..=most).contains(pause)), "{pauses:?}");
    }

    #[test]
    fn a_server_is_down_if_nobody_answers_and_not_if_it_says_no() {
        let server = "connection to server at \"127.0.0.1\", port 5432 failed:";
        for problem in [
            "Connection refused\n\tIs the server running",
            "timeout expired",
            "FATAL:  the database system is starting up",
        ] {
            assert!(is_down(&format!("{server} {problem}")), "{problem}");
        }
        assert!(is_down("could not translate host name \"db\" to address: Temporary failure in name resolution"));
        for problem in
            ["FATAL:  password authentication failed for user \"reaper\"", "SSL error: certificate verify failed"]
        {
            assert!(!is_down(&format!("{server} {problem}")), "{problem}");
        }
        assert!(!is_down("invalid port number: \"x\""));
    }
}
