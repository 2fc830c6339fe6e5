//! The mode, the breaker and the latest pass: values in `reaper_settings`.

use diesel::SqliteConnection;
use reaper_core::{Breaker, Mode};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    SqliteStore,
    fault::Fault,
    sql::{execute, first, now_ms},
};
use crate::{Control, StoreError, claims::EventId, control::PassNote};

const GET: &str = "SELECT value FROM reaper_settings WHERE key = ?";
const SET: &str = "INSERT INTO reaper_settings (key, value) VALUES (?, ?) \
                   ON CONFLICT (key) DO UPDATE SET value = excluded.value";
const MODE_EVENT: &str = "INSERT INTO reaper_events (id, at, actor, action, rule, reason, evidence) \
                          VALUES (?, ?, 'person', 'mode', '', ?, 'null')";

fn get<T: DeserializeOwned>(connection: &mut SqliteConnection, key: &'static str) -> Result<Option<T>, Fault> {
    let Some(text) = first(connection, GET, &[key.into()])?.and_then(|row| row.text(0)) else {
        return Ok(None);
    };
    let corrupt = |error: serde_json::Error| StoreError::Corrupt { what: key, problem: error.to_string() };
    Ok(Some(serde_json::from_str(&text).map_err(corrupt)?))
}

fn set<T: Serialize>(connection: &mut SqliteConnection, key: &'static str, value: &T) -> Result<(), Fault> {
    let corrupt = |error: serde_json::Error| StoreError::Corrupt { what: key, problem: error.to_string() };
    let text = serde_json::to_string(value).map_err(corrupt)?;
    execute(connection, SET, &[key.into(), text.into()])?;
    Ok(())
}

/// The stored mode, read in whatever transaction is open.
pub(super) fn stored_mode(connection: &mut SqliteConnection) -> Result<Mode, Fault> {
    Ok(get(connection, "mode")?.unwrap_or_default())
}

impl Control for SqliteStore {
    fn mode(&self) -> Result<Mode, StoreError> {
        self.connections.read(stored_mode)
    }

    fn set_mode(&self, mode: Mode) -> Result<Mode, StoreError> {
        self.connections.write(|connection| {
            let before = stored_mode(connection)?;
            set(connection, "mode", &mode)?;
            let why = format!("{before} to {mode}");
            let binds = [EventId::draw().0.into(), now_ms(connection)?.into(), why.into()];
            execute(connection, MODE_EVENT, &binds)?;
            Ok(before)
        })
    }

    fn breaker(&self) -> Result<Breaker, StoreError> {
        self.connections.read(|connection| Ok(get(connection, "breaker")?.unwrap_or_default()))
    }

    fn set_breaker(&self, breaker: &Breaker) -> Result<(), StoreError> {
        self.connections.write(|connection| set(connection, "breaker", breaker))
    }

    fn latest_pass(&self) -> Result<Option<PassNote>, StoreError> {
        self.connections.read(|connection| get(connection, "latest_pass"))
    }

    fn note_pass(&self, note: &PassNote) -> Result<(), StoreError> {
        self.connections.write(|connection| set(connection, "latest_pass", note))
    }
}
