//! Commands that are stopped: by their limit, by a signal, or because the attempt is somebody else's by now.

use reaper_tests::program::eventually;
use rustix::process::{Pid, Signal};

use crate::{
    ground::{Ground, code_of, gone, lives, signal},
    on_both,
};

fn pid_of(child: &std::process::Child) -> Pid {
    Pid::from_child(child)
}

on_both! {
    /// A command that takes too long is asked to end, and killed if it does not, with all that it has started.
    fn a_limit_ends_the_whole_session(ground: &Ground) {
        let job = ground.job();
        let script = "trap '' TERM; (trap '' TERM; exec sleep 600) & echo $! > child; echo $$ > pid; \
            while :; do sleep 0.1; done";
        let ended = ground.exec(&["--limit", "1s", "--output", "json"], script).with_code(6).json();
        assert_eq!((&ended[0]["code"], &ended[0]["stopped_for"]), (&(-9).into(), &"limit".into()), "{ended:?}");
        assert_eq!((ground.db.status(job).as_str(), ground.exits(job).as_deref()), ("queued", Some("-9")));
        gone(ground.pid_in("pid"));
        gone(ground.pid_in("child"));
        ground.is_consistent();
    }

    /// An attempt that was taken away is stopped, and its job is left alone.
    fn an_attempt_that_is_taken_away_is_stopped(ground: &Ground) {
        let job = ground.job();
        let mut child = ground.spawn(&["--hook", "echo hooked > hooked"], "echo $$ > pid; exec sleep 600");
        let pid = ground.pid_in("pid");
        let _requeued = ground.program.run(&["requeue-running", "--all"]).ok();
        assert_eq!(code_of(&mut child), 7);
        gone(pid);
        assert_eq!(ground.db.status(job), "queued");
        assert_eq!(ground.exits(job).as_deref(), Some("-15"), "its own run says how it ended");
        assert_eq!(ground.read("hooked"), "", "no hook runs for what is somebody else's");
        let _again = ground.exec(&[], "true").ok();
        assert_eq!(ground.db.status(job), "done");
        ground.is_consistent();
    }

    /// Signals are passed on.
    fn signals_are_passed_on(ground: &Ground) {
        let job = ground.job();
        let script = "trap 'echo usr1 >> got' USR1; trap 'echo usr2 >> got' USR2; trap 'echo hup >> got' HUP; \
            trap 'echo term >> got; exit 0' TERM; echo $$ > pid; while :; do sleep 0.05; done";
        let mut child = ground.spawn(&[], script);
        let _running = ground.pid_in("pid");
        let mut expected = String::new();
        for (which, name) in [(Signal::USR1, "usr1"), (Signal::USR2, "usr2"), (Signal::HUP, "hup"), (Signal::TERM, "term")] {
            signal(pid_of(&child), which);
            expected.push_str(&format!("{name}\n"));
            eventually(name, || ground.read("got") == expected);
        }
        assert_eq!(code_of(&mut child), 0);
        assert_eq!((ground.db.status(job).as_str(), ground.exits(job).as_deref()), ("done", Some("0")));
    }

    /// A stop by the reaper's ceiling and the end that its monitor records are one settlement.
    fn the_ceiling_and_the_monitor_settle_once(ground: &Ground) {
        let job = ground.job();
        let mut child = ground.spawn(&[], "echo $$ > pid; exec sleep 600");
        let pid = ground.pid_in("pid");
        ground.configure("max_running = \"1ms\"");
        // A beat between a look and its claim makes it lose.
        eventually("it is settled", || {
            let _ticks = ground.program.run(&["tick", "--times", "2", "--interval", "100ms"]).ok();
            ground.db.status(job) == "queued"
        });
        gone(pid);
        let code = code_of(&mut child);
        assert!(code == 6 || code == 7, "{code}");
        assert_eq!(ground.db.status(job), "queued");
        ground.is_consistent();
    }
}

/// Who says that all is well when it is stopped for its time has not done all of it.
#[test]
fn a_good_end_for_the_limits_sake_does_not_count() {
    let ground = Ground::on(reaper_tests::database::Kind::Sqlite).unwrap();
    let job = ground.job();
    let _ended = ground.exec(&["--limit", "2s"], "trap 'exit 0' TERM; while :; do sleep 0.05; done").with_code(6);
    assert_eq!((ground.db.status(job).as_str(), ground.exits(job).as_deref()), ("queued", Some("124")));
}

/// TERM that comes before the command is let go stops it as soon as it is, or it is never taken.
#[test]
fn an_early_signal_is_not_lost() {
    let ground = Ground::on(reaper_tests::database::Kind::Sqlite).unwrap();
    for _ in 0..5 {
        let job = ground.job();
        let mut child = ground.spawn(&["--job", &job.to_string()], "exec sleep 600");
        // As soon as the program catches signals at all.
        let status = format!("/proc/{}/status", child.id());
        let catches = || {
            let status = std::fs::read_to_string(&status).unwrap_or_default();
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:\t")).unwrap_or("0").to_owned();
            u64::from_str_radix(&caught, 16).unwrap() & (1 << 14) != 0
        };
        eventually("it catches signals", catches);
        signal(pid_of(&child), Signal::TERM);
        let code = code_of(&mut child);
        assert!(code == 6 || code == 8, "{code}");
        let attached = ground.column(job, "pid").and_then(|pid| Pid::from_raw(pid.parse().ok()?));
        assert!(attached.is_none_or(|pid| !lives(pid)));
    }
}
