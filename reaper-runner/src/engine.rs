//! A pass: look, claim, ask gates, report. It never panics out and never fails: what went wrong is in its report.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reaper_core::{Action, Attempt, Breaker, Mode, PassKind, Plan, plan::Planned};
use reaper_store::{
    Claim, Outcome, StoreError,
    claims::Actor,
    control::{Outset, PassNote},
    outbox::Which,
};

use crate::{
    Counters, Courier, Deliveries, Parts, PassReport, Settings,
    claim::{claim_of, effect_key},
    instance::known,
    intensity::put_off,
    leases::LeaseClock,
    look::{Look, Memory, Opened, look, open, panic_text},
    pool::Pool,
    report::{CannotTell, Failure, Settled, false_rescues},
    rest::Rest,
    spooled::is_awaited,
    verdicts::{Question, Verdicts},
    watching::Watching,
};

/// What is left to do after the claims of a pass.
#[derive(Debug, Default)]
pub(crate) struct After {
    /// Jobs whose gates are to be asked.
    pub(crate) ask: Vec<Planned>,
    /// Jobs whose executors this reaper has won the right to stop.
    pub(crate) stop: Vec<Planned>,
    /// The keys of the effects that were stored.
    pub(crate) deliver: Vec<String>,
    /// Whether the outbox may hold something that is due.
    pub(crate) effects_due: bool,
    /// Whether more has died than this pass looked at.
    pub(crate) more: bool,
    /// The decisions' clock, for deciding again on the same snapshot.
    pub(crate) clock: Option<reaper_core::Clock>,
}

/// A reaper's state and the parts that it works with.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) parts: Parts,
    pub(crate) settings: Settings,
    pub(crate) pool: Pool,
    pub(crate) memory: Mutex<Memory>,
    pub(crate) verdicts: Mutex<Verdicts>,
    /// Attempts whose stops wait for a thread or are under way.
    pub(crate) stopping: Mutex<BTreeSet<Attempt>>,
    counters: Mutex<Counters>,
    noted: Mutex<Option<Duration>>,
    pub(crate) lease_clock: Mutex<LeaseClock>,
}

/// How often an idle pass leaves a note in the database. Each is a write, and an idle pass should make none.
const NOTE_EVERY: Duration = Duration::from_secs(60);

impl Engine {
    pub(crate) fn new(parts: Parts, settings: Settings) -> Self {
        let pool = Pool::new(settings.workers);
        let lease_clock = LeaseClock::new(parts.time.wall(), parts.time.monotonic());
        Self {
            parts,
            settings,
            pool,
            memory: Mutex::default(),
            verdicts: Mutex::default(),
            stopping: Mutex::default(),
            counters: Mutex::default(),
            noted: Mutex::default(),
            lease_clock: Mutex::new(lease_clock),
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        locked(&self.counters).clone()
    }

    /// One pass up to its claims. Gates, stops and deliveries are left in `After`.
    pub(crate) fn pass(&self, kind: PassKind) -> (PassReport, After) {
        let began = self.parts.time.monotonic();
        let mut report = PassReport::new(self.parts.time.wall(), kind == PassKind::Tick, self.settings.mode);
        let tried = catch_unwind(AssertUnwindSafe(|| self.try_pass(kind, &mut report)));
        let after = match tried {
            Ok(Ok(after)) => after,
            Ok(Err(error)) => self.failed(&mut report, error.to_string()),
            Err(panic) => self.failed(&mut report, panic_text(panic.as_ref())),
        };
        report.took = self.parts.time.monotonic().saturating_sub(began);
        (report, after)
    }

    /// No decision from missing data: what was observed so far is forgotten.
    fn failed(&self, report: &mut PassReport, error: String) -> After {
        tracing::error!(error, "the pass failed");
        locked(&self.memory).clear();
        report.error = Some(error);
        After { effects_due: true, ..After::default() }
    }

    /// Forgets what was observed: ticks were missed.
    pub(crate) fn missed_ticks(&self) {
        locked(&self.memory).clear();
    }

    /// What a pass would do, as the latest of `ticks` ticks of a reaper that begins now. Writes nothing.
    pub(crate) fn plan(&self, ticks: u32) -> Result<(Plan, Breaker, Vec<Failure>), StoreError> {
        let incarnations = known(self.parts.store.as_ref(), self.parts.probe.as_ref(), &self.settings)?;
        let mut memory = Memory::knowing(incarnations);
        let mut look_once = || {
            let (parts, settings, kind) = (&self.parts, &self.settings, PassKind::Tick);
            let Opened { outset, begun, .. } = open(parts, settings, &mut memory, kind, |_| true)?;
            let Some(begun) = begun else {
                return Ok((Plan::default(), outset.breaker.of(parts.probe.host()), Vec::new()));
            };
            let looked = look(parts, settings, &mut memory, &Verdicts::default(), kind, &outset.breaker, begun)?;
            Ok((looked.plan, looked.breaker, looked.failures))
        };
        for _ in 1..ticks {
            look_once()?;
        }
        look_once()
    }

    fn try_pass(&self, kind: PassKind, report: &mut PassReport) -> Result<After, StoreError> {
        let mut memory = locked(&self.memory);
        if let Some(watching) = &mut memory.watching {
            watching.begin();
        }
        let has_exits = !self.spool_is_empty();
        if !has_exits && self.rests(kind, &mut memory, report)? {
            return Ok(After::default());
        }
        memory.rest = None;
        // Before anything is loaded: what they tell is a fact of this pass.
        if has_exits {
            self.import_exits(&mut memory, report)?;
        }
        if let Some(watching) = &mut memory.watching {
            self.testify(kind, watching, report)?;
        }
        let before = match &self.settings.instance {
            Some(_) => self.parts.store.version()?,
            None => None,
        };
        if let Some(problem) = self.incarnate(kind, &mut memory)? {
            drop(memory);
            return Ok(self.failed(report, problem));
        }
        let began = self.parts.time.monotonic();
        let stricter = |mode: Mode| self.settings.mode.min(mode);
        let is_on = |outset: &Outset| stricter(outset.mode) != Mode::Off;
        let Opened { version, outset, begun } = open(&self.parts, &self.settings, &mut memory, kind, is_on)?;
        report.mode = stricter(outset.mode);
        if let Some(watching) = &mut memory.watching {
            watching.opened(version);
        }
        let Some(begun) = begun else {
            return Ok(After::default());
        };
        if kind == PassKind::Tick {
            memory.ticks = memory.ticks.saturating_add(1);
        }
        if begun.0.jump.is_some() {
            locked(&self.verdicts).jumped();
        }
        locked(&self.verdicts).begin(kind, report.mode == Mode::Enforce, began);
        let effects_due = outset.effects_due;
        let Look { clock, mut plan, breaker, breaker_before, failures, jump, questions, doubles, to_note } =
            look(&self.parts, &self.settings, &mut memory, &locked(&self.verdicts), kind, &outset.breaker, begun)?;
        if kind == PassKind::Tick {
            locked(&self.verdicts).end_tick(&questions);
        }
        self.note_start(to_note, &mut memory)?;
        report.at = clock.now;
        report.counts = plan.counts;
        report.bad = plan.bad;
        report.failures.extend(failures);
        report.review_at = plan.review_at;
        report.clock_jump_ms = jump.map(|jump| jump.num_milliseconds());
        report.cannot_tell = plan
            .cannot_tell
            .iter()
            .map(|kept| CannotTell { job: kept.job.attempt.job.clone(), reason: kept.decision.reason })
            .collect();
        if let Some(ms) = report.clock_jump_ms {
            tracing::warn!(
                jump_ms = ms,
                "the database's clock jumped: only certain deaths are settled in this pass"
            );
        }
        self.keep_breaker(breaker, &breaker_before, &clock, report)?;
        self.tell_of_doubles(&doubles, report.mode)?;

        let nothing = report.counts.loaded == 0 && jump.is_none() && report.breaker.open.is_empty();
        if let Some(version) = version.filter(|_| {
            let quiet = self.is_quiet(&memory);
            // A silence is told by reading again and again.
            let listens = self.settings.node.is_some() || self.settings.beat.is_some();
            kind == PassKind::Tick && nothing && quiet && !listens
        }) {
            let (mode, clock) = (report.mode, clock.clone());
            // What was read of the instances was read before the page.
            let version = before.unwrap_or(version);
            memory.rest = Some(Rest { version, clock, began, mode, review_at: report.review_at, until: None });
        }
        // Whatever a pass posts, it posts about something that it has loaded.
        let effects_due = effects_due || report.counts.loaded > 0;
        let more = memory.watching.as_ref().is_some_and(Watching::has_more);
        let mut after = After { ask: plan.ask, effects_due, more, clock: Some(clock.clone()), ..After::default() };
        if !plan.claim.is_empty() {
            // An executor that was seen dead has spooled its exit before: a claim that knows nothing of it is lost now.
            // Nor is one made while somebody is in the way of an exit that is known.
            let imported = self.import_exits(&mut memory, report)?;
            let untold = memory.watching.as_ref().map(|watching| &watching.untold);
            plan.claim.retain(|Planned { job, decision, .. }| {
                let is_stopping = decision.action == Action::Terminate && self.is_stopping(&job.attempt);
                !is_stopping
                    && !is_awaited(&imported, job, &clock, &self.settings.policy)
                    && untold.is_none_or(|untold| !untold.contains(&job.attempt))
            });
        }
        drop(memory);
        self.settle(plan.claim, report, &mut after)?;
        Ok(after)
    }

    /// Claims, in one set. Who loses a claim does nothing more with that job.
    pub(crate) fn settle(
        &self,
        planned: Vec<Planned>,
        report: &mut PassReport,
        after: &mut After,
    ) -> Result<(), StoreError> {
        if report.mode != Mode::Enforce {
            report.settled.extend(planned.iter().map(|planned| Settled::new(planned, None)));
            return Ok(());
        }
        let claim = |planned: Planned| {
            let mut claim = claim_of(&planned, &self.settings.policy, Actor::Reaper, fastrand::u64(..))?;
            self.add_witness(&mut claim);
            Some((planned, claim))
        };
        let (planned, mut claims): (Vec<Planned>, Vec<Claim>) = planned.into_iter().filter_map(claim).unzip();
        if claims.is_empty() {
            return Ok(());
        }
        after.deliver.extend(put_off(self.parts.store.as_ref(), &self.settings.policy, report.at, &mut claims));
        let outcomes = self.parts.store.settle(&claims)?;
        for ((planned, claim), outcome) in planned.into_iter().zip(&claims).zip(outcomes) {
            self.settled(planned, claim, outcome, report, after);
        }
        Ok(())
    }

    fn settled(
        &self,
        planned: Planned,
        claim: &Claim,
        outcome: Outcome,
        report: &mut PassReport,
        after: &mut After,
    ) {
        tracing::info!(
            job = %planned.job.attempt.job,
            rule = %planned.decision.rule,
            reason = %planned.decision.reason,
            action = planned.decision.action.as_str(),
            ?outcome,
            "settled"
        );
        if let Outcome::Refused(problem) = &outcome {
            let job = planned.job.attempt.job.clone();
            report.failures.push(Failure { job, problem: problem.clone() });
        }
        report.settled.push(Settled::new(&planned, Some(outcome.clone())));
        locked(&self.verdicts).forget(&Question::of(&planned.job));
        if outcome == Outcome::Won {
            self.forget(&planned);
            after.deliver.extend(effect_key(claim));
            if planned.decision.action == Action::Terminate {
                after.stop.push(planned);
            }
        }
    }

    /// A courier for this reaper's outbox.
    pub(crate) fn courier(&self) -> Courier {
        self.parts.courier(self.settings.delivery_lease, self.settings.delivery_tries)
    }

    /// Delivers what a pass stored, and whatever else is due where the mode allows it.
    pub(crate) fn deliver(&self, mode: Mode, keys: Vec<String>) -> Result<Deliveries, StoreError> {
        // What this pass stored is due, too, and an alert of it is not before anybody's advance.
        let which = if mode == Mode::Enforce { Which::Due } else { Which::Keys(keys) };
        self.courier().drain(&which, self.settings.budget)
    }

    /// Whether lease files are due to be looked at in the tick that was just made.
    pub(crate) fn leases_due(&self) -> bool {
        locked(&self.memory).ticks.checked_rem(self.settings.lease_ticks) == Some(0)
    }

    /// Takes a report into the counters and, now and then, into the database.
    pub(crate) fn conclude(&self, report: &PassReport) {
        locked(&self.counters).add(report);
        if report.mode != Mode::Enforce {
            return;
        }
        let now = self.parts.time.monotonic();
        let mut noted = locked(&self.noted);
        let idle = report.settled.is_empty() && report.error.is_none();
        if idle && noted.is_some_and(|last| now.saturating_sub(last) < NOTE_EVERY) {
            return;
        }
        let note = PassNote {
            at: report.at,
            reaper: self.settings.name.clone(),
            won: u64::try_from(report.won().count()).unwrap_or(u64::MAX),
            lost: u64::try_from(report.lost()).unwrap_or(u64::MAX),
            error: report.error.clone(),
            watch: self.watch_tally(),
        };
        match self.parts.store.note_pass(&note) {
            Ok(()) => *noted = Some(now),
            Err(error) => tracing::warn!(%error, "the pass could not be noted"),
        }
        let since = locked(&self.counters).first_run_at;
        if let Some(count) = since.and_then(|since| false_rescues(self.parts.store.as_ref(), since)) {
            locked(&self.counters).false_rescues = count;
        }
    }
}

/// A lock that a panic elsewhere does not take away: every value behind one is whole between two statements.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
