//! One database with everything around it, and what each step does there.

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use chrono::TimeDelta;
use diesel::{Connection as _, PgConnection, SqliteConnection, connection::SimpleConnection as _};
use reaper_core::{
    Action, Backoff, JobId, JobSnapshot, PassKind, Policy, RunId, TaskId, Timestamp, breaker::BreakerPolicy,
    plan::Planned, policy::Limits,
};
use reaper_gate::{
    Advance,
    advance::{AdvanceError, Advanced, Check, PostgresAdvance, SqliteAdvance},
};
use reaper_runner::{Parts, Reaper, Settings};
use reaper_store::{
    Control as _, Facts as _, MemoryStore, Store, claims::Actor, facts::Row, memory::CarriedOut, outbox::Which,
};
use reaper_tests::{
    database::{Database, Kind},
    fakes::pipeline,
};

use super::{
    governed::Governed,
    laws::{Seen, Won},
    passing::UNIT,
    reference::{Power, Step},
    tally,
    world::{Answer, Executor, Monitor, Moves, Process, Skewed, Truth, World},
};

/// Where the rows are.
#[derive(Debug)]
pub(crate) enum Base {
    Memory(Arc<MemoryStore>),
    Sql(Shell),
}

/// A database, and another program's connection to it.
pub(crate) struct Shell {
    connection: Mutex<Connection>,
    pub(crate) database: Database,
}

enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl std::fmt::Debug for Shell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shell").finish_non_exhaustive()
    }
}

impl Shell {
    fn new(kind: Kind, database: Database) -> Self {
        let connection = match kind {
            Kind::Sqlite => Connection::Sqlite(database.connection()),
            Kind::Postgres => Connection::Postgres(PgConnection::establish(database.url()).unwrap()),
        };
        Self { connection: Mutex::new(connection), database }
    }

    pub(crate) fn sql(&self, statements: &str) {
        match &mut *self.connection.lock().unwrap() {
            Connection::Sqlite(connection) => connection.batch_execute(statements).unwrap(),
            Connection::Postgres(connection) => connection.batch_execute(statements).unwrap(),
        }
    }
}

/// A database, its reapers and its world.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) base: Base,
    pub(crate) store: Arc<Governed>,
    pub(crate) world: World,
    pub(crate) time: Arc<Skewed>,
    pub(crate) tasks: Vec<TaskId>,
    pub(crate) reapers: Vec<Reaper>,
    pub(crate) parts: Parts,
    /// What a slow reaper has decided and not claimed yet, and what the gate truly said then.
    pub(crate) decided: (Vec<Planned>, Answer),
    /// What the step that is being taken has won.
    pub(crate) won: Mutex<Vec<Won>>,
    /// What the latest step left.
    pub(crate) seen: Seen,
    /// The jobs that the latest pass left to a person.
    pub(crate) for_a_person: Vec<JobId>,
}

/// What reapers go by: the defaults with the seed's pipeline, and no wait before the next attempt.
pub(crate) fn policy() -> Policy {
    let backoff = Backoff { base: Duration::ZERO, max: Duration::ZERO };
    // The sequences make more crashes in less time than any agent may.
    let limits = Limits { intensity: None, ..Limits::default() };
    // Two are many where there are so few.
    let breaker = BreakerPolicy { at_least: 2, ..BreakerPolicy::default() };
    Policy { pipeline: pipeline(), backoff, max_rescues: 2, limits, breaker, ..Policy::default() }
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
                let connect = move || -> Result<(_, Check), _> {
                    let connection = SqliteConnection::establish(&path).map_err(|error| error.to_string())?;
                    Ok((connection, Box::new(|| Ok(()))))
                };
                ("sqlite", Arc::new(SqliteAdvance::new(Box::new(connect))))
            }
            Kind::Postgres => {
                let url = database.url().to_owned();
                let connect = move || PgConnection::establish(&url).map_err(|error| error.to_string());
                ("postgres", Arc::new(PostgresAdvance::new(Box::new(connect))))
            }
        };
        Some(Self::of(name, Base::Sql(Shell::new(kind, database)), store, advance))
    }

    fn of(name: &'static str, base: Base, store: Arc<dyn Store>, advance: Arc<dyn Advance>) -> Self {
        let (world, time) = (World::default(), Arc::new(Skewed::new()));
        let store = Arc::new(Governed::new(store));
        let parts = Parts {
            store: Arc::<Governed>::clone(&store),
            probe: Arc::new(world.clone()),
            stop: Arc::new(world.clone()),
            gate: Arc::new(world.clone()),
            advance: Arc::new(Moves { inner: advance, world: world.clone(), store: Arc::clone(&store) }),
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
            decided: Default::default(),
            won: Mutex::default(),
            seen: Seen::default(),
            for_a_person: Vec::new(),
        };
        side.reapers = vec![side.reaper(), side.reaper()];
        side.seen = side.look();
        side
    }

    fn reaper(&self) -> Reaper {
        Reaper::new(self.parts.clone(), Settings { policy: policy(), ..Settings::default() })
    }

    /// Takes a step, and says what came of it in words that are the same for every database.
    pub(crate) fn take(&mut self, step: &Step) -> String {
        match step {
            Step::Enqueue { max_attempts } => self.enqueue(*max_attempts),
            Step::Take => self.take_job(),
            Step::Attach(n) => self.attach(*n),
            Step::Beat(n) => self.beat(*n),
            Step::End(n, code) => {
                self.change(*n, |p| p.executor == Executor::Alive, |p| p.executor = Executor::Ended(*code))
            }
            Step::KillMonitor(n) => self.kill_monitor(*n),
            Step::RecordExit(n) => self.record_exit(*n),
            Step::Finish(n) => self.finish(*n),
            Step::GiveUp(n) => self.give_up(*n),
            Step::ForeignTake(n) => self.foreign_take(*n),
            Step::ForeignInsert => self.foreign_insert(),
            Step::StorePid(n) => self.store_pid(*n),
            Step::Retake(n) => self.retake(*n),
            Step::ForeignFinish(n) => self.foreign_finish(*n),
            Step::Replace(n) => self.replace(*n),
            Step::Spoil(n) => self.spoil(*n),
            Step::Spend(n) => self.spend(*n),
            Step::SendBack(n) => self.send_back(*n),
            Step::Pass(who, kind) => self.pass(*who, *kind),
            Step::Fall(n) => {
                self.reapers[*n] = self.reaper();
                "a reaper begins anew".into()
            }
            Step::Decide => self.decide(),
            Step::ClaimLate => self.claim_late(),
            Step::Deliver => self.deliver(Which::Due),
            Step::DeliveryFails => {
                self.world.truth().fails = true;
                "nobody answers".into()
            }
            Step::Time(units) => self.pass_time(UNIT * *units),
            Step::Jump(direction) => self.jump(*direction),
            Step::Database(power) => {
                self.store.down.store(*power == Power::Down, Ordering::SeqCst);
                format!("{power:?}")
            }
            Step::RequeueAll => self.requeue_all(),
            Step::RequeueOrphans => self.requeue_orphans(),
            Step::SetMode(mode) => told(self.store.set_mode(*mode)),
            Step::ReleaseBreaker => self.release_breaker(),
            Step::Retry(n) => self.retry(*n),
            Step::SetGate(answer) => {
                self.world.truth().gate = *answer;
                format!("{answer:?}")
            }
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

    pub(crate) fn job(&self, n: usize) -> Option<JobId> {
        let truth = self.world.truth();
        truth.jobs.get(n.checked_rem(truth.jobs.len())?).cloned()
    }

    pub(crate) fn row(&self, job: &JobId) -> Option<JobSnapshot> {
        self.store.job(job).ok()??.ok()
    }

    /// The place of the `n`-th process that can take a step, counted round.
    pub(crate) fn process(&self, n: usize, can: impl Fn(&Process) -> bool) -> Option<usize> {
        let truth = self.world.truth();
        let able: Vec<_> = (0..truth.processes.len()).filter(|at| can(&truth.processes[*at])).collect();
        able.get(n.checked_rem(able.len())?).copied()
    }

    pub(crate) fn change(
        &self,
        n: usize,
        can: impl Fn(&Process) -> bool,
        change: impl FnOnce(&mut Process),
    ) -> String {
        let Some(at) = self.process(n, can) else {
            return "nothing".into();
        };
        change(&mut self.world.truth().processes[at]);
        format!("process {at}")
    }

    /// A job's place among all, which is the same in every database.
    pub(crate) fn number(&self, job: &JobId) -> usize {
        self.world.truth().jobs.iter().position(|known| known == job).unwrap()
    }

    /// A pass of a reaper, and its report in words.
    fn pass(&mut self, who: usize, kind: PassKind) -> String {
        let gate = self.truth().gate;
        let report = match kind {
            PassKind::Tick => self.reapers[who].run_once(),
            PassKind::Wake => self.reapers[who].wake_once(),
        };
        let mut told = Vec::new();
        for won in report.won() {
            self.has_won(&won.job, won.action.clone(), gate, Actor::Reaper);
            told.push(format!("job {} {}", self.number(&won.job), won.action.as_str()));
        }
        if gate == Answer::Panics && !report.asked.is_empty() {
            tally::came(self.name, tally::NO_ANSWER);
        }
        told.sort();
        let error = if report.error.is_some() { ", failed" } else { "" };
        let lost = report.lost();
        self.for_a_person = report.cannot_tell.iter().map(|kept| kept.job.clone()).collect();
        format!("{told:?}, {lost} lost, jumped {}{error}", report.clock_jump_ms.is_some())
    }

    /// The number and the pid of the process that is launched next.
    pub(crate) fn next_process(&self) -> (usize, u32) {
        let truth = self.world.truth();
        (truth.processes.len(), truth.free_pid())
    }

    pub(crate) fn launch(&self, pid: u32, job: &JobSnapshot, run: Option<RunId>, executor: Executor) {
        let mut truth = self.world.truth();
        let began = truth.shown();
        let attempt = job.attempt.clone();
        let monitor = Monitor::Alive;
        truth.processes.push(Process { pid, run, attempt, began, executor, monitor, recorded: None });
    }

    /// A step has won a settlement: the job, what was settled, what the gate had truly said when it was decided.
    pub(crate) fn has_won(&self, job: &JobId, action: Action, said: Answer, by: Actor) {
        self.won.lock().unwrap().push(Won { job: job.clone(), action, said, by });
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
