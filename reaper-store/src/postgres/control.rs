//! The mode, the breaker, the note of the latest pass: one row of `reaper_settings` each.

use diesel::PgConnection;
use reaper_core::{Breaker, Mode};

use super::{
    PostgresStore,
    claims::{Note, note_all},
    fault::Fault,
    sql,
    statement::Statement,
};
use crate::{
    Control, StoreError,
    claims::{Actor, EventId},
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
            let reason = format!("the mode was {before} and is {new}");
            let event = Note {
                id: EventId::draw().0,
                job: None,
                fence: None,
                actor: Actor::Person.as_str(),
                action: "mode",
                rule: "",
                reason: &reason,
                from: before.as_str(),
                to: new.as_str(),
                evidence: "null".into(),
            };
            note_all(connection, &[event])?;
            Ok(before)
        })
    }

    fn breaker(&self) -> Result<Breaker, StoreError> {
        Ok(self.read(|connection| parsed(connection, BREAKER, "breaker"))?.unwrap_or_default())
    }

    fn set_breaker(&self, breaker: &Breaker) -> Result<(), StoreError> {
        self.write(|connection| set(connection, BREAKER, &written(breaker)?))
    }

    fn latest_pass(&self) -> Result<Option<PassNote>, StoreError> {
        self.read(|connection| parsed(connection, LATEST_PASS, "note of the latest pass"))
    }

    fn note_pass(&self, note: &PassNote) -> Result<(), StoreError> {
        self.write(|connection| set(connection, LATEST_PASS, &written(note)?))
    }
}

/// The stored mode.
pub(super) fn mode(connection: &mut PgConnection) -> Result<Mode, Fault> {
    let Some(word) = setting(connection, MODE)? else {
        return Ok(Mode::default());
    };
    let mode = word.parse();
    Ok(mode.map_err(|error| StoreError::Corrupt { what: "mode", problem: format!("{word:?}: {error}") })?)
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
    let Some(text) = setting(connection, key)? else {
        return Ok(None);
    };
    let value = serde_json::from_str(&text);
    Ok(value.map(Some).map_err(|error| StoreError::Corrupt { what, problem: error.to_string() })?)
}

fn written<T: serde::Serialize>(value: &T) -> Result<String, Fault> {
    let text = serde_json::to_string(value);
    Ok(text.map_err(|error| StoreError::Database(format!("cannot be written: {error}")))?)
}
