//! How fast the stores are, as ratios to a limit that is measured in the same run on the same rows.
//!
//! `cargo xtask bench` builds and starts it; `tests/docs/bench.md` says how to read what it prints.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a bench fails as tests do, prints, and reads the clock that everything else must be given"
)]

mod arguments;
mod claims;
mod draw;
mod keep;
mod memory;
mod parts;
mod postgres;
mod race;
mod rounds;
mod sqlite;
mod table;

use arguments::{Arguments, Output};
use table::Table;

fn main() {
    let arguments = Arguments::read(std::env::args().skip(1));
    if let Some(child) = &arguments.child {
        println!("{}", memory::child(child));
        return;
    }
    if let Some(database) = &arguments.racer {
        println!("{}", race::racer(database));
        return;
    }
    let mut tables = Vec::new();
    // One after the other, so that what was measured is kept if a later one fails.
    let mut measured = |table: Table| {
        if arguments.output == Output::Text {
            println!("{}", table.text());
        }
        if let Some(folder) = &arguments.keep {
            draw::write(folder, &table);
            keep::keep(folder, &table);
        }
        tables.push(table);
    };
    sqlite::tables(&arguments, &mut measured);
    postgres::tables(&arguments, &mut measured);
    if arguments.output == Output::Json {
        println!("{}", serde_json::to_string_pretty(&table::json(&tables)).unwrap());
    }
}
