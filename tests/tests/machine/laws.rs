//! The invariants, looked at from the outside after every step.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use reaper_core::{Action, Fence, JobId, Mode, PassKind, Status, Verdict, plan::Planned};
use reaper_gate::advance::Advanced;
use reaper_runner::claim::claim_of;
use reaper_store::{
    Claims as _, Control as _, History as _, Outbox as _, Outcome,
    claims::Actor,
    facts::Row,
    history::{Event, Query},
};

use super::{
    side::{Side, policy},
    world::{Answer, Executor, Monitor, Truth},
};

/// What every database must show alike, and what must hold in each.
impl Side {
    /// A pass, with all that it may not do.
    pub(crate) fn watched_pass(&self, who: usize, kind: PassKind) -> String {
        let (truth, before, events) = (self.truth(), self.rows(), self.events().len());
        let report = self.pass(who, kind);
        let after = self.rows();
        let new: Vec<_> = self.events().split_off(events);
        for (number, row) in before.iter().enumerate() {
            let won = report.won().find(|won| won.job == truth.jobs[number]).map(|won| (&won.action, truth.gate));
            self.watch(number, (row, &after[number]), &new, won, &truth);
        }
        let mut won: Vec<_> =
            report.won().map(|won| format!("job {} {}", self.number(&won.job), won.action.as_str())).collect();
        won.sort();
        let error = if report.error.is_some() { ", failed" } else { "" };
        format!("{won:?}, {} lost, jumped {}{error}", report.lost(), report.clock_jump_ms.is_some())
    }

    /// What a slow reaper has decided is claimed now, whatever has happened since.
    pub(crate) fn watched_claim(&self, plans: &[Planned]) -> String {
        let (truth, before, events) = (self.truth(), self.rows(), self.events().len());
        let claims = plans.iter().filter_map(|plan| claim_of(plan, &policy(), Actor::Reaper, 0));
        let Ok(outcomes) = self.store.settle(&claims.collect::<Vec<_>>()) else {
            return "down".into();
        };
        let (after, new) = (self.rows(), self.events().split_off(events));
        for (number, row) in before.iter().enumerate() {
            if row.is_err() {
                // It was spoilt after the decision, in a column that is no part of its basis.
                continue;
            }
            let mut made = plans.iter().zip(&outcomes);
            let won = made.find(|(plan, how)| plan.job.attempt.job == truth.jobs[number] && **how == Outcome::Won);
            if let (Some((plan, _)), Ok(row)) = (won, row) {
                assert_eq!(plan.job.attempt, row.attempt, "I4: {}: another attempt was claimed", self.name);
            }
            let said = |plan: &Planned| match plan.seen.verdict {
                Some(Verdict::Green) => Answer::Green,
                Some(Verdict::Red(_)) => Answer::Red,
                Some(Verdict::Undecided(_)) | None => Answer::Undecided,
            };
            let won = won.map(|(plan, _)| (&plan.decision.action, said(plan)));
            self.watch(number, (row, &after[number]), &new, won, &truth);
        }
        let told = plans.iter().zip(&outcomes).map(|(plan, how)| {
            format!("job {} {} {how:?}", self.number(&plan.job.attempt.job), plan.decision.action.as_str())
        });
        let mut told: Vec<_> = told.collect();
        told.sort();
        format!("{told:?}")
    }

    fn watch(
        &self,
        number: usize,
        (before, after): (&Row, &Row),
        new: &[Event],
        won: Option<(&Action, Answer)>,
        truth: &Truth,
    ) {
        let name = self.name;
        let job = &truth.jobs[number];
        let told = new.iter().filter(|event| event.job.as_ref() == Some(job)).count();
        assert_eq!(told, usize::from(won.is_some()), "I12: {name}, job {number}: each change has its event");
        let (Ok(before), Ok(after)) = (before, after) else {
            assert!(won.is_none(), "I9: {name}: a row that does not parse was settled");
            return;
        };
        let Some((won, said)) = won else {
            let unchanged = before.basis() == after.basis() && before.attempt == after.attempt;
            assert!(unchanged, "I5: {name}, job {number} was changed without a claim: {before:?}, {after:?}");
            return;
        };
        let mode = self.while_up(|| self.store.mode().unwrap());
        assert_eq!(mode, Mode::Enforce, "I10: {name}: job {number} was settled");
        assert_eq!(before.attempt, after.attempt, "I4: {name}: another attempt was changed");
        let process = truth.process_of(&before.attempt);
        if let Some(process) = process.filter(|_| before.status == Status::Running) {
            let ran = truth.passed + truth.set_forward - process.began;
            let in_time = process.executor == Executor::Alive && ran < policy().limits.max_running;
            assert!(!in_time, "I1: {name}: job {number} lives, {won:?}");
        }
        if let (Some(process), Some(_)) = (process, before.exit) {
            let age = process.recorded.map_or(Duration::MAX, |at| truth.passed + truth.set_forward - at);
            let young = age < policy().limits.finalize_grace && process.monitor != Monitor::Killed;
            assert!(!young, "I2: {name}: job {number} was left to its monitor, {won:?}");
        }
        match won {
            Action::Done { advance: Some(_) } => {
                assert_eq!(said, Answer::Green, "I6: {name}, job {number}");
            }
            Action::Requeue => {
                let capped = before.attempts < before.max_attempts && before.rescues < policy().max_rescues;
                assert!(capped, "I8: {name}, job {number}: {before:?}");
            }
            _ => {}
        }
    }

    /// What holds in every state.
    pub(crate) fn check(&self) {
        let name = self.name;
        let mut settled = BTreeMap::<(JobId, Fence), (u32, u32)>::new();
        let mut done = 0;
        for event in self.events() {
            let (Some(job), Some(fence)) = (event.job, event.fence) else {
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
        let moves = self.truth().moves;
        let made = moves.iter().filter(|(_, how)| matches!(how, Advanced::Advanced { .. }));
        let mut keys: Vec<_> = made.map(|(order, _)| order.source_key()).collect();
        let count = keys.len();
        assert!(count <= done, "I5: {name}: {count} advances of {done} jobs that are done");
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count, "I5: {name}: an advance took effect twice");
    }

    /// All that must be the same in every database: the jobs, the effects, the processes.
    pub(crate) fn view(&self) -> String {
        let rows = self.rows().into_iter().map(|row| match row {
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
                job.task.and_then(|task| task.place).map(|place| place.stage),
            ),
        });
        let rows: Vec<_> = rows.collect();
        let processes = self.truth().processes.into_iter();
        let processes: Vec<_> =
            processes.map(|p| format!("{} {:?} {:?} {:?}", p.pid, p.executor, p.monitor, p.recorded)).collect();
        let events = self.events().into_iter().map(|event| {
            let job = event.job.and_then(|job| self.truth().jobs.iter().position(|known| *known == job));
            format!("{job:?} {} {} {}", event.by, event.action, event.rule)
        });
        let mut events: Vec<_> = events.collect();
        events.sort();
        let undelivered = self.undelivered();
        format!("{}\n{}\nundelivered {undelivered}\n{}", rows.join("\n"), processes.join("\n"), events.join("\n"))
    }

    fn undelivered(&self) -> usize {
        self.while_up(|| self.store.undelivered(1000).unwrap().len())
    }

    fn events(&self) -> Vec<Event> {
        self.while_up(|| self.store.events(&Query { job: None, since: None, limit: 10_000 }).unwrap())
    }

    fn while_up<T>(&self, look: impl FnOnce() -> T) -> T {
        let was_down = self.store.down.swap(false, Ordering::SeqCst);
        let seen = look();
        self.store.down.store(was_down, Ordering::SeqCst);
        seen
    }

    /// Nothing fails any more and nobody is left but a reaper that knows nothing: it brings everything to an end.
    pub(crate) fn converge(&mut self) {
        self.store.down.store(false, Ordering::SeqCst);
        self.store.set_mode(Mode::Enforce).unwrap();
        let mut truth = self.world.truth();
        truth.gate = Answer::Green;
        for process in &mut truth.processes {
            if process.executor == Executor::Alive || process.executor == Executor::Held {
                process.executor = Executor::Ended(1);
            }
            process.monitor = Monitor::Killed;
        }
        drop(truth);
        self.take(&super::reference::Step::Fall(0));
        for _ in 0..ROUNDS {
            self.pass_time(LONG);
            self.watched_pass(0, PassKind::Tick);
        }
        let last = self.pass(0, PassKind::Tick);
        self.check();
        for (number, row) in self.rows().into_iter().enumerate() {
            let Ok(row) = row else { continue };
            let for_a_person = last.cannot_tell.iter().any(|kept| kept.job == row.attempt.job);
            let settled = row.status != Status::Running && !row.is_late_finish();
            assert!(settled || for_a_person, "I7: {}: job {number} is left: {row:?}", self.name);
        }
        assert_eq!(self.undelivered(), 0, "I5: {}: effects are left", self.name);
    }
}

/// Longer than every limit, and a whole number of the units in which time passes.
const LONG: Duration = Duration::from_secs(70 * 320);

/// So many passes are enough.
const ROUNDS: u32 = 8;
