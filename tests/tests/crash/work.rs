//! A worker's job on a file, and what must have become of it in the end.

use std::fs;

use diesel::connection::SimpleConnection as _;
use reaper_tests::{
    database::Database,
    jobs::task,
    program::{Program, eventually},
    setting::{prepared, settled_once},
};

use crate::scene::{BINARY, Journal, TICKS, is_whole};

/// A database and the program on it.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) database: Database,
    pub(crate) program: Program,
}

/// A job that is queued.
#[derive(Debug)]
pub(crate) struct Job {
    id: String,
    task: i64,
    /// What its command ends with.
    code: String,
}

/// What may be wrong with a job's way, because of what was done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    Nothing,
    /// Its supervisor was killed before it had spooled the exit: that the command had ended is known to nobody.
    Exit,
}

/// What the command writes down, which holds a lock for as long as anything of it lives.
const COMMAND: &str = "exec 9>> lock
flock -n 9 || echo \"overlap $REAPER_ATTEMPT\" >> journal
echo \"start $REAPER_ATTEMPT\" >> journal
echo \"end $REAPER_ATTEMPT\" >> journal
exit $0";

impl Work {
    pub(crate) fn on_file(journal: Journal) -> Self {
        let database = Database::volatile();
        if matches!(journal, Journal::Wal) {
            database.connection().batch_execute("PRAGMA journal_mode = WAL").unwrap();
        }
        let keys = "delivery_lease = \"100ms\"\nbackoff = { base = \"1ms\", max = \"1ms\" }\nintensity = \"off\"
            terminate_grace = \"500ms\"\nexec.spool = \"spool\"";
        let program = prepared(BINARY, &database, keys);
        Self { database, program }
    }

    /// One whose command ends with this code.
    pub(crate) fn job(&self, code: i32) -> Job {
        let task = task(&self.database, "architecture");
        let id = self.database.insert(&format!(
            "INSERT INTO jobs (agent, repo, task_id, status) VALUES ('developer', 'shop', {task}, 'queued')"
        ));
        fs::write(self.database.dir().join("journal"), "").unwrap();
        Job { id: id.to_string(), task, code: code.to_string() }
    }

    /// Lets others look, and work on it again, until it is over, and holds what has become of it against what should have.
    pub(crate) fn ends_well(&self, job: &Job, lost: Lost, point: &str) {
        let Self { database, program } = self;
        is_whole(database, point);
        let id = &job.id;
        let status = || database.value(&format!("SELECT status FROM jobs WHERE id = {id}")).unwrap();
        eventually(&format!("{point}: the job is over"), || {
            if status() == "queued" {
                let _as_it_ends = program.run(&job.args());
            }
            let _settled = program.run(&TICKS).ok();
            ["done", "failed"].contains(&status().as_str())
                && database.count("reaper_outbox WHERE state = 'pending'") == 0
        });
        let (is_good, events) = (job.code == "0", format!("reaper_events WHERE job_id = {id}"));
        assert_eq!(status(), if is_good { "done" } else { "failed" }, "{point}");
        assert_eq!(database.count(&format!("{events} AND to_status = '{}'", status())), 1, "{point}");
        let attempts = database.value(&format!("SELECT attempts FROM jobs WHERE id = {id}"));
        let settled = database.count(&format!("{events} AND from_status = 'running'"));
        assert_eq!(attempts, Some(settled.to_string()), "{point}: each attempt is settled once");
        settled_once(database);
        let stage = if is_good { "development" } else { "architecture" };
        assert_eq!(database.stage(job.task), stage, "{point}");
        let next = database.count(&format!("jobs WHERE task_id = {} AND agent = 'tester'", job.task));
        assert_eq!(next, i64::from(is_good), "{point}");
        self.counts_what_ended(job, lost, point);
        self.is_clean(point);
        // Each round has the same queue before it.
        database.sql("DELETE FROM jobs WHERE status = 'queued'");
    }

    /// What a command has done is what is known of it.
    fn counts_what_ended(&self, job: &Job, lost: Lost, point: &str) {
        let journal = fs::read_to_string(self.database.dir().join("journal")).unwrap();
        let counted = |word: &str| journal.lines().filter(|line| line.starts_with(word)).count();
        assert_eq!(counted("overlap"), 0, "{point}: two attempts at the same time\n{journal}");
        let mut started: Vec<_> = journal.lines().filter(|line| line.starts_with("start")).collect();
        started.sort_unstable();
        started.dedup();
        assert_eq!(started.len(), counted("start"), "{point}: an attempt ran twice\n{journal}");
        let lost = usize::from(lost == Lost::Exit);
        // A good end is the last one, and a bad one is tried once more.
        let most = if job.code == "0" { 1 + lost } else { 2 };
        assert!((1..=most).contains(&counted("start")), "{point}\n{journal}");
        let recorded = format!("agent_runs WHERE task_id = {} AND exit_code = {}", job.task, job.code);
        let recorded = usize::try_from(self.database.count(&recorded)).unwrap();
        let ended = counted("end");
        assert!((ended - lost.min(ended)..=ended).contains(&recorded), "{point}: {recorded} recorded\n{journal}");
    }

    /// Nothing of the work is left: no process, and nothing in the spool.
    fn is_clean(&self, point: &str) {
        let dir = self.database.dir().canonicalize().unwrap();
        let is_here = |entry: fs::DirEntry| fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == dir);
        eventually(&format!("{point}: no process is left"), || {
            !fs::read_dir("/proc").unwrap().flatten().any(is_here)
        });
        // Whoever is killed while he writes leaves a draft, which nobody reads.
        let spooled = fs::read_dir(dir.join("spool")).into_iter().flatten().map(|entry| entry.unwrap().path());
        let (drafts, whole): (Vec<_>, Vec<_>) =
            spooled.partition(|path| path.extension().is_some_and(|ending| ending == "draft"));
        assert_eq!(whole, [""; 0].map(std::path::PathBuf::from), "{point}: left in the spool");
        drafts.iter().for_each(|draft| fs::remove_file(draft).unwrap());
    }
}

impl Job {
    /// What runs it.
    pub(crate) fn args(&self) -> [&str; 8] {
        ["exec", "--job", &self.id, "--", "/bin/sh", "-c", COMMAND, &self.code]
    }
}
