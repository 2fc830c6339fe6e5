//! The jobs table: what the triggers do, what a row says to the production's functions, and the one conditional write.

use std::time::Duration;

use reaper_core::{
    Action, Attempt, Bond, Certainty, Clock, Decision, Effect, Finding, JobSnapshot, Liveness, Mode, Observation,
    ProcessIdentity, Rule, Sighting, Status, Timestamp, Verdict, decide,
    job::{Attach, Exit, Place, Task},
    plan::Planned,
};
use reaper_runner::claim::claim_of;
use reaper_store::{Claim, Settlement, Standing, claims::Actor};

use super::{
    cast::Protocol,
    mutation::Mutation,
    state::{Answer, Broken, Executor, Fate, Monitor, Order, Plan, Row, Seen, Stage, State},
};

/// The length of the model's hour: the grace of a recorded exit.
pub(crate) const HOUR: Duration = Duration::from_secs(300);

/// An instant of the model on the database's clock.
pub(crate) fn at(hour: u8) -> Timestamp {
    Timestamp::UNIX_EPOCH + HOUR * u32::from(hour)
}

fn identity(number: u8, start_time: u64) -> ProcessIdentity {
    ProcessIdentity {
        host: "here".into(),
        boot: "b00t".into(),
        pid_namespace: None,
        pid: number.into(),
        start_time: Some(start_time),
        inode: None,
    }
}

/// Whose jobs these are: the first is the developer's, those that advances enqueue are the tester's.
const fn agent(job: u8) -> &'static str {
    if job == 0 { "developer" } else { "tester" }
}

/// A row as a load gives it.
pub(crate) fn snapshot(job: u8, row: &Row, (stage, version): (Stage, u8)) -> JobSnapshot {
    let process = |number: u8, start| identity(number, start + u64::from(number));
    JobSnapshot {
        attempt: Attempt { job: i64::from(job).into(), fence: i64::from(row.fence).into() },
        status: row.status,
        agent: agent(job).into(),
        repo: "shop".into(),
        task: Some(Task {
            id: 1.into(),
            place: Some(Place { stage: stage.name().into(), version: i64::from(version).into() }),
            branch: None,
            work_item: None,
        }),
        attempts: row.attempts.into(),
        max_attempts: 0,
        rescues: row.rescues.into(),
        run: row.run.filter(|_| !row.run_inherited).map(|run| i64::from(run).into()),
        pid: row.pid.filter(|_| !row.pid_inherited).map(u32::from),
        started_at: (row.status == Status::Running).then(|| at(row.started)),
        exit: row.exit.map(|(code, hour)| Exit { code: code.into(), at: at(hour) }),
        executor: row.executor.map(|number| process(number, 100)),
        monitor: row.monitor.map(|number| process(number, 200)),
        attach: row.attach,
        bond: Bond::Free,
        beat: None,
        terminating_at: row.terminating.map(at),
    }
}

impl Protocol {
    /// A row as a load gives it, with the cast's caps.
    pub(crate) fn snapshot(&self, job: u8, row: &Row, place: (Stage, u8)) -> JobSnapshot {
        JobSnapshot { max_attempts: self.cast.max_attempts.into(), ..snapshot(job, row, place) }
    }

    /// The production's decision on what a plan has read and seen.
    pub(crate) fn decide(&self, plan: &Plan, by: Actor) -> Planned {
        let job = self.snapshot(plan.job, &plan.row, plan.place);
        let seen = observation(&plan.seen);
        let policy = if by == Actor::Monitor { &self.monitors } else { &self.reapers };
        let mut decision: Decision = decide(&job, &seen, &Clock::at(at(plan.at)), policy);
        let by_death = matches!(decision.rule, Rule::NobodyLeft | Rule::ExecutorDead);
        if self.mutation == Some(Mutation::DeadKept) && by_death {
            decision.action = Action::Keep;
        }
        Planned { job, seen, decision }
    }

    /// A fence for a row: random bits, of which all that counts is that none comes twice.
    fn draw(&self, state: &mut State, counted: u8) -> u8 {
        if self.mutation == Some(Mutation::CountedFence) {
            return counted + 1;
        }
        state.fences += 1;
        state.fences
    }

    /// INSERT of a queued job.
    pub(crate) fn insert(&self, state: &mut State) -> Row {
        let fence = self.draw(state, 0);
        let truly = begin(state);
        Row::queued(fence, truly)
    }

    /// UPDATE of a row into `running`, by whomever; `change` is what the statement sets beside the status.
    pub(crate) fn enter_running(&self, state: &mut State, job: usize, change: impl FnOnce(&mut Row)) -> u8 {
        let before = state.rows[job];
        let mut row = before;
        change(&mut row);
        let believes = self.mutation == Some(Mutation::InheritedPid);
        row.run_inherited = row.run.is_some() && row.run == before.run && !believes;
        row.pid_inherited = row.pid.is_some() && row.pid == before.pid && !believes;
        row.status = Status::Running;
        row.fence = self.draw(state, before.fence);
        row.truly = begin(state);
        row.started = state.now;
        row.exit = None;
        clear_processes(&mut row);
        state.rows[job] = row;
        row.truly
    }

    /// The claim: the production's guard on the row as it stands, and the writes of whoever wins. `None`: lost.
    pub(crate) fn settle(&self, state: &mut State, plan: &Plan, by: Actor) -> Option<Won> {
        let planned = self.decide(plan, by);
        let policy = if by == Actor::Monitor { &self.monitors } else { &self.reapers };
        let mut claim = claim_of(&planned, policy, by, 0)?;
        if let (Actor::Monitor, Settlement::Requeue { wait, .. }) = (by, claim.settlement) {
            claim.settlement = Settlement::Requeue { wait, rescue_cap: None };
        }
        let job = usize::from(plan.job);
        let row = state.rows[job];
        if !self.guard(state, &mut claim, &row, plan.job) {
            state.seldom.lost = true;
            return None;
        }
        let order = match &claim.effect {
            Some(Effect::Advance(order)) => Some(Order {
                truly: row.truly,
                from: Stage::of(&order.from),
                version: plan.place.1,
                to: Stage::of(&order.to),
                delivered: false,
            }),
            Some(Effect::Alert(_)) | None => None,
        };
        self.judge(state, plan, &claim, by);
        write(&mut state.rows[job], &claim, state.now);
        state.changes += 1;
        let mut won = Won { order: None, event: false };
        if self.mutation == Some(Mutation::EventApart) && by == Actor::Reaper {
            won.event = true;
        } else {
            state.events += 1;
        }
        if let Some(order) = order {
            state.won.push(order.version);
            if self.mutation == Some(Mutation::NoOutbox) && by == Actor::Reaper {
                won.order = Some(order);
            } else if !state.outbox.iter().any(|known| known.truly == order.truly) {
                state.outbox.push(order);
            }
        }
        if claim.settlement == Settlement::Terminate {
            state.fates[usize::from(row.truly)].announced = true;
        }
        Some(won)
    }

    /// The production's guard; a mutation leaves a part of it out by making the claim say what the row says.
    fn guard(&self, state: &State, claim: &mut Claim, row: &Row, job: u8) -> bool {
        let stands = self.snapshot(job, row, state.place);
        match self.mutation {
            Some(Mutation::IdOnly) => return true,
            Some(Mutation::NoFence) => claim.attempt = stands.attempt.clone(),
            Some(Mutation::ExitNotInBasis) => claim.basis.exit = stands.exit,
            _ => {}
        }
        let mode = if self.mutation == Some(Mutation::ModeAtLook) { Mode::Enforce } else { state.mode };
        let mut others = state.rows.iter().enumerate().filter(|(other, _)| *other != usize::from(job));
        let executor_is_shared = row.executor.is_some()
            && others.any(|(_, other)| other.status == Status::Running && other.executor == row.executor);
        !claim.is_forbidden_in(mode) && claim.holds_for(&Standing { executor_is_shared, ..Standing::of(&stands) })
    }

    /// Compares a claim that is won with what is really so.
    fn judge(&self, state: &mut State, plan: &Plan, claim: &Claim, by: Actor) {
        let row = state.rows[usize::from(plan.job)];
        if plan.row.truly != row.truly {
            state.breaks(Broken::I4);
        }
        let settles = matches!(claim.settlement, Settlement::Done | Settlement::Requeue { .. } | Settlement::Fail);
        if settles {
            self.count(state, &row);
        }
        let advances = matches!(claim.effect, Some(Effect::Advance(_)));
        if advances && plan.seen.said != Some(Answer::Green) {
            state.breaks(Broken::I6);
        }
        if by != Actor::Reaper {
            return;
        }
        let running = row.status == Status::Running;
        if running && state.executor_lives(row.truly) && state.now - row.started < self.cast.ceiling {
            state.breaks(Broken::I1);
        }
        let young = row.exit.is_some_and(|(_, hour)| state.now - hour < 1);
        if young && state.monitor_lives(row.truly) {
            state.breaks(Broken::I2);
        }
        let requeues = matches!(claim.settlement, Settlement::Requeue { .. });
        if requeues && (row.attempts >= self.cast.max_attempts || row.rescues >= self.cast.max_rescues) {
            state.breaks(Broken::I8);
        }
        if state.mode != Mode::Enforce {
            state.breaks(Broken::I10);
        }
    }

    /// Counts a settlement of an attempt: one, and a late finish after a requeue that nobody has used.
    pub(crate) fn count(&self, state: &mut State, row: &Row) {
        let fate: &mut Fate = &mut state.fates[usize::from(row.truly)];
        match row.status {
            Status::Running => fate.settled += 1,
            Status::Queued => fate.late += 1,
            Status::Done | Status::Failed => fate.settled = u8::MAX,
        }
        if fate.settled > 1 || fate.late > 1 || (fate.late == 1 && fate.settled == 0) {
            state.breaks(Broken::I3);
        } else if row.status == Status::Queued {
            state.seldom.late_finish = true;
        }
    }

    /// An exit is recorded in a run, once, and mirrored.
    pub(crate) fn record(&self, state: &mut State, run: u8, code: i8) {
        let recorded = &mut state.runs[usize::from(run)];
        if recorded.is_some() {
            return;
        }
        *recorded = Some(code);
        let now = state.now;
        for row in state.rows.iter_mut().filter(|row| row.run == Some(run) && !row.run_inherited) {
            if matches!(row.status, Status::Running | Status::Queued) {
                row.exit = Some((code, now));
            }
        }
    }
}

/// What whoever won a claim holds in its head, where a mutation keeps it there.
#[derive(Debug)]
pub(crate) struct Won {
    pub(crate) order: Option<Order>,
    pub(crate) event: bool,
}

/// What is seen of an attempt's processes: by identity for certain, by a bare pid as far as that tells.
pub(crate) fn sight(state: &State, row: &Row) -> Seen {
    let pid = row.pid.filter(|_| !row.pid_inherited);
    let executor = match (row.executor, pid) {
        (Some(number), _) => match state.processes[usize::from(number)].executor {
            Executor::Held | Executor::Alive => Liveness::Alive(Certainty::Verified),
            Executor::Ended(_) => Liveness::Dead(Certainty::Verified),
        },
        (None, Some(pid)) if has_pid(state, pid) => Liveness::Alive(Certainty::Unverified),
        (None, Some(_)) => Liveness::Dead(Certainty::Unverified),
        (None, None) => Liveness::Unknown,
    };
    let monitor = row.monitor.map(|number| state.processes[usize::from(number)].monitor);
    let monitor = match monitor {
        None => Liveness::Unknown,
        Some(Monitor::Killed) => Liveness::Dead(Certainty::Verified),
        Some(Monitor::Waits | Monitor::Recorded | Monitor::Stopped) => Liveness::Alive(Certainty::Verified),
    };
    Seen { executor, monitor, dead_ticks: 0, verdict: None, said: None }
}

/// Whether a process has this number.
pub(crate) fn has_pid(state: &State, pid: u8) -> bool {
    state.processes.iter().any(|process| process.pid == pid && process.executor == Executor::Alive)
}

fn observation(seen: &Seen) -> Observation {
    Observation {
        executor: Sighting::new(seen.executor, Finding::Running),
        monitor: Sighting::new(seen.monitor, Finding::Running),
        dead_ticks: seen.dead_ticks,
        verdict: seen.verdict.map(|answer| match answer {
            Answer::Green => Verdict::Green,
            Answer::Red => Verdict::Red(String::new()),
            Answer::Undecided => Verdict::Undecided(String::new()),
        }),
        ..Observation::NONE
    }
}

/// Another attempt begins.
fn begin(state: &mut State) -> u8 {
    let truly = state.attempts;
    state.attempts += 1;
    state.fates.push(Fate::default());
    truly
}

fn write(row: &mut Row, claim: &Claim, now: u8) {
    match claim.settlement {
        Settlement::Done => row.status = Status::Done,
        Settlement::Requeue { rescue_cap, .. } => {
            put_back(row);
            row.rescues += u8::from(rescue_cap.is_some());
        }
        Settlement::Fail => row.status = Status::Failed,
        Settlement::Terminate => row.terminating = Some(now),
        Settlement::Dismiss => row.exit = None,
    }
}

/// Reaper's own way back to `queued`. The run stays on the row until the next take.
pub(crate) fn put_back(row: &mut Row) {
    row.pid = None;
    enter_queued(row);
}

/// UPDATE of a row into `queued`, by whomever.
pub(crate) fn enter_queued(row: &mut Row) {
    row.status = Status::Queued;
    row.exit = None;
    clear_processes(row);
}

fn clear_processes(row: &mut Row) {
    (row.executor, row.monitor, row.terminating, row.attach) = (None, None, None, Attach::NotSaid);
}
