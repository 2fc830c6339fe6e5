//! Running a command as the leader of a process group of its own, with a time limit for the whole group.

use std::{
    env,
    io::{self, PipeReader, PipeWriter},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::Duration,
};

use reaper_core::{Verdict, effect::Plain};
use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    io::Errno,
    process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid},
};

use self::{
    ended::{Ended, How},
    tail::Tail,
};
use super::{
    command::{GateCommand, SHOWN},
    fields::Variable,
};

mod ended;
mod tail;

/// The prefix that is Reaper's own. Every variable with it is taken out of the environment that a gate inherits, so
/// that it sees the job's fields alone and none of the reaper's own settings.
const PREFIX: &str = "REAPER_";

/// How long a killed process may take to go. Only one that waits inside the kernel needs longer.
const KILLED_WITHIN: Duration = Duration::from_secs(5);

/// How much is read of a command's output after its end: as much as the largest pipe holds. A process that left the
/// group may write for ever.
const READ_AFTER_END: usize = 1 << 20;

/// Runs a gate's command to its end, or until its time is up, and says what that means.
pub(super) fn run(command: &GateCommand, fields: &[Variable]) -> Verdict {
    run_to_end(command, fields).verdict(command)
}

fn run_to_end(command: &GateCommand, fields: &[Variable]) -> Ended {
    // The threads come first: what cannot be watched is not started.
    let output = match Output::new() {
        Ok(output) => output,
        Err(error) => return Ended::failed(format!("could not be watched: {error}")),
    };
    match start(command, fields, &output.writer) {
        Ok(child) => {
            let how = watch(command, child);
            Ended { how, tail: output.end() }
        }
        Err(why) => Ended::failed(why),
    }
}

/// Starts the command. When this returns, the process leads its group.
fn start(command: &GateCommand, fields: &[Variable], output: &PipeWriter) -> Result<Child, String> {
    let (program, arguments) = command.argv.split_first().ok_or("has no program")?;
    let shown = Plain { text: program, max: SHOWN };
    let pipe = || output.try_clone().map_err(|error| format!("could not make a pipe for `{shown}`: {error}"));
    let mut start = Command::new(program);
    start.args(arguments).stdin(Stdio::null()).stdout(pipe()?).stderr(pipe()?).process_group(0);
    if let Some(dir) = &command.dir {
        start.current_dir(dir);
    }
    for (name, _) in env::vars_os() {
        if name.as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            start.env_remove(name);
        }
    }
    start.envs(&command.env).envs(fields.iter().map(|(name, value)| (name, value)));
    start.spawn().map_err(|error| match &command.dir {
        Some(dir) if !dir.is_dir() => {
            format!("could not start `{shown}`: its working directory {} is not there", dir.display())
        }
        _ => format!("could not start `{shown}`: {error}"),
    })
}

/// Waits for the leader until the limit, ends what is left of its group, and says how the leader ended.
fn watch(command: &GateCommand, mut child: Child) -> How {
    let group = Pid::from_child(&child);
    let gone = match watch_for_end(group) {
        Ok(gone) => gone,
        Err(error) => {
            signal(group, Signal::KILL);
            reap_later(child);
            return How::Failed(format!("could not be watched: {error}"));
        }
    };

    let mut seen = gone.recv_timeout(command.limit);
    let over_time = seen == Err(RecvTimeoutError::Timeout);
    if over_time {
        signal(group, Signal::TERM);
        seen = gone.recv_timeout(command.grace);
    }
    if let Ok(Err(errno)) = seen {
        // Somebody else has reaped the leader: its number may be another's by now, so nothing is signalled.
        return How::Failed(format!("its end was not seen: {errno}"));
    }
    // The leader is alive or not reaped yet, so the group's number is still its own.
    signal(group, Signal::KILL);
    if seen == Err(RecvTimeoutError::Timeout) {
        seen = gone.recv_timeout(KILLED_WITHIN);
    }
    if seen != Ok(Ok(())) {
        reap_later(child);
        return How::Stuck;
    }

    match child.wait() {
        Ok(_) if over_time => How::OverTime,
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => How::Exited(code),
            (None, Some(signal)) => How::Signalled(signal),
            (None, None) => How::Failed(format!("its end has no known form: {status}")),
        },
        Err(error) => How::Failed(format!("its end was not seen: {error}")),
    }
}

/// Says when a child has ended, and leaves it unreaped, so that its number stays its own.
fn watch_for_end(leader: Pid) -> io::Result<Receiver<Result<(), Errno>>> {
    let (tell, gone) = mpsc::sync_channel(1);
    thread::Builder::new().name("gate-watch".to_owned()).spawn(move || {
        let end = loop {
            match waitid(WaitId::Pid(leader), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
                Ok(_) => break Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => break Err(errno),
            }
        };
        // Nobody may be listening any more, if the process was stuck for long.
        tell.send(end).ok();
    })?;
    Ok(gone)
}

/// Signals a group whose leader is alive or not reaped yet.
fn signal(group: Pid, signal: Signal) {
    if let Err(errno) = kill_process_group(group, signal) {
        // Some systems refuse to signal a group of which only the unreaped leader is left.
        tracing::debug!(group = group.as_raw_nonzero(), ?signal, %errno, "a gate's group was not signalled");
    }
}

/// Leaves a process that does not end to a thread that waits for it, so that it does not stay a zombie.
fn reap_later(mut child: Child) {
    let reaper = thread::Builder::new().name("gate-reap".to_owned()).spawn(move || child.wait().is_ok());
    if let Err(error) = reaper {
        tracing::debug!(%error, "a gate that does not end will stay a zombie");
    }
}

/// The pipe that takes a command's output, standard error included, and the thread that drains it.
#[derive(Debug)]
struct Output {
    writer: PipeWriter,
    /// Closing it ends the thread, even if somebody still holds the pipe.
    halt: PipeWriter,
    drain: JoinHandle<Tail>,
}

impl Output {
    fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        let (halted, halt) = io::pipe()?;
        fcntl_setfl(&reader, fcntl_getfl(&reader)? | OFlags::NONBLOCK)?;
        let drain = thread::Builder::new().name("gate-drain".to_owned()).spawn(move || drain(&reader, &halted))?;
        Ok(Self { writer, halt, drain })
    }

    /// What is left of the output when the command has ended.
    fn end(self) -> Tail {
        drop(self.writer);
        drop(self.halt);
        self.drain.join().unwrap_or_default()
    }
}

/// Reads until the end of the output, or until it is halted and nothing is left to read.
fn drain(output: &PipeReader, halted: &PipeReader) -> Tail {
    let mut tail = Tail::default();
    let mut piece = vec![0; 64 * 1024];
    let mut left = READ_AFTER_END;
    loop {
        let mut watched = [PollFd::new(output, PollFlags::IN), PollFd::new(halted, PollFlags::IN)];
        match poll(&mut watched, None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(_) => return tail,
        }
        let [_, halt] = &watched;
        let ended = !halt.revents().is_empty();
        match rustix::io::read(output, &mut piece) {
            Ok(0) => return tail,
            Ok(length) => {
                tail.push(piece.get(..length).unwrap_or_default());
                if ended {
                    left = left.saturating_sub(length);
                }
            }
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if !ended => {}
            Err(_) => return tail,
        }
        if left == 0 {
            return tail;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_that_is_not_ours_to_wait_for_is_said_at_once() {
        let gone = watch_for_end(Pid::INIT).unwrap();
        assert_eq!(gone.recv(), Ok(Err(Errno::CHILD)));
    }
}
