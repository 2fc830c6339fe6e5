//! What a test has tried, told to whoever asks for the sum of it.

use std::{env, fs::OpenOptions, io::Write as _, ops::Range};

/// The file that `cargo xtask proof` collects counts in; without it nothing is told.
pub const FILE: &str = "PROOF_FILE";

/// Tells how many of something were tried.
pub fn tried(what: &str, count: usize) {
    let Some(path) = env::var_os(FILE) else { return };
    let line = serde_json::json!({ "what": what, "count": count });
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    // One write a line, so that those of tests at the same time do not mix.
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// Whether everything is to be tried, however long it takes, and not only what a quick run has time for.
#[must_use]
pub fn in_full() -> bool {
    env::var("PROOF").is_ok_and(|value| value == "full")
}

/// All points of a range where everything is to be tried; else one of so many, beginning at any of the first.
pub fn some_of(points: Range<usize>, one_of: usize) -> impl Iterator<Item = usize> {
    // Another one in each process: what one run leaves out, another one takes.
    let (step, begin) =
        if in_full() { (1, 0) } else { (one_of, usize::try_from(std::process::id()).unwrap() % one_of) };
    points.skip(begin).step_by(step)
}
