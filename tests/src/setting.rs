//! What cases of the whole program share: a pipeline, and what must hold after any number of reapers.

use crate::{database::Database, program::Program};

/// A pipeline of three stages, whose gate is always green.
const PIPELINE: &str = r#"
[pipeline]
stages = [
  { name = "architecture", next = "development", next_agent = "tester", gate = "quality" },
  { name = "development", next = "released", gate = "quality" },
  { name = "released" },
]
[pipeline.agents]
developer = ["architecture"]
tester = ["development"]
[gates.quality]
command = ["true"]
"#;

/// The program of this file on a database, which it has prepared, with these keys before the pipeline.
#[must_use]
pub fn prepared(binary: &str, database: &Database, keys: &str) -> Program {
    let program = Program::on(binary, database);
    program.configure(&format!("{keys}\n{PIPELINE}"));
    let _migrated = program.run(&["migrate"]).ok();
    program
}

/// The port of a URL.
#[must_use]
pub fn port(url: &str) -> u16 {
    let (_, place) = url.rsplit_once('@').unwrap();
    let (_, port) = place.split('/').next().unwrap().rsplit_once(':').unwrap();
    port.parse().unwrap()
}

/// The same URL with another port.
#[must_use]
pub fn with_port(url: &str, other: u16) -> String {
    url.replacen(&format!(":{}/", port(url)), &format!(":{other}/"), 1)
}

/// The password of a URL.
#[must_use]
pub fn password(url: &str) -> &str {
    let (user, _) = url.rsplit_once('@').unwrap();
    user.rsplit_once(':').unwrap().1
}

/// What must hold after any number of reapers: an attempt is settled once, and each effect is delivered once.
pub fn settled_once(database: &Database) {
    let twice = "SELECT count(*) FROM (SELECT 1 FROM reaper_events WHERE action NOT IN ('terminate', 'exit')
        GROUP BY job_id, fence HAVING count(*) > 1) AS twice";
    assert_eq!(database.value(twice).as_deref(), Some("0"), "an attempt was settled twice");
    assert_eq!(database.count("reaper_outbox WHERE state <> 'done'"), 0, "an effect is not delivered");
    let enqueued =
        "SELECT count(*) - count(DISTINCT reaper_source_key) FROM jobs WHERE reaper_source_key IS NOT NULL";
    assert_eq!(database.value(enqueued).as_deref(), Some("0"), "a next job was enqueued twice");
}
