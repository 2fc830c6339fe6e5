//! The executors that live on this host, found by what they carry in their environment.

use reaper_core::{Attempt, Fence, JobId, ProcessIdentity, job::Key};
use rustix::process::Pid;

use super::here::Here;
use crate::{gate::GATE_VARIABLE, liveness::ATTEMPT_VARIABLE};

impl Here {
    /// Leaders of a session or a group that carry an attempt, see [`crate::liveness::Stop::executors`].
    pub(in super::super) fn executors(&self) -> Vec<(Attempt, ProcessIdentity)> {
        let pids = self.table.pids().unwrap_or_default();
        pids.into_iter().filter_map(|pid| self.executor(pid)).collect()
    }

    fn executor(&self, pid: Pid) -> Option<(Attempt, ProcessIdentity)> {
        let stat = self.table.stat(pid).ok().flatten()?;
        let number = pid.as_raw_pid();
        if stat.session != number && stat.group != number {
            return None;
        }
        let attempt = attempt(&self.table.variable(pid, ATTEMPT_VARIABLE)?)?;
        if self.table.variable(pid, GATE_VARIABLE).is_some() {
            return None;
        }
        let identity = self.identify(u32::try_from(number).ok()?).ok()?;
        // Read again once it is identified: what was read before may have been of another process with that number.
        let same = self.table.was_started_with(pid, ATTEMPT_VARIABLE, &attempt.to_string());
        same.then_some((attempt, identity))
    }
}

/// An attempt from the form `job:fence`. The fence is what follows the last colon.
fn attempt(text: &str) -> Option<Attempt> {
    let (job, fence) = text.rsplit_once(':').filter(|(job, fence)| !job.is_empty() && !fence.is_empty())?;
    let key = |text: &str| text.parse::<Key>().ok();
    Some(Attempt { job: JobId(key(job)?), fence: Fence(key(fence)?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_read_as_it_is_printed() {
        let read = attempt("7:12").unwrap();
        assert_eq!((read.job, read.fence), (JobId::from(7), Fence::from(12)));
        assert_eq!(attempt("a:b:12").unwrap().to_string(), "a:b:12");
        for text in ["", ":", "7", "7:", ":7"] {
            assert_eq!(attempt(text), None, "{text}");
        }
    }
}
