//! A path in words, and the files that keep the paths by which mutations are caught.

use std::{env, fmt::Write as _, fs, path::PathBuf};

use stateright::Model as _;

use super::{
    cast::Protocol,
    state::{Row, State},
    step::Step,
};

/// The steps without those that need not be taken for the property to fail.
pub(crate) fn shortened(protocol: &Protocol, property: &str, mut steps: Vec<Step>) -> Vec<Step> {
    let mut at = steps.len();
    while let Some(left_out) = at.checked_sub(1) {
        let mut fewer = steps.clone();
        fewer.remove(left_out);
        if fails(protocol, property, &fewer) {
            steps = fewer;
        }
        at = left_out;
    }
    steps
}

/// Whether these steps can be taken, and the property fails where they end.
fn fails(protocol: &Protocol, property: &str, steps: &[Step]) -> bool {
    let states = replay(protocol, steps);
    let properties = protocol.properties();
    let property = properties.iter().find(|known| known.name == property).unwrap();
    states.len() == steps.len() + 1 && !(property.condition)(protocol, &states[steps.len()])
}

/// The states that these steps come by, as far as they can be taken.
fn replay(protocol: &Protocol, steps: &[Step]) -> Vec<State> {
    let mut states = vec![protocol.begin()];
    for step in steps {
        let last = &states[states.len() - 1];
        let mut possible = Vec::new();
        protocol.actions(last, &mut possible);
        let next = possible.contains(step).then(|| protocol.next_state(last, *step)).flatten();
        match next {
            Some(next) => states.push(next),
            None => break,
        }
    }
    states
}

/// Steps in words, each with what it changes.
pub(crate) fn told(protocol: &Protocol, steps: &[Step]) -> String {
    let mut text = String::new();
    let states = replay(protocol, steps);
    for ((number, step), states) in (1..).zip(steps).zip(states.windows(2)) {
        writeln!(text, "{number:2}. {step}").unwrap();
        for change in changes(&states[0], &states[1]) {
            writeln!(text, "    {change}").unwrap();
        }
    }
    text
}

/// What a step has changed of what is stored, and what whoever took it has decided to do.
fn changes(before: &State, after: &State) -> Vec<String> {
    let mut changes = Vec::new();
    for (job, row) in after.rows.iter().enumerate() {
        if before.rows.get(job) != Some(row) {
            changes.push(format!("job {}: {}", job + 1, shown(row)));
        }
    }
    if before.place != after.place {
        let (stage, version) = after.place;
        changes.push(format!("task: in {}, visit {version}", stage.name()));
    }
    for order in after.outbox.iter().skip(before.outbox.len()) {
        changes.push(format!(
            "outbox: from {}, visit {}, to {}",
            order.from.name(),
            order.version,
            order.to.name()
        ));
    }
    if before.seldom.lost != after.seldom.lost {
        changes.push("lost".into());
    }
    changes
}

fn shown(row: &Row) -> String {
    let mut text = format!("{}, fence {}", row.status, row.fence);
    let inherited = |is: bool| if is { " (inherited)" } else { "" };
    if let Some(run) = row.run {
        text.push_str(&format!(", run {}{}", run + 1, inherited(row.run_inherited)));
    }
    if let Some(pid) = row.pid {
        text.push_str(&format!(", pid {pid}{}", inherited(row.pid_inherited)));
    }
    if let Some((code, _)) = row.exit {
        text.push_str(&format!(", exit {code}"));
    }
    if row.terminating.is_some() {
        text.push_str(", stop announced");
    }
    text
}

/// Compares a text with its golden file, or writes that file where `UPDATE_GOLDEN` is set.
pub(crate) fn compare(name: &str, text: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/model").join(format!("{name}.txt"));
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&file, text).unwrap();
    }
    let golden = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(text, golden, "{} differs; UPDATE_GOLDEN=1 renews it", file.display());
}
