//! The top level holds the members and the customary files, and nothing else.

/// What stands at the top and should not, what is missing there, and what a test left behind anywhere.
pub(super) fn faults(files: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut tops: Vec<&str> = files.iter().map(|file| file.split('/').next().unwrap_or(file)).collect();
    tops.dedup();
    for top in &tops {
        let known = CUSTOMARY.contains(top) || FOLDERS.contains(top) || top.starts_with('.');
        if !known {
            faults.push(format!("{top}: the top level holds the members and the customary files only"));
        }
    }
    for missing in CUSTOMARY.iter().filter(|name| !tops.contains(name)) {
        faults.push(format!("{missing}: missing at the top level"));
    }
    for file in files.iter().filter(|file| PENDING.iter().any(|ending| file.ends_with(ending))) {
        faults.push(format!("{file}: a snapshot that nobody has accepted"));
    }
    faults
}

/// Files that every visitor looks for.
const CUSTOMARY: [&str; 6] =
    ["CHANGELOG.md", "Cargo.lock", "Cargo.toml", "LICENSE-APACHE", "LICENSE-MIT", "README.md"];

/// The members.
const FOLDERS: [&str; 6] = ["reaper-core", "reaper-gate", "reaper-runner", "reaper-store", "tests", "xtask"];

/// How the files end that the snapshot library writes beside a snapshot which differs.
const PENDING: [&str; 2] = [".snap.new", ".pending-snap"];

#[cfg(test)]
mod tests {
    use super::*;

    fn with(more: &[&str]) -> Vec<String> {
        let mut files: Vec<String> = CUSTOMARY.iter().chain(more).map(|&file| file.to_owned()).collect();
        files.sort();
        faults(&files)
    }

    #[test]
    fn members_dot_files_and_customary_files_may_stand_there() {
        assert_eq!(
            with(&[".env.example", ".cargo/config.toml", "xtask/src/main.rs", "tests/Cargo.toml"]),
            [""; 0]
        );
    }

    #[test]
    fn anything_else_may_not_and_each_is_named_once() {
        let faults = with(&["docs/a.md", "docs/b.md", "notes.txt", "tests/a.snap.new"]);
        assert_eq!(faults.len(), 3, "{faults:?}");
        assert!(faults[0].starts_with("docs: "), "{faults:?}");
        assert!(super::faults(&[]).iter().any(|fault| fault == "README.md: missing at the top level"));
    }
}
