//! Files that are there whole or not at all.

use reaper_core::{Fence, JobId};

use super::*;

fn exit(job: i64) -> SpooledExit {
    SpooledExit {
        attempt: Attempt { job: JobId::from(job), fence: Fence::from(i64::MAX) },
        run: RunId::from(3),
        executor: "h/b/1/2/3/4".parse().unwrap(),
        code: -9,
        stopped_for: Some(StoppedFor::Limit),
        out_of_memory: true,
        at: Timestamp::UNIX_EPOCH,
        tail: "quotes \" and \u{1b} and \n".into(),
    }
}

#[test]
fn what_is_written_is_read_and_nothing_else_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::new(folder.path().join("a/b"));
    assert!(spool.is_empty(), "a folder that is not there holds nothing");
    spool.make().unwrap();
    let path = spool.file_of(&exit(7).attempt);
    write(&path, &exit(7)).unwrap();
    write(&path, &exit(7)).unwrap();
    assert_eq!(read(&path).unwrap(), exit(7));
    let names: Vec<_> = fs::read_dir(spool.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [format!("7-{}.exit.json", i64::MAX).as_str()]);
    assert!(!spool.is_empty());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(spool.folder()), mode(&path)), (0o700, 0o600), "it is its owner's alone");
    }
}

#[test]
fn a_write_that_fails_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("1-2.exit.json");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("full"), "").unwrap();
    assert!(write(&path, &exit(1)).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    assert!(matches!(read(&path), Err(SpoolError::Content(_))));
}

#[test]
fn an_id_that_is_a_text_does_not_name_a_file() {
    let spool = Spool::new("folder");
    let attempt = Attempt { job: JobId("../../x".parse().unwrap()), fence: Fence::from(1) };
    let path = spool.file_of(&attempt);
    assert_eq!(path.parent(), Some(Path::new("folder")));
    assert!(!path.to_string_lossy().contains("x/") && path != spool.file_of(&attempt));
}

#[test]
fn a_file_s_name_tells_the_attempt() {
    let spool = Spool::new("folder");
    for (job, fence) in [(1, 2), (-1, i64::MIN), (i64::MAX, -7), (0, 0)] {
        let attempt = Attempt { job: JobId::from(job), fence: Fence::from(fence) };
        assert_eq!(named_attempt(&spool.file_of(&attempt)), Some(attempt));
    }
    let text = Attempt { job: JobId("x".parse().unwrap()), fence: Fence::from(1) };
    for path in [spool.file_of(&text), "folder/1.exit.json".into(), "folder/1-2.exit.json.bad".into()] {
        assert_eq!(named_attempt(&path), None, "{}", path.display());
    }
}
