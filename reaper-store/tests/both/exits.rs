//! Exits of which the owner refuses some, by a trigger of the caller's on the code 9.

use reaper_core::RunId;
use reaper_store::{
    Attempts as _, History as _,
    attempts::{Launcher, LeftOut, NewJob, Recorded, Taken, Testified, Tried, Wants, WitnessedExit},
    history::Query,
};

use crate::database::Database;

/// So many attempts that run.
pub(crate) fn taken(database: &Database, count: usize) -> Vec<Taken> {
    let job = NewJob {
        agent: "a".into(),
        repo: "r".into(),
        task: None,
        max_attempts: 3,
        source_key: None,
        payload: None,
    };
    let monitor = Launcher::free("here/b/1/2/3/4".parse().unwrap());
    let take = || {
        let _enqueued = database.store.enqueue(&job).unwrap();
        database.store.take(&Wants::Any, &monitor).unwrap().unwrap()
    };
    (0..count).map(|_| take()).collect()
}

pub(crate) fn witnessed(taken: &Taken, code: i32) -> WitnessedExit {
    WitnessedExit { attempt: taken.job.attempt.clone(), code, witness: "a test".into() }
}

/// Those that the owner refuses are left out with his words, and all others are recorded.
pub(crate) fn the_refused_are_left_out(database: &Database, word: &str) {
    let taken = taken(database, 20);
    let is_refused = |n: usize| n == 3 || n == 17;
    let exits: Vec<_> =
        taken.iter().enumerate().map(|(n, taken)| witnessed(taken, if is_refused(n) { 9 } else { 0 })).collect();
    let answers = database.store.record_witnessed(&exits).unwrap();
    for (n, (taken, answer)) in taken.iter().zip(answers).enumerate() {
        let exit = database.job(taken.job.attempt.job.as_int().unwrap()).exit.map(|exit| exit.code);
        if is_refused(n) {
            let is_said = matches!(&answer, Testified::LeftOut(LeftOut::Refused(why)) if why.contains(word));
            assert!(is_said && exit.is_none(), "{n}: {answer:?}, {exit:?}");
        } else {
            assert_eq!((answer, exit), (Testified::Recorded, Some(0)), "{n}");
        }
    }
    let events = database.store.events(&Query { limit: 100, ..Query::default() }).unwrap();
    assert_eq!(events.len(), 18, "each that is recorded has its event, and no other");

    let tried = |run: &RunId, code| database.store.try_record_exit(run, code).unwrap();
    let refused = tried(&taken[3].run, 9);
    let is_said = matches!(&refused, Tried::LeftOut(LeftOut::Refused(why)) if why.contains(word));
    assert!(is_said, "{refused:?}");
    assert_eq!(tried(&taken[3].run, 0), Tried::Recorded(Recorded::New));
    assert_eq!(tried(&taken[3].run, 1), Tried::Recorded(Recorded::Known));
    assert_eq!(tried(&9_999.into(), 1), Tried::Recorded(Recorded::NoSuchRun));
}
