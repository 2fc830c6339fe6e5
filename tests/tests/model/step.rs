//! The steps: which are possible in a state, what each is in words, and what it does.

use std::fmt;

use reaper_core::{Mode, PassKind, Status};
use stateright::{Model, Property};

use super::{
    cast::Protocol,
    laws,
    state::{Answer, Executor, Monitor, Process, Stage, State},
    table::has_pid,
};

/// One step of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Take,
    Attach(usize),
    End(usize, i8),
    Kill(usize),
    Record(usize),
    Consider(usize, Option<Answer>),
    Finish(usize),
    ForeignTake(u8),
    StorePid(usize),
    Refork(usize, u8),
    ForeignPutBack,
    RequeueAll,
    Move(Stage),
    Reuse,
    Switch(Mode),
    Hour,
    Look(usize, PassKind, Option<Answer>),
    Claim(usize),
    Signal(usize),
    Deliver(usize, u8),
    Mark(usize),
    Remember(usize),
    Fall(usize),
}

impl Model for Protocol {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![self.begin()]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if state.broken.is_some() {
            return;
        }
        self.others(state, steps);
        for (number, process) in state.processes.iter().enumerate() {
            self.process(state, number, process, steps);
        }
        for who in 0..state.reapers.len() {
            self.reaper(state, who, steps);
        }
    }

    fn next_state(&self, before: &State, step: Step) -> Option<State> {
        let mut state = before.clone();
        self.make(&mut state, step)?;
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        laws::properties(self)
    }
}

impl Protocol {
    fn others(&self, state: &State, steps: &mut Vec<Step>) {
        let (left, first) = (state.left, state.rows[0]);
        let is_late = first.exit.is_some_and(|(code, _)| code == 0);
        if left.takes > 0 {
            steps.push(Step::Take);
        }
        if left.foreign_takes > 0 && first.status == Status::Queued && !is_late {
            steps.extend(
                self.cast.pids.iter().filter(|pid| !has_pid(state, **pid)).map(|pid| Step::ForeignTake(*pid)),
            );
        }
        if let Some(process) = state.process_of(first.truly)
            && first.status == Status::Running
            && process.run.is_none()
            && matches!(process.executor, Executor::Ended(_))
        {
            steps.push(Step::ForeignPutBack);
        }
        if left.requeues > 0 && state.rows.iter().any(|row| row.status == Status::Running) {
            steps.push(Step::RequeueAll);
        }
        if left.moves > 0 {
            let others = [Stage::Architecture, Stage::Development].into_iter();
            steps.extend(others.filter(|stage| *stage != state.place.0).map(Step::Move));
        }
        if left.reuses > 0 && first.attempts + state.attempts > 1 {
            steps.push(Step::Reuse);
        }
        if left.switches > 0 {
            let others = [Mode::Enforce, Mode::Report].into_iter();
            steps.extend(others.filter(|mode| *mode != state.mode).map(Step::Switch));
        }
        if left.hours > 0 {
            steps.push(Step::Hour);
        }
    }

    fn process(&self, state: &State, number: usize, process: &Process, steps: &mut Vec<Step>) {
        if process.executor == Executor::Alive {
            steps.extend(self.cast.codes.iter().map(|code| Step::End(number, *code)));
        }
        if process.run.is_none() {
            let row = state.rows[usize::from(process.job)];
            let runs = row.truly == process.truly && row.status == Status::Running;
            if runs && process.executor == Executor::Alive && row.pid != Some(process.pid) {
                steps.push(Step::StorePid(number));
            }
            let stored = row.pid == Some(process.pid) && !row.pid_inherited;
            if state.left.reforks > 0 && runs && stored && process.executor == Executor::Alive {
                let free = self.cast.pids.iter().filter(|pid| !has_pid(state, **pid));
                steps.extend(free.map(|pid| Step::Refork(number, *pid)));
            }
            return;
        }
        match (process.monitor, process.executor, &process.plan) {
            (Monitor::Waits, Executor::Held, _) => steps.push(Step::Attach(number)),
            (Monitor::Waits, Executor::Ended(_), _) => steps.push(Step::Record(number)),
            (Monitor::Recorded, _, Some(_)) => steps.push(Step::Finish(number)),
            (Monitor::Recorded, _, None) => {
                steps.push(Step::Consider(number, None));
                steps.extend(self.cast.answers.iter().map(|answer| Step::Consider(number, Some(*answer))));
            }
            (Monitor::Waits | Monitor::Stopped | Monitor::Killed, ..) => {}
        }
        if state.left.kills > 0 && matches!(process.monitor, Monitor::Waits | Monitor::Recorded) {
            steps.push(Step::Kill(number));
        }
    }

    fn reaper(&self, state: &State, who: usize, steps: &mut Vec<Step>) {
        let reaper = &state.reapers[who];
        if reaper.held.is_some() || reaper.event {
            steps.push(Step::Remember(who));
        }
        if reaper.plan.is_some() {
            steps.push(Step::Claim(who));
        }
        if reaper.signal.is_some() {
            steps.push(Step::Signal(who));
        }
        if reaper.carried.is_some() {
            steps.push(Step::Mark(who));
        }
        let busy = reaper.plan.is_some() || reaper.signal.is_some() || reaper.carried.is_some();
        if state.left.crashes > 0 && (busy || reaper.held.is_some() || !reaper.streaks.suspects().is_empty()) {
            steps.push(Step::Fall(who));
        }
        if busy || reaper.held.is_some() {
            return;
        }
        let orders = (0_u8..).zip(&state.outbox).filter(|(_, order)| !order.delivered);
        steps.extend(orders.map(|(number, _)| Step::Deliver(who, number)));
        if state.mode != Mode::Enforce {
            return;
        }
        let may_ask = state.rows.iter().any(|row| row.exit.is_some_and(|(code, _)| code == 0));
        let answers = self.cast.answers.iter().filter(|_| may_ask).map(|answer| Some(*answer));
        let answers: Vec<_> = answers.chain([None]).collect();
        // A process whose pid is another one than its row says has stored it before the next tick.
        let has_ticked = |process: &Process| process.astray.is_some_and(|ticked| ticked & (1 << who) != 0);
        if reaper.ticks < self.cast.ticks && !state.processes.iter().any(has_ticked) {
            steps.extend(answers.iter().map(|answer| Step::Look(who, PassKind::Tick, *answer)));
        }
        if reaper.wakes < self.cast.wakes {
            steps.extend(answers.iter().map(|answer| Step::Look(who, PassKind::Wake, *answer)));
        }
    }

    fn make(&self, state: &mut State, step: Step) -> Option<()> {
        match step {
            Step::Take => return self.take(state),
            Step::Attach(number) => self.attach(state, number),
            Step::End(number, code) => state.processes[number].executor = Executor::Ended(code),
            Step::Kill(number) => {
                state.left.kills -= 1;
                let process = &mut state.processes[number];
                (process.monitor, process.plan) = (Monitor::Killed, None);
                if process.executor == Executor::Held {
                    // It waits on its standard input, whose end is closed: it runs nothing.
                    process.executor = Executor::Ended(1);
                }
            }
            Step::Record(number) => self.record_exit(state, number),
            Step::Consider(number, answer) => return self.consider(state, number, answer),
            Step::Finish(number) => self.finish(state, number),
            Step::ForeignTake(pid) => self.foreign_take(state, pid),
            Step::StorePid(number) => self.store_pid(state, number),
            Step::Refork(number, pid) => self.refork(state, number, pid),
            Step::ForeignPutBack => self.foreign_put_back(state),
            Step::RequeueAll => self.requeue_all(state),
            Step::Move(stage) => self.move_task(state, stage),
            Step::Reuse => self.reuse(state),
            Step::Switch(mode) => {
                state.left.switches -= 1;
                state.mode = mode;
            }
            Step::Hour => {
                state.left.hours -= 1;
                state.now += 1;
            }
            Step::Look(who, kind, answer) => return self.step_look(state, who, kind, answer),
            Step::Claim(who) => self.claim(state, who),
            Step::Signal(who) => self.signal(state, who),
            Step::Deliver(who, number) => self.deliver(state, who, number),
            Step::Mark(who) => self.mark(state, who),
            Step::Remember(who) => self.remember(state, who),
            Step::Fall(who) => {
                state.left.crashes -= 1;
                self.fall(state, who);
            }
        }
        Some(())
    }
}

const REAPERS: [&str; 2] = ["reaper A", "reaper B"];

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = |answer: &Option<Answer>| match answer {
            None => String::new(),
            Some(answer) => format!("; the gate says {}", format!("{answer:?}").to_lowercase()),
        };
        match self {
            Self::Take => f.write_str("the worker takes the job"),
            Self::Attach(number) => write!(f, "monitor {number} stores its executor's identity and lets it go"),
            Self::End(number, code) => write!(f, "executor {number} ends with {code}"),
            Self::Kill(number) => write!(f, "monitor {number} is killed"),
            Self::Record(number) => write!(f, "monitor {number} records the exit"),
            Self::Consider(number, answer) => write!(f, "monitor {number} reads the row{}", said(answer)),
            Self::Finish(number) => write!(f, "monitor {number} makes its claim"),
            Self::ForeignTake(pid) => {
                write!(f, "a foreign program takes the job by its status alone; its executor has pid {pid}")
            }
            Self::StorePid(number) => write!(f, "the foreign program stores the pid of executor {number}"),
            Self::Refork(number, pid) => write!(f, "executor {number} goes on as pid {pid}"),
            Self::ForeignPutBack => {
                f.write_str("the foreign program queues its dead attempt again, by the status alone")
            }
            Self::RequeueAll => f.write_str("the start-up requeue puts every running job back"),
            Self::Move(stage) => write!(f, "somebody moves the task to {}", stage.name()),
            Self::Reuse => f.write_str("the job is deleted, and a new one gets its id"),
            Self::Switch(mode) => write!(f, "somebody sets the mode to {mode}"),
            Self::Hour => f.write_str("the grace of an exit passes"),
            Self::Look(who, kind, answer) => {
                let kind = if *kind == PassKind::Tick { "ticks" } else { "is woken" };
                write!(f, "{} {kind} and decides{}", REAPERS[*who], said(answer))
            }
            Self::Claim(who) => write!(f, "{} makes its claim", REAPERS[*who]),
            Self::Signal(who) => write!(f, "{} stops the executor", REAPERS[*who]),
            Self::Deliver(who, _) => write!(f, "{} carries out the advance", REAPERS[*who]),
            Self::Mark(who) => write!(f, "{} marks the advance as delivered", REAPERS[*who]),
            Self::Remember(who) => write!(f, "{} goes on with what it has in its head", REAPERS[*who]),
            Self::Fall(who) => write!(f, "{} is killed", REAPERS[*who]),
        }
    }
}
