//! The program, killed or refused at each of its system calls, and cut off at each of its requests to a server: whatever
//! the point, what it has not done is done by the next one, and nothing is done twice. So it is with a reaper, with each of
//! the two processes of a worker, and with what changes all rows at once.
//!
//! A point is the N-th call of one kind, for N = 1, 2, … until a run meets it no more. A quick run takes the calls that
//! change something outside of the program, and some of the requests; `PROOF=full` takes all of them.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

mod atomic;
mod postgres;
mod scene;
mod sqlite;
mod strace;
mod work;
mod worker;
