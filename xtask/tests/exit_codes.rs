//! The chore program as a caller sees it: what it prints without a step, and with which code it ends.

use std::{
    io,
    process::{Command, Output},
};

fn xtask(arguments: &[&str]) -> io::Result<Output> {
    // A cargo that does not exist: nothing here may build anything.
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(arguments).env("CARGO", "/no/such/cargo").output()
}

#[test]
fn help_lists_every_step_and_ends_with_0() {
    let output = xtask(&["--help"]).unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let steps = "ci pg fmt clippy core features arrows tidy test doctest doc demo soak chaos bench";
    for step in steps.split(' ') {
        assert!(help.lines().any(|line| line.trim_start().starts_with(&format!("{step} "))), "{step} in {help}");
    }
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn what_is_not_understood_ends_with_2_and_is_explained() {
    for arguments in [&[][..], &["clipy"], &["fmt", "--fast"], &["ci", "fmt"], &["pg"], &["pg", "true"]] {
        let output = xtask(arguments).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains("Usage: cargo xtask"), "{arguments:?}");
    }
}

#[test]
fn a_value_that_means_nothing_ends_with_2_and_is_named() {
    for arguments in [&["chaos", "--minutes", "0"], &["soak", "--seed", "many"]] {
        let output = xtask(arguments).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains(arguments[1]), "{arguments:?}");
    }
}

#[test]
fn a_step_that_cannot_run_ends_with_1_and_says_why() {
    let output = xtask(&["fmt"]).unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("error: cannot start cargo metadata: "), "{said}");
}
