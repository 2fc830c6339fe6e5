//! What others have written, given to all that reads it: the corpus as it is kept, and inputs that are drawn from it.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

use std::{fs, path::PathBuf, thread};

use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{Config, TestRunner},
};
use reaper_tests::{
    fuzz::{TARGETS, Target},
    proof,
};

/// The kept inputs of a target, each with its file.
fn corpus(target: Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut inputs: Vec<_> = entries.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    inputs.sort();
    assert!(inputs.len() >= 3, "{} has a corpus", target.name);
    inputs
}

#[test]
fn f28_what_the_corpus_holds_harms_nobody() {
    let mut count = 0;
    for target in TARGETS {
        for (file, input) in corpus(target) {
            let read = thread::Builder::new().name(file.display().to_string());
            // The file is in the panic's message, as the thread's name.
            read.spawn(move || (target.read)(&input)).unwrap().join().unwrap();
            count += 1;
        }
    }
    proof::tried("inputs of the corpus", count);
}

#[test]
fn f28_what_is_drawn_harms_nobody() {
    // Each target has a thread of its own, and with it a database.
    thread::scope(|scope| {
        for target in TARGETS {
            scope.spawn(move || draw(target));
        }
    });
}

fn draw(target: Target) {
    let cases = target.drawn * if proof::in_full() { 20 } else { 1 };
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let kept: Vec<_> = corpus(target).into_iter().map(|(_, input)| input).collect();
    let inputs = prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..300),
        1 => any::<String>().prop_map(String::into_bytes),
        6 => altered(kept),
    ];
    let result = TestRunner::new(config).run(&inputs, |input| {
        (target.read)(&input);
        Ok(())
    });
    assert!(result.is_ok(), "{}: {}", target.name, result.unwrap_err());
    proof::tried("inputs that were drawn", usize::try_from(cases).unwrap());
}

/// An input of the corpus with a few things done to it.
fn altered(kept: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<Index>(), any::<Index>(), prop::sample::select(PIECES.as_slice()), 0..5_u8);
    let changes = prop::collection::vec(change, 0..6);
    (prop::sample::select(kept.clone()), prop::sample::select(kept), changes).prop_map(
        |(mut input, other, changes)| {
            for (from, to, piece, how) in changes {
                let (from, to) = (from.index(input.len() + 1), to.index(input.len() + 1));
                let (from, to) = (from.min(to), from.max(to));
                match how {
                    0 => drop(input.splice(from..from, piece.iter().copied())),
                    1 => drop(input.drain(from..to)),
                    2 => drop(input.splice(from..to, piece.iter().copied())),
                    // The end of another one.
                    3 => drop(input.splice(from.., other.get(from..).unwrap_or_default().iter().copied())),
                    _ => {
                        if let Some(byte) = input.get_mut(from) {
                            *byte ^= 1 << (to % 8);
                        }
                    }
                }
            }
            input
        },
    )
}

/// What texts of others have in them that goes wrong most often.
const PIECES: [&[u8]; 34] = [
    b"\0",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\n",
    b"\r\n",
    b"\x1b[31m",
    b"'",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b") R 1 (",
    b")",
    b"/",
    b"-",
    b"+",
    b"0",
    b"-1",
    b"00",
    b"4294967296",
    b"9223372036854775808",
    b"18446744073709551616",
    b"1e400",
    b"0000-00-00",
    b"9999-12-31T23:59:60Z",
    b" +14:00",
    b"{",
    b"[[[[[[[[[[[[[[[[[[[[",
    b"null",
    b"$(touch pwned)",
    b"%s%n",
    b"--",
    "\u{202e}".as_bytes(),
    "\u{10ffff}".as_bytes(),
];
