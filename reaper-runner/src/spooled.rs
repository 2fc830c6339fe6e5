//! A reaper's import of spooled exits.

use std::{collections::BTreeSet, path::PathBuf};

use reaper_core::{Clock, JobSnapshot, Mode, Policy};
use reaper_store::StoreError;

use crate::{
    engine::Engine,
    exec::spool::{Imported, WhyLeft},
    look::Memory,
    report::{Failure, PassReport},
};

/// What was said of the spool: it is said once.
#[derive(Debug, Default)]
pub(crate) struct Said {
    files: BTreeSet<PathBuf>,
    unreadable: bool,
}

impl Engine {
    /// Whether no exit of this host waits to be recorded.
    pub(crate) fn spool_is_empty(&self) -> bool {
        self.settings.spool.as_ref().is_none_or(crate::exec::Spool::is_empty)
    }

    /// Records the exits that supervisors of this host have spooled. They show on the jobs' rows, so only where those may
    /// be written. One that cannot be recorded is said, and hinders no other.
    pub(crate) fn import_exits(
        &self,
        memory: &mut Memory,
        report: &mut PassReport,
    ) -> Result<Imported, StoreError> {
        let imported = match &self.settings.spool {
            Some(spool)
                if !spool.is_empty() && self.settings.mode.min(self.parts.store.mode()?) == Mode::Enforce =>
            {
                spool.import(self.parts.store.as_ref(), self.parts.probe.as_ref())?
            }
            Some(_) | None => Imported::default(),
        };
        // Only the spool knew that they were killed for want of memory.
        memory.observations.note_out_of_memory(imported.out_of_memory.clone());
        memory.said.tell(&imported, report);
        Ok(imported)
    }
}

/// Whether nobody may act on a job as if all were known of its exit. One that cannot be read is waited for until the
/// attempt is at its ceiling, as whatever else cannot be told.
pub(crate) fn is_awaited(imported: &Imported, job: &JobSnapshot, clock: &Clock, policy: &Policy) -> bool {
    let under_ceiling = || {
        let ceiling = policy.limits_for(&job.agent).max_running;
        job.started_at.is_some_and(|started| clock.age(started) < ceiling)
    };
    let attempt = &job.attempt;
    imported.awaits(attempt) || job.exit.is_none() && imported.cannot_read(attempt) && under_ceiling()
}

impl Said {
    fn tell(&mut self, imported: &Imported, report: &mut PassReport) {
        if let Some(why) = imported.unreadable.as_ref().filter(|_| !self.unreadable) {
            tracing::error!(why, "the spool cannot be read: exits of this host may wait there");
        }
        self.unreadable = imported.unreadable.is_some();
        // What was not read this time may be what was said.
        if imported.unread.is_empty() {
            let left: BTreeSet<_> = imported.left.iter().map(|left| &left.path).collect();
            self.files.retain(|path| left.contains(path));
        }
        for left in imported.left.iter().filter(|left| left.why != WhyLeft::ToMonitor) {
            if self.files.insert(left.path.clone()) {
                let (path, why) = (left.path.display(), &left.why);
                let attempt = left.attempt.as_ref().map(tracing::field::display);
                tracing::error!(%path, attempt, %why, "a spooled exit cannot be recorded, and is kept");
                let job = left.attempt.as_ref().map(|attempt| attempt.job.clone());
                let problem = format!("its exit cannot be recorded: {why}");
                report.failures.extend(job.map(|job| Failure { job, problem }));
            }
        }
    }
}
