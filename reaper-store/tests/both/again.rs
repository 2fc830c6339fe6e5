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
