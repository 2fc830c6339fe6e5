//! Watching real processes.

use std::time::Duration;

use crate::support::{
    CgroupFolder, Held, Started, again, dead, identity, is_again, leftovers, probe, running, session, sleeper,
    wait_until, without_main_thread,
};
use reaper_core::{Attempt, Certainty, Finding, Liveness, ProcessIdentity, Sighting};
use reaper_gate::{
    Probe as _, Watch,
    liveness::{
        Cgroups, LocalProbe,
        watch::{Death, PidfdWatch, Role, Subject, Unwatched, WatchCounts, Watching, raise_descriptor_limit},
    },
};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};

/// A wait that a test bounds; a death ends it long before.
const BOUND: Option<Duration> = Some(Duration::from_secs(30));
/// No wait at all.
const NOW: Option<Duration> = Some(Duration::ZERO);

pub(crate) fn watch() -> PidfdWatch {
    PidfdWatch::new(probe()).unwrap()
}

pub(crate) fn job(job: i64) -> Attempt {
    Attempt { job: job.into(), fence: (job + 4_000_000_000).into() }
}

pub(crate) fn whole(process: &Held) -> Subject {
    Subject::Identity(identity(process))
}

/// Waits until so many deaths were reported, and no more.
pub(crate) fn deaths(watch: &dyn Watch, count: usize) -> Vec<Death> {
    let mut deaths = Vec::new();
    for _ in 0..1000 {
        deaths.extend(watch.wait(if deaths.len() < count { BOUND } else { NOW }).unwrap());
        if deaths.len() >= count {
            break;
        }
    }
    deaths.extend(watch.wait(NOW).unwrap());
    assert_eq!(deaths.len(), count, "{deaths:?}");
    deaths
}

fn held(count: usize) -> WatchCounts {
    WatchCounts { held: count, ..WatchCounts::default() }
}

#[test]
fn a_death_wakes_who_waits_and_is_reported_once() {
    let watch = watch();
    let mut children = [sleeper(), sleeper()];
    let subjects = [whole(&children[0].held), whole(&children[1].held)];
    assert_eq!(watch.watch(&job(1), Role::Executor, &subjects[0]), Watching::Held);
    assert_eq!(watch.watch(&job(1), Role::Monitor, &subjects[1]), Watching::Held);
    assert_eq!(watch.wait(NOW), Ok(vec![]));
    assert_eq!(watch.sighting(&job(1), Role::Executor), Some(running()));
    assert_eq!((watch.sighting(&job(2), Role::Executor), watch.exit(&job(1), Role::Executor)), (None, None));

    let told = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| watch.wait(None).unwrap());
        children[1].kill();
        waiting.join().unwrap()
    });
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0].attempt, told[0].role, told[0].exit), (&job(1), Role::Monitor, None));
    assert_eq!(told[0].sighting, dead(Finding::Ended));
    assert_eq!(watch.sighting(&job(1), Role::Monitor), Some(dead(Finding::Ended)));
    assert_eq!(watch.wait(NOW), Ok(vec![]));
    assert_eq!(watch.watch(&job(1), Role::Monitor, &subjects[1]), Watching::Gone, "known already");
    assert_eq!(watch.watch(&job(1), Role::Executor, &subjects[0]), Watching::Held, "known already");
    assert_eq!(watch.wait(NOW), Ok(vec![]));
    assert_eq!(watch.counts(), WatchCounts { gone: 1, ..held(1) });

    watch.unwatch(&job(1));
    children[0].kill();
    assert_eq!(watch.wait(NOW), Ok(vec![]), "it is settled");
    assert_eq!(watch.counts(), held(0));
}

#[test]
fn a_wake_from_another_thread_ends_a_wait() {
    let watch = watch();
    let child = sleeper();
    assert_eq!(watch.watch(&job(1), Role::Executor, &whole(&child.held)), Watching::Held);
    let woken = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| watch.wait(None));
        watch.wake();
        watch.wake();
        waiting.join().unwrap()
    });
    assert_eq!(woken, Ok(vec![]));
    watch.wake();
    assert_eq!(watch.wait(None), Ok(vec![]), "a wake is not lost between two waits");
}

#[test]
fn who_is_registered_while_another_thread_waits_is_watched_or_reported() {
    let watch = watch();
    let mut gone = sleeper();
    let subject = whole(&gone.held);
    gone.kill();
    let told = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| deaths(&watch, 2));
        let mut child = sleeper();
        let watching = watch.watch(&job(1), Role::Executor, &whole(&child.held));
        assert_eq!(watching, Watching::Held);
        assert_eq!(watch.watch(&job(2), Role::Executor, &subject), Watching::Gone);
        child.kill();
        waiting.join().unwrap()
    });
    assert!(told.iter().all(|death| matches!(death.sighting.liveness, Liveness::Dead(Certainty::Verified))));
}

#[test]
fn the_dead_zombies_and_strangers_are_reported_at_once() {
    let watch = watch();
    let (mut reaped, zombie, stranger) = (sleeper(), sleeper(), sleeper());
    let mut recycled = identity(&stranger.held);
    recycled.start_time = recycled.start_time.map(|ticks| ticks - 1);
    let subjects = [whole(&reaped.held), whole(&zombie.held), Subject::Identity(recycled)];
    reaped.kill();
    zombie.held.signal(Signal::KILL);
    zombie.held.wait();
    for (number, subject) in (1..).zip(&subjects) {
        assert_eq!(watch.watch(&job(number), Role::Executor, subject), Watching::Gone);
    }
    assert_eq!(watch.counts(), WatchCounts { gone: 3, ..held(0) }, "nobody is held, the stranger neither");
    let told = deaths(&watch, 3);
    let seen: Vec<_> = told.iter().map(|death| (&death.attempt, death.sighting.clone())).collect();
    let findings = [Finding::NoSuchProcess, Finding::Ended, Finding::Recycled];
    let expected: Vec<_> = findings.into_iter().map(dead).collect();
    assert_eq!(seen, [job(1), job(2), job(3)].iter().zip(expected).collect::<Vec<_>>());
    assert!(!stranger.held.has_ended());
}

#[test]
fn another_identity_takes_the_place_of_the_first() {
    let watch = watch();
    let (mut launcher, mut executor) = (sleeper(), sleeper());
    let pid = Subject::Pid(launcher.held.pid);
    assert_eq!(watch.watch(&job(1), Role::Executor, &pid), Watching::Held);
    assert_eq!(watch.watch(&job(1), Role::Executor, &whole(&executor.held)), Watching::Held);
    assert_eq!(watch.counts(), held(1));
    launcher.kill();
    assert_eq!(watch.wait(NOW), Ok(vec![]));
    executor.kill();
    assert_eq!(deaths(&watch, 1)[0].sighting, dead(Finding::Ended));
}

#[test]
fn a_bare_pid_is_held_from_first_sight_and_never_verified() {
    let watch = watch();
    let mut child = sleeper();
    assert_eq!(watch.watch(&job(1), Role::Executor, &Subject::Pid(child.held.pid)), Watching::Held);
    let alive = Sighting::new(Liveness::Alive(Certainty::Unverified), Finding::PidHeld);
    assert_eq!(watch.sighting(&job(1), Role::Executor), Some(alive));
    child.kill();
    let told = deaths(&watch, 1);
    let gone = Sighting::new(Liveness::Dead(Certainty::Unverified), Finding::PidEnded);
    assert_eq!((&told[0].sighting, told[0].exit), (&gone, None), "it may have been a stranger's");
    assert_eq!(watch.watch(&job(2), Role::Executor, &Subject::Pid(child.held.pid)), Watching::Gone);
    assert_eq!(deaths(&watch, 1)[0].sighting.liveness, Liveness::Dead(Certainty::Unverified));
}

#[test]
fn what_cannot_be_told_is_not_watched() {
    let child = sleeper();
    let untrusting = LocalProbe::builder().host("test-host").build().unwrap();
    let watch = PidfdWatch::new(untrusting).unwrap();
    let elsewhere = ProcessIdentity { host: "other-host".to_owned(), ..identity(&child.held) };
    let not_told = |finding| Watching::NotWatched(Unwatched::NotTold(finding));
    let pid = Subject::Pid(child.held.pid);
    assert_eq!(watch.watch(&job(1), Role::Executor, &pid), not_told(Finding::PidNotTrusted));
    assert_eq!(watch.watch(&job(2), Role::Executor, &Subject::Pid(0)), not_told(Finding::NothingRecorded));
    let seen = watch.watch(&job(3), Role::Executor, &Subject::Identity(elsewhere));
    assert_eq!(seen, not_told(Finding::OtherHost));
    assert_eq!(watch.counts(), WatchCounts { not_told: 3, ..held(0) });
    assert_eq!(watch.sighting(&job(1), Role::Executor), None);
    assert_eq!(watch.watch(&job(1), Role::Executor, &whole(&child.held)), Watching::Held);
    assert_eq!(watch.wait(NOW), Ok(vec![]));
}

#[test]
fn a_process_whose_main_thread_has_ended_is_not_reported_until_the_last_one_ends() {
    let Some(mut child) = without_main_thread() else { return };
    let watch = watch();
    assert_eq!(watch.watch(&job(1), Role::Executor, &whole(&child.held)), Watching::Held);
    assert_eq!(watch.wait(NOW), Ok(vec![]));
    child.close_stdin();
    assert_eq!(deaths(&watch, 1)[0].sighting, dead(Finding::Ended));
}

#[test]
fn sessions_of_many_are_looked_for_at_once_and_asked_for_again() {
    let watch = watch();
    let script = "sleep 600 & echo $!; wait";
    let mut leaders: Vec<Started> = (0..3).map(|_| session(&job(7), script)).collect();
    let children: Vec<Held> = leaders.iter_mut().map(Started::prints_pid).collect();
    for (number, leader) in (1..).zip(&leaders) {
        assert_eq!(watch.watch(&job(number), Role::Executor, &whole(&leader.held)), Watching::Held);
    }
    children[2].signal(Signal::KILL);
    leaders[2].reap();
    for leader in &mut leaders[..2] {
        leader.kill();
    }
    let mut told = deaths(&watch, 3);
    told.sort_by(|one, other| one.attempt.cmp(&other.attempt));
    let seen: Vec<_> = told.iter().map(|death| death.sighting.clone()).collect();
    assert_eq!(seen, [leftovers(1), leftovers(1), dead(Finding::Ended)]);
    assert_eq!(watch.sighting(&job(1), Role::Executor), Some(leftovers(1)));
    children[0].signal(Signal::KILL);
    children[0].wait();
    let gone = watch.sighting(&job(1), Role::Executor).unwrap();
    assert_eq!(gone.liveness, Liveness::Dead(Certainty::Verified), "{gone:?}");
    assert_eq!(watch.sighting(&job(2), Role::Executor), Some(leftovers(1)));
}

#[test]
fn hundreds_of_processes_that_die_at_once_are_each_reported_once() {
    let watch = watch();
    let mut parent = session(&job(7), "for i in $(seq 200); do sleep 600 & echo $!; done; wait");
    let children: Vec<Held> = (0..200).map(|_| parent.prints_pid()).collect();
    for (number, child) in (0..).zip(&children) {
        assert_eq!(watch.watch(&job(number), Role::Executor, &whole(child)), Watching::Held);
    }
    assert_eq!(watch.counts(), held(200));
    children.iter().for_each(|child| child.signal(Signal::KILL));
    let told = deaths(&watch, 200);
    let attempts: std::collections::BTreeSet<_> = told.iter().map(|death| death.attempt.clone()).collect();
    assert_eq!(attempts.len(), 200);
    assert!(told.iter().all(|death| death.sighting.liveness == Liveness::Dead(Certainty::Verified)));
}

#[test]
fn f09_a_number_that_was_given_away_is_not_taken_for_the_process() {
    let name = "watch::f09_a_number_that_was_given_away_is_not_taken_for_the_process";
    if !is_again() {
        again(name, &["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]);
        return;
    }
    let watch = watch();
    let mut first = sleeper();
    let executor = identity(&first.held);
    assert_eq!(watch.watch(&job(1), Role::Executor, &Subject::Identity(executor.clone())), Watching::Held);
    assert_eq!(watch.watch(&job(2), Role::Executor, &Subject::Pid(executor.pid)), Watching::Held);
    first.kill();
    std::fs::write("/proc/sys/kernel/ns_last_pid", (executor.pid - 1).to_string()).unwrap();
    // It leads a session that is called by the number, as the first one's would be.
    let mut second = session(&job(3), "echo ready; read _");
    assert_eq!(second.line(), "ready");
    assert_eq!(second.held.pid, executor.pid, "the number was given again");
    if executor.inode.is_none() && identity(&second.held).start_time == executor.start_time {
        eprintln!("SKIPPED {name}: this kernel has no pidfs, and both started within one tick");
        return;
    }
    let mut told = deaths(&watch, 2);
    told.sort_by(|one, other| one.attempt.cmp(&other.attempt));
    assert_eq!(told[0].sighting, dead(Finding::Recycled));
    assert_eq!(told[1].sighting, Sighting::new(Liveness::Dead(Certainty::Unverified), Finding::PidEnded));
    assert_eq!(watch.sighting(&job(2), Role::Executor), Some(told[1].sighting.clone()), "it does not flap");

    // A reaper that starts now.
    let later = self::watch();
    assert_eq!(later.watch(&job(1), Role::Executor, &Subject::Identity(executor)), Watching::Gone);
    assert_eq!(later.counts().held, 0, "the stranger is not watched");
    assert_eq!(deaths(&later, 1)[0].sighting, dead(Finding::Recycled));
    assert!(!second.held.has_ended());
}

#[test]
fn f09_what_lives_in_the_group_of_a_number_that_was_given_away_is_found() {
    let name = "watch::f09_what_lives_in_the_group_of_a_number_that_was_given_away_is_found";
    if !is_again() {
        again(name, &["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]);
        return;
    }
    let Some(folder) = CgroupFolder::make() else { return };
    let cgroups = Cgroups::in_folder(&folder.0).unwrap();
    let probe = LocalProbe::builder().host("test-host").cgroups(cgroups.clone()).build().unwrap();
    let mut first = session(&job(1), "read _; setsid sleep 600 & echo $!; wait");
    let executor = identity(&first.held);
    cgroups.enter(&executor).unwrap();
    first.tell("");
    let left = first.prints_pid();
    let comm = format!("/proc/{}/comm", left.pid);
    wait_until("it has left the session", || std::fs::read_to_string(&comm).unwrap().trim() == "sleep");
    first.kill();
    std::fs::write("/proc/sys/kernel/ns_last_pid", (executor.pid - 1).to_string()).unwrap();
    let second = sleeper();
    assert_eq!(second.held.pid, executor.pid, "the number was given again");
    if executor.inode.is_none() && identity(&second.held).start_time == executor.start_time {
        eprintln!("SKIPPED {name}: this kernel has no pidfs, and both started within one tick");
        return;
    }
    let lives = Sighting::new(Liveness::Leftovers, Finding::CgroupLives(1));
    assert_eq!(probe.probe(&executor), lives);
    let watch = PidfdWatch::new(probe).unwrap();
    assert_eq!(watch.watch(&job(1), Role::Executor, &Subject::Identity(executor)), Watching::Gone);
    assert_eq!(deaths(&watch, 1)[0].sighting, lives);
    left.signal(Signal::KILL);
    left.wait();
    wait_until("its group is empty", || watch.sighting(&job(1), Role::Executor) == Some(dead(Finding::Recycled)));
}

#[test]
fn what_does_not_fit_is_said_and_fits_under_a_higher_limit() {
    let name = "watch::what_does_not_fit_is_said_and_fits_under_a_higher_limit";
    if !is_again() {
        // In a process of its own: the limit and the descriptors are everybody's in it.
        again(name, &["env"]);
        return;
    }
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    let watch = watch();
    let mut child = sleeper();
    let started = open();
    let subject = whole(&child.held);
    let limits = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(200), maximum: Some(800) }).unwrap();
    let register =
        || (0..400).map(|number| watch.watch(&job(number), Role::Executor, &subject)).collect::<Vec<_>>();

    let first = register();
    let no_room = Watching::NotWatched(Unwatched::NoRoom);
    assert!(first.iter().all(|watching| *watching == Watching::Held || *watching == no_room));
    assert_eq!(watch.counts(), WatchCounts { no_room: 250, ..held(150) }, "a quarter is left to others");
    assert_eq!(open(), started + 150);
    assert!(std::fs::File::open("/dev/null").is_ok());

    let raised = raise_descriptor_limit();
    assert_eq!((raised.before, raised.now), (Some(200), Some(800)));
    assert_eq!(register(), vec![Watching::Held; 400]);
    assert_eq!((watch.counts(), open()), (held(400), started + 400));
    child.kill();
    deaths(&watch, 400);
    assert_eq!(watch.counts(), WatchCounts { gone: 400, ..held(0) });
    drop(watch);
    drop(child);
    assert_eq!(open(), before, "all descriptors are closed");
    assert!(limits.current.is_none_or(|current| current >= 200));
}

#[test]
fn without_any_descriptor_nothing_is_watched_and_nothing_reported() {
    let name = "watch::without_any_descriptor_nothing_is_watched_and_nothing_reported";
    if !is_again() {
        again(name, &["env"]);
        return;
    }
    let watch = watch();
    let child = sleeper();
    let subject = whole(&child.held);
    let limits = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(0), ..limits }).unwrap();
    let (seen, another) = (watch.watch(&job(1), Role::Executor, &subject), PidfdWatch::new(probe()));
    setrlimit(Resource::Nofile, limits).unwrap();
    assert_eq!(seen, Watching::NotWatched(Unwatched::NoRoom));
    assert!(another.unwrap_err().to_string().contains("epoll"));
    assert_eq!((watch.wait(NOW), watch.counts().no_room), (Ok(vec![]), 1));
    assert_eq!(watch.watch(&job(1), Role::Executor, &subject), Watching::Held);
}
