//! Folders of leases, and what others do to them while they are looked at.

use std::{cell::Cell, fs, os::unix::fs::symlink};

use chrono::{TimeDelta, TimeZone, Utc};
use tempfile::TempDir;

use super::*;
use crate::liveness::LocalProbe;

const TTL: Duration = Duration::from_secs(3600);
/// Above every limit for pids: nobody ever has it.
const NOBODY: u32 = 2_000_000_000;

fn now() -> Timestamp {
    Utc.with_ymd_and_hms(2026, 1, 2, 12, 0, 0).unwrap()
}

fn probe(trusted: bool) -> Arc<LocalProbe> {
    Arc::new(LocalProbe::builder().host("here").trust_bare_pids(trusted).build().unwrap())
}

/// A lease of this host.
fn lease(pid: u32, age: TimeDelta) -> String {
    format!(r#"{{"pid": {pid}, "host": "here", "acquired_at": "{}"}}"#, (now() - age).to_rfc3339())
}

fn stale() -> String {
    lease(NOBODY, TimeDelta::minutes(1))
}

fn held() -> String {
    lease(std::process::id(), TimeDelta::minutes(1))
}

struct Leased {
    folder: TempDir,
    dir: LeaseDir,
}

impl Leased {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = LeaseDir::new(folder.path(), TTL, probe(true));
        Self { folder, dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Reclaims, with somebody else stepping in once, at that moment.
    fn reclaim_while(&self, moment: Moment, step_in: impl Fn()) -> Reclaimed {
        let came = Cell::new(0);
        let reclaimed = self.dir.reclaim_watched(Some(now()), &|at| {
            if at == moment && came.replace(1) == 0 {
                step_in();
            }
        });
        assert_eq!(came.get(), 1, "{moment:?} never came");
        reclaimed
    }
}

fn nothing() -> Reclaimed {
    Reclaimed::default()
}

fn removed(path: PathBuf) -> Reclaimed {
    Reclaimed { removed: vec![path], problems: Vec::new() }
}

fn assert_one_problem(reclaimed: &Reclaimed, parts: &[&str]) {
    assert_eq!(reclaimed.removed, Vec::<PathBuf>::new());
    let [problem] = &reclaimed.problems[..] else { panic!("not one problem: {reclaimed:?}") };
    assert!(parts.iter().all(|part| problem.contains(part)), "{problem}");
}

#[test]
fn by_no_clock_a_lease_is_stale_only_when_its_holder_is_dead() {
    let leased = Leased::new();
    let old = leased.write("old.lease.json", r#"{"acquired_at": "2020-01-01T00:00:00Z"}"#);
    let ahead = leased.write("ahead.lease.json", r#"{"acquired_at": "2040-01-01T00:00:00Z"}"#);
    let dead = leased.write("dead.lease.json", r#"{"acquired_at": "2020-01-01T00:00:00Z", "pid": 4194304}"#);
    assert_eq!(leased.dir.reclaim(None), removed(dead));
    assert!(old.exists() && ahead.exists());
    assert_eq!(leased.dir.reclaim(Some(now())).removed, [old]);
}

#[test]
fn no_folder_is_no_problem() {
    let folder = tempfile::tempdir().unwrap();
    let dir = LeaseDir::new(folder.path().join("none"), TTL, probe(true));
    assert_eq!(dir.reclaim(Some(now())), nothing());
    assert_eq!(dir.list(now()), Vec::new());
}

#[test]
fn what_is_no_folder_is_a_problem() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let dir = LeaseDir::new(file.path(), TTL, probe(true));
    assert_one_problem(&dir.reclaim(Some(now())), &["could not be opened"]);
    assert!(matches!(dir.list(now())[..], [LeaseFile { state: LeaseState::Unreadable(_), .. }]));
}

#[test]
fn the_dead_and_the_old_are_removed_the_others_kept() {
    let leased = Leased::new();
    let dead = leased.write("a.lease.json", &stale());
    leased.write("b.lease.json", &held());
    let old = leased.write("c.lease.json", &lease(std::process::id(), TimeDelta::hours(1)));
    leased.write("d.lease.json", &stale().replace("here", "there"));
    let states: Vec<_> = leased.dir.list(now()).into_iter().map(|file| file.state).collect();
    assert!(matches!(
        states[..],
        [LeaseState::Stale(_), LeaseState::Held, LeaseState::Stale(_), LeaseState::Held]
    ));
    let reclaimed = leased.dir.reclaim(Some(now()));
    assert_eq!(reclaimed, Reclaimed { removed: vec![dead, old], problems: Vec::new() });
    assert_eq!(leased.names(), ["b.lease.json", "d.lease.json"]);
    assert_eq!(leased.dir.reclaim(Some(now())), nothing());
}

#[test]
fn bare_pids_decide_only_where_they_are_trusted() {
    let leased = Leased::new();
    leased.write("a.lease.json", &stale());
    let distrusting = LeaseDir::new(leased.folder.path(), TTL, probe(false));
    assert_eq!(distrusting.reclaim(Some(now())), nothing());
    assert_eq!(leased.dir.reclaim(Some(now())).removed.len(), 1);
}

#[test]
fn this_host_has_the_names_that_it_is_given() {
    let leased = Leased::new();
    let path = leased.write("a.lease.json", &stale().replace("here", "here.example"));
    assert_eq!(leased.dir.reclaim(Some(now())), nothing());
    assert_eq!(leased.dir.clone().also_named("here.example").reclaim(Some(now())), removed(path));
    let node = super::super::folder::node_name().unwrap();
    let path = leased.write("a.lease.json", &stale().replace("here", &node));
    assert_eq!(leased.dir.reclaim(Some(now())), removed(path));
}

#[test]
#[cfg(target_os = "linux")]
fn a_recycled_pid_is_told_by_the_identity() {
    let leased = Leased::new();
    let me = probe(false).identify_self().unwrap();
    let with = |holder: &reaper_core::ProcessIdentity| {
        format!(r#"{{"pid": {}, "host": "here", "holder": "{holder}"}}"#, holder.pid)
    };
    leased.write("me.lease.json", &with(&me));
    let before = reaper_core::ProcessIdentity { start_time: Some(1), ..me };
    let path = leased.write("before.lease.json", &with(&before));
    let distrusting = LeaseDir::new(leased.folder.path(), TTL, probe(false));
    assert_eq!(distrusting.reclaim(Some(now())), removed(path), "bare pids need not be trusted for it");
    assert_eq!(leased.names(), ["me.lease.json"]);
}

#[test]
fn only_leases_are_looked_at() {
    let leased = Leased::new();
    for name in ["a.json", ".hidden.lease.json", "lease.json.bak", "a.lease.json~"] {
        leased.write(name, &stale());
    }
    fs::create_dir(leased.path("below")).unwrap();
    leased.write("below/a.lease.json", &stale());
    assert_eq!(leased.dir.reclaim(Some(now())), nothing());
    let path = leased.path("a.json");
    let Leased { dir, folder } = leased;
    assert_eq!(dir.suffix(".json").reclaim(Some(now())), removed(path));
    drop(folder);
}

#[test]
fn f29_what_is_no_plain_file_is_left_alone() {
    let leased = Leased::new();
    let target = leased.write("target", &stale());
    symlink(&target, leased.path("link.lease.json")).unwrap();
    symlink("/nonexistent", leased.path("nowhere.lease.json")).unwrap();
    fs::create_dir(leased.path("folder.lease.json")).unwrap();
    let fifo = leased.path("fifo.lease.json");
    assert!(std::process::Command::new("mkfifo").arg(fifo).status().unwrap().success());
    let before = leased.names();
    let reclaimed = leased.dir.reclaim(Some(now()));
    assert_eq!(reclaimed.removed, Vec::<PathBuf>::new());
    assert_eq!(reclaimed.problems.len(), 4);
    assert!(reclaimed.problems.iter().all(|problem| problem.ends_with("is no plain file")), "{reclaimed:?}");
    assert_eq!(leased.names(), before);
    assert!(target.exists());
}

#[test]
fn garbage_and_the_huge_are_left_alone_and_hinder_nobody() {
    let leased = Leased::new();
    leased.write("a.lease.json", "");
    leased.write("b.lease.json", "{\"pid\": ");
    leased.write("c.lease.json", &(stale() + &" ".repeat(64 << 10)));
    fs::write(leased.path("d.lease.json"), [0xff, 0x00, 0x7f]).unwrap();
    let endless = fs::File::create(leased.path("e.lease.json")).unwrap();
    endless.set_len(1 << 40).unwrap();
    let path = leased.write("f.lease.json", &stale());
    let reclaimed = leased.dir.reclaim(Some(now()));
    assert_eq!(reclaimed.removed, [path]);
    assert_eq!(reclaimed.problems.len(), 5, "{reclaimed:?}");
    assert_eq!(leased.names().len(), 5);
    let unreadable = |file: &LeaseFile| matches!(file.state, LeaseState::Unreadable(_));
    assert!(leased.dir.list(now()).iter().all(unreadable));
}

#[test]
fn files_that_may_not_be_read_or_removed_are_problems() {
    use std::os::unix::fs::PermissionsExt;
    if cfg!(not(target_os = "linux")) && rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED files_that_may_not_be_read_or_removed_are_problems: root may do everything");
        return;
    }
    let leased = Leased::new();
    leased.write("a.lease.json", &stale());
    let closed = leased.write("b.lease.json", &stale());
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(leased.folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let reclaimed = without_rights(|| leased.dir.reclaim(Some(now())));
    fs::set_permissions(leased.folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(reclaimed.removed, Vec::<PathBuf>::new());
    let [moved, opened] = &reclaimed.problems[..] else { panic!("not two problems: {reclaimed:?}") };
    assert!(moved.contains("a.lease.json: could not be moved"), "{moved}");
    assert!(opened.contains("b.lease.json: could not be opened"), "{opened}");
    assert_eq!(leased.names().len(), 2);
}

/// Runs something as nobody, if we are root. On Linux a single thread can be somebody else.
fn without_rights<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            #[cfg(target_os = "linux")]
            if rustix::process::geteuid().is_root() {
                let nobody = rustix::process::Uid::from_raw(65534);
                rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
            }
            work()
        });
        thread.join().unwrap()
    })
}

#[test]
fn f29_a_lease_renewed_in_place_is_kept_whenever_it_happens() {
    for moment in [Moment::Judged, Moment::Compared, Moment::Moved] {
        let leased = Leased::new();
        let path = leased.write("a.lease.json", &stale());
        let mut holder = fs::File::options().write(true).open(&path).unwrap();
        // As long as the old one, so that the size tells nothing.
        let renewed = stale().replace("11:59", "12:00");
        assert_eq!(renewed.len(), stale().len());
        let reclaimed = leased.reclaim_while(moment, || {
            std::io::Write::write_all(&mut holder.try_clone().unwrap(), renewed.as_bytes()).unwrap();
        });
        std::io::Write::flush(&mut holder).unwrap();
        assert_eq!(reclaimed, nothing(), "{moment:?}");
        assert_eq!(leased.names(), ["a.lease.json"], "{moment:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), renewed, "{moment:?}");
    }
}

#[test]
fn a_lease_that_was_only_touched_is_kept() {
    let leased = Leased::new();
    let path = leased.write("a.lease.json", &stale());
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    let touch = || file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    assert_eq!(leased.reclaim_while(Moment::Compared, touch), nothing());
    assert_eq!(leased.names(), ["a.lease.json"]);
}

#[test]
fn a_lease_renewed_in_place_under_its_old_date_is_kept() {
    let leased = Leased::new();
    let path = leased.write("a.lease.json", &stale());
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    let renewed = stale().replace("11:59", "12:00");
    let renew = || {
        fs::write(&path, &renewed).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    };
    assert_eq!(leased.reclaim_while(Moment::Compared, renew), nothing());
    assert_eq!(fs::read_to_string(&path).unwrap(), renewed);
}

#[test]
fn a_lease_may_be_as_large_as_is_allowed() {
    let leased = Leased::new();
    let text = stale();
    let path = leased.write("a.lease.json", &format!("{text}{}", " ".repeat((64 << 10) - text.len())));
    assert_eq!(leased.dir.reclaim(Some(now())), removed(path));
}

#[test]
fn f29_a_lease_swapped_for_another_is_kept_whenever_it_happens() {
    for moment in [Moment::Judged, Moment::Compared] {
        let leased = Leased::new();
        let path = leased.write("a.lease.json", &stale());
        let other = leased.write("other", &held());
        // Even another stale one was not judged.
        let reclaimed = leased.reclaim_while(moment, || fs::rename(&other, &path).unwrap());
        assert_eq!(reclaimed, nothing(), "{moment:?}");
        assert_eq!(leased.names(), ["a.lease.json"], "{moment:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), held(), "{moment:?}");
    }
}

#[test]
fn a_lease_taken_while_the_old_one_is_away_is_kept_beside_it() {
    let leased = Leased::new();
    let path = leased.write("a.lease.json", &stale());
    let take = || fs::write(&path, held()).unwrap();
    assert_eq!(leased.reclaim_while(Moment::Moved, take), removed(path.clone()), "the old one was stale");
    assert_eq!(fs::read_to_string(&path).unwrap(), held());
    assert_eq!(leased.names(), ["a.lease.json"]);
}

#[test]
fn f29_a_lease_swapped_for_a_symlink_is_left_alone() {
    for moment in [Moment::Judged, Moment::Compared] {
        let leased = Leased::new();
        let path = leased.write("a.lease.json", &stale());
        let target = leased.write("target", &stale());
        let reclaimed = leased.reclaim_while(moment, || {
            fs::remove_file(&path).unwrap();
            symlink(&target, &path).unwrap();
        });
        assert_eq!(reclaimed, nothing(), "{moment:?}");
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink(), "{moment:?}");
        assert_eq!(leased.names(), ["a.lease.json", "target"], "{moment:?}");
    }
}

#[test]
fn a_lease_released_meanwhile_is_nobodys_problem() {
    for moment in [Moment::Judged, Moment::Compared] {
        let leased = Leased::new();
        let path = leased.write("a.lease.json", &stale());
        let reclaimed = leased.reclaim_while(moment, || fs::remove_file(&path).unwrap());
        assert_eq!(reclaimed, nothing(), "{moment:?}");
    }
}

#[test]
fn of_two_reapers_one_removes_it() {
    let leased = Leased::new();
    let path = leased.write("a.lease.json", &stale());
    for moment in [Moment::Judged, Moment::Compared] {
        leased.write("a.lease.json", &stale());
        let other = Cell::new(nothing());
        let reclaimed = leased.reclaim_while(moment, || other.set(leased.dir.reclaim(Some(now()))));
        assert_eq!((reclaimed, other.take()), (nothing(), removed(path.clone())), "{moment:?}");
    }
    // One that has moved it is taken for one that was killed; the lease is removed by the other.
    leased.write("a.lease.json", &stale());
    let other = Cell::new(nothing());
    let reclaimed = leased.reclaim_while(Moment::Moved, || other.set(leased.dir.reclaim(Some(now()))));
    assert_eq!((reclaimed, other.take()), (nothing(), removed(path)));
    assert_eq!(leased.names(), Vec::<String>::new());
}

#[test]
fn two_leases_for_one_name_are_both_kept_and_said() {
    let leased = Leased::new();
    let path = leased.write("a.lease.json", &stale());
    let renewed = leased.write("renewed", &held());
    // Renewed at the last moment, so that it is moved away; then taken by somebody who saw none.
    let came = Cell::new(0);
    let reclaimed = leased.dir.reclaim_watched(Some(now()), &|at| match at {
        Moment::Compared => {
            came.set(came.get() + 1);
            fs::rename(&renewed, &path).unwrap();
        }
        Moment::MovingBack => {
            came.set(came.get() + 1);
            fs::write(&path, lease(1, TimeDelta::zero())).unwrap();
        }
        Moment::Judged | Moment::Moved => {}
    });
    assert_eq!(came.get(), 2);
    assert_one_problem(&reclaimed, &["a.lease.json", "stays as .a.lease.json.reaper-", "taken again"]);
    let [private, name] = &leased.names()[..] else { panic!("{:?}", leased.names()) };
    assert_eq!((fs::read_to_string(leased.path(private)).unwrap(), name.as_str()), (held(), "a.lease.json"));
    // It is said again as long as it is so, and mended once the name is free.
    assert_one_problem(&leased.dir.reclaim(Some(now())), &[private, "taken again"]);
    fs::remove_file(&path).unwrap();
    assert_eq!(leased.dir.reclaim(Some(now())), nothing());
    assert_eq!(fs::read_to_string(&path).unwrap(), held());
}

#[test]
fn what_an_interrupted_reclaim_has_left_is_moved_back_first() {
    let leased = Leased::new();
    leased.write(".a.lease.json.reaper-1f", &held());
    let path = leased.write(".b.lease.json.reaper-2e", &stale());
    assert!(
        matches!(&leased.dir.list(now())[0].state, LeaseState::Unreadable(why) if why.contains("interrupted"))
    );
    let reclaimed = leased.dir.reclaim(Some(now()));
    assert_eq!(reclaimed, removed(leased.path("b.lease.json")));
    assert!(!path.exists());
    assert_eq!(leased.names(), ["a.lease.json"]);
    // Interrupted where the file system needed two steps, it has both names.
    fs::hard_link(leased.path("a.lease.json"), leased.path(".a.lease.json.reaper-1f")).unwrap();
    assert_eq!(leased.dir.reclaim(Some(now())), nothing());
    assert_eq!(leased.names(), ["a.lease.json"]);
}

#[test]
fn names_that_only_look_private_are_nobodys() {
    let leased = Leased::new();
    let names = [".a.lease.json.reaper-", ".a.lease.json.reaper-xyz", ".a.json.reaper-1f", ".reaper-1f"];
    for name in names {
        leased.write(name, &stale());
    }
    assert_eq!(leased.dir.reclaim(Some(now())), nothing());
    assert_eq!(leased.names().len(), names.len());
}

#[test]
fn a_name_that_is_no_text_is_a_name() {
    use std::os::unix::ffi::OsStrExt;
    let leased = Leased::new();
    let path = leased.folder.path().join(OsStr::from_bytes(b"\xff\xfe.lease.json"));
    if let Err(error) = fs::write(&path, stale()) {
        eprintln!("SKIPPED a_name_that_is_no_text_is_a_name: the file system has no such names: {error}");
        return;
    }
    assert_eq!(leased.dir.reclaim(Some(now())), removed(path));
}

#[test]
fn the_trait_is_an_object() {
    let leased = Leased::new();
    let leases: Box<dyn Leases> = Box::new(leased.dir);
    assert_eq!((leases.list(now()), leases.reclaim(Some(now()))), (Vec::new(), nothing()));
}
