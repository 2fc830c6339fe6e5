//! The steps that the cases are told in. Each panics where the store fails or answers otherwise.

use std::time::Duration;

use reaper_core::{
    Alert, Effect, JobId, JobSnapshot, ProcessIdentity, RunId, Status, Timestamp,
    job::{BadRow, Exit},
};

use super::{SLACK, Subject};
use crate::{
    Claim, Outcome, Settlement, Store,
    attempts::{Enqueued, Launcher, NewJob, Taken, Wants},
    claims::{Actor, EventId},
    facts::{Cursor, Row, Wanted},
    foreign::{Foreign, ForeignJob, JobColumn, RunColumn, When},
    history::{Event, Query},
};

/// A pid that the cases use for an executor; nobody looks whether it lives.
pub(super) const PID: u32 = 4242;

/// A requeue as a rule makes it, that may be taken at once.
pub(super) const REQUEUE: Settlement = Settlement::Requeue { wait: Duration::ZERO, rescue_cap: Some(5) };

/// A requeue as a person makes it.
pub(super) const RETRY: Settlement = Settlement::Requeue { wait: Duration::ZERO, rescue_cap: None };

/// One hour: longer than any test runs.
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// A subject, and the words for what is done with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene<'a> {
    subject: &'a dyn Subject,
}

impl<'a> Scene<'a> {
    pub(super) fn of(subject: &'a dyn Subject) -> Self {
        Self { subject }
    }

    pub(super) fn store(&self) -> &'a dyn Store {
        self.subject.store()
    }

    pub(super) fn foreign(&self) -> &'a dyn Foreign {
        self.subject.foreign()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.store().now().expect("the clock answers")
    }

    // What other programs do.

    pub(super) fn insert(&self, job: &ForeignJob) -> JobId {
        self.foreign().insert_job(job).expect("a foreign insert works")
    }

    /// A job that another program has running with [`PID`] for 1000 s, without a run.
    pub(super) fn running(&self) -> JobSnapshot {
        self.job(&self.insert(&ForeignJob::running(PID, 1000)))
    }

    /// A job that another program has running, with a run that has recorded nothing yet.
    pub(super) fn running_with_run(&self) -> (JobSnapshot, RunId) {
        let run = self.foreign().insert_run(None, When::Null).expect("a foreign insert works");
        let job = self.insert(&ForeignJob { run: Some(run.clone()), ..ForeignJob::running(PID, 1000) });
        (self.job(&job), run)
    }

    pub(super) fn update(&self, job: &JobId, columns: &[JobColumn]) {
        self.foreign().update_job(job, columns).expect("a foreign update works");
    }

    pub(super) fn set_status(&self, job: &JobId, word: &str) {
        self.update(job, &[JobColumn::status(word)]);
    }

    pub(super) fn update_run(&self, run: &RunId, columns: &[RunColumn]) {
        self.foreign().update_run(run, columns).expect("a foreign update works");
    }

    /// Another program's monitor records an exit of this moment.
    pub(super) fn write_exit(&self, run: &RunId, code: i32) {
        self.update_run(run, &[RunColumn::ExitCode(Some(code)), RunColumn::FinishedAt(When::secs_ago(0))]);
    }

    pub(super) fn last_error(&self, job: &JobId) -> Option<String> {
        self.foreign().last_error(job).expect("a foreign read works")
    }

    pub(super) fn dump(&self) -> String {
        self.foreign().dump().expect("a foreign read works")
    }

    // What workers do.

    /// Enqueues a job of this agent without a task.
    pub(super) fn enqueue(&self, agent: &str) -> JobId {
        let job = NewJob {
            agent: agent.into(),
            repo: "shop".into(),
            task: None,
            max_attempts: 3,
            source_key: None,
            payload: None,
        };
        match self.store().enqueue(&job).expect("an enqueue works") {
            Enqueued::New(id) => id,
            Enqueued::Known(id) => panic!("job {id} was known without a source key"),
        }
    }

    pub(super) fn try_take(&self, wants: &Wants) -> Option<Taken> {
        self.store().take(wants, &Launcher::free(process("here", 11))).expect("a take works")
    }

    pub(super) fn take(&self, job: &JobId) -> Taken {
        self.try_take(&Wants::Job(job.clone())).unwrap_or_else(|| panic!("job {job} cannot be taken"))
    }

    /// A job that our own worker has just taken.
    pub(super) fn taken(&self) -> Taken {
        self.take(&self.enqueue("developer"))
    }

    // What reapers do.

    pub(super) fn row(&self, job: &JobId) -> Row {
        self.store().job(job).expect("a read works").unwrap_or_else(|| panic!("job {job} is gone"))
    }

    pub(super) fn job(&self, job: &JobId) -> JobSnapshot {
        self.row(job).unwrap_or_else(|bad| panic!("{bad}"))
    }

    pub(super) fn bad(&self, job: &JobId) -> BadRow {
        match self.row(job) {
            Ok(row) => panic!("the row parses: {row:?}"),
            Err(bad) => bad,
        }
    }

    pub(super) fn settle(&self, claim: &Claim) -> Outcome {
        let mut outcomes = self.settle_all(std::slice::from_ref(claim));
        assert_eq!(outcomes.len(), 1, "one claim has one outcome");
        outcomes.remove(0)
    }

    pub(super) fn settle_all(&self, claims: &[Claim]) -> Vec<Outcome> {
        self.store().settle(claims).expect("the database works")
    }

    /// Settles, expects to win, and gives the row as it is afterwards.
    pub(super) fn win(&self, claim: &Claim) -> JobSnapshot {
        assert_eq!(self.settle(claim), Outcome::Won, "{claim:?}");
        self.job(&claim.attempt.job)
    }

    /// Settles, expects to lose, and that nothing at all was changed by it.
    pub(super) fn lose(&self, claim: &Claim) {
        self.refused_as(claim, &Outcome::Lost);
    }

    /// Settles, expects this outcome, and that nothing at all was changed by it.
    pub(super) fn refused_as(&self, claim: &Claim, outcome: &Outcome) {
        let before = self.dump();
        assert_eq!(&self.settle(claim), outcome, "{claim:?}");
        assert_eq!(self.dump(), before, "a claim that is not won changes nothing: {claim:?}");
    }

    /// Reads a load to its end in pages of at most `limit` rows from each set.
    pub(super) fn load(&self, wanted: &Wanted, limit: usize) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut from = Cursor::default();
        // More pages than any case has rows and sets: a load that never ends is wrong.
        for _ in 0..500 {
            let page = self.store().load(wanted, &from, limit).expect("a load works");
            rows.extend(page.rows);
            match page.next {
                Some(next) => from = next,
                None => return rows,
            }
        }
        panic!("the load does not end; the cursor stands at {from:?}");
    }

    /// The ids of the rows that a load gives, sorted; a row that comes twice is there twice.
    pub(super) fn load_ids(&self, wanted: &Wanted, limit: usize) -> Vec<JobId> {
        let mut ids: Vec<_> = self.load(wanted, limit).iter().map(id_of).collect();
        ids.sort();
        ids
    }

    /// All events, the oldest first.
    pub(super) fn events(&self) -> Vec<Event> {
        let all = Query { job: None, since: None, limit: 10_000 };
        self.store().events(&all).expect("a read works")
    }

    /// How many events have this id.
    pub(super) fn events_of(&self, id: EventId) -> usize {
        self.events().iter().filter(|event| event.id == id).count()
    }

    /// Whether an instant is `ago` before the database's clock, give or take [`SLACK`].
    pub(super) fn is_about(&self, at: Timestamp, ago: Duration) -> bool {
        let age = self.now().signed_duration_since(at).num_seconds();
        let expected = i64::try_from(ago.as_secs()).expect("a small age");
        age.abs_diff(expected) <= SLACK.as_secs()
    }
}

/// The row's job, whether it parses or not.
pub(super) fn id_of(row: &Row) -> JobId {
    match row {
        Ok(row) => row.attempt.job.clone(),
        Err(bad) => bad.job.clone(),
    }
}

/// A claim of a reaper, on the row as it was read.
pub(super) fn claim(job: &JobSnapshot, settlement: Settlement) -> Claim {
    claim_by(Actor::Reaper, job, settlement)
}

/// A claim, on the row as it was read.
pub(super) fn claim_by(by: Actor, job: &JobSnapshot, settlement: Settlement) -> Claim {
    Claim {
        event: EventId::draw(),
        attempt: job.attempt.clone(),
        basis: job.basis(),
        settlement,
        by,
        rule: "executor_dead".into(),
        reason: "the executor is gone".into(),
        evidence: serde_json::json!({ "dead_ticks": 2 }),
        death: None,
        effect: None,
    }
}

/// An alert with this text.
pub(super) fn alert(text: &str) -> Effect {
    Effect::Alert(Alert { kind: "job_failed".into(), job: None, text: text.into() })
}

/// A process with a full identity.
pub(super) fn process(host: &str, pid: u32) -> ProcessIdentity {
    ProcessIdentity {
        host: host.into(),
        boot: "b00t".into(),
        pid_namespace: Some(4_026_531_836),
        pid,
        start_time: Some(77),
        inode: Some(99),
    }
}

/// A load that wants nothing.
pub(super) fn nothing() -> Wanted {
    Wanted {
        exits_until: Timestamp::MIN_UTC,
        started_until: Timestamp::MIN_UTC,
        beats_until: None,
        late_finishes: false,
        suspects: Vec::new(),
        here: None,
        lost: Vec::new(),
    }
}

/// The status and what must be gone of the attempt before, in a row that was requeued.
pub(super) fn assert_requeued(job: &JobSnapshot) {
    assert_eq!(job.status, Status::Queued);
    assert_eq!(job.pid, None, "the pid is cleared");
    assert_eq!(job.executor, None, "the executor is cleared");
    assert_eq!(job.monitor, None, "the monitor is cleared");
    assert_eq!(job.beat, None, "the beat is cleared");
    assert_eq!(job.terminating_at, None, "the announced stop is cleared");
    assert_eq!(job.exit, None, "the mirrored exit is cleared");
}

/// The code of an exit.
pub(super) fn code(exit: Option<Exit>) -> Option<i32> {
    exit.map(|exit| exit.code)
}
