//! `reaper run` as a child, and what it says of its passes.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
    thread,
};

use diesel::{Connection as _, PgConnection, connection::SimpleConnection};
use reaper_store::Store;
use reaper_tests::{
    database::{Database, Kind},
    program::Program,
};

/// The program on a database of its own.
#[derive(Debug)]
pub struct Reaper {
    /// Its folder is there for as long as this is.
    database: Database,
    pub store: Arc<dyn Store>,
    program: Program,
    running: Option<(Child, Receiver<String>)>,
}

impl Reaper {
    /// Prepares a database; `None` where there is none of this kind. On SQLite it is one that Reaper makes: with
    /// write-ahead logging and `synchronous = FULL`.
    pub fn on(kind: Kind, interval: &str) -> Option<Self> {
        let (database, store): (_, Arc<dyn Store>) = match kind {
            Kind::Sqlite => {
                let database = Database::foreign();
                database.sql("PRAGMA journal_mode = WAL");
                let options = reaper_store::sqlite::Options::default();
                let store = reaper_store::sqlite::SqliteStore::open(&database.path(), options).unwrap();
                reaper_store::Schema::migrate(&store).unwrap();
                (database, Arc::new(store))
            }
            Kind::Postgres => Database::adopted_on(kind)?,
        };
        let program = Program::on(env!("CARGO_BIN_EXE_reaper-under-test"), &database);
        let backoff = "backoff = { base = \"1h\", max = \"1h\" }\nbudget = 100000\npage = 100000";
        // All that is killed here dies young, and it is the way of one death that is measured, not a crash loop's.
        program.configure(&format!("interval = \"{interval}\"\nintensity = \"off\"\n{backoff}"));
        Some(Self { database, store, program, running: None })
    }

    /// The least that a settlement can cost: another connection's commit of one changed row, as safely.
    pub fn commits(&self, kind: Kind) -> Box<dyn FnMut()> {
        fn of(mut connection: impl SimpleConnection + 'static) -> Box<dyn FnMut()> {
            let table = "CREATE TABLE bare_commit (n bigint); INSERT INTO bare_commit VALUES (0)";
            connection.batch_execute(table).unwrap();
            Box::new(move || connection.batch_execute("UPDATE bare_commit SET n = n + 1").unwrap())
        }
        if kind == Kind::Postgres {
            return of(PgConnection::establish(self.database.url()).unwrap());
        }
        let mut connection = self.database.connection();
        connection.batch_execute("PRAGMA synchronous = FULL").unwrap();
        of(connection)
    }

    pub fn start(&mut self) {
        let mut command = self.program.command(&["run", "--output", "json"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        // Read at once, whatever is measured meanwhile: it waits for whoever does not take what it says.
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, told) = mpsc::channel();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| tell.send(line)));
        self.running = Some((child, told));
    }

    pub fn pid(&self) -> u32 {
        self.running.as_ref().unwrap().0.id()
    }

    /// What it says of its next pass.
    pub fn pass(&mut self) -> serde_json::Value {
        let line = self.running.as_ref().unwrap().1.recv().expect("it runs");
        serde_json::from_str(&line).unwrap()
    }

    /// Waits for a tick after which so many processes are watched and hardly a row was loaded.
    pub fn until_calm(&mut self, watched: usize) {
        // What it said before this is old.
        self.running.as_ref().unwrap().1.try_iter().for_each(drop);
        for _ in 0..3000 {
            let pass = self.pass();
            let calm = pass["counts"]["loaded"].as_u64().unwrap() <= 50;
            if calm && pass["watch"]["watched"].as_u64() == Some(u64::try_from(watched).unwrap()) {
                return;
            }
        }
        panic!("it does not come to watch {watched} processes");
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        if let Some((mut child, _)) = self.running.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
