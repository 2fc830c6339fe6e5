//! A case to begin from, for tests: each changes only what it is about.

use alloc::string::String;
use core::time::Duration;

use chrono::TimeDelta;

use crate::{
    Attempt, Bond, Certainty, Clock, Decision, Finding, JobSnapshot, Liveness, Observation, OnOverrun, Pipeline,
    Policy, ProcessIdentity, Sighting, Signature, Status, Timestamp, Verdict, decide,
    job::{Attach, Beat, Exit, Place, Task},
    pipeline::{Next, Stage},
    plan::Planned,
    policy::Limits,
};

pub(crate) const PROVED: Liveness = Liveness::Alive(Certainty::Verified);
pub(crate) const ALIVE: Liveness = Liveness::Alive(Certainty::Unverified);
pub(crate) const GONE: Liveness = Liveness::Dead(Certainty::Verified);
pub(crate) const DEAD: Liveness = Liveness::Dead(Certainty::Unverified);
pub(crate) const LEFT: Liveness = Liveness::Leftovers;
pub(crate) const ELSEWHERE: Liveness = Liveness::Elsewhere;
pub(crate) const UNKNOWN: Liveness = Liveness::Unknown;

/// All that a decision is made from.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) job: JobSnapshot,
    pub(crate) seen: Observation,
    pub(crate) clock: Clock,
    pub(crate) policy: Policy,
}

pub(crate) fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

pub(crate) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(crate) fn ago(n: u64) -> Timestamp {
    now() - TimeDelta::from_std(secs(n)).unwrap()
}

/// Job 7 of task 1 in stage `architecture`, which `developer` jobs leave through gate `ci`: running for 10 s by a
/// bare pid that exists, nothing known of its monitor, the policy all defaults.
pub(crate) fn case() -> Case {
    let place = Place { stage: "architecture".into(), version: 99.into() };
    let job = JobSnapshot {
        attempt: Attempt { job: 7.into(), fence: 4711.into() },
        status: Status::Running,
        agent: "developer".into(),
        repo: "orchestrator".into(),
        task: Some(Task { id: 1.into(), place: Some(place), branch: Some("feature/x".into()), work_item: None }),
        attempts: 1,
        max_attempts: 2,
        rescues: 0,
        run: Some(3.into()),
        pid: Some(4321),
        started_at: Some(ago(10)),
        exit: None,
        executor: None,
        monitor: None,
        attach: Attach::NotSaid,
        bond: Bond::Free,
        beat: None,
        terminating_at: None,
    };
    let policy = Policy { pipeline: pipeline(), ..Policy::default() };
    let mut case = Case { job, seen: Observation::NONE, clock: Clock::at(now()), policy };
    case.executor(ALIVE);
    case
}

/// `analysis`, `architecture` (gate `ci`), `development` (gate `ci`), `review`, `released` in this order, each
/// followed by the next. A `developer` leaves the second, a `fixer` the second and the fourth, a `reviewer` the
/// third and fourth, a `closer` the last.
pub(crate) fn pipeline() -> Pipeline {
    let names = ["analysis", "architecture", "development", "review", "released"];
    let agents = ["developer", "reviewer", "reviewer"].map(String::from);
    let stages = names.iter().enumerate().map(|(at, name)| Stage {
        name: (*name).into(),
        next: names.get(at + 1).map(|next| Next { stage: (*next).into(), agent: agents.get(at).cloned() }),
        gate: ["architecture", "development"].contains(name).then(|| "ci".into()),
    });
    let leaves = [
        ("developer", &["architecture"][..]),
        ("fixer", &["architecture", "review"]),
        ("reviewer", &["development", "review"]),
        ("closer", &["released"]),
    ];
    let agents = leaves.map(|(agent, stages)| (agent.into(), stages.iter().map(|s| String::from(*s)).collect()));
    Pipeline::new(stages.collect(), agents).unwrap()
}

/// An identity that cannot be mistaken.
pub(crate) fn identity(pid: u32) -> ProcessIdentity {
    ProcessIdentity {
        host: "build-1".into(),
        boot: "f00d".into(),
        pid_namespace: Some(4_026_531_836),
        pid,
        start_time: Some(815),
        inode: None,
    }
}

impl Case {
    pub(crate) fn decide(&self) -> Decision {
        decide(&self.job, &self.seen, &self.clock, &self.policy)
    }

    pub(crate) fn planned(&self) -> Planned {
        Planned { job: self.job.clone(), seen: self.seen.clone(), decision: self.decide() }
    }

    /// What was seen of the executor, with a finding that goes with it.
    pub(crate) fn executor(&mut self, liveness: Liveness) -> &mut Self {
        self.seen.executor = Sighting::new(liveness, finding(liveness));
        self
    }

    /// What was seen of the monitor.
    pub(crate) fn monitor(&mut self, liveness: Liveness) -> &mut Self {
        self.seen.monitor = Sighting::new(liveness, finding(liveness));
        self
    }

    /// The executor dead for this many ticks.
    pub(crate) fn dead(&mut self, liveness: Liveness, ticks: u32) -> &mut Self {
        self.seen.dead_ticks = ticks;
        self.executor(liveness)
    }

    pub(crate) fn exit(&mut self, code: i32, age: u64) -> &mut Self {
        self.job.exit = Some(Exit { code, at: ago(age) });
        self
    }

    pub(crate) fn status(&mut self, status: Status) -> &mut Self {
        self.job.status = status;
        self
    }

    pub(crate) fn age(&mut self, age: u64) -> &mut Self {
        self.job.started_at = Some(ago(age));
        self
    }

    pub(crate) fn agent(&mut self, agent: &str) -> &mut Self {
        self.job.agent = agent.into();
        self
    }

    pub(crate) fn stage(&mut self, stage: &str) -> &mut Self {
        self.job.task.as_mut().unwrap().place.as_mut().unwrap().stage = stage.into();
        self
    }

    pub(crate) fn verdict(&mut self, verdict: Verdict) -> &mut Self {
        self.seen.verdict = Some(verdict);
        self
    }

    pub(crate) fn red(&mut self) -> &mut Self {
        self.verdict(Verdict::Red("2 tests fail".into()))
    }

    pub(crate) fn attempts(&mut self, attempts: u32) -> &mut Self {
        self.job.attempts = attempts;
        self
    }

    pub(crate) fn rescues(&mut self, rescues: u32) -> &mut Self {
        self.job.rescues = rescues;
        self
    }

    pub(crate) fn terminating(&mut self, age: u64) -> &mut Self {
        self.job.terminating_at = Some(ago(age));
        self
    }

    pub(crate) fn beat(&mut self) -> &mut Self {
        self.job.beat = Some(Beat { count: 1, at: ago(1) });
        self
    }

    /// Nothing is recorded of an executor.
    pub(crate) fn no_sign(&mut self) -> &mut Self {
        self.job.pid = None;
        self.executor(UNKNOWN)
    }

    /// Taken under the attach contract, and no executor let go yet.
    pub(crate) fn not_let_go(&mut self) -> &mut Self {
        self.job.attach = Attach::Pending;
        self.no_sign()
    }

    /// Changes the general limits.
    pub(crate) fn limits(&mut self, change: impl FnOnce(&mut Limits)) -> &mut Self {
        change(&mut self.policy.limits);
        self
    }

    /// Gives an agent limits of its own.
    pub(crate) fn own(&mut self, agent: &str, change: impl FnOnce(&mut Limits)) -> &mut Self {
        let mut limits = Limits::default();
        change(&mut limits);
        self.policy.agents.insert(agent.into(), limits);
        self
    }

    pub(crate) fn fatal(&mut self, signature: Signature) -> &mut Self {
        self.limits(|limits| limits.exit.fail_on.extend([signature]))
    }

    pub(crate) fn fatal_code(&mut self, code: i32) -> &mut Self {
        self.limits(|limits| limits.exit.fail_on.extend([Signature::Code(code)]))
    }

    pub(crate) fn fatal_signal(&mut self, signal: i32) -> &mut Self {
        self.limits(|limits| limits.exit.fail_on.extend([Signature::Signal(signal)]))
    }

    pub(crate) fn start_timeout(&mut self, timeout: u64) -> &mut Self {
        self.limits(|limits| limits.start_timeout = Some(secs(timeout)))
    }

    pub(crate) fn on_overrun(&mut self, choice: OnOverrun) -> &mut Self {
        self.policy.on_overrun = choice;
        self
    }
}

fn finding(liveness: Liveness) -> Finding {
    match liveness {
        PROVED => Finding::Running,
        ALIVE => Finding::PidExists,
        GONE => Finding::Ended,
        DEAD => Finding::NoSuchProcess,
        LEFT => Finding::SessionLives(2),
        ELSEWHERE => Finding::OtherHost,
        UNKNOWN => Finding::NothingRecorded,
    }
}
