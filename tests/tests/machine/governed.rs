//! A store whose database can be made to fail, and whose clock can be moved.
//!
//! The clock of a database cannot be set from here. What can: every instant that is stored is moved back by as much as
//! the clock is to go forward, and whoever reads the store is told the time and all instants moved forward by the sum.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;
use reaper_core::{
    Attempt, Breakers, Effect, Incarnation, JobId, JobSnapshot, Mode, NodeId, ProcessIdentity, RunId, Timestamp,
    instance::Place, job::Basis,
};
use reaper_store::{
    Attempts, Claim, Claims, Control, Facts, History, Instances, Nodes, Outbox, Outcome, Store, StoreError,
    attempts::{
        Enqueued, Launcher, NewJob, NewTask, Recorded, Taken, Testified, Tried, Wants, WitnessedExit, Written,
    },
    control::{Outset, PassNote},
    facts::{Census, Cursor, Here, Page, Row, StalledTask, Upcoming, Wanted},
    history::{Deaths, Event, Query, Rescues},
    nodes::{Beaten, Boots, NodeBeat, NodeRow},
    outbox::{Delivered, Delivery, OutboxRow, Posted, Which},
};

/// A store in somebody's hands.
#[derive(Debug)]
pub(crate) struct Governed {
    inner: Arc<dyn Store>,
    pub(crate) down: AtomicBool,
    ahead_ms: AtomicI64,
}

type Answer<T> = Result<T, StoreError>;

impl Governed {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, down: AtomicBool::new(false), ahead_ms: AtomicI64::new(0) }
    }

    /// What is stored has been moved back by so much.
    pub(crate) fn went_ahead(&self, ms: i64) {
        self.ahead_ms.fetch_add(ms, Ordering::SeqCst);
    }

    fn up(&self) -> Answer<&dyn Store> {
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::Database("it is down".into()));
        }
        Ok(self.inner.as_ref())
    }

    fn ahead(&self) -> TimeDelta {
        TimeDelta::milliseconds(self.ahead_ms.load(Ordering::SeqCst))
    }

    fn told(&self, at: Timestamp) -> Timestamp {
        at.checked_add_signed(self.ahead()).unwrap_or(at)
    }

    pub(crate) fn stored(&self, at: Timestamp) -> Timestamp {
        at.checked_sub_signed(self.ahead()).unwrap_or(at)
    }

    fn told_job(&self, mut job: JobSnapshot) -> JobSnapshot {
        let told = |at: &mut Timestamp| *at = self.told(*at);
        job.started_at.iter_mut().for_each(told);
        job.terminating_at.iter_mut().for_each(told);
        job.exit.iter_mut().for_each(|exit| told(&mut exit.at));
        job.beat.iter_mut().for_each(|beat| told(&mut beat.at));
        job
    }

    fn stored_basis(&self, mut basis: Basis) -> Basis {
        let stored = |at: &mut Timestamp| *at = self.stored(*at);
        basis.started_at.iter_mut().for_each(stored);
        basis.terminating_at.iter_mut().for_each(stored);
        basis.exit.iter_mut().for_each(|exit| stored(&mut exit.at));
        basis
    }

    fn told_row(&self, row: Row) -> Row {
        row.map(|job| self.told_job(job))
    }
}

impl Facts for Governed {
    fn now(&self) -> Answer<Timestamp> {
        Ok(self.told(self.up()?.now()?))
    }

    fn load(&self, wanted: &Wanted, from: &Cursor, limit: usize) -> Answer<Page> {
        let wanted = Wanted {
            exits_until: self.stored(wanted.exits_until),
            started_until: self.stored(wanted.started_until),
            beats_until: wanted.beats_until.map(|until| self.stored(until)),
            ..wanted.clone()
        };
        let page = self.up()?.load(&wanted, from, limit)?;
        let rows = page.rows.into_iter().map(|row| self.told_row(row)).collect();
        Ok(Page { now: self.told(page.now), rows, next: page.next })
    }

    fn upcoming(&self, exits_until: Timestamp, started_until: Timestamp) -> Answer<Option<Upcoming>> {
        let told = |at: Option<Timestamp>| at.map(|at| self.told(at));
        let upcoming = self.up()?.upcoming(self.stored(exits_until), self.stored(started_until))?;
        Ok(upcoming.map(|next| Upcoming {
            exit: told(next.exit),
            start: told(next.start),
            effect: told(next.effect),
        }))
    }

    fn job(&self, job: &JobId) -> Answer<Option<Row>> {
        Ok(self.up()?.job(job)?.map(|row| self.told_row(row)))
    }

    fn running(&self, at_most: u64) -> Answer<u64> {
        self.up()?.running(at_most)
    }

    fn beating(&self, here: &Here, after: Timestamp, at_most: u64) -> Answer<u64> {
        self.up()?.beating(here, self.stored(after), at_most)
    }

    fn census(&self) -> Answer<Census> {
        self.up()?.census()
    }

    fn unreadable_payloads(&self, limit: usize) -> Answer<Vec<JobId>> {
        self.up()?.unreadable_payloads(limit)
    }

    fn stalled(&self, final_stages: &[String], limit: usize) -> Answer<Vec<StalledTask>> {
        self.up()?.stalled(final_stages, limit)
    }
}

impl Claims for Governed {
    fn settle(&self, claims: &[Claim]) -> Answer<Vec<Outcome>> {
        let stored = |claim: &Claim| Claim { basis: self.stored_basis(claim.basis.clone()), ..claim.clone() };
        let claims: Vec<_> = claims.iter().map(stored).collect();
        self.up()?.settle(&claims)
    }

    fn requeue_all_running(&self) -> Answer<u64> {
        self.up()?.requeue_all_running()
    }
}

impl Outbox for Governed {
    fn lease(&self, which: &Which, limit: usize, lease: Duration) -> Answer<Vec<Delivery>> {
        self.up()?.lease(which, limit, lease)
    }

    fn record(&self, delivery: &Delivery, delivered: &Delivered) -> Answer<bool> {
        self.up()?.record(delivery, delivered)
    }

    fn post(&self, key: &str, effect: &Effect) -> Answer<Posted> {
        self.up()?.post(key, effect)
    }

    fn revive(&self, key: &str) -> Answer<bool> {
        self.up()?.revive(key)
    }

    fn discard(&self, key: &str) -> Answer<bool> {
        self.up()?.discard(key)
    }

    fn undelivered(&self, limit: usize) -> Answer<Vec<OutboxRow>> {
        self.up()?.undelivered(limit)
    }
}

impl Control for Governed {
    fn outset(&self) -> Answer<Option<Outset>> {
        let outset = self.up()?.outset()?;
        Ok(outset.map(|outset| Outset { now: self.told(outset.now), ..outset }))
    }

    fn mode(&self) -> Answer<Mode> {
        self.up()?.mode()
    }

    fn set_mode(&self, mode: Mode) -> Answer<Mode> {
        self.up()?.set_mode(mode)
    }

    fn breaker(&self) -> Answer<Breakers> {
        self.up()?.breaker()
    }

    fn set_breaker(&self, breaker: &Breakers) -> Answer<()> {
        self.up()?.set_breaker(breaker)
    }

    fn latest_pass(&self) -> Answer<Option<PassNote>> {
        self.up()?.latest_pass()
    }

    fn note_pass(&self, note: &PassNote) -> Answer<()> {
        self.up()?.note_pass(note)
    }
}

impl History for Governed {
    fn events(&self, query: &Query) -> Answer<Vec<Event>> {
        self.up()?.events(query)
    }

    fn prune(&self, before: Timestamp) -> Answer<u64> {
        self.up()?.prune(self.stored(before))
    }

    fn crashes(&self, agent: &str, since: Timestamp, limit: usize) -> Answer<Vec<Timestamp>> {
        let crashes = self.up()?.crashes(agent, self.stored(since), limit)?;
        Ok(crashes.into_iter().map(|at| self.told(at)).collect())
    }

    fn deaths(&self, since: Timestamp, agent: Option<String>) -> Answer<Vec<Deaths>> {
        self.up()?.deaths(self.stored(since), agent)
    }

    fn rescues(&self, since: Timestamp) -> Answer<Rescues> {
        self.up()?.rescues(self.stored(since))
    }

    fn late_exits(&self, since: Timestamp, limit: usize) -> Answer<Vec<Event>> {
        self.up()?.late_exits(self.stored(since), limit)
    }
}

impl Attempts for Governed {
    fn add_task(&self, task: &NewTask) -> Answer<reaper_core::TaskId> {
        self.up()?.add_task(task)
    }

    fn enqueue(&self, job: &NewJob) -> Answer<Enqueued> {
        self.up()?.enqueue(job)
    }

    fn take(&self, wants: &Wants, launcher: &Launcher) -> Answer<Option<Taken>> {
        let taken = self.up()?.take(wants, launcher)?;
        Ok(taken.map(|taken| Taken { job: self.told_job(taken.job), ..taken }))
    }

    fn attach(&self, attempt: &Attempt, executor: &ProcessIdentity) -> Answer<Written> {
        self.up()?.attach(attempt, executor)
    }

    fn beat(&self, attempt: &Attempt) -> Answer<Written> {
        self.up()?.beat(attempt)
    }

    fn record_exit(&self, run: &RunId, code: i32) -> Answer<Recorded> {
        self.up()?.record_exit(run, code)
    }

    fn try_record_exit(&self, run: &RunId, code: i32) -> Answer<Tried> {
        self.up()?.try_record_exit(run, code)
    }

    fn record_witnessed(&self, exits: &[WitnessedExit]) -> Answer<Vec<Testified>> {
        self.up()?.record_witnessed(exits)
    }
}

impl Nodes for Governed {
    fn beat_node(&self, beat: &NodeBeat) -> Answer<Beaten> {
        self.up()?.beat_node(beat)
    }

    fn retire_node(&self, id: &NodeId) -> Answer<()> {
        self.up()?.retire_node(id)
    }

    fn revive_node(&self, id: &NodeId) -> Answer<bool> {
        self.up()?.revive_node(id)
    }

    fn declare_dead(&self, host: &str, boots: &Boots) -> Answer<Vec<NodeId>> {
        self.up()?.declare_dead(host, boots)
    }

    fn nodes(&self) -> Answer<Vec<NodeRow>> {
        self.up()?.nodes()
    }
}

impl Instances for Governed {
    fn register(&self, instance: &str, place: &Place) -> Answer<()> {
        self.up()?.register(instance, place)
    }

    fn note_start(&self, place: &Place, start: u64) -> Answer<()> {
        self.up()?.note_start(place, start)
    }

    fn incarnations(&self) -> Answer<Vec<Incarnation>> {
        self.up()?.incarnations()
    }
}
