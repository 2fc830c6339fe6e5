//! The suite that every store has to pass.
//!
//! A store is right if all [`CASES`] pass on it. Whoever writes an adapter implements [`Subject`] (the store, and
//! the plain writes of a program that knows nothing of Reaper) and lets [`contract_tests!`](crate::contract_tests)
//! make a test of each case. Each case gets a subject of its own: a fresh, empty database.
//!
//! No case waits and none moves a clock: an age is made by back-dating a column, an expired lease by leasing for no
//! time at all. So a store with a real clock passes them as one with a made-up clock does. Instants are compared
//! with a tolerance of [`SLACK`], because databases may keep whole seconds.
//!
//! ```
//! use reaper_store::{Store, contract::{CASES, Subject}, foreign::Foreign, memory::MemoryStore};
//!
//! #[derive(Debug)]
//! struct Memory(MemoryStore);
//!
//! impl Subject for Memory {
//!     fn store(&self) -> &dyn Store {
//!         &self.0
//!     }
//!     fn foreign(&self) -> &dyn Foreign {
//!         &self.0
//!     }
//! }
//!
//! for (name, case) in CASES {
//!     println!("{name}");
//!     case(&Memory(MemoryStore::new("2026-05-04T10:00:00Z".parse().unwrap())));
//! }
//! ```

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a case of a test suite fails by a panic, and says so once, here"
)]

use std::{fmt::Debug, time::Duration};

use crate::{Store, foreign::Foreign};

mod scene;
pub mod settle;

/// A store under test with its database.
pub trait Subject: Debug + Send + Sync {
    /// The store.
    fn store(&self) -> &dyn Store;

    /// A program without Reaper, on the same tables, through a connection of its own.
    fn foreign(&self) -> &dyn Foreign;
}

/// By how much an instant that a store gives may differ from the one that is expected.
pub const SLACK: Duration = Duration::from_secs(5);

/// A case: it panics where the subject is wrong.
pub type Case = fn(&dyn Subject);

/// Lists the cases once, for [`CASES`] and for the macro that makes tests of them.
macro_rules! cases {
    ($d:tt $($module:ident: $($case:ident)*;)*) => {
        /// The cases by name, `module::case`.
        pub const CASES: &[(&str, Case)] =
            &[$($((concat!(stringify!($module), "::", stringify!($case)), $module::$case),)*)*];

        /// Makes a test of every case of the suite: `contract_tests!(make)`, where `make()` gives a fresh
        /// [`Subject`](crate::contract::Subject).
        #[macro_export]
        macro_rules! contract_tests {
            ($d make:ident) => {
                $(
                    mod $module {
                        $(
                            #[test]
                            fn $case() {
                                $d crate::contract::$module::$case(&super::$d make());
                            }
                        )*
                    }
                )*
            };
        }
    };
}

cases! { $
    settle:
        done_ends_the_job
        requeue_clears_the_attempt_and_counts_a_rescue
        requeue_clears_a_bare_pid
        requeue_waits
        requeue_with_an_absurd_wait
        fail_gives_the_job_up
        terminate_announces_a_stop_and_nothing_else
        terminate_is_won_anew_on_the_basis_of_the_first
        terminate_is_lost_where_another_running_row_has_the_executor
        dismiss_clears_a_late_finish
        a_persons_requeue_begins_the_rescues_anew
        a_person_retries_a_failed_job
        a_monitor_finishes_its_own_attempt
        an_effect_is_stored_with_a_won_claim
        an_effect_is_not_stored_with_a_lost_claim
        an_effect_is_stored_once_per_key
        a_set_is_answered_in_order
        a_set_with_one_attempt_twice_settles_it_once
        an_empty_set_is_nothing
        a_refused_row_hinders_no_other
        requeue_all_running_takes_every_running_row
        ;
}
