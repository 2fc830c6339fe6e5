//! The mode, the breaker, the note of the latest pass: one row of `reaper_settings` each.

use diesel::PgConnection;
use reaper_core::{Breaker, Mode};

use super::{PostgresStore, claims::note_all, fault::Fault, sql, statement::Statement};
use crate::{
    Control, StoreError,
    books::{self, Note, json},
    control::PassNote,
};

const MODE: &str = "mode";
const BREAKER: &str = "breaker";
const LATEST_PASS: &str = "latest_pass";

impl Control for PostgresStore {
    fn mode(&self) -> Result<Mode, StoreError> {
        self.read(mode)
    }

    fn set_mode(&self, new: Mode) -> Result<Mode, StoreError> {
        self.write(|connection| {
            // One that cannot be read allowed nothing, and a person must be able to set it right.
            let before = match mode(connection) {
                Err(Fault::Store(StoreError::Corrupt { .. })) => Mode::Off,
                mode => mode?,
            };
            set(connection, MODE, new.as_str())?;
            note_all(connection, &[Note::of_mode(before, new)])?;
            Ok(before)
        })
    }

    fn breaker(&self) -> Result<Breaker, StoreError> {
        Ok(self.read(|connection| parsed(connection, BREAKER, "breaker"))?.unwrap_or_default())
    }

    fn set_breaker(&self, breaker: &Breaker) -> Result<(), StoreError> {
        self.write(|connection| set(connection, BREAKER, &json(breaker)?))
    }

    fn latest_pass(&self) -> Result<Option<PassNote>, StoreError> {
        self.read(|connection| parsed(connection, LATEST_PASS, "note of the latest pass"))
    }

    fn note_pass(&self, note: &PassNote) -> Result<(), StoreError> {
        self.write(|connection| set(connection, LATEST_PASS, &json(note)?))
    }
}

/// The stored mode.
pub(super) fn mode(connection: &mut PgConnection) -> Result<Mode, Fault> {
    Ok(books::mode(setting(connection, MODE)?)?)
}

fn setting(connection: &mut PgConnection, key: &str) -> Result<Option<String>, Fault> {
    let row = Statement::new(sql::SETTING, [("key", key.into())]).first_row(connection)?;
    Ok(row.map(|mut row| row.next_text().unwrap_or_default()))
}

fn set(connection: &mut PgConnection, key: &str, value: &str) -> Result<(), Fault> {
    Statement::new(sql::SET, [("key", key.into()), ("value", value.into())]).run(connection)?;
    Ok(())
}

fn parsed<T: serde::de::DeserializeOwned>(
    connection: &mut PgConnection,
    key: &str,
    what: &'static str,
) -> Result<Option<T>, Fault> {
    Ok(books::setting(setting(connection, key)?, what)?)
}
