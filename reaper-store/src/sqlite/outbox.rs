//! The outbox: effects, leased by pushing back the instant at which they are due.

use std::time::Duration;

use diesel::{QueryResult, SqliteConnection};
use reaper_core::Effect;
use serde_json::json;

use super::{
    SqliteStore,
    claims::task_of,
    fault::Fault,
    row::timestamp,
    sql::{Bind, Row, execute, now_ms, rows},
};
use crate::{
    Outbox, StoreError,
    outbox::{Delivered, Delivery, EffectState, OutboxRow, Posted, Which},
};

const STORE: &str = "INSERT INTO reaper_outbox (key, task_id, effect, created_at, due_at) VALUES (?, ?, ?, ?, ?) \
                     ON CONFLICT (key) DO NOTHING";
pub(super) const DUE: &str = "SELECT key, effect, tries FROM reaper_outbox INDEXED BY reaper_outbox_due \
                              WHERE state = 'pending' AND due_at <= ? ORDER BY due_at, seq LIMIT ?";
const DUE_OF: &str = "SELECT key, effect, tries FROM reaper_outbox WHERE key IN (SELECT value FROM json_each(?)) \
                      AND state = 'pending' AND due_at <= ? ORDER BY seq LIMIT ?";
const LEASE: &str = "UPDATE reaper_outbox SET due_at = ?, token = ?, tries = tries + 1 \
                     WHERE key = ? AND state = 'pending'";
const RECORD: &str = "UPDATE reaper_outbox SET state = ?, due_at = ?, note = ?, token = NULL \
                      WHERE key = ? AND token = ? AND state = 'pending'";
const REVIVE: &str = "UPDATE reaper_outbox SET state = 'pending', tries = 0, due_at = ?, token = NULL \
                      WHERE key = ? AND state = 'dead'";
const DISCARD: &str = "UPDATE reaper_outbox SET state = 'done', note = 'dropped by a person', token = NULL \
                       WHERE key = ? AND state IN ('pending', 'dead')";
const UNDELIVERED: &str = "SELECT key, effect, state, tries, created_at, due_at, note FROM reaper_outbox \
                           WHERE state IN ('pending', 'dead') ORDER BY seq LIMIT ?";

/// Stores an effect in the transaction of the claim that it follows from, once per key.
pub(super) fn store_effect(
    connection: &mut SqliteConnection,
    key: &str,
    effect: &Effect,
    now: i64,
) -> Result<Posted, Fault> {
    let text = serde_json::to_string(effect)
        .map_err(|error| StoreError::Corrupt { what: "effect", problem: error.to_string() })?;
    let binds = [key.into(), task_of(effect).into(), text.into(), now.into(), now.into()];
    let stored = execute(connection, STORE, &binds)? > 0;
    Ok(if stored { Posted::New } else { Posted::Known })
}

fn due(connection: &mut SqliteConnection, which: &Which, limit: i64, now: i64) -> QueryResult<Vec<Row>> {
    match which {
        Which::Due => rows(connection, DUE, &[now.into(), limit.into()]),
        Which::Keys(keys) => rows(connection, DUE_OF, &[json!(keys).to_string().into(), now.into(), limit.into()]),
    }
}

fn effect(row: &Row, column: usize) -> Result<Effect, StoreError> {
    let text = row.text(column).unwrap_or_default();
    serde_json::from_str(&text).map_err(|error| StoreError::Corrupt { what: "effect", problem: error.to_string() })
}

fn later(now: i64, by: Duration) -> i64 {
    now.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX))
}

impl Outbox for SqliteStore {
    fn lease(&self, which: &Which, limit: usize, lease: Duration) -> Result<Vec<Delivery>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        // A look costs a third of the write lock, and mostly finds nothing.
        let nothing = self.connections.read(|connection| {
            let now = now_ms(connection)?;
            Ok(due(connection, which, 1, now)?.is_empty())
        })?;
        if nothing {
            return Ok(Vec::new());
        }
        self.connections.write(|connection| {
            let now = now_ms(connection)?;
            let mut leased = Vec::new();
            for row in due(connection, which, limit, now)? {
                let (key, token) = (row.text(0).unwrap_or_default(), fastrand::i64(1..=i64::MAX));
                execute(connection, LEASE, &[later(now, lease).into(), token.into(), key.as_str().into()])?;
                let tries = row.int(2).and_then(|tries| u32::try_from(tries).ok()).unwrap_or(u32::MAX);
                match effect(&row, 1) {
                    Ok(effect) => leased.push(Delivery { key, effect, tries: tries.saturating_add(1), token }),
                    // It stays leased for a while and hinders no other.
                    Err(error) => tracing::error!(key, %error, "an effect was left alone"),
                }
            }
            Ok(leased)
        })
    }

    fn record(&self, delivery: &Delivery, delivered: &Delivered) -> Result<bool, StoreError> {
        self.connections.write(|connection| {
            let now = now_ms(connection)?;
            let (state, due, note): (&str, i64, &str) = match delivered {
                Delivered::Done { note } => ("done", now, note),
                Delivered::Again { problem, wait } => ("pending", later(now, *wait), problem),
                Delivered::Dead { problem } => ("dead", now, problem),
            };
            let binds: [Bind; 5] =
                [state.into(), due.into(), note.into(), delivery.key.as_str().into(), delivery.token.into()];
            Ok(execute(connection, RECORD, &binds)? > 0)
        })
    }

    fn post(&self, key: &str, effect: &Effect) -> Result<Posted, StoreError> {
        self.connections.write(|connection| {
            let now = now_ms(connection)?;
            store_effect(connection, key, effect, now)
        })
    }

    fn revive(&self, key: &str) -> Result<bool, StoreError> {
        self.connections.write(|connection| {
            let now = now_ms(connection)?;
            Ok(execute(connection, REVIVE, &[now.into(), key.into()])? > 0)
        })
    }

    fn discard(&self, key: &str) -> Result<bool, StoreError> {
        self.connections.write(|connection| Ok(execute(connection, DISCARD, &[key.into()])? > 0))
    }

    fn undelivered(&self, limit: usize) -> Result<Vec<OutboxRow>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = self.connections.read(|connection| Ok(rows(connection, UNDELIVERED, &[limit.into()])?))?;
        found
            .iter()
            .map(|row| {
                let dead = row.text(2).as_deref() == Some("dead");
                Ok(OutboxRow {
                    key: row.text(0).unwrap_or_default(),
                    effect: effect(row, 1)?,
                    state: if dead { EffectState::Dead } else { EffectState::Pending },
                    tries: row.int(3).and_then(|tries| u32::try_from(tries).ok()).unwrap_or(u32::MAX),
                    created_at: timestamp(row.int(4).unwrap_or(0)),
                    due_at: timestamp(row.int(5).unwrap_or(0)),
                    note: row.text(6),
                })
            })
            .collect()
    }
}
