//! What the stories share: attempts with real processes, and the program that watches them.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::process::CommandExt as _,
    process::{Child, ChildStdin, Command, Stdio},
    sync::Arc,
};

use reaper_core::{Attempt, ProcessIdentity, RunId, TaskId};
use reaper_gate::liveness::LocalProbe;
use reaper_store::{
    Store,
    attempts::{Launcher, NewJob, NewTask, Wants, Written},
    history::{Event, Query},
};
use reaper_tests::{
    database::{Database, Kind},
    program::{Program, eventually},
};

const BINARY: &str = env!("CARGO_BIN_EXE_reaper-under-test");

const PIPELINE: &str = r#"
backoff = { base = "1ms", max = "1ms" }
[pipeline]
stages = [{ name = "design", next = "build", next_agent = "builder", gate = "quality" }, { name = "build" }]
[pipeline.agents]
designer = ["design"]
[gates.quality]
command = ["/bin/sh", "-c", "exit $(cat verdict)"]
"#;

/// A process that ends with the code that it is told, and is reaped as soon as it has ended.
#[derive(Debug)]
pub(crate) struct Actor {
    child: Child,
    orders: Option<ChildStdin>,
    pub(crate) identity: ProcessIdentity,
}

impl Actor {
    pub(crate) fn start() -> Self {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "read -r code && exit $code; exec sleep 600"]);
        Self::of(command)
    }

    /// A supervisor that waits to be let go.
    pub(crate) fn held(program: &Program) -> Self {
        let mut command = program.command(&["hold", "--", "true"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Self::of(command)
    }

    fn of(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let identity = probe().identify(child.id()).unwrap();
        Self { orders: child.stdin.take(), child, identity }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Lets it end by itself.
    pub(crate) fn end(&mut self, code: i32) {
        writeln!(self.orders.as_mut().unwrap(), "{code}").unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(code));
    }

    /// Lets go of its standard input, and waits for its end.
    pub(crate) fn lose(&mut self) {
        drop(self.orders.take());
        self.child.wait().unwrap();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        // It may have ended in its story.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub(crate) fn probe() -> LocalProbe {
    LocalProbe::builder().build().unwrap()
}

/// An attempt with its two processes.
#[derive(Debug)]
pub(crate) struct Cast {
    pub(crate) job: i64,
    pub(crate) attempt: Attempt,
    pub(crate) run: RunId,
    pub(crate) task: Option<i64>,
    pub(crate) executor: Actor,
    pub(crate) monitor: Actor,
}

/// A database with its program, in a folder of its own.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) db: Database,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) program: Program,
}

impl Ground {
    /// On a database of this kind, with an hour between two ticks; `None` where there is none to be had.
    pub(crate) fn on(kind: Kind) -> Option<Self> {
        let (db, store) = Database::adopted_on(kind)?;
        let program = Program::on(BINARY, &db);
        let ground = Self { db, store, program };
        ground.configure("interval = \"1h\"");
        fs::write(ground.db.dir().join("verdict"), "0").unwrap();
        Some(ground)
    }

    pub(crate) fn configure(&self, keys: &str) {
        self.program.configure(&format!("{keys}\n{PIPELINE}"));
    }

    /// An attempt of a new task in its first stage.
    pub(crate) fn staged(&self) -> Cast {
        let task = NewTask { repo: "shop".into(), work_item: None, branch: None, stage: "design".into() };
        let task = self.store.add_task(&task).unwrap();
        self.attempt_of("designer", Some(task), Actor::start(), Actor::start())
    }

    /// An attempt of no task.
    pub(crate) fn attempt(&self) -> Cast {
        self.attempt_by(Actor::start(), Actor::start())
    }

    /// An attempt of no task by these two.
    pub(crate) fn attempt_by(&self, executor: Actor, monitor: Actor) -> Cast {
        self.attempt_of("worker", None, executor, monitor)
    }

    fn attempt_of(&self, agent: &str, task: Option<TaskId>, executor: Actor, monitor: Actor) -> Cast {
        let job = NewJob {
            agent: agent.into(),
            repo: "shop".into(),
            task: task.clone(),
            max_attempts: 3,
            source_key: None,
            payload: None,
        };
        let _new = self.store.enqueue(&job).unwrap();
        let launcher = Launcher::free(monitor.identity.clone());
        let taken = self.store.take(&Wants::Agent(agent.into()), &launcher).unwrap().unwrap();
        let attempt = taken.job.attempt;
        assert_eq!(self.store.attach(&attempt, &executor.identity).unwrap(), Written::Yes);
        let job = attempt.job.as_int().unwrap();
        Cast { job, attempt, run: taken.run, task: task.and_then(|task| task.as_int()), executor, monitor }
    }

    /// `reaper run`, once it watches so many processes.
    pub(crate) fn watching(&self, processes: u64) -> Running {
        let running = Running(self.command().spawn().unwrap());
        self.until_watched(processes);
        running
    }

    /// `reaper run`, and what it says of each pass. It goes on when nobody listens any more.
    pub(crate) fn told(&self) -> (Running, impl Iterator<Item = serde_json::Value>) {
        let mut command = self.program.command(&["run", "--output", "json"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        (Running(child), lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()))
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = self.program.command(&["run"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        command
    }

    /// Waits until the latest note of a pass says that so many processes are watched.
    pub(crate) fn until_watched(&self, processes: u64) {
        eventually("the processes are watched", || self.tally().0 == processes);
    }

    /// How many processes the latest note says to be watched, and how many to be probed in turn.
    pub(crate) fn tally(&self) -> (u64, u64) {
        let watch = self.store.latest_pass().unwrap().and_then(|note| note.watch);
        watch.map_or((0, 0), |watch| (watch.watched, watch.in_turn))
    }

    pub(crate) fn until_status(&self, cast: &Cast, status: &str) {
        eventually(status, || self.db.status(cast.job) == status);
    }

    pub(crate) fn events(&self, cast: &Cast) -> Vec<Event> {
        self.store.events(&Query { job: Some(cast.attempt.job.clone()), since: None, limit: 100 }).unwrap()
    }

    /// What was done to its job, and by which rule.
    pub(crate) fn way(&self, cast: &Cast) -> Vec<(String, String)> {
        self.events(cast).into_iter().map(|event| (event.action, event.rule)).collect()
    }
}

/// A program that is ended with its story.
#[derive(Debug)]
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        // It may have ended. What stands before it in its group does not pass the signal on.
        rustix::process::kill_process_group(pid, rustix::process::Signal::TERM).ok();
        self.0.wait().ok();
    }
}

/// What an event says in a word.
pub(crate) fn step(action: &str, rule: &str) -> (String, String) {
    (action.to_owned(), rule.to_owned())
}
