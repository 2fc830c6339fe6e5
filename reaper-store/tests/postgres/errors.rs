//! What can go wrong with a server: each a clear error, nothing changed, and recovery once the cause is gone.

use std::time::Duration;

use diesel::{QueryableByName, RunQueryDsl as _, sql_query, sql_types::Text};
use reaper_core::Mode;
use reaper_store::{
    Attempts as _, Claims as _, Control as _, Facts as _, History as _, Outbox as _, Outcome, Settlement,
    StoreError,
    attempts::{Launcher, Wants},
    facts::Cursor,
    history::Query,
    postgres::{Options, Pooling, PostgresStore, connect},
};

use crate::{
    both::{
        claims::claim,
        errors::{self, RUNNING, alert, everything},
    },
    database::{Database, Program},
    proxy::{Cut, Proxy},
};

fn brief() -> Options {
    Options { lock_timeout: Duration::from_millis(50), ..Options::default() }
}

/// The same address with something else in place of its host, user or database.
fn password_url(host: &str) -> String {
    format!("postgres://somebody:s3cret@{host}/nowhere")
}

#[test]
fn a_server_that_is_not_there_is_named_without_the_password() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = listener.local_addr().unwrap().to_string();
    drop(listener);
    for problem in [
        PostgresStore::open(&password_url(&gone), Options::default()).err(),
        connect(&password_url(&gone), Options::default()).map(drop).err(),
        PostgresStore::open("sqlite:///s3cret", Options::default()).err(),
        PostgresStore::open("postgres://me:s3cret@nobody@host/x", Options::default()).err(),
    ] {
        let problem = problem.expect("it fails");
        assert!(matches!(&problem, StoreError::Unreachable { .. }), "{problem:?}");
        assert!(!format!("{problem:?} {problem}").contains("s3cret"), "{problem:?}");
        assert!(!problem.to_string().contains(['\n', '\t']), "it is one line: {problem:?}");
    }
}

#[test]
fn a_store_that_only_reads() {
    for pooling in [Pooling::Session, Pooling::Transaction] {
        errors::a_store_that_only_reads(Options { read_only: true, pooling, ..Options::default() });
    }
}

/// As a hot standby answers, or a server that was set to be read only.
#[test]
fn a_server_that_is_read_only() {
    let database = Database::adopted(RUNNING);
    let job = database.job(1);
    database.program.run(&format!("ALTER DATABASE {} SET default_transaction_read_only = on", database.name()));
    let store = database.open(Options::default());
    assert!(store.load(&everything(), &Cursor::default(), 10).is_ok(), "who reads is not hindered");
    let problem = store.settle(&[claim(&job, Settlement::Fail)]).unwrap_err();
    assert!(matches!(&problem, StoreError::ReadOnly(_)), "{problem:?}");
    assert!(matches!(store.set_mode(Mode::Off), Err(StoreError::ReadOnly(_))));
}

#[test]
fn a_locked_table_is_waited_for_and_no_longer() {
    let database = Database::adopted(RUNNING);
    let job = database.job(1);
    for pooling in [Pooling::Session, Pooling::Transaction] {
        let store = database.open(Options { pooling, ..brief() });
        let other = Program::on(database.url());
        other.run("BEGIN; LOCK TABLE reaper_settings IN ACCESS EXCLUSIVE MODE");
        for problem in [store.settle(&[claim(&job, Settlement::Fail)]).err(), store.set_mode(Mode::Off).err()] {
            assert!(matches!(problem, Some(StoreError::Busy { waited_ms: 50 })), "{problem:?}");
        }
        assert!(store.job(&1.into()).unwrap().is_some());
        other.run("COMMIT");
        assert_eq!(store.mode().unwrap(), Mode::Enforce);
        assert_eq!(database.job(1), job);
    }
}

/// A connection whose backend is ended is dropped, and those that are kept with it; the next call makes a new one.
#[test]
fn a_server_that_drops_its_connections_is_come_back_to() {
    let database = Database::adopted(RUNNING);
    let job = database.job(1);
    let barrier = std::sync::Barrier::new(3);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                barrier.wait();
                database.store.now().unwrap()
            });
        }
    });
    database.program.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    let problem = database.store.settle(&[claim(&job, Settlement::Fail)]).unwrap_err();
    assert!(matches!(&problem, StoreError::Unreachable { .. }), "{problem:?}");
    assert_eq!(database.store.settle(&[claim(&job, Settlement::Fail)]).unwrap(), [Outcome::Won]);
}

/// The connection breaks around COMMIT: whether it took effect is found out, not guessed.
#[test]
fn a_commit_without_an_answer_is_looked_up() {
    for (cut, expected) in [(Cut::BeforeCommit, None), (Cut::AfterCommit, Some(Outcome::Won))] {
        let database = Database::adopted(RUNNING);
        let job = database.job(1);
        let proxy = Proxy::to(database.url());
        let store = PostgresStore::open(&proxy.url, Options::default()).unwrap();
        assert_eq!(store.mode().unwrap(), Mode::Enforce);
        proxy.cut_once(cut);
        let effect = Some(alert());
        let claim = reaper_store::Claim { effect, ..claim(&job, Settlement::Fail) };
        let settled = store.settle(std::slice::from_ref(&claim));
        assert!(proxy.has_cut(), "the connection was cut");
        match expected {
            Some(outcome) => assert_eq!(settled.unwrap(), [outcome], "{cut:?}"),
            None => {
                let problem = settled.unwrap_err();
                assert!(matches!(&problem, StoreError::Unreachable { .. }), "{problem:?}");
                assert_eq!(database.job(1), job);
                assert_eq!(store.settle(&[claim]).unwrap(), [Outcome::Won], "it begins again from the facts");
            }
        }
        let events = database.store.events(&Query { limit: 10, ..Query::default() }).unwrap();
        assert_eq!(events.len(), 1, "{cut:?}");
        assert_eq!(database.store.undelivered(10).unwrap().len(), 1, "{cut:?}");
    }
}

/// A worker that does not know that it has taken a job would leave it running for as long as itself.
#[test]
fn f22_a_take_without_an_answer_is_looked_up() {
    for cut in [Cut::BeforeCommit, Cut::AfterCommit] {
        let database =
            Database::adopted("INSERT INTO jobs (id, agent, repo, status) VALUES (1, 'a', 'r', 'queued')");
        let proxy = Proxy::to(database.url());
        let store = PostgresStore::open(&proxy.url, Options::default()).unwrap();
        assert_eq!(store.mode().unwrap(), Mode::Enforce);
        proxy.cut_once(cut);
        let launcher = Launcher::free("here/boot/1/7/1/2".parse().unwrap());
        let taken = store.take(&Wants::Any, &launcher);
        assert!(proxy.has_cut(), "the connection was cut");
        let taken = if cut == Cut::AfterCommit {
            taken.unwrap()
        } else {
            let problem = taken.unwrap_err();
            assert!(!matches!(&problem, StoreError::OutcomeUnknown(_)), "nothing was taken: {problem:?}");
            store.take(&Wants::Any, &launcher).unwrap()
        };
        let taken = taken.unwrap().job;
        assert_eq!(taken.attempt, database.job(1).attempt, "{cut:?}");
        assert_eq!(taken.attempts, 1, "it is charged once");
        assert_eq!(store.take(&Wants::Any, &launcher).unwrap().map(|taken| taken.job.attempt), None);
    }
}

/// Where the outcome cannot be looked up either, it is said to be unknown; so is that of every other write.
#[test]
fn a_commit_that_cannot_be_looked_up_is_unknown() {
    let database = Database::adopted(RUNNING);
    let job = database.job(1);
    let proxy = Proxy::to(database.url());
    let store = PostgresStore::open(&proxy.url, Options::default()).unwrap();
    proxy.cut_once(Cut::ForGood);
    let problem = store.settle(&[claim(&job, Settlement::Fail)]).unwrap_err();
    assert!(matches!(&problem, StoreError::OutcomeUnknown(_)), "{problem:?}");

    let proxy = Proxy::to(database.url());
    let store = PostgresStore::open(&proxy.url, Options::default()).unwrap();
    proxy.cut_once(Cut::AfterCommit);
    let problem = store.set_mode(Mode::Report).unwrap_err();
    assert!(matches!(&problem, StoreError::OutcomeUnknown(_)), "{problem:?}");
    assert_eq!(store.mode().unwrap(), Mode::Report);
}

#[derive(QueryableByName)]
struct Setting {
    #[diesel(sql_type = Text)]
    value: String,
}

#[test]
fn a_connection_for_other_code_is_as_the_stores_own() {
    let database = Database::created();
    let show = |options: Options, name: &str| {
        let mut connection = connect(database.url(), options).unwrap();
        let setting = sql_query(format!("SELECT current_setting('{name}') AS value"));
        setting.get_result::<Setting>(&mut connection).unwrap().value
    };
    let pooled = Options { pooling: Pooling::Transaction, ..Options::default() };
    for (name, own, plain) in [
        ("lock_timeout", "5s", "0"),
        ("statement_timeout", "1min", "0"),
        ("idle_in_transaction_session_timeout", "1min", "0"),
        ("plan_cache_mode", "force_generic_plan", "auto"),
        ("application_name", "reaper", "reaper"),
    ] {
        assert_eq!(show(Options::default(), name), own, "{name}");
        assert_eq!(show(pooled, name), plain, "{name}");
    }
}

/// Behind a transaction pooler nothing is left in the session that the next transaction could miss or be harmed by.
#[test]
fn a_transaction_pooler_finds_no_session_state() {
    let database = Database::adopted(RUNNING);
    let store = database.open(Options { pooling: Pooling::Transaction, ..Options::default() });
    // A function of the owner's tells what the session of the claim holds.
    database.program.run(
        "CREATE TABLE seen (prepared bigint, locks bigint, lock_timeout text, commit text);
         CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO seen SELECT (SELECT count(*) FROM pg_prepared_statements),
                (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
                current_setting('lock_timeout'), current_setting('synchronous_commit');
            RETURN NULL; END $$;
         CREATE TRIGGER look AFTER UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION look()",
    );
    let job = store.job(&1.into()).unwrap().unwrap().unwrap();
    for _ in 0..3 {
        store.load(&everything(), &Cursor::default(), 10).unwrap();
    }
    assert_eq!(store.settle(&[claim(&job, Settlement::Fail)]).unwrap(), [Outcome::Won]);
    let seen =
        database.program.text("SELECT concat_ws(' ', prepared, locks, lock_timeout, commit) AS x FROM seen");
    assert_eq!(seen.as_deref(), Some("0 0 5s on"));
}

/// `synchronous_commit = off` of the database's is overridden where a claim is written.
#[test]
fn a_claim_is_durable_whatever_the_default() {
    let database = Database::adopted(RUNNING);
    database.program.run(&format!("ALTER DATABASE {} SET synchronous_commit = off", database.name()));
    database.program.run(
        "CREATE TABLE seen (x text);
         CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
         CREATE TRIGGER look AFTER UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION look()",
    );
    let store = database.open(Options::default());
    assert_eq!(store.settle(&[claim(&database.job(1), Settlement::Fail)]).unwrap(), [Outcome::Won]);
    assert_eq!(database.program.text("SELECT x FROM seen").as_deref(), Some("on"));
}
