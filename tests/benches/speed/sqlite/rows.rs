//! Databases full of jobs, made in bulk.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use diesel::{SqliteConnection, connection::SimpleConnection as _};
use reaper_store::{
    Schema as _, Store,
    sqlite::{Options, SqliteStore, connect},
};
use reaper_tests::database::SEED_TABLES;
use tempfile::TempDir;

use super::sql::Sql;
use crate::parts::{self, DEAD, HERE, Rows};

/// A database, in a folder of its own.
#[derive(Debug)]
pub struct Rowed {
    folder: TempDir,
}

impl Rowed {
    /// Makes it: with the tables of another program, filled before Reaper adopts them, so that no trigger fires.
    pub fn new(rows: Rows) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = Self { folder };
        let path = made.path();
        let mut connection = <SqliteConnection as diesel::Connection>::establish(path.to_str().unwrap()).unwrap();
        let Rows { running, orphans, finished, events } = rows;
        connection
            .batch_execute(&format!(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; {SEED_TABLES} BEGIN;
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {})
                 INSERT INTO jobs (agent, repo, status, attempts, run_id, started_at)
                    SELECT 'developer', 'shop', CASE WHEN i % 2 = 1 AND i <= 2 * {finished} OR i > 2 * {running}
                        THEN 'done' ELSE 'running' END, 1, i, datetime('now', '-10 minutes')
                    FROM n WHERE i % 2 = 0 AND i <= 2 * {running} OR i % 2 = 1 AND i <= 2 * {finished};
                 COMMIT;",
                2 * running.max(finished).max(1),
            ))
            .unwrap();
        SqliteStore::open(&path, Options::default()).unwrap().migrate().unwrap();
        let every = running.checked_div(orphans).unwrap_or(0);
        let is_orphan = if every == 0 { "false".to_owned() } else { format!("id / 2 % {every} = 0") };
        connection
            .batch_execute(&format!(
                "BEGIN;
                 UPDATE jobs SET reaper_attach = 'done',
                    reaper_executor = CASE WHEN {is_orphan} THEN '{HERE}/b/1/{DEAD}/7/8'
                        ELSE 'there/b/1/' || (1000 + id) || '/7/8' END,
                    reaper_monitor = CASE WHEN {is_orphan} THEN '{HERE}/b/1/{DEAD}/7/8' ELSE 'there/b/1/77/7/8' END
                    WHERE status = 'running';
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {events})
                 INSERT INTO reaper_events (id, at, job_id, fence, actor, action, rule, reason, from_status, to_status,
                        evidence)
                    SELECT i, 1700000000000 + i, 2 * i, i, 'reaper', 'requeue', 'nobody_left', 'executor dead',
                        'running', 'queued', '{{\"executor\":\"dead\"}}'
                    FROM n WHERE {events} > 0;
                 COMMIT; PRAGMA wal_checkpoint(TRUNCATE);",
            ))
            .unwrap();
        made
    }

    /// Its file.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("jobs.db")
    }

    /// Its folder, for copies.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A store on it.
    pub fn store(&self) -> Arc<dyn Store> {
        store(&self.path())
    }

    /// A connection as the store's own are.
    pub fn connection(&self) -> SqliteConnection {
        connection(&self.path())
    }

    /// A copy of the file, as it was made.
    pub fn copy(&self) -> PathBuf {
        let copy = self.folder().join("copy.db");
        for old in ["copy.db", "copy.db-wal", "copy.db-shm"] {
            std::fs::remove_file(self.folder().join(old)).ok();
        }
        std::fs::copy(self.path(), &copy).unwrap();
        // What the copy wrote is on the disk before anything is measured.
        std::fs::File::open(&copy).unwrap().sync_all().unwrap();
        copy
    }
}

/// A store on a file.
pub fn store(path: &Path) -> Arc<dyn Store> {
    parts::open(path.to_str().unwrap())
}

/// A connection to a file, as the store's own are.
pub fn connection(path: &Path) -> SqliteConnection {
    let (connection, _file) = connect(path, Duration::from_secs(5)).unwrap();
    connection
}

/// A connection with SQLite's own settings, which write as durably.
pub fn plain(path: &Path) -> SqliteConnection {
    let mut connection = <SqliteConnection as diesel::Connection>::establish(path.to_str().unwrap()).unwrap();
    connection.batch_execute("PRAGMA synchronous = FULL").unwrap();
    connection
}

/// How many events there are, and of how many attempts.
pub fn events(path: &Path) -> (u64, u64) {
    let mut connection = connection(path);
    let count = |what: &'static str, connection: &mut SqliteConnection| {
        u64::try_from(Sql(what, Vec::new()).ids(connection)[0]).unwrap()
    };
    (
        count("SELECT count(*) FROM reaper_events", &mut connection),
        count("SELECT count(*) FROM (SELECT DISTINCT job_id, fence FROM reaper_events)", &mut connection),
    )
}
