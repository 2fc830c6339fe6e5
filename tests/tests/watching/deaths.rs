//! Deaths that are settled at once, and those that are not.

use std::time::Duration;

use reaper_store::attempts::Recorded;
use reaper_tests::program::{eventually, within};

use crate::{
    ground::{Ground, step},
    on_both,
};

on_both! {
    /// Nobody is left who could record anything: the job is queued again though no tick comes. The signal stands in the
    /// evidence, and is no exit of the work.
    fn the_death_of_both_is_settled_at_once(ground: &Ground) {
        let (mut cast, mut bystander) = (ground.attempt(), ground.attempt());
        let _running = ground.watching(4);
        cast.monitor.kill();
        cast.executor.kill();
        ground.until_status(&cast, "queued");
        assert_eq!(ground.way(&cast), [step("requeue", "nobody_left")]);
        let evidence = &ground.events(&cast)[0].evidence;
        assert_eq!(evidence["witnessed"]["code"], -9, "{evidence}");
        assert_eq!(ground.db.status(bystander.job), "running");
        assert!(bystander.executor.is_running());
        ground.until_watched(2);
    }

    /// The other way round it is the same: who dies last wakes.
    fn the_executor_may_die_first(ground: &Ground) {
        let mut cast = ground.attempt();
        let _running = ground.watching(2);
        cast.executor.kill();
        cast.monitor.kill();
        ground.until_status(&cast, "queued");
        assert_eq!(ground.way(&cast), [step("requeue", "nobody_left")]);
    }

    /// The exit is seconds old and the grace is minutes long; the monitor's death ends it.
    fn a_monitors_death_ends_the_grace(ground: &Ground) {
        let mut cast = ground.staged();
        let _running = ground.watching(2);
        cast.executor.end(0);
        assert_eq!(ground.store.record_exit(&cast.run, 0).unwrap(), Recorded::New);
        assert_eq!(ground.db.status(cast.job), "running");
        cast.monitor.kill();
        ground.until_status(&cast, "done");
        assert_eq!(ground.way(&cast), [step("done", "exit_zero")]);
        eventually("its task has moved on", || ground.db.stage(cast.task.unwrap()) == "build");
    }

    /// A bad exit is tried again at once, too.
    fn a_monitors_death_ends_the_grace_of_a_bad_exit(ground: &Ground) {
        let mut cast = ground.staged();
        let _running = ground.watching(2);
        cast.executor.end(3);
        assert_eq!(ground.store.record_exit(&cast.run, 3).unwrap(), Recorded::New);
        cast.monitor.kill();
        ground.until_status(&cast, "queued");
        assert_eq!(ground.way(&cast), [step("requeue", "exit_nonzero")]);
        assert_eq!(ground.db.stage(cast.task.unwrap()), "design");
    }

    /// An executor that is dead while its monitor lives is its monitor's to record and to finish.
    fn what_a_monitor_is_about_to_finish_is_left_to_it(ground: &Ground) {
        let (mut cast, mut other) = (ground.staged(), ground.attempt());
        let _running = ground.watching(4);
        cast.executor.end(0);
        // Its death is known once a later one is settled.
        other.executor.kill();
        other.monitor.kill();
        ground.until_status(&other, "queued");
        assert_eq!((ground.db.status(cast.job), ground.way(&cast)), ("running".into(), Vec::new()));
        assert_eq!(ground.store.record_exit(&cast.run, 0).unwrap(), Recorded::New);
        cast.monitor.kill();
        ground.until_status(&cast, "done");
        assert_eq!(ground.way(&cast), [step("done", "exit_zero")]);
    }

    /// An attempt that begins while the program runs is watched from the next tick on; none looks at all that run.
    fn attempts_that_begin_later_are_watched_too(ground: &Ground) {
        ground.configure("interval = \"300ms\"");
        let (_running, mut passes) = ground.told();
        assert_eq!(passes.next().unwrap()["watch"]["watched"], 0);
        let (mut cast, other) = (ground.attempt(), ground.attempt());
        assert!(passes.by_ref().take(100).any(|pass| pass["watch"]["watched"] == 4));
        cast.monitor.kill();
        cast.executor.kill();
        ground.until_status(&cast, "queued");
        assert_eq!(ground.way(&cast), [step("requeue", "nobody_left")]);
        assert_eq!(ground.db.status(other.job), "running");
    }

    /// A number that was given to somebody else is nobody of this attempt: its death is seen, and the stranger lives.
    fn a_recycled_pid_is_not_the_executor(ground: &Ground) {
        let mut cast = ground.attempt();
        let mut stranger = cast.executor.identity.clone();
        stranger.start_time = stranger.start_time.map(|start| start - 1);
        stranger.inode = stranger.inode.map(|inode| inode + 1_000_000);
        assert_eq!(ground.store.attach(&cast.attempt, &stranger).unwrap(), reaper_store::attempts::Written::Yes);
        let _running = ground.watching(1);
        assert_eq!(ground.db.status(cast.job), "running", "its monitor lives");
        cast.monitor.kill();
        ground.until_status(&cast, "queued");
        assert_eq!(ground.way(&cast), [step("requeue", "nobody_left")]);
        assert!(cast.executor.is_running());
    }

    /// Fifty pairs die at once; each is settled once, and nobody else.
    fn many_deaths_at_once_are_settled_once_each(ground: &Ground) {
        let mut casts: Vec<_> = (0..60).map(|_| ground.attempt()).collect();
        let _running = ground.watching(120);
        for cast in casts.iter_mut().skip(10) {
            cast.monitor.kill();
            cast.executor.kill();
        }
        within(Duration::from_secs(60), "all of them are queued", || {
            casts.iter().skip(10).all(|cast| ground.db.status(cast.job) == "queued")
        });
        for (at, cast) in casts.iter().enumerate() {
            let expected = if at < 10 { Vec::new() } else { vec![step("requeue", "nobody_left")] };
            assert_eq!(ground.way(cast), expected);
        }
    }
}
