//! One cluster in a temporary folder, which is gone when the value is dropped or this program ends in whatever way.

use std::{
    env,
    fs::{self, DirBuilder},
    io::{self, Read},
    net::{Ipv4Addr, TcpListener},
    os::unix::{fs::DirBuilderExt, fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use super::{account, programs::Programs};
use crate::{packages, step::Failed};

/// Whether what the server says is stored would survive a fall of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// As in production: for benchmarks, and for tests that kill the server.
    Durable,
    /// Fast: a kill of the server loses nothing, a fall of the machine everything.
    Volatile,
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// Where clients find it: a database of its own, over TCP, by a password that nobody else knows.
    pub(crate) url: String,
    /// The folder that holds it.
    folder: PathBuf,
    /// Removes the cluster when its standard input is closed.
    keeper: Child,
}

impl Cluster {
    /// Starts one and waits until it answers.
    ///
    /// # Errors
    ///
    /// When the server's programs are missing, or it does not come up; the error then ends with the server's log.
    pub(crate) fn start(durability: Durability) -> Result<Self, Failed> {
        let programs = Programs::find_or_install()?;
        let mut tries = 1;
        loop {
            let mut cluster = Self::launch(&programs, durability)?;
            match cluster.wait_until_ready() {
                Ok(()) => return Ok(cluster),
                // Another program took the port between our look at it and the server's.
                Err(log) if log.contains("Address already in use") && tries < PORTS_TO_TRY => tries += 1,
                Err(log) => return Err(Failed(format!("the PostgreSQL server did not start; its log:\n{log}"))),
            }
        }
    }

    fn launch(programs: &Programs, durability: Durability) -> Result<Self, Failed> {
        let failed = |what: &'static str| move |error: io::Error| Failed::because(what, error);
        let account = account::to_run_as()?;
        let password = random_word().map_err(failed("cannot draw a password"))?;
        let port = free_port().map_err(failed("cannot find a free port"))?;
        let folder = new_folder().map_err(failed("cannot make a folder for the cluster"))?;
        let mut keeper = Command::new("/bin/sh");
        keeper.args(["-c", include_str!("keeper.sh"), "keeper"]);
        keeper
            .arg(&folder)
            .arg(&programs.initdb)
            .arg(&programs.postgres)
            .args(settings(port, &folder, durability));
        keeper.current_dir("/").process_group(0);
        keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // What the caller has set for its own clients is not for this server; messages are read by this program.
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            keeper.env_remove(name);
        }
        keeper.env("LC_ALL", "C");
        let mut prepared = fs::write(folder.join("password"), &password);
        if let Some(account) = account {
            keeper.uid(account.user).gid(account.group);
            let (user, group) = (Some(account.user), Some(account.group));
            prepared = prepared
                .and_then(|()| chown(folder.join("password"), user, group))
                .and_then(|()| chown(&folder, user, group));
        }
        let keeper = prepared.and_then(|()| keeper.spawn()).map_err(|error| {
            fs::remove_dir_all(&folder).ok();
            Failed::because("cannot start the cluster's keeper", error)
        })?;
        let url = format!("postgres://reaper:{password}@127.0.0.1:{port}/postgres");
        Ok(Self { url, folder, keeper })
    }

    /// Waits until the server takes connections.
    ///
    /// # Errors
    ///
    /// The end of the server's log, if it ended or took too long.
    fn wait_until_ready(&mut self) -> Result<(), String> {
        for _ in 0..LOOKS {
            if is_ready(&self.folder) {
                return Ok(());
            }
            let kept = matches!(self.keeper.try_wait(), Ok(None));
            if !kept || self.folder.join("ended").exists() {
                return Err(self.log());
            }
            pause(BETWEEN_LOOKS);
        }
        Err(format!("{}\n(it was not ready within {} s)", self.log(), (BETWEEN_LOOKS * LOOKS).as_secs()))
    }

    /// The end of the server's log.
    fn log(&self) -> String {
        let log = fs::read(self.folder.join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // It takes some seconds at most; whoever asked for the cluster may count on its being gone afterwards.
        self.keeper.wait().ok();
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// What is set for the server beside its defaults.
fn settings(port: u16, folder: &Path, durability: Durability) -> Vec<String> {
    let mut settings = vec![
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={port}"),
        format!("unix_socket_directories={}", folder.display()),
        "max_connections=200".to_owned(),
        "dynamic_shared_memory_type=posix".to_owned(),
        "timezone=UTC".to_owned(),
        "log_timezone=UTC".to_owned(),
    ];
    if durability == Durability::Volatile {
        settings.extend(
            ["fsync=off", "full_page_writes=off", "shared_buffers=32MB", "autovacuum=off"].map(str::to_owned),
        );
    }
    settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]).collect()
}

/// Whether the server's pid file says that it takes connections. Nobody else can answer in its place, as might be on
/// a port.
fn is_ready(folder: &Path) -> bool {
    let file = fs::read_to_string(folder.join("data/postmaster.pid")).unwrap_or_default();
    file.lines().nth(PID_FILE_STATUS).is_some_and(|status| status.trim() == "ready")
}

/// A port on which nobody listens at this moment.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A new folder that nobody else can look into, short enough to hold a socket and open to the server's account.
fn new_folder() -> io::Result<PathBuf> {
    let temporary = env::temp_dir();
    let suits = temporary.as_os_str().len() <= LONGEST_FOLDER
        && (!packages::is_root() || account::may_work_in(&temporary));
    let parent = if suits { temporary } else { PathBuf::from("/tmp") };
    loop {
        let folder =
            parent.join(format!("reaper-pg-{}-{}", process::id(), random_word()?.get(..8).unwrap_or("0")));
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => return result.map(|()| folder),
        }
    }
}

/// 128 random bits in hexadecimal.
fn random_word() -> io::Result<String> {
    let mut bits = [0; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bits)?;
    Ok(bits.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Waits between two looks at a condition.
fn pause(length: Duration) {
    let (_sender, never) = mpsc::channel::<()>();
    never.recv_timeout(length).ok();
}

/// The line of the server's pid file that says how far it is, counted from 0 (PostgreSQL 10 and later).
const PID_FILE_STATUS: usize = 7;

/// How often another port is tried.
const PORTS_TO_TRY: u32 = 5;

/// Time between two looks at a server that starts.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Looks at a server that starts, one minute in all.
const LOOKS: u32 = 1200;

/// Lines of the server's log that are shown when it does not start.
const LOG_LINES: usize = 40;

/// Bytes of a folder's path that leave room for ours and the socket's name below the 104 that some systems allow.
const LONGEST_FOLDER: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_volatile_cluster_does_without_fsync() {
        let fast = settings(5, Path::new("/tmp/x"), Durability::Volatile);
        assert!(fast.contains(&"fsync=off".to_owned()) && fast.contains(&"port=5".to_owned()));
        let durable = settings(5, Path::new("/tmp/x"), Durability::Durable);
        assert!(!durable.iter().any(|setting| setting.contains("fsync")), "{durable:?}");
    }

    #[test]
    fn a_new_folder_is_one_s_own_and_another_each_time() {
        let (one, other) = (new_folder().unwrap(), new_folder().unwrap());
        assert_ne!(one, other);
        let mode = std::os::unix::fs::PermissionsExt::mode(&one.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o700);
        for folder in [one, other] {
            fs::remove_dir(folder).unwrap();
        }
    }

    #[test]
    fn ready_is_what_the_pid_file_says() {
        let folder = new_folder().unwrap();
        assert!(!is_ready(&folder));
        fs::create_dir(folder.join("data")).unwrap();
        let mut seen = Vec::new();
        for status in ["starting", "ready   ", "stopping"] {
            fs::write(folder.join("data/postmaster.pid"), format!("1\n2\n3\n4\n5\n6\n7\n{status}\n")).unwrap();
            seen.push(is_ready(&folder));
        }
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(seen, [false, true, false]);
    }
}
