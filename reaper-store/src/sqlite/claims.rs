//! The claim: one guarded UPDATE a row.

use std::{collections::BTreeMap, sync::Arc};

use diesel::SqliteConnection;

use super::sql;
use crate::{
    Claim, Settlement,
    database::{Fault, Form, Named, Requeue, Statement, Value, values::attach},
};

/// Tries claims in turn, and says of each whether it was won.
pub(super) fn claim(connection: &mut SqliteConnection, claims: &[&Claim]) -> Result<Vec<bool>, Fault> {
    // The forms of the statements, each taken apart once.
    let mut forms = BTreeMap::<&'static str, Arc<Form>>::new();
    let mut won = Vec::with_capacity(claims.len());
    for claim in claims {
        let (sql, values) = update(claim);
        let form = forms.entry(sql).or_insert_with(|| Arc::new(Form::new(sql, &values)));
        won.push(Statement::of(form, values).run(connection)? > 0);
    }
    Ok(won)
}

/// The statement of a claim: what it writes, under the guard.
fn update(claim: &Claim) -> (&'static str, Vec<Named<'_>>) {
    let basis = &claim.basis;
    let mut values = vec![
        ("job", Value::from(&claim.attempt.job.0)),
        ("status", basis.status.as_str().into()),
        ("fence", (&claim.attempt.fence.0).into()),
        ("run", basis.run.as_ref().map(|run| &run.0).into()),
        ("pid", basis.pid.map(i64::from).into()),
        ("started_at", basis.started_at.map(|at| at.timestamp_millis()).into()),
        ("exit_code", basis.exit.map(|exit| i64::from(exit.code)).into()),
        ("exit_at", basis.exit.map(|exit| exit.at.timestamp_millis()).into()),
        ("attach", attach(basis.attach).into()),
        ("beat", basis.beat.into()),
        ("terminating_at", basis.terminating_at.map(|at| at.timestamp_millis()).into()),
    ];
    let reason = ("reason", Value::from(&claim.reason));
    let sql = match claim.settlement {
        Settlement::Done => sql::CLAIM_DONE,
        Settlement::Terminate => sql::CLAIM_TERMINATE,
        Settlement::Dismiss => sql::CLAIM_DISMISS,
        Settlement::Fail => {
            values.push(reason);
            sql::CLAIM_FAIL
        }
        Settlement::Requeue { .. } => {
            let Requeue { wait, keep, add, cap } = Requeue::of(claim);
            values.extend([
                reason,
                ("wait", wait.into()),
                ("keep", keep.into()),
                ("add", add.into()),
                ("cap", cap.into()),
            ]);
            sql::CLAIM_REQUEUE
        }
    };
    (sql, values)
}
