//! One database with everything around it, and what each step does there.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use chrono::TimeDelta;
use diesel::{Connection as _, PgConnection, SqliteConnection};
use reaper_core::{
    Backoff, JobId, JobSnapshot, PassKind, Policy, Status, TaskId, Timestamp, plan::Planned, policy::Limits,
};
use reaper_gate::{
    Advance,
    advance::{AdvanceError, Advanced, PostgresAdvance, SqliteAdvance},
};
use reaper_runner::{Courier, Parts, Reaper, Settings};
use reaper_store::{
    Attempts as _, Claims as _, Control as _, Facts as _, Foreign as _, MemoryStore, Store,
    attempts::{Enqueued, Launcher, NewJob, NewTask, Wants},
    facts::Row,
    foreign::{ForeignJob, JobColumn},
    memory::CarriedOut,
    outbox::Which,
};
use reaper_tests::{
    database::{Database, Kind},
    fakes::pipeline,
};

use super::{
    governed::Governed,
    reference::{Direction, Power, Step},
    world::{Executor, Monitor, Moves, Process, Skewed, Truth, World, identity, monitor_of},
};

/// Where the rows are.
#[derive(Debug)]
pub(crate) enum Base {
    Memory(Arc<MemoryStore>),
    Sql(Database),
}

/// A database, its reapers and its world.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) name: &'static str,
    base: Base,
    pub(crate) store: Arc<Governed>,
    pub(crate) world: World,
    time: Arc<Skewed>,
    tasks: Vec<TaskId>,
    pub(crate) reapers: Vec<Reaper>,
    parts: Parts,
    /// What a slow reaper has decided and not claimed yet.
    decided: Vec<Planned>,
}

/// The unit in which time passes: no sum of them comes near to a limit of the policy.
const UNIT: Duration = Duration::from_secs(70);

/// By how much the clock jumps: what is left of it over whole units keeps away from the limits as well.
const JUMP: Duration = Duration::from_secs(3635);

/// What reapers go by: the defaults with the seed's pipeline, and no wait before the next attempt.
pub(crate) fn policy() -> Policy {
    let backoff = Backoff { base: Duration::ZERO, max: Duration::ZERO };
    // The sequences make more crashes in less time than any agent may.
    let limits = Limits { intensity: None, ..Limits::default() };
    Policy { pipeline: pipeline(), backoff, max_rescues: 2, limits, ..Policy::default() }
}

impl Side {
    pub(crate) fn memory() -> Self {
        let store = Arc::new(MemoryStore::new(Timestamp::UNIX_EPOCH + TimeDelta::days(20_000)));
        let advance = InMemory(Arc::clone(&store));
        Self::of("memory", Base::Memory(Arc::clone(&store)), store, Arc::new(advance))
    }

    /// `None`, said loudly, where there is no such database.
    pub(crate) fn on(kind: Kind) -> Option<Self> {
        let database = match kind {
            Kind::Sqlite => Some(Database::volatile()),
            Kind::Postgres => Database::foreign_on(kind),
        };
        let (database, store) = database?.adopt();
        let (name, advance): (_, Arc<dyn Advance>) = match kind {
            Kind::Sqlite => {
                let path = database.path().to_string_lossy().into_owned();
                let connect = move || SqliteConnection::establish(&path).map_err(|error| error.to_string());
                ("sqlite", Arc::new(SqliteAdvance::new(Box::new(connect))))
            }
            Kind::Postgres => {
                let url = database.url().to_owned();
                let connect = move || PgConnection::establish(&url).map_err(|error| error.to_string());
                ("postgres", Arc::new(PostgresAdvance::new(Box::new(connect))))
            }
        };
        Some(Self::of(name, Base::Sql(database), store, advance))
    }

    fn of(name: &'static str, base: Base, store: Arc<dyn Store>, advance: Arc<dyn Advance>) -> Self {
        let (world, time) = (World::default(), Arc::new(Skewed::new()));
        let store = Arc::new(Governed::new(store));
        let parts = Parts {
            store: Arc::<Governed>::clone(&store),
            probe: Arc::new(world.clone()),
            stop: Arc::new(world.clone()),
            gate: Arc::new(world.clone()),
            advance: Arc::new(Moves { inner: advance, world: world.clone() }),
            notify: Arc::new(world.clone()),
            leases: None,
            watch: None,
            time: Arc::<Skewed>::clone(&time),
        };
        let mut side = Self {
            name,
            base,
            store,
            world,
            time,
            tasks: Vec::new(),
            reapers: Vec::new(),
            parts,
            decided: Vec::new(),
        };
        side.reapers = vec![side.reaper(), side.reaper()];
        side
    }

    fn reaper(&self) -> Reaper {
        Reaper::new(self.parts.clone(), Settings { policy: policy(), ..Settings::default() })
    }

    /// Takes a step that is no reaper's pass, and says what came of it in words that are the same for every database.
    pub(crate) fn take(&mut self, step: &Step) -> String {
        match step {
            Step::Enqueue { max_attempts } => self.enqueue(*max_attempts),
            Step::Take => self.take_job(),
            Step::Attach(n) => self.attach(*n),
            Step::Beat(n) => self.beat(*n),
            Step::End(n, code) => {
                self.change(*n, |p| p.executor == Executor::Alive, |p| p.executor = Executor::Ended(*code))
            }
            Step::KillMonitor(n) => self.change(
                *n,
                |p| p.monitor == Monitor::Alive && p.run.is_some(),
                |p| {
                    p.monitor = Monitor::Killed;
                    if p.executor == Executor::Held {
                        // It waits on its standard input, which is closed now: it runs nothing.
                        p.executor = Executor::Ended(1);
                    }
                },
            ),
            Step::RecordExit(n) => self.record_exit(*n),
            Step::Finish(n) => self.finish(*n),
            Step::ForeignTake(n) => self.foreign_take(*n),
            Step::ForeignInsert => self.foreign_insert(),
            Step::StorePid(n) => self.store_pid(*n),
            Step::Replace(n) => self.replace(*n),
            Step::Spoil(n) => self.spoil(*n),
            Step::SendBack(n) => self.send_back(*n),
            Step::Pass(..) => unreachable!("a pass is looked at while it is made"),
            Step::Fall(n) => {
                self.reapers[*n] = self.reaper();
                "a reaper begins anew".into()
            }
            Step::Decide => {
                self.decided = self.plans();
                format!("{} claims", self.decided.len())
            }
            Step::ClaimLate => {
                let decided = std::mem::take(&mut self.decided);
                self.watched_claim(&decided)
            }
            Step::Deliver => self.deliver(Which::Due),
            Step::Time(units) => self.pass_time(UNIT * *units),
            Step::Jump(direction) => self.jump(*direction),
            Step::Database(power) => {
                self.store.down.store(*power == Power::Down, Ordering::SeqCst);
                format!("{power:?}")
            }
            Step::RequeueAll => told(self.store.requeue_all_running()),
            Step::SetMode(mode) => told(self.store.set_mode(*mode)),
            Step::Retry(n) => self.retry(*n),
            Step::SetGate(answer) => {
                self.world.truth().gate = *answer;
                format!("{answer:?}")
            }
        }
    }

    pub(crate) fn pass(&self, who: usize, kind: PassKind) -> reaper_runner::PassReport {
        match kind {
            PassKind::Tick => self.reapers[who].run_once(),
            PassKind::Wake => self.reapers[who].wake_once(),
        }
    }

    /// Every job's row, whether the database is down or not.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let was_down = self.store.down.swap(false, Ordering::SeqCst);
        let jobs = self.world.truth().jobs.clone();
        let rows = jobs.iter().map(|job| self.store.job(job).unwrap().unwrap()).collect();
        self.store.down.store(was_down, Ordering::SeqCst);
        rows
    }

    fn job(&self, n: usize) -> Option<JobId> {
        let truth = self.world.truth();
        truth.jobs.get(n.checked_rem(truth.jobs.len())?).cloned()
    }

    fn row(&self, job: &JobId) -> Option<JobSnapshot> {
        self.store.job(job).ok()??.ok()
    }

    /// The place of the `n`-th process that can take a step, counted round.
    fn process(&self, n: usize, can: impl Fn(&Process) -> bool) -> Option<usize> {
        let truth = self.world.truth();
        let able: Vec<_> = (0..truth.processes.len()).filter(|at| can(&truth.processes[*at])).collect();
        able.get(n.checked_rem(able.len())?).copied()
    }

    fn change(&self, n: usize, can: impl Fn(&Process) -> bool, change: impl FnOnce(&mut Process)) -> String {
        let Some(at) = self.process(n, can) else {
            return "nothing".into();
        };
        change(&mut self.world.truth().processes[at]);
        format!("process {at}")
    }

    fn enqueue(&mut self, max_attempts: u32) -> String {
        let task = NewTask { repo: "shop".into(), work_item: None, branch: None, stage: "architecture".into() };
        let Ok(task) = self.store.add_task(&task) else {
            return "down".into();
        };
        self.tasks.push(task.clone());
        let job = NewJob {
            agent: "developer".into(),
            repo: "shop".into(),
            task: Some(task),
            max_attempts,
            source_key: None,
            payload: None,
        };
        let Enqueued::New(job) = self.store.enqueue(&job).unwrap() else { panic!("it is known") };
        self.world.truth().jobs.push(job);
        "enqueued".into()
    }

    fn pid(&self) -> u32 {
        1000 + u32::try_from(self.world.truth().processes.len()).unwrap()
    }

    fn launch(&self, pid: u32, job: &JobSnapshot, run: Option<reaper_core::RunId>, executor: Executor) {
        let mut truth = self.world.truth();
        let began = truth.passed;
        let attempt = job.attempt.clone();
        let monitor = Monitor::Alive;
        truth.processes.push(Process { pid, run, attempt, began, executor, monitor, recorded: None });
    }

    fn take_job(&self) -> String {
        let pid = self.pid();
        let launcher = Launcher::free(identity(monitor_of(pid)));
        match self.store.take(&Wants::Any, &launcher) {
            Ok(Some(taken)) => {
                self.launch(pid, &taken.job, Some(taken.run.clone()), Executor::Held);
                format!("took job {}", self.number(&taken.job.attempt.job))
            }
            Ok(None) => "nothing is due".into(),
            Err(_) => "down".into(),
        }
    }

    /// A job's place among all, which is the same in every database.
    pub(crate) fn number(&self, job: &JobId) -> usize {
        self.world.truth().jobs.iter().position(|known| known == job).unwrap()
    }

    fn attach(&self, n: usize) -> String {
        let held = |p: &Process| p.executor == Executor::Held && p.monitor == Monitor::Alive;
        let Some(at) = self.process(n, held) else {
            return "nothing".into();
        };
        let process = self.world.truth().processes[at].clone();
        let written = self.store.attach(&process.attempt, &identity(process.pid));
        let process = &mut self.world.truth().processes[at];
        match &written {
            Ok(reaper_store::attempts::Written::Yes) => process.executor = Executor::Alive,
            Ok(reaper_store::attempts::Written::NotMine) => {
                (process.executor, process.monitor) = (Executor::Ended(1), Monitor::Stopped);
            }
            Err(_) => {}
        }
        format!("process {at}: {}", told(written))
    }

    fn beat(&self, n: usize) -> String {
        let Some(at) = self.process(n, |p| p.executor == Executor::Alive && p.run.is_some()) else {
            return "nothing".into();
        };
        let attempt = self.world.truth().processes[at].attempt.clone();
        told(self.store.beat(&attempt))
    }

    fn record_exit(&self, n: usize) -> String {
        let can = |p: &Process| {
            p.monitor == Monitor::Alive
                && p.run.is_some()
                && p.recorded.is_none()
                && matches!(p.executor, Executor::Ended(_))
        };
        let Some(at) = self.process(n, can) else {
            return "nothing".into();
        };
        let process = self.world.truth().processes[at].clone();
        let (Executor::Ended(code), Some(run)) = (process.executor, &process.run) else {
            return "nothing".into();
        };
        let recorded = self.store.record_exit(run, code);
        if recorded.is_ok() {
            let mut truth = self.world.truth();
            truth.processes[at].recorded = Some(truth.passed);
        }
        format!("process {at}: {}", told(recorded))
    }

    /// The place of a process whose monitor has an exit to finish with.
    pub(crate) fn finisher(&self, n: usize) -> Option<usize> {
        self.process(n, |p| p.monitor == Monitor::Alive && p.recorded.is_some())
    }

    fn foreign_take(&self, n: usize) -> String {
        let Some(job) = self.job(n) else {
            return "nothing".into();
        };
        let due = |row: &JobSnapshot| row.status == Status::Queued && !row.is_late_finish();
        if !self.row(&job).is_some_and(|row| due(&row)) {
            return "nothing".into();
        }
        match &self.base {
            Base::Memory(store) => store.update_job(&job, &[JobColumn::status("running")]).unwrap(),
            Base::Sql(database) => database.sql(&format!("UPDATE jobs SET status = 'running' WHERE id = {job}")),
        }
        self.launch(self.pid(), &self.row(&job).unwrap(), None, Executor::Alive);
        format!("took job {}", self.number(&job))
    }

    fn foreign_insert(&self) -> String {
        if self.store.down.load(Ordering::SeqCst) {
            return "down".into();
        }
        let pid = self.pid();
        let job = match &self.base {
            Base::Memory(store) => store.insert_job(&ForeignJob::running(pid, 0)).unwrap(),
            Base::Sql(database) => JobId::from(database.insert(&format!(
                "INSERT INTO jobs (agent, repo, status, attempts, max_attempts, pid, started_at)
                 VALUES ('developer', 'shop', 'running', 1, 2, {pid}, {})",
                database.ago(0)
            ))),
        };
        self.world.truth().jobs.push(job.clone());
        self.launch(pid, &self.row(&job).unwrap(), None, Executor::Alive);
        "inserted".into()
    }

    fn store_pid(&self, n: usize) -> String {
        let Some(at) = self.process(n, |p| p.run.is_none() && p.executor == Executor::Alive) else {
            return "nothing".into();
        };
        let process = self.world.truth().processes[at].clone();
        let job = &process.attempt.job;
        let runs = |row: JobSnapshot| row.attempt == process.attempt && row.status == Status::Running;
        if !self.row(job).is_some_and(runs) {
            return "not its own any more".into();
        }
        match &self.base {
            Base::Memory(store) => store.update_job(job, &[JobColumn::Pid(Some(process.pid))]).unwrap(),
            Base::Sql(database) => {
                database.sql(&format!("UPDATE jobs SET pid = {} WHERE id = {job}", process.pid))
            }
        }
        format!("process {at}")
    }

    fn replace(&self, n: usize) -> String {
        let Some(job) = self.job(n) else {
            return "nothing".into();
        };
        match &self.base {
            Base::Memory(store) => {
                let queued = ForeignJob { id: Some(job.clone()), ..ForeignJob::default() };
                store.replace_job(&queued).map(drop).unwrap();
            }
            Base::Sql(database) => database.sql(&format!(
                "BEGIN; DELETE FROM jobs WHERE id = {job};
                 INSERT INTO jobs (id, agent, repo, status) VALUES ({job}, 'developer', 'shop', 'queued'); COMMIT"
            )),
        }
        format!("replaced job {}", self.number(&job))
    }

    fn spoil(&self, n: usize) -> String {
        let Some(job) = self.job(n) else {
            return "nothing".into();
        };
        match &self.base {
            Base::Memory(store) => store.spoil_job(&job).unwrap(),
            Base::Sql(database) => database.sql(&format!("UPDATE jobs SET max_attempts = -1 WHERE id = {job}")),
        }
        format!("spoilt job {}", self.number(&job))
    }

    fn send_back(&self, n: usize) -> String {
        let Some(task) = n.checked_rem(self.tasks.len()).map(|n| &self.tasks[n]) else {
            return "nothing".into();
        };
        match &self.base {
            Base::Memory(store) => store.set_stage(task, "architecture").unwrap(),
            Base::Sql(database) => {
                database.sql(&format!("UPDATE tasks SET stage = 'architecture' WHERE id = {task}"));
            }
        }
        format!("sent task {n} back")
    }

    pub(crate) fn courier(&self) -> Courier {
        Courier {
            store: Arc::<Governed>::clone(&self.store),
            advance: Arc::clone(&self.parts.advance),
            notify: Arc::clone(&self.parts.notify),
            lease: Duration::from_secs(60),
            tries: 10,
        }
    }

    pub(crate) fn deliver(&self, which: Which) -> String {
        match self.courier().drain(&which, 100) {
            Ok(delivered) => format!("delivered {}", delivered.done.len()),
            Err(_) => "down".into(),
        }
    }

    pub(crate) fn pass_time(&self, by: Duration) -> String {
        self.move_clock(TimeDelta::from_std(by).unwrap());
        self.time.pass(by);
        self.world.truth().passed += by;
        format!("{} s", by.as_secs())
    }

    fn jump(&self, direction: Direction) -> String {
        let by = TimeDelta::from_std(JUMP).unwrap();
        self.move_clock(if direction == Direction::Forward { by } else { -by });
        if direction == Direction::Forward {
            self.world.truth().set_forward = JUMP;
        }
        format!("{direction:?}")
    }

    /// Moves the database's clock, or all that is stored the other way.
    fn move_clock(&self, by: TimeDelta) {
        let ms = by.num_milliseconds();
        match &self.base {
            Base::Memory(store) => store.set_now(reaper_store::Facts::now(store.as_ref()).unwrap() + by),
            Base::Sql(database) => {
                database.sql(&format!(
                    "UPDATE jobs SET reaper_started_at = reaper_started_at - {ms}, reaper_exit_at = reaper_exit_at - {ms},
                        reaper_beat_at = reaper_beat_at - {ms}, reaper_terminating_at = reaper_terminating_at - {ms},
                        reaper_available_at = reaper_available_at - {ms};
                     UPDATE reaper_outbox SET due_at = due_at - {ms}, leased_until = leased_until - {ms}"
                ));
                self.store.went_ahead(ms);
            }
        }
    }

    pub(crate) fn truth(&self) -> Truth {
        self.world.truth().clone()
    }
}

/// An answer in words; a database that is down has only one.
pub(crate) fn told<T: std::fmt::Debug, E>(answer: Result<T, E>) -> String {
    answer.map_or_else(|_| "down".into(), |answer| format!("{answer:?}"))
}

/// The advance of the store in memory.
#[derive(Debug)]
struct InMemory(Arc<MemoryStore>);

impl Advance for InMemory {
    fn advance(&self, order: &reaper_core::AdvanceOrder) -> Result<Advanced, AdvanceError> {
        Ok(match self.0.carry_out(order) {
            CarriedOut::Moved(next) => Advanced::Advanced { next },
            CarriedOut::Before => Advanced::AlreadyDone,
            CarriedOut::Superseded(stage) => Advanced::Superseded { stage },
        })
    }
}
