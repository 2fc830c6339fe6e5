//! Where not everything can be watched.

use std::{
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
};

use reaper_tests::{
    database::Kind,
    jobs::RunningJob,
    processes::{Sleeper, dead_pid},
    program::{eventually, skipped},
};

use crate::ground::{Ground, Running, step};

/// The program with its arguments behind another command.
fn behind(ground: &Ground, before: &[&str]) -> Running {
    let plain = ground.command();
    let mut command = Command::new(before[0]);
    command.args(&before[1..]).arg(plain.get_program()).args(plain.get_args());
    command.current_dir(ground.program.dir()).env("DATABASE_URL", ground.db.url());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    Running(command.spawn().unwrap())
}

/// What finds no file descriptor is probed in turn, is counted, and is settled all the same.
#[test]
fn what_does_not_fit_is_probed_in_turn() {
    let ground = Ground::on(Kind::Sqlite).unwrap();
    ground.configure("interval = \"300ms\"");
    let mut casts: Vec<_> = (0..40).map(|_| ground.attempt()).collect();
    // The limit's hard half is what it may raise it to.
    let _running = behind(&ground, &["sh", "-c", "ulimit -n 64 && exec \"$0\" \"$@\""]);
    eventually("some are watched and some are not", || {
        let (watched, in_turn) = ground.tally();
        watched > 10 && in_turn > 10 && watched + in_turn == 80
    });
    let said = ground.program.run(&["status"]).ok().stdout;
    assert!(said.lines().any(|line| line.starts_with("watching") && line.contains("in turn")), "{said}");
    for cast in &mut casts {
        cast.monitor.kill();
        cast.executor.kill();
    }
    eventually("all of them are queued", || casts.iter().all(|cast| ground.db.status(cast.job) == "queued"));
    for cast in &casts {
        assert_eq!(ground.way(cast), [step("requeue", "nobody_left")]);
    }
}

/// On a kernel without pidfds bare pids are looked at every now and then, and what identities name cannot be told: it is
/// probed in turn, and kept.
#[test]
fn without_pidfds_it_polls() {
    let ground = Ground::on(Kind::Sqlite).unwrap();
    ground.configure("interval = \"300ms\"");
    let mut unknown = ground.staged();
    let mut sleeper = Sleeper::start();
    let bare = RunningJob { pid: Some(sleeper.pid()), ..RunningJob::default() }.insert(&ground.db);
    let inject = [
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=pidfd_open",
        "-e",
        "inject=pidfd_open:error=ENOSYS",
    ];
    let can = Command::new(inject[0]).args(&inject[1..]).arg("true").stderr(Stdio::null()).status();
    if !can.is_ok_and(|status| status.success()) {
        skipped("strace is not there, or may not trace here: nothing else takes pidfds away");
        return;
    }
    let _running = behind(&ground, &inject);
    eventually("one is polled, two are probed in turn", || ground.tally() == (1, 2));
    assert!(sleeper.is_running());
    drop(sleeper);
    eventually("it is queued", || ground.db.status(bare) == "queued");
    unknown.monitor.kill();
    unknown.executor.end(0);
    let other = RunningJob { pid: Some(dead_pid()), ..RunningJob::default() }.insert(&ground.db);
    eventually("what died later is queued", || ground.db.status(other) == "queued");
    assert_eq!((ground.db.status(unknown.job), ground.way(&unknown)), ("running".into(), Vec::new()));
}
