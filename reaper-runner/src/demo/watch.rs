//! Tells what happens as it happens, and how it ended.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver},
    },
    time::Duration,
};

use reaper_core::{Action, Alert, JobId};
use reaper_gate::{Notify, notify::NotifyError};
use reaper_store::{Outcome, history::Query};

use super::{Ground, checks::Check, scenes::Scene};
use crate::{
    PassReport, Reaper, SystemTime, Time,
    cli::{Exit, Failure, Out, Style},
    engine::locked,
    report::Settled,
};

/// What one sees of the demo.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    out: Out,
    time: Arc<SystemTime>,
    /// When each job's trouble began.
    broken: Arc<Mutex<BTreeMap<JobId, Duration>>>,
}

/// A pass, and when it was over.
pub(super) type Told = (PassReport, Duration);

impl Watch {
    pub(super) fn new(out: Out, time: Arc<SystemTime>) -> Self {
        Self { out, time, broken: Arc::default() }
    }

    /// Notes when a job's trouble began.
    pub(super) fn broke(&self, job: &JobId, at: Duration) {
        locked(&self.broken).insert(job.clone(), at);
    }

    /// A line for people.
    pub(super) fn say(&self, text: &str) -> Result<(), Failure> {
        if self.out.is_json() { Ok(()) } else { self.out.line(text) }
    }

    /// Something that happened to a job, with the time since the beginning.
    pub(super) fn event(&self, job: &JobId, what: &str) -> Result<(), Failure> {
        self.event_at(self.time.monotonic(), job, what)
    }

    fn event_at(&self, at: Duration, job: &JobId, what: &str) -> Result<(), Failure> {
        let at = format!("{:6.2} s", at.as_secs_f64());
        self.say(&format!("{}  job {job}  {what}", self.out.styled(Style::Faint, &at)))
    }

    /// Starts the reaper and passes its reports on.
    pub(super) fn start(&self, reaper: &Reaper) -> Result<Receiver<Told>, Failure> {
        let (sender, reports) = mpsc::channel();
        let time = Arc::clone(&self.time);
        reaper
            .start_with(move |report| {
                // Nobody watches any more.
                sender.send((report.clone(), time.monotonic())).ok();
            })
            .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        Ok(reports)
    }

    /// Tells what each pass did, until the condition holds. `false`: it took too long.
    pub(super) fn until(
        &self,
        reports: &Receiver<Told>,
        patience: Duration,
        condition: impl Fn() -> Result<bool, Failure>,
    ) -> Result<bool, Failure> {
        let began = self.time.monotonic();
        while self.time.monotonic().saturating_sub(began) < patience {
            // What was told meanwhile comes before what is looked at now.
            for (report, at) in reports.try_iter() {
                self.pass(&report, at)?;
            }
            if condition()? {
                return Ok(true);
            }
            if let Ok((report, at)) = reports.recv_timeout(Duration::from_millis(100)) {
                self.pass(&report, at)?;
            }
        }
        Ok(false)
    }

    /// Waits for so many ticks more. `false`: they did not come.
    pub(super) fn ticks(&self, reports: &Receiver<Told>, count: usize) -> Result<bool, Failure> {
        let mut seen = 0_usize;
        while seen < count {
            let Ok((report, at)) = reports.recv_timeout(Duration::from_secs(5)) else {
                return Ok(false);
            };
            seen = seen.saturating_add(usize::from(report.tick));
            self.pass(&report, at)?;
        }
        Ok(true)
    }

    fn pass(&self, report: &PassReport, at: Duration) -> Result<(), Failure> {
        if let Some(error) = &report.error {
            self.say(&self.out.styled(Style::Bad, &format!("the pass failed: {error}")))?;
        }
        for job in &report.asked {
            self.event_at(at, job, "exit 0 and nobody finalises it: its gate is asked")?;
        }
        for settled in &report.settled {
            self.event_at(at, &settled.job, &self.decision(settled, at))?;
        }
        Ok(())
    }

    fn decision(&self, settled: &Settled, at: Duration) -> String {
        let (style, what) = match (&settled.action, &settled.outcome) {
            (_, outcome) if *outcome != Some(Outcome::Won) => {
                (Style::Notice, "not settled, somebody else was first")
            }
            (Action::Done { .. }, _) => (Style::Good, "done, and its task moves on"),
            (Action::Requeue, _) => (Style::Good, "requeued"),
            (Action::Fail { .. }, _) => (Style::Bad, "failed for good"),
            (Action::Terminate, _) => (Style::Notice, "its executor is stopped first"),
            (Action::Keep | Action::AskGate { .. } | Action::Dismiss, _) => {
                (Style::Notice, settled.action.as_str())
            }
        };
        let rule = format!("rule {} {}", settled.rule.number(), settled.rule.as_str().replace('_', " "));
        let reason = settled.reason.as_str().replace('_', " ");
        let why =
            if reason == settled.rule.as_str().replace('_', " ") { rule } else { format!("{rule}, {reason}") };
        let seen = format!("executor: {}; monitor: {}", settled.executor.finding, settled.monitor.finding);
        let broken_at = locked(&self.broken).get(&settled.job).copied();
        let after = broken_at.map_or_else(String::new, |from| {
            format!(", {:.1} ms after", at.saturating_sub(from).as_secs_f64() * 1000.0)
        });
        format!(
            "{}{after} ({why})\n            {}",
            self.out.styled(style, what),
            self.out.styled(Style::Faint, &seen)
        )
    }

    /// Somebody to tell: whoever watches.
    pub(super) fn as_notify(&self) -> Arc<dyn Notify> {
        Arc::new(self.clone())
    }

    /// The way of each job, and the checks.
    pub(super) fn close(&self, scenes: &[Scene], ground: &Ground, checks: &[Check]) -> Result<(), Failure> {
        let mut ways = Vec::new();
        for scene in scenes {
            let mut way = vec!["queued".to_owned(), "running".to_owned()];
            for event in ground.store.events(&Query { job: Some(scene.job().clone()), since: None, limit: 100 })? {
                match event.to {
                    Some(to) if way.last() != Some(&to) => way.push(to),
                    Some(_) | None => way.push(format!("({})", event.action)),
                }
            }
            ways.push((scene.job().clone(), way.join(" → ")));
        }
        if self.out.is_json() {
            let ways: Vec<_> = ways.iter().map(|(job, way)| serde_json::json!({"job": job, "way": way})).collect();
            return self.out.line(&serde_json::json!({"jobs": ways, "checks": checks}).to_string());
        }
        self.say("\nThe way of each job")?;
        for (job, way) in ways {
            self.say(&format!("  job {job}  {way}"))?;
        }
        self.say("\nChecks")?;
        for check in checks {
            let (style, mark) = if check.holds { (Style::Good, "ok  ") } else { (Style::Bad, "FAIL") };
            self.say(&format!("  {}  {}", self.out.styled(style, mark), check.what))?;
        }
        Ok(())
    }
}

impl Notify for Watch {
    fn notify(&self, _: &str, alert: &Alert) -> Result<(), NotifyError> {
        let told = self.out.styled(Style::Notice, "somebody is told: ");
        let said = match &alert.job {
            Some(job) => self.event(job, &format!("{told}{}", alert.text)),
            None => self.say(&format!("{told}{}", alert.text)),
        };
        said.map_err(|failure| NotifyError::Again(failure.message))
    }
}
