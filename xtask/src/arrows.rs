//! `cargo xtask arrows`: who may depend on whom, and on a database.
//!
//! Read twice: from the manifests, development dependencies included, and from the sources, where a path such as
//! `reaper_store::` must not stand at all in a crate that may not know the store.

use serde_json::Value;

use crate::{
    files::files,
    run::Run,
    source::{Source, words},
    step::{Failed, Output, Step},
    workspace::members,
};

/// Compares manifests and sources with the table.
pub(crate) const STEP: Step =
    Step { name: "arrows", about: "No crate depends on one that it may not know", output: Output::Kept, run };

fn run(run: &mut Run<'_>) -> Result<String, Failed> {
    let mut faults = Vec::new();
    let metadata = &run.workspace.metadata;
    for package in members(metadata) {
        faults.extend(manifest_faults(package));
    }
    for file in files(run.workspace)?.iter().filter(|file| file.ends_with(".rs")) {
        if let Some(arrows) = ARROWS.iter().find(|arrows| file.starts_with(&format!("{}/", arrows.folder))) {
            faults.extend(source_faults(arrows, file, &run.workspace.read(file)?));
        }
    }
    run.judge(&faults)?;
    Ok(String::new())
}

/// What one member may depend on.
#[derive(Debug)]
struct Arrows {
    package: &'static str,
    folder: &'static str,
    /// Members, itself left out.
    members: &'static [&'static str],
    database: Database,
}

/// How a member may depend on a database library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Database {
    No,
    /// Only optionally, switched on by a feature named after the database.
    ByFeature,
    Yes,
}

/// The table. A member that is not in it may not be.
const ARROWS: [Arrows; 6] = [
    Arrows { package: "reaper-core", folder: "reaper-core", members: &[], database: Database::No },
    Arrows {
        package: "reaper-store",
        folder: "reaper-store",
        members: &["reaper-core"],
        database: Database::ByFeature,
    },
    Arrows {
        package: "reaper-gate",
        folder: "reaper-gate",
        members: &["reaper-core"],
        database: Database::ByFeature,
    },
    Arrows {
        package: "reaper-runner",
        folder: "reaper-runner",
        members: &["reaper-core", "reaper-store", "reaper-gate"],
        database: Database::No,
    },
    Arrows {
        package: "reaper-tests",
        folder: "tests",
        members: &["reaper-core", "reaper-store", "reaper-gate", "reaper-runner"],
        database: Database::Yes,
    },
    Arrows { package: "xtask", folder: "xtask", members: &[], database: Database::No },
];

/// Libraries that talk to a database.
const DATABASES: [&str; 7] =
    ["diesel", "diesel_migrations", "libsqlite3-sys", "pq-sys", "rusqlite", "postgres", "sqlx"];

/// Features that may switch a database library on.
const DATABASE_FEATURES: [&str; 2] = ["sqlite", "postgres"];

fn manifest_faults(package: &Value) -> Vec<String> {
    let name = package.get("name").and_then(Value::as_str).unwrap_or_default();
    let Some(arrows) = ARROWS.iter().find(|arrows| arrows.package == name) else {
        return vec![format!("{name}: no row of the table in xtask/src/arrows.rs says what it may depend on")];
    };
    let mut faults = Vec::new();
    for dependency in package.get("dependencies").and_then(Value::as_array).into_iter().flatten() {
        let to = dependency.get("name").and_then(Value::as_str).unwrap_or_default();
        let kind = match dependency.get("kind").and_then(Value::as_str) {
            Some("dev") => "its tests depend",
            Some("build") => "its build depends",
            _ => "depends",
        };
        let is_member = ARROWS.iter().any(|arrows| arrows.package == to);
        let optional = dependency.get("optional").and_then(Value::as_bool) == Some(true);
        if is_member && to != name && !arrows.members.contains(&to) {
            faults.push(format!("{name}: {kind} on {to}"));
        } else if DATABASES.contains(&to) {
            match arrows.database {
                Database::No => faults.push(format!("{name}: {kind} on {to}")),
                Database::ByFeature if kind == "depends" && !optional => {
                    faults.push(format!("{name}: depends on {to} without a feature that switches it on"));
                }
                Database::ByFeature | Database::Yes => {}
            }
        }
    }
    if arrows.database == Database::ByFeature {
        faults.extend(feature_faults(name, package));
    }
    faults
}

/// Features that switch a database on and are not named after one.
fn feature_faults(name: &str, package: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for (feature, implied) in package.get("features").and_then(Value::as_object).into_iter().flatten() {
        if DATABASE_FEATURES.contains(&feature.as_str()) {
            continue;
        }
        for implied in implied.as_array().into_iter().flatten().filter_map(Value::as_str) {
            let library =
                implied.strip_prefix("dep:").or_else(|| implied.split_once('/').map(|(library, _)| library));
            if library.is_some_and(|library| DATABASES.contains(&library)) {
                faults.push(format!("{name}: the feature `{feature}` switches `{implied}` on"));
            }
        }
    }
    faults
}

fn source_faults(arrows: &Arrows, file: &str, text: &str) -> Vec<String> {
    let source = Source::of(text);
    let mut faults = Vec::new();
    for (number, line) in source.code_lines() {
        for word in words(line) {
            let to = word.replace('_', "-");
            let member =
                to != arrows.package && ARROWS.iter().any(|row| row.package == to && row.package != "xtask");
            let unknown_member = member && !arrows.members.contains(&to.as_str());
            let database = arrows.database == Database::No && word == "diesel";
            if unknown_member || database {
                faults.push(format!("{file}:{number}: {} names `{word}`", arrows.package));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;
    use serde_json::json;

    #[test]
    fn a_forbidden_member_is_a_fault_in_tests_too() {
        let package = json!({ "name": "reaper-gate", "dependencies": [
            { "name": "reaper-core", "kind": null },
            { "name": "reaper-gate", "kind": "dev" },
            { "name": "reaper-store", "kind": "dev" },
        ]});
        assert_eq!(manifest_faults(&package), ["reaper-gate: its tests depend on reaper-store"]);
        let package = json!({ "name": "xtask", "dependencies": [{ "name": "reaper-core", "kind": null }] });
        assert_eq!(manifest_faults(&package), ["xtask: depends on reaper-core"]);
    }

    #[test]
    fn a_database_comes_by_its_feature_only() {
        let package = json!({ "name": "reaper-store",
            "features": { "sqlite": ["dep:diesel", "diesel/sqlite"], "mock": ["dep:mockall", "diesel?/r2d2"],
                          "contract": ["dep:diesel", "diesel/sqlite"] },
            "dependencies": [
                { "name": "diesel", "kind": null, "optional": true },
                { "name": "libsqlite3-sys", "kind": null, "optional": false },
                { "name": "diesel", "kind": "dev" },
        ]});
        assert_eq!(
            manifest_faults(&package),
            [
                "reaper-store: depends on libsqlite3-sys without a feature that switches it on",
                "reaper-store: the feature `contract` switches `dep:diesel` on",
                "reaper-store: the feature `contract` switches `diesel/sqlite` on",
            ]
        );
        let package = json!({ "name": "reaper-runner", "dependencies": [{ "name": "diesel", "kind": "dev" }] });
        assert_eq!(manifest_faults(&package), ["reaper-runner: its tests depend on diesel"]);
    }

    #[test]
    fn the_table_has_a_row_for_each_member_and_no_other() {
        let workspace = Workspace::find().unwrap();
        let mut names: Vec<_> =
            members(&workspace.metadata).filter_map(|member| member.get("name")?.as_str()).collect();
        let mut rows: Vec<_> = ARROWS.iter().map(|arrows| arrows.package).collect();
        names.sort_unstable();
        rows.sort_unstable();
        assert_eq!(rows, names);
    }

    #[test]
    fn a_member_without_a_row_is_a_fault() {
        assert_eq!(manifest_faults(&json!({ "name": "reaper-extra" })).len(), 1);
    }

    #[test]
    fn a_path_in_code_is_an_arrow_and_one_in_a_comment_is_none() {
        let gate = ARROWS.iter().find(|arrows| arrows.package == "reaper-gate").unwrap();
        let text = "//! Beside reaper_store.\nuse reaper_core::Job;\nuse reaper_store::Facts; // diesel\nuse diesel::x;\n";
        assert_eq!(source_faults(gate, "a.rs", text), ["a.rs:3: reaper-gate names `reaper_store`"]);
        let core = ARROWS.first().unwrap();
        assert_eq!(source_faults(core, "a.rs", "diesel::table!{}\n"), ["a.rs:1: reaper-core names `diesel`"]);
    }
}
