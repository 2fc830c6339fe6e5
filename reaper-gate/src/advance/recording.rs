//! An advance that moves nothing and remembers what it was asked to, for tests and demonstrations.

use std::sync::{Mutex, PoisonError};

use reaper_core::AdvanceOrder;

use super::{Advance, AdvanceError, Advanced};

/// Moves nothing, keeps every order in memory, and answers as the trait demands: `Advanced` without a next job to the
/// first order of a visit to a stage, `AlreadyDone` to each after it.
#[derive(Debug, Default)]
pub struct RecordingAdvance {
    orders: Mutex<Vec<AdvanceOrder>>,
}

impl RecordingAdvance {
    /// The orders that were delivered, in that order, repeated ones included.
    #[must_use]
    pub fn orders(&self) -> Vec<AdvanceOrder> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Advance for RecordingAdvance {
    fn advance(&self, order: &AdvanceOrder) -> Result<Advanced, AdvanceError> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let key = order.source_key();
        let known = orders.iter().any(|known| known.source_key() == key);
        orders.push(order.clone());
        Ok(if known { Advanced::AlreadyDone } else { Advanced::Advanced { next: None } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_carried_out_once_and_recorded_each_time() {
        let advance = RecordingAdvance::default();
        let order = AdvanceOrder {
            task: 3.into(),
            repo: "orchestrator".into(),
            from: "architecture".into(),
            version: 99.into(),
            to: "development".into(),
            next_agent: None,
        };
        let later = AdvanceOrder { version: 100.into(), ..order.clone() };
        assert_eq!(advance.advance(&order).unwrap(), Advanced::Advanced { next: None });
        assert_eq!(advance.advance(&order).unwrap(), Advanced::AlreadyDone);
        assert_eq!(advance.advance(&later).unwrap(), Advanced::Advanced { next: None });
        assert_eq!(advance.orders(), [order.clone(), order, later]);
    }
}
