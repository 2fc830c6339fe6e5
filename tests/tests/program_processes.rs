//! `reaper processes`: what carries an attempt that has moved on, and its end.

use reaper_tests::{
    jobs::RunningJob,
    processes::Sleeper,
    program::{adopted, eventually},
};

const BINARY: &str = env!("CARGO_BIN_EXE_reaper-under-test");

#[test]
fn what_has_moved_on_is_listed_and_stopped_and_nothing_else() {
    let (db, program) = adopted(BINARY);
    let attempt = |job: i64| {
        let fence = db.value(&format!("SELECT reaper_fence FROM jobs WHERE id = {job}")).unwrap();
        format!("{job}:{fence}")
    };
    let [requeued, failed, taken, running] = [0; 4].map(|_| RunningJob::default().insert(&db));
    let [mut of_requeued, mut of_failed, mut of_taken, mut of_running] =
        [requeued, failed, taken, running].map(|job| Sleeper::carrying(&attempt(job)));
    // Another queue's job has the same number, and a fence that nothing here has heard of.
    let mut of_another = Sleeper::carrying(&format!("{requeued}:4711"));
    let mut of_nobody = Sleeper::carrying("99:4711");

    let list = || program.run(&["processes", "--output", "json"]).ok().json().remove(0);
    assert_eq!(list()["processes"].as_array().unwrap().len(), 0, "all of it is running");
    let nothing = program.run(&["processes", "--stop"]).with_code(3);
    assert!(nothing.stderr.contains("no process here"), "{}", nothing.stderr);

    for (command, job) in [("retry", requeued), ("fail", failed), ("retry", taken)] {
        let _settled = program.run(&[command, &job.to_string()]).ok();
    }
    db.sql(&format!("UPDATE jobs SET status = 'running' WHERE id = {taken}"));
    let listed = list();
    let found: Vec<_> = listed["processes"].as_array().unwrap().iter().collect();
    let of = |job: i64| found.iter().find(|shown| shown["job"] == job).unwrap();
    assert_eq!(found.len(), 3, "{listed}");
    assert_eq!(of(requeued)["moved_on"], "queued");
    assert_eq!(of(failed)["moved_on"], "failed");
    assert_eq!(of(taken)["moved_on"], "taken again");
    assert_eq!(of(failed)["pid"], of_failed.pid());
    assert_eq!(of(failed)["command"], of_failed.command());

    let stopped = program.run(&["processes", "--stop"]).ok();
    assert!(stopped.stdout.contains("asked"), "{}", stopped.stdout);
    for gone in [&mut of_requeued, &mut of_failed, &mut of_taken] {
        eventually("it has ended", || !gone.is_running());
    }
    for left in [&mut of_running, &mut of_another, &mut of_nobody] {
        assert!(left.is_running(), "{}", left.pid());
    }
}
