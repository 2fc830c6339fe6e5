//! Words there and back.

use alloc::string::ToString as _;

use proptest::prelude::*;

use super::*;
use crate::strategy::base;

fn exit(code: i32) -> Exit {
    Exit { code, at: base() }
}

#[test]
fn an_exit_has_one_signature_in_both_forms_of_a_signal() {
    let words = [(0, None), (3, Some("code:3")), (-9, Some("signal:KILL")), (137, Some("signal:KILL"))];
    let words =
        words.into_iter().chain([(139, Some("signal:SEGV")), (-40, Some("signal:40")), (-65, Some("code:-65"))]);
    for (code, word) in words {
        assert_eq!(Signature::of_exit(&exit(code)).map(|s| s.to_string()).as_deref(), word, "{code}");
    }
}

#[test]
fn only_bad_ends_have_one() {
    let of = |reason| Signature::of(reason, Some(&exit(3)), &Observation::NONE);
    assert_eq!(of(Reason::ExitNonzero), Some(Signature::Code(3)));
    assert_eq!(of(Reason::NobodyLeft), Some(Signature::Vanished));
    assert_eq!(of(Reason::ExecutorDead), Some(Signature::Vanished));
    assert_eq!(of(Reason::OverCeiling), Some(Signature::Overrun));
    assert_eq!(of(Reason::NeverStarted), Some(Signature::NeverStarted));
    assert_eq!((of(Reason::GateRed), of(Reason::Alive)), (None, None));
    assert_eq!(Signature::of(Reason::ExitNonzero, None, &Observation::NONE), None);
}

#[test]
fn only_a_kill_or_a_death_without_an_exit_is_for_want_of_memory() {
    let seen = Observation { out_of_memory: true, ..Observation::NONE };
    let of = |reason, code| Signature::of(reason, Some(&exit(code)), &seen);
    let oom = Some(Signature::OutOfMemory);
    assert_eq!((of(Reason::ExitNonzero, -9), of(Reason::ExitNonzero, 137)), (oom, oom));
    assert_eq!(of(Reason::ExitNonzero, 3), Some(Signature::Code(3)));
    assert_eq!((of(Reason::NobodyLeft, 0), of(Reason::ExecutorDead, 0)), (oom, oom));
    assert_eq!(of(Reason::OverCeiling, 0), Some(Signature::Overrun));
    assert_eq!("oom".parse(), Ok(Signature::OutOfMemory));
}

#[test]
fn words_that_are_none_are_refused() {
    assert_eq!("signal:SIGSEGV".parse(), Ok(Signature::Signal(11)));
    assert_eq!("signal:11".parse(), Ok(Signature::Signal(11)));
    for word in
        ["", "code:", "code:0", "code:x", "signal:0", "signal:65", "signal:segv", "oops", "code", "vanished:1"]
    {
        assert_eq!(word.parse::<Signature>(), Err(UnknownSignature(word.into())), "{word}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(code: i32) {
        if let Some(signature) = Signature::of_exit(&exit(code)) {
            prop_assert_eq!(signature.to_string().parse(), Ok(signature));
        }
    }
}
