//! The program: one file a command.

mod beat;
mod breaker;
#[cfg(unix)]
mod children;
mod database;
mod enqueue;
#[cfg(unix)]
mod exec;
mod exit;
mod explain;
mod held;
mod history;
#[cfg(unix)]
mod hold;
mod leases;
mod migrate;
mod mode;
mod nodes;
mod outbox;
mod output;
mod passes;
mod plan;
mod processes;
mod requeue_running;
mod run;
mod settle;
mod signatures;
mod status;
mod table;
mod tick;
mod world;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
#[cfg(feature = "sqlite")]
pub(crate) use database::sqlite_advance;
pub use exit::{Exit, Failure};
pub use output::{Format, Out, Style};

use crate::config::{self, Config, Flags};
#[cfg(feature = "sqlite")]
use crate::demo;

/// Finds jobs whose row says `running` though nobody works on them, and settles each exactly once.
#[derive(Debug, Parser)]
#[command(name = "reaper", bin_name = "reaper", version, propagate_version = true, after_help = exit::HELP, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Global {
    /// The database.
    #[arg(
        long,
        value_name = "URL",
        global = true,
        help = "The database: a path, sqlite:PATH, or postgres://USER@HOST/NAME [env: DATABASE_URL]"
    )]
    database_url: Option<String>,
    /// The configuration file [default: reaper.toml, if it is there].
    #[arg(long, env = "REAPER_CONFIG", value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Sets a key of the configuration, over file and environment: --set interval=5s.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value, global = true)]
    set: Vec<(String, String)>,
    /// How results are printed; json is one object a line.
    #[arg(long, env = "REAPER_OUTPUT", value_enum, default_value_t, global = true)]
    output: Format,
    /// Logs more to standard error; twice for still more.
    #[arg(
        long,
        short,
        action = clap::ArgAction::Count,
        global = true,
        help = "Logs more to standard error; twice for still more. REAPER_LOG takes a filter, as reaper_runner=debug"
    )]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run until TERM or INT, and finish the pass that it is in.
    Run,
    /// Make a few passes and say what was done.
    Tick(tick::TickArgs),
    /// Say what a pass would do now, and why. Writes nothing.
    Plan(plan::PlanArgs),
    /// Say for one job which rule fires, on what figures, and when the answer would change.
    Explain(explain::ExplainArgs),
    /// List the recorded events, or prune old ones.
    History(history::HistoryArgs),
    /// List how attempts ended that ended badly, in groups.
    Signatures(signatures::SignaturesArgs),
    /// Counts, the latest pass, mode, breaker, rescues, outbox, leases, stalled tasks.
    Status,
    /// Put a job back to `queued`, at a person's word.
    Retry(settle::SettleArgs),
    /// Put a job to `failed`, at a person's word.
    Fail(settle::SettleArgs),
    /// Create a database, or bring one up to date, or take away what Reaper added.
    Migrate(migrate::MigrateArgs),
    /// Put running jobs back to `queued`, for the start of an orchestrator.
    RequeueRunning(requeue_running::RequeueRunningArgs),
    /// List the lease files of a merge gate, or remove the stale ones.
    Leases(leases::LeasesArgs),
    /// Show or set the kill switch.
    Mode(mode::ModeArgs),
    /// Show the breaker, or say that what looks dead is dead.
    Breaker(breaker::BreakerArgs),
    /// List the hosts whose reapers beat.
    Nodes,
    /// Say that a host is gone: what ran there is settled at once, by whichever reaper looks first.
    DeclareDead(nodes::DeclareDeadArgs),
    /// Add a task and a job.
    Enqueue(enqueue::EnqueueArgs),
    /// Take a queued job, run a command for it, record its exit, and finish it.
    #[cfg(unix)]
    Exec(exec::ExecArgs),
    /// Hold a command back until a line comes, and see it to its end.
    #[cfg(unix)]
    #[command(hide = true)]
    Hold(hold::HoldArgs),
    /// Say that an attempt is still at work.
    Beat(beat::BeatArgs),
    /// List effects that are not delivered yet; revive or drop one that was given up.
    Outbox(outbox::OutboxArgs),
    /// List live processes of this host whose attempt has moved on, or end them.
    Processes(processes::ProcessesArgs),
    /// Watch Reaper work, on a throw-away database with real processes.
    #[cfg(feature = "sqlite")]
    Demo(demo::DemoArgs),
}

/// What every command is given.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) out: Out,
}

/// Runs the program on the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            // Where the message cannot be printed there is nobody to read it.
            error.print().ok();
            return code.into();
        }
    };
    output::start_log(cli.global.verbose);
    #[cfg(unix)]
    children::keep_exits();
    let out = Out::new(cli.global.output);
    #[cfg(unix)]
    if let Command::Hold(args) = &cli.command {
        return hold::hold(args, out);
    }
    match dispatch(cli, out) {
        Ok(()) => Exit::Done.into(),
        Err(failure) => out.fail(&failure),
    }
}

fn dispatch(cli: Cli, out: Out) -> Result<(), Failure> {
    let Global { database_url, config, set, .. } = cli.global;
    #[cfg(feature = "sqlite")]
    if let Command::Demo(args) = &cli.command {
        return demo::demo(args, out);
    }
    let config = config::load(&Flags { file: config, database_url, set })?;
    let context = Context { config, out };
    match cli.command {
        Command::Run => run::run(&context),
        Command::Tick(args) => tick::tick(&context, &args),
        Command::Plan(args) => plan::plan(&context, &args),
        Command::Explain(args) => explain::explain(&context, &args),
        Command::History(args) => history::history(&context, &args),
        Command::Signatures(args) => signatures::signatures(&context, &args),
        Command::Status => status::status(&context),
        Command::Retry(args) => settle::retry(&context, &args),
        Command::Fail(args) => settle::fail(&context, &args),
        Command::Migrate(args) => migrate::migrate(&context, &args),
        Command::RequeueRunning(args) => requeue_running::requeue_running(&context, &args),
        Command::Leases(args) => leases::leases(&context, &args),
        Command::Mode(args) => mode::mode(&context, &args),
        Command::Breaker(args) => breaker::breaker(&context, &args),
        Command::Nodes => nodes::nodes(&context),
        Command::DeclareDead(args) => nodes::declare_dead(&context, &args),
        Command::Enqueue(args) => enqueue::enqueue(&context, &args),
        #[cfg(unix)]
        Command::Exec(args) => exec::exec(&context, args),
        // It has ended the program before.
        #[cfg(unix)]
        Command::Hold(_) => Ok(()),
        Command::Beat(args) => beat::beat(&context, &args),
        Command::Outbox(args) => outbox::outbox(&context, &args),
        Command::Processes(args) => processes::processes(&context, &args),
        #[cfg(feature = "sqlite")]
        Command::Demo(args) => demo::demo(&args, out),
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        Some(_) | None => Err("write it as KEY=VALUE, as in --set interval=5s".to_owned()),
    }
}
