//! What a gate's command learns of the job: environment variables under fixed names.

use reaper_core::JobSnapshot;

/// The variable that tells a gate's command from an executor: both carry the attempt.
pub const GATE_VARIABLE: &str = "REAPER_GATE";

/// The variables in which a gate's command finds the job's fields.
///
/// A field that the job does not have is not set at all; an empty one is set and empty. Values are passed on as they
/// are recorded, whatever they hold: they are data, and a script has to quote them.
///
/// | variable | value | set |
/// |---|---|---|
/// | `REAPER_GATE` | the gate's name | always |
/// | `REAPER_JOB_ID` | the job | always |
/// | `REAPER_ATTEMPT` | the attempt, `job:fence` | always |
/// | `REAPER_AGENT` | who did the work | always |
/// | `REAPER_REPO` | the repository | always |
/// | `REAPER_TASK_ID` | the task | if the job has one |
/// | `REAPER_STAGE` | the stage that the task wants to leave | if the task's row is there |
/// | `REAPER_STAGE_VERSION` | which visit to that stage | if the task's row is there |
/// | `REAPER_BRANCH` | the branch | if the task has one |
/// | `REAPER_WORK_ITEM` | the work item's name in the tracker | if the task has one |
pub const FIELDS: [&str; 10] = [
    GATE_VARIABLE,
    "REAPER_JOB_ID",
    "REAPER_ATTEMPT",
    "REAPER_AGENT",
    "REAPER_REPO",
    "REAPER_TASK_ID",
    "REAPER_STAGE",
    "REAPER_STAGE_VERSION",
    "REAPER_BRANCH",
    "REAPER_WORK_ITEM",
];

/// A variable with its value.
pub type Variable = (&'static str, String);

/// The job's fields for a gate.
///
/// # Errors
///
/// Why they cannot stand in an environment: one of them holds a NUL.
pub(super) fn fields(gate: &str, job: &JobSnapshot) -> Result<Vec<Variable>, String> {
    values(Some(gate), job)
}

/// The job's fields for its own command: the variables of [`FIELDS`] but for [`GATE_VARIABLE`].
///
/// # Errors
///
/// Why they cannot stand in an environment: one of them holds a NUL.
pub fn job_fields(job: &JobSnapshot) -> Result<Vec<Variable>, String> {
    values(None, job)
}

fn values(gate: Option<&str>, job: &JobSnapshot) -> Result<Vec<Variable>, String> {
    let task = job.task.as_ref();
    let place = task.and_then(|task| task.place.as_ref());
    let values: [Option<String>; FIELDS.len()] = [
        gate.map(str::to_owned),
        Some(job.attempt.job.to_string()),
        Some(job.attempt.to_string()),
        Some(job.agent.clone()),
        Some(job.repo.clone()),
        task.map(|task| task.id.to_string()),
        place.map(|place| place.stage.clone()),
        place.map(|place| place.version.to_string()),
        task.and_then(|task| task.branch.clone()),
        task.and_then(|task| task.work_item.clone()),
    ];
    let known = FIELDS.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?)));
    known
        .map(|(name, value)| {
            if value.contains('\0') {
                Err(format!("{name} cannot be passed on in the environment: its value holds a NUL character"))
            } else {
                Ok((name, value))
            }
        })
        .collect()
}
