//! What Reaper's own workers do, up to the recorded exit.

use reaper_store::{
    Attempts as _,
    attempts::{Enqueued, Launcher, NewJob, NewTask, Wants, Written},
};

use super::{
    side::{Side, told},
    world::{Executor, Monitor, Process, executor, monitor},
};

impl Side {
    pub(crate) fn enqueue(&mut self, max_attempts: u32) -> String {
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

    pub(crate) fn take_job(&self) -> String {
        let (number, pid) = self.next_process();
        let launcher = Launcher::free(monitor(number, pid));
        match self.store.take(&Wants::Any, &launcher) {
            Ok(Some(taken)) => {
                self.launch(pid, &taken.job, Some(taken.run.clone()), Executor::Held);
                format!("took job {}", self.number(&taken.job.attempt.job))
            }
            Ok(None) => "nothing is due".into(),
            Err(_) => "down".into(),
        }
    }

    /// A monitor is killed.
    pub(crate) fn kill_monitor(&self, n: usize) -> String {
        self.change(
            n,
            |p| p.monitor == Monitor::Alive && p.run.is_some(),
            |p| {
                p.monitor = Monitor::Killed;
                if p.executor == Executor::Held {
                    // It waits on its standard input, which is closed now: it runs nothing.
                    p.executor = Executor::Ended(1);
                }
            },
        )
    }

    pub(crate) fn attach(&self, n: usize) -> String {
        let held = |p: &Process| p.executor == Executor::Held && p.monitor == Monitor::Alive;
        let Some(at) = self.process(n, held) else {
            return "nothing".into();
        };
        let process = self.world.truth().processes[at].clone();
        let written = self.store.attach(&process.attempt, &executor(at, process.pid));
        let process = &mut self.world.truth().processes[at];
        match &written {
            Ok(Written::Yes) => process.executor = Executor::Alive,
            Ok(Written::NotMine) => {
                (process.executor, process.monitor) = (Executor::Ended(1), Monitor::Stopped);
            }
            Err(_) => {}
        }
        format!("process {at}: {}", told(written))
    }

    pub(crate) fn beat(&self, n: usize) -> String {
        let Some(at) = self.process(n, |p| p.executor == Executor::Alive && p.run.is_some()) else {
            return "nothing".into();
        };
        let attempt = self.world.truth().processes[at].attempt.clone();
        told(self.store.beat(&attempt))
    }

    pub(crate) fn record_exit(&self, n: usize) -> String {
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
            truth.processes[at].recorded = Some(truth.shown());
        }
        format!("process {at}: {}", told(recorded))
    }
}
