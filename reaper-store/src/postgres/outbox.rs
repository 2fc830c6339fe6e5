//! Effects, their leases, and what became of them.

use std::time::Duration;

use diesel::PgConnection;
use reaper_core::{Effect, JobId};

use super::{
    PostgresStore,
    fault::Fault,
    sql,
    statement::{Statement, Value, int_key},
};
use crate::{
    Outbox, StoreError,
    books::{UNREADABLE, int, outbox_row, tries},
    draw::draw,
    outbox::{Delivered, Delivery, OutboxRow, Posted, Which},
    values::{bounded_millis, sql_limit},
};

impl Outbox for PostgresStore {
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
        self.write(|connection| lease_due(connection, which, sql_limit(limit), bounded_millis(lease)))
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
        let post = Post { key: key.into(), effect, job: job.as_ref() };
        self.write(|connection| {
            Ok(if post_all(connection, std::slice::from_ref(&post))? > 0 { Posted::New } else { Posted::Known })
        })
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

/// An effect to be stored.
#[derive(Debug)]
pub(super) struct Post<'p> {
    pub(super) key: String,
    pub(super) effect: &'p Effect,
    pub(super) job: Option<&'p JobId>,
}

/// Stores effects, inside a transaction, unless their keys are there, and says how many.
pub(super) fn post_all(connection: &mut PgConnection, posts: &[Post<'_>]) -> Result<usize, Fault> {
    let mut effects = Vec::with_capacity(posts.len());
    for post in posts {
        let text = serde_json::to_string(post.effect)
            .map_err(|error| StoreError::Database(format!("the effect cannot be written: {error}")))?;
        effects.push(text);
    }
    let stored = Statement::new(
        sql::POST,
        [
            ("key", Value::texts(posts, |post| Some(&post.key))),
            ("job", Value::ints(posts, |post| post.job.and_then(|job| int_key(&job.0)))),
            ("effect", Value::texts(&effects, |effect| Some(effect))),
        ],
    );
    Ok(stored.run(connection)?)
}

fn lease_due(
    connection: &mut PgConnection,
    which: &Which,
    limit: i64,
    lease: i64,
) -> Result<Vec<Delivery>, Fault> {
    let due = match which {
        Which::Due => Statement::new(sql::DUE, []),
        Which::Advances => Statement::new(sql::DUE_ADVANCES, []),
        Which::Keys(keys) => Statement::new(sql::DUE_KEYS, [("keys", Value::texts(keys, |key| Some(key)))]),
    };
    let (mut seqs, mut tokens) = (Vec::new(), Vec::new());
    let (mut deliveries, mut unreadable) = (Vec::new(), Vec::new());
    for mut row in due.with([("limit", limit.into())]).rows(connection)? {
        let (seq, key, effect, tries) = (row.next_int(), row.next_text(), row.next_text(), tries(&mut row));
        let (Some(seq), Some(key)) = (seq, key) else { continue };
        let token = draw();
        seqs.push(Some(seq));
        tokens.push(Some(token));
        match effect.as_deref().map(serde_json::from_str) {
            Some(Ok(effect)) => {
                deliveries.push(Delivery { key, effect, tries: tries.saturating_add(1), token });
            }
            Some(Err(_)) | None => unreadable.push((key, token)),
        }
    }
    if seqs.is_empty() {
        return Ok(deliveries);
    }
    let values = [("seq", Value::Ints(seqs)), ("token", Value::Ints(tokens)), ("lease", lease.into())];
    Statement::new(sql::LEASE, values).run(connection)?;
    // It can never be delivered; what it says is left for a person.
    for (key, token) in unreadable {
        let values = [("key", (&key).into()), ("token", token.into()), ("note", UNREADABLE.into())];
        Statement::new(sql::DELIVERY_DEAD, values).run(connection)?;
    }
    Ok(deliveries)
}
