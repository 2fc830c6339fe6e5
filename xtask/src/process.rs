//! Runs a child and hands over what it says, line by line, as it comes.

use std::{
    io::{self, BufRead, BufReader, PipeReader},
    process::{Child, Command, ExitStatus},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::Duration,
};

/// Runs `command` to its end. Standard output and standard error come through one pipe, so that their order is kept.
///
/// # Errors
///
/// When the child cannot be started or waited for.
pub(crate) fn stream(mut command: Command, on_line: &mut dyn FnMut(&str)) -> io::Result<ExitStatus> {
    let (reader, writer) = io::pipe()?;
    let child = command.stdout(writer.try_clone()?).stderr(writer).spawn()?;
    // The command holds our copies of the writing end: the reader would never see the end with them open.
    drop(command);
    let (sender, lines) = sync_channel(LINES_AHEAD);
    thread::spawn(move || read_lines(reader, &sender));
    follow(child, &lines, on_line)
}

fn follow(mut child: Child, lines: &Receiver<String>, on_line: &mut dyn FnMut(&str)) -> io::Result<ExitStatus> {
    let mut quiet_since_exit = 0;
    loop {
        match lines.recv_timeout(LOOK_AT_CHILD) {
            Ok(line) => on_line(&line),
            Err(RecvTimeoutError::Disconnected) => return child.wait(),
            Err(RecvTimeoutError::Timeout) => {
                // A process that the child has left behind may hold the pipe open for ever.
                if let Some(status) = child.try_wait()? {
                    quiet_since_exit += 1;
                    if quiet_since_exit == QUIET_LOOKS {
                        on_line("note: a process that was left behind holds the output open; not waiting for it");
                        return Ok(status);
                    }
                }
            }
        }
    }
}

fn read_lines(reader: PipeReader, sender: &SyncSender<String>) {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while matches!(reader.read_until(b'\n', &mut line), Ok(read) if read > 0) {
        let text = String::from_utf8_lossy(&line);
        if sender.send(text.trim_end_matches(['\n', '\r']).to_owned()).is_err() {
            return;
        }
        line.clear();
    }
}

/// Lines that may wait to be shown before the child is held up.
const LINES_AHEAD: usize = 1024;

/// How often a silent child is looked at.
const LOOK_AT_CHILD: Duration = Duration::from_millis(100);

/// How many silent looks after the child's exit end the reading.
const QUIET_LOOKS: u32 = 10;

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str) -> (ExitStatus, Vec<String>) {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let mut lines = Vec::new();
        let status = stream(command, &mut |line| lines.push(line.to_owned())).unwrap();
        (status, lines)
    }

    #[test]
    fn both_streams_come_in_order_with_the_exit() {
        let (status, lines) = run("echo one; echo two >&2; printf 'three\r\nfour'; exit 3");
        assert_eq!(lines, ["one", "two", "three", "four"]);
        assert_eq!(status.code(), Some(3));
    }

    #[test]
    fn a_process_that_is_left_behind_is_not_waited_for() {
        // The child prints the pid of what it leaves behind, so that the test can end it.
        let (status, lines) = run("sleep 60 & echo $!");
        assert!(status.success());
        assert!(lines.last().unwrap().starts_with("note: "), "{lines:?}");
        assert!(run(&format!("kill {}", lines[0])).0.success());
    }

    #[test]
    fn a_program_that_does_not_exist_is_an_error() {
        assert!(stream(Command::new("/no/such/program"), &mut |_| ()).is_err());
    }
}
