//! The rows of Reaper's own tables: from raw columns to what they say, and the events as they are written.

use std::{borrow::Cow, time::Duration};

use reaper_core::{
    Alert, Effect, Fence, Incarnation, JobId, Mode, Node, NodeId, NodeState, Status, Timestamp,
    instance::Place,
    job::{Exit, Key},
};

use super::row::{Raw, RawRow, instant};
use crate::{
    Claim, Settlement, StoreError,
    attempts::WitnessedExit,
    claims::{Actor, EventId},
    history::{Deaths, Event, Rescues},
    nodes::NodeRow,
    outbox::{EffectState, OutboxRow},
};

/// The database's clock, from milliseconds.
pub(crate) fn clock(millis: Option<i64>) -> Result<Timestamp, StoreError> {
    let now = millis.and_then(instant);
    now.ok_or_else(|| StoreError::Corrupt { what: "clock", problem: format!("it says {millis:?} ms") })
}

/// The count in a row's next column.
pub(crate) fn int(row: Option<RawRow>) -> u64 {
    row.and_then(|mut row| row.next_int()).and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
}

/// The mode that is stored under its key, if one is.
pub(crate) fn mode(stored: Option<String>) -> Result<Mode, StoreError> {
    let Some(word) = stored else {
        return Ok(Mode::default());
    };
    word.parse().map_err(|error| StoreError::Corrupt { what: "mode", problem: format!("{word:?}: {error}") })
}

/// A setting that is stored as JSON, if it is.
pub(crate) fn setting<T: serde::de::DeserializeOwned>(
    stored: Option<String>,
    what: &'static str,
) -> Result<Option<T>, StoreError> {
    let value = stored.map(|text| serde_json::from_str(&text)).transpose();
    value.map_err(|error| StoreError::Corrupt { what, problem: error.to_string() })
}

/// A setting as it is stored.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Database(format!("cannot be written: {error}")))
}

/// An event to be written.
#[derive(Debug)]
pub(crate) struct Note<'n> {
    pub(crate) id: EventId,
    pub(crate) job: Option<&'n Key>,
    pub(crate) fence: Option<&'n Key>,
    pub(crate) actor: Actor,
    pub(crate) action: &'static str,
    pub(crate) rule: &'n str,
    pub(crate) reason: Cow<'n, str>,
    pub(crate) from: Option<&'static str>,
    pub(crate) to: &'static str,
    pub(crate) evidence: String,
    pub(crate) agent: Option<&'n str>,
    pub(crate) signature: Option<String>,
    /// The run whose exit would say that the rescue was wrong.
    pub(crate) run: Option<&'n Key>,
    /// 1 where the attempt died young.
    pub(crate) young: Option<i64>,
}

impl<'n> Note<'n> {
    /// That a claim was won.
    pub(crate) fn of_claim(claim: &'n Claim) -> Self {
        let to = match claim.settlement {
            Settlement::Done => Status::Done,
            Settlement::Requeue { .. } => Status::Queued,
            Settlement::Fail => Status::Failed,
            Settlement::Terminate | Settlement::Dismiss => claim.basis.status,
        };
        Self {
            id: claim.event,
            job: Some(&claim.attempt.job.0),
            fence: Some(&claim.attempt.fence.0),
            actor: claim.by,
            action: claim.settlement.as_str(),
            rule: &claim.rule,
            reason: Cow::Borrowed(&claim.reason),
            from: Some(claim.basis.status.as_str()),
            to: to.as_str(),
            evidence: claim.evidence.to_string(),
            agent: claim.death.as_ref().map(|death| death.agent.as_str()),
            signature: claim.death.as_ref().map(|death| death.signature.to_string()),
            run: claim.basis.run.as_ref().filter(|_| claim.may_be_mistaken()).map(|run| &run.0),
            young: claim.death.as_ref().filter(|death| death.young).map(|_| 1),
        }
    }

    /// That an exit was recorded on the word of a witness.
    pub(crate) fn of_witnessed(exit: &'n WitnessedExit) -> Self {
        let running = Status::Running.as_str();
        Self {
            job: Some(&exit.attempt.job.0),
            fence: Some(&exit.attempt.fence.0),
            evidence: exit.evidence().to_string(),
            ..Self::about(Actor::Reaper, "exit", exit.reason(), Some(running), running)
        }
    }

    /// That a person has set the mode.
    pub(crate) fn of_mode(before: Mode, new: Mode) -> Self {
        let reason = format!("the mode was {before} and is {new}");
        Self::about(Actor::Person, "mode", reason, Some(before.as_str()), new.as_str())
    }

    /// That a person has declared a node dead, which was recorded so before.
    pub(crate) fn of_declaration(id: &NodeId, before: Option<NodeState>) -> Self {
        let (from, to) = (before.map(NodeState::as_str), NodeState::DeclaredDead.as_str());
        Self::about(Actor::Person, "declare_dead", id.to_string(), from, to)
    }

    /// That a node has taken a declaration back.
    pub(crate) fn of_revival(id: &NodeId) -> Self {
        let (from, to) = (NodeState::DeclaredDead.as_str(), NodeState::Up.as_str());
        Self::about(Actor::Reaper, "revive", id.to_string(), Some(from), to)
    }

    /// That a place is not the latest of its instance any more.
    pub(crate) fn of_superseded(instance: &str, place: &Place) -> Self {
        Self::about(Actor::Reaper, "supersede", format!("{instance}: {place}"), Some("latest"), "superseded")
    }

    /// An event that is about no job.
    fn about(
        actor: Actor,
        action: &'static str,
        reason: String,
        from: Option<&'static str>,
        to: &'static str,
    ) -> Self {
        Self {
            id: EventId::draw(),
            job: None,
            fence: None,
            actor,
            action,
            rule: "",
            reason: Cow::Owned(reason),
            from,
            to,
            evidence: "null".into(),
            agent: None,
            signature: None,
            run: None,
            young: None,
        }
    }
}

/// An event, from the columns that the history reads.
pub(crate) fn event(mut row: RawRow) -> Option<Event> {
    Some(Event {
        id: EventId(row.next_int()?),
        at: instant(row.next_int()?)?,
        job: row.next_int().map(JobId::from),
        fence: row.next_int().map(Fence::from),
        by: row.next_shown().unwrap_or_default(),
        action: row.next_shown().unwrap_or_default(),
        rule: row.next_shown().unwrap_or_default(),
        reason: row.next_shown().unwrap_or_default(),
        from: row.next_shown(),
        to: row.next_shown(),
        evidence: row.next_shown().map(evidence).unwrap_or_default(),
        agent: row.next_shown(),
        signature: row.next_shown(),
        late: late(row.next_int(), row.next_int()),
    })
}

/// A late exit, from its code and its instant. A code of another program's that is no integer is unlike any that is known.
fn late(code: Option<i64>, at: Option<i64>) -> Option<Exit> {
    let code = code.and_then(|code| i32::try_from(code).ok()).unwrap_or(i32::MAX);
    Some(Exit { code, at: instant(at?)? })
}

/// Deaths by agent and signature, from rows that have the figures of the group beside each of its examples.
pub(crate) fn deaths(rows: Vec<RawRow>) -> Vec<Deaths> {
    let mut all = Vec::<Deaths>::new();
    for mut row in rows {
        let (agent, signature) = (row.next_shown().unwrap_or_default(), row.next_shown().unwrap_or_default());
        let count = row.next_int().and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
        let (first, last) = (row.next_int().and_then(instant), row.next_int().and_then(instant));
        let (Some(first), Some(last)) = (first, last) else {
            continue;
        };
        if all.last().is_none_or(|group| (&group.agent, &group.signature) != (&agent, &signature)) {
            all.push(Deaths { agent, signature, count, first, last, examples: Vec::new() });
        }
        let job = row.next_int().map(JobId::from);
        if let (Some(group), Some(job)) = (all.last_mut(), job)
            && !group.examples.contains(&job)
        {
            group.examples.push(job);
        }
    }
    all
}

/// The figures about rescues, from their counts and what came late.
pub(crate) fn rescues(row: Option<RawRow>, late_exits: &[Event]) -> Rescues {
    let mut row = row.unwrap_or_else(|| RawRow::from(Vec::new()));
    let mut next = || row.next_int().and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
    Rescues { rescues: next(), late_finishes: next(), false_rescues: Rescues::false_among(late_exits) }
}

/// The instants in the rows' first column, which come the latest first, in their order.
pub(crate) fn instants(rows: Vec<RawRow>) -> Vec<Timestamp> {
    rows.into_iter().rev().filter_map(|mut row| row.next_int().and_then(instant)).collect()
}

/// What was stored as JSON; as a text where it is none.
fn evidence(text: String) -> serde_json::Value {
    serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text))
}

/// An effect that is not delivered, for people.
pub(crate) fn outbox_row(mut row: RawRow) -> Option<OutboxRow> {
    let (key, effect) = (row.next_text()?, row.next_text());
    let job = None;
    // One that does not parse is shown as what it is.
    let effect = effect.and_then(|effect| serde_json::from_str(&effect).ok()).unwrap_or_else(|| {
        Effect::Alert(Alert { kind: "unreadable_effect".into(), job, text: UNREADABLE.into() })
    });
    Some(OutboxRow {
        key,
        effect,
        state: if row.next_text().as_deref() == Some("dead") { EffectState::Dead } else { EffectState::Pending },
        tries: tries(&mut row),
        created_at: instant(row.next_int()?)?,
        due_at: instant(row.next_int()?)?,
        note: row.next_text(),
    })
}

/// How often an effect was tried.
pub(crate) fn tries(row: &mut RawRow) -> u32 {
    row.next_int().and_then(|tries| u32::try_from(tries).ok()).unwrap_or(u32::MAX)
}

/// What is noted of an effect that can never be delivered.
pub(crate) const UNREADABLE: &str = "the stored effect does not parse";

/// A node's state as it is stored, if one is.
pub(crate) fn node_state(word: Option<String>) -> Result<Option<NodeState>, StoreError> {
    let state = |word: String| {
        let known = NodeState::ALL.into_iter().find(|state| state.as_str() == word);
        known.ok_or_else(|| corrupt_node(&format!("{word:?} is no state")))
    };
    word.map(state).transpose()
}

/// A node.
pub(crate) fn node(mut row: RawRow) -> Result<NodeRow, StoreError> {
    let host = row.next();
    node_of(host, row)
}

/// The node in the columns that are left of a row; none where they stand for its absence.
pub(crate) fn node_beside(mut row: RawRow) -> Result<Option<NodeRow>, StoreError> {
    match row.next() {
        Raw::Null => Ok(None),
        host @ (Raw::Int(_) | Raw::Real(_) | Raw::Text(_) | Raw::Bytes(..) | Raw::Long(_)) => {
            node_of(host, row).map(Some)
        }
    }
}

fn node_of(host: Raw, mut row: RawRow) -> Result<NodeRow, StoreError> {
    let Raw::Text(host) = host else {
        return Err(corrupt_node("the host is no text"));
    };
    let boot = row.next_text().ok_or_else(|| corrupt_node("the boot is no text"))?;
    let state = node_state(row.next_text())?.ok_or_else(|| corrupt_node("the state is no text"))?;
    let beat = row.next_int().ok_or_else(|| corrupt_node("the beat is no number"))?;
    let beat_at = row.next_int().and_then(instant).ok_or_else(|| corrupt_node("the beat's time is no instant"))?;
    let ttl = row.next_int().and_then(|ttl| u64::try_from(ttl).ok()).map(Duration::from_millis);
    let ttl = ttl.ok_or_else(|| corrupt_node("the time to live is no duration"))?;
    let node = Node { id: NodeId { host, boot }, state, beat, ttl };
    Ok(NodeRow { node, beat_at, reaper: row.next_text().unwrap_or_default() })
}

fn corrupt_node(problem: &str) -> StoreError {
    StoreError::Corrupt { what: "node", problem: problem.into() }
}

/// The place in a row's next columns.
pub(crate) fn place(row: &mut RawRow) -> Result<Place, StoreError> {
    let wrong = |problem: &str| StoreError::Corrupt { what: "incarnation", problem: problem.into() };
    let host = row.next_text().ok_or_else(|| wrong("the host is no text"))?;
    let boot = row.next_text().ok_or_else(|| wrong("the boot is no text"))?;
    let pid_namespace = row.next_int().and_then(|inode| u64::try_from(inode).ok());
    let pid_namespace = pid_namespace.ok_or_else(|| wrong("the PID namespace is no inode"))?;
    Ok(Place { host, boot, pid_namespace })
}

/// An incarnation.
pub(crate) fn incarnation(mut row: RawRow) -> Result<Incarnation, StoreError> {
    let wrong = |problem: &str| StoreError::Corrupt { what: "incarnation", problem: problem.into() };
    let place = place(&mut row)?;
    let instance = row.next_text().ok_or_else(|| wrong("the instance is no text"))?;
    let at = row.next_int().and_then(instant).ok_or_else(|| wrong("its time is no instant"))?;
    let superseded_at = row.next_int().and_then(instant);
    let seen_start = row.next_int().and_then(|start| u64::try_from(start).ok());
    Ok(Incarnation { instance, place, at, superseded_at, seen_start })
}
