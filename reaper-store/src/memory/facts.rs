//! Loads: each set is a predicate and an order.

use std::{collections::BTreeMap, sync::PoisonError};

use reaper_core::{
    Bond, Effect, JobId, Status, Timestamp,
    job::Beat,
    node::{Lost, LostAttempts},
};

use super::{
    MemoryStore,
    tables::{JobRow, Tables},
};
use crate::{
    Facts, StoreError,
    attempts::LONGEST_PAYLOAD,
    facts::{Census, Cursor, Here, Page, Position, Row, StalledTask, Upcoming, Wanted},
    outbox::EffectState,
};

/// The sets that a load is the union of.
#[derive(Clone, Copy, Debug)]
enum Set {
    Exits,
    Started,
    LateFinishes,
    Suspects,
    Here,
    Lost,
    Beats,
}

/// In the order in which they are read; a row of several sets comes with the first of them.
const SETS: [Set; 7] =
    [Set::Exits, Set::Started, Set::LateFinishes, Set::Suspects, Set::Here, Set::Lost, Set::Beats];

impl Set {
    fn holds(self, id: &JobId, row: &JobRow, wanted: &Wanted) -> bool {
        let exit = row.added.exit.map(|exit| exit.exit());
        match self {
            Self::Exits => row.is(Status::Running) && exit.is_some_and(|exit| exit.at <= wanted.exits_until),
            Self::Started => {
                row.is(Status::Running)
                    && exit.is_none()
                    && row.began().is_none_or(|began| began <= wanted.started_until)
            }
            Self::LateFinishes => {
                wanted.late_finishes && row.is(Status::Queued) && exit.is_some_and(|exit| exit.is_success())
            }
            Self::Suspects => row.is(Status::Running) && wanted.suspects.contains(id),
            Self::Here => row.is(Status::Running) && wanted.here.as_ref().is_some_and(|here| is_here(row, here)),
            Self::Lost => row.is(Status::Running) && wanted.lost.iter().any(|lost| is_lost(row, lost)),
            Self::Beats => {
                let is_due = |beat: Beat| wanted.beats_until.is_some_and(|until| beat.at <= until);
                row.is(Status::Running) && exit.is_none() && row.added.beat.is_some_and(is_due)
            }
        }
    }

    /// What the set is ordered by before the id, in microseconds.
    fn key(self, row: &JobRow) -> Option<i64> {
        let at = match self {
            Self::Exits => row.added.exit.map(|exit| exit.exit().at),
            Self::Started => row.began(),
            Self::Beats => row.added.beat.map(|beat| beat.at),
            Self::LateFinishes | Self::Suspects | Self::Here | Self::Lost => None,
        };
        at.map(|at| at.timestamp_micros())
    }
}

/// Whether a process that this row names is this host's to probe.
fn is_here(row: &JobRow, here: &Here) -> bool {
    let processes = [&row.added.executor, &row.added.monitor];
    let named = processes.into_iter().flatten().any(|process| process.host == here.host);
    let is_new = |since: Timestamp| {
        let at = row.added.exit.map(|exit| exit.exit().at).or_else(|| row.began());
        at.is_none_or(|at| at >= since)
    };
    here.since.is_none_or(is_new)
        && (named || (here.bare_pids && row.added.executor.is_none() && row.own_pid().is_some()))
}

/// Whether this row is one of those of a lost node or place that are to be looked at.
fn is_lost(row: &JobRow, lost: &Lost) -> bool {
    let processes = [&row.added.executor, &row.added.monitor];
    let concerned = lost.attempts == LostAttempts::All || row.added.bond == Bond::NodeBound;
    concerned
        && processes
            .into_iter()
            .flatten()
            .any(|process| process.host == lost.host && process.to_string().starts_with(&lost.prefix))
}

/// The next page of one set: its rows, and where the set stands then.
fn page_of(tables: &Tables, set: usize, from: &Position, wanted: &Wanted, limit: usize) -> (Vec<Row>, Position) {
    let (Some(this), Some(earlier)) = (SETS.get(set), SETS.get(..set)) else {
        return (Vec::new(), Position::End);
    };
    let after = match from {
        Position::Start => None,
        Position::After { key, id } => Some((*key, id)),
        Position::End => return (Vec::new(), Position::End),
    };
    let mut found: Vec<_> = tables
        .jobs
        .iter()
        .filter(|(id, row)| this.holds(id, row, wanted) && !earlier.iter().any(|set| set.holds(id, row, wanted)))
        .map(|(id, row)| ((this.key(row), id), row))
        .filter(|(order, _)| after.is_none_or(|after| *order > after))
        .collect();
    found.sort_unstable_by_key(|(order, _)| *order);
    let more = found.len() > limit;
    found.truncate(limit);
    let position = match found.last() {
        Some(((key, id), _)) if more => Position::After { key: *key, id: (*id).clone() },
        Some(_) | None => Position::End,
    };
    (found.into_iter().map(|((_, id), row)| tables.parse(id, row)).collect(), position)
}

impl Facts for MemoryStore {
    fn now(&self) -> Result<Timestamp, StoreError> {
        Ok(self.tables().now)
    }

    fn load(&self, wanted: &Wanted, from: &Cursor, limit: usize) -> Result<Page, StoreError> {
        let tables = self.tables();
        let mut rows = Vec::new();
        let mut next = Vec::new();
        for set in 0..SETS.len() {
            let position = from.0.get(set).unwrap_or(&Position::Start);
            let (page, position) = page_of(&tables, set, position, wanted, limit.max(1));
            rows.extend(page);
            next.push(position);
        }
        let next = next.iter().any(|position| *position != Position::End).then_some(Cursor(next));
        Ok(Page { now: tables.now, rows, next })
    }

    /// Compares all tables with how they were when this was asked before.
    fn version(&self) -> Result<Option<u64>, StoreError> {
        let tables = self.tables().clone();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, before) = &mut *seen;
        if before.as_ref().is_none_or(|before| Tables { now: tables.now, ..before.clone() } != tables) {
            *count = count.saturating_add(1);
        }
        *before = Some(tables);
        Ok(Some(*count))
    }

    fn upcoming(&self, exits_until: Timestamp, started_until: Timestamp) -> Result<Option<Upcoming>, StoreError> {
        let tables = self.tables();
        let running = || tables.jobs.values().filter(|row| row.is(Status::Running));
        let exits = running().filter_map(|row| row.added.exit.map(|exit| exit.exit().at));
        let starts = running().filter(|row| row.added.exit.is_none()).filter_map(JobRow::began);
        let pending = tables.outbox.values().filter(|stored| stored.row.state == EffectState::Pending);
        let due = pending
            .map(|stored| stored.lease.map_or(stored.row.due_at, |(_, until)| until.max(stored.row.due_at)));
        Ok(Some(Upcoming {
            exit: exits.filter(|at| *at > exits_until).min(),
            start: starts.filter(|at| *at > started_until).min(),
            effect: due.min(),
        }))
    }

    fn job(&self, job: &JobId) -> Result<Option<Row>, StoreError> {
        let tables = self.tables();
        Ok(tables.jobs.get(job).map(|row| tables.parse(job, row)))
    }

    fn running(&self, at_most: u64) -> Result<u64, StoreError> {
        let running = self.tables().jobs.values().filter(|row| row.is(Status::Running)).count();
        Ok(u64::try_from(running).unwrap_or(u64::MAX).min(at_most))
    }

    fn beating(&self, here: &Here, after: Timestamp, at_most: u64) -> Result<u64, StoreError> {
        let here = Here { since: None, ..here.clone() };
        let is_beating = |row: &&JobRow| {
            let has_beaten = row.added.beat.is_some_and(|beat| beat.at > after);
            row.is(Status::Running) && row.added.exit.is_none() && has_beaten && !is_here(row, &here)
        };
        let beating = self.tables().jobs.values().filter(is_beating).count();
        Ok(u64::try_from(beating).unwrap_or(u64::MAX).min(at_most))
    }

    fn census(&self) -> Result<Census, StoreError> {
        let tables = self.tables();
        let mut jobs = BTreeMap::<_, u64>::new();
        for row in tables.jobs.values() {
            let count = jobs.entry(row.status.clone()).or_default();
            *count = count.saturating_add(1);
        }
        let running = tables.jobs.iter().filter(|(_, row)| row.is(Status::Running));
        let oldest_running = running.filter_map(|(id, row)| Some((row.began()?, id))).min();
        Ok(Census { now: tables.now, jobs, oldest_running: oldest_running.map(|(at, id)| (id.clone(), at)) })
    }

    fn unreadable_payloads(&self, limit: usize) -> Result<Vec<JobId>, StoreError> {
        let tables = self.tables();
        let is_long = |row: &JobRow| row.added.payload.as_ref().is_some_and(|text| text.len() > LONGEST_PAYLOAD);
        let unreadable = tables.jobs.iter().filter(|(_, row)| row.is(Status::Queued) && is_long(row));
        Ok(unreadable.map(|(id, _)| id.clone()).take(limit).collect())
    }

    fn stalled(&self, final_stages: &[String], limit: usize) -> Result<Vec<StalledTask>, StoreError> {
        let tables = self.tables();
        let worked_on = tables.jobs.values().filter(|row| row.is(Status::Queued) || row.is(Status::Running));
        let worked_on: Vec<_> = worked_on.filter_map(|row| row.task.as_ref()).collect();
        let pending = tables.outbox.values().filter(|stored| stored.row.state == EffectState::Pending);
        let moving: Vec<_> = pending
            .filter_map(|stored| match &stored.row.effect {
                Effect::Advance(order) => Some(&order.task),
                Effect::Alert(_) => None,
            })
            .collect();
        let stalled = tables.tasks.iter().filter(|(id, row)| {
            !final_stages.contains(&row.stage) && !worked_on.contains(id) && !moving.contains(id)
        });
        let stalled = stalled.take(limit).map(|(id, row)| StalledTask {
            task: id.clone(),
            work_item: row.work_item.clone(),
            stage: row.stage.clone(),
        });
        Ok(stalled.collect())
    }
}
