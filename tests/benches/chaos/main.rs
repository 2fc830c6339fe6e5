//! Workers, reapers and a database of each kind under a random mix of faults, and what must hold afterwards.
//!
//! `cargo xtask chaos` and `cargo xtask soak` build and start it. Twenty workers by `reaper exec --loop` take tasks through
//! three stages, beside two `reaper run` and two workers in Python; faults hit them one after another until the time is up.
//! Then everything has to come to its end, and every law is asked of the database in plain SQL and of the commands'
//! journal. A fault that never fired fails the run, and so does one that cannot be had here. The seed decides the order of
//! the faults and what they hit, as far as what runs beside them lets it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a run fails as tests do, prints, and waits in real time"
)]

#[cfg(target_os = "linux")]
mod cast;
#[cfg(target_os = "linux")]
mod chat;
#[cfg(target_os = "linux")]
mod fault;
#[cfg(target_os = "linux")]
mod ground;
#[cfg(target_os = "linux")]
mod harm;
#[cfg(target_os = "linux")]
mod haste;
#[cfg(target_os = "linux")]
mod laws;
#[cfg(target_os = "linux")]
mod meddling;
#[cfg(target_os = "linux")]
mod processes;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod sql;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    use std::{thread, time::Duration};

    use reaper_tests::database::Kind;

    let mut seed = fastrand::u64(..);
    let (mut seconds, mut scope) = (180.0, fault::Scope::All);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
        match word.as_str() {
            "--bench" => {}
            "--minutes" => seconds = 60.0 * value().parse::<f64>().expect("--minutes is a number"),
            "--seed" => seed = value().parse().expect("--seed is a whole number"),
            "--processes" => scope = fault::Scope::Processes,
            other => panic!("unknown argument {other}"),
        }
    }
    println!("seed {seed}, {seconds} s of faults");
    let plan = run::Plan { seed, lasts: Duration::from_secs_f64(seconds), scope };
    let runs = [Kind::Sqlite, Kind::Postgres].map(|kind| (kind, thread::spawn(move || run::run(kind, plan))));
    let mut all_well = true;
    for (kind, run) in runs {
        match run.join() {
            Ok(end) => {
                println!("\n{end}");
                end.tell();
                all_well &= end.is_well();
            }
            Err(_) => {
                println!("\n{kind:?}: the run itself has failed");
                all_well = false;
            }
        }
    }
    if all_well {
        println!("\nall laws hold");
        return ExitCode::SUCCESS;
    }
    println!("\nsomething is broken; seed {seed}");
    ExitCode::FAILURE
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    println!("nothing is tried: it needs Linux");
    ExitCode::SUCCESS
}
