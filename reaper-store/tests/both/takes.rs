//! Takes of which the owner refuses some.

use reaper_core::Status;
use reaper_store::{
    Attempts as _, StoreError,
    attempts::{Launcher, Taken, Wants},
};

use crate::database::{Database, refuses, series};

fn take(database: &Database, wants: &Wants) -> Result<Option<Taken>, StoreError> {
    database.store.take(wants, &Launcher::free("here/b/1/2/3/4".parse().unwrap()))
}

/// The id of the job that is taken.
fn next(database: &Database) -> Option<i64> {
    take(database, &Wants::Any).unwrap().map(|taken| taken.job.attempt.job.as_int().unwrap())
}

/// As many jobs wait: more are refused than are looked at together.
const JOBS: i64 = 40;

/// What the caller does refuses the takes of the odd jobs with this word. Those behind them are taken, and nothing of the refused
/// ones is changed, which is said once nothing else is left, and to whoever wants one of them.
pub(crate) fn jobs_whose_take_the_owner_refuses_are_passed_by(refuse: &str, word: &str) {
    let database = Database::adopted("");
    let numbers = series(JOBS);
    database.program.run(&format!("INSERT INTO jobs (agent, repo) SELECT 'a', 'r' FROM {numbers}; {refuse}"));
    let said = |wants, of: &str| {
        let problem = take(&database, &wants).unwrap_err().to_string();
        assert!(problem.contains(word) && problem.contains(of), "{refuse}: {problem}");
    };
    said(Wants::Job(3.into()), "");
    for even in (2..=JOBS).step_by(2) {
        assert_eq!(next(&database), Some(even), "{refuse}");
    }
    said(Wants::Any, "job 1:");
    said(Wants::Agent("a".into()), "job 1:");
    assert_eq!(take(&database, &Wants::Agent("b".into())).unwrap(), None, "{refuse}");
    for odd in (1..=JOBS).step_by(2) {
        let job = database.job(odd);
        assert_eq!((job.status, job.attempts, job.run), (Status::Queued, 0, None), "{refuse}, job {odd}");
    }
    let runs = database.program.number("SELECT count(*) AS x FROM agent_runs");
    assert_eq!(runs, Some(JOBS / 2), "{refuse}: a run for each that was taken");
}

/// What the owner lets run one at a time holds up nothing else, and is taken once its turn has come.
#[test]
fn f40_a_job_that_may_not_run_yet_holds_up_no_other() {
    let database = Database::adopted(
        "INSERT INTO jobs (agent, repo) VALUES ('a', 'one'), ('a', 'one'), ('a', 'one'), ('a', 'two');
         CREATE UNIQUE INDEX one_at_a_time ON jobs (repo) WHERE status = 'running'",
    );
    assert_eq!([next(&database), next(&database)], [Some(1), Some(4)]);
    let problem = take(&database, &Wants::Any).unwrap_err();
    assert!(matches!(&problem, StoreError::Database(why) if why.starts_with("job 2: ")), "{problem}");
    database.program.run("UPDATE jobs SET status = 'done' WHERE id = 1");
    assert_eq!(next(&database), Some(2));
}

/// What befalls the whole database is no job's fault: a trigger says it here as the database does.
#[test]
fn an_error_of_the_whole_database_passes_no_job_by() {
    let refuse = refuses("owner", "UPDATE ON jobs", "NEW.id = 1", "out of memory");
    let database = Database::adopted("");
    database.program.run(&format!("INSERT INTO jobs (agent, repo) VALUES ('a', 'r'), ('a', 'r'); {refuse}"));
    let problem = take(&database, &Wants::Any).unwrap_err();
    assert!(matches!(&problem, StoreError::Database(why) if why == "out of memory"), "{problem}");
    assert_eq!(database.job(2).status, Status::Queued);
}

/// A trigger of the caller's stores no run. No attempt begins without one.
pub(crate) fn an_attempt_whose_run_is_not_stored_does_not_begin(trigger: &str) {
    let database = Database::adopted(&format!("INSERT INTO jobs (agent, repo) VALUES ('a', 'r'); {trigger}"));
    for wants in [Wants::Any, Wants::Job(1.into())] {
        let problem = take(&database, &wants).unwrap_err().to_string();
        assert!(problem.contains("the new run was not stored"), "{problem}");
    }
    let job = database.job(1);
    assert_eq!((job.status, job.attempts, job.run), (Status::Queued, 0, None));
}
