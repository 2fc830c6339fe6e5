//! The protocol as a model that is explored to its end, with the production's `decide`, streaks and guards.
//!
//! What is stored, who lives and who holds what in its head is one state; every order in which reapers, monitors, a
//! worker, a foreign program and people can take their steps is a path. In each state that can be reached the invariants
//! hold, and from each of them everything is settled in the end. `tests/docs/proof.md` says what the model covers.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by a panic, its helpers too")]
#![cfg_attr(test, expect(clippy::panic, reason = "a test fails by a panic"))]

mod cast;
mod deeds;
mod laws;
mod mutation;
mod state;
mod step;
mod table;
mod trace;

use reaper_tests::proof;
use stateright::{Checker, Expectation, HasDiscoveries, Model};

use self::{
    cast::{Cast, Protocol, casts},
    mutation::Mutation,
};

fn cast_of(name: &str) -> Cast {
    casts().into_iter().find(|cast| cast.name == name).unwrap()
}

/// Explores all states of a cast, and counts them.
fn explore(name: &str) {
    let cast = cast_of(name);
    let expected = cast.states;
    let checker = Protocol::of(cast, None).checker().threads(2).spawn_bfs().join();
    let model = checker.model();
    for property in model.properties().iter().filter(|property| property.expectation == Expectation::Always) {
        if let Some(path) = checker.discovery(property.name) {
            let steps = trace::shortened(model, property.name, path.into_actions());
            panic!("{} fails:\n{}", property.name, trace::told(model, &steps));
        }
    }
    checker.assert_properties();
    assert_eq!(checker.unique_state_count(), expected, "another number of states: the model is another one");
    proof::tried("states of the model", checker.unique_state_count());
}

macro_rules! explored {
    ($($name:ident),+) => {
        $(
            #[test]
            fn $name() {
                explore(stringify!($name));
            }
        )+

        #[test]
        fn every_cast_is_explored() {
            let names: Vec<_> = casts().iter().map(|cast| cast.name).collect();
            assert_eq!(names, [$(stringify!($name)),+]);
        }
    };
}

explored!(crashes, attempts, late, foreign, sent_back, stages, overrun, caps, modes);

/// Plays a mutation until its cast catches it, and compares the way there with the one that is kept.
fn catch(name: &str, mutation: Mutation) {
    let property = mutation.breaks();
    let cast = cast_of(mutation.cast());
    let wanted = HasDiscoveries::AnyOf([property].into());
    let checker = Protocol::of(cast, Some(mutation)).checker().finish_when(wanted).spawn_bfs().join();
    let path = checker.discovery(property);
    let path = path.unwrap_or_else(|| panic!("nothing catches it"));
    let steps = trace::shortened(checker.model(), property, path.into_actions());
    let told = trace::told(checker.model(), &steps);
    let told = format!(
        "What is done wrong: {}.\nWhat breaks: {property}.\nWho plays: {}.\n\n{told}",
        mutation.what(),
        mutation.cast()
    );
    trace::compare(name, &told);
    proof::tried("mutations that the model caught", 1);
}

macro_rules! caught {
    ($($name:ident: $mutation:ident),+) => {
        mod caught {
            $(
                #[test]
                fn $name() {
                    super::catch(stringify!($name), super::Mutation::$mutation);
                }
            )+
        }

        /// A mutation that is not in this list does not compile.
        const _: fn(Mutation) = |mutation| match mutation {
            $(Mutation::$mutation => (),)+
        };
    };
}

caught!(
    no_fence: NoFence,
    counted_fence: CountedFence,
    inherited_pid: InheritedPid,
    id_only: IdOnly,
    exit_not_in_basis: ExitNotInBasis,
    no_outbox: NoOutbox,
    no_compare: NoCompare,
    no_version: NoVersion,
    advance_first: AdvanceFirst,
    no_grace: NoGrace,
    wakes_count: WakesCount,
    signal_first: SignalFirst,
    mode_at_look: ModeAtLook,
    undecided_green: UndecidedGreen,
    no_rescue_cap: NoRescueCap,
    event_apart: EventApart,
    stop_once: StopOnce,
    dead_kept: DeadKept
);
