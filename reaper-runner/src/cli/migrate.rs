//! `reaper migrate`: creates a database, brings one up to date, or takes away what Reaper added.

use clap::Args;
use reaper_store::schema::Migration;

use super::{Context, Exit, Failure, output::Style, world};

#[derive(Debug, Args)]
pub(super) struct MigrateArgs {
    /// Print what would be run, and run nothing.
    #[arg(long)]
    dry_run: bool,
    /// Take away all that Reaper added: columns, tables, indexes and triggers. The rest stays.
    #[arg(long)]
    uninstall: bool,
}

pub(super) fn migrate(context: &Context, args: &MigrateArgs) -> Result<(), Failure> {
    let schema = world::schema(&context.config, !args.dry_run && !args.uninstall)?;
    let (migrations, done) = match (args.uninstall, args.dry_run) {
        (false, false) => (schema.migrate()?, "ran"),
        (false, true) => (schema.pending()?, "would run"),
        (true, false) => (schema.uninstall()?, "took away"),
        (true, true) => (schema.installed()?, "would take away"),
    };
    if migrations.is_empty() && args.uninstall {
        return Err(Failure::new(Exit::Unchanged, "there is nothing of Reaper in this database"));
    }
    context.out.result(&migrations, || describe(context, &migrations, done, args.dry_run))
}

fn describe(context: &Context, migrations: &[Migration], done: &str, with_sql: bool) -> String {
    if migrations.is_empty() {
        return "nothing to do: the database is as it should be\n".into();
    }
    let mut text = String::new();
    for migration in migrations {
        text.push_str(&context.out.styled(Style::Strong, &format!("{done} {}", migration.name)));
        text.push('\n');
        if with_sql {
            text.push_str(migration.sql.trim_end());
            text.push_str("\n\n");
        }
    }
    text
}
