//! What is there, and what was run.

statements! {
    /// Takes no lock by itself: the first read does.
    BEGIN = "BEGIN DEFERRED";

    END = "COMMIT";

    /// Another number after every change of the schema, whoever made it.
    SCHEMA_VERSION = "PRAGMA schema_version";

    VERSION = "SELECT max(version) FROM reaper_migrations";

    CREATE_MIGRATIONS = "CREATE TABLE IF NOT EXISTS reaper_migrations (
    version TEXT PRIMARY KEY,
    run_on TEXT NOT NULL DEFAULT (datetime('now'))
)";

    OBJECT = "SELECT type, sql FROM sqlite_master WHERE lower(name) = :name
    AND type IN ('table', 'view')";

    /// By the table that each is of, which for a table is its own name.
    OBJECTS = "SELECT lower(tbl_name), lower(name) FROM sqlite_master";

    COLUMNS = "SELECT lower(name), upper(type), pk FROM pragma_table_info(:table)";
}
