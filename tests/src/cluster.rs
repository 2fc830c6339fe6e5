//! A PostgreSQL server of a test's own, which the test may kill and start again.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use diesel::{Connection as _, PgConnection, QueryableByName, RunQueryDsl as _, sql_types};
use rustix::process::{Pid, Signal, kill_process};

use crate::program::{eventually, skipped, within};

/// A server with `fsync` on. It is removed at the end, also if the test is killed.
#[derive(Debug)]
pub struct Cluster {
    url: String,
    data: PathBuf,
    /// Holds the cluster for as long as its standard input is open.
    chore: Child,
    /// The same for a server that was started again.
    again: Option<Child>,
    /// What is set in the server's environment.
    environment: Vec<(String, String)>,
}

#[derive(QueryableByName)]
struct DataDirectory {
    #[diesel(sql_type = sql_types::Text)]
    data_directory: String,
}

impl Cluster {
    /// Starts one. `None`, said loudly, where the tests do not run under `cargo xtask`.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// The same, with this in the server's environment.
    #[must_use]
    pub fn start_with(environment: &[(String, String)]) -> Option<Self> {
        let Some(chores) = env::var_os("XTASK_PROGRAM") else {
            skipped("a PostgreSQL server of one's own is started by `cargo xtask pg -- <command>`");
            return None;
        };
        let mut command = Command::new(chores);
        command.args(["pg", "--durable", "--", "sh", "-c", "echo $DATABASE_URL; exec cat > /dev/null"]);
        command.envs(environment.iter().cloned());
        let mut chore = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(chore.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let url = url.trim().to_owned();
        let mut connection = PgConnection::establish(&url).unwrap();
        let told: DataDirectory = diesel::sql_query("SHOW data_directory").get_result(&mut connection).unwrap();
        Some(Self { url, data: told.data_directory.into(), chore, again: None, environment: environment.to_vec() })
    }

    /// A database on it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The server's data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Ends the server as `pg_ctl stop -m immediate` does: no client is told good-bye, nothing is flushed.
    pub fn kill(&self) {
        let file = fs::read_to_string(self.data.join("postmaster.pid")).unwrap();
        let pid = Pid::from_raw(file.lines().next().unwrap().parse().unwrap()).unwrap();
        kill_process(pid, Signal::QUIT).unwrap();
        eventually("the server is gone", || !self.data.join("postmaster.pid").exists());
    }

    /// Starts the server again after [`kill`](Self::kill), with the options that it had, and waits until it answers.
    pub fn start_again(&mut self) {
        // The program, then each option in quotes; a path of one's own folder has none in it.
        let options = fs::read_to_string(self.data.join("postmaster.opts")).unwrap();
        let (program, options) = options.trim().split_once(" \"").unwrap();
        let owner = self.data.metadata().unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", KEEPER, "keeper", program]);
        command.args(options.trim_end_matches('"').split("\" \""));
        if rustix::process::geteuid().is_root() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        command.current_dir(self.data.parent().unwrap()).process_group(0);
        command.envs(self.environment.iter().cloned());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(mut before) = self.again.replace(command.spawn().unwrap()) {
            drop(before.stdin.take());
            before.wait().unwrap();
        }
        // Before it recovers from a crash it syncs each of its files.
        let answers = || PgConnection::establish(&self.url).is_ok();
        within(Duration::from_secs(180), "the server answers again", answers);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.again.iter_mut().chain([&mut self.chore]) {
            drop(child.stdin.take());
            child.wait().ok();
        }
    }
}

/// Runs a server until standard input is closed.
const KEEPER: &str = "\"$@\" < /dev/null & read -r _; kill -QUIT $! 2> /dev/null; wait";
