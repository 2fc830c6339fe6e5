//! What must hold when the faults have stopped: asked of the database in plain SQL, and of what the commands journalled.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use reaper_tests::database::Kind;

use crate::{cast::Role, fault::Scope, ground::Ground, harm::Harm};

/// Everything that is broken, a line each.
pub fn broken(ground: &Ground, scope: Scope, harm: &Harm) -> Result<Vec<String>, String> {
    let mut laws = STORED.to_vec();
    laws.push(match scope {
        Scope::Processes => ONCE,
        Scope::All => OBEYED,
    });
    for job in ground.chat.told() {
        ground.sql.run(&format!("INSERT INTO chaos_told VALUES ({job})"))?;
    }
    let mut broken = Vec::new();
    for Law { wrong, query, planted } in laws {
        let mut open = ground.sql.open()?;
        broken.extend(open.texts(query)?.into_iter().map(|row| format!("{wrong}: {row}")));
        // It is rolled back with the connection.
        open.run("BEGIN")?;
        open.run(planted)?;
        if open.texts(query)?.is_empty() {
            broken.push(format!("this law sees nothing: {wrong}"));
        }
    }
    if ground.kind == Kind::Sqlite {
        broken.extend(ground.sql.texts(INTEGRITY)?.into_iter().map(|row| format!("the file is damaged: {row}")));
    }
    let set = |query: &str| ground.sql.texts(query).map(BTreeSet::from_iter);
    let journal = Journal::read(ground);
    broken.extend(journal.broken.iter().cloned());
    broken.extend(harm.haste.broken(ground, &journal.ended)?);
    // A worker in Python that is killed takes its knowledge of the exit along, unless a reaper has witnessed it.
    let foreign: BTreeSet<String> = set("SELECT id FROM jobs WHERE agent = 'porter'")?;
    let spared =
        |attempt: &str, harmed: &BTreeSet<String>| !foreign.contains(job_of(attempt)) && !harmed.contains(attempt);
    let well = |attempt: &str| journal.well.contains(attempt);
    for attempt in set(RESCUED)?.intersection(&journal.started).filter(|attempt| spared(attempt, &harm.killed)) {
        broken.push(format!("taken for dead, and nobody had killed it: {attempt}"));
    }
    for attempt in set(PUT_BACK)?.iter().filter(|attempt| spared(attempt, &harm.hurt) && well(attempt)) {
        broken.push(format!("put back, and it had ended well: {attempt}"));
    }
    for (attempt, next) in &journal.again {
        if spared(attempt, &harm.hurt) {
            broken.push(format!("ended well, and its job ran again: {attempt}, then {next}"));
        }
    }
    let finished: BTreeSet<&str> = journal.well.iter().map(|attempt| job_of(attempt)).collect();
    for job in set(WORKED)?.iter().filter(|job| !finished.contains(job.as_str())) {
        broken.push(format!("done, and its work was never finished: job {job}"));
    }
    for role in [Role::Reaper, Role::Pool("")] {
        let log = fs::read(ground.file(role.log())).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let panics = log.lines().filter(|line| line.contains("panicked at"));
        broken.extend(panics.map(|line| format!("a program has panicked: {line}")));
    }
    Ok(broken)
}

fn job_of(attempt: &str) -> &str {
    attempt.split_once(':').map_or(attempt, |(job, _)| job)
}

/// What the commands have written down.
#[derive(Debug, Default)]
struct Journal {
    started: BTreeSet<String>,
    well: BTreeSet<String>,
    /// When they ended, in seconds since the machine was started.
    ended: BTreeMap<String, f64>,
    /// Attempts that ended well, each with one of the same job that began afterwards.
    again: Vec<(String, String)>,
    broken: Vec<String>,
}

impl Journal {
    fn read(ground: &Ground) -> Self {
        let text = fs::read_to_string(ground.file("journal")).unwrap_or_default();
        let mut journal = Self::default();
        // By the job: the attempt of it that has ended well.
        let mut ended = BTreeMap::new();
        for line in text.lines() {
            let mut words = line.split(' ');
            let (Some(what), Some(attempt)) = (words.next(), words.next()) else {
                journal.broken.push(format!("a line of the journal cannot be read: {line}"));
                continue;
            };
            if let ("good" | "bad" | "empty", Some(Ok(at))) = (what, words.nth(1).map(str::parse)) {
                journal.ended.insert(attempt.to_owned(), at);
            }
            match what {
                "start" => {
                    if !journal.started.insert(attempt.to_owned()) {
                        journal.broken.push(format!("an attempt ran twice: {line}"));
                    }
                    if let Some(well) = ended.get(job_of(attempt)) {
                        journal.again.push((String::clone(well), attempt.to_owned()));
                    }
                }
                "good" => {
                    ended.insert(job_of(attempt).to_owned(), attempt.to_owned());
                    journal.well.insert(attempt.to_owned());
                }
                "overlap" => journal.broken.push(format!("two attempts of a job at the same time: {line}")),
                // They failed, or made nothing.
                "bad" | "empty" => {}
                _ => journal.broken.push(format!("a line of the journal cannot be read: {line}")),
            }
        }
        if journal.started.is_empty() {
            journal.broken.push("nothing was journalled".to_owned());
        }
        journal
    }
}

/// The attempts that a reaper took for dead.
const RESCUED: &str = "SELECT job_id || ':' || fence FROM reaper_events
    WHERE actor = 'reaper' AND action IN ('requeue', 'fail') AND rule IN ('nobody_left', 'executor_dead', 'never_started')";

/// The attempts that came to a bad end, by whomever.
const PUT_BACK: &str = "SELECT job_id || ':' || fence FROM reaper_events WHERE action IN ('requeue', 'fail')";

/// The jobs that were done by their own work. One whose task had moved on before, because it was sent back and another job of
/// the same stage was faster, is done without it.
const WORKED: &str = "SELECT id FROM jobs WHERE status = 'done' AND NOT EXISTS (SELECT 1 FROM reaper_events
    WHERE job_id = jobs.id AND reaper_events.fence = jobs.reaper_fence AND reason = 'already_advanced')";

const INTEGRITY: &str = "SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'";

/// Of the rows.
#[derive(Clone, Copy, Debug)]
struct Law {
    /// What is wrong where it is broken.
    wrong: &'static str,
    /// Finds the rows that break it.
    query: &'static str,
    /// Breaks it: a law that cannot be broken says nothing.
    planted: &'static str,
}

const ONCE: Law = Law {
    wrong: "a stage was left twice",
    query: "SELECT task FROM chaos_moves GROUP BY task, came HAVING count(*) > 1",
    planted: "INSERT INTO chaos_moves (task, came, went) SELECT task, came, went FROM chaos_moves",
};

const OBEYED: Law = Law {
    wrong: "a reaper did something in the mode report",
    query: "SELECT job_id || ':' || fence || ' ' || action FROM reaper_events JOIN chaos_modes ON seq > began AND seq <= ended
        WHERE actor = 'reaper' AND job_id IS NOT NULL",
    planted: "UPDATE reaper_events SET actor = 'reaper' WHERE job_id IS NOT NULL",
};

const STORED: [Law; 15] = [
    Law {
        wrong: "a job is not settled",
        query: "SELECT id || ' is ' || status FROM jobs WHERE status NOT IN ('done', 'failed')",
        planted: "UPDATE jobs SET status = 'running'",
    },
    Law {
        wrong: "a job has failed for no reason",
        query: "SELECT id FROM jobs WHERE status = 'failed' AND coalesce(reaper_last_error, '') = ''",
        planted: "UPDATE jobs SET status = 'failed', reaper_last_error = NULL",
    },
    Law {
        wrong: "a task stands still, and nothing of it has failed",
        query: "SELECT id || ' in ' || stage FROM tasks WHERE stage <> 'released'
            AND NOT EXISTS (SELECT 1 FROM jobs WHERE task_id = tasks.id AND status = 'failed')",
        planted: "UPDATE tasks SET stage = 'build'",
    },
    Law {
        wrong: "an attempt was settled twice",
        query: "SELECT job || ':' || fence FROM chaos_changes WHERE came = 'running' GROUP BY job, fence HAVING count(*) > 1",
        planted: "INSERT INTO chaos_changes (job, fence, came, went) SELECT job, fence, came, went FROM chaos_changes",
    },
    Law {
        wrong: "a job changed without an event",
        query: "SELECT job || ':' || fence || ' ' || came || ' ' || went FROM chaos_changes
            WHERE NOT (came = 'queued' AND went = 'running')
            AND NOT EXISTS (SELECT 1 FROM reaper_events WHERE job_id = job AND reaper_events.fence = chaos_changes.fence
                AND from_status = came AND to_status = went)
            AND NOT EXISTS (SELECT 1 FROM chaos_foreign
                WHERE chaos_foreign.job = chaos_changes.job AND chaos_foreign.fence = chaos_changes.fence)",
        planted: "UPDATE jobs SET status = 'failed' WHERE status = 'done'",
    },
    Law {
        wrong: "an event tells of no change",
        query: "SELECT job_id || ':' || fence || ' ' || action FROM reaper_events WHERE action IN ('done', 'requeue', 'fail')
            AND NOT EXISTS (SELECT 1 FROM chaos_changes WHERE job = job_id AND chaos_changes.fence = reaper_events.fence
                AND came = from_status AND went = to_status)",
        planted: "DELETE FROM chaos_changes",
    },
    Law {
        wrong: "an effect is not delivered",
        query: "SELECT key || ' ' || state FROM reaper_outbox WHERE state <> 'done'",
        planted: "UPDATE reaper_outbox SET state = 'dead'",
    },
    Law {
        wrong: "a job was taken too often",
        query: "SELECT id FROM jobs WHERE attempts > max_attempts",
        planted: "UPDATE jobs SET attempts = max_attempts + 1",
    },
    Law {
        wrong: "a job was rescued too often",
        query: "SELECT id FROM jobs WHERE reaper_rescues > 2",
        planted: "UPDATE jobs SET reaper_rescues = 3",
    },
    Law {
        wrong: "a job has failed, and nobody was told",
        query: "SELECT id FROM jobs WHERE status = 'failed' AND agent <> 'porter'
            AND NOT EXISTS (SELECT 1 FROM chaos_told WHERE job = id)",
        planted: "DELETE FROM chaos_told",
    },
    Law {
        wrong: "a task left a stage that it was not in",
        query: "SELECT task || ' ' || came FROM (SELECT task, came, lag(went, 1, 'design') OVER (PARTITION BY task ORDER BY id)
            AS stood FROM chaos_moves) AS moves WHERE came <> stood",
        planted: "INSERT INTO chaos_moves (task, came, went) SELECT id, 'build', 'check' FROM tasks",
    },
    Law {
        wrong: "a task skipped a stage",
        query: "SELECT task || ' ' || came || ' ' || went FROM chaos_moves WHERE went <> 'design' AND came || ' ' || went NOT IN
            ('design build', 'build check', 'check released')",
        planted: "INSERT INTO chaos_moves (task, came, went) SELECT id, 'design', 'check' FROM tasks",
    },
    Law {
        wrong: "a visit to a stage has not just one job",
        query: "SELECT tasks.id || ' ' || agent FROM tasks CROSS JOIN (SELECT 'design' AS place, 'designer' AS agent
            UNION ALL SELECT 'build', 'builder' UNION ALL SELECT 'check', 'checker') AS stages
            WHERE (SELECT count(*) FROM jobs WHERE task_id = tasks.id AND jobs.agent = stages.agent)
                <> (SELECT count(*) FROM chaos_moves WHERE task = tasks.id AND went = place)
                    + CASE WHEN place = 'design' THEN 1 ELSE 0 END",
        planted: "INSERT INTO jobs (agent, repo, task_id, status) SELECT 'builder', 'shop', id, 'done' FROM tasks",
    },
    Law {
        wrong: "a finished attempt had been requeued",
        query: "SELECT job_id || ':' || fence FROM reaper_events WHERE late_code = 0",
        planted: "UPDATE reaper_events SET late_code = 0",
    },
    Law {
        wrong: "a settled job names no end of its attempt",
        query: "SELECT id || ' ' || status FROM jobs WHERE status IN ('done', 'failed') AND NOT EXISTS (SELECT 1 FROM reaper_events
            WHERE job_id = jobs.id AND reaper_events.fence = jobs.reaper_fence AND to_status = jobs.status)",
        planted: "DELETE FROM reaper_events",
    },
];
