//! F24: a gate that says another thing each time it is asked.

use std::fs;

use reaper_tests::{
    database::Database,
    jobs::{RunningJob, task},
    program::{Program, eventually},
    setting::settled_once,
};

use crate::{BINARY, on_both};

/// Green, red and undecided in turn, whoever asks for whichever job; what it has said is written down.
const FLAPPING: &str = r#"
[pipeline]
stages = [
  { name = "architecture", next = "development", next_agent = "tester", gate = "flapping" },
  { name = "development" },
]
[pipeline.agents]
developer = ["architecture"]
[gates.flapping]
command = ["/bin/sh", "./flap"]
"#;

/// A folder is made by one alone, so that each who asks has a turn of its own.
const FLAP: &str = "n=1; until mkdir turn$n 2>/dev/null; do n=$((n + 1)); done; n=$((n % 3)); \
                    echo $REAPER_JOB_ID $n >> said; exit $n";

const JOBS: usize = 12;

#[test]
fn f24_a_gate_that_flaps_settles_each_once_and_moves_on_where_it_was_green() {
    on_both(|database: Database| {
        let program = Program::on(BINARY, &database);
        program.configure(&format!("interval = \"50ms\"\n{FLAPPING}"));
        fs::write(program.dir().join("flap"), FLAP).unwrap();
        let _migrated = program.run(&["migrate"]).ok();
        let jobs: Vec<_> = (0..JOBS)
            .map(|_| {
                let task = task(&database, "architecture");
                let exited = RunningJob { task_id: Some(task), exit_code: Some(0), ..RunningJob::default() };
                (RunningJob { attempts: 1, max_attempts: 1, ..exited }.insert(&database), task)
            })
            .collect();
        eventually("each is settled", || {
            // Two ask at once, and are told different things.
            let tick = ["tick", "--times", "3", "--interval", "1ms"];
            for reaper in [program.spawn(&tick), program.spawn(&tick)] {
                let ended = reaper.wait_with_output().unwrap();
                assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
            }
            database.count("jobs WHERE status = 'running'") == 0
        });

        let said = fs::read_to_string(program.dir().join("said")).unwrap();
        let was_said = |job: i64, code: u32| said.lines().any(|line| line == format!("{job} {code}"));
        for (job, task) in &jobs {
            let (status, stage) = (database.status(*job), database.stage(*task));
            let (code, expected) =
                if status == "done" { (0, ("done", "development")) } else { (1, ("failed", "architecture")) };
            assert_eq!((status.as_str(), stage.as_str()), expected, "job {job}");
            assert!(was_said(*job, code), "job {job} is {status}: {said}");
        }
        assert!(jobs.iter().any(|(job, _)| was_said(*job, 2)), "it could not say now and then: {said}");
        let of = |status: &str| database.count(&format!("jobs WHERE agent = 'developer' AND status = '{status}'"));
        let (done, failed) = (of("done"), of("failed"));
        assert!(done > 0 && failed > 0, "{said}");
        assert_eq!(database.count("reaper_advances"), done);
        assert_eq!(database.count("jobs WHERE agent = 'tester'"), done);
        assert_eq!(database.count("reaper_outbox WHERE key LIKE '%:alert'"), failed);
        settled_once(&database);
    });
}
