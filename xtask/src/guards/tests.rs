//! How guards are listed, broken and counted.

use super::*;

#[test]
fn a_change_is_made_once_or_refused() {
    let change = Change { file: "a.rs".into(), from: "x == y".into(), to: "x == x".into() };
    assert_eq!(change.made_in("if x == y {").unwrap(), "if x == x {");
    for text in ["", "x == y; x == y"] {
        assert!(change.made_in(text).is_err(), "{text}");
    }
}

#[test]
fn a_list_without_a_key_is_refused() {
    let list = "[[guard]]\nname = 'a'\nbreaks = 'I1'\n[[guard.change]]\nfile = 'f'\nfrom = 'x'\n";
    assert!(listed(list).unwrap_err().to_string().ends_with("an entry has no to"));
    let guards = listed(&format!("{list}to = 'y'\n")).unwrap();
    let expected = Change { file: "f".into(), from: "x".into(), to: "y".into() };
    assert_eq!(guards[0].changes, [expected]);
}

#[test]
fn failures_are_told_by_kind() {
    let mut heard = Heard::default();
    for line in [
        "        PASS [   0.005s] reaper-core decide::tests::a",
        "        FAIL [   0.005s] (12/99) reaper-core decide::tests::b",
        "        FAIL [   0.005s] (13/99) reaper-tests::seed_program tc01",
        "     TIMEOUT [ 120.005s] (13/99) reaper-store::sqlite guard::c",
        "        FAIL [   0.005s] (13/99) reaper-tests::hostile tc01",
        "     Summary [ 100.000s] 99 tests run",
    ] {
        heard.line(line);
    }
    assert_eq!(shown(&by_kind(&heard.failed)), "contract 1, program 1, rules 1");
}

#[test]
fn a_guard_of_several_stores_is_broken_in_each_by_itself() {
    let change = |file: &str| Change { file: file.into(), from: "x".into(), to: "y".into() };
    let files = ["reaper-store/src/guard.rs", "reaper-store/src/sqlite/a.rs", "reaper-store/src/sqlite/b.rs"];
    let mut guard =
        Guard { name: "g".into(), breaks: "I1".into(), changes: files.into_iter().map(change).collect() };
    let homes: Vec<_> = guard.homes().into_iter().map(|(home, changes)| (home, changes.len())).collect();
    assert_eq!(homes, [("memory", 1), ("sqlite", 2)]);
    guard.changes.remove(0);
    assert!(guard.homes().is_empty());
    guard.changes.push(change("reaper-store/src/database/c.rs"));
    assert!(guard.homes().into_keys().eq(["database", "sqlite"]));
    guard.changes.retain(|change| change.home() == SHARED);
    assert!(guard.homes().into_keys().eq(["database"]));
}

#[test]
fn what_is_broken_in_one_home_is_not_asked_of_another_database() {
    let asks = |asked: Asked, database: &str| !asked.which().contains(&format!("binary({database}) or"));
    for (asked, sqlite, postgres) in [
        (Asked::All, true, true),
        (Asked::Home(SHARED), true, true),
        (Asked::Home("sqlite"), true, false),
        (Asked::Home("postgres"), false, true),
        (Asked::Home("memory"), false, false),
    ] {
        assert_eq!((asks(asked, "sqlite"), asks(asked, "postgres")), (sqlite, postgres), "{asked:?}");
    }
}

#[test]
fn what_both_databases_share_is_seen_on_both() {
    let test = |place: &str| (place.to_owned(), "a".to_owned());
    let failed = ["reaper-store::sqlite", "reaper-store"].map(test).into();
    assert_eq!(seen("memory", &failed), [("memory".to_owned(), 2)]);
    let counts: Vec<_> = seen(SHARED, &failed).into_iter().map(|(_, count)| count).collect();
    assert_eq!(counts, [1, 0]);
}
