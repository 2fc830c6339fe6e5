//! The stat file of a process, as far as liveness reads it.

/// Some fields of `/proc/PID/stat`, see `proc_pid_stat(5)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// The state's letter (field 3). `Z` alone does not mean dead: a process whose main thread has ended shows it too.
    pub(super) state: u8,
    /// The process group (field 5); -1 of a process that is being taken apart, 0 of one in an outer namespace.
    pub(super) group: i32,
    /// The session (field 6), with the same exceptions.
    pub(super) session: i32,
    /// When it started, in clock ticks since boot (field 22).
    pub(super) start_time: u64,
    /// The wait status of a process that has ended (field 52), 0 where it is kept from the reader; `None` before Linux
    /// 3.5.
    pub(super) exit_status: Option<i32>,
}

impl Stat {
    /// Reads the one line of a stat file. `None` where it is not of that form.
    ///
    /// The second field is the command's name in brackets, and a process may name itself `) R 1 (` or put line feeds
    /// into it. The kernel writes no other `)`, so the fields that follow begin after the last one.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let end_of_name = line.iter().rposition(|byte| *byte == b')')?;
        let rest = str::from_utf8(line.get(end_of_name..)?).ok()?.strip_prefix(") ")?;
        let mut fields = rest.split_ascii_whitespace();
        let &[state] = fields.next()?.as_bytes() else { return None };
        // Here `fields` stands before field 4, the parent.
        let group = fields.nth(1)?.parse().ok()?;
        let session = fields.next()?.parse().ok()?;
        let start_time = fields.nth(15)?.parse().ok()?;
        let exit_status = fields.nth(29).and_then(|field| field.parse().ok());
        Some(Self { state, group, session, start_time, exit_status })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TAIL: &str = "7 41 42 0 -1 4194560 1 0 0 0 3 4 0 0 20 0 1 0 8899 1000 2 18446744073709551615";

    #[test]
    fn reads_the_fields_of_a_plain_line() {
        let line = format!("4711 (sleep) S {TAIL}\n");
        assert_eq!(
            Stat::parse(line.as_bytes()),
            Some(Stat { state: b'S', group: 41, session: 42, start_time: 8899, exit_status: None })
        );
    }

    #[test]
    fn a_name_that_looks_like_fields_is_a_name() {
        let line = format!("4711 () R 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21) Z {TAIL}");
        assert_eq!(Stat::parse(line.as_bytes()).map(|stat| (stat.state, stat.start_time)), Some((b'Z', 8899)));
    }

    #[test]
    fn what_is_cut_short_or_empty_is_none() {
        let line = format!("4711 (sleep) S {TAIL}");
        let upto_start = line.find("8899").unwrap();
        for end in 0..=upto_start {
            assert_eq!(Stat::parse(&line.as_bytes()[..end]), None, "cut at {end}");
        }
        assert_eq!(Stat::parse(b"4711 sleep S 1 2 3"), None);
        assert_eq!(Stat::parse(b"4711 (sleep) SS 1 2 3"), None);
    }

    #[test]
    fn the_wait_status_is_the_last_of_52_fields() {
        let rest: Vec<String> = (23..52).map(|field| field.to_string()).collect();
        let line = format!("4711 (x) Z 7 41 42 0 -1 0 1 0 0 0 3 4 0 0 20 0 1 0 8899 {} 1792\n", rest.join(" "));
        assert_eq!(Stat::parse(line.as_bytes()).and_then(|stat| stat.exit_status), Some(1792));
    }

    #[test]
    fn our_own_file_parses() {
        let line = std::fs::read("/proc/self/stat").unwrap();
        let stat = Stat::parse(&line).unwrap();
        assert!(stat.start_time > 0 && stat.group > 0);
    }

    proptest! {
        #[test]
        fn any_name_leaves_the_fields_alone(
            pid in 1_u32..4_194_304,
            name in prop::collection::vec(any::<u8>(), 0..64),
            state in prop::sample::select(b"RSDZTtXxKWPI".as_slice()),
            group in -1_i32..4_194_304,
            session in -1_i32..4_194_304,
            start_time: u64,
        ) {
            let mut line = format!("{pid} (").into_bytes();
            line.extend(&name);
            line.extend(format!(
                ") {} 1 {group} {session} 0 -1 4194560 1 0 0 0 3 4 0 0 20 0 1 0 {start_time} 9 9\n", char::from(state)
            ).into_bytes());
            prop_assert_eq!(Stat::parse(&line), Some(Stat { state, group, session, start_time, exit_status: None }));
        }

        #[test]
        fn a_name_made_of_brackets_and_fields_leaves_them_alone(name in r"[()  RSZ0-9\n-]{0,64}", start_time: u64) {
            let line = format!("1 ({name}) S 1 2 3 0 -1 4194560 1 0 0 0 3 4 0 0 20 0 1 0 {start_time} 9");
            prop_assert_eq!(Stat::parse(line.as_bytes()), Some(Stat { state: b'S', group: 2, session: 3, start_time, exit_status: None }));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            // Without a closing bracket there is nothing to read; with one the rest decides. Neither may panic.
            let read = Stat::parse(&bytes);
            prop_assert!(read.is_none() || bytes.contains(&b')'));
        }
    }
}
