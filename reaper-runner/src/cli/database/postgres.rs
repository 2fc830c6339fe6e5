//! A PostgreSQL database as the program opens it. It is never created: that takes another connection and other rights.

use std::sync::Arc;

use reaper_gate::{Advance, advance::PostgresAdvance};
use reaper_store::postgres::{Options, Pooling, PostgresStore, connect};

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
