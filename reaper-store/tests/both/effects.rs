//! Claims with their effects.

use reaper_core::{Alert, Effect, Status};
use reaper_store::{Claim, Claims as _, Outcome, Settlement};

use crate::{claims::claim, database::Database};

/// Settles the three jobs that run, of which the owner has no room for an effect of the second. It is left as it is, the
/// others are settled.
pub(crate) fn refused_for_the_second(database: &Database) {
    let claims: Vec<_> = (1..=3)
        .map(|id| {
            let alert = Alert { kind: "job_failed".into(), job: Some(id.into()), text: "t".into() };
            let effect = Some(Effect::Alert(alert));
            Claim { effect, ..claim(&database.job(id), Settlement::Fail) }
        })
        .collect();
    let outcomes = database.store.settle(&claims).unwrap();
    assert!(
        matches!(&outcomes[..], [Outcome::Won, Outcome::Refused(why), Outcome::Won] if why.contains("no room"))
    );
    let status = |id: i64| database.job(id).status;
    assert_eq!([1, 2, 3].map(status), [Status::Failed, Status::Running, Status::Failed]);
    assert_eq!(database.program.number("SELECT count(*) AS x FROM reaper_events WHERE job_id = 2"), Some(0));
    assert_eq!(database.program.number("SELECT count(*) AS x FROM reaper_outbox"), Some(2));
}
