//! What programs that know nothing of Reaper do to the same tables, and people with a database's shell.

use std::sync::atomic::Ordering;

use super::{
    side::{Base, Side},
    world::{Executor, Process},
};
use reaper_core::{JobId, JobSnapshot, Status};
use reaper_store::{
    Facts as _, Foreign as _,
    foreign::{ForeignJob, JobColumn, When},
};

impl Side {
    pub(crate) fn foreign_take(&self, n: usize) -> String {
        let Some(job) = self.job(n) else {
            return "nothing".into();
        };
        let due = |row: &JobSnapshot| row.status == Status::Queued && !row.is_late_finish();
        if !self.row(&job).is_some_and(|row| due(&row)) {
            return "nothing".into();
        }
        match &self.base {
            Base::Memory(store) => store.update_job(&job, &[JobColumn::status("running")]).unwrap(),
            Base::Sql(shell) => shell.sql(&format!("UPDATE jobs SET status = 'running' WHERE id = {job}")),
        }
        let (_, pid) = self.next_process();
        self.launch(pid, &self.row(&job).unwrap(), None, Executor::Alive);
        format!("took job {}", self.number(&job))
    }

    pub(crate) fn foreign_insert(&self) -> String {
        if self.store.down.load(Ordering::SeqCst) {
            return "down".into();
        }
        let (_, pid) = self.next_process();
        let job = match &self.base {
            Base::Memory(store) => store.insert_job(&ForeignJob::running(pid, 0)).unwrap(),
            Base::Sql(shell) => JobId::from(shell.database.insert(&format!(
                "INSERT INTO jobs (agent, repo, status, attempts, max_attempts, pid, started_at)
                 VALUES ('developer', 'shop', 'running', 1, 2, {pid}, {})",
                shell.database.ago(0)
            ))),
        };
        self.world.truth().jobs.push(job.clone());
        self.launch(pid, &self.row(&job).unwrap(), None, Executor::Alive);
        "inserted".into()
    }

    pub(crate) fn store_pid(&self, n: usize) -> String {
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
            Base::Sql(shell) => shell.sql(&format!("UPDATE jobs SET pid = {} WHERE id = {job}", process.pid)),
        }
        format!("process {at}")
    }

    /// The row of a foreign program's attempt, if it is still its own.
    fn own_row(&self, process: &Process) -> Option<JobSnapshot> {
        let is_own = |row: &JobSnapshot| row.attempt == process.attempt && row.status == Status::Running;
        self.row(&process.attempt.job).filter(is_own)
    }

    /// A foreign program puts its dead attempt back and takes the job anew, in a process that gets the pid of the dead
    /// one, and stores all that the attempt before had stored. Nothing but the fence tells the two apart.
    pub(crate) fn retake(&self, n: usize) -> String {
        let is_dead = |p: &Process| {
            let stored = |row: JobSnapshot| row.pid == Some(p.pid);
            p.run.is_none() && matches!(p.executor, Executor::Ended(_)) && self.own_row(p).is_some_and(stored)
        };
        let dead: Vec<_> = self.truth().processes.into_iter().filter(is_dead).collect();
        let Some(dead) = n.checked_rem(dead.len()).map(|n| &dead[n]) else {
            return "nothing".into();
        };
        let job = &dead.attempt.job;
        if self.truth().has_pid(dead.pid) {
            return "its pid is another process's by now".into();
        }
        let began = self.row(job).and_then(|row| row.started_at).unwrap();
        match &self.base {
            Base::Memory(store) => {
                let back = [JobColumn::status("queued"), JobColumn::Pid(None), JobColumn::StartedAt(When::Null)];
                store.update_job(job, &back).unwrap();
                let age = store.now().unwrap() - began;
                let began = age.to_std().map_or_else(|_| When::Ahead((-age).to_std().unwrap()), When::Ago);
                let take =
                    [JobColumn::status("running"), JobColumn::Pid(Some(dead.pid)), JobColumn::StartedAt(began)];
                store.update_job(job, &take).unwrap();
            }
            Base::Sql(shell) => {
                let ms = self.store.stored(began).timestamp_millis();
                let began = if self.name == "sqlite" {
                    format!("strftime('%Y-%m-%d %H:%M:%f', {ms} / 1000.0, 'unixepoch')")
                } else {
                    format!("timestamptz 'epoch' + {ms} * interval '1 millisecond'")
                };
                shell.sql(&format!(
                    "UPDATE jobs SET status = 'queued', pid = NULL, started_at = NULL WHERE id = {job};
                     UPDATE jobs SET status = 'running', pid = {}, started_at = {began} WHERE id = {job}",
                    dead.pid
                ));
            }
        }
        self.launch(dead.pid, &self.row(job).unwrap(), None, Executor::Alive);
        // By its own word.
        self.world.truth().processes.last_mut().unwrap().began = dead.began;
        format!("took job {} anew", self.number(job))
    }

    /// A foreign program whose executor has ended says how: the status, last, and nothing else.
    pub(crate) fn foreign_finish(&self, n: usize) -> String {
        let can = |p: &Process| {
            let ended = p.run.is_none() && matches!(p.executor, Executor::Ended(_));
            ended && self.own_row(p).is_some()
        };
        let able: Vec<_> = self.truth().processes.into_iter().filter(can).collect();
        let Some(process) = n.checked_rem(able.len()).map(|n| &able[n]) else {
            return "nothing".into();
        };
        let word = if process.executor == Executor::Ended(0) { "done" } else { "failed" };
        self.set_status(&process.attempt.job, word);
        format!("job {} is {word}", self.number(&process.attempt.job))
    }

    fn set_status(&self, job: &JobId, word: &str) {
        match &self.base {
            Base::Memory(store) => store.update_job(job, &[JobColumn::status(word)]).unwrap(),
            Base::Sql(shell) => shell.sql(&format!("UPDATE jobs SET status = '{word}' WHERE id = {job}")),
        }
    }

    pub(crate) fn replace(&self, n: usize) -> String {
        let Some(job) = self.job(n) else {
            return "nothing".into();
        };
        match &self.base {
            Base::Memory(store) => {
                let queued = ForeignJob { id: Some(job.clone()), ..ForeignJob::default() };
                store.replace_job(&queued).map(drop).unwrap();
            }
            Base::Sql(shell) => shell.sql(&format!(
                "BEGIN; DELETE FROM jobs WHERE id = {job};
                 INSERT INTO jobs (id, agent, repo, status) VALUES ({job}, 'developer', 'shop', 'queued'); COMMIT"
            )),
        }
        format!("replaced job {}", self.number(&job))
    }

    pub(crate) fn spoil(&self, n: usize) -> String {
        let Some(job) = self.job(n) else {
            return "nothing".into();
        };
        match &self.base {
            Base::Memory(store) => store.spoil_job(&job).unwrap(),
            Base::Sql(shell) => shell.sql(&format!("UPDATE jobs SET max_attempts = -1 WHERE id = {job}")),
        }
        format!("spoilt job {}", self.number(&job))
    }

    /// The owner says that a running job's attempts are spent.
    pub(crate) fn spend(&self, n: usize) -> String {
        let rows = self.rows().into_iter().flatten();
        let running: Vec<_> = rows.filter(|row| row.status == Status::Running).collect();
        let Some(row) = n.checked_rem(running.len()).map(|n| &running[n]) else {
            return "nothing".into();
        };
        let job = &row.attempt.job;
        match &self.base {
            Base::Memory(store) => store.update_job(job, &[JobColumn::Attempts(row.max_attempts)]).unwrap(),
            Base::Sql(shell) => {
                shell.sql(&format!("UPDATE jobs SET attempts = max_attempts WHERE id = {job}"));
            }
        }
        format!("spent job {}", self.number(job))
    }

    /// Somebody moves a task on by hand and back to its first stage: another visit, wherever it stood.
    pub(crate) fn send_back(&self, n: usize) -> String {
        let Some(task) = n.checked_rem(self.tasks.len()).map(|n| &self.tasks[n]) else {
            return "nothing".into();
        };
        for stage in ["testing", "architecture"] {
            match &self.base {
                Base::Memory(store) => store.set_stage(task, stage).unwrap(),
                Base::Sql(shell) => {
                    shell.sql(&format!("UPDATE tasks SET stage = '{stage}' WHERE id = {task}"));
                }
            }
        }
        format!("sent task {n} back")
    }
}
