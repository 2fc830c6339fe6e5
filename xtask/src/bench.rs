//! `cargo xtask bench`: the stores beside their limits, as ratios; `cargo xtask bench latency`: how soon a death is settled.
//!
//! The programs that measure are the benches `speed` and `latency` of the package `reaper-tests`; this builds them in release,
//! starts one beside a PostgreSQL cluster of its own with fsync on, and passes on what it is told. As a step of `cargo xtask
//! ci` both are built as the tests are, whose build is there already, and run in their short forms: that proves that
//! everything works, that no statement reads a whole table and what an idle pass reads, and says nothing about times.

#[cfg(unix)]
use crate::pg::{self, Cluster, Durability};
use crate::{
    peers,
    run::Run,
    step::{Failed, Output, Step},
};

/// The step's name, after which the command line takes options of its own.
pub(crate) const NAME: &str = "bench";

/// Runs the short form.
pub(crate) const STEP: Step = Step {
    name: NAME,
    about: "The stores beside their limits, as ratios (in `ci`: 10,000 rows, no times are judged)",
    output: Output::Kept,
    run: short,
};

fn short(run: &mut Run<'_>) -> Result<String, Failed> {
    #[cfg(unix)]
    let cluster = Cluster::start(Durability::Volatile)?;
    for bench in BENCHES {
        let mut command = run.workspace.cargo();
        command.args(["test", "--quiet", "--workspace", "--all-features", "--bench", bench, "--", "--short"]);
        #[cfg(unix)]
        pg::name_in(&mut command, &cluster);
        run.call(command, &mut |_| ())?;
    }
    Ok("short".to_owned())
}

/// What a person can ask for beside the step.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Which of [`BENCHES`].
    pub(crate) bench: String,
    /// 10,000 rows and one round.
    pub(crate) short: bool,
    /// With ten million finished jobs and events.
    pub(crate) history: bool,
    /// How many of those instead.
    pub(crate) past: Option<String>,
    /// With what others do today, which is installed first.
    pub(crate) peers: bool,
    /// Only the tables whose names hold this.
    pub(crate) only: Option<String>,
    /// `text` or `json`.
    pub(crate) output: String,
}

impl Wanted {
    /// Runs the bench on the terminal: its tables go to standard output, untouched.
    ///
    /// # Errors
    ///
    /// When it cannot be built or started, or does not exit with 0.
    pub(crate) fn run(&self, workspace: &crate::workspace::Workspace) -> Result<(), Failed> {
        let mut command = workspace.cargo();
        command.args(["bench", "--quiet", "--package", "reaper-tests", "--bench", &self.bench, "--"]);
        command.args(["--output", &self.output]);
        // A short run measures nothing that the docs should show.
        if self.short {
            command.arg("--short");
        } else if self.bench == SPEED {
            command.arg("--keep").arg(workspace.root.join(DOCS));
        }
        if self.history {
            command.arg("--history");
        }
        if self.peers {
            command.arg("--peers").arg(peers::install(workspace)?);
        }
        if let Some(only) = &self.only {
            command.args(["--only", only]);
        }
        if let Some(past) = &self.past {
            command.args(["--past", past]);
        }
        #[cfg(unix)]
        let cluster = Cluster::start(Durability::Durable)?;
        #[cfg(unix)]
        pg::name_in(&mut command, &cluster);
        let status = command.status().map_err(|error| Failed::because("cannot start cargo bench", error))?;
        if status.success() { Ok(()) } else { Err(Failed::because("cargo bench", status)) }
    }
}

/// The one that is meant where none is named.
pub(crate) const SPEED: &str = "speed";

/// All of them.
pub(crate) const BENCHES: [&str; 2] = [SPEED, "latency"];

/// Where the tables and the pictures are kept.
const DOCS: &str = "tests/docs";
