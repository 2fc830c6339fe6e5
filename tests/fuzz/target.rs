//! Each of the fuzzer's programs: the target of its own name.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| reaper_tests::fuzz::read(env!("CARGO_BIN_NAME"), bytes));
