//! What is there, and what was run.

/// A setting for this transaction alone.
macro_rules! set_local {
    ($name:literal, $value:literal) => {
        concat!("set_config('", $name, "', ", $value, ", true)")
    };
}

statements! {
    CHECK = concat!("SELECT ", checked!());

    /// A claim that was acknowledged must survive a crash of the server, whatever its default is; one that waits for
    /// standbys goes on doing so.
    PREPARE = concat!(
    "SELECT ",
    checked!(),
    ",
    CASE WHEN current_setting('synchronous_commit') IN ('off', 'local', 'remote_write') THEN ",
    set_local!("synchronous_commit", "'on'"),
    " END,
    ",
    set_local!("plan_cache_mode", "'force_generic_plan'"),
    ", ",
    set_local!("lock_timeout", ":lock_timeout"),
    ", ",
    set_local!("statement_timeout", ":statement_timeout"),
    ",
    ",
    set_local!("idle_in_transaction_session_timeout", ":idle")
);

    WAIT_AT_MOST = concat!("SELECT ", set_local!("lock_timeout", ":lock_timeout"));

    /// The schema that the tables are in, or would be made in.
    SCHEMA = "SELECT coalesce((SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.oid = to_regclass('jobs')), current_schema())::text";

    SEARCH_SCHEMA = "SELECT set_config('search_path', quote_ident(:schema), true)";

    /// One that migrates waits for another to end.
    MIGRATION_LOCK = "SELECT pg_advisory_xact_lock(8243112110417199731)::text";

    HAS_MIGRATIONS = "SELECT to_regclass('reaper_migrations')::text";

    CREATE_MIGRATIONS = "CREATE TABLE IF NOT EXISTS reaper_migrations (
    version text PRIMARY KEY,
    run_on timestamptz NOT NULL DEFAULT now()
)";

    /// A table of the contract: its kind, how it is kept, its schema.
    TABLE = "SELECT c.relkind::text, c.relpersistence::text, n.nspname::text
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass(:name)";

    /// Its columns with the types that they have under their domains, the types' categories, and their places in the
    /// primary key.
    COLUMNS = "SELECT a.attname::text, format_type(b.oid, NULL), b.typcategory::text,
        (SELECT count(*) FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY(i.indkey)),
        format_type(a.atttypid, a.atttypmod)
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
    WHERE a.attrelid = to_regclass(:name) AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum";

    /// Whatever a migration makes: kind, table that it is of, name. A trigger that is off is none.
    OBJECTS = "WITH here AS (SELECT c.oid, c.relnamespace FROM pg_class c
        WHERE c.oid IN (to_regclass('jobs'), to_regclass('tasks'), to_regclass('agent_runs')))
    SELECT CASE c.relkind WHEN 'i' THEN 'index' ELSE 'table' END,
        coalesce((SELECT t.relname FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid WHERE i.indexrelid = c.oid)::text, ''),
        c.relname::text
        FROM pg_class c
        WHERE c.relkind IN ('r', 'i') AND (starts_with(c.relname::text, 'reaper_') OR c.oid IN (SELECT oid FROM here))
            AND c.relnamespace IN (SELECT relnamespace FROM here)
    UNION ALL SELECT 'column', (SELECT c.relname::text FROM pg_class c WHERE c.oid = a.attrelid), a.attname::text
        FROM pg_attribute a
        WHERE a.attrelid IN (SELECT oid FROM here) AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL SELECT 'trigger', (SELECT c.relname::text FROM pg_class c WHERE c.oid = t.tgrelid), t.tgname::text
        FROM pg_trigger t
        WHERE t.tgrelid IN (SELECT oid FROM here) AND t.tgenabled IN ('O', 'A')
    UNION ALL SELECT 'function', '', p.proname::text FROM pg_proc p
        WHERE starts_with(p.proname::text, 'reaper_') AND p.pronamespace IN (SELECT relnamespace FROM here)";
}
