//! F38: a container that is started again under its name.

use std::{
    fs::{self, File},
    process::{Child, Command, Stdio},
};

use reaper_tests::{
    database::Database,
    program::{Ended, Program, eventually, skipped},
};

use crate::{BINARY, on_both};

/// A container: a PID namespace of its own with a process table of its own, and a shell in it.
const CONTAINER: [&str; 7] = ["--pid", "--fork", "--mount-proc", "--kill-child", "--", "/bin/sh", "-c"];

fn contained(program: &Program, script: &str) -> Command {
    let plain = program.command(&[]);
    let mut command = Command::new("unshare");
    // The program is the script's `$0`.
    command.args(CONTAINER).arg(script).arg(plain.get_program()).current_dir(program.dir());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stdin(Stdio::null());
    command
}

/// Whether containers can be made here; says so loudly where not.
fn can_contain(program: &Program) -> bool {
    let made = contained(program, "exit 0").output();
    let can = made.is_ok_and(|output| output.status.success());
    if !can {
        skipped("no PID namespace can be made here: containers are not shown");
    }
    can
}

/// The program on a database that it has adopted; `None`, said loudly, where containers cannot be made.
fn program_on(database: &Database) -> Option<Program> {
    let program = Program::on(BINARY, database);
    program.configure("exec.spool = \"spool\"");
    let _migrated = program.run(&["migrate"]).ok();
    can_contain(&program).then_some(program)
}

/// Runs a script in a new container to its end.
fn once(program: &Program, script: &str) -> Ended {
    let output = contained(program, script).output().unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A container that runs until it is dropped.
struct Container(Child);

impl Container {
    fn start(program: &Program, script: &str) -> Self {
        let mut command = contained(program, script);
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// Its namespace. As long as this is open, its number is given to no other one.
    fn namespace(&self) -> File {
        let inside = || {
            let children = format!("/proc/{0}/task/{0}/children", self.0.id());
            let child = fs::read_to_string(children).ok()?.split_whitespace().next()?.to_owned();
            File::open(format!("/proc/{child}/ns/pid")).ok()
        };
        eventually("the container runs", || inside().is_some());
        inside().unwrap()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // All of it ends with its first process, which ends with this one.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A container of this name, in which a worker runs a job; before that this is run in it.
fn working(database: &Database, program: &Program, name: &str, before: &str) -> (Container, i64) {
    let enqueue = ["enqueue", "--agent", name, "--repo", "r", "--output", "json"];
    let job = program.run(&enqueue).ok().json().first().and_then(|said| said["job"].as_i64()).unwrap();
    let script = format!("{before} \"$0\" exec --agent {name} -- sleep 600");
    let container = Container::start(program, &script);
    let attached = format!("jobs WHERE id = {job} AND status = 'running' AND reaper_attach = 'done'");
    eventually("its job is attached", || database.count(&attached) == 1);
    (container, job)
}

/// As [`working`], beside a reaper that has seen it.
fn watched(database: &Database, program: &Program, name: &str) -> (Container, i64) {
    let reaper = format!("\"$0\" run --set instance={name} --set interval=50ms &");
    let (container, job) = working(database, program, name, &reaper);
    let (executor, start) = executor(database, job);
    let seen = format!(
        "reaper_incarnations WHERE instance = '{name}' AND seen_start >= {start}
            AND '{executor}' LIKE host || '/' || boot || '/' || pid_namespace || '/%'"
    );
    eventually("its reaper has seen it", || database.count(&seen) == 1);
    (container, job)
}

/// The identity of a job's executor, and when it started.
fn executor(database: &Database, job: i64) -> (String, u64) {
    let executor = database.value(&format!("SELECT reaper_executor FROM jobs WHERE id = {job}")).unwrap();
    let start = executor.split('/').nth(4).and_then(|start| start.parse().ok()).unwrap();
    (executor, start)
}

#[test]
fn f38_a_container_that_is_started_again_under_its_name_settles_what_the_one_before_left() {
    on_both(|database: Database| {
        let Some(program) = program_on(&database) else { return };
        let (web, left) = watched(&database, &program, "web");
        let (_mail, other) = watched(&database, &program, "mail");
        let _namespace = web.namespace();
        let _outside = program.run(&["tick", "--times", "2", "--interval", "1ms"]).ok();
        drop(web);
        // Whoever is outside, or is another container, cannot tell.
        let _outside = program.run(&["tick", "--times", "2", "--interval", "1ms"]).ok();
        let _another = once(&program, "\"$0\" tick --times 2 --interval 1ms --set instance=other").ok();
        assert_eq!((database.status(left), database.status(other)), ("running".into(), "running".into()));

        let again = once(&program, "\"$0\" tick --set instance=web").ok();
        assert_eq!(database.status(left), "queued", "in the first tick: {}", again.stdout);
        assert_eq!(database.status(other), "running");
        let events = format!("reaper_events WHERE job_id = {left}");
        assert_eq!(database.count(&events), 1);
        let evidence = database.value(&format!("SELECT evidence FROM {events}")).unwrap();
        assert!(evidence.contains("superseded"), "{evidence}");
        assert_eq!(database.count("reaper_events WHERE action = 'supersede'"), 1);
        let listed = program.run(&["nodes"]).ok().stdout;
        assert!(listed.contains("mail") && listed.contains("superseded"), "{listed}");
    });
}

/// The kernel gives the number of a dead container's namespace to the next one that asks for one. What began after the dead
/// one's reaper was last there may be at work in that.
#[test]
fn f38_what_its_reaper_has_not_seen_may_be_another_containers_with_the_same_number() {
    on_both(|database: Database| {
        let Some(program) = program_on(&database) else { return };
        // Its reaper looks once and no more; what it then takes is to it what a stranger takes in a namespace of this number.
        let (web, left) = working(&database, &program, "web", "\"$0\" tick --set instance=web;");
        let _namespace = web.namespace();
        let again = "\"$0\" tick --times 2 --interval 1ms --set instance=web";
        let _again = once(&program, again).ok();
        assert_eq!(database.count("reaper_incarnations WHERE superseded_at IS NOT NULL"), 1);
        assert_eq!(database.status(left), "running");
        assert_eq!(database.count(&format!("reaper_events WHERE job_id = {left}")), 0);
        let (_, start) = executor(&database, left);
        database
            .sql(&format!("UPDATE reaper_incarnations SET seen_start = {start} WHERE superseded_at IS NOT NULL"));
        let _then = once(&program, again).ok();
        assert_eq!(database.status(left), "queued", "had it been seen there, it would be dead");
        drop(web);
    });
}

#[test]
fn f38_of_two_containers_under_one_name_the_first_settles_nothing_any_more_and_says_why() {
    on_both(|database: Database| {
        let program = Program::on(BINARY, &database);
        let _migrated = program.run(&["migrate"]).ok();
        if !can_contain(&program) {
            return;
        }
        let first = Container::start(&program, "exec \"$0\" run --set instance=web --set interval=50ms");
        let _namespace = first.namespace();
        eventually("the first has registered", || database.count("reaper_incarnations") == 1);
        let _second = once(&program, "\"$0\" tick --set instance=web").ok();
        let says = || {
            let status = program.run(&["status", "--output", "json"]).ok().stdout;
            status.contains("another program was started as the instance")
        };
        eventually("the first one's passes fail", says);
        drop(first);
    });
}

#[test]
fn a_second_run_under_a_name_on_one_file_is_refused() {
    let database = Database::foreign();
    let program = Program::on(BINARY, &database);
    let _migrated = program.run(&["migrate"]).ok();
    let mut first = program.spawn(&["run", "--set", "instance=web"]);
    let lock = database.dir().join("jobs.db-instance-web.lock");
    eventually("the first holds the name", || {
        File::open(&lock).is_ok_and(|file| matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)))
    });
    let second = program.run(&["run", "--set", "instance=web"]).with_code(1);
    assert!(second.stderr.contains("another program runs as the instance \"web\""), "{}", second.stderr);
    first.kill().unwrap();
    first.wait().unwrap();
    let bad = program.run(&["status", "--set", "instance=a/b"]).with_code(2);
    assert!(bad.stderr.contains("instance"), "{}", bad.stderr);
}
