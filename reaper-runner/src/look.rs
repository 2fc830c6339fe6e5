//! The first half of a pass: load the facts, probe, decide, sort into a plan. Nothing is written.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use reaper_core::{
    Action, Attempt, BeatObservations, Breaker, Breakers, Certainty, Clock, ClockJumps, JobSnapshot, Liveness,
    NodeId, NodeObservations, Observation, Observations, PassKind, Plan, ProcessIdentity, Rule, Sighting, Status,
    Timestamp,
    breaker::EvidenceKind,
    decide,
    instance::Incarnations,
    plan::{Planned, Planner},
};
use reaper_gate::Probe;
use reaper_store::{
    Store, StoreError,
    control::{Ask, Follow, Opening, Outset},
    facts::{Cursor, Here, Page, Row, Wanted},
};

use crate::{
    Parts, Settings,
    beats::{beats_until, listen},
    elsewhere::Elsewhere,
    report::Failure,
    rest::Rest,
    spooled::Said,
    verdicts::{Question, Verdicts},
    watching::{Known, Watching},
};

/// What a reaper remembers from pass to pass.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) observations: Observations,
    nodes: NodeObservations,
    beats: BeatObservations,
    /// What was read of the instances in the latest tick.
    pub(crate) incarnations: Incarnations,
    /// Whether this reaper has registered where its instance runs.
    pub(crate) is_registered: bool,
    jumps: ClockJumps,
    /// The database's clock and the monotonic one at the beginning of the latest pass that loaded anything.
    last_reading: Option<(Timestamp, Duration)>,
    pub(crate) ticks: u64,
    /// What the latest tick left, where it found nothing to do.
    pub(crate) rest: Option<Rest>,
    /// The loop's watch, while it runs.
    pub(crate) watching: Option<Watching>,
    /// What was said of the spool.
    pub(crate) said: Said,
}

impl Memory {
    /// With what is known of the instances.
    pub(crate) fn knowing(incarnations: Incarnations) -> Self {
        Self { incarnations, ..Self::default() }
    }

    /// Forgets what was observed: what breaks a row of observations breaks all of them.
    pub(crate) fn clear(&mut self) {
        self.observations.clear();
        self.nodes.clear();
        self.beats.clear();
    }
}

/// What was seen and decided.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) clock: Clock,
    pub(crate) plan: Plan,
    pub(crate) breaker: Breaker,
    /// The breaker as it was stored before this pass.
    pub(crate) breaker_before: Breaker,
    pub(crate) failures: Vec<Failure>,
    /// By how much the database's clock has jumped.
    pub(crate) jump: Option<chrono::TimeDelta>,
    /// The questions that rows of this pass have for gates, answered or not.
    pub(crate) questions: BTreeSet<Question>,
    /// Other boots of this very host that beat.
    pub(crate) doubles: Vec<NodeId>,
    /// The latest start of a process at this very place that is to be noted of it.
    pub(crate) to_note: Option<u64>,
}

/// A pass that is opened.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The store's token from before anything was loaded.
    pub(crate) version: Option<u64>,
    pub(crate) outset: Outset,
    /// What it goes on with, unless it ends here.
    pub(crate) begun: Option<(Begun, Page)>,
}

/// What a pass goes by once its outset is known, and what it wants to load.
#[derive(Debug)]
pub(crate) struct Begun {
    clock: Clock,
    pub(crate) jump: Option<chrono::TimeDelta>,
    here: Option<NodeId>,
    wanted: Wanted,
}

/// Opens a pass of this kind, in as few questions as the store allows. Whether it goes on is asked once its outset is
/// known.
pub(crate) fn open(
    parts: &Parts,
    settings: &Settings,
    memory: &mut Memory,
    kind: PassKind,
    goes_on: impl Fn(&Outset) -> bool,
) -> Result<Opened, StoreError> {
    let mut here = parts.probe.node().filter(|_| settings.node.is_some());
    let follow = if kind == PassKind::Tick && here.is_some() { Follow::Nodes } else { Follow::Nothing };
    let mut begun = None;
    let mut ask = |outset: &Outset| {
        let begun = begun.insert(begin(parts, settings, memory, kind, here.take(), outset));
        Some((begun.wanted.clone(), settings.page))
    };
    let mut ask = |outset: &Outset| if goes_on(outset) { ask(outset) } else { None };
    let Opening { version, outset, page } = ask_store(parts.store.as_ref(), follow, &mut ask)?;
    Ok(Opened { version, outset, begun: begun.zip(page) })
}

fn ask_store(store: &dyn Store, follow: Follow, ask: &mut Ask<'_>) -> Result<Opening, StoreError> {
    if let Some(opening) = store.open(follow, &mut *ask)? {
        return Ok(opening);
    }
    // Before anything is read.
    let version = store.version()?;
    let mut outset = outset(store)?;
    if follow == Follow::Nodes && outset.nodes.is_none() {
        outset.nodes = Some(store.nodes()?);
    }
    let page = match ask(&outset) {
        Some((wanted, limit)) => Some(store.load(&wanted, &Cursor::default(), limit)?),
        None => None,
    };
    Ok(Opening { version, outset, page })
}

/// What a pass has to know first.
fn outset(store: &dyn Store) -> Result<Outset, StoreError> {
    Ok(match store.outset()? {
        Some(outset) => outset,
        None => {
            let mode = store.mode()?;
            // What is due is found out by asking for it.
            Outset { now: store.now()?, mode, breaker: store.breaker()?, effects_due: true, nodes: None }
        }
    })
}

/// Begins a pass.
fn begin(
    parts: &Parts,
    settings: &Settings,
    memory: &mut Memory,
    kind: PassKind,
    here: Option<NodeId>,
    outset: &Outset,
) -> Begun {
    memory.observations.begin(kind);
    memory.beats.begin(kind);
    let (clock, jump) = read_clock(parts, settings, memory, outset.now);
    let policy = &settings.policy;
    if let Some(nodes) = &outset.nodes {
        memory.nodes.read(nodes.iter().map(|row| row.node.clone()).collect(), parts.time.monotonic());
    }
    let Memory { observations, nodes, incarnations, watching, .. } = memory;
    let elsewhere = Elsewhere::new(here.as_ref(), nodes, incarnations);
    let (mut named, probed) = match watching {
        Some(watching) => watching.wants(kind, parts.time.monotonic(), settings),
        // Without a watch: everything, in a tick.
        None => (Vec::new(), (kind == PassKind::Tick).then(|| all_here(parts.probe.as_ref(), settings))),
    };
    let is_named = |attempt: &Attempt| watching.as_ref().is_some_and(|watching| watching.has_died(attempt));
    let suspects = observations.suspects().into_iter().filter(|attempt| !is_named(attempt));
    named.extend(suspects.map(|attempt| attempt.job));
    let wanted = Wanted {
        exits_until: clock.latest_with(policy.shortest_grace()),
        started_until: clock.latest_with(policy.shortest_running()),
        beats_until: beats_until(settings, &clock, kind),
        late_finishes: true,
        suspects: named,
        here: probed,
        lost: if kind == PassKind::Tick { elsewhere.lost() } else { Vec::new() },
    };
    Begun { clock, jump, here, wanted }
}

/// All attempts of this host.
pub(crate) fn all_here(probe: &dyn Probe, settings: &Settings) -> Here {
    Here { host: probe.host().to_owned(), bare_pids: settings.bare_pids, since: None }
}

/// Looks at everything that a pass of this kind looks at, from its first page on.
pub(crate) fn look(
    parts: &Parts,
    settings: &Settings,
    memory: &mut Memory,
    verdicts: &Verdicts,
    kind: PassKind,
    breakers: &Breakers,
    (begun, first): (Begun, Page),
) -> Result<Look, StoreError> {
    let Begun { clock, jump, here, wanted } = begun;
    let breaker_before = breakers.of(parts.probe.host());
    let mut breaker = breaker_before.clone();
    let policy = &settings.policy;
    let Memory { observations, nodes, beats, incarnations, watching, .. } = memory;
    let elsewhere = Elsewhere::new(here.as_ref(), nodes, incarnations);

    let mut planner = Planner::new(kind, settings.budget);
    let (mut failures, mut questions, mut to_note) = (Vec::new(), BTreeSet::new(), None);
    let mut page = first;
    loop {
        planner.begin_page(fastrand::u64(..));
        let mut known = register(watching, &page.rows, settings).into_iter();
        for row in page.rows {
            let job = match row {
                Ok(job) => job,
                Err(bad) => {
                    if let Some(watching) = watching {
                        watching.is_bad(&bad);
                    }
                    planner.add_bad(bad);
                    continue;
                }
            };
            let known = known.next().unwrap_or_default();
            let attempt = job.attempt.clone();
            let considered = catch_unwind(AssertUnwindSafe(|| {
                let mut seen = sight(&job, parts.probe.as_ref(), elsewhere, known);
                seen.executor = listen(&job, seen.executor, parts, settings, beats, kind);
                consider(job, seen, &clock, settings, observations, verdicts, kind)
            }));
            match considered {
                Ok(planned) => {
                    if let Some(watching) = watching {
                        watching.decided(&attempt, planned.decision.action != Action::Keep);
                    }
                    to_note = to_note.max(start_to_note(&planned, incarnations));
                    if planned.job.exit.is_some() {
                        questions.insert(Question::of(&planned.job));
                    }
                    planner.add(planned);
                }
                Err(panic) => {
                    observations.forget(&attempt);
                    failures.push(Failure { job: attempt.job, problem: panic_text(panic.as_ref()) });
                }
            }
        }
        let Some(from) = page.next else { break };
        page = parts.store.load(&wanted, &from, settings.page)?;
    }

    if let Some(watching) = watching {
        planner.add_followed(EvidenceKind::BarePid, watching.unseen_by_pid());
    }
    if planner.dead_by(EvidenceKind::Beat) > 0
        && let Some(after) = wanted.beats_until
    {
        // Those that beat in time are not loaded.
        let own = all_here(parts.probe.as_ref(), settings);
        let enough = policy.breaker.enough(planner.dead_by(EvidenceKind::Beat));
        planner.add_followed(EvidenceKind::Beat, parts.store.beating(&own, after, enough)?);
    }
    if planner.due_by_age() > 0 {
        let running = parts.store.running(policy.breaker.enough(planner.due_by_age()))?;
        planner.set_running(running);
    }
    let mut plan = planner.finish(&mut breaker, &clock, &policy.breaker);
    if jump.is_some() {
        hold_after_jump(&mut plan);
    }
    if let Some(watching) = watching {
        let left_over = watching.end(kind, clock.now, parts.time.monotonic(), jump.is_some());
        plan.counts.deferred = plan.counts.deferred.saturating_add(left_over);
    }
    let doubles = elsewhere.doubles();
    Ok(Look { clock, plan, breaker, breaker_before, failures, jump, questions, doubles, to_note })
}

/// The start of the later one of a job's processes, where it is to be noted of this place.
fn start_to_note(planned: &Planned, incarnations: &Incarnations) -> Option<u64> {
    let Planned { job, seen, .. } = planned;
    let of = |process: &Option<ProcessIdentity>, seen: &Sighting| incarnations.to_note(process.as_ref()?, seen);
    of(&job.executor, &seen.executor).max(of(&job.monitor, &seen.monitor))
}

/// Registers the rows of a page with the watch. A watch that panics knows nothing of them, and they are probed.
fn register(watching: &mut Option<Watching>, rows: &[Row], settings: &Settings) -> Vec<Known> {
    let Some(watching) = watching else {
        return Vec::new();
    };
    let register = || watching.register(rows.iter().flatten(), settings);
    catch_unwind(AssertUnwindSafe(register)).unwrap_or_else(|panic| {
        tracing::error!(problem = panic_text(panic.as_ref()), "the watch failed for a page of rows");
        Vec::new()
    })
}

/// What is decided about a job of which this was seen.
fn consider(
    job: JobSnapshot,
    mut seen: Observation,
    clock: &Clock,
    settings: &Settings,
    observations: &mut Observations,
    verdicts: &Verdicts,
    kind: PassKind,
) -> Planned {
    if job.status == Status::Running {
        seen.dead_ticks = observations.see(kind, &job.attempt, seen.executor.liveness);
    }
    seen.out_of_memory = observations.is_out_of_memory(&job.attempt);
    seen.verdict = verdicts.get(&Question::of(&job));
    let decision = decide(&job, &seen, clock, &settings.policy);
    // No streak is needed where nobody is left: it only brings the row back in the wakes that follow at once. A million
    // of them would fill the memory; what is not remembered is found by the next tick.
    let enough = settings.budget.saturating_mul(BUDGETS_REMEMBERED);
    if decision.rule == Rule::NobodyLeft && observations.count() > enough {
        observations.forget(&job.attempt);
    }
    Planned { job, seen, decision }
}

/// So many budgets of attempts that nobody is left of are remembered from a tick for its wakes.
const BUDGETS_REMEMBERED: usize = 16;

/// Looks at a job's processes, once, as far as a watch does not know them, and takes into account what is known of their
/// nodes.
pub(crate) fn sight(job: &JobSnapshot, probe: &dyn Probe, elsewhere: Elsewhere<'_>, known: Known) -> Observation {
    let by_identity = |identity: &ProcessIdentity, known: Option<Sighting>| {
        elsewhere.judge(identity, job, known.unwrap_or_else(|| probe.probe(identity)))
    };
    let Known { executor, monitor } = known;
    let executor = match (&job.executor, job.pid) {
        (Some(identity), _) => by_identity(identity, executor),
        (None, Some(pid)) => executor.unwrap_or_else(|| probe.probe_pid(pid)),
        (None, None) => Sighting::NOTHING_RECORDED,
    };
    let nothing = Sighting::NOTHING_RECORDED;
    let monitor = job.monitor.as_ref().map_or(nothing, |identity| by_identity(identity, monitor));
    Observation { executor, monitor, ..Observation::NONE }
}

/// Reads the database's clock beside the monotonic one, and notices where they differ.
fn read_clock(
    parts: &Parts,
    settings: &Settings,
    memory: &mut Memory,
    now: Timestamp,
) -> (Clock, Option<chrono::TimeDelta>) {
    let monotonic = parts.time.monotonic();
    let tolerance = settings.interval.saturating_mul(2).max(Duration::from_secs(2));
    let jump = memory
        .last_reading
        .and_then(|(last, then)| memory.jumps.note(last, now, monotonic.saturating_sub(then), tolerance));
    memory.last_reading = Some((now, monotonic));
    if jump.is_some() {
        memory.clear();
    }
    (Clock { now, jumps: memory.jumps.clone() }, jump)
}

/// After a jump of the clock nothing is settled in this pass but what the kernel says for certain.
fn hold_after_jump(plan: &mut Plan) {
    let certain = |planned: &Planned| {
        planned.decision.rule == Rule::NobodyLeft
            || planned.seen.executor.liveness == Liveness::Dead(Certainty::Verified)
    };
    let before = plan.claim.len();
    plan.claim.retain(certain);
    let held = before.saturating_sub(plan.claim.len());
    plan.counts.held = plan.counts.held.saturating_add(u64::try_from(held).unwrap_or(u64::MAX));
    plan.ask.clear();
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panicked: {}", text.unwrap_or_else(|| "without a word".to_owned()))
}
