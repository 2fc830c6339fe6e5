//! `reaper outbox`: effects that are not delivered yet.

use clap::{Args, Subcommand};
use reaper_core::effect::Plain;
use reaper_store::outbox::OutboxRow;

use super::{
    Context, Exit, Failure,
    passes::at,
    table::{render, table},
    world::World,
};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct OutboxArgs {
    /// The oldest so many.
    #[arg(long, default_value_t = 100)]
    limit: usize,
    #[command(subcommand)]
    command: Option<OutboxCommand>,
}

#[derive(Debug, Subcommand)]
enum OutboxCommand {
    /// Deliver an effect that was given up after all: with the next pass, with all its tries.
    Retry {
        /// Its key.
        key: String,
    },
    /// Drop an effect: it is never delivered.
    Drop {
        /// Its key.
        key: String,
    },
}

pub(super) fn outbox(context: &Context, args: &OutboxArgs) -> Result<(), Failure> {
    let (key, changed, what) = match &args.command {
        None => {
            let rows = World::open_to_read(&context.config)?.store.undelivered(args.limit)?;
            return context.out.result(&rows, || describe(&rows));
        }
        Some(OutboxCommand::Retry { key }) => {
            (key, World::open(&context.config)?.store.revive(key)?, "is due again")
        }
        Some(OutboxCommand::Drop { key }) => {
            (key, World::open(&context.config)?.store.discard(key)?, "was dropped")
        }
    };
    if !changed {
        return Err(Failure::new(
            Exit::Unchanged,
            format!("there is no undelivered effect `{}`", Plain { text: key, max: 80 }),
        ));
    }
    context.out.result(&serde_json::json!({"key": key}), || format!("{} {what}", Plain { text: key, max: 80 }))
}

fn describe(rows: &[OutboxRow]) -> String {
    if rows.is_empty() {
        return "nothing is undelivered\n".into();
    }
    let mut shown = table(&["effect", "state", "tries", "due", "latest problem"]);
    for row in rows {
        shown.add_row([
            Plain { text: &row.key, max: 80 }.to_string(),
            format!("{:?}", row.state).to_lowercase(),
            row.tries.to_string(),
            at(row.due_at),
            Plain { text: row.note.as_deref().unwrap_or_default(), max: 120 }.to_string(),
        ]);
    }
    render(&shown)
}
