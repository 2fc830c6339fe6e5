//! What a program costs that watches many processes while nothing happens.

use std::{fs, thread, time::Duration};

use reaper_gate::liveness::LocalProbe;
use reaper_tests::database::Kind;

use crate::{
    figures::Row,
    fleet::{Attempted, Ground},
    program::Reaper,
};

/// So many executors for so many seconds.
pub fn rows(kind: Kind, size: usize, seconds: u64) -> Vec<Row> {
    let Some(mut reaper) = Reaper::on(kind, if seconds < 10 { "200ms" } else { "10s" }) else { return Vec::new() };
    let (store, probe) = (std::sync::Arc::clone(&reaper.store), LocalProbe::builder().build().unwrap());
    let ground = Ground { store: store.as_ref(), probe: &probe };
    reaper.start();
    let _first = reaper.pass();
    let empty = resident_kib(reaper.pid());
    let living: Vec<Attempted> = (0..size).map(|_| ground.executor()).collect();
    reaper.until_calm(size);
    let before = cpu(reaper.pid());
    thread::park_timeout(Duration::from_secs(seconds));
    let used = cpu(reaper.pid()).saturating_sub(before);
    let memory = resident_kib(reaper.pid());
    drop(living);
    let on = match kind {
        Kind::Sqlite => "SQLite",
        Kind::Postgres => "PostgreSQL",
    };
    let note = format!("memory {:.1} MB, {:.1} MB with nobody watched", memory / 1024.0, empty / 1024.0);
    let goal = (seconds >= 60).then_some(Duration::from_millis(20));
    vec![Row { goal, note, ..Row::new(format!("idle for {seconds} s, CPU time"), on, size, vec![used]) }]
}

/// The time that all threads of a process have run, as the scheduler counts it.
fn cpu(pid: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let time = |entry: std::io::Result<fs::DirEntry>| -> Option<u64> {
        fs::read_to_string(entry.ok()?.path().join("schedstat")).ok()?.split(' ').next()?.parse().ok()
    };
    Duration::from_nanos(threads.filter_map(time).sum())
}

fn resident_kib(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
