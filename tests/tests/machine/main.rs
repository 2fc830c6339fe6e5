//! Random sequences of all that anyone can do, in step on the store in memory, on SQLite and on PostgreSQL: after each
//! step all of them show the same, and every invariant holds; at the end the faults stop and everything converges. What is drawn
//! seldom is played for certain, as a plot.
//!
//! `MACHINE_CASES` says how many sequences are tried. What fails is shortened and printed, and its seed is kept
//! in `tests/golden/machine.seeds`, from which it is tried first the next time.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by a panic, its helpers too"
)]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "where a step is told apart from all others, a new one is another"
)]

mod ending;
mod finish;
mod foreign;
mod governed;
mod laws;
mod passing;
mod plots;
mod reference;
mod side;
mod tally;
mod worker;
mod world;

use std::sync::atomic::Ordering;

use proptest::test_runner::{Config, FileFailurePersistence};
use proptest_state_machine::{StateMachineTest, prop_state_machine};
use reaper_tests::{database::Kind, proof};

use self::{
    reference::{Reference, Step},
    side::Side,
};

/// All databases that are to be had, in step.
#[derive(Debug)]
struct Machine;

impl StateMachineTest for Machine {
    type SystemUnderTest = Vec<Side>;
    type Reference = Reference;

    fn init_test(_: &Reference) -> Vec<Side> {
        let databases = [Kind::Sqlite, Kind::Postgres].into_iter().filter_map(Side::on);
        std::iter::once(Side::memory()).chain(databases).collect()
    }

    fn apply(mut sides: Vec<Side>, _: &Reference, step: Step) -> Vec<Side> {
        let told: Vec<_> = sides.iter_mut().map(|side| side.step(&step)).collect();
        for (side, other) in sides.iter().zip(&told) {
            assert_eq!(told[0], *other, "{step:?}: memory, and {}", side.name);
        }
        sides
    }

    fn check_invariants(sides: &Vec<Side>, reference: &Reference) {
        let view = sides[0].view();
        for side in sides {
            assert_eq!(side.seen.mode, reference.mode, "{}", side.name);
            assert_eq!(view, side.view(), "memory, and {}", side.name);
            let truth = side.truth();
            assert_eq!(truth.gate, reference.gate, "{}", side.name);
            assert_eq!(side.store.down.load(Ordering::SeqCst), reference.is_down, "{}", side.name);
            let more = truth
                .moves
                .iter()
                .filter(|made| matches!(made.how, reaper_gate::advance::Advanced::Advanced { next: Some(_) }));
            assert_eq!(truth.jobs.len(), reference.jobs + more.count(), "{}: a job came from nowhere", side.name);
        }
    }

    fn teardown(sides: Vec<Side>, _: Reference) {
        for mut side in sides {
            side.converge();
        }
        proof::tried("sequences of the machine", 1);
    }
}

fn config() -> Config {
    let cases = std::env::var("MACHINE_CASES").ok().and_then(|cases| cases.parse().ok());
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/machine.seeds");
    Config {
        cases: cases.unwrap_or_else(|| if proof::in_full() { CASES_IN_FULL } else { CASES }),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(seeds))),
        max_shrink_iters: 400,
        ..Config::default()
    }
}

/// How many sequences are tried where nothing else is asked for.
const CASES: u32 = 12;

/// The same where everything is to be tried.
const CASES_IN_FULL: u32 = 500;

prop_state_machine! {
    #![proptest_config(config())]

    fn sequences(sequential 30..80 => Machine);
}

#[test]
fn all_databases_in_step() {
    plots::play();
    tally::begin();
    sequences();
    tally::check(config().cases);
}
