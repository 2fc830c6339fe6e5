//! SQLite: its tables, each case on a database of its own.

mod idle;
mod plans;
mod rescue;
mod rows;
mod sql;

use rows::Rowed;

use crate::{
    arguments::Arguments,
    memory,
    parts::Rows,
    race,
    table::{Case, Table, short},
};

/// All tables that are asked for, each as it is done.
pub fn tables(arguments: &Arguments, measured: &mut impl FnMut(Table)) {
    let rounds = if arguments.short { 1 } else { 7 };
    let wants = |name: &str| name.contains(&arguments.only);
    if wants("sqlite-idle") || wants("sqlite-quiet") {
        idles(arguments.short, rounds).into_iter().filter(|table| wants(table.name)).for_each(&mut *measured);
    }
    if wants("sqlite-rescue") {
        measured(rescues(arguments.short, rounds));
    }
    if wants("sqlite-memory") {
        measured(memories(arguments.short));
    }
    if wants("sqlite-race") {
        measured(races(arguments.short, rounds));
    }
    if arguments.history && wants("sqlite-history") {
        measured(history(arguments, rounds));
    }
}

fn idles(is_short: bool, rounds: usize) -> [Table; 2] {
    let sizes: &[u64] = if is_short { &[10_000] } else { &[1000, 10_000, 100_000, 1_000_000] };
    let (mut idle, mut quiet) = (Vec::new(), Vec::new());
    for &size in sizes {
        eprintln!("sqlite: idle passes over {size} running jobs");
        let rows = Rowed::new(Rows { running: size, finished: size, ..Rows::default() });
        plans::assert_indexed(&rows);
        let case = |measured| Case::Times { name: format!("{} running", short(size)), size, measured };
        quiet.push(case(idle::nothing_written(&rows, rounds)));
        idle.push(case(idle::after_a_write(&rows, rounds, size <= 100_000)));
    }
    let after = "SQLite: a pass with nothing to do, after another program wrote".into();
    let nothing = "SQLite: a pass when nothing was written".into();
    [
        Table { name: "sqlite-idle", title: after, cases: idle },
        Table { name: "sqlite-quiet", title: nothing, cases: quiet },
    ]
}

fn rescues(is_short: bool, rounds: usize) -> Table {
    let sizes: &[(u64, u64)] = if is_short { &[(1000, 10_000)] } else { &[(10_000, 100_000), (1000, 1_000_000)] };
    let cases = sizes.iter().map(|&(orphans, running)| {
        eprintln!("sqlite: rescue of {orphans} of {running}");
        let rows = Rowed::new(Rows { running, orphans, finished: running, ..Rows::default() });
        let goal = (orphans == 10_000).then_some(1.0);
        let measured = rescue::rescue(&rows, usize::try_from(orphans).unwrap(), rounds, goal);
        Case::Times { name: format!("{} of {}", short(orphans), short(running)), size: orphans, measured }
    });
    Table {
        name: "sqlite-rescue",
        title: "SQLite: orphans requeued, events included".into(),
        cases: cases.collect(),
    }
}

fn memories(is_short: bool) -> Table {
    // The first passes over a million see as many rows as all of them would: the peak is theirs.
    let sizes: &[(u64, usize, usize)] = if is_short {
        &[(10_000, 1000, 3)]
    } else {
        &[(100_000, 1000, 10), (100_000, 10_000, 11), (1_000_000, 1000, 3)]
    };
    let idle = Rowed::new(Rows::default());
    let idle = memory::of_child(idle.path().to_str().unwrap(), 1000, 3);
    let cases = sizes.iter().map(|&(orphans, budget, passes)| {
        eprintln!("sqlite: memory of settling {orphans}");
        let rows = Rowed::new(Rows { running: orphans, orphans, ..Rows::default() });
        let value = memory::of_child(rows.path().to_str().unwrap(), budget, passes) - idle;
        Case::Figure {
            name: format!("{} orphans, {passes} passes of {budget}", short(orphans)),
            value,
            goal: 32.0,
            unit: "MB",
        }
    });
    Table {
        name: "sqlite-memory",
        title: "SQLite: peak memory above that of the idle program".into(),
        cases: cases.collect(),
    }
}

fn races(is_short: bool, rounds: usize) -> Table {
    let orphans = if is_short { 1000 } else { 10_000 };
    eprintln!("sqlite: processes racing over {orphans} orphans");
    let rows = Rowed::new(Rows { running: orphans, orphans, ..Rows::default() });
    let measured = race::measure(
        rounds,
        orphans,
        || rows.copy().to_str().unwrap().to_owned(),
        |database| rows::events(database.as_ref()),
    );
    Table {
        name: "sqlite-race",
        title: "SQLite: orphans settled by one process and by sixteen at once".into(),
        cases: vec![Case::Times { name: format!("{} orphans", short(orphans)), size: orphans, measured }],
    }
}

fn history(arguments: &Arguments, rounds: usize) -> Table {
    let past = arguments.past();
    eprintln!("sqlite: {past} finished jobs and as many events");
    let rows = Rowed::new(Rows { running: 10_000, orphans: 0, finished: past, events: past });
    let case =
        |name: &str, measured| Case::Times { name: format!("{name}, {} past", short(past)), size: past, measured };
    let idle = case("10k running", idle::after_a_write(&rows, rounds, false));
    let quiet = case("10k running, nothing written", idle::nothing_written(&rows, rounds));
    drop(rows);
    let rows = Rowed::new(Rows { running: 10_000, orphans: 1000, finished: past, events: past });
    // Each measurement has a copy of the file, which is some GB here.
    let rescue = case("1k of 10k rescued", rescue::rescue(&rows, 1000, rounds.min(3), None));
    let title = "SQLite: a long past beside".into();
    Table { name: "sqlite-history", title, cases: vec![idle, quiet, rescue] }
}
