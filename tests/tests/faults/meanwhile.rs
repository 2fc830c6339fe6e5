//! F6, F32, F41: what becomes of a job between the moment in which a reaper reads it and the moment of its claim.

use std::sync::{Arc, Mutex};

use reaper_runner::Reaper;
use reaper_tests::{
    database::{Database, Kind},
    fakes::{FakeProbe, Fakes, settings},
    jobs::RunningJob,
};

/// The pid of the process that is dead.
const DEAD: u32 = 4711;

/// Runs statements on a database, once, when a pass looks at the process of a job that it has read.
fn when_probed(database: &Database, statements: String) -> FakeProbe {
    let left = Mutex::new(Some((database.program(), statements)));
    FakeProbe::by(move |pid| {
        if let Some((mut run, statements)) = left.lock().unwrap().take() {
            run(&statements);
        }
        pid != DEAD
    })
}

/// A reaper that sees a dead job, to which this happens before it claims. Then as many ticks as would settle what is left
/// of it if it were the same attempt. Answers with the database.
fn meanwhile(kind: Kind, statements: &str) -> Option<(Database, Reaper)> {
    let (database, store) = Database::adopted_on(kind)?;
    let job = RunningJob { pid: Some(DEAD), ..RunningJob::default() }.insert(&database);
    let probe = when_probed(&database, statements.replace("{}", &job.to_string()));
    let mut settings = settings();
    settings.policy.limits.dead_ticks = 1;
    let reaper = Reaper::new(Fakes::with_probe(probe).parts(&store), settings);
    let report = reaper.run_once();
    assert_eq!((report.error.clone(), report.settled.len()), (None, 1), "it was decided on: {report:?}");
    assert_eq!(report.won().count(), 0, "{kind:?}: {statements}: {report:?}");
    Some((database, reaper))
}

fn unharmed(database: &Database, reaper: &Reaper, what: &str) {
    for _ in 0..3 {
        let report = reaper.run_once();
        assert_eq!((report.error.clone(), report.won().count()), (None, 0), "{what}: {report:?}");
    }
    assert_eq!(database.count("jobs WHERE status = 'running'"), 1, "{what}");
    assert_eq!(database.count("reaper_events"), 0, "{what}");
}

const BACK: &str = "UPDATE jobs SET status = 'queued' WHERE id = {};";

#[test]
fn f06_a_job_that_was_requeued_and_taken_again_meanwhile_is_another_attempt() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let again = format!("{BACK} UPDATE jobs SET status = 'running', pid = 5000 WHERE id = {{}}");
        let Some((database, reaper)) = meanwhile(kind, &again) else { continue };
        unharmed(&database, &reaper, &again);
    }
}

#[test]
fn f32_a_job_that_was_deleted_and_whose_id_is_used_again_is_another_job() {
    const SAME: &str =
        "INTO jobs (id, agent, repo, status, pid) VALUES ({}, 'developer', 'other', 'running', 5000)";
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let again = format!("DELETE FROM jobs WHERE id = {{}}; INSERT {SAME}");
        let Some((database, reaper)) = meanwhile(kind, &again) else { continue };
        unharmed(&database, &reaper, &again);
    }
    let again = format!("REPLACE {SAME}");
    let (database, reaper) = meanwhile(Kind::Sqlite, &again).unwrap();
    unharmed(&database, &reaper, &again);
}

#[test]
fn f41_a_foreign_take_of_the_status_alone_is_not_judged_by_what_the_attempt_before_left() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        // The dead pid, and the run, stay on the row; nobody has said yet who works on it now.
        let again = format!("{BACK} UPDATE jobs SET status = 'running' WHERE id = {{}}");
        let Some((database, reaper)) = meanwhile(kind, &again) else { continue };
        unharmed(&database, &reaper, &again);
        // Once it says the same number again it is told by it: a pid is all that such a program knows.
        let pid = database.value("SELECT pid FROM jobs");
        assert_eq!(pid, Some(DEAD.to_string()), "the row still shows it");
    }
}

#[test]
fn f05_a_monitor_that_finishes_meanwhile_wins_and_the_reaper_has_no_effect() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let done = "UPDATE jobs SET status = 'done' WHERE id = {}";
        let Some((database, reaper)) = meanwhile(kind, done) else { continue };
        assert_eq!(reaper.run_once().won().count(), 0);
        assert_eq!(database.count("jobs WHERE status = 'done'"), 1);
        assert_eq!(database.count("reaper_events") + database.count("reaper_outbox"), 0, "{kind:?}");
    }
}

/// The caps stand in the guard as well: what was allowed when the row was read may not be when it is written.
#[test]
fn a_job_that_may_not_be_tried_again_meanwhile_is_not_requeued() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        for cap in ["max_attempts = attempts", "reaper_rescues = 1000"] {
            let Some((database, reaper)) = meanwhile(kind, &format!("UPDATE jobs SET {cap} WHERE id = {{}}"))
            else {
                continue;
            };
            assert_eq!(reaper.run_once().won().count(), 1, "{kind:?}: {cap}");
            assert_eq!(database.count("jobs WHERE status = 'failed'"), 1, "{kind:?}: {cap}");
            assert_eq!(database.count("reaper_events WHERE action = 'requeue'"), 0, "{kind:?}: {cap}");
        }
    }
}

#[test]
fn f30_a_page_full_of_rows_that_cannot_be_acted_on_hides_none_behind_them() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let Some((database, store)) = Database::adopted_on(kind) else { continue };
        // Alive and old enough to be looked at in each pass, the ones that cannot be read among them.
        for pid in 1..=20 {
            let _alive = RunningJob { pid: Some(pid), age_s: 3600, ..RunningJob::default() }.insert(&database);
        }
        database.sql("INSERT INTO jobs (agent, repo, status, pid) VALUES (NULL, NULL, 'running', 21)");
        let dead = RunningJob { pid: Some(DEAD), ..RunningJob::default() }.insert(&database);
        let mut settings = settings();
        settings.policy.limits.dead_ticks = 1;
        (settings.page, settings.budget) = (1, 1);
        let probe = FakeProbe::by(|pid| pid != DEAD);
        let reaper = Reaper::new(Fakes::with_probe(probe).parts(&store), settings);
        let report = reaper.run_once();
        assert_eq!((report.error.clone(), report.won().count()), (None, 1), "{kind:?}: {report:?}");
        assert_eq!(database.status(dead), "queued");
        assert_eq!(database.count("jobs WHERE status = 'running'"), 21);
    }
}

#[test]
fn f42_a_stop_whose_winner_is_killed_before_it_signals_is_won_anew() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        stop_is_won_anew(kind);
    }
}

fn stop_is_won_anew(kind: Kind) {
    use reaper_core::{Attempt, Certainty, Finding, Liveness, ProcessIdentity, Sighting};
    use reaper_gate::{Probe, Stop, liveness::Stopped};
    use reaper_runner::Parts;
    use std::{collections::BTreeSet, time::Duration};

    /// The processes of this host: alive until they are stopped.
    #[derive(Debug, Default)]
    struct Host(Mutex<BTreeSet<u32>>);

    impl Probe for Host {
        fn host(&self) -> &str {
            "here"
        }

        fn probe(&self, process: &ProcessIdentity) -> Sighting {
            if self.0.lock().unwrap().contains(&process.pid) {
                Sighting::new(Liveness::Dead(Certainty::Verified), Finding::NoSuchProcess)
            } else {
                Sighting::new(Liveness::Alive(Certainty::Verified), Finding::PidExists)
            }
        }

        fn probe_pid(&self, _: u32) -> Sighting {
            Sighting::new(Liveness::Unknown, Finding::OtherHost)
        }
    }

    impl Stop for Host {
        fn stop(&self, _: &Attempt, process: &ProcessIdentity, _: Duration) -> Stopped {
            self.0.lock().unwrap().insert(process.pid);
            Stopped::Asked
        }

        fn executors(&self) -> Vec<(Attempt, ProcessIdentity)> {
            Vec::new()
        }
    }

    let Some((database, store)) = Database::adopted_on(kind) else { return };
    let job = RunningJob { pid: Some(77), age_s: 1_000_000, ..RunningJob::default() }.insert(&database);
    database.sql(&format!(
        "UPDATE jobs SET reaper_executor = 'here/boot/4026531836/77/1/2', reaper_attach = 'done' WHERE id = {job}"
    ));
    let host = Arc::new(Host::default());
    let probe: Arc<dyn Probe> = Arc::<Host>::clone(&host);
    let parts = || Parts { probe: Arc::clone(&probe), ..Fakes::with_probe(FakeProbe::alive()).parts(&store) };
    // Its fakes stop nothing: it is as one that is killed in that moment.
    let first = Reaper::new(parts(), settings());
    assert_eq!(first.run_once().won().count(), 1);
    assert_eq!(database.status(job), "running");
    let announced = |state: &str| database.count(&format!("jobs WHERE reaper_terminating_at IS {state}"));
    assert_eq!(announced("NOT NULL"), 1, "{kind:?}: a stop is announced");

    let stop: Arc<dyn Stop> = Arc::<Host>::clone(&host);
    let second = Reaper::new(Parts { stop, ..parts() }, settings());
    let report = second.run_once();
    assert_eq!(report.won().count(), 0, "{kind:?}: its winner may still be at it: {report:?}");
    assert!(host.0.lock().unwrap().is_empty());

    // The grace and the margin are over.
    let past = settings().policy.terminate_grace + reaper_core::policy::TERMINATE_MARGIN + Duration::from_secs(1);
    let back = past.as_millis();
    database
        .sql(&format!("UPDATE jobs SET reaper_terminating_at = reaper_terminating_at - {back} WHERE id = {job}"));
    let report = second.run_once();
    assert_eq!(report.won().count(), 1, "{kind:?}: {report:?}");
    assert!(host.0.lock().unwrap().contains(&77), "now it is stopped");
    // Then it is dead, and known to be; its monitor is not known.
    let ticks = settings().policy.limits.dead_ticks;
    for _ in 0..ticks {
        let _tick = second.run_once();
    }
    assert_eq!(database.status(job), "queued", "{kind:?}");
    let events = |action: &str| database.count(&format!("reaper_events WHERE action = '{action}'"));
    assert_eq!((events("terminate"), events("requeue")), (2, 1), "{kind:?}");
}
