//! The conditional write by which an attempt is settled.

use std::{fmt::Debug, time::Duration};

use reaper_core::{Attempt, Effect, Mode, Signature, job::Basis};
use serde::{Deserialize, Serialize};

use crate::{StoreError, draw::draw};

/// The id of an event, drawn by whoever writes it: 63 random bits. Finding it proves, after a commit whose
/// outcome is unknown, that the claim was won.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub i64);

impl EventId {
    /// Draws an id.
    #[must_use]
    pub fn draw() -> Self {
        Self(draw())
    }
}

/// Who settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// A reaper, by its rules. The stored mode binds it.
    Reaper,
    /// The attempt's own monitor.
    Monitor,
    /// A person.
    Person,
}

impl Actor {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reaper => "reaper",
            Self::Monitor => "monitor",
            Self::Person => "person",
        }
    }
}

/// How an attempt is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    /// To `done`.
    Done,
    /// Back to `queued`.
    Requeue {
        /// How long our own takes leave it alone.
        wait: Duration,
        /// `Some`: it counts as a rescue, and the guard demands fewer rescues than this and fewer attempts than
        /// `max_attempts`. `None`: a person's or a monitor's requeue; a person's begins the rescues anew.
        rescue_cap: Option<u32>,
    },
    /// To `failed`.
    Fail,
    /// `terminating_at` is written and nothing else; the winner stops the executor. The guard demands that no
    /// other running row names the same executor.
    Terminate,
    /// The mirrored exit of a queued job is cleared.
    Dismiss,
}

impl Settlement {
    /// The word for it, as events give it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Requeue { .. } => "requeue",
            Self::Fail => "fail",
            Self::Terminate => "terminate",
            Self::Dismiss => "dismiss",
        }
    }
}

/// How an attempt ended badly: what its event is found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// Whose job it was.
    pub agent: String,
    /// How it ended.
    pub signature: Signature,
    /// Whether it lived so short that it counts towards its agent's intensity.
    pub young: bool,
}

/// A claim: which attempt, on what facts, how it is settled, and what follows. When it is won is said by its guard,
/// [`Claim::holds_for`].
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The id of its event.
    pub event: EventId,
    /// The attempt.
    pub attempt: Attempt,
    /// The facts that must still hold.
    pub basis: Basis,
    /// How it is settled.
    pub settlement: Settlement,
    /// Who settles it.
    pub by: Actor,
    /// The rule that fired, by name; empty where a monitor or a person decides.
    pub rule: String,
    /// Why, in a word or a sentence. Stands in the event and, of a requeue or a failure, in the job's last error.
    pub reason: String,
    /// The figures and findings, for the event.
    pub evidence: serde_json::Value,
    /// How the attempt ended, where it ended badly.
    pub death: Option<Death>,
    /// What is stored in the outbox if the claim is won, under the key `job:fence:kind`.
    pub effect: Option<Effect>,
}

impl Claim {
    /// Whether an exit that its attempt records from now on says something about the claim: a rescue without an exit.
    #[must_use]
    pub fn may_be_mistaken(&self) -> bool {
        self.by == Actor::Reaper
            && matches!(self.settlement, Settlement::Requeue { .. })
            && self.basis.exit.is_none()
    }
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[must_use]
pub enum Outcome {
    /// This claim settled the attempt; its event and its effect are stored.
    Won,
    /// The attempt is not as it was: nothing was changed.
    Lost,
    /// The stored mode forbids it: nothing was changed.
    Forbidden(Mode),
    /// The database refused this one row, for this reason; nothing of it was changed.
    Refused(String),
}

/// Settles attempts.
///
/// # Obligations
///
/// - A claim is won only if, at the moment of the write, the row still has the attempt's fence and every value of
///   the basis, compared NULL-safely on the job's own columns. A lost claim changes nothing.
/// - The event row and the outbox row go in the same transaction as the job's row: after a crash at any point all
///   of them are there, or none.
/// - The stored mode is read in the same transaction; it binds [`Actor::Reaper`] alone.
/// - A set that fails for a reason of one row is split until only that row is left out.
/// - A commit whose outcome is unknown is settled by looking for the events' ids, not by the kind of the error.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Claims: Debug + Send + Sync {
    /// Settles a set of attempts. Answers in the order of the claims.
    ///
    /// # Errors
    ///
    /// A [`StoreError`] where the database failed as a whole; nothing was changed, unless it says otherwise.
    fn settle(&self, claims: &[Claim]) -> Result<Vec<Outcome>, StoreError>;

    /// Puts every running job back to `queued`, whoever lives, and says how many. In one transaction, with an
    /// event each.
    ///
    /// # Errors
    ///
    /// A [`StoreError`] where the database failed; nothing was changed.
    fn requeue_all_running(&self) -> Result<u64, StoreError>;
}
