//! Random plain statements of a program that knows nothing of Reaper: the mirrors stay true, whatever it writes.

use std::collections::BTreeMap;

use reaper_core::{JobId, JobSnapshot, RunId, Status, Timestamp};

use super::{
    Subject,
    scene::{Scene, code},
};
use crate::{
    Facts as _,
    foreign::{Foreign, ForeignJob, JobColumn, RunColumn, When},
    memory::MemoryStore,
};

/// What is compared of a row: its status, the pid and the run that are the attempt's own, the mirrored exit's code.
type Shown = (Status, Option<u32>, Option<RunId>, Option<i32>);

/// As many statements are sent for each seed.
const STATEMENTS: usize = 200;

/// A program, the same in a model, and what it has written.
struct World<'a> {
    scene: Scene<'a>,
    model: MemoryStore,
    dice: fastrand::Rng,
    jobs: Vec<(JobId, JobId)>,
    runs: Vec<(RunId, RunId)>,
}

/// A running row shows the exit of the run that is its own and no other, a row that waits none but a late finish.
///
/// Whatever a foreign program writes in whatever order. And every store makes the same of the same statements as the
/// one in memory.
pub fn random_statements_keep_the_mirrors_true(subject: &dyn Subject) {
    let mut mirrored = 0;
    for seed in [7, 20_260_504, 77_003] {
        let mut world = World {
            scene: Scene::of(subject),
            model: MemoryStore::new(Timestamp::UNIX_EPOCH),
            dice: fastrand::Rng::with_seed(seed),
            jobs: Vec::new(),
            runs: Vec::new(),
        };
        world.insert_job(None);
        for _ in 0..STATEMENTS {
            let said = world.statement();
            mirrored += world.check(&said);
        }
    }
    assert!(mirrored > 100, "the statements do bring exits onto rows: {mirrored}");
}

impl World<'_> {
    fn both(&self, write: impl Fn(&dyn Foreign, usize)) {
        write(self.scene.foreign(), 0);
        write(&self.model, 1);
    }

    fn job(&mut self) -> (JobId, JobId) {
        let n = self.dice.usize(0..self.jobs.len());
        self.jobs[n].clone()
    }

    /// A run, or sometimes none.
    fn run(&mut self) -> Option<(RunId, RunId)> {
        if self.dice.u8(0..6) == 0 {
            return None;
        }
        if self.runs.is_empty() || self.dice.u8(0..3) == 0 {
            let exit = self.exit();
            let when = self.when();
            let insert = |foreign: &dyn Foreign| foreign.insert_run(exit, when).expect("a foreign insert works");
            self.runs.push((insert(self.scene.foreign()), insert(&self.model)));
        }
        let n = self.dice.usize(0..self.runs.len());
        Some(self.runs[n].clone())
    }

    fn exit(&mut self) -> Option<i32> {
        self.dice.choice([None, None, Some(0), Some(1), Some(-9)]).flatten()
    }

    fn when(&mut self) -> When {
        self.dice
            .choice([When::Null, When::secs_ago(0), When::secs_ago(500), When::Unreadable])
            .unwrap_or_default()
    }

    fn status(&mut self) -> String {
        let words = ["queued", "running", "running", "running", "done", "failed", "paused"];
        self.dice.choice(words).unwrap_or("running").into()
    }

    /// Inserts a job, or replaces one.
    fn insert_job(&mut self, replaced: Option<(JobId, JobId)>) -> String {
        let (status, run, started_at) = (self.status(), self.run(), self.when());
        let pid = self.dice.choice([None, Some(1), Some(2)]).flatten();
        let row = |id: Option<JobId>, run: Option<RunId>| ForeignJob {
            id,
            run,
            pid,
            status: status.clone(),
            started_at,
            ..ForeignJob::default()
        };
        let (own, model) = run.unzip();
        let (own_id, model_id) = replaced.clone().unzip();
        let insert = |foreign: &dyn Foreign, row: ForeignJob| match &row.id {
            Some(_) => foreign.replace_job(&row).expect("a foreign replace works"),
            None => foreign.insert_job(&row).expect("a foreign insert works"),
        };
        let ids = (insert(self.scene.foreign(), row(own_id, own)), insert(&self.model, row(model_id, model)));
        let said = format!("insert or replace {ids:?} as {status} with pid {pid:?}");
        if replaced.is_none() {
            self.jobs.push(ids);
        }
        said
    }

    fn update_job(&mut self) -> String {
        let job = self.job();
        let mut columns = [Vec::new(), Vec::new()];
        let mut set = |column: JobColumn, of_model: Option<JobColumn>| {
            columns[1].push(of_model.unwrap_or_else(|| column.clone()));
            columns[0].push(column);
        };
        let which = self.dice.u8(1..16);
        if which & 1 != 0 {
            set(JobColumn::Status(self.status()), None);
        }
        if which & 2 != 0 {
            set(JobColumn::Pid(self.dice.choice([None, Some(1), Some(2)]).flatten()), None);
        }
        if which & 4 != 0 {
            let (own, model) = self.run().unzip();
            set(JobColumn::Run(own), Some(JobColumn::Run(model)));
        }
        if which & 8 != 0 {
            set(JobColumn::StartedAt(self.when()), None);
        }
        let [own, model] = &columns;
        self.scene.update(&job.0, own);
        self.model.update_job(&job.1, model).expect("a foreign update works");
        format!("update {job:?}: {own:?}")
    }

    fn update_run(&mut self) -> String {
        let Some((own, model)) = self.run() else { return String::new() };
        let (exit, when) = (self.exit(), self.when());
        let columns = match self.dice.u8(0..3) {
            0 => vec![RunColumn::ExitCode(exit)],
            1 => vec![RunColumn::FinishedAt(when)],
            _ => vec![RunColumn::ExitCode(exit), RunColumn::FinishedAt(when)],
        };
        let run = [&own, &model];
        self.both(|foreign, n| foreign.update_run(run[n], &columns).expect("a foreign update works"));
        format!("update run {own:?}: {columns:?}")
    }

    fn statement(&mut self) -> String {
        match self.dice.u8(0..20) {
            0 | 1 => self.insert_job(None),
            2 => {
                let job = self.job();
                self.insert_job(Some(job))
            }
            3 if self.jobs.len() > 1 => {
                let n = self.dice.usize(0..self.jobs.len());
                let (own, model) = self.jobs.swap_remove(n);
                let job = [&own, &model];
                self.both(|foreign, n| foreign.delete_job(job[n]).expect("a foreign delete works"));
                format!("delete {own:?}")
            }
            4..=11 => self.update_job(),
            _ => self.update_run(),
        }
    }

    /// Looks at every row, and says on how many an exit stands.
    fn check(&self, said: &str) -> usize {
        let runs: BTreeMap<_, _> = self.runs.iter().map(|(own, model)| (model, own)).collect();
        let mut mirrored = 0;
        for (own, model) in &self.jobs {
            let row = self.scene.row(own).ok();
            if let Some(row) = &row {
                mirrored += usize::from(row.exit.is_some());
                self.assert_true(row, said);
            }
            let modelled = self.model.job(model).expect("a read works").expect("the job is there").ok();
            let shown = row.as_ref().map(shown_of);
            let expected = modelled.as_ref().map(shown_of).map(|(status, pid, run, exit)| {
                (status, pid, run.map(|run| (*runs.get(&run).expect("the run is known")).clone()), exit)
            });
            if row.is_some_and(|row| matches!(row.status, Status::Running | Status::Queued)) {
                assert_eq!(shown, expected, "job {own} after {said}");
            }
        }
        mirrored
    }

    /// The mirror is the run's exit, or none where the run is not the attempt's own.
    fn assert_true(&self, row: &JobSnapshot, said: &str) {
        let recorded = row.run.as_ref().and_then(|run| self.scene.foreign().exit_code(run).expect("a read works"));
        let shown = code(row.exit);
        match row.status {
            Status::Running => assert_eq!(shown, recorded, "{row:?} after {said}"),
            Status::Queued => assert!(shown.is_none() || shown == recorded, "{row:?} after {said}"),
            Status::Done | Status::Failed => {}
        }
    }
}

fn shown_of(row: &JobSnapshot) -> Shown {
    (row.status, row.pid, row.run.clone(), code(row.exit))
}
