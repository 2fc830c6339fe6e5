//! F29: a SQLite file is replaced under a reaper, by a backup that is put back, say.

use std::{fs, path::Path};

use diesel::{
    Connection as _, RunQueryDsl as _, SqliteConnection, connection::SimpleConnection as _, dsl::sql,
    sql_types::Text,
};
use reaper_tests::{
    database::Database,
    jobs::{RunningJob, task},
    program::eventually,
    setting::{prepared, settled_once},
};

use crate::{BINARY, Running};

/// Puts a copy in the place of a file, as `VACUUM INTO` and `mv` do; the file that it was gets another name.
fn replace(database: &Database, ghost: &Path) {
    let (path, copy) = (database.path(), database.dir().join("copy.db"));
    database.sql(&format!("VACUUM INTO '{}'", copy.display()));
    let mut wal = SqliteConnection::establish(&copy.to_string_lossy()).unwrap();
    wal.batch_execute("PRAGMA journal_mode = WAL").unwrap();
    drop(wal);
    for end in ["", "-wal", "-shm"] {
        let named = |path: &Path| format!("{}{end}", path.display());
        fs::rename(named(&path), named(ghost)).unwrap();
    }
    fs::rename(copy, path).unwrap();
}

/// With a log that is written ahead SQLite itself does not notice it.
#[test]
fn f29_a_task_is_moved_on_in_the_file_that_took_the_place_of_another() {
    let database = Database::foreign();
    database.sql("PRAGMA journal_mode = WAL");
    let program = prepared(BINARY, &database, "interval = \"50ms\"");
    let [first, second] = [(); 2].map(|()| task(&database, "architecture"));
    let end = |task| {
        let _job =
            RunningJob { task_id: Some(task), exit_code: Some(0), ..RunningJob::default() }.insert(&database);
        let is_delivered =
            || database.count("reaper_outbox WHERE state = 'done' AND key LIKE '%:advance'") == task;
        eventually("the order is delivered", is_delivered);
    };
    let reaper = Running(program.spawn(&["run"]));
    end(first);
    assert_eq!(database.stage(first), "development");

    // Its log is opened too: it leads to the file that it is now, whatever comes to have the name.
    let mut before = database.connection();
    before.batch_execute("SELECT stage FROM tasks").unwrap();
    let ghost = database.dir().join("ghost.db");
    replace(&database, &ghost);
    end(second);
    assert_eq!(database.stage(second), "development");
    settled_once(&database);
    drop(reaper);
    let stage = sql::<Text>(&format!("SELECT stage FROM tasks WHERE id = {second}"));
    let stage: String = stage.get_result(&mut before).unwrap();
    assert_eq!(stage, "architecture", "nothing more was written to the one that it was");
}
