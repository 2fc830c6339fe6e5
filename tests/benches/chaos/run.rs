//! One run on one database: faults for a while, then peace, then the laws.

use std::{
    collections::BTreeMap,
    fmt, fs, thread,
    time::{Duration, Instant},
};

use reaper_tests::{database::Kind, proof};

use crate::{
    cast::Cast,
    fault::{Fault, Scope},
    ground::Ground,
    harm::Harm,
    laws,
    meddling::Spoilt,
    processes,
};

/// What a run is told.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    /// How long faults fire.
    pub lasts: Duration,
    pub scope: Scope,
}

/// How it ended.
#[derive(Debug)]
pub struct End {
    kind: Kind,
    fired: BTreeMap<Fault, usize>,
    /// Which programs ended by themselves.
    ended: BTreeMap<String, usize>,
    counts: Vec<(&'static str, usize)>,
    broken: Vec<String>,
}

/// Carries one out.
pub fn run(kind: Kind, plan: Plan) -> End {
    let mut ground = Ground::prepare(kind, plan.scope);
    let (faults, missing) = Fault::had_on(&ground, plan.scope);
    let mut harm = Harm::new(plan.seed, &faults);
    let mut cast = Cast::start(&ground, plan.scope);
    let until = Instant::now() + plan.lasts;
    while Instant::now() < until {
        // What cannot be written now is written at the next turn.
        feed(&ground, plan.scope).ok();
        let pause = harm.go_on(&ground, &mut cast);
        cast.tend(&ground, &mut harm.haste);
        // What cannot be read now is read at the next turn, when it looks older.
        harm.haste.look(&ground).ok();
        thread::sleep(pause);
    }
    harm.stop(&ground);
    let mut broken = Vec::new();
    // A row that nobody can read hinders no other, for however long it stays so.
    let spoilt = match plan.scope {
        Scope::All => spoil(&mut harm, &ground),
        Scope::Processes => None,
    };
    if let Some(Spoilt { job, mend }) = &spoilt {
        if !comes_to_rest(&ground, &mut cast, &mut harm, job) {
            broken.push(format!("not everything but the spoilt row came to its end within {} s", REST.as_secs()));
        }
        broken.extend(ground.sql.run(mend).err());
    } else if plan.scope == Scope::All {
        broken.push("no row could be spoilt in the end".to_owned());
    }
    if !comes_to_rest(&ground, &mut cast, &mut harm, "0") {
        broken.push(format!("not everything came to its end within {} s", REST.as_secs()));
    }
    let ended = cast.ended.clone();
    broken.extend(ended.keys().filter(|how| how.contains("101") || how.contains("signal")).cloned());
    broken.extend(cast.dismiss());
    broken.extend(left_behind(&ground));
    broken.extend(laws::broken(&ground, plan.scope, &harm).unwrap_or_else(|error| vec![error]));
    broken.extend(
        faults.iter().filter(|fault| !harm.fired.contains_key(fault)).map(|f| format!("{f:?} never fired")),
    );
    broken.extend(missing.iter().map(|fault| format!("{fault:?} cannot be had here")));
    if !broken.is_empty() {
        keep(&mut ground);
    }
    let counts = COUNTS.map(|(what, counted)| (what, ground.sql.count(counted).unwrap_or_default()));
    End { kind, fired: harm.fired, ended, counts: counts.into(), broken }
}

impl End {
    pub fn is_well(&self) -> bool {
        self.broken.is_empty()
    }

    /// Tells whoever adds it up.
    pub fn tell(&self) {
        proof::tried("faults that fired in chaos", self.fired.values().sum());
        let attempts = self.counts.iter().find(|(what, _)| *what == "attempts");
        proof::tried("attempts that chaos had", attempts.map_or(0, |(_, count)| *count));
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.kind)?;
        for (what, count) in &self.counts {
            writeln!(f, "  {count:>6}  {what}")?;
        }
        writeln!(f, "  faults that fired")?;
        for (fault, count) in &self.fired {
            writeln!(f, "  {count:>6}  {fault:?}")?;
        }
        for (how, count) in &self.ended {
            writeln!(f, "  {count:>6}  ended by itself and was put up again: {how}")?;
        }
        let shown = self.broken.iter().take(SHOWN);
        shown.into_iter().try_for_each(|law| writeln!(f, "  BROKEN  {law}"))?;
        if self.broken.len() > SHOWN {
            writeln!(f, "  BROKEN  and {} more", self.broken.len() - SHOWN)?;
        }
        Ok(())
    }
}

/// Sees to it that there is always something to do, as the program that owns the tables does.
fn feed(ground: &Ground, scope: Scope) -> Result<(), String> {
    let mut open = ground.sql.open()?;
    let waiting = "SELECT count(*) FROM jobs WHERE status IN ('queued', 'running') AND agent";
    let count = |texts: Vec<String>| texts.first().and_then(|count| count.parse::<usize>().ok()).unwrap_or(0);
    if count(open.texts(&format!("{waiting} <> 'porter'"))?) < 30 {
        // Two of them may fail for good.
        for most in [100, 100, 100, 2, 2] {
            open.run(&format!(
                "BEGIN; INSERT INTO tasks (repo, branch, stage) VALUES ('shop', 'main', 'design');
                 INSERT INTO jobs (agent, repo, task_id, max_attempts)
                    SELECT 'designer', 'shop', max(id), {most} FROM tasks; COMMIT"
            ))?;
        }
    }
    if scope == Scope::All && count(open.texts(&format!("{waiting} = 'porter'"))?) < 6 {
        open.run("INSERT INTO jobs (agent, repo, max_attempts) VALUES ('porter', 'shop', 100)")?;
    }
    Ok(())
}

/// Makes a row unreadable: somebody still works.
fn spoil(harm: &mut Harm, ground: &Ground) -> Option<Spoilt> {
    (0..50).find_map(|_| {
        let spoilt = harm.spoil(ground);
        if spoilt.is_none() {
            thread::sleep(Duration::from_millis(50));
        }
        spoilt
    })
}

/// Whether everything but this job comes to its end in time. One of the same task, which was sent back, may wait until this
/// one has moved it on.
fn comes_to_rest(ground: &Ground, cast: &mut Cast, harm: &mut Harm, but: &str) -> bool {
    let open = format!(
        "SELECT (SELECT count(*) FROM jobs WHERE status IN ('queued', 'running') AND id <> {but}
                AND coalesce(task_id, 0) NOT IN (SELECT coalesce(task_id, -1) FROM jobs WHERE id = {but}))
            + (SELECT count(*) FROM reaper_outbox WHERE state = 'pending')"
    );
    let until = Instant::now() + REST;
    while Instant::now() < until {
        cast.tend(ground, &mut harm.haste);
        harm.haste.look(ground).ok();
        if ground.sql.texts(&open).is_ok_and(|open| open == ["0"]) {
            return true;
        }
        thread::sleep(Duration::from_millis(200));
    }
    false
}

/// The processes of the run that live on when all of it is over.
fn left_behind(ground: &Ground) -> Vec<String> {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let left = processes::all(&ground.mark);
        if left.is_empty() || Instant::now() > until {
            return left.iter().map(|seen| format!("left behind: {seen:?}")).collect();
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// Leaves what was written down, for whoever looks for the cause.
fn keep(ground: &mut Ground) {
    for (name, query) in KEPT {
        let rows = ground.sql.texts(query).unwrap_or_else(|error| vec![error]);
        fs::write(ground.file(name), rows.join("\n")).unwrap();
    }
    ground.stay();
    println!("{:?}: what was written down stays in {}", ground.kind, ground.dir().display());
}

/// How long everything may take to come to its end. A clock that was set back makes some jobs wait.
const REST: Duration = Duration::from_secs(180);

/// How many broken laws are shown.
const SHOWN: usize = 40;

const COUNTS: [(&str, &str); 9] = [
    ("tasks", "tasks"),
    ("jobs done", "jobs WHERE status = 'done'"),
    ("jobs failed", "jobs WHERE status = 'failed'"),
    ("attempts", "agent_runs"),
    ("settled by a reaper", "reaper_events WHERE actor = 'reaper' AND action IN ('done', 'requeue', 'fail')"),
    ("exits witnessed", "reaper_events WHERE action = 'exit'"),
    ("rescued once", "jobs WHERE reaper_rescues = 1"),
    ("rescued as often as may be", "jobs WHERE reaper_rescues = 2"),
    ("late finishes", "reaper_events WHERE action = 'done' AND from_status = 'queued'"),
];

const KEPT: [(&str, &str); 3] = [
    (
        "events.txt",
        "SELECT at || ' ' || coalesce(job_id, 0) || ':' || coalesce(fence, 0) || ' ' || actor || ' ' || action || ' ' || rule
            || ' ' || reason || ' ' || coalesce(from_status, '') || ' ' || coalesce(to_status, '') || ' ' || evidence
            FROM reaper_events ORDER BY seq",
    ),
    (
        "changes.txt",
        "SELECT job || ':' || fence || ' ' || came || ' ' || went FROM chaos_changes ORDER BY id",
    ),
    (
        "jobs.txt",
        "SELECT id || ' ' || agent || ' ' || coalesce(task_id, 0) || ' ' || status || ' ' || attempts || ' '
            || coalesce(reaper_fence, 0) || ' ' || coalesce(reaper_exit_code, -999) || ' ' || coalesce(reaper_attach, '-')
            || ' ' || coalesce(reaper_executor, '-') || ' ' || coalesce(reaper_monitor, '-') || ' '
            || coalesce(reaper_available_at, 0) || ' ' || coalesce(reaper_last_error, '') FROM jobs ORDER BY id",
    ),
];
