//! Who has which rights: the owner's programs, which know nothing of Reaper, and Reaper's own role.

use reaper_core::{Mode, Status};
use reaper_store::{
    Attempts as _, Claims as _, Control as _, Facts as _, History as _, Outbox as _, Outcome, Schema as _,
    Settlement, StoreError,
    attempts::{Launcher, NewJob, NewTask, Recorded, Wants, Written},
    outbox::Which,
    postgres::{Options, PostgresStore},
};

use crate::{both::claims::claim, database::Database};

/// The script of docs/postgres.md.
fn grants() -> String {
    let docs = include_str!("../../docs/postgres.md");
    docs.split_once("```sql\n").unwrap().1.split_once("```").unwrap().0.to_owned()
}

/// A role that is dropped with this value, after the database that knows it.
struct Role {
    name: String,
    database: Option<Database>,
}

impl Role {
    fn new(database: Database) -> Self {
        let name = format!("reaper_role_{}", fastrand());
        database.program.run(&format!("CREATE ROLE {name} LOGIN PASSWORD 'x'"));
        Self { name, database: Some(database) }
    }

    fn database(&self) -> &Database {
        self.database.as_ref().unwrap()
    }

    /// The URL of the database for this role.
    fn url(&self) -> String {
        let url = self.database().url();
        let (scheme, rest) = url.split_once("://").unwrap();
        let (authority, path) = rest.split_once('/').unwrap();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        format!("{scheme}://{}:x@{host}/{path}", self.name)
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let Some(database) = self.database.take() else { return };
        let name = &self.name;
        drop(database.program.try_run(&format!("DROP OWNED BY {name}; DROP ROLE {name}")));
    }
}

/// A number that no other test has.
fn fastrand() -> u64 {
    reaper_store::claims::EventId::draw().0.unsigned_abs()
}

/// A role with rights to the owner's columns alone goes on working, and its rows are fenced and mirrored.
#[test]
fn a_role_without_rights_to_reapers_columns_goes_on_working() {
    let role = Role::new(Database::adopted(""));
    let name = &role.name;
    role.database().program.run(&format!(
        "GRANT SELECT (id, agent, repo, task_id, status, run_id, pid, started_at, attempts),
            INSERT (id, agent, repo, task_id, status, run_id, pid, started_at),
            UPDATE (status, run_id, pid, started_at, attempts) ON jobs TO {name};
         GRANT SELECT, INSERT, UPDATE ON tasks TO {name};
         REVOKE INSERT, UPDATE ON tasks FROM {name};
         GRANT INSERT (id, repo, stage), UPDATE (stage) ON tasks TO {name};
         GRANT SELECT, INSERT (id, exit_code, finished_at), UPDATE (exit_code, finished_at) ON agent_runs TO {name}"
    ));
    let program = crate::database::Program::on(&role.url());
    program.run(
        "INSERT INTO tasks (id, repo, stage) VALUES (1, 'r', 'a'); UPDATE tasks SET stage = 'b';
         INSERT INTO agent_runs (id) VALUES (7);
         INSERT INTO jobs (id, agent, repo, task_id, status) VALUES (1, 'a', 'r', 1, 'queued');
         UPDATE jobs SET status = 'running', run_id = 7, pid = 5;
         UPDATE agent_runs SET exit_code = 0, finished_at = now()",
    );
    let job = role.database().job(1);
    assert_eq!((job.status, job.exit.map(|exit| exit.code)), (Status::Running, Some(0)));
    program.run("UPDATE jobs SET status = 'queued'");
    assert!(program.try_run("UPDATE jobs SET reaper_fence = 1").is_err(), "it may not write a fence");
    assert_ne!(role.database().job(1).attempt.fence.as_int(), Some(0));
}

/// Reaper's own role has what docs/postgres.md grants, which is all that it needs, and may not migrate.
#[test]
fn the_documented_grants_are_enough() {
    let role = Role::new(Database::created());
    role.database().program.run(&grants().replace("reaper_program", &role.name));
    let store = PostgresStore::open(&role.url(), Options::default()).unwrap();
    let task = NewTask { repo: "shop".into(), work_item: Some("W".into()), branch: None, stage: "s".into() };
    let task = store.add_task(&task).unwrap();
    let job = |key: Option<&str>| NewJob {
        agent: "developer".into(),
        repo: "shop".into(),
        task: Some(task.clone()),
        max_attempts: 2,
        source_key: key.map(str::to_owned),
        payload: None,
    };
    for key in [None, Some("k"), Some("k")] {
        let _enqueued = store.enqueue(&job(key)).unwrap();
    }
    let monitor: reaper_core::ProcessIdentity = "here/b/1/2/3/4".parse().unwrap();
    let taken = store.take(&Wants::Any, &Launcher::free(monitor.clone())).unwrap().unwrap();
    assert_eq!(store.attach(&taken.job.attempt, &monitor).unwrap(), Written::Yes);
    assert_eq!(store.beat(&taken.job.attempt).unwrap(), Written::Yes);
    let read = store.job(&taken.job.attempt.job).unwrap().unwrap().unwrap();
    assert_eq!(store.settle(&[claim(&read, Settlement::Terminate)]).unwrap(), [Outcome::Won]);
    assert_eq!(store.record_exit(&taken.run, 1).unwrap(), Recorded::New);
    let read = store.job(&taken.job.attempt.job).unwrap().unwrap().unwrap();
    let alert = reaper_core::Alert { kind: "k".into(), job: None, text: "t".into() };
    let requeue = Settlement::Requeue { wait: std::time::Duration::ZERO, rescue_cap: Some(5) };
    let requeue = reaper_store::Claim { effect: Some(reaper_core::Effect::Alert(alert)), ..claim(&read, requeue) };
    assert_eq!(store.settle(&[requeue]).unwrap(), [Outcome::Won]);
    let leased = store.lease(&Which::Due, 10, std::time::Duration::from_secs(60)).unwrap();
    assert_eq!(leased.len(), 1);
    let sent = reaper_store::outbox::Delivered::Done { note: "sent".into() };
    assert!(store.record(&leased[0], &sent).unwrap());
    store.set_mode(Mode::Enforce).unwrap();
    let taken = store.take(&Wants::Any, &Launcher::free(monitor)).unwrap().unwrap();
    assert_eq!(store.requeue_all_running().unwrap(), 1);
    assert_eq!(store.census().unwrap().count(Status::Running), 0);
    assert_eq!(store.stalled(&[], 10).unwrap(), []);
    assert!(store.prune(taken.job.started_at.unwrap()).is_ok());
    assert_eq!(store.pending().unwrap(), []);
    let problem = store.uninstall().unwrap_err();
    assert!(matches!(&problem, StoreError::Database(why) if why.contains("must be owner")), "{problem:?}");
    let fence = crate::database::Program::on(&role.url()).try_run("UPDATE jobs SET reaper_fence = 1");
    assert!(fence.is_err(), "nobody but a trigger writes a fence");
}
