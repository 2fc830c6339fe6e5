//! Where not everything can be watched.

use std::process::{Command, Stdio};

use reaper_tests::{
    database::Kind,
    program::{eventually, skipped},
};

use crate::ground::{Ground, Running, step};

/// The program with its arguments behind another command.
fn behind(ground: &Ground, before: &[&str]) -> Running {
    let plain = ground.command();
    let mut command = Command::new(before[0]);
    command.args(&before[1..]).arg(plain.get_program()).args(plain.get_args());
    command.current_dir(ground.program.dir()).env("DATABASE_URL", ground.db.url());
    Running(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
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

/// On a kernel without pidfds the processes are looked at every now and then: a death is seen without a tick, though not at
/// once, and no exit is witnessed.
#[test]
fn without_pidfds_it_polls() {
    let ground = Ground::on(Kind::Sqlite).unwrap();
    let mut cast = ground.staged();
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
    ground.until_watched(2);
    cast.monitor.kill();
    cast.executor.end(0);
    ground.until_status(&cast, "queued");
    assert_eq!(ground.way(&cast), [step("requeue", "nobody_left")]);
}
