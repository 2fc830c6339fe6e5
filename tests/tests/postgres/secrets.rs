//! A password is never shown: not in results, errors or logs, whatever goes wrong.

use std::process::Stdio;

use reaper_tests::{
    database::{Database, Kind},
    program::Program,
};

use crate::setting::{BINARY, password, prepared};

#[test]
fn no_command_shows_the_password() {
    let Some(database) = Database::foreign_on(Kind::Postgres) else { return };
    let secret = password(database.url()).to_owned();
    let fresh = Program::on(BINARY, &database);
    let mut said = vec![fresh.run(&["status"]).with_code(4), fresh.run(&["migrate", "--dry-run"]).ok()];
    let program = prepared(&database, "");
    for args in [
        &["status"][..],
        &["status", "--output", "json"],
        &["plan"],
        &["explain", "4711"],
        &["history"],
        &["mode"],
        &["breaker"],
        &["outbox"],
        &["tick", "-vv"],
        &["requeue-running", "--all", "-vv"],
        &["status", "--set", "interval=soon"],
        &["status", "--set", "database_ulr=x"],
        &["--help"],
    ] {
        said.push(program.run(args));
    }
    let missing = said.iter().find(|ended| ended.stderr.contains("no job 4711")).unwrap();
    assert!(missing.stderr.contains("postgres://reaper@127.0.0.1:"), "the place is told: {}", missing.stderr);

    // Wrong ones: another password, another database, another port, and characters that had to be escaped.
    let url = database.url();
    for wrong in [
        url.replacen(&secret, &format!("{secret}x"), 1),
        url.replacen("/reaper_tests_", "/no_such_", 1),
        url.replacen("@127.0.0.1:", "@127.0.0.1:1", 1),
        url.replacen(&secret, &format!("{secret}@x/y"), 1),
        url.replacen(&secret, &format!("{secret}%zz"), 1),
        format!("{url}?password={secret}&no_such_parameter=1"),
        url.replacen("postgres://", "postgresql+psycopg://", 1),
    ] {
        for args in [&["status", "-vv"][..], &["tick"], &["migrate"]] {
            let output = program.command(args).env("DATABASE_URL", &wrong).stdin(Stdio::null()).output().unwrap();
            let text = |bytes| String::from_utf8(bytes).unwrap();
            let code = output.status.code().unwrap();
            assert!(code == 1 || code == 2, "{args:?} on {wrong}: {code}");
            said.push(reaper_tests::program::Ended {
                code,
                stdout: text(output.stdout),
                stderr: text(output.stderr),
            });
        }
    }
    for ended in said {
        assert!(!ended.stdout.contains(&secret) && !ended.stderr.contains(&secret), "{ended:?}");
    }
}
