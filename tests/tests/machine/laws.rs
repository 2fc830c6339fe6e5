//! The invariants, looked at from the outside after every step.

use std::{collections::BTreeMap, mem, sync::atomic::Ordering};

use reaper_core::{Action, Fence, JobId, JobSnapshot, Mode, Status, breaker::EvidenceKind};
use reaper_gate::advance::Advanced;
use reaper_store::{
    Control as _, History as _, Outbox as _,
    claims::Actor,
    facts::Row,
    history::{Event, Query},
};

use super::{
    passing::UNIT,
    reference::Step,
    side::{Side, policy},
    tally,
    world::{Answer, Executor, Monitor, Truth},
};

/// What a database shows.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) rows: Vec<Row>,
    events: Vec<Event>,
    pub(crate) undelivered: usize,
    pub(crate) mode: Mode,
    breaker: String,
}

/// A settlement that somebody has won.
#[derive(Debug)]
pub(crate) struct Won {
    pub(crate) job: JobId,
    pub(crate) action: Action,
    pub(crate) said: Answer,
    pub(crate) by: Actor,
}

impl Side {
    /// A step, with all that it may not do.
    pub(crate) fn step(&mut self, step: &Step) -> String {
        let truth = self.truth();
        let told = self.take(step);
        if self.truth().failed > truth.failed {
            // A few seconds, before it is tried again. They pass for every database alike.
            self.pass_time(UNIT);
            tally::came(self.name, tally::FAILED_ONCE);
        }
        let won = mem::take(&mut *self.won.lock().unwrap());
        if step.leaves_database() {
            return told;
        }
        let now = self.look();
        let before = mem::replace(&mut self.seen, now);
        self.judge(step, &truth, &before, &won);
        self.check(truth.moves.len());
        told
    }

    fn judge(&self, step: &Step, truth: &Truth, before: &Seen, won: &[Won]) {
        let name = self.name;
        let new = &self.seen.events[before.events.len()..];
        for (number, row) in before.rows.iter().enumerate() {
            let job = &truth.jobs[number];
            let told: Vec<_> = new.iter().filter(|event| event.job.as_ref() == Some(job)).collect();
            let won: Vec<_> = won.iter().filter(|won| won.job == *job).collect();
            let (Ok(before), Ok(after)) = (row, &self.seen.rows[number]) else {
                // Spoilt after it was decided on, in a column that is no part of the basis; or put back unread.
                let unread = row.is_err() && matches!(step, Step::ClaimLate | Step::RequeueAll);
                let touched = !won.is_empty() || !told.is_empty();
                assert!(!touched || unread, "I9: {name}: a row that does not parse was settled: {won:?}");
                continue;
            };
            assert_eq!(told.len(), won.len(), "I12: {name}, job {number}: each change has its event: {told:?}");
            let Some((won, event)) = won.first().zip(told.first()) else {
                let same = before.basis() == after.basis()
                    && before.attempt == after.attempt
                    && before.attempts == after.attempts;
                let free = step.writes_rows();
                assert!(same || free, "I5: {name}, job {number}: no claim: {step:?}, {before:?}, {after:?}");
                continue;
            };
            let (from, to) = (before.status.as_str(), after.status.as_str());
            let told = (event.fence.as_ref(), event.by.as_str(), event.from.as_deref(), event.to.as_deref());
            let wanted = (Some(&before.attempt.fence), won.by.as_str(), Some(from), Some(to));
            assert_eq!(told, wanted, "I12: {name}, job {number}: the event says what was");
            assert_eq!(before.attempt, after.attempt, "I4: {name}: another attempt was changed");
            self.weigh(step, number, before, won, truth);
            tally::won(name, won, before, &event.rule);
        }
    }

    /// A settlement that was won, beside what is really so.
    fn weigh(&self, step: &Step, number: usize, before: &JobSnapshot, won: &Won, truth: &Truth) {
        let (name, action) = (self.name, &won.action);
        let process = truth.process_of(&before.attempt);
        let runs = before.status == Status::Running;
        let lives = runs && process.is_some_and(|process| process.executor == Executor::Alive);
        if matches!(action, Action::Done { advance: Some(_) }) {
            assert_eq!(won.said, Answer::Green, "I6: {name}, job {number}");
        }
        match (won.by, step) {
            (Actor::Reaper, _) => {
                assert_eq!(self.seen.mode, Mode::Enforce, "I10: {name}: job {number} was settled");
                let age = process.map(|process| truth.shown() - process.began);
                let over = age.is_some_and(|age| age >= policy().limits.max_running);
                assert!(!lives || over, "I1: {name}: job {number} lives, {action:?}");
                if let (Some(process), Some(_)) = (process, before.exit) {
                    let age = process.recorded.map(|at| truth.shown() - at);
                    let young = age.is_some_and(|age| age < policy().limits.finalize_grace);
                    let waits = young && process.monitor != Monitor::Killed;
                    assert!(!waits, "I2: {name}: job {number} was left to its monitor, {action:?}");
                }
                if *action == Action::Requeue {
                    let capped = before.attempts < before.max_attempts && before.rescues < policy().max_rescues;
                    assert!(capped, "I8: {name}, job {number}: {before:?}");
                }
            }
            (Actor::Monitor, _) => {
                let process = process.filter(|process| process.recorded.is_some());
                assert!(process.is_some(), "I4: {name}: job {number} was settled by another's monitor");
                let spent = *action == Action::Requeue && before.attempts >= before.max_attempts;
                assert!(!spent, "I8: {name}, job {number}: {before:?}");
            }
            (Actor::Person, Step::RequeueOrphans) => {
                assert!(!lives, "I1: {name}: job {number} lives and was no orphan");
                assert_eq!(before.exit, None, "I2: {name}: job {number} was left to its monitor");
            }
            (Actor::Person, Step::RequeueAll) => assert!(runs, "I3: {name}: job {number} did not run"),
            (Actor::Person, _) => {
                assert_eq!(before.status, Status::Failed, "I3: {name}: job {number} had not failed");
            }
        }
    }

    /// What holds in every state. The moves before these were looked at already.
    pub(crate) fn check(&self, looked_at: usize) {
        let name = self.name;
        let mut settled = BTreeMap::<(&JobId, &Fence), (u32, u32)>::new();
        let mut done = 0;
        for event in &self.seen.events {
            let (Some(job), Some(fence)) = (&event.job, &event.fence) else {
                continue;
            };
            let settles = ["requeue", "requeue_all", "fail", "done"].contains(&event.action.as_str());
            done += usize::from(event.action == "done" && event.by != "person");
            let count = settled.entry((job, fence)).or_default();
            match event.from.as_deref() {
                Some("running") if settles => count.0 += 1,
                Some("queued") if settles => count.1 += 1,
                _ => {}
            }
        }
        for ((job, fence), (running, late)) in settled {
            let once = running <= 1 && late <= running;
            assert!(once, "I3: {name}: job {job}, fence {fence} was settled {running} and {late} times");
        }
        let truth = self.truth();
        assert!(truth.wrong.is_empty(), "{name}: {:?}", truth.wrong);
        for made in &truth.moves[looked_at..] {
            let order = &made.order;
            let holds = made.stood.as_ref().map(|at| at.stage == order.from && at.version == order.version);
            match made.how {
                Advanced::Advanced { .. } => {
                    assert_ne!(holds, Some(false), "I5: {name}: the order of another visit: {made:?}");
                }
                Advanced::Superseded { .. } => {
                    assert_ne!(holds, Some(true), "I5: {name}: an order that holds was let go: {made:?}");
                    tally::came(name, tally::SUPERSEDED);
                }
                Advanced::AlreadyDone => {}
            }
        }
        let made = truth.moves.iter().filter(|made| matches!(made.how, Advanced::Advanced { .. }));
        let mut keys: Vec<_> = made.map(|made| made.order.source_key()).collect();
        let count = keys.len();
        assert!(count <= done, "I5: {name}: {count} advances of {done} jobs that are done");
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count, "I5: {name}: an advance took effect twice");
    }

    /// Reads all that is looked at, whether the database is down or not.
    pub(crate) fn look(&self) -> Seen {
        let was_down = self.store.down.swap(false, Ordering::SeqCst);
        let (mode, breaker) = match self.store.outset().unwrap() {
            Some(outset) => (outset.mode, outset.breaker),
            None => (self.store.mode().unwrap(), self.store.breaker().unwrap()),
        };
        let hosts = breaker.hosts.into_iter().flat_map(|(host, breaker)| {
            breaker.open.into_iter().map(move |(kind, open)| (host.clone(), kind, open))
        });
        let ages = breaker.age.map(|open| (String::new(), EvidenceKind::Age, open));
        let all = hosts.chain(ages).map(|(host, kind, open)| (host, kind, open.tally, open.released));
        let breaker: Vec<_> = all.collect();
        let seen = Seen {
            rows: self.rows(),
            events: self.store.events(&Query { job: None, since: None, limit: 10_000 }).unwrap(),
            undelivered: self.store.undelivered(1000).unwrap().len(),
            mode,
            breaker: format!("{breaker:?}"),
        };
        self.store.down.store(was_down, Ordering::SeqCst);
        seen
    }

    /// All that must be the same in every database: the jobs, the effects, the breaker, the processes.
    pub(crate) fn view(&self) -> String {
        let Seen { rows, events, undelivered, breaker, .. } = &self.seen;
        let rows = rows.iter().map(|row| match row {
            Err(bad) => format!("bad {}", bad.column),
            Ok(job) => format!(
                "{} {} {}/{} rescued {} run {} pid {:?} exit {:?} attach {:?} beat {:?} stop {} stage {:?}",
                job.status,
                job.agent,
                job.attempts,
                job.max_attempts,
                job.rescues,
                job.run.is_some(),
                job.pid,
                job.exit.map(|exit| exit.code),
                job.attach,
                job.beat.map(|beat| beat.count),
                job.terminating_at.is_some(),
                job.task.as_ref().and_then(|task| task.place.as_ref()).map(|place| &place.stage),
            ),
        });
        let rows: Vec<_> = rows.collect();
        let truth = self.truth();
        let processes = truth.processes.iter();
        let processes: Vec<_> =
            processes.map(|p| format!("{} {:?} {:?} {:?}", p.pid, p.executor, p.monitor, p.recorded)).collect();
        let events = events.iter().map(|event| {
            let job = event.job.as_ref().and_then(|job| truth.jobs.iter().position(|known| known == job));
            format!("{job:?} {} {} {}", event.by, event.action, event.rule)
        });
        let mut events: Vec<_> = events.collect();
        events.sort();
        let (rows, processes, events) = (rows.join("\n"), processes.join("\n"), events.join("\n"));
        format!("{rows}\n{processes}\nundelivered {undelivered}, held {breaker}\n{events}")
    }
}
