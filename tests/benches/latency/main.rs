//! How soon a death is seen and settled, beside a bare pidfd and epoll in the same run.
//!
//! `cargo xtask bench latency` builds and starts it; `tests/docs/latency.md` says how to read what it prints.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a bench fails as tests do, prints, and reads the clock that everything else must be given"
)]

#[cfg(target_os = "linux")]
mod figures;
#[cfg(target_os = "linux")]
mod fleet;
#[cfg(target_os = "linux")]
mod idle;
#[cfg(target_os = "linux")]
mod program;
#[cfg(target_os = "linux")]
mod settle;
#[cfg(target_os = "linux")]
mod wake;

fn main() {
    #[cfg(target_os = "linux")]
    measure();
    #[cfg(not(target_os = "linux"))]
    println!("nothing is measured: only Linux tells of deaths");
}

#[cfg(target_os = "linux")]
fn measure() {
    use figures::{Row, print};
    use reaper_tests::database::Kind;

    let (mut short, mut json, mut rounds) = (false, false, 100);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--bench" => {}
            "--short" => short = true,
            "--rounds" => rounds = words.next().expect("--rounds needs a number").parse().unwrap(),
            "--output" => json = words.next().as_deref() == Some("json"),
            other => panic!("unknown argument {other}"),
        }
    }
    let _limit = reaper_gate::liveness::watch::raise_descriptor_limit();
    let (sizes, rounds): (&[usize], usize) = if short { (&[1, 20], 3) } else { (&[1, 100, 5000], rounds) };
    let mut rows: Vec<Row> = Vec::new();
    for size in sizes {
        rows.extend(wake::rows(*size, rounds));
        for kind in [Kind::Sqlite, Kind::Postgres] {
            rows.extend(settle::rows(kind, *size, rounds));
        }
    }
    let many = if short { 20 } else { 5000 };
    for kind in [Kind::Sqlite, Kind::Postgres] {
        rows.extend(settle::at_once(kind, many));
        rows.extend(idle::rows(kind, if short { 20 } else { 5000 }, if short { 2 } else { 60 }));
    }
    print(&rows, json);
}
