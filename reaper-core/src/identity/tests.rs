//! The text form of identities.

use std::{format, string::String};

use proptest::prelude::*;

use super::*;
use crate::{sample::identity, strategy};

#[test]
fn the_text_form_is_stable() {
    let mut id = identity(4321);
    assert_eq!(format!("{id}"), "build-1/f00d/4026531836/4321/815/-");
    assert_eq!("build-1/f00d/4026531836/4321/815/-".parse(), Ok(id.clone()));
    (id.pid_namespace, id.start_time, id.inode) = (None, None, Some(0));
    assert_eq!(format!("{id}"), "build-1/f00d/-/4321/-/0");
    assert_eq!(String::from(id.clone()).try_into(), Ok(id));
}

#[test]
fn what_is_no_identity_is_told() {
    let problem = |text: &str| text.parse::<ProcessIdentity>().unwrap_err().problem;
    for (text, expected) in [
        ("", "the host is missing"),
        ("/b/1/2/3/4", "the host is missing"),
        ("h", "the boot is missing"),
        ("h//1/2/3/4", "the boot is missing"),
        ("h/b", "the namespace is missing"),
        ("h/b/1", "the pid is missing"),
        ("h/b/1/2", "the start time is missing"),
        ("h/b/1/2/3", "the inode is missing"),
        ("h/b/1/2/3/4/5", "it has more than six parts"),
        ("h/b/1/2/3/4/", "it has more than six parts"),
        ("h\n/b/1/2/3/4", "it holds a control character"),
        ("h/b/x/2/3/4", "the namespace is no number"),
        ("h/b/1/x/3/4", "the pid is no number"),
        ("h/b/1/-/3/4", "the pid is no number"),
        ("h/b/1/-2/3/4", "the pid is no number"),
        ("h/b/1/4294967296/3/4", "the pid is no number"),
        ("h/b/1/2/x/4", "the start time is no number"),
        ("h/b/1/2/3/x", "the inode is no number"),
        ("h/b/1/2/3/18446744073709551616", "the inode is no number"),
        ("h/b/1/02/3/4", "the pid is no number"),
        ("h/b/1/+2/3/4", "the pid is no number"),
        ("h/b/01/2/3/4", "the namespace is no number"),
    ] {
        assert_eq!(problem(text), expected, "{text}");
    }
    assert_eq!("h/b/0/0/0/0".parse().map(|id: ProcessIdentity| id.pid), Ok(0));
    let message = format!("{}", "h".parse::<ProcessIdentity>().unwrap_err());
    assert_eq!(message, "is no process identity (host/boot/namespace/pid/start/inode): the boot is missing");
}

#[test]
fn more_than_a_pid_is_needed_to_be_sure() {
    let id = |start_time, inode| ProcessIdentity { start_time, inode, ..identity(1) };
    assert!(id(Some(1), None).is_full() && id(None, Some(1)).is_full());
    assert!(!id(None, None).is_full());
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(id in strategy::identities()) {
        prop_assert_eq!(format!("{id}").parse(), Ok(id));
    }

    /// Stores compare identities as texts: no identity has two forms.
    #[test]
    fn what_is_read_is_what_is_printed(text in "[a-z0-9+-]{1,3}(/[a-z0-9+-]{1,3}){5}|.{0,20}") {
        if let Ok(id) = text.parse::<ProcessIdentity>() {
            prop_assert_eq!(format!("{id}"), text);
        }
    }
}
