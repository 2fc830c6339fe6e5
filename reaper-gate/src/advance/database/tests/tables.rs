//! What a database has to offer so that the tests of both can be told on it. Each says beside its `Database` how it is made.

use diesel::{
    Connection, QueryableByName,
    connection::SimpleConnection as _,
    sql_types::{BigInt, Nullable, Text},
};
use reaper_core::AdvanceOrder;

use crate::advance::Advance;

/// What `Tables::task` reads.
pub(crate) const TASK: &str = "SELECT stage, reaper_stage_version FROM tasks WHERE id = 3";

/// What `Tables::jobs` reads.
pub(crate) const JOBS: &str = "SELECT id, agent, repo, task_id, status, reaper_source_key FROM jobs ORDER BY id";

#[derive(QueryableByName)]
pub(crate) struct TaskRow {
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) stage: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub(crate) reaper_stage_version: i64,
}

#[derive(Debug, PartialEq, Eq, QueryableByName)]
pub(crate) struct JobRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) id: i64,
    #[diesel(sql_type = Text)]
    pub(crate) agent: String,
    #[diesel(sql_type = Text)]
    pub(crate) repo: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) task_id: Option<i64>,
    #[diesel(sql_type = Text)]
    pub(crate) status: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) reaper_source_key: Option<String>,
}

/// Makes connections.
pub(crate) type Factory<C> = Box<dyn Fn() -> Result<C, String> + Send + Sync>;

/// The tables as Reaper prepares them, where no other test sees them, with one task.
pub(crate) trait Tables {
    type Connection: Connection + 'static;
    type Advance: Advance;

    /// Makes connections to them, which are prepared with these statements too.
    fn factory(&self, statements: &'static str) -> Factory<Self::Connection>;

    /// An advance over connections that are made so.
    fn over(connect: Factory<Self::Connection>) -> Self::Advance;

    /// The one task.
    fn task(&self) -> TaskRow;

    fn jobs(&self) -> Vec<JobRow>;

    /// The id of the first job that stays, where so many have been enqueued before it and rolled back.
    fn id_after(rolled_back: i64) -> i64;

    fn connect(&self) -> Self::Connection {
        self.factory("")().unwrap()
    }

    fn run(&self, sql: &str) {
        self.connect().batch_execute(sql).unwrap();
    }

    fn advance(&self) -> Self::Advance {
        self.advance_with("")
    }

    /// An advance whose connections are prepared with these statements too.
    fn advance_with(&self, statements: &'static str) -> Self::Advance {
        Self::over(self.factory(statements))
    }

    fn stage(&self) -> String {
        self.task().stage.unwrap()
    }

    /// The order to move the task on from where it stands now.
    fn order(&self) -> AdvanceOrder {
        self.order_of(self.task().reaper_stage_version)
    }

    fn order_of(&self, version: i64) -> AdvanceOrder {
        AdvanceOrder {
            task: 3.into(),
            repo: "orchestrator".into(),
            from: "architecture".into(),
            version: version.into(),
            to: "development".into(),
            next_agent: Some("developer".into()),
        }
    }
}
