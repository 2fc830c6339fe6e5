//! The mode, the breaker, the note of the latest pass: one row of `reaper_settings` each.

use diesel::SqliteConnection;
use reaper_core::{Breaker, Mode};

use super::{SqliteStore, events::note_all, fault::Fault, sql, statement::Statement};
use crate::{
    Control, StoreError,
    books::{self, Note, clock, json},
    control::{Outset, PassNote},
    row::Raw,
};

const MODE: &str = "mode";
const BREAKER: &str = "breaker";
const LATEST_PASS: &str = "latest_pass";

impl Control for SqliteStore {
    fn outset(&self) -> Result<Option<Outset>, StoreError> {
        self.read(|connection| {
            let keys = [("mode", MODE.into()), ("breaker", BREAKER.into())];
            let Some(mut row) = Statement::new(sql::OUTSET, keys).first_row(connection)? else {
                return Ok(None);
            };
            let now = clock(row.next_int())?;
            let mode = books::mode(text(row.next()))?;
            let breaker = books::setting(text(row.next()), "breaker")?.unwrap_or_default();
            Ok(Some(Outset { now, mode, breaker, effects_due: row.next_int() != Some(0) }))
        })
    }

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
pub(super) fn mode(connection: &mut SqliteConnection) -> Result<Mode, Fault> {
    Ok(books::mode(text(setting(connection, MODE)?))?)
}

/// The stored value; NULL where there is none, for the column takes none.
fn setting(connection: &mut SqliteConnection, key: &str) -> Result<Raw, Fault> {
    let row = Statement::new(sql::SETTING, [("key", key.into())]).first_row(connection)?;
    Ok(row.map(|mut row| row.next()).unwrap_or_default())
}

/// A value's text; an empty one where it is something else, which no setting is.
fn text(stored: Raw) -> Option<String> {
    match stored {
        Raw::Null => None,
        Raw::Text(text) => Some(text),
        Raw::Int(_) | Raw::Real(_) | Raw::Bytes(..) | Raw::Long(_) => Some(String::new()),
    }
}

fn set(connection: &mut SqliteConnection, key: &str, value: &str) -> Result<(), Fault> {
    Statement::new(sql::SET, [("key", key.into()), ("value", value.into())]).run(connection)?;
    Ok(())
}

fn parsed<T: serde::de::DeserializeOwned>(
    connection: &mut SqliteConnection,
    key: &str,
    what: &'static str,
) -> Result<Option<T>, Fault> {
    Ok(books::setting(text(setting(connection, key)?), what)?)
}
