//! The migrations of PostgreSQL.

use crate::database::Script;

/// The oldest first.
pub(super) const SCRIPTS: [Script; 1] = [script!("postgres", "0001", "adopt")];

/// The texts of all migrations.
#[cfg(feature = "contract")]
pub(crate) fn scripts() -> Vec<&'static str> {
    SCRIPTS.iter().map(|script| script.up).collect()
}

/// How many triggers there are.
pub(super) fn triggers() -> i64 {
    let triggers = SCRIPTS.iter().flat_map(Script::makes).filter(|made| made.kind == "trigger");
    i64::try_from(triggers.count()).unwrap_or(i64::MAX)
}
