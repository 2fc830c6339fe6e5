//! `cargo xtask core`: the core is pure, as the compiler and the tree of its dependencies see it.
//!
//! In a build of the workspace another crate's features reach the core's dependencies, and `Utc::now` comes back.
//! So the core is checked alone: without the standard library, without a clock, with nothing that does I/O.

use crate::{
    run::Run,
    step::{Failed, Output, Step},
};

/// Checks the core by itself.
pub(crate) const STEP: Step =
    Step { name: "core", about: "reaper-core alone has no std, no clock, no I/O", output: Output::Kept, run };

fn run(run: &mut Run<'_>) -> Result<String, Failed> {
    run.cargo(&["check", "--package", CORE, "--no-default-features"])?;
    let root = run.workspace.read(format!("{CORE}/src/lib.rs"))?;
    let mut faults = Vec::new();
    if !root.lines().any(|line| line == "#![no_std]") {
        faults.push(format!("{CORE}/src/lib.rs: `#![no_std]` is missing"));
    }
    // A proc macro runs in the compiler, not in the core.
    let edges = "normal,features,no-proc-macro";
    let mut tree = run.workspace.cargo();
    tree.args(["tree", "--package", CORE, "--no-default-features", "--edges", edges, "--prefix", "none"]);
    let tree = run.capture(tree)?;
    for line in tree.lines() {
        run.say(line);
    }
    faults.extend(impurities(&tree));
    run.judge(&faults)?;
    Ok(String::new())
}

/// What must not be below the core, as `cargo tree --edges features --prefix none` prints it: a package as
/// `name v1.2.3`, a feature as `name feature "std"`.
fn impurities(tree: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for line in tree.lines() {
        let mut words = line.split_whitespace();
        let (Some(package), Some(next)) = (words.next(), words.next()) else { continue };
        let feature = words.next().filter(|_| next == "feature").map(|word| word.trim_matches('"'));
        let fault = match feature {
            Some(feature) if IMPURE_FEATURES.contains(&feature) => {
                format!("{CORE}: depends on {package} with its feature `{feature}`")
            }
            None if !PURE_PACKAGES.contains(&package) => {
                format!("{CORE}: depends on {package}, which is not known to be pure")
            }
            _ => continue,
        };
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    faults
}

/// The crate that has to be pure.
const CORE: &str = "reaper-core";

/// What may stand below it; each is known to need neither std nor a system when these features are off.
const PURE_PACKAGES: [&str; 5] = [CORE, "chrono", "num-traits", "thiserror", "autocfg"];

/// The features that let the standard library, the clock or the system's time zone in.
const IMPURE_FEATURES: [&str; 7] = ["std", "default", "clock", "now", "oldtime", "iana-time-zone", "winapi"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_of_today_is_pure() {
        let tree = "reaper-core v0.1.0 (/somewhere/reaper-core)\nthiserror v2.0.21\nchrono feature \"alloc\"\n\
                    chrono v0.4.45\nnum-traits v0.2.19\n";
        assert_eq!(impurities(tree), Vec::<String>::new());
    }

    #[test]
    fn a_clock_and_a_database_are_named_once() {
        let tree = "chrono feature \"clock\"\nchrono v0.4.45 (*)\nchrono feature \"clock\" (*)\ndiesel v2.3.14\n";
        assert_eq!(
            impurities(tree),
            [
                "reaper-core: depends on chrono with its feature `clock`",
                "reaper-core: depends on diesel, which is not known to be pure",
            ]
        );
    }
}
