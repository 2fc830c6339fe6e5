//! Effects, their leases, and what became of them.

use std::time::Duration;

use reaper_core::{Effect, JobId};

use super::{
    Database, Driver, Fault, Leased, Statement, Texts, Value,
    books::{UNREADABLE, int, outbox_row, tries},
    values::{bounded_millis, sql_limit},
};
use crate::{
    Outbox, StoreError,
    draw::draw,
    outbox::{Delivered, Delivery, OutboxRow, Posted, Which},
};

impl<S: Database> Outbox for S {
    fn lease(&self, which: &Which, limit: usize, lease: Duration) -> Result<Vec<Delivery>, StoreError> {
        // Most of the time nothing is due, and whoever only looks takes no lock.
        let any = match which {
            Which::Due | Which::Advances => {
                self.read(|connection| Ok(int(Statement::new(S::Driver::ANY_DUE, []).first_row(connection)?) > 0))?
            }
            Which::Keys(keys) => !keys.is_empty(),
        };
        if !any || limit == 0 {
            return Ok(Vec::new());
        }
        let due = match which {
            Which::Due => Statement::new(S::Driver::DUE, []),
            Which::Advances => Statement::new(S::Driver::DUE_ADVANCES, []),
            Which::Keys(keys) => {
                Statement::new(S::Driver::DUE_KEYS, [("keys", Value::texts(keys, |key| Some(key)))])
            }
        };
        let due = due.with([("limit", sql_limit(limit).into())]);
        self.write(|connection| lease_due(connection, &due, bounded_millis(lease)))
    }

    fn record(&self, delivery: &Delivery, delivered: &Delivered) -> Result<bool, StoreError> {
        let of = [("key", (&delivery.key).into()), ("token", delivery.token.into())];
        let statement = match delivered {
            Delivered::Done { note } => Statement::new(S::Driver::DELIVERED, of).with([("note", note.into())]),
            Delivered::Again { problem, wait } => Statement::new(S::Driver::DELIVER_AGAIN, of)
                .with([("note", problem.into()), ("wait", bounded_millis(*wait).into())]),
            Delivered::Dead { problem } => {
                Statement::new(S::Driver::DELIVERY_DEAD, of).with([("note", problem.into())])
            }
        };
        self.write(|connection| Ok(statement.run(connection)? > 0))
    }

    fn post(&self, key: &str, effect: &Effect) -> Result<Posted, StoreError> {
        let job = match effect {
            Effect::Alert(alert) => alert.job.clone(),
            Effect::Advance(_) => None,
        };
        let post = Post::new(key.into(), effect, job.as_ref())?;
        self.write(|connection| Ok(if connection.post_all(&[post])? > 0 { Posted::New } else { Posted::Known }))
    }

    fn revive(&self, key: &str) -> Result<bool, StoreError> {
        self.write(|connection| Ok(Statement::new(S::Driver::REVIVE, [("key", key.into())]).run(connection)? > 0))
    }

    fn discard(&self, key: &str) -> Result<bool, StoreError> {
        self.write(|connection| Ok(Statement::new(S::Driver::DISCARD, [("key", key.into())]).run(connection)? > 0))
    }

    fn undelivered(&self, limit: usize) -> Result<Vec<OutboxRow>, StoreError> {
        self.read(|connection| {
            let rows =
                Statement::new(S::Driver::UNDELIVERED, [("limit", sql_limit(limit).into())]).rows(connection)?;
            Ok(rows.into_iter().filter_map(outbox_row).collect())
        })
    }
}

/// An effect to be stored.
#[derive(Debug)]
pub(crate) struct Post<'p> {
    pub(crate) key: String,
    /// As it is stored.
    pub(crate) effect: String,
    pub(crate) job: Option<&'p JobId>,
}

impl<'p> Post<'p> {
    /// # Errors
    ///
    /// [`StoreError::Database`] where the effect cannot be written as JSON.
    pub(crate) fn new(key: String, effect: &Effect, job: Option<&'p JobId>) -> Result<Self, StoreError> {
        let effect = serde_json::to_string(effect)
            .map_err(|error| StoreError::Database(format!("the effect cannot be written: {error}")))?;
        Ok(Self { key, effect, job })
    }
}

fn lease_due<D: Driver>(connection: &mut D, due: &Statement<'_>, millis: i64) -> Result<Vec<Delivery>, Fault> {
    let (mut leased, mut deliveries, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
    for mut row in due.rows(connection)? {
        let (seq, key, effect, tries) = (row.next_int(), row.next_text(), row.next_text(), tries(&mut row));
        let (Some(seq), Some(key)) = (seq, key) else { continue };
        let token = draw();
        leased.push(Leased { seq, token });
        match effect.as_deref().map(serde_json::from_str) {
            Some(Ok(effect)) => {
                deliveries.push(Delivery { key, effect, tries: tries.saturating_add(1), token });
            }
            Some(Err(_)) | None => unreadable.push((key, token)),
        }
    }
    if !leased.is_empty() {
        connection.lease(&leased, millis)?;
    }
    // It can never be delivered; what it says is left for a person.
    for (key, token) in unreadable {
        let values = [("key", (&key).into()), ("token", token.into()), ("note", UNREADABLE.into())];
        Statement::new(D::DELIVERY_DEAD, values).run(connection)?;
    }
    Ok(deliveries)
}
