//! The events of claims that were won, many in one statement.

use std::sync::Arc;

use diesel::SqliteConnection;
use reaper_core::Status;

use super::{
    facts::json,
    fault::Fault,
    sql,
    statement::{Form, Named, Statement},
};
use crate::{Claim, Settlement};

/// Writes the events of claims that were won, in their order.
pub(super) fn note<'c>(
    connection: &mut SqliteConnection,
    won: impl Iterator<Item = &'c Claim>,
) -> Result<(), Fault> {
    let won: Vec<_> = won.map(|claim| (claim, json(&claim.evidence))).collect();
    let mut rows = won.chunks_exact(sql::EVENTS_AT_ONCE);
    let mut form = None;
    for rows in &mut rows {
        let values: Vec<_> =
            rows.iter().zip(sql::EVENTS_NAMES).flat_map(|(row, names)| values(row, names)).collect();
        let form = form.get_or_insert_with(|| Arc::new(Form::new(sql::EVENTS, &values)));
        Statement::of(form, values).run(connection)?;
    }
    let mut form = None;
    for row in rows.remainder() {
        let values = Vec::from(values(row, sql::EVENT_NAMES));
        let form = form.get_or_insert_with(|| Arc::new(Form::new(sql::EVENT, &values)));
        Statement::of(form, values).run(connection)?;
    }
    Ok(())
}

/// The values of one event's row, under these names.
fn values<'c>((claim, evidence): &'c (&'c Claim, String), names: [&'static str; 10]) -> [Named<'c>; 10] {
    let to = match claim.settlement {
        Settlement::Done => Status::Done,
        Settlement::Requeue { .. } => Status::Queued,
        Settlement::Fail => Status::Failed,
        Settlement::Terminate | Settlement::Dismiss => claim.basis.status,
    };
    let [id, job, fence, actor, action, rule, reason, from, to_status, why] = names;
    [
        (id, claim.event.0.into()),
        (job, (&claim.attempt.job.0).into()),
        (fence, (&claim.attempt.fence.0).into()),
        (actor, claim.by.as_str().into()),
        (action, claim.settlement.as_str().into()),
        (rule, (&claim.rule).into()),
        (reason, (&claim.reason).into()),
        (from, claim.basis.status.as_str().into()),
        (to_status, to.as_str().into()),
        (why, evidence.into()),
    ]
}
