//! The eight jobs: what is done to each, and how it must end.

use reaper_core::{Attempt, JobId, Status};
use reaper_store::{
    Claim, Outcome, Settlement,
    attempts::{Launcher, NewJob, NewTask, Taken, Wants},
    claims::{Actor as By, EventId},
};

use super::{Ground, cast::Actor, failed};
use crate::cli::{Exit, Failure};

/// What happens to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing.
    Healthy,
    /// Its executor is killed.
    ExecutorKilled,
    /// Its monitor is killed, and then its executor.
    BothKilled,
    /// Its work ends with this code, and its monitor is killed right after it has recorded that.
    MonitorKilled { code: u8 },
    /// It takes longer than it may.
    Overrun,
    /// Its work ends well, and its monitor hangs and comes back when the reaper has settled the job.
    LateMonitor,
}

/// A job, its processes, and how it must end.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) title: String,
    pub(super) fate: Fate,
    pub(super) taken: Taken,
    pub(super) executor: Actor,
    pub(super) monitor: Option<Actor>,
    pub(super) ends: Status,
    /// What became of the late monitor's own claim.
    pub(super) late: Option<Outcome>,
}

/// What a scene is made of.
struct Plot {
    title: &'static str,
    agent: &'static str,
    work_item: Option<&'static str>,
    max_attempts: u32,
    fate: Fate,
    ends: Status,
}

const PLOTS: [Plot; 8] = [
    Plot { title: "is healthy and stays so", ..plot(Fate::Healthy, Status::Running) },
    Plot { title: "will lose its executor", ..plot(Fate::ExecutorKilled, Status::Queued) },
    Plot { title: "will lose its executor and its monitor", ..plot(Fate::BothKilled, Status::Queued) },
    Plot {
        title: "will end well, and lose its monitor before the pipeline moves on",
        work_item: Some("DEMO-1"),
        ..plot(Fate::MonitorKilled { code: 0 }, Status::Done)
    },
    Plot { title: "may run for 1 s and will run longer", agent: "slow", ..plot(Fate::Overrun, Status::Queued) },
    Plot {
        title: "will end well, lose its monitor, and have a red gate",
        work_item: Some("DEMO-RED"),
        ..plot(Fate::MonitorKilled { code: 0 }, Status::Queued)
    },
    Plot {
        title: "will fail in its last attempt, and lose its monitor",
        max_attempts: 1,
        ..plot(Fate::MonitorKilled { code: 3 }, Status::Failed)
    },
    Plot {
        title: "will end well, and its monitor will hang and come back too late",
        work_item: Some("DEMO-2"),
        ..plot(Fate::LateMonitor, Status::Done)
    },
];

const fn plot(fate: Fate, ends: Status) -> Plot {
    Plot { title: "", agent: "developer", work_item: None, max_attempts: 2, fate, ends }
}

/// Enqueues, takes and starts all of them.
pub(super) fn set(ground: &Ground) -> Result<Vec<Scene>, Failure> {
    PLOTS.iter().map(|plot| Scene::set(ground, plot)).collect()
}

impl Scene {
    fn set(ground: &Ground, plot: &Plot) -> Result<Self, Failure> {
        let store = &ground.store;
        let task = plot.work_item.map(|item| {
            store.add_task(&NewTask {
                repo: "demo".into(),
                work_item: Some(item.into()),
                branch: Some("feature/demo".into()),
                stage: "architecture".into(),
            })
        });
        store.enqueue(&NewJob {
            agent: plot.agent.into(),
            repo: "demo".into(),
            task: task.transpose()?,
            max_attempts: plot.max_attempts,
            source_key: None,
            payload: None,
        })?;
        let monitor = match plot.fate {
            Fate::BothKilled | Fate::MonitorKilled { .. } => Some(Actor::sleeper(ground)?),
            Fate::Healthy | Fate::ExecutorKilled | Fate::Overrun | Fate::LateMonitor => None,
        };
        let own = ground.probe.identify_self().map_err(|error| failed("cannot identify this process", &error))?;
        let watcher = monitor.as_ref().map_or(&own, |monitor| &monitor.identity);
        let taken = store
            .take(&Wants::Any, &Launcher::free(watcher.clone()))?
            .ok_or_else(|| Failure::new(Exit::Failed, "the job that was enqueued could not be taken"))?;
        let executor = match plot.fate {
            Fate::MonitorKilled { code } => Actor::worker(ground, code)?,
            Fate::LateMonitor => Actor::worker(ground, 0)?,
            Fate::Healthy | Fate::ExecutorKilled | Fate::BothKilled | Fate::Overrun => Actor::sleeper(ground)?,
        };
        let attached = store.attach(&taken.job.attempt, &executor.identity)?;
        if attached != reaper_store::attempts::Written::Yes {
            return Err(Failure::new(Exit::Failed, "the executor could not be attached"));
        }
        let title = plot.title.to_owned();
        Ok(Self { title, fate: plot.fate, taken, executor, monitor, ends: plot.ends, late: None })
    }

    pub(super) fn job(&self) -> &JobId {
        &self.attempt().job
    }

    pub(super) fn attempt(&self) -> &Attempt {
        &self.taken.job.attempt
    }

    /// Does to it what its fate says, and tells what was done.
    pub(super) fn break_it(&mut self, ground: &Ground) -> Result<Vec<String>, Failure> {
        match self.fate {
            Fate::Healthy => Ok(Vec::new()),
            Fate::Overrun => Ok(vec![format!("its executor (pid {}) just goes on", self.executor.pid())]),
            Fate::ExecutorKilled => {
                self.executor.kill()?;
                Ok(vec![format!("its executor (pid {}) was killed", self.executor.pid())])
            }
            Fate::BothKilled => {
                let mut done = Vec::new();
                if let Some(monitor) = &mut self.monitor {
                    monitor.kill()?;
                    done.push(format!("its monitor (pid {}) was killed", monitor.pid()));
                }
                self.executor.kill()?;
                done.push(format!("its executor (pid {}) was killed", self.executor.pid()));
                Ok(done)
            }
            Fate::MonitorKilled { .. } | Fate::LateMonitor => {
                let code = self.executor.let_go()?;
                let recorded = ground.store.record_exit(&self.taken.run, code)?;
                if recorded != reaper_store::attempts::Recorded::New {
                    return Err(Failure::new(Exit::Failed, "the exit could not be recorded"));
                }
                let mut done = vec![format!("its work ended with {code}, which was recorded")];
                match &mut self.monitor {
                    Some(monitor) => {
                        monitor.kill()?;
                        done.push(format!("its monitor (pid {}) was killed", monitor.pid()));
                    }
                    None => done.push("its monitor hangs".to_owned()),
                }
                Ok(done)
            }
        }
    }

    /// Whether a death alone is enough to settle it.
    pub(super) const fn is_settled_at_once(&self) -> bool {
        match self.fate {
            Fate::BothKilled | Fate::MonitorKilled { .. } => true,
            Fate::Healthy | Fate::ExecutorKilled | Fate::Overrun | Fate::LateMonitor => false,
        }
    }

    /// Whether the job is where it must end.
    pub(super) fn is_settled(&self, ground: &Ground) -> Result<bool, Failure> {
        Ok(self.status(ground)? == Some(self.ends))
    }

    /// The job's status; `None` if its row is gone or does not parse.
    pub(super) fn status(&self, ground: &Ground) -> Result<Option<Status>, Failure> {
        Ok(ground.store.job(self.job())?.and_then(Result::ok).map(|job| job.status))
    }

    /// The late monitor comes back and tries to finish its job.
    pub(super) fn come_late(&mut self, ground: &Ground) -> Result<Option<String>, Failure> {
        if self.fate != Fate::LateMonitor {
            return Ok(None);
        }
        let claim = Claim {
            event: EventId::draw(),
            attempt: self.attempt().clone(),
            basis: self.taken.job.basis(),
            settlement: Settlement::Done,
            by: By::Monitor,
            rule: String::new(),
            reason: "the monitor's own finish".into(),
            evidence: serde_json::Value::Null,
            death: None,
            effect: None,
        };
        let outcome = ground.store.settle(&[claim])?.into_iter().next();
        let said = match &outcome {
            Some(Outcome::Lost) => "its monitor came back, tried to finish it, and lost: it does nothing more",
            Some(Outcome::Won) => "its monitor came back and finished it a second time",
            Some(Outcome::Forbidden(_) | Outcome::Refused(_)) | None => "its monitor came back and was refused",
        };
        self.late = outcome;
        Ok(Some(said.to_owned()))
    }
}
