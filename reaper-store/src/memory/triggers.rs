//! What the triggers of a database do, whoever writes: fences, inherited values, the exit's mirror, the stage's
//! version. Nobody else writes those.

use reaper_core::{JobId, RunId, Status, TaskId, Timestamp, job::Exit};

use super::tables::{Inherited, JobRow, Mirror, RunRow, Tables, TaskRow, missing};
use crate::{StoreError, draw::draw, history::Event};

impl Tables {
    /// INSERT of a job.
    pub(super) fn insert_job(&mut self, id: JobId, mut row: JobRow) {
        // Drawn for a waiting row as well: a person may settle it, and its id may have been another's.
        row.added.fence = draw();
        if row.is(Status::Running) {
            row.added.entered = Some(self.now);
            // Its exit may have been recorded before the row was made.
            row.added.exit = self.exit_of(&row);
        }
        self.jobs.insert(id, row);
    }

    /// UPDATE of a job.
    pub(super) fn update_job(&mut self, id: &JobId, change: impl FnOnce(&mut JobRow)) -> Result<(), StoreError> {
        let before = self.jobs.get(id).cloned().ok_or_else(|| missing("job", &id.0))?;
        self.refuse(id)?;
        let mut row = before.clone();
        change(&mut row);
        let entered = |status| !before.is(status) && row.is(status);
        let (enters_running, enters_queued) = (entered(Status::Running), entered(Status::Queued));
        let same = Inherited {
            run: row.run == before.run,
            pid: row.pid == before.pid,
            started_at: row.started_at == before.started_at,
        };
        if enters_running {
            row.added.fence = draw();
            row.added.entered = Some(self.now);
            // Left behind by the attempt before: none of it says anything about this one.
            row.added.inherited = same;
            row.added.exit = None;
            row.clear_processes();
        } else {
            let was = before.added.inherited;
            row.added.inherited = Inherited {
                run: was.run && same.run,
                pid: was.pid && same.pid,
                started_at: was.started_at && same.started_at,
            };
        }
        if enters_queued {
            row.added.exit = None;
            row.clear_processes();
        }
        if row.is(Status::Running) && !same.run {
            row.added.exit = self.exit_of(&row);
        }
        self.jobs.insert(id.clone(), row);
        Ok(())
    }

    /// UPDATE of a run.
    pub(super) fn update_run(&mut self, id: &RunId, change: impl FnOnce(&mut RunRow)) -> Result<(), StoreError> {
        let before = self.runs.get(id).cloned().ok_or_else(|| missing("run", &id.0))?;
        let mut run = before.clone();
        change(&mut run);
        // On a queued row only an exit that was not there before is mirrored, and what corrects it: a late finish. A
        // rewrite of one that the requeue has seen is none.
        let late = before.exit_code.is_none() && run.exit_code.is_some();
        let mirrors = |job: &JobRow| {
            let is_late = late || job.added.exit.is_some();
            job.own_run() == Some(id) && (job.is(Status::Running) || (is_late && job.is(Status::Queued)))
        };
        for (job, _) in self.jobs.iter().filter(|(_, job)| mirrors(job)) {
            self.refuse(job)?;
        }
        for job in self.jobs.values_mut().filter(|job| mirrors(job)) {
            job.added.exit = mirror(&run, job.added.exit, self.now);
        }
        if let Some(code) = run.exit_code.filter(|_| late) {
            self.mark_late(id, code);
        }
        self.runs.insert(id.clone(), run);
        Ok(())
    }

    /// An exit of an attempt that a reaper has requeued without one, and whose job was taken again, is noted on that
    /// rescue.
    fn mark_late(&mut self, run: &RunId, code: i32) {
        let (jobs, marks, at) = (&self.jobs, &self.marks, self.now);
        let moved_on = |event: &Event| {
            let row = event.job.as_ref().and_then(|job| jobs.get(job));
            row.is_some_and(|row| event.fence != Some(row.added.fence.into()))
        };
        let of_run = |event: &Event| marks.get(&event.id).is_some_and(|mark| mark.run.as_ref() == Some(run));
        for event in self.events.iter_mut().filter(|event| event.late.is_none()) {
            if of_run(event) && moved_on(event) {
                event.late = Some(Exit { code, at });
            }
        }
    }

    /// INSERT of a task.
    pub(super) fn insert_task(&mut self, id: TaskId, mut row: TaskRow) {
        row.version = draw();
        self.tasks.insert(id, row);
    }

    /// UPDATE of a task's stage.
    pub(super) fn update_stage(&mut self, id: &TaskId, stage: &str) -> Result<(), StoreError> {
        let task = self.tasks.get_mut(id).ok_or_else(|| missing("task", &id.0))?;
        if task.stage != stage {
            task.stage = stage.into();
            task.version = draw();
        }
        Ok(())
    }

    fn exit_of(&self, job: &JobRow) -> Option<Mirror> {
        let run = self.runs.get(job.run.as_ref()?)?;
        mirror(run, None, self.now)
    }
}

/// A run's exit as the job's row shows it. The instant at which a code was seen stays as long as the code does.
fn mirror(run: &RunRow, shown: Option<Mirror>, now: Timestamp) -> Option<Mirror> {
    let code = run.exit_code?;
    let seen = shown.filter(|shown| shown.code == code).map_or(now, |shown| shown.seen);
    Some(Mirror { code, finished_at: run.finished_at, seen })
}
