//! What a reaper keeps in memory. A process's peak never falls, so each figure is measured by a process of its own.

use std::{fs, process::Command};

use reaper_runner::Reaper;

use crate::{arguments::Child, parts};

/// Settles whatever is to be settled in a database and answers with this process's peak, in kB.
pub fn child(child: &Child) -> u64 {
    let reaper = Reaper::new(parts::parts(&parts::open(&child.database)), parts::settings(child.budget));
    for _ in 0..child.passes {
        let report = reaper.run_once();
        assert_eq!(report.error, None);
        if report.won().next().is_none() {
            break;
        }
    }
    peak()
}

/// The peak of a process that does so, in MB.
pub fn of_child(database: &str, budget: usize, passes: usize) -> f64 {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("--child").arg(database).arg(budget.to_string()).arg(passes.to_string());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().parse::<f64>().unwrap() / 1024.0
}

/// The most memory that this process has had at once, in kB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}
