//! Every statement of the adapter. Places for values are named (`:job`); instants are milliseconds since
//! 1970-01-01 00:00 UTC.
//!
//! A limit is written `:limit + 0`: SQLite prepares a statement anew whenever the value of a bare `LIMIT ?` is bound
//! (tried: a load of a pass takes 240 us so, and 20 us otherwise).

/// Now, in milliseconds; one instant throughout a statement.
macro_rules! now {
    () => {
        "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"
    };
}

/// That nobody else writes what a transaction that writes has read. SQLite has one writer.
macro_rules! held {
    () => {
        ""
    };
}

/// How many rows at the most, after `LIMIT`, in the texts that both databases tell.
macro_rules! limit {
    () => {
        ":limit + 0"
    };
}

/// The host in the text form of an identity, as the indexes have it.
macro_rules! host {
    ($column:literal) => {
        concat!("substr(", $column, ", 1, instr(", $column, ", '/') - 1)")
    };
}

/// The columns of [`RawJob`](crate::database::row::RawJob), of `jobs j LEFT JOIN tasks t`.
macro_rules! job_columns {
    () => {
        "j.id, j.reaper_fence, j.status, j.agent, j.repo, j.task_id, j.attempts, j.max_attempts, j.reaper_rescues, \
         j.run_id, j.pid, j.reaper_inherited, j.reaper_started_at, j.reaper_exit_code, j.reaper_exit_at, \
         j.reaper_executor, j.reaper_monitor, j.reaper_attach, j.reaper_node_bound, j.reaper_beat, j.reaper_beat_at, \
         j.reaper_terminating_at, t.id, t.stage, t.reaper_stage_version, t.branch, t.work_item_id"
    };
}

mod claims;
mod instances;
mod load;
mod nodes;
mod outbox;
mod same;
mod schema;
mod worker;

#[cfg(test)]
mod tests;

pub(super) use self::{claims::*, instances::*, load::*, nodes::*, outbox::*, same::*, schema::*, worker::*};

/// Gives the texts for the calls that are the same on every database to the connection.
macro_rules! same_calls {
    ($($name:ident)*) => {
        impl crate::database::Texts for diesel::SqliteConnection {
            $(const $name: &'static str = $name;)*
        }
    };
}

each_text!(same_calls);
