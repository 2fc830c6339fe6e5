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

pub mod fence;
pub mod guard;
pub mod late;
pub mod mirror;
pub mod race;
mod scene;
pub mod settle;
pub mod stage;
pub mod worker;

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
    guard:
        another_fence
        another_job
        the_status_changed
        the_run_changed
        the_pid_changed
        the_beginning_changed
        an_exit_was_recorded
        the_exits_code_changed
        the_exits_instant_changed
        the_executor_was_attached
        a_beat_came
        a_stop_was_announced
        every_value_of_the_basis_is_compared
        nothing_equals_nothing_alone
        the_mode_binds_rules_alone
        a_requeue_is_bound_by_the_attempts
        a_requeue_is_bound_by_the_rescues
        a_requeue_of_a_person_is_bound_by_nothing
        what_does_not_run_is_no_rules_to_settle
        what_makes_no_sense_is_lost
        ;
    fence:
        an_insert_as_running_draws_one
        running_again_is_no_new_attempt
        leaving_running_keeps_it
        a_requeue_and_a_take_between
        a_foreign_requeue_and_take_between
        a_foreign_status_between
        a_finished_job_run_once_more
        a_requeue_of_all_and_a_take_between
        an_id_deleted_and_used_again
        a_row_replaced
        a_row_replaced_and_taken
        each_attempt_is_settled_by_its_own_claim
        ;
    race:
        one_reaper_wins
        one_of_all_kinds_wins
        overlapping_sets_win_each_attempt_once
        each_job_is_taken_by_one_worker
        a_beat_and_a_claim_are_not_both_taken
        one_exit_is_the_first
        one_source_key_makes_one_job
        each_effect_is_leased_by_one_deliverer
        no_late_attach_reaches_the_next_attempt
        ;
    mirror:
        an_exit_is_mirrored
        an_exit_without_a_time_was_recorded_when_it_was_seen
        an_exit_of_the_future_was_recorded_when_it_was_seen
        an_exit_from_before_the_insert_is_mirrored
        an_exit_from_before_the_run_was_named_is_mirrored
        a_rewritten_exit_is_mirrored
        an_exit_is_mirrored_onto_its_own_job
        entering_queued_clears_it
        entering_running_clears_it
        an_inherited_pid_and_run_are_none
        an_inherited_run_mirrors_nothing
        a_changed_pid_and_run_are_its_own
        a_take_in_one_statement_inherits_nothing
        an_inherited_beginning_is_none
        a_missing_beginning_is_when_it_was_seen
        a_foreign_take_clears_what_named_processes
        ;
    late:
        a_late_finish_ends_the_job
        a_monitor_settles_its_own_late_finish
        a_foreign_requeue_knows_late_finishes
        a_late_finish_is_loaded
        our_takes_leave_it_alone
        a_foreign_take_takes_it_away
        a_dismissed_one_is_gone
        an_exit_after_the_next_take_touches_nothing
        a_bad_exit_is_none
        a_rewritten_exit_is_none
        a_persons_requeue_puts_it_aside
        ;
    stage:
        an_insert_draws_one
        there_and_back_is_another_visit
        the_same_stage_again_is_no_visit
        a_task_id_used_again_is_another_visit
        a_task_comes_back_as_it_was_made
        a_job_without_a_task_has_none
        ;
    worker:
        a_take_begins_an_attempt
        the_oldest_goes_first
        a_worker_of_one_agent_gets_its_jobs
        a_worker_of_one_job_gets_that
        only_queued_jobs_are_taken
        a_waiting_job_hinders_none
        a_bad_row_hinders_none
        a_source_key_is_enqueued_once
        an_attach_stores_the_executor
        a_poor_identity_comes_back
        a_beat_counts
        a_worker_that_came_late_changes_nothing
        an_exit_is_recorded_once
        an_exit_without_a_run
        an_exit_is_recorded_whatever_became_of_the_job
        a_foreign_job_is_taken_like_any_other
        hostile_texts_come_back_as_they_were
        ;
}
