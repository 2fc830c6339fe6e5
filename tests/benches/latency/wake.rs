//! From SIGKILL to the wake-up of a thread that waits, by the watch and by nothing but pidfds in an epoll.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use reaper_core::Attempt;
use reaper_gate::{
    Watch as _,
    liveness::{
        LocalProbe,
        watch::{PidfdWatch, Role, Subject},
    },
};
use rustix::{
    buffer::spare_capacity,
    event::epoll,
    process::{PidfdFlags, pidfd_open},
};

use crate::{figures::Row, fleet::Sleeper};

/// One death after another beside so many processes that live, each way in turn.
pub fn rows(size: usize, rounds: usize) -> Vec<Row> {
    let probe = LocalProbe::builder().build().unwrap();
    let living: Vec<Sleeper> = (0..size).map(|_| Sleeper::start(&probe, 0)).collect();
    let (mut bare, mut watched) = (Vec::new(), Vec::new());
    let watch = PidfdWatch::new(probe.clone()).unwrap();
    let attempt = |number: usize| Attempt { job: i64::try_from(number).unwrap().into(), fence: 1.into() };
    for (number, sleeper) in living.iter().enumerate() {
        let _held = watch.watch(&attempt(number), Role::Executor, &Subject::Identity(sleeper.identity.clone()));
    }
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let open = |sleeper: &Sleeper| {
        let pidfd = pidfd_open(sleeper.pid(), PidfdFlags::empty()).unwrap();
        epoll::add(&epoll, &pidfd, epoll::EventData::new_u64(0), epoll::EventFlags::IN).unwrap();
        pidfd
    };
    let held: Vec<_> = living.iter().map(open).collect();
    for round in 0..rounds {
        let sleeper = Sleeper::start(&probe, 0);
        let pidfd = open(&sleeper);
        bare.push(timed(sleeper, || {
            let mut events = Vec::with_capacity(16);
            epoll::wait(&epoll, spare_capacity(&mut events), None).unwrap();
        }));
        epoll::delete(&epoll, &pidfd).unwrap();

        let sleeper = Sleeper::start(&probe, 0);
        let attempt = attempt(size + round);
        let _held = watch.watch(&attempt, Role::Executor, &Subject::Identity(sleeper.identity.clone()));
        watched.push(timed(sleeper, || while watch.wait(None).unwrap().is_empty() {}));
        watch.unwatch(&attempt);
    }
    drop((held, living));
    let bare = Row::new("death to wake-up, bare pidfd and epoll", "", size, bare);
    let goal = Some(2 * bare.percentile(50));
    vec![bare, Row { goal, ..Row::new("death to wake-up, told by the watch", "", size, watched) }]
}

/// Kills a process that another thread waits for, and says how long it was until that thread knew.
fn timed(mut sleeper: Sleeper, wait: impl FnOnce() + Send) -> Duration {
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        let waiting = scope.spawn(move || {
            tell.send(()).unwrap();
            wait();
            Instant::now()
        });
        told.recv().unwrap();
        // The other thread goes from there into its wait.
        thread::park_timeout(Duration::from_millis(2));
        let began = Instant::now();
        sleeper.kill();
        sleeper.reap();
        waiting.join().unwrap().saturating_duration_since(began)
    })
}
