//! A clock that a test can set, for every program that is started with its environment.

use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    path::Path,
    process::{Command, Stdio},
};

/// A clock that can be set. Clocks that only go on stay as they are, as where a machine's clock is set.
#[derive(Debug)]
pub struct Clock {
    file: File,
    environment: Vec<(String, String)>,
}

impl Clock {
    /// One that is kept in this folder, which every program that shall go by it can read. `None` where there is no C
    /// compiler.
    #[must_use]
    pub fn new(folder: &Path) -> Option<Self> {
        let library = folder.join("clock.so");
        let mut compile = Command::new("cc");
        compile.args(["-shared", "-fPIC", "-O2", "-o"]).arg(&library).arg(SOURCE).stdin(Stdio::null());
        if !compile.status().is_ok_and(|status| status.success()) {
            return None;
        }
        let path = folder.join("clock");
        let file = File::create(&path).unwrap();
        let environment = [("LD_PRELOAD", &library), ("TEST_CLOCK", &path)]
            .map(|(name, path)| (name.to_owned(), path.to_string_lossy().into_owned()));
        let clock = Self { file, environment: environment.into() };
        clock.set(0);
        Some(clock)
    }

    /// Sets the clock so many milliseconds off.
    pub fn set(&self, off: i64) {
        self.file.write_all_at(&off.to_ne_bytes(), 0).unwrap();
    }

    /// What a program that goes by it carries in its environment.
    #[must_use]
    pub fn environment(&self) -> &[(String, String)] {
        &self.environment
    }
}

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/clock.c");
