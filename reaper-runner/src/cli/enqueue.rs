//! `reaper enqueue`: adds a task and a job.

use std::{
    fs::File,
    io::{self, Read as _},
    path::PathBuf,
};

use clap::Args;
use reaper_core::{TaskId, effect::Plain, job::Key};
use reaper_store::attempts::{Enqueued, LONGEST_PAYLOAD, NewJob, NewTask};

use super::{Context, Exit, Failure, world::World};

#[derive(Debug, Args)]
pub(super) struct EnqueueArgs {
    /// Who is to do the work.
    #[arg(long)]
    agent: String,
    /// The repository that it is about.
    #[arg(long)]
    repo: String,
    /// The task that the job belongs to.
    #[arg(long, conflicts_with_all = ["stage", "work_item", "branch"])]
    task: Option<Key>,
    /// Makes a new task in this stage for it.
    #[arg(long)]
    stage: Option<String>,
    /// The new task's name in the tracker.
    #[arg(long, requires = "stage")]
    work_item: Option<String>,
    /// The new task's branch.
    #[arg(long, requires = "stage")]
    branch: Option<String>,
    /// How often the job may be taken.
    #[arg(long, default_value_t = 2)]
    max_attempts: u32,
    /// A key that is enqueued once, for a job of a task that is there, or of none.
    #[arg(long, conflicts_with = "stage")]
    source_key: Option<String>,
    /// What its command is given on standard input.
    #[arg(long, conflicts_with = "payload_file")]
    payload: Option<String>,
    /// The same, from a file; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    payload_file: Option<PathBuf>,
}

/// The payload that is asked for.
fn payload(args: &EnqueueArgs) -> Result<Option<String>, Failure> {
    let Some(file) = &args.payload_file else {
        return Ok(args.payload.clone());
    };
    let cannot = |error: io::Error| {
        Failure::new(Exit::Usage, format!("cannot read the payload from {}: {error}", file.display()))
    };
    // One byte more than may be tells that it is too long.
    let most = u64::try_from(LONGEST_PAYLOAD).unwrap_or(u64::MAX).saturating_add(1);
    let mut text = String::new();
    if file.as_os_str() == "-" {
        io::stdin().take(most).read_to_string(&mut text).map_err(cannot)?;
    } else {
        File::open(file).and_then(|file| file.take(most).read_to_string(&mut text)).map_err(cannot)?;
    }
    Ok(Some(text))
}

pub(super) fn enqueue(context: &Context, args: &EnqueueArgs) -> Result<(), Failure> {
    let payload = payload(args)?;
    let mut new = NewJob {
        agent: args.agent.clone(),
        repo: args.repo.clone(),
        task: None,
        max_attempts: args.max_attempts,
        source_key: args.source_key.clone(),
        payload,
    };
    // Before a task is made for it.
    new.check().map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    let world = World::open(&context.config)?;
    let task = match (&args.task, &args.stage) {
        (Some(task), _) => Some(TaskId(task.clone())),
        (None, Some(stage)) => Some(world.store.add_task(&NewTask {
            repo: args.repo.clone(),
            work_item: args.work_item.clone(),
            branch: args.branch.clone(),
            stage: stage.clone(),
        })?),
        (None, None) => None,
    };
    new.task.clone_from(&task);
    let enqueued = world.store.enqueue(&new)?;
    let (job, new) = match enqueued {
        Enqueued::New(job) => (job, true),
        Enqueued::Known(job) => (job, false),
    };
    // A job that was there already belongs to the task of its own.
    let task = if new { task } else { world.job(&job)?.task.map(|task| task.id) };
    let result = serde_json::json!({"job": job, "task": task, "new": new});
    context.out.result(&result, || match &task {
        Some(task) => format!("job {job} of task {}", Plain { text: &task.to_string(), max: 80 }),
        None => format!("job {job}"),
    })?;
    if new { Ok(()) } else { Err(Failure::new(Exit::Unchanged, format!("job {job} has that source key already"))) }
}
