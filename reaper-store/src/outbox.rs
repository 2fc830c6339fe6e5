//! Effects that are stored with their claim and delivered after it.

#![expect(clippy::missing_errors_doc, reason = "the trait states the errors of its methods once")]

use std::{fmt::Debug, time::Duration};

use reaper_core::{Effect, Timestamp};
use serde::{Deserialize, Serialize};

use crate::StoreError;

/// An effect that is leased to its deliverer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The outbox row's key; travels along as the idempotency key.
    pub key: String,
    /// The effect.
    pub effect: Effect,
    /// How often it was leased, this time included.
    pub tries: u32,
    /// Proves whose lease it is: 63 random bits.
    pub token: i64,
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// It took effect; the note says how (`advanced`, `superseded: …`).
    Done {
        /// What is kept in the row.
        note: String,
    },
    /// It failed; it is tried again after a wait.
    Again {
        /// Why.
        problem: String,
        /// For how long it is left alone.
        wait: Duration,
    },
    /// It failed too often and is given up; a person can revive it.
    Dead {
        /// Why.
        problem: String,
    },
}

/// Which effects are leased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Any that is due.
    Due,
    /// The advances that are due.
    Advances,
    /// These, by key, if they are due.
    Keys(Vec<String>),
}

/// Whether an effect was new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// It was stored.
    New,
    /// One with its key was there already.
    Known,
}

/// Where an effect stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectState {
    /// To be delivered.
    Pending,
    /// Delivered.
    Done,
    /// Given up.
    Dead,
}

/// An outbox row, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxRow {
    /// Its key.
    pub key: String,
    /// The effect.
    pub effect: Effect,
    /// Where it stands.
    pub state: EffectState,
    /// How often it was tried.
    pub tries: u32,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it is due.
    pub due_at: Timestamp,
    /// The note or problem of the latest try.
    pub note: Option<String>,
}

/// Keeps effects until they are delivered.
///
/// # Obligations
///
/// A key is stored once, whatever becomes of it. A lease ends by itself after its time, so that an effect whose
/// deliverer died is delivered by another; an answer under a lease that has been taken over changes nothing.
///
/// # Errors
///
/// Every method fails with a [`StoreError`] where the database does; nothing was changed then.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Outbox: Debug + Send + Sync {
    /// Leases at most `limit` due effects for `lease`, the oldest first.
    fn lease(&self, which: &Which, limit: usize, lease: Duration) -> Result<Vec<Delivery>, StoreError>;

    /// Records what became of a delivery. `false`: the lease has been taken over.
    fn record(&self, delivery: &Delivery, delivered: &Delivered) -> Result<bool, StoreError>;

    /// Stores an effect that belongs to no claim, once per key.
    fn post(&self, key: &str, effect: &Effect) -> Result<Posted, StoreError>;

    /// Makes an effect that was given up due again, with all its tries. `false`: there is none of this key.
    fn revive(&self, key: &str) -> Result<bool, StoreError>;

    /// Gives an undelivered effect up for good: it is never delivered, and its key stays used. `false`: there is none
    /// of this key.
    fn discard(&self, key: &str) -> Result<bool, StoreError>;

    /// The effects that are pending or dead, the oldest first, at most `limit`.
    fn undelivered(&self, limit: usize) -> Result<Vec<OutboxRow>, StoreError>;
}
