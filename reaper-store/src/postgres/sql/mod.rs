//! Every statement of the adapter. Places for values are named (`:job`); instants are milliseconds since
//! 1970-01-01 00:00 UTC.
//!
//! All of them are planned once for any value (`plan_cache_mode = force_generic_plan`): a plan that is made for ten
//! thousand ids reads all running rows, and one that is made anew each time costs more than an idle pass.

/// Now, in milliseconds; one instant throughout a statement, another in the next one of a transaction.
macro_rules! now {
    () => {
        "floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint"
    };
}

/// That nobody else writes what a transaction that writes has read.
macro_rules! held {
    () => {
        " FOR SHARE"
    };
}

/// How many rows at the most, after `LIMIT`, in the texts that both databases tell.
macro_rules! limit {
    () => {
        ":limit"
    };
}

/// A text as the owner's column holds it, whatever its type: an enumeration, or a number for a name.
macro_rules! owners {
    ($table:literal, $column:literal, $value:literal) => {
        concat!(
            "(jsonb_populate_record(NULL::",
            $table,
            ", jsonb_build_object('",
            $column,
            "', ",
            $value,
            "))).",
            $column
        )
    };
}

/// Now, as the owner's column of the time holds it, whatever its type: in UTC, and with the zone where it has one.
macro_rules! owners_now {
    ($table:literal, $column:literal) => {
        owners!(
            $table,
            $column,
            "to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS') || '+00'"
        )
    };
}

/// The host in the text form of an identity, as the indexes have it.
macro_rules! host {
    ($column:literal) => {
        concat!("split_part(", $column, ", '/', 1)")
    };
}

/// A column of the owner's as a text. One that is too long is cut, and its length put behind.
macro_rules! text {
    ($column:literal) => {
        concat!(
            "CASE WHEN octet_length(",
            $column,
            "::text) > 262144 THEN left(",
            $column,
            "::text, 262144) || octet_length(",
            $column,
            "::text) ELSE ",
            $column,
            "::text END"
        )
    };
}

/// The columns of `jobs j` for a [`RawJob`](crate::database::row::RawJob).
macro_rules! job_columns {
    () => {
        concat!(
            "j.id, j.reaper_fence, ",
            text!("j.status"),
            " AS status, ",
            text!("j.agent"),
            " AS agent, ",
            text!("j.repo"),
            " AS repo, j.task_id, j.attempts, j.max_attempts, j.reaper_rescues, j.run_id, j.pid, j.reaper_inherited, \
             j.reaper_started_at, j.reaper_exit_code, j.reaper_exit_at, j.reaper_executor, j.reaper_monitor, \
             j.reaper_attach, j.reaper_node_bound, j.reaper_beat, j.reaper_beat_at, j.reaper_terminating_at"
        )
    };
}

/// The columns of the job's task, and the task. `OFFSET 0` keeps the planner from reading all tasks at once.
macro_rules! task_columns {
    () => {
        "t.id, t.stage, t.reaper_stage_version, t.branch, t.work_item_id"
    };
}

macro_rules! task_of {
    ($job:literal) => {
        concat!(
            " LEFT JOIN LATERAL (SELECT t.id, ",
            text!("t.stage"),
            " AS stage, t.reaper_stage_version, ",
            text!("t.branch"),
            " AS branch, ",
            text!("t.work_item_id"),
            " AS work_item_id FROM tasks t WHERE t.id = ",
            $job,
            ".task_id OFFSET 0) t ON true"
        )
    };
}

/// What [`check`](super::schema::check) looks at: the latest version, and how many of Reaper's triggers are on. The tables
/// are looked up once, and not for every trigger that there is; their triggers are found by a range of the index, which
/// knows no prefix (the character after `_` is the grave accent).
macro_rules! checked {
    () => {
        "(SELECT max(version) FROM reaper_migrations),
    (SELECT count(*) FROM pg_trigger
        WHERE tgrelid = ANY((SELECT ARRAY[to_regclass('jobs')::oid, to_regclass('agent_runs'), to_regclass('tasks')])::oid[])
            AND tgname >= 'reaper_' AND tgname < 'reaper`' AND tgenabled IN ('O', 'A'))"
    };
}

#[macro_use]
mod parts;

mod claims;
mod figures;
mod instances;
mod load;
mod nodes;
mod outbox;
mod same;
mod schema;
mod worker;

#[cfg(test)]
mod tests;

pub(super) use self::{
    claims::*, figures::*, instances::*, load::*, nodes::*, outbox::*, same::*, schema::*, worker::*,
};

/// Gives the texts for the calls that are the same on every database to the connection.
macro_rules! same_calls {
    ($($name:ident)*) => {
        impl crate::database::Texts for diesel::PgConnection {
            $(const $name: &'static str = $name;)*
        }
    };
}

each_text!(same_calls);
