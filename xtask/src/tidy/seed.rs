//! The floor of the project's behaviour: each of these cases exists as a test under its name.

use crate::source::Source;

/// The cases that no test function in `tests/` is named after.
pub(super) fn faults(rust: &[(String, String)]) -> Vec<String> {
    let found: Vec<String> = rust
        .iter()
        .filter(|(file, _)| file.starts_with("tests/"))
        .flat_map(|(_, text)| Source::of(text).test_functions())
        .collect();
    let missing = CASES.iter().filter(|case| !found.iter().any(|name| name == *case));
    missing.map(|case| format!("tests: no test function `{case}`")).collect()
}

/// The cases, in their order.
const CASES: [&str; 20] = [
    "tc01_dead_pid_reaped_to_queued",
    "tc02_alive_pid_never_reaped",
    "tc02_alive_within_max_running_not_reaped",
    "tc03_requires_consecutive_dead_ticks",
    "tc04_backstop_ceiling",
    "tc04_backstop_no_pid",
    "tc05_exit0_gate_green_done",
    "tc05_exit0_gate_red_requeues",
    "tc05_exit0_already_advanced_done_no_side_effects",
    "tc05_nonzero_exit_requeue_then_failed",
    "tc05_tier2_within_grace_not_reaped",
    "tc05_tier2_after_grace_reaped",
    "tc05_tier2_lost_claim_no_side_effects",
    "tc06_atomic_no_double_reap",
    "tc06_reap_running_job_guard_returns_false_when_not_running",
    "tc07_kill_switch",
    "tc08_never_raise_isolates_per_job",
    "tc08_reap_once_outer_never_raises",
    "tc21_reaper_start_stop_smoke",
    "tc21_reclaim_all_stale_leases_callable",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_counts_where_it_is_a_test() {
        let text = "#[test]\n/// A job.\nfn tc07_kill_switch() {\n    helper();\n}\nfn tc04_backstop_no_pid() {}\n\
                    // #[test]\n// fn tc04_backstop_ceiling() {}\n";
        let case = |file: &str| faults(&[(file.to_owned(), text.to_owned())]);
        let missing = case("tests/tests/seed.rs");
        assert_eq!(missing.len(), CASES.len() - 1);
        assert!(!missing.contains(&"tests: no test function `tc07_kill_switch`".to_owned()));
        assert!(missing.contains(&"tests: no test function `tc04_backstop_no_pid`".to_owned()));
        assert_eq!(case("reaper-core/src/a.rs").len(), CASES.len());
    }
}
