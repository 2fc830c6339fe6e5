//! The program on PostgreSQL, where that is another thing than on a file: many processes on many hosts, a server that
//! falls and comes back, a network, passwords.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

mod durable;
mod full;
mod hosts;
mod lost_commit;
mod outage;
mod race;
mod requeue_fall;
mod secrets;
mod setting;
mod stopped;
mod tls;
