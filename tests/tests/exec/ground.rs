//! What the stories share: a prepared database, the program on it, and looks at processes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

use reaper_tests::{
    database::{Database, Kind},
    program::{Ended, Program, eventually},
};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_reaper-under-test");

/// Three stages, each with an agent of its own; the gate says what the file `verdict` says.
const PIPELINE: &str = r#"
[pipeline]
stages = [
  { name = "design", next = "build", next_agent = "builder", gate = "quality" },
  { name = "build", next = "check", next_agent = "checker", gate = "quality" },
  { name = "check", next = "released", gate = "quality" },
  { name = "released" },
]
[pipeline.agents]
designer = ["design"]
builder = ["build"]
checker = ["check"]
[gates.quality]
command = ["/bin/sh", "-c", "exit $(cat verdict)"]
"#;

/// Keys that make everything quick.
const QUICK: &str = r#"
terminate_grace = "2s"
intensity = "off"
backoff = { base = "1ms", max = "1ms" }
exec.spool = "spool"
beat.interval = "100ms"
exec.idle = "100ms"
"#;

/// A database with its program, in a folder of its own.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) db: Database,
    pub(crate) program: Program,
}

impl Ground {
    /// On a database of this kind; `None` where there is none to be had.
    pub(crate) fn on(kind: Kind) -> Option<Self> {
        let db = Database::foreign_on(kind)?;
        Some(Self::of(db))
    }

    /// On this database.
    pub(crate) fn of(db: Database) -> Self {
        let program = Program::on(BINARY, &db);
        let ground = Self { db, program };
        ground.configure("");
        ground.verdict(0);
        let _migrated = ground.program.run(&["migrate"]).ok();
        ground
    }

    /// With these keys beside the usual ones.
    pub(crate) fn configure(&self, keys: &str) {
        self.configure_pipeline(&format!("{keys}\n{PIPELINE}"));
    }

    /// With another pipeline, and its gates.
    pub(crate) fn configure_pipeline(&self, pipeline: &str) {
        self.program.configure(&format!("{QUICK}\n{pipeline}"));
    }

    /// What the gate's command ends with.
    pub(crate) fn verdict(&self, code: i32) {
        fs::write(self.file("verdict"), code.to_string()).unwrap();
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.db.dir().join(name)
    }

    /// What a file holds; nothing where it is not there yet.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    /// A job of no task.
    pub(crate) fn job(&self) -> i64 {
        self.enqueue(&["--agent", "worker"]).0
    }

    /// A job of a new task in its first stage, and the task.
    pub(crate) fn staged(&self) -> (i64, i64) {
        let (job, task) = self.enqueue(&["--agent", "designer", "--stage", "design"]);
        (job, task.unwrap())
    }

    pub(crate) fn enqueue(&self, args: &[&str]) -> (i64, Option<i64>) {
        let args = [&["enqueue", "--repo", "shop", "--output", "json"], args].concat();
        let said = self.program.run(&args).ok().json();
        (said[0]["job"].as_i64().unwrap(), said[0]["task"].as_i64())
    }

    /// Runs a shell's script as the command of the next job.
    pub(crate) fn exec(&self, options: &[&str], script: &str) -> Ended {
        self.program.run(&args(options, script))
    }

    /// The same, left to run.
    pub(crate) fn spawn(&self, options: &[&str], script: &str) -> Child {
        self.program
            .command(&args(options, script))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// The recorded exits of a job's runs, in their order.
    pub(crate) fn exits(&self, job: i64) -> Option<String> {
        self.db.value(&format!(
            "SELECT exit_code FROM agent_runs WHERE id = (SELECT run_id FROM jobs WHERE id = {job})"
        ))
    }

    /// A column of a job.
    pub(crate) fn column(&self, job: i64, column: &str) -> Option<String> {
        self.db.value(&format!("SELECT {column} FROM jobs WHERE id = {job}"))
    }

    /// The pid of a job's executor, once it is attached.
    pub(crate) fn executor(&self, job: i64) -> Pid {
        let pid = || self.column(job, "pid").and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
        eventually("the executor is attached", || pid().is_some());
        pid().unwrap()
    }

    /// The pid that a command has written to a file.
    pub(crate) fn pid_in(&self, name: &str) -> Pid {
        let pid = || Pid::from_raw(self.read(name).trim().parse().ok()?);
        eventually("the command has written its pid", || pid().is_some());
        pid().unwrap()
    }

    /// The files in the spool.
    pub(crate) fn spooled(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.file("spool")) else { return Vec::new() };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    pub(crate) fn tick(&self) -> Ended {
        self.program.run(&["tick"]).ok()
    }

    /// What must hold after anything: an attempt is settled once, each advance happened once, nothing is spooled.
    pub(crate) fn is_consistent(&self) {
        let twice = "SELECT count(*) FROM (SELECT 1 FROM reaper_events WHERE action NOT IN ('terminate', 'exit')
            GROUP BY job_id, fence HAVING count(*) > 1) AS twice";
        assert_eq!(self.db.value(twice).as_deref(), Some("0"), "an attempt was settled twice");
        assert_eq!(self.db.count("reaper_outbox WHERE state <> 'done'"), 0, "an effect is not delivered");
        let twice = "SELECT count(*) FROM (SELECT 1 FROM jobs WHERE task_id IS NOT NULL
            GROUP BY task_id, agent HAVING count(*) > 1) AS twice";
        assert_eq!(self.db.value(twice).as_deref(), Some("0"), "a task's agent was given a second job");
        // Whoever is killed while he writes leaves a draft, which nobody reads.
        let left: Vec<_> = self.spooled().into_iter().filter(|name| !name.ends_with(".draft")).collect();
        assert_eq!(left, [""; 0], "an exit is left in the spool");
    }
}

fn args<'a>(options: &[&'a str], script: &'a str) -> Vec<&'a str> {
    [&["exec"], options, &["--", "/bin/sh", "-c", script]].concat()
}

/// Whether a process is there and has not ended.
pub(crate) fn lives(pid: Pid) -> bool {
    if test_kill_process(pid).is_err() {
        return false;
    }
    let stat = fs::read_to_string(Path::new("/proc").join(pid.as_raw_nonzero().to_string()).join("stat"));
    stat.is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.trim_start().starts_with(['Z', 'X']))
}

pub(crate) fn gone(pid: Pid) {
    eventually("the process is gone", || !lives(pid));
}

pub(crate) fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

pub(crate) fn signal(pid: Pid, signal: Signal) {
    kill_process(pid, signal).unwrap();
}

/// Waits for a child's end, and gives its exit code.
pub(crate) fn code_of(child: &mut Child) -> i32 {
    let mut ended = None;
    eventually("the program has ended", || {
        ended = child.try_wait().unwrap();
        ended.is_some()
    });
    ended.unwrap().code().unwrap_or(-1)
}
