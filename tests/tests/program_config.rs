//! What is wrong with a configuration is said with the place, the key and the nearest name.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

use reaper_tests::program::{Ended, Program, adopted};

const BINARY: &str = env!("CARGO_BIN_EXE_reaper-under-test");

fn says(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    for word in words {
        assert!(ended.stderr.contains(word), "`{word}` in {}", ended.stderr);
    }
    assert!(!ended.stderr.contains(".rs:"), "no place in the program's own text: {}", ended.stderr);
}

fn with_variable(program: &Program, name: &str, value: &str) -> Ended {
    let output = program.command(&["status"]).env(name, value).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[test]
fn an_unknown_key_is_said_with_its_place_and_the_nearest_name() {
    let (_db, program) = adopted(BINARY);
    says(&program.run(&["status", "--set", "intervl=5s"]), &["--set", "`intervl`", "did you mean `interval`"]);
    says(&program.run(&["status", "--set", "backoff.bas=5s"]), &["`backoff.bas`", "did you mean `backoff.base`"]);
    says(&program.run(&["status", "--set", "zzz=1"]), &["--set", "unknown key `zzz`"]);
    says(&with_variable(&program, "REAPER_INTERVL", "5s"), &["REAPER_INTERVL", "did you mean `interval`"]);
    let nested = with_variable(&program, "REAPER_BACKOFF__BAS", "5s");
    says(&nested, &["REAPER_BACKOFF__BAS", "did you mean `backoff.base`"]);
    program.configure("[backoff]\nbas = \"5s\"\n");
    says(&program.run(&["status"]), &["reaper.toml", "`backoff.bas`", "did you mean `backoff.base`"]);
}

#[test]
fn a_value_that_cannot_be_read_is_said_with_its_place_and_what_to_write() {
    let (_db, program) = adopted(BINARY);
    says(&program.run(&["status", "--set", "interval=soon"]), &["--set: interval", "`soon`", "write it like"]);
    says(&program.run(&["status", "--set", "mode=of"]), &["mode", "`of` is none of off, report, enforce"]);
    says(&with_variable(&program, "REAPER_INTERVAL", "soon"), &["REAPER_INTERVAL", "`soon`", "write it like"]);
    says(&program.run(&["status", "--set", "interval=0"]), &["interval", "at least 1ms"]);
    says(&program.run(&["status", "--config", "absent.toml"]), &["absent.toml"]);
    program.configure("interval = \n");
    says(&program.run(&["status"]), &["reaper.toml: not read", "line 1"]);
    program.configure("interval = \"soon\"\n");
    says(&program.run(&["status"]), &["reaper.toml: interval", "write it like"]);
}

#[test]
fn a_later_layer_wins_over_an_earlier_one() {
    let (_db, program) = adopted(BINARY);
    program.configure("mode = \"off\"\n");
    assert!(program.run(&["mode"]).ok().stdout.contains("configured off"));
    assert!(with_variable(&program, "REAPER_MODE", "report").stdout.contains("report"));
    let output =
        program.command(&["mode", "--set", "mode=enforce"]).env("REAPER_MODE", "report").output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("configured enforce"));
}

#[test]
fn the_database_of_the_command_line_wins_over_the_environment_s() {
    let (db, program) = adopted(BINARY);
    let other = db.dir().join("other.db");
    std::fs::write(&other, "").unwrap();
    // `DATABASE_URL` names the adopted one; this one was never migrated.
    for args in [["status", "--set", "database_url=other.db"], ["status", "--database-url", "other.db"]] {
        assert!(program.run(&args).with_code(4).stderr.contains("reaper migrate"), "{args:?}");
    }
    program.configure("database_url = \"jobs.db\"\n");
    assert_eq!(with_variable(&program, "DATABASE_URL", "").code, 0, "an empty variable names none");
    assert_ne!(with_variable(&program, "DATABASE_URL", "other.db").code, 0);
}

#[test]
fn a_name_that_looks_like_a_number_is_a_name() {
    let (_db, program) = adopted(BINARY);
    for (name, value) in
        [("REAPER_HOST", "42"), ("REAPER_INSTANCE", "1.50"), ("REAPER_NOTIFY__TELEGRAM__CHAT_ID", "-100200300")]
    {
        program.configure("[notify.telegram]\ntoken = \"1:a\"\nchat_id = \"9\"\n");
        let ended = with_variable(&program, name, value);
        assert_eq!(ended.code, 0, "{name}: {}", ended.stderr);
    }
    let _status = program.run(&["status", "--set", "host=42", "--set", "instance=true"]).ok();
}
