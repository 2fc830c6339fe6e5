//! Effects, their leases, and what became of them.

use std::time::Duration;

use diesel::SqliteConnection;
use reaper_core::{Effect, JobId};

use super::{SqliteStore, facts::json, fault::Fault, sql, statement::Statement};
use crate::{
    Outbox, StoreError,
    books::{UNREADABLE, int, outbox_row, tries},
    draw::draw,
    outbox::{Delivered, Delivery, OutboxRow, Posted, Which},
    values::{bounded_millis, sql_limit},
};

impl Outbox for SqliteStore {
    fn lease(&self, which: &Which, limit: usize, lease: Duration) -> Result<Vec<Delivery>, StoreError> {
        // Most of the time nothing is due, and whoever only looks takes no lock.
        let any = match which {
            Which::Due | Which::Advances => {
                self.read(|connection| Ok(int(Statement::new(sql::ANY_DUE, []).first_row(connection)?) > 0))?
            }
            Which::Keys(keys) => !keys.is_empty(),
        };
        if !any || limit == 0 {
            return Ok(Vec::new());
        }
        let keys = match which {
            Which::Due | Which::Advances => None,
            Which::Keys(keys) => Some(json(keys)),
        };
        let due = || {
            let due = match (which, &keys) {
                (Which::Keys(_), Some(keys)) => Statement::new(sql::DUE_KEYS, [("keys", keys.into())]),
                (Which::Advances, _) => Statement::new(sql::DUE_ADVANCES, []),
                (Which::Due | Which::Keys(_), _) => Statement::new(sql::DUE, []),
            };
            due.with([("limit", sql_limit(limit).into())])
        };
        self.write(|connection| lease_due(connection, due(), bounded_millis(lease)))
    }

    fn record(&self, delivery: &Delivery, delivered: &Delivered) -> Result<bool, StoreError> {
        let of = [("key", (&delivery.key).into()), ("token", delivery.token.into())];
        let statement = match delivered {
            Delivered::Done { note } => Statement::new(sql::DELIVERED, of).with([("note", note.into())]),
            Delivered::Again { problem, wait } => Statement::new(sql::DELIVER_AGAIN, of)
                .with([("note", problem.into()), ("wait", bounded_millis(*wait).into())]),
            Delivered::Dead { problem } => Statement::new(sql::DELIVERY_DEAD, of).with([("note", problem.into())]),
        };
        self.write(|connection| Ok(statement.run(connection)? > 0))
    }

    fn post(&self, key: &str, effect: &Effect) -> Result<Posted, StoreError> {
        let job = match effect {
            Effect::Alert(alert) => alert.job.clone(),
            Effect::Advance(_) => None,
        };
        self.write(|connection| post(connection, key, effect, job.as_ref()))
    }

    fn revive(&self, key: &str) -> Result<bool, StoreError> {
        self.write(|connection| Ok(Statement::new(sql::REVIVE, [("key", key.into())]).run(connection)? > 0))
    }

    fn discard(&self, key: &str) -> Result<bool, StoreError> {
        self.write(|connection| Ok(Statement::new(sql::DISCARD, [("key", key.into())]).run(connection)? > 0))
    }

    fn undelivered(&self, limit: usize) -> Result<Vec<OutboxRow>, StoreError> {
        self.read(|connection| {
            let rows = Statement::new(sql::UNDELIVERED, [("limit", sql_limit(limit).into())]).rows(connection)?;
            Ok(rows.into_iter().filter_map(outbox_row).collect())
        })
    }
}

/// Stores an effect, inside a transaction, unless its key is there.
pub(super) fn post(
    connection: &mut SqliteConnection,
    key: &str,
    effect: &Effect,
    job: Option<&JobId>,
) -> Result<Posted, Fault> {
    let text = serde_json::to_string(effect)
        .map_err(|error| StoreError::Database(format!("the effect cannot be written: {error}")))?;
    let stored = Statement::new(
        sql::POST,
        [("key", key.into()), ("job", job.and_then(JobId::as_int).into()), ("effect", (&text).into())],
    );
    Ok(if stored.run(connection)? > 0 { Posted::New } else { Posted::Known })
}

fn lease_due(connection: &mut SqliteConnection, due: Statement<'_>, lease: i64) -> Result<Vec<Delivery>, Fault> {
    let mut deliveries = Vec::new();
    for mut row in due.rows(connection)? {
        let (seq, key, effect, tries) = (row.next_int(), row.next_text(), row.next_text(), tries(&mut row));
        let (Some(seq), Some(key)) = (seq, key) else { continue };
        let token = draw();
        let values = [("token", token.into()), ("lease", lease.into()), ("seq", seq.into())];
        Statement::new(sql::LEASE, values).run(connection)?;
        match effect.as_deref().map(serde_json::from_str) {
            Some(Ok(effect)) => {
                deliveries.push(Delivery { key, effect, tries: tries.saturating_add(1), token });
            }
            // It can never be delivered; what it says is left for a person.
            Some(Err(_)) | None => {
                let values = [("key", (&key).into()), ("token", token.into()), ("note", UNREADABLE.into())];
                Statement::new(sql::DELIVERY_DEAD, values).run(connection)?;
            }
        }
    }
    Ok(deliveries)
}
