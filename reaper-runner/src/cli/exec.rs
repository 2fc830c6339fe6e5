//! `reaper exec`: runs a command as the executor of a queued job, and is its monitor; once, or as a pool of workers.

use std::{
    env,
    ffi::OsString,
    io::{self, Write as _},
    num::NonZeroUsize,
    path::Path,
    sync::Arc,
    thread,
    time::Duration,
};

use clap::Args;
use reaper_core::{JobId, effect::Plain, job::Key};
use reaper_gate::gate::GateCommand;
use reaper_store::attempts::Wants;
use rustix::process::Signal;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2},
    iterator::Signals,
};

use super::{
    Context, Exit, Failure, Out,
    database::Database,
    world::{World, local_probe},
};
use crate::{
    config::Config,
    exec::{End, Execution, Orders, Prints, Program, Spool, Worker, WorkerError, WorkerSettings},
};

#[derive(Debug, Args)]
pub(super) struct ExecArgs {
    /// Take the oldest job of this agent that is due; without it, of any.
    #[arg(long)]
    agent: Option<String>,
    /// Take this job.
    #[arg(long, conflicts_with_all = ["agent", "pool"])]
    job: Option<Key>,
    /// Run so many jobs at a time, until TERM or INT; a second one stops those that still run.
    #[arg(long = "loop", value_name = "N", id = "pool")]
    pool: Option<NonZeroUsize>,
    /// How long the command may run: it is then asked to end, and killed after `terminate_grace`.
    #[arg(long, value_name = "DURATION", value_parser = positive)]
    limit: Option<Duration>,
    /// Run this with /bin/sh when the exit is recorded; again for more, after those of the configuration.
    #[arg(long = "hook", value_name = "COMMAND")]
    hooks: Vec<String>,
    /// Stop the command in time when this host's node falls silent, and when this program is gone.
    #[arg(long)]
    bound: bool,
    /// The command. Its fields are in its environment (`REAPER_JOB_ID`, `REAPER_REPO`, …), its payload on standard input.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

fn positive(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(limit) if limit.is_zero() => Err("it leaves no time to run".into()),
        Ok(limit) => Ok(limit),
        Err(error) => Err(format!("{error}: write it like 90s, 5m or 2h")),
    }
}

pub(super) fn exec(context: &Context, args: ExecArgs) -> Result<(), Failure> {
    let (config, out) = (&context.config, context.out);
    let settings = settings(config, &args, out)?;
    let orders = Arc::new(Orders::new());
    follow_signals(&orders, args.pool.is_some())?;
    let drained = |pause| {
        orders.pause(pause);
        orders.is_drained()
    };
    // Hosts and their database start in any order.
    if args.pool.is_some() && !Database::named(config)?.wait(config, drained)? {
        return Ok(());
    }
    let world = World::open(config)?;
    let worker = Worker::new(world.parts(config)?, local_probe(config)?, settings).map_err(failure)?;
    let wants = match (args.job, args.agent) {
        (Some(job), _) => Wants::Job(JobId(job)),
        (None, Some(agent)) => Wants::Agent(agent),
        (None, None) => Wants::Any,
    };
    if let Some(at_once) = args.pool {
        let pool = worker.run_pool(&wants, at_once.get(), &orders, |execution| {
            if let Err(failure) = tell(out, execution) {
                tracing::warn!(error = failure.message, "what became of an attempt could not be printed");
            }
        });
        return pool.map_err(failure);
    }
    let Some(execution) = worker.run_one(&wants, &orders).map_err(failure)? else {
        return Err(nothing_taken(&world, &wants));
    };
    let told = tell(out, &execution);
    match execution.end {
        End::Done => told,
        // All that there is to say was said, or nobody reads it: the exit code says it too.
        End::Requeued(_) | End::Failed(_) => Err(Failure::new(Exit::NotWell, "")),
        End::TakenAway => Err(Failure::new(Exit::TakenAway, "")),
        End::Left(_) => Err(Failure::new(Exit::Left, "")),
    }
}

fn settings(config: &Config, args: &ExecArgs, out: Out) -> Result<WorkerSettings, Failure> {
    let usage = |message: String| Failure::new(Exit::Usage, message);
    let Some((program, arguments)) = args.command.split_first() else {
        return Err(usage("there is no command: write it after `--`".into()));
    };
    let Some(spool) = config.spool_folder() else {
        return Err(usage("there is no state folder to spool exits in: set `exec.spool` in reaper.toml".into()));
    };
    let policy =
        config.settings("exec".into()).map_err(|error| usage(format!("configuration: pipeline: {error}")))?;
    let bound = args.bound || config.exec.bound;
    if bound && policy.node.is_none() {
        return Err(usage(
            "an attempt is bound to a node only where nodes are followed: set `node.follow = true`".into(),
        ));
    }
    let hook = |argv: Vec<String>| GateCommand { limit: config.exec.hook_timeout, ..GateCommand::new(argv) };
    let by_shell = |text: &String| vec!["/bin/sh".to_owned(), "-c".to_owned(), text.clone()];
    let hooks = config.exec.hooks.iter().cloned().chain(args.hooks.iter().map(by_shell));
    let hold = Program::new(own_program()?, ["hold"]);
    Ok(WorkerSettings {
        bond: policy.node.filter(|_| bound),
        policy: policy.policy,
        limit: args.limit.or(config.exec.limit),
        grace: config.terminate_grace,
        beat: config.beat.interval,
        hooks: hooks.map(hook).collect(),
        patience: config.exec.patience,
        delivery_lease: config.delivery_lease,
        idle: config.exec.idle,
        prints: if out.is_json() { Prints::ToError } else { Prints::ToOutput },
        ..WorkerSettings::new(Program::new(program, arguments), hold, Spool::new(spool))
    })
}

/// This program: by its path, or, where it was replaced since it was started, as the kernel still has it.
fn own_program() -> Result<OsString, Failure> {
    let path = env::current_exe()
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot find this program itself: {error}")))?;
    let kept = Path::new("/proc/self/exe");
    Ok(if !path.exists() && kept.exists() { kept.into() } else { path.into_os_string() })
}

fn failure(error: WorkerError) -> Failure {
    match error {
        WorkerError::Store(error) => error.into(),
        WorkerError::Identify(_)
        | WorkerError::Spool { .. }
        | WorkerError::Bond(_)
        | WorkerError::Cgroups(_)
        | WorkerError::Supervisor(_) => Failure::new(Exit::Failed, error.to_string()),
    }
}

/// Why there was nothing to take.
fn nothing_taken(world: &World, wants: &Wants) -> Failure {
    let id = match wants {
        Wants::Any => return Failure::new(Exit::NothingQueued, "no job is queued and due"),
        Wants::Agent(agent) => {
            let agent = Plain { text: agent, max: 80 };
            return Failure::new(Exit::NothingQueued, format!("no job of agent {agent} is queued and due"));
        }
        Wants::Job(id) => id,
    };
    match world.job(id) {
        Ok(job) if job.status == reaper_core::Status::Queued => {
            Failure::new(Exit::NothingQueued, format!("job {id} is queued and cannot be taken yet"))
        }
        Ok(job) => Failure::new(Exit::Unchanged, format!("job {id} is {}: nothing was taken", job.status)),
        Err(failure) => failure,
    }
}

/// Says what became of an attempt: as JSON on standard output, for people on standard error, since standard output is
/// the command's.
fn tell(out: Out, execution: &Execution) -> Result<(), Failure> {
    if out.is_json() {
        return out.result(execution, String::new);
    }
    let text = format!("reaper: {}\n", sentence(execution));
    // Where standard error is closed there is nobody to read it.
    io::stderr().lock().write_all(text.as_bytes()).ok();
    Ok(())
}

fn sentence(execution: &Execution) -> String {
    let exit = match (execution.code, execution.stopped_for) {
        (None, _) => "never let go".to_owned(),
        (Some(code), None) => format!("exit {code}"),
        (Some(code), Some(_)) => format!("stopped, exit {code}"),
    };
    let plain = |text| Plain { text, max: 200 };
    let end = match &execution.end {
        End::Done => "done".to_owned(),
        End::Requeued(why) => format!("queued again: {}", plain(why)),
        End::Failed(why) => format!("failed: {}", plain(why)),
        End::TakenAway => "was taken away: somebody else has settled it".to_owned(),
        End::Left(why) => format!("left to the reapers: {}", plain(why)),
    };
    format!("job {} ({}, {exit}) {end}", execution.attempt.job, plain(&execution.agent))
}

/// Passes signals on to the running commands. To a pool TERM and INT say that no more is to be taken, and said once more
/// that what runs is to be stopped.
fn follow_signals(orders: &Arc<Orders>, is_pool: bool) -> Result<(), Failure> {
    let fail = |error: io::Error| Failure::new(Exit::Failed, format!("cannot catch signals: {error}"));
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2]).map_err(fail)?;
    let orders = Arc::clone(orders);
    let follow = move || {
        let mut seen = false;
        for number in signals.forever() {
            let signal = match number {
                SIGTERM => Signal::TERM,
                SIGINT => Signal::INT,
                SIGHUP => Signal::HUP,
                SIGUSR1 => Signal::USR1,
                _ => Signal::USR2,
            };
            let ends = matches!(signal, Signal::TERM | Signal::INT);
            if !ends || !is_pool {
                orders.signal(signal);
            }
            if ends {
                if seen {
                    orders.stop()
                } else {
                    orders.drain()
                }
                seen = true;
            }
        }
    };
    thread::Builder::new().name("reaper-signals".into()).spawn(follow).map(drop).map_err(fail)
}
