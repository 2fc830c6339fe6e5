//! The setting that all cases of the program share, with the program under test.

use reaper_tests::{database::Database, program::Program};

pub(crate) use reaper_tests::setting::{password, port, settled_once, with_port};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_reaper-under-test");

/// The program on a database, which it has prepared, with these keys before the pipeline.
pub(crate) fn prepared(database: &Database, keys: &str) -> Program {
    reaper_tests::setting::prepared(BINARY, database, keys)
}
