//! `cargo xtask features`: each product crate compiles by itself, and with each of its features alone.
//!
//! A build of the workspace joins the features of all crates, and hides what a crate by itself would miss.

use serde_json::Value;

use crate::{
    run::Run,
    step::{Failed, Output, Step},
    workspace::{PRODUCTS, member},
};

/// Checks every product without features and with each one alone. A warning fails too.
pub(crate) const STEP: Step = Step {
    name: "features",
    about: "Each product crate compiles by itself and with each feature alone",
    output: Output::Kept,
    run,
};

fn run(run: &mut Run<'_>) -> Result<String, Failed> {
    let mut faults = Vec::new();
    let mut checks = 0;
    for product in PRODUCTS {
        let sets = feature_sets(member(&run.workspace.metadata, product)?);
        for features in sets {
            checks += 1;
            let mut command = run.workspace.cargo();
            command.args(["check", "--package", product, "--no-default-features"]);
            let mut what = format!("{product} without features");
            if let Some(features) = features {
                command.args(["--features", &features]);
                what = format!("{product} with `{features}` alone");
            }
            let mut warned = false;
            let result = run.call(command, &mut |line| warned |= is_warning(line));
            match result {
                Err(_) => faults.push(format!("{what}: does not compile")),
                Ok(()) if warned => faults.push(format!("{what}: compiles with warnings")),
                Ok(()) => {}
            }
        }
    }
    run.judge(&faults)?;
    Ok(format!("{checks} subsets"))
}

/// No feature, then each by itself. `default` counts if it holds anything but one other feature, which would be
/// checked twice.
fn feature_sets(package: &Value) -> Vec<Option<String>> {
    let mut sets = vec![None];
    for (name, implied) in package.get("features").and_then(Value::as_object).into_iter().flatten() {
        let implied = implied.as_array().map_or(0, Vec::len);
        if name != "default" || implied > 1 {
            sets.push(Some(name.clone()));
        }
    }
    sets
}

/// Cargo's closing line for a package with warnings, which it repeats for a package that is already built.
fn is_warning(line: &str) -> bool {
    line.starts_with("warning: `reaper-") && line.contains(" generated ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_feature_stands_alone_and_a_default_of_one_is_no_set() {
        let package = serde_json::json!({
            "features": { "default": ["program"], "program": ["dep:clap"], "mock": [] }
        });
        let sets = feature_sets(&package);
        assert_eq!(sets, [None, Some("mock".to_owned()), Some("program".to_owned())]);
        let package = serde_json::json!({ "features": { "default": ["a", "b"], "a": [], "b": [] } });
        assert_eq!(feature_sets(&package).len(), 4);
        assert_eq!(feature_sets(&serde_json::json!({})), [None]);
    }

    #[test]
    fn only_a_package_that_warned_is_a_warning() {
        assert!(is_warning("warning: `reaper-gate` (lib) generated 1 warning"));
        assert!(!is_warning("warning: unused import: `x`"));
        assert!(!is_warning("    Finished `dev` profile [unoptimized] target(s) in 0.05s"));
    }
}
