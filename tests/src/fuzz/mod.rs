//! Hostile bytes, given to everything that reads what somebody else has written.
//!
//! Each target is a plain function: the tests replay the corpus in `tests/corpus` with it and draw inputs of their own,
//! and the fuzzer of `tests/fuzz` calls it too. It fails by a panic, and most say more than that nothing panics: what
//! was read has to be what was written, and what cannot be read has to be said.

mod files;
mod stored;
mod texts;

/// What reads bytes of somebody else's.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which the folder of its corpus has too.
    pub name: &'static str,
    /// Reads them.
    pub read: fn(&[u8]),
    /// How many inputs a quick run draws. Where a database or a file is written for each, they are fewer.
    pub drawn: u32,
}

/// All of them.
pub const TARGETS: [Target; 11] = [
    Target { name: "stat", read: texts::stat, drawn: 20_000 },
    Target { name: "identity", read: texts::identity, drawn: 20_000 },
    Target { name: "place", read: texts::place, drawn: 20_000 },
    Target { name: "plain", read: texts::plain, drawn: 20_000 },
    Target { name: "config", read: files::config, drawn: 5_000 },
    Target { name: "lease", read: files::lease, drawn: 5_000 },
    Target { name: "spool", read: files::spool, drawn: 5_000 },
    Target { name: "timestamp", read: stored::timestamp, drawn: 1_000 },
    Target { name: "row", read: stored::row, drawn: 1_000 },
    Target { name: "outbox", read: stored::outbox, drawn: 1_000 },
    Target { name: "evidence", read: stored::evidence, drawn: 1_000 },
];

/// Reads bytes with the target of this name: for the fuzzer.
pub fn read(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of this name");
    (target.read)(bytes);
}
