//! The processes of this host that carry an attempt in their environment.

use std::time::Duration;

use reaper_core::{Attempt, Fence, JobId, ProcessIdentity, job::Key};
use rustix::{
    param::clock_ticks_per_second,
    process::Pid,
    time::{ClockId, clock_gettime},
};

use super::{here::Here, stat::Stat};
use crate::{
    gate::GATE_VARIABLE,
    liveness::{ATTEMPT_VARIABLE, Carrier},
};

impl Here {
    /// Leaders of a session or a group that carry an attempt, see [`crate::liveness::Stop::executors`].
    pub(in super::super) fn executors(&self) -> Vec<(Attempt, ProcessIdentity)> {
        let leaders = self.carriers().into_iter().filter(|carrier| carrier.leads);
        leaders.map(|carrier| (carrier.attempt, carrier.identity)).collect()
    }

    /// See [`crate::liveness::LocalStop::carriers`].
    pub(in super::super) fn carriers(&self) -> Vec<Carrier> {
        let pids = self.table.pids().unwrap_or_default();
        pids.into_iter().filter_map(|pid| self.carrier(pid)).collect()
    }

    fn carrier(&self, pid: Pid) -> Option<Carrier> {
        let attempt = attempt(&self.table.variable(pid, ATTEMPT_VARIABLE)?)?;
        if self.table.variable(pid, GATE_VARIABLE).is_some() {
            return None;
        }
        let number = pid.as_raw_pid();
        let identity = self.identify(u32::try_from(number).ok()?).ok()?;
        let stat = self.table.stat(pid).ok().flatten()?;
        let leads = stat.session == number || stat.group == number;
        let (state, command) = (char::from(stat.state), self.table.command(pid));
        // Read again once it is identified: what was read before may have been of another process with that number.
        let same = self.table.was_started_with(pid, ATTEMPT_VARIABLE, &attempt.to_string());
        same.then(|| Carrier { attempt, identity, leads, state, age: age(&stat), command })
    }
}

/// For how long a process has lived. Of use to people alone: a time namespace may shift it.
fn age(stat: &Stat) -> Option<Duration> {
    let now = clock_gettime(ClockId::Boottime);
    let now = Duration::from_secs(u64::try_from(now.tv_sec).ok()?);
    let started = Duration::from_secs(stat.start_time.checked_div(clock_ticks_per_second())?);
    Some(now.saturating_sub(started))
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
