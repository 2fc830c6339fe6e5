//! Commands that the kernel kills for want of memory.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use reaper_tests::program::{eventually, skipped};

use crate::{
    ground::{Ground, code_of, kill},
    on_both,
};

/// Grows until it may not any more: what reads the end of a stream keeps the stream's last line.
const GROWS: &str = "head -c 400000000 /dev/zero | tail";

/// A control group that may use little memory, until it is dropped.
struct Group(PathBuf);

impl Group {
    /// `None` where groups cannot be made, which is said.
    fn new(ground: &Ground) -> Option<Self> {
        let name =
            format!("reaper-test-{}", ground.db.dir().file_name().unwrap().to_string_lossy().replace('.', "-"));
        let kinds = [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
            ("/sys/fs/cgroup", "memory.max", "memory.swap.max"),
        ];
        for (mount, limit, swap) in kinds {
            let group = Self(Path::new(mount).join(&name));
            if fs::create_dir(&group.0).is_ok() && fs::write(group.0.join(limit), LIMIT).is_ok() {
                // Without swap there is no such limit, or none is needed.
                fs::write(group.0.join(swap), if swap.contains("memsw") { LIMIT } else { "0" }).ok();
                return Some(group);
            }
        }
        skipped("no control group with a limit of memory can be made here");
        None
    }

    /// Runs a script as the command of the next job, all of it in this group.
    fn exec(&self, ground: &Ground, script: &str) -> Child {
        let program = ground.program.command(&["exec", "--", "/bin/sh", "-c", script]);
        let enter = format!("echo $$ > {} && exec \"$@\"", self.0.join("cgroup.procs").display());
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &enter, "sh"]).arg(program.get_program()).args(program.get_args());
        command.current_dir(ground.db.dir());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        eventually("the group is empty", || fs::remove_dir(&self.0).is_ok() || !self.0.exists());
    }
}

/// Enough for the program, and little for what grows.
const LIMIT: &str = "100000000";

/// By which signature an attempt ended, and who settled it.
fn said(ground: &Ground) -> (Option<String>, Option<String>) {
    let of =
        |column: &str| ground.db.value(&format!("SELECT {column} FROM reaper_events WHERE signature IS NOT NULL"));
    (of("signature"), of("actor"))
}

on_both! {
    /// Its monitor knows it from the supervisor, and the policy can name it.
    fn a_monitor_tells_it_from_a_kill(ground: &Ground) {
        let Some(group) = Group::new(ground) else { return };
        ground.configure("[exit]\nfail_on = [\"oom\"]");
        let job = ground.job();
        assert_eq!(code_of(&mut group.exec(ground, GROWS)), 6);
        assert_eq!((ground.db.status(job).as_str(), ground.exits(job).as_deref()), ("failed", Some("137")));
        assert_eq!(said(ground), (Some("oom".into()), Some("monitor".into())));
        let listed = ground.program.run(&["signatures"]).ok().stdout;
        assert!(listed.contains("worker") && listed.contains("oom"), "{listed}");
        ground.is_consistent();
    }

    /// A monitor that is gone could not tell anybody: the reaper learns it from the spool.
    fn a_reaper_learns_it_from_the_spool(ground: &Ground) {
        let Some(group) = Group::new(ground) else { return };
        let job = ground.job();
        let script = format!("echo $$ > pid; while [ ! -e go ]; do sleep 0.05; done; {GROWS}");
        let mut monitor = group.exec(ground, &script);
        let _pid = ground.pid_in("pid");
        kill(&mut monitor);
        fs::write(ground.file("go"), "").unwrap();
        eventually("the exit is spooled", || ground.spooled().iter().any(|file| file.ends_with(".exit.json")));
        let _tick = ground.tick();
        assert_eq!((ground.db.status(job).as_str(), ground.exits(job).as_deref()), ("queued", Some("137")));
        assert_eq!(said(ground), (Some("oom".into()), Some("reaper".into())));
        ground.is_consistent();
    }

    /// Whoever is killed otherwise is not.
    fn a_kill_by_somebody_is_none(ground: &Ground) {
        let Some(group) = Group::new(ground) else { return };
        let _job = ground.job();
        assert_eq!(code_of(&mut group.exec(ground, "kill -9 $$")), 6);
        assert_eq!(said(ground), (Some("signal:KILL".into()), Some("monitor".into())));
    }
}
