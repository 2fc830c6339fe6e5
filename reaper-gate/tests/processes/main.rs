//! Liveness and stopping, with real processes.

#![cfg(target_os = "linux")]

#[cfg(test)]
mod liveness;
#[cfg(test)]
mod stop;
#[cfg(test)]
mod support;
#[cfg(test)]
mod watch;
#[cfg(test)]
mod witness;
