//! PostgreSQL: its tables, each case on a database of its own on the server that `DATABASE_URL` names.

mod costs;
mod idle;
mod peers;
mod rescue;
mod rows;
mod sql;

use peers::Peer;
use reaper_tests::database::Scratch;
use rows::Rowed;

use crate::{
    arguments::Arguments,
    memory,
    parts::Rows,
    race,
    table::{Case, Table, short},
};

/// All tables that are asked for, each as it is done; none, said loudly, where there is no server.
pub fn tables(arguments: &Arguments, measured: &mut impl FnMut(Table)) {
    let rounds = if arguments.short { 1 } else { 7 };
    let wants = |name: &str| name.contains(&arguments.only);
    if Scratch::new().is_none() {
        return;
    }
    if ["postgres-idle", "postgres-costs", "postgres-beat"].into_iter().any(wants) {
        // They share their rows. What was not asked for stays as it was measured, perhaps beside others.
        idles(arguments, rounds).into_iter().filter(|table| wants(table.name)).for_each(&mut *measured);
    }
    if wants("postgres-rescue") {
        measured(rescues(arguments, rounds));
    }
    if wants("postgres-memory") {
        measured(memories(arguments.short));
    }
    if wants("postgres-race") {
        measured(races(arguments.short, rounds));
    }
    if arguments.history && wants("postgres-history") {
        measured(history(arguments, rounds));
    }
}

fn idles(arguments: &Arguments, rounds: usize) -> [Table; 3] {
    let is_short = arguments.short;
    let sizes: &[u64] = if is_short { &[10_000] } else { &[1000, 10_000, 100_000, 1_000_000] };
    let (mut idle, mut beat, mut cost) = (Vec::new(), Vec::new(), Vec::new());
    for &size in sizes {
        eprintln!("postgres: idle passes over {size} running jobs");
        let rows = Rows { running: size, finished: if is_short { size } else { 1_000_000 }, ..Rows::default() };
        let mut peers = Peer::all(arguments.peers.as_deref(), rows);
        let rows = Rowed::new(rows);
        cost = costs::assert_cheap(&rows);
        let case = |measured| Case::Times { name: format!("{} running", short(size)), size, measured };
        idle.push(case(idle::passes(&rows, &mut peers, rounds)));
        if size == sizes[0] {
            let measured = idle::beats(&rows, rounds);
            beat.push(Case::Times { name: "one node".into(), size: 1, measured });
        }
    }
    let most = short(sizes[sizes.len() - 1]);
    let buffers =
        format!("PostgreSQL: what the statements of an idle pass read, {most} running; no log, no transaction id");
    [
        Table { name: "postgres-idle", title: "PostgreSQL: a pass with nothing to do".into(), cases: idle },
        Table { name: "postgres-costs", title: buffers, cases: cost },
        Table {
            name: "postgres-beat",
            title: "PostgreSQL: the beat of a node, once an interval".into(),
            cases: beat,
        },
    ]
}

fn rescues(arguments: &Arguments, rounds: usize) -> Table {
    let sizes: &[(u64, u64)] =
        if arguments.short { &[(1000, 10_000)] } else { &[(10_000, 100_000), (1000, 1_000_000)] };
    let cases = sizes.iter().map(|&(orphans, running)| {
        eprintln!("postgres: rescue of {orphans} of {running}");
        let rows = Rows { running, orphans, finished: running, ..Rows::default() };
        let mut peers = Peer::all(arguments.peers.as_deref(), rows);
        let rows = Rowed::new(rows);
        let orphaned = usize::try_from(orphans).unwrap();
        let measured = rescue::rescue(&rows, &mut peers, orphaned, rounds, Some(1.15));
        Case::Times { name: format!("{} of {}", short(orphans), short(running)), size: orphans, measured }
    });
    Table {
        name: "postgres-rescue",
        title: "PostgreSQL: orphans requeued, events included".into(),
        cases: cases.collect(),
    }
}

fn memories(is_short: bool) -> Table {
    let sizes: &[(u64, usize, usize)] =
        if is_short { &[(10_000, 1000, 3)] } else { &[(100_000, 1000, 10), (1_000_000, 1000, 3)] };
    let idle = Rowed::new(Rows::default());
    let idle = memory::of_child(idle.url(), 1000, 3);
    let cases = sizes.iter().map(|&(orphans, budget, passes)| {
        eprintln!("postgres: memory of settling {orphans}");
        let rows = Rowed::new(Rows { running: orphans, orphans, ..Rows::default() });
        let value = memory::of_child(rows.url(), budget, passes) - idle;
        Case::Figure {
            name: format!("{} orphans, {passes} passes of {budget}", short(orphans)),
            value,
            goal: 32.0,
            unit: "MB",
        }
    });
    Table {
        name: "postgres-memory",
        title: "PostgreSQL: peak memory above that of the idle program".into(),
        cases: cases.collect(),
    }
}

fn races(is_short: bool, rounds: usize) -> Table {
    let orphans = if is_short { 1000 } else { 10_000 };
    eprintln!("postgres: processes racing over {orphans} orphans");
    let rows = Rowed::new(Rows { running: orphans, orphans, finished: orphans, ..Rows::default() });
    let make = || {
        rows.undo();
        rows.url().to_owned()
    };
    let measured = race::measure(rounds, orphans, make, |_| rows.events());
    Table {
        name: "postgres-race",
        title: "PostgreSQL: orphans settled by one process and by sixteen at once".into(),
        cases: vec![Case::Times { name: format!("{} orphans", short(orphans)), size: orphans, measured }],
    }
}

fn history(arguments: &Arguments, rounds: usize) -> Table {
    let past = arguments.past();
    eprintln!("postgres: {past} finished jobs and as many events");
    let rows = Rowed::new(Rows { running: 10_000, orphans: 0, finished: past, events: past });
    costs::assert_cheap(&rows);
    let case =
        |name: &str, measured| Case::Times { name: format!("{name}, {} past", short(past)), size: past, measured };
    let idle = case("10k running", idle::passes(&rows, &mut [], rounds));
    drop(rows);
    let rows = Rowed::new(Rows { running: 10_000, orphans: 1000, finished: past, events: past });
    let rescue = case("1k of 10k rescued", rescue::rescue(&rows, &mut [], 1000, rounds, Some(1.15)));
    Table { name: "postgres-history", title: "PostgreSQL: a long past beside".into(), cases: vec![idle, rescue] }
}
