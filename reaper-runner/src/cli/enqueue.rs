//! `reaper enqueue`: adds a task and a job.

use clap::Args;
use reaper_core::{TaskId, effect::Plain, job::Key};
use reaper_store::attempts::{Enqueued, NewJob, NewTask};

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
}

pub(super) fn enqueue(context: &Context, args: &EnqueueArgs) -> Result<(), Failure> {
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
    let enqueued = world.store.enqueue(&NewJob {
        agent: args.agent.clone(),
        repo: args.repo.clone(),
        task: task.clone(),
        max_attempts: args.max_attempts,
        source_key: args.source_key.clone(),
    })?;
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
