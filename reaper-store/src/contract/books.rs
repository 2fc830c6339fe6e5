//! What is kept and counted beside the jobs: events, figures, mode, breaker, the note of the latest pass.

use std::time::Duration;

use chrono::TimeDelta;
use reaper_core::{
    AdvanceOrder, Breaker, Breakers, Effect, JobId, Mode, Signature, Status, TaskId,
    breaker::{EvidenceKind, Open, Tally},
};

use super::{
    Subject,
    scene::{HOUR, PID, REQUEUE, RETRY, Scene, alert, claim, claim_by},
};
use crate::{
    Claim, Settlement,
    claims::{Actor, Death},
    control::{PassNote, WatchTally},
    facts::StalledTask,
    foreign::{ForeignJob, JobColumn, When},
    history::Query,
    outbox::{Delivered, Which},
};

/// Every claim that is won has exactly one event, which says all about it; one that is lost has none.
pub fn every_won_claim_has_one_event(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (read, run) = scene.running_with_run();
    let lost = claim(&scene.running(), Settlement::Done);
    scene.set_status(&lost.attempt.job, "done");
    scene.lose(&lost);
    let mut won = vec![claim(&read, Settlement::Terminate)];
    let announced = scene.win(&won[0]);
    won.push(claim_by(Actor::Monitor, &announced, RETRY));
    let _ = scene.win(&won[1]);
    scene.write_exit(&run, 0);
    won.push(claim(&scene.job(&read.attempt.job), Settlement::Dismiss));
    let _ = scene.win(&won[2]);
    won.push(claim(&scene.take(&read.attempt.job).job, Settlement::Fail));
    let failed = scene.win(&won[3]);
    won.push(claim_by(Actor::Person, &failed, RETRY));
    let _ = scene.win(&won[4]);
    won.push(claim(&scene.take(&read.attempt.job).job, Settlement::Done));
    let _ = scene.win(&won[5]);

    let events = scene.events();
    assert_eq!(events.len(), won.len());
    let words = [
        ("reaper", "terminate", "running", "running"),
        ("monitor", "requeue", "running", "queued"),
        ("reaper", "dismiss", "queued", "queued"),
        ("reaper", "fail", "running", "failed"),
        ("person", "requeue", "failed", "queued"),
        ("reaper", "done", "running", "done"),
    ];
    for ((event, claim), (by, action, from, to)) in events.iter().zip(&won).zip(words) {
        assert_eq!(event.id, claim.event, "in the order in which they were written");
        assert_eq!(event.job.as_ref(), Some(&claim.attempt.job));
        assert_eq!(event.fence.as_ref(), Some(&claim.attempt.fence));
        assert_eq!((event.by.as_str(), event.action.as_str()), (by, action));
        assert_eq!((event.from.as_deref(), event.to.as_deref()), (Some(from), Some(to)));
        assert_eq!((&event.rule, &event.reason, &event.evidence), (&claim.rule, &claim.reason, &claim.evidence));
        assert!(scene.is_about(event.at, Duration::ZERO), "{}", event.at);
    }
}

/// Evidence of any shape comes back as it was.
pub fn evidence_comes_back_as_it_was(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for evidence in [
        serde_json::Value::Null,
        serde_json::json!({ "a": [1, 2.5, null, "ж'\"\n"], "b": { "c": true }, "n": i64::MAX }),
        serde_json::json!("a word"),
    ] {
        let claim = Claim {
            evidence: evidence.clone(),
            rule: String::new(),
            reason: "it's \"so\"".into(),
            ..claim(&scene.running(), Settlement::Fail)
        };
        let _ = scene.win(&claim);
        let event = scene.events().pop().expect("an event was written");
        assert_eq!((event.evidence, event.rule, event.reason), (evidence, claim.rule, claim.reason));
    }
}

/// Events are filtered by job and instant, and the latest so many come, the oldest of them first.
pub fn events_are_filtered(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (one, two) = (scene.enqueue("developer"), scene.enqueue("developer"));
    let mut ids = Vec::new();
    for job in [&one, &two, &one, &one] {
        let claim = claim_by(Actor::Person, &scene.take(job).job, RETRY);
        ids.push(claim.event);
        let _ = scene.win(&claim);
    }
    let ask = |query: Query| {
        let events = scene.store().events(&query).expect("a read works");
        events.into_iter().map(|event| event.id).collect::<Vec<_>>()
    };
    let all = || Query { job: None, since: None, limit: 100 };
    let of = |job: &JobId| Query { job: Some(job.clone()), ..all() };
    assert_eq!(ask(all()), ids);
    assert_eq!(ask(of(&one)), [ids[0], ids[2], ids[3]]);
    assert_eq!(ask(Query { limit: 2, ..of(&one) }), [ids[2], ids[3]]);
    assert_eq!(ask(Query { limit: 3, ..all() }), ids[1..]);
    assert_eq!(ask(Query { limit: 0, ..all() }), []);
    let last = scene.events().pop().expect("there are events");
    assert!(ask(Query { since: Some(last.at), ..all() }).contains(&last.id), "at the instant counts");
    let now = scene.now();
    assert_eq!(ask(Query { since: Some(now - TimeDelta::hours(1)), ..all() }), ids);
    assert_eq!(ask(Query { since: Some(now + TimeDelta::hours(1)), ..all() }), []);
    assert_eq!(ask(of(&9_999.into())), []);
}

/// A failure of a new job of this agent, that ended so.
fn death(scene: Scene<'_>, agent: &str, signature: Signature, young: bool) -> JobId {
    let taken = scene.take(&scene.enqueue(agent));
    let death = Some(Death { agent: agent.into(), signature, young });
    let _ = scene.win(&Claim { death, ..claim(&taken.job, REQUEUE) });
    taken.job.attempt.job
}

/// Deaths are grouped by agent and signature, the most frequent first, with jobs of the latest three; what did not end
/// badly is in none.
pub fn deaths_are_grouped(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let segv: Vec<_> = (0..4).map(|_| death(scene, "developer", Signature::Signal(11), false)).collect();
    let code = death(scene, "developer", Signature::Code(3), true);
    let other: Vec<_> = (0..2).map(|_| death(scene, "it's", Signature::Signal(11), false)).collect();
    let _ = scene.win(&claim(&scene.running(), REQUEUE));
    let (store, now) = (scene.store(), scene.now());
    let ask = |hours, agent: Option<&str>| {
        let deaths = store.deaths(now + TimeDelta::hours(hours), agent.map(Into::into)).expect("a read works");
        assert!(
            deaths.iter().all(|group| group.first <= group.last && scene.is_about(group.last, Duration::ZERO))
        );
        let told = deaths.into_iter().map(|group| (group.agent, group.signature, group.count, group.examples));
        told.collect::<Vec<_>>()
    };
    let group = |agent: &str, signature: &str, count, jobs: &[&JobId]| {
        (agent.to_owned(), signature.to_owned(), count, jobs.iter().copied().cloned().collect::<Vec<_>>())
    };
    let developers = [
        group("developer", "signal:SEGV", 4, &[&segv[3], &segv[2], &segv[1]]),
        group("developer", "code:3", 1, &[&code]),
    ];
    let others = group("it's", "signal:SEGV", 2, &[&other[1], &other[0]]);
    assert_eq!(ask(-1, None), [developers[0].clone(), others.clone(), developers[1].clone()]);
    assert_eq!(ask(-1, Some("developer")), developers);
    assert_eq!(ask(-1, Some("it's")), [others]);
    assert_eq!(ask(-1, Some("nobody")), []);
    assert_eq!(ask(1, None), []);
    let event = scene.events().remove(0);
    assert_eq!((event.agent.as_deref(), event.signature.as_deref()), (Some("developer"), Some("signal:SEGV")));
}

/// Crashes are the deaths of an agent's attempts that died young, as instants in their order, the latest so many.
pub fn crashes_are_what_died_young(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for (agent, young) in [("developer", true), ("developer", false), ("other", true), ("developer", true)] {
        let _job = death(scene, agent, Signature::Vanished, young);
    }
    let (store, now) = (scene.store(), scene.now());
    let ask = |agent: &str, hours, limit| {
        let crashes = store.crashes(agent, now + TimeDelta::hours(hours), limit).expect("a read works");
        assert!(
            crashes.is_sorted() && crashes.iter().all(|at| scene.is_about(*at, Duration::ZERO)),
            "{crashes:?}"
        );
        crashes.len()
    };
    assert_eq!((ask("developer", -1, 9), ask("other", -1, 9), ask("nobody", -1, 9)), (2, 1, 0));
    assert_eq!((ask("developer", -1, 1), ask("developer", -1, 0), ask("developer", 1, 9)), (1, 0, 0));
}

/// Pruning removes old events and what was delivered, and says how many rows went; what is still to be delivered,
/// and what was given up, stays.
pub fn pruning_keeps_what_is_undelivered(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let _ = scene.win(&claim(&scene.running(), REQUEUE));
    for key in ["delivered", "dead", "pending"] {
        let _posted = scene.store().post(key, &alert(key)).expect("the database works");
    }
    let leased = scene.store().lease(&Which::Due, 2, HOUR).expect("the database works");
    let answers = [Delivered::Done { note: "sent".into() }, Delivered::Dead { problem: "no".into() }];
    for (delivery, answer) in leased.iter().zip(&answers) {
        assert!(scene.store().record(delivery, answer).expect("the database works"));
    }
    let (before, now) = (scene.dump(), scene.now());
    assert_eq!(scene.store().prune(now - TimeDelta::hours(1)).expect("the database works"), 0);
    assert_eq!(scene.dump(), before, "nothing is that old");
    assert_eq!(scene.store().prune(now + TimeDelta::hours(1)).expect("the database works"), 2);
    assert_eq!(scene.events(), []);
    let left = scene.store().undelivered(10).expect("a read works");
    assert_eq!(left.iter().map(|row| row.key.as_str()).collect::<Vec<_>>(), ["dead", "pending"]);
}

/// The mode is `enforce` until another is stored, each change has its event and answers with the one before.
pub fn the_mode_is_kept(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let mut before = Mode::Enforce;
    for mode in [Mode::Report, Mode::Off, Mode::Off, Mode::Enforce] {
        assert_eq!(scene.store().mode().expect("a read works"), before);
        assert_eq!(scene.store().set_mode(mode).expect("the database works"), before);
        let event = scene.events().pop().expect("it has an event");
        assert_eq!((event.action.as_str(), event.by.as_str(), &event.job), ("mode", "person", &None));
        before = mode;
    }
    assert_eq!(scene.store().mode().expect("a read works"), Mode::Enforce);
    assert_eq!(scene.events().len(), 4);
}

/// The breaker is closed until another is stored, and comes back as it was.
pub fn the_breaker_is_kept(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let read = || scene.store().breaker().expect("a read works");
    assert_eq!(read(), Breakers::default());
    let open = |released| Open {
        since: scene.now(),
        seen_at: scene.now(),
        tally: Tally { followed: 20, dead: 19 },
        released,
    };
    let by_pid = Breaker { open: [(EvidenceKind::BarePid, open(false))].into() };
    let mut breakers = Breakers { age: None, hosts: [("a \"b\" 'c'".into(), by_pid)].into() };
    for age in [None, Some(open(true))] {
        breakers.age = age;
        scene.store().set_breaker(&breakers).expect("the database works");
        assert_eq!(read(), breakers);
    }
    scene.store().set_breaker(&Breakers::default()).expect("the database works");
    assert_eq!(read(), Breakers::default());
}

/// The note of the latest pass is the latest, and comes back as it was.
pub fn the_latest_pass_is_kept(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    assert_eq!(scene.store().latest_pass().expect("a read works"), None);
    let tally = WatchTally { watched: 12, in_turn: 1 };
    for (won, error, watch) in [(3, None, Some(tally)), (0, Some("the disk is full: 'x'"), None)] {
        let error = error.map(str::to_owned);
        let note = PassNote { at: scene.now(), reaper: "here:77".into(), won, lost: 1, error, watch };
        scene.store().note_pass(&note).expect("the database works");
        assert_eq!(scene.store().latest_pass().expect("a read works"), Some(note));
    }
}

/// The census counts by status, those of other programs under their own names, and names the oldest running job.
pub fn the_census_counts(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let empty = scene.store().census().expect("a read works");
    assert_eq!((empty.jobs.values().sum::<u64>(), empty.oldest_running), (0, None));
    for word in ["queued", "queued", "done", "failed", "paused"] {
        scene.insert(&ForeignJob { status: word.into(), ..ForeignJob::default() });
    }
    let [_, oldest, _] = [1000, 2000, 500].map(|secs| scene.insert(&ForeignJob::running(PID, secs)));
    let census = scene.store().census().expect("a read works");
    let counts: Vec<_> = Status::ALL.iter().map(|status| census.count(*status)).collect();
    assert_eq!(counts, [2, 3, 1, 1]);
    assert_eq!(census.jobs.get("paused"), Some(&1));
    let (job, since) = census.oldest_running.expect("jobs run");
    assert_eq!(job, oldest);
    assert!(scene.is_about(since, Duration::from_secs(2000)), "{since}");
    assert!(scene.is_about(census.now, Duration::ZERO));
}

/// Running jobs are counted no further than one wants to know.
pub fn running_jobs_are_counted_so_far(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let running = |at_most| scene.store().running(at_most).expect("a read works");
    assert_eq!(running(10), 0);
    for word in ["running", "running", "running", "queued", "done"] {
        scene.insert(&ForeignJob { status: word.into(), ..ForeignJob::default() });
    }
    assert_eq!([running(0), running(2), running(3), running(u64::MAX)], [0, 2, 3, 3]);
}

fn task(scene: Scene<'_>, stage: &str) -> TaskId {
    scene.foreign().insert_task(None, stage).expect("a foreign insert works")
}

/// A task is stalled in no final stage, without a job that waits or runs, without an advance on its way.
pub fn stalled_tasks_are_told(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let finals = ["released".to_owned(), "dropped".to_owned()];
    let stalled = |limit| scene.store().stalled(&finals, limit).expect("a read works");
    let ended = [task(scene, "development"), task(scene, "review")];
    for (task, word) in ended.iter().zip(["done", "failed"]) {
        scene.insert(&ForeignJob { task: Some(task.clone()), status: word.into(), ..ForeignJob::default() });
    }
    for word in ["queued", "running"] {
        let task = Some(task(scene, "development"));
        scene.insert(&ForeignJob { task, status: word.into(), ..ForeignJob::default() });
    }
    let (_, _) = (task(scene, "released"), task(scene, "dropped"));
    let moving = task(scene, "development");
    let order = AdvanceOrder {
        task: moving.clone(),
        repo: "shop".into(),
        from: "development".into(),
        version: 1.into(),
        to: "review".into(),
        next_agent: None,
    };
    let _posted = scene.store().post("k", &Effect::Advance(order)).expect("the database works");
    let of = |task: &TaskId, stage: &str| StalledTask { task: task.clone(), work_item: None, stage: stage.into() };
    let expected = [of(&ended[0], "development"), of(&ended[1], "review")];
    assert_eq!(stalled(10), expected);
    assert_eq!(stalled(1), expected[..1], "the oldest first");

    // An advance that was given up is on its way no more.
    let leased = scene.store().lease(&Which::Due, 1, HOUR).expect("the database works").remove(0);
    let dead = Delivered::Dead { problem: "no".into() };
    assert!(scene.store().record(&leased, &dead).expect("the database works"));
    assert_eq!(stalled(10).last(), Some(&of(&moving, "development")));
}

/// The database's clock does not stand on its head: back-dated rows are as old as they say.
pub fn the_clock_is_the_one_that_ages_are_told_by(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let job = scene.insert(&ForeignJob { started_at: When::Ago(HOUR), ..ForeignJob::running(PID, 0) });
    assert!(scene.is_about(scene.job(&job).started_at.expect("it began"), HOUR));
    scene.update(&job, &[JobColumn::StartedAt(When::secs_ago(1))]);
    assert!(scene.is_about(scene.job(&job).started_at.expect("it began"), Duration::ZERO));
}
