//! An id of a run that comes again.

use reaper_store::{
    Attempts as _, Claims as _, Outcome,
    attempts::{Launcher, Wants},
};

use crate::{
    both::claims::{REQUEUE, claim},
    database::Database,
};

/// Takes a job, puts it back, forgets its run by this statement, after which the next one has its id, and takes the job again.
pub(crate) fn a_run_whose_id_comes_again(forget: &str) {
    let database = Database::adopted("INSERT INTO jobs (id, agent, repo) VALUES (1, 'a', 'r')");
    let take = || {
        let monitor = Launcher::free("here/b/1/2/3/4".parse().unwrap());
        database.store.take(&Wants::Any, &monitor).unwrap().unwrap()
    };
    let first = take();
    assert_eq!(database.store.settle(&[claim(&first.job, REQUEUE)]).unwrap(), [Outcome::Won]);
    database.program.run(forget);
    let second = take();
    assert_eq!(second.run, first.run, "the id has come again");
    assert_eq!(second.job.run, Some(second.run.clone()));
    let _recorded = database.store.record_exit(&second.run, 0).unwrap();
    assert_eq!(database.job(1).exit.map(|exit| exit.code), Some(0));
}

/// A job waits that a reaper has requeued from this run without an exit, and another's run gets its id.
fn waiting_with_a_run_that_is_anothers(forget: &str) -> Database {
    let database = Database::adopted("INSERT INTO jobs (id, agent, repo) VALUES (1, 'a', 'r'), (2, 'b', 'r')");
    let take = |agent: &str| {
        let monitor = Launcher::free("here/b/1/2/3/4".parse().unwrap());
        database.store.take(&Wants::Agent(agent.into()), &monitor).unwrap().unwrap()
    };
    let first = take("a");
    assert_eq!(database.store.settle(&[claim(&first.job, REQUEUE)]).unwrap(), [Outcome::Won]);
    database.program.run(forget);
    let second = take("b");
    assert_eq!(second.run, first.run, "the id has come again");
    database
}

/// The exit of a run whose id was another job's before is no late finish of that job.
pub(crate) fn an_exit_of_a_run_whose_id_comes_again_is_its_own_jobs(forget: &str) {
    let database = waiting_with_a_run_that_is_anothers(forget);
    let run = database.job(2).run.unwrap();
    let _recorded = database.store.record_exit(&run, 0).unwrap();
    assert_eq!(database.job(2).exit.map(|exit| exit.code), Some(0));
    assert_eq!(database.job(1).exit, None);
    // Nor is it one of the attempt that was taken for dead, once that job runs again.
    let database = waiting_with_a_run_that_is_anothers(forget);
    let run = database.job(2).run.unwrap();
    let monitor = Launcher::free("here/b/1/2/3/4".parse().unwrap());
    let third = database.store.take(&Wants::Agent("a".into()), &monitor).unwrap().unwrap();
    assert_ne!(third.run, run);
    let _recorded = database.store.record_exit(&run, 0).unwrap();
    assert_eq!(
        database.program.number("SELECT count(*) AS x FROM reaper_events WHERE late_at IS NOT NULL"),
        Some(0)
    );
}
