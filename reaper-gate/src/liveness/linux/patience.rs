//! Waiting for processes to end, for a time that is counted and not read off a clock.

use std::time::Duration;

use rustix::{event::Timespec, io::Errno};

use super::pidfd::{Pidfd, wait_any};

/// The longest single wait. An interruption by a signal counts as one, because how long it had waited is not known.
const STEP: Duration = Duration::from_millis(100);
/// What every look at the process table counts as, so that processes which fork and end for ever are not waited for
/// for ever.
const LOOK: Duration = Duration::from_millis(10);

/// The time that is left to wait.
#[derive(Debug)]
pub(super) struct Patience {
    left: Duration,
}

impl Patience {
    /// This much.
    pub(super) const fn of(left: Duration) -> Self {
        Self { left }
    }

    /// Waits until all of them have ended. False if the patience is over first.
    pub(super) fn until_ended(&mut self, mut living: Vec<&Pidfd>) -> bool {
        self.spend(LOOK);
        while !living.is_empty() {
            let step = self.left.min(STEP);
            if step.is_zero() {
                return false;
            }
            let before = living.len();
            match wait_any(&living, Timespec::try_from(step).unwrap_or_default()) {
                Ok(true) => living.retain(|pidfd| pidfd.has_ended() != Ok(true)),
                Ok(false) | Err(Errno::INTR) => {}
                Err(_) => return false,
            }
            if living.len() == before {
                self.spend(step);
            }
        }
        true
    }

    fn spend(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }
}
