//! What runs past its ceiling, in each way that the configuration can say: stopped first, requeued beside it, or held.

use reaper_tests::program::eventually;

use crate::{
    ground::{Ground, code_of, gone, kill, lives},
    on_both,
};

/// Two ticks, under which everything is too old.
fn ticks(ground: &Ground, on_overrun: &str) {
    ground.configure(&format!("max_running = \"1ms\"\non_overrun = \"{on_overrun}\""));
    let _ticks = ground.program.run(&["tick", "--times", "2", "--interval", "100ms"]).ok();
    ground.configure("");
}

fn events(ground: &Ground, action: &str) -> i64 {
    ground.db.count(&format!("reaper_events WHERE action = '{action}'"))
}

/// A command that does not end when it is asked to, with a child in its session.
const STUBBORN: &str = "trap '' TERM; (trap '' TERM; exec sleep 600) & echo $! > child; echo $$ > pid; \
    while :; do sleep 0.05; done";

const REFUSE_SQLITE: &str = "CREATE TRIGGER owner BEFORE UPDATE OF reaper_terminating_at ON jobs
    WHEN NEW.reaper_terminating_at IS NOT NULL BEGIN SELECT RAISE(ABORT, 'not now'); END";

const REFUSE_POSTGRES: &str = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'not now'; END $$;
    CREATE TRIGGER owner BEFORE UPDATE ON jobs FOR EACH ROW WHEN (NEW.reaper_terminating_at IS NOT NULL)
        EXECUTE FUNCTION refuse()";

on_both! {
    /// The stop is written first and reaches the whole session, though nobody is left to pass it on; then comes the requeue.
    fn terminated_with_its_session_before_it_is_requeued(ground: &Ground) {
        let job = ground.job();
        let mut monitor = ground.spawn(&[], STUBBORN);
        let (pid, child) = (ground.pid_in("pid"), ground.pid_in("child"));
        kill(&mut monitor);
        ticks(ground, "terminate");
        gone(pid);
        gone(child);
        eventually("it is requeued", || {
            let _tick = ground.tick();
            ground.db.status(job) == "queued"
        });
        assert_eq!((events(ground, "terminate"), events(ground, "requeue")), (1, 1));
        let first = ground.db.value("SELECT action FROM reaper_events ORDER BY seq LIMIT 1");
        assert_eq!(first.as_deref(), Some("terminate"));
        ground.is_consistent();
    }

    /// The stop is announced first: one that cannot be, because the owner refuses to have it written, signals nobody.
    fn a_stop_that_cannot_be_announced_signals_nobody(ground: &Ground) {
        let job = ground.job();
        let mut monitor = ground.spawn(&[], STUBBORN);
        let (pid, child) = (ground.pid_in("pid"), ground.pid_in("child"));
        kill(&mut monitor);
        let is_sqlite = ground.db.url() == "jobs.db";
        ground.db.sql(if is_sqlite { REFUSE_SQLITE } else { REFUSE_POSTGRES });
        ground.configure("max_running = \"1ms\"\non_overrun = \"terminate\"");
        let said = ground.program.run(&["tick", "--output", "json"]).stdout;
        assert!(said.contains("not now"), "{said}");
        assert!(lives(pid) && lives(child), "it was signalled: {said}");
        assert_eq!((ground.db.status(job).as_str(), ground.db.count("reaper_events")), ("running", 0));

        ground.db.sql(if is_sqlite { "DROP TRIGGER owner" } else { "DROP TRIGGER owner ON jobs" });
        eventually("it is requeued", || {
            let _tick = ground.tick();
            ground.db.status(job) == "queued"
        });
        assert!(!lives(pid) && !lives(child));
        ground.is_consistent();
    }

    /// The job is requeued at once; its monitor learns it by its next beat, and stops the command.
    fn requeued_beside_what_still_runs(ground: &Ground) {
        let job = ground.job();
        let mut monitor = ground.spawn(&[], STUBBORN);
        let (pid, child) = (ground.pid_in("pid"), ground.pid_in("child"));
        // A beat between a look and its claim makes it lose.
        eventually("it is requeued", || {
            ticks(ground, "requeue");
            ground.db.status(job) == "queued"
        });
        assert_eq!((events(ground, "terminate"), events(ground, "requeue")), (0, 1));
        assert_eq!(code_of(&mut monitor), 7, "its attempt was taken away");
        gone(pid);
        gone(child);
        ground.is_consistent();
    }

    /// Nobody touches it until a person does, and its own end counts.
    fn held_for_a_person(ground: &Ground) {
        let job = ground.job();
        let script = "echo $$ > pid; while [ ! -e go ]; do sleep 0.02; done";
        let mut monitor = ground.spawn(&[], script);
        let pid = ground.pid_in("pid");
        ticks(ground, "hold");
        assert!(lives(pid), "it was signalled");
        assert_eq!((ground.db.status(job).as_str(), ground.db.count("reaper_events")), ("running", 0));
        std::fs::write(ground.file("go"), "").unwrap();
        assert_eq!(code_of(&mut monitor), 0);
        assert_eq!(ground.db.status(job), "done");
        ground.is_consistent();
    }
}
