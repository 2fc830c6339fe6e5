//! From SIGKILL to the committed row, with its event, in the real program.

use std::time::{Duration, Instant};

use reaper_core::Attempt;
use reaper_gate::liveness::LocalProbe;
use reaper_store::{Store, attempts::Recorded};
use reaper_tests::database::Kind;

use crate::{
    figures::Row,
    fleet::{Attempted, Ground, kill_group},
    program::Reaper,
};

const fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Sqlite => "SQLite",
        Kind::Postgres => "PostgreSQL",
    }
}

const fn goal(kind: Kind) -> Duration {
    match kind {
        Kind::Sqlite => Duration::from_micros(1500),
        Kind::Postgres => Duration::from_millis(2),
    }
}

/// Looks until the job is queued again. On SQLite with a pause of some 0.1 ms between two looks, which is in the figures: who
/// spins is in the way of what is measured, for the whole of its slice where there are few cores. On PostgreSQL a look
/// waits for the server.
fn until_queued(kind: Kind, store: &dyn Store, attempt: &Attempt) {
    let began = Instant::now();
    while store.job(&attempt.job).unwrap().unwrap().unwrap().status != reaper_core::Status::Queued {
        assert!(began.elapsed() < Duration::from_secs(30), "job {} is not settled", attempt.job);
        if kind == Kind::Sqlite {
            std::thread::park_timeout(Duration::from_micros(20));
        }
    }
}

/// One death after another beside so many executors that live.
pub fn rows(kind: Kind, size: usize, rounds: usize) -> Vec<Row> {
    let Some(mut reaper) = Reaper::on(kind, "50ms") else { return Vec::new() };
    let (store, probe) = (std::sync::Arc::clone(&reaper.store), LocalProbe::builder().build().unwrap());
    let ground = Ground { store: store.as_ref(), probe: &probe };
    let living: Vec<Attempted> = (0..size).map(|_| ground.executor()).collect();
    reaper.start();
    reaper.until_calm(size);
    let (mut bare, mut both, mut monitor) = (Vec::new(), Vec::new(), Vec::new());
    let mut commit = reaper.commits(kind);
    for _ in 0..rounds {
        reaper.until_calm(size);
        let began = Instant::now();
        commit();
        bare.push(began.elapsed());

        let mut pair = ground.pair(0);
        reaper.until_calm(size + 2);
        let began = Instant::now();
        let other = pair.monitor.as_mut().unwrap();
        other.kill();
        pair.executor.kill();
        other.reap();
        pair.executor.reap();
        until_queued(kind, store.as_ref(), &pair.taken.job.attempt);
        both.push(began.elapsed());

        let mut pair = ground.pair(0);
        reaper.until_calm(size + 2);
        pair.executor.kill();
        pair.executor.reap();
        assert_eq!(store.record_exit(&pair.taken.run, 3).unwrap(), Recorded::New);
        reaper.until_calm(size + 1);
        let began = Instant::now();
        let other = pair.monitor.as_mut().unwrap();
        other.kill();
        other.reap();
        until_queued(kind, store.as_ref(), &pair.taken.job.attempt);
        monitor.push(began.elapsed());
    }
    drop(living);
    let row = |what: &str, times| Row { goal: Some(goal(kind)), ..Row::new(what, name(kind), size, times) };
    vec![
        Row::new("a commit of one row, bare", name(kind), size, bare),
        row("executor and monitor killed, to the settled row", both),
        row("monitor killed after its exit record, to the settled row", monitor),
    ]
}

/// So many pairs die at once.
pub fn at_once(kind: Kind, pairs: usize) -> Vec<Row> {
    let Some(mut reaper) = Reaper::on(kind, "1s") else { return Vec::new() };
    let (store, probe) = (std::sync::Arc::clone(&reaper.store), LocalProbe::builder().build().unwrap());
    let ground = Ground { store: store.as_ref(), probe: &probe };
    let first = ground.pair(0);
    let group = first.executor.pid();
    let mut dying: Vec<Attempted> = (1..pairs).map(|_| ground.pair(group.as_raw_nonzero().get())).collect();
    reaper.start();
    reaper.until_calm(2 * pairs);
    let began = Instant::now();
    kill_group(group);
    first.monitor.as_ref().unwrap().kill();
    for attempted in &mut dying {
        attempted.executor.reap();
        attempted.monitor.as_mut().unwrap().reap();
    }
    let reaped = began.elapsed();
    drop(first);
    let queued = || store.census().unwrap().count(reaper_core::Status::Queued);
    while queued() < u64::try_from(pairs).unwrap() {
        assert!(began.elapsed() < Duration::from_secs(120), "{} of {pairs} are settled", queued());
        // The look is a scan of the table: seldom enough not to be what is measured.
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let took = began.elapsed();
    let goal = (kind == Kind::Sqlite).then_some(Duration::from_secs(1));
    let what = format!("{} deaths at once, to the last settled row", 2 * pairs);
    let note = format!("the last was reaped after {}", crate::figures::shown(reaped));
    vec![Row { goal, note, ..Row::new(what, name(kind), 2 * pairs, vec![took]) }]
}
