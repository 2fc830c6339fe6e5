//! Time that passes, a clock that jumps, and effects that are delivered.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use reaper_runner::Courier;
use reaper_store::outbox::Which;

use super::{
    governed::Governed,
    reference::Direction,
    side::{Base, Side},
};

/// The unit in which time passes: no sum of them comes near to a limit of the policy.
pub(crate) const UNIT: Duration = Duration::from_secs(70);

/// By how much the clock jumps: what is left of it over whole units keeps away from the limits as well.
const JUMP: Duration = Duration::from_secs(3635);

impl Side {
    pub(crate) fn courier(&self) -> Courier {
        Courier {
            store: Arc::<Governed>::clone(&self.store),
            advance: Arc::clone(&self.parts.advance),
            notify: Arc::clone(&self.parts.notify),
            lease: Duration::from_secs(60),
            tries: 10,
        }
    }

    pub(crate) fn deliver(&self, which: Which) -> String {
        match self.courier().drain(&which, 100) {
            Ok(delivered) => format!("delivered {}", delivered.done.len()),
            Err(_) => "down".into(),
        }
    }

    pub(crate) fn pass_time(&self, by: Duration) -> String {
        self.move_clock(TimeDelta::from_std(by).unwrap());
        self.time.pass(by);
        self.world.truth().passed += by;
        format!("{} s", by.as_secs())
    }

    pub(crate) fn jump(&self, direction: Direction) -> String {
        let by = TimeDelta::from_std(JUMP).unwrap();
        self.move_clock(if direction == Direction::Forward { by } else { -by });
        if direction == Direction::Forward {
            self.world.truth().set_forward = JUMP;
        }
        format!("{direction:?}")
    }

    /// Moves the database's clock, or all that is stored the other way.
    fn move_clock(&self, by: TimeDelta) {
        let ms = by.num_milliseconds();
        match &self.base {
            Base::Memory(store) => store.set_now(reaper_store::Facts::now(store.as_ref()).unwrap() + by),
            Base::Sql(shell) => {
                shell.sql(&format!(
                    "UPDATE jobs SET reaper_started_at = reaper_started_at - {ms}, reaper_exit_at = reaper_exit_at - {ms},
                        reaper_beat_at = reaper_beat_at - {ms}, reaper_terminating_at = reaper_terminating_at - {ms},
                        reaper_available_at = reaper_available_at - {ms};
                     UPDATE reaper_outbox SET due_at = due_at - {ms}, leased_until = leased_until - {ms}"
                ));
                self.store.went_ahead(ms);
            }
        }
    }
}
