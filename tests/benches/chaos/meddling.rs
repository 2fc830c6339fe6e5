//! Faults that are no death: a row that cannot be read, a mode that is switched, a gate that hangs, an endpoint that fails,
//! and what somebody does to rows that are not his.

use std::{fs, thread, time::Duration};

use crate::{
    chat::Refusal,
    ground::Ground,
    harm::{Harm, Undo},
};

/// A row that was made unreadable, and how it is mended.
#[derive(Debug)]
pub struct Spoilt {
    pub job: String,
    pub mend: String,
}

impl Harm {
    /// Writes into a running job's row what nobody can read.
    pub fn spoil(&mut self, ground: &Ground) -> Option<Spoilt> {
        // An identity, and an instant that lies beyond all that there are.
        const UNREADABLE: [(&str, &str); 3] = [
            ("reaper_monitor", "'spoilt'"),
            ("reaper_executor", "'spoilt'"),
            ("reaper_started_at", "9223372036854775807"),
        ];
        let (column, spoilt) = self.rng.choice(UNREADABLE)?;
        let mut open = ground.sql.open().ok()?;
        let running = format!(
            "SELECT id || ' ' || reaper_fence || ' ' || {column} FROM jobs
             WHERE status = 'running' AND {column} IS NOT NULL AND {column} <> {spoilt} ORDER BY id LIMIT 30"
        );
        let rows = open.texts(&running).ok()?;
        let mut words = self.rng.choice(&rows)?.split(' ');
        let (job, fence, was) = (words.next()?, words.next()?, words.next()?);
        let was = if spoilt.starts_with('\'') { format!("'{was}'") } else { was.to_owned() };
        let row = format!("WHERE id = {job} AND reaper_fence = {fence} AND {column}");
        open.run(&format!("UPDATE jobs SET {column} = {spoilt} {row} = {was} AND status = 'running'")).ok()?;
        // It may have come to its end at that moment.
        let hit = format!("SELECT id FROM jobs {row} = {spoilt} AND status = 'running'");
        (!open.texts(&hit).ok()?.is_empty()).then_some(())?;
        Some(Spoilt { job: job.to_owned(), mend: format!("UPDATE jobs SET {column} = {was} {row} = {spoilt}") })
    }

    pub(crate) fn spoil_for_a_while(&mut self, ground: &Ground) -> Option<()> {
        let Spoilt { mend, .. } = self.spoil(ground)?;
        self.later(Undo::PutBack(mend));
        Some(())
    }

    /// Somebody switches to `report`. It binds everybody as soon as that is answered, which is written down.
    pub(crate) fn only_report(&mut self, ground: &Ground) -> Option<()> {
        let is_on = |(_, undo): &(_, Undo)| matches!(undo, Undo::Enforce);
        if self.undo.iter().any(is_on) {
            return None;
        }
        let mut open = ground.sql.open().ok()?;
        self.later(Undo::Enforce);
        open.run(&set_mode("report")).ok()?;
        open.run(
            "INSERT INTO chaos_modes (began) SELECT coalesce(max(seq), 0) FROM reaper_events
                WHERE NOT EXISTS (SELECT 1 FROM chaos_modes WHERE ended IS NULL)",
        )
        .ok()
    }

    /// A gate's command does not end, until somebody ends it.
    pub(crate) fn hang_gates(&mut self, ground: &Ground) -> Option<()> {
        let is_on = |(_, undo): &(_, Undo)| matches!(undo, Undo::Remove(_));
        if self.undo.iter().any(is_on) {
            return None;
        }
        let hung = || fs::metadata(ground.file(HUNG)).map_or(0, |file| file.len());
        let before = hung();
        fs::write(ground.file(HANG), "").unwrap();
        thread::sleep(Duration::from_millis(500));
        if hung() == before {
            fs::remove_file(ground.file(HANG)).unwrap();
            return None;
        }
        self.later(Undo::Remove(ground.file(HANG)));
        Some(())
    }

    /// One message is not accepted. It may be long until there is one, which is then found at the next turn.
    pub(crate) fn refuse_a_message(&mut self, ground: &Ground) -> Option<()> {
        let refused = ground.chat.refused();
        let has_fired = refused > self.refused;
        self.refused = refused;
        let ways = [Refusal::Silence, Refusal::Failure, Refusal::Later, Refusal::Nonsense];
        ground.chat.refuse_next(self.rng.choice(ways)?);
        has_fired.then_some(())
    }

    pub(crate) fn send_back(&mut self, ground: &Ground) -> Option<()> {
        let tasks =
            ground.sql.texts("SELECT id FROM tasks WHERE stage <> 'design' ORDER BY id DESC LIMIT 30").ok()?;
        let task = self.rng.choice(&tasks)?;
        // With its job, in one transaction, as whoever sends it back would do it.
        let sent = format!(
            "BEGIN; UPDATE tasks SET stage = 'design' WHERE id = {task} AND stage <> 'design';
             INSERT INTO jobs (agent, repo, task_id) VALUES ('designer', 'shop', {task}); COMMIT"
        );
        ground.sql.run(&sent).ok()
    }

    pub(crate) fn take_as_a_stranger(&mut self, ground: &Ground) -> Option<()> {
        let mut open = ground.sql.open().ok()?;
        let jobs = open.texts("SELECT id FROM jobs WHERE status = 'queued' ORDER BY id LIMIT 20").ok()?;
        let job = self.rng.choice(&jobs)?;
        open.run("BEGIN").ok()?;
        open.run(&format!("UPDATE jobs SET status = 'running' WHERE id = {job} AND status = 'queued'")).ok()?;
        // If somebody was faster, it is his attempt that is read here, which is left alone.
        let fence = "SELECT reaper_fence FROM jobs WHERE status = 'running' AND reaper_attach IS NULL AND id =";
        let fence = open.texts(&format!("{fence} {job}")).ok()?.pop()?;
        open.run(&format!("INSERT INTO chaos_foreign VALUES ({job}, {fence}); COMMIT")).ok()?;
        let back = format!(
            "UPDATE jobs SET status = 'queued' WHERE id = {job} AND status = 'running' AND reaper_fence = {fence}"
        );
        self.later(Undo::PutBack(back));
        Some(())
    }

    pub(crate) fn touch(&mut self, ground: &Ground) -> Option<()> {
        const TOUCHES: [&str; 4] = [
            "UPDATE jobs SET status = status, repo = repo WHERE status = 'running'",
            "UPDATE tasks SET branch = 'b', stage = stage",
            "UPDATE agent_runs SET agent = agent, exit_code = exit_code WHERE finished_at IS NOT NULL",
            "BEGIN; UPDATE jobs SET status = 'failed' WHERE status = 'running'; ROLLBACK",
        ];
        ground.sql.run(self.rng.choice(TOUCHES)?).ok()
    }
}

/// Switches back, and writes down until when nobody was allowed to write.
pub(crate) fn enforce(ground: &Ground) -> Result<(), String> {
    let mut open = ground.sql.open()?;
    open.run("UPDATE chaos_modes SET ended = (SELECT max(seq) FROM reaper_events) WHERE ended IS NULL")?;
    open.run(&set_mode("enforce"))
}

fn set_mode(mode: &str) -> String {
    format!(
        "INSERT INTO reaper_settings (key, value) VALUES ('mode', '{mode}')
            ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    )
}

/// While this file is there, gates hang.
pub const HANG: &str = "hang";

/// What they write to when they do.
pub const HUNG: &str = "hung";
