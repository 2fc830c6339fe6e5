//! Two connections, one of which waits for a row that the other one writes: whatever commits first stands, and whoever
//! comes second sees it.

use std::{thread, time::Duration};

use reaper_core::{Alert, Effect, JobSnapshot, Mode, Status};
use reaper_store::{
    Attempts as _, Claim, Claims as _, Control as _, History as _, Outbox as _, Outcome, Settlement,
    attempts::{LeftOut, Recorded, Testified, Tried, Written},
    claims::Actor,
    history::Query,
};

use crate::{
    both::{
        at_once,
        claims::{REQUEUE, claim},
        exits,
    },
    database::{Database, Program},
};

const RETRY: Settlement = Settlement::Requeue { wait: Duration::ZERO, rescue_cap: None };

/// A job with a run that our worker has taken.
fn taken(database: &Database) -> JobSnapshot {
    exits::taken(database, 1).remove(0).job
}

/// Waits until so many connections to this database wait for a lock.
fn wait_for_waiters(database: &Database, count: i64) {
    let waiting = "SELECT count(*) AS x FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for _ in 0..1_200 {
        if database.program.number(waiting) == Some(count) {
            return;
        }
        database.program.run("SELECT pg_sleep(0.025)");
    }
    panic!("{count} connections do not come to wait");
}

fn by(actor: Actor, claim: Claim) -> Claim {
    Claim { by: actor, ..claim }
}

/// The owner's own trigger makes every settlement wait, with the row written and nothing committed, until `hold` is let
/// go.
fn hold_settlements(database: &Database) -> Program {
    database.program.run(
        "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            PERFORM pg_advisory_xact_lock_shared(4711); RETURN NULL; END $$;
         CREATE TRIGGER hold AFTER UPDATE ON jobs FOR EACH ROW WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION hold()",
    );
    let holder = Program::on(database.url());
    holder.run("SELECT pg_advisory_lock(4711)");
    holder
}

fn let_go(holder: &Program) {
    holder.run("SELECT pg_advisory_unlock(4711)");
}

/// What lands while a claim waits for the row loses the claim, whoever makes it. A reaper does not even wait.
#[test]
fn f07_f31_what_lands_while_a_claim_waits_loses_it() {
    for what in [
        "UPDATE jobs SET reaper_beat = coalesce(reaper_beat, 0) + 1, reaper_beat_at = 0",
        "UPDATE agent_runs SET exit_code = 0, finished_at = now()",
        "UPDATE agent_runs SET exit_code = 0",
        "UPDATE agent_runs SET exit_code = 1, finished_at = now()",
        "UPDATE jobs SET reaper_attach = 'done', reaper_executor = 'here/b/1/9/3/4', pid = 9",
        "UPDATE jobs SET status = 'queued'; UPDATE jobs SET status = 'running'",
        "DELETE FROM jobs; INSERT INTO jobs (id, agent, repo, status) VALUES (1, 'a', 'r', 'running')",
    ] {
        for settlement in [RETRY, Settlement::Fail, Settlement::Terminate] {
            let database = Database::created();
            let read = taken(&database);
            let other = Program::on(database.url());
            other.run(&format!("BEGIN; {what}"));
            let of_reaper = database.store.settle(&[claim(&read, settlement)]).unwrap();
            assert_eq!(of_reaper, [Outcome::Lost], "{what}");
            let outcome = thread::scope(|scope| {
                let waiter = database.open(reaper_store::postgres::Options::default());
                let claim = by(Actor::Person, claim(&read, settlement));
                let waits = scope.spawn(move || waiter.settle(&[claim]).unwrap().remove(0));
                wait_for_waiters(&database, 1);
                other.run("COMMIT");
                waits.join().unwrap()
            });
            assert_eq!(outcome, Outcome::Lost, "{what} before {settlement:?}");
            assert_eq!(database.store.settle(&[claim(&read, settlement)]).unwrap(), [Outcome::Lost], "{what}");
            assert_eq!(database.job(1).status, Status::Running, "{what}");
            assert_eq!(database.store.events(&Query { limit: 10, ..Query::default() }).unwrap(), [], "{what}");
        }
    }
}

/// Whoever is told that reapers settle nothing from now on can rely on it: what has looked at the mode before is waited for.
#[test]
fn a_mode_is_answered_when_no_claim_is_under_way_that_has_not_seen_it() {
    for before in [None, Some(Mode::Enforce)] {
        let database = Database::created();
        if let Some(mode) = before {
            let _was = database.store.set_mode(mode).unwrap();
        }
        let read = taken(&database);
        let holder = hold_settlements(&database);
        let (outcome, status) = thread::scope(|scope| {
            let claims = scope.spawn(|| database.store.settle(&[claim(&read, RETRY)]).unwrap());
            wait_for_waiters(&database, 1);
            let switches = scope.spawn(|| {
                let _was = database.store.set_mode(Mode::Off).unwrap();
                database.job(1).status
            });
            wait_for_waiters(&database, 2);
            let_go(&holder);
            (claims.join().unwrap(), switches.join().unwrap())
        });
        assert_eq!((outcome.as_slice(), status), ([Outcome::Won].as_slice(), Status::Queued), "{before:?}");
    }
}

/// A write that is taken back is none: the claim that has waited for it is won.
#[test]
fn f31_an_exit_that_is_rolled_back_loses_nothing() {
    let database = Database::created();
    let read = taken(&database);
    let other = Program::on(database.url());
    other.run("BEGIN; UPDATE agent_runs SET exit_code = 0");
    let outcome = thread::scope(|scope| {
        let waits = scope.spawn(|| database.store.settle(&[by(Actor::Person, claim(&read, RETRY))]).unwrap());
        wait_for_waiters(&database, 1);
        other.run("ROLLBACK");
        waits.join().unwrap()
    });
    assert_eq!(outcome, [Outcome::Won]);
}

/// A claim that came first stands: the beat behind it is told to stop, and the exit behind it is adopted where the job
/// waits again, as a late finish, and stands in its run alone otherwise.
#[test]
fn f07_f31_what_waits_behind_a_claim_comes_late() {
    for (settlement, status, code, is_adopted) in [
        (REQUEUE, Status::Queued, 0, true),
        (REQUEUE, Status::Queued, 3, true),
        (Settlement::Fail, Status::Failed, 0, false),
        (Settlement::Done, Status::Done, 1, false),
    ] {
        let database = Database::created();
        let read = taken(&database);
        let run = read.run.clone().unwrap();
        let holder = hold_settlements(&database);
        let other = || database.open(reaper_store::postgres::Options::default());
        thread::scope(|scope| {
            let claim = claim(&read, settlement);
            let claims = scope.spawn(|| database.store.settle(&[claim]).unwrap().remove(0));
            wait_for_waiters(&database, 1);
            let beats = scope.spawn(|| other().beat(&read.attempt).unwrap());
            let exits = scope.spawn(|| other().record_exit(&run, code).unwrap());
            wait_for_waiters(&database, 3);
            let_go(&holder);
            assert_eq!(claims.join().unwrap(), Outcome::Won);
            assert_eq!(beats.join().unwrap(), Written::NotMine);
            assert_eq!(exits.join().unwrap(), Recorded::New);
        });
        let row = database.job(1);
        assert_eq!(row.status, status);
        assert_eq!(row.exit.map(|exit| exit.code), is_adopted.then_some(code), "{settlement:?}");
        assert_eq!(row.is_late_finish(), is_adopted && code == 0);
        if row.is_late_finish() {
            assert_eq!(database.store.settle(&[claim(&row, Settlement::Done)]).unwrap(), [Outcome::Won]);
        }
    }
}

/// A slow monitor that lives, and a reaper that takes it for dead: the first commit wins, the other has no effect, and
/// somebody is told once at most.
#[test]
fn f05_a_monitor_and_a_reaper_settle_once_whoever_comes_first() {
    let alert =
        || Some(Effect::Alert(Alert { kind: "job_failed".into(), job: Some(1.into()), text: "given up".into() }));
    for monitor_first in [true, false] {
        let database = Database::created();
        let read = taken(&database);
        let holder = hold_settlements(&database);
        let of_reaper = Claim { effect: alert(), ..claim(&read, Settlement::Fail) };
        let of_monitor = by(Actor::Monitor, claim(&read, Settlement::Done));
        let second_store = database.open(reaper_store::postgres::Options::default());
        let (first, second) = if monitor_first { (&of_monitor, &of_reaper) } else { (&of_reaper, &of_monitor) };
        let settle = |store: &reaper_store::postgres::PostgresStore, claim: &Claim| {
            store.settle(std::slice::from_ref(claim)).unwrap().remove(0)
        };
        let outcomes = thread::scope(|scope| {
            let one = scope.spawn(|| settle(&database.store, first));
            wait_for_waiters(&database, 1);
            let other = scope.spawn(|| settle(&second_store, second));
            if !monitor_first {
                wait_for_waiters(&database, 2);
            }
            // A reaper does not wait: it has lost before the monitor has committed.
            let other = if monitor_first { Ok(other.join().unwrap()) } else { Err(other) };
            let_go(&holder);
            (one.join().unwrap(), other.unwrap_or_else(|waits| waits.join().unwrap()))
        });
        assert_eq!(outcomes, (Outcome::Won, Outcome::Lost), "monitor first: {monitor_first}");
        let status = if monitor_first { Status::Done } else { Status::Failed };
        assert_eq!(database.job(1).status, status);
        assert_eq!(database.store.events(&Query { limit: 10, ..Query::default() }).unwrap().len(), 1);
        assert_eq!(database.store.undelivered(10).unwrap().len(), usize::from(!monitor_first));
    }
}

/// A program that names its run on the job while the run's exit is being recorded: the exit is on the row in the end,
/// whichever of the two commits first.
#[test]
fn an_attach_that_races_with_an_exit_loses_none() {
    let begin = "INSERT INTO agent_runs (id) VALUES (6), (7);
        INSERT INTO jobs (id, agent, repo, status, run_id) VALUES (1, 'a', 'r', 'running', NULL), (2, 'a', 'r', 'queued', 6)";
    for (attach, job) in [
        ("UPDATE jobs SET run_id = 7 WHERE id = 1", 1),
        ("UPDATE jobs SET status = 'running', run_id = 7 WHERE id = 2", 2),
        ("INSERT INTO jobs (id, agent, repo, status, run_id) VALUES (3, 'a', 'r', 'running', 7)", 3),
    ] {
        for record in [
            "UPDATE agent_runs SET exit_code = 5, finished_at = now() WHERE id = 7",
            "UPDATE agent_runs SET exit_code = 5 WHERE id = 7; UPDATE agent_runs SET finished_at = now() WHERE id = 7",
        ] {
            for (first, second) in [(attach, record), (record, attach)] {
                let database = Database::adopted(begin);
                let (one, other) = (Program::on(database.url()), Program::on(database.url()));
                one.run(&format!("BEGIN; {first}"));
                thread::scope(|scope| {
                    let waits = scope.spawn(|| other.run(second));
                    wait_for_waiters(&database, 1);
                    one.run("COMMIT");
                    waits.join().unwrap();
                });
                assert_eq!(database.job(job).exit.map(|exit| exit.code), Some(5), "{first}, then {second}");
            }
        }
    }
}

/// The documented limit: a run that another transaction inserts whole at this very moment is not seen by whoever names
/// it, nor the other way round. What refers to it by a foreign key is refused; a run without its exit is safe.
#[test]
fn a_run_that_is_inserted_whole_while_it_is_named_is_refused_by_a_foreign_key() {
    let name = "UPDATE jobs SET run_id = 7 WHERE id = 1";
    for (has_key, insert, shown) in [
        (false, "INSERT INTO agent_runs (id, exit_code) VALUES (7, 5)", None),
        (true, "INSERT INTO agent_runs (id, exit_code) VALUES (7, 5)", Some(5)),
        (false, "INSERT INTO agent_runs (id) VALUES (7)", None),
    ] {
        let database =
            Database::adopted("INSERT INTO jobs (id, agent, repo, status) VALUES (1, 'a', 'r', 'running')");
        if has_key {
            database.program.run("ALTER TABLE jobs ADD FOREIGN KEY (run_id) REFERENCES agent_runs (id)");
        }
        let other = Program::on(database.url());
        other.run(&format!("BEGIN; {insert}"));
        assert_eq!(database.program.try_run(name).is_err(), has_key, "{insert}");
        other.run("COMMIT");
        if has_key {
            database.program.run(name);
        }
        assert_eq!(database.job(1).exit.map(|exit| exit.code), shown, "{insert}");
        // Whatever was missed is made up for by the next write of the exit.
        database.program.run("UPDATE agent_runs SET exit_code = 5, finished_at = now()");
        assert_eq!(database.job(1).exit.map(|exit| exit.code), Some(5), "{insert}");
    }
}

/// The documented limit: a transaction that sees the tables as they were does not see its run named. An exit that is
/// recorded at READ COMMITTED is never missed, nor is one in a transaction that begins with it.
#[test]
fn an_exit_is_missed_by_a_transaction_that_has_read_before_its_run_was_named() {
    let rows = "INSERT INTO agent_runs (id) VALUES (7);
        INSERT INTO jobs (id, agent, repo, status) VALUES (1, 'a', 'r', 'running')";
    for (begin, shown) in [
        ("BEGIN ISOLATION LEVEL READ COMMITTED; SELECT count(*) FROM jobs", Some(5)),
        ("BEGIN ISOLATION LEVEL REPEATABLE READ", Some(5)),
        ("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM jobs", None),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM jobs", None),
    ] {
        let database = Database::adopted(rows);
        let other = Program::on(database.url());
        other.run(begin);
        database.program.run("UPDATE jobs SET run_id = 7 WHERE id = 1");
        other.run("UPDATE agent_runs SET exit_code = 5 WHERE id = 7; COMMIT");
        assert_eq!(database.job(1).exit.map(|exit| exit.code), shown, "{begin}");
        database.program.run("UPDATE agent_runs SET finished_at = now()");
        assert_eq!(database.job(1).exit.map(|exit| exit.code), Some(5), "the next write makes up for it");
    }
}

/// Attaches and exits without any order.
#[test]
fn attaches_and_exits_at_once_lose_none() {
    let database = Database::adopted("");
    let (one, other) = (Program::on(database.url()), Program::on(database.url()));
    at_once::lose_none(&database, one, other, 300);
}

#[test]
fn f40_exits_that_the_owner_refuses_are_left_out() {
    for how in ["BEFORE UPDATE", "CONSTRAINT"] {
        let database = Database::adopted("");
        let trigger = if how == "CONSTRAINT" {
            "CONSTRAINT TRIGGER owner AFTER UPDATE ON agent_runs DEFERRABLE INITIALLY DEFERRED"
        } else {
            "TRIGGER owner BEFORE UPDATE ON agent_runs"
        };
        database.program.run(&format!(
            "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the owner''s word'; END $$;
             CREATE {trigger} FOR EACH ROW WHEN (NEW.exit_code = 9) EXECUTE FUNCTION no()"
        ));
        exits::the_refused_are_left_out(&database, "the owner's word");
    }
}

/// Whoever comes again waits for nobody who holds a run, or the job on which its exit would show: that one is left out, and
/// recorded once it is free.
#[test]
fn an_exit_whose_rows_are_held_is_left_out() {
    let at_once = Duration::from_millis(1);
    for held in ["SELECT 1 FROM agent_runs WHERE id = 1 FOR UPDATE", "UPDATE jobs SET error = 'hm' WHERE id = 1"] {
        let database = Database::adopted("");
        let taken = exits::taken(&database, 3);
        // Whoever waited would be told at once that it was for too long.
        let store = database.open(reaper_store::postgres::Options { lock_timeout: at_once, ..Default::default() });
        let other = Program::on(database.url());
        other.run(&format!("BEGIN; {held}"));
        assert_eq!(store.try_record_exit(&taken[0].run, 0).unwrap(), Tried::LeftOut(LeftOut::Held), "{held}");
        assert_eq!(store.try_record_exit(&taken[1].run, 0).unwrap(), Tried::Recorded(Recorded::New), "{held}");
        let witnessed: Vec<_> = taken.iter().map(|taken| exits::witnessed(taken, 0)).collect();
        let answers = store.record_witnessed(&witnessed).unwrap();
        assert_eq!(
            answers,
            [Testified::LeftOut(LeftOut::Held), Testified::NotOpen, Testified::Recorded],
            "{held}"
        );
        other.run("ROLLBACK");
        assert_eq!(store.record_witnessed(&witnessed).unwrap()[0], Testified::Recorded, "{held}");
    }
}
