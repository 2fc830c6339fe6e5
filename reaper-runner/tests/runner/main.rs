//! The runner over the traits: on the store in memory, with everything around it faked.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what tests share fails as tests do: by a panic")]

mod beats;
mod courier;
mod crash_loop;
mod nodes;
mod rest;
mod run_loop;
mod run_once;
mod verdicts;
mod watched;
mod world;
