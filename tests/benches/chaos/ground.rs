//! Where a run takes place: a folder, a database, the program on it, and the means to do harm to them.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

use reaper_tests::{
    clock::Clock,
    cluster::Cluster,
    database::{Kind, SEED_TABLES, SEED_TABLES_POSTGRES, Scratch},
    disk::Disk,
    program::Program,
    proxy::Proxy,
    setting::{port, with_port},
};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    chat::Chat,
    fault::Scope,
    meddling::{HANG, HUNG},
    processes,
    sql::Sql,
};

/// Everything of one run. What is declared first is dropped first: the database before its server.
#[derive(Debug)]
pub struct Ground {
    pub kind: Kind,
    /// Past the proxy, for what the run itself asks.
    pub sql: Sql,
    pub program: Program,
    /// What each process of this run, and no other, carries in its environment.
    pub mark: String,
    /// The clock's distance, where it can be moved.
    pub clock: Option<Clock>,
    /// What the tables are on, where one can be mounted and is wanted.
    pub disk: Option<Disk>,
    /// Where alerts go to.
    pub chat: Chat,
    _scratch: Option<Scratch>,
    pub server: Option<Server>,
    folder: TempDir,
}

/// A PostgreSQL server of one's own with a proxy before it.
#[derive(Debug)]
pub struct Server {
    pub cluster: Mutex<Cluster>,
    pub proxy: Proxy,
    url: String,
    data: PathBuf,
}

impl Ground {
    /// Prepares one, on a PostgreSQL server of its own where that is wanted.
    pub fn prepare(kind: Kind, scope: Scope) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The server, which is another user's, reads the clock's file.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let dir = folder.path().to_owned();
        let all = scope == Scope::All;
        let clock = all.then(|| Clock::new(&dir)).flatten();
        let server = (kind == Kind::Postgres).then(|| Server::start(clock.as_ref()));
        let disk = all.then(|| Disk::mount(64)).flatten();
        let scratch = server.as_ref().map(|server| Scratch::on(&server.url));
        let (sql, url, tables) = match (&server, &scratch) {
            (Some(server), Some(scratch)) => {
                if let Some(disk) = &disk {
                    disk.give_to_owner_of(&server.data);
                    let admin = Sql::Postgres(server.url.clone());
                    let place = disk.path().display();
                    admin.run(&format!("CREATE TABLESPACE small LOCATION '{place}'")).unwrap();
                    admin.run(&format!("ALTER DATABASE {} SET TABLESPACE small", scratch.name())).unwrap();
                }
                let url = with_port(scratch.url(), server.proxy.port());
                (Sql::Postgres(scratch.url().to_owned()), url, SEED_TABLES_POSTGRES)
            }
            _ => {
                let path = disk.as_ref().map_or(dir.as_path(), Disk::path).join("jobs.db");
                (Sql::Sqlite(path.clone()), path.to_string_lossy().into_owned(), SEED_TABLES)
            }
        };
        if kind == Kind::Sqlite {
            sql.run("PRAGMA journal_mode = WAL").unwrap();
        }
        let tables = tables.replace("max_attempts INTEGER DEFAULT 2", "max_attempts INTEGER DEFAULT 100");
        sql.run(&tables.replace("max_attempts integer DEFAULT 2", "max_attempts integer DEFAULT 100")).unwrap();
        let program = Program::new(env!("CARGO_BIN_EXE_reaper-under-test"), &dir).at(&url);
        let chat = Chat::open();
        program.configure(&configuration(&dir, scope, &chat));
        let _migrated = program.run(&["migrate"]).ok();
        sql.run(if kind == Kind::Sqlite { AUDIT_SQLITE } else { AUDIT_POSTGRES }).unwrap();
        let mark = format!("CHAOS_MARK={}", dir.display());
        Self { kind, sql, program, mark, clock, disk, chat, _scratch: scratch, server, folder }
    }

    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves the folder when the run is over.
    pub fn stay(&mut self) {
        self.folder.disable_cleanup(true);
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// The environment of this run's programs.
    pub fn give(&self, command: &mut Command) {
        let (name, value) = self.mark.split_once('=').unwrap();
        command.env(name, value).env("CHAOS_DIR", self.dir()).env("WORKER_HOST", "here");
        command.envs(self.clock.iter().flat_map(|clock| clock.environment().iter().cloned()));
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // Where the run itself has failed, what it has started is still there.
        for seen in processes::all(&self.mark) {
            drop(processes::strike(&seen, &self.mark, Signal::KILL));
        }
    }
}

impl Server {
    fn start(clock: Option<&Clock>) -> Self {
        let environment = clock.map_or(&[][..], Clock::environment);
        let cluster = Cluster::start_with(environment).expect("`cargo xtask chaos` brings the server along");
        let proxy = Proxy::start(port(cluster.url()), cluster.url());
        Self {
            url: cluster.url().to_owned(),
            data: cluster.data().to_owned(),
            cluster: Mutex::new(cluster),
            proxy,
        }
    }
}

fn configuration(dir: &Path, scope: Scope, chat: &Chat) -> String {
    let (dir, chat) = (dir.display(), chat.configuration());
    // A monitor that was cut off from the database as it took a job may not know that it has.
    let start = if scope == Scope::All { "start_timeout = \"10s\"" } else { "" };
    format!(
        r#"
host = "here"
{start}
interval = "200ms"
finalize_grace = "{FINALIZE_GRACE}s"
terminate_grace = "500ms"
intensity = "off"
max_rescues = {MAX_RESCUES}
delivery_lease = "2s"
busy_timeout = "2s"
lock_timeout = "2s"
statement_timeout = "10s"
backoff = {{ base = "10ms", max = "100ms" }}
breaker = {{ percent = 50, at_least = 3, hold = "1s" }}
exec.spool = "{dir}/spool"
beat.interval = "300ms"
exec.idle = "300ms"
exec.patience = "2s"
[pipeline]
stages = [
  {{ name = "design", next = "build", next_agent = "builder", gate = "made" }},
  {{ name = "build", next = "check", next_agent = "checker", gate = "made" }},
  {{ name = "check", next = "released", gate = "made" }},
  {{ name = "released" }},
]
[pipeline.agents]
designer = ["design"]
builder = ["build"]
checker = ["check"]
[gates.made]
command = ["/bin/sh", "-c", "[ -e {dir}/{HANG} ] && echo >> {dir}/{HUNG} && sleep 10; [ -e {dir}/made.$REAPER_JOB_ID ]"]
timeout = "1s"
{chat}
"#
    )
}

/// How often a reaper may requeue a job: so seldom that some jobs are rescued as often.
pub const MAX_RESCUES: u32 = 2;

/// In seconds.
pub const FINALIZE_GRACE: f64 = 1.0;

/// What the run itself writes down of every row that moves, whoever moves it.
const AUDIT_SQLITE: &str = "
CREATE TABLE chaos_moves (id INTEGER PRIMARY KEY AUTOINCREMENT, task INTEGER, came TEXT, went TEXT);
CREATE TABLE chaos_changes (id INTEGER PRIMARY KEY AUTOINCREMENT, job INTEGER, fence INTEGER, came TEXT, went TEXT,
    monitor TEXT);
CREATE TABLE chaos_foreign (job INTEGER, fence INTEGER);
CREATE TABLE chaos_modes (began INTEGER, ended INTEGER);
CREATE TABLE chaos_told (job INTEGER);
CREATE TRIGGER chaos_moved AFTER UPDATE OF stage ON tasks WHEN OLD.stage <> NEW.stage BEGIN
    INSERT INTO chaos_moves (task, came, went) VALUES (OLD.id, OLD.stage, NEW.stage);
END;
CREATE TRIGGER chaos_changed AFTER UPDATE OF status ON jobs WHEN OLD.status <> NEW.status BEGIN
    INSERT INTO chaos_changes (job, fence, came, went, monitor)
        VALUES (OLD.id, OLD.reaper_fence, OLD.status, NEW.status, OLD.reaper_monitor);
END;";

const AUDIT_POSTGRES: &str = "
CREATE TABLE chaos_moves (id bigserial PRIMARY KEY, task bigint, came text, went text);
CREATE TABLE chaos_changes (id bigserial PRIMARY KEY, job bigint, fence bigint, came text, went text,
    monitor text);
CREATE TABLE chaos_foreign (job bigint, fence bigint);
CREATE TABLE chaos_modes (began bigint, ended bigint);
CREATE TABLE chaos_told (job bigint);
CREATE FUNCTION chaos_moved() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO chaos_moves (task, came, went) VALUES (OLD.id, OLD.stage, NEW.stage); RETURN NULL; END $$;
CREATE TRIGGER chaos_moved AFTER UPDATE ON tasks FOR EACH ROW WHEN (OLD.stage <> NEW.stage)
    EXECUTE FUNCTION chaos_moved();
CREATE FUNCTION chaos_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO chaos_changes (job, fence, came, went, monitor)
        VALUES (OLD.id, OLD.reaper_fence, OLD.status, NEW.status, OLD.reaper_monitor);
    RETURN NULL; END $$;
CREATE TRIGGER chaos_changed AFTER UPDATE ON jobs FOR EACH ROW WHEN (OLD.status <> NEW.status)
    EXECUTE FUNCTION chaos_changed();";
