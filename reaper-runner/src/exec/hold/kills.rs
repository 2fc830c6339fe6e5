//! Whether the kernel has killed for want of memory: its own counter, of the control group that this process is in.
//!
//! The counter is the group's, not the command's. So a command is taken to have been killed for want of memory **if and only
//! if** it was ended by KILL and the counter rose while it ran: where many share a group, one of them may have been
//! killed by somebody else at that time. Where there is no such counter nothing is said.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The counter as it stood when a command began.
#[derive(Debug)]
pub(super) struct Kills {
    counter: PathBuf,
    before: u64,
}

impl Kills {
    /// The counter of this process's group, where the kernel keeps one.
    pub(super) fn so_far() -> Option<Self> {
        let read = |file: &str| fs::read_to_string(file).ok();
        let counter = counter(&read("/proc/self/cgroup")?, &read("/proc/self/mountinfo")?)?;
        let before = count(&fs::read_to_string(&counter).ok()?)?;
        Some(Self { counter, before })
    }

    /// Whether a command that ended with this code was one of those that were killed since.
    pub(super) fn explain(&self, code: i32) -> bool {
        let now = fs::read_to_string(&self.counter).ok().and_then(|text| count(&text));
        [-9, 137].contains(&code) && now.is_some_and(|now| now > self.before)
    }
}

/// Where the counter is: the group of the unified hierarchy if that counts memory, else that of the memory controller.
fn counter(groups: &str, mounts: &str) -> Option<PathBuf> {
    let groups = groups.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        Some((controllers, path))
    });
    let files = groups.filter_map(|(controllers, path)| match controllers {
        "" => file(mounts, path, "memory.events", |kind, _| kind == "cgroup2"),
        listed if listed.split(',').any(|name| name == "memory") => {
            let is_memory =
                |kind: &str, options: &str| kind == "cgroup" && options.split(',').any(|o| o == "memory");
            file(mounts, path, "memory.oom_control", is_memory)
        }
        _ => None,
    });
    files.into_iter().find(|file| file.exists())
}

/// A file of a group, by the mount that shows it.
fn file(mounts: &str, group: &str, name: &str, is_it: impl Fn(&str, &str) -> bool) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        let mut kind = kind.split(' ');
        let (kind, _source, options) = (kind.next()?, kind.next()?, kind.next()?);
        let mut mount = mount.split(' ').skip(3);
        let (root, point) = (mount.next()?, mount.next()?);
        let below = Path::new(group).strip_prefix(root).ok()?;
        is_it(kind, options).then(|| Path::new(point).join(below).join(name))
    })
}

/// The line `oom_kill N`, which both kinds of the file have.
fn count(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
24 1 0:22 / /proc rw,nosuid - proc proc rw
30 25 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
31 25 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu
32 25 0:28 /pod /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory";

    #[test]
    fn the_file_is_found_through_its_mount() {
        let unified = |group| file(MOUNTS, group, "memory.events", |kind, _| kind == "cgroup2");
        assert_eq!(unified("/a/b"), Some("/sys/fs/cgroup/unified/a/b/memory.events".into()));
        assert_eq!(unified("/"), Some("/sys/fs/cgroup/unified/memory.events".into()));
        let memory =
            |group| file(MOUNTS, group, "x", |kind, options| kind == "cgroup" && options.contains("memory"));
        assert_eq!(memory("/pod/c"), Some("/sys/fs/cgroup/memory/c/x".into()));
        assert_eq!(memory("/elsewhere"), None, "what the mount does not show");
    }

    #[test]
    fn both_kinds_of_the_file_are_read() {
        assert_eq!(count("low 0\nhigh 0\nmax 7\noom 3\noom_kill 2\noom_group_kill 0\n"), Some(2));
        assert_eq!(count("oom_kill_disable 0\nunder_oom 0\noom_kill 5\n"), Some(5));
        assert_eq!(count("oom_kill_disable 0\n"), None);
    }

    #[test]
    fn a_kill_that_the_counter_knows_is_explained_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let counter = dir.path().join("memory.events");
        fs::write(&counter, "oom_kill 2\n").unwrap();
        let kills = Kills { counter: counter.clone(), before: 2 };
        assert!(!kills.explain(-9), "somebody else killed it");
        fs::write(&counter, "oom_kill 3\n").unwrap();
        assert!(kills.explain(-9) && kills.explain(137));
        assert!(!kills.explain(-11) && !kills.explain(1) && !kills.explain(0));
        fs::remove_file(&counter).unwrap();
        assert!(!kills.explain(-9), "nothing is known");
    }
}
