//! Strategies for proptest: whatever a store, a probe and a configuration can come up with.
//!
//! They share one small vocabulary of agents, stages and figures, and one base instant, so that values made by
//! different strategies meet: ages fall on, just under and just above the limits, and jobs name agents and stages
//! that the pipeline knows, or almost.

use alloc::{collections::BTreeMap, format, string::String, vec::Vec};
use core::time::Duration;

use chrono::TimeDelta;
use proptest::{collection, option, prelude::*, sample};

use crate::{
    Backoff, Bond, Certainty, Clock, Finding, Intensity, JobSnapshot, Liveness, Observation, OnOverrun, Pipeline,
    Policy, ProcessIdentity, Sighting, Signature, Status, Timestamp, Verdict,
    breaker::BreakerPolicy,
    job::{Attach, Attempt, Beat, Exit, Place, Task},
    pipeline::{Next, Stage},
    policy::{ExitPolicy, Limits},
};

/// Agents that policies and pipelines may know, and a stranger.
const AGENTS: [&str; 4] = ["analyst", "developer", "reviewer", "stranger"];

/// Stages that pipelines are made of, in their order, and one that none has.
const STAGES: [&str; 6] = ["analysis", "architecture", "development", "review", "released", "nowhere"];

/// The instant that everything else is told from: the beginning of 2026.
#[must_use]
pub const fn base() -> Timestamp {
    match Timestamp::from_timestamp(1_767_225_600, 0) {
        Some(base) => base,
        None => Timestamp::UNIX_EPOCH,
    }
}

/// Durations as limits and ages have them: nothing, the defaults, their neighbours, and anything up to 12 h.
pub fn durations() -> impl Strategy<Value = Duration> {
    let limit = sample::select(&[0, 1, 30, 40, 100, 300, 600, 3600, 21_600, 21_900][..]);
    let near = (limit.prop_map(Duration::from_secs), 0_u8..4);
    let instant = Duration::from_nanos(1);
    prop_oneof![
        6 => near.prop_map(move |(limit, side)| match side {
            0 => limit.saturating_sub(instant),
            1 => limit.saturating_add(instant),
            _ => limit,
        }),
        2 => (0_u64..43_200).prop_map(Duration::from_secs),
        1 => (0_u64..43_200_000_000_000).prop_map(Duration::from_nanos),
    ]
}

/// Instants around [`base`]: ages of [`durations`] before it, and a few in its future.
pub fn instants() -> impl Strategy<Value = Timestamp> {
    (durations(), prop::bool::weighted(0.1)).prop_map(|(age, future)| {
        let age = TimeDelta::from_std(age).unwrap_or_default();
        let instant = if future { base().checked_add_signed(age) } else { base().checked_sub_signed(age) };
        instant.unwrap_or_else(base)
    })
}

/// Clocks near [`base`], most of them without jumps, some with up to four.
pub fn clocks() -> impl Strategy<Value = Clock> {
    let jump = (-7200_i64..7200, 0_u64..3600, 0_u64..600);
    let jumps = prop_oneof![3 => Just(Vec::new()), 1 => collection::vec(jump, 1..5)];
    jumps.prop_map(|jumps| {
        let mut clock = Clock::at(base());
        for (by, ago, elapsed) in jumps {
            let now = clock.now.checked_sub_signed(seconds(ago)).unwrap_or_else(base);
            let last = now.checked_sub_signed(seconds(elapsed)).unwrap_or_else(base);
            let last = last.checked_sub_signed(TimeDelta::seconds(by)).unwrap_or_else(base);
            clock.jumps.note(last, now, Duration::from_secs(elapsed), Duration::from_secs(20));
        }
        clock
    })
}

/// Statuses, `running` most often.
pub fn statuses() -> impl Strategy<Value = Status> {
    prop_oneof![
        6 => Just(Status::Running),
        3 => Just(Status::Queued),
        1 => Just(Status::Done),
        1 => Just(Status::Failed),
    ]
}

/// Verdicts on a process.
pub fn livenesses() -> impl Strategy<Value = Liveness> {
    sample::select(
        &[
            Liveness::Alive(Certainty::Verified),
            Liveness::Alive(Certainty::Unverified),
            Liveness::Dead(Certainty::Verified),
            Liveness::Dead(Certainty::Unverified),
            Liveness::Leftovers,
            Liveness::Elsewhere,
            Liveness::Unknown,
        ][..],
    )
}

/// Verdicts on a process, each with a finding that can stand behind it.
pub fn sightings() -> impl Strategy<Value = Sighting> {
    livenesses().prop_flat_map(|liveness| {
        sample::select(findings(liveness)).prop_map(move |finding| Sighting::new(liveness, finding))
    })
}

fn findings(liveness: Liveness) -> Vec<Finding> {
    match liveness {
        Liveness::Alive(Certainty::Verified) => Vec::from([Finding::Running]),
        Liveness::Alive(Certainty::Unverified) => {
            Vec::from([Finding::PidExists, Finding::PidHeld, Finding::OtherHost, Finding::Beats])
        }
        Liveness::Dead(Certainty::Verified) => {
            let seen = [Finding::NoSuchProcess, Finding::Ended, Finding::Recycled, Finding::Rebooted];
            seen.into_iter().chain([Finding::DeclaredDead, Finding::Superseded]).collect()
        }
        Liveness::Dead(Certainty::Unverified) => {
            let seen = [Finding::NoSuchProcess, Finding::PidEnded, Finding::NothingRecorded, Finding::OtherHost];
            seen.into_iter().chain([Finding::HostLost, Finding::BeatStopped]).collect()
        }
        Liveness::Leftovers => Vec::from([Finding::SessionLives(1), Finding::CgroupLives(12)]),
        Liveness::Elsewhere => Vec::from([Finding::OtherHost]),
        Liveness::Unknown => Vec::from([
            Finding::NothingRecorded,
            Finding::OtherHost,
            Finding::OtherNamespace,
            Finding::HostShared,
            Finding::PidNotTrusted,
            Finding::Unreadable(String::from("EMFILE")),
            Finding::Unsupported,
        ]),
    }
}

/// Verdicts of a gate, `None` where none was asked for.
pub fn verdicts() -> impl Strategy<Value = Option<Verdict>> {
    let red = Just(Verdict::Red(String::from("2 tests fail")));
    let undecided = Just(Verdict::Undecided(String::from("time limit")));
    option::of(prop_oneof![Just(Verdict::Green), red, undecided])
}

/// What a pass can have seen of an attempt.
pub fn observations() -> impl Strategy<Value = Observation> {
    let seen = (sightings(), sightings(), 0_u32..4, verdicts(), prop::bool::weighted(0.2));
    seen.prop_map(|(executor, monitor, dead_ticks, verdict, out_of_memory)| Observation {
        executor,
        monitor,
        dead_ticks,
        verdict,
        out_of_memory,
    })
}

/// Exits: none, well, with a code, by a signal in either form.
pub fn exits() -> impl Strategy<Value = Option<Exit>> {
    let code = prop_oneof![4 => Just(0), 2 => Just(1), 1 => Just(137), 1 => Just(-9), 1 => any::<i32>()];
    option::of((code, instants()).prop_map(|(code, at)| Exit { code, at }))
}

/// Process identities, complete and not.
pub fn identities() -> impl Strategy<Value = ProcessIdentity> {
    let number = || option::of(any::<u64>());
    ("[a-z]{1,8}", "[0-9a-f]{4}", number(), any::<u32>(), number(), number()).prop_map(
        |(host, boot, pid_namespace, pid, start_time, inode)| ProcessIdentity {
            host,
            boot,
            pid_namespace,
            pid,
            start_time,
            inode,
        },
    )
}

fn tasks() -> impl Strategy<Value = Option<Task>> {
    let place = (sample::select(&STAGES[..]), any::<i64>())
        .prop_map(|(stage, version)| Place { stage: stage.into(), version: version.into() });
    let task = (1_i64..9, option::weighted(0.9, place)).prop_map(|(id, place)| Task {
        id: id.into(),
        place,
        branch: Some(String::from("feature/x")),
        work_item: None,
    });
    option::weighted(0.8, task)
}

/// Rows as a store can read them.
pub fn jobs() -> impl Strategy<Value = JobSnapshot> {
    let row = (1_i64..1000, any::<i64>(), statuses(), sample::select(&AGENTS[..]), tasks());
    let counts = (0_u32..4, 0_u32..4, 0_u32..7);
    let times = (option::weighted(0.95, instants()), exits(), option::weighted(0.2, instants()));
    let attach = sample::select(&[Attach::NotSaid, Attach::Pending, Attach::Done][..]);
    let bond = sample::select(&[Bond::Free, Bond::NodeBound][..]);
    let identity = || option::weighted(0.3, identities());
    let signs = (
        option::weighted(0.6, 1_u32..9999),
        identity(),
        identity(),
        attach,
        bond,
        option::weighted(0.2, 0_i64..9),
    );
    (row, counts, times, signs).prop_map(|(row, counts, times, signs)| {
        let (id, fence, status, agent, task) = row;
        let (attempts, max_attempts, rescues) = counts;
        let (started_at, exit, terminating_at) = times;
        let (pid, executor, monitor, attach, bond, beat) = signs;
        JobSnapshot {
            attempt: Attempt { job: id.into(), fence: fence.into() },
            status,
            agent: agent.into(),
            repo: String::from("orchestrator"),
            task,
            attempts,
            max_attempts,
            rescues,
            run: Some(id.into()),
            pid,
            started_at,
            exit,
            executor,
            monitor,
            attach,
            bond,
            beat: beat.map(|count| Beat { count, at: base() }),
            terminating_at,
        }
    })
}

/// Pipelines of up to five stages in which tasks go forward, and agents that leave some of them.
pub fn pipelines() -> impl Strategy<Value = Pipeline> {
    let stage = (any::<bool>(), 1_usize..3, option::weighted(0.7, sample::select(&AGENTS[..])), any::<bool>());
    let stages = collection::vec(stage, 0..STAGES.len());
    let agents = collection::btree_map(0_usize..3, collection::btree_set(0_usize..5, 1..3), 0..4);
    (stages, agents).prop_map(|(stages, agents)| {
        let name = |at: usize| STAGES.get(at).map_or_else(String::new, |name| String::from(*name));
        let count = stages.len();
        let stages = stages.into_iter().enumerate().map(|(at, (goes_on, steps, agent, gated))| Stage {
            name: name(at),
            next: Some(at.saturating_add(steps))
                .filter(|next| goes_on && *next < count)
                .map(|next| Next { stage: name(next), agent: agent.map(String::from) }),
            gate: gated.then(|| format!("gate-{at}")),
        });
        let agents = agents.into_iter().filter_map(|(agent, candidates)| {
            let candidates: Vec<_> = candidates.into_iter().filter(|at| *at < count).map(name).collect();
            let agent = AGENTS.get(agent).filter(|_| !candidates.is_empty())?;
            Some((String::from(*agent), candidates))
        });
        Pipeline::new(stages.collect(), agents).unwrap_or_default()
    })
}

/// Figures of an agent.
pub fn limits() -> impl Strategy<Value = Limits> {
    let named = [
        Signature::Code(1),
        Signature::Code(2),
        Signature::Code(137),
        Signature::Signal(9),
        Signature::Signal(15),
        Signature::OutOfMemory,
        Signature::Vanished,
        Signature::Overrun,
        Signature::NeverStarted,
    ];
    let exit =
        collection::btree_set(sample::select(named.to_vec()), 0..3).prop_map(|fail_on| ExitPolicy { fail_on });
    let intensity = option::weighted(
        0.8,
        (1_u32..50, 1_u64..7200)
            .prop_map(|(crashes, period)| Intensity { crashes, period: Duration::from_secs(period) }),
    );
    (1_u32..4, durations(), durations(), option::weighted(0.4, durations()), exit, intensity).prop_map(
        |(dead_ticks, finalize_grace, max_running, start_timeout, exit, intensity)| Limits {
            dead_ticks,
            finalize_grace,
            max_running,
            start_timeout,
            exit,
            intensity,
        },
    )
}

/// Policies that [`Policy::validate`] accepts.
pub fn policies() -> impl Strategy<Value = Policy> {
    let own = collection::btree_map(sample::select(&AGENTS[..]).prop_map(String::from), limits(), 0..2);
    let overrun = sample::select(&[OnOverrun::Terminate, OnOverrun::Requeue, OnOverrun::Hold][..]);
    let general = prop_oneof![1 => Just(Limits::default()), 2 => limits()];
    (general, own, overrun, durations(), 0_u32..7, durations(), pipelines()).prop_map(
        |(limits, agents, on_overrun, terminate_grace, max_rescues, elsewhere_patience, pipeline)| Policy {
            limits,
            agents: BTreeMap::from_iter(agents),
            on_overrun,
            terminate_grace,
            max_rescues,
            backoff: Backoff::default(),
            gate_patience: Duration::from_secs(3600),
            elsewhere_patience,
            breaker: BreakerPolicy::default(),
            pipeline,
        },
    )
}

/// All that `decide` is asked with.
pub fn cases() -> impl Strategy<Value = (JobSnapshot, Observation, Clock, Policy)> {
    (jobs(), observations(), clocks(), policies())
}

fn seconds(n: u64) -> TimeDelta {
    TimeDelta::from_std(Duration::from_secs(n)).unwrap_or_default()
}
