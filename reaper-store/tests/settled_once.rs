//! Whatever workers, monitors, reapers, people and programs that know no fence do, in whatever order and on
//! whatever they read however long ago: no attempt is settled twice, and no claim touches another attempt.
//!
//! The test numbers the attempts by itself, by looking at the statuses alone, and so does not believe the store's
//! fences.

#![expect(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by a panic")]

use std::{collections::BTreeMap, time::Duration};

use chrono::TimeDelta;
use proptest::{collection::vec, prelude::*};
use reaper_core::{Attempt, JobId, JobSnapshot, ProcessIdentity, RunId, Status, Timestamp};
use reaper_store::{
    Attempts, Claim, Claims, Facts, Foreign, History, MemoryStore, Outcome, Settlement,
    attempts::{Launcher, Wants},
    claims::{Actor, EventId},
    foreign::{ForeignJob, JobColumn, RunColumn, When},
    history::Query,
};

/// A step. Numbers choose among what there is, whatever there is.
#[derive(Clone, Debug)]
enum Step {
    /// A foreign insert, as running or queued.
    Insert {
        running: bool,
    },
    /// A foreign update of the status, and of pid and run in the same statement or not.
    SetStatus {
        job: usize,
        word: &'static str,
        pid: Option<u32>,
        new_run: bool,
    },
    /// A foreign update of the run alone: a new one, or one that was used before.
    SetRun {
        job: usize,
        run: usize,
    },
    /// A foreign delete and an insert under the same id.
    UseIdAgain {
        job: usize,
        running: bool,
    },
    /// A foreign REPLACE.
    Replace {
        job: usize,
        running: bool,
    },
    /// A foreign write of an exit, or of none.
    WriteExit {
        run: usize,
        code: Option<i32>,
    },
    /// Our worker takes what is due.
    Take,
    /// A worker attaches, beats, or records its exit, however late.
    Attach {
        taken: usize,
    },
    Beat {
        taken: usize,
    },
    RecordExit {
        taken: usize,
        code: i32,
    },
    /// Somebody reads a row, and keeps what was read.
    Read {
        job: usize,
    },
    /// Somebody claims on what was read at some time.
    Settle {
        read: usize,
        settlement: usize,
        by: usize,
    },
    /// Somebody claims on all that was read last.
    SettleSet {
        settlement: usize,
        by: usize,
    },
    RequeueAll,
    Wait {
        secs: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let n = 0..1000_usize;
    let word = prop::sample::select(vec!["queued", "running", "running", "done", "failed", "paused"]);
    prop_oneof![
        1 => any::<bool>().prop_map(|running| Step::Insert { running }),
        4 => (n.clone(), word, prop::option::of(1..4_u32), any::<bool>())
            .prop_map(|(job, word, pid, new_run)| Step::SetStatus { job, word, pid, new_run }),
        1 => (n.clone(), n.clone()).prop_map(|(job, run)| Step::SetRun { job, run }),
        1 => (n.clone(), any::<bool>()).prop_map(|(job, running)| Step::UseIdAgain { job, running }),
        1 => (n.clone(), any::<bool>()).prop_map(|(job, running)| Step::Replace { job, running }),
        2 => (n.clone(), prop::sample::select(vec![None, Some(0), Some(0), Some(1)]))
            .prop_map(|(run, code)| Step::WriteExit { run, code }),
        3 => Just(Step::Take),
        1 => n.clone().prop_map(|taken| Step::Attach { taken }),
        1 => n.clone().prop_map(|taken| Step::Beat { taken }),
        3 => (n.clone(), prop::sample::select(vec![0, 0, 1]))
            .prop_map(|(taken, code)| Step::RecordExit { taken, code }),
        6 => n.clone().prop_map(|job| Step::Read { job }),
        8 => (n.clone(), n.clone(), n.clone())
            .prop_map(|(read, settlement, by)| Step::Settle { read, settlement, by }),
        1 => (n.clone(), n).prop_map(|(settlement, by)| Step::SettleSet { settlement, by }),
        1 => Just(Step::RequeueAll),
        1 => (0..100_u64).prop_map(|secs| Step::Wait { secs }),
    ]
}

/// What is known of an attempt by who did it, not by what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Settled {
    Requeued,
    Ended,
}

#[derive(Debug)]
struct World {
    store: MemoryStore,
    /// Every job, with whether it runs and the number of its attempt.
    jobs: BTreeMap<JobId, (bool, usize)>,
    numbers: usize,
    runs: Vec<RunId>,
    taken: Vec<(Attempt, RunId)>,
    read: Vec<(JobSnapshot, usize)>,
    settled: BTreeMap<usize, Settled>,
    events: usize,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            store: MemoryStore::new(Timestamp::UNIX_EPOCH + TimeDelta::days(20_000)),
            jobs: BTreeMap::new(),
            numbers: 0,
            runs: Vec::new(),
            taken: Vec::new(),
            read: Vec::new(),
            settled: BTreeMap::new(),
            events: 0,
        };
        world.insert(None, true);
        world.insert(None, false);
        world
    }

    fn job(&self, n: usize) -> JobId {
        self.jobs.keys().nth(n % self.jobs.len()).expect("there is always a job").clone()
    }

    fn row(&self, job: &JobId) -> Option<JobSnapshot> {
        // A status of the other program's making does not parse; such a row is not ours to settle.
        self.store.job(job).expect("the store works").expect("the job is there").ok()
    }

    fn new_run(&mut self) -> RunId {
        let run = self.store.insert_run(None, When::Null).expect("the store works");
        self.runs.push(run.clone());
        run
    }

    fn foreign_job(&mut self, id: Option<JobId>, running: bool) -> ForeignJob {
        let run = Some(self.new_run());
        let job = ForeignJob { id, run, max_attempts: 50, ..ForeignJob::running(1, 1000) };
        if running { job } else { ForeignJob { status: "queued".into(), ..job } }
    }

    fn insert(&mut self, id: Option<JobId>, running: bool) {
        let row = self.foreign_job(id, running);
        let job = self.store.insert_job(&row).expect("the store works");
        self.begins(job, running);
    }

    /// A new row: whatever was known of its id is about another.
    fn begins(&mut self, job: JobId, running: bool) {
        self.numbers += 1;
        self.jobs.insert(job, (running, self.numbers));
    }

    /// Looks which rows have entered `running`: each entry is a new attempt.
    fn look(&mut self) {
        for (job, (running, number)) in &mut self.jobs {
            let row = self.store.job(job).expect("the store works").expect("the job is there");
            let runs = row.is_ok_and(|row| row.status == Status::Running);
            if runs && !*running {
                self.numbers += 1;
                *number = self.numbers;
            }
            *running = runs;
        }
    }

    fn take(&mut self, step: Step) {
        let works = "the store works";
        match step {
            Step::Insert { running } => self.insert(None, running),
            Step::SetStatus { job, word, pid, new_run } => {
                let mut columns = vec![JobColumn::status(word)];
                columns.extend(pid.map(|pid| JobColumn::Pid(Some(pid))));
                if new_run {
                    columns.push(JobColumn::Run(Some(self.new_run())));
                }
                let job = self.job(job);
                self.store.update_job(&job, &columns).expect(works);
                if let (Some(settled), "queued") = (self.settled.get_mut(&self.jobs[&job].1), word) {
                    // The other program has put the job back: a requeue that nobody has used yet.
                    *settled = Settled::Requeued;
                }
            }
            Step::SetRun { job, run } => {
                let run = self.runs[run % self.runs.len()].clone();
                self.store.update_job(&self.job(job), &[JobColumn::Run(Some(run))]).expect(works);
            }
            Step::UseIdAgain { job, running } => {
                let job = self.job(job);
                self.store.delete_job(&job).expect(works);
                self.insert(Some(job), running);
            }
            Step::Replace { job, running } => {
                let job = self.job(job);
                let row = self.foreign_job(Some(job.clone()), running);
                assert_eq!(self.store.replace_job(&row).expect(works), job);
                self.begins(job, running);
            }
            Step::WriteExit { run, code } => {
                let run = &self.runs[run % self.runs.len()];
                let columns = [RunColumn::ExitCode(code), RunColumn::FinishedAt(When::secs_ago(0))];
                self.store.update_run(run, &columns).expect(works);
            }
            Step::Take => {
                if let Some(taken) = self.store.take(&Wants::Any, &Launcher::free(process(11))).expect(works) {
                    self.taken.push((taken.job.attempt, taken.run.clone()));
                    self.runs.push(taken.run);
                }
            }
            Step::Attach { taken } => {
                if let Some((attempt, _)) = self.one_taken(taken) {
                    let _written = self.store.attach(attempt, &process(12)).expect(works);
                }
            }
            Step::Beat { taken } => {
                if let Some((attempt, _)) = self.one_taken(taken) {
                    let _written = self.store.beat(attempt).expect(works);
                }
            }
            Step::RecordExit { taken, code } => {
                if let Some((_, run)) = self.one_taken(taken) {
                    let _recorded = self.store.record_exit(run, code).expect(works);
                }
            }
            Step::Read { job } => {
                let job = self.job(job);
                let number = self.jobs[&job].1;
                self.read.extend(self.row(&job).map(|row| (row, number)));
            }
            Step::Settle { read, settlement, by } => {
                if !self.read.is_empty() {
                    let read = self.read[read % self.read.len()].clone();
                    self.settle(&[read], settlement, by);
                }
            }
            Step::SettleSet { settlement, by } => {
                let reads: Vec<_> = self.read.iter().rev().take(4).cloned().collect();
                self.settle(&reads, settlement, by);
            }
            Step::RequeueAll => {
                let running: Vec<_> = self.jobs.values().filter(|(runs, _)| *runs).map(|(_, n)| *n).collect();
                let requeued = self.store.requeue_all_running().expect(works);
                assert_eq!(requeued, u64::try_from(running.len()).expect("a small number"));
                self.events += running.len();
                for number in running {
                    assert_eq!(self.settled.insert(number, Settled::Requeued), None, "settled before");
                }
            }
            Step::Wait { secs } => self.store.advance(Duration::from_secs(secs)),
        }
        self.look();
    }

    fn one_taken(&self, n: usize) -> Option<&(Attempt, RunId)> {
        self.taken.get(n.checked_rem(self.taken.len())?)
    }

    fn settle(&mut self, reads: &[(JobSnapshot, usize)], settlement: usize, by: usize) {
        let wait = Duration::ZERO;
        let settlement = [
            Settlement::Done,
            Settlement::Requeue { wait, rescue_cap: Some(5) },
            Settlement::Requeue { wait, rescue_cap: None },
            Settlement::Fail,
            Settlement::Terminate,
            Settlement::Dismiss,
        ][settlement % 6];
        let by = [Actor::Reaper, Actor::Reaper, Actor::Monitor, Actor::Person][by % 4];
        let claims: Vec<_> = reads.iter().map(|(read, _)| claim(read, settlement, by)).collect();
        let before: BTreeMap<_, _> = self.jobs.keys().map(|job| (job.clone(), self.row(job))).collect();
        let all = self.store.dump().expect("the store works");
        let outcomes = self.store.settle(&claims).expect("the store works");

        let mut won = Vec::new();
        for ((claim, (read, number)), outcome) in claims.iter().zip(reads).zip(outcomes) {
            assert!(matches!(outcome, Outcome::Won | Outcome::Lost), "{outcome:?}");
            if outcome == Outcome::Lost {
                continue;
            }
            let job = &read.attempt.job;
            let now = before[job].as_ref().expect("a row that does not parse is not won");
            assert_eq!(self.jobs[job].1, *number, "the claim won on another attempt: {claim:?}");
            assert!(
                won.contains(job) || now.basis() == claim.basis,
                "the claim won on other facts: {claim:?} on {now:?}"
            );
            won.push(job.clone());
            self.events += 1;
            self.note(claim, *number);
        }
        for (job, before) in &before {
            assert!(won.contains(job) || self.row(job) == *before, "a claim touched job {job}");
        }
        if won.is_empty() {
            assert_eq!(self.store.dump().expect("the store works"), all, "a lost claim changes nothing");
        }
    }

    /// Takes a settlement down. A second one is legal only for a late finish over a requeue; what a person does
    /// with a job that does not run is a new beginning.
    fn note(&mut self, claim: &Claim, number: usize) {
        let settled = match claim.settlement {
            Settlement::Done | Settlement::Fail => Settled::Ended,
            Settlement::Requeue { .. } => Settled::Requeued,
            Settlement::Terminate | Settlement::Dismiss => return,
        };
        let before = self.settled.insert(number, settled);
        if claim.by == Actor::Person && claim.basis.status != Status::Running {
            return;
        }
        match before {
            None => {}
            Some(Settled::Requeued) => {
                assert_eq!(claim.settlement, Settlement::Done, "settled twice: {claim:?}");
                assert_eq!(claim.basis.status, Status::Queued, "settled twice: {claim:?}");
                assert_eq!(claim.basis.exit.map(|exit| exit.code), Some(0), "settled twice: {claim:?}");
            }
            Some(Settled::Ended) => panic!("settled twice: {claim:?}"),
        }
    }
}

fn claim(read: &JobSnapshot, settlement: Settlement, by: Actor) -> Claim {
    Claim {
        event: EventId::draw(),
        attempt: read.attempt.clone(),
        basis: read.basis(),
        settlement,
        by,
        rule: String::new(),
        reason: "a try".into(),
        evidence: serde_json::Value::Null,
        death: None,
        effect: None,
    }
}

fn process(pid: u32) -> ProcessIdentity {
    ProcessIdentity {
        host: "here".into(),
        boot: "b00t".into(),
        pid_namespace: None,
        pid,
        start_time: Some(7),
        inode: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_attempt_is_settled_twice(steps in vec(step(), 1..80)) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
        }
        let all = Query { limit: usize::MAX, ..Query::default() };
        let mut events = world.store.events(&all).expect("the store works");
        prop_assert_eq!(events.len(), world.events, "one event for each settlement");
        events.sort_by_key(|event| event.id);
        events.dedup_by_key(|event| event.id);
        prop_assert_eq!(events.len(), world.events, "no event twice");
    }
}
