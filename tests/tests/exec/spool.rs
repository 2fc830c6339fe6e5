//! What lies in the spool and is no exit of this host and this database.

use std::fs;

use reaper_tests::{database::Kind, jobs::RunningJob};

use crate::ground::Ground;

/// Spools an exit with this code of an attempt: its job, its run and its fence.
pub(crate) fn exit(ground: &Ground, name: &str, host: &str, code: i32, (job, run, fence): &(i64, i64, String)) {
    let json = serde_json::json!({
        "attempt": {"job": job, "fence": fence.parse::<i64>().unwrap()}, "run": run,
        "executor": format!("{host}/b00t/1/2/3/4"), "code": code, "stopped_for": null,
        "at": "2026-01-01T00:00:00Z", "tail": "",
    });
    fs::create_dir_all(ground.file("spool")).unwrap();
    fs::write(ground.file("spool").join(name), json.to_string()).unwrap();
}

#[test]
fn what_is_no_exit_of_ours_is_kept_and_hinders_none() {
    let ground = Ground::on(Kind::Sqlite).unwrap();
    ground.configure("host = \"here\"\nfinalize_grace = \"1s\"");
    let run = ground.db.insert("INSERT INTO agent_runs (agent) VALUES ('worker')");
    let job = RunningJob { attempts: 1, ..RunningJob::default() }.insert(&ground.db);
    ground.db.sql(&format!("UPDATE jobs SET run_id = {run} WHERE id = {job}"));
    let fence = ground.column(job, "reaper_fence").unwrap();
    let of = (job, run, fence);
    exit(&ground, "1.exit.json", "elsewhere", 0, &of);
    exit(&ground, "2.exit.json", "here", 0, &(job, run, "17".to_owned()));
    fs::write(ground.file("spool/3.exit.json"), "{\"attempt\":").unwrap();
    fs::write(ground.file("spool/4.exit.json.draft"), "half").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", ground.file("spool/5.exit.json")).unwrap();
    let tick = ground.tick();
    assert!(tick.stderr.contains("set aside"), "{}", tick.stderr);
    assert_eq!(ground.exits(job), None, "another attempt's exit is not this one's");
    let kept = ["1.exit.json", "2.exit.json.unknown", "3.exit.json.bad", "4.exit.json.draft", "5.exit.json.bad"];
    assert_eq!(ground.spooled(), kept);

    exit(&ground, "6.exit.json", "here", 0, &of);
    let again = ground.tick();
    assert!(!again.stderr.contains("set aside"), "it is said once: {}", again.stderr);
    assert_eq!(ground.exits(job).as_deref(), Some("0"), "an exit from before a reboot counts");
    assert_eq!(ground.spooled(), kept);
}

/// In `off` and `report` no job's row changes, and the spool keeps what it has.
#[test]
fn a_mode_that_does_not_write_imports_nothing() {
    let ground = Ground::on(Kind::Sqlite).unwrap();
    ground.configure("host = \"here\"");
    let run = ground.db.insert("INSERT INTO agent_runs (agent) VALUES ('worker')");
    let job = RunningJob { attempts: 1, ..RunningJob::default() }.insert(&ground.db);
    ground.db.sql(&format!("UPDATE jobs SET run_id = {run} WHERE id = {job}"));
    let fence = ground.column(job, "reaper_fence").unwrap();
    exit(&ground, "1.exit.json", "here", 0, &(job, run, fence));
    for mode in ["off", "report"] {
        let _tick = ground.program.run(&["tick", "--set", &format!("mode={mode}")]).ok();
        assert_eq!((ground.exits(job), ground.spooled().len()), (None, 1), "{mode}");
    }
}
