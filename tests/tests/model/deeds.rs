//! What reapers, workers, a foreign program and people do, one step at a time.

use reaper_core::{
    Action as Decided, AdvanceOrder, PassKind, Status,
    job::{Attach, Place},
};
use reaper_store::{Standing, claims::Actor};

use super::{
    cast::Protocol,
    mutation::Mutation,
    state::{Answer, Broken, Executor, Monitor, Order, Plan, Process, Reaper, Stage, State},
    table::{enter_queued, put_back, sight},
};

/// A reaper's look: what it came to.
enum Looked {
    /// The gate was asked, or was not: the caller meant it otherwise.
    Otherwise,
    /// It is over.
    Over {
        /// The jobs that are left to a person.
        for_a_person: Vec<u8>,
    },
}

impl Protocol {
    /// A pass up to its decision.
    fn look(&self, state: &mut State, who: usize, kind: PassKind, answer: Option<Answer>) -> Looked {
        let counted = if self.mutation == Some(Mutation::WakesCount) { PassKind::Tick } else { kind };
        let mut streaks = state.reapers[who].streaks.clone();
        streaks.begin(counted);
        let (mut asked, mut for_a_person, mut plan) = (false, Vec::new(), None);
        for (job, row) in (0_u8..).zip(&state.rows) {
            let snapshot = self.snapshot(job, row, state.place);
            if row.status != Status::Running && !snapshot.is_late_finish() {
                continue;
            }
            let mut seen = sight(state, row);
            if row.status == Status::Running {
                seen.dead_ticks = streaks.see(counted, &snapshot.attempt, seen.executor);
            }
            let mut this = Plan { job, row: *row, place: state.place, seen, at: state.now };
            let mut decision = self.decide(&this, Actor::Reaper).decision;
            if let Decided::AskGate { .. } = decision.action {
                asked = true;
                (this.seen.verdict, this.seen.said) = (self.understand(answer), answer);
                decision = self.decide(&this, Actor::Reaper).decision;
            }
            if decision.action == Decided::Keep && decision.reason.needs_a_person() {
                for_a_person.push(job);
            }
            if decision.action.is_claim() && plan.is_none() {
                plan = Some((this, decision.action));
            }
        }
        if asked != answer.is_some() {
            return Looked::Otherwise;
        }
        for process in &mut state.processes {
            if let (Some(ticked), PassKind::Tick) = (&mut process.astray, kind) {
                *ticked |= 1 << who;
            }
        }
        state.reapers[who].streaks = streaks;
        if let Some((plan, action)) = plan {
            self.too_early(state, who, &plan, &action);
            state.reapers[who].plan = Some(plan);
        }
        Looked::Over { for_a_person }
    }

    fn understand(&self, answer: Option<Answer>) -> Option<Answer> {
        match answer {
            Some(Answer::Undecided) if self.mutation == Some(Mutation::UndecidedGreen) => Some(Answer::Green),
            other => other,
        }
    }

    /// What a mutation does before the claim.
    fn too_early(&self, state: &mut State, who: usize, plan: &Plan, action: &Decided) {
        match (self.mutation, action) {
            (Some(Mutation::AdvanceFirst), Decided::Done { advance: Some(order) }) => {
                let order = Order {
                    truly: plan.row.truly,
                    from: Stage::of(&order.from),
                    version: plan.place.1,
                    to: Stage::of(&order.to),
                    delivered: false,
                };
                self.carry_out(state, &order);
            }
            (Some(Mutation::SignalFirst), Decided::Terminate) => state.reapers[who].signal = plan.row.executor,
            _ => {}
        }
    }

    /// A look from the outside; `None` where it is no step.
    pub(crate) fn step_look(
        &self,
        state: &mut State,
        who: usize,
        kind: PassKind,
        answer: Option<Answer>,
    ) -> Option<()> {
        let reaper = &mut state.reapers[who];
        match kind {
            PassKind::Tick => reaper.ticks += 1,
            PassKind::Wake => reaper.wakes += 1,
        }
        match self.look(state, who, kind, answer) {
            Looked::Otherwise => None,
            Looked::Over { .. } => Some(()),
        }
    }

    /// A reaper's claim.
    pub(crate) fn claim(&self, state: &mut State, who: usize) {
        let Some(plan) = state.reapers[who].plan.take() else {
            return;
        };
        let terminates = self.decide(&plan, Actor::Reaper).decision.action == Decided::Terminate;
        let Some(won) = self.settle(state, &plan, Actor::Reaper) else {
            return;
        };
        let attempt = self.snapshot(plan.job, &plan.row, plan.place).attempt;
        let reaper = &mut state.reapers[who];
        reaper.streaks.forget(&attempt);
        (reaper.held, reaper.event) = (won.order, won.event);
        if terminates {
            reaper.signal = plan.row.executor;
        }
    }

    /// The winner of an announcement stops the executor, known by its identity.
    pub(crate) fn signal(&self, state: &mut State, who: usize) {
        let Some(number) = state.reapers[who].signal.take() else {
            return;
        };
        let process = &mut state.processes[usize::from(number)];
        let truly = usize::from(process.truly);
        if process.executor == Executor::Alive {
            process.executor = Executor::Ended(1);
            state.seldom.stopped = true;
        }
        if !state.fates[truly].announced {
            state.breaks(Broken::I5);
        }
    }

    /// Carries an effect out; that it was is marked in another step.
    pub(crate) fn deliver(&self, state: &mut State, who: usize, number: u8) {
        let order = state.outbox[usize::from(number)];
        self.carry_out(state, &order);
        state.reapers[who].carried = Some(number);
    }

    pub(crate) fn mark(&self, state: &mut State, who: usize) {
        if let Some(number) = state.reapers[who].carried.take() {
            state.outbox[usize::from(number)].delivered = true;
        }
    }

    /// What only a mutation holds in its head is carried out.
    pub(crate) fn remember(&self, state: &mut State, who: usize) {
        let reaper = &mut state.reapers[who];
        let (order, event) = (reaper.held.take(), std::mem::take(&mut reaper.event));
        state.events += u8::from(event);
        if let Some(order) = order {
            self.carry_out(state, &order);
        }
    }

    /// The advance: the production's guard on the task as it stands, once per visit, the next job with it.
    fn carry_out(&self, state: &mut State, order: &Order) {
        let (stage, version) = state.place;
        let place = Place { stage: stage.name().into(), version: i64::from(version).into() };
        let mut asked = AdvanceOrder {
            task: 1.into(),
            repo: "shop".into(),
            from: order.from.name().into(),
            version: i64::from(order.version).into(),
            to: order.to.name().into(),
            next_agent: None,
        };
        if matches!(self.mutation, Some(Mutation::NoVersion | Mutation::NoCompare)) {
            asked.version = place.version.clone();
        }
        if self.mutation == Some(Mutation::NoCompare) {
            asked.from.clone_from(&place.stage);
        } else if state.noted.contains(&order.version) {
            return;
        }
        if !asked.holds_for(&place) {
            state.seldom.superseded = true;
            return;
        }
        if !state.won.contains(&order.version) || state.moved.contains(&order.version) || version != order.version
        {
            state.breaks(Broken::I5);
        }
        state.versions += 1;
        state.place = (order.to, state.versions);
        state.noted.push(order.version);
        state.moved.push(order.version);
        if order.to == Stage::Development {
            let next = self.insert(state);
            state.rows.push(next);
        }
    }

    /// A reaper falls: whatever was in its head is gone.
    pub(crate) fn fall(&self, state: &mut State, who: usize) {
        let Reaper { ticks, wakes, .. } = state.reapers[who];
        state.reapers[who] = Reaper { ticks, wakes, ..Reaper::default() };
    }

    /// A whole pass at once, and the jobs that it leaves to a person.
    pub(crate) fn pass(&self, state: &mut State, who: usize, kind: PassKind, answer: Answer) -> Vec<u8> {
        let looked = match self.look(state, who, kind, None) {
            Looked::Otherwise => self.look(state, who, kind, Some(answer)),
            over @ Looked::Over { .. } => over,
        };
        self.claim(state, who);
        self.signal(state, who);
        self.remember(state, who);
        for number in 0..u8::try_from(state.outbox.len()).unwrap() {
            if !state.outbox[usize::from(number)].delivered {
                self.deliver(state, who, number);
                self.mark(state, who);
            }
        }
        match looked {
            Looked::Over { for_a_person } => for_a_person,
            Looked::Otherwise => Vec::new(),
        }
    }

    /// Nobody is left: every executor ends, every monitor is killed, every reaper falls.
    pub(crate) fn end_all(&self, state: &mut State) {
        for process in &mut state.processes {
            if !matches!(process.executor, Executor::Ended(_)) {
                process.executor = Executor::Ended(1);
            }
            (process.monitor, process.plan) = (Monitor::Killed, None);
        }
        for who in 0..state.reapers.len() {
            self.fall(state, who);
        }
    }

    /// Reaper's worker takes the oldest job that is queued and no late finish, and charges the attempt.
    pub(crate) fn take(&self, state: &mut State) -> Option<()> {
        let due =
            |row: &super::state::Row| row.status == Status::Queued && row.exit.is_none_or(|(code, _)| code != 0);
        let job = state.rows.iter().position(due)?;
        state.left.takes -= 1;
        let run = u8::try_from(state.runs.len()).unwrap();
        state.runs.push(None);
        let truly = self.enter_running(state, job, |row| {
            row.attempts += 1;
            row.run = Some(run);
            row.pid = None;
        });
        self.launch(state, job, truly, Some(run), 100, Executor::Held);
        Some(())
    }

    fn launch(&self, state: &mut State, job: usize, truly: u8, run: Option<u8>, pid: u8, executor: Executor) {
        let number = u8::try_from(state.processes.len()).unwrap();
        let row = &mut state.rows[job];
        if run.is_some() {
            row.monitor = Some(number);
            row.attach = Attach::Pending;
        }
        state.processes.push(Process {
            job: u8::try_from(job).unwrap(),
            fence: row.fence,
            truly,
            run,
            pid: if run.is_some() { pid + number } else { pid },
            astray: None,
            executor,
            monitor: Monitor::Waits,
            plan: None,
        });
    }

    /// The executor's identity is stored under the fence, and then it is let go.
    pub(crate) fn attach(&self, state: &mut State, number: usize) {
        let process = &state.processes[number];
        let (job, fence, pid) = (usize::from(process.job), process.fence, process.pid);
        let row = state.rows[job];
        let stands = Standing::of(&self.snapshot(process.job, &row, state.place));
        let mut own = stands.attempt.clone();
        own.fence = i64::from(fence).into();
        if stands.runs_as(&own) {
            let row = &mut state.rows[job];
            row.executor = Some(u8::try_from(number).unwrap());
            (row.pid, row.pid_inherited, row.attach) = (Some(pid), false, Attach::Done);
            state.processes[number].executor = Executor::Alive;
        } else {
            state.processes[number].monitor = Monitor::Stopped;
        }
    }

    /// The monitor records what it has waited for.
    pub(crate) fn record_exit(&self, state: &mut State, number: usize) {
        let process = &mut state.processes[number];
        if let (Executor::Ended(code), Some(run)) = (process.executor, process.run) {
            process.monitor = Monitor::Recorded;
            self.record(state, run, code);
        }
    }

    /// The monitor reads the row and decides, with the gate's answer where it has to ask.
    pub(crate) fn consider(&self, state: &mut State, number: usize, answer: Option<Answer>) -> Option<()> {
        let process = &state.processes[number];
        let row = state.rows[usize::from(process.job)];
        let snapshot = self.snapshot(process.job, &row, state.place);
        let open = row.fence == process.fence && (row.status == Status::Running || snapshot.is_late_finish());
        let mut plan = Plan { job: process.job, row, place: state.place, seen: sight(state, &row), at: state.now };
        let mut decision = self.decide(&plan, Actor::Monitor).decision;
        let asks = open && matches!(decision.action, Decided::AskGate { .. });
        if asks != answer.is_some() {
            return None;
        }
        if asks {
            (plan.seen.verdict, plan.seen.said) = (answer, answer);
            decision = self.decide(&plan, Actor::Monitor).decision;
        }
        let process = &mut state.processes[number];
        if open && decision.action.is_claim() {
            process.plan = Some(plan);
        } else {
            process.monitor = Monitor::Stopped;
        }
        Some(())
    }

    /// The monitor's own claim. One that is lost looks again.
    pub(crate) fn finish(&self, state: &mut State, number: usize) {
        if let Some(plan) = state.processes[number].plan.take()
            && self.settle(state, &plan, Actor::Monitor).is_some()
        {
            state.processes[number].monitor = Monitor::Stopped;
        }
    }

    /// A foreign program takes the job: it sets the status and nothing else, and its executor is under way.
    pub(crate) fn foreign_take(&self, state: &mut State, pid: u8) {
        state.left.foreign_takes -= 1;
        let truly = self.enter_running(state, 0, |_| ());
        self.launch(state, 0, truly, None, pid, Executor::Alive);
    }

    /// It stores its executor's pid.
    pub(crate) fn store_pid(&self, state: &mut State, number: usize) {
        let process = &mut state.processes[number];
        process.astray = None;
        let row = &mut state.rows[usize::from(process.job)];
        row.pid_inherited &= row.pid == Some(process.pid);
        row.pid = Some(process.pid);
    }

    /// Its executor goes on under another pid, which it is about to store.
    pub(crate) fn refork(&self, state: &mut State, number: usize, pid: u8) {
        state.left.reforks -= 1;
        let process = &mut state.processes[number];
        (process.pid, process.astray) = (pid, Some(0));
    }

    /// It puts its own dead attempt back: the status and nothing else.
    pub(crate) fn foreign_put_back(&self, state: &mut State) {
        let row = state.rows[0];
        self.count(state, &row);
        enter_queued(&mut state.rows[0]);
    }

    /// The start-up requeue, whoever lives.
    pub(crate) fn requeue_all(&self, state: &mut State) {
        state.left.requeues -= 1;
        for job in 0..state.rows.len() {
            let row = state.rows[job];
            if row.status == Status::Running {
                self.count(state, &row);
                put_back(&mut state.rows[job]);
                state.changes += 1;
                state.events += 1;
            }
        }
    }

    /// Somebody moves the task by hand.
    pub(crate) fn move_task(&self, state: &mut State, stage: Stage) {
        state.left.moves -= 1;
        state.versions += 1;
        state.place = (stage, state.versions);
    }

    /// The job is deleted, and another one gets its id.
    pub(crate) fn reuse(&self, state: &mut State) {
        state.left.reuses -= 1;
        state.rows[0] = self.insert(state);
    }
}
